"""PyTorch's way to write an op of one's own: a class with `forward` and `backward`. (The short way is `primitive`.)"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from ..dtypes import FLOATS
from .diagnosis import shapes
from .inplace import assign
from .modes import _recorder, is_grad_enabled, no_grad
from .primitive import on_tape
from .tape import Node, Several, Variable, wrap


class Context:
    """What `forward` leaves for `backward`: `save_for_backward`, and any attribute set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple = ()
        self._constant: tuple = ()
        self._dirty: tuple = ()
        self._materialize = True
        self._node: Node | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs (or None) for `backward`. Raises TypeError for what is no tensor."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Variable):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}; "
                    "set other things as attributes of ctx"
                )
        self._saved = tensors

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that no gradient comes for these outputs."""
        self._constant = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """Say that `forward` changed these inputs in place. It must return each of them."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros for outputs that no gradient came for, as it does by default, or None."""
        self._materialize = bool(value)

    @property
    def saved_tensors(self) -> tuple:
        """What was kept. Raises RuntimeError after backward has freed it, or if it was modified in place since."""
        node = self._node
        if node is None:
            return self._saved
        if node.kept is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Specify retain_graph=True if you need that."
            )
        out: list = []
        for item in node.kept["saved"]:
            if item is None:
                out.append(None)
                continue
            tensor, output, expected = item
            if hasattr(tensor, "restored"):
                tensor = on_tape(tensor.restored(), tensor.edge)
            elif tensor.version.count != expected:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"a saved tensor of shape {tensor.array.shape} is at version {tensor.version.count}, not {expected}"
                )
            if output is not None:
                tensor = wrap(tensor.array)
                application: Any = node.primitive
                tensor._node = application.place(node, output, tensor)
            out.append(tensor)
        return tuple(out)


class _Slot:
    """Stands where the node of one output of several has its primitive: hands its gradient to the common node."""

    on_arrays = True

    def __init__(self, name: str, index: int) -> None:
        self.name, self.output = name, index

    def backward(self, node: Node, g: Any, needed: Container | None) -> list[tuple]:
        """As `Primitive.backward`."""
        return [(node.parents[0], Several(node.parents[0], {self.output: g}))]


class _Application:
    """Stands where a node has its primitive: runs the class's `backward`, which is handed tensors.

    outlines: shape and dtype of each output, None for what is no tensor. single: whether `forward` returned one tensor.
    """

    on_arrays = False

    def __init__(self, function: type[Function], context: Context, single: bool, outlines: list) -> None:
        self.name = function.__name__
        self.function = function
        self.context = context
        self.single = single
        self.outlines = outlines

    def place(self, node: Node, index: int, output: Any) -> Node:
        """The node of an output: the application's own, or one that hands on to it."""
        return node if self.single else Node(_Slot(self.name, index), (node,), {}, False, {}, output.array)  # type: ignore[arg-type]

    def backward(self, node: Node, g: Any, needed: Container | None) -> list[tuple]:
        """As `Primitive.backward`."""
        came = g.parts if isinstance(g, Several) else {0: g}
        gradients: list = []
        for i, outline in enumerate(self.outlines):
            if i in came:
                gradients.append(came[i] if isinstance(came[i], Variable) else wrap(came[i]))
            else:
                gradients.append(wrap(np.zeros(*outline)) if self.context._materialize and outline else None)
        self.context._node = node  # only while it runs: a lasting reference would be a cycle
        try:
            found = self.function.backward(self.context, *gradients)
        finally:
            self.context._node = None
        found = found if isinstance(found, tuple) else (found,)
        if len(found) < len(node.parents) or any(piece is not None for piece in found[len(node.parents) :]):
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients "
                f"(expected {len(node.parents)}, got {len(found)})"
            )
        return [
            (parent, self._fitted(piece, parent, i))
            for i, (parent, piece) in enumerate(zip(node.parents, found, strict=False))
            if parent is not None and piece is not None and (needed is None or parent in needed)
        ]

    def _fitted(self, piece: Any, parent: Any, index: int) -> Any:
        """A gradient summed down to the shape of what was broadcast, in its dtype; RuntimeError where it can't be."""
        if not isinstance(piece, Variable):
            raise RuntimeError(
                f"function {self.name}Backward: gradient {index}: expected Variable or None (got "
                f"{type(piece).__name__})"
            )
        like: Any = parent if isinstance(parent, Node) else parent.outline
        shape, given = tuple(like.shape), tuple(piece.outline.shape)
        if given != shape:
            lead = len(given) - len(shape)
            if lead < 0 or any(n not in (1, m) for n, m in zip(shape, given[lead:], strict=True)):
                said = shapes(given, shape)
                raise RuntimeError(
                    f"Function {self.name}Backward returned an invalid gradient at index {index} - got {list(given)} "
                    f"but expected shape compatible with {list(shape)}" + (f"; suspected: {said}" if said else "")
                )
            wide = [*range(lead), *(i for i in range(lead, len(given)) if shape[i - lead] != given[i])]
            piece = (piece.sum(wide) if wide else piece).reshape(shape)
        return piece if piece.outline.dtype == like.dtype else piece.to(like.dtype)


class Function:
    """An op of one's own, by subclassing.

    >>> import minitorch
    >>> class Cube(minitorch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])

    A class may define `setup_context(ctx, inputs, output)`; then `forward` is called without `ctx`.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result, a tensor or a tuple of them, from arguments of any kind; nothing is recorded inside."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Leave on `ctx` what `backward` needs, of the arguments of `forward` and what it returned."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient for each argument of forward, or None. Written in tensor operations, it has derivatives."""
        raise NotImplementedError("You must implement the backward function for your custom autograd.Function.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and put its result on the tape.

        Raises RuntimeError for an input that was marked dirty and not returned, or is a leaf that requires grad.
        """
        edges = [arg.edge if isinstance(arg, Variable) else None for arg in args]
        context = Context(tuple(edge is not None for edge in edges))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                results = cls.forward(context, *args, **kwargs)
            else:
                results = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, results)
        single = not isinstance(results, tuple)
        outputs = [results] if single else list(results)
        if not _among(context._dirty, args, outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output, or are no inputs."
                " The inputs that are modified inplace must all be outputs of the Function."
            )
        moving = [
            isinstance(o, Variable) and o.outline.dtype.kind in FLOATS and not any(o is c for c in context._constant)
            for o in outputs
        ]
        if not (is_grad_enabled() and any(context.needs_input_grad) and any(moving)):
            return results
        outlines = [(o.outline.shape, o.outline.dtype) if isinstance(o, Variable) else None for o in outputs]
        application = _Application(cls, context, single, outlines)
        kept: dict = {}
        node = Node(application, tuple(edges), kept, True, {}, _outline(outputs, moving))  # type: ignore[arg-type]
        placed = [
            _placed(o, application, node, i, any(o is d for d in context._dirty)) if moves else _constant(o)
            for i, (o, moves) in enumerate(zip(outputs, moving, strict=True))
        ]
        kept["saved"] = tuple(None if t is None else _saved(t, outputs, moving) for t in context._saved)
        recorder = _recorder.get()
        if recorder is not None:
            recorder.act(node)
        context._saved = context._dirty = context._constant = ()  # the node holds what is needed, until it is freed
        return placed[0] if single else tuple(placed)


def once_differentiable(backward: Callable) -> Callable:
    """Over a Function's `backward` that is not written in tensor operations: what it returns has no derivative.

    A derivative of it raises RuntimeError, where otherwise it would silently be missing.
    """

    @functools.wraps(backward)
    def wrapper(ctx: Any, *gradients: Any) -> Any:
        recorded = is_grad_enabled() and any(isinstance(g, Variable) and g.edge is not None for g in gradients)
        with no_grad():
            found = backward(ctx, *gradients)
        if not recorded:
            return found
        single = not isinstance(found, tuple)
        marked = [
            _Once.apply(g, gradients[0]) if isinstance(g, Variable) else g for g in ([found] if single else found)
        ]
        return marked[0] if single else tuple(marked)

    return wrapper


class _Once(Function):
    """A gradient that has no derivative."""

    @staticmethod
    def forward(ctx: Any, g: Any, of: Any) -> Any:
        return g.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def _among(dirty: tuple, args: tuple, outputs: list) -> bool:
    return all(any(d is a for a in args) and any(d is o for o in outputs) for d in dirty)


def _outline(outputs: list, moving: list[bool]) -> Any:
    """The array of the first output that moves: the node's shape and dtype, where it has one output."""
    return next(o.array for o, moves in zip(outputs, moving, strict=True) if moves)


def _placed(o: Any, application: _Application, node: Node, index: int, dirty: bool) -> Any:
    """An output on the tape: an input that was changed in place itself, else a tensor of the same memory."""
    out = wrap(o.array.copy(order="K") if dirty else o.array)
    out._node = application.place(node, index, out)
    if dirty:
        return assign(o, out)
    out.share(o)
    return out


def _constant(o: Any) -> Any:
    return o.detach() if isinstance(o, Variable) and o.edge is not None else o


def _saved(t: Any, outputs: list, moving: list[bool]) -> tuple:
    """A tensor to keep, which output it is, and the version it must have; an output is kept without its node."""
    index = next((i for i, o in enumerate(outputs) if o is t and moving[i]), None)
    if index is not None:
        same = wrap(t.array)
        same._shared = t.version
        t = same
    return t, index, t.version.count
