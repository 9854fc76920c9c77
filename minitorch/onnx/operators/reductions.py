"""Operators that make one element of many: sums, extremes, places, order; and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .table import arr, axes_of, axis_of, cast, ints, number, operator, t, tensor


def _floats(function: Callable) -> Callable:
    """A function of floats (x, axes, keepdim), for integers, too, whose dtype the result has."""

    def reduce(x: Any, axes: tuple, keepdim: bool) -> Any:
        dtype = arr(x).dtype
        return cast(function(x if dtype.kind == "f" else cast(x, np.float64), axes, keepdim), dtype)

    return reduce


def _sum(x: Any, axes: tuple, keepdim: bool) -> Any:
    return cast(t.sum(x, axes, keepdim), arr(x).dtype)


def _prod(x: Any, axes: tuple, keepdim: bool) -> Any:
    dtype = arr(x).dtype
    for axis in sorted(axes, reverse=True):
        x = t.prod(x, axis, keepdim)
    return cast(x, dtype)


def _extreme(function: Callable, empty_low: bool) -> Callable:
    def reduce(x: Any, axes: tuple, keepdim: bool) -> Any:
        a = arr(x)
        if any(a.shape[d] == 0 for d in axes):  # of nothing: the end of the dtype
            lowest: Any = -np.inf if a.dtype.kind == "f" else False if a.dtype.kind == "b" else np.iinfo(a.dtype).min
            highest: Any = np.inf if a.dtype.kind == "f" else True if a.dtype.kind == "b" else np.iinfo(a.dtype).max
            shape = tuple(1 if d in axes else n for d, n in enumerate(a.shape))
            out = np.full(shape, lowest if empty_low else highest, a.dtype)
            return tensor(out if keepdim else out.squeeze(axes))
        if a.dtype.kind == "b":
            return tensor((np.any if empty_low else np.all)(a, axis=axes, keepdims=keepdim))
        return function(x, axes, keepdim)

    return reduce


def _log_sum_exp(x: Any, axes: tuple, keepdim: bool) -> Any:
    if any(arr(x).shape[d] == 0 for d in axes):
        return t.log(_sum(x, axes, keepdim))
    return t.logsumexp(x, axes, keepdim)


REDUCTIONS: dict[str, Callable] = {
    "ReduceSum": _sum,
    "ReduceMean": _floats(lambda x, axes, keep: t.mean(x, axes, keep)),
    "ReduceProd": _prod,
    "ReduceMax": _extreme(t.amax, True),
    "ReduceMin": _extreme(t.amin, False),
    "ReduceL1": lambda x, axes, keep: _sum(t.abs(x), axes, keep),
    "ReduceL2": _floats(lambda x, axes, keep: t.sqrt(_sum(x * x, axes, keep))),
    "ReduceSumSquare": lambda x, axes, keep: _sum(x * x, axes, keep),
    "ReduceLogSum": _floats(lambda x, axes, keep: t.log(_sum(x, axes, keep))),
    "ReduceLogSumExp": _floats(_log_sum_exp),
}


def _reduction(name: str, function: Callable) -> None:
    def reduce(data: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        ndim, given = arr(data).ndim, ints(axes)
        if not given and noop_with_empty_axes:  # of each element by itself: of an axis of its own
            return function(data.unsqueeze(-1), (ndim,), False)
        chosen = axes_of(given, ndim) if given else tuple(range(ndim))
        if not chosen:
            return function(data.reshape(1), (0,), False)
        return function(data, chosen, bool(keepdims))

    operator(name)(reduce)


for _name, _function in REDUCTIONS.items():
    _reduction(_name, _function)


def _position(name: str, find: Callable) -> None:
    def position(data: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        d = axis_of(axis, arr(data).ndim)
        if not select_last_index:
            return find(data, d, bool(keepdims))
        n = arr(data).shape[d]
        return (n - 1) - find(t.flip(data, (d,)), d, bool(keepdims))

    operator(name)(position)


_position("ArgMax", t.argmax)
_position("ArgMin", t.argmin)


def _running(name: str, function: Callable, neutral: int) -> None:
    def run(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        d, dtype = axis_of(axis, arr(x).ndim), arr(x).dtype
        if reverse:
            x = t.flip(x, (d,))
        out = cast(function(x, d), dtype)
        if exclusive:
            shape = list(arr(x).shape)
            shape[d] = 1
            out = t.cat([tensor(np.full(shape, neutral, dtype)), t.narrow(out, d, 0, arr(x).shape[d] - 1)], d)
        return t.flip(out, (d,)) if reverse else out

    operator(name)(run)


_running("CumSum", t.cumsum, 0)
_running("CumProd", t.cumprod, 1)


@operator("TopK")
def _topk(X: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple:
    return tuple(t.topk(X, int(number(k)), axis_of(axis, arr(X).ndim), bool(largest), True))


@operator("Unique")
def _unique(X: Any, *, axis: Any = None, sorted: int = 1) -> tuple:
    x = arr(X) if axis is not None else arr(X).reshape(-1)
    d = 0 if axis is None else axis_of(axis, x.ndim)
    values, first, inverse, counts = np.unique(x, True, True, True, axis=d)
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        values, first, counts, inverse = values.take(order, d), first[order], counts[order], rank[inverse]
    return tensor(values), *(tensor(v, np.int64) for v in (first, inverse, counts))


@operator("NonZero")
def _nonzero(X: Any) -> Any:
    a = arr(X)
    return tensor(np.stack(np.nonzero(a)) if a.ndim else np.zeros((0, int(bool(a))), np.int64), np.int64)
