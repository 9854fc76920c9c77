"""Operators that say where elements stand: shapes, slices, places, pads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.tape import wrap
from .table import arr, axes_of, axis_of, dtype_of, ints, number, operator, room, t, tensor


@operator("Constant")
def _constant(
    *,
    value: Any = None,
    value_float: Any = None,
    value_floats: Any = None,
    value_int: Any = None,
    value_ints: Any = None,
) -> Any:
    if value is not None:
        return value
    if value_int is not None or value_ints is not None:
        return tensor(value_ints if value_int is None else value_int, np.int64)
    return tensor(value_floats if value_float is None else value_float, np.float32)


@operator("ConstantOfShape")
def _constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    fill = np.zeros(1, np.float32) if value is None else arr(value)
    return tensor(np.full(room(ints(shape) or ()), fill.reshape(-1)[0], fill.dtype))


@operator("Shape")
def _shape(data: Any, *, start: int = 0, end: Any = None) -> Any:
    return tensor(arr(data).shape[slice(start, end)], np.int64)


@operator("Size")
def _size(data: Any) -> Any:
    return tensor(arr(data).size, np.int64)


@operator("Reshape", moves=True)
def _reshape(data: Any, shape: Any, *, allowzero: int = 0) -> Any:
    old = arr(data).shape
    new = [old[i] if n == 0 and not allowzero else n for i, n in enumerate(ints(shape) or ())]
    return t.reshape(data, tuple(new))


@operator("Flatten", moves=True)
def _flatten(X: Any, *, axis: int = 1) -> Any:
    shape = arr(X).shape
    d = axis + len(shape) if axis < 0 else axis
    return t.reshape(X, (math.prod(shape[:d]), math.prod(shape[d:])))


@operator("Transpose", moves=True)
def _transpose(data: Any, *, perm: Any = None) -> Any:
    ndim = arr(data).ndim
    return t.permute(data, tuple(perm) if perm is not None else tuple(range(ndim))[::-1])


@operator("Squeeze", moves=True)
def _squeeze(data: Any, axes: Any = None) -> Any:
    shape = arr(data).shape
    gone = {i for i, size in enumerate(shape) if size == 1} if axes is None else set(axes_of(axes, len(shape)))
    wrong = [d for d in gone if shape[d] != 1]
    if wrong:
        raise ValueError(f"axis {wrong[0]} has size {shape[wrong[0]]}, not 1")
    return t.reshape(data, tuple(n for i, n in enumerate(shape) if i not in gone))


@operator("Unsqueeze", moves=True)
def _unsqueeze(data: Any, axes: Any) -> Any:
    new = ints(axes) or ()
    ndim = arr(data).ndim + len(new)
    places, old = set(axes_of(new, ndim)), iter(arr(data).shape)
    if len(places) < len(new):
        raise ValueError(f"axes {list(new)} name one twice")
    return t.reshape(data, tuple(1 if i in places else next(old) for i in range(ndim)))


@operator("Expand", moves=True)
def _expand(input: Any, shape: Any) -> Any:
    return t.broadcast_to(input, room(np.broadcast_shapes(arr(input).shape, ints(shape) or ())))


@operator("Tile")
def _tile(input: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is not None:  # opset 1: so many tiles along one axis
        times = [1] * arr(input).ndim
        times[int(number(axis))] = int(number(repeats))
    else:
        times = list(ints(repeats) or ())
    room(n * k for n, k in zip(arr(input).shape, times, strict=True))
    return input.repeat(*times) if times else input


@operator("Concat", moves=True)
def _concat(*inputs: Any, axis: int = 1) -> Any:
    return t.cat(list(inputs), axis_of(axis, arr(inputs[0]).ndim))


@operator("Split", moves=True)
def _split(input: Any, split: Any = None, *, axis: int = 0, num_outputs: Any = None, outputs: int) -> tuple:
    d = axis_of(axis, arr(input).ndim)
    n, given = arr(input).shape[d], ints(split)
    if given is None:
        count = num_outputs or outputs
        size = -(-n // count)
        given = tuple(min(size, n - i * size) for i in range(count))
    if sum(given) != n or min(given, default=0) < 0:
        raise ValueError(f"parts of {list(given)} of an axis of {n}")
    starts = np.concatenate([[0], np.cumsum(given)]).tolist()
    return tuple(t.narrow(input, d, start, size) for start, size in zip(starts, given, strict=False))


def _key(x: Any, starts: Any, ends: Any, axes: Any, steps: Any) -> list[tuple[int, slice]]:
    starts, ends = ints(starts) or (), ints(ends) or ()
    along = axes_of(axes, arr(x).ndim) if axes is not None else tuple(range(len(starts)))
    by = ints(steps) or (1,) * len(starts)
    key = []
    for a, b, d, k in zip(starts, ends, along, by, strict=True):
        n = arr(x).shape[d]
        if not k:
            raise ValueError("a step of 0")
        a, b = (v + n if v < 0 else v for v in (a, b))
        a, b = (min(max(a, 0), n), min(max(b, 0), n)) if k > 0 else (min(max(a, 0), n - 1), min(max(b, -1), n - 1))
        key.append((d, slice(a, b, k)))
    return key


@operator("Slice", moves=True)
def _slice(data: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    for d, cut in _key(data, starts, ends, axes, steps):
        if cut.step > 0:
            index: list[Any] = [slice(None)] * arr(data).ndim
            index[d] = slice(cut.start, max(cut.stop, cut.start), cut.step)
            data = data[tuple(index)]
        else:
            data = t.index_select(data, d, tensor(np.arange(cut.start, cut.stop, cut.step), np.int64))
    return data


def _positive(index: Any, n: int) -> np.ndarray:
    at = arr(index).astype(np.int64, copy=False)
    if at.size and (at.min() < -n or at.max() >= n):
        raise IndexError(f"index {at.min() if at.min() < -n else at.max()} of an axis of {n}")
    return at


def _wrapped(index: Any, n: int) -> Any:
    """An index tensor without negative numbers; itself, if it has none."""
    at = _positive(index, n)
    return (
        tensor(np.where(at < 0, at + n, at)) if at.size and at.min() < 0 else index if at is arr(index) else tensor(at)
    )


@operator("Gather", learns=(0,), moves=True)
def _gather(data: Any, indices: Any, *, axis: int = 0) -> Any:
    d = axis_of(axis, arr(data).ndim)
    index = _wrapped(indices, arr(data).shape[d])
    if not arr(index).ndim:
        return t.select(data, d, int(arr(index)))
    return data[(slice(None),) * d + (index,)]


@operator("GatherElements")
def _gather_elements(data: Any, indices: Any, *, axis: int = 0) -> Any:
    d = axis_of(axis, arr(data).ndim)
    return t.gather(data, d, _wrapped(indices, arr(data).shape[d]))


def _points(data: Any, indices: Any, batch_dims: int = 0) -> tuple:
    """The key of NumPy for indices (..., k) into the axes of data behind the first `batch_dims`."""
    at, shape = arr(indices).astype(np.int64), arr(data).shape
    if not 0 <= batch_dims < at.ndim or at.shape[-1] + batch_dims > len(shape):
        raise ValueError(f"indices of shape {at.shape} into {shape}, batch_dims {batch_dims}")
    lead = [np.arange(n).reshape(-1, *(1,) * (at.ndim - 2 - i)) for i, n in enumerate(shape[:batch_dims])]
    columns = [at[..., k] for k in range(at.shape[-1])]
    for column, n in zip(columns, shape[batch_dims:], strict=False):
        _positive(wrap(column), n)
    return tuple(np.broadcast_arrays(*lead, *columns)) if lead or columns else ()


@operator("GatherND")
def _gather_nd(data: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    key = _points(data, indices, batch_dims)
    return data[tuple(tensor(k) for k in key)]


def _combined(old: np.ndarray, key: tuple, new: np.ndarray, reduction: str) -> np.ndarray:
    out = old.copy()
    how = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    if reduction == "none":
        out[key] = new
    elif reduction in how:
        how[reduction].at(out, key, new)
    else:
        raise ValueError(f"reduction {reduction!r}")
    return out


@operator("ScatterElements", "Scatter")
def _scatter_elements(data: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none") -> Any:
    d = axis_of(axis, arr(data).ndim)
    index = _wrapped(indices, arr(data).shape[d])
    if reduction == "none":
        return t.scatter(data, d, index, updates)
    if reduction == "add":
        return t.scatter_add(data, d, index, updates)
    return t.scatter_reduce(data, d, index, updates, {"mul": "prod", "max": "amax", "min": "amin"}[reduction])


@operator("ScatterND")
def _scatter_nd(data: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    key = _points(data, indices)
    if reduction in ("none", "add") and arr(data).dtype.kind == "f" and key:
        return t.index_put(data, tuple(tensor(k) for k in key), updates, reduction == "add")
    return tensor(_combined(arr(data), key, arr(updates), reduction))


@operator("TensorScatter")
def _tensor_scatter(past: Any, update: Any, starts: Any = None, *, axis: int = -2, mode: str = "linear") -> Any:
    """Rows written into a cache, from `starts` of each batch on; "circular" goes on at the beginning."""
    d = axis_of(axis, arr(past).ndim)
    n, count, batch = arr(past).shape[d], arr(update).shape[d], arr(past).shape[0]
    first = np.zeros(batch, np.int64) if starts is None else arr(starts)
    at = first[:, None] + np.arange(count)
    at = at % n if mode == "circular" else at
    if at.size and (at.min() < 0 or at.max() >= n):
        raise ValueError(f"rows {at.min()} to {at.max()} of a cache of {n}")
    out = np.moveaxis(arr(past).copy(), d, 1)
    out[np.arange(batch)[:, None], at] = np.moveaxis(arr(update), d, 1)
    return tensor(np.ascontiguousarray(np.moveaxis(out, 1, d)))


@operator("OneHot")
def _one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    n, at, (off, on) = int(number(depth)), arr(indices), arr(values)
    d = axis_of(axis, at.ndim + 1)
    room((*at.shape, n))
    at = np.where(at < 0, at + n, at)
    hit = np.expand_dims(at, d) == np.arange(n).reshape(-1, *(1,) * (at.ndim - d))
    return tensor(np.where(hit, on, off).astype(arr(values).dtype))


@operator("Range")
def _range(start: Any, limit: Any, delta: Any) -> Any:
    a, b, k = (arr(x).reshape(-1)[0] for x in (start, limit, delta))
    count = max(math.ceil((float(b) - float(a)) / float(k)), 0)
    room((count,))
    return tensor((a + np.arange(count) * k).astype(arr(start).dtype))


@operator("EyeLike")
def _eye_like(input: Any, *, dtype: Any = None, k: int = 0) -> Any:
    n, m = arr(input).shape
    return tensor(np.eye(n, m, k, arr(input).dtype if dtype is None else dtype_of(dtype)))


@operator("Trilu")
def _trilu(input: Any, k: Any = None, *, upper: int = 1) -> Any:
    shift = 0 if k is None else int(number(k))
    rows, columns = arr(input).shape[-2:]
    kept = ~np.tri(rows, columns, shift - 1, dtype=bool) if upper else np.tri(rows, columns, shift, dtype=bool)
    return t.where(tensor(kept), input, tensor(np.zeros((), arr(input).dtype)))


@operator("Compress")
def _compress(input: Any, condition: Any, *, axis: Any = None) -> Any:
    if axis is None:
        input, axis = t.reshape(input, (-1,)), 0
    d = axis_of(axis, arr(input).ndim)
    at = np.flatnonzero(arr(condition)[: arr(input).shape[d]])
    return t.index_select(input, d, tensor(at, np.int64))


@operator("ReverseSequence")
def _reverse_sequence(input: Any, lens: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """The first so many steps of each sequence in reverse order: a gather."""
    shape = arr(input).shape
    steps = np.arange(shape[time_axis])
    lengths = arr(lens)[:, None]
    at = np.where(steps < lengths, lengths - 1 - steps, steps)  # (batch, time)
    view = [1] * len(shape)
    view[batch_axis], view[time_axis] = shape[batch_axis], shape[time_axis]
    at = (at if batch_axis < time_axis else at.T).reshape(view)
    return t.gather(input, time_axis, tensor(np.ascontiguousarray(np.broadcast_to(at, shape)), np.int64))


@operator("DepthToSpace")
def _depth_to_space(input: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = arr(input).shape
    b, left = blocksize, c // blocksize**2
    if mode == "CRD":
        out = t.permute(t.reshape(input, (n, left, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    else:
        out = t.permute(t.reshape(input, (n, b, b, left, h, w)), (0, 3, 4, 1, 5, 2))
    return t.reshape(out, (n, left, h * b, w * b))


@operator("SpaceToDepth")
def _space_to_depth(input: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = arr(input).shape
    b = blocksize
    split = t.reshape(input, (n, c, h // b, b, w // b, b))
    order = (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4)
    return t.reshape(t.permute(split, order), (n, c * b * b, h // b, w // b))


# ------------------------------------------------------------------------------------------------------------- pads
def padded(x: Any, before: Any, after: Any, mode: str, value: Any = 0.0) -> Any:
    """x with so many elements before and after each axis; negative numbers cut off."""
    shape = arr(x).shape
    room(n + max(b, 0) + max(a, 0) for n, b, a in zip(shape, before, after, strict=True))
    for d, (b, a) in enumerate(zip(before, after, strict=True)):
        if b < 0 or a < 0:
            start, n = max(-b, 0), arr(x).shape[d]
            x = t.narrow(x, d, start, n - start - max(-a, 0))
    widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
    if not any(map(any, widths)):
        return x
    if mode == "constant":
        from ...nn.functional import pad

        return pad(x, [n for pair in widths[::-1] for n in pair], value=value)
    for d, pair in enumerate(widths):
        if any(pair):
            n = arr(x).shape[d]
            if not n:
                raise ValueError(f"mode {mode!r} of an axis without elements")
            at = np.pad(np.arange(n), pair, mode={"edge": "edge", "reflect": "reflect", "wrap": "wrap"}[mode])  # type: ignore[call-overload]
            x = t.index_select(x, d, tensor(at, np.int64))
    return x


@operator("Pad")
def _pad(
    data: Any,
    pads: Any = None,
    constant_value: Any = None,
    axes: Any = None,
    *,
    mode: str = "constant",
    value: float = 0.0,
    paddings: Any = None,
) -> Any:
    ndim = arr(data).ndim
    given = ints(pads if pads is not None else paddings) or ()
    along = axes_of(axes, ndim) if axes is not None else tuple(range(ndim))
    if len(given) != 2 * len(along):
        raise ValueError(f"{len(given)} pads for {len(along)} axes")
    before, after = [0] * ndim, [0] * ndim
    for i, d in enumerate(along):
        before[d], after[d] = given[i], given[i + len(along)]
    fill = number(constant_value) if constant_value is not None else value
    return padded(data, before, after, mode, fill if arr(data).dtype.kind == "f" else int(fill))


@operator("CenterCropPad")
def _center_crop_pad(input: Any, shape: Any, *, axes: Any = None) -> Any:
    ndim = arr(input).ndim
    along = axes_of(axes, ndim) if axes is not None else tuple(range(ndim))
    before, after = [0] * ndim, [0] * ndim
    for d, n in zip(along, ints(shape) or (), strict=True):
        more = n - arr(input).shape[d]
        low = abs(more) // 2
        sign = 1 if more > 0 else -1
        before[d], after[d] = sign * low, sign * (abs(more) - low)
    return padded(input, before, after, "constant", 0)


@operator("Col2Im")
def _col2im(
    input: Any, image_shape: Any, block_shape: Any, *, dilations: Any = None, pads: Any = None, strides: Any = None
) -> Any:
    """Columns (N, C taps, windows) added into images, of any rank."""
    size, block = ints(image_shape) or (), ints(block_shape) or ()
    rank = len(size)
    d, s, p = dilations or [1] * rank, strides or [1] * rank, pads or [0] * 2 * rank
    n, rows, _ = arr(input).shape
    channels = rows // math.prod(block)
    full = room(m + p[i] + p[rank + i] for i, m in enumerate(size))
    counts = [(full[i] - d[i] * (block[i] - 1) - 1) // s[i] + 1 for i in range(rank)]
    at = np.zeros((), np.int64)
    for i in range(rank):
        along = np.arange(block[i])[:, None] * d[i] + np.arange(counts[i]) * s[i]
        view = [1] * (2 * rank)
        view[i], view[rank + i] = along.shape
        at = at * full[i] + along.reshape(view)
    flat = tensor(np.zeros((n, channels, math.prod(full)), arr(input).dtype))
    source = t.reshape(input, (n, channels, at.size))
    index = tensor(np.ascontiguousarray(np.broadcast_to(at.reshape(-1), (n, channels, at.size))))
    out = t.reshape(t.scatter_add(flat, 2, index, source), (n, channels, *full))
    return padded(out, [0, 0, *(-b for b in p[:rank])], [0, 0, *(-a for a in p[rank:])], "constant")
