"""From channels first to channels last: the first layer's images, as users have them."""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.runtime import kernel

__all__ = ["transpose"]

HEAVY = 30_000  # elements worth waking the other threads for
COLUMNS = 64  # at a time, so that what is read and what is written stays in the cache


def transpose(x: np.ndarray, out: np.ndarray) -> None:
    """out[n] = x[n] transposed, for x (N, P, Q)."""
    _transpose(x.size > HEAVY, x.reshape(-1), out.reshape(-1), *x.shape)


@kernel(exact=True)
def _transpose(workers, x, out, count, rows, columns):
    blocks = (columns + COLUMNS - 1) // COLUMNS
    for worker in prange(workers):
        for item in range(worker * count * blocks // workers, (worker + 1) * count * blocks // workers):
            start, low = item // blocks * rows * columns, item % blocks * COLUMNS
            for row in range(rows):
                for column in range(low, min(low + COLUMNS, columns)):
                    out[start + column * rows + row] = x[start + row * columns + column]
