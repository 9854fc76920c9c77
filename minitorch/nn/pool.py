"""Pooling layers: the largest or the mean of each window."""

from __future__ import annotations

from typing import Any

from .functional.pool import adaptive_avg_pool_nd, avg_pool_nd, max_pool_nd
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]  # fmt: skip


class _MaxPool(Module):
    """`MaxPool1d`, `MaxPool2d`, `MaxPool3d` but for the rank."""

    rank: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        """The largest of each window, and where it stands if `return_indices`."""
        return max_pool_nd(
            self.rank, input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L) or (C, L); see `MaxPool2d`."""

    rank = 1


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W) or (C, H, W); the stride is the kernel size unless given.

    With `return_indices` also where each stands in its plane, counted flat.

    >>> import minitorch
    >>> minitorch.nn.MaxPool2d(2)(minitorch.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W); see `MaxPool2d`."""

    rank = 3


class _AvgPool(Module):
    """`AvgPool2d` and `AvgPool3d` but for the rank."""

    rank: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        """The mean of each window."""
        return avg_pool_nd(
            self.rank, input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window of (N, C, L) or (C, L); see `AvgPool2d`."""

    rank = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = kernel_size if stride is None else stride
        super().__init__(_single(kernel_size), _single(stride), _single(padding), ceil_mode, count_include_pad)


def _single(value: Any) -> Any:
    """A setting as a tuple of one: how PyTorch's AvgPool1d, alone, shows them."""
    return value if isinstance(value, tuple) else (value,)


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W) or (C, H, W); the stride is the kernel size unless given.

    Padding counts as zeros, or with count_include_pad=False not at all; `divisor_override` divides by another number.
    """

    rank = 2


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see `AvgPool2d`."""

    rank = 3


class _AdaptiveAvgPool(Module):
    """`AdaptiveAvgPool1d`, `AdaptiveAvgPool2d`, `AdaptiveAvgPool3d` but for the rank."""

    rank: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """The means of the parts."""
        return adaptive_avg_pool_nd(self.rank, input, self.output_size)

    def extra_repr(self) -> str:
        """The size of the result."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of `output_size` nearly equal parts of (N, C, L) or (C, L)."""

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of nearly equal parts of (N, C, H, W) or (C, H, W); output_size an int or one per axis, None keeps."""

    rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of nearly equal parts of (N, C, D, H, W) or (C, D, H, W); see `AdaptiveAvgPool2d`."""

    rank = 3
