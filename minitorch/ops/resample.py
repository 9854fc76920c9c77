"""Interpolation: a weighted sum of source pixels, one axis at a time.

Every mode (nearest, linear, cubic, with or without antialiasing) is linear in the image, and separable: along one axis
it is a matrix with few entries per row, out[o] = sum over t of weights[o, t] x[positions[o, t]]. The mode decides the
table; there is one primitive, and its adjoint, which is the transposed matrix.

Where does output pixel o look? Pixel i of an axis of I pixels is the interval [i, i + 1], so its centre lies at
i + 1/2. Stretching I pixels over O maps the length r = I / O of the source onto one output pixel, and the centre of
output pixel o to r (o + 1/2) in lengths of the source. The pixel whose centre that is, a fraction in general, is

    s(o) = r (o + 1/2) - 1/2                                 half-pixel centres, the default

With align_corners the centres of the first and of the last pixel stay where they are: s(0) = 0, s(O - 1) = I - 1, and
the line through both is

    s(o) = r o,   r = (I - 1) / (O - 1)                      (r = 0 for O = 1)

A scale_factor f replaces r = I / O by 1 / f, which differs where I f is no integer. The weight of pixel i is then
h(s(o) - i), where h is the hat 1 - |d| of two pixels, or a cubic of four; pixels beyond the edge repeat the edge.

When the image shrinks, r > 1, most source pixels would be passed over. Antialiasing widens h by r, so that each output
pixel averages all it covers, and divides by the sum of the weights; beyond the edge nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .. import kernels
from ..autograd import primitive
from .layout import channels_first, channels_last

Entries = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Taps:
    """One axis: output pixel o is the sum of weights[o, t] times source pixel positions[o, t], of `size` pixels."""

    positions: np.ndarray  # (outputs, taps) int64
    weights: np.ndarray  # (outputs, taps) float64
    size: int

    @cached_property
    def gathering(self) -> Entries:
        """By output pixel: where its entries begin (the last number is their count), their sources and weights."""
        outputs, taps = np.nonzero(self.weights)  # 0 times infinity is no part of a sum
        return _by_row(outputs, self.positions[outputs, taps], self.weights[outputs, taps], len(self.positions))

    @cached_property
    def scattering(self) -> Entries:
        """By source pixel: the same of the transposed matrix, so that nobody adds to another's pixel."""
        outputs, taps = np.nonzero(self.weights)
        return _by_row(self.positions[outputs, taps], outputs, self.weights[outputs, taps], self.size)


def _by_row(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, count: int) -> Entries:
    """The entries of a matrix of `count` rows, row after row, each in the order given."""
    order = np.argsort(rows, kind="stable")
    return np.searchsorted(rows[order], np.arange(count + 1)), columns[order].astype(np.int64), weights[order]


@primitive
def resample(x: np.ndarray, *, axis: int, taps: Taps) -> np.ndarray:
    """x (N, C, *size) with every line along a spatial axis resampled: out[o] = sum of weights[o, t] x[positions[o, t]].

    An axis of taps.size pixels becomes one of len(taps.positions).
    """
    return _weighted(x, axis, taps.gathering)


@primitive
def resample_transpose(y: np.ndarray, *, axis: int, taps: Taps) -> np.ndarray:
    """Every source pixel collects y times its weight from the output pixels that used it: the adjoint of resample."""
    return _weighted(y, axis, taps.scattering)


resample.vjp(x=lambda g, axis, taps: resample_transpose(g, axis=axis, taps=taps))
resample_transpose.vjp(y=lambda g, axis, taps: resample(g, axis=axis, taps=taps))


def _weighted(x: np.ndarray, axis: int, entries: Entries) -> np.ndarray:
    """The product with a matrix along `axis`: pixels, or whole lines of them, are rows that are weighted and added."""
    x, axis = kernels.contiguous(channels_last(x)), axis - 1
    first, positions, weights = entries
    out = kernels.empty((*x.shape[:axis], len(first) - 1, *x.shape[axis + 1 :]), x.dtype)
    shape = math.prod(x.shape[:axis]), -1, math.prod(x.shape[axis + 1 :])
    if out.size:
        rows = x.reshape(shape) if x.size else x.reshape(shape[0], 0, shape[2])
        kernels.weighted_rows(rows, first, positions, weights.astype(x.dtype), out.reshape(shape))
    return channels_first(out)


# ------------------------------------------------------------------------------------------------------- the tables


@lru_cache(maxsize=4096)
def nearest_taps(size: int, outputs: int, scale: float | None, exact: bool) -> Taps:
    """The source pixel that holds r o (as "nearest" has it), or if `exact` the centre r (o + 1/2) of output pixel o.

    scale: 1 / scale_factor, or None for r = size / outputs. r and the products are rounded to single precision for
    every dtype, because PyTorch does so, and the last bit decides which pixel is nearest. For "nearest" an axis that
    keeps or doubles its size does just that, whatever the scale: so in PyTorch for images, and in all its backward
    passes, though not for values in 1-d and 3-d.
    """
    if outputs in (size, 2 * size) and not exact:
        scale = None
    r = np.float32(scale) if scale is not None else np.float32(size) / np.float32(outputs)
    o = np.arange(outputs)
    at = (o + 0.5) * np.float64(r) if exact else o.astype(np.float32) * r
    positions = np.minimum(np.floor(at.astype(np.float32)).astype(np.int64), size - 1)
    return Taps(positions[:, None], np.ones((outputs, 1)), size)


@lru_cache(maxsize=4096)
def linear_taps(size: int, outputs: int, scale: float | None, align_corners: bool, antialias: bool) -> Taps:
    """The hat over two pixels. An axis that keeps its size keeps its pixels, whatever the scale, as in PyTorch."""
    if antialias:
        return _wide_taps(size, outputs, _ratio(size, outputs, scale, align_corners), _hat, 1)
    if size == outputs:
        scale = None
    return _narrow_taps(size, outputs, _ratio(size, outputs, scale, align_corners), align_corners, _hat, 1)


@lru_cache(maxsize=4096)
def cubic_taps(size: int, outputs: int, scale: float | None, align_corners: bool, antialias: bool) -> Taps:
    """Keys' cubic over four pixels: a = -3/4, or -1/2 when antialiasing, as PyTorch has it."""
    r = _ratio(size, outputs, scale, align_corners)
    if antialias:
        return _wide_taps(size, outputs, r, lambda d: _cubic(d, -0.5), 2)
    return _narrow_taps(size, outputs, r, align_corners, lambda d: _cubic(d, -0.75), 2)


@lru_cache(maxsize=4096)
def lanczos_taps(size: int, outputs: int, scale: float | None) -> Taps:
    """sinc(d) sinc(d / 3) over six pixels, antialiased."""
    r = _ratio(size, outputs, scale, align_corners=False)
    return _wide_taps(size, outputs, r, lambda d: np.where(np.abs(d) < 3, np.sinc(d) * np.sinc(d / 3), 0), 3)


def _ratio(size: int, outputs: int, scale: float | None, align_corners: bool) -> float:
    """r: source pixels per output pixel."""
    if align_corners:
        return (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    return size / outputs if scale is None else scale


def _hat(d: np.ndarray) -> np.ndarray:
    """Linear interpolation's h."""
    return np.maximum(1 - np.abs(d), 0)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """Cubic interpolation's h, with slope a at distance 1.

    Two cubics in |d|, one for |d| <= 1 and one up to 2, that meet with equal slopes, with h(0) = 1,
    h(1) = h(2) = 0, h'(0) = h'(2) = 0 and h'(1) = a: four conditions for each, so nothing is left to choose but a.
    """
    d = np.abs(d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _narrow_taps(size: int, outputs: int, r: float, align_corners: bool, h: Callable, reach: int) -> Taps:
    """The 2 `reach` pixels around s(o), with weights h(s(o) - i); positions beyond the edge are the edge."""
    o = np.arange(outputs)
    s = (r * o if align_corners else r * (o + 0.5) - 0.5)[:, None]
    i = np.floor(s).astype(np.int64) + np.arange(1 - reach, reach + 1)
    return Taps(np.clip(i, 0, size - 1), h(s - i), size)


def _wide_taps(size: int, outputs: int, r: float, h: Callable, reach: int) -> Taps:
    """h widened by r, if r > 1: the pixels of the image whose centres it reaches from r (o + 1/2), weights of sum 1.

    PyTorch takes the centre r (o + 1/2) for align_corners too, and keeps the pixels of an axis that keeps its size.
    """
    if size == outputs:
        r = 1.0
    wide = max(r, 1.0)
    centre = r * (np.arange(outputs)[:, None] + 0.5)
    first = np.maximum((centre - reach * wide + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach * wide + 0.5).astype(np.int64), size)  # not included
    i = first + np.arange(int((last - first).max(initial=0)))
    weights = np.where(i < last, h((i + 0.5 - centre) / wide), 0)
    return Taps(np.minimum(i, size - 1), weights / weights.sum(1, keepdims=True), size)
