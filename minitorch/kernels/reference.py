"""The kernels in plain numpy: any rank, any float dtype, slow and obviously right.

A function below `@declare` declares a kernel: its public name, signature and contract. See `minitorch.kernels`.

Every convolution below is one sentence, "window o sees tap t at i = o*s + t*d of the padded input", said with one
strided slice per tap. `conv` reads the slice, its two adjoints write to it and multiply with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minitorch.geometry import ConvGeometry, PoolGeometry

Function = TypeVar("Function", bound=Callable[..., None])


class Declaration(NamedTuple):
    """A kernel as `declare` noted it."""

    function: Callable[..., None]
    operands: int
    results: int
    strided: bool


declarations: dict[str, Declaration] = {}


def declare(operands: int, results: int = 1, strided: bool = False) -> Callable[[Function], Function]:
    """The function below is a kernel: `minitorch.kernels` has a door of its name, signature and docstring.

    Its arguments are so many operands, then results, then settings. Fast kernels get contiguous, aligned, writable
    arrays, and so have two signatures at most; `strided` are operands that one takes as they lie.
    """

    def note(function: Function) -> Function:
        declarations[function.__name__] = Declaration(function, operands, results, strided)
        return function

    return note


# ------------------------------------------------------------------------------------------------ convolution
@declare(2)
def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """out[n, o, k] = sum over taps t and channels c of x[n, o*s + t*d - p, c] * w[k, c, t]."""
    # BEGIN SOLUTION 7.3
    padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
    out[...] = 0
    for tap, seen in _taps(geometry):
        for c, k in _groups(geometry, x.shape[-1], w.shape[0]):
            out[..., k] += np.einsum("n...c,kc->n...k", padded[seen][..., c], w[k][tap])
    # END SOLUTION


@declare(6)
def conv_normal(x: np.ndarray, w: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                out: np.ndarray, geometry: ConvGeometry, relu: bool) -> None:
    """`batch_norm_apply` of `conv`: out = (conv(x, w) - mean) * scale + shift, + r (as out), 0 where negative.

    r may be empty; the last is done if `relu`. The bits are those of the two one after the other.
    """
    conv(x, w, out, geometry)
    batch_norm_apply(out, r, mean, scale, shift, out, relu)


@declare(5)
def conv_of_normal(x: np.ndarray, w: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   out: np.ndarray, geometry: ConvGeometry) -> None:
    """`conv` of `batch_norm_apply`: out = conv(relu((x - mean) * scale + shift), w), with the bits of the two."""
    conv(_rectified_normal(x, mean, scale, shift), w, out, geometry)


@declare(5, 6)
def conv_statistics(x: np.ndarray, w: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                    out: np.ndarray, own_mean: np.ndarray, own_variance: np.ndarray, invstd: np.ndarray,
                    running_mean: np.ndarray, running_var: np.ndarray, geometry: ConvGeometry, eps: float,
                    momentum: float) -> None:
    """`conv_of_normal`, or `conv` if mean is empty, then `batch_norm_statistics` of its pixels, with the bits of both.
    """
    if mean.size:
        conv_of_normal(x, w, mean, scale, shift, out, geometry)
    else:
        conv(x, w, out, geometry)
    rows = out.reshape(-1, out.shape[-1])
    batch_norm_statistics(rows, own_mean, own_variance, invstd, running_mean, running_var, eps, momentum)


def _rectified_normal(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """relu((x - mean) * scale + shift) of images."""
    out = np.empty_like(x)
    batch_norm_apply(x.reshape(-1, mean.size), x.ravel()[:0], mean, scale, shift, out.reshape(-1, mean.size), True)
    return out


@declare(2)
def conv_transpose(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in x, out (N, *input_size, C): every product of `conv` returns to the pixel it came from."""
    # BEGIN SOLUTION 8.1
    channels = out.shape[-1]
    padded = np.zeros((len(y), *geometry.padded_size, channels), out.dtype)
    for tap, seen in _taps(geometry):
        for c, k in _groups(geometry, channels, w.shape[0]):
            padded[seen][..., c] += np.einsum("n...k,kc->n...c", y[..., k], w[k][tap])
    inside = [slice(p, p + i) for (p, _), i in zip(geometry.padding, geometry.input_size, strict=True)]
    out[...] = padded[tuple([slice(None), *inside])]
    # END SOLUTION


@declare(2)
def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in w, out (K, C/groups, *kernel_size).

    out[k, c, t] = sum over images n and windows o of y[n, o, k] * x[n, o*s + t*d - p, c].
    """
    # BEGIN SOLUTION 8.2
    padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
    m = math.prod(y.shape[:-1])
    y = y.reshape(m, y.shape[-1])
    for tap, seen in _taps(geometry):
        pixels = padded[seen].reshape(m, x.shape[-1])
        for c, k in _groups(geometry, x.shape[-1], len(out)):
            out[k][tap] = np.einsum("mk,mc->kc", y[:, k], pixels[:, c])
    # END SOLUTION


@declare(5)
def weight_grad_of_normal(x: np.ndarray, y: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                          out: np.ndarray, geometry: ConvGeometry) -> None:
    """`conv_weight_grad` of relu((x - mean) * scale + shift) and y."""
    conv_weight_grad(_rectified_normal(x, mean, scale, shift), y, out, geometry)


def _taps(geometry: ConvGeometry) -> Iterator[tuple[Any, Any]]:
    """Each tap as an index of w, and as an index of the padded input: the pixels that all windows see through it.

    w[k][tap] is (K, C/groups), padded[seen] is (N, *output_size, C).
    """
    for tap in itertools.product(*map(range, geometry.kernel_size)):
        # BEGIN SOLUTION 7.2
        starts = [t * d for t, d in zip(tap, geometry.dilation, strict=True)]
        seen = [slice(start, start + (o - 1) * s + 1, s) for start, s, o in
                zip(starts, geometry.stride, geometry.output_size, strict=True)]
        # END SOLUTION
        yield (..., *tap), (slice(None), *seen)


def _groups(geometry: ConvGeometry, channels: int, outputs: int) -> Iterator[tuple[slice, slice]]:
    """Channels of x and of y that belong together, c and k, a pair of slices for each group."""
    c, k = channels // geometry.groups, outputs // geometry.groups
    for g in range(geometry.groups):
        yield slice(g * c, (g + 1) * c), slice(g * k, (g + 1) * k)


@declare(2, strided=True)
def matmul(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out[b] = x[b] @ y[b] for x (B, M, K), y (B, K, N) of any strides."""
    np.matmul(x, y, out=out)


@declare(3)
def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, turn_x: bool, turn_w: bool,
           relu: bool) -> None:
    """out = x @ w of two matrices, each transposed first if told; + b to every row, unless that is empty, then ReLU."""
    np.matmul(x.T if turn_x else x, w.T if turn_w else w, out=out)
    if b.size:
        shift_columns(out, b, out, relu)


@declare(4, 3)
def linear_grad(g: np.ndarray, y: np.ndarray, x: np.ndarray, w: np.ndarray, gx: np.ndarray, gw: np.ndarray,
                gb: np.ndarray) -> None:
    """Of x @ w transposed + b: gx = h @ w, gw = h transposed @ x, gb = the sum of h's rows; empty ones are left out.

    h is g, but 0 where y, the result after a ReLU, is 0 or less, unless y is empty. There are few rows, see `are_few`.
    """
    h = np.where(y <= 0, 0, g) if y.size else g
    if gx.size:
        np.matmul(h, w, out=gx)
    if gw.size:
        np.matmul(h.T, x, out=gw)
    if gb.size:
        np.sum(h, 0, out=gb)


# ------------------------------------------------------------------------------------------------ pooling
@declare(1, 2)
def max_pool(x: np.ndarray, out: np.ndarray, choice: np.ndarray, geometry: PoolGeometry) -> None:
    """Largest pixel of every window, and `choice` (int32), its flat position in the plane.

    The first of equals; NaN wins, the last NaN.
    """
    x, out, choice = _flat(x), _flat(out), _flat(choice)
    for o, window in enumerate(_windows(geometry)):
        # BEGIN SOLUTION 9.1
        pixels = x[:, window]
        nan = np.isnan(pixels)
        best = np.where(nan.any(1), len(window) - 1 - nan[:, ::-1].argmax(1), pixels.argmax(1))
        choice[:, o] = window[best]
        out[:, o] = np.take_along_axis(pixels, best[:, None], 1)[:, 0]
        # END SOLUTION


@declare(4, 2)
def max_pool_of_normal(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray, out: np.ndarray,
                       choice: np.ndarray, geometry: PoolGeometry) -> None:
    """`max_pool` of relu((x - mean) * scale + shift)."""
    max_pool(_rectified_normal(x, mean, scale, shift), out, choice, geometry)


@declare(2)
def pool_gather(x: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """out[n, o, c] = x[n, choice[n, o, c], c], space flattened."""
    # BEGIN SOLUTION 9.2
    out[...] = np.take_along_axis(_flat(x), _flat(choice), 1).reshape(out.shape)
    # END SOLUTION


@declare(2)
def pool_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `pool_gather`: out[n, choice[n, o, c], c] += y[n, o, c], all else 0."""
    # BEGIN SOLUTION 9.2
    out[...] = 0
    flat, y, choice = _flat(out), _flat(y), _flat(choice)
    images, channels = np.ogrid[:flat.shape[0], :flat.shape[2]]
    for o in range(y.shape[1]):
        flat[images, choice[:, o], channels] += y[:, o]
    # END SOLUTION


@declare(2)
def window_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """`pool_scatter` where every choice[n, o, c] is a pixel of window o."""
    pool_scatter(y, choice, out)


@declare(2)
def window_sum(x: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """out[n, o, c] = scale[o] * sum of x over window o; scale (windows,)."""
    x, out = _flat(x), _flat(out)
    for o, window in enumerate(_windows(geometry)):
        # BEGIN SOLUTION 9.3
        out[:, o] = scale[o] * x[:, window].sum(1)
        # END SOLUTION


@declare(2)
def window_spread(y: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """Adjoint of `window_sum`: every pixel of window o receives scale[o] * y[n, o, c]."""
    out[...] = 0
    y, out = _flat(y), _flat(out)
    for o, window in enumerate(_windows(geometry)):
        # BEGIN SOLUTION 9.3
        out[:, window] += scale[o] * y[:, o, None]
        # END SOLUTION


def _windows(geometry: PoolGeometry) -> list[np.ndarray]:
    """The pixels of each window, windows and pixels counted flat, last axis fastest."""
    first, pixels = geometry.table
    return [pixels[low:high] for low, high in itertools.pairwise(first)]


def _flat(images: np.ndarray) -> np.ndarray:
    """(N, *size, C) seen as (N, pixels, C); a view."""
    return images.reshape(images.shape[0], math.prod(images.shape[1:-1]), images.shape[-1])


# ------------------------------------------------------------------------------------------------ batch norm
@declare(1, 5)
def batch_norm_statistics(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, invstd: np.ndarray,
                          running_mean: np.ndarray, running_var: np.ndarray, eps: float, momentum: float) -> None:
    """Mean, biased variance and 1 / sqrt(variance + eps) of every column of x (M, C).

    running = (1 - momentum) * running + momentum * own in place, the variance unbiased, unless these are empty.
    """
    if not x.size:
        for array in (mean, variance, invstd, running_mean, running_var):
            array[...] = np.nan
        return
    # BEGIN SOLUTION 9.4
    centre = x.mean(0, dtype=_wide(x))
    mean[...] = centre
    variance[...] = np.square(x - centre).mean(0)
    invstd[...] = 1 / np.sqrt(variance + _wide(x).type(eps))
    unbiased = variance * (len(x) / max(len(x) - 1, 1))
    for own, running in ((mean, running_mean), (unbiased, running_var)):
        if running.size:
            running[...] = momentum * own + (1 - momentum) * running
    # END SOLUTION


@declare(5)
def batch_norm_apply(x: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                     out: np.ndarray, relu: bool) -> None:
    """out = (x - mean) * scale + shift, + r unless that is empty, then 0 where that is negative if `relu`."""
    y = (x - mean) * scale + shift
    if r.size:
        y = y + r
    out[...] = np.where(y < 0, 0, y) if relu else y


@declare(7, 2)
def batch_norm_sums(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray) -> None:
    """The sums of g and of g h over M, h = (x - mean) * invstd, through the gate of `batch_norm_input_grad`."""
    g = _gated(g, x, y, mean, scale, shift)
    # BEGIN SOLUTION 9.6
    sum_g[...] = np.sum(g, 0, _wide(x))
    sum_gh[...] = np.sum(g * (x - mean), 0, _wide(x)) * invstd if x.size else 0
    # END SOLUTION


@declare(9)
def batch_norm_input_grad(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                          scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray,
                          out: np.ndarray) -> None:
    """out = scale * (g - sum_g / M - h * sum_gh / M), h = (x - mean) * invstd.

    The gate: g counts as 0 where y is 0 or less, y being the result of a ReLU; if y is empty but `shift` is not, where
    (x - mean) * scale + shift is; if both are empty, nowhere. out may be g.
    """
    g = _gated(g, x, y, mean, scale, shift)
    # BEGIN SOLUTION 9.6
    h, m = (x - mean) * invstd, max(len(x), 1)
    out[...] = scale * (g - sum_g / m - h * (sum_gh / m))
    # END SOLUTION


def _gated(g: np.ndarray, x: np.ndarray, y: np.ndarray, mean: np.ndarray, scale: np.ndarray,
           shift: np.ndarray) -> np.ndarray:
    """g through the gate of `batch_norm_input_grad`."""
    if not y.size and not shift.size:
        return g
    return np.where((y if y.size else (x - mean) * scale + shift) <= 0, 0, g)


def _wide(x: np.ndarray) -> np.dtype:
    """The dtype to add up in: at least float64."""
    return np.promote_types(x.dtype, np.float64)


@declare(1)
def column_sums(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of every column of x (M, C)."""
    out[...] = x.sum(0, dtype=_wide(x))


@declare(2)
def shift_columns(x: np.ndarray, b: np.ndarray, out: np.ndarray, relu: bool) -> None:
    """out = x (M, C) + b (C,), then 0 where that is negative if `relu`; out may be x."""
    y = x + b
    out[...] = np.where(y < 0, 0, y) if relu else y


# ------------------------------------------------------------------------------------------------ dropout
def _mix(h: np.ndarray) -> np.ndarray:
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


@declare(1, 2)
def dropout(x: np.ndarray, out: np.ndarray, mask: np.ndarray, seed: int, threshold: int, scale: float) -> None:
    """out = x * scale where `mask` (bool), else 0, for vectors; False where a number of 32 bits is below `threshold`.

    The number drawn at place i is _mix(_mix(i + a) + b), a the lower and b the upper half of `seed` (64 bits).
    """
    a, b = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF)
    mask[...] = _mix(_mix(np.arange(x.size, dtype=np.uint32) + a) + b) >= threshold
    out[...] = np.where(mask, x * x.dtype.type(scale), 0)


# ------------------------------------------------------------------------------------------------ softmax
@declare(1)
def softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = exp(x) over its sum along the middle of x (outer, C, inner)."""
    # BEGIN SOLUTION 4.4
    top = x.max(axis=1, initial=-np.inf, keepdims=True)
    powers = np.exp(x - top)
    out[...] = powers / powers.sum(1, keepdims=True)
    # END SOLUTION


@declare(1)
def log_softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = x - log(sum(exp(x))) along the middle of x (outer, C, inner)."""
    # BEGIN SOLUTION 4.4
    shifted = x - x.max(axis=1, initial=-np.inf, keepdims=True)
    out[...] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    # END SOLUTION


@declare(2)
def softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = the gradient of x, where g is that of y = softmax(x), along the middle of (outer, C, inner)."""
    # BEGIN SOLUTION 4.4
    out[...] = y * (g - (g * y).sum(1, keepdims=True))
    # END SOLUTION


@declare(2)
def log_softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = the gradient of x, where g is that of y = log_softmax(x), along the middle of (outer, C, inner)."""
    # BEGIN SOLUTION 4.4
    out[...] = g - np.exp(y) * g.sum(1, keepdims=True)
    # END SOLUTION


@declare(3, 4)
def cross_entropy(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, losses: np.ndarray, top: np.ndarray,
                  total: np.ndarray, sums: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """The loss of every row of x (M, C) for int64 labels, 0 where the label is `ignore_index` or no class.

    With q = (1 - smoothing) onehot(label) + smoothing / C: losses = -sum over c of q[c] weight[c] log_softmax(x)[c].
    Kept for the gradient: top = max x, total = sum exp(x - top). sums: the sum of all losses, that of weight[label],
    and how many labels are neither a class nor `ignore_index`.
    """
    top[...] = x.max(1, initial=-np.inf)
    total[...] = np.exp(x - top[:, None]).sum(1)
    losses[...] = sums[...] = 0
    for i in np.flatnonzero(labels != ignore_index):
        if not 0 <= labels[i] < x.shape[1]:
            sums[2] += 1
            continue
        sums[1] += weight[labels[i]]
        each = -(weight * ((x[i] - top[i]) - np.log(total[i])))
        losses[i] = each[labels[i]] if not smoothing else (
            (1 - smoothing) * each[labels[i]] + smoothing / x.shape[1] * each.sum())
    sums[0] = losses.sum(dtype=_wide(x))


@declare(6)
def cross_entropy_grad(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, top: np.ndarray, total: np.ndarray,
                       scale: np.ndarray, out: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """out[i] = scale[i] * (sum(q weight) softmax(x[i]) - q weight) for the q of `cross_entropy`, 0 in ignored rows.

    scale: (M,), or (1,) for all rows.
    """
    out[...] = 0
    for i in np.flatnonzero(labels != ignore_index):
        q = np.full(x.shape[1], smoothing / x.shape[1], x.dtype)
        q[labels[i]] += 1 - smoothing
        q *= weight
        out[i] = scale[i if scale.size > 1 else 0] * (q.sum() * (np.exp(x[i] - top[i]) / total[i]) - q)


# ------------------------------------------------------------------------------------------------ reductions
# Over the middle of arrays (outer, reduced, inner), to out (outer, inner) unless said otherwise. Sums and products of
# float32 may be asked for in float64: then they are not rounded.
@declare(1)
def sum_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x."""
    out[...] = x.sum(1, dtype=_wide(x))


@declare(1)
def prod_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the product of x."""
    out[...] = x.prod(1, dtype=_wide(x))


@declare(1)
def max_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the largest of x; NaN wins."""
    out[...] = x.max(1, initial=-np.inf)


@declare(1)
def min_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the smallest of x; NaN wins."""
    out[...] = x.min(1, initial=np.inf)


@declare(1)
def sum_squares(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x * x."""
    out[...] = (x * x).sum(1, dtype=_wide(x))


@declare(1)
def sum_sizes(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of |x|."""
    out[...] = np.abs(x).sum(1, dtype=_wide(x))


@declare(2)
def sum_products(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x * y."""
    out[...] = (x * y).sum(1, dtype=_wide(x))


@declare(2)
def sum_deviations(x: np.ndarray, m: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of (x - m)^2, m (outer, inner)."""
    out[...] = np.square(x - m[:, None]).sum(1, dtype=_wide(x))


@declare(2)
def sum_exp(x: np.ndarray, top: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of exp(x - top), top (outer, inner), where x <= top."""
    out[...] = np.exp(x - top[:, None]).sum(1, dtype=_wide(x))


@declare(1)
def argmax_along(x: np.ndarray, out: np.ndarray) -> None:
    """out, int64 = the place of the largest of x: the first of equals, or the first NaN."""
    out[...] = x.argmax(1)


@declare(1)
def argmin_along(x: np.ndarray, out: np.ndarray) -> None:
    """out, int64 = the place of the smallest of x: the first of equals, or the first NaN."""
    out[...] = x.argmin(1)


@declare(1)
def running_sum(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the sums of x up to each element of `reduced`, or from it on if `reverse`."""
    step = -1 if reverse else 1
    out[...] = np.cumsum(x[:, ::step], 1, dtype=_wide(x))[:, ::step]


@declare(1)
def running_prod(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the products of x up to each element of `reduced`, or from it on if `reverse`."""
    step = -1 if reverse else 1
    out[...] = np.cumprod(x[:, ::step], 1, dtype=_wide(x))[:, ::step]


def _is_extreme(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x == y[:, None]) | (np.isnan(x) & np.isnan(y)[:, None])


@declare(2)
def count_extremes(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = how many of x are y (outer, inner), or NaN as y is."""
    out[...] = _is_extreme(x, y).sum(1)


@declare(3)
def extreme_grad(x: np.ndarray, y: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = g (outer, inner) where x is y (outer, inner), or NaN as y is, else 0."""
    out[...] = np.where(_is_extreme(x, y), g[:, None], 0)


@declare(3)
def deviation_grad(x: np.ndarray, m: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = (x - m) * g; m, g (outer, inner)."""
    out[...] = (x - m[:, None]) * g[:, None]


@declare(2)
def scaled(x: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = x * g, g (outer, inner)."""
    out[...] = x * g[:, None]


@declare(2)
def quotient(x: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = g / x, g (outer, inner)."""
    out[...] = g[:, None] / x


@declare(3)
def exp_grad(x: np.ndarray, y: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = exp(x - y) * g; y, g (outer, inner)."""
    out[...] = np.exp(x - y[:, None]) * g[:, None]


# ------------------------------------------------------------------------------------------------ copies and rows
@declare(2, 0, strided=True)
def transfer(x: np.ndarray, out: np.ndarray) -> None:
    """out = x, for two arrays of one shape and dtype and any strides, which share no memory."""
    out[...] = x


@declare(2)
def gather_rows(x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """out[b, i] = x[b, rows[i]] for x (B, M, D) and rows (N,), int64 from 0 to M - 1."""
    out[...] = x[:, rows]


@declare(2)
def scatter_rows(y: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `gather_rows`: out[b, rows[i]] += y[b, i], in the order of i, all else 0."""
    out[...] = 0
    for image, part in zip(out, y, strict=True):
        np.add.at(image, rows, part)


@declare(4)
def weighted_rows(x: np.ndarray, first: np.ndarray, positions: np.ndarray, weights: np.ndarray,
                  out: np.ndarray) -> None:
    """out[b, o] = sum of weights[e] x[b, positions[e]] for first[o] <= e < first[o + 1], in this order.

    x (B, M, D), out (B, O, D); first (O + 1,) and positions int64.
    """
    out[...] = 0
    for o in range(len(first) - 1):
        for e in range(first[o], first[o + 1]):
            out[:, o] += weights[e] * x[:, positions[e]]


# ------------------------------------------------------------------------------------------------ places and orders
def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where both are equal, or both NaN."""
    return (a == b) | ((a != a) & (b != b))


def _met(y: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, ...]:
    """The key of the places b, index[b, n, d], d for y (B, N, D)."""
    b, _, d = np.ogrid[tuple(slice(n) for n in y.shape)]
    return b, np.broadcast_to(index, y.shape), d


@declare(3, 4)
def place_extreme(x: np.ndarray, y: np.ndarray, index: np.ndarray, out: np.ndarray, own: np.ndarray,
                  theirs: np.ndarray, share: np.ndarray, largest: bool, include_self: bool) -> None:
    """out[b, m, d] = the largest, or smallest, of x (B, M, D) there and all y[b, n, d] with index[b, n, d] = m.

    NaN wins. Without `include_self` x is for places that nothing meets. index (1 or B, N, 1 or D), int64. `share`
    (B, M, D) is 1 / how many of them are it, own (B, M, D) and theirs (B, N, D) that for these and 0 for the others.
    """
    key = _met(y, index)
    out[...], mine = x, np.ones(x.shape, bool)
    if not include_self:
        mine[key], out[key] = False, y  # a start that is one of the elements
    (np.maximum if largest else np.minimum).at(out, key, y)
    mine &= _same(x, out)
    hits = _same(y, out[key])
    count = mine.astype(x.dtype)
    np.add.at(count, key, hits)
    share[...] = 1 / count
    own[...], theirs[...] = mine * share, hits * share[key]


@declare(3)
def place_product(x: np.ndarray, y: np.ndarray, index: np.ndarray, out: np.ndarray, include_self: bool) -> None:
    """out[b, m, d] = the product of x there and all y[b, n, d] with index[b, n, d] = m, as in `place_extreme`."""
    key = _met(y, index)
    out[...] = x
    if not include_self:
        out[key] = 1
    np.multiply.at(out, key, y)


@declare(2)
def histogram(x: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
    """counts[p, bin] (parts, bins), int64: elements of the p-th part of x (N,) from ends[0] to ends[1], by equal bins.

    ends[2] is how many bins there are for a distance of 1. The upper end is in the last bin.
    """
    low, high, scale = ends
    parts, bins = counts.shape
    for p in range(parts):
        part = x[p * x.size // parts : (p + 1) * x.size // parts]
        part = part[(part >= low) & (part <= high)]
        counts[p] = np.bincount(np.minimum(((part - low) * scale).astype(np.int64), bins - 1), minlength=bins)


@declare(2)
def bisect_places(ordered: np.ndarray, values: np.ndarray, out: np.ndarray, right: bool) -> None:
    """Where the values (L, M) belong in lines (1 or L, N) that are in order: before their equals, or behind if `right`.

    By halving, so that it is said also for lines with NaN, which nothing is beyond. out (L, M) int64.
    """
    lines = np.broadcast_to(ordered, (len(values), ordered.shape[1]))
    low, high = np.zeros(values.shape, np.int64), np.full(values.shape, lines.shape[1])
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        other = np.take_along_axis(lines, np.minimum(middle, lines.shape[1] - 1), 1)
        ends = (other > values) if right else (other >= values)
        low, high = np.where(ends | ~open_, low, middle + 1), np.where(ends & open_, middle, high)
    out[...] = low


@declare(1)
def leading_places(x: np.ndarray, out: np.ndarray, largest: bool) -> None:
    """The positions out (L, k), int64, of the k largest, or smallest, of each line of x (L, N), in order.

    Of equals the first comes first; NaN counts as larger than every number.
    """
    nan = np.isnan(x)
    keys = np.where(nan, 0, -x if largest else x)
    out[...] = np.lexsort((keys, ~nan if largest else nan), axis=1)[:, : out.shape[1]]


@declare(1)
def running_extreme(x: np.ndarray, out: np.ndarray, largest: bool) -> None:
    """The place along the middle axis, int64, of the largest, or smallest, of x (outer, N, inner) so far.

    Of equals the last; the last NaN from the first one on.
    """
    best = (np.maximum if largest else np.minimum).accumulate(x, axis=1)
    hits = (x == best) | np.isnan(x)
    out[...] = np.maximum.accumulate(np.where(hits, np.arange(x.shape[1])[:, None], 0), axis=1)


@declare(3)
def polynomials(x: np.ndarray, degrees: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """out = P[degree](x) for x (N,) and degrees, (N,) or (1,), with P[-1] = 0, P[0] = 1 and

    D P[k+1] = (A x + B) P[k] - C P[k-1] for the rows (A, B, C, D) of the table; 0 for degrees that it does not reach.
    All but x and out is float64, and so are the steps.
    """
    z, p, q = x.astype(np.float64), np.zeros(x.shape), np.ones(x.shape)
    out[...] = degrees == 0
    for k, (a, b, c, d) in enumerate(table, 1):
        p, q = q, ((a * z + b) * q - c * p) / d
        np.copyto(out, q, "same_kind", where=degrees == k)


# ------------------------------------------------------------------------------------------------ norms of groups
def _grouped(x: np.ndarray, mean: np.ndarray, last: bool) -> np.ndarray:
    """(N, C, S), or (N, S, C) if `last`, as (N, groups, channels of a group, S)."""
    x = x.transpose(0, 2, 1) if last else x
    return x.reshape(*mean.shape, x.shape[1] // mean.shape[1], x.shape[2])


def _ungrouped(x: np.ndarray, last: bool) -> np.ndarray:
    x = x.reshape(len(x), -1, x.shape[-1])
    return x.transpose(0, 2, 1) if last else x


@declare(3, 3)
def group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
               eps: float, last: bool, centred: bool) -> None:
    """Every group of x (N, C, S), or (N, S, C) if `last`, to mean 0 if `centred` and mean square 1, then * w + b (C,).

    mean and invstd (N, groups) say how many groups there are, and are filled.
    """
    if not x.size:
        mean[...] = invstd[...] = np.nan
        return
    rows = _grouped(x, mean, last)
    mean[...] = rows.mean((2, 3), dtype=_wide(x)) if centred else 0
    deviation = rows - mean[:, :, None, None]
    invstd[...] = 1 / np.sqrt(np.square(deviation).mean((2, 3), dtype=_wide(x)) + eps)
    h = _ungrouped(deviation * invstd[:, :, None, None], False)
    y = h * w[:, None] + b[:, None]
    out[...] = y.transpose(0, 2, 1) if last else y


@declare(5, 3)
def group_norm_grad(g: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    out: np.ndarray, gw: np.ndarray, gb: np.ndarray, last: bool, centred: bool) -> None:
    """The gradients of `group_norm` for x, w and b from that of its result, g; mean and invstd are those it filled.

    For S = 1 `out`, or gw and gb, may be empty: then nobody asks for them.
    """
    g, x = _grouped(g, mean, last), _grouped(x, mean, last)
    h = (x - mean[:, :, None, None]) * invstd[:, :, None, None]
    if gw.size:
        gw[...], gb[...] = (g * h).sum((0, 3), dtype=_wide(x)).ravel(), g.sum((0, 3), dtype=_wide(x)).ravel()
    if out.size:
        u = g * w.reshape(*x.shape[1:3], 1)
        a = u.mean((2, 3), keepdims=True) if centred else 0
        slope = invstd[:, :, None, None] * (u - a - h * (u * h).mean((2, 3), keepdims=True))
        out[...] = _ungrouped(slope, last)


# ------------------------------------------------------------------------------------------------ recurrent layers
def _steps(starts: np.ndarray, reverse: bool) -> list[tuple[slice, int]]:
    """For each step, in the order in which they run: its rows, and how many."""
    steps = [(slice(a, b), b - a) for a, b in itertools.pairwise(starts.tolist())]
    return steps[::-1] if reverse else steps


@declare(3, 7)
def lstm_steps(w_hh: np.ndarray, w_hr: np.ndarray, starts: np.ndarray, gates: np.ndarray, held: np.ndarray,
               cells: np.ndarray, tangents: np.ndarray, out: np.ndarray, h: np.ndarray, c: np.ndarray,
               reverse: bool) -> None:
    """An LSTM along B sequences that are packed step by step: step t has the rows starts[t] to starts[t + 1] - 1.

    gates (N, 4H) are the sums of the inputs, and become i, f, g and o; h (B, P) and c (B, H) are the states, and become
    the last ones. Filled are the h (N, P) and c (N, H) that each step began with, `held` and `cells`; tanh(c') and h',
    `tangents` (N, H) and `out` (N, P). w_hr (P, H) is empty where h' is not projected. `reverse`: the last step first.
    """
    units = c.shape[1]
    for rows, n in _steps(starts, reverse):
        a, state, cell = gates[rows], h[:n], c[:n]
        held[rows], cells[rows] = state, cell
        a += state @ w_hh.T
        i, f, g, o = (a[:, k * units : (k + 1) * units] for k in range(4))
        g[...] = np.tanh(g)
        for s in (i, f, o):
            s[...] = 1 / (1 + np.exp(-s))
        cell[...] = f * cell + i * g
        tangents[rows] = np.tanh(cell)
        m = o * tangents[rows]
        state[...] = m @ w_hr.T if w_hr.size else m
        out[rows] = state


@declare(7, 4)
def lstm_steps_grad(g: np.ndarray, w_hh: np.ndarray, w_hr: np.ndarray, starts: np.ndarray, gates: np.ndarray,
                    cells: np.ndarray, tangents: np.ndarray, d: np.ndarray, received: np.ndarray, gh: np.ndarray,
                    gc: np.ndarray, reverse: bool) -> None:
    """The gradient of `lstm_steps`: d (N, 4H), what the sums receive, of that of `out`, g (N, P).

    gh and gc are the gradients of the last states, and become those of the first. `received` (N, P), empty without
    w_hr, is filled with what each h' received.
    """
    units = gc.shape[1]
    for rows, n in reversed(_steps(starts, reverse)):
        i, f, t, o = (gates[rows, k * units : (k + 1) * units] for k in range(4))
        dh, dc = gh[:n], gc[:n]
        dh += g[rows]
        dm = dh
        if w_hr.size:
            received[rows] = dh
            dm = dh @ w_hr
        dc += dm * o * (1 - tangents[rows] ** 2)
        d_i, d_f, d_t = dc * t * i * (1 - i), dc * cells[rows] * f * (1 - f), dc * i * (1 - t * t)
        d[rows] = np.concatenate([d_i, d_f, d_t, dm * tangents[rows] * o * (1 - o)], 1)
        dc *= f
        dh[...] = d[rows] @ w_hh
