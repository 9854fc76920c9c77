"""Pillow, imported only when an image is read or resized."""

from __future__ import annotations

from typing import Any


def import_pillow(who: str) -> Any:
    """The module `PIL.Image`, or an ImportError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{who} needs pillow: pip install minitorch-numba[viz]") from error
    return Image
