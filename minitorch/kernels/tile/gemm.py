"""Matrix product on the register tile: out = x y, in blocks of rows and columns, some steps of the sums at a time.

For a block, y is copied to where and how the tile reads it: panels [step][column], as wide as the tile. This takes half
a cycle for each element, whichever way y lies in memory, and the elements then serve for all rows of the block. The
tile reads x row by row, where it lies. Only if x is transposed, so that its steps lie apart in memory, and more than a
few panels of y meet them, x is copied too, to panels [step][row]: with that copy the weight gradient of a Linear
(256, 1024) to 1024 runs at 70 GFLOP/s, without at 57 (one thread, 2 cores Zen 3, 2026-11). If x is transposed and has
few rows, as in the weight gradient of a 1x1 convolution, the copy of y would not pay: y is read where it lies. 2048
pixels of 64 to 64 channels 116 -> 133 GFLOP/s, 32 to 64 93 -> 123, 64 to 128 114 -> 119; 128 to 128 would lose (117 ->
108; one core of a Xeon with AVX-512, 2026-11).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import prange
from numpy.lib.stride_tricks import as_strided

from minitorch.kernels.engine.runtime import FASTMATH, borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.norm import NO_NORM, NO_SUMS, normal_pixels, span_of, sum_written
from minitorch.kernels.tile import matvec
from minitorch.kernels.tile.algorithm import STEPS
from minitorch.kernels.tile.tile import ROWS, ROWS_NARROW, narrow, wide
from minitorch.kernels.words.moves import claim, move, turn
from minitorch.kernels.words.registers import WIDTH

__all__ = ["linear", "matmul"]

HEAVY = 1_000_000  # multiply-adds worth waking the other threads for: 30 us on one core, against a launch of 5
# STEPS, at most, are summed at a time, so that a panel of y stays in L1; 256: 0-5% slower, 384: the same
BLOCK_ROWS, BLOCK_COLUMNS = 600 // ROWS * ROWS, 512  # of a block, at most; 300 and 128, which copy more: 5-10% slower
SHORT, STEPS_IN_PLACE = 64, 128  # rows of x up to which y is read where it lies, and steps at most then
PAGE = 4096  # bytes between rows of y that would fall into one set of the cache
FEW = 4  # panels of y for which x is read where it lies in any case
FORMED = 96  # rows of a normalised x at a time: whole tiles of every width
NUMBERS = np.arange(BLOCK_ROWS)


def matmul(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out[b] = x[b] @ y[b] for x (B, M, K), y (B, K, N)."""
    batch, m, n = out.shape
    _product(*_flat(x), *_flat(y), out.reshape(-1)[:0], out, batch, m, n, x.shape[2], False)


def of_normal(x: np.ndarray, y: np.ndarray, out: np.ndarray, turned: bool, norm: Any, sums: Any = ()) -> None:
    """out = relu((x - mean) * scale + shift) @ y transposed, of two matrices, for a norm of x's columns.

    With `turned` x is (B, M, K), y (B, M, N), and out[b] = relu(...)[b] transposed @ y[b]. That factor is formed
    FORMED rows at a time, or as many as are summed at a time if `turned`. x has more columns than one, and no more than
    STEPS unless `turned`.
    """
    (m, n), k, none = out.shape[-2:], x.shape[1], y.reshape(-1)[:0]
    if turned:
        _product(*_flat(x.transpose(0, 2, 1)), *_flat(y), none, out, len(x), m, n, k, False, norm)
    else:
        _product(x.reshape(-1), (0, k, 1), y.reshape(-1), (0, 1, k), none, out, 1, m, n, k, False, norm, sums)


def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, turn_x: bool, turn_w: bool,
           relu: bool, sums: Any = ()) -> None:
    """out = x @ w of two matrices, each transposed first if told; + b to every row, unless that is empty, then ReLU.

    sums: as in `conv_statistics`.
    """
    (m, n), k = out.shape, x.shape[0 if turn_x else 1]
    if out.size and k and (1 in (m, n) or (k == 1 and not b.size)):
        matvec.product(x, w, out, turn_x, turn_w)
        if b.size:
            out += b
            if relu:
                np.maximum(out, 0, out=out)
        return
    _product(x.reshape(-1), (0, 1, m) if turn_x else (0, k, 1), w.reshape(-1), (0, 1, k) if turn_w else (0, n, 1),
             b, out, 1, m, n, k, relu, (), sums)


def _product(x: np.ndarray, x_strides: tuple[int, ...], y: np.ndarray, y_strides: tuple[int, ...], b: np.ndarray,
             out: np.ndarray, batch: int, m: int, n: int, k: int, relu: bool, norm: Any = (),
             sums: Any = ()) -> None:
    """out = x y, of x (batch, m, k) and y (batch, k, n) by strides, then b and ReLU as in `linear`.

    norm: as in `of_normal`, sums as in `linear`, of one matrix.
    """
    if not out.size:
        return
    heavy = out.size * k > HEAVY
    workers = get_num_threads() if heavy else 1
    lanes, copied, in_place, rows, columns, x_size, y_size = _blocks(batch, m, n, k, out.itemsize, workers,
                                                                     x_strides[2] != 1, y_strides[2] == 1)
    stage = 0 if not norm else FORMED * k if x_strides[2] == 1 else min(k, STEPS) * rows
    space = borrow(workers * (x_size + y_size + stage), out.dtype)
    _matmul(heavy, x, y, b, *(norm or NO_NORM[out.dtype.char]), out.reshape(-1), space, np.zeros(1, np.int64), batch,
            m, n, k, rows, columns, x_size, y_size, stage, copied, in_place, lanes, relu, *x_strides, *y_strides,
            span_of(sums, -(-m // rows) * -(-n // columns), 1), *(sums or NO_SUMS[out.dtype.char]))
    give_back(space)


@lru_cache
def _blocks(batch: int, m: int, n: int, k: int, itemsize: int, workers: int, turned: bool,
            along_rows: bool) -> tuple[int, ...]:
    """Lanes of a vector, whether x is copied, y is not, rows and columns of a block, sizes of its copies of x and y.

    All workers get as many blocks or many of them, if there is enough to cut. No bit of the result depends on it.
    """
    lanes = 4 * WIDTH // itemsize
    panels = -(-n // (2 * lanes))
    down, along = -(-m // BLOCK_ROWS), -(-n // BLOCK_COLUMNS)
    while (blocks := batch * down * along) % workers and blocks < 8 * workers and along < panels:
        along += 1  # first by columns: each block copies its part of y
    while (blocks := batch * down * along) % workers and blocks < 8 * workers and down * ROWS < m:
        down += 1
    rows, columns = -(-m // (down * ROWS)) * ROWS, -(-panels // along) * 2 * lanes
    steps, copied = min(k, STEPS) + 1, turned and panels > FEW
    in_place = turned and along_rows and m <= SHORT and n % lanes == 0 and n * itemsize % PAGE != 0
    return lanes, copied, in_place, rows, columns, copied * rows * steps, (not in_place) * columns * steps


def _flat(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """The memory of x from its first element on, as one contiguous line, and the strides of x in elements.

    Within a matrix, one of them is 1: x is copied if need be.
    """
    size = x.itemsize
    a, b, c = x.strides
    if x.flags.c_contiguous or x.transpose(0, 2, 1).flags.c_contiguous:
        return x.ravel("K"), (a // size, b // size, c // size)
    if size not in (b, c) or a < 0 or b < 0 or c < 0 or a % size or b % size or c % size:
        return _flat(x.copy())
    span = 1 + sum((count - 1) * stride for count, stride in zip(x.shape, x.strides, strict=True)) // size
    return as_strided(x, (span,), (size,)), (a // size, b // size, c // size)


@helper(fastmath=FASTMATH, error_model="numpy")
def pack(source, start, rows, row, steps, step, target, at, width, lanes):
    """An operand, whose rows and steps are `row` and `step` apart, one of them 1, as [panel][step][row].

    A panel is `width` rows, a multiple of the lanes unless `row` is 1. Then vectors run into the next step, which is
    written later, and into one step more at the end. Rows of the last panel that do not exist are junk.
    """
    size, whole = width * (steps + 1), steps // lanes * lanes
    panels = -(-rows // width)
    if row == 1:
        for i in range(steps):
            for j in range(0, width, lanes):
                for panel in range(panels):
                    move(source, start + i * step + panel * width + j, target, at + panel * size + i * width + j,
                         rows - panel * width - j)
        return
    for panel in range(panels):
        low, to, count = start + panel * width * row, at + panel * size, min(width, rows - panel * width)
        for j in range(0, count, lanes):
            for i in range(0, whole, lanes):
                turn(source, low + j * row + i, row, count - j, target, to + i * width + j, width)
        for i in range(whole, steps):
            for j in range(count):
                target[to + i * width + j] = source[low + j * row + i]


@kernel
def _matmul(workers, x, y, bias, mean, scale, shift, out, space, counter, batch, m, n, k, rows, columns, x_size, y_size,
            stage, copied, in_place, lanes, relu, x_batch, x_row, x_step, y_batch, y_step, y_column,
            span, written, partial, scratch, width):
    down, along = -(-m // rows), -(-n // columns)
    longest = STEPS_IN_PLACE if in_place else STEPS
    stretch = max(1, -(-k // max(1, -(-k // longest))))
    by_rows = stage > 0 and x_row != 1  # x is formed some rows at a time, not some steps of all rows
    for worker in prange(workers):
        x_copy = worker * (x_size + y_size + stage)
        y_copy = x_copy + x_size
        staged = y_copy + y_size
        block = -1
        while True:
            block = block + 1 if (block + 1) % span else claim(counter) * span
            matrix = block // (down * along)
            if matrix >= batch:
                break
            low, left = block // along % down * rows, block % along * columns
            height, right = min(rows, m - low), min(left + columns, n)
            for step in range(0, max(k, 1), stretch):
                steps, more = min(stretch, k - step), min(step, 1)
                s, at, s_row, s_step = x, matrix * x_batch + low * x_row + step * x_step, x_row, x_step
                if stage and not by_rows:
                    normal_pixels(x, at, x_step, mean, scale, shift, low, space, staged, steps, height)
                    s, at, s_step = space, staged, height
                a, a_at, a_row, a_step, a_shift = s, at, s_row, s_step, 0
                if copied:
                    pack(s, at, height, s_row, steps, s_step, space, x_copy, ROWS, lanes)
                    # Row i (a multiple of ROWS) starts i * (steps + 1) into the copy. The tile adds i itself, so
                    # i * steps is left.
                    a, a_at, a_row, a_step, a_shift = space, x_copy, 1, ROWS, steps
                b, b_at, b_step, b_next = y, matrix * y_batch + left * y_column + step * y_step, y_step, 2 * lanes
                if not in_place:
                    pack(y, b_at, right - left, y_column, steps, y_step, space, y_copy, 2 * lanes, lanes)
                    b, b_at, b_step, b_next = space, y_copy, 2 * lanes, (steps + 1) * 2 * lanes
                near = ROWS if a_row == steps else 0  # elements a step: the next tile's rows, if they are side by side
                some = FORMED if by_rows else height
                for top in range(0, height, some):
                    last = min(top + some, height) - 1
                    s_at = at
                    if by_rows:
                        normal_pixels(x, at + top * x_row, x_row, mean, scale, shift, 0, space, staged, last + 1 - top,
                                      steps)
                        s, a, s_at = space, space, staged - top * x_row
                        a_at = s_at
                    for column in range(left, right, 2 * lanes):
                        c, rest, b_from = (matrix * m + low) * n + column, n - column, (column - left) // (2 * lanes)
                        b_from = b_at + b_from * b_next
                        if rest > lanes:
                            for i in range(top, last + 1, ROWS):
                                wide(a, a_at + i * a_shift, NUMBERS, i, last, a_row, NUMBERS, 0, 1, 0, steps, a_step,
                                     b, b_from, b_step, out, c, NUMBERS, n, rest - lanes, more, 0,
                                     a_at + (i + ROWS) * a_row, near if column == left else 0, ())
                        else:
                            for i in range(top, last + 1, ROWS_NARROW):
                                narrow(s, s_at, NUMBERS, i, last, s_row, NUMBERS, 0, 1, 0, steps, s_step, b, b_from,
                                       b_step, out, c, NUMBERS, n, rest, more, 0, 0, 0, ())
            if bias.size:
                for i in range(low, low + height):
                    for j in range(left, min(right, n)):
                        value = out[(matrix * m + i) * n + j] + bias[j]
                        out[(matrix * m + i) * n + j] = 0 if relu and value < 0 else value
            if written.size:
                sum_written(out, low, height, n, right - left, written, partial, scratch, width)
