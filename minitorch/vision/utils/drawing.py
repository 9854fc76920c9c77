"""Boxes and masks drawn upon images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_array, to_tensor

from ..pillow import import_pillow
from ..transforms.functional.convert import convert_values

__all__ = ["draw_bounding_boxes", "draw_segmentation_masks"]

Colours = str | tuple[int, int, int] | list[str | tuple[int, int, int]] | None


def _checked_image(image: Any, who: str, channels: tuple[int, ...]) -> np.ndarray:
    if not is_tensor(image):
        raise TypeError(f"{who}: The image must be a tensor, got {type(image)}")
    array = to_array(image)
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"{who}: The image dtype must be uint8 or float, got {array.dtype}")
    if array.ndim != 3:
        raise ValueError(f"{who}: Pass individual images (C, H, W), not batches; got {array.shape}")
    if array.shape[0] not in channels:
        raise ValueError(
            f"{who}: Only {'grayscale and ' if 1 in channels else ''}RGB images are supported, got {array.shape}"
        )
    return array


def _colours(colors: Colours, count: int, who: str) -> list[tuple[int, ...]]:
    """One colour for each object; a wheel of its own where none are given."""
    from PIL import ImageColor

    if colors is None:
        wheel = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])
        return [tuple(int(part) for part in number * wheel % 255) for number in range(count)]
    listed = list(colors) if isinstance(colors, list) else [colors] * count
    if len(listed) < count:
        raise ValueError(
            f"{who}: Number of colors must be equal or larger than the number of objects: got {len(listed)} < {count}."
        )
    if not all(isinstance(colour, (str, tuple)) for colour in listed):
        raise ValueError(f"{who}: `colors` must be a tuple or a string, or a list thereof, but got {colors}.")
    return [ImageColor.getrgb(colour) if isinstance(colour, str) else colour for colour in listed]


def draw_bounding_boxes(
    image: Any,
    boxes: Any,
    labels: Sequence[str | None] | None = None,
    colors: Colours = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Colours = None,
    label_background_colors: Colours = None,
    fill_labels: bool = False,
) -> Any:
    """An image (3, H, W), uint8 or floats in [0, 1], with `boxes` (N, 4) of (xmin, ymin, xmax, ymax) and their labels.

    Raises:
        TypeError: the image is no Tensor.
        ValueError: it has another dtype or shape, a box is turned inside out, or labels or colours are too few.
    """
    who = "draw_bounding_boxes"
    array = _checked_image(image, who, (1, 3))
    corners = to_array(boxes).reshape(-1, 4)
    if (corners[:, 0] > corners[:, 2]).any() or (corners[:, 1] > corners[:, 3]).any():
        raise ValueError(
            f"{who}: Boxes need to be in (xmin, ymin, xmax, ymax) format, but a corner lies past its opposite"
        )
    if not len(corners):
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    names = [None] * len(corners) if labels is None else list(labels)
    if len(names) != len(corners):
        raise ValueError(
            f"{who}: The number of boxes ({len(corners)}) and labels ({len(names)}) mismatch. "
            "Please specify labels for each box."
        )
    outlines = _colours(colors, len(corners), who)
    usual = [(0, 0, 0)] * len(corners) if fill_labels else outlines
    inks = _colours(label_colors, len(corners), who) if label_colors else usual
    backs = _colours(label_background_colors, len(corners), who) if label_background_colors else outlines
    if not fill_labels:
        backs = [None] * len(corners)  # type: ignore[list-item]
    pillow = import_pillow(who)
    from PIL import ImageDraw, ImageFont

    if font is None:
        if font_size is not None:
            warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2)
        letters: Any = ImageFont.load_default()
    else:
        letters = ImageFont.truetype(font, font_size or 10)
    pixels = np.moveaxis(np.repeat(array, 3, axis=0) if array.shape[0] == 1 else array, 0, -1)
    picture = pillow.fromarray(np.ascontiguousarray(convert_values(pixels, np.dtype(np.uint8))))
    pen = ImageDraw.Draw(picture, "RGBA") if fill else ImageDraw.Draw(picture)
    for corner, colour, name, ink, back in zip(
        corners.astype(np.int64).tolist(), outlines, names, inks, backs, strict=False
    ):
        pen.rectangle(corner, fill=(*colour, 100) if fill else None, width=width, outline=colour)
        if name is not None:
            place = (corner[0] + width + 1, corner[1] + width + 1)
            if back is not None:
                left, top, right, bottom = pen.textbbox(place, name, font=letters)
                pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=back)
            pen.text(place, name, fill=ink, font=letters)
    return to_tensor(convert_values(np.moveaxis(np.array(picture), -1, 0).copy(), array.dtype))


def draw_segmentation_masks(image: Any, masks: Any, alpha: float = 0.8, colors: Colours = None) -> Any:
    """An image (3, H, W), uint8 or floats in [0, 1], under bool `masks` (N, H, W) or (H, W), each in its own colour,
    and black where two overlap.

    `alpha` is how much of a mask's colour there is: 0 shows the image alone.

    Raises:
        TypeError: the image is no Tensor.
        ValueError: image or masks have another dtype or shape, or colours are too few.
    """
    who = "draw_segmentation_masks"
    array = _checked_image(image, who, (3,))
    where = to_array(masks)
    where = where[None] if where.ndim == 2 else where
    if where.ndim != 3:
        raise ValueError(f"{who}: masks must be of shape (H, W) or (N, H, W), but have {where.shape}")
    if where.dtype != bool:
        raise ValueError(f"{who}: The masks must be of dtype bool. Got {where.dtype}")
    if where.shape[1:] != array.shape[1:]:
        raise ValueError(
            f"{who}: The image and the masks must have the same height and width: {array.shape[1:]}, {where.shape[1:]}"
        )
    if not len(where):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    painted = array.copy()
    white = np.float32(255)
    for mask, colour in zip(where, _colours(colors, len(where), who), strict=False):
        values = np.asarray(colour) if array.dtype == np.uint8 else np.asarray(colour, array.dtype) / white
        painted[:, mask] = values[:, None]
    painted[:, where.sum(axis=0) > 1] = 0
    floats = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    return to_tensor((array * floats.type(1 - alpha) + painted * floats.type(alpha)).astype(array.dtype))
