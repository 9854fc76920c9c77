"""Pooling: max is a choice and a gather, average is a weighted sum over windows.

A choice has no gradient; picking by it is linear. So the derivative of max pooling is the adjoint of that gather, a
scatter-add to the chosen pixels, and the derivative of the scatter is the gather again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..autograd.tape import wrap
from ..geometry import PoolGeometry
from .layout import channels_first, channels_last


def _choose(x: np.ndarray, geometry: PoolGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window, and where it stands in the flattened image (int32)."""
    shape = (x.shape[0], *geometry.output_size, x.shape[1])
    out, choice = kernels.empty(shape, x.dtype), kernels.empty(shape, np.int32)
    kernels.max_pool(channels_last(x), out, choice, geometry)
    return channels_first(out), channels_first(choice)


@primitive(residuals="choice")
def max_pool(x: np.ndarray, *, geometry: PoolGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window of x (N, C, *input_size): the first of equals, or the last NaN."""
    return _choose(x, geometry)


@primitive
def pool_gather(x: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """out[n, c, o] = x[n, c, choice[n, c, o]], with the pixels of x counted flat."""
    out = kernels.empty(channels_last(choice).shape, x.dtype)
    kernels.pool_gather(channels_last(x), channels_last(choice), out)
    return channels_first(out)


@primitive
def pool_scatter(y: np.ndarray, choice: np.ndarray, *, size: tuple) -> np.ndarray:
    """Zeros of (N, C, *size) with y added at its chosen pixels: the adjoint of pool_gather."""
    out = kernels.empty((y.shape[0], *size, y.shape[1]), y.dtype)
    kernels.pool_scatter(channels_last(y), channels_last(choice), out)
    return channels_first(out)


max_pool.vjp(x=lambda g, choice, geometry: pool_scatter(g, choice, size=geometry.input_size))
pool_gather.vjp(x=lambda g, choice, x_shape: pool_scatter(g, choice, size=x_shape[2:]))
pool_scatter.vjp(y=lambda g, choice: pool_gather(g, choice))


def max_pool_with_indices(x: Any, geometry: PoolGeometry) -> tuple[Any, Any]:
    """`max_pool` and the chosen pixels, int64, as PyTorch's return_indices gives them."""
    _, choice = _choose(x.array, geometry)
    return pool_gather(x, choice), wrap(choice.astype(np.int64))


@primitive
def average(x: np.ndarray, *, geometry: PoolGeometry, scale: tuple) -> np.ndarray:
    """The sum over each window of x (N, C, *input_size), times the window's `scale`."""
    out = kernels.empty((x.shape[0], *geometry.output_size, x.shape[1]), x.dtype)
    kernels.window_sum(channels_last(x), np.array(scale, x.dtype), out, geometry)
    return channels_first(out)


@primitive
def average_transpose(y: np.ndarray, *, geometry: PoolGeometry, scale: tuple) -> np.ndarray:
    """Every pixel collects y times `scale` from the windows that hold it: the adjoint of average."""
    out = kernels.empty((y.shape[0], *geometry.input_size, y.shape[1]), y.dtype)
    kernels.window_spread(channels_last(y), np.array(scale, y.dtype), out, geometry)
    return channels_first(out)


average.vjp(x=lambda g, geometry, scale: average_transpose(g, geometry=geometry, scale=scale))
average_transpose.vjp(y=lambda g, geometry, scale: average(g, geometry=geometry, scale=scale))
