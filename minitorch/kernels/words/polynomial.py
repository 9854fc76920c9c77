"""exp, log, sin, tanh, erf, pow and their kin as formulas for vector registers (see vector.py).

numba has no vector exp, and calling the C library element by element costs 5 to 20 ns. The formulas are free of
branches (but for the largest arguments of sin, cos and tan), and of operations that LLVM may reorder.

How the coefficients were made: each function is brought to a short interval by exact steps; there the rest is fitted
by a polynomial of least largest *relative* error of the function (weighted least squares in 80 digits, reweighted
by the error until it is level: Lawson's algorithm; or Remez' exchange of extrema in 60 digits, which finds the same).
The fits are good to 2^-27 (float32) and 2^-57 (float64), so that what is left is rounding: see
tests/kernels/test_polynomials.py for the error in units of the last place.
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
# Numbers as the unevaluated sum of a rounded one and what it lost.
PARTS_OF_LN2 = {23: (0.6931471824645996, -1.9046542121259336e-09), 52: (0.6931471805599453, 2.3190468138462996e-17)}


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


def _clamp(x: Vector, low: float, high: float) -> Vector:
    """Between two numbers; NaN stays."""
    return choose(x > high, high, choose(x < low, low, x))


def exp(x: Vector) -> Vector:
    """e to the power x; by two factors 2^k, so that subnormal results are right, too."""
    low, high = (-104.0, 89.0) if x.digits == 23 else (-746.0, 710.0)  # beyond: 0 and infinity
    n, r, rest = _reduce(_clamp(x, low, high))
    first, second = _powers(n)
    return _near_one(r, rest) * first * second


def _near_one(r: Vector, rest: Vector) -> Vector:
    """1 + r + rest, rounded as if once."""
    near = r + 1.0
    return near + ((r - (near - 1.0)) + rest)


def _exp2(n: Vector, r: Vector, more: Any = 0.0) -> Vector:
    """2 to the power n + r + more, for a whole n, |r| <= 1/2 and a tiny `more`: exp(log(2) (r + more)) 2^n."""
    ln2, rest = PARTS_OF_LN2[n.digits]
    product = r * ln2
    lost = r.fma(ln2, -product) + r.fma(rest, more * ln2)  # what the rounding of the product lost, and the small terms
    near = product + lost
    lost = lost - (near - product)
    first, second = _powers(n)
    return _near_one(near, (near * near).fma(polynomial(near, EXP[n.digits]), lost)) * first * second


def exp2(x: Vector) -> Vector:
    """2 to the power x."""
    inside = _clamp(x, *((-151.0, 128.0) if x.digits == 23 else (-1076.0, 1024.0)))  # beyond: 0 and infinity
    n = inside.rint()
    return _exp2(n, inside - n)


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
    n, r, rest = _reduce(_clamp(x, low, high))
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
}


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
    return choose(x < at, math.nan, choose(x == at, -math.inf, out))


def _split_any(x: Vector) -> tuple[Vector, Vector]:
    """`_split` of positive numbers, subnormal ones, too."""
    tiny = x < float(np.finfo(x.dtype).tiny)
    e, m = _split(choose(tiny, x * 2.0**x.digits, x))
    return choose(tiny, e - float(x.digits), e), m


def log(x: Vector) -> Vector:
    """The natural logarithm, of subnormal numbers, too."""
    e, m = _split_any(x)
    return _ends(x, 0.0, _log(e, m - 1.0))


# To another base: e log_b(2) + log(1 + f) / log(b). The parts of log(1 + f) = (f - h) + s (h + R) stay apart, and each
# product keeps what its rounding lost. The high part of log10(2) has so few bits that a multiple by e is exact.
ONE_BY_LN2 = {23: (1.4426950216293335, 1.925963033500011e-08), 52: (1.4426950408889634, 2.0355273740931033e-17)}
ONE_BY_LN10 = {23: (0.4342944920063019, -1.0103049952192578e-08), 52: (0.4342944819032518, 1.098319650216765e-17)}
LOG10_2 = {23: (0.301025390625, 4.605039066518657e-06), 52: (0.3010299956640665, -8.532344317057107e-14)}


def _log_to_base(x: Vector, factor: tuple[float, float], step: tuple[float, float]) -> Vector:
    """log(x) * factor, where log(2) * factor = step."""
    e, m = _split_any(x)
    f = m - 1.0
    s = f / (f + 2.0)
    h = f * f * 0.5
    z = s * s
    high = f - h
    low = ((f - high) - h) + s * (h + z * polynomial(z, LOG[x.digits]))
    product = high * factor[0]
    lost = high.fma(factor[0], -product) + high.fma(factor[1], low * factor[0])
    whole = e * step[0]
    out = whole + product  # the larger first, or 0
    return _ends(x, 0.0, out + (((whole - out) + product) + e.fma(step[1], lost)))


def log2(x: Vector) -> Vector:
    """The logarithm to base 2, exact for powers of 2."""
    return _log_to_base(x, ONE_BY_LN2[x.digits], (1.0, 0.0))


def log10(x: Vector) -> Vector:
    """The logarithm to base 10."""
    return _log_to_base(x, ONE_BY_LN10[x.digits], LOG10_2[x.digits])


def log1p(x: Vector) -> Vector:
    """log(1 + x) = log(u) + c / u, where u = 1 + x is rounded and c is what the rounding lost."""
    u = x + 1.0
    lost = choose(x < 1.0, x - (u - 1.0), 1.0 - (u - x))
    e, m = _split(u)
    whole = e == 0.0  # then f = x itself
    out = _log(e, choose(whole, x, m - 1.0), choose(whole, 0.0, lost / u))
    return choose(abs(x) < 2.0 ** -(x.digits + 2), x, _ends(x, -1.0, out))


def softplus(x: Vector) -> Vector:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    return log1p(exp(-abs(x))) + choose(x < 0.0, 0.0, x)


# ------------------------------------------------------------------------------------------------ powers
# x^y = 2^(y log2 x), where the logarithm needs some ten bits more than the result: y log2 x may be as large as the
# largest exponent. With s = f / (2 + f), in two parts, z = s^2 and r(z) = z^2 p(z)
#     log(1 + f) = 2 atanh(s) = 2/3 s (3 + z + r(z))
# of which only r, 2^-11 of the whole or less, is computed to one part; the products' losses come from fma.
POWER = {
    23: (0.600002289654219, 0.4282062550528824, 0.3512973131464976),
    52: (0.5999999999999996, 0.42857142857167824, 0.33333333326266107, 0.2727272831021622, 0.2307683498223736,
         0.20004488626056185, 0.1751197362248645, 0.17985639954587526),
}
TWO_BY_3_LN2 = {23: (0.9617967009544373, -7.028461812552678e-09), 52: (0.9617966939259756, 5.0577616648125907e-17)}


def _log2_in_two(x: Vector) -> tuple[Vector, Vector]:
    """log2 of a positive, finite number, as a sum of two parts."""
    e, m = _split_any(x)
    f, (third, third_low) = m - 1.0, TWO_BY_3_LN2[x.digits]
    divisor = f + 2.0
    s = f / divisor
    s_low = ((-s).fma(divisor, f) - s * (f - (divisor - 2.0))) / divisor
    z = s * s
    z_low = s.fma(s, -z) + s * s_low * 2.0
    factor = z + 3.0
    factor_low = (z - (factor - 3.0)) + (z_low + z * z * polynomial(z, POWER[x.digits]))
    product = s * factor
    low = s.fma(factor, -product) + s.fma(factor_low, s_low * factor)
    high = product + low
    low = low - (high - product)
    scaled = high * third
    low = high.fma(third, -scaled) + high.fma(third_low, low * third)
    out = e + scaled
    return out, ((e - out) + scaled) + low


def pow(x: Vector, y: Vector) -> Vector:  # noqa: A001 the name that everybody gives it
    """x to the power y, with the special values of IEEE 754."""
    a = abs(x)
    high, low = _log2_in_two(a)
    inside = (a > 0.0) & (a < math.inf)
    high = choose(inside, high, choose(a > 0.0, x.like(math.inf), -math.inf))
    product = y * high
    lost = y.fma(high, -product) + y * low
    lost = choose(inside & (abs(product) < 2.0**12), lost, 0.0)
    product = _clamp(product, *((-152.0, 129.0) if x.digits == 23 else (-1077.0, 1025.0)))
    n = product.rint()
    out = _exp2(n, product - n, lost)
    odd = (y.rint() == y) & ((y * 0.5).floor() != y * 0.5) & (abs(y) < math.inf)
    out = choose(odd, out.signed_as(x), out)
    out = choose((x < 0.0) & (x > -math.inf) & (y.rint() != y), math.nan, out)
    out = choose((x != x) | (y != y), math.nan, out)
    return choose((x == 1.0) | (y == 0.0) | ((x == -1.0) & (abs(y) == math.inf)), 1.0, out)


def cbrt(x: Vector) -> Vector:
    """The cube root: t = exp(log(a) / 3), then a step of Newton's with t^3 in two parts."""
    a = abs(x)
    up = 54.0 if x.digits == 52 else 24.0
    tiny = a < float(np.finfo(x.dtype).tiny)
    a = choose(tiny, a * 2.0**up, a)
    e, m = _split(a)
    t = exp(_log(e, m - 1.0) * (1 / 3))
    square = t * t
    t = t - (square.fma(t, -a) + t.fma(t, -square) * t) / (square * 3.0)
    t = choose(tiny, t * 2.0 ** (-up / 3), t)
    return choose((a > 0.0) & (a < math.inf), t.signed_as(x), x)


# ------------------------------------------------------------------------------------------------ circles
# With n = round(x / (pi/2)) and r = x - n pi/2, |r| <= pi/4, sin(x) is sin(r), cos(r), -sin(r), -cos(r) as n mod 4 is
# 0, 1, 2, 3. pi/2 is the sum of three numbers. The product of n and the first is subtracted without rounding: both x
# and it are multiples of the last place of 1, and their difference is below 1. What the second product and subtraction
# lose goes on as `lost`, so r is good to its own last place however close x is to a multiple of pi/2: no float32 is
# closer than 2^-30, and what pi/2 misses is n 2^-75. Arguments for which n has too many digits are rare; the C library
# is asked for theirs.
#     sin(r) = r + r^3 p(r^2),   cos(r) = 1 - r^2/2 + r^4 q(r^2)
HALF_PI = {23: (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
           52: (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)}
SIN = {
    23: (-0.16666666640378694, 0.008333329256163037, -0.0001983929655561132, 2.717971352898156e-06),
    52: (-0.16666666666666666, 0.008333333333333323, -0.00019841269841254494, 2.755731921390451e-06,
         -2.5052104839503786e-08, 1.605835769664643e-10, -7.578265662923343e-13),
}
COS = {
    23: (0.04166664542567511, -0.0013887303476768302, 2.4431669962378476e-05),
    52: (0.04166666666666659, -0.0013888888888872733, 2.4801587288644106e-05, -2.7557314117832525e-07,
         2.0875692293901397e-09, -1.1358084356723438e-11),
}


def _circle(x: Vector) -> tuple[Vector, tuple[Vector, Vector], tuple[Vector, Vector]]:
    """n as integers; sin(r) and cos(r), each as a number and a small one to add."""
    magic = 1.5 * 2.0**x.digits
    first, second, third = HALF_PI[x.digits]
    shifted = x.fma(2 / math.pi, magic)  # its last bits are n
    n = shifted - magic
    exact = n.fma(-first, x)
    product = n * second
    near = exact - product
    back = near - exact
    lost = ((exact - (near - back)) - (product + back)) - n.fma(second, -product)
    lost = n.fma(-third, lost)
    r = near + lost
    lost = (near - r) + lost
    z = r * r
    half = z * 0.5
    top = 1.0 - half
    sin = r, (r * z).fma(polynomial(z, SIN[x.digits]), lost)
    cos = top, ((1.0 - top) - half) + (z * z).fma(polynomial(z, COS[x.digits]), -r * lost)
    return shifted.bits(), sin, cos


def _normalized(large: Vector, small: Vector) -> tuple[Vector, Vector]:
    """The rounded sum, and what the rounding lost."""
    total = large + small
    return total, small - (total - large)


def _far(x: Vector) -> Vector:
    """Where n has too many digits for `_circle`."""
    a = abs(x)
    return (a > 2.0 ** (20 if x.digits == 23 else 40)) & (a < math.inf)


def _quarter(n: Vector, sin: tuple[Vector, Vector], cos: tuple[Vector, Vector]) -> Vector:
    """sin(n pi/2 + r)."""
    out = choose((n & 1) == 0, sin[0] + sin[1], cos[0] + cos[1])
    return (out.bits() ^ (n & 2).left(30 if out.digits == 23 else 62)).floats()


def sin(x: Vector) -> Vector:
    """The sine."""
    n, s, c = _circle(x)
    out = choose(abs(x) < 2.0 ** -(x.digits // 2 + 2), x, _quarter(n, s, c))
    return x.scalar("sin", _far(x), out)


def cos(x: Vector) -> Vector:
    """The cosine."""
    n, s, c = _circle(x)
    return x.scalar("cos", _far(x), _quarter(n.plus(1), s, c))


def tan(x: Vector) -> Vector:
    """The tangent."""
    n, *parts = _circle(x)
    (s, s_low), (c, c_low) = (_normalized(*part) for part in parts)
    even = (n & 1) == 0
    below, below_low = choose(even, c, s), choose(even, c_low, s_low)
    out = choose(even, s, -c) / below
    out = out + (choose(even, s_low, -c_low) - out * below_low) / below
    out = choose(abs(x) < 2.0 ** -(x.digits // 2 + 2), x, out)
    far = _far(x)
    return choose(far, x.scalar("sin", far, x) / x.scalar("cos", far, x), out)


# asin(s) = s + s^3 p(s^2) up to 1/2. Beyond, with s = sqrt((1 - a) / 2), asin(a) = pi/2 - 2 asin(s).
ASIN = {
    23: (0.16666752477938837, 0.07495297777864118, 0.045470360179215866, 0.024179591262831767, 0.04216617923159257),
    52: (0.1666666666666676, 0.07499999999970797, 0.04464285717461489, 0.030381942707661452, 0.02237221499054459,
         0.017351611969872737, 0.013980820989888416, 0.011398909136337428, 0.01078026784116376, 0.0037063583325487,
         0.021707557502959756, -0.020999204929682245, 0.03262870578289438),
}


def _arc(a: Vector) -> tuple[Vector, Vector, Vector]:
    """Where a <= 1/2; the s of above, and asin(s) - s, with what the rounding of the square root lost."""
    small = a <= 0.5
    z = choose(small, a * a, 0.5 - a * 0.5)
    root = z.sqrt()
    lost = choose(small | (z == 0.0), 0.0, (-root).fma(root, z) / (root * 2.0))
    s = choose(small, a, root)
    return small, s, (s * z).fma(polynomial(z, ASIN[a.digits]), lost)


def asin(x: Vector) -> Vector:
    """The angle from -pi/2 to pi/2 whose sine is x."""
    small, s, rest = _arc(abs(x))
    high, low, _ = HALF_PI[x.digits]
    return choose(small, s + rest, high - (s - (low * 0.5 - rest)) * 2.0).signed_as(x)


def acos(x: Vector) -> Vector:
    """The angle from 0 to pi whose cosine is x."""
    small, s, rest = _arc(abs(x))
    high, low, _ = HALF_PI[x.digits]
    near = high - (s.signed_as(x) - (low - rest.signed_as(x)))
    return choose(small, near, choose(x > 0.0, (s + rest) * 2.0, (high - (s - (low - rest))) * 2.0))


# The angle of the point (x, y) is k pi/4 + atan(t), or - atan(t), in each eighth of the plane. t is the smaller of
# |x|, |y| over the larger, or, if that is more than tan(pi/8), (smaller - larger) / (smaller + larger), from which
# pi/4 is missing. So |t| <= tan(pi/8), and atan(t) = t + t^3 p(t^2).
ATAN = {
    23: (-0.33333315180565143, 0.1999847099475727, -0.14243522921651317, 0.10593732312383447, -0.06078004331869261),
    52: (-0.333333333333332, 0.19999999999953202, -0.1428571428016186, 0.11111110781911163, -0.09090897718009824,
         0.07692059584897915, -0.06663097658670657, 0.05847847771689237, -0.05039137515418776, 0.038060769745410436,
         -0.01790351234546404),
}
QUARTER_PI = {23: (0.785398006439209, 1.5695823663008923e-07), 52: (0.7853981633974483, 3.061616997868383e-17)}


def _angle(y: Vector, x: Vector, behind: Vector | None = None) -> Vector:
    """The angle of (|x|, |y|), or where told of (-|x|, |y|), for x and y that are not too large to add."""
    x, y = abs(x), abs(y)
    steep = y > x
    short, long = choose(steep, x, y), choose(steep, y, x)
    turned = short > long * math.tan(math.pi / 8)
    t = choose(turned, short - long, short) / choose(turned, short + long, long)
    k, sign = choose(turned, x.like(1.0), 0.0), choose(steep, x.like(-1.0), 1.0)
    k = choose(steep, 2.0 - k, k)
    if behind is not None:
        k, sign = choose(behind, 4.0 - k, k), choose(behind, -sign, sign)
    t = choose(long == 0.0, 0.0, t) * sign
    high, low = QUARTER_PI[x.digits]
    z = t * t
    return k.fma(high, t + (t * z).fma(polynomial(z, ATAN[x.digits]), k * low))


def atan(x: Vector) -> Vector:
    """The angle from -pi/2 to pi/2 whose tangent is x."""
    largest = 2.0 ** (x.digits + 7)
    return _angle(_clamp(x, -largest, largest), x.like(1.0)).signed_as(x)


def atan2(y: Vector, x: Vector) -> Vector:
    """The angle of the point (x, y), from -pi to pi, with the special values of IEEE 754."""
    infinite = (abs(x) == math.inf) | (abs(y) == math.inf)
    one = choose(abs(x) == math.inf, x.like(1.0), 0.0), choose(abs(y) == math.inf, x.like(1.0), 0.0)
    large = (abs(x) > 2.0**100) | (abs(y) > 2.0**100)
    width, height = choose(large, x * 0.25, x), choose(large, y * 0.25, y)
    width, height = choose(infinite, one[0], width), choose(infinite, one[1], height)
    out = _angle(height, width, x.bits() < 0).signed_as(y)
    return choose((x != x) | (y != y), math.nan, out)


# ------------------------------------------------------------------------------------------------ hyperbolas
SINH = {
    23: (0.1666666649757767, 0.008333350057250917, 0.00019836159910360628, 2.8169506663740454e-06),
    52: (0.16666666666666669, 0.008333333333333148, 0.0001984126984143188, 2.75573191570695e-06,
         2.5052123137077245e-08, 1.6057259743068677e-10, 7.75874952475566e-13),
}


def _half_exp(a: Vector) -> Vector:
    """exp(a) / 2 for a that are not negative: it overflows later than exp does."""
    n, r, rest = _reduce(choose(a > (90.0 if a.digits == 23 else 711.0), 90.0 if a.digits == 23 else 711.0, a))
    first, second = _powers(n - 1.0)
    return _near_one(r, rest) * first * second


def sinh(x: Vector) -> Vector:
    """exp(a)/2 - exp(-a)/2 with a = |x|; up to 1, where that would cancel, a + a^3 p(a^2)."""
    a = abs(x)
    half, z = _half_exp(a), a * a
    near = (a * z).fma(polynomial(z, SINH[x.digits]), a)
    return choose(a < 1.0, near, half - 0.25 / half).signed_as(x)


def cosh(x: Vector) -> Vector:
    """exp(a)/2 + exp(-a)/2 with a = |x|."""
    half = _half_exp(abs(x))
    return half + 0.25 / half


def _log_of_twice(a: Vector) -> Vector:
    """log(2a) for large a."""
    e, m = _split(a)
    return choose(a < math.inf, _log(e + 1.0, m - 1.0), a)


def asinh(x: Vector) -> Vector:
    """log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))) with a = |x|; log(2a) of large a."""
    a = abs(x)
    z = a * a
    near = log1p(a + z / ((z + 1.0).sqrt() + 1.0))
    return choose(a < 2.0 ** (x.digits // 2 + 2), near, _log_of_twice(a)).signed_as(x)


def acosh(x: Vector) -> Vector:
    """log(x + sqrt(x^2 - 1)) = log1p(t + sqrt(t (t + 2))) with t = x - 1; log(2x) of large x, NaN below 1."""
    t = x - 1.0
    near = log1p(t + (t * (t + 2.0)).sqrt())
    return choose(x < 1.0, math.nan, choose(x > 2.0 ** (x.digits // 2 + 2), _log_of_twice(x), near))


def atanh(x: Vector) -> Vector:
    """log((1 + a) / (1 - a)) / 2 = log1p(2a + 2a^2 / (1 - a)) / 2 with a = |x|."""
    a = abs(x)
    twice = a * 2.0
    out = log1p(twice + twice * a / (1.0 - a)) * 0.5
    return choose(a > 1.0, math.nan, choose(a < 2.0 ** -(x.digits // 2 + 2), a, out)).signed_as(x)


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


# What is left of erf: erfc(a) = exp(-a^2) g(a), and h(a) = (1 + 2a) g(a) stays between 1 and 1.25: a polynomial in
# t = (a - k) / (a + k), which brings 0 ... infinity to -1 ... 1. What t lost by rounding changes g by lost dh/da da/dt
# / (1 + 2a), where dg/da = 2 a g - 2 / sqrt(pi) and da/dt = (a + k)^2 / 2k.
ERFC_CENTRE = {23: 3.0, 52: 4.0}
ERFC = {
    23: (1.2530080592158683, -0.1356211401315822, -0.04756240967176562, 0.1296464336288254, -0.11927079534485159,
         0.06829575046248242, -0.02379853864644908, 0.0025665601449644257, 0.0020033523649711474,
         -0.0007751172899309891, -0.0002671791821902533),
    52: (1.2329951186255526, -0.13962111684056253, 0.015379652102619655, 0.06809705425469544, -0.10103906603629964,
         0.09373283499825129, -0.06633036581231716, 0.03716751553908301, -0.016197734056679337, 0.005031969963682093,
         -0.0007577732964369486, -0.00019925661747933378, 0.000150621714477959, -2.4399475177288693e-05,
         -1.1222170944636207e-05, 5.710279574276855e-06, 2.941732997305939e-07, -8.260888284065504e-07,
         7.404143392354031e-08, 1.1042486881606904e-07, -1.7385656321938877e-08, -1.4087600518494374e-08,
         1.638462504670073e-09, 1.1870054045975323e-09),
}


def erfc(x: Vector) -> Vector:
    """1 - erf(x), which does not cancel for positive x."""
    a = abs(x)
    a = choose(a > (10.2 if x.digits == 23 else 27.4), 10.2 if x.digits == 23 else 27.4, a)  # 0 from here on
    k = ERFC_CENTRE[x.digits]
    less, more = a - k, a + k
    t = less / more
    large, small = choose(a > k, a, k), choose(a > k, x.like(k), a)
    less_low = choose(a > k, (a - less) - k, a - (less + k))
    lost = (-t).fma(more, less) + (less_low - t * (small - (more - large)))
    below, h = a * 2.0 + 1.0, polynomial(t, ERFC[x.digits])
    inverse = 1.0 / below
    below_low = choose(a > 0.5, 1.0 - (below - a * 2.0), a * 2.0 - (below - 1.0))
    g = h * inverse
    slope = (g * (a + inverse) - 1 / math.sqrt(math.pi)) * (1.0 / k)  # by (a + k)^2 and `below`, dh/dt
    g_low = ((-g).fma(below, h) - g * below_low) * inverse + lost * more * slope
    square = a * a
    n, r, rest = _reduce(-square)
    first, second = _powers(n)
    near = _near_one(r, rest)
    out = near.fma(g, near * (g_low - g * a.fma(a, -square))) * first * second
    small = a < 2.0 ** -(x.digits // 2)
    return choose(small, x.fma(-2 / math.sqrt(math.pi), 1.0), choose(x < 0.0, 2.0 - out, out))


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
