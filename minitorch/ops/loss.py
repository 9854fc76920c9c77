"""What losses are made of beside reductions: errors element by element, cross-entropy, log-probabilities of labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Variable, primitive
from ..autograd.following import step
from ..autograd.tape import plain, wrap
from .activation import logsigmoid, sigmoid
from .declare import binary
from .pointwise import exp, log, sign, where
from .reduce import softmax_over
from .shape import expand, reshape

squared_error = binary(
    "squared_error",
    lambda x, y: (x - y) ** 2,
    x=lambda g, x, y: g * ((x - y) * 2),
    y=lambda g, x, y: g * ((y - x) * 2),
    on="",
    doc="(x - y)^2.",
)
absolute_error = binary(
    "absolute_error",
    lambda x, y: abs(x - y),
    x=lambda g, x, y: g * sign(x - y),
    y=lambda g, x, y: g * sign(y - x),
    on="",
    doc="|x - y|; slope 0 where they are equal.",
)


def _huber_slope(d: Any, edge: Any, curvature: Any, slope: Any) -> Any:
    return where(abs(d) < edge, d * (curvature * 2), where(d < 0, -slope, where(d == d, slope, d)))


huber = binary(
    "huber",
    lambda x, y, *, edge, curvature, slope: where(
        abs(x - y) < edge, (x - y) ** 2 * curvature, (abs(x - y) - edge * 0.5) * slope
    ),
    x=lambda g, x, y, edge, curvature, slope: g * _huber_slope(x - y, edge, curvature, slope),
    y=lambda g, x, y, edge, curvature, slope: g * _huber_slope(y - x, edge, curvature, slope),
    on="",
    doc="With d = |x - y|: curvature d^2 up to `edge`, (d - edge / 2) slope beyond.",
)
# With p = sigmoid(x): -(y log p + (1 - y) log(1 - p)) = (1 - y) x + log(1 + exp(-x)), whose slope is p - y.
logistic_error = binary(
    "logistic_error",
    lambda x, y: (1 - y) * x - logsigmoid(x),
    x=lambda g, x, y: g * (sigmoid(x) - y),
    y=lambda g, x: -g * x,
    on="",
    doc="Cross-entropy of sigmoid(x) for the probability y, without overflow.",
)
gaussian_error = binary(
    "gaussian_error",
    lambda d, v: (log(v) + d * d / v) * 0.5,
    d=lambda g, d, v: g * (d / v),
    v=lambda g, d, v: g * ((1.0 / v - (d / v) ** 2) * 0.5),
    floating=True,
    on="",
    doc="-log of the normal density, of variance v, at d from its mean, without log(2 pi) / 2.",
)
poisson_error = binary(
    "poisson_error",
    lambda x, y: exp(x) - y * x,
    x=lambda g, x, y: g * (exp(x) - y),
    y=lambda g, x: -g * x,
    floating=True,
    on="",
    doc="-log of the probability of y by Poisson's law with mean exp(x), without log(y!).",
)


def _check_labels(labels: np.ndarray, classes: int, ignore_index: int) -> None:
    """Raises IndexError for a label outside 0 ... classes - 1."""
    wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= classes))]
    if wrong.size:
        raise IndexError(f"Target {wrong[0]} is out of bounds: there are {classes} classes, 0 to {classes - 1}")


@primitive(residuals="weights top total divisor")
def cross_entropy(
    x: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray | None,
    *,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> tuple:
    """-sum over c of q[c] weight[c] log_softmax(x)[c] for rows x (M, C), q = (1 - smoothing) onehot + smoothing / C.

    Rows labelled `ignore_index` lose nothing; the mean divides by the weight of the others' labels, and is NaN if that
    is 0. Raises IndexError for a label outside 0 ... C - 1.
    """
    m, classes = x.shape
    weights = _ones(classes, x.dtype) if weight is None else weight.astype(x.dtype, copy=False)
    losses, top, total = np.empty((3, m), x.dtype)
    sums = np.empty(3)
    kernels.cross_entropy(x, labels, weights, losses, top, total, sums, ignore_index, smoothing)
    out, divisor = _reduced(sums, losses, labels, classes, ignore_index, reduction)
    return out, weights, top, total, divisor


@step("arrays")
def _ones(size: int, dtype: np.dtype) -> np.ndarray:
    return np.ones(size, dtype)


@step("arrays")
def _reduced(
    sums: np.ndarray, losses: np.ndarray, labels: np.ndarray, classes: int, ignore_index: int, reduction: str
) -> tuple[np.ndarray, np.ndarray]:
    """The result, and what its gradient is divided by, from the sums of losses, weights and labels out of range."""
    out, divisor, wrong = sums.tolist()
    if wrong:
        _check_labels(labels, classes, ignore_index)
    if reduction == "none":
        return losses, np.array(1.0)
    if reduction == "mean":
        out = out / divisor if divisor else math.nan
    else:
        divisor = 1.0
    return np.array(out, losses.dtype), np.array(divisor)


def _inverse(divisor: np.ndarray) -> float:
    """1 / divisor, as the loss; rows that are ignored have slope 0 all the same."""
    n = float(divisor)
    return 1 / n if n else math.nan


@step("arrays")
def _scale(g: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    return (g * _inverse(divisor)).reshape(-1)


# With W = sum of q weight, a row loses W log(sum exp x) - sum q weight x: the slope is W softmax(x) - q weight.
def _cross_entropy_grad(
    g: Any, x: Any, labels: Any, weights: Any, top: Any, total: Any, divisor: Any, ignore_index: int, smoothing: float
) -> Any:
    if not isinstance(g, Variable):
        out = kernels.empty_like(x)
        scale = _scale(g, divisor)
        kernels.cross_entropy_grad(x, labels, weights, top, total, scale, out, ignore_index, smoothing)
        return out
    m, classes = x.shape
    labels, weights, inverse = plain(labels), plain(weights), _inverse(plain(divisor))
    counted = labels != ignore_index
    if not counted.any():
        inverse = 0.0
    q = np.full((m, classes), smoothing / max(1, classes), x.array.dtype)
    q[np.arange(m), np.where(counted, labels, 0)] += 1 - smoothing
    q = q * weights
    slope = softmax_over(x, dim=1) * wrap(q.sum(1, keepdims=True)) - wrap(q)
    g = g * inverse  # type: ignore[operator]
    wide = expand(reshape(g, shape=(-1, 1)) if g.array.ndim else g, shape=(m, classes)) * slope
    return wide if counted.all() else where(wrap(np.broadcast_to(counted[:, None], (m, classes))), wide, 0.0)


cross_entropy.vjp(
    x=lambda g, x, labels, weights, top, total, divisor, ignore_index, smoothing: _cross_entropy_grad(
        g, x, labels, weights, top, total, divisor, ignore_index, smoothing
    )
)


# One element of each row, times a factor: linear in x, and what comes back goes to the same places, each named once.
@primitive
def pick(x: np.ndarray, labels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """out[i] = factor[i] * x[i, labels[i]] for x (M, C); one factor, without axes, is that of all."""
    if x.flags.c_contiguous:
        return x.reshape(-1)[_places(x, labels)] * factor
    return x[np.arange(len(x)), labels] * factor


def _places(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where x[i, labels[i]] is in the memory of x, rows one after the other: half the time of two indices."""
    return np.arange(0, x.size, x.shape[1]) + labels if x.size else labels[:0]


@primitive
def put(y: np.ndarray, labels: np.ndarray, factor: np.ndarray, *, classes: int) -> np.ndarray:
    """out[i, labels[i]] = factor[i] * y[i], all else of out (M, classes) 0: the adjoint of pick."""
    out = kernels.empty((len(y), classes), y.dtype)
    kernels.fill(out, np.broadcast_to(y.dtype.type(0), out.shape))
    out.reshape(-1)[_places(out, labels)] = y * factor
    return out


pick.vjp(
    # BEGIN SOLUTION 6.1: x
    x=lambda g, labels, factor, x_shape: put(g, labels, factor, classes=x_shape[1]),
    # END SOLUTION
)
put.vjp(
    # BEGIN SOLUTION 6.1: y
    y=lambda g, labels, factor: pick(g, labels, factor),
    # END SOLUTION
)


def nll(log_probabilities: Any, target: np.ndarray, weight: np.ndarray | None, ignore_index: int) -> Any:
    """-weight[target] * log_probabilities[target] of every row (M, C); 0 where the target is `ignore_index`.

    Raises IndexError for a label outside 0 ... C - 1.
    """
    classes, dtype = log_probabilities.array.shape[1], log_probabilities.array.dtype
    if target.size and not 0 <= ignore_index < classes and target.min() >= 0 and target.max() < classes:
        factor = np.array(-1, dtype) if weight is None else -weight[target].astype(dtype, copy=False)
        return pick(log_probabilities, target, factor)
    _check_labels(target, classes, ignore_index)
    counted = target != ignore_index
    safe = np.where(counted, target, 0)
    factor = -counted.astype(dtype)
    if weight is not None:
        factor *= weight[safe]
    return pick(log_probabilities, safe, factor)
