"""Convolution and its two adjoints, all three on the register tile.

`conv` and `conv_transpose` are one kernel, `_gather`, over two tables (see `GatherPlan`): rows of the tile are target
pixels, steps are (tap, channel) pairs. `conv_weight_grad` turns the same product round: rows are (tap, channel)
pairs, steps are pixels. There is no im2col: A is read where it lies, which is x itself or a copy of a few images, with
zeros around each if there is padding.

Blocks of work are fixed by the sizes alone and every output is one sum in one order. So it does not matter which worker
computes a block: workers claim the next one from a shared counter, and the result has the same bits for any number of
them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numba import prange

from minitorch.geometry import ConvGeometry, GatherPlan
from minitorch.kernels.engine.runtime import FASTMATH, borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.norm import (
    NO_NORM,
    NO_SUMS,
    batch_norm_statistics,
    formed,
    span_of,
    sum_written,
    sums_of,
)
from minitorch.kernels.reduce import sum_along
from minitorch.kernels.tile import depthwise, few_outputs, gemm, winograd
from minitorch.kernels.tile.algorithm import STEPS, forms_normal, is_winograd
from minitorch.kernels.tile.epilogue import kernel_with_epilogue
from minitorch.kernels.tile.padding import pad, surround
from minitorch.kernels.tile.tile import ROWS, ROWS_HALF, ROWS_NARROW, half, narrow, wide
from minitorch.kernels.words.moves import claim, fetch, lanes_of, move
from minitorch.kernels.words.registers import WIDTH

__all__ = ["conv", "conv_normal", "conv_of_normal", "conv_statistics", "conv_transpose", "conv_weight_grad",
           "weight_grad_of_normal"]

HEAVY = 500_000  # multiply-adds worth waking the other threads for: 20 us on one core and more, against a launch of 5
CHUNK, RESIDENT = {16: 28, 8: 16, 4: 16}[WIDTH] * ROWS, 200_000  # target pixels done at a time if w has so few bytes
PART = {16: 14, 8: 8, 4: 8}[WIDTH]  # register tiles of a weight gradient that share a copied panel of y
PARTIAL_BYTES = 12_000_000  # for the partial sums of a weight gradient
AHEAD = 16  # pixels of y fetched before they are copied
PIXELS = 1024  # at least, in each part of a 1x1 layer's weight gradient; see `_pointwise_weight_grad`
HALVES = WIDTH == 16  # of registers suffice for few outputs: the tutorial net's 6 channels waste 2 lanes, not 10
TOGETHER = 1024  # of Winograd's tiles that are summed directly at a time
TILE = ConvGeometry.of((winograd.IN, winograd.IN), 3)
TURNED_TILE = ConvGeometry.of((winograd.OUT, winograd.OUT), 3, padding=2)
STRETCH = 256  # pixels a tile of the weight gradient sums at a time; 128: 4% faster to 10% slower, 512: 0-17% slower


# ------------------------------------------------------------------------------------------------ conv, conv_transpose
def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry, finish: tuple = (),
         sums: Any = ()) -> None:
    """out[n, o, k] = sum over taps t and channels c of x[n, o*s + t*d - p, c] * w[k, c, t]."""
    if not (is_winograd(geometry, x.dtype, x.shape[-1], out.shape[-1])
            and _by_tiles(x, w, out, geometry.padding, transpose=False, finish=finish, sums=sums)):
        _product(x, w, out, geometry, geometry.gather, transpose=False, finish=finish, sums=sums)


def conv_normal(x: np.ndarray, w: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                out: np.ndarray, geometry: ConvGeometry, relu: bool) -> None:
    """out = (conv(x, w) - mean) * scale + shift, + r unless that is empty, then 0 where that is negative if `relu`."""
    channels, lanes = mean.size, 4 * WIDTH // x.itemsize
    plane = channels + 2 * lanes  # a vector may reach over the end
    table = borrow(3 * plane + 2 * lanes, x.dtype)
    for i, values in enumerate((mean, scale, shift)):
        table[i * plane:i * plane + channels] = values
        table[i * plane + channels:(i + 1) * plane] = 0
    table[3 * plane:3 * plane + lanes] = -0.0
    table[3 * plane + lanes:3 * plane + 2 * lanes] = 0 if relu else -np.inf
    conv(x, w, out, geometry, (r.reshape(-1), table, plane))
    give_back(table)


def conv_of_normal(x: np.ndarray, w: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   out: np.ndarray, geometry: ConvGeometry, sums: Any = ()) -> None:
    """out = conv(relu((x - mean) * scale + shift), w), of an image that is not stored where `forms_normal` says so."""
    norm, channels, outputs = (mean, scale, shift), x.shape[-1], out.shape[-1]
    if out.size and forms_normal(geometry, x.dtype, channels, outputs):
        if not is_winograd(geometry, x.dtype, channels, outputs):
            _product(x, w, out, geometry, geometry.gather, transpose=False, norm=norm, sums=sums)
            return
        if _by_tiles(x, w, out, geometry.padding, transpose=False, norm=norm, sums=sums):
            return
    conv(formed(x, norm), w, out, geometry, (), sums)


def conv_statistics(x: np.ndarray, w: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                    out: np.ndarray, own_mean: np.ndarray, own_variance: np.ndarray, invstd: np.ndarray,
                    running_mean: np.ndarray, running_var: np.ndarray, geometry: ConvGeometry, eps: float,
                    momentum: float) -> None:
    """`conv_of_normal`, or `conv` if mean is empty, then `batch_norm_statistics` of its pixels.

    A block of these is summed as soon as all of it is written, by the worker that wrote the last of it and may well
    have the rest in its cache. What is not, since the algorithm does not tell or wrote it once more, is summed after.
    """
    rows = out.reshape(-1, out.shape[-1])
    sums = sums_of(rows) if out.size else ()
    if mean.size:
        conv_of_normal(x, w, mean, scale, shift, out, geometry, sums)
    else:
        conv(x, w, out, geometry, (), sums)
    batch_norm_statistics(rows, own_mean, own_variance, invstd, running_mean, running_var, eps, momentum, sums)


def conv_transpose(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in x."""
    # For 3x3 at stride 1 the adjoint is a convolution with the turned kernel; padding p becomes 2 - p.
    padding = tuple((2 - before, 2 - after) for before, after in geometry.padding)
    if not (is_winograd(geometry, y.dtype, out.shape[-1], y.shape[-1])
            and _by_tiles(y, w, out, padding, transpose=True)):
        heavy = y.size * w.size > HEAVY * y.shape[-1]
        if heavy and out.size and few_outputs.spreads(geometry, y.shape[-1], out.shape[-1], y.itemsize):
            few_outputs.spread(y, w, out, geometry)
        else:
            _product(y, w, out, geometry, geometry.scatter, transpose=True)


def _by_tiles(source: np.ndarray, w: np.ndarray, out: np.ndarray, padding: tuple[tuple[int, int], ...],
              transpose: bool, finish: tuple = (), norm: Any = (), sums: Any = ()) -> bool:
    """Run Winograd's algorithm, then the direct sum on the tiles that it must not do, as images of their own.

    False if it must do none.
    """
    apart = winograd.conv(source, w, out, padding, transpose, finish, norm, sums)
    if apart is None:
        return False
    if len(apart):
        source = formed(source, norm)
    geometry = TURNED_TILE if transpose else TILE
    plan = geometry.scatter if transpose else geometry.gather
    for first in range(0, len(apart), TOGETHER):
        image, row, column = (a[:, None, None] for a in winograd.pixels_of(apart[first:first + TOGETHER], out.shape))
        rows, columns = row + np.arange(winograd.OUT)[:, None], column + np.arange(winograd.OUT)
        exist = (rows < out.shape[1]) & (columns < out.shape[2])
        outputs = tuple(np.broadcast_to(a, exist.shape) for a in (image, rows, columns))
        nearest = image, np.minimum(rows, out.shape[1] - 1), np.minimum(columns, out.shape[2] - 1)
        rows = row - padding[0][0] + np.arange(winograd.IN)[:, None]
        columns = column - padding[1][0] + np.arange(winograd.IN)
        seen = source[image, rows.clip(0, source.shape[1] - 1), columns.clip(0, source.shape[2] - 1)]
        seen[(rows < 0) | (rows >= source.shape[1]) | (columns < 0) | (columns >= source.shape[2])] = 0
        result = np.empty((*exist.shape, out.shape[-1]), out.dtype)
        ending = finish
        if finish and finish[0].size:
            ending = finish[0].reshape(out.shape)[nearest].reshape(-1), *finish[1:]
        _product(seen, w, result, geometry, plan, transpose, ending)
        out[tuple(a[exist] for a in outputs)] = result[exist]
    return True


def _together(groups: int, outputs: int, dtype: np.dtype) -> int:
    """How many groups of so many outputs fill a vector and are done as one, whose weights are zeros between them.

    That is no more work, since a vector with fewer outputs in it takes as long, and a tile has as many more steps, so
    that its beginning and end count less. The sums are the same, zeros added to them, but for infinities and NaN, of
    which a zero makes NaN in other groups: where there is NaN the groups are done by themselves. 64 channels in 32
    groups, N32 32x32, 3x3, one core of a Xeon with AVX-512, 2026-11: 10.9 -> 6.4 ms, gradients 11.1 -> 6.4 and 12.2 ->
    8.3.
    """
    lanes = 4 * WIDTH // dtype.itemsize
    return max(n for n in range(1, max(1, lanes // outputs) + 1) if groups % n == 0)


def _side_by_side(w: np.ndarray, groups: int, together: int) -> np.ndarray:
    """The weight (K, C/groups, ...) of groups that are done `together`: (K, together * C/groups, ...)."""
    outputs, inputs, *kernel = w.shape
    each = w.reshape(groups // together, together, outputs // groups, inputs, *kernel)
    joined = np.zeros((groups // together, together, outputs // groups, together, inputs, *kernel), w.dtype)
    for i in range(together):
        joined[:, i, :, i] = each[:, i]
    return joined.reshape(outputs, together * inputs, *kernel)


def _has_nan(x: np.ndarray) -> bool:
    """Whether there is NaN, or +inf and -inf: what makes a sum NaN."""
    total = np.empty((1, 1), np.float64)
    sum_along(x.reshape(1, -1, 1), total)
    return bool(np.isnan(total[0, 0]))


def _lanes(dtype: np.dtype, outputs: int) -> int:
    """Lanes of a vector, or of half a vector where the outputs fit into that."""
    lanes = 4 * WIDTH // dtype.itemsize
    return lanes // 2 if HALVES and 2 * outputs <= lanes else lanes


def _product(source: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry, plan: GatherPlan,
             transpose: bool, finish: tuple = (), norm: Any = (), sums: Any = ()) -> None:
    """Run a gather plan over a batch; with a norm of what `conv_of_normal` reads, where `forms_normal` says so.

    sums: as in `conv_statistics`.
    """
    if not out.size:
        return
    if depthwise.is_depthwise(w, geometry):
        depthwise.gather(source, w, out, geometry, transpose, finish, norm, sums)
        return
    if geometry.pointwise and norm:
        gemm.of_normal(source.reshape(-1, source.shape[-1]), w.reshape(w.shape[:2]), out.reshape(-1, out.shape[-1]),
                       False, norm, sums)
        return
    if geometry.pointwise and not finish and source.shape[-1] <= STEPS:  # more steps would be several sums
        gemm.linear(source.reshape(-1, source.shape[-1]), w.reshape(w.shape[:2]), w.reshape(-1)[:0],
                    out.reshape(-1, out.shape[-1]), False, not transpose, False, sums)
        return
    dtype, batch, groups, taps = source.dtype, source.shape[0], geometry.groups, prod(geometry.kernel_size)
    inner, outer = w.shape[0] // groups, w.shape[1]  # K/groups, C/groups
    strides = (outer * taps, taps)
    if not transpose:
        inner, outer, strides = outer, inner, strides[::-1]
    work = out.size * plan.order.size // len(plan.phases) * inner
    heavy = work > HEAVY
    if heavy and (together := _together(groups, outer, dtype)) > 1:
        fewer = replace(geometry, groups=groups // together)
        _product(source, _side_by_side(w, groups, together), out, fewer, fewer.scatter if transpose else fewer.gather,
                 transpose, finish, norm, sums)
        if not _has_nan(out):
            return
        if sums:
            sums[0][:] = 0  # outputs will change
    lanes = 4 * WIDTH // dtype.itemsize if finish else _lanes(dtype, outer)
    width = -(-outer // lanes) * lanes
    units = -(-batch // plan.images)
    splits = max(1, min(16 // units, plan.rows.size // (4 * ROWS)))
    pixels = prod(plan.source_size)
    padded = source.size != batch * pixels * inner * groups
    slots = 0 if not padded else get_num_threads() * plan.images if splits == 1 else batch
    space = borrow(slots * pixels * inner * groups, dtype)
    source, out = source.reshape(-1), out.reshape(-1)
    line = geometry.output_size[-1] if transpose else geometry.input_size[-1]
    target = geometry.input_size if transpose else geometry.output_size
    length, step = target[-1], 1 if transpose else geometry.stride[-1]
    few = heavy and groups == 1 and not (finish or norm) and few_outputs.gathers(plan, length, outer, dtype.itemsize)
    norm = norm or NO_NORM[dtype.char]
    if padded and splits > 1:
        pad(heavy, source, *norm, space, plan.lines, line, pixels, inner * groups, batch)
    packed = borrow(plan.order.size * groups * inner * width, dtype)
    _pack(heavy and w.size > 50_000, w.reshape(-1), packed, plan.order, plan.phases, groups, inner, outer, width,
          lanes, *strides, w.size // groups)
    if few:
        few_outputs.gather(source, space, packed, out, plan, splits, padded, line, inner, outer, length, step, batch)
        give_back(space, packed)
        return
    counter = np.zeros(1, np.int64)
    _gather(heavy, source, *norm, space, packed, out, plan.rows, plan.targets, plan.phases, plan.runs, plan.lines,
            counter, batch, plan.images, splits, padded, line, pixels, plan.target_pixels, groups, inner, outer, width,
            lanes, CHUNK if packed.nbytes <= RESIDENT else out.size,
            span_of(sums, units * splits, 1), *(sums or NO_SUMS[dtype.char]), finish)
    give_back(space, packed)


@kernel_with_epilogue
def _gather(workers, source, mean, scale, shift, space, packed, out, rows, targets, phases, runs, lines, counter, batch,
            images, splits, padded, line, pixels, target_pixels, groups, inner, outer, width, lanes, chunk, span,
            written, partial, scratch, width_of_sums, finish):
    channels = inner * groups
    for worker in prange(workers):
        block = -1
        while True:
            block = block + 1 if (block + 1) % span else claim(counter) * span
            unit, split = block // splits, block % splits
            first = unit * images
            count = min(images, batch - first)
            if count <= 0:
                break
            a, start = source, first * pixels * channels
            if padded:
                a, start = space, (first if splits > 1 else worker * images) * pixels * channels
                if splits == 1:
                    surround(source, first, count, mean, scale, shift, space, start, lines, line, pixels, channels)
            for phase in range(phases.shape[0]):
                row, per_image, tap, taps, run, run_count = phases[phase]
                total = per_image * count
                last = row + (split + 1) * total // splits - 1
                row += split * total // splits
                steps = taps * inner
                run_steps = steps // max(run_count, 1)
                near = min(ROWS // max(taps, 1), lanes)  # elements a step: what the next tile reads
                for group in range(groups):
                    corner = start + group * inner
                    b = (tap * groups + group * taps) * inner * width
                    c = first * target_pixels * groups * outer + group * outer
                    for low in range(row, last + 1, chunk):
                        high = min(low + chunk - 1, last)
                        for k in range(0, width, 2 * lanes):
                            if width - k >= 2 * lanes:
                                for m in range(low, high + 1, ROWS):
                                    wide(a, corner, rows, m, high, channels, runs, run,
                                         run + run_count, channels, run_steps, 1, packed, b + k * steps, 2 * lanes,
                                         out, c + k, targets, groups * outer, outer - k - lanes, 0, group * outer + k,
                                         start + rows[min(m + ROWS, last)] * channels, near if k == 0 else 0, finish)
                            elif HALVES and lanes < lanes_of(a):
                                for m in range(low, high + 1, ROWS_HALF):
                                    half(a, corner, rows, m, high, channels, runs, run,
                                         run + run_count, channels, run_steps, 1, packed, b, lanes,
                                         out, c, targets, groups * outer, outer, 0, 0, 0, 0, ())
                            else:
                                for m in range(low, high + 1, ROWS_NARROW):
                                    narrow(a, corner, rows, m, high, channels, runs, run,
                                           run + run_count, channels, run_steps, 1, packed, b + k * steps, lanes,
                                           out, c + k, targets, groups * outer, outer - k, 0, group * outer + k,
                                           0, 0, finish)
            if written.size and splits == 1:
                sum_written(out, first * target_pixels, count * target_pixels, groups * outer, groups * outer, written,
                            partial, scratch, width_of_sums)


@kernel
def _pack(workers, w, packed, order, phases, groups, inner, outer, width, lanes, inner_stride, outer_stride,
          group_stride):
    """The weight as the tile reads it: [phase][group][block of lanes][tap][inner channel][lane], unused lanes zero."""
    blocks = -(-width // (2 * lanes))
    for worker in prange(workers):
        for block in range(worker * groups * blocks // workers, (worker + 1) * groups * blocks // workers):
            group, k = block // blocks, block % blocks * 2 * lanes
            size = min(2 * lanes, width - k)
            for phase in range(phases.shape[0]):
                tap, taps = phases[phase, 2], phases[phase, 3]
                at = (tap * groups + group * taps) * inner * width + k * taps * inner
                for t in range(tap, tap + taps):
                    for i in range(inner):
                        start = order[t] + i * inner_stride + group * group_stride
                        for lane in range(min(size, outer - k)):
                            packed[at + lane] = w[start + (k + lane) * outer_stride]
                        packed[at + outer - k:at + size] = 0
                        at += size


# ------------------------------------------------------------------------------------------------ conv_weight_grad
def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in w: out[k, c, t] = sum over n and o of y[n, o, k] * x[n, o*s + t*d - p, c]."""
    if not out.size:
        return
    apart = (winograd.conv_weight_grad(x, y, out, geometry.padding)
             if is_winograd(geometry, x.dtype, x.shape[-1], y.shape[-1]) else None)
    if apart is None or len(apart) == len(x):
        _weight_sums(x, y, out, geometry)
    elif apart.size:
        others, own = np.delete(np.arange(len(x)), apart), np.empty_like(out)
        conv_weight_grad(x[others], y[others], out, geometry)
        _weight_sums(x[apart], y[apart], own, geometry)
        out += own


def weight_grad_of_normal(x: np.ndarray, y: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                          out: np.ndarray, geometry: ConvGeometry) -> None:
    """`conv_weight_grad` of relu((x - mean) * scale + shift) and y; see `conv_of_normal`."""
    norm, channels, outputs = (mean, scale, shift), x.shape[-1], y.shape[-1]
    if y.size and forms_normal(geometry, x.dtype, channels, outputs):
        if not is_winograd(geometry, x.dtype, channels, outputs):
            _weight_sums(x, y, out, geometry, norm)
            return
        apart = winograd.conv_weight_grad(x, y, out, geometry.padding, norm)
        if apart is not None and not apart.size:
            return
    conv_weight_grad(formed(x, norm), y, out, geometry)


def _weight_sums(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry, norm: Any = ()) -> None:
    """`conv_weight_grad` as a direct sum, of what `conv_of_normal` reads if there is a norm.

    The batch is cut into parts with a partial sum each, added up in order at the end. Their number follows from the
    sizes: many parts when the weight is small, few and split by rows and columns of the weight when it is large.
    """
    if depthwise.is_depthwise(out, geometry):
        depthwise.weight_grad(x, y, out, geometry, norm)
        return
    dtype, batch, channels, outputs, groups = x.dtype, x.shape[0], x.shape[-1], y.shape[-1], geometry.groups
    if geometry.pointwise:
        _pointwise_weight_grad(x.reshape(-1, channels), y.reshape(-1, outputs), out.reshape(outputs, channels), norm)
        return
    plan, pixels = geometry.sweep, prod(geometry.padded_size)
    inner, outer = channels // groups, outputs // groups
    heavy = y.size * out.size // outputs > HEAVY
    if heavy and (together := _together(groups, outer, dtype)) > 1:
        joined = np.empty((outputs, together * inner, *geometry.kernel_size), dtype)
        _weight_sums(x, y, joined, replace(geometry, groups=groups // together), norm)
        blocks = joined.reshape(groups // together, together, outer, together, inner, *geometry.kernel_size)
        own = out.reshape(groups // together, together, outer, inner, *geometry.kernel_size)
        for i in range(together):
            own[:, i] = blocks[:, i, :, i]
        return
    if heavy and few_outputs.sums_lines(geometry, channels, outputs, dtype.itemsize):
        few_outputs.weight_grad(x, y, out, geometry, norm)
        return
    panels, lanes = borrow(get_num_threads() * 8 * WIDTH // dtype.itemsize * STRETCH, dtype), _lanes(dtype, outer)
    parts = max(1, min(-(-batch // plan.images), 16, PARTIAL_BYTES // (out.size * dtype.itemsize)))
    splits = 1 if parts >= 16 or not heavy else 16
    copied = geometry.padded or splits == 1  # even without padding: a copy into L2 beats strided reads from afar
    slots = 0 if not copied else get_num_threads() * plan.images if splits == 1 else batch
    space, partial = borrow(slots * pixels * channels, dtype), borrow(parts * out.size, dtype)
    line, x_lines = geometry.input_size[-1], geometry.gather.lines
    x, y, result = x.reshape(-1), y.reshape(-1), out.reshape(-1)
    norm = norm or NO_NORM[dtype.char]
    if copied and splits > 1:
        pad(heavy, x, *norm, space, x_lines, line, pixels, channels, batch)
    counter = np.zeros(1, np.int64)
    rows, numbers = _weight_rows(geometry, inner, channels)
    _sweep(heavy, x, *norm, space, y, partial, panels, rows, numbers, plan.lines, x_lines, counter, batch, plan.images,
           parts, splits, copied, line, pixels, plan.lines_per_image, plan.length, plan.step, groups, inner, outer,
           lanes)
    give_back(panels)
    _add_parts(heavy and parts * out.size > 100_000, partial, result, parts, groups, inner, outer, plan.taps.size)
    give_back(space, partial)


def _pointwise_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, norm: Any = ()) -> None:
    """out = y^T x of pixels x (M, C) and y (M, K), as a matrix product, cut into parts if there are many pixels.

    With a norm, of relu((x - mean) * scale + shift).

    A worker on a part of its own reads nothing twice; a product not cut is shared out by rows and columns. ms on two
    cores (Zen 3, N64, 2026-11), with `_sweep`, which copies no row of x for the tile, as one product, and in parts:

    | channels, image | 32 to 64, 32x32 | 64 to 64, 32x32 | 64 to 128, 16x16 | 256 to 256, 8x8 | 512 to 512, 4x4 |
    |-----------------|-----------------|-----------------|------------------|-----------------|-----------------|
    | sweep           |            4.78 |            7.40 |             3.32 |            7.46 |            8.46 |
    | one product     |            8.14 |           16.54 |             5.85 |            5.37 |            5.43 |
    | parts           |            4.52 |            7.48 |             3.18 |            4.90 |            6.22 |
    """
    pixels, channels, outputs = len(x), x.shape[1], y.shape[1]
    parts = min(16, pixels // PIXELS)
    if parts < 2:
        gemm.linear(y, formed(x, norm), x[:0, 0], out, True, False, False)
        return
    each = pixels // parts
    even = parts * each  # what is left over, fewer than 16 pixels, is one part more
    partial = borrow((parts + 1) * out.size, x.dtype)
    sums = partial[:(parts + 1) * out.size].reshape(parts + 1, channels, outputs)
    first, second = x[:even].reshape(parts, each, channels), y[:even].reshape(parts, each, outputs)
    if norm:
        gemm.of_normal(first, second, sums[:parts], True, norm)
    else:
        gemm.matmul(first.transpose(0, 2, 1), second, sums[:parts])
    if even < pixels:
        gemm.linear(formed(x[even:], norm), y[even:], x[:0, 0], sums[parts], True, False, False)
        parts += 1
    _add_parts(parts * out.size > 100_000, partial, out.reshape(-1), parts, 1, channels, outputs, 1)
    give_back(partial)


@lru_cache(maxsize=1024)
def _weight_rows(geometry: ConvGeometry, inner: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Offset of every (tap, channel) pair in a padded image, and their numbers."""
    rows = (geometry.sweep.taps[:, None] * channels + np.arange(inner)).ravel()
    return rows, np.arange(rows.size)


@kernel
def _sweep(workers, x, mean, scale, shift, space, y, partial, panels, rows, numbers, y_lines, x_lines, counter, batch,
           images, parts, splits, copied, line, pixels, lines_per_image, length, step, groups, inner, outer, lanes):
    channels, outputs, height = inner * groups, outer * groups, rows.size
    units, stretch = -(-batch // images), max(1, STRETCH // length)
    k_blocks, m_size = -(-outer // (2 * lanes)), PART * ROWS
    m_blocks = -(-height // m_size)
    tiles = groups * k_blocks * m_blocks
    for worker in prange(workers):
        panel = worker * 2 * lanes_of(panels) * STRETCH
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
                if copied:
                    a, start = space, (first if splits > 1 else worker * images) * pixels * channels
                    if splits == 1:
                        surround(x, first, count, mean, scale, shift, space, start, x_lines, line, pixels, channels)
                total = lines_per_image * count
                for low_line in range(0, max(total, 1), stretch):
                    high_line = min(low_line + stretch, total)
                    for piece in range(0, length, STRETCH):
                        steps = min(STRETCH, length - piece)
                        b = ((first * lines_per_image + low_line) * length + piece) * outputs
                        held = -1
                        for tile in range(split * tiles // splits, (split + 1) * tiles // splits):
                            column, low = tile // m_blocks, tile % m_blocks * m_size
                            group, k = column // k_blocks, column % k_blocks * 2 * lanes
                            size = 2 * lanes if outer - k > lanes else lanes
                            if column != held:
                                held = column
                                _panel(y, b + group * outer + k, (high_line - low_line) * steps, outputs, panels,
                                       panel, size, lanes, outer - k)
                            last = min(low + m_size, height) - 1
                            at = start + group * inner + piece * step * channels
                            c = (part * groups + group) * height * outer + k
                            if size > lanes:
                                for m in range(low, last + 1, ROWS):
                                    wide(a, at, rows, m, last, 1, y_lines, low_line, high_line, channels, steps,
                                         step * channels, panels, panel, size, partial, c, numbers, outer,
                                         outer - k - lanes, more, 0, 0, 0, ())
                            elif HALVES and lanes < lanes_of(a):
                                for m in range(low, last + 1, ROWS_HALF):
                                    half(a, at, rows, m, last, 1, y_lines, low_line, high_line, channels, steps,
                                         step * channels, panels, panel, size, partial, c, numbers, outer,
                                         outer, more, 0, 0, 0, ())
                            else:
                                for m in range(low, last + 1, ROWS_NARROW):
                                    narrow(a, at, rows, m, last, 1, y_lines, low_line, high_line, channels, steps,
                                           step * channels, panels, panel, size, partial, c, numbers, outer,
                                           outer - k, more, 0, 0, 0, ())
                        more = 1


@helper(fastmath=FASTMATH)
def _panel(y, start, pixels, outputs, panels, at, size, lanes, used):
    """`size` lanes of these pixels of y, side by side; as far apart as in y they would share few sets of the cache."""
    for pixel in range(pixels):
        fetch(y, start + (pixel + AHEAD) * outputs)
        move(y, start + pixel * outputs, panels, at + pixel * size, used)
        if size > lanes:
            move(y, start + pixel * outputs + lanes, panels, at + pixel * size + lanes, used - lanes)


@kernel
def _add_parts(workers, partial, out, parts, groups, inner, outer, taps):
    """out[k, c, t] = sum over parts of partial[part, group, t, c, k]."""
    size = groups * taps * inner * outer
    for worker in prange(workers):
        for row in range(worker * groups * taps * inner // workers, (worker + 1) * groups * taps * inner // workers):
            total = partial[row * outer:(row + 1) * outer]
            for part in range(1, parts):
                more = partial[part * size + row * outer:part * size + (row + 1) * outer]
                for k in range(outer):
                    total[k] += more[k]
            group, t, c = row // (taps * inner), row // inner % taps, row % inner
            to = group * outer * inner * taps + c * taps + t
            for k in range(outer):
                out[to + k * inner * taps] = total[k]
