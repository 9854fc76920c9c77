"""What a gradient check says: names of inputs, places of rules in the source, and the text of a mismatch."""

from __future__ import annotations

import functools
import inspect
import linecache
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .tape import _below

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Pair(NamedTuple):
    """The derivatives of one result by one input, as matrices [element of the input, element of the result].

    bad: where they differ. result, input: what these are called, and their positions in what was returned and given.
    """

    found: np.ndarray
    expected: np.ndarray
    bad: np.ndarray
    result: str
    output: int
    name: str
    input: int
    shapes: tuple

    def entry(self, at: Sequence[Any]) -> str:
        """A derivative as it is written: d out[1, 0] / d b[0]."""
        i, j = (_index(int(k), shape) for k, shape in zip(at, self.shapes, strict=True))
        return f"d {self.result}{j} / d {self.name}{i}"

    def worst(self) -> tuple:
        """The place of the largest error, of those entries that differ if any do."""
        with np.errstate(invalid="ignore"):
            error = np.nan_to_num(np.abs(self.found - self.expected), nan=np.inf)
        error = np.where(self.bad | (not self.bad.any()), error, -1)
        return np.unravel_index(int(np.argmax(error)), error.shape)


def _index(flat: int, shape: tuple) -> str:
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(flat, shape))}]" if shape else ""


def parameter_names(func: Any, count: int) -> list[str]:
    """What a function calls its positional arguments, as far as it says; "input 2" where it does not."""
    given = getattr(func, "_argument_names", None)
    if given is not None:
        return list(given)
    owner = getattr(func, "__self__", None)
    function = owner.forward if isinstance(owner, type) and hasattr(owner, "forward") else func
    function = getattr(function, "forward", function) if hasattr(function, "named_parameters") else function
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if function is not func and owner is not None and owner.setup_context is _plain_context(owner):
        parameters = parameters[1:]  # without ctx
    names: list[str] = []
    for p in parameters:
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
        elif p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}[{i}]" for i in range(count - len(names))]
    return [*names[:count], *(f"input {i}" for i in range(len(names), count))]


def _plain_context(owner: Any) -> Any:
    """`Function.setup_context`, which a class overrides if its forward takes no ctx."""
    return owner.__mro__[-2].setup_context


# ------------------------------------------------------------------------------------------------- places in the source
def source_of(primitive: Any, position: int) -> tuple[str, int] | None:
    """(file, line) of the rule for an argument of a primitive, or of a Function's backward; None where it has none."""
    function = getattr(primitive, "function", None)
    if isinstance(function, type):
        rule: Any = function.backward  # type: ignore[attr-defined]
    else:
        rules = getattr(primitive, "rules", None)
        rule = rules[min(position, len(rules) - 1)] if rules else None
    while rule is not None and not hasattr(rule, "__code__"):
        rule = rule.func if isinstance(rule, functools.partial) else getattr(rule, "rule", None)
    code = getattr(inspect.unwrap(rule), "__code__", None) if rule is not None else None
    if code is None:
        return None
    line = code.co_firstlineno
    while linecache.getline(code.co_filename, line).lstrip().startswith("@"):
        line += 1
    return code.co_filename, line


def line_of(place: tuple[str, int] | None, argument: str = "") -> str:
    """The text of a line of source, or of the rule of one argument that begins there; empty where it can't be read."""
    if place is None:
        return ""
    line = linecache.getline(*place).strip()
    if f"{argument}=lambda " not in line:
        return line
    text = " ".join(linecache.getline(place[0], place[1] + i).strip() for i in range(8))
    start, depth, body = text.index(f"{argument}=lambda "), 0, False
    for i, c in enumerate(text[start:], start):
        depth += (c in "([{") - (c in ")]}")
        body = body or c == ":"
        if depth < 0 or (c == "," and body and not depth):
            return text[start:i].replace("( ", "(").replace(", )", ")").replace(" )", ")")
    return line


def shown(place: tuple[str, int]) -> str:
    """file:line, from the working directory if the file is below it, from where the package lies if it is in there."""
    path, here = place[0], os.getcwd() + os.sep
    start = len(here) if path.startswith(here) else len(PACKAGE) - len("minitorch/") if path.startswith(PACKAGE) else 0
    return f"{path[start:]}:{place[1]}"


def argument_of(primitive: Any, position: int) -> str:
    """What a primitive calls an argument."""
    names = getattr(primitive, "arguments", None)
    if not names:
        return f"result {primitive.output}" if hasattr(primitive, "output") else f"argument {position}"
    if getattr(primitive, "variadic", False):
        return f"{names[-1]}[{position}]"
    return names[position]


def rules_on(results: Sequence[Any], x: Any) -> list[str]:
    """Where the rules stand that may be meant: those that users wrote, else those of few nodes or right above x."""
    nodes = [n for n in _below([y.node for y in results]) if hasattr(n.primitive, "function")]
    users = [n for n in nodes if not n.primitive.on_arrays]
    above = [n for n in users or nodes if any(parent is x.edge for parent in n.parents)]
    if not users:
        users = nodes if above else []
    if len(users) > 2 and above:
        users = above
    lines: dict[str, None] = {}
    for node in users if len(users) <= 3 else ():
        here = node in above
        for position, parent in enumerate(node.parents):
            place = source_of(node.primitive, position)
            if place is not None and parent is not None and (parent is x.edge or not here):
                what = f"`{argument_of(node.primitive, position)}` in {node.primitive.name}"
                if isinstance(node.primitive.function, type):
                    what = f"{node.primitive.name}.backward"
                lines[f"{what}, {shown(place)}"] = None
    return list(lines)[:4]


# ------------------------------------------------------------------------------------------------------------ the text
def mismatch(
    pair: Pair, pairs: Sequence[Pair], suspected: str, rules: Sequence[str], atol: float, rtol: float, how: str
) -> str:
    """All that is to say of a pair that differs: first line, suspicion, counts, errors of each input, rules."""
    at = pair.worst()
    named = "" if pair.name == f"input {pair.input}" else f" (`{pair.name}`)"
    lines = [
        f"Jacobian {how}mismatch for output {pair.output} with respect to input {pair.input}{named}: "
        f"{pair.entry(at)} is {pair.found[at]:.8g} by the rules and {pair.expected[at]:.8g} by differences",
        f"suspected: {suspected}",
        f"{int(pair.bad.sum())} of {pair.bad.size} entries differ by more than atol={atol} + rtol={rtol} * |numerical|",
    ]
    for other in pairs:
        if other.found.size:
            spot = other.worst()
            error, size = abs(other.found[spot] - other.expected[spot]), abs(other.expected[spot])
            relative = f", relative {error / size:.3g}" if size and np.isfinite(error) and other.bad.any() else ""
            state = "differs" if other.bad.any() else "agrees"
            where = f" at {other.entry(spot)}" if other.bad.any() else ""
            lines.append(f"d {other.result} / d {other.name} {state}: worst error {error:.2g}{relative}{where}")
    lines += [f"the rule: {rule}" for rule in rules]
    return "\n  ".join(lines)
