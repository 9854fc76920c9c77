"""Rows of normalizations, of linear layers and of biases; see samples.py."""

from __future__ import annotations

import numpy as np
from samples import Draw, S, Sample, row

from minitorch.ops import norm


def standard(rows: np.ndarray, eps: float) -> np.ndarray:
    """Every row to mean 0 and variance 1."""
    return np.stack([(r - r.mean()) / (r.var() + eps) ** 0.5 for r in rows]) if rows.size else rows


row(
    "group_norm",
    lambda n: [
        S(n(3, 4), n(4), n(4), groups=2, eps=1e-3),
        S(n(2, 4, 3), n(4), n(4), groups=1, eps=1e-5),
        S(n(2, 6, 2, 3), n(6), n(6), groups=3, eps=1e-2),
        S(n(2, 3, 2, 1, 2), n(3), n(3), groups=3, eps=1e-3),
        S(n(0, 4, 2), n(4), n(4), groups=2, eps=1e-3),
        S(1e3 + n(3, 20, 5, 4), n(20), n(20), groups=4, eps=1e-5, special=True),
    ],
    lambda x, w, b, groups, eps: (
        (standard(x.reshape(len(x) * groups, -1), eps).reshape(*x.shape[:2], -1) * w[:, None] + b[:, None]).reshape(
            x.shape
        )
        if x.size
        else x
    ),
)
row(
    "layer_norm",
    lambda n: [
        S(n(3, 5), n(5), n(5), eps=1e-3),
        S(n(2, 3, 4), n(3, 4), n(3, 4), eps=1e-5),
        S(n(6), n(6), n(6), eps=1e-2),
        S(n(0, 4), n(4), n(4), eps=1e-3),
        S(1e3 + n(3, 20), n(20), n(20), eps=1e-5, special=True),
    ],
    lambda x, w, b, eps: standard(x.reshape(-1, w.size), eps).reshape(x.shape) * w + b,
)
row(
    "rms_norm",
    lambda n: [
        S(n(3, 5), n(5), eps=1e-3),
        S(n(2, 3, 4), n(3, 4), eps=1e-5),
        S(n(6), n(6), eps=1e-2),
        S(n(0, 4), n(4), eps=1e-3),
    ],
    lambda x, w, eps: x / np.sqrt(np.square(x).mean(tuple(range(x.ndim - w.ndim, x.ndim)), keepdims=True) + eps) * w,
)


def normalized(x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float) -> np.ndarray:
    """Every channel on its own."""
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        v = x[:, c]
        out[:, c] = (v - v.mean()) / (v.var() + eps) ** 0.5 * w[c] + b[c]
    return out


row(
    "batch_norm",
    lambda n: [
        S(n(4, 2), n(2), n(2), eps=1e-3),
        S(n(2, 2, 3), n(2), n(2), eps=1e-5),
        S(n(2, 1, 2, 2), n(1), n(1), eps=1e-2),
        S(n(1, 3, 2, 1, 2), n(3), n(3), eps=1e-3),
        S(1e3 + n(3, 20, 5, 4), n(20), n(20), eps=1e-5, special=True),
    ],
    normalized,
    call=lambda x, w, b, eps: norm.batch_norm_train(x, w, b, eps=eps),
    empty="training needs two numbers per channel",
)


row(
    "linear",
    lambda n: [
        S(n(2, 3), n(4, 3)),
        S(n(1, 2), n(1, 2)),
        S(n(0, 3), n(2, 3)),
        S(n(2, 0), n(3, 0)),
        S(n(17, 20), n(19, 20), special=True),
        S(n(3, 2), n(4, 3), turn_x=True),
        S(n(2, 3), n(3, 4), turn_w=False),
        S(n(3, 2), n(3, 4), turn_x=True, turn_w=False),
    ],
    lambda x, w, turn_x=False, turn_w=True: ((x.T if turn_x else x)[:, None] * (w if turn_w else w.T)).sum(2),
    linear=True,
)


def affines(n: Draw, rows: int, outputs: int) -> list[Sample]:
    """Rows, a weight and a bias: with no rows, with no inputs, and of the sizes given."""
    return [
        S(n(m, inputs), n(k, inputs), n(k)) for m, inputs, k in ((2, 3, 4), (0, 3, 2), (2, 0, 3), (rows, 2, outputs))
    ]


row("affine", lambda n: affines(n, 1, 1), lambda x, w, b: (x[:, None] * w).sum(2) + b)
row(
    "add_bias",
    lambda n: [S(n(2, 3, 4), n(3)), S(n(1, 2, 2, 3), n(2)), S(n(2, 1, 1, 2, 2), n(1)), S(n(0, 2, 3), n(2))],
    lambda x, b: x + b.reshape(-1, *(1,) * (x.ndim - 2)),
    linear=True,
)
row(
    "normalize",
    lambda n: [
        S(n(2, 3, 4), n(3), n(3), mean=n(3), invstd=n(3)),
        S(n(2, 2, 3, 2), n(2), n(2), mean=n(2), invstd=n(2)),
        S(n(0, 2, 3), n(2), n(2), mean=n(2), invstd=n(2)),
    ],
    lambda x, w, b, mean, invstd: np.moveaxis((np.moveaxis(x, 1, -1) - mean) * invstd * w + b, -1, 1),
)
row("to_channels_last", lambda n: [S(n(2, 3, 4)), S(n(1, 2, 2, 3)), S(n(0, 2, 3))], lambda x: x, linear=True)
row(
    "bias_grad",
    lambda n: [S(n(2, 3, 4)), S(n(1, 2, 2, 3)), S(n(2, 1, 1, 2, 2)), S(n(0, 2, 3))],
    lambda x: x.sum((0, *range(2, x.ndim))),
    linear=True,
)
