"""The register tile: the one place that emits LLVM vector code.

Convolution, both its gradients and matmul spend their time in one product,

    C[m, :] (+)= sum over steps s of A[m, s] * B[s, :]        m = 0 .. MR-1,  ":" = NV vectors of L lanes

whose MR x NV accumulators stay in registers: every step loads NV vectors of B, broadcasts MR scalars of A, and does
MR*NV fused multiply-adds. A step costs (MR + NV) loads for MR*NV FMAs, so a big tile is bound by arithmetic alone; it must
leave room for the NV vectors of B and one broadcast: MR*NV + NV + 1 <= registers.

What differs between the products is only where A's scalars lie. The steps are two nested loops,

    address of A[m, (o, i)] = a + row_scale*rows[m] + outer_scale*outer[o] + inner_stride*i

- conv: rows are output pixels, outer the (runs of) taps, inner the channels;
- conv_transpose: the same, over another table;
- conv_weight_grad: rows are (tap, channel) pairs, outer the rows of output pixels, inner the pixels along them;
- matmul: rows and inner steps of a strided matrix.

B advances by b_step a step. The rows of C lie at c + target_scale*targets[m]. A tile at the lower edge repeats the last row (the same
value is written twice by the same thread); at the right edge the last vector of C, and of an unpacked B, is masked.

Measured, float32, one core (AMD Zen 5, 2026-11), see the table at the bottom.
"""

from __future__ import annotations

import os

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INT = ir.IntType(64)


def vector_width() -> int:
    """Float32 lanes of this machine's vectors: MINITORCH_VECTOR_WIDTH if set, else 16, 8 or 4 by the host's features."""
    chosen = os.environ.get("MINITORCH_VECTOR_WIDTH")
    if chosen:
        if chosen not in ("16", "8", "4"):
            raise ValueError(f"MINITORCH_VECTOR_WIDTH must be 16, 8 or 4, but is {chosen!r}")
        return int(chosen)
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx2") else 4


WIDTH = vector_width()
ROWS = {16: 14, 8: 6, 4: 8}[WIDTH]  # MR of the tile of two vectors
ROWS_NARROW = {16: 28, 8: 12, 4: 16}[WIDTH]  # MR of the tile of one vector


def make_tile(rows_count, vectors, masked):
    """An intrinsic for one tile shape; `masked` says that the last vector of B must not be read beyond `valid` lanes."""

    @intrinsic
    def tile(typingctx, a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale,
             inner, inner_stride, b, b_start, b_step, c, c_start, targets, target_scale, valid, accumulate):
        signature = types.void(a, types.intp, rows, *[types.intp] * 3, outer, *[types.intp] * 5, b, types.intp, types.intp,
                               c, types.intp, targets, *[types.intp] * 3)

        def emit(context, builder, signature, arguments):
            (a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale, inner, inner_stride,
             b, b_start, b_step, c, c_start, targets, target_scale, valid, accumulate) = arguments
            scalar = context.get_data_type(signature.args[0].dtype)
            lanes = WIDTH if isinstance(scalar, ir.FloatType) else WIDTH // 2
            vector = ir.VectorType(scalar, lanes)
            mask_type = ir.VectorType(ir.IntType(1), lanes)
            suffix = f"v{lanes}f{32 if isinstance(scalar, ir.FloatType) else 64}"

            def data(position):
                return context.make_array(signature.args[position])(context, builder, arguments[position]).data

            def declare(name, result, *argument_types):
                return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, argument_types), name)

            pointer = vector.as_pointer()
            fma = declare(f"llvm.fma.{suffix}", vector, vector, vector, vector)
            masked_load = declare(f"llvm.masked.load.{suffix}.p0", vector, pointer, ir.IntType(32), mask_type, vector)
            masked_store = declare(f"llvm.masked.store.{suffix}.p0", ir.VoidType(), vector, pointer, ir.IntType(32), mask_type)
            size = scalar.width // 8 if hasattr(scalar, "width") else (4 if isinstance(scalar, ir.FloatType) else 8)
            align = ir.Constant(ir.IntType(32), size)
            zero = ir.Constant(vector, None)
            index = ir.Constant(ir.VectorType(INT, lanes), list(range(lanes)))

            def splat(value, vector_type):
                undefined = ir.Constant(vector_type, ir.Undefined)
                first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))

            mask = builder.icmp_signed("<", index, splat(valid, index.type))

            def load(address, last):
                address = builder.bitcast(address, pointer)
                if last and masked:
                    return builder.call(masked_load, [address, align, mask, zero])
                return builder.load(address, align=size)

            def table(position, at):
                return builder.load(builder.gep(data(position), [at]))

            def row_index(m):
                at = builder.add(row, INT(m))
                return builder.select(builder.icmp_signed("<", at, row_last), at, row_last)

            at = [row_index(m) for m in range(rows_count)]
            origin = builder.gep(data(0), [a_start])
            bases = [builder.gep(origin, [builder.mul(table(2, i), row_scale)]) for i in at]
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)] for _ in range(rows_count)]
            b_at = cgutils.alloca_once_value(builder, builder.gep(data(12), [b_start]))
            with cgutils.for_range_slice(builder, outer_start, outer_stop, INT(1)) as (o, _):
                a_at = cgutils.alloca_once_value(builder, builder.mul(table(6, o), outer_scale))
                builder.store(builder.mul(table(6, o), outer_scale), a_at)
                with cgutils.for_range(builder, inner):
                    offset, b_now = builder.load(a_at), builder.load(b_at)
                    right = [load(builder.gep(b_now, [INT(v * lanes)]), v == vectors - 1) for v in range(vectors)]
                    for base, row_sums in zip(bases, sums, strict=True):
                        left = splat(builder.load(builder.gep(base, [offset])), vector)
                        for part, total in zip(right, row_sums, strict=True):
                            builder.store(builder.call(fma, [left, part, builder.load(total)]), total)
                    builder.store(builder.add(offset, inner_stride), a_at)
                    builder.store(builder.gep(b_now, [b_step]), b_at)

            start = builder.gep(data(15), [c_start])
            places = [builder.gep(start, [builder.mul(table(17, i), target_scale)]) for i in at]
            keep = builder.icmp_signed("!=", accumulate, INT(0))
            with builder.if_then(keep):
                for place, row_sums in zip(places, sums, strict=True):
                    for v, total in enumerate(row_sums):
                        address = builder.bitcast(builder.gep(place, [INT(v * lanes)]), pointer)
                        old = (builder.call(masked_load, [address, align, mask, zero]) if v == vectors - 1
                               else builder.load(address, align=size))
                        builder.store(builder.fadd(old, builder.load(total)), total)
            for place, row_sums in zip(places, sums, strict=True):
                for v, total in enumerate(row_sums):
                    address = builder.bitcast(builder.gep(place, [INT(v * lanes)]), pointer)
                    if v == vectors - 1:
                        builder.call(masked_store, [builder.load(total), address, align, mask])
                    else:
                        builder.store(builder.load(total), address, align=size)
            return context.get_dummy_value()

        return signature, emit

    return tile


wide = make_tile(ROWS, 2, masked=False)
narrow = make_tile(ROWS_NARROW, 1, masked=False)
wide_masked = make_tile(ROWS, 2, masked=True)
narrow_masked = make_tile(ROWS_NARROW, 1, masked=True)


@intrinsic
def claim(typingctx, counter):
    """counter[0]++ as one atomic step: the worker that gets a number owns the block of that number."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", data, INT(1), "monotonic")

    return types.intp(counter), emit
