"""Pooling layers: the largest, the mean or the norm of each window; and the way back."""

from __future__ import annotations

from typing import Any

from .functional.pool import (
    adaptive_avg_pool_nd,
    adaptive_max_pool_nd,
    avg_pool_nd,
    fractional_max_pool_nd,
    lp_pool_nd,
    max_pool_nd,
    max_unpool_nd,
)
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


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
        """The largest of each window, and its position if `return_indices`."""
        return max_pool_nd(
            self.rank,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

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

    With `return_indices` also the position of each in its plane, counted flat.

    >>> import minitorch
    >>> minitorch.nn.MaxPool2d(2)(minitorch.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W); see `MaxPool2d`."""

    rank = 3


def _tupled(value: Any, rank: int) -> tuple:
    """A setting as a tuple of one entry per axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * rank


class _MaxUnpool(Module):
    """`MaxUnpool1d`, `MaxUnpool2d`, `MaxUnpool3d` but for the rank."""

    rank: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _tupled(kernel_size, self.rank)
        self.stride = _tupled(kernel_size if stride is None else stride, self.rank)
        self.padding = _tupled(padding, self.rank)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Zeros, and `input` at `indices`; `output_size` chooses among the sizes that pool to that of `input`."""
        return max_unpool_nd(
            self.rank,
            input,
            indices,
            self.kernel_size,
            self.stride,
            self.padding,
            None if output_size is None else list(output_size),
        )

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts what `MaxPool1d` took from (N, C, L) or (C, L) back in its place; see `MaxUnpool2d`."""

    rank = 1


class MaxUnpool2d(_MaxUnpool):
    """Puts what `MaxPool2d(..., return_indices=True)` took from (N, C, H, W) or (C, H, W) back in its place, else 0.

    >>> import minitorch
    >>> x = minitorch.arange(16.0).reshape(1, 4, 4)
    >>> out, indices = minitorch.nn.MaxPool2d(2, return_indices=True)(x)
    >>> minitorch.nn.MaxUnpool2d(2)(out, indices)
    tensor([[[ 0.,  0.,  0.,  0.],
             [ 0.,  5.,  0.,  7.],
             [ 0.,  0.,  0.,  0.],
             [ 0., 13.,  0., 15.]]])
    """

    rank = 2


class MaxUnpool3d(_MaxUnpool):
    """Puts what `MaxPool3d` took from (N, C, D, H, W) or (C, D, H, W) back in its place; see `MaxUnpool2d`."""

    rank = 3


class _LPPool(Module):
    """`LPPool1d`, `LPPool2d`, `LPPool3d` but for the rank."""

    rank: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Any:
        """The norm of each window."""
        return lp_pool_nd(self.rank, input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The norm and the windows."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, L) or (C, L), p = `norm_type`; see `LPPool2d`."""

    rank = 1


class LPPool2d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, H, W) or (C, H, W), p = `norm_type`.

    For odd p the sum may be negative; its root is nan, as in PyTorch.
    """

    rank = 2


class LPPool3d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, D, H, W) or (C, D, H, W), p = `norm_type`; see `LPPool2d`."""

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
            self.rank,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

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


class _AdaptiveMaxPool(Module):
    """`AdaptiveMaxPool1d`, `AdaptiveMaxPool2d`, `AdaptiveMaxPool3d` but for the rank."""

    rank: int

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Any) -> Any:
        """The largest of each part, and its position if `return_indices`."""
        return adaptive_max_pool_nd(self.rank, input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """The size of the result."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest of each of `output_size` nearly equal parts of (N, C, L) or (C, L)."""

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest of each of nearly equal parts of (N, C, H, W) or (C, H, W); output_size an int or one per axis.

    None keeps an axis. With `return_indices` also the position of each in its plane, counted flat.
    """

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest of each of nearly equal parts of (N, C, D, H, W) or (C, D, H, W); see `AdaptiveMaxPool2d`."""

    rank = 3


class _FractionalMaxPool(Module):
    """`FractionalMaxPool2d` and `FractionalMaxPool3d` but for the rank."""

    rank: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self.kernel_size = _tupled(kernel_size, self.rank)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _tupled(output_size, self.rank)
        self.output_ratio = None if output_ratio is None else _tupled(output_ratio, self.rank)
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"{name}: only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Any) -> Any:
        """The largest of each window, and its position if `return_indices`."""
        return fractional_max_pool_nd(
            self.rank,
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest of windows at random steps of (N, C, H, W) or (C, H, W): shrinks by a factor that is no integer.

    `output_size`, an int or one per axis, or `output_ratio` between 0 and 1; see `functional.fractional_max_pool2d`.
    """

    rank = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest of windows at random steps of (N, C, D, H, W) or (C, D, H, W); see `FractionalMaxPool2d`."""

    rank = 3
