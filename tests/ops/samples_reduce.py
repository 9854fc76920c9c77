"""Rows of reductions, of running sums, of softmax, and of matrix products; see samples.py."""

from __future__ import annotations

import math

import numpy as np
from samples import INF, NAN, Draw, S, Sample, m, row

row(
    "sum",
    lambda n: [
        S(n(2, 3), dim=(0,), keepdim=False),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True),
        S(n(2, 3), dim=(0, 1), keepdim=False),
        S(n(), dim=(), keepdim=False),
        S(n(0, 3), dim=(0,), keepdim=False),
        S(n(2, 0), dim=(0, 1), keepdim=True),
    ],
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).sum(dim=(0, 0)), RuntimeError, "dim 0 appears multiple times"),
        (lambda: m.ones(2, 3).sum(2), IndexError, "[-2, 1], but got 2"),
        (lambda: m.ones(2, dtype=m.int64).mean(), RuntimeError, "mean(): could not infer output dtype"),
    ],
)


def several(n: Draw) -> list:
    """Samples of one axis, of several, of all and of none, kept or not, and of size 0."""
    return [
        S(n(2, 3), dim=(0,), keepdim=False),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True),
        S(n(2, 3), dim=(0, 1), keepdim=False),
        S(n(0, 3), dim=(0,), keepdim=False),
    ]


row(
    "var",
    lambda n: [
        S(n(4, 3), dim=(0,), keepdim=False, correction=1),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True, correction=0),
        S(n(2, 3), dim=(0, 1), keepdim=False, correction=1.5),
        S(n(3, 0), dim=(0,), keepdim=False, correction=1),
        S(n(3, 2), dim=(0,), keepdim=False, correction=3, special=True),
        S([[1.0, 2.0, NAN], [1.0, INF, 2.0]], dim=(0,), keepdim=False, correction=1, special=True),
    ],
    lambda x, dim, keepdim, correction: (
        np.square(x - x.mean(dim, keepdims=True)).sum(dim, keepdims=keepdim)
        / (math.prod(x.shape[d] for d in dim) - correction)
    ),
    errors=[
        (lambda: m.ones(2, dtype=m.int64).var(), RuntimeError, "var(): could not infer output dtype"),
        (lambda: m.ones(2).var(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(2).var(unbiased=True, correction=1), TypeError, "not both"),
    ],
)
row(
    "sum_squares",
    several,
    lambda x, dim, keepdim: np.square(x).sum(dim, keepdims=keepdim),
    errors=[
        (lambda: m.ones(2, dtype=m.int64).norm(), RuntimeError, "Expected a floating point or complex tensor"),
        (lambda: m.ones(2).norm("x"), RuntimeError, "'x'"),
        (lambda: m.ones(0).norm(INF), RuntimeError, "does not have an identity"),
    ],
)
row(
    "sum_sizes",
    lambda n: [
        *several(n),
        S(n.apart(2, 3), dim=(1,), keepdim=True),
        S([[0.0, -0.0, 2.0], [NAN, 1.0, -INF]], dim=(1,), keepdim=False, special=True),
    ],
    lambda x, dim, keepdim: abs(x).sum(dim, keepdims=keepdim),
)
row(
    "prod",
    lambda n: [
        *several(n),
        S([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 3.0, 4.0]], dim=(1,), keepdim=False),
        S([[1.0, 0.0, 2.0], [2.0, 3.0, 4.0]], dim=(0, 1), keepdim=True),
        S(n(), dim=(), keepdim=False),
    ],
    lambda x, dim, keepdim: (
        np.exp(np.log(np.abs(x) + (x == 0)).sum(dim, keepdims=keepdim))
        * np.where(((x < 0).sum(dim, keepdims=keepdim) % 2) == 1, -1, 1)
        * (x != 0).all(dim, keepdims=keepdim)
    ),
    errors=[(lambda: m.ones(2).prod(1), IndexError, "[-1, 0], but got 1")],
)
row(
    "cumprod",
    lambda n: [
        S(n(4), dim=0),
        S(n(2, 3), dim=1),
        S(n(0, 3), dim=0),
        S([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 3.0, 4.0]], dim=1),
    ],
    lambda x, dim: np.stack([x.take(range(i + 1), dim).prod(dim) for i in range(x.shape[dim])], dim) if x.size else x,
    errors=[(lambda: m.ops.reduce.cumprod(m.ones(2), 1), IndexError, "[-1, 0], but got 1")],
)
row(
    "logsumexp",
    lambda n: [
        *several(n),
        S(
            [[1000.0, 0.0, -1000.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]],
            dim=(1,),
            keepdim=False,
            special=True,
        ),
    ],
    lambda x, dim, keepdim: np.log(np.exp(x).sum(dim, keepdims=keepdim)) if x.size else np.full(3, -INF),
    errors=[(lambda: m.ones(2).logsumexp(), TypeError, "dim"), (lambda: m.ones(2).sum(dims=1), TypeError, "dims")],
)
for _name, _word in (("amax_over", "max"), ("amin_over", "min")):
    row(
        _name,
        lambda n: [
            S(n.apart(2, 3), dim=(1,), keepdim=False),
            S(n.apart(2, 3, 2), dim=(0, 2), keepdim=True),
            S(n.apart(4), dim=(0,), keepdim=False),
            S(n(0, 3), dim=(1,), keepdim=False),
            S([[1.0, 2.0, 2.0], [0.0, -0.0, 0.0], [INF, INF, -INF]], dim=(1,), keepdim=False, special=True),
            S([[1.0, 2.0, 2.0], [1.0, 2.0, 0.0]], dim=(0, 1), keepdim=False, special=True),
            S([[3.0, 1.0, 1.0], [1.0, 2.0, 3.0]], dim=(0, 1), keepdim=False, special=True),
        ],
        errors=[
            (lambda f=_word: getattr(m.zeros(0), f)(), RuntimeError, f"{_word}(): Expected reduction dim"),
            (lambda f=_word: getattr(m.zeros(0), "arg" + f)(), IndexError, f"arg{_word}(): Expected reduction dim"),
            (lambda f=_word: getattr(m.zeros(2, 0), f)(1), IndexError, "non-zero size"),
            (lambda f=_word: getattr(m.zeros(2, 0), "a" + f)(1), IndexError, "non-zero size"),
        ],
    )
row(
    "cumsum",
    lambda n: [
        S(n(4), dim=0, reverse=False),
        S(n(2, 3), dim=1, reverse=False),
        S(n(2, 3), dim=0, reverse=True),
        S(n(0, 3), dim=0, reverse=True),
    ],
    linear=True,
    errors=[(lambda: m.ones(2).cumsum(1), IndexError, "[-1, 0], but got 1")],
)


def softmaxes(n: Draw) -> list[Sample]:
    """Rows along every axis, empty ones, and rows with infinities and NaNs."""
    return [
        S(n(2, 3), dim=1),
        S(n(3, 2), dim=0),
        S(n(2, 2, 2), dim=1),
        S(n(0, 3), dim=1),
        S(n(3, 0), dim=0),
        S(
            [[1000.0, 0.0, -1000.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]],
            dim=1,
            special=True,
        ),
    ]


row(
    "softmax",
    softmaxes,
    lambda x, dim: np.exp(x) / np.exp(x).sum(dim, keepdims=True),
    errors=[
        (lambda: m.ones(2).softmax(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(2).long().softmax(0), NotImplementedError, "softmax"),
    ],
)
row(
    "log_softmax",
    softmaxes,
    lambda x, dim: np.log(np.exp(x) / np.exp(x).sum(dim, keepdims=True)),
)
row(
    "cross_entropy",
    lambda n: [
        S(n(4, 3), np.array([0, 2, 1, 2]), None, ignore_index=-100, reduction="mean", smoothing=0.0),
        S(n(4, 3), np.array([0, 2, -9, 2]), n.between(1, 2, 3), ignore_index=-9, reduction="mean", smoothing=0.0),
        S(n(3, 10), np.array([9, 0, 4]), n.between(1, 2, 10), ignore_index=4, reduction="mean", smoothing=0.3),
        S(n(4, 3), np.array([0, 2, 1, 1]), None, ignore_index=1, reduction="sum", smoothing=0.1),
        S(n(4, 3), np.array([0, 2, 1, 1]), n.between(1, 2, 3), ignore_index=1, reduction="none", smoothing=0.0),
        S(n(3, 40), np.array([0, 39, 7]), None, ignore_index=-1, reduction="none", smoothing=0.2),
        S(n(0, 3), np.zeros(0, np.int64), None, ignore_index=-1, reduction="sum", smoothing=0.0),
        S(n(0, 3), np.zeros(0, np.int64), None, ignore_index=-1, reduction="mean", smoothing=0.0, special=True),
        S(n(2, 3), np.array([1, 1]), None, ignore_index=1, reduction="mean", smoothing=0.0, special=True),
        S(
            [[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0, 1.0]],
            np.array([0, 1, 0, 1, 2, 0]),
            None,
            ignore_index=-1,
            reduction="none",
            smoothing=0.0,
            special=True,
        ),
    ],
    errors=[
        (lambda: m.nn.functional.cross_entropy(m.ones(1, 3), m.tensor([3])), IndexError, "Target 3 is out of bounds"),
        (lambda: m.nn.functional.cross_entropy(m.ones(1, 3), m.tensor([-1])), IndexError, "Target -1 is out of bounds"),
    ],
)
row(
    "batched_matmul",
    lambda n: [
        S(n(1, 2, 3), n(1, 3, 2)),
        S(n(2, 1, 2), n(2, 2, 3)),
        S(n(2, 3, 1), n(2, 1, 3)),
        S(n(0, 2, 3), n(0, 3, 2)),
        S(n(1, 0, 2), n(1, 2, 3)),
        S(n(1, 2, 0), n(1, 0, 2)),
        S(n(1, 17, 20), n(1, 20, 19), special=True),
        S(n(2, 9, 5), n(2, 5, 37), special=True),
    ],
    lambda x, y: (x[..., None] * y[:, None]).sum(2),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3) @ m.ones(2, 3), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        (lambda: m.mm(m.ones(2, 3, 4), m.ones(4, 2)), RuntimeError, "self must be a matrix"),
        (
            lambda: m.ones(2, 2) @ m.ones(2, 2, dtype=m.float64),
            RuntimeError,
            "expected m1 and m2 to have the same dtype",
        ),
        (lambda: m.tensor(1.0) @ m.ones(2), RuntimeError, "at least 1D"),
        (lambda: m.ones(2) @ m.ones(3), RuntimeError, "inconsistent tensor size"),
        (lambda: m.ones(2, 3, 4) @ m.ones(3, 4, 2), RuntimeError, "(2)"),
        (lambda: m.bmm(m.ones(2, 3, 4), m.ones(3, 4, 2)), RuntimeError, "bmm"),
        (lambda: m.dot(m.ones(2, 3), m.ones(2)), RuntimeError, "1D tensors expected"),
    ],
)
