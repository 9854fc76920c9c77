"""Normalisation within each sample: over groups of channels, over the last axes, by the mean square, across channels.

The derivation is at the top of kernels/row_norm.py, whose kernels serve values and first derivatives. Derivatives that
are recorded are formulas in tensor operations: with h = (x - mean) s and u = g w, over the axes of one group,

    gx = s (u - mean(u) - h mean(u h)),    gw = sum(g h),    gb = sum(g)

RMS norm has no means: neither that of x, which is taken for 0, nor mean(u).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from . import collapse, reduce
from .join import narrow
from .layout import absent, channels_first, channels_last, order_of, ordered_back
from .pointwise import rsqrt
from .reduce import first_order
from .shape import pad_constant, reshape


class _Order:
    """How an image (N, C, *size) lies in memory, and with it the kernels' (N, C, S), or (N, S, C) if `last`."""

    def __init__(self, x: np.ndarray) -> None:
        self.shape = x.shape
        self.last = x.ndim > 2 and not x.flags.c_contiguous and channels_last(x).flags.c_contiguous
        size = math.prod(x.shape[2:])
        self.flat = (x.shape[0], size, x.shape[1]) if self.last else (*x.shape[:2], size)

    def of(self, x: np.ndarray) -> np.ndarray:
        """An image as kernels read it, a copy only if it lies otherwise."""
        return kernels.contiguous(channels_last(x) if self.last else x).reshape(self.flat)

    def back(self, y: np.ndarray) -> np.ndarray:
        """A result of kernels as an image."""
        if not self.last:
            return y.reshape(self.shape)
        return channels_first(y.reshape(self.shape[0], *self.shape[2:], self.shape[1]))

    def weight(self, w: np.ndarray) -> np.ndarray:
        """A number for each channel."""
        return w

    def weight_back(self, w: np.ndarray, shape: tuple) -> np.ndarray:
        """Its gradient."""
        return w


class _Rows:
    """The same for x (*, R) whose last axes, R numbers, are a group: (M, R, 1), those axes in the order of memory."""

    last = False

    def __init__(self, x: np.ndarray, tail: int) -> None:
        self.shape, head = x.shape, x.ndim - tail
        self.flat = (math.prod(x.shape[:head]), math.prod(x.shape[head:]), 1)
        order = order_of(x, head)
        if not x.transpose(*range(head), *order).flags.c_contiguous:
            order = list(range(head, x.ndim))
        self.order, self.tail = [*range(head), *order], [axis - head for axis in order]

    def of(self, x: np.ndarray) -> np.ndarray:
        """x as kernels read it."""
        return kernels.contiguous(x.transpose(self.order)).reshape(self.flat)

    def back(self, y: np.ndarray) -> np.ndarray:
        """A result of kernels."""
        return ordered_back(y, self.shape, self.order)

    def weight(self, w: np.ndarray) -> np.ndarray:
        """A number for each place in a group, as kernels read it."""
        return w.transpose(self.tail).reshape(-1)

    def weight_back(self, w: np.ndarray, shape: tuple) -> np.ndarray:
        """Its gradient."""
        return ordered_back(w, shape, self.tail)


def _normalized(
    how: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray, groups: int, eps: float, centred: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The result, and the mean and 1/s of each group."""
    out = kernels.empty(how.flat, x.dtype)
    mean, invstd = np.empty((2, x.shape[0] if isinstance(how, _Order) else how.flat[0], groups), x.dtype)
    kernels.group_norm(how.of(x), how.weight(w), how.weight(b), out, mean, invstd, eps, how.last, centred)
    return how.back(out), mean, invstd


def _gradient(part: str, how: Any, g: Any, x: Any, w: Any, mean: Any, invstd: Any, centred: bool, memo: dict) -> Any:
    """The gradient for x, w or b. Of images one pass finds all three, of rows one that for x, one the other two."""
    if part not in memo:
        flat, all_ = how.weight(w), isinstance(how, _Order)
        out = kernels.empty(how.flat, x.dtype) if all_ or part == "x" else absent(x)
        gw, gb = (np.empty_like(flat), np.empty_like(flat)) if all_ or part != "x" else (absent(x), absent(x))
        kernels.group_norm_grad(how.of(g), how.of(x), flat, mean, invstd, out, gw, gb, how.last, centred)
        if all_ or part == "x":
            memo["x"] = how.back(out)
        if all_ or part != "x":
            memo.update(w=how.weight_back(gw, w.shape), b=how.weight_back(gb, w.shape))
    return memo[part]


def _standard(x: Any, axes: tuple, eps: float, centred: bool) -> tuple[Any, Any]:
    """h and s, in tensor operations."""
    deviation = x - reduce.mean(x, axes, keepdim=True) if centred else x
    s = rsqrt(reduce.mean(deviation * deviation, axes, keepdim=True) + eps)
    return deviation * s, s


def _slope(g: Any, x: Any, w: Any, axes: tuple, eps: float, centred: bool) -> Any:
    """gx, in tensor operations; w is broadcast."""
    h, s = _standard(x, axes, eps, centred)
    u = g * w
    shared = h * reduce.mean(u * h, axes, keepdim=True)
    return s * (u - (reduce.mean(u, axes, keepdim=True) + shared if centred else shared))


# --------------------------------------------------------------------------------------------------- groups of channels
@primitive(residuals="mean invstd")
def group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, *, groups: int, eps: float) -> tuple:
    """Each of `groups` groups of channels of every image (N, C, *) to mean 0 and variance 1; then * w + b, (C,)."""
    return _normalized(_Order(x), x, w, b, groups, eps, True)


def _fast_group(part: str) -> Callable:
    def fast(
        g: np.ndarray, x: np.ndarray, w: np.ndarray, groups: int, eps: float, mean: Any, invstd: Any, memo: dict
    ) -> Any:
        return _gradient(part, _Order(x), g, x, w, mean, invstd, True, memo)

    return fast


def _split(x: Any, groups: int) -> Any:
    """(N, C, *) as (N, groups, channels of a group, pixels)."""
    n, c, *size = x.array.shape
    return reshape(x, shape=(n, groups, c // groups, math.prod(size)))


def _group_slope(g: Any, x: Any, w: Any, groups: int, eps: float, *_: Any) -> Any:
    w = reshape(w, shape=(groups, -1, 1))
    found = _slope(_split(g, groups), _split(x, groups), w, (2, 3), eps, True)
    return reshape(found, shape=x.array.shape)


def _group_weight_slope(g: Any, x: Any, w: Any, groups: int, eps: float, *_: Any) -> Any:
    h, _s = _standard(_split(x, groups), (2, 3), eps, True)
    return reshape(reduce.sum(_split(g, groups) * h, (0, 3)), shape=w.array.shape)


def _pixels(g: Any) -> tuple:
    return (0, *range(2, len(g.shape)))


group_norm.vjp(
    x=first_order(_fast_group("x"), _group_slope),
    w=first_order(_fast_group("w"), _group_weight_slope),
    b=first_order(
        lambda g, memo: memo["b"] if "b" in memo else collapse.total(g, _pixels(g)),
        lambda g, memo: reduce.sum(g, _pixels(g.array)),
    ),
)


# ----------------------------------------------------------------------------------------------------------- last axes
@primitive(residuals="mean invstd")
def layer_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float) -> tuple:
    """x to mean 0 and variance 1 over its last axes, those of w and b; then * w + b."""
    return _normalized(_Rows(x, w.ndim), x, w, b, 1, eps, True)


@primitive(residuals="mean invstd")
def rms_norm(x: np.ndarray, w: np.ndarray, *, eps: float) -> tuple:
    """x over the root of its mean square over its last axes, those of w; then * w."""
    return _normalized(_Rows(x, w.ndim), x, w, np.zeros_like(w), 1, eps, False)


def _fast_rows(part: str, centred: bool) -> Callable:
    def fast(g: np.ndarray, x: np.ndarray, w: np.ndarray, eps: float, mean: Any, invstd: Any, memo: dict) -> Any:
        return _gradient(part, _Rows(x, w.ndim), g, x, w, mean, invstd, centred, memo)

    return fast


def _tail(x: Any, w: Any) -> tuple:
    ndim = len(x.array.shape)
    return tuple(range(ndim - len(w.array.shape), ndim))


def _head(shape: tuple, tail: int) -> tuple:
    return tuple(range(len(shape) - tail))


def _row_rules(centred: bool) -> dict[str, Callable]:
    """The rules for x and w of `layer_norm`, or of `rms_norm`."""

    def slope(g: Any, x: Any, w: Any, eps: float, *_: Any) -> Any:
        return _slope(g, x, w, _tail(x, w), eps, centred)

    def weight_slope(g: Any, x: Any, w: Any, eps: float, *_: Any) -> Any:
        h, _s = _standard(x, _tail(x, w), eps, centred)
        return _over_rows(g * h, w.array.shape)

    return {
        "x": first_order(_fast_rows("x", centred), slope),
        "w": first_order(_fast_rows("w", centred), weight_slope),
    }


def _over_rows(x: Any, shape: tuple) -> Any:
    head = _head(x.array.shape, len(shape))
    return reduce.reduce_sum(x, dim=head, keepdim=False)


layer_norm.vjp(
    **_row_rules(True),
    b=first_order(
        lambda g, memo, b_shape: memo["b"] if "b" in memo else collapse.total(g, _head(g.shape, len(b_shape))),
        lambda g, memo, b_shape: _over_rows(g, b_shape),
    ),
)
rms_norm.vjp(**_row_rules(False))


# ------------------------------------------------------------------------------------------------------ across channels
def local_response_norm(x: Any, size: int, alpha: float, beta: float, k: float) -> Any:
    """x over (k + alpha times the mean square of `size` neighbouring channels) to the power beta, for x (N, C, *)."""
    shape = x.array.shape
    widths = [(0, 0)] * len(shape)
    widths[1] = (size // 2, (size - 1) // 2)
    squares = pad_constant(x * x, widths=tuple(widths))
    total = narrow(squares, 1, 0, shape[1])
    for i in range(1, size):
        total = total + narrow(squares, 1, i, shape[1])
    return x / (total * (alpha / size) + k) ** beta
