"""What describes many numbers by few: medians and quantiles, histograms and counts, covariances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes, kernels, return_types
from ..autograd import Variable, primitive
from ..autograd.quiet import quietly
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .dims import flag, no_tensor, whole
from .index import getitem, take_along
from .layout import last, last_to
from .linalg import linear
from .names import public
from .pointwise import clamp, sqrt, where
from .promotion import to_dtype
from .reduce import _shared_grad, _shared_slope, first_order, reduce_sum, sum
from .shape import movedim, reshape, squeeze, standalone, unsqueeze
from .sort import in_order, lined, nonempty, nth, one_of_each, refuse_bools

PARTS = 16  # of many elements, whose counts are taken apart from each other
INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


# ------------------------------------------------------------------------------------------------------- medians
@primitive(name="median")
def median_of(x: np.ndarray, *, dim: tuple, skip_nan: bool) -> np.ndarray:
    """The lower median of all of x, `dim` its axes; equals share the gradient. NaN if there is one, or none is left."""
    line = x.reshape(-1)
    if not x.size:
        return np.asarray(np.nan if x.dtype.kind in FLOATS else np.iinfo(x.dtype).min, x.dtype)
    if x.dtype.kind in FLOATS:
        nan = np.isnan(line)
        if nan.any():
            line = line[~nan] if skip_nan else line[nan]
    middle = (len(line) - 1) // 2
    return np.asarray(np.partition(line, middle)[middle] if len(line) else np.nan, x.dtype)


median_of.flat = True
median_of.vjp(x=first_order(_shared_grad, _shared_slope))


def _median(input: Any, dim: Any, keepdim: bool, skip_nan: bool) -> Any:
    name = "nanmedian" if skip_nan else "median"
    if not isinstance(input, Variable):
        raise no_tensor(name, "input", input)
    flag(keepdim, "keepdim")
    if dim is None:
        refuse_bools(input, "median_cpu")
        return median_of(input, dim=tuple(range(input.array.ndim)), skip_nan=skip_nan)
    x, d = lined(input, dim, name)
    nonempty(x, d, "median")
    refuse_bools(x, "median_cpu")
    kind = return_types.nanmedian if skip_nan else return_types.median
    return kind(*one_of_each(x, last_to(_middle(last(x.array, d), skip_nan), d), d, input, keepdim))


def _middle(lines: np.ndarray, skip_nan: bool) -> np.ndarray:
    """The position of the lower median of each line, kept with size 1; the first NaN's if one is to count."""
    n = lines.shape[-1]
    nan = np.isnan(lines) if lines.dtype.kind in FLOATS else None
    if nan is None or not nan.any():
        return nth(lines, (n - 1) // 2)
    counts = nan.sum(-1, keepdims=True)
    if not skip_nan:
        return np.where(counts > 0, nan.argmax(-1)[..., None], nth(lines, (n - 1) // 2))
    order = np.argsort(lines, -1, kind="stable")
    return np.take_along_axis(order, np.maximum(n - counts - 1, 0) // 2, -1)


@public("median", on="T t o")
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all elements, the lower of two (equals share its gradient); along one axis (values, indices). NaN
    where there is one."""
    return _median(input, dim, keepdim, False)


@public("nanmedian", on="T t o")
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is not NaN; NaN where nothing is left."""
    return _median(input, dim, keepdim, True)


# ----------------------------------------------------------------------------------------------------- quantiles
def _shares_of(q: Any, x: Any, name: str) -> Any:
    """The q of `quantile` as a tensor of x's dtype. Raises RuntimeError for what is no share of 1."""
    if isinstance(q, Variable):
        if q.array.dtype != x.array.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        if q.array.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        if not ((q.array >= 0) & (q.array <= 1)).all():
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        return q
    if not isinstance(q, float | int):
        raise TypeError(f"{name}(): argument `q` must be a number or a Tensor, but got {q!r}")
    if not 0 <= q <= 1:
        raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
    return wrap(np.asarray(q, x.array.dtype))


def _quantile(input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool) -> Any:
    name = "nanquantile" if skip_nan else "quantile"
    if not isinstance(input, Variable):
        raise no_tensor(name, "input", input)
    if not input.array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.array.dtype.kind not in FLOATS:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    q = _shares_of(q, input, name)
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    flag(keepdim, "keepdim")
    if dim is None:
        x, d, kept = reshape(input, shape=(input.array.size,)), 0, (1,) * input.array.ndim
    else:
        x, d = lined(input, dim, name)
        kept = tuple([1 if i == d else n for i, n in enumerate(input.array.shape)])
    out = _at_ranks(movedim(in_order(x, d), d, 0), q, interpolation, skip_nan)
    rest = kept if keepdim else () if dim is None or not input.array.ndim else (*kept[:d], *kept[d + 1 :])
    return standalone(reshape(out, shape=(*q.array.shape, *rest)))


def _at_ranks(ordered: Any, q: Any, interpolation: str, skip_nan: bool) -> Any:
    """The quantiles (number of q, ...) of the lines (n, ...) along the first axis, which are in order, NaN last."""
    n, *rest = ordered.array.shape
    nan = np.isnan(ordered.array[-1:])
    if skip_nan and nan.any():
        last = np.maximum(n - 1 - np.isnan(ordered.array).sum(0, keepdims=True), 0).astype(q.array.dtype)
    else:
        last = np.full((1, *rest), n - 1, q.array.dtype)
    ranks = reshape(q, shape=(q.array.size, *(1,) * len(rest))) * wrap(last)
    if not skip_nan and nan.any():
        ranks = where(wrap(nan), wrap(last), ranks)
    numbers = ranks.array
    if interpolation in ("lower", "higher", "nearest"):
        rounded = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[interpolation](numbers)
        return take_along(ordered, rounded.astype(np.int64), dim=0)
    below = np.floor(numbers)
    low = take_along(ordered, below.astype(np.int64), dim=0)
    high = take_along(ordered, np.ceil(numbers).astype(np.int64), dim=0)
    step = high - low
    weight = wrap(np.full_like(numbers, 0.5)) if interpolation == "midpoint" else ranks - wrap(below)
    return where(wrap(weight.array < 0.5), low + weight * step, high - step * (1 - weight))


@public("quantile", on="T t o")
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The values below which shares `q` (a number or a line of them, in [0, 1]) of all elements lie, or along `dim`.

    The axis of q comes first. interpolation, between two elements: "linear", "lower", "higher", "midpoint", "nearest".
    NaN where there is one.

    >>> import minitorch
    >>> minitorch.tensor([1.0, 2.0, 4.0]).quantile(minitorch.tensor([0.25, 0.5]))
    tensor([1.5000, 2.0000])
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@public("nanquantile", on="T t o")
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """`quantile` of what is not NaN; NaN where nothing is left."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


# ---------------------------------------------------------------------------------------------------- histograms
def _counting(input: Any, name: str, kernel: str, order: Any = "C") -> np.ndarray:
    """The elements that a histogram counts, in this order. Raises NotImplementedError for integers."""
    if not isinstance(input, Variable):
        raise no_tensor(name, "input", input)
    if input.array.dtype.kind not in FLOATS:
        raise NotImplementedError(f'"{kernel}" not implemented for {dtypes.as_dtype(input.array.dtype)}')
    return input.array.ravel(order)


def _bins(bins: Any) -> int:
    bins = whole(bins, "bins")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    return bins


def _ends(x: np.ndarray, low: Any, high: Any, half: float, name: str) -> tuple[Any, Any]:
    """The ends of a histogram in x's dtype: those given, x's own where these are equal, or wider by `half`."""
    if low == high and x.size:
        low, high = x.min(), x.max()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name} range of [{low:g}, {high:g}] is not finite")
    if low == high:
        low, high = low - half, high + half
    return x.dtype.type(low), x.dtype.type(high)


def _bin_of(x: np.ndarray, low: Any, high: Any, bins: int) -> np.ndarray:
    """The bin of each element, all of them between the ends; the upper end is in the last one."""
    return np.minimum(((x - low) * (x.dtype.type(bins) / (high - low))).astype(np.int64), bins - 1)


@public("histc", on="T t o")
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal bins from `min` to `max`, or from the least element to the
    largest if these are equal; others and NaN do not count. Counts have input's dtype."""
    x, bins = _counting(input, "histc", "histogram_cpu", "K"), _bins(bins)
    for name, end in (("min", min), ("max", max)):
        if not isinstance(end, float | int):
            raise TypeError(f"histc(): argument `{name}` must be a number, but got {end!r}")
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    low, high = _ends(x, min, max, 1.0, "torch.histc:")
    counts = np.empty((PARTS if x.size > PARTS * bins else 1, bins), np.int64)
    kernels.histogram(x, np.array([low, high, x.dtype.type(bins) / (high - low)], x.dtype), counts)
    return wrap(counts.sum(0).astype(x.dtype))


def _edges(low: Any, high: Any, bins: int) -> np.ndarray:
    """Equal bins, counted from the nearer end, as `linspace` has it."""
    step, numbers = (high - low) / low.dtype.type(bins), np.arange(bins + 1).astype(low.dtype)
    return np.where(numbers < (bins + 1) // 2, low + step * numbers, high - step * (bins - numbers))


def _given_edges(x: np.ndarray, bins: Any, axis: int) -> np.ndarray:
    """The edges of bins that a user hands in."""
    if bins.array.dtype != x.dtype:
        raise RuntimeError(
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{x.dtype} and bins for dimension {axis} with dtype {bins.array.dtype}"
        )
    if bins.array.ndim != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {bins.array.ndim} dimensions in the "
            f"bins tensor for dimension {axis}"
        )
    if bins.array.size < 2:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins.array.size} edges for dimension {axis}")
    return bins.array.copy()


@quietly
def _binned(x: np.ndarray, bins: Any, ends: Sequence | None, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of bins of a line of elements, the bin of each, and which elements are in one: the others' are junk."""
    if isinstance(bins, Variable):
        edges = _given_edges(x, bins, axis)
        inside = (x >= edges[0]) & (x <= edges[-1])
        return edges, np.clip(np.searchsorted(edges, x, "right") - 1, 0, len(edges) - 2), inside
    count = _bins(bins)
    low, high = ends or (0, 0 if x.size else 1)
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension {axis}"
        )
    low, high = _ends(x, low, high, 0.5, f"torch.histogramdd: dimension {axis}'s")
    edges = _edges(low, high, count)
    inside = (x >= low) & (x <= high)
    places = _bin_of(np.where(inside, x, low), low, high, count)
    places -= x < edges[places]
    places += (x >= edges[places + 1]) & (places + 1 < count)
    return edges, places, inside


def _bin_weights(input: Any, weight: Any, shape: tuple) -> np.ndarray | None:
    """The weight of each element that is counted."""
    if weight is None:
        return None
    if not isinstance(weight, Variable):
        raise no_tensor("histogram", "weight", weight)
    if weight.array.dtype != input.array.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same "
            f"dtype, but got input({input.dtype}), and weight({weight.dtype})"
        )
    if weight.array.shape != shape:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.array.shape)} and weight with "
            f"shape {list(weight.array.shape)}"
        )
    return weight.array.reshape(-1)


@public("histogram", on="T t o")
def histogram(
    input: Any, bins: Any, *, range: Sequence | None = None, weight: Any = None, density: bool = False
) -> tuple:
    """(hist, bin_edges): the elements, or their weights, in each bin added up; with `density`, their integral is 1.

    bins: a number of equal ones over `range` (by default from the least to the largest element), or all edges.
    """
    x = _counting(input, "histogram", "histogramdd")
    weights = _bin_weights(input, weight, input.array.shape)
    if isinstance(bins, Variable) and range is not None:
        raise TypeError("histogram(): `range` goes with a number of bins")
    if range is not None and (not isinstance(range, list | tuple) or len(range) != 2):
        raise RuntimeError(
            f"torch.histogramdd: for a 1-dimensional histogram range should have 2 elements, but got {range!r}"
        )
    edges, places, inside = _binned(x, bins, range, 0)
    hist = np.bincount(places[inside], None if weights is None else weights[inside], len(edges) - 1).astype(x.dtype)
    if flag(density, "density"):
        hist = hist / (hist.sum() * np.diff(edges))
    return return_types.histogram(wrap(hist), wrap(edges))


@public("histogramdd", on="t")
def histogramdd(
    input: Any, bins: Any, *, range: Sequence | None = None, weight: Any = None, density: bool = False
) -> tuple:
    """`histogram` of points (..., D), in D dimensions, with a tuple of D bin_edges. bins: a number for all or for each
    dimension, or a tensor of edges for each; range: two ends for each, one after the other."""
    x = _counting(input, "histogramdd", "histogramdd")
    if input.array.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    shape, dims = input.array.shape[:-1], input.array.shape[-1]
    several = list(bins) if isinstance(bins, list | tuple) else [bins] * dims
    if len(several) != dims:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if range is not None and len(range) != 2 * dims:
        raise RuntimeError(
            f"torch.histogramdd: for a {dims}-dimensional histogram range should have {2 * dims} elements, but got "
            f"{len(range)}"
        )
    weights = _bin_weights(input, weight, shape)
    columns = x.reshape(-1, dims)
    all_edges, number, inside = [], np.zeros(len(columns), np.int64), np.ones(len(columns), bool)
    for axis, own in enumerate(several):
        ends = None if range is None else range[2 * axis : 2 * axis + 2]
        edges, places, here = _binned(columns[:, axis], own, ends, axis)
        all_edges.append(edges)
        number, inside = number * (len(edges) - 1) + places, inside & here
    sizes = [len(edges) - 1 for edges in all_edges]
    chosen = None if weights is None else weights[inside]
    hist = np.bincount(number[inside], chosen, math.prod(sizes)).astype(x.dtype).reshape(sizes)
    if flag(density, "density"):
        hist = hist / hist.sum()
        for axis, edges in enumerate(all_edges):
            hist = hist / np.diff(edges).reshape([-1 if i == axis else 1 for i, _ in enumerate(sizes)])
    return return_types.histogramdd(wrap(hist), tuple(map(wrap, all_edges)))


@public("bincount")
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2 ... is in a vector of integers, or the sum of its weights; at least `minlength` counts.

    >>> import minitorch
    >>> minitorch.bincount(minitorch.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    if not isinstance(input, Variable):
        raise no_tensor("bincount", "input", input)
    if whole(minlength, "minlength") < 0:
        raise RuntimeError("minlength should be >= 0")
    x = input.array
    if x.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount_cpu" not implemented for {dtypes.as_dtype(x.dtype)}')
    refusal = RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if x.ndim != 1:
        raise refusal
    if weights is None:
        try:
            return wrap(np.bincount(x, minlength=minlength))
        except ValueError:  # NumPy looks for negative ones itself
            raise refusal from None
    if x.size and x.min() < 0:
        raise refusal
    if not isinstance(weights, Variable):
        raise no_tensor("bincount", "weights", weights)
    if weights.array.shape != x.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if not x.size:
        return wrap(np.zeros(minlength, np.int64))
    float32 = weights.array.dtype == np.float32
    found = np.bincount(x, weights.array, minlength)
    return wrap(found.astype(np.float32) if float32 else found)


# ---------------------------------------------------------------------------------------------------- covariance
def _check_weights(w: Any, name: str, kinds: str, kind: str, count: int) -> None:
    """One weight for each observation, as `cov` takes them."""
    if not isinstance(w, Variable):
        raise no_tensor("cov", name, w)
    if w.array.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.array.ndim} dimensions"
        )
    if w.array.dtype.kind not in kinds:
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype} dtype")
    if w.array.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{w.array.size} != {count}"
        )
    if (w.array < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


@public("cov")
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariances of the rows of a matrix (variables; observations are columns), or the variance of a vector: the
    products of deviations from the means, added up, over count - correction. fweights: how often each observation
    counts; aweights: how much. Raises RuntimeError for more than two axes."""
    if not isinstance(input, Variable):
        raise no_tensor("cov", "input", input)
    if input.array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.array.ndim} dimensions"
        )
    if input.array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    correction = whole(correction, "correction")
    x = to_dtype(input, dtypes.get_default_dtype().numpy) if input.array.dtype.kind not in FLOATS else input
    x = x if x.array.ndim == 2 else reshape(x, shape=(1, x.array.size))
    count = x.array.shape[1]
    w: Any = None
    if fweights is not None:
        _check_weights(fweights, "fweights", "iu", "integral", count)
        w = reshape(fweights.detach(), shape=(1, count))
    if aweights is not None:
        _check_weights(aweights, "aweights", "f", "floating point", count)
        a = reshape(aweights, shape=(1, count))
        w = a if w is None else w * a
    if w is None:
        total: Any = count
        freedom: Any = count - correction
    else:
        total = sum(w)
        if count and not total.array:
            raise ZeroDivisionError("cov(): weights sum to zero, can't be normalized")
        freedom = total - correction
        if aweights is not None and correction:
            freedom = total - sum(w * a) / total * correction
    if (freedom.array if isinstance(freedom, Variable) else freedom) <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            stacklevel=2,
        )
        freedom = 0.0
    means = reduce_sum(x if w is None else x * w, dim=(1,), keepdim=True) / total
    centred = x - means
    return squeeze(linear(centred, centred if w is None else centred * w) / freedom)


@public("corrcoef")
def corrcoef(input: Any) -> Any:
    """Pearson's correlation coefficients of the rows of a matrix: `cov` over the deviations of both."""
    if isinstance(input, Variable) and input.array.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.array.ndim} dimensions"
        )
    found = cov(input)
    if not found.array.ndim:
        return found / found
    n = np.arange(found.array.shape[0])
    deviation = sqrt(getitem(found, key=(n, n)))
    return clamp(found / unsqueeze(deviation, 1) / deviation, -1.0, 1.0)
