"""The models beside torchvision's: names, shapes, first weights, results in evaluation, losses and gradients in training.

`pytest tests/parity/parity_models.py -s`; skipped where torchvision is not installed.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torchvision.models")

import minitorch  # noqa: E402
from minitorch import nn  # noqa: E402
from minitorch.vision import models  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_golden_models as golden  # noqa: E402

torch.set_num_threads(1)  # its threads spin where others want the cores, too
NAMES = [name for name in models.list_models() if hasattr(theirs, name)]
RUN = (
    *("alexnet", "densenet121", "efficientnet_b0", "googlenet", "mobilenet_v2", "mobilenet_v3_large"),
    *("mobilenet_v3_small", "resnet18", "resnet34", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5"),
    *("shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1"),
)
counts = {"names": 0, "cases": 0, "tried": 0}


def pair(name: str, **settings: Any) -> tuple[Any, Any]:
    """Our model and torchvision's."""
    torch.manual_seed(0)
    extra = {"init_weights": True} if name == "googlenet" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = getattr(theirs, name)(**extra, **settings)
    return getattr(models, name)(**settings), other


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


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state_dicts have the same keys in the same order, and the same shapes; the modules are of the same classes."""
    for key in vars(nn.init):
        if key.endswith("_") and not key.startswith("_"):
            monkeypatch.setattr(nn.init, key, lambda tensor, *args, **settings: tensor)
    counts["tried"] += 1
    settings = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        other = getattr(theirs, name)(**settings)
    mine = getattr(models, name)(**settings)
    assert golden.facts(mine) == golden.facts(other)
    kinds = [type(module).__name__ for module in mine.modules()]
    assert kinds == [type(module).__name__ for module in other.modules()]
    counts["names"] += 1


@pytest.mark.parametrize("name", RUN)
def test_one(name: str) -> None:
    """First weights, scores in evaluation, and then loss, gradients and running statistics in training."""
    counts["tried"] += 3
    mine, other = pair(name)
    first_weights(mine, other)
    load(mine, other)
    evaluation(mine, other)
    training(mine, other)
    counts["cases"] += 3


def first_weights(mine: Any, other: Any) -> None:
    """Each parameter's mean, deviation and mean absolute value, which tells normal from uniform, up to chance."""
    expected = dict(other.named_parameters())
    for key, p in mine.named_parameters():
        a, b = (x.detach().numpy().ravel()[:1_000_000].astype(np.float64) for x in (p, expected[key]))
        if b.std() == 0:
            np.testing.assert_array_equal(a, b, err_msg=key)
            continue
        error = 6 * np.sqrt(2 / a.size)
        assert abs(a.mean() - b.mean()) <= error * b.std(), key
        assert abs(a.std() / b.std() - 1) <= error, key
        assert abs(np.abs(a).mean() / np.abs(b).mean() - 1) <= error, key


def evaluation(mine: Any, other: Any) -> None:
    """Scores in float32 within 1e-4 of the largest."""
    x = images(2, 64, np.float32)
    with torch.no_grad(), minitorch.no_grad():
        expected = other.eval()(torch.from_numpy(x)).numpy()
        found = mine.eval()(minitorch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


def training(mine: Any, other: Any) -> None:
    """Loss, gradients of all parameters and running statistics in float64."""
    x, y = images(3, 64, np.float64), np.arange(3)
    losses = []
    for lib, model in ((torch, other), (minitorch, mine)):
        out = golden.still(model.double().train())(lib.from_numpy(x))
        outputs = out if isinstance(out, tuple) else (out,)
        loss = sum(lib.nn.functional.cross_entropy(part, lib.from_numpy(y)) for part in outputs)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    expected = {key: p.grad for key, p in other.named_parameters()}
    for key, p in mine.named_parameters():
        g = expected[key].numpy()
        assert np.abs(p.grad.numpy() - g).max() <= 1e-7 * max(1e-3, np.abs(g).max()), key
    for (key, found), wanted in zip(mine.named_buffers(), other.buffers(), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


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
    counts["tried"] += 1
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
    counts["tried"] += 1
    raised = []
    for place in (models, theirs):
        with pytest.raises(Exception) as error:  # noqa: PT011 any class, which is compared
            eval(call.format("place"), {"place": place})
        raised.append(error.type)
    assert raised[0] is raised[1]
    counts["cases"] += 1


def test_zz_count() -> None:
    """Says how much was compared."""
    failures = counts["tried"] - counts["names"] - counts["cases"]
    print(f"\nmodels: names {counts['names']}, cases {counts['cases']}, failures {failures}")
