"""Depthwise convolution, one channel a group, and its two adjoints: channels are the lanes, nothing is summed but taps.

All three copy nothing, unless they form an image of what a batch norm reads, and work on tiles: a few neighbouring
pixels m of the target, all of whose taps t exist.

    conv, conv_transpose:   target[m] = sum over t of source[m, t] * weight[t]
    conv_weight_grad:       weight[t] += sum over m of source[m, t] * target[m]         source = x, target = y

At the border the taps that would read padding are left out. To that end every axis of the target is cut into stretches
of pixels that use the same taps (see `_axis`): for 3x3 with padding the first, the last, and all others; for the
adjoint of stride s one for each residue, too. Products of stretches are grids of pixels of one kind, done line by line.

An output costs no more than a multiply-add a tap, so loads decide. If neighbouring taps are as far apart as
neighbouring pixels, source[m, t+1] is source[m+1, t], and one load serves both. Such taps form a run: a tile of 4
pixels and a run of 3 taps make 12 products from 6 sources and 3 weights, not 12 and 3. From the L1 cache that gives 80
GFLOP/s, without runs 52. Runs of 2 on top, which stride 2 has, gained nothing.

A tile goes through all channels before the next one begins. So memory is read row by row, but as many short streams,
one for each pixel, which the processor does not foresee. Hence a line asks, in order, for what the next line will need.
N64 C128 16x16: conv 25 -> 37 GFLOP/s, gradient of the input 20 -> 33, of the weight 17 -> 37; to ask in the order of
the tiles gained half of that. A whole line for one vector of channels after the other: 10.

All figures: fastest runs of one core of two Zen 3, both busy, 2026-11.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache
from math import prod
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numba import prange, types
from numba.core import cgutils

from minitorch.geometry import ConvGeometry
from minitorch.kernels.engine.runtime import borrow, get_num_threads, give_back, kernel
from minitorch.kernels.norm import NO_NORM, NO_SUMS, normal_pixels, sum_written
from minitorch.kernels.tile.epilogue import epilogue_of, kernel_with_epilogue
from minitorch.kernels.words.moves import claim, clear
from minitorch.kernels.words.registers import INT, WIDTH, Vectors, intrinsic, unpacked

__all__: list[str] = []  # convolution.py calls in here

HEAVY = 1_000_000  # multiply-adds worth waking the other threads for
TILES = 4, 2, 1  # pixels; with two vectors of channels 8 sums, 6 weights and a source: 15 registers
RUNS = 3, 1  # taps that share sources
BAND = 1 << 16  # bytes of an image to work on at a time, so that all its kinds find them in the L2 cache
CHUNKS = 64  # of bands to claim
PARTS = 16  # partial sums of a weight's gradient; bands of a small batch


def is_depthwise(w: np.ndarray, geometry: ConvGeometry) -> bool:
    """Whether every group has one channel and one output."""
    return geometry.groups > 1 and w.shape[0] == geometry.groups and w.shape[1] == 1


# ------------------------------------------------------------------------------------------------ plans
class _Stretch(NamedTuple):
    """Pixels of one axis of the target, in even steps, that use the same taps."""

    target: int  # the first pixel
    step: int
    pixels: int
    source: int  # the source pixel under the first tap, for the first target
    source_step: int
    taps: tuple[tuple[int, int], ...]  # each tap, and how far its source lies from that of the first


def _axis(geometry: ConvGeometry, axis: int, transpose: bool) -> list[_Stretch]:
    """The stretches of one axis: i + p = o*s + t*d solved for every target pixel, with sources that exist."""
    s, d, p, _ = geometry.stride[axis], geometry.dilation[axis], *geometry.padding[axis]
    inputs, outputs, taps = geometry.input_size[axis], geometry.output_size[axis], range(geometry.kernel_size[axis])
    pixels: dict[tuple, list[tuple[int, int]]] = {}
    for target in range(inputs if transpose else outputs):
        if transpose:
            seen = [(t, (target + p - t * d) // s) for t in taps if (target + p - t * d) % s == 0]
        else:
            seen = [(t, target * s + t * d - p) for t in taps]
        seen = [(t, source) for t, source in seen if 0 <= source < (outputs if transpose else inputs)]
        first = seen[0][1] if seen else 0
        pixels.setdefault(tuple((t, source - first) for t, source in seen), []).append((target, first))
    stretches = []
    for used, places in pixels.items():
        while places:
            (target, source), (second, second_source) = places[0], places[min(1, len(places) - 1)]
            step, source_step, count = second - target, second_source - source, 1
            while count < len(places) and places[count] == (target + count * step, source + count * source_step):
                count += 1
            stretches.append(_Stretch(target, step, count, source, source_step, used))
            places = places[count:]
    return stretches


class _Plan(NamedTuple):
    """All lines of a target, those of one kind together, the largest kind first. Offsets count elements."""

    lines: np.ndarray  # int64 (lines, 2): source of the first pixel, under its first tap, and the pixel itself
    runs: np.ndarray  # int64 (runs of all kinds, 4): how far the source lies from that of the first tap; up to 3 taps
    kinds: np.ndarray  # int64 (kinds, 9): see below


# The columns of `kinds`: its first line and how many it has; pixels of a line, steps of source and target from one to
# the next, from where on a line has no sources; where its runs of RUNS[0] begin, its single taps, and end.
FIRST, LINES, PIXELS, SOURCE_STEP, TARGET_STEP, REACH, RUNS_AT, SINGLES_AT, END = range(9)


@lru_cache(maxsize=1024)
def _plan(geometry: ConvGeometry, transpose: bool) -> _Plan:
    """A kind's lines lie along its last axis, or along a longer one if that has too few pixels for a tile."""
    sizes = geometry.input_size, geometry.output_size, geometry.kernel_size
    big, small, kernel_steps = ([prod(size[axis + 1:]) for axis in range(len(size))] for size in sizes)
    source_steps, target_steps = (small, big) if transpose else (big, small)
    channels, kinds = geometry.groups, []
    lines: list[tuple[int, int]] = []
    runs: list[list[int]] = []

    def flat(place: Iterable[int], steps: Iterable[int]) -> int:
        return sum(map(mul, place, steps))

    for kind in itertools.product(*(_axis(geometry, axis, transpose) for axis in range(len(big)))):
        along = max(reversed(range(len(kind))), key=lambda axis: min(kind[axis].pixels, TILES[0]))
        pixels, step, first_line = kind[along].pixels, kind[along].source_step * source_steps[along], len(lines)
        for place in itertools.product(*(range(s.pixels if axis != along else 1) for axis, s in enumerate(kind))):
            lines.append((flat((s.source + i * s.source_step for s, i in zip(kind, place, strict=True)), source_steps),
                          flat((s.target + i * s.step for s, i in zip(kind, place, strict=True)), target_steps)))
        taps = {flat((away for _, away in chosen), source_steps): flat((tap for tap, _ in chosen), kernel_steps)
                for chosen in itertools.product(*(s.taps for s in kind))}
        reach, bounds = max(taps, default=0) + pixels * step, [len(runs)]
        for length in RUNS:
            for away in sorted(taps):
                run = [away + i * step for i in range(length)]
                if len(set(run)) == length and all(at in taps for at in run):
                    runs.append([away * channels, *(taps.pop(at) for at in run), *[0] * (RUNS[0] - length)])
            bounds.append(len(runs))
        steps = step * channels, kind[along].step * target_steps[along] * channels
        kinds.append((first_line, len(lines) - first_line, pixels, *steps, reach * channels, *bounds))
    kinds.sort(key=lambda kind: -kind[1] * kind[2])
    return _Plan(np.array(lines, np.int64) * channels, np.array(runs, np.int64).reshape(-1, 1 + RUNS[0]),
                 np.array(kinds, np.int64))


def _bands(plan: _Plan, batch: int, size: int, itemsize: int) -> int:
    """Into how many parts to cut an image of `size` elements."""
    return max(1, min(max(PARTS // max(batch, 1), size * itemsize // BAND), int(plan.kinds[0, LINES])))


def _blocks(channels: int, dtype: np.dtype) -> tuple[int, int, int]:
    """Channels of a block, number of blocks, and where the last one starts.

    A block is two vectors. The last one begins early, so that it ends with the last channel, and computes some
    channels twice. Fewer channels than two vectors are single, masked vectors.
    """
    lanes = 4 * WIDTH // dtype.itemsize
    if channels < 2 * lanes:
        return lanes, -(-channels // lanes), channels
    return 2 * lanes, -(-channels // (2 * lanes)), channels - 2 * lanes


# ------------------------------------------------------------------------------------------------ a line of tiles
def make_line(weight_grad: bool) -> Any:
    """A function to call from jitted code, for one line of a kind; see the top of this file.

    a and c are source and target, w the weight or, for its gradient (`weight_grad`), the sums: [block][tap][lane].
    `ahead` blocks of the source are fetched for each of the target. finish: of the target, a `Epilogue`.
    """

    @intrinsic
    def line(typingctx, a, a_at, c, c_at, kinds, kind, runs, w, w_at, taps, channels, last, ahead, finish):
        size = types.intp

        def emit(context, builder, signature, arguments):
            (a, a_at, c, c_at, kinds, kind, runs, w, w_at, taps, channels, last, ahead,
             finish) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            finish = epilogue_of(context, v, signature.args[-1], finish)
            row = v.at(kinds, builder.mul(kind, INT(END + 1)))
            pixels, a_step, c_step, reach, *bounds = (
                builder.load(v.at(row, INT(column)))
                for column in (PIXELS, SOURCE_STEP, TARGET_STEP, REACH, RUNS_AT, SINGLES_AT, END))
            a, c, w = v.at(a, a_at), v.at(c, c_at), v.at(w, w_at)
            a_next = cgutils.alloca_once_value(builder, v.at(a, reach))
            c_next = cgutils.alloca_once_value(builder, v.at(c, builder.mul(pixels, c_step)))
            if finish:
                r_next = v.at(finish.r, finish.step(builder.add(c_at, builder.mul(pixels, c_step))))
                r_next = cgutils.alloca_once_value(builder, r_next)

            def tiles(vectors, heights, masked):
                """The whole line, in tiles of these heights."""
                width = vectors * v.lanes

                def cells(address, offset):
                    return v.cells(v.at(address, offset), vectors)

                def fetch(now, count):
                    address = builder.load(now)
                    for i in range(count):
                        v.fetch(v.at(address, INT(i * width)))
                    builder.store(v.at(address, INT(count * width)), now)

                def add_runs(length, first, stop, lefts, right, k, values, mask):
                    height = len(lefts) - RUNS[0] + 1
                    with cgutils.for_range_slice(builder, first, stop, INT(1)) as (number, _):
                        run = v.at(runs, builder.mul(number, INT(1 + RUNS[0])))
                        away = builder.add(builder.load(run), k)
                        numbers = [builder.load(v.at(run, INT(1 + t))) for t in range(length)]
                        places = [cells(right, builder.mul(number, INT(width))) for number in numbers]
                        weights = [[v.load(cell) for cell in place] for place in places]
                        for i in range(height + length - 1):
                            for j, cell in enumerate(cells(lefts[i], away)):
                                seen = v.load(cell, mask)
                                for t in range(max(0, i - height + 1), min(length, i + 1)):
                                    value = values[i - t][j]
                                    if weight_grad:
                                        weights[t][j] = v.fma(seen, value, weights[t][j])
                                    else:
                                        builder.store(v.fma(seen, weights[t][j], builder.load(value)), value)
                        if weight_grad:
                            for weight, cell in zip(sum(weights, []), sum(places, []), strict=True):
                                v.store(weight, cell)

                def tile(pixel, height):
                    left, place = builder.mul(pixel, a_step), builder.mul(pixel, c_step)
                    lefts = [v.at(a, builder.add(left, builder.mul(a_step, INT(m))))
                             for m in range(height + RUNS[0] - 1)]
                    places = [v.at(c, builder.add(place, builder.mul(c_step, INT(m)))) for m in range(height)]
                    right = cgutils.alloca_once_value(builder, w)
                    with cgutils.for_range_slice(builder, INT(0), channels, INT(width)) as (k, _):
                        k = builder.select(builder.icmp_signed("<", k, last), k, last)
                        mask = v.mask(builder.sub(channels, k)) if masked else None
                        with cgutils.for_range(builder, ahead):
                            fetch(a_next, height)
                        with builder.if_then(builder.icmp_signed(">", ahead, INT(0))):
                            fetch(c_next, height)
                            if finish:
                                with builder.if_then(finish.given):
                                    fetch(r_next, height)
                        targets = [cells(place, k) for place in places]
                        if weight_grad:
                            values = [[v.load(cell, mask) for cell in target] for target in targets]
                        else:  # slots that LLVM turns into registers
                            values = [[cgutils.alloca_once_value(builder, v.zero) for _ in cell] for cell in targets]
                        for length, (first, stop) in zip(RUNS, itertools.pairwise(bounds), strict=True):
                            add_runs(length, first, stop, lefts, builder.load(right), k, values, mask)
                        if finish:
                            factors = [finish.factors(builder.add(k, INT(j * v.lanes))) for j in range(vectors)]
                            start = v.at(finish.r, finish.step(builder.add(builder.add(c_at, place), k)))
                            for m, row in enumerate(values):
                                beside = v.at(start, finish.step(builder.mul(c_step, INT(m))))
                                for j, value in enumerate(row):
                                    cell = v.at(beside, finish.step(INT(j * v.lanes)))
                                    builder.store(finish(builder.load(value), factors[j], cell, mask), value)
                        if not weight_grad:
                            for value, cell in zip(sum(values, []), sum(targets, []), strict=True):
                                v.store(builder.load(value), cell, mask)
                        builder.store(v.at(builder.load(right), builder.mul(taps, INT(width))), right)

                first = INT(0)
                for height in heights:
                    stop = builder.sub(pixels, builder.srem(builder.sub(pixels, first), INT(height)))
                    with cgutils.for_range_slice(builder, first, stop, INT(height)) as (pixel, _):
                        tile(pixel, height)
                    first = stop

            with builder.if_else(builder.icmp_signed("<", last, channels)) as (wide, narrow):
                with wide:
                    tiles(2, TILES, masked=False)
                with narrow:
                    tiles(1, TILES[::2], masked=True)
            return context.get_dummy_value()

        return types.void(a, size, c, size, kinds, size, runs, w, *[size] * 5, finish), emit

    return line


gather_line, add_line = make_line(weight_grad=False), make_line(weight_grad=True)


# ------------------------------------------------------------------------------------------------ conv, conv_transpose
def gather(source: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry, transpose: bool,
           finish: tuple = (), norm: Any = (), sums: Any = ()) -> None:
    """`conv` of x or `conv_transpose` of y, finished before it is written, if told; see `Epilogue`.

    With norm = (mean, scale, shift) of relu((x - mean) * scale + shift), an image at a time. sums: as in
    `conv_statistics`.
    """
    batch, channels, taps, plan = source.shape[0], w.shape[0], prod(geometry.kernel_size), _plan(geometry, transpose)
    size, blocks, last = _blocks(channels, source.dtype)
    source_image, target_image = source.size // batch, out.size // batch
    packed, space = borrow(blocks * taps * size, source.dtype), _room(norm, source)
    bands = 1 if norm else _bands(plan, batch, max(source_image, target_image), source.itemsize)
    _gather(out.size * taps > HEAVY, source.reshape(-1), w.reshape(-1), packed, out.reshape(-1),
            *(norm or NO_NORM[source.dtype.char]), space, *plan, np.zeros(1, np.int64), batch, bands, source_image,
            target_image, channels, taps, size, blocks, last, *(sums or NO_SUMS[source.dtype.char]), finish)
    give_back(packed, space)


def _room(norm: Any, x: np.ndarray) -> np.ndarray:
    """Memory for an image of each worker, if there is a norm."""
    return borrow(get_num_threads() * x[0].size if norm else 1, x.dtype)


@kernel_with_epilogue
def _gather(workers, source, w, packed, out, mean, scale, shift, space, lines, runs, kinds, counter, batch, bands,
            source_image, target_image, channels, taps, size, blocks, last, written, partial, scratch, width, finish):
    for block in range(blocks):
        k = min(block * size, last)
        for lane in range(min(size, channels - k)):
            for tap in range(taps):
                packed[(block * taps + tap) * size + lane] = w[(k + lane) * taps + tap]
    chunk, ahead = -(-batch * bands // CHUNKS), max(1, source_image // target_image)
    for worker in prange(workers):
        while True:
            first = claim(counter) * chunk
            if first >= batch * bands:
                break
            for item in range(first, min(first + chunk, batch * bands)):
                image, band = item // bands, item % bands
                a, start = source, image * source_image
                if mean.size:
                    normal_pixels(source, start, channels, mean, scale, shift, 0, space, worker * source_image,
                                  source_image // channels, channels)
                    a, start = space, worker * source_image
                for kind in range(kinds.shape[0]):
                    line, count = kinds[kind, FIRST], kinds[kind, LINES]
                    for i in range(line + band * count // bands, line + (band + 1) * count // bands):
                        gather_line(a, start + lines[i, 0], out,
                                    image * target_image + lines[i, 1], kinds, kind, runs, packed, 0, taps, channels,
                                    last, ahead if kind == 0 else 0, finish)
                if written.size and band == bands - 1 and first <= image * bands:  # all of the image is this worker's
                    pixels = target_image // channels
                    sum_written(out, image * pixels, pixels, channels, channels, written, partial, scratch, width)


# ------------------------------------------------------------------------------------------------ conv_weight_grad
def weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry, norm: Any = ()) -> None:
    """`conv_weight_grad`, with `norm` as in `gather`. Parts of the batch have a sum each, added up in order."""
    batch, channels, taps, plan = x.shape[0], x.shape[-1], prod(geometry.kernel_size), _plan(geometry, False)
    size, blocks, last = _blocks(channels, x.dtype)
    x_image, y_image = prod(x.shape[1:]), prod(y.shape[1:])
    bands = _bands(plan, batch, max(x_image, y_image), x.itemsize)
    parts = max(1, min(batch * bands, PARTS))
    partial, space = borrow(parts * blocks * taps * size, x.dtype), _room(norm, x)
    _sweep(y.size * taps > HEAVY, x.reshape(-1), y.reshape(-1), partial, out.reshape(-1),
           *(norm or NO_NORM[x.dtype.char]), space, *plan, np.zeros(1, np.int64), batch, bands, parts, x_image, y_image,
           channels, taps, size, blocks, last)
    give_back(partial, space)


@kernel
def _sweep(workers, x, y, partial, out, mean, scale, shift, space, lines, runs, kinds, counter, batch, bands, parts,
           x_image, y_image, channels, taps, size, blocks, last):
    sums, ahead = blocks * taps * size, max(1, x_image // y_image)
    for worker in prange(workers):
        while True:
            part = claim(counter)
            if part >= parts:
                break
            clear(partial, part * sums, sums)
            held = -1
            for item in range(part * batch * bands // parts, (part + 1) * batch * bands // parts):
                image, band = item // bands, item % bands
                a, start = x, image * x_image
                if mean.size:
                    if image != held:
                        held = image
                        normal_pixels(x, start, channels, mean, scale, shift, 0, space, worker * x_image,
                                      x_image // channels, channels)
                    a, start = space, worker * x_image
                for kind in range(kinds.shape[0]):
                    line, count = kinds[kind, FIRST], kinds[kind, LINES]
                    for i in range(line + band * count // bands, line + (band + 1) * count // bands):
                        add_line(a, start + lines[i, 0], y, image * y_image + lines[i, 1], kinds, kind, runs,
                                 partial, part * sums, taps, channels, last, ahead if kind == 0 else 0, ())
    total = partial[:sums]
    for part in range(1, parts):
        more = partial[part * sums:(part + 1) * sums]
        for i in range(sums):
            total[i] += more[i]
    for block in range(blocks):
        k = min(block * size, last)
        for lane in range(min(size, channels - k)):
            for tap in range(taps):
                out[(k + lane) * taps + tap] = total[(block * taps + tap) * size + lane]
