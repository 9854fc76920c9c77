"""EfficientNet (Tan and Le, 2019): depth and width grow together from B0 to B7."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from minitorch import nn

from ..ops.blocks import Conv2dNormActivation, SqueezeExcitation, StochasticDepth, _make_divisible
from .registry import register_model

__all__ = ["EfficientNet", *(f"efficientnet_b{i}" for i in range(8))]


class MBConvConfig:
    """A stage of MBConv blocks: its channels are multiplied by `width_mult`, its blocks by `depth_mult`."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        self.expand_ratio, self.kernel, self.stride = expand_ratio, kernel, stride
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.num_layers = math.ceil(num_layers * depth_mult)
        self.block = block or MBConv

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """channels * width_mult, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConv(nn.Module):
    """MobileNetV2's block with squeeze and excitation, and stochastic depth where the input is added."""

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError("illegal stride value")
        self.use_res_connect = stride == 1 and channels == width
        wide = MBConvConfig.adjust_channels(channels, cnf.expand_ratio)
        settings: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = []
        if wide != channels:
            layers.append(Conv2dNormActivation(channels, wide, kernel_size=1, **settings))
        layers += [
            Conv2dNormActivation(wide, wide, cnf.kernel, stride, groups=wide, **settings),
            se_layer(wide, max(1, channels // 4), activation=partial(nn.SiLU, inplace=True)),
            Conv2dNormActivation(wide, width, kernel_size=1, norm_layer=norm_layer, activation_layer=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = width

    def forward(self, input: Any) -> Any:
        """(N, channels, H, W) to (N, width, H/stride, W/stride)."""
        out = self.block(input)
        return self.stochastic_depth(out) + input if self.use_res_connect else out


class EfficientNet(nn.Module):
    """Stages as `inverted_residual_setting` lists them; blocks are left out more often the deeper they stand."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        stages, norm = inverted_residual_setting, norm_layer or nn.BatchNorm2d
        if not stages:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (isinstance(stages, Sequence) and all(isinstance(cnf, MBConvConfig) for cnf in stages)):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        settings: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = [Conv2dNormActivation(3, stages[0].input_channels, stride=2, **settings)]
        total, number = sum(cnf.num_layers for cnf in stages), 0
        for cnf in stages:
            stage, channels, stride = [], cnf.input_channels, cnf.stride
            for _ in range(cnf.num_layers):
                depth = stochastic_depth_prob * number / total
                stage.append(cnf.block(channels, cnf.out_channels, stride, cnf, depth, norm))
                channels, stride, number = cnf.out_channels, 1, number + 1
            layers.append(nn.Sequential(*stage))
        channels = stages[-1].out_channels
        last = last_channel or 4 * channels
        layers.append(Conv2dNormActivation(channels, last, kernel_size=1, **settings))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# How many times wider inside, kernel, stride, channels before, channels, blocks.
STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


def _efficientnet(width_mult: float, depth_mult: float, dropout: float, settings: dict) -> EfficientNet:
    """The stages at this width and depth; the largest nets have a norm with other settings."""
    if width_mult > 1.4:
        settings = {"norm_layer": partial(nn.BatchNorm2d, eps=0.001, momentum=0.01), **settings}
    stages = [MBConvConfig(*row, width_mult=width_mult, depth_mult=depth_mult) for row in STAGES]
    return EfficientNet(stages, **{"dropout": dropout, **settings})


@register_model()
def efficientnet_b0(**settings: Any) -> EfficientNet:
    """EfficientNet-B0."""
    return _efficientnet(1.0, 1.0, 0.2, settings)


@register_model()
def efficientnet_b1(**settings: Any) -> EfficientNet:
    """EfficientNet-B1."""
    return _efficientnet(1.0, 1.1, 0.2, settings)


@register_model()
def efficientnet_b2(**settings: Any) -> EfficientNet:
    """EfficientNet-B2."""
    return _efficientnet(1.1, 1.2, 0.3, settings)


@register_model()
def efficientnet_b3(**settings: Any) -> EfficientNet:
    """EfficientNet-B3."""
    return _efficientnet(1.2, 1.4, 0.3, settings)


@register_model()
def efficientnet_b4(**settings: Any) -> EfficientNet:
    """EfficientNet-B4."""
    return _efficientnet(1.4, 1.8, 0.4, settings)


@register_model()
def efficientnet_b5(**settings: Any) -> EfficientNet:
    """EfficientNet-B5."""
    return _efficientnet(1.6, 2.2, 0.4, settings)


@register_model()
def efficientnet_b6(**settings: Any) -> EfficientNet:
    """EfficientNet-B6."""
    return _efficientnet(1.8, 2.6, 0.5, settings)


@register_model()
def efficientnet_b7(**settings: Any) -> EfficientNet:
    """EfficientNet-B7."""
    return _efficientnet(2.0, 3.1, 0.5, settings)
