"""ShuffleNetV2 (Ma et al., 2018): half of the channels pass a block as they are; then all are interleaved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch import nn

from .registry import register_model

__all__ = ["ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]


def _pointwise(inp: int, oup: int) -> list[nn.Module]:
    return [nn.Conv2d(inp, oup, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]


class InvertedResidual(nn.Module):
    """Two branches. At stride 1 each has half of the channels and the first is the identity, else each has all."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride, half = stride, oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp "
                "should be equal to oup // 2 << 1."
            )
        whole = stride > 1
        self.branch1 = nn.Sequential(*(_depthwise(inp, stride) + _pointwise(inp, half) if whole else ()))
        self.branch2 = nn.Sequential(
            *_pointwise(inp if whole else half, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Any) -> Any:
        """(N, inp, H, W) to (N, oup, H/stride, W/stride)."""
        first, second = x.chunk(2, 1) if self.stride == 1 else (self.branch1(x), x)
        return nn.functional.channel_shuffle(minitorch.cat((first, self.branch2(second)), 1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of `stages_repeats` blocks; five numbers of channels: stem, stages, last convolution."""

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        channels, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number, count, width in zip((2, 3, 4), stages_repeats, widths, strict=True):
            rest = (inverted_residual(width, width, 1) for _ in range(1, count))
            setattr(self, f"stage{number}", nn.Sequential(inverted_residual(channels, width, 2), *rest))
            channels = width
        self.conv5 = nn.Sequential(*_pointwise(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


@register_model()
def shufflenet_v2_x0_5(**settings: Any) -> ShuffleNetV2:
    """ShuffleNetV2 with 0.5 times the channels."""
    return ShuffleNetV2([4, 8, 4], [24, 48, 96, 192, 1024], **settings)


@register_model()
def shufflenet_v2_x1_0(**settings: Any) -> ShuffleNetV2:
    """ShuffleNetV2."""
    return ShuffleNetV2([4, 8, 4], [24, 116, 232, 464, 1024], **settings)


@register_model()
def shufflenet_v2_x1_5(**settings: Any) -> ShuffleNetV2:
    """ShuffleNetV2 with 1.5 times the channels."""
    return ShuffleNetV2([4, 8, 4], [24, 176, 352, 704, 1024], **settings)


@register_model()
def shufflenet_v2_x2_0(**settings: Any) -> ShuffleNetV2:
    """ShuffleNetV2 with twice the channels."""
    return ShuffleNetV2([4, 8, 4], [24, 244, 488, 976, 2048], **settings)
