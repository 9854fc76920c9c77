"""The old way to `parametrizations.weight_norm`: parameters weight_g and weight_v, and a hook before each forward."""

from __future__ import annotations

import warnings
from typing import Any

from ..module import Module
from ..parameter import Parameter
from .parametrizations import norm_except_dim, scaled

__all__ = ["remove_weight_norm", "weight_norm"]


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let length and direction of a weight's slices along `dim` train separately, as `<name>_g` and `<name>_v`; warns.

    `<name>` is computed before each forward. Returns the module. Raises RuntimeError where it has this already.
    """
    warnings.warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    hooks = module.__dict__.setdefault("_weight_norms", {})
    if name in hooks:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    length = norm_except_dim(weight.detach(), dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))

    def compute(layer: Any, inputs: Any = None) -> None:
        setattr(layer, name, scaled(getattr(layer, f"{name}_g"), getattr(layer, f"{name}_v"), dim))

    compute(module)
    hooks[name] = module.register_forward_pre_hook(compute).id, compute
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again. Raises ValueError where there is no weight norm."""
    hooks = module.__dict__.get("_weight_norms", {})
    if name not in hooks:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    number, compute = hooks.pop(name)
    compute(module)
    weight = getattr(module, name).detach()
    for old in (name, f"{name}_g", f"{name}_v"):
        delattr(module, old)
    module.register_parameter(name, Parameter(weight))
    module._forward_pre_hooks.pop(number, None)
    return module
