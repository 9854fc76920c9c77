"""Images of every kind as batches (N, H, W, C) of arrays, and the way back to their own kind.

One image is a PIL image, an array (H, W, C) or (H, W), or a Tensor (..., C, H, W) or (H, W); an array (N, H, W, C) is a
batch already. What is done to a Tensor with leading axes is done to all of its images alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_tensor

Number = Any  # a number, or for a batch (N, H, W, C) an array (N,): one per image

# What there are no Tensors of, by what holds the same values.
WIDER = {"uint16": np.int32, "uint32": np.int64}


def is_pil(image: Any) -> bool:
    """Whether this is an image of Pillow's, which need not be installed."""
    return any(base.__module__.startswith("PIL.") for base in type(image).__mro__)


def is_image(value: Any) -> bool:
    """Whether transforms know this kind."""
    return isinstance(value, np.ndarray) or is_tensor(value) or is_pil(value)


def kind(value: Any) -> str:
    """What to call it in a message."""
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def as_batch(image: Any, who: str) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """An image as a batch (N, H, W, C), and the way back to its own kind."""
    if is_tensor(image):
        array = image.array
        if array.ndim < 2:
            raise TypeError(f"{who}: a Tensor image needs the shape (..., H, W), but has {tuple(image.shape)}")
        if array.ndim == 2:
            return array[None, :, :, None], lambda out: to_tensor(
                out[0, :, :, 0] if out.shape[3] == 1 else np.moveaxis(out[0], -1, 0)
            )
        lead = array.shape[:-3]
        batch = np.moveaxis(array.reshape(-1, *array.shape[-3:]), 1, -1)
        return batch, lambda out: to_tensor(np.moveaxis(out, -1, 1).reshape(*lead, out.shape[3], *out.shape[1:3]))
    if is_pil(image):
        batch, back = as_batch(np.asarray(image), who)
        return batch, lambda out: like_image(back(out), image)
    if isinstance(image, np.ndarray) and image.ndim == 3:
        return image[None], lambda out: out[0]
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return image[None, :, :, None], _plane
    if isinstance(image, np.ndarray) and image.ndim == 4:
        return image, lambda out: out
    raise TypeError(f"{who}: needs a PIL image, an array (H, W, C) or (H, W), or a Tensor, but got {kind(image)}")


def _plane(batch: np.ndarray) -> np.ndarray:
    """The image (H, W) of a batch of one, or (H, W, C) where it has got more channels."""
    return batch[0, :, :, 0] if batch.shape[3] == 1 else batch[0]


def like_image(array: np.ndarray, source: Any) -> Any:
    """A PIL image of the array, with the mode, palette and notes of `source`."""
    from PIL import Image

    if source.mode == "1":  # bytes of this mode hold eight pixels
        result = Image.fromarray(np.ascontiguousarray(array))
    else:
        result = Image.frombytes(source.mode, array.shape[1::-1], array.tobytes())
    if source.palette is not None:
        result.putpalette(source.getpalette(source.palette.mode), source.palette.mode)
    result.info = dict(source.info)
    return result


def change(image: Any, who: str, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """`function` of the image as a batch (N, H, W, C), as an image of its kind."""
    batch, back = as_batch(image, who)
    return back(function(batch))


def refuse_palette(image: Any, who: str) -> None:
    """Raise ValueError for a PIL image whose numbers are no colours: their mean would be none, either."""
    if is_pil(image) and image.mode in ("1", "P", "PA"):
        raise ValueError(f"{who}: images of mode {image.mode} can't be mixed; convert them to L or RGB first")


def each(number: Number, dtype: Any = np.float32) -> np.ndarray:
    """A number, or one per image, shaped to meet images (N, H, W, C)."""
    return np.asarray(number, dtype).reshape(-1, 1, 1, 1)


def bound(dtype: np.dtype) -> int:
    """The value of white."""
    return 1 if dtype.kind in "fb" else int(np.iinfo(dtype).max)


def back_to(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats rounded to the integers that images of `dtype` hold, or as they are."""
    return values.astype(dtype, copy=False) if dtype.kind == "f" else np.rint(values).astype(dtype)


def pair(size: int | Sequence[int], who: str) -> tuple[int, int]:
    """(height, width) from one number, a sequence of one, or both."""
    values = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(values) not in (1, 2) or not all(isinstance(v, (int, np.integer)) and v > 0 for v in values):
        raise ValueError(f"{who}: `size` should be one or two positive integers (height, width), but got {size}")
    return int(values[0]), int(values[-1])


def fills(fill: Any, bands: int, who: str) -> tuple[float, ...]:
    """`fill` as one number per channel."""
    values = tuple(fill) if isinstance(fill, (Sequence, np.ndarray)) else (0 if fill is None else fill,)
    if len(values) not in (1, bands):
        raise ValueError(
            f"{who}: The number of elements in 'fill' does not match the number of bands of the image "
            f"({len(values)} != {bands})"
        )
    return values * bands if len(values) == 1 else values
