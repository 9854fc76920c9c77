"""Images are (N, C, *size) to users and (N, *size, C) in memory: the channel is what a vector register holds.

The first two functions only move an axis of the view. Kernels copy an operand whose memory stands otherwise; results
of image ops stand right already, and NumPy's elementwise functions keep the layout of what they are given. So do ops
that copy: their results are `room` in the order of their operand.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels

_LAST = {n: (0, *range(2, n), 1) for n in range(2, 8)}
_FIRST = {n: (0, n - 1, *range(1, n - 1)) for n in range(2, 8)}
_ABSENT = {char: np.empty(0, char) for char in "?" + np.typecodes["AllInteger"] + np.typecodes["Float"]}


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) seen as (N, *size, C)."""
    return x.transpose(_LAST[x.ndim])


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, *size, C) seen as (N, C, *size)."""
    return x.transpose(_FIRST[x.ndim])


def pixels(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) as (pixels, C), without a copy where memory is channels-last."""
    return kernels.contiguous(channels_last(x)).reshape(-1, x.shape[1])


def order_of(x: np.ndarray, first: int = 0) -> list[int]:
    """The axes of x, from `first` on, as they follow each other in memory, outermost first."""
    return list(range(first, x.ndim) if x.flags.c_contiguous else _by_strides(x.strides, first))


@functools.lru_cache(1024)
def _by_strides(strides: tuple[int, ...], first: int) -> tuple[int, ...]:
    return tuple(sorted(range(first, len(strides)), key=lambda axis: -abs(strides[axis])))


def last(x: np.ndarray, d: int) -> np.ndarray:
    """x with axis d as the last one."""
    return x if d == x.ndim - 1 else np.moveaxis(x, d, -1)


def last_to(x: np.ndarray, d: int) -> np.ndarray:
    """x with its last axis as axis d."""
    return x if d == x.ndim - 1 else np.moveaxis(x, -1, d)


def ordered_back(y: np.ndarray, shape: Sequence[int], order: Sequence[int]) -> np.ndarray:
    """The array of `shape` whose elements y has with the axes in this order."""
    return y.reshape([shape[axis] for axis in order]).transpose([order.index(axis) for axis in range(len(order))])


def room(x: np.ndarray, shape: Sequence[int] | None = None, dtype: Any = None) -> np.ndarray:
    """An array of junk whose axes, as many as x has, follow each other in memory as x's do."""
    shape, dtype = x.shape if shape is None else tuple(shape), x.dtype if dtype is None else dtype
    if x.flags.c_contiguous:
        return kernels.empty(shape, dtype)
    return ordered_back(kernels.empty(shape, dtype), shape, order_of(x))


def ordered_as(out: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`out`, whose memory is row-major, in the order of x's memory: itself, or a copy."""
    if x.flags.c_contiguous:
        return out
    ordered = room(x, out.shape)
    kernels.fill(ordered, out)
    return ordered


def copied(x: np.ndarray) -> np.ndarray:
    """A copy whose memory has the order of x's."""
    out = room(x)
    kernels.fill(out, x)
    return out


def absent(x: np.ndarray) -> np.ndarray:
    """An empty array of x's dtype: for a kernel, an operand that is not there."""
    return _ABSENT[x.dtype.char]
