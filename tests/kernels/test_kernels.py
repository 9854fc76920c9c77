"""Reference and numba kernels: same names, same values; the promises of the fast ones about threads, memory and cache.

Tests that need an environment of their own run a function of this file in a fresh interpreter (`in_process`).
"""

from __future__ import annotations

import ctypes
import inspect
import itertools
import mmap
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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
    (1, 14, 16, 32),
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
REDUCED = [(1, 1, 1), (3, 7, 1), (300, 100, 1), (1, 200_001, 1), (3, 33_000, 1), (2, 5, 3), (1, 70_001, 3), (3, 40, 33),
           (2, 9, 1500), (1, 5000, 70), (0, 3, 2), (2, 0, 3), (2, 3, 0)]  # fmt: skip
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
GROUPS = [(1, 1, 1, 1), (5, 1, 37, 1), (300, 1, 520, 1), (3, 4, 5, 1), (2, 3, 5, 7), (4, 33, 1, 33), (3, 2, 100, 20),
          (2, 70, 2, 90), (0, 2, 3, 4), (2, 1, 3, 0)]  # fmt: skip
COLUMNS = [(1, 1), (2, 3), (63, 5), (1000, 17), (4999, 32), (33, 300), (70_001, 3), (0, 4), (4, 0)]


def samples(dtype, make=np.array):
    """(kernel, case, operands, results, settings) of every kernel; `make` places each array."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return make(rng.standard_normal(shape).astype(dtype))

    def like(a):
        return make(np.full_like(a, 7))

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
                    factors = normal(outputs), normal(outputs), normal(outputs)
                    for r, relu in ((np.empty(0, dtype), True), (normal(*y.shape), False)):
                        yield "conv_normal", f"{case}, {setting}", (x, w, r, *factors), (like(y),), (g, relu)
    finally:  # also if a comparison failed
        algorithm.setting = "auto"
    for case, (batch, channels, g) in POOLS.items():
        x, y = normal(batch, *g.input_size, channels), normal(batch, *g.output_size, channels)
        tied = np.round(x)
        tied[rng.random(x.shape) < 0.1] = np.nan
        best, choice = np.empty_like(y), np.zeros(y.shape, np.int32)
        reference.max_pool(tied, best, choice, g)
        scale = (1 / np.array(g.divisors())).astype(dtype)
        yield "max_pool", case, (make(tied),), (like(y), like(choice)), (g,)
        yield "pool_gather", case, (x, make(choice)), (like(y),), ()
        yield "pool_scatter", case, (y, make(choice)), (like(x),), ()
        yield "window_scatter", case, (y, make(choice)), (like(x),), (g,)
        yield "window_sum", case, (x, make(scale)), (like(y),), (g,)
        yield "window_spread", case, (y, make(scale)), (like(x),), (g,)
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
    for shape, axes in COPIES:
        x, wide = normal(*shape), like(np.empty([shape[i] + 3 for i in axes], dtype))
        turned = x.transpose(axes)
        yield "transfer", f"{shape} {axes}", (turned,), (like(turned.copy()),), ()
        yield "transfer", f"{shape} {axes}, into a slice", (turned,), (wide[tuple(slice(1, -2) for _ in axes)],), ()
        yield "transfer", f"{shape} {axes}, backwards", (np.flip(turned),), (like(turned.copy()),), ()
        for repeated in (turned[-1:], turned[..., -1:], turned[-1:, ..., -1:]):
            expanded = np.broadcast_to(repeated, turned.shape)
            yield "transfer", f"{shape} {axes}, {repeated.shape} repeated", (expanded,), (like(turned.copy()),), ()
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
    for batch, groups, per, size in GROUPS:
        mean, invstd, channels = normal(batch, groups), make(np.abs(normal(batch, groups)) + dtype(0.1)), groups * per
        for last, centred in itertools.product((False, True), (False, True)):
            case = f"({batch}, {groups} x {per}, {size}) last {last}, centred {centred}"
            x, g = (normal(*((batch, size, channels) if last else (batch, channels, size))) for _ in range(2))
            w, b = normal(channels), normal(channels)
            filled = like(x), like(mean), like(mean)
            yield "group_norm", case, (x, w, b), filled, (1e-3, last, centred)
            yield "group_norm_grad", case, (g, x, w, mean, invstd), (like(x), like(w), like(w)), (last, centred)
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


def compare(make=np.array, names=None):
    """Every sample on both implementations: all results agree, operands are as before."""
    seen = set()
    for dtype in DTYPES:
        for name, case, operands, results, settings in samples(dtype, make):
            if names and name not in names:
                continue
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
    """Evaluate an expression of this file's names, after `first`, in a new interpreter; returns stdout and stderr."""
    here = Path(__file__).parent
    code = f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parents[1])!r}]\n{first}\nfrom test_kernels import *\n{expression}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip(), done.stderr


# ------------------------------------------------------------------------------------------------ values
@pytest.mark.parametrize("name", reference.declarations)
def test_fast_kernels_agree_with_reference(name):
    """Over all samples of this name, of which there are some, and both dtypes."""
    assert compare(names=(name,)) == {name}


@needs_numba
def test_both_implementations_export_the_same_names():
    """What the numba files export is what reference.py exports."""
    assert set(kernels._fast()) == set(reference.declarations)


@pytest.mark.parametrize("name", reference.declarations)
def test_a_door_bears_what_reference_declares(name):
    """Name, docstring and signature; it is another function, and pickled by its public name."""
    door, declared = getattr(kernels, name), getattr(reference, name)
    assert door is not declared and name in kernels.__all__
    assert (door.__name__, door.__doc__) == (name, declared.__doc__) and declared.__doc__
    assert inspect.signature(door) == inspect.signature(declared)
    assert pickle.loads(pickle.dumps(door)) is door
    _, operands, results, _ = reference.declarations[name]
    kinds = [parameter.annotation for parameter in inspect.signature(door).parameters.values()]
    assert [i for i, kind in enumerate(kinds) if kind == "np.ndarray"] == list(range(operands + results))


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("setting", ["direct", "winograd"])
def test_a_finished_convolution_has_the_bits_of_two_kernels(dtype, setting, monkeypatch):
    """conv, then batch_norm_apply: with r and without, with ReLU and without, NaN and -0.0 among the results."""
    monkeypatch.setattr(algorithm, "setting", setting)
    rng = np.random.default_rng(2)
    for case, (batch, channels, outputs, g) in CONVOLUTIONS.items():
        x, w, r = (
            rng.standard_normal(shape).astype(dtype)
            for shape in (
                (batch, *g.input_size, channels),
                (outputs, channels // g.groups, *g.kernel_size),
                (batch, *g.output_size, outputs),
            )
        )
        x[:1, :1] = np.nan
        x[1:2] = 0
        y, none = np.empty_like(r), np.empty(0, dtype)
        kernels.conv(x, w, y, g)
        rows = y.reshape(-1, outputs)
        normal, same = rng.standard_normal((3, outputs)).astype(dtype), np.ones((3, outputs), dtype)
        same[0], same[2] = 0, -0.0
        turned = same * np.array([[1], [-1], [1]], dtype)
        for factors in (normal, same, turned):
            for other, relu in itertools.product((none, r), (False, True)):
                expected, got = np.empty_like(rows), np.full_like(y, 7)
                others = other.reshape(-1, outputs) if other.size else none
                kernels.batch_norm_apply(rows, others, *factors, expected, relu)
                kernels.conv_normal(x, w, other, *factors, got, g, relu)
                assert got.tobytes() == expected.tobytes(), (case, other.size, relu)
                if factors is same and not other.size and not relu:
                    assert got.tobytes() == y.tobytes(), case


def test_convolution_by_hand():
    """A case small enough to write down: correlation, not convolution; zeros outside."""
    g = ConvGeometry.of((4,), 3, stride=2, padding=1)
    x, w = np.array([1, 2, 3, 4.0]).reshape(1, 4, 1), np.array([1, 10, 100.0]).reshape(1, 1, 3)
    for implementation in (reference, kernels):
        out = np.empty((1, 2, 1))
        implementation.conv(x, w, out, g)
        assert out.ravel().tolist() == [210, 432]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_the_three_faces_of_one_trilinear_form(case):
    """sum(y * conv(x, w)) = sum(x * conv_transpose(y, w)) = sum(w * conv_weight_grad(x, y))."""
    batch, channels, outputs, g = CONVOLUTIONS[case]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, *g.input_size, channels))
    w = rng.standard_normal((outputs, channels // g.groups, *g.kernel_size))
    y = rng.standard_normal((batch, *g.output_size, outputs))
    for implementation in (reference, kernels):
        gx, gw, gy = np.empty_like(x), np.empty_like(w), np.empty_like(y)
        implementation.conv(x, w, gy, g)
        implementation.conv_transpose(y, w, gx, g)
        implementation.conv_weight_grad(x, y, gw, g)
        form = np.vdot(y, gy)
        np.testing.assert_allclose([np.vdot(x, gx), np.vdot(w, gw)], [form, form], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_survive_a_large_mean(dtype):
    """Deviation 1 round a mean of 1e4: the variance keeps its digits."""
    x = (np.random.default_rng(0).standard_normal((10_000, 3)) + [0, 1e4, -1e4]).astype(dtype)
    mean, variance, invstd = np.empty((3, 3), dtype)
    none = np.empty(0, dtype)
    kernels.batch_norm_statistics(x, mean, variance, invstd, none, none, 1e-5, 0.1)
    wide = x.astype(np.longdouble)
    np.testing.assert_allclose(variance, wide.var(0), rtol=1e-6)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-6, atol=1e-6)


def test_max_pool_choices():
    """The first of equals, the last NaN, and -inf is a value like any other."""
    x = np.array([[1, 1, -np.inf, -np.inf, np.nan, 2, np.nan, np.nan]]).reshape(1, 8, 1)
    for implementation in (reference, kernels):
        out, choice = np.empty((1, 4, 1)), np.empty((1, 4, 1), np.int32)
        implementation.max_pool(x, out, choice, PoolGeometry.windows((8,), 2))
        np.testing.assert_array_equal(out.ravel(), [1, -np.inf, np.nan, np.nan])
        assert choice.ravel().tolist() == [0, 2, 4, 7]


# ------------------------------------------------------------------------------------------------ the door
def test_any_layout_is_served():
    """Strided and read-only operands, strided results, float16 and big-endian numbers."""
    g = ConvGeometry.of((5, 5), 3, padding=1)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 5, 5)).transpose(0, 2, 3, 1), rng.standard_normal((4, 3, 3, 3))
    w.flags.writeable = False
    expected = np.empty((2, 5, 5, 4))
    reference.conv(x, w, expected, g)
    out = np.empty((2, 4, 5, 5)).transpose(0, 2, 3, 1)
    kernels.conv(x, w, out, g)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    for dtype, tolerance in (("float16", 0.05), (">f8", 1e-12)):
        out = np.empty(expected.shape, dtype)
        kernels.conv(x.astype(dtype), w.astype(dtype), out, g)
        np.testing.assert_allclose(out.astype(float), expected, atol=tolerance)


@pytest.mark.parametrize("environment", [{"MINITORCH_KERNELS": "reference"}, {"NUMBA_DISABLE_JIT": "1"}])
def test_the_reference_can_be_chosen(environment):
    """By its own variable, or because numba is switched off; numba is then not imported."""
    out, _ = in_process(
        "compare(names=('conv', 'max_pool')); print(kernels.implementation(), 'numba' in sys.modules)", **environment
    )
    assert out == "reference False"


# ------------------------------------------------------------------------------------------------ threads
def results_for_threads(*counts):
    """Whether all samples have the same bits for each number of threads."""
    bits = []
    for count in counts:
        kernels.set_num_threads(count)
        assert kernels.get_num_threads() == count
        bits.append([])
        for dtype in DTYPES:
            for name, _, operands, results, settings in samples(dtype):
                getattr(kernels, name)(*operands, *results, *settings)
                bits[-1] += [result.tobytes() for result in results]
    return all(b == bits[0] for b in bits)


@needs_numba
def test_one_thread_agrees_with_reference():
    """All kernels where numba may start no other thread."""
    in_process("compare()", NUMBA_NUM_THREADS="1")


@needs_numba
def test_same_bits_for_any_number_of_threads():
    """1, 2, 3 and 4 threads, and twice the same number."""
    assert in_process("print(results_for_threads(1, 2, 3, 4, 4))", NUMBA_NUM_THREADS="4")[0] == "True"


def fork_after_launch():
    """A child forked after a parallel kernel ran, and a grandchild, run kernels too: exit codes."""
    compare(names=("conv", "max_pool"))
    child = os.fork()
    if child == 0:
        compare(names=("conv", "max_pool"))
        grandchild = os.fork()
        if grandchild == 0:
            compare(names=("conv",))
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_run_kernels():
    """On their serial twins, without touching the threads that did not survive the fork."""
    assert in_process("print(fork_after_launch())")[0] == "0"


def many_python_threads():
    """Parallel kernels from four Python threads at once: every one gets its own right answer."""
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1, 300, 300), dtype=np.float32)

    def product(scale):
        out = np.empty_like(x)
        for _ in range(20):
            kernels.matmul(x * np.float32(scale), y, out)
        return np.allclose(out / scale, x @ y, atol=1e-3)

    with ThreadPoolExecutor(4) as pool:
        return all(pool.map(product, range(1, 9)))


@needs_numba
def test_python_threads_share_the_kernels():
    """One launch at a time."""
    assert in_process("print(many_python_threads())")[0] == "True"


def alternation_cost():
    """Time of a BLAS product and a parallel kernel in turns, over the sum of their times alone; best of several."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 300), dtype=np.float32)
    x, g = rng.standard_normal((64, 16, 16, 32), dtype=np.float32), PoolGeometry.windows((16, 16), 2)
    out, choice = np.empty((64, 8, 8, 32), np.float32), np.empty((64, 8, 8, 32), np.int32)

    def seconds(*actions):
        start = time.perf_counter()
        for action in actions:
            for _ in range(20):
                action()
        return time.perf_counter() - start

    def blas():
        np.matmul(a, a)

    def ours():
        kernels.max_pool(x, out, choice, g)

    def both():
        blas()
        ours()

    seconds(blas, ours)
    return min(seconds(both) / seconds(blas, ours) for _ in range(10))


@needs_numba
def test_kernels_and_blas_do_not_fight():
    """Spinning OpenMP threads once made such a pair 40 times slower."""
    assert float(in_process("print(alternation_cost())")[0]) < 3


def team_kernels():
    """Set-up by the caller, a closure, work after the loop; and bodies that workers could not run."""
    from numba import prange

    from minitorch.kernels.engine.runtime import kernel

    def scaled(factor):
        def body(workers, x, sums, out):
            size = x.size
            sums[:] = 0
            for worker in prange(workers):
                for i in range(worker * size // workers, (worker + 1) * size // workers):
                    sums[worker] += factor * x[i]
            out[0] = sums[:workers].sum()

        return kernel(body, exact=True)

    def branch(workers, x):
        if x.size:
            step = 2
        for worker in prange(workers):
            x[worker * step] = 1

    def twice(workers, x):
        for worker in prange(workers):
            x[worker] = 1
        for worker in prange(workers):
            x[worker] = 2

    out = np.zeros(1)
    for heavy, count in ((False, 4), (True, 4), (True, 3)):
        kernels.set_num_threads(count)
        scaled(3.0)(heavy, np.arange(100.0), np.full(4, 7.0), out)
        assert out[0] == 3 * 4950
    for body, message in ((branch, "reads step"), (twice, "one loop over prange")):
        with pytest.raises(TypeError, match=message):
            kernel(body)(False, np.zeros(4))
    return "as expected"


@needs_numba
def test_a_kernel_is_shared_out_among_workers(tmp_path):
    """What stands outside the loop happens once, every worker's part once, on any number of threads."""
    out, _ = in_process("print(team_kernels())", NUMBA_NUM_THREADS="4", MINITORCH_CACHE_DIR=str(tmp_path))
    assert out == "as expected"


# ------------------------------------------------------------------------------------------------ memory
def beside_guard(before):
    """A function that copies an array to memory of its own, flush with an unmapped page before or behind it."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.PAGESIZE

    def place(array):
        array = np.asarray(array)
        room = -(-array.nbytes // page) * page
        memory = mmap.mmap(-1, room + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (start, start + page + room):
            assert libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
        at = start + page + (0 if before else room - array.nbytes)
        copy = np.frombuffer((ctypes.c_char * array.nbytes).from_address(at), array.dtype).reshape(array.shape)
        copy[...] = array
        kept.append(memory)
        return copy

    kept = beside_guard.kept = getattr(beside_guard, "kept", [])
    return place


def compare_formulas(place):
    """Pointwise kernels with floats and conditions, read and written: lines of any length, rows and columns."""
    from minitorch.kernels import pointwise

    pointwise.empty = lambda shape, dtype: place(np.full(shape, 7, dtype))
    chosen = pointwise.Program("chosen", "t0 = where(x0, x1, x2)\nout = t0", False, 1)
    smaller = pointwise.Program("smaller", "t0 = x0 < x1\nout = t0", True, 1)
    for dtype in DTYPES:
        for columns in (1, 3, 7, 16, 33, 200):
            x, row, column = (place(np.arange(n, dtype=dtype).reshape(shape) % 5) for n, shape in (
                (3 * columns, (3, columns)), (columns, (columns,)), (3, (3, 1))))  # fmt: skip
            mask = place(np.arange(3 * columns).reshape(3, columns) % 2 == 0)
            got = pointwise.evaluate(chosen, [mask, x, row], ())
            np.testing.assert_array_equal(got, np.where(mask, x, row))
            np.testing.assert_array_equal(pointwise.evaluate(smaller, [x, column], ()), x < column)


def compare_beside_guards(before):
    """All samples; operands, results and scratch buffers beside guard pages: an access outside is a crash."""
    place = beside_guard(before)
    if FAST:
        kernels._fast()  # imports them
        borrowers = [m for n, m in sys.modules.items() if n.startswith("minitorch.kernels.") and hasattr(m, "borrow")]
        assert len(borrowers) > 5
        for module in borrowers:
            module.borrow = lambda size, dtype: place(np.full(size, np.nan, dtype))
            module.give_back = lambda *buffers: None
        compare_formulas(place)
    compare(place)
    for dtype in DTYPES if FAST else ():
        for name, columns, settings in (("sgd", 3, (np.zeros(4, bool), True)), ("adam", 5, (True,))):
            rows = [tuple(place(np.ones(size, dtype)) for _ in range(columns)) for size in (1, 7, 8192, 20_001)]
            assert kernels.update(name, rows, np.full(7, 0.5, dtype), *settings, True, True)


def widths():
    """The vector widths of AVX-512, AVX2 and NEON; all but this machine's are slow, as each compiles every kernel."""
    native = 16
    if FAST:
        from minitorch.kernels.words.registers import WIDTH as native
    return [pytest.param(str(w), marks=() if w == native else pytest.mark.slow) for w in (16, 8, 4)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("width", widths())
def test_nothing_outside_an_array_is_touched(before, width):
    """Neither before nor behind it, by reading or writing; and the values are those of the reference."""
    in_process(f"compare_beside_guards({before})", MINITORCH_VECTOR_WIDTH=width)


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
def test_guard_pages_guard():
    """One element too far does crash: the two tests above can fail."""
    for before, index in ((True, -1), (False, 4)):
        with pytest.raises(AssertionError, match="exit -11"):
            in_process(
                f"a = beside_guard({before})(np.zeros(4))\n"
                f"ctypes.c_double.from_address(a.ctypes.data + 8 * {index}).value"
            )


def test_the_pool_is_bounded(monkeypatch):
    """All its memory is at most half above the peak; blocks serve again for sizes down to half their own."""
    from minitorch.kernels.engine import memory

    page = 4096
    monkeypatch.setattr(memory, "FEW", 0)
    pool = memory._Pool()
    for size in (100, 30, 70, 5, 1000):
        arrays = [pool.take(size * page) for _ in range(1000 // size)]
        assert all(array.size >= size * page for array in arrays)
        assert pool.lent == sum(array.size for array in arrays) <= pool.peak
        del arrays
        assert pool.lent == 0
        assert 0 < pool.kept <= 1.5 * pool.peak
    pool.clear()
    assert pool.kept == 0
    address = pool.take(100 * page).ctypes.data
    assert pool.take(60 * page).ctypes.data == address
    assert pool.take(40 * page).ctypes.data != address


def test_the_pool_counts_what_there_is():
    """What an interrupt leaves on the way home is found and lent again; a lost block is no longer counted."""
    from minitorch.kernels.engine import memory

    pool = memory._Pool()
    array = pool.take(1 << 20)
    address, size = array.ctypes.data, array.size
    del array
    pool.home.clear()  # the ticket was taken from there, and then came the interrupt
    assert (pool.lent, pool.load, pool.kept) == (0, 0, size)
    array = pool.take(size)
    assert array.ctypes.data == address
    pool.out.clear()  # the block was taken, and then came the interrupt
    del array
    assert (pool.lent, pool.load, pool.kept) == (0, 0, 0)


@pytest.mark.parametrize("size", [1 << 60, 1 << 63])
def test_memory_that_there_is_not(size):
    """A MemoryError says how much was asked for, and leaves the pool as it was."""
    from minitorch.kernels.engine import memory

    before = memory._pool.lent
    with pytest.raises(MemoryError, match=f"cannot allocate {size:,} bytes"):
        kernels.empty((size,), np.uint8)
    assert memory._pool.lent == before
    assert kernels.empty((1 << 20,), np.uint8).size == 1 << 20


def pooled_arrays(seed):
    """Whether large arrays keep what is written to them while others come and go."""
    rng, held = np.random.default_rng(seed), []
    for _ in range(5000):
        held.append(kernels.empty((int(rng.integers(20_000, 150_000)),), np.float32))
        held[-1][[0, -1]] = seed
        if len(held) > 5 and (held.pop(int(rng.integers(5)))[[0, -1]] != seed).any():
            return False
    return True


def pool_in_threads():
    """Four threads that take and return blocks, switching as often as they can."""
    from concurrent.futures import ThreadPoolExecutor

    sys.setswitchinterval(1e-6)
    with ThreadPoolExecutor(4) as pool:
        return all(pool.map(pooled_arrays, range(1, 5)))


def test_threads_share_the_pool():
    """Two lists that say the same once came apart."""
    assert in_process("print(pool_in_threads())")[0] == "True"


def forked_memory():
    """Whether a child that writes to arrays of before the fork, and to blocks that were free then, changes neither."""
    x, free = (kernels.empty((300_000,), np.float32) for _ in range(2))
    x[...] = 1
    del free
    child = os.fork()
    if child == 0:
        x[...] = 2
        kernels.empty((300_000,), np.float32)[...] = 2
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return (x == 1).all() and kernels.empty((300_000,), np.float32).max() != 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_memory_of_its_own():
    """An anonymous map is shared unless told otherwise."""
    assert in_process("print(forked_memory())")[0] == "True"


def page_faults():
    """New pages per training step of a small net, steps three to six."""
    import resource

    import minitorch
    from minitorch import nn

    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, stride=2),
        nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = minitorch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = minitorch.rand(32, 3, 32, 32), minitorch.zeros(32, dtype=minitorch.int64)
    counts = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return max(counts[2:])


@needs_numba
@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_training_faults_in_no_new_pages():
    """After the second step; the activations of a step are 2,800 pages."""
    assert int(in_process("print(page_faults())")[0]) < 100


@needs_numba
@pytest.mark.slow
def test_indexed_kernels_stay_inside_bounds():
    """Pooling, batch norm and losses with numba's own bounds checks on: for this they are compiled once more."""
    names = [name for name in reference.declarations if not name.startswith(("conv", "matmul", "linear"))]
    in_process(f"compare(names={names})", NUMBA_BOUNDSCHECK="1")


# ------------------------------------------------------------------------------------------------ compile cache
def run_one_kernel():
    """Run `pool_gather` and print how many kernels had to be compiled."""
    compare(names=("pool_gather",))
    print(kernels.compilations())


@needs_numba
def test_another_numba_compiles_in_its_own_way(tmp_path):
    """kernels/engine/compiler.py knows the inside of one version; with others it stays out of the way."""
    first = "from minitorch.kernels.engine import runtime; runtime.NUMBA = 'another'"
    code = "names = {'pool_gather', 'max_pool'}; print(compare(names=names) == names, 'minitorch.kernels.engine.compiler' in sys.modules)"
    assert in_process(code, first, MINITORCH_CACHE_DIR=str(tmp_path))[0] == "True False"


@needs_numba
def test_second_process_compiles_nothing(tmp_path):
    """The first says so on stderr, the second is silent; a damaged file is compiled again, with one warning."""

    def run():
        return in_process("run_one_kernel()", MINITORCH_CACHE_DIR=str(tmp_path))

    out, errors = run()
    assert int(out) > 0
    assert errors.count("compiling kernels") == 1
    assert run() == ("0", "")
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o077 == 0
    for path in directory.glob("pool.*"):
        path.write_bytes(path.read_bytes()[:-100])
    repaired, errors = run()
    assert repaired == out
    assert errors.count("cannot use the kernel cache") == 1
    assert run() == ("0", "")


@needs_numba
def test_processes_share_the_work_of_compiling(tmp_path):
    """Two that need the same kernels at once compile each of them once, and leave a cache for the next."""
    from concurrent.futures import ThreadPoolExecutor

    def run(_):
        return int(in_process("run_one_kernel()", MINITORCH_CACHE_DIR=str(tmp_path))[0])

    with ThreadPoolExecutor(2) as pool:
        compiled = sum(pool.map(run, range(2)))
    (directory,) = tmp_path.iterdir()
    assert compiled == sum(path.name != "lock" for path in directory.iterdir()) > 0


def locks_of_kernels():
    """Who gets a kernel's lock while another process holds one; then a child forked by the holder gets it, too."""
    import signal

    from minitorch.kernels.engine import runtime

    at_once = """
import fcntl
lock = fcntl.lockf
def at_once(f, how, *at):
    try:
        lock(f, how | fcntl.LOCK_NB, *at)
    except OSError as error:
        print(repr(error), file=sys.stderr)  # who has no lock goes on without a word
        raise
fcntl.lockf = at_once
"""
    enter = "from minitorch.kernels.engine import runtime\nwith runtime._file_lock({!r}): pass"
    with runtime._file_lock("one"):
        for name in ("one", "another"):
            print("refused" if "BlockingIOError" in in_process(at_once + enter.format(name))[1] else "served")
        with runtime._file_lock("another"):  # compiling within a compilation: without a lock
            assert "BlockingIOError" not in in_process(at_once + enter.format("another"))[1]
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            with runtime._file_lock("one"):
                os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@needs_numba
@pytest.mark.skipif(sys.platform == "win32", reason="no fork, no such locks")
def test_each_kernel_has_a_lock_of_its_own(tmp_path):
    """So that processes compile different kernels at the same time; no child waits for what its parent held."""
    out, _ = in_process("locks_of_kernels()", MINITORCH_CACHE_DIR=str(tmp_path))
    assert out.split() == ["refused", "served", "0"]


def warm_up(extra=False):
    """Exit code of `python -m minitorch.warmup --dtype all`, after a kernel that it cannot know was defined."""
    from minitorch import warmup

    if extra:
        from minitorch.kernels.engine.runtime import kernel

        kernel(warm_up)
    return warmup.main(["--dtype", "all"])


@needs_numba
def test_warm_up_reaches_every_kernel():
    """Of every file of the package, in both dtypes; what it misses it names, and a second run compiles nothing."""
    on = {"MINITORCH_FUSION": "1"}  # some kernels serve fused steps alone
    assert in_process("print(warm_up())", **on)[0].splitlines()[-1] == "0"
    out, errors = in_process("print(warm_up(extra=True))", **on)
    assert out.startswith("minitorch: compiled nothing")
    assert out.splitlines()[-1] == "1"
    assert errors.count("not reached: test_kernels.warm_up for float32") == 1


@needs_numba
def test_unusable_cache_directory_costs_only_time(tmp_path):
    """A path that cannot be made, one that others may write to, and one that is read-only."""
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    script = """
import minitorch.kernels.engine.runtime as r; r._cache_home = lambda: Path({!r})
for p in [r.cache_directory()] if {} else []: p.chmod(0o777)
r.cache_directory.cache_clear()
run_one_kernel()"""
    for home, loosen in ((tmp_path / "file", False), (tmp_path / "open", True)):
        out, errors = in_process(script.format(str(home), loosen))
        assert int(out) > 0
        assert errors.count("cannot use the kernel cache") == 1


@needs_numba
def test_full_disk_costs_only_time(tmp_path):
    """Writing fails: the kernel runs all the same, with one warning."""
    out, errors = in_process(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); run_one_kernel()",
        MINITORCH_CACHE_DIR=str(tmp_path),
    )
    assert int(out) > 0
    assert errors.count("cannot use the kernel cache") == 1


def test_importing_kernels_compiles_nothing_and_leaves_numba_alone():
    """numba arrives with the first kernel."""
    assert in_process("", PYTHONPATH=str(Path(__file__).parents[2])) == ("", "")
    here = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {here!r}); import minitorch.kernels; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
