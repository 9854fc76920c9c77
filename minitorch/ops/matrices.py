"""Norms of matrices, pseudo-inverses, ranks and least squares, composed of products, systems and factors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes, return_types
from ..autograd import Variable, primitive
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from . import reduce
from .dims import flag, no_tensor, normalize, number
from .factor import (
    by_blocks,
    check_floats,
    check_matrices,
    check_same_dtype,
    check_square,
    inv_ex,
    kind,
    solve_triangular,
)
from .names import public
from .pointwise import where
from .promotion import to_dtype, unbroadcastable
from .reduce import amax, amin
from .reduce import sum as sum_of
from .shape import permute, squeeze, standalone, unsqueeze
from .spectral import eigh, eigvalsh, no_svd, qr, svdvals


# ---------------------------------------------------------------------------------------------------------------- norms
def _widened(name: str, x: Any, dtype: Any) -> Any:
    """x in the dtype that a norm is computed in. Raises RuntimeError for integers, and where it is narrower."""
    check_floats(name, x, "x" if name == "vector_norm" else "A", half=True)
    if dtype is None:
        return x
    wanted = dtypes.as_dtype(dtype).numpy
    if wanted.kind not in FLOATS or wanted.itemsize < x.outline.dtype.itemsize:
        raise RuntimeError(
            f"linalg.{name}: the dtype of the input ({kind(x)}) should be convertible without narrowing to the "
            f"specified dtype ({dtypes.as_dtype(dtype)})"
        )
    return to_dtype(x, wanted)


@public("vector_norm", on="l o")
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The ord-norm over `dim`, by default over all elements; ord is a number, also 0, inf and -inf."""
    x = _widened("vector_norm", x, dtype)
    if not isinstance(ord, int | float):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be Number, not {type(ord).__name__}")
    return reduce.norm(x, float(ord), dim, keepdim)


ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


@public("matrix_norm", on="l o")
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A norm of the matrices in two axes.

    "fro": the root of the sum of squares; "nuc": the sum of singular values; 2 and -2: the largest and the smallest of
    them; 1 and -1: the largest and smallest sum of sizes of a column, inf and -inf of a row.
    """
    A = _widened("matrix_norm", A, dtype)
    check_matrices("matrix_norm", A)
    if ord is None or isinstance(dim, int):
        raise TypeError(
            f"linalg.matrix_norm(): expected a name or a number for ord and two ints for dim, got {ord}, {dim}"
        )
    if isinstance(ord, bool) or ord not in ORDERS:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if not isinstance(dim, tuple | list) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple of ints. Got {dim}")
    rows, columns = normalize(tuple(dim), len(A.outline.shape), unique=False)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got {tuple(dim)}")
    flag(keepdim, "keepdim")
    if ord == "fro":
        return reduce.norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        others = [d for d in range(len(A.outline.shape)) if d not in (rows, columns)]
        values = svdvals(permute(A, dims=(*others, rows, columns)))
        found = sum_of(values, -1) if ord == "nuc" else (amax if ord == 2 else amin)(values, -1)
        if keepdim:
            for d in sorted((rows, columns)):
                found = unsqueeze(found, d)
        return standalone(found)
    first, last = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = reduce.norm(A, 1, first, True)
    found = (amax if ord > 0 else amin)(sums, last, True)
    return found if keepdim else standalone(squeeze(found, (first, last)))


@public("norm", on="l o")
def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """`matrix_norm` over two axes or of a matrix, `vector_norm` over one; without `ord` the root of all squares."""
    if not isinstance(A, Variable):
        raise no_tensor("norm", "A", A)
    ndim, dims = len(A.outline.shape), (dim,) if isinstance(dim, int) else dim
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if ord is not None and dims is None and ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D.")
    if ord is not None and (len(dims) if dims is not None else ndim) == 2:
        return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} is one of matrices: it takes two axes")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@public("norm", on="T t o")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The p-norm over `dim`, p a number, also 0 (elements that are not zero), inf and -inf, or "fro" (2).

    "nuc" is the sum of the singular values of matrices. The slope of a norm is 0 at 0, and shared by equals for inf and
    -inf. Raises RuntimeError for integers.
    """
    if isinstance(p, str) and p == "nuc":
        dim = tuple(range(len(input.outline.shape))) if dim is None else (dim,) if isinstance(dim, int) else dim
        return matrix_norm(input, "nuc", dim, keepdim, dtype=dtype)
    return reduce.norm(input, p, dim, keepdim, dtype)


@public("cond", on="l o")
def cond(A: Any, p: Any = None) -> Any:
    """The p-norm of each matrix times that of its inverse, by default p = 2; inf where there is none."""
    check_matrices("cond", A)
    if p in (None, 2, -2):
        values = svdvals(A)
        if not values.outline.shape[-1]:
            return sum_of(values, -1)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if isinstance(p, bool) or p not in ORDERS:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    check_square("cond", A)
    if not A.outline.shape[-1]:
        return sum_of(A, (-2, -1))
    found, info = inv_ex(A)
    return where(wrap(info.array != 0), math.inf, matrix_norm(A, p) * matrix_norm(found, p))


# ------------------------------------------------------------------------------------------------------ pseudo-inverses
def _tolerances(name: str, x: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Below which singular values count as 0, absolutely and as a part of the largest: numbers or (..., 1) arrays."""
    absolute = _column(name, 0.0 if atol is None else atol)
    if rtol is not None:
        return absolute, _column(name, rtol)
    least = dtypes.finfo(x.outline.dtype).eps * max(x.outline.shape[-2:])
    return absolute, np.where(absolute > 0, 0, least)


def _column(name: str, t: Any) -> Any:
    if not isinstance(t, Variable):
        return number(name, "tol", t)
    if t.array.dtype.kind not in "fViu":
        raise RuntimeError(f"linalg.{name}: tolerances must be real numbers, but got {t.dtype}")
    return t.array[..., None] if t.array.ndim else float(t.array)


def _counted(values: np.ndarray, atol: Any, rtol: Any) -> np.ndarray:
    """Which singular values (..., K), or sizes of eigenvalues, count."""
    return values > np.maximum(atol, rtol * values.max(-1, keepdims=True, initial=0))


@primitive(name="pinv")
def pinv_of(x: np.ndarray, *, atol: Any = 0.0, rtol: Any = 0.0) -> np.ndarray:
    """V diag(1 / S) U^T of x = U diag(S) V^T, without what counts as 0."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    kept = _counted(s, atol, rtol)
    return (vh.mT * np.where(kept, 1 / np.where(kept, s, 1), 0)[..., None, :].astype(x.dtype)) @ u.mT


# With P the pseudo-inverse, where A keeps its rank (Golub and Pereyra 1973, (4.12)),
#     dP = -P dA P + P PT dAT (1 - A P) + (1 - P A) dAT PT P,
# so that A receives -PT g PT + (1 - A P) gT P PT + PT P gT (1 - P A).
def _pinv_grad(g: Any, out: Any, x: Any) -> Any:
    p, pt = out, out.mT
    left, right = g.mT @ p @ pt, pt @ p @ g.mT
    return -(pt @ g @ pt) + (left - x @ (p @ left)) + (right - (right @ p) @ x)


pinv_of.vjp(x=_pinv_grad)


@public("pinv", on="l o")
def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The pseudo-inverse of each matrix. Singular values up to max(atol, rtol times the largest) count as 0.

    rtol is by default the number of rows or columns times the dtype's epsilon, or 0 if atol is given; rcond is its old
    name. hermitian: A is symmetric, and its lower triangle is read.
    """
    check_floats("pinv", A)
    check_matrices("pinv", A)
    atol, rtol = _tolerances("pinv", A, atol, rtol if rcond is None else rcond)
    if not flag(hermitian, "hermitian"):
        try:
            return pinv_of(A, atol=atol, rtol=rtol)
        except np.linalg.LinAlgError:
            raise no_svd(A.array) from None
    values, v = eigh(A)
    kept = _counted(np.abs(values.array), atol, rtol)
    over = where(wrap(kept), 1 / where(wrap(kept), values, 1.0), 0.0)
    return (v * over[..., None, :]) @ v.mT


@public("pinverse", on="T t")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """`linalg.pinv`."""
    return pinv(input, rcond)


@public("matrix_rank", on="l o")
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The number of singular values above max(atol, rtol times the largest), int64; see `pinv`. tol: atol alone."""
    check_floats("matrix_rank", A)
    check_matrices("matrix_rank", A, "input")
    atol, rtol = _tolerances("matrix_rank", A, atol, rtol) if tol is None else _tolerances("matrix_rank", A, tol, 0.0)
    x = A.detach()
    values = np.abs(eigvalsh(x).array) if flag(hermitian, "hermitian") else svdvals(x).array
    return wrap(np.asarray(_counted(values, atol, rtol).sum(-1)))


def _is_full(r: np.ndarray, rtol: float) -> bool:
    """Whether a triangle R is certain to have full rank.

    As it has where its least singular value, 1 / |R^-1| or more, is above rtol |R|, with the roots of sums of squares.
    """
    with np.errstate(all="ignore"):
        inverse = by_blocks(r, np.eye(r.shape[-1], dtype=r.dtype), True)
        sizes = [np.square(v, dtype=np.float64).sum((-1, -2)) for v in (inverse, r)]
        return bool((np.sqrt(sizes[0] * sizes[1]) * rtol < 1).all())


DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@public("lstsq", on="l")
def lstsq(A: Any, b: Any, rcond: float | None = None, *, driver: str | None = None) -> tuple:
    """(solution, residuals, rank, singular_values): the X of least size that makes the norm of A X - b smallest.

    As with PyTorch's drivers, residuals (the sums of squares) are empty for "gelsy", the default, and unless A has full
    rank and more rows than columns; rank is empty for "gels", and singular values are for all but "gelsd" and "gelss".
    """
    check_same_dtype("lstsq", A, b, "b")
    check_floats("lstsq", A)
    if len(A.outline.shape) < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    shape, other = A.outline.shape, b.outline.shape
    if not other:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if driver is not None and driver not in DRIVERS:
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if not 0 <= len(shape) - len(other) <= 1:
        raise RuntimeError(
            "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) "
            "<= 1"
        )
    vector = len(shape) - 1 == len(other)
    b = unsqueeze(b, -1) if vector else b
    if shape[-2] != b.outline.shape[-2]:
        raise RuntimeError(f"torch.linalg.lstsq: input.size(-2) should match other.size(-{1 if vector else 2})")
    try:
        np.broadcast_shapes(shape[:-2], b.outline.shape[:-2])
    except ValueError:
        raise unbroadcastable("lstsq", A, b) from None
    driver = driver or "gelsy"
    rtol = dtypes.finfo(A.array.dtype).eps * max(shape[-2:]) if rcond is None else rcond
    empty = residuals = values = wrap(np.zeros(0, A.array.dtype))
    tall, rank = shape[-2] >= shape[-1], np.full(shape[:-2], min(shape[-2:]))
    q, r = qr(A if tall else A.mT)
    if driver in ("gelsd", "gelss") or not _is_full(r.array, rtol):
        values = svdvals(r.detach())
        rank = _counted(values.array, 0.0, rtol).sum(-1)
    if (rank < min(shape[-2:])).any():
        x = pinv(A, rtol) @ b
    elif tall:
        x = solve_triangular(r, q.mT @ b, upper=True)
    else:
        x = q @ solve_triangular(r.mT, b, upper=False)
    if driver != "gelsy" and shape[-2] > shape[-1] and (rank == shape[-1]).all():
        residuals = reduce.sum_squares(A @ x - b, dim=(len(x.outline.shape) - 2,), keepdim=False)
    return return_types.linalg_lstsq(
        standalone(squeeze(x, -1)) if vector else x,
        residuals,
        wrap(np.zeros(0, np.int64) if driver == "gels" else np.asarray(rank)),
        values if driver in ("gelsd", "gelss") else empty,
    )
