"""Rows of ops of one element at a time, with broadcasting; see samples.py."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from samples import INF, NAN, ODD, Draw, S, Sample, m, row

from minitorch.autograd import registry


def binary(n: Draw) -> list[Sample]:
    """Two operands of equal and of broadcast shapes, and a number on either side."""
    return [
        S(n(2, 3), n(2, 3)),
        S(n(2, 3), n(3)),
        S(n(2, 1), n(1, 3)),
        S(n(), n(2)),
        S(n(2, 2), 1.5),
        S(-0.5, n(2)),
        S(n(0, 3), n(3)),
        S(n(1, 1), n(0, 3)),
    ]


def mismatch(op: Callable) -> tuple:
    """Shapes that do not broadcast."""
    return (
        lambda: op(m.ones(2, 3), m.ones(2, 4)),
        RuntimeError,
        "size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
    )


# Multiples of 1/4 are exact in float32: differences with step 1 are, too.
row(
    "cast",
    lambda n: [
        S(np.round(n(2, 3) * 4) / 4, dtype=np.dtype("float32"), tolerance=1e-5),
        S(n(2, 3), dtype=np.dtype("float64")),
        S(n(), dtype=np.dtype("float64")),
        S(n(0, 2), dtype=np.dtype("float32")),
    ],
    lambda x, dtype: np.array([dtype.type(v) for v in x.ravel()], dtype).reshape(x.shape),
    linear=True,
    kept=False,
)
row(
    "add",
    lambda n: [*binary(n), S(ODD, ODD[::-1], special=True)],
    lambda x, y: x + y,
    linear=True,
    errors=[
        mismatch(lambda x, y: x + y),
        (lambda: m.ones(2) + None, TypeError, "unsupported operand type(s) for +"),
        (lambda: m.ones(2) + "a", TypeError, "+"),
        (lambda: None + m.ones(2), TypeError, ""),
    ],
)
row(
    "subtract",
    lambda n: [*binary(n), S(ODD, ODD[::-1], special=True)],
    lambda x, y: x - y,
    linear=True,
    errors=[
        mismatch(lambda x, y: x - y),
        (lambda: m.tensor([True]) - m.tensor([True]), RuntimeError, "with two bool tensors is not supported"),
    ],
)
row(
    "multiply",
    lambda n: [*binary(n), S(ODD, ODD[::-1], special=True)],
    lambda x, y: x * y,
    linear=True,
    errors=[mismatch(lambda x, y: x * y)],
)
row(
    "divide",
    lambda n: [
        S(n(2, 3), n.between(0.5, 2, 2, 3)),
        S(n(2, 3), n.between(0.5, 2, 3)),
        S(n(2, 1), n.between(-2, -0.5, 1, 3)),
        S(2.0, n.between(0.5, 2, 3)),
        S(n(3), 4.0),
        S(n(0, 3), n.between(1, 2, 3)),
        S([1.0, -1.0, 0.0, 2.0, NAN], [0.0, 0.0, 0.0, -0.0, 1.0], special=True),
    ],
    lambda x, y: x / y,
    errors=[mismatch(lambda x, y: x / y)],
)
row(
    "negative",
    lambda n: [S(n(2, 3)), S(n()), S(n(0, 2)), S(ODD, special=True)],
    lambda x: 0 - x,
    linear=True,
    errors=[(lambda: -m.tensor([True]), RuntimeError, "the `-` operator, on a bool tensor is not supported")],
)
row(
    "power",
    lambda n: [
        S(n.between(0.5, 2, 2, 3), n(2, 3)),
        S(n.between(0.5, 2, 2, 3), n(3)),
        S(n.between(0.5, 2, 2, 1), n(1, 3)),
        S(n(3), 2),
        S(n(3), 3.0),
        S(n.between(0.5, 2, 3), -1.5),
        S(2.0, n(3)),
        S(n.apart(3), 0),
        S(n.apart(2), 1),
        S(n.between(1, 2, 0, 3), n(3)),
        S(
            [0.0, 0.0, 0.0, 0.0, -1.5, -1.5, NAN, 2.0, 1.0, INF],
            [0.0, 1.0, 2.0, 0.5, 2.0, 3.0, 0.0, NAN, INF, 0.0],
            special=True,
        ),
        S([0.0, -0.0, -1.0, NAN, INF], 2.0, special=True),
        S([0.0, -1.0, NAN, INF], 0.0, special=True),
        S([0.0, 2.0], 1.0, special=True),
        S([0.0, 4.0], 0.5, special=True),
        S([0.0, 4.0], -1.0, special=True),
        S(0.0, [0.0, 1.0, 2.0], special=True),
    ],
    lambda x, y: np.where(np.asarray(x) < 0, np.cos(np.pi * np.asarray(y)), 1) * np.exp(y * np.log(np.abs(x))),
    errors=[
        mismatch(lambda x, y: x**y),
        (lambda: m.tensor(2) ** -1, RuntimeError, "Integers to negative integer powers are not allowed"),
    ],
)
TIES = ([1.0, 2.0, 3.0, NAN, 1.0, INF, 0.0], [1.0, 3.0, 2.0, 1.0, NAN, INF, 0.0])
for _name, _op in (("maximum", max), ("minimum", min)):
    row(
        _name,
        lambda n: [
            S(n.apart(2, 3), n.apart(2, 3) + 0.1),
            S(n.apart(2, 3), n.apart(3) + 0.1),
            S(n.apart(2, 1), n.apart(1, 3) + 0.1),
            S(n(0, 3), n(3)),
            S(*TIES, special=True),
        ],
        lambda x, y, op=_op: np.vectorize(op, otypes=[float])(x, y),
        errors=[mismatch(getattr(m, _name))],
    )


def unary(n: Draw, low: float = -2, high: float = 2, odd: list | None = None) -> list[Sample]:
    """A few shapes within the domain, and the special values."""
    return [
        S(n.between(low, high, 2, 3)),
        S(n.between(low, high)),
        S(n.between(low, high, 0, 3)),
        S(ODD if odd is None else odd, special=True),
    ]


FAR = [*ODD, 30.0, -30.0, 800.0, -800.0, 1e-300, -1e-300]
row("exp", lambda n: unary(n, odd=FAR), lambda x: np.e**x)
row(
    "expm1",
    lambda n: [*unary(n, odd=FAR), S([1e-12, -1e-12], special=True)],
    lambda x: 2 * np.exp(x / 2) * np.sinh(x / 2),
)
row("log", lambda n: unary(n, 0.5, 3, FAR), lambda x: np.log2(x) / np.log2(np.e))
row("log1p", lambda n: [*unary(n, -0.5, 3), S([1e-12, -1e-12], special=True)], lambda x: np.log(x + 1))
row("sqrt", lambda n: unary(n, 0.5, 3), lambda x: np.exp(np.log(x) / 2))
row("sin", unary, lambda x: np.imag(np.exp(1j * x)))
row("cos", unary, lambda x: np.real(np.exp(1j * x)))
row("tanh", lambda n: unary(n, odd=FAR), lambda x: np.sinh(x) / np.cosh(x))
row("sigmoid", lambda n: unary(n, odd=FAR), lambda x: np.exp(x) / (1 + np.exp(x)))
row("erf", lambda n: [*unary(n, odd=FAR), S(np.linspace(-6, 6, 49)), S(n.between(-2, 2, 20, 41)[:, ::3], special=True)])
row(
    "gelu",
    lambda n: [*unary(n, odd=FAR), S(n.between(-6, 6, 3, 7))],
    lambda x: x * np.vectorize(lambda v: math.erfc(-v / 2**0.5) / 2, otypes=[float])(x),
)
row("gelu_tanh", lambda n: unary(n, odd=FAR))
row("silu", lambda n: unary(n, odd=FAR), lambda x: x * np.exp(x) / (1 + np.exp(x)))
row("absolute", lambda n: [S(n.apart(2, 3)), S(n.apart()), S(n(0, 2)), S(ODD, special=True)], lambda x: np.sqrt(x * x))
row("sign", lambda n: [S(n.apart(2, 3)), S(n(0, 2)), S(ODD, special=True)], lambda x: x / np.abs(x))
row("floor", lambda n: [S(n.apart(2, 3)), S(n(0, 2)), S(ODD, special=True)], lambda x: x - np.mod(x, 1))
row("ceil", lambda n: [S(n.apart(2, 3)), S(n(0, 2)), S(ODD, special=True)], lambda x: x + np.mod(-x, 1))
row(
    "round",
    lambda n: [
        S(n.apart(2, 3)),
        S(n.apart(2, 3) / 7, decimals=1),
        S(n(0, 2)),
        S([0.5, 1.5, 2.5, -0.5, -1.5, NAN, INF], special=True),
    ],
)


def drawn(i: int, seed: int) -> int:
    """32 bits for place i, in Python's whole numbers."""
    for half in (seed & 0xFFFFFFFF, seed >> 32):
        i = i + half & 0xFFFFFFFF
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            i = (i ^ i >> shift) * factor & 0xFFFFFFFF
    return i


row(
    "dropout",
    lambda n: [
        S(n(3, 5), p=0.5, seed=3 << 40 | 7),
        S(n(4), p=1.0, seed=1),
        S(n(), p=0.2, seed=2),
        S(n(0, 3), p=0.2, seed=2),
    ],
    lambda x, p, seed: np.array(
        [v / (1 - p) if drawn(i, seed) >= p * 2**32 else 0.0 for i, v in enumerate(x.ravel())]
    ).reshape(x.shape),
    linear=True,
    by_place=True,
)
row(
    "where",
    lambda n: [
        S(n(2, 3) > 0, n(2, 3), n(2, 3)),
        S(n(2, 1) > 0, n(3), n(2, 1)),
        S(np.array([True, False]), n(2), 0.5),
        S(np.array([True, False]), 0.5, n(2)),
        S(np.zeros((0, 2), bool), n(2), n(0, 2)),
        S(np.array([True, False, True]), [NAN, NAN, 1.0], [1.0, 2.0, INF], special=True),
    ],
    lambda c, x, y: c * x + (1 - c) * y,
    linear=True,
    errors=[
        (lambda: m.where(m.ones(2), m.ones(2), m.ones(2)), RuntimeError, "expected condition to be a boolean tensor"),
        (lambda: m.where(m.ones(2) > 0, m.ones(2), m.ones(3)), RuntimeError, "(2)"),
    ],
)
row(
    "clamp",
    lambda n: [
        S(n.apart(2, 6), -1.0, 1.0),
        S(n.apart(2, 3), None, 0.0),
        S(n.apart(2, 3), 0.0, None),
        S(n.apart(2, 3), n.apart(3) - 0.54, n.apart(2, 1) + 0.68),
        S(n(0, 2), 0.0, 1.0),
        S([-1.0, 1.0, -2.0, 2.0, NAN, INF, -INF, 0.0], -1.0, 1.0, special=True),
        S(ODD, np.asarray(0.0), np.asarray(-1.0), special=True),
    ],
    lambda x, min, max: np.where(
        x < (-INF if min is None else min), min, np.where(x > (INF if max is None else max), max, x)
    ).astype(float),
    errors=[(lambda: m.ones(2).clamp(), RuntimeError, "At least one of 'min' or 'max' must not be None")],
)
row(
    "relu",
    lambda n: [
        S(n.apart(2, 3)),
        S(n.apart(3, 35)[:, 16:19]),
        S(n.apart()),
        S(n(0, 2)),
        S(ODD, special=True),
        S(n.between(-2, 2, 33, 35), special=True),
    ],
    lambda x: (x + np.abs(x)) / 2,
)
row(
    "relu_grad",
    lambda n: [
        S(n(2, 3), n.apart(2, 3)),
        S(n(0, 2), n(0, 2)),
        S(n(), np.asarray(1.0)),
        S([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, -0.0, NAN, INF, -1.0, 1.0], special=True),
    ],
    lambda h, y: h * ~(y <= 0),
)
COMPARED = ([1.0, 2.0, 3.0, NAN, 1.0, INF, 0.0, NAN], [1.0, 3.0, 2.0, 1.0, NAN, INF, -0.0, NAN])
for _name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    row(
        _name,
        lambda n: [S(*COMPARED, special=True), S(n(2, 3), n(3)), S(n(0, 3), n(3)), S(n(3), 0.5)],
        kept=False,
        errors=[mismatch(registry[_name])],
    )
row(
    "floor_divide",
    lambda n: [
        S(n.apart(2, 3), n.between(0.5, 2, 3)),
        S(n(0, 3), n.between(0.5, 2, 3)),
        S(n(3) * 9, 2.0),
        S([7.0, -7.0, 7.0, -7.0, 1.0, 0.0, NAN], [2.0, 2.0, -2.0, -2.0, INF, 1.0, 1.0], special=True),
    ],
    lambda x, y: np.floor(x / y),
)
row(
    "remainder",
    lambda n: [
        S(n.between(0.1, 0.4, 2, 3) + n.integers(-2, 3, 2, 3), n.between(0.9, 1, 2, 3)),
        S(n.between(0.1, 0.4, 2, 3), n.between(0.9, 1, 3)),
        S(n.between(0.1, 0.4, 2) + 2, 1.0),
        S(n(0, 3), n.between(1, 2, 3)),
        S([7.0, -7.0, 7.0, -7.0, 1.0, 0.0, NAN], [2.0, 2.0, -2.0, -2.0, 3.0, 1.0, 1.0], special=True),
    ],
    lambda x, y: x - np.floor(x / y) * y,
    errors=[(lambda: m.tensor(1) % m.tensor(0), RuntimeError, "zero")],
)
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    row(
        _name,
        lambda n: [
            S(n.integers(0, 16, 2, 3), n.integers(0, 16, 3)),
            S(n(2, 3) > 0, n(2, 3) > 0),
            S(n.integers(0, 9, 4), 5),
            S(n.integers(0, 9, 0, 2), n.integers(0, 9, 2)),
        ],
        kept=False,
        errors=[
            mismatch(lambda x, y, op=registry[_name]: op(x.long(), y.long())),
            (lambda op=registry[_name]: op(m.ones(2), m.ones(2)), NotImplementedError, "bitwise_"),
        ],
    )
row(
    "bitwise_not",
    lambda n: [S(n.integers(0, 16, 2, 3)), S(n(2, 3) > 0), S(n(0, 3) > 0)],
    kept=False,
    errors=[(lambda: ~m.ones(2), TypeError, "integer")],
)

# ------------------------------------------------------------------------------------ rows whose formula is one of NumPy's

POSITIVE = {"low": 0.5, "high": 3}
UNARY: dict[str, tuple[Callable, dict]] = {
    "asin": (lambda x: np.pi / 2 - np.arccos(x), {"low": -0.9, "high": 0.9}),
    "acos": (lambda x: np.pi / 2 - np.arcsin(x), {"low": -0.9, "high": 0.9}),
    "atan": (lambda x: np.angle(1 + 1j * x), {}),
    "sinh": (lambda x: (np.exp(x) - np.exp(-x)) / 2, {}),
    "cosh": (lambda x: (np.exp(x) + np.exp(-x)) / 2, {}),
    "asinh": (lambda x: np.log(x + np.sqrt(x * x + 1)), {}),
    "acosh": (lambda x: np.log(x + np.sqrt(x * x - 1)), {"low": 1.2, "high": 3}),
    "atanh": (lambda x: np.log((1 + x) / (1 - x)) / 2, {"low": -0.9, "high": 0.9}),
    "exp2": (lambda x: np.exp(x * np.log(2)), {}),
    "log2": (lambda x: np.log(x) / np.log(2), POSITIVE),
    "log10": (lambda x: np.log(x) / np.log(10), POSITIVE),
    "erfc": (lambda x: np.vectorize(lambda v: 1 - math.erf(v), otypes=[float])(x), {"odd": FAR}),
    "tan": (lambda x: np.sin(x) / np.cos(x), {"low": -1.4, "high": 1.4}),
    "square": (lambda x: np.abs(x) ** 2, {}),
    "reciprocal": (lambda x: x**-1, POSITIVE),
    "rsqrt": (lambda x: np.exp(-np.log(x) / 2), POSITIVE),
    "hardsigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, {}),
    "hardswish": (lambda x: x * np.clip(x + 3, 0, 6) / 6, {}),
    "logsigmoid": (lambda x: -np.logaddexp(0, -x), {"odd": FAR}),
    "mish": (lambda x: x * np.tanh(np.logaddexp(0, x)), {"odd": FAR}),
    "selu": (
        lambda x: 1.0507009873554805 * (np.clip(x, 0, None) + 1.6732632423543772 * np.expm1(np.clip(x, None, 0))),
        {"low": 0.1},
    ),
    "softsign": (lambda x: x / (1 + np.abs(x)), {"low": 0.1, "odd": [0.0, -0.0, NAN, 1.0, -1.0]}),
    "tanhshrink": (lambda x: x - np.tanh(x), {}),
}
for _name, (_formula, _range) in UNARY.items():
    # PyTorch rounds this constant to float32
    near = {"oracle": 1e-6} if _name == "hardsigmoid" else {}
    row(_name, lambda n, how=_range: unary(n, **how), _formula, **near)
for _name, _formula in {"trunc": np.fix, "frac": lambda x: np.fmod(x, 1)}.items():
    row(_name, lambda n: [S(n.apart(2, 3)), S(n(0, 2)), S(ODD, special=True)], _formula)
UNDECIDED = {"hardtanh", "hardshrink", "softshrink"}
SETTINGS: dict[str, tuple[dict, Callable]] = {
    "leaky_relu": ({"negative_slope": 0.2}, lambda x, negative_slope: np.maximum(x, negative_slope * x)),
    "threshold": ({"threshold": 0.5, "value": -1.0}, lambda x, threshold, value: np.where(x > threshold, x, value)),
    "hardtanh": ({"min_val": -0.5, "max_val": 0.7}, lambda x, min_val, max_val: np.clip(x, min_val, max_val)),
    "elu": ({"alpha": 0.7}, lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))),
    "celu": ({"alpha": 0.7}, lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "softplus": ({"beta": 2.0, "threshold": 20.0}, lambda x, beta, threshold: np.logaddexp(0, beta * x) / beta),
    "hardshrink": ({"lambd": 0.5}, lambda x, lambd: x * (np.abs(x) > lambd)),
    "softshrink": ({"lambd": 0.5}, lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0)),
}
for _name, (_settings, _formula) in SETTINGS.items():
    row(
        _name,
        lambda n, settings=_settings, odd=[x for x in ODD if x == x or _name not in UNDECIDED]: [
            S(n.apart(2, 5), **settings),
            S(n.apart(), **settings),
            S(n(0, 2), **settings),
            # PyTorch's gradient at NaN is 0 or g, by the element's place in the array, for three of these.
            S([*odd, 0.5, 30.0, -30.0], **settings, special=True),
        ],
        _formula,
        oracle=1e-6 if _name == "celu" else 1e-10,  # PyTorch rounds 1 / alpha to float32
    )
PAIRS: dict[str, tuple[Callable, list]] = {
    "hypot": (lambda x, y: np.abs(x + 1j * y), [[3.0, INF, NAN, 0.5], [4.0, 1.0, 1.0, -INF]]),
    "logaddexp": (
        lambda x, y: np.log(np.exp(x) + np.exp(y)),
        [[800.0, INF, NAN, 1.0, -800.0], [799.0, 1.0, 0.0, 1.0, -1.0]],
    ),
    "squared_error": (lambda x, y: np.abs(x - y) ** 2, [[1.0, NAN, INF, 2.0], [1.0, 1.0, INF, -1.0]]),
    "absolute_error": (lambda x, y: np.sqrt((x - y) ** 2), [[1.0, NAN, INF, 2.0], [1.0, 1.0, 1.0, -1.0]]),
    "logistic_error": (
        lambda x, y: -(y * np.log(1 / (1 + np.exp(-x))) + (1 - y) * np.log(1 / (1 + np.exp(x)))),
        [[0.0, NAN, 800.0, -800.0], [1.0, 1.0, 0.25, 0.5]],
    ),
    "poisson_error": (lambda x, y: np.e**x - x * y, [[0.0, NAN, -800.0], [1.0, 1.0, 0.25]]),
    "atan2": (lambda x, y: np.angle(y + 1j * x), [[0.0, -0.0, INF, NAN, 1.0], [1.0, -1.0, 1.0, 1.0, -INF]]),
    "copysign": (lambda x, y: np.abs(x) * np.where(y < 0, -1, 1), [[1.0, -1.0, 2.0, 0.0], [-0.0, 0.0, NAN, -1.0]]),
}
for _name, (_formula, _odd) in PAIRS.items():
    row(
        _name,
        lambda n, odd=_odd: [
            S(n.apart(2, 3), n.apart(2, 3) + 0.1),
            S(n.apart(2, 1), n.apart(1, 3) + 0.1),
            S(n.apart(3), np.asarray(1.55)),
            S(n(0, 3), n(3)),
            S(*odd, special=True),
        ],
        _formula,
        errors=[mismatch(registry[_name])],
    )
row(
    "huber",
    lambda n: [
        S(n.apart(2, 3), n.apart(2, 3) + 0.07, edge=0.5, curvature=1.0, slope=1.0),
        S(n.apart(2, 1), n.apart(1, 3) + 0.07, edge=1.2, curvature=0.5, slope=1.2),
        S(n(0, 3), n(3), edge=0.5, curvature=1.0, slope=1.0),
        S([1.0, NAN, INF, 2.0], [1.0, 1.0, 1.0, -1.0], edge=1.0, curvature=0.5, slope=1.0, special=True),
    ],
    lambda x, y, edge, curvature, slope: np.select(
        [np.abs(x - y) < edge], [curvature * np.abs(x - y) ** 2], slope * (np.abs(x - y) - edge / 2)
    ),
)
row(
    "xlogy",
    lambda n: [
        S(n(2, 3), n.between(0.5, 2, 2, 3)),
        S(n(2, 1), n.between(0.5, 2, 1, 3)),
        S(n(0, 3), n.between(0.5, 2, 3)),
        S([0.0, 0.0, 1.0, 2.0], [0.5, NAN, 2.0, NAN], special=True),
    ],
    lambda x, y: x * np.log(y),
)
row(
    "fmod",
    lambda n: [
        S(n.between(0.1, 0.4, 2, 3) + n.integers(0, 3, 2, 3), n.between(0.9, 1, 3)),
        S(n(0, 3), n.between(1, 2, 3)),
        S([7.0, -7.0, 7.0, -7.0, 1.0], [2.0, 2.0, -2.0, -2.0, 3.0], special=True),
    ],
    lambda x, y: x - np.fix(x / y) * y,
    errors=[(lambda: m.fmod(m.tensor(1), m.tensor(0)), RuntimeError, "zero")],
)
for _name in ("logical_and", "logical_or", "logical_xor"):
    row(
        _name,
        lambda n: [
            S([0.0, 1.0, NAN, 0.0], [0.0, 0.0, 1.0, 2.0], special=True),
            S(n.integers(0, 2, 2, 3), n.integers(0, 2, 3)),
            S(n(0, 3), n(3)),
        ],
        kept=False,
        errors=[mismatch(registry[_name])],
    )
for _name in ("logical_not", "isnan", "isinf", "isfinite"):
    row(_name, lambda n: [S(ODD, special=True), S(n.integers(0, 2, 2, 3)), S(n(0, 3))], kept=False)
