"""`summary`: shapes, parameters, multiply-adds, receptive fields and memory, computed by hand; the model stays as it is."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.nn import functional as F
from minitorch.summary import Summary, summary

H, W = 9, 8


def image(*layers: nn.Module, size: tuple = (2, 4, H, W)) -> Summary:
    """The summary of layers in a row."""
    return summary(nn.Sequential(*layers), size)


# ---------------------------------------------------------------------------------------------------------- what it costs
COSTS: list[tuple[Any, tuple, int]] = [
    (lambda: nn.Conv2d(4, 6, 3), (2, 4, 9, 8), 2 * 6 * 7 * 6 * 4 * 9),
    (lambda: nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, bias=False), (2, 4, 9, 8), 2 * 6 * 5 * 5 * 4 * 3),
    (lambda: nn.Conv2d(4, 8, 3, groups=4), (2, 4, 9, 8), 2 * 8 * 7 * 6 * 1 * 9),
    (lambda: nn.Conv1d(4, 6, 5, dilation=2), (2, 4, 20), 2 * 6 * 12 * 4 * 5),
    (lambda: nn.Conv3d(1, 2, 2), (1, 1, 3, 4, 5), 2 * 2 * 3 * 4 * 8),
    (lambda: nn.Conv2d(4, 6, 3), (4, 9, 8), 6 * 7 * 6 * 4 * 9),
    (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 4), 2 * 4 * 5 * 4 * 6 * 9),
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 5, 4), 2 * 4 * 5 * 4 * 3 * 9),
    (lambda: nn.Linear(5, 7), (3, 5), 3 * 5 * 7),
    (lambda: nn.Linear(5, 7, bias=False), (3, 2, 5), 6 * 5 * 7),
    (lambda: nn.LazyLinear(7), (3, 5), 3 * 5 * 7),
    (lambda: nn.RNN(3, 5), (6, 2, 3), 6 * 2 * (5 * 3 + 5 * 5)),
    (lambda: nn.LSTM(3, 5, bidirectional=True), (6, 2, 3), 6 * 2 * 2 * 4 * 5 * (3 + 5)),
    (lambda: nn.LSTM(3, 5, proj_size=2, batch_first=True), (6, 2, 3), 6 * 2 * (4 * 5 * (3 + 2) + 2 * 5)),
    (lambda: nn.GRU(3, 5, num_layers=2), (6, 2, 3), 6 * 2 * 3 * 5 * (3 + 5 + 5 + 5)),
    (lambda: nn.BatchNorm2d(4), (2, 4, 9, 8), 0),
    (lambda: nn.MaxPool2d(2), (2, 4, 9, 8), 0),
]


@pytest.mark.parametrize(("make", "size", "expected"), COSTS)
def test_multiply_adds(make: Any, size: tuple, expected: int) -> None:
    """By the formulas in the docstring, alone and frozen."""
    layer = make()
    assert summary(layer, size).multiply_adds == expected
    frozen = nn.Sequential(layer).requires_grad_(False)
    assert summary(frozen, size).multiply_adds == expected


def test_attention() -> None:
    """Projections of queries, keys and values, their products, and the last projection."""
    n, length, source, width = 2, 5, 7, 8
    layer = nn.MultiheadAttention(width, 2, batch_first=True)
    found = summary(layer, [(n, length, width), (n, source, width), (n, source, width)])
    projections = n * (2 * length + 2 * source) * width * width
    assert found.multiply_adds == projections + 2 * n * length * source * width
    assert found["out_proj"].output_shape is None
    assert found["out_proj"].parameters == width * width + width
    assert found.parameters == 4 * (width * width + width)
    assert "not called" in str(found)


class Functions(nn.Module):
    """A net that computes by functions, as PyTorch's tutorial does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5)
        self.weight = nn.Parameter(minitorch.ones(6 * 49, 2))

    def forward(self, x: Any) -> Any:
        """A convolution, a pool and a product."""
        x = F.avg_pool2d(F.max_pool2d(F.relu(self.conv(x)), 2), 2)
        return x.flatten(1) @ self.weight


def test_functions_count_for_the_module_that_calls_them() -> None:
    """What no module does is its caller's; own numbers add up to the totals."""
    found = summary(Functions(), (1, 3, 32, 32))
    assert found["conv"].multiply_adds == 6 * 28 * 28 * 75
    assert found[""].multiply_adds == 6 * 49 * 2
    assert found[""].parameters == 6 * 49 * 2
    assert found.parameters == 6 * 49 * 2 + 456
    assert found[""].total("multiply_adds") == found.multiply_adds == 6 * 28 * 28 * 75 + 6 * 49 * 2


# ---------------------------------------------------------------------------------------------------------- what it sees
FIELDS: list[tuple[list, tuple[int, ...] | str | None]] = [
    ([nn.Conv2d(4, 4, 3)], (3, 3)),
    ([nn.Conv2d(4, 4, (3, 1), dilation=2)], (5, 1)),
    ([nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)], (7, 7)),
    ([nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)], (6, 6)),
    ([nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3)], (7, 7)),
    ([nn.AvgPool2d(2), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)], (4, 4)),
    ([nn.Conv2d(4, 4, 3, stride=2), nn.ConvTranspose2d(4, 4, 4, stride=2), nn.Conv2d(4, 4, 3)], (7, 7)),
    ([nn.ConvTranspose2d(4, 4, 3)], (3, 3)),
    ([nn.ConvTranspose2d(4, 4, 2, stride=2)], (1, 1)),
    ([nn.ConvTranspose2d(4, 4, 3, stride=2)], (2, 2)),
    ([nn.ConvTranspose2d(4, 4, 3, stride=2, dilation=3)], (4, 4)),
    ([nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)], (4, 4)),
    ([nn.Conv2d(4, 4, 3), nn.Upsample(scale_factor=2, mode="bilinear")], (4, 4)),
    ([nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3), nn.ZeroPad2d(2), nn.Conv2d(4, 4, 3)], (5, 5)),
    ([nn.Conv2d(4, 4, 3), nn.ChannelShuffle(2), nn.Dropout(), nn.Identity()], (3, 3)),
    ([nn.Conv2d(4, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 1, 3)], (4, 4)),
    ([nn.Conv2d(4, 4, 2, padding=(1, 0)), nn.ZeroPad2d((0, 1)), nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 2)], (5, 5)),
    ([nn.ZeroPad2d((0, 0, 0, 1)), nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 3)], (6, 6)),
    ([nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1)], "all"),
    ([nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d((7, 2))], (3, 5)),
    ([nn.Conv2d(4, 4, 3), nn.AdaptiveMaxPool2d((1, 6))], (9, 3)),
    ([nn.Conv2d(4, 4, 3), nn.Flatten()], "all"),
    ([nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)], "all"),
    ([nn.Flatten(), nn.Linear(4 * H * W, 2)], "all"),
    ([nn.ReLU()], None),
]


@pytest.mark.parametrize(("layers", "expected"), FIELDS)
def test_receptive_fields(layers: list, expected: Any) -> None:
    """By hand: n + d (k - 1) j, and j times the stride."""
    assert image(*layers)[""].receptive_field == expected


def test_fields_are_what_gradients_reach() -> None:
    """The pixels with a gradient of one number in the middle are as many as the table says."""
    layers = [nn.Conv2d(1, 1, 3, 2), nn.AvgPool2d(2, 1), nn.ConvTranspose2d(1, 1, 5, 2), nn.Conv2d(1, 1, 3)]
    net = nn.Sequential(*layers)
    for p in net.parameters():
        nn.init.ones_(p)
    x = minitorch.ones(1, 1, 41, 41, requires_grad=True)
    out = net(x)
    most = 0
    for i in range(18, 22):  # the number of pixels depends on the phase
        (g,) = minitorch.autograd.grad(out[0, 0, i, 20], x, retain_graph=True)
        most = max(most, int(g.numpy()[0, 0].any(1).sum()))
    assert summary(net, (1, 1, 41, 41))[""].receptive_field == (most, most)


class Branches(nn.Module):
    """Two ways that meet; every other pixel; a mean over the image."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.last = nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 1), nn.Conv2d(8, 2, 3)
        self.after = nn.Identity()

    def forward(self, x: Any) -> Any:
        """The larger field counts."""
        both = minitorch.cat([self.wide(x), self.narrow(x)], 1)
        x = self.last((both + both.tanh())[:, :, ::2, ::2])
        return self.after(x.mean((2, 3)))


def test_fields_of_branches() -> None:
    """Of two ways the larger; a slice has its step; a mean sees all."""
    found = summary(Branches(), (1, 4, 12, 12))
    assert found["wide"].receptive_field == (5, 5)
    assert found["narrow"].receptive_field == (1, 1)
    assert found["last"].receptive_field == (5 + 2 * 2, 5 + 2 * 2)
    assert found["after"].receptive_field == "all"


def test_fields_of_known_nets() -> None:
    """VGG's features see 212 pixels, ResNet-18's 435 (Araujo et al., 2019)."""
    from minitorch.vision import models

    small = {"num_classes": 2}
    assert summary(models.resnet18(**small), (1, 3, 64, 64))["layer4"].receptive_field == (435, 435)
    layers = models.vgg.make_layers([8, 8, "M", 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M"])
    assert summary(layers, (1, 3, 64, 64))[""].receptive_field == (212, 212)


# ------------------------------------------------------------------------------------------------------------- the rows
def test_memory() -> None:
    """Bytes of what layers return, but not where it is what they were given."""
    found = image(nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(252, 2))
    assert [row.memory for row in found.rows[1:]] == [2 * 6 * 42 * 4, 0, 2 * 6 * 42 * 4, 0, 0, 2 * 2 * 4]
    assert found.memory == 2 * 2 * 6 * 42 * 4 + 16
    assert found.input_memory == 2 * 4 * H * W * 4
    assert found.parameter_memory == found.parameters * 4


def test_double() -> None:
    """The input has the dtype of the parameters."""
    found = summary(nn.Linear(3, 2).double(), (5, 3))
    assert (found.memory, found.parameter_memory, found.input_memory) == (5 * 2 * 8, 8 * 8, 15 * 8)


class Shared(nn.Module):
    """One layer that runs twice, and one under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = self.a
        self.c = nn.Linear(3, 3)
        self.c.weight = self.a.weight

    def forward(self, x: Any) -> Any:
        """a, b, c."""
        return self.c(self.b(self.a(x)))


def test_shared_modules() -> None:
    """A row for each call; parameters count once, work each time."""
    found = summary(Shared(), (5, 3))
    assert [(row.path, row.parameters, row.multiply_adds, row.repeated) for row in found.rows[1:]] == [
        ("a", 12, 45, False),
        ("a", 0, 45, True),
        ("c", 3, 45, False),
    ]
    assert found.parameters == 15
    assert "again" in str(found)


def test_nested_modules_and_depth() -> None:
    """Rows stand in the order of the calls; the deepest that are shown have the numbers of all below them."""
    inner = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    found = summary(nn.Sequential(inner, nn.Linear(5, 1)), (2, 3), depth=1)
    assert [row.path for row in found.rows] == ["", "0", "0.0", "0.1", "0.1.0", "0.1.1", "1"]
    assert [row.depth for row in found.rows] == [0, 1, 2, 2, 3, 3, 1]
    assert [row.type for row in found.rows[:3]] == ["Sequential", "Sequential", "Linear"]
    lines = str(found).splitlines()
    assert len(lines) == 8
    assert lines[3].split() == ["0", "Sequential", "(2,", "5)", "41", "64", "112", "B"]
    assert found["0"].total("parameters") == 16 + 25
    assert found["0"].parameters == 0
    assert len(str(summary(inner, (2, 3), depth=0)).splitlines()) == 6
    with pytest.raises(KeyError):
        found["2"]


def test_notebooks_get_a_table() -> None:
    """The same cells as HTML, with spaces that stay and nothing that is taken for a tag."""
    odd = type("Odd<b>", (nn.Linear,), {})(3, 2)
    text = summary(nn.Sequential(odd), (5, 3))._repr_html_()
    assert text.count("<tr>") == 3
    for cell in ("&nbsp;&nbsp;0", "Odd&lt;b&gt;", "(5,&nbsp;2)", "40&nbsp;B"):
        assert f">{cell}</td>" in text
    assert "receptive" not in text
    assert "parameters: 8; buffers: 0; multiply-adds: 30<br>" in text


def test_frozen_parameters_and_buffers() -> None:
    """How many are trainable; numbers in buffers."""
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    net[0].requires_grad_(False)
    found = summary(net, (2, 4, 3, 3))
    assert (found.parameters, found.trainable, found.buffers) == (28, 8, 9)
    assert "28, 8 of them trainable" in str(found)


def test_several_inputs_and_outputs() -> None:
    """Lists of shapes; data as a tuple, as keywords; several results."""
    layer = nn.Bilinear(3, 4, 2)
    assert summary(layer, [(5, 3), (5, 4)])[""].output_shape == (5, 2)
    data = (minitorch.ones(5, 3), minitorch.ones(5, 4))
    assert summary(layer, input_data=data)[""].output_shape == (5, 2)
    assert summary(layer, input_data={"input1": data[0], "input2": data[1]})[""].output_shape == (5, 2)
    assert summary(nn.LSTM(3, 5), (6, 2, 3))[""].output_shape == [(6, 2, 5), (1, 2, 5), (1, 2, 5)]
    packed = nn.utils.rnn.pack_sequence([minitorch.ones(4, 3), minitorch.ones(2, 3)])
    assert summary(nn.GRU(3, 5), input_data=packed).multiply_adds == (4 + 2) * 15 * 8
    state = (minitorch.zeros(1, 2, 5), minitorch.zeros(1, 2, 5))
    assert summary(nn.LSTM(3, 5), input_data=(minitorch.ones(6, 2, 3), state)).multiply_adds == 12 * 20 * 8


def test_integers() -> None:
    """Words go in as data; what follows the embedding counts."""
    net = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3))
    found = summary(net, input_data=minitorch.tensor([[1, 2, 3]]))
    assert (found.multiply_adds, found.parameters, found[""].output_shape) == (36, 55, (1, 3, 3))
    assert "receptive" not in str(found)


# ---------------------------------------------------------------------------------------------------- nothing is changed
class Counting(nn.Module):
    """Counts its calls in a buffer and an attribute, draws numbers, and changes its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("count", minitorch.zeros(1))
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout()

    def forward(self, x: Any) -> Any:
        """Noise on a norm."""
        self.calls += 1
        self.count += 1
        x.mul_(2)
        return self.drop(self.norm(x)) + minitorch.randn(3)


def test_the_model_stays_as_it_is() -> None:
    """Mode, buffers, attributes, hooks, gradients, the generator and the data."""
    net = nn.Sequential(Counting(), nn.Linear(3, 2)).train()
    net[1].eval()
    seen: list = []
    net[1].register_forward_hook(lambda *args: seen.append(1))
    data = minitorch.ones(4, 3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    hooks = [dict(module._forward_hooks) for module in net.modules()]
    minitorch.manual_seed(3)
    expected = minitorch.rand(2).tolist()
    minitorch.manual_seed(3)
    with minitorch.no_grad():
        summary(net, input_data=data)
        assert not minitorch.is_grad_enabled()
    assert minitorch.rand(2).tolist() == expected
    for key, value in net.state_dict().items():
        assert bool((value == before[key]).all()), key
    assert [module.training for module in net.modules()] == [True, True, True, True, False]
    assert [dict(module._forward_hooks) for module in net.modules()] == hooks
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert net[0].calls == 0
    assert all(p.grad is None for p in net.parameters())
    assert data.tolist() == [[1.0] * 3] * 4
    assert all(p.requires_grad for p in net.parameters())


def test_where_nothing_is_recorded() -> None:
    """The same numbers in inference mode and no_grad, of data made there, too."""
    with minitorch.inference_mode():
        layer, data = nn.Linear(3, 2), minitorch.ones(5, 3)
        assert summary(layer, (5, 3)).multiply_adds == 30
        assert summary(layer, input_data=data).multiply_adds == 30
        assert minitorch.is_inference_mode_enabled()
    with minitorch.no_grad():
        assert summary(layer, input_data=data).multiply_adds == 30


def test_lazy_layers_stay_lazy() -> None:
    """The table has their shapes, the model doesn't."""
    net = nn.Sequential(nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    found = summary(net, (1, 4, 5, 5))
    assert [row.type for row in found.rows[1:]] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert found.parameters == 6 * 36 + 6 + 12 + 54 * 2 + 2
    assert [type(layer).__name__ for layer in net][::3] == ["LazyConv2d", "LazyLinear"]
    assert net[0].has_uninitialized_params()


def test_computed_weights() -> None:
    """A model with weight norm is copied and counted, too."""
    net = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    found = summary(net, (5, 3))
    assert (found.parameters, found.multiply_adds) == (2 * 3 + 2 + 2, 30)


class Locked(nn.Module):
    """A module that can't be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_wrong_calls() -> None:
    """Each says what was needed."""
    layer: Any = nn.Linear(3, 2)
    for error, text, call in [
        (TypeError, "must be a Module, but got int", lambda: summary(3, (1, 3))),  # type: ignore[arg-type]
        (ValueError, "either input_size", lambda: summary(layer)),
        (ValueError, "either input_size", lambda: summary(layer, (1, 3), minitorch.ones(1, 3))),
        (TypeError, "must be a shape", lambda: summary(layer, 3)),
        (TypeError, "must be a shape", lambda: summary(layer, (1, 3.0))),
        (TypeError, "must be a shape", lambda: summary(layer, [(1, 3), 3])),
        (ValueError, "negative", lambda: summary(layer, (-1, 3))),
        (ValueError, "`depth`", lambda: summary(layer, (1, 3), depth=-1)),
        (TypeError, "Locked can't be copied", lambda: summary(Locked(), (1, 3))),
        (
            RuntimeError,
            r"1.0 \(Linear\) raised RuntimeError: linear",
            lambda: summary(nn.Sequential(layer, nn.Sequential(nn.Linear(3, 2))), (1, 3)),
        ),
    ]:
        with pytest.raises(error, match=text):
            call()
    assert not layer._forward_hooks
    assert np.isfinite(layer(minitorch.ones(1, 3)).detach().numpy()).all()
