"""Batch normalisation over the rows of x (M, C): one pass for the statistics, one to apply them; the same backwards.

Sums run over fixed blocks of rows, each in float64, and the blocks are added up in order.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.kernels.runtime import borrow, give_back, kernel

__all__ = ["batch_norm_statistics", "batch_norm_apply", "batch_norm_sums", "batch_norm_input_grad"]

HEAVY = 100_000  # elements worth waking the other threads for
WIDE = np.dtype(np.float64)


def batch_norm_statistics(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
    """Mean and biased variance of every column of x (M, C).

    With d = x - x[0], mean = x[0] + mean(d) and variance = mean(d^2) - mean(d)^2: one pass, and since d is of the
    size of the deviation, nothing cancels when |mean| is much larger than it.
    """
    blocks = _blocks(x)
    partial = borrow(2 * blocks * x.shape[1], WIDE)
    _statistics(x.size > HEAVY, x, partial, blocks)
    d, squares = _add_up(partial, blocks, x.shape[1]) / x.shape[0]
    mean[...] = x[0] + d
    variance[...] = np.maximum(squares - d * d, 0)
    give_back(partial)


def batch_norm_apply(x: np.ndarray, mean: np.ndarray, invstd: np.ndarray, w: np.ndarray, b: np.ndarray,
                     out: np.ndarray) -> None:
    """out = (x - mean) * invstd * w + b."""
    _apply(x.size > HEAVY, x, mean, invstd * w, b, out)


def batch_norm_sums(x: np.ndarray, g: np.ndarray, mean: np.ndarray, invstd: np.ndarray, sum_g: np.ndarray,
                    sum_gx: np.ndarray) -> None:
    """sum_g = sum of g, sum_gx = sum of g * (x - mean) * invstd, over M."""
    blocks = _blocks(x)
    partial = borrow(2 * blocks * x.shape[1], WIDE)
    _sums(x.size > HEAVY, x, g, mean, partial, blocks)
    sums = _add_up(partial, blocks, x.shape[1])
    sum_g[...] = sums[0]
    sum_gx[...] = sums[1] * invstd
    give_back(partial)


def batch_norm_input_grad(x: np.ndarray, g: np.ndarray, mean: np.ndarray, invstd: np.ndarray, w: np.ndarray,
                          sum_g: np.ndarray, sum_gx: np.ndarray, out: np.ndarray) -> None:
    """out = w * invstd * (g - sum_g/M - xhat * sum_gx/M) with xhat = (x - mean) * invstd."""
    m = x.dtype.type(x.shape[0])
    _input_grad(x.size > HEAVY, x, g, mean, invstd * (sum_gx / m), sum_g / m, invstd * w, out)


def _blocks(x: np.ndarray) -> int:
    """Blocks of rows: at least 64 rows each and at most 256 of them, whoever computes them."""
    return max(1, min(256, x.shape[0] // 64))


def _add_up(partial: np.ndarray, blocks: int, channels: int) -> np.ndarray:
    """(2, C) sums over the blocks."""
    return partial[:2 * blocks * channels].reshape(blocks, 2, channels).sum(0)


@kernel
def _statistics(workers, x, partial, blocks):
    m, channels = x.shape
    for worker in prange(workers):
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            sums = partial[2 * block * channels:(2 * block + 1) * channels]
            squares = partial[(2 * block + 1) * channels:(2 * block + 2) * channels]
            sums[:] = 0
            squares[:] = 0
            for row in range(block * m // blocks, (block + 1) * m // blocks):
                for c in range(channels):
                    d = np.float64(x[row, c] - x[0, c])
                    sums[c] += d
                    squares[c] += d * d


@kernel
def _apply(workers, x, mean, scale, b, out):
    m, channels = x.shape
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            for c in range(channels):
                out[row, c] = (x[row, c] - mean[c]) * scale[c] + b[c]


@kernel
def _sums(workers, x, g, mean, partial, blocks):
    m, channels = x.shape
    for worker in prange(workers):
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            sums = partial[2 * block * channels:(2 * block + 1) * channels]
            products = partial[(2 * block + 1) * channels:(2 * block + 2) * channels]
            sums[:] = 0
            products[:] = 0
            for row in range(block * m // blocks, (block + 1) * m // blocks):
                for c in range(channels):
                    sums[c] += g[row, c]
                    products[c] += np.float64(g[row, c]) * (x[row, c] - mean[c])


@kernel
def _input_grad(workers, x, g, mean, slope, offset, scale, out):
    m, channels = x.shape
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            for c in range(channels):
                out[row, c] = scale[c] * (g[row, c] - offset[c] - (x[row, c] - mean[c]) * slope[c])
