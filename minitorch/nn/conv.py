"""Convolution layers: one implementation for 1, 2 and 3 dimensions."""

from __future__ import annotations

from typing import Any

from . import functional as F
from . import init
from .functional.checks import check_tensor
from .functional.conv import conv_nd, conv_transpose_nd, padding_sides
from .module import Module
from .parameter import new_parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")


class _Conv(Module):
    """What all six layers share: settings as one int per axis, weight (K, C/groups, *kernel) and bias (K,)."""

    rank: int
    transposed = False
    weight: Any
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
        self._check_channels("in_channels", in_channels, groups)
        self._check_channels("out_channels", out_channels, groups)
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: Invalid padding string {padding!r}, should be one of 'same', 'valid'")
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
        self.weight = new_parameter(*self._weight_shape(), device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def _check_channels(self, argument: str, channels: int, groups: int) -> None:
        if channels % groups:
            raise ValueError(
                f"{type(self).__name__}: {argument} must be divisible by groups, but {channels} is not by {groups}"
            )

    def _weight_shape(self) -> tuple[int, ...]:
        """(K, C/groups, *kernel): K is the number of output channels, of input channels if transposed."""
        k, c = self.out_channels, self.in_channels
        first, second = (c, k) if self.transposed else (k, c)
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from [-sqrt(k), sqrt(k)): 1/k values of the weight stand in weight[0].

        That is k = groups / (in_channels * prod(kernel_size)), and for a transposed convolution
        k = groups / (out_channels * prod(kernel_size)).
        """
        if self.weight.array.size:
            bound = self.weight.array[0].size ** -0.5
            init.uniform_(self.weight, -bound, bound)
            if self.bias is not None:
                init.uniform_(self.bias, -bound, bound)

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
    if not isinstance(value, list | tuple):
        return (value,) * rank
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)


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
        name, padding = f"conv{self.rank}d", self.padding
        if self.padding_mode != "zeros":
            size = check_tensor(name, input).array.shape[-self.rank :]
            sides = padding_sides(name, padding, size, self.kernel_size, self.stride, self.dilation)
            input, padding = F.pad(input, [side for pair in reversed(sides) for side in pair], self.padding_mode), 0
        return conv_nd(name, self.rank, input, *self._weights(), self.stride, padding, self.dilation, self.groups)


class Conv1d(_ForwardConv):
    """Convolution of (N, C, L) or (C, L); see `Conv2d`."""

    rank = 1


class Conv2d(_ForwardConv):
    """Convolution of (N, C, H, W) or (C, H, W) to `out_channels` channels; parameters `weight` and `bias`.

    kernel_size, stride, padding, dilation: an int or one per axis; padding also "same" or "valid". padding_mode:
    "zeros", "reflect", "replicate", "circular". weight is (out_channels, in_channels/groups, *kernel_size); it and the
    bias are drawn from U(-sqrt(k), sqrt(k)), k = groups / (in_channels * prod(kernel_size)).

    Not PyTorch's: padding "same" with a stride, giving ceil(size / stride) pixels; padding ((1, 2), (0, 1)), before and
    after each axis; padding_mode "symmetric", a reflection that repeats the edge.

    Raises ValueError for channels that `groups` doesn't divide and unknown modes, RuntimeError for a device other than
    "cpu", and when called, what `F.conv2d` and `F.pad` raise.

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
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The adjoint of the convolution with these settings; `output_size` chooses among the possible sizes.

        output_size: the spatial sizes, or the whole shape; only the spatial sizes matter. Raises ValueError, naming the
        allowed range, for one that the convolution would not map to the input's size.
        """
        name = f"conv_transpose{self.rank}d"
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(check_tensor(name, input).array.shape, output_size)
        return conv_transpose_nd(
            name,
            self.rank,
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
            self.padding_mode,
        )

    def _extra(self, shape: tuple, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`: one of `stride` neighbouring sizes. Raises ValueError."""
        name, rank = type(self).__name__, self.rank
        wanted = tuple(output_size)
        if len(wanted) not in (rank, len(shape)):
            raise ValueError(
                f"{name}: for input {shape}, output_size must have {rank} or {len(shape)} elements, but got {wanted}"
            )
        wanted, size = wanted[-rank:], shape[-rank:]
        same = self.padding == "same"
        if same:
            usual = [n * s for n, s in zip(size, self.stride, strict=True)]
            least = [n - s + 1 for n, s in zip(usual, self.stride, strict=True)]
        else:
            sides = padding_sides(name, self.padding, size, self.kernel_size, self.stride, self.dilation)
            usual = least = [
                (n - 1) * s - sum(p) + d * (k - 1) + 1
                for n, s, p, d, k in zip(size, self.stride, sides, self.dilation, self.kernel_size, strict=True)
            ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not low <= n <= high for n, low, high in zip(wanted, least, most, strict=True)):
            raise ValueError(
                f"{name}: requested an output size of {wanted}, but valid sizes range from {least} to {most} for input "
                f"{shape}"
            )
        return tuple(n - u for n, u in zip(wanted, usual, strict=True))


class ConvTranspose1d(_TransposedConv):
    """The adjoint of a `Conv1d`; see `ConvTranspose2d`."""

    rank = 1


class ConvTranspose2d(_TransposedConv):
    """The adjoint of a `Conv2d`, upsampling by its stride; weight (in_channels, out_channels/groups, *kernel_size).

    `output_padding`, or `output_size` when called, chooses among the sizes that the convolution maps to the input's.
    weight and bias are drawn from U(-sqrt(k), sqrt(k)), k = groups / (out_channels * prod(kernel_size)).

    Not PyTorch's: padding "same", giving size * stride pixels; padding ((1, 2), (0, 1)), before and after each axis; a
    `padding_mode` other than "zeros". A convolution with padding mode P is x -> conv(P x), where P puts the border
    around x; this layer is its adjoint, y -> P^T conv_transpose(y): the transposed convolution without padding, whose
    outermost pixels are then not cut off but added to those that they are copies of.

    >>> import minitorch
    >>> down = minitorch.nn.Conv2d(1, 4, 3, stride=2, padding=1)
    >>> up = minitorch.nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1)
    >>> x = minitorch.ones(1, 1, 12, 12)
    >>> up(down(x)).shape, up(down(x), output_size=x.shape).shape
    (minitorch.Size([1, 1, 11, 11]), minitorch.Size([1, 1, 12, 12]))
    """

    rank = 2


class ConvTranspose3d(_TransposedConv):
    """The adjoint of a `Conv3d`; see `ConvTranspose2d`."""

    rank = 3
