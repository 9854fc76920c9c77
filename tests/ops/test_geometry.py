"""Window arithmetic against windows counted one by one, and refusals against a table."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from counted import at_once
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch.geometry import ConvGeometry, PoolGeometry, transposed_input_size

SMALL = st.integers(1, 5)
PADDING = st.integers(0, 4)


def windows_by_hand(pixels, k, s, d):
    """Start of every window that fits into so many pixels: slide it along until it falls off."""
    starts, start = [], 0
    while max(start + t * d for t in range(k)) < pixels:
        starts.append(start)
        start += s
    return starts


@settings(max_examples=300, deadline=None)
@given(i=st.integers(1, 20), k=SMALL, s=SMALL, before=PADDING, after=PADDING, d=SMALL)
def test_output_size_counts_windows(i, k, s, before, after, d):
    """As many outputs as windows fit; none fits: RuntimeError."""
    count = len(windows_by_hand(before + i + after, k, s, d))
    if count:
        assert ConvGeometry.of((i,), k, s, ((before, after),), d).output_size == (count,)
    else:
        with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
            ConvGeometry.of((i,), k, s, ((before, after),), d)


@settings(max_examples=300, deadline=None)
@given(o=st.integers(1, 12), k=SMALL, s=SMALL, before=PADDING, after=PADDING, d=SMALL, extra=PADDING)
def test_transposed_input_size_is_undone_by_conv(o, k, s, before, after, d, extra):
    """The size chosen for a transposed layer gives back the size it came from, for output_padding below the stride."""
    arguments = (o,), (k,), (s,), ((before, after),), (d,), (extra,)
    if extra >= max(s, d):
        with pytest.raises(RuntimeError, match="output padding must be smaller than either stride or dilation"):
            transposed_input_size(*arguments)
        return
    needed = (o - 1) * s + (k - 1) * d + 1 + extra  # pixels from the first window to the last, and some more
    if needed <= before + after:
        with pytest.raises(RuntimeError, match="calculated output size"):
            transposed_input_size(*arguments)
        return
    (i,) = transposed_input_size(*arguments)
    assert before + i + after == needed
    if extra < s:
        assert ConvGeometry.of((i,), k, s, ((before, after),), d).output_size == (o,)


def run_plan(plan, source, weight, groups):
    """What a gather plan describes, step by step, in numpy: (N, target pixels, outer)."""
    padded = np.pad(source, [(0, 0), *plan.padding, (0, 0)])
    assert padded.shape[1:-1] == plan.source_size
    flat = padded.reshape(len(source), math.prod(plan.source_size), source.shape[-1])
    line = source.reshape(len(source), len(plan.lines), -1, source.shape[-1])
    for number, start in enumerate(plan.lines):
        np.testing.assert_array_equal(flat[:, start : start + line.shape[2]], line[:, number])
    out = np.full((len(source), plan.target_pixels, weight.shape[1] * groups), np.nan)
    for row, rows, tap, taps, run, runs in plan.phases:
        total = np.zeros((len(source), rows, out.shape[-1]))
        for number, offset in enumerate(plan.runs[run : run + runs]):
            for step in range(taps // runs):
                seen = flat[:, plan.rows[row : row + rows] + offset + step]
                matrix = weight[..., plan.order[tap + number * (taps // runs) + step]]
                parts = np.split(seen, groups, -1), np.split(matrix, groups, 0)
                total += np.concatenate([a @ b for a, b in zip(*parts, strict=True)], -1)
        out[:, plan.targets[row : row + rows]] = total
    assert not np.isnan(out).any(), "a target pixel was left out"
    return out


@settings(max_examples=150, deadline=None)
@given(data=st.data(), rank=st.integers(1, 3), groups=st.integers(1, 2))
def test_plans_say_what_convolution_is(data, rank, groups):
    """gather and scatter, against the definition i + p = o*s + t*d written as a loop over (o, t)."""

    def per_axis(elements):
        return tuple(data.draw(elements) for _ in range(rank))

    size, k = per_axis(st.integers(1, 7)), per_axis(st.integers(1, 3))
    s, d = per_axis(SMALL), per_axis(st.integers(1, 3))
    padding = tuple(zip(per_axis(PADDING), per_axis(PADDING), strict=True))
    try:
        g = ConvGeometry.of(size, k, s, padding, d, groups)
    except RuntimeError:
        return
    rng = np.random.default_rng(0)
    w = rng.standard_normal((3 * groups, 2, *k))
    x, y = rng.standard_normal((2, *size, 2 * groups)), rng.standard_normal((2, *g.output_size, 3 * groups))
    gy, gx = np.zeros_like(y), np.zeros_like(x)
    for o, t in itertools.product(np.ndindex(g.output_size), np.ndindex(k)):
        i = tuple(at * step + tap * reach - p for at, step, tap, reach, (p, _) in zip(o, s, t, d, padding, strict=True))
        if all(0 <= at < n for at, n in zip(i, size, strict=True)):
            for group in range(groups):
                c, out = slice(2 * group, 2 * group + 2), slice(3 * group, 3 * group + 3)
                tap = w[(out, slice(None), *t)]
                gy[(slice(None), *o, out)] += x[(slice(None), *i, c)] @ tap.T
                gx[(slice(None), *i, c)] += y[(slice(None), *o, out)] @ tap
    flat = w.reshape(groups, 3, 2, -1)
    forward = flat.transpose(0, 2, 1, 3).reshape(2 * groups, 3, -1)
    np.testing.assert_allclose(run_plan(g.gather, x, forward, groups).reshape(y.shape), gy, atol=1e-10)
    backward = w.reshape(3 * groups, 2, -1)
    np.testing.assert_allclose(run_plan(g.scatter, y, backward, groups).reshape(x.shape), gx, atol=1e-10)


@settings(max_examples=300, deadline=None)
@given(i=st.integers(1, 15), k=SMALL, s=SMALL, p=PADDING, d=st.integers(1, 3), ceil_mode=st.booleans())
def test_pool_windows_by_hand(i, k, s, p, d, ceil_mode):
    """Each window's pixels, counted; with ceil_mode also windows that overhang but start before the right padding."""
    extent = d * (k - 1) + 1
    windows = []
    for start in itertools.count(-p, s):
        whole = start + extent <= i + p
        if not whole and not (ceil_mode and start < i and start - s + extent < i + p):
            break
        windows.append([at for at in range(start, start + extent, d) if 0 <= at < i])
    if p > extent // 2 or not windows or not all(windows):
        with pytest.raises(RuntimeError):
            PoolGeometry.windows((i,), k, s, p, d, ceil_mode)
        return
    g = PoolGeometry.windows((i,), k, s, p, d, ceil_mode)
    assert [list(range(a, b, d)) for a, b in zip(g.starts[0], g.stops[0], strict=True)] == windows
    first, pixels = g.table
    assert [list(pixels[a:b]) for a, b in itertools.pairwise(first)] == windows
    if d == 1:
        assert g.divisors(count_include_pad=False) == tuple(map(len, windows))
        inside = [sum(-p <= at < i + p for at in range(o * s - p, o * s - p + k)) for o in range(len(windows))]
        assert g.divisors() == tuple(inside)
        assert set(g.divisors(divisor_override=7)) == {7.0}


@pytest.mark.parametrize(
    ("i", "o", "expected"),
    [
        (5, 2, [[0, 1, 2], [2, 3, 4]]),
        (4, 4, [[0], [1], [2], [3]]),
        (3, 5, [[0], [0, 1], [1], [1, 2], [2]]),
        (7, 3, [[0, 1, 2], [2, 3, 4], [4, 5, 6]]),
        (6, 1, [[0, 1, 2, 3, 4, 5]]),
        (6, 0, []),
    ],
)
def test_adaptive_windows(i, o, expected):
    """Figures of PyTorch's adaptive pooling, read off its gradients."""
    g = PoolGeometry.adaptive((i,), o)
    assert [list(range(a, b)) for a, b in zip(g.starts[0], g.stops[0], strict=True)] == expected


def test_table_of_a_plane_is_the_product_of_its_axes():
    """Two axes with uneven windows: positions in the flattened plane, windows in C order."""
    first, pixels = PoolGeometry.windows((3, 4), 2, ceil_mode=True).table
    assert [list(pixels[a:b]) for a, b in itertools.pairwise(first)] == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9], [10, 11]]


def test_equal_settings_are_one_object():
    """Plans and their tables are made once per geometry, however it was spelt."""
    g = ConvGeometry.of((8, 8), 3, 1, 1)
    assert ConvGeometry.of([8, 8], (3, 3), [1], (1, 1)) is g
    assert g == ConvGeometry((8, 8), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert len({g, ConvGeometry.of((8, 8), 3, 1, 1)}) == 1
    assert PoolGeometry.windows((8, 8), 2) is PoolGeometry.windows((8, 8), 2, 2)


REFUSED = {
    "kernel beyond input": (lambda: ConvGeometry.of((8, 8), 9), r"\(8 x 8\). Kernel size: \(9 x 9\)"),
    "stride 0": (lambda: ConvGeometry.of((8, 8), 3, 0), "non-positive stride is not supported"),
    "kernel 0": (lambda: ConvGeometry.of((8, 8), 0), "non-positive kernel_size"),
    "dilation 0": (lambda: ConvGeometry.of((8, 8), 3, dilation=0), r"greater than zero, but got \[0, 0\]"),
    "negative padding": (lambda: ConvGeometry.of((8, 8), 3, padding=-1), "negative padding is not supported"),
    "groups 0": (lambda: ConvGeometry.of((8, 8), 3, groups=0), "`groups`"),
    "three strides": (lambda: ConvGeometry.of((8, 8), 3, (1, 1, 1)), "`stride`"),
    "padding 2**62": (lambda: ConvGeometry.of((4, 4), 3, padding=2**62), str((4 + 2**63) ** 2)),
    "padding 2**31": (lambda: ConvGeometry.of((4, 4), 3, padding=2**31), str((4 + 2**32) ** 2)),
    "padding 2**29": (lambda: ConvGeometry.of((4, 4), 3, padding=2**29), str((4 + 2**30) ** 2)),
    "dilation 2**62": (lambda: ConvGeometry.of((4, 4), 3, dilation=2**62), str(2**63 + 1)),
    "transposed stride 2**31": (
        lambda: transposed_input_size((4,), (3,), (2**31,), ((0, 0),), (1,), (0,)),
        str(3 * 2**31 + 3),
    ),
    "transposed padding 2**62": (
        lambda: transposed_input_size((4,), (3,), (1,), ((2**62, 2**62),), (1,), (0,)),
        str(6 - 2**63),
    ),
    "pool kernel beyond input": (lambda: PoolGeometry.windows((2, 2), 3), "Output size is too small"),
    "pool kernel 2**31": (lambda: PoolGeometry.windows((4, 4), 2**31), "Output size is too small"),
    "pool padding": (lambda: PoolGeometry.windows((8, 8), 2, padding=2), "pad should be at most half of effective"),
    "pool padding 2**61": (lambda: PoolGeometry.windows((4, 4), 3, padding=2**61), "pad should be at most half"),
    "pool stride 0": (lambda: PoolGeometry.windows((8, 8), 2, 0), "stride"),
    "pool dilation 2**62": (lambda: PoolGeometry.windows((4, 4), 2, dilation=2**62), "Output size is too small"),
    "adaptive -1": (lambda: PoolGeometry.adaptive((4, 4), -1), "greater than or equal to 0"),
    "adaptive 2**62": (lambda: PoolGeometry.adaptive((4, 4), 2**62), str(2**124)),
    "adaptive of nothing": (lambda: PoolGeometry.adaptive((0, 4), 2), "non-zero size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_sentences_and_immediate(case):
    """RuntimeError, as PyTorch, with the number that was computed; no memory or time is spent on hostile sizes."""
    call, message = REFUSED[case]
    start = time.process_time()
    with pytest.raises(RuntimeError, match=message):
        call()
    assert at_once(time.process_time() - start, 0.1)


def test_hostile_but_possible_sizes():
    """Settings that PyTorch accepts and that do make sense."""
    assert ConvGeometry.of((4, 4), 3, stride=2**63 - 1).output_size == (1, 1)
    assert ConvGeometry.of((4, 4), 1, dilation=2**62).output_size == (4, 4)
    assert PoolGeometry.windows((4, 4), 2, stride=2**62).output_size == (1, 1)
    g = ConvGeometry.of((40, 40), 1, stride=1000)
    assert len(g.scatter.phases) == 4, "pixels that no tap reaches are one phase an axis"
