"""Values at the edges: no weight, no samples, squares beyond the dtype. Expected numbers are written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minitorch as mt
from minitorch import nn
from minitorch.nn import functional as F

NAN, INF = math.nan, math.inf
X = [[0.1, -0.1, 0.6], [-0.5, 0.4, 1.3]]
NONE = [1.0, 2.0, 0.0]  # weights of classes: the third has none


def loss_and_grad(f):
    """f(x) of the rows X, and its gradient, recorded or not: both ways must agree."""
    found = []
    for create_graph in (False, True):
        x = mt.tensor(X, requires_grad=True)
        y = f(x)
        (g,) = mt.autograd.grad(y, x, create_graph=create_graph)
        found.append((y.item(), g.detach().numpy().copy()))
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-7)
    return found[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [[2, 2], [2, -100]])
def test_a_mean_without_weight_is_nan_and_so_is_its_slope(labels, smoothing):
    """Rows that count, of classes without weight: 0 / 0. Ignored rows have slope 0."""
    loss, g = loss_and_grad(
        lambda x: F.cross_entropy(x, mt.tensor(labels), weight=mt.tensor(NONE), label_smoothing=smoothing)
    )
    assert math.isnan(loss)
    assert np.isnan(g[0]).all()
    assert np.isnan(g[1]).all() if labels[1] == 2 else (g[1] == 0).all()


@pytest.mark.parametrize("weight", [None, NONE])
def test_a_mean_of_ignored_rows_is_nan_with_slope_0(weight):
    """As PyTorch has it, for cross_entropy and nll_loss."""
    w = None if weight is None else mt.tensor(weight)
    for f in (F.cross_entropy, F.nll_loss):
        loss, g = loss_and_grad(lambda x, f=f: f(x, mt.tensor([-100, -100]), weight=w))
        assert math.isnan(loss)
        assert (g == 0).all()


def test_nll_without_weight_is_nan_where_it_looks():
    """The slope is NaN at the labels of rows that count, 0 elsewhere."""
    loss, g = loss_and_grad(lambda x: F.nll_loss(x, mt.tensor([2, -100]), weight=mt.tensor(NONE)))
    assert math.isnan(loss)
    np.testing.assert_array_equal(g, [[0, 0, NAN], [0, 0, 0]])


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_sums_without_weight_are_0(reduction):
    """Only the mean divides."""
    loss, g = loss_and_grad(
        lambda x: F.cross_entropy(x, mt.tensor([2, 2]), weight=mt.tensor(NONE), reduction=reduction).sum()
    )
    assert loss == 0
    assert (g == 0).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d, (0, 3)),
        (nn.BatchNorm1d, (2, 3, 0)),
        (nn.BatchNorm2d, (0, 3, 4, 4)),
        (nn.BatchNorm2d, (2, 3, 0, 4)),
        (nn.BatchNorm3d, (0, 3, 1, 1, 1)),
        (lambda c: nn.InstanceNorm1d(c, track_running_stats=True, affine=True), (0, 3, 4)),
        (lambda c: nn.InstanceNorm2d(c, track_running_stats=True, affine=True), (2, 3, 0, 4)),
    ],
)
def test_a_batch_of_nothing_teaches_a_norm_nothing(layer, shape):
    """The running statistics stay, the parameters get zeros, and evaluation afterwards is finite."""
    norm = layer(3)
    y = norm(mt.zeros(*shape))
    y.sum().backward()
    assert y.shape == shape
    assert (norm.running_mean.tolist(), norm.running_var.tolist()) == ([0.0] * 3, [1.0] * 3)
    assert (norm.weight.grad.tolist(), norm.bias.grad.tolist()) == ([0.0] * 3, [0.0] * 3)
    one = mt.ones(1, 3, *(1 for _ in shape[2:]))
    np.testing.assert_allclose(norm.eval()(one).detach().numpy().ravel(), [1 / math.sqrt(1 + 1e-5)] * 3, rtol=1e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("size", [1, 10_000])
def test_adam_takes_a_step_of_lr_for_a_gradient_of_1e20(size, amsgrad):
    """Its square leaves float32, its weighted square does not; as kernel and in NumPy."""
    for count in (0, 1):  # a parameter that is not contiguous takes the NumPy formula
        p = nn.Parameter(mt.ones(2, size).t() if count else mt.ones(size, 2))
        optimizer = mt.optim.Adam([p], lr=0.1, amsgrad=amsgrad)
        for expected in (0.9, 0.8):
            p.grad = mt.full((size, 2), 1e20)
            optimizer.step()
            np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e20, 1e-30, 3.0])
@pytest.mark.parametrize("p", [2.0, 3.0, 1.0, INF])
def test_gradients_are_clipped_by_their_norm_though_powers_overflow(scale, p):
    """(3, 4) times a factor, in two parameters."""
    a, b = nn.Parameter(mt.zeros(1)), nn.Parameter(mt.zeros(1, 1))
    a.grad, b.grad = mt.full((1,), 3 * scale), mt.full((1, 1), 4 * scale)
    most = 1e-6 * min(scale, 1.0)
    norm = nn.utils.clip_grad_norm_([a, b], most, norm_type=p, error_if_nonfinite=True)
    expected = {2.0: 5, 3.0: 91 ** (1 / 3), 1.0: 7, INF: 4}[p] * scale
    np.testing.assert_allclose(norm.item(), expected, rtol=1e-6)
    factor = min(most / (expected + 1e-6), 1)
    np.testing.assert_allclose(float(a.grad.item()), np.float32(3 * scale * factor), rtol=1e-5, atol=1e-44)
    np.testing.assert_allclose(float(b.grad.item()), np.float32(4 * scale * factor), rtol=1e-5, atol=1e-44)


def test_clipping_keeps_infinity_and_nan():
    """Their norm is what they are, and error_if_nonfinite refuses it."""
    for bad in (INF, NAN):
        p = nn.Parameter(mt.zeros(2))
        p.grad = mt.tensor([bad, 1.0])
        with pytest.raises(RuntimeError, match="non-finite"):
            nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        np.testing.assert_equal(nn.utils.clip_grad_norm_([p], 1.0).item(), bad)
        assert math.isnan(p.grad[0].item())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3000])
def test_std_of_numbers_whose_squares_leave_the_dtype(dtype, rows):
    """A huge column, a tiny one, equal ones and ordinary ones side by side: value and both orders of slope."""
    huge, tiny = (2.0**100, 2.0**-100) if dtype == "float32" else (2.0**900, 2.0**-900)
    column = np.array([1.0, -1.0, 3.0, 1.0])
    values = np.stack([column * huge, column * tiny, np.ones(4) * huge, column], 1)[:, None].repeat(rows, 1)
    x = mt.tensor(values, dtype=getattr(mt, dtype), requires_grad=True)
    out = x.std(0)
    deviation = math.sqrt(8 / 3)
    np.testing.assert_allclose(out.detach().numpy()[0], [deviation * huge, deviation * tiny, 0, deviation], rtol=1e-5)
    slope = (column - 1) / (3 * deviation)
    for create_graph in (False, True):
        (g,) = mt.autograd.grad(out.sum(), x, retain_graph=True, create_graph=create_graph)
        np.testing.assert_allclose(
            g.detach().numpy()[:, 0], np.stack([slope, slope, slope * 0, slope], 1), rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(mt.std_mean(x, 0)[0].detach().numpy(), out.detach().numpy(), rtol=1e-6)


def test_std_of_infinity_and_nan_is_nan():
    """As in PyTorch; the other columns are as they are alone."""
    found = mt.tensor([[1.0, INF, NAN], [2.0, 1.0, 1.0]]).std(0).tolist()
    np.testing.assert_allclose(found, [math.sqrt(0.5), NAN, NAN], rtol=1e-6)


def test_the_angle_of_the_origin_has_slope_0():
    """atan2(0, 0), where the quotients are 0 / 0."""
    x, y = mt.zeros(1, requires_grad=True), mt.zeros(1, requires_grad=True)
    mt.atan2(x, y).backward()
    assert (x.grad.item(), y.grad.item()) == (0, 0)
