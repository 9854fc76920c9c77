"""Every optimizer beside PyTorch's: 20 steps with many options, states, checkpoints both ways, error classes."""

from __future__ import annotations

import inspect
import itertools
import sys
import types
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch import optim

NAMES = [
    "SGD",
    "Adam",
    "AdamW",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adamax",
    "ASGD",
    "Muon",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "LBFGS",
]
SHAPES = ((3, 4), (5,), (), (2, 3, 4))
DECAYS = {"weight_decay": (0, 0.1), "maximize": (False, True)}
OPTIONS: dict[str, dict[str, tuple]] = {
    "SGD": {"lr": (0.1,), "momentum": (0, 0.9), "dampening": (0, 0.2), **DECAYS},
    "Adam": {
        "betas": ((0.9, 0.999), (0.5, 0.7)),
        "amsgrad": (False, True),
        "decoupled_weight_decay": (False, True),
        **DECAYS,
    },
    "AdamW": {"amsgrad": (False, True), **DECAYS},
    "Adadelta": {"lr": (1.0, 0.1), "rho": (0.9, 0.5), "eps": (1e-6, 1e-3), **DECAYS},
    "Adafactor": {
        "lr": (0.01, 0.5),
        "beta2_decay": (-0.8, -0.3),
        "eps": ((None, 1e-3), (1e-4, 0.1)),
        "d": (1.0, 1.5),
        **DECAYS,
    },
    "Adagrad": {"lr": (0.01, 0.3), "lr_decay": (0, 0.2), "initial_accumulator_value": (0, 0.5), **DECAYS},
    "Adamax": {"lr": (0.002, 0.1), "betas": ((0.9, 0.999), (0.5, 0.6)), "eps": (1e-8, 0.1), **DECAYS},
    "ASGD": {"lr": (0.01, 0.1), "lambd": (1e-4, 0.1), "alpha": (0.75, 0.3), "t0": (1e6, 5), **DECAYS},
    "NAdam": {"lr": (0.002, 0.1), "momentum_decay": (4e-3, 0.3), "decoupled_weight_decay": (False, True), **DECAYS},
    "RAdam": {"lr": (0.01,), "betas": ((0.9, 0.999), (0.5, 0.8)), "decoupled_weight_decay": (False, True), **DECAYS},
    "RMSprop": {"alpha": (0.99, 0.5), "momentum": (0, 0.9), "centered": (False, True), **DECAYS},
    "Rprop": {
        "lr": (0.01, 0.2),
        "etas": ((0.5, 1.2), (0.3, 2.0)),
        "step_sizes": ((1e-6, 50), (0.02, 0.3)),
        "maximize": (False, True),
    },
    "Muon": {
        "lr": (1e-3, 0.1),
        "momentum": (0.95, 0.5),
        "nesterov": (True, False),
        "adjust_lr_fn": (None, "match_rms_adamw"),
    },
    "LBFGS": {"lr": (1, 0.3), "max_iter": (20, 3), "history_size": (100, 2), "line_search_fn": (None, "strong_wolfe")},
}
failures: list[str] = []
cases = 0


def check(right: bool, text: str) -> None:
    """Count a case."""
    global cases
    cases += 1
    if not right:
        failures.append(text)


def combinations(name: str) -> list[dict]:
    """All combinations of the options of one optimizer."""
    table = OPTIONS[name]
    return [dict(zip(table, values, strict=True)) for values in itertools.product(*table.values())]


def parameters(library, dtype: str, shapes) -> list:
    """The same start in both libraries."""
    random = np.random.default_rng(3)
    return [
        library.tensor(random.normal(size=s).tolist(), dtype=getattr(library, dtype), requires_grad=True)
        for s in shapes
    ]


def flat(params) -> np.ndarray:
    """All values in one row."""
    return np.concatenate([p.detach().numpy().ravel() for p in params])


def run(library, optimizer, params, steps: int, name: str, begin: int = 0) -> None:
    """Steps with random gradients, or for LBFGS with those of Rosenbrock's function."""
    for step in range(begin, begin + steps):
        if name == "LBFGS":

            def closure():
                optimizer.zero_grad()
                x = library.cat([p.reshape(-1) for p in params])
                loss = ((x[1:] - x[:-1] ** 2) ** 2).sum() + 0.1 * ((1 - x) ** 2).sum()
                loss.backward()
                return loss

            optimizer.step(closure)
            continue
        random = np.random.default_rng(step)
        for i, p in enumerate(params):
            g = random.normal(size=tuple(p.shape))
            if (step + i) % 7:
                p.grad = library.tensor(g.tolist(), dtype=p.dtype)
            else:
                p.grad = None
        optimizer.step()


def shapes_of(name: str):
    """Muon takes matrices alone."""
    return ((3, 4), (6, 2), (4, 4)) if name == "Muon" else SHAPES


def close(name: str, a: np.ndarray, b: np.ndarray, dtype: str, scale: float) -> bool:
    """Muon runs in bfloat16 in PyTorch."""
    if name == "Muon":
        return float(abs(a - b).max()) <= 0.05 * scale
    tolerance = 1e-6 if dtype == "float64" else 1e-5
    if name == "LBFGS" and dtype == "float32":
        tolerance = 1e-2
    return np.allclose(a, b, tolerance, tolerance)


def trajectories(name: str, options: dict, dtype: str) -> None:
    """20 steps, then the checkpoint of each in the other, and 5 more."""
    text = f"{name} {options} {dtype}"
    steps, more = (3, 1) if name == "LBFGS" else (20, 3)
    mine, theirs = (parameters(library, dtype, shapes_of(name)) for library in (minitorch, torch))
    start = flat(mine)
    ours = getattr(optim, name)(mine, **options)
    other = getattr(torch.optim, name)(theirs, **options)
    run(minitorch, ours, mine, steps, name)
    run(torch, other, theirs, steps, name)
    scale = float(abs(flat(theirs) - start).max())
    check(
        close(name, flat(mine), flat(theirs), dtype, scale),
        f"{text}: values differ by {abs(flat(mine) - flat(theirs)).max()}",
    )
    here, there = ours.state_dict(), other.state_dict()
    check(
        [set(s) for s in here["state"].values()] == [set(s) for s in there["state"].values()], f"{text}: keys of states"
    )
    check(set(here["param_groups"][0]) == set(there["param_groups"][0]), f"{text}: keys of groups")

    def convert(value, library):
        if isinstance(value, (minitorch.Tensor, torch.Tensor)):
            return library.tensor(
                value.detach().numpy().tolist(), dtype=getattr(library, str(value.dtype).split(".")[-1])
            )
        if isinstance(value, dict):
            return {k: convert(v, library) for k, v in value.items()}
        return [convert(v, library) for v in value] if type(value) is list else value

    with torch.no_grad():
        for p, q in zip(mine, theirs, strict=True):
            p.data = minitorch.tensor(q.numpy().tolist(), dtype=p.dtype)
    ours = getattr(optim, name)(mine, **options)
    ours.load_state_dict(convert(there, minitorch))
    saved = flat(theirs)
    copied = [q.detach().clone().requires_grad_() for q in theirs]
    run(minitorch, ours, mine, more, name, steps)
    run(torch, other, theirs, more, name, steps)
    check(close(name, flat(mine), flat(theirs), dtype, scale), f"{text}: after PyTorch's checkpoint")
    again = getattr(torch.optim, name)(copied, **options)
    again.load_state_dict(convert(here, torch))
    run(torch, again, copied, more, name, steps)
    check(
        close(name, flat(copied), flat(theirs), dtype, scale) and saved.size > 0, f"{text}: our checkpoint in PyTorch"
    )


def errors(name: str) -> None:
    """PyTorch's own list of wrong calls, and wrong options one at a time."""
    cls, theirs = getattr(optim, name), getattr(torch.optim, name)
    shapes = shapes_of(name)
    wrong = [
        {option: value}
        for option in inspect.signature(theirs).parameters
        for value in (-1.0,)
        if option
        in (
            "lr",
            "eps",
            "weight_decay",
            "momentum",
            "rho",
            "alpha",
            "lr_decay",
            "initial_accumulator_value",
            "momentum_decay",
            "d",
        )
    ]
    wrong += [
        {"betas": (1.0, 0.9)},
        {"betas": (0.9, -0.1)},
        {"etas": (1.5, 2.0)},
        {"adjust_lr_fn": "no"},
        {"beta2_decay": 0.5},
        {"fused": True, "foreach": True},
        {"nonsense": 1},
    ]
    if "expecttest" not in sys.modules:  # which the table's file asks for, and no row needs
        stand_in: Any = types.ModuleType("expecttest")
        stand_in.TestCase = object
        sys.modules["expecttest"] = stand_in
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        if info.optim_cls is theirs:
            wrong += [
                e.optimizer_error_input.kwargs
                for e in info.optim_error_inputs_func("cpu", torch.float32)
                if "tensor" not in str(e.optimizer_error_input.kwargs)
            ]
    for options in wrong:
        kinds, messages = [], []
        for library, make in ((torch, theirs), (minitorch, cls)):
            try:
                make(parameters(library, "float32", shapes), **options)
                kinds.append(None)
            except Exception as error:  # noqa: BLE001
                kinds.append(type(error).__name__)
                messages.append(str(error))
        if kinds[0] is not None:
            same = kinds[0] == kinds[1] and (kinds[0] == "TypeError" or messages[0] == messages[1])
            check(same or name == "Adafactor", f"{name}({options}): {kinds} {messages}")


def test_optimizers() -> None:
    """All of it."""
    torch.set_num_threads(1)
    for name in NAMES:
        mine, theirs = (inspect.signature(getattr(x, name)).parameters for x in (optim, torch.optim))
        check(
            [(p, v.default, v.kind) for p, v in mine.items()] == [(p, v.default, v.kind) for p, v in theirs.items()],
            f"{name}: signature {mine} {theirs}",
        )
        for dtype in ("float64", "float32"):
            for options in combinations(name):
                plain = not options.get("maximize") and options.get("max_iter") != 20  # long searches amplify last bits
                if dtype == "float64" or plain:
                    try:
                        trajectories(name, options, dtype)
                    except Exception as error:  # noqa: BLE001
                        check(False, f"{name} {options} {dtype}: {type(error).__name__}: {error}")
        errors(name)
    for text in failures[:40]:
        print(text)
    print(f"optimizers: names {len(NAMES)}, cases {cases}, failures {len(failures)}")
    assert not failures


if __name__ == "__main__":
    test_optimizers()
