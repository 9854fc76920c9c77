"""Max, average and adaptive pooling in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ...geometry import PoolGeometry
from ...ops import pool
from .checks import (
    as_ints,
    as_setting,
    check_operands,
    check_tensor,
    has_batch,
    renamed,
    with_batch,
    without_batch,
)


def _pooled(x: Any, batched: bool, pooling: Callable) -> Any:
    """pooling(x) of images with or without a batch axis."""
    if batched:
        return pooling(x)
    out = pooling(with_batch(x))
    return tuple(map(without_batch, out)) if isinstance(out, tuple) else without_batch(out)


@lru_cache(maxsize=4096, typed=True)
def _max_pool_plan(
    name: str, rank: int, x: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[PoolGeometry, bool]:
    batched = has_batch(name, x, rank)
    kernel = as_ints(name, "kernel_size", kernel, rank)
    stride = kernel if stride in (None, ()) else as_ints(name, "stride", stride, rank)
    padding, dilation = as_ints(name, "padding", padding, rank), as_ints(name, "dilation", dilation, rank)
    try:
        return PoolGeometry.windows(x[-rank:], kernel, stride, padding, dilation, ceil_mode), batched
    except RuntimeError as error:
        raise renamed(name, error, f"input {x}, kernel_size {kernel}") from None


def max_pool_nd(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    """Max pooling of any rank, under the public name of the caller."""
    name = f"max_pool{rank}d"
    geometry, batched = _max_pool_plan(
        name, rank, check_tensor(name, x).array.shape, as_setting(name, "kernel_size", kernel),
        as_setting(name, "stride", stride),
        as_setting(name, "padding", padding), as_setting(name, "dilation", dilation), ceil_mode,
    )  # fmt: skip
    if indices:
        return _pooled(x, batched, lambda x: pool.max_pool_with_indices(x, geometry))
    if batched:
        return pool.max_pool(x, geometry=geometry)
    return without_batch(pool.max_pool(with_batch(x), geometry=geometry))


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, L) or (C, L); see `max_pool2d`."""
    return max_pool_nd(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding never wins. With `return_indices` also where each stands in its plane, counted flat (int64). The first of
    equals wins, and NaN before everything. Raises RuntimeError where no window fits, or padding exceeds half a window.
    """
    return max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`."""
    return max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _with_indices(rank: int) -> Callable:
    def max_pool_with_indices(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = True,
    ) -> tuple[Any, Any]:  # fmt: skip
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
    if divisor == 0:
        raise RuntimeError(f"{name}: `divisor_override` must not be zero")
    return geometry, tuple(1 / d for d in geometry.divisors(include, divisor)), batched


def avg_pool_nd(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Any:
    """Average pooling of any rank, under the public name of the caller."""
    name = f"avg_pool{rank}d"
    check_operands(name, x)
    geometry, scale, batched = _avg_pool_plan(
        name, rank, x.array.shape, as_setting(name, "kernel_size", kernel), as_setting(name, "stride", stride),
        as_setting(name, "padding", padding), ceil_mode, include, divisor,
    )  # fmt: skip
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, L) or (C, L); see `avg_pool2d`."""
    return avg_pool_nd(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding counts as zeros, or with count_include_pad=False not at all; `divisor_override` divides by another number.
    Raises RuntimeError where no window fits, or padding exceeds half a window.
    """
    return avg_pool_nd(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`."""
    return avg_pool_nd(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@lru_cache(maxsize=4096, typed=True)
def _adaptive_plan(name: str, rank: int, x: tuple, output_size: Any) -> tuple[PoolGeometry, tuple, bool]:
    batched = has_batch(name, x, rank)
    wanted = output_size if isinstance(output_size, tuple) else (output_size,) * rank
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


def adaptive_avg_pool_nd(rank: int, x: Any, output_size: Any) -> Any:
    """Adaptive average pooling of any rank."""
    name = f"adaptive_avg_pool{rank}d"
    check_operands(name, x)
    geometry, scale, batched = _adaptive_plan(
        name, rank, x.array.shape, tuple(output_size) if isinstance(output_size, list) else output_size
    )
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


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
