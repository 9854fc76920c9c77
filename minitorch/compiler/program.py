"""One step as a list of calls on arrays that stay where they are: recorded from one run, made again in the next.

A run is followed (autograd/following.py), and some functions that every op passes are exchanged for others that tell of
it (`_told`). What the run does to arrays is one of these:

- a launch of a kernel, or a copy, by an op that does nothing else (`LAUNCHERS`). The compiled function is kept with its
  arguments, and so are the arrays that it reads and writes.
- a call of any other primitive, of a formula, or of a node's rules. The function is called anew, and what it gives is
  copied to where the recorded run had it. So whatever looks at values looks again: a label out of range still raises.
- a call of an optimizer, made again as a whole: its learning rate may be another one each time.

Views are there with what they show. Fusion is off while a run is recorded: the bits are the same, and each op is one
call. Whatever is none of these, be it seen or not, makes a program that is not used: what is seen is refused here, and
what is not, `rehearse` brings to light.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Node, Primitive, Variable, inplace, quiet, tape
from ..autograd.following import followed
from ..autograd.tape import Kept, Own, wrap
from ..geometry import ConvGeometry
from ..kernels.engine.record import again, recorded
from ..kernels.tile.algorithm import is_winograd
from ..ops import fuse
from ..ops.declare import Formula, Pointwise

# Ops whose function and rules do nothing to arrays but launch kernels, take views, and call other primitives and
# formulas. Rules of elementwise ops and views are like that, too.
LAUNCHERS = {
    "add_bias",
    "affine",
    "batch_norm",
    "batched_matmul",
    "bias_grad",
    "conv",
    "conv_bias",
    "conv_transpose",
    "conv_weight_grad",
    "cross_entropy",
    "linear",
    "max_pool",
    "pool_gather",
    "pool_scatter",
}
EFFECTS = {"Optimizer.step", "Optimizer.zero_grad", "count"}  # steps of `following` that are made again as a whole
COUNTER = 64  # bytes at most of integers that a launch counts in: they must be as before for the next
LARGE = 128_000_000  # bytes of all arrays: with more of them a step is no faster, since nothing is fused; see `Step`


class Program:
    """The calls of a step, in order.

    given: tensors, the step's arguments; inputs: those that stand for them. outside: the tensors that the step may
    read, which it did not make. calls: pairs (function, arguments). shape: what of them must be the same in every run.
    refused: why there is no program, or "".
    """

    def __init__(self, given: list[Any], outside: list[Any]) -> None:
        self.inputs, self.outside = [wrap(x.array.copy(order="K")) for x in given], outside
        self.calls: list[tuple[Callable, tuple]] = []
        self.shape: list[tuple] = []
        self.refused = ""
        self._effects: set[int] = set()  # the calls that change more than arrays of the program
        self._outputs: Any = None
        self._gradients: list[tuple[Any, np.ndarray]] = []  # leaves, and what backward found for them
        self._written: list[Any] = []  # tensors of `outside` that calls change
        self._seeds: list[tuple[int, list]] = []  # what was drawn, and which settings it became
        self._known: dict[int, np.ndarray] = {}  # all that the calls read or write
        self._owners = {_owner(x.array) for x in self.inputs}  # of what calls gave, and of the inputs
        self._first: list[np.ndarray] = []  # gradients that backward begins with
        self._size = 0
        self._within = False  # what is one call
        self._deep = 0  # in functions of primitives, formulas and rules
        self._thread = threading.get_ident()

    # ------------------------------------------------------------------------------------------------------- recording
    def record(self, function: Callable, args: tuple) -> Any:
        """function(*args), followed; the inputs stand in args in place of the tensors that were given."""
        fusion, fuse.enabled = fuse.enabled, False
        try:
            with followed(self), recorded(self._launch), _told(self):
                found = function(*args)
        finally:
            fuse.enabled = fusion
        self._outputs = found
        if not self.refused:
            self.refused = self._escapes()
        return self._handed(found)

    def refuse(self, why: str) -> None:
        """There will be no program."""
        self.refused = self.refused or why
        self.calls.clear()
        self._known.clear()

    def computes(self) -> bool:
        """Whether what happens now is a part of what is called anew, or launched, or does not matter."""
        return bool(self._within or self._deep or self.refused)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._deep += 1
        try:
            yield
        finally:
            self._deep -= 1

    def passes(self) -> bool:
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

    def _know(self, values: Iterable[Any]) -> None:
        for x in _arrays(values):
            if id(x) not in self._known:
                self._known[id(x)] = x
                self._size += x.nbytes
            self._owners.add(_owner(x))
        if self._size > LARGE:
            self.refuse("its arrays are so large that Python between kernels is no matter")

    def _launch(self, name: str, run: Callable, arguments: tuple) -> None:
        if self.passes():
            run(*arguments)
            return
        if name == "copy":  # NumPy's, or a launch that is given addresses, so that the arrays are kept beside it
            mark = len(self.calls)
            run(*arguments)
            if len(self.calls) == mark:
                self._add(np.copyto, arguments)
            self.shape[mark:] = [(name, _outline(arguments))] * (len(self.calls) - mark)
            self._know(arguments)
            return
        counters = [x for x in arguments if type(x) is np.ndarray and x.dtype.kind == "i" and x.nbytes <= COUNTER]
        before = [x.copy() for x in counters]
        with self._inside():
            run(*arguments)
        for x, was in zip(counters, before, strict=True):
            if x.tobytes() != was.tobytes():
                self._add(np.copyto, (x, was), was.tobytes())
        self._add(run, arguments, name, _outline(arguments))
        self._know(arguments)

    def primitive(self, op: Primitive, args: tuple, settings: dict, compute: Callable[[], Any]) -> Any:
        """As `Follower` says."""
        if self.passes():
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
            with self._deeper():
                result = compute()
        finally:
            op.function = function
        if self.refused:
            return result
        if not seen:
            self.refuse(f"{op.name} was computed in another way")
            return result
        arrays, given, found = seen[-1]
        if not self._is_launched(op, arrays, given, found, mark):
            self._forget(mark)
            first, *residuals = found if op.residuals else (found,)
            if type(first) is not np.ndarray:
                first = result.array if isinstance(result, Variable) else result
            self._call(op.name, function, arrays, given, (first, *residuals), bool(op.residuals))
        return result

    def _is_launched(self, op: Primitive, arrays: tuple, settings: dict, found: Any, mark: int) -> bool:
        """Whether the calls since `mark` are all that `op` does, whatever the values."""
        if op.view:
            return type(found) is np.ndarray and np.may_share_memory(found, arrays[0])
        if isinstance(op, Pointwise) or op.name == "sum":  # of few elements, a sum is NumPy's
            return len(self.calls) > mark
        geometry = settings.get("geometry")
        if isinstance(geometry, ConvGeometry):  # algorithms for these look for infinities and NaN
            channels, outputs = arrays[0].shape[1], arrays[1].shape[op.name not in ("conv", "conv_bias")]
            if geometry.groups > 1 or is_winograd(geometry, arrays[0].dtype, channels, outputs):
                return False
        if op.name == "affine" and 1 in found.shape:  # NumPy adds the bias to a vector
            return False
        return op.name in LAUNCHERS

    def formula(self, formula: Formula, values: tuple, compute: Callable[[], Any]) -> Any:
        """In place of `Formula.__call__`."""
        mark = len(self.calls)
        if self.passes() or not all([isinstance(v, np.ndarray | float | int) for v in values]):
            return compute()
        with self._deeper():
            found = compute()
        if len(self.calls) == mark and not self.refused:
            found = np.asarray(found)
            self._call(formula.name, formula, values, {}, (found,), False)
        return found

    def _call(
        self, name: str, function: Callable, arrays: tuple, settings: dict, found: tuple, several: bool = True
    ) -> None:
        """A call to be made again that gave these; not `several`: the only one of these."""
        inputs = list(_arrays((*arrays, *settings.values())))
        self._check(name, inputs)
        if any(x.dtype.kind == "b" for x in _arrays(v for v in settings.values() if isinstance(v, tuple))):
            self.refuse(f"{name} by a mask gives as many elements as it holds for")
        places = []
        for i, x in enumerate(found):
            if not isinstance(x, np.ndarray | np.dtype):
                self.refuse(f"{name} gives {type(x).__name__} beside arrays")
            elif type(x) is np.ndarray and not any(np.may_share_memory(x, other) for other in inputs):
                places.append((i if several else None, x))
        settings = dict(settings)
        for seed, targets in self._seeds:
            targets += [(settings, key) for key, value in settings.items() if value is seed]
        self._know((*inputs, *found))
        fixed = {key: value for key, value in settings.items() if not any(value is seed for seed, _ in self._seeds)}
        self._add(_call, (function, arrays, settings, places), name, _outline((arrays, fixed, found)))

    def _check(self, name: str, arrays: Iterable[Any]) -> None:
        """Refuse what nobody saw computed."""
        outside = {_owner(x.array) for x in self.outside}
        for x in _arrays(arrays):
            if _owner(x) not in self._owners and _owner(x) not in outside:
                self.refuse(f"{name} is given what nobody saw computed")

    def rules(self, op: Primitive, node: Node, g: Any, needed: Any, compute: Callable) -> list[tuple]:
        """In place of `Primitive.backward`."""
        if self.passes():
            return compute()
        kept, mark = dict(node.kept or {}), len(self.calls)
        with self._deeper():
            pieces = compute()
        if self.refused or isinstance(g, Variable):
            self.refuse("derivatives are recorded")
            return pieces
        if not (op.name in LAUNCHERS or op.view or isinstance(op, Pointwise)):
            self._forget(mark)
            given, arrays = tape._computed(g), tuple([tape._computed(piece) for _, piece in pieces])
            kept = {n: Kept(k.array, None, None, 0) if type(k) is Kept else k for n, k in kept.items()}
            own = Node(op, node.parents, kept, True, node.settings, node)  # which backward does not free
            places = [None if np.may_share_memory(x, given) else x for x in arrays]
            read = [k.array for k in kept.values() if type(k) is Kept]
            self._check(op.name, [given, *read, *node.settings.values()])
            self._know((given, *arrays, *read, *node.settings.values()))
            how = op, own, given, type(g) is Own, needed, places
            self._add(_call_rules, how, f"{op.name}, backwards", _outline(arrays))
        return pieces

    def accumulate(self, leaf: Any, g: Any, create_graph: bool, compute: Callable) -> None:
        """In place of `tape.accumulate`."""
        if self.passes():
            compute(leaf, g, create_graph)
            return
        if create_graph or not any(leaf is tensor for tensor in self.outside):
            self.refuse("derivatives are recorded" if create_graph else "what was computed or given gets a gradient")
        array = tape._computed(g)
        self._gradients.append((leaf, array))
        self._effects.add(len(self.calls))
        self._add(compute, (leaf, array, False), "gradient", _outline(array))
        self._know((array,))
        with self._inside():
            compute(leaf, g if create_graph else array, create_graph)

    def begin(self, output: Any, g: Any, compute: Callable) -> tuple:
        """In place of `tape._seed`."""
        edge, first = compute()
        if g is None and not self.passes():
            self._first.append(first.array)
            self._owners.add(_owner(first.array))
        return edge, first

    def write(self, x: Any, compute: Callable) -> Any:
        """In place of `Variable.write`."""
        if not self.passes():
            if any(x is tensor for tensor in self.outside):
                self._written.append(x)
                self._add(compute, (), "write")
            elif x.array.dtype.kind != "f" or _owner(x.array) not in self._owners or self._is_input(x.array):
                self.refuse("what the step did not make is changed in place")
        return compute()

    def _is_input(self, array: np.ndarray) -> bool:
        return any(np.may_share_memory(array, x.array) for x in self.inputs)

    def step(self, name: str, args: tuple, kwargs: dict, compute: Callable[[], Any]) -> Any:
        """As `Follower` says."""
        if self.passes():
            return compute()
        if name == "seed":
            seed, places = compute(), []  # type: ignore[var-annotated]
            self._seeds.append((seed, places))
            self._add(_draw, (compute, places), name)
            return seed
        if name == "arrays":  # which the function gives, one or several, and is called anew
            with self._inside():
                found = compute()
            several = isinstance(found, tuple)
            self._call(name, compute, (), {}, found if several else (found,), several)
            return found
        if name not in EFFECTS:
            return compute()
        if len(args) > 1 or kwargs:
            self.refuse(f"{name} with arguments")
        with self._inside():
            out = compute()
        self._effects.add(len(self.calls))
        self._add(compute, (), name, id(args[0]))
        return out

    def _escapes(self) -> str:
        """What is wrong with what the step returned, "" if nothing is."""
        if isinstance(self._outputs, tuple | list) and type(self._outputs) not in (tuple, list):
            return f"it returns a {type(self._outputs).__name__}"
        if any(x._requires_grad or x._node is not None for x in self.inputs):
            return "it has what it was given require a gradient"
        known = [x.array for x in (*self.outside, *self.inputs)]
        for x in self._outputs if isinstance(self._outputs, tuple | list) else [self._outputs]:
            if isinstance(x, Variable):
                if any(node.holds and node.kept is not None for node in tape._below([x.node])):
                    return "what it returns can be differentiated"
                if x.base is not None or any(np.may_share_memory(x.array, other) for other in known):
                    return "it returns a view, or what it was given"
                if _owner(x.array) not in self._owners:
                    return "it returns what nobody saw computed"
            elif x is not None and not isinstance(x, bool | int | float | str):
                return f"it returns a {type(x).__name__}"
        return ""

    # --------------------------------------------------------------------------------------------------------- running
    def rehearse(self, arrays: list[np.ndarray]) -> None:
        """Make the calls without effects, for `wrong` to look at; what others may see is as before afterwards.

        First, all memory of the program's own is filled with NaN: what no call writes, since nobody saw who did, stays
        NaN.
        """
        outside = [x.array for x in self.outside]
        before, kept = [x.copy() for x in outside], [*outside, *self._first]
        for x in self._known.values():
            if x.dtype.kind == "f" and x.flags.writeable and not any(np.may_share_memory(x, y) for y in kept):
                x.fill(np.nan)
        try:
            self._run(arrays, [call for i, call in enumerate(self.calls) if i not in self._effects])
            self._left = [x.array.copy() for x in self._written]
        finally:
            for x, was in zip(outside, before, strict=True):
                np.copyto(x, was)

    def wrong(self, other: Program, rehearsed: bool) -> str:
        """What is not as in `other`, recorded on other values, or where this was rehearsed; "" if all is."""
        if self.shape != other.shape:
            return "not every run makes the same calls"
        if not rehearsed:
            return ""
        pairs = [(a, b) for (_, a), (_, b) in zip(self._gradients, other._gradients, strict=True)]
        pairs += [(a.array, b.array) for a, b in zip(self._tensors(), other._tensors(), strict=True)]
        pairs += [(a, x.array) for a, x in zip(self._left, other._written, strict=True)]
        same = all(a.tobytes() == b.tobytes() for a, b in pairs)
        return "" if same else "something that is computed was not seen"

    def run(self, arrays: list[np.ndarray]) -> Any:
        """Make the calls on these inputs; what the step returns."""
        self._run(arrays, self.calls)
        return self._handed(self._outputs)

    def _run(self, arrays: list[np.ndarray], calls: list[tuple[Callable, tuple]]) -> None:
        for mine, x in zip(self.inputs, arrays, strict=True):
            kernels.fill(mine.array, x)
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
        found = self._outputs if isinstance(self._outputs, tuple | list) else [self._outputs]
        return [x for x in found if isinstance(x, Variable)]

    def _handed(self, found: Any) -> Any:
        """What the step returned, with copies in place of tensors: they keep their place on the tape."""
        if type(found) in (tuple, list):
            return type(found)([self._handed(x) for x in found])
        if not isinstance(found, Variable) or self.refused:
            return found
        out = wrap(found.array.copy(order="K"))
        out._node = found._node
        return out


@contextmanager
def _told(program: Program) -> Iterator[None]:
    """Tell the program of what followers are not told of: formulas, rules, gradients, changes in place."""
    backward, formula, write = Primitive.backward, Formula.__call__, Variable.write
    accumulate, seed, copy = tape.accumulate, tape._seed, inplace.into_memory

    def told_backward(op: Primitive, node: Node, g: Any, needed: Any) -> list[tuple]:
        return program.rules(op, node, g, needed, lambda: backward(op, node, g, needed))

    def told_formula(self: Formula, *values: Any) -> Any:
        return program.formula(self, values, lambda: formula(self, *values))

    def told_write(x: Any) -> Any:
        return program.write(x, lambda: write(x))

    def told_accumulate(leaf: Any, g: Any, create_graph: bool) -> None:
        program.accumulate(leaf, g, create_graph, accumulate)

    def told_seed(index: int, output: Any, g: Any) -> tuple:
        return program.begin(output, g, lambda: seed(index, output, g))

    try:
        Primitive.backward, Formula.__call__, Variable.write = told_backward, told_formula, told_write  # type: ignore
        tape.accumulate, tape._seed, inplace.into_memory = told_accumulate, told_seed, kernels.fill
        yield
    finally:
        Primitive.backward, Formula.__call__, Variable.write = backward, formula, write  # type: ignore[method-assign]
        tape.accumulate, tape._seed, inplace.into_memory = accumulate, seed, copy


def _call(function: Callable, arrays: tuple, settings: dict, places: list) -> None:
    """Call a primitive's function, and copy what it gives to these places: pairs (which of several results, where)."""
    found = function(*arrays, **settings)
    for i, place in places:
        x = found if i is None else found[i]
        if np.shape(x) != place.shape:
            raise RuntimeError(f"a compiled step met a result of another shape, {np.shape(x)}, not {place.shape}")
        place[...] = x


def _call_rules(op: Primitive, node: Node, g: np.ndarray, own: bool, needed: Any, places: list) -> None:
    """The same for a node's rules; None: a view of g."""
    for (_, piece), place in zip(op.backward(node, Own(g) if own else g, needed), places, strict=True):
        if place is not None:
            place[...] = tape._computed(piece)


def _draw(draw: Callable[[], int], places: list[tuple[dict, str]]) -> None:
    """Put a seed that is drawn anew where it is a setting."""
    seed = draw()
    for settings, name in places:
        settings[name] = seed


def _arrays(values: Iterable[Any]) -> Iterator[np.ndarray]:
    """The arrays among some values, and in tuples and lists among them."""
    for value in values:
        if type(value) is np.ndarray:
            yield value
        elif type(value) in (tuple, list):
            yield from _arrays(value)


def _owner(array: Any) -> int:
    """The same number for all arrays in the same memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)


def _outline(values: Any) -> Any:
    """What of a call's arguments must be the same in two runs."""
    if type(values) is np.ndarray:
        return values.shape, values.strides, values.dtype.char
    if isinstance(values, dict):
        return tuple([(key, _outline(value)) for key, value in values.items()])
    if isinstance(values, tuple | list):
        return tuple(map(_outline, values))
    return values
