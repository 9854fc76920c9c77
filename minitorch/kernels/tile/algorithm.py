"""Which of its two algorithms a convolution runs on: the direct sum, or Winograd's.

`setting` is the user's word, `minitorch.backends.conv.algorithm`:

- "direct": always the direct sum, the most exact.
- "winograd": Winograd's wherever it is defined: float32 or float64, two dimensions, kernel 3x3, stride 1, dilation 1,
  no groups.
- "auto": Winograd's where it is defined, in float32, if both sides have at least CHANNELS channels and the images at
  least SIZE pixels along each axis. Below that, transforming costs more than it saves. 16 channels of 32x32 pixels run
  at 130 GFLOP/s forward against 80 of the direct sum, and at 85 against 56 for the weight; 64 channels at 204 against
  82, and 175 against 68; of 3x3 pixels, of which a tile wastes 7 in 16, 256 channels at 105 against 82, and at 99
  against 42 for the weight (one core Zen 3, 2026-11).

All three faces of a layer follow the same rule, each with errors below 5e-5 of its largest value. With either word,
weights and pixels for which that is not enough are summed directly: not finite ones, outliers, small integers and
weights of one sign; the head of winograd.py has the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod

import numpy as np

from minitorch.geometry import ConvGeometry

CHANNELS, SIZE = 16, 3
IMAGE = 300_000  # bytes of an image that a core has in its L2 cache while a depthwise convolution reads it
STEPS = 512  # of a matrix product, at most, that are one sum: channels of a 1x1 convolution; see gemm.py

setting = "auto"
_earlier: ContextVar[str | None] = ContextVar("earlier", default=None)


@contextmanager
def as_of(word: str) -> Iterator[None]:
    """Convolutions within run by this word, not by `setting`: they were called earlier, when that was the word."""
    before = _earlier.get()
    try:
        _earlier.set(word)
        yield
    finally:
        _earlier.set(before)


def is_winograd(geometry: ConvGeometry, dtype: np.dtype, channels: int, outputs: int) -> bool:
    """Whether a convolution of `channels` to `outputs` channels, or one of its gradients, runs on Winograd's."""
    defined = (geometry.kernel_size == (3, 3) and geometry.stride == (1, 1) and geometry.dilation == (1, 1)
               and geometry.groups == 1)
    word = _earlier.get() or setting
    if word != "auto" or not defined:
        return defined and word == "winograd"
    return (dtype == np.float32 and min(channels, outputs) >= CHANNELS
            and min(*geometry.input_size, *geometry.output_size) >= SIZE)


def forms_normal(geometry: ConvGeometry, dtype: np.dtype, channels: int, outputs: int) -> bool:
    """Whether a convolution and its weight's gradient form relu((x - mean) * scale + shift) as they read x.

    Others read each pixel many times, from where it lies.
    """
    if geometry.groups == channels == outputs > 1:
        return prod(geometry.input_size) * channels * dtype.itemsize <= IMAGE
    if geometry.pointwise:
        return 1 < channels <= STEPS and outputs > 1
    return geometry.padded or is_winograd(geometry, dtype, channels, outputs)  # with padding, images are copied
