"""Images are (N, C, *size) to users and (N, *size, C) in memory: the channel is what a vector register holds.

The first two functions only move an axis of the view. Kernels copy an operand whose memory stands otherwise; results
of image ops stand right already, and NumPy's elementwise functions keep the layout of what they are given.
"""

from __future__ import annotations

import numpy as np

from .. import kernels

_LAST = {n: (0, *range(2, n), 1) for n in range(2, 8)}
_FIRST = {n: (0, n - 1, *range(1, n - 1)) for n in range(2, 8)}


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) seen as (N, *size, C)."""
    return x.transpose(_LAST[x.ndim])


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, *size, C) seen as (N, C, *size)."""
    return x.transpose(_FIRST[x.ndim])


def pixels(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) as (pixels, C), without a copy where memory is channels-last."""
    return channels_last(x).reshape(-1, x.shape[1])


def vectors(*arrays: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """A new array, it and the given ones as vectors, in the memory order of the first: images stay channels-last."""
    moved = list(arrays)
    last = moved[0].ndim > 2 and not moved[0].flags.c_contiguous
    if last:
        moved = [channels_last(a) for a in moved]
    memory = kernels.empty(moved[0].shape, moved[0].dtype)
    out = channels_first(memory) if last else memory
    return out, [memory.reshape(-1), *(a.reshape(-1) for a in moved)]
