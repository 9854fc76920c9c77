"""Batch normalisation: every channel to mean 0 and variance 1 over the batch, then scaled by w and shifted by b.

With M numbers per channel, h = (x - mean) / s and s = sqrt(variance + eps), the result is y = w h + b. Of an incoming
gradient g, b receives sum(g) and w receives sum(g h). To find what reaches x, let u = g w be the gradient for h. The
mean passes on -sum(u) / (M s) to every x, the deviation -h sum(u h) / (M s), and x itself u / s. Together:

    gx = (u - mean(u) - h mean(u h)) / s = (w / s) (g - mean(g) - h mean(g h))
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Variable, is_grad_enabled, primitive
from ..autograd.following import step
from ..autograd.tape import Own, plain, wrap
from . import reduce
from .conv import bias_grad
from .layout import absent, channels_first, channels_last, pixels
from .pointwise import multiply, rsqrt
from .promotion import in_float32
from .shape import reshape


def _like(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A new array of x's shape in channels-last memory, and the same as (pixels, C)."""
    memory = kernels.empty(channels_last(x).shape, x.dtype)
    return channels_first(memory), memory.reshape(-1, x.shape[1])


def _apply(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    out, flat = _like(x)
    kernels.batch_norm_apply(pixels(x), absent(x), mean, scale, shift, flat, False)
    return out


@primitive
def batch_norm(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float, mean: np.ndarray, invstd: np.ndarray
) -> np.ndarray:
    """(x - mean) * invstd * w + b, where mean and invstd are x's own: settings only because they are known already."""
    return _apply(x, mean, multiply(invstd, w), b)


# Its kernels read a gradient through the gate of a ReLU, `fuse.Gate`, and write over one that nobody else has.
batch_norm.accepts_pending = True


def gated_rows(g: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A gradient (M, C) and the gate it comes through, as the kernels want it: y, scale and shift, or empty ones."""
    if type(g) is Own:
        g = g.own
    elif type(g) is not np.ndarray:
        return g.rows()
    none = absent(g)
    return pixels(g), none, none, none


def _room(g: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the gradient for x goes, also as (pixels, C): over g, if nobody else has that, else into a new array."""
    own = None if type(g) is np.ndarray else g.own
    if own is None or own.dtype != x.dtype or not channels_last(own).flags.c_contiguous:
        return _like(x)
    return own, pixels(own)


def _sums(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> tuple[np.ndarray, np.ndarray]:
    """sum(g) and sum(g h), once for the three rules."""
    if not memo:
        memo["g"], memo["gh"] = np.empty_like(mean), np.empty_like(mean)
        h, y, scale, shift = gated_rows(g)
        kernels.batch_norm_sums(pixels(x), h, y, mean, invstd, scale, shift, memo["g"], memo["gh"])
    return memo["g"], memo["gh"]


def _column(v: Any, x: Any) -> Any:
    """A number of each channel, (C,), beside images like x."""
    return reshape(v, shape=(-1, *(1,) * (x.ndim - 2)))


def _normalized(x: Any, eps: float) -> tuple[Any, Any, tuple]:
    """h, 1/s and the axes they are computed over, in tensor operations: for derivatives of the derivative."""
    axes = (0, *range(2, x.array.ndim))
    deviation = x - reduce.mean(x, axes, keepdim=True)
    scale = rsqrt(reduce.mean(deviation * deviation, axes, keepdim=True) + eps)
    return deviation * scale, scale, axes


def _input_grad(g: Any, x: Any, w: Any, eps: float, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if isinstance(g, Variable):
        h, scale, axes = _normalized(x, eps)
        # BEGIN SOLUTION 9.5
        centred = g - reduce.mean(g, axes, keepdim=True) - h * reduce.mean(g * h, axes, keepdim=True)
        return _column(w, x) * scale * centred
        # END SOLUTION
    return input_grad(g, x, w, mean, invstd, *_sums(g, x, mean, invstd, memo))


def _weight_grad(g: Any, x: Any, eps: float, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if isinstance(g, Variable):
        h, _, axes = _normalized(x, eps)
        return reduce.sum(g * h, axes)
    return _sums(g, x, mean, invstd, memo)[1]


def _bias_grad(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if isinstance(g, Variable):
        return reduce.sum(g, (0, *range(2, g.array.ndim)))
    return _sums(g, x, mean, invstd, memo)[0]


batch_norm.vjp(x=_input_grad, w=_weight_grad, b=_bias_grad)


def sums(g: np.ndarray, x: np.ndarray, mean: np.ndarray, invstd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sum(g) and sum(g h) of every channel, by statistics that may be those of more than x."""
    return _sums(g, x, mean, invstd, {})


def input_grad(
    g: Any, x: np.ndarray, w: np.ndarray, mean: np.ndarray, invstd: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray
) -> np.ndarray:
    """(w / s) (g - sum_g / M - h sum_gh / M), M being the pixels of x."""
    out, flat = _room(g, x)
    h, y, _, shift = gated_rows(g)
    kernels.batch_norm_input_grad(pixels(x), h, y, mean, invstd, multiply(invstd, w), shift, sum_g, sum_gh, flat)
    return out


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every channel."""
    mean, variance, invstd = np.empty((3, x.shape[1]), x.dtype)
    none = absent(mean)
    kernels.batch_norm_statistics(pixels(x), mean, variance, invstd, none, none, 1.0, 0.0)
    return mean, variance


def _as(v: np.ndarray, g: Any) -> Any:
    """Statistics as g is: of its dtype, and a tensor if it is one."""
    v = v.astype(plain(g).dtype, copy=False)
    return wrap(v) if isinstance(g, Variable) else v


@primitive
def normalize(x: np.ndarray, w: np.ndarray, b: np.ndarray, *, mean: np.ndarray, invstd: np.ndarray) -> np.ndarray:
    """(x - mean) * invstd * w + b of every channel, by statistics (C,) that are given: linear in x, in w and in b."""
    return _apply(x, _as(mean, x), _as(invstd, x) * w, b)


def _given_weight_grad(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if isinstance(g, Variable):
        h = (x - _column(_as(mean, g), g)) * _column(_as(invstd, g), g)
        return reduce.sum(g * h, (0, *range(2, g.ndim)))
    return _sums(g, x, _as(mean, g), _as(invstd, g), memo)[1]


def _given_bias_grad(g: Any, memo: dict) -> Any:
    if memo:
        return memo["g"]
    return reduce.sum(g, (0, *range(2, g.ndim))) if isinstance(g, Variable) else bias_grad(g)


normalize.vjp(
    x=lambda g, w, invstd: multiply(g, _column(w * _as(invstd, g), g)),
    w=_given_weight_grad,
    b=_given_bias_grad,
)


@in_float32
def batch_norm_train(
    x: Any, w: Any, b: Any, running: tuple = (None, None), momentum: float = 0.0, *, eps: float
) -> Any:
    """Normalise by the batch; w, b and the running mean and variance, which are brought up to date, may be None."""
    shape = x.outline.shape
    mean, variance, invstd = np.empty((3, shape[1]), x.outline.dtype)
    running = running if prod(shape) else (None, None)  # of no samples there is nothing to learn
    m, v = (absent(mean) if r is None else r.write().astype(mean.dtype, copy=False) for r in running)
    wanted, pending = (mean, variance, invstd, m, v, eps, momentum), x.pending
    if pending is not None and pending.measures:
        x.settle(pending, pending.measured(wanted))
    else:
        kernels.batch_norm_statistics(pixels(x.array), *wanted)
    for r, array in zip(running, (m, v), strict=True):
        if r is not None and array is not r.array:
            r.write()[...] = array
    w, b = _affine(w, b, x)
    return batch_norm(x, w, b, eps=eps, mean=mean, invstd=invstd)


@step("arrays")
def _statistics(mean: Any, variance: Any, eps: float, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """A copy of the mean, and 1 / s."""
    return mean.array.astype(dtype), (1 / np.sqrt(variance.array + dtype.type(eps))).astype(dtype, copy=False)


@in_float32
def batch_norm_eval(x: Any, mean: Any, variance: Any, w: Any, b: Any, eps: float) -> Any:
    """Normalise by given statistics, arrays or tensors of shape (C,): (x - mean) / sqrt(variance + eps) * w + b."""
    mean, variance = (v if hasattr(v, "array") else wrap(v) for v in (mean, variance))
    w, b = _affine(w, b, x)
    if not is_grad_enabled() or (mean.edge is None and variance.edge is None):
        # As they are now: the next batch in training changes them, maybe before backward is called.
        mean, invstd = _statistics(mean, variance, eps, x.outline.dtype)
        return normalize(x, w, b, mean=mean, invstd=invstd)
    mean, variance = (v if v.edge is not None else wrap(v.array.copy()) for v in (mean, variance))
    scale = rsqrt(variance + eps) * w
    shift = b - mean * scale
    return x * _column(scale, x) + _column(shift, x)


def _affine(w: Any, b: Any, x: Any) -> tuple[Any, Any]:
    c, dtype = x.outline.shape[1], x.outline.dtype
    return wrap(np.ones(c, dtype)) if w is None else w, wrap(np.zeros(c, dtype)) if b is None else b
