"""Special functions: rows as in pointwise.py, and three functions of two numbers that NumPy computes by iteration.

Where a function has a power series and an expansion at infinity, both are taken with coefficients computed here from
their formulas; each head says how far they are from the truth in float64. Errors are relative, but for values near a
zero of the function, and were measured against 40 digits (tests/ops/test_special.py has a hundred of them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..autograd import Variable
from ..autograd.function import Function
from ..autograd.modes import is_grad_enabled
from ..dtypes import FLOATS
from . import activation, reduce
from .declare import binary, no_program, pointwise, unary
from .dims import no_tensor, number, whole
from .names import public
from .pointwise import (
    cos,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    round,
    sign,
    sin,
    sqrt,
    tan,
    where,
    xlogy,
)
from .promotion import as_floats, tensors_only

PI, ROOT_PI, HALF = math.pi, math.sqrt(math.pi), math.sqrt(0.5)


def _series(t: Any, coefficients: Sequence[float]) -> Any:
    """c[0] + c[1] t + c[2] t^2 ..., innermost first."""
    *rest, out = coefficients
    for c in reversed(rest):
        out = t * out + c
    return out


def _bernoulli(count: int) -> list[Fraction]:
    """B_2, B_4, ...: the sum of binomial(n + 1, k) B_k over k <= n is 0 for every n > 0."""
    b = [Fraction(1)]
    for n in range(1, 2 * count + 1):
        b.append(-sum((math.comb(n + 1, k) * b[k] for k in range(n)), Fraction(0)) / (n + 1))
    return b[2::2]


B2 = _bernoulli(12)


class _Stop(Function):
    """`out`, at which a backward pass stops with an error: nobody has a formula for the derivative by x."""

    @staticmethod
    def forward(ctx: Any, out: Any, x: Any, name: str) -> Any:
        """A copy of `out`."""
        ctx.name = name
        return out.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError(f"the derivative for '{ctx.name}' is not implemented.")


def stopped(name: str, out: Any, x: Any) -> Any:
    """`out`, without a derivative by x."""
    return _Stop.apply(out, x, name) if isinstance(x, Variable) and x.edge is not None and is_grad_enabled() else out


# ------------------------------------------------------------------------------------------------ zeta, polygamma
# Hurwitz's zeta(s, q), the sum of (q + k)^-s over k >= 0, by Euler and Maclaurin: eight terms, and with y = q + 8
#     y^-s (y / (s - 1) + 1/2 + sum over j >= 1 of B_2j / (2j)! s (s + 1) ... (s + 2j - 2) y^(1 - 2j)).
# Below 0 the terms of negative base are those of two more sums: with f the fraction of q and s even or odd,
#     zeta(s, q) = zeta(s, f) + (-1)^s (zeta(s, 1 - f) - zeta(s, 1 - q)).
def _zeta_above(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    out = q**-s
    for k in range(1, 8):
        out = out + (q + k) ** -s
    y = q + 8
    term, tail = s / y, 0.5 + y / (s - 1)
    for j, b in enumerate(B2[:10], 1):
        tail = tail + term * float(b / math.factorial(2 * j))
        term = term * ((s + (2 * j - 1)) / y * ((s + 2 * j) / y))
    last = y**-s
    return out + np.where(last == 0, 0, last * np.where(last == 0, 0, tail))


def _zeta(s: Any, q: Any) -> np.ndarray:
    dtype = np.result_type(s, q)
    s, q = np.asarray(s, dtype), np.asarray(q, dtype)
    below = q <= 0
    if not below.any():
        out = _zeta_above(s, q)
    else:
        s, q, below = np.broadcast_arrays(s, q, below)
        f = np.asarray(q - np.floor(q))
        out = np.asarray(_zeta_above(s, np.where(below, f, q)))
        sign = np.where(s % 2 == 0, 1.0, -1.0)
        mirrored = _zeta_above(s[below], 1 - f[below]) - _zeta_above(s[below], 1 - q[below])
        out[below] += (sign[below] * mirrored).astype(out.dtype)
        out = np.where(below & (s != np.floor(s)), np.nan, out)
        out = np.where(below & (f == 0), np.inf, out)
    return np.where(s < 1, np.nan, np.where(s == 1, np.inf, out)).astype(dtype)


zeta_of = binary("zeta", lambda x, y: _zeta(x, y), floating=True, vector=no_program, on="",
                 y=lambda g, x, y: g * (-x * zeta_of(x + 1.0, y)), doc="Hurwitz's zeta function.")


@public("zeta", on="s o")
def zeta(input: Any, other: Any) -> Any:
    """The sum of (other + k)^-input over k = 0, 1, ...; input may be a number. No derivative for `input`."""
    return stopped("zeta", zeta_of(input, other), input)


def _polygamma(x: Any, *, n: int) -> Any:
    if n == 0:
        return _digamma(x)
    with np.errstate(all="ignore"):
        return _zeta(np.asarray(n + 1.0, x.dtype), x) * x.dtype.type((-1) ** (n + 1) * float(math.factorial(n)))


polygamma_of = pointwise("polygamma", _polygamma, meet=as_floats, vector=no_program, on="",
                         x=lambda g, x, n: g * polygamma_of(x, n=n + 1), doc="A derivative of digamma.")


# digamma: psi(y) = log y - 1 / 2y - sum of B_2k / (2k y^2k) to k = 10 for y >= 8 (the rest: 3e-17). Below 8 y = p + 8,
# psi(p) = psi(y) - (1/p + ... + 1/(p + 7)), two at a time: with z = p (p + 7) is (p + k) (p + 7 - k) = z + k (7 - k).
# Below 0 the mirror image: psi(x) = psi(1 - x) - pi / tan(pi x). Error: 4e-16, absolute near its zeros.
_DIGAMMA = [float(b / (2 * k)) for k, b in enumerate(B2[:10], 1)]


def _digamma(x: Any) -> Any:
    p = where(x < 0, 1.0 - x, x)
    z = p * (p + 7.0)
    steps = (p * 2.0 + 7.0) * (1.0 / z + 1.0 / (z + 6.0) + 1.0 / (z + 10.0) + 1.0 / (z + 12.0))
    y = where(p < 8, p + 8.0, p)
    w = 1.0 / (y * y)
    out = log(y) - 0.5 / y - w * _series(w, _DIGAMMA) - where(p < 8, steps, 0.0)
    r = x - round(x)
    return where(x < 0, where(r == 0, math.nan, out - PI / tan(r * PI)), out)


digamma = unary("digamma", _digamma, least=1, names="digamma", on="T i t o", x=lambda g, x: g * trigamma(x),
                doc="The derivative of lgamma; NaN at negative integers, -inf at 0.")


# Its derivative by the same steps: psi'(y) = 1/y + 1 / 2y^2 + sum of B_2k / y^(2k+1), psi'(p) = psi'(y) + 1/p^2 + ... +
# 1/(p + 7)^2, and psi'(x) = (pi / sin(pi x))^2 - psi'(1 - x).
_TRIGAMMA = [float(b) for b in B2[:10]]


def _trigamma(x: Any) -> Any:
    p = where(x < 0, 1.0 - x, x)
    steps = 1.0 / (p * p)
    for k in range(1, 8):
        q = p + float(k)
        steps = steps + 1.0 / (q * q)
    y = where(p < 8, p + 8.0, p)
    inverse = 1.0 / y
    w = inverse * inverse
    out = inverse + 0.5 * w + inverse * w * _series(w, _TRIGAMMA) + where(p < 8, steps, 0.0)
    sine = sin((x - round(x)) * PI) * (1 / PI)
    return where(x < 0, 1.0 / (sine * sine) - out, out)


trigamma = unary("trigamma", _trigamma, least=1, on="", x=lambda g, x: g * polygamma_of(x, n=2),
                 doc="The derivative of digamma; inf at 0 and negative integers.")


@public("polygamma", on="t s o")
def polygamma(n: int, input: Any) -> Any:
    """The n-th derivative of digamma. Raises RuntimeError for n below 0."""
    if not isinstance(input, Variable):
        raise no_tensor("polygamma", "input", input)
    n = whole(n, "n")
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return digamma(input) if n == 0 else trigamma(input) if n == 1 else polygamma_of(input, n=n)


@public("polygamma", on="T i")
def polygamma_method(self: Any, n: int) -> Any:
    """The n-th derivative of digamma."""
    return polygamma(n, self)


# ------------------------------------------------------------------------------------------------ the gamma function
# Near its zeros: log gamma(2 + t) = (1 - C) t + sum over k >= 2 of (-1)^k (zeta(k) - 1) t^k / k, where zeta(k) - 1 is
# zeta(k, 2) and C Euler's constant; for |t| <= 1/2 30 terms leave 1e-20. gamma(x + 1) = x gamma(x) leads there from
# below 4.5. Above, Stirling: (y - 1/2) log y - y + log(2 pi) / 2 + sum of B_2k / (2k (2k - 1) y^(2k-1)) to k = 9,
# with y = x + 4 below 8.5. Below 0: log gamma(x) = log(pi / |sin(pi x)|) - log gamma(1 - x). Error: 1e-15, absolute
# near the zeros below 0.
_NEAR_2 = [0.0, 1 - 0.5772156649015329]
_NEAR_2 += [float((-1) ** k * _zeta(np.float64(k), np.float64(2)) / k) for k in range(2, 30)]
_STIRLING = [float(b / (2 * k * (2 * k - 1))) for k, b in enumerate(B2[:9], 1)]


def _stirling_rest(y: Any) -> Any:
    """log gamma(y) less the terms that grow, for y >= 8."""
    return _series(1.0 / (y * y), _STIRLING) / y


def _lgamma(x: Any) -> Any:
    p = where(x < 0, 1.0 - x, x)
    low, step = p < 1.5, p < 0.5
    t = where(p < 2.5, p - 2.0, where(p < 3.5, p - 3.0, p - 4.0))
    t = where(step, p, where(low, p - 1.0, t))
    up = where(step, p * (p + 1.0), where(low, p, 1.0))
    down = where(p < 2.5, 1.0, where(p < 3.5, p - 1.0, (p - 1.0) * (p - 2.0)))
    small = _series(t, _NEAR_2) + where(low, -log(up), log(down))
    y = where(p < 8.5, p + 4.0, p)
    z = p * (p + 3.0)
    large = (y - 0.5) * (log(y) - 1.0) + (_stirling_rest(y) + (0.5 * math.log(2 * PI) - 0.5))
    large = large - where(p < 8.5, log(where(p < 8.5, z * (z + 2.0), 1.0)), 0.0)
    out = where(p < 4.5, small, large)
    r = x - round(x)
    mirrored = math.log(PI) - log(abs(sin(r * PI))) - out
    return where(abs(x) == math.inf, math.inf, where(x < 0, mirrored, out))


lgamma = unary("lgamma", _lgamma, least=1, x=lambda g, x: g * digamma(x), doc="log |gamma(x)|.")


@public("mvlgamma", on="T i t o")
def mvlgamma(input: Any, p: int) -> Any:
    """log of the multivariate gamma function: p (p - 1) / 4 log pi + sum of lgamma(input - j / 2), j = 0 ... p - 1.

    Raises RuntimeError for p below 1.
    """
    if whole(p, "p") < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    out = lgamma(input) + p * (p - 1) / 4 * math.log(PI)
    for j in range(1, p):
        out = out + lgamma(input - j / 2)
    return out


# The regularised incomplete gamma functions, P + Q = 1. With d(a, x) = x^a e^-x / gamma(a + 1):
# P = d (1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ...), all terms positive, for x < a + 1; else Q by its continued
# fraction, a d / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))), from above. Both need about
# 6 sqrt(a) steps near x = a. From a = 8 log d is a (log(1 + m) - m) - log(sqrt(2 pi a)) less the rest of Stirling's
# sum, m = (x - a) / a, so that nothing large cancels near x = a. Error: 1e-14 to a = 1e4.
STEPS = 20_000


def _gamma_density(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    big = np.maximum(a, 8)
    m = (x - big) / big
    near = big * (np.log1p(m) - m) - 0.5 * np.log(2 * PI * big) - _stirling_rest(big)
    return np.exp(np.where(a < 8, a * np.log(x) - x - _lgamma(np.asarray(a + 1)), near))


def _lower_series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    term, total, n = np.ones_like(x), np.ones_like(x), a.copy()
    for _ in range(STEPS):
        n = n + 1
        term = term * (x / n)
        total = total + term
        if not (term > total * 1e-17).any():
            break
    return total * _gamma_density(a, x)


def _upper_fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Lentz's way: the fraction is the product of ratios c d, from its numerators c and denominators 1 / d."""
    b = x + 1 - a
    c, d = np.full_like(x, 1e300), 1 / b
    out = d
    for k in range(1, STEPS):
        b = b + 2
        numerator = k * (a - k)
        d, c = 1 / (b + numerator * d), b + numerator / c
        out = out * (c * d)
        if not (np.abs(c * d - 1) > 1e-16).any():
            break
    return out * a * _gamma_density(a, x)


def _incomplete(a: Any, x: Any, upper: bool) -> np.ndarray:
    dtype = np.result_type(a, x)
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out = np.full(x.shape, np.nan)
    known = (a >= 0) & (x >= 0) & ~((a == 0) & (x == 0)) & ~((a == math.inf) & (x == math.inf))
    ends = known & ((a == 0) | (x == 0) | (a == math.inf) | (x == math.inf))
    out[ends] = ((a == 0) | (x == math.inf))[ends] != upper
    known &= ~ends
    series = known & (x < a + 1)
    fraction = known & ~series
    low, high = _lower_series(a[series], x[series]), _upper_fraction(a[fraction], x[fraction])
    out[series], out[fraction] = (1 - low, high) if upper else (low, 1 - high)
    return out.astype(dtype)


def _density_slope(g: Any, x: Any, y: Any) -> Any:
    return g * exp((x - 1.0) * log(y) - y - lgamma(x))


def _floats_only(name: str) -> Callable:
    meet = tensors_only(name)

    def check(x: Any, y: Any) -> tuple:
        x, y = meet(x, y)
        if x.outline.dtype.kind not in FLOATS:
            raise NotImplementedError(f'"{name}_cpu" not implemented for integers and bools')
        return x, y

    return check


lower = binary("igamma", lambda x, y: _incomplete(x, y, False), meet=_floats_only("igamma"), vector=no_program, on="",
               y=_density_slope, doc="The regularised lower incomplete gamma function.")
upper = binary("igammac", lambda x, y: _incomplete(x, y, True), meet=_floats_only("igammac"), vector=no_program,
               on="", y=lambda g, x, y: -_density_slope(g, x, y), doc="1 - igamma.")


@public("igamma", on="T i t o")
def igamma(input: Any, other: Any) -> Any:
    """The integral of t^(input - 1) e^-t from 0 to `other`, divided by gamma(input). No derivative for `input`."""
    return stopped("igamma: input", lower(input, other), input)


@public("igammac", on="T i t o")
def igammac(input: Any, other: Any) -> Any:
    """1 - igamma(input, other), exact also where that is tiny. No derivative for `input`."""
    return stopped("igammac: input", upper(input, other), input)


# ------------------------------------------------------------------------------------------------ the bell curve
# erfcx = exp(x^2) erfc(x), where x^2 is split so that exp errs by its last bit only: h has 4 bits after the point,
# x^2 = h^2 + (x - h)(x + h). Above 8 its expansion at infinity: sum of (-1)^k (2k - 1)!! / (2 x^2)^k / (x sqrt(pi)),
# of which 15 terms leave 2e-16. Error: 1e-15.
_AT_INFINITY = [(-1) ** k * math.prod(range(1, 2 * k, 2)) / 2**k / ROOT_PI for k in range(16)]


def _erfcx(x: Any) -> Any:
    s = where(x > 8, 8.0, where(x < -30, -30.0, x))
    h = round(s * 16.0) * 0.0625
    near = exp(h * h) * exp((s - h) * (s + h)) * erfc(s)
    inverse = 1.0 / where(x > 8, x, 8.0)
    return where(x > 8, inverse * _series(inverse * inverse, _AT_INFINITY), near)


erfcx = unary("erfcx", _erfcx, least=1, on="s o", x=lambda g, x, out: g * (x * out * 2.0 - 2 / ROOT_PI),
              doc="exp(x^2) erfc(x), without overflow for large x.")


# Inverses: the z >= 0 with erf(z) = x and erfc(z) = y, of which y = 1 - x is given exactly. Winitzki's approximation
# z^2 = sqrt(h^2 - L / a) - h, L = log(1 - x^2), h = 2 / (pi a) + L / 2, a = 0.147, errs by 2e-3 at most (to y =
# 1e-300, tried); Halley's step z - u / (1 + u z), u = f / f' with f'' / f' = -2 z, cubes that: two steps are enough
# where y > 1e-20, three below. Error: 2e-16.
def _inverse(x: Any, y: Any, steps: int) -> Any:
    ell = log(y * (2.0 - y))
    h = ell * 0.5 + 2 / (PI * 0.147)
    root = sqrt(h * h - ell * (1 / 0.147))
    z = sqrt(where(h > 0, ell * (-1 / 0.147) / (root + h), root - h))
    for _ in range(steps):
        u = where(x < 0.5, erf(z) - x, y - erfc(z)) * exp(z * z) * (ROOT_PI / 2)
        z = z - u / (u * z + 1.0)
    return where(y == 0, math.inf, z)


def _erfinv(x: Any) -> Any:
    z = _inverse(abs(x), 1.0 - abs(x), 2)
    return where(x < 0, -z, z)


def _ndtri(x: Any) -> Any:
    tail = where(x < 0.5, x, 1.0 - x)
    z = _inverse(1.0 - tail * 2.0, tail * 2.0, 3) * math.sqrt(2)
    return where(x < 0.5, -z, z)


erfinv = unary("erfinv", _erfinv, least=1, x=lambda g, out: g * (exp(out * out) * (ROOT_PI / 2)),
               doc="The number whose erf is x; NaN beyond -1 and 1.")
ndtri = unary("ndtri", _ndtri, least=1, on="s o", x=lambda g, out: g * (exp(out * out * 0.5) * math.sqrt(2 * PI)),
              doc="The number whose ndtr is x.")
ndtr = unary("ndtr", lambda x: erfc(x * -HALF) * 0.5, least=1, on="s o",
             x=lambda g, x: g * (exp(x * x * -0.5) * (1 / math.sqrt(2 * PI))),
             doc="The share of the normal distribution below x, exact also where that is tiny.")
log_ndtr = unary("log_ndtr", lambda x: where(x < -1, log(erfcx(where(x < -1, x, -1.0) * -HALF) * 0.5) - x * x * 0.5,
                                             log1p(erfc(where(x < -1, -1.0, x) * HALF) * -0.5)), least=1, on="s o",
                 x=lambda g, x: g * math.sqrt(2 / PI) / erfcx(x * -HALF), doc="log(ndtr(x)), without underflow.")

# ------------------------------------------------------------------------------------------------ Bessel functions
# I_n(x) = (x/2)^n sum of (x^2/4)^k / (k! (n + k)!): no cancellation; to |x| = 18 35 terms leave 1e-17. Beyond,
# e^x / sqrt(2 pi x) times the sum of (-1)^k (m - 1^2)(m - 3^2) ... (m - (2k - 1)^2) / (k! (8x)^k), m = 4 n^2, of
# which 28 terms leave 1e-16. Error: 2e-15.
_BORDER = 18.0


def _bessel_tables(n: int) -> tuple[list[float], list[float]]:
    near = [1 / (math.factorial(k) * math.factorial(k + n)) for k in range(36)]
    far = [
        math.prod((2 * j - 1) ** 2 - 4 * n * n for j in range(1, k + 1)) / (math.factorial(k) * 8**k) for k in range(29)
    ]
    return near, far


_TABLES = [_bessel_tables(n) for n in range(2)]


def _bessel(x: Any, n: int, scaled: bool) -> Any:
    """I_n(|x|), with `scaled` times exp(-|x|)."""
    size = abs(x)
    near, far = _TABLES[n]
    s = where(size < _BORDER, size, _BORDER)
    w = 1.0 / where(size < _BORDER, _BORDER, size)
    power = _series(s * s * 0.25, near)
    power = power * (s * 0.5) if n else power
    expansion = sqrt(w * (0.5 / PI)) * _series(w, far)
    if scaled:
        return where(size < _BORDER, power * exp(-s), expansion)
    half = exp(size * 0.5)  # in two steps, so that what is finite in the end does not overflow before
    return where(size < _BORDER, power, where(size < math.inf, half * (half * expansion), size))


def _odd(x: Any, size: Any) -> Any:
    return where(x < 0, -size, size)


def _over(y: Any, x: Any) -> Any:
    """I_1 / x, 1/2 at 0."""
    return where(x == 0, 0.5, y / where(x == 0, 1.0, x))


i0 = unary("i0", lambda x: _bessel(x, 0, False), least=1, x=lambda g, x: g * i1(x),
           doc="The modified Bessel function of the first kind, of order 0.")
i0e = unary("i0e", lambda x: _bessel(x, 0, True), least=1, on="s o", x=lambda g, x, out: g * (i1e(x) - sign(x) * out),
            doc="exp(-|x|) i0(x).")
i1 = unary("i1", lambda x: _odd(x, _bessel(x, 1, False)), least=1, on="s o",
           x=lambda g, x, out: g * (i0(x) - _over(out, x)),
           doc="The modified Bessel function of the first kind, of order 1.")
i1e = unary("i1e", lambda x: _odd(x, _bessel(x, 1, True)), least=1, on="s o",
            x=lambda g, x, out: g * (i0e(x) - sign(x) * out - _over(out, x)), doc="exp(-|x|) i1(x).")


# ------------------------------------------------------------------------------------------------ logarithms, sinc
def _entr(x: Any) -> Any:
    return where(x == 0, 0.0, where(x < 0, -math.inf, -x * log(x)))


entr = unary("entr", _entr, on="s o", x=lambda g, x: -g * (log(x) + 1.0),
             doc="-x log(x), 0 at 0 and -inf below.")
xlog1py = binary("xlog1py", lambda x, y: where((x == 0) & (y == y), 0.0, x * log1p(y)), floating=True, on="s o",
                 x=lambda g, x, y: g * where((x == 0) & (y <= -1), 0.0, log1p(y)),
                 y=lambda g, x, y: g * x / (y + 1.0), doc="x log(1 + y), 0 where x is 0.")
logit_of = unary("logit", lambda x: log(x / (1.0 - x)), on="",
                 x=lambda g, x: where((x < 0) | (x > 1), math.nan, g / (x * (1.0 - x))), doc="log(x / (1 - x)).")


def _limited(x: Any, low: float, high: float) -> Any:
    return where(x > high, high, where(x < low, low, x))


def _logit_slope(g: Any, x: Any, low: float, high: float) -> Any:
    z = _limited(x, low, high)
    return where((x < low) | (x > high), 0.0, g / (z * (1.0 - z)))


def _limited_logit(x: Any, *, low: float, high: float) -> Any:
    z = _limited(x, low, high)
    return log(z / (1.0 - z))


logit_within = pointwise("logit_within", _limited_logit, meet=as_floats, on="", x=_logit_slope,
                         doc="logit of x, limited to [low, high] first.")


@public("logit", on="T i t s o")
def logit(input: Any, eps: float | None = None) -> Any:
    """log(input / (1 - input)); with eps, input is limited to [eps, 1 - eps] first."""
    eps = None if eps is None else number("logit", "eps", eps)
    if eps is None or eps < 0:
        return logit_of(input)
    return logit_within(input, low=eps, high=1 - eps)


# The slope of sin(pi x) / (pi x) near 0 is its series, so that its derivatives are right there, too: the sum of (-1)^k
# pi^2k 2k / (2k + 1)! x^(2k-1), of which 12 terms leave 1e-17 below 1/2.
_SINC = [(-1) ** k * PI ** (2 * k) * 2 * k / math.factorial(2 * k + 1) for k in range(1, 13)]


def _sinc(x: Any) -> Any:
    angle = where(x == 0, 1.0, x) * PI
    return where(x == 0, 1.0, sin(angle) / angle)


def _sinc_slope(g: Any, x: Any) -> Any:
    near = abs(x) < 0.5
    far = where(near, 0.5, x)
    angle = far * PI
    small = where(near, x, 0.0)
    return g * where(near, small * _series(small * small, _SINC), (cos(angle) - sin(angle) / angle) / far)


sinc = unary("sinc", _sinc, least=1, x=_sinc_slope, doc="sin(pi x) / (pi x), 1 at 0.")

# ------------------------------------------------------------------------------------------------ names
# What PyTorch has in torch.special beside those declared there: the same functions, by two names.
for _names, _function in (
    ("erf", erf), ("erfc", erfc), ("erfinv", erfinv), ("exp2", exp2), ("expm1", expm1), ("log1p", log1p),
    ("sinc", sinc), ("xlogy", xlogy), ("round", round), ("expit", activation.sigmoid), ("digamma psi", digamma),
    ("gammaln", lgamma), ("i0 modified_bessel_i0", i0), ("modified_bessel_i1", i1),
):
    public(_names, "s")(_function)
for _name, _function in (
    ("multigammaln", mvlgamma), ("gammainc", igamma), ("gammaincc", igammac), ("softmax", reduce.softmax),
    ("log_softmax", reduce.log_softmax), ("logsumexp", reduce.logsumexp),
):
    public(_name, "s o")(_function)
