"""Indices, masks and labels that change after they were used: backward refuses what it would get wrong, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import minitorch as mt
from minitorch.nn import functional as F

BY_ROWS: dict[str, Callable] = {  # of x (3, 4) and positions (2,), 0 and 2
    "index_select": lambda x, i: x.index_select(0, i),
    "getitem": lambda x, i: x[i],
    "setitem": lambda x, i: _put(x * 1, i),
    "index_fill": lambda x, i: x.index_fill(0, i, 1.0),
    "index_fill of a tensor": lambda x, i: x.index_fill(0, i, x.sum()),
    "index_fill_": lambda x, i: (x * 1).index_fill_(0, i, 1.0),
    "index_add": lambda x, i: x.index_add(0, i, x[:2]),
    "index_copy": lambda x, i: x.index_copy(0, i, x[:2]),
    "index_reduce prod": lambda x, i: x.index_reduce(0, i, x[:2], "prod"),
    "index_reduce amax": lambda x, i: x.index_reduce(0, i, x[:2], "amax"),
    "index_reduce mean": lambda x, i: x.index_reduce(0, i, x[:2], "mean", include_self=False),
    "index_put": lambda x, i: x.index_put((i,), x[0]),
    "index_put accumulating": lambda x, i: x.index_put((i,), x[0], True),
    "take": lambda x, i: x.take(i),
    "put": lambda x, i: x.put(i, x[0, :2]),
    "embedding": lambda x, i: F.embedding(i, x),
    "nll_loss": lambda x, i: F.nll_loss(x[:2], i),
    "cross_entropy": lambda x, i: F.cross_entropy(x[:2], i),
    "multi_margin_loss": lambda x, i: F.multi_margin_loss(x[:2], i),
}
BY_PLACES: dict[str, Callable] = {  # of positions (2, 4)
    "gather": lambda x, i: x.gather(0, i),
    "scatter": lambda x, i: x.scatter(0, i, x[:2]),
    "scatter of a number": lambda x, i: x.scatter(0, i, 3.0),
    "scatter_add": lambda x, i: x.scatter_add(0, i, x[:2]),
    "scatter_add_": lambda x, i: (x * 1).scatter_add_(0, i, x[:2]),
    "scatter_reduce prod": lambda x, i: x.scatter_reduce(0, i, x[:2], "prod"),
    "scatter_reduce mean": lambda x, i: x.scatter_reduce(0, i, x[:2], "mean"),
}
BY_MASK: dict[str, Callable] = {
    "where": lambda x, m: mt.where(m, x, 2 * x),
    "where as a method": lambda x, m: x.where(m, 0.0),
    "getitem": lambda x, m: x[m],
    "setitem": lambda x, m: _put(x * 1, m),
    "masked_fill": lambda x, m: x.masked_fill(m, 1.0),
    "masked_select": lambda x, m: x.masked_select(m),
    "masked_scatter": lambda x, m: x.masked_scatter(m, x * 2),
    "masked_scatter_": lambda x, m: (x * 1).masked_scatter_(m, x * 2),
}
UNHARMED: dict[str, tuple[Callable, list]] = {  # gradients that don't depend on the index, or on a copy that was made
    "index_add of a constant": (lambda x, i: x.index_add(0, i, mt.ones(2, 4)), [[1] * 4] * 3),
    "scatter_add of a constant": (lambda x, i: x.scatter_add(0, i[:, None], mt.ones(2, 1)), [[1] * 4] * 3),
    "repeat_interleave": (lambda x, i: x[:2].repeat_interleave(i, 0), [[0] * 4, [2] * 4, [0] * 4]),
    "tensor_split": (lambda x, i: x.tensor_split(i)[1], [[1] * 4, [1] * 4, [0] * 4]),
    "where of a condition alone": (lambda x, i: x[mt.where(i)], [[0] * 4, [1] * 4, [0] * 4]),
}


def _put(x: mt.Tensor, key: mt.Tensor) -> mt.Tensor:
    x[key] = 5.0
    return x


def points() -> mt.Tensor:
    """(3, 4), a leaf."""
    return mt.arange(12.0).reshape(3, 4).requires_grad_()


def refused(call: Callable, index: mt.Tensor) -> None:
    """Backward works as things are, and raises where the index was changed in between, whose use is over."""
    call(points(), index).sum().backward()
    x = points()
    y = call(x, index)
    if index.dtype is mt.bool:
        index.logical_not_()
    else:
        index.mul_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("name", BY_ROWS)
def test_positions_of_rows(name: str) -> None:
    """Positions along one axis, and labels."""
    refused(BY_ROWS[name], mt.tensor([0, 2]))


@pytest.mark.parametrize("name", BY_PLACES)
def test_positions_of_elements(name: str) -> None:
    """A position for each element."""
    refused(BY_PLACES[name], mt.tensor([[0, 1, 2, 0], [1, 2, 0, 1]]))


@pytest.mark.parametrize("name", BY_MASK)
def test_masks(name: str) -> None:
    """A bool for each element."""
    refused(BY_MASK[name], mt.tensor([[True, False, True, True]] * 3))


@pytest.mark.parametrize("name", UNHARMED)
def test_nothing_else_is_refused(name: str) -> None:
    """Where the gradient does not read the index, its later change does no harm."""
    call, want = UNHARMED[name]
    x, i = points(), mt.tensor([0, 2])
    y = call(x, i)
    i.mul_(0)
    y.sum().backward()
    assert x.grad.tolist() == want


def test_where_of_a_condition_alone() -> None:
    """The places where it holds, a tensor for each axis, as `nonzero(as_tuple=True)`."""
    rows, columns = mt.where(mt.tensor([[True, False], [True, True]]))
    assert rows.tolist() == [0, 1, 1] and columns.tolist() == [0, 0, 1]
    assert [t.tolist() for t in mt.where(mt.tensor([0.0, 2.0]))] == [[1]]
    with pytest.raises(TypeError, match="condition"):
        mt.where(mt.tensor([True]), 1)
