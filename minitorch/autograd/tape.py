"""The tape: what is recorded, and how gradients run back over it. Read this file first.

A `Node` is one application of a primitive. It points to the nodes (or leaf tensors) its arguments came from, and keeps
exactly what its derivative rules ask for. Tensors point to nodes, nothing points back: when the last tensor goes, the
tape goes with it, by reference counting alone.

Nodes are numbered as they are made, so a node's number is larger than its parents'. Backward therefore visits the
pending node with the largest number: no consumer of it can still be waiting. No recursion, no sort, any depth.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import operator
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import plain as plainly
from . import quiet
from .diagnosis import shapes
from .modes import GradMode, _enabled, _inference, _recorder, _running, is_inference_mode_enabled

if TYPE_CHECKING:
    from .primitive import Primitive

_sequence = itertools.count()


class Kept(NamedTuple):
    """An array that a rule will need, where it came from, and the version it must still have by then."""

    array: Any
    edge: Node | Variable | None
    version: Version | None
    expected: int


class Node:
    """One application of a primitive.

    parents: for each positional argument the `Node` it came from, the leaf itself, or None where no gradient goes.
    kept: what the rules ask for, by name; None once backward has freed it, which it does if the node `holds` arrays.
    settings: the keyword arguments of the application.
    origin: the lines that made it, if anomalies are detected. after: hooks that see what the rules returned.
    watched: the versions that memory outside `kept` must still have, as pairs (version, count): see `watch`.
    """

    __slots__ = (
        "primitive",
        "parents",
        "kept",
        "holds",
        "settings",
        "sequence",
        "shape",
        "dtype",
        "hooks",
        "retained",
        "watched",
        "origin",
        "after",
        "__weakref__",
    )

    def __init__(self, primitive: Primitive, parents: tuple, kept: dict, holds: bool, settings: dict, out: Any) -> None:
        self.primitive = primitive
        self.parents = parents
        self.kept: dict | None = kept
        self.holds = holds
        self.settings = settings
        self.shape = out.shape
        self.dtype = out.dtype
        self.origin: Any = None
        self.after: dict[int, Callable] | None = None
        self.hooks: dict[int, Callable] | None = None
        self.retained: weakref.ref | None = None
        self.watched: Sequence[tuple[Version, int]] = ()
        self.sequence = next(_sequence)

    def name(self) -> str:
        """The primitive's name, as PyTorch's `grad_fn.name()`."""
        return self.primitive.name

    @property
    def next_functions(self) -> tuple:
        """The parents as PyTorch lists them: one `(node or leaf, which of its outputs)` per argument."""
        return tuple(parent.whole if type(parent) is Node else (parent, 0) for parent in self.parents)

    @property
    def whole(self) -> tuple[Node, int]:
        """The node of the application that this node is one of several outputs of, and which; else itself and 0."""
        output = getattr(self.primitive, "output", None)
        return (self, 0) if output is None else (self.parents[0], output)

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Call hook(gradients of the outputs) before the rules run; the tuple that it returns, if any, replaces them.

        An output that no gradient came for has None.
        """
        self.hooks = self.hooks if self.hooks is not None else {}
        return _added(self.hooks, functools.partial(_before, hook))

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(gradients of the arguments, those of the outputs) after the rules; a tuple replaces the first.

        An argument that needs no gradient, and an output that none came for, has None.
        """
        self.after = self.after if self.after is not None else {}
        return _added(self.after, hook)

    def keep_retainer(self, tensor: Variable, old: Node | None) -> None:
        """In place of the node `old`: if the tensor, whose node it was, retains its gradient, it is now this one's."""
        if old is not None and old.retained is not None and old.retained() is tensor:
            self.retained, old.retained = old.retained, None

    def __repr__(self) -> str:
        return f"<{self.primitive.name} node>"


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out again, and so does the end of a with block."""

    def __init__(self, hooks: dict) -> None:
        self.hooks, self.id = hooks, next(_sequence)

    def remove(self) -> None:
        """Take the hook out; again does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def _added(hooks: dict[int, Callable], hook: Callable) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _before(hook: Callable, g: Any) -> Any:
    """What a hook of a node makes of its gradient, or of those of its outputs; None if it returns none."""
    outer = g.tensors() if isinstance(g, Several) else (g,)
    found = hook(outer)
    if found is None:
        return None
    found = _counted(hook, found if isinstance(found, tuple) else (found,), outer)
    return g.replaced(found) if isinstance(g, Several) else found[0]


def _counted(hook: Callable, found: Sequence, given: tuple) -> Sequence:
    """What a hook returned. Raises RuntimeError if that is not one gradient for each that it was given."""
    if len(found) != len(given):
        raise RuntimeError(
            f"hook {getattr(hook, '__name__', hook)!r} has returned an incorrect number of values "
            f"(got {len(found)}, but expected {len(given)})"
        )
    return found


SELF: Any = object()  # the edge of a kept `out`: a reference to the node itself would be a cycle


class Several:
    """The gradients of some of a node's several outputs, by number, which join until all are there: see function.py."""

    def __init__(self, node: Node, parts: dict[int, Any]) -> None:
        self.node, self.parts, self.shape, self.dtype = node, parts, node.shape, node.dtype

    def tensors(self) -> tuple:
        """For each output the gradient, a tensor, or None."""
        outputs: Any = self.node.primitive
        parts = [self.parts.get(i) for i in range(len(outputs.outlines))]
        return tuple([wrap(g) if isinstance(g, np.ndarray) else g for g in parts])

    def replaced(self, found: Sequence) -> Several:
        """The same for other gradients."""
        for was, now in zip(self.tensors(), found, strict=True):
            if was is not None and now is not None:
                check_replaced(was, now)
        return Several(self.node, {i: g for i, g in enumerate(found) if g is not None})

    def join(self, other: Several) -> Several:
        """Both: an output hands on its gradient once, when it is complete."""
        self.parts.update(other.parts)
        return self

    def compute(self) -> Several:
        """This, with nothing pending in it."""
        self.parts = {i: g if isinstance(g, Variable) else _computed(g) for i, g in self.parts.items()}
        return self


class Version:
    """What is known about a memory: how often it changed in place, and who must hear of the next change.

    readers: pending results (see ops/fuse.py) that will read this memory, as weak references to their tensors: they are
    computed before it changes. Each joins and leaves in one step, whatever other threads do. sharers: all tensors that
    have the memory, as weak references, each with the views that lead to it from one that has all of the memory; empty
    where memory is in row-major order, or somebody unknown has it, too. exposed: whether code that counts no changes
    has the memory, as a NumPy array.

    Views share the version of their base; `x.data` has a count of its own, but the same readers and sharers.
    """

    __slots__ = ("count", "exposed", "readers", "sharers")

    def __init__(self, same: Version | None = None) -> None:
        self.count, self.exposed = 0, False
        self.readers: dict[int, weakref.ref] = same.readers if same else {}  # by their ids
        self.sharers: list[tuple[weakref.ref, tuple]] = same.sharers if same else []

    def expose(self) -> None:
        """Somebody gets the memory as a NumPy array."""
        self.exposed = True
        self.sharers.clear()

    def settle(self) -> None:
        """Compute what is pending and reads the memory; it is forgotten only when it is computed."""
        while self.readers:
            for reference in list(self.readers.values()):
                reader = reference()
                if reader is not None:
                    _ = reader.array
                self.readers.pop(id(reference), None)

    def read_by(self, reader: weakref.ref) -> None:
        """Remember a pending result; those that were computed or died are forgotten."""
        for other in list(self.readers.values()):
            if getattr(other(), "pending", None) is None:
                self.readers.pop(id(other), None)
        self.readers[id(reader)] = reader


class Variable:
    """An array, its gradient and its place on the tape; `Tensor` adds the operators.

    Defaults live on the class, so that making one stores a single attribute.
    """

    array: np.ndarray  # not there while the result is pending
    pending: Any = None  # how to compute the array, of a result that does not exist yet: see ops/fuse.py
    _grad: Any = None
    base: Variable | None = None  # the tensor this one is a view of ...
    chain: tuple = ()  # ... and the (view primitive, settings) that lead from the base to here
    _requires_grad: bool = False
    _node: Node | None = None
    _shared: Version | None = None  # shared by everything that shares memory; made when first needed
    _seen: int = 0  # a view's node is right for this version of the base
    _made: str = ""  # of a view: "several" if the call made more than one, "no_grad" if it was not to be recorded
    _inference: bool = False  # whether it was made in inference mode
    _hooks: dict[int, Callable] | None = None
    _after_hooks: dict[int, Callable] | None = None

    def __new__(cls, *data: Any, **settings: Any) -> Any:
        return _variable(*data, **settings) if cls is Variable else object.__new__(cls)

    def __getattr__(self, name: str) -> Any:
        """The array of a pending result is computed when somebody looks; no other attribute is missing."""
        pending = self.__dict__.get("pending")
        if name == "array" and pending is not None:
            self.settle(pending, pending.compute())
        if name == "array" and "array" in self.__dict__:
            return self.__dict__["array"]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def settle(self, pending: Any, computed: np.ndarray) -> None:
        """Have what was pending computed."""
        if self.pending is pending:  # of two threads, both get the array of the first to finish
            self.array = computed  # no interrupt or other thread comes between two assignments
            del self.pending

    @property
    def version(self) -> Version:
        """The version of the memory."""
        if self._shared is None:
            version = Version()
            if self.pending or not self.array.flags.c_contiguous:
                version.sharers.append((weakref.ref(self), ()))
            if self._shared is None:  # no other thread was faster
                self._shared = version
        return self._shared

    def share(self, source: Variable, version: Version | None = None, views: tuple = ()) -> None:
        """Have the memory of `source`, or what `views` show of it; with its version, if no other is given."""
        own = source._shared or source.version
        self._shared = version or own
        if source._inference:
            self._inference = True
        for other, path in own.sharers:
            if other() is source:
                own.sharers[:] = [sharer for sharer in own.sharers if sharer[0]() is not None]
                own.sharers.append((weakref.ref(self), (*path, *views)))
                break

    @property
    def outline(self) -> Any:
        """Something with this tensor's shape and dtype, for which nothing pending is computed."""
        return self.pending or self.array

    def check_writeable(self) -> None:
        """Raises RuntimeError where memory is read-only or holds several elements in one place."""
        array = self.array
        if self._inference and not is_inference_mode_enabled():
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get "
                "a normal tensor before doing inplace update."
            )
        strides = array.strides
        if 0 in strides and array.size and any(s == 0 and n > 1 for s, n in zip(strides, array.shape, strict=True)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )
        if not array.flags.writeable:
            raise RuntimeError("the tensor's memory is read-only; clone() it before modifying it in place")

    def write(self) -> np.ndarray:
        """The array, to be written to: the one way to change memory in place.

        The change is counted, and what is pending on the memory computed first. Raises RuntimeError as
        `check_writeable`.
        """
        self.check_writeable()
        version = self._shared or self.version
        if version.readers:
            version.settle()
        version.count += 1
        return self.array

    @property
    def node(self) -> Node | None:
        """Where this tensor came from, or None for leaves and constants."""
        if self.base is not None:
            self.refresh()
        return self._node

    def refresh(self) -> None:
        """Bring a view's node up to date after the base was modified in place: take the view again."""
        seen = self.version.count
        if seen == self._seen:
            return
        base: Any = self.base
        if base.base is not None:  # it shows its memory in another way by now: see in_view
            self.base = base = base.base
        if base._node is not None or self._node is not None:
            with GradMode(True):
                tensor = follow(self.chain, base)
            if tensor._node is not None:
                tensor._node.keep_retainer(self, self._node)
                self._node = tensor._node
        self._seen = seen

    @property
    def edge(self) -> Node | Variable | None:
        """Where a gradient for this tensor goes: its node, itself if it is a leaf, or None."""
        node = self.node
        if node is not None:
            return node
        return self if self._requires_grad else None


def _variable(data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Any:
    """`Variable(tensor)`, as scripts of before PyTorch 0.4 have it: the tensor itself, off the tape."""
    if data is not None and not isinstance(data, Variable):
        raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
    out = wrap(np.empty(0, np.float32)) if data is None else wrap(data.array)
    if data is not None:
        out.share(data)
    return out.requires_grad_(requires_grad)


def watch(out: Any, *sources: Any) -> Any:
    """`out`, whose node depends on tensors that it does not keep: indices, masks, labels, which were read already.

    Backward through it raises RuntimeError where one of them was changed in place since. What is no tensor is skipped.
    """
    if out._node is not None:
        out._node.watched = [(s.version, s.version.count) for s in sources if isinstance(s, Variable)]
    return out


def follow(chain: tuple, tensor: Any) -> Any:
    """Take a view of a view of ... `tensor`, or of an array: apply each (view primitive, settings) of the chain."""
    for view, settings in chain:
        tensor = view(tensor, **settings)
    return tensor


SMALL = 1 << 15  # bytes that NumPy copies sooner than a step of this library: 0.9 and 4 us (2026-11)
_make = object.__new__
_result_class: type = Variable


def set_result_class(cls: type) -> None:
    """Name the class that results of primitives have (`Tensor`, which this file has not heard of)."""
    global _result_class
    _result_class = cls


def wrap(array: Any) -> Any:
    """A tensor around `array`, not on the tape."""
    out: Any = _make(_result_class)
    out.array = array if type(array) is np.ndarray else np.asarray(array)
    if _inference.get():
        out._inference = True
    return out


def plain(x: Any) -> Any:
    """The array of a tensor, and anything else as it is: rules meet tensors where derivatives are recorded."""
    return x.array if isinstance(x, Variable) else x


# --------------------------------------------------------------------------------------------------- running backward


def _below(edges: Iterable[Any]) -> list[Node]:
    """The nodes among `edges` and below them, oldest first: parents before children.

    An edge, and a parent, is a Node, a leaf or None; these last two are left out.
    """
    # BEGIN SOLUTION 2.1
    nodes, stack = set(), [edge for edge in edges if type(edge) is Node]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack += [parent for parent in node.parents if type(parent) is Node]
    return sorted(nodes, key=_age)
    # END SOLUTION


_age = operator.attrgetter("sequence")


def _needed(roots: Iterable[Node | Variable], wanted: set) -> dict[Any, bool]:
    """What is wanted, and the nodes below `roots` through which gradients reach it: whether they go on from there."""
    needed = dict.fromkeys(wanted, False)
    for node in _below(roots):
        for parent in node.parents:
            if parent in needed:
                needed[node] = True
                break
    return needed


class Run:
    """A backward pass while it runs, for hooks that ask who takes part."""

    __slots__ = ("__weakref__", "needed", "roots")

    def __init__(self, roots: Sequence[tuple], needed: dict | None) -> None:
        self.roots, self.needed = roots, needed

    def edges(self) -> set:
        """The edges that a gradient reaches."""
        starts = [edge for edge, _ in self.roots]
        found = {*starts, *(parent for node in _below(starts) for parent in node.parents)}
        return found if self.needed is None else found & self.needed.keys()


def propagate(
    roots: Sequence[tuple],
    wanted: set | None,
    create_graph: bool,
    retain_graph: bool,
    passed: Callable[[Node, dict], None] | None = None,
) -> dict:
    """Run gradients from `roots` down the tape.

    roots: pairs (edge, gradient). wanted: the edges whose gradients are asked for, or None for all leaves that require
    grad. Returns the gradient of each wanted edge that was reached; a leaf's may still be `Own` or to be computed.

    With `create_graph` all gradients are tensors, which record what becomes of them. Without it they are plain arrays,
    or results still to be computed: for a primitive that `accepts_pending`, or parts of a sum, which `join` until all
    are there. Only code of users is handed tensors: hooks, `Function.backward`, the rules of primitives made outside
    this package.

    passed: called after the rules of each node with it and the gradients that wait, by edge. A leaf whose nodes have
    all passed has its gradient.
    """
    gradients: dict[Any, Any] = {}
    heap: list[tuple[int, Node]] = []
    results: dict[Any, Any] = {}
    needed = None if wanted is None else _needed([edge for edge, _ in roots], wanted)

    def deliver(edge: Any, g: Any) -> None:
        if edge not in gradients:
            gradients[edge] = g
            if type(edge) is Node:
                heapq.heappush(heap, (-edge.sequence, edge))
        elif type(g) is not np.ndarray and hasattr(g, "join") and type(gradients[edge]) is type(g):
            gradients[edge] = gradients[edge].join(g)
        elif create_graph:
            gradients[edge] = gradients[edge] + g
        else:
            gradients[edge] = _sum(gradients[edge], g)

    errors, mode, recorder, outer = quiet.get(), _enabled.get(), _recorder.get(), _running.get()
    trace = None if recorder is None else recorder.trace
    try:
        quiet.set(quiet.QUIET)
        _enabled.set(create_graph)
        _running.set(Run(roots, needed))
        nodes = _below([edge for edge, _ in roots]) if plainly.enabled and trace is None else []
        if nodes and not any(map(_is_special, nodes)):
            hand_on = _plain_rules(wanted, needed, results, create_graph, retain_graph)
            gradients = plainly.sweep(nodes, roots, hand_on)
        else:
            for edge, g in roots:
                deliver(edge, g if create_graph else g.array)
        while heap:
            node = heapq.heappop(heap)[1]
            g, primitive = gradients.pop(node), node.primitive
            if type(g) is not np.ndarray and (hasattr(g, "join") or (type(g) is Own and not may_wait(node))):
                g = g.compute()
            tensors = create_graph or not primitive.on_arrays
            if node.hooks or node.retained is not None or node.after is not None or needed is not None or tensors:
                users = node.hooks or not primitive.on_arrays  # code that may write to what it is handed
                if not create_graph:
                    if users:
                        gradients.update({edge: _computed(waiting) for edge, waiting in gradients.items()})
                    if users or node.after is not None or node.retained is not None or (wanted and node in wanted):
                        g = _computed(g)
                if node.hooks:
                    g = run_hooks(node.hooks, g)
                if node.retained is not None:
                    retainer = node.retained()
                    if retainer is not None:
                        accumulate(retainer, g, create_graph)
                if needed is not None:
                    if node in wanted:  # type: ignore[operator]
                        results[node] = g
                    if not needed.get(node):
                        continue
            pieces = primitive.backward(node, g, needed)
            if node.after is not None:
                pieces = _run_after(node, g, pieces, tensors)
            if trace is not None:
                for position, (_, piece) in enumerate(pieces):
                    trace.check(node, position, piece if isinstance(piece, Several) else _computed(piece))
            for parent, piece in pieces:
                like = parent if type(parent) is Node else parent.array
                simple = type(piece) is np.ndarray or type(piece) is Own
                if tensors or not simple or piece.shape != like.shape or piece.dtype is not like.dtype:
                    piece = _fitted(piece, node, parent, like, tensors, create_graph)
                deliver(parent, piece)
            if node.holds and not retain_graph:
                node.kept = None
            if passed is not None:
                passed(node, gradients)

        for leaf, g in gradients.items():  # only leaves are left; none was changed before everything was known
            if leaf._requires_grad if wanted is None else leaf in wanted:
                results[leaf] = run_hooks(leaf._hooks, g if create_graph else _computed(g)) if leaf._hooks else g
    finally:
        try:
            _enabled.set(mode)
        finally:  # an interrupt may arrive right after `set`
            try:
                quiet.set(errors)
            finally:
                _running.set(outer)
    return results


def _is_special(node: Node) -> bool:
    """Whether backward does more at this node than to run rules: for hooks, retained gradients, classes of users."""
    own = not node.primitive.on_arrays and not hasattr(node.primitive, "rules")
    return bool(node.hooks or node.after or own) or node.retained is not None


def _plain_rules(wanted: set | None, needed: dict | None, results: dict, create_graph: bool, retain_graph: bool) -> Any:
    """What plain mode's sweep calls for each node: its rules, on tensors; gradients that are wanted go to `results`."""

    def hand_on(node: Node, g: Any) -> list[tuple]:
        if wanted and node in wanted:
            results[node] = g if create_graph else g.array
        if needed is not None and not needed.get(node):
            return []
        pieces = []
        for parent, piece in node.primitive.backward(node, g, needed):
            like = parent if type(parent) is Node else parent.array
            pieces.append((parent, _fitted(piece, node, parent, like, True, True)))
        if node.holds and not retain_graph:
            node.kept = None
        return pieces

    return hand_on


def _misshapen(node: Node, parent: Any, given: tuple, wanted: tuple) -> RuntimeError:
    """What to say where a rule gave a gradient of another shape than its argument has."""
    names = getattr(node.primitive, "arguments", [])
    at = next(i for i, p in enumerate(node.parents) if p is parent)
    argument = f" `{names[min(at, len(names) - 1)]}`" if names else ""
    suspected = shapes(given, wanted)
    return RuntimeError(
        f"the derivative rule of {node.primitive.name} gave shape {given} for an argument{argument} of shape {wanted}"
        + (f"; suspected: {suspected}" if suspected else "")
    )


def _fitted(piece: Any, node: Node, parent: Any, like: Any, tensors: bool, create_graph: bool) -> Any:
    """What a rule returned, in the dtype of `like`: a tensor where it has to be one, else computed, unless it may wait.

    Raises TypeError where it is no tensor, RuntimeError for another shape.
    """
    if tensors and not isinstance(piece, Variable | Several):
        raise TypeError(
            f"the derivative rule of {node.primitive.name} must return a tensor, but returned {type(piece).__name__}"
        )
    waits = type(piece) is Own or hasattr(piece, "join") or may_wait(parent)
    piece = piece if create_graph or waits else _computed(piece)
    if piece.shape != like.shape:
        raise _misshapen(node, parent, tuple(piece.shape), like.shape)
    if isinstance(piece, Variable):
        return piece if piece.outline.dtype == like.dtype else piece.to(like.dtype)
    return piece if piece.dtype == like.dtype else _computed(piece).astype(like.dtype)


def may_wait(edge: Any) -> bool:
    """Whether a node's rules, or its `postpone`, take a gradient that is still to be computed, or `Own`."""
    return type(edge) is Node and getattr(edge.primitive, "accepts_pending", False)


class Own:
    """A gradient, of a backward on arrays, in memory that nobody else has: who is handed it may write over it."""

    __slots__ = ("dtype", "own", "shape")

    def __init__(self, own: np.ndarray) -> None:
        self.own, self.shape, self.dtype = own, own.shape, own.dtype

    def compute(self) -> np.ndarray:
        """The array, for who does not."""
        return self.own


def _add_over(own: np.ndarray, g: np.ndarray) -> np.ndarray:
    """own + g, written over own."""
    return np.add(own, g, out=own)


add_over = _add_over  # ops, which have kernels, put another in its place


def _sum(first: Any, second: Any) -> Any:
    """The sum of two gradients of an edge, arrays or what may be computed: in the memory of one that is `Own`, or new.

    That may be no other order of memory than the first's, which is what a new array has.
    """
    a, b = _computed(first), _computed(second)
    if type(first) is Own:
        return Own(add_over(a, b))
    if type(second) is Own and a.strides == b.strides and a.dtype == b.dtype:
        return Own(add_over(b, a))
    return Own((wrap(a) + wrap(b)).array)


def _computed(g: Any) -> Any:
    """A gradient as an array, whatever a rule returned: a NumPy scalar, a tensor, a result that is still pending."""
    if type(g) is np.ndarray:
        return g
    if isinstance(g, Variable):
        return g.array
    return g.compute() if hasattr(g, "compute") else np.asarray(g)


def run_hooks(hooks: dict[int, Callable], g: Any) -> Any:
    """Pass a gradient through hooks, which see tensors, in the order they were registered; each may return another."""
    recorded = isinstance(g, Variable | Several)
    tensor: Any = g if recorded else wrap(g)
    for hook in list(hooks.values()):
        replaced = hook(tensor)
        if replaced is not None:
            if not isinstance(g, Several):
                check_replaced(tensor, replaced)
            tensor = replaced
    return tensor if recorded else tensor.array


def check_replaced(before: Any, after: Any) -> None:
    """Raises where a hook returned something else than a tensor of the gradient's shape and dtype."""
    if not isinstance(after, Variable):
        raise TypeError(f"a hook must return a Tensor or None, but returned {type(after).__name__}")
    was, now = before.outline, after.outline
    if now.shape != was.shape:
        raise RuntimeError(f"a hook has changed the size of value: {was.shape} to {now.shape}")
    if now.dtype != was.dtype:
        raise RuntimeError(f"a hook has changed the type of value (was {was.dtype} got {now.dtype})")


def _run_after(node: Node, g: Any, pieces: list[tuple], tensors: bool) -> list[tuple]:
    """Show hooks what the rules gave for each argument, tensors or arrays, and take what they return instead."""
    found = iter(
        [(parent, piece if isinstance(piece, Variable) else wrap(_computed(piece))) for parent, piece in pieces]
    )
    waiting, given = next(found, (None, None)), []
    for parent in node.parents:
        mine = parent is not None and parent is waiting[0]
        given.append(waiting[1] if mine else None)
        if mine:
            waiting = next(found, (None, None))
    came = g.tensors() if isinstance(g, Several) else (g if isinstance(g, Variable) else wrap(_computed(g)),)
    for hook in list(node.after.values()):  # type: ignore[union-attr]
        replaced = hook(tuple(given), came)
        if replaced is not None:
            for was, now in zip(given, _counted(hook, replaced, tuple(given)), strict=True):
                if was is not None and now is not None:
                    check_replaced(was, now)
            given = list(replaced)
    return [
        (parent, piece if tensors else piece.array)
        for parent, piece in zip(node.parents, given, strict=True)
        if parent is not None and piece is not None
    ]


def _own(g: Any, x: np.ndarray) -> np.ndarray:
    """A copy of g in the memory order of x, as PyTorch has it: g may be expanded, as the gradient of a sum is.

    Of an `Own` gradient in that order, no copy: the array.
    """
    if type(g) is Own and g.own.strides == x.strides:
        return g.own
    g = _computed(g)
    out = np.empty_like(x, g.dtype)
    out[...] = g
    return out


def accumulate(leaf: Any, g: Any, create_graph: bool) -> None:
    """Add g to leaf._grad, which is None at first: g is a tensor with `create_graph`, else an array.

    The first gradient is copied, as no two gradients may share memory: a tensor by its `clone`, an array by `_own`,
    whose copy becomes a tensor by `wrap`. Later ones are added: tensors to a new tensor, as the tape may hold the old,
    arrays into the memory that is there: `leaf._grad.write()` is that memory, to be written to.
    """
    # BEGIN SOLUTION 2.3
    if leaf._grad is None:
        leaf._grad = g.clone() if create_graph else wrap(_own(g, leaf.array))
    elif create_graph:
        leaf._grad = leaf._grad + g
    else:
        np.add(leaf._grad.array, g, out=leaf._grad.write())
    # END SOLUTION


def _seed(index: int, output: Any, g: Any) -> tuple:
    """The (edge, gradient) at which backward starts for one output."""
    edge = output.edge
    if edge is None:
        raise RuntimeError(f"element {index} of tensors does not require grad and does not have a grad_fn")
    if g is None:
        if output.array.size != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs; "
                f"this one has shape {output.array.shape}: sum it, or pass its gradient"
            )
        g = wrap(np.ones_like(output.array))
    elif not isinstance(g, Variable):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    elif g.array.shape != output.array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{index}] has a shape of {g.array.shape} "
            f"and output[{index}] has a shape of {output.array.shape}."
        )
    elif g.array.dtype != output.array.dtype:
        g = g.to(output.array.dtype)
    return edge, g


def _roots(outputs: list, gradients: Any) -> list[tuple]:
    """The (edge, gradient) pairs at which backward starts."""
    gradients = [None] * len(outputs) if gradients is None else _listed(gradients)
    if len(gradients) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    return [_seed(i, output, gradients[i]) for i, output in enumerate(outputs)]


def _listed(tensors: Any) -> list:
    return [tensors] if tensors is None or isinstance(tensors, Variable | np.ndarray) else list(tensors)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """Gradients of `outputs` with respect to `inputs`, a tuple with one tensor per input; no `.grad` is touched.

    The sum over outputs of <grad_outputs, output> is differentiated; a scalar output needs no grad_output. With
    `create_graph` the result is itself on the tape, to any order. Raises RuntimeError for an input that was not used,
    unless `allow_unused` (None stands in its place) or `materialize_grads` (zeros do). `only_inputs` changes nothing.

    >>> import minitorch
    >>> x = minitorch.tensor(3.0, requires_grad=True)
    >>> (first,) = minitorch.autograd.grad(x**3, x, create_graph=True)
    >>> minitorch.autograd.grad(first, x)
    (tensor(18.),)
    """
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched=True is not supported; loop over the gradients")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    inputs = _listed(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    edges = [x.edge for x in inputs]
    wanted = set(edges)
    if None in wanted:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = _roots(_listed(outputs), grad_outputs)
    found = propagate(roots, wanted, create_graph, create_graph if retain_graph is None else retain_graph)
    if not create_graph:
        found = _tensors(found, [] if grad_outputs is None else _listed(grad_outputs))
    if materialize_grads:
        for edge, x in zip(edges, inputs, strict=True):
            found.setdefault(edge, wrap(np.zeros_like(x.array)))
    elif len(found) < len(wanted) and not allow_unused:
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple([found.get(edge) for edge in edges])


def _tensors(found: dict, given: list) -> dict:
    """The gradients found, as tensors. No two share memory, unless they are the very same array and so the same tensor.

    What is a part of a gradient given, as the gradients of concatenated tensors are, shares its memory, as in PyTorch.
    """
    seen = {_owner(g.array): g for g in given if g is not None}
    users, used, out = set(seen), {}, {}  # type: tuple[set[int], dict[int, list[np.ndarray]], dict[Any, Any]]
    for edge, g in found.items():
        array = _computed(g)
        owner = _owner(array)
        tensor = seen.setdefault(owner, wrap(array))
        others = [other for other in used.setdefault(owner, []) if other is not array]
        if tensor.array is array and not others:
            out[edge] = tensor
        elif owner in users and 0 not in array.strides and not any(_overlap(array, other) for other in others):
            out[edge] = wrap(array)
            out[edge]._shared = tensor.version
            tensor.version.sharers.clear()  # nothing says how to come from the one to the other
        else:
            out[edge] = wrap(_apart(array))
            continue
        used[owner].append(array)
    return out


def _overlap(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two arrays share memory, also if that is too hard to say."""
    try:
        return np.shares_memory(x, y, max_work=1000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _owner(array: np.ndarray) -> int:
    """The same number for all arrays in the same memory."""
    while type(array.base) is np.ndarray:
        array = array.base
    return id(array)


def _apart(array: np.ndarray) -> np.ndarray:
    """A copy in memory of its own; of elements that are repeated, as in the gradient of a sum, one is copied."""
    repeats = [step == 0 for step in array.strides]
    once = array[tuple(slice(0, 1) if r else slice(None) for r in repeats)]
    copy = np.array(once, order="K") if once.nbytes < SMALL else wrap(once).clone().array
    return copy if once.shape == array.shape else np.broadcast_to(copy, array.shape)


# Who brings the gradients of several processes together while backward runs: called with the roots, these return an
# object with `passed(node, gradients)` and `finish()`, or None. See distributed/reducer.py.
observers: list[weakref.ref] = []


def _observed(roots: list[tuple]) -> list:
    """What the observers that take part in a backward pass have returned."""
    observers[:] = [reference for reference in observers if reference() is not None]
    found = [observer(roots) for reference in observers if (observer := reference()) is not None]
    return [one for one in found if one is not None]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of every leaf that requires grad, or of `inputs` alone.

    What the tape kept is freed on the way, unless `retain_graph` (by default: `create_graph`).
    """
    wanted = None
    if inputs is not None:
        inputs = _listed(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        wanted = {x.edge: x for x in inputs}
        if None in wanted:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = _roots(_listed(tensors), grad_tensors)
    retain_graph = create_graph if retain_graph is None else retain_graph
    observed = _observed(roots) if observers else []

    def passed(node: Node, gradients: dict) -> None:
        for one in observed:
            one.passed(node, gradients)

    early = passed if observed and not create_graph else None
    found = propagate(roots, None if wanted is None else set(wanted), create_graph, retain_graph, early)
    for edge, g in found.items():
        leaf = edge if wanted is None else wanted[edge]
        if create_graph:
            with GradMode(True):
                accumulate(leaf, g, True)
        else:
            accumulate(leaf, g if leaf._grad is None else _computed(g), False)
        if leaf._after_hooks:
            with GradMode(create_graph):
                for hook in list(leaf._after_hooks.values()):
                    hook(leaf)
    for one in observed:
        one.finish()


# ------------------------------------------------------------------------------------------------------ looking at it


def print_tape(tensor: Any, file: Any = None) -> None:
    """Print the tape below `tensor`, newest node first: number, primitive, output shape, parents, and what it keeps.

    >>> import minitorch
    >>> x = minitorch.ones(2, 3, requires_grad=True)
    >>> minitorch.print_tape((x.exp() * 2).sum())  # doctest: +ELLIPSIS
    #... sum       ()      <- #...  keeps x_shape
    #... multiply  (2, 3)  <- #...  keeps x_shape, y
    #... exp       (2, 3)  <- leaf (2, 3)  keeps out 24 B
    """
    ordered = _below([tensor.node])[::-1]
    if not ordered:
        print("(nothing on the tape)", file=file)
        return

    def parent(edge: Any) -> str:
        return f"#{edge.sequence}" if isinstance(edge, Node) else f"leaf {edge.array.shape}"

    def keeps(node: Node) -> str:
        if node.kept is None:
            return "freed"
        items = []
        for name, item in node.kept.items():
            sized = type(item) is Kept and isinstance(item.array, np.ndarray)
            items.append(f"{name} {item.array.nbytes:,} B" if sized else name)
        return "keeps " + (", ".join(items) if items else "nothing")

    number = max(len(str(node.sequence)) for node in ordered)
    names = max(len(node.primitive.name) for node in ordered)
    shapes = max(len(str(node.shape)) for node in ordered)
    for node in ordered:
        sources = ", ".join(parent(edge) for edge in node.parents if edge is not None)
        line = f"#{node.sequence:<{number}} {node.primitive.name:<{names}}  {node.shape!s:<{shapes}}"
        print(f"{line}  <- {sources}  {keeps(node)}", file=file)
