"""Layers that read their number of input channels or features off the first input they see.

Until then their parameters are `UninitializedParameter`s. The first call fixes the number, gives the parameters their
shapes and initial values, and turns the layer's class into the plain one. An optimizer needs the parameters, so it is
made after that. A state_dict can be loaded before: parameters take its shapes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _ForwardConv,
    _TransposedConv,
)
from .functional.checks import check_tensor, has_batch
from .linear import Linear
from .module import Module
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _BatchNorm,
)
from .parameter import Uninitialized, UninitializedBuffer, UninitializedParameter

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class _Lazy(Module):
    """A layer before its first input. `becomes` is the class after it."""

    becomes: ClassVar[type[Module]]
    weight: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(check_tensor(type(self).__name__, args[0] if args else kwargs.get("input")))
        self.__class__ = self.becomes  # type: ignore[assignment]
        return self(*args, **kwargs)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer still waits for its shape."""
        return any(isinstance(t, Uninitialized) for t in (*self._parameters.values(), *self._buffers.values()))

    def initialize_parameters(self, input: Any) -> None:
        """Read off `input` what was left open, and give all parameters their shapes and initial values."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw initial values, if there are shapes already."""
        if not self.has_uninitialized_params() and (self.weight is None or self.weight.array.size):
            self.becomes.reset_parameters(self)  # type: ignore[attr-defined]

    def _defer(self) -> None:
        """Let all parameters, and buffers of more than one value, wait for their shapes."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                self._parameters[name] = UninitializedParameter(dtype=parameter.dtype)
        for name, buffer in self._buffers.items():
            if buffer is not None and buffer.array.ndim:
                self._buffers[name] = UninitializedBuffer(dtype=buffer.dtype)

    def _materialize(self, *shape: int, **shapes: tuple[int, ...]) -> None:
        """Give what waits its shape (`shape` if none is named) and initial values; what was loaded keeps its own."""
        tensors = {**self._parameters, **self._buffers}
        waiting = {name: t for name, t in tensors.items() if isinstance(t, Uninitialized)}
        if not waiting:
            return
        loaded = [(t, t.array.copy()) for name, t in tensors.items() if t is not None and name not in waiting]
        for name, tensor in waiting.items():
            tensor.materialize(shapes.get(name, shape))
        self.reset_parameters()
        for t, array in loaded:
            t.write()[...] = array


class _LazyConv(_Lazy, _Conv):
    """Any convolution before its first input."""

    def initialize_parameters(self, input: Any) -> None:
        """Take the input channels of the loaded weight, or else of `input`. Raises RuntimeError for another rank."""
        name, shape = type(self).__name__, input.array.shape
        has_batch(name, shape, self.rank)
        channels = shape[-self.rank - 1]
        if not isinstance(self.weight, Uninitialized):
            first, second = self.weight.array.shape[:2]
            channels = first if self.transposed else second * self.groups
        self._check_channels("in_channels", channels, self.groups)
        self.in_channels = channels
        self._materialize(self.out_channels, weight=self._weight_shape())


class _LazyForward(_LazyConv, _ForwardConv):
    def __init__(
        self,
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
            0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self._defer()


class _LazyTransposed(_LazyConv, _TransposedConv):
    def __init__(
        self,
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
            0,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._defer()


class LazyConv1d(_LazyForward, Conv1d):
    """A `Conv1d` whose `in_channels` is that of its first input."""

    becomes = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """A `Conv2d` whose `in_channels` is that of its first input.

    >>> import minitorch
    >>> layer = minitorch.nn.LazyConv2d(8, 3)
    >>> layer, layer.weight
    (LazyConv2d(0, 8, kernel_size=(3, 3), stride=(1, 1)), <UninitializedParameter>)
    >>> layer(minitorch.ones(1, 5, 4, 4)).shape
    minitorch.Size([1, 8, 2, 2])
    >>> layer
    Conv2d(5, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    becomes = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """A `Conv3d` whose `in_channels` is that of its first input."""

    becomes = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of its first input."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of its first input."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of its first input."""

    becomes = ConvTranspose3d


class LazyLinear(_Lazy, Linear):
    """A `Linear` whose `in_features` is the last size of its first input."""

    becomes = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._defer()

    def initialize_parameters(self, input: Any) -> None:
        """Take the features of the loaded weight, or else of `input`. Raises RuntimeError for a scalar."""
        if not input.array.ndim:
            raise RuntimeError("LazyLinear: expected `input` of at least 1 dimension (..., in_features), but got ()")
        loaded = not isinstance(self.weight, Uninitialized)
        self.in_features = (self.weight if loaded else input).array.shape[-1]
        self._materialize(self.out_features, weight=(self.out_features, self.in_features))


class _LazyBatchNorm(_Lazy, _BatchNorm):
    """Any batch or instance normalisation before its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._defer()

    def _channel_axis(self, input: Any) -> int:
        return 1

    def initialize_parameters(self, input: Any) -> None:
        """Take the channels of what was loaded, or else of `input`. Raises ValueError for another rank."""
        self._check_rank(input)
        vectors = (self.weight, self.bias, self.running_mean, self.running_var)
        loaded = [t for t in vectors if t is not None and not isinstance(t, Uninitialized)]
        self.num_features = loaded[0].array.size if loaded else input.array.shape[self._channel_axis(input)]
        self._materialize(self.num_features)


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A `BatchNorm1d` whose `num_features` is the number of channels of its first input."""

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A `BatchNorm2d` whose `num_features` is the number of channels of its first input."""

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A `BatchNorm3d` whose `num_features` is the number of channels of its first input."""

    becomes = BatchNorm3d


class _LazyInstanceNorm(_LazyBatchNorm):
    def _channel_axis(self, input: Any) -> int:
        return input.array.ndim - self.ranks[0]


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An `InstanceNorm1d` whose `num_features` is the number of channels of its first input."""

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An `InstanceNorm2d` whose `num_features` is the number of channels of its first input."""

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An `InstanceNorm3d` whose `num_features` is the number of channels of its first input."""

    becomes = InstanceNorm3d
