"""Along an axis: differences of neighbours, integrals and slopes of samples, running log-sums."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Variable, primitive
from ..dtypes import FLOATS, as_dtype
from .dims import listed, no_tensor, normalize, whole
from .index import getitem
from .join import cat
from .names import public
from .pointwise import exp, logical_xor
from .promotion import as_floats, converted
from .reduce import _shifted, first_order, running_sum, single
from .reduce import cumsum as running
from .reduce import sum as total
from .shape import reshape, squeeze


def _part(x: Any, d: int, start: int | None, stop: int | None) -> Any:
    """x[start:stop] along d."""
    return getitem(x, key=(slice(None),) * d + (slice(start, stop), Ellipsis))


def _checked(input: Any, name: str) -> Any:
    if not isinstance(input, Variable):
        raise no_tensor(name, "input", input)
    return input


# --------------------------------------------------------------------------------------------------- differences
@public("diff", on="T t o")
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `dim`, n times over; prepend, append: what stands before and behind input.
    Of bools, whether they differ."""
    x, n = _checked(input, "diff"), whole(n, "n")
    if not x.array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    d = single(dim, x.array.ndim)
    for other in (prepend, append):
        if other is not None:
            _check_beside(x, other, d)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if not n:
        return converted(x, x.array.dtype)
    if prepend is not None or append is not None:
        x = cat([part for part in (prepend, x, append) if part is not None], d)
    for _ in range(min(n, x.array.shape[d])):
        later, earlier = _part(x, d, 1, None), _part(x, d, None, -1)
        x = logical_xor(later, earlier) if x.array.dtype.kind == "b" else later - earlier
    return x


def _check_beside(x: Any, other: Any, d: int) -> None:
    if not isinstance(other, Variable):
        raise no_tensor("diff", "prepend or append", other)
    a, b = x.array.shape, other.array.shape
    if len(a) != len(b):
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i, (size, its) in enumerate(zip(a, b, strict=True)):
        if i != d and size != its:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the "
                f"differencing dimension; input.size({i}) = {size}, but got tensor.size({i}) = {its}"
            )


# ----------------------------------------------------------------------------------------------------- integrals
def _samples(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[int, Any]:
    """The axis of the samples, and their distances: a tensor, or a number."""
    if not isinstance(y, Variable):
        raise no_tensor(name, "y", y)
    if not y.array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = single(dim, y.array.ndim)
    if x is not None and dx is not None:
        raise TypeError(f"{name}(): pass `x` or `dx`, not both")
    for v in (x, y):
        if isinstance(v, Variable) and v.array.dtype.kind == "b":
            raise RuntimeError(f"{name}: received a bool input for `x` or `y`, but bool is not supported")
    if x is None:
        if dx is not None and not isinstance(dx, numbers.Real):
            raise TypeError(f"{name}(): argument `dx` must be a number, but got {dx!r}")
        return d, 1.0 if dx is None else float(dx)
    if not isinstance(x, Variable):
        raise no_tensor(name, "x", x)
    if not x.array.ndim or x.array.shape[-1 if x.array.ndim == 1 else d] != y.array.shape[d]:
        raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
    return d, diff(_column(x, y.array.ndim, d) if x.array.ndim == 1 else x, dim=d - y.array.ndim)


def _column(x: Any, ndim: int, d: int) -> Any:
    """A line of numbers along axis d of so many."""
    return reshape(x, shape=tuple([x.array.size if i == d else 1 for i in range(ndim)]))


@public("trapezoid trapz", on="t")
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of y along `dim` by the trapezoidal rule: samples at places `x` (a line, or of y's shape), or `dx`
    apart (by default 1)."""
    d, width = _samples("trapezoid", y, x, dx, dim)
    if isinstance(width, Variable) or not y.array.shape[d]:
        return total((_part(y, d, 1, None) + _part(y, d, None, -1)) * width, d) / 2
    ends = squeeze(_part(y, d, None, 1) + _part(y, d, -1, None), d)
    return (total(y, d) - ends * 0.5) * width


@public("cumulative_trapezoid", on="t")
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integrals of `trapezoid` from the first sample to each of the others."""
    d, width = _samples("cumulative_trapezoid", y, x, dx, dim)
    return running((_part(y, d, 1, None) + _part(y, d, None, -1)) * width, d) / 2


# -------------------------------------------------------------------------------------------------------- slopes
def _slope(x: Any, d: int, spacing: Any, order: int) -> Any:
    """The slopes of x along d. Inside, the parabola through three neighbours: with steps h before and k behind,

        (k (x[i] - x[i-1]) / h + h (x[i+1] - x[i]) / k) / (h + k),

    at the ends the line through two, or for order 2 the same parabola.
    """
    rise = diff(x, dim=d)
    if isinstance(spacing, Variable):
        steps = _column(diff(spacing), x.array.ndim, d)
        slopes = rise / steps
        h, k = _part(steps, d, None, -1), _part(steps, d, 1, None)
        first, second = _part(slopes, d, None, -1), _part(slopes, d, 1, None)
        inner = (first * k + second * h) / (h + k)
        bend = (second - first) / (h + k)
        ends = (_part(bend, d, None, 1) * _part(h, d, None, 1), _part(bend, d, -1, None) * _part(k, d, -1, None))
    else:
        slopes = rise / spacing
        inner = (_part(x, d, 2, None) - _part(x, d, None, -2)) / (2 * spacing)
        half = (_part(slopes, d, 1, None) - _part(slopes, d, None, -1)) * 0.5
        ends = (_part(half, d, None, 1), _part(half, d, -1, None))
    left, right = _part(slopes, d, None, 1), _part(slopes, d, -1, None)
    if order == 2:
        left, right = left - ends[0], right + ends[1]
    return cat([left, inner, right], d)


@public("gradient", on="t")
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple:
    """The slopes of samples along each axis of `dim` (by default all): second-order differences inside, at the ends of
    order `edge_order`, 1 or 2. spacing: a number (1), one for each axis, or tensors with the places of samples."""
    x = _checked(input, "gradient")
    axes = (
        range(x.array.ndim)
        if dim is None
        else normalize(listed(tuple(dim) if isinstance(dim, list | tuple) else (dim,)), x.array.ndim)
    )
    spacing = 1 if spacing is None else spacing
    several = isinstance(spacing, list | tuple)
    if not several and not isinstance(spacing, numbers.Real):
        raise TypeError(f"gradient(): argument `spacing` must be a number or a tuple, but got {type(spacing).__name__}")
    steps: Sequence = spacing if several else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
            f"same length, but got a spacing argument of length {len(steps)} and a dim argument of length {len(axes)}."
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    for d, step in zip(axes, steps, strict=True):
        if x.array.ndim and x.array.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if isinstance(step, Variable) and step.array.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element with "
                f"{step.array.ndim} dimensions"
            )
    if x.array.dtype.kind in "bu":
        raise RuntimeError(f"torch.gradient does not support {as_dtype(x.array.dtype)} input.")
    (x,) = as_floats(x)
    return tuple([_slope(x, d, step, edge_order) for d, step in zip(axes, steps, strict=True)])


# ---------------------------------------------------------------------------------------------- running log-sums
@primitive(name="logcumsumexp")
def running_logsum(x: np.ndarray, *, dim: int) -> np.ndarray:
    """log of the running sums of exp(x) along `dim`, without overflow."""
    if not x.size:
        return x.copy()
    top = x.max(axis=dim, keepdims=True)
    first = x[(slice(None),) * dim + (slice(0, 1),)]
    if not (top - first <= 30).all():  # sums relative to the largest could lose what comes first
        return np.logaddexp.accumulate(x, axis=dim)
    return np.log(running_sum.function(np.exp(x - top), dim=dim, reverse=False)) + top


# S_i = log sum_{j <= i} exp(x_j). So the gradient for x_j is exp(x_j - S_j) T_j, T_j = sum_{i >= j} g_i exp(S_j - S_i),
# and T_j = g_j + exp(S_j - S_{j+1}) T_{j+1}. The factors are at most 1: nothing overflows. Solved by doubling.
def _logsum_slope(g: Any, out: Any, x: Any, dim: int) -> Any:
    sums, step = g, 1
    factors = exp(out - _shifted(out, dim, -1, np.inf))
    while step < x.shape[dim]:
        sums = sums + factors * _shifted(sums, dim, -step, 0.0)
        factors = factors * _shifted(factors, dim, -step, 0.0)
        step *= 2
    return sums * exp(x - out)


def _logsum_grad(g: np.ndarray, out: np.ndarray, x: np.ndarray, dim: int) -> np.ndarray:
    if not x.size:
        return g
    middle = (out.max(axis=dim, keepdims=True) + x.min(axis=dim, keepdims=True)) * x.dtype.type(0.5)
    if not (abs(x - middle) <= 30).all():
        return _logsum_slope(g, out, x, dim)
    return np.exp(x - middle) * running_sum.function(g * np.exp(middle - out), dim=dim, reverse=True)


running_logsum.vjp(x=first_order(_logsum_grad, _logsum_slope))


@public("logcumsumexp", on="T t o")
def logcumsumexp(input: Any, dim: int) -> Any:
    """log of the running sums of exp(input) along `dim`, without overflow."""
    x = _checked(input, "logcumsumexp")
    d = single(dim, x.array.ndim)
    if x.array.dtype.kind not in FLOATS:
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for {as_dtype(x.array.dtype)}')
    return running_logsum(x, dim=d) if x.array.ndim else x + 0
