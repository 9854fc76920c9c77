"""Where the time of a small training step goes: python benchmarks/profile_step.py [net] [batch]

Prints the step's time, then, from a run with a clock round every part, what each primitive takes forward and backward,
how much of it is kernels, and the optimizer. "Itself" leaves out the primitives that a rule calls, which have rows of
their own, and the kernels. The clocks cost time too: rows add up to more than the step takes without them.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import nets
import numpy as np

import minitorch
from minitorch.autograd.primitive import Primitive
from minitorch.kernels.engine.runtime import Kernel, get_num_threads
from minitorch.nn import functional as F

STEPS, clock = 300, time.perf_counter


class Clocks:
    """Calls, seconds and seconds less those of other clocks inside, by label."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self.inside = [0.0]

    def watch(self, owner: Any, name: str, label: Callable) -> None:
        """Put a clock round a method; label(self) names its row."""
        method = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.inside.append(0.0)
            start = clock()
            out = method(*args, **kwargs)
            seconds = clock() - start
            row = self.rows[label(args[0])]
            row[:] = row[0] + 1, row[1] + seconds, row[2] + seconds - self.inside.pop()
            self.inside[-1] += seconds
            return out

        setattr(owner, name, timed)


def make_step(name: str, batch: int) -> Callable[[], None]:
    """One training step of a net of nets.py on random data, and its optimizer."""
    minitorch.manual_seed(0)
    net = getattr(nets, name)(minitorch.nn)
    optimizer = minitorch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x = minitorch.from_numpy(np.random.default_rng(0).standard_normal((batch, 3, 32, 32), np.float32))
    y = minitorch.from_numpy(np.arange(batch) % 10)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def timings(step: Callable[[], None]) -> list[float]:
    """Microseconds of each of STEPS steps."""
    times = [clock()]
    for _ in range(STEPS):
        step()
        times.append(clock())
    return [1e6 * (stop - start) for start, stop in pairwise(times)]


def main() -> None:
    """Print the table."""
    name, batch = (sys.argv[1:] + ["tutorial", "4"][len(sys.argv) - 1 :])[:2]
    step = make_step(name, int(batch))
    plain = timings(step)[STEPS // 3 :]  # the first compile and warm up
    clocks = Clocks()
    clocks.watch(Kernel, "__call__", lambda kernel: ("kernel", kernel.__name__.lstrip("_")))
    clocks.watch(Primitive, "__call__", lambda primitive: ("forward", primitive.name))
    clocks.watch(Primitive, "backward", lambda primitive: ("backward", primitive.name))
    clocks.watch(minitorch.optim.SGD, "step", lambda _: ("optimizer", "step"))
    clocks.watch(minitorch.optim.SGD, "zero_grad", lambda _: ("optimizer", "zero_grad"))
    print(f"{name}, batch {batch}, {get_num_threads()} threads: {median(plain):.0f} us a step (median), ", end="")
    print(f"{min(plain):.0f} at best; {median(timings(step)):.0f} with clocks\n")
    print(f"{'':10}{'':24}{'calls':>7}{'us a step':>11}{'itself':>9}")
    for kind in ("kernel", "forward", "backward", "optimizer"):
        rows = sorted(((k, v) for k, v in clocks.rows.items() if k[0] == kind), key=lambda row: -row[1][2])
        for (_, label), (calls, total, itself) in rows:
            print(f"{kind:10}{label:24}{calls / STEPS:7.0f}{1e6 * total / STEPS:11.0f}{1e6 * itself / STEPS:9.0f}")
        calls, itself = (sum(row[i] for _, row in rows) / STEPS for i in (0, 2))
        print(f"{kind:10}{'all':24}{calls:7.0f}{'':11}{1e6 * itself:9.0f}\n")


if __name__ == "__main__":
    main()
