"""New tensors: constant, ranged, random."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import devices, dtypes
from .autograd.inplace import into
from .autograd.primitive import OutOfMemoryError
from .autograd.tape import Variable, wrap
from .dtypes import FLOATS
from .ops import place
from .ops.dims import check_size, flag, no_tensor, sizes, whole
from .ops.layout import order_of, ordered_back
from .random import Generator, check_drawn, numpy_generator

if TYPE_CHECKING:
    from .tensor import Tensor


def factory(function: Callable) -> Callable[..., Tensor]:
    """Decorator: a function of new tensors takes PyTorch's settings of all of them, too, and sizes as `size=`.

    These are `out`, `layout`, `pin_memory`, `memory_format` and `device`, beside the function's own `dtype` and
    `requires_grad`.
    """
    given = inspect.signature(function).parameters.values()
    parameters = {p.name for p in given if p.kind is not p.VAR_POSITIONAL}
    sized = len(parameters) < len(given)
    orders = function.__name__.startswith("empty")

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        if settings and not settings.keys() <= parameters:
            devices.check_placement(settings.pop("layout", None), settings.pop("pin_memory", False))
            if sized and not args and "size" in settings:
                args = (settings.pop("size"),)
            settings.pop("names", None)
            out, memory_format = settings.pop("out", None), settings.pop("memory_format", None) if orders else None
            if out is not None:
                same = {"dtype": out.dtype} if "dtype" in parameters else {}
                return into(out, function, args, {**same, **settings})
            if memory_format is not None:
                made = function(*args, **settings)
                made.array = place.in_format(made.detach(), memory_format).array
                return made
        return function(*args, **settings)

    return call


def _finish(array: np.ndarray, requires_grad: bool) -> Any:
    out = wrap(array)
    return out.requires_grad_() if flag(requires_grad, "requires_grad") else out


def _dtype(dtype: Any, device: Any = None) -> np.dtype:
    devices.check(device)
    return (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy


def _made(make: Any, size: Any, dtype: np.dtype) -> np.ndarray:
    """make(shape, dtype). Raises RuntimeError for negative sizes, OutOfMemoryError for more memory than there is."""
    shape = check_size(sizes(tuple(size)), dtype.itemsize)
    try:
        return make(shape, dtype)
    except MemoryError:
        count = math.prod(shape) * dtype.itemsize
        raise OutOfMemoryError(
            f"can't allocate memory: you tried to allocate {count} bytes for shape {list(shape)}"
        ) from None


@factory
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Zeros of the given shape."""
    return _finish(_made(np.zeros, size, _dtype(dtype, device)), requires_grad)


@factory
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Ones of the given shape."""
    return _finish(_made(np.ones, size, _dtype(dtype, device)), requires_grad)


@factory
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor of the given shape whose values are whatever memory held."""
    return _finish(_made(np.empty, size, _dtype(dtype, device)), requires_grad)


@factory
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor of the given shape with `fill_value` everywhere; its dtype follows the value."""
    if hasattr(fill_value, "item"):
        fill_value = fill_value.item()
    devices.check(device)
    if not isinstance(size, list | tuple):
        raise TypeError(f"full(): argument `size` must be a tuple of ints, but got {size!r}")
    wanted = dtypes.of_scalar(fill_value) if dtype is None else _dtype(dtype)
    value = dtypes.number(fill_value, wanted)
    return _finish(_made(lambda shape, to: np.full(shape, value, to), size, wanted), requires_grad)


def _in_order(input: Any, make: Any, requires_grad: bool, memory_format: Any, layout: Any, pin_memory: Any) -> Any:
    """make(shape) in the memory order of another tensor, or in that of a format."""
    flag(requires_grad, "requires_grad")
    devices.check_placement(layout, pin_memory)
    x = input.array
    chosen = devices.check_format(memory_format, x.ndim)
    order = order_of(x) if chosen is devices.preserve_format else list(place.order_in(chosen, x.ndim))
    out = make(tuple([x.shape[axis] for axis in order]))
    out.array = ordered_back(out.array, x.shape, order)
    return out.requires_grad_() if requires_grad else out


def _like(make: Any) -> Callable[..., Tensor]:
    def like(
        input: Any,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Any:
        if not isinstance(input, Variable):
            raise no_tensor(f"{make.__name__}_like", "input", input)
        wanted = input.dtype if dtype is None else dtype
        made = functools.partial(make, dtype=wanted, device=device)
        return _in_order(input, made, requires_grad, memory_format, layout, pin_memory)

    like.__name__ = like.__qualname__ = f"{make.__name__}_like"
    like.__doc__ = f"`{make.__name__}` with the shape, dtype and memory order of another tensor."
    return like


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """`full` with the shape, dtype and memory order of another tensor."""
    if not isinstance(input, Variable):
        raise no_tensor("full_like", "input", input)
    devices.check(device)
    made = functools.partial(full, fill_value=fill_value, dtype=input.dtype if dtype is None else dtype)
    return _in_order(input, made, requires_grad, memory_format, layout, pin_memory)


def randint_like(
    input: Any,
    low: Any = None,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """`randint` with the shape, dtype and memory order of another tensor: (input, high) or (input, low, high)."""
    if not isinstance(input, Variable):
        raise no_tensor("randint_like", "input", input)
    ends = (0, low) if high is None else (0 if low is None else low, high)
    settings = {"generator": generator, "dtype": input.dtype if dtype is None else dtype, "device": device}
    made = functools.partial(randint, *ends, **settings)
    return _in_order(input, made, requires_grad, memory_format, layout, pin_memory)


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of the given shape whose elements stand `stride` apart along each axis; 0 for all in one place."""
    devices.check_placement(layout, pin_memory)
    wanted, shape, steps = _dtype(dtype, device), sizes((size,)), sizes((stride,))
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(steps)})"
        )
    if min(steps, default=0) < 0:
        raise RuntimeError(f"empty_strided: strides must not be negative, but got {list(steps)}")
    check_size(shape, wanted.itemsize)
    count = 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if math.prod(shape) else 0
    memory = _made(np.empty, (count,), wanted)
    strides = [step * wanted.itemsize for step in steps]
    return _finish(np.lib.stride_tricks.as_strided(memory, shape, strides), requires_grad)


@factory
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A number as a tensor without dimensions, of the default dtype."""
    wanted = _dtype(dtype, device)
    return _finish(dtypes.number(_number("scalar_tensor", s), wanted), requires_grad)


def _number(name: str, value: Any) -> Any:
    """A Python number, also from a tensor of one element. Raises TypeError for anything else."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, float | int):
        raise TypeError(f"{name}(): expected a number, but got {value!r}")
    return value


@factory
def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """start, start + step, ... up to but without `end`; int64 for integers. RuntimeError if that can't be."""
    if end is None and start is None:
        raise TypeError("arange() missing 1 required positional argument: 'end'")
    if end is None:
        start, end = 0, start
    start = 0 if start is None else start
    devices.check(device)
    start, end, step = (_number("arange", v) for v in (start, end, step))
    exact = all(isinstance(v, int) for v in (start, end, step))
    wanted = np.dtype(np.int64) if dtype is None and exact else _dtype(dtype)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if wanted.kind not in FLOATS:
        start, end, step = int(start), int(end), int(step)
        if not step:
            raise ValueError("step must be nonzero, also once it is an integer")
    if (end - start) * step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: from {start} to {end} by {step}")
    count = -((start - end) // step) if wanted.kind not in FLOATS else math.ceil((end - start) / step)
    if count >= 2**63:
        raise RuntimeError(f"invalid size, possible overflow: {count} numbers")
    numbers = _made(lambda shape, to: (start + step * np.arange(shape[0])).astype(to), (count,), wanted)
    return _finish(numbers, requires_grad)


@factory
def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """`steps` evenly spaced numbers from start to end, both included."""
    for v in (start, end):
        if isinstance(v, Variable) and v.array.ndim:
            raise RuntimeError(
                f"linspace only supports 0-dimensional start and end tensors, but got {v.array.ndim} dimension(s)"
            )
    start, end, steps = _number("linspace", start), _number("linspace", end), whole(steps, "steps")
    wanted = _dtype(dtype, device)
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps}")
    dtypes.check_fits(np.array([start, end]), wanted)
    kind = float if wanted.kind in FLOATS else int
    start, end = kind(start), kind(end)
    return _finish(
        _made(lambda shape, to: np.linspace(start, end, shape[0]).astype(to), (steps,), wanted), requires_grad
    )


@factory
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """`steps` powers of `base` whose exponents are evenly spaced from start to end, both included."""
    wanted = _dtype(dtype, device)
    exponents = linspace(start, end, steps, dtype=dtypes.float64).array
    with np.errstate(all="ignore"):
        return _finish(np.power(_number("logspace", base), exponents).astype(wanted), requires_grad)


@factory
def range(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """start, start + step, ... up to `end`, which is included, as floats. Deprecated: use `arange`."""
    warnings.warn(
        "minitorch.range is deprecated because its behavior is inconsistent with Python's range builtin. Instead, use "
        "minitorch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=3,
    )
    if end is None:
        start, end = 0, start
    start, end, step = (_number("range", 0 if v is None else v) for v in (start, end, step))
    wanted = _dtype(dtype, device)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = math.floor((end - start) / step) + 1
    numbers = _made(lambda shape, to: (start + step * np.arange(shape[0])).astype(to), (count,), wanted)
    return _finish(numbers, requires_grad)


@factory
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """The n x m matrix with ones on the diagonal."""
    shape = (whole(n, "n"), whole(n if m is None else m, "m"))
    for name, size in zip("nm", shape, strict=True):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return _finish(_made(lambda shape, to: np.eye(*shape, dtype=to), shape, _dtype(dtype, device)), requires_grad)


# --------------------------------------------------------------------------------------------------------------- random


def _drawn_in(draw: Callable, wanted: np.dtype) -> Callable:
    """draw(shape, dtype), also for those of 2 bytes, which NumPy draws none of."""
    return (lambda shape, to: draw(shape, np.float32).astype(to)) if wanted.itemsize == 2 else draw


@factory
def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Uniform random numbers from [0, 1)."""
    wanted = check_drawn("rand", _dtype(dtype, device))
    draw = _drawn_in(numpy_generator(generator).random, wanted)
    return _finish(_made(draw, size, wanted), requires_grad)


@factory
def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Normal random numbers with mean 0 and deviation 1."""
    wanted = check_drawn("randn", _dtype(dtype, device))
    draw = _drawn_in(numpy_generator(generator).standard_normal, wanted)
    return _finish(_made(draw, size, wanted), requires_grad)


@factory
def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Random integers from low (0 if left out) to high - 1. Raises RuntimeError if there are none."""
    if size is None and isinstance(high, list | tuple):
        high, size = None, high
    if high is None:
        low, high = 0, low
    devices.check(device)
    if not isinstance(size, list | tuple):
        raise TypeError(f"randint(): argument `size` must be a tuple of ints, but got {size!r}")
    low, high = whole(low, "low"), whole(high, "high")
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    wanted = np.dtype(np.int64) if dtype is None else _dtype(dtype)
    dtypes.check_fits(np.array([low, high - 1]), wanted)
    draw = numpy_generator(generator).integers
    return _finish(_made(lambda shape, to: draw(low, high, shape).astype(to), size, wanted), requires_grad)


@factory
def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Any:
    """A random order of 0 ... n - 1, int64."""
    devices.check(device)
    draw = numpy_generator(generator).permutation
    wanted = np.dtype(np.int64) if dtype is None else _dtype(dtype)
    return wrap(_made(lambda shape, to: draw(shape[0]).astype(to), (n,), wanted))


@factory
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Normal random numbers; mean and std are numbers (with `size`) or tensors."""
    numbers = [not isinstance(v, Variable) for v in (mean, std)]
    if any(number and not isinstance(v, float | int) for number, v in zip(numbers, (mean, std), strict=True)):
        raise TypeError(f"normal(): `mean` and `std` must be Tensors or numbers, but got {mean!r} and {std!r}")
    if all(numbers) != (size is not None):
        raise TypeError("normal(): pass tensors for `mean` or `std`, or two numbers and `size`")
    for v in (mean, std):
        if isinstance(v, Variable):
            check_drawn("normal", v.array.dtype)
    wanted = next((v.array.dtype for v in (mean, std) if isinstance(v, Variable)), _dtype(dtype, device))
    mean, std = (v.array if isinstance(v, Variable) else v for v in (mean, std))
    if not np.all(np.greater_equal(std, 0)):
        raise RuntimeError(f"normal expects std >= 0.0, but found std {np.min(std):g}")
    try:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(std)) if size is None else size
    except ValueError:
        raise RuntimeError(f"normal: shapes {np.shape(mean)} and {np.shape(std)} do not broadcast") from None
    draw = numpy_generator(generator).normal
    return _finish(_made(lambda shape, to: draw(mean, std, shape).astype(to), (shape,), wanted), requires_grad)


zeros_like, ones_like, empty_like = _like(zeros), _like(ones), _like(empty)
rand_like, randn_like = _like(rand), _like(randn)
