"""Products of vectors and matrices, powers, exponentials, and what takes tensors for matrices."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import return_types
from ..autograd import Variable, primitive
from ..autograd.tape import plain, wrap
from .dims import check_tensors as listed_tensors
from .dims import flag, no_tensor, normalize, whole
from .einsum import matrix_power
from .factor import check_floats, check_matrices, check_same_dtype, check_square, check_tensors, inverse, kind, solve
from .index import tril
from .join import cat
from .linalg import matmul
from .moving import diagonal
from .names import public
from .pointwise import where
from .promotion import to_dtype, unbroadcastable
from .reduce import cumprod
from .reduce import sum as sum_of
from .shape import expand, fit, permute, reshape, squeeze, standalone, unsqueeze
from .spectral import stopped

public("matmul", on="l o")(matmul)
public("matrix_power", on="l o")(matrix_power)


# --------------------------------------------------------------------------------------------------------- reflections
@public("geqrf", on="T t o")
def geqrf(input: Any) -> tuple:
    """(a, tau): R in the upper triangle of a, and below and in tau the reflections whose product is Q."""
    check_floats("geqrf", input, ints=NotImplementedError)
    check_matrices("geqrf", input, "input")
    h, tau = np.linalg.qr(input.array, "raw")
    why = "the derivative for 'geqrf' is not implemented."
    return return_types.geqrf(
        *[stopped(part, input, why, NotImplementedError) for part in (np.ascontiguousarray(h.mT), tau)]
    )


def _check_reflections(name: str, a: Any, tau: Any) -> None:
    own, name = name, f"torch.{'linalg.' if name == 'householder_product' else ''}{name}"
    check_same_dtype(own, a, tau, "tau")
    shape = a.outline.shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if shape[-2] < shape[-1] and name != "torch.ormqr":
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if len(shape) - len(tau.outline.shape) != 1 or tau.outline.shape[-1] > min(shape[-2:]):
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1], and tau must have one dimension "
            "less than input"
        )
    if tau.outline.shape[:-1] != shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch of tau to be {list(shape[:-2])}, but got {list(tau.outline.shape[:-1])}"
        )
    check_floats(own, a, ints=NotImplementedError)


def _reflected(a: Any, tau: Any, x: Any, turned: bool) -> Any:
    """The product of reflections 1 - tau_i v_i v_i^T, or its transpose, times x; v_i is column i of A below a one."""
    v = tril(a, -1) + wrap(np.eye(*a.outline.shape[-2:], dtype=a.array.dtype))
    count = tau.outline.shape[-1]
    for i in range(count) if turned else range(count - 1, -1, -1):
        column = v[..., i : i + 1]
        x = x - tau[..., i, None, None] * (column @ (column.mT @ x))
    return x


@public("householder_product", on="l o")
@public("orgqr", on="T t o")
def householder_product(A: Any, tau: Any) -> Any:
    """The first columns, as many as A (..., M, N) has, of the product of the reflections that `geqrf` found."""
    _check_reflections("householder_product", A, tau)
    shape = A.outline.shape
    eye = expand(wrap(np.eye(*shape[-2:], dtype=A.array.dtype)), shape=shape)
    q = _reflected(A, tau, eye, False)
    return q if tau.outline.shape[-1] else where(wrap(np.zeros(shape, bool)), A, q)


@public("ormqr", on="T t o")
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Q other, or other Q if not `left`, with Q the M x M product of the reflections, or its transpose."""
    _check_reflections("ormqr", input, tau)
    check_same_dtype("ormqr", input, other, "other")
    check_matrices("ormqr", other, "other")
    left, turned = flag(left, "left"), flag(transpose, "transpose")
    size = -2 if left else -1
    if other.outline.shape[size] != input.outline.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{size}] must be equal to input.shape[-2]")
    if other.outline.shape[:-2] != input.outline.shape[:-2]:
        raise RuntimeError(
            f"torch.ormqr: Expected batch dimensions of other to be {list(input.outline.shape[:-2])}, but got "
            f"{list(other.outline.shape[:-2])}"
        )
    x = _reflected(input, tau, other if left else other.mT, turned == left)
    return x if left else standalone(x.mT).contiguous()


# ------------------------------------------------------------------------------------------------------ exponentials
# exp(A) = exp(A / 2^s)^(2^s), with s so that the norm of A / 2^s is at most THETA. There exp is p(A) / p(-A) with
# p(A) = sum of c_j A^j, c_j = (2q - j)! q! / ((2q)! (q - j)! j!): with q = 13 wrong by less than 2^-53 below 5.37, with
# q = 7 by less than 2^-24 below 3.9 (Higham 2005). Odd and even powers apart: p(A) = V + U, p(-A) = V - U.
DEGREES = {4: ((3, 0.42), (5, 1.88), (7, 3.92)), 8: ((3, 0.0149), (5, 0.253), (7, 0.95), (9, 2.09), (13, 5.37))}


def _pade(q: int) -> list[float]:
    f = math.factorial
    return [f(2 * q - j) * f(q) / (f(2 * q) * f(q - j) * f(j)) for j in range(q + 1)]


@primitive(name="matrix_exp")
def matrix_exp_of(x: np.ndarray) -> np.ndarray:
    """The exponential of each matrix of a stack (..., N, N)."""
    size = np.abs(x).sum(-2).max(-1, initial=0)
    degrees = DEGREES[x.itemsize]
    q, theta = next(row for row in degrees if size.max(initial=0) <= row[1] or row is degrees[-1])
    times = np.ceil(np.log2(np.maximum(np.where(np.isfinite(size), size, 0) / theta, 1))).astype(np.int64)
    a = x * (0.5**times).astype(x.dtype)[..., None, None]
    c, eye = [x.dtype.type(v) for v in _pade(q)], np.eye(x.shape[-1], dtype=x.dtype)
    square = a @ a
    u, v, power = c[1] * eye, c[0] * eye, eye
    for j in range(2, q + 1, 2):
        power = power @ square if j > 2 else square
        u, v = u + c[j + 1] * power, v + c[j] * power
    u = a @ u
    out = np.linalg.solve(v - u, v + u)
    for step in range(int(times.max(initial=0))):
        out = np.where((times > step)[..., None, None], out @ out, out)
    return out


# exp of the blocks (A, dA; 0, A) has d exp(A) in its upper right block; with AT and g in their places, what A receives.
# It is linear in g, which must not be what the norm of the blocks comes from: a power of 2 is taken out of it.
def _exp_grad(g: Any, x: Any) -> Any:
    n, t = x.shape[-1], x.mT
    size = np.abs(plain(g)).sum(-2).max(-1, initial=0)[..., None, None]
    scale = np.exp2(np.ceil(np.log2(np.where((size > 0) & np.isfinite(size), size, 1))))
    g = g / scale
    if isinstance(g, Variable):
        blocks = cat([cat([t, g], -1), cat([t * 0, t], -1)], -2)
    else:
        blocks = np.concatenate([np.concatenate([t, g], -1), np.concatenate([np.zeros_like(t), t], -1)], -2)
    return matrix_exp_of(blocks)[..., :n, n:] * scale


matrix_exp_of.vjp(x=_exp_grad)


@public("matrix_exp", on="T t l")
def matrix_exp(A: Any) -> Any:
    """The sum of A^k / k! of each matrix of A (..., N, N)."""
    check_floats("matrix_exp", A, half=True)
    check_square("matrix_exp", A)
    if A.outline.dtype == np.float16:
        return to_dtype(matrix_exp_of(to_dtype(A, np.dtype(np.float32))), A.outline.dtype)
    return matrix_exp_of(A)


# -------------------------------------------------------------------------------------------------- products of vectors
@primitive(name="cross")
def cross_of(x: np.ndarray, y: np.ndarray, *, dim: int) -> np.ndarray:
    """x x y of vectors along `dim`, counted from the end; the other axes broadcast."""
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), x.dtype)
    keys: list[Any] = [(..., i, *(slice(None),) * (-dim - 1)) for i in range(3)]
    for i, j, k in (keys, keys[1:] + keys[:1], keys[2:] + keys[:2]):
        np.multiply(x[j], y[k], out=out[i])
        out[i] -= x[k] * y[j]
    return out


# <g, dx x y> = <y x g, dx>.
cross_of.vjp(
    x=lambda g, y, dim, x_shape: fit(cross_of(y, g, dim=dim), x_shape),
    y=lambda g, x, dim, y_shape: fit(cross_of(g, x, dim=dim), y_shape),
)


@public("cross", on="l o")
def linalg_cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The cross product of vectors of three along `dim`; the other axes broadcast."""
    check_tensors("cross", ("input", input), ("other", other))
    a, b = input.outline.shape, other.outline.shape
    if len(a) != len(b):
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    (d,) = normalize((dim,), len(a))
    if not a or a[d] != 3 or b[d] != 3:
        sizes = (a[d], b[d]) if a else (1, 1)
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        raise unbroadcastable("cross", input, other) from None
    if input.outline.dtype.kind == "b":
        raise NotImplementedError("\"cross\" not implemented for 'Bool'")
    if input.outline.dtype != other.outline.dtype:
        raise RuntimeError(f"cross: expected scalar type {kind(input)} but found {kind(other)}")
    return cross_of(input, other, dim=d - len(a))


@public("cross", on="T t o")
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The cross product of vectors of three along `dim`, by default the first axis of size 3; the others broadcast."""
    check_tensors("cross", ("input", input), ("other", other))
    if dim is None:
        dim = next((d for d, n in enumerate(input.outline.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim)


@public("vecdot", on="l o")
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """The sum of products along `dim`; the other axes broadcast."""
    check_same_dtype("vecdot", x, y, "y")
    check_floats("vecdot", x, half=True)
    return sum_of(x * y, dim)


@public("diagonal", on="l")
def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of the matrices in two axes, by default the last: a view."""
    return diagonal(A, offset, dim1, dim2)


@public("multi_dot", on="l o")
def multi_dot(tensors: Sequence) -> Any:
    """The product of matrices, the first and the last maybe vectors, in the order that takes fewest multiplications."""
    tensors = listed_tensors("multi_dot", tensors)
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for i, x in enumerate(tensors):
        ranks = (1, 2) if i in (0, n - 1) else (2,)
        if len(x.outline.shape) not in ranks:
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {' or '.join(f'{r}D' for r in ranks)} but got {len(x.outline.shape)}D"
            )
        if x.outline.dtype != tensors[0].outline.dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have the same dtype, but tensor 0 is {tensors[0].dtype} and "
                f"tensor {i} {x.dtype}"
            )
    row, column = (len(tensors[i].outline.shape) == 1 for i in (0, -1))
    tensors[0] = unsqueeze(tensors[0], 0) if row else tensors[0]
    tensors[-1] = unsqueeze(tensors[-1], 1) if column else tensors[-1]
    for i in range(n - 1):
        a, b = tensors[i].outline.shape, tensors[i + 1].outline.shape
        if a[1] != b[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a)} and {list(b)} cannot be multiplied"
            )
    sizes = [tensors[0].outline.shape[0], *(x.outline.shape[1] for x in tensors)]

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """The multiplications of tensors i to j, and after which one to split."""
        if i == j:
            return 0, i
        return min((best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Any:
        k = best(i, j)[1]
        return tensors[i] if i == j else matmul(product(i, k), product(k + 1, j))

    out = product(0, n - 1)
    out = squeeze(out, 1) if column else out
    out = squeeze(out, 0) if row else out
    return standalone(out)


# --------------------------------------------------------------------------------------------------- powers and tensors
@public("vander", on="l")
def linalg_vander(x: Any, *, N: int | None = None) -> Any:
    """The powers 0 ... N - 1 of each element of x (..., n), as (..., n, N); N is n by default."""
    if not isinstance(x, Variable):
        raise no_tensor("vander", "x", x)
    if x.outline.dtype.kind == "b" or x.outline.dtype == np.float16:
        raise RuntimeError(f"linalg.vander supports floating point and integer tensors, but got {kind(x)}")
    x = x if x.outline.shape else reshape(x, shape=(1,))
    shape = x.outline.shape
    count = shape[-1] if N is None else whole(N, "N")
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    ones = wrap(np.ones((*shape, 1), x.array.dtype))
    return cumprod(cat([ones, expand(unsqueeze(x, -1), shape=(*shape, count - 1))], -1), -1)


@public("vander", on="t")
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers N - 1 ... 0 of a vector's elements, or 0 ... N - 1 if `increasing`; N is its length by default."""
    if not isinstance(x, Variable):
        raise no_tensor("vander", "x", x)
    if len(x.outline.shape) != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.outline.shape[0]
    count = n if N is None else whole(N, "N")
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    dtype = np.dtype(np.int64) if x.outline.dtype.kind in "biu" else x.outline.dtype
    x = to_dtype(x, dtype)
    ones = wrap(np.ones((n, min(count, 1)), dtype))
    powers = cumprod(cat([ones, expand(unsqueeze(x, 1), shape=(n, max(count - 1, 0)))], 1), 1)
    return powers if flag(increasing, "increasing") else powers.flip(1)


@public("tensorinv", on="l o")
def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of the linear map that A is from its last axes to its first `ind`."""
    check_tensors("tensorinv", ("A", A))
    if whole(ind, "ind") <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    shape = A.outline.shape
    first, last = math.prod(shape[:ind]), math.prod(shape[ind:])
    if first != last or ind > len(shape):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{last} != {first}"
        )
    return standalone(reshape(inverse(reshape(A, shape=(first, last))), shape=(*shape[ind:], *shape[:ind])))


@public("tensorsolve", on="l o")
def tensorsolve(A: Any, other: Any, dims: Sequence[int] | None = None) -> Any:
    """X with tensordot(A, X, X.ndim) = other; `dims` of A go to its end first."""
    check_tensors("tensorsolve", ("A", A), ("other", other))
    if dims is not None:
        moved = normalize(tuple(dims), len(A.outline.shape))
        A = permute(A, dims=(*[d for d in range(len(A.outline.shape)) if d not in moved], *moved))
    ndim, shape = len(other.outline.shape), A.outline.shape
    first, last = math.prod(shape[:ndim]), math.prod(shape[ndim:])
    if first != last:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {last} != {first}"
        )
    found = solve(reshape(A, shape=(first, last)), reshape(other, shape=(other.array.size,)))
    return standalone(reshape(found, shape=shape[ndim:]))
