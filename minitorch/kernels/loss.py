"""Softmax and cross-entropy over the rows of x (M, C): largest, sum of exponentials, result, a sweep of a row each."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import kernel
from minitorch.kernels.words.moves import clear
from minitorch.kernels.words.polynomial import exp_falling as exp  # of x - top
from minitorch.kernels.words.vector import sweep, total

__all__ = ["cross_entropy", "cross_entropy_grad", "log_softmax", "softmax"]

HEAVY = 10_000  # elements worth waking the other threads for

largest = total(lambda x: x, largest=True)
sum_exp = total(lambda x, top: exp(x - top))
spread = sweep(lambda x, top, whole, factor: exp(x - top) * (factor / whole))
spread_less = sweep(lambda x, w, top, whole, factor, part: exp(x - top) * (factor / whole) - w * part)
shift = sweep(lambda x, top, lower: (x - top) - lower)
fall = total(lambda x, w, top, log_total: w * (log_total - (x - top)))
add_up = total(lambda w: w)


def softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = exp(x) over its sum along rows."""
    _softmax(x.size > HEAVY, x, out)


def log_softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = x - log(sum(exp(x))) along rows."""
    _log_softmax(x.size > HEAVY, x, out)


def cross_entropy(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, losses: np.ndarray, top: np.ndarray,
                  total: np.ndarray, sums: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """The loss of every row, 0 where the label is `ignore_index`; top = max x, total = sum exp(x - top)."""
    _cross_entropy(x.size > HEAVY, x.reshape(-1), labels, weight, losses, top, total, sums, ignore_index,
                   *_parts(x, smoothing))


def cross_entropy_grad(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, top: np.ndarray, total: np.ndarray,
                       scale: np.ndarray, out: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """out[i] = scale[i] * (sum(q weight) softmax(x[i]) - q weight), 0 in ignored rows."""
    _cross_entropy_grad(x.size > HEAVY, x.reshape(-1), labels, weight, top, total, scale, out.reshape(-1),
                        ignore_index, *_parts(x, smoothing))


def _parts(x: np.ndarray, smoothing: float) -> tuple[float, float]:
    """What the label gets of a probability of 1, and what every class gets."""
    return x.dtype.type(1 - smoothing), x.dtype.type(smoothing / max(1, x.shape[1]))


@kernel(exact=True)
def _softmax(workers, x, out):
    m, classes = x.shape
    one = x.dtype.type(1)
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high = row * classes, (row + 1) * classes
            top = largest((x,), low, high, ())
            spread((x, out), low, high, (top, sum_exp((x,), low, high, (top,)), one))


@kernel(exact=True)
def _log_softmax(workers, x, out):
    m, classes = x.shape
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high = row * classes, (row + 1) * classes
            top = largest((x,), low, high, ())
            shift((x, out), low, high, (top, math.log(sum_exp((x,), low, high, (top,)))))


@kernel(exact=True)
def _cross_entropy(workers, x, labels, weight, losses, top, total, sums, ignore_index, hit, share):
    m, classes, zero = labels.size, weight.size, x.dtype.type(0)
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high = row * classes, (row + 1) * classes
            top[row] = largest((x,), low, high, ())
            total[row] = sum_exp((x,), low, high, (top[row],))
            label = labels[row]
            if label == ignore_index or label < 0 or label >= classes:
                losses[row] = zero
            else:
                log_total = math.log(total[row])
                loss = -(hit * (weight[label] * ((x[low + label] - top[row]) - log_total)))
                if share > zero:
                    loss += share * fall((x[low:high], weight), 0, classes, (top[row], log_total))
                losses[row] = loss
    loss_sum, weight_sum, wrong = 0.0, 0.0, 0
    for row in range(m):
        label = labels[row]
        if 0 <= label < classes and label != ignore_index:
            loss_sum += np.float64(losses[row])
            weight_sum += np.float64(weight[label])
        elif label != ignore_index:
            wrong += 1
    sums[0], sums[1], sums[2] = loss_sum, weight_sum, wrong


@kernel(exact=True)
def _cross_entropy_grad(workers, x, labels, weight, top, total, scale, out, ignore_index, hit, share):
    m, classes, zero = labels.size, weight.size, x.dtype.type(0)
    every = share * add_up((weight,), 0, classes, ()) if share > zero else zero
    for worker in prange(workers):
        for row in range(worker * m // workers, (worker + 1) * m // workers):
            low, high, label = row * classes, (row + 1) * classes, labels[row]
            factor = scale[row if scale.size > 1 else 0]
            if label == ignore_index:
                clear(out, low, classes)
            else:
                gain = factor * (hit * weight[label])
                if share > zero:
                    spread_less((x[low:high], weight, out[low:high]), 0, classes,
                                (top[row], total[row], gain + factor * every, factor * share))
                else:
                    spread((x, out), low, high, (top[row], total[row], gain))
                out[low + label] -= gain
