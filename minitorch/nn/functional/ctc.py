"""The loss of texts that are spread in time in a way nobody knows; derived in `minitorch.ops.ctc`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd import Variable
from ...autograd.tape import watch, wrap
from ...ops import ctc as texts
from ...ops import reduce as reducing
from ...ops.dims import whole
from ...ops.shape import reshape, standalone
from .checks import as_flag, check_operands, check_tensor
from .loss import named_reduction

__all__ = ["ctc_loss"]


def _lengths(argument: str, given: Any, count: int, limit: int) -> np.ndarray:
    """Lengths as int64, one for each text. Raises RuntimeError for another number of them, and out of 0 ... limit."""
    if isinstance(given, Variable):
        lengths = np.atleast_1d(given.array)
        if lengths.dtype.kind not in "iu":
            raise RuntimeError(f"ctc_loss: {argument} must be integral, but is {given.dtype}")
    elif isinstance(given, list | tuple):
        lengths = np.array([whole(n, argument) for n in given], np.int64)
    else:
        raise TypeError(f"ctc_loss: {argument} must be a Tensor or a tuple of ints, but got {given!r}")
    if lengths.shape != (count,):
        raise RuntimeError(f"ctc_loss: {argument} must be of size batch_size, {count}, but has shape {lengths.shape}")
    wrong = lengths[(lengths < 0) | (lengths > limit)]
    if wrong.size:
        raise RuntimeError(f"ctc_loss: Expected {argument} to have values from 0 to {limit}, but got value {wrong[0]}")
    return lengths.astype(np.int64)


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-log of the probability that log_probs (T, N, C), or (T, C), say the targets: labels with any blanks between.

    log_probs are log_softmax over C classes. targets: (N, S), of which each row has its `target_lengths`, or all labels
    in one row; (S,) without a batch. input_lengths: how many of the T times each has. The mean divides each loss by the
    length of its text first. A text too long for its time has loss inf, or with `zero_infinity` 0 and no gradient.

    Raises RuntimeError for lengths and labels that don't fit.
    """
    reduction = named_reduction(None, None, reduction)
    check_operands("ctc_loss", log_probs)
    labels, shape = check_tensor("ctc_loss", targets, "targets").array, log_probs.array.shape
    if len(shape) not in (2, 3):
        raise RuntimeError(f"ctc_loss: Expected 3-dimensional tensor (T, N, C) or (T, C), but got log_probs {shape}")
    batched = len(shape) == 3
    rows = log_probs if batched else reshape(log_probs, shape=(shape[0], 1, shape[1]))
    times, count, classes = rows.array.shape
    if not count or not classes or not times:
        raise RuntimeError(f"ctc_loss: log_probs tensor must not be empty, but has shape {shape}")
    if not 0 <= whole(blank, "blank") < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range: {blank} is not in 0 to {classes - 1}")
    longest = labels.shape[1] if labels.ndim == 2 else labels.size
    input_sizes = _lengths("input_lengths", input_lengths, count, times)
    sizes = _lengths("target_lengths", target_lengths, count, longest)
    if labels.ndim == 1 and (batched and sizes.sum() != labels.size):
        raise RuntimeError(
            f"ctc_loss: Expected targets of size {sizes.sum()}, the sum of lengths, but got {labels.size}"
        )
    if labels.ndim not in (1, 2) or labels.ndim == 2 and len(labels) != count:
        raise RuntimeError(f"ctc_loss: Expected targets of shape ({count}, S) or all in a row, but got {labels.shape}")
    known = np.arange(int(sizes.max())) < sizes[:, None]
    padded = np.full(known.shape, blank)
    padded[known] = labels[:, : known.shape[1]][known] if labels.ndim == 2 else labels[: sizes.sum()]
    if padded.size and (padded.min() < 0 or padded.max() >= classes):
        raise RuntimeError(
            f"ctc_loss: targets must be classes, 0 to {classes - 1}, but got {padded.min()} to {padded.max()}"
        )
    plan = texts.Texts.make(padded, input_sizes, sizes, blank, log_probs.array.dtype)
    losses = texts.ctc(rows, texts=plan, zero_infinity=as_flag("ctc_loss", "zero_infinity", zero_infinity))
    watch(losses, *(x for x in (targets, input_lengths, target_lengths) if isinstance(x, Variable)))
    if reduction == "mean":
        return reducing.mean(losses * wrap((1 / np.maximum(sizes, 1)).astype(losses.array.dtype)))
    if reduction == "sum":
        return reducing.sum(losses)
    return losses if batched else standalone(reshape(losses, shape=()))
