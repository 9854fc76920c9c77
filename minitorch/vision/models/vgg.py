"""VGG (Simonyan and Zisserman, 2014): 3x3 convolutions and max pools, then three linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch import nn

from .registry import register_model

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

WIDTHS = (64, 128, 256, 512, 512)
# How many convolutions each of these widths has; a max pool follows.
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def make_layers(cfg: Sequence[str | int], batch_norm: bool = False) -> nn.Sequential:
    """Of each number in `cfg` a 3x3 convolution to so many channels with its ReLU, of each "M" a max pool."""
    layers: list[nn.Module] = []
    channels = 3
    for width in cfg:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """`features`, which end in 512 channels, and a classifier on a mean of 7x7 pixels."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        for module in self.modules() if init_weights else ():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _vgg(depth: int, batch_norm: bool, settings: dict) -> VGG:
    cfg: list[str | int] = []
    for width, count in zip(WIDTHS, DEPTHS[depth], strict=True):
        cfg += [*[width] * count, "M"]
    return VGG(make_layers(cfg, batch_norm), **settings)


@register_model()
def vgg11(**settings: Any) -> VGG:
    """VGG with 11 layers."""
    return _vgg(11, False, settings)


@register_model()
def vgg11_bn(**settings: Any) -> VGG:
    """VGG with 11 layers and batch norm."""
    return _vgg(11, True, settings)


@register_model()
def vgg13(**settings: Any) -> VGG:
    """VGG with 13 layers."""
    return _vgg(13, False, settings)


@register_model()
def vgg13_bn(**settings: Any) -> VGG:
    """VGG with 13 layers and batch norm."""
    return _vgg(13, True, settings)


@register_model()
def vgg16(**settings: Any) -> VGG:
    """VGG with 16 layers."""
    return _vgg(16, False, settings)


@register_model()
def vgg16_bn(**settings: Any) -> VGG:
    """VGG with 16 layers and batch norm."""
    return _vgg(16, True, settings)


@register_model()
def vgg19(**settings: Any) -> VGG:
    """VGG with 19 layers."""
    return _vgg(19, False, settings)


@register_model()
def vgg19_bn(**settings: Any) -> VGG:
    """VGG with 19 layers and batch norm."""
    return _vgg(19, True, settings)
