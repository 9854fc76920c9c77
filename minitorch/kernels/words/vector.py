"""Vector code written like formulas: registers as Python objects, and loops that run a formula over arrays.

A `Vector` stands for a few registers while code is being emitted: `x * y` emits multiplications, a comparison gives a
mask, `choose` takes by mask. `sweep(formula)` makes a function to call from jitted code that runs a formula over the
elements low ... high - 1 of arrays, the last register masked; lanes.py has sums, and loops across columns. So an
element has the same bits wherever it stands, and nothing depends on what numba's own loop vectoriser can see through.

Formulas are long chains, in which each step waits for the one before; so several registers go through them side by
side. One, then two of them, 30,000 elements, one core of an AMD Zen 3, 2026-11:
exp 26.8, 19.0 us and gelu_grad 95.9, 75.2 us in float32; erf 263, 176 us and gelu_grad 390, 237 us in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.words.registers import INT, LANE, Everywhere, Vectors, intrinsic, listed

SIDE_BY_SIDE = 2


class Vector:
    """Registers of floats, of the integers that are their bits, or of a mask; numbers become constants in each lane."""

    def __init__(self, v: Vectors, values: list[ir.Value]) -> None:
        self.v, self.values = v, values

    def like(self, number: Any) -> Vector:
        """A constant of this one's type."""
        return Vector(self.v, [Everywhere(value.type, number) for value in self.values])

    def each(self, emit: Callable, *others: Any) -> Vector:
        """emit(value, ...) of every register and the others' at its side."""
        columns = [(other if isinstance(other, Vector) else self.like(other)).values for other in others]
        return Vector(self.v, [emit(*row) for row in zip(self.values, *columns, strict=True)])

    def call(self, name: str, *others: Any) -> Vector:
        """An LLVM intrinsic."""
        return self.each(lambda *row: self.v.call(name, self.v.type, *row), *others)

    __hash__ = object.__hash__  # `==` compares lanes

    def __add__(self, other: Any) -> Vector:
        return self.each(self.v.builder.fadd, other)

    def __sub__(self, other: Any) -> Vector:
        return self.each(self.v.builder.fsub, other)

    def __rsub__(self, other: Any) -> Vector:
        return self.like(other) - self

    def __mul__(self, other: Any) -> Vector:
        return self.each(self.v.builder.fmul, other)

    def __truediv__(self, other: Any) -> Vector:
        return self.each(self.v.builder.fdiv, other)

    def __rtruediv__(self, other: Any) -> Vector:
        return self.like(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self, exponent: int) -> Vector:
        """A whole power, by multiplications."""
        if not isinstance(exponent, int):
            return NotImplemented
        if exponent < 0:
            return 1.0 / self ** -exponent
        if exponent < 2:
            return self if exponent else self.like(1.0)
        half = self ** (exponent // 2)
        return half * half * self if exponent % 2 else half * half

    def __neg__(self) -> Vector:
        return self.each(self.v.builder.fneg)

    def __abs__(self) -> Vector:
        return self.call("fabs")

    def __lt__(self, other: Any) -> Vector:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Vector:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Vector:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Vector:
        return self._compare(">=", other)

    def __eq__(self, other: Any) -> Vector:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Any) -> Vector:  # type: ignore[override]
        return self._compare("!=", other)

    def _compare(self, sign: str, other: Any) -> Vector:
        """A mask; where either is NaN, `!=` is true and all else false. Integers are compared with their signs."""

        def emit(x: ir.Value, y: ir.Value) -> ir.Value:
            if isinstance(x.type.element, ir.IntType):
                return self.v.builder.icmp_signed(sign, x, y)
            return (self.v.builder.fcmp_unordered if sign == "!=" else self.v.builder.fcmp_ordered)(sign, x, y)

        return self.each(emit, other)

    # of masks, and of integers bit by bit
    def __and__(self, other: Any) -> Vector:
        return self.each(self.v.builder.and_, other)

    def __or__(self, other: Any) -> Vector:
        return self.each(self.v.builder.or_, other)

    def __xor__(self, other: Any) -> Vector:
        return self.each(self.v.builder.xor, other)

    def __invert__(self) -> Vector:
        return self.each(self.v.builder.not_)

    def fma(self, factor: Any, term: Any) -> Vector:
        """self * factor + term, rounded once."""
        return self.call("fma", factor, term)

    def signed_as(self, other: Vector) -> Vector:
        """With the sign of another."""
        return self.call("copysign", other)

    def maximum(self, other: Any) -> Vector:
        """The larger; NaN if either is."""
        return self.call("maximum", other)

    def minimum(self, other: Any) -> Vector:
        """The smaller; NaN if either is."""
        return self.call("minimum", other)

    def sqrt(self) -> Vector:
        """The square root, NaN of negative numbers."""
        return self.call("sqrt")

    def floor(self) -> Vector:
        """The largest whole number that is not larger."""
        return self.call("floor")

    def ceil(self) -> Vector:
        """The smallest whole number that is not smaller."""
        return self.call("ceil")

    def trunc(self) -> Vector:
        """The whole part."""
        return self.call("trunc")

    def rint(self) -> Vector:
        """The nearest whole number, halves to the even one."""
        return self.call("roundeven")

    def scalar(self, name: str, mask: Vector, out: Vector) -> Vector:
        """The C library's function of the lanes in the mask, which should be rare, elsewhere `out`."""
        b, v = self.v.builder, self.v
        kind = ir.FunctionType(v.type.element, [v.type.element])
        function = cgutils.get_or_insert_function(b.module, kind, f"llvm.{name}.f{8 * v.bytes}")

        def emit(x: ir.Value, rare: ir.Value, usual: ir.Value) -> ir.Value:
            slot = cgutils.alloca_once_value(b, usual)
            bits = ir.IntType(v.lanes)
            with (b.if_then(b.icmp_unsigned("!=", b.bitcast(rare, bits), bits(0)), likely=False),
                  cgutils.for_range(b, INT(v.lanes)) as loop,
                  b.if_then(b.extract_element(rare, loop.index))):
                one = b.call(function, [b.extract_element(x, loop.index)])
                b.store(b.insert_element(b.load(slot), one, loop.index), slot)
            return b.load(slot)

        return self.each(emit, mask, out)

    # bits
    @property
    def digits(self) -> int:
        """Stored bits of the fraction."""
        return 23 if self.v.bytes == 4 else 52

    @property
    def dtype(self) -> Any:
        """NumPy's name of the element type."""
        return np.float32 if self.v.bytes == 4 else np.float64

    def bits_of(self, number: float) -> int:
        """A number's bits, as an integer."""
        return int(self.dtype(number).view(f"i{self.v.bytes}"))

    def bits(self) -> Vector:
        """The registers read as integers."""
        kind = ir.VectorType(LANE if self.v.bytes == 4 else INT, self.v.lanes)
        return self.each(lambda value: self.v.builder.bitcast(value, kind))

    def floats(self) -> Vector:
        """Integers read as the floats whose bits they are."""
        return self.each(lambda value: self.v.builder.bitcast(value, self.v.type))

    def plus(self, other: Any) -> Vector:
        """Sum of integers."""
        return self.each(self.v.builder.add, other)

    def minus(self, other: Any) -> Vector:
        """Difference of integers."""
        return self.each(self.v.builder.sub, other)

    def left(self, count: int) -> Vector:
        """Integers shifted up."""
        return self.each(self.v.builder.shl, count)

    def right(self, count: int) -> Vector:
        """Integers shifted down, zeros coming in."""
        return self.each(self.v.builder.lshr, count)


def choose(mask: Vector, yes: Any, no: Any) -> Vector:
    """yes where the mask holds, else no; one of them is a Vector."""
    yes, no = (yes, no) if isinstance(yes, Vector) else (no.like(yes), no)
    return mask.each(mask.v.builder.select, yes, no if isinstance(no, Vector) else yes.like(no))


# ------------------------------------------------------------------------------------------------ loops
class Loop:
    """The walk along arrays, from element `low` to before `high`, over whole and partial registers.

    data: where the arrays begin; numbers: one for each lane, the same all along.
    """

    def __init__(self, v: Vectors, data: list[ir.Value], low: ir.Value, high: ir.Value,
                 numbers: list[ir.Value]) -> None:
        self.v, self.builder, self.data, self.low, self.high = v, v.builder, data, low, high
        self.numbers = [v.splat(number) for number in numbers]
        self.ahead = v.ahead(v.builder.sub(high, low))

    def run(self, each: Callable, *groups: int) -> None:
        """Emit each(addresses, mask): for groups of so many registers, for single ones, for the rest (with a mask)."""
        b, start = self.builder, self.low
        for count in (*(groups or (SIDE_BY_SIDE,)), 1):
            step = INT(count * self.v.lanes)
            end = b.sub(self.high, b.srem(b.sub(self.high, start), step))
            with cgutils.for_range_slice(b, start, end, step) as (i, _):
                for address in self.data if count > 1 else ():
                    self.v.fetch_on(self.v.at(address, i), count, self.ahead)
                each([b.add(i, INT(k * self.v.lanes)) for k in range(count)], None)
            start = end
        with b.if_then(b.icmp_signed("<", start, self.high)):
            each([start], self.v.mask(b.sub(self.high, start)))

    def fill(self, formula: Callable) -> None:
        """The last array = formula(the others, then the numbers)."""

        def each(places: list, mask: ir.Value | None) -> None:
            out = formula(*self.operands(len(self.data) - 1, places, mask))
            for i, value in zip(places, out.values, strict=True):
                self.v.store(value, self.builder.gep(self.data[-1], [i]), mask)

        self.run(each)

    def operands(self, count: int, places: list, mask: ir.Value | None) -> list[Vector]:
        """The registers at these places of the first arrays, then the numbers."""
        loads = [[self.v.load(self.builder.gep(data, [i]), mask) for i in places] for data in self.data[:count]]
        return [Vector(self.v, values) for values in [*loads, *([number] * len(places) for number in self.numbers)]]


def sweep(formula: Callable) -> Any:
    """run(arrays, low, high, numbers): the last of the arrays = formula(the others, then the numbers)."""

    @intrinsic
    def run(typingctx: Any, arrays: Any, low: Any, high: Any, numbers: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            arrays, low, high, numbers = arguments
            kinds, given = signature.args[0], signature.args[3]
            v = Vectors(builder, context.get_data_type(kinds[0].dtype))
            Loop(v, listed(context, builder, kinds, arrays), low, high,
                 cgutils.unpack_tuple(builder, numbers, len(given))).fill(formula)
            return context.get_dummy_value()

        return types.void(arrays, types.intp, types.intp, numbers), emit

    return run
