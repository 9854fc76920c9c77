"""Bessel functions of integer order 0 and 1, Airy's function, and the classical orthogonal polynomials.

Numbers in brackets are those of formulas in the Digital Library of Mathematical Functions, dlmf.nist.gov. Near 0 stands
a power series. Beyond, a function is its behaviour at infinity times a factor that tends to 1 and is smooth in 1 / x;
the factor is a series of Chebyshev polynomials, whose coefficients are computed here, when they are first needed, from
an integral of a smooth function over all numbers. There the trapezoidal rule is exact to the last bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import kernels
from . import promotion
from .declare import binary, no_program, pointwise
from .names import public
from .pointwise import cos, exp, log, sin, sqrt, where
from .special import _bessel, _odd, _over, _series, _sinc_slope, stopped

PI, EULER = math.pi, 0.5772156649015329
ROOT_PI = math.sqrt(PI)


# ------------------------------------------------------------------------------------------------ series of Chebyshev's
def _fitted(values: Callable) -> list[float]:
    """The 26 Chebyshev coefficients of a function on [-1, 1] by its values where T_26 is 0; here the 27th is 1e-15."""
    k = np.arange(26)
    angles = (k + 0.5) * (PI / 26)
    found = np.cos(k[:, None] * angles) @ values(np.cos(angles)) / 13
    return [float(found[0] / 2), *map(float, found[1:])]


def _chebyshev(t: Any, coefficients: Sequence[float]) -> Any:
    """c[0] + c[1] T_1(t) + c[2] T_2(t) + ..., by Clenshaw's recurrence."""
    twice, later, last = t * 2.0, 0.0, coefficients[-1]
    for c in coefficients[-2:0:-1]:
        last, later = twice * last - later + c, last
    return t * last - later + coefficients[0]


# ------------------------------------------------------------------------------------------------ J, Y and K
# K_n(z) = sqrt(pi / 2z) e^-z F_n(z), where [10.32.8], with t = u^2,
#     F_n(z) = 1 / gamma(n + 1/2) times the integral of e^(-u^2) u^2n (1 + u^2 / 2z)^(n - 1/2) over all u;
# and J_n + i Y_n = sqrt(2 / pi x) e^(i c) F_n(-i x), c = x - n pi / 2 - pi / 4 [10.27.8]. Its last factor is
# p(1 / x^2) + i q(1 / x^2) / x.
# Below x = 4, or 2 for K, with w = x^2 / 4 and h_k = 1 + 1/2 + ... + 1/k [10.2.2, 10.8.1, 10.31.1]:
#     J_n = (x/2)^n sum of (-w)^k / (k! (n + k)!),
#     Y_0 = 2/pi ((log(x/2) + C) J_0 - sum of h_k (-w)^k / k!^2),
#     Y_1 = 2/pi ((log(x/2) + C) J_1 - 1/x - x/4 sum of (h_k + h_(k+1)) (-w)^k / (k! (k + 1)!)),
# and K by the same sums of w^k, K_0 = -2/pi Y_0 with I_0 in place of J_0. Error: 2e-15 of the function's size.
def _factor(n: int, z: np.ndarray) -> np.ndarray:
    u = np.arange(-60, 61) * 0.125
    integrand = np.exp(-u * u) * u ** (2 * n) * (1 + u * u / (2 * z[:, None])) ** (n - 0.5)
    return integrand.sum(1) * (0.125 / math.gamma(n + 0.5))


@functools.cache
def _waves(n: int) -> tuple[list[float], list[float]]:
    """p and q of x >= 4, as series in 32 / x^2 - 1."""

    def at(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.sqrt(32 / (t + 1))
        return x, _factor(n, -1j * x)

    return _fitted(lambda t: at(t)[1].real), _fitted(lambda t: at(t)[1].imag * at(t)[0])


@functools.cache
def _decay(n: int) -> list[float]:
    """F_n of x >= 2, as a series in 4 / x - 1."""
    return _fitted(lambda t: _factor(n, 4 / (t + 1)))


def _near(n: int, harmonic: bool, sign: int) -> list[float]:
    """The coefficients of w^k in the sums above."""
    out, h = [], [0.0, *np.cumsum(1 / np.arange(1, 30))]
    for k in range(24):
        factor = (h[k] if n == 0 else h[k] + h[k + 1]) if harmonic else 1.0
        out.append(sign**k * float(factor) / (math.factorial(k) * math.factorial(k + n)))
    return out


_TABLES = {(n, h, s): _near(n, h, s) for n in (0, 1) for h in (False, True) for s in (-1, 1)}


def _logarithmic(x: Any, n: int, first: Any, sign: int) -> Any:
    """(log(x/2) + C) times the function of the first kind, less the sum with h_k and the pole."""
    w = x * x * 0.25
    sums = _series(w, _TABLES[n, True, sign])
    out = (log(x * 0.5) + EULER) * first
    return out - sums if n == 0 else out + 1.0 / x * sign - x * 0.25 * sums


def _wave(x: Any, n: int, second: bool) -> Any:
    """J_n, or with `second` Y_n, of x >= 0."""
    near = where(x < 4, x, 4.0)
    small = _series(near * near * 0.25, _TABLES[n, False, -1])
    small = small * (near * 0.5) if n else small
    if second:
        small = _logarithmic(near, n, small, -1) * (2 / PI)
        small = where(x == 0, -math.inf, small) if n else small
    far = where(x < 4, 4.0, x)
    inverse = 1.0 / far
    t = inverse * inverse * 32.0 - 1.0
    p, q = (_chebyshev(t, c) for c in _waves(n))
    q = q * inverse
    s, c = sin(far), cos(far)
    # sqrt(2) cos and sin of c: s + c and s - c for n = 0, s - c and -s - c for n = 1
    cosine, sine = (s + c, s - c) if n == 0 else (s - c, -s - c)
    out = p * sine + q * cosine if second else p * cosine - q * sine
    return where(x < 4, small, out * sqrt(inverse * (1 / PI)))


def _falling(x: Any, n: int, scaled: bool) -> Any:
    """K_n, or with `scaled` e^x K_n."""
    near = where(x < 2, x, 2.0)
    small = (
        -_logarithmic(near, n, _bessel(near, n, False), 1)
        if n == 0
        else _logarithmic(near, n, _odd(near, _bessel(near, n, False)), 1)
    )
    small = where(x == 0, math.inf, small * exp(near) if scaled else small)
    far = where(x < 2, 2.0, x)
    inverse = 1.0 / far
    out = _chebyshev(inverse * 4.0 - 1.0, _decay(n)) * sqrt(inverse * (PI / 2))
    return where(x < 2, small, out if scaled else out * exp(-far))


def _row(name: str, value: Callable, **row: Any) -> Any:
    """A function of minitorch.special, of floats of 4 bytes or more."""

    def meet(x: Any) -> tuple[Any]:
        (x,) = promotion.as_floats(x)
        if x.outline.dtype.itemsize < 4:
            raise NotImplementedError(
                f"\"{name}_cpu\" not implemented for '{x.dtype.type_name.removesuffix('Tensor')}'"
            )
        return (x,)

    return pointwise(name, value, meet=meet, **{"on": "s o", "least": 1, **row})


bessel_j0 = _row(
    "bessel_j0",
    lambda x: _wave(abs(x), 0, False),
    x=lambda g, x: -g * bessel_j1(x),
    doc="The Bessel function of the first kind, of order 0.",
)
bessel_j1 = _row(
    "bessel_j1",
    lambda x: _odd(x, _wave(abs(x), 1, False)),
    x=lambda g, x, out: g * (bessel_j0(x) - _over(out, x)),
    doc="The Bessel function of the first kind, of order 1.",
)
bessel_y0 = _row(
    "bessel_y0",
    lambda x: _wave(x, 0, True),
    x=lambda g, x: -g * bessel_y1(x),
    doc="The Bessel function of the second kind, of order 0; -inf at 0, NaN below.",
)
bessel_y1 = _row(
    "bessel_y1",
    lambda x: _wave(x, 1, True),
    x=lambda g, x, out: g * (bessel_y0(x) - out / x),
    doc="The Bessel function of the second kind, of order 1; -inf at 0, NaN below.",
)
modified_bessel_k0 = _row(
    "modified_bessel_k0",
    lambda x: _falling(x, 0, False),
    x=lambda g, x: -g * modified_bessel_k1(x),
    doc="The modified Bessel function of the second kind, of order 0; inf at 0, NaN below.",
)
modified_bessel_k1 = _row(
    "modified_bessel_k1",
    lambda x: _falling(x, 1, False),
    x=lambda g, x, out: -g * (modified_bessel_k0(x) + out / x),
    doc="The modified Bessel function of the second kind, of order 1; inf at 0, NaN below.",
)
scaled_modified_bessel_k0 = _row(
    "scaled_modified_bessel_k0",
    lambda x: _falling(x, 0, True),
    x=lambda g, x, out: g * (out - scaled_modified_bessel_k1(x)),
    doc="exp(x) modified_bessel_k0(x).",
)
scaled_modified_bessel_k1 = _row(
    "scaled_modified_bessel_k1",
    lambda x: _falling(x, 1, True),
    x=lambda g, x, out: g * (out - scaled_modified_bessel_k0(x) - out / x),
    doc="exp(x) modified_bessel_k1(x).",
)
spherical_bessel_j0 = _row(
    "spherical_bessel_j0",
    lambda x: where(abs(x) == math.inf, 0.0, where(x == 0, 1.0, sin(x) / where(x == 0, 1.0, x))),
    x=lambda g, x: _sinc_slope(g * (1 / PI), x * (1 / PI)),
    doc="sin(x) / x, 1 at 0.",
)


# ------------------------------------------------------------------------------------------------ Airy's function
# Below |x| = 2 its power series [9.4.1]. Else, with z = 2/3 |x|^(3/2) and [9.5.7]
#     G(y) = 2 sqrt(y / pi) times the integral of exp(-y t^2) cos(t^3 / 3) over t >= 0, which tends to 1,
# Ai(x) = e^-z G(sqrt(x)) / (2 sqrt(pi) x^(1/4)), and as Ai(-r) = 2 Re(a Ai(a r)), a = e^(i pi / 3) [9.2.14],
# Ai(-r) = Re(e^(i (pi / 4 - z)) G(sqrt(a r))) / (sqrt(pi) r^(1/4)). G is smooth in 1 / z.
_ZETA = 2 / 3 * 2**1.5
_AIRY = [
    [
        math.prod(range(first, 3 * k, 3)) / math.factorial(3 * k + second) * 3 ** (-third) / math.gamma(third)
        for k in range(16)
    ]
    for first, second, third in ((1, 0, 2 / 3), (2, 1, 1 / 3))
]


def _envelope(y: np.ndarray) -> np.ndarray:
    """G, by t = u / sqrt(|y|)."""
    size = abs(y)[:, None]
    u = np.arange(-90, 91) * 0.1
    integrand = np.exp(-u * u * (y[:, None] / size)) * np.cos(u**3 / (3 * size**1.5))
    return integrand.sum(1) * 0.1 * np.sqrt(y / abs(y) / PI)


@functools.cache
def _envelopes() -> list[list[float]]:
    """G of x above 2, and real and imaginary part for those below -2, as series in 2 z(2) / z - 1."""

    def root(t: np.ndarray) -> np.ndarray:
        return np.cbrt(1.5 * 2 * _ZETA / (t + 1))

    turn = np.exp(1j * PI / 6)
    return [
        _fitted(lambda t: _envelope(root(t))),
        _fitted(lambda t: _envelope(root(t) * turn).real),
        _fitted(lambda t: _envelope(root(t) * turn).imag),
    ]


def _airy(x: Any) -> Any:
    size = abs(x)
    near = where(size < 2, x, 0.0)
    cube = near * near * near
    small = _series(cube, _AIRY[0]) - near * _series(cube, _AIRY[1])
    far = where(size < 2, 2.0, size)
    zeta = far * sqrt(far) * (2 / 3)
    t = 2 * _ZETA / zeta - 1.0
    above, real, imaginary = (_chebyshev(t, c) for c in _envelopes())
    root = 1.0 / sqrt(sqrt(far))
    s, c = sin(zeta) * math.sqrt(0.5), cos(zeta) * math.sqrt(0.5)
    wave = (real * (c + s) + imaginary * (s - c)) * root * (1 / ROOT_PI)
    tail = exp(-zeta) * above * root * (0.5 / ROOT_PI)
    return where(size < 2, small, where(x < 0, wave, tail))


airy_of = _row("airy_ai", _airy, on="", doc="Airy's function Ai.")


@public("airy_ai", on="s o")
def airy_ai(input: Any) -> Any:
    """Airy's function Ai. No derivative."""
    return stopped("airy_ai", airy_of(input), input)


# ------------------------------------------------------------------------------------------------ polynomials
# P_0 = 1, P_1 = A_0 x + B_0 and D_k P_(k+1) = (A_k x + B_k) P_k - C_k P_(k-1) [18.9.1]; 0 for degrees below 0.
# (A_k, B_k, C_k, D_k) for k > 0, and A_0, B_0 where they differ from what the formula gives.
POLYNOMIALS: dict[str, tuple[str, Callable, tuple]] = {
    "chebyshev_polynomial_t": ("Chebyshev's polynomial T, cos(n arccos x)", lambda k: (2, 0, 1, 1), (1, 0)),
    "chebyshev_polynomial_u": ("Chebyshev's polynomial U, of the second kind", lambda k: (2, 0, 1, 1), (2, 0)),
    "chebyshev_polynomial_v": ("Chebyshev's polynomial V, of the third kind", lambda k: (2, 0, 1, 1), (2, -1)),
    "chebyshev_polynomial_w": ("Chebyshev's polynomial W, of the fourth kind", lambda k: (2, 0, 1, 1), (2, 1)),
    "hermite_polynomial_h": ("Hermite's polynomial H", lambda k: (2, 0, 2 * k, 1), (2, 0)),
    "hermite_polynomial_he": ("Hermite's polynomial He", lambda k: (1, 0, k, 1), (1, 0)),
    "laguerre_polynomial_l": ("Laguerre's polynomial", lambda k: (-1, 2 * k + 1, k, k + 1), (-1, 1)),
    "legendre_polynomial_p": ("Legendre's polynomial", lambda k: (2 * k + 1, 0, k, k + 1), (1, 0)),
}


def _polynomial(name: str, what: str, step: Callable, first: tuple, shifted: bool) -> Callable:
    """A public function of x and the degree n."""

    @functools.lru_cache(64)
    def steps(last: int) -> np.ndarray:
        rows = [(*first, 0, 1), *map(step, range(1, last))]
        return np.array(rows[:last], np.float64).reshape(-1, 4)

    def value(x: Any, n: Any) -> np.ndarray:
        dtype = np.result_type(x, n)
        degree = np.trunc(np.nan_to_num(np.asarray(n, np.float64), nan=-1.0))
        if degree.ndim:
            x, degree = (np.array(a) for a in np.broadcast_arrays(x, degree))
        x = np.asarray(x, dtype, order="C")
        z = 2 * x.astype(np.float64) - 1 if shifted else x
        out = kernels.empty(z.shape, z.dtype)
        last = max(0, int(degree.max())) if degree.size else 0
        kernels.polynomials(z.reshape(-1), degree.reshape(-1), steps(last), out.reshape(-1))
        return out.astype(dtype, copy=False)

    op = binary(name, value, meet=promotion.paired_floats, vector=no_program, on="", doc=f"{what}.")

    def call(input: Any, n: Any) -> Any:
        return stopped(name, op(input, n), input)

    call.__name__, call.__doc__ = name, f"{what}, of degree n{', at 2 input - 1' * shifted}; 0 below 0. No derivative."
    return public(name, on="s o")(call)


for _name, _given in POLYNOMIALS.items():
    globals()[_name] = _polynomial(_name, *_given, False)
    if "chebyshev" in _name:
        globals()[f"shifted_{_name}"] = _polynomial(f"shifted_{_name}", *_given, True)
