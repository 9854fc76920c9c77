"""The old way to `parametrizations.spectral_norm`: a parameter weight_orig, and a hook before each forward."""

from __future__ import annotations

from typing import Any

from ..module import Module
from ..parameter import Parameter
from .parametrizations import as_matrix, check_power, default_dim, over_sigma, power_steps, singular_vectors

__all__ = ["remove_spectral_norm", "spectral_norm"]


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value before each forward; it is made of the parameter `<name>_orig`.

    The singular vectors are the buffers `<name>_u` and `<name>_v`, which each forward in training mode brings nearer.
    dim: 0, and 1 for transposed convolutions, if None. Returns the module. Raises RuntimeError where it has one.
    """
    hooks = module.__dict__.setdefault("_spectral_norms", {})
    if name in hooks:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    check_power(n_power_iterations)
    axis = default_dim(module) if dim is None else dim
    weight = module._parameters.get(name)
    if weight is None:
        raise KeyError(f"{type(module).__name__} has no parameter {name!r} to divide by its spectral norm")
    u, v = singular_vectors(as_matrix(weight.detach(), axis).array, eps)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    setattr(module, name, weight.detach())

    def compute(layer: Any, inputs: Any = None, steps: int | None = None) -> None:
        original, u, v = (getattr(layer, f"{name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(original, axis)
        steps = (n_power_iterations if layer.training else 0) if steps is None else steps
        power_steps(matrix.array.T, v, u, steps, eps)  # v first, as PyTorch has it here
        setattr(layer, name, over_sigma(original, matrix, u, v))

    hooks[name] = module.register_forward_pre_hook(compute).id, compute
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a parameter again. Raises ValueError where there is no spectral norm."""
    hooks = module.__dict__.get("_spectral_norms", {})
    if name not in hooks:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    number, compute = hooks.pop(name)
    compute(module, steps=0)
    weight = getattr(module, name).detach()
    for old in (name, f"{name}_orig", f"{name}_u", f"{name}_v"):
        delattr(module, old)
    module.register_parameter(name, Parameter(weight))
    module._forward_pre_hooks.pop(number, None)
    return module
