"""Windows, borders, mirrors and rectangles: where pixels go, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_array

from ...pillow import import_pillow
from ..kinds import change, fills, is_pil, kind, pair
from .convert import get_dimensions

__all__ = ["center_crop", "crop", "erase", "five_crop", "hflip", "pad", "ten_crop", "vflip"]

MODES = ("constant", "edge", "reflect", "symmetric")
PLAIN = ("L", "RGB", "RGBA")  # of Pillow: what is outside of such an image is black, or what one says


def bordered(images: np.ndarray, margins: Sequence[int], fill: Any, mode: str, who: str) -> np.ndarray:
    """Images (N, H, W, C) with so many pixels more at left, top, right and bottom; fewer where negative."""
    left, top, right, bottom = (int(m) for m in margins)
    height, width = images.shape[1:3]
    if min(left, top, right, bottom) < 0:
        images = images[:, max(-top, 0) : height + min(bottom, 0), max(-left, 0) : width + min(right, 0)]
        left, top, right, bottom = (max(m, 0) for m in (left, top, right, bottom))
    if mode != "constant":
        if mode == "reflect" and (max(top, bottom) >= images.shape[1] or max(left, right) >= images.shape[2]):
            raise ValueError(
                f"{who}: Padding size should be less than the corresponding input dimension to reflect, but got "
                f"{tuple(margins)} for an image of {images.shape[1:3]}"
            )
        return np.pad(images, [(0, 0), (top, bottom), (left, right), (0, 0)], mode=mode)  # type: ignore[call-overload]
    count, height, width, channels = images.shape
    out = np.empty((count, top + height + bottom, left + width + right, channels), images.dtype)
    out[:] = np.asarray(fills(fill, channels, who)).astype(images.dtype)
    out[:, top : top + height, left : left + width] = images
    return out


def margins_of(padding: int | Sequence[int], who: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one number, (horizontal, vertical), or all four."""
    values = tuple(padding) if isinstance(padding, Sequence) else (padding,)
    if isinstance(padding, str) or not all(isinstance(value, (int, np.integer)) for value in values):
        raise TypeError(f"{who}: Got inappropriate padding arg: needs integers, but got {padding!r}")
    if len(values) not in (1, 2, 4):
        raise ValueError(
            f"{who}: Padding must be an int or a 1, 2, or 4 element tuple, not a {len(values)} element tuple"
        )
    left, top, right, bottom = (values * 4)[:4]
    return left, top, right, bottom


def check_mode(mode: str, who: str) -> None:
    """Raise ValueError for a padding mode that there is not."""
    if mode not in MODES:
        raise ValueError(
            f"{who}: `padding_mode` should be either constant, edge, reflect or symmetric, but got {mode!r}"
        )


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A border: one number, (left and right, top and bottom) or (left, top, right, bottom); negative ones cut off.

    It holds `fill`, the values at the edge, or the image mirrored without ("reflect") or with its edge ("symmetric").
    """
    margins = margins_of(padding, "pad")
    check_mode(padding_mode, "pad")
    if is_pil(img) and img.mode in PLAIN and padding_mode == "constant" and min(margins) >= 0:
        left, top, right, bottom = margins
        values = tuple(int(value) for value in fills(fill, len(img.getbands()), "pad"))
        size = (left + img.width + right, top + img.height + bottom)
        out = import_pillow("pad").new(img.mode, size, values)
        out.paste(img, (left, top))
        return out
    return change(img, "pad", lambda x: bordered(x, margins, fill, padding_mode, "pad"))


def window(images: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The part of images (N, H, W, C) that begins at (top, left); black where there is no image."""
    have_height, have_width = images.shape[1:3]
    if top < 0 or left < 0 or top + height > have_height or left + width > have_width:
        margins = (-left, -top, left + width - have_width, top + height - have_height)
        around = [max(margin, 0) for margin in margins]
        images = bordered(images, around, 0, "constant", "crop")
        top, left = top + around[1], left + around[0]
    return images[:, top : top + height, left : left + width]


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The window of this height and width at (top, left); black where it leaves the image."""
    if is_pil(img) and (
        img.mode in PLAIN or (top >= 0 and left >= 0 and top + height <= img.height and left + width <= img.width)
    ):
        return img.crop((left, top, left + width, top + height))
    return change(img, "crop", lambda x: window(x, top, left, height, width))


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image, of this (height, width), after a black border where needed."""
    height, width = pair(output_size, "center_crop")
    _, have_height, have_width = get_dimensions(img)
    lack_height, lack_width = max(0, height - have_height), max(0, width - have_width)
    if lack_height or lack_width:
        around = (lack_width // 2, lack_height // 2, lack_width - lack_width // 2, lack_height - lack_height // 2)
        img = pad(img, around)
        have_height, have_width = have_height + lack_height, have_width + lack_width
    # Python rounds halves to even, as torchvision does here.
    return crop(img, round((have_height - height) / 2), round((have_width - width) / 2), height, width)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    if is_pil(img):
        return img.transpose(0)  # Pillow's FLIP_LEFT_RIGHT
    # BEGIN SOLUTION 10.4
    return change(img, "hflip", lambda x: x[:, :, ::-1].copy())
    # END SOLUTION


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    if is_pil(img):
        return img.transpose(1)  # Pillow's FLIP_TOP_BOTTOM
    return change(img, "vflip", lambda x: np.ascontiguousarray(x[:, ::-1]))


def five_crop(img: Any, size: int | Sequence[int]) -> tuple:
    """The four corners (top left, top right, bottom left, bottom right) and the middle, of this (height, width).

    Raises:
        ValueError: the image is smaller.
    """
    height, width = pair(size, "five_crop")
    _, have_height, have_width = get_dimensions(img)
    if height > have_height or width > have_width:
        raise ValueError(f"Requested crop size {(height, width)} is bigger than input size {(have_height, have_width)}")
    corners = [(top, left) for top in (0, have_height - height) for left in (0, have_width - width)]
    return (*(crop(img, top, left, height, width) for top, left in corners), center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image and of its mirror image."""
    pair(size, "ten_crop")
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A Tensor (..., C, H, W) whose rectangle of h x w pixels at row i, column j holds `v`.

    Raises:
        TypeError: the image is no Tensor.
    """
    if not is_tensor(img):
        raise TypeError(f"erase: img should be Tensor Image. Got {kind(img)}")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = to_array(v) if is_tensor(v) else v
    return out
