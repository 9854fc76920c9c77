"""MobileNetV2 (Sandler et al., 2018): depthwise convolutions between narrow layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minitorch import nn

from ..ops.blocks import Conv2dNormActivation, _make_divisible
from .registry import register_model

__all__ = ["MobileNetV2", "mobilenet_v2"]

# Of each stage: how many times wider inside, channels, blocks, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """Wider by a 1x1 convolution, a depthwise 3x3, narrow again by a linear 1x1; the input is added where it fits."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Callable[..., nn.Module] | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = norm_layer or nn.BatchNorm2d
        wide = round(inp * expand_ratio)
        settings: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, wide, kernel_size=1, **settings))
        layers.append(Conv2dNormActivation(wide, wide, stride=stride, groups=wide, **settings))
        layers += [nn.Conv2d(wide, oup, 1, bias=False), norm(oup)]
        self.conv = nn.Sequential(*layers)
        self.stride, self.out_channels = stride, oup
        self.use_res_connect = stride == 1 and inp == oup

    def forward(self, x: Any) -> Any:
        """(N, inp, H, W) to (N, oup, H/stride, W/stride)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Stages of InvertedResiduals.

    width_mult: all channels times this, to multiples of `round_nearest`. inverted_residual_setting: other `STAGES`.
    block, norm_layer: other classes. Raises ValueError for stages without four numbers.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        stages = STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or len(stages[0]) != 4:
            raise ValueError(f"inverted_residual_setting should be non-empty or a 4-element list, got {stages}")
        settings: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.ReLU6}
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, **settings)]
        for ratio, planes, count, stride in stages:
            width = _make_divisible(planes * width_mult, round_nearest)
            for i in range(count):
                layers.append(block(channels, width, 1 if i else stride, expand_ratio=ratio, norm_layer=norm))
                channels = width
        layers.append(Conv2dNormActivation(channels, self.last_channel, kernel_size=1, **settings))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        initialize(self)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def initialize(model: nn.Module) -> None:
    """Convolutions keep the variance of the gradients, norms begin as identities, linear layers small."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@register_model()
def mobilenet_v2(**settings: Any) -> MobileNetV2:
    """MobileNetV2."""
    return MobileNetV2(**settings)
