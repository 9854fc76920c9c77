"""More of what is computed element by element: rows as in pointwise.py, and compositions of rows.

Bits and neighbours of floats, shifts, common divisors; blends of three tensors; tests and repairs of special values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, return_types
from ..autograd import ZERO, Variable
from ..autograd.inplace import in_place
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .declare import binary, comparison, no_program, pointwise, unary
from .dims import flag, no_tensor, number
from .names import public
from .pointwise import absolute, clamp, exp2, log1p, maximum, multiply, power, scaled_subtract, where
from .promotion import as_floats, common, operand, paired, tensors_only, to_dtype


def _tensor(name: str, argument: str, x: Any) -> Any:
    if not isinstance(x, Variable):
        raise no_tensor(name, argument, x)
    return x


# ------------------------------------------------------------------------------------------------ blends of three
def _meet_tensors(name: str, floating: bool = False) -> Callable:
    """Three tensors in the dtype in which they meet."""

    def meet(input: Any, tensor1: Any, tensor2: Any) -> tuple:
        given = (input, tensor1, tensor2)
        for argument, x in zip(("input", "tensor1", "tensor2"), given, strict=True):
            _tensor(name, argument, x)
        dtype = common(*given)
        if dtype == np.bool_ and not floating:
            raise NotImplementedError(f'"{name}_cpu_out" not implemented for bools')
        if floating and dtype.kind not in FLOATS:
            raise RuntimeError(
                "Integer division with addcdiv is no longer supported. Divide with addcmul and a reciprocal, or with "
                "torch.div(..., rounding_mode='trunc'), or give floats."
            )
        return tuple([to_dtype(x, dtype) for x in given])

    return meet


def _whole_value(x: Any, value: Any) -> Any:
    """A factor of integers, cut to an integer as PyTorch does."""
    return int(value) if isinstance(x, np.ndarray) and x.dtype.kind not in FLOATS else value


addcmul = pointwise(
    "addcmul", lambda input, tensor1, tensor2, *, value=1: input + tensor1 * tensor2 * _whole_value(input, value),
    meet=_meet_tensors("addcmul"), input=lambda g: g, tensor1=lambda g, tensor2, value: g * tensor2 * value,
    tensor2=lambda g, tensor1, value: g * tensor1 * value, doc="input + value * tensor1 * tensor2.",
)
addcdiv = pointwise(
    "addcdiv", lambda input, tensor1, tensor2, *, value=1: input + tensor1 / tensor2 * value,
    meet=_meet_tensors("addcdiv", floating=True), input=lambda g: g,
    tensor1=lambda g, tensor2, value: g / tensor2 * value,
    tensor2=lambda g, tensor1, tensor2, value: -g * tensor1 / (tensor2 * tensor2) * value,
    doc="input + value * tensor1 / tensor2. Raises RuntimeError for integers.",
)


def _meet_lerp(input: Any, end: Any, weight: Any) -> tuple:
    dtype = _tensor("lerp", "input", input).outline.dtype
    for argument, x in (("end", _tensor("lerp", "end", end)), ("weight", weight)):
        if isinstance(x, Variable) and x.outline.dtype != dtype and x.outline.shape:
            theirs = dtypes.as_dtype(x.outline.dtype)
            raise RuntimeError(f"expected dtype {dtypes.as_dtype(dtype)} for `{argument}` but got dtype {theirs}")
    if dtype.kind not in FLOATS:
        raise NotImplementedError("lerp is not implemented for integers and bools")
    return input, to_dtype(end, dtype), to_dtype(operand(weight), dtype)


def _lerp(input: Any, end: Any, weight: Any) -> Any:
    """From the nearer end, so that a weight of 1 gives `end` itself."""
    apart = end - input
    if isinstance(weight, float | int):
        return input + apart * weight if abs(weight) < 0.5 else end - apart * (1 - weight)
    return where(abs(weight) < 0.5, input + apart * weight, end - apart * (1 - weight))


def _lerp_vector(input: Any, end: Any, weight: Any) -> Any:
    apart = end - input
    return where(abs(weight) < 0.5, input + apart * weight, end - apart * (1.0 - weight))


lerp = pointwise("lerp", _lerp, vector=_lerp_vector, meet=_meet_lerp,
                 input=lambda g, weight: g * (1.0 - weight), end=lambda g, weight: g * weight,
                 weight=lambda g, input, end: g * (end - input),
                 doc="input + weight * (end - input); weight is a number or a tensor.")

# ------------------------------------------------------------------------------------------------ limits, signs
fmax = binary("fmax", np.fmax, meet=tensors_only("fmax"), vector=lambda x, y: where((x >= y) | (y != y), x, y),
              x=lambda g, x, y: where((x >= y) | (y != y), g, 0.0),
              y=lambda g, x, y: where((x >= y) | (y != y), 0.0, g), on="T t o",
              doc="The larger of x and y, the other where one is NaN; of equals x has the gradient.")
fmin = binary("fmin", np.fmin, meet=tensors_only("fmin"), vector=lambda x, y: where((x <= y) | (y != y), x, y),
              x=lambda g, x, y: where((x <= y) | (y != y), g, 0.0),
              y=lambda g, x, y: where((x <= y) | (y != y), 0.0, g), on="T t o",
              doc="The smaller of x and y, the other where one is NaN; of equals x has the gradient.")


@public("clamp_min", on="T i t o")
def clamp_min(input: Any, min: Any) -> Any:
    """input, but no less than min, a number or a tensor."""
    if min is None:
        raise no_tensor("clamp_min", "min", min)
    return clamp(_tensor("clamp_min", "input", input), min, None)


@public("clamp_max", on="T i t o")
def clamp_max(input: Any, max: Any) -> Any:
    """input, but no more than max, a number or a tensor."""
    if max is None:
        raise no_tensor("clamp_max", "max", max)
    return clamp(_tensor("clamp_max", "input", input), None, max)


@public("positive")
def positive(input: Any) -> Any:
    """input itself. Raises RuntimeError for a bool tensor."""
    if _tensor("positive", "input", input).outline.dtype == np.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@public("rsub", on="t")
def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """other - alpha * input."""
    return scaled_subtract(other, _tensor("rsub", "input", input), alpha=alpha)


signbit = comparison("signbit", lambda x: x < 0 if x.dtype.kind not in FLOATS else np.signbit(x), vector=no_program,
                     on="T t o", doc="Whether the sign of each element is minus, that of -0.0 and -NaN, too.")
isposinf = comparison("isposinf", lambda x: x == math.inf, on="T t o", doc="Whether each element is inf.")
isneginf = comparison("isneginf", lambda x: x == -math.inf, on="T t o", doc="Whether each element is -inf.")
isreal = comparison("isreal", lambda x: np.ones(x.shape, np.bool_), vector=no_program, on="T t",
                    doc="True everywhere: there are no complex tensors.")


def _meet_heaviside(x: Any, y: Any) -> tuple:
    x, y = _tensor("heaviside", "input", x), _tensor("heaviside", "values", y)
    if x.outline.dtype != y.outline.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return x, y


def _heaviside(x: Any, values: Any) -> Any:
    return np.where(x == 0, values, (x > 0).astype(x.dtype))


heaviside = pointwise("heaviside", _heaviside, meet=_meet_heaviside,
                      vector=lambda x, values: where(x == 0, values, where(x > 0, 1.0, 0.0)),
                      doc="0 below 0, 1 above, `values` where x is 0.")


# ------------------------------------------------------------------------------------------------ special values
def _repaired(x: Any, *, nan: Any, posinf: Any, neginf: Any) -> Any:
    return where(x != x, nan, where(x == math.inf, posinf, where(x == -math.inf, neginf, x)))


repaired = pointwise("nan_to_num", _repaired, on="", x=lambda g, x: where(abs(x) < math.inf, g, 0.0),
                     doc="x with numbers for NaN, inf and -inf.")
repaired.flat = True


@public("nan_to_num", on="T i t o")
def nan_to_num(input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Any:
    """input with `nan` (0) for NaN, `posinf` for inf and `neginf` for -inf (the largest and smallest of the dtype)."""
    dtype = _tensor("nan_to_num", "input", input).outline.dtype
    nan = 0.0 if nan is None else number("nan_to_num", "nan", nan)
    posinf = posinf if posinf is None else number("nan_to_num", "posinf", posinf)
    neginf = neginf if neginf is None else number("nan_to_num", "neginf", neginf)
    if dtype.kind not in FLOATS:
        return multiply(input, 1) if dtype != np.bool_ else input.clone()
    largest = dtypes.finfo(dtype).max
    return repaired(input, nan=nan, posinf=largest if posinf is None else posinf,
                    neginf=-largest if neginf is None else neginf)


@public("isclose")
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |input - other| <= atol + rtol * |other|, or both are the same infinity or, with equal_nan, NaN.

    Raises RuntimeError for different dtypes and negative tolerances.
    """
    x, y = _tensor("isclose", "input", input).detach(), _tensor("isclose", "other", other).detach()
    rtol, atol = number("isclose", "rtol", rtol), number("isclose", "atol", atol)
    if x.outline.dtype != y.outline.dtype:
        raise RuntimeError(f"{dtypes.as_dtype(x.outline.dtype)} did not match {dtypes.as_dtype(y.outline.dtype)}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    close = x == y
    if flag(equal_nan, "equal_nan"):
        close = close | ((x != x) & (y != y))
    if rtol == 0 and atol == 0:
        return close
    if x.outline.dtype.kind not in FLOATS:
        x, y = x.double(), y.double()
    apart = absolute(x - y)
    return close | ((apart < math.inf) & (apart <= absolute(y) * rtol + atol))


@public("isin", on="t o")
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element is among test_elements; one of the two may be a number."""
    if not isinstance(elements, Variable) and not isinstance(test_elements, Variable):
        raise no_tensor("isin", "elements", elements)
    x, y = (v.array if isinstance(v, Variable) else np.asarray(operand(v)) for v in (elements, test_elements))
    if x.dtype == np.bool_ or y.dtype == np.bool_:
        raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    assume_unique, invert = flag(assume_unique, "assume_unique"), flag(invert, "invert")
    return wrap(np.asarray(np.isin(x, y, assume_unique=assume_unique, invert=invert)))


# ------------------------------------------------------------------------------------------------ powers of two, angles
deg2rad = unary("deg2rad", lambda x: x * (math.pi / 180), x=lambda g: g * (math.pi / 180), doc="Degrees in radians.")
rad2deg = unary("rad2deg", lambda x: x * (180 / math.pi), x=lambda g: g * (180 / math.pi), doc="Radians in degrees.")


def _floats(name: str) -> Callable:
    """Two float tensors; PyTorch has no kernel for integers."""
    meet = tensors_only(name)

    def check(x: Any, y: Any) -> tuple:
        x, y = meet(x, y)
        if x.outline.dtype.kind not in FLOATS:
            raise NotImplementedError(f'"{name}_cpu" not implemented for integers and bools')
        return x, y

    return check


def _logaddexp2(x: Any, y: Any) -> Any:
    top, apart = maximum(x, y), abs(x - y)
    return where(apart < math.inf, top + log1p(exp2(-apart)) * (1 / math.log(2)), top)


logaddexp2 = binary("logaddexp2", np.logaddexp2, meet=_floats("logaddexp2"), vector=_logaddexp2, on="T t o",
                    x=lambda g, x, y: g / (exp2(y - x) + 1.0), y=lambda g, x, y: g / (exp2(x - y) + 1.0),
                    doc="log2(2^x + 2^y), without overflow.")
nextafter = binary("nextafter", np.nextafter, meet=_floats("nextafter"), vector=no_program, y=ZERO,
                   x=lambda g, x, y: where(x == y, 0.0, g), doc="The float next to x on the way to y.")


@public("ldexp", on="T i t o")
def ldexp(input: Any, other: Any) -> Any:
    """input times 2 to the power `other`; exact for integers, also where 2^other alone is no float."""
    x, by = _tensor("ldexp", "input", input), _tensor("ldexp", "other", other)
    if by.outline.dtype.kind in FLOATS:
        return multiply(x, power(2.0, by))
    (x,) = as_floats(x)
    return scaled(x, wrap(np.clip(by.array.astype(np.int64), -5000, 5000).astype(np.int32)))


@public("float_power", on="T t o")
def float_power(input: Any, exponent: Any) -> Any:
    """input to the power exponent, in float64."""
    if not isinstance(input, Variable) and not isinstance(exponent, Variable):
        raise no_tensor("float_power", "input", input)
    wide = [to_dtype(v, np.dtype(np.float64)) for v in (operand(input), operand(exponent))]
    return power(*wide)


@public("float_power_", on="T")
def float_power_in_place(self: Any, exponent: Any) -> Any:
    """`float_power`, in place; returns self. Raises RuntimeError unless self is float64."""
    if self.outline.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {dtypes.as_dtype(self.outline.dtype)} but the operation's "
            "result requires dtype float64"
        )
    return in_place(float_power, self, exponent)


def _scaled(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.ldexp(x, by)


scaled = pointwise("ldexp", _scaled, meet=lambda x, by: (x, by), vector=no_program, on="",
                   x=lambda g, by: scaled(g, by), doc="x * 2^by, exact, for an int32 `by`.")


@public("frexp", on="T t o")
def frexp(input: Any) -> Any:
    """(mantissa, exponent) with input = mantissa * 2^exponent, 1/2 <= |mantissa| < 1, and an int32 exponent.

    Raises RuntimeError for integers and bools.
    """
    if _tensor("frexp", "input", input).outline.dtype.kind not in FLOATS:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    exponent = np.asarray(np.frexp(input.array)[1], np.int32)
    return return_types.frexp(scaled(input, wrap(-exponent)), wrap(exponent))


# ------------------------------------------------------------------------------------------------ integers
def _meet_integers(name: str, numbers: bool) -> Callable:
    meet = paired if numbers else tensors_only(name)

    def check(x: Any, y: Any) -> tuple:
        x, y = meet(x, y)
        dtype = (x if isinstance(x, Variable) else y).outline.dtype
        if dtype.kind not in "iu":
            raise NotImplementedError(f'"{name}_cpu" not implemented for {dtypes.as_dtype(dtype)}')
        return x, y

    return check


def _shifted_left(x: Any, y: Any) -> Any:
    dtype = np.result_type(x, y)
    whole = (np.asarray(y) >= 0) & (np.asarray(y) < dtype.itemsize * 8)
    return np.where(whole, np.left_shift(x, np.where(whole, y, 0).astype(dtype)), dtype.type(0))


def _shifted_right(x: Any, y: Any) -> Any:
    dtype = np.result_type(x, y)
    last = dtype.itemsize * 8 - 1 if dtype.kind == "i" else dtype.itemsize * 8
    steps = np.where((np.asarray(y) >= 0) & (np.asarray(y) < last), y, last)
    return np.right_shift(x, steps.astype(dtype))


gcd = binary("gcd", np.gcd, meet=_meet_integers("gcd", False), vector=no_program,
             doc="The greatest common divisor of integers, not negative.")
lcm = binary("lcm", np.lcm, meet=_meet_integers("lcm", False), vector=no_program,
             doc="The least common multiple of integers, not negative.")
bitwise_left_shift = binary("bitwise_left_shift", _shifted_left, meet=_meet_integers("lshift", True),
                            vector=no_program, doc="x times 2^y, of integers; 0 where y is negative or 64 and more.")
bitwise_right_shift = binary("bitwise_right_shift", _shifted_right, meet=_meet_integers("rshift", True),
                             vector=no_program,
                             doc="x / 2^y rounded down, of integers; all of it is shifted out for a negative y.")
