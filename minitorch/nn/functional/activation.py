"""Activations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...autograd.inplace import assign
from ...autograd.tape import wrap
from ...ops import elementwise, loss
from ...ops import reduce as reducing
from ...ops.elementwise import where
from .checks import (
    check_operands,
    check_tensor,
)


def placed(x: Any, out: Any, inplace: bool) -> Any:
    """out, or with `inplace` x with its values and history."""
    return assign(x, out) if inplace else out


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); NaN stays."""
    return placed(input, elementwise.relu(check_tensor("relu", input)), inplace)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x above 0, negative_slope * x below."""
    check_operands("leaky_relu", input)
    return placed(input, where(wrap(input.array > 0), input, input * negative_slope), inplace)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """x limited to [min_val, max_val]; slope 0 outside and at both ends. Raises ValueError if min_val > max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    x = check_tensor("hardtanh", input).array
    inside = wrap(~((x <= min_val) | (x >= max_val)))
    return placed(input, where(inside, input, wrap(np.clip(x, min_val, max_val).astype(x.dtype, copy=False))), inplace)


def relu6(input: Any, inplace: bool = False) -> Any:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x) - 1) below."""
    check_operands("elu", input)
    x = input.clone() if inplace else input  # its derivative needs the input
    below = elementwise.expm1(elementwise.clamp(x, max=0.0)) * alpha
    return placed(input, where(wrap(~(x.array <= 0)), x, below), inplace)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    check_operands("silu", input)
    x = input.clone() if inplace else input  # its derivative needs the input
    return placed(input, elementwise.silu(x), inplace)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x; approximate="tanh" uses tanh(sqrt(2/pi) (x + 0.044715 x^3)).

    Raises RuntimeError for another `approximate`.
    """
    check_operands("gelu", input)
    if approximate == "none":
        return elementwise.gelu(input)
    if approximate == "tanh":
        return elementwise.gelu_tanh(input)
    raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', but got {approximate!r}")


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x exceeds `threshold`."""
    check_operands("softplus", input)
    scaled = input * beta
    return where(wrap(scaled.array > threshold), input, loss.softplus(scaled) / beta)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return elementwise.tanh(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return elementwise.sigmoid(input)


def _implicit_dim(name: str, x: Any, dim: int | None) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if x.array.ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return reducing.softmax(input, _implicit_dim("softmax", input, dim), dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """log(softmax(x)) along `dim`, without overflow."""
    return reducing.log_softmax(input, _implicit_dim("log_softmax", input, dim), dtype=dtype)
