"""Blocks that several of the models share, under torchvision's names; `ops.misc` holds the same."""

import sys
from typing import NoReturn

from . import blocks
from .blocks import Conv2dNormActivation, SqueezeExcitation, StochasticDepth, stochastic_depth

__all__ = ["Conv2dNormActivation", "SqueezeExcitation", "StochasticDepth", "stochastic_depth"]
misc = sys.modules[f"{__name__}.misc"] = blocks


def __getattr__(name: str) -> NoReturn:
    """What of torchvision's ops is not here is for detection, which is out of range."""
    said = f"module {__name__!r} has no attribute {name!r}"
    if not name.startswith("_"):
        said += ": there are no ops for detection (boxes, nms, regions) here, only the blocks of the models"
    raise AttributeError(said, name=name)
