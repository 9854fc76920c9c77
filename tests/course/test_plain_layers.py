"""Plain mode: a layer calls the ops that its chapter derives, one by one, with the results of the shortcut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.autograd import grad, plain
from minitorch.utils.data import DataLoader
from minitorch.vision import transforms
from minitorch.vision.datasets import Shapes


@pytest.fixture
def switched() -> Iterator[None]:
    """Whatever the test does to plain mode is undone."""
    before = plain.enabled
    yield
    plain.enabled = before


@pytest.mark.parametrize("layer", [nn.Conv1d(4, 6, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, groups=2)], ids=str)
def test_a_convolution_adds_its_bias_afterwards(switched: None, layer: nn.Module) -> None:
    """conv, then add_bias: the numbers and gradients of the one op that ordinary mode has for both."""
    layer = layer.double()
    shape = (2, 4, *(7, 6)[: layer.weight.ndim - 2])
    x = minitorch.tensor(np.random.default_rng(0).standard_normal(shape), requires_grad=True)
    results = []
    for plain.enabled, last in ((False, "conv_bias"), (True, "add_bias")):
        out = layer(x)
        assert out.grad_fn.name() == last
        results.append([out, *grad((out * out).sum(), (x, layer.weight, layer.bias))])
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(slow.detach().numpy(), fast.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 1)], ids=str)
def test_layers_of_images_agree(switched: None, layer: nn.Module) -> None:
    """Results, gradients and running statistics, in training; backward on tensors finds the taught formula."""
    layer, results = layer.double(), []
    for plain.enabled in (False, True):
        layer.apply(lambda module: getattr(module, "reset_running_stats", lambda: None)())
        x = minitorch.tensor(np.random.default_rng(1).standard_normal((4, 3, 6, 5)), requires_grad=True)
        out = layer(x)
        results.append([out, *grad((out**3).sum(), (x, *layer.parameters())), *(b.clone() for b in layer.buffers())])
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(slow.detach().numpy(), fast.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_a_loader_joins_samples_one_by_one(switched: None) -> None:
    """In plain mode no whole batches come from the data set: the same bytes come from collate."""
    changes = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    shapes = Shapes(train=False, transform=transforms.Compose(changes))
    batches: list[list] = []
    for plain.enabled in (False, True):
        loader = DataLoader(shapes, batch_size=16, shuffle=True, generator=minitorch.Generator().manual_seed(3))
        images, labels = next(iter(loader))
        batches.append([images.numpy(), labels.numpy()])
    for fast, slow in zip(*batches, strict=True):
        np.testing.assert_array_equal(slow, fast)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minitorch.utils.data.collate._stack_arrays", len)
        assert next(iter(loader))[0] == 16
