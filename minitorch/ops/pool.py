"""Pooling: max is a choice and a gather, average is a weighted sum over windows.

A choice has no gradient; picking by it is linear. So the derivative of max pooling is the adjoint of that gather, a
scatter-add to the chosen pixels, and the derivative of the scatter is the gather again. Unpooling is that scatter,
with a choice made before; fractional pooling is that gather, with windows drawn at random.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..autograd.tape import watch, wrap
from ..geometry import PoolGeometry
from .layout import channels_first, channels_last
from .pointwise import where


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
def pool_scatter(y: np.ndarray, choice: np.ndarray, *, size: tuple, geometry: PoolGeometry | None = None) -> np.ndarray:
    """Zeros of (N, C, *size) with y added at its chosen pixels: the adjoint of pool_gather.

    `geometry` may say in whose windows the choices lie, for a faster way to the same.
    """
    out = kernels.empty((y.shape[0], *size, y.shape[1]), y.dtype)
    if geometry is None:
        kernels.pool_scatter(channels_last(y), channels_last(choice), out)
    else:
        kernels.window_scatter(channels_last(y), channels_last(choice), out, geometry)
    return channels_first(out)


max_pool.flat = pool_gather.flat = True
max_pool.vjp(
    # BEGIN SOLUTION 9.2: x
    x=lambda g, choice, geometry: pool_scatter(g, choice, size=geometry.input_size, geometry=geometry),
    # END SOLUTION
)
pool_gather.vjp(
    # BEGIN SOLUTION 9.2: x
    x=lambda g, choice, x_shape: pool_scatter(g, choice, size=x_shape[2:]),
    # END SOLUTION
)
pool_scatter.vjp(
    # BEGIN SOLUTION 9.2: y
    y=lambda g, choice: pool_gather(g, choice),
    # END SOLUTION
)


def max_pool_with_indices(x: Any, geometry: PoolGeometry) -> tuple[Any, Any]:
    """`max_pool` and the chosen pixels, int64, as PyTorch's return_indices gives them."""
    _, choice = _choose(x.array, geometry)
    places = wrap(choice.astype(np.int64))
    return watch(pool_gather(x, choice), places), places


def unpool(y: Any, choice: np.ndarray, size: tuple) -> Any:
    """Zeros of (N, C, *size) with y put at its chosen pixels; of several for one pixel the last stays.

    Those that were overwritten have no part in the result, so no gradient either. PyTorch, which calls repeated
    indices nondeterministic, gives each of them the whole gradient, which is not the derivative.
    """
    flat = choice.reshape(-1, math.prod(choice.shape[2:]))
    lines, order = np.arange(len(flat))[:, None], np.arange(flat.shape[1])
    writer = np.zeros((len(flat), math.prod(size)), np.int64)
    writer[lines, flat] = order  # NumPy assigns in order: the last of equals stays
    stays = writer[lines, flat] == order
    if not stays.all():
        y = where(stays.reshape(choice.shape), y, 0.0)
    return pool_scatter(y, choice.astype(np.int32), size=size)


def pool_drawn(x: Any, starts: list[np.ndarray], kernel_size: tuple) -> tuple[Any, Any]:
    """The largest of each window of x and where it stands (int64), for windows of one size that each image chose.

    starts: for each axis the first pixel of its windows, (N, C, windows). The first of equals wins, or the last NaN.
    """
    size, rank = x.array.shape[2:], len(kernel_size)
    at = np.zeros((1,) * (2 + 2 * rank), np.int64)  # (N, C, *windows, *kernel_size)
    for axis, (first, k, pixels) in enumerate(zip(starts, kernel_size, size, strict=True)):
        along = first[..., None] + np.arange(k)
        shape = [*first.shape[:2], *(1,) * (2 * rank)]
        shape[2 + axis], shape[2 + rank + axis] = along.shape[2:]
        at = at * pixels + along.reshape(shape)
    at = at.reshape(*at.shape[: 2 + rank], math.prod(kernel_size))
    lines = x.array.shape[:2]
    flat, places = x.array.reshape(*lines, math.prod(size)), at.reshape(*lines, math.prod(at.shape[2:]))
    seen = np.take_along_axis(flat, places, 2).reshape(at.shape)
    nan = np.isnan(seen)
    last_nan = nan.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
    best = np.where(nan.any(-1), last_nan, np.where(nan, -np.inf, seen).argmax(-1))
    choice = np.take_along_axis(at, best[..., None], -1)[..., 0]
    places = wrap(choice)
    return watch(pool_gather(x, choice.astype(np.int32)), places), places


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


def average_of_integers(x: Any, geometry: PoolGeometry, divisors: np.ndarray) -> Any:
    """The sums of int64 over each window, modulo 2^64, divided by the window's divisor; fractions are cut off."""
    one = (1.0,) * math.prod(geometry.output_size)
    high, low = x.array >> 32, x.array & 0xFFFFFFFF  # whose sums float64 holds
    sums = [average.function(v.astype(np.float64), geometry=geometry, scale=one).astype(np.int64) for v in (high, low)]
    total = (sums[0] << 32) + sums[1]
    return wrap(np.sign(total) * np.sign(divisors) * (np.abs(total) // np.abs(divisors)))


average.flat = True
average.vjp(
    # BEGIN SOLUTION 9.3: x
    x=lambda g, geometry, scale: average_transpose(g, geometry=geometry, scale=scale),
    # END SOLUTION
)
average_transpose.vjp(
    # BEGIN SOLUTION 9.3: y
    y=lambda g, geometry, scale: average(g, geometry=geometry, scale=scale),
    # END SOLUTION
)
