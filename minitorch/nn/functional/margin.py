"""Losses of margins: how far a score or a distance is on the right side of another, or of a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd.tape import watch, wrap
from ...dtypes import FLOATS
from ...ops import loss, pointwise
from ...ops import margin as margins
from ...ops import reduce as reducing
from ...ops.index import take_along
from ...ops.pointwise import where
from ...ops.promotion import to_dtype
from ...ops.shape import reshape, standalone
from .checks import check_number, check_operands, check_tensor
from .loss import _reduced, named_reduction

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _positive_part(x: Any) -> Any:
    """max(x, 0), of slope 1 at 0."""
    return pointwise.clamp(x, 0.0, None)


def _check_floating(name: str, input: Any) -> None:
    if check_tensor(name, input).outline.dtype.kind not in FLOATS:
        raise RuntimeError(f"{name}: result type Float can't be cast to {input.dtype}, the dtype of `input`")


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """x where the target is 1, max(margin - x, 0) where it is -1, for distances x."""
    reduction = named_reduction(size_average, reduce, reduction)
    _check_floating("hinge_embedding_loss", input)
    target = to_dtype(check_tensor("hinge_embedding_loss", target, "target"), input.outline.dtype)
    margin = check_number("hinge_embedding_loss", "margin", margin)
    return _reduced(margins.hinge_embedding(input, target, margin=margin), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin - target (input1 - input2)): with target 1, input1 should rank higher, with -1 input2.

    Raises RuntimeError unless all have the same number of axes.
    """
    name = "margin_ranking_loss"
    reduction = named_reduction(size_average, reduce, reduction)
    check_tensor(name, input1, "input1")
    ranks = {
        x.outline.ndim for x in (input1, check_tensor(name, input2, "input2"), check_tensor(name, target, "target"))
    }
    if len(ranks) > 1:
        raise RuntimeError(
            f"{name}: All input tensors should have same dimension but got sizes: input1: {input1.shape}, input2: "
            f"{input2.shape}, target: {target.shape}"
        )
    error = check_number(name, "margin", margin) - target * (input1 - input2)
    return _reduced(_positive_part(error), reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-target x)) for targets 1 and -1, without overflow."""
    reduction = named_reduction(size_average, reduce, reduction)
    _check_floating("soft_margin_loss", input)
    check_tensor("soft_margin_loss", target, "target")
    return _reduced(margins.soft_margin(input, target), reduction)


def _cosine(x: Any, y: Any) -> Any:
    """The cosine of vectors in the last axis; 1e-12 is added to each sum of squares."""
    last = (x.outline.ndim - 1,)
    dots = reducing.reduce_sum(x * y, dim=last, keepdim=False)
    squares = [reducing.sum_squares(v, dim=(v.outline.ndim - 1,), keepdim=False) + 1e-12 for v in (x, y)]
    return dots / pointwise.sqrt(squares[0] * squares[1])


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1.

    input1 and input2 (N, D) and target (N,), or (D,) and (). Raises RuntimeError for other shapes.
    """
    name = "cosine_embedding_loss"
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands(name, input1)
    check_tensor(name, input2, "input2")
    signs = check_tensor(name, target, "target").array
    if signs.ndim > 1:
        raise RuntimeError(f"{name}: 0D or 1D target tensor expected, multi-target not supported; got {signs.shape}")
    for argument, x in (("input1", input1), ("input2", input2)):
        if x.outline.ndim != signs.ndim + 1:
            raise RuntimeError(
                f"{name}: {signs.ndim}D target tensor expects {signs.ndim + 1}D input tensors, but found `{argument}` "
                f"of size {x.outline.shape}"
            )
    cosine = _cosine(input1, input2)
    margin = check_number(name, "margin", margin)
    losses = where(wrap(signs == 1), 1.0 - cosine, where(wrap(signs == -1), _positive_part(cosine - margin), 0.0))
    return _reduced(watch(losses, target), reduction)


def _distance(x: Any, y: Any, p: float, eps: float) -> Any:
    """The p-norm of x - y + eps over the last axis."""
    return reducing.norm(x - y + eps, p, -1)


def _triplet(
    name: str, anchor: Any, positive: Any, negative: Any, distance: Callable, margin: float, swap: bool, reduction: str
) -> Any:
    """max(0, margin + distance to the positive - distance to the negative one), reduced."""
    ranks = [check_tensor(name, x, a).outline.ndim for a, x in _named(anchor, positive, negative)]
    if len(set(ranks)) > 1:
        raise RuntimeError(
            f"{name}: The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: {ranks[0]}D, {ranks[1]}D, and {ranks[2]}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = pointwise.minimum(far, distance(positive, negative))
    return _reduced(_positive_part(margin + near - far), reduction)


def _named(anchor: Any, positive: Any, negative: Any) -> tuple:
    return ("anchor", anchor), ("positive", positive), ("negative", negative)


def check_margin(margin: float) -> float:
    """A positive margin. Raises ValueError for another."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return margin


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + |anchor - positive + eps|_p - |anchor - negative + eps|_p) of vectors in the last axis.

    With `swap` the distance from positive to negative counts instead, where it is the smaller one. Raises ValueError
    for a margin of 0 or less, RuntimeError for different numbers of axes.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    check_margin(check_number("triplet_margin_loss", "margin", margin))
    return _triplet(
        "triplet_margin_loss", anchor, positive, negative, lambda x, y: _distance(x, y, p, eps), margin, swap, reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` with a distance of one's own, a function of two tensors; by default the 2-norm."""
    reduction = named_reduction(None, None, reduction)
    distance = distance_function or (lambda x, y: _distance(x, y, 2, 1e-6))
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, anchor, positive, negative, distance, check_margin(margin), swap, reduction)


# ------------------------------------------------------------------------------------------------- scores of classes
def _class_rows(name: str, input: Any, labels: np.ndarray, shape: tuple) -> tuple[Any, np.ndarray]:
    """Scores as (N, C) and labels to match, of scores (N, C), (C,) or (). Raises RuntimeError where they don't fit."""
    x = input.array.shape
    if len(x) > 2 or x[-1:] == (0,):
        raise RuntimeError(f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: {x}")
    if labels.shape != shape:
        raise RuntimeError(f"{name}: inconsistent target size: expected {shape}, but got {labels.shape}; input {x}")
    if labels.dtype != np.int64:
        raise RuntimeError(f"{name}: expected `target` of dtype int64, but got {labels.dtype}")
    return (input if len(x) == 2 else reshape(input, shape=(1, input.array.size))), labels


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over classes j other than the label y of weight[y] max(0, margin - x[y] + x[j])^p, over C.

    Scores (N, C) and labels (N,), or (C,) and (). p is 1 or 2. Raises RuntimeError for shapes that don't
    fit, and for a label out of range; ValueError for another p.
    """
    name = "multi_margin_loss"
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands(name, input)
    labels = check_tensor(name, target, "target").array
    if p not in (1, 2):
        raise ValueError(f"{name}: only p == 1 and p == 2 supported, but got {p!r}")
    if weight is not None and check_tensor(name, weight, "weight").outline.ndim != 1:
        raise ValueError(f"{name}: weight must be one-dimensional, but has shape {weight.array.shape}")
    x = input.array.shape
    shape = x[:1] if len(x) == 2 else labels.shape if labels.size == 1 and labels.ndim < 2 else ()
    rows, labels = _class_rows(name, input, labels, shape)
    classes, flat = rows.array.shape[1], labels.reshape(-1)
    if flat.size and (flat.min() < 0 or flat.max() >= classes):
        raise RuntimeError(f"{name}: target out of range: there are {classes} classes, 0 to {classes - 1}")
    if weight is not None and weight.array.dtype != input.outline.dtype:
        raise RuntimeError(f"{name}: expected `weight` of dtype {input.dtype} but found {weight.dtype}")
    if weight is not None and weight.array.size != classes:
        raise RuntimeError(f"{name}: inconsistent weight size: expected {classes} but got {weight.array.size}")
    margin = check_number(name, "margin", margin)
    errors = margins.excess(rows, take_along(rows, flat[:, None], dim=1), margin=margin, power=int(p))
    own = max(margin, 0.0) ** p  # what the label itself adds to the sum; its two slopes cancel
    factor = np.full(flat.shape, 1 / classes, input.outline.dtype)
    if weight is not None:
        factor *= weight.array[flat]
    losses = watch((reducing.reduce_sum(errors, dim=(1,), keepdim=False) - own) * wrap(factor), target, weight)
    if reduction == "none" and not labels.ndim:
        return standalone(reshape(losses, shape=()))
    return _reduced(losses, reduction)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum of max(0, 1 - x[r] + x[j]) over right classes r and all others j, over C.

    Scores (N, C) or (C,); target of the same shape, int64: in each row the right classes, then -1. Raises RuntimeError
    for shapes that don't fit and labels out of range.
    """
    name = "multilabel_margin_loss"
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands(name, input)
    labels = check_tensor(name, target, "target").array
    rows, labels = _class_rows(name, input, labels, input.array.shape)
    classes = rows.array.shape[1]
    if labels.size and (labels.min() < -1 or labels.max() >= classes):
        raise RuntimeError(f"{name}: target out of range: there are {classes} classes, 0 to {classes - 1}, and -1")
    losses = watch(margins.multilabel_margin(rows, labels.reshape(rows.array.shape)), target)
    if input.array.ndim < 2:
        return standalone(reshape(losses, shape=()))
    return _reduced(losses, reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over classes (the last axis) of -(t log sigmoid(x) + (1 - t) log sigmoid(-x)), times weight."""
    reduction = named_reduction(size_average, reduce, reduction)
    check_operands("multilabel_soft_margin_loss", input)
    losses = loss.logistic_error(input, check_tensor("multilabel_soft_margin_loss", target, "target"))
    if weight is not None:
        losses = losses * check_tensor("multilabel_soft_margin_loss", weight, "weight")
    if not losses.array.ndim:
        raise IndexError("multilabel_soft_margin_loss: Dimension out of range: `input` needs an axis of classes")
    total = reducing.reduce_sum(losses, dim=(losses.array.ndim - 1,), keepdim=False)
    classes = input.array.shape[-1] if input.array.ndim else 1
    return _reduced(total * (1 / classes if classes else math.nan), reduction)
