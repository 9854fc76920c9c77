"""Normalisation of groups of channels of each sample: group, instance, layer and RMS norm, forwards and backwards.

A group of K numbers x with mean m (0 for RMS norm) has s = 1 / sqrt(mean((x - m)^2) + eps), and y = (x - m) s w + b
with w, b of the channel. Backwards, with u = g w, A = sum(u) and B = sum(u (x - m)) over the group:

    gx = s (u - A / K - (x - m) s^2 B / K)        (without A for RMS norm)

Images are (N, C, S) in memory, or (N, S, C) with `last`: read along rows of S, or across columns of C. In layer norm S
is 1 and a row is a group: w and b are read along it. Each task computes sums and results of what it owns, a group or
some columns, while that is in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, kernel
from minitorch.kernels.words.lanes import column_fill, column_total, row_total
from minitorch.kernels.words.vector import sweep

__all__ = ["group_norm", "group_norm_grad"]

HEAVY = 20_000  # elements worth waking the other threads for
WIDE = np.dtype(np.float64)
COLUMNS = 64  # of a task, at least
RUN = 8  # rows that go side by side through the gradients of w and b
TASKS = 64  # blocks of rows for the gradients of w and b


def group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
               eps: float, last: bool, centred: bool) -> None:
    """Every group of x (N, C, S), or (N, S, C) if `last`, to mean 0 if `centred` and mean square 1, then * w + b (C,).

    mean and invstd (N, groups) say how many groups there are, and are filled.
    """
    if not x.size:
        mean[...] = invstd[...] = np.nan
        return
    flat = (x.reshape(-1), w, b, out.reshape(-1), mean.reshape(-1), invstd.reshape(-1))
    heavy, (batch, groups) = x.size > HEAVY, mean.shape
    slots = get_num_threads() if heavy else 1
    if not last:
        _rows(heavy, *flat, eps, centred, batch, groups, w.size, x.shape[2], slots)
        return
    width = _width(w.size, groups)
    sums, factors = borrow(slots * width, WIDE), borrow(2 * slots * width, x.dtype)
    _columns(heavy, *flat, eps, centred, batch, groups, w.size, x.shape[1], slots, width, sums, factors)
    give_back(sums, factors)


def group_norm_grad(g: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    out: np.ndarray, gw: np.ndarray, gb: np.ndarray, last: bool, centred: bool) -> None:
    """The gradients of `group_norm` for x, w and b from that of its result, g; mean and invstd are those it filled.

    For S = 1 `out`, or gw and gb, may be empty: then nobody asks for them.
    """
    if not x.size:
        gw[...] = gb[...] = 0
        return
    flat = (g.reshape(-1), x.reshape(-1), w, mean.reshape(-1), invstd.reshape(-1), out.reshape(-1))
    heavy, (batch, groups), channels = x.size > HEAVY, mean.shape, w.size
    slots = get_num_threads() if heavy else 1
    if last or x.shape[2] > 1:
        sums = borrow(2 * batch * channels, WIDE)
        if last:
            width = _width(channels, groups)
            factors = borrow(4 * slots * width, x.dtype)
            _columns_grad(heavy, *flat, gw, gb, centred, batch, groups, channels, x.shape[1], slots, width, sums,
                          factors)
            give_back(factors)
        else:
            _rows_grad(heavy, *flat, gw, gb, centred, batch, groups, channels, x.shape[2], slots, sums)
        give_back(sums)
        return
    if out.size:
        _short_rows_grad(heavy, *flat, centred, batch, groups, channels, slots)
    if not gw.size:
        return
    per = channels // groups
    width = min(per, 512)
    chunks = -(-per // width)
    blocks = max(1, min(TASKS // (groups * chunks), batch // 16))
    sums = borrow(2 * blocks * channels, WIDE)
    _weights_grad(heavy, *flat[:2], gw, gb, *flat[3:5], batch, groups, channels, slots, width, chunks, blocks, sums)
    give_back(sums)


def _width(channels: int, groups: int) -> int:
    """Columns of a task: whole groups."""
    per = channels // groups
    return min(channels, -(-COLUMNS // per) * per)


_sum_row = row_total(lambda x: x, "sum")
_squares_row = row_total(lambda x, m: (x - m) * (x - m), "sum")
_sum_column = column_total(lambda x: x, "sum")
_squares_column = column_total(lambda x, m: (x - m) * (x - m), "sum")
_products_row = row_total(lambda g, x, m: g * (x - m), "sum")
_products_column = column_total(lambda g, x, m: g * (x - m), "sum")


def _normal(x: Any, m: Any, scale: Any, b: Any) -> Any:
    return (x - m).fma(scale, b)


def _normal_short(x: Any, w: Any, b: Any, m: Any, s: Any) -> Any:
    return ((x - m) * s).fma(w, b)


def _descent(g: Any, x: Any, m: Any, scale: Any, slope: Any, offset: Any) -> Any:
    return g.fma(scale, (m - x).fma(slope, offset))


def _descent_short(g: Any, x: Any, w: Any, m: Any, s: Any, slope: Any, offset: Any) -> Any:
    return (g * w).fma(s, (m - x).fma(slope, offset))


_normal_row, _normal_short_row, _normal_column = sweep(_normal), sweep(_normal_short), column_fill(_normal)
_descent_row, _descent_short_row = sweep(_descent), sweep(_descent_short)
_descent_column = column_fill(lambda g, x, m, scale, slope, offset: _descent(g, x, m, scale, slope, offset))
_weighted_row = row_total(lambda g, w: g * w, "sum")
_weighted_products_row = row_total(lambda g, x, w, m: g * w * (x - m), "sum")
_normal_products = column_total(lambda g, x, m, s: g * ((x - m) * s), "sum", numbers=True)


@kernel(exact=True)
def _rows(workers, x, w, b, out, mean, invstd, eps, centred, batch, groups, channels, size, slots):
    per = channels // groups
    count, tasks = per * size, batch * groups
    kind = x.dtype.type
    for slot in prange(slots):
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            low, first = task * count, task % groups * per
            mean[task] = _sum_row((x,), low, low + count, (), 0) / count if centred else 0.0
            invstd[task] = 1 / np.sqrt(_squares_row((x,), low, low + count, (mean,), task) / count + eps)
            if size == 1:
                _normal_short_row((x[low:low + count], w[first:first + per], b[first:first + per],
                                   out[low:low + count]), 0, count, (mean[task], invstd[task]))
            else:
                for c in range(first, first + per):
                    _normal_row((x, out), low, low + size, (mean[task], kind(invstd[task] * w[c]), b[c]))
                    low += size


@kernel(exact=True)
def _columns(workers, x, w, b, out, mean, invstd, eps, centred, batch, groups, channels, size, slots, width, sums,
             factors):
    per = channels // groups
    chunks = -(-channels // width)
    count, tasks = per * size, batch * chunks
    for slot in prange(slots):
        s, m = slot * width, 2 * slot * width
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            n = task // chunks
            first = (task - n * chunks) * width
            columns = min(width, channels - first)
            at, group = n * size * channels + first, n * groups + first // per
            for c in range(columns):
                sums[s + c] = 0.0
                factors[m + c] = 0.0
            if centred:
                _sum_column(sums, s, (x,), at, channels, (), 0, 0, columns, size)
            for k in range(columns // per):
                whole = 0.0
                for c in range(k * per, (k + 1) * per):
                    whole += sums[s + c]
                    sums[s + c] = 0.0
                mean[group + k] = whole / count
                for c in range(k * per, (k + 1) * per):
                    factors[m + c] = mean[group + k]
            _squares_column(sums, s, (x,), at, channels, (factors,), m, 0, columns, size)
            for k in range(columns // per):
                whole = 0.0
                for c in range(k * per, (k + 1) * per):
                    whole += sums[s + c]
                invstd[group + k] = 1 / np.sqrt(whole / count + eps)
                for c in range(k * per, (k + 1) * per):
                    factors[m + width + c] = invstd[group + k] * w[first + c]
            for i in range(size):
                _normal_column(out, (x,), at + i * channels, (factors[m:], factors[m + width:], b[first:]), 0, columns)


@kernel(exact=True)
def _rows_grad(workers, g, x, w, mean, invstd, out, gw, gb, centred, batch, groups, channels, size, slots, sums):
    per = channels // groups
    count, tasks, products = per * size, batch * groups, batch * channels
    kind = x.dtype.type
    for slot in prange(slots):
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            low, first, at = task * count, task % groups * per, task * per
            a, b = 0.0, 0.0
            for c in range(per):
                start = low + c * size
                sums[at + c] = _sum_row((g,), start, start + size, (), 0)
                sums[products + at + c] = _products_row((g, x), start, start + size, (mean,), task)
                a += sums[at + c] * w[first + c]
                b += sums[products + at + c] * w[first + c]
            s = np.float64(invstd[task])
            slope, offset = kind(s * s * s * b / count), kind(-s * a / count if centred else 0.0)
            for c in range(per):
                start = low + c * size
                _descent_row((g, x, out), start, start + size,
                             (mean[task], kind(s * w[first + c]), slope, offset))
    for c in range(channels):
        a, b = 0.0, 0.0
        for n in range(batch):
            a += sums[n * channels + c]
            b += sums[products + n * channels + c] * invstd[n * groups + c // per]
        gb[c] = a
        gw[c] = b


@kernel(exact=True)
def _columns_grad(workers, g, x, w, mean, invstd, out, gw, gb, centred, batch, groups, channels, size, slots, width,
                  sums, factors):
    per = channels // groups
    chunks = -(-channels // width)
    count, tasks, products = per * size, batch * chunks, batch * channels
    for slot in prange(slots):
        m = 4 * slot * width
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            n = task // chunks
            first = (task - n * chunks) * width
            columns = min(width, channels - first)
            at, group, to = n * size * channels + first, n * groups + first // per, n * channels + first
            for k in range(columns // per):
                for c in range(k * per, (k + 1) * per):
                    sums[to + c] = 0.0
                    sums[products + to + c] = 0.0
                    factors[m + c] = mean[group + k]
            _sum_column(sums, to, (g,), at, channels, (), 0, 0, columns, size)
            _products_column(sums, products + to, (g, x), at, channels, (factors,), m, 0, columns, size)
            for k in range(columns // per):
                a, b = 0.0, 0.0
                for c in range(k * per, (k + 1) * per):
                    a += sums[to + c] * w[first + c]
                    b += sums[products + to + c] * w[first + c]
                s = np.float64(invstd[group + k])
                for c in range(k * per, (k + 1) * per):
                    factors[m + width + c] = s * w[first + c]
                    factors[m + 2 * width + c] = s * s * s * b / count
                    factors[m + 3 * width + c] = -s * a / count if centred else 0.0
            for i in range(size):
                _descent_column(out, (g, x), at + i * channels,
                                (factors[m:], factors[m + width:], factors[m + 2 * width:], factors[m + 3 * width:]),
                                0, columns)
    for c in range(channels):
        a, b = 0.0, 0.0
        for n in range(batch):
            a += sums[n * channels + c]
            b += sums[products + n * channels + c] * invstd[n * groups + c // per]
        gb[c] = a
        gw[c] = b


@kernel(exact=True)
def _short_rows_grad(workers, g, x, w, mean, invstd, out, centred, batch, groups, channels, slots):
    per = channels // groups
    tasks = batch * groups
    kind = x.dtype.type
    for slot in prange(slots):
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            low, first = task * per, task % groups * per
            own, at, weight = g[low:low + per], x[low:low + per], w[first:first + per]
            a = _weighted_row((own, weight), 0, per, (), 0) if centred else 0.0
            b = _weighted_products_row((own, at, weight), 0, per, (mean,), task)
            s = np.float64(invstd[task])
            _descent_short_row((own, at, weight, out[low:low + per]), 0, per,
                               (mean[task], invstd[task], kind(s * s * s * b / per), kind(-s * a / per)))


@kernel(exact=True)
def _weights_grad(workers, g, x, gw, gb, mean, invstd, batch, groups, channels, slots, width, chunks, blocks, sums):
    per = channels // groups
    tasks, products = groups * chunks * blocks, blocks * channels
    for slot in prange(slots):
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            block = task % blocks
            chunk = task // blocks % chunks
            group = task // (blocks * chunks)
            columns = min(width, per - chunk * width)
            first = group * per + chunk * width
            to = block * channels + first
            for c in range(to, to + columns):
                sums[c] = 0.0
                sums[products + c] = 0.0
            n, stop = block * batch // blocks, (block + 1) * batch // blocks
            while n < stop:
                rows, at = min(RUN, stop - n), n * channels + first
                _sum_column(sums, to, (g,), at, channels, (), 0, 0, columns, rows)
                _normal_products(sums, products + to, (g, x), at, channels, (mean, invstd), n * groups + group, groups,
                                 columns, rows)
                n += rows
    for c in range(channels):
        a, b = 0.0, 0.0
        for block in range(blocks):
            a += sums[block * channels + c]
            b += sums[products + block * channels + c]
        gb[c] = a
        gw[c] = b
