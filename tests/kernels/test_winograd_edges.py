"""Winograd's algorithm where a sum over tiles would break a promise: NaN, infinities, outliers, overflow, integers, signs."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.kernels.tile import algorithm
from minitorch.nn import functional as F

needs_numba = pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels know no Winograd")

BATCH, CHANNELS, OUTPUTS = 6, 16, 20
FACES = ("conv", "conv_transpose", "conv_weight_grad")
# input size and padding: tiles whole and cut off, windows of padding alone
SIZES = {
    "whole": ((16, 16), 1),
    "odd": ((9, 13), 1),
    "cut": ((14, 11), 0),
    "wide padding": ((5, 7), 3),
    "a side each": ((8, 9), ((0, 2), (1, 0))),
}
PLACES = {"corner": (0, 0), "edge": (0, 3), "last": (-1, -1), "middle": (4, 4), "last column": (3, -1)}
ERROR = 2e-5  # of the sum of magnitudes; the direct sum has 1e-6


@pytest.fixture(autouse=True)
def _forced(monkeypatch):
    """Winograd's algorithm wherever it is defined."""
    monkeypatch.setattr(algorithm, "setting", "winograd")


def geometry_of(size: str) -> ConvGeometry:
    """Of a row of SIZES."""
    image, padding = SIZES[size]
    return ConvGeometry.of(image, 3, padding=padding)


def normal(g: ConvGeometry, dtype: type = np.float32, batch: int = BATCH) -> dict[str, np.ndarray]:
    """x, w and y of normal numbers."""
    rng = np.random.default_rng(0)
    shapes = {
        "x": (batch, *g.input_size, CHANNELS),
        "w": (OUTPUTS, CHANNELS, 3, 3),
        "y": (batch, *g.output_size, OUTPUTS),
    }
    arrays = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    arrays["w"] /= 12
    return arrays


def run(implementation, face: str, arrays: dict, g: ConvGeometry) -> np.ndarray:
    """One face by one implementation."""
    operands, like = {"conv": ("xw", "y"), "conv_transpose": ("yw", "x"), "conv_weight_grad": ("xy", "w")}[face]
    out = np.full_like(arrays[like], 7)
    with np.errstate(all="ignore"):
        getattr(implementation, face)(*(arrays[name] for name in operands), out, g)
    return out


def check(arrays: dict, g: ConvGeometry, error: float = ERROR) -> None:
    """All faces against float64: the same NaN and infinities; else errors relative to what the sum itself adds up."""
    wide = {name: array.astype(np.float64) for name, array in arrays.items()}
    for face in FACES:
        got, expected = run(kernels, face, arrays, g), run(reference, face, wide, g)
        with np.errstate(all="ignore"):
            rounded = expected.astype(got.dtype)
            scale = run(reference, face, {name: abs(array) for name, array in wide.items()}, g)
        finite = np.isfinite(rounded)
        assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True), face
        assert np.isfinite(got[finite]).all(), face
        off, scale = abs(got[finite] - expected[finite]), scale[finite]
        assert (off <= error * scale).all(), (face, off.max(), scale[off > error * scale].max())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [1e2, 1e4, -1e8, 1e20, 1e37, 3e38, np.inf, -np.inf, np.nan])
def test_a_pixel_is_felt_where_it_is_seen_and_nowhere_else(size, value):
    """In the image and in the gradient, at corners, edges and in the middle; outputs that do not see it stay exact.

    The weight is small enough for sums with 3e38 to be finite. NaN in y meets padding too, as in any direct sum.
    """
    g = geometry_of(size)
    for place in PLACES.values():
        for name in "xy":
            arrays = normal(g)
            arrays[name][1, min(place[0], arrays[name].shape[1] - 1), place[1], 5] = value
            check(arrays, g)


@pytest.mark.parametrize("size", ["whole", "odd"])
def test_several_outliers_of_several_sizes(size):
    """Also two of the same, and in several images."""
    g = geometry_of(size)
    for name in "xy":
        arrays = normal(g)
        a = arrays[name]
        a[0, 0, 0, 1], a[0, 2, 2, 3], a[1, -1, -1, 4], a[2, 0, -1, 5], a[2, 5, 6, 6] = 1e8, -1e4, 1e8, 1e6, np.nan
        check(arrays, g)


def test_finite_sums_do_not_overflow_on_the_way():
    """Images and weights near the ends of their range, whose products are ordinary."""
    g = geometry_of("odd")
    for x, w, y in ((1e37, 1e-37, 1e-30), (5e37, 0.01, 1.0), (1e-37, 1e37, 1.0), (1e-30, 1.0, 1e37), (1e33, 1e-3, 1e5)):
        arrays = normal(g)
        arrays["x"] *= np.float32(x)
        arrays["w"] *= np.float32(w)
        arrays["y"] *= np.float32(y)
        for face in FACES:
            wide = {name: array.astype(np.float64) for name, array in arrays.items()}
            expected, got = run(reference, face, wide, g), run(kernels, face, arrays, g)
            most = abs(expected).max()
            if 1e-30 < most < 1e38:
                assert abs(got - expected).max() <= 2e-6 * most, (face, x, w, y)


def test_a_heavy_tap_is_not_felt_by_windows_that_it_does_not_reach():
    """A corner tap of 1e6: windows at the opposite border find it on padding. Rows and columns without weight likewise."""
    for tap in ((0, 0), (2, 2), (1, 1)):
        g, arrays = geometry_of("odd"), normal(geometry_of("odd"))
        arrays["w"][3, 5][tap] = 1e6
        check(arrays, g, 1e-5)
    arrays = normal(g)
    arrays["w"][4, :, 0] = 0
    arrays["x"][:] = 0
    arrays["x"][:, 0] = 1  # seen from row 0 by the middle taps, from row 1 by the first ones, which are 0
    assert not run(kernels, "conv", arrays, g)[:, 1:, :, 4].any()


@pytest.mark.parametrize("size", SIZES)
def test_windows_of_zeros_give_zero_around_a_few_pixels(size):
    """Around one pixel, or a block in one image; also those that see padding alone. Weights have both signs."""
    g = geometry_of(size)
    for where in ((1, 4, 4), (0, slice(2, 4), slice(2, 4))):
        arrays = normal(g)
        for name, face in (("x", "conv"), ("y", "conv_transpose")):
            ones, masked = np.zeros_like(arrays[name]), np.zeros_like(arrays[name])
            ones[where], masked[where] = 1, arrays[name][where]
            seen = run(reference, face, {**arrays, "w": np.ones_like(arrays["w"]), name: ones}, g)
            got = run(kernels, face, {**arrays, name: masked}, g)
            assert not got[seen == 0].any(), face


@pytest.mark.parametrize("size", SIZES)
def test_one_weight_copies_and_one_gradient_hands_out_the_weight(size):
    """A kernel of one 1 moves the image; a gradient of one 1 gives the kernel as x's, a piece of the image as w's."""
    g = geometry_of(size)
    arrays = normal(g)
    w = np.zeros_like(arrays["w"])
    for k in range(OUTPUTS):
        w[k, k % CHANNELS, k % 3, k // 3 % 3] = 1
    y = np.zeros_like(arrays["y"])
    for at in ((1, 0, 0, 3), (2, -1, -1, 4), (3, 2, 3, 5)):
        y[at] = 1
    for one in ({**arrays, "w": w}, {**arrays, "w": -0.5 * w}, {**arrays, "y": y}):
        for face in FACES:
            if not (face == "conv" and one["w"] is arrays["w"]) and not (
                face == "conv_weight_grad" and one["y"] is arrays["y"]
            ):
                wide = {name: array.astype(np.float64) for name, array in one.items()}
                expected = run(reference, face, wide, g)
                exact = face == "conv" or one["y"] is y  # other sums have several terms
                off = abs(run(kernels, face, one, g) - expected).max()
                assert off <= (0 if exact else 2e-6 * abs(expected).max()), (face, off)


KERNELS = {
    "ones": np.ones((3, 3)),
    "neighbours": np.ones((3, 3)) - np.eye(3)[1][:, None] * np.eye(3)[1],
    "Laplace": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0.0]]),
    "Sobel": np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1.0]]),
    "eighths": np.array([[1, 2, 1], [-2, 4, 2], [1, 2, -1.0]]) / 8,
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("size", ["whole", "odd", "cut"])
def test_integers_are_counted_exactly(name, size):
    """Masks and bytes under kernels of small integers, and all three gradients of integers; also amid other kernels."""
    g, rng = geometry_of(size), np.random.default_rng(3)
    arrays = normal(g)
    for most in (1, 255):
        x = rng.integers(0, most + 1, arrays["x"].shape).astype(np.float32)
        y = rng.integers(-1, 2, arrays["y"].shape).astype(np.float32)
        w = np.broadcast_to(KERNELS[name], arrays["w"].shape).astype(np.float32)
        for face in FACES:
            whole = {"x": x, "w": w, "y": y}
            wide = {key: array.astype(np.float64) for key, array in whole.items()}
            assert (run(kernels, face, whole, g) == run(reference, face, wide, g)).all(), face
        mixed = arrays["w"].copy()
        mixed[7] = w[7]
        expected = run(reference, "conv", {"x": x, "w": w, "y": y}, g)[..., 7]
        assert (run(kernels, "conv", {"x": x, "w": mixed, "y": y}, g)[..., 7] == expected).all()
    ones = {"x": x, "w": w, "y": np.ones_like(y)}
    assert (run(kernels, "conv_weight_grad", ones, g) == run(reference, "conv_weight_grad", ones, g)).all()


@pytest.mark.parametrize("size", ["whole", "odd"])
def test_a_box_of_a_constant_is_constant_and_no_sum_of_positives_negative(size):
    """Where no padding is seen; with any positive weights. Sparse positive gradients give no negative ones."""
    g, rng = geometry_of(size), np.random.default_rng(4)
    arrays = normal(g)
    for w in (np.ones_like(arrays["w"]), np.full_like(arrays["w"], 1 / 9), abs(arrays["w"]), -abs(arrays["w"])):
        same = {"x": np.full_like(arrays["x"], 255), "w": w, "y": np.full_like(arrays["y"], 0.3)}
        for face in FACES[:2]:
            inside = run(kernels, face, same, g)[:, 1:-1, 1:-1]
            assert (inside == inside[:1, :1, :1]).all(), face
        sparse = {name: abs(a) * (rng.random(a.shape) < 0.01) for name, a in arrays.items() if name != "w"}
        for face in FACES[:2]:
            assert (run(kernels, face, {**sparse, "w": w}, g) * np.sign(w.sum()) >= 0).all(), face


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directly_summed_tiles_have_direct_bits_and_others_their_own(dtype, monkeypatch):
    """A NaN changes the bits of its own tiles alone, to the direct ones; of no other image; one thread or two."""
    g = geometry_of("whole")
    arrays = normal(g, dtype)
    threads = kernels.get_num_threads()
    for name, face in (("x", "conv"), ("y", "conv_transpose")):
        before = run(kernels, face, arrays, g)
        spoilt = {**arrays, name: arrays[name].copy()}
        spoilt[name][1, 9, 9, 5] = np.nan  # in tile (2, 2) of outputs 8 to 11, and of no other
        after = run(kernels, face, spoilt, g)
        monkeypatch.setattr(algorithm, "setting", "direct")
        direct = run(kernels, face, spoilt, g)
        monkeypatch.setattr(algorithm, "setting", "winograd")
        tile = np.zeros(before.shape[:3], bool)
        tile[1, 8:12, 8:12] = True
        assert after[tile].tobytes() == direct[tile].tobytes()
        assert np.isnan(after[1, 8:11, 8:11]).all() and np.isnan(after).sum() == 9 * after.shape[-1]
        assert after[~tile].tobytes() == before[~tile].tobytes() != direct[~tile].tobytes()
    results = []
    for count in (1, min(2, threads)):
        kernels.set_num_threads(count)
        try:
            results.append([run(kernels, face, spoilt, g).tobytes() for face in FACES])
        finally:
            kernels.set_num_threads(threads)
    assert results[0] == results[1]


@needs_numba
def test_ordinary_numbers_stay_with_the_algorithm(monkeypatch):
    """Normal images, those after a ReLU, constant ones under weights of both signs: no tile is summed directly."""
    from minitorch.kernels.tile import winograd

    taken = []

    def noting(original):
        def run(*arguments):
            taken.append(original(*arguments))
            return taken[-1]

        return run

    for name in ("conv", "conv_weight_grad"):
        monkeypatch.setattr(winograd, name, noting(getattr(winograd, name)))
    for size in ("whole", "odd", "cut", "a side each"):
        g = geometry_of(size)
        arrays = normal(g)
        for change in (lambda a: a, lambda a: a * (a > 0), np.ones_like):
            for face in FACES:
                run(kernels, face, {**arrays, "x": change(arrays["x"]), "y": arrays["y"] * (arrays["y"] > 0)}, g)
    assert len(taken) == 36 and all(tiles is not None and not len(tiles) for tiles in taken)


def test_finished_sums_are_finished_in_tiles_of_their_own_too():
    """Batch norm, sum and ReLU behind a convolution with NaN, outliers and zeros: the bits of two kernels."""
    rng = np.random.default_rng(5)
    for size in SIZES:
        g = geometry_of(size)
        arrays = normal(g)
        arrays["x"][1, 0, 0, 2], arrays["x"][2, -1, 2, 3], arrays["x"][3] = np.nan, 1e9, 0
        y, factors = run(kernels, "conv", arrays, g), rng.standard_normal((3, OUTPUTS)).astype(np.float32)
        rows, none = y.reshape(-1, OUTPUTS), np.empty(0, np.float32)
        for r in (none, arrays["y"]):
            for relu in (False, True):
                expected, got = np.empty_like(rows), np.empty_like(y)
                kernels.batch_norm_apply(rows, r.reshape(-1, OUTPUTS) if r.size else none, *factors, expected, relu)
                kernels.conv_normal(arrays["x"], arrays["w"], r, *factors, got, g, relu)
                assert got.tobytes() == expected.tobytes(), (size, r.size, relu)


@pytest.mark.parametrize("recorded", [False, True])
def test_layers_and_their_gradients_keep_a_nan_in_its_windows(recorded, monkeypatch):
    """Convolution with bias, batch norm and ReLU, fused or not, its transpose, and their backward passes."""
    monkeypatch.setattr(algorithm, "setting", "auto")
    rng = np.random.default_rng(6)
    x = rng.standard_normal((8, 16, 20, 20)).astype(np.float32)
    x[3, 5, 8, 9] = np.nan
    window = np.zeros((8, 16, 20, 20), bool)
    window[3, :, 7:10, 8:11] = True
    for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.ConvTranspose2d(16, 16, 3, padding=1)):
        net = nn.Sequential(layer, nn.BatchNorm2d(16), nn.ReLU()).eval()
        with minitorch.set_grad_enabled(recorded):
            image = minitorch.from_numpy(x) * 1  # in memory of the library's own, where results may wait for what joins
            assert (np.isnan(net(image).detach().numpy()) == window).all()
            assert (np.isnan(F.relu(layer(image)).detach().numpy()) == window).all()
        leaf = minitorch.from_numpy(np.nan_to_num(x)).requires_grad_()
        layer(leaf).backward(minitorch.from_numpy(x))
        assert (np.isnan(leaf.grad.numpy()) == window).all()
        lost = np.zeros(layer.weight.shape, bool)
        lost[(slice(None), 5) if isinstance(layer, nn.ConvTranspose2d) else 5] = True
        assert (np.isnan(layer.weight.grad.numpy()) == lost).all()
        assert np.isnan(layer.bias.grad.numpy()).sum() == 1


@needs_numba
def test_an_image_brighter_than_the_others_stays_with_the_algorithm(monkeypatch):
    """Its tiles are looked at, and their windows see as much as they do."""
    from minitorch.kernels.tile import winograd

    taken, conv = [], winograd.conv
    monkeypatch.setattr(winograd, "conv", lambda *arguments: taken.append(conv(*arguments)) or taken[-1])
    g = geometry_of("whole")
    arrays = normal(g, batch=4)
    arrays["x"][2] *= 1000
    run(kernels, "conv", arrays, g)
    assert [len(tiles) for tiles in taken] == [0]
