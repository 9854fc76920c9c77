"""Activations."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from ...autograd import Variable
from ...autograd.inplace import in_place
from ...autograd.tape import wrap
from ...dtypes import FLOATS
from ...ops import activation, pointwise
from ...ops import reduce as reducing
from ...ops.dims import normalize
from ...ops.index import getitem
from ...ops.names import public
from ...ops.promotion import as_floats, in_float32
from ...ops.shape import reshape
from ...random import default_generator
from .checks import check_operands, check_tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def _applied(op: Any, name: str, input: Any, inplace: bool, **settings: float) -> Any:
    """The op on a float tensor, with `inplace` written over it."""
    check_operands(name, input)
    return in_place(op, input, **settings) if inplace else op(input, **settings)


def _floats(input: Any) -> Any:
    """The tensor, of integers as floats of the default dtype."""
    whole = isinstance(input, Variable) and input.outline.dtype.kind in "iu"
    return as_floats(input)[0] if whole else input


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); NaN stays."""
    check_tensor("relu", input)
    return in_place(activation.relu, input) if inplace else activation.relu(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x above 0, negative_slope * x below."""
    return _applied(activation.leaky_relu, "leaky_relu", input, inplace, negative_slope=negative_slope)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x above `threshold`, `value` elsewhere; both lose their fractions beside integers."""
    if isinstance(input, Variable) and input.outline.dtype.kind in "iu":
        bound, other = int(threshold), int(value)

        def above(x: Any) -> Any:
            return pointwise.where(x > bound, x, other)

        return in_place(above, input) if inplace else above(input)
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
    """x / (1 + |x|); floats for integers."""
    return _applied(activation.softsign, "softsign", _floats(input), False)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x); floats for integers."""
    return _applied(activation.tanhshrink, "tanhshrink", _floats(input), False)


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


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`softmax` of -x: small elements get large shares."""
    return reducing.softmax(-input, _implicit_dim("softmin", input, dim), dtype=dtype)


@in_float32
def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A random one-hot vector along `dim`, softened: softmax((logits + Gumbel noise) / tau).

    The places of its largest element are distributed as softmax(logits). With `hard` the result is one-hot, with the
    gradient of the soft one. Draws from `minitorch.default_generator`.
    """
    if check_tensor("gumbel_softmax", logits, "logits").outline.dtype.kind not in FLOATS:
        raise RuntimeError(f"gumbel_softmax: `logits` must be floating, as its noise is, but is {logits.dtype}")
    dtype = logits.array.dtype
    drawn = default_generator.numpy.standard_exponential(logits.array.shape, np.result_type(dtype, np.float32))
    noise = wrap(-np.log(np.maximum(drawn, np.finfo(drawn.dtype).tiny)).astype(dtype))
    soft = reducing.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    (axis,) = normalize((dim,), soft.array.ndim)
    one_hot = np.zeros_like(soft.array)
    np.put_along_axis(one_hot, soft.array.argmax(axis, keepdims=True), 1, axis)
    return wrap(one_hot) - soft.detach() + soft


# ------------------------------------------------------------------------------------------- with a second operand
def glu(input: Any, dim: int = -1) -> Any:
    """a * sigmoid(b) for the first half a and the second half b of input along `dim`.

    Raises RuntimeError where `dim` has an odd size.
    """
    shape = check_tensor("glu", input).outline.shape
    if not shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    (d,) = normalize((dim,), len(shape))
    if shape[d] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {shape[d]}")
    check_operands("glu", input)
    half, before = shape[d] // 2, (slice(None),) * d
    first, second = (getitem(input, key=(*before, part, ...)) for part in (slice(0, half), slice(half, None)))
    return activation.gated(first, second)


@public("prelu")
def prelu(input: Any, weight: Any) -> Any:
    """x above 0, weight * x below; weight has one element, or one for each channel (N, C, *).

    Raises RuntimeError where it has another shape or dtype.
    """
    x, w = check_tensor("prelu", input).outline, check_tensor("prelu", weight, "weight").outline
    if x.dtype != w.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}")
    check_operands("prelu", input)
    if w.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w.ndim}")
    if w.size == 1:
        return activation.leaky(input, reshape(weight, shape=()) if w.ndim else weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if not x.ndim or channels != w.size:
        raise RuntimeError(
            f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {w.size} and "
            f"channel size = {channels}; input {x.shape}"
        )
    return activation.leaky(input, reshape(weight, shape=(w.size, *(1,) * (x.ndim - 2))))


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """x above 0, and below times a slope: in training drawn from [lower, upper) for each element, else their mean.

    Raises RuntimeError if lower exceeds upper.
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower}, {upper}")
    if not training:
        return _applied(activation.leaky_relu, "rrelu", input, inplace, negative_slope=(lower + upper) / 2)
    check_operands("rrelu", input)
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise RuntimeError(f"rrelu: lower and upper bound must be finite, got {lower} and {upper}")
    dtype = input.array.dtype
    slopes = default_generator.numpy.random(input.array.shape, dtype if dtype.itemsize > 2 else np.float32)
    slopes *= upper - lower
    slopes += lower
    drawn = wrap(slopes.astype(dtype, copy=False))
    return in_place(activation.leaky, input, drawn) if inplace else activation.leaky(input, drawn)


def _over_input(function: Any) -> Any:
    """The function with `inplace` set: PyTorch's name for it ends in an underscore."""

    @functools.wraps(function)
    def call(input: Any, *args: Any, **settings: Any) -> Any:
        return function(input, *args, **settings, inplace=True)

    call.__name__ = call.__qualname__ = f"{function.__name__}_"
    call.__doc__ = f"`{function.__name__}`, written over its input."
    return call


relu_, celu_, elu_, selu_ = map(_over_input, (relu, celu, elu, selu))
hardtanh_, leaky_relu_, threshold_, rrelu_ = map(_over_input, (hardtanh, leaky_relu, threshold, rrelu))
