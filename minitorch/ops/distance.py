"""How far apart vectors are: one pair, pairs in line, or each of one set from each of another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import Variable, primitive
from ..autograd.tape import plain, wrap
from ..dtypes import FLOATS
from .declare import Formula
from .dims import flag, no_tensor
from .index import getitem
from .linalg import batched_matmul
from .names import public
from .pointwise import absolute, sign, sqrt, subtract, where
from .promotion import common, in_float32, paired, unbroadcastable
from .reduce import norm, reduce_sum, single, sum_squares
from .shape import expand, reshape, standalone, unsqueeze

ROOM = 1 << 22  # differences that are there at the same time
FEW = 1024  # pairs up to which their differences are looked at, one by one, for a gradient
FAR = 0.05  # |x - y|^2 over |x|^2 + |y|^2 from which it may be found as |x|^2 + |y|^2 - 2 x y without loss


# ------------------------------------------------------------------------------------------- each from each other
def _blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Batches and rows of x (B, P, M) whose differences from all rows of y (B, R, M) are few enough."""
    rows = max(1, ROOM // max(1, y.shape[1] * y.shape[2]))
    for b in range(x.shape[0]):
        for start in range(0, x.shape[1], rows):
            yield b, slice(start, start + rows)


def _differences(x: Any, y: Any) -> Any:
    """(..., P, R, M) for x (..., P, M) and y (..., R, M)."""
    return subtract(unsqueeze(x, -2), unsqueeze(y, -3))


def _far_roots(a: Any, b: Any, xy: Any) -> Any:
    """The root of a + b - 2 xy, -1 where that is less than FAR (a + b)."""
    square = a + b - xy * 2.0
    return where(square >= (a + b) * FAR, sqrt(square), -1.0)


_roots = Formula("far_distances", _far_roots)
_is_near = Formula("near_distances", lambda out, a, b: out * out < (a + b) * FAR)
_weights = Formula("distance_weights", lambda g, out: where(out == 0, 0.0, g / out))


def _centred(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """x and y from the middle of y, and the squares of their rows' lengths (B, P, 1) and (B, R, 1)."""
    centre = y.mean(1, keepdims=True)
    a, b = x - centre, y - centre
    return a, b, *(sum_squares.function(v, dim=(2,), keepdim=True) for v in (a, b))


def _turned(x: np.ndarray) -> np.ndarray:
    return kernels.contiguous(x.swapaxes(1, 2))


def _euclidean(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """The distances by matrix products; None where many are too small for that, or infinite.

    A few of those that are less than FAR are found by themselves: nothing cancels, and the distance of equals is 0.
    """
    a, b, aa, bb = _centred(x, y)
    out = _roots(aa, _turned(bb), batched_matmul.function(a, _turned(b)))
    if out.min() < 0:
        at, i, j = np.nonzero(out < 0)
        if 8 * len(at) > out.size:
            return None
        out[at, i, j] = np.sqrt(np.square(x[at, i] - y[at, j]).sum(-1))
    return out


def _euclidean_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple | None:
    """The gradients for x and y by matrix products, sum_j w_ij (x_i - y_j) with w = g / out; None as above."""
    if not np.isfinite(out.max()):
        return None
    a, b, aa, bb = _centred(x, y)
    near = _is_near(out, aa, _turned(bb))
    close = near.any()
    at, i, j = np.nonzero(near) if close else np.zeros((3, 0), np.int64)
    if 8 * len(at) > out.size:
        return None
    weights = _weights(g, out)
    pairs = weights[at, i, j][:, None] * (x[at, i] - y[at, j])
    weights[at, i, j] = 0
    gx = a * weights.sum(2)[..., None] - batched_matmul.function(weights, b)
    gy = b * weights.sum(1)[..., None] - batched_matmul.function(_turned(weights), a)
    np.add.at(gx, (at, i), pairs)
    np.subtract.at(gy, (at, j), pairs)
    return gx, gy


@primitive(name="cdist")
def distances(x: np.ndarray, y: np.ndarray, *, p: float, products: bool = False) -> np.ndarray:
    """The p-norms of all differences of rows of x (B, P, M) and y (B, R, M), (B, P, R); with `products` by matrix
    products, where that is exact enough."""
    out = _euclidean(x, y) if products and p == 2 and x.size and y.size else None
    if out is None:
        out = kernels.empty((*x.shape[:2], y.shape[1]), x.dtype)
        for b, rows in _blocks(x, y):
            apart = x[b, rows][:, None] - y[b]
            if p == 2:
                out[b, rows] = np.sqrt(sum_squares.function(apart, dim=(2,), keepdim=False))
            else:
                out[b, rows] = norm(wrap(apart), p, -1).array if x.shape[2] else 0
    return out


def _slopes(g: Any, out: Any, differences: Any, p: float) -> Any:
    """g times the derivatives of norms `out` by the differences: sign(d) (|d| / out)^(p-1), 0 at 0. For p = inf each of
    the largest counts in full."""
    mask = (lambda m: wrap(m)) if isinstance(g, Variable) else (lambda m: m)
    g, out = unsqueeze(g, -1), unsqueeze(out, -1)
    if p == 1:
        return sign(differences) * g
    if math.isinf(p):
        largest = mask(abs(plain(differences)) == plain(out))
        return where(largest, sign(differences) * g, 0.0)
    zero = mask(plain(out) == 0)
    safe = where(zero, 1.0, out)
    if p == 2:
        return differences * where(zero, 0.0, g / safe)
    ratio = absolute(differences) / safe
    still = mask(plain(ratio) == 0)
    return where(still, 0.0, sign(differences) * g * where(still, 1.0, ratio) ** (p - 1))


def _both_gradients(g: np.ndarray, out: np.ndarray, x: np.ndarray, y: np.ndarray, p: float) -> tuple:
    """The gradients for x and y, on arrays."""
    found = _euclidean_grad(g, out, x, y) if p == 2 and out.size > FEW and x.size and y.size else None
    if found is not None:
        return found
    gx, gy = np.zeros_like(x), np.zeros_like(y)
    for i, rows in _blocks(x, y) if x.shape[2] and p else ():
        apart = x[i, rows][:, None] - y[i]
        if p == 2:
            slopes = apart * _weights(g[i, rows], out[i, rows])[..., None]
        else:
            slopes = _slopes(g[i, rows], out[i, rows], apart, p)
        gx[i, rows] = reduce_sum.function(slopes, dim=(1,), keepdim=False)
        gy[i] -= reduce_sum.function(slopes, dim=(0,), keepdim=False)
    return gx, gy


def _distance_rule(which: int) -> Any:
    def rule(g: Any, out: Any, x: Any, y: Any, p: float, memo: dict) -> Any:
        if "both" not in memo:
            if not isinstance(g, Variable):
                memo["both"] = _both_gradients(g, out, x, y, p)
            elif p == 0:
                memo["both"] = (x * 0.0, y * 0.0)
            else:
                slopes = _slopes(g, out, _differences(x, y), p)
                sums = [reduce_sum(slopes, dim=(axis,), keepdim=False) for axis in (2, 1)]
                memo["both"] = sums[0], -sums[1]
        return memo["both"][which]

    return rule


distances.vjp(x=_distance_rule(0), y=_distance_rule(1))
MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


def _norm_number(p: Any, name: str) -> float:
    if not isinstance(p, float | int):
        raise TypeError(f"{name}(): argument `p` must be a number, but got {p!r}")
    if not p >= 0:
        raise RuntimeError(f"{name} only supports non-negative p values")
    return float(p)


@public("cdist", on="t")
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The p-norms of the differences of each row of x1 (..., P, M) and each row of x2 (..., R, M), as (..., P, R).

    Leading axes broadcast. The slope at 0 is 0. Many Euclidean distances are found by a matrix product, but never small
    ones, which would lose digits in it.
    """
    for name, v in (("x1", x1), ("x2", x2)):
        if not isinstance(v, Variable):
            raise no_tensor("cdist", name, v)
    for name, v in (("X1", x1), ("X2", x2)):
        if v.array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {v.array.ndim}D")
    if compute_mode is not None and compute_mode not in MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    a, b = x1.array.shape, x2.array.shape
    if a[-1] != b[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {a[-1]} X2: {b[-1]}")
    for name, v in (("X1", x1), ("X2", x2)):
        if v.array.dtype.kind not in FLOATS:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {v.dtype}")
    if x1.array.dtype != x2.array.dtype:
        raise RuntimeError(f"cdist: expected one dtype, but found {x1.dtype} and {x2.dtype}")
    p = _norm_number(p, "cdist")
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise unbroadcastable("cdist", wrap(np.empty(a[:-2])), wrap(np.empty(b[:-2]))) from None
    x, y = (_stacked(v, batch) for v in (x1, x2))
    products = MODES[compute_mode or "use_mm_for_euclid_dist_if_necessary"]
    out = distances(x, y, p=p, products=a[-2] > 25 or b[-2] > 25 if products is None else products)
    return standalone(reshape(out, shape=(*batch, a[-2], b[-2])))


def _stacked(x: Any, batch: tuple) -> Any:
    """x broadcast to `batch` and flattened to one batch axis."""
    matrix = x.array.shape[-2:]
    full = x if x.array.shape[:-2] == batch else expand(x, shape=(*batch, *matrix))
    return reshape(full, shape=(math.prod(batch), *matrix))


@public("pdist", on="t")
def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norms of the differences of all pairs of rows of input (N, M), each pair once: (0, 1), (0, 2) ..."""
    if not isinstance(input, Variable):
        raise no_tensor("pdist", "input", input)
    if input.array.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.array.ndim}D")
    if input.array.dtype.kind not in FLOATS:
        raise RuntimeError("pdist only supports floating-point dtypes")
    p = _norm_number(p, "pdist")
    x = unsqueeze(input, 0)
    n = input.array.shape[0]
    above = np.flatnonzero(~np.tri(n, dtype=bool))
    table = reshape(distances(x, x, p=p, products=n > 25), shape=(n * n,))
    return getitem(table, key=(above,))


# ------------------------------------------------------------------------------------------------------- in pairs
@public("dist")
def dist(input: Any, other: Any, p: Any = 2) -> Any:
    """The p-norm of input - other."""
    for name, v in (("input", input), ("other", other)):
        if not isinstance(v, Variable):
            raise no_tensor("dist", name, v)
    return norm(subtract(input, other), p)


@public("pairwise_distance", on="t")
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norms of x1 - x2 + eps along the last axis; leading axes broadcast."""
    for name, v in (("x1", x1), ("x2", x2)):
        if not isinstance(v, Variable):
            raise no_tensor("pairwise_distance", name, v)
    return norm(subtract(x1, x2) + float(eps), p, -1, flag(keepdim, "keepdim"))


@public("cosine_similarity", on="t")
@in_float32
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The sum of x1 x2 along `dim` over the product of their norms, of which neither counts as less than eps; axes
    broadcast. Raises RuntimeError for integers."""
    for name, v in (("x1", x1), ("x2", x2)):
        if not isinstance(v, Variable):
            raise no_tensor("cosine_similarity", name, v)
    dtype = common(x1, x2)
    if dtype.kind not in FLOATS:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {dtypes.as_dtype(dtype)}")
    x, y = paired(x1, x2)
    try:
        shape = np.broadcast_shapes(x.array.shape, y.array.shape)
    except ValueError:
        raise unbroadcastable("cosine_similarity", x, y) from None
    d = single(dim, len(shape))
    x, y = (v if v.array.shape == shape else expand(v, shape=shape) for v in (x, y))
    directions = []
    for v in (x, y):
        length = norm(v, 2, d, True)
        directions.append(v / (length + wrap(np.maximum(length.array, eps) - length.array)))
    return reduce_sum(directions[0] * directions[1], dim=(d,) if shape else (), keepdim=False)


@public("renorm", on="T i t o")
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """input, of which each slice along `dim` whose p-norm is larger than maxnorm is scaled down to that.

    Raises RuntimeError for less than two axes, a p that is not positive, a negative maxnorm.
    """
    if not isinstance(input, Variable):
        raise no_tensor("renorm", "input", input)
    for name, value in (("p", p), ("maxnorm", maxnorm)):
        if not isinstance(value, float | int):
            raise TypeError(f"renorm(): argument `{name}` must be a number, but got {value!r}")
    if not p > 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.array.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.array.ndim} dimensions")
    d = single(dim, input.array.ndim)
    length = norm(input, p, tuple(i for i in range(input.array.ndim) if i != d), True)
    longer = wrap(length.array > maxnorm)
    return input * where(longer, float(maxnorm) / (length + 1e-7), 1.0)


renorm.asks_input = True  # its rules do
