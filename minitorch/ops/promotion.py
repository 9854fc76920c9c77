"""Operands of different dtypes meet in one, by PyTorch's promotion (see `dtypes.meet`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Primitive, Variable, primitive
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .dims import no_tensor
from .layout import copied


@primitive(residuals="was")
def cast(x: np.ndarray, *, dtype: np.dtype) -> tuple[np.ndarray, np.dtype]:
    """x in another dtype."""
    return (copied(x) if x.dtype == dtype else x.astype(dtype)), x.dtype


cast.vjp(x=lambda g, was: to_dtype(g, was))
cast.widens = False


def converted(x: Any, dtype: np.dtype) -> Any:
    """A copy in a dtype; integers and bools have no gradient, and so leave the tape."""
    return cast(x, dtype=dtype) if dtype.kind in FLOATS else wrap(cast.function(x.array, dtype=dtype)[0])


def to_dtype(x: Any, dtype: np.dtype) -> Any:
    """x itself if it has the dtype, else cast; Python numbers stay, as NumPy lets them follow the array."""
    if isinstance(x, Variable):
        return x if x.outline.dtype == dtype else converted(x, dtype)
    return x.astype(dtype, copy=False) if isinstance(x, np.ndarray) else x


def widely(op: Callable, args: tuple, settings: dict) -> Any:
    """What an op gives where tensors or arrays are of bfloat16: computed in float32, and rounded once.

    None where none is of bfloat16. Where others are of float32, so is the result, and where a dtype is an argument, it
    says what the result is. What is in a tuple stays.
    """
    narrow, wide = dtypes.bfloat16.numpy, dtypes.float32.numpy
    values = (*args, *settings.values())
    given = [_dtype(x) for x in values]
    if narrow not in given:
        return None
    call = functools.partial(Primitive.__call__, op) if isinstance(op, Primitive) else op
    named = {name: _wide(x) for name, x in settings.items()}
    out = call(*map(_wide, args), **named)
    if wide in given or any(isinstance(x, dtypes.dtype | np.dtype) for x in values):
        return out
    if isinstance(out, tuple):
        return tuple([to_dtype(y, narrow) if _dtype(y) == wide else y for y in out])
    return to_dtype(out, narrow) if _dtype(out) == wide else out


def _dtype(x: Any) -> Any:
    return x.outline.dtype if isinstance(x, Variable) else getattr(x, "dtype", None)


def _wide(x: Any) -> Any:
    return to_dtype(x, dtypes.float32.numpy) if _dtype(x) == dtypes.bfloat16.numpy else x


def in_float32(function: Callable) -> Callable:
    """Decorator for a function of tensors that computes on their arrays itself, or in several steps: see `widely`."""

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        out = widely(function, args, settings) if dtypes.narrow else None
        return function(*args, **settings) if out is None else out

    return call


Primitive.widely = widely


def cast_all(xs: list) -> list:
    """Tensors cast to the dtype in which all of them meet."""
    dtype = xs[0].array.dtype
    for x in xs[1:]:
        dtype = dtypes.meet(np.empty(0, dtype), np.empty(0, x.array.dtype))
    return [to_dtype(x, dtype) for x in xs]


def exposed(array: np.ndarray) -> Any:
    """A tensor around a user's array, which may change without our knowing."""
    out = wrap(array)
    out.version.expose()
    return out


def operand(x: Any) -> Any:
    """A tensor, or a plain Python number; NumPy scalars become numbers, arrays tensors, others raise TypeError."""
    if isinstance(x, Variable) or type(x) in (float, int, bool):
        return x
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        wider = dtypes.widened(x.dtype)
        return exposed(x) if wider == x.dtype else wrap(x.astype(wider))
    if isinstance(x, float | int):
        return float(x) if isinstance(x, float) else int(x)
    raise TypeError(f"expected a tensor or a number, got {type(x).__name__}")


def common(*xs: Any) -> np.dtype:
    """The dtype in which tensors and numbers meet."""
    return dtypes.meet(*[x.outline if isinstance(x, Variable) else x for x in xs])


def paired(x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands in the dtype in which they meet."""
    if isinstance(x, Variable):  # nearly always one of these two
        if isinstance(y, Variable):
            if x.outline.dtype is y.outline.dtype:
                return x, y
        elif type(y) in (float, int) and x.outline.dtype.kind in FLOATS:
            return x, y
    return _cast_pair(operand(x), operand(y), False)


def paired_floats(x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands in the dtype in which they meet, the default float for integers."""
    if isinstance(x, Variable) and x.outline.dtype.kind in FLOATS:
        if isinstance(y, Variable):
            if x.outline.dtype is y.outline.dtype:
                return x, y
        elif type(y) in (float, int):
            return x, y
    return _cast_pair(operand(x), operand(y), True)


def _refuse_number(op: str, x: Any, argument: str) -> None:
    if isinstance(x, float | int) and not isinstance(x, np.generic):
        raise no_tensor(op, argument, x)


def tensors_only(op: str, floating: bool = False) -> Callable:
    """As `paired` or `paired_floats`, for an op that takes no Python numbers."""

    def meet(x: Any, y: Any) -> tuple[Any, Any]:
        if isinstance(x, Variable) and isinstance(y, Variable):
            dtype = x.outline.dtype
            if dtype is y.outline.dtype and (not floating or dtype.kind in FLOATS):
                return x, y
        _refuse_number(op, x, "input")
        _refuse_number(op, y, "other")
        return _cast_pair(operand(x), operand(y), floating)

    return meet


def tensor_first(op: str, floating: bool = False) -> Callable:
    """As `paired` or `paired_floats`, for an op whose first operand is no Python number."""
    pair = paired_floats if floating else paired

    def meet(x: Any, y: Any) -> tuple[Any, Any]:
        _refuse_number(op, x, "input")
        return pair(x, y)

    return meet


def _cast_pair(x: Any, y: Any, floating: bool) -> tuple[Any, Any]:
    dtype = common(x, y)
    if floating and dtype.kind not in FLOATS:
        dtype = dtypes.get_default_dtype().numpy
    if isinstance(x, Variable) or isinstance(y, Variable):
        return to_dtype(x, dtype), to_dtype(y, dtype)
    return wrap(np.asarray(x, dtype)), y


def wrapped(args: tuple) -> tuple:
    """Operands of which the ints are beyond the integer dtype of the others: as what their lowest bits mean there."""
    dtype = next(x.outline.dtype for x in args if isinstance(x, Variable))
    return tuple([int(np.asarray(x).astype(dtype)) if type(x) is int and -(2**63) <= x < 2**63 else x for x in args])


def as_tensor(x: Any) -> tuple[Any]:
    """One operand, as a tensor."""
    if not isinstance(x, Variable):
        x = operand(x)
        x = x if isinstance(x, Variable) else wrap(np.asarray(x, dtypes.of_scalar(x)))
    return (x,)


def as_floats(x: Any) -> tuple[Any]:
    """One operand; integers become floats of the default dtype."""
    if not isinstance(x, Variable) or x.outline.dtype.kind not in FLOATS:
        (x,) = as_tensor(x)
        if x.array.dtype.kind not in FLOATS:
            x = to_dtype(x, dtypes.get_default_dtype().numpy)
    return (x,)


def unbroadcastable(name: str, *args: Any) -> RuntimeError:
    """PyTorch's error for shapes that don't broadcast."""
    shapes = [arg.outline.shape if isinstance(arg, Variable) else np.shape(arg) for arg in args]
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + shape for shape in shapes]
    for d in range(ndim - 1, -1, -1):
        column = [(shape[d], letter) for shape, letter in zip(padded, "abc", strict=False) if shape[d] != 1]
        for n, letter in column[1:]:
            if n != column[0][0]:
                return RuntimeError(
                    f"The size of tensor {column[0][1]} ({column[0][0]}) must match the size of tensor {letter} ({n}) "
                    f"at non-singleton dimension {d}; {name} got shapes {', '.join(map(str, shapes))}"
                )
    return RuntimeError(f"{name} got shapes that do not broadcast: {shapes}")
