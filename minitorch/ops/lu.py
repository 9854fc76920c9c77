"""Gaussian elimination: P L U = A, and systems solved by the factors that it leaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import return_types
from ..autograd import Variable, primitive
from ..autograd.tape import plain, wrap
from .dims import flag, no_tensor
from .factor import (
    BLOCK,
    by_blocks,
    check_floats,
    check_matrices,
    check_same_dtype,
    check_square,
    recorded,
    restored,
    solve_triangular,
    solve_triangular_of,
    system,
    triangle,
    which,
)
from .index import take_along, tril, triu
from .join import cat
from .names import public
from .shape import expand


def eliminate(a: np.ndarray, pivots: np.ndarray | None = None) -> None:
    """L below the diagonal of each matrix of a (B, M, N) and U above, in place; BLOCK columns, then all to their right.

    pivots (B, min(M, N)) receives the row, from 1, that each row changed places with. Without, none does.
    """
    count, m, n = a.shape
    k, stack = min(m, n), np.arange(count)
    for start in range(0, k, BLOCK):
        end = min(start + BLOCK, k)
        for j in range(start, end):
            if pivots is not None:
                p = j + np.abs(a[:, j:, j]).argmax(1)
                pivots[:, j] = p + 1
                a[stack, j], a[stack, p] = a[stack, p], a[stack, j]
            pivot = a[:, j, j, None]
            a[:, j + 1 :, j] /= np.where(pivot == 0, 1, pivot)  # what stands below the largest is zero, too
            a[:, j + 1 :, j + 1 : end] -= a[:, j + 1 :, j, None] * a[:, j, None, j + 1 : end]
        if end < n:
            a[:, start:end, end:] = by_blocks(a[:, start:end, start:end], a[:, start:end, end:], False, True)
            a[:, end:, end:] -= a[:, end:, start:end] @ a[:, start:end, end:]


def _order(pivots: np.ndarray, m: int) -> np.ndarray:
    """Which row of A (M, N) stands where after all changes."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(m), (len(flat), 1))
    stack = np.arange(len(flat))
    for j in range(flat.shape[1]):
        p = flat[:, j] - 1
        order[stack, j], order[stack, p] = order[stack, p], order[stack, j]
    return order.reshape(*pivots.shape[:-1], m)


def _rows(x: Any, order: np.ndarray) -> Any:
    """The rows of matrices in this order."""
    shape = x.outline.shape
    full = np.broadcast_shapes(shape[:-2], order.shape[:-1]) + shape[-2:]
    x = x if shape == full else expand(x, shape=full)
    return take_along(x, np.broadcast_to(order[..., None], full), dim=len(full) - 2)


# dA = dL U + L dU, so L^-1 dA U^-1 = L^-1 dL + dU U^-1: a lower triangle without its diagonal, and an upper one. So A
# receives L^-T (H + K) U^-T, H the part of LT gL below the diagonal and K the part of gU UT above, with it.
@primitive(name="lu")
def lu_of(x: np.ndarray) -> np.ndarray:
    """L below the diagonal and U above of x (..., N, N), whose rows stand in the right order."""
    out = np.array(x, order="C")
    eliminate(out.reshape(math.prod(out.shape[:-2]), *out.shape[-2:]))
    return out


def _lu_grad(g: Any, out: Any) -> Any:
    n = out.shape[-1]
    lower = triangle(out, diagonal=0.0) + np.eye(n, dtype=plain(out).dtype)
    inner = triangle(lower.mT @ triangle(g, diagonal=0.0), diagonal=0.0)
    inner = inner + triangle(triangle(g, True) @ triangle(out, True).mT, True)
    left = solve_triangular_of(out.mT, inner, upper=True, unit=True)
    return solve_triangular_of(out, left.mT, upper=True, unit=False).mT


lu_of.vjp(x=_lu_grad)


def _factored(name: str, a: Any, pivot: bool) -> tuple[Any, np.ndarray]:
    """LU and the pivots of A (..., M, N). What stands beside the square of the first rows and columns is solved for."""
    check_floats(name, a, ints=NotImplementedError)
    if len(a.outline.shape) < 2:
        raise RuntimeError(
            f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(a.outline.shape)} instead"
        )
    if not flag(pivot, "pivot"):
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")
    *batch, m, n = a.outline.shape
    k = min(m, n)
    values = np.array(a.array, order="C")
    pivots = np.empty((*batch, k), np.int32)
    count = math.prod(batch)
    with np.errstate(all="ignore"):
        eliminate(values.reshape(count, m, n), pivots.reshape(count, k))
    if not recorded(a):
        return wrap(values), pivots
    moved = _rows(a, _order(pivots, m))
    square = lu_of(moved[..., :k, :k])
    if m > n:
        below = solve_triangular(triu(square), moved[..., k:, :], upper=True, left=False)
        return cat([square, below], -2), pivots
    if m < n:
        beside = solve_triangular(square, moved[..., k:], upper=False, unitriangular=True)
        return cat([square, beside], -1), pivots
    return square, pivots


def _zero_pivots(values: np.ndarray) -> np.ndarray:
    """For each matrix of LU 0, or the number of the first element on U's diagonal that is zero."""
    zero = np.diagonal(values, axis1=-2, axis2=-1) == 0
    return np.where(zero.any(-1), zero.argmax(-1) + 1 if zero.shape[-1] else 0, 0).astype(np.int32)


@public("lu_factor_ex", on="l o")
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> tuple:
    """(LU, pivots, info): info is 0, or the number of the first element on U's diagonal that is zero."""
    lu, pivots = _factored("linalg.lu_factor", A, pivot)
    info = _zero_pivots(lu.array)
    if flag(check_errors, "check_errors") and info.any():
        raise _zero_error(lu.array, info)
    return return_types.linalg_lu_factor_ex(lu, wrap(pivots), wrap(info))


def _zero_error(lu: np.ndarray, info: np.ndarray) -> RuntimeError:
    index = int(info.reshape(-1).astype(bool).argmax())
    place = info.reshape(-1)[index]
    return RuntimeError(
        f"torch.linalg.lu_factor: {which(lu, index)}U[{place},{place}] is zero and using it on lu_solve would result "
        "in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) "
        "or linalg.lu_factor_ex(A, pivot)"
    )


@public("lu_factor", on="l o")
def lu_factor(A: Any, *, pivot: bool = True) -> tuple:
    """(LU, pivots): L, which has ones on its diagonal, below that of LU, U above; row i was changed for pivots[i] - 1.

    Raises RuntimeError where U has a zero on its diagonal.
    """
    lu, pivots, _ = lu_factor_ex(A, pivot=pivot, check_errors=True)
    return return_types.linalg_lu_factor(lu, pivots)


@public("lu", on="T t o")
def old_lu(A: Any, pivot: bool = True, get_infos: bool = False) -> tuple:
    """(LU, pivots) of `linalg.lu_factor_ex`, and info if it is asked for."""
    found = lu_factor_ex(A, pivot=pivot)
    return found if flag(get_infos, "get_infos") else tuple(found[:2])


@public("lu_unpack", on="t o")
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> tuple:
    """(P, L, U) of what `lu_factor` found; what is not asked for is empty."""
    check_matrices("lu_unpack", LU_data, "LU_data")
    *batch, m, n = LU_data.outline.shape
    k = min(m, n)
    dtype = LU_data.outline.dtype
    p = lower = upper = wrap(np.zeros(0, dtype))
    if flag(unpack_pivots, "unpack_pivots"):
        order = _order(_checked_pivots("lu_unpack", LU_pivots, m), m)
        matrix = np.zeros((*batch, m, m), dtype)
        np.put_along_axis(matrix, order[..., None, :], 1, -2)
        p = wrap(matrix)
    if flag(unpack_data, "unpack_data"):
        lower = tril(LU_data[..., :k], -1) + wrap(np.eye(m, k, dtype=dtype))
        upper = triu(LU_data[..., :k, :])
    return return_types.lu_unpack(p, lower, upper)


def _checked_pivots(name: str, pivots: Any, m: int) -> np.ndarray:
    if not isinstance(pivots, Variable):
        raise no_tensor(name, "pivots", pivots)
    if pivots.outline.dtype != np.int32:
        raise RuntimeError(
            f"{name}: pivots should be a Tensor of scalar type torch.int32, as linalg.lu_factor returns it"
        )
    if pivots.array.size and not (pivots.array.min() >= 1 and pivots.array.max() <= m):
        raise RuntimeError(
            f"{name}: pivots must be between 1 and LU.size(-2) inclusive, as linalg.lu_factor returns them"
        )
    return pivots.array


@public("lu", on="l o")
def lu(A: Any, *, pivot: bool = True) -> tuple:
    """(P, L, U) with P L U = A: P exchanges rows, L has ones on its diagonal and zeros above, U has zeros below."""
    found, pivots = _factored("linalg.lu", A, pivot)
    return return_types.linalg_lu(*lu_unpack(found, wrap(pivots)))


@public("lu_solve", on="l o")
def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X of A X = B, or with left=False of X A = B, of what `lu_factor` found of A; adjoint: of A^T in place of A."""
    check_floats("lu_solve", LU, ints=NotImplementedError)
    check_square("lu_solve", LU)
    check_same_dtype("lu_solve", LU, B)
    shape = LU.outline.shape
    rows = _checked_pivots("linalg.lu_solve", pivots, shape[-1])
    if rows.shape[-1:] != shape[-1:]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    if rows.shape[:-1] != shape[:-2]:
        raise RuntimeError("linalg.lu_solve: Batch dimensions of LU and pivots must be the same")
    a, b, _ = system("lu_solve", LU, B, flag(left, "left"), False)
    turned = flag(adjoint, "adjoint") == left  # whether A^T X = B is to be solved
    order = _order(rows, shape[-1])
    if turned:
        half = solve_triangular_of(LU.mT, b, upper=False, unit=False)
        x = _rows(solve_triangular_of(LU.mT, half, upper=True, unit=True), np.argsort(order, -1))
    else:
        half = solve_triangular_of(LU, _rows(b, order), upper=False, unit=True)
        x = solve_triangular_of(LU, half, upper=True, unit=False)
    return restored(x, False, left)


@public("lu_solve", on="T t o")
def old_lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """`linalg.lu_solve`, with its arguments in another order."""
    return lu_solve(LU_data, LU_pivots, b)


@public("triangular_solve", on="T t o")
def triangular_solve(b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False) -> tuple:
    """(X, a copy of A) with A X = b, or A^T X = b if `transpose`, of a triangle of A: `linalg.solve_triangular`."""
    for v, argument in ((b, "b"), (A, "A")):
        if not isinstance(v, Variable):
            raise no_tensor("triangular_solve", argument, v)
        if len(v.outline.shape) < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {argument} to have at least 2 dimensions, but it has "
                f"{len(v.outline.shape)} dimensions instead"
            )
    turned = flag(transpose, "transpose")
    x = solve_triangular(A.mT if turned else A, b, upper=flag(upper, "upper") != turned, unitriangular=unitriangular)
    full = x.outline.shape[:-2] + A.outline.shape[-2:]
    return return_types.triangular_solve(x, (A if A.outline.shape == full else expand(A, shape=full)).clone())
