"""Vector registers: LLVM's operations on vectors of one element type, and where arrays lie.

What the kernels write in LLVM's own terms goes through this file; the rest is Python that numba compiles.

How to read such code: it runs once, while a kernel is being compiled. An `ir.Value` is a number that will exist when
the kernel runs. A Python `for` writes its body out again for each turn; `cgutils.for_range` emits a loop that runs
later. `alloca` makes a variable of the function, which LLVM puts into a register; `gep` is arithmetic on an address.
"""

from __future__ import annotations

import os
from typing import Any

import llvmlite.binding
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

intrinsic: Any = numba.extending.intrinsic
INT, LANE = ir.IntType(64), ir.IntType(32)
LINE, AHEAD = 64, 8192  # bytes of a line of the cache, and how far behind it a long walk fetches the next one


def vector_width() -> int:
    """Float32 lanes of a vector: MINITORCH_VECTOR_WIDTH if set, else 16, 8 or 4 for AVX-512, AVX2 or neither."""
    chosen = os.environ.get("MINITORCH_VECTOR_WIDTH")
    if chosen is not None and chosen not in ("16", "8", "4"):
        raise ValueError(f"MINITORCH_VECTOR_WIDTH must be 16, 8 or 4, but is {chosen!r}")
    features = llvmlite.binding.get_host_cpu_features()
    return int(chosen or (16 if features.get("avx512f") else 8 if features.get("avx2") else 4))


WIDTH = vector_width()


class Everywhere(ir.Constant):
    """One number in all lanes. Written out lane by lane, constants were half of the text that LLVM reads."""

    def __init__(self, kind: ir.VectorType, number: float) -> None:
        super().__init__(kind, [ir.Constant(kind.element, number)] * kind.count)

    def _get_reference(self) -> str:
        return f"splat ({self.constant[0]})"


class Vectors:
    """LLVM's operations on vectors of one element type: whole registers, halves or quarters, or of so many lanes."""

    def __init__(self, builder: ir.IRBuilder, element: ir.Type, share: int = 1, lanes: int | None = None) -> None:
        self.builder = builder
        self.bytes = 4 if element == ir.FloatType() else 8
        self.lanes = lanes or 4 * WIDTH // self.bytes // share
        self.type = ir.VectorType(element, self.lanes)
        self.zero = ir.Constant(self.type, None)
        self.align = LANE(self.bytes)

    def call(self, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
        """An LLVM intrinsic, declared by its mangled name: llvmlite's `declare_intrinsic` knows scalars only."""
        name = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}{'.p0' if name.startswith('masked') else ''}"
        function = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function, name), arguments)

    def widened(self) -> Vectors:
        """The same with as many lanes of float64."""
        return Vectors(self.builder, ir.DoubleType(), lanes=self.lanes)

    def extended(self, x: ir.Value) -> ir.Value:
        """x, a vector of as many lanes, in this element type, which is no narrower."""
        return x if x.type == self.type else self.builder.fpext(x, self.type)

    def at(self, address: ir.Value, *offsets: ir.Value) -> ir.Value:
        """The address so many elements further on."""
        for offset in offsets:
            address = self.builder.gep(address, [offset])
        return address

    def cells(self, address: ir.Value, count: int) -> list[ir.Value]:
        """The addresses of `count` vectors side by side."""
        return [self.at(address, INT(j * self.lanes)) for j in range(count)]

    def clamped(self, first: ir.Value, count: int, last: ir.Value) -> list[ir.Value]:
        """The numbers first, first + 1, ..., but `last` in place of those beyond it."""
        numbers = [self.builder.add(first, INT(m)) for m in range(count)]
        return [self.builder.select(self.builder.icmp_signed("<", m, last), m, last) for m in numbers]

    def constant(self, value: float) -> ir.Constant:
        """The number in every lane."""
        return Everywhere(self.type, float(value))

    def splat(self, value: ir.Value) -> ir.Value:
        """The value in every lane."""
        undefined = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, value, LANE(0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(LANE, self.lanes), None))

    def mask(self, valid: ir.Value) -> ir.Value:
        """True in the lanes below `valid`."""
        number = ir.Constant(ir.VectorType(INT, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", number, self.splat(valid))

    def load(self, address: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """The vector at an element's address; lanes that the mask leaves out are not read, but zero."""
        address = self.builder.bitcast(address, self.type.as_pointer())
        if mask is None:
            return self.builder.load(address, align=self.bytes)
        return self.call("masked.load", self.type, address, self.align, mask, self.zero)

    def store(self, value: ir.Value, address: ir.Value, mask: ir.Value | None = None) -> None:
        """Write the lanes that the mask allows."""
        address = self.builder.bitcast(address, self.type.as_pointer())
        if mask is None:
            self.builder.store(value, address, align=self.bytes)
        else:
            self.call("masked.store", ir.VoidType(), value, address, self.align, mask)

    def store_first(self, value: ir.Value, address: ir.Value, valid: ir.Value) -> None:
        """Write the first `valid` lanes, 1 or more: a half, a quarter and so on, by the bits of `valid`.

        A masked store does the same, but takes AMD's cores 17 cycles (Zen 3): pooling's gradient for 6 channels of
        28x28 pixels took 0.34 ms with it and takes 0.17 (batch 64, one core, 2026-11).
        """
        builder, size = self.builder, self.lanes
        with builder.if_else(builder.icmp_signed(">=", valid, INT(size))) as (all_lanes, some):
            with all_lanes:
                self.store(value, address)
            with some:
                while size > 1:
                    halves = [ir.Constant(ir.VectorType(LANE, size // 2), list(range(start, start + size // 2)))
                              for start in (0, size // 2)]
                    low, high = (builder.shuffle_vector(value, value, half) for half in halves)
                    size //= 2
                    taken = builder.icmp_signed("!=", builder.and_(valid, INT(size)), INT(0))
                    with builder.if_then(taken):
                        builder.store(low, builder.bitcast(address, low.type.as_pointer()), align=self.bytes)
                    value = builder.select(taken, high, low)
                    address = builder.select(taken, builder.gep(address, [INT(size)]), address)

    def fetch(self, address: ir.Value, write: bool = False) -> None:
        """Bring the line of the cache at an address, which need not exist, to the core, to read it or to write."""
        number, void = ir.IntType(32), ir.VoidType()
        address = self.builder.bitcast(address, ir.IntType(8).as_pointer())
        fetch = ir.FunctionType(void, [address.type, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, fetch, "llvm.prefetch.p0")
        self.builder.call(function, [address, number(int(write)), number(3), number(1)])

    def fetch_on(self, address: ir.Value, vectors: int, ahead: ir.Value, write: bool = False) -> None:
        """Bring the lines of the cache that lie `ahead` elements behind so many vectors to the core."""
        for at in range(0, vectors * self.lanes, LINE // self.bytes):
            self.fetch(self.at(address, ahead, INT(at)), write)

    def ahead(self, elements: ir.Value) -> ir.Value:
        """How far a walk along so many elements fetches ahead: AHEAD bytes if it is long, else not at all.

        The processor foresees a line or two of each array. That is enough where there is little to compute, or the L3
        cache is near. On a Xeon where it is far, 500,000 elements on one core took, without and with: sigmoid 490 and
        360 us, tanh 510 and 370, hardswish 330 and 230, a sum or a product as before (AVX-512, 2026-11). Half and twice
        as far: within 5 %.
        """
        long = self.builder.icmp_signed(">", elements, INT(4 * AHEAD // self.bytes))
        return self.builder.select(long, INT(AHEAD // self.bytes), INT(0))

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c, rounded once."""
        return self.call("fma", self.type, a, b, c)

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """a + b in a sum of many: numba lets LLVM regroup additions that bear no flag of their own."""
        return self.builder.fadd(a, b, flags=("contract",))

    def peak(self) -> ir.Value:
        """A variable for the largest magnitude seen in each lane, as its bits: so NaN is above infinity."""
        kind = ir.VectorType(LANE if self.bytes == 4 else INT, self.lanes)
        return cgutils.alloca_once_value(self.builder, ir.Constant(kind, None))

    def raise_peak(self, peak: ir.Value, x: ir.Value) -> None:
        """Let the variable be |x| where that is larger."""
        builder, old = self.builder, self.builder.load(peak)
        sign = 1 << (8 * self.bytes - 1)
        bits = builder.and_(builder.bitcast(x, old.type), Everywhere(old.type, sign - 1))
        builder.store(builder.select(builder.icmp_unsigned(">", bits, old), bits, old), peak)

    def record_peak(self, peak: ir.Value, address: ir.Value) -> None:
        """Let the number at an address be the largest of the lanes, if it is not larger."""
        builder, bits = self.builder, self.builder.load(peak)
        name = f"llvm.vector.reduce.umax.v{self.lanes}i{8 * self.bytes}"
        function = ir.FunctionType(bits.type.element, [bits.type])
        new = builder.call(cgutils.get_or_insert_function(builder.module, function, name), [bits])
        address = builder.bitcast(address, new.type.as_pointer())
        old = builder.load(address)
        builder.store(builder.select(builder.icmp_unsigned(">", new, old), new, old), address)

    def normal(self, x: ir.Value, mean: ir.Value, scale: ir.Value, shift: ir.Value) -> ir.Value:
        """(x - mean) * scale + shift.

        The only formula by which any kernel normalises, so that fused and separate kernels round alike.
        """
        return self.fma(self.builder.fsub(x, mean), scale, shift)

    def rectified(self, y: ir.Value, floor: ir.Value | None = None) -> ir.Value:
        """y, but `floor`, or 0, where it is below that: NaN and -0.0 stay."""
        floor = floor or self.zero
        return self.builder.select(self.builder.fcmp_ordered("<", y, floor), floor, y)


def data(context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value) -> ir.Value:
    """Address of an array's first element."""
    return builder.extract_value(array, context.data_model_manager[array_type].get_field_position("data"))


def listed(context: Any, builder: ir.IRBuilder, kinds: Any, arrays: ir.Value) -> list[ir.Value]:
    """Addresses of the first elements of the arrays in a tuple."""
    values = cgutils.unpack_tuple(builder, arrays, len(kinds))
    return [data(context, builder, kind, value) for kind, value in zip(kinds, values, strict=True)]


def unpacked(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> list[ir.Value]:
    """The arguments of an intrinsic, of arrays the address of the first element."""
    return [data(context, builder, kind, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)]
