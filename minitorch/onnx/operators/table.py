"""The table of operators, and what their functions have in common.

A function gets the inputs of a node in order (tensors, None for those that are left out) and its attributes by name,
and returns a tensor or a tuple. What was an attribute before some opset and is an input since (axes of Squeeze) is one
parameter of one name: both end there. A function that asks for `opset`, `outputs` (how many are wanted), `training`,
`node` (for errors) or `run` (of subgraphs) gets them.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...autograd.tape import wrap
from ...ops.promotion import to_dtype
from ...surface import functions
from ...tensor import Tensor

t = types.SimpleNamespace(**functions())  # the functions of the package
LIMIT = 2**29  # elements of one result that a file may ask for: 2 GB of float32
DTYPES: dict[int, np.dtype] = {
    1: np.dtype("f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    5: np.dtype("i2"),
    6: np.dtype("i4"),
    7: np.dtype("i8"),
    9: np.dtype("?"),
    10: np.dtype("f2"),
    11: np.dtype("f8"),
}
EXTRAS = ("opset", "outputs", "training", "node", "run")


class Operator(NamedTuple):
    """A function of the table. learns: the inputs that are parameters where they are floating initializers."""

    function: Callable
    learns: tuple[int, ...]
    inputs: tuple[str, ...]
    attributes: frozenset[str]
    extras: tuple[str, ...]
    variadic: bool
    any_attributes: bool
    moves: bool


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, learns: tuple[int, ...] = (), moves: bool = False) -> Callable[[Callable], Callable]:
    """Decorator: the function of these operators. moves: what is a parameter behind it is one before it."""

    def enter(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters.values()
        positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        own = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        rest = any(p.kind is p.VAR_KEYWORD for p in parameters)
        extras = tuple(name for name in EXTRAS if name in own)
        entry = Operator(function, learns, positional, frozenset(own) - set(extras), extras, variadic, rest, moves)
        OPERATORS.update(dict.fromkeys(names, entry))
        return function

    return enter


def arr(x: Any) -> np.ndarray:
    """The array of a tensor."""
    return x.array


def ints(value: Any) -> tuple[int, ...] | None:
    """Whole numbers, from an attribute or a tensor; None for None."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        value = value.array.reshape(-1).tolist()
    return tuple(int(n) for n in (value if isinstance(value, tuple | list) else [value]))


def number(value: Any) -> Any:
    """A single number, from an attribute or a tensor; None for None."""
    return value.array.reshape(-1)[0].item() if isinstance(value, Tensor) else value


def numbers(value: Any) -> list[float] | None:
    """Numbers, from an attribute or a tensor; None for None."""
    if value is None:
        return None
    return value.array.reshape(-1).tolist() if isinstance(value, Tensor) else list(value)


def axis_of(axis: Any, ndim: int) -> int:
    """An axis counted from 0. Raises ValueError where there is none."""
    axis = int(number(axis))
    if not -ndim <= axis < max(ndim, 1):
        raise ValueError(f"axis {axis} of a tensor of {ndim} axes")
    return axis % ndim if ndim else 0


def axes_of(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from 0."""
    return tuple(axis_of(axis, ndim) for axis in ints(axes) or ())


def room(shape: Any) -> tuple[int, ...]:
    """A shape for a new tensor. Raises ValueError for a negative size, or more elements than LIMIT."""
    shape = tuple(int(n) for n in shape)
    if any(n < 0 for n in shape) or math.prod(shape) > LIMIT:
        raise ValueError(f"a result of shape {shape}: negative, or more than {LIMIT} elements")
    return shape


def dtype_of(code: int) -> np.dtype:
    """The dtype of a number of TensorProto. Raises ValueError for those that there are not here."""
    if code not in DTYPES:
        raise ValueError(f"element type {code} is none of {sorted(d.name for d in DTYPES.values())}")
    return DTYPES[code]


def cast(x: Any, dtype: Any) -> Any:
    """x in another dtype."""
    return x if x.array.dtype == dtype else to_dtype(x, np.dtype(dtype))


def tensor(array: Any, dtype: Any = None) -> Any:
    """A tensor of an array."""
    return wrap(np.asarray(array, dtype))
