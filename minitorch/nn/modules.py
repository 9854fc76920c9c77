"""Layers under the names of PyTorch's files, such as `nn.modules.conv.Conv2d` and `nn.modules.utils._pair`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from . import (
    activation,
    adaptive,
    attention,
    container,
    conv,
    ctc,
    distance,
    dropout,
    embedding,
    fold,
    hooks,
    lazy,
    likelihood,
    linear,
    loss,
    margin,
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

# PyTorch's files, and ours that have what stands in them; a later file's names come first.
PLACES: dict[str, tuple[ModuleType, ...]] = {
    "activation": (attention, activation),
    "adaptive": (adaptive,),
    "batchnorm": (lazy, norm),
    "channelshuffle": (resample,),
    "container": (container,),
    "conv": (lazy, conv),
    "distance": (distance,),
    "dropout": (dropout,),
    "flatten": (shape,),
    "fold": (fold,),
    "instancenorm": (lazy, norm),
    "lazy": (lazy,),
    "linear": (attention, lazy, linear),
    "loss": (ctc, likelihood, margin, loss),
    "module": (hooks, module),
    "normalization": (norm,),
    "padding": (padding,),
    "pixelshuffle": (resample,),
    "pooling": (pool,),
    "rnn": (rnn,),
    "sparse": (embedding,),
    "transformer": (transformer,),
    "upsampling": (resample,),
    "utils": (tuples,),
}
# Classes that scripts ask for by PyTorch's private names, as in isinstance(layer, _ConvNd), by their names here.
BASES = {
    "batchnorm": {"_NormBase": "_Norm"},
    "module": {"_IncompatibleKeys": "IncompatibleKeys"},
    "conv": {"_ConvNd": "_Conv", "_ConvTransposeNd": "_TransposedConv"},
    "dropout": {"_DropoutNd": "_Dropout"},
    "padding": {f"_{kind}PadNd": f"_{kind}Pad" for kind in ("Circular", "Constant", "Reflection", "Replication")},
    "pooling": {f"_{kind}PoolNd": f"_{kind}Pool" for kind in ("AdaptiveAvg", "AdaptiveMax", "Avg", "LP", "Max")}
    | {"_MaxUnpoolNd": "_MaxUnpool"},
}


def _file(name: str, parts: tuple[ModuleType, ...]) -> ModuleType:
    """A module of this name with what is in several of ours."""
    names: dict[str, Any] = {key: value for part in parts for key, value in vars(part).items() if key[:2] != "__"}
    out = ModuleType(f"{__name__}.{name}", parts[-1].__doc__)
    vars(out).update(names | {theirs: names[ours] for theirs, ours in BASES.get(name, {}).items()})
    return out


for _name, _parts in PLACES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _file(_name, _parts)
    for _part in _parts:
        globals().update({key: getattr(_part, key) for key in getattr(_part, "__all__", ())})
Module = module.Module
__all__ = sorted(
    name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, Module)
)
