"""Image files as Tensors (C, H, W) of uint8, and back."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

from minitorch.files import replacing
from minitorch.utils.data.bridge import is_tensor, to_array, to_tensor

from .pillow import import_pillow
from .transforms.functional.convert import pil_to_tensor

__all__ = ["ImageReadMode", "decode_image", "read_file", "read_image", "write_jpeg", "write_png"]


class ImageReadMode(Enum):
    """How many channels an image comes with."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


PILLOW = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


def _decoded(content: bytes, mode: Any, source: str, turn: bool) -> Any:
    pillow = import_pillow("read_image")
    wanted = ImageReadMode[mode] if isinstance(mode, str) else ImageReadMode(mode)
    try:
        with pillow.open(io.BytesIO(content)) as image:
            image.load()
    except Exception as error:  # a damaged file can raise nearly anything
        raise RuntimeError(f"{source} is no whole image ({type(error).__name__}: {error})") from error
    if turn:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if wanted is not ImageReadMode.UNCHANGED:
        image = image.convert(PILLOW[wanted.name])
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    return pil_to_tensor(image)


def read_image(
    path: str | os.PathLike, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Any:
    """The image in a file, with the channels that it has, or as many as `mode` says ("RGB", ImageReadMode.GRAY).

    Raises:
        RuntimeError: the file is no whole image; the message names it.
    """
    with open(path, "rb") as file:
        return _decoded(file.read(), mode, str(path), apply_exif_orientation)


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Any:
    """The same of a file's bytes in a Tensor uint8 (n,), as `read_file` gives them; or of a path."""
    if isinstance(input, (str, os.PathLike)):
        return read_image(input, mode, apply_exif_orientation)
    return _decoded(to_array(input).astype(np.uint8).tobytes(), mode, "decode_image: the input", apply_exif_orientation)


def read_file(path: str | os.PathLike) -> Any:
    """The bytes of a file as a Tensor uint8 (n,)."""
    with open(path, "rb") as file:
        return to_tensor(np.frombuffer(file.read(), np.uint8).copy())


def _write(input: Any, path: str | os.PathLike, format: str, **options: Any) -> None:
    array = to_array(input)
    if not is_tensor(input) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[0] not in (1, 3):
        raise RuntimeError(
            f"write_{format}: needs a Tensor uint8 (1, H, W) or (3, H, W), but got {array.dtype} {array.shape}"
        )
    pixels = np.moveaxis(array, 0, -1) if array.shape[0] == 3 else array[0]
    picture = import_pillow(f"write_{format}").fromarray(np.ascontiguousarray(pixels))
    with replacing(path) as file:
        picture.save(file, format=format, **options)


def write_png(input: Any, filename: str | os.PathLike, compression_level: int = 6) -> None:
    """Write an image (1, H, W) or (3, H, W) of uint8. The file is whole or not there."""
    _write(input, filename, "png", compress_level=compression_level)


def write_jpeg(input: Any, filename: str | os.PathLike, quality: int = 75) -> None:
    """Write an image (1, H, W) or (3, H, W) of uint8. The file is whole or not there."""
    _write(input, filename, "jpeg", quality=quality)
