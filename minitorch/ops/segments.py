"""Segments of an axis, one after the other, each reduced to one slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Variable
from ..autograd.tape import watch, wrap
from ..dtypes import FLOATS
from .dims import flag, no_tensor, normalize
from .join import narrow
from .names import public
from .pointwise import where
from .promotion import to_dtype
from .scatter import reduced_into

# For each reduction that of `scatter_reduce`, and what it makes of no elements.
REDUCTIONS = {
    "sum": ("sum", 0.0),
    "mean": ("sum", np.nan),
    "prod": ("prod", 1.0),
    "max": ("amax", -np.inf),
    "min": ("amin", np.inf),
}


def _bounds(data: Any, lengths: Any, offsets: Any, axis: int, unsafe: bool) -> np.ndarray:
    """Where segments begin, and the last one ends: (*lead, count + 1) for data (*lead, n, *rest)."""
    name, argument = "segment_reduce", "offsets" if lengths is None else "lengths"
    given = offsets if lengths is None else lengths
    if given is None:
        raise RuntimeError(f"{name}(): Either lengths or offsets must be defined.")
    numbers, shape = given.array, data.array.shape
    if numbers.dtype not in (np.int64, np.int32):
        raise NotImplementedError(f'"_{name}_{argument}_cpu_kernel1" not implemented for {given.dtype}: use int64')
    (d,) = normalize((axis,), len(shape))
    if d != numbers.ndim - 1:
        raise RuntimeError(f"{name}(): Expected axis to be the last dimension of {argument} but got {axis}.")
    if numbers.shape[:-1] != shape[:d]:
        raise RuntimeError(
            f"{name}(): `{argument}` must have the sizes {list(shape[:d])} of data before the axis, but has shape "
            f"{list(numbers.shape)}"
        )
    if lengths is not None:
        if (numbers < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if not unsafe and (numbers.sum(-1) != shape[d]).any():
            raise RuntimeError(
                f"{name}(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
            )
        numbers = np.concatenate([np.zeros((*shape[:d], 1), np.int64), np.cumsum(numbers, -1)], -1)
    if not numbers.shape[-1]:
        raise RuntimeError(f"{name}(): `offsets` must have an element more than there are segments, but is empty")
    if (np.diff(numbers) < 0).any() or (numbers[..., 0] < 0).any() or (numbers[..., -1] > shape[d]).any():
        raise RuntimeError(
            f"{name}(): Expected segment_length >= 0 and segments within the {shape[d]} elements of the axis"
        )
    return numbers.astype(np.int64)


@public("segment_reduce", on="t")
def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Any:
    """The "sum", "mean", "max", "min" or "prod" of each segment of `axis`.

    data (*lead, n, *rest) gives (*lead, count, *rest). lengths: of the segments, (*lead, count), which add up to n, or
    with `unsafe` to less; or offsets: where they begin and the last one ends, (*lead, count + 1). initial: a number
    that is reduced with each, and what no elements give: else 0, NaN, -inf, inf or 1. Equals share the gradient of
    "max" and "min". Raises NotImplementedError for integers, RuntimeError for segments that don't fit.

    >>> import minitorch
    >>> data = minitorch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> minitorch.segment_reduce(data, "max", lengths=minitorch.tensor([3, 1]))
    tensor([3., 4.])
    """
    for argument, x in (("data", data), ("lengths", lengths), ("offsets", offsets)):
        if not isinstance(x, Variable) and (x is not None or argument == "data"):
            raise no_tensor("segment_reduce", argument, x)
    how = {"amax": "max", "amin": "min"}.get(reduce, reduce)
    if how not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if data.array.dtype.kind not in FLOATS:
        raise NotImplementedError(f'"_segment_reduce_cpu" not implemented for {data.dtype}: use floats')
    if not data.array.ndim:
        raise RuntimeError("segment_reduce(): Expected data.dim() >= lengths.dim(), but data has no dimensions")
    bounds = _bounds(data, lengths, offsets, axis, flag(unsafe, "unsafe"))
    d, shape, count = bounds.ndim - 1, data.array.shape, bounds.shape[-1] - 1
    # What lies before the first segment and behind the last goes to one more, which is cut off.
    sizes = np.concatenate([bounds[..., :1], np.diff(bounds), shape[d] - bounds[..., -1:]], -1)
    numbers = np.tile([count, *range(count + 1)], sizes.size // (count + 2))
    index = np.repeat(numbers, sizes.reshape(-1)).reshape(shape[: d + 1])
    index = np.broadcast_to(index.reshape(*index.shape, *(1,) * (len(shape) - d - 1)), shape)
    by, nothing = REDUCTIONS[how]
    start = nothing if initial is None else float(initial)
    begin = 0.0 if how == "mean" and initial is None else start
    base = to_dtype(wrap(np.full((*shape[:d], count + 1, *shape[d + 1 :]), begin)), data.array.dtype)
    out = narrow(reduced_into(base, data, index, d, by, by in ("sum", "prod")), d, 0, count)
    lasting = np.diff(bounds).reshape(*shape[:d], count, *(1,) * (len(shape) - d - 1))
    if how == "mean":
        out = out / to_dtype(wrap(np.maximum(lasting, 1)), data.array.dtype)
        out = where(wrap(lasting == 0), start, out) if initial is None and not lasting.all() else out
    elif by in ("amax", "amin") and initial is not None:
        out = where(wrap(out.array < start if how == "max" else out.array > start), start, out)
    return watch(out, lengths, offsets)
