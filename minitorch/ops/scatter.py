"""Placing by positions: put, take, index_add and its kin, scatter with every reduction, masked_scatter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import Variable, primitive
from ..autograd.following import step
from ..autograd.tape import plain, watch, wrap
from ..dtypes import FLOATS
from .dims import flag, no_tensor, normalize
from .index import (
    _checked,
    _grid,
    _three,
    add_along,
    first_outside,
    gather,
    getitem,
    place,
    plain_key,
    setitem,
    take_along,
)
from .layout import copied
from .names import public
from .pointwise import where
from .promotion import to_dtype, unbroadcastable
from .shape import expand, reshape, standalone

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")
EXACT = 1 << 24  # elements that float32 counts one by one


def _along(index: np.ndarray, dim: int) -> tuple:
    """The key of the places that `gather` takes from."""
    key = list(_grid(index.shape))
    key[dim] = index
    return tuple(key)


def _rowed(index: np.ndarray, dim: int, shape: tuple) -> np.ndarray:
    """An index of rows, one for each slice along `dim` of an array of this shape, as one for each element."""
    if index.ndim == len(shape):
        return index
    return np.broadcast_to(index.reshape((-1,) + (1,) * (len(shape) - dim - 1)), shape)


def _places(index: np.ndarray, dim: int, shape: tuple) -> np.ndarray:
    """The same places as positions in row-major memory of `shape`."""
    step, at = 1, np.zeros((), np.int64)
    for axis in reversed(range(index.ndim)):
        at = at + (index if axis == dim else _grid(index.shape)[axis]) * step
        step *= shape[axis]
    return at.reshape(-1)


def _taken(x: Any, index: Any, dim: int) -> Any:
    """What an index, of elements or of rows, takes from x."""
    if index.ndim < len(x.shape):
        return getitem(x, key=(slice(None),) * dim + (plain(index), Ellipsis))
    return take_along(x, index, dim=dim)


def _meeting(
    kernel: Callable,
    arrays: list[np.ndarray],
    x: np.ndarray,
    src: np.ndarray,
    index: np.ndarray,
    dim: int,
    *settings: bool,
) -> None:
    """kernel(x, src, index, *arrays, *settings), with all as (before, along, after).

    An index may be smaller than x in the other axes: then it is the part of x that it reaches.
    """
    part = tuple([slice(None) if axis == dim else slice(n) for axis, n in enumerate(src.shape)])
    targets = [a if a.shape == src.shape else a[part] for a in arrays]
    seen = [_three(a, dim) for a in (x[part], src)]
    meet = index.reshape(1, -1, 1) if index.ndim < x.ndim else _three(index, dim)
    found = [_three(kernels.empty(a.shape, a.dtype), dim) for a in targets]
    kernel(*seen, meet, *found, *settings)
    for target, values in zip(targets, found, strict=True):
        kernels.fill(target, values.reshape(target.shape))


# ----------------------------------------------------------------------------------- reductions, and their derivatives


@primitive(residuals="own theirs")
def scatter_extreme(
    x: np.ndarray, src: np.ndarray, index: np.ndarray, *, dim: int, largest: bool, include_self: bool
) -> tuple:
    """The largest or smallest of x and the elements of src that meet it; beside it the part of g that each gets.

    Those that are equal share it. A place that nothing meets keeps x.
    """
    out, theirs = copied(x), kernels.empty(src.shape, x.dtype)
    own, share = (kernels.empty(x.shape, x.dtype) for _ in range(2))
    own.fill(1)
    _meeting(kernels.place_extreme, [out, own, theirs, share], x, src, index, dim, largest, include_self)
    return out, own, theirs


scatter_extreme.vjp(
    x=lambda g, own: g * own,
    src=lambda g, theirs, index, dim: _taken(g, index, dim) * theirs,
)


@primitive
def scatter_product(x: np.ndarray, src: np.ndarray, index: np.ndarray, *, dim: int, include_self: bool) -> np.ndarray:
    """The product of x and the elements of src that meet it; a place that nothing meets keeps x."""
    out = copied(x)
    _meeting(kernels.place_product, [out], x, src, index, dim, include_self)
    return out


# The derivative by a factor is the product of the others: out / factor; where the factor is the only zero of its place,
# the product with 1 in its stead.
def _others(g: Any, out: Any, x: Any, src: Any, index: Any, dim: int, include_self: bool, of_src: bool) -> Any:
    index = index.array if isinstance(index, Variable) else index
    first, second = (v.array if isinstance(v, Variable) else v for v in (x, src))
    at, zeros = _places(_rowed(index, dim, second.shape), dim, first.shape), (first == 0).reshape(-1).astype(np.int64)
    met = np.zeros(first.size, np.bool_)
    met[at] = True
    if not include_self:
        zeros[met] = 0
    zeros += np.bincount(at[(second == 0).reshape(-1)], minlength=first.size)
    only, met = (zeros == 1).reshape(first.shape), met.reshape(first.shape)
    lone, lone_src = (first == 0) & only, (second == 0) & only.reshape(-1)[at].reshape(second.shape)
    one = first.dtype.type(1)
    filled = scatter_product(where(lone, one, x), where(lone_src, one, src), index, dim=dim, include_self=include_self)
    if of_src:
        take = lambda v: _taken(v, index, dim)  # noqa: E731
        return where(lone_src, take(g * filled), take(g * out) / where(second == 0, one, src))
    mine = where(lone, g * filled, g * out / where(first == 0, one, x))
    return mine if include_self else where(met, g * 0, g)


scatter_product.vjp(
    x=lambda g, out, x, src, index, dim, include_self: _others(g, out, x, src, index, dim, include_self, False),
    src=lambda g, out, x, src, index, dim, include_self: _others(g, out, x, src, index, dim, include_self, True),
)


def _added(src: Any, index: np.ndarray, dim: int, shape: tuple) -> Any:
    """Zeros of `shape` with src added where an index, of elements or of rows, says."""
    if index.ndim < len(shape):
        return place(src, key=(slice(None),) * dim + (index, Ellipsis), shape=shape)
    return add_along(src, index, dim=dim, shape=shape)


def _met(src: np.ndarray, index: np.ndarray, dim: int, shape: tuple) -> np.ndarray:
    """How many elements of src go to each place of an array of this shape, or of one that broadcasts to it."""
    if index.ndim < len(shape):
        return np.bincount(index, minlength=shape[dim]).reshape((-1,) + (1,) * (len(shape) - dim - 1))
    if index.shape[dim] < EXACT and src.dtype.char in "fd":
        return add_along(np.broadcast_to(src.dtype.type(1), index.shape), index, dim=dim, shape=shape)
    return np.bincount(_places(index, dim, shape), minlength=math.prod(shape)).reshape(shape)


def reduced_into(x: Any, src: Any, index: np.ndarray, dim: int, reduce: str, include_self: bool) -> Any:
    """x with `src` reduced into the places that `index` names: of the shape of src, or of its slices along `dim`."""
    if reduce in ("amax", "amin"):
        return scatter_extreme(x, src, index, dim=dim, largest=reduce == "amax", include_self=include_self)
    if reduce == "prod":
        return scatter_product(x, src, index, dim=dim, include_self=include_self)
    shape, dtype = x.array.shape, x.array.dtype
    key = _along(_rowed(index, dim, src.array.shape), dim)
    start = x if include_self else setitem(x, 0, key=key)
    if dtype == np.bool_:
        out = copied(start.array)
        np.logical_or.at(out, key, src.array)
        return wrap(out)
    out = start + _added(src, index, dim, shape)
    if reduce == "sum":
        return out
    counts = np.maximum(_met(src.array, index, dim, shape) + int(include_self), 1).astype(dtype, copy=False)
    return out / wrap(counts) if dtype.kind in FLOATS else wrap(out.array // counts)


def _source(name: str, x: Any, src: Any, positions: np.ndarray) -> Any:
    """The part of `src` that an index of this shape reads."""
    if not isinstance(src, Variable):
        raise no_tensor(name, "src", src)
    if src.array.dtype != x.array.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not positions.size:
        return src
    source = src if src.array.ndim else reshape(src, shape=(1,))
    if positions.ndim != source.array.ndim:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as src tensor: {positions.ndim}, {source.array.ndim}"
        )
    if any(n > m for n, m in zip(positions.shape, source.array.shape, strict=True)):
        raise RuntimeError(
            f"Expected index {list(positions.shape)} to be no larger than src {list(source.array.shape)}"
        )
    same = positions.shape == source.array.shape
    return source if same else getitem(source, key=tuple(slice(n) for n in positions.shape))


def _scattered(x: Any, src: Any, positions: np.ndarray, dim: int, reduce: str | None, include_self: bool) -> Any:
    if not positions.size:
        return x.clone()
    line = x if x.array.ndim else reshape(x, shape=(1,))
    if reduce is None:
        out = setitem(line, src, key=_along(positions, dim))
    else:
        out = reduced_into(line, src, positions, dim, reduce, include_self)
    return out if x.array.ndim else standalone(reshape(out, shape=()))


@public("scatter", on="T i t o")
@step("scatter")
def scatter(x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """x with src[i][j], or a number, at x[index[i][j]][j] for dim=0, and so on; added or multiplied by `reduce`.

    reduce: "add" or "multiply". Raises RuntimeError where the index is out of range.
    """
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    d, positions = _checked(x, dim, index, "scatter")
    positions = np.atleast_1d(positions)
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() missing an argument: `src` or `value`")
    if isinstance(src, Variable):
        source = _source("scatter", x, src, positions)
    else:
        source = wrap(np.broadcast_to(dtypes.number(src, x.array.dtype), positions.shape).astype(x.array.dtype))
    how = {None: None, "add": "sum", "multiply": "prod"}[reduce]
    out = _scattered(x, source, positions, d, how, True)
    return out if out._node is None else watch(out, index)


@public("scatter_reduce", on="T i t o")
def scatter_reduce(x: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """x with the elements of `src` that `index` sends to one place reduced: "sum", "prod", "mean", "amax" or "amin".

    include_self: whether x's own element counts among them. Raises RuntimeError where the index is out of range.
    """
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d, positions = _checked(x, dim, index, "scatter_reduce")
    positions = np.atleast_1d(positions)
    source = _source("scatter_reduce", x, src, positions)
    out = _scattered(x, source, positions, d, reduce, flag(include_self, "include_self"))
    return out if out._node is None else watch(out, index)


# ------------------------------------------------------------------------------------------------- slices along an axis


def _vector(name: str, x: Any, dim: int, index: Any, negative: bool = False) -> tuple[int, np.ndarray]:
    """The axis and the positions, checked. Raises IndexError or RuntimeError."""
    (d,) = normalize((dim,), x.array.ndim)
    if not isinstance(index, Variable):
        raise no_tensor(name, "index", index)
    if index.array.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: {index.array.ndim}")
    if index.array.dtype not in ((np.int64,) if name in ("index_fill", "index_copy") else (np.int64, np.int32)):
        error = IndexError if name == "index_fill" else RuntimeError
        raise error(f"{name}(): Expected dtype int64 for index, got {index.array.dtype}")
    n, positions = (x.array.shape[d] if x.array.ndim else 1), np.atleast_1d(index.array).astype(np.int64)
    if first_outside(positions + n * (positions < 0) if negative else positions, n) is not None:
        raise IndexError(f"{name}(): index out of range in self: dimension {d} has size {n}")
    return d, positions


def _slices(name: str, x: Any, d: int, positions: np.ndarray, source: Any) -> Any:
    """`source` checked: of the shape of x, but one slice for each position."""
    if not isinstance(source, Variable):
        raise no_tensor(name, "source", source)
    if source.array.dtype != x.array.dtype:
        raise RuntimeError(f"{name}(): self and source expected to have the same dtype")
    shape = (*x.array.shape[:d], positions.size, *x.array.shape[d + 1 :])
    if source.array.shape != shape and not (source.array.size == math.prod(shape) == 1):
        error = IndexError if name == "index_copy" else RuntimeError
        raise error(
            f"{name}(): source of shape {list(source.array.shape)} does not match the slices of self at the index, "
            f"{list(shape)}"
        )
    return source if source.array.shape == shape else reshape(source, shape=shape)


def _lined(x: Any) -> Any:
    return x if x.array.ndim else reshape(x, shape=(1,))


def _shaped(out: Any, x: Any) -> Any:
    return out if out.array.shape == x.array.shape else standalone(reshape(out, shape=x.array.shape))


@public("index_add", on="T i t o")
def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """x with alpha times the slices of `source` added at the positions `index` of axis `dim`."""
    d, positions = _vector("index_add", x, dim, index)
    line, key = _lined(x), (slice(None),) * d + (positions, Ellipsis)
    source = _slices("index_add", line, d, positions, source)
    added = place(source if alpha == 1 else source * alpha, key=key, shape=line.array.shape)
    return _shaped(line + watch(added, index), x)


@public("index_copy", on="T i t o")
def index_copy(x: Any, dim: int, index: Any, source: Any) -> Any:
    """x with the slices of `source` at the positions `index` of axis `dim`."""
    d, positions = _vector("index_copy", x, dim, index)
    line, key = _lined(x), (slice(None),) * d + (positions, Ellipsis)
    return watch(_shaped(setitem(line, _slices("index_copy", line, d, positions, source), key=key), x), index)


@public("index_fill", on="T i t")
def index_fill(x: Any, dim: int, index: Any, value: Any) -> Any:
    """x with a number in the slices at the positions `index` of axis `dim`, which may count from the end."""
    d, positions = _vector("index_fill", x, dim, index, negative=True)
    if isinstance(value, Variable) and value.array.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got one with {value.array.ndim} dimensions"
        )
    value = to_dtype(value, x.array.dtype) if isinstance(value, Variable) else dtypes.number(value, x.array.dtype)
    key = (slice(None),) * d + (np.unique(positions), Ellipsis)  # once each: so often the value's gradient counts
    return watch(_shaped(setitem(_lined(x), value, key=key), x), index)


@public("index_reduce", on="T i t o")
def index_reduce(x: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """x with the slices of `source` reduced into the positions `index`: by "prod", "mean", "amax" or "amin"."""
    if reduce not in REDUCTIONS[1:]:
        raise RuntimeError(f"reduce argument must be either prod, mean, amax or amin, got {reduce}.")
    d, positions = _vector("index_reduce", x, dim, index)
    line = _lined(x)
    source = _slices("index_reduce", line, d, positions, source)
    if not source.array.size:
        return x.clone()
    out = reduced_into(line, source, positions, d, reduce, flag(include_self, "include_self"))
    return watch(_shaped(out, x), index)


# --------------------------------------------------------------------------------------------------- single elements


@public("index_put", on="T i t")
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """x with x[indices] = values; with `accumulate` they are added, each of those that meet in one place."""
    if not isinstance(indices, tuple | list):
        raise TypeError(f"index_put(): argument `indices` must be a tuple of Tensors, not {type(indices).__name__}")
    if not isinstance(values, Variable):
        raise no_tensor("index_put", "values", values)
    if values.array.dtype != x.array.dtype:
        raise RuntimeError("Index put requires the source and destination dtypes match")
    if len(indices) > x.array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.array.ndim} (got {len(indices)})")
    key = plain_key(x, tuple(slice(None) if k is None else k for k in indices))
    key = tuple(np.asarray(k) if type(k) is int else k for k in key)
    try:
        shape = x.array[key].shape
    except IndexError as error:
        raise IndexError(str(error)) from None
    try:
        np.broadcast_to(values.array, shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.array.shape)} cannot be broadcast to indexing result "
            f"of shape {list(shape)}"
        ) from None
    if flag(accumulate, "accumulate"):
        full = values if values.array.shape == shape else expand(values, shape=shape)
        out = x + place(full, key=key, shape=x.array.shape)
    else:
        out = setitem(x, values, key=key)
    return watch(out, *indices)


def _line_of(x: Any) -> Any:
    return x if x.array.ndim == 1 else reshape(x, shape=(x.array.size,))


def from_the_end(places: np.ndarray, n: int) -> np.ndarray:
    """Positions among n, of which negative ones count from the end, as positions from the beginning."""
    return np.where(places < 0, places + n, places) if places.size and places.min() < 0 else places


def _long(name: str, x: Any, index: Any, error: type) -> np.ndarray:
    """Positions among all elements of x, checked: negative ones count from the end."""
    if not isinstance(index, Variable):
        raise no_tensor(name, "index", index)
    if index.array.dtype != np.int64:
        raise error(f"{name}(): Expected a long tensor for index, but got {index.array.dtype}")
    n = x.array.size
    if index.array.size and not n:
        raise IndexError(f"{name}(): tried to {name} from an empty tensor")
    places = from_the_end(index.array, n)
    if first_outside(places, n) is not None:
        raise IndexError(f"out of range: tried to access an index outside [{-n}, {n - 1}] on a tensor of {n} elements")
    return places


@public("take", on="T t o")
def take(x: Any, index: Any) -> Any:
    """The elements of x at positions counted in row-major order, in the shape of `index`."""
    places = _long("take", x, index, RuntimeError)
    return watch(getitem(_line_of(x), key=(places,)), index)


@public("put", on="T i t")
def put(x: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """x with the elements of `source` at positions counted in row-major order; added with `accumulate`."""
    places = np.array(_long("put_", x, index, RuntimeError)).reshape(-1)
    if not isinstance(source, Variable):
        raise no_tensor("put", "source", source)
    if source.array.dtype != x.array.dtype:
        raise RuntimeError(f"put_(): self and source expected to have the same dtype, got {source.dtype}")
    if source.array.size != places.size:
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got {source.array.size} and "
            f"{places.size}"
        )
    line, values = _line_of(x), _line_of(source)
    if flag(accumulate, "accumulate"):
        out = line + place(values, key=(places,), shape=line.array.shape)
    else:
        out = setitem(line, values, key=(places,))
    return watch(standalone(reshape(out, shape=x.array.shape)), index)


@public("take_along_dim", on="T t o")
def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with broadcasting; without `dim`, among all elements in row-major order."""
    if not isinstance(indices, Variable):
        raise no_tensor("take_along_dim", "indices", indices)
    if indices.array.dtype != np.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.array.dtype}")
    if dim is None:
        return gather(_line_of(x), 0, _line_of(indices))
    if x.array.ndim != indices.array.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{x.array.ndim} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    (d,) = normalize((dim,), x.array.ndim)
    mine, its = list(x.array.shape), list(indices.array.shape)
    if mine:
        mine[d] = its[d] = 1
    try:
        common = np.broadcast_shapes(tuple(mine), tuple(its))
    except ValueError:
        raise unbroadcastable("take_along_dim", x, indices) from None
    shapes = [(*common[:d], v.array.shape[d], *common[d + 1 :]) if mine else () for v in (x, indices)]
    full = [v if v.array.shape == s else expand(v, shape=s) for v, s in zip((x, indices), shapes, strict=True)]
    places, n = full[1].array, full[0].array.shape[d] if mine else 1
    out = gather(full[0], d, wrap(from_the_end(places, n)))
    return watch(out, indices)


@public("masked_scatter", on="T i t")
def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """x with the elements of `source`, one after the other, where the bool mask holds."""
    for name, v in (("mask", mask), ("source", source)):
        if not isinstance(v, Variable):
            raise no_tensor("masked_scatter", name, v)
    if mask.array.dtype != np.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.array.dtype}")
    if source.array.dtype != x.array.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes")
    try:
        shape = np.broadcast_shapes(x.array.shape, mask.array.shape)
    except ValueError:
        raise unbroadcastable("masked_scatter", x, mask) from None
    places = np.flatnonzero(np.broadcast_to(mask.array, shape))
    if places.size > source.array.size:
        raise RuntimeError(
            f"masked_scatter: expected number of elements in source ({source.array.size}) to be at least the number of "
            f"ones in mask ({places.size})"
        )
    full = x if x.array.shape == shape else expand(x, shape=shape)
    taken = getitem(_line_of(source), key=(slice(places.size),))
    return watch(standalone(reshape(setitem(_line_of(full), taken, key=(places,)), shape=shape)), mask)
