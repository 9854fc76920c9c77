"""The net of airbench94 (Jordan, 2024), which learns CIFAR-10 to 94 % in ten epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minitorch
from minitorch import nn

from .registry import register_model

__all__ = ["Airbench", "airbench94"]


class Scale(nn.Module):
    """Its input times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any) -> Any:
        """`x` times the factor."""
        return x * self.factor

    def extra_repr(self) -> str:
        """The factor."""
        return f"{self.factor:.4g}"


def _dirac(channels: int, width: int) -> nn.Conv2d:
    """A 3x3 convolution whose first outputs are the inputs."""
    conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    with minitorch.no_grad():
        nn.init.dirac_(conv.weight[:channels])
    return conv


def _shift(width: int, momentum: float) -> nn.BatchNorm2d:
    """A batch norm that learns no scale."""
    norm = nn.BatchNorm2d(width, eps=1e-12, momentum=momentum)
    norm.weight.requires_grad_(False)
    return norm


class Airbench(nn.Sequential):
    """A 2x2 layer that `whiten` sets, three groups of two convolutions, a max pool, a linear layer times `scale`.

    A convolution begins as an identity on its first channels (Dirac), the rest of it as PyTorch's. Batch norms have no
    scales to learn. Their biases, which `norm_biases` lists, learn at 64 times the rate in the paper's recipe, the
    whitening layer's for the first three epochs only.
    """

    def __init__(
        self, num_classes: int = 10, widths: Sequence[int] = (64, 256, 256), scale: float = 1 / 9, momentum: float = 0.4
    ) -> None:
        white = nn.Conv2d(3, 24, 2)
        white.weight.requires_grad_(False)
        nn.init.zeros_(white.bias)
        layers: list[nn.Module] = [white, nn.GELU()]
        channels = 24
        for width in widths:
            layers += [_dirac(channels, width), nn.MaxPool2d(2), _shift(width, momentum), nn.GELU()]
            layers += [_dirac(width, width), _shift(width, momentum), nn.GELU()]
            channels = width
        head = nn.Linear(channels, num_classes, bias=False)
        super().__init__(*layers, nn.MaxPool2d(3), nn.Flatten(), head, Scale(scale))

    def whiten(self, images: Any, eps: float = 5e-4) -> None:
        """Set the first layer to the principal directions of the 2x2 patches of `images`, and to their negatives.

        images: (N, 3, H, W), normalised as in training; a few thousand are enough. Patches p have the mean square
        C = mean(p p^T) = V diag(e) V^T; the rows of diag(e + eps)^(-1/2) V^T, those of the largest e first, give
        numbers without correlation and with a mean square of 1. Raises ValueError for other shapes.
        """
        array = np.asarray(images.detach() if isinstance(images, minitorch.Tensor) else images)
        if array.ndim != 4 or array.shape[1] != 3 or not array.shape[0] or min(array.shape[2:]) < 2:
            raise ValueError(f"whiten: `images` must have the shape (N, 3, H, W), but has {array.shape}")
        square, count = np.zeros((12, 12)), 0
        for some in np.array_split(array, -(-len(array) // 500)):
            corners = [some[:, :, i : i - 1 or None, j : j - 1 or None] for i in (0, 1) for j in (0, 1)]
            patches = np.stack(corners, axis=2).astype(np.float64)  # n, channel, corner, h, w
            patches = patches.reshape(len(some), 12, -1).transpose(1, 0, 2).reshape(12, -1)
            square += patches @ patches.T
            count += patches.shape[1]
        values, vectors = np.linalg.eigh(square / count)
        rows = (vectors / np.sqrt(values + eps)).T[::-1].reshape(12, 3, 2, 2)
        white = self[0]
        with minitorch.no_grad():
            white.weight.copy_(minitorch.from_numpy(np.concatenate([rows, -rows])))

    def norm_biases(self) -> list[nn.Parameter]:
        """The biases of the batch norms."""
        return [layer.bias for layer in self if isinstance(layer, nn.BatchNorm2d)]


@register_model()
def airbench94(**settings: Any) -> Airbench:
    """The net of airbench94 for 32x32 images; call `whiten(images)` before training."""
    return Airbench(**settings)
