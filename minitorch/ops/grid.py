"""Images looked at between their pixels, wherever a grid says: `grid_sample`.

A grid holds, for each pixel of the result, a place in the image, -1 ... 1 from edge to edge along every axis. An axis
of n pixels has its pixel i at i, its edges at -1/2 and n - 1/2; so the coordinate c means the place

    s = ((c + 1) n - 1) / 2,   or with align_corners, where -1 and 1 are the outermost pixels,   s = (c + 1) (n - 1) / 2

Beyond the image there is nothing, or its nearest pixel ("border": s is limited to 0 ... n - 1), or its mirror image
("reflection"). The result is a weighted sum of the pixels around s, the product of a weight for each axis: linear in
the image (`links.gather_links`), while the weights are tensor operations of s. So image and grid have all derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd.tape import wrap
from .activation import hardtanh
from .conv import channels_last_memory
from .index import getitem
from .join import stack
from .links import Links, gather_links
from .pointwise import where
from .shape import permute, reshape

FAR = 2**31  # places beyond are nowhere


def _mirrored(s: np.ndarray, n: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray]:
    """s mirrored at both ends until it lies between them, and the slope, 1 or -1, of that."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if not span:
        return np.zeros_like(s), np.zeros_like(s)
    distance = np.abs(s - s.dtype.type(low))
    times = np.floor(distance / s.dtype.type(span))
    rest, odd = distance - times * s.dtype.type(span), times % 2 == 1
    back = odd ^ (s < low)
    return np.where(odd, span - rest, rest).astype(s.dtype) + s.dtype.type(low), np.where(back, -1, 1).astype(s.dtype)


def _inside(s: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    """s as it counts in an axis of n pixels; slope 0 where the border is met, and at NaN, which becomes 0."""
    if padding_mode == "zeros":
        return s
    if padding_mode == "reflection":
        mirrored, slope = _mirrored(s.array, n, align_corners)
        s = s * wrap(slope) + wrap(mirrored - s.array * slope)
    s = hardtanh(s, min_val=0.0, max_val=float(n - 1))
    lost = np.isnan(s.array)
    return where(wrap(lost), 0.0, s) if lost.any() else s


def _cubics(t: Any) -> list:
    """The weights of the pixels at -1, 0, 1 and 2 for a place t in 0 ... 1: Keys' cubic, a = -3/4; see resample.py."""
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _taps(s: Any, n: int, mode: str, padding_mode: str, align_corners: bool) -> tuple[np.ndarray, Any]:
    """Along one axis: the pixels (*, taps) that count for each place, -1 where there is none, and their weights."""
    if mode != "bicubic":
        s = _inside(s, n, padding_mode, align_corners)
    at = s.array
    known = np.abs(at) < FAR
    if mode == "nearest":
        positions = np.where(known, np.rint(at), -1)[..., None]
        weights = where(wrap(np.ones(positions.shape, np.bool_)), 1.0, reshape(s, shape=positions.shape))
    else:
        low = np.floor(np.where(known, at, 0))
        t = s - wrap(low)
        weights = stack([1 - t, t] if mode == "bilinear" else _cubics(t), -1)
        positions = low[..., None] + (np.arange(2) if mode == "bilinear" else np.arange(-1, 3)).astype(at.dtype)
    if mode == "bicubic" and padding_mode != "zeros":
        if padding_mode == "reflection":
            positions = _mirrored(positions, n, align_corners)[0]
        positions = np.clip(positions, 0, n - 1)
    return np.where((positions >= 0) & (positions < n), positions, -1).astype(np.int64), weights


def sample(x: Any, grid: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    """x (N, C, *size) at the places of grid (N, *out, rank), whose last axis has the last axis of x first."""
    n, c, *size = x.array.shape
    rank, out = len(size), grid.array.shape[1:-1]
    positions: Any = np.arange(n).reshape(n, *(1,) * (1 + rank))
    weights: Any = None
    known: Any = True
    for axis, length in enumerate(size):
        s = getitem(grid, key=(Ellipsis, rank - 1 - axis))
        s = (s + 1) * ((length - 1) / 2) if align_corners else ((s + 1) * length - 1) / 2
        places, factors = _taps(reshape(s, shape=(n, math.prod(out))), length, mode, padding_mode, align_corners)
        spread = (*places.shape[:2], *(places.shape[2] if i == axis else 1 for i in range(rank)))
        places, factors = places.reshape(spread), reshape(factors, shape=spread)
        known = known & (places >= 0)
        positions = positions * length + places
        weights = factors if weights is None else weights * factors
    positions = np.broadcast_to(positions, weights.array.shape).reshape(-1)
    rows = np.repeat(np.arange(n * math.prod(out)), math.prod(weights.array.shape[2:]))
    weights, known = reshape(weights, shape=(rows.size,)), np.broadcast_to(known, weights.array.shape).reshape(-1)
    if not known.all():
        chosen = np.flatnonzero(known)
        rows, positions, weights = rows[chosen], positions[chosen], getitem(weights, key=(chosen,))
    links = Links(rows, positions, n * math.prod(out), n * math.prod(size))
    last = permute(channels_last_memory(x), dims=(0, *range(2, 2 + rank), 1))
    found = gather_links(reshape(last, shape=(links.size, c)), weights, links=links)
    return permute(reshape(found, shape=(n, *out, c)), dims=(0, rank + 1, *range(1, rank + 1)))
