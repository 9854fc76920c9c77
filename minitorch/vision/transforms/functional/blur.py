"""Means over a pixel's neighbours: blur, and its opposite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kinds import Number, back_to, change, is_pil, refuse_palette
from .color import _enhanced, _needs_channels, _not_negative, blend

__all__ = ["adjust_sharpness", "gaussian_blur"]


def adjust_sharpness(img: Any, sharpness_factor: Number) -> Any:
    """Away from a slightly blurred image: 0 is that image, 1 the image itself, 2 a sharper one. The border stays."""
    _not_negative(sharpness_factor, "sharpness_factor")
    if is_pil(img):
        return _enhanced(img, "Sharpness", sharpness_factor)

    def work(x: np.ndarray) -> np.ndarray:
        _needs_channels(x, (1, 3), "adjust_sharpness")
        if min(x.shape[1:3]) <= 2:
            return x
        return blend(x, _smooth(x), sharpness_factor)

    return change(img, "adjust_sharpness", work)


def _smooth(x: np.ndarray) -> np.ndarray:
    """The mean of a pixel, five times, and its eight neighbours; as it is at the border."""
    floats = x if x.dtype.kind == "f" else x.astype(np.float32)
    rows = floats[:, :-2] + floats[:, 1:-1] + floats[:, 2:]
    nine = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    out = x.copy()
    out[:, 1:-1, 1:-1] = back_to((nine + 4 * floats[:, 1:-1, 1:-1]) / floats.dtype.type(13), x.dtype)
    return out


def gaussian_weights(size: int, sigma: Number) -> np.ndarray:
    """(..., size): exp(-(distance / sigma)^2 / 2) at the pixels around the middle, of sum 1."""
    distance = np.arange(size) - (size - 1) * 0.5
    weights = np.exp(-0.5 * (distance / np.asarray(sigma, np.float64)[..., None]) ** 2)
    return weights / weights.sum(axis=-1, keepdims=True)


def sizes_of(kernel_size: int | Sequence[int]) -> tuple[int, int]:
    """(width, height) of a kernel; ValueError unless both are odd and positive."""
    values = (kernel_size, kernel_size) if isinstance(kernel_size, (int, np.integer)) else tuple(kernel_size)
    if len(values) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(values)}")
    if any(size % 2 == 0 or size < 0 for size in values):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    return int(values[0]), int(values[1])


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """The mean of a pixel and its neighbours, weighted by a Gaussian; the image goes on mirrored at its edge.

    `kernel_size` is (width, height). `sigma` is one number or one for each direction, and 0.15 kernel_size + 0.35 if
    not given.

    Raises:
        ValueError: a size is even, `sigma` is not positive, or a PIL image has a palette.
    """
    refuse_palette(img, "gaussian_blur")
    sizes = sizes_of(kernel_size)
    if sigma is None:
        sigmas: tuple = tuple(size * 0.15 + 0.35 for size in sizes)
    elif isinstance(sigma, (list, tuple)):
        if len(sigma) not in (1, 2):
            raise ValueError(f"If sigma is a sequence, its length should be 1 or 2. Got {len(sigma)}")
        sigmas = (sigma[0], sigma[-1])
    else:
        sigmas = (sigma, sigma)
    if not all(np.all(np.asarray(value) > 0) for value in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigma}")

    def work(x: np.ndarray) -> np.ndarray:
        out = x if x.dtype.kind == "f" else x.astype(np.float32)
        for axis, size, spread in ((2, sizes[0], sigmas[0]), (1, sizes[1], sigmas[1])):
            weights = gaussian_weights(size, spread).reshape(-1, size).astype(out.dtype)
            around = [(0, 0)] * 4
            around[axis] = (size // 2,) * 2
            if size // 2 >= x.shape[axis]:
                raise ValueError(f"gaussian_blur: a kernel of {size} is too large for an image of {x.shape[1:3]}")
            wide = np.pad(out, around, mode="reflect")
            parts = (
                wide[(slice(None),) * axis + (slice(k, k + x.shape[axis]),)] * weights[:, k].reshape(-1, 1, 1, 1)
                for k in range(size)
            )
            out = sum(parts)  # type: ignore[assignment]
        return back_to(out, x.dtype)

    return change(img, "gaussian_blur", work)
