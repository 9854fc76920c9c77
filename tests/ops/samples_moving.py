"""Rows of the primitives in ops/moving.py and ops/scatter.py."""

from __future__ import annotations

import numpy as np
from samples import Draw, S, row

STRIDED = {"stride": (3, 1), "offset": 1, "within": (4, 1)}
OVERLAPPING = [{"size": (2, 3), **STRIDED}, {"size": (4, 2), "stride": (1, 1), "offset": 0, "within": (4, 1)}]
INDEX = np.array([[0, 2], [0, 1], [2, 2]])


def strided(x: np.ndarray, size: tuple, stride: tuple, offset: int, within: tuple) -> np.ndarray:
    """One element at a time."""
    out = np.empty(size, x.dtype)
    for at in np.ndindex(size):
        out[at] = x.reshape(-1)[offset + sum(i * s for i, s in zip(at, stride, strict=True))]
    return out


def strided_placed(y: np.ndarray, stride: tuple, offset: int, within: tuple, shape: tuple) -> np.ndarray:
    """One element at a time."""
    out = np.zeros(shape, y.dtype)
    for at in np.ndindex(y.shape):
        out.reshape(-1)[offset + sum(i * s for i, s in zip(at, stride, strict=True))] += y[at]
    return out


def on_diagonal(y: np.ndarray, offset: int, dims: tuple, shape: tuple) -> np.ndarray:
    """One element of the diagonal at a time, of a matrix or of the last axes of a stack."""
    out = np.zeros(shape, y.dtype)
    for i in range(y.shape[-1]):
        out[..., i + max(-offset, 0), i + max(offset, 0)] = y[..., i]
    return out


def reduced(
    x: np.ndarray, src: np.ndarray, index: np.ndarray, dim: int, include_self: bool, by: np.ufunc
) -> np.ndarray:
    """One place at a time, along axis 0; an index with one axis is of rows."""
    out, index = x.copy(), np.broadcast_to(index if index.ndim == 2 else index[:, None], src.shape)
    for place in np.ndindex(x.shape):
        met = [src[i, place[1]] for i in range(len(index)) if index[i, place[1]] == place[0]]
        if met:
            out[place] = by.reduce([*([x[place]] if include_self else []), *met])
    return out


def scattered(n: Draw, **settings: object) -> list:
    """With x's own elements and without; src of the shape of the index, or rows that it names, some of them twice."""
    return [S(n(3, 2), n(3, 2), INDEX, dim=0, include_self=own, **settings) for own in (True, False)] + [
        S(n(3, 2), n(0, 2), INDEX[:0], dim=0, include_self=True, **settings),
        S(n(3, 2), n(4, 2), np.array([0, 2, 0, 2]), dim=0, include_self=True, **settings),
    ]


row(
    "diagonal",
    lambda n: [
        S(n(3, 4), offset=1, dims=(0, 1)),
        S(n(2, 3, 3), offset=-1, dims=(1, 2)),
        S(n(0, 2), offset=0, dims=(0, 1)),
    ],
    lambda x, offset, dims: np.diagonal(x, offset, *dims),
    linear=True,
)
row(
    "diagonal_placed",
    lambda n: [
        S(n(3), offset=1, dims=(0, 1), shape=(3, 4)),
        S(n(2, 2), offset=-1, dims=(1, 2), shape=(2, 3, 3)),
        S(n(0), offset=0, dims=(0, 1), shape=(0, 2)),
    ],
    on_diagonal,
    linear=True,
)
row(
    "as_strided",
    lambda n: [*(S(n(3, 4), **settings) for settings in OVERLAPPING), S(n(0, 4), size=(0, 3), **STRIDED)],
    strided,
    linear=True,
)
row(
    "strided_placed",
    lambda n: [
        S(n(2, 3), shape=(3, 4), **STRIDED),
        S(n(0, 3), shape=(3, 4), **STRIDED),
        S(n(40, 30), shape=(1300,), stride=(1, 40), offset=3, within=(1,)),
        S(n(70, 80), shape=(150,), stride=(1, 1), offset=0, within=(1,)),
        S(n(30, 20, 3), shape=(10, 200), stride=(50, 2, 1), offset=1, within=(200, 1)),
    ],
    strided_placed,
    linear=True,
)
row(
    "scatter_extreme",
    lambda n: scattered(n, largest=True) + scattered(n, largest=False),
    lambda x, src, index, dim, largest, include_self: reduced(
        x, src, index, dim, include_self, np.maximum if largest else np.minimum
    ),
)
row(
    "scatter_product",
    scattered,
    lambda x, src, index, dim, include_self: reduced(x, src, index, dim, include_self, np.multiply),
)
