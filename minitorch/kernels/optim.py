"""Updates of all parameters of an optimizer in one launch.

An update is cheap and a net has many small parameters, so the time goes to finding them. Here NumPy's C struct of every
array is read in place, by its address (`locate`), and checked there: asking 65 parameters and their 130 companions for
flags, shape, dtype and address from Python took 250 us, this takes 3. With addresses by ctypes, and all else as here, a
step of SGD over 65 parameters took 176 us, this way 97 (2026-11). Then workers claim blocks of parameters
and update them element by element. Every operation rounds by itself, in the order of the NumPy formulas in
minitorch/optim: the results are the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.np.arrayobj import populate_array

from minitorch.kernels.engine.runtime import helper, kernel
from minitorch.kernels.words.moves import claim
from minitorch.kernels.words.registers import INT, LANE, intrinsic

__all__ = ["adam", "locate", "sgd"]

HEAVY = 200_000  # elements worth waking the other threads for: 50 us on one core
BLOCK = 8192  # elements a worker claims at a time

# PyArrayObject_fields, part of NumPy's ABI: PyObject_HEAD, char *data, int nd, intp *dimensions, intp *strides,
# PyObject *base, PyArray_Descr *descr, int flags
HEAD = object.__basicsize__
NDIM, DIMENSIONS, DESCR, FLAGS = HEAD + 8, HEAD + 16, HEAD + 40, HEAD + 48
PLAIN = 0x0001 | 0x0100 | 0x0400  # C-contiguous, aligned, writeable


def locate(rows: Sequence[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, np.ndarray] | None:
    """The addresses of all arrays, one row for each of `rows`, and how many elements the arrays of each row have.

    None unless the arrays of every row have one shape, all have the dtype of the first, are contiguous and writable,
    and no two share memory.
    """
    arrays, dtype = list(chain.from_iterable(rows)), rows[0][0].dtype
    table = np.fromiter(map(id, arrays), np.int64, len(arrays)).reshape(len(rows), -1)
    sizes, pieces, plain = np.empty(len(rows), np.int64), np.empty((2, len(arrays)), np.int64), np.empty(1, np.int64)
    _locate(False, table, sizes, pieces, plain, id(dtype), dtype.itemsize)
    return (table, sizes) if plain[0] else None


def sgd(table: np.ndarray, sizes: np.ndarray, scalars: np.ndarray, fresh: np.ndarray, decay: bool, nesterov: bool,
        maximize: bool) -> None:
    """One step of `optim.SGD` for a table of (parameter, gradient[, momentum buffer]).

    scalars: lr, weight decay, momentum, 1 - dampening. fresh: which buffers hold nothing yet.
    """
    _sgd(np.add.reduce(sizes) > HEAVY, scalars, table, sizes, fresh, np.zeros(1, np.int64), decay, nesterov, maximize)


def adam(table: np.ndarray, sizes: np.ndarray, scalars: np.ndarray, shrinks: bool, decay: bool, maximize: bool) -> None:
    """One step of `optim.Adam` for a table of (parameter, gradient, average, average of squares[, its peak]).

    scalars: 1 - beta1, beta2, 1 - beta2, eps, rate, shrink, weight decay, as `optim.adam` folds them.
    """
    _adam(np.add.reduce(sizes) > HEAVY, scalars, table, sizes, np.zeros(1, np.int64), shrinks, decay, maximize)


# ------------------------------------------------------------------------------------------------ memory by address
def _loader(kind: Any, pointee: ir.Type) -> Any:
    @intrinsic
    def load(typingctx, address):
        def emit(context, builder, signature, arguments):
            return builder.load(builder.inttoptr(arguments[0], pointee.as_pointer()))

        return kind(types.intp), emit

    return load


_word, _half_word = _loader(types.int64, INT), _loader(types.int32, LANE)


@intrinsic
def _at(typingctx, like, address, count):
    """The `count` elements of the dtype of `like` that start at an address, as an array."""

    def emit(context, builder, signature, arguments):
        kind = signature.return_type
        element = context.get_data_type(kind.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(element))
        array = context.make_array(kind)(context, builder)
        populate_array(array, builder.inttoptr(arguments[1], element.as_pointer()), [arguments[2]], [size], size, None)
        return array._getvalue()

    return types.Array(like.dtype, 1, "C")(like, types.intp, types.intp), emit


@kernel
def _locate(workers, table, sizes, pieces, plain, descr, itemsize):
    """Objects to addresses, in place; plain[0] = whether all is as `locate` wants it. pieces: scratch, (2, arrays)."""
    for _ in prange(1):
        good, count = 1, 0
        for i in range(table.shape[0]):
            first = table[i, 0]
            ndim, dimensions = _half_word(first + NDIM), _word(first + DIMENSIONS)
            size = 1
            for axis in range(ndim):
                size *= _word(dimensions + 8 * axis)
            for j in range(table.shape[1]):
                array = table[i, j]
                if _half_word(array + FLAGS) & PLAIN != PLAIN or _word(array + DESCR) != descr:
                    good = 0
                if _half_word(array + NDIM) != ndim:
                    good = 0
                else:
                    others = _word(array + DIMENSIONS)
                    for axis in range(ndim):
                        if _word(others + 8 * axis) != _word(dimensions + 8 * axis):
                            good = 0
                table[i, j] = _word(array + HEAD)
                pieces[0, count], pieces[1, count] = table[i, j], table[i, j] + size * itemsize
                count += 1
            sizes[i] = size
        for gap in (57, 23, 10, 4, 1):  # Shell's sort by start: a neighbour that starts too early overlaps
            for i in range(gap, count):
                start, end, at = pieces[0, i], pieces[1, i], i
                while at >= gap and pieces[0, at - gap] > start:
                    pieces[0, at], pieces[1, at] = pieces[0, at - gap], pieces[1, at - gap]
                    at -= gap
                pieces[0, at], pieces[1, at] = start, end
        for i in range(1, count):
            if pieces[1, i - 1] > pieces[0, i]:
                good = 0
        plain[0] = good


# ------------------------------------------------------------------------------------------------ updates
@helper()
def _next(counter, sizes, row, first):
    """The next block: its row, that row's first block, where the block starts and how many elements it has."""
    block = claim(counter)
    while row < sizes.size and block >= first + -(-sizes[row] // BLOCK):
        first += -(-sizes[row] // BLOCK)
        row += 1
    low = (block - first) * BLOCK
    return row, first, low, min(BLOCK, sizes[row] - low) if row < sizes.size else 0


@kernel(exact=True)
def _sgd(workers, scalars, table, sizes, fresh, counter, decay, nesterov, maximize):
    lr, weight_decay, momentum, share = scalars[0], scalars[1], scalars[2], scalars[3]
    size, averaged = scalars.itemsize, table.shape[1] == 3
    for _ in prange(workers):
        row, first, low, count = _next(counter, sizes, 0, 0)
        while row < sizes.size:
            p = _at(scalars, table[row, 0] + low * size, count)
            g = _at(scalars, table[row, 1] + low * size, count)
            if averaged:
                b, new = _at(scalars, table[row, 2] + low * size, count), fresh[row]
                for i in range(count):
                    change = -g[i] if maximize else g[i]
                    change = weight_decay * p[i] + change if decay else change
                    b[i] = change if new else momentum * b[i] + share * change
                    p[i] -= lr * (momentum * b[i] + change if nesterov else b[i])
            else:
                for i in range(count):
                    change = -g[i] if maximize else g[i]
                    change = weight_decay * p[i] + change if decay else change
                    p[i] -= lr * change
            row, first, low, count = _next(counter, sizes, row, first)


@kernel(exact=True)
def _adam(workers, scalars, table, sizes, counter, shrinks, decay, maximize):
    share1, beta2, share2, eps = scalars[0], scalars[1], scalars[2], scalars[3]
    rate, shrink, weight_decay = scalars[4], scalars[5], scalars[6]
    size, peaked = scalars.itemsize, table.shape[1] == 5
    for _ in prange(workers):
        row, first, low, count = _next(counter, sizes, 0, 0)
        while row < sizes.size:
            p = _at(scalars, table[row, 0] + low * size, count)
            g = _at(scalars, table[row, 1] + low * size, count)
            m = _at(scalars, table[row, 2] + low * size, count)
            v = _at(scalars, table[row, 3] + low * size, count)
            if shrinks:
                for i in range(count):
                    p[i] *= shrink
            for i in range(count):
                change = -g[i] if maximize else g[i]
                change = weight_decay * p[i] + change if decay else change
                m[i] += (change - m[i]) * share1
                v[i] = v[i] * beta2 + change * share2 * change
            if peaked:
                peak = _at(scalars, table[row, 4] + low * size, count)
                for i in range(count):
                    peak[i] = v[i] if v[i] > peak[i] or v[i] != v[i] else peak[i]
                v = peak
            for i in range(count):
                p[i] -= m[i] / (math.sqrt(v[i]) + eps) * rate
            row, first, low, count = _next(counter, sizes, row, first)
