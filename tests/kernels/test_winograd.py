"""Winograd's algorithm: its maps are an identity, its three faces keep their stated error, the rule and the switch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.kernels.tile import algorithm
from minitorch.nn import functional as F

ERROR = 5e-5  # of the largest value, in float32: what kernels/tile/algorithm.py promises
needs_numba = pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels know no Winograd")

# batch, channels, outputs, input size, padding: tiles whole and cut off, vectors whole and cut off, padding 0 to 3
LAYERS = {
    "whole tiles": (2, 64, 64, (16, 16), 1),
    "edges cut off": (3, 32, 48, (15, 7), 1),
    "no padding": (2, 32, 32, (9, 10), 0),
    "wide padding": (2, 24, 32, (5, 6), 3),
    "padding per side": (2, 40, 24, (8, 9), ((0, 2), (1, 0))),
    "lanes left over": (2, 27, 37, (11, 6), 1),
    "one pixel of output": (4, 32, 32, (3, 3), 0),
    "many channels": (2, 256, 128, (8, 8), 1),
    "many tiles": (40, 24, 24, (32, 31), 1),
}


@pytest.fixture(autouse=True)
def _restored():
    """Leave the setting as it was."""
    yield
    algorithm.setting = "auto"


@needs_numba
def test_the_maps_are_an_identity():
    """A^T [(G w) * (B^T d)] is the filter, for every unit w and d: a bilinear identity holds if it holds for these."""
    from minitorch.kernels.tile.winograd import maps

    at, g, bt = maps()
    for t, i in itertools.product(range(3), range(6)):
        w, d = np.eye(3)[t], np.eye(6)[i]
        expected = [sum(w[s] * d[o + s] for s in range(3)) for o in range(4)]
        np.testing.assert_allclose(at @ ((g @ w) * (bt @ d)), expected, atol=1e-15)


def errors(name: str, dtype: type) -> list[float]:
    """Error over largest value of the three faces, against the reference in float64."""
    batch, channels, outputs, size, padding = LAYERS[name]
    g = ConvGeometry.of(size, 3, padding=padding)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    w = rng.standard_normal((outputs, channels, 3, 3)).astype(dtype)
    y = rng.standard_normal((batch, *g.output_size, outputs)).astype(dtype)
    found = []
    for face, operands, shape in (
        ("conv", (x, w), y.shape),
        ("conv_transpose", (y, w), x.shape),
        ("conv_weight_grad", (x, y), w.shape),
    ):
        out, expected = np.full(shape, np.nan, dtype), np.empty(shape)
        getattr(kernels, face)(*operands, out, g)
        getattr(reference, face)(*(a.astype(np.float64) for a in operands), expected, g)
        found.append(np.abs(out - expected).max() / np.abs(expected).max())
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_error_stays_below_what_is_stated(name):
    """Forced on, in float32 and in float64, where only the algebra could be wrong."""
    algorithm.setting = "winograd"
    assert max(errors(name, np.float32)) < ERROR / 5  # normal numbers leave room for worse ones
    assert max(errors(name, np.float64)) < 1e-13


@needs_numba
def test_the_setting_changes_the_algorithm():
    """Winograd's rounding is not the direct sum's; "auto" is the one where the rule says so, else the other."""
    rng = np.random.default_rng(0)
    for channels, expected in ((32, "winograd"), (8, "direct")):
        x = minitorch.from_numpy(rng.standard_normal((2, channels, 12, 12), dtype=np.float32))
        w = minitorch.from_numpy(rng.standard_normal((32, channels, 3, 3), dtype=np.float32))
        results = {}
        for setting in ("auto", "direct", "winograd"):
            minitorch.backends.conv.algorithm = setting
            results[setting] = F.conv2d(x, w, padding=1).numpy().tobytes()
        assert results["direct"] != results["winograd"]
        assert results["auto"] == results[expected]


def test_the_rule():
    """Where Winograd's is defined, and where "auto" chooses it."""

    def chosen(dtype=np.float32, channels=64, outputs=64, size=(16, 16), kernel=3, **settings):
        geometry = ConvGeometry.of(size, kernel, padding=1, **settings)
        return algorithm.is_winograd(geometry, np.dtype(dtype), channels, outputs)

    for setting in ("auto", "winograd"):
        algorithm.setting = setting
        assert chosen()
        assert not chosen(kernel=5) and not chosen(size=(16,)) and not chosen(size=(8, 8, 8))
        assert not chosen(stride=2) and not chosen(dilation=2) and not chosen(groups=2)
        assert (
            chosen(channels=3)
            == chosen(outputs=8)
            == chosen(dtype=np.float64)
            == chosen(size=(2, 9))
            == (setting == "winograd")
        )
    algorithm.setting = "direct"
    assert not chosen()


def test_a_wrong_setting_is_refused():
    """With the three words that would do; the old setting stays."""
    with pytest.raises(ValueError, match="'auto', 'direct' or 'winograd', but got 'fft'"):
        minitorch.backends.conv.algorithm = "fft"
    assert minitorch.backends.conv.algorithm == "auto"


@needs_numba
def test_training_gradients_agree_with_direct_ones():
    """One step of a net with batch norm and ReLU: loss and every gradient within the stated error of the direct sums."""
    gradients = {}
    for setting in ("direct", "auto"):
        minitorch.backends.conv.algorithm = setting
        minitorch.manual_seed(0)
        layers = [nn.Conv2d(3, 32, 3, padding=1, bias=False)]
        for _ in range(2):
            layers += [nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1, bias=False)]
        model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
        x = minitorch.randn(8, 3, 16, 16, requires_grad=True)
        loss = F.cross_entropy(model(x), minitorch.randint(10, (8,)))
        loss.backward()
        gradients[setting] = [loss.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())]
    assert gradients["auto"][1].tobytes() != gradients["direct"][1].tobytes()
    for found, exact in zip(gradients["auto"], gradients["direct"], strict=True):
        assert np.abs(found - exact).max() <= ERROR * np.abs(exact).max()


@needs_numba
def test_second_derivatives_run_on_it():
    """gradgradcheck in float64 with the algorithm forced on: its faces are each other's gradients."""
    from minitorch.autograd import gradcheck, gradgradcheck

    minitorch.backends.conv.algorithm = "winograd"
    minitorch.manual_seed(0)
    x = minitorch.randn(1, 2, 5, 6, dtype=minitorch.float64, requires_grad=True)
    w = minitorch.randn(3, 2, 3, 3, dtype=minitorch.float64, requires_grad=True)
    assert gradcheck(lambda x, w: F.conv2d(x, w, padding=1), (x, w))
    assert gradgradcheck(lambda x, w: F.conv2d(x, w, padding=1), (x, w))
