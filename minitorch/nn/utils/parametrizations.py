"""Weights of a given length, of spectral norm 1, or orthogonal: ready-made parametrizations (see `parametrize`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.tape import wrap
from ...ops.dims import normalize
from ...ops.index import getitem, tril
from ...ops.join import cat
from ...ops.linalg import matmul
from ...ops.reduce import norm, reduce_sum
from ...ops.shape import permute, reshape, transpose
from ...random import default_generator
from ...tensor import Tensor
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


# ------------------------------------------------------------------------------------------------ length and direction
def norm_except_dim(v: Any, dim: int | None) -> Any:
    """The lengths of v's slices along `dim`, which stays, the other axes of size 1; of all of v for None or -1."""
    if dim is None or dim == -1:
        return norm(v)
    (kept,) = normalize((dim,), v.array.ndim)
    axes = tuple(axis for axis in range(v.array.ndim) if axis != kept)
    return norm(v, 2, axes, True) if axes else abs(v)


def scaled(g: Any, v: Any, dim: int | None) -> Any:
    """v with its slices along `dim` of length g."""
    return v * (g / norm_except_dim(v, dim))


class _WeightNorm(Module):
    """Slices of length original0 in the direction of original1."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return scaled(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Any) -> tuple:
        """Length and direction."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let length and direction of a weight's slices along `dim` train separately (Salimans and Kingma, 2016).

    The parameters are `parametrizations.weight.original0`, the lengths, and `original1`; for dim=None there is one
    length. Returns the module.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


# ------------------------------------------------------------------------------------------------ spectral norm
def as_matrix(weight: Any, dim: int) -> Any:
    """A weight with axis `dim` in front and all others as one."""
    if dim:
        weight = permute(weight, dims=(dim, *(axis for axis in range(weight.array.ndim) if axis != dim)))
    return reshape(weight, shape=(weight.array.shape[0], -1 if weight.array.size else 0))


def unit(x: np.ndarray, eps: float) -> np.ndarray:
    """x of length 1, or shorter where it is shorter than eps."""
    return x / max(float(np.linalg.norm(x)), eps)


def power_steps(matrix: np.ndarray, u: Any, v: Any, steps: int, eps: float) -> None:
    """Bring buffers u and v nearer to the singular vectors of the largest singular value, in place."""
    for _ in range(steps):
        u.write()[...] = unit(matrix @ v.array, eps)
        v.write()[...] = unit(matrix.T @ u.array, eps)


def over_sigma(weight: Any, matrix: Any, u: Any, v: Any) -> Any:
    """weight / (u matrix v), with u and v as they are now."""
    left, right = (wrap(x.array.copy()) for x in (u, v))
    return weight / reduce_sum(left * matmul(matrix, right), dim=(0,), keepdim=False)


def singular_vectors(matrix: np.ndarray, eps: float) -> tuple[Any, Any]:
    """Random vectors of length 1 to start `power_steps` with."""
    draw = default_generator.numpy
    return tuple(wrap(unit(draw.standard_normal(n).astype(matrix.dtype), eps)) for n in matrix.shape)  # type: ignore


def default_dim(module: Module) -> int:
    """The axis of a weight that counts outputs."""
    return int(isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d))


def check_power(steps: int) -> int:
    """A positive number of steps. Raises ValueError for another."""
    if steps <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={steps}")
    return steps


class _SpectralNorm(Module):
    """A weight over its largest singular value, which each training step approaches by `n_power_iterations`."""

    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.array.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        check_power(n_power_iterations)
        self.dim, self.eps = dim % ndim, eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim).array
            for name, vector in zip(("_u", "_v"), singular_vectors(matrix, eps), strict=True):
                self.register_buffer(name, vector)
            power_steps(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Any) -> Any:
        """The weight over its norm."""
        if weight.array.ndim == 1:
            length = norm(weight)
            return weight / (length if float(length.array) > self.eps else self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_steps(matrix.array, self._u, self._v, self.n_power_iterations, self.eps)
        return over_sigma(weight, matrix, self._u, self._v)

    def right_inverse(self, value: Any) -> Any:
        """The value: it should have norm 1 already."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al., 2018), seen as a matrix with axis `dim` in front.

    The singular vectors are buffers, which each forward in training mode brings nearer, by power iteration. dim: 0, and
    1 for transposed convolutions, if None. Returns the module. Raises ValueError where there is no such tensor.
    """
    weight = _tensor(module, name)
    dim = default_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


def _tensor(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# ------------------------------------------------------------------------------------------------ orthogonal weights
def _identity(x: Any, n: int) -> Any:
    return wrap(np.broadcast_to(np.eye(n, dtype=x.array.dtype), (*x.array.shape[:-2], n, n)))


def _exponential(a: Any) -> Any:
    """The matrix exponential: Taylor's series of a / 2^s, of norm 1/2 at most, squared s times."""
    size = float(np.abs(a.array).sum(-1).max(initial=0))
    s = max(0, math.frexp(size)[1] + 1) if math.isfinite(size) else 0
    a = a * 0.5**s
    one = _identity(a, a.array.shape[-1])
    out = one
    for k in range(16, 0, -1):  # (1/2)^17 / 17! is below the precision of float64
        out = one + matmul(a, out) * (1 / k)
    for _ in range(s):
        out = matmul(out, out)
    return out


def _inverse(a: Any) -> Any:
    """The inverse: NumPy's, then Newton's x (2 - a x), which changes no number, but carries the derivatives.

    Each step doubles the orders of derivatives that are right: x is right to none, then 1, 3 and 7.
    """
    out = wrap(np.linalg.inv(a.array))
    two = _identity(a, a.array.shape[-1]) * 2
    for _ in range(3):
        out = matmul(out, two - matmul(a, out))
    return out


def _reflections(x: Any) -> Any:
    """The first k columns of a product of k Householder reflections, their vectors below the diagonal of x (..., n, k).

    Column i of the result is also multiplied with the sign on x's diagonal.
    """
    *_, n, k = x.array.shape
    below = tril(x, -1)
    out = wrap(np.broadcast_to(np.eye(n, k, dtype=x.array.dtype), x.array.shape))
    for i in reversed(range(k)):
        v = getitem(below, key=(Ellipsis, slice(i, i + 1))) + wrap(np.eye(n, 1, -i, dtype=x.array.dtype))
        tau = 2.0 / reduce_sum(v * v, dim=(x.array.ndim - 2,), keepdim=True)
        out = out - tau * matmul(v, matmul(transpose(v, -2, -1), out))
    signs = np.trunc(np.diagonal(x.array, axis1=-2, axis2=-1))[..., None, :]
    return out * wrap(signs.astype(x.array.dtype))


def _orthogonalized(q: np.ndarray) -> np.ndarray:
    """The orthogonal matrix that QR makes of q, with the signs of a positive diagonal."""
    found, r = np.linalg.qr(q.astype(np.float64))
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1)
    return (found * signs[..., None, :]).astype(q.dtype)


class _Orthogonal(Module):
    """An orthogonal matrix, or one with orthonormal rows or columns, made of any matrix by one of three maps."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map, self.trivial = weight.shape, orthogonal_map, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        """The orthogonal matrix."""
        n, k = X.array.shape[-2:]
        wide = n < k
        if wide:
            X, n, k = transpose(X, -2, -1), k, n
        if self.orthogonal_map == "householder":
            q = _reflections(X)
        else:
            lower = tril(X)
            if n != k:
                lower = cat([lower, wrap(np.zeros((*X.array.shape[:-2], n, n - k), X.array.dtype))], -1)
            a = lower - transpose(lower, -2, -1)
            if self.orthogonal_map == "matrix_exp":
                q = _exponential(a)
            else:  # Cayley's (1 + a/2) (1 - a/2)^-1, whose factors commute
                one = _identity(a, n)
                q = matmul(_inverse(one - a * 0.5), one + a * 0.5)
            if n != k:
                q = getitem(q, key=(Ellipsis, slice(0, k)))
        if self.trivial:
            q = matmul(self.base, q)
        return transpose(q, -2, -1) if wide else q

    def right_inverse(self, Q: Any) -> Any:
        """What gives Q, made orthogonal; with a trivialization, Q is kept as `base` and it is minus the identity.

        Raises ValueError for another shape, NotImplementedError without a trivialization, but for "householder".
        """
        if Q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got shape {Q.shape}.")
        q = Q.array
        n, k = q.shape[-2:]
        wide = n < k
        if wide:
            q, n, k = q.swapaxes(-2, -1), k, n
        if self.trivial:
            if n != k:
                more = default_generator.numpy.standard_normal((*q.shape[:-2], n, n - k)).astype(q.dtype)
                q = np.concatenate([q, more], -1)
            near = np.abs(q.swapaxes(-2, -1) @ q - np.eye(n)).max(initial=0) < 10 * n * np.finfo(q.dtype).eps
            self.base = wrap(q.copy() if n == k and near else _orthogonalized(q))
            return wrap(np.broadcast_to(-np.eye(*Q.array.shape[-2:], dtype=q.dtype), Q.array.shape).copy())
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        found = np.stack([_vectors(matrix) for matrix in q.reshape(-1, n, k)]).reshape(q.shape)
        return wrap(found.swapaxes(-2, -1).copy() if wide else found)


def _vectors(q: np.ndarray) -> np.ndarray:
    """The vectors of the reflections that bring q to triangular form, with 1 in place i, and signs on the diagonal."""
    h, tau = np.linalg.qr(q, mode="raw")
    out = h.T.copy()
    n = np.arange(len(tau))
    signs = np.where(out[n, n] < 0, -1, 1) * np.where(tau == 0, -1, 1)
    out[n, n] = signs
    return out


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix, or each of a batch, orthogonal; of other shapes its rows or columns are orthonormal.

    orthogonal_map: "matrix_exp" of a skew-symmetric matrix (for square ones the default), "cayley", or a product of
    "householder" reflections (for others). use_trivialization: multiply with a fixed matrix, the present value made
    orthogonal. Returns the module. Raises ValueError for vectors and unknown maps.
    """
    weight = _tensor(module, name)
    if weight.array.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.array.ndim} dimensions.")
    n, k = weight.array.shape[-2:]
    chosen = orthogonal_map or ("matrix_exp" if n == k else "householder")
    if chosen not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {chosen}')
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
