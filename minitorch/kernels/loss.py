"""Softmax over the middle of (outer, C, inner), and cross-entropy over the rows of x (M, C).

Largest, sum of exponentials, result: each a sweep, of a row where inner is 1, else of rows of memory across columns, so
many at a time that all they read stays in the cache.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, kernel
from minitorch.kernels.words import polynomial
from minitorch.kernels.words.lanes import column_fill, column_total, row_total
from minitorch.kernels.words.moves import clear
from minitorch.kernels.words.polynomial import exp_falling as exp  # of x - top
from minitorch.kernels.words.vector import sweep

__all__ = ["cross_entropy", "cross_entropy_grad", "log_softmax", "log_softmax_grad", "softmax", "softmax_grad"]

HEAVY = 10_000  # elements worth waking the other threads for
CACHED = 32_768  # elements that a task across columns reads three times

largest = row_total(lambda x: x, "max")
sum_exp = row_total(lambda x, top: exp(x - top), "sum")
spread = sweep(lambda x, top, whole, factor: exp(x - top) * (factor / whole))
spread_less = sweep(lambda x, w, top, whole, factor, part: exp(x - top) * (factor / whole) - w * part)
fall = row_total(lambda x, w, top, log_total: w * (log_total - (x - top)), "sum")
add_up = row_total(lambda w: w, "sum")


def softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = exp(x) over its sum along the middle of x (outer, C, inner)."""
    _run(_softmax_rows, _softmax_columns, (x,), out)


def log_softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = x - log(sum(exp(x))) along the middle of x (outer, C, inner)."""
    _run(_log_softmax_rows, _log_softmax_columns, (x,), out)


def softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = y * (g - sum(g * y)) along the middle, for y = softmax(x) (outer, C, inner)."""
    _run(_softmax_grad_rows, _softmax_grad_columns, (g, y), out)


def log_softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = g - exp(y) * sum(g) along the middle, for y = log_softmax(x) (outer, C, inner)."""
    _run(_log_softmax_grad_rows, _log_softmax_grad_columns, (g, y), out)


def _run(rows: Any, columns: Any, operands: tuple[np.ndarray, ...], out: np.ndarray) -> None:
    outer, classes, inner = out.shape
    if not out.size:
        return
    heavy = out.size > HEAVY
    slots = get_num_threads() if heavy else 1
    flat = [a.reshape(-1) for a in (out, *operands)]
    if inner == 1:
        rows(heavy, *flat, outer, classes, slots)
        return
    width = min(inner, max(32, min(1024, CACHED // classes // 16 * 16)))
    sums, tops = borrow(slots * width, np.dtype(np.float64)), borrow(2 * slots * width, out.dtype)
    columns(heavy, *flat, outer, classes, inner, slots, width, sums, tops)
    give_back(sums, tops)


def cross_entropy(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, losses: np.ndarray, top: np.ndarray,
                  total: np.ndarray, sums: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """The loss of every row, 0 where the label is `ignore_index`; top = max x, total = sum exp(x - top)."""
    _cross_entropy(x.size > HEAVY, x.reshape(-1), labels, weight, losses, top, total, sums, ignore_index,
                   *_parts(x.dtype, x.shape[1], smoothing))


def cross_entropy_grad(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, top: np.ndarray, total: np.ndarray,
                       scale: np.ndarray, out: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """out[i] = scale[i] * (sum(q weight) softmax(x[i]) - q weight), 0 in ignored rows."""
    _cross_entropy_grad(x.size > HEAVY, x.reshape(-1), labels, weight, top, total, scale, out.reshape(-1),
                        ignore_index, *_parts(x.dtype, x.shape[1], smoothing))


@lru_cache
def _parts(dtype: np.dtype, classes: int, smoothing: float) -> tuple[float, float]:
    """What the label gets of a probability of 1, and what every class gets."""
    return dtype.type(1 - smoothing), dtype.type(smoothing / max(1, classes))


def _row_pass(name: str, first: Any, second: Any, last: Any, log: bool) -> Any:
    """A kernel for rows: a number of x, a sum with it, the result with both."""

    def body(workers, out, x, outer, classes, slots):
        kind = out.dtype.type
        for slot in prange(slots):
            for row in range(slot * outer // slots, (slot + 1) * outer // slots):
                low, high = row * classes, (row + 1) * classes
                top = first((x,), low, high, (), 0)
                whole = second((x,), low, high, (top,), 0)
                last((x, out), low, high, (top, kind(math.log(whole) if log else 1 / whole)))

    body.__name__ = name
    return kernel(body, exact=True)


def _column_pass(name: str, first: Any, second: Any, last: Any, log: bool) -> Any:
    """The same across columns."""

    def body(workers, out, x, outer, classes, inner, slots, width, sums, tops):
        chunks = -(-inner // width)
        tasks = outer * chunks
        for slot in prange(slots):
            top = slot * 2 * width
            factor, s = top + width, slot * width
            for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
                o = task // chunks
                column = (task - o * chunks) * width
                count = min(width, inner - column)
                at = o * classes * inner + column
                for i in range(count):
                    tops[top + i] = -np.inf
                    sums[s + i] = 0.0
                first(tops, top, (x,), at, inner, (), 0, 0, count, classes)
                second(sums, s, (x,), at, inner, (tops,), top, 0, count, classes)
                for i in range(count):
                    tops[factor + i] = math.log(sums[s + i]) if log else 1 / sums[s + i]
                for c in range(classes):
                    last(out, (x,), at + c * inner, (tops, tops[width:]), top, count)

    body.__name__ = name
    return kernel(body, exact=True)


def _row_slope(name: str, total: Any, last: Any) -> Any:
    """A kernel for the gradients along rows: a sum, and the result with it."""

    def body(workers, out, g, y, outer, classes, slots):
        kept = out.dtype.type
        for slot in prange(slots):
            for row in range(slot * outer // slots, (slot + 1) * outer // slots):
                low, high = row * classes, (row + 1) * classes
                last((g, y, out), low, high, (kept(total((g, y), low, high, (), 0)),))

    body.__name__ = name
    return kernel(body, exact=True)


def _column_slope(name: str, total: Any, last: Any) -> Any:
    """The same across columns."""

    def body(workers, out, g, y, outer, classes, inner, slots, width, sums, tops):
        chunks = -(-inner // width)
        tasks = outer * chunks
        for slot in prange(slots):
            top, s = slot * 2 * width, slot * width
            for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
                o = task // chunks
                column = (task - o * chunks) * width
                count = min(width, inner - column)
                at = o * classes * inner + column
                for i in range(count):
                    sums[s + i] = 0.0
                total(sums, s, (g, y), at, inner, (), 0, 0, count, classes)
                for i in range(count):
                    tops[top + i] = sums[s + i]
                for c in range(classes):
                    last(out, (g, y), at + c * inner, (tops,), top, count)

    body.__name__ = name
    return kernel(body, exact=True)


def _scaled(x: Any, top: Any, factor: Any) -> Any:
    return exp(x - top) * factor


def _shifted(x: Any, top: Any, lower: Any) -> Any:
    return (x - top) - lower


def _softmax_slope(g: Any, y: Any, total: Any) -> Any:
    return y * (g - total)


def _log_softmax_slope(g: Any, y: Any, total: Any) -> Any:
    return g - polynomial.exp(y) * total


_largest_column = column_total(lambda x: x, "max")
_sum_exp_column = column_total(lambda x, top: exp(x - top), "sum")
_softmax_rows = _row_pass("softmax_rows", largest, sum_exp, sweep(_scaled), False)
_log_softmax_rows = _row_pass("log_softmax_rows", largest, sum_exp, sweep(_shifted), True)
_softmax_columns = _column_pass("softmax_columns", _largest_column, _sum_exp_column, column_fill(_scaled), False)
_log_softmax_columns = _column_pass("log_softmax_columns", _largest_column, _sum_exp_column, column_fill(_shifted),
                                    True)
_softmax_grad_rows = _row_slope("softmax_grad_rows", row_total(lambda g, y: g * y, "sum"), sweep(_softmax_slope))
_softmax_grad_columns = _column_slope("softmax_grad_columns", column_total(lambda g, y: g * y, "sum"),
                                      column_fill(_softmax_slope))
_log_softmax_grad_rows = _row_slope("log_softmax_grad_rows", row_total(lambda g, y: g, "sum"),
                                    sweep(_log_softmax_slope))
_log_softmax_grad_columns = _column_slope("log_softmax_grad_columns", column_total(lambda g, y: g, "sum"),
                                          column_fill(_log_softmax_slope))


@kernel(exact=True)
def _cross_entropy(workers, x, labels, weight, losses, top, total, sums, ignore_index, hit, share):
    m, classes, zero = labels.size, weight.size, x.dtype.type(0)
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high = row * classes, (row + 1) * classes
            top[row] = largest((x,), low, high, (), 0)
            total[row] = sum_exp((x,), low, high, (top[row],), 0)
            label = labels[row]
            if label == ignore_index or label < 0 or label >= classes:
                losses[row] = zero
            else:
                log_total = math.log(total[row])
                loss = -(hit * (weight[label] * ((x[low + label] - top[row]) - log_total)))
                if share > zero:
                    loss += share * fall((x[low:high], weight), 0, classes, (top[row], log_total), 0)
                losses[row] = loss
    loss_sum, weight_sum, wrong = 0.0, 0.0, 0
    for row in range(m):
        label = labels[row]
        if 0 <= label < classes and label != ignore_index:
            loss_sum += np.float64(losses[row])
            weight_sum += np.float64(weight[label])
        elif label != ignore_index:
            wrong += 1
    sums[0], sums[1], sums[2] = loss_sum, weight_sum, wrong


@kernel(exact=True)
def _cross_entropy_grad(workers, x, labels, weight, top, total, scale, out, ignore_index, hit, share):
    m, classes, zero = labels.size, weight.size, x.dtype.type(0)
    every = x.dtype.type(share * add_up((weight,), 0, classes, (), 0) if share > zero else zero)
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high, label = row * classes, (row + 1) * classes, labels[row]
            factor = scale[row if scale.size > 1 else 0]
            if label == ignore_index:
                clear(out, low, classes)
            else:
                gain = factor * (hit * weight[label])
                if share > zero:
                    spread_less((x[low:high], weight, out[low:high]), 0, classes,
                                (top[row], total[row], gain + factor * every, factor * share))
                else:
                    spread((x, out), low, high, (top[row], total[row], gain))
                out[low + label] -= gain
