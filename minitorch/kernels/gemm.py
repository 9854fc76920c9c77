"""Matrix product on the register tile: rows of x against blocks of columns of y.

The tile wants B as [step][lanes]. y is copied into that form, unless its rows lie ready in memory and are used only a
few times. When x is the smaller operand it is cheaper to copy x instead and form out' = y' x'.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.lib.stride_tricks import as_strided

from minitorch.kernels.runtime import borrow, give_back, kernel
from minitorch.kernels.tile import ROWS, ROWS_NARROW, WIDTH, claim, narrow, narrow_masked, wide, wide_masked

__all__ = ["matmul"]

HEAVY = 4_000_000  # multiply-adds worth waking the other threads for
BLOCK = 8 * ROWS  # rows of a block of work
STEPS = 1024  # steps summed at a time, so that the block of B stays in L2


def matmul(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out[b] = x[b] @ y[b] for x (B, M, K), y (B, K, N)."""
    if not out.size:
        return
    batch, m, n = out.shape
    k, size = x.shape[2], out.itemsize
    plain = 0 if y.strides[2] == size and m <= BLOCK else k * n  # elements to copy first, as matters stand ...
    turned = m * n + (0 if x.strides[1] == size and n <= BLOCK else k * m)  # ... and with out' = y' x'
    if plain <= turned:
        _product(x, y, out, plain == 0)
        return
    space = borrow(out.size, out.dtype)
    view = space[:out.size].reshape(batch, n, m)
    _product(y.transpose(0, 2, 1), x.transpose(0, 2, 1), view, turned == m * n)
    out[...] = view.transpose(0, 2, 1)
    give_back(space)


def _product(x: np.ndarray, y: np.ndarray, out: np.ndarray, in_place: bool) -> None:
    """`matmul`, with y used as it lies if `in_place`: its rows are contiguous and used only a few times."""
    batch, m, n = out.shape
    k, lanes = x.shape[2], 4 * WIDTH // out.itemsize
    heavy = out.size * k > HEAVY
    matrices = 1 if y.strides[0] == 0 else batch
    x, x_strides = _flat(x)
    y, y_strides = _flat(y)
    packed, y_batch_stride = y, y_strides[0]
    if not in_place:
        width = -(-n // lanes) * lanes
        packed, y_batch_stride = borrow(matrices * k * width, out.dtype), 0 if matrices == 1 else k * width
        _pack(heavy, y, packed, matrices, k, n, width, lanes, *y_strides)
    _matmul(heavy, x, packed, out.reshape(-1), _numbers(m), np.zeros(1, np.int64), batch, m, n, k, lanes, *x_strides,
            in_place, y_batch_stride, y_strides[1])
    if not in_place:
        give_back(packed)


def _flat(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """The memory of x from its first element on, as one contiguous line, and the strides of x in elements."""
    size = x.itemsize
    a, b, c = x.strides
    if a < 0 or b < 0 or c < 0 or a % size or b % size or c % size:
        x = x.copy()
        a, b, c = x.strides
    strides = a // size, b // size, c // size
    if x.flags.c_contiguous:
        return x.reshape(-1), strides
    if c != size and (turned := x.transpose(0, 2, 1)).flags.c_contiguous:
        return turned.reshape(-1), strides
    span = 1 + sum((size - 1) * stride for size, stride in zip(x.shape, strides, strict=True)) if x.size else 0
    return as_strided(x, (span,), (x.itemsize,)), strides


_counted = np.arange(1024)


def _numbers(count: int) -> np.ndarray:
    """0, 1, 2, ... at least `count` of them."""
    global _counted
    if _counted.size < count:
        _counted = np.arange(2 * count)
    return _counted


@kernel
def _pack(workers, y, packed, batch, k, n, width, lanes, batch_stride, k_stride, n_stride):
    """y as [matrix][block of lanes][k][lane], zeros in unused lanes."""
    blocks = -(-width // (2 * lanes))
    for worker in prange(workers):
        for block in range(worker * batch * blocks // workers, (worker + 1) * batch * blocks // workers):
            matrix, column = block // blocks, block % blocks * 2 * lanes
            size = min(2 * lanes, width - column)
            used = min(size, n - column)
            at = matrix * k * width + column * k
            start = matrix * batch_stride + column * n_stride
            if n_stride == 1:
                for i in range(k):
                    for lane in range(used):
                        packed[at + i * size + lane] = y[start + i * k_stride + lane]
            else:
                for low in range(0, k, 16):  # 16 x lanes at a time: both sides stay in L1
                    for lane in range(used):
                        for i in range(low, min(low + 16, k)):
                            packed[at + i * size + lane] = y[start + i * k_stride + lane * n_stride]
            if used < size:
                for i in range(k):
                    packed[at + i * size + used:at + (i + 1) * size] = 0


@kernel
def _matmul(workers, x, packed, out, numbers, counter, batch, m, n, k, lanes, batch_stride, m_stride, k_stride,
            in_place, y_batch_stride, y_k_stride):
    m_blocks, n_blocks = -(-m // BLOCK), -(-n // (2 * lanes))
    for _ in prange(workers):
        while True:
            block = claim(counter)
            matrix = block // (m_blocks * n_blocks)
            if matrix >= batch:
                break
            column = block % n_blocks * 2 * lanes
            low = block // n_blocks % m_blocks * BLOCK
            last = min(low + BLOCK, m) - 1
            c = matrix * m * n + column
            rest = n - column
            size = 2 * lanes if rest > lanes else lanes
            for step in range(0, max(k, 1), STEPS):
                steps = min(STEPS, k - step)
                a = matrix * batch_stride + step * k_stride
                b, b_step = matrix * y_batch_stride + column * k + step * size, size
                if in_place:
                    b, b_step = matrix * y_batch_stride + column + step * y_k_stride, y_k_stride
                more = 1 if step else 0
                if rest >= 2 * lanes or (rest > lanes and not in_place):
                    for i in range(low, last + 1, ROWS):
                        wide(x, a, numbers, i, last, m_stride, numbers, 0, 1, 0, steps, k_stride, packed, b, b_step,
                             out, c, numbers, n, rest - lanes, more)
                elif rest > lanes:
                    for i in range(low, last + 1, ROWS):
                        wide_masked(x, a, numbers, i, last, m_stride, numbers, 0, 1, 0, steps, k_stride, packed, b,
                                    b_step, out, c, numbers, n, rest - lanes, more)
                elif rest == lanes or not in_place:
                    for i in range(low, last + 1, ROWS_NARROW):
                        narrow(x, a, numbers, i, last, m_stride, numbers, 0, 1, 0, steps, k_stride, packed, b, b_step,
                               out, c, numbers, n, rest, more)
                else:
                    for i in range(low, last + 1, ROWS_NARROW):
                        narrow_masked(x, a, numbers, i, last, m_stride, numbers, 0, 1, 0, steps, k_stride, packed, b,
                                      b_step, out, c, numbers, n, rest, more)
