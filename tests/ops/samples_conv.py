"""Rows of convolution and of pooling; see samples.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from samples import INF, NAN, Draw, S, Sample, row

from minitorch.geometry import ConvGeometry, PoolGeometry

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
