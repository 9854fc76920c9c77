"""What opens one image of a folder: damaged and oversized files are named, odd modes become RGB as they should."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from ..pillow import import_pillow

MOST = 100_000_000  # bytes of a file, and of an unpacked image; from packed files of 1 MB on, 100 times the file's
IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class Member(io.BytesIO):
    """A file out of an archive, as loaders get it in place of a path: open for reading, with its `name`."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name

    def __str__(self) -> str:
        return self.name


def default_loader(path: str | Member) -> Any:
    """The image in a file, as a PIL image in RGB; 16-bit grey is scaled to 8 bits.

    Raises:
        OSError: the file is no whole image, or too large, packed or unpacked; the message names it.
        ValueError: its numbers of 32 bits do not lie in [0, 255], so that conversion would lose them.
    """
    pillow = import_pillow("ImageFolder")
    try:
        size = path.getbuffer().nbytes if isinstance(path, Member) else os.path.getsize(path)
        if not isinstance(path, Member) and not os.path.isfile(path):
            raise ValueError("no regular file")
        if size > MOST:  # pillow reads headers of any length, at up to a minute for 1 GB
            raise ValueError(f"more than {MOST:,} bytes; if it should be so large, give a `loader`")
        with pillow.open(path) as image:
            unpacked = image.width * image.height * len(image.getbands())
            if unpacked > max(MOST, 100 * size):
                raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}; if they should, give a `loader`")
            image.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything
        raise OSError(f"ImageFolder: {path} is no whole image ({type(error).__name__}: {error})") from error
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if deep:
        image = pillow.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        low, high = image.getextrema()
        fractions = image.mode == "F" and 0 < high <= 1  # would all become black
        if fractions or not (low >= 0 and high <= 255):
            raise ValueError(
                f"ImageFolder: {path} holds numbers of 32 bits from {low} to {high}, which do not fit into RGB as they "
                "are; give a `loader` that scales them"
            )
    return image.convert("RGB")
