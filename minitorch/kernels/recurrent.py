"""The steps of an LSTM along a sequence, forwards and backwards; ops/recurrent.py has the formulas.

A task owns some of the sequences and runs all their steps, so that workers never wait for each other. Each worker
packs the weights once, for the register tile, which adds the product with the state to the sums of the inputs where
these lie. With a launch for each product, and NumPy between them, a layer (64 steps, batch 32, 64 to 128) took 9.5 ms
forwards and 22 with its backward on one core, 7 and 17 so; on two cores that others used too 23 and 49 (2026-11).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.tile.gemm import BLOCK_ROWS, NUMBERS, pack
from minitorch.kernels.tile.tile import ROWS, ROWS_NARROW, narrow, wide
from minitorch.kernels.words import polynomial
from minitorch.kernels.words.registers import WIDTH
from minitorch.kernels.words.vector import sweep

__all__ = ["lstm_steps", "lstm_steps_grad"]

HEAVY = 200_000  # multiplications worth waking the other threads for


def lstm_steps(w_hh: np.ndarray, w_hr: np.ndarray, starts: np.ndarray, gates: np.ndarray, held: np.ndarray,
               cells: np.ndarray, tangents: np.ndarray, out: np.ndarray, h: np.ndarray, c: np.ndarray,
               reverse: bool) -> None:
    """All steps: gates, h and c are read and updated in place, the others filled; see `reference.lstm_steps`."""
    _run(_forward, (w_hh, w_hr, starts, gates, held, cells, tangents, out, h, c), w_hh, c, w_hr.size, reverse)


def lstm_steps_grad(g: np.ndarray, w_hh: np.ndarray, w_hr: np.ndarray, starts: np.ndarray, gates: np.ndarray,
                    cells: np.ndarray, tangents: np.ndarray, d: np.ndarray, received: np.ndarray, gh: np.ndarray,
                    gc: np.ndarray, reverse: bool) -> None:
    """All steps, the last one first: gh and gc are read and updated, the others filled; see the reference."""
    _run(_backward, (g, w_hh, w_hr, starts, gates, cells, tangents, d, received, gh, gc), w_hh, gc, w_hr.size, reverse)


def _run(body: Any, arrays: tuple, w_hh: np.ndarray, c: np.ndarray, projected: int, reverse: bool) -> None:
    (batch, units), narrow_width = c.shape, w_hh.shape[1]
    if not batch:
        return
    lanes = 4 * WIDTH // c.itemsize
    heavy = arrays[0].size and batch * w_hh.size > HEAVY
    slots = get_num_threads() if heavy else 1
    per = min(BLOCK_ROWS, -(-batch // slots))
    sizes = [_copied(columns, steps, lanes) for columns, steps in
             ((4 * units, narrow_width), (narrow_width, 4 * units), (narrow_width, units), (units, narrow_width))]
    size = max(sizes[:2]) + max(sizes[2:]) + per * units
    space = borrow(slots * size, c.dtype)
    flat = [a.reshape(-1) for a in arrays]
    body(heavy, *flat, space, reverse, bool(projected), batch, units, narrow_width, per, lanes, max(sizes[:2]), size)
    give_back(space)


def _copied(columns: int, steps: int, lanes: int) -> int:
    """The room that a packed matrix takes."""
    return -(-columns // (2 * lanes)) * 2 * lanes * (steps + 1)


@helper()
def _product(a, a_at, a_row, rows, space, b, columns, steps, c, c_at, more, lanes):
    """c (rows, columns) = rows of a times what lies packed at b; added to c if `more` is 1."""
    for column in range(0, columns, 2 * lanes):
        at, rest = c_at + column, columns - column
        if rest > lanes:
            for i in range(0, rows, ROWS):
                wide(a, a_at, NUMBERS, i, rows - 1, a_row, NUMBERS, 0, 1, 0, steps, 1, space, b, 2 * lanes, c, at,
                     NUMBERS, columns, rest - lanes, more, 0, 0, 0, ())
        else:
            for i in range(0, rows, ROWS_NARROW):
                narrow(a, a_at, NUMBERS, i, rows - 1, a_row, NUMBERS, 0, 1, 0, steps, 1, space, b, 2 * lanes, c, at,
                       NUMBERS, columns, rest, more, 0, 0, 0, ())
        b += (steps + 1) * 2 * lanes


_copy = sweep(lambda x: x)
_add = sweep(lambda x, y: x + y)
_times = sweep(lambda x, y: x * y)
_sigmoid, _tanh = sweep(polynomial.sigmoid), sweep(polynomial.tanh)
_new_cell = sweep(lambda i, f, g, c: f * c + i * g)
_through = sweep(lambda dm, o, t, dc: dc + dm * o * (1.0 - t * t))
_of_sigmoid = sweep(lambda d, other, s: d * other * s * (1.0 - s))
_of_tanh = sweep(lambda d, other, t: d * other * (1.0 - t * t))


@kernel(exact=True)
def _forward(workers, w_hh, w_hr, starts, gates, held, cells, tangents, out, h, c, space, reverse, projected, batch,
             units, width, per, lanes, second, size):
    steps, tasks = starts.size - 1, -(-batch // per)
    for worker in prange(workers):
        b_hh = worker * size
        b_hr = b_hh + second
        scratch = (worker + 1) * size - per * units
        pack(w_hh, 0, 4 * units, width, width, 1, space, b_hh, 2 * lanes, lanes)
        if projected:
            pack(w_hr, 0, width, units, units, 1, space, b_hr, 2 * lanes, lanes)
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            low = task * per
            for step in range(steps):
                t = steps - 1 - step if reverse else step
                first = starts[t] + low
                rows = min(per, starts[t + 1] - first)
                if rows <= 0:
                    continue
                narrow_rows, wide_rows = rows * width, rows * units
                state, narrow_at, wide_at = low * width, first * width, first * units
                _copy((h[state:], held[narrow_at:]), 0, narrow_rows, ())
                _copy((c[low * units:], cells[wide_at:]), 0, wide_rows, ())
                _product(h, state, width, rows, space, b_hh, 4 * units, width, gates, 4 * wide_at, 1, lanes)
                for row in range(rows):
                    i, own, s = 4 * (wide_at + row * units), (low + row) * units, wide_at + row * units
                    _sigmoid((gates, gates), i, i + 2 * units, ())
                    _tanh((gates, gates), i + 2 * units, i + 3 * units, ())
                    _sigmoid((gates, gates), i + 3 * units, i + 4 * units, ())
                    cell = c[own:own + units]
                    _new_cell((gates[i:], gates[i + units:], gates[i + 2 * units:], cell, cell), 0, units, ())
                    _tanh((cell, tangents[s:]), 0, units, ())
                    if projected:
                        _times((gates[i + 3 * units:], tangents[s:], space[scratch + row * units:]), 0, units, ())
                    else:
                        _times((gates[i + 3 * units:], tangents[s:], h[own:]), 0, units, ())
                if projected:
                    _product(space, scratch, units, rows, space, b_hr, width, units, h, state, 0, lanes)
                _copy((h[state:], out[narrow_at:]), 0, narrow_rows, ())


@kernel(exact=True)
def _backward(workers, g, w_hh, w_hr, starts, gates, cells, tangents, d, received, gh, gc, space, reverse, projected,
              batch, units, width, per, lanes, second, size):
    steps, tasks = starts.size - 1, -(-batch // per)
    for worker in prange(workers):
        b_hh = worker * size
        b_hr = b_hh + second
        scratch = (worker + 1) * size - per * units
        pack(w_hh, 0, width, 1, 4 * units, width, space, b_hh, 2 * lanes, lanes)
        if projected:
            pack(w_hr, 0, units, 1, width, units, space, b_hr, 2 * lanes, lanes)
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            low = task * per
            for step in range(steps):
                t = step if reverse else steps - 1 - step
                first = starts[t] + low
                rows = min(per, starts[t + 1] - first)
                if rows <= 0:
                    continue
                narrow_rows, state, narrow_at, wide_at = rows * width, low * width, first * width, first * units
                _add((g[narrow_at:], gh[state:], gh[state:]), 0, narrow_rows, ())
                if projected:
                    _copy((gh[state:], received[narrow_at:]), 0, narrow_rows, ())
                    _product(gh, state, width, rows, space, b_hr, units, width, space, scratch, 0, lanes)
                else:
                    _copy((gh[state:], space[scratch:]), 0, narrow_rows, ())
                for row in range(rows):
                    i, own, s = 4 * (wide_at + row * units), (low + row) * units, wide_at + row * units
                    dm, dc = space[scratch + row * units:], gc[own:own + units]
                    f, n, o = i + units, i + 2 * units, i + 3 * units
                    _through((dm, gates[o:], tangents[s:], dc, dc), 0, units, ())
                    _of_sigmoid((dc, gates[n:], gates[i:], d[i:]), 0, units, ())
                    _of_sigmoid((dc, cells[s:], gates[f:], d[f:]), 0, units, ())
                    _of_tanh((dc, gates[i:], gates[n:], d[n:]), 0, units, ())
                    _of_sigmoid((dm, tangents[s:], gates[o:], d[o:]), 0, units, ())
                    _times((gates[f:], dc, dc), 0, units, ())
                _product(d, 4 * wide_at, 4 * units, rows, space, b_hh, width, 4 * units, gh, state, 0, lanes)
