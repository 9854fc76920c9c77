"""Gradients of a whole model at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.quiet import quietly
from ...autograd.tape import wrap
from ...tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


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
    if not gradients:
        return wrap(np.zeros((), np.float32))
    total, dtype = _norm([g.array for g in gradients], norm_type), gradients[0].array.dtype
    tiny = np.finfo(dtype).tiny
    if norm_type and not tiny < total < math.inf:  # powers may have left the dtype where elements did not
        most = max(float(np.abs(g.array).max(initial=0)) for g in gradients)
        if 0 < most < math.inf:
            total = most * _norm([g.array / np.float64(most) for g in gradients], norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped; with error_if_nonfinite=False gradients are scaled by it anyway"
        )
    factor = min(max_norm / (float(total) + 1e-6), 1.0) if not math.isnan(total) else math.nan
    for g in gradients:
        exact = np.float64(factor) if 0 < factor < tiny else g.array.dtype.type(factor)
        np.multiply(g.array, exact, out=g.write(), casting="same_kind")
    return wrap(np.asarray(total).astype(dtype))


def _norm(arrays: list[np.ndarray], p: float) -> float:
    return float(np.linalg.norm(np.array([np.linalg.norm(a.ravel(), p) for a in arrays], np.float64), p))


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit every element of all gradients, in place, to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        np.clip(g.array, -clip_value, clip_value, out=g.write())
