"""Activations with a second operand or with chance, alpha dropout, buffers, norms and wrappers that came with them."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import minitorch as m
from minitorch import nn

F = nn.functional
RNG = np.random.default_rng(9)
X = RNG.standard_normal((3, 4, 6))


@pytest.mark.parametrize(
    "call,kind",
    [
        (lambda: F.glu(m.ones(2, 3, dtype=m.int64)), RuntimeError),
        (lambda: F.rrelu(m.ones(3), -math.inf, 0.3, training=True), RuntimeError),
        (lambda: F.gumbel_softmax(m.ones(2, 3, dtype=m.int64)), RuntimeError),
        (lambda: F.gumbel_softmax(m.ones(2, 3), dim=2), IndexError),
        (lambda: F.alpha_dropout(m.ones(3, dtype=m.int64), 0.5, True), RuntimeError),
        (lambda: F.feature_alpha_dropout(m.ones(3), 0.5, True), RuntimeError),
        (lambda: F.prelu(m.ones(2, 3), m.ones(0)), RuntimeError),
    ],
    ids=range(7),
)
def test_wrong_calls(call, kind):
    """PyTorch's classes."""
    with pytest.raises(kind):
        call()


def test_glu():
    """The first half times the sigmoid of the second, along any axis."""
    for dim in (1, -1):
        a, b = np.split(X, 2, dim)
        np.testing.assert_allclose(F.glu(m.tensor(X), dim).numpy(), a / (1 + np.exp(-b)), rtol=1e-12)
    assert repr(nn.GLU()) == "GLU(dim=-1)" and nn.GLU(1)(m.tensor(X)).shape == (3, 2, 6)


def test_prelu():
    """One slope for all, or one for each channel, and for vectors."""
    for w, shape in (([0.5], ()), ([0.1, 0.2, 0.3, 0.4], (4, 1))):
        expected = np.where(X > 0, X, X * np.array(w).reshape(shape))
        np.testing.assert_allclose(F.prelu(m.tensor(X), m.tensor(np.array(w))).numpy(), expected)
        assert m.equal(m.tensor(X).prelu(m.tensor(np.array(w))), F.prelu(m.tensor(X), m.tensor(np.array(w))))
    layer = nn.PReLU(4, init=0.1)
    layer(m.tensor(X).float()).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.minimum(X, 0).sum((0, 2)), rtol=1e-4)
    assert repr(layer) == "PReLU(num_parameters=4)" and list(layer.state_dict()) == ["weight"]


def test_rrelu():
    """In training slopes between the bounds, each element its own; in evaluation their mean; in place on request."""
    x = m.tensor(-np.ones(10_000), requires_grad=True)
    out = F.rrelu(x, 0.2, 0.6, training=True)
    slopes = -out.detach().numpy()
    assert 0.2 <= slopes.min() < 0.21 and 0.59 < slopes.max() < 0.6 and abs(slopes.mean() - 0.4) < 0.01
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slopes)
    np.testing.assert_allclose(nn.RReLU(0.2, 0.6).eval()(x).detach().numpy(), -0.4)
    y = m.tensor([-1.0, 2.0])
    assert F.rrelu_(y, 0.5, 0.5) is y and y.tolist() == [-0.5, 2.0]
    with pytest.raises(RuntimeError, match="less than or equal"):
        nn.RReLU(0.5, 0.1)(y)


def test_softmin_and_softmax_of_channels():
    """softmax(-x); and over the channels of images."""
    e = np.exp(-X)
    np.testing.assert_allclose(nn.Softmin(1)(m.tensor(X)).numpy(), e / e.sum(1, keepdims=True))
    np.testing.assert_allclose(nn.Softmax2d()(m.tensor(X)).numpy(), np.exp(X) / np.exp(X).sum(0))
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(m.ones(2, 3))


def test_gumbel_softmax():
    """Hard vectors are one-hot, with the gradient of the soft ones; their places are distributed as softmax."""
    logits = m.tensor(np.log([0.1, 0.2, 0.7]))
    m.manual_seed(0)
    hard = F.gumbel_softmax(logits.expand(20_000, 3), hard=True)
    assert set(np.unique(np.round(hard.numpy(), 12))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.numpy().mean(0), [0.1, 0.2, 0.7], atol=0.02)
    x = m.tensor(X, requires_grad=True)
    m.manual_seed(1)
    soft = F.gumbel_softmax(x, tau=0.5, dim=1)
    np.testing.assert_allclose(soft.sum(1).detach().numpy(), 1)
    (g,) = m.autograd.grad(soft, x, m.tensor(X))
    m.manual_seed(1)
    (again,) = m.autograd.grad(F.gumbel_softmax(x, tau=0.5, hard=True, dim=1), x, m.tensor(X))
    assert m.equal(g, again) and g.any()
    half = F.gumbel_softmax(m.zeros(50, 4, dtype=m.float16))
    assert half.dtype is m.float16 and np.abs(half.float().sum(1).numpy() - 1).max() < 2e-3 and half.std().item() > 0.1


@pytest.mark.parametrize("name", ["relu", "celu", "elu", "selu", "hardtanh", "leaky_relu"])
def test_names_with_an_underscore_work_in_place(name):
    """F.relu_ and its like return their input."""
    x = m.tensor([-1.5, 0.5])
    expected = getattr(F, name)(x)
    assert getattr(F, f"{name}_")(x) is x and m.equal(x, expected)
    assert F.threshold_(x, 0.0, 7.0) is x and x[0].item() == 7


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout(name):
    """Mean 0 and variance 1 stay; what is dropped is one number; whole channels in the second form."""
    m.manual_seed(2)
    shape = (400, 50, 10)
    x = m.randn(*shape)
    for p in (0.1, 0.5):
        out = getattr(F, name)(x, p, training=True).numpy()
        assert abs(out.mean()) < 0.05 and abs(out.var() - 1) < 0.1
        low = 1.0507009873554805 * 1.6732632423543772
        a = ((1 - p) * (1 + p * low**2)) ** -0.5
        dropped = np.isclose(out, a * (low * p - low), atol=1e-4)
        if name[0] == "f":
            dropped &= dropped.all(2, keepdims=True)
        assert abs(dropped.mean() - p) < 0.02
        np.testing.assert_allclose(out[~dropped], (a * x.numpy() + a * low * p)[~dropped], rtol=1e-3, atol=1e-4)
    assert getattr(F, name)(x) is x and getattr(F, name)(x, 0.0, True) is x
    assert not getattr(F, name)(x, 1.0, training=True).any()
    y = x.clone()
    assert getattr(F, name)(y, 0.5, True, inplace=True) is y and not m.equal(x, y)
    layer = getattr(nn, {"a": "AlphaDropout", "f": "FeatureAlphaDropout"}[name[0]])(0.3)
    assert layer.eval()(x) is x and repr(layer).endswith("(p=0.3, inplace=False)")
    with pytest.raises(ValueError, match="between 0 and 1"):
        getattr(F, name)(x, 1.5)
    leaf = m.ones(4, 5, requires_grad=True)
    out = getattr(F, name)(leaf, 0.5, training=True)
    out.sum().backward()
    assert len(np.unique(leaf.grad.numpy())) == 2


def test_buffer():
    """A tensor that becomes a buffer by assignment; persistent or not; it may take a parameter's place only by hand."""
    layer = nn.Linear(2, 2)
    layer.mean, layer.count = nn.Buffer(m.zeros(2)), nn.Buffer(m.ones(1), persistent=False)
    assert list(layer.state_dict()) == ["weight", "bias", "mean"]
    assert [n for n, _ in layer.named_buffers()] == ["mean", "count"]
    assert isinstance(layer.mean, nn.Buffer) and not layer.mean.requires_grad
    layer.mean = m.ones(2)
    assert layer._buffers["mean"].tolist() == [1, 1]
    assert list(copy.deepcopy(layer).state_dict()) == ["weight", "bias", "mean"]
    with pytest.raises(TypeError, match="as parameter 'weight'"):
        layer.weight = nn.Buffer(m.ones(2, 2))
    with pytest.raises(TypeError, match="must be a Tensor"):
        nn.Buffer([1.0])


def test_lazy_instance_norm():
    """The channels are those of the first input, with or without a batch; the class becomes the plain one."""
    for shape, channels in (((2, 3, 4, 4), 3), ((5, 4, 4), 5)):
        layer = nn.LazyInstanceNorm2d()
        assert repr(layer).startswith("LazyInstanceNorm2d(0, eps=1e-05, momentum=0.1, affine=True")
        layer(m.randn(*shape))
        assert type(layer) is nn.InstanceNorm2d and layer.num_features == channels
        assert layer.weight.shape == layer.running_mean.shape == (channels,)


def test_cross_map_lrn():
    """As Torch had it, with the first channel counted for all beyond its reach."""
    x = RNG.standard_normal((2, 6, 2, 2))
    for size in (1, 2, 3, 4, 5):
        reach = (size - 1) // 2 + 1
        total = np.zeros_like(x)
        for c in range(6):
            near = [j for j in range(6) if abs(c - j) < reach or (j == 0 and c >= reach)]
            total[:, c] = (x[:, near] ** 2).sum(1)
        expected = x / (1.5 + 0.3 / size * total) ** 0.6
        np.testing.assert_allclose(nn.CrossMapLRN2d(size, 0.3, 0.6, 1.5)(m.tensor(x)).numpy(), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="4D"):
        nn.CrossMapLRN2d(3)(m.ones(2, 3))


def test_sync_batch_norm_is_batch_norm():
    """There is one process; converting keeps the tensors."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4, affine=False)))
    weight, x = net[1].weight, m.randn(2, 3, 4, 4)
    expected = net(x)
    net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert type(net[1]) is type(net[2][0]) is nn.SyncBatchNorm and net[1].weight is weight
    assert net[1].num_batches_tracked.item() == 1
    np.testing.assert_allclose(net(x).detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_data_parallel():
    """It hands everything on, under names with a module."""
    layer = nn.Linear(3, 2)
    wrapped = nn.DataParallel(layer, device_ids=["cpu"])
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert m.equal(wrapped(m.ones(1, 3)), layer(m.ones(1, 3)))
    assert m.equal(nn.parallel.data_parallel(layer, m.ones(1, 3)), layer(m.ones(1, 3)))
    with pytest.raises(RuntimeError, match="CPU"):
        nn.DataParallel(layer, device_ids=["cuda:0"])
    with pytest.raises(ValueError, match="has not been initialized"):
        nn.parallel.DistributedDataParallel(layer)


def test_places_of_pytorch():
    """Layers are found where PyTorch's files have them."""
    import minitorch.nn.modules.batchnorm
    from minitorch.nn.modules.conv import Conv2d
    from minitorch.nn.modules.utils import _pair

    assert Conv2d is nn.Conv2d and minitorch.nn.modules.batchnorm.BatchNorm2d is nn.BatchNorm2d
    assert _pair(3) == (3, 3) and _pair([1, 2]) == (1, 2) and math.prod(nn.modules.utils._triple(2)) == 8
