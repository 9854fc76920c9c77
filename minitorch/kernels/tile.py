"""The register tile: the one place that emits LLVM vector code.

Convolution, both its gradients and matmul spend their time in one product,

    C[m, :] (+)= sum over steps s of A[m, s] * B[s, :]        m = 0 .. MR-1,  ":" = NV vectors of L lanes

whose MR x NV accumulators stay in registers. A step loads NV vectors of B, broadcasts MR scalars of A and does MR*NV
fused multiply-adds: MR + NV loads for MR*NV FMAs, so a big tile is bound by arithmetic alone. It must leave room for
B and for one broadcast scalar: MR*NV + NV + 1 <= registers.

The products differ only in where the scalars of A lie. Steps are two nested loops, over o and i, and

    address of A[m, (o, i)] = a + row_scale*rows[m] + outer_scale*outer[o] + inner_stride*i

- conv, conv_transpose: rows are target pixels, o the (runs of) taps, i the channels;
- conv_weight_grad:     rows are (tap, channel) pairs, o the lines of output pixels, i the pixels along a line;
- matmul:               rows and steps of a strided matrix or of a copy of it; o has one value.

Rows come from a table, so that a tile may run over the end of an image line or from one image to the next. The MR
addresses that do not fit into registers are reloaded in the shadow of the FMAs: 14x2 reaches the ceiling all the same,
so rows at a constant stride got no mode of their own. B lies packed, b_step apart. A tile at the lower edge repeats its
last row: the same thread writes the same value twice. At the right edge the last vector of C is masked to `valid`
lanes.

Shapes, float32, one core of an AMD Zen 5 with AVX-512 (32 registers), GFLOP/s in cache, 2026-11, 192 x 3 steps:

| MR x NV | 14x2 | 13x2 | 12x2 | 9x3 | 8x3 | 6x4 | 5x5 | 24x1 | 28x1 | 16x1 |
|---------|------|------|------|-----|-----|-----|-----|------|------|------|
| GFLOP/s |  275 |  278 |  276 | 271 | 272 | 273 | 272 |  246 |  240 |  199 |

14x2 is at the ceiling and wastes few lanes. NV = 1 needs a load for each FMA; it serves what is left of the columns.
The shapes for 8 and 4 lanes follow from the number of registers (16 and 32) and were not measured on such machines.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.runtime import kernel

intrinsic: Any = numba.extending.intrinsic
INT, LANE, BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)


def vector_width() -> int:
    """Float32 lanes of a vector: MINITORCH_VECTOR_WIDTH if set, else 16, 8 or 4 for AVX-512, AVX2 or neither."""
    chosen = os.environ.get("MINITORCH_VECTOR_WIDTH")
    if chosen is not None and chosen not in ("16", "8", "4"):
        raise ValueError(f"MINITORCH_VECTOR_WIDTH must be 16, 8 or 4, but is {chosen!r}")
    features = llvmlite.binding.get_host_cpu_features()
    return int(chosen or (16 if features.get("avx512f") else 8 if features.get("avx2") else 4))


WIDTH = vector_width()
ROWS = {16: 14, 8: 6, 4: 8}[WIDTH]  # MR of the tile of two vectors
ROWS_NARROW = {16: 28, 8: 12, 4: 16}[WIDTH]  # MR of the tile of one vector


class Vectors:
    """LLVM's operations on vectors of one element type."""

    def __init__(self, builder: ir.IRBuilder, element: ir.Type) -> None:
        self.builder = builder
        self.bytes = 4 if element == ir.FloatType() else 8
        self.lanes = 4 * WIDTH // self.bytes
        self.type = ir.VectorType(element, self.lanes)
        self.zero = ir.Constant(self.type, None)
        self.align = LANE(self.bytes)

    def call(self, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
        """An LLVM intrinsic, declared by its mangled name: llvmlite's `declare_intrinsic` knows scalars only."""
        name = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}{'.p0' if name.startswith('masked') else ''}"
        function = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function, name), arguments)

    def constant(self, value: float) -> ir.Constant:
        """The number in every lane."""
        return ir.Constant(self.type, [ir.Constant(self.type.element, float(value))] * self.lanes)

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
        fetch = ir.FunctionType(void, [address.type, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, fetch, "llvm.prefetch.p0")
        self.builder.call(function, [address, number(int(write)), number(3), number(1)])

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c, rounded once."""
        return self.call("fma", self.type, a, b, c)

    def normal(self, x: ir.Value, mean: ir.Value, scale: ir.Value, shift: ir.Value) -> ir.Value:
        """(x - mean) * scale + shift: everybody's way to y, so that all have its bits."""
        return self.fma(self.builder.fsub(x, mean), scale, shift)

    def rectified(self, y: ir.Value, floor: ir.Value | None = None) -> ir.Value:
        """y, but `floor`, or 0, where it is below that: NaN and -0.0 stay."""
        floor = floor or self.zero
        return self.builder.select(self.builder.fcmp_ordered("<", y, floor), floor, y)


def data(context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value) -> ir.Value:
    """Address of an array's first element."""
    return builder.extract_value(array, context.data_model_manager[array_type].get_field_position("data"))


class Finish:
    """What becomes of the sums of a convolution before they are written: batch norm, a sum with r, and ReLU.

    Kernels hand on one argument, () for nothing, or (r, table, plane): r as the result or empty; the table holds mean,
    scale and shift of all channels, each `plane` long, then a vector of -0.0, which stands in for r where r is empty,
    and one of what values must not be below, 0 or -inf.
    """

    def __init__(self, context: Any, v: Vectors, kind: Any, argument: ir.Value) -> None:
        r, table, self.plane = cgutils.unpack_tuple(v.builder, argument)
        self.v, self.table = v, data(context, v.builder, kind.types[1], table)
        array = context.make_array(kind.types[0])(context, v.builder, r)
        self.given = v.builder.icmp_signed("!=", array.nitems, INT(0))
        constants = v.builder.gep(self.table, [v.builder.mul(self.plane, INT(3))])
        self.r = v.builder.select(self.given, array.data, constants)
        self.floor = v.load(v.builder.gep(constants, [INT(v.lanes)]))

    def step(self, size: ir.Value) -> ir.Value:
        """A distance in the result, as a distance in r."""
        return self.v.builder.select(self.given, size, INT(0))

    def factors(self, channel: ir.Value) -> list[ir.Value]:
        """Mean, scale and shift of a vector of channels."""
        first = _shifted(self.v.builder, self.table, channel)
        return [self.v.load(_shifted(self.v.builder, first, *[self.plane] * i)) for i in range(3)]

    def __call__(self, t: ir.Value, factors: list[ir.Value], place: ir.Value, mask: ir.Value | None) -> ir.Value:
        """A vector of sums, finished; place: of r."""
        y = self.v.builder.fadd(self.v.normal(t, *factors), self.v.load(place, mask))
        return self.v.rectified(y, self.floor)


def finish_of(context: Any, v: Vectors, kind: Any, argument: ir.Value) -> Finish | None:
    """What a kernel's argument says, None if it is ()."""
    return Finish(context, v, kind, argument) if len(kind.types) else None


def finishing_kernel(body: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a kernel whose last argument is a `Finish` or (), compiled apart for each when it is first needed."""
    plain, finishing = kernel(body), kernel(body)
    finishing.__name__ += "_finishing"

    @functools.wraps(body)
    def run(heavy: bool, *arguments: Any) -> None:
        (finishing if arguments[-1] else plain)(heavy, *arguments)

    return run


def _shifted(builder: ir.IRBuilder, address: ir.Value, *offsets: ir.Value) -> ir.Value:
    for offset in offsets:
        address = builder.gep(address, [offset])
    return address


def _sums(v: Vectors, height: int, vectors: int) -> list[list[ir.Value]]:
    """The accumulators, zero: slots that LLVM turns into registers."""
    return [[cgutils.alloca_once_value(v.builder, v.zero) for _ in range(vectors)] for _ in range(height)]


def _steps(v: Vectors, lefts: list[ir.Value], a_at: ir.Value, count: ir.Value, a_step: ir.Value, b_at: ir.Value,
           b_step: ir.Value, sums: list[list[ir.Value]]) -> None:
    """sums[m][j] += A[m] * B[j], `count` times; A stands a_at (a slot) behind lefts[m], B at b_at (a slot)."""
    builder = v.builder
    with cgutils.for_range(builder, count):
        a_now, b_now = builder.load(a_at), builder.load(b_at)
        rights = [v.load(_shifted(builder, b_now, INT(j * v.lanes))) for j in range(len(sums[0]))]
        for left, row_sums in zip(lefts, sums, strict=True):
            scalar = v.splat(builder.load(_shifted(builder, left, a_now)))
            for right, total in zip(rights, row_sums, strict=True):
                builder.store(v.fma(scalar, right, builder.load(total)), total)
        builder.store(builder.add(a_now, a_step), a_at)
        builder.store(_shifted(builder, b_now, b_step), b_at)


def _add_old(v: Vectors, sums: list[list[ir.Value]], places: list[ir.Value], accumulate: ir.Value,
             mask: ir.Value | None = None) -> None:
    """Add what stands at `places`, a row each, to the accumulators, if told; of a last vector what the mask allows."""
    builder = v.builder
    with builder.if_then(builder.icmp_signed("!=", accumulate, INT(0))):
        for place, row_sums in zip(places, sums, strict=True):
            for j, total in enumerate(row_sums):
                old = v.load(_shifted(builder, place, INT(j * v.lanes)), mask if j == len(row_sums) - 1 else None)
                builder.store(builder.fadd(old, builder.load(total)), total)


def _write(v: Vectors, sums: list[list[ir.Value]], places: list[ir.Value], valid: ir.Value | None = None,
           finish: Any = None) -> None:
    """The accumulators to `places`, a row each; of a last vector the first `valid` lanes.

    finish: a function (value, row, vector, mask) that says what to write instead.
    """
    mask = v.mask(valid) if finish and valid is not None else None
    for m, (place, row_sums) in enumerate(zip(places, sums, strict=True)):
        for j, total in enumerate(row_sums):
            value, at = v.builder.load(total), _shifted(v.builder, place, INT(j * v.lanes))
            if finish:
                value = finish(value, m, j, mask if j == len(row_sums) - 1 else None)
            if valid is not None and j == len(row_sums) - 1:
                v.store_first(value, at, valid)
            else:
                v.store(value, at)


def make_tile(height: int, vectors: int, finishing: bool = False) -> Any:
    """The tile of height x vectors accumulators, as a function to call from jitted code; see the top of this file.

    finishing: it does not accumulate, but takes the number of the first of C's channels and a `Finish`.
    """

    def emit(context, builder, signature, arguments):
        (a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale, inner, inner_stride,
         b, b_start, b_step, c, c_start, targets, target_scale, valid, *more) = (
            data(context, builder, kind, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True))
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))

        def entry(table, index):
            return builder.load(builder.gep(table, [index]))

        def shifted(address, *offsets):
            return _shifted(builder, address, *offsets)

        numbers = [builder.add(row, INT(m)) for m in range(height)]
        numbers = [builder.select(builder.icmp_signed("<", m, row_last), m, row_last) for m in numbers]
        lefts = [shifted(a, a_start, builder.mul(entry(rows, m), row_scale)) for m in numbers]
        places = [shifted(c, c_start, builder.mul(entry(targets, m), target_scale)) for m in numbers]
        for place in places:  # 1x1, C64 32x32: 6.2 ms without, 5.7 with (2 cores Zen 3, 2026-11)
            v.fetch(place, write=True)
        finish, finished = finish_of(context, v, signature.args[-1], more[1]) if finishing else None, None
        if finish:
            start, scale = finish.step(c_start), finish.step(target_scale)
            beside = [shifted(finish.r, start, builder.mul(entry(targets, m), scale)) for m in numbers]
        sums = _sums(v, height, vectors)
        a_at = cgutils.alloca_once(builder, INT)  # LLVM turns these slots into registers
        b_at = cgutils.alloca_once_value(builder, shifted(b, b_start))
        with cgutils.for_range_slice(builder, outer_start, outer_stop, INT(1)) as (o, _):
            builder.store(builder.mul(entry(outer, o), outer_scale), a_at)
            _steps(v, lefts, a_at, inner, inner_stride, b_at, b_step, sums)

        if not finishing:
            _add_old(v, sums, places, more[0], v.mask(valid))
        elif finish:
            factors = [finish.factors(builder.add(more[0], INT(j * v.lanes))) for j in range(vectors)]

            def finished(value, m, j, mask):
                return finish(value, factors[j], shifted(beside[m], finish.step(INT(j * v.lanes))), mask)

        with builder.if_else(builder.icmp_signed("<", valid, INT(v.lanes))) as (partly, wholly):
            with partly:
                _write(v, sums, places, valid, finished)
            with wholly:
                _write(v, sums, places, None, finished)
        return context.get_dummy_value()

    size = types.intp

    def signature(a, rows, outer, b, c, targets, *more):
        return types.void(a, size, rows, *[size] * 3, outer, *[size] * 5, b, size, size, c, size, targets, size, size,
                          *more)

    @intrinsic
    def tile(typingctx, a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale,
             inner, inner_stride, b, b_start, b_step, c, c_start, targets, target_scale, valid, accumulate):
        return signature(a, rows, outer, b, c, targets, size), emit

    @intrinsic
    def finishing_tile(typingctx, a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop,
                       outer_scale, inner, inner_stride, b, b_start, b_step, c, c_start, targets, target_scale, valid,
                       channel, finish):
        return signature(a, rows, outer, b, c, targets, size, finish), emit

    return finishing_tile if finishing else tile


def make_panel(height: int, vectors: int) -> Any:
    """The tile for operands at regular distances, over `count` rows, `height` at a time:

        C[m, :] (+)= sum over s of A[m, s] * B[s, :]

        address of A[m, s] = a + a_start + a_row*m + a_step*s        of C[m, 0] = c + c_start + c_row*m

    B's steps stand side by side. Nothing is masked; the last tile repeats the last row, as above. This is for short
    sums, where the tables and masks of `make_tile` cost more than they give.
    """

    @intrinsic
    def panel(typingctx, a, a_start, a_row, a_step, count, b, b_start, steps, c, c_start, c_row, accumulate):
        size = types.intp
        signature = types.void(a, *[size] * 4, b, size, size, c, *[size] * 3)

        def emit(context, builder, signature, arguments):
            (a, a_start, a_row, a_step, count, b, b_start, steps, c, c_start, c_row, accumulate) = (
                data(context, builder, kind, value) if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, arguments, strict=True))
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            last = builder.sub(count, INT(1))
            with cgutils.for_range_slice(builder, INT(0), count, INT(height)) as (low, _):
                numbers = [builder.add(low, INT(m)) for m in range(height)]
                numbers = [builder.select(builder.icmp_signed("<", m, last), m, last) for m in numbers]
                lefts = [_shifted(builder, a, a_start, builder.mul(m, a_row)) for m in numbers]
                places = [_shifted(builder, c, c_start, builder.mul(m, c_row)) for m in numbers]
                sums = _sums(v, height, vectors)
                a_at = cgutils.alloca_once_value(builder, INT(0))
                b_at = cgutils.alloca_once_value(builder, _shifted(builder, b, b_start))
                _steps(v, lefts, a_at, steps, a_step, b_at, INT(vectors * v.lanes), sums)
                _add_old(v, sums, places, accumulate)
                _write(v, sums, places)
            return context.get_dummy_value()

        return signature, emit

    return panel


wide, narrow = make_tile(ROWS, 2), make_tile(ROWS_NARROW, 1)
wide_finishing, narrow_finishing = make_tile(ROWS, 2, finishing=True), make_tile(ROWS_NARROW, 1, finishing=True)
wide_panel, narrow_panel = make_panel(ROWS, 2), make_panel(ROWS_NARROW, 1)


@intrinsic
def move(typingctx, source, start, target, at, valid):
    """One vector from source[start:] to target[at:]: `valid` lanes are read, the others become zero.

    Making a mask costs more than the load: depthwise weight gradient, 32 channels, 27% slower without the other way.
    """

    def emit(context, builder, signature, arguments):
        source, target = (data(context, builder, signature.args[i], arguments[i]) for i in (0, 2))
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        source, target = builder.gep(source, [arguments[1]]), builder.gep(target, [arguments[3]])
        with builder.if_else(builder.icmp_signed("<", arguments[4], INT(v.lanes))) as (partly, wholly):
            with partly:
                v.store(v.load(source, v.mask(arguments[4])), target)
            with wholly:
                v.store(v.load(source), target)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), emit


@intrinsic
def turn(typingctx, source, start, row, rows, target, at, step):
    """A square of vectors, transposed: target[at + step*i + j] = source[start + row*j + i] for i, j < lanes.

    Of the source `rows` rows are read, the last of them in place of those that follow.
    """

    def emit(context, builder, signature, arguments):
        source, target = (data(context, builder, signature.args[i], arguments[i]) for i in (0, 4))
        _, start, row, rows, _, at, step = arguments
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        lanes, last = range(v.lanes), builder.sub(rows, INT(1))
        numbers = [builder.select(builder.icmp_signed("<", INT(j), last), INT(j), last) for j in lanes]
        square = [v.load(_shifted(builder, source, start, builder.mul(row, j))) for j in numbers]
        for bit in (1 << i for i in range(v.lanes.bit_length() - 1)):  # swap this bit of row and lane number
            low = [lane + (v.lanes - bit if lane & bit else 0) for lane in lanes]
            high = [lane + (v.lanes if lane & bit else bit) for lane in lanes]
            for j in (j for j in lanes if not j & bit):
                pair = square[j], square[j + bit]
                square[j], square[j + bit] = (
                    builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(LANE, v.lanes), order))
                    for order in (low, high))
        for i, vector in enumerate(square):
            v.store(vector, _shifted(builder, target, at, builder.mul(step, INT(i))))
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, size, target, size, size), emit


@intrinsic
def copy(typingctx, source, start, target, at, count):
    """target[at:at+count] = source[start:start+count], by memcpy.

    numba's own loop checks every index and stays scalar: conv C64 32x32, one core, 221 GFLOP/s with it and 257 without
    (2026-11).
    """

    def emit(context, builder, signature, arguments):
        source, target = (data(context, builder, signature.args[i], arguments[i]) for i in (0, 2))
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.raw_memcpy(builder, builder.gep(target, [arguments[3]]), builder.gep(source, [arguments[1]]),
                           arguments[4], size)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), emit


@intrinsic
def fetch(typingctx, source, at):
    """Bring the line of the cache at source[at], which need not exist, to the core."""

    def emit(context, builder, signature, arguments):
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        v.fetch(builder.gep(data(context, builder, signature.args[0], arguments[0]), [arguments[1]]))
        return context.get_dummy_value()

    return types.void(source, types.intp), emit


@intrinsic
def clear(typingctx, target, at, count):
    """target[at:at+count] = 0"""

    def emit(context, builder, signature, arguments):
        address = builder.gep(data(context, builder, signature.args[0], arguments[0]), [arguments[1]])
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.memset(builder, address, builder.mul(arguments[2], INT(size)), 0)
        return context.get_dummy_value()

    return types.void(target, types.intp, types.intp), emit


@intrinsic
def claim(typingctx, counter):
    """counter[0]++ in one atomic step: the worker that gets a number owns the block of that number."""

    def emit(context, builder, signature, arguments):
        return builder.atomic_rmw("add", data(context, builder, signature.args[0], arguments[0]), INT(1), "monotonic")

    return types.intp(counter), emit
