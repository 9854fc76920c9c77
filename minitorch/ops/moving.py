"""More ways to move elements: diagonals, strides over memory, pieces that are replaced, grids, stacks and splits."""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Variable, primitive
from ..autograd.tape import wrap
from .dims import check_size, listed, no_tensor, normalize, sizes, whole
from .index import getitem, nonzero, setitem
from .join import cat, narrow, split, stack
from .names import public
from .promotion import cast_all, to_dtype
from .reduce import sum as sum_of
from .shape import expand, fit, flip, pad_constant, repeat, reshape, standalone, transpose

FEW, LEAST = 64, 1024  # additions of slices that are sooner done than one element after the other, and for how many

# -------------------------------------------------------------------------------------------------------- diagonals


@primitive(view=True, name="diagonal")
def diagonal_of(x: np.ndarray, *, offset: int, dims: tuple) -> np.ndarray:
    """The elements where position dims[1] is position dims[0] + offset, along a new last axis; a view."""
    out = x.diagonal(offset, *dims)
    out.flags.writeable = x.flags.writeable
    return out


@primitive
def diagonal_placed(y: np.ndarray, *, offset: int, dims: tuple, shape: tuple) -> np.ndarray:
    """Zeros of `shape` with y on a diagonal: the adjoint of diagonal."""
    out = np.zeros(shape, y.dtype)
    diagonal_of.function(out, offset=offset, dims=dims)[...] = y
    return out


diagonal_of.vjp(x=lambda g, offset, dims, x_shape: diagonal_placed(g, offset=offset, dims=dims, shape=x_shape))
diagonal_placed.vjp(y=lambda g, offset, dims: diagonal_of(g, offset=offset, dims=dims))


@public("diagonal")
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of the matrices in axes dim1 and dim2, along a new last axis: a view."""
    return diagonal_of(x, offset=whole(offset, "offset"), dims=_two_axes("diagonal", dim1, dim2, x.array.ndim))


def _two_axes(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, ...]:
    (a, b) = normalize((dim1, dim2), ndim, unique=False)
    if a == b:
        raise RuntimeError(f"{name}: diagonal dimensions cannot be identical {dim1}, {dim2}")
    return a, b


@public("diag_embed")
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices in axes dim1 and dim2 whose diagonal is the last axis of x, zeros elsewhere."""
    ndim, offset = x.array.ndim + 1, whole(offset, "offset")
    dims = _two_axes("diag_embed", dim1, dim2, ndim)
    if not x.array.ndim:
        raise IndexError("diag_embed: a tensor without axes has no diagonal; use reshape(1) first")
    shape, n = list(x.array.shape[:-1]), x.array.shape[-1] + abs(offset)
    for d in sorted(dims):
        shape.insert(d, n)
    return diagonal_placed(x, offset=offset, dims=dims, shape=check_size(tuple(shape), x.array.itemsize))


@public("diag", on="T t o")
def diag(x: Any, diagonal: int = 0) -> Any:
    """The square matrix with the vector x on a diagonal, or a copy of that diagonal of the matrix x."""
    if x.array.ndim == 1:
        return diag_embed(x, diagonal)
    if x.array.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.array.ndim}D")
    return diagonal_of(x, offset=whole(diagonal, "diagonal"), dims=(0, 1)).clone()


@public("diagflat")
def diagflat(x: Any, offset: int = 0) -> Any:
    """The square matrix with all elements of x on a diagonal."""
    return diag_embed(reshape(x, shape=(x.array.size,)), offset)


@public("trace")
def trace(x: Any) -> Any:
    """The sum of the diagonal of a matrix."""
    if x.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.array.ndim}")
    return sum_of(diagonal(x))


@public("fill_diagonal", on="i")
def fill_diagonal(x: Any, fill_value: Any, wrap: bool = False) -> Any:
    """x with `fill_value` on its main diagonal; with `wrap` a tall matrix has it again after each square."""
    shape = x.array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = builtins.sum(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    end = x.array.size if wrap or len(shape) > 2 else min(x.array.size, shape[1] * shape[1])
    places = np.unravel_index(np.arange(0, end, step), shape)
    return setitem(x, dtypes.number(fill_value, x.array.dtype), key=places)


# ------------------------------------------------------------------------------------- strides over memory, replaced


@primitive(view=True, name="as_strided")
def strided(x: np.ndarray, *, size: tuple, stride: tuple, offset: int, within: tuple) -> np.ndarray:
    """The elements `offset` + i * stride[0] + j * stride[1] + ... of x's memory, whose own strides are `within`."""
    if x.size and tuple(s // x.itemsize for s, n in zip(x.strides, x.shape, strict=True) if n > 1) != tuple(
        s for s, n in zip(within, x.shape, strict=True) if n > 1
    ):
        ordered = _of_memory(np.empty(x.size, x.dtype), x.shape, within)
        ordered[...] = x
        x = ordered
    return _of_memory(x, size, stride, offset)


class _Memory:
    """What NumPy makes an array over other strides of: it keeps `base` alive, and says what the view is a view of."""

    def __init__(self, base: np.ndarray, size: tuple, stride: tuple, offset: int) -> None:
        address, item = base.__array_interface__["data"][0], base.itemsize
        self.base, steps = base, tuple(s * item for s in stride)
        place = {"data": (address + offset * item, not base.flags.writeable), "shape": size, "strides": steps}
        self.__array_interface__ = {**base.__array_interface__, **place}


def _of_memory(x: np.ndarray, size: tuple, stride: tuple, offset: int = 0) -> np.ndarray:
    return np.asarray(_Memory(x, size, stride, offset)).view(x.dtype)  # an interface does not say bfloat16


@primitive
def strided_placed(y: np.ndarray, *, stride: tuple, offset: int, within: tuple, shape: tuple) -> np.ndarray:
    """Zeros with y added where `as_strided` took it from, elements of one place together: its adjoint."""
    line = np.zeros(math.prod(shape), y.dtype)
    if y.size < LEAST or not _add_slices(line, y, stride, offset):
        np.add.at(line, _of_memory(np.arange(line.size), y.shape, stride, offset), y)
    return _of_memory(line, shape, within)


def _add_slices(line: np.ndarray, y: np.ndarray, stride: tuple, offset: int) -> bool:
    """Add y slice by slice, each of elements apart from each other; False where that are too many slices."""
    apart = _apart(y.shape, stride)
    others = tuple(axis for axis in range(y.ndim) if axis not in apart)
    if math.prod(y.shape[axis] for axis in others) > FEW:
        return False
    size, steps = (tuple(v[axis] for axis in apart) for v in (y.shape, stride))
    for place in np.ndindex(*(y.shape[axis] for axis in others)):
        begin = offset + builtins.sum(i * stride[axis] for i, axis in zip(place, others, strict=True))
        target = _of_memory(line, size, steps, begin)
        target += y.transpose(*others, *apart)[place]
    return True


def _apart(shape: tuple, stride: tuple) -> list[int]:
    """Axes that reach no element of memory twice, the longest among them: an outer step passes all that is inside."""
    apart: list[int] = []
    for axis in sorted(range(len(shape)), key=lambda axis: -shape[axis]):
        span, fits = 1, True
        for a in sorted([*apart, axis], key=lambda a: stride[a]):
            fits &= stride[a] >= span or shape[a] == 1
            span += (shape[a] - 1) * stride[a]
        apart += [axis] * fits
    return apart


def _strided_back(g: Any, stride: tuple, offset: int, within: tuple, shape: tuple) -> Any:
    return strided_placed(g, stride=stride, offset=offset, within=within, shape=shape)


strided.vjp(x=lambda g, stride, offset, within, x_shape: _strided_back(g, stride, offset, within, x_shape))
strided_placed.vjp(
    y=lambda g, y_shape, stride, offset, within: strided(g, size=y_shape, stride=stride, offset=offset, within=within)
)


@public("as_strided", on="T v t")
def as_strided(x: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """A view of the memory of x, or of what x is a view of: `size` elements, `stride` elements apart.

    Raises RuntimeError where that would leave the memory.
    """
    target, steps = sizes((size,)), listed((stride,))
    base = x if x.base is None else x.base
    array, item = base.array, x.array.itemsize
    if len(target) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if builtins.min(steps, default=0) < 0:
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(steps)}")
    within = tuple(s // item for s in array.strides)
    last = builtins.sum((n - 1) * s for n, s in zip(array.shape, within, strict=True))
    if builtins.min(within, default=0) < 0 or (array.size and last + 1 != array.size):
        raise RuntimeError("as_strided: the memory of the tensor has gaps; call .contiguous() first")
    begin = (x.data_ptr() - base.data_ptr()) // item
    offset = begin if storage_offset is None else whole(storage_offset, "storage_offset")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    check_size(target, item)
    need = offset + 1 + builtins.sum((n - 1) * s for n, s in zip(target, steps, strict=True))
    if math.prod(target) and need > array.size:
        raise RuntimeError(
            f"setStorage: sizes {list(target)}, strides {list(steps)}, storage offset {offset}, and itemsize {item} "
            f"requiring a storage size of {need * item} are out of bounds for storage of size {array.size * item}"
        )
    base.version.sharers.clear()  # the memory stays where it is, in its order
    return strided(base, size=target, stride=steps, offset=builtins.min(offset, array.size), within=within)


def _fits(name: str, src: Any, slot: Any) -> None:
    if not isinstance(src, Variable):
        raise no_tensor(name, "src", src)
    if src.array.shape != slot.array.shape:
        raise RuntimeError(
            f"{name}: expected src to have a size equal to the slice of self. src size = {list(src.array.shape)}, "
            f"slice size = {list(slot.array.shape)}"
        )


@public("diagonal_scatter")
def diagonal_scatter(x: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of x with `src` on a diagonal."""
    _fits("diagonal_scatter", src, diagonal(x.detach(), offset, dim1, dim2))
    dims = _two_axes("diagonal", dim1, dim2, x.array.ndim)
    placed = to_dtype(src, x.array.dtype)
    out = x.clone()
    diagonal_of(out, offset=offset, dims=dims).copy_(placed)
    return out


@public("as_strided_scatter")
def as_strided_scatter(
    x: Any, src: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Any:
    """A copy of x with `src` where `as_strided` would look."""
    out = x.clone()
    slot = as_strided(out, size, stride, storage_offset or 0)
    _fits("as_strided_scatter", src, slot)
    slot.copy_(src)
    return out


def _select_key(x: Any, dim: int, index: int) -> tuple:
    if not x.array.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    (d,) = normalize((dim,), x.array.ndim)
    n, i = x.array.shape[d], whole(index, "index")
    if not -n <= i < n:
        raise IndexError(f"select(): index {i} out of range for tensor of size {list(x.array.shape)} at dimension {d}")
    return (slice(None),) * d + (i, Ellipsis)


@public("select")
def select(x: Any, dim: int, index: int) -> Any:
    """The slice of x at position `index` of axis `dim`, without that axis: a view."""
    return getitem(x, key=_select_key(x, dim, index))


@public("select_scatter")
def select_scatter(x: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of x with `src` at position `index` of axis `dim`."""
    key = _select_key(x, dim, index)
    _fits("select_scatter", src, getitem(x.detach(), key=key))
    return setitem(x, to_dtype(src, x.array.dtype), key=key)


@public("slice_scatter")
def slice_scatter(
    x: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy of x with `src` at the positions start, start + step, ... below `end` of axis `dim`."""
    if whole(step, "step") <= 0:
        raise RuntimeError("slice step must be positive")
    (d,) = normalize((dim,), x.array.ndim)
    key = (slice(None),) * d + (slice(start, end, step), Ellipsis)
    _fits("slice_scatter", src, getitem(x.detach(), key=key))
    return setitem(x, to_dtype(src, x.array.dtype), key=key)


@public("narrow_copy")
def narrow_copy(x: Any, dim: int, start: int, length: int) -> Any:
    """As `narrow`, a copy."""
    if dim >= x.dim():
        raise RuntimeError(f"narrow_copy requires dim to be within [0, {x.dim() - 1}], but got {dim}")
    return narrow(x, dim, start, length).clone()


# ------------------------------------------------------------------------------------------------- turned and repeated


@public("rot90")
def rot90(x: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """x turned k quarters from the first towards the second of two axes."""
    given = listed((dims,))
    if len(given) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(given)}")
    if x.array.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.array.ndim}")
    a, b = normalize(given, x.array.ndim, unique=False)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {given[0]} and dim1 = {given[1]}")
    turns = whole(k, "k") % 4
    if turns == 0:
        return x.clone()
    if turns == 2:
        return flip(x, dims=(a, b))
    return standalone(transpose(flip(x, dims=(b if turns == 1 else a,)), a, b))


@public("fliplr")
def fliplr(x: Any) -> Any:
    """x with its columns in reverse order."""
    if x.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(x, dims=(1,))


@public("flipud")
def flipud(x: Any) -> Any:
    """x with its rows in reverse order."""
    if x.array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(x, dims=(0,))


@public("tile")
def tile_dims(x: Any, *dims: Any) -> Any:
    """Copies of x laid out `dims` times along each axis; axes that are not named stay."""
    times = listed(dims)
    return repeat(x, *(1,) * (x.array.ndim - len(times)), *times)


@public("repeat_interleave")
def repeat_interleave(x: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Any:
    """Each slice along `dim` (by default each element) `repeats` times, a number or one for each; or, of repeats
    alone, the positions of such a result."""
    if repeats is None:
        return wrap(np.repeat(np.arange(x.array.size), _counts(x)))
    if dim is None:
        x, dim = reshape(x, shape=(x.array.size,)), 0
    (d,) = normalize((dim,), x.array.ndim)
    x = x if x.array.ndim else reshape(x, shape=(1,))
    counts, n = (_counts(repeats) if isinstance(repeats, Variable) else whole(repeats, "repeats")), x.array.shape[d]
    if np.any(np.asarray(counts) < 0):
        raise RuntimeError("repeats can not be negative")
    if np.size(counts) not in (1, n):
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {np.size(counts)} and "
            f"input.size({d}) = {n}"
        )
    places = np.repeat(np.arange(n), counts)
    if output_size is not None and output_size != places.size:
        raise RuntimeError("allocated size does not match required size")
    return getitem(x, key=(slice(None),) * d + (places, Ellipsis))


def _counts(repeats: Any) -> np.ndarray:
    if repeats.array.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.array.dtype not in (np.int64, np.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if repeats.array.size and repeats.array.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return repeats.array


@public("sum_to_size", on="T")
def sum_to_size(x: Any, *size: Any) -> Any:
    """x summed over the axes along which `size` was broadcast."""
    target, shape = sizes(size), x.array.shape
    lead = len(shape) - len(target)
    if lead < 0 or any(n not in (1, m) for n, m in zip(target, shape[max(lead, 0) :], strict=True)):
        raise RuntimeError(f"size {{{list(target)}}} is not expandable to size {{{list(shape)}}}.")
    whole_numbers = x.array.dtype.kind in "biu" and (target != shape or not target)
    return fit(to_dtype(x, np.dtype(np.int64)) if whole_numbers else x, target)


# ----------------------------------------------------------------------------------------------------- split and stack


@public("tensor_split")
def tensor_split(x: Any, indices_or_sections: Any, dim: int = 0) -> tuple:
    """Views of x along `dim`: as many as given, of nearly equal size, or cut at the given positions."""
    if not x.array.ndim:
        raise RuntimeError(f"tensor_split expected at least a 1-dimensional tensor, but got a tensor with {0} dims")
    (d,) = normalize((dim,), x.array.ndim)
    given, n = indices_or_sections, x.array.shape[d]
    if isinstance(given, Variable):
        if given.array.dtype != np.int64 or given.array.ndim > 1:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a vector or scalar of long")
        given = given.tolist()
    if isinstance(given, list | tuple):
        cuts = [0, *(slice(0, i).indices(n)[1] for i in listed((given,))), n]
    else:
        parts = whole(given, "sections")
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        cuts = [i * (n // parts) + builtins.min(i, n % parts) for i in range(parts + 1)]
    return tuple(narrow(x, d, a, builtins.max(b - a, 0)) for a, b in itertools.pairwise(cuts))


def _evenly(name: str, x: Any, given: Any, dim: int, least: int) -> tuple:
    if x.array.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a tensor with "
            f"{x.array.ndim} dimensions!"
        )
    if not isinstance(given, list | tuple):
        parts, n = whole(given, "sections"), x.array.shape[dim]
        if parts <= 0 or n % parts:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {n} is not "
                f"divisible by the split_size {parts}!"
            )
    return tensor_split(x, given, dim)


@public("hsplit")
def hsplit(x: Any, indices_or_sections: Any) -> tuple:
    """Views of x along its columns; of a vector, along its one axis."""
    return _evenly("hsplit", x, indices_or_sections, 1 if x.array.ndim > 1 else 0, 1)


@public("vsplit")
def vsplit(x: Any, indices_or_sections: Any) -> tuple:
    """Views of x along its rows."""
    return _evenly("vsplit", x, indices_or_sections, 0, 2)


@public("dsplit")
def dsplit(x: Any, indices_or_sections: Any) -> tuple:
    """Views of x along its third axis."""
    return _evenly("dsplit", x, indices_or_sections, 2, 3)


@public("split_with_sizes unsafe_split_with_sizes")
def split_with_sizes(x: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple:
    """Views of x along `dim`, of the listed sizes."""
    return split(x, list(listed((split_sizes,))), dim)


def _at_least(x: Any, ndim: int) -> Any:
    shape = x.array.shape
    if len(shape) >= ndim:
        return x
    if ndim == 3 and len(shape) == 2:
        return reshape(x, shape=(*shape, 1))
    return reshape(x, shape={1: (1,), 2: (1, *(shape or (1,))), 3: (1, *(shape or (1,)), 1)}[ndim])


def _each(tensors: tuple, ndim: int) -> Any:
    if len(tensors) == 1:
        if isinstance(tensors[0], list | tuple):
            return tuple(_at_least(x, ndim) for x in tensors[0])
        return _at_least(tensors[0], ndim)
    return tuple(_at_least(x, ndim) for x in tensors)


@public("atleast_1d", on="t")
def atleast_1d(*tensors: Any) -> Any:
    """The tensor, or each of several, with one axis at least."""
    return _each(tensors, 1)


@public("atleast_2d", on="t")
def atleast_2d(*tensors: Any) -> Any:
    """The tensor, or each of several, with two axes at least."""
    return _each(tensors, 2)


@public("atleast_3d", on="t")
def atleast_3d(*tensors: Any) -> Any:
    """The tensor, or each of several, with three axes at least."""
    return _each(tensors, 3)


def _some(name: str, tensors: Any) -> None:
    if not isinstance(tensors, Variable) and not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@public("hstack", on="t o")
def hstack(tensors: Sequence) -> Any:
    """The tensors one beside the other: along their second axis, vectors along their first."""
    _some("hstack", tensors)
    lines = [_at_least(x, 1) for x in tensors]
    return cat(lines, 0 if lines[0].array.ndim == 1 else 1)


@public("vstack row_stack", on="t o")
def vstack(tensors: Sequence) -> Any:
    """The tensors one below the other; vectors are rows."""
    _some("vstack", tensors)
    return cat([_at_least(x, 2) for x in tensors], 0)


@public("dstack", on="t o")
def dstack(tensors: Sequence) -> Any:
    """The tensors one behind the other, along a third axis."""
    _some("dstack", tensors)
    return cat([_at_least(x, 3) for x in tensors], 2)


@public("column_stack", on="t o")
def column_stack(tensors: Sequence) -> Any:
    """The tensors one beside the other; vectors are columns."""
    _some("column_stack", tensors)
    return hstack([reshape(x, shape=(x.array.size, 1)) if x.array.ndim < 2 else x for x in tensors])


@public("block_diag", on="t")
def block_diag(*tensors: Any) -> Any:
    """The matrix with the given matrices along its diagonal, zeros elsewhere; vectors are rows."""
    for i, x in enumerate(tensors):
        if x.array.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.array.ndim} dims"
            )
    blocks = cast_all([_at_least(x, 2) for x in tensors])
    total, before, rows = builtins.sum(x.array.shape[1] for x in blocks), 0, []
    for x in blocks:
        n = x.array.shape[1]
        rows.append(pad_constant(x, widths=((0, 0), (before, total - before - n))))
        before += n
    return cat(rows, 0)


# ------------------------------------------------------------------------------------------------- grids and positions


def _common(shapes: list) -> tuple:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(
            f"Shape mismatch: objects cannot be broadcast to a single shape: {[list(s) for s in shapes]}"
        ) from None


def _list(tensors: tuple) -> list:
    many = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    for x in many:
        if not isinstance(x, Variable):
            raise TypeError(f"expected Tensors, but got {type(x).__name__}")
    return list(many)


@public("broadcast_tensors", on="t")
def broadcast_tensors(*tensors: Any) -> tuple:
    """The tensors expanded to one shape."""
    many = _list(tensors)
    shape = _common([x.array.shape for x in many])
    return tuple(x if x.array.shape == shape else expand(x, shape=shape) for x in many)


@public("broadcast_shapes", on="t")
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape to which tensors of these shapes broadcast."""
    return wrap(np.broadcast_to(0, _common([(s,) if isinstance(s, int) else tuple(s) for s in shapes]))).shape


@public("meshgrid", on="t")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple:
    """For each vector its elements over the grid of all of them: "ij" the first along rows, "xy" along columns."""
    many = _list(tensors)
    if not many:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in many:
        if x.array.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(x.array.shape)}"
            )
        if x.array.dtype != many[0].array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    shape = tuple(x.array.size for x in many)
    axes = [tuple(n if i == j else 1 for j in range(len(many))) for i, n in enumerate(shape)]
    grids = [expand(reshape(x, shape=axis), shape=shape) for x, axis in zip(many, axes, strict=True)]
    return tuple(transpose(g, 0, 1) for g in grids) if indexing == "xy" and len(many) > 1 else tuple(grids)


@public("cartesian_prod", on="t")
def cartesian_prod(*tensors: Any) -> Any:
    """All choices of an element of each vector, one per row; of a single vector that itself."""
    many = _list(tensors)
    for x in many:
        if x.array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.array.shape)}")
    if len(many) == 1:
        return many[0]
    return stack([reshape(grid, shape=(grid.array.size,)) for grid in meshgrid(*many, indexing="ij")], 1)


@public("combinations", on="T t")
def combinations(x: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of r elements of a vector, in order, one per row."""
    if x.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.array.shape)}")
    if whole(r, "r") < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return wrap(np.empty(0, x.array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(x.array.size), r)), np.int64).reshape(-1, r)
    return getitem(x, key=(places,))


@public("ravel")
def ravel(x: Any) -> Any:
    """All elements along one axis, a view where memory allows it."""
    return x.contiguous().view(-1)


@public("argwhere")
def argwhere(x: Any) -> Any:
    """The positions of the elements that are not zero, one per row."""
    return nonzero(x)


def _corner(name: str, row: int, col: int, offset: int, dtype: Any) -> tuple:
    for what, n in (("row", row), ("col", col)):
        if whole(n, what) < 0:
            raise RuntimeError(f"{what} must be non-negative, got {n}")
    to = np.dtype(np.int64) if dtype is None else dtypes.as_dtype(dtype).numpy
    if to not in (np.int32, np.int64):
        raise RuntimeError(f"\"{name}\" not implemented for '{dtype}'")
    return to, np.tri(row, col, builtins.max(builtins.min(whole(offset, "offset"), col), -row - 1), np.bool_)


@public("tril_indices", on="t")
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The rows and columns of the elements of a matrix up to a diagonal."""
    to, lower = _corner("tril_indices", row, col, offset, dtype)
    return wrap(np.array(np.nonzero(lower), to))


@public("triu_indices", on="t")
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The rows and columns of the elements of a matrix from a diagonal on."""
    to, lower = _corner("triu_indices", row, col, whole(offset, "offset") - 1, dtype)
    return wrap(np.array(np.nonzero(~lower), to))


@public("unravel_index", on="t")
def unravel_index(indices: Any, shape: Any) -> tuple:
    """For each axis of a tensor of `shape` the positions of elements counted in row-major order."""
    if not isinstance(indices, Variable) or indices.array.dtype.kind not in "iu":
        raise TypeError("expected 'indices' to be an integer tensor")
    extent, rest, found = sizes((shape,)), indices.array.astype(np.int64), []
    if builtins.min(extent, default=0) < 0:
        raise ValueError(f"'shape' cannot have negative values, but got {extent}")
    for n in reversed(extent):
        rest, place = np.divmod(rest, n)
        found.append(wrap(place))
    return tuple(reversed(found))
