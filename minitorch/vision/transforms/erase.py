"""A transform that erases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_array
from minitorch.utils.data.stream import Stream, current_stream

from . import functional as F
from .base import Sometimes, areas, branch, check_chance
from .functional.convert import get_dimensions
from .kinds import kind

__all__ = ["RandomErasing"]


class RandomErasing(Sometimes):
    """With probability `p`, a random rectangle of a Tensor (..., C, H, W) holds `value`.

    `scale` is its part of the area, `ratio` its height to width; `value` is a number, one per channel, or "random" for
    normal noise.

    Raises:
        TypeError: a setting is of another kind, or the image is no Tensor.
        ValueError: `scale` or `p` leaves [0, 1], or `value` has another number of channels.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ) -> None:
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError(f"RandomErasing: Argument value should be a number, str or sequence, but is {value!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: If value is str, it should be 'random', but is {value!r}")
        for name, setting in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(setting, Sequence):
                raise TypeError(f"RandomErasing: {name} should be a sequence, but is {setting!r}")
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"RandomErasing: Scale should be between 0 and 1, but is {scale}")
        self.p = check_chance(p, "RandomErasing")
        self.scale, self.ratio, self.value, self.inplace = scale, ratio, value, inplace

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple:
        """(row, column, height, width, value) of a random rectangle; the whole image and its values if none fits."""
        channels, height, width = get_dimensions(img)
        i, j, h, w, seed = (int(n[0]) for n in _random_rectangle(current_stream(1), (height, width), scale, ratio))
        if h == 0:
            return 0, 0, height, width, img
        return i, j, h, w, np.moveaxis(_filling(value, seed, h, w, channels), -1, 0)

    def numbers(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return _random_rectangle(stream, size, self.scale, self.ratio)

    def _changed(self, image: Any, drawn: tuple) -> Any:
        if not is_tensor(image):
            raise TypeError(f"RandomErasing: needs a Tensor (put ToTensor before it), but got {kind(image)}")
        if not drawn[0][0]:
            return image
        i, j, h, w, seed = (int(numbers[0]) for numbers in drawn[1:])
        channels = get_dimensions(image)[0]
        values = np.moveaxis(_filling(self.value, seed, h, w, channels), -1, 0).astype(image.array.dtype)
        return F.erase(image, i, j, h, w, values if image.ndim > 2 else values[0], self.inplace)

    def change(self, image: Any, *drawn: Any) -> Any:
        out = image.copy()
        for target, i, j, h, w, seed in zip(out, *(numbers.tolist() for numbers in drawn), strict=True):
            target[i : i + h, j : j + w] = _filling(self.value, seed, h, w, image.shape[3])
        return out

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, inplace={self.inplace}"


def _filling(value: Any, seed: int, height: int, width: int, channels: int) -> np.ndarray:
    """(height, width, channels) or less that broadcasts to it."""
    if value is None or isinstance(value, str):
        return np.random.default_rng(seed).standard_normal((height, width, channels), np.float32)
    values = np.atleast_1d(to_array(value))
    if len(values) not in (1, channels):
        raise ValueError(
            f"RandomErasing: If value is a sequence, it should have either a single value or {channels} (number of "
            f"input channels), but it has {len(values)}"
        )
    return np.broadcast_to(values, (height, width, channels))


def _random_rectangle(
    stream: Stream, size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float]
) -> tuple[np.ndarray, ...]:
    """Rows, columns, heights, widths, seeds: of ten tries the first that is smaller than the image, else nothing."""
    own = branch(stream)
    down, right, seeds = own.uniform(), own.uniform(), own.words() >> np.uint64(1)
    heights, widths = np.zeros(len(own), np.int64), np.zeros(len(own), np.int64)
    for _ in range(10):
        h, w = areas(own, size, scale, ratio, tall=True)
        fits = (heights == 0) & (h < size[0]) & (w < size[1]) & (h > 0) & (w > 0)
        heights, widths = np.where(fits, h, heights), np.where(fits, w, widths)
        if heights.all():
            break
    rows, columns = (down * (size[0] - heights + 1)).astype(np.int64), (right * (size[1] - widths + 1)).astype(np.int64)
    return rows, columns, heights, widths, seeds
