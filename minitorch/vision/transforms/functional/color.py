"""Colours: what is done to each pixel by its value. Numbers may be one per image of a batch (N, H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kinds import Number, bound, change, each, is_pil, kind
from .convert import convert_values

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "autocontrast",
    "equalize",
    "invert",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
    "to_grayscale",
]

GREY = np.array([0.2989, 0.587, 0.114], np.float32)  # how bright red, green and blue are


def blend(images: np.ndarray, other: np.ndarray | float, factor: Number) -> np.ndarray:
    """`factor` parts of the images and 1 - factor parts of another, cut off at black and white."""
    floats = images.dtype if images.dtype.kind == "f" else np.dtype(np.float32)
    share = each(factor, np.float64)
    mixed = share.astype(floats) * images + (1 - share).astype(floats) * other
    return np.clip(mixed, 0, bound(images.dtype)).astype(images.dtype)


def grey_of(images: np.ndarray) -> np.ndarray:
    """The brightness (N, H, W, 1) of images of one channel or three; integers are cut off."""
    if images.shape[3] == 1:
        return images
    weights = GREY.astype(images.dtype) if images.dtype.kind == "f" else GREY
    return sum(images[..., k : k + 1] * weights[k] for k in range(3)).astype(images.dtype)


def _needs_channels(images: np.ndarray, allowed: tuple[int, ...], who: str) -> np.ndarray:
    if images.shape[3] not in allowed:
        raise TypeError(
            f"{who}: Input image tensor permitted channel values are {list(allowed)}, but found {images.shape[3]}"
        )
    return images


def _not_negative(factor: Number, name: str) -> None:
    if not np.all(np.asarray(factor) >= 0):
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def _enhanced(image: Any, way: str, factor: float) -> Any:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, way)(image).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: Number) -> Any:
    """Each value times `brightness_factor`: 0 is black, 1 the image itself."""
    _not_negative(brightness_factor, "brightness_factor")
    if is_pil(img):
        return _enhanced(img, "Brightness", brightness_factor)
    return change(
        img,
        "adjust_brightness",
        lambda x: blend(_needs_channels(x, (1, 3), "adjust_brightness"), x.dtype.type(0), brightness_factor),
    )


def adjust_contrast(img: Any, contrast_factor: Number) -> Any:
    """Away from the mean grey of the image: 0 is that grey alone, 1 the image itself."""
    _not_negative(contrast_factor, "contrast_factor")
    if is_pil(img):
        return _enhanced(img, "Contrast", contrast_factor)

    def work(x: np.ndarray) -> np.ndarray:
        grey = grey_of(_needs_channels(x, (1, 3), "adjust_contrast"))
        mean = grey.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
        return blend(x, mean.astype(x.dtype if x.dtype.kind == "f" else np.float32), contrast_factor)

    return change(img, "adjust_contrast", work)


def adjust_saturation(img: Any, saturation_factor: Number) -> Any:
    """Away from grey: 0 is the image in grey, 1 the image itself."""
    _not_negative(saturation_factor, "saturation_factor")
    if is_pil(img):
        return _enhanced(img, "Color", saturation_factor)

    def work(x: np.ndarray) -> np.ndarray:
        _needs_channels(x, (1, 3), "adjust_saturation")
        return x if x.shape[3] == 1 else blend(x, grey_of(x), saturation_factor)

    return change(img, "adjust_saturation", work)


def adjust_hue(img: Any, hue_factor: Number) -> Any:
    """Colours turned round the circle of hues by `hue_factor` of it, in [-0.5, 0.5]; grey stays."""
    if not np.all(np.abs(np.asarray(hue_factor)) <= 0.5):
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if is_pil(img):
        if img.mode in ("L", "1", "I", "F"):
            return img
        from PIL import Image

        hue, saturation, value = img.convert("HSV").split()
        turned = np.asarray(hue) + np.array(int(hue_factor * 255)).astype(np.uint8)  # modulo 256
        return Image.merge("HSV", (Image.fromarray(turned, "L"), saturation, value)).convert(img.mode)

    def work(x: np.ndarray) -> np.ndarray:
        if _needs_channels(x, (1, 3), "adjust_hue").shape[3] == 1:
            return x
        floats = x if x.dtype.kind == "f" else convert_values(x, np.dtype(np.float32))
        return convert_values(_turn(floats, hue_factor), x.dtype)

    return change(img, "adjust_hue", work)


def _turn(rgb: np.ndarray, by: Number) -> np.ndarray:
    """RGB in [0, 1] with another hue: value v and chroma c = v - min stay.

    A channel has the value v - c * clip(2 - |6 (h - its own hue) mod 6 - 3| ...): it is v within a sixth of the circle
    on either side of its own hue, v - c beyond a third, and a straight line between.
    """
    high, low = rgb.max(axis=3), rgb.min(axis=3)
    chroma = high - low
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.where(chroma == 0, 1, chroma).astype(rgb.dtype)
    sixths = np.where(
        high == red, (green - blue) / safe, np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    sixths = (sixths / rgb.dtype.type(6) + each(by, rgb.dtype)[..., 0]) % 1 * 6
    out = np.empty_like(rgb)
    for channel, own in enumerate((0, 2, 4)):
        distance = np.abs((sixths - own + 3) % 6 - 3)
        out[..., channel] = high - chroma * np.clip(distance - 1, 0, 1)
    return np.clip(out, 0, 1, out=out)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """`gain * value ** gamma`, for values in [0, 1]: dark parts become darker for gamma > 1."""
    if gamma < 0:
        raise ValueError(f"Gamma should be a non-negative real number, but is {gamma}")
    if is_pil(img):
        table = [int(min(255, max(0, 255.999 * gain * (value / 255.0) ** gamma))) for value in range(256)]
        return img.convert("RGB").point(table * 3).convert(img.mode)

    def work(x: np.ndarray) -> np.ndarray:
        floats = x if x.dtype.kind == "f" else convert_values(x, np.dtype(np.float32))
        return convert_values(np.clip(floats.dtype.type(gain) * floats ** floats.dtype.type(gamma), 0, 1), x.dtype)

    return change(img, "adjust_gamma", work)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """0.2989 red + 0.587 green + 0.114 blue, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, but is {num_output_channels}")
    if is_pil(img):
        from PIL import Image

        grey = img.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", (grey,) * 3)

    def work(x: np.ndarray) -> np.ndarray:
        grey = grey_of(_needs_channels(x, (1, 3), "rgb_to_grayscale"))
        return np.repeat(grey, 3, axis=3) if num_output_channels == 3 else grey

    return change(img, "rgb_to_grayscale", work)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`rgb_to_grayscale` of a PIL image. Raises TypeError for any other kind."""
    if not is_pil(img):
        raise TypeError(f"to_grayscale: Input should be PIL Image, but got {kind(img)}; see rgb_to_grayscale")
    return rgb_to_grayscale(img, num_output_channels)


def _ops(image: Any, way: str, *settings: Any) -> Any:
    from PIL import ImageOps

    return getattr(ImageOps, way)(image, *settings)


def invert(img: Any) -> Any:
    """White minus each value."""
    if is_pil(img):
        return _ops(img, "invert")
    return change(img, "invert", lambda x: x.dtype.type(bound(x.dtype)) - x)


def _uint8(images: np.ndarray, who: str) -> np.ndarray:
    if images.dtype != np.uint8:
        raise TypeError(f"{who}: Only uint8 image tensors are supported, but found {images.dtype}")
    return images


def posterize(img: Any, bits: int) -> Any:
    """Only the first `bits` bits of each value of uint8."""
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize: `bits` should lie in [0, 8], but is {bits}")
    if is_pil(img):
        return _ops(img, "posterize", bits)
    return change(img, "posterize", lambda x: _uint8(x, "posterize") & np.uint8(256 - 2 ** (8 - bits)))


def solarize(img: Any, threshold: float) -> Any:
    """White minus each value that reaches `threshold`."""
    if is_pil(img):
        return _ops(img, "solarize", threshold)

    def work(x: np.ndarray) -> np.ndarray:
        white = x.dtype.type(bound(x.dtype))
        if threshold > white:
            raise TypeError(f"Threshold should be less than bound of img: it is {threshold}, white is {white}")
        return np.where(x >= threshold, white - x, x)

    return change(img, "solarize", work)


def autocontrast(img: Any) -> Any:
    """Each channel stretched so that its darkest value becomes black and its brightest white; flat ones stay."""
    if is_pil(img):
        return _ops(img, "autocontrast")

    def work(x: np.ndarray) -> np.ndarray:
        floats = x if x.dtype.kind == "f" else x.astype(np.float32)
        low, high = (extreme(floats, axis=(1, 2), keepdims=True) for extreme in (np.min, np.max))
        flat = low == high
        white = floats.dtype.type(bound(x.dtype))
        scale = np.where(flat, 1, white / np.where(flat, 1, high - low)).astype(floats.dtype)
        return np.clip((floats - np.where(flat, 0, low)) * scale, 0, white).astype(x.dtype)

    return change(img, "autocontrast", work)


def equalize(img: Any) -> Any:
    """Each channel of uint8 by a table that makes all values about equally frequent."""
    if is_pil(img):
        return _ops(img, "equalize")

    def work(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(_uint8(x, "equalize"))
        for image, target in zip(x, out, strict=True):
            for channel in range(x.shape[3]):
                target[..., channel] = _equal_table(image[..., channel])[image[..., channel]]
        return out

    return change(img, "equalize", work)


def _equal_table(plane: np.ndarray) -> np.ndarray:
    """The rank of each value among the pixels, from 0 to 255."""
    counts = np.bincount(plane.reshape(-1), minlength=256)
    used = counts[counts > 0]
    step = int(used[:-1].sum()) // 255
    if step == 0:
        return np.arange(256, dtype=np.uint8)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.minimum((below + step // 2) // step, 255).astype(np.uint8)
