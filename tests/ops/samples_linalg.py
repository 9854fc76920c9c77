"""Rows of primitives that NumPy's LAPACK computes: systems, determinants, factors."""

from __future__ import annotations

from typing import Any

import numpy as np
from samples import S, row
from samples_matrices import shifted

from minitorch.ops import factor, lu, matrices, products, spectral


def flat(*parts: np.ndarray) -> np.ndarray:
    """Several results as the vector that a primitive returns."""
    return np.concatenate([np.ravel(part) for part in parts])


def positive(x: Any) -> Any:
    """A symmetric matrix whose eigenvalues are positive."""
    return shifted(x @ x.mT)


def taylor(x: np.ndarray) -> np.ndarray:
    """exp of matrices by its series, of x / 64 and then squared six times."""
    out = term = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for k in range(1, 20):
        term = term @ (x / 64) / k
        out = out + term
    for _ in range(6):
        out = out @ out
    return out


def triangular(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """By the inverse of the triangle."""
    a = np.triu(a) if upper else np.tril(a)
    if unit:
        a = a - a * np.eye(a.shape[-1]) + np.eye(a.shape[-1])
    return np.linalg.inv(a) @ b


def doolittle(x: np.ndarray) -> np.ndarray:
    """L and U one element after the other, each from the sums that came before."""
    out = np.zeros_like(x)
    for i in range(x.shape[-1]):
        for j in range(x.shape[-1]):
            k = min(i, j)
            rest = x[..., i, j] - (out[..., i, :k] * out[..., :k, j]).sum(-1)
            out[..., i, j] = rest / out[..., j, j] if i > j else rest
    return out


SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 7.0], [3.0, 6.0, 8.0]])  # of rank 2

row(
    "solve",
    lambda n: [
        S(n(3, 3), n(3, 2)),
        S(n(2, 2, 2), n(2, 3)),
        S(n(2, 2), n(2, 2, 1)),
        S(n(0, 2, 2), n(0, 2, 1)),
    ],
    lambda a, b: np.linalg.inv(shifted(a)) @ b,
    call=lambda a, b: factor.solve_of(shifted(a), b),
)
row(
    "solve_triangular",
    lambda n: [
        S(n(3, 3), n(3, 2), upper=True, unit=False),
        S(n(2, 2, 2), n(2, 3), upper=False, unit=False),
        S(n(3, 3), n(2, 3, 1), upper=True, unit=True),
        S(n(0, 2, 2), n(0, 2, 1), upper=False, unit=True),
    ],
    lambda a, b, **how: triangular(shifted(a), b, **how),
    call=lambda a, b, **how: factor.solve_triangular_of(shifted(a), b, **how),
)
row(
    "det",
    lambda n: [S(n(3, 3)), S(n(2, 2, 2)), S(SINGULAR), S(np.zeros((3, 3))), S(n(1, 1)), S(n(0, 2, 2)), S(n(2, 0, 0))],
    np.linalg.det,
)
row(
    "log_det",
    lambda n: [S(n(3, 3)), S(n(2, 2, 2)), S(n(1, 1)), S(n(0, 2, 2))],
    lambda x: flat(np.log(np.abs(np.linalg.det(x))), np.sign(np.linalg.det(x))),
)
row(
    "cholesky",
    lambda n: [S(n(3, 3)), S(n(2, 2, 2)), S(n(1, 1)), S(n(0, 2, 2))],
    lambda x: np.linalg.cholesky(positive(x)),
    call=lambda x: spectral.cholesky_of(positive(x)),
)
row(
    "qr",
    lambda n: [S(n(3, 3)), S(n(2, 4, 2)), S(n(1, 1)), S(n(0, 2, 2)), S(n(3, 0))],
    lambda x: flat(*np.linalg.qr(x)),
)
row(
    "svd",
    lambda n: [
        S(n(3, 3), full=True),
        S(n(2, 4, 2), full=False),
        S(n(2, 3), full=False),
        S(n(1, 1), full=False),
        S(n(0, 2, 2), full=False),
    ],
    lambda x, full: flat(*np.linalg.svd(x, full_matrices=full)),
)
row(
    "eigh",
    lambda n: [S(n(3, 3), UPLO="L"), S(n(2, 2, 2), UPLO="U"), S(n(1, 1), UPLO="L"), S(n(0, 2, 2), UPLO="L")],
    lambda x, UPLO: flat(*np.linalg.eigh(x + x.mT, UPLO)),
    call=lambda x, UPLO: spectral.eigh_of(x + x.mT, UPLO=UPLO),
)
row(
    "pinv",
    lambda n: [S(n(3, 3)), S(n(2, 4, 2)), S(n(2, 3)), S(n(1, 1)), S(n(0, 2, 2)), S(n(3, 0))],
    lambda x: np.linalg.pinv(x),
    call=lambda x: matrices.pinv_of(x, atol=0.0, rtol=1e-12),
)
row(
    "matrix_exp",
    lambda n: [S(n(3, 3)), S(4 * n(2, 2, 2)), S(n(1, 1)), S(n(0, 2, 2)), S(np.zeros((2, 2)))],
    taylor,
    call=products.matrix_exp_of,
)
row(
    "cross",
    lambda n: [S(n(2, 3), n(2, 3), dim=-1), S(n(3, 4), n(1, 3, 1), dim=-2), S(n(0, 3), n(0, 3), dim=-1)],
    lambda x, y, dim: np.cross(np.broadcast_arrays(x, y)[0], np.broadcast_arrays(x, y)[1], axis=dim),
    linear=True,
)
row(
    "lu",
    lambda n: [S(n(3, 3)), S(n(2, 2, 2)), S(n(1, 1)), S(n(0, 2, 2))],
    lambda x: doolittle(shifted(x)),
    call=lambda x: lu.lu_of(shifted(x)),
)
