"""Residual nets for 32x32 images (He et al., 2015, section 4.2): three stages of 16, 32 and 64 channels.

Where a stage changes size and channels, the input beside a block takes every other pixel and gets channels of zeros
(the paper's option A, which its CIFAR-10 numbers belong to), or goes through a 1x1 convolution (option B).
"""

from __future__ import annotations

from typing import Any

from minitorch import nn

from .registry import register_model
from .resnet import BasicBlock, conv1x1, conv3x3, initialize

__all__ = ["CifarResNet", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"]


class PadShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and half of the new channels of zeros before the old ones, half behind."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) to (N, C + channels, H/stride, W/stride)."""
        before = self.channels // 2
        x = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, before, self.channels - before))

    def extra_repr(self) -> str:
        """The settings."""
        return f"channels={self.channels}, stride={self.stride}"


class CifarResNet(nn.Module):
    """6 n + 2 layers: n blocks in each stage. Raises ValueError for another depth, or a shortcut but "A" and "B".

    Parameters have the names of `ResNet`: conv1, bn1, layer1 to layer3, fc.
    """

    def __init__(self, depth: int, num_classes: int = 10, shortcut: str = "A") -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"CifarResNet: `depth` must be 6 n + 2 for n blocks in a stage, but got {depth}")
        if shortcut not in ("A", "B"):
            raise ValueError(f"CifarResNet: `shortcut` must be 'A' or 'B', but got {shortcut!r}")
        self.conv1 = conv3x3(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        blocks = (depth - 2) // 6
        self.layer1 = self._stage(16, 16, blocks, 1, shortcut)
        self.layer2 = self._stage(16, 32, blocks, 2, shortcut)
        self.layer3 = self._stage(32, 64, blocks, 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        initialize(self)

    def _stage(self, channels: int, width: int, blocks: int, stride: int, shortcut: str) -> nn.Sequential:
        beside: nn.Module | None = None
        if channels != width and shortcut == "A":
            beside = PadShortcut(width - channels, stride)
        elif channels != width:
            beside = nn.Sequential(conv1x1(channels, width, stride), nn.BatchNorm2d(width))
        first = BasicBlock(channels, width, stride, beside)
        return nn.Sequential(first, *(BasicBlock(width, width) for _ in range(1, blocks)))

    def forward(self, x: Any) -> Any:
        """Images (N, 3, 32, 32) to scores (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


@register_model()
def resnet20(**settings: Any) -> CifarResNet:
    """ResNet-20 for 32x32 images."""
    return CifarResNet(20, **settings)


@register_model()
def resnet32(**settings: Any) -> CifarResNet:
    """ResNet-32 for 32x32 images."""
    return CifarResNet(32, **settings)


@register_model()
def resnet44(**settings: Any) -> CifarResNet:
    """ResNet-44 for 32x32 images."""
    return CifarResNet(44, **settings)


@register_model()
def resnet56(**settings: Any) -> CifarResNet:
    """ResNet-56 for 32x32 images."""
    return CifarResNet(56, **settings)


@register_model()
def resnet110(**settings: Any) -> CifarResNet:
    """ResNet-110 for 32x32 images."""
    return CifarResNet(110, **settings)
