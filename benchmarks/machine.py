"""The machine: what it is, what it can do at most (measured), and how much of it others used meanwhile."""

from __future__ import annotations

import os
import platform
import re
import resource
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 512  # of a tile: A and B of this length stay in L1
COPY = 1 << 25  # float32 elements: 128 MiB there and 128 MiB back, more than any cache here
SECONDS = 2.0  # to look for the best call


def ceilings(side: Any, threads: int) -> dict[str, float]:
    """FLOP/s and bytes/s (read + written) on all threads, the best of many short calls; runs in minitorch's process."""
    import numba

    from minitorch.kernels.engine.runtime import FASTMATH
    from minitorch.kernels.tile.tile import ROWS, wide
    from minitorch.kernels.words.moves import copy
    from minitorch.kernels.words.registers import WIDTH

    numba.set_num_threads(threads)

    @numba.njit(parallel=True, fastmath=FASTMATH)
    def multiply(workers, repeats, a, b, c, numbers):
        for worker in numba.prange(workers):
            for _ in range(repeats):
                wide(
                    a,
                    0,
                    numbers,
                    0,
                    ROWS - 1,
                    STEPS,
                    numbers,
                    0,
                    1,
                    0,
                    STEPS,
                    1,
                    b,
                    0,
                    2 * WIDTH,
                    c,
                    worker * 4096,
                    numbers,
                    2 * WIDTH,
                    WIDTH,
                    0,
                    0,
                    0,
                    0,
                    (),
                )

    @numba.njit(parallel=True)
    def duplicate(workers, source, target):
        for worker in numba.prange(workers):
            start = worker * source.size // workers
            copy(source, start, target, start, (worker + 1) * source.size // workers - start)

    a, b = np.ones(ROWS * STEPS, np.float32), np.ones(2 * WIDTH * STEPS, np.float32)
    c, numbers = np.zeros(threads * 4096, np.float32), np.arange(ROWS)
    repeats = 4000
    source, target = np.ones(COPY, np.float32), np.zeros(COPY, np.float32)
    flops = 2 * ROWS * 2 * WIDTH * STEPS * repeats * threads
    return {
        "flops": flops / _fastest(lambda: multiply(threads, repeats, a, b, c, numbers)),
        "bytes": 2 * source.nbytes / _fastest(lambda: duplicate(threads, source, target)),
    }


def _fastest(function: Callable[[], Any]) -> float:
    """Seconds of the shortest call within SECONDS; the first, which compiles, does not count.

    Of 5 calls the best reached 97-157 GFLOP/s on a shared machine whose peak is 188, of 200 calls 178 (2026-11).
    """
    function()
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def vector_width(side: Any) -> int:
    """Lanes of a vector in minitorch's kernels; runs in minitorch's process."""
    from minitorch.kernels.words.registers import WIDTH

    return WIDTH


def description() -> list[str]:
    """Processor, system, versions, and what is set in the environment."""
    info = Path("/proc/cpuinfo")
    fields = dict(re.findall(r"^(\S[^\t:]*?)\s*:\s*(.*)$", info.read_text() if info.exists() else "", re.MULTILINE))
    family = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "llvmlite", "torch"))
    names = "OPENBLAS_CORETYPE", "GOMP_SPINCOUNT", "PYTHONDONTWRITEBYTECODE"
    settings = (f"{name}={os.environ.get(name, 'not set')}" for name in names)
    return [
        f"{fields.get('model name', platform.processor())}{family}, {os.cpu_count()} cores, shared with others",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}",
        ", ".join(settings),
    ]


class Neighbours:
    """How much of all cores others had since this was made: other processes here, and other machines on the host.

    Worth knowing: with one foreign process on one of two cores, times became multiples of the scheduler's 8 ms, and
    PyTorch's SGD step took 151 ms instead of 1.3 (2026-11).
    """

    def __init__(self, pids: Callable[[], Iterable[int | None]]) -> None:
        self.pids = pids  # of children that are alive; those that ended count as this process's own
        self.start = self._now()

    def __str__(self) -> str:
        total, busy, stolen, own = (after - before for after, before in zip(self._now(), self.start, strict=True))
        others = max(0.0, busy - own) / max(total, 1e-9)
        return f"other processes had {others:.0%} of the cores, {stolen / max(total, 1e-9):.0%} were stolen"

    def _now(self) -> tuple[float, float, float, float]:
        """Seconds since the start of the machine: all, busy, stolen; and those that are ours."""
        tick = os.sysconf("SC_CLK_TCK")
        line = [int(field) / tick for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        own = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own += usage.ru_utime + usage.ru_stime
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            own += sum(int(fields[index]) for index in (11, 12, 13, 14)) / tick
        return sum(line), sum(line) - line[3] - line[4] - line[7], line[7], own
