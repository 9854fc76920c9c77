"""What the tape keeps for backward, in the hands of users: hooks that store it elsewhere, or compute it again.

Inside `saved_tensors_hooks(pack, unpack)` everything that a node keeps goes through `pack` when the node is recorded,
and comes back through `unpack` when a rule asks for it. `utils.checkpoint` is built on this: its `pack` keeps a number,
its `unpack` runs the forward pass again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .modes import Recorder, _recorder, _running
from .tape import Kept, Node, RemovableHandle, Run, Variable, wrap

__all__ = [
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class Packed:
    """What `pack` made of an array that a node keeps, and the edge of the tensor that it was."""

    __slots__ = ("edge", "packed", "shape", "unpack")

    def __init__(self, item: Kept, hooks: saved_tensors_hooks) -> None:
        tensor = wrap(item.array)
        tensor._shared = item.version
        self.edge, self.shape, self.unpack = item.edge, item.array.shape, hooks.unpack_hook
        self.packed = hooks.pack_hook(tensor)

    def restored(self) -> np.ndarray:
        """The array again. Raises TypeError or RuntimeError where `unpack` gives anything else."""
        tensor = self.unpack(self.packed)
        if not isinstance(tensor, Variable):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got {type(tensor).__name__}"
            )
        if tensor.array.shape != self.shape:
            raise RuntimeError(
                f"the unpack_hook gave a tensor of shape {tensor.array.shape}; what was kept had shape {self.shape}"
            )
        return tensor.array


class saved_tensors_hooks:
    """Inside, what nodes keep is `pack_hook(tensor)`, of which `unpack_hook` makes the tensor again in backward.

    pack_hook: a tensor off the tape to anything; it must not change the tensor. unpack_hook: that to a tensor of the
    same shape and values. The innermost pair acts. Shapes and settings that nodes keep are not handed over.

    >>> import minitorch
    >>> x = minitorch.ones(2, requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.numpy().tolist(), minitorch.tensor):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._before: list[Recorder | None] = []

    def __enter__(self) -> None:
        before = _recorder.get()
        if before is not None and before.refusal is not None:
            raise RuntimeError(before.refusal)
        self._before.append(before)
        _recorder.set(Recorder(self._save, before.trace if before else None))

    def __exit__(self, *error: object) -> None:
        _recorder.set(self._before.pop())

    def _save(self, node: Node) -> None:
        kept: dict = {}
        for name, item in (node.kept or {}).items():
            if type(item) is Kept and isinstance(item.array, np.ndarray):
                item = Packed(item, self)
            elif name == "saved":  # of a Function: pairs of a tensor and which output it is
                item = tuple(t and (Packed(Kept(t[0].array, t[0].edge, t[0].version, 0), self), *t[1:]) for t in item)
            kept[name] = item
        node.kept = kept


class save_on_cpu(saved_tensors_hooks):
    """What nodes keep is kept as copies: here all memory is the CPU's. Changes in place after the use do no harm."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cpu") -> None:
        super().__init__(lambda tensor: tensor.clone(), lambda tensor: tensor)


class disable_saved_tensors_hooks:
    """Inside, `saved_tensors_hooks` raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message
        self._before: list[Recorder | None] = []

    def __enter__(self) -> None:
        before = _recorder.get()
        self._before.append(before)
        _recorder.set(Recorder(None, before.trace if before else None, self.error_message))

    def __exit__(self, *error: object) -> None:
        _recorder.set(self._before.pop())


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Inside, what nodes keep is kept as copies, so that changes in place after the use do no harm."""

    def __init__(self) -> None:
        super().__init__(lambda tensor: tensor.clone(), lambda tensor: tensor)


def increment_version(tensor: Any) -> None:
    """Count a change of a tensor's memory, or of several tensors', that was made where nobody counts."""
    for x in (tensor,) if isinstance(tensor, Variable) else tuple(tensor):
        x.version.count += 1


class _MultiHook:
    """What `register_multi_grad_hook` knows of the backward pass that runs."""

    def __init__(self, edges: list, hook: Callable, every: bool) -> None:
        self.edges, self.hook, self.every = edges, hook, every
        self.run: Any = None  # a weak reference
        self.gradients: list = []
        self.waiting = 0

    def arrived(self, position: int, g: Any) -> None:
        """The gradient of one of the tensors is known."""
        run: Run = _running.get()
        if self.run is None or self.run() is not run:
            self.run, self.gradients = weakref.ref(run), [None] * len(self.edges)
            reached = run.edges() if self.every else set()
            self.waiting = sum(edge in reached for edge in self.edges) if self.every else 1
        self.waiting -= 1
        self.gradients[position] = g
        if self.waiting == 0:
            gradients, self.gradients = self.gradients, [None] * len(self.edges)
            self.hook(gradients if self.every else g)


class _Handles(RemovableHandle):
    """Several handles as one."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Take all hooks out."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Iterable, fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call fn(gradients) in a backward pass when those of all tensors are known; "any": fn(gradient) of the first.

    gradients: one for each tensor, None for those that the pass does not reach, for which nobody waits. Raises
    ValueError for another mode, RuntimeError for a tensor that does not require grad.

    >>> import minitorch
    >>> x, y = minitorch.ones(2, requires_grad=True), minitorch.ones(1, requires_grad=True)
    >>> handle = register_multi_grad_hook((x, y), print)
    >>> (3 * x).sum().backward()
    [tensor([3., 3.]), None]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    known = tuple(tensors)
    hook = _MultiHook([x.edge for x in known], fn, mode == "all")
    return _Handles([x.register_hook(lambda g, i=i: hook.arrived(i, g)) for i, x in enumerate(known)])
