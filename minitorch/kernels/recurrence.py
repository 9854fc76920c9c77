"""Polynomials by a recurrence of three terms, in float64 whatever the dtype, a block of elements at a time."""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, kernel

__all__ = ["polynomials"]

HEAVY = 20_000  # steps worth waking the other threads for
BLOCK = 512  # elements of which a worker has three lines in its first cache
WIDE = np.dtype(np.float64)


def polynomials(x: np.ndarray, degrees: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """out = P[degree](x), with D P[k+1] = (A x + B) P[k] - C P[k-1] by the rows (A, B, C, D) of the table."""
    room = borrow(3 * BLOCK * get_num_threads(), WIDE)
    _polynomials(x.size * len(table) > HEAVY, x, degrees, table, out, room)
    give_back(room)


@kernel(exact=True)
def _polynomials(workers, x, degrees, table, out, room):
    blocks, one = (x.size + BLOCK - 1) // BLOCK, degrees.size == 1
    for worker in prange(workers):
        z = room[3 * worker * BLOCK:(3 * worker + 1) * BLOCK]
        q, p = room[(3 * worker + 1) * BLOCK:(3 * worker + 2) * BLOCK], room[(3 * worker + 2) * BLOCK:][:BLOCK]
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            start = block * BLOCK
            size = min(BLOCK, x.size - start)
            for i in range(size):
                z[i], q[i], p[i] = x[start + i], 1, 0
                out[start + i] = degrees[0 if one else start + i] == 0
            for k in range(len(table)):
                a, b, c, d = table[k]
                if d == 1:
                    for i in range(size):
                        p[i] = (a * z[i] + b) * q[i] - c * p[i]
                else:
                    for i in range(size):
                        p[i] = ((a * z[i] + b) * q[i] - c * p[i]) / d
                p, q = q, p
                if not one:
                    for i in range(size):
                        if degrees[start + i] == k + 1:
                            out[start + i] = q[i]
                elif degrees[0] == k + 1:
                    for i in range(size):
                        out[start + i] = q[i]
