"""Updates of all parameters of an optimizer in one launch.

An update is cheap and a net has many small parameters, so the time goes to finding them: `locate` asks every array for
its flags, shape, dtype and address. Then workers claim blocks of parameters and update them element by element. Every
operation rounds by itself, in the order of the NumPy formulas in minitorch/optim: the results are the same bits.

Three ways to find them, measured in turns in one process (2026-11, 2 cores; medians in us, new gradients on each step):

| | SGD, momentum, 65 parameters | Adam, 65 | step of the tutorial net, batch 4, SGD | Adam |
|---|---|---|---|---|
| NumPy's C structs, read in a kernel at addresses known by heart | 106 | 175 | 1044 | 1106 |
| addresses of parameters and state from a cache, those of gradients asked | 147 | 223 | 1065 | 1136 |
| all asked on each step, as here | 184 | 276 | 1066 | 1136 |

The first was here until it proved to save 2 to 3 % of so small a step, and 1 % of one of ResNet-20 at batch 4; another
layout of the struct would have crashed it. A cache goes by array objects, but `resize(refcheck=False)`, there and back,
moves the memory of one unseen. `x.ctypes.data` takes four times as long as `from_buffer`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numba import prange, types
from numba.np.arrayobj import populate_array

from minitorch.kernels.engine.runtime import helper, kernel
from minitorch.kernels.words.moves import claim
from minitorch.kernels.words.registers import intrinsic

__all__ = ["adam", "locate", "sgd"]

HEAVY = 200_000  # elements worth waking the other threads for: 50 us on one core
BLOCK = 8192  # elements a worker claims at a time

_buffer: Any = (ctypes.c_char * 0).from_buffer  # 0: arrays may have no elements
_dtype, _plain, _shape, _size = map(attrgetter, ("dtype", "flags.carray", "shape", "size"))


def locate(rows: Sequence[tuple[np.ndarray, ...]], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray] | None:
    """The addresses of all arrays, one row for each of `rows`, and how many elements the arrays of each row have.

    None unless the arrays of every row have one shape, all have this dtype, are contiguous, aligned and writable, and
    no two share memory.
    """
    arrays, width = list(chain.from_iterable(rows)), len(rows[0])
    first, *others = (list(map(_shape, arrays[i::width])) for i in range(width))
    if any(shapes != first for shapes in others) or list(map(_dtype, arrays)).count(dtype) != len(arrays):
        return None
    if not all(map(_plain, arrays)):
        return None
    table = np.fromiter(map(ctypes.addressof, map(_buffer, arrays)), np.int64, len(arrays))
    sizes = np.fromiter(map(_size, arrays[::width]), np.int64, len(rows))
    order, ends = table.argsort(), table + (sizes * dtype.itemsize).repeat(width)
    if (ends[order[:-1]] > table[order[1:]]).any():  # a neighbour that starts too early overlaps
        return None
    return table.reshape(-1, width), sizes


def sgd(table: np.ndarray, sizes: np.ndarray, scalars: np.ndarray, fresh: np.ndarray, decay: bool, nesterov: bool,
        maximize: bool) -> None:
    """One step of `optim.SGD` for a table of (parameter, gradient[, momentum buffer]).

    scalars: lr, weight decay, momentum, 1 - dampening. fresh: which buffers hold nothing yet.
    """
    _sgd(int(sizes.sum()) > HEAVY, scalars, table, sizes, fresh, np.zeros(1, np.int64), decay, nesterov, maximize)


def adam(table: np.ndarray, sizes: np.ndarray, scalars: np.ndarray, shrinks: bool, decay: bool, maximize: bool) -> None:
    """One step of `optim.Adam` for a table of (parameter, gradient, average, average of squares[, its peak]).

    scalars: 1 - beta1, beta2, 1 - beta2, eps, rate, shrink, weight decay, as `optim.adam` folds them.
    """
    _adam(int(sizes.sum()) > HEAVY, scalars, table, sizes, np.zeros(1, np.int64), shrinks, decay, maximize)


# ------------------------------------------------------------------------------------------------ memory by address
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
