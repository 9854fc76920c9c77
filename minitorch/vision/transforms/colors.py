"""Transforms of colours, and of sharpness."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.stream import Stream, current_stream

from . import functional as F
from .base import OnBatches, Sometimes, between, branch
from .functional.blur import sizes_of
from .kinds import Number, is_pil

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]

Range = float | Sequence[float] | None
ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class ColorJitter(OnBatches):
    """Brightness, contrast, saturation and hue changed by random factors, in an order that is drawn, too.

    One number v stands for factors in [max(0, 1 - v), 1 + v], for `hue` in [-v, v]; two are the least and the most.

    Raises:
        TypeError: a setting is neither a number nor two.
        ValueError: a factor could be negative, or the hue leave [-0.5, 0.5].
    """

    in_blocks = True

    def __init__(self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0) -> None:
        self.brightness = self._range(brightness, "brightness")
        self.contrast = self._range(contrast, "contrast")
        self.saturation = self._range(saturation, "saturation")
        self.hue = self._range(hue, "hue", 0.0, (-0.5, 0.5))

    @staticmethod
    def _range(value: Range, name: str, middle: float = 1.0, limits: tuple[float, float] = (0.0, float("inf"))) -> Any:
        """(low, high), or None where nothing is changed."""
        if value is None:
            return None
        if isinstance(value, numbers.Real):
            if value < 0:
                raise ValueError(f"ColorJitter: If {name} is a single number, it must be non negative, but is {value}")
            low, high = middle - float(value), middle + float(value)
            low = max(low, 0.0) if middle else low
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            raise TypeError(
                f"ColorJitter: {name} should be a single number or a list/tuple with length 2, but is {value!r}"
            )
        if not limits[0] <= low <= high <= limits[1]:
            raise ValueError(f"ColorJitter: {name} values should be between {limits}, but got {(low, high)}")
        return None if low == high == middle else (low, high)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        """The order of the four, and a factor of each, None where there is no range."""
        order, *factors = _random_jitter(current_stream(1), (brightness, contrast, saturation, hue))
        ranges = (brightness, contrast, saturation, hue)
        return order[0], *(None if r is None else float(f[0]) for r, f in zip(ranges, factors, strict=True))

    def _ranges(self) -> tuple:
        return self.brightness, self.contrast, self.saturation, self.hue

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return _random_jitter(stream, self._ranges())

    def change(self, image: Any, order: np.ndarray, *factors: Number) -> Any:
        ranges = self._ranges()
        if is_pil(image) or len(order) == 1:
            for which in order.reshape(-1):
                if ranges[which] is not None:
                    image = ADJUST[which](image, factors[which])
            return image
        out = image.copy()
        for place in range(4):
            for which in range(4):
                rows = np.flatnonzero(order[:, place] == which)
                if len(rows) and ranges[which] is not None:
                    out[rows] = ADJUST[which](out[rows], factors[which][rows])
        return out

    def extra_repr(self) -> str:
        return f"brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, hue={self.hue}"


def _random_jitter(stream: Stream, ranges: Sequence[Any]) -> tuple:
    """Orders (n, 4), and a factor (n,) of each range."""
    order = np.argsort(np.stack([stream.uniform() for _ in range(4)], axis=1), axis=1)
    return order, *(between(stream, *(some or (1.0, 1.0))) for some in ranges)


class Grayscale(OnBatches):
    """Grey, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def change(self, image: Any) -> Any:
        return F.rgb_to_grayscale(image, self.num_output_channels)

    def extra_repr(self) -> str:
        return f"num_output_channels={self.num_output_channels}"


class RandomGrayscale(Sometimes):
    """Grey with probability `p`, in as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, image: Any) -> Any:
        return F.rgb_to_grayscale(image, F.get_image_num_channels(image))


class GaussianBlur(OnBatches):
    """Blurred by a Gaussian whose `sigma` lies between two numbers, or is one. See `F.gaussian_blur`."""

    in_blocks = True

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        self.kernel_size = sizes_of(kernel_size)
        if any(size <= 0 for size in self.kernel_size):
            raise ValueError(f"GaussianBlur: Kernel size value should be an odd and positive number, not {kernel_size}")
        self.sigma = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma)
        if len(self.sigma) != 2:
            raise ValueError(
                f"GaussianBlur: sigma should be a single number or a list/tuple with length 2, but is {sigma}"
            )
        low, high = (float(value) for value in self.sigma)
        if not 0 < low <= high:
            raise ValueError(
                f"GaussianBlur: sigma values should be positive and of the form (min, max), but are {sigma}"
            )

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random sigma."""
        return float(between(current_stream(1), sigma_min, sigma_max)[0])

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (between(stream, *self.sigma),)

    def change(self, image: Any, sigma: Number) -> Any:
        return F.gaussian_blur(image, self.kernel_size, sigma)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, sigma={self.sigma}"


class GaussianNoise(OnBatches):
    """Normal noise added to float images, which stay in [0, 1] with `clip`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (branch(stream).words(),)

    def change(self, image: Any, seeds: Any) -> Any:
        if is_pil(image) or image.dtype.kind != "f":
            raise ValueError(
                f"GaussianNoise: Input tensor is expected to be in float dtype, got {getattr(image, 'dtype', 'PIL')}"
            )
        shape = image.shape if len(seeds) == 1 else (1, *image.shape[1:])
        noise = [np.random.default_rng(int(seed)).normal(self.mean, self.sigma, shape) for seed in seeds]
        out = image + np.concatenate(noise).astype(image.dtype)
        return np.clip(out, 0, 1) if self.clip else out

    def extra_repr(self) -> str:
        return f"mean={self.mean}, sigma={self.sigma}, clip={self.clip}"


class RandomChannelPermutation(OnBatches):
    """The channels in an order that is drawn."""

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (branch(stream).words(),)

    def change(self, image: Any, seeds: Any) -> Any:
        if is_pil(image):
            from PIL import Image

            bands = image.split()
            return Image.merge(image.mode, [bands[k] for k in self._order(int(seeds), len(bands))])
        seeds = np.broadcast_to(seeds, len(image))
        return np.stack(
            [one[..., self._order(int(seed), one.shape[-1])] for one, seed in zip(image, seeds, strict=True)]
        )

    @staticmethod
    def _order(seed: int, channels: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(channels)


class RandomInvert(Sometimes):
    """White minus each value, with probability `p`."""

    def change(self, image: Any) -> Any:
        return F.invert(image)


class RandomPosterize(Sometimes):
    """Only the first `bits` bits of each value, with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, image: Any) -> Any:
        return F.posterize(image, self.bits)

    def extra_repr(self) -> str:
        return f"bits={self.bits},p={self.p}"


class RandomSolarize(Sometimes):
    """White minus each value that reaches `threshold`, with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, image: Any) -> Any:
        return F.solarize(image, self.threshold)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold},p={self.p}"


class RandomAdjustSharpness(Sometimes):
    """Sharper (`sharpness_factor` above 1) or softer, with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, image: Any) -> Any:
        return F.adjust_sharpness(image, self.sharpness_factor)

    def extra_repr(self) -> str:
        return f"sharpness_factor={self.sharpness_factor},p={self.p}"


class RandomAutocontrast(Sometimes):
    """Each channel stretched from black to white, with probability `p`."""

    def change(self, image: Any) -> Any:
        return F.autocontrast(image)


class RandomEqualize(Sometimes):
    """All values about equally frequent, with probability `p`."""

    def change(self, image: Any) -> Any:
        return F.equalize(image)
