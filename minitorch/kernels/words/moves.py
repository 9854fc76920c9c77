"""Small steps that numba's Python has no words for: vectors and lines are moved, cleared, fetched, blocks claimed."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.words.registers import INT, LANE, Vectors, intrinsic, unpacked


@intrinsic
def address(typingctx, like, number):
    """A pointer to elements of the dtype of `like`, from an address: for memory that no array shows as a whole."""

    def emit(context, builder, signature, arguments):
        return builder.inttoptr(arguments[1], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(like, types.intp), emit


@intrinsic
def move(typingctx, source, start, target, at, valid):
    """One vector from source[start:] to target[at:]: `valid` lanes are read, the others become zero.

    Making a mask costs more than the load, so whole vectors go another way.
    """

    def emit(context, builder, signature, arguments):
        source, start, target, at, valid = unpacked(context, builder, signature, arguments)
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        source, target = v.at(source, start), v.at(target, at)
        with builder.if_else(builder.icmp_signed("<", valid, INT(v.lanes))) as (partly, wholly):
            with partly:
                v.store(v.load(source, v.mask(valid)), target)
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
        source, start, row, rows, target, at, step = unpacked(context, builder, signature, arguments)
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        lanes, numbers = range(v.lanes), v.clamped(INT(0), v.lanes, builder.sub(rows, INT(1)))
        square = [v.load(v.at(source, start, builder.mul(row, j))) for j in numbers]
        # Swap each bit of row and lane number in turn. Of 4 lanes, bit 1 makes a0 a1 a2 a3, b0 b1 b2 b3 of two rows
        # a0 b0 a2 b2, a1 b1 a3 b3; bit 2 then exchanges squares of 2x2.
        for bit in (1 << i for i in range(v.lanes.bit_length() - 1)):
            low = [lane + (v.lanes - bit if lane & bit else 0) for lane in lanes]
            high = [lane + (v.lanes if lane & bit else bit) for lane in lanes]
            for j in (j for j in lanes if not j & bit):
                pair = square[j], square[j + bit]
                square[j], square[j + bit] = (
                    builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(LANE, v.lanes), order))
                    for order in (low, high))
        for i, vector in enumerate(square):
            v.store(vector, v.at(target, at, builder.mul(step, INT(i))))
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, size, target, size, size), emit


@intrinsic
def copy(typingctx, source, start, target, at, count):
    """target[at:at+count] = source[start:start+count], by memcpy.

    numba's own loop checks every index and stays scalar: direct conv of C64 32x32 221 GFLOP/s with it and 257
    without (one core Zen 5, 2026-11).
    """

    def emit(context, builder, signature, arguments):
        source, start, target, at, count = unpacked(context, builder, signature, arguments)
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.raw_memcpy(builder, builder.gep(target, [at]), builder.gep(source, [start]), count, size)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), emit


@intrinsic
def fetch(typingctx, source, at):
    """Bring the line of the cache at source[at], which need not exist, to the core."""

    def emit(context, builder, signature, arguments):
        source, at = unpacked(context, builder, signature, arguments)
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        v.fetch(v.at(source, at))
        return context.get_dummy_value()

    return types.void(source, types.intp), emit


@intrinsic
def clear(typingctx, target, at, count):
    """target[at:at+count] = 0"""

    def emit(context, builder, signature, arguments):
        target, at, count = unpacked(context, builder, signature, arguments)
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.memset(builder, builder.gep(target, [at]), builder.mul(count, INT(size)), 0)
        return context.get_dummy_value()

    return types.void(target, types.intp, types.intp), emit


@intrinsic
def claim(typingctx, counter):
    """counter[0]++ in one atomic step: the worker that gets a number owns the block of that number."""

    def emit(context, builder, signature, arguments):
        (counter,) = unpacked(context, builder, signature, arguments)
        return builder.atomic_rmw("add", counter, INT(1), "monotonic")

    return types.intp(counter), emit


@intrinsic
def count_up(typingctx, counter, at, amount):
    """counter[at] += amount in one atomic step, and the sum: who gets the last one sees all that others wrote before.
    """

    def emit(context, builder, signature, arguments):
        counter, at, amount = unpacked(context, builder, signature, arguments)
        return builder.add(builder.atomic_rmw("add", builder.gep(counter, [at]), amount, "acq_rel"), amount)

    return types.intp(counter, types.intp, types.intp), emit


@intrinsic
def lanes_of(typingctx, array):
    """How many of its numbers fill a vector: a constant, so that the compiler knows distances that are multiples."""

    def emit(context, builder, signature, arguments):
        return INT(Vectors(builder, context.get_data_type(signature.args[0].dtype)).lanes)

    return types.intp(array), emit
