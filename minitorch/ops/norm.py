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
from ..autograd import Primitive, Variable, is_grad_enabled
from ..autograd.deferred import Recipe, defer
from ..autograd.tape import wrap
from . import activation, pointwise, reduce
from .layout import absent, channels_first, channels_last, pixels
from .pointwise import rsqrt
from .shape import reshape


def _like(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A new array of x's shape in channels-last memory, and the same as (pixels, C)."""
    memory = kernels.empty(channels_last(x).shape, x.dtype)
    return channels_first(memory), memory.reshape(-1, x.shape[1])


class BatchNorm(Primitive):
    """`batch_norm`, deferred where it is large: see autograd/deferred.py."""

    accepts_pending = True

    def __call__(self, x: Any, w: Any, b: Any, **settings: Any) -> Any:
        if not isinstance(x, Variable) or not deferrable(x.array):
            return super().__call__(x, w, b, **settings)
        scale, shift = settings["invstd"] * w.array, b.array.copy()
        recipe = Normalized(x.array, settings["mean"], scale, shift, None, x.version)
        return self.place((x, w, b), defer(recipe), settings)


@BatchNorm
def batch_norm(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, *, eps: float, mean: np.ndarray, invstd: np.ndarray
) -> np.ndarray:
    """(x - mean) * invstd * w + b, where mean and invstd are x's own: settings only because they are known already."""
    return Normalized(x, mean, invstd * w, b, None).compute()


class Source:
    """What stands for x in `Normalized`: a result that is large, not yet computed, and can be normalised meanwhile."""

    __slots__ = ("dtype", "shape")
    dtype: np.dtype
    shape: tuple[int, ...]

    def compute(self) -> np.ndarray:
        """The result as it is."""
        raise NotImplementedError

    def normal(
        self, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray, r: np.ndarray | None, relu: bool
    ) -> np.ndarray:
        """(result - mean) * scale + shift, + r, of a ReLU if asked for."""
        raise NotImplementedError


class Normalized(Recipe):
    """(x - mean) * scale + shift, which can take in a sum with r and then a ReLU.

    x is an array or a `Source`. A scale of None means a source's x as it is, which takes in a batch norm, too. What
    comes from a source is taken in once: the second who asks gets the array, lest the source be run for each.
    """

    __slots__ = ("mean", "r", "scale", "shift", "taken", "x")

    def __init__(
        self, x: np.ndarray | Source, mean: Any, scale: Any, shift: Any, r: np.ndarray | None, *counters: list
    ) -> None:
        super().__init__(x, *counters)
        self.x, self.mean, self.scale, self.shift, self.r = x, mean, scale, shift, r
        self.taken = False

    def compute(self, relu: bool = False) -> np.ndarray:
        """The array, of a ReLU if asked for."""
        x = self.x
        if isinstance(x, Source):
            if self.scale is None and self.r is None and not relu:
                return x.compute()
            given = self.mean, self.scale, self.shift
            mean, scale, shift = same(x.shape[1], x.dtype) if self.scale is None else given
            return x.normal(mean, scale, shift, self.r, relu)
        out, flat = _like(x)
        r = absent(x) if self.r is None else pixels(self.r)
        kernels.batch_norm_apply(pixels(x), r, self.mean, self.scale, self.shift, flat, relu)
        return out

    def take(self) -> bool:
        """Whether another recipe may take this one in, which it does then."""
        free = not self.taken
        self.taken = isinstance(self.x, Source)
        return free

    def fuse(self, primitive: Any, args: tuple) -> tuple[Any, dict] | None:
        """ReLU at once; a sum with an array that stands alike in memory, deferred again."""
        if primitive is activation.relu and self.take():
            return wrap(self.compute(True)), {} if self.r is not None else {"gate": (self.scale, self.shift)}
        if primitive is not pointwise.add or self.r is not None:
            return None
        r = args[1] if getattr(args[0], "recipe", None) is self else args[0]
        if not isinstance(r, Variable) or r.outline.shape != self.shape or r.outline.dtype != self.dtype:
            return None
        if r.recipe is self or not deferrable(r.array) or not self.take():
            return None
        recipe = Normalized(self.x, self.mean, self.scale, self.shift, r.array, *self.counters, r.version)
        return defer(recipe), {}


def same(channels: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, scale and shift that leave every x as it is: -0.0 + 0.0 would not."""
    return np.zeros(channels, dtype), np.ones(channels, dtype), np.full(channels, -0.0, dtype)


def deferrable(x: np.ndarray) -> bool:
    """Whether x is large, a kernel's own, and an image that stands channels-last."""
    return x.ndim > 1 and kernels.pooled(x) and channels_last(x).flags.c_contiguous


def _through(g: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A gradient as rows, and the gate it comes through as the kernels want it: y, scale and shift, or empty ones."""
    none = absent(g)
    if not isinstance(g, activation.Gated):
        return pixels(g), none, none, none
    if g.gate is None:
        return pixels(g.h), pixels(g.y), none, none
    return pixels(g.h), none, *g.gate


def _sums(g: Any, x: Any, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> tuple[np.ndarray, np.ndarray]:
    """sum(g) and sum(g h), once for the three rules."""
    if not memo:
        memo["g"], memo["gh"] = np.empty_like(mean), np.empty_like(mean)
        h, y, scale, shift = _through(g)
        kernels.batch_norm_sums(pixels(x), h, y, mean, invstd, scale, shift, memo["g"], memo["gh"])
    return memo["g"], memo["gh"]


def _normalized(x: Any, eps: float) -> tuple[Any, Any, tuple]:
    """h, 1/s and the axes they are computed over, in tensor operations: for derivatives of the derivative."""
    axes = (0, *range(2, x.array.ndim))
    deviation = x - reduce.mean(x, axes, keepdim=True)
    scale = rsqrt(reduce.mean(deviation * deviation, axes, keepdim=True) + eps)
    return deviation * scale, scale, axes


def _input_grad(g: Any, x: Any, w: Any, eps: float, mean: np.ndarray, invstd: np.ndarray, memo: dict) -> Any:
    if isinstance(g, Variable):
        h, scale, axes = _normalized(x, eps)
        centred = g - reduce.mean(g, axes, keepdim=True) - h * reduce.mean(g * h, axes, keepdim=True)
        return reshape(w, shape=(-1, *(1,) * (x.array.ndim - 2))) * scale * centred
    sum_g, sum_gh = _sums(g, x, mean, invstd, memo)
    out, flat = _like(x)
    h, y, _, shift = _through(g)
    kernels.batch_norm_input_grad(pixels(x), h, y, mean, invstd, invstd * w, shift, sum_g, sum_gh, flat)
    return out


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


def batch_norm_train(
    x: Any, w: Any, b: Any, running_mean: Any = None, running_var: Any = None, momentum: float = 0.0, *, eps: float
) -> Any:
    """Normalise by the batch; w, b and the running statistics, which are brought up to date, may be None."""
    mean, variance, invstd = np.empty((3, x.array.shape[1]), x.array.dtype)
    running = running_mean, running_var
    for r in running:
        if r is not None:
            r.bump()
    m, v = (absent(mean) if r is None else r.array.astype(mean.dtype, copy=False) for r in running)
    kernels.batch_norm_statistics(pixels(x.array), mean, variance, invstd, m, v, eps, momentum)
    for r, array in zip(running, (m, v), strict=True):
        if r is not None and array is not r.array:
            r.array[...] = array
    w, b = _affine(w, b, x)
    return batch_norm(x, w, b, eps=eps, mean=mean, invstd=invstd)


def batch_norm_eval(x: Any, mean: Any, variance: Any, w: Any, b: Any, eps: float) -> Any:
    """Normalise by given statistics, arrays or tensors of shape (C,): (x - mean) / sqrt(variance + eps) * w + b."""
    mean, variance = (v if hasattr(v, "array") else wrap(v) for v in (mean, variance))
    w, b = _affine(w, b, x)
    if not (is_grad_enabled() and any(v.edge is not None for v in (x, mean, variance, w, b))):
        dtype = x.outline.dtype
        scale = (w.array / np.sqrt(variance.array + dtype.type(eps))).astype(dtype)
        factors, source = (mean.array.astype(dtype), scale, b.array.copy()), x.recipe
        if isinstance(source, Normalized) and source.scale is None and source.r is None and source.take():
            return defer(Normalized(source.x, *factors, None, *source.counters))
        recipe = Normalized(x.array, *factors, None, x.version)
        return defer(recipe) if deferrable(x.array) else wrap(recipe.compute())
    # Running statistics as they are now: the next batch in training changes them, maybe before backward is called.
    mean, variance = (v if v.edge is not None else wrap(v.array.copy()) for v in (mean, variance))
    scale = rsqrt(variance + eps) * w
    shift = b - mean * scale
    column = (-1, *(1,) * (x.array.ndim - 2))
    return x * reshape(scale, shape=column) + reshape(shift, shape=column)


def _affine(w: Any, b: Any, x: Any) -> tuple[Any, Any]:
    c, dtype = x.outline.shape[1], x.outline.dtype
    return wrap(np.ones(c, dtype)) if w is None else w, wrap(np.zeros(c, dtype)) if b is None else b
