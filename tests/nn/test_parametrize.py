"""Weights that are computed: parametrizations, the older norms of weights, fused norms, and what they leave behind."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.nn.utils import parametrizations, parametrize

RNG = np.random.default_rng(2)


class Doubled(nn.Module):
    """Twice the original."""

    def forward(self, x):
        """2 x."""
        return x * 2

    def right_inverse(self, x):
        """x / 2."""
        return x / 2


class Squared(nn.Module):
    """The square, from which nothing leads back."""

    def forward(self, x):
        """x^2."""
        return x * x


class Wider(nn.Module):
    """Another shape."""

    def forward(self, x):
        """x twice."""
        return m.cat([x, x])


def test_a_computed_weight():
    """It is computed when asked for, trains its original, is saved by that, and may be assigned to."""
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    assert parametrize.register_parametrization(layer, "weight", Doubled()) is layer
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(nn.Linear(1, 1))
    assert isinstance(layer, nn.Linear) and type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert m.equal(layer.weight, before) and layer.weight is not layer.weight
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(m.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad.tolist() == [[2.0] * 3] * 2
    layer.weight = m.ones(2, 3)
    assert layer.parametrizations.weight.original.tolist() == [[0.5] * 3] * 2
    with pytest.raises(AttributeError):
        _ = layer.other


def test_in_a_row():
    """A second one takes the first one's result; assigning goes back through both, where that is possible."""
    layer = nn.Linear(2, 2)
    layer.weight.data.fill_(3.0)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Squared())
    assert layer.weight.tolist() == [[9.0] * 2] * 2 and len(layer.parametrizations.weight) == 2
    with pytest.raises(RuntimeError, match="Squared does not implement right_inverse"):
        layer.weight = m.ones(2, 2)
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight.tolist() == [[9.0] * 2] * 2 and type(layer) is nn.Linear
    assert isinstance(layer.weight, nn.Parameter) and [n for n, _ in layer.named_parameters()] == ["bias", "weight"]


def test_removing_keeps_the_parameter():
    """The optimizer's tensor stays the same object; without leave_parametrized it has the original's values."""
    layer = nn.Linear(2, 2)
    weight = layer.weight
    layer.weight.data.fill_(3.0)
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert layer.parametrizations.weight.original is weight
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is weight and weight.tolist() == [[1.5] * 2] * 2
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")


def test_copies_are_of_their_own():
    """A deep copy keeps its computed weight when the first one gives its up; a buffer stays one; pickling is refused."""
    layer = parametrize.register_parametrization(nn.BatchNorm1d(3), "running_mean", Doubled())
    again = copy.deepcopy(layer)
    parametrize.remove_parametrizations(layer, "running_mean")
    assert "running_mean" in layer._buffers and parametrize.is_parametrized(again, "running_mean")
    again.parametrizations.running_mean.original.fill_(2.0)
    assert again.running_mean.tolist() == [4.0] * 3 and layer.running_mean.tolist() == [0.0] * 3
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(again)


def test_cached():
    """Within the block a weight is computed once."""
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Doubled())
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first


def test_refusals_change_nothing():
    """Another shape, a name that is not there."""
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(layer, "weight", Wider())
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(layer, "weights", Doubled())
    assert type(layer) is nn.Linear and m.equal(layer.weight, before)
    parametrize.register_parametrization(layer, "weight", Wider(), unsafe=True)
    assert layer.weight.shape == (4, 2)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("dim", [0, 1, None, -1])
def test_weight_norm(old, dim):
    """The weight stays what it was; lengths and directions train; doubling a length doubles its slice."""
    layer, before = nn.Linear(3, 4).double(), None
    before = layer.weight.detach().clone()
    if old:
        with pytest.warns(FutureWarning, match="weight_norm"):
            nn.utils.weight_norm(layer, dim=dim)
        length, names = layer.weight_g, ["bias", "weight_g", "weight_v"]
    else:
        parametrizations.weight_norm(layer, dim=dim)
        length = layer.parametrizations.weight.original0
        names = ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert [n for n, _ in layer.named_parameters()] == names
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-12)
    shape = {0: (4, 1), 1: (1, 3)}.get(dim, ())
    assert length.shape == shape
    layer(m.ones(2, 3).double()).sum().backward()
    assert length.grad.shape == shape
    length.data.mul_(2.0)
    layer(m.ones(2, 3).double())
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-12)
    if old:
        with pytest.raises(RuntimeError, match="Cannot register two"), pytest.warns(FutureWarning):
            nn.utils.weight_norm(layer)
        nn.utils.remove_weight_norm(layer)
        with pytest.raises(ValueError, match="not found"):
            nn.utils.remove_weight_norm(layer)
    else:
        with pytest.raises(ValueError, match="sequence of tensors"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        parametrize.remove_parametrizations(layer, "weight")
    assert sorted(layer._parameters) == ["bias", "weight"] and not layer._is_hooked()
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-12)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "layer,axis", [(nn.Linear(6, 4), 0), (nn.Conv1d(3, 4, 2), 0), (nn.ConvTranspose1d(3, 4, 2), 1)]
)
def test_spectral_norm(old, layer, axis):
    """After some steps the largest singular value is 1; in evaluation nothing moves."""
    layer = copy.deepcopy(layer).double()
    weight = np.moveaxis(layer.weight.detach().numpy(), axis, 0).copy()
    sigma = np.linalg.norm(weight.reshape(len(weight), -1), 2)
    (nn.utils if old else parametrizations).spectral_norm(layer)
    assert len(list(layer.buffers())) == 2
    x = m.ones(2, 3, 5).double() if layer.weight.ndim == 3 else m.ones(2, 6).double()
    for _ in range(200):
        out = layer(x)
    np.testing.assert_allclose(np.moveaxis(layer.weight.detach().numpy(), axis, 0), weight / sigma, rtol=1e-6)
    layer.eval()
    state = {k: v.clone() for k, v in layer.state_dict().items()}
    layer(x)
    assert all(m.equal(v, state[k]) for k, v in layer.state_dict().items())
    (out * out).sum().backward()
    (nn.utils.remove_spectral_norm if old else lambda x: parametrize.remove_parametrizations(x, "weight"))(layer)
    np.testing.assert_allclose(np.moveaxis(layer.weight.detach().numpy(), axis, 0), weight / sigma, rtol=1e-6)
    assert not list(layer.buffers()) and type(layer).__name__[0] != "P"


def test_two_forwards_one_backward():
    """The singular vectors move between them, as GANs have it; each forward keeps its own."""
    layer = parametrizations.spectral_norm(nn.Linear(3, 2))
    (layer(m.ones(1, 3)) - layer(m.zeros(1, 3))).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 3, 3)])
def test_orthogonal(orthogonal_map, trivial, shape):
    """Rows or columns are orthonormal, also after a step; gradients are right; a value may be assigned where there is a way."""
    layer = nn.Module()
    layer.weight = nn.Parameter(m.tensor(RNG.standard_normal(shape)))
    parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map, use_trivialization=trivial)
    original = layer.parametrizations.weight.original
    for _ in range(2):
        q = layer.weight.detach().numpy()
        q = q if shape[-2] >= shape[-1] else q.swapaxes(-2, -1)
        np.testing.assert_allclose(
            q.swapaxes(-2, -1) @ q,
            np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])),
            atol=1e-10,
        )
        (layer.weight * m.tensor(RNG.standard_normal(shape))).sum().backward()
        diagonal = np.eye(*shape[-2:])
        original.data = original.data - 0.1 * original.grad * m.tensor(1 - diagonal)
        original.grad = None
    rule = layer.parametrizations.weight[0]
    signs, others = original.detach() * m.tensor(diagonal), m.tensor(1 - diagonal)  # only signs count on the diagonal
    assert m.autograd.gradcheck(lambda x: rule(signs + x * others), [original], eps=1e-6, atol=1e-6)
    if trivial or orthogonal_map == "householder":
        q = np.linalg.qr(RNG.standard_normal((*shape[:-2], max(shape[-2:]), min(shape[-2:]))))[0]
        q = q if shape[-2] >= shape[-1] else q.swapaxes(-2, -1)
        layer.weight = m.tensor(q.copy())
        np.testing.assert_allclose(layer.weight.detach().numpy(), q, atol=1e-12)
    elif orthogonal_map is not None:
        with pytest.raises(NotImplementedError):
            layer.weight = m.tensor(np.broadcast_to(np.eye(*shape[-2:]), shape).copy())


def test_second_derivatives_of_the_maps():
    """To second order, also Cayley's, whose inverse is Newton's."""
    for orthogonal_map in ("matrix_exp", "cayley", "householder"):
        layer = parametrizations.orthogonal(
            nn.Linear(3, 3).double(), orthogonal_map=orthogonal_map, use_trivialization=False
        )
        start = np.tril(RNG.standard_normal((3, 3)), -1) + (np.eye(3) if orthogonal_map == "householder" else 0)
        x = m.tensor(start, requires_grad=True)
        rule = layer.parametrizations.weight[0]
        assert m.autograd.gradgradcheck(lambda x, rule=rule: rule((x * 1.0).tril(-1) + m.tensor(np.eye(3))), [x])


def test_orthogonal_refusals():
    """Vectors, unknown maps, names that are not there."""
    with pytest.raises(ValueError, match="matrix or batch"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="orthogonal_map has to be"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.orthogonal(nn.Linear(2, 2), "weights")
    with pytest.raises(ValueError, match="positive"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match="out of range"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(IndexError, match="out of range"):
        parametrizations.weight_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(KeyError, match="no parameter 'weights'"):
        nn.utils.spectral_norm(nn.Linear(2, 2), "weights")


def random_norm(cls, n):
    """A batch norm with statistics and parameters, in evaluation."""
    norm = cls(n).double().eval()
    for tensor in (norm.running_mean, norm.weight, norm.bias):
        tensor.data = m.tensor(RNG.standard_normal(n))
    norm.running_var.data = m.tensor(RNG.uniform(0.5, 2, n))
    return norm


@pytest.mark.parametrize("bias", [False, True])
def test_fused_norms(bias):
    """The fused layer does what both do; the first one is as it was."""
    x = m.tensor(RNG.standard_normal((2, 3, 5, 5)))
    for cls, transpose in ((nn.Conv2d, False), (nn.ConvTranspose2d, True)):
        conv, norm = cls(3, 4, 3, bias=bias).double().eval(), random_norm(nn.BatchNorm2d, 4)
        before = conv.weight.detach().clone()
        fused = nn.utils.fuse_conv_bn_eval(conv, norm, transpose)
        np.testing.assert_allclose(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), rtol=1e-10, atol=1e-12)
        assert m.equal(conv.weight, before) and isinstance(fused.bias, nn.Parameter)
    linear, norm = nn.Linear(5, 4, bias=bias).double().eval(), random_norm(nn.BatchNorm1d, 4)
    fused = nn.utils.fuse_linear_bn_eval(linear, norm)
    rows = x.reshape(-1, 5)
    np.testing.assert_allclose(
        fused(rows).detach().numpy(), norm(linear(rows)).detach().numpy(), rtol=1e-10, atol=1e-12
    )
    with pytest.raises(AssertionError, match="eval"):
        nn.utils.fuse_linear_bn_eval(linear.train(), norm)
    with pytest.raises(AssertionError, match="num_features"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(5, 3).eval(), norm)
    with pytest.raises(AssertionError, match="running_mean"):
        nn.utils.fuse_linear_bn_eval(linear.eval(), nn.BatchNorm1d(4, track_running_stats=False).eval())


def test_norms_of_gradients():
    """get_total_norm and clip_grads_with_norm_ are the two halves of clip_grad_norm_, whose old name warns."""
    parameters = [m.ones(3, requires_grad=True), m.ones(2, 2, requires_grad=True)]
    for p in parameters:
        p.grad = m.full(p.shape, 2.0)
    assert nn.utils.get_total_norm([p.grad for p in parameters]).item() == pytest.approx(28**0.5)
    assert (
        nn.utils.get_total_norm(parameters[0].grad, float("inf")).item() == 2
        and nn.utils.get_total_norm([]).item() == 0
    )
    nn.utils.clip_grads_with_norm_(parameters, 1.0, m.tensor(4.0))
    assert parameters[0].grad[0].item() == pytest.approx(0.5)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        assert nn.utils.clip_grad_norm(parameters, 100.0).item() == pytest.approx(7**0.5 / 2)
    with pytest.raises(RuntimeError, match="floating point"):
        nn.utils.get_total_norm([m.tensor(1)])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.get_total_norm([m.tensor(float("nan"))], error_if_nonfinite=True)


def test_skip_init():
    """A layer of that kind, and the next random number is the same."""
    m.manual_seed(3)
    expected = m.rand(1)
    m.manual_seed(3)
    layer = nn.utils.skip_init(nn.Linear, 3, out_features=2)
    assert layer.weight.shape == (2, 3) and m.equal(m.rand(1), expected)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        nn.utils.skip_init(int)
    with pytest.raises(RuntimeError, match="device"):
        nn.utils.skip_init(nn.Dropout)


@pytest.mark.parametrize(
    "name",
    [
        "constant",
        "dirac",
        "eye",
        "kaiming_normal",
        "kaiming_uniform",
        "normal",
        "orthogonal",
        "uniform",
        "xavier_normal",
        "xavier_uniform",
    ],
)
def test_old_names_of_init(name):
    """They warn, and do the same."""
    args = (0.5,) if name == "constant" else ()
    x = m.zeros(3, 2, 3) if name == "dirac" else m.zeros(3, 2)
    m.manual_seed(1)
    with pytest.warns(FutureWarning, match=f"nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
        assert getattr(nn.init, name)(x, *args) is x
    m.manual_seed(1)
    assert m.equal(x, getattr(nn.init, f"{name}_")(m.zeros_like(x), *args))
