"""Many elements into one: sum, mean, extremes and their positions, variance, products, norms, softmax."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes, kernels
from ..autograd import Variable, primitive
from ..autograd.tape import plain, wrap
from .dims import normalize, reduced
from .index import take_along
from .join import cat, narrow
from .pointwise import add, exp, log, multiply, sqrt, where
from .pointwise import maximum as pairwise_maximum
from .pointwise import minimum as pairwise_minimum
from .promotion import to_dtype
from .shape import expand, reshape, squeeze


def kept(shape: tuple, dim: tuple) -> tuple:
    """`shape` with 1 where it was reduced."""
    return tuple([1 if i in dim else n for i, n in enumerate(shape)])


def spread(g: Any, shape: tuple, dim: tuple) -> Any:
    """A reduced tensor, with or without the axes of size 1, expanded to what was reduced: the adjoint of sum."""
    return expand(reshape(g, shape=kept(shape, dim)) if g.ndim else g, shape=shape)


@primitive(name="sum")
def reduce_sum(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """x added up over the axes `dim`."""
    return x.sum(axis=dim, keepdims=keepdim)


reduce_sum.vjp(x=lambda g, x_shape, dim: spread(g, x_shape, dim))


def _numeric(x: Any, dtype: Any) -> Any:
    """x in the dtype of its sum: as asked, or int64 for integers and bools."""
    if dtype is not None:
        return to_dtype(x, dtypes.as_dtype(dtype).numpy)
    return x if x.array.dtype.kind == "f" else to_dtype(x, np.dtype(np.int64))


def sum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """x added up over `dim` (an axis, several, or None for all). Integers and bools add up in int64."""
    return reduce_sum(_numeric(x, dtype), dim=reduced(dim, x.array.ndim), keepdim=keepdim)


def _floating(x: Any, name: str, dtype: Any = None) -> Any:
    if dtype is not None:
        x = to_dtype(x, dtypes.as_dtype(dtype).numpy)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.as_dtype(x.array.dtype)}"
        )
    return x


def mean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over `dim`; NaN where there is nothing. Raises RuntimeError for integers."""
    x = _floating(x, "mean", dtype)
    axes = reduced(dim, x.array.ndim)
    count = math.prod(x.array.shape[d] for d in axes)
    total = reduce_sum(x, dim=axes, keepdim=keepdim)
    return total * (1 / count) if count else total / 0.0


def var(x: Any, dim: Any = None, correction: float = 1, keepdim: bool = False, *, unbiased: bool | None = None) -> Any:
    """The variance over `dim`: squared deviations from the mean, added up, over count - correction."""
    if isinstance(dim, bool):  # PyTorch's older form var(unbiased)
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    x = _floating(x, "var")
    axes = reduced(dim, x.array.ndim)
    count = math.prod(x.array.shape[d] for d in axes)
    deviation = x - mean(x, axes, keepdim=True) if x.array.ndim else x - x
    return sum(deviation * deviation, axes, keepdim) / float(builtins.max(count - correction, 0))


def std(x: Any, dim: Any = None, correction: float = 1, keepdim: bool = False, *, unbiased: bool | None = None) -> Any:
    """The standard deviation over `dim`: the square root of `var`."""
    return sqrt(var(x, dim, correction, keepdim, unbiased=unbiased))


# ----------------------------------------------------------------------------------------------------------- extremes


class Extreme(NamedTuple):
    """What `max(dim)` and `min(dim)` return."""

    values: Any
    indices: Any


@primitive
def amax_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The largest elements over the axes `dim`, NaN if there is one; equals share the gradient."""
    return x.max(axis=dim, keepdims=keepdim)


@primitive
def amin_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The smallest elements over the axes `dim`, NaN if there is one; equals share the gradient."""
    return x.min(axis=dim, keepdims=keepdim)


def _shared(g: Any, out: Any, x: Any, dim: tuple) -> Any:
    x, best = plain(x), plain(out).reshape(kept(x.shape, dim))
    winners = (x == best) | np.isnan(best) & np.isnan(x)
    share = winners / np.maximum(winners.sum(axis=dim, keepdims=True), 1)
    return multiply(spread(g, x.shape, dim), share.astype(x.dtype))


amax_over.vjp(x=lambda g, out, x, dim: _shared(g, out, x, dim))
amin_over.vjp(x=lambda g, out, x, dim: _shared(g, out, x, dim))


def _extreme(x: Any, dim: Any, keepdim: bool, over: Any, position: Any, name: str) -> Any:
    if dim is None:
        if not x.array.size:
            raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                               "reduction dim with the 'dim' argument.")  # fmt: skip
        return over(x, dim=tuple(range(x.array.ndim)), keepdim=False)
    (d,) = normalize((dim,), x.array.ndim)
    if x.array.ndim == 0:
        return Extreme(x + 0, wrap(np.zeros((), np.int64)))
    indices = position(x, d, keepdim=True)
    values = take_along(x, indices.array, dim=d)
    return Extreme(values, indices) if keepdim else Extreme(squeeze(values, d), squeeze(indices, d))


def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element of all (equals share its gradient); over one axis (values, indices), the first of equals;
    with a tensor as second argument, `maximum`."""
    if isinstance(dim, Variable):
        return pairwise_maximum(x, dim)
    return _extreme(x, dim, keepdim, amax_over, argmax, "max")


def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element of all (equals share its gradient); over one axis (values, indices), the first of equals;
    with a tensor as second argument, `minimum`."""
    if isinstance(dim, Variable):
        return pairwise_minimum(x, dim)
    return _extreme(x, dim, keepdim, amin_over, argmin, "min")


def _nonempty(x: Any, dim: Any, name: str) -> tuple[int, ...]:
    """The axes of an extreme. Raises IndexError if one has nothing to choose from."""
    axes = reduced(dim, x.array.ndim)
    for d in axes:
        if x.array.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return axes


def amax(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The largest elements over `dim`, one axis or several; equals share the gradient."""
    return amax_over(x, dim=_nonempty(x, dim, "amax"), keepdim=keepdim)


def amin(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest elements over `dim`, one axis or several; equals share the gradient."""
    return amin_over(x, dim=_nonempty(x, dim, "amin"), keepdim=keepdim)


def _position(x: Any, dim: int | None, keepdim: bool, find: Any, name: str) -> Any:
    array = x.array
    if dim is None:
        if not array.size:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                             "reduction dim with the 'dim' argument.")  # fmt: skip
        return wrap(np.asarray(find(array), np.int64).reshape((1,) * array.ndim if keepdim else ()))
    (d,) = normalize((dim,), array.ndim)
    if array.ndim == 0:
        return wrap(np.zeros((), np.int64))
    if array.shape[d] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return wrap(np.asarray(find(array, axis=d, keepdims=keepdim), np.int64))


def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The position of the largest element (the first of equals, or the first NaN), flat or along `dim`; int64."""
    return _position(x, dim, keepdim, np.argmax, "argmax")


def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The position of the smallest element (the first of equals, or the first NaN), flat or along `dim`; int64."""
    return _position(x, dim, keepdim, np.argmin, "argmin")


# -------------------------------------------------------------------------------------------------- products and more


def prod(x: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over `dim`, by halves: so that its derivatives are finite also where factors are zero."""
    x = _numeric(x, dtype)
    if dim is None:
        x, d = reshape(x, shape=(x.array.size,)), 0
    else:
        (d,) = normalize((dim,), x.array.ndim)
    if x.array.ndim == 0:
        return x + 0
    if x.array.shape[d] == 1:
        x = x * 1  # a copy: the result must not share x's memory
    while (n := x.array.shape[d]) > 1:
        half = n // 2
        paired = multiply(narrow(x, d, 0, half), narrow(x, d, half, half))
        x = cat([paired, narrow(x, d, 2 * half, 1)], d) if n % 2 else paired
    if n == 0:
        x = wrap(np.ones(kept(x.array.shape, (d,)), x.array.dtype))
    return x if keepdim and dim is not None else squeeze(x, d)


@primitive(name="cumsum")
def running_sum(x: np.ndarray, *, dim: int, reverse: bool = False) -> np.ndarray:
    """The running sums of x along `dim`, from the end if `reverse`."""
    if reverse:
        return np.flip(np.cumsum(np.flip(x, dim), dim, x.dtype), dim).copy()
    return np.cumsum(x, dim, x.dtype)


running_sum.vjp(x=lambda g, dim, reverse: running_sum(g, dim=dim, reverse=not reverse))


def cumsum(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """The running sums of x along `dim`."""
    x = _numeric(x, dtype)
    (d,) = normalize((dim,), x.array.ndim)
    return running_sum(x, dim=d) if x.array.ndim else x + 0


def all(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all elements over `dim` are true (not zero)."""
    return wrap(np.all(x.array, axis=reduced(dim, x.array.ndim), keepdims=keepdim))


def any(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element over `dim` is true (not zero)."""
    return wrap(np.any(x.array, axis=reduced(dim, x.array.ndim), keepdims=keepdim))


def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))


def same(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return input.array.shape == other.array.shape and bool((input.array == other.array).all())


def norm(x: Any, p: float | str = 2, dim: Any = None, keepdim: bool = False) -> Any:
    """The p-norm over `dim`; p=2, or "fro", has slope 0 at 0."""
    axes = reduced(dim, x.array.ndim)
    if p in ("fro", 2):
        return _two_norm(x, axes, keepdim)
    if p == math.inf:
        return amax(abs(x), axes, keepdim)
    return sum(abs(x) ** p, axes, keepdim) ** (1 / p)  # type: ignore[operator]


def _two_norm(x: Any, dim: tuple, keepdim: bool) -> Any:
    squares = sum(x * x, dim, keepdim)
    zero = wrap(squares.array == 0)  # sqrt of a safe number there, then 0 without a slope
    return where(zero, 0.0, sqrt(where(zero, 1.0, squares)))


# ------------------------------------------------------------------------------------------------------------ softmax


def _by_rows(kernel: Any, x: np.ndarray, dim: int) -> np.ndarray:
    """A new array that the kernel fills, `dim` as rows (M, C)."""
    moved = x if dim == x.ndim - 1 else np.moveaxis(x, dim, -1)
    out = kernels.empty(moved.shape, x.dtype)
    rows = (math.prod(moved.shape[:-1]), moved.shape[-1])
    kernel(moved.reshape(rows), out.reshape(rows))
    return out if dim == x.ndim - 1 else np.moveaxis(out, -1, dim)


@primitive(name="softmax")
def softmax_over(x: np.ndarray, *, dim: int) -> np.ndarray:
    """exp(x) over its sum along `dim`."""
    return _by_rows(kernels.softmax, x, dim)


# out_i = e_i / sum e, so d out_i / dx_j = out_i (1[i=j] - out_j).
softmax_over.vjp(x=lambda g, out, dim: out * (g - reduce_sum(g * out, dim=(dim,), keepdim=True)))


@primitive(name="log_softmax")
def log_softmax_over(x: np.ndarray, *, dim: int) -> np.ndarray:
    """x - log(sum(exp(x))) along `dim`, without overflow."""
    return _by_rows(kernels.log_softmax, x, dim)


log_softmax_over.vjp(x=lambda g, out, dim: g - exp(out) * reduce_sum(g, dim=(dim,), keepdim=True))


def softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return _along(softmax_over, x, dim, dtype)


def log_softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """log(softmax(x)) along `dim`, computed without overflow."""
    return _along(log_softmax_over, x, dim, dtype)


def _along(primitive: Any, x: Any, dim: int | None, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{primitive.name}: pass `dim`, the axis along which probabilities add up to 1")
    if dtype is None and x.array.dtype.kind != "f":
        raise NotImplementedError(
            f'"{primitive.name}" not implemented for {dtypes.as_dtype(x.array.dtype)}; pass a dtype'
        )
    x = _floating(x, primitive.name, dtype)
    (d,) = normalize((dim,), x.array.ndim)
    if x.array.ndim == 0:
        return reshape(primitive(reshape(x, shape=(1,)), dim=0), shape=())
    return primitive(x, dim=d)


def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum(exp(x))) over `dim`, without overflow."""
    axes = reduced(dim, x.array.ndim)
    top = np.max(x.array, axis=axes, keepdims=True, initial=-np.inf)
    top = wrap(np.where(np.isfinite(top), top, 0).astype(x.array.dtype))
    out = add(log(sum((x - top).exp(), axes, keepdim=True)), top)
    return out if keepdim else reshape(out, shape=tuple(n for i, n in enumerate(x.array.shape) if i not in axes))
