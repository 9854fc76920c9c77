"""The names of a function's parameters, read from its code: an import of the package asks for those of 1,400 functions.

`inspect.signature`, which makes an object of each parameter, would take a quarter of that import.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np


class Parameters(NamedTuple):
    """Names of what may be given by position, *args last, and by name alone, with the latter's defaults."""

    positional: tuple[str, ...]
    keyword_only: tuple[str, ...]
    defaults: dict[str, Any]
    variadic: bool


def parameters(function: Callable) -> Parameters:
    """The parameters of a function without **settings, or those that its `parameters` or `__signature__` say.

    Those of NumPy's functions are x and y.
    """
    if isinstance(function, np.ufunc):
        return Parameters(("x", "y")[: function.nin], (), {}, False)
    known = getattr(function, "parameters", None)
    if isinstance(known, Parameters):
        return known
    if type(function) is FunctionType and not function.__dict__:
        code = function.__code__
        count, more = code.co_argcount, code.co_kwonlyargcount
        variadic = bool(code.co_flags & inspect.CO_VARARGS)
        names = code.co_varnames
        positional = (*names[:count], names[count + more]) if variadic else names[:count]
        return Parameters(positional, names[count : count + more], function.__kwdefaults__ or {}, variadic)
    shown = inspect.signature(function).parameters.values()
    keyword_only = [p for p in shown if p.kind is p.KEYWORD_ONLY]
    return Parameters(
        tuple([p.name for p in shown if p.kind is not p.KEYWORD_ONLY]),
        tuple([p.name for p in keyword_only]),
        {p.name: p.default for p in keyword_only if p.default is not p.empty},
        any(p.kind is p.VAR_POSITIONAL for p in shown),
    )
