"""Loops of formulas over arrays (outer, reduced, inner): along rows, where inner is 1, and across columns.

The formulas are those of vector.py. Their operands are `fulls`, arrays (outer, reduced, inner), and after them `kepts`,
arrays (outer, inner): in a row one number, splat to every lane; in a column loop vectors like all others.

Sums and products of float32 run in float64: a sum is as good however long a row is. Up to BUNDLE float32 values are
added first, pair by pair, since each conversion takes as long as an addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.words.registers import INT, LANE, Vectors, data, intrinsic
from minitorch.kernels.words.vector import SIDE_BY_SIDE, Vector, _Loop, choose

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
    if not combination.wide or v.bytes == 8:
        return v
    w = Vectors(v.builder, ir.DoubleType())
    w.lanes = v.lanes
    w.type = ir.VectorType(ir.DoubleType(), v.lanes)
    w.zero = ir.Constant(w.type, None)
    return w


def _widened(value: Vector, w: Vectors) -> Vector:
    """The values in wider registers."""
    if value.v is w:
        return value
    return Vector(w, [w.builder.fpext(register, w.type) for register in value.values])


class _Rows(_Loop):
    """A loop over a row, with one number for it of each kept array, or numbers themselves."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> None:
        kinds, kept = signature.args[0], signature.args[3]
        self.builder, (self.low, self.high), at = builder, arguments[1:3], arguments[4]
        self.v = Vectors(builder, context.get_data_type(kinds[0].dtype))
        arrays = cgutils.unpack_tuple(builder, arguments[0], len(kinds))
        self.data = [data(context, builder, kind, array) for kind, array in zip(kinds, arrays, strict=True)]
        self.numbers = []
        for kind, value in zip(kept, cgutils.unpack_tuple(builder, arguments[3], len(kept)), strict=True):
            if isinstance(kind, types.Array):
                value = builder.load(builder.gep(data(context, builder, kind, value), [at]))
            self.numbers.append(self.v.splat(value))


def row_total(formula: Callable, combine: str) -> Any:
    """run(fulls, low, high, kepts, at): the combination of formula(*fulls, *kepts) over elements low ... high - 1.

    kepts are arrays, read at `at`, or numbers of their dtype. Sums and products are float64.
    """
    combination = COMBINATIONS[combine]

    @intrinsic
    def run(typingctx: Any, fulls: Any, low: Any, high: Any, kepts: Any, at: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            loop = _Rows(context, builder, signature, arguments)
            w = _wide(loop.v, combination)
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

        wide = types.float64 if combination.wide else fulls[0].dtype
        return wide(fulls, types.intp, types.intp, kepts, types.intp), emit

    return run


def _across(w: Vectors, value: ir.Value, combination: Combination) -> ir.Value:
    """The lanes combined, sums and products as a tree."""
    element, builder = w.type.element, w.builder
    start = [ir.Constant(element, combination.neutral)] if combination.wide else []
    kind = ir.FunctionType(element, [a.type for a in start] + [w.type])
    name = f"llvm.vector.reduce.{combination.across}.v{w.lanes}f{8 * w.bytes}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [*start, value], fastmath=("reassoc",) if combination.wide else ())


def row_fill(formula: Callable) -> Any:
    """run(arrays, low, high, kepts, at): the last of the arrays = formula(the others, then the numbers kept[at])."""

    @intrinsic
    def run(typingctx: Any, arrays: Any, low: Any, high: Any, kepts: Any, at: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            loop = _Rows(context, builder, signature, arguments)

            def each(places: list, mask: ir.Value | None) -> None:
                out = formula(*loop.operands(len(loop.data) - 1, places, mask))
                for i, value in zip(places, out.values, strict=True):
                    loop.v.store(value, builder.gep(loop.data[-1], [i]), mask)

            loop.run(each)
            return context.get_dummy_value()

        return types.void(arrays, types.intp, types.intp, kepts, types.intp), emit

    return run


# ------------------------------------------------------------------------------------------------ columns
class _Columns:
    """A loop over `count` columns of arrays, each from an element of its own on."""

    def __init__(self, context: Any, builder: ir.IRBuilder, groups: list[tuple[Any, Any, Any]], count: Any) -> None:
        """groups: (types, values, start) of some arrays in a tuple, or of one."""
        self.builder, self.count = builder, count
        self.places: list[list[ir.Value]] = []
        for kind, value, start in groups:
            if isinstance(kind, types.Array):
                pairs = [(kind, value)]
            else:
                pairs = list(zip(kind, cgutils.unpack_tuple(builder, value, len(kind)), strict=True))
            self.places.append([builder.gep(data(context, builder, *pair), [start]) for pair in pairs])

    def run(self, lanes: int, step: Callable) -> None:
        """Emit step(at, None) for whole registers, and step(at, valid lanes) for the rest."""
        b = self.builder
        rest = b.and_(self.count, INT(lanes - 1))
        whole = b.sub(self.count, rest)
        with cgutils.for_range_slice(b, INT(0), whole, INT(lanes)) as (at, _):
            step(at, None)
        with b.if_then(b.icmp_signed(">", rest, INT(0))):
            step(whole, rest)

    def loads(self, v: Vectors, group: int, at: Any, mask: Any) -> list[Vector]:
        """One register of each array of a group."""
        return [Vector(v, [v.load(self.builder.gep(place, [at]), mask)]) for place in self.places[group]]

def column_total(formula: Callable, combine: str, numbers: bool = False) -> Any:
    """run(sums, s, fulls, at, step, kepts, k, next, count, rows): sums[s + i] combined with `rows` values.

    Those are formula(fulls[at + row * step + i], kepts[k + i]); with `numbers` it is kepts[k + row * next] for all
    columns. Sums stay in registers while all rows pass; float32 values of BUNDLE rows are added, then widened.
    """
    combination = COMBINATIONS[combine]

    @intrinsic
    def run(typingctx: Any, sums: Any, s: Any, fulls: Any, at: Any, step: Any, kepts: Any, k: Any, next: Any,
            count: Any, rows: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            b, kinds = builder, signature.args
            v = Vectors(builder, context.get_data_type(kinds[2][0].dtype))
            w = _wide(v, combination)
            bundled = w is not v and combination is COMBINATIONS["sum"]
            step, following, count, rows = arguments[4], arguments[7], arguments[8], arguments[9]
            loop = _Columns(context, builder, [(kinds[i], arguments[i], arguments[j])
                                               for i, j in ((0, 1), (2, 3), (5, 6))], count)

            def columns(first: Any, several: int, valid: Any) -> None:
                mask = None if valid is None else v.mask(valid)
                places = [b.add(first, INT(n * v.lanes)) for n in range(several)]
                kept: list[Vector] = []
                if not numbers:
                    kept = [Vector(v, [v.load(b.gep(place, [i]), mask) for i in places]) for place in loop.places[2]]
                slots = [cgutils.alloca_once(b, w.type) for _ in places]
                for slot, i in zip(slots, places, strict=True):
                    b.store(w.load(b.gep(loop.places[0][0], [i]), mask), slot)

                def value(row: Any) -> Vector:
                    ahead, own = b.mul(row, step), kept
                    if numbers:
                        one = b.mul(row, following)
                        own = [Vector(v, [v.splat(b.load(b.gep(place, [one])))] * several) for place in loop.places[2]]
                    full = [Vector(v, [v.load(b.gep(place, [b.add(ahead, i)]), mask) for i in places])
                            for place in loop.places[1]]
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
                    w.store(b.load(slot), b.gep(loop.places[0][0], [i]), mask)

            start = INT(0)
            for several in (2 * SIDE_BY_SIDE, 1):
                size = INT(several * v.lanes)
                end = b.sub(count, b.srem(b.sub(count, start), size))
                with cgutils.for_range_slice(b, start, end, size) as (first, _):
                    columns(first, several, None)
                start = end
            with b.if_then(b.icmp_signed("<", start, count)):
                columns(start, 1, b.sub(count, start))
            return context.get_dummy_value()

        size = types.intp
        return types.void(sums, size, fulls, size, size, kepts, size, size, size, size), emit

    return run


def column_fill(formula: Callable) -> Any:
    """run(out, fulls, at, kepts, k, count): out[at + i] = formula(fulls[at + i], kepts[k + i])."""

    @intrinsic
    def run(typingctx: Any, out: Any, fulls: Any, at: Any, kepts: Any, k: Any, count: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            kinds, values = signature.args, arguments
            groups = [(kinds[0], values[0], values[2]), (kinds[1], values[1], values[2]),
                      (kinds[3], values[3], values[4])]
            loop = _Columns(context, builder, groups, arguments[5])

            def step(i: Any, valid: Any) -> None:
                mask = None if valid is None else v.mask(valid)
                (value,) = formula(*loop.loads(v, 1, i, mask), *loop.loads(v, 2, i, mask)).values
                v.store(value, builder.gep(loop.places[0][0], [i]), mask)

            loop.run(v.lanes, step)
            return context.get_dummy_value()

        size = types.intp
        return types.void(out, fulls, size, kepts, size, size), emit

    return run


def column_first(sign: float) -> Any:
    """run(best, places, s, x, at, count, number): where sign * x[at + i] is larger than best[s + i], or NaN and that
    is not, it takes its place, and `number` that of places[s + i], integers as wide as x's elements.
    """

    @intrinsic
    def run(typingctx: Any, best: Any, places: Any, s: Any, x: Any, at: Any, count: Any, number: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            b, v = builder, Vectors(builder, context.get_data_type(signature.args[0].dtype))
            lane = LANE if v.bytes == 4 else INT
            groups = [(signature.args[i], arguments[i], arguments[j]) for i, j in ((0, 2), (1, 2), (3, 4))]
            loop = _Columns(context, builder, groups, arguments[5])
            integers = Vectors(builder, v.type.element)
            integers.type = ir.VectorType(lane, v.lanes)
            new_place = arguments[6] if lane is INT else b.trunc(arguments[6], lane)
            number_everywhere = v.splat(new_place)

            def step(i: Any, valid: Any) -> None:
                mask = None if valid is None else v.mask(valid)
                ((old,), (new,)) = (loop.loads(v, group, i, mask)[0].values for group in (0, 2))
                if sign < 0:
                    new = b.fneg(new)
                wins = b.and_(b.fcmp_unordered(">", new, old), b.fcmp_ordered("ord", old, old))
                if mask is not None:
                    wins = b.and_(wins, mask)
                pointer = b.bitcast(b.gep(loop.places[1][0], [i]), integers.type.as_pointer())
                v.store(b.select(wins, new, old), b.gep(loop.places[0][0], [i]), mask)
                _store_some(v, number_everywhere, pointer, wins)

            loop.run(v.lanes, step)
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
