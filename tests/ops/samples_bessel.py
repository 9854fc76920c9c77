"""Rows of ops/bessel.py, imported at the end of samples.py: integrals by quadrature, NumPy's polynomials, cosines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre
from samples import INF, NAN, S, m, registry, row
from samples_special import integral


def first_kind(x: np.ndarray, n: int) -> np.ndarray:
    """J: 1 / pi times the integral of cos(n t - x sin t) from 0 to pi."""
    at = np.asarray(x)[..., None]
    return integral(lambda t: np.cos(n * t - at * np.sin(t)), 0, np.pi) / np.pi


def second_kind(x: np.ndarray, n: int) -> np.ndarray:
    """Y: 1 / pi times that of sin(x sin t - n t), less that of (e^nt + (-1)^n e^-nt) e^(-x sinh t) above 0."""
    at = np.asarray(x)[..., None]
    wave = integral(lambda t: np.sin(at * np.sin(t) - n * t), 0, np.pi)
    tail = integral(lambda t: (np.exp(n * t) + (-1) ** n * np.exp(-n * t)) * np.exp(-at * np.sinh(t)), 0, 7)
    return (wave - tail) / np.pi


def falling(x: np.ndarray, n: int) -> np.ndarray:
    """K: the integral of e^(-x cosh t) cosh(n t) above 0."""
    at = np.asarray(x)[..., None]
    return integral(lambda t: np.exp(-at * np.cosh(t)) * np.cosh(n * t), 0, 7)


def airy(x: np.ndarray) -> np.ndarray:
    """1 / pi times the integral of cos(t^3 / 3 + x t), along a line at which it falls."""
    turn, at = np.exp(1j * np.pi / 6), np.asarray(x)[..., None]
    return integral(lambda t: (turn * np.exp(-(t**3) / 3 + 1j * at * t * turn)).real, 0, 8) / np.pi


UNARY: dict[str, tuple] = {  # the interval of arguments, the formula, arguments at which nothing is differentiated
    "bessel_j0": (-9, 9, lambda x: first_kind(x, 0), [0.0, 3.99, 4.01, -30.0]),
    "bessel_j1": (-9, 9, lambda x: first_kind(x, 1), [0.0, 3.99, 4.01, -30.0]),
    "bessel_y0": (0.5, 9, lambda x: second_kind(x, 0), [3.99, 4.01, 30.0]),
    "bessel_y1": (0.5, 9, lambda x: second_kind(x, 1), [3.99, 4.01, 30.0]),
    "modified_bessel_k0": (0.4, 5, lambda x: falling(x, 0), [1.99, 2.01, 20.0]),
    "modified_bessel_k1": (0.4, 5, lambda x: falling(x, 1), [1.99, 2.01, 20.0]),
    "scaled_modified_bessel_k0": (0.4, 5, lambda x: falling(x, 0) * np.exp(x), [1.99, 2.01, 20.0]),
    "scaled_modified_bessel_k1": (0.4, 5, lambda x: falling(x, 1) * np.exp(x), [1.99, 2.01, 20.0]),
    "spherical_bessel_j0": (
        -9,
        9,
        lambda x: np.where(np.isinf(x), 0, np.sinc(np.where(np.isinf(x), 0, x) / np.pi)),
        [0.0, INF, -INF, NAN],
    ),
    "airy_ai": (-6, 3, airy, [0.0, -1.99, -2.01, 1.99, 2.01]),
}
for _name, (_low, _high, _formula, _special) in UNARY.items():
    row(
        _name,
        lambda n, low=_low, high=_high, special=_special: [
            S(n.between(low, high, 2, 3)),
            S(n.between(low, high)),
            S(special, special=True),
            S(n(0, 3)),
        ],
        lambda x, f=_formula: f(x) if x.size else x,
        errors=[
            (lambda op=registry[_name]: op(0.5), TypeError, "must be a Tensor"),
            (lambda op=registry[_name]: op(m.ones(2).half()), NotImplementedError, "Half"),
        ],
    )


def _series(value: Callable) -> Callable:
    """The polynomial of degree n by NumPy's sum of all."""
    return lambda x, n: value(x, [0.0] * n + [1.0])


def _angle(formula: Callable) -> Callable:
    return lambda x, n: formula(np.arccos(x), n)


POLYNOMIALS: dict[str, Callable] = {
    "chebyshev_polynomial_t": _series(chebyshev.chebval),
    "chebyshev_polynomial_u": _angle(lambda t, n: np.sin((n + 1) * t) / np.sin(t)),
    "chebyshev_polynomial_v": _angle(lambda t, n: np.cos((n + 0.5) * t) / np.cos(t / 2)),
    "chebyshev_polynomial_w": _angle(lambda t, n: np.sin((n + 0.5) * t) / np.sin(t / 2)),
    "hermite_polynomial_h": _series(hermite.hermval),
    "hermite_polynomial_he": _series(hermite_e.hermeval),
    "laguerre_polynomial_l": _series(laguerre.lagval),
    "legendre_polynomial_p": _series(legendre.legval),
}


def polynomial(x: np.ndarray, n: Any, of: Callable, shifted: bool) -> np.ndarray:
    """Element by element."""
    x, n = np.broadcast_arrays(2 * x - 1 if shifted else x, n)
    out = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        degree = int(n[place])
        out[place] = 0 if degree < 0 else of(x[place], degree)
    return out


for _name, _of in POLYNOMIALS.items():
    for _shifted in (False, True) if "chebyshev" in _name else (False,):
        row(
            "shifted_" * _shifted + _name,
            lambda n, shifted=_shifted: [
                S(n.between(0.05 if shifted else -0.9, 0.95, 2, 4), [0.0, 1.0, 2.0, 9.0]),
                S(n.between(0.1, 0.9, 3, 1), [-1.0, 3.7]),
                S(n.between(0.1, 0.9, 5), 4),
                S(n(0, 3), n(3)),
            ],
            lambda x, n, of=_of, shifted=_shifted: polynomial(x, n, of, shifted),
            errors=[
                (lambda op=registry["shifted_" * _shifted + _name]: op(m.ones(2), m.ones(3)), RuntimeError, "size")
            ],
        )
