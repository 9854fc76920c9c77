"""Copies between memories of different order: slices, permuted axes, borders, repeats; one kernel for them all.

Both sides are given by strides. Axes that lie together on both sides count as one; what is left is one of three cases:

- runs: the last axis of the target lies without gaps in the source, too, or is one element repeated. Each run is a
  memcpy, or a fill.
- squares: another axis is the source's last one, so that rows become columns. Squares of vectors are transposed in
  registers, in blocks of whole cache lines on both sides.
- singles: neither, or too small for vectors. One element after the other.

Threads share the outer axes. Elements are moved as floats of their size, which leaves their bits alone.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numba import prange

from minitorch.kernels.broadcast import merged
from minitorch.kernels.engine.runtime import helper, kernel
from minitorch.kernels.words.moves import address, copy, turn
from minitorch.kernels.words.registers import WIDTH

__all__ = ["transfer"]

HEAVY = 1 << 17  # bytes worth waking the other threads for
PIECE = 1 << 14  # elements of a run that one worker copies at a time
LINE = 64  # bytes of a line of the cache


def transfer(x: np.ndarray, out: np.ndarray) -> None:
    """out = x, for two arrays of one shape and dtype and any strides, which share no memory."""
    run, *plan = _plan(x.shape, x.strides, out.strides, x.itemsize)
    if run is not None:
        run(x.nbytes > HEAVY, _EMPTY[x.dtype.char], _place(x), _place(out), *plan)


_EMPTY = {char: np.empty(0, char) for char in "fd"}


def _place(x: np.ndarray) -> int:
    return int(x.__array_interface__["data"][0])


@lru_cache(maxsize=1024)
def _plan(shape: tuple, x_strides: tuple, out_strides: tuple, size: int) -> tuple:
    """The kernel, and its arguments after the addresses: a table (axes, 3) of sizes and steps, and its settings."""
    if not prod(shape):
        return (None,)
    steps = [[step // size for step in strides] for strides in (x_strides, out_strides)]
    order = sorted(range(len(shape)), key=lambda axis: (-abs(steps[1][axis]), -abs(steps[0][axis])))
    *outer, last = [(n, a, b) for n, (a, b) in merged(shape, tuple(order), steps)]
    lanes = 4 * WIDTH // size
    if last[2] == 1 and last[1] in (0, 1) and last[0] >= lanes:
        pieces, repeated = -(-last[0] // PIECE), last[1] == 0
        if pieces > 1:
            outer.append((pieces, 0 if repeated else PIECE, PIECE))
        rows = outer.pop() if outer else (1, 0, 0)
        return _runs, *_table(outer), *rows, last[0] if pieces == 1 else PIECE, last[0], repeated
    first = [axis for axis in outer if axis[1] == 1]
    if last[2] == 1 and last[0] >= lanes and first and first[0][0] >= lanes:
        outer.remove(first[0])
        return _squares, *_table(outer), *first[0][::2], *last[:2], lanes, LINE // size
    second = first[0] if first else outer[-1] if outer else (1, 0, 0)
    if second in outer:
        outer.remove(second)
    if last[0] < lanes < second[0]:  # the three colours of pixels one after the other: 4.3 ms, 1.9 by pixels (2026-11)
        second, last = last, second
    return _singles, *_table(outer), *second, *last


def _table(axes: list[tuple[int, int, int]]) -> tuple[np.ndarray, int]:
    return np.array(axes, np.int64).reshape(-1, 3), prod(axis[0] for axis in axes)


@helper()
def _offset(outer, unit, column):
    """Where matrix number `unit` begins: in the source with column 1, in the target with 2."""
    at = 0
    for k in range(outer.shape[0] - 1, -1, -1):
        at += unit % outer[k, 0] * outer[k, column]
        unit //= outer[k, 0]
    return at


@kernel
def _runs(workers, like, source, target, outer, count, rows, x_row, out_row, run, whole, repeated):
    """Rows of `run` elements; where they are pieces of a row of `whole` elements, the last has what is left."""
    for worker in prange(workers):
        x, out = address(like, source), address(like, target)
        i, end = worker * count * rows // workers, (worker + 1) * count * rows // workers
        while i < end:
            unit, row = i // rows, i % rows
            a, b = _offset(outer, unit, 1), _offset(outer, unit, 2)
            stop = min(rows, row + end - i)
            i += stop - row
            while row < stop:
                start, length = b + row * out_row, run if run == whole else min(run, whole - row * run)
                if repeated:
                    value = x[a + row * x_row]
                    for k in range(start, start + length):
                        out[k] = value
                else:
                    copy(x, a + row * x_row, out, start, length)
                row += 1


@kernel
def _singles(workers, like, source, target, outer, count, rows, x_row, out_row, columns, x_column, out_column):
    for worker in prange(workers):
        x, out = address(like, source), address(like, target)
        i, end = worker * count * rows // workers, (worker + 1) * count * rows // workers
        while i < end:
            unit, row = i // rows, i % rows
            a, b = _offset(outer, unit, 1), _offset(outer, unit, 2)
            stop = min(rows, row + end - i)
            i += stop - row
            while row < stop:
                for k in range(columns):
                    out[b + row * out_row + k * out_column] = x[a + row * x_row + k * x_column]
                row += 1


@kernel
def _squares(workers, like, source, target, outer, count, rows, out_row, columns, x_column, lanes, block):
    """out[row * out_row + column] = x[row + column * x_column] of every matrix."""
    blocks = (rows + block - 1) // block
    for worker in prange(workers):
        x, out = address(like, source), address(like, target)
        for unit in range(worker * count * blocks // workers, (worker + 1) * count * blocks // workers):
            start = unit % blocks * block
            stop = min(start + block, rows)
            a, b = _offset(outer, unit // blocks, 1), _offset(outer, unit // blocks, 2)
            for left in range(0, columns, block):
                right = min(left + block, columns)
                row = start
                while row < stop:
                    column = left
                    if row + lanes <= stop:
                        while column + lanes <= right:
                            turn(x, a + row + column * x_column, x_column, lanes, out, b + row * out_row + column,
                                 out_row)
                            column += lanes
                    end = min(row + lanes, stop)
                    while column < right:
                        for i in range(row, end):
                            out[b + i * out_row + column] = x[a + i + column * x_column]
                        column += 1
                    row += lanes
