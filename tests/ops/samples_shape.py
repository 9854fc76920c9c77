"""Rows of ops that change shapes, or put, repeat and turn whole arrays; see samples.py."""

from __future__ import annotations

import numpy as np
from samples import S, m, row

from minitorch.ops.shape import rolled

row(
    "reshape",
    lambda n: [S(n(2, 6), shape=(3, 4)), S(n(4), shape=(2, 1, 2)), S(n(1), shape=()), S(n(0, 3), shape=(3, 0))],
    lambda x, shape: x.reshape(shape),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).reshape(5), RuntimeError, "shape '[5]' is invalid for input of size 6"),
        (lambda: m.ones(6).reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda: m.ones(6).reshape(4, -1), RuntimeError, "shape '[4, -1]' is invalid for input of size 6"),
        (lambda: m.ones(6).reshape(6.0), TypeError, "ints"),
    ],
)
row(
    "permute",
    lambda n: [
        S(n(2, 3), dims=(1, 0)),
        S(n(2, 1, 3, 2), dims=(2, 0, 3, 1)),
        S(n(), dims=()),
        S(n(2, 0, 3), dims=(1, 2, 0)),
    ],
    lambda x, dims: np.transpose(x, dims),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).permute(0), RuntimeError, "input.dim() = 2 is not equal to len(dims) = 1"),
        (lambda: m.ones(2, 3).permute(0, 0), RuntimeError, "dim 0"),
        (lambda: m.ones(2, 3).transpose(0, 2), IndexError, "[-2, 1], but got 2"),
    ],
)
row(
    "expand",
    lambda n: [
        S(n(1, 3), shape=(2, 3)),
        S(n(2, 1), shape=(2, 2, 3)),
        S(n(), shape=(2, 2)),
        S(n(2, 3), shape=(2, 3)),
        S(n(1, 3), shape=(0, 3)),
        S(n(0, 1), shape=(2, 0, 3)),
    ],
    lambda x, shape: x + np.zeros(shape),
    linear=True,
    errors=[
        (
            lambda: m.ones(2).expand(3),
            RuntimeError,
            "(3) must match the existing size (2) at non-singleton dimension 0",
        ),
        (lambda: m.ones(2, 3).expand(3), RuntimeError, "greater or equal to the number of dimensions"),
        (lambda: m.ones(2).expand(-1, 2), RuntimeError, "leading, non-existing dimension 0"),
    ],
)
row(
    "sum_to",
    lambda n: [
        S(n(2, 3), shape=(3,)),
        S(n(2, 3), shape=(2, 1)),
        S(n(2, 2, 3), shape=(1, 2, 1)),
        S(n(2, 3), shape=()),
        S(n(0, 3), shape=(1, 3)),
        S(n(2, 3), shape=(2, 3)),
    ],
    lambda x, shape: np.einsum(
        x, [*range(9, 9 + x.ndim)], [9 + x.ndim - len(shape) + i for i, s in enumerate(shape) if s != 1]
    ).reshape(shape),
    linear=True,
)
row(
    "concatenate",
    lambda n: [
        S(n(2, 3), n(1, 3), n(2, 3), dim=0),
        S(n(2, 1), n(2, 2), dim=1),
        S(n(2), dim=0),
        S(n(0, 2), n(1, 2), dim=0),
        S(n(2, 3), n(2, 3), n(2, 3), dim=1, new=True),
        S(n(), n(), dim=0, new=True),
        S(n(0, 2), n(0, 2), dim=2, new=True),
    ],
    lambda *xs, dim, new=False: np.moveaxis(
        np.array([v for x in xs for v in ([x] if new else np.moveaxis(x, dim, 0))]), 0, dim
    ),
    linear=True,
    errors=[
        (lambda: m.cat([m.ones(2, 3), m.ones(2, 4)]), RuntimeError, "number 1 in the list"),
        (lambda: m.cat([]), ValueError, "non-empty list of Tensors"),
        (lambda: m.cat([m.ones(2), m.tensor(1.0)]), RuntimeError, "zero-dimensional tensor"),
        (lambda: m.stack([m.ones(2), m.ones(3)]), RuntimeError, "[2] at entry 0 and [3] at entry 1"),
        (lambda: m.stack([]), RuntimeError, "stack expects a non-empty TensorList"),
    ],
)
row(
    "pad_constant",
    lambda n: [
        S(n(2, 3), widths=((1, 0), (0, 2)), value=0.0),
        S(n(2, 3), widths=((1, 1), (2, 1)), value=1.5),
        S(n(4), widths=((-1, 2),), value=0.0),
        S(n(4, 3), widths=((-1, -1), (0, -2)), value=0.0),
        S(n(2), widths=((0, 0),), value=3.0),
        S(n(0, 2), widths=((1, 1), (0, 0)), value=2.0),
    ],
)
row(
    "roll",
    lambda n: [
        S(n(5), shifts=(2,), dims=(0,)),
        S(n(3, 4), shifts=(-1, 6), dims=(0, 1)),
        S(n(2, 3, 2), shifts=(1,), dims=(1,)),
        S(n(2, 3), shifts=(0,), dims=(1,)),
        S(n(0, 3), shifts=(1, 1), dims=(0, 1)),
    ],
    lambda x, shifts, dims: np.roll(x, shifts, dims),
    linear=True,
    errors=[
        (lambda: rolled(m.ones(2, 3), (1, 2), 0), RuntimeError, "shifts: 2, dims:1"),
        (lambda: rolled(m.ones(2, 3), 1, 2), IndexError, "[-2, 1], but got 2"),
    ],
)
row(
    "tile",
    lambda n: [
        S(n(2, 3), times=(2, 3)),
        S(n(1, 2, 2), times=(3, 1, 2)),
        S(n(3), times=(0,)),
        S(n(0, 2), times=(2, 1)),
        S(n(), times=()),
    ],
    lambda x, times: np.tile(x, times),
    linear=True,
)
row(
    "flip",
    lambda n: [S(n(3), dims=(0,)), S(n(2, 3), dims=(0, 1)), S(n(2, 3), dims=()), S(n(0, 2), dims=(1,))],
    linear=True,
    errors=[(lambda: m.ones(2).flip(1), IndexError, "[-1, 0], but got 1")],
)
