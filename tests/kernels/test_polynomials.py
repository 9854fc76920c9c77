"""The element-by-element functions in units of the last place (ulp), against NumPy in extended precision."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from minitorch import kernels

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


# The largest error in ulp, float32 and float64; the domain; and the function in extended precision.
FUNCTIONS = {
    "exp": (0.8, 0.8, (-760, 720), np.exp),
    "expm1": (1.7, 1.8, (-50, 720), np.expm1),
    "log": (0.9, 0.9, (0, 100), np.log),
    "log1p": (0.9, 0.9, (-1, 100), np.log1p),
    "tanh": (2.1, 2.3, (-25, 25), np.tanh),
    "sigmoid": (1.8, 1.8, (-750, 50), lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (1.6, 1.6, (-750, 50), lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    "erf": (1.6, 1.2, (-6.5, 6.5), wide_erf),
}
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 1e-310, -1e-310, 800.0, -800.0, 3e38, -3e38]


def result(name, x):
    """What the kernel gives."""
    out = np.empty_like(x)
    getattr(kernels, name)(x, out)
    return out


@needs_numba
@needs_wide
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_units_of_the_last_place(name, dtype):
    """Over the whole domain, near zero, and in numbers of every size."""
    *bounds, (low, high), exact = FUNCTIONS[name]
    if dtype == np.float32 and name not in ("erf", "tanh"):
        low, high = max(low, -110), min(high, 90)
    count = 2_000 if name == "erf" else 100_000
    rng = np.random.default_rng(0)
    near = rng.standard_normal(count) * np.exp2(rng.uniform(-60, 3, count))
    x = np.concatenate([np.linspace(low, high, count), rng.standard_normal(count), near]).astype(dtype)
    if low >= -1:
        scale = rng.uniform(-148 if dtype == np.float32 else -1070, 127, count)  # subnormal numbers, too
        x = np.concatenate([np.abs(x), -np.abs(x), np.exp2(scale).astype(dtype)])
        x = x[x > low]
    with np.errstate(all="ignore"):
        wanted = exact(x.astype(WIDE))
        rounded = wanted.astype(dtype)
    got, finite = result(name, x), np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    error = np.abs(got[finite] - wanted[finite]) / np.spacing(np.abs(rounded[finite])).astype(WIDE)
    assert error.max() <= bounds[dtype == np.float64], f"at x = {x[finite][error.argmax()]!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name, dtype):
    """Zeros with their signs, infinities, NaN, subnormal and huge numbers."""
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        wanted = np.array([math.erf(v) for v in x]).astype(dtype) if name == "erf" else FUNCTIONS[name][3](x)
        got = result(name, x)
    np.testing.assert_allclose(got, wanted, rtol=4 * np.finfo(dtype).eps)
    zeros = got == 0
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(wanted[zeros]))


@needs_numba
@needs_wide
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_of_gelu(dtype):
    """Of gelu(x) / x and of the slope, both of the size of 1: in ulp of 1."""
    x = np.concatenate([np.linspace(-12, 12, 2_000), np.random.default_rng(0).standard_normal(2_000)]).astype(dtype)
    wide, root = x.astype(WIDE), np.sqrt(WIDE(0.5))
    normal = (1 + wide_erf(wide * root)) / 2
    slope = normal + wide * np.exp(-wide * wide / 2) * root / np.sqrt(WIDE(math.pi))
    got = np.empty_like(x)
    kernels.gelu_grad(np.ones_like(x), x, got)
    ulp = np.finfo(dtype).eps
    assert np.abs(result("gelu", x) / wide - normal).max() <= 1.0 * ulp
    assert np.abs(got - slope).max() <= 1.5 * ulp


@needs_numba
@pytest.mark.parametrize("name", [*FUNCTIONS, "gelu", "gelu_tanh", "silu"])
def test_an_element_has_the_same_bits_in_any_array(name):
    """Alone, in the masked rest of an array, and in the middle of one that several threads share."""
    for dtype in (np.float32, np.float64):
        x = np.abs(np.random.default_rng(0).standard_normal(20_011)).astype(dtype)
        whole = result(name, x)
        for part in (slice(5, 6), slice(3, 16), slice(17, 500), slice(19_990, None)):
            np.testing.assert_array_equal(result(name, x[part].copy()), whole[part])
