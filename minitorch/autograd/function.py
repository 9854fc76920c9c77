"""PyTorch's way to write an op of one's own: a class with `forward` and `backward`. (The short way is `primitive`.)"""

from __future__ import annotations

from typing import Any

import numpy as np

from .modes import is_grad_enabled, no_grad
from .tape import Node, Variable, wrap


class Context:
    """What `forward` leaves for `backward`: `save_for_backward`, and any attribute set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple = ()
        self._constant: tuple = ()
        self._node: Node | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs (or None) for `backward`."""
        self._saved = tensors

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that no gradient comes for these outputs."""
        self._constant = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Accepted; gradients are always materialised."""

    @property
    def saved_tensors(self) -> tuple:
        """What was kept. Raises RuntimeError after backward has freed it, or if it was modified in place since."""
        kept = {"saved": self._saved} if self._node is None else self._node.kept
        if kept is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Specify retain_graph=True if you need that."
            )
        out: list = []
        for item in kept["saved"]:
            if item is None:
                out.append(None)
                continue
            tensor, own, expected = item
            if tensor.version.count != expected:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"a saved tensor of shape {tensor.array.shape} is at version {tensor.version.count}, not {expected}"
                )
            if own:
                tensor = wrap(tensor.array)
                tensor._node = self._node
            out.append(tensor)
        return tuple(out)


class _Application:
    """Stands where a node has its primitive: runs the class's `backward`, which is handed tensors."""

    on_arrays = False

    def __init__(self, function: type[Function], context: Context, single: bool, outputs: list) -> None:
        self.name = function.__name__
        self.function = function
        self.context = context
        self.single = single
        self.outputs = outputs  # for several outputs: (slice of the joint vector, shape), or None for constants

    def backward(self, node: Node, g: Any, needed: set | None) -> list[tuple]:
        """As `Primitive.backward`."""
        g = g if isinstance(g, Variable) else wrap(g)
        gradients = [g] if self.single else [None if o is None else g[o[0]].reshape(o[1]) for o in self.outputs]
        self.context._node = node  # only while it runs: a lasting reference would be a cycle
        try:
            found = self.function.backward(self.context, *gradients)
        finally:
            self.context._node = None
        found = found if isinstance(found, tuple) else (found,)
        if len(found) < len(node.parents):
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients "
                f"(expected {len(node.parents)}, got {len(found)})"
            )
        return [
            (parent, piece if piece is not None else wrap(np.zeros(_shape(parent), g.array.dtype)))
            for parent, piece in zip(node.parents, found, strict=False)
            if parent is not None and (needed is None or parent in needed)
        ]


def _shape(edge: Any) -> tuple:
    return edge.shape if isinstance(edge, Node) else edge.array.shape


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
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the result, a tensor or a tuple of them, from arguments of any kind; nothing is recorded inside."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient for each argument of forward, or None. Written in tensor operations, it has derivatives."""
        raise NotImplementedError("You must implement the backward function for your custom autograd.Function.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and put its result on the tape."""
        edges = [arg.edge if isinstance(arg, Variable) else None for arg in args]
        context = Context(tuple(edge is not None for edge in edges))
        with no_grad():
            results = cls.forward(context, *args, **kwargs)
        single = not isinstance(results, tuple)
        outputs = [results] if single else list(results)
        constant = [
            not isinstance(o, Variable) or o.array.dtype.kind != "f" or any(o is c for c in context._constant)
            for o in outputs
        ]
        recording = is_grad_enabled() and any(edge is not None for edge in edges) and not all(constant)
        saved = tuple(
            None if t is None else (t, single and t is results and recording, t.version.count) for t in context._saved
        )
        if not recording:
            return results
        context._saved = ()  # the node holds them now, and backward frees them there
        kept = {"saved": saved}
        if single:
            application = _Application(cls, context, True, [])
            out = wrap(results.array)
            out._shared = results.version
            out._node = Node(application, tuple(edges), kept, True, {}, out.array)  # type: ignore[arg-type]
            return out
        moving = [o for o, fixed in zip(outputs, constant, strict=True) if not fixed]
        joint = wrap(np.concatenate([o.array.ravel() for o in moving]))
        places: list = []
        start = 0
        for o, fixed in zip(outputs, constant, strict=True):
            places.append(None if fixed else (slice(start, start + o.array.size), o.array.shape))
            start += 0 if fixed else o.array.size
        application = _Application(cls, context, False, places)
        joint._node = Node(application, tuple(edges), kept, True, {}, joint.array)  # type: ignore[arg-type]
        return tuple(
            o if place is None else joint[place[0]].reshape(place[1]) for o, place in zip(outputs, places, strict=True)
        )
