"""One declaration per op, and everything else follows from it.

    tan = unary("tan", np.tan, x=lambda g, out: g * (out * out + 1), doc="The tangent of x, in radians.")

is a primitive with its rule; it promotes, broadcasts, becomes a method of Tensor with an in-place form, a function of
the package, a line of the stubs and of docs/ops.md (see `surface.py`), and runs as one pass over memory, forwards and
backwards. The kinds of rows: `unary`, `binary`, `comparison`, `pointwise` (of several operands, or with settings).

A pointwise op's value and each of its rules is one formula over + - * / ** and comparisons, `where`, and other
pointwise ops. Three read it, by calling it with what they have:

- arrays, where NumPy computes: small ones, integers, the reference implementation;
- Tensors, when a rule is differentiated itself;
- `Symbol`s, which write down what is done to them. The lines become a `Program`, which the pointwise kernel runs in
  one pass over large float arrays: see kernels/pointwise.py.

Rules of pointwise ops take no care of broadcasting: what they give is summed down to the shape of their argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Primitive, Variable
from ..autograd.inplace import into
from ..autograd.parameters import Parameters, parameters
from ..kernels.broadcast import Program
from . import promotion
from .dims import no_tensor
from .names import public
from .shape import fit

ARRAYS = (np.ndarray, np.generic)
SINGLE, SEVERAL = 1 << 14, 1 << 11  # elements from which one operation, or several, are faster as a kernel
SPREAD = 1 << 18  # product of the sizes of small operands that may make a large result, as a column and a row do
ATOM = 8  # operations that a function such as exp counts for, where it is not one of these
_changing: ContextVar[Any] = ContextVar("changing", default=None)  # the tensor that an op in place may write over
CHEAP = {
    "where": 1,
    "maximum": 1,
    "minimum": 1,
    "floor": 1,
    "ceil": 1,
    "trunc": 1,
    "round": 1,
    "copysign": 1,
    "number": 0,
    "fma": 2,
    "sqrt": 4,
}


# ----------------------------------------------------------------------------------------------- writing formulas down
class Symbol:
    """What a formula is read with to find out what it does: every operation on it becomes a line of a program."""

    __slots__ = ("mask", "name", "trace")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, name: str, mask: bool) -> None:
        self.trace, self.name, self.mask = trace, name, mask

    def _line(self, text: str, *others: Any, mask: bool = False, of_masks: bool = False, weight: int = 1) -> Symbol:
        """A new line; {} in the text are this symbol and the others."""
        operands = (self, *others)
        if any(isinstance(x, Symbol) and x.mask != of_masks for x in operands):
            raise TypeError("arithmetic is for floats, & | ^ ~ for conditions; use where(condition, x, y)")
        return self.trace.line(text.format(*map(self.trace.literal, operands)), mask, weight)

    def __add__(self, y: Any) -> Symbol:
        return self._line("{} + {}", y)

    def __sub__(self, y: Any) -> Symbol:
        return self._line("{} - {}", y)

    def __rsub__(self, y: Any) -> Symbol:
        return self._line("{1} - {0}", y)

    def __mul__(self, y: Any) -> Symbol:
        return self._line("{} * {}", y)

    def __truediv__(self, y: Any) -> Symbol:
        return self._line("{} / {}", y, weight=4)

    def __rtruediv__(self, y: Any) -> Symbol:
        return self._line("{1} / {0}", y, weight=4)

    def __pow__(self, y: Any) -> Symbol:
        if isinstance(y, Symbol):
            return self.trace.call("pow", self, y)
        if y in (2, 3, 4):
            square = self * self
            return square if y == 2 else square * self if y == 3 else square * square
        if y in (0.5, -0.5):
            root = self.trace.call("sqrt", self)
            return root if y > 0 else 1.0 / root
        if y in (-1, -2):
            return 1.0 / (self if y == -1 else self * self)
        if y in (0, 1):
            return self if y else self.trace.call("number", 1.0)
        return self.trace.call("pow", self, self.trace.call("number", y))

    def __rpow__(self, x: Any) -> Symbol:
        return self.trace.call("pow", self.trace.call("number", x), self)

    def __neg__(self) -> Symbol:
        return self._line("-{}")

    def __abs__(self) -> Symbol:
        return self._line("abs({})")

    def __lt__(self, y: Any) -> Symbol:
        return self._line("{} < {}", y, mask=True)

    def __le__(self, y: Any) -> Symbol:
        return self._line("{} <= {}", y, mask=True)

    def __gt__(self, y: Any) -> Symbol:
        return self._line("{} > {}", y, mask=True)

    def __ge__(self, y: Any) -> Symbol:
        return self._line("{} >= {}", y, mask=True)

    def __eq__(self, y: Any) -> Any:
        return self._line("{} == {}", y, mask=True)

    def __ne__(self, y: Any) -> Any:
        return self._line("{} != {}", y, mask=True)

    def __and__(self, y: Any) -> Symbol:
        return self._line("{} & {}", y, mask=True, of_masks=True)

    def __or__(self, y: Any) -> Symbol:
        return self._line("{} | {}", y, mask=True, of_masks=True)

    def __xor__(self, y: Any) -> Symbol:
        return self._line("{} ^ {}", y, mask=True, of_masks=True)

    def __invert__(self) -> Symbol:
        return self._line("~{}", mask=True, of_masks=True)

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its operands; use where(condition, x, y)")

    __radd__, __rmul__ = __add__, __mul__


class Untold(Exception):
    """Raised by a formula that no program can be written for with these settings: NumPy serves."""


def no_program(*operands: Any, **settings: Any) -> Any:
    """The `vector` of a row that no words of kernels can say."""
    raise Untold("only NumPy knows this")


class Trace:
    """The lines of a program while a formula is read; what was computed before is not computed again.

    constants: where there is such a dict, its names stand in the lines for numbers.
    """

    def __init__(self, constants: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.known: dict[str, Symbol] = {}
        self.weight, self.constants = 0, constants

    def line(self, text: str, mask: bool, weight: int) -> Symbol:
        """The symbol of a new line, or of an earlier one with the same text."""
        found = self.known.get(text)
        if found is None:
            found = self.known[text] = Symbol(self, f"t{len(self.lines)}", mask)
            self.lines.append(f"{found.name} = {text}")
            self.weight += weight
        return found

    def call(self, name: str, *operands: Any) -> Symbol:
        """A line that calls a word of programs, see kernels/pointwise.py."""
        return self.line(f"{name}({', '.join(map(self.literal, operands))})", False, CHEAP.get(name, ATOM))

    def literal(self, x: Any) -> str:
        """An operand in a line."""
        if isinstance(x, Symbol):
            return x.name
        text = repr(float(x))
        return text if self.constants is None else self.constants.setdefault(text, f"k{len(self.constants)}")


def trace_of(values: tuple) -> Trace | None:
    """The trace that the symbols among `values` belong to, None if there are none."""
    for value in values:
        if isinstance(value, Symbol):
            return value.trace
    return None


# The words of programs for NumPy: those of kernels/pointwise.py that small arrays meet.
WORDS: dict[str, Callable] = {"abs": np.absolute}


class Formula:
    """A formula of arrays and numbers: computed by NumPy where they are small, else by its kernel.

    Called with the values of its positional parameters, then those of its keyword-only ones. vector: what is read in
    place of the formula to write its program. least: elements from which a kernel computes it. static: numbers that the
    program is written for, where others are handed to it.

    NumPy runs a formula of words, such as `x * sigmoid(x)`, as a program, too: asking each word anew what it is called
    with costs more than the arithmetic of a small array (mish and its gradient, 32 elements: 29 us, 21 so; 2026-11).
    """

    def __init__(
        self,
        name: str,
        formula: Callable,
        vector: Callable | None = None,
        least: int = SEVERAL,
        static: tuple[float, ...] = (),
    ) -> None:
        self.name, self.formula, self.vector = name, formula, vector or formula
        self.least, self.static = least, static
        self.settings = parameters(formula).keyword_only
        self.programs: dict[tuple, Program | None] = {}
        self.scripts: dict[tuple, Callable | None] = {}
        self.wordy = not isinstance(formula, np.ufunc)

    def __call__(self, *values: Any) -> Any:
        least, most, large = self.least, 1, False
        for value in values:
            if type(value) is np.ndarray:
                most *= value.size
                if value.size >= least:
                    large = True
                    break
        if large or (most > SPREAD and np.broadcast(*[v for v in values if type(v) is np.ndarray]).size >= least):
            out = self._pass(values)
            if out is not None:
                return out
        if self.wordy:
            pattern = self._pattern(values)
            try:
                script = self.scripts[pattern]
            except KeyError:
                script = self.scripts[pattern] = self._script(pattern)
            if script is not None:
                return script(*values)
        return self.read(self.formula, values) if self.settings else self.formula(*values)

    def read(self, formula: Callable, values: tuple) -> Any:
        """The formula of whatever the values are."""
        if not self.settings:
            return formula(*values)
        count = len(values) - len(self.settings)
        return formula(*values[:count], **dict(zip(self.settings, values[count:], strict=True)))

    def _pattern(self, values: tuple) -> tuple:
        """Dtypes of arrays (a character each), `float` for numbers, and other values as they are."""
        return tuple(
            [
                v.dtype.char
                if isinstance(v, ARRAYS)
                else float
                if type(v) in (float, int) and v not in self.static
                else v
                for v in values
            ]
        )

    def over(self, *values: Any) -> np.ndarray:
        """The result for arrays, written over the first where a kernel computes it."""
        out = self._pass(values, values[0]) if values[0].size >= self.least else None
        return self(*values) if out is None else out

    def _pass(self, values: tuple, over: np.ndarray | None = None) -> np.ndarray | None:
        """The result of one pass over memory, and maybe over an operand; None where NumPy is to compute it."""
        pattern = self._pattern(values)
        try:
            program = self.programs[pattern]
        except KeyError:
            program = self.programs[pattern] = self.program(pattern)
        if program is None:
            return None
        numbers: tuple[float, ...] = ()
        if float in pattern:
            numbers = tuple([float(v) for v, p in zip(values, pattern, strict=True) if p is float])
        operands, x = [np.asarray(v) for v in values if isinstance(v, ARRAYS)], _changing.get()
        if x is not None and any([v is x.array for v in values]):
            return kernels.evaluate(program, operands, numbers, x.array, x.write)
        return kernels.evaluate(program, operands, numbers, over)

    def program(self, pattern: tuple) -> Program | None:
        """What the formula does to values of this pattern.

        None if kernels have no program for it: integers, two kinds of floats, an operand as it is, a constant.
        """
        out, _ = self._traced(self.vector, pattern, Trace())
        if out is None or not out.trace.lines:
            return None
        if out.trace.weight == 1:
            self.least = max(self.least, SINGLE)
        text = "\n".join([*out.trace.lines, f"out = {out.name}"])
        return Program(self.name, text, out.mask, out.trace.weight)

    def _script(self, pattern: tuple) -> Callable | None:
        """The formula's program as a function for NumPy; None where it calls no words, or none that NumPy has.

        Its numbers are arrays without axes, of the operands' dtype: NumPy need not find out what they are, each time.
        """
        constants: dict[str, str] = {}
        try:
            out, parameters = self._traced(self.formula, pattern, Trace(constants))
        except (AttributeError, TypeError):  # the formula asks arrays for more than symbols have
            return None
        if out is None:
            return None
        if "(" not in "".join(out.trace.lines):
            self.wordy = False
            return None
        casts = [f"{n} = dtype({n})" for n in parameters if n[0] == "n"]
        text = "\n    ".join([f"def script({', '.join(parameters)}):", *casts, *out.trace.lines, f"return {out.name}"])
        dtype = np.dtype(next(p for p in pattern if isinstance(p, str) and p != "?")).type
        names: dict[str, Any] = {name: np.array(float(number), dtype) for number, name in constants.items()}
        names["dtype"] = dtype
        names |= WORDS if float in pattern else {**WORDS, "where": np.where}
        exec(compile(text, f"<{self.name} for NumPy>", "exec"), names)
        script = names["script"]
        return script if names.keys() >= set(script.__code__.co_names) else None

    def _traced(self, formula: Callable, pattern: tuple, trace: Trace) -> tuple[Symbol | None, list[str]]:
        """What a formula makes of symbols in place of arrays and numbers, None if no symbol, and the names of those."""
        names, values = [], []  # type: tuple[list[str], list[Any]]
        if {p for p in pattern if isinstance(p, str)} - {"?"} not in ({"f"}, {"d"}):
            return None, names
        for p in pattern:
            symbol = p is float or isinstance(p, str)
            kind = "n" if p is float else "x" if symbol else "_"
            names.append(f"{kind}{sum(name[0] == kind for name in names)}")
            values.append(Symbol(trace, names[-1], p == "?") if symbol else p)
        try:
            out = self.read(formula, tuple(values))
        except Untold:
            return None, names
        return (out if isinstance(out, Symbol) else None), names


def formula(name: str, value: Callable, *, atom: bool = False) -> Callable:
    """A function for formulas, no op itself: on tensors it is composed of ops; with `atom`, kernels know it by name."""
    whole = Formula(name, value, _atom(name) if atom else None)
    if atom:
        WORDS[name] = whole

    def call(*args: Any) -> Any:
        if trace_of(args) is not None:
            return whole.vector(*args)
        return value(*args) if any(isinstance(a, Variable) for a in args) else whole(*args)

    return call


def _atom(name: str) -> Callable:
    """A function that kernels know by its name, for symbols."""
    return lambda *operands: trace_of(operands).call(name, *operands)  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------ rows
class Rule:
    """A derivative rule of a pointwise op: a formula, then the sum down to the shape of its argument."""

    def __init__(self, op: Pointwise, argument: str, rule: Callable) -> None:
        names = parameters(rule).positional
        self.rule = rule
        least = min(SEVERAL, op.value.least)
        self.formula = Formula(f"{op.name}_grad_{argument}", rule, least=least, static=op.value.static)
        self.same = names == ("g",) and _is_identity(rule)
        self.broadcasts = len(op.arguments) > 1
        shape = (f"{argument}_shape",) if self.broadcasts else ()
        self.parameters = Parameters((*names, *shape), (), {}, False)

    def __call__(self, *values: Any) -> Any:
        shape = None
        if self.broadcasts:
            *values, shape = values  # type: ignore[assignment]
        g = values[0]
        out = g if self.same else (self.rule if isinstance(g, Variable) else self.formula)(*values)
        return out if shape is None else fit(out, shape)


def _is_identity(rule: Callable) -> bool:
    token = object()
    try:
        return rule(token) is token
    except TypeError:
        return False


class _Shown:
    """The `__signature__` of an op, made when somebody asks."""

    def __get__(self, op: Any, owner: Any = None) -> inspect.Signature:
        if op is None:
            raise AttributeError("__signature__")
        if not isinstance(op.given, np.ufunc):
            return inspect.signature(op.given)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(n, kind) for n in op.arguments])


class Pointwise(Primitive):
    """An op that computes each element by itself; see the head of this file.

    meet: brings the arguments of a call to one dtype, as tensors and numbers. given: the formula of its declaration.
    """

    __signature__ = _Shown()
    numbers = False  # whether it may be called with Python's numbers alone
    asks_input = False  # whether a rule asks for the first operand, which an op in place must then keep

    def __init__(self, name: str, value: Callable, meet: Callable, formula: Formula, doc: str) -> None:
        self.value, self.meet, self.given = formula, meet, value
        names = formula.settings

        def function(*arrays: Any, **given: Any) -> Any:
            return formula(*arrays, *[given[s] for s in names]) if given else formula(*arrays)

        function.parameters = parameters(value)  # type: ignore[attr-defined]
        function.__name__ = function.__qualname__ = name
        function.__doc__, function.__module__ = doc, __name__
        super().__init__(function, name=name)
        if not names:
            self.function = formula

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if settings:
            if "out" in settings:
                return into(settings.pop("out"), self, args, settings)
            args, settings = self._bound(args, settings)
            for name, value in settings.items():
                if type(value) not in (float, int) and isinstance(value, str | list | tuple):
                    raise TypeError(f"{self.name}(): argument '{name}' must be Number, not {type(value).__name__}")
        for arg in args:
            if isinstance(arg, Variable):
                break
        else:
            plain = self._plain(args, settings)
            if plain is not None:
                return plain
            if not self.numbers and args and all([isinstance(arg, float | int) for arg in args]):
                raise no_tensor(self.name, "input", args[0])
        try:
            args = self.meet(*args)
        except TypeError as error:
            if "positional argument" not in str(error):
                raise
            raise TypeError(f"{self.name} takes {', '.join(self.arguments)}, but was given {len(args)}") from None
        try:
            return super().__call__(*args, **settings)
        except OverflowError:  # NumPy's, for an int that an integer dtype cannot hold; exponents must not wrap
            if self.name == "power":
                raise RuntimeError(f"power: value cannot be converted without overflow: {args[1]}") from None
            return super().__call__(*promotion.wrapped(args), **settings)
        except ValueError as error:
            if "broadcast" in str(error):
                raise promotion.unbroadcastable(self.name, *args) from None
            raise RuntimeError(f"{self.name}: {error}") from None

    def over(self, x: Any, *args: Any, **settings: Any) -> Any:
        """The op; its result has x's memory where one pass of a kernel computes it."""
        before = _changing.get()
        try:
            _changing.set(x)
            return self(x, *args, **settings)
        finally:
            _changing.set(before)

    def formulas(self) -> Iterator[tuple[Formula, list[str]]]:
        """The value and the rules that a kernel may compute, each with the names of its parameters."""
        if self.value.vector is not no_program:
            yield self.value, [*self.arguments, *self.settings]
        for rule in self.rules:
            if isinstance(rule, Rule) and not rule.same:
                yield rule.formula, [p for p in rule.parameters.positional if not p.endswith("_shape")]

    def _bound(self, args: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Positional arguments and settings, some of the former given by PyTorch's names for them or by ours."""
        arguments = list(args)
        for i, argument in enumerate(self.arguments[len(args) :], len(args)):
            theirs = (("input", "a", "x1"), ("exponent" if self.name == "power" else "other", "x2"))[i] if i < 2 else ()
            given = next((n for n in (argument, *theirs) if n in named), None)
            if given is not None:
                arguments.append(named.pop(given))
            elif len(named) > sum(s in named for s in self.settings):
                arguments.append(None)
        unknown = [n for n in named if n not in self.settings]
        if unknown:
            raise TypeError(f"{self.name}() got an unexpected keyword argument {unknown[0]!r}")
        return tuple(arguments), named

    def _plain(self, args: tuple, settings: dict) -> Any:
        """The result for arrays or symbols; None for numbers, of which a tensor is made."""
        for arg in args:
            if isinstance(arg, np.ndarray | np.generic):
                out = self.function(*args, **{**self.defaults, **settings}) if self.settings else self.value(*args)
                return out if type(out) is np.ndarray else np.asarray(out)
            if isinstance(arg, Symbol):
                return self.value.vector(*args, **settings)
        return None


def pointwise(
    name: str,
    value: Callable,
    *,
    doc: str,
    meet: Callable = promotion.as_tensor,
    atom: bool = False,
    vector: Callable | None = None,
    least: int = SEVERAL,
    static: tuple[float, ...] = (),
    names: str | None = None,
    on: str = "T i t o",
    **rules: Any,
) -> Any:
    """A row: an op whose operands are the positional parameters of `value`, and whose settings its keyword-only ones.

    atom: kernels know the op by its name; vector: they read another formula; least, static: see `Formula`. names and
    on: see `public`. Rules by the names of the operands. A wrong row fails here, at import, and says what is allowed.
    """
    if atom:
        vector = _atom(name)
    op = Pointwise(name, value, meet, Formula(name, value, vector, least, static), doc)
    op.vjp(**{argument: r if isinstance(r, str) else Rule(op, argument, r) for argument, r in rules.items()})
    if atom:
        WORDS[name] = value if isinstance(value, np.ufunc) else op.value
    op.asks_input = any(op.arguments[0] in names for names in op._names)
    if on:
        public(name if names is None else names, on)(op)
    return op


def unary(name: str, value: Callable, *, floating: bool = True, **row: Any) -> Any:
    """A row for an op of one operand, with `floating` a float also for integers; NumPy's own functions are atoms."""
    row.setdefault("atom", isinstance(value, np.ufunc) and row.get("vector") is None)
    return pointwise(name, value, meet=promotion.as_floats if floating else promotion.as_tensor, **row)


def binary(name: str, value: Callable, *, floating: bool = False, **row: Any) -> Any:
    """A row for an op of two operands, which broadcast and meet in one dtype, with `floating` that of a float."""
    return pointwise(name, value, **{"meet": promotion.paired_floats if floating else promotion.paired, **row})


def comparison(name: str, value: Callable, **row: Any) -> Any:
    """A row for an op of one or two operands whose result is a bool, without a derivative."""
    meet = promotion.tensor_first(name) if len(parameters(value).positional) == 2 else promotion.as_tensor
    return pointwise(name, value, **{"meet": meet, **row})
