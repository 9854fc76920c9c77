"""Batch normalisation over the rows of x (M, C): one pass for the statistics, one to apply them; the same backwards.

All of it is memory traffic: M*C numbers pass by, a handful of operations each. Vector lanes are channels. So that
narrow images fill them too, x is read as wide rows: `fold` rows of C channels are one row of `width` = fold * C
numbers, and what belongs to a channel is written `fold` times in a row (`_spread`). A shorter row may come last.

Sums run over fixed blocks of wide rows, the same for any number of threads. Inside a block, the sums of RUN wide rows
stay in registers, in x's own dtype, then go to the block's float64 sums, whose wide row becomes one number for each
channel; blocks add up in order. A wide row is as long as the sums that fit into the registers: 128 numbers.

Statistics of what a convolution writes are summed block by block as it writes: it counts how much of a block is there
(`sum_written`), and who writes the last of it sums it, while most of it is in a core's cache. The bits are those of one
pass afterwards. A step of MobileNet-like takes 0.96 of the time on one thread and 0.98 on two, of ResNet-20 0.99 and
1.00, of VGG-like 1.00 (in turns, Xeon with AVX-512, 2026-11).

Whatever streams by is fetched ahead (`Vectors.ahead`), also what is about to be written. Without that, on a Xeon whose
L3 cache is far away, a norm with its ReLU took 1.22 ms for 8 MB, with it 0.77; the gradient and its sums 2.08 and 1.64
(one core, 2026-11). They took 1.73 and 3.12 when wide rows had 256 numbers, sums lay in memory and a writing pass began
at the last row: what that finds in the cache is worth less than the processor's own foresight.

The loops are emitted as vectors (`lanewise`) for two reasons: numba's own vectoriser gives up on loops over this many
arrays (it allows eight checks for overlap), and a fused kernel must give the bits of the plain kernels one after the
other. The compiler may contract a product and a sum where it likes, so the loops add to products by `fma` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from minitorch.kernels.engine.runtime import FASTMATH, borrow, give_back, helper, kernel
from minitorch.kernels.words.moves import clear, copy, count_up
from minitorch.kernels.words.registers import AHEAD, INT, WIDTH, Vectors, data, intrinsic, unpacked

__all__ = ["batch_norm_statistics", "batch_norm_apply", "batch_norm_sums", "batch_norm_input_grad", "column_sums",
           "shift_columns"]

HEAVY = 100_000  # elements worth waking the other threads for
COLUMNS = {16: 8, 8: 4, 4: 4}[WIDTH]  # vectors whose sums stay in registers while rows pass by
RUN = 32  # wide rows added up in x's dtype before they go to the float64 sums; few enough for float32
WIDE = np.dtype(np.float64)
NO_SUMS = {kind: (np.empty(0, np.int64), np.empty(0, WIDE), np.empty(0, kind), 1) for kind in "fd"}
NO_NORM = {kind: (np.empty(0, kind),) * 3 for kind in "fd"}  # where a kernel could form what it reads, but need not
_helper = helper(fastmath=FASTMATH)


def batch_norm_statistics(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, invstd: np.ndarray,
                          running_mean: np.ndarray, running_var: np.ndarray, eps: float, momentum: float,
                          sums: Any = ()) -> None:
    """Mean, biased variance and 1 / sqrt(variance + eps) of every column of x (M, C); running ones in place.

    sums: `sums_of` x, of which those blocks are ready that whoever wrote x has counted as written.

    Of a run of n rows with first row s, d = x - s is exact where x is close to s, and gives the sums of x - z and of
    (x - z)^2 round the first row z of its block, in float64, with e = s - z:

        sum(x - z) = sum(d) + n e,    sum((x - z)^2) = sum(d^2) + 2 e sum(d) + n e^2

    and those of blocks in the same way the sums round the first row of all. So one pass is enough and nothing cancels
    when |mean| is much larger than the deviation; a first row far from all others spoils the digits of its own run
    only, to whose variance it adds as much.
    """
    if not x.size:
        for array in (mean, variance, invstd, running_mean, running_var):
            array[...] = np.nan
        return
    rest = x.size - int(sums[0].sum()) if sums else x.size
    written, partial, scratch, width = sums or sums_of(x)
    _statistics(rest > HEAVY, x.reshape(-1), mean, variance, invstd, running_mean, running_var, eps, momentum, written,
                partial, scratch, width)
    give_back(partial, scratch)


def sums_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Room for the sums of every block of x (M, C), for `batch_norm_statistics`, which gives it back.

    How many of the block's numbers are written, its sums in float64, its first pixel, and the length of a wide row.
    """
    fold, blocks = _layout(x)
    width = fold * x.shape[1]
    room = borrow(2 * (blocks + 1) * width, WIDE), borrow(blocks * width, x.dtype)
    return np.zeros(blocks, np.int64), *room, width


def span_of(sums: Any, units: int, least: int) -> int:
    """How many units of work, in multiples of `least`, a worker claims at a time.

    Of a result with `sums_of` it they make about a block, so that all of this is in its cache when it is summed.
    """
    return max(1, units // (least * len(sums[0]))) * least if sums else least


def batch_norm_apply(x: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                     out: np.ndarray, relu: bool) -> None:
    """out = (x - mean) * scale + shift, + r unless that is empty, then 0 where that is negative if `relu`."""
    if not x.size:
        return
    fold, _ = _layout(x)
    scratch = borrow(3 * fold * x.shape[1], x.dtype)
    _apply(x.size > HEAVY, x.reshape(-1), r.reshape(-1), mean, scale, shift, out.reshape(-1), relu, fold, scratch)
    give_back(scratch)


def formed(x: np.ndarray, norm: Any) -> np.ndarray:
    """relu((x - mean) * scale + shift) of images, for norm = (mean, scale, shift); x itself for () or NO_NORM."""
    if not norm or not norm[0].size:
        return x
    (mean, scale, shift), out, channels = norm, np.empty_like(x), x.shape[-1]
    batch_norm_apply(x.reshape(-1, channels), mean[:0], mean, scale, shift, out.reshape(-1, channels), True)
    return out


def batch_norm_sums(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray) -> None:
    """The sums of g and of g h over M, h = (x - mean) * invstd, through the gate of `batch_norm_input_grad`."""
    if not x.size:
        sum_g[...] = sum_gh[...] = 0
        return
    fold, blocks = _layout(x)
    width = fold * x.shape[1]
    partial, scratch = borrow(2 * blocks * width, WIDE), borrow(3 * width, x.dtype)
    _sums(x.size > HEAVY, x.reshape(-1), g.reshape(-1), y.reshape(-1), mean, invstd, scale, shift, sum_g, sum_gh, fold,
          blocks, partial, scratch)
    give_back(partial, scratch)


def batch_norm_input_grad(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                          scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray,
                          out: np.ndarray) -> None:
    """out = scale * (g - sum_g / M - h * sum_gh / M), h = (x - mean) * invstd.

    The gate: g counts as 0 where y is 0 or less, y being the result of a ReLU; if y is empty but `shift` is not, where
    (x - mean) * scale + shift is; if both are empty, nowhere. out may be g.
    """
    if not x.size:
        return
    fold, _ = _layout(x)
    scratch = borrow(5 * fold * x.shape[1], x.dtype)
    _input_grad(x.size > HEAVY, x.reshape(-1), g.reshape(-1), y.reshape(-1), mean, invstd, scale, shift, sum_g, sum_gh,
                out.reshape(-1), fold, scratch)
    give_back(scratch)


def column_sums(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of every column of x (M, C)."""
    if not x.size:
        out[...] = 0
        return
    fold, blocks = _layout(x)
    width = fold * x.shape[1]
    partial = borrow(blocks * width, WIDE)
    _column_sums(x.size > HEAVY, x.reshape(-1), out, fold, blocks, partial)
    give_back(partial)


def shift_columns(x: np.ndarray, b: np.ndarray, out: np.ndarray, relu: bool) -> None:
    """out = x (M, C) + b (C,), then 0 where that is negative if `relu`; out may be x."""
    if not x.size:
        return
    fold, _ = _layout(x)
    scratch = borrow(fold * x.shape[1], x.dtype)
    _shift(x.size > HEAVY, x.reshape(-1), b, out.reshape(-1), relu, fold, scratch)
    give_back(scratch)


def _layout(x: np.ndarray) -> tuple[int, int]:
    """Rows of x in a wide row, and blocks of wide rows. They follow from x's shape alone, not from the kernel."""
    m, channels = x.shape
    fold = max(1, min((128 if channels and 128 % channels == 0 else 256) // max(channels, 1), m))
    if fold > 16:
        fold -= fold % 16  # whole vectors for any number of channels
    return fold, max(1, min(64, m // fold // RUN))


# ------------------------------------------------------------------------------------------------ vectors
def lanewise(outputs: int, body: Callable[..., list], streams: int = 0) -> Any:
    """A function (arrays, starts, count) for jitted code: a vector loop over arrays[i][starts[i]:][:count].

    `body(v, *vectors)` emits the operations on one vector of each array and returns those to store in the first
    `outputs` arrays. The first `streams` arrays are large, and fetched ahead.
    """

    @intrinsic
    def loop(typingctx, arrays, starts, count):
        def emit(context, builder, signature, arguments):
            kinds = list(signature.args[0].types)
            v = Vectors(builder, context.get_data_type(kinds[0].dtype))
            places = [builder.gep(data(context, builder, kind, array), [start])
                      for kind, array, start in zip(kinds, cgutils.unpack_tuple(builder, arguments[0]),
                                                    cgutils.unpack_tuple(builder, arguments[1]), strict=True)]

            def step(at, mask):
                moved = [builder.gep(place, [at]) for place in places]
                for i, place in enumerate(moved[:streams]):
                    v.fetch(v.at(place, INT(AHEAD // v.bytes)), i < outputs)
                results = body(v, *[v.load(place, mask) for place in moved])
                for value, place in zip(results, moved[:outputs], strict=True):
                    v.store(value, place, mask)

            rest = builder.and_(arguments[2], INT(v.lanes - 1))
            whole = builder.sub(arguments[2], rest)
            with cgutils.for_range_slice(builder, INT(0), whole, INT(v.lanes)) as (at, _):
                step(at, None)
            with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
                step(whole, v.mask(rest))
            return context.get_dummy_value()

        return types.void(arrays, starts, types.intp), emit

    return loop


def _in_columns(v: Vectors, width: ir.Value, some: int, emit: Callable[..., None]) -> None:
    """Calls emit(first column, number of vectors, mask or None) for `some` vectors at a time, single ones, a rest."""
    builder = v.builder
    many, one = (builder.and_(width, INT(-n * v.lanes)) for n in (some, 1))
    with cgutils.for_range_slice(builder, INT(0), many, INT(some * v.lanes)) as (at, _):
        emit(at, some, None)
    with cgutils.for_range_slice(builder, many, one, INT(v.lanes)) as (at, _):
        emit(at, 1, None)
    rest = builder.sub(width, one)
    with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
        emit(one, 1, v.mask(rest))


def columnwise(totals: int, kept: int, body: Callable[..., list], ending: Callable[..., list] | None = None) -> Any:
    """A function (arrays, starts, rows, width) for jitted code: sums over `rows` rows, `width` long, of each column.

    `body(v, *vectors)` emits the operations on `totals` vectors of sums and one vector of each of `arrays` but the
    first `totals`, and returns the new sums. Of the next `kept` arrays there is one row, of the others all rows, one
    after the other. In the end the sums are added to the first arrays, float64: as `ending(w, rows, *sums, *kept)`
    returns them, all in float64, if that is given. COLUMNS vectors stay in registers while all rows pass by.
    """

    @intrinsic
    def loop(typingctx, arrays, starts, rows, width):
        def emit(context, builder, signature, arguments):
            kinds = list(signature.args[0].types)
            v = Vectors(builder, context.get_data_type(kinds[-1].dtype))
            w, (rows, width) = v.widened(), arguments[2:]
            number = w.splat(builder.sitofp(rows, ir.DoubleType()))
            places = [builder.gep(data(context, builder, kind, array), [start])
                      for kind, array, start in zip(kinds, cgutils.unpack_tuple(builder, arguments[0]),
                                                    cgutils.unpack_tuple(builder, arguments[1]), strict=True)]

            def columns(at, count, mask):
                cells = list(zip(*[v.cells(v.at(place, at), count) for place in places], strict=True))
                constants = [[v.load(cell, mask) for cell in own[totals:totals + kept]] for own in cells]
                sums = [[cgutils.alloca_once_value(builder, v.zero) for _ in range(totals)] for _ in cells]
                with cgutils.for_range(builder, rows) as row:
                    down = builder.mul(row.index, width)
                    for place in places[totals + kept:]:
                        v.fetch_on(v.at(place, at, down), count, INT(AHEAD // v.bytes))
                    for slots, beside, own in zip(sums, constants, cells, strict=True):
                        seen = [v.load(v.at(cell, down), mask) for cell in own[totals + kept:]]
                        values = body(v, *map(builder.load, slots), *beside, *seen)
                        for value, slot in zip(values, slots, strict=True):
                            builder.store(value, slot)
                for slots, beside, own in zip(sums, constants, cells, strict=True):
                    values = [w.extended(builder.load(slot)) for slot in slots]
                    if ending:
                        values = ending(w, number, *values, *map(w.extended, beside))
                    for value, cell in zip(values, own, strict=False):
                        w.store(w.add(w.load(cell, mask), value), cell, mask)

            _in_columns(v, width, COLUMNS, columns)
            return context.get_dummy_value()

        return types.void(arrays, starts, types.intp, types.intp), emit

    return loop


def _gated(v, g, y):
    """g, but 0 where y is 0 or less: NaN opens the gate."""
    return v.builder.select(v.builder.fcmp_ordered("<=", y, v.zero), v.zero, g)


def _moments(v, sums, squares, first, origin, row):
    """The sums of d = row - first and of d^2, with a row of a run."""
    d = v.builder.fsub(row, first)
    return [v.add(sums, d), v.fma(d, d, squares)]


def _moved(w, n, sums, squares, first, origin):
    """From sums round the first of n rows to sums round the origin: see `batch_norm_statistics`."""
    e = w.builder.fsub(first, origin)
    moved = w.fma(n, e, sums)
    return [moved, w.fma(e, w.add(sums, moved), squares)]


def _products(v, sums, products, mean, x, g):
    """The sums of g and of g * (x - mean)."""
    return [v.add(sums, g), v.fma(g, v.builder.fsub(x, mean), products)]


def _descent(v, x, g, mean, slope, offset, scale):
    """scale * (g - offset - (x - mean) * slope)."""
    b = v.builder
    return [b.fmul(scale, v.fma(b.fsub(mean, x), slope, b.fsub(g, offset)))]


moments = columnwise(2, 2, _moments, _moved)
shifted = lanewise(1, lambda v, out, x, b: [v.builder.fadd(x, b)])
shifted_relu = lanewise(1, lambda v, out, x, b: [v.rectified(v.builder.fadd(x, b))])
summed = lanewise(1, lambda v, sums, x: [v.add(sums, x)])
summed_rows = columnwise(1, 0, lambda v, sums, x: [v.add(sums, x)])
normal = lanewise(1, lambda v, out, *x: [v.normal(*x)], 2)
normal_relu = lanewise(1, lambda v, out, *x: [v.rectified(v.normal(*x))], 2)
normal_add = lanewise(1, lambda v, out, r, *x: [v.builder.fadd(v.normal(*x), r)], 3)
normal_add_relu = lanewise(1, lambda v, out, r, *x: [v.rectified(v.builder.fadd(v.normal(*x), r))], 3)
products = columnwise(2, 1, _products)
products_gated = columnwise(2, 1, lambda v, s, p, mean, x, g, y: _products(v, s, p, mean, x, _gated(v, g, y)))
products_regated = columnwise(2, 3, lambda v, s, p, mean, scale, shift, x, g: _products(
    v, s, p, mean, x, _gated(v, g, v.normal(x, mean, scale, shift))))
descent = lanewise(1, lambda v, out, x, g, *a: _descent(v, x, g, *a), 3)
descent_gated = lanewise(1, lambda v, out, x, g, y, *a: _descent(v, x, _gated(v, g, y), *a), 4)
descent_regated = lanewise(1, lambda v, out, x, g, shift, mean, slope, offset, scale: _descent(
    v, x, _gated(v, g, v.normal(x, mean, scale, shift)), mean, slope, offset, scale), 3)


@intrinsic
def normal_pixels(typingctx, x, start, step, mean, scale, shift, first, out, at, pixels, channels):
    """out[at:] = relu((x - mean) * scale + shift) of `pixels`, `step` apart from x[start] on, (pixels, channels).

    first: the channel at x[start], the first of those of which the factors are taken.
    """

    def emit(context, builder, signature, arguments):
        x, start, step, mean, scale, shift, first, out, at, pixels, channels = unpacked(
            context, builder, signature, arguments)
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))

        def column(channel, count, mask):
            factors = [[v.load(place, mask) for place in v.cells(v.at(table, first, channel), count)]
                       for table in (mean, scale, shift)]
            source, target = v.at(x, start, channel), v.at(out, at, channel)
            with cgutils.for_range(builder, pixels) as loop:
                seen, places = (v.at(line, builder.mul(loop.index, apart)) for line, apart in
                                ((source, step), (target, channels)))
                for place, to, *own in zip(v.cells(seen, count), v.cells(places, count), *factors, strict=True):
                    v.store(v.rectified(v.normal(v.load(place, mask), *own)), to, mask)

        _in_columns(v, channels, 4, column)
        return context.get_dummy_value()

    size = types.intp
    return types.void(x, size, size, mean, scale, shift, size, out, size, size, size), emit


# ------------------------------------------------------------------------------------------------ kernels
@_helper
def _spread(values, fold, target, at):
    """`values` of the channels, `fold` times one after the other: each copy doubles what is there."""
    count, size = values.size, fold * values.size
    copy(values, 0, target, at, count)
    while count < size:
        copy(target, at, target, at + count, min(count, size - count))
        count *= 2


@_helper
def _move(first, origin, n, sums, squares, target, target_squares):
    """`_moved` for blocks, of which all sums are float64."""
    for c in range(target.size):
        e = np.float64(first[c]) - np.float64(origin[c])
        target[c] += sums[c] + n * e
        target_squares[c] += squares[c] + e * (2 * sums[c] + n * e)


@_helper
def _bounds(block, blocks, x, width):
    """Where a block of x begins and where it ends: whole wide rows."""
    rows = x.size // width
    return block * rows // blocks * width, (block + 1) * rows // blocks * width


@_helper
def _sum_block(x, block, blocks, channels, partial, scratch, width):
    """The sums of one block of x round its first pixel, in the first `channels` of its two rows of `partial`."""
    at, stop = _bounds(block, blocks, x, width)
    origin, own, own_q = block * width, 2 * block * width, (2 * block + 1) * width
    _spread(x[at:at + channels], width // channels, scratch, origin)
    clear(partial, own, 2 * width)
    while at < stop:
        n = min(RUN, (stop - at) // width)
        moments((partial, partial, x, scratch, x), (own, own_q, at, origin, at), n, width)
        at += n * width
    _gather(partial, own, width // channels, channels)
    _gather(partial, own_q, width // channels, channels)


@_helper
def sum_written(x, pixel, pixels, channels, some, written, partial, scratch, width):
    """Of so many pixels of x, from one on, `some` of their channels are written: the blocks now whole are summed."""
    blocks, rows = written.size, x.size // width
    at, end = pixel * channels, min((pixel + pixels) * channels, rows * width)
    while at < end:
        block = ((at // width + 1) * blocks - 1) // rows
        begin, stop = _bounds(block, blocks, x, width)
        if count_up(written, block, (min(stop, end) - at) // channels * some) == stop - begin:
            _sum_block(x, block, blocks, channels, partial, scratch, width)
        at = stop


@kernel
def _statistics(workers, x, mean, variance, invstd, running_mean, running_var, eps, momentum, written, partial, scratch,
                width):
    channels, blocks = mean.size, written.size
    for worker in prange(workers):
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            begin, stop = _bounds(block, blocks, x, width)
            if written[block] < stop - begin:
                _sum_block(x, block, blocks, channels, partial, scratch, width)
    s, q = 2 * blocks * width, 2 * blocks * width + channels
    clear(partial, s, 2 * channels)
    for block in range(blocks):
        begin, stop = _bounds(block, blocks, x, width)
        own, own_q = 2 * block * width, (2 * block + 1) * width
        _move(x[begin:begin + channels], x[:channels], (stop - begin) // channels, partial[own:own + channels],
              partial[own_q:own_q + channels], partial[s:s + channels], partial[q:q + channels])
    for at in range(x.size // width * width, x.size):
        c = at % channels
        e = np.float64(x[at]) - np.float64(x[c])
        partial[s + c] += e
        partial[q + c] += e * e
    m = x.size // channels
    for c in range(channels):
        d = partial[s + c] / m
        mean[c] = np.float64(x[c]) + d
        squared = partial[q + c] / m - d * d
        variance[c] = 0.0 if squared < 0 else squared  # rounding may leave less than nothing; NaN stays
        invstd[c] = 1 / np.sqrt(np.float64(variance[c]) + eps)
        if running_mean.size:
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        if running_var.size:
            running_var[c] = (1 - momentum) * running_var[c] + momentum * (variance[c] * m / max(m - 1, 1))


@_helper
def _gather(partial, start, fold, channels):
    """The parts of a wide row that belong to one channel, added up in the first of them."""
    for k in range(1, fold):
        for c in range(channels):
            partial[start + c] += partial[start + k * channels + c]


@kernel
def _apply(workers, x, r, mean, scale, shift, out, relu, fold, scratch):
    width = fold * mean.size
    _spread(mean, fold, scratch, 0)
    _spread(scale, fold, scratch, width)
    _spread(shift, fold, scratch, 2 * width)
    rows = -(-x.size // width)
    zero = 0
    for worker in prange(workers):
        for row in range(worker * rows // workers, (worker + 1) * rows // workers):
            at = row * width
            count = min(width, x.size - at)
            if r.size and relu:
                normal_add_relu((out, r, x, scratch, scratch, scratch), (at, at, at, zero, width, 2 * width), count)
            elif r.size:
                normal_add((out, r, x, scratch, scratch, scratch), (at, at, at, zero, width, 2 * width), count)
            elif relu:
                normal_relu((out, x, scratch, scratch, scratch), (at, at, zero, width, 2 * width), count)
            else:
                normal((out, x, scratch, scratch, scratch), (at, at, zero, width, 2 * width), count)


@kernel
def _sums(workers, x, g, y, mean, invstd, scale, shift, sum_g, sum_gh, fold, blocks, partial, scratch):
    channels = mean.size
    width = fold * channels
    zero = 0
    _spread(mean, fold, scratch, zero)
    if shift.size:
        _spread(scale, fold, scratch, width)
        _spread(shift, fold, scratch, 2 * width)
    for worker in prange(workers):
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            s, p = 2 * block * width, (2 * block + 1) * width
            clear(partial, s, 2 * width)
            at, stop = _bounds(block, blocks, x, width)
            if block == blocks - 1:
                stop = x.size  # with what is left over, a shorter row
            while at < stop:
                n, length = max(1, min(RUN, (stop - at) // width)), min(width, stop - at)
                if y.size:
                    products_gated((partial, partial, scratch, x, g, y), (s, p, zero, at, at, at), n, length)
                elif shift.size:
                    products_regated((partial, partial, scratch, scratch, scratch, x, g),
                                     (s, p, zero, width, 2 * width, at, at), n, length)
                else:
                    products((partial, partial, scratch, x, g), (s, p, zero, at, at), n, length)
                at += n * width
            _gather(partial, s, fold, channels)
            _gather(partial, p, fold, channels)
    for c in range(channels):
        total, total_h = 0.0, 0.0
        for block in range(blocks):
            total += partial[2 * block * width + c]
            total_h += partial[(2 * block + 1) * width + c]
        sum_g[c], sum_gh[c] = total, total_h * invstd[c]


@kernel
def _input_grad(workers, x, g, y, mean, invstd, scale, shift, sum_g, sum_gh, out, fold, scratch):
    width = fold * mean.size
    zero, scales, shifts = 0, 3 * width, 4 * width
    m = x.size // mean.size
    # gx = scale * (g - offset - slope * (x - mean)). slope and offset are staged in the room of scale and shift.
    for c in range(mean.size):
        scratch[scales + c] = invstd[c] * sum_gh[c] / m
        scratch[shifts + c] = sum_g[c] / m
    _spread(scratch[scales:scales + mean.size], fold, scratch, width)
    _spread(scratch[shifts:shifts + mean.size], fold, scratch, 2 * width)
    _spread(mean, fold, scratch, 0)
    _spread(scale, fold, scratch, scales)
    if shift.size:
        _spread(shift, fold, scratch, shifts)
    rows = -(-x.size // width)
    for worker in prange(workers):
        for row in range(worker * rows // workers, (worker + 1) * rows // workers):
            at = row * width
            count = min(width, x.size - at)
            if y.size:
                descent_gated((out, x, g, y, scratch, scratch, scratch, scratch),
                              (at, at, at, at, zero, width, 2 * width, scales), count)
            elif shift.size:
                descent_regated((out, x, g, scratch, scratch, scratch, scratch, scratch),
                                (at, at, at, shifts, zero, width, 2 * width, scales), count)
            else:
                descent((out, x, g, scratch, scratch, scratch, scratch),
                        (at, at, at, zero, width, 2 * width, scales), count)


@kernel
def _column_sums(workers, x, out, fold, blocks, partial):
    channels = out.size
    width = fold * channels
    for worker in prange(workers):
        for block in range(worker * blocks // workers, (worker + 1) * blocks // workers):
            s = block * width
            clear(partial, s, width)
            at, stop = _bounds(block, blocks, x, width)
            if block == blocks - 1:
                stop = x.size  # with what is left over, a shorter row
            while at < stop:
                n, length = max(1, min(RUN, (stop - at) // width)), min(width, stop - at)
                summed_rows((partial, x), (s, at), n, length)
                at += n * width
            _gather(partial, s, fold, channels)
    for c in range(channels):
        total = 0.0
        for block in range(blocks):
            total += partial[block * width + c]
        out[c] = total


@kernel
def _shift(workers, x, b, out, relu, fold, scratch):
    width = fold * b.size
    zero = 0
    _spread(b, fold, scratch, 0)
    rows = -(-x.size // width)
    for worker in prange(workers):
        for row in range(worker * rows // workers, (worker + 1) * rows // workers):
            at = row * width
            if relu:
                shifted_relu((out, x, scratch), (at, at, zero), min(width, x.size - at))
            else:
                shifted((out, x, scratch), (at, at, zero), min(width, x.size - at))
