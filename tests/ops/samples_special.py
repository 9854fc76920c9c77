"""Rows of ops/special.py and ops/arithmetic.py, imported at the end of samples.py.

The formulas say what a function is in another way than the code: integrals by quadrature, Python's math module.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from samples import INF, NAN, ODD, Draw, S, m, registry, row

BELL = NormalDist()


def integral(f: Callable, low: float, high: float, nodes: int = 400) -> np.ndarray:
    """Of f(t) by Gauss and Legendre; f gets the nodes along a last axis and its values are summed along it."""
    t, w = np.polynomial.legendre.leggauss(nodes)
    half = (high - low) / 2
    return (f(low + half * (t + 1)) * w).sum(-1) * half


def each(f: Callable) -> Callable:
    """f of single numbers, for arrays."""
    return np.vectorize(f, otypes=[np.float64])


def polygamma(x: np.ndarray, n: int) -> np.ndarray:
    """(-1)^(n+1) times the integral of t^n e^-xt / (1 - e^-t)."""
    x = x[..., None]
    return (-1) ** (n + 1) * integral(lambda t: t**n * np.exp(-x * t) / -np.expm1(-t), 0, 80)


def digamma(x: np.ndarray) -> np.ndarray:
    """Binet's integral."""
    at = x[..., None]
    return np.log(x) - 0.5 / x - 2 * integral(lambda t: t / ((t * t + at * at) * np.expm1(2 * np.pi * t)), 0, 8)


def zeta(x: np.ndarray, y: Any) -> np.ndarray:
    """1 / gamma(x) times the integral of t^(x-1) e^-yt / (1 - e^-t), t = u^2."""
    s, q = np.broadcast_arrays(x, y)
    gamma, s, q = each(math.gamma)(s), s[..., None], q[..., None]
    return integral(lambda u: 2 * u ** (2 * s - 1) * np.exp(-q * u * u) / -np.expm1(-u * u), 0, 9) / gamma


def igamma(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The integral of t^(a-1) e^-t from 0 to x over gamma(a), t = x u^2."""
    a, x = np.broadcast_arrays(a, x)
    gamma, a, x = each(math.gamma)(a), a[..., None], x[..., None]
    return integral(lambda u: 2 * x**a * u ** (2 * a - 1) * np.exp(-x * u * u), 0, 1) / gamma


def bessel(x: np.ndarray, order: int) -> np.ndarray:
    """1 / pi times the integral of exp(x cos t) cos(order t) from 0 to pi."""
    at = np.asarray(x)[..., None]
    return integral(lambda t: np.exp(at * np.cos(t)) * np.cos(order * t), 0, np.pi) / np.pi


UNARY: dict[str, tuple] = {  # the interval of arguments, the formula, arguments at which nothing is differentiated
    "lgamma": (0.3, 12, each(math.lgamma), [-0.5, -3.25, 1.0, 2.0, 0.0, -2.0, INF, -INF, NAN, 1e10, 1e-20]),
    "digamma": (0.6, 12, digamma, []),
    "trigamma": (0.6, 9, lambda x: polygamma(x, 1), []),
    "erfcx": (-2, 4, each(lambda x: math.exp(x * x) * math.erfc(x)), [6.0, 8.0]),
    "erfinv": (-0.95, 0.95, each(lambda x: BELL.inv_cdf((x + 1) / 2) / math.sqrt(2)), []),
    "ndtri": (0.03, 0.97, each(BELL.inv_cdf), []),
    "ndtr": (-3, 3, each(BELL.cdf), [INF, -INF, NAN]),
    "log_ndtr": (-3, 3, each(lambda x: math.log(math.erfc(-x * math.sqrt(0.5)) / 2)), [-20.0, 8.0]),
    "i0": (-5, 5, lambda x: bessel(x, 0), [0.0, 17.9, 18.1, -40.0]),
    "i0e": (-5, 5, lambda x: bessel(x, 0) * np.exp(-abs(x)), [0.0, 17.9, 18.1, -40.0]),
    "i1": (-5, 5, lambda x: bessel(x, 1), [0.0, 17.9, 18.1, -40.0]),
    "i1e": (-5, 5, lambda x: bessel(x, 1) * np.exp(-abs(x)), [0.0, 17.9, 18.1, -40.0]),
    "entr": (0.1, 4, lambda x: np.where(x == 0, 0, np.where(x < 0, -INF, np.log(x) * -x)), [0.0, -1.0, INF, NAN]),
    "logit": (0.1, 0.9, lambda x: 2 * np.arctanh(2 * x - 1), [0.0, 1.0, -0.5, NAN]),
    "sinc": (-3, 3, np.sinc, [0.0, 1.0, NAN]),
    "deg2rad": (-400, 400, np.deg2rad, [INF, NAN]),
    "rad2deg": (-4, 4, np.rad2deg, [INF, NAN]),
}
for _name, (_low, _high, _formula, _special) in UNARY.items():
    row(
        _name,
        lambda n, low=_low, high=_high, special=_special: [
            S(n.between(low, high, 2, 3)),
            S(n.between(low, high)),
            *([S(special, special=True)] if special else []),
            S(n(0, 3)),
        ],
        lambda x, f=_formula: f(x) if x.size else x,
        errors=[(lambda op=registry[_name]: op(0.5), TypeError, "must be a Tensor")],
    )
row(
    "logit_within",
    lambda n: [
        S(n.between(0.3, 0.7, 2, 3), low=0.25, high=0.75),
        S(
            np.concatenate([n.between(0.01, 0.2, 2), n.between(0.3, 0.7, 2), n.between(0.9, 1.3, 2)]),
            low=0.25,
            high=0.75,
        ),
        S([0.25, 0.75, NAN, -1.0], low=0.25, high=0.75, special=True),
        S(n(0, 3), low=0.25, high=0.75),
    ],
    lambda x, low, high: 2 * np.arctanh(2 * np.clip(x, low, high) - 1),
    errors=[(lambda: m.logit(0.5, 0.1), TypeError, "must be a Tensor")],
)
row(
    "polygamma",
    lambda n: [S(n.between(0.6, 9, 2, 3), n=1), S(n.between(0.6, 3, 4), n=2), S(n.between(1, 5), n=4), S(n(0, 2), n=1)],
    polygamma,
    errors=[
        (lambda: m.polygamma(-1, m.ones(2)), RuntimeError, "does not support negative n"),
        (lambda: m.polygamma(1.5, m.ones(2)), TypeError, "int"),
        (lambda: m.mvlgamma(m.ones(2), 0), RuntimeError, "p has to be greater than or equal to 1"),
    ],
)


def mismatched(op: Callable) -> tuple:
    """Shapes that do not broadcast."""
    return (lambda: op(m.ones(2), m.ones(3)), RuntimeError, "must match the size of tensor")


def below(n: Draw, low: float, high: float) -> list:
    """A first operand of float32, which has no rule, and a second one that has; broadcast either way."""
    return [
        S(n.integers(1, 5, 2, 3) + 0.5, n.between(low, high, 3), tolerance=1e-6),
        S(n.integers(1, 5, 3) + 0.5, n.between(low, high, 2, 1)),
        S(n(0, 3), n(3)),
    ]


row("zeta", lambda n: below(n, 0.5, 4), lambda x, y: zeta(x, y) if x.size else x, errors=[mismatched(m.special.zeta)])
row("igamma", lambda n: below(n, 0.2, 6), lambda x, y: igamma(x, y) if x.size else x, errors=[mismatched(m.igamma)])
row(
    "igammac",
    lambda n: below(n, 0.2, 6),
    lambda x, y: 1 - igamma(x, y) if x.size else x,
    errors=[mismatched(m.igammac)],
)
row(
    "xlog1py",
    lambda n: [
        S(n(2, 3), n.between(-0.8, 4, 3)),
        S(n(2, 1), n.between(0.1, 4)),
        S([0.0, 0.0, 0.0, 2.0], [-1.0, NAN, -3.0, -1.0], special=True),
        S(n(0, 3), n(3)),
    ],
    lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log1p(y)),
    errors=[mismatched(m.special.xlog1py)],
)

# ------------------------------------------------------------------------------------------------ ops/arithmetic.py
for _name in ("fmax", "fmin"):
    row(
        _name,
        lambda n: [
            S(n.apart(2, 3), n.apart(3) + 0.05),
            S(n.apart(2, 1), n.apart(2, 3) + 0.05),
            S([1.0, NAN, 2.0, NAN, INF], [NAN, 1.0, 2.0, NAN, -INF], special=True),
            S(n(0, 3), n(3)),
        ],
        lambda x, y, pick=_name: np.where(np.isnan(y) | (x == y) | ((x > y) == (pick == "fmax")) & ~np.isnan(x), x, y),
        errors=[mismatched(registry[_name]), (lambda op=registry[_name]: op(m.ones(2), 1.0), TypeError, "`other`")],
    )
row(
    "logaddexp2",
    lambda n: [
        S(n(2, 3), n(3)),
        S(n(2, 1), n()),
        S([INF, NAN, 1e3, -INF], [1.0, 1.0, 1e3, -INF], special=True),
        S(n(0, 3), n(3)),
    ],
    lambda x, y: np.maximum(x, y) + np.where(x == y, 1, np.log(1 + 2 ** -abs(x - y)) / np.log(2)),
    errors=[mismatched(m.logaddexp2)],
)
row(
    "nextafter",
    lambda n: [
        S(n.apart(2, 3), n.apart(3) + 0.05),
        S(n.apart(2, 1), n()),
        S([1.0, NAN, INF], [1.0, 1.0, 0.0], special=True),
        S(n(0, 3), n(3)),
    ],
    lambda x, y: np.where(
        np.isnan(x * y),
        NAN,
        np.where(
            x == y,
            x,
            np.where(
                np.isinf(x),
                np.finfo(x.dtype).max,
                x + np.spacing(x) * np.where(abs(x) == abs(x), np.sign(y - x) * np.sign(x), 0),
            ),
        ),
    ),
    errors=[mismatched(m.nextafter)],
)
BLENDS: dict[str, tuple] = {
    "addcmul": (lambda x, a, b, value=1: x + a * b * value, {"value": -2.5}),
    "addcdiv": (lambda x, a, b, value=1: x + value * (a / b), {"value": 0.75}),
    "lerp": (lambda x, a, b: (1 - b) * x + a * b, {}),
}
for _name, (_formula, _settings) in BLENDS.items():
    row(
        _name,
        lambda n, settings=_settings: [
            S(n(2, 3), n(3), n.apart(2, 1) + 2.0, **settings),
            S(n(3), n(2, 1), n.apart(2, 3) + 0.02),
            S(n(), n(), n.apart(1) * 0.1),
            S(n(0, 3), n(3), n.apart(1), **settings),
        ],
        _formula,
        errors=[
            (lambda op=registry[_name]: op(m.ones(2), m.ones(3), m.ones(1)), RuntimeError, "must match the size"),
            (lambda op=registry[_name]: op(m.ones(2), 1.0, m.ones(1)), TypeError, "must be a Tensor"),
            (lambda op=registry[_name]: op(m.ones(2), m.ones(2)), TypeError, "but was given 2"),
        ],
    )
row(
    "heaviside",
    lambda n: [
        S(n(2, 3), n(3)),
        S([0.0, -0.0, NAN, INF, -1.0], [0.5, NAN, 1.0, 1.0, 1.0]),
        S(n.integers(-1, 2, 3), n.integers(2, 5, 1)),
        S(n(0, 3), n(3)),
    ],
    lambda x, y: np.choose(
        1 + np.sign(np.nan_to_num(x, nan=-1.0)).astype(int),
        [np.zeros_like(y + x), y + 0 * np.nan_to_num(x, nan=0.0, posinf=0), np.ones_like(y + x)],
    ).astype(x.dtype),
    errors=[(lambda: m.heaviside(m.ones(2), m.ones(2).double()), RuntimeError, "different dtypes")],
)
row(
    "nan_to_num",
    lambda n: [
        S(n(2, 3), nan=1.5, posinf=2.0, neginf=-3.0),
        S([INF, -INF, NAN, 1.0], nan=1.5, posinf=2.0, neginf=-3.0, special=True),
        S(n(0, 3), nan=0.0, posinf=1.0, neginf=1.0),
    ],
    lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
)
row(
    "ldexp",
    lambda n: [
        S(n(2, 3), n.integers(-3, 4, 2, 3).astype(np.int32)),
        S(n(), np.int32(3) * np.ones((), np.int32)),
        S(n(0, 3), n.integers(0, 2, 0, 3).astype(np.int32)),
    ],
    lambda x, by: x * 2.0**by,
    linear=True,
)
for _name, _formula in (
    ("signbit", lambda x: np.copysign(1.0, x) < 0),
    ("isposinf", lambda x: x > np.finfo(np.float64).max),
    ("isneginf", lambda x: x < np.finfo(np.float64).min),
    ("isreal", lambda x: (x == x) | True),
):
    row(_name, lambda n: [S(ODD), S(n.integers(-1, 2, 2, 3)), S(n(0, 3))], _formula, kept=False)
for _name, _formula in (
    ("gcd", each(math.gcd)),
    ("lcm", each(math.lcm)),
    ("bitwise_left_shift", lambda x, y: x * 2**y),
    ("bitwise_right_shift", lambda x, y: x // 2**y),
):
    row(
        _name,
        lambda n: [
            S(n.integers(-20, 20, 2, 3), n.integers(0, 9, 3)),
            S(n.integers(0, 16, 4), n.integers(1, 2, 1)),
            S(n.integers(0, 9, 0, 2), n.integers(0, 9, 2)),
        ],
        lambda x, y, f=_formula: f(x, y).astype(np.int64) if (x + y).size else x + y,
        kept=False,
        errors=[
            (lambda op=registry[_name]: op(m.ones(2).long(), m.ones(3).long()), RuntimeError, "must match the size"),
            (lambda op=registry[_name]: op(m.ones(2), m.ones(2)), NotImplementedError, "float32"),
            (lambda op=registry[_name]: op(m.ones(2).bool(), m.ones(2).bool()), NotImplementedError, "bool"),
        ],
    )
