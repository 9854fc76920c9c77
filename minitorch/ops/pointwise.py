"""Element by element: the back page of a calculus book. A row is an op's value and its derivatives; see declare.py.

g is the gradient that comes in, out the result. Where a function has a kink the rules say what PyTorch's say.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import ZERO, Variable
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .declare import WORDS, Symbol, Untold, binary, comparison, formula, no_program, pointwise, trace_of, unary
from .dims import no_tensor
from .names import public
from .promotion import common, operand, paired, tensor_first, tensors_only, to_dtype

# ------------------------------------------------------------------------------------------------ choices


def _meet_where(condition: Any, x: Any, y: Any) -> tuple:
    if isinstance(condition, bool):
        raise no_tensor("where", "condition", condition)
    if isinstance(condition, Variable) and condition.array.dtype != np.bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got {condition.array.dtype}")
    if not isinstance(x, Variable) and not isinstance(y, Variable):
        x = wrap(np.asarray(operand(x), dtypes.meet(operand(x), operand(y))))
    x, y = paired(x, y)
    _check_numbers((x, y), (x if isinstance(x, Variable) else y).outline.dtype)
    return condition, x, y


def _check_numbers(operands: tuple, dtype: np.dtype) -> None:
    """Raises RuntimeError if a number among operands that are stored as integers does not fit their dtype."""
    for x in operands if dtype.kind in "iu" else ():
        if type(x) is int:
            dtypes.check_fits(np.asarray(x), dtype)


def _where(condition: Any, x: Any, y: Any) -> Any:
    if type(x) is np.ndarray and type(y) is float:  # NumPy takes longer to find out what a number is: 2.3 us, 1.6 so
        y = x.dtype.type(y)
    elif type(y) is np.ndarray and type(x) is float:
        x = y.dtype.type(x)
    return np.where(condition, x, y)


where = pointwise("where", _where, meet=_meet_where, atom=True, on="",
                  # BEGIN SOLUTION 3.4: x y
                  y=lambda g, condition: where(condition, 0.0, g), x=lambda g, condition: where(condition, g, 0.0),
                  # END SOLUTION
                  doc="x where the condition holds, y elsewhere; no gradient passes through what was not chosen.")
WORDS["where"] = _where  # it is what NumPy calls, and no formula of words


def zeros_of(x: Any) -> Any:
    """Zeros of x's shape and dtype, not on the tape."""
    trace = trace_of((x,))
    if trace is not None:
        return trace.call("number", 0.0)
    return wrap(np.zeros_like(x.array)) if isinstance(x, Variable) else np.zeros_like(x)


# ------------------------------------------------------------------------------------------------ arithmetic
def _refuse_bool(x: Any, what: str, instead: str) -> None:
    if isinstance(x, np.ndarray) and x.dtype == np.bool_:
        raise RuntimeError(f"{what} is not supported. {instead}")


def _meet_subtract(x: Any, y: Any) -> tuple[Any, Any]:
    a, b = paired(x, y)
    if a is x and b is y and type(x) is not bool and type(y) is not bool:
        return a, b  # nothing was cast: of two bools, `_subtract` says no
    for v in (x, y):
        if type(v) is bool or isinstance(v, Variable) and v.outline.dtype == np.bool_:
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a "
                "mask, use the `~` or `logical_not()` operator instead."
            )
    return a, b


def _subtract(x: Any, y: Any) -> Any:
    _refuse_bool(
        x, "Subtraction, the `-` operator, with two bool tensors", "Use the `^` or `logical_xor()` operator instead."
    )
    return x - y


def _negative(x: Any) -> Any:
    _refuse_bool(
        x,
        "Negation, the `-` operator, on a bool tensor",
        "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
    )
    return -x


add = binary("add", lambda x, y: x + y, x=lambda g: g, y=lambda g: g, on="", doc="x + y.")
subtract = binary("subtract", _subtract, meet=_meet_subtract,
                  # BEGIN SOLUTION 3.2: x y
                  y=lambda g: -g, x=lambda g: g,
                  # END SOLUTION
                  on="", doc="x - y.")
multiply = binary("multiply", lambda x, y: x * y, x=lambda g, y: g * y, y=lambda g, x: g * x, names="mul multiply",
                  doc="x * y.")
divide = binary("divide", lambda x, y: x / y, floating=True,
                # BEGIN SOLUTION 3.2: x y
                x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y,
                # END SOLUTION
                on="", doc="x / y.")
negative = unary("negative", _negative, floating=False,
                 # BEGIN SOLUTION 3.2: x
                 x=lambda g: -g,
                 # END SOLUTION
                 names="neg negative", doc="-x.")


def _power(x: Any, y: Any) -> Any:
    try:
        return x**y
    except ValueError as error:
        if "negative integer" in str(error):
            raise RuntimeError("Integers to negative integer powers are not allowed.") from None
        raise


# d x^y / dx = y x^(y-1), which is 0 at y = 0 whatever x is; d x^y / dy = x^y log x, which is 0 at x = 0 <= y.
def _base_slope(g: Any, x: Any, y: Any) -> Any:
    if isinstance(y, int | float):
        return g * (y * x ** (y - 1)) if y else zeros_of(g)
    flat = y == 0
    return g * where(flat, 0.0, y * x ** where(flat, 1.0, y - 1.0))


def _exponent_slope(g: Any, x: Any, y: Any, out: Any) -> Any:
    if not isinstance(x, int | float):
        return g * where((x == 0) & (y >= 0), 0.0, out * log(x))
    if x == 0:
        return g * where(y >= 0, 0.0, out * -math.inf)
    return g * (out * (math.log(x) if x > 0 else math.nan))


power = binary("power", _power, x=_base_slope, y=_exponent_slope, static=(-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4),
               names="pow", doc="x to the power y. Raises RuntimeError for an integer to a negative integer.")
maximum = binary("maximum", np.maximum, meet=tensors_only("maximum"), atom=True,
                 # BEGIN SOLUTION 3.4: x y
                 x=lambda g, x, y: where(y > x, 0.0, where(x == y, g * 0.5, g)),
                 y=lambda g, y, x: where(x > y, 0.0, where(x == y, g * 0.5, g)),
                 # END SOLUTION
                 on="T t o",
                 doc="The larger of x and y, NaN if either is; equals share the gradient.")
minimum = binary("minimum", np.minimum, meet=tensors_only("minimum"), atom=True,
                 # BEGIN SOLUTION 3.4: x y
                 x=lambda g, x, y: where(y < x, 0.0, where(x == y, g * 0.5, g)),
                 y=lambda g, y, x: where(x < y, 0.0, where(x == y, g * 0.5, g)),
                 # END SOLUTION
                 on="T t o",
                 doc="The smaller of x and y, NaN if either is; equals share the gradient.")


def _hypot(x: Any, y: Any) -> Any:
    long, short = maximum(abs(x), abs(y)), minimum(abs(x), abs(y))
    ratio = short / where(long == 0, 1.0, long)
    return where((abs(x) == math.inf) | (abs(y) == math.inf), math.inf, long * sqrt(ratio * ratio + 1))


hypot = binary("hypot", np.hypot, meet=tensors_only("hypot", floating=True),
               x=lambda g, x, out: g * (x / out), y=lambda g, y, out: g * (y / out),
               vector=_hypot, doc="sqrt(x^2 + y^2).")
copysign = binary("copysign", np.copysign, meet=tensor_first("copysign", floating=True), atom=True, y=ZERO,
                  x=lambda g, x, out: where(x == 0, 0.0, where(x == out, g, -g)), doc="x with the sign of y.")
square = unary("square", lambda x: x**2 if getattr(x, "dtype", None) != np.bool_ else x.astype(np.int64),
               floating=False,
               # BEGIN SOLUTION 3.2: x
               x=lambda g, x: g * (x * 2),
               # END SOLUTION
               doc="x to the power 2.")
reciprocal = unary("reciprocal", lambda x: 1.0 / x, x=lambda g, out: -g * (out * out), doc="1 / x.")

# ------------------------------------------------------------------------------------------------ roots, exponentials
sqrt = unary("sqrt", np.sqrt,
             # BEGIN SOLUTION 3.3: x
             x=lambda g, out: g / (out * 2),
             # END SOLUTION
             doc="The square root of x; its slope at 0 is infinite.")
rsqrt = unary("rsqrt", lambda x: 1.0 / sqrt(x), x=lambda g, out: g * (out * out * out) * -0.5, doc="1 / sqrt(x).")
exp = unary("exp", np.exp,
            # BEGIN SOLUTION 3.3: x
            x=lambda g, out: g * out,
            # END SOLUTION
            doc="e to the power x.")
expm1 = unary("expm1", np.expm1, x=lambda g, out: g * (out + 1), doc="exp(x) - 1, exact for small x.")
exp2 = unary("exp2", np.exp2, x=lambda g, out: g * out * math.log(2), doc="2 to the power x.")
log = unary("log", np.log,
            # BEGIN SOLUTION 3.3: x
            x=lambda g, x: g / x,
            # END SOLUTION
            doc="The natural logarithm of x.")
log2 = unary("log2", np.log2, x=lambda g, x: g / (x * math.log(2)), doc="The logarithm of x to base 2.")
log10 = unary("log10", np.log10, x=lambda g, x: g / (x * math.log(10)), doc="The logarithm of x to base 10.")
log1p = unary("log1p", np.log1p, x=lambda g, x: g / (x + 1), doc="log(1 + x), exact for small x.")


def _logaddexp(x: Any, y: Any) -> Any:
    top, apart = maximum(x, y), abs(x - y)
    return where(apart < math.inf, top + log1p(exp(-apart)), top)


logaddexp = binary("logaddexp", np.logaddexp, meet=tensors_only("logaddexp", floating=True), vector=_logaddexp,
                   x=lambda g, x, y: g / (exp(y - x) + 1.0), y=lambda g, x, y: g / (exp(x - y) + 1.0),
                   doc="log(exp(x) + exp(y)), without overflow.")
xlogy = binary("xlogy", lambda x, y: where((x == 0) & (y == y), 0.0, x * log(y)), floating=True,
               x=lambda g, x, y: g * where((x == 0) & (y <= 0), 0.0, log(y)), y=lambda g, x, y: g * x / y,
               doc="x log(y), 0 where x is 0.")

# ------------------------------------------------------------------------------------------------ angles
sin = unary("sin", np.sin, x=lambda g, x: g * cos(x), doc="The sine of x, in radians.")
cos = unary("cos", np.cos, x=lambda g, x: -g * sin(x), doc="The cosine of x, in radians.")
tan = unary("tan", np.tan, x=lambda g, out: g * (out * out + 1), doc="The tangent of x, in radians.")
asin = unary("asin", np.arcsin, x=lambda g, x: g * rsqrt(1 - x * x), names="asin arcsin",
             doc="The angle from -pi/2 to pi/2 whose sine is x.")
acos = unary("acos", np.arccos, x=lambda g, x: -g * rsqrt(1 - x * x), names="acos arccos",
             doc="The angle from 0 to pi whose cosine is x.")
atan = unary("atan", np.arctan, x=lambda g, x: g / (x * x + 1), names="atan arctan",
             doc="The angle from -pi/2 to pi/2 whose tangent is x.")



def _turned(g: Any, x: Any, y: Any, by: Any) -> Any:
    return g * (by / where((x == 0) & (y == 0), 1.0, x * x + y * y))


atan2 = binary("atan2", np.arctan2, meet=tensors_only("atan2", floating=True), atom=True, names="atan2 arctan2",
               x=lambda g, x, y: _turned(g, x, y, y), y=lambda g, x, y: _turned(g, x, y, -x),
               doc="The angle of the point (y, x), from -pi to pi: that of x / y in the right quadrant; slope 0 at 0.")
sinh = unary("sinh", np.sinh, x=lambda g, x: g * cosh(x), doc="The hyperbolic sine of x.")
cosh = unary("cosh", np.cosh, x=lambda g, x: g * sinh(x), doc="The hyperbolic cosine of x.")
tanh = unary("tanh", np.tanh,
             # BEGIN SOLUTION 3.3: x
             x=lambda g, out: g * (1 - out * out),
             # END SOLUTION
             doc="The hyperbolic tangent of x.")
asinh = unary("asinh", np.arcsinh, x=lambda g, x: g * rsqrt(x * x + 1), names="asinh arcsinh",
              doc="The number whose hyperbolic sine is x.")
acosh = unary("acosh", np.arccosh, x=lambda g, x: g * rsqrt(x * x - 1), names="acosh arccosh",
              doc="The positive number whose hyperbolic cosine is x.")
atanh = unary("atanh", np.arctanh, x=lambda g, x: g / (1 - x * x), names="atanh arctanh",
              doc="The number whose hyperbolic tangent is x.")


# ------------------------------------------------------------------------------------------------ the bell curve
def by_math(function: Any) -> Any:
    """A function of Python's math, for arrays."""
    many = np.vectorize(function, otypes=[np.float64])
    return lambda x: many(x).astype(x.dtype)


erf = unary("erf", by_math(math.erf), atom=True, least=1, x=lambda g, x: g * (exp(-(x * x)) * (2 / math.sqrt(math.pi))),
            doc="The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.")
erfc = unary("erfc", by_math(math.erfc), atom=True, least=1,
             x=lambda g, x: g * (exp(-(x * x)) * (-2 / math.sqrt(math.pi))),
             doc="1 - erf(x), exact also where that is tiny.")
normal_cdf = formula("normal_cdf", lambda x: (erf(x * math.sqrt(0.5)) + 1.0) * 0.5, atom=True)
normal_density = formula("normal_density", lambda x: exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)), atom=True)


# ------------------------------------------------------------------------------------------------ steps
def _sign(x: Any) -> Any:
    if x.dtype == np.bool_:
        return x.copy()
    return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype) if x.dtype.kind in FLOATS else np.sign(x)


def _of_floats(function: Any) -> Any:
    """Integers and bools are whole already."""
    return lambda x: function(x) if x.dtype.kind in FLOATS else x.copy()


absolute = unary("absolute", np.absolute, vector=lambda x: abs(x), floating=False,
                 # BEGIN SOLUTION 3.4: x
                 x=lambda g, x: g * sign(x),
                 # END SOLUTION
                 names="abs absolute", doc="|x|; its slope at 0 is 0.")
sign = unary("sign", _sign, vector=lambda x: where(x > 0, 1.0, where(x < 0, -1.0, 0.0)), floating=False, x=ZERO,
             names="sign sgn", doc="-1, 0 or 1 by the sign of x; 0 for NaN.")
floor = unary("floor", _of_floats(np.floor), atom=True, floating=False, x=ZERO, doc="The largest integer not above x.")
ceil = unary("ceil", _of_floats(np.ceil), atom=True, floating=False, x=ZERO, doc="The smallest integer not below x.")
trunc = unary("trunc", _of_floats(np.trunc), atom=True, floating=False, x=ZERO, names="trunc fix",
              doc="x without its fraction.")
frac = unary("frac", lambda x: x - trunc(x), x=lambda g: g, doc="The fraction of x, with its sign.")


def _round(x: Any, *, decimals: int = 0) -> Any:
    return np.round(x, decimals)


def _round_vector(x: Any, *, decimals: Any = 0) -> Any:
    if isinstance(decimals, Symbol):
        raise Untold("kernels round to whole numbers only")
    return x.trace.call("round", x)


round = pointwise("round", _round, vector=_round_vector, static=(0,), x=ZERO,
                  doc="x rounded to so many decimals, halves to even.")
WORDS["round"] = np.rint


def _inside(x: Any, min: Any, max: Any) -> Any:
    inside = x == x if min is None else x >= min
    return inside if max is None else inside & (x <= max)


def _clamp(x: Any, min: Any, max: Any) -> Any:
    x = x if min is None else where((x >= min) | (x != x), x, min)  # NaN of either stays
    return x if max is None else where((x <= max) | (x != x), x, max)


def _meet_clamp(x: Any, min: Any = None, max: Any = None) -> tuple:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    given = [x, *[operand(bound) for bound in (min, max) if bound is not None]]
    dtype = common(*given)
    _check_numbers((min, max), dtype)
    return tuple([to_dtype(v, dtype) for v in (operand(x), min, max)])


clamp = pointwise("clamp", _clamp, meet=_meet_clamp, names="clamp clip",
                  x=lambda g, x, min, max: where(_inside(x, min, max), g, 0.0),
                  min=lambda g, x, min, max: where((x < min) if max is None else (x < min) & (min < max), g, 0.0),
                  max=lambda g, x, min, max: where((x > max) if min is None else (x > max) | (max < min), g, 0.0),
                  doc="x, but no less than min and no more than max, numbers or tensors, one of them may be None. "
                  "Slope 1 within and at both edges, 0 at NaN, which stays.")
maximum.flat = minimum.flat = clamp.flat = True

# ------------------------------------------------------------------------------------------------ comparisons, logic
equal = comparison("equal", lambda x, y: x == y, names="eq", doc="x == y, element by element.")
not_equal = comparison("not_equal", lambda x, y: x != y, names="ne not_equal", doc="x != y, element by element.")
less = comparison("less", lambda x, y: x < y, names="lt less", doc="x < y, element by element.")
less_equal = comparison("less_equal", lambda x, y: x <= y, names="le less_equal", doc="x <= y, element by element.")
greater = comparison("greater", lambda x, y: x > y, names="gt greater", doc="x > y, element by element.")
greater_equal = comparison("greater_equal", lambda x, y: x >= y, names="ge greater_equal",
                           doc="x >= y, element by element.")
logical_not = comparison("logical_not", lambda x: x == 0, doc="Whether each element is zero.")
logical_and = comparison("logical_and", meet=tensors_only("logical_and"),
                         value=lambda x, y: (x != 0) & (y != 0), doc="Whether both are not zero.")
logical_or = comparison("logical_or", meet=tensors_only("logical_or"),
                        value=lambda x, y: (x != 0) | (y != 0), doc="Whether one or both are not zero.")
logical_xor = comparison("logical_xor", meet=tensors_only("logical_xor"),
                         value=lambda x, y: (x != 0) ^ (y != 0), doc="Whether just one is not zero.")
isnan = comparison("isnan", lambda x: x != x, on="T t o", doc="Whether each element is NaN.")
isfinite = comparison("isfinite", lambda x: abs(x) < math.inf, on="T t o",
                      doc="Whether each element is neither infinite nor NaN.")
isinf = comparison("isinf", lambda x: abs(x) == math.inf, on="T t o", doc="Whether each element is infinite.")


def _meet_integers(name: str) -> Any:
    def meet(*args: Any) -> tuple:
        for v in args:
            if isinstance(v, float) or (isinstance(v, Variable) and v.outline.dtype.kind in FLOATS):
                raise NotImplementedError(f'"{name}_cpu" not implemented for floats, only for integers and bools')
        return paired(*args)

    return meet


bitwise_and = binary("bitwise_and", np.bitwise_and, meet=_meet_integers("bitwise_and"),
                     doc="x & y of integers or bools. Raises NotImplementedError for floats.")
bitwise_or = binary("bitwise_or", np.bitwise_or, meet=_meet_integers("bitwise_or"),
                    doc="x | y of integers or bools. Raises NotImplementedError for floats.")
bitwise_xor = binary("bitwise_xor", np.bitwise_xor, meet=_meet_integers("bitwise_xor"),
                     doc="x ^ y of integers or bools. Raises NotImplementedError for floats.")


def _bitwise_not(x: Any) -> Any:
    if x.dtype.kind in FLOATS:
        raise TypeError(f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, not {x.dtype}")
    return np.invert(x)


bitwise_not = unary("bitwise_not", _bitwise_not, floating=False,
                    doc="~x of integers or bools. Raises TypeError for floats.")

# ------------------------------------------------------------------------------------------------ division with a rest


def _whole(function: Any) -> Any:
    """Integers over 0 are an error, floats are not."""

    def divide(x: Any, y: Any) -> Any:
        if np.result_type(x, y).kind not in FLOATS and np.any(np.equal(y, 0)):
            raise RuntimeError("ZeroDivisionError: integer division by zero")
        return function(x, y)

    return divide


floor_divide = binary("floor_divide", _whole(np.floor_divide), vector=no_program,
                      doc="x / y rounded down. Raises RuntimeError for integers over 0.")
remainder = binary("remainder", _whole(np.remainder), vector=no_program,
                   x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y),
                   doc="x - floor(x / y) * y, with the sign of y. Raises RuntimeError for integers over 0.")
fmod = binary("fmod", _whole(np.fmod), meet=tensor_first("fmod"),
              vector=no_program, x=lambda g: g, y=lambda g, x, y: -g * trunc(x / y),
              doc="x - trunc(x / y) * y, with the sign of x. Raises RuntimeError for integers over 0.")

for op in (add, subtract, multiply, divide, floor_divide):
    op.numbers = True

# ------------------------------------------------------------------------------------------------ PyTorch's options


def _over(form: Any) -> Any:
    """Decorator: how the function computes where its result may have its first argument's memory."""

    def declare(function: Any) -> Any:
        function.over = form
        return function

    return declare


def _scaled(other: Any, alpha: float) -> Any:
    return other if alpha == 1 else multiply(other, alpha)


@public("add", on="T i t o")
@_over(lambda input, other, *, alpha=1: add.over(input, _scaled(other, alpha)))
def scaled_add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input + alpha * other."""
    return add(input, _scaled(other, alpha))


@public("sub subtract", on="T i t o")
@_over(lambda input, other, *, alpha=1: subtract.over(input, _scaled(other, alpha)))
def scaled_subtract(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input - alpha * other."""
    return subtract(input, _scaled(other, alpha))


@public("div divide true_divide", on="T i t o")
@_over(lambda input, other, **mode: divide_rounded(input, other, **mode) if mode else divide.over(input, other))
def divide_rounded(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other; rounded down for rounding_mode "floor", toward zero for "trunc"."""
    if rounding_mode is None:
        return divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return to_dtype(trunc(divide(input, other)), common(input, other))
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


@public("where", on="T")
def where_of(self: Any, condition: Any, other: Any) -> Any:
    """self where the condition holds, `other` elsewhere."""
    return where(condition, self, other)
