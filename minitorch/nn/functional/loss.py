"""Losses and their reductions."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ...autograd import plain
from ...autograd.tape import watch, wrap
from ...dtypes import FLOATS
from ...ops import activation, loss, pointwise
from ...ops import reduce as reducing
from ...ops import shape as shaping
from ...ops.dims import whole
from ...ops.pointwise import where
from ...ops.promotion import in_float32
from .checks import (
    check_operands,
    check_tensor,
    with_batch,
)
from .linear import linear

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def named_reduction(size_average: bool | None, reduce_: bool | None, reduction: str) -> str:
    """The reduction asked for, by PyTorch's older pair of flags if one of them is given. Raises ValueError."""
    if size_average is not None or reduce_ is not None:
        if reduce_ is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction; choose 'none', 'mean' or 'sum'")
    return reduction


def _reduced(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return reducing.mean(losses)
    return reducing.sum(losses) if reduction == "sum" else losses


def _class_weight(name: str, weight: Any, classes: int, x: tuple) -> Any:
    if weight is None:
        return None
    if check_tensor(name, weight, "weight").array.shape != (classes,):
        raise RuntimeError(
            f"{name}: `weight` must have one entry for each of the {classes} classes, but has shape "
            f"{weight.array.shape}; input {x}"
        )
    return weight.detach()


def _check_labels(name: str, x: tuple, target: Any) -> int:
    """Input (N, C, *) or (C,) and labels (N, *) or () fit together; returns the axis of classes."""
    t = target.array.shape
    if target.array.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{name}: expected `target` dtype to be int64 or uint8, but got {target.dtype}")
    if not x:
        raise RuntimeError(f"{name}: `input` needs an axis of classes, but is a scalar")
    if len(x) == 1:
        if len(t) > 1 or math.prod(t) != 1:
            raise ValueError(
                f"{name}: for 1D input, `target` must be a scalar or of size 1, but has shape {t}; input {x}"
            )
        return 0
    if not t or x[0] != t[0]:
        raise ValueError(
            f"{name}: Expected input batch_size ({x[0]}) to match target batch_size ({t[0] if t else 0}); input {x}, "
            f"target {t}"
        )
    if (x[0], *x[2:]) != t:
        raise RuntimeError(f"{name}: `target` must have shape {(x[0], *x[2:])}, but has {t}; input {x}")
    return 1


def _rows(x: Any) -> Any:
    """(N, C, *size) as (N * size, C); (C,) as (1, C)."""
    n = x.array.ndim
    if n == 2:
        return x
    if n == 1:
        return with_batch(x)
    moved = shaping.permute(x, dims=(0, *range(2, n), 1))
    return shaping.reshape(moved, shape=(math.prod(moved.array.shape[:-1]), x.array.shape[1]))


def _picked(rows: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> tuple[Any, Any]:
    """-weight * log-probability of the label of each row, reduced; and what the mean divides by."""
    labels = target.array.astype(np.int64, copy=False).ravel()
    table = None if weight is None else weight.array
    losses = watch(loss.nll(rows, labels, table, ignore_index), target, weight)
    if reduction == "none":
        return shaping.standalone(shaping.reshape(losses, shape=target.array.shape)), None
    total = reducing.sum(losses)
    if reduction == "sum":
        return total, None
    # The mean of rows that count, weighted: divided by how many they are or, with a table of weights of the classes,
    # by the sum of the weights of their labels.
    # BEGIN SOLUTION 6.1
    counted = labels != ignore_index
    divisor = float(np.count_nonzero(counted) if table is None else table[labels[counted]].sum())
    # END SOLUTION
    if divisor:
        return total * (1 / divisor), divisor
    # 0 / 0 of rows that count but have no weight is NaN, and so is its slope; ignored rows have slope 0 all the same.
    return reducing.sum(losses * wrap(np.where(counted, math.nan, 0).astype(losses.array.dtype))) + math.nan, divisor


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-weight[target] * input[target] of log-probabilities (N, C), (N, C, *) or (C,) and labels (N,), (N, *) or ().

    The mean is weighted, and leaves out rows labelled `ignore_index`. Raises IndexError for a label out of range,
    ValueError for batches of different size, RuntimeError for other shapes and dtypes.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands("nll_loss", input)
    x = input.array.shape
    whole(ignore_index, "ignore_index")
    axis = _check_labels("nll_loss", x, check_tensor("nll_loss", target, "target"))
    weights = _class_weight("nll_loss", weight, x[axis], x)
    return _picked(_rows(input), target, weights, ignore_index, reduction)[0]


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-log of the softmax of logits (N, C), (N, C, *) or (C,) at the label; labels (N,), (N, *) or ().

    A floating target of the input's shape holds class probabilities q instead: -sum(q log softmax). label_smoothing e
    mixes the target with the uniform distribution, (1 - e) q + e / C. The mean is weighted, leaves out rows labelled
    `ignore_index`, and is NaN if there are no others. Raises as `nll_loss`.

    >>> import minitorch
    >>> minitorch.nn.functional.cross_entropy(minitorch.zeros(2, 4), minitorch.tensor([1, 3]))
    tensor(1.3863)
    """
    name = "cross_entropy"
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands(name, input)
    check_tensor(name, target, "target")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"{name}: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    x = input.array.shape
    if x and target.array.shape == x and target.array.dtype.kind in FLOATS:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    whole(ignore_index, "ignore_index")
    axis = _check_labels(name, x, target)
    weights = _class_weight(name, weight, x[axis], x)
    labels = (
        target
        if len(x) == 2 and target.array.dtype == np.int64
        else wrap(target.array.astype(np.int64, copy=False).reshape(-1))
    )
    if plain.enabled and not label_smoothing:
        return _plain_cross_entropy(input, target, weights, ignore_index, reduction)
    out = loss.cross_entropy(
        _rows(input), labels, weights, ignore_index=ignore_index, reduction=reduction, smoothing=label_smoothing
    )
    watch(out, target, weights)
    if reduction != "none" or len(x) == 2:
        return out
    return shaping.standalone(shaping.reshape(out, shape=target.array.shape))


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """`cross_entropy` of the linear map of input (N, in) or (in,) by linear_weight (classes, *, in) and its bias.

    options: PyTorch's settings of a computation in chunks, which change no number. Raises RuntimeError for shapes that
    don't fit.
    """
    name = "linear_cross_entropy"
    x, w = check_tensor(name, input).array.shape, check_tensor(name, linear_weight, "linear_weight").array.shape
    check_tensor(name, target, "target")
    if len(x) not in (1, 2):
        raise RuntimeError(f"{name}: expected input with dimensionality 1 or 2, got {len(x)}")
    if len(w) < 2 or x[-1] != w[-1]:
        raise RuntimeError(f"{name}: expected linear_weight (classes, *, {x[-1]}) for input {x}, got {w}")
    if linear_bias is not None and linear_bias.array.shape != w[:-1]:
        raise RuntimeError(f"{name}: expected linear_bias shape {w[:-1]}, got {linear_bias.array.shape}")
    if len(w) > 2 and len(x) == 1:
        raise RuntimeError(f"{name}: linear_weight {w} requires batched input (N, {x[-1]}), got {x}")
    shape = (*x[:-1], *w[:-1])
    if target.array.shape == shape and ignore_index is not None:
        raise RuntimeError(f"{name}: ignore_index cannot be specified when target contains probabilities")
    rows = shaping.reshape(linear_weight, shape=(math.prod(w[:-1]), w[-1]))
    bias = None if linear_bias is None else shaping.reshape(linear_bias, shape=(math.prod(w[:-1]),))
    logits = shaping.reshape(linear(input, rows, bias), shape=shape)
    ignored = -100 if ignore_index is None else ignore_index
    settings: dict[str, Any] = {"ignore_index": ignored, "label_smoothing": label_smoothing}
    return cross_entropy(logits, target, weight, reduction=reduction, **settings)


def _plain_cross_entropy(input: Any, target: Any, weights: Any, ignore_index: int, reduction: str) -> Any:
    """`cross_entropy` by its definition, for labels: `log_softmax_over` of the rows of scores (M, C), then `_picked`.

    `_rows` makes such rows of an input of any shape; `_picked` returns a pair, whose first is the loss.
    """
    # BEGIN SOLUTION 6.1
    scores = reducing.log_softmax_over(_rows(input), dim=1)
    found, _ = _picked(scores, target, weights, ignore_index, reduction)
    return found
    # END SOLUTION


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    """`cross_entropy` for class probabilities."""
    if ignore_index >= 0:
        raise RuntimeError(f"cross_entropy: ignore_index={ignore_index} is not supported for floating point target")
    x = input.array.shape
    axis = min(1, len(x) - 1)
    classes = x[axis]
    weights = _class_weight("cross_entropy", weight, classes, x)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = reducing.log_softmax_over(input, dim=axis) * target
    if weights is not None:
        terms = terms * shaping.reshape(weights, shape=(-1, *(1,) * (len(x) - axis - 1)))
    losses = -reducing.reduce_sum(terms, dim=(axis,), keepdim=False)
    if reduction == "none":
        return losses
    total = reducing.reduce_sum(losses, dim=tuple(range(losses.array.ndim)), keepdim=False)
    if reduction == "mean":
        total = total * (1 / losses.array.size) if losses.array.size else total + math.nan
    return total


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Two tensors that broadcast, the promoted ones; warns, as PyTorch does, if their shapes differ."""
    x, t = check_tensor(name, input).array.shape, check_tensor(name, target, "target").array.shape
    if x != t:
        warnings.warn(
            f"{name}: `target` {t} is different to the `input` size {x}. This will likely lead to incorrect results "
            "due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
    return input, target


def _weighted(losses: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return _reduced(losses, reduction)
    if reduction == "mean":
        return reducing.sum(losses * weight) / reducing.sum(weight)
    return _reduced(losses * weight, reduction)


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """(input - target)^2, element by element; the mean of them, the sum, or "none" of the two."""
    reduction = named_reduction(size_average, reduce, reduction)
    x, t = _pair("mse_loss", input, target)
    return _weighted(loss.squared_error(x, t), weight, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """|input - target|, element by element; slope 0 at 0."""
    reduction = named_reduction(size_average, reduce, reduction)
    x, t = _pair("l1_loss", input, target)
    return _weighted(loss.absolute_error(x, t), weight, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """0.5 d^2 / beta where d = |input - target| < beta, d - 0.5 beta elsewhere. Raises RuntimeError for beta < 0."""
    reduction = named_reduction(size_average, reduce, reduction)
    x, t = _pair("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    if beta == 0:
        return _reduced(loss.absolute_error(x, t), reduction)
    return _reduced(loss.huber(x, t, edge=beta, curvature=0.5 / beta, slope=1.0), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """0.5 d^2 where d = |input - target| < delta, else delta (d - 0.5 delta). Raises RuntimeError for delta <= 0."""
    reduction = named_reduction(None, None, reduction)
    x, t = _pair("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    return _weighted(loss.huber(x, t, edge=delta, curvature=0.5, slope=delta), weight, reduction)


def _same_size(name: str, input: Any, target: Any) -> None:
    x, t = check_tensor(name, input).array.shape, check_tensor(name, target, "target").array.shape
    if x != t:
        raise ValueError(f"{name}: `target` size {t} must be the same as `input` size {x}")


def _floored_log(x: Any) -> Any:
    """log(x), but no less than -100, and slope 1e12 below x = 1e-12: so that losses and gradients stay finite."""
    tiny = wrap(x.array < 1e-12)
    least = np.finfo(x.array.dtype).smallest_subnormal
    floor = wrap(np.maximum(np.log(np.maximum(x.array, least)), -100).astype(x.array.dtype))
    return where(tiny, floor + (x - x.detach()) * 1e12, pointwise.log(where(tiny, 1.0, x)))


@in_float32
def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-(t log x + (1 - t) log(1 - x)) of probabilities x, element by element; no logarithm is below -100.

    Raises RuntimeError for x outside [0, 1], ValueError if shapes differ.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    _same_size("binary_cross_entropy", input, target)
    check_operands("binary_cross_entropy", input, target=target)
    x = input.array
    if not ((x >= 0) & (x <= 1)).all():
        raise RuntimeError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; apply sigmoid first, or call "
            "binary_cross_entropy_with_logits"
        )
    losses = (target - 1.0) * _floored_log(1.0 - input) - target * _floored_log(input)
    return _reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of sigmoid(input), computed from softplus without overflow: (1 - t) x + softplus(-x).

    `pos_weight` multiplies the first, positive term. Raises ValueError if shapes differ.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    _same_size("binary_cross_entropy_with_logits", input, target)
    check_operands("binary_cross_entropy_with_logits", input)
    if pos_weight is None:
        losses = loss.logistic_error(input, target)
    else:
        losses = (1.0 - target) * input - activation.logsigmoid(input) * (target * (pos_weight - 1.0) + 1.0)
        watch(losses, target, pos_weight)
    return _reduced(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """t (log t - input) for log-probabilities `input` and probabilities t, or with `log_target` their logarithms.

    reduction "batchmean" divides the sum by the batch size, which is the mathematical definition; "mean" by all
    elements.
    """
    if reduction != "batchmean":
        reduction = named_reduction(size_average, reduce, reduction)
    check_operands("kl_div", input, target=target)
    if log_target:
        losses = pointwise.exp(target) * (target - input)
    else:  # t log t, which is 0 at t = 0
        zero = wrap(target.array == 0)
        losses = where(zero, 0.0, target * pointwise.log(where(zero, 1.0, target))) - target * input
    if reduction == "batchmean":
        total = reducing.reduce_sum(losses, dim=tuple(range(losses.array.ndim)), keepdim=False)
        return total / float(input.array.shape[0]) if input.array.ndim else total
    return _reduced(losses, reduction)
