"""Loops of formulas over arrays (outer, reduced, inner): along rows, where inner is 1, and across columns.

The formulas are those of vector.py. Their operands are `fulls`, arrays (outer, reduced, inner), and after them `kepts`,
arrays (outer, inner): in a row one number, splat to every lane; in a column loop vectors like all others.

Sums and products of float32 run in float64: a sum is as good however long a row is. Up to BUNDLE float32 values are
added first, pair by pair, since each conversion takes as long as an addition.

`row_total`, `column_total` and `column_fill` make functions to call from jitted code, in which they are written out.
`alone_...` write the same as functions of LLVM's own, to be called by `invoke` (outline.py): a kernel that does nothing
else with a formula then serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.words.outline import DOUBLE, at, begun
from minitorch.kernels.words.registers import INT, LANE, Vectors, data, intrinsic, listed
from minitorch.kernels.words.vector import SIDE_BY_SIDE, Loop, Vector, choose

BUNDLE = 4  # float32 values that are added before they are widened


class Combination(NamedTuple):
    """How values become one: the value that changes none, the operation, LLVM's name for it across lanes."""

    neutral: float
    of: Callable[[Vector, Vector], Vector]
    across: str

    @property
    def wide(self) -> bool:
        """Whether it rounds, and so runs in float64."""
        return self.across in ("fadd", "fmul")


COMBINATIONS = {
    "sum": Combination(0.0, lambda x, y: x + y, "fadd"),
    "prod": Combination(1.0, lambda x, y: x * y, "fmul"),
    # The first of equals; NaN wins. LLVM's own `maximum` orders zeros, too, and takes twice the time.
    "max": Combination(-np.inf, lambda x, y: choose(y == y, choose(x < y, y, x), y), "fmaximum"),
    "min": Combination(np.inf, lambda x, y: choose(y == y, choose(x > y, y, x), y), "fminimum"),
}


def _wide(v: Vectors, combination: Combination) -> Vectors:
    """The registers in which values are combined: as many lanes, of float64 if it rounds."""
    return v.widened() if combination.wide and v.bytes == 4 else v


def _widened(value: Vector, w: Vectors) -> Vector:
    """The values in wider registers."""
    if value.v is w:
        return value
    return Vector(w, [w.extended(register) for register in value.values])


# ------------------------------------------------------------------------------------------------ rows
def _row(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Loop:
    """The loop of an intrinsic of (fulls, low, high, kepts, at): kepts are arrays, read at `at`, or numbers."""
    fulls, low, high, kepts, place = arguments
    kinds, kept = signature.args[0], signature.args[3]
    numbers = []
    for kind, value in zip(kept, cgutils.unpack_tuple(builder, kepts, len(kept)), strict=True):
        if isinstance(kind, types.Array):
            value = builder.load(builder.gep(data(context, builder, kind, value), [place]))
        numbers.append(value)
    v = Vectors(builder, context.get_data_type(kinds[0].dtype))
    return Loop(v, listed(context, builder, kinds, fulls), low, high, numbers)


@contextmanager
def _rows_alone(module: ir.Module, parameters: str, element: ir.Type, fulls: int, kepts: int) -> Iterator[tuple]:
    """A function of (fulls, start, length, kepts, at, rows, ...), its code for one of the rows still to be written.

    The rows follow one another in the arrays, from `start` on, their numbers in kept arrays from `at` on. Yields the
    loop along the row, the row's number, and the other parameters.
    """
    b, (arrays, start, length, kept, place, rows, *others) = begun(module, "tiitii" + parameters)
    v = Vectors(b, element)
    full = [at(b, arrays, i, element) for i in range(fulls)]
    own = [at(b, kept, i, element) for i in range(kepts)]
    with cgutils.for_range(b, rows) as step:
        low = b.add(start, b.mul(step.index, length))
        numbers = [b.load(v.at(address, b.add(place, step.index))) for address in own]
        yield Loop(v, full, low, b.add(low, length), numbers), step.index, others
    b.ret(DOUBLE(0.0))


def row_total(formula: Callable, combine: str) -> Any:
    """run(fulls, low, high, kepts, at): the combination of formula(*fulls, *kepts) over elements low ... high - 1.

    kepts are arrays, read at `at`, or numbers of their dtype. Sums and products are float64.
    """
    combination = COMBINATIONS[combine]

    @intrinsic
    def run(typingctx: Any, fulls: Any, low: Any, high: Any, kepts: Any, at: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            return _total(_row(context, builder, signature, arguments), formula, combination)

        wide = types.float64 if combination.wide else fulls[0].dtype
        return wide(fulls, types.intp, types.intp, kepts, types.intp), emit

    return run


def alone_row_total(formula: Callable, combine: str, element: ir.Type, fulls: int, kepts: int,
                    module: ir.Module) -> None:
    """The function of (fulls, start, length, kepts, at, rows, out, to, narrow): what `row_total` gives for each row.

    It goes to out[to], out[to + 1], ..., whose elements are as large as those of fulls, if `narrow`, or as the total.
    """
    with _rows_alone(module, "aii", element, fulls, kepts) as (loop, row, (out, to, narrow)):
        b, total = loop.builder, _total(loop, formula, COMBINATIONS[combine])
        place = b.add(to, row)
        with b.if_else(b.icmp_signed("!=", narrow, INT(0))) as (yes, no):
            with yes:
                short = b.fptrunc(total, element) if total.type != element else total
                b.store(short, b.gep(b.bitcast(out, element.as_pointer()), [place]))
            with no:
                b.store(total, b.gep(b.bitcast(out, total.type.as_pointer()), [place]))


def _total(loop: Loop, formula: Callable, combination: Combination) -> ir.Value:
    """The combination of formula(...) over a row."""
    builder, w = loop.builder, _wide(loop.v, combination)
    neutral = w.constant(combination.neutral)
    bundled = w is not loop.v and combination is COMBINATIONS["sum"]
    groups = (2 * BUNDLE, 2) if bundled else (2 * SIDE_BY_SIDE,)
    slots = [cgutils.alloca_once_value(builder, neutral) for _ in range(2 if bundled else groups[0])]

    def each(places: list, mask: ir.Value | None) -> None:
        value = formula(*loop.operands(len(loop.data), places, mask))
        if mask is not None:
            value = choose(Vector(loop.v, [mask]), value, combination.neutral)
        while bundled and len(value.values) > max(1, len(places) // BUNDLE):
            half = len(value.values) // 2
            value = Vector(loop.v, value.values[:half]) + Vector(loop.v, value.values[half:])
        before = Vector(w, [builder.load(slot) for slot in slots[:len(value.values)]])
        for slot, new in zip(slots, combination.of(before, _widened(value, w)).values, strict=False):
            builder.store(new, slot)

    loop.run(each, *groups)
    whole = Vector(w, [builder.load(slots[0])])
    for slot in slots[1:]:
        whole = combination.of(whole, Vector(w, [builder.load(slot)]))
    return _across(w, whole.values[0], combination)


def _across(w: Vectors, value: ir.Value, combination: Combination) -> ir.Value:
    """The lanes combined, sums and products as a tree."""
    element, builder = w.type.element, w.builder
    start = [ir.Constant(element, combination.neutral)] if combination.wide else []
    kind = ir.FunctionType(element, [a.type for a in start] + [w.type])
    name = f"llvm.vector.reduce.{combination.across}.v{w.lanes}f{8 * w.bytes}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [*start, value], fastmath=("reassoc",) if combination.wide else ())


def alone_row_fill(formula: Callable, element: ir.Type, fulls: int, kepts: int, module: ir.Module) -> None:
    """The function of (arrays, start, length, kepts, at, rows): the last array = formula(the others, kept[at])."""
    with _rows_alone(module, "", element, fulls + 1, kepts) as (loop, _, _):
        loop.fill(formula)


# ------------------------------------------------------------------------------------------------ columns
def _places(context: Any, builder: ir.IRBuilder, kind: Any, value: ir.Value, start: ir.Value) -> list[ir.Value]:
    """The addresses of an element of the arrays in a tuple, or of one."""
    one = isinstance(kind, types.Array)
    firsts = [data(context, builder, kind, value)] if one else listed(context, builder, kind, value)
    return [builder.gep(first, [start]) for first in firsts]


def _each_register(v: Vectors, count: ir.Value, step: Callable) -> None:
    """Emit step(at, None) for whole registers of `count` columns, and step(at, mask) for the rest."""
    b = v.builder
    rest = b.and_(count, INT(v.lanes - 1))
    whole = b.sub(count, rest)
    with cgutils.for_range_slice(b, INT(0), whole, INT(v.lanes)) as (at, _):
        step(at, None)
    with b.if_then(b.icmp_signed(">", rest, INT(0))):
        step(whole, v.mask(rest))


def column_total(formula: Callable, combine: str, numbers: bool = False) -> Any:
    """run(sums, s, fulls, at, step, kepts, k, next, count, rows): sums[s + i] combined with `rows` values.

    Those are formula(fulls[at + row * step + i], kepts[k + i]); with `numbers` it is kepts[k + row * next] for all
    columns. Sums stay in registers while all rows pass; float32 values of BUNDLE rows are added, then widened.
    """

    @intrinsic
    def run(typingctx: Any, sums: Any, s: Any, fulls: Any, at: Any, step: Any, kepts: Any, k: Any, next: Any,
            count: Any, rows: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            _, _, _, _, step, _, _, following, count, rows = arguments
            (total,), full, kept = (_places(context, builder, signature.args[i], arguments[i], arguments[j])
                                    for i, j in ((0, 1), (2, 3), (5, 6)))
            v = Vectors(builder, context.get_data_type(fulls[0].dtype))
            _columns_total(v, formula, COMBINATIONS[combine], total, full, step, kept, following if numbers else None,
                           count, rows)
            return context.get_dummy_value()

        size = types.intp
        return types.void(sums, size, fulls, size, size, kepts, size, size, size, size), emit

    return run


def alone_column_total(formula: Callable, combine: str, element: ir.Type, fulls: int, kepts: int,
                       module: ir.Module) -> None:
    """The function of (sums, s, fulls, at, step, kepts, k, count, rows) that does what `column_total` does."""
    b, (sums, s, arrays, start, step, kept, k, count, rows) = begun(module, "aitiitiii")
    v, combination = Vectors(b, element), COMBINATIONS[combine]
    total = b.gep(b.bitcast(sums, _wide(v, combination).type.element.as_pointer()), [s])
    full = [b.gep(at(b, arrays, i, element), [start]) for i in range(fulls)]
    own = [b.gep(at(b, kept, i, element), [k]) for i in range(kepts)]
    _columns_total(v, formula, combination, total, full, step, own, None, count, rows)
    b.ret(DOUBLE(0.0))


def _columns_total(v: Vectors, formula: Callable, combination: Combination, sums: ir.Value, fulls: list[ir.Value],
                   step: ir.Value, kepts: list[ir.Value], following: ir.Value | None, count: ir.Value,
                   rows: ir.Value) -> None:
    """What `column_total` says; `following`, if kept arrays have numbers for rows, is `next`."""
    b, w = v.builder, _wide(v, combination)
    bundled = w is not v and combination is COMBINATIONS["sum"]

    def columns(first: Any, several: int, valid: Any) -> None:
        mask = None if valid is None else v.mask(valid)
        places = [b.add(first, INT(n * v.lanes)) for n in range(several)]
        kept: list[Vector] = []
        if following is None:
            kept = [Vector(v, [v.load(b.gep(place, [i]), mask) for i in places]) for place in kepts]
        slots = [cgutils.alloca_once(b, w.type) for _ in places]
        for slot, i in zip(slots, places, strict=True):
            b.store(w.load(b.gep(sums, [i]), mask), slot)

        def value(row: Any) -> Vector:
            ahead, own = b.mul(row, step), kept
            if following is not None:
                one = b.mul(row, following)
                own = [Vector(v, [v.splat(b.load(b.gep(place, [one])))] * several) for place in kepts]
            full = [Vector(v, [v.load(b.gep(place, [b.add(ahead, i)]), mask) for i in places]) for place in fulls]
            return formula(*full, *own)

        def join(values: Vector) -> None:
            before = Vector(w, [b.load(slot) for slot in slots])
            for slot, new in zip(slots, combination.of(before, _widened(values, w)).values, strict=True):
                b.store(new, slot)

        whole = b.and_(rows, INT(-BUNDLE)) if bundled else INT(0)
        if bundled:
            with cgutils.for_range_slice(b, INT(0), whole, INT(BUNDLE)) as (row, _):
                bundle = [value(b.add(row, INT(i))) for i in range(BUNDLE)]
                while len(bundle) > 1:
                    bundle = [x + y for x, y in zip(bundle[::2], bundle[1::2], strict=True)]
                join(bundle[0])
        with cgutils.for_range_slice(b, whole, rows, INT(1)) as (row, _):
            join(value(row))
        for slot, i in zip(slots, places, strict=True):
            w.store(b.load(slot), b.gep(sums, [i]), mask)

    start = INT(0)
    for several in (2 * SIDE_BY_SIDE, 1):
        size = INT(several * v.lanes)
        end = b.sub(count, b.srem(b.sub(count, start), size))
        with cgutils.for_range_slice(b, start, end, size) as (first, _):
            columns(first, several, None)
        start = end
    with b.if_then(b.icmp_signed("<", start, count)):
        columns(start, 1, b.sub(count, start))


def column_fill(formula: Callable) -> Any:
    """run(out, fulls, at, kepts, k, count): out[at + i] = formula(fulls[at + i], kepts[k + i])."""

    @intrinsic
    def run(typingctx: Any, out: Any, fulls: Any, at: Any, kepts: Any, k: Any, count: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            to, full, kept = (_places(context, builder, signature.args[i], arguments[i], arguments[j])
                              for i, j in ((0, 2), (1, 2), (3, 4)))
            v = Vectors(builder, context.get_data_type(out.dtype))
            _columns_fill(v, formula, [*full, *kept], to[0], arguments[5])
            return context.get_dummy_value()

        size = types.intp
        return types.void(out, fulls, size, kepts, size, size), emit

    return run


def alone_column_fill(formula: Callable, element: ir.Type, fulls: int, kepts: int, module: ir.Module) -> None:
    """The function of (out, fulls, at, kepts, k, count) that does what `column_fill` does."""
    b, (out, arrays, start, kept, k, count) = begun(module, "atitii")
    sources = [b.gep(at(b, arrays, i, element), [start]) for i in range(fulls)]
    sources += [b.gep(at(b, kept, i, element), [k]) for i in range(kepts)]
    _columns_fill(Vectors(b, element), formula, sources, b.gep(b.bitcast(out, element.as_pointer()), [start]), count)
    b.ret(DOUBLE(0.0))


def _columns_fill(v: Vectors, formula: Callable, sources: list[ir.Value], out: ir.Value, count: ir.Value) -> None:
    """out[i] = formula(sources[i]), for `count` columns."""

    def step(i: ir.Value, mask: ir.Value | None) -> None:
        (value,) = formula(*(Vector(v, [v.load(v.at(source, i), mask)]) for source in sources)).values
        v.store(value, v.at(out, i), mask)

    _each_register(v, count, step)


def column_first(sign: float) -> Any:
    """run(best, places, s, x, at, count, number): where sign * x[at + i] is larger than best[s + i], or NaN and that
    is not, it takes its place, and `number` that of places[s + i], integers as wide as x's elements.
    """

    @intrinsic
    def run(typingctx: Any, best: Any, places: Any, s: Any, x: Any, at: Any, count: Any, number: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            b, v = builder, Vectors(builder, context.get_data_type(best.dtype))
            lane = LANE if v.bytes == 4 else INT
            (tops,), (wheres,), (values,) = (_places(context, builder, signature.args[i], arguments[i], arguments[j])
                                             for i, j in ((0, 2), (1, 2), (3, 4)))
            integers = ir.VectorType(lane, v.lanes)
            here = v.splat(arguments[6] if lane is INT else b.trunc(arguments[6], lane))

            def step(i: ir.Value, mask: ir.Value | None) -> None:
                old, new = (v.load(v.at(address, i), mask) for address in (tops, values))
                if sign < 0:
                    new = b.fneg(new)
                wins = b.and_(b.fcmp_unordered(">", new, old), b.fcmp_ordered("ord", old, old))
                if mask is not None:
                    wins = b.and_(wins, mask)
                v.store(b.select(wins, new, old), v.at(tops, i), mask)
                _store_some(v, here, b.bitcast(v.at(wheres, i), integers.as_pointer()), wins)

            _each_register(v, arguments[5], step)
            return context.get_dummy_value()

        size = types.intp
        return types.void(best, places, size, x, size, size, size), emit

    return run


def _store_some(v: Vectors, value: ir.Value, pointer: ir.Value, mask: ir.Value) -> None:
    """Write lanes of integers where the mask says so."""
    name = f"llvm.masked.store.v{v.lanes}i{8 * v.bytes}.p0"
    kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, LANE, mask.type])
    function = cgutils.get_or_insert_function(v.builder.module, kind, name)
    v.builder.call(function, [value, pointer, v.align, mask])
