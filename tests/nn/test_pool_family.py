"""Unpooling, Lp, adaptive and fractional pooling, interpolation, shuffles: frozen numbers, derivatives, refusals."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_nn import compare, numbers

import minitorch as m
from minitorch import nn
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.geometry import PoolGeometry
from minitorch.ops import pool
from minitorch.ops.resample import Taps, cubic_taps, lanczos_taps, linear_taps, nearest_taps, resample

F = nn.functional
GOLDEN = Path(__file__).parent.parent / "golden" / "pool.npz"

# ---------------------------------------------------------------------------------------------------- values, gradients
# Rows as in test_nn.py; make_golden_pool.py runs them with PyTorch.

X1, X2, X3 = (2, 4, 9), (2, 3, 6, 7), (1, 2, 4, 5, 4)
SAMPLES2 = ("constant", [[[0.1, 0.9], [0.5, 0.3], [0.7, 0.2]], [[0.0, 0.4], [0.99, 0.6], [0.35, 0.8]]])
SAMPLES3 = ("constant", [[[0.1, 0.9, 0.45], [0.5, 0.3, 0.0]]])
UNPOOLED = ("exact", [[[0, 3, 5, 7], [1, 2, 5, 6], [0, 2, 4, 7]]])
ROWS = [
    ("nn.MaxUnpool1d(2)", [(1, 3, 4), UNPOOLED]),
    ("nn.MaxUnpool1d((2,), padding=0)", [(3, 4), ("exact", UNPOOLED[1][0])]),
    ("F.max_unpool1d(x, w, 2, output_size=(9,))", [(1, 3, 4), UNPOOLED]),
    ("F.max_unpool1d(x, w, 3, 2, 1, output_size=(1, 3, 8))", [(1, 3, 4), UNPOOLED]),
    *[
        (f"F.max_unpool{r}d(*F.max_pool{r}d(x, 2, {s}, return_indices=True), 2, {s}, 0, {list(x)})", [x])
        for r, s, x in ((2, 2, X2), (2, (2, 3), X2), (3, 2, X3), (3, (2, 3, 2), (2, 2, 3, 5, 4)), (1, 3, X1))
    ],
    ("nn.LPPool1d(2, 3, stride=2)", [X1]),
    ("nn.LPPool1d(4, 2, ceil_mode=True)", [X1]),
    ("nn.LPPool2d(2, (3, 2), stride=(2, 1), ceil_mode=True)", [X2]),
    ("F.lp_pool2d(x.abs() + 0.1, 1.5, 2)", [X2]),
    ("F.lp_pool2d(x.abs(), 3, [2, 2], 2)", [X2]),
    ("nn.LPPool3d(2, 2, stride=(1, 2, 2))", [X3]),
    ("F.lp_pool1d(x, 1, 2)", [("exact", [[1.0, -2.0, 0.0, 0.0, 0.0, 3.0]])]),
    ("F.lp_pool1d(x, 2, 2)", [("exact", [[1.0, -2.0, 0.0, 0.0, 0.0, 3.0]])]),
    ("F.lp_pool1d(x, 3, 2)", [("exact", [[1.0, -2.0, 0.0, 0.0, 0.0, 3.0]])]),
    ("nn.AdaptiveMaxPool1d(4)", [X1]),
    ("nn.AdaptiveMaxPool1d(7, return_indices=True)", [("grid", (4, 9))]),
    ("nn.AdaptiveMaxPool2d((None, 3), return_indices=True)", [("grid", X2)]),
    ("nn.AdaptiveMaxPool2d(8)", [X2]),
    ("nn.AdaptiveMaxPool3d((2, 3, 4), return_indices=True)", [X3]),
    ("nn.AdaptiveMaxPool3d(1)", [(2, 3, 4, 2)]),
    ("F.fractional_max_pool2d(x, 2, 4, _random_samples=w)", [X2, SAMPLES2]),
    (
        "F.fractional_max_pool2d(x, (3, 2), output_ratio=(0.5, 0.7), return_indices=True, _random_samples=w)",
        [("grid", X2), SAMPLES2],
    ),
    ("F.fractional_max_pool2d(x, 2, (1, 3), _random_samples=w[:1])", [(3, 6, 7), SAMPLES2]),
    ("F.fractional_max_pool3d(x, (1, 2, 2), (3, 3, 2), return_indices=True, _random_samples=w)", [X3, SAMPLES3]),
    ("F.fractional_max_pool3d(x, 2, output_ratio=(0.5, 0.4, 0.6), _random_samples=w)", [X3, SAMPLES3]),
    ("nn.PixelShuffle(2)", [(2, 8, 3, 2)]),
    ("nn.PixelShuffle(3)", [(9, 1, 2)]),
    ("F.pixel_shuffle(x, 2)", [(2, 1, 4, 2, 3)]),
    ("nn.PixelUnshuffle(2)", [(2, 3, 4, 6)]),
    ("F.pixel_unshuffle(x, 3)", [(2, 1, 1, 3, 6)]),
    ("nn.ChannelShuffle(3)", [(2, 6, 3)]),
    ("nn.ChannelShuffle(2)", [(1, 4, 2, 3)]),
    *[
        (f"F.interpolate(x, {settings})", [shape])
        for shape, mode in (((2, 2, 5), "linear"), ((2, 2, 5, 4), "bilinear"), ((1, 2, 3, 4, 3), "trilinear"))
        for rank in (len(shape) - 2,)
        for settings in (
            f"size={(8, 3, 5)[:rank]}, mode='{mode}'",
            f"size={(8, 3, 5)[:rank]}, mode='{mode}', align_corners=True",
            f"scale_factor={(1.7, 0.6, 2.0)[:rank]}, mode='{mode}'",
            f"scale_factor={(1.7, 0.6, 2.0)[:rank]}, mode='{mode}', recompute_scale_factor=True",
            f"scale_factor={(1.7, 0.6, 2.0)[:rank]}, mode='nearest'",
            f"size={(7, 3, 5)[:rank]}, mode='nearest-exact'",
            f"size={(7, 3, 5)[:rank]}, mode='area'",
            "size=1, mode='nearest'",
            f"size=1, mode='{mode}', align_corners=True",
            "scale_factor=2",
        )
    ],
    *[
        (f"F.interpolate(x, {settings})", [(2, 2, 7, 4)])
        for settings in (
            "size=(5, 9), mode='bicubic'",
            "size=(5, 9), mode='bicubic', align_corners=True",
            "scale_factor=(0.6, 2.3), mode='bicubic'",
            "size=(3, 6), mode='bilinear', antialias=True",
            "size=(3, 6), mode='bilinear', antialias=True, align_corners=True",
            "scale_factor=(0.4, 0.7), mode='bicubic', antialias=True",
            "size=(3, 6), mode='lanczos', antialias=True",
        )
    ],
    ("nn.Upsample(scale_factor=(2, 3))", [(1, 2, 2, 3)]),
    ("nn.Upsample(size=5, mode='linear', align_corners=False)", [(1, 2, 3)]),
    ("nn.UpsamplingNearest2d(scale_factor=2)", [(1, 2, 2, 3)]),
    ("nn.UpsamplingBilinear2d(size=(5, 4))", [(1, 2, 2, 3)]),
]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    """PyTorch's numbers."""
    with np.load(GOLDEN) as stored:
        return dict(stored)


@pytest.mark.parametrize("row", ROWS, ids=[expression for expression, _ in ROWS])
def test_values(row: tuple, golden: dict) -> None:
    """Result, indices and gradients are PyTorch's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = numbers(m, lambda v: m.from_numpy(np.array(v)), row)
    prefix = f"{row} | "
    compare(ours, {key[len(prefix) :]: v for key, v in golden.items() if key.startswith(prefix)}, row[0])


def test_golden_file_is_of_these_rows(golden: dict) -> None:
    """No row without numbers, no numbers without a row, and a small file."""
    assert {key.rpartition(" | ")[0] for key in golden} == {str(row) for row in ROWS}
    assert GOLDEN.stat().st_size < 300_000


# ------------------------------------------------------------------------------------------------------------ derivatives


def drawn(*shape: int) -> np.ndarray:
    """Numbers 0.1 apart in random order, of either sign: no ties, no zero, nor among their squares."""
    n = math.prod(shape)
    return (np.random.default_rng(n).permutation(n) - n // 2 + 0.7).reshape(shape) * 0.1


CHOICE = np.array([[[0, 3, 3, 5], [1, 2, 5, 1]]])  # two places are named twice
FAMILIES: dict[str, tuple[Callable, tuple]] = {
    "max_unpool1d": (lambda x: F.max_unpool1d(x, m.from_numpy(CHOICE if x.ndim == 3 else CHOICE[0]), 2), (1, 2, 4)),
    "max_unpool2d": (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, 1, return_indices=True), 2, 1), (1, 2, 3, 4)),
    "max_unpool3d": (lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2), (1, 1, 2, 4, 2)),
    "lp_pool1d": (lambda x: F.lp_pool1d(x, 4, 2), (1, 2, 5)),
    "lp_pool2d": (lambda x: F.lp_pool2d(x, 2, (2, 3), 1, True), (1, 1, 3, 4)),
    "lp_pool3d": (lambda x: F.lp_pool3d(x * x, 1.5, 2), (1, 2, 2, 3, 2)),
    "adaptive_max_pool1d": (lambda x: F.adaptive_max_pool1d(x, 3), (2, 1, 5)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 3)), (1, 2, 3, 4)),
    "adaptive_max_pool3d": (lambda x: F.adaptive_max_pool3d(x, 2), (1, 1, 3, 2, 3)),
    "fractional_max_pool2d": (lambda x: fixed(F.fractional_max_pool2d, x, 2, 3), (1, 2, 5, 4)),
    "fractional_max_pool3d": (lambda x: fixed(F.fractional_max_pool3d, x, 1, 2), (1, 1, 4, 3, 3)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (1, 4, 2, 1)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), (1, 2, 2, 4)),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), (1, 4, 3)),
    "nearest": (lambda x: F.interpolate(x, (3, 5)), (1, 2, 2, 3)),
    "nearest-exact": (lambda x: F.interpolate(x, 3, mode="nearest-exact"), (2, 1, 5)),
    "linear": (lambda x: F.interpolate(x, scale_factor=1.6, mode="linear"), (1, 2, 4)),
    "bilinear": (lambda x: F.interpolate(x, (3, 2), mode="bilinear", align_corners=True), (1, 2, 2, 4)),
    "trilinear": (lambda x: F.interpolate(x, 3, mode="trilinear"), (1, 1, 2, 3, 2)),
    "bicubic": (lambda x: F.interpolate(x, (5, 2), mode="bicubic"), (1, 1, 3, 4)),
    "area": (lambda x: F.interpolate(x, 2, mode="area"), (1, 2, 3, 5)),
    "antialiased": (lambda x: F.interpolate(x, (2, 3), mode="bicubic", antialias=True), (1, 1, 5, 4)),
}


ALWAYS_BATCHED = [
    "channel_shuffle",
    "nearest",
    "nearest-exact",
    "linear",
    "bilinear",
    "trilinear",
    "bicubic",
    "area",
    "antialiased",
]


def fixed(pooling: Callable, x: Any, *settings: Any) -> Any:
    """Fractional pooling that draws the same windows every time."""
    m.manual_seed(3)
    return pooling(x, *settings)


@pytest.mark.parametrize(
    "family,batched", [(f, b) for f in FAMILIES for b in (True, False) if b or f not in ALWAYS_BATCHED]
)
def test_derivatives(family: str, batched: bool) -> None:
    """First and second derivatives agree with differences, with and without a batch axis where there is a choice."""
    function, shape = FAMILIES[family]
    x = m.tensor(drawn(*(shape if batched else shape[1:])), requires_grad=True)
    gradcheck(function, (x,), eps=1e-4, atol=1e-6, rtol=1e-4)
    gradgradcheck(lambda x: function(x * x), (x,), eps=1e-4, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", [f for f in FAMILIES if "lp" not in f])
def test_adjoint_identity(family: str) -> None:
    """Where the choice is fixed these are linear: f(x) = A x, so <A x, y> = <x, A' y>."""
    function, shape = FAMILIES[family]
    x = m.tensor(drawn(*shape), requires_grad=True)
    out = function(x)
    y = np.random.default_rng(1).standard_normal(out.shape)
    (g,) = grad(out, [x], m.from_numpy(y))
    left, right = (out.array * y).sum(), (x.array * g.array).sum()
    assert abs(left - right) <= 1e-12 * np.abs(out.array * y).sum()


def test_resample_is_its_matrix() -> None:
    """Over 500 tables: the primitive is the dense matrix, its gradient the transposed one, to the last few bits."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        outputs, taps, size = (int(v) for v in rng.integers(1, [8, 5, 7]))
        table = Taps(
            rng.integers(0, size, (outputs, taps)),
            rng.standard_normal((outputs, taps)) * rng.integers(0, 2, (outputs, taps)),
            size,
        )
        matrix = np.zeros((outputs, size))
        np.add.at(matrix, (np.arange(outputs)[:, None], table.positions), table.weights)
        x = m.tensor(rng.standard_normal((2, 3, size)), requires_grad=True)
        y = rng.standard_normal((2, 3, outputs))
        out = resample(x, axis=2, taps=table)
        (g,) = grad(out, [x], m.from_numpy(y))
        np.testing.assert_allclose(out.array, x.array @ matrix.T, rtol=0, atol=1e-14)
        np.testing.assert_allclose(g.array, y @ matrix, rtol=0, atol=1e-14)


def test_weights_add_to_one() -> None:
    """A constant image stays constant in every mode: each output pixel's weights sum to 1, also by a scale factor."""
    cases = [(n, o, None) for n, o in itertools.product(range(1, 9), range(1, 12))]
    cases += [
        (n, int(n * f), 1 / f) for n, f in itertools.product(range(1, 9), (0.3, 0.7, 1.1, 1.9, 2.6)) if int(n * f)
    ]
    for size, outputs, scale in cases:
        tables = [nearest_taps(size, outputs, scale, exact) for exact in (False, True)]
        for align_corners, antialias in itertools.product((False, True), repeat=2):
            tables += [t(size, outputs, scale, align_corners, antialias) for t in (linear_taps, cubic_taps)]
        tables.append(lanczos_taps(size, outputs, scale))
        for table in tables:
            np.testing.assert_allclose(table.weights.sum(1), 1, rtol=0, atol=1e-14)
            assert table.positions.min() >= 0 and table.positions.max() < size


@pytest.mark.parametrize(
    "mode,shape", [("linear", (1, 1, 6)), ("bilinear", (1, 1, 4, 6)), ("trilinear", (1, 1, 3, 4, 6))]
)
def test_linear_interpolation_keeps_straight_lines(mode: str, shape: tuple) -> None:
    """A ramp stays a ramp: pixel o shows r (o + 1/2) - 1/2 but for the edges, and r o everywhere with align_corners."""
    n = shape[-1]
    x = m.from_numpy(np.broadcast_to(np.arange(float(n)), shape).copy())
    for outputs in (n + 1, 2 * n, 3 * n):
        o, size = np.arange(outputs), (*shape[2:-1], outputs)
        out = F.interpolate(x, size, mode=mode).array
        np.testing.assert_allclose(out - np.clip(n / outputs * (o + 0.5) - 0.5, 0, n - 1), 0, atol=1e-12)
        out = F.interpolate(x, size, mode=mode, align_corners=True).array
        np.testing.assert_allclose(out - (n - 1) / (outputs - 1) * o, 0, atol=1e-12)


def test_infinity_stays_where_it_is() -> None:
    """A weight of 0 is no part of the sum: infinity and NaN do not spread to pixels that do not look at them."""
    x = m.tensor([[[np.inf, 1.0, 2.0, np.nan]]], requires_grad=True)
    np.testing.assert_array_equal(F.interpolate(x, 4, mode="linear").array, x.array)
    out = F.interpolate(x, 2)
    np.testing.assert_array_equal(out.array, [[[np.inf, 2]]])
    (g,) = grad(out, [x], m.tensor([[[np.nan, 1.0]]]))
    np.testing.assert_array_equal(g.array, [[[np.nan, 0, 1, 0]]])


# -------------------------------------------------------------------------------------------------------------- unpooling


def test_last_of_several_for_one_place_stays() -> None:
    """Repeated indices: the last element is kept and alone has a gradient, which is the derivative."""
    x = m.tensor([[[1.0, np.inf, 3.0, 4.0]]], requires_grad=True, dtype=m.float64)
    out = F.max_unpool1d(x, m.tensor([[[2, 2, 2, 0]]]), 2)
    np.testing.assert_array_equal(out.array, [[[4, 0, 3, 0, 0, 0, 0, 0]]])
    (g,) = grad(out, [x], m.arange(8.0, dtype=m.float64).reshape(1, 1, 8))
    np.testing.assert_array_equal(g.array, [[[0, 0, 2, 0]]])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_inverts_pooling(rank: int) -> None:
    """Pooling again after unpooling gives the same, for sizes that do not divide, by `output_size`."""
    for n, stride in itertools.product(range(3, 8), (1, 2, 3)):
        x = m.from_numpy(np.abs(drawn(2, 1, *(n,) * rank)) + 1)
        max_pool, unpool = getattr(F, f"max_pool{rank}d"), getattr(F, f"max_unpool{rank}d")
        out, indices = max_pool(x, 3, stride, 1, return_indices=True)
        back = unpool(out, indices, 3, stride, 1, output_size=x.shape)
        assert back.shape == x.shape
        np.testing.assert_array_equal(max_pool(back, 3, stride, 1).array, out.array)
        kept = back.array != 0
        np.testing.assert_array_equal(back.array[kept], x.array[kept])


def test_no_windows() -> None:
    """An output size of 0 along an axis gives an empty result and a gradient of zeros."""
    x = m.ones(2, 3, 4, 5, requires_grad=True)
    for out in (F.adaptive_max_pool2d(x, (4, 0)), F.fractional_max_pool2d(x, 2, (0, 3))):
        assert 0 in out.shape
        np.testing.assert_array_equal(grad(out.sum(), x)[0].array, np.zeros(x.shape))


# ------------------------------------------------------------------------------------------------------------- fractional


def test_fractional_windows() -> None:
    """Windows begin with the image, end with it, and step by floor(a) or floor(a) + 1; each channel has its own."""
    m.manual_seed(0)
    x = m.arange(50.0).expand(3, 40, 50, 50)
    out, indices = F.fractional_max_pool2d(x, 2, 20, return_indices=True)
    columns = out.array - 1  # the first pixel of each window, for a ramp
    assert columns.min() == 0 and (columns[..., -1] == 48).all() and (columns[..., 0] == 0).all()
    steps = np.diff(columns[..., :-1])
    assert set(np.unique(steps)) == {2.0, 3.0}
    assert len(np.unique(columns[:, :, 0].reshape(120, -1), axis=0)) > 10
    np.testing.assert_array_equal(np.take(x.array[0, 0].ravel(), indices.array), out.array)


def test_fractional_ties_and_nan() -> None:
    """As in max_pool2d: the first of equals, -inf among itself too, but the last NaN before everything."""
    zero = m.zeros(1, 1, 2)
    for value, place in ((1.0, 10), (-np.inf, 10), (np.nan, 15)):
        out, indices = F.fractional_max_pool2d(m.full((1, 1, 4, 4), value), 2, 1, None, True, zero)
        np.testing.assert_array_equal(out.array, [[[[value]]]])
        assert indices.item() == place


def test_fractional_draws_from_the_default_generator() -> None:
    """The same seed, the same windows; a layer keeps its samples as a buffer."""
    x = m.randn(1, 2, 9, 9)
    first, again = (fixed(F.fractional_max_pool2d, x, 2, 4).array for _ in range(2))
    np.testing.assert_array_equal(first, again)
    samples = m.rand(1, 2, 2)
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.5, _random_samples=samples)
    assert [*layer.state_dict()] == ["_random_samples"] and layer.output_ratio == (0.5, 0.5)
    np.testing.assert_array_equal(layer(x).array, layer(x).array)


# ---------------------------------------------------------------------------------------------------------------- shuffles


def test_shuffles_invert() -> None:
    """pixel_unshuffle undoes pixel_shuffle; channel_shuffle by g then by C / g is nothing."""
    x = m.randn(2, 12, 3, 4)
    np.testing.assert_array_equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).array, x.array)
    np.testing.assert_array_equal(F.channel_shuffle(F.channel_shuffle(x, 3), 4).array, x.array)
    assert F.pixel_unshuffle(m.ones(0, 1, 4, 4), 2).shape == (0, 4, 2, 2)  # PyTorch leaves it (0, 1, 4, 4)


# -------------------------------------------------------------------------------------------------------- dtypes and reprs


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_stays(family: str) -> None:
    """float32 in, float32 out, and its gradient."""
    function, shape = FAMILIES[family]
    x = m.tensor(drawn(*shape).astype(np.float32), requires_grad=True)
    out = function(x)
    assert out.dtype is m.float32
    assert grad(out.sum(), x)[0].dtype is m.float32
    exact = function(m.tensor(drawn(*shape)))
    np.testing.assert_allclose(out.array, exact.array, rtol=1e-4, atol=1e-5)


REPRS = [
    (nn.MaxUnpool1d(2), "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    (nn.MaxUnpool2d((2, 3), 2, 1), "MaxUnpool2d(kernel_size=(2, 3), stride=(2, 2), padding=(1, 1))"),
    (
        nn.LPPool2d(1.5, (2, 3), ceil_mode=True),
        "LPPool2d(norm_type=1.5, kernel_size=(2, 3), stride=None, ceil_mode=True)",
    ),
    (nn.AdaptiveMaxPool2d((3, None), True), "AdaptiveMaxPool2d(output_size=(3, None))"),
    (nn.FractionalMaxPool2d(2, output_size=3), "FractionalMaxPool2d()"),
    (nn.PixelShuffle(2), "PixelShuffle(upscale_factor=2)"),
    (nn.PixelUnshuffle(3), "PixelUnshuffle(downscale_factor=3)"),
    (nn.ChannelShuffle(2), "ChannelShuffle(groups=2)"),
    (nn.Upsample((3, 4), mode="bilinear", align_corners=True), "Upsample(size=(3, 4), mode='bilinear')"),
    (nn.Upsample(scale_factor=(2, 3), mode="bicubic"), "Upsample(scale_factor=(2.0, 3.0), mode='bicubic')"),
    (nn.UpsamplingNearest2d(scale_factor=2), "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')"),
    (nn.UpsamplingBilinear2d(size=(3, 4)), "UpsamplingBilinear2d(size=(3, 4), mode='bilinear')"),
]


@pytest.mark.parametrize("layer,expected", REPRS, ids=[text.partition("(")[0] for _, text in REPRS])
def test_repr(layer: Any, expected: str) -> None:
    """Layers print as PyTorch's."""
    assert repr(layer) == expected


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_old_names_warn(name: str) -> None:
    """upsample and its two kinds are interpolate, and say so."""
    x = m.randn(1, 2, 3, 4)
    with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated"):
        out = getattr(F, name)(x, (5, 5))
    settings = {"mode": "bilinear", "align_corners": True} if name == "upsample_bilinear" else {}
    np.testing.assert_array_equal(out.array, F.interpolate(x, (5, 5), **settings).array)


# ------------------------------------------------------------------------------------------------------------------ errors

ones = m.ones


def places(*shape: int) -> Any:
    """Indices, all 0."""
    return m.zeros(*shape, dtype=m.int64)


ERRORS: list[tuple[Callable, type, str]] = [
    (lambda: F.max_pool1d(ones(1, 1, 9), 2, 1, 2, 4), RuntimeError, "max_pool1d: pad should be at most half of kernel"),
    (
        lambda: F.max_pool1d(ones(1, 1, 1), 2, 1, 1, 2),
        RuntimeError,
        "max_pool1d: a window of kernel_size=2, dilation=2",
    ),
    (lambda: F.max_pool2d(ones(1, 0, 4, 4), 2), RuntimeError, "max_pool2d: expected `input` to have non-zero size"),
    (lambda: F.max_pool1d(ones(0, 4), 2), RuntimeError, "non-zero size for non-batch dimensions, but it is (0, 4)"),
    (lambda: F.avg_pool3d(ones(1, 1, 2, 2, 2), 3, 1, 1), RuntimeError, "avg_pool3d: input image (2, 2, 2) smaller"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 4, 4), None), TypeError, "adaptive_avg_pool2d: `output_size` must be"),
    (lambda: F.adaptive_max_pool1d(ones(1, 1, 4), (None,)), TypeError, "adaptive_max_pool1d: `output_size` must be"),
    (lambda: F.adaptive_max_pool2d(ones(1, 1, 4, 4), (1, 2, 3)), RuntimeError, "must be an int or a tuple of 2"),
    (lambda: F.adaptive_max_pool2d(ones(1, 1, 4, 4), -1), RuntimeError, "greater than or equal to 0"),
    (lambda: F.adaptive_max_pool3d(ones(1, 0, 4, 4, 4), 1), RuntimeError, "non-zero size"),
    (lambda: F.adaptive_max_pool2d(places(1, 1, 4, 4), 1), NotImplementedError, "`input` must be floating, but is"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 3), 2), RuntimeError, "but got (1, 1, 2, 3)"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2).int(), 2), RuntimeError, "should be int64, but are"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2) + 16, 2), RuntimeError, "invalid max index: 16"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2) - 1, 2), RuntimeError, "invalid max index: -1"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), [[0]], 2), TypeError, "`indices` must be a Tensor, but got list"),
    (lambda: F.max_unpool2d(places(1, 1, 2, 2), places(1, 1, 2, 2), 2), NotImplementedError, "must be floating"),
    (lambda: F.max_unpool2d(ones(2, 2), places(2, 2), 2), RuntimeError, "expected `input` of 4 dimensions"),
    (
        lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2, output_size=(6, 6)),
        ValueError,
        "between 2 and 6",
    ),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2, output_size=(5,)), ValueError, "2 or 4 elements"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2, output_size=5), TypeError, ""),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2, 2, 5), ValueError, "(-6, -6)"),
    (lambda: F.max_unpool3d(ones(1, 1, 2, 2, 2), places(1, 1, 2, 2, 2), 2, 0), RuntimeError, "strides should be"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2**40, 1), ValueError, "more than 2147483647 pixels"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), places(1, 1, 2, 2), 2.0), TypeError, "`kernel_size` must be an int"),
    (lambda: F.lp_pool1d(ones(1, 1, 4), 2, (2,)), TypeError, "lp_pool1d: `kernel_size` must be an int, but got (2,)"),
    (lambda: F.lp_pool1d(ones(1, 1, 4), 0, 2), ZeroDivisionError, ""),
    (lambda: F.lp_pool2d(ones(1, 1, 4, 4), 2, 5), RuntimeError, "lp_pool2d: given input size (4 x 4)"),
    (lambda: F.fractional_max_pool2d(ones(1, 1, 8, 8), 2), ValueError, "either an output_size or an output_ratio"),
    (lambda: nn.FractionalMaxPool2d(2), ValueError, "either an output size, or a pooling ratio"),
    (lambda: nn.FractionalMaxPool2d(2, 3, 0.5), ValueError, "only one of output_size and output_ratio"),
    (lambda: nn.FractionalMaxPool2d(2, output_ratio=(0.5, 1.5)), ValueError, "between 0 and 1 (got (0.5, 1.5))"),
    (lambda: F.fractional_max_pool2d(ones(1, 1, 8, 8), 2, output_ratio=0.5), TypeError, "must be a tuple of 2 floats"),
    (lambda: F.fractional_max_pool2d(ones(1, 1, 8, 8), 2, 8), RuntimeError, "too large relative to input (1, 1, 8, 8)"),
    (lambda: F.fractional_max_pool2d(ones(1, 1, 8, 8), 2, -1), RuntimeError, "must not be negative"),
    (
        lambda: F.fractional_max_pool2d(ones(1, 1, 8, 8), 2, 2, _random_samples=ones(1, 2)),
        RuntimeError,
        "(1, 1, 2) and",
    ),
    (lambda: F.pixel_shuffle(ones(1, 3, 2, 2), 2), RuntimeError, "the 3 channels of input (1, 3, 2, 2) are not divis"),
    (lambda: F.pixel_shuffle(ones(1, 4, 2, 2), -2), RuntimeError, "expects a positive upscale_factor, but got -2"),
    (lambda: F.pixel_shuffle(ones(2, 2), 2), RuntimeError, "at least 3 dimensions, but got input (2, 2)"),
    (lambda: F.pixel_shuffle(ones(1, 4, 2, 2), 2.0), TypeError, "`upscale_factor` must be an int, but got 2.0"),
    (lambda: F.pixel_unshuffle(ones(1, 4, 2, 2), 0), RuntimeError, "expects a positive downscale_factor, but got 0"),
    (lambda: F.pixel_unshuffle(ones(1, 1, 5, 4), 2), RuntimeError, "divisible by downscale_factor 2"),
    (lambda: F.channel_shuffle(ones(1, 5, 2), 2), RuntimeError, "Got 5 channels and 2 groups"),
    (lambda: F.channel_shuffle(ones(1, 6, 2), 0), RuntimeError, "positive groups, but got 0"),
    (lambda: F.interpolate(ones(1, 1, 4)), ValueError, "either `size` or `scale_factor` should be defined"),
    (lambda: F.interpolate(ones(1, 1, 4), 8, 2.0), ValueError, "only one of size=8 and scale_factor=2.0"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), (8,)), ValueError, "must have the same number of spatial dimensions"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), scale_factor=(2.0,)), ValueError, "scale_factor=(2.0,)"),
    (lambda: F.interpolate(ones(1, 1, 4), 8, align_corners=False), ValueError, "align_corners can only be set with"),
    (
        lambda: F.interpolate(ones(1, 1, 4), 8, recompute_scale_factor=True),
        ValueError,
        "not meaningful with an explicit",
    ),
    (lambda: F.interpolate(ones(1, 1, 4), 8, mode="sharp"), NotImplementedError, "mode 'sharp'"),
    (lambda: F.interpolate(ones(1, 1, 4), 8, mode="bilinear"), NotImplementedError, "mode 'bilinear'"),
    (lambda: F.interpolate(ones(1, 4), 8), NotImplementedError, "input (1, 4)"),
    (lambda: F.interpolate(places(1, 1, 4), 8), NotImplementedError, "must be floating, but is"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), 2, antialias=True), ValueError, "antialias is restricted to"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), 2, mode="lanczos"), ValueError, "lanczos mode requires antialias=True"),
    (
        lambda: F.interpolate(ones(1, 1, 4, 4), 0),
        RuntimeError,
        "greater than 0, but got input (1, 1, 4, 4) and output (0",
    ),
    (lambda: F.interpolate(ones(1, 0, 4, 4), 3), RuntimeError, "greater than 0, but got input (1, 0, 4, 4)"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), scale_factor=1e18), RuntimeError, "4000000000000000000"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), scale_factor=float("nan")), RuntimeError, "a finite number"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), scale_factor=float("inf")), RuntimeError, "a finite number"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), scale_factor="a"), TypeError, "`scale_factor` must be"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), 3.0), TypeError, "`size` must be an int or a tuple of ints, but got 3.0"),
    (lambda: F.interpolate(ones(1, 1, 4, 4), 2**40), RuntimeError, "1099511627776"),
    (lambda: F.interpolate([1.0], 2), TypeError, "`input` must be a Tensor"),
]


@pytest.mark.parametrize("call,kind,piece", ERRORS, ids=[f"{i}-{e[2][:30]}" for i, e in enumerate(ERRORS)])
def test_error(call: Callable, kind: type, piece: str) -> None:
    """A wrong call raises PyTorch's class and says what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind
    assert piece in str(info.value)


def test_windows_without_a_pixel_are_refused_not_read() -> None:
    """All small sliding windows: those that geometry accepts hold a pixel each, and max_pool agrees with a plain loop."""
    for i, k, s, d in itertools.product(range(1, 6), range(1, 4), range(1, 4), range(1, 4)):
        for p, ceil_mode in itertools.product(range(k // 2 + 1), (False, True)):
            x = drawn(1, 1, i)
            try:
                geometry = PoolGeometry.windows((i,), k, s, p, d, ceil_mode)
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    F.max_pool1d(m.from_numpy(x), k, s, p, d, ceil_mode)
                continue
            best = [
                max(x[0, 0, at] for at in range(o * s - p, o * s - p + d * k, d) if 0 <= at < i)
                for o in range(geometry.output_size[0])
            ]
            np.testing.assert_array_equal(F.max_pool1d(m.from_numpy(x), k, s, p, d, ceil_mode).array[0, 0], best)


def test_chosen_places_are_in_the_image() -> None:
    """Whatever the windows, the int64 positions of all max poolings lie in the plane, so gathering by them is safe."""
    x = m.from_numpy(np.full((1, 2, 5, 4), -np.inf))
    for out, indices in (
        F.max_pool2d(x, 2, ceil_mode=True, return_indices=True),
        F.adaptive_max_pool2d_with_indices(x, (7, 3)),
        F.fractional_max_pool2d_with_indices(x, 2, 3),
    ):
        assert indices.dtype is m.int64 and indices.array.min() >= 0 and indices.array.max() < 20
        np.testing.assert_array_equal(pool.pool_gather(x, indices.array.astype(np.int32)).array, out.array)
