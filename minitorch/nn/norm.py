"""Normalising layers: over the batch, over each sample, over groups of channels, over single ones, across them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import creation, dtypes
from ..autograd.following import step
from ..autograd.tape import wrap
from . import functional as F
from . import init
from .module import Module
from .parameter import new_parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossMapLRN2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
    "SyncBatchNorm",
]


class _Norm(Module):
    """What all normalisations have: a weight of ones and a bias of zeros, or neither, or no bias."""

    weight: Any
    bias: Any

    def _affine_parameters(self, shape: tuple, affine: bool, bias: bool, device: Any, dtype: Any) -> None:
        dtypes.check_device(device)
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, new_parameter(*shape, dtype=dtype) if wanted else None)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


@step("count")
def _count(batches: Any) -> None:
    """One batch more."""
    np.add(batches.array, 1, out=batches.write())


class _BatchNorm(_Norm):
    """`BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d` but for the ranks they take."""

    _since_version_2 = ("num_batches_tracked",)
    ranks: tuple[int, ...]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._affine_parameters((num_features,), affine, bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer("running_mean", creation.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", creation.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", creation.zeros((), dtype=np.int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and `reset_running_stats`."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_rank(self, input: Any) -> None:
        ndim = len(input.outline.shape)
        if ndim not in self.ranks:
            expected = " or ".join(f"{n}D" for n in self.ranks)
            raise ValueError(f"{type(self).__name__}: expected {expected} input (got {ndim}D input)")

    def forward(self, input: Any) -> Any:
        """`input` normalised: by the batch in training or without running statistics, else by these."""
        self._check_rank(input)
        counting = self.training and self.track_running_stats and self.num_batches_tracked is not None
        momentum = 0.0 if self.momentum is None else self.momentum
        if counting and self.momentum is None:  # the plain mean over all batches so far
            momentum = 1 / (self.num_batches_tracked.item() + 1)
        use = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if use else (None, None)
        training = self.training or (mean is None and var is None)
        out = F.batch_norm(input, mean, var, *self._weights(), training, momentum, self.eps)
        if counting:
            _count(self.num_batches_tracked)
        return out

    def extra_repr(self) -> str:
        """All settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see `BatchNorm2d`."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W): every channel to mean 0 and variance 1, then * weight + bias.

    In training by the batch, and `running_mean`, `running_var` follow with weight `momentum` (None: the plain mean over
    all batches); in evaluation by these. Raises ValueError for another rank, and in training for one value per channel.
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); see `BatchNorm2d`."""

    ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes of `process_group` (None: all there are), 2 to 5 axes.

    In evaluation, and where there is one process, as `BatchNorm`. Mean and variance, and backwards the two sums of each
    channel, come from all processes; the gradients for weight and bias are this process's, which
    `DistributedDataParallel` brings together. There is no derivative of its derivative.
    """

    ranks = (2, 3, 4, 5)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def forward(self, input: Any) -> Any:
        """`input` normalised. Raises ValueError in training for one value per channel in all processes together."""
        from .. import distributed
        from ..distributed.shards import current

        shard = current.get()
        alone = not distributed.is_initialized() or distributed.get_world_size(self.process_group) == 1
        if (alone and shard is None) or not (self.training or self.running_mean is None):
            return super().forward(input)
        self._check_rank(input)
        if input.outline.shape[1] != self.num_features:
            raise RuntimeError(f"running_mean should contain {input.outline.shape[1]} elements not {self.num_features}")
        item = (input, self.weight, self.bias)
        return self._together([item])[0] if shard is None else shard.meet(self._together, item)

    def _together(self, items: list) -> list:
        """The results of all micro-shards of this process."""
        from .. import distributed
        from ..distributed.batch_norm import Synchronized, ones_or
        from ..distributed.group import resolve

        group = resolve(self.process_group) if distributed.is_initialized() else None
        xs, ws, bs = ([item[i] for item in items] for i in range(3))
        tensors = (*xs, *ones_or(ws, 1.0, xs[0]), *ones_or(bs, 0.0, xs[0]))
        return list(Synchronized.apply(group, self.eps, self._follow, len(items), *tensors))

    def _follow(self, mean: np.ndarray, variance: np.ndarray, n: float) -> None:
        """Bring the running statistics up to date."""
        if n == 1:
            raise ValueError("Expected more than 1 value per channel when training, in all processes together")
        if not (self.training and self.track_running_stats):
            return
        np.add(self.num_batches_tracked.array, 1, out=self.num_batches_tracked.write())
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        for running, value in ((self.running_mean, mean), (self.running_var, variance * (n / max(n - 1, 1)))):
            memory = running.write()
            memory[...] = (1 - momentum) * memory + momentum * value

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with a layer of this class, of the same tensors, for each batch norm in it."""
        out = module
        if isinstance(module, _BatchNorm) and not isinstance(module, _InstanceNorm):
            settings = (module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            out = cls(module.num_features, *settings, bias=module.bias is not None)
            out._parameters, out._buffers, out.training = module._parameters, module._buffers, module.training
        for name, child in module.named_children():
            out.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return out


class _InstanceNorm(_BatchNorm):
    """`InstanceNorm1d`, `InstanceNorm2d`, `InstanceNorm3d` but for the ranks they take: (C, *size), (N, C, *size)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:
        """`input` normalised: by itself in training or without running statistics, else by these."""
        self._check_rank(input)
        shape = input.outline.shape
        channel = len(shape) - self.ranks[0]
        if shape[channel] != self.num_features:
            message = f"input's size at dim={channel} "
            if self.affine:
                raise ValueError(
                    f"expected {message}to match num_features ({self.num_features}), but got: {shape[channel]}."
                )
            warnings.warn(
                f"{message}does not match num_features. You can silence this warning by not passing in num_features, "
                "which is not used because affine=False",
                stacklevel=3,
            )
        own = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        if not channel:
            input = input.unsqueeze(0)
        out = F.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps
        )
        return out if channel else out.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); see `InstanceNorm2d`."""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W): every channel of every image to mean 0 and variance 1.

    Then * weight + bias if `affine`. With `track_running_stats`, `running_mean` and `running_var` follow in training
    with weight `momentum`, and normalise in evaluation. Raises ValueError for another rank and for images of one pixel;
    for another number of channels ValueError if `affine`, and else it warns.
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm2d`."""

    ranks = (4, 5)


class LayerNorm(_Norm):
    """Every sample to mean 0 and variance 1 over its last axes, of shape `normalized_shape`; then * weight + bias."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self._affine_parameters(shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        """`input` normalised."""
        return F.layer_norm(input, self.normalized_shape, *self._weights(), self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}, bias={self.bias is not None}"


class GroupNorm(_Norm):
    """Each of `num_groups` groups of channels of every sample to mean 0 and variance 1; then * weight + bias."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._affine_parameters((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        """`input` normalised."""
        return F.group_norm(input, self.num_groups, *self._weights(), self.eps)

    def extra_repr(self) -> str:
        """All settings."""
        settings = f"eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, {settings}"


class RMSNorm(_Norm):
    """Every sample over the root of its mean square over its last axes, of shape `normalized_shape`; then * weight.

    eps: None for that of the dtype.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        dtypes.check_device(device)
        self.register_parameter("weight", new_parameter(*shape, dtype=dtype) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """`input` normalised."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Every pixel's channels over (k + alpha times the mean square of `size` neighbouring ones) to the power beta."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """`input` normalised."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """All settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` as Torch had it: over (k + alpha / size times the sum of squares near by) to the power beta.

    Near channel c are those at a distance below p = (size - 1) // 2 + 1 and, for c >= p, the first channel, too, which
    PyTorch counts in.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Any:
        """`input` normalised. Raises ValueError unless it is (N, C, H, W)."""
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        n, c, h, w = input.shape
        reach, channel = (self.size - 1) // 2 + 1, np.arange(c)
        near = np.abs(channel[:, None] - channel) < reach
        near[reach:, :1] = True
        table = near.astype(input.array.dtype) * (self.alpha / self.size)
        squares = (input * input).permute(0, 2, 3, 1).reshape(n * h * w, c)
        scale = (
            F.linear(squares, wrap(table.astype(input.array.dtype))).reshape(n, h, w, c).permute(0, 3, 1, 2) + self.k
        )
        return input * scale**-self.beta
