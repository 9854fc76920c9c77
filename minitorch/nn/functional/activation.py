"""Activations."""

from __future__ import annotations

import warnings
from typing import Any

from ...autograd.inplace import in_place
from ...ops import activation, pointwise
from ...ops import reduce as reducing
from .checks import check_operands, check_tensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def _applied(op: Any, name: str, input: Any, inplace: bool, **settings: float) -> Any:
    """The op on a float tensor, with `inplace` written over it."""
    check_operands(name, input)
    return in_place(op, input, **settings) if inplace else op(input, **settings)


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); NaN stays."""
    check_tensor("relu", input)
    return in_place(activation.relu, input) if inplace else activation.relu(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x above 0, negative_slope * x below."""
    return _applied(activation.leaky_relu, "leaky_relu", input, inplace, negative_slope=negative_slope)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x above `threshold`, `value` elsewhere."""
    return _applied(activation.threshold, "threshold", input, inplace, threshold=threshold, value=value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """x limited to [min_val, max_val]; slope 0 outside and at both ends. Raises ValueError if min_val > max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    check_tensor("hardtanh", input)
    settings = {"min_val": min_val, "max_val": max_val}
    return in_place(activation.hardtanh, input, **settings) if inplace else activation.hardtanh(input, **settings)


def relu6(input: Any, inplace: bool = False) -> Any:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x) - 1) below."""
    return _applied(activation.elu, "elu", input, inplace, alpha=alpha)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x / alpha) - 1) below. Raises RuntimeError for alpha 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _applied(activation.celu, "celu", input, inplace, alpha=alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """1.0507 times (x above 0, 1.67326 * (exp(x) - 1) below)."""
    return _applied(activation.selu, "selu", input, inplace)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return _applied(activation.silu, "silu", input, inplace)


def mish(input: Any, inplace: bool = False) -> Any:
    """x * tanh(log(1 + exp(x)))."""
    return _applied(activation.mish, "mish", input, inplace)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return _applied(activation.hardsigmoid, "hardsigmoid", input, inplace)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * min(max(x + 3, 0), 6) / 6."""
    return _applied(activation.hardswish, "hardswish", input, inplace)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x; approximate="tanh" uses tanh(sqrt(2/pi) (x + 0.044715 x^3)).

    Raises RuntimeError for another `approximate`.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', but got {approximate!r}")
    return _applied(activation.gelu if approximate == "none" else activation.gelu_tanh, "gelu", input, False)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x exceeds `threshold`."""
    return _applied(activation.softplus, "softplus", input, False, beta=beta, threshold=threshold)


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    return _applied(activation.logsigmoid, "logsigmoid", input, False)


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    return _applied(activation.softsign, "softsign", input, False)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    return _applied(activation.tanhshrink, "tanhshrink", input, False)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x, but 0 where |x| <= lambd."""
    return _applied(activation.hardshrink, "hardshrink", input, False, lambd=lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x moved by lambd towards 0, and 0 where |x| <= lambd. Raises RuntimeError for a negative lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return _applied(activation.softshrink, "softshrink", input, False, lambd=lambd)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return pointwise.tanh(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return activation.sigmoid(input)


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
