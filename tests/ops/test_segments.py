"""segment_reduce: each segment of an axis to one slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import gradcheck, gradgradcheck

NUMPY = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod}
NOTHING = {"sum": 0.0, "mean": np.nan, "max": -np.inf, "min": np.inf, "prod": 1.0}
WITH = {"sum": np.add, "mean": np.add, "max": np.maximum, "min": np.minimum, "prod": np.multiply}


def expected(x: np.ndarray, how: str, lengths: list[int], initial: float | None) -> np.ndarray:
    """Segment after segment, along the first axis."""
    out, start = [], 0
    for n in lengths:
        part, start = x[start : start + n], start + n
        if not n:
            out.append(np.full(x.shape[1:], NOTHING[how] if initial is None else initial))
            continue
        one = NUMPY[how](part, axis=0)
        if initial is not None:
            one = (part.sum(0) + initial) / n if how == "mean" else WITH[how](one, initial)
        out.append(one)
    return np.array(out)


@pytest.mark.parametrize("initial", [None, 0.5, 0.0])
@pytest.mark.parametrize("how", NUMPY)
def test_values(how: str, initial: float | None) -> None:
    """Of lengths and of offsets, along the first axis and a later one, whose rows are cut in different places."""
    x, rows = np.random.default_rng(0).standard_normal((3, 7, 2)), [[2, 0, 3, 2], [0, 0, 0, 7], [1, 2, 3, 1]]
    data, settings = m.tensor(x), {} if initial is None else {"initial": initial}
    offsets = [np.cumsum([0, *row]) for row in rows]
    want = np.array([expected(x[i], how, row, initial) for i, row in enumerate(rows)])
    for given in ({"lengths": m.tensor(rows)}, {"offsets": m.tensor(np.array(offsets))}):
        np.testing.assert_allclose(m.segment_reduce(data, how, axis=1, **given, **settings).numpy(), want)
        first = {name: v[0].int() for name, v in given.items()}
        found = m.segment_reduce(data[0].float(), how, **first, **settings)
        assert found.dtype is m.float32
        np.testing.assert_allclose(found.numpy(), want[0], rtol=1e-6, atol=1e-6)


def test_parts_of_an_axis() -> None:
    """What no segment covers is left out; lengths may say less only if `unsafe`; segments and data may be empty."""
    x = m.tensor([1.0, 2, 4, 8, 16])
    assert m.segment_reduce(x, "sum", offsets=m.tensor([1, 2, 2, 4])).tolist() == [2, 0, 12]
    assert m.segment_reduce(x, "max", lengths=m.tensor([2, 1]), unsafe=True).tolist() == [2, 4]
    assert m.segment_reduce(x[:0], "prod", lengths=m.tensor([0, 0])).tolist() == [1, 1]
    assert m.segment_reduce(x, "sum", offsets=m.tensor([3])).shape == (0,)
    assert m.segment_reduce(m.tensor([1.0, float("nan")]), "max", lengths=m.tensor([2]), initial=3).isnan().all()


@pytest.mark.parametrize("how", NUMPY)
def test_derivatives(how: str) -> None:
    """Both orders, through `initial` as well; equals share the gradient of an extreme."""
    x = m.tensor(np.random.default_rng(1).standard_normal((6, 2)), requires_grad=True)

    def reduced(x: Any) -> Any:
        return m.segment_reduce(x, how, lengths=m.tensor([2, 3, 1]), initial=0.1)

    assert gradcheck(reduced, x) and gradgradcheck(reduced, x)
    y = m.tensor([3.0, 3.0, 1.0, 5.0], requires_grad=True)
    out = m.segment_reduce(y, how, offsets=m.tensor([0, 3, 3, 4]))
    m.autograd.backward(out, m.tensor([6.0, 7.0, 8.0]))
    wanted = {
        "sum": [6, 6, 6, 8],
        "mean": [2, 2, 2, 8],
        "max": [3, 3, 0, 8],
        "min": [0, 0, 6, 8],
        "prod": [18, 18, 54, 8],
    }
    assert y.grad.tolist() == wanted[how]


@pytest.mark.parametrize(
    "call, error, text",
    [
        ("f(x, 'median', lengths=n)", RuntimeError, "reduce argument must be either"),
        ("f(x, 'sum')", RuntimeError, "Either lengths or offsets must be defined"),
        ("f(x, 'sum', indices=n)", RuntimeError, "indices based reduction is not supported"),
        ("f(x, 'sum', lengths=n - 1)", RuntimeError, "sum to data.size"),
        ("f(x, 'sum', lengths=n + 1, unsafe=True)", RuntimeError, "within the 4 elements"),
        ("f(x, 'sum', lengths=m.tensor([-1, 5]))", RuntimeError, "lengths contains negative value"),
        ("f(x, 'sum', offsets=m.tensor([0, 3, 2]))", RuntimeError, "segment_length >= 0"),
        ("f(x, 'sum', offsets=m.tensor([0, 5]))", RuntimeError, "within the 4 elements"),
        ("f(x, 'sum', offsets=m.tensor([-1, 2]))", RuntimeError, "within the 4 elements"),
        ("f(x, 'sum', offsets=m.tensor([], dtype=m.int64))", RuntimeError, "is empty"),
        ("f(x, 'sum', lengths=n.float())", NotImplementedError, "not implemented for minitorch.float32"),
        ("f(x.long(), 'sum', lengths=n)", NotImplementedError, "not implemented for minitorch.int64"),
        ("f(x, 'sum', lengths=n, axis=1)", RuntimeError, "axis to be the last dimension of lengths but got 1"),
        ("f(x, 'sum', lengths=m.ones(3, 2).long(), axis=1)", RuntimeError, "before the axis"),
        ("f(x, 'sum', lengths=[2, 2])", TypeError, "lengths"),
        ("f([1.0], 'sum', lengths=n)", TypeError, "data"),
        ("f(x[0, 0], 'sum', lengths=n)", RuntimeError, "no dimensions"),
        ("f(x, 'sum', n)", TypeError, "positional"),
    ],
)
def test_wrong_calls(call: str, error: type, text: str) -> None:
    """PyTorch's classes."""
    with pytest.raises(error, match=text):
        eval(call, {"m": m, "f": m.segment_reduce, "x": m.ones(4, 2), "n": m.tensor([2, 2])})
