"""Convolution as ordinary loops for numba: the definition, then step by step what makes it fast.

MINITORCH_KERNELS=loops chooses these for convolutions of two axes and one group; all else is the reference's. They are
here to be read, timed and written by hand: the tile of `kernels/tile` is several times as fast. Letters as in
geometry.py, and for two axes

    n c k    image, channel of x, channel of y            i j    row and column of y
                                                          u v    row and column of the kernel

`x` is padded, so the pixel under tap (u, v) of window (i, j) is x[n, i*s + u*d, j*s + v*d]. `stride` and `dilation` are
pairs. Each number is one sum in one order, by one worker, so the bits are the same for any number of threads.
"""

from __future__ import annotations

import os

import numpy as np

os.environ.setdefault("GOMP_SPINCOUNT", "50000")  # see engine/runtime.py
from numba import njit, prange, set_num_threads  # noqa: E402, F401 tests set threads

from minitorch.geometry import ConvGeometry  # noqa: E402
from minitorch.kernels import reference  # noqa: E402

__all__ = ["conv", "conv_transpose", "conv_weight_grad"]

plain, fast = njit, njit(fastmath={"contract"}, error_model="numpy")  # contract: x*y + z may be one instruction
threads = njit(parallel=True, fastmath={"contract"}, error_model="numpy")


# ------------------------------------------------------------------------------------------------ the kernels' doors
def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """As `reference.conv`."""
    if not _served(geometry):
        reference.conv(x, w, out, geometry)
        return
    forward(_padded(x, geometry), packed(w), out, geometry.stride, geometry.dilation, True)


def conv_transpose(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """As `reference.conv_transpose`."""
    if not _served(geometry):
        reference.conv_transpose(y, w, out, geometry)
        return
    wide = np.empty((out.shape[0], *geometry.padded_size, out.shape[3]), out.dtype)
    scatter(y, packed(w.swapaxes(0, 1)), wide, geometry.stride, geometry.dilation)
    (top, _), (left, _) = geometry.padding
    out[...] = wide[:, top:, left:][:, :out.shape[1], :out.shape[2]]


def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """As `reference.conv_weight_grad`."""
    if not _served(geometry):
        reference.conv_weight_grad(x, y, out, geometry)
        return
    sums = np.empty((*geometry.kernel_size, out.shape[1], out.shape[0]), out.dtype)
    collect(_padded(x, geometry), y, sums, geometry.stride, geometry.dilation)
    out[...] = sums.transpose(3, 2, 0, 1)


def packed(w: np.ndarray) -> np.ndarray:
    """w (K, C, *kernel_size) as (*kernel_size, C, K): the K weights of a tap and a channel lie side by side."""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0))


def _served(geometry: ConvGeometry) -> bool:
    return len(geometry.kernel_size) == 2 and geometry.groups == 1


def _padded(x: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    (top, bottom), (left, right) = geometry.padding
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


# ------------------------------------------------------------------------------------------------ loops
@plain
def definition(x, w, out, stride, dilation):
    """out[n, i, j, k] = sum over c, u, v of x[n, i*s + u*d, j*s + v*d, c] * w[k, c, u, v]; w as users have it."""
    # BEGIN SOLUTION 11.1
    for n in range(out.shape[0]):
        for k in range(out.shape[3]):
            for i in range(out.shape[1]):
                for j in range(out.shape[2]):
                    total = 0.0
                    for c in range(w.shape[1]):
                        for u in range(w.shape[2]):
                            for v in range(w.shape[3]):
                                pixel = x[n, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1], c]
                                total += pixel * w[k, c, u, v]
                    out[n, i, j, k] = total
    # END SOLUTION


@fast
def row(x, w, out, stride, dilation, n, i):
    """Row i of image n of a convolution, w `packed` (rows and columns of taps, C, K): loops in the order of memory.

    The innermost runs over k, along which w and out lie side by side: a vector register takes several of them at once.
    """
    # BEGIN SOLUTION 11.2
    out[n, i] = 0
    for u in range(w.shape[0]):
        for v in range(w.shape[1]):
            for j in range(out.shape[2]):
                for c in range(w.shape[2]):
                    pixel = x[n, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1], c]
                    for k in range(w.shape[3]):
                        out[n, i, j, k] += pixel * w[u, v, c, k]
    # END SOLUTION


@fast
def ordered(x, w, out, stride, dilation):
    """A convolution by `row`, on one thread."""
    for n, i in np.ndindex(out.shape[:2]):
        row(x, w, out, stride, dilation, n, i)


@fast
def any_row(x, w, y, s, d, n, i, four):
    """`four_pixels` if `four`, else `row`."""
    if four:
        four_pixels(x, w, y, s, d, n, i)
    else:
        row(x, w, y, s, d, n, i)


# ------------------------------------------------------------------------------------------------ threads
@threads
def forward(x, w, out, stride, dilation, four):
    """A convolution by `any_row`: a worker owns rows of out, of whatever images."""
    # BEGIN SOLUTION 11.3
    rows = out.shape[1]
    for job in prange(out.shape[0] * rows):
        any_row(x, w, out, stride, dilation, job // rows, job % rows, four)
    # END SOLUTION


@threads
def scatter(y, w, out, stride, dilation):
    """The transposed convolution: out[n, i*s + u*d, j*s + v*d, c] collects y[n, i, j, k] * w[u, v, k, c].

    Windows overlap, so rows of y share rows of out; images share nothing.
    """
    # BEGIN SOLUTION 11.3
    for n in prange(out.shape[0]):
        out[n] = 0
        for i in range(y.shape[1]):
            for u in range(w.shape[0]):
                for j in range(y.shape[2]):
                    for v in range(w.shape[1]):
                        target = out[n, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]]
                        for k in range(w.shape[2]):
                            number = y[n, i, j, k]
                            for c in range(w.shape[3]):
                                target[c] += number * w[u, v, k, c]
    # END SOLUTION


@threads
def collect(x, y, out, stride, dilation):
    """The weight gradient: out[u, v, c, k] = sum over n, i, j of x[n, i*s + u*d, j*s + v*d, c] * y[n, i, j, k].

    All images add to the same numbers: a worker owns some of out, not some of the images.
    """
    # BEGIN SOLUTION 11.3
    columns, channels = out.shape[1], out.shape[2]
    for job in prange(out.shape[0] * columns * channels):
        u, v, c = job // channels // columns, job // channels % columns, job % channels
        sums = out[u, v, c]
        sums[:] = 0
        for n in range(y.shape[0]):
            for i in range(y.shape[1]):
                for j in range(y.shape[2]):
                    pixel = x[n, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1], c]
                    for k in range(y.shape[3]):
                        sums[k] += pixel * y[n, i, j, k]
    # END SOLUTION


# ------------------------------------------------------------------------------------------------ registers
@fast
def four_pixels(x, w, out, stride, dilation, n, i):
    """As `row`, four pixels of out at a time: each weight is loaded once for the four, and used four times.

    Pixels that are left over at the end of the row are done one by one.
    """
    # BEGIN SOLUTION 11.4
    out[n, i] = 0
    step, columns = stride[1], out.shape[2]
    for first in range(0, columns, 4):
        if first + 4 <= columns:
            y0, y1, y2, y3 = out[n, i, first], out[n, i, first + 1], out[n, i, first + 2], out[n, i, first + 3]
        for u in range(w.shape[0]):
            line = x[n, i * stride[0] + u * dilation[0]]
            for v in range(w.shape[1]):
                at = first * step + v * dilation[1]
                for c in range(w.shape[2]):
                    if first + 4 <= columns:
                        x0, x1, x2, x3 = line[at, c], line[at + step, c], line[at + 2 * step, c], line[at + 3 * step, c]
                        for k in range(w.shape[3]):
                            weight = w[u, v, c, k]
                            y0[k] += x0 * weight
                            y1[k] += x1 * weight
                            y2[k] += x2 * weight
                            y3[k] += x3 * weight
                    else:
                        for j in range(first, columns):
                            for k in range(w.shape[3]):
                                out[n, i, j, k] += line[at + (j - first) * step, c] * w[u, v, c, k]
    # END SOLUTION
