"""What all functions ask of their arguments, and how they say no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...autograd import Variable
from ...autograd.tape import wrap
from ...dtypes import FLOATS
from ...ops import shape as shaping
from ...ops.dims import whole
from ...ops.promotion import to_dtype


def as_setting(name: str, argument: str, value: Any) -> Any:
    """A setting as a cache key: an int, a string or None as it is, several as a tuple of ints (2.0 would equal 2).

    Pairs of ints become pairs: padding takes them.
    """
    if type(value) is int or (type(value) is tuple and {*map(type, value)} <= {int}):  # as layers keep them
        return value
    if isinstance(value, tuple | list):
        try:
            return tuple(
                tuple(map(whole, entry)) if isinstance(entry, tuple | list) else whole(entry) for entry in value
            )
        except (TypeError, ValueError):
            raise TypeError(f"{name}: `{argument}` must be an int or a tuple of ints, but got {value!r}") from None
    return value


def as_ints(name: str, argument: str, value: Any, rank: int) -> tuple[int, ...]:
    """A setting as one int per axis. Raises TypeError for what is no int, RuntimeError for a wrong number of them."""
    try:
        entries = tuple(map(whole, value if isinstance(value, tuple) else (value,)))
    except TypeError:
        raise TypeError(f"{name}: `{argument}` must be an int or a tuple of ints, but got {value!r}") from None
    if len(entries) == 1:
        return entries * rank
    if len(entries) != rank:
        raise RuntimeError(f"{name}: `{argument}` must be an int or a tuple of {rank} ints, but got {value!r}")
    return entries


def as_flag(name: str, argument: str, value: Any) -> bool:
    """A bool. Raises TypeError for anything else, as PyTorch does: also for 0 and 1."""
    if value is True or value is False:
        return value
    raise TypeError(f"{name}: `{argument}` must be a bool, but got {value!r}")


def check_number(name: str, argument: str, value: Any) -> float:
    """The number as a float. Raises TypeError for what is none."""
    if not isinstance(value, float | int):
        raise TypeError(f"{name}: `{argument}` must be a number, but got {value!r}")
    return float(value)


def check_operands(name: str, input: Any, **others: Any) -> None:
    """Tensors of one floating dtype; `bias` may be None.

    Raises TypeError for what is no tensor, RuntimeError for dtypes that differ, NotImplementedError for integers.
    """
    if isinstance(input, Variable):  # all is well, nearly always
        dtype = input.outline.dtype
        for argument, x in others.items():
            if isinstance(x, Variable):
                if x.outline.dtype is not dtype:
                    break
            elif x is not None or argument != "bias":
                break
        else:
            if dtype.kind in FLOATS:
                return
    for argument, x in (("input", input), *others.items()):
        if x is None and argument == "bias":
            continue
        if not isinstance(x, Variable):
            raise TypeError(f"{name}: `{argument}` must be a Tensor, but got {type(x).__name__}")
        if x.outline.dtype != input.outline.dtype:
            kinds = ", ".join(f"{a} {dtypes.as_dtype(v.outline.dtype)}" for a, v in (("input", input), (argument, x)))
            raise RuntimeError(f"{name}: `input` and `{argument}` must have the same floating dtype, but got {kinds}")
    if input.outline.dtype.kind not in FLOATS:
        raise NotImplementedError(f"{name}: not implemented for {input.dtype}; `input` must be float32 or float64")


def whole_numbers(*operands: Any) -> list[Any]:
    """Integers as float64, whose products and sums are exact below 2^53, for ops on floats; None stays.

    Raises NotImplementedError for bools.
    """
    if operands[0].array.dtype == np.bool_:
        raise NotImplementedError("not implemented for bools; convert them first, with .float() or .long()")
    return [None if x is None else to_dtype(x, np.dtype(np.float64)) for x in operands]


def of_integers(run: Callable, x: Any, w: Any, b: Any = None, axis: int = -1) -> Any:
    """run(x, w, b) of integers in their dtype, exact modulo 2^64: run is bilinear in x and w, and adds b along `axis`.

    It is given floats, whose sums of products are exact below 2^53. For larger numbers x and w are cut into pieces of
    16 bits, each with each. Raises NotImplementedError for bools.
    """
    dtype, none = x.array.dtype, None if b is None else wrap(np.zeros(b.array.shape))
    wide = whole_numbers(x, w)
    largest = [np.abs(v.array).max(initial=0.0) for v in wide]
    if largest[0] * largest[1] * w.array.size < 2.0**53:
        out = run(*wide, none).array.astype(np.int64)
    else:
        pieces = [[_piece(v.array, k) for k in range(4)] for v in (x, w)]
        out = sum(
            run(pieces[0][k], pieces[1][m], none).array.astype(np.uint64) << np.uint64(16 * (k + m))
            for k in range(4)
            for m in range(4 - k)
        ).view(np.int64)
    if b is not None:
        out = out + b.array.reshape(-1, *(1,) * (-1 - axis))
    return wrap(out.astype(dtype))


def _piece(x: np.ndarray, k: int) -> Any:
    """Bits 16 k to 16 k + 15 of integers, as floats."""
    return wrap((x.astype(np.int64).view(np.uint64) >> np.uint64(16 * k) & np.uint64(0xFFFF)).astype(np.float64))


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that were not left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def check_tensor(name: str, x: Any, argument: str = "input") -> Any:
    """x itself. Raises TypeError if it is no tensor."""
    if not isinstance(x, Variable):
        raise TypeError(f"{name}: `{argument}` must be a Tensor, but got {type(x).__name__}")
    return x


def has_batch(name: str, x: tuple, rank: int) -> bool:
    """Whether a shape is (N, C, *size) rather than (C, *size). Raises RuntimeError if it is neither."""
    if len(x) not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"{name}: expected `input` of {rank + 2} dimensions (N, C, *size), or {rank + 1} without the batch, but "
            f"got {len(x)}: input {x}"
        )
    return len(x) == rank + 2


def renamed(name: str, error: RuntimeError, shapes: str) -> RuntimeError:
    """geometry's error under the name of the function that was called, with the shapes it was called with."""
    if isinstance(error, NotImplementedError):  # a task of the course: its text says which
        return error
    return RuntimeError(f"{name}: {str(error).partition(': ')[2]}; {shapes}")


def with_batch(x: Any) -> Any:
    """x with a batch axis of size 1 in front."""
    return shaping.reshape(x, shape=(1, *x.array.shape))


def without_batch(x: Any) -> Any:
    """x without its batch axis of size 1."""
    return shaping.standalone(shaping.reshape(x, shape=x.array.shape[1:]))
