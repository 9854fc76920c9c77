"""A few singular values or eigenvalues of a matrix, under PyTorch's names; of dense ones, `linalg` has all at once."""

from __future__ import annotations

from typing import Any

from . import creation, linalg
from .autograd import Variable
from .ops.dims import no_tensor
from .ops.shape import transpose

__all__ = ["lobpcg", "pca_lowrank", "svd_lowrank"]


def _check(name: str, A: Any) -> None:
    if not isinstance(A, Variable):
        raise no_tensor(name, "A", A)
    if A.ndim < 2:
        raise ValueError(f"{name}: not enough values to unpack: A must be (*, m, n), but has shape {tuple(A.shape)}")
    if not A.is_floating_point():
        raise RuntimeError(f"{name}: expected A to be of a floating dtype, but got {A.dtype}")


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple:
    """(U, S, V), V (*, n, q), of a matrix A - M of a rank about q: the SVD in the space of q random vectors' images.

    niter: how often that space is turned towards that of the largest singular values. Where q is at least the rank, it
    is the SVD. Raises RuntimeError for a negative q, ValueError for no matrix. Draws from the default generator.

    >>> import minitorch
    >>> U, S, V = minitorch.svd_lowrank(minitorch.ones(5, 4), q=1)
    >>> S, minitorch.allclose(U * S @ V.T, minitorch.ones(5, 4))
    (tensor([4.4721]), True)
    """
    _check("svd_lowrank", A)
    A = A if M is None else A - M
    turned, count = transpose(A, -2, -1), min(6 if q is None else q, *A.shape[-2:])
    basis = linalg.qr(A @ creation.randn(A.shape[-1], count, dtype=A.dtype))[0]
    for _ in range(2 if niter is None else niter):
        basis = linalg.qr(A @ linalg.qr(turned @ basis)[0])[0]
    U, S, V = linalg.svd(transpose(basis, -2, -1) @ A, full_matrices=False)
    return basis @ U, S, transpose(V, -2, -1)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple:
    """`svd_lowrank` of A (*, m, n), from which with `center` the mean of its rows is subtracted first.

    The columns of V are the principal directions, S**2 / (m - 1) the variances along them. Raises ValueError for a q
    beyond min(m, n), which is 6 or that by default, and for a negative niter.
    """
    _check("pca_lowrank", A)
    most = min(A.shape[-2:])
    q = min(6, most) if q is None else q
    if not 0 <= q <= most:
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={most}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


def lobpcg(
    A: Any,
    k: int | None = None,
    B: Any = None,
    X: Any = None,
    n: int | None = None,
    iK: Any = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Any = None,
    ortho_iparams: Any = None,
    ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple:
    """(E, V), the k largest eigenvalues (*, k), or the smallest without `largest`, and their vectors (*, m, k), of a
    symmetric A: A v = e v, or e B v for a positive definite B.

    Computed by `linalg.eigh`, so exactly and with all derivatives; what steers the iteration of PyTorch's (iK, niter,
    tol, method, ortho_*) is accepted. k: by default the columns of X, or 1. Raises ValueError for a k beyond m / 3, as
    there, NotImplementedError for a tracker.
    """
    _check("lobpcg", A)
    m, most = A.shape[-1], A.shape[-2]
    if m != most:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    if tracker is not None:
        raise NotImplementedError("lobpcg: there is no iteration to track; the eigenvalues are those of linalg.eigh")
    k = (1 if X is None else X.shape[-1]) if k is None else k
    if k < 1 or m < 3 * k:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of "
            f"requested eigenpairs (={k})"
        )
    A = (A + transpose(A, -2, -1)) / 2  # so that its gradient is symmetric, too
    if B is not None:  # with B = L LT and v = L^-T y it is L^-1 A L^-T y = e y
        L = linalg.cholesky(B)
        half = linalg.solve_triangular(L, A, upper=False)
        A = linalg.solve_triangular(L, transpose(half, -2, -1), upper=False)
    E, V = linalg.eigh(A)
    if largest is None or largest:
        E, V = E.flip(-1)[..., :k], V.flip(-1)[..., :k]
    else:
        E, V = E[..., :k], V[..., :k]
    return E, V if B is None else linalg.solve_triangular(transpose(L, -2, -1), V, upper=True)
