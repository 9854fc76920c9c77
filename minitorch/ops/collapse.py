"""Axes in the order of memory, neighbours merged: how arrays of any rank become (outer, reduced, inner) for kernels.

Axes are sorted by their strides, so that channels-last images and any other permutation are read as they lie; arrays
with gaps are copied first. Neighbours that are reduced alike merge. Where reduced axes do not all lie together, as
batch and pixels of a channels-first image, the largest group goes first, into float64 if the kernel rounds, and the
others after it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from .layout import ordered_back

FEW = 4096  # elements up to which NumPy is faster than a kernel's call


def worthwhile(x: np.ndarray) -> bool:
    """Whether kernels reduce x; NumPy does small arrays, integers and other floats."""
    return x.size > FEW and x.dtype.char in "fd"


class Collapse(NamedTuple):
    """x's axes in memory's order, and three factors: what is before, in and behind one group of reduced axes."""

    order: tuple[int, ...] | None  # None: as they are
    axes: tuple[int, ...]  # the group, as axes of x
    sizes: tuple[int, int, int]
    shape: tuple[int, ...]  # of x
    rest: bool  # whether other axes are still to be reduced

    @classmethod
    def of(cls, x: np.ndarray, dim: tuple[int, ...]) -> Collapse:
        """The largest group of x's reduced axes."""
        if x.flags.c_contiguous and len(dim) == 1:  # nearly always so
            shape, (d,) = x.shape, dim
            return cls(None, dim, (math.prod(shape[:d]), shape[d], math.prod(shape[d + 1 :])), shape, False)
        return _largest(x.shape, x.strides, x.itemsize, dim)

    def full(self, x: np.ndarray) -> np.ndarray:
        """An array of the shape as (outer, reduced, inner)."""
        return np.ascontiguousarray(x.transpose(self.order) if self.order else x).reshape(self.sizes)

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """The shape with 1 where it is reduced."""
        return tuple(1 if axis in self.axes else n for axis, n in enumerate(self.shape))

    def kept(self, x: np.ndarray) -> np.ndarray:
        """An array that was reduced over this group, and may be over others, as (outer, inner)."""
        spread = np.broadcast_to(x, self.kept_shape)
        spread = spread.transpose(self.order) if self.order else spread
        return np.ascontiguousarray(spread).reshape(self.sizes[0], self.sizes[2])

    def back(self, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A kernel's result as an array of x's shape, or of `kept_shape`."""
        if not self.order:
            return y.reshape(shape)
        return ordered_back(y, shape, self.order)


@functools.lru_cache(1024)
def _largest(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int, dim: tuple[int, ...]) -> Collapse:
    by_stride = sorted(range(len(shape)), key=lambda axis: -strides[axis] if shape[axis] > 1 else 0)
    long, step = [axis for axis in by_stride if shape[axis] > 1], itemsize
    dense = True
    for axis in reversed(long):
        dense, step = dense and strides[axis] == step, step * shape[axis]
    order = tuple(by_stride) if dense and long != sorted(long) else None
    groups: list[tuple[bool, list[int]]] = []
    for axis in order or range(len(shape)):
        if shape[axis] != 1:
            if not groups or groups[-1][0] != (axis in dim):
                groups.append((axis in dim, []))
            groups[-1][1].append(axis)
    counts = [math.prod(shape[axis] for axis in axes) for _, axes in groups]
    which = [i for i, (is_reduced, _) in enumerate(groups) if is_reduced]
    if not which:
        return Collapse(order, (), (math.prod(shape), 1, 1), shape, False)
    best = max(which, key=lambda i: counts[i])
    sizes = math.prod(counts[:best]), counts[best], math.prod(counts[best + 1 :])
    return Collapse(order, tuple(groups[best][1]), sizes, shape, len(which) > 1)


def reduce(
    kernel: Callable,
    fulls: Sequence[np.ndarray],
    kepts: Sequence[np.ndarray],
    dim: tuple[int, ...],
    again: Callable | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """kernel(*fulls, *kepts, out) over `dim`, which stays with size 1; `again` combines what it gave for groups.

    kepts have size 1 along `dim`. dtype: that of the result, by default the operands'.
    """
    how, own = Collapse.of(fulls[0], dim), fulls[0].dtype
    wide = again in (kernels.sum_along, kernels.prod_along)
    between = np.dtype(np.float64) if how.rest and wide else np.dtype(dtype or own)
    out = kernels.empty((how.sizes[0], how.sizes[2]), between)
    kernel(*map(how.full, fulls), *map(how.kept, kepts), out)
    found = how.back(out, how.kept_shape)
    if how.rest:
        found = reduce(again, [found], [], dim, again).astype(dtype or own, copy=False)  # type: ignore[arg-type]
    return found


def spread(
    kernel: Callable, fulls: Sequence[np.ndarray], kepts: Sequence[np.ndarray], dim: tuple[int, ...], *settings: Any
) -> np.ndarray:
    """What kernel(*fulls, *kepts, out, *settings) puts into out, of the shape and memory order of the first operand.

    kepts have size 1 along `dim`.
    """
    how = Collapse.of(fulls[0], dim)
    out = kernels.empty(how.sizes, fulls[0].dtype)
    kernel(*map(how.full, fulls), *map(how.kept, kepts), out, *settings)
    return how.back(out, how.shape)


def total(x: np.ndarray, dim: tuple[int, ...], keepdim: bool = False) -> np.ndarray:
    """The sum of x over `dim`, in its dtype; float16 is added up in float32."""
    if not dim or not worthwhile(x):
        if x.dtype.char in "fd":
            return x.sum(axis=dim, keepdims=keepdim)
        within = np.float32 if x.dtype.char == "e" else x.dtype
        return x.sum(axis=dim, keepdims=keepdim, dtype=within).astype(x.dtype, copy=False)
    found = reduce(kernels.sum_along, [x], [], dim, kernels.sum_along)
    return found if keepdim else found.squeeze(dim)
