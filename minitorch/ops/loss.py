"""What losses are made of beside reductions: softplus, cross-entropy, and the picking of a label's log-probability."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Variable, primitive
from ..autograd.tape import plain, wrap
from .index import take_along
from .reduce import softmax_over
from .shape import expand, reshape, squeeze


def _check_labels(labels: np.ndarray, classes: int, ignore_index: int) -> None:
    """Raises IndexError for a label outside 0 ... classes - 1."""
    wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= classes))]
    if wrong.size:
        raise IndexError(f"Target {wrong[0]} is out of bounds: there are {classes} classes, 0 to {classes - 1}")


@primitive(residuals="weights top total divisor")
def cross_entropy(
    x: np.ndarray, labels: np.ndarray, weight: np.ndarray | None, *, ignore_index: int, reduction: str,
    smoothing: float,
) -> tuple:  # fmt: skip
    """-sum over c of q[c] weight[c] log_softmax(x)[c] for rows x (M, C), q = (1 - smoothing) onehot + smoothing / C.

    Rows labelled `ignore_index` lose nothing; the mean divides by the weight of the others' labels, and is NaN if that
    is 0. Raises IndexError for a label outside 0 ... C - 1.
    """
    m, classes = x.shape
    weights = np.ones(classes, x.dtype) if weight is None else weight.astype(x.dtype, copy=False)
    losses, top, total = np.empty((3, m), x.dtype)
    sums = np.empty(3)
    kernels.cross_entropy(x, labels, weights, losses, top, total, sums, ignore_index, smoothing)
    out, divisor, wrong = sums.tolist()
    if wrong:
        _check_labels(labels, classes, ignore_index)
    if reduction == "none":
        return losses, weights, top, total, 1.0
    if reduction == "mean":
        out = out / divisor if divisor else math.nan
    else:
        divisor = 1.0
    return np.array(out, x.dtype), weights, top, total, divisor


# With W = sum of q weight, a row loses W log(sum exp x) - sum q weight x: the slope is W softmax(x) - q weight.
def _cross_entropy_grad(
    g: Any, x: Any, labels: Any, weights: Any, top: Any, total: Any, divisor: float, ignore_index: int, smoothing: float
) -> Any:
    m, classes = x.shape
    labels, weights = plain(labels), plain(weights)
    inverse = 1 / divisor if divisor else 1.0
    if not isinstance(g, Variable):
        scale = (g * inverse).reshape(-1)
        out = kernels.empty_like(x)
        kernels.cross_entropy_grad(x, labels, weights, top, total, scale, out, ignore_index, smoothing)
        return out
    counted = labels != ignore_index
    q = np.full((m, classes), smoothing / max(1, classes), x.array.dtype)
    q[np.arange(m), np.where(counted, labels, 0)] += 1 - smoothing
    q = q * weights * counted[:, None]
    slope = softmax_over(x, dim=1) * wrap(q.sum(1, keepdims=True)) - wrap(q)
    g = g * inverse  # type: ignore[operator]
    return expand(reshape(g, shape=(-1, 1)) if g.array.ndim else g, shape=(m, classes)) * slope


cross_entropy.vjp(
    x=lambda g, x, labels, weights, top, total, divisor, ignore_index, smoothing: _cross_entropy_grad(
        g, x, labels, weights, top, total, divisor, ignore_index, smoothing
    )
)


def nll(log_probabilities: Any, target: np.ndarray, weight: np.ndarray | None, ignore_index: int) -> Any:
    """-weight[target] * log_probabilities[target] of every row (M, C); 0 where the target is `ignore_index`.

    Raises IndexError for a label outside 0 ... C - 1.
    """
    _check_labels(target, log_probabilities.array.shape[1], ignore_index)
    counted = target != ignore_index
    safe = np.where(counted, target, 0)
    picked = squeeze(take_along(log_probabilities, safe[:, None], dim=1), 1)
    factor = counted.astype(picked.array.dtype)
    if weight is not None:
        factor *= weight[safe]
    return -picked * wrap(factor)
