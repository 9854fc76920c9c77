"""One row per primitive: inputs, settings, the value they should give, and the calls that should fail.

The generic tests walk this table together with `minitorch.autograd.registry`; a new primitive needs a row here and
nothing else. Values come from the row's NumPy `formula`, or (values and gradients) from PyTorch's numbers frozen in
`golden/ops.npz` by `make_golden_ops.py`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minitorch
import minitorch.ops.conv
import minitorch.ops.loss
import minitorch.ops.pool
import minitorch.ops.resample
from minitorch.autograd import ZERO, registry
from minitorch.geometry import ConvGeometry, PoolGeometry
from minitorch.ops import norm
from minitorch.ops.shape import rolled

INF, NAN = np.inf, np.nan


@dataclass
class Sample:
    """One application: positional `args` (float64 arrays are differentiated), and `settings`."""

    args: tuple
    settings: dict
    special: bool = False  # at a kink, a pole or a NaN: compared with PyTorch's frozen numbers, not with differences
    tolerance: float | None = None

    def tensors(self, dtype: Any = np.float64, make: Callable = np.array) -> list:
        """Fresh arguments; float arrays as leaves in `dtype`, laid out by `make`."""
        out = []
        for arg in self.args:
            if isinstance(arg, np.ndarray):
                arg = arg.astype(dtype) if arg.dtype == np.float64 else arg
                arg = minitorch.from_numpy(make(arg))
            out.append(arg)
        return out

    def fingerprint(self) -> np.ndarray:
        """A checksum of the arguments, by which frozen numbers know what they belong to."""
        check = 0
        for arg in self.args:
            check = zlib.crc32(b"" if arg is None else np.ascontiguousarray(arg).tobytes(), check)
        return np.array(check, np.uint32)


@dataclass
class Row:
    """What is known about one primitive."""

    name: str
    samples: list[Sample]
    formula: Callable | None = None  # NumPy, of the arrays and settings
    linear: bool = False  # in every differentiable argument: differences are exact for any step
    kept: bool = True  # a float32 input gives a float32 result
    call: Callable | None = None  # how the primitive is reached, where that is not by calling it
    oracle: float = 1e-10  # how near PyTorch's frozen numbers must be
    by_place: bool = False  # the result depends on where elements are in memory
    empty: str = ""  # why no sample has size 0
    errors: list[tuple[Callable, type, str]] = field(default_factory=list)

    @property
    def primitive(self) -> Any:
        """The primitive itself."""
        return registry[self.name]

    def differentiable(self, sample: Sample) -> list[int]:
        """Positions of float arguments that have a rule."""
        rules = self.primitive.rules
        return [
            i
            for i, arg in enumerate(sample.args)
            if isinstance(arg, np.ndarray) and arg.dtype == np.float64 and rules[min(i, len(rules) - 1)] is not None
        ]

    def leaves(self, sample: Sample, **how: Any) -> tuple[list, list]:
        """Fresh tensors for the sample, and those among them that require grad."""
        tensors = sample.tensors(**how)
        wanted = [tensors[i] for i in self.differentiable(sample)]
        for x in wanted:
            x.requires_grad_()
        return tensors, wanted

    def apply(self, sample: Sample, tensors: list) -> Any:
        """The primitive called on these tensors."""
        return (self.call or self.primitive)(*tensors, **sample.settings)

    def bendable(self) -> list[int]:
        """Positions of the rules that say something other than zero."""
        return [i for i, rule in enumerate(self.primitive.rules) if rule is not None and rule is not ZERO]


ROWS: dict[str, Row] = {}


class Draw:
    """Inputs of one row, from a seed of its own, so that rows do not disturb each other."""

    def __init__(self, name: str) -> None:
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def __call__(self, *shape: int) -> np.ndarray:
        return np.asarray(self.rng.standard_normal(shape))

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Uniform."""
        return np.asarray(self.rng.uniform(low, high, shape))

    def apart(self, *shape: int) -> np.ndarray:
        """No two elements nearer than 0.3, none nearer to 0 than 0.15: away from kinks and ties."""
        n = int(np.prod(shape))
        return (self.rng.permutation(n) - n // 2 + 0.5).reshape(shape) * 0.3

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        """int64."""
        return np.asarray(self.rng.integers(low, high, shape))


def S(*args: Any, special: bool = False, tolerance: float | None = None, **settings: Any) -> Sample:
    """A sample; lists become float64 arrays."""
    arrays = tuple(np.asarray(a, np.float64) if isinstance(a, (list, np.floating)) else a for a in args)
    return Sample(arrays, settings, special, tolerance)


def row(name: str, make: Callable[[Draw], list], formula: Callable | None = None, **known: Any) -> None:
    """Add a row."""
    assert name not in ROWS, name
    ROWS[name] = Row(name, make(Draw(name)), formula, **known)


m = minitorch


def ints(*shape: int) -> Any:
    """An int64 tensor of ones, for error rows."""
    return m.ones(*shape, dtype=m.int64)


ODD = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.5]

# ----------------------------------------------------------------------------------------------------------------- shape

row(
    "reshape",
    lambda n: [S(n(2, 6), shape=(3, 4)), S(n(4), shape=(2, 1, 2)), S(n(1), shape=()), S(n(0, 3), shape=(3, 0))],
    lambda x, shape: x.reshape(shape),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).reshape(5), RuntimeError, "shape '[5]' is invalid for input of size 6"),
        (lambda: m.ones(6).reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda: m.ones(6).reshape(4, -1), RuntimeError, "shape '[4, -1]' is invalid for input of size 6"),
        (lambda: m.ones(6).reshape(6.0), TypeError, "ints"),
    ],
)
row(
    "permute",
    lambda n: [
        S(n(2, 3), dims=(1, 0)),
        S(n(2, 1, 3, 2), dims=(2, 0, 3, 1)),
        S(n(), dims=()),
        S(n(2, 0, 3), dims=(1, 2, 0)),
    ],
    lambda x, dims: np.transpose(x, dims),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).permute(0), RuntimeError, "input.dim() = 2 is not equal to len(dims) = 1"),
        (lambda: m.ones(2, 3).permute(0, 0), RuntimeError, "dim 0"),
        (lambda: m.ones(2, 3).transpose(0, 2), IndexError, "[-2, 1], but got 2"),
    ],
)
row(
    "expand",
    lambda n: [
        S(n(1, 3), shape=(2, 3)),
        S(n(2, 1), shape=(2, 2, 3)),
        S(n(), shape=(2, 2)),
        S(n(2, 3), shape=(2, 3)),
        S(n(1, 3), shape=(0, 3)),
        S(n(0, 1), shape=(2, 0, 3)),
    ],
    lambda x, shape: x + np.zeros(shape),
    linear=True,
    errors=[
        (
            lambda: m.ones(2).expand(3),
            RuntimeError,
            "(3) must match the existing size (2) at non-singleton dimension 0",
        ),
        (lambda: m.ones(2, 3).expand(3), RuntimeError, "greater or equal to the number of dimensions"),
        (lambda: m.ones(2).expand(-1, 2), RuntimeError, "leading, non-existing dimension 0"),
    ],
)
row(
    "sum_to",
    lambda n: [
        S(n(2, 3), shape=(3,)),
        S(n(2, 3), shape=(2, 1)),
        S(n(2, 2, 3), shape=(1, 2, 1)),
        S(n(2, 3), shape=()),
        S(n(0, 3), shape=(1, 3)),
        S(n(2, 3), shape=(2, 3)),
    ],
    lambda x, shape: np.einsum(
        x, [*range(9, 9 + x.ndim)], [9 + x.ndim - len(shape) + i for i, s in enumerate(shape) if s != 1]
    ).reshape(shape),
    linear=True,
)
row(
    "concatenate",
    lambda n: [
        S(n(2, 3), n(1, 3), n(2, 3), dim=0),
        S(n(2, 1), n(2, 2), dim=1),
        S(n(2), dim=0),
        S(n(0, 2), n(1, 2), dim=0),
        S(n(2, 3), n(2, 3), n(2, 3), dim=1, new=True),
        S(n(), n(), dim=0, new=True),
        S(n(0, 2), n(0, 2), dim=2, new=True),
    ],
    lambda *xs, dim, new=False: np.moveaxis(
        np.array([v for x in xs for v in ([x] if new else np.moveaxis(x, dim, 0))]), 0, dim
    ),
    linear=True,
    errors=[
        (lambda: m.cat([m.ones(2, 3), m.ones(2, 4)]), RuntimeError, "number 1 in the list"),
        (lambda: m.cat([]), ValueError, "non-empty list of Tensors"),
        (lambda: m.cat([m.ones(2), m.tensor(1.0)]), RuntimeError, "zero-dimensional tensor"),
        (lambda: m.stack([m.ones(2), m.ones(3)]), RuntimeError, "[2] at entry 0 and [3] at entry 1"),
        (lambda: m.stack([]), RuntimeError, "stack expects a non-empty TensorList"),
    ],
)
row(
    "pad_constant",
    lambda n: [
        S(n(2, 3), widths=((1, 0), (0, 2)), value=0.0),
        S(n(2, 3), widths=((1, 1), (2, 1)), value=1.5),
        S(n(4), widths=((-1, 2),), value=0.0),
        S(n(4, 3), widths=((-1, -1), (0, -2)), value=0.0),
        S(n(2), widths=((0, 0),), value=3.0),
        S(n(0, 2), widths=((1, 1), (0, 0)), value=2.0),
    ],
)
row(
    "roll",
    lambda n: [
        S(n(5), shifts=(2,), dims=(0,)),
        S(n(3, 4), shifts=(-1, 6), dims=(0, 1)),
        S(n(2, 3, 2), shifts=(1,), dims=(1,)),
        S(n(2, 3), shifts=(0,), dims=(1,)),
        S(n(0, 3), shifts=(1, 1), dims=(0, 1)),
    ],
    lambda x, shifts, dims: np.roll(x, shifts, dims),
    linear=True,
    errors=[
        (lambda: rolled(m.ones(2, 3), (1, 2), 0), RuntimeError, "shifts: 2, dims:1"),
        (lambda: rolled(m.ones(2, 3), 1, 2), IndexError, "[-2, 1], but got 2"),
    ],
)
row(
    "tile",
    lambda n: [
        S(n(2, 3), times=(2, 3)),
        S(n(1, 2, 2), times=(3, 1, 2)),
        S(n(3), times=(0,)),
        S(n(0, 2), times=(2, 1)),
        S(n(), times=()),
    ],
    lambda x, times: np.tile(x, times),
    linear=True,
)
row(
    "flip",
    lambda n: [S(n(3), dims=(0,)), S(n(2, 3), dims=(0, 1)), S(n(2, 3), dims=()), S(n(0, 2), dims=(1,))],
    linear=True,
    errors=[(lambda: m.ones(2).flip(1), IndexError, "[-1, 0], but got 1")],
)

# ----------------------------------------------------------------------------------------------------------- elementwise


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

# ----------------------------------------------------------------------------------------------------- indexing, in place

KEYS: list[tuple] = [
    (slice(0, 2), Ellipsis),
    (None, 1, Ellipsis),
    (Ellipsis, slice(None, None, 2)),
    (slice(1, 1), Ellipsis),
    (np.array([0, 2, 0]), Ellipsis),
    (slice(None), np.array([[0, 1], [1, 3]]), Ellipsis),
    (np.array([0, -1, 0]), np.array([1, 2, 1])),
    (np.array([[True, False, True, True], [False] * 4, [True] * 4]), Ellipsis),
    (np.array([], np.int64), Ellipsis),
    (np.array([1, 0]), None, slice(None, 3), Ellipsis),
    (1, 2, Ellipsis),
]


def added(shape: tuple, key: tuple, y: np.ndarray) -> np.ndarray:
    """y added at key, one element at a time."""
    out, where = np.zeros(shape), np.arange(int(np.prod(shape))).reshape(shape)[key]
    for position, value in zip(np.ravel(where), np.ravel(y), strict=True):
        out.flat[position] += value
    return out


row(
    "getitem",
    lambda n: [
        *(S(n(3, 4), key=key) for key in KEYS),
        S(n(), key=(Ellipsis,)),
        S(n(0, 3), key=(slice(None), 1, Ellipsis)),
        S(n(2, 3, 4), key=(np.array([0, 1]), slice(None), np.array([1, 1]))),
    ],
    lambda x, key: x.ravel()[np.arange(x.size).reshape(x.shape)[key]],
    linear=True,
    errors=[
        (lambda: m.ones(3)[0, 0], IndexError, "too many indices for tensor of dimension 1"),
        (lambda: m.ones(3)[::-1], ValueError, "step must be greater than zero"),
        (lambda: m.ones(3)["a"], TypeError, "'a'"),
        (lambda: m.ones(3)[1.0], IndexError, "float"),
        (lambda: m.ones(3)[5], IndexError, "index 5 is out of bounds"),
        (lambda: m.ones(3)[m.tensor([0, 5])], IndexError, "index 5 is out of bounds"),
        (lambda: m.ones(3)[m.tensor([0.0, 1.0])], IndexError, "must be long, int, byte or bool tensors"),
        (lambda: m.tensor(1.0)[0], IndexError, "invalid index of a 0-dim tensor"),
        (lambda: m.ones(3)[m.tensor([True, False])], IndexError, "2"),
        (lambda: m.ones(2, 3).index_select(0, m.tensor([2])), IndexError, "out of range"),
        (lambda: m.ones(2, 3).narrow(1, 2, 2), RuntimeError, "start (2) + length (2) exceeds dimension size (3)"),
    ],
)
row(
    "place",
    lambda n: [S(np.asarray(n(3, 4)[key]), key=key, shape=(3, 4)) for key in KEYS],
    lambda y, key, shape: added(shape, key, y),
    linear=True,
)
SET_KEYS = [key for i, key in enumerate(KEYS) if i not in (4, 5, 6)]  # places named twice: which value stays is open
row(
    "setitem",
    lambda n: [
        *(S(n(3, 4), n(*np.zeros((3, 4))[key].shape), key=key) for key in SET_KEYS),
        S(n(3, 4), n(), key=(slice(1, 3), Ellipsis)),
        S(n(3, 4), n(4), key=(np.array([2, 0]), Ellipsis)),
        S(n(3, 4), 2.5, key=(np.array([2, 0]), Ellipsis)),
        S(n(0, 4), n(4), key=(Ellipsis,)),
    ],
    lambda x, value, key: x - added(x.shape, key, x[key]) + added(x.shape, key, value + 0 * x[key]),
    linear=True,
    errors=[
        (lambda: m.ones(3).__setitem__(0, m.ones(2)), RuntimeError, "shape"),
        (lambda: m.ones(3).__setitem__([0, 1], m.ones(3)), RuntimeError, "shape mismatch: value tensor of shape [3]"),
        (lambda: m.ones(3).__setitem__(3, 1.0), IndexError, "index 3 is out of bounds"),
        (lambda: m.ones(3).__setitem__(0, "a"), TypeError, "str"),
        (lambda: m.ones(3, requires_grad=True).__setitem__(0, 1), RuntimeError, "view of a leaf Variable"),
    ],
)
row(
    "pick",
    lambda n: [
        S(n(4, 3), np.array([0, 2, 1, 2]), np.array([1.0, -1.0, 0.5, 0.0], np.float32)),
        S(n(1, 1), np.array([0]), np.array([2.0], np.float32)),
        S(n(0, 3), np.zeros(0, np.int64), np.zeros(0, np.float32)),
    ],
    lambda x, labels, factor: (x * (np.arange(x.shape[1]) == labels[:, None])).sum(1) * factor,
    linear=True,
)
row(
    "put",
    lambda n: [
        S(n(4), np.array([0, 2, 1, 2]), np.array([1.0, -1.0, 0.5, 0.0], np.float32), classes=3),
        S(n(0), np.zeros(0, np.int64), np.zeros(0, np.float32), classes=2),
    ],
    lambda y, labels, factor, classes: (np.arange(classes) == labels[:, None]) * (y * factor)[:, None],
    linear=True,
)
row(
    "gather",
    lambda n: [
        S(n(3, 4), n.integers(0, 4, 3, 2), dim=1),
        S(n(3, 4), n.integers(0, 3, 5, 3), dim=0),
        S(n(4), np.array([1, 1, 0]), dim=0),
        S(n(2, 2, 3), n.integers(0, 3, 2, 1, 3), dim=2),
        S(n(3, 4), np.zeros((0, 4), np.int64), dim=0),
    ],
    linear=True,
    errors=[
        (
            lambda: m.ones(2, 3).gather(1, m.tensor([[3], [0]])),
            RuntimeError,
            "index 3 is out of bounds for dimension 1 with size 3",
        ),
        (lambda: m.ones(2, 3).gather(1, m.tensor([[-1], [0]])), RuntimeError, "index -1 is out of bounds"),
        (lambda: m.ones(2, 3).gather(1, m.tensor([0])), RuntimeError, "same number of dimensions"),
        (lambda: m.ones(2, 3).gather(1, m.ones(2, 1)), RuntimeError, "int64"),
    ],
)
row(
    "scatter_add",
    lambda n: [
        S(n(3, 2), n.integers(0, 4, 3, 2), dim=1, shape=(3, 4)),
        S(n(5, 3), n.integers(0, 3, 5, 3), dim=0, shape=(3, 4)),
        S(n(3), np.array([1, 1, 0]), dim=0, shape=(4,)),
        S(n(0, 4), np.zeros((0, 4), np.int64), dim=0, shape=(3, 4)),
    ],
    linear=True,
    errors=[
        (
            lambda: m.zeros(2, 3).scatter_add(1, m.tensor([[3], [0]]), m.ones(2, 1)),
            RuntimeError,
            "index 3 is out of bounds",
        ),
        (lambda: m.zeros(2, 3).scatter_add(1, m.tensor([[0, 0], [0, 0]]), m.ones(2, 1)), RuntimeError, "src"),
    ],
)
row("identity", lambda n: [S(n(2, 3)), S(n()), S(n(0, 2))], lambda x: x, linear=True)


def view(key: tuple) -> tuple:
    """A step of a view chain: x[key]."""
    return registry["getitem"], {"key": key}


def places(shape: tuple, views: tuple) -> np.ndarray:
    """The flat positions in an array of `shape` that the chain of views shows."""
    numpy = {
        "getitem": lambda a, key: a[key],
        "permute": lambda a, dims: np.transpose(a, dims),
        "reshape": lambda a, shape: np.reshape(a, shape),
    }
    at = np.arange(int(np.prod(shape))).reshape(shape)
    for primitive, settings in views:
        at = numpy[primitive.name](at, **settings)
    return at


def overwritten(x: np.ndarray, value: np.ndarray, views: tuple) -> np.ndarray:
    """x with the viewed elements replaced, one at a time."""
    out = x.copy()
    for position, v in zip(places(x.shape, views).ravel(), value.ravel(), strict=True):
        out.flat[position] = v
    return out


row(
    "overwrite",
    lambda n: [
        S(n(3, 4), n(2, 4), views=(view((slice(1, 3), Ellipsis)),)),
        S(n(3), n(3), views=()),
        S(n(3, 4), n(2, 2), views=(view((slice(1, 3), Ellipsis)), view((slice(None), slice(1, 4, 2), Ellipsis)))),
        S(n(2, 3), n(2), views=((registry["permute"], {"dims": (1, 0)}), view((1, Ellipsis)))),
        S(n(2, 3), n(3, 2), views=((registry["reshape"], {"shape": (3, 2)}),)),
        S(n(6), n(3, 2), views=((registry["reshape"], {"shape": (3, 2)}),)),
        S(n(3, 4), n(0, 4), views=(view((slice(1, 1), Ellipsis)),)),
    ],
    overwritten,
    linear=True,
)

# ---------------------------------------------------------------------------------------------- reductions and products

row(
    "sum",
    lambda n: [
        S(n(2, 3), dim=(0,), keepdim=False),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True),
        S(n(2, 3), dim=(0, 1), keepdim=False),
        S(n(), dim=(), keepdim=False),
        S(n(0, 3), dim=(0,), keepdim=False),
        S(n(2, 0), dim=(0, 1), keepdim=True),
    ],
    linear=True,
    errors=[
        (lambda: m.ones(2, 3).sum(dim=(0, 0)), RuntimeError, "dim 0 appears multiple times"),
        (lambda: m.ones(2, 3).sum(2), IndexError, "[-2, 1], but got 2"),
        (lambda: m.ones(2, dtype=m.int64).mean(), RuntimeError, "mean(): could not infer output dtype"),
    ],
)


def several(n: Draw) -> list:
    """Samples of one axis, of several, of all and of none, kept or not, and of size 0."""
    return [
        S(n(2, 3), dim=(0,), keepdim=False),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True),
        S(n(2, 3), dim=(0, 1), keepdim=False),
        S(n(0, 3), dim=(0,), keepdim=False),
    ]


row(
    "var",
    lambda n: [
        S(n(4, 3), dim=(0,), keepdim=False, correction=1),
        S(n(2, 3, 2), dim=(0, 2), keepdim=True, correction=0),
        S(n(2, 3), dim=(0, 1), keepdim=False, correction=1.5),
        S(n(3, 0), dim=(0,), keepdim=False, correction=1),
        S(n(3, 2), dim=(0,), keepdim=False, correction=3, special=True),
        S([[1.0, 2.0, NAN], [1.0, INF, 2.0]], dim=(0,), keepdim=False, correction=1, special=True),
    ],
    lambda x, dim, keepdim, correction: (
        np.square(x - x.mean(dim, keepdims=True)).sum(dim, keepdims=keepdim)
        / (math.prod(x.shape[d] for d in dim) - correction)
    ),
    errors=[
        (lambda: m.ones(2, dtype=m.int64).var(), RuntimeError, "var(): could not infer output dtype"),
        (lambda: m.ones(2).var(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(2).var(unbiased=True, correction=1), TypeError, "not both"),
    ],
)
row(
    "sum_squares",
    several,
    lambda x, dim, keepdim: np.square(x).sum(dim, keepdims=keepdim),
    errors=[
        (lambda: m.ones(2, dtype=m.int64).norm(), RuntimeError, "Expected a floating point or complex tensor"),
        (lambda: m.ones(2).norm("x"), RuntimeError, "'x'"),
        (lambda: m.ones(0).norm(INF), RuntimeError, "does not have an identity"),
    ],
)
row(
    "sum_sizes",
    lambda n: [
        *several(n),
        S(n.apart(2, 3), dim=(1,), keepdim=True),
        S([[0.0, -0.0, 2.0], [NAN, 1.0, -INF]], dim=(1,), keepdim=False, special=True),
    ],
    lambda x, dim, keepdim: abs(x).sum(dim, keepdims=keepdim),
)
row(
    "prod",
    lambda n: [
        *several(n),
        S([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 3.0, 4.0]], dim=(1,), keepdim=False),
        S([[1.0, 0.0, 2.0], [2.0, 3.0, 4.0]], dim=(0, 1), keepdim=True),
        S(n(), dim=(), keepdim=False),
    ],
    lambda x, dim, keepdim: (
        np.exp(np.log(np.abs(x) + (x == 0)).sum(dim, keepdims=keepdim))
        * np.where(((x < 0).sum(dim, keepdims=keepdim) % 2) == 1, -1, 1)
        * (x != 0).all(dim, keepdims=keepdim)
    ),
    errors=[(lambda: m.ones(2).prod(1), IndexError, "[-1, 0], but got 1")],
)
row(
    "cumprod",
    lambda n: [
        S(n(4), dim=0),
        S(n(2, 3), dim=1),
        S(n(0, 3), dim=0),
        S([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 3.0, 4.0]], dim=1),
    ],
    lambda x, dim: np.stack([x.take(range(i + 1), dim).prod(dim) for i in range(x.shape[dim])], dim) if x.size else x,
    errors=[(lambda: m.ops.reduce.cumprod(m.ones(2), 1), IndexError, "[-1, 0], but got 1")],
)
row(
    "logsumexp",
    lambda n: [
        *several(n),
        S(
            [[1000.0, 0.0, -1000.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]],
            dim=(1,),
            keepdim=False,
            special=True,
        ),
    ],
    lambda x, dim, keepdim: np.log(np.exp(x).sum(dim, keepdims=keepdim)) if x.size else np.full(3, -INF),
    errors=[(lambda: m.ones(2).logsumexp(), TypeError, "dim"), (lambda: m.ones(2).sum(dims=1), TypeError, "dims")],
)
for _name, _word in (("amax_over", "max"), ("amin_over", "min")):
    row(
        _name,
        lambda n: [
            S(n.apart(2, 3), dim=(1,), keepdim=False),
            S(n.apart(2, 3, 2), dim=(0, 2), keepdim=True),
            S(n.apart(4), dim=(0,), keepdim=False),
            S(n(0, 3), dim=(1,), keepdim=False),
            S([[1.0, 2.0, 2.0], [0.0, -0.0, 0.0], [INF, INF, -INF]], dim=(1,), keepdim=False, special=True),
            S([[1.0, 2.0, 2.0], [1.0, 2.0, 0.0]], dim=(0, 1), keepdim=False, special=True),
            S([[3.0, 1.0, 1.0], [1.0, 2.0, 3.0]], dim=(0, 1), keepdim=False, special=True),
        ],
        errors=[
            (lambda f=_word: getattr(m.zeros(0), f)(), RuntimeError, f"{_word}(): Expected reduction dim"),
            (lambda f=_word: getattr(m.zeros(0), "arg" + f)(), IndexError, f"arg{_word}(): Expected reduction dim"),
            (lambda f=_word: getattr(m.zeros(2, 0), f)(1), IndexError, "non-zero size"),
            (lambda f=_word: getattr(m.zeros(2, 0), "a" + f)(1), IndexError, "non-zero size"),
        ],
    )
row(
    "cumsum",
    lambda n: [
        S(n(4), dim=0, reverse=False),
        S(n(2, 3), dim=1, reverse=False),
        S(n(2, 3), dim=0, reverse=True),
        S(n(0, 3), dim=0, reverse=True),
    ],
    linear=True,
    errors=[(lambda: m.ones(2).cumsum(1), IndexError, "[-1, 0], but got 1")],
)


def softmaxes(n: Draw) -> list[Sample]:
    """Rows along every axis, empty ones, and rows with infinities and NaNs."""
    return [
        S(n(2, 3), dim=1),
        S(n(3, 2), dim=0),
        S(n(2, 2, 2), dim=1),
        S(n(0, 3), dim=1),
        S(n(3, 0), dim=0),
        S(
            [[1000.0, 0.0, -1000.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]],
            dim=1,
            special=True,
        ),
    ]


row(
    "softmax",
    softmaxes,
    lambda x, dim: np.exp(x) / np.exp(x).sum(dim, keepdims=True),
    errors=[
        (lambda: m.ones(2).softmax(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(2).long().softmax(0), NotImplementedError, "softmax"),
    ],
)
row(
    "log_softmax",
    softmaxes,
    lambda x, dim: np.log(np.exp(x) / np.exp(x).sum(dim, keepdims=True)),
)
row(
    "cross_entropy",
    lambda n: [
        S(n(4, 3), np.array([0, 2, 1, 2]), None, ignore_index=-100, reduction="mean", smoothing=0.0),
        S(n(4, 3), np.array([0, 2, -9, 2]), n.between(1, 2, 3), ignore_index=-9, reduction="mean", smoothing=0.0),
        S(n(3, 10), np.array([9, 0, 4]), n.between(1, 2, 10), ignore_index=4, reduction="mean", smoothing=0.3),
        S(n(4, 3), np.array([0, 2, 1, 1]), None, ignore_index=1, reduction="sum", smoothing=0.1),
        S(n(4, 3), np.array([0, 2, 1, 1]), n.between(1, 2, 3), ignore_index=1, reduction="none", smoothing=0.0),
        S(n(3, 40), np.array([0, 39, 7]), None, ignore_index=-1, reduction="none", smoothing=0.2),
        S(n(0, 3), np.zeros(0, np.int64), None, ignore_index=-1, reduction="sum", smoothing=0.0),
        S(n(0, 3), np.zeros(0, np.int64), None, ignore_index=-1, reduction="mean", smoothing=0.0, special=True),
        S(n(2, 3), np.array([1, 1]), None, ignore_index=1, reduction="mean", smoothing=0.0, special=True),
        S(
            [[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0, 1.0]],
            np.array([0, 1, 0, 1, 2, 0]),
            None,
            ignore_index=-1,
            reduction="none",
            smoothing=0.0,
            special=True,
        ),
    ],
    errors=[
        (lambda: m.nn.functional.cross_entropy(m.ones(1, 3), m.tensor([3])), IndexError, "Target 3 is out of bounds"),
        (lambda: m.nn.functional.cross_entropy(m.ones(1, 3), m.tensor([-1])), IndexError, "Target -1 is out of bounds"),
    ],
)
row(
    "batched_matmul",
    lambda n: [
        S(n(1, 2, 3), n(1, 3, 2)),
        S(n(2, 1, 2), n(2, 2, 3)),
        S(n(2, 3, 1), n(2, 1, 3)),
        S(n(0, 2, 3), n(0, 3, 2)),
        S(n(1, 0, 2), n(1, 2, 3)),
        S(n(1, 2, 0), n(1, 0, 2)),
        S(n(1, 17, 20), n(1, 20, 19), special=True),
        S(n(2, 9, 5), n(2, 5, 37), special=True),
    ],
    lambda x, y: (x[..., None] * y[:, None]).sum(2),
    linear=True,
    errors=[
        (lambda: m.ones(2, 3) @ m.ones(2, 3), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        (lambda: m.mm(m.ones(2, 3, 4), m.ones(4, 2)), RuntimeError, "self must be a matrix"),
        (
            lambda: m.ones(2, 2) @ m.ones(2, 2, dtype=m.float64),
            RuntimeError,
            "expected m1 and m2 to have the same dtype",
        ),
        (lambda: m.tensor(1.0) @ m.ones(2), RuntimeError, "at least 1D"),
        (lambda: m.ones(2) @ m.ones(3), RuntimeError, "inconsistent tensor size"),
        (lambda: m.ones(2, 3, 4) @ m.ones(3, 4, 2), RuntimeError, "(2)"),
        (lambda: m.bmm(m.ones(2, 3, 4), m.ones(3, 4, 2)), RuntimeError, "bmm"),
        (lambda: m.dot(m.ones(2, 3), m.ones(2)), RuntimeError, "1D tensors expected"),
    ],
)

# ------------------------------------------------------------------------------------------------------ images

CONVOLUTIONS = [  # channels of x, channels of y, the rest
    (2, 3, ConvGeometry.of((4,), 3)),
    (1, 2, ConvGeometry.of((5,), 2, stride=2, padding=1, dilation=2)),
    (2, 2, ConvGeometry.of((3, 4), (2, 3), stride=(1, 2), padding=(1, 2))),
    (4, 2, ConvGeometry.of((3, 3), 2, groups=2)),
    (2, 4, ConvGeometry.of((4, 3), (3, 1), padding=[(1, 0), (0, 2)], groups=2)),
    (1, 1, ConvGeometry.of((2, 3, 2), (2, 2, 1), stride=(1, 2, 1), padding=(0, 1, 0))),
    (1, 1, ConvGeometry.of((6, 5), (2, 2), stride=(3, 2), dilation=(2, 1))),
    (1, 1, ConvGeometry.of((2, 2), 1)),
]
LARGER = [
    (20, 34, ConvGeometry.of((9, 11), 3, padding=1)),
    (18, 18, ConvGeometry.of((7, 9), 3, stride=2, padding=1, groups=18)),
    (3, 20, ConvGeometry.of((12, 10), 5, stride=2, padding=2, dilation=2)),
    (24, 16, ConvGeometry.of((10,), 4, groups=2)),
]


def conv_shapes(n: int, c: int, k: int, g: ConvGeometry) -> tuple:
    """The shapes of x, w and y."""
    return (n, c, *g.input_size), (k, c // g.groups, *g.kernel_size), (n, k, *g.output_size)


def convolutions(n: Draw, first: int, second: int) -> list[Sample]:
    """Two of x, w, y in all geometries; one image, two, none."""
    out = []
    for batch, cases, special in (
        (1, CONVOLUTIONS, False),
        (2, CONVOLUTIONS[:1], False),
        (0, CONVOLUTIONS[2:3], False),
        (2, LARGER, True),
    ):
        for c, k, g in cases:
            shapes = conv_shapes(batch, c, k, g)
            out.append(S(n(*shapes[first]), n(*shapes[second]), geometry=g, special=special))
    return out


row(
    "conv",
    lambda n: convolutions(n, 0, 1),
    linear=True,
    errors=[
        (lambda: ConvGeometry.of((8, 8), 9), RuntimeError, "Kernel size can't be greater than actual input size"),
        (lambda: ConvGeometry.of((8, 8), 3, stride=0), RuntimeError, "non-positive stride is not supported"),
        (lambda: ConvGeometry.of((8, 8), 3, padding=-1), RuntimeError, "negative padding is not supported"),
        (lambda: ConvGeometry.of((8, 8), 3, dilation=0), RuntimeError, "should be greater than zero"),
        (lambda: ConvGeometry.of((8, 8), 0), RuntimeError, "kernel"),
        (lambda: ConvGeometry.of((8, 8), 3, dilation=2**63 - 1), RuntimeError, "9223372036854775807"),
        (lambda: ConvGeometry.of((4, 4), 3, padding=2**31), RuntimeError, "2147483648"),
        (lambda: ConvGeometry.of((8, 8), 3, stride=1.5), TypeError, "float"),
    ],
)


def biased_convolutions(n: Draw) -> list[Sample]:
    """x, w and a bias in all geometries; one image, none."""
    return [
        S(n(b, c, *g.input_size), n(k, c // g.groups, *g.kernel_size), n(k), geometry=g)
        for b, cases in ((1, CONVOLUTIONS), (0, CONVOLUTIONS[2:3]))
        for c, k, g in cases
    ]


row("conv_bias", biased_convolutions, linear=True)
row("conv_transpose", lambda n: convolutions(n, 2, 1), linear=True)
row("conv_weight_grad", lambda n: convolutions(n, 0, 2), linear=True)

POOLINGS: dict[PoolGeometry, dict] = {}  # what PyTorch is called with


def pool(size: tuple, kernel_size: Any, **settings: Any) -> PoolGeometry:
    """The geometry of sliding windows."""
    geometry = PoolGeometry.windows(size, kernel_size, **settings)
    POOLINGS[geometry] = {"kernel_size": kernel_size, **settings}
    return geometry


def adaptive(size: tuple, output_size: tuple) -> PoolGeometry:
    """The geometry of adaptive windows."""
    geometry = PoolGeometry.adaptive(size, output_size)
    POOLINGS[geometry] = {"output_size": output_size}
    return geometry


SLIDING = [
    pool((6,), 2),
    pool((5,), 3, stride=1, padding=1),
    pool((4, 5), (2, 3), stride=(2, 1), padding=(1, 0)),
    pool((5, 5), 2, ceil_mode=True),
    pool((2, 3, 2), (1, 2, 2)),
    pool((7,), 3, stride=2, padding=1, ceil_mode=True),
]
DILATED = [pool((7,), 3, stride=1, padding=1, dilation=2), pool((5, 6), 2, stride=2, dilation=(2, 3))]
TIED = np.array([[[[1.0, 1.0, 2.0, NAN], [1.0, 0.0, NAN, 2.0], [-INF, -INF, 0.0, -0.0], [-INF, -INF, -0.0, 0.0]]]])
row(
    "max_pool",
    lambda n: [
        *(S(n.apart(1, 2, *g.input_size), geometry=g) for g in SLIDING + DILATED),
        S(n(0, 2, 6), geometry=SLIDING[0]),
        S(n.apart(2, 1, 5), geometry=adaptive((5,), (3,))),
        S(TIED, geometry=pool((4, 4), 2), special=True),
        S(n(3, 20, 9, 8), geometry=pool((9, 8), 3, stride=2, padding=1), special=True),
    ],
    errors=[
        (lambda: PoolGeometry.windows((2, 2), 3), RuntimeError, "Output size is too small"),
        (
            lambda: PoolGeometry.windows((4, 4), 2, padding=2),
            RuntimeError,
            "pad should be at most half of effective kernel size",
        ),
        (lambda: PoolGeometry.windows((4, 4), 2, stride=0), RuntimeError, "stride"),
    ],
)
row(
    "pool_gather",
    lambda n: [
        S(n(1, 2, 6), n.integers(0, 6, 1, 2, 3).astype(np.int32)),
        S(n(2, 1, 2, 3), n.integers(0, 6, 2, 1, 2, 2).astype(np.int32)),
        S(n(0, 2, 4), np.zeros((0, 2, 2), np.int32)),
    ],
    lambda x, choice: (
        np.take_along_axis(x.reshape(*x.shape[:2], -1), choice.reshape(*choice.shape[:2], -1).astype(int), 2).reshape(
            choice.shape
        )
        if x.size
        else np.zeros(choice.shape)
    ),
    linear=True,
)


def scattered(y: np.ndarray, choice: np.ndarray, size: tuple) -> np.ndarray:
    """Zeros with y added at its choice, one element at a time."""
    out = np.zeros((*y.shape[:2], int(np.prod(size))))
    for at in np.ndindex(*y.shape):
        out[(*at[:2], choice[at])] += y[at]
    return out.reshape(*y.shape[:2], *size)


row(
    "pool_scatter",
    lambda n: [
        S(n(1, 2, 3), n.integers(0, 6, 1, 2, 3).astype(np.int32), size=(6,)),
        S(n(2, 1, 2, 2), n.integers(0, 6, 2, 1, 2, 2).astype(np.int32), size=(2, 3)),
        S(n(0, 2, 2), np.zeros((0, 2, 2), np.int32), size=(4,)),
    ],
    scattered,
    linear=True,
)


def averages(n: Draw, transposed: bool) -> list[Sample]:
    """Average pooling in all geometries, dividing by the window's size with its padding."""
    out = []
    for batch, g in [(1, g) for g in SLIDING] + [(2, adaptive((5, 4), (3, 2))), (0, SLIDING[2])]:
        scale = tuple(1 / d for d in g.divisors())
        out.append(S(n(batch, 2, *(g.output_size if transposed else g.input_size)), geometry=g, scale=scale))
    return out


row("average", lambda n: averages(n, False), linear=True)
row("average_transpose", lambda n: averages(n, True), linear=True)


def standard(rows: np.ndarray, eps: float) -> np.ndarray:
    """Every row to mean 0 and variance 1."""
    return np.stack([(r - r.mean()) / (r.var() + eps) ** 0.5 for r in rows]) if rows.size else rows


row(
    "group_norm",
    lambda n: [
        S(n(3, 4), n(4), n(4), groups=2, eps=1e-3),
        S(n(2, 4, 3), n(4), n(4), groups=1, eps=1e-5),
        S(n(2, 6, 2, 3), n(6), n(6), groups=3, eps=1e-2),
        S(n(2, 3, 2, 1, 2), n(3), n(3), groups=3, eps=1e-3),
        S(n(0, 4, 2), n(4), n(4), groups=2, eps=1e-3),
        S(1e3 + n(3, 20, 5, 4), n(20), n(20), groups=4, eps=1e-5, special=True),
    ],
    lambda x, w, b, groups, eps: (
        (standard(x.reshape(len(x) * groups, -1), eps).reshape(*x.shape[:2], -1) * w[:, None] + b[:, None]).reshape(
            x.shape
        )
        if x.size
        else x
    ),
)
row(
    "layer_norm",
    lambda n: [
        S(n(3, 5), n(5), n(5), eps=1e-3),
        S(n(2, 3, 4), n(3, 4), n(3, 4), eps=1e-5),
        S(n(6), n(6), n(6), eps=1e-2),
        S(n(0, 4), n(4), n(4), eps=1e-3),
        S(1e3 + n(3, 20), n(20), n(20), eps=1e-5, special=True),
    ],
    lambda x, w, b, eps: standard(x.reshape(-1, w.size), eps).reshape(x.shape) * w + b,
)
row(
    "rms_norm",
    lambda n: [
        S(n(3, 5), n(5), eps=1e-3),
        S(n(2, 3, 4), n(3, 4), eps=1e-5),
        S(n(6), n(6), eps=1e-2),
        S(n(0, 4), n(4), eps=1e-3),
    ],
    lambda x, w, eps: x / np.sqrt(np.square(x).mean(tuple(range(x.ndim - w.ndim, x.ndim)), keepdims=True) + eps) * w,
)


def normalized(x: np.ndarray, w: np.ndarray, b: np.ndarray, eps: float) -> np.ndarray:
    """Every channel on its own."""
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        v = x[:, c]
        out[:, c] = (v - v.mean()) / (v.var() + eps) ** 0.5 * w[c] + b[c]
    return out


row(
    "batch_norm",
    lambda n: [
        S(n(4, 2), n(2), n(2), eps=1e-3),
        S(n(2, 2, 3), n(2), n(2), eps=1e-5),
        S(n(2, 1, 2, 2), n(1), n(1), eps=1e-2),
        S(n(1, 3, 2, 1, 2), n(3), n(3), eps=1e-3),
        S(1e3 + n(3, 20, 5, 4), n(20), n(20), eps=1e-5, special=True),
    ],
    normalized,
    call=lambda x, w, b, eps: norm.batch_norm_train(x, w, b, eps=eps),
    empty="training needs two numbers per channel",
)


def incoming(shape: tuple, dtype: Any = np.float64) -> np.ndarray:
    """The gradient that comes in wherever gradients are compared: fixed, irregular, of both signs."""
    return np.cos(np.arange(int(np.prod(shape))) * 1.7 + 0.3).reshape(shape).astype(dtype)


row(
    "linear",
    lambda n: [
        S(n(2, 3), n(4, 3)),
        S(n(1, 2), n(1, 2)),
        S(n(0, 3), n(2, 3)),
        S(n(2, 0), n(3, 0)),
        S(n(17, 20), n(19, 20), special=True),
        S(n(3, 2), n(4, 3), turn_x=True),
        S(n(2, 3), n(3, 4), turn_w=False),
        S(n(3, 2), n(3, 4), turn_x=True, turn_w=False),
    ],
    lambda x, w, turn_x=False, turn_w=True: ((x.T if turn_x else x)[:, None] * (w if turn_w else w.T)).sum(2),
    linear=True,
)


def affines(n: Draw, rows: int, outputs: int) -> list[Sample]:
    """Rows, a weight and a bias: with no rows, with no inputs, and of the sizes given."""
    return [
        S(n(m, inputs), n(k, inputs), n(k)) for m, inputs, k in ((2, 3, 4), (0, 3, 2), (2, 0, 3), (rows, 2, outputs))
    ]


row("affine", lambda n: affines(n, 1, 1), lambda x, w, b: (x[:, None] * w).sum(2) + b)
row(
    "add_bias",
    lambda n: [S(n(2, 3, 4), n(3)), S(n(1, 2, 2, 3), n(2)), S(n(2, 1, 1, 2, 2), n(1)), S(n(0, 2, 3), n(2))],
    lambda x, b: x + b.reshape(-1, *(1,) * (x.ndim - 2)),
    linear=True,
)
row(
    "normalize",
    lambda n: [
        S(n(2, 3, 4), n(3), n(3), mean=n(3), invstd=n(3)),
        S(n(2, 2, 3, 2), n(2), n(2), mean=n(2), invstd=n(2)),
        S(n(0, 2, 3), n(2), n(2), mean=n(2), invstd=n(2)),
    ],
    lambda x, w, b, mean, invstd: np.moveaxis((np.moveaxis(x, 1, -1) - mean) * invstd * w + b, -1, 1),
)
row("to_channels_last", lambda n: [S(n(2, 3, 4)), S(n(1, 2, 2, 3)), S(n(0, 2, 3))], lambda x: x, linear=True)
row(
    "bias_grad",
    lambda n: [S(n(2, 3, 4)), S(n(1, 2, 2, 3)), S(n(2, 1, 1, 2, 2)), S(n(0, 2, 3))],
    lambda x: x.sum((0, *range(2, x.ndim))),
    linear=True,
)

# ---------------------------------------------------------------------------------------------------- windows, borders


def windowed(x: np.ndarray, dim: int, size: int, step: int, dilation: int) -> np.ndarray:
    """Every window gathered by its positions."""
    count = (x.shape[dim] - (size - 1) * dilation - 1) // step + 1 if size else x.shape[dim] // step + 1
    at = [[o * step + t * dilation for t in range(size)] for o in range(count)]
    return np.moveaxis(np.take(x, np.array(at, np.int64).reshape(count, size), dim), dim + 1, -1)


def unwindowed(y: np.ndarray, dim: int, length: int, step: int, dilation: int) -> np.ndarray:
    """Zeros with every element of every window added, one at a time."""
    out = np.zeros((*y.shape[:dim], length, *y.shape[dim + 1 : -1]))
    for at in np.ndindex(*y.shape):
        out[(*at[:dim], at[dim] * step + at[-1] * dilation, *at[dim + 1 : -1])] += y[at]
    return out


row(
    "windows",
    lambda n: [
        S(n(5), dim=0, size=3, step=1, dilation=1),
        S(n(2, 7, 3), dim=1, size=2, step=3, dilation=2),
        S(n(2, 6), dim=1, size=2, step=2, dilation=1),
        S(n(6, 2), dim=0, size=4, step=1, dilation=1),
        S(n(3), dim=0, size=1, step=4, dilation=9),
        S(n(0, 4), dim=1, size=2, step=1, dilation=1),
    ],
    windowed,
    linear=True,
    errors=[
        (lambda: m.ones(10).unfold(0, 11, 1), RuntimeError, "maximum size for tensor at dimension 0 is 10"),
        (lambda: m.ones(10).unfold(0, 3, 0), RuntimeError, "step is 0 but must be > 0"),
        (lambda: m.ones(10).unfold(0, -1, 1), RuntimeError, "size is -1 but must be >= 0"),
        (lambda: m.ones(10).unfold(1, 3, 1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(10).unfold(0, 2.5, 1), TypeError, "`size` must be an int, but got float"),
        (lambda: m.ones(10).unfold(0, 3, 2).add_(1), RuntimeError, "clone() it"),
    ],
)
row(
    "windows_transpose",
    lambda n: [
        S(n(3, 3), dim=0, length=5, step=1, dilation=1),
        S(n(2, 2, 3, 2), dim=1, length=7, step=3, dilation=2),
        S(n(2, 2, 5), dim=1, length=9, step=3, dilation=1),
        S(n(4, 2), dim=0, length=8, step=2, dilation=1),
        S(n(0, 3, 2), dim=1, length=4, step=1, dilation=1),
    ],
    unwindowed,
    linear=True,
)
PATCHES = [
    ConvGeometry.of((4, 5), (2, 3)),
    ConvGeometry.of((5, 4), (3, 2), (2, 1), (1, 2), (1, 2)),
    ConvGeometry.of((2, 3), 1),
]


def patches(x: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """Every window read by itself."""
    g = geometry
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + list(g.padding))
    taps = [
        x[..., i * g.stride[0] :, j * g.stride[1] :][..., : g.extent[0] : g.dilation[0], : g.extent[1] : g.dilation[1]]
        for i, j in np.ndindex(*g.output_size)
    ]
    return np.stack([tap.reshape(*x.shape[:-3], math.prod(tap.shape[-3:])) for tap in taps], -1)


def unpatched(y: np.ndarray, geometry: ConvGeometry) -> np.ndarray:
    """The transpose of the matrix of `patches`."""
    shape = (*y.shape[:-2], y.shape[-2] // math.prod(geometry.kernel_size), *geometry.input_size)
    units = np.eye(math.prod(shape)).reshape(math.prod(shape), *shape)
    return np.array([(patches(unit, geometry) * y).sum() for unit in units]).reshape(shape)


row(
    "columns",
    lambda n: [
        *(S(n(2, 2, *g.input_size), geometry=g) for g in PATCHES),
        S(n(3, 2, 3), geometry=PATCHES[2]),
        S(n(0, 2, 4, 5), geometry=PATCHES[0]),
    ],
    patches,
    linear=True,
)
row(
    "columns_transpose",
    lambda n: [
        *(S(n(2, 2 * math.prod(g.kernel_size), math.prod(g.output_size)), geometry=g) for g in PATCHES),
        S(n(0, 12, 9), geometry=PATCHES[0]),
    ],
    unpatched,
    linear=True,
)
BORDERS = [
    {"widths": ((before, after),), "mode": mode}
    for mode in ("reflect", "symmetric", "replicate", "circular")
    for before, after in ((1, 2), (3, 3), (-1, 2), (0, 1), (-1, -2))
]
PLANES = [{"widths": ((1, 2), (2, -1)), "mode": b["mode"]} for b in BORDERS[::5]]


def border(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """The pixel of n that each pixel of the bordered axis is a copy of."""
    low, high = max(-before, 0), n - max(-after, 0)
    name = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    widths = (max(before, 0), max(after, 0))
    if mode == "circular":
        return np.pad(np.arange(low, high), widths, name)
    return np.pad(np.arange(n), widths, name)[low : n + sum(widths) - (n - high)]


def bordered(x: np.ndarray, widths: tuple, mode: str) -> np.ndarray:
    """One axis after the other, by the numbers of its pixels."""
    for dim, (before, after) in enumerate(widths, x.ndim - len(widths)):
        x = np.take(x, border(x.shape[dim], before, after, mode), dim)
    return x


def unbordered(y: np.ndarray, widths: tuple, mode: str) -> np.ndarray:
    """Every pixel added where it was copied from, one at a time."""
    for dim, (before, after) in enumerate(widths, y.ndim - len(widths)):
        n = y.shape[dim] - before - after
        out = np.zeros((*y.shape[:dim], n, *y.shape[dim + 1 :]))
        for j, i in enumerate(border(n, before, after, mode)):
            np.moveaxis(out, dim, 0)[i] += np.moveaxis(y, dim, 0)[j]
        y = out
    return y


row(
    "extend",
    lambda n: [
        *(S(n(2, 6), **b) for b in BORDERS),
        *(S(n(2, 4, 5), **b) for b in PLANES),
        S(n(0, 4), **BORDERS[0]),
    ],
    bordered,
    linear=True,
    errors=[
        (lambda: m.nn.functional.pad(m.ones(1, 3), (3, 0), "reflect"), RuntimeError, "less than the corresponding"),
        (lambda: m.nn.functional.pad(m.ones(1, 3), (4, 0), "circular"), RuntimeError, "at most 3"),
        (lambda: m.nn.functional.pad(m.ones(1, 3), (4, 0), "symmetric"), RuntimeError, "at most 3"),
        (lambda: m.nn.functional.pad(m.ones(3), (1, 0), "replicate"), NotImplementedError, "channel axis"),
    ],
)
row(
    "extend_transpose",
    lambda n: [
        *(S(n(2, 6 + sum(b["widths"][0])), **b) for b in BORDERS),
        *(S(n(2, 7, 6), **b) for b in PLANES),
        S(n(0, 7), **BORDERS[0]),
    ],
    unbordered,
    linear=True,
)


def resampled(x: np.ndarray, axis: int, taps: Any, transposed: bool = False) -> np.ndarray:
    """The table of taps as a matrix, multiplied with every line."""
    matrix = np.zeros((len(taps.positions), taps.size))
    for (o, t), i in np.ndenumerate(taps.positions):
        matrix[o, i] += taps.weights[o, t]
    matrix = matrix.T if transposed else matrix
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


RESAMPLINGS = [  # axis, rank, what stands where
    (2, 1, minitorch.ops.resample.nearest_taps(4, 7, None, False)),
    (3, 2, minitorch.ops.resample.linear_taps(3, 5, None, False, False)),
    (2, 2, minitorch.ops.resample.linear_taps(5, 2, None, True, False)),
    (2, 2, minitorch.ops.resample.cubic_taps(3, 4, 0.8, False, False)),
    (4, 3, minitorch.ops.resample.linear_taps(6, 2, None, False, True)),
    (3, 3, minitorch.ops.resample.nearest_taps(5, 2, None, True)),
]


def resamplings(n: Draw, transposed: bool) -> list[Sample]:
    """Lines along one axis longer and shorter, with unread pixels and with many taps; no image."""
    out = []
    for batch, (axis, rank, taps) in [*((1, r) for r in RESAMPLINGS), (0, RESAMPLINGS[1])]:
        shape = [batch, 2, *range(2, 2 + rank)]
        shape[axis] = len(taps.positions) if transposed else taps.size
        out.append(S(n(*shape), axis=axis, taps=taps))
    return out


row("resample", lambda n: resamplings(n, False), resampled, linear=True)
row(
    "resample_transpose",
    lambda n: resamplings(n, True),
    lambda y, axis, taps: resampled(y, axis, taps, transposed=True),
    linear=True,
)

import samples_losses  # noqa: E402, F401 more rows
import samples_matrices  # noqa: E402, F401 more rows
import samples_moving  # noqa: E402, F401 more rows
import samples_names  # noqa: E402, F401 more rows
import samples_recurrent  # noqa: E402, F401 more rows
import samples_sorting  # noqa: E402, F401 more rows
import samples_special  # noqa: E402, F401 more rows
