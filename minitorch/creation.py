"""New tensors: constant, ranged, random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .autograd.tape import wrap
from .ops.dims import sizes
from .random import Generator, check_probability, numpy_generator


def _finish(array: np.ndarray, requires_grad: bool) -> Any:
    out = wrap(array)
    return out.requires_grad_() if requires_grad else out


def _dtype(dtype: Any, device: Any = None) -> np.dtype:
    dtypes.check_device(device)
    return (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy


def _shape(size: tuple) -> tuple[int, ...]:
    shape = sizes(size)
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Zeros of the given shape."""
    return _finish(np.zeros(_shape(size), _dtype(dtype, device)), requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Ones of the given shape."""
    return _finish(np.ones(_shape(size), _dtype(dtype, device)), requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor of the given shape whose values are whatever memory held."""
    shape, wanted = _shape(size), _dtype(dtype, device)
    try:
        return _finish(np.empty(shape, wanted), requires_grad)
    except MemoryError:
        count = math.prod(shape) * wanted.itemsize
        raise RuntimeError(
            f"can't allocate memory: you tried to allocate {count} bytes for shape {list(shape)}"
        ) from None


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor of the given shape with `fill_value` everywhere; its dtype follows the value."""
    if hasattr(fill_value, "item"):
        fill_value = fill_value.item()
    dtypes.check_device(device)
    wanted = dtypes.of_scalar(fill_value) if dtype is None else _dtype(dtype)
    return _finish(np.full(_shape((size,)), dtypes.number(fill_value, wanted), wanted), requires_grad)


def _in_order(input: Any, make: Any, requires_grad: bool) -> Any:
    """make(shape) in the memory order of another tensor."""
    x = input.array
    if x.flags.c_contiguous:
        out = make(x.shape)
        return out.requires_grad_() if requires_grad else out
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    out = make(tuple(x.shape[axis] for axis in order))
    out.array = out.array.transpose(sorted(range(x.ndim), key=order.__getitem__))
    return out.requires_grad_() if requires_grad else out


def _like(make: Any) -> Any:
    def like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        wanted = input.dtype if dtype is None else dtype
        return _in_order(input, lambda shape: make(shape, dtype=wanted, device=device), requires_grad)

    like.__name__ = f"{make.__name__}_like"
    like.__doc__ = f"`{make.__name__}` with the shape, dtype and memory order of another tensor."
    return like


def full_like(input: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Any:
    """`full` with the shape, dtype and memory order of another tensor."""
    wanted = input.dtype if dtype is None else dtype
    return _in_order(input, lambda shape: full(shape, fill_value, dtype=wanted), requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """start, start + step, ... up to but without `end`; int64 for integers. RuntimeError if that can't be."""
    if end is None:
        start, end = 0, start
    dtypes.check_device(device)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: from {start} to {end} by {step}")
    whole = all(isinstance(v, int) for v in (start, end, step))
    wanted = np.dtype(np.int64) if dtype is None and whole else _dtype(dtype)
    count = math.ceil((end - start) / step)
    return _finish((start + step * np.arange(count)).astype(wanted), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """`steps` evenly spaced numbers from start to end, both included."""
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps}")
    dtypes.check_fits(np.array([start, end]), _dtype(dtype, device))
    return _finish(np.linspace(start, end, steps).astype(_dtype(dtype, device)), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """The n x m matrix with ones on the diagonal."""
    return _finish(np.eye(n, m, dtype=_dtype(dtype, device)), requires_grad)


# --------------------------------------------------------------------------------------------------------------- random


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Uniform random numbers from [0, 1)."""
    return _finish(numpy_generator(generator).random(_shape(size), _dtype(dtype, device)), requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Normal random numbers with mean 0 and deviation 1."""
    return _finish(numpy_generator(generator).standard_normal(_shape(size), _dtype(dtype, device)), requires_grad)


def randint(
    low: int,
    high: Any,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Random integers from low (0 if left out) to high - 1. Raises RuntimeError if there are none."""
    if size is None:
        low, high, size = 0, low, high
    dtypes.check_device(device)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    wanted = np.dtype(np.int64) if dtype is None else _dtype(dtype)
    dtypes.check_fits(np.array([low, high - 1]), wanted)
    return _finish(numpy_generator(generator).integers(low, high, _shape((size,))).astype(wanted), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Any:
    """A random order of 0 ... n - 1, int64."""
    dtypes.check_device(device)
    order = numpy_generator(generator).permutation(n)
    return wrap(order.astype(np.int64 if dtype is None else _dtype(dtype)))


def normal(mean: Any, std: Any, size: Any = None, *, generator: Generator | None = None) -> Any:
    """Normal random numbers; mean and std are numbers (with `size`) or tensors."""
    mean, std = (v.array if hasattr(v, "array") else v for v in (mean, std))
    if not np.all(np.greater_equal(std, 0)):
        raise RuntimeError(f"normal expects std >= 0.0, but found std {np.min(std):g}")
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std)) if size is None else _shape((size,))
    return wrap(numpy_generator(generator).normal(mean, std, shape).astype(_dtype(None)))


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability given by each element, or with probability p everywhere, else 0.

    Raises RuntimeError for a probability that is not in [0, 1].
    """
    likely = check_probability(input if p is None else p)
    drawn = numpy_generator(generator).random(input.array.shape) < likely
    return wrap(drawn.astype(input.array.dtype))


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Positions drawn with probabilities proportional to each row of `input`, int64."""
    weights = np.atleast_2d(input.array).astype(np.float64)
    if (weights < 0).any() or not np.isfinite(weights).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not weights.sum(1).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    draw = numpy_generator(generator)
    rows = [draw.choice(len(w), num_samples, replacement, w / w.sum()) for w in weights]
    return wrap(np.asarray(rows, np.int64).reshape(*input.array.shape[:-1], num_samples))


zeros_like, ones_like, empty_like = _like(zeros), _like(ones), _like(empty)
rand_like, randn_like = _like(rand), _like(randn)
