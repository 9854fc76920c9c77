"""Images: data sets, what is done to pictures before training, and nets that are known by name."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import datasets, io, transforms, utils

if TYPE_CHECKING:
    from . import models, ops

__all__ = ["datasets", "io", "models", "ops", "transforms", "utils"]


def __getattr__(name: str) -> Any:
    """`models` and `ops` are imported when someone asks for them: data sets need no layers."""
    if name in ("models", "ops"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
