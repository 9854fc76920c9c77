"""Rows of primitives for order, statistics, running results and distances; see samples.py."""

from __future__ import annotations

import numpy as np
from samples import INF, NAN, S, row

import minitorch as m


def middle(x: np.ndarray, dim: tuple, skip_nan: bool) -> np.ndarray:
    """The lower median by Python's sort."""
    line = sorted(v for v in x.ravel() if v == v)
    if len(line) < x.size and not skip_nan or not line:
        return np.asarray(NAN)
    return np.asarray(line[(len(line) - 1) // 2])


row(
    "median",
    lambda n: [
        S(n.apart(2, 3), dim=(0, 1), skip_nan=False),
        S(n.apart(5), dim=(0,), skip_nan=True),
        S(n.apart(), dim=(), skip_nan=False),
        S(np.where(n(3, 4) > 1, NAN, n.apart(3, 4)), dim=(0, 1), skip_nan=True, special=True),
        S([1.0, NAN, 3.0, NAN], dim=(0,), skip_nan=False, special=True),
        S([2.0, 1.0, 2.0, 2.0], dim=(0,), skip_nan=False, special=True),
        S(n(0, 3), dim=(0, 1), skip_nan=False, special=True),
    ],
    middle,
    errors=[
        (lambda: m.median(m.tensor([True])), NotImplementedError, "Bool"),
        (lambda: m.ones(2, 0).median(1), IndexError, "Expected reduction dim 1 to have non-zero size"),
        (lambda: m.median(m.ones(2, 2), dim=(0, 1)), TypeError, "int"),
    ],
)
row(
    "logcumsumexp",
    lambda n: [
        S(n(2, 3), dim=1),
        S(n(4, 2), dim=0),
        S(n(2, 5, 2) * 30, dim=1),
        S(np.asarray([[-90.0, 3.0, 50.0, 49.0, -20.0, 50.5]]), dim=1),
        S(n(3, 0), dim=0),
        S(n(3, 0), dim=1),
        S([-INF, 1.0, 2.0, INF, NAN], dim=0, special=True),
    ],
    lambda x, dim: np.log(np.cumsum(np.exp(x.astype(np.longdouble)), dim)).astype(np.float64),
    errors=[
        (lambda: m.logcumsumexp(m.tensor([1, 2]), 0), NotImplementedError, "int64"),
        (lambda: m.logcumsumexp(m.ones(2), 1), IndexError, "[-1, 0], but got 1"),
    ],
)


def apart(x: np.ndarray, y: np.ndarray, p: float, products: bool = False) -> np.ndarray:
    """One pair after the other."""
    out = np.zeros((x.shape[0], x.shape[1], y.shape[1]))
    for b, i, j in np.ndindex(*out.shape):
        sizes = [abs(u - v) for u, v in zip(x[b, i], y[b, j], strict=True)]
        if p == 0:
            out[b, i, j] = sum(s != 0 for s in sizes)
        elif p == INF:
            out[b, i, j] = max(sizes, default=0.0)
        else:
            out[b, i, j] = sum(s**p for s in sizes) ** (1 / p)
    return out


row(
    "cdist",
    lambda n: [
        S(n(1, 3, 2), n(1, 4, 2), p=2.0),
        S(n(2, 2, 3), n(2, 1, 3), p=2.0, products=True),
        S(n(1, 6, 2) + 30, n(1, 5, 2) + 30, p=2.0, products=True),
        S(n(2, 2, 3), n(2, 2, 3), p=1.0),
        S(n(1, 2, 3), n(1, 3, 3), p=3.0),
        S(n(1, 2, 2), n(1, 3, 2), p=1.5),
        S(n(1, 2, 2), n(1, 2, 2), p=0.5),
        S(n(1, 3, 4), n(1, 2, 4), p=INF),
        S(n(1, 2, 3), n(1, 2, 3), p=0.0),
        S(n(1, 0, 2), n(1, 3, 2), p=2.0),
        S(n(1, 2, 0), n(1, 3, 0), p=3.0),
        S([[[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]]], [[[0.0, 1.0, 4.0], [0.0, 0.0, 0.0]]], p=2.0, special=True),
        S([[[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]]], [[[0.0, 1.0, 4.0], [0.0, 0.0, 0.0]]], p=0.5, special=True),
    ],
    apart,
    errors=[
        (lambda: m.cdist(m.ones(2, 3), m.ones(4, 2)), RuntimeError, "same number of columns. X1: 3 X2: 2"),
        (lambda: m.cdist(m.ones(3), m.ones(3)), RuntimeError, "at least 2D"),
        (lambda: m.cdist(m.ones(2, 3), m.ones(4, 3), p=-1), RuntimeError, "non-negative p"),
        (lambda: m.cdist(m.tensor([[1]]), m.tensor([[1]])), RuntimeError, "floating-point"),
        (lambda: m.cdist(m.ones(2, 3), m.ones(4, 3).double()), RuntimeError, "float64"),
        (lambda: m.cdist(m.ones(2, 3), m.ones(4, 3), compute_mode="x"), ValueError, "compute_mode"),
        (lambda: m.cdist(m.ones(5, 2, 3), m.ones(4, 4, 3)), RuntimeError, "size of tensor a (5)"),
        (lambda: m.pdist(m.ones(2, 3, 1)), RuntimeError, "2D"),
        (lambda: m.pdist(m.ones(3, 2), -1), RuntimeError, "non-negative p"),
    ],
)
