"""One step as a list of calls on arrays that stay where they are: recorded from one run, made again in the next.

A run is followed (autograd/following.py). What it does to arrays is one of these:

- a launch of a kernel, by an op that does nothing else (`LAUNCHERS`) or by an elementwise one. The compiled function is
  kept with its arguments, and so are the arrays that it reads and writes.
- a call of any other primitive, or of a node's rules. The function is called anew, and what it gives is copied to where
  the recorded run had it. So whatever looks at values looks again: a label out of range still raises.
- a call of an optimizer, made again as a whole: its learning rate may be another one each time.

Views are there with what they show. Fusion is off while a run is recorded: the bits are the same, and each op is one
call. Whatever is none of the three, be it seen or not, makes a program that is not used: what is seen is refused here,
and what is not, `wrong` finds out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Node, Primitive, Variable, quiet, tape
from ..autograd.following import followed
from ..autograd.tape import Kept, Own, wrap
from ..geometry import ConvGeometry
from ..kernels.engine.record import again, recorded
from ..kernels.tile.algorithm import is_winograd
from ..ops import fuse
from ..ops.declare import Pointwise

# Ops whose function and rules do nothing to arrays but launch kernels, take views and call other primitives.
LAUNCHERS = {
    "add_bias",
    "affine",
    "batched_matmul",
    "bias_grad",
    "conv",
    "conv_bias",
    "conv_transpose",
    "conv_weight_grad",
    "linear",
    "max_pool",
    "pool_gather",
    "pool_scatter",
}
COUNTER = 64  # bytes at most of integers that a launch counts in: they must be as before for the next
LARGE = 64_000_000  # bytes of all arrays: with more of them a step's time is its kernels'
MANY = 4096  # channels that Winograd's algorithm would take, if it took any


class Program:
    """The calls of a step, in order.

    inputs: tensors that stand for the step's arguments. calls: pairs (function, arguments). effects: those of them that
    change more than the program's own arrays: an optimizer's, and those that give leaves their gradients. shape: what
    must be the same in every run. gradients: pairs (leaf, array). refused: why there is no program, or "".
    """

    def __init__(self, inputs: list[Any]) -> None:
        self.inputs = [wrap(x.array.copy(order="K")) for x in inputs]
        self.calls: list[tuple[Callable, tuple]] = []
        self.shape: list[tuple] = []
        self.effects: set[int] = set()
        self.gradients: list[tuple[Any, np.ndarray]] = []
        self.outputs: Any = None
        self.refused = ""
        self._floats: dict[int, np.ndarray] = {}  # all that the calls read or write
        self._constants: list[np.ndarray] = []  # gradients that backward begins with
        self._within = False  # what is one call
        self._size = 0
        self._thread = threading.get_ident()

    # ------------------------------------------------------------------------------------------------------- recording
    def record(self, function: Callable, args: tuple) -> Any:
        """function(*args), followed; the inputs stand in args in place of the tensors that were given."""
        fusion, fuse.enabled = fuse.enabled, False
        backward, write, accumulate, seed = Primitive.backward, Variable.write, tape.accumulate, tape._seed
        try:
            Primitive.backward = lambda op, *how: self._rules(lambda: backward(op, *how), op, *how)  # type: ignore
            Variable.write = lambda x: self._write(lambda: write(x))  # type: ignore[method-assign]
            tape.accumulate, tape._seed = self._accumulate, lambda *how: self._seed(seed, *how)
            with followed(self), recorded(self._launch):
                found = function(*args)
        finally:
            Primitive.backward, Variable.write = backward, write  # type: ignore[method-assign]
            tape.accumulate, tape._seed = accumulate, seed
            fuse.enabled = fusion
        self.outputs = found
        return self._handed(found)

    def refuse(self, why: str) -> None:
        """There will be no program."""
        self.refused = self.refused or why
        self.calls.clear()
        self.effects.clear()

    def _passes(self) -> bool:
        """Whether what happens now is not to be recorded: it is a part of a call, or of another thread."""
        return bool(self._within or self.refused) or threading.get_ident() != self._thread

    def _add(self, function: Callable, arguments: tuple, *shape: Any) -> None:
        self.calls.append((function, arguments))
        self.shape.append(shape)

    def _forget(self, mark: int) -> None:
        del self.calls[mark:], self.shape[mark:]

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """What happens here belongs to one call."""
        before = self._within
        try:
            self._within = True
            yield
        finally:
            self._within = before

    def _launch(self, name: str, run: Callable, arguments: tuple) -> None:
        if self._passes():
            run(*arguments)
            return
        counters = [x for x in arguments if type(x) is np.ndarray and x.dtype.kind == "i" and x.nbytes <= COUNTER]
        before = [x.copy() for x in counters]
        with self._inside():
            run(*arguments)
        for x, was in zip(counters, before, strict=True):
            if (x != was).any():
                self._add(np.copyto, (x, was), was.tobytes())
        self._know(arguments)
        self._add(run, arguments, name, _outline(arguments))
        if self._size > LARGE:
            self.refuse("its arrays are so large that Python between kernels is no matter")

    def _know(self, values: Any) -> None:
        for value in values:
            if type(value) is np.ndarray and value.dtype.kind == "f":
                if id(value) not in self._floats:
                    self._size += value.nbytes
                self._floats[id(value)] = value
            elif type(value) is tuple:
                self._know(value)

    def primitive(self, op: Primitive, args: tuple, settings: dict, compute: Callable[[], Any]) -> Any:
        """As `Follower` says."""
        if self._passes():
            return compute()
        seen: list[tuple] = []
        function = op.function

        def call(*arrays: Any, **given: Any) -> Any:
            found = function(*arrays, **given)
            if threading.get_ident() == self._thread:
                seen.append((arrays, given, found))
            return found

        mark = len(self.calls)
        try:
            op.function = call
            result = compute()
        finally:
            op.function = function
        if not seen:
            self.refuse(f"{op.name} was computed in another way")
            return result
        arrays, given, found = seen[-1]
        if not self._launches(op, arrays, given, found, mark):
            self._forget(mark)
            first, *residuals = found if op.residuals else (found,)
            if type(first) is not np.ndarray:
                first = result.array if isinstance(result, Variable) else result
            self._call_again(op.name, function, arrays, given, (first, *residuals))
        return result

    def _launches(self, op: Primitive, arrays: tuple, settings: dict, found: Any, mark: int) -> bool:
        """Whether the launches since `mark` are all that a call of `op` does, whatever the values."""
        if op.view:
            return type(found) is np.ndarray and np.may_share_memory(found, arrays[0])
        if isinstance(op, Pointwise):
            return len(self.calls) > mark
        geometry = settings.get("geometry")
        if isinstance(geometry, ConvGeometry):  # which looks for infinities and NaN, some of the time
            looks = geometry.groups > 1 or is_winograd(geometry, arrays[0].dtype, MANY, MANY)
            return op.name in LAUNCHERS and not looks
        return op.name in LAUNCHERS

    def _call_again(self, name: str, function: Callable, arrays: tuple, settings: dict, found: tuple) -> None:
        places = []
        for i, x in enumerate(found):
            if type(x) is not np.ndarray:
                self.refuse(f"{name} gives {type(x).__name__} beside arrays")
            elif not any(type(a) is np.ndarray and np.may_share_memory(a, x) for a in arrays):
                places.append((i if len(found) > 1 else None, x))
        self._know((*arrays, *found))
        self._add(_call, (function, arrays, settings, places), name, _outline((arrays, settings, found)))

    def _rules(self, compute: Callable, op: Primitive, node: Node, g: Any, needed: Any) -> list[tuple]:
        """In place of `Primitive.backward`."""
        if self._passes():
            return compute()
        kept, mark = dict(node.kept or {}), len(self.calls)
        pieces = compute()
        if isinstance(g, Variable):
            self.refuse("derivatives are recorded")
            return pieces
        arrays = tuple([tape._computed(piece) for _, piece in pieces])
        launched = len(self.calls) - mark == len(pieces) if isinstance(op, Pointwise) else op.name in LAUNCHERS
        if not launched and not op.view:
            self._forget(mark)
            given = tape._computed(g)
            kept = {n: Kept(k.array, None, None, 0) if type(k) is Kept else k for n, k in kept.items()}
            own = Node(op, node.parents, kept, True, node.settings, node)  # which backward does not free
            places = [None if np.may_share_memory(x, given) else x for x in arrays]
            self._know((given, *arrays, *[k.array for k in kept.values() if type(k) is Kept]))
            how = op, own, given, type(g) is Own, needed, places
            self._add(_call_rules, how, f"{op.name}, backwards", _outline(arrays))
        return pieces

    def _accumulate(self, leaf: Any, g: Any, create_graph: bool) -> None:
        """In place of `tape.accumulate`."""
        if not self._passes() and (leaf._grad is not None or create_graph):
            self.refuse("a gradient is added to another")
        if self._passes():
            _accumulate(leaf, g, create_graph)
            return
        array = tape._computed(g)
        self.gradients.append((leaf, array))
        self._know((array,))
        self.effects.add(len(self.calls))
        self._add(_accumulate, (leaf, array, False), "gradient", _outline(array))
        _accumulate(leaf, array, False)

    def _seed(self, seed: Callable, index: int, output: Any, g: Any) -> tuple:
        """In place of `tape._seed`."""
        edge, first = seed(index, output, g)
        if g is None and not self._passes():
            self._constants.append(first.array)
        return edge, first

    def _write(self, compute: Callable) -> Any:
        """In place of `Variable.write`."""
        if not self._passes():
            self.refuse("a tensor is changed in place")
        return compute()

    def step(self, name: str, args: tuple, kwargs: dict, compute: Callable[[], Any]) -> Any:
        """As `Follower` says."""
        if self._passes() or not name.startswith("Optimizer."):
            return compute()
        if len(args) > 1 or kwargs:
            self.refuse(f"{name} with arguments")
        with self._inside():
            out = compute()
        self.effects.add(len(self.calls))
        self._add(compute, (), name, id(args[0]))
        return out

    def escapes(self, known: list[np.ndarray]) -> str:
        """What is wrong with what the step returned, "" if nothing is. known: memory that the step did not make."""
        known = [*known, *[x.array for x in self.inputs]]
        for x in self.outputs if isinstance(self.outputs, tuple | list) else [self.outputs]:
            if isinstance(x, Variable):
                if any(node.holds and node.kept is not None for node in tape._below([x.node])):
                    return "what it returns can be differentiated"
                if x.base is not None or any(np.may_share_memory(x.array, other) for other in known):
                    return "it returns a view, or what it was given"
            elif x is not None and not isinstance(x, bool | int | float | str):
                return f"it returns a {type(x).__name__}"
        return ""

    # --------------------------------------------------------------------------------------------------------- running
    def rehearse(self, arrays: list[np.ndarray], known: list[np.ndarray]) -> None:
        """Make the calls without effects, for `wrong` to look at.

        Before, all memory of the program's own is filled with NaN: what no call writes, since nobody saw who did, stays
        NaN. known: memory that the step did not make, of parameters and the like.
        """
        outside = [*known, *self._constants]
        for x in self._floats.values():
            if x.flags.writeable and not any(np.may_share_memory(x, y) for y in outside):
                x.fill(np.nan)
        self._run(arrays, [call for i, call in enumerate(self.calls) if i not in self.effects])

    def wrong(self, other: Program, rehearsed: bool) -> str:
        """What is not as in `other`, recorded on other values, or where this was rehearsed; "" if all is."""
        if self.shape != other.shape:
            return "not every run makes the same calls"
        if not rehearsed:
            return ""
        pairs = [(a, b) for (_, a), (_, b) in zip(self.gradients, other.gradients, strict=True)]
        pairs += [(a.array, b.array) for a, b in zip(self._tensors(), other._tensors(), strict=True)]
        same = all(np.array_equal(a.view(f"V{a.itemsize}"), b.view(f"V{b.itemsize}")) for a, b in pairs)
        return "" if same else "something that is computed was not seen"

    def run(self, arrays: list[np.ndarray]) -> Any:
        """Make the calls on these inputs; what the step returns."""
        self._run(arrays, self.calls)
        return self._handed(self.outputs)

    def _run(self, arrays: list[np.ndarray], calls: list[tuple[Callable, tuple]]) -> None:
        for mine, x in zip(self.inputs, arrays, strict=True):
            np.copyto(mine.array, x)
        before = quiet.get()
        try:
            quiet.set(quiet.QUIET)
            with again():
                for function, arguments in calls:
                    function(*arguments)
        finally:
            quiet.set(before)

    def _tensors(self) -> list[Any]:
        """The tensors that the step returned."""
        found = self.outputs if isinstance(self.outputs, tuple | list) else [self.outputs]
        return [x for x in found if isinstance(x, Variable)]

    def _handed(self, found: Any) -> Any:
        """What the step returned, with copies in place of tensors: they keep their place on the tape."""
        if isinstance(found, tuple | list):
            return type(found)([self._handed(x) for x in found])
        if not isinstance(found, Variable):
            return found
        out = wrap(found.array.copy(order="K"))
        out._node = found._node
        return out


_accumulate = tape.accumulate


def _call(function: Callable, arrays: tuple, settings: dict, places: list) -> None:
    """Call a primitive's function, and copy what it gives to these places: pairs (which of several results, where)."""
    found = function(*arrays, **settings)
    for i, place in places:
        place[...] = found if i is None else found[i]


def _call_rules(op: Primitive, node: Node, g: np.ndarray, own: bool, needed: Any, places: list) -> None:
    """The same for a node's rules; None: a view of g."""
    for (_, piece), place in zip(op.backward(node, Own(g) if own else g, needed), places, strict=True):
        if place is not None:
            place[...] = tape._computed(piece)


def _outline(values: Any) -> Any:
    """What of a call's arguments must be the same in two runs."""
    if type(values) is np.ndarray:
        return values.shape, values.strides, values.dtype.char
    if isinstance(values, dict):
        return tuple([(key, _outline(value)) for key, value in values.items()])
    if isinstance(values, tuple | list):
        return tuple(map(_outline, values))
    return values
