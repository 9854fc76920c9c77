"""Dtypes of results: tensors, numbers and NumPy's arrays beside each other."""

from __future__ import annotations

import itertools

import pytest
from test_tensor import DTYPES

import minitorch
from minitorch.autograd import grad

m = minitorch

# Frozen from torch 2.13. Rows: dtype of the left tensor; columns: of the right operand. Letters: bool, uint8, int32 (i),
# int64 (l), float32, float64 (d).
SAME = "builfd uuilfd iiilfd llllfd fffffd dddddd"
ZERO_DIM = "builfd uuuufd iiiifd llllfd ffffff dddddd"
DIVIDE = "fffffd fffffd fffffd fffffd fffffd dddddd"
DIVIDE_ZERO_DIM = "fffffd fffffd fffffd fffffd ffffff dddddd"
NUMBERS, DIVIDE_NUMBERS = "blf uuf iif llf fff ddd", "fff fff fff fff fff ddd"  # by True, 1, 1.5
OPS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "where": lambda a, b: m.where(m.tensor([True]), a, b),
}
OPS_OF_TENSORS = {"maximum": m.maximum, "cat": lambda a, b: m.cat([a.reshape(1), b.reshape(1)])}


def table(text: str) -> dict:
    """(left, right) -> result, by letters."""
    return {
        (a, b): c for a, line in zip("builfd", text.split(), strict=True) for b, c in zip("builfd", line, strict=False)
    }


@pytest.mark.parametrize("name", [*OPS, *OPS_OF_TENSORS])
def test_promotion_of_tensors(name: str) -> None:
    """All 36 pairs of dtypes: arrays, array with 0-dim, two 0-dim."""
    op = {**OPS, **OPS_OF_TENSORS}[name]
    same, zero_dim = (DIVIDE, DIVIDE_ZERO_DIM) if name == "divide" else (SAME, SAME if name == "cat" else ZERO_DIM)
    for a, b in itertools.product("builfd", repeat=2):
        x, y = (m.ones(1, dtype=DTYPES[d]) for d in (a, b))
        p, q = (m.ones((), dtype=DTYPES[d]) for d in (a, b))
        found = [op(x, y).dtype, op(x, q).dtype, op(p, q).dtype]
        expected = [DTYPES[table(same)[a, b]], DTYPES[table(zero_dim)[a, b]], DTYPES[table(same)[a, b]]]
        if name == "where":  # the condition has one dimension, as in the frozen table
            found, expected = found[:2], expected[:2]
        assert found == expected, f"{name} of {a} and {b}"


@pytest.mark.parametrize("name", OPS)
def test_promotion_with_numbers(name: str) -> None:
    """A Python bool, int or float on the right, for arrays and 0-dim tensors."""
    for a, letters in zip("builfd", (DIVIDE_NUMBERS if name == "divide" else NUMBERS).split(), strict=True):
        for number, letter in zip((True, 1, 1.5), letters, strict=True):
            for x in (m.ones(1, dtype=DTYPES[a]), m.ones((), dtype=DTYPES[a])):
                assert OPS[name](x, number).dtype is DTYPES[letter], f"{name} of {a} and {number}"


@pytest.mark.parametrize(
    "name,letters",
    [
        ("sum", "llllfd"),
        ("prod", "llllfd"),
        ("cumsum", "llllfd"),
        ("exp", "fffffd"),
        ("sqrt", "fffffd"),
        ("sigmoid", "fffffd"),
        ("sign", "builfd"),
        ("max", "builfd"),
        ("argmax", "-lllll"),
        ("reciprocal", "fffffd"),
        ("square", "luilfd"),
        ("mean", "----fd"),
        ("std", "----fd"),
        ("softmax", "----fd"),
        ("neg", "-uilfd"),
        ("abs", "-uilfd"),
        ("relu", "-uilfd"),
        ("all", "b-bbbb"),
    ],
)
def test_dtype_of_results(name: str, letters: str) -> None:
    """What each dtype becomes; "-" where PyTorch refuses or deprecates."""
    for d, letter in zip("builfd", letters, strict=True):
        if letter != "-":
            x = m.ones(2, dtype=DTYPES[d])
            out = getattr(x, name)(0) if name in ("cumsum", "softmax") else getattr(x, name)()
            assert out.dtype is DTYPES[letter], f"{name} of {d}"


def test_gradients_come_back_in_their_own_dtype() -> None:
    """A float32 leaf beside a float64 one: each gradient has the dtype of its leaf."""
    x, y = m.ones(2, requires_grad=True), m.ones(2, dtype=m.float64, requires_grad=True)
    gx, gy = grad((x * y).sum(), [x, y])
    assert (gx.dtype, gy.dtype) == (m.float32, m.float64)


def test_set_default_dtype() -> None:
    """New floats follow the default; others raise."""
    m.set_default_dtype(m.float64)
    try:
        assert m.tensor(1.5).dtype is m.ones(1).dtype is m.randn(1).dtype is m.float64
        assert m.ones(1, dtype=m.int64).exp().dtype is m.float64
    finally:
        m.set_default_dtype(m.float32)
    with pytest.raises(TypeError, match="floating-point"):
        m.set_default_dtype(m.int64)
