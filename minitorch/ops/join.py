"""Joining and cutting along an axis: concatenate, and its adjoint, slicing."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Variable, primitive
from .dims import check_tensors, normalize, whole
from .index import getitem
from .layout import room
from .names import public
from .promotion import cast_all
from .shape import squeeze


@public("narrow")
def narrow(x: Any, dim: int, start: int, length: int) -> Any:
    """Elements start ... start + length - 1 along `dim`, a view. Raises RuntimeError if they don't exist."""
    if not x.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Variable) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise RuntimeError("narrow: `start` must be an integer or a 0-dim integer tensor")
    (d,) = normalize((dim,), x.ndim)
    n, start, length = x.shape[d], whole(start, "start"), whole(length, "length")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [-{n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return getitem(x, key=(slice(None),) * d + (slice(start, start + length),))


@primitive
def concatenate(*xs: np.ndarray, dim: int, new: bool = False) -> np.ndarray:
    """The arrays one after the other along axis `dim`; with `new`, each has one more axis there first, of size 1."""
    if new:
        xs = tuple([x.reshape(*x.shape[:dim], 1, *x.shape[dim:]) for x in xs])
    if builtins.sum(x.nbytes for x in xs) < kernels.SMALL:
        return np.concatenate(xs, axis=dim)
    first = max(xs, key=lambda x: x.nbytes)
    out = room(first, (*first.shape[:dim], builtins.sum(x.shape[dim] for x in xs), *first.shape[dim + 1 :]))
    start = 0
    for x in xs:
        stop = start + x.shape[dim]
        kernels.fill(out[(slice(None),) * dim + (slice(start, stop),)], x)
        start = stop
    return out


def _piece(g: Any, index: int, xs_shapes: list, dim: int, new: bool) -> Any:
    if new:
        return getitem(g, key=(slice(None),) * dim + (index, Ellipsis))
    return narrow(g, dim, builtins.sum(s[dim] for s in xs_shapes[:index]), xs_shapes[index][dim])


concatenate.vjp(xs=_piece)


@public("cat concat concatenate", on="t o")
def cat(tensors: Sequence, dim: int = 0) -> Any:
    """The tensors one after the other along `dim`. Raises RuntimeError if other sizes differ, ValueError for none."""
    tensors = check_tensors("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t.array.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = [t for t in tensors if t.array.shape != (0,)] or tensors[:1]  # PyTorch passes over empty vectors
    ndim = kept[0].array.ndim
    (d,) = normalize((dim,), ndim)
    for i, other in enumerate(kept):
        a, b = list(kept[0].array.shape), list(other.array.shape)
        if len(a) != len(b) or a[:d] + a[d + 1 :] != b[:d] + b[d + 1 :]:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {d}. Expected {tuple(a)} but got {tuple(b)} for "
                f"tensor number {i} in the list."
            )
    return concatenate(*cast_all(kept), dim=d)


@public("stack", on="t o")
def stack(tensors: Sequence, dim: int = 0) -> Any:
    """The tensors, all of one shape, along a new axis `dim`. Raises RuntimeError if shapes differ or there are none."""
    tensors = check_tensors("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0].array.shape
    for i, other in enumerate(tensors):
        if other.array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(other.array.shape)} at entry {i}"
            )
    (d,) = normalize((dim,), len(first) + 1)
    return concatenate(*cast_all(tensors), dim=d, new=True)


def _check_axes(name: str, x: Any) -> None:
    if not x.array.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")


@public("unsafe_split")
def unsafe_split(x: Any, split_size: int | Sequence[int], dim: int = 0) -> tuple:
    """`split`, whose pieces may each be changed in place where that is recorded."""
    _check_axes("split", x)
    (d,) = normalize((dim,), x.array.ndim)
    n = x.array.shape[d]
    if not isinstance(split_size, list | tuple):
        step = whole(split_size, "split_size")
        if step < 0 or (step == 0 and n):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
        pieces = [min(step, n - start) for start in range(0, n, step)] if n else [0]
    else:
        pieces = [whole(n, "split_size") for n in split_size]
        if builtins.sum(pieces) != n or any(p < 0 for p in pieces):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), "
                f"but got split_sizes={pieces}"
            )
    return tuple([narrow(x, d, builtins.sum(pieces[:i]), length) for i, length in enumerate(pieces)])


@public("split")
def split(x: Any, split_size: int | Sequence[int], dim: int = 0) -> tuple:
    """Views of x along `dim`: pieces of one size (the last may be smaller), or of the listed sizes."""
    return _several(unsafe_split(x, split_size, dim))


def _several(views: Sequence) -> tuple:
    """Views made by one call, which can't be changed in place where that would be recorded."""
    for view in views:
        view._made = view._made or "several"
    return tuple(views)


@public("unsafe_chunk")
def unsafe_chunk(x: Any, chunks: int, dim: int = 0) -> tuple:
    """`chunk`, whose pieces may each be changed in place where that is recorded."""
    _check_axes("chunk", x)
    if whole(chunks, "chunks") <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    (d,) = normalize((dim,), x.array.ndim)
    return unsafe_split(x, max(1, -(-x.array.shape[d] // chunks)), d)


@public("chunk")
def chunk(x: Any, chunks: int, dim: int = 0) -> tuple:
    """At most `chunks` views of nearly equal size along `dim`."""
    return _several(unsafe_chunk(x, chunks, dim))


@public("unbind")
def unbind(x: Any, dim: int = 0) -> tuple:
    """The slices of x along `dim`, without that axis."""
    (d,) = normalize((dim,), x.array.ndim)
    return _several([squeeze(narrow(x, d, i, 1), d) for i in range(x.array.shape[d])])
