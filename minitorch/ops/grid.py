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
from .index import getitem
from .join import stack
from .links import NARROW, Links, gather_links
from .pointwise import where
from .shape import pad_constant, permute, reshape

FAR = 2**24  # places beyond are as good as this one


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


def _taps(s: Any, n: int, mode: str, padding_mode: str, align_corners: bool) -> tuple[list, list]:
    """Along one axis of n pixels: for each place the pixels that count, int64, and their weights.

    Around the image there are pixels on either side that count nothing, for places that are outside, or nowhere.
    """
    if mode == "bicubic":
        reach = 2
    else:
        s, reach = _inside(s, n, padding_mode, align_corners), 1
    if padding_mode == "zeros" or mode == "bicubic":  # further out it is as there, and has slope 0
        beyond = 0 if padding_mode != "reflection" else FAR
        s = hardtanh(s, min_val=float(-reach - 1 - beyond), max_val=float(n - 1 + reach + beyond))
    at = s.array
    if mode == "nearest":
        whole = wrap(np.ones(at.shape, np.bool_))
        return [np.rint(np.where(np.isnan(at), -1, at)).astype(np.int64)], [where(whole, 1.0, s)]
    low = np.floor(np.where(np.isnan(at), 0, at))
    t, first = s - wrap(low), low.astype(np.int64)
    if mode == "bilinear":
        return [first, first + 1], [1 - t, t]
    positions = [first + d for d in range(-1, 3)]
    if padding_mode == "reflection":
        positions = [_mirrored(p.astype(at.dtype), n, align_corners)[0].astype(np.int64) for p in positions]
    if padding_mode != "zeros":
        positions = [p.clip(0, n - 1) for p in positions]
    return positions, _cubics(t)


def sample(x: Any, grid: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    """x (N, C, *size) at the places of grid (N, *out, rank), whose last axis has the last axis of x first."""
    n, c, *size = x.array.shape
    rank, out = len(size), grid.array.shape[1:-1]
    edge = 4 if mode == "bicubic" else 2
    wide = [length + 2 * edge for length in size]
    taps: list = [(np.arange(n)[:, None], None)]
    for axis, length in enumerate(size):
        s = getitem(grid, key=(Ellipsis, rank - 1 - axis))
        s = (s + 1) * ((length - 1) / 2) if align_corners else ((s + 1) * length - 1) / 2
        places, factors = _taps(reshape(s, shape=(n, math.prod(out))), length, mode, padding_mode, align_corners)
        taps = [
            (before * wide[axis] + (place + edge), factor if weight is None else weight * factor)
            for before, weight in taps
            for place, factor in zip(places, factors, strict=True)
        ]
    pixels = n * math.prod(out)
    links = Links.by_taps(np.stack([p for p, _ in taps]).reshape(len(taps), pixels), n * math.prod(wide))
    weights = reshape(stack([w for _, w in taps]), shape=(len(taps) * pixels,))
    edges = ((edge, edge),) * rank
    if c <= NARROW:  # channel by channel
        first = (1, 0, *range(2, 2 + rank))
        rows = pad_constant(permute(x, dims=first), widths=((0, 0), (0, 0), *edges))
        rows = permute(reshape(rows, shape=(c, links.size)), dims=(1, 0))
        found = permute(gather_links(rows, weights, links=links), dims=(1, 0))
        return permute(reshape(found, shape=(c, n, *out)), dims=first)
    last = permute(x, dims=(0, *range(2, 2 + rank), 1))
    rows = reshape(pad_constant(last, widths=((0, 0), *edges, (0, 0))), shape=(links.size, c))
    found = gather_links(rows, weights, links=links)
    return permute(reshape(found, shape=(n, *out, c)), dims=(0, rank + 1, *range(1, rank + 1)))
