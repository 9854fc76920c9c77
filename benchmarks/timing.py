"""Contenders and rounds: each framework in a process of its own, taking turns.

Why not in one process: two OpenMP pools and two allocators get in each other's way. The tutorial net at batch 4, called
in turn in one process, took 5.3 ms in minitorch and 4.1 ms in PyTorch; alone 2.7 and 1.9-2.9 (2026-11, 2 cores Zen 3,
other settings of GOMP_SPINCOUNT made no difference). So a contender is a process with the settings a user would have,
it sleeps while others run, and a turn is a burst of calls as in a training loop: turns and runs alone then differ by
no more than the machine's noise.
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np

MINITORCH, EAGER, COMPILED = "minitorch", ("NCHW", "channels_last"), "compiled"
STEP = "minitorch.compile"  # the same steps, compiled
PAUSE = 0.01  # seconds at the start of a turn: the threads of whoever ran before stop spinning
LONG = 0.05  # a call of so many seconds needs no uncounted one before it to warm the caches


# ------------------------------------------------------------------------------------------------ inside a process
class Side:
    """A contender seen from inside its process: the library, the memory layout of its images, torch.compile."""

    def __init__(self, label: str, threads: int) -> None:
        self.label = label
        self.ours = label in (MINITORCH, STEP)
        self.lib: Any = importlib.import_module("minitorch" if self.ours else "torch")
        (self.lib.kernels if self.ours else self.lib).set_num_threads(threads)
        self.functions: dict[str, Callable[[], Any]] = {}

    def tensor(self, array: np.ndarray) -> Any:
        """The array as a tensor; images (N, C, H, W) or (N, C, D, H, W) lie in memory as this contender wants them."""
        if array.ndim in (4, 5) and self.label != "NCHW":
            array = np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
        return self.lib.from_numpy(array)

    def weight(self, array: np.ndarray) -> Any:
        """The array as a tensor that lies in memory as the parameters of `model` do."""
        return self.lib.from_numpy(array) if self.ours else self.tensor(array)

    def model(self, net: Callable[[Any], Any], weights: dict[str, np.ndarray] | None = None) -> Any:
        """A net with these weights (or PyTorch's and our first ones), in this contender's layout."""
        model = net(self.lib.nn)
        if weights is not None:
            model.load_state_dict({name: self.lib.from_numpy(array.copy()) for name, array in weights.items()})
        return model if self.ours or self.label == "NCHW" else model.to(memory_format=self.lib.channels_last)

    def compile(self, model: Any) -> Any:
        """torch.compile where that is what this contender stands for; each net from a clean slate."""
        if self.label != COMPILED:
            return model
        self.lib._dynamo.reset()
        return self.lib.compile(model)

    def step(self, function: Callable[[], Any]) -> Any:
        """minitorch.compile where that is what this contender stands for."""
        return self.lib.compile(function) if self.label == STEP else function

    def recorded(self, name: str) -> bool:
        """Whether `minitorch.compile` runs the function from a record, after the calls that it needs for that."""
        for _ in range(5):
            self.functions[name]()
        return not self.functions[name].refused

    def prepare(self, build: Callable[..., dict], *args: Any) -> None:
        """Keep the functions that `build` returns by name, instead of those before."""
        self.functions = {}
        self.functions = build(self, *args)

    def run(self, name: str, times: int) -> list[float]:
        """What a function returned, as floats."""
        return [float(self.functions[name]()) for _ in range(times)]

    def burst(self, name: str, seconds: float) -> float:
        """Seconds per call, over as many calls as fit into `seconds`, at least one."""
        function = self.functions[name]
        time.sleep(PAUSE)
        start = time.perf_counter()
        function()
        took = time.perf_counter() - start
        if took > max(LONG, seconds):
            return took
        calls = max(1, round(seconds / took))
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) / calls


def _serve(pipe: Any, label: str, threads: int) -> None:
    """Answer messages (function or name of a method of Side, arguments) until the other end closes."""
    try:
        side = Side(label, threads)
        while True:
            function, args = pipe.recv()
            try:
                answer = getattr(side, function)(*args) if isinstance(function, str) else function(side, *args)
                pipe.send((answer, None))
            except Exception:  # noqa: BLE001 handed on to the parent
                pipe.send((None, traceback.format_exc()))
    except EOFError:
        pass


# ------------------------------------------------------------------------------------------------ outside
class Contender:
    """One framework, in one layout, in a fresh process."""

    def __init__(self, label: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.label, self.threads = label, threads
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, label, threads), daemon=True)
        self.process.start()
        other.close()

    def call(self, function: Any, *args: Any) -> Any:
        """`function(side, *args)` or a method of Side, run there; raises RuntimeError with what was raised there."""
        self.pipe.send((function, args))
        answer, error = self.pipe.recv()
        if error is not None:
            raise RuntimeError(f"{self.label}: {error}")
        return answer

    def close(self) -> None:
        """Let the process end."""
        self.pipe.close()
        self.process.join()


class Times:
    """Seconds per call in each round, of each contender."""

    def __init__(self, rounds: dict[str, list[float]]) -> None:
        self.rounds = rounds

    def median(self, label: str) -> float | None:
        """Of one contender; None if it did not take part."""
        return median(self.rounds[label]) if label in self.rounds else None

    @cached_property
    def best(self) -> str:
        """The fastest of the others."""
        others = [label for label in self.rounds if label not in (MINITORCH, STEP)]
        return min(others, key=lambda label: median(self.rounds[label]))

    @cached_property
    def compiled(self) -> Times:
        """With `minitorch.compile` in minitorch's place, if it took part."""
        ours = self.rounds.get(STEP, self.rounds[MINITORCH])
        return Times({**{k: v for k, v in self.rounds.items() if k != STEP}, MINITORCH: ours})

    @cached_property
    def ratio(self) -> float:
        """Median of the best of the others over our median: above 1, we are faster."""
        return median(self.rounds[self.best]) / median(self.rounds[MINITORCH])

    @cached_property
    def best_ratio(self) -> float:
        """The same of the shortest times. Other processes can only lengthen a time, so few rounds suffice for this."""
        others = (min(times) for label, times in self.rounds.items() if label != MINITORCH)
        return min(others) / min(self.rounds[MINITORCH])

    @cached_property
    def ratios(self) -> tuple[float, float]:
        """The same within single rounds, smallest and largest."""
        each = [theirs / ours for theirs, ours in zip(self.rounds[self.best], self.rounds[MINITORCH], strict=True)]
        return min(each), max(each)


def alternate(
    contenders: list[Contender], name: str, rounds: int, seconds: float, limit: float = float("inf")
) -> Times:
    """A burst of the prepared function of that name from each in turn, so that all meet the same noise.

    After `limit` seconds no other round begins.
    """
    times: dict[str, list[float]] = {contender.label: [] for contender in contenders}
    end = time.perf_counter() + limit
    for number in range(rounds):
        if number and time.perf_counter() > end:
            break
        for contender in contenders:
            times[contender.label].append(contender.call("burst", name, seconds))
    return Times(times)
