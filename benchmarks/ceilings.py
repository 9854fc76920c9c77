"""What the machine can do at most, measured: multiply-adds on the register tile in cache, and copying memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

STEPS = 512  # of a tile: A and B of this length stay in L1
COPY = 1 << 25  # float32 elements: 128 MiB there and 128 MiB back, more than any cache here
SECONDS = 2.0  # to look for the best call


def ceilings(side: Any, threads: int) -> dict[str, float]:
    """FLOP/s and bytes/s (read + written) on all threads, the best of many short calls; runs in minitorch's process."""
    import numba

    from minitorch.kernels.runtime import FASTMATH
    from minitorch.kernels.tile import ROWS, WIDTH, copy, wide

    numba.set_num_threads(threads)

    @numba.njit(parallel=True, fastmath=FASTMATH)
    def multiply(workers, repeats, a, b, c, numbers):
        for worker in numba.prange(workers):
            for _ in range(repeats):
                wide(a, 0, numbers, 0, ROWS - 1, STEPS, numbers, 0, 1, 0, STEPS, 1, b, 0, 2 * WIDTH,
                     c, worker * 4096, numbers, 2 * WIDTH, WIDTH, 0)  # fmt: skip

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
