"""The blocks that models share, and what is taken from inside of a model."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.vision import models, ops
from minitorch.vision.models.feature_extraction import (
    IntermediateLayerGetter,
    create_feature_extractor,
    get_graph_node_names,
)
from minitorch.vision.ops.blocks import _make_divisible

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("settings", "kinds", "padding", "bias"),
    [
        ({}, ["Conv2d", "BatchNorm2d", "ReLU"], (1, 1), False),
        ({"kernel_size": 5, "dilation": 2}, ["Conv2d", "BatchNorm2d", "ReLU"], (4, 4), False),
        ({"kernel_size": (1, 5)}, ["Conv2d", "BatchNorm2d", "ReLU"], (0, 2), False),
        ({"norm_layer": None}, ["Conv2d", "ReLU"], (1, 1), True),
        ({"activation_layer": None, "bias": True, "padding": 0}, ["Conv2d", "BatchNorm2d"], (0, 0), True),
        ({"activation_layer": nn.SiLU, "inplace": None}, ["Conv2d", "BatchNorm2d", "SiLU"], (1, 1), False),
        ({"norm_layer": partial(nn.GroupNorm, 2)}, ["Conv2d", "GroupNorm", "ReLU"], (1, 1), False),
    ],
)
def test_conv_norm_activation(settings: dict[str, Any], kinds: list[str], padding: tuple, bias: bool) -> None:
    """Which layers there are, the padding that keeps the size, the bias where no norm follows."""
    block = ops.Conv2dNormActivation(3, 4, **settings)
    assert [type(layer).__name__ for layer in block] == kinds
    assert block.out_channels == 4
    assert (block[0].padding, block[0].bias is not None) == (padding, bias)


def test_squeeze_excitation() -> None:
    """The formula, written out in NumPy."""
    x = RNG.standard_normal((2, 4, 5, 3)).astype(np.float32)
    block = ops.SqueezeExcitation(4, 2)
    w1, b1, w2, b2 = (p.detach().numpy() for p in block.parameters())
    hidden = np.maximum(0, x.mean((2, 3)) @ w1[:, :, 0, 0].T + b1)
    factors = 1 / (1 + np.exp(-(hidden @ w2[:, :, 0, 0].T + b2)))
    found = block(minitorch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, x * factors[:, :, None, None], rtol=1e-5, atol=1e-6)


def test_stochastic_depth() -> None:
    """Whole samples, or the whole batch, are zeros or divided by what is left; in training alone."""
    x = minitorch.ones(2000, 2, 3)
    rows = ops.stochastic_depth(x, 0.25, "row").numpy()
    assert set(np.unique(rows)) == {0, np.float32(1 / 0.75)}
    assert (rows == rows[:, :1, :1]).all()
    assert abs((rows[:, 0, 0] > 0).mean() - 0.75) < 0.06
    batches = [ops.stochastic_depth(x[:2], 0.5, "batch").numpy() for _ in range(40)]
    assert all((b == b[0, 0, 0]).all() for b in batches)
    assert {float(b[0, 0, 0]) for b in batches} == {0.0, 2.0}
    assert not ops.stochastic_depth(x, 1.0, "row").any()
    layer = ops.StochasticDepth(0.5, "row")
    assert layer.eval()(x) is x
    assert repr(layer) == "StochasticDepth(p=0.5, mode=row)"
    for p, mode, text in ((1.5, "row", "between 0 and 1"), (0.5, "column", "'batch' or 'row'")):
        with pytest.raises(ValueError, match=text):
            ops.stochastic_depth(x, p, mode)


@pytest.mark.parametrize(
    ("v", "divisor", "least", "expected"),
    [(32, 8, None, 32), (33.6, 8, None, 32), (36, 8, None, 40), (3, 8, None, 8), (10.9, 8, None, 16), (6, 4, 16, 16)],
)
def test_make_divisible(v: float, divisor: int, least: int | None, expected: int) -> None:
    """The nearest multiple, but no less than nine tenths, nor than the least."""
    assert _make_divisible(v, divisor, least) == expected


def net() -> nn.Sequential:
    """Two stages and a head."""
    return nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), nn.ReLU(), nn.Linear(3, 2))


def test_feature_extractor() -> None:
    """What the modules returned, under the names asked for; parameters and hooks stay the model's own."""
    model, x = net(), minitorch.randn(5, 4)
    features = create_feature_extractor(model, {"0.0": "first", "2": "last"})
    found = features(x)
    assert list(found) == ["first", "last"]
    np.testing.assert_array_equal(found["first"].detach().numpy(), model[0][0](x).detach().numpy())
    np.testing.assert_array_equal(found["last"].detach().numpy(), model(x).detach().numpy())
    found["last"].sum().backward()
    assert model[0][0].weight.grad is not None
    assert not any(module._forward_hooks for module in model.modules())
    assert list(create_feature_extractor(model, ["0"])(x)) == ["0"]
    assert get_graph_node_names(model)[0] == ["0", "0.0", "0.1", "1", "2"]
    with pytest.raises(ValueError, match="node: '3' is not present"):
        create_feature_extractor(model, ["3"])
    with pytest.raises(RuntimeError, match="did not call 0.0"):
        model[0].forward = lambda x: x[:, :3]  # type: ignore[method-assign]
        create_feature_extractor(model, ["0.0"])(x)
    assert not any(module._forward_hooks for module in model.modules())


def test_feature_extractor_of_a_resnet() -> None:
    """Shapes of the stages."""
    body = create_feature_extractor(models.resnet18(), {f"layer{i}": str(i) for i in range(1, 5)})
    with minitorch.no_grad():
        shapes = [tuple(x.shape) for x in body.eval()(minitorch.zeros(1, 3, 64, 64)).values()]
    assert shapes == [(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]


def test_intermediate_layers() -> None:
    """Children up to the last one wanted."""
    model, x = net(), minitorch.randn(5, 4)
    getter = IntermediateLayerGetter(model, {"0": "a", "1": "b"})
    assert list(getter) == ["0", "1"]
    found = getter(x)
    assert {name: tuple(value.shape) for name, value in found.items()} == {"a": (5, 3), "b": (5, 3)}
    with pytest.raises(ValueError, match="not present"):
        IntermediateLayerGetter(model, {"9": "a"})
