"""Convolutions that finish their results: what follows one in evaluation is done while its sums are in registers.

Where nothing is recorded, a large convolution is deferred (autograd/deferred.py), and takes in a bias, a batch norm
with known statistics, a sum and a ReLU. Its kernel applies them with the arithmetic that they have apart: same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Primitive, Variable, is_grad_enabled
from ..autograd.deferred import defer
from ..autograd.tape import wrap
from ..geometry import ConvGeometry
from ..kernels.tile import algorithm
from .layout import absent, channels_first, channels_last
from .norm import Normalized, Source, deferrable, same

LEAST = 8  # channels: the tutorial net, whose first layer has 6, takes 3.19 ms with it finished, 2.88 without (2026-11)


class Convolved(Source):
    """conv(x, w), to be computed. w is a copy: its memory may be a user's array, who changes it without a word."""

    __slots__ = ("algorithm", "geometry", "w", "x")

    def __init__(self, x: np.ndarray, w: np.ndarray, geometry: ConvGeometry) -> None:
        self.shape, self.dtype = (x.shape[0], w.shape[0], *geometry.output_size), x.dtype
        self.x, self.w, self.geometry, self.algorithm = x, kernels.empty(w.shape, w.dtype), geometry, algorithm.setting
        self.w[...] = w

    def compute(self) -> np.ndarray:
        """The convolution as it is."""
        return self._made(lambda x, out: kernels.conv(x, self.w, out, self.geometry))

    def normal(
        self, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray, r: np.ndarray | None, relu: bool
    ) -> np.ndarray:
        """Normalised while it is in the registers."""
        r = absent(self.x) if r is None else channels_last(r)
        return self._made(
            lambda x, out: kernels.conv_normal(x, self.w, r, mean, scale, shift, out, self.geometry, relu)
        )

    def _made(self, kernel: Callable[[np.ndarray, np.ndarray], None]) -> np.ndarray:
        """A new array that `kernel` makes of x, by the algorithm that was set when the convolution was called."""
        out = kernels.empty((self.shape[0], *self.shape[2:], self.shape[1]), self.dtype)
        with algorithm.as_of(self.algorithm):
            kernel(channels_last(self.x), out)
        return channels_first(out)


class Convolution(Primitive):
    """A convolution of x with w, with or without a bias, deferred where nothing is recorded and the result is large."""

    relu = False

    def __call__(self, *args: Any, geometry: ConvGeometry) -> Any:
        if not all([isinstance(arg, Variable) for arg in args]) or (
            is_grad_enabled() and any([arg.edge is not None for arg in args])
        ):
            return super().__call__(*args, geometry=geometry)
        x, w, *b = (arg.array for arg in args)
        size = x.shape[0] * w.shape[0] * prod(geometry.output_size) * x.itemsize
        if size < kernels.SMALL or w.shape[0] < LEAST or not deferrable(x):
            return super().__call__(*args, geometry=geometry)
        factors: tuple[Any, Any, Any] = (None, None, None)
        if b:  # (t - 0) * 1 + b has the bits of t + b
            mean, scale, _ = same(w.shape[0], x.dtype)
            factors = mean, scale, b[0].copy()
        recipe = Normalized(Convolved(x, w, geometry), *factors, None, args[0].version)
        return wrap(recipe.compute(True)) if self.relu else defer(recipe)


class RectifiedConvolution(Convolution):
    """A `Convolution` that ends in a ReLU, which nothing can follow in its kernel: not deferred, but finished."""

    relu = True
