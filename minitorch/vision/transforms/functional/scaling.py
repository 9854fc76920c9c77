"""Scaling: a pixel of the result is a weighted mean of those around the place that it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ...pillow import import_pillow
from ..kinds import back_to, bound, change, is_pil, pair
from .convert import get_dimensions
from .shape import crop

__all__ = ["InterpolationMode", "resize", "resized_crop"]


class InterpolationMode(Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


BY_NUMBER = dict(enumerate(("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")))  # Pillow's numbers


def mode_of(interpolation: Any) -> InterpolationMode:
    """The mode meant by itself, its name, or Pillow's number; ValueError for any other."""
    return InterpolationMode(
        BY_NUMBER.get(interpolation, interpolation)
        if not isinstance(interpolation, Enum)
        else (
            interpolation if isinstance(interpolation, InterpolationMode) else BY_NUMBER.get(int(interpolation.value))
        )
    )


def for_pillow(mode: InterpolationMode) -> Any:
    """Pillow's name of a mode."""
    return import_pillow("Resize").Resampling[mode.name.removesuffix("_EXACT")]


def target_size(
    size: int | Sequence[int] | None, height: int, width: int, max_size: int | None = None
) -> tuple[int, int]:
    """The (height, width) that an image of this one becomes: one number is for the shorter side.

    Raises:
        ValueError: `max_size`, the most that the longer side may have, does not fit to `size`.
    """
    if size is None:
        if max_size is None:
            raise ValueError("resize: max_size must be an integer when size is None")
        scale = max_size / max(height, width)
        return (max_size, int(scale * width)) if height >= width else (int(scale * height), max_size)
    if isinstance(size, Sequence) and len(size) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size should only be passed if size specifies the length of the smaller edge")
        return pair(size, "resize")
    shorter = pair(size, "resize")[0]
    low, high = sorted((height, width))
    longer = shorter * high // low
    if max_size is not None:
        if max_size <= shorter:
            raise ValueError(
                f"resize: max_size = {max_size} must be strictly greater than the requested size for the smaller edge "
                f"size = {shorter}"
            )
        if longer > max_size:
            shorter, longer = max_size * shorter // longer, max_size
    return (longer, shorter) if height > width else (shorter, longer)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.clip(1 - np.abs(x), 0, None)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys' cubic: 1 at 0, 0 at 1 and 2 with slope a at 1, where its two pieces meet smoothly."""

    def at(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    return at


def taps(have: int, want: int, mode: InterpolationMode, antialias: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each of `want` pixels, which of `have` it is made from, and their weights; both (want, taps).

    Its middle (i + 1/2) have / want is the middle of the filter, as wide as its name says, times the scale where the
    image shrinks with `antialias`. Beyond the edge the filter is cut off, without `antialias` the edge goes on.
    """
    scale = have / want
    middle = (np.arange(want) + 0.5) * scale
    if mode is InterpolationMode.NEAREST:
        return np.minimum(np.arange(want) * have // want, have - 1)[:, None], np.ones((want, 1))
    if mode is InterpolationMode.NEAREST_EXACT:
        return np.minimum(middle.astype(np.int64), have - 1)[:, None], np.ones((want, 1))
    radius, filter = (1, _triangle) if mode is InterpolationMode.BILINEAR else (2, _cubic(-0.5 if antialias else -0.75))
    stretch = max(scale, 1.0) if antialias else 1.0
    first = np.floor(middle - radius * stretch + 0.5).astype(np.int64)
    places = first[:, None] + np.arange(math.ceil(2 * radius * stretch) + 1)
    weights = filter((places + 0.5 - middle[:, None]) / stretch)
    if antialias:
        weights = np.where((places >= 0) & (places < have), weights, 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(places, 0, have - 1), weights


def _along(images: np.ndarray, axis: int, want: int, mode: InterpolationMode, antialias: bool) -> np.ndarray:
    if images.shape[axis] == want:
        return images
    places, weights = taps(images.shape[axis], want, mode, antialias)
    if places.shape[1] == 1:
        return images.take(places[:, 0], axis)
    shape = [1] * images.ndim
    shape[axis] = want
    parts = (
        images.take(places[:, k], axis) * weights[:, k].reshape(shape).astype(images.dtype)
        for k in range(places.shape[1])
    )
    return sum(parts)


def scaled(images: np.ndarray, height: int, width: int, mode: InterpolationMode, antialias: bool = True) -> np.ndarray:
    """Images (N, H, W, C) of another size. Pillow does it for uint8 and float32, but for nearest pixels."""
    if images.shape[1:3] == (height, width):
        return images
    nearest = mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT)
    smooth = mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    if nearest or (smooth and not (antialias and images.dtype.name in ("uint8", "float32"))):
        floats = (
            images
            if nearest or images.dtype.kind == "f"
            else images.astype(np.float32 if images.itemsize < 4 else float)
        )
        out = _along(_along(floats, 1, height, mode, antialias), 2, width, mode, antialias)
        if images.dtype.kind != "f" and not nearest:
            low = 0 if images.dtype.kind == "u" else -bound(images.dtype) - 1
            out = back_to(np.clip(out, low, bound(images.dtype)), images.dtype)
        return out
    pillow, method = import_pillow("Resize"), for_pillow(mode)

    def one(part: np.ndarray) -> np.ndarray:
        return np.asarray(pillow.fromarray(part).resize((width, height), method))

    if images.dtype == np.uint8 and images.shape[3] == 3 and images.flags.c_contiguous:  # RGB: faster than by channel
        return np.stack([one(image) for image in images])
    planes = np.ascontiguousarray(np.moveaxis(images, -1, 1)).reshape(-1, *images.shape[1:3])
    out = np.stack([one(plane) for plane in planes]).reshape(len(images), -1, height, width)
    return np.ascontiguousarray(np.moveaxis(out, 1, -1))


def resize(
    img: Any,
    size: int | Sequence[int] | None,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """An image of this (height, width), or with one number for the shorter side and the other in proportion.

    PIL images are scaled by Pillow as a whole: colours of a palette are not mixed, colours count by their opacity.
    `antialias=False` looks at the nearest pixels alone, also where the image shrinks; PIL images are always smoothed.
    """
    mode = mode_of(interpolation)
    _, have_height, have_width = get_dimensions(img)
    height, width = target_size(size, have_height, have_width, max_size)
    if is_pil(img):
        return img if img.size == (width, height) else img.resize((width, height), for_pillow(mode))
    return change(img, "resize", lambda x: scaled(x, height, width, mode, antialias is not False))


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)
