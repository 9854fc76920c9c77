"""Images side by side in one, and pictures on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from minitorch.files import replacing
from minitorch.utils.data.bridge import is_tensor, to_array, to_tensor

from ..pillow import import_pillow

__all__ = ["make_grid", "save_image"]


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """Images (N, C, H, W), or a list of them, side by side in one (3, H', W'), `nrow` in a row, `padding` pixels apart.

    Grey images get three channels. With `normalize` values are brought from `value_range` (their own extremes if not
    given: of all, or with `scale_each` of each image) to [0, 1].

    Raises:
        TypeError: it is no Tensor and no list of them, or `value_range` no tuple.
        ValueError: the images of a list differ in shape, or have other axes.
    """
    listed = isinstance(tensor, (list, tuple))
    if not is_tensor(tensor) and not (listed and all(map(is_tensor, tensor))):
        raise TypeError(f"make_grid: tensor or list of tensors expected, got {type(tensor)}")
    if listed:
        shapes = {tuple(image.shape) for image in tensor}
        if len(shapes) != 1:
            raise ValueError(
                f"make_grid: the images of a list need one shape, but have {sorted(shapes) or 'no images'}"
            )
    images = np.stack([to_array(image) for image in tensor]) if listed else to_array(tensor)
    if not 2 <= images.ndim <= 4:
        raise ValueError(f"make_grid: needs images (N, C, H, W), (C, H, W) or (H, W), but got {images.shape}")
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError("make_grid: value_range has to be a tuple (min, max) if specified. min and max are numbers")
    if nrow < 1:
        raise ValueError(f"make_grid: `nrow` should be positive, but is {nrow}")
    images = images.reshape((1,) * (4 - images.ndim) + images.shape) if images.ndim > 2 else images[None, None]
    if images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    if normalize:
        images = (
            np.stack([_stretched(one, value_range) for one in images])
            if scale_each
            else _stretched(images, value_range)
        )
    if len(images) == 1:
        return to_tensor(images[0].copy())
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = height + padding, width + padding
    grid = np.full((channels, rows * height + padding, columns * width + padding), pad_value, images.dtype)
    for number, image in enumerate(images):
        top, left = number // columns * height + padding, number % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return to_tensor(grid)


def _stretched(values: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    low, high = limits if limits is not None else (float(values.min()), float(values.max()))
    return (np.clip(values, low, high) - values.dtype.type(low)) / values.dtype.type(max(high - low, 1e-5))


def save_image(tensor: Any, fp: str | os.PathLike | IO[bytes], format: str | None = None, **kwargs: Any) -> None:
    """Write images in [0, 1] as one picture: `make_grid(tensor, **kwargs)` in the `format` of the name, or in this.

    A file is whole or not there.

    Raises:
        ValueError: the name does not say a format.
    """
    pillow = import_pillow("save_image")
    grid = to_array(make_grid(tensor, **kwargs))
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8)
    picture = pillow.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    if not isinstance(fp, (str, os.PathLike)):
        picture.save(fp, format=format)
        return
    ending = Path(fp).suffix.lower()
    known = pillow.registered_extensions()
    if format is None and ending not in known:
        raise ValueError(
            f"save_image: unknown file extension {ending!r} of {os.fspath(fp)}; name it .png, or give `format`"
        )
    with replacing(fp) as file:
        picture.save(file, format=format or known[ending])
