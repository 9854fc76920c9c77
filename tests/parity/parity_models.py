"""The models beside torchvision's: names, shapes, first weights, results in evaluation, losses and gradients in training.

`pytest tests/parity/parity_models.py -s`; skipped where torchvision is not installed.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torchvision.models")

import minitorch  # noqa: E402
from minitorch import nn  # noqa: E402
from minitorch.vision import models  # noqa: E402

NAMES = [name for name in models.list_models() if hasattr(theirs, name)]
TWINS = ("vgg11", "vgg13", "vgg16", "vgg19")  # seconds each; as their forms with batch norm but for these
RUN = (
    *("alexnet", "densenet121", "efficientnet_b0", "googlenet", "mobilenet_v2", "mobilenet_v3_large"),
    *("mobilenet_v3_small", "resnet18", "resnet50", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0"),
    *("squeezenet1_1", "vgg11_bn"),
)
EVALUATED = (*RUN, "resnet34", "resnext50_32x4d", "wide_resnet50_2", "densenet161", "vgg11", "efficientnet_b1")
torch.set_num_threads(1)  # its threads spin where others want the cores, too
counts = {"names": 0, "cases": 0}


def pair(name: str, **settings: Any) -> tuple[Any, Any]:
    """Our model and torchvision's, both with the weights of the latter."""
    torch.manual_seed(0)
    extra = {"init_weights": True} if name == "googlenet" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = getattr(theirs, name)(**extra, **settings)
    mine = getattr(models, name)(**settings)
    return mine, other


def load(mine: Any, other: Any) -> None:
    """Copy the weights and buffers; running means and variances that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for key, buffer in other.named_buffers():
        if "running" in key:
            buffer.uniform_(0.5, 1.5, generator=generator)
    mine.load_state_dict({key: value.numpy() for key, value in other.state_dict().items()})


def images(count: int, size: int, dtype: Any) -> np.ndarray:
    """Random images."""
    return np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(dtype)


def still(model: Any) -> None:
    """No dropout: what is drawn differs."""
    for module in model.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TWINS])
def test_names_and_shapes(name: str) -> None:
    """The state_dicts have the same keys in the same order, and the same shapes."""
    mine, other = pair(name)
    found = [(key, tuple(value.shape)) for key, value in mine.state_dict().items()]
    assert found == [(key, tuple(value.shape)) for key, value in other.state_dict().items()]
    kinds = [type(module).__name__ for module in mine.modules()]
    assert kinds == [type(module).__name__ for module in other.modules()]
    counts["names"] += 1


@pytest.mark.parametrize("name", EVALUATED)
def test_evaluation(name: str) -> None:
    """Scores in float32 within 1e-4 of the largest."""
    mine, other = pair(name)
    load(mine, other)
    x = images(2, 64, np.float32)
    with torch.no_grad(), minitorch.no_grad():
        expected = other.eval()(torch.from_numpy(x)).numpy()
        found = mine.eval()(minitorch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())
    counts["cases"] += 1


@pytest.mark.parametrize("name", RUN)
def test_training(name: str) -> None:
    """Loss, gradients of all parameters and running statistics in float64."""
    settings = {} if name == "googlenet" else {"num_classes": 5}
    mine, other = pair(name, **settings)
    load(mine.double(), other.double())
    x, y = images(3, 64, np.float64), np.arange(3)
    losses = []
    for lib, model in ((torch, other), (minitorch, mine)):
        still(model.train())
        out = model(lib.from_numpy(x))
        outputs = out if isinstance(out, tuple) else (out,)
        loss = sum(lib.nn.functional.cross_entropy(part, lib.from_numpy(y)) for part in outputs)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    expected = {key: p.grad for key, p in other.named_parameters()}
    for key, p in mine.named_parameters():
        if expected[key] is None:
            assert p.grad is None, key
            continue
        g = expected[key].numpy()
        assert np.abs(p.grad.numpy() - g).max() <= 1e-7 * max(1e-3, np.abs(g).max()), key
    for (key, mine_), other_ in zip(mine.named_buffers(), other.buffers(), strict=True):
        np.testing.assert_allclose(mine_.numpy(), other_.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)
    counts["cases"] += 1


@pytest.mark.parametrize("name", RUN)
def test_first_weights(name: str) -> None:
    """Each parameter's mean, deviation and mean absolute value, which tells normal from uniform, up to chance."""
    mine, other = pair(name)
    expected = dict(other.named_parameters())
    for key, p in mine.named_parameters():
        a, b = p.detach().numpy().astype(np.float64), expected[key].detach().numpy().astype(np.float64)
        if b.std() == 0:
            np.testing.assert_array_equal(a, b, err_msg=key)
            continue
        error = 6 * np.sqrt(2 / a.size)
        assert abs(a.mean() - b.mean()) <= error * b.std(), key
        assert abs(a.std() / b.std() - 1) <= error, key
        assert abs(np.abs(a).mean() / np.abs(b).mean() - 1) <= error, key
    counts["cases"] += 1


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("resnet50", {"replace_stride_with_dilation": [False, True, True], "zero_init_residual": True}),
    ("resnet18", {"norm_layer": "group"}),
    ("mobilenet_v2", {"width_mult": 0.5, "round_nearest": 4}),
    ("mobilenet_v3_large", {"reduced_tail": True, "dilated": True, "width_mult": 0.75}),
    ("mobilenet_v3_small", {"reduced_tail": True, "dilated": True}),
    ("densenet121", {"memory_efficient": True, "block_config": (2, 2)}),
    ("googlenet", {"aux_logits": False, "transform_input": True}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_settings(name: str, settings: dict[str, Any]) -> None:
    """The constructors' other arguments."""
    if name == "densenet121":
        mine, other = models.DenseNet(**settings), theirs.DenseNet(**settings)
    elif settings.get("norm_layer"):
        mine = models.resnet18(norm_layer=lambda width: nn.GroupNorm(4, width))
        other = theirs.resnet18(norm_layer=lambda width: torch.nn.GroupNorm(4, width))
    else:
        mine, other = pair(name, **settings)
    load(mine, other)
    x = images(2, 64, np.float32)
    a, b = mine.eval()(minitorch.from_numpy(x)), other.eval()(torch.from_numpy(x))
    assert np.abs(a.detach().numpy() - b.detach().numpy()).max() <= 1e-4 * max(1, b.abs().max().item())
    counts["cases"] += 1


CALLS = [
    "{}.get_model('resnet19')",
    "{}.resnet18(replace_stride_with_dilation=[True])",
    "{}.resnet.BasicBlock(8, 8, groups=2)",
    "{}.resnet18(replace_stride_with_dilation=[True] * 3)",
    "{}.ShuffleNetV2([1, 2], [1] * 5)",
    "{}.ShuffleNetV2([1, 2, 3], [1] * 4)",
    "{}.shufflenetv2.InvertedResidual(4, 6, 1)",
    "{}.shufflenetv2.InvertedResidual(4, 4, 4)",
    "{}.SqueezeNet('2_0')",
    "{}.MobileNetV2(inverted_residual_setting=[])",
    "{}.mobilenetv2.InvertedResidual(4, 4, 3, 1)",
    "{}.MobileNetV3([], 8)",
    "{}.MobileNetV3([1], 8)",
    "{}.EfficientNet([], 0.1)",
    "{}.EfficientNet([1], 0.1)",
    "{}.GoogLeNet(init_weights=True, blocks=[1])",
]


@pytest.mark.parametrize("call", CALLS)
def test_wrong_calls(call: str) -> None:
    """The classes of errors."""
    raised = []
    for place in (models, theirs):
        with pytest.raises(Exception) as error:  # noqa: PT011 any class, which is compared
            eval(call.format("place"), {"place": place})
        raised.append(error.type)
    assert raised[0] is raised[1]
    counts["cases"] += 1


def test_zz_count() -> None:
    """Says how much was compared."""
    print(f"\nmodels: names {counts['names']}, cases {counts['cases']}, failures: see above")
