"""Order along an axis: sort, and what chooses by order (topk, kthvalue, mode), finds places in it or drops repetitions.

A choice has no gradient: NumPy finds positions, then `gather` takes the values, and its rule is all that is needed.
NaN counts as larger than every number, -0 equals 0, and of equal elements the first comes first, in either direction.

Large arrays are sorted by *packed keys*: the bits of a number, turned so that they count as it does, above the bits of
its position. Then no two keys are equal, NumPy's vectorised sort, which is not stable, is stable, and positions are
what the low bits say. Where 64 bits have no room for both, the number's lowest bits are left out, and what they would
have told apart is put in order afterwards. A million float32 in rows of 1,024: 15 ms, where a stable argsort takes 48
(2026-11).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels, return_types
from ..autograd import Variable, is_grad_enabled
from ..autograd.following import step
from ..autograd.tape import watch, wrap
from ..dtypes import FLOATS, as_dtype, number
from .dims import flag, no_tensor, whole
from .index import take_along
from .layout import last, last_to
from .names import public
from .promotion import common
from .reduce import single
from .shape import reshape, squeeze, standalone

FEW = 1024  # elements up to which NumPy's stable argsort is faster than packed keys
BLOCK = 32  # elements of which `topk` looks at the largest first
MOST = 32  # leaders that a kernel keeps in order while it passes through a line


# ----------------------------------------------------------------------------------------------------- positions
def _keys(x: np.ndarray) -> np.ndarray:
    """Integers in the order of x's elements: equal for equals, and for all NaN the largest."""
    if x.dtype.kind not in FLOATS:
        return x.astype(np.int64) if x.dtype.itemsize < 4 else x
    integer = np.dtype(f"i{x.itemsize}")
    bits = (x + x.dtype.type(0)).view(integer)  # -0 + 0 is 0
    keys = bits ^ ((bits >> (8 * x.itemsize - 1)) & np.iinfo(integer).max)
    nan = np.isnan(x)
    if nan.any():
        keys[nan] = np.iinfo(integer).max
    return keys


def _positions(x: np.ndarray, descending: bool = False) -> np.ndarray:
    """The positions along the last axis of x that put it in order."""
    n = x.shape[-1]
    if x.size <= FEW:
        if not descending:
            return np.argsort(x, -1, kind="stable")
        return n - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    keys = _keys(np.ascontiguousarray(x))
    keys = ~keys if descending else keys
    low = int(keys.min())
    bits = (n - 1).bit_length()
    drop = max(0, (int(keys.max()) - low).bit_length() + bits - 64)
    numbers = keys.astype(np.int64).view(np.uint64)
    numbers -= np.uint64(low % 2**64)
    packed = ((numbers >> np.uint64(drop)) << np.uint64(bits)) | np.arange(n, dtype=np.uint64)
    packed.sort(-1)
    order = (packed & np.uint64((1 << bits) - 1)).view(np.int64)
    if drop:
        _settle(order.reshape(-1, n), numbers.reshape(-1, n), (packed >> np.uint64(bits)).reshape(-1, n))
    return order


def _settle(order: np.ndarray, numbers: np.ndarray, rough: np.ndarray) -> None:
    """Put in order, in place, what stands side by side with equal high bits: the low ones had no room in the keys."""
    tied = rough[:, 1:] == rough[:, :-1]
    if not tied.any():
        return
    members = np.zeros(order.shape, bool)
    members[:, 1:] = tied
    members[:, :-1] |= tied
    lines, slots = np.nonzero(members)
    places = order[lines, slots]
    order[lines, slots] = places[np.lexsort((numbers[lines, places], lines))]


def nth(x: np.ndarray, k: int) -> np.ndarray:
    """The first position along the last axis, kept with size 1, of an element as large as that with k before it."""
    value = np.partition(x, k, -1)[..., k : k + 1]
    found = x == value
    if x.dtype.kind in FLOATS and np.isnan(value).any():
        found |= np.isnan(value) & np.isnan(x)
    return found.argmax(-1)[..., None]


def _back(positions: np.ndarray, d: int) -> np.ndarray:
    """The last axis moved to d, in row-major order."""
    return kernels.contiguous(last_to(positions, d))


def lined(input: Any, dim: Any, name: str) -> tuple[Any, int]:
    """A tensor with an axis at least, a scalar as a line of one, and the axis counted from 0."""
    if not isinstance(input, Variable):
        raise no_tensor(name, "input", input)
    d = single(dim, input.array.ndim)
    return (input if input.array.ndim else reshape(input, shape=(1,))), d


def chosen(x: Any, positions: np.ndarray, d: int, like: Any) -> tuple:
    """The elements at these positions along d, which have the axes of `like`, a scalar maybe."""
    indices = wrap(positions)
    values = watch(take_along(x, positions, dim=d), indices)
    if not like.array.ndim:
        values, indices = standalone(reshape(values, shape=())), wrap(positions.reshape(()))
    return values, indices


def one_of_each(x: Any, positions: np.ndarray, d: int, like: Any, keepdim: bool) -> tuple:
    """As `chosen`, of one position for each line, whose axis goes unless it is kept."""
    values, indices = chosen(x, positions, d, like)
    if not keepdim and like.array.ndim:
        values, indices = standalone(squeeze(values, d)), wrap(positions.squeeze(d))
    return values, indices


def refuse_bools(x: Any, name: str) -> None:
    """Raises NotImplementedError for bools, which PyTorch's op does not take."""
    if x.array.dtype.kind == "b":
        raise NotImplementedError(f'"{name}" not implemented for Bool')


def nonempty(x: Any, d: int, name: str) -> None:
    """Raises IndexError where a line has nothing to choose from."""
    if not x.array.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


# ---------------------------------------------------------------------------------------------------------- sort
@public("sort", on="T t o")
@step("sort")
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> tuple:
    """(values, indices) in ascending or descending order along `dim`. The sort is always stable; NaN is the largest.

    >>> import minitorch
    >>> minitorch.tensor([3.0, 1.0, 2.0]).sort(descending=True).indices
    tensor([0, 2, 1])
    """
    x, d = lined(input, dim, "sort")
    flag(stable, "stable") if stable is not None else None
    order = _positions(last(x.array, d), flag(descending, "descending"))
    return return_types.sort(*chosen(x, _back(order, d), d, input))


@public("argsort", on="T t o")
@step("argsort")
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """The indices of `sort`, int64."""
    x, d = lined(input, dim, "argsort")
    flag(stable, "stable")
    order = _back(_positions(last(x.array, d), flag(descending, "descending")), d)
    return wrap(order.reshape(input.array.shape))


def in_order(x: Any, d: int) -> Any:
    """The values of `sort` alone, for which positions are found only where a gradient will need them."""
    if is_grad_enabled() and x.edge is not None:
        return take_along(x, _back(_positions(last(x.array, d)), d), dim=d)
    return wrap(np.sort(x.array, d))


@public("msort", on="T t o")
def msort(input: Any) -> Any:
    """The values of `sort` along the first axis."""
    return sort(input, 0).values


def _floor(rows: np.ndarray, k: int) -> np.ndarray | None:
    """A number for each row that its k largest elements reach, and few others; None if there is NaN.

    The k-th largest of the maxima of blocks is such a number, and found sooner than the k-th largest of all.
    """
    n = rows.shape[1]
    blocks = n // BLOCK
    if rows.dtype.kind in FLOATS and np.isnan(rows).any():
        return None
    if blocks >= 4 * k:  # of elements n / BLOCK apart, which NumPy compares fastest
        best = rows[:, : blocks * BLOCK].reshape(len(rows), BLOCK, blocks).max(1)
        return np.partition(best, blocks - k, -1)[:, blocks - k, None]
    return np.partition(rows, n - k, -1)[:, n - k, None]


def leading(x: np.ndarray, k: int, largest: bool = True) -> np.ndarray:
    """The positions of the k largest, or smallest, along the last axis, in order."""
    n = x.shape[-1]
    if x.size > FEW and 0 < k <= MOST and x.dtype.char in "fd":
        out = np.empty((*x.shape[:-1], k), np.int64)
        kernels.leading_places(x.reshape(-1, n), out.reshape(-1, k), largest)
        return out
    if largest:
        return _leading(x, k)
    if x.dtype.kind in FLOATS and np.isnan(x).any():  # the largest also of the negative ones
        return np.ascontiguousarray(_positions(x)[..., :k])
    return _leading(-x if x.dtype.kind in FLOATS else ~x, k)


def _leading(x: np.ndarray, k: int) -> np.ndarray:
    """`leading` of the largest: a sort of those that can be among them."""
    n = x.shape[-1]
    rows = np.ascontiguousarray(x).reshape(-1, n)
    floor = _floor(rows, k) if x.size > FEW and 0 < k <= n // 2 else None
    if floor is not None:
        at = np.flatnonzero(rows >= floor)
        counts = np.bincount(at // n, minlength=len(rows))
        most = int(counts.max())
        if 2 * most <= n:
            places = np.arange(most) < counts[:, None]
            candidates, positions = np.full(places.shape, lowest(x.dtype), x.dtype), np.zeros(places.shape, np.int64)
            candidates[places], positions[places] = rows.reshape(-1)[at], at % n
            order = _positions(candidates, descending=True)[:, :k]
            return np.take_along_axis(positions, order, -1).reshape(*x.shape[:-1], k)
    return np.ascontiguousarray(_positions(x, descending=True)[..., :k])


def lowest(dtype: np.dtype) -> Any:
    """The number that is above no other."""
    return -np.inf if dtype.kind in FLOATS else np.iinfo(dtype).min


@public("topk", on="T t o")
@step("topk")
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple:
    """(values, indices) of the k largest (or smallest) elements along `dim`, in order; of equals the first.

    Raises RuntimeError where there are fewer than k.

    >>> import minitorch
    >>> minitorch.tensor([3.0, 1.0, 2.0]).topk(2).values
    tensor([3., 2.])
    """
    x, d = lined(input, dim, "topk")
    k, n = whole(k, "k"), x.array.shape[d]
    flag(sorted, "sorted")
    if not 0 <= k <= n:
        raise RuntimeError("selected index k out of range")
    if x.array.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if not input.array.ndim:
        return return_types.topk(*chosen(x, np.zeros(1, np.int64), d, input))
    lines = last(x.array, d)
    found = leading(lines, k, flag(largest, "largest"))
    return return_types.topk(*chosen(x, _back(found, d), d, input))


@public("kthvalue", on="T t o")
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> tuple:
    """(values, indices) of the k-th smallest elements along `dim`, counted from 1; of equals the first."""
    x, d = lined(input, dim, "kthvalue")
    k = whole(k, "k")
    nonempty(x, d, "kthvalue")
    if not 1 <= k <= x.array.shape[d]:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    if input.array.ndim:
        refuse_bools(x, "kthvalue_cpu")
    place = _back(nth(last(x.array, d), k - 1), d)
    return return_types.kthvalue(*one_of_each(x, place, d, input, flag(keepdim, "keepdim")))


@public("mode", on="T t o")
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> tuple:
    """(values, indices) of the element that is most often there along `dim`, the smallest of several, and where it is
    last. Every NaN is another element."""
    x, d = lined(input, dim, "mode")
    nonempty(x, d, "mode")
    lines = last(x.array, d)
    ordered = np.sort(lines, -1)
    n = ordered.shape[-1]
    numbers = np.arange(n)
    begins = np.ones(ordered.shape, bool)
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=begins[..., 1:])
    runs = numbers - np.maximum.accumulate(np.where(begins, numbers, 0), -1)
    often = np.take_along_axis(ordered, runs.argmax(-1)[..., None], -1) if n else ordered
    place = n - 1 - (lines == often)[..., ::-1].argmax(-1)[..., None]
    place = np.where(often == often, place, 0)  # a NaN only where there is nothing else
    return return_types.mode(*one_of_each(x, _back(place, d), d, input, flag(keepdim, "keepdim")))


# --------------------------------------------------------------------------------------------- places in an order
def bisect(ordered: np.ndarray, values: np.ndarray, right: bool) -> np.ndarray:
    """For each value the place in its line of `ordered`, or in the only one, by halving; NaN is beyond all it meets."""
    out = kernels.empty(values.shape, np.int64)
    if out.size:
        lines = (-1, values.shape[-1]) if ordered.ndim > 1 else (1, -1)
        rows = ordered.reshape(-1, ordered.shape[-1]) if ordered.shape[-1] else np.empty((1, 0), ordered.dtype)
        kernels.bisect_places(rows, values.reshape(lines), out.reshape(lines), right)
    return out


def _places(ordered: Any, values: Any, right: bool, out_int32: bool) -> Any:
    for v in (ordered, values):
        if values.array.size:
            refuse_bools(v, "searchsorted_out_cpu")
    dtype = ordered.array.dtype
    if values.array.dtype != dtype:
        dtype = common(ordered, values)
    lines, wanted = ordered.array.astype(dtype, copy=False), values.array.astype(dtype, copy=False)
    if lines.ndim > 1 or dtype.kind in FLOATS:
        found = bisect(lines, np.atleast_1d(wanted), right).reshape(wanted.shape)
    else:
        found = np.asarray(np.searchsorted(lines, wanted, "right" if right else "left"))
    return wrap(found.astype(np.int32 if out_int32 else np.int64, copy=False))


def _values(name: str, x: Any, ordered: Any) -> Any:
    """What is looked for: a tensor, or a number, which takes the dtype of what it is looked for in."""
    if isinstance(x, Variable):
        return x
    if not isinstance(x, float | int):
        raise no_tensor(name, "input", x)
    if ordered.array.ndim != 1:
        raise RuntimeError(
            f"torch.{name}(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({ordered.array.ndim})"
        )
    return wrap(np.asarray(x, np.float64)) if isinstance(x, float) else wrap(number(x, np.dtype(np.int64)))


@public("searchsorted", on="t o")
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where in the last axis of `sorted_sequence`, a line or one for each line of `input`, elements would have to stand
    to keep it sorted: before its equals, or behind them with `right` or side="right". `sorter`: indices that sort it.

    >>> import minitorch
    >>> minitorch.searchsorted(minitorch.tensor([1, 3, 5]), minitorch.tensor([3, 6]))
    tensor([1, 3])
    """
    name = "searchsorted"
    if not isinstance(sorted_sequence, Variable):
        raise no_tensor(name, "sorted_sequence", sorted_sequence)
    flag(right, "right")
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.{name}(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"torch.{name}(): side and right can't be set to opposites, got side of left while right was True"
        )
    ordered = sorted_sequence.detach()
    a = ordered.array.shape
    if not a:
        raise RuntimeError(f"torch.{name}(): boundaries tensor should have positive dimension, but got 0 dimension")
    values = _values(name, input, ordered)
    v = values.array.shape
    if len(a) > 1 and (len(a) != len(v) or a[:-1] != v[:-1]):
        raise RuntimeError(
            f"torch.{name}(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(a)} and input value tensor "
            f"{list(v)}"
        )
    if sorter is not None:
        ordered = wrap(np.take_along_axis(ordered.array, _checked_sorter(sorter, a), -1))
    return _places(ordered, values, right or side == "right", flag(out_int32, "out_int32"))


def _checked_sorter(sorter: Any, shape: tuple) -> np.ndarray:
    if not isinstance(sorter, Variable):
        raise no_tensor("searchsorted", "sorter", sorter)
    if sorter.array.shape != shape:
        raise RuntimeError(
            f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {list(shape)} "
            f"and got sorter tensor {list(sorter.array.shape)}"
        )
    if sorter.array.dtype != np.int64:
        raise RuntimeError(
            f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {as_dtype(sorter.array.dtype)}"
        )
    if sorter.array.size and not (sorter.array.min() >= 0 and sorter.array.max() < shape[-1]):
        raise RuntimeError("torch.searchsorted(): sorter index out of range")
    return sorter.array


@public("bucketize", on="t o")
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The number of the bucket between sorted `boundaries` (n,) that each element of input (a tensor or a number) falls
    into, 0 to n; a boundary itself ends its bucket, or begins the next one with `right`."""
    if not isinstance(boundaries, Variable):
        raise no_tensor("bucketize", "boundaries", boundaries)
    if boundaries.array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.array.ndim})")
    values = _values("bucketize", input, boundaries)
    return _places(boundaries, values, flag(right, "right"), flag(out_int32, "out_int32"))


# --------------------------------------------------------------------------------------------- without repetitions
def _told(values: np.ndarray, inverse: np.ndarray | None, counts: np.ndarray | None) -> Any:
    found = [wrap(values)] + [wrap(np.asarray(v, np.int64)) for v in (inverse, counts) if v is not None]
    return tuple(found) if len(found) > 1 else found[0]


def _counted(begins: np.ndarray) -> np.ndarray:
    """How many elements the runs have that begin where this says."""
    return np.diff(np.append(np.flatnonzero(begins), begins.size))


def _begins(ordered: np.ndarray) -> np.ndarray:
    """Where along the first axis something stands that is not what stands before it."""
    out = np.ones(len(ordered), bool)
    differs = ordered[1:] != ordered[:-1]
    out[1:] = differs.any(tuple(range(1, differs.ndim)))
    return out


def _by_table(x: np.ndarray, inverse: bool) -> tuple | None:
    """The distinct integers of a line, their numbers and counts, by a table of all between; None if that is long."""
    if x.dtype.kind in FLOATS or not x.size:
        return None
    x = x.astype(np.int64) if x.dtype.kind == "b" else x
    low = int(x.min())
    if int(x.max()) - low > 4 * x.size:
        return None
    places = x.astype(np.int64) - low
    counts = np.bincount(places)
    present = np.flatnonzero(counts)
    numbers = (np.cumsum(counts > 0) - 1)[places] if inverse else None
    return present + low, numbers, counts[present]


def _distinct(x: np.ndarray, inverse: bool) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The distinct elements of a line in order, the number of each element's, and how often each is there."""
    found = _by_table(x, inverse)
    if found is not None:
        return found[0].astype(x.dtype), found[1], found[2]
    if not inverse:
        ordered = np.sort(x)
        begins = _begins(ordered)
        return ordered[begins], None, _counted(begins)
    order = _positions(x)
    ordered = x[order]
    begins = _begins(ordered)
    numbers = np.empty(x.size, np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return ordered[begins], numbers, _counted(begins)


def _slices(x: Any, dim: Any, name: str) -> tuple[np.ndarray, int]:
    """The slices along an axis, which comes first, and the axis."""
    if not x.array.ndim:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    d = single(dim, x.array.ndim)
    if 0 in x.array.shape and not (x.array.shape[d] == 0 and x.array.shape.count(0) == 1):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return np.moveaxis(x.array, d, 0), d


@public("unique")
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The distinct elements, in order, or with `dim` the distinct slices along that axis; with them as asked for, where
    each element's (or slice's) is among them, and how often each is there. Every NaN is another element.

    >>> import minitorch
    >>> minitorch.unique(minitorch.tensor([2, 1, 2]), return_counts=True)
    (tensor([1, 2]), tensor([1, 2]))
    """
    if not isinstance(input, Variable):
        raise no_tensor("unique", "input", input)
    for name, value in (("sorted", sorted), ("return_inverse", return_inverse), ("return_counts", return_counts)):
        flag(value, name)
    if dim is None:
        values, numbers, counts = _distinct(input.array.reshape(-1), return_inverse)
        inverse = None if numbers is None else numbers.reshape(input.array.shape)
        return _told(values, inverse, counts if return_counts else None)
    slices, d = _slices(input, dim, "unique")
    flat = slices.reshape(len(slices), math.prod(slices.shape[1:]))
    order = np.lexsort(flat.T[::-1]) if flat.size else np.zeros(0, np.int64)
    ordered = flat[order]
    begins = _begins(ordered)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(begins) - 1
    values = np.ascontiguousarray(np.moveaxis(slices[order][begins], 0, d))
    return _told(values, numbers if return_inverse else None, _counted(begins) if return_counts else None)


@public("unique_consecutive")
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """input without elements (or slices along `dim`) that repeat the one before; with it, as asked for, where each
    element's is among what is left, and how long each run was."""
    if not isinstance(input, Variable):
        raise no_tensor("unique_consecutive", "input", input)
    for name, value in (("return_inverse", return_inverse), ("return_counts", return_counts)):
        flag(value, name)
    if dim is None:
        slices, d, shape = input.array.reshape(-1), 0, input.array.shape
    else:
        slices, d = _slices(input, dim, "unique_consecutive")
        shape = slices.shape[:1]
    begins = _begins(slices)
    values = np.ascontiguousarray(np.moveaxis(slices[begins], 0, d))
    inverse = (np.cumsum(begins) - 1).reshape(shape) if return_inverse else None
    return _told(values, inverse, _counted(begins) if return_counts else None)
