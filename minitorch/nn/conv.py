"""Convolution layers: one implementation for 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

from . import functional as F
from . import init
from .functional.conv import conv_nd, conv_transpose_nd, padding_sides
from .module import Module, new_parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What all six layers share: settings as one int per axis, weight (K, C/groups, *kernel) and bias (K,)."""

    rank: int
    transposed = False
    bias: Any
    padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, rank = type(self).__name__, self.rank
        if groups <= 0:
            raise ValueError(f"{name}: groups must be a positive integer, but got {groups}")
        for argument, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name}: {argument} must be divisible by groups, but {channels} is not by {groups}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in _tuple(stride, rank)):
                raise ValueError(f"{name}: padding='same' is not supported for strided convolutions")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode must be one of {PADDING_MODES}, but got {padding_mode=!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = _tuple(kernel_size, rank)
        self.stride = _tuple(stride, rank)
        self.padding = padding if isinstance(padding, str) else _tuple(padding, rank)
        self.dilation = _tuple(dilation, rank)
        self.output_padding = _tuple(output_padding, rank)
        self.groups = groups
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = new_parameter(first, second // groups, *self.kernel_size, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_channels, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from [-b, b), b = 1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.array[0].size if len(self.weight.array) else 0
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        """What differs from the defaults."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for setting, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, setting) != (usual,) * self.rank:
                parts.append(f"{setting}={getattr(self, setting)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _tuple(value: Any, rank: int) -> tuple:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * rank


class _ForwardConv(_Conv):
    """`Conv1d`, `Conv2d`, `Conv3d` but for the rank."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any) -> Any:
        """The convolution of `input`."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._ends(), self.padding_mode), 0
        return conv_nd(
            _NAMES[self.rank],
            self.rank,
            input,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
        )

    def _ends(self) -> list[int]:
        """The padding as `F.pad` takes it: the last axis first."""
        sides = padding_sides(_NAMES[self.rank], self.padding, self.kernel_size, self.stride, self.dilation)
        return [side for pair in reversed(sides) for side in pair]


_NAMES = {1: "conv1d", 2: "conv2d", 3: "conv3d"}


class Conv1d(_ForwardConv):
    """Convolution of (N, C, L) or (C, L); see `Conv2d`."""

    rank = 1


class Conv2d(_ForwardConv):
    """Convolution of (N, C, H, W) or (C, H, W) to `out_channels` channels; parameters `weight` and `bias`.

    kernel_size, stride, padding, dilation: an int or one per axis; padding also "same" or "valid". padding_mode:
    "zeros", "reflect", "replicate", "circular". Raises ValueError for channels that `groups` doesn't divide and unknown
    modes.

    >>> from minitorch import nn
    >>> nn.Conv2d(3, 8, 3, padding=1)
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    rank = 2


class Conv3d(_ForwardConv):
    """Convolution of (N, C, D, H, W) or (C, D, H, W); see `Conv2d`."""

    rank = 3


class _TransposedConv(_Conv):
    """`ConvTranspose1d`, `ConvTranspose2d`, `ConvTranspose3d` but for the rank."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {type(self).__name__}, but got {padding_mode!r}'
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The adjoint of the convolution with these settings; `output_size` chooses among the possible sizes."""
        extra = self.output_padding if output_size is None else self._extra(input.array.shape, output_size)
        return conv_transpose_nd(
            _TRANSPOSED[self.rank], self.rank, input, self.weight, self.bias, self.stride, self.padding, extra,
            self.groups, self.dilation,
        )  # fmt: skip

    def _extra(self, shape: tuple, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`. Raises ValueError if none does."""
        wanted = tuple(output_size)[-self.rank :]
        if len(output_size) not in (self.rank, self.rank + 1, self.rank + 2) or len(output_size) > len(shape):
            raise ValueError(
                f"{type(self).__name__}: for input {shape}, output_size must have {self.rank} or {len(shape)} "
                f"elements, but got {tuple(output_size)}"
            )
        least = [
            (i - 1) * s - 2 * p + d * (k - 1) + 1
            for i, s, p, d, k in zip(
                shape[-self.rank :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        for o, low, s in zip(wanted, least, self.stride, strict=True):
            if not low <= o < low + s:
                raise ValueError(
                    f"{type(self).__name__}: requested an output size of {wanted}, but valid sizes range from {least} "
                    f"to {[n + t - 1 for n, t in zip(least, self.stride, strict=True)]} for input {shape}"
                )
        return tuple(o - low for o, low in zip(wanted, least, strict=True))


_TRANSPOSED = {1: "conv_transpose1d", 2: "conv_transpose2d", 3: "conv_transpose3d"}


class ConvTranspose1d(_TransposedConv):
    """The adjoint of a `Conv1d`; see `ConvTranspose2d`."""

    rank = 1


class ConvTranspose2d(_TransposedConv):
    """The adjoint of a `Conv2d`, upsampling by its stride; weight (in_channels, out_channels/groups, kernel, kernel).

    `output_padding`, or `output_size` when called, chooses among the sizes that the convolution maps to the input's.
    """

    rank = 2


class ConvTranspose3d(_TransposedConv):
    """The adjoint of a `Conv3d`; see `ConvTranspose2d`."""

    rank = 3
