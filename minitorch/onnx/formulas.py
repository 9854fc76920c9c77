"""Ops of single elements that have no operator, by their formulas: the lines of a kernel's program, one node each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import registry
from ..ops.declare import Pointwise, Trace
from .graph import Graph, Unsaid
from .trace import Merged

# Words of programs, and primitives, whose operators have their names.
_ANGLES = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
SAME = {name: name.title() for name in (*_ANGLES, "exp", "log", "sqrt", "erf", "floor", "ceil", "sigmoid")}
_NAMED = SAME | {"round": "Round", "softplus": "Softplus", "pow": "Pow", "maximum": "Max", "minimum": "Min"}


class _Word:
    """What stands for a name in the lines of a program: each operation on it is a node."""

    __hash__ = object.__hash__

    def __init__(self, words: _Words, name: Any) -> None:
        self.words, self.name = words, name

    def _two(op: str, turned: bool = False) -> Any:  # type: ignore[misc]
        def operate(self: _Word, other: Any) -> _Word:
            return self.words.node(op, *((other, self) if turned else (self, other)))

        return operate

    __add__, __radd__ = _two("Add"), _two("Add", True)
    __sub__, __rsub__ = _two("Sub"), _two("Sub", True)
    __mul__, __rmul__ = _two("Mul"), _two("Mul", True)
    __truediv__, __rtruediv__ = _two("Div"), _two("Div", True)
    __lt__, __le__, __gt__, __ge__ = _two("Less"), _two("LessOrEqual"), _two("Greater"), _two("GreaterOrEqual")
    __and__, __or__, __xor__, __eq__ = _two("And"), _two("Or"), _two("Xor"), _two("Equal")

    def __ne__(self, other: Any) -> Any:
        return ~(self == other)

    def __invert__(self) -> _Word:
        return self.words.node("Not", self)

    def __neg__(self) -> _Word:
        return self.words.node("Neg", self)

    def __abs__(self) -> _Word:
        return self.words.node("Abs", self)


class _Words(dict):
    """The names that a program may call."""

    def __init__(self, g: Graph, dtype: np.dtype) -> None:
        super().__init__(abs=abs)
        self.g, self.dtype = g, dtype

    def node(self, op: str, *operands: Any) -> _Word:
        plain = [o.name if isinstance(o, _Word) else self.g.number(o, self.dtype) for o in operands]
        return _Word(self, self.g.node(op, *plain))

    def __missing__(self, name: str) -> Any:
        one = self.dtype.type(1)
        own = {
            "where": lambda c, x, y: self.node("Where", c, x, y),
            "inf": np.inf,
            "nan": np.nan,
            "number": lambda x: _Word(self, np.asarray(x, self.dtype)),
            "log1p": lambda x: self.node("Log", x + one),
            "expm1": lambda x: self.node("Exp", x) - one,
            "exp2": lambda x: self.node("Pow", self.dtype.type(2), x),
            "log2": lambda x: self.node("Log", x) * self.dtype.type(1 / np.log(2)),
            "log10": lambda x: self.node("Log", x) * self.dtype.type(1 / np.log(10)),
            "erfc": lambda x: one - self.node("Erf", x),
            "trunc": lambda x: self.node("Sign", x) * self.node("Floor", abs(x)),
        }
        if name in own:
            return own[name]
        if name in _NAMED:
            return lambda *operands: self.node(_NAMED[name], *operands)
        raise Unsaid(f"its formula has {name!r}")


def said(g: Graph, name: str, args: tuple, settings: dict) -> str:
    """The result of a pointwise op by its formula. Raises Unsaid for what is none, or has another dtype than floats."""
    op = registry.get(name)
    if not isinstance(op, Pointwise):
        raise Unsaid("ONNX has no such operator")
    dtypes = {a.dtype for a in args if isinstance(a, Merged | np.ndarray) and a.dtype != np.bool_}
    if len(dtypes) != 1:
        raise Unsaid("of bools, or of two dtypes")
    (dtype,) = dtypes
    values = [*args, *(settings[s] for s in op.value.settings)]
    pattern = tuple(
        [
            ("?" if v.dtype == np.bool_ else v.dtype.char)
            if isinstance(v, Merged | np.ndarray)
            else float
            if type(v) in (float, int) and v not in op.value.static
            else v
            for v in values
        ]
    )
    try:
        out, parameters = op.value._traced(op.value.formula, pattern, Trace())
        if out is None:
            out, parameters = op.value._traced(op.value.vector, pattern, Trace())
    except (AttributeError, TypeError):
        out = None
    if out is None:
        raise Unsaid(f"of {dtype}, or by its formula")
    words = _Words(g, dtype)
    for parameter, value in zip(parameters, values, strict=True):
        words[parameter] = _Word(words, g.number(value, dtype) if not isinstance(value, Merged) else value)
    for line in out.trace.lines:
        target, _, text = line.partition(" = ")
        words[target] = eval(compile(text, f"<{name}>", "eval"), {"__builtins__": {}}, words)
    result = words[out.name].name
    return result
