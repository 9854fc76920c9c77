"""Rows by their numbers: taken, put back with sums, and weighted.

Who writes owns: a worker of `scatter_rows` reads all numbers and adds the rows that fall into its part of the result,
in their order. So the sums have the same bits for any number of threads, and nobody needs to sort.

Rows of one element are the one case where numba's own indexing counts. Numbers that cannot be negative save the
question whether they are, and half the time (8 MB, 48 of 64 channels: 1.9 and 0.85 ms, one core, 2026-11).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import kernel
from minitorch.kernels.words.moves import clear, copy
from minitorch.kernels.words.vector import sweep

__all__ = ["gather_rows", "scatter_rows", "weighted_rows"]

HEAVY = 50_000  # elements worth waking the other threads for


def gather_rows(x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """out[b, i] = x[b, rows[i]] for x (B, M, D)."""
    _gather_rows(out.size > HEAVY, x.reshape(-1), rows, out.reshape(-1), *x.shape)


def scatter_rows(y: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `gather_rows`: out[b, rows[i]] += y[b, i], in the order of i, all else 0."""
    _scatter_rows(out.size + y.size > HEAVY, y.reshape(-1), rows, out.reshape(-1), *out.shape)


def weighted_rows(x: np.ndarray, first: np.ndarray, positions: np.ndarray, weights: np.ndarray,
                  out: np.ndarray) -> None:
    """out[b, o] = sum of weights[e] x[b, positions[e]] for first[o] <= e < first[o + 1], in this order."""
    _weighted_rows(out.size > HEAVY, x.reshape(-1), first, positions, weights, out.reshape(-1), *out.shape, x.shape[1])


_add = sweep(lambda x, y: x + y)
_scale = sweep(lambda x, a: x * a)
_two = sweep(lambda x, y, a, b: x * a + y * b)
_two_more = sweep(lambda out, x, y, a, b: out + x * a + y * b)
_one_more = sweep(lambda out, x, a: out + x * a)


@kernel(exact=True)
def _gather_rows(workers, x, rows, out, batch, count, length):
    for worker in prange(workers):
        i, end = worker * batch * rows.size // workers, (worker + 1) * batch * rows.size // workers
        while i < end:
            start, first = i // rows.size * count, i % rows.size
            last = min(rows.size, first + end - i)
            at = i - first
            i += last - first
            if length == 1:
                for k in range(first, last):
                    out[np.uint64(at + k)] = x[np.uint64(start + rows[k])]
            else:
                for k in range(first, last):
                    copy(x, (start + rows[k]) * length, out, (at + k) * length, length)


@kernel(exact=True)
def _scatter_rows(workers, y, rows, out, batch, count, length):
    for worker in prange(workers):
        i, end = worker * batch * count // workers, (worker + 1) * batch * count // workers
        clear(out, i * length, (end - i) * length)
        while i < end:
            image, low = i // count, i % count
            high = min(count, low + end - i)
            start = i - low
            i += high - low
            if length == 1 and high - low == count:  # all of an image: nobody asks whose a row is
                for k in range(rows.size):
                    out[np.uint64(start + rows[np.uint64(k)])] += y[np.uint64(image * rows.size + k)]
                continue
            for k in range(rows.size):
                if low <= rows[k] < high:
                    a, b = (start + rows[k]) * length, (image * rows.size + k) * length
                    if length == 1:
                        out[np.uint64(a)] += y[np.uint64(b)]
                    else:
                        _add((out[a:a + length], y[b:b + length], out[a:a + length]), 0, length, ())


@kernel(exact=True)
def _weighted_rows(workers, x, first, positions, weights, out, batch, rows, length, size):
    for worker in prange(workers):
        for unit in range(worker * batch * rows // workers, (worker + 1) * batch * rows // workers):
            start, row = unit // rows * size, unit % rows
            e, end = first[row], first[row + 1]
            total = out[unit * length:(unit + 1) * length]
            if e == end:
                clear(out, unit * length, length)
                continue
            a = (start + positions[e]) * length
            if e + 1 == end:
                if weights[e] == 1:
                    copy(x, a, out, unit * length, length)
                else:
                    _scale((x[a:a + length], total), 0, length, (weights[e],))
                continue
            b = (start + positions[e + 1]) * length
            _two((x[a:a + length], x[b:b + length], total), 0, length, (weights[e], weights[e + 1]))
            e += 2
            while e + 1 < end:
                a, b = (start + positions[e]) * length, (start + positions[e + 1]) * length
                _two_more((total, x[a:a + length], x[b:b + length], total), 0, length, (weights[e], weights[e + 1]))
                e += 2
            if e < end:
                a = (start + positions[e]) * length
                _one_more((total, x[a:a + length], total), 0, length, (weights[e],))
