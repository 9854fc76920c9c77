"""Convolutions with few outputs, as in the first layers of small nets.

Where all K outputs fit into a vector, or half of one, the tile of tile.py loads an element of A for each product, from
a row that has an address of its own. Of those there are more than the processor has registers, so that most cost a load
besides.

`gather` is direct.py's, for rows at one distance, that the compiler knows, so that a single register serves them all:
pixels along a line of the target.

`weight_grad`: rows are the outputs, side by side in y, and vectors are elements of x, those that a line of the kernel
reads: kw C, side by side, for kw taps and C channels, 15 for 5x5 and three colours. For each line of the kernel

    sums[k, (t, c)] += y[pixel, k] * x[pixel * s + t, c]        (t, c) = 0 .. kw C - 1, in vectors

over all pixels of an image, in registers. The batch is cut into parts with sums of their own, added up in order.

`spread`, of a gradient with few channels for many outputs: what each pixel gives to all that it reaches is a matrix
product, whose vectors hold the channels of all taps of a line; a pixel of the target then collects its part of these.
That is less than half of the multiplications of a gather, which meets the zeros of the padding and fills a vector with
K lanes.

All this is for convolutions that are worth waking the other threads for. The first two have a kernel for each distance
and height of a tile, or number of outputs, and each takes a third of a second to compile, once.

us, batch 64, two cores of a Xeon with AVX-512 (2026-11), by direct.py and so, forward, weight, input:

| 3 to 6, 5x5, 32x32      | 6 to 16, 5x5, 14x14 | 1 to 6, 5x5, 28x28, padded | 3 to 8, 3x3, 32x32, padded |
|-------------------------|---------------------|----------------------------|----------------------------|
| 393, 589 -> 319, 219    | input 448 -> 270    | 203, 294 -> 152, 224       | 265, 385 -> 223, 251       |
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
from numba import prange, types
from numba.core import cgutils

from minitorch.geometry import ConvGeometry, GatherPlan
from minitorch.kernels.engine.runtime import Kernel, borrow, get_num_threads, give_back, kernel
from minitorch.kernels.norm import NO_NORM
from minitorch.kernels.tile.padding import surround
from minitorch.kernels.tile.tile import ROWS, ROWS_NARROW, _add_old, _sums, _write, narrow, wide
from minitorch.kernels.words.moves import claim
from minitorch.kernels.words.registers import INT, WIDTH, Vectors, intrinsic, unpacked

HALF = 2 if WIDTH == 16 else 1  # the part of a register that holds all outputs of `gather`
TALLEST = 14 if WIDTH == 16 else 12  # rows of `gather`
PAIRS = 14 if WIDTH == 16 else 6  # outputs of `weight_grad` with which two vectors fit into the registers
PARTS = 16  # of a batch, at most
SPREAD = 500_000  # bytes of an image's products
WIDE = 64  # elements of a line of the kernel: with 140, weights of 8 outputs took up to 1.3 times as long


def fits(outputs: int, itemsize: int) -> bool:
    """Whether the outputs are few: one vector, or half of one where there are large ones, holds all."""
    return outputs <= 4 * WIDTH // (HALF * itemsize)


# -------------------------------------------------------------------------------------------------------------- gather
def make_rows(height: int, distance: int) -> Any:
    """The tile: `height` pixels, whose sources lie `distance` elements apart.

    a: from a_start and runs[low] ... runs[high - 1] on, `steps` elements each. b: a vector a step. c: `outer` elements
    a pixel, side by side.
    """

    @intrinsic
    def rows(typingctx, a, a_start, runs, low, high, run_scale, steps, b, b_start, c, c_start, outer):
        size = types.intp
        signature = types.void(a, size, runs, *[size] * 4, b, size, c, size, size)

        def emit(context, builder, signature, arguments):
            (a, a_start, runs, low, high, run_scale, steps, b, b_start, c, c_start,
             outer) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype), HALF)
            places = [v.at(c, c_start, builder.mul(INT(m), outer)) for m in range(height)]
            sums = _sums(v, height, 1)
            b_at = cgutils.alloca_once_value(builder, v.at(b, b_start))
            a_at = cgutils.alloca_once(builder, a.type)
            with cgutils.for_range_slice(builder, low, high, INT(1)) as (run, _):
                builder.store(v.at(a, a_start, builder.mul(builder.load(v.at(runs, run)), run_scale)), a_at)
                with cgutils.for_range(builder, steps):
                    left, right = builder.load(a_at), builder.load(b_at)
                    vector = v.load(right)
                    for m, (total,) in enumerate(sums):
                        scalar = v.splat(builder.load(v.at(left, INT(m * distance))))
                        builder.store(v.fma(scalar, vector, builder.load(total)), total)
                    builder.store(v.at(left, INT(1)), a_at)
                    builder.store(v.at(right, INT(v.lanes)), b_at)
            for place, (total,) in zip(places[:-1], sums, strict=False):  # what is too much, the next row overwrites
                v.store(builder.load(total), place)
            _write(v, sums[-1:], places[-1:], outer)
            return context.get_dummy_value()

        return signature, emit

    return rows


@cache
def _gather(height: int, distance: int) -> Kernel:
    """The kernel for tiles of this kind."""
    rows = make_rows(height, distance)

    def body(workers, source, mean, scale, shift, space, packed, out, starts, runs, lines, counter, batch, images,
             splits, padded, line, pixels, lines_per_image, length, channels, outer, run_steps):
        tiles = -(-length // height)
        for worker in prange(workers):
            while True:
                block = claim(counter)
                first, split = block // splits * images, block % splits
                count = min(images, batch - first)
                if count <= 0:
                    break
                a, start = source, first * pixels * channels
                if padded:
                    a, start = space, (first if splits > 1 else worker * images) * pixels * channels
                    if splits == 1:
                        surround(source, first, count, mean, scale, shift, space, start, lines, line, pixels, channels)
                total = lines_per_image * count
                for i in range(split * total // splits, (split + 1) * total // splits):
                    at, c = start + starts[i * length] * channels, (first * lines_per_image + i) * length * outer
                    for tile in range(tiles):
                        m = min(tile * height, length - height)
                        rows(a, at + m * distance, runs, 0, runs.size, channels, run_steps, packed, 0, out,
                             c + m * outer, outer)

    body.__name__ = f"rows_{height}_{distance}"
    return Kernel(body, exact=False, rare=True)


@lru_cache(maxsize=1024)
def _height(length: int) -> int:
    """Rows of the tile for lines of this length: those that repeat few pixels."""
    return min(range(4, min(length, TALLEST) + 1), key=lambda rows: (-(-length // rows) * (rows + 1), -rows))


def gathers(plan: GatherPlan, length: int, outputs: int, itemsize: int) -> bool:
    """Whether `gather` serves, for lines of this length: a vector of one pixel must not reach over the next but one."""
    lanes = 4 * WIDTH // (HALF * itemsize)
    return lanes <= 2 * outputs <= 2 * lanes and length >= 4 and len(plan.phases) == 1 and plan.runs.size > 0


def gather(source: np.ndarray, space: np.ndarray, packed: np.ndarray, out: np.ndarray, plan: GatherPlan,
           splits: int, padded: bool, line: int, channels: int, outer: int, length: int, step: int, batch: int) -> None:
    """Run a gather plan on packed weights; `length` and `step` are those of the target's lines, in pixels."""
    run = _gather(_height(length), step * channels)
    taps = plan.order.size
    run(True, source, *NO_NORM[source.dtype.char], space, packed, out, plan.rows, plan.runs, plan.lines,
        np.zeros(1, np.int64), batch, plan.images, splits, padded, line, prod(plan.source_size),
        plan.target_pixels // length, length, channels, outer, taps * channels // plan.runs.size)


# -------------------------------------------------------------------------------------------------------------- spread
@intrinsic
def collect(typingctx, products, start, lists, low, high, taps, step, out, at, valid):
    """One pixel: the sum over lists[low] ... lists[high - 1], and as many taps, of what lies there in `products`.

    products: from start + entry on, a tap `step` elements further than the one before. out: the first `valid` lanes of
    the vector that holds all outputs; 0: all.
    """
    size = types.intp
    signature = types.void(products, size, lists, *[size] * 4, out, size, size)

    def emit(context, builder, signature, arguments):
        products, start, lists, low, high, taps, step, out, at, valid = unpacked(context, builder, signature, arguments)
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype), HALF)
        total = cgutils.alloca_once_value(builder, v.zero)
        place = cgutils.alloca_once(builder, products.type)
        with cgutils.for_range_slice(builder, low, high, INT(1)) as (entry, _):
            builder.store(v.at(products, start, builder.load(v.at(lists, entry))), place)
            with cgutils.for_range(builder, taps):
                now = builder.load(place)
                builder.store(v.add(builder.load(total), v.load(now)), total)
                builder.store(v.at(now, step), place)
        cell = v.at(out, at)
        with builder.if_else(builder.icmp_signed("==", valid, INT(0))) as (wholly, partly):
            with wholly:
                v.store(builder.load(total), cell)
            with partly:
                v.store_first(builder.load(total), cell, valid)
        return context.get_dummy_value()

    return signature, emit


@kernel
def _spread(workers, y, packed, space, out, numbers, nothing, firsts, lists, counter, batch, taps, vectors, inner,
            outer, sources, source_line, target_line, padding, lanes):
    row, whole, targets = vectors * lanes, vectors // 2, firsts.size - 1
    loose = target_line - -(-lanes // outer)  # pixels up to here have room for a vector behind them
    for worker in prange(workers):
        while True:
            image = claim(counter)
            if image >= batch:
                break
            a, c = image * sources * inner, worker * (sources * row + 2 * lanes)
            for pair in range(whole):
                for m in range(0, sources, ROWS):
                    wide(y, a, numbers, m, sources - 1, inner, nothing, 0, 1, 0, inner, 1, packed,
                         pair * 2 * lanes * inner, 2 * lanes, space, c + pair * 2 * lanes, numbers, row, lanes, 0, 0,
                         a + m * inner, 0, ())
            if 2 * whole < vectors:
                for m in range(0, sources, ROWS_NARROW):
                    narrow(y, a, numbers, m, sources - 1, inner, nothing, 0, 1, 0, inner, 1, packed,
                           whole * 2 * lanes * inner, lanes, space, c + whole * 2 * lanes, numbers, row, lanes, 0, 0,
                           0, 0, ())
            for line in range(targets):
                at = (image * targets + line) * target_line * outer
                for q in range(target_line):
                    low = max(0, q + padding - source_line + 1)
                    collect(space, c + (q + padding - low) * row + low * outer, lists, firsts[line], firsts[line + 1],
                            min(taps, q + padding + 1) - low, outer - row, out, at + q * outer,
                            0 if q <= loose else outer)


@kernel
def _pack(workers, w, packed, lines, taps, vectors, inner, outer, lanes):
    """w (K, C, lines, taps) as products read it: vector v = [line][part of (tap, c)], two by two, for each k."""
    each, whole = vectors // lines, vectors // 2 * 2
    for _ in prange(workers):
        for v in range(vectors):
            width = 2 * lanes if v < whole else lanes
            at = v // 2 * 2 * lanes * inner + (v % 2 * lanes if v < whole else 0)
            for lane in range(lanes):
                q = v % each * lanes + lane
                tap, c = q // outer, q % outer
                for k in range(inner):
                    value = w[((k * outer + c) * lines + v // each) * taps + tap] if tap < taps else 0
                    packed[at + k * width + lane] = value


@lru_cache(maxsize=1024)
def _lists(geometry: ConvGeometry, row: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the products lie that each line of the target collects: where its list begins, and the lists."""
    firsts, lists = [0], []
    sources = {at: i * geometry.output_size[-1] * row for i, at in enumerate(np.ndindex(*geometry.output_size[:-1]))}
    for target in np.ndindex(*geometry.input_size[:-1]):
        for i, tap in enumerate(np.ndindex(*geometry.kernel_size[:-1])):
            axes = zip(target, geometry.padding, tap, geometry.dilation, strict=False)
            at = tuple([q + p[0] - t * d for q, p, t, d in axes])
            if at in sources:
                lists.append(sources[at] + i * width)
        firsts.append(len(lists))
    return np.array(firsts, np.int64), np.array(lists, np.int64)


def spreads(geometry: ConvGeometry, inner: int, outer: int, itemsize: int) -> bool:
    """Whether `spread` serves: stride 1, and products of an image that fit into a core's L2 cache.

    It takes half the time from 16 to 6 channels with 5x5 taps, as long from 6 to 3, and 1.8 times as long with 3x3.
    """
    taps = geometry.kernel_size[-1]
    if not fits(outer, itemsize) or inner < 12 or taps < 4 or geometry.groups > 1 or geometry.dilation[-1] > 1:
        return False
    row, sources = prod(geometry.kernel_size[:-1]) * (taps * outer * itemsize + 4 * WIDTH), prod(geometry.output_size)
    return set(geometry.stride) == {1} and sources * row <= SPREAD and sources <= prod(geometry.input_size)


def spread(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """`conv_transpose`, where `spreads` says so."""
    dtype, batch, inner, outer = y.dtype, y.shape[0], y.shape[-1], out.shape[-1]
    lanes, taps, sources = 4 * WIDTH // dtype.itemsize, geometry.kernel_size[-1], prod(geometry.output_size)
    lines, each = prod(geometry.kernel_size[:-1]), -(-taps * outer // lanes)
    vectors = lines * each
    space = borrow(get_num_threads() * (sources * vectors + 2) * lanes, dtype)
    packed = borrow(vectors * lanes * inner, dtype)
    _pack(False, w.reshape(-1), packed, lines, taps, vectors, inner, outer, lanes)
    _spread(True, y.reshape(-1), packed, space, out.reshape(-1), _numbers(sources), _NOTHING,
            *_lists(geometry, vectors * lanes, each * lanes), np.zeros(1, np.int64), batch, taps, vectors, inner, outer,
            sources, geometry.output_size[-1], geometry.input_size[-1], geometry.padding[-1][0], lanes)
    give_back(space, packed)


_NOTHING = np.zeros(1, np.int64)
_numbers = lru_cache(maxsize=1024)(np.arange)


# --------------------------------------------------------------------------------------------------------- weight_grad
def make_sums(height: int, vectors: int) -> Any:
    """The tile: `height` outputs by one or two vectors of x.

    y: from y_start on, `height` elements a pixel. x: vectors at first and second, of which so many lanes are read, for
    lines[low] ... lines[high - 1] of `length` pixels, `step` elements apart. target: [vector][output][lane], to which
    they are added if `accumulate` is 1, not 0.
    """

    @intrinsic
    def sums(typingctx, y, y_start, x, first, first_lanes, second, second_lanes, lines, low, high, line_scale, length,
             step, target, at, accumulate):
        size = types.intp
        signature = types.void(y, size, x, *[size] * 4, lines, *[size] * 5, target, size, size)

        def emit(context, builder, signature, arguments):
            (y, y_start, x, first, first_lanes, second, second_lanes, lines, low, high, line_scale, length, step,
             target, at, accumulate) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            totals = _sums(v, height, vectors)
            starts, masks = [first, second][:vectors], [v.mask(n) for n in (first_lanes, second_lanes)[:vectors]]
            y_at = cgutils.alloca_once_value(builder, v.at(y, y_start))
            places = [cgutils.alloca_once(builder, y.type) for _ in starts]
            with cgutils.for_range_slice(builder, low, high, INT(1)) as (line, _):
                offset = builder.mul(builder.load(v.at(lines, line)), line_scale)
                for place, start in zip(places, starts, strict=True):
                    builder.store(v.at(x, start, offset), place)
                with cgutils.for_range(builder, length):
                    left, nows = builder.load(y_at), [builder.load(place) for place in places]
                    rights = [v.load(now, mask) for now, mask in zip(nows, masks, strict=True)]
                    for m, row in enumerate(totals):
                        scalar = v.splat(builder.load(v.at(left, INT(m))))
                        for right, total in zip(rights, row, strict=True):
                            builder.store(v.fma(scalar, right, builder.load(total)), total)
                    builder.store(v.at(left, INT(height)), y_at)
                    for now, place in zip(nows, places, strict=True):
                        builder.store(v.at(now, step), place)
            rows = [[row[j]] for j in range(vectors) for row in totals]  # each a vector wide
            cells = [v.at(target, at, INT(i * v.lanes)) for i in range(len(rows))]
            _add_old(v, rows, cells, accumulate)
            _write(v, rows, cells)
            return context.get_dummy_value()

        return signature, emit

    return sums


@cache
def _weights(height: int) -> Kernel:
    """The kernel for so many outputs."""
    together = 2 if height <= PAIRS else 1
    single, pair = make_sums(height, 1), make_sums(height, together)

    def body(workers, x, mean, scale, shift, space, y, partial, pieces, lines, x_lines, counter, batch, images, parts,
             splits, padded, line, pixels, lines_per_image, length, step, channels, lanes):
        units, count_of = -(-batch // images), pieces.shape[0]
        chunks = -(-count_of // together)
        for worker in prange(workers):
            while True:
                block = claim(counter)
                part, split = block // splits, block % splits
                if part >= parts:
                    break
                more = 0  # the first sums overwrite what the buffer held
                begin = part * units // parts
                for unit in range(begin, max((part + 1) * units // parts, begin + 1)):  # an empty batch sums to 0
                    first = unit * images
                    count = max(min(images, batch - first), 0)
                    a, start = x, first * pixels * channels
                    if padded:
                        a, start = space, worker * images * pixels * channels
                        surround(x, first, count, mean, scale, shift, space, start, x_lines, line, pixels, channels)
                    total, b = lines_per_image * count, first * lines_per_image * length * height
                    for chunk in range(split * chunks // splits, (split + 1) * chunks // splits):
                        piece = chunk * together
                        c, one = (part * count_of + piece) * height * lanes, start + pieces[piece, 0]
                        if piece + together <= count_of:
                            other = piece + together - 1
                            pair(y, b, a, one, pieces[piece, 1], start + pieces[other, 0], pieces[other, 1], lines, 0,
                                 total, channels, length, step, partial, c, more)
                        else:
                            single(y, b, a, one, pieces[piece, 1], 0, 0, lines, 0, total, channels, length, step,
                                   partial, c, more)
                    more = 1

    body.__name__ = f"weights_{height}"
    return Kernel(body, exact=False, rare=True)


@lru_cache(maxsize=1024)
def _pieces(geometry: ConvGeometry, channels: int, lanes: int) -> np.ndarray:
    """(pieces, 2): where each vector of a line of the kernel begins in a padded image, and how many lanes it has."""
    taps = geometry.kernel_size[-1]
    lines, width = geometry.sweep.taps[::taps] * channels, taps * channels
    return np.array([(line + at, min(lanes, width - at)) for line in lines for at in range(0, width, lanes)], np.int64)


def sums_lines(geometry: ConvGeometry, channels: int, outputs: int, itemsize: int) -> bool:
    """Whether `weight_grad` serves: a line of the kernel reads few vectors, side by side."""
    width = geometry.kernel_size[-1] * channels
    return fits(outputs, itemsize) and geometry.groups == 1 == geometry.dilation[-1] and width <= WIDE


def weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry, norm: Any) -> None:
    """`conv_weight_grad`, where `sums_lines` says so; with a norm, of what is padded, as `weight_grad_of_normal`."""
    dtype, batch, channels, outputs = x.dtype, x.shape[0], x.shape[-1], y.shape[-1]
    plan, pixels, taps = geometry.sweep, prod(geometry.padded_size), geometry.kernel_size[-1]
    lanes = 4 * WIDTH // dtype.itemsize
    pieces = _pieces(geometry, channels, lanes)
    parts = max(1, min(-(-batch // plan.images), PARTS))
    splits = 1 if parts >= PARTS else -(-len(pieces) // 2)
    space = borrow(get_num_threads() * plan.images * pixels * channels if geometry.padded else 0, dtype)
    size = len(pieces) * outputs * lanes
    partial = borrow(parts * size, dtype)
    _weights(outputs)(True, x.reshape(-1), *(norm or NO_NORM[dtype.char]), space, y.reshape(-1), partial, pieces,
                      plan.lines, geometry.gather.lines, np.zeros(1, np.int64), batch, plan.images, parts, splits,
                      geometry.padded, geometry.input_size[-1], pixels, plan.lines_per_image, plan.length,
                      plan.step * channels, channels, lanes)
    _add(False, partial, out.reshape(-1), parts, size, outputs, channels, taps, len(plan.taps) // taps, lanes)
    give_back(space, partial)


@kernel
def _add(workers, partial, out, parts, size, outputs, channels, taps, lines, lanes):
    """out[k, c, (i, t)] = sum over parts of partial[part, i, (t, c), k], the last but one in vectors of `lanes`."""
    total, width = partial[:size], taps * channels
    each = -(-width // lanes) * outputs * lanes
    for _ in prange(workers):
        for part in range(1, parts):
            more = partial[part * size:(part + 1) * size]
            for i in range(size):
                total[i] += more[i]
        for k in range(outputs):
            for line in range(lines):
                for t in range(taps):
                    for c in range(channels):
                        q = t * channels + c
                        at = line * each + q // lanes * outputs * lanes + k * lanes + q % lanes
                        out[((k * channels + c) * lines + line) * taps + t] = total[at]
