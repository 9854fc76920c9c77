"""Gradients of a whole model at once."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ... import dtypes
from ...autograd.quiet import quietly
from ...autograd.tape import wrap
from ...tensor import Tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _gradients(parameters: Any) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]


@quietly
def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Any:
    """Scale all gradients down, in place, so that their common norm is at most `max_norm`; returns the norm before.

    The norm is finite where the gradients are, also if their squares are not. Raises RuntimeError for a norm that is
    not finite if `error_if_nonfinite`.
    """
    gradients = _gradients(parameters)
    total = _total(gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, total)
    return wrap(np.asarray(total).astype(gradients[0].array.dtype if gradients else np.float32))


def clip_grad_norm(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Any:
    """`clip_grad_norm_`, under its old name; warns."""
    warnings.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@quietly
def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None) -> Any:
    """The norm of all elements of a tensor or several; 0 of none. Raises as `clip_grad_norm_`."""
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for x in listed:
        if not x.is_floating_point():
            raise RuntimeError(f"get_total_norm: Expected floating point tensors as input. Got {x.dtype}")
    total = _total(listed, float(norm_type), error_if_nonfinite)
    return wrap(np.asarray(total).astype(listed[0].array.dtype if listed else np.float32))


@quietly
def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: Any = None) -> None:
    """Scale all gradients, in place, by max_norm / total_norm where that is less than 1: for a norm known already."""
    _scale(_gradients(parameters), float(max_norm), float(total_norm))


def _total(tensors: list, norm_type: float, error_if_nonfinite: bool) -> float:
    """The norm, finite where the tensors are, also if powers of them have left their dtype."""
    if not tensors:
        return 0.0
    total = _norm([g.array for g in tensors], norm_type)
    if norm_type and not dtypes.finfo(tensors[0].array.dtype).tiny < total < math.inf:
        most = max(float(np.abs(g.array).max(initial=0)) for g in tensors)
        if 0 < most < math.inf:
            total = most * _norm([g.array / np.float64(most) for g in tensors], norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped; with error_if_nonfinite=False gradients are scaled by it anyway"
        )
    return total


def _scale(gradients: list, max_norm: float, total: float) -> None:
    factor = min(max_norm / (total + 1e-6), 1.0) if not math.isnan(total) else math.nan
    for g in gradients:
        tiny = 0 < factor < dtypes.finfo(gradients[0].array.dtype).tiny
        exact = np.float64(factor) if tiny else g.array.dtype.type(factor)
        np.multiply(g.array, exact, out=g.write(), casting="same_kind")


def _norm(arrays: list[np.ndarray], p: float) -> float:
    return float(np.linalg.norm(np.array([np.linalg.norm(a.ravel(), p) for a in arrays], np.float64), p))


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit every element of all gradients, in place, to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        np.clip(g.array, -clip_value, clip_value, out=g.write())
