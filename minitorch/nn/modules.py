"""Layers under the names of PyTorch's files, such as `nn.modules.conv.Conv2d` and `nn.modules.utils._pair`."""

from __future__ import annotations

import sys

from . import (
    activation,
    adaptive,
    container,
    conv,
    distance,
    dropout,
    embedding,
    fold,
    lazy,
    linear,
    loss,
    module,
    norm,
    padding,
    pool,
    resample,
    rnn,
    shape,
    transformer,
    tuples,
)
from .module import Module

__all__ = ["Module"]

PLACES = {
    "activation": activation,
    "adaptive": adaptive,
    "batchnorm": norm,
    "channelshuffle": resample,
    "container": container,
    "conv": conv,
    "distance": distance,
    "dropout": dropout,
    "flatten": shape,
    "fold": fold,
    "instancenorm": norm,
    "lazy": lazy,
    "linear": linear,
    "loss": loss,
    "module": module,
    "normalization": norm,
    "padding": padding,
    "pixelshuffle": resample,
    "pooling": pool,
    "rnn": rnn,
    "sparse": embedding,
    "transformer": transformer,
    "upsampling": resample,
    "utils": tuples,
}
for _name, _part in PLACES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _part
