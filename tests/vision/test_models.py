"""The models: names and shapes as torchvision has them, values, first weights, wrong calls."""

from __future__ import annotations

import json
import math
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.vision import models
from minitorch.vision.models import registry

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_golden_models as golden  # noqa: E402

FACTS = json.loads(golden.GOLDEN.read_text())
CIFAR = {"resnet20": 269722, "resnet32": 464154, "resnet44": 658586, "resnet56": 853018, "resnet110": 1727962}
RNG = np.random.default_rng(0)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers keep what their memory holds: VGG's 130 million numbers take seconds to draw."""
    for name in vars(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **settings: tensor)


# ---------------------------------------------------------------------------------------------------- names and values
@pytest.mark.parametrize("name", models.list_models())
def test_names_shapes_and_numbers(name: str, undrawn: None) -> None:
    """The number of parameters, and names and shapes of the state_dict, are torchvision's; CIFAR's, the paper's."""
    model = models.get_model(name)
    if name in FACTS:
        found = golden.facts(model)
        assert found == {key: FACTS[name][key] for key in found}
    elif name != "airbench94":
        assert sum(p.numel() for p in model.parameters()) == CIFAR[name]
    del model


def test_all_are_there() -> None:
    """Every model of the file is listed, and the others are CIFAR's and airbench94."""
    assert set(models.list_models()) == {*FACTS, *CIFAR, "airbench94"}
    assert set(registry.FILES) == set(FACTS)


def test_the_page_lists_them() -> None:
    """docs/models.md has every model with its number of parameters; docs/make_models.py writes it."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    found = {name: int(count.replace(",", "")) for name, count in re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, re.M)}
    airbench = sum(p.numel() for p in models.airbench94().parameters())
    assert found == {name: facts["parameters"] for name, facts in FACTS.items()} | CIFAR | {"airbench94": airbench}


@pytest.mark.parametrize("path", golden.CALLED)
def test_values(path: str, undrawn: None) -> None:
    """With the same weights, scores, losses and gradients are torchvision's."""
    name, _, part = path.partition(".")
    model = models.get_model(name).get_submodule(part)
    model.load_state_dict(golden.weights(model))
    found = golden.called(minitorch, model, golden.CALLED[path], path in golden.TRAINED)
    expected = FACTS[name]
    largest = max(1.0, *map(abs, expected["scores"]))
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0, atol=1e-4 * largest)
    if path in golden.TRAINED:
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        assert found["gradient"] == pytest.approx(expected["gradient"], rel=1e-3)


def test_option_a() -> None:
    """The shortcut of CIFAR's nets takes every other pixel, and has as many new channels before as behind."""
    x = RNG.standard_normal((2, 4, 6, 6)).astype(np.float32)
    found = models.cifar.PadShortcut(4, 2)(minitorch.from_numpy(x)).numpy()
    expected = np.zeros((2, 8, 3, 3), np.float32)
    expected[:, 2:6] = x[:, :, ::2, ::2]
    np.testing.assert_array_equal(found, expected)


def test_option_b() -> None:
    """With 1x1 convolutions beside them, ResNet-20's blocks have 2,752 more parameters."""
    model = models.resnet20(shortcut="B", num_classes=10)
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert sum(p.numel() for p in model.parameters()) == CIFAR["resnet20"] + extra
    assert model(minitorch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert models.resnet20()(minitorch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_densenet_loads_the_older_names() -> None:
    """The published files say "norm.1" for "norm1"; and what a layer narrows may be computed twice."""
    settings: dict[str, Any] = {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8, "num_classes": 3}
    model, saver = models.DenseNet(**settings), models.DenseNet(**settings, memory_efficient=True)
    older = {}
    for key, value in model.state_dict().items():
        for kind in ("norm", "conv"):
            key = key.replace(f"{kind}1.", f"{kind}.1.") if "denselayer" in key else key
            key = key.replace(f"{kind}2.", f"{kind}.2.") if "denselayer" in key else key
        if "num_batches" not in key:
            older[key] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in older
    saver.load_state_dict(older)
    x, gradients = minitorch.randn(2, 3, 32, 32), []
    for net in (model, saver):
        net(x).square().sum().backward()
        gradients.append([p.grad.numpy() for p in net.parameters()])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- first weights
NORMAL, UNIFORM = math.sqrt(2 / math.pi), math.sqrt(3) / 2  # mean of |x| over the deviation
FIRST = [
    (lambda: models.resnet18(), "layer3.0.conv1.weight", math.sqrt(2 / (256 * 9)), NORMAL),
    (lambda: models.resnet18(), "fc.weight", 1 / math.sqrt(3 * 512), UNIFORM),
    (lambda: models.resnet20(), "layer3.0.conv1.weight", math.sqrt(2 / (64 * 9)), NORMAL),
    (lambda: models.mobilenet_v2(), "classifier.1.weight", 0.01, NORMAL),
    (lambda: models.mobilenet_v2(), "features.18.0.weight", math.sqrt(2 / 1280), NORMAL),
    (lambda: models.mobilenet_v3_small(), "classifier.3.weight", 0.01, NORMAL),
    (lambda: models.squeezenet1_1(), "classifier.1.weight", 0.01, NORMAL),
    (lambda: models.squeezenet1_1(), "features.3.expand3x3.weight", math.sqrt(2 / (16 * 9)), UNIFORM),
    (lambda: models.efficientnet_b0(), "classifier.1.weight", 1 / math.sqrt(3 * 1000), UNIFORM),
    (lambda: models.efficientnet_b0(), "features.8.0.weight", math.sqrt(2 / 1280), NORMAL),
    (lambda: models.shufflenet_v2_x0_5(), "conv5.0.weight", 1 / math.sqrt(3 * 192), UNIFORM),
    (lambda: models.DenseNet(num_classes=2, block_config=(2,)), "features.conv0.weight", math.sqrt(2 / 147), NORMAL),
    (lambda: models.GoogLeNet(num_classes=2), "inception5a.branch1.conv.weight", 0.01, NORMAL),
]


@pytest.mark.parametrize(("make", "name", "deviation", "shape"), FIRST, ids=[row[1] for row in FIRST])
def test_first_weights(make: Any, name: str, deviation: float, shape: float) -> None:
    """Their deviation and distribution, within six times what chance gives; biases are zeros."""
    w = make().get_parameter(name).detach().numpy().astype(np.float64)
    chance = 6 / math.sqrt(w.size)
    assert abs(w.mean()) < chance * deviation
    assert w.std() == pytest.approx(deviation, rel=chance)
    assert np.abs(w).mean() / w.std() == pytest.approx(shape, rel=chance)


def test_zero_init_residual() -> None:
    """Each block begins as an identity: its last norm has weights of zeros."""
    net = models.resnet18(zero_init_residual=True, num_classes=2)
    zeros = [name for name, p in net.named_parameters() if "weight" in name and not p.any()]
    assert zeros == [f"layer{i}.{j}.bn2.weight" for i in range(1, 5) for j in range(2)]


# -------------------------------------------------------------------------------------------------------- names, files
def test_get_and_list() -> None:
    """By name, in any case; patterns; of one module."""
    assert isinstance(models.get_model("AlexNet".lower(), num_classes=2), models.AlexNet)
    assert models.get_model_builder("ResNet20") is models.resnet20
    assert models.list_models(sys.modules[models.AlexNet.__module__]) == ["alexnet"]
    assert models.list_models(include=["squeeze*", "alex*"], exclude="*1_0") == ["alexnet", "squeezenet1_1"]
    with pytest.raises(ValueError, match="Unknown model resnet21"):
        models.get_model("resnet21")
    with pytest.raises(ValueError, match="already registered"):
        models.register_model("alexnet")(models.AlexNet)


@pytest.mark.parametrize(
    "call",
    [
        lambda: models.resnet18(weights="DEFAULT"),
        lambda: models.resnet18(pretrained=True),
        lambda: models.resnet18(True),
        lambda: models.get_model("resnet18", weights="IMAGENET1K_V1"),
        lambda: models.ResNet18_Weights.DEFAULT,
        lambda: models.ResNet18_Weights.IMAGENET1K_V1,
    ],
)
def test_weights_are_not_downloaded(call: Any) -> None:
    """The error says where the file is, and how it loads."""
    with pytest.raises(NotImplementedError) as error:
        call()
    for part in (
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        'model.load_state_dict(minitorch.load("resnet18-f37072fd.pth"))',
    ):
        assert part in str(error.value)


def test_without_weights() -> None:
    """What says that there are none is accepted; of a model that nobody published, the error says so."""
    for settings in ({"weights": None}, {"pretrained": False}, {"weights": None, "progress": False}):
        assert models.squeezenet1_1(**settings, num_classes=2).num_classes == 2  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="nobody published"):
        models.resnet20(weights="DEFAULT")
    with pytest.raises(AttributeError, match="resnet19"):
        _ = models.resnet19


WRONG = [
    (ValueError, "3-element", lambda: models.resnet18(replace_stride_with_dilation=[True])),
    (ValueError, "groups=1", lambda: models.resnet.BasicBlock(8, 8, groups=2)),
    (NotImplementedError, "Dilation > 1", lambda: models.resnet18(replace_stride_with_dilation=[True] * 3)),
    (ValueError, "6 n \\+ 2", lambda: models.CifarResNet(21)),
    (ValueError, "'A' or 'B'", lambda: models.resnet20(shortcut="C")),
    (ValueError, "list of 3", lambda: models.ShuffleNetV2([1, 2], [1] * 5)),
    (ValueError, "list of 5", lambda: models.ShuffleNetV2([1, 2, 3], [1] * 4)),
    (ValueError, "stride 1", lambda: models.shufflenetv2.InvertedResidual(4, 6, 1)),
    (ValueError, "illegal stride", lambda: models.shufflenetv2.InvertedResidual(4, 4, 4)),
    (ValueError, "1_0 or 1_1", lambda: models.SqueezeNet("2_0")),
    (ValueError, "4-element", lambda: models.MobileNetV2(inverted_residual_setting=[])),
    (ValueError, "1 or 2", lambda: models.mobilenetv2.InvertedResidual(4, 4, 3, 1)),
    (ValueError, "not be empty", lambda: models.MobileNetV3([], 8)),
    (TypeError, "InvertedResidualConfig", lambda: models.MobileNetV3([1], 8)),  # type: ignore[list-item]
    (ValueError, "not be empty", lambda: models.EfficientNet([], 0.1)),
    (TypeError, "MBConvConfig", lambda: models.EfficientNet([1], 0.1)),  # type: ignore[list-item]
    (ValueError, "length should be 3", lambda: models.GoogLeNet(blocks=[nn.Conv2d])),
    (TypeError, "unexpected keyword", lambda: models.resnet18(classes=10)),
]


@pytest.mark.parametrize(("error", "text", "call"), WRONG, ids=[row[1] for row in WRONG])
def test_wrong_calls(error: type[Exception], text: str, call: Any) -> None:
    """torchvision's classes, and what was needed."""
    with pytest.raises(error, match=text):
        call()


# ---------------------------------------------------------------------------------------------------------- airbench94
def test_airbench_is_the_benchmarks() -> None:
    """The same names and shapes as in benchmarks/nets.py, the same parameters frozen, the same scores."""
    nets = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "nets.py"))
    mine, other = models.airbench94().eval(), nets["airbench"](nn).eval()
    mine.load_state_dict(other.state_dict())
    frozen = [[name for name, p in net.named_parameters() if not p.requires_grad] for net in (mine, other)]
    assert frozen[0] == frozen[1]
    x = minitorch.randn(2, 3, 32, 32)
    np.testing.assert_array_equal(mine(x).detach().numpy(), other(x).detach().numpy())


def test_airbench_begins_as_identities() -> None:
    """The first outputs of each 3x3 layer are its inputs; the others are drawn."""
    net = models.airbench94(widths=(32, 40, 40))
    for layer in net:
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            w = layer.weight.detach().numpy()
            unit = np.zeros((layer.in_channels, layer.in_channels, 3, 3), np.float32)
            unit[range(layer.in_channels), range(layer.in_channels), 1, 1] = 1
            np.testing.assert_array_equal(w[: layer.in_channels], unit)
            assert w[layer.in_channels :].all()
    assert len(net.norm_biases()) == 6
    assert all(b.requires_grad for b in net.norm_biases())


def test_whitening() -> None:
    """What the layer gives has no correlations and mean squares of 1; the other half are the negatives."""
    x = RNG.standard_normal((1203, 3, 6, 5)).cumsum(3).astype(np.float32) + 1
    net = models.airbench94()
    net.whiten(minitorch.from_numpy(x), eps=0)
    out = net[0](minitorch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(out[:, 12:], -out[:, :12], atol=1e-5)
    rows = out[:, :12].transpose(1, 0, 2, 3).reshape(12, -1).astype(np.float64)
    np.testing.assert_allclose(rows @ rows.T / rows.shape[1], np.eye(12), atol=2e-3)
    lengths = np.linalg.norm(net[0].weight.detach().numpy()[:12].reshape(12, -1), axis=1)
    assert (np.diff(lengths) > 0).all()  # the largest direction first, which is divided by most
    net.whiten(x)  # an array
    assert (np.linalg.norm(net[0].weight.detach().numpy()[:12].reshape(12, -1), axis=1) < lengths).all()
    before = net[0].weight.detach().clone()
    for wrong in (x[0], x[:, :2], x[:0], x[..., :1]):
        with pytest.raises(ValueError, match="N, 3, H, W"):
            net.whiten(wrong)
    assert bool((net[0].weight == before).all())
