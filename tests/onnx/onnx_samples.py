"""Models and inputs for tests of ONNX: each is exported at one size and run at another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import minitorch as mt
import minitorch.nn.functional as F
from minitorch import nn


class Sample(NamedTuple):
    """A model, the tensor it is exported with, its axes that stay open, and a tensor of another size.

    Of models with several inputs, tuples of each.
    """

    model: nn.Module
    x: Any
    axes: Any
    other: Any

    def inputs(self) -> list[tuple]:
        """The arguments of both sizes."""
        return [x if isinstance(x, tuple) else (x,) for x in (self.x, self.other)]

    def open_axes(self) -> dict[str, Any]:
        """The argument `dynamic_axes` of export."""
        axes = self.axes if isinstance(self.axes, tuple) else (self.axes,)
        return {f"input_{i}" if i else "input": each for i, each in enumerate(axes)}


class Of(nn.Module):
    """A function of a tensor, with whatever parameters or layers it needs as attributes of its first argument."""

    def __init__(self, function: Callable, **members: Any) -> None:
        super().__init__()
        self.function = function
        for name, member in members.items():
            setattr(self, name, member)

    def forward(self, x: Any) -> Any:
        """function(self, x) with members, function(x) without."""
        return self.function(self, x) if self._parameters or self._modules else self.function(x)


class OfSeveral(Of):
    """A function of several tensors and of the layer `part`."""

    def forward(self, *xs: Any) -> Any:
        """function(part, *xs)."""
        return self.function(self._modules.get("part"), *xs)


def image(model: Any, channels: int = 6, axes: Any = None, sizes: tuple = (8, 8), other: tuple = (8, 8)) -> Sample:
    """A model of images, whose batch stays open."""
    model = model if isinstance(model, nn.Module) else Of(model)
    return Sample(model, mt.randn(2, channels, *sizes), axes or {0: "n"}, mt.randn(3, channels, *other))


def sequence(model: Any, features: int = 4) -> Sample:
    """A model of (T, B, features), T and B of which stay open."""
    model = model if isinstance(model, nn.Module) else Of(model)
    return Sample(model, mt.randn(5, 2, features), {0: "t", 1: "b"}, mt.randn(7, 3, features))


def numbers(function: Callable) -> Sample:
    """A function of numbers between 0.1 and 0.9."""
    return Sample(Of(function), mt.rand(2, 3) * 0.8 + 0.1, {0: "n"}, mt.rand(3, 3) * 0.8 + 0.1)


def whole(model: Any, most: int = 9) -> Sample:
    """A model of integers (B, T)."""
    model = model if isinstance(model, nn.Module) else Of(model)
    return Sample(model, mt.randint(0, most, (2, 5)), {0: "n", 1: "t"}, mt.randint(0, most, (3, 4)))


def _parts_changed(x: Any) -> Any:
    y = x * 1
    y[:, 2] = 5.0
    y[:, :, 3:5] = x[:, :, :2]
    return y


def _elements_changed(x: Any) -> Any:
    y = x * 1
    y[[0, 2], [1, 3]] = mt.tensor([5.0, 6.0])
    y[x > 0.5] = -1.0
    return y


def _unrecorded(x: Any) -> Any:
    with mt.no_grad():
        return x * 2 + 1


OPEN_PIXELS = {0: "n", 2: "h"}
ACTIVATIONS = [
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "ELU",
    "CELU",
    "SELU",
    "GELU",
    "SiLU",
    "Mish",
    "Softplus",
    "Softsign",
    "Tanh",
    "Sigmoid",
    "Hardtanh",
    "Hardsigmoid",
    "Hardswish",
    "LogSigmoid",
    "Tanhshrink",
    "Hardshrink",
    "Softshrink",
    "RReLU",
    "Softmax2d",
    "Identity",
    "Dropout",
    "AlphaDropout",
]
FUNCTIONS = [
    "sin",
    "cos",
    "tan",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "erf",
    "erfc",
    "log1p",
    "expm1",
    "log2",
    "log10",
    "exp2",
    "abs",
    "neg",
    "sign",
    "floor",
    "ceil",
    "round",
    "trunc",
    "frac",
    "reciprocal",
    "square",
    "sinh",
    "asinh",
    "atan",
    "deg2rad",
    "logit",
]
PAIRS = [
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "pow",
    "hypot",
    "remainder",
    "fmod",
    "copysign",
    "logaddexp",
    "add",
    "sub",
    "mul",
    "div",
]


def layers() -> dict[str, Callable[[], Sample]]:
    """Layers, made when they are asked for."""
    shallow = nn.TransformerEncoderLayer
    return {
        "Conv1d": lambda: Sample(
            nn.Conv1d(6, 12, 3, stride=2, dilation=2, groups=3, padding=2),
            mt.randn(2, 6, 17),
            {0: "n", 2: "t"},
            mt.randn(4, 6, 23),
        ),
        "Conv2d same": lambda: image(nn.Conv2d(6, 4, 4, padding="same")),
        "conv2d sides": lambda: image(lambda x: F.conv2d(x, mt.ones(2, 6, 3, 3), padding=((1, 2), (0, 1)))),
        "Conv2d circular": lambda: image(nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular")),
        "Conv2d reflect": lambda: image(nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect")),
        "Conv3d": lambda: image(nn.Conv3d(2, 3, 3, padding=1), 2, sizes=(5, 5, 5), other=(5, 5, 5)),
        "ConvTranspose2d": lambda: image(
            nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2), axes=OPEN_PIXELS, other=(5, 8)
        ),
        "ConvTranspose1d": lambda: image(nn.ConvTranspose1d(6, 4, 3, dilation=2), sizes=(9,), other=(9,)),
        "MaxPool2d ceil": lambda: image(nn.MaxPool2d(3, 2, 1, ceil_mode=True), 3, sizes=(9, 10), other=(9, 10)),
        "MaxPool2d positions": lambda: image(nn.MaxPool2d(2, return_indices=True), sizes=(9, 8), other=(9, 8)),
        "AvgPool2d": lambda: image(nn.AvgPool2d(3, 2, 1)),
        "AvgPool2d inside": lambda: image(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        "AvgPool2d ceil": lambda: image(nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        "AvgPool2d divisor": lambda: image(nn.AvgPool2d(2, divisor_override=3)),
        "AdaptiveAvgPool2d 1": lambda: image(nn.AdaptiveAvgPool2d(1), axes=OPEN_PIXELS, other=(5, 8)),
        "AdaptiveAvgPool2d 3": lambda: image(nn.AdaptiveAvgPool2d((3, 5))),
        "AdaptiveMaxPool2d 3": lambda: image(nn.AdaptiveMaxPool2d((3, 5))),
        "AdaptiveMaxPool2d": lambda: image(nn.AdaptiveMaxPool2d(4)),
        "LPPool2d": lambda: image(nn.LPPool2d(2, 2)),
        "BatchNorm1d": lambda: image(nn.BatchNorm1d(6), sizes=(), other=()),
        "BatchNorm2d": lambda: image(nn.BatchNorm2d(6, affine=False)),
        "LayerNorm": lambda: image(nn.LayerNorm([8, 8])),
        "GroupNorm": lambda: image(nn.GroupNorm(3, 6)),
        "InstanceNorm2d": lambda: image(nn.InstanceNorm2d(6, affine=True)),
        "RMSNorm": lambda: image(nn.RMSNorm(8)),
        "LocalResponseNorm": lambda: image(nn.LocalResponseNorm(3)),
        "LocalResponseNorm even": lambda: image(nn.LocalResponseNorm(2)),
        "Linear of rows": lambda: sequence(nn.Linear(4, 7)),
        "Linear without bias": lambda: image(nn.Linear(6, 7, bias=False), sizes=(), other=()),
        "LSTM": lambda: sequence(nn.LSTM(4, 5, num_layers=2, bidirectional=True)),
        "GRU": lambda: sequence(nn.GRU(4, 5, batch_first=True)),
        "RNN": lambda: sequence(nn.RNN(4, 5, nonlinearity="relu", bias=False)),
        "LSTMCell": lambda: image(nn.LSTMCell(6, 5), sizes=(), other=()),
        "GRUCell": lambda: image(nn.GRUCell(6, 5), sizes=(), other=()),
        "RNNCell": lambda: image(nn.RNNCell(6, 5), sizes=(), other=()),
        "Transformer layer": lambda: sequence(shallow(4, 2, 8, batch_first=True)),
        "TransformerEncoder": lambda: sequence(nn.TransformerEncoder(shallow(4, 2, 8, norm_first=True), 2)),
        "Embedding": lambda: whole(nn.Embedding(9, 4, padding_idx=0)),
        "Upsample nearest": lambda: image(nn.Upsample(scale_factor=2), axes=OPEN_PIXELS, other=(5, 8)),
        "Upsample bilinear": lambda: image(nn.Upsample(scale_factor=2, mode="bilinear")),
        "Upsample corners": lambda: image(nn.Upsample(size=(11, 13), mode="bilinear", align_corners=True)),
        "Upsample bicubic": lambda: image(nn.Upsample(scale_factor=1.5, mode="bicubic")),
        "Upsample nearest 1.5": lambda: image(nn.Upsample(scale_factor=1.5)),
        "Upsample nearest-exact": lambda: image(nn.Upsample(size=13, mode="nearest-exact")),
        "PixelShuffle": lambda: image(nn.PixelShuffle(2), 8, axes=OPEN_PIXELS, other=(5, 8)),
        "PixelUnshuffle": lambda: image(nn.PixelUnshuffle(2)),
        "ChannelShuffle": lambda: image(nn.ChannelShuffle(2)),
        "ConstantPad2d": lambda: image(nn.ConstantPad2d((1, 2, 0, -1), 3.0)),
        "ReplicationPad2d": lambda: image(nn.ReplicationPad2d(2)),
        "ReflectionPad2d": lambda: image(nn.ReflectionPad2d((2, -1, 1, 0))),
        "pad symmetric": lambda: image(lambda x: F.pad(x, (2, 1), mode="symmetric"), sizes=(5,), other=(5,)),
        "Conv2d circular open": lambda: image(
            nn.Conv2d(6, 3, 3, padding=1, padding_mode="circular"), axes=OPEN_PIXELS, other=(5, 8)
        ),
        "EmbeddingBag": lambda: whole(nn.EmbeddingBag(9, 4, mode="mean")),
        "MaxUnpool2d": lambda: image(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
        "BatchNorm2d of the batch": lambda: image(nn.BatchNorm2d(6, track_running_stats=False)),
        "Upsample half": lambda: image(nn.Upsample(scale_factor=0.5), axes=OPEN_PIXELS, other=(6, 8)),
        "as large as before": lambda: image(
            lambda x: F.interpolate(F.avg_pool2d(x, 2), size=x.shape[2:], mode="bilinear"),
            axes=OPEN_PIXELS,
            other=(6, 8),
        ),
        "PReLU": lambda: image(nn.PReLU(6)),
        "GLU": lambda: image(nn.GLU(1)),
        "GELU tanh": lambda: image(nn.GELU("tanh")),
        "Softmin": lambda: image(nn.Softmin(1)),
        "Threshold": lambda: image(nn.Threshold(0.1, 0.2)),
        "Unfold": lambda: image(nn.Unfold(3)),
        "Fold": lambda: image(nn.Fold((4, 4), 2), 12, sizes=(9,), other=(9,)),
        **{name: lambda name=name: image(getattr(nn, name)()) for name in ACTIVATIONS},
    }


def programs() -> dict[str, Callable[[], Sample]]:
    """Functions of tensors, made when they are asked for."""
    token = nn.Parameter(mt.ones(1, 1, 4))
    rows = nn.Parameter(mt.arange(80.0).reshape(1, 20, 4))
    return {
        "view of two open sizes": lambda: sequence(lambda x: x.view(x.shape[0] * x.shape[1], -1)),
        "heads": lambda: sequence(lambda x: x.reshape(x.shape[0], x.shape[1], 2, 2).permute(0, 2, 1, 3)),
        "mean of pixels": lambda: image(lambda x: x.mean((2, 3)), axes=OPEN_PIXELS, other=(5, 8)),
        "mean of all": lambda: image(lambda x: x.mean()),
        "sum over a size": lambda: image(lambda x: x.sum(0) / x.shape[0]),
        "var": lambda: image(lambda x: x.var(1)),
        "var of open sizes": lambda: image(lambda x: x.var((2, 3)), axes=OPEN_PIXELS, other=(5, 8)),
        "atan2": lambda: image(lambda x: mt.atan2(x, (x * 3).round())),
        "bools": lambda: image(lambda x: ((x > 0) & (x < 1) | ~(x == 2) ^ mt.isfinite(x)).float()),
        "nan_to_num": lambda: image(lambda x: mt.nan_to_num(x / (x > 0))),
        "places": lambda: Sample(Of(lambda x: mt.nonzero(x > 0)), mt.randn(4, 5), {}, mt.randn(4, 5)),
        "count_nonzero": lambda: image(lambda x: mt.count_nonzero(x > 0)),
        "elements by number": lambda: Sample(Of(_elements_changed), mt.randn(4, 5), {}, mt.randn(4, 5)),
        "std": lambda: image(lambda x: x.std((2, 3), keepdim=True)),
        "amax": lambda: image(lambda x: x.amax((1, 2))),
        "max": lambda: image(lambda x: x.max(1)),
        "argmax": lambda: image(lambda x: x.argmax(1)),
        "topk": lambda: image(lambda x: x.topk(3, 1)),
        "sort": lambda: image(lambda x: x.sort(-1, descending=True)),
        "cumsum": lambda: image(lambda x: x.cumsum(1)),
        "prod": lambda: image(lambda x: x.prod(1)),
        "normalize": lambda: image(lambda x: F.normalize(x, dim=1)),
        "norm 1": lambda: image(lambda x: x.norm(p=1, dim=1)),
        "logsumexp": lambda: image(lambda x: x.logsumexp(1)),
        "softmax": lambda: image(lambda x: x.softmax(1)),
        "log_softmax": lambda: image(lambda x: x.log_softmax(-1)),
        "cat": lambda: image(lambda x: mt.cat([x, x * 2, mt.ones(x.shape[0], 1, 8, 8)], 1)),
        "stack": lambda: image(lambda x: mt.stack([x, x + 1], 2)),
        "chunk": lambda: image(lambda x: x.chunk(3, 1)),
        "slices": lambda: image(lambda x: x[:, 1:4, ::2, -1]),
        "new axis": lambda: image(lambda x: x[:, None, ..., 0]),
        "list of channels": lambda: image(lambda x: x[:, [0, 2, 1]]),
        "masked_fill": lambda: image(lambda x: x.masked_fill(x > 0.5, -1.0)),
        "where": lambda: image(lambda x: mt.where(x > 0, x, x.abs().sqrt())),
        "in place": lambda: image(lambda x: x.mul(2).add_(1).relu_().clamp_(0, 3)),
        "parts in place": lambda: image(_parts_changed),
        "expand": lambda: image(lambda x: x[:, :1].expand(-1, 4, -1, -1) * 1),
        "class token": lambda: sequence(
            Of(lambda self, x: mt.cat([self.token.expand(x.shape[0], -1, -1), x], 1), token=token)
        ),
        "positions": lambda: sequence(Of(lambda self, x: x + self.rows[:, : x.shape[1]], rows=rows)),
        "embedded positions": lambda: sequence(
            Of(lambda self, x: x + self.table(mt.arange(x.shape[1])), table=nn.Embedding(20, 4))
        ),
        "causal attention": lambda: sequence(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
        "einsum": lambda: image(lambda x: mt.einsum("nchw,ncvw->nhv", x, x)),
        "matmul": lambda: image(lambda x: x @ x.transpose(-1, -2)),
        "flip": lambda: image(lambda x: x.flip(1, 3)),
        "roll": lambda: image(lambda x: x.roll((1, 2), (1, 2))),
        "repeat": lambda: image(lambda x: x.repeat(1, 2, 1, 1)),
        "index_select": lambda: image(lambda x: x.index_select(1, mt.tensor([0, 3]))),
        "one_hot": lambda: whole(lambda x: F.one_hot(x, 9)),
        "integers": lambda: whole(lambda x: (x * 2 - 7) // 2 % 3),
        "detach": lambda: image(lambda x: x.detach() * 2 + x),
        "no_grad": lambda: image(_unrecorded),
        "any": lambda: image(lambda x: (x > 1).any(1)),
        "cosine_similarity": lambda: image(lambda x: F.cosine_similarity(x, x * 2 + 1, dim=1)),
        "tril": lambda: image(lambda x: x.tril()),
        "diagonal": lambda: image(lambda x: x.diagonal(0, 2, 3)),
        "double": lambda: image(lambda x: x.double() * 2),
        "half": lambda: image(lambda x: x.half().float()),
        **{name: lambda name=name: numbers(getattr(mt, name)) for name in FUNCTIONS},
        **{name: lambda name=name: numbers(lambda x: getattr(mt, name)(x, x * 1.7 - 0.3)) for name in PAIRS},
    }


def several() -> dict[str, Callable[[], Sample]]:
    """Models of several tensors, made when they are asked for."""
    seq, seq2, mem, mem2 = (mt.randn(n, b, 8) for n, b in ((5, 2), (6, 3), (4, 2), (3, 3)))
    hidden, hidden2 = (mt.arange(n * 5).reshape(n, 5) % 3 == 1 for n in (2, 3))
    blind = hidden.unsqueeze(1).expand(2, 5, 5).clone()
    blind[0, 2] = False
    long, wide = {0: "t", 1: "n"}, {0: "n", 1: "t"}
    attention, first = nn.MultiheadAttention, {0: "n"}
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return {
        "MultiheadAttention": lambda: Sample(
            OfSeveral(lambda part, x, y: part(x, y, y), part=attention(8, 2, add_bias_kv=True)),
            (seq, mem),
            (long, {0: "s", 1: "n"}),
            (seq2, mem2),
        ),
        "MultiheadAttention hidden": lambda: Sample(
            OfSeveral(lambda part, x, k: part(x, x, x, key_padding_mask=k)[0], part=attention(8, 2, batch_first=True)),
            (mt.randn(2, 5, 8), hidden),
            (first, first),
            (mt.randn(3, 5, 8), hidden2),
        ),
        "attention mask": lambda: Sample(
            OfSeveral(lambda part, x, m: F.scaled_dot_product_attention(x, x, x, m)),
            (mt.randn(2, 5, 8), ~hidden.unsqueeze(1).expand(2, 5, 5).clone()),
            (first, first),
            (mt.randn(2, 5, 8), blind),
        ),
        "encoder hidden": lambda: Sample(
            OfSeveral(lambda part, x, k: part(x, src_key_padding_mask=k), part=encoder),
            (mt.randn(2, 5, 8), hidden),
            (first, first),
            (mt.randn(3, 5, 8), hidden2),
        ),
        "decoder": lambda: Sample(
            OfSeveral(lambda part, x, y: part(x, y), part=nn.TransformerDecoderLayer(8, 2, 16)),
            (seq, mem),
            (long, {0: "s", 1: "n"}),
            (seq2, mem2),
        ),
        "LSTM with states": lambda: Sample(
            OfSeveral(lambda part, x, h, c: part(x, (h, c)), part=nn.LSTM(8, 6, batch_first=True)),
            (mt.randn(2, 5, 8), mt.randn(1, 2, 6), mt.randn(1, 2, 6)),
            (wide, {1: "n"}, {1: "n"}),
            (mt.randn(3, 4, 8), mt.randn(1, 3, 6), mt.randn(1, 3, 6)),
        ),
        "Bilinear": lambda: Sample(
            OfSeveral(lambda part, x, y: part(x, y), part=nn.Bilinear(4, 3, 2)),
            (mt.randn(2, 4), mt.randn(2, 3)),
            (first, first),
            (mt.randn(3, 4), mt.randn(3, 3)),
        ),
        "gather": lambda: Sample(
            OfSeveral(lambda part, x, i: x.gather(1, i)),
            (mt.randn(2, 5), mt.randint(0, 5, (2, 3))),
            (first, first),
            (mt.randn(3, 5), mt.randint(0, 5, (3, 3))),
        ),
        "scatter": lambda: Sample(
            OfSeveral(lambda part, x, i: mt.zeros(x.shape[0], 5).scatter(1, i, x)),
            (mt.randn(2, 3), mt.tensor([[0, 1, 2], [4, 2, 1]])),
            (first, first),
            (mt.randn(1, 3), mt.tensor([[3, 0, 4]])),
        ),
        "scatter_add": lambda: Sample(
            OfSeveral(lambda part, x, i: mt.zeros(x.shape[0], 5).scatter_add(1, i, x)),
            (mt.randn(2, 3), mt.randint(0, 5, (2, 3))),
            (first, first),
            (mt.randn(3, 3), mt.randint(0, 5, (3, 3))),
        ),
        "two indices": lambda: Sample(
            OfSeveral(lambda part, x, i: x[i, i]),
            (mt.randn(6, 6, 3), mt.randint(0, 6, (2, 3))),
            ({}, first),
            (mt.randn(6, 6, 3), mt.randint(0, 6, (4, 3))),
        ),
        "masked_fill of a mask": lambda: Sample(
            OfSeveral(lambda part, x, m: (x * 1).masked_fill_(m, -9.0)),
            (mt.randn(2, 5), hidden),
            (first, first),
            (mt.randn(3, 5), hidden2),
        ),
    }
