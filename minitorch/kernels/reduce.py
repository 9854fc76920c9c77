"""Reductions over the middle of (outer, reduced, inner): a formula of each element, and how its values are combined.

Arrays are `fulls` (outer, reduced, inner) and `kepts` (outer, inner), C-contiguous; the caller merges axes, in whatever
order memory has them. Rows (inner is 1) are read along, columns across: a row of memory at a time goes into running
sums of at most CHUNK columns, which stay in the nearest cache. Narrow rows are taken several at a time (`fold`).

Threads share what is kept. Where that is little, `reduced` is cut into blocks, by the shape alone, whose results are
combined in order. So the bits do not depend on the number of threads.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange

from minitorch.kernels.engine.functions import address_of
from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.words import polynomial
from minitorch.kernels.words.lanes import (
    COMBINATIONS,
    alone_column_fill,
    alone_column_total,
    alone_row_fill,
    alone_row_total,
    column_first,
    row_total,
)
from minitorch.kernels.words.outline import invoke
from minitorch.kernels.words.registers import WIDTH
from minitorch.kernels.words.vector import SIDE_BY_SIDE, Vector, choose

__all__ = ["argmax_along", "argmin_along", "count_extremes", "deviation_grad", "exp_grad", "extreme_grad", "max_along",
           "min_along", "prod_along", "quotient", "running_prod", "running_sum", "scaled", "sum_along",
           "sum_deviations", "sum_exp", "sum_products", "sum_sizes", "sum_squares"]

HEAVY, HEAVY_FORMULA = 100_000, 10_000  # elements worth waking the other threads for: one operation each, or dozens
BLOCK = 16_384  # elements of a block, at least
TASKS = 64  # blocks, if less is kept
CHUNK = 1024  # columns of a task
NEAR, RUN = 64, 8  # longer rows are read RUN at a time: 2, 4, 8, 16 of (4096, 512) took 165, 123, 120, 133 us
FOLD = 256  # columns that narrow rows are joined to, if they do not fill SIDE vectors
SIDE = 2 * SIDE_BY_SIDE * WIDTH  # columns whose sums are in registers at a time, for float32


class _Functions:
    """What a formula becomes: functions of LLVM's own along rows and across columns, for each dtype.

    foreign: whether the formula stands outside of this package. The cache on disk is another for other sources of
    kernels, but knows such a formula by the text of its code alone.
    """

    def __init__(self, name: str, rows: Callable, columns: Callable, foreign: bool = False) -> None:
        self.name, self.rows, self.columns, self.foreign = name, rows, columns, foreign
        self.known: dict[tuple[bool, str], int] = {}

    def of(self, rows: bool, char: str, fulls: int, kepts: int) -> int:
        """The address of one; the kernels below say what they call it with."""
        if (rows, char) not in self.known:
            element = ir.FloatType() if char == "f" else ir.DoubleType()
            emit = functools.partial(self.rows if rows else self.columns, element, fulls, kepts)
            name = f"reduce.{self.name}_{'rows' if rows else 'columns'}_{char}"
            if self.foreign:
                emit(module := ir.Module(self.name))
                name += f"_{hashlib.sha256(str(module).encode()).hexdigest()[:16]}"
            self.known[rows, char] = address_of(name, emit)
        return self.known[rows, char]


class Reduction:
    """Callable (*fulls, *kepts, out): out (outer, inner) = formula(*fulls, *kepts), combined over `reduced`.

    combine: "sum", "prod", "max" or "min"; NaN wins. `kept` says how many of the formula's operands, the last ones, are
    kept arrays. `name` is the one under which machine code is kept on disk; foreign: see `_Functions`. out may be
    float64 where fulls are float32: then a sum or a product is not rounded.
    """

    def __init__(self, name: str, formula: Callable, combine: str, kept: int = 0, heavy: int = HEAVY,
                 foreign: bool = False) -> None:
        self.kept, self.heavy = kept, heavy
        self.combination, self.how = COMBINATIONS[combine], list(COMBINATIONS).index(combine)
        self.functions = _Functions(name, functools.partial(alone_row_total, formula, combine),
                                    functools.partial(alone_column_total, formula, combine), foreign)

    def __call__(self, *arrays: np.ndarray) -> None:
        *operands, out = arrays
        count = len(operands) - self.kept
        fulls, kepts = tuple(a.reshape(-1) for a in operands[:count]), tuple(a.reshape(-1) for a in operands[count:])
        outer, reduced, inner = arrays[0].shape
        if not fulls[0].size:
            out[...] = self.combination.neutral
            return
        dtype = np.dtype(np.float64) if self.combination.wide else fulls[0].dtype
        flat, none = out.reshape(-1), np.empty(0, fulls[0].dtype)
        narrow, wide = (flat, np.empty(0, dtype)) if out.dtype == fulls[0].dtype else (none, flat)
        heavy = fulls[0].size > self.heavy
        slots = get_num_threads() if heavy else 1
        chunks, width, fold = (1, 1, 1) if inner == 1 else _layout(reduced, inner, self.kept)
        blocks = max(1, min(TASKS // (outer * chunks), reduced * width // BLOCK))
        partial = borrow(blocks * outer * inner if blocks > 1 else 1, dtype)
        run = self.functions.of(inner == 1, fulls[0].dtype.char, count, self.kept)
        if inner == 1:
            _rows(heavy, narrow, wide, fulls, kepts, outer, reduced, slots, blocks, partial, self.how, run)
            give_back(partial)
            return
        sums = borrow(slots * fold * width, dtype)
        _columns(heavy, narrow, wide, fulls, kepts, outer, reduced, inner, slots, chunks, width, fold, blocks, partial,
                 sums, self.combination.neutral, self.how, run)
        give_back(partial, sums)


def _layout(reduced: int, inner: int, kept: int) -> tuple[int, int, int]:
    """Chunks of columns, columns in each, rows taken at once."""
    chunks = -(-inner // CHUNK)
    width = -(-inner // chunks)
    if chunks > 1:
        width = -(-width // 16) * 16  # whole vectors and lines of the cache
        return -(-inner // width), width, 1
    if kept or inner % SIDE == 0:
        return 1, inner, 1
    # whole rows are read in order: sums of 1,024 rows of 64 took 680 us so, 1,060 in fours (32 of them, one core Zen 3)
    fold = SIDE // inner if SIDE % inner == 0 else FOLD // inner
    return 1, inner, max(1, min(fold, reduced))


@helper()
def _merge(how, x, i, j, count):
    """x[i], x[i + 1], ... combined with x[j], x[j + 1], ..., `count` of them; how: the place in COMBINATIONS."""
    if how == 0:
        for k in range(count):
            x[i + k] += x[j + k]
    elif how == 1:
        for k in range(count):
            x[i + k] *= x[j + k]
    elif how == 2:
        for k in range(count):
            if not (x[i + k] > x[j + k] or x[i + k] != x[i + k]):
                x[i + k] = x[j + k]
    else:
        for k in range(count):
            if not (x[i + k] < x[j + k] or x[i + k] != x[i + k]):
                x[i + k] = x[j + k]


@helper()
def _part(task, blocks, reduced):
    """The row of a task, and its first and last element. A division takes as long as a short row."""
    if blocks == 1:
        return task, task * reduced, (task + 1) * reduced
    o = task // blocks
    block = task - o * blocks
    return o, o * reduced + block * reduced // blocks, o * reduced + (block + 1) * reduced // blocks


@kernel(exact=True)
def _rows(workers, out, wide, fulls, kepts, outer, reduced, slots, blocks, partial, how, run):
    """run (fulls, start, length, kepts, at, rows, out, to, narrow): the totals of rows, or of a part of one."""
    tasks = outer * blocks
    for slot in prange(slots):
        task, stop = slot * tasks // slots, (slot + 1) * tasks // slots
        if blocks == 1 and out.size:
            invoke(run, (fulls, task * reduced, reduced, kepts, task, stop - task, out, task, 1))
        elif blocks == 1:
            invoke(run, (fulls, task * reduced, reduced, kepts, task, stop - task, wide, task, 0))
        else:
            while task < stop:
                o, low, high = _part(task, blocks, reduced)
                invoke(run, (fulls, low, high - low, kepts, o, 1, partial, task, 0))
                task += 1
    if blocks > 1:
        for o in range(outer):
            for block in range(1, blocks):
                _merge(how, partial, o * blocks, o * blocks + block, 1)
            if out.size:
                out[o] = partial[o * blocks]
            else:
                wide[o] = partial[o * blocks]


@kernel(exact=True)
def _columns(workers, out, wide, fulls, kepts, outer, reduced, inner, slots, chunks, width, fold, blocks, partial, sums,
             neutral, how, run):
    """run (sums, s, fulls, at, step, kepts, k, count, rows): the totals of a few columns of some rows."""
    tasks = outer * chunks * blocks
    for slot in prange(slots):
        s = slot * fold * width
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            block = task % blocks
            chunk = task // blocks % chunks
            o = task // (blocks * chunks)
            column = chunk * width
            count = min(width, inner - column)
            row, stop = block * reduced // blocks, (block + 1) * reduced // blocks
            for i in range(s, s + fold * count):
                sums[i] = neutral
            if fold > 1:
                joined, at = (stop - row) // fold, (o * reduced + row) * inner
                invoke(run, (sums, s, fulls, at, fold * inner, kepts, 0, fold * inner, joined))
                at += joined * fold * inner
                invoke(run, (sums, s, fulls, at, inner, kepts, 0, (o * reduced + stop) * inner - at, 1))
                for k in range(1, fold):
                    _merge(how, sums, s, s + k * count, count)
            else:
                while row < stop:
                    n = min(RUN if inner > NEAR else reduced, stop - row)
                    at = (o * reduced + row) * inner + column
                    invoke(run, (sums, s, fulls, at, inner, kepts, o * inner + column, count, n))
                    row += n
            to = o * inner + column
            if blocks > 1:
                to = (o * blocks + block) * inner + column
                for i in range(count):
                    partial[to + i] = sums[s + i]
            elif out.size:
                for i in range(count):
                    out[to + i] = sums[s + i]
            else:
                for i in range(count):
                    wide[to + i] = sums[s + i]
    if blocks > 1:
        for o in range(outer):
            first = o * blocks * inner
            for block in range(1, blocks):
                _merge(how, partial, first, first + block * inner, inner)
            for i in range(inner):
                if out.size:
                    out[o * inner + i] = partial[first + i]
                else:
                    wide[o * inner + i] = partial[first + i]


sum_along = Reduction("sum_along", lambda x: x, "sum")
prod_along = Reduction("prod_along", lambda x: x, "prod")
max_along = Reduction("max_along", lambda x: x, "max")
min_along = Reduction("min_along", lambda x: x, "min")
sum_squares = Reduction("sum_squares", lambda x: x * x, "sum")
sum_sizes = Reduction("sum_sizes", lambda x: abs(x), "sum")
sum_products = Reduction("sum_products", lambda x, y: x * y, "sum")
sum_deviations = Reduction("sum_deviations", lambda x, m: (x - m) * (x - m), "sum", kept=1)
sum_exp = Reduction("sum_exp", lambda x, top: polynomial.exp_falling(x - top), "sum", kept=1, heavy=HEAVY_FORMULA)


# ------------------------------------------------------------------------------------------------ one value to many
class Spread:
    """Callable (*fulls, *kepts, out): out (outer, reduced, inner) = formula(*fulls, *kepts)."""

    def __init__(self, name: str, formula: Callable, kept: int, heavy: int = HEAVY) -> None:
        self.kept, self.heavy = kept, heavy
        self.functions = _Functions(name, functools.partial(alone_row_fill, formula),
                                    functools.partial(alone_column_fill, formula))

    def __call__(self, *arrays: np.ndarray) -> None:
        *operands, out = arrays
        count = len(operands) - self.kept
        fulls, kepts = tuple(a.reshape(-1) for a in operands[:count]), tuple(a.reshape(-1) for a in operands[count:])
        outer, reduced, inner = out.shape
        if not out.size:
            return
        heavy = out.size > self.heavy
        slots = get_num_threads() if heavy else 1
        run = self.functions.of(inner == 1, out.dtype.char, count, self.kept)
        if inner == 1:
            blocks = max(1, min(TASKS // outer, reduced // BLOCK))
            _fill_rows(heavy, out.reshape(-1), fulls, kepts, outer, reduced, slots, blocks, run)
        else:
            chunks, width, _ = _layout(reduced, inner, 1)
            _fill_columns(heavy, out.reshape(-1), fulls, kepts, outer, reduced, inner, slots, chunks, width, run)


@kernel(exact=True)
def _fill_rows(workers, out, fulls, kepts, outer, reduced, slots, blocks, run):
    """run (arrays, start, length, kepts, at, rows): rows, or a part of one."""
    tasks = outer * blocks
    for slot in prange(slots):
        task, stop = slot * tasks // slots, (slot + 1) * tasks // slots
        arrays = fulls + (out,)  # noqa: RUF005 numba
        if blocks == 1:
            invoke(run, (arrays, task * reduced, reduced, kepts, task, stop - task))
        else:
            while task < stop:
                o, low, high = _part(task, blocks, reduced)
                invoke(run, (arrays, low, high - low, kepts, o, 1))
                task += 1


@kernel(exact=True)
def _fill_columns(workers, out, fulls, kepts, outer, reduced, inner, slots, chunks, width, run):
    """run (out, fulls, at, kepts, k, count): a few columns of a row."""
    tasks = outer * reduced * chunks
    for slot in prange(slots):
        for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
            row = task // chunks
            column = (task - row * chunks) * width
            k = row // reduced * inner + column
            invoke(run, (out, fulls, row * inner + column, kepts, k, min(width, inner - column)))


# ------------------------------------------------------------------------------------------------ places
def argmax_along(x: np.ndarray, out: np.ndarray) -> None:
    """out (outer, inner), int64 = the place of the largest of `reduced`: the first of equals, or the first NaN."""
    _places(_first_largest, _largest_columns, x, out)


def argmin_along(x: np.ndarray, out: np.ndarray) -> None:
    """out (outer, inner), int64 = the place of the smallest of `reduced`: the first of equals, or the first NaN."""
    _places(_first_smallest, _smallest_columns, x, out)


def _places(rows: Any, columns: Any, x: np.ndarray, out: np.ndarray) -> None:
    outer, reduced, inner = x.shape
    heavy = x.size > HEAVY
    slots = get_num_threads() if heavy else 1
    if not out.size:
        return
    if inner == 1:
        blocks = max(1, min(TASKS // outer, reduced // BLOCK))
        best, places = borrow(outer * blocks, x.dtype), borrow(outer * blocks, np.dtype(np.int64))
        rows(heavy, x.reshape(-1), out.reshape(-1), outer, reduced, slots, blocks, best, places)
    else:
        chunks, width, _ = _layout(reduced, inner, 1)
        blocks = max(1, min(TASKS // (outer * chunks), reduced * width // BLOCK))
        best = borrow(outer * blocks * inner, x.dtype)
        places = borrow(outer * blocks * inner, np.dtype(f"i{x.itemsize}"))
        columns(heavy, x.reshape(-1), out.reshape(-1), outer, reduced, inner, slots, chunks, width, blocks, best,
                places)
    give_back(best, places)


SHORT = 48  # elements of a row that are looked at one by one
SCAN = 1024  # elements whose extreme is found before the place of it


def _first_in_rows(name: str, sign: float) -> Any:
    largest = row_total((lambda x: x) if sign > 0 else (lambda x: -x), "max")

    def body(workers, x, out, outer, reduced, slots, blocks, best, places):
        tasks = outer * blocks
        for slot in prange(slots):
            for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
                o, start, stop = _part(task, blocks, reduced)
                if reduced <= SHORT:
                    top, at = x[start] * sign, start
                    for i in range(start + 1, stop):
                        if top == top and not x[i] * sign <= top:
                            top, at = x[i] * sign, i
                    out[o] = at - start
                    continue
                top, at, low = -np.inf, start, start
                while low < stop and top == top:
                    found = largest((x,), low, min(low + SCAN, stop), (), 0)
                    if found > top or found != found:
                        top, at = np.float64(found), low
                    low += SCAN
                while at < stop - 1 and not (x[at] * sign == top or (top != top and x[at] != x[at])):
                    at += 1
                best[task] = top
                places[task] = at - o * reduced
        for o in range(outer if reduced > SHORT else 0):
            chosen = o * blocks
            for task in range(o * blocks + 1, (o + 1) * blocks):
                if best[chosen] == best[chosen] and not best[task] <= best[chosen]:
                    chosen = task
            out[o] = places[chosen]

    body.__name__ = name
    return kernel(body, exact=True)


def _first_in_columns(name: str, sign: float) -> Any:
    first = column_first(sign)

    def body(workers, x, out, outer, reduced, inner, slots, chunks, width, blocks, best, places):
        tasks = outer * chunks * blocks
        for slot in prange(slots):
            for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
                block = task % blocks
                chunk = task // blocks % chunks
                o = task // (blocks * chunks)
                column = chunk * width
                count = min(width, inner - column)
                row, stop = block * reduced // blocks, (block + 1) * reduced // blocks
                s = (o * blocks + block) * inner + column
                for i in range(s, s + count):
                    best[i] = -np.inf
                    places[i] = row
                for i in range(row, stop):
                    first(best, places, s, x, (o * reduced + i) * inner + column, count, i)
        for o in range(outer):
            s = o * blocks * inner
            for block in range(1, blocks):
                for i in range(s, s + inner):
                    j = i + block * inner
                    if best[i] == best[i] and not best[j] <= best[i]:
                        best[i] = best[j]
                        places[i] = places[j]
            for i in range(inner):
                out[o * inner + i] = places[s + i]

    body.__name__ = name
    return kernel(body, exact=True)


_first_largest, _largest_columns = _first_in_rows("argmax_rows", 1.0), _first_in_columns("argmax_columns", 1.0)
_first_smallest, _smallest_columns = _first_in_rows("argmin_rows", -1.0), _first_in_columns("argmin_columns", -1.0)


# ------------------------------------------------------------------------------------------------ running results
def running_sum(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the sums of x up to each element of `reduced`, or from it on if `reverse`."""
    _run(_running_sum, x, out, reverse)


def running_prod(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the products of x up to each element of `reduced`, or from it on if `reverse`."""
    _run(_running_prod, x, out, reverse)


def _run(run: Any, x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    outer, reduced, inner = x.shape
    if not x.size:
        return
    heavy = x.size > HEAVY_FORMULA
    slots = get_num_threads() if heavy else 1
    chunks, width, _ = _layout(reduced, inner, 1)
    sums = borrow(slots * width, np.dtype(np.float64))
    run(heavy, x.reshape(-1), out.reshape(-1), outer, reduced, inner, slots, chunks, width, sums, reverse)
    give_back(sums)


def _running(name: str, neutral: float, join: Callable) -> Any:
    join = helper()(join)

    @helper()
    def step(sums, x, out):
        for i in range(sums.size):
            sums[i] = join(sums[i], np.float64(x[i]))
            out[i] = sums[i]

    def body(workers, x, out, outer, reduced, inner, slots, chunks, width, sums, reverse):
        tasks = outer * chunks
        for slot in prange(slots):
            for task in range(slot * tasks // slots, (slot + 1) * tasks // slots):
                o = task if chunks == 1 else task // chunks
                column = (task - o * chunks) * width
                count = min(width, inner - column)
                at, stride = o * reduced * inner + column, inner
                if reverse:
                    at, stride = at + (reduced - 1) * inner, -inner
                if inner == 1:
                    value = neutral
                    for _ in range(reduced):
                        value = join(value, np.float64(x[at]))
                        out[at] = value
                        at += stride
                else:
                    s = slot * width
                    for i in range(s, s + count):
                        sums[i] = neutral
                    for _ in range(reduced):
                        step(sums[s:s + count], x[at:at + count], out[at:at + count])
                        at += stride

    body.__name__ = name
    return kernel(body, exact=True)


_running_sum = _running("running_sum", 0.0, lambda x, y: x + y)
_running_prod = _running("running_prod", 1.0, lambda x, y: x * y)


# ------------------------------------------------------------------------------------------------ slopes
def _where_extreme(x: Any, out: Any, yes: Any) -> Any:
    """`yes` where x is out, or both are NaN, else 0."""
    both = choose(out == out, 0.0, choose(x == x, 0.0, yes if isinstance(yes, Vector) else x.like(yes)))
    return choose(x == out, yes, both)


count_extremes = Reduction("count_extremes", lambda x, out: _where_extreme(x, out, 1.0), "sum", kept=1)
extreme_grad = Spread("extreme_grad", _where_extreme, kept=2)
deviation_grad = Spread("deviation_grad", lambda x, m, g: (x - m) * g, kept=2)
scaled = Spread("scaled", lambda x, g: x * g, kept=1)
quotient = Spread("quotient", lambda x, g: g / x, kept=1)
exp_grad = Spread("exp_grad", lambda x, out, g: polynomial.exp(x - out) * g, kept=2, heavy=HEAVY_FORMULA)
