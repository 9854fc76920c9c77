"""One row per primitive: inputs, settings, the value they should give, and the calls that should fail.

The rows are in the files samples_<family>.py, imported at the end of this one.

The generic tests walk this table together with `minitorch.autograd.registry`; a new primitive needs a row here and
nothing else. Values come from the row's NumPy `formula`, or (values and gradients) from PyTorch's numbers frozen in
`golden/ops.npz` by `make_golden_ops.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minitorch
from minitorch.autograd import ZERO, registry

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
ODD = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.5]


def incoming(shape: tuple, dtype: Any = np.float64) -> np.ndarray:
    """The gradient that comes in wherever gradients are compared: fixed, irregular, of both signs."""
    return np.cos(np.arange(int(np.prod(shape))) * 1.7 + 0.3).reshape(shape).astype(dtype)


import samples_bessel  # noqa: E402, F401 more rows
import samples_conv  # noqa: E402, F401 more rows
import samples_index  # noqa: E402, F401 more rows
import samples_linalg  # noqa: E402, F401 more rows
import samples_losses  # noqa: E402, F401 more rows
import samples_matrices  # noqa: E402, F401 more rows
import samples_moving  # noqa: E402, F401 more rows
import samples_names  # noqa: E402, F401 more rows
import samples_norm  # noqa: E402, F401 more rows
import samples_pointwise  # noqa: E402, F401 more rows
import samples_recurrent  # noqa: E402, F401 more rows
import samples_reduce  # noqa: E402, F401 more rows
import samples_shape  # noqa: E402, F401 more rows
import samples_sorting  # noqa: E402, F401 more rows
import samples_special  # noqa: E402, F401 more rows
import samples_windows  # noqa: E402, F401 more rows
