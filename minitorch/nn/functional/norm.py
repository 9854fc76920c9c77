"""Normalisation over the batch, over groups of channels, over single ones, over the last axes, across channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...autograd import no_grad
from ...autograd.following import step
from ...autograd.quiet import quietly
from ...autograd.tape import wrap
from ...ops import conv as convolution
from ...ops import norm, row_norm
from ...ops import reduce as reducing
from ...ops.dims import listed, whole
from .checks import as_flag, check_number, check_operands, check_tensor, given

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


@step("batch_norm")
@quietly
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
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
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if value is None:
            if argument[0] == "r" and not training:
                raise RuntimeError(f"batch_norm: Expected `{argument}` to be defined when training=False")
        elif check_tensor("batch_norm", value, argument).array.shape != (channels,):
            raise RuntimeError(
                f"batch_norm: `{argument}` should contain {channels} elements, one per channel, not "
                f"{value.array.size}; input {x}"
            )
    eps = check_number("batch_norm", "eps", eps)
    if not as_flag("batch_norm", "training", training):
        return norm.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    momentum = check_number("batch_norm", "momentum", momentum)
    if eps <= 0:
        raise ValueError(f"batch_norm: `eps` must be positive during training, but got {eps}")
    if math.prod(x) == channels > 0:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x}")
    input = convolution.channels_last_memory(input)  # else each pass over it, forward and backward, would copy it
    return norm.batch_norm_train(input, weight, bias, (running_mean, running_var), momentum, eps=eps)


def _tail(name: str, input: Any, normalized_shape: Any, **parameters: Any) -> tuple:
    """`normalized_shape` as a tuple. Raises RuntimeError unless input's last axes and the parameters have it."""
    tail = listed((normalized_shape,))
    x = input.outline.shape
    if not tail or x[-len(tail) :] != tail:
        raise RuntimeError(
            f"{name}: given normalized_shape={list(tail)}, expected `input` with shape [*, "
            f"{', '.join(map(str, tail))}], but got {x}"
        )
    for argument, value in parameters.items():
        if value is not None and value.array.shape != tail:
            raise RuntimeError(f"{name}: `{argument}` must have shape {tail}, but has {value.array.shape}")
    return tail


def _or(value: Any, fill: float, shape: tuple, input: Any) -> Any:
    """A parameter, or what changes nothing in its place."""
    return wrap(np.full(shape, fill, input.outline.dtype)) if value is None else value


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Every sample to mean 0 and variance 1 over its last axes, of `normalized_shape`; then * weight + bias."""
    check_operands("layer_norm", input, **given(weight=weight, bias=bias))
    tail = _tail("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    eps = check_number("layer_norm", "eps", eps)
    return row_norm.layer_norm(input, _or(weight, 1, tail, input), _or(bias, 0, tail, input), eps=eps)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Every sample over the root of its mean square + eps over its last axes, of `normalized_shape`; then * weight.

    eps: by default that of the dtype, 2^-23 or 2^-52.
    """
    check_operands("rms_norm", input, **given(weight=weight))
    tail = _tail("rms_norm", input, normalized_shape, weight=weight)
    own = dtypes.finfo(input.outline.dtype).eps if eps is None else eps
    own = check_number("rms_norm", "eps", own)
    return row_norm.rms_norm(input, _or(weight, 1, tail, input), eps=own)


def _channels(name: str, input: Any, **parameters: Any) -> int:
    """The channels of input (N, C, *). Raises RuntimeError for another shape, and for parameters of another size."""
    x = input.outline.shape
    if len(x) < 2:
        raise RuntimeError(f"{name}: `input` must be (N, C, *), but has shape {x}")
    for argument, value in parameters.items():
        if value is not None and check_tensor(name, value, argument).array.shape != (x[1],):
            raise RuntimeError(
                f"{name}: `{argument}` must have shape ({x[1]},), but has {value.array.shape}; input {x}"
            )
    return x[1]


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each of `num_groups` groups of channels of (N, C, *) to mean 0 and variance 1; then * weight + bias, (C,)."""
    check_operands("group_norm", input, **given(weight=weight, bias=bias))
    c = _channels("group_norm", input, weight=weight, bias=bias)
    x = input.outline.shape
    eps = check_number("group_norm", "eps", eps)
    if whole(num_groups, "num_groups") < 1 or c % num_groups:
        raise RuntimeError(
            f"group_norm: expected the number of channels to be divisible by num_groups, but got input {x} and "
            f"num_groups={num_groups}"
        )
    if input.array.size == num_groups:
        raise ValueError(f"group_norm: Expected more than 1 value per channel when training, got input size {x}")
    w, b = _or(weight, 1, (c,), input), _or(bias, 0, (c,), input)
    return row_norm.group_norm(input, w, b, groups=num_groups, eps=eps)


@step("instance_norm")
@quietly
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Every channel of every image of (N, C, *) to mean 0 and variance 1; then * weight + bias, (C,).

    With `use_input_stats` by its own mean and (biased) variance, and running = (1 - momentum) * running + momentum *
    the mean of own over the images, the variance unbiased; otherwise by the running ones. Raises ValueError for images
    of one pixel, RuntimeError where sizes don't fit.
    """
    check_operands("instance_norm", input, **given(weight=weight, bias=bias))
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    c = _channels("instance_norm", input, **parameters)
    eps = check_number("instance_norm", "eps", eps)
    momentum = check_number("instance_norm", "momentum", momentum)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return norm.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    x = input.outline.shape
    if math.prod(x[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {x}")
    if input.array.size and (running_mean is not None or running_var is not None):
        with no_grad():
            variance, mean = reducing.var_mean(input, tuple(range(2, len(x))))
            for running, own in ((running_mean, mean), (running_var, variance)):
                if running is not None:
                    kept = running.array * running.array.dtype.type(1 - momentum)
                    running.write()[...] = kept + momentum * own.array.mean(0)
    w, b = _or(weight, 1, (c,), input), _or(bias, 0, (c,), input)
    return row_norm.group_norm(input, w, b, groups=c, eps=eps)


@step("local_response_norm")
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """input (N, C, *) over (k + alpha times the mean square of `size` neighbouring channels) to the power beta.

    Channels beyond the first and the last count as 0. Raises ValueError for fewer than 3 axes, RuntimeError for a size
    below 1.
    """
    check_operands("local_response_norm", input)
    ndim = len(input.outline.shape)
    if ndim < 3:
        raise ValueError(f"local_response_norm: Expected 3D or higher dimensionality input (got {ndim} dimensions)")
    if size < 1:
        raise RuntimeError(f"local_response_norm: `size` should be greater than zero, but got {size}")
    return row_norm.local_response_norm(input, size, alpha, beta, k) if input.array.size else input
