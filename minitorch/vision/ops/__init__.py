"""Blocks that several of the models share, under torchvision's names; `ops.misc` holds the same."""

import sys

from . import blocks
from .blocks import Conv2dNormActivation, SqueezeExcitation, StochasticDepth, stochastic_depth

__all__ = ["Conv2dNormActivation", "SqueezeExcitation", "StochasticDepth", "stochastic_depth"]
misc = sys.modules[f"{__name__}.misc"] = blocks
