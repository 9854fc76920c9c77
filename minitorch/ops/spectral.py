"""Factors of matrices: QR, Cholesky's, singular values, eigenvalues of symmetric ones.

Each is a primitive whose factors are one vector, taken apart by `cut`. Rules are derived from the equation that the
factors fulfil, and are formulas of the factors, so every order of derivative follows from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import return_types
from ..autograd import primitive
from ..autograd.function import Function
from ..autograd.tape import plain, wrap
from .dims import flag
from .factor import (
    BLOCK,
    LinAlgError,
    by_blocks,
    check_floats,
    check_matrices,
    check_square,
    check_tensors,
    cut,
    ones_or_nan,
    packed,
    recorded,
    regular,
    several,
    solve_triangular,
    solve_triangular_of,
    triangle,
    which,
)
from .join import cat
from .names import public


def _first(x: np.ndarray, refused: Any) -> int:
    """The number of the first matrix of a stack that LAPACK refuses."""
    for i, matrix in enumerate(x.reshape(-1, *x.shape[-2:])):
        try:
            refused(matrix)
        except np.linalg.LinAlgError:
            return i
    return 0


# ------------------------------------------------------------------------------------------------------------- Cholesky
@primitive(name="cholesky")
def cholesky_of(x: np.ndarray) -> np.ndarray:
    """The lower triangle L with L L^T = x, of the lower triangle of x (..., N, N).

    Large ones are products of their halves: 512 x 512 takes 3.7 ms so, by LAPACK alone 7.6 (2026-11, one core).
    """
    n = x.shape[-1]
    if n <= 2 * BLOCK:
        out = np.linalg.cholesky(x)
        if np.isnan(out).any():
            raise np.linalg.LinAlgError
        return out
    h, out = n // 2, np.zeros_like(x, order="C")
    out[..., :h, :h] = top = cholesky_of.function(x[..., :h, :h])
    out[..., h:, :h] = left = by_blocks(top, x[..., h:, :h].mT, False).mT
    out[..., h:, h:] = cholesky_of.function(x[..., h:, h:] - left @ left.mT)
    return out


# dA = dL L^T + L dL^T, so L^-1 dA L^-T = W + W^T with W = L^-1 dL, a lower triangle: W is the lower half of the left
# side, its diagonal by half. A symmetric A receives the symmetric part of L^-T H L^-1, H that half of L^T g.
def _cholesky_grad(g: Any, out: Any) -> Any:
    half = triangle(out.mT @ g, diagonal=0.5)
    both = half + half.mT
    left = solve_triangular_of(out.mT, both, upper=True, unit=False)
    return solve_triangular_of(out.mT, left.mT, upper=True, unit=False) * 0.5


cholesky_of.vjp(x=_cholesky_grad)


def _not_positive(x: np.ndarray) -> np.ndarray:
    """For each matrix of a stack 0, or the order of its first leading minor that is not positive."""
    found = np.zeros(x.shape[:-2], np.int32)
    for i, matrix in enumerate(x.reshape(-1, *x.shape[-2:])):
        low, high = 0, len(matrix) + 1  # the minor of order `low` is positive, that of `high` is not
        while high - low > 1:
            middle = (low + high) // 2
            try:
                positive = not np.isnan(np.linalg.cholesky(matrix[:middle, :middle])).any()
            except np.linalg.LinAlgError:
                positive = False
            low, high = (middle, high) if positive else (low, middle)
        found.reshape(-1)[i] = 0 if high > len(matrix) else high
    return found


def _cholesky_error(x: np.ndarray, info: np.ndarray) -> LinAlgError:
    index = int(info.reshape(-1).astype(bool).argmax())
    return LinAlgError(
        f"linalg.cholesky: {which(x, index)}The factorization could not be completed because the input is not "
        f"positive-definite (the leading minor of order {info.reshape(-1)[index]} is not positive-definite)."
    )


@public("cholesky", on="l o")
def cholesky(A: Any, *, upper: bool = False) -> Any:
    """The triangle L with L L^T = A of each symmetric matrix with positive eigenvalues; or its transpose, `upper`.

    Only the triangle of A that is asked for is read. Raises LinAlgError, which names the matrix, for others.
    """
    check_floats("cholesky", A)
    check_square("cholesky", A)
    x = A.mT if flag(upper, "upper") else A
    try:
        out = cholesky_of(x)
    except np.linalg.LinAlgError:
        raise _cholesky_error(x.array, _not_positive(x.array)) from None
    return out.mT if upper else out


@public("cholesky", on="T t o")
def old_cholesky(input: Any, upper: bool = False) -> Any:
    """`linalg.cholesky`."""
    return cholesky(input, upper=upper)


@public("cholesky_ex", on="l o")
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> tuple:
    """(L, info): info is 0, or the order of the first leading minor that is not positive; L is NaN then."""
    check_floats("cholesky_ex", A)
    check_square("cholesky_ex", A)
    x = A.mT if flag(upper, "upper") else A
    info = np.zeros(x.array.shape[:-2], np.int32)
    try:
        out = cholesky_of(x)
    except np.linalg.LinAlgError:
        info = _not_positive(x.array)
        if flag(check_errors, "check_errors"):
            raise _cholesky_error(x.array, info) from None
        out = cholesky_of(regular(x, info)) / ones_or_nan(x, info)
    return return_types.linalg_cholesky_ex(out.mT if upper else out, wrap(info))


@public("cholesky_inverse", on="T t o")
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """The inverse of L L^T, or of U^T U if `upper`, from its triangle."""
    check_floats("cholesky_inverse", L, ints=NotImplementedError)
    check_square("cholesky_inverse", L)
    zero = np.diagonal(L.array, axis1=-2, axis2=-1).reshape(-1, L.outline.shape[-1] or 1) == 0
    if zero.any():
        index = int(zero.any(-1).argmax())
        raise LinAlgError(
            f"cholesky_inverse: {which(L.array, index)}The diagonal element {int(zero[index].argmax()) + 1} is zero, "
            "the inversion could not be completed because the input matrix is singular."
        )
    eye = wrap(np.eye(L.outline.shape[-1], dtype=L.array.dtype))
    found = solve_triangular(L, eye, upper=flag(upper, "upper"))
    return found @ found.mT if upper else found.mT @ found


@public("cholesky_solve", on="T t o")
def cholesky_solve(B: Any, input2: Any, upper: bool = False) -> Any:
    """X of L L^T X = B with L = input2, or of U^T U X = B if `upper`."""
    check_tensors("cholesky_solve", ("B", B), ("L", input2))
    for v, argument in ((B, "b"), (input2, "u")):
        if len(v.outline.shape) < 2:
            raise RuntimeError(f"{argument} should have at least 2 dimensions, but has {len(v.outline.shape)}")
    lower = input2.mT if flag(upper, "upper") else input2
    return solve_triangular(lower.mT, solve_triangular(lower, B, upper=False), upper=True)


# ------------------------------------------------------------------------------------------------------------------- QR
def _qr_shapes(shape: tuple) -> tuple[tuple, tuple]:
    *batch, m, n = shape
    return (*batch, m, n), (*batch, n, n)


@primitive(name="qr")
def qr_of(x: np.ndarray) -> np.ndarray:
    """Q (..., M, N) and R (..., N, N) of x (..., M, N), M >= N, as one vector."""
    return packed(*np.linalg.qr(x))


# dA R^-1 = dQ + Q T with T = dR R^-1, an upper triangle. QT dA R^-1 = QT dQ + T =: X, and QT dQ is antisymmetric: T is
# the upper half of X and the lower one, turned. So with M the upper half of gR RT - QT gQ, without what stands below,
# A receives (gQ + Q (M + the part of M above its diagonal, turned)) R^-T.
def _qr_grad(g: Any, out: Any, x_shape: tuple) -> Any:
    shapes = _qr_shapes(x_shape)
    (q, r), (gq, gr) = cut(out, *shapes), cut(g, *shapes)
    upper = triangle(gr @ r.mT - q.mT @ gq, upper=True)
    total = gq + q @ (upper + triangle(upper, upper=True, diagonal=0.0).mT)
    return solve_triangular_of(r, total.mT, upper=True, unit=False).mT


qr_of.vjp(x=_qr_grad)


class _Stop(Function):
    """A result at which a backward pass stops with an error."""

    @staticmethod
    def forward(ctx: Any, out: Any, x: Any, error: Exception) -> Any:
        """A copy of `out`."""
        ctx.error = error
        return out.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Raises the error."""
        raise ctx.error


def stopped(out: Any, x: Any, why: str, error: type = RuntimeError) -> Any:
    """An array that was computed from x as a tensor, at which a backward pass stops with an error."""
    return _Stop.apply(wrap(out), x, error(why)) if recorded(x) else wrap(out)


@public("qr", on="l o")
def qr(A: Any, mode: str = "reduced") -> tuple:
    """(Q, R) with Q R = A, the columns of Q orthonormal and R an upper triangle; min(M, N) columns if "reduced".

    "complete": all M columns; "r": R alone, and Q is empty. These two have no derivative where M is above N, or at all.
    """
    check_floats("qr", A)
    check_matrices("qr", A)
    if not isinstance(mode, str):
        raise TypeError(f"linalg.qr(): argument 'mode' must be str, not {type(mode).__name__}")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    *batch, m, n = A.outline.shape
    if mode == "r":
        why = (
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, "
            "mode='reduced') if you are going to differentiate through linalg.qr."
        )
        return return_types.linalg_qr(wrap(np.zeros(0, A.array.dtype)), stopped(np.linalg.qr(A.array, "r"), A, why))
    if mode == "complete" and m > n:
        why = "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        return return_types.linalg_qr(*[stopped(part, A, why) for part in np.linalg.qr(A.array, "complete")])
    if m >= n:
        return return_types.linalg_qr(*several(qr_of, A, np.linalg.qr, *_qr_shapes((*batch, m, n))))
    if not recorded(A):
        return return_types.linalg_qr(*map(wrap, np.linalg.qr(A.array)))
    q, r = cut(qr_of(A[..., :m]), *_qr_shapes((*batch, m, m)))
    return return_types.linalg_qr(q, cat([r, q.mT @ A[..., m:]], -1))


@public("qr", on="T t o")
def old_qr(input: Any, some: bool = True) -> tuple:
    """`linalg.qr`, of mode "reduced", or "complete" unless `some`."""
    return return_types.qr(*qr(input, "reduced" if flag(some, "some") else "complete"))


# ------------------------------------------------------------------------------------------------------ singular values
def _svd_shapes(shape: tuple, full: bool) -> tuple[tuple, tuple, tuple]:
    *batch, m, n = shape
    k = min(m, n)
    return (*batch, m, m if full else k), (*batch, k), (*batch, n if full else k, n)


@primitive(name="svd")
def svd_of(x: np.ndarray, *, full: bool) -> np.ndarray:
    """U, S and V^T of x (..., M, N) as one vector."""
    return packed(*np.linalg.svd(x, full_matrices=full))


def _one_over(x: Any) -> Any:
    """1 / x, and 0 for 0."""
    zero = (plain(x) == 0).astype(plain(x).dtype)
    return (1 - zero) / (x + zero)


def _gaps(v: Any) -> Any:
    """1 / (v_j - v_i), 0 for equals: these mix as they like, and what depends on all of them alike has no such part."""
    return _one_over(v[..., None, :] - v[..., :, None])


# With A = U S VT, P = UT dU and Q = VT dV antisymmetric: UT dA V = P S + dS - S Q =: X. So dS is the diagonal of X, and
# beside it P and Q are (X S + S XT) / E and (S X + XT S) / E, with E_ij = s_j^2 - s_i^2. Read backwards, X receives
#     diag(gS) + (skew(UT gU) / E) S + S (skew(VT gV) / E),   skew(Y) = Y - YT,
# and A receives U (...) VT. Where U is tall, dU has a part (1 - U UT) dA V / S besides; so has V.
def _svd_grad(g: Any, out: Any, x_shape: tuple, full: bool) -> Any:
    shapes = _svd_shapes(x_shape, full)
    (u, s, vh), (gu, gs, gvh) = cut(out, *shapes), cut(g, *shapes)
    *_, m, n = x_shape
    k = min(m, n)
    if full:
        u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    gaps, eye = _gaps(s * s), np.eye(k, dtype=plain(s).dtype)
    p, q = u.mT @ gu, vh @ gvh.mT
    inner = (p - p.mT) * gaps * s[..., None, :] + s[..., :, None] * ((q - q.mT) * gaps) + eye * gs[..., None, :]
    over = _one_over(s)
    found = u @ inner @ vh
    if m > k:
        left = gu * over[..., None, :]
        found = found + (left - u @ (u.mT @ left)) @ vh
    if n > k:
        right = over[..., :, None] * gvh
        found = found + u @ (right - (right @ vh.mT) @ vh)
    return found


svd_of.vjp(x=_svd_grad)


def no_svd(x: np.ndarray) -> LinAlgError:
    """The error for the first matrix of a stack whose singular values LAPACK does not find."""
    index = _first(x, lambda matrix: np.linalg.svd(matrix, compute_uv=False))
    why = "is ill-conditioned" if np.isfinite(x).all() else "contained non-finite values"
    return LinAlgError(f"linalg.svd: {which(x, index)}The algorithm failed to converge because the input matrix {why}.")


def _check_svd(x: Any, driver: Any) -> None:
    check_floats("svd", x)
    check_matrices("svd", x)
    if driver is not None:
        raise RuntimeError("linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER.")


@public("svd", on="l o")
def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> tuple:
    """(U, S, Vh) with U diag(S) Vh = A, singular values from the largest; U and Vh square, or as narrow as A.

    Derivatives by U and Vh are those of the first min(M, N) columns and rows, and take singular values to be different:
    of equal ones, only what does not depend on the choice of their vectors has a derivative.
    """
    _check_svd(A, driver)
    full = flag(full_matrices, "full_matrices")
    try:
        found = several(svd_of, A, lambda x: np.linalg.svd(x, full), *_svd_shapes(A.outline.shape, full), full=full)
        return return_types.linalg_svd(*found)
    except np.linalg.LinAlgError:
        raise no_svd(A.array) from None


@public("svdvals", on="l o")
def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """The singular values of each matrix, from the largest."""
    _check_svd(A, driver)
    if recorded(A):
        return svd(A, False).S
    try:
        return several(svd_of, A, lambda x: [np.linalg.svd(x, compute_uv=False)])[0]
    except np.linalg.LinAlgError:
        raise no_svd(A.array) from None


@public("svd", on="T t o")
def old_svd(input: Any, some: bool = True, compute_uv: bool = True) -> tuple:
    """(U, S, V) with U diag(S) V^T = input; U and V are zeros unless `compute_uv`."""
    if flag(compute_uv, "compute_uv"):
        u, s, vh = svd(input, not flag(some, "some"))
        return return_types.svd(u, s, vh.mT)
    *batch, m, n = input.outline.shape
    u, v = (wrap(np.zeros((*batch, size, size), input.array.dtype)) for size in (m, n))
    return return_types.svd(u, svdvals(input), v)


# ---------------------------------------------------------------------------------------------------------- eigenvalues
def _eigh_shapes(shape: tuple) -> tuple[tuple, tuple]:
    return shape[:-1], shape


@primitive(name="eigh")
def eigh_of(x: np.ndarray, *, UPLO: Any) -> np.ndarray:
    """Eigenvalues and eigenvectors of a triangle of x (..., N, N) as one vector."""
    return packed(*np.linalg.eigh(x, UPLO))


# With A = V diag(l) VT and P = VT dV antisymmetric, VT dA V = P diag(l) - diag(l) P + diag(dl): dl is its diagonal, and
# beside that P_ij is its element over l_j - l_i. So A receives V (diag(gl) + (VT gV) / (l_j - l_i)) VT.
def _eigh_grad(g: Any, out: Any, x_shape: tuple) -> Any:
    shapes = _eigh_shapes(x_shape)
    (values, v), (gl, gv) = cut(out, *shapes), cut(g, *shapes)
    eye = np.eye(x_shape[-1], dtype=plain(v).dtype)
    return v @ ((v.mT @ gv) * _gaps(values) + eye * gl[..., None, :]) @ v.mT


eigh_of.vjp(x=_eigh_grad)


def _check_eigh(x: Any, triangle: Any) -> Any:
    check_floats("eigh", x, ints=NotImplementedError)
    check_square("eigh", x)
    if not isinstance(triangle, str) or triangle.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {triangle}")
    return triangle.upper()


def _no_eigh(x: np.ndarray) -> LinAlgError:
    index = _first(x, np.linalg.eigvalsh)
    return LinAlgError(
        f"linalg.eigh: {which(x, index)}The algorithm failed to converge because the input matrix is ill-conditioned "
        "or has too many repeated eigenvalues."
    )


@public("eigh", on="l o")
def eigh(A: Any, UPLO: str = "L") -> tuple:
    """(eigenvalues, eigenvectors) of symmetric matrices, the values ascending; only the triangle UPLO is read.

    The derivative is that of a symmetric matrix. Of equal eigenvalues, only what does not depend on the choice of their
    vectors has one.
    """
    which_one = _check_eigh(A, UPLO)
    try:
        compute = lambda x: np.linalg.eigh(x, which_one)  # noqa: E731
        return return_types.linalg_eigh(*several(eigh_of, A, compute, *_eigh_shapes(A.outline.shape), UPLO=which_one))
    except np.linalg.LinAlgError:
        raise _no_eigh(A.array) from None


@public("eigvalsh", on="l o")
def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, ascending."""
    which_one = _check_eigh(A, UPLO)
    if recorded(A):
        return eigh(A, UPLO).eigenvalues
    try:
        return several(eigh_of, A, lambda x: [np.linalg.eigvalsh(x, which_one)])[0]
    except np.linalg.LinAlgError:
        raise _no_eigh(A.array) from None
