"""Between kinds of images and dtypes: Tensors, arrays, PIL images; floats in [0, 1] and integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_tensor

from ...pillow import import_pillow
from ..kinds import WIDER, is_pil, kind

__all__ = [
    "convert_image_dtype",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "normalize",
    "pil_to_tensor",
    "to_pil_image",
    "to_tensor_image",
]

EDGE = 1e-3  # floats in [0, 1] times (white + 1 - EDGE), cut off: every integer gets an equal share


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of an image."""
    if is_pil(img):
        return [len(img.getbands()), img.height, img.width]
    if is_tensor(img) and img.ndim >= 2:
        return [1 if img.ndim == 2 else int(img.shape[-3]), int(img.shape[-2]), int(img.shape[-1])]
    if isinstance(img, np.ndarray) and img.ndim in (2, 3, 4):
        height, width, channels = (*img.shape, 1) if img.ndim == 2 else img.shape[-3:]
        return [channels, height, width]
    raise TypeError(f"Unexpected type or shape: needs an image, but got {kind(img)}")


def get_image_size(img: Any) -> list[int]:
    """[width, height] of an image."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """The number of channels of an image."""
    return get_dimensions(img)[0]


def unit_floats(images: np.ndarray) -> np.ndarray:
    """uint8 as float32 in [0, 1]."""
    out = images.astype(np.float32, order="C")
    return np.divide(out, np.float32(255), out=out)


def to_tensor_image(pic: Any) -> Any:
    """An image (H, W, C) or (H, W) as a Tensor (C, H, W): uint8 becomes float32 in [0, 1], other values stay."""
    if is_pil(pic):
        array = np.asarray(pic)
        array = array * np.uint8(255) if pic.mode == "1" else array
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"ToTensor: needs a PIL image or an array, but got {kind(pic)}")
    if array.ndim not in (2, 3):
        raise ValueError(f"ToTensor: needs an array (H, W, C) or (H, W), but its shape is {array.shape}")
    array = array if array.ndim == 3 else array[:, :, None]
    wider = {"int16": np.int32, "float16": np.float32, **WIDER}.get(array.dtype.name, array.dtype.newbyteorder("="))
    return to_tensor(np.moveaxis(unit_floats(array) if array.dtype == np.uint8 else array.astype(wider), -1, 0))


def pil_to_tensor(pic: Any) -> Any:
    """A PIL image as a Tensor (C, H, W) of its own dtype, not scaled. Raises TypeError for any other kind."""
    if not is_pil(pic):
        raise TypeError(f"pil_to_tensor: pic should be PIL Image. Got {kind(pic)}")
    array = np.array(pic)
    array = array.astype(WIDER.get(array.dtype.name, array.dtype.newbyteorder("=")), copy=False)
    return to_tensor(np.moveaxis(array.reshape(pic.height, pic.width, -1), -1, 0).copy())


# Modes of Pillow's that an array may be read as, by its number of channels; the first is the usual one.
MODES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}
ONE_CHANNEL = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a PIL image.

    Floats of Tensors, in [0, 1], become uint8, but for `mode` "F".

    Raises:
        TypeError: it is neither, or of a dtype that Pillow has no mode for.
        ValueError: it has other axes, more than four channels, or another mode than `mode`.
    """
    pillow = import_pillow("ToPILImage")
    if not is_tensor(pic) and not isinstance(pic, np.ndarray):
        raise TypeError(f"to_pil_image: pic should be Tensor or ndarray. Got {kind(pic)}")
    array = pic.array if is_tensor(pic) else pic
    if array.ndim not in (2, 3):
        raise ValueError(f"to_pil_image: pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    if is_tensor(pic):
        if array.dtype.kind == "f" and mode != "F":
            array = (array * array.dtype.type(255)).astype(np.uint8)
        array = array if array.ndim == 2 else np.moveaxis(array, 0, -1)
    array = array[:, :, None] if array.ndim == 2 else array
    channels = array.shape[2]
    if channels > 4:
        raise ValueError(f"to_pil_image: pic should not have > 4 channels. Got {channels} channels.")
    if channels == 1:
        array = array[:, :, 0]
        usual = ONE_CHANNEL.get(array.dtype.name)
        if mode is not None and mode != usual:
            raise ValueError(
                f"to_pil_image: Incorrect mode ({mode}) supplied for input type {array.dtype}. Should be {usual}"
            )
        if usual == "I;16":
            array = array.astype(np.uint16)
        mode = usual
    else:
        if mode is not None and mode not in MODES[channels]:
            raise ValueError(f"to_pil_image: Only modes {MODES[channels]} are supported for {channels}-channel inputs")
        mode = mode or MODES[channels][0]
        if array.dtype != np.uint8:
            mode = None
    if mode is None:
        raise TypeError(f"to_pil_image: Input type {array.dtype} is not supported")
    array = np.ascontiguousarray(array)
    return pillow.frombytes(mode, array.shape[1::-1], array.astype(array.dtype.newbyteorder("<")).tobytes())


def convert_values(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values of images in another dtype: white stays white."""
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "f":
        if dtype.kind == "f":
            return values.astype(dtype)
        if (values.dtype.itemsize, dtype.itemsize) in ((4, 4), (4, 8), (8, 8)):
            raise RuntimeError(f"The cast from {values.dtype} to {dtype} cannot be performed safely.")
        return (values * values.dtype.type(np.iinfo(dtype).max + 1 - EDGE)).astype(dtype)
    white = int(np.iinfo(values.dtype).max) if values.dtype.kind != "b" else 1
    if dtype.kind == "f":
        return values.astype(dtype) / dtype.type(white)
    other = int(np.iinfo(dtype).max)
    if white > other:
        return (values // ((white + 1) // (other + 1))).astype(dtype)
    return values.astype(dtype) * dtype.type((other + 1) // (white + 1))


def convert_image_dtype(image: Any, dtype: Any = "float32") -> Any:
    """A Tensor or array in another dtype, scaled so that white stays white: 255 of uint8, 1 of floats.

    Raises:
        TypeError: the image is a PIL image or of another kind.
        RuntimeError: floats would become integers that have more digits than they.
    """
    from minitorch.dtypes import as_dtype

    wanted = as_dtype(dtype).numpy
    if is_tensor(image):
        return image if image.array.dtype == wanted else to_tensor(convert_values(image.array, wanted))
    if isinstance(image, np.ndarray):
        return convert_values(image, wanted)
    raise TypeError(f"convert_image_dtype: Input img should be Tensor Image, but got {kind(image)}")


def constants(
    mean: float | Sequence[float], std: float | Sequence[float], dtype: np.dtype, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """`mean` and `std` as arrays of one value or one per channel."""
    both = tuple(np.atleast_1d(np.asarray(value, dtype)) for value in (mean, std))
    if (both[1] == 0).any():
        raise ValueError(f"Normalize: `std` needs to be nonzero in {dtype}, but is {std}")
    for name, value in zip(("mean", "std"), both, strict=True):
        if len(value) not in (1, channels):
            raise ValueError(f"Normalize: `{name}` has {len(value)} values, but the image has {channels} channels")
    return both[0], both[1]


def normalize(tensor: Any, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False) -> Any:
    """`(x - mean[c]) / std[c]` for each channel c of a float Tensor (..., C, H, W); gradients pass through.

    Raises:
        TypeError: `tensor` is no Tensor of floats.
        ValueError: it has fewer than three axes, or some `std` is zero in its dtype.
    """
    if not is_tensor(tensor):
        raise TypeError(f"Normalize: needs a Tensor (put ToTensor before it), but got {kind(tensor)}")
    if tensor.array.dtype.kind != "f":
        raise TypeError(f"Normalize: needs a Tensor of floats, but its dtype is {tensor.dtype}")
    if tensor.ndim < 3:
        raise ValueError(f"Normalize: needs a Tensor (..., C, H, W), but its shape is {tuple(tensor.shape)}")
    m, s = (c.reshape(-1, 1, 1) for c in constants(mean, std, tensor.array.dtype, tensor.shape[-3]))
    if not tensor.requires_grad and not inplace:  # without kernels, which a worker would load in 0.3 s
        return to_tensor((tensor.array - m) / s)
    m, s = to_tensor(m), to_tensor(s)
    return tensor.sub_(m).div_(s) if inplace else (tensor - m) / s
