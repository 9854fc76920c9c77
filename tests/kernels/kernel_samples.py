"""Samples of every kernel, and how its two implementations are compared."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from meeting_samples import meeting_samples

from minitorch import kernels
from minitorch.geometry import ConvGeometry, PoolGeometry
from minitorch.kernels import reference
from minitorch.kernels.tile import algorithm

FAST = kernels.implementation() == "numba"
needs_numba = pytest.mark.skipif(not FAST, reason="the reference kernels were chosen")
DTYPES = (np.float32, np.float64)

# batch, channels of x, channels of y, geometry
CONVOLUTIONS = {
    "1d": (3, 4, 5, ConvGeometry.of((11,), 3, padding=1)),
    "1d stride beyond kernel": (2, 3, 2, ConvGeometry.of((17,), 2, stride=5, padding=1)),
    "1d long lines": (2, 3, 5, ConvGeometry.of((700,), 3, padding=1)),
    "2d 3x3": (3, 16, 32, ConvGeometry.of((9, 8), 3, padding=1)),
    "2d three blocks of lanes": (1, 5, 41, ConvGeometry.of((6, 7), 3)),
    "2d many outputs": (2, 7, 70, ConvGeometry.of((5, 5), (3, 2), padding=1)),
    "2d 1x1": (3, 20, 33, ConvGeometry.of((6, 6), 1)),
    "2d 1x1, many channels": (3, 90, 100, ConvGeometry.of((6, 6), 1)),
    "2d 1x1, pixels in three parts": (1, 5, 9, ConvGeometry.of((55, 57), 1)),
    "2d 1x1, pixels in two parts and one more": (1, 9, 5, ConvGeometry.of((41, 51), 1)),
    "2d 1x1, as many windows as pixels": (2, 90, 100, ConvGeometry.of((3, 3), 1, stride=2, padding=1)),
    "2d 1x1 stride 2": (3, 8, 16, ConvGeometry.of((7, 6), 1, stride=2)),
    "2d stride 2": (4, 6, 9, ConvGeometry.of((9, 10), 3, stride=2, padding=1)),
    "2d stride 3, kernel 2, unreached pixels": (2, 3, 4, ConvGeometry.of((10, 11), 2, stride=3)),
    "2d dilated": (2, 4, 3, ConvGeometry.of((9, 11), 3, dilation=(2, 3), padding=2)),
    "2d dilated and strided": (2, 4, 3, ConvGeometry.of((12, 13), 3, stride=(2, 3), dilation=(3, 2), padding=3)),
    "2d uneven padding": (2, 3, 4, ConvGeometry.of((6, 5), 3, padding=((0, 2), (3, 1)))),
    "2d kernel covers input": (5, 3, 4, ConvGeometry.of((4, 5), (4, 5))),
    "2d padding beyond kernel": (2, 2, 3, ConvGeometry.of((3, 3), 2, padding=4)),
    "2d groups": (2, 6, 9, ConvGeometry.of((6, 6), 3, padding=1, groups=3)),
    "2d depthwise": (3, 10, 10, ConvGeometry.of((7, 8), 3, padding=1, stride=2, groups=10)),
    "2d depthwise, three outputs each": (2, 4, 12, ConvGeometry.of((6, 6), 3, padding=1, groups=4)),
    "2d depthwise, dilated and uneven": (
        2,
        5,
        5,
        ConvGeometry.of((9, 11), (3, 2), stride=(1, 3), padding=((0, 2), (3, 1)), dilation=(2, 1), groups=5),
    ),
    "2d depthwise, more lanes than fill two vectors": (2, 41, 41, ConvGeometry.of((5, 9), 5, padding=2, groups=41)),
    "2d depthwise, one image": (1, 37, 37, ConvGeometry.of((20, 9), 3, padding=1, groups=37)),
    "2d depthwise, unreached pixels": (2, 3, 3, ConvGeometry.of((11, 10), 2, stride=4, groups=3)),
    "1d depthwise": (2, 9, 9, ConvGeometry.of((23,), 7, padding=3, groups=9)),
    "3d depthwise": (2, 6, 6, ConvGeometry.of((4, 5, 6), 3, stride=(1, 2, 1), padding=1, groups=6)),
    "2d one image": (1, 3, 8, ConvGeometry.of((40, 31), 3, padding=1)),
    "2d many small images": (70, 3, 6, ConvGeometry.of((4, 4), 3, padding=1)),
    "2d large enough for threads": (8, 33, 40, ConvGeometry.of((17, 18), 3, padding=1)),
    "2d images for threads": (16, 8, 16, ConvGeometry.of((16, 16), 3, padding=1)),
    "2d depthwise images for threads": (17, 128, 128, ConvGeometry.of((16, 16), 3, padding=1, groups=128)),
    "2d large weight": (3, 128, 140, ConvGeometry.of((6, 6), 3, padding=1)),
    "2d empty batch": (0, 3, 4, ConvGeometry.of((6, 6), 3)),
    "3d": (2, 3, 5, ConvGeometry.of((5, 6, 4), (2, 3, 2), stride=(1, 2, 1), padding=1)),
}
POOLS = {
    "1d": (3, 5, PoolGeometry.windows((9,), 2)),
    "2d 2x2": (3, 16, PoolGeometry.windows((8, 6), 2)),
    "2d overlapping": (2, 7, PoolGeometry.windows((9, 8), 3, stride=2, padding=1)),
    "2d ceil_mode": (2, 3, PoolGeometry.windows((7, 8), 3, stride=2, ceil_mode=True)),
    "2d dilated": (2, 3, PoolGeometry.windows((9, 9), 3, stride=1, padding=1, dilation=2)),
    "2d adaptive": (2, 20, PoolGeometry.adaptive((7, 5), (3, 4))),
    "2d adaptive to nothing": (2, 3, PoolGeometry.adaptive((7, 5), (0, 4))),
    "2d more channels than a tile": (2, 79, PoolGeometry.windows((5, 4), 2)),
    "2d global": (5, 33, PoolGeometry.adaptive((8, 8), 1)),
    "2d large enough for threads": (16, 32, PoolGeometry.windows((16, 16), 2)),
    "2d empty batch": (0, 3, PoolGeometry.windows((4, 4), 2)),
    "3d": (2, 3, PoolGeometry.windows((4, 5, 6), 2, stride=(1, 2, 3))),
}
MATRICES = [
    (1, 1, 1, 1),
    (1, 1, 40, 70),  # a vector times a matrix, and a matrix times a vector
    (1, 300, 37, 1),
    (1, 20, 1, 35),
    (1, 4, 400, 120),
    (1, 2, 5, 3),
    (1, 7, 33, 20),
    (1, 14, 16, 32),
    (2, 30, 300, 48),  # whole vectors, and few rows: if x is turned, y is read where it lies
    (1, 9, 20, 40),
    (3, 15, 33, 17),
    (1, 100, 7, 47),
    (1, 130, 1100, 40),
    (2, 3, 0, 4),
    (0, 3, 4, 5),
    (1, 160, 200, 170),
    (5, 40, 3, 20),
    (2, 263, 520, 533),  # more than one block of rows, of steps and of columns
]
ROWS = [(0, 3), (1, 1), (4, 10), (7, 33), (5, 63), (300, 100)]
# Rows, columns, narrow rows of several at a time; blocks of what is reduced; more columns than a task has.
REDUCED = [
    (1, 1, 1),
    (3, 7, 1),
    (300, 100, 1),
    (1, 200_001, 1),
    (3, 33_000, 1),
    (2, 5, 3),
    (1, 70_001, 3),
    (3, 40, 33),
    (2, 9, 1500),
    (1, 5000, 70),
    (0, 3, 2),
    (2, 0, 3),
    (2, 3, 0),
]
COPIES = [
    ((5, 3), (1, 0)),
    ((1, 1), (0, 1)),
    ((3, 40_000), (0, 1)),
    ((70, 41), (1, 0)),
    ((2, 33, 17, 9), (0, 2, 3, 1)),
    ((2, 16, 17, 33), (0, 3, 1, 2)),
    ((3, 3, 40, 40), (0, 2, 3, 1)),
    ((4, 40, 40, 64), (0, 3, 1, 2)),
    ((5, 4, 3, 2), (2, 0, 3, 1)),
    ((2, 3, 4, 5, 6), (4, 3, 2, 1, 0)),
]
# batch, groups, channels of each, pixels
GROUPS = [
    (1, 1, 1, 1),
    (5, 1, 37, 1),
    (300, 1, 520, 1),
    (3, 4, 5, 1),
    (2, 3, 5, 7),
    (4, 33, 1, 33),
    (3, 2, 100, 20),
    (2, 70, 2, 90),
    (0, 2, 3, 4),
    (2, 1, 3, 0),
]
# units, of which so many are handed on or 0 for all; how many sequences have each step; backwards
SEQUENCES = [
    (1, 0, (1,), False),
    (3, 2, (4, 2, 1), True),
    (20, 0, (5, 5, 3, 1), False),
    (33, 9, (9, 9, 8), False),
    (17, 0, (70, 40, 7), True),
    (40, 0, (40, 40), False),
    (4, 0, (0, 0), False),
]
COLUMNS = [(1, 1), (2, 3), (63, 5), (1000, 17), (4993, 32), (33, 300), (70_001, 3), (0, 4), (4, 0)]


# ------------------------------------------------------------------------------------------------ families
FAMILIES = []  # (names of kernels, function that draws their samples)


def family(names):
    """Decorator: a function of what `samples` hands it, which yields the samples of these kernels."""

    def add(draw):
        FAMILIES.append((set(names.split()), draw))
        return draw

    return add


@family("conv conv_transpose conv_weight_grad conv_normal conv_of_normal weight_grad_of_normal conv_statistics")
def convolutions(dtype, make, rng, normal, like):
    try:
        for setting in ("direct", "winograd"):
            algorithm.setting = setting
            for case, (batch, channels, outputs, g) in CONVOLUTIONS.items():
                x, w = normal(batch, *g.input_size, channels), normal(outputs, channels // g.groups, *g.kernel_size)
                y = normal(batch, *g.output_size, outputs)
                if setting == "direct" or algorithm.is_winograd(g, np.dtype(dtype), channels, outputs):
                    yield "conv", f"{case}, {setting}", (x, w), (like(y),), (g,)
                    yield "conv_transpose", f"{case}, {setting}", (y, w), (like(x),), (g,)
                    yield "conv_weight_grad", f"{case}, {setting}", (x, y), (like(w),), (g,)
                    before = normal(channels), normal(channels), normal(channels)
                    yield "conv_of_normal", f"{case}, {setting}", (x, w, *before), (like(y),), (g,)
                    yield "weight_grad_of_normal", f"{case}, {setting}", (x, y, *before), (like(w),), (g,)
                    for norm in (before, (np.empty(0, dtype),) * 3):
                        results = like(y), *(like(normal(outputs)) for _ in range(3)), normal(outputs), normal(outputs)
                        yield "conv_statistics", f"{case}, {setting}", (x, w, *norm), results, (g, 1e-3, 0.3)
                    factors = normal(outputs), normal(outputs), normal(outputs)
                    for r, relu in ((np.empty(0, dtype), True), (normal(*y.shape), False)):
                        yield "conv_normal", f"{case}, {setting}", (x, w, r, *factors), (like(y),), (g, relu)
    finally:  # also if a comparison failed
        algorithm.setting = "auto"


@family("max_pool max_pool_of_normal pool_gather pool_scatter window_scatter window_sum window_spread")
def pools(dtype, make, rng, normal, like):
    for case, (batch, channels, g) in POOLS.items():
        x, y = normal(batch, *g.input_size, channels), normal(batch, *g.output_size, channels)
        tied = np.round(x)
        tied[rng.random(x.shape) < 0.1] = np.nan
        best, choice = np.empty_like(y), np.zeros(y.shape, np.int32)
        reference.max_pool(tied, best, choice, g)
        scale = (1 / np.array(g.divisors())).astype(dtype)
        yield "max_pool", case, (make(tied),), (like(y), like(choice)), (g,)
        before = np.abs(normal(channels)), np.abs(normal(channels)) + 1, np.abs(normal(channels))
        yield "max_pool_of_normal", case, (x, *before), (like(y), like(choice)), (g,)
        yield "pool_gather", case, (x, make(choice)), (like(y),), ()
        yield "pool_scatter", case, (y, make(choice)), (like(x),), ()
        yield "window_scatter", case, (y, make(choice)), (like(x),), (g,)
        yield "window_sum", case, (x, make(scale)), (like(y),), (g,)
        yield "window_spread", case, (y, make(scale)), (like(x),), (g,)


@family("matmul linear")
def products(dtype, make, rng, normal, like):
    for batch, m, k, n in MATRICES:
        case = f"{batch} x ({m}, {k}) @ ({k}, {n})"
        x, y, out = normal(batch, m, k), normal(batch, k, n), np.zeros((batch, m, n), dtype)
        turned_x, turned_y = normal(batch, k, m).transpose(0, 2, 1), normal(batch, n, k).transpose(0, 2, 1)
        yield "matmul", case, (x, y), (like(out),), ()
        yield "matmul", case + " turned x", (turned_x, y), (like(out),), ()
        yield "matmul", case + " turned y", (x, turned_y), (like(out),), ()
        yield "matmul", case + " turned both", (turned_x, turned_y), (like(out),), ()
        if batch:
            yield "matmul", case + " one y", (x, np.broadcast_to(y[:1], y.shape)), (like(out),), ()
        sliced_x, sliced_y = normal(batch, 2 * m, 2 * k)[:, ::2, ::2], normal(batch, k, 2 * n)[:, ::-1, ::2]
        yield "matmul", case + " sliced", (sliced_x, sliced_y), (like(out),), ()
        if batch:
            for bias in (normal(n), make(np.empty(0, dtype))):
                for x_turned in (False, True):
                    for y_turned in (False, True):
                        of = f"{case}, turned {x_turned}, {y_turned}, {bias.size} of bias"
                        operands = normal(*(m, k)[:: -1 if x_turned else 1]), normal(*(k, n)[:: -1 if y_turned else 1])
                        yield "linear", of, (*operands, bias), (like(out[0]),), (x_turned, y_turned, y_turned)


@family("linear_grad")
def linear_gradients(dtype, make, rng, normal, like):
    for m, k, n in [(2, 5, 3), (4, 400, 120), (7, 33, 20), (8, 2, 130)]:
        g, y, x, w, none = normal(m, n), normal(m, n), normal(m, k), normal(n, k), make(np.empty(0, dtype))
        y[0, 0] = np.nan
        for gate in (none, y):
            case, results = f"({m}, {k}) to {n}, {gate.size} of a gate", (like(x), like(w), like(w[:, 0]))
            yield "linear_grad", case, (g, gate, x, w), results, ()
            yield "linear_grad", case + ", w alone", (g, gate, x, none), (none, *results[1:2], none), ()
            yield "linear_grad", case + ", x alone", (g, gate, none, w), (*results[:1], none, none), ()


@family("transfer")
def copies(dtype, make, rng, normal, like):
    for shape, axes in COPIES:
        x, wide = normal(*shape), like(np.empty([shape[i] + 3 for i in axes], dtype))
        turned = x.transpose(axes)
        yield "transfer", f"{shape} {axes}", (turned,), (like(turned.copy()),), ()
        yield "transfer", f"{shape} {axes}, into a slice", (turned,), (wide[tuple(slice(1, -2) for _ in axes)],), ()
        yield "transfer", f"{shape} {axes}, backwards", (np.flip(turned),), (like(turned.copy()),), ()
        for repeated in (turned[-1:], turned[..., -1:], turned[-1:, ..., -1:]):
            expanded = np.broadcast_to(repeated, turned.shape)
            yield "transfer", f"{shape} {axes}, {repeated.shape} repeated", (expanded,), (like(turned.copy()),), ()


@family("gather_rows scatter_rows weighted_rows")
def rows_of_matrices(dtype, make, rng, normal, like):
    for m, d, n in [(1, 1, 1), (7, 3, 20), (300, 17, 1), (50, 64, 2000), (9, 5, 0), (40, 1, 30_000)]:
        rows, case = make(rng.integers(0, m, n)), f"{n} of ({m}, {d})"
        for batch in (1, 5):
            yield (
                "gather_rows",
                f"{batch} times {case}",
                (normal(batch, m, d), rows),
                (like(np.empty((batch, n, d), dtype)),),
                (),
            )
            yield (
                "scatter_rows",
                f"{batch} times {case}",
                (normal(batch, n, d), rows),
                (like(np.empty((batch, m, d), dtype)),),
                (),
            )
            counts = rng.integers(0, 6, n)
            first = make(np.concatenate([[0], np.cumsum(counts)]))
            positions, weights = make(rng.integers(0, m, first[-1])), normal(first[-1])
            weights[::3] = 1
            operands = normal(batch, m, d), first, positions, weights
            yield "weighted_rows", f"{batch} times {case}", operands, (like(np.empty((batch, n, d), dtype)),), ()


@family("dropout")
def dropouts(dtype, make, rng, normal, like):
    for size in (0, 1, 63, 1000, 200_003):
        for threshold, scale in ((1 << 31, 2.0), (0, 1.0), (2**32 - 1, 0.0)):
            mask = make(np.empty(size, np.bool_))
            yield (
                "dropout",
                f"{size} {threshold}",
                (normal(size),),
                (like(normal(size)), mask),
                (5 << 33 | 9, threshold, scale),
            )


@family("cross_entropy cross_entropy_grad")
def class_losses(dtype, make, rng, normal, like):
    for m, classes in ROWS:
        case = f"({m}, {classes})"
        x, weight, scale, labels = normal(m, classes), normal(classes), normal(m), make(rng.integers(0, classes, m))
        labels[::5] = -1
        outside = labels.copy()
        outside[1::5], outside[2::5] = classes, -5
        top, total = make(x.max(1)), make(np.exp(x - x.max(1)[:, None]).sum(1))
        for smoothing in (0.0, 0.1):
            results = like(scale), like(top), like(total), like(np.empty(3))
            yield "cross_entropy", case, (x, labels, weight), results, (-1, smoothing)
            yield "cross_entropy", f"{case}, no classes", (x, outside, weight), results, (-1, smoothing)
            operands = (x, labels, weight, top, total, scale)
            yield "cross_entropy_grad", case, operands, (like(x),), (-1, smoothing)
            yield "cross_entropy_grad", f"{case}, one scale", (*operands[:-1], normal(1)), (like(x),), (-1, smoothing)


@family(
    "softmax log_softmax softmax_grad log_softmax_grad prod_along sum_along sum_products "
    "sum_deviations sum_exp count_extremes extreme_grad running_sum running_prod deviation_grad "
    "scaled quotient exp_grad sum_squares sum_sizes max_along min_along argmax_along argmin_along"
)
def reductions(dtype, make, rng, normal, like):
    for shape in REDUCED:
        x, g, y = (normal(*shape) for _ in range(3))
        m, h, out = normal(*shape[::2]), normal(*shape[::2]), normal(*shape[::2])
        share, log_share = like(x), like(x)
        if shape[1]:
            yield "softmax", f"{shape}", (x,), (like(x),), ()
            yield "log_softmax", f"{shape}", (x,), (like(x),), ()
            reference.softmax(x, share)
            reference.log_softmax(x, log_share)
        yield "softmax_grad", f"{shape}", (g, share), (like(x),), ()
        yield "log_softmax_grad", f"{shape}", (g, log_share), (like(x),), ()
        near_one = make((1 + 0.1 * x / max(1, shape[1]) ** 0.5).astype(dtype))
        yield "prod_along", f"{shape}", (near_one,), (like(out),), ()
        for name in ("sum_along", "sum_squares", "sum_sizes", "max_along", "min_along"):
            yield name, f"{shape}", (x,), (like(out),), ()
        yield "sum_along", f"{shape} to float64", (x,), (like(np.empty(out.shape)),), ()
        yield "sum_products", f"{shape}", (x, y), (like(out),), ()
        yield "sum_deviations", f"{shape}", (x, m), (like(out),), ()
        tied = np.round(x)
        tied[rng.random(shape) < (0.1 if shape[1] < 9 else 1e-4)] = np.nan
        if shape[1]:  # of nothing NumPy finds no extreme
            tied = make(tied)
            yield "sum_exp", f"{shape}", (x, make(x.max(1))), (like(out),), ()
            for name in ("argmax_along", "argmin_along"):
                yield name, f"{shape}", (tied,), (like(np.empty(out.shape, np.int64)),), ()
            best = make(tied.max(1))
            yield "count_extremes", f"{shape}", (tied, best), (like(out),), ()
            yield "extreme_grad", f"{shape}", (tied, best, h), (like(x),), ()
        for reverse in (False, True):
            yield "running_sum", f"{shape} {reverse}", (x,), (like(x),), (reverse,)
            yield "running_prod", f"{shape} {reverse}", (near_one,), (like(x),), (reverse,)
        yield "deviation_grad", f"{shape}", (x, m, h), (like(x),), ()
        yield "scaled", f"{shape}", (x, h), (like(x),), ()
        yield "quotient", f"{shape}", (near_one, h), (like(x),), ()
        yield "exp_grad", f"{shape}", (x, m, h), (like(x),), ()


@family("group_norm group_norm_grad")
def group_norms(dtype, make, rng, normal, like):
    for batch, groups, per, size in GROUPS:
        mean, invstd, channels = normal(batch, groups), make(np.abs(normal(batch, groups)) + dtype(0.1)), groups * per
        for last, centred in itertools.product((False, True), (False, True)):
            case = f"({batch}, {groups} x {per}, {size}) last {last}, centred {centred}"
            x, g = (normal(*((batch, size, channels) if last else (batch, channels, size))) for _ in range(2))
            w, b = normal(channels), normal(channels)
            filled = like(x), like(mean), like(mean)
            yield "group_norm", case, (x, w, b), filled, (1e-3, last, centred)
            yield "group_norm_grad", case, (g, x, w, mean, invstd), (like(x), like(w), like(w)), (last, centred)


@family("lstm_steps lstm_steps_grad")
def sequences(dtype, make, rng, normal, like):
    for units, projected, counts, reverse in SEQUENCES:
        sizes, width = [sum(counts), max(counts)], projected or units
        starts, case = make(np.cumsum([0, *counts])), f"{units} to {width}, {counts[:4]}, reverse {reverse}"
        w_hh = make(normal(4 * units, width) * dtype(0.2))
        w_hr = make(normal(projected, units) * dtype(0.2)) if projected else np.empty(0, dtype)
        gates, states = normal(sizes[0], 4 * units), (normal(sizes[1], width), normal(sizes[1], units))
        steps = [like(np.empty((sizes[0], n), dtype)) for n in (width, units, units, width)]
        yield "lstm_steps", case, (w_hh, w_hr, starts), (gates, *steps, *states), (reverse,)
        shares, cells, tangents = (make(np.tanh(normal(sizes[0], n * units))) for n in (4, 1, 1))
        received = like(steps[0]) if projected else np.empty(0, dtype)
        operands = (normal(sizes[0], width), w_hh, w_hr, starts, make(shares.copy()), cells, tangents)
        gradients = normal(sizes[1], width), normal(sizes[1], units)
        yield "lstm_steps_grad", case, operands, (like(shares), received, *gradients), (reverse,)


@family("batch_norm_statistics column_sums shift_columns batch_norm_apply batch_norm_sums batch_norm_input_grad")
def columns(dtype, make, rng, normal, like):
    for m, channels in COLUMNS:
        case = f"({m}, {channels})"
        x, g, y, r = (normal(m, channels) for _ in range(4))
        mean, invstd, scale, shift, sum_g, sum_gh = (normal(channels) for _ in range(6))
        none = np.empty(0, dtype)
        y[y < 0] = 0
        if m:  # of nothing NumPy warns
            for running in ((none, none), (normal(channels), normal(channels))):
                own = like(mean), like(mean), like(mean)
                yield "batch_norm_statistics", f"{case}, {running[0].size} running", (x,), (*own, *running), (1e-3, 0.3)
        yield "column_sums", case, (x,), (like(mean),), ()
        for relu in (False, True):
            yield "shift_columns", f"{case} {relu}", (x, shift), (like(x),), (relu,)
            yield "batch_norm_apply", f"{case} {relu}", (x, none, mean, scale, shift), (like(x),), (relu,)
            yield "batch_norm_apply", f"{case} {relu} and r", (x, r, mean, scale, shift), (like(x),), (relu,)
        for gate, values, b in (("open", none, none), ("by y", y, none), ("by x", none, shift)):
            of = f"{case}, gate {gate}"
            normed = (x, g, values, mean, invstd, scale, b)
            yield "batch_norm_sums", of, normed, (like(mean), like(mean)), ()
            yield "batch_norm_input_grad", of, (*normed, sum_g, sum_gh), (like(x),), ()


@family("bisect_places histogram leading_places place_extreme place_product polynomials running_extreme")
def meetings(dtype, make, rng, normal, like):
    yield from meeting_samples(dtype, make)


def samples(dtype, make=np.array, names=None):
    """(kernel, case, operands, results, settings) of every kernel, or of some; `make` places each array."""

    def normal(*shape):
        return make(rng.standard_normal(shape).astype(dtype))

    def like(a):
        return make(np.full_like(a, 7))

    for own, draw in FAMILIES:
        if names is None or own & set(names):
            rng = np.random.default_rng(0)
            for sample in draw(dtype, make, rng, normal, like):
                assert sample[0] in own, f"add {sample[0]} to the names of {draw.__name__}"
                if names is None or sample[0] in names:
                    yield sample


def compare(make=np.array, names=None):
    """Every sample on both implementations: all results agree, operands are as before."""
    seen = set()
    for dtype in DTYPES:
        for name, case, operands, results, settings in samples(dtype, make, names):
            seen.add(name)
            before = [a.tobytes() for a in operands]
            expected = [np.full_like(a, -7) if np.all(a == 7) else a.copy() for a in results]  # or updated in place
            getattr(reference, name)(*operands, *expected, *settings)
            getattr(kernels, name)(*operands, *results, *settings)
            assert before == [a.tobytes() for a in operands], f"{name}, {case}: an operand was written to"
            for got, want in zip(results, expected, strict=True):
                largest = np.nanmax(np.abs(want), initial=0)
                np.testing.assert_allclose(
                    got,
                    want,
                    rtol=0,
                    atol=largest * (1e-12 if dtype == np.float64 else 1e-5),
                    err_msg=f"{name}, {case}, {np.dtype(dtype)}",
                )
    return seen


def in_process(expression, first="", **environment):
    """Evaluate an expression of the calling file's names, after `first`, in a new interpreter; returns stdout and stderr."""
    here, file = Path(__file__).parent, sys._getframe(1).f_globals["__name__"]
    code = f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parents[1])!r}]\n{first}\nfrom {file} import *\n{expression}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip(), done.stderr
