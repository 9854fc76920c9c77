"""MobileNetV3 (Howard et al., 2019): MobileNetV2's blocks with squeeze and excitation and hard swish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from minitorch import nn

from ..ops.blocks import Conv2dNormActivation, SqueezeExcitation, _make_divisible
from .mobilenetv2 import initialize
from .registry import register_model

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

HARD = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """The numbers of one block; channels are multiplied by `width_mult`. activation: "HS" for hard swish, or "RE"."""

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se, self.use_hs = use_se, activation == "HS"
        self.stride, self.dilation = stride, dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """channels * width_mult, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Wider, depthwise, squeeze and excitation, narrow again; the input is added where it fits."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = HARD,
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        wide = cnf.expanded_channels
        active = nn.Hardswish if cnf.use_hs else nn.ReLU
        settings: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": active}
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, kernel_size=1, **settings))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(
            Conv2dNormActivation(wide, wide, cnf.kernel, stride, groups=wide, dilation=cnf.dilation, **settings)
        )
        if cnf.use_se:
            layers.append(se_layer(wide, _make_divisible(wide // 4, 8)))
        layers.append(
            Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None)
        )
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels

    def forward(self, input: Any) -> Any:
        """(N, input_channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        return input + self.block(input) if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """Blocks as `inverted_residual_setting` lists them, and a classifier with one hidden layer of `last_channel`."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        blocks = inverted_residual_setting
        if not blocks:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (isinstance(blocks, Sequence) and all(isinstance(cnf, InvertedResidualConfig) for cnf in blocks)):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block, norm = block or InvertedResidual, norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        first, last = blocks[0].input_channels, blocks[-1].out_channels
        settings: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.Hardswish}
        self.features = nn.Sequential(
            Conv2dNormActivation(3, first, stride=2, **settings),
            *(block(cnf, norm) for cnf in blocks),
            Conv2dNormActivation(last, 6 * last, kernel_size=1, **settings),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(self)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Kernel, channels inside, channels, squeeze and excitation, activation, stride.
LARGE = (
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
)
SMALL = (
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)


def _mobilenet_v3(
    rows: Sequence[tuple],
    hidden: int,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **settings: Any,
) -> MobileNetV3:
    """The rows as blocks. The last three may have half the channels, and dilation in place of their stride."""
    blocks, channels, divide = [], 16, 2 if reduced_tail else 1
    for i, (kernel, wide, out, use_se, activation, stride) in enumerate(rows):
        tail = i >= len(rows) - 3
        if tail:
            out //= divide
            wide //= divide if i > len(rows) - 3 else 1
        dilation = 2 if tail and dilated else 1
        blocks.append(
            InvertedResidualConfig(channels, kernel, wide, out, use_se, activation, stride, dilation, width_mult)
        )
        channels = out
    last_channel = InvertedResidualConfig.adjust_channels(hidden // divide, width_mult)
    return MobileNetV3(blocks, last_channel, **settings)


@register_model()
def mobilenet_v3_large(**settings: Any) -> MobileNetV3:
    """MobileNetV3, large; `width_mult`, `reduced_tail` and `dilated` change its blocks."""
    return _mobilenet_v3(LARGE, 1280, **settings)


@register_model()
def mobilenet_v3_small(**settings: Any) -> MobileNetV3:
    """MobileNetV3, small; `width_mult`, `reduced_tail` and `dilated` change its blocks."""
    return _mobilenet_v3(SMALL, 1024, **settings)
