"""The element-by-element functions in units of the last place (ulp), against NumPy in extended precision."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from minitorch import kernels
from minitorch.kernels.broadcast import Program

WIDE = np.longdouble
needs_wide = pytest.mark.skipif(np.finfo(WIDE).eps > 1e-18, reason="no extended precision here to compare with")
needs_numba = pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels were chosen")


def wide_erf(x):
    """The error function by its power series in 60 digits, for each x."""
    with localcontext() as context:
        context.prec = 60
        scale = 2 / Decimal("3.14159265358979323846264338327950288419716939937510582097494").sqrt()

        def one(value):
            z, term, total, k = Decimal(float(value)), Decimal(float(value)), Decimal(0), 0
            while abs(term) > abs(total) * Decimal("1e-30") and abs(value) < 7:
                total += term / (2 * k + 1)
                k += 1
                term *= -z * z / k
            return WIDE(str(total * scale)) if abs(value) < 7 else WIDE(math.copysign(1, value))

        return np.array([one(value) for value in x])


def wide_erfc(x):
    """1 - erf(x) for each x: by the series, whose digits suffice up to 5, and then by the continued fraction."""
    with localcontext() as context:
        context.prec = 60
        root = Decimal("3.14159265358979323846264338327950288419716939937510582097494").sqrt()

        def one(value):
            z = Decimal(abs(float(value)))
            if z > 5:
                fraction = z
                for k in range(120, 0, -1):
                    fraction = z + Decimal(k) / 2 / fraction
                total = (-z * z).exp() / (root * fraction)
            else:
                term, total, k = z, Decimal(0), 0
                while abs(term) > Decimal("1e-45"):
                    total += term / (2 * k + 1)
                    k += 1
                    term *= -z * z / k
                total = 1 - total * 2 / root
            return WIDE(str(total if value > 0 else 2 - total))

        return np.array([one(value) for value in x])


# The largest error in ulp, float32 and float64; the domain; and the function in extended precision.
FUNCTIONS = {
    "exp": (0.8, 0.8, (-760, 720), np.exp),
    "exp2": (0.8, 0.8, (-1080, 1026), np.exp2),
    "expm1": (1.7, 1.8, (-50, 720), np.expm1),
    "log": (0.9, 0.9, (0, 100), np.log),
    "log2": (0.9, 0.9, (0, 100), np.log2),
    "log10": (0.9, 0.9, (0, 100), np.log10),
    "log1p": (0.9, 0.9, (-1, 100), np.log1p),
    "sin": (1.0, 1.0, (-300, 300), np.sin),
    "cos": (1.0, 1.0, (-300, 300), np.cos),
    "tan": (1.5, 1.9, (-300, 300), np.tan),
    "asin": (1.2, 1.2, (-1, 1), np.arcsin),
    "acos": (1.0, 1.0, (-1, 1), np.arccos),
    "atan": (1.9, 1.9, (-20, 20), np.arctan),
    "sinh": (1.7, 1.7, (-711, 711), np.sinh),
    "cosh": (1.2, 1.2, (-711, 711), np.cosh),
    "tanh": (2.1, 2.3, (-25, 25), np.tanh),
    "asinh": (1.7, 1.7, (-20, 20), np.arcsinh),
    "acosh": (2.4, 2.1, (1, 20), np.arccosh),
    "atanh": (1.7, 1.7, (-1, 1), np.arctanh),
    "sigmoid": (1.8, 1.8, (-750, 50), lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (1.6, 1.6, (-750, 50), lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    "cbrt": (0.6, 0.6, (-20, 20), np.cbrt),
    "erf": (1.6, 1.2, (-6.5, 6.5), wide_erf),
    "erfc": (2.8, 2.4, (-6.5, 28), wide_erfc),
}
BY_SERIES = {"erf": math.erf, "erfc": math.erfc}  # not in NumPy: few points, since each costs a series
SPECIAL = [math.nan, *(s * v for v in (0.0, math.inf, 1e-40, 1e-310, 1.0, 0.5, 2.0, 800.0, 3e38) for s in (1, -1))]


def evaluated(text: str, *operands: np.ndarray) -> np.ndarray:
    """A program's values, through vector registers: `text` of x0, x1."""
    out = kernels.evaluate(Program("tested", f"out = {text}", False, 8), list(operands), ())
    assert out is not None
    return out


def result(name: str, *operands: np.ndarray) -> np.ndarray:
    """What the function of this name gives."""
    return evaluated(f"{name}({', '.join(['x0', 'x1'][: len(operands)])})", *operands)


@needs_numba
@needs_wide
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_units_of_the_last_place(name, dtype):
    """Over the whole domain, near zero, and in numbers of every size."""
    *bounds, (low, high), exact = FUNCTIONS[name]
    if dtype == np.float32 and name not in (*BY_SERIES, "tanh"):
        low, high = max(low, -155), min(high, 130)
    count = 2_000 if name in BY_SERIES else 100_000
    rng = np.random.default_rng(0)
    near = rng.standard_normal(count) * np.exp2(rng.uniform(-60, 3, count))
    x = np.concatenate([np.linspace(low, high, count), rng.standard_normal(count), near]).astype(dtype)
    if low >= -1:
        scale = rng.uniform(-148 if dtype == np.float32 else -1070, 127, count)  # subnormal numbers, too
        x = np.concatenate([np.abs(x), -np.abs(x), np.exp2(scale).astype(dtype)])
        x = x[x > low]
    if low == -300 or name == "atan":  # large numbers of both signs, too
        scale = np.exp2(rng.uniform(7, 127, count)).astype(dtype)
        x = np.concatenate([x, scale, -scale, (np.arange(1, 2000) * (np.pi / 2)).astype(dtype)])
    if name in ("asin", "acos", "atanh"):
        x = x[np.abs(x) <= 1]
    with np.errstate(all="ignore"):
        wanted = exact(x.astype(WIDE))
        rounded = wanted.astype(dtype)
    got, finite = result(name, x), np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    error = np.abs(got[finite] - wanted[finite]) / np.spacing(np.abs(rounded[finite])).astype(WIDE)
    at = error.argmax()
    assert error[at] <= bounds[dtype == np.float64], f"{error[at]} at x = {x[finite][at]!r}"


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name, dtype):
    """Zeros with their signs, infinities, NaN, subnormal and huge numbers."""
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        series = BY_SERIES.get(name)
        wanted = np.array([series(v) for v in x]).astype(dtype) if series else FUNCTIONS[name][3](x)
        got = result(name, x)
    np.testing.assert_allclose(got, wanted, rtol=4 * np.finfo(dtype).eps)
    zeros = got == 0
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(wanted[zeros]))


@needs_numba
@needs_wide
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, bound, wide", [("pow", 1.0, np.power), ("atan2", 1.9, np.arctan2)])
def test_error_of_two_operands(name, bound, wide, dtype):
    """Of moderate numbers; of all sizes; and, for powers, near 1 with large exponents."""
    rng, count = np.random.default_rng(0), 100_000
    top = 120 if dtype == np.float32 else 1000
    size = np.exp2(rng.uniform(-top, top, count))
    x = np.concatenate([rng.standard_normal(count), rng.uniform(0.9, 1.1, count), size, np.full(count, 2.0**-149)])
    scale = np.concatenate(
        [np.full(count, 5), np.full(count, 2000), np.exp2(rng.uniform(-20, 3, count)), np.ones(count)]
    )
    y = rng.standard_normal(4 * count) * scale
    x, y = (np.abs(x) if name == "pow" else x).astype(dtype), y.astype(dtype)
    with np.errstate(all="ignore"):
        wanted = wide(x.astype(WIDE), y.astype(WIDE))
        rounded = wanted.astype(dtype)
    got, finite = result(name, x, y), np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    error = np.abs(got[finite] - wanted[finite]) / np.spacing(np.abs(rounded[finite])).astype(WIDE)
    at = error.argmax()
    assert error[at] <= bound, f"{error[at]} at {x[finite][at]!r}, {y[finite][at]!r}"


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, one", [("pow", np.power), ("atan2", np.arctan2)])
def test_special_values_of_two_operands(name, one, dtype):
    """Every pair of zeros, infinities, NaN, odd, even and broken numbers, the smallest and the largest."""
    limits = np.finfo(dtype)
    whole = [3.0, -3.0, 7.5, -7.5, 2.0**24 + 1, -(2.0**53) - 1]
    edges = [limits.tiny, limits.max, -limits.max, limits.smallest_subnormal, 1 - limits.epsneg, -1 - limits.eps]
    values = [*SPECIAL, *whole, *edges]
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(np.array(values), np.array(values)))
    with np.errstate(all="ignore"):
        wanted = one(x, y)
    got = result(name, x, y)
    np.testing.assert_allclose(got, wanted, rtol=4 * limits.eps, atol=limits.smallest_subnormal)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(wanted)]), np.signbit(wanted[~np.isnan(wanted)]))


# What formulas may say, beside what it means in NumPy.
STEPS = {
    "x0.sqrt()": np.sqrt,
    "x0.floor()": np.floor,
    "x0.ceil()": np.ceil,
    "x0.trunc()": np.trunc,
    "x0.rint()": np.rint,
    "x0**3": lambda x: x * x * x,
    "x0**-2": lambda x: 1 / (x * x),
    "3.0 / x0": lambda x: 3 / x,
    "x0**0": np.ones_like,
    "x0.minimum(x1)": lambda x, y: np.where((x == 0) & (y == 0), -(-x - y), np.minimum(x, y)),
    "x0.maximum(x1)": lambda x, y: np.where((x == 0) & (y == 0), x + y, np.maximum(x, y)),
    "x0.signed_as(x1)": np.copysign,
}
CONDITIONS = {
    "x0 == x1": np.equal,
    "x0 != x1": np.not_equal,
    "x0 >= x1": np.greater_equal,
    "x0 < x1": np.less,
    "x0 != x0": np.isnan,
    "(x0 > 0.0) & (x1 > 0.0)": lambda x, y: (x > 0) & (y > 0),
    "(x0 > 0.0) | (x1 > 0.0)": lambda x, y: (x > 0) | (y > 0),
    "(x0 > 0.0) ^ (x1 > 0.0)": lambda x, y: (x > 0) ^ (y > 0),
    "~((x0 > 0.0) | (x1 > 0.0))": lambda x, y: ~((x > 0) | (y > 0)),
}
STEPS |= {f"where({condition}, 1.0, 0.0)": wanted for condition, wanted in CONDITIONS.items()}


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("text", STEPS)
def test_steps_of_formulas(text, dtype):
    """Each against NumPy, to the bit, for every pair of special values and halves."""
    values = np.array([*SPECIAL, 2.5, -2.5, 1.5, 3.5, 0.3, -0.7]).astype(dtype)
    operands = [a.ravel() for a in np.meshgrid(values, values)][: 2 if "x1" in text else 1]
    with np.errstate(all="ignore"):
        expected = STEPS[text](*operands).astype(dtype)
    got = evaluated(text, *operands)
    np.testing.assert_array_equal(got, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


@needs_numba
@needs_wide
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_of_gelu(dtype):
    """Of the normal distribution and of gelu's slope, both of the size of 1: in ulp of 1."""
    from minitorch.ops.activation import gelu

    x = np.concatenate([np.linspace(-12, 12, 2_000), np.random.default_rng(0).standard_normal(2_000)]).astype(dtype)
    wide, root = x.astype(WIDE), np.sqrt(WIDE(0.5))
    normal = (1 + wide_erf(wide * root)) / 2
    slope = normal + wide * np.exp(-wide * wide / 2) * root / np.sqrt(WIDE(math.pi))
    got = gelu.rules[0](np.ones_like(x), x)
    ulp = np.finfo(dtype).eps
    assert np.abs(result("normal_cdf", x) - normal).max() <= 1.0 * ulp
    assert np.abs(got - slope).max() <= 1.5 * ulp


@needs_numba
@pytest.mark.parametrize("name", [*FUNCTIONS, "normal_cdf", "normal_density"])
def test_an_element_has_the_same_bits_in_any_array(name):
    """Alone, in the masked rest of an array, and in the middle of one that several threads share."""
    for dtype in (np.float32, np.float64):
        x = np.abs(np.random.default_rng(0).standard_normal(20_011)).astype(dtype)
        whole = result(name, x)
        for part in (slice(5, 6), slice(3, 16), slice(17, 500), slice(19_990, None)):
            np.testing.assert_array_equal(result(name, x[part].copy()), whole[part])
