"""The register tile: the inner loop of dense convolution, both its gradients, and matrix products.

They spend their time in one product,

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
addresses that do not fit into registers are reloaded in the shadow of the FMAs. Rows at a constant distance have a tile
of their own only for short sums (`make_panel`). B lies packed, b_step apart. A tile at the lower edge repeats its last
row: the same thread writes the same value twice. At the right edge the last vector of C is masked to `valid` lanes.

Shapes, float32, one core of an AMD Zen 5 with AVX-512 (32 registers), GFLOP/s in cache, 2026-11, 192 x 3 steps:

| MR x NV | 14x2 | 13x2 | 12x2 | 9x3 | 8x3 | 6x4 | 5x5 | 24x1 | 28x1 | 16x1 |
|---------|------|------|------|-----|-----|-----|-----|------|------|------|
| GFLOP/s |  275 |  278 |  276 | 271 | 272 | 273 | 272 |  246 |  240 |  199 |

NV = 1 needs a load for each FMA; it serves what is left of the columns.

That is the tile by itself. In whole kernels 8x2 and 8x1 win: the addresses of 8 rows stay in registers, fewer rows are
repeated at the lower edge, and a tile costs some cycles before its first step. One core of an AMD Zen 4 with AVX-512,
GFLOP/s, 2026-11:

| convolution | 1x1, 32 to 64 | 1x1, 64 to 64 | 3x3, 3 to 64 | 3x3, 3 to 16 | 5x5, 6 to 16 | stride 2, 16 to 32, back |
|-------------|---------------|---------------|--------------|--------------|--------------|--------------------------|
| 14x2, 28x1  |            82 |            84 |           69 |           68 |           98 |                       83 |
| 8x2, 8x1    |            96 |            98 |           92 |           89 |          109 |                      107 |

Matrices of 1024 columns run at 108, before at 78: 14 rows, 4,096 bytes apart, fell into one set of the cache, which has
room for 8.

A tile reads rows side by side, which the processor does not foresee. So while it sums it fetches, a line a step, what
the next tile reads for the first time: 1x1, 64 to 64 channels of 32x32 pixels 87 -> 100 GFLOP/s, 64 to 128 of 16x16
81 -> 104, 128 to 128 89 -> 100, 128 to 256 of 8x8 96 -> 106 (as above, N64). Some tiles of a vector or half of one,
which load for each FMA, lost a third by it.

The tile by itself on one core of an AMD Zen 3 with AVX2 (16 registers, medians of a busy day), 2026-11, 64 x 3 steps:

| MR x NV | 6x2 | 5x2 | 4x2 | 4x3 | 3x3 | 2x5 | 3x4 | 12x1 | 10x1 | 8x1 | 7x1 | 6x1 |
|---------|-----|-----|-----|-----|-----|-----|-----|------|------|-----|-----|-----|
| GFLOP/s |  69 |  69 |  67 |  68 |  68 |  67 |  36 |   48 |   43 |  48 |  58 |  52 |

Here registers for addresses run out, too: more than 7 rows keep some in memory. In whole kernels 8x1 wins, since a tile
costs some cycles before its first step: up to 10 % over 12x1 in weight gradients, 2 % over 7x1 forward. The shapes for
4 lanes follow from the 32 registers of ARM's processors and were not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.tile.epilogue import epilogue_of
from minitorch.kernels.words.registers import INT, WIDTH, Vectors, intrinsic, unpacked

ROWS = {16: 8, 8: 6, 4: 8}[WIDTH]  # MR of the tile of two vectors
ROWS_NARROW = {16: 8, 8: 8, 4: 16}[WIDTH]  # MR of the tile of one vector
ROWS_HALF = 12  # MR of the tile of half a vector; 8, 10, 14 rows: up to a third slower (one core Zen 4, 2026-11)
# MR of a panel of two vectors, and of one. They divide 16, 32, 64 ... channels, so that no row is wasted. 16 lanes: 14
# and 28 took 1.6 times as long in weight gradients of 16 channels, 1.4 of 32, 1.1 of 256 (one core Zen 4, 2026-11).
ROWS_PANEL, PANEL = {16: 8, 8: 4, 4: 8}[WIDTH], 8


def _sums(v: Vectors, height: int, vectors: int) -> list[list[ir.Value]]:
    """The accumulators, zero: slots that LLVM turns into registers."""
    return [[cgutils.alloca_once_value(v.builder, v.zero) for _ in range(vectors)] for _ in range(height)]


def _steps(v: Vectors, lefts: list[ir.Value], a_at: ir.Value, count: ir.Value, a_step: ir.Value, b_at: ir.Value,
           b_step: ir.Value, sums: list[list[ir.Value]], ahead: tuple[ir.Value, ir.Value] | None = None) -> None:
    """sums[m][j] += A[m] * B[j], `count` times; A starts a_at (a slot) behind lefts[m], B at b_at (a slot).

    ahead: a slot with the address of a line of the cache to fetch, and how far apart those of two steps are.
    """
    builder = v.builder
    with cgutils.for_range(builder, count):
        a_now, b_now = builder.load(a_at), builder.load(b_at)
        if ahead:
            slot, step = ahead
            v.fetch(now := builder.load(slot))
            builder.store(v.at(now, step), slot)
        rights = [v.load(cell) for cell in v.cells(b_now, len(sums[0]))]
        for left, row_sums in zip(lefts, sums, strict=True):
            scalar = v.splat(builder.load(v.at(left, a_now)))
            for right, total in zip(rights, row_sums, strict=True):
                builder.store(v.fma(scalar, right, builder.load(total)), total)
        builder.store(builder.add(a_now, a_step), a_at)
        builder.store(v.at(b_now, b_step), b_at)


def _add_old(v: Vectors, sums: list[list[ir.Value]], places: list[ir.Value], accumulate: ir.Value,
             mask: ir.Value | None = None) -> None:
    """Add the values at `places`, a row each, to the accumulators, if told; of a last vector what the mask allows."""
    builder = v.builder
    with builder.if_then(builder.icmp_signed("!=", accumulate, INT(0))):
        for place, row_sums in zip(places, sums, strict=True):
            *all_but_last, last = v.cells(place, len(row_sums))
            olds = [*map(v.load, all_but_last), v.load(last, mask)]
            for old, total in zip(olds, row_sums, strict=True):
                builder.store(builder.fadd(old, builder.load(total)), total)


def _write(v: Vectors, sums: list[list[ir.Value]], places: list[ir.Value], valid: ir.Value | None = None,
           finished: Callable[..., list[ir.Value]] | None = None) -> None:
    """The accumulators to `places`, a row each; of a last vector the first `valid` lanes.

    finished: a function (row, its number, mask of the last vector) that says what to write instead.
    """
    mask = v.mask(valid) if finished and valid is not None else None
    for m, (place, row_sums) in enumerate(zip(places, sums, strict=True)):
        values = [v.builder.load(total) for total in row_sums]
        if finished:
            values = finished(values, m, mask)
        *cells, last = v.cells(place, len(values))
        for value, cell in zip(values[:-1], cells, strict=True):
            v.store(value, cell)
        if valid is None:
            v.store(values[-1], last)
        else:
            v.store_first(values[-1], last, valid)


def make_tile(height: int, vectors: int, share: int = 1) -> Any:
    """The tile of height x vectors accumulators, as a function to call from jitted code; see the top of this file.

    A: its rows are rows[row] ... rows[row_last], of which the tile takes the first `height`. Steps: outer[outer_start]
    ... outer[outer_stop - 1], `inner` of each. B: from b_start on. C: row m at c_start + target_scale*targets[m], its
    last vector masked to `valid` lanes; `accumulate`, 0 or 1: whether the values there are added. finish: a `Epilogue`,
    or (), of columns from `channel` on. A vector is 1 / share of a register.
    ahead: where in A a tile of two vectors fetches a line, ahead_step elements further in each step; others ignore it.
    """

    @intrinsic
    def tile(typingctx, a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale,
             inner, inner_stride, b, b_start, b_step, c, c_start, targets, target_scale, valid, accumulate, channel,
             ahead, ahead_step, finish):
        size = types.intp
        signature = types.void(a, size, rows, *[size] * 3, outer, *[size] * 5, b, size, size, c, size, targets,
                               *[size] * 6, finish)

        def emit(context, builder, signature, arguments):
            (a, a_start, rows, row, row_last, row_scale, outer, outer_start, outer_stop, outer_scale, inner,
             inner_stride, b, b_start, b_step, c, c_start, targets, target_scale, valid, accumulate, channel,
             ahead, ahead_step, finish) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype), share)
            finish = epilogue_of(context, v, signature.args[-1], finish)

            def entry(table, index, scale):
                return builder.mul(builder.load(v.at(table, index)), scale)

            numbers = v.clamped(row, height, row_last)
            lefts = [v.at(a, a_start, entry(rows, m, row_scale)) for m in numbers]
            places = [v.at(c, c_start, entry(targets, m, target_scale)) for m in numbers]
            for place in places:  # 1x1, C64 32x32, GFLOP/s: 75 if only the first line is fetched, 85 (one core Zen 4)
                for cell in v.cells(place, vectors):
                    v.fetch(cell, write=True)
            if finish:
                start, scale = finish.step(c_start), finish.step(target_scale)
                beside = [v.at(finish.r, start, entry(targets, m, scale)) for m in numbers]
            sums = _sums(v, height, vectors)
            a_at = cgutils.alloca_once(builder, INT)  # LLVM turns these slots into registers
            b_at = cgutils.alloca_once_value(builder, v.at(b, b_start))
            next_line = (cgutils.alloca_once_value(builder, v.at(a, ahead)), ahead_step) if vectors > 1 else None
            with cgutils.for_range_slice(builder, outer_start, outer_stop, INT(1)) as (o, _):
                builder.store(entry(outer, o, outer_scale), a_at)
                _steps(v, lefts, a_at, inner, inner_stride, b_at, b_step, sums, next_line)
            _add_old(v, sums, places, accumulate, v.mask(valid))
            finished: Any = None
            if finish:
                factors = [finish.factors(builder.add(channel, INT(j * v.lanes))) for j in range(vectors)]

                def finished(values, m, mask):
                    cells = [v.at(beside[m], finish.step(INT(j * v.lanes))) for j in range(vectors)]
                    masks = [None] * (vectors - 1) + [mask]
                    return list(map(finish, values, factors, cells, masks))

            with builder.if_else(builder.icmp_signed("<", valid, INT(v.lanes))) as (partly, wholly):
                with partly:
                    _write(v, sums, places, valid, finished)
                with wholly:
                    _write(v, sums, places, None, finished)
            return context.get_dummy_value()

        return signature, emit

    return tile


def make_panel(height: int, vectors: int, turned: bool = False) -> Any:
    """The tile for operands in vectors, for `products` products of `count` rows, `height` at a time:

        C[m, :] (+)= sum over s of A[m, s] * B[s, :]

    A consists of vectors. Number s // L of row m lies a_vector * (s // L) + L*m behind the start; if `turned`, number
    m // L of step s lies a_vector * (m // L) + L*s behind. B's steps lie side by side, as do C's rows. From one product
    to the next a, b and c move on by a_jump, b_jump and c_jump. Nothing is masked, and rows come in whole tiles: there
    must be memory for them. While it sums, a panel of two vectors that is not turned fetches B of the next product.

    The compiler knows all distances inside of a tile, so that addresses take two registers. This is for short sums,
    where the tables and masks of `make_tile` cost more than they give.
    """

    @intrinsic
    def panel(typingctx, products, a, a_start, a_jump, a_vector, count, b, b_start, b_jump, steps,
              c, c_start, c_jump, accumulate):
        size = types.intp
        signature = types.void(size, a, *[size] * 4, b, *[size] * 3, c, *[size] * 3)

        def emit(context, builder, signature, arguments):
            (products, a, a_start, a_jump, a_vector, count, b, b_start, b_jump, steps,
             c, c_start, c_jump, accumulate) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[1].dtype))
            lanes, width = INT(v.lanes), INT(vectors * v.lanes)
            with cgutils.for_range(builder, products) as product:
                a_now, b_now, c_now = (
                    v.at(base, start, builder.mul(product.index, jump))
                    for base, start, jump in ((a, a_start, a_jump), (b, b_start, b_jump), (c, c_start, c_jump)))
                with cgutils.for_range_slice(builder, INT(0), count, INT(min(height, v.lanes))) as (low, _):
                    sums = _sums(v, min(height, v.lanes), vectors)
                    b_at = cgutils.alloca_once_value(builder, b_now)
                    if turned:
                        first = v.at(a_now, builder.mul(builder.udiv(low, lanes), a_vector), builder.urem(low, lanes))
                        a_at = cgutils.alloca_once_value(builder, INT(0))
                        lefts = [v.at(first, INT(m)) for m in range(len(sums))]
                        _steps(v, lefts, a_at, steps, lanes, b_at, width, sums)
                    else:
                        first = cgutils.alloca_once_value(builder, v.at(a_now, builder.mul(low, lanes)))
                        with cgutils.for_range_slice(builder, INT(0), steps, lanes) as (step, _):
                            left, rest = builder.load(first), builder.sub(steps, step)
                            lefts = [v.at(left, INT(m * v.lanes)) for m in range(len(sums))]
                            a_at = cgutils.alloca_once_value(builder, INT(0))
                            ahead = cgutils.alloca_once_value(builder, v.at(builder.load(b_at), b_jump))
                            next_line = (ahead, width) if vectors > 1 else None
                            some = builder.select(builder.icmp_signed("<", rest, lanes), rest, lanes)
                            _steps(v, lefts, a_at, some, INT(1), b_at, width, sums, next_line)
                            builder.store(v.at(left, a_vector), first)
                    place = v.at(c_now, builder.mul(low, width))
                    cells = [v.at(place, INT(m * vectors * v.lanes)) for m in range(len(sums))]
                    _add_old(v, sums, cells, accumulate)
                    _write(v, sums, cells)
            return context.get_dummy_value()

        return signature, emit

    return panel


wide, narrow, half = make_tile(ROWS, 2), make_tile(ROWS_NARROW, 1), make_tile(ROWS_HALF, 1, share=2)
wide_panel, narrow_panel = make_panel(ROWS_PANEL, 2), make_panel(PANEL, 1)
wide_turned, narrow_turned = make_panel(ROWS_PANEL, 2, turned=True), make_panel(PANEL, 1, turned=True)
