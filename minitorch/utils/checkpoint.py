"""Memory for time: what a part of a net would keep for backward is thrown away and computed again when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from ..autograd import enable_grad
from ..autograd.graph import saved_tensors_hooks
from ..random import get_rng_state, set_rng_state

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]


class CheckpointError(RuntimeError):
    """The function did something else when it ran again."""


class _Frame:
    """One call: how to run it again, and what the second run kept, by number, until rules have asked for it."""

    def __init__(self, again: Callable[[], Any], check: bool) -> None:
        self.again, self.check = again, check
        self.outlines: list[tuple] = []
        self.kept: dict[int, Any] = {}

    def pack(self, tensor: Any) -> int:
        """A number in place of what a node keeps."""
        self.outlines.append((tuple(tensor.shape), tensor.dtype))
        return len(self.outlines) - 1

    def unpack(self, number: int) -> Any:
        """What the node kept, from a second run if the last one's is used up."""
        if number not in self.kept:
            self._run()
        return self.kept.pop(number)

    def _run(self) -> None:
        found: list[Any] = []

        def keep(tensor: Any) -> int:
            found.append(tensor)
            return len(found) - 1

        with enable_grad(), saved_tensors_hooks(keep, found.__getitem__):
            self.again()
        if self.check:
            outlines = [(tuple(t.shape), t.dtype) for t in found]
            if len(outlines) != len(self.outlines):
                raise CheckpointError(
                    "checkpoint: A different number of tensors was saved during the original forward and "
                    "recomputation.\n"
                    f"Number of tensors saved during forward: {len(self.outlines)}\n"
                    f"Number of tensors saved during recomputation: {len(outlines)}"
                )
            wrong = [pair for pair in zip(self.outlines, outlines, strict=True) if pair[0] != pair[1]]
            if wrong:
                raise CheckpointError(
                    "checkpoint: Recomputed values have different metadata than during the forward pass: "
                    f"{wrong[0][1]} in place of {wrong[0][0]}"
                )
        self.kept = dict(enumerate(found))


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), of which nothing is kept for backward: it runs again when a rule asks for something.

    Gradients are right to every order, also for parameters that the function uses. preserve_rng_state: the second run
    draws the same random numbers. determinism_check: "default" compares shapes and dtypes of what the two runs keep,
    "none" does not. context_fn: gives two context managers, for the first run and the second. use_reentrant, debug and
    early_stop are accepted: there is one way here, PyTorch's without re-entering.

    Raises CheckpointError in backward if the second run keeps other tensors, ValueError for another determinism_check.

    >>> import minitorch
    >>> x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: (t * t).sum(), x).backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    first, second = context_fn() if context_fn else (nullcontext(), nullcontext())
    state = get_rng_state() if preserve_rng_state else None

    def again() -> None:
        now = get_rng_state()
        try:
            if state is not None:
                set_rng_state(state)
            with second:
                function(*args, **kwargs)
        finally:
            if state is not None:
                set_rng_state(now)

    frame = _Frame(again, determinism_check == "default")
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Iterable, segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """A Sequential, or modules one after the other, in `segments` checkpoints; the last of them keeps what it needs.

    >>> import minitorch
    >>> net = minitorch.nn.Sequential(minitorch.nn.Linear(2, 3), minitorch.nn.ReLU(), minitorch.nn.Linear(3, 1))
    >>> checkpoint_sequential(net, 2, minitorch.ones(4, 2)).shape
    minitorch.Size([4, 1])
    """
    modules = list(functions)
    size = max(1, len(modules) // segments)

    def run(part: list) -> Callable:
        def forward(x: Any) -> Any:
            for module in part:
                x = module(x)
            return x

        return forward

    end = size * (segments - 1)
    for start in range(0, end, size):
        input = checkpoint(run(modules[start : start + size]), input, preserve_rng_state=preserve_rng_state)
    return run(modules[end:])(input)
