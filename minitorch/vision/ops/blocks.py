"""A convolution with its norm and activation, squeeze and excitation, stochastic depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minitorch
from minitorch import nn
from minitorch.nn.tuples import _pair

__all__ = ["Conv2dNormActivation", "SqueezeExcitation", "StochasticDepth", "stochastic_depth"]


class Conv2dNormActivation(nn.Sequential):
    """A Conv2d, a norm and an activation, "0", "1", "2"; of norm and activation, None leaves one out.

    padding: None keeps the size of the image at stride 1, for odd kernels. bias: None means: where no norm follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        if padding is None:
            padding = tuple((k - 1) // 2 * d for k, d in zip(_pair(kernel_size), _pair(dilation), strict=True))
        if bias is None:
            bias = norm_layer is None
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Each channel times a factor that two 1x1 convolutions compute of the means of all channels (Hu et al., 2017)."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Any) -> Any:
        """`input`, scaled."""
        factors = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(factors) * input


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Zeros instead of whole samples ("row") or of the whole batch ("batch"), with probability p; the rest / (1 - p).

    Draws from `minitorch.default_generator`, in training only. Raises ValueError for p outside [0, 1], another mode.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0:
        return input
    samples = input.shape[0] if mode == "row" else 1
    kept = minitorch.empty(samples, *(1,) * (input.ndim - 1), dtype=input.dtype).bernoulli_(1 - p)
    return input * (kept if p == 1 else kept / (1 - p))


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer: a residual block is left out now and then (Huang et al., 2016)."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Any) -> Any:
        """`input`, or zeros in its place."""
        return stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, mode={self.mode}"


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of `divisor` nearest to v, `min_value` at least, and never less than 90 % of v."""
    nearest = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * v else nearest
