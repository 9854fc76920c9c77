"""Square matrices: linear systems, inverses, determinants.

A stack of matrices is (..., N, N). Rules are formulas of matrices, which read the same for arrays and for tensors: `@`,
`.mT` and slices are NumPy's and ours. LAPACK, by `np.linalg`, computes values; what it refuses raises `LinAlgError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import return_types
from ..autograd import Variable, enable_grad, grad, is_grad_enabled, primitive
from ..autograd.primitive import identity
from ..autograd.tape import plain, wrap
from ..dtypes import FLOATS
from .dims import flag, no_tensor
from .names import public
from .pointwise import where
from .promotion import unbroadcastable
from .shape import fit, reshape, squeeze, standalone, unsqueeze


class LinAlgError(RuntimeError):
    """There is no answer for a matrix, as there is no inverse of a singular one."""


LinAlgError.__module__ = "minitorch.linalg"


# --------------------------------------------------------------------------------------------- what matrices have to be
def kind(x: Any) -> str:
    """The name of a dtype in PyTorch's messages."""
    return str(x.dtype.type_name.removesuffix("Tensor"))


LOW = (
    "inv",
    "slogdet",
    "pinv",
    "matrix_rank",
    "lstsq",
)  # of which PyTorch refuses float16 and bfloat16 by another class


def check_floats(name: str, x: Any, argument: str = "A", ints: type = RuntimeError, half: bool = False) -> None:
    """Raises TypeError for no tensor, RuntimeError (or `ints`) for integers and, but with `half`, for 2 bytes."""
    if not isinstance(x, Variable):
        raise no_tensor(name, argument, x)
    if x.outline.dtype.kind not in FLOATS:
        raise ints(f"linalg.{name}: Expected a floating point tensor as input. Got {kind(x)}")
    if x.outline.dtype.itemsize < 4 and not half:
        refused = RuntimeError if name in LOW else NotImplementedError
        raise refused(f'"linalg.{name}" not implemented for {kind(x)}: low precision dtypes are not supported')


def check_matrices(name: str, x: Any, argument: str = "A") -> None:
    """Raises RuntimeError for less than two axes."""
    if not isinstance(x, Variable):
        raise no_tensor(name, argument, x)
    if len(x.outline.shape) < 2:
        raise RuntimeError(f"linalg.{name}: The input tensor {argument} must have at least 2 dimensions.")


def check_square(name: str, x: Any, argument: str = "A") -> None:
    """Raises RuntimeError where the last two axes differ, or there are not two."""
    check_matrices(name, x, argument)
    rows, columns = x.outline.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"linalg.{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def check_tensors(name: str, *named: tuple[str, Any]) -> None:
    """Raises TypeError for the first that is no tensor."""
    for argument, x in named:
        if not isinstance(x, Variable):
            raise no_tensor(name, argument, x)


def check_same_dtype(name: str, x: Any, y: Any, argument: str = "B") -> None:
    """Raises RuntimeError where two operands differ in dtype."""
    check_tensors(name, ("A", x), (argument, y))
    if x.outline.dtype != y.outline.dtype:
        raise RuntimeError(
            f"linalg.{name}: Expected A and {argument} to have the same dtype, but found A of type {kind(x)} and "
            f"{argument} of type {kind(y)} instead"
        )


def which(stack: np.ndarray, index: int) -> str:
    """The matrix of a stack that a message is about."""
    return f"(Batch element {index}): " if stack.ndim > 2 else ""


def recorded(x: Any) -> bool:
    """Whether a result that is computed from x is to have a place on the tape."""
    return is_grad_enabled() and x.edge is not None


# ----------------------------------------------------------------------------------------------- several results in one
def packed(*parts: np.ndarray) -> np.ndarray:
    """Several results of a primitive as one vector, which `cut` takes apart."""
    return np.concatenate([part.reshape(-1) for part in parts])


def cut(flat: Any, *shapes: tuple) -> list:
    """The parts of a vector, in these shapes: of an array arrays, of a tensor tensors."""
    out, start = [], 0
    for shape in shapes:
        end = start + int(np.prod(shape))
        piece = flat[start:end]
        out.append(piece.reshape(shape) if isinstance(flat, np.ndarray) else standalone(reshape(piece, shape=shape)))
        start = end
    return out


def several(op: Any, x: Any, compute: Callable, *shapes: tuple, **settings: Any) -> list:
    """The results of `op`, one vector where it is recorded; elsewhere nobody takes apart what `compute` returns."""
    if recorded(x):
        return cut(op(x, **settings), *shapes)
    with np.errstate(all="ignore"):
        return [wrap(np.asarray(part)) for part in compute(x.array)]


def triangle(x: Any, upper: bool = False, diagonal: float = 1.0) -> Any:
    """A triangle of x (..., M, N), with its diagonal times a number, and zeros elsewhere."""
    rows, columns = x.shape[-2:]
    lower = np.tri(rows, columns, dtype=plain(x).dtype)
    mask = lower if not upper else 1 - lower + np.eye(rows, columns, dtype=lower.dtype)
    return x * (mask if diagonal == 1.0 else mask + (diagonal - 1) * np.eye(rows, columns, dtype=lower.dtype))


# -------------------------------------------------------------------------------------------------------------- inverse
@primitive(name="inverse")
def inverse_of(x: np.ndarray) -> np.ndarray:
    """The inverse of each matrix of a stack (..., N, N)."""
    return np.linalg.inv(x)


# A A^-1 = 1, so d(A^-1) = -A^-1 dA A^-1, and A receives -(A^-T) g (A^-T).
inverse_of.vjp(x=lambda g, out: -(out.mT @ g @ out.mT))


def _zero_pivot(a: np.ndarray) -> int:
    """The number, from 1, of the first pivot of A (N, N) that is zero; N where rounding hides it."""
    a = a.copy()
    for k in range(len(a)):
        pivot = k + int(np.abs(a[k:, k]).argmax())
        a[[k, pivot]] = a[[pivot, k]]
        if a[k, k] == 0:
            return k + 1
        a[k + 1 :, k:] -= (a[k + 1 :, k] / a[k, k])[:, None] * a[k, k:]
    return len(a)


def _is_singular(a: np.ndarray) -> np.ndarray:
    """Which matrices of a stack have a pivot that is zero."""
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.slogdet(a)[0] == 0)


def _singular(a: np.ndarray) -> np.ndarray:
    """For each matrix of a stack 0, or the number of the pivot that is zero."""
    singular = _is_singular(a)
    found = np.zeros(singular.shape, np.int32)
    found[singular] = [_zero_pivot(matrix) for matrix in a[singular]]
    return found


def _inverse_error(a: np.ndarray, info: np.ndarray) -> LinAlgError:
    index = int(info.reshape(-1).astype(bool).argmax())
    return LinAlgError(
        f"linalg.inv: {which(a, index)}The diagonal element {info.reshape(-1)[index]} is zero, the inversion could not "
        "be completed because the input matrix is singular."
    )


@public("inv", on="l o")
@public("inverse", on="T t o")
def inverse(A: Any) -> Any:
    """The inverse of each matrix of A (..., N, N). Raises LinAlgError, which names the matrix, where there is none."""
    check_floats("inv", A)
    check_square("inv", A)
    try:
        return inverse_of(A)
    except np.linalg.LinAlgError:
        raise _inverse_error(A.array, _singular(A.array)) from None


def regular(a: Any, info: np.ndarray) -> Any:
    """A with the identity in place of the matrices that `info` names, by what is not 0."""
    eye, singular = np.eye(a.shape[-1], dtype=plain(a).dtype), (info != 0)[..., None, None]
    return where(wrap(singular), wrap(eye), a) if isinstance(a, Variable) else np.where(singular, eye, a)


@public("inv_ex", on="l o")
def inv_ex(A: Any, *, check_errors: bool = False) -> tuple:
    """(inverse, info): info is 0, or for a singular matrix the number of its pivot that is zero; its inverse is NaN."""
    check_floats("inv", A)
    check_square("inv", A)
    try:
        return return_types.linalg_inv_ex(inverse_of(A), wrap(np.zeros(A.array.shape[:-2], np.int32)))
    except np.linalg.LinAlgError:
        info = _singular(A.array)
    if flag(check_errors, "check_errors"):
        raise _inverse_error(A.array, info)
    return return_types.linalg_inv_ex(inverse_of(regular(A, info)) / ones_or_nan(A, info), wrap(info))


def ones_or_nan(a: Any, info: np.ndarray) -> Any:
    """NaN for the matrices that `info` names, 1 for others, to divide by."""
    out = np.where(info != 0, np.nan, 1).astype(plain(a).dtype)[..., None, None]
    return wrap(out) if isinstance(a, Variable) else out


# ---------------------------------------------------------------------------------------------------------------- solve
@primitive(name="solve")
def solve_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """X of A X = B, A (..., N, N) and B (..., N, K); leading axes broadcast."""
    return np.linalg.solve(a, b)


# A dX = dB - dA X: B receives A^-T g =: G, and A receives -G X^T.
def _solve_b(g: Any, a: Any, memo: dict) -> Any:
    if "b" not in memo:
        memo["b"] = solve_of(a.mT, g)
    return memo["b"]


solve_of.vjp(
    a=lambda g, a, out, a_shape, memo: fit(-(_solve_b(g, a, memo) @ out.mT), a_shape),
    b=lambda g, a, b_shape, memo: fit(_solve_b(g, a, memo), b_shape),
)


def system(name: str, a: Any, b: Any, left: bool, vectors: bool) -> tuple[Any, Any, bool]:
    """A, B and whether B held vectors, which are columns now, so that A X = B; for X A = B all is transposed."""
    check_tensors(name, ("A", a), ("B", b))
    check_square(name, a)
    shape, other = a.outline.shape, b.outline.shape
    vector = vectors and (len(other) == 1 or (len(shape) - 1 == len(other) and other == shape[:-1]))
    if vector and not left:
        raise RuntimeError(f"linalg.{name}: Vector broadcasting of the left hand side is not supported for left=False")
    if not vector:
        check_matrices(name, b, "B")
    b = unsqueeze(b, -1) if vector else b
    rows, columns = b.outline.shape[-2:]
    if shape[-1] != (rows if left else columns):
        raise RuntimeError(
            f"linalg.{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({shape[-2]}x{shape[-1]} and {rows}x{columns})"
        )
    try:
        np.broadcast_shapes(shape[:-2], b.outline.shape[:-2])
    except ValueError:
        raise unbroadcastable(name, a, b) from None
    return (a, b, vector) if left else (a.mT, b.mT, vector)


def restored(x: Any, vector: bool, left: bool) -> Any:
    """The solution in the form that B had."""
    return standalone(squeeze(x, -1)) if vector else x if left else standalone(x.mT).contiguous()


@public("solve", on="l o")
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X of A X = B, or with left=False of X A = B; B is a matrix or a vector, stacks broadcast.

    Raises LinAlgError, which names the matrix, where A is singular.
    """
    a, b, vector = system("solve", A, B, flag(left, "left"), True)
    check_same_dtype("solve", A, B)
    check_floats("solve", A)
    try:
        return restored(solve_of(a, b), vector, left)
    except np.linalg.LinAlgError:
        raise _solve_error(a.array, _singular(a.array)) from None


def _solve_error(a: np.ndarray, info: np.ndarray) -> LinAlgError:
    index = int(info.reshape(-1).astype(bool).argmax())
    return LinAlgError(f"linalg.solve: {which(a, index)}The solver failed because the input matrix is singular.")


@public("solve_ex", on="l o")
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> tuple:
    """(result, info): info is 0, or for a singular matrix the number of its pivot that is zero; its result is NaN."""
    a, b, vector = system("solve", A, B, flag(left, "left"), True)
    check_same_dtype("solve", A, B)
    check_floats("solve", A)
    try:
        x, info = solve_of(a, b), np.zeros(a.array.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = _singular(a.array)
        if flag(check_errors, "check_errors"):
            raise _solve_error(a.array, info) from None
        x = solve_of(regular(a, info), b) / ones_or_nan(a, info)
    return return_types.linalg_solve_ex(restored(x, vector, left), wrap(info))


# ------------------------------------------------------------------------------------------------------------ triangles
BLOCK = 64  # rows of a triangle that are solved as any matrix is


def by_blocks(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool = False) -> np.ndarray:
    """X of A X = B for a triangle of A: half of the unknowns, then what is left for the other half."""
    n = a.shape[-1]
    if n <= BLOCK:
        a = np.triu(a) if upper else np.tril(a)
        if unit:
            a[..., np.arange(n), np.arange(n)] = 1
        try:
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            return _row_by_row(a, b, upper)
    h = n // 2
    first, then = (slice(h, n), slice(0, h)) if upper else (slice(0, h), slice(h, n))
    x = by_blocks(a[..., first, first], b[..., first, :], upper, unit)
    y = by_blocks(a[..., then, then], b[..., then, :] - a[..., then, first] @ x, upper, unit)
    return np.concatenate([y, x] if upper else [x, y], -2)


def _row_by_row(a: np.ndarray, b: np.ndarray, upper: bool) -> np.ndarray:
    """The same where the diagonal has zeros, by which it divides."""
    n = a.shape[-1]
    x = np.zeros(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], b.dtype)
    for i in range(n - 1, -1, -1) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        rest = b[..., i : i + 1, :] - a[..., i : i + 1, known] @ x[..., known, :]
        x[..., i : i + 1, :] = rest / a[..., i : i + 1, i : i + 1]
    return x


@primitive(name="solve_triangular")
def solve_triangular_of(a: np.ndarray, b: np.ndarray, *, upper: bool, unit: bool) -> np.ndarray:
    """X of A X = B with a triangle of A (..., N, N) alone, whose diagonal counts as ones if `unit`."""
    return by_blocks(a, b, upper, unit)


# As for solve, in the triangle: elsewhere, and on a diagonal of ones, A is not read.
def _triangular_b(g: Any, a: Any, upper: bool, unit: bool, memo: dict) -> Any:
    if "b" not in memo:
        memo["b"] = solve_triangular_of(a.mT, g, upper=not upper, unit=unit)
    return memo["b"]


def _triangular_a(g: Any, a: Any, out: Any, a_shape: tuple, upper: bool, unit: bool, memo: dict) -> Any:
    product = _triangular_b(g, a, upper, unit, memo) @ out.mT
    return fit(-triangle(product, upper, 0.0 if unit else 1.0), a_shape)


solve_triangular_of.vjp(
    a=_triangular_a,
    b=lambda g, a, b_shape, upper, unit, memo: fit(_triangular_b(g, a, upper, unit, memo), b_shape),
)


@public("solve_triangular", on="l o")
def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """X of A X = B, or with left=False of X A = B, of one triangle of A; with `unitriangular` its diagonal is ones.

    Zeros on the diagonal give inf and NaN.
    """
    a, b, _ = system("solve_triangular", A, B, flag(left, "left"), False)
    check_floats("solve_triangular", A, ints=NotImplementedError)
    check_same_dtype("solve_triangular", A, B)
    upper = flag(upper, "upper") == left
    return restored(solve_triangular_of(a, b, upper=upper, unit=flag(unitriangular, "unitriangular")), False, left)


# --------------------------------------------------------------------------------------------------------- determinants
@primitive(name="det")
def det_of(x: np.ndarray) -> np.ndarray:
    """The determinants of a stack (..., N, N)."""
    return np.asarray(np.linalg.det(x))


def _condition(x: np.ndarray) -> np.ndarray:
    """About how many digits the inverses of a stack lose; inf if there is one that has none."""
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return np.where(_is_singular(x), np.inf, 1)
    return np.abs(x).sum(-2).max(-1, initial=0) * np.abs(inverse).sum(-2).max(-1, initial=0)


def _cofactors(x: np.ndarray) -> np.ndarray:
    """|A| A^-T. With A = U S V^T it is |U| |V| U diag(c) V^T, c_i the product of all s but s_i, also if |A| is 0."""
    try:
        inverse = np.linalg.inv(x)
        out, lost = np.linalg.det(x)[..., None, None] * inverse.mT, ~np.isfinite(inverse).all((-1, -2))
    except np.linalg.LinAlgError:
        lost = _is_singular(x)
        out = np.full_like(x, np.nan)
        out[~lost] = _cofactors(x[~lost])
    lost = lost & np.isfinite(x).all((-1, -2))
    if lost.any():
        u, s, vh = np.linalg.svd(x[lost])
        c = np.where(np.eye(x.shape[-1], dtype=bool), x.dtype.type(1), s[..., None, :]).prod(-1)
        out[lost] = (np.linalg.det(u) * np.linalg.det(vh))[:, None, None] * (c[..., None, :] * u @ vh)
    return out


# d|A| = |A| tr(A^-1 dA). Where that is recorded and A near to singular, another formula of |A| is differentiated.
NEAR = {4: 3e4, 8: 1e7}  # the condition at which the second derivative by an inverse has lost half of its digits


def _det_grad(g: Any, x: Any, out: Any) -> Any:
    wide = g[..., None, None]
    if not isinstance(g, Variable):
        return wide * _cofactors(x)
    if x.array.size and (_condition(x.array) > NEAR[x.array.itemsize]).any():
        if x.edge is None or not np.isfinite(x.array).all():
            return wide * wrap(_cofactors(x.array))
        with enable_grad():
            own = identity(x)
            (found,) = grad(_singular_det(own), [own], g, create_graph=True)
        return found
    return wide * out[..., None, None] * inverse_of(x).mT


det_of.vjp(x=_det_grad)


# A determinant is a polynomial, whose derivatives exist where there is no inverse. With A0 = U S V^T, B = U^T A V has
# blocks P, Q; R, T in which P holds the large singular values of A0, and |A| = |U| |V| |P| |T - R P^-1 Q|. U and V are
# constants here, so all of it is a function of A: P is regular, and T as small as the loss of rank.
def _singular_det(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a.array)
    r = int((s > s.max(-1, keepdims=True) / 1e3).sum(-1).min())
    sign = np.asarray(np.linalg.det(u) * np.linalg.det(vh))
    b: Any = wrap(u.mT) @ a @ wrap(vh.mT)
    if not r:
        return _small_det(b) * wrap(sign)
    p: Any = b[..., :r, :r]
    return det_of(p) * _small_det(b[..., r:, r:] - b[..., r:, :r] @ solve_of(p, b[..., :r, r:])) * wrap(sign)


def _small_det(a: Any) -> Any:
    """The determinant by sums of products alone (Faddeev and LeVerrier).

    The characteristic polynomial has the coefficients c_k = -tr(A M_k) / k, with M_1 = 1, M_k+1 = A M_k + c_k.
    """
    n = a.outline.shape[-1]
    eye = wrap(np.eye(n, dtype=a.array.dtype))
    product, c = a, None
    for k in range(1, n + 1):
        product = product if c is None else a @ (product + c[..., None, None] * eye)
        c = (product * eye).sum((-1, -2)) / -k
    return c * (-1.0) ** n


@public("det", on="T t l o")
def det(A: Any) -> Any:
    """The determinant of each matrix of A (..., N, N); its derivatives are right for singular matrices, too."""
    check_floats("det", A)
    check_square("det", A)
    return det_of(A)


# log |A| changes by tr(A^-1 dA); there is no derivative where A is singular.
def _log_slope(x: Any) -> Any:
    try:
        return inverse_of(x).mT
    except np.linalg.LinAlgError:
        singular = _is_singular(plain(x))
        return inverse_of(regular(x, singular)).mT / ones_or_nan(x, singular)


@primitive
def log_det(x: np.ndarray) -> np.ndarray:
    """The logarithms of the absolute values of determinants, then their signs, as one vector."""
    sign, log = np.linalg.slogdet(x)
    return packed(np.asarray(log), np.asarray(sign))


log_det.vjp(x=lambda g, x: cut(g, x.shape[:-2], x.shape[:-2])[0][..., None, None] * _log_slope(x))


@public("slogdet", on="T t l o")
def slogdet(A: Any) -> tuple:
    """(sign, logabsdet), the determinant's sign and the logarithm of its size: 0 and -inf for a singular matrix."""
    check_floats("slogdet", A)
    check_square("slogdet", A)
    shape = A.outline.shape[:-2]
    log, sign = several(log_det, A, lambda x: np.linalg.slogdet(x)[::-1], shape, shape)
    return return_types.linalg_slogdet(sign.detach(), log)


@public("logdet", on="T t")
def logdet(A: Any) -> Any:
    """log(det(A)): -inf where the determinant is 0, NaN where it is negative."""
    sign, log = slogdet(A)
    return where(wrap(sign.array < 0), np.nan, log)
