"""Does memory stay flat? Each net of the benchmark, double backward and hooks, for thousands of steps.

python benchmarks/leaks.py                                  a few minutes: 10,000 steps or 20 s each
python benchmarks/leaks.py --seconds 600 ResNet hooks       longer, for rows whose names contain these words

Memory has grown where the least of the last quarter lies above the most of the second one by more than a megabyte; the
program then ends with status 1. Each case has a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from nets import CASES, _status, training
from timing import MINITORCH, Side

import minitorch
from minitorch import autograd, nn, optim

ALLOWED = 1 << 20  # bytes
NAMES = dict.fromkeys(case.name for case in CASES)  # each net once


def of_net(name: str) -> Callable[[], Any]:
    """A training step of a benchmark's net at batch 2: leaks grow with steps, not with batches."""
    case = next(case for case in CASES if case.name == name)
    return training(Side(MINITORCH, minitorch.get_num_threads()), case._replace(batch=2))["training step"]


def double_backward() -> Callable[[], Any]:
    """A generator against a critic whose gradient is kept near 1 (Gulrajani et al., 2017)."""
    generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))
    critic = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 36, 1))
    optimizers = [optim.Adam(part.parameters(), 1e-4) for part in (generator, critic)]

    def step() -> None:
        real, fake = minitorch.randn(8, 1, 8, 8), generator(minitorch.randn(8, 8)).view(8, 1, 8, 8)
        between = (0.5 * real + 0.5 * fake.detach()).requires_grad_()
        (slope,) = autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.view(8, -1).norm(dim=1) - 1) ** 2).mean()
        loss = critic(fake.detach()).mean() - critic(real).mean() + 10 * penalty
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        (-critic(fake).mean()).backward()
        optimizers[0].step()

    return step


def hooks() -> Callable[[], Any]:
    """Hooks of tensors, nodes' outputs and modules, added and removed in every step, and some that stay."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    optimizer, seen = optim.SGD(net.parameters(), 1e-3, momentum=0.9), {}
    net[0].register_forward_hook(lambda module, inputs, output: seen.update(output=output))
    net[1].register_full_backward_hook(lambda module, gx, g: seen.update(g=g))

    def step() -> None:
        x = minitorch.randn(4, 1, 8, 8).requires_grad_()
        handles = [part.register_forward_hook(lambda module, inputs, output: output * 1) for part in net]
        y = net(x)
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        handles.append(net[0].weight.register_hook(lambda g: seen.update(y=y)))
        optimizer.zero_grad()
        (y**2).sum().backward()
        optimizer.step()
        for handle in handles:
            handle.remove()

    return step


STEPS = {
    **dict.fromkeys(NAMES, of_net),
    "double backward": lambda name: double_backward(),
    "hooks": lambda name: hooks(),
}


def watch(name: str, steps: int, seconds: float, send: Any) -> None:
    """Run a case; send the resident bytes after each step."""
    step, resident, done = STEPS[name](name), np.full(steps, -1), 0  # in memory that is there from the start
    step()
    begin = time.monotonic()
    while done < steps and time.monotonic() < begin + seconds:
        step()
        resident[done] = _status("VmRSS")
        done += 1
    send.send(resident[:done].tolist())


def growth(resident: list[int]) -> int:
    """The least of the last quarter less the most of the second: above zero only where memory does not come back."""
    quarter = len(resident) // 4
    return min(resident[-quarter:]) - max(resident[quarter : 2 * quarter])


def main() -> int:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="words of the rows to run; all if none")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    grown = 0
    print(f"{'':16} {'steps':>6} {'at a quarter':>13} {'at the end':>11} {'growth':>8}")
    for name in [n for n in STEPS if not args.names or any(word in n for word in args.names)]:
        receive, send = multiprocessing.get_context("spawn").Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=watch, args=(name, args.steps, args.seconds, send)
        )
        process.start()
        send.close()
        resident = receive.recv()
        process.join()
        if len(resident) < 8:
            raise SystemExit(f"{name}: {len(resident)} steps are too few to tell; give more --seconds")
        change = growth(resident)
        grown += change > ALLOWED
        print(
            f"{name:16} {len(resident):6,} {resident[len(resident) // 4] / 1e6:10.1f} MB {resident[-1] / 1e6:8.1f} MB "
            f"{change / 1e6:+8.2f} {'GROWS' if change > ALLOWED else 'flat'}",
            flush=True,
        )
    return grown > 0


if __name__ == "__main__":
    sys.exit(main())
