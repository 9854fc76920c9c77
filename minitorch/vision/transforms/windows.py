"""Transforms that cut, scale and mirror."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.stream import Stream, current_stream

from . import functional as F
from .base import OnBatches, Sometimes, Transform, areas, branch
from .functional.convert import get_dimensions
from .functional.scaling import InterpolationMode, mode_of, scaled
from .functional.shape import bordered, check_mode, margins_of
from .kinds import is_pil, pair

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]


class Resize(OnBatches):
    """Scale to `size`: (height, width), or one number for the shorter side, the other in proportion. Needs pillow.

    `max_size` bounds the longer side. PIL images are scaled by pillow as a whole: colours of a palette are not mixed,
    colours count by their opacity.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        if isinstance(size, str) or (size is not None and not isinstance(size, (int, Sequence))):
            raise TypeError(f"Resize: Size should be int or sequence. Got {type(size)}")
        self.size = size if size is None or isinstance(size, int) else pair(size, "Resize")
        if isinstance(size, int):
            pair(size, "Resize")
        elif size is not None and len(size) == 1:
            self.size = size[0]
        self.interpolation, self.max_size, self.antialias = mode_of(interpolation), max_size, antialias

    def change(self, image: Any) -> Any:
        return F.resize(image, self.size, self.interpolation, self.max_size, self.antialias)

    def extra_repr(self) -> str:
        return (
            f"size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}, "
            f"antialias={self.antialias}"
        )


class CenterCrop(OnBatches):
    """The middle of an image, of height and width `size` (one number for both), after a black border where needed."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size, "CenterCrop")

    def change(self, image: Any) -> Any:
        return F.center_crop(image, self.size)

    def extra_repr(self) -> str:
        return f"size={self.size}"


class Pad(OnBatches):
    """A border: `padding` is one number, (left and right, top and bottom) or (left, top, right, bottom).

    It holds `fill`, or by `padding_mode` the values at the "edge" or the mirrored image: "reflect", "symmetric".
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        margins_of(padding, "Pad")
        check_mode(padding_mode, "Pad")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def change(self, image: Any) -> Any:
        return F.pad(image, self.padding, self.fill, self.padding_mode)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode}"


class RandomCrop(OnBatches):
    """A random window of height and width `size` of each image.

    `padding` is added first: one number, (left and right, top and bottom), or (left, top, right, bottom), filled
    by `padding_mode` 'constant' (with `fill`), 'edge', 'reflect' or 'symmetric'. `pad_if_needed` grows images that are
    smaller than the window.

    Raises:
        ValueError: (when applied) the padded image is smaller than the window.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        check_mode(padding_mode, "RandomCrop")
        self.size, self.padding, self.pad_if_needed = pair(size, "RandomCrop"), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random window of this (height, width)."""
        _, height, width = get_dimensions(img)
        tops, lefts = _random_window(current_stream(1), (height, width), pair(output_size, "RandomCrop"))
        return int(tops[0]), int(lefts[0]), *pair(output_size, "RandomCrop")

    def _margins(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        left, top, right, bottom = (0,) * 4 if self.padding is None else margins_of(self.padding, "RandomCrop")
        if self.pad_if_needed:
            lack_height = max(0, self.size[0] - height - top - bottom)
            lack_width = max(0, self.size[1] - width - left - right)
            left, top, right, bottom = left + lack_width, top + lack_height, right + lack_width, bottom + lack_height
        return left, top, right, bottom

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        left, top, right, bottom = self._margins(*size)
        return _random_window(stream, (size[0] + top + bottom, size[1] + left + right), self.size)

    def change(self, image: Any, tops: Any, lefts: Any) -> Any:
        _, *size = get_dimensions(image)
        margins = self._margins(*size)
        if is_pil(image):
            top, left = int(tops), int(lefts)
            if self.padding_mode == "constant" and self.fill == 0:  # which is what lies around an image
                return F.crop(image, top - margins[1], left - margins[0], *self.size)
            image = F.pad(image, margins, self.fill, self.padding_mode) if any(margins) else image
            return F.crop(image, top, left, *self.size)
        if any(margins):
            image = bordered(image, margins, self.fill, self.padding_mode, "RandomCrop")
        height, width = self.size
        out = np.empty((len(image), height, width, image.shape[3]), image.dtype)
        tops, lefts = (np.broadcast_to(places, len(image)).tolist() for places in (tops, lefts))
        # BEGIN SOLUTION 10.4
        # A loop of slice copies: 1 us an image of 32 x 32, and faster than any gather by index that numpy has.
        for target, source, i, j in zip(out, image, tops, lefts, strict=True):
            target[...] = source[i : i + height, j : j + width]
        # END SOLUTION
        return out

    def extra_repr(self) -> str:
        return f"size={self.size}, padding={self.padding}"


def _random_window(stream: Stream, size: tuple[int, int], window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Tops and lefts of a window in images of `size`: every place where it fits is as likely as the others."""
    spare_height, spare_width = size[0] - window[0], size[1] - window[1]
    if spare_height < 0 or spare_width < 0:
        raise ValueError(
            f"RandomCrop: Required crop size {window} is larger than input image size {size}: the window does not fit "
            "into the (padded) image; give a larger `padding` or set pad_if_needed=True"
        )
    # BEGIN SOLUTION 10.4
    return stream.integers(spare_height + 1), stream.integers(spare_width + 1)
    # END SOLUTION


class RandomResizedCrop(OnBatches):
    """A random window of `scale` of the image's area and of `ratio` width to height, scaled to `size`."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = pair(size, "RandomResizedCrop")
        for name, value in (("scale", scale), ("ratio", ratio)):
            if not isinstance(value, Sequence):
                raise TypeError(f"RandomResizedCrop: {name.capitalize()} should be a sequence, but is {value!r}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, mode_of(interpolation), antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random window."""
        _, *size = get_dimensions(img)
        drawn = _random_part(current_stream(1), (size[0], size[1]), scale, ratio)
        top, left, height, width = (int(number[0]) for number in drawn)
        return top, left, height, width

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return _random_part(stream, size, self.scale, self.ratio)

    def change(self, image: Any, tops: Any, lefts: Any, heights: Any, widths: Any) -> Any:
        if is_pil(image):
            window = (int(tops), int(lefts), int(heights), int(widths))
            return F.resized_crop(image, *window, self.size, self.interpolation, self.antialias)
        if len(tops) == 1:
            tops, lefts, heights, widths = (
                np.repeat(numbers, len(image)) for numbers in (tops, lefts, heights, widths)
            )
        boxes = zip(tops.tolist(), lefts.tolist(), heights.tolist(), widths.tolist(), strict=True)
        smooth = self.antialias is not False
        parts = [
            scaled(one[None, top : top + height, left : left + width], *self.size, self.interpolation, smooth)
            for one, (top, left, height, width) in zip(image, boxes, strict=True)
        ]
        return np.concatenate(parts)

    def extra_repr(self) -> str:
        ratio = tuple(round(value, 4) for value in self.ratio)
        return (
            f"size={self.size}, scale={tuple(round(value, 4) for value in self.scale)}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias}"
        )


def _random_part(
    stream: Stream, size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float]
) -> tuple[np.ndarray, ...]:
    """Tops, lefts, heights and widths: the first of ten tries that fits, else the middle, as `ratio` allows."""
    own = branch(stream)
    down, right = own.uniform(), own.uniform()
    height, width = size
    if width < min(ratio) * height:
        middle = (round(width / min(ratio)), width)
    elif width > max(ratio) * height:
        middle = (height, round(height * max(ratio)))
    else:
        middle = (height, width)
    heights, widths = np.full(len(own), middle[0]), np.full(len(own), middle[1])
    found = np.zeros(len(own), bool)
    for _ in range(10):
        h, w = areas(own, size, scale, ratio, tall=False)
        fits = ~found & (h > 0) & (h <= height) & (w > 0) & (w <= width)
        heights, widths, found = np.where(fits, h, heights), np.where(fits, w, widths), found | fits
        if found.all():
            break
    tops = np.where(found, (down * (height - heights + 1)).astype(np.int64), (height - heights) // 2)
    lefts = np.where(found, (right * (width - widths + 1)).astype(np.int64), (width - widths) // 2)
    return tops, lefts, heights, widths


class RandomHorizontalFlip(Sometimes):
    """Swap left and right with probability `p`."""

    def change(self, image: Any) -> Any:
        return F.hflip(image)

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """Each of the images (N, H, W, C), or its mirror image."""
        assert stream is not None
        chosen = np.flatnonzero(stream.uniform() < self.p)
        out = images.copy(order="C")
        # BEGIN SOLUTION 10.4
        # With a pixel as one item numpy moves its channels together: twice as fast (2026-11, 2 cores).
        pixels = out.view(f"V{out.itemsize * out.shape[3]}")[..., 0]
        pixels[chosen] = pixels[chosen][:, :, ::-1]
        # END SOLUTION
        return out


class RandomVerticalFlip(Sometimes):
    """Swap top and bottom with probability `p`."""

    def change(self, image: Any) -> Any:
        return F.vflip(image)


class FiveCrop(Transform):
    """The four corners and the middle of an image, as a tuple: see `functional.five_crop`."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size, "FiveCrop")

    def _changed(self, image: Any, drawn: tuple) -> Any:
        return F.five_crop(image, self.size)

    def extra_repr(self) -> str:
        return f"size={self.size}"


class TenCrop(FiveCrop):
    """`FiveCrop` of the image and of its mirror image (left and right, or with `vertical_flip` top and bottom)."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def _changed(self, image: Any, drawn: tuple) -> Any:
        return F.ten_crop(image, self.size, self.vertical_flip)

    def extra_repr(self) -> str:
        return f"size={self.size}, vertical_flip={self.vertical_flip}"
