"""Losses that are the negative logarithm of a probability: of counts, and of values with a variance."""

from __future__ import annotations

import math
from typing import Any

from ...autograd.tape import wrap
from ...ops import pointwise
from ...ops.loss import gaussian_error, poisson_error
from ...ops.pointwise import where
from ...ops.shape import unsqueeze
from .checks import check_tensor
from .loss import _reduced, named_reduction

__all__ = ["gaussian_nll_loss", "poisson_nll_loss"]


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-log of the probability of the count t by Poisson's law with mean exp(x), or x unless `log_input`.

    exp(x) - t x, or x - t log(x + eps), without log(t!); `full` adds that where t > 1, by Stirling's formula
    t log t - t + log(2 pi t) / 2.
    """
    reduction = named_reduction(size_average, reduce, reduction)
    check_tensor("poisson_nll_loss", input)
    check_tensor("poisson_nll_loss", target, "target")
    losses = poisson_error(input, target) if log_input else input - target * pointwise.log(input + eps)
    if full:
        several = wrap(target.array > 1)
        t = where(several, target, 1)
        log_factorial = t * pointwise.log(t) - t + 0.5 * pointwise.log(2 * math.pi * t)
        losses = losses + where(several, log_factorial, 0.0)
    return _reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """(log v + (x - t)^2 / v) / 2 for values t of mean x and variance v = max(var, eps); `full` adds log(2 pi) / 2.

    var: a number, or a tensor of input's shape, or with the last axis, or one of them, 1 or left out. The limit eps
    does not stop its gradient. Raises ValueError for another shape and for a negative variance.
    """
    name = "gaussian_nll_loss"
    x = check_tensor(name, input).array.shape
    check_tensor(name, target, "target")
    if isinstance(var, float):
        if var < 0:
            raise ValueError(f"{name}: var has negative entry/entries: {var}")
        variance = input.detach() * 0.0 + var
    else:
        variance = check_tensor(name, var, "var")
        if (var.array < 0).any():
            raise ValueError(f"{name}: var has negative entry/entries")
        v = var.array.shape
        if v != x:
            if x[:-1] == v:
                variance = unsqueeze(var, -1)
            elif len(x) != len(v) or sum(n for m, n in zip(x, v, strict=True) if m != n) != 1:
                raise ValueError(f"{name}: var is of incorrect size {v}; input {x}")
    reduction = named_reduction(None, None, reduction)
    low = variance.array < eps
    if low.any():  # eps there, with slope 1
        variance = where(wrap(low), variance - variance.detach() + eps, variance)
    losses = gaussian_error(input - target, variance)
    return _reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
