"""Elements that meet in one place: the largest of them, their product, how many there are.

A worker owns columns: all places (b, m, d) of some b and d. So nobody shares a place, and elements come in their order.
What is larger is found without branches, since nobody can foretell it.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import helper, kernel

__all__ = ["histogram", "place_extreme", "place_product"]

HEAVY = 50_000  # elements worth waking the other threads for
STRIP = 64  # columns of one task


def place_extreme(x: np.ndarray, y: np.ndarray, index: np.ndarray, out: np.ndarray, own: np.ndarray,
                  theirs: np.ndarray, share: np.ndarray, largest: bool, include_self: bool) -> None:
    """out = x with the largest or smallest of what meets, and the share of each of those that are it."""
    flat = [a.reshape(-1) for a in (x, y, index, out, own, theirs, share)]
    _place_extreme(x.size + y.size > HEAVY, *flat, *_sizes(x, y, index), largest, include_self)


def place_product(x: np.ndarray, y: np.ndarray, index: np.ndarray, out: np.ndarray, include_self: bool) -> None:
    """out = x with the product of what meets."""
    flat = [a.reshape(-1) for a in (x, y, index, out)]
    _place_product(x.size + y.size > HEAVY, *flat, *_sizes(x, y, index), include_self)


def histogram(x: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
    """counts[p, bin] of the p-th part of x; ends: the lower, the upper and how many bins there are between 0 and 1."""
    _histogram(x.size > HEAVY, x.reshape(-1), ends, counts)


def _sizes(x: np.ndarray, y: np.ndarray, index: np.ndarray) -> tuple[int, ...]:
    """B, M, N, D, and the steps of the index from one b, n, d to the next."""
    lead, rows, last = index.shape
    return *x.shape[:2], *y.shape[1:], rows * last * (lead > 1), last, int(last > 1)


@helper()
def _blocks(places, length, first, last):
    """Places of columns first ... last - 1 as runs of memory: how many, and the length of one."""
    return (1, places * length) if last - first == length else (places, last - first)


@kernel(exact=True)
def _place_extreme(workers, x, y, index, out, own, theirs, share, batch, places, rows, length, step_b, step_n, step_d,
                   largest, include_self):
    strips = (length + STRIP - 1) // STRIP
    for worker in prange(workers):
        for task in range(worker * batch * strips // workers, (worker + 1) * batch * strips // workers):
            b, first = task // strips, task % strips * STRIP
            last = min(length, first + STRIP)
            start, (runs, size) = b * places * length, _blocks(places, length, first, last)
            # A row of one place for all its columns, or of one column: then of as many rows as there are.
            lines, columns = (1, rows) if length == 1 else (rows, last - first)
            for run in range(runs):
                for at in range(start + run * length + first, start + run * length + first + size):
                    out[np.uint64(at)], own[np.uint64(at)], share[np.uint64(at)] = x[np.uint64(at)], 1, 1
            if not include_self:
                for n in range(rows):
                    for d in range(first, last):
                        m = index[np.uint64(b * step_b + n * step_n + d * step_d)]
                        at = np.uint64(start + m * length + d)
                        own[at] = share[at] = 0
            for n in range(lines):  # share counts
                i, j = b * step_b + n * step_n, (b * rows + n) * length + first
                if length == 1:
                    for d in range(columns):
                        _meet(y, j + d, out, share, start + index[np.uint64(i + d)], largest)
                elif step_d:
                    for d in range(columns):
                        at = start + index[np.uint64(i + first + d)] * length + first + d
                        _meet(y, j + d, out, share, at, largest)
                else:
                    k = start + index[np.uint64(i)] * length + first
                    for d in range(columns):
                        _meet(y, j + d, out, share, k + d, largest)
            for run in range(runs):
                for at in range(start + run * length + first, start + run * length + first + size):
                    share[np.uint64(at)] = 1 / share[np.uint64(at)]
                    own[np.uint64(at)] *= share[np.uint64(at)] * _same(x[np.uint64(at)], out[np.uint64(at)])
            for n in range(lines):
                i, j = b * step_b + n * step_n, (b * rows + n) * length + first
                if length == 1:
                    for d in range(columns):
                        _give(y, j + d, out, share, start + index[np.uint64(i + d)], theirs)
                elif step_d:
                    for d in range(columns):
                        at = start + index[np.uint64(i + first + d)] * length + first + d
                        _give(y, j + d, out, share, at, theirs)
                else:
                    k = start + index[np.uint64(i)] * length + first
                    for d in range(columns):
                        _give(y, j + d, out, share, k + d, theirs)


@helper()
def _meet(y, i, out, count, at, largest):
    """y[i] meets what is at out[at], of which there are `count` so far; NaN takes every number's place."""
    v, best, shared = y[np.uint64(i)], out[np.uint64(at)], count[np.uint64(at)]
    newer = (not (v <= best) if largest else not (v >= best)) & (best == best) | (shared == 0)
    out[np.uint64(at)] = v if newer else best
    count[np.uint64(at)] = 1 if newer else shared + _same(v, best)


@helper()
def _give(y, i, out, share, at, theirs):
    """The share of y[i], if it is what came out."""
    theirs[np.uint64(i)] = share[np.uint64(at)] * _same(y[np.uint64(i)], out[np.uint64(at)])


@helper()
def _same(v, w):
    return (v == w) | ((v != v) & (w != w))


@kernel(exact=True)
def _place_product(workers, x, y, index, out, batch, places, rows, length, step_b, step_n, step_d, include_self):
    strips = (length + STRIP - 1) // STRIP
    for worker in prange(workers):
        for task in range(worker * batch * strips // workers, (worker + 1) * batch * strips // workers):
            b, first = task // strips, task % strips * STRIP
            last = min(length, first + STRIP)
            start, (runs, size) = b * places * length, _blocks(places, length, first, last)
            for run in range(runs):
                for at in range(start + run * length + first, start + run * length + first + size):
                    out[np.uint64(at)] = x[np.uint64(at)]
            if not include_self:
                for n in range(rows):
                    for d in range(first, last):
                        m = index[np.uint64(b * step_b + n * step_n + d * step_d)]
                        out[np.uint64(start + m * length + d)] = 1
            for n in range(rows):
                for d in range(first, last):
                    m = index[np.uint64(b * step_b + n * step_n + d * step_d)]
                    out[np.uint64(start + m * length + d)] *= y[np.uint64((b * rows + n) * length + d)]


@kernel(exact=True)
def _histogram(workers, x, ends, counts):
    parts, bins = counts.shape
    low, high, scale = ends[0], ends[1], ends[2]
    for worker in prange(workers):
        for part in range(worker * parts // workers, (worker + 1) * parts // workers):
            for k in range(bins):
                counts[part, k] = 0
            for i in range(part * x.size // parts, (part + 1) * x.size // parts):
                v = x[np.uint64(i)]
                if (v >= low) & (v <= high):
                    counts[part, min(np.int64((v - low) * scale), bins - 1)] += 1
