"""Axes and sizes as users write them, made plain: negative, single, listed, spread over arguments."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..autograd import Variable
from ..autograd.tape import plain


def whole(value: Any, name: str = "dim") -> int:
    """A Python int. Raises TypeError for what is no integer (a bool is none), ValueError beyond 64 bits."""
    if type(value) is not int:
        if isinstance(value, bool):
            raise TypeError(f"`{name}` must be an int, but got {value!r}")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(f"`{name}` must be an int, but got {value!r}") from None
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"`{name}` overflows when unpacked as a 64-bit int: {value}")
    return value


def flag(value: Any, name: str) -> bool:
    """A bool. Raises TypeError for anything else, as PyTorch does: also for 0 and 1."""
    if value is True or value is False:
        return value
    raise TypeError(f"`{name}` must be a bool, but got {value!r}")


def number(op: str, argument: str, value: Any) -> Any:
    """A Python number, also out of a tensor or an array without axes. Raises TypeError for anything else."""
    if isinstance(value, Variable | np.ndarray | np.generic) and not np.shape(plain(value)):
        value = plain(value).item()
    if not isinstance(value, float | int):
        raise TypeError(f"{op}(): argument '{argument}' must be float, not {type(value).__name__}")
    return value


def no_tensor(op: str, argument: str, value: Any) -> TypeError:
    """The error for an argument that has to be a tensor."""
    return TypeError(f"{op}(): argument `{argument}` must be a Tensor, but got {type(value).__name__}")


def check_tensors(op: str, tensors: Any) -> list:
    """A list of tensors. Raises TypeError for a tensor by itself, and where one of the elements is none."""
    if isinstance(tensors, Variable) or not isinstance(tensors, list | tuple):
        raise TypeError(f"{op}(): argument `tensors` must be a tuple of Tensors, but got {type(tensors).__name__}")
    for i, x in enumerate(tensors):
        if not isinstance(x, Variable):
            raise TypeError(f"{op}(): expected a Tensor as element {i} of `tensors`, but got {type(x).__name__}")
    return list(tensors)


def normalize(dims: tuple, ndim: int, unique: bool = True) -> tuple[int, ...]:
    """Axes counted from 0. Raises IndexError for one out of range, RuntimeError for one that stands twice."""
    span = max(ndim, 1)  # a scalar accepts 0 and -1, as PyTorch's does
    out = []
    for dim in dims:
        if type(dim) is not int:
            dim = whole(dim)
        if not -span <= dim < span:
            whole(dim)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})"
            )
        out.append(dim % span)
    if unique and len(set(out)) != len(out):
        twice = next(d for d in out if out.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return tuple(out)


def listed(args: tuple) -> tuple[int, ...]:
    """`f(1, 2)` and `f((1, 2))` alike, as a tuple of ints. Raises TypeError for what is no integer of 64 bits."""
    if len(args) == 1 and isinstance(args[0], list | tuple):
        args = tuple(args[0])
    try:
        return tuple([a if type(a) is int and -(2**63) <= a < 2**63 else whole(a, "dims") for a in args])
    except ValueError as error:
        raise TypeError(str(error)) from None


def sizes(args: tuple) -> tuple[int, ...]:
    """As `listed`, for shapes."""
    try:
        return listed(args)
    except TypeError:
        raise TypeError(f"expected a shape of ints, of 64 bits at most, got {args}") from None


def check_size(shape: tuple, itemsize: int) -> tuple:
    """`shape` itself. Raises RuntimeError where no memory could hold it, or a size is negative."""
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    if math.prod(shape) * itemsize >= 2**63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    return shape


def reduced(dim: Any, ndim: int) -> tuple[int, ...]:
    """The axes a reduction runs over; all of them for None (and for an empty list, as PyTorch has it)."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return tuple(range(ndim))
    dims = listed(tuple(dim)) if isinstance(dim, list | tuple) else (dim,)
    if ndim == 0:
        normalize(dims, 0)
        return ()
    return normalize(dims, ndim)
