"""Normalisation over the batch, over groups of channels, over the last axes."""

from __future__ import annotations

import math
from typing import Any

from ...autograd.quiet import quietly
from ...ops import conv as convolution
from ...ops import norm, pointwise
from ...ops import reduce as reducing
from ...ops import shape as shaping
from .checks import (
    check_operands,
    given,
)


@quietly
def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Every channel of input (N, C, *) to mean 0 and variance 1, then scaled by weight (C,) and shifted by bias (C,).

    In training the batch's own mean and (biased) variance normalise, and running = (1 - momentum) * running + momentum
    * own, the variance unbiased; otherwise the running ones do. Raises ValueError in training for a single value per
    channel, RuntimeError where sizes don't fit.
    """
    check_operands("batch_norm", input, **given(weight=weight, bias=bias))
    x = input.outline.shape
    if len(x) < 2:
        raise RuntimeError(f"batch_norm: `input` must be (N, C, *), but has shape {x}")
    channels = x[1]
    for argument, value in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)
    ):  # fmt: skip
        if value is None:
            if argument[0] == "r" and not training:
                raise RuntimeError(f"batch_norm: Expected `{argument}` to be defined when training=False")
        elif value.array.shape != (channels,):
            raise RuntimeError(
                f"batch_norm: `{argument}` should contain {channels} elements, one per channel, not "
                f"{value.array.size}; input {x}"
            )
    if not training:
        return norm.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    if input.array.size == channels > 0:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x}")
    input = convolution.standing(input)  # else each pass over it, forward and backward, would copy it
    return norm.batch_norm_train(input, weight, bias, running_mean, running_var, momentum, eps=eps)


def _standardized(x: Any, axes: tuple, eps: float) -> Any:
    """x with mean 0 and variance 1 over `axes`."""
    deviation = x - reducing.mean(x, axes, keepdim=True)
    return deviation * pointwise.rsqrt(reducing.mean(deviation * deviation, axes, keepdim=True) + eps)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Every sample to mean 0 and variance 1 over its last axes, of `normalized_shape`; then * weight + bias."""
    check_operands("layer_norm", input, **given(weight=weight, bias=bias))
    tail = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    x = input.array.shape
    if not tail or x[-len(tail) :] != tail:
        raise RuntimeError(
            f"layer_norm: given normalized_shape={list(tail)}, expected `input` with shape [*, "
            f"{', '.join(map(str, tail))}], but got {x}"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.shape != tail:
            raise RuntimeError(f"layer_norm: `{argument}` must have shape {tail}, but has {value.array.shape}")
    if not input.array.size:
        return input * 1
    out = _standardized(input, tuple(range(len(x) - len(tail), len(x))), eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each of `num_groups` groups of channels of (N, C, *) to mean 0 and variance 1; then * weight + bias, (C,)."""
    check_operands("group_norm", input, **given(weight=weight, bias=bias))
    x = input.array.shape
    if len(x) < 2:
        raise RuntimeError(f"group_norm: `input` must be (N, C, *), but has shape {x}")
    if num_groups < 1 or x[1] % num_groups:
        raise RuntimeError(
            f"group_norm: expected the number of channels to be divisible by num_groups, but got input {x} and "
            f"num_groups={num_groups}"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.shape != (x[1],):
            raise RuntimeError(
                f"group_norm: `{argument}` must have shape ({x[1]},), but has {value.array.shape}; input {x}"
            )
    if not input.array.size:
        return input * 1
    if input.array.size == num_groups:
        raise ValueError(f"group_norm: Expected more than 1 value per channel when training, got input size {x}")
    rows = shaping.reshape(input, shape=(x[0], num_groups, math.prod(x[1:]) // num_groups))
    out = shaping.reshape(_standardized(rows, (2,), eps), shape=x)
    column = (x[1], *(1,) * (len(x) - 2))
    out = out if weight is None else out * shaping.reshape(weight, shape=column)
    return out if bias is None else out + shaping.reshape(bias, shape=column)
