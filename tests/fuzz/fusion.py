"""Random stacks of layers on large images, with fusion and without: the same bits, gradients, hooks' views and errors."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
from test_fuse import image

import minitorch as m
from minitorch import nn
from minitorch.autograd.graph import saved_tensors_hooks
from minitorch.nn import functional as F
from minitorch.ops import fuse
from tests.fuzz.cases import Failure, same

CHANNELS = 16
SHAPE = (6, CHANNELS, 20, 20)  # 154 KB: results wait
KERNELS = [(3, 1, 1), (1, 0, 1), (3, 1, CHANNELS), (3, 1, 4), (5, 2, 1), (3, 0, 1)]  # size, padding, groups


class Stack:
    """One run of a program; `steps` are (name of a method, a number)."""

    def __init__(self, seed: int) -> None:
        m.manual_seed(seed)
        self.leaf = image(SHAPE, seed).requires_grad_()
        self.now: Any = self.leaf * 1
        self.known, self.parameters, self.retained = [self.now], [self.leaf], []  # type: list[Any], list[Any], list[Any]
        self.seen: list[Any] = []  # arrays, and what was raised

    def run(self, steps: list[tuple[str, int]], seed: int) -> list[Any]:
        """All that may be compared."""
        for name, number in steps:
            try:
                self.now = STEPS[name](self, self.now, number)
            except RuntimeError as error:
                self.seen.append(str(error).partition(",")[0])
            if number % 2:
                self.known.append(self.now)
        self.look(self.now, 0)
        g = np.random.default_rng(seed).standard_normal(self.now.shape).astype(np.float32)
        try:
            (self.now * m.tensor(g)).sum().backward()
        except RuntimeError:
            return [*self.seen, "backward raises"]
        return [*self.seen, *(None if t.grad is None else t.grad.numpy() for t in (*self.parameters, *self.retained))]

    def pick(self, number: int) -> Any:
        """A tensor of before, of the shape that is now."""
        fitting = [t for t in self.known if t.shape == self.now.shape]
        return fitting[number % len(fitting)] if fitting else self.now

    def conv(self, x: Any, number: int) -> Any:
        """A convolution of one of the kinds, with a bias or without."""
        size, padding, groups = KERNELS[number % len(KERNELS)]
        layer = nn.Conv2d(CHANNELS, CHANNELS, size, padding=padding, groups=groups, bias=number % 4 == 0)
        self.parameters += layer.parameters()
        return layer(x)

    def norm(self, x: Any, number: int) -> Any:
        """A batch norm, training or not, with parameters that need gradients or do not."""
        layer, rng = nn.BatchNorm2d(CHANNELS), np.random.default_rng(number)
        for p in layer.parameters():
            p.array[...] = rng.standard_normal(CHANNELS)
            p.requires_grad_(bool(rng.integers(4)))
        self.parameters += [p for p in layer.parameters() if p.requires_grad]
        return layer.train(number % 3 > 0)(x)

    def look(self, x: Any, number: int) -> Any:
        """Somebody reads the values."""
        self.seen.append(np.array(x.detach().numpy()))
        return x

    def aside(self, x: Any, number: int) -> Any:
        """A use that is not recorded."""
        with m.no_grad():
            self.look(F.relu(F.gelu(x) + self.pick(number)), number)
        return x

    def change(self, x: Any, number: int) -> Any:
        """A change in place of something that may be read later."""
        with m.no_grad():
            self.pick(number).mul_(0.5)
        return x

    def forget(self, x: Any, number: int) -> Any:
        """Results of before die."""
        self.known = self.known[-2:]
        return x

    def hook(self, x: Any, number: int) -> Any:
        """A hook that looks, or that replaces."""
        x.register_hook(lambda g: g * 2 if number % 3 == 0 else self.seen.append(np.array(g.numpy())))
        return x

    def retain(self, x: Any, number: int) -> Any:
        """Its gradient is kept."""
        x.retain_grad()
        self.retained.append(x)
        return x

    def saved(self, x: Any, number: int) -> Any:
        """Hooks of what is kept, after x began to wait."""
        with saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            return [F.relu, F.silu, lambda t: self.conv(t, number)][number % 3](x)


STEPS: dict[str, Callable[[Stack, Any, int], Any]] = {
    **{
        name: vars(Stack)[name]
        for name in ("conv", "norm", "look", "aside", "change", "forget", "hook", "retain", "saved")
    },
    "relu": lambda stack, x, number: F.relu(x, inplace=number % 3 == 0),
    "silu": lambda stack, x, number: F.silu(x, inplace=number % 3 == 0),
    "gelu": lambda stack, x, number: F.gelu(x),
    "hardswish": lambda stack, x, number: F.hardswish(x),
    "leaky_relu": lambda stack, x, number: F.leaky_relu(x, 0.2),
    "sum": lambda stack, x, number: x + stack.pick(number),
    "product": lambda stack, x, number: x * stack.pick(number),
    "add_": lambda stack, x, number: x.add_(stack.pick(number)),
    "twice": lambda stack, x, number: F.relu(x) + F.gelu(x),
    "pool": lambda stack, x, number: F.max_pool2d(x, 3, 1, 1),
    "detach": lambda stack, x, number: x.detach() * 1 if number % 3 == 0 else x,
}
OFTEN = ("conv", "norm", "relu")


def case(rng: np.random.Generator, counts: collections.Counter) -> None:
    """One program; raises Failure, with the shortest that still fails."""
    names = [*STEPS, *OFTEN, *OFTEN]
    steps = [(names[rng.integers(len(names))], int(rng.integers(1_000_000))) for _ in range(rng.integers(4, 13))]
    seed = int(rng.integers(1_000_000))
    if agree(steps, seed, counts):
        return
    i = 0
    while i < len(steps):
        fewer = steps[:i] + steps[i + 1 :]
        steps, i = (steps, i + 1) if agree(fewer, seed, counts) else (fewer, i)
    raise Failure(f"with fusion and without it differ: {steps}, seed {seed}")


def agree(steps: list[tuple[str, int]], seed: int, counts: collections.Counter) -> bool:
    """Whether both runs give the same."""
    before, found = fuse.enabled, []
    try:
        for fuse.enabled in (True, False):
            found.append(Stack(seed).run(steps, seed))
    finally:
        fuse.enabled = before
    counts["gradients compared"] += found[0][-1] is not None and not isinstance(found[0][-1], str)
    return len(found[0]) == len(found[1]) and all(map(same, *found))
