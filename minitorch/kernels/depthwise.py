"""Depthwise convolution, one channel a group, and its two adjoints: channels are the lanes, nothing is summed but taps.

An output costs a multiply-add a tap, so these kernels live on memory. `conv` and `conv_transpose` copy nothing: at the
border the taps that would meet padding are left out. Every axis of the target is cut into stretches of pixels that use
the same taps (see `_axis`): for 3x3 with padding the first, the last, and all others; for the adjoint of stride s one
for each residue, too. A tile holds PIXELS pixels x two vectors of channels of one stretch in registers and runs over
the taps: two loads of weights for 2 * PIXELS multiply-adds, which take the source straight from memory.

The weight's gradient turns that round: a tile holds one vector of channels for TAPS taps and runs over all pixels of
an image. For this x, with its zeros around it, and y are copied to the L2 cache, the pixels of one vector side by side.
Copying x one vector at a time, image after image, was slower than all vectors of an image at once: 5.8 against 2.4 ms
(N64 C32 32x32, fastest runs on 2 noisy cores Zen 3, 2026-11).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.core import cgutils

from minitorch.geometry import ConvGeometry
from minitorch.kernels.runtime import FASTMATH, borrow, get_num_threads, give_back, kernel
from minitorch.kernels.tile import INT, WIDTH, Vectors, claim, clear, data, intrinsic, move

__all__: list[str] = []  # convolution.py calls in here

HEAVY = 1_000_000  # multiply-adds worth waking the other threads for
PIXELS, PIXELS_FEW = 6, 2  # of a tile; with two vectors of channels 12 sums and 2 weights: 14 registers
TAPS = 9  # of a tile of the weight's gradient
CHUNKS = 64  # of lines to claim
PARTS = 16  # partial sums of a weight's gradient


def is_depthwise(w: np.ndarray, geometry: ConvGeometry) -> bool:
    """Whether every group has one channel and one output."""
    return geometry.groups > 1 and w.shape[0] == geometry.groups and w.shape[1] == 1


# ------------------------------------------------------------------------------------------------ conv, conv_transpose
def gather(source: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry, transpose: bool) -> None:
    """`conv` of x or `conv_transpose` of y."""
    batch, channels, taps = source.shape[0], w.shape[0], prod(geometry.kernel_size)
    lanes = 4 * WIDTH // source.dtype.itemsize
    vectors = 2 if channels >= 2 * lanes else 1
    size = vectors * lanes
    lines, stretches, lists, steps, starts = _plan(geometry, transpose, channels, size, vectors)
    packed = borrow(starts.size * taps * size, source.dtype)
    blocks, full, rest = packed[:starts.size * taps * size].reshape(-1, taps, size), channels // size, channels % size
    w = w.reshape(channels, taps)
    blocks[:full] = w[:full * size].reshape(full, size, taps).transpose(0, 2, 1)
    if rest:
        used = min(size, channels - int(starts[-1]))
        blocks[-1, :, :used], blocks[-1, :, used:] = w[channels - used:].T, 0
    _gather(out.size * taps > HEAVY, source.reshape(-1), packed, out.reshape(-1), lines, stretches, lists, steps,
            starts, np.zeros(1, np.int64), batch, -(-batch * len(lines) // CHUNKS), source.size // batch,
            out.size // batch, channels, taps * size, lanes, vectors)
    give_back(packed)


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


@lru_cache(maxsize=1024)
def _plan(geometry: ConvGeometry, transpose: bool, channels: int, size: int, vectors: int) -> tuple[np.ndarray, ...]:
    """Tables that count elements, for `size` channels at a time.

    lines: target, source and class of every line (along the last axis); stretches of a line: target, step, pixels,
    source, step; lists: where the steps of every (class, stretch) begin; steps, one a tap: source, weight; starts:
    first channel of every block. Two vectors that would stand out begin earlier, and compute some channels twice.
    """
    small, big = geometry.output_size, geometry.input_size
    source_size, target_size = (small, big) if transpose else (big, small)
    *outer, last = [_axis(geometry, axis, transpose) for axis in range(len(big))]

    def flat(place: Iterable[int], size: Sequence[int]) -> int:
        return sum(along * prod(size[axis + 1:]) for axis, along in enumerate(place))

    lines: list[tuple[int, int, int]] = []
    classes: dict[tuple, int] = {}
    every = [sorted((s.target + i * s.step, s.source + i * s.source_step, s.taps)
                    for s in axis for i in range(s.pixels)) for axis in outer]
    for place in itertools.product(*every):
        number = classes.setdefault(tuple(taps for _, _, taps in place), len(classes))
        lines.append((flat([target for target, _, _ in place], target_size) * channels,
                      flat([source for _, source, _ in place], source_size) * channels, number))
    stretches = [(s.target * channels, s.step * channels, s.pixels, s.source * channels, s.source_step * channels)
                 for s in last]
    starts = [min(k, channels - size) if vectors == 2 else k for k in range(0, channels, size)]
    lists, steps = [0], []
    for taps in classes:
        for stretch in last:
            for chosen in itertools.product(*taps, stretch.taps):
                steps.append((flat([away for _, away in chosen], source_size) * channels,
                              flat([tap for tap, _ in chosen], geometry.kernel_size) * size))
            lists.append(len(steps))
    return (np.array(lines, np.int64).reshape(-1, 3), np.array(stretches, np.int64).reshape(-1, 5),
            np.array(lists, np.int64), np.array(steps, np.int64).reshape(-1, 2), np.array(starts, np.int64))


def make_strip(height: int, vectors: int, masked: bool) -> Any:
    """A tile of height pixels x vectors of channels: target[m] = sum over steps of source[m, step] * weight[step]."""

    @intrinsic
    def strip(typingctx, a, a_at, a_step, steps, begin, end, w, w_at, c, c_at, c_step, count, valid):
        size = types.intp

        def emit(context, builder, signature, arguments):
            (a, a_at, a_step, steps, begin, end, w, w_at, c, c_at, c_step, count, valid) = (
                data(context, builder, kind, value) if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, arguments, strict=True))
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            mask = v.mask(valid) if masked else None
            last = builder.sub(count, INT(1))
            numbers = [builder.select(builder.icmp_signed("<", INT(m), last), INT(m), last) for m in range(height)]
            lefts = [builder.gep(a, [builder.add(a_at, builder.mul(m, a_step))]) for m in numbers]
            right = builder.gep(w, [w_at])
            sums = [[cgutils.alloca_once_value(builder, v.zero) for _ in range(vectors)] for _ in range(height)]
            with cgutils.for_range_slice(builder, begin, end, INT(1)) as (step, _):
                entry = builder.gep(steps, [builder.mul(step, INT(2))])
                away = builder.load(entry)
                weight = builder.gep(right, [builder.load(builder.gep(entry, [INT(1)]))])
                weights = [v.load(builder.gep(weight, [INT(j * v.lanes)])) for j in range(vectors)]
                for left, totals in zip(lefts, sums, strict=True):
                    at = builder.gep(left, [away])
                    for j, total in enumerate(totals):
                        seen = v.load(builder.gep(at, [INT(j * v.lanes)]), mask)
                        builder.store(v.fma(seen, weights[j], builder.load(total)), total)
            for m, totals in zip(numbers, sums, strict=True):
                place = builder.gep(c, [builder.add(c_at, builder.mul(m, c_step))])
                for j, total in enumerate(totals):
                    v.store(builder.load(total), builder.gep(place, [INT(j * v.lanes)]), mask)
            return context.get_dummy_value()

        return types.void(a, size, size, steps, size, size, w, size, c, *[size] * 4), emit

    return strip


strip, strip_few = make_strip(PIXELS, 2, masked=False), make_strip(PIXELS_FEW, 2, masked=False)
strip_narrow, strip_narrow_few = make_strip(PIXELS, 1, masked=True), make_strip(PIXELS_FEW, 1, masked=True)


@kernel
def _gather(workers, source, packed, out, lines, stretches, lists, steps, starts, counter, batch, chunk, source_image,
            target_image, channels, block, lanes, vectors):
    total = batch * lines.shape[0]
    for _ in prange(workers):
        while True:
            first = claim(counter) * chunk
            if first >= total:
                break
            for number in range(first, min(first + chunk, total)):
                image, line = number // lines.shape[0], number % lines.shape[0]
                target, origin = image * target_image + lines[line, 0], image * source_image + lines[line, 1]
                for stretch in range(stretches.shape[0]):
                    at, step, pixels, start, source_step = stretches[stretch]
                    place = lines[line, 2] * stretches.shape[0] + stretch
                    begin, end = lists[place], lists[place + 1]
                    for pixel in range(0, pixels, PIXELS):
                        a, c = origin + start + pixel * source_step, target + at + pixel * step
                        count = min(PIXELS, pixels - pixel)
                        for b in range(starts.size):
                            k = starts[b]
                            if vectors == 2:
                                if count > PIXELS_FEW:
                                    strip(source, a + k, source_step, steps, begin, end, packed, b * block, out, c + k,
                                          step, count, 0)
                                else:
                                    strip_few(source, a + k, source_step, steps, begin, end, packed, b * block, out,
                                              c + k, step, count, 0)
                            elif count > PIXELS_FEW:
                                strip_narrow(source, a + k, source_step, steps, begin, end, packed, b * block, out,
                                             c + k, step, count, channels - k)
                            else:
                                strip_narrow_few(source, a + k, source_step, steps, begin, end, packed, b * block, out,
                                                 c + k, step, count, channels - k)


# ------------------------------------------------------------------------------------------------ conv_weight_grad
def weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """`conv_weight_grad`. The batch is cut into parts with a sum each, which are added up in order."""
    batch, channels, taps = x.shape[0], x.shape[-1], prod(geometry.kernel_size)
    lanes, plan, pixels = 4 * WIDTH // x.dtype.itemsize, geometry.sweep, prod(geometry.padded_size)
    blocks, parts = -(-channels // lanes), max(1, min(batch, PARTS))
    splits = min(blocks, PARTS // parts)
    space = borrow(get_num_threads() * blocks * (pixels + prod(geometry.output_size)) * lanes, x.dtype)
    partial = borrow(parts * blocks * taps * lanes, x.dtype)
    _sweep(y.size * taps > HEAVY, x.reshape(-1), space, y.reshape(-1), partial, plan.taps, plan.lines,
           geometry.gather.lines, np.zeros(1, np.int64), batch, parts, splits, blocks, geometry.input_size[-1], pixels,
           plan.lines_per_image, plan.length, plan.step, channels, lanes)
    sums = partial[:parts * blocks * taps * lanes].reshape(parts, blocks, taps, lanes).sum(0)
    out.reshape(channels, taps)[...] = sums.transpose(0, 2, 1).reshape(blocks * lanes, taps)[:channels]
    give_back(space, partial)


@intrinsic
def add_products(typingctx, a, a_at, taps, tap, tap_last, lines, count, length, step, y_at, sums, sums_at):
    """sums[t] += sum over lines and their pixels of a[a_at + line + pixel*step + taps[t]] * a[y_at + pixel], TAPS taps.

    Two pixels at a time: the nine offsets do not all fit into registers, so each is fetched once for both.
    """
    size = types.intp

    def emit(context, builder, signature, arguments):
        (a, a_at, taps, tap, tap_last, lines, count, length, step, y_at, sums, sums_at) = (
            data(context, builder, kind, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True))
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        numbers = [builder.add(tap, INT(t)) for t in range(TAPS)]
        numbers = [builder.select(builder.icmp_signed("<", t, tap_last), t, tap_last) for t in numbers]
        width = INT(v.lanes)
        aways = [builder.mul(builder.load(builder.gep(taps, [t])), width) for t in numbers]
        places = [builder.gep(sums, [builder.add(sums_at, builder.mul(t, width))]) for t in numbers]
        totals = [cgutils.alloca_once_value(builder, v.load(place)) for place in places]
        a_now = cgutils.alloca_once(builder, a.type)
        y_now = cgutils.alloca_once_value(builder, builder.gep(a, [y_at]))
        a_step = builder.mul(step, width)

        def advance(pixels):
            at, y_first = builder.load(a_now), builder.load(y_now)
            starts = [builder.gep(at, [builder.mul(a_step, INT(i))]) for i in range(pixels)]
            values = [v.load(builder.gep(y_first, [INT(i * v.lanes)])) for i in range(pixels)]
            for away, total in zip(aways, totals, strict=True):
                for start, value in zip(starts, values, strict=True):
                    builder.store(v.fma(v.load(builder.gep(start, [away])), value, builder.load(total)), total)
            builder.store(builder.gep(at, [builder.mul(a_step, INT(pixels))]), a_now)
            builder.store(builder.gep(y_first, [INT(pixels * v.lanes)]), y_now)

        with cgutils.for_range(builder, count) as line:
            start = builder.mul(builder.load(builder.gep(lines, [line.index])), width)
            builder.store(builder.gep(a, [builder.add(a_at, start)]), a_now)
            with cgutils.for_range(builder, builder.lshr(length, INT(1))):
                advance(2)
            with cgutils.for_range(builder, builder.and_(length, INT(1))):
                advance(1)
        for total, place in zip(totals, places, strict=True):
            v.store(builder.load(total), place)
        return context.get_dummy_value()

    return types.void(a, size, taps, size, size, lines, *[size] * 4, sums, size), emit


@kernel
def _sweep(workers, x, space, y, partial, taps, windows, lines, counter, batch, parts, splits, blocks, line, pixels,
           lines_per_image, length, step, channels, lanes):
    image_x, outputs = lines.size * line * channels, lines_per_image * length
    for worker in prange(workers):
        start = worker * blocks * (pixels + outputs) * lanes
        start_y = start + blocks * pixels * lanes
        clear(space, start, blocks * pixels * lanes)  # the zeros around an image stay, image after image
        while True:
            item = claim(counter)
            part, split = item // splits, item % splits
            if part >= parts:
                break
            first, last = split * blocks // splits, (split + 1) * blocks // splits
            clear(partial, (part * blocks + first) * taps.size * lanes, (last - first) * taps.size * lanes)
            for image in range(part * batch // parts, (part + 1) * batch // parts):
                _spread(x, image * image_x, space, start, lines, line, pixels, channels, lanes, first, last)
                _spread(y, image * outputs * channels, space, start_y, windows[:1], outputs, outputs, channels, lanes,
                        first, last)
                for block in range(first, last):
                    for tap in range(0, taps.size, TAPS):
                        add_products(space, start + block * lanes * pixels, taps, tap, taps.size - 1, windows,
                                     lines_per_image, length, step, start_y + block * lanes * outputs, partial,
                                     (part * blocks + block) * taps.size * lanes)


@njit(fastmath=FASTMATH)
def _spread(x, at, space, start, lines, line, pixels, channels, lanes, first, last):
    """These vectors of channels of an image into `space`, line by line: the pixels of one vector stand side by side."""
    for i in range(lines.size):
        for pixel in range(line):
            to = start + (lines[i] + pixel) * lanes
            for block in range(first, last):
                move(x, at + block * lanes, space, to + block * pixels * lanes, channels - block * lanes)
            at += channels
