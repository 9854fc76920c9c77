"""exp, log, tanh, erf and their kin as formulas for vector registers (see vector.py).

numba has no vector exp, and calling the C library element by element costs 5 to 20 ns. The formulas are free of
branches, and of operations that LLVM may reorder.

How the coefficients were made: each function is brought to a short interval by exact steps; there the rest is fitted
by a polynomial of least largest *relative* error of the function (weighted least squares in 80 digits, reweighted
by the error until it is level: Lawson's algorithm). The fits are good to 2^-27 (float32) and 2^-57 (float64),
so that what is left is rounding: see tests/kernels/test_polynomials.py for the error in units of the last place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch.kernels.words.vector import Vector, choose


def polynomial(x: Vector, coefficients: tuple[float, ...]) -> Vector:
    """The sum of coefficients[k] * x^k, by Horner's rule."""
    out = x.like(coefficients[-1])
    for c in coefficients[-2::-1]:
        out = out.fma(x, c)
    return out


LN2 = 0.6931471805599453094172321214581765680755
# The leading bits of log(2), so few that a multiple by any exponent is exact, and the rest.
LN2_HIGH = {23: 0.693145751953125, 52: 0.6931471805598903}
LN2_LOW = {23: 1.428606820309417e-06, 52: 5.497923018708371e-14}


# ------------------------------------------------------------------------------------------------ exponentials
# exp(x) = 2^n exp(r) with n = round(x / log 2) and |r| <= log(2) / 2, and exp(r) = 1 + r + r^2 q(r).
EXP = {
    23: (0.5000000062233005, 0.1666654253707736, 0.041666280834242515, 0.008366644761331383,
         0.001394653882415274),
    52: (0.5000000000000003, 0.16666666666666682, 0.041666666666589684, 0.008333333333316113,
         0.0013888888928472575, 0.00019841269900105164, 2.480150820717156e-05, 2.755723029713215e-06,
         2.762507524614825e-07, 2.5113802561463107e-08),
}


def _reduce(x: Vector) -> tuple[Vector, Vector, Vector]:
    """n, a whole number; r; and the rest of exp(r) - 1 with what the rounding of r lost."""
    magic = 1.5 * 2.0**x.digits  # pushes the fraction out of the register
    n = x.fma(1 / LN2, magic) - magic
    exact = n.fma(-LN2_HIGH[x.digits], x)
    r = n.fma(-LN2_LOW[x.digits], exact)
    lost = n.fma(-LN2_LOW[x.digits], exact - r)
    return n, r, (r * r).fma(polynomial(r, EXP[x.digits]), lost)


def _powers(n: Vector) -> tuple[Vector, Vector]:
    """Two factors whose product is 2^n, for n from twice the least to twice the largest exponent."""
    bias, digits = n.bits_of(1.0) >> n.digits, n.digits
    magic = 1.5 * 2.0**digits
    whole = (n + magic).bits().minus(n.bits_of(magic) - 2 * bias)  # n + 2 bias, not negative
    half = whole.right(1)
    return half.left(digits).floats(), whole.minus(half).left(digits).floats()


def exp(x: Vector) -> Vector:
    """e to the power x; by two factors 2^k, so that subnormal results are right, too."""
    low, high = (-104.0, 89.0) if x.digits == 23 else (-746.0, 710.0)  # beyond: 0 and infinity
    inside = choose(x > high, high, choose(x < low, low, x))
    n, r, rest = _reduce(inside)
    first, second = _powers(n)
    near = r + 1.0
    return (near + ((r - (near - 1.0)) + rest)) * first * second


def exp_falling(x: Vector, inside: Vector | None = None) -> Vector:
    """exp(x) for x that are not positive, in half the time; 0 where `inside` fails or it is no normal number."""
    magic = 1.5 * 2.0**x.digits
    shifted = x.fma(1 / LN2, magic)  # its last bits are the whole number n
    n = shifted - magic
    r = n.fma(-LN2_LOW[x.digits], n.fma(-LN2_HIGH[x.digits], x))
    near = polynomial(r, (1.0, 1.0, *EXP[x.digits]))
    normal = x > (-87.0 if x.digits == 23 else -708.0)
    return choose(inside or normal, near.bits().plus(shifted.bits().left(x.digits)).floats(), 0.0)


def expm1(x: Vector) -> Vector:
    """exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1), of which half is computed: 2^(n-1) does not overflow."""
    low, high = (-18.0, 89.0) if x.digits == 23 else (-38.0, 710.0)  # beyond: -1 and infinity
    inside = choose(x > high, high, choose(x < low, low, x))
    n, r, rest = _reduce(inside)
    first, second = _powers(n - 1.0)
    half = first * second
    return choose(abs(x) < 2.0 ** -(x.digits + 2), x, half.fma(r + rest, half - 0.5) * 2.0)


def _ratio(x: Vector, whole: float, y: Vector) -> Vector:
    """x / (whole + y), where the sum lies between 1 and 2; what its rounding loses is put back, to first order."""
    total = y + whole
    lost = y - (total - whole)
    out = x / total
    return out.fma(lost * (total * 0.5 - 1.5), out)  # 1 / total is about 1.5 - total / 2


def tanh(x: Vector) -> Vector:
    """-t / (2 + t) with t = exp(-2|x|) - 1, and the sign of x."""
    t = expm1(abs(x) * -2.0)
    return _ratio(t, 2.0, t).signed_as(x)


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)); exp is only taken of -|x|."""
    e = exp(-abs(x))
    return _ratio(choose(x < 0.0, e, 1.0), 1.0, e)


# ------------------------------------------------------------------------------------------------ logarithms
# x = 2^e (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). With s = f / (2 + f) and h = f^2 / 2,
#     log(1 + f) = 2 atanh(s) = 2s + s R(s^2),   2s = f - s f,   s f = h - s h
# and so log(1 + f) = f - (h - s (h + R)): f is exact, and what is subtracted from it is smaller. R(z) = z t(z).
LOG = {
    23: (0.6666677898563577, 0.3997597837395893, 0.2992843941417304),
    52: (0.6666666666666711, 0.39999999999513836, 0.28571428730928683, 0.2222219889754886, 0.18183582592196548,
         0.15312861255316496, 0.1481371717472282),
}  # fmt: skip


def _split(x: Vector) -> tuple[Vector, Vector]:
    """e and 1 + f of positive, normal numbers."""
    one, digits = x.bits_of(1.0), x.digits
    shifted = x.bits().plus(one - x.bits_of(math.sqrt(0.5)))
    exponent = shifted.right(digits)  # e + bias
    mantissa = x.bits().minus(exponent.minus(one >> digits).left(digits)).floats()
    magic = 1.5 * 2.0**digits
    return exponent.plus(x.bits_of(magic)).floats() - (magic + (one >> digits)), mantissa


def _log(e: Vector, f: Vector, correction: Any = 0.0) -> Vector:
    """log(2^e (1 + f)) + correction."""
    s = f / (f + 2.0)
    h = f * f * 0.5
    z = s * s
    rest = s.fma(h + z * polynomial(z, LOG[f.digits]), e.fma(LN2_LOW[f.digits], correction))
    return e.fma(LN2_HIGH[f.digits], f - (h - rest))


def _ends(x: Vector, at: float, out: Vector) -> Vector:
    """-inf where x is `at`, NaN below it; x itself where it is infinite or NaN."""
    out = choose(x < math.inf, out, x)
    return choose(x < at, math.nan, choose(x.equals(at), -math.inf, out))


def log(x: Vector) -> Vector:
    """The natural logarithm, of subnormal numbers, too."""
    tiny = x < float(np.finfo(x.dtype).tiny)
    e, m = _split(choose(tiny, x * 2.0**x.digits, x))
    return _ends(x, 0.0, _log(choose(tiny, e - float(x.digits), e), m - 1.0))


def log1p(x: Vector) -> Vector:
    """log(1 + x) = log(u) + c / u, where u = 1 + x is rounded and c is what the rounding lost."""
    u = x + 1.0
    lost = choose(x < 1.0, x - (u - 1.0), 1.0 - (u - x))
    e, m = _split(u)
    whole = e.equals(0.0)  # then f = x itself
    out = _log(e, choose(whole, x, m - 1.0), choose(whole, 0.0, lost / u))
    return choose(abs(x) < 2.0 ** -(x.digits + 2), x, _ends(x, -1.0, out))


def softplus(x: Vector) -> Vector:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    return log1p(exp(-abs(x))) + choose(x < 0.0, 0.0, x)


# ------------------------------------------------------------------------------------------------ the bell curve
# erf(a) = 1 - exp(-a p(a)) defines p; it is smooth, and the farther out, the less of its digits matter. Written with
# expm1, small a lose nothing.
ERF = {
    23: (1.1283791716082308, 0.6366193821808604, 0.10277782807317498, -0.019153053560319964,
         -0.0001604171750743964, 0.0016670503183659343, -0.0006328502460289291, 0.00011764526158188056,
         -9.256737207262598e-06),
    52: (1.1283791670955126, 0.6366197723675836, 0.10277260330178868, -0.01912844700506906,
         -0.00020919469485309819, 0.0016962063858013928, -0.0005901255531029681, 2.5878604844479293e-05,
         6.4491859729477e-05, -2.9724044553601353e-05, 3.407263905216424e-06, 2.8351412490709837e-06,
         -1.7415478565469441e-06, 3.3636473983810206e-07, 1.3718202574623465e-07, -1.417618420170875e-07,
         6.573341701383137e-08, -2.0962624426167442e-08, 4.997698188470556e-09, -9.082222401971514e-10,
         1.2484112123839508e-10, -1.2611047966621247e-11, 8.845645431995822e-13, -3.850578882059646e-14,
         7.834348299257731e-16),
}


def erf(x: Vector) -> Vector:
    """The error function."""
    end = 4.0 if x.digits == 23 else 5.95  # 1 from here on
    a = abs(x)
    a = choose(a > end, end, a)
    first, *others = ERF[x.digits]
    leading = float(x.dtype(first))
    return expm1((-a).fma(leading, -a * polynomial(a, (first - leading, *others)))).signed_as(x)


# The normal distribution function of -a is exp(-a p(a)) / 2 with the p of a / sqrt(2) from above: nothing cancels.
NORMAL = {digits: tuple(-c * math.sqrt(0.5) ** (k + 1) for k, c in enumerate(ERF[digits])) for digits in ERF}


def normal_cdf(x: Vector) -> Vector:
    """The normal distribution function, to an absolute error of an ulp of 1, and in the left tail a smaller one."""
    a = abs(x)
    twice = exp_falling(a * polynomial(a, NORMAL[x.digits]), a < (5.66 if x.digits == 23 else 8.41))
    return choose(x < 0.0, twice * 0.5, twice.fma(-0.5, 1.0))


def normal_density(x: Vector) -> Vector:
    """The density of the normal distribution."""
    return exp_falling(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
