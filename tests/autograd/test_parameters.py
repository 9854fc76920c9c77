"""The names of parameters as they are read from a function's code: what `inspect.signature` says of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import registry
from minitorch.autograd.parameters import Parameters, parameters
from minitorch.nn import functional as F


def with_locals(x: Any, *rest: Any, dim: int, keepdim: bool = False) -> Any:
    """Names of the body are no parameters."""
    total = sum(rest, x)
    return total, dim, keepdim


@functools.wraps(with_locals)
def wrapped(*args: Any, **settings: Any) -> Any:
    """Shows what it wraps."""
    return with_locals(*args, **settings)


FUNCTIONS = [
    lambda: None,
    lambda x: x,
    lambda x, y=2: x + y,
    lambda *xs: xs,
    lambda x, /, y, *, a, b=3: (x, y, a, b),
    with_locals,
    wrapped,
    functools.partial(with_locals, dim=1),
    F.linear,
    minitorch.where,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_inspect_says(function: Callable) -> None:
    """Positional ones with that of *args, those given by name alone, and their defaults."""
    shown = inspect.signature(function).parameters.values()
    named = [p for p in shown if p.kind is p.KEYWORD_ONLY]
    assert parameters(function) == (
        tuple(p.name for p in shown if p.kind is not p.KEYWORD_ONLY),
        tuple(p.name for p in named),
        {p.name: p.default for p in named if p.default is not p.empty},
        any(p.kind is p.VAR_POSITIONAL for p in shown),
    )


def test_what_says_them_itself() -> None:
    """NumPy's functions, and whatever has Parameters; a method called `parameters` is none."""
    assert parameters(np.add) == (("x", "y"), (), {}, False)
    assert parameters(np.exp).positional == ("x",)
    function: Any = lambda *values: values  # noqa: E731
    function.parameters = Parameters(("g",), (), {}, False)
    assert parameters(function).positional == ("g",)
    function.parameters = list
    assert parameters(function).positional == ("values",)


def test_ops_show_their_declaration() -> None:
    """`inspect.signature` of a pointwise op is that of its formula, with its defaults."""
    assert str(inspect.signature(registry["add"])) == "(x, y)"
    assert list(inspect.signature(registry["hardtanh"]).parameters) == ["x", "min_val", "max_val"]
    with pytest.raises(AttributeError):
        type(registry["add"]).__signature__  # noqa: B018
    inspect.signature(type(registry["add"]))
