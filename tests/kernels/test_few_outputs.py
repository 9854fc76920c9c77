"""Convolutions with few outputs, forwards and both gradients, beside the reference: all values, no more memory."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

from minitorch.geometry import ConvGeometry
from minitorch.kernels import implementation, reference

if implementation() != "numba":
    pytest.skip("the kernels under test are numba's", allow_module_level=True)
from minitorch.kernels import set_num_threads
from minitorch.kernels.engine.runtime import get_num_threads
from minitorch.kernels.tile import direct, few_outputs
from minitorch.kernels.words.registers import WIDTH

ROOM = 64  # elements of junk on both sides of a result, which must stay
CASES: list[tuple[int, int, int, Any, Any, dict[str, Any]]] = [  # images, channels, outputs, size, kernel, settings
    (3, 3, 6, (15, 19), 5, {}),
    (2, 1, 6, (11, 28), 5, {"padding": 2}),
    (4, 3, 8, (9, 9), 3, {"padding": 1}),
    (2, 3, 6, (9, 29), 3, {"padding": 1, "stride": 2}),
    (1, 3, 8, (12, 9), (4, 3), {"padding": (1, 2), "stride": (2, 1)}),
    (2, 3, 4, (14, 9), (3, 3), {"dilation": (2, 1)}),
    (2, 3, 1, (7, 8), 3, {}),
    (2, 3, 3, (40,), 7, {"padding": 3}),
    (2, 1, 6, (5, 6, 7), 3, {"padding": 1}),
    (40, 1, 3, (24, 24), 3, {}),  # more images than parts of a batch
    (2, 6, 16, (11, 11), 5, {}),  # whose gradients have few channels
    (3, 5, 20, (9, 12), (5, 7), {"padding": (1, 3)}),
    (2, 8, 14, (8, 9), 4, {"dilation": (2, 1), "padding": (2, 0)}),
    (2, 1, 12, (30,), 6, {"padding": 2}),
    (1, 3, 13, (5, 6, 8), (2, 3, 4), {}),
]


@pytest.fixture(autouse=True)
def _of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small layers as well, which otherwise leave their threads asleep and go another way."""
    monkeypatch.setattr(direct, "HEAVY", 0)


def guarded(shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """A result full of junk, and the memory around it."""
    memory = np.full(prod(shape) + 2 * ROOM, 7, dtype)
    return memory[ROOM : ROOM + prod(shape)].reshape(shape), memory


@pytest.mark.parametrize(
    ("case", "dtype"),
    [*((case, np.float32) for case in CASES), (CASES[5], np.float64)],
    ids=str,
)
def test_as_the_reference(case: tuple, dtype: Any) -> None:
    """Values, the same bits for 1, 2 and 3 threads, and nothing written beside."""
    batch, channels, outputs, size, kernel, settings = case
    geometry = ConvGeometry.of(size, kernel, **settings)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    w = rng.standard_normal((outputs, channels, *geometry.kernel_size)).astype(dtype)
    y = rng.standard_normal((batch, *geometry.output_size, outputs)).astype(dtype)
    for name, operands, shape in (
        ("conv", (x, w), y.shape),
        ("conv_transpose", (y, w), x.shape),
        ("conv_weight_grad", (x, y), w.shape),
    ):
        expected = np.empty(shape, np.float64)
        getattr(reference, name)(*(a.astype(np.float64) for a in operands), expected, geometry)
        found, before = [], get_num_threads()
        for threads in (1, 2, 3):
            out, memory = guarded(shape, dtype)
            try:
                set_num_threads(threads)
                getattr(direct, name)(*operands, out, geometry)
            finally:
                set_num_threads(before)
            assert (memory[:ROOM] == 7).all() and (memory[-ROOM:] == 7).all(), name
            found.append(out.tobytes())
        assert len(set(found)) == 1, name
        limit = 3e-6 if dtype == np.float32 else 1e-13
        assert np.abs(out - expected).max() <= limit * np.abs(expected).max(), name


def test_which_way_they_go() -> None:
    """Where vectors are wide enough, layers as those above go this way; others do not."""
    assert few_outputs.fits(8, 4) == (WIDTH > 4)
    plain, deep = ConvGeometry.of((14, 14), 5), ConvGeometry.of((14, 14), 3)
    assert few_outputs.spreads(plain, 16, 6, 4) == (WIDTH > 4)
    assert not few_outputs.spreads(deep, 16, 6, 4) and not few_outputs.spreads(plain, 6, 3, 4)
    assert not few_outputs.spreads(ConvGeometry.of((14, 14), 5, stride=2), 16, 6, 4)
    assert few_outputs.sums_lines(plain, 3, 4, 4) and not few_outputs.sums_lines(plain, 20, 4, 4)
    assert few_outputs.gathers(plain.gather, 10, 4, 4) and not few_outputs.gathers(plain.gather, 3, 4, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_goes_where_it_belongs(value: float) -> None:
    """One such number in y or x reaches exactly the results whose sums it is in."""
    for batch, channels, outputs, size, kernel, settings in CASES:
        geometry = ConvGeometry.of(size, kernel, **settings)
        x = np.ones((batch, *size, channels), np.float32)
        w = np.ones((outputs, channels, *geometry.kernel_size), np.float32)
        y = np.ones((batch, *geometry.output_size, outputs), np.float32)
        x.reshape(-1)[x.size // 2] = y.reshape(-1)[y.size // 2] = value
        for name, operands, shape in (
            ("conv", (x, w), y.shape),
            ("conv_transpose", (y, w), x.shape),
            ("conv_weight_grad", (x, np.ones_like(y)), w.shape),
        ):
            expected, out = np.empty(shape, np.float32), np.empty(shape, np.float32)
            getattr(reference, name)(*operands, expected, geometry)
            getattr(direct, name)(*operands, out, geometry)
            assert np.array_equal(np.isfinite(out), np.isfinite(expected)), (name, size)
