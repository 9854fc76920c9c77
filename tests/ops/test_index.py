"""Gradients of several views of one array, which are added up in one pass; matrix times vector; gather at any axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import autograd

rng = np.random.default_rng(0)
CUTS: dict[str, Callable[[Any], list]] = {
    "pieces in a row": lambda x: list(x.split(2, 1)),
    "pieces in a row, in another order": lambda x: [x[:, 4:], x[:, :1], x[:, 1:4]],
    "a gap": lambda x: [x[:, :2], x[:, 3:]],
    "an overlap": lambda x: [x[:, :4], x[:, 3:]],
    "the same twice": lambda x: [x[1], x[1]],
    "the whole twice": lambda x: [x[:], x[...]],
    "two axes": lambda x: [x[:2, :3], x[2:, :3], x[:2, 3:], x[2:, 3:]],
    "single ones": lambda x: [x[i, j] for i in range(4) for j in range(6)],
    "steps": lambda x: [x[::2], x[1::2, ::3], x[None, 3]],
    "of a view": lambda x: [x.T[1], x[0], x.flatten()[3:20]],
    "by numbers beside a slice": lambda x: [x[minitorch.tensor([0, 0, 2])], x[1:3]],
    "new axes": lambda x: [x[None], x[:, None, 1:]],
    "one element": lambda x: [x[2:3, 4:5]],
    "none": lambda x: [x[2:2], x[:, 6:]],
}


@pytest.mark.parametrize("recorded", [False, True], ids=["on arrays", "recorded"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 48, 48)], ids=["small", "large"])
@pytest.mark.parametrize("cut", CUTS)
def test_gradients_of_several_views(cut: str, shape: tuple, recorded: bool) -> None:
    """Each place receives the sum of what was sent to it: NumPy adds the same at the same indices."""
    if cut == "of a view" and len(shape) > 2:
        shape = shape[:2]
    values = rng.standard_normal(shape)
    x = minitorch.from_numpy(values).requires_grad_()
    numbers = minitorch.arange(values.size).reshape(shape)
    views, places = CUTS[cut](x), [place.numpy() for place in CUTS[cut](numbers)]
    gs = [rng.standard_normal(view.shape) for view in views]
    expected = np.zeros(values.size)
    for g, place in zip(gs, places, strict=True):
        np.add.at(expected, place, g)
    (found,) = autograd.grad(views, x, [minitorch.from_numpy(g) for g in gs], create_graph=recorded)
    np.testing.assert_allclose(found.detach().numpy(), expected.reshape(shape), rtol=1e-14, atol=0)


def test_gradients_in_another_order_of_memory() -> None:
    """Axes that a slice added, and a gradient that lies transposed."""
    x = minitorch.ones(3, 4, requires_grad=True)
    g = minitorch.from_numpy(np.arange(12.0, dtype=np.float32).reshape(1, 4, 3).transpose(0, 2, 1))
    (found,) = autograd.grad([x[None], x[None]], x, [g, g])
    assert found.tolist() == (2 * g[0]).tolist()


def test_gradients_given_are_left_alone() -> None:
    """The sum is built in memory of its own: neither a gradient given nor one kept by a hook changes."""
    x = minitorch.ones(3, 4, requires_grad=True)
    y = x * 2
    seen: list = []
    y.register_hook(seen.append)
    given = [minitorch.ones(4), minitorch.ones(4) * 3]
    (found,) = autograd.grad([y[0], y[0]], x, given)
    assert [g.tolist() for g in given] == [[1.0] * 4, [3.0] * 4]
    assert seen[0].tolist() == [[4.0] * 4, [0.0] * 4, [0.0] * 4]
    assert found.tolist() == [[8.0] * 4, [0.0] * 4, [0.0] * 4]


def test_a_loop_over_slices_takes_memory_once() -> None:
    """A thousand rows read one by one: their gradients are not a thousand arrays of the whole shape."""
    x = minitorch.zeros(1000, 1000, requires_grad=True)
    (found,) = autograd.grad([x[i, :10].sum() for i in range(1000)], x)
    assert found.sum().item() == 10_000


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (1, 700), (700, 1), (300, 2100), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrix_times_vector(rows: int, columns: int, dtype: type) -> None:
    """Value and gradients, on either side and of a linear layer with one row or one output, against float64."""
    a, v, u = (rng.standard_normal(shape) for shape in ((rows, columns), columns, rows))
    x, y, z = (minitorch.from_numpy(t.astype(dtype)).requires_grad_() for t in (a, v, u))
    rtol = 1e-5 if dtype is np.float32 else 1e-12

    def close(found: Any, expected: np.ndarray) -> None:
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=rtol * np.abs(expected).max())

    for product, g in ((x @ y, u), (z @ x, v), (minitorch.nn.functional.linear(y, x, z), u)):
        found = autograd.grad(product, [x], minitorch.from_numpy(g.astype(dtype)))[0]
        close(found, np.outer(u, v))
    close(x @ y, a @ v)
    close(z @ x, u @ a)
    close(minitorch.nn.functional.linear(y, x, z), a @ v + u)
    close(autograd.grad(x @ y, y, minitorch.from_numpy(u.astype(dtype)))[0], u @ a)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gather_and_scatter_add_of_large_arrays(dim: int) -> None:
    """Along each axis, by kernels: NumPy's take_along_axis and add.at."""
    shape = (20, 30, 40)
    a, positions = rng.standard_normal(shape).astype(np.float32), rng.integers(0, shape[dim], shape)
    x, index = minitorch.from_numpy(a), minitorch.from_numpy(positions)
    np.testing.assert_array_equal(x.gather(dim, index).numpy(), np.take_along_axis(a, positions, dim))
    expected = np.zeros(shape)
    key = list(np.ogrid[tuple(map(slice, shape))])
    key[dim] = positions
    np.add.at(expected, tuple(key), a)
    found = minitorch.zeros(shape).scatter_add(dim, index, x)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)
    for wrong, at in itertools.product((-1, shape[dim]), (0, -1)):
        bad = positions.copy()
        bad.flat[at] = wrong
        with pytest.raises(RuntimeError, match=f"index {wrong} is out of bounds for dimension {dim}"):
            x.gather(dim, minitorch.from_numpy(bad))
