"""What a model computes, written down while it runs: calls, and the values they take and give.

A model is run several times: with inputs of other values, and of other sizes along axes that are to stay open. What is
the same in all runs is the model; a number that differs is a size, and an array that differs, though no call made it,
was computed where nobody could follow, which is an error rather than a wrong file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd import Primitive, Variable
from .errors import ExportError


class Value:
    """A tensor of one run. kind: "input", "named" (a parameter or buffer), "constant" or "computed"."""

    __slots__ = ("array", "call", "dtype", "index", "kind", "name", "shape")

    def __init__(self, index: int, kind: str, array: np.ndarray, name: str = "") -> None:
        self.index, self.kind, self.name = index, kind, name
        self.shape, self.dtype = array.shape, array.dtype
        self.array: Any = array.copy() if kind == "constant" else array if kind == "named" else None
        self.call: Call | None = None


class Call:
    """One call of a primitive or a step: its arguments and results, with Values for tensors; and what it called."""

    __slots__ = ("apart", "args", "inner", "layer", "name", "results", "settings", "step")

    def __init__(self, name: str, step: bool, args: Any, settings: Any, layer: str) -> None:
        self.name, self.step, self.args, self.settings, self.layer = name, step, args, settings, layer
        self.results: Any = ()
        self.inner: list[Call] = []
        self.apart: ExportError | None = None  # how runs differ inside of it


def mapped(value: Any, of: Callable[[Any], Any]) -> Any:
    """`value` with of(leaf) for each leaf of tuples, lists, dicts and slices."""
    if isinstance(value, tuple | list):
        return tuple([mapped(item, of) for item in value])
    if isinstance(value, dict):
        return {key: mapped(item, of) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(mapped(part, of) for part in (value.start, value.stop, value.step)))
    return of(value)


def leaves(value: Any) -> Iterator[Any]:
    """All that `mapped` would visit."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        yield from leaves(tuple(value.values()))
    elif isinstance(value, slice):
        yield from leaves((value.start, value.stop, value.step))
    else:
        yield value


class Run:
    """A follower (see autograd/following.py) that writes one run down. named: names of tensors that stay themselves."""

    def __init__(self, named: dict[str, Any]) -> None:
        self.calls: list[Call] = []
        self.values: list[Value] = []
        self.layers: list[str] = []
        self._open: list[list[Call]] = [self.calls]
        self._keep: list[Any] = []  # while these live, no other object has their ids
        self._nodes: dict[int, Value] = {}
        self._tensors: dict[int, tuple[Value, int]] = {}
        self._memory: dict[tuple, tuple[Value, Any, int]] = {}
        for name, tensor in named.items():
            self._know(tensor, self._new("named", tensor.array, name))

    def input(self, name: str, tensor: Any) -> None:
        """`tensor` is an input of the model."""
        self._know(tensor, self._new("input", tensor.array, name))

    # --------------------------------------------------------------------------------------------------- being told
    def primitive(self, op: Primitive, args: tuple, settings: dict, compute: Callable[[], Any]) -> Any:
        """A primitive is called."""
        if not any(isinstance(arg, Variable) for arg in args):
            return compute()
        return self._called(op.name, False, args, {**op.defaults, **settings}, compute)

    def step(self, name: str, args: tuple, kwargs: dict, compute: Callable[[], Any]) -> Any:
        """A step is called."""
        return self._called(name, True, args, kwargs, compute)

    def _called(self, name: str, step: bool, args: tuple, settings: dict, compute: Callable[[], Any]) -> Any:
        layer = self.layers[-1] if self.layers else ""
        changed = name == "assign" and args[0].base is not None
        if changed:
            settings = {"base": args[0].base, "views": args[0].chain}
        call = Call(name, step, mapped(args, self._told), mapped(settings, self._told), layer)
        self._open[-1].append(call)
        self._open.append(call.inner)
        try:
            out = compute()
        finally:
            self._open.pop()
        call.results = self._result(args[0].base, call) if changed else mapped(out, lambda v: self._result(v, call))
        return out

    def _told(self, leaf: Any) -> Any:
        if isinstance(leaf, Variable):
            return self.value(leaf)
        if isinstance(leaf, np.ndarray):
            return self._of_memory(leaf) or leaf.copy()
        return leaf

    # ------------------------------------------------------------------------------------------------ who is who
    def value(self, tensor: Any) -> Value:
        """What is known as this tensor; if nothing is, it is a constant."""
        node, array = tensor.node, tensor.array
        known = self._nodes.get(id(node)) if node is not None else None
        if known is None and node is None:
            held, count = self._tensors.get(id(tensor), (None, 0))
            known = held if held is not None and tensor.version.count == count else self._of_memory(array)
        if known is None:
            known = self._new("constant", array)
            self._know(tensor, known)
        return known

    def _of_memory(self, array: np.ndarray) -> Value | None:
        held = self._memory.get(_place(array))
        return held[0] if held is not None and held[1].version.count == held[2] else None

    def _result(self, leaf: Any, call: Call) -> Any:
        if not isinstance(leaf, Variable):
            return leaf
        node = leaf.node
        if call.step and call.name != "assign":  # it may hand on what another call made, or what it was given
            known = self._nodes.get(id(node)) if node is not None else self._tensors.get(id(leaf), (None, 0))[0]
            if known is not None:
                return known
        made = self._new("computed", leaf.array)
        made.call = call
        self._know(leaf, made)
        return made

    def _new(self, kind: str, array: np.ndarray, name: str = "") -> Value:
        value = Value(len(self.values), kind, array, name)
        self.values.append(value)
        return value

    def _know(self, tensor: Any, value: Value) -> None:
        node, count = tensor.node, tensor.version.count
        self._keep.append((tensor, node, tensor.array))
        if node is not None:
            self._nodes[id(node)] = value
        self._tensors[id(tensor)] = value, count
        self._memory[_place(tensor.array)] = value, tensor, count


def _place(array: np.ndarray) -> tuple:
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.char


# ----------------------------------------------------------------------------------------------------- runs, merged
class Varying:
    """What differed between the runs: one entry for each."""

    __slots__ = ("entries",)

    def __init__(self, entries: tuple) -> None:
        self.entries = entries

    def __repr__(self) -> str:
        return " | ".join(map(str, self.entries))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Varying) and all(map(_same, self.entries, other.entries))


class Merged:
    """A value in all runs; shape has a Varying for each size that differs. name: in the graph, once it has one."""

    __slots__ = ("arrays", "dtype", "error", "kind", "name", "shape")

    def __init__(self, values: tuple[Value, ...]) -> None:
        first = values[0]
        self.kind, self.dtype, self.name = first.kind, first.dtype, first.name
        self.shape = together([value.shape for value in values])
        self.arrays: list[Any] = [value.array for value in values]
        self.error: ExportError | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and (a.shape, a.dtype) == (b.shape, b.dtype)
            and (a.tobytes() == b.tobytes())
        )
    return type(a) is type(b) and (a is b or bool(a == b) or a != a and b != b)


def together(entries: Sequence[Any], value_of: Callable[[tuple], Any] | None = None) -> Any:
    """The entries of all runs as one: as they are where they are equal, else with a Varying where they differ.

    value_of: makes one of the Values of all runs.
    """
    first = entries[0]
    if all(type(e) is type(first) for e in entries):
        if isinstance(first, Value) and value_of is not None:
            return value_of(tuple(entries))
        if isinstance(first, tuple) and all(len(e) == len(first) for e in entries):
            return tuple(together(column, value_of) for column in zip(*entries, strict=True))
        if isinstance(first, dict) and all(e.keys() == first.keys() for e in entries):
            return {key: together([e[key] for e in entries], value_of) for key in first}
        if isinstance(first, slice):
            return slice(*(together([getattr(e, k) for e in entries], value_of) for k in ("start", "stop", "step")))
    return first if all(_same(first, e) for e in entries[1:]) else Varying(tuple(entries))


class Merger:
    """Brings runs together: the calls that all have in common, and their values."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, ...], Merged] = {}

    def value(self, column: tuple[Value, ...]) -> Merged:
        """The value that these are in the runs. Raises ExportError where they are not the same call's."""
        key = tuple(value.index for value in column)
        if key not in self.values:
            if len({(v.kind, v.name, v.dtype) for v in column}) > 1:
                raise ExportError("export: the model does other things for other inputs: one takes another tensor")
            self.values[key] = Merged(column)
        return self.values[key]

    def calls(self, columns: Sequence[list[Call]]) -> list[Call]:
        """The calls of all runs. Raises ExportError where runs go different ways."""
        out = []
        for i, first in enumerate(columns[0]):
            row = [column[i] for column in columns if i < len(column)]
            names = [call.name for call in row]
            if len(row) < len(columns) or len(set(names)) > 1:
                raise ExportError(
                    f"export: the model does other things for other inputs: {where(first)}, one run calls {names[0]}, "
                    f"another {next((n for n in names if n != names[0]), 'nothing')}. A file says one way: where that "
                    "depends on values, or on sizes that stay open, use where(), or export without dynamic_axes"
                )
            call = Call(first.name, first.step, None, None, first.layer)
            call.args = together([c.args for c in row], self.value)
            call.settings = together([c.settings for c in row], self.value)
            try:
                call.inner = self.calls([c.inner for c in row])
            except ExportError as error:  # which matters only where the call cannot be said as a whole
                call.apart = error
            call.results = together([c.results for c in row], self.value)
            out.append(call)
        longer = max(columns, key=len)
        if len(longer) > len(columns[0]):
            call = longer[len(columns[0])]
            raise ExportError(
                f"export: the model does other things for other inputs: {where(call)}, only some runs call {call.name}"
            )
        return out


def where(call: Call) -> str:
    """Where a call stands, for errors."""
    return f"in layer {call.layer!r}" if call.layer else "in the model"
