"""Operators that compute each element by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...nn import functional as F
from .table import arr, axis_of, cast, dtype_of, number, operator, t, tensor


def _named(names: dict[str, Callable], **settings: Any) -> None:
    for name, function in names.items():
        operator(name, **settings)(_of_one(function))


def _of_one(function: Callable) -> Callable:
    return lambda X: function(X)


def _kept(function: Callable) -> Callable:
    """A function of floats for integers, too, whose dtype it keeps."""
    return lambda X: function(X) if arr(X).dtype.kind == "f" else X


_named(
    {
        "Abs": t.abs,
        "Acos": t.acos,
        "Acosh": t.acosh,
        "Asin": t.asin,
        "Asinh": t.asinh,
        "Atan": t.atan,
        "Atanh": t.atanh,
        "Ceil": _kept(t.ceil),
        "Cos": t.cos,
        "Cosh": t.cosh,
        "Erf": t.erf,
        "Exp": t.exp,
        "Floor": _kept(t.floor),
        "IsNaN": t.isnan,
        "Log": t.log,
        "Neg": t.neg,
        "Not": t.logical_not,
        "Reciprocal": t.reciprocal,
        "Round": _kept(t.round),
        "Sigmoid": t.sigmoid,
        "Sign": t.sign,
        "Sin": t.sin,
        "Sinh": t.sinh,
        "Sqrt": t.sqrt,
        "Tan": t.tan,
        "Tanh": t.tanh,
        "Relu": F.relu,
        "HardSwish": F.hardswish,
        "Mish": F.mish,
        "Softsign": F.softsign,
        "BitwiseNot": t.bitwise_not,
    }
)


@operator("Identity", moves=True)
def _identity(X: Any) -> Any:
    return X


@operator("Softplus")
def _softplus(X: Any) -> Any:
    return F.softplus(X, 1.0, math.inf)


@operator("IsInf")
def _isinf(X: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    if detect_negative and detect_positive:
        return t.isinf(X)
    found = t.eq(X, math.inf if detect_positive else -math.inf)
    return found if detect_positive or detect_negative else t.logical_and(found, t.logical_not(found))


@operator("Cast", moves=True)
def _cast(X: Any, *, to: Any, saturate: int = 1, round_mode: str = "up") -> Any:
    names = {
        "FLOAT": 1,
        "UINT8": 2,
        "INT8": 3,
        "INT16": 5,
        "INT32": 6,
        "INT64": 7,
        "BOOL": 9,
        "FLOAT16": 10,
        "DOUBLE": 11,
    }
    return cast(X, dtype_of(names.get(to, 0) if isinstance(to, str) else to))


@operator("CastLike", moves=True)
def _cast_like(X: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return cast(X, arr(like).dtype)


@operator("BitCast")
def _bit_cast(X: Any, *, to: int) -> Any:
    dtype, x = dtype_of(to), arr(X)
    if dtype.itemsize != x.itemsize:
        raise ValueError(f"the bits of {x.dtype} as {dtype}")
    return tensor(np.ascontiguousarray(x).view(dtype).reshape(x.shape))


# ----------------------------------------------------------------------------------------------------- activations
@operator("Celu")
def _celu(X: Any, *, alpha: float = 1.0) -> Any:
    return F.celu(X, alpha)


@operator("Elu")
def _elu(X: Any, *, alpha: float = 1.0) -> Any:
    return F.elu(X, alpha)


@operator("Gelu")
def _gelu(X: Any, *, approximate: str = "none") -> Any:
    return F.gelu(X, approximate=approximate)


@operator("Swish")
def _swish(X: Any, *, alpha: float = 1.0) -> Any:
    return X * t.sigmoid(X * alpha)


@operator("SwiGLU")
def _swiglu(A: Any, B: Any, *, alpha: float = 1.0) -> Any:
    return A * t.sigmoid(A * alpha) * B


@operator("HardSigmoid")
def _hard_sigmoid(X: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return t.clamp(X * alpha + beta, 0.0, 1.0)


@operator("LeakyRelu")
def _leaky_relu(X: Any, *, alpha: float = 0.01) -> Any:
    return F.leaky_relu(X, alpha)


@operator("PRelu", learns=(1,))
def _prelu(X: Any, slope: Any, *, opset: int) -> Any:
    if opset < 7 and arr(slope).ndim == 1 and arr(X).ndim > 1:
        slope = slope.reshape(-1, *(1,) * (arr(X).ndim - 2))
    return t.where(X > 0, X, X * slope)


@operator("Selu")
def _selu(X: Any, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Any:
    return F.elu(X, alpha) * gamma


@operator("Shrink")
def _shrink(X: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    dtype = arr(X).dtype
    x = X if dtype.kind == "f" else cast(X, np.float64)
    out = t.where(x < -lambd, x + bias, t.where(x > lambd, x - bias, x * 0.0))
    return cast(out, dtype)


@operator("ThresholdedRelu")
def _thresholded_relu(X: Any, *, alpha: float = 1.0) -> Any:
    return F.threshold(X, alpha, 0.0)


def _rows(X: Any, axis: Any, opset: int, function: Callable) -> Any:
    """A function along an axis; before opset 13 along all axes from this one on, as one."""
    if opset >= 13:
        return function(X, axis_of(-1 if axis is None else axis, arr(X).ndim))
    start = axis_of(1 if axis is None else axis, arr(X).ndim)
    shape = arr(X).shape
    flat = X.reshape(math.prod(shape[:start]), math.prod(shape[start:]))
    return function(flat, 1).reshape(shape)


@operator("Softmax")
def _softmax(X: Any, *, axis: Any = None, opset: int) -> Any:
    return _rows(X, axis, opset, t.softmax)


@operator("LogSoftmax")
def _log_softmax(X: Any, *, axis: Any = None, opset: int) -> Any:
    return _rows(X, axis, opset, t.log_softmax)


@operator("Hardmax")
def _hardmax(X: Any, *, axis: Any = None, opset: int) -> Any:
    def largest(x: Any, d: int) -> Any:
        best = np.expand_dims(arr(x).argmax(d), d)
        out = np.zeros_like(arr(x))
        np.put_along_axis(out, best, 1, d)
        return tensor(out)

    return _rows(X, axis, opset, largest)


@operator("Clip")
def _clip(X: Any, min: Any = None, max: Any = None) -> Any:
    if min is not None:
        X = t.maximum(X, cast(min, arr(X).dtype) if hasattr(min, "array") else tensor(min, arr(X).dtype))
    if max is not None:
        X = t.minimum(X, cast(max, arr(X).dtype) if hasattr(max, "array") else tensor(max, arr(X).dtype))
    return X


@operator("Dropout")
def _dropout(
    X: Any,
    ratio: Any = 0.5,
    training_mode: Any = None,
    *,
    seed: int = 0,
    is_test: int = 0,
    outputs: int,
    training: bool,
) -> Any:
    """Nothing is dropped but where the file says so, or a module that is in training has no such input."""
    drop = training if training_mode is None else bool(number(training_mode))
    p = float(number(ratio)) if ratio is not None else 0.5
    if not drop or not p:
        out, mask = X, np.ones(arr(X).shape, np.bool_)
        return (out, tensor(mask)) if outputs > 1 else out
    ones = F.dropout(t.ones_like(X) if hasattr(t, "ones_like") else X * 0.0 + 1.0, p, True)
    return (X * ones, ones != 0) if outputs > 1 else X * ones


# ------------------------------------------------------------------------------------------------------- two operands
def _broadcast(x: Any, y: Any, broadcast: int, axis: Any) -> Any:
    """y beside x as before opset 7: its first axis is `axis` of x."""
    if not broadcast or axis is None:
        return y
    start = axis_of(axis, arr(x).ndim)
    return y.reshape(*arr(y).shape, *(1,) * (arr(x).ndim - start - arr(y).ndim))


def _two(name: str, function: Callable, learns: tuple[int, ...] = ()) -> None:
    def binary(A: Any, B: Any, *, broadcast: int = 0, axis: Any = None, consumed_inputs: Any = None) -> Any:
        return function(A, _broadcast(A, B, broadcast, axis))

    operator(name, learns=learns)(binary)


def _divided(a: Any, b: Any) -> Any:
    """The quotient; of integers towards 0."""
    if arr(a).dtype.kind == "f":
        return a / b
    x, y = np.broadcast_arrays(arr(a), arr(b))
    quotient = x // y
    return tensor(quotient + ((x % y != 0) & ((x < 0) != (y < 0))).astype(x.dtype) if x.dtype.kind == "i" else quotient)


def _power(a: Any, b: Any) -> Any:
    dtype = arr(a).dtype
    if dtype.kind == "f":
        return t.pow(a, cast(b, dtype))
    return tensor(np.power(arr(a).astype(np.float64), arr(b)).astype(dtype))


_LEARNS = (0, 1)
_two("Add", t.add, _LEARNS)
_two("Sub", t.sub, _LEARNS)
_two("Mul", t.mul, _LEARNS)
_two("Div", _divided, _LEARNS)
_two("Pow", _power)
for _name, _function in {
    "And": t.logical_and,
    "Or": t.logical_or,
    "Xor": t.logical_xor,
    "Equal": t.eq,
    "Greater": t.gt,
    "GreaterOrEqual": t.ge,
    "Less": t.lt,
    "LessOrEqual": t.le,
    "BitwiseAnd": t.bitwise_and,
    "BitwiseOr": t.bitwise_or,
    "BitwiseXor": t.bitwise_xor,
}.items():
    _two(_name, _function)


@operator("Mod")
def _mod(A: Any, B: Any, *, fmod: int = 0) -> Any:
    return t.fmod(A, B) if fmod else t.remainder(A, B)


@operator("BitShift")
def _bit_shift(X: Any, Y: Any, *, direction: str) -> Any:
    return tensor((np.left_shift if direction == "LEFT" else np.right_shift)(arr(X), arr(Y)))


@operator("Where")
def _where(condition: Any, X: Any, Y: Any) -> Any:
    return t.where(condition, X, Y)


def _several(name: str, function: Callable) -> None:
    def variadic(*xs: Any) -> Any:
        out = xs[0]
        for x in xs[1:]:
            out = function(out, x)
        return out

    operator(name)(variadic)


_several("Max", t.maximum)
_several("Min", t.minimum)
_several("Sum", t.add)


@operator("Mean")
def _mean(*xs: Any) -> Any:
    out = xs[0]
    for x in xs[1:]:
        out = out + x
    return out / float(len(xs))
