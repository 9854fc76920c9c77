"""What losses are made of beside reductions: softplus, and the picking of a label's log-probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.tape import wrap
from .elementwise import FloatUnary, sigmoid
from .index import take_along
from .shape import squeeze


@FloatUnary
def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow: max(x, 0) + log(1 + exp(-|x|))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


softplus.vjp(x=lambda g, x: g * sigmoid(x))


def nll(log_probabilities: Any, target: np.ndarray, weight: np.ndarray | None, ignore_index: int) -> Any:
    """-weight[target] * log_probabilities[target] of every row (M, C); 0 where the target is `ignore_index`.

    Raises IndexError for a label outside 0 ... C - 1.
    """
    classes = log_probabilities.array.shape[1]
    counted = target != ignore_index
    wrong = target[counted & ((target < 0) | (target >= classes))]
    if wrong.size:
        raise IndexError(f"Target {wrong[0]} is out of bounds: there are {classes} classes, 0 to {classes - 1}")
    safe = np.where(counted, target, 0)
    picked = squeeze(take_along(log_probabilities, safe[:, None], dim=1), 1)
    factor = counted.astype(picked.array.dtype)
    if weight is not None:
        factor *= weight[safe]
    return -picked * wrap(factor)
