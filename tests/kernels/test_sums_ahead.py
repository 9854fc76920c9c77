"""Batch statistics that a convolution sums as it writes: of whole blocks, to the bits of those summed afterwards."""

import numpy as np
import pytest

from minitorch import kernels
from minitorch.geometry import ConvGeometry
from minitorch.kernels.tile import algorithm

if kernels.implementation() != "numba":
    pytest.skip("needs the numba kernels", allow_module_level=True)

from minitorch.kernels import norm
from minitorch.kernels.tile import direct

LAYERS = {  # batch, channels, outputs, geometry, how much of the result is summed ahead at least
    "Winograd's": (8, 16, 24, ConvGeometry.of((18, 14), 3, padding=1), 0.95),
    "Winograd's, small images": (40, 32, 64, ConvGeometry.of((6, 7), 3, padding=1), 0.95),
    "first layer": (9, 3, 16, ConvGeometry.of((20, 20), 3, padding=1), 0),
    "stride 2": (40, 16, 20, ConvGeometry.of((33, 31), 3, stride=2, padding=1), 0.9),
    "1x1": (6, 16, 64, ConvGeometry.of((20, 21), 1), 0.95),
    "1x1, columns in blocks": (6, 40, 640, ConvGeometry.of((9, 9), 1), 0.95),
    "depthwise": (20, 32, 32, ConvGeometry.of((24, 24), 3, padding=1, groups=32), 0.95),
    "depthwise, an image in bands": (64, 64, 64, ConvGeometry.of((24, 24), 3, padding=1, groups=64), 0.95),
    "groups": (20, 16, 16, ConvGeometry.of((20, 20), 3, padding=1, groups=4), 0.9),
    "few images": (1, 16, 7, ConvGeometry.of((30, 30), 3, stride=2), 0),
}


def layer(name, dtype=np.float32):
    batch, channels, outputs, geometry, share = LAYERS[name]
    rng = np.random.default_rng(len(name))
    x = rng.standard_normal((batch, *geometry.input_size, channels)).astype(dtype)
    w = rng.standard_normal((outputs, channels // geometry.groups, *geometry.kernel_size)).astype(dtype)
    factors = [rng.standard_normal(channels).astype(dtype) for _ in range(3)]
    return x, w, factors, geometry, share


def results(x, w, geometry):
    out = np.empty((len(x), *geometry.output_size, len(w)), x.dtype)
    return out, [np.full(len(w), 0.5, x.dtype) for _ in range(5)]


def joined(x, w, factors, geometry):
    """All results of `conv_statistics`."""
    out, own = results(x, w, geometry)
    kernels.conv_statistics(x, w, *factors, out, *own, geometry, 1e-3, 0.3)
    return out, *own


def one_after_the_other(x, w, factors, geometry):
    out, own = results(x, w, geometry)
    if factors[0].size:
        kernels.conv_of_normal(x, w, *factors, out, geometry)
    else:
        kernels.conv(x, w, out, geometry)
    kernels.batch_norm_statistics(out.reshape(-1, len(w)), *own, 1e-3, 0.3)
    return out, *own


def same(first, second):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))


@pytest.fixture
def ahead(monkeypatch):
    """Which part of the last result had been summed when it was written."""
    shares = []

    def watched(x, *arguments):
        *_, sums = arguments
        shares.append(np.minimum(sums[0], np.diff(_bounds(x, sums))).sum() / x.size)
        norm.batch_norm_statistics(x, *arguments)

    monkeypatch.setattr(direct, "batch_norm_statistics", watched)
    return shares


def _bounds(x, sums):
    blocks, width = len(sums[0]), sums[-1]
    return np.arange(blocks + 1) * (x.size // width) // blocks * width


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_same_bits_as_summed_afterwards(name, dtype, ahead):
    x, w, factors, geometry, share = layer(name, dtype)
    none = [factor[:0] for factor in factors]
    for given in (none, factors):
        assert same(joined(x, w, given, geometry), one_after_the_other(x, w, given, geometry))
    assert min(ahead) >= share or dtype == np.float64  # which runs on other algorithms


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["Winograd's", "1x1", "depthwise", "stride 2"])
def test_any_number_of_threads(name, threads):
    x, w, factors, geometry, _ = layer(name)
    expected, before = one_after_the_other(x, w, factors, geometry), kernels.get_num_threads()
    try:
        kernels.set_num_threads(threads)
        assert all(same(joined(x, w, factors, geometry), expected) for _ in range(5))
    finally:
        kernels.set_num_threads(before)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_tiles_that_are_summed_again(value, ahead):
    """Winograd's tiles with outliers are written once more, after which the sums of before are worth nothing."""
    x, w, factors, geometry, _ = layer("Winograd's")
    x[3, 5, 6, 2] = value
    none = [factor[:0] for factor in factors]
    got = joined(x, w, none, geometry)
    assert ahead == [0] and same(got, one_after_the_other(x, w, none, geometry))


def test_groups_done_once_more(ahead):
    """Groups that were done together are done by themselves where there is NaN."""
    geometry = ConvGeometry.of((24, 24), 3, padding=1, groups=8)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((40, 24, 24, 32), (32, 4, 3, 3)))
    none = [x[0, 0, 0, :0]] * 3
    for _ in range(2):
        assert same(joined(x, w, none, geometry), one_after_the_other(x, w, none, geometry))
        x[2, 3, 4, 5] = np.nan
    assert ahead[0] > 0.9


@pytest.mark.parametrize("offset", [0, 1e3, 1e5])
def test_a_mean_that_is_large_against_the_deviation(offset):
    """In blocks as in one: a shift of all pixels leaves the variance what float32 pixels show of it."""
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((40_000, 16)) + offset).astype(np.float32)
    mean, variance, invstd = np.empty((3, 16), np.float32)
    kernels.batch_norm_statistics(x, mean, variance, invstd, mean[:0], mean[:0], 1e-5, 0.1)
    wide = x.astype(np.float64)
    assert np.allclose(mean, wide.mean(0), rtol=1e-6, atol=1e-6)
    assert np.allclose(variance, wide.var(0), rtol=2e-6, atol=0)


def test_setting_of_the_algorithm():
    """Either algorithm, by the user's word."""
    x, w, factors, geometry, _ = layer("Winograd's")
    none = [factor[:0] for factor in factors]
    for word in ("direct", "winograd"):
        with algorithm.as_of(word):
            assert same(joined(x, w, none, geometry), one_after_the_other(x, w, none, geometry))
