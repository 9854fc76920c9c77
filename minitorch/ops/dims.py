"""Axes and sizes as users write them, made plain: negative, single, listed, spread over arguments."""

from __future__ import annotations

import operator
from typing import Any


def normalize(dims: tuple, ndim: int, unique: bool = True) -> tuple[int, ...]:
    """Axes counted from 0. Raises IndexError for one out of range, RuntimeError for one that stands twice."""
    span = max(ndim, 1)  # a scalar accepts 0 and -1, as PyTorch's does
    out = []
    for dim in dims:
        if not -span <= dim < span:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})"
            )
        out.append(dim % span)
    if unique and len(set(out)) != len(out):
        twice = next(d for d in out if out.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return tuple(out)


def listed(args: tuple) -> tuple[int, ...]:
    """`f(1, 2)` and `f((1, 2))` alike, as a tuple of ints. Raises TypeError for what is not an integer."""
    if len(args) == 1 and isinstance(args[0], list | tuple):
        args = tuple(args[0])
    return tuple(operator.index(a) for a in args)


def sizes(args: tuple) -> tuple[int, ...]:
    """As `listed`, for shapes."""
    try:
        return listed(args)
    except TypeError:
        raise TypeError(f"expected a shape of ints, got {args}") from None


def reduced(dim: Any, ndim: int) -> tuple[int, ...]:
    """The axes a reduction runs over; all of them for None (and for an empty list, as PyTorch has it)."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(ndim))
    if ndim == 0:
        normalize(listed((dim,)), 0)
        return ()
    return normalize(listed((dim,)), ndim)
