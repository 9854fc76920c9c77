"""Convolution: one trilinear form, three faces. Derivations first, then three primitives whose rules name each other.

Let x be an image of C channels, w a kernel of K x C/groups channels, and y an image of K channels. With position
i = o * stride + t * dilation - padding for output pixel o and kernel tap t,

    conv(x, w)[n, k, o] = sum over c, t of  x[n, c, i(o, t)] w[k, c, t]        (x is 0 outside; c runs over k's group)

Consider the number

    T(x, w, y) = <y, conv(x, w)> = sum over n, k, o, c, t of  y[n, k, o] x[n, c, i(o, t)] w[k, c, t]

It is linear in each of x, w and y while the other two are fixed. So its gradient with respect to one of them is a
bilinear function of the other two, and there are three of these:

    dT/dy = conv(x, w)                  every output pixel collects the input under its window
    dT/dx = conv_transpose(y, w)        every input pixel collects the outputs whose windows cover it
    dT/dw = conv_weight_grad(x, y)      every tap collects the pixel pairs it connected

Now let y = conv(x, w) be a step of a network and g the gradient that arrives for y. What reaches x is the gradient of
<g, conv(x, w)> = T(x, w, g) with respect to x: conv_transpose(g, w). What reaches w is conv_weight_grad(x, g).

For conv_transpose the gradient g has the shape of x, and <g, conv_transpose(y, w)> = T(g, w, y) again: so y receives
conv(g, w), and w receives conv_weight_grad(g, y). For conv_weight_grad, g has the shape of w, and T(x, g, y) hands x
conv_transpose(y, g), and y conv(x, g). The derivative of each is the other two; the family is closed, and every order
of derivative exists.

One `geometry` (sizes, stride, padding, dilation, groups) belongs to T, not to one of its faces. It is handed on
unchanged, so no rule contains window arithmetic. It holds for 1, 2 and 3 dimensions alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..autograd import primitive
from ..geometry import ConvGeometry
from .layout import channels_first, channels_last, pixels
from .shape import expand, reshape

FEW = 8  # channels of small images that are copied one after the other


@primitive
def conv(x: np.ndarray, w: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """y (N, K, *output_size) from x (N, C, *input_size) and w (K, C/groups, *kernel_size)."""
    return channels_first(_conv(x, w, geometry))


def _conv(x: np.ndarray, w: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """The result in channels-last memory (N, *output_size, K)."""
    out = kernels.empty((x.shape[0], *geometry.output_size, w.shape[0]), x.dtype)
    kernels.conv(channels_last(x), w, out, geometry)
    return out


@primitive
def conv_transpose(y: np.ndarray, w: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """x (N, C, *input_size) from y (N, K, *output_size) and w (K, C/groups, *kernel_size): the gradient for x."""
    out = kernels.empty((y.shape[0], *geometry.input_size, w.shape[1] * geometry.groups), y.dtype)
    kernels.conv_transpose(channels_last(y), w, out, geometry)
    return channels_first(out)


@primitive
def conv_weight_grad(x: np.ndarray, y: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """w (K, C/groups, *kernel_size) from x (N, C, *input_size) and y (N, K, *output_size): the gradient for w."""
    out = kernels.empty((y.shape[1], x.shape[1] // geometry.groups, *geometry.kernel_size), x.dtype)
    kernels.conv_weight_grad(channels_last(x), channels_last(y), out, geometry)
    return out


conv.vjp(
    # BEGIN SOLUTION 8.3: x w
    x=lambda g, w, geometry: conv_transpose(g, w, geometry=geometry),
    w=lambda g, x, geometry: conv_weight_grad(x, g, geometry=geometry),
    # END SOLUTION
)
conv_transpose.vjp(
    # BEGIN SOLUTION 8.3: y w
    y=lambda g, w, geometry: conv(g, w, geometry=geometry),
    w=lambda g, y, geometry: conv_weight_grad(g, y, geometry=geometry),
    # END SOLUTION
)
conv_weight_grad.vjp(
    # BEGIN SOLUTION 8.3: x y
    x=lambda g, y, geometry: conv_transpose(y, g, geometry=geometry),
    y=lambda g, x, geometry: conv(x, g, geometry=geometry),
    # END SOLUTION
)


@primitive
def conv_bias(x: np.ndarray, w: np.ndarray, b: np.ndarray, *, geometry: ConvGeometry) -> np.ndarray:
    """add_bias(conv(x, w), b) in one step, as layers with a bias are: b (K,) is added in place."""
    out = _conv(x, w, geometry)
    rows = out.reshape(-1, w.shape[0])
    kernels.shift_columns(rows, b, rows, False)
    return channels_first(out)


@primitive
def add_bias(x: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x (N, C, *size) + b (C,): the bias of a convolution. Linear in both, so b receives the sum over all else."""
    out = kernels.empty(channels_last(x).shape, x.dtype)
    kernels.shift_columns(pixels(x), b, out.reshape(-1, x.shape[1]), False)
    return channels_first(out)


@primitive
def to_channels_last(x: np.ndarray) -> np.ndarray:
    """x (N, C, *size) in channels-last memory, which the kernels of forward and backward then need not copy into."""
    out = channels_first(kernels.empty(channels_last(x).shape, x.dtype))
    if x.nbytes >= kernels.SMALL or x.shape[1] > FEW:
        kernels.fill(out, x)
    else:
        for channel in range(x.shape[1]):  # 4 images of 3x32x32: 7 us, in one go 15 (2 cores Zen 4, 2026-11)
            out[:, channel] = x[:, channel]
    return out


@primitive
def bias_grad(x: np.ndarray) -> np.ndarray:
    """The sum over all but the channels of x (N, C, *size): the adjoint of repeating b (C,)."""
    # BEGIN SOLUTION 8.4
    out = np.empty(x.shape[1:2], x.dtype)
    kernels.column_sums(pixels(x), out)
    return out
    # END SOLUTION


to_channels_last.vjp(x=lambda g: g)
add_bias.vjp(
    # BEGIN SOLUTION 8.4: x b
    x=lambda g: g,
    b=lambda g: bias_grad(g),
    # END SOLUTION
)
bias_grad.vjp(
    # BEGIN SOLUTION 8.4: x
    x=lambda g, x_shape: expand(reshape(g, shape=(len(g), *[1] * (len(x_shape) - 2))), shape=x_shape),
    # END SOLUTION
)
conv_bias.vjp(x=conv.rules[0], w=conv.rules[1], b=add_bias.rules[1])


def channels_last_memory(x: Any) -> Any:
    """x itself if its memory is channels-last, as that of a pending result will be, else a copy that is."""
    return x if x.pending or channels_last(x.array).flags.c_contiguous else to_channels_last(x)
