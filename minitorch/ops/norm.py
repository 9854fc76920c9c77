"""Batch normalisation: every channel to mean 0 and variance 1 over the batch, then scaled by w and shifted by b.

With M numbers per channel, h = (x - mean) / s and s = sqrt(variance + eps), the result is y = w h + b. Of an incoming
gradient g, b receives sum(g) and w receives sum(g h). To find what reaches x, let u = g w be the gradient for h. The
mean passes on -sum(u) / (M s) to every x, the deviation -h sum(u h) / (M s), and x itself u / s. Together:

    gx = (u - mean(u) - h mean(u h)) / s = (w / s) (g - mean(g) - h mean(g h))
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..autograd import is_grad_enabled, primitive
from ..autograd.tape import wrap
from . import reduce
from .elementwise import rsqrt
from .layout import channels_first, channels_last
from .shape import reshape


def _flat(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) as (pixels, C), without a copy where memory is channels-last."""
    return channels_last(x).reshape(-1, x.shape[1])


def _like(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A new array of x's shape in channels-last memory, and the same as (pixels, C)."""
    memory = kernels.empty(channels_last(x).shape, x.dtype)
    return channels_first(memory), memory.reshape(-1, x.shape[1])


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (biased) variance of every channel."""
    mean, variance = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    kernels.batch_norm_statistics(_flat(x), mean, variance)
    return mean, variance


@primitive
def batch_norm(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float, mean: np.ndarray, invstd: np.ndarray
) -> np.ndarray:
    """(x - mean) * invstd * w + b, where mean and invstd are x's own: settings only because they are known already."""
    out, flat = _like(x)
    kernels.batch_norm_apply(_flat(x), _none(x), mean, invstd * w, b, flat, False)
    return out


def _none(x: np.ndarray) -> np.ndarray:
    """An empty array of x's dtype: an operand that is not there."""
    return _NONE[x.dtype.char]


_NONE = {char: np.empty(0, char) for char in "efdg"}


def _sums(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> tuple[np.ndarray, np.ndarray]:
    """sum(g) and sum(g h), once for the three rules."""
    if not memo:
        memo["g"], memo["gh"] = np.empty_like(mean), np.empty_like(mean)
        none = _none(mean)
        kernels.batch_norm_sums(_flat(x.array), _flat(g.array), none, mean, none, none, memo["g"], memo["gh"])
        memo["gh"] *= invstd
    return memo["g"], memo["gh"]


def _normalized(x: Any, eps: float) -> tuple[Any, Any, tuple]:
    """h, 1/s and the axes they are computed over, in tensor operations: for derivatives of the derivative."""
    axes = (0, *range(2, x.array.ndim))
    deviation = x - reduce.mean(x, axes, keepdim=True)
    scale = rsqrt(reduce.mean(deviation * deviation, axes, keepdim=True) + eps)
    return deviation * scale, scale, axes


def _input_grad(g: Any, x: Any, w: Any, eps: float, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if is_grad_enabled():
        h, scale, axes = _normalized(x, eps)
        centred = g - reduce.mean(g, axes, keepdim=True) - h * reduce.mean(g * h, axes, keepdim=True)
        return reshape(w, shape=(-1, *(1,) * (x.array.ndim - 2))) * scale * centred
    sum_g, sum_gh = _sums(g, x, mean, invstd, memo)
    out, flat = _like(x.array)
    m, none = flat.dtype.type(len(flat)), _none(flat)
    kernels.batch_norm_input_grad(
        _flat(x.array), _flat(g.array), none, mean, invstd * w.array, none, sum_gh / m * invstd, sum_g / m, flat
    )
    return wrap(out)


def _weight_grad(g: Any, x: Any, eps: float, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if is_grad_enabled():
        h, _, axes = _normalized(x, eps)
        return reduce.sum(g * h, axes)
    return wrap(_sums(g, x, mean, invstd, memo)[1])


def _bias_grad(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if is_grad_enabled():
        return reduce.sum(g, (0, *range(2, g.array.ndim)))
    return wrap(_sums(g, x, mean, invstd, memo)[0])


batch_norm.vjp(
    x=lambda g, x, w, eps, mean, invstd, memo: _input_grad(g, x, w, eps, mean, invstd, memo),
    w=lambda g, x, eps, mean, invstd, memo: _weight_grad(g, x, eps, mean, invstd, memo),
    b=lambda g, x, mean, invstd, memo: _bias_grad(g, x, mean, invstd, memo),
)


def batch_norm_train_with_statistics(x: Any, w: Any, b: Any, eps: float) -> tuple[Any, np.ndarray, np.ndarray]:
    """Normalise by the batch: the result, and each channel's mean and biased variance. w and b may be None."""
    mean, variance = statistics(x.array)
    w, b = _affine(w, b, x)
    invstd = (1 / np.sqrt(variance + variance.dtype.type(eps))).astype(variance.dtype)
    return batch_norm(x, w, b, eps=eps, mean=mean, invstd=invstd), mean, variance


def batch_norm_train(x: Any, w: Any, b: Any, *, eps: float) -> Any:
    """Normalise by the batch. w and b may be None."""
    return batch_norm_train_with_statistics(x, w, b, eps)[0]


def batch_norm_eval(x: Any, mean: Any, variance: Any, w: Any, b: Any, eps: float) -> Any:
    """Normalise by given statistics, arrays or tensors of shape (C,): (x - mean) / sqrt(variance + eps) * w + b."""
    mean, variance = (v if hasattr(v, "array") else wrap(v) for v in (mean, variance))
    w, b = _affine(w, b, x)
    scale = rsqrt(variance + eps) * w
    shift = b - mean * scale
    column = (-1, *(1,) * (x.array.ndim - 2))
    return x * reshape(scale, shape=column) + reshape(shift, shape=column)


def _affine(w: Any, b: Any, x: Any) -> tuple[Any, Any]:
    c, dtype = x.array.shape[1], x.array.dtype
    return wrap(np.ones(c, dtype)) if w is None else w, wrap(np.zeros(c, dtype)) if b is None else b
