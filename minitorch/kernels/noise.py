"""Dropout in one pass: the random numbers are a function of seed and place, so any thread can draw any of them.

Place i draws mix(mix(i + a) + b), where a and b are the halves of the seed and `mix` is the finisher of MurmurHash3,
under which each bit of its argument changes each bit of its result with probability 1/2.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import FASTMATH, helper, kernel

__all__ = ["dropout"]

HEAVY = 50_000  # elements worth waking the other threads for


def dropout(x: np.ndarray, out: np.ndarray, mask: np.ndarray, seed: int, threshold: int, scale: float) -> None:
    """out = x * scale where `mask`, else 0; False where a number of 32 bits is below `threshold`."""
    a, b = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF)
    _dropout(x.size > HEAVY, x, out, mask, a, b, np.uint32(threshold), x.dtype.type(scale))


@helper(fastmath=FASTMATH)
def _mix(h):
    first = np.uint32(np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    second = np.uint32(np.uint32(first ^ (first >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(second ^ (second >> np.uint32(16)))


@kernel
def _dropout(workers, x, out, mask, a, b, threshold, scale):
    zero = scale - scale
    for worker in prange(workers):
        low, high = worker * x.size // workers, (worker + 1) * x.size // workers
        own, given, kept = out[low:high], x[low:high], mask[low:high]
        start = np.uint32(low)
        for i in range(own.size):
            keep = _mix(np.uint32(_mix(np.uint32(np.uint32(i) + start + a)) + b)) >= threshold
            kept[i] = keep
            own[i] = given[i] * scale if keep else zero
