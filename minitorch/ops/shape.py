"""Where elements stand: reshape, permute, expand and its adjoint sum_to, concatenate, pad, flip."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import Variable, primitive
from ..autograd.tape import follow
from .collapse import total
from .dims import check_size, listed, no_tensor, normalize, sizes
from .layout import copied, room
from .names import public


@primitive(view=True)
def reshape(x: np.ndarray, *, shape: tuple) -> np.ndarray:
    """The elements of x in row-major order, in another shape; a view where strides allow it."""
    if x.nbytes < kernels.SMALL or x.flags.c_contiguous or not _copies(x.shape, x.strides, shape):
        return x.reshape(shape)
    return kernels.contiguous(x).reshape(shape)


@functools.lru_cache
def _copies(old: tuple, strides: tuple, new: tuple) -> bool:
    """Whether another shape is no view: where axes do not lie together, both shapes must have a border."""
    axes = [(n, stride) for n, stride in zip(old, strides, strict=True) if n != 1]
    before = itertools.accumulate((n for n, _ in axes), operator.mul)
    gaps = {count for count, (_, a), (n, b) in zip(before, axes, axes[1:], strict=False) if a != n * b}
    return 0 not in old and not gaps <= set(itertools.accumulate(new, operator.mul))


reshape.vjp(
    # BEGIN SOLUTION 3.5: x
    x=lambda g, x_shape: reshape(g, shape=x_shape),
    # END SOLUTION
)


@primitive(view=True)
def permute(x: np.ndarray, *, dims: tuple) -> np.ndarray:
    """Reordered axes: axis i of the result is axis dims[i] of x."""
    return x.transpose(dims)


permute.vjp(
    # BEGIN SOLUTION 3.5: x
    x=lambda g, dims: permute(g, dims=tuple(dims.index(d) for d in range(len(dims)))),
    # END SOLUTION
)


@primitive(view=True)
def expand(x: np.ndarray, *, shape: tuple) -> np.ndarray:
    """x repeated along axes of size 1 and new leading ones, without copying."""
    out = np.broadcast_to(x, shape)
    out.flags.writeable = x.flags.writeable  # one element of expanded memory may be written, as in PyTorch
    return out


@primitive
def sum_to(x: np.ndarray, *, shape: tuple) -> np.ndarray:
    """x summed over the axes along which `shape` was broadcast: the adjoint of expand.

    These are the leading axes of x that `shape` does not have, and those where `shape` has 1 and x has more. `total`
    sums over several axes: total(x, axes, True) is what x.sum(axes, keepdims=True) is.
    """
    # BEGIN SOLUTION 3.1
    ahead = x.ndim - len(shape)
    axes = tuple(range(ahead)) + tuple(ahead + i for i, n in enumerate(shape) if n == 1 and x.shape[ahead + i] != 1)
    return total(x, axes, True).reshape(shape)
    # END SOLUTION


expand.vjp(
    # BEGIN SOLUTION 3.1: x
    x=lambda g, x_shape: fit(g, x_shape),
    # END SOLUTION
)
sum_to.vjp(
    # BEGIN SOLUTION 3.1: x
    x=lambda g, x_shape: expand(g, shape=x_shape),
    # END SOLUTION
)


def fit(g: Any, shape: tuple) -> Any:
    """`sum_to`, or g itself where it has the shape already: what rules of broadcasting ops call."""
    return g if g.shape == shape else sum_to(g, shape=shape)


@primitive
def pad_constant(x: np.ndarray, *, widths: tuple, value: float = 0.0) -> np.ndarray:
    """x with `value` around it; widths: (before, after) per axis, negative ones cut off."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    if any(width for pair in widths for width in pair):
        inside, source = [], []
        for n, m, (before, after) in zip(x.shape, shape, widths, strict=True):
            inside.append(slice(max(before, 0), m - max(after, 0)))
            source.append(slice(max(-before, 0), n - max(-after, 0)))
        return surrounded(x[tuple(source)], shape, tuple(inside), value)
    return copied(x)


def surrounded(x: np.ndarray, shape: tuple, inside: tuple, value: float = 0.0) -> np.ndarray:
    """`value` in an array of `shape`, but x in the slices `inside`, one for each axis, of step 1."""
    out, place = room(x, shape), (*inside, Ellipsis)  # with an Ellipsis it is an array also where there are no axes
    if not x.size or out.nbytes < kernels.SMALL:
        out.fill(value)
        out[place] = x
        return out
    for axis, (taken, n) in enumerate(zip(inside, shape, strict=True)):
        start, stop, _ = taken.indices(n)
        for border in (slice(0, start), slice(stop, n)):
            if border.start < border.stop:
                rest = out[inside[:axis] + (border,)]  # noqa: RUF005 Python 3.10 has no star in an index
                kernels.fill(rest, np.broadcast_to(out.dtype.type(value), rest.shape))
    kernels.fill(out[place], x)
    return out


pad_constant.vjp(x=lambda g, widths: pad_constant(g, widths=tuple((-before, -after) for before, after in widths)))


@primitive
def flip(x: np.ndarray, *, dims: tuple) -> np.ndarray:
    """x reversed along the axes `dims`."""
    out = room(x)
    kernels.fill(out, np.flip(x, dims))
    return out


@primitive
def roll(x: np.ndarray, *, shifts: tuple, dims: tuple) -> np.ndarray:
    """x with the elements of each axis in `dims` moved up by its shift, those beyond the end to the beginning."""
    out, parts = room(x), []
    for n, shift in zip((x.shape[d] for d in dims), shifts, strict=True):
        k = shift % n if n else 0
        parts.append([(slice(k, None), slice(0, n - k)), (slice(0, k), slice(n - k, None))])
    for choice in itertools.product(*parts):
        to, source = [slice(None)] * x.ndim, [slice(None)] * x.ndim
        for d, (up, down) in zip(dims, choice, strict=True):
            to[d], source[d] = up, down
        kernels.fill(out[tuple(to)], x[tuple(source)])
    return out


roll.vjp(x=lambda g, shifts, dims: roll(g, shifts=tuple(-shift for shift in shifts), dims=dims))


@primitive
def tile(x: np.ndarray, *, times: tuple) -> np.ndarray:
    """x laid out `times` along each axis."""
    out = kernels.empty(tuple([t * n for t, n in zip(times, x.shape, strict=True)]), x.dtype)
    if out.shape == x.shape:
        kernels.fill(out, x)
        return out
    paired = np.expand_dims(x, tuple(range(0, 2 * x.ndim, 2)))
    spread = tuple(m for pair in zip(times, x.shape, strict=True) for m in pair)
    kernels.fill(out.reshape(spread), np.broadcast_to(paired, spread))
    return out


def _gathered(g: Any, times: tuple, shape: tuple) -> Any:
    """The sum over the copies that `tile` made of x."""
    if all(t == 1 for t in times):
        return g
    spread = reshape(g, shape=tuple(m for pair in zip(times, shape, strict=True) for m in pair))
    return reshape(sum_to(spread, shape=tuple(m for n in shape for m in (1, n))), shape=shape)


tile.vjp(x=lambda g, times, x_shape: _gathered(g, times, x_shape))


flip.vjp(
    # BEGIN SOLUTION 3.5: x
    x=lambda g, dims: flip(g, dims=dims),
    # END SOLUTION
)


# -------------------------------------------------------------------------------------- the public forms of the above


def infer(shape: tuple, size: int) -> tuple[int, ...]:
    """`shape` with its one -1, if any, filled in for `size` elements. Raises RuntimeError if they don't fit."""
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {next(n for n in shape if n < -1)} in shape {list(shape)}")
    unknown = shape.count(-1)
    if unknown > 1:
        raise RuntimeError(f"only one dimension can be inferred, but shape {list(shape)} has {unknown} of -1")
    known = math.prod(n for n in shape if n != -1)
    if unknown and known == 0:
        raise RuntimeError(
            f"cannot reshape tensor of {size} elements into shape {list(shape)} because the unspecified dimension size "
            "-1 can be any value and is ambiguous"
        )
    if known != size if not unknown else size % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return tuple(size // known if n == -1 else n for n in shape)


def _named(name: str, value: Any, spread: tuple) -> tuple:
    """Sizes or axes that were passed one by one, or together by name."""
    if value is not None and spread:
        raise TypeError(f"pass sizes or axes by themselves or as `{name}`, not both")
    return spread if value is None else (value,)


@public("reshape")
def reshape_to(x: Any, *sizes_: Any, shape: Any = None) -> Any:
    """The elements of x in another shape, one entry of which may be -1; a view where memory allows it.

    Images that a layer made stand channels-last in memory. They are brought into row-major order first, so that the
    view shares their memory, and with them all tensors that share it. Only where somebody has it as a NumPy array the
    result is a copy, and what is written into that does not reach the image. Raises RuntimeError if the numbers of
    elements differ.
    """
    target = sizes(_named("shape", shape, sizes_))
    return _viewed(x, infer(target, x.array.size))


def _viewed(x: Any, shape: tuple) -> Any:
    """x in another shape; where that is no view, its memory is brought into row-major order before."""
    if not x.array.flags.c_contiguous and _copies(x.array.shape, x.array.strides, shape):
        _straighten(x)
    return reshape(x, shape=shape)


def _straighten(x: Any) -> None:
    """Bring the memory of x into row-major order, for all tensors that share it, unless somebody unknown does."""
    if x._shared is None:  # nobody else has it
        x.array = kernels.contiguous(x.array)
        return
    tensors = [(tensor, path) for other, path in x.version.sharers if (tensor := other()) is not None]
    whole = next((tensor.array for tensor, path in tensors if not path), None)
    if whole is None or whole.flags.c_contiguous:
        return
    straight = kernels.contiguous(whole)
    arrays = [follow(path, straight) for _, path in tensors]
    if all(np.may_share_memory(array, straight) for array in arrays):
        for (tensor, _), array in zip(tensors, arrays, strict=True):
            tensor.array = array


def unshared(out: Any, x: Any) -> Any:
    """`out`, or a copy where its memory is that of x: for functions whose results are never views."""
    return out.clone() if np.may_share_memory(out.array, x.array) else standalone(out)


def standalone(out: Any) -> Any:
    """`out`, no longer a view: what it was taken from is an intermediate result, and nobody else has it."""
    out.base, out.chain = None, ()
    return out


@public("view", on="T")
def view(x: Any, *shape: Any, dtype: Any = None, size: Any = None) -> Any:
    """The same memory in another shape, one entry of which may be -1; or, called with a dtype, read as that dtype.

    Raises RuntimeError where the memory does not allow it: `reshape` copies there. The second form is never on the
    tape; where the sizes of elements differ, the last dimension is scaled.
    """
    shape = shape if size is None else _named("size", size, shape)
    if dtype is None and len(shape) == 1 and isinstance(shape[0], (dtypes.dtype, np.dtype, type)):
        (dtype,), shape = shape, ()
    if dtype is None:
        target = infer(sizes(shape), x.array.size)
        if x.base is not None and x.base.array.flags.c_contiguous and _copies(x.array.shape, x.array.strides, target):
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
                "two contiguous subspaces). Use .reshape(...) instead."
            )
        return _viewed(x, target)
    if shape:
        raise TypeError(f"view: takes a shape or a dtype, but got both: {shape} and {dtype}")
    out = x.detach()
    out.array = _reinterpreted(out.array, dtypes.as_dtype(dtype).numpy)
    return out


def _reinterpreted(x: np.ndarray, to: np.dtype) -> np.ndarray:
    """The memory of x read as another dtype."""
    if to.itemsize == x.itemsize:
        return x.view(to)
    was, new = (dtypes.as_dtype(d).type_name.removesuffix("Tensor") for d in (x.dtype, to))
    why = f"to view {was} as {new} (different element sizes)"
    if not x.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 {why}")
    ratio, rest = divmod(to.itemsize, x.itemsize)
    strides = [stride // x.itemsize for stride in x.strides]
    address = x.__array_interface__["data"][0]
    wider = [("size(-1)", x.shape[-1]), ("storage_offset()", address // x.itemsize % (ratio or 1))]
    for what, n in wider if not rest else ():
        if n % ratio:
            raise RuntimeError(f"self.{what} must be divisible by {ratio} {why}, but got {n}")
    if strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 {why}, but got {strides[-1]}; call .contiguous() first")
    for d, stride in enumerate(strides[:-1] if not rest else ()):
        if stride % ratio:
            raise RuntimeError(f"self.stride({d}) must be divisible by {ratio} {why}, but got {stride}")
    return x.view(to)


@public("permute")
def permute_to(x: Any, *axes: Any, dims: Any = None) -> Any:
    """Reordered axes: axis i of the result is axis dims[i] of x. Raises RuntimeError unless dims is a permutation."""
    order = listed(_named("dims", dims, axes))
    if len(order) != x.array.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {x.array.ndim} is not equal to len(dims) = {len(order)}"
        )
    return permute(x, dims=normalize(order, x.array.ndim))


@public("transpose swapdims", on="T v t")
def transpose(x: Any, dim0: int, dim1: int) -> Any:
    """x with two axes exchanged."""
    order = list(range(x.ndim))
    if not order:
        normalize((dim0, dim1), 0, unique=False)
        return x
    (a, b) = normalize((dim0, dim1), len(order), unique=False)
    order[a], order[b] = order[b], order[a]
    return permute(x, dims=tuple(order))


@public("swapaxes", on="T v t")
def swapaxes(x: Any, axis0: int, axis1: int) -> Any:
    """`transpose`, by NumPy's name."""
    return transpose(x, axis0, axis1)


@public("t", on="T v t")
def t(x: Any) -> Any:
    """The transpose of a matrix; vectors and scalars as they are. Raises RuntimeError for more dimensions."""
    if x.array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.array.ndim}D")
    return transpose(x, 0, 1) if x.array.ndim == 2 else x


@public("movedim moveaxis")
def movedim(x: Any, source: Any, destination: Any) -> Any:
    """x with axes `source` moved to `destination`, the others in order."""
    ndim = x.array.ndim
    from_, to = normalize(listed((source,)), ndim), normalize(listed((destination,)), ndim)
    if len(from_) != len(to):
        raise RuntimeError(f"movedim: source {from_} and destination {to} differ in length")
    order = [i for i in range(ndim) if i not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return permute(x, dims=tuple(order))


@public("flatten")
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim` as one."""
    shape = x.array.shape
    start, end = normalize((start_dim, end_dim), len(shape), unique=False)
    if start > end:
        raise RuntimeError(f"flatten() has invalid args: start_dim {start_dim} cannot come after end_dim {end_dim}")
    if not shape:
        return reshape(x, shape=(1,))
    if start == end:
        return x
    return _viewed(x, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@public("unflatten")
def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Axis `dim` as several axes of the given sizes, one of which may be -1."""
    shape = x.array.shape
    (d,) = normalize((dim,), len(shape))
    return reshape(x, shape=(*shape[:d], *infer(tuple(sizes), shape[d]), *shape[d + 1 :]))


@public("squeeze", on="T v t")
def squeeze(x: Any, dim: int | Sequence[int] | None = None) -> Any:
    """x without its axes of size 1, or without those of `dim` that have size 1."""
    shape = x.shape
    dims = range(len(shape)) if dim is None else normalize(listed((dim,)), len(shape))
    return reshape(x, shape=tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


@public("unsqueeze", on="T v t")
def unsqueeze(x: Any, dim: int) -> Any:
    """x with a new axis of size 1 at `dim`."""
    shape = x.shape
    (d,) = normalize((dim,), len(shape) + 1)
    return reshape(x, shape=(*shape[:d], 1, *shape[d:]))


@public("expand", on="T")
def expand_to(x: Any, *shape: Any, size: Any = None, implicit: bool = False) -> Any:
    """x repeated without copying to `shape`, where -1 keeps a size. Raises RuntimeError where a size is not 1."""
    target, source = sizes(shape if size is None else _named("size", size, shape)), x.array.shape
    lead = len(target) - len(source)
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(source)})"
        )
    full = []
    for i, n in enumerate(target):
        old = source[i - lead] if i >= lead else None
        if n == -1 and old is None:
            raise RuntimeError(
                f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
            )
        if old is not None and n not in (-1, old) and old != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(target)}.  Tensor sizes: {list(source)}"
            )
        full.append(old if n == -1 else n)
    return expand(x, shape=tuple(full))


@public("expand_as", on="T")
def expand_as(x: Any, other: Any) -> Any:
    """x expanded to the shape of `other`."""
    if not isinstance(other, Variable):
        raise no_tensor("expand_as", "other", other)
    return expand_to(x, *other.array.shape)


@public("broadcast_to")
def broadcast_to(x: Any, size: Sequence[int]) -> Any:
    """x expanded to `size`."""
    return expand_to(x, size)


@public("repeat", on="T")
def repeat(x: Any, *times_: Any, repeats: Any = None) -> Any:
    """Copies of x laid out `repeats` times along each axis."""
    times = sizes(_named("repeats", repeats, times_))
    if times and min(times) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(times)}: {list(times)}")
    if len(times) < x.array.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * (len(times) - x.array.ndim) + x.array.shape
    check_size(tuple([n * by for n, by in zip(shape, times, strict=True)]), x.array.itemsize)
    return tile(reshape(x, shape=shape), times=times)


@public("roll")
def rolled(x: Any, shifts: Any, dims: Any = None) -> Any:
    """`roll`: the elements of each axis in `dims` moved up by its shift, in a circle; by default of x as one line.

    Raises RuntimeError unless there is a shift for each axis.
    """
    by = listed((shifts,))
    axes = None if dims is None else listed((dims,))
    if not by:
        raise RuntimeError("roll: `shifts` required")
    if axes and not x.array.ndim:
        raise IndexError(f"roll: dimension specified as {axes[0]} but tensor has no dimensions")
    if not axes:
        if len(by) != 1:
            raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(by)}, dims:0")
        line = roll(reshape(x, shape=(x.array.size,)), shifts=by, dims=(0,))
        return standalone(reshape(line, shape=x.array.shape))
    if len(by) != len(axes):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(by)}, dims:{len(axes)}")
    total: dict[int, int] = {}
    for d, shift in zip(normalize(axes, x.array.ndim, unique=False), by, strict=True):
        total[d] = total.get(d, 0) + shift
    return roll(x, shifts=tuple(total.values()), dims=tuple(total))


@public("flip")
def flip_dims(x: Any, *axes: Any, dims: Any = None) -> Any:
    """x reversed along the given axes (a copy)."""
    order = normalize(listed(_named("dims", dims, axes)), x.array.ndim)
    return flip(x, dims=order if x.array.ndim else ())
