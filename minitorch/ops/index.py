"""Picking and placing: indexing as NumPy writes it, gather along an axis, and their adjoints."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import Variable, plain, primitive
from ..autograd.following import step
from ..autograd.inplace import assign, unhooked
from ..autograd.tape import watch, wrap
from .dims import flag, no_tensor, normalize, whole
from .layout import copied, order_of, ordered_as, ordered_back, room
from .names import public
from .pointwise import where
from .promotion import operand, to_dtype, unbroadcastable
from .shape import expand, fit, reshape, surrounded


@primitive(view=True)
def getitem(x: np.ndarray, *, key: tuple) -> np.ndarray:
    """x[key]; a view if the key has only integers, slices, None and Ellipsis."""
    for k in key:
        if isinstance(k, np.ndarray):
            found = _rows(key, x.shape, x.dtype)
            return x[key] if found is None else _rows_taken(x, *found)
    return x[key]


@primitive
def place(y: np.ndarray, *, key: tuple, shape: tuple) -> np.ndarray:
    """Zeros of `shape` with y added at `key`: the adjoint of getitem; places named twice add up."""
    if plain.enabled:
        return _placed(y, key, shape)
    if any(isinstance(k, np.ndarray) for k in key):
        found = _rows(key, shape, y.dtype)
        return _placed(y, key, shape) if found is None else _rows_placed(y, *found, shape)
    slices = _plain_slices(key, len(shape))
    if slices is not None:
        return surrounded(y, shape, slices)
    out = kernels.empty(shape, y.dtype)
    out.fill(0)
    kernels.fill(_at(out, key), y)
    return out


def _placed(y: np.ndarray, key: tuple, shape: tuple) -> np.ndarray:
    """What `place` says, for any key that NumPy takes. `out[key] += y` would count a place that is named twice once."""
    # BEGIN SOLUTION 4.5
    placed = np.zeros(shape, dtype=y.dtype)
    np.add.at(placed, key, y)
    return placed
    # END SOLUTION


def _at(out: np.ndarray, key: tuple) -> np.ndarray:
    """The view of `out` at a key without arrays, also of a single element."""
    return out[key if Ellipsis in key else (*key, Ellipsis)]


def _plain_slices(key: tuple, ndim: int) -> tuple | None:
    """The key as one slice of step 1 for each axis, if it is that."""
    if not all(k is Ellipsis or (isinstance(k, slice) and k.step in (None, 1)) for k in key):
        return None
    slices = [k for k in key if k is not Ellipsis]
    at = next((i for i, k in enumerate(key) if k is Ellipsis), len(slices))
    return (*slices[:at], *(slice(None),) * (ndim - len(slices)), *slices[at:])


# An array of positions along one axis, all other axes whole: where memory is one run for each of its positions, or
# several, these are rows that kernels take and add up. The tensor is seen as (before, n, after), in memory order.
def _rows(key: tuple, shape: tuple, dtype: np.dtype) -> tuple[int, np.ndarray] | None:
    """The axis and the positions, not negative, of such a key; None if it is another, or too little to care."""
    items = [k for k in key if k is not Ellipsis]
    arrays = [i for i, k in enumerate(items) if isinstance(k, np.ndarray)]
    if len(arrays) != 1 or dtype.char not in "fd":
        return None
    axis = arrays[0]
    if key[: axis + 1] != (slice(None),) * axis + (items[axis],) if axis else key[0] is not items[0]:
        return None
    positions = items[axis]
    if positions.dtype.kind not in "iu" or items[axis + 1 :] != [slice(None)] * (len(items) - axis - 1):
        return None
    n = shape[axis] if axis < len(shape) else 0
    if not n or not positions.size or positions.size * (math.prod(shape) // n) * dtype.itemsize < kernels.SMALL:
        return None
    low, high = int(positions.min()), int(positions.max())
    if low < -n or high >= n:
        return None  # NumPy knows the words
    positions = positions.astype(np.int64, copy=False)
    return axis, np.where(positions < 0, positions + n, positions) if low < 0 else positions


def _rows_of(x: np.ndarray, axis: int) -> tuple[np.ndarray, list[int]]:
    """x as (before, rows, run) of memory, and the order of its axes."""
    order = order_of(x)
    turned, at = kernels.contiguous(x.transpose(order)), order.index(axis)
    return turned.reshape(math.prod(turned.shape[:at]), x.shape[axis], math.prod(turned.shape[at + 1 :])), order


def _rows_taken(x: np.ndarray, axis: int, positions: np.ndarray) -> np.ndarray:
    source, order = _rows_of(x, axis)
    out = kernels.empty((source.shape[0], positions.size, source.shape[2]), x.dtype)
    kernels.gather_rows(source, positions.reshape(-1), out)
    out = ordered_back(out, (*x.shape[:axis], positions.size, *x.shape[axis + 1 :]), order)
    return out.reshape(*x.shape[:axis], *positions.shape, *x.shape[axis + 1 :]) if positions.ndim != 1 else out


def _rows_placed(y: np.ndarray, axis: int, positions: np.ndarray, shape: tuple) -> np.ndarray:
    if positions.ndim != 1:
        y = y.reshape(*shape[:axis], positions.size, *shape[axis + 1 :])
    source, order = _rows_of(y, axis)
    out = kernels.empty((source.shape[0], shape[axis], source.shape[2]), y.dtype)
    kernels.scatter_rows(source, positions.reshape(-1), out)
    return ordered_back(out, shape, order)


class Parts:
    """The gradient of an array of which views were used: gradients and where they belong, to be added up in one pass.

    Each on its own would be an array of the whole shape: a loop over N slices would add N of them.
    """

    __slots__ = ("dtype", "parts", "shape")

    def __init__(self, parts: list[tuple[tuple, np.ndarray]], shape: tuple) -> None:
        self.parts, self.shape, self.dtype = parts, shape, parts[0][1].dtype

    def join(self, other: Parts) -> Parts:
        """This, with the parts of the other."""
        self.parts.extend(other.parts)
        return self

    def compute(self) -> np.ndarray:
        """The sum, zeros where nothing belongs."""
        (key, first), rest = self.parts[0], self.parts[1:]
        keys = [_plain_slices(key, len(self.shape)) for key, _ in self.parts]
        if rest and _in_a_row(keys, self.shape):
            out = room(first, self.shape)
            for key, g in self.parts:
                kernels.fill(_at(out, key), g)
            return out
        out = place.function(first, key=key, shape=self.shape)
        for key, g in rest:
            target = _at(out, key)
            np.add(target, g, out=target)
        return out


def _in_a_row(keys: list[tuple | None], shape: tuple) -> bool:
    """Whether slices follow each other along one axis, from its beginning to its end, each whole along all others."""
    if None in keys:
        return False
    ranges = [tuple(k.indices(n)[:2] for k, n in zip(key, shape, strict=True)) for key in keys]  # type: ignore[arg-type]
    whole = tuple((0, n) for n in shape)
    cut = {axis for row in ranges for axis in range(len(shape)) if row[axis] != whole[axis]}
    if len(cut) != 1:
        return False
    (axis,) = cut
    starts, ends = zip(*sorted(row[axis] for row in ranges), strict=True)
    return (*starts, shape[axis]) == (0, *ends)


def _part(g: Any, key: tuple, shape: tuple) -> Parts | None:
    """What `place` would give, as a part that waits for others, where g is an array and nothing is named twice."""
    if type(g) is np.ndarray and not any(isinstance(k, np.ndarray) for k in key):
        return Parts([(key, g)], shape)
    return None


# In plain mode `_part` is always None; without it a loop over N slices would add up N arrays of the whole shape.
getitem.vjp(
    # BEGIN SOLUTION 4.5: x
    x=lambda g, key, x_shape: _part(g, key, x_shape) or place(g, key=key, shape=x_shape),
    # END SOLUTION
)
place.vjp(
    # BEGIN SOLUTION 4.5: y
    y=lambda g, key: getitem(g, key=key),
    # END SOLUTION
)


@primitive
def setitem(x: np.ndarray, value: np.ndarray, *, key: tuple) -> np.ndarray:
    """A copy of x with x[key] = value."""
    out = copied(x)
    out[key] = value
    return out


def _clear(g: Any, key: tuple) -> Any:
    return setitem(g, 0.0, key=key)


def _taken(g: Any, key: tuple, shape: tuple) -> Any:
    return fit(getitem(g, key=key), shape)


setitem.vjp(x=lambda g, key: _clear(g, key), value=lambda g, key, value_shape: _taken(g, key, value_shape))


@functools.lru_cache(maxsize=256)
def _grid(shape: tuple) -> tuple[np.ndarray, ...]:
    """The positions along each axis, which broadcast to `shape` together."""
    return tuple(np.arange(n).reshape((n,) + (1,) * (len(shape) - i - 1)) for i, n in enumerate(shape))


@primitive(name="gather")
def take_along(x: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
    """out[i][j] = x[index[i][j]][j] along `dim`; index may be smaller than x in the other axes."""
    if _along_kernel(x.dtype, index, x.shape, dim):
        out = kernels.empty(index.shape, x.dtype)
        kernels.pool_gather(_three(x, dim), _three(index, dim), _three(out, dim))
        return out
    key = list(_grid(index.shape))
    key[dim] = index
    return x[tuple(key)]


def _along_kernel(dtype: np.dtype, index: np.ndarray, shape: tuple, dim: int) -> bool:
    """Whether the kernels that follow positions serve: the same sizes but along `dim`, and enough to do."""
    large = index.size * dtype.itemsize >= kernels.SMALL and dtype.char in "fd"
    return large and index.shape[:dim] == shape[:dim] and index.shape[dim + 1 :] == shape[dim + 1 :]


def _three(x: np.ndarray, dim: int) -> np.ndarray:
    """x as (before, along, after), contiguous."""
    x = kernels.contiguous(x)
    return x.reshape(math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :]))


@primitive(name="scatter_add")
def add_along(y: np.ndarray, index: np.ndarray, *, dim: int, shape: tuple) -> np.ndarray:
    """Zeros of `shape` with y added where `gather` would have taken it from: the adjoint of gather."""
    if _along_kernel(y.dtype, index, shape, dim):
        out = kernels.empty(shape, y.dtype)
        kernels.pool_scatter(_three(y, dim), _three(index, dim), _three(out, dim))
        return ordered_as(out, y)
    key = list(_grid(index.shape))
    key[dim] = index
    return _placed(y, tuple(key), shape)


take_along.vjp(x=lambda g, index, dim, x_shape: add_along(g, index, dim=dim, shape=x_shape))
add_along.vjp(y=lambda g, index, dim: take_along(g, index, dim=dim))


# --------------------------------------------------------------------------------------------------- the public forms


def plain_key(x: Any, key: Any) -> tuple:
    """A user's index as a tuple of ints, slices, None, Ellipsis and arrays. Raises IndexError with PyTorch's words."""
    items = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, Variable):
            item = item.array
        elif isinstance(item, np.ndarray):
            item = item.copy()  # a user's, which may change before backward without our knowing
        elif isinstance(item, list | range):
            item = np.asarray([i.array if isinstance(i, Variable) else i for i in item])
            if item.dtype.kind in "US":
                raise TypeError("a tensor cannot be indexed with strings; use integers, slices, tensors")
            if item.size == 0:
                item = item.astype(np.int64)
        elif isinstance(item, slice):
            if item.step is not None and item.step <= 0:
                raise ValueError("step must be greater than zero")
            item = slice(*(None if v is None else int(v) for v in (item.start, item.stop, item.step)))
        elif isinstance(item, np.integer):
            item = int(item)
        if isinstance(item, np.ndarray):
            if item.dtype.kind not in "iub":
                raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {item.dtype}")
            if item.ndim == 0 and item.dtype.kind != "b":
                item = int(item)
            elif item.dtype == np.uint8:
                item = item.astype(np.bool_)
        elif isinstance(item, str):
            raise TypeError(f"a tensor cannot be indexed with a str ({item!r}); use integers, slices, tensors")
        elif not (item is None or item is Ellipsis or isinstance(item, slice | int)):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                f"{type(item).__name__})"
            )
        items.append(item)
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)  # so that a full index gives an array, not a NumPy scalar
    return tuple(items)


def _basic_first(key: tuple) -> tuple[tuple, tuple] | None:
    """PyTorch's order: ints beside arrays are basic indices. The key in two steps, or None where one will do."""
    if not (any(isinstance(k, np.ndarray) for k in key) and any(type(k) is int for k in key)):
        return None
    first = tuple(k if type(k) is int or k is Ellipsis else slice(None) for k in key if k is not None)
    return first, tuple(k for k in key if type(k) is not int)


def index(x: Any, key: Any) -> Any:
    """x[key], as `Tensor.__getitem__`. Raises IndexError for what is out of range."""
    given, key = key, plain_key(x, key)
    steps = _basic_first(key)
    if steps:
        x, key = index(x, steps[0]), steps[1]
    try:
        out = _masked(x, key[0]) if _is_mask(key, x) else getitem(x, key=key)
    except IndexError as error:
        raise _index_error(x, key, error) from None
    return out if out._node is None or out.base is not None else watch(out, *_tensors(given))


def _is_mask(key: tuple, x: Any) -> bool:
    """Whether a key is one mask of all of x, and large."""
    mask = key[0]
    if len(key) != 2 or type(mask) is not np.ndarray or mask.dtype != np.bool_:
        return False
    return mask.size >= kernels.SMALL and mask.shape == x.array.shape


def _masked(x: Any, mask: np.ndarray) -> Any:
    """The elements of x where a mask of its shape holds, by their positions: a third of the time of NumPy's x[mask]."""
    return getitem(reshape(x, shape=(mask.size,)), key=(np.flatnonzero(mask),))


def _tensors(key: Any) -> list:
    """The tensors whose memory a user's index reads; a single number is copied."""
    items = key if isinstance(key, tuple) else (key,)
    return [k for k in items if isinstance(k, Variable) and (k.array.ndim or k.array.dtype.kind == "b")]


def _index_error(x: Any, key: tuple, error: IndexError) -> IndexError:
    shape = x.array.shape
    if len(shape) == 0 and any(isinstance(k, int) for k in key):
        return IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
        )
    used = sum(k is not None and k is not Ellipsis for k in key)
    if used > len(shape):
        return IndexError(f"too many indices for tensor of dimension {len(shape)}")
    return IndexError(f"{error}; the tensor has shape {shape}")


def assign_index(x: Any, key: Any, value: Any) -> None:
    """x[key] = value, as `Tensor.__setitem__`: broadcasts the value; changes nothing if it fails."""
    given, key = key, plain_key(x, key)
    steps = _basic_first(key)
    if steps:
        x, key = index(x, steps[0]), steps[1]
    value = operand(value)
    if not isinstance(value, Variable):
        value = wrap(dtypes.number(value, x.array.dtype))
    value = to_dtype(value, x.array.dtype)
    try:
        target = getitem(x, key=key)
    except IndexError as error:
        raise _index_error(x, key, error) from None
    shape = value.array.shape
    while len(shape) > target.array.ndim and shape[0] == 1:
        shape = shape[1:]
    if shape != value.array.shape:
        value = getitem(value, key=(0,) * (value.array.ndim - len(shape)) + (Ellipsis,))
    try:
        np.broadcast_to(value.array, target.array.shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.array.shape)} cannot be broadcast to indexing result "
            f"of shape {list(target.array.shape)}"
        ) from None
    if target.base is not None:
        fresh = value if value.array.shape == target.array.shape else expand(value, shape=target.array.shape)
        assign(target, fresh)
    else:
        x.check_writeable()
        assign(x, watch(setitem(unhooked(x), value, key=key), *_tensors(given)))


def _checked(x: Any, dim: int, index: Any, name: str) -> tuple[int, np.ndarray]:
    (d,) = normalize((dim,), x.array.ndim)
    if not isinstance(index, Variable):
        raise no_tensor(name, "index", index)
    positions = index.array
    if not positions.size:  # of whatever dtype and shape, as in PyTorch: nothing is taken
        return d, positions.astype(np.int64)
    if positions.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    positions = positions.astype(np.int64, copy=False)
    if max(positions.ndim, 1) != max(x.array.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor: {positions.ndim}, {x.array.ndim}"
        )
    for i, (n, m) in enumerate(zip(positions.shape, x.array.shape, strict=False)):
        if i != d and n > m:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(positions.shape)} to be no larger than "
                f"self {list(x.array.shape)} apart from dimension {d}"
            )
    n = x.array.shape[d] if x.array.ndim else 1
    wrong = first_outside(positions, n)
    if wrong is not None:
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {d} with size {n}")
    return d, positions


def first_outside(positions: np.ndarray, n: int) -> int | None:
    """The first position that is not one of 0 ... n - 1, None where all are."""
    if not positions.size or (positions.min() >= 0 and positions.max() < n):
        return None
    return int(positions[(positions < 0) | (positions >= n)][0])


def _lined(x: Any) -> Any:
    """x with an axis at least: a scalar as a line of one."""
    return x if x.array.ndim else reshape(x, shape=(1,))


@public("gather", on="T t o")
def gather(x: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """out[i][j] = x[index[i][j]][j] for dim=0, and so on; index int64 or int32.

    Raises RuntimeError where it is out of range.
    """
    d, positions = _checked(x, dim, index, "gather")
    if not positions.size:  # no element, of the shape of the index, on the tape
        return reshape(getitem(reshape(x, shape=(x.array.size,)), key=(slice(0),)), shape=positions.shape)
    if positions.ndim and x.array.ndim:
        return watch(take_along(x, positions, dim=d), index)
    out = watch(take_along(_lined(x), np.atleast_1d(positions), dim=d), index)
    return reshape(out, shape=positions.shape)


@public("scatter_add", on="T i t o")
def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """x with src[i][j] added at x[index[i][j]][j] for dim=0, and so on; index int64 or int32, src of x's dtype."""
    d, positions = _checked(x, dim, index, "scatter_add")
    if not isinstance(src, Variable):
        raise no_tensor("scatter_add", "src", src)
    if src.array.dtype != x.array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not positions.size:
        return x + 0
    positions, source = np.atleast_1d(positions), _lined(src)
    if positions.ndim != source.array.ndim:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as src tensor: {positions.ndim}, {source.array.ndim}"
        )
    if any(n > m for n, m in zip(positions.shape, source.array.shape, strict=True)):
        raise RuntimeError(f"scatter_add: index {positions.shape} is larger than src {src.array.shape}")
    same = positions.shape == source.array.shape
    used = source if same else getitem(source, key=tuple(slice(n) for n in positions.shape))
    added = watch(add_along(used, positions, dim=d, shape=x.array.shape or (1,)), index)
    return x + (added if x.array.ndim else reshape(added, shape=()))


@public("index_select", on="T t o")
def index_select(x: Any, dim: int, index: Any) -> Any:
    """The slices of x at the positions `index` (int) along `dim`."""
    (d,) = normalize((dim,), x.array.ndim)
    if not isinstance(index, Variable):
        raise no_tensor("index_select", "index", index)
    if index.array.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.array.dtype not in (np.int64, np.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if not x.array.ndim:
        if index.array.size != 1:
            raise IndexError("index_select(): a scalar has one element, and the index must have one, too")
        return reshape(index_select(_lined(x), 0, index), shape=())
    n = x.array.shape[d]
    if first_outside(index.array, n) is not None:
        raise IndexError(f"index out of range in self: dimension {d} has size {n}")
    return watch(getitem(x, key=(slice(None),) * d + (np.atleast_1d(index.array),)), index)


@public("masked_fill", on="T i t")
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """x with `value` where the bool mask holds."""
    if not isinstance(mask, Variable):
        raise no_tensor("masked_fill", "mask", mask)
    if mask.array.dtype != np.bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.array.dtype}")
    if isinstance(value, Variable) and value.array.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got one with {value.array.ndim} dimensions"
        )
    fill = value if isinstance(value, Variable) else wrap(dtypes.number(value, x.array.dtype))
    return where(mask, to_dtype(fill, x.array.dtype), x)


@public("masked_select", on="T t o")
def masked_select(x: Any, mask: Any) -> Any:
    """The elements of x where the bool mask holds, as a vector."""
    if not isinstance(mask, Variable):
        raise no_tensor("masked_select", "mask", mask)
    if mask.array.dtype not in (np.bool_, np.uint8):
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    try:
        shape = np.broadcast_shapes(x.array.shape, mask.array.shape)
    except ValueError:
        raise unbroadcastable("masked_select", x, mask) from None
    full = x if x.array.shape == shape else expand(x, shape=shape)
    return watch(_masked(full, np.broadcast_to(mask.array, shape)), mask)


@public("nonzero", on="T t o")
@step("nonzero")
def nonzero(x: Any, *, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not zero, int64: one per row, or with `as_tuple` a tensor per axis."""
    if flag(as_tuple, "as_tuple"):
        return tuple(map(wrap, np.nonzero(np.atleast_1d(x.array))))
    return wrap(np.argwhere(x.array))


@public("where", on="t o")
def where_or_places(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, other elsewhere; of a condition alone, `nonzero` with a tensor per axis."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where takes a condition, or a condition, input and other")
    return where(condition, input, other)


@public("nonzero_static", on="T t o")
def nonzero_static(x: Any, *, size: int, fill_value: int = -1) -> Any:
    """The first `size` rows of `nonzero`, with rows of `fill_value` after the last."""
    if whole(size, "size") < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, but got {size}")
    found, out = np.argwhere(x.array)[:size], np.full((size, x.array.ndim), fill_value, np.int64)
    out[: len(found)] = found
    return wrap(out)


def _triangle(name: str, x: Any, diagonal: int, upper: bool) -> Any:
    """x with zeros beyond a diagonal of its matrices."""
    if x.array.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    rows, columns = x.array.shape[-2:]
    kept = np.tri(rows, columns, max(min(whole(diagonal, "diagonal") - upper, columns), -rows - 1), np.bool_) != upper
    return where(wrap(kept), x, wrap(np.zeros((), x.array.dtype)))


@public("tril", on="T i t o")
def tril(x: Any, diagonal: int = 0) -> Any:
    """x with zeros above the diagonal."""
    return _triangle("tril", x, diagonal, False)


@public("triu", on="T i t o")
def triu(x: Any, diagonal: int = 0) -> Any:
    """x with zeros below the diagonal."""
    return _triangle("triu", x, diagonal, True)
