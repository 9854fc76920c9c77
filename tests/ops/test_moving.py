"""Views through diagonal, select and as_strided, and placing by positions: values written out."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch


def leaf(*shape: int) -> minitorch.Tensor:
    """0, 1, 2 ... as a leaf."""
    return minitorch.arange(float(np.prod(shape)), dtype=minitorch.float64).reshape(shape).clone().requires_grad_()


VIEWS = {
    "diagonal": (lambda b: b.diagonal(1), [1, 5]),
    "select": (lambda b: b.select(1, -1), [2, 5, 8]),
    "as_strided": (lambda b: b.as_strided((2, 2), (3, 1), 4), [4, 5, 7, 8]),
    "as_strided of a view": (lambda b: b[1:].as_strided((2,), (2,)), [3, 5]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_reaches_the_base(name: str) -> None:
    """The base holds what was written, and gradients go to the base and to what was written."""
    view, places = VIEWS[name]
    x, s = leaf(3, 3), minitorch.tensor(2.0, dtype=minitorch.float64, requires_grad=True)
    base = x * 1
    assert view(base).flatten().tolist() == places
    view(base).mul_(s)
    factor = np.ones(9)
    factor[places] = 2
    assert base.flatten().tolist() == (np.arange(9) * factor).tolist()
    gx, gs = minitorch.autograd.grad(base.sum(), [x, s])
    assert gx.flatten().tolist() == factor.tolist()
    assert gs.item() == sum(places)


def test_as_strided_adds_up_where_elements_overlap() -> None:
    """Windows of two over five elements: those inside are seen twice."""
    x = leaf(5)
    windows = x.as_strided((4, 2), (1, 1))
    assert windows.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    (g,) = minitorch.autograd.grad(windows.sum(), [x])
    assert g.tolist() == [1, 2, 2, 2, 1]
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.as_strided((4, 2), (2, 1))


@pytest.mark.parametrize(
    ("reduce", "include", "value", "gx", "gs"),
    [
        ("sum", True, [8, 3], [1, 1], [1, 1]),
        ("sum", False, [6, 3], [0, 1], [1, 1]),
        ("mean", True, [8 / 3, 3], [1 / 3, 1], [1 / 3, 1 / 3]),
        ("mean", False, [3, 3], [0, 1], [0.5, 0.5]),
        ("prod", True, [16, 3], [8, 1], [4, 8]),
        ("prod", False, [8, 3], [0, 1], [2, 4]),
        ("amax", True, [4, 3], [0, 1], [1, 0]),
        ("amin", True, [2, 3], [0.5, 1], [0, 0.5]),
        ("amin", False, [2, 3], [0, 1], [0, 1]),
    ],
)
def test_scatter_reduce(reduce: str, include: bool, value: list, gx: list, gs: list) -> None:
    """Two elements meet x's first; equal ones share the gradient, its second stays."""
    x = minitorch.tensor([2.0, 3.0], dtype=minitorch.float64, requires_grad=True)
    s = minitorch.tensor([4.0, 2.0], dtype=minitorch.float64, requires_grad=True)
    out = x.scatter_reduce(0, minitorch.tensor([0, 0]), s, reduce, include_self=include)
    np.testing.assert_allclose(out.detach().numpy(), value)
    a, b = minitorch.autograd.grad(out.sum(), [x, s])
    np.testing.assert_allclose(a.numpy(), gx)
    np.testing.assert_allclose(b.numpy(), gs)


def test_the_derivative_of_a_product_with_a_zero() -> None:
    """By the only zero it is the product of the others; with two zeros there is none."""
    x = minitorch.tensor([3.0, 0.0], dtype=minitorch.float64, requires_grad=True)
    s = minitorch.tensor([0.0, 5.0, 0.0], dtype=minitorch.float64, requires_grad=True)
    out = x.scatter_reduce(0, minitorch.tensor([0, 0, 1]), s, "prod")
    gx, gs = minitorch.autograd.grad(out.sum(), [x, s])
    assert gx.tolist() == [0, 0]
    assert gs.tolist() == [15, 0, 0]


def _changed(op: str) -> tuple:
    x, i = leaf(4), minitorch.tensor([1, 3])
    s = minitorch.tensor([5.0, 6.0], dtype=minitorch.float64, requires_grad=True)
    calls = {
        "index_add": lambda: x.index_add(0, i, s),
        "index_copy": lambda: x.index_copy(0, i, s),
        "index_put": lambda: x.index_put((i,), s),
        "put": lambda: x.put(i, s),
        "take": lambda: x.take(i),
        "scatter": lambda: x.scatter(0, i, s),
        "scatter_reduce": lambda: x.scatter_reduce(0, i, s, "amax"),
        "take_along_dim": lambda: x.take_along_dim(i, 0),
    }
    return calls[op](), i


@pytest.mark.parametrize(
    "op",
    [
        "index_add",
        "index_copy",
        "index_put",
        "put",
        "take",
        "scatter",
        "scatter_reduce",
        "take_along_dim",
    ],
)
def test_an_index_changed_before_backward_raises(op: str) -> None:
    """The gradient would go to other places than the values came from."""
    out, i = _changed(op)
    out.sum().backward(retain_graph=True)
    i.add_(-1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_triangles_hide_what_is_not_finite() -> None:
    """A NaN beyond the diagonal is zero, and bools stay bools."""
    x = minitorch.tensor([[1.0, float("nan")], [float("inf"), 4.0]])
    assert x.tril()[0, 1].item() == 0
    assert x.triu()[1, 0].item() == 0
    assert minitorch.ones(2, 2, dtype=minitorch.bool).triu().tolist() == [[True, True], [False, True]]


def test_out_of_range_changes_nothing() -> None:
    """The error comes before the change."""
    x = minitorch.zeros(3)
    with pytest.raises(IndexError):
        x.index_add_(0, minitorch.tensor([0, 3]), minitorch.ones(2))
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.scatter_(0, minitorch.tensor([3]), 1.0)
    with pytest.raises(IndexError):
        x.put_(minitorch.tensor([0, -4]), minitorch.ones(2))
    assert x.tolist() == [0, 0, 0]


def test_index_fill_counts_each_position_once() -> None:
    """Positions that are named twice are filled once: the value's gradient says so."""
    v = minitorch.tensor(2.0, requires_grad=True)
    minitorch.zeros(2, 3).index_fill(1, minitorch.tensor([0, 2, 0]), v).sum().backward()
    assert v.grad.item() == 4.0
