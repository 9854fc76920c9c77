"""Compiled steps against their functions, bit for bit: random lines of tensor programs, and nets that change between."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch as m
from minitorch import nn
from tests.fuzz.cases import Failure, same
from tests.fuzz.steps import BINARY, REDUCE, UNARY

F = nn.functional
SHAPES = [(4, 3), (64, 48), (2, 3, 5, 5), (3, 40, 40), (1, 7)]
CALLS = 9
LAYERS: list[Callable[[np.random.Generator], nn.Module]] = [  # of images with 4 channels
    lambda rng: nn.Conv2d(4, 4, 3, padding=1, bias=bool(rng.integers(2))),
    lambda rng: nn.Conv2d(4, 4, 3, padding=1, groups=int(rng.choice([1, 2, 4]))),
    lambda rng: nn.ConvTranspose2d(4, 4, 3, padding=1),
    lambda rng: nn.Sequential(nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)),
    lambda rng: nn.BatchNorm2d(4, momentum=float(rng.choice([0.1, 0.5]))),
    lambda rng: nn.GroupNorm(2, 4),
    lambda rng: nn.Dropout(0.3),
    lambda rng: nn.Dropout2d(0.3),
    lambda rng: nn.MaxPool2d(2, 1, 1),
    lambda rng: nn.AvgPool2d(3, 1, 1),
    lambda rng: nn.ReLU(inplace=bool(rng.integers(2))),
    lambda rng: nn.GELU(),
    lambda rng: nn.PReLU(4),
    lambda rng: nn.Upsample(scale_factor=2),
    lambda rng: nn.Softmax2d(),
    lambda rng: Shortcut(nn.Conv2d(4, 4, 1)),
]
OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda params: m.optim.SGD(params, lr=0.01, momentum=0.9),
    lambda params: m.optim.SGD(params, lr=0.01),
    m.optim.AdamW,
    m.optim.Adagrad,
]


class Shortcut(nn.Module):
    """x + layer(x), of a user's class."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.factor = layer, 0.5

    def forward(self, x: Any) -> Any:
        """The sum."""
        return x + self.layer(F.relu(x)) * self.factor


def case(rng: np.random.Generator, counts: collections.Counter) -> None:
    """One step, called several times."""
    (lines if rng.random() < 0.6 else net)(rng, counts)


def lines(rng: np.random.Generator, counts: collections.Counter) -> None:
    """A function of random lines, with a leaf that gets gradients."""
    shape, dtype = SHAPES[rng.integers(len(SHAPES))], [np.float32, np.float64][rng.integers(2)]
    text, known = ["def f(a, b):"], ["a", "b", "w"]
    for i in range(int(rng.integers(1, 6))):
        kind = [UNARY, UNARY, BINARY, REDUCE][rng.integers(4)]
        choices = [line.strip() for line in kind.replace("\n", "|").split("|") if line.strip()]
        x, y = (known[rng.integers(len(known))] for _ in range(2))
        keep = {"x": x, "y": y, "d": int(rng.integers(len(shape))), "k": True}
        line = choices[rng.integers(len(choices))].format(**keep)
        text.append(f"    t{i} = {line}")
        known.append(f"t{i}")
    text += [f"    out = {known[-1]} * 1", "    (out.sum() + (w * a).sum()).backward()", "    return out.detach() + 0"]
    source, found = "\n".join(text), []
    start = rng.standard_normal(shape).astype(dtype)
    for compiled in (False, True):
        names: dict[str, Any] = {"L": m, "F": F, "w": m.tensor(start, requires_grad=True)}
        exec(compile(source, "/random/step.py", "exec"), names)
        step = m.compile(names["f"]) if compiled else names["f"]
        data, seen = np.random.default_rng(int(start.size)), []  # type: ignore[var-annotated]
        for _ in range(CALLS):
            given = [m.tensor(data.standard_normal(shape).astype(dtype)) for _ in "ab"]
            try:
                seen.append(step(*given).array)
            except RuntimeError as error:
                seen.append(str(error).partition("\n")[0])
            w = names["w"]
            seen += [*(x.array for x in given), None if w.grad is None else w.grad.array.copy()]
        found.append(seen)
        if compiled:
            counts["a record ran" if any(c.ready for c in step._cases.values()) else "no record"] += 1
    if not all(map(same, *found)):
        raise Failure(f"compiled it differs: {source!r}, shape {shape}, {np.dtype(dtype)}")


def net(rng: np.random.Generator, counts: collections.Counter) -> None:
    """A net of random layers and its optimizer; something changes between some calls."""
    seed, layers = int(rng.integers(2**31)), [int(i) for i in rng.integers(len(LAYERS), size=rng.integers(1, 5))]
    optimizer, grows = OPTIMIZERS[rng.integers(len(OPTIMIZERS))], bool(rng.random() < 0.2)
    events = [list(EVENTS)[rng.integers(len(EVENTS))] if rng.random() < 0.15 else "" for _ in range(2 * CALLS)]
    found: list[list[Any]] = []
    for compiled in (False, True):
        m.manual_seed(seed)
        own = np.random.default_rng(seed)
        model = nn.Sequential(
            *[LAYERS[i](own) for i in layers], nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        )
        opt = optimizer(model.parameters())

        def step(x: Any, y: Any, model: nn.Module = model, opt: Any = opt) -> Any:
            if not grows:
                opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss

        run: Any = m.compile(step) if compiled else step
        seen: list[Any] = []
        for i, event in enumerate(events):
            EVENTS.get(event, lambda *_: None)(model, opt, own)
            batch = 3 if i % 7 == 6 else 4
            x = m.tensor(own.standard_normal((batch, 4, 9, 9), np.float32))
            try:
                seen.append(run(x, m.tensor(own.integers(0, 3, batch))).array)
            except RuntimeError as error:  # layers in place, of what another needs
                seen.append(str(error))
            state = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
            seen += [None if t is None else t.array.copy() for t in state] + [m.rand(1).item()]
        found.append(seen)
        if compiled:
            counts["a record ran" if any(c.ready for c in run._cases.values()) else "no record"] += 1
    if len(found[0]) != len(found[1]) or not all(map(same, *found)):
        raise Failure(f"compiled it differs: layers {layers}, seed {seed}, events {events}, grows {grows}")


def _train(model: nn.Module, opt: Any, rng: np.random.Generator) -> None:
    model.train(bool(rng.integers(2)))


def _rate(model: nn.Module, opt: Any, rng: np.random.Generator) -> None:
    opt.param_groups[0]["lr"] = float(rng.random() * 0.01)


def _hook(model: Any, opt: Any, rng: np.random.Generator) -> None:
    model[0].register_forward_hook(lambda module, args, out: out * 1.5)


def _freeze(model: nn.Module, opt: Any, rng: np.random.Generator) -> None:
    parameters = list(model.parameters())
    parameters[rng.integers(len(parameters) - 1) if len(parameters) > 2 else 0].requires_grad_(bool(rng.integers(2)))


def _exchange(model: Any, opt: Any, rng: np.random.Generator) -> None:
    model[0] = LAYERS[rng.integers(len(LAYERS))](rng)


def _values(model: nn.Module, opt: Any, rng: np.random.Generator) -> None:
    with m.no_grad():
        for p in model.parameters():
            p.mul_(0.9)


def _memory(model: nn.Module, opt: Any, rng: np.random.Generator) -> None:
    for p in model.parameters():
        p.data = p.data.clone()


EVENTS: dict[str, Callable] = {
    "train or eval": _train,
    "another learning rate": _rate,
    "a hook": _hook,
    "frozen or not": _freeze,
    "another layer": _exchange,
    "other values": _values,
    "other memory": _memory,
}
