"""Rows of windows, of borders and of resampling; see samples.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from samples import Draw, S, Sample, m, row

from minitorch.geometry import ConvGeometry
from minitorch.ops import resample


def windowed(x: np.ndarray, dim: int, size: int, step: int, dilation: int) -> np.ndarray:
    """Every window gathered by its positions."""
    count = (x.shape[dim] - (size - 1) * dilation - 1) // step + 1 if size else x.shape[dim] // step + 1
    at = [[o * step + t * dilation for t in range(size)] for o in range(count)]
    return np.moveaxis(np.take(x, np.array(at, np.int64).reshape(count, size), dim), dim + 1, -1)


def unwindowed(y: np.ndarray, dim: int, length: int, step: int, dilation: int) -> np.ndarray:
    """Zeros with every element of every window added, one at a time."""
    out = np.zeros((*y.shape[:dim], length, *y.shape[dim + 1 : -1]))
    for at in np.ndindex(*y.shape):
        out[(*at[:dim], at[dim] * step + at[-1] * dilation, *at[dim + 1 : -1])] += y[at]
    return out


row(
    "windows",
    lambda n: [
        S(n(5), dim=0, size=3, step=1, dilation=1),
        S(n(2, 7, 3), dim=1, size=2, step=3, dilation=2),
        S(n(2, 6), dim=1, size=2, step=2, dilation=1),
        S(n(6, 2), dim=0, size=4, step=1, dilation=1),
        S(n(3), dim=0, size=1, step=4, dilation=9),
        S(n(0, 4), dim=1, size=2, step=1, dilation=1),
    ],
    windowed,
    linear=True,
    errors=[
        (lambda: m.ones(10).unfold(0, 11, 1), RuntimeError, "maximum size for tensor at dimension 0 is 10"),
        (lambda: m.ones(10).unfold(0, 3, 0), RuntimeError, "step is 0 but must be > 0"),
        (lambda: m.ones(10).unfold(0, -1, 1), RuntimeError, "size is -1 but must be >= 0"),
        (lambda: m.ones(10).unfold(1, 3, 1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(10).unfold(0, 2.5, 1), TypeError, "`size` must be an int, but got float"),
        (lambda: m.ones(10).unfold(0, 3, 2).add_(1), RuntimeError, "clone() it"),
    ],
)
row(
    "windows_transpose",
    lambda n: [
        S(n(3, 3), dim=0, length=5, step=1, dilation=1),
        S(n(2, 2, 3, 2), dim=1, length=7, step=3, dilation=2),
        S(n(2, 2, 5), dim=1, length=9, step=3, dilation=1),
        S(n(4, 2), dim=0, length=8, step=2, dilation=1),
        S(n(0, 3, 2), dim=1, length=4, step=1, dilation=1),
    ],
    unwindowed,
    linear=True,
)
PATCHES = [
    ConvGeometry.of((4, 5), (2, 3)),
    ConvGeometry.of((5, 4), (3, 2), (2, 1), (1, 2), (1, 2)),
    ConvGeometry.of((2, 3), 1),
]


def patches(x: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """Every window read by itself."""
    g = geometry
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + list(g.padding))
    taps = [
        x[..., i * g.stride[0] :, j * g.stride[1] :][..., : g.extent[0] : g.dilation[0], : g.extent[1] : g.dilation[1]]
        for i, j in np.ndindex(*g.output_size)
    ]
    return np.stack([tap.reshape(*x.shape[:-3], math.prod(tap.shape[-3:])) for tap in taps], -1)


def unpatched(y: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """The transpose of the matrix of `patches`."""
    shape = (*y.shape[:-2], y.shape[-2] // math.prod(geometry.kernel_size), *geometry.input_size)
    units = np.eye(math.prod(shape)).reshape(math.prod(shape), *shape)
    return np.array([(patches(unit, geometry) * y).sum() for unit in units]).reshape(shape)


row(
    "columns",
    lambda n: [
        *(S(n(2, 2, *g.input_size), geometry=g) for g in PATCHES),
        S(n(3, 2, 3), geometry=PATCHES[2]),
        S(n(0, 2, 4, 5), geometry=PATCHES[0]),
    ],
    patches,
    linear=True,
)
row(
    "columns_transpose",
    lambda n: [
        *(S(n(2, 2 * math.prod(g.kernel_size), math.prod(g.output_size)), geometry=g) for g in PATCHES),
        S(n(0, 12, 9), geometry=PATCHES[0]),
    ],
    unpatched,
    linear=True,
)
BORDERS = [
    {"widths": ((before, after),), "mode": mode}
    for mode in ("reflect", "symmetric", "replicate", "circular")
    for before, after in ((1, 2), (3, 3), (-1, 2), (0, 1), (-1, -2))
]
PLANES = [{"widths": ((1, 2), (2, -1)), "mode": b["mode"]} for b in BORDERS[::5]]


def border(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """The pixel of n that each pixel of the bordered axis is a copy of."""
    low, high = max(-before, 0), n - max(-after, 0)
    name = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    widths = (max(before, 0), max(after, 0))
    if mode == "circular":
        return np.pad(np.arange(low, high), widths, name)
    return np.pad(np.arange(n), widths, name)[low : n + sum(widths) - (n - high)]


def bordered(x: np.ndarray, widths: tuple, mode: str) -> np.ndarray:
    """One axis after the other, by the numbers of its pixels."""
    for dim, (before, after) in enumerate(widths, x.ndim - len(widths)):
        x = np.take(x, border(x.shape[dim], before, after, mode), dim)
    return x


def unbordered(y: np.ndarray, widths: tuple, mode: str) -> np.ndarray:
    """Every pixel added where it was copied from, one at a time."""
    for dim, (before, after) in enumerate(widths, y.ndim - len(widths)):
        n = y.shape[dim] - before - after
        out = np.zeros((*y.shape[:dim], n, *y.shape[dim + 1 :]))
        for j, i in enumerate(border(n, before, after, mode)):
            np.moveaxis(out, dim, 0)[i] += np.moveaxis(y, dim, 0)[j]
        y = out
    return y


row(
    "extend",
    lambda n: [
        *(S(n(2, 6), **b) for b in BORDERS),
        *(S(n(2, 4, 5), **b) for b in PLANES),
        S(n(0, 4), **BORDERS[0]),
    ],
    bordered,
    linear=True,
    errors=[
        (lambda: m.nn.functional.pad(m.ones(1, 3), (3, 0), "reflect"), RuntimeError, "less than the corresponding"),
        (lambda: m.nn.functional.pad(m.ones(1, 3), (4, 0), "circular"), RuntimeError, "at most 3"),
        (lambda: m.nn.functional.pad(m.ones(1, 3), (4, 0), "symmetric"), RuntimeError, "at most 3"),
        (lambda: m.nn.functional.pad(m.ones(3), (1, 0), "replicate"), NotImplementedError, "channel axis"),
    ],
)
row(
    "extend_transpose",
    lambda n: [
        *(S(n(2, 6 + sum(b["widths"][0])), **b) for b in BORDERS),
        *(S(n(2, 7, 6), **b) for b in PLANES),
        S(n(0, 7), **BORDERS[0]),
    ],
    unbordered,
    linear=True,
)


def resampled(x: np.ndarray, axis: int, taps: Any, transposed: bool = False) -> np.ndarray:
    """The table of taps as a matrix, multiplied with every line."""
    matrix = np.zeros((len(taps.positions), taps.size))
    for (o, t), i in np.ndenumerate(taps.positions):
        matrix[o, i] += taps.weights[o, t]
    matrix = matrix.T if transposed else matrix
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


RESAMPLINGS = [  # axis, rank, what stands where
    (2, 1, resample.nearest_taps(4, 7, None, False)),
    (3, 2, resample.linear_taps(3, 5, None, False, False)),
    (2, 2, resample.linear_taps(5, 2, None, True, False)),
    (2, 2, resample.cubic_taps(3, 4, 0.8, False, False)),
    (4, 3, resample.linear_taps(6, 2, None, False, True)),
    (3, 3, resample.nearest_taps(5, 2, None, True)),
]


def resamplings(n: Draw, transposed: bool) -> list[Sample]:
    """Lines along one axis longer and shorter, with unread pixels and with many taps; no image."""
    out = []
    for batch, (axis, rank, taps) in [*((1, r) for r in RESAMPLINGS), (0, RESAMPLINGS[1])]:
        shape = [batch, 2, *range(2, 2 + rank)]
        shape[axis] = len(taps.positions) if transposed else taps.size
        out.append(S(n(*shape), axis=axis, taps=taps))
    return out


row("resample", lambda n: resamplings(n, False), resampled, linear=True)
row(
    "resample_transpose",
    lambda n: resamplings(n, True),
    lambda y, axis, taps: resampled(y, axis, taps, transposed=True),
    linear=True,
)
