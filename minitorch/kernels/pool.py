"""Pooling: the windows come as a table of pixels (`PoolGeometry.table`), the lanes are channels.

A tile is one window x four vectors of channels: what a window gathers stays in registers while its pixels go by, what
it spreads is loaded once.

Gathering kernels own output pixels, scattering kernels own images: nobody adds to what another worker owns. Where no
two windows share a pixel, as in most nets, scattering stores and does not add; where they leave no pixel out either,
nothing is cleared before.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from minitorch.geometry import PoolGeometry
from minitorch.kernels.engine.runtime import helper, kernel
from minitorch.kernels.norm import NO_NORM
from minitorch.kernels.words.moves import clear
from minitorch.kernels.words.registers import INT, LANE, WIDTH, Vectors, intrinsic, unpacked

__all__ = ["max_pool", "max_pool_of_normal", "pool_gather", "pool_scatter", "window_scatter", "window_sum",
           "window_spread"]

HEAVY = 100_000  # elements read, worth waking the other threads for
VECTORS = 4  # of a tile; the channels left over go one vector at a time, masked
AHEAD = 512  # elements: what lies so far behind is fetched into the cache; see `Vectors.ahead`
SEARCH = 32  # pixels of overlapping windows up to which comparing vectors beats adding single elements


def max_pool(x: np.ndarray, out: np.ndarray, choice: np.ndarray, geometry: PoolGeometry) -> None:
    """Largest pixel of every window and its flat position in the plane; the first of equals, but NaN wins, the last."""
    none, *_ = NO_NORM[x.dtype.char]
    max_pool_of_normal(x, none, none, none, out, choice, geometry)


def max_pool_of_normal(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray, out: np.ndarray,
                       choice: np.ndarray, geometry: PoolGeometry) -> None:
    """`max_pool` of relu((x - mean) * scale + shift)."""
    first, pixels = geometry.table
    _max_pool(_work(out, geometry) > HEAVY, x.reshape(-1), mean, scale, shift, out.reshape(-1), choice.reshape(-1),
              first, pixels, *_sizes(x, geometry))


def pool_gather(x: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """out[n, o, c] = x[n, choice[n, o, c], c], space flattened."""
    _pool_gather(out.size > HEAVY, x.reshape(-1), choice.reshape(-1), out.reshape(-1), *_chosen_sizes(x, out))


def pool_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `pool_gather`: out[n, choice[n, o, c], c] += y[n, o, c], all else 0."""
    _pool_scatter(out.size + y.size > HEAVY, y.reshape(-1), choice.reshape(-1), out.reshape(-1), *_chosen_sizes(out, y))


def window_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """`pool_scatter` of choices that lie each in its window.

    The kernel compares each pixel of window o with choice[o]; it stores y where they are equal, else 0.
    """
    first, pixels = geometry.table
    disjoint, covering = _coverage(geometry)
    if not disjoint and pixels.size > SEARCH * (first.size - 1):
        pool_scatter(y, choice, out)
        return
    _window_scatter(_work(y, geometry) > HEAVY, y.reshape(-1), choice.reshape(-1), out.reshape(-1), first, pixels,
                    disjoint, covering, *_sizes(out, geometry))


def window_sum(x: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """out[n, o, c] = scale[o] * sum of x over window o."""
    first, pixels = geometry.table
    _window_sum(_work(out, geometry) > HEAVY, x.reshape(-1), scale.reshape(-1), out.reshape(-1), first, pixels,
                *_sizes(x, geometry))


def window_spread(y: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """Adjoint of `window_sum`: every pixel of window o receives scale[o] * y[n, o, c]."""
    first, pixels = geometry.table
    _window_spread(_work(y, geometry) > HEAVY, y.reshape(-1), scale.reshape(-1), out.reshape(-1), first, pixels,
                   *_coverage(geometry), *_sizes(out, geometry))


def _work(small: np.ndarray, geometry: PoolGeometry) -> int:
    """Elements under all windows; `small` is the array with an element for each window."""
    first, pixels = geometry.table
    return small.size // max(first.size - 1, 1) * pixels.size


def _sizes(big: np.ndarray, geometry: PoolGeometry) -> tuple[int, int, int, int]:
    """Images, pixels of one, channels, lanes; `big` is the array with an element for each pixel."""
    return big.shape[0], prod(geometry.input_size), big.shape[-1], 4 * WIDTH // big.dtype.itemsize


@lru_cache(maxsize=4096)
def _coverage(geometry: PoolGeometry) -> tuple[bool, bool]:
    """Whether no pixel is in two windows; whether then every pixel is in one."""
    _, count, *_ = _sizes(np.empty((0, 0)), geometry)
    _, pixels = geometry.table
    disjoint = np.unique(pixels).size == pixels.size
    return disjoint, disjoint and pixels.size == count


def _chosen_sizes(big: np.ndarray, small: np.ndarray) -> tuple[int, int, int, int]:
    """Images, pixels of one of `big`, and of `small`, which are chosen from them, and channels; of (N, *size, C)."""
    return big.shape[0], prod(big.shape[1:-1]), prod(small.shape[1:-1]), big.shape[-1]


# ------------------------------------------------------------------------------------------------ tiles
class _Places(Vectors):
    """int32 positions, as many as the vectors `v` have lanes; they move as float32 with the same bits."""

    def __init__(self, v: Vectors) -> None:
        super().__init__(v.builder, ir.FloatType(), lanes=v.lanes)
        self.numbers = ir.VectorType(LANE, self.lanes)


class _Window:
    """One window x some vectors of channels: operations on all the vectors at once, and the loop over the pixels."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, vectors: int) -> None:
        self.builder = builder
        self.values = unpacked(context, builder, signature, arguments)
        self.v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
        self.places = _Places(self.v)
        self.count, self.mask, self.valid = vectors, None, None

    def masked(self, valid: ir.Value) -> None:
        """From here on only `valid` lanes are read and written."""
        self.mask, self.valid = (self.v.mask(valid), valid) if self.count == 1 else (None, None)

    def load(self, kind: Vectors, array: ir.Value, at: ir.Value) -> list[ir.Value]:
        """The vectors at array[at:]."""
        if self.count == 1:  # few channels, a line of the cache for a few pixels
            kind.fetch_on(kind.at(array, at), 1, INT(AHEAD))
        return [kind.load(cell, self.mask) for cell in kind.cells(kind.at(array, at), self.count)]

    def store(self, kind: Vectors, values: list[ir.Value], array: ir.Value, at: ir.Value) -> None:
        """array[at:] = the vectors."""
        kind.fetch_on(kind.at(array, at), self.count, INT(AHEAD), write=True)
        for value, cell in zip(values, kind.cells(kind.at(array, at), self.count), strict=True):
            if self.valid:
                kind.store_first(value, cell, self.valid)
            else:
                kind.store(value, cell)

    def entry(self, table: ir.Value, index: ir.Value) -> ir.Value:
        """table[index]"""
        return self.builder.load(self.v.at(table, index))

    def position(self, pixel: ir.Value) -> ir.Value:
        """The pixel's number in all lanes of a vector of int32."""
        return self.v.splat(self.builder.trunc(pixel, LANE))


def make_largest(vectors: int, normal: bool) -> Any:
    """The largest pixel of a window and its position; with `normal` of relu((x - mean) * scale + shift).

    k: the first channel, at x_at.
    """

    @intrinsic
    def largest(typingctx, x, x_at, pixels, begin, end, channels, mean, scale, shift, k, out, choice, out_at, valid):
        size = types.intp

        def emit(context, builder, signature, arguments):
            tile = _Window(context, builder, signature, arguments, vectors)
            x, x_at, pixels, begin, end, channels, *factors, k, out, choice, out_at, valid = tile.values
            tile.masked(valid)
            factors = list(zip(*(tile.load(tile.v, factor, k) for factor in factors), strict=True)) if normal else []

            def seen(pixel):
                values = tile.load(tile.v, x, builder.add(x_at, builder.mul(pixel, channels)))
                if not normal:
                    return values
                return [tile.v.rectified(tile.v.normal(x, *own)) for x, own in zip(values, factors, strict=True)]

            pixel = tile.entry(pixels, begin)
            bests = [cgutils.alloca_once_value(builder, value) for value in seen(pixel)]
            places = [cgutils.alloca_once_value(builder, tile.position(pixel)) for _ in bests]
            with cgutils.for_range_slice(builder, builder.add(begin, INT(1)), end, INT(1)) as (i, _):
                pixel = tile.entry(pixels, i)
                for value, best, place in zip(seen(pixel), bests, places, strict=True):
                    better = builder.or_(builder.fcmp_ordered(">", value, builder.load(best)),
                                         builder.fcmp_unordered("uno", value, value))
                    builder.store(builder.select(better, value, builder.load(best)), best)
                    builder.store(builder.select(better, tile.position(pixel), builder.load(place)), place)
            tile.store(tile.v, [builder.load(best) for best in bests], out, out_at)
            chosen = [builder.bitcast(builder.load(place), tile.places.type) for place in places]
            tile.store(tile.places, chosen, choice, out_at)
            return context.get_dummy_value()

        return types.void(x, size, pixels, *[size] * 3, mean, scale, shift, size, out, choice, size, size), emit

    return largest


def make_total(vectors: int) -> Any:
    """The sum over a window, times its scale."""

    @intrinsic
    def total(typingctx, x, x_at, pixels, begin, end, channels, scale, window, out, out_at, valid):
        size = types.intp

        def emit(context, builder, signature, arguments):
            tile = _Window(context, builder, signature, arguments, vectors)
            x, x_at, pixels, begin, end, channels, scale, window, out, out_at, valid = tile.values
            tile.masked(valid)
            sums = [cgutils.alloca_once_value(builder, tile.v.zero) for _ in range(vectors)]
            with cgutils.for_range_slice(builder, begin, end, INT(1)) as (i, _):
                at = builder.add(x_at, builder.mul(tile.entry(pixels, i), channels))
                for value, total in zip(tile.load(tile.v, x, at), sums, strict=True):
                    builder.store(builder.fadd(builder.load(total), value), total)
            factor = tile.v.splat(tile.entry(scale, window))
            tile.store(tile.v, [builder.fmul(builder.load(total), factor) for total in sums], out, out_at)
            return context.get_dummy_value()

        return types.void(x, size, pixels, *[size] * 3, scale, size, out, size, size), emit

    return total


def make_spread(vectors: int, add: bool) -> Any:
    """A window's scale times its value, to all its pixels: stored there, or added."""

    @intrinsic
    def spread(typingctx, y, y_at, scale, window, pixels, begin, end, channels, out, out_at, valid):
        size = types.intp

        def emit(context, builder, signature, arguments):
            tile = _Window(context, builder, signature, arguments, vectors)
            y, y_at, scale, window, pixels, begin, end, channels, out, out_at, valid = tile.values
            tile.masked(valid)
            factor = tile.v.splat(tile.entry(scale, window))
            values = [builder.fmul(value, factor) for value in tile.load(tile.v, y, y_at)]
            with cgutils.for_range_slice(builder, begin, end, INT(1)) as (i, _):
                at = builder.add(out_at, builder.mul(tile.entry(pixels, i), channels))
                olds = tile.load(tile.v, out, at) if add else []
                tile.store(tile.v, list(map(builder.fadd, olds, values)) if add else values, out, at)
            return context.get_dummy_value()

        return types.void(y, size, scale, size, pixels, *[size] * 3, out, size, size), emit

    return spread


def make_chosen(vectors: int, add: bool) -> Any:
    """A window's value to the pixel of its choice and 0 to its others: stored there, or added."""

    @intrinsic
    def chosen(typingctx, y, choice, y_at, pixels, begin, end, channels, out, out_at, valid):
        size = types.intp

        def emit(context, builder, signature, arguments):
            tile = _Window(context, builder, signature, arguments, vectors)
            y, choice, y_at, pixels, begin, end, channels, out, out_at, valid = tile.values
            tile.masked(valid)
            values = tile.load(tile.v, y, y_at)
            places = [builder.bitcast(p, tile.places.numbers) for p in tile.load(tile.places, choice, y_at)]
            with cgutils.for_range_slice(builder, begin, end, INT(1)) as (i, _):
                pixel = tile.entry(pixels, i)
                at = builder.add(out_at, builder.mul(pixel, channels))
                meant = [builder.icmp_signed("==", place, tile.position(pixel)) for place in places]
                parts = [builder.select(m, value, tile.v.zero) for m, value in zip(meant, values, strict=True)]
                olds = tile.load(tile.v, out, at) if add else []
                tile.store(tile.v, list(map(builder.fadd, olds, parts)) if add else parts, out, at)
            return context.get_dummy_value()

        return types.void(y, choice, size, pixels, *[size] * 3, out, size, size), emit

    return chosen


largest, largest_narrow = make_largest(VECTORS, normal=False), make_largest(1, normal=False)
normal_largest, normal_largest_narrow = make_largest(VECTORS, normal=True), make_largest(1, normal=True)
total, total_narrow = make_total(VECTORS), make_total(1)
spread, spread_narrow = make_spread(VECTORS, add=False), make_spread(1, add=False)
add_spread, add_spread_narrow = make_spread(VECTORS, add=True), make_spread(1, add=True)
chosen, chosen_narrow = make_chosen(VECTORS, add=False), make_chosen(1, add=False)
add_chosen, add_chosen_narrow = make_chosen(VECTORS, add=True), make_chosen(1, add=True)


# ------------------------------------------------------------------------------------------------ kernels
@kernel
def _max_pool(workers, x, mean, scale, shift, out, choice, first, pixels, batch, image, channels, lanes):
    windows = first.size - 1
    for worker in prange(workers):
        for block in range(worker * batch * windows // workers, (worker + 1) * batch * windows // workers):
            n, o = block // windows, block % windows
            a, to, begin, end, k = n * image * channels, block * channels, first[o], first[o + 1], 0
            if mean.size:
                while channels - k >= VECTORS * lanes:
                    normal_largest(x, a + k, pixels, begin, end, channels, mean, scale, shift, k, out, choice, to + k,
                                   0)
                    k += VECTORS * lanes
                while k < channels:
                    normal_largest_narrow(x, a + k, pixels, begin, end, channels, mean, scale, shift, k, out, choice,
                                          to + k, channels - k)
                    k += lanes
            while channels - k >= VECTORS * lanes:
                largest(x, a + k, pixels, begin, end, channels, mean, scale, shift, k, out, choice, to + k, 0)
                k += VECTORS * lanes
            while k < channels:
                largest_narrow(x, a + k, pixels, begin, end, channels, mean, scale, shift, k, out, choice, to + k,
                               channels - k)
                k += lanes


@helper()
def _at(start, choice, at, channels, c):
    """Where channel c of the pixel that choice[at] names lies in an image from `start` on.

    Positions are never negative; numba, not told so, asks each one (a row of 1024: 6.7 ns an element, 1.0 so; 2026-11).
    """
    return np.uint64(start + choice[np.uint64(at)] * channels + c)


@kernel
def _pool_gather(workers, x, choice, out, batch, image, windows, channels):
    for worker in prange(workers):
        i, end = worker * batch * windows // workers, (worker + 1) * batch * windows // workers
        while i < end:
            n = i // windows
            stop, start = min(end, (n + 1) * windows), n * image * channels
            if channels == 1:
                for at in range(i, stop):
                    out[np.uint64(at)] = x[_at(start, choice, at, 1, 0)]
            else:
                for o in range(i, stop):
                    for c in range(channels):
                        at = o * channels + c
                        out[np.uint64(at)] = x[_at(start, choice, at, channels, c)]
            i = stop


@kernel
def _pool_scatter(workers, y, choice, out, batch, image, windows, channels):
    for worker in prange(workers):
        for n in range(worker * batch // workers, (worker + 1) * batch // workers):
            start = n * image * channels
            clear(out, start, image * channels)
            for o in range(n * windows, (n + 1) * windows):
                for c in range(channels):
                    at = o * channels + c
                    out[_at(start, choice, at, channels, c)] += y[np.uint64(at)]


@kernel
def _window_scatter(workers, y, choice, out, first, pixels, disjoint, covering, batch, image, channels, lanes):
    windows = first.size - 1
    for worker in prange(workers):
        for n in range(worker * batch // workers, (worker + 1) * batch // workers):
            c = n * image * channels
            if not covering:
                clear(out, c, image * channels)
            for o in range(windows):
                a, begin, end, k = (n * windows + o) * channels, first[o], first[o + 1], 0
                while channels - k >= VECTORS * lanes:
                    if disjoint:
                        chosen(y, choice, a + k, pixels, begin, end, channels, out, c + k, 0)
                    else:
                        add_chosen(y, choice, a + k, pixels, begin, end, channels, out, c + k, 0)
                    k += VECTORS * lanes
                while k < channels:
                    if disjoint:
                        chosen_narrow(y, choice, a + k, pixels, begin, end, channels, out, c + k, channels - k)
                    else:
                        add_chosen_narrow(y, choice, a + k, pixels, begin, end, channels, out, c + k, channels - k)
                    k += lanes


@kernel
def _window_sum(workers, x, scale, out, first, pixels, batch, image, channels, lanes):
    windows = first.size - 1
    for worker in prange(workers):
        for block in range(worker * batch * windows // workers, (worker + 1) * batch * windows // workers):
            n, o = block // windows, block % windows
            a, begin, end, k = n * image * channels, first[o], first[o + 1], 0
            while channels - k >= VECTORS * lanes:
                total(x, a + k, pixels, begin, end, channels, scale, o, out, block * channels + k, 0)
                k += VECTORS * lanes
            while k < channels:
                total_narrow(x, a + k, pixels, begin, end, channels, scale, o, out, block * channels + k, channels - k)
                k += lanes


@kernel
def _window_spread(workers, y, scale, out, first, pixels, disjoint, covering, batch, image, channels, lanes):
    windows = first.size - 1
    for worker in prange(workers):
        for n in range(worker * batch // workers, (worker + 1) * batch // workers):
            c = n * image * channels
            if not covering:
                clear(out, c, image * channels)
            for o in range(windows):
                a, begin, end, k = (n * windows + o) * channels, first[o], first[o + 1], 0
                while channels - k >= VECTORS * lanes:
                    if disjoint:
                        spread(y, a + k, scale, o, pixels, begin, end, channels, out, c + k, 0)
                    else:
                        add_spread(y, a + k, scale, o, pixels, begin, end, channels, out, c + k, 0)
                    k += VECTORS * lanes
                while k < channels:
                    if disjoint:
                        spread_narrow(y, a + k, scale, o, pixels, begin, end, channels, out, c + k, channels - k)
                    else:
                        add_spread_narrow(y, a + k, scale, o, pixels, begin, end, channels, out, c + k, channels - k)
                    k += lanes
