"""Max, average, Lp, adaptive and fractional pooling, and unpooling, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ... import dtypes
from ...autograd.following import step
from ...autograd.tape import watch
from ...dtypes import FLOATS
from ...geometry import LIMIT, PoolGeometry
from ...ops import pool
from ...ops.activation import relu
from ...ops.dims import whole
from ...ops.index import first_outside
from ...ops.pointwise import absolute, power, sign
from ...random import default_generator
from .checks import (
    as_flag,
    as_ints,
    as_setting,
    check_operands,
    check_tensor,
    has_batch,
    renamed,
    with_batch,
    without_batch,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _pooled(x: Any, batched: bool, pooling: Callable) -> Any:
    """pooling(x) of images with or without a batch axis."""
    if batched:
        return pooling(x)
    out = pooling(with_batch(x))
    return tuple(map(without_batch, out)) if isinstance(out, tuple) else without_batch(out)


def _check_float(name: str, x: Any) -> Any:
    """x itself. Raises TypeError for what is no tensor, NotImplementedError for one that is not floating."""
    if check_tensor(name, x).array.dtype.kind not in FLOATS:
        raise NotImplementedError(f"{name}: `input` must be floating, but is {dtypes.as_dtype(x.array.dtype)}")
    return x


def _check_filled(name: str, x: tuple, first: int) -> None:
    """Only the batch may be empty. Raises RuntimeError."""
    if 0 in x[first:]:
        raise RuntimeError(f"{name}: expected `input` to have non-zero size for non-batch dimensions, but it is {x}")


@lru_cache(maxsize=4096, typed=True)
def _max_pool_plan(
    name: str, rank: int, x: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[PoolGeometry, bool]:
    batched = has_batch(name, x, rank)
    _check_filled(name, x, int(batched))
    as_flag(name, "ceil_mode", ceil_mode)
    kernel = as_ints(name, "kernel_size", kernel, rank)
    stride = kernel if stride in (None, ()) else as_ints(name, "stride", stride, rank)
    padding, dilation = as_ints(name, "padding", padding, rank), as_ints(name, "dilation", dilation, rank)
    for argument, value in (("kernel_size", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        if max(map(abs, value)) > LIMIT:
            raise RuntimeError(f"{name}: `{argument}` cannot be converted to a 32-bit int without overflow: {value}")
    try:
        geometry = PoolGeometry.windows(x[-rank:], kernel, stride, padding, dilation, ceil_mode)
    except RuntimeError as error:
        raise renamed(name, error, f"input {x}, kernel_size {kernel}") from None
    if any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(
            f"{name}: pad should be at most half of kernel size, whatever the dilation, but got pad={padding}, "
            f"kernel_size={kernel}"
        )
    return geometry, batched


@step("max_pool")
def max_pool_nd(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    """Max pooling of any rank, under the public name of the caller."""
    name = f"max_pool{rank}d"
    geometry, batched = _max_pool_plan(
        name,
        rank,
        check_tensor(name, x).outline.shape,
        as_setting(name, "kernel_size", kernel),
        as_setting(name, "stride", stride),
        as_setting(name, "padding", padding),
        as_setting(name, "dilation", dilation),
        ceil_mode,
    )
    if indices:
        return _pooled(x, batched, lambda x: pool.max_pool_with_indices(x, geometry))
    if batched:
        return pool.max_pool(x, geometry=geometry)
    return without_batch(pool.max_pool(with_batch(x), geometry=geometry))


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of input (N, C, L) or (C, L); see `max_pool2d`."""
    return max_pool_nd(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding never wins. With `return_indices` also the position of each in its plane, counted flat (int64). The first of
    equals wins, and NaN before everything. Raises RuntimeError where no window fits, padding exceeds half a kernel, or
    a dilated window sees nothing but padding (kernel 2, dilation 2, padding 1 over one pixel): the largest of nothing
    is -inf at no place. PyTorch answers -inf and an index outside the plane, to which its backward pass writes.
    """
    return max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of input (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`."""
    return max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _with_indices(rank: int) -> Callable:
    def max_pool_with_indices(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = True,
    ) -> tuple[Any, Any]:
        return max_pool_nd(rank, input, kernel_size, stride, padding, dilation, ceil_mode, True)

    max_pool_with_indices.__name__ = max_pool_with_indices.__qualname__ = f"max_pool{rank}d_with_indices"
    max_pool_with_indices.__doc__ = f"`max_pool{rank}d` with return_indices=True."
    return max_pool_with_indices


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_with_indices, (1, 2, 3))


@lru_cache(maxsize=4096, typed=True)
def _avg_pool_plan(
    name: str, rank: int, x: tuple, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> tuple[PoolGeometry, tuple, bool]:
    geometry, batched = _max_pool_plan(name, rank, x, kernel, stride, padding, 1, ceil_mode)
    kernel = as_ints(name, "kernel_size", kernel, rank)
    as_flag(name, "count_include_pad", include)
    if divisor is not None:
        divisor = whole(divisor, "divisor_override")
    if rank == 3 and any(i < k for i, k in zip(x[-3:], kernel, strict=True)):
        raise RuntimeError(f"{name}: input image {x[-3:]} smaller than kernel size {kernel}, without its padding")
    if divisor == 0:
        raise RuntimeError(f"{name}: `divisor_override` must not be zero")
    return geometry, tuple(1 / d for d in geometry.divisors(include, divisor)), batched


@step("avg_pool")
def avg_pool_nd(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Any:
    """Average pooling of any rank, under the public name of the caller."""
    name = f"avg_pool{rank}d"
    whole_numbers = check_tensor(name, x).array.dtype == np.int64
    if not whole_numbers:
        check_operands(name, x)
    geometry, scale, batched = _avg_pool_plan(
        name,
        rank,
        x.array.shape,
        as_setting(name, "kernel_size", kernel),
        as_setting(name, "stride", stride),
        as_setting(name, "padding", padding),
        ceil_mode,
        include,
        divisor,
    )
    if whole_numbers:
        divisors = np.array(geometry.divisors(include, divisor)).astype(np.int64).reshape(geometry.output_size)
        return _pooled(x, batched, lambda x: pool.average_of_integers(x, geometry, divisors))
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of input (N, C, L) or (C, L); see `avg_pool2d`."""
    return avg_pool_nd(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding counts as zeros, or with count_include_pad=False not at all; `divisor_override` divides by another number.
    Means of int64 are cut off to integers. Raises RuntimeError where no window fits, or padding exceeds half a kernel.
    """
    return avg_pool_nd(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of input (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`.

    Here, as in PyTorch, the kernel must fit the input without its padding.
    """
    return avg_pool_nd(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@lru_cache(maxsize=4096, typed=True)
def _adaptive_plan(name: str, rank: int, x: tuple, output_size: Any) -> tuple[PoolGeometry, tuple, bool]:
    if isinstance(output_size, tuple) and rank > 1 and len(x) <= len(output_size):
        raise ValueError(f"{name}: Input dimension should be at least {len(output_size) + 1}, but `input` is {x}")
    batched = has_batch(name, x, rank)
    wanted = output_size if isinstance(output_size, tuple) else (output_size,) * rank
    if output_size is None or rank == 1 and None in wanted:
        raise TypeError(f"{name}: `output_size` must be an int or a tuple of {rank}, but got {output_size!r}")
    if any(type(n) is float or isinstance(n, str) for n in wanted):
        raise TypeError(f"{name}: `output_size` must be an int or a tuple of {rank}, but got {output_size!r}")
    if len(wanted) != rank:
        raise RuntimeError(
            f"{name}: `output_size` must be an int or a tuple of {rank}, but got {output_size!r}; input {x}"
        )
    sizes = tuple(i if o is None else o for i, o in zip(x[-rank:], wanted, strict=True))
    try:
        geometry = PoolGeometry.adaptive(x[-rank:], as_ints(name, "output_size", sizes, rank))
    except RuntimeError as error:
        raise renamed(name, error, f"input {x}") from None
    return geometry, tuple(1 / d for d in geometry.divisors()), batched


@step("adaptive_avg_pool")
def adaptive_avg_pool_nd(rank: int, x: Any, output_size: Any) -> Any:
    """Adaptive average pooling of any rank."""
    name = f"adaptive_avg_pool{rank}d"
    check_operands(name, x)
    geometry, scale, batched = _adaptive_plan(
        name, rank, x.array.shape, tuple(output_size) if isinstance(output_size, list) else output_size
    )
    if rank == 3 and (
        0 in x.array.shape[-3:] or set(geometry.output_size) != {1}
    ):  # no channels: for one pixel, a mean
        _check_filled(name, x.array.shape, 1)
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


@step("adaptive_max_pool")
def adaptive_max_pool_nd(rank: int, x: Any, output_size: Any, indices: bool) -> Any:
    """Adaptive max pooling of any rank."""
    name = f"adaptive_max_pool{rank}d"
    shape = _check_float(name, x).array.shape
    output_size = tuple(output_size) if isinstance(output_size, list) else output_size
    geometry, _, batched = _adaptive_plan(name, rank, shape, output_size)
    _check_filled(name, shape, 1)
    if indices:
        return _pooled(x, batched, lambda x: pool.max_pool_with_indices(x, geometry))
    return _pooled(x, batched, lambda x: pool.max_pool(x, geometry=geometry))


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of `output_size` nearly equal parts of input (N, C, L) or (C, L)."""
    return adaptive_avg_pool_nd(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of nearly equal parts of input (N, C, H, W) or (C, H, W); output_size: an int or two, None keeps.

    Part o of O along an axis of I pixels is floor(o I / O) ... ceil((o + 1) I / O) - 1.
    """
    return adaptive_avg_pool_nd(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of nearly equal parts of input (N, C, D, H, W) or (C, D, H, W); see `adaptive_avg_pool2d`."""
    return adaptive_avg_pool_nd(3, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of nearly equal parts of input (N, C, L) or (C, L); see `adaptive_max_pool2d`."""
    return adaptive_max_pool_nd(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of nearly equal parts of input (N, C, H, W) or (C, H, W); with `return_indices` also where.

    output_size: an int or one per axis, None keeps. The parts are those of `adaptive_avg_pool2d`; ties and NaN are
    decided as in `max_pool2d`.
    """
    return adaptive_max_pool_nd(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of nearly equal parts of input (N, C, D, H, W) or (C, D, H, W); see `adaptive_max_pool2d`."""
    return adaptive_max_pool_nd(3, input, output_size, return_indices)


def _adaptive_with_indices(rank: int) -> Callable:
    def adaptive_max_pool_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> tuple[Any, Any]:
        return adaptive_max_pool_nd(rank, input, output_size, True)

    function = adaptive_max_pool_with_indices
    function.__name__ = function.__qualname__ = f"adaptive_max_pool{rank}d_with_indices"
    function.__doc__ = f"`adaptive_max_pool{rank}d` with return_indices=True."
    return function


adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = map(
    _adaptive_with_indices, (1, 2, 3)
)


# ------------------------------------------------------------------------------------------------------------ unpooling


def _unpooled_size(
    name: str, x: tuple, kernel: tuple, stride: tuple, padding: tuple, output_size: Sequence[int] | None
) -> tuple[int, ...]:
    """The size of the image that was pooled: the smallest that has so many whole windows, or `output_size` near it."""
    rank = len(kernel)
    default = tuple((o - 1) * s + k - 2 * p for o, s, k, p in zip(x[-rank:], stride, kernel, padding, strict=True))
    size = default if output_size is None else tuple(map(operator.index, output_size))
    if len(size) not in (rank, rank + 2):
        raise ValueError(
            f"{name}: `output_size` should be a sequence containing {rank} or {rank + 2} elements, but it has a "
            f"length of {len(size)}: {size}"
        )
    size = size[-rank:]
    for axis, (n, d, s) in enumerate(zip(size, default, stride, strict=True)):
        if not d - s < n < d + s:
            raise ValueError(
                f'{name}: invalid output_size "{size}" (dim {axis} must be between {d - s} and {d + s}, both excluded)'
            )
    if min(size) < 0 or math.prod(size) > LIMIT:
        raise ValueError(f"{name}: input {x} would be unpooled to {size}: no size, or more than {LIMIT} pixels")
    return size


@step("max_unpool")
def max_unpool_nd(
    rank: int, x: Any, indices: Any, kernel: Any, stride: Any, padding: Any, output_size: Sequence[int] | None
) -> Any:
    """Unpooling of any rank, under the public name of the caller."""
    name = f"max_unpool{rank}d"
    shape = _check_float(name, x).array.shape
    choice = check_tensor(name, indices, "indices").array
    kernel = as_ints(name, "kernel_size", as_setting(name, "kernel_size", kernel), rank)
    stride = kernel if stride in (None, ()) else as_ints(name, "stride", as_setting(name, "stride", stride), rank)
    padding = as_ints(name, "padding", as_setting(name, "padding", padding), rank)
    if min(stride) < 1:
        raise RuntimeError(f"{name}: strides should be greater than zero, but got stride={stride}")
    size = _unpooled_size(name, shape, kernel, stride, padding, output_size)
    batched = has_batch(name, shape, rank)
    _check_filled(name, shape, 1)
    if choice.dtype != np.int64:
        raise RuntimeError(f"{name}: elements in `indices` should be int64, but are {dtypes.as_dtype(choice.dtype)}")
    if choice.shape != shape:
        raise RuntimeError(f"{name}: expected `indices` of the shape of `input`, {shape}, but got {choice.shape}")
    wrong = first_outside(choice, math.prod(size))
    if wrong is not None:
        raise RuntimeError(f"{name}: found an invalid max index: {wrong} (output volumes are of size {size})")
    if batched:
        return watch(pool.unpool(x, choice, size), indices)
    return without_batch(watch(pool.unpool(with_batch(x), choice[None], size), indices))


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with input (N, C, L) or (C, L) put back where max pooling took it from; see `max_unpool2d`."""
    return max_unpool_nd(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with input (N, C, H, W) or (C, H, W) put back at `indices`, as max_pool2d(..., return_indices=True) gives.

    The settings are those of the pooling; the result is as large as the smallest image that so many whole windows
    cover, or `output_size` (with or without batch and channels), less than one stride away from that. Of several
    elements for one place the last stays, and alone has a gradient (in PyTorch all have). Raises ValueError for an
    impossible size, RuntimeError for indices outside of it, or of another shape or dtype than int64.

    >>> import minitorch
    >>> x = minitorch.tensor([[[1.0, 5.0, 2.0, 3.0]]])
    >>> out, where = minitorch.nn.functional.max_pool1d(x, 2, return_indices=True)
    >>> minitorch.nn.functional.max_unpool1d(out, where, 2)
    tensor([[[0., 5., 0., 3.]]])
    """
    return max_unpool_nd(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Zeros with input (N, C, D, H, W) or (C, D, H, W) put back where max pooling took it from; see `max_unpool2d`."""
    return max_unpool_nd(3, input, indices, kernel_size, stride, padding, output_size)


# ------------------------------------------------------------------------------------------------------- Lp pooling


def lp_pool_nd(rank: int, x: Any, p: float, kernel: Any, stride: Any, ceil_mode: bool) -> Any:
    """Lp pooling of any rank, under the public name of the caller."""
    name = f"lp_pool{rank}d"
    check_operands(name, x)
    kernel, stride = as_setting(name, "kernel_size", kernel), as_setting(name, "stride", stride)
    geometry, scale, batched = _avg_pool_plan(name, rank, x.array.shape, kernel, stride, 0, ceil_mode, True, None)
    if rank == 1 and isinstance(kernel, tuple):
        raise TypeError(f"{name}: `kernel_size` must be an int, but got {kernel!r}")
    pixels = math.prod(as_ints(name, "kernel_size", kernel, rank))
    scale = tuple(s * pixels for s in scale)  # a window cut short by ceil_mode counts as if it were whole
    sums = _pooled(power(x, p), batched, lambda x: pool.average(x, geometry=geometry, scale=scale))
    # sign |sums| is sums, but flat at 0, where the slope of the root is infinite: there the gradient is to be 0.
    return power(sign(sums) * relu(absolute(sums)), 1 / p)


def lp_pool1d(input: Any, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm of each window of input (N, C, L) or (C, L), p = `norm_type`; see `lp_pool2d`."""
    return lp_pool_nd(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """(sum of x^p)^(1/p) over each window of input (N, C, H, W) or (C, H, W), p = `norm_type`.

    As in PyTorch x^p is taken without its sign: an odd p, and windows whose sum is negative, give nan (p = 1 the
    sum). A window that is cut short by `ceil_mode` counts its mean for the missing pixels. The gradient at 0 is 0.
    Raises RuntimeError where no window fits, ZeroDivisionError for p = 0.
    """
    return lp_pool_nd(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm of each window of input (N, C, D, H, W) or (C, D, H, W), p = `norm_type`; see `lp_pool2d`."""
    return lp_pool_nd(3, input, norm_type, kernel_size, stride, ceil_mode)


# ----------------------------------------------------------------------------------------------- fractional pooling


def _drawn_starts(samples: np.ndarray, size: int, kernel: int, outputs: int) -> np.ndarray:
    """The first pixels (N, C, outputs) of windows of `kernel` pixels, from one random number u in [0, 1) each.

    Window o starts at floor(a (o + u)) - floor(a u) with a = (size - kernel) / (outputs - 1), which begins at 0 and
    steps by floor(a) or floor(a) + 1; the last one ends with the image. Computed in the dtype of u, as PyTorch does.
    """
    o, dtype = np.arange(outputs), samples.dtype.type
    a = dtype(size - kernel) / dtype(max(outputs - 1, 1))
    u = samples[..., None]
    starts = ((o.astype(dtype) + u) * a).astype(np.int64) - (u * a).astype(np.int64)
    starts[..., outputs - 1 :] = size - kernel
    return starts


def fractional_max_pool_nd(
    rank: int, x: Any, kernel: Any, output_size: Any, output_ratio: Any, indices: bool, samples: Any
) -> Any:
    """Fractional max pooling of rank 2 or 3, under the public name of the caller."""
    name = f"fractional_max_pool{rank}d"
    shape = _check_float(name, x).array.shape
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    batched = has_batch(name, shape, rank)
    if output_size is None:
        if not isinstance(output_ratio, tuple | list):
            raise TypeError(f"{name}: `output_ratio` must be a tuple of {rank} floats, but got {output_ratio!r}")
        if len(output_ratio) < rank:
            raise IndexError(f"{name}: `output_ratio` must be a tuple of {rank} floats, but got {output_ratio!r}")
        output_size = tuple(int(n * ratio) for n, ratio in zip(shape[-rank:], output_ratio, strict=False))
    kernel = as_ints(name, "kernel_size", as_setting(name, "kernel_size", kernel), rank)
    size = as_ints(name, "output_size", as_setting(name, "output_size", output_size), rank)
    _check_filled(name, shape, 1)
    if min(size) < 0 or min(kernel) < 1:
        raise RuntimeError(f"{name}: sizes must not be negative, but got output_size={size}, kernel_size={kernel}")
    spare = rank == 3  # PyTorch's pixel that stays unused
    if any(o + k - 1 + spare > i for o, k, i in zip(size, kernel, shape[-rank:], strict=True)):
        raise RuntimeError(f"{name}: {size} windows of {kernel} are too large relative to input {shape}")
    lines = shape[:2] if batched else (1, shape[0])
    if samples is None:
        u = default_generator.numpy.random((*lines, rank)).astype(x.array.dtype)
    else:
        u = check_tensor(name, samples, "_random_samples").array
        if u.ndim != 3 or u.shape[0] < lines[0] or u.shape[1:] != (lines[1], rank) or u.dtype != x.array.dtype:
            raise RuntimeError(
                f"{name}: expected `_random_samples` of shape {(*lines, rank)} and the dtype of `input`, "
                f"{dtypes.as_dtype(x.array.dtype)}, but got {u.shape}, {dtypes.as_dtype(u.dtype)}"
            )
        u = u[: lines[0]]
    along = range(rank) if rank == 3 else (1, 0)  # PyTorch's samples are (depth, height, width), but (width, height)
    starts = [_drawn_starts(u[..., a], n, k, o) for a, n, k, o in zip(along, shape[-rank:], kernel, size, strict=True)]
    out = _pooled(x, batched, lambda x: pool.pool_drawn(x, starts, kernel))
    return out if indices else out[0]


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest of windows of `kernel_size`, at steps drawn at random, of input (N, C, H, W) or (C, H, W).

    `output_size`, an int or one per axis, or the share `output_ratio` (a tuple) of the input's size; every channel of
    every image draws its windows from two numbers in [0, 1), `_random_samples` (N, C, 2), or from
    `minitorch.default_generator` (Graham, Fractional Max-Pooling, 2014). With `return_indices` also where each
    stands. Raises ValueError without a size, RuntimeError where the windows do not fit.
    """
    return fractional_max_pool_nd(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest of windows at random steps of input (N, C, D, H, W) or (C, D, H, W); see `fractional_max_pool2d`."""
    return fractional_max_pool_nd(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool2d` with return_indices=True."""
    return fractional_max_pool_nd(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool3d` with return_indices=True."""
    return fractional_max_pool_nd(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
