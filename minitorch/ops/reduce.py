"""Many elements into one: sum, mean, extremes and their positions, variance, products, norms, softmax.

Each op is a function of a tensor and of arguments made plain; `@reduction` parses dim, keepdim and dtype for all of
them. Large float arrays go to kernels, over axes merged in memory's order (collapse.py); small ones and integers are
NumPy's. A rule has a kernel for the first derivative where that saves arrays, and is a formula in tensor operations
where derivatives of it are recorded (`first_order`).
"""

from __future__ import annotations

import builtins
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, kernels, return_types
from ..autograd import Variable, primitive
from ..autograd.following import step
from ..autograd.tape import watch, wrap
from ..dtypes import FLOATS
from . import collapse
from .collapse import worthwhile
from .dims import flag, no_tensor, normalize, reduced
from .index import take_along
from .names import public
from .pointwise import exp, isnan, sign, sqrt, where
from .pointwise import maximum as pairwise_maximum
from .pointwise import minimum as pairwise_minimum
from .promotion import converted, in_float32, to_dtype
from .shape import expand, pad_constant, permute, reshape, squeeze, standalone


# ------------------------------------------------------------------------------------------------------ arguments, once
def reduction(
    accepts: str = "any", name: str = "", dtype: bool = False, required: bool = False, chooses: bool = False
) -> Callable:
    """Decorator: `function(x, *, dim, keepdim, ...)` of plain arguments becomes an op with PyTorch's.

    The op is called (input, dim=None, keepdim=False, *, dtype=None, ...): `dim` an axis, several, or None (or an empty
    list) for all, which it must be given if `required`; `dtype`, where there is one, that in which input is reduced.
    chooses: without `dim`, there must be an element to choose.
    accepts: "any" input; "numbers", where integers and bools become int64; "floats", where integers raise RuntimeError.
    """

    missing = object() if required else None

    def declare(function: Callable) -> Callable:
        own = name or function.__name__
        make, others = inspect.Parameter, inspect.signature(function).parameters.values()
        either, keyword = make.POSITIONAL_OR_KEYWORD, make.KEYWORD_ONLY
        signature = inspect.Signature(
            [
                make("input", either, annotation=Any),
                make("dim", either, annotation=Any, default=make.empty if required else None),
                make("keepdim", either, annotation=bool, default=False),
                *(p for p in others if p.name not in ("x", "dim", "keepdim")),
                *([make("dtype", keyword, annotation=Any, default=None)] if dtype else []),
            ],
            return_annotation=Any,
        )
        allowed = signature.parameters.keys()

        @functools.wraps(function)
        def op(input: Any, dim: Any = missing, keepdim: bool = False, **settings: Any) -> Any:
            if settings and not settings.keys() <= allowed:  # NumPy's names serve, too
                dim = settings.pop("axis", dim) if dim is missing else dim
                keepdim = settings.pop("keepdims", keepdim)
            if dim is missing and required or settings and not settings.keys() <= allowed:
                signature.bind(input, **({} if dim is missing else {"dim": dim}), keepdim=keepdim, **settings)  # raises
            to = settings.pop("dtype", None) if dtype else None
            if keepdim is not False and keepdim is not True:
                flag(keepdim, "keepdim")
            if not isinstance(input, Variable):
                raise no_tensor(own, "input", input)
            x = input if accepts == "any" else accepted(input, accepts, own, to)
            if chooses and not x.array.size and (dim is None or dim == ()):
                raise RuntimeError(
                    f"{own}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                    "the reduction dim with the 'dim' argument."
                )
            return function(x, dim=reduced(dim, x.array.ndim), keepdim=keepdim, **settings)

        op.__signature__, op.knows_axis = signature, True  # type: ignore[attr-defined]
        del op.__wrapped__
        return op

    return declare


def accepted(x: Any, accepts: str, name: str, dtype: Any = None) -> Any:
    """x in the dtype that an op reduces; see `reduction`."""
    if dtype is not None:
        x = to_dtype(x, dtypes.as_dtype(dtype).numpy)
    if x.array.dtype.kind in FLOATS:
        return x
    if accepts == "floats":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.as_dtype(x.array.dtype)}"
        )
    return x if dtype is not None else to_dtype(x, np.dtype(np.int64))


def single(dim: int, ndim: int) -> int:
    """One axis, counted from 0."""
    return normalize((dim,), ndim)[0]


# ---------------------------------------------------------------------------------------------- shapes and first orders
def kept(shape: tuple, dim: tuple) -> tuple:
    """`shape` with 1 where it was reduced."""
    return tuple([1 if i in dim else n for i, n in enumerate(shape)])


def spread(g: Any, shape: tuple, dim: tuple) -> Any:
    """A reduced tensor, with or without the axes of size 1, expanded to what was reduced: the adjoint of sum.

    shape: of what was reduced over the axes `dim`. `kept(shape, dim)` is the shape of g with its axes of size 1.
    """
    # BEGIN SOLUTION 4.1
    return expand(reshape(g, shape=kept(shape, dim)) if g.ndim else g, shape=shape)
    # END SOLUTION


def first_order(fast: Callable, recorded: Callable) -> Callable:
    """A rule: `recorded`, in tensor operations, where derivatives of it are recorded; else `fast`, of arrays.

    Both have the same parameters, g first.
    """

    @functools.wraps(fast)
    def rule(g: Any, *others: Any) -> Any:
        return (recorded if isinstance(g, Variable) else fast)(g, *others)

    return rule


def _outside(x: np.ndarray, found: np.ndarray, dim: tuple, keepdim: bool) -> np.ndarray:
    """What was reduced with axes of size 1, with or without them."""
    return found if keepdim else found.squeeze(dim)


# ---------------------------------------------------------------------------------------------------------------- sums
@primitive(name="sum")
def reduce_sum(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """x added up over the axes `dim`."""
    if x.size <= collapse.FEW and x.dtype.char in "fd":  # as `total` asks, without another call
        return x.sum(axis=dim, keepdims=keepdim)
    return collapse.total(x, dim, keepdim)


reduce_sum.vjp(
    # BEGIN SOLUTION 4.1: x
    x=lambda g, dim, x_shape: spread(g, x_shape, dim),
    # END SOLUTION
)


@public("sum", on="T t o")
@reduction("numbers", dtype=True)
def sum(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """input added up over `dim` (an axis, several, or None for all). Integers and bools add up in int64."""
    return reduce_sum(x, dim=dim, keepdim=keepdim)


def _count(x: Any, dim: tuple) -> int:
    return math.prod([x.array.shape[d] for d in dim])


@public("mean", on="T t o")
@reduction("floats", dtype=True)
@step("mean")
def mean(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """The mean over `dim`; NaN where there is nothing. Raises RuntimeError for integers."""
    # BEGIN SOLUTION 4.1
    count, total = _count(x, dim), reduce_sum(x, keepdim=keepdim, dim=dim)
    return total * (1 / count) if count else total / 0.0
    # END SOLUTION


@public("nansum", on="T t o")
@reduction("numbers", dtype=True)
def nansum(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """input added up over `dim`, NaN as 0."""
    return reduce_sum(where(isnan(x), 0.0, x) if x.array.dtype.kind in FLOATS else x, dim=dim, keepdim=keepdim)


@public("nanmean", on="T t o")
@reduction("floats", dtype=True)
def nanmean(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """The mean over `dim` of what is not NaN; NaN where nothing is left. Raises RuntimeError for integers."""
    there = (~np.isnan(x.array)).sum(axis=dim, keepdims=keepdim).astype(x.array.dtype)
    return nansum(x, dim, keepdim) / wrap(there)


# ------------------------------------------------------------------------------------------------------------- variance
@primitive(name="var", residuals="centre")
def var_over(x: np.ndarray, *, dim: tuple, keepdim: bool, correction: float) -> tuple[np.ndarray, np.ndarray]:
    """Squared deviations from the mean over `dim`, added up, over count - correction; and the mean, for the rule."""
    count = math.prod([x.shape[d] for d in dim])
    one = x.dtype.type(1)
    centre = collapse.total(x, dim, True) * (one / x.dtype.type(count))
    if worthwhile(x):
        squares = collapse.reduce(kernels.sum_deviations, [x], [centre], dim, kernels.sum_along)
    else:
        squares = np.square(x - centre).sum(axis=dim, keepdims=True)
    found = squares / x.dtype.type(builtins.max(count - correction, 0))
    return _outside(x, found, dim, keepdim), centre


def _steepness(shape: tuple, dim: tuple, correction: float) -> float:
    """2 / (count - correction), infinite where that is not positive."""
    freedom = math.prod([shape[d] for d in dim]) - correction
    return 2 / freedom if freedom > 0 else math.inf


def _var_grad(g: np.ndarray, x: np.ndarray, dim: tuple, correction: float, centre: np.ndarray) -> np.ndarray:
    g = g.reshape(centre.shape) * x.dtype.type(_steepness(x.shape, dim, correction))
    return collapse.spread(kernels.deviation_grad, [x], [centre, g], dim) if worthwhile(x) else (x - centre) * g


def _var_slope(g: Any, x: Any, dim: tuple, correction: float, centre: Any) -> Any:
    shape = x.array.shape
    deviation = x - mean(x, dim, keepdim=True) if dim else x - x
    return deviation * spread(g, shape, dim) * _steepness(shape, dim, correction)


var_over.vjp(x=first_order(_var_grad, _var_slope))


def _variance(input: Any, name: str, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> tuple:
    """x and the settings of `var`, from PyTorch's newer form (dim, *, correction, keepdim) or older ones
    (unbiased) and (dim, unbiased, keepdim)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}(): pass either `unbiased` or `correction`, not both")
        correction = int(flag(unbiased, "unbiased"))
    x = accepted(input, "floats", name)
    settings = {
        "dim": reduced(dim, x.array.ndim),
        "keepdim": flag(keepdim, "keepdim"),
        "correction": 1 if correction is None else correction,
    }
    return x, settings


def _root(x: Any) -> Any:
    """The square root of a sum of squares, whose slope is 0 at 0."""
    zero = wrap(x.array == 0)
    if not zero.array.any():
        return sqrt(x)
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


@in_float32
def _deviation(x: Any, settings: dict) -> Any:
    """The root of `var`. Where squares overflow or underflow, that of x over a power of two, times that power."""
    variance = var_over(x, **settings)
    values, limits, dim = variance.array, np.finfo(x.array.dtype), settings["dim"]
    if ((values > limits.tiny / limits.eps) & (values < math.inf)).all():
        return sqrt(variance)
    most = np.abs(x.array).max(axis=dim, keepdims=True, initial=0)
    exponent = np.where(np.isfinite(most), np.frexp(most)[1], 0)
    excess = exponent - exponent.clip(-limits.maxexp // 3, limits.maxexp // 3)
    if not excess.any():
        return _root(variance)
    down, up = (np.ldexp(x.array.dtype.type(1), by) for by in (-excess, excess))
    return _root(var_over(x * wrap(down), **settings)) * wrap(up.reshape(values.shape))


@public("var", on="T t o")
def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The variance over `dim`: squared deviations from the mean, added up, over count - correction (1 by default)."""
    x, settings = _variance(input, "var", dim, unbiased, keepdim, correction)
    return var_over(x, **settings)


@public("std", on="T t o")
def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The standard deviation over `dim`: the square root of `var`; its slope is 0 where all are equal."""
    x, settings = _variance(input, "std", dim, unbiased, keepdim, correction)
    return _deviation(x, settings)


@public("var_mean", on="t o")
def var_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple:
    """`var` and `mean` over `dim`."""
    x, settings = _variance(input, "var_mean", dim, unbiased, keepdim, correction)
    return var_over(x, **settings), mean(x, settings["dim"], keepdim)


@public("std_mean", on="t o")
def std_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple:
    """`std` and `mean` over `dim`."""
    x, settings = _variance(input, "std_mean", dim, unbiased, keepdim, correction)
    return _deviation(x, settings), mean(x, settings["dim"], keepdim)


# ------------------------------------------------------------------------------------------------------------- extremes
@primitive
def amax_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The largest elements over the axes `dim`, NaN if there is one; equals share the gradient."""
    return _most(x, dim, keepdim, kernels.max_along, np.ndarray.max)


@primitive
def amin_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The smallest elements over the axes `dim`, NaN if there is one; equals share the gradient."""
    return _most(x, dim, keepdim, kernels.min_along, np.ndarray.min)


def _most(x: np.ndarray, dim: tuple, keepdim: bool, kernel: Any, small: Callable) -> np.ndarray:
    if not dim or not worthwhile(x):
        return small(x, axis=dim, keepdims=keepdim)
    return _outside(x, collapse.reduce(kernel, [x], [], dim, kernel), dim, keepdim)


def _shared_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, dim: tuple) -> np.ndarray:
    shape = kept(x.shape, dim)
    best, g = out.reshape(shape), g.reshape(shape)
    if dim and worthwhile(x):
        count = collapse.reduce(kernels.count_extremes, [x], [best], dim, kernels.sum_along)
        return collapse.spread(kernels.extreme_grad, [x], [best, g / count], dim)
    return g * _shares(x, best, dim)


def _shares(x: np.ndarray, best: np.ndarray, dim: tuple) -> np.ndarray:
    """1 over the number of winners, where x is one of them, else 0; in the dtype of x.

    best: the extremes of x over `dim`, with axes of size 1. An element wins if it equals the best, or if both are NaN.
    """
    # BEGIN SOLUTION 4.3
    winners = (x == best) | np.isnan(best) & np.isnan(x)
    return (winners / np.maximum(winners.sum(axis=dim, keepdims=True), 1)).astype(x.dtype)
    # END SOLUTION


def _shared_slope(g: Any, out: Any, x: Any, dim: tuple) -> Any:
    """The gradient of x, in tensor operations: g, spread, times the shares, which are a constant tensor (`wrap`).

    g and out have axes of size 1 or lack them: `kept` is the shape with them.
    """
    # BEGIN SOLUTION 4.3
    shape = x.array.shape
    return spread(g, shape, dim) * wrap(_shares(x.array, out.array.reshape(kept(shape, dim)), dim))
    # END SOLUTION


for _extreme_over in (amax_over, amin_over):
    _extreme_over.flat = True
    _extreme_over.vjp(x=first_order(_shared_grad, _shared_slope))


def _extreme(x: Any, dim: Any, keepdim: bool, over: Any, position: Any, kind: Any) -> Any:
    name = kind.__name__
    if dim is None:
        if not x.array.size:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        return over(x, dim=tuple(range(x.array.ndim)), keepdim=False)
    d = single(dim, x.array.ndim)
    flag(keepdim, "keepdim")
    if x.array.ndim == 0:
        return kind(converted(x, x.array.dtype), wrap(np.zeros((), np.int64)))
    indices = position(x, d, keepdim=True)
    values = watch(take_along(x, indices.array, dim=d), indices)
    if not keepdim:
        values, indices = standalone(squeeze(values, d)), standalone(squeeze(indices, d))
    return kind(values, indices)


@public("max", on="T t o")
def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element of all (equals share its gradient); over one axis (values, indices), the first of equals;
    with a tensor as second argument, `maximum`."""
    if isinstance(dim, Variable):
        return pairwise_maximum(x, dim)
    return _extreme(x, dim, keepdim, amax_over, argmax, return_types.max)


@public("min", on="T t o")
def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element of all (equals share its gradient); over one axis (values, indices), the first of equals;
    with a tensor as second argument, `minimum`."""
    if isinstance(dim, Variable):
        return pairwise_minimum(x, dim)
    return _extreme(x, dim, keepdim, amin_over, argmin, return_types.min)


def _nonempty(x: Any, dim: tuple, name: str) -> tuple:
    """The axes of an extreme. Raises IndexError if one has nothing to choose from."""
    for d in dim:
        if x.array.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return dim


@public("amax", on="T t o")
@reduction(chooses=True)
def amax(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """The largest elements over `dim`, one axis or several; equals share the gradient."""
    return amax_over(x, dim=_nonempty(x, dim, "amax"), keepdim=keepdim)


@public("amin", on="T t o")
@reduction(chooses=True)
def amin(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """The smallest elements over `dim`, one axis or several; equals share the gradient."""
    return amin_over(x, dim=_nonempty(x, dim, "amin"), keepdim=keepdim)


@public("aminmax", on="T t o")
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> tuple:
    """(min, max) over `dim`, one axis or all; equals share the gradients."""
    if dim is None and not input.array.size:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    axes = _nonempty(input, reduced(dim, input.array.ndim), "aminmax")
    return return_types.aminmax(
        amin_over(input, dim=axes, keepdim=keepdim), amax_over(input, dim=axes, keepdim=keepdim)
    )


def _position(x: Any, dim: int | None, keepdim: bool, name: str) -> Any:
    flag(keepdim, "keepdim")
    array, find, kernel = x.array, getattr(np, name), getattr(kernels, f"{name}_along")
    if dim is None:
        if not array.size:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        flat = array.reshape(-1)
        found = collapse.reduce(kernel, [flat], [], (0,), dtype=np.int64) if worthwhile(array) else find(array)
        return wrap(np.asarray(found, np.int64).reshape((1,) * array.ndim if keepdim else ()))
    d = single(dim, array.ndim)
    if array.ndim == 0:
        return wrap(np.zeros((), np.int64))
    if array.shape[d] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    if worthwhile(array):
        return wrap(_outside(array, collapse.reduce(kernel, [array], [], (d,), dtype=np.int64), (d,), keepdim))
    return wrap(np.asarray(find(array, axis=d, keepdims=keepdim), np.int64))


@public("argmax", on="T t o")
@step("argmax")
def argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The position of the largest element (the first of equals, or the first NaN), flat or along `dim`; int64."""
    return _position(x, dim, keepdim, "argmax")


@public("argmin", on="T t o")
@step("argmin")
def argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The position of the smallest element (the first of equals, or the first NaN), flat or along `dim`; int64."""
    return _position(x, dim, keepdim, "argmin")


# ------------------------------------------------------------------------------------------------------------- products
@primitive(name="prod")
def prod_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The product of x over the axes `dim`."""
    if not dim or not worthwhile(x):
        return x.prod(axis=dim, keepdims=keepdim)
    return _outside(x, collapse.reduce(kernels.prod_along, [x], [], dim, kernels.prod_along), dim, keepdim)


def _shifted(x: Any, d: int, step: int, fill: float) -> Any:
    """x moved along axis d by `step`, `fill` coming in."""
    widths = [(0, 0)] * len(x.shape)
    widths[d] = (step, -step)
    return pad_constant(x, widths=tuple(widths), value=fill)


def _products_before(x: Any, d: int, sign: int = 1) -> Any:
    """The product of all before each element along d, or behind it for sign -1, by doubling: finite with zeros, too."""
    out, step = _shifted(x, d, sign, 1.0), 1
    while step < x.shape[d]:
        out = out * _shifted(out, d, sign * step, 1.0)
        step *= 2
    return out


def _prod_slope(g: Any, out: Any, x: Any, dim: tuple) -> Any:
    """g times the product of all the others."""
    shape = x.shape
    if not dim:
        return g
    if len(dim) == 1:
        return spread(g, shape, dim) * (_products_before(x, dim[0]) * _products_before(x, dim[0], -1))
    order = (*(i for i in range(len(shape)) if i not in dim), *dim)
    moved = permute(x, dims=order)
    rows = reshape(moved, shape=(*moved.shape[: -len(dim)], math.prod([shape[d] for d in dim])))
    others = _products_before(rows, len(shape) - len(dim)) * _products_before(rows, len(shape) - len(dim), -1)
    others = reshape(others, shape=moved.shape)
    return spread(g, shape, dim) * permute(others, dims=tuple(np.argsort(order).tolist()))


def _prod_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, dim: tuple) -> np.ndarray:
    if not np.all(out):
        return _prod_slope(g, out, x, dim)
    product = (g * out).reshape(kept(x.shape, dim))
    return collapse.spread(kernels.quotient, [x], [product], dim) if dim and worthwhile(x) else product / x


prod_over.vjp(x=first_order(_prod_grad, _prod_slope))


@public("prod", on="T t o")
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over one axis or all; its derivatives are finite also where factors are zero. Integers multiply in
    int64."""
    x = accepted(input, "numbers", "prod", dtype)
    flag(keepdim, "keepdim")
    if dim is None:
        return prod_over(x, dim=tuple(range(x.array.ndim)), keepdim=False)
    d = single(dim, x.array.ndim)
    return prod_over(x, dim=(d,) if x.array.ndim else (), keepdim=keepdim)


# ------------------------------------------------------------------------------------------------------ running results
@primitive(name="cumsum")
def running_sum(x: np.ndarray, *, dim: int, reverse: bool = False) -> np.ndarray:
    """The running sums of x along `dim`, from the end if `reverse`."""
    if worthwhile(x):
        return collapse.spread(kernels.running_sum, [x], [], (dim,), reverse)
    if reverse:
        return np.flip(np.cumsum(np.flip(x, dim), dim, x.dtype), dim).copy()
    return np.cumsum(x, dim, x.dtype)


running_sum.vjp(x=lambda g, dim, reverse: running_sum(g, dim=dim, reverse=not reverse))


def _running(primitive: Any, x: Any, dim: int, dtype: Any) -> Any:
    x = accepted(x, "numbers", primitive.name, dtype)
    if x.array.dtype.kind == "b":
        raise NotImplementedError(f'"{primitive.name}_out_cpu" not implemented for Bool')
    d = single(dim, x.array.ndim)
    return primitive(x, dim=d) if x.array.ndim else x + 0


@public("cumsum", on="T i t o")
def cumsum(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """The running sums of x along `dim`."""
    return _running(running_sum, x, dim, dtype)


@primitive(name="cumprod")
def running_prod(x: np.ndarray, *, dim: int) -> np.ndarray:
    """The running products of x along `dim`."""
    if worthwhile(x):
        return collapse.spread(kernels.running_prod, [x], [], (dim,), False)
    return np.cumprod(x, dim, x.dtype)


def _running_prod_slope(g: Any, out: Any, x: Any, dim: int) -> Any:
    """P S with P[i] the product of all x before i, and S[i] = g[i] + x[i+1] S[i+1], solved by doubling."""
    sums, factors, step = g, _shifted(x, dim, -1, 1.0), 1
    while step < x.shape[dim]:
        sums = sums + factors * _shifted(sums, dim, -step, 0.0)
        factors = factors * _shifted(factors, dim, -step, 1.0)
        step *= 2
    return _products_before(x, dim) * sums


def _running_prod_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, dim: int) -> np.ndarray:
    if not np.all(out):
        return _running_prod_slope(g, out, x, dim)
    return running_sum.function(g * out, dim=dim, reverse=True) / x


running_prod.vjp(x=first_order(_running_prod_grad, _running_prod_slope))


@public("cumprod", on="T i t o")
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The running products of input along `dim`; derivatives are finite also where factors are zero."""
    return _running(running_prod, input, dim, dtype)


cumprod.asks_input = True  # its rule does


def _running_extreme(x: Any, dim: int, ufunc: np.ufunc) -> tuple:
    array, d = x.array, single(dim, x.array.ndim)
    if array.ndim == 0:
        return converted(x, array.dtype), wrap(np.zeros((), np.int64))
    if array.dtype.char in "fd" and array.size:
        three = math.prod(array.shape[:d]), array.shape[d], math.prod(array.shape[d + 1 :])
        places = wrap(np.empty(array.shape, np.int64))
        kernels.running_extreme(
            kernels.contiguous(array).reshape(three), places.array.reshape(three), ufunc is np.maximum
        )
        return watch(take_along(x, places.array, dim=d), places), places
    lines = kernels.contiguous(np.moveaxis(array, d, -1))
    hits = lines == ufunc.accumulate(lines, axis=-1)
    if array.dtype.kind in FLOATS:
        hits |= np.isnan(lines)
    at = np.flatnonzero(hits)  # each holds until the next one, and the first of a line is always one
    numbers = np.repeat(at % builtins.max(array.shape[d], 1), np.diff(at, append=hits.size)).reshape(lines.shape)
    places = wrap(kernels.contiguous(np.moveaxis(numbers, -1, d)))
    return watch(take_along(x, places.array, dim=d), places), places


@public("cummax", on="T t o")
def cummax(input: Any, dim: int) -> tuple:
    """(values, indices): the largest so far along `dim`, NaN from the first one on; of equals the last."""
    return return_types.cummax(*_running_extreme(input, dim, np.maximum))


@public("cummin", on="T t o")
def cummin(input: Any, dim: int) -> tuple:
    """(values, indices): the smallest so far along `dim`, NaN from the first one on; of equals the last."""
    return return_types.cummin(*_running_extreme(input, dim, np.minimum))


# ---------------------------------------------------------------------------------------------------------------- logic
def _truth(x: Any, found: Any) -> Any:
    """A bool result, of uint8 for uint8, as PyTorch's."""
    return wrap(found.astype(np.uint8) if x.array.dtype == np.uint8 else found)


@public("all", on="T t o")
@reduction()
@step("all")
def all(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """Whether all elements over `dim` are true (not zero)."""
    return _truth(x, np.all(x.array, axis=dim, keepdims=keepdim))


@public("any", on="T t o")
@reduction()
@step("any")
def any(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """Whether some element over `dim` is true (not zero)."""
    return _truth(x, np.any(x.array, axis=dim, keepdims=keepdim))


@public("count_nonzero")
@step("count_nonzero")
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements over `dim` are not zero, int64."""
    return wrap(np.asarray(np.count_nonzero(input.array, axis=reduced(dim, input.array.ndim)), np.int64))


@public("allclose")
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    if not isinstance(other, Variable):
        raise no_tensor("allclose", "other", other)
    if input.array.dtype != other.array.dtype:
        names = [dtypes.as_dtype(v.array.dtype) for v in (input, other)]
        raise RuntimeError(f"allclose: expected both tensors to have one dtype, but got {names[0]} and {names[1]}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not isinstance(value, float | int):
            raise TypeError(f"allclose: `{name}` must be a float, but got {value!r}")
        if not value >= 0:
            raise RuntimeError(f"allclose: `{name}` must not be negative, but got {value}")
    return bool(np.allclose(input.array, other.array, rtol, atol, flag(equal_nan, "equal_nan")))


@public("equal")
def same(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    if not isinstance(other, Variable):
        raise no_tensor("equal", "other", other)
    return input.array.shape == other.array.shape and bool((input.array == other.array).all())


# ---------------------------------------------------------------------------------------------------------------- norms
@primitive
def sum_squares(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The squares of x added up over `dim`."""
    if not dim or not worthwhile(x):
        return (x * x).sum(axis=dim, keepdims=keepdim)
    return _outside(x, collapse.reduce(kernels.sum_squares, [x], [], dim, kernels.sum_along), dim, keepdim)


def _squares_grad(g: np.ndarray, x: np.ndarray, dim: tuple) -> np.ndarray:
    twice = (g + g).reshape(kept(x.shape, dim))
    return collapse.spread(kernels.scaled, [x], [twice], dim) if dim and worthwhile(x) else x * twice


sum_squares.vjp(x=first_order(_squares_grad, lambda g, x, dim: x * spread(g + g, x.array.shape, dim)))


@primitive
def sum_sizes(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """The absolute values of x added up over `dim`."""
    if not dim or not worthwhile(x):
        return abs(x).sum(axis=dim, keepdims=keepdim)
    return _outside(x, collapse.reduce(kernels.sum_sizes, [x], [], dim, kernels.sum_along), dim, keepdim)


sum_sizes.vjp(x=lambda g, x, x_shape, dim: spread(g, x_shape, dim) * sign(x))


@in_float32
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The p-norm over `dim`, p a number, also 0 (elements that are not zero), inf and -inf, or "fro" (2).

    Its slope is 0 at 0, and shared by equals for inf and -inf. Raises RuntimeError for integers.
    """
    x = input if dtype is None else to_dtype(input, dtypes.as_dtype(dtype).numpy)
    if x.array.dtype.kind not in FLOATS:
        kind = str(dtypes.as_dtype(x.array.dtype)).rpartition(".")[2]
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {kind}")
    axes = reduced(dim, x.array.ndim)
    flag(keepdim, "keepdim")
    if isinstance(p, Variable):
        p = p.item()
    if p is None or p == "fro" or p == 2:
        return _root(sum_squares(x, dim=axes, keepdim=keepdim))
    if not isinstance(p, int | float):
        raise RuntimeError(f"norm: expected `p` to be a number or 'fro', but got {p!r}")
    if p == 1:
        return sum_sizes(x, dim=axes, keepdim=keepdim)
    if p == 0:
        counted = to_dtype(x != 0, x.array.dtype) if x.edge is None else where(x != 0, 1.0, x * 0.0)  # on the tape
        return reduce_sum(counted, dim=axes, keepdim=keepdim)
    if (p < 0 or math.isinf(p)) and not _count(x, axes):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {p} norm on an empty tensor because the operation does not have an "
            "identity"
        )
    if math.isinf(p):
        return (amax_over if p > 0 else amin_over)(abs(x), dim=axes, keepdim=keepdim)
    sizes = abs(x)
    zero = wrap(sizes.array == 0) if p < 2 else None
    if zero is not None and zero.array.any():  # powers have no finite slope there, the norm's is 0
        powers = where(zero, 0.0 if p > 0 else math.inf, where(zero, 1.0, sizes) ** p)
    else:
        powers = sizes**p
    total = reduce_sum(powers, dim=axes, keepdim=keepdim)
    empty = wrap((total.array == 0) | np.isinf(total.array))
    if not empty.array.any():
        return total ** (1 / p)
    limit = total.array ** (1 / p) if p > 0 else np.where(np.isinf(total.array), 0, math.inf).astype(total.array.dtype)
    return where(empty, wrap(limit), where(empty, 1.0, total) ** (1 / p))


# -------------------------------------------------------------------------------------------------------------- softmax
@primitive(name="softmax")
def softmax_over(x: np.ndarray, *, dim: int) -> np.ndarray:
    """exp(x) over its sum along `dim`."""
    return collapse.spread(kernels.softmax, [x], [], (dim,))


def _softmax_slope(g: Any, out: Any, dim: int) -> Any:
    """The gradient of x, in tensor operations. out_i = e_i / sum e, so d out_i / dx_j = out_i (1[i=j] - out_j)."""
    # BEGIN SOLUTION 4.4
    return out * (g - sum(g * out, dim, keepdim=True))
    # END SOLUTION


softmax_over.vjp(
    x=first_order(
        lambda g, out, dim: collapse.spread(kernels.softmax_grad, [g, out], [], (dim,)),
        _softmax_slope,
    )
)


@primitive(name="log_softmax")
def log_softmax_over(x: np.ndarray, *, dim: int) -> np.ndarray:
    """x - log(sum(exp(x))) along `dim`, without overflow."""
    return collapse.spread(kernels.log_softmax, [x], [], (dim,))


def _log_softmax_slope(g: Any, out: Any, dim: int) -> Any:
    """The gradient of x, in tensor operations. out_i = x_i - log sum e, so d out_i / dx_j = 1[i=j] - exp(out_j)."""
    # BEGIN SOLUTION 4.4
    return g - exp(out) * sum(g, dim, keepdim=True)
    # END SOLUTION


log_softmax_over.vjp(
    x=first_order(
        lambda g, out, dim: collapse.spread(kernels.log_softmax_grad, [g, out], [], (dim,)),
        _log_softmax_slope,
    )
)


@public("softmax", on="T t o")
def softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return _along(softmax_over, x, dim, dtype)


@public("log_softmax", on="T t o")
def log_softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """log(softmax(x)) along `dim`, computed without overflow."""
    return _along(log_softmax_over, x, dim, dtype)


def _along(primitive: Any, x: Any, dim: int | None, dtype: Any) -> Any:
    if dim is None:
        raise TypeError(f"{primitive.name}: pass `dim`, the axis along which probabilities add up to 1")
    if dtype is None and x.array.dtype.kind not in FLOATS:
        raise NotImplementedError(
            f'"{primitive.name}" not implemented for {dtypes.as_dtype(x.array.dtype)}; pass a dtype'
        )
    x = accepted(x, "floats", primitive.name, dtype)
    d = single(dim, x.array.ndim)
    if x.array.ndim == 0:
        return reshape(primitive(reshape(x, shape=(1,)), dim=0), shape=())
    return primitive(x, dim=d)


@primitive(name="logsumexp")
def logsumexp_over(x: np.ndarray, *, dim: tuple, keepdim: bool) -> np.ndarray:
    """log(sum(exp(x))) over `dim`, without overflow."""
    large = bool(dim) and worthwhile(x)
    if large:
        top = collapse.reduce(kernels.max_along, [x], [], dim, kernels.max_along)
        total = collapse.reduce(kernels.sum_exp, [x], [top], dim, kernels.sum_along)
    else:
        top = np.max(x, axis=dim, keepdims=True, initial=-np.inf)
        total = np.exp(x - np.where(np.isfinite(top), top, x.dtype.type(0))).sum(axis=dim, keepdims=True)
    found = np.where(np.isfinite(top), top + np.log(total), top)
    return _outside(x, found, dim, keepdim)


def _logsumexp_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, dim: tuple) -> np.ndarray:
    shape = kept(x.shape, dim)
    g, out = g.reshape(shape), out.reshape(shape)
    return collapse.spread(kernels.exp_grad, [x], [out, g], dim) if dim and worthwhile(x) else np.exp(x - out) * g


logsumexp_over.vjp(
    x=first_order(
        _logsumexp_grad,
        lambda g, out, x, dim: spread(g, x.array.shape, dim) * exp(x - spread(out, x.array.shape, dim)),
    )
)


@public("logsumexp", on="T t o")
@reduction(required=True)
def logsumexp(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    """log(sum(exp(input))) over `dim`, without overflow; integers become floats."""
    if x.array.dtype.kind not in FLOATS:
        x = to_dtype(x, dtypes.get_default_dtype().numpy)
    return logsumexp_over(x, dim=dim, keepdim=keepdim)
