"""Group, instance, layer, RMS and local response norm: memory orders, large sizes, statistics, by formulas in NumPy."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.ops import row_norm

F = nn.functional
RNG = np.random.default_rng(3)


def lying(x: np.ndarray, last: bool, **how: Any) -> m.Tensor:
    """A tensor, its image channels-last in memory or channels-first."""
    out = m.tensor(0.0)
    out.array = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else np.ascontiguousarray(x)
    if last:
        out.array = np.moveaxis(out.array, -1, 1)
    return out.requires_grad_(**how)


def expected(x: np.ndarray, g: np.ndarray, w: np.ndarray, groups: int, eps: float) -> tuple:
    """group_norm without its bias, and its gradients for x, w and b."""
    rows, channels = x.reshape(len(x), groups, -1), (..., *(None,) * (x.ndim - 2))
    s = 1 / np.sqrt(rows.var(-1, keepdims=True) + eps)
    h = (rows - rows.mean(-1, keepdims=True)) * s
    u = (g * w[channels]).reshape(rows.shape)
    gx = s * (u - u.mean(-1, keepdims=True) - h * (u * h).mean(-1, keepdims=True))
    h, axes = h.reshape(x.shape), (0, *range(2, x.ndim))
    return h * w[channels], gx.reshape(x.shape), (g * h).sum(axes), g.sum(axes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "shape,groups", [((5, 12, 9, 11), 4), ((3, 140, 20, 7), 70), ((2, 6, 4000), 1), ((3, 30, 30), 30)]
)
def test_group_norm_in_both_orders(shape: tuple, groups: int, last: bool, dtype: Any) -> None:
    """Values and gradients are the formulas'; results lie in memory as the image does."""
    x, g = RNG.standard_normal((2, *shape)) + 0.5
    w, b = RNG.standard_normal((2, shape[1]))
    image, weight, bias = (
        lying(x.astype(dtype), last),
        *(m.from_numpy(v.astype(dtype)).requires_grad_() for v in (w, b)),
    )
    out = F.group_norm(image, groups, weight, bias, 1e-3)
    assert out.array.strides == image.array.strides
    for by in (False, True):  # the gradient may lie otherwise
        found = grad(out, [image, weight, bias], lying(g.astype(dtype), by).detach(), retain_graph=True)
        y, *slopes = expected(x, g, w, groups, 1e-3)
        close = {"rtol": 0, "atol": 1e-5 if dtype == np.float32 else 1e-12}
        np.testing.assert_allclose(out.array - b.reshape(-1, *[1] * (x.ndim - 2)), y, **close)
        assert found[0].array.strides == image.array.strides
        for one, slope in zip(found, slopes, strict=True):
            np.testing.assert_allclose(
                one.array / max(1, np.abs(slope).max()), slope / max(1, np.abs(slope).max()), **close
            )


def test_images_are_not_copied() -> None:
    """Both orders are read as they lie."""
    for last in (False, True):
        x = lying(RNG.standard_normal((2, 3, 4, 5)), last).array
        assert np.shares_memory(row_norm._Order(x).of(x), x)


@pytest.mark.parametrize("last", [False, True])
def test_second_derivatives_in_both_orders(last: bool) -> None:
    """gradcheck and gradgradcheck, with and without parameters."""
    w, b = (m.from_numpy(RNG.standard_normal(4)).requires_grad_() for _ in range(2))
    x = lying(RNG.standard_normal((2, 4, 3, 2)), last)
    for function, inputs in (
        (lambda x, w, b: F.group_norm(x, 2, w, b), (x, w, b)),
        (lambda x: F.instance_norm(x), (x,)),
        (lambda x: F.local_response_norm(x, 3, 0.5), (x,)),
        (lambda x: F.rms_norm(x, (3, 2)), (x,)),
        (lambda b: F.group_norm(x.detach(), 1, None, b), (b,)),
        (lambda w: F.group_norm(x.detach(), 1, w), (w,)),
        (lambda b: F.layer_norm(x.detach().movedim(1, -1), (4,), None, b), (b,)),
    ):
        assert gradcheck(function, inputs, atol=1e-6)
        assert gradgradcheck(function, inputs, atol=1e-5)


@pytest.mark.parametrize("rows,size", [(3, 9000), (700, 64), (2100, 33)])
def test_large_rows(rows: int, size: int) -> None:
    """Layer norm and RMS norm in float32 against formulas in float64, with their gradients."""
    x, g = RNG.standard_normal((2, rows, size)) + 0.3
    w, b = RNG.standard_normal((2, size))
    tensors = [m.from_numpy(v.astype(np.float32)).requires_grad_() for v in (x, w, b)]
    for name, centre in (("layer_norm", x.mean(1, keepdims=True)), ("rms_norm", 0)):
        parameters = tensors[1:] if name == "layer_norm" else tensors[1:2]
        out = getattr(F, name)(tensors[0], (size,), *parameters, eps=1e-3)
        s = 1 / np.sqrt(np.square(x - centre).mean(1, keepdims=True) + 1e-3)
        h, u = (x - centre) * s, g * w
        y = h * w + (b if name == "layer_norm" else 0)
        gx = s * (u - (u.mean(1, keepdims=True) if name == "layer_norm" else 0) - h * (u * h).mean(1, keepdims=True))
        found = grad(out, tensors[: 1 + len(parameters)], m.from_numpy(g.astype(np.float32)))
        np.testing.assert_allclose(out.array, y, atol=1e-5)
        for one, slope in zip(found, (gx, (g * h).sum(0), g.sum(0)), strict=False):
            np.testing.assert_allclose(one.array, slope, atol=2e-6 * max(1, np.abs(slope).max() * 5))


@pytest.mark.parametrize("tail", [1, 2, 3])
def test_layer_norm_reads_images_as_they_lie(tail: int) -> None:
    """Channels-last images give what channels-first ones give, for x, weight and bias; the result lies as they do."""
    x, g = RNG.standard_normal((2, 3, 4, 5, 6))[:, :, 0], RNG.standard_normal((2, 3, 5, 6))
    w, b = RNG.standard_normal((2, *x.shape[-tail:]))
    found = []
    for last in (False, True):
        operands = [lying(x, last), m.from_numpy(w.copy()).requires_grad_(), m.from_numpy(b.copy()).requires_grad_()]
        y = F.layer_norm(operands[0], w.shape, *operands[1:])
        found.append([y, *grad(y, operands, m.from_numpy(g))])
    for first, last in zip(*found, strict=True):
        np.testing.assert_allclose(last.detach().numpy(), first.detach().numpy(), rtol=1e-13, atol=1e-13)
    assert found[1][0].array.strides == operands[0].array.strides or tail < 3


def test_statistics_survive_a_large_mean() -> None:
    """Deviation 1 round a mean of 1e4, in float32: three digits are left of x, and the variance has them."""
    x = (RNG.standard_normal((4, 4000)) + 1e4).astype(np.float32)
    exact = x.astype(np.float64)
    y = (exact - exact.mean(1, keepdims=True)) / exact.std(1, keepdims=True)
    np.testing.assert_allclose(F.layer_norm(m.from_numpy(x), (4000,)).array, y, atol=2e-3)


@pytest.mark.parametrize("size,last", list(itertools.product((1, 2, 3, 5, 9), (False, True))))
def test_local_response_by_hand(size: int, last: bool) -> None:
    """Each channel, one at a time."""
    x = RNG.standard_normal((2, 5, 3, 2))
    y = np.empty_like(x)
    for c in range(5):
        near = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        y[:, c] = x[:, c] / (2 + 0.3 / size * (near**2).sum(1)) ** 0.6
    np.testing.assert_allclose(F.local_response_norm(lying(x, last), size, 0.3, 0.6, 2).array, y, rtol=1e-12)


def test_instance_norm_follows_the_images() -> None:
    """Running statistics are means over images, the variance unbiased; evaluation uses them; other channels warn."""
    layer = nn.InstanceNorm1d(2, momentum=0.5, track_running_stats=True)
    x = RNG.standard_normal((3, 2, 6)).astype(np.float32)
    layer(m.from_numpy(x))
    np.testing.assert_allclose(layer.running_mean.array, x.mean(2).mean(0) / 2, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.array, 0.5 + x.var(2, ddof=1).mean(0) / 2, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 0  # as PyTorch leaves it
    layer.eval()
    mean, var = (v.array[:, None] for v in (layer.running_mean, layer.running_var))
    np.testing.assert_allclose(layer(m.from_numpy(x)).array, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-6)
    with pytest.warns(UserWarning, match="does not match num_features"):
        assert nn.InstanceNorm2d(3)(m.ones(2, 4, 5, 5)).shape == (2, 4, 5, 5)


def test_nothing_is_silent() -> None:
    """Infinities and NaN are answers, no warnings; an empty batch has an empty result."""
    x = m.ones(2, 4, 3, requires_grad=True)
    with warnings.catch_warnings(), m.no_grad():
        warnings.simplefilter("error")
        x.array[0, 0, 0], x.array[1, 1, 1] = np.inf, np.nan
    for out in (F.group_norm(x, 2), F.layer_norm(x, (3,)), F.rms_norm(x, (3,)), F.instance_norm(x)):
        grad(out.sum(), x)
        assert np.isnan(out.array).any()
    for out in (
        F.group_norm(x[:0], 2),
        F.layer_norm(x[:0], (3,)),
        F.rms_norm(x[:0], (3,)),
        F.local_response_norm(x[:0], 2),
    ):
        assert out.shape == (0, 4, 3)
