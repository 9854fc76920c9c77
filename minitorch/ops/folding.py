"""Reading pixels of an axis more than once: in overlapping windows, and again as a border. Two adjoint pairs.

Each reading is linear and has no values of its own, so its gradient is the adjoint: what was read from a pixel several
times adds up in it. The adjoint's gradient is the reading again, and every order of derivative exists.

    windows            out[..., o, ..., t] = x[..., o*step + t*dilation, ...]
    windows_transpose  out[..., i, ...] = sum of y[..., o, ..., t] over all o, t with o*step + t*dilation = i
    columns            the windows of the last two axes, the values of each in a column of a matrix
    extend             out[j] = x[source(j)], the identity in the middle, `source` given by the padding mode
    extend_transpose   out[i] = sum of y[j] over all j with source(j) = i

So windows_transpose(windows(x)) = counts * x, where counts[i] is the number of windows that hold pixel i.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..geometry import ConvGeometry
from .dims import normalize
from .layout import room
from .names import public
from .shape import pad_constant, reshape, surrounded


@primitive(view=True)
def windows(x: np.ndarray, *, dim: int, size: int, step: int, dilation: int = 1) -> np.ndarray:
    """All whole windows of an axis: axis `dim` counts the windows, a new last axis the `size` pixels of each. A view.

    Where windows overlap the view is read-only.
    """
    count = (x.shape[dim] - (size - 1) * dilation - 1) // step + 1 if size else x.shape[dim] // step + 1
    shape, strides = [*x.shape, size], [*x.strides, 0]
    shape[dim] = count
    strides[-1] = dilation * strides[dim] if size > 1 else 0
    strides[dim] = step * strides[dim] if count > 1 else 0
    common = math.gcd(step, dilation)  # window o + dilation/common begins where tap step/common of window o lies
    apart = dilation // common >= count or step // common >= size
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=apart and x.flags.writeable)


@primitive
def windows_transpose(y: np.ndarray, *, dim: int, length: int, step: int, dilation: int = 1) -> np.ndarray:
    """An axis of `length` pixels in which every window is added where it was read: the adjoint of windows."""
    shape = (*y.shape[:dim], length, *y.shape[dim + 1 : -1])
    if not y.size:
        return np.zeros(shape, y.dtype)
    out = np.zeros_like(y[..., 0], shape=shape)  # in the order of y's memory: 16 ms, in C order 63 (2026-11)
    others = [axis for axis in range(out.ndim) if axis != dim]
    pixels, taps = out.transpose(dim, *others), y.transpose(out.ndim, dim, *others)
    count, along, across = taps.shape[1], step, dilation
    if count < len(taps):  # windows and taps stand alike in o*step + t*dilation: go over the fewer
        taps, count, along, across = taps.swapaxes(0, 1), len(taps), dilation, step
    for t, values in enumerate(taps):
        pixels[t * across : t * across + (count - 1) * along + 1 : along] += values
    return out


windows.vjp(
    x=lambda g, x_shape, dim, step, dilation: windows_transpose(
        g, dim=dim, length=x_shape[dim], step=step, dilation=dilation
    )
)
windows_transpose.vjp(
    y=lambda g, y_shape, dim, step, dilation: windows(g, dim=dim, size=y_shape[-1], step=step, dilation=dilation)
)


def _windows_of(x: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """A view of images (*, H, W), padded by now, as (*, kh, kw, oh, ow)."""
    d = x.ndim - 2
    for axis in (0, 1):
        x = windows.function(
            x,
            dim=d + axis,
            size=geometry.kernel_size[axis],
            step=geometry.stride[axis],
            dilation=geometry.dilation[axis],
        )
    return x.transpose(*range(d), d + 2, d + 3, d, d + 1)


def _widths(x: np.ndarray, geometry: ConvGeometry, sign: int) -> tuple:
    return ((0, 0),) * (x.ndim - 2) + tuple((sign * before, sign * after) for before, after in geometry.padding)


@primitive
def columns(x: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """Every window of x (*, C, H, W) as a column: (*, C kh kw, oh ow)."""
    if geometry.padded:
        x = pad_constant.function(x, widths=_widths(x, geometry, 1))
    seen = _windows_of(x, geometry)
    out = kernels.empty(seen.shape, x.dtype)
    kernels.fill(out, seen)
    return out.reshape(*x.shape[:-3], math.prod(seen.shape[-5:-2]), math.prod(seen.shape[-2:]))


@primitive
def columns_transpose(y: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """Images (*, C, H, W) in which every column is added where `columns` read it: the adjoint of that."""
    g = geometry
    y = y.reshape(*y.shape[:-2], y.shape[-2] // math.prod(g.kernel_size), *g.kernel_size, *g.output_size)
    d = y.ndim - 4
    y = y.transpose(*range(d), d + 2, d + 3, d, d + 1)
    for axis in (1, 0):
        y = windows_transpose.function(
            y, dim=d + axis, length=g.padded_size[axis], step=g.stride[axis], dilation=g.dilation[axis]
        )
    return pad_constant.function(y, widths=_widths(y, g, -1)) if g.padded else y


columns.vjp(x=lambda g, geometry: columns_transpose(g, geometry=geometry))
columns_transpose.vjp(y=lambda g, geometry: columns(g, geometry=geometry))


def _segments(n: int, before: int, after: int, mode: str) -> list[tuple[slice, slice]]:
    """(pixels of the result, pixels of the axis they are copies of): the middle, and the border on either side.

    Negative widths cut off pixels. Reflections still see them; a circle is closed without them.
    """
    total, low = n + before + after, max(-before, 0)
    high = max(n - max(-after, 0), low)
    segments = [(slice(low + before, high + before), slice(low, high))]
    for start, stop in ((0, min(low + before, total)), (max(high + before, 0), total)):
        if start >= stop:
            continue
        first, last = start - before, stop - 1 - before  # positions in the axis
        if mode == "circular":
            source = low + (first - low) % (high - low)
            copied = slice(source, source + stop - start)
        elif mode == "replicate":
            copied = slice(0, 1) if first < 0 else slice(n - 1, n)
        else:  # position i is pixel edge - i: reflect turns about the centre of the last pixel, symmetric about its end
            edge = (0 if first < 0 else 2 * (n - 1)) - (mode == "symmetric") * (1 if first < 0 else -1)
            copied = slice(edge - first, edge - last - 1 if edge > last else None, -1)
        segments.append((slice(start, stop), copied))
    return segments


@functools.lru_cache(256)
def _parts(sizes: tuple, widths: tuple, mode: str) -> list[tuple[tuple, tuple]]:
    """`_segments` of the last axes, as indices: one part for every choice of a segment along each."""
    along = [_segments(n, before, after, mode) for n, (before, after) in zip(sizes, widths, strict=True)]
    return [((..., *(to for to, _ in part)), (..., *(of for _, of in part))) for part in itertools.product(*along)]


@primitive
def extend(x: np.ndarray, *, widths: tuple, mode: str) -> np.ndarray:
    """The last axes with a border of their own pixels: "reflect", "symmetric", "replicate" or "circular".

    widths: (before, after) for each of them.
    """
    first = x.ndim - len(widths)
    sizes = x.shape[first:]
    out = room(x, (*x.shape[:first], *(n + sum(width) for n, width in zip(sizes, widths, strict=True))))
    for copies, copied in _parts(sizes, widths, mode):
        if out.nbytes < kernels.SMALL:
            out[copies] = x[copied]
            continue
        target, source = out[copies], x[copied]
        kernels.fill(target, source if mode != "replicate" else np.broadcast_to(source, target.shape))
    return out


@primitive
def extend_transpose(y: np.ndarray, *, widths: tuple, mode: str) -> np.ndarray:
    """The last axes without their borders, whose pixels are added to those that they were copies of.

    The adjoint of `extend`.
    """
    first = y.ndim - len(widths)
    sizes = tuple(n - sum(width) for n, width in zip(y.shape[first:], widths, strict=True))
    (inside, seen), *border = _parts(sizes, widths, mode)
    out = surrounded(y[inside], (*y.shape[:first], *sizes), (*(slice(None),) * first, *seen[1:]))
    for copies, copied in border:
        target, values = out[copied], y[copies]
        if mode == "replicate":  # a part of the border is one pixel, or as wide as the part that it is a copy of
            once = tuple(i for i, (n, m) in enumerate(zip(target.shape, values.shape, strict=True)) if n != m)
            values = values.sum(once, keepdims=True) if once else values
        target += values
    return out


extend.flat = True
extend.vjp(x=lambda g, widths, mode: extend_transpose(g, widths=widths, mode=mode))
extend_transpose.vjp(y=lambda g, widths, mode: extend(g, widths=widths, mode=mode))


# -------------------------------------------------------------------------------------------------- the public form


@public("unfold", on="T")
def unfold(x: Any, dimension: int, size: int, step: int) -> Any:
    """All windows of `size` elements along an axis, `step` apart: the axis counts them, a new last axis holds each.

    A view of the same memory; where windows overlap it can't be written. The gradient of an element is the sum over the
    windows that hold it. Raises IndexError for an axis that is not there, RuntimeError where no window fits.

    >>> import minitorch
    >>> minitorch.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    for name, value in (("dimension", dimension), ("size", size), ("step", step)):
        if not isinstance(value, int):
            raise TypeError(f"unfold: `{name}` must be an int, but got {type(value).__name__}")
    (dim,) = normalize((dimension,), x.array.ndim)
    length = x.array.shape[dim] if x.array.ndim else 1
    if size < 0 or step <= 0:
        raise RuntimeError(f"unfold: size is {size} but must be >= 0, step is {step} but must be > 0")
    if size > length:
        raise RuntimeError(
            f"unfold: maximum size for tensor at dimension {dim} is {length} but size is {size}; shape {x.array.shape}"
        )
    if not x.array.ndim:
        return windows(reshape(x, shape=(1,)), dim=0, size=size, step=step)[0]
    return windows(x, dim=dim, size=size, step=step)
