"""The same bits on any number of ranks: gradients of a fixed number of shards of the batch, added up in a fixed tree.

A sum of floats depends on its order. So the global batch is cut into M micro-shards, M a power of two, and rank r of W
computes the shards r M / W to (r + 1) M / W - 1, each by itself: the same arrays, whatever W is. The gradients of a
parameter form a binary tree over the shards; a rank has a whole branch of it, and the branches of all ranks are joined
by `reducer.Tree`.

Each shard runs on a copy of the module that shares everything but has stand-ins for the parameters, one for each shard:
`Fan`, whose rule adds the gradients of the shards up in pairs.

A layer that has to see all shards at once (SyncBatchNorm) is where the shards meet: they then run in threads of their
own, one at a time.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..autograd import Function, Variable, is_grad_enabled
from ..autograd.tape import wrap
from ..random import default_generator

__all__ = ["Lockstep", "add_up", "current", "fan", "join", "split"]


def add_up(parts: Iterable[Any], add: Callable[[Any, Any], Any]) -> Any:
    """parts[0] + parts[1] + ... as a binary tree: neighbours first, then pairs of neighbours, and so on."""
    parts = list(parts)
    while len(parts) > 1:
        pairs = [add(*parts[i : i + 2]) for i in range(0, len(parts) - 1, 2)]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    return parts[0]


class Fan(Function):
    """Stand-ins for a tensor, one for each shard; it receives the sum of their gradients, in a tree."""

    @staticmethod
    def forward(ctx: Any, x: Any, count: int) -> tuple:
        """`count` tensors that share x's memory."""
        ctx.set_materialize_grads(False)
        out = []
        for _ in range(count):
            alias = wrap(x.array)
            alias.share(x)
            out.append(alias)
        return tuple(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        """The sum, in pairs; what a shard has not used counts as zeros."""

        def add(a: Any, b: Any) -> Any:
            return b if a is None else a if b is None else wrap(np.add(a.array, b.array))

        return add_up(gradients, add), None


def fan(module: Any, count: int) -> list[Any]:
    """`count` copies of a module that share its buffers and all else, with stand-ins for its parameters."""
    aliases: dict[Any, tuple] = {}
    for p in module.parameters():
        aliases[p] = Fan.apply(p, count) if p.requires_grad and is_grad_enabled() else (p,) * count
    return [_copy(module, i, aliases, {}) for i in range(count)]


def _copy(module: Any, index: int, aliases: dict, made: dict) -> Any:
    if module in made:
        return made[module]
    out = made[module] = object.__new__(type(module))
    out.__dict__.update(module.__dict__)
    out.__dict__["_parameters"] = {
        name: None if p is None else aliases[p][index] for name, p in module._parameters.items()
    }
    out.__dict__["_modules"] = {
        name: None if child is None else _copy(child, index, aliases, made) for name, child in module._modules.items()
    }
    return out


def split(value: Any, count: int) -> list[Any]:
    """A tensor cut along its first axis, the tensors in tuples, lists and dicts likewise; all else for every shard.

    Raises ValueError where an axis does not divide.
    """
    if isinstance(value, Variable) and value.outline.shape:
        length = value.outline.shape[0]
        if length % count:
            raise ValueError(f"DistributedDataParallel: a batch of {length} does not divide into {count} micro-shards")
        step = length // count
        return [value[i * step : (i + 1) * step] for i in range(count)]  # type: ignore[index]
    if isinstance(value, tuple | list):
        parts = [split(item, count) for item in value]
        return [_like(value, column) for column in zip(*parts, strict=True)] if parts else [value] * count
    if isinstance(value, dict):
        pieces = {name: split(item, count) for name, item in value.items()}
        return [{name: piece[i] for name, piece in pieces.items()} for i in range(count)]
    return [value] * count


def _like(value: Any, items: Any) -> Any:
    """A tuple, list or NamedTuple of other items."""
    return value._make(items) if hasattr(value, "_make") else type(value)(items)


def join(parts: Sequence[Any]) -> Any:
    """The results of all shards as one: tensors along their first axis, those of no axes as their mean."""
    first = parts[0]
    if isinstance(first, Variable):
        if first.outline.shape:
            from ..ops.join import cat

            return cat(list(parts))
        return add_up(parts, lambda a, b: a + b) * (1 / len(parts))
    if isinstance(first, tuple | list):
        return _like(first, [join(column) for column in zip(*parts, strict=True)])
    if isinstance(first, dict):
        return {name: join([part[name] for part in parts]) for name in first}
    return first


# ------------------------------------------------------------------------------------------------ shards that meet
current: contextvars.ContextVar[Any] = contextvars.ContextVar("shard", default=None)  # the shard this code runs in


class Stopped(Exception):
    """Another shard has failed."""


class Shard:
    """One shard's side of the meeting."""

    def __init__(self, generator: np.random.Generator | None) -> None:
        self.said: queue.SimpleQueue = queue.SimpleQueue()
        self.told: queue.SimpleQueue = queue.SimpleQueue()
        self.generator = generator
        self.thread: threading.Thread | None = None

    def meet(self, together: Callable[[list], list], item: Any) -> Any:
        """together(the items of all shards)[this shard's number]."""
        self.said.put(("meets", together, item))
        answer, failed = self.told.get()
        if failed:
            raise Stopped
        return answer


class Lockstep:
    """Runs calls, one for each shard, with random numbers that depend on `seed` and the shard's number `first + i`."""

    def __init__(self, seed: int, first: int) -> None:
        self.seed, self.first = seed, first

    def run(self, calls: Sequence[Callable[[], Any]], threads: bool) -> list[Any]:
        """The results of all calls. threads: whether they may meet on the way."""
        before = default_generator.numpy
        shards = [Shard(np.random.Generator(np.random.PCG64([self.seed, self.first + i]))) for i in range(len(calls))]
        try:
            if threads:
                return self._together(calls, shards)
            results = []
            for call, shard in zip(calls, shards, strict=True):
                default_generator.numpy = shard.generator  # type: ignore[assignment]
                results.append(call())
            return results
        finally:
            default_generator.numpy = before

    def _together(self, calls: Sequence[Callable[[], Any]], shards: list[Shard]) -> list[Any]:
        def body(call: Callable[[], Any], shard: Shard) -> None:
            current.set(shard)
            try:
                if shard.told.get()[1]:
                    return
                shard.said.put(("ends", None, call()))
            except BaseException as error:  # noqa: BLE001 it is raised again where the shards were started
                shard.said.put(("fails", None, error))

        for call, shard in zip(calls, shards, strict=True):
            context = contextvars.copy_context()
            shard.thread = threading.Thread(target=context.run, args=(body, call, shard), daemon=True)
            shard.thread.start()
        answers: list[Any] = [None] * len(shards)
        try:
            while True:
                said = [self._turn(shard, answer) for shard, answer in zip(shards, answers, strict=True)]
                if all(kind == "ends" for kind, _, _ in said):
                    return [item for _, _, item in said]
                if any(kind == "ends" for kind, _, _ in said):
                    raise RuntimeError("DistributedDataParallel: not all micro-shards have come to the same layers")
                answers = said[0][1]([item for _, _, item in said])
        except BaseException:
            for shard in shards:
                shard.told.put((None, True))
            raise

    def _turn(self, shard: Shard, answer: Any) -> tuple:
        """Let one shard run until it meets the others or ends."""
        default_generator.numpy = shard.generator  # type: ignore[assignment]
        shard.told.put((answer, False))
        said = shard.said.get()
        shard.generator = default_generator.numpy
        if said[0] == "fails":
            raise said[2]
        return said
