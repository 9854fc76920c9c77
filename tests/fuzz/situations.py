"""The situations that are interrupted: something to do, how to undo it, and what must hold in between."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch as m
from minitorch import nn
from tests.fuzz.cases import Failure

F = nn.functional


def bits(x: Any) -> bytes:
    """The bits of a tensor's elements in row-major order."""
    return np.ascontiguousarray(x.detach().numpy()).tobytes()


class Situation:
    """Something to interrupt: `act` does it once and returns what it made, `restore` brings the state of before back."""

    fused = True

    def act(self) -> list:
        """One step; returns tensors whose bits are compared."""
        raise NotImplementedError

    def restore(self) -> None:
        """The state of before the step, in place."""

    def check(self) -> None:
        """Raises Failure for what only this situation knows, right after an interrupt."""


class Training(Situation):
    """Forward, backward and step of a small residual net, large enough for its results to wait."""

    def __init__(self, optimizer: str = "SGD") -> None:
        m.manual_seed(1)
        self.first, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)
        self.parts = nn.ModuleList([self.first, self.bn, self.second, self.bn2, self.head])
        self.x, self.target = m.randn(8, 3, 16, 16), m.randint(0, 4, (8,))
        options: dict = {"momentum": 0.9} if optimizer == "SGD" else {}
        self.optimizer = getattr(m.optim, optimizer)(self.parts.parameters(), lr=0.05, **options)
        self.act()
        self.saved = [(t, t.detach().clone()) for t in self.parts.state_dict().values()]
        self.state = self.frozen()

    def frozen(self) -> dict:
        """The optimizer's state, in memory of its own."""
        buffer = io.BytesIO()
        m.save(self.optimizer.state_dict(), buffer)
        buffer.seek(0)
        return m.load(buffer)

    def forward(self) -> Any:
        """The logits."""
        h = F.relu(self.bn(self.first(self.x)))
        h = F.relu(self.bn2(self.second(h)) + h)
        return self.head(h.mean((2, 3)))

    def act(self) -> list:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.forward(), self.target)
        loss.backward()
        gradients = [p.grad.clone() for p in self.parts.parameters()]
        self.optimizer.step()
        return [loss.detach(), *gradients, *(t.detach().clone() for t in self.parts.state_dict().values())]

    def restore(self) -> None:
        with m.no_grad():
            for t, value in self.saved:
                t.copy_(value)
        self.optimizer.load_state_dict(self.state)


class Unfused(Training):
    """The same without fusion."""

    fused = False


class Evaluation(Training):
    """Forward alone, in evaluation, not recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.parts.eval()

    def act(self) -> list:
        if not hasattr(self, "saved"):
            return super().act()
        with m.no_grad():
            return [self.forward()]


class DoubleBackward(Training):
    """The gradient of a gradient's norm."""

    def act(self) -> list:
        if not hasattr(self, "saved"):
            return super().act()
        parameters = list(self.parts.parameters())
        gradients = m.autograd.grad(self.forward().square().sum(), parameters, create_graph=True)
        return list(m.autograd.grad(sum((g * g).sum() for g in gradients), parameters))  # type: ignore[call-overload]


class Compiled(Training):
    """The same as a compiled step, which is recorded by the first runs."""

    def __init__(self) -> None:
        m.manual_seed(1)
        parts = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        parts += nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(512, 4))
        optimizer = m.optim.SGD(parts.parameters(), lr=0.05, momentum=0.9)

        def step(x: Any, target: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(parts(x), target)
            loss.backward()
            optimizer.step()
            return loss

        self.parts, self.optimizer, self.function = parts, optimizer, step
        self.x, self.target = m.randn(8, 3, 16, 16), m.randint(0, 4, (8,))
        self.drawn = m.get_rng_state()
        self.begin()
        self.act()
        self.saved = [(t, t.detach().clone()) for t in self.parts.state_dict().values()]
        self.state = self.frozen()
        for _ in range(6):
            self.act()

    def begin(self) -> None:
        """Compile the step."""
        self.step = m.compile(self.function)

    def act(self) -> list:
        m.set_rng_state(self.drawn)
        loss = self.step(self.x, self.target)
        gradients = [p.grad.clone() for p in self.parts.parameters()]
        return [loss.detach(), *gradients, *(t.detach().clone() for t in self.parts.state_dict().values())]


class Recording(Compiled):
    """All runs until the record is ready, and one of it."""

    def act(self) -> list:
        self.begin()
        return [t for _ in range(6) for t in super(Recording, self).act()]


class Step(Training):
    """The optimizer's step alone: after an interrupt each parameter is as before or as after."""

    def __init__(self) -> None:
        super().__init__("Adam")
        m.manual_seed(3)
        for p in self.parts.parameters():
            p.grad = m.randn(*p.shape)
        self.after: list | None = None

    def act(self) -> list:
        if not hasattr(self, "after"):
            return super().act()
        self.optimizer.step()
        return [p.detach().clone() for p in self.parts.parameters()]

    def check(self) -> None:
        for i, p in enumerate(self.parts.parameters()):
            known = {bits(value) for t, value in self.saved if np.shares_memory(t.numpy(), p.detach().numpy())}
            if self.after is not None and bits(p) not in known | {bits(self.after[i])}:
                raise Failure(f"parameter {i} is neither as before the step nor as after it")


class Memory(Situation):
    """Large arrays come from the pool and return to it."""

    def __init__(self) -> None:
        m.manual_seed(1)
        self.x = m.randn(64, 512)

    def act(self) -> list:
        kept = []
        for i in range(6):
            a = self.x * (i + 1.5)
            b = (a + self.x)[: 16 * (i % 3 + 2)]
            kept = [*kept[-2:], b.exp() if i % 2 else a]
            del a
        return kept


class Waiting(Situation):
    """A result waits on memory that changes in place."""

    def __init__(self) -> None:
        m.manual_seed(1)
        self.conv, self.bn = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8).eval()
        self.source = m.randn(8, 8, 16, 16)
        with m.no_grad():
            self.image = F.relu(self.conv(self.source)) * 1
            self.before = bits(self.image)
            self.expected = [bits(self.conv(self.image)), bits(self.bn(self.image))]
            self.after = {
                self.before,
                bits(self.image * 0.5),
                bits((self.image * 0.5).add_(self.image * 0.5, alpha=0.25)),
            }
        self.waiting: list = []

    def restore(self) -> None:
        with m.no_grad():
            self.image = F.relu(self.conv(self.source)) * 1
        self.waiting = []

    def act(self) -> list:
        with m.no_grad():
            self.waiting = []
            self.waiting.append(self.conv(self.image))
            self.waiting.append(self.bn(self.image))
            self.image.mul_(0.5)
            self.image.add_(self.image, alpha=0.25)
        return [*self.waiting, self.image]

    def check(self) -> None:
        for i, (result, expected) in enumerate(zip(self.waiting, self.expected, strict=False)):
            if bits(result) != expected:
                raise Failure(f"result {i} that waited was computed from memory that had changed")
        if bits(self.image) not in self.after:
            raise Failure("the memory written to is neither as before nor as after a change")


class Saving(Situation):
    """`save` over an older file: it is the old one or the new one, and nothing else is left in the folder."""

    def __init__(self) -> None:
        m.manual_seed(1)
        self.folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "checkpoint")
        self.old, self.new = {"w": m.zeros(30, 40), "n": 1}, {"w": m.randn(30, 40), "n": 2}
        self.restore()

    def restore(self) -> None:
        m.save(self.old, self.path)
        if os.listdir(self.folder) != ["checkpoint"]:
            raise Failure(f"after the next save the folder holds {sorted(os.listdir(self.folder))}")

    def act(self) -> list:
        m.save(self.new, self.path)
        return [m.load(self.path)["w"]]

    def check(self) -> None:
        found = m.load(self.path)
        expected = self.new if found["n"] == 2 else self.old
        if bits(found["w"]) != bits(expected["w"]):
            raise Failure("the file is neither the old nor the new one")


SITUATIONS: dict[str, Callable[[], Situation]] = {
    "training, fused": Training,
    "training, unfused": Unfused,
    "evaluation": Evaluation,
    "double backward": DoubleBackward,
    "optimizer step": Step,
    "compiled step": Compiled,
    "compiled step, from the first run on": Recording,
    "memory of the pool": Memory,
    "in-place change of what results wait on": Waiting,
    "save": Saving,
}
