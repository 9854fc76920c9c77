"""Where names come from: declarations of ops become methods of Tensor, in-place methods and functions of the package.

`python -m minitorch.surface` writes what follows from them for readers and tools: stubs and docs/ops.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd import Variable
from .autograd.inplace import in_place
from .autograd.primitive import registry
from .ops import pointwise
from .ops.declare import PUBLIC

OPERANDS = (Variable, float, int, np.ndarray, np.generic)
# Python's operators and the ops they call; the reflected and in-place forms follow.
OPERATORS = {
    "add": pointwise.add,
    "sub": pointwise.subtract,
    "mul": pointwise.multiply,
    "truediv": pointwise.divide,
    "pow": pointwise.power,
    "floordiv": pointwise.floor_divide,
    "mod": pointwise.remainder,
    "and": pointwise.bitwise_and,
    "or": pointwise.bitwise_or,
    "xor": pointwise.bitwise_xor,
}
COMPARISONS = {
    "eq": pointwise.equal,
    "ne": pointwise.not_equal,
    "lt": pointwise.less,
    "le": pointwise.less_equal,
    "gt": pointwise.greater,
    "ge": pointwise.greater_equal,
}
# NumPy's functions that work on tensors, where their name is not that of a row.
UFUNCS = {"invert": "bitwise_not"}


def _operator(op: Callable) -> Callable:
    """An operator method: what is neither tensor, array nor number is left to Python to reject."""

    def method(self: Any, other: Any) -> Any:
        return op(self, other) if isinstance(other, OPERANDS) else NotImplemented

    return method


def _reflected(op: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return op(other, self) if isinstance(other, OPERANDS) else NotImplemented

    return method


def in_place_method(op: Callable, name: str) -> Callable:
    """The in-place form of an op: the result goes into self's memory, and self takes its place on the tape."""

    def method(self: Any, *args: Any, **settings: Any) -> Any:
        return in_place(op, self, *args, **settings)

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`{name}`, in place; returns self."
    return method


def methods() -> dict[str, Callable]:
    """Everything that declarations add to Tensor, by name."""
    found: dict[str, Callable] = {}
    for name, op in OPERATORS.items():
        found[f"__{name}__"], found[f"__r{name}__"] = _operator(op), _reflected(op)
        found[f"__i{name}__"] = in_place_method(op, name)
    found |= {f"__{name}__": _operator(op) for name, op in COMPARISONS.items()}
    found |= {"__neg__": pointwise.negative, "__abs__": pointwise.absolute, "__invert__": pointwise.bitwise_not}
    for entry in PUBLIC:
        if "T" in entry.on:
            found[entry.name] = entry.function
        if "i" in entry.on:
            found[f"{entry.name}_"] = in_place_method(entry.function, entry.name)
    return found


def functions() -> dict[str, Callable]:
    """Everything that declarations add to the package, by name."""
    return {entry.name: entry.function for entry in PUBLIC if "t" in entry.on}


def ufuncs() -> dict[np.ufunc, Callable]:
    """NumPy's functions that ours stand in for when one is called with a tensor."""
    found = {getattr(np, name): op for name, op in registry.items() if isinstance(getattr(np, name, None), np.ufunc)}
    return found | {getattr(np, name): registry[op] for name, op in UFUNCS.items()}


def attach(cls: type) -> None:
    """Add the methods to Tensor."""
    for name, method in methods().items():
        setattr(cls, name, method)
