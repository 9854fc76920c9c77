"""SqueezeNet (Iandola et al., 2016): few channels between convolutions of 1x1 and 3x3 side by side."""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch import nn

from .registry import register_model

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """A 1x1 convolution to `squeeze_planes`; a 1x1 and a 3x3 one of its result, one behind the other in channels."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """(N, inplanes, H, W) to (N, expand1x1_planes + expand3x3_planes, H, W)."""
        x = self.squeeze_activation(self.squeeze(x))
        small, large = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return minitorch.cat([small, large], 1)


# The stem (channels, kernel), then a block (squeezed, half of the expanded channels) or a pool, None.
A, B, C, D = (16, 64), (32, 128), (48, 192), (64, 256)
PLANS: dict[str, tuple] = {
    "1_0": (96, 7, None, A, A, B, None, B, C, C, D, None, D),
    "1_1": (64, 3, None, A, A, None, B, B, None, C, C, D, D),
}


class SqueezeNet(nn.Module):
    """Version "1_0", or "1_1" with a third of the work. Raises ValueError for another."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in PLANS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        channels, kernel, *blocks = PLANS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, 2), nn.ReLU(inplace=True)]
        for block in blocks:
            if block is None:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                squeezed, half = block
                layers.append(Fire(channels, squeezed, half, half))
                channels = 2 * half
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(inplace=True), pool)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """Images (N, 3, H, W) to scores (N, num_classes)."""
        return self.classifier(self.features(x)).flatten(1)


@register_model()
def squeezenet1_0(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.0."""
    return SqueezeNet("1_0", **settings)


@register_model()
def squeezenet1_1(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.1."""
    return SqueezeNet("1_1", **settings)
