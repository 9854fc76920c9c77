"""Element by element: arithmetic, comparison, powers, exponentials, choices; broadcast and promoted as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import ZERO, Node, Primitive, Variable, primitive
from ..autograd.deferred import Recipe, fused
from ..autograd.primitive import kept_array
from ..autograd.tape import plain, wrap
from .layout import channels_first, channels_last
from .promotion import operand, paired, paired_arrays, to_dtype
from .shape import fit


def unbroadcastable(name: str, *args: Any) -> RuntimeError:
    """PyTorch's error for shapes that don't broadcast."""
    shapes = [arg.array.shape if isinstance(arg, Variable) else np.shape(arg) for arg in args]
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + shape for shape in shapes]
    for d in range(ndim - 1, -1, -1):
        column = [(shape[d], letter) for shape, letter in zip(padded, "abc", strict=False) if shape[d] != 1]
        for n, letter in column[1:]:
            if n != column[0][0]:
                return RuntimeError(
                    f"The size of tensor {column[0][1]} ({column[0][0]}) must match the size of tensor {letter} ({n}) "
                    f"at non-singleton dimension {d}; {name} got shapes {', '.join(map(str, shapes))}"
                )
    return RuntimeError(f"{name} got shapes that do not broadcast: {shapes}")


class Binary(Primitive):
    """A primitive of two operands: numbers, arrays and tensors of any dtype meet in one dtype first."""

    floating = False

    def __call__(self, x: Any, y: Any) -> Any:
        x, y = (paired_arrays if is_arrays(x, y) else paired)(x, y, self.floating)
        try:
            return super().__call__(x, y)
        except ValueError as error:
            if "broadcast" in str(error):
                raise unbroadcastable(self.name, x, y) from None
            raise RuntimeError(f"{self.name}: {error}") from None


def is_arrays(*args: Any) -> bool:
    """Whether there are arrays among the arguments, and no tensors: as in rules where nothing is recorded."""
    found = False
    for arg in args:
        if isinstance(arg, Variable):
            return False
        found = found or isinstance(arg, np.ndarray | np.generic)
    return found


class FloatBinary(Binary):
    """A `Binary` whose result is a float also for integers."""

    floating = True


class FloatUnary(Primitive):
    """A primitive of one operand whose result is a float also for integers."""

    def __call__(self, x: Any) -> Any:
        if isinstance(x, np.ndarray | np.generic):
            x = np.asarray(x)
            return super().__call__(x if x.dtype.kind == "f" else x.astype(dtypes.get_default_dtype().numpy))
        x = operand(x)
        if not isinstance(x, Variable):
            x = wrap(np.asarray(x, dtypes.get_default_dtype().numpy))
        elif x.array.dtype.kind != "f":
            x = to_dtype(x, dtypes.get_default_dtype().numpy)
        return super().__call__(x)


# --------------------------------------------------------------------------------------------------------- arithmetic


def mapped(kernel: Callable, x: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """A new array that a kernel of vectors fills, in the memory order of x: images stay channels-last."""
    last = x.ndim > 2 and not x.flags.c_contiguous
    if last:
        x, others = channels_last(x), tuple(map(channels_last, others))
    out = kernels.empty(x.shape, x.dtype)
    kernel(*[a.reshape(-1) for a in (x, *others, out)])
    return channels_first(out) if last else out


LARGE = 1 << 18  # bytes from which more threads than NumPy's one pay


def _alike(x: Any, y: Any) -> bool:
    """Whether x and y are large float arrays that lie in memory alike, without gaps."""
    return (
        getattr(x, "nbytes", 0) >= LARGE
        and getattr(y, "strides", None) == x.strides
        and y.shape == x.shape
        and y.dtype == x.dtype
        and x.dtype.char in "fd"
        and (x.flags.c_contiguous or (x.ndim > 2 and channels_last(x).flags.c_contiguous))
    )


def _room(x: Any, y: Any) -> np.ndarray | None:
    """Pooled memory for the result of two large arrays of one shape and dtype; None leaves it to NumPy."""
    if getattr(x, "nbytes", 0) < kernels.SMALL or getattr(y, "shape", None) != x.shape or x.dtype != y.dtype:
        return None
    return kernels.empty_like(x)


class Addition(Binary):
    """`add`, which a deferred operand takes in."""

    def __call__(self, x: Any, y: Any) -> Any:
        out = fused(self, x, y)
        return super().__call__(x, y) if out is None else out


@Addition
def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + y."""
    return mapped(kernels.add, x, y) if _alike(x, y) else np.add(x, y, out=_room(x, y))


add.vjp(x=lambda g, x_shape: fit(g, x_shape), y=lambda g, y_shape: fit(g, y_shape))


@Binary
def subtract(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - y."""
    try:
        return mapped(kernels.subtract, x, y) if _alike(x, y) else np.subtract(x, y, out=_room(x, y))
    except TypeError:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        ) from None


subtract.vjp(x=lambda g, x_shape: fit(g, x_shape), y=lambda g, y_shape: fit(-g, y_shape))


@Binary
def multiply(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x * y."""
    return mapped(kernels.multiply, x, y) if _alike(x, y) else np.multiply(x, y, out=_room(x, y))


multiply.vjp(x=lambda g, y, x_shape: fit(multiply(g, y), x_shape), y=lambda g, x, y_shape: fit(multiply(g, x), y_shape))


@FloatBinary
def divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x / y."""
    return np.divide(x, y)


divide.vjp(x=lambda g, y, x_shape: fit(g / y, x_shape), y=lambda g, out, y, y_shape: fit(-g * out / y, y_shape))


@primitive
def negative(x: np.ndarray) -> np.ndarray:
    """-x."""
    if x.dtype == np.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return np.negative(x)


negative.vjp(x=lambda g: -g)


@Binary
def power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x to the power y. Raises RuntimeError for an integer to a negative integer."""
    try:
        return np.power(x, y)
    except ValueError as error:
        if "negative integer" in str(error):
            raise RuntimeError("Integers to negative integer powers are not allowed.") from None
        raise


# d x^y / dx = y x^(y-1), which is 0 at y = 0 whatever x is; d x^y / dy = x^y log x, which is 0 at x = 0 < y.
power.vjp(
    x=lambda g, x, y, x_shape: fit(
        g * (y * x ** (y - 1) if isinstance(y, float | int) and y else _slope(x, y)), x_shape
    ),
    y=lambda g, x, y, out, y_shape: fit(g * where((x == 0) & (y >= 0), 0.0, out * _log(x)), y_shape),
)


def _slope(x: Any, y: Any) -> Any:
    if isinstance(y, float | int):
        return zeros_of(x)
    flat = equal(y, 0)
    return where(flat, 0.0, y * x ** where(flat, 1.0, subtract(y, 1)))


def _log(x: Any) -> Any:
    if not isinstance(x, float | int):
        return log(x)
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def zeros_of(x: Any) -> Any:
    """Zeros of x's shape and dtype, not on the tape: a tensor for a tensor, an array for an array."""
    zeros = np.zeros(x.shape, plain(x).dtype)
    return wrap(zeros) if isinstance(x, Variable) else zeros


@Binary
def maximum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The larger of x and y, NaN if either is; equals share the gradient."""
    return np.maximum(x, y)


@Binary
def minimum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The smaller of x and y, NaN if either is; equals share the gradient."""
    return np.minimum(x, y)


def _share(g: Any, mine: Any, other: Any, loses: Callable) -> Any:
    """g where `mine` is not the loser (both of a pair with a NaN pass it on), half of it where both are equal."""
    return where(loses(mine, other), 0.0, where(mine == other, g * 0.5, g))


maximum.vjp(
    x=lambda g, x, y, x_shape: fit(_share(g, x, y, less), x_shape),
    y=lambda g, x, y, y_shape: fit(_share(g, y, x, less), y_shape),
)
minimum.vjp(
    x=lambda g, x, y, x_shape: fit(_share(g, x, y, greater), x_shape),
    y=lambda g, x, y, y_shape: fit(_share(g, y, x, greater), y_shape),
)


# -------------------------------------------------------------------------------------------------------- one operand


@FloatUnary
def exp(x: np.ndarray) -> np.ndarray:
    """e to the power x."""
    return mapped(kernels.exp, x)


exp.vjp(x=lambda g, out: g * out)


@FloatUnary
def expm1(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1, exact for small x."""
    return mapped(kernels.expm1, x)


expm1.vjp(x=lambda g, out: g * (out + 1))


@FloatUnary
def log(x: np.ndarray) -> np.ndarray:
    """The natural logarithm of x."""
    return mapped(kernels.log, x)


log.vjp(x=lambda g, x: g / x)


@FloatUnary
def log1p(x: np.ndarray) -> np.ndarray:
    """log(1 + x), exact for small x."""
    return mapped(kernels.log1p, x)


log1p.vjp(x=lambda g, x: g / (x + 1))


@FloatUnary
def sqrt(x: np.ndarray) -> np.ndarray:
    """The square root of x; its slope at 0 is infinite."""
    return np.sqrt(x)


sqrt.vjp(x=lambda g, out: g / (out * 2))


@FloatUnary
def sin(x: np.ndarray) -> np.ndarray:
    """The sine of x, in radians."""
    return np.sin(x)


@FloatUnary
def cos(x: np.ndarray) -> np.ndarray:
    """The cosine of x, in radians."""
    return np.cos(x)


sin.vjp(x=lambda g, x: g * cos(x))
cos.vjp(x=lambda g, x: -g * sin(x))


@FloatUnary
def tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent of x."""
    return mapped(kernels.tanh, x)


tanh.vjp(x=lambda g, out: g * (1 - out * out))


@FloatUnary
def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow: exp is only taken of -|x|."""
    return mapped(kernels.sigmoid, x)


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))


@FloatUnary
def erf(x: np.ndarray) -> np.ndarray:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return mapped(kernels.erf, x)


erf.vjp(x=lambda g, x: g * (exp(-(x * x)) * (2 / math.sqrt(math.pi))))


@primitive
def absolute(x: np.ndarray) -> np.ndarray:
    """|x|; its slope at 0 is 0."""
    return np.absolute(x)


absolute.vjp(x=lambda g, x: g * sign(x))


@primitive
def sign(x: np.ndarray) -> np.ndarray:
    """-1, 0 or 1 by the sign of x; 0 for NaN."""
    if x.dtype == np.bool_:
        return x.copy()
    return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype) if x.dtype.kind == "f" else np.sign(x)


@primitive
def floor(x: np.ndarray) -> np.ndarray:
    """The largest integer not above x."""
    return np.floor(x) if x.dtype.kind == "f" else x.copy()


@primitive
def ceil(x: np.ndarray) -> np.ndarray:
    """The smallest integer not below x."""
    return np.ceil(x) if x.dtype.kind == "f" else x.copy()


@primitive
def round(x: np.ndarray, *, decimals: int = 0) -> np.ndarray:
    """x rounded, halves to even."""
    return np.round(x, decimals)


for _flat in (sign, floor, ceil, round):
    _flat.vjp(x=ZERO)


def reciprocal(x: Any) -> Any:
    """1 / x."""
    return 1 / x


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return 1 / sqrt(x)


def square(x: Any) -> Any:
    """x to the power 2."""
    return x**2


# ------------------------------------------------------------------------------------------------------------ choices


class Where(Primitive):
    """`where`, with the two values meeting in one dtype first."""

    def __call__(self, condition: Any, x: Any, y: Any) -> Any:
        if is_arrays(condition, x, y):
            return super().__call__(condition, x, y)
        if isinstance(condition, Variable) and condition.array.dtype != np.bool_:
            raise RuntimeError(f"where expected condition to be a boolean tensor, but got {condition.array.dtype}")
        if not isinstance(x, Variable) and not isinstance(y, Variable):
            x = wrap(np.asarray(operand(x), dtypes.meet(operand(x), operand(y))))
        x, y = paired(x, y)
        try:
            return super().__call__(condition, x, y)
        except ValueError:
            raise unbroadcastable(self.name, condition, x, y) from None


@Where
def where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x where the condition holds, y elsewhere; no gradient passes through what was not chosen."""
    return np.where(condition, x, y)


where.vjp(
    x=lambda g, condition, x_shape: fit(where(condition, g, 0.0), x_shape),
    y=lambda g, condition, y_shape: fit(where(condition, 0.0, g), y_shape),
)


@primitive
def clamp_to(x: np.ndarray, *, min: float | None, max: float | None) -> np.ndarray:
    """x, but no less than min and no more than max; slope 1 within and at both edges, 0 at NaN, which stays."""
    return np.clip(x, min, max)


def _inside(x: Any, low: float | None, high: float | None) -> Any:
    x = plain(x)
    inside = x == x if low is None else x >= low
    return inside if high is None else inside & (x <= high)


clamp_to.vjp(x=lambda g, x, min, max: where(_inside(x, min, max), g, 0.0))


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """x limited from below by `min` and from above by `max`, numbers or tensors; one of them may be None."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Variable) or isinstance(max, Variable):
        x = x if min is None else where(x < min, min, x)
        return x if max is None else where(x > max, max, x)
    dtype = x.array.dtype
    for bound in (min, max):
        if bound is not None:
            dtype = dtypes.meet(np.empty(1, dtype), operand(bound))
    return clamp_to(to_dtype(x, dtype), min=min, max=max)


class Relu(Primitive):
    """`relu`, which a deferred operand takes in."""

    def __call__(self, x: Any) -> Any:
        out = fused(self, x) if getattr(x, "recipe", None) else None
        return super().__call__(x) if out is None else out


@Relu
def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0); NaN and -0.0 stay as they are."""
    return mapped(kernels.relu, x)


class Gated(Recipe):
    """relu_grad(h, y), of a first-order backward; gate: what batch norm needs to find y's sign without y, if it can."""

    __slots__ = ("gate", "h", "y")

    def __init__(self, h: np.ndarray, y: np.ndarray, gate: Any) -> None:
        super().__init__(y)
        self.h, self.y, self.gate = h, y, gate

    def compute(self) -> np.ndarray:
        """The gradient at the ReLU's input."""
        return relu_grad.function(self.h, self.y)


def _postpone_gate(node: Node, g: Any) -> Recipe | None:
    """The gradient at a ReLU's input as `Gated`, for a primitive that reads through the gate; None: no gain."""
    y = kept_array(node, "out")
    if type(g) is np.ndarray and kernels.pooled(y) and g.strides == y.strides:
        return Gated(g, y, node.settings.get("gate"))
    return None


@primitive
def relu_grad(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    """h where y = relu(x) is positive or NaN, else 0."""
    return mapped(kernels.relu_grad, h, y)


def gated(g: Any, out: Any, memo: dict) -> Any:
    """`relu_grad`, once for all the rules of a primitive that ends in a ReLU."""
    if not memo:
        memo["gated"] = relu_grad(g, out)
    return memo["gated"]


relu.vjp(x=lambda g, out: relu_grad(g, out))
relu.postpone = _postpone_gate
relu_grad.vjp(h=lambda g, y: relu_grad(g, y), y=ZERO)


# The slopes of the next three are fused kernels for the first derivative, and written out in tensor operations where
# that will be differentiated itself.


@primitive
def gelu(x: np.ndarray) -> np.ndarray:
    """x P(x), with the normal distribution function P(x) = (1 + erf(x / sqrt 2)) / 2."""
    return mapped(kernels.gelu, x)


def _gelu_grad(g: Any, x: Any) -> Any:
    if not isinstance(g, Variable):
        return mapped(kernels.gelu_grad, g, x)
    density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return g * ((erf(x * math.sqrt(0.5)) + 1.0) * 0.5 + x * density)


gelu.vjp(x=_gelu_grad)


@primitive
def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """x/2 (1 + tanh(c (x + a x^3))), c = sqrt(2/pi) and a = 0.044715: near to `gelu`."""
    return mapped(kernels.gelu_tanh, x)


def _gelu_tanh_grad(g: Any, x: Any) -> Any:
    if not isinstance(g, Variable):
        return mapped(kernels.gelu_tanh_grad, g, x)
    c, a = math.sqrt(2 / math.pi), 0.044715
    t = tanh((x + x * x * x * a) * c)
    return g * ((t + 1.0) * 0.5 + x * 0.5 * (1.0 - t * t) * ((x * x * (3 * a) + 1.0) * c))


gelu_tanh.vjp(x=_gelu_tanh_grad)


@primitive
def silu(x: np.ndarray) -> np.ndarray:
    """x sigmoid(x)."""
    return mapped(kernels.silu, x)


def _silu_grad(g: Any, x: Any) -> Any:
    if not isinstance(g, Variable):
        return mapped(kernels.silu_grad, g, x)
    s = sigmoid(x)
    return g * (s * (x * (1.0 - s) + 1.0))


silu.vjp(x=_silu_grad)


# ---------------------------------------------------------------------------------------------- comparisons and logic


def _comparison(name: str, ufunc: np.ufunc, doc: str) -> Binary:
    def compare(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ufunc(x, y)

    compare.__name__, compare.__doc__ = name, doc
    return Binary(compare)


equal = _comparison("equal", np.equal, "x == y, element by element.")
not_equal = _comparison("not_equal", np.not_equal, "x != y, element by element.")
less = _comparison("less", np.less, "x < y, element by element.")
less_equal = _comparison("less_equal", np.less_equal, "x <= y, element by element.")
greater = _comparison("greater", np.greater, "x > y, element by element.")
greater_equal = _comparison("greater_equal", np.greater_equal, "x >= y, element by element.")


class Bitwise(Binary):
    """A `Binary` of integers or bools. Raises NotImplementedError for floats."""

    def __call__(self, x: Any, y: Any) -> Any:
        for v in (x, y):
            if isinstance(v, float) or (isinstance(v, Variable) and v.array.dtype.kind == "f"):
                raise NotImplementedError(f'"{self.name}_cpu" not implemented for floats, only for integers and bools')
        return super().__call__(x, y)


@Bitwise
def bitwise_and(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x & y of integers or bools."""
    return np.bitwise_and(x, y)


@Bitwise
def bitwise_or(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x | y of integers or bools."""
    return np.bitwise_or(x, y)


@Bitwise
def bitwise_xor(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x ^ y of integers or bools."""
    return np.bitwise_xor(x, y)


def _refuse_zero(x: np.ndarray, y: np.ndarray) -> None:
    if np.result_type(x, y).kind != "f" and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: integer division by zero")


@Binary
def floor_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x / y rounded down. Raises RuntimeError for integers over 0."""
    _refuse_zero(x, y)
    return np.floor_divide(x, y)


@Binary
def remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x - floor(x / y) * y, with the sign of y. Raises RuntimeError for integers over 0."""
    _refuse_zero(x, y)
    return np.remainder(x, y)


remainder.vjp(x=lambda g, x_shape: fit(g, x_shape), y=lambda g, x, y, y_shape: fit(-g * floor_divide(x, y), y_shape))


@primitive
def bitwise_not(x: np.ndarray) -> np.ndarray:
    """~x of integers or bools."""
    if x.dtype.kind == "f":
        raise TypeError(f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, not {x.dtype}")
    return np.invert(x)


def logical_not(x: Any) -> Any:
    """Whether each element is zero."""
    return x == 0


def isnan(x: Any) -> Any:
    """Whether each element is NaN."""
    return wrap(np.isnan(x.array))


def isfinite(x: Any) -> Any:
    """Whether each element is neither infinite nor NaN."""
    return wrap(np.isfinite(x.array))


def isinf(x: Any) -> Any:
    """Whether each element is infinite."""
    return wrap(np.isinf(x.array))
