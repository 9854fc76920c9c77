"""Reductions as users call them: dims, nothing to reduce, ties, NaN, slopes at singular points."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import grad

m = minitorch
nan, inf = math.nan, math.inf


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), (1,), [0, 1, 2], ()], ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin", "all", "any", "norm", "logsumexp"])
def test_reductions_over_dims(name: str, dim: Any, keepdim: bool, rng: np.random.Generator) -> None:
    """Every reduction over every form of `dim`, against NumPy."""
    array = rng.standard_normal((2, 3, 4))
    axis = tuple(dim) if isinstance(dim, list) else dim
    axis = None if axis == () else axis
    numpy = {
        "sum": np.sum,
        "mean": np.mean,
        "var": lambda a, **k: np.var(a, ddof=1, **k),
        "std": lambda a, **k: np.std(a, ddof=1, **k),
        "amax": np.max,
        "amin": np.min,
        "all": np.all,
        "any": np.any,
        "norm": lambda a, **k: np.sqrt(np.sum(a * a, **k)),
        "logsumexp": lambda a, **k: np.log(np.sum(np.exp(a), **k)),
    }[name]
    x = m.from_numpy(array > 0) if name in ("all", "any") else m.from_numpy(array)
    if dim is None and name in ("logsumexp", "amax", "amin"):
        return
    out = getattr(x, name)(dim=dim, keepdim=keepdim)
    np.testing.assert_allclose(out.array, numpy(x.array, axis=axis, keepdims=keepdim), rtol=1e-12)


def test_reductions_of_nothing() -> None:
    """sum 0, mean nan, prod 1, all True, any False; max and min refuse."""
    x = m.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.sum().item() == 0 and math.isnan(x.mean().item()) and x.prod().item() == 1
        assert x.all().item() is True and x.any().item() is False
        assert m.zeros(0, 3).sum(0).tolist() == [0, 0, 0]
        assert all(math.isnan(v) for v in m.zeros(0, 3).mean(0).tolist())
        assert m.zeros(2, 0).prod(1).tolist() == [1, 1]
        assert math.isnan(m.ones(1).var().item()) and m.ones(1).var(correction=0).item() == 0
        assert math.isnan(x.std().item())
    for name, kind in (("max", RuntimeError), ("min", RuntimeError), ("argmax", IndexError), ("argmin", IndexError)):
        with pytest.raises(kind, match=f"{name}\\(\\): Expected reduction dim to be specified"):
            getattr(x, name)()


def test_extremes_and_nan() -> None:
    """NaN wins everywhere, and its position is the first one's."""
    x = m.tensor([1.0, nan, 3.0, nan])
    for name in ("max", "min", "amax", "amin"):
        assert math.isnan(getattr(x, name)().item())
    assert x.argmax().item() == x.argmin().item() == 1
    values, indices = x.max(0)
    assert math.isnan(values.item()) and indices.item() == 1
    assert math.isnan(x.sum().item()) and math.isnan(m.maximum(x, m.zeros(4))[1].item())


def test_extremes_and_ties() -> None:
    """max(): equals share the gradient; max(dim): the first gets it; maximum: half each."""
    x = m.tensor([2.0, 5.0, 5.0, 5.0], requires_grad=True)
    assert grad(x.amax(), x)[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert grad(x.max(), x)[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    values, indices = x.max(0)
    assert indices.item() == 1 and grad(values, x)[0].tolist() == [0, 1, 0, 0]
    assert x.argmax().item() == 1 and x.neg().argmin().item() == 1
    y = m.tensor([2.0, 1.0, 5.0, 9.0], requires_grad=True)
    assert grad(m.maximum(x, y).sum(), [x, y])[0].tolist() == [0.5, 1, 0.5, 0]
    assert grad(m.minimum(x, y).sum(), [x, y])[1].tolist() == [0.5, 1, 0.5, 0]


def test_max_forms() -> None:
    """max of all, along a dim with indices, of two tensors."""
    x = m.tensor([[1.0, 4.0], [3.0, 2.0]])
    assert x.max().item() == 4 and m.max(x).item() == 4
    found = x.max(1)
    assert found.values.tolist() == [4, 3] and found.indices.tolist() == [1, 0] and found.indices.dtype is m.int64
    assert x.min(dim=0, keepdim=True).values.shape == (1, 2)
    assert m.max(x, m.full((2, 2), 2.5)).tolist() == [[2.5, 4], [3, 2.5]]
    assert x.argmax(1).tolist() == [1, 0] and x.argmax().item() == 1 and x.argmax(1, keepdim=True).shape == (2, 1)


def test_var_and_std() -> None:
    """Correction, unbiased, dims; the gradient of std."""
    array = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 9.0]])
    x = m.tensor(array, requires_grad=True)
    assert x.var().item() == pytest.approx(array.var(ddof=1))
    assert x.var(unbiased=False).item() == pytest.approx(array.var())
    assert x.var(False).item() == pytest.approx(array.var())
    np.testing.assert_allclose(x.std(1, correction=2).detach().numpy(), array.std(1, ddof=2))
    (g,) = grad(x.std(), x)
    np.testing.assert_allclose(g.array, (array - array.mean()) / (5 * array.std(ddof=1)), rtol=1e-12)


def test_prod_with_zeros() -> None:
    """The gradient of a product is finite with one zero factor or two, to second order."""
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 5.0, 3.0]):
        x = m.tensor(values, dtype=m.float64, requires_grad=True)
        (g,) = grad(x.prod(), x, create_graph=True)
        expected = [np.prod([v for j, v in enumerate(values) if j != i]) for i in range(3)]
        np.testing.assert_allclose(g.detach().numpy(), expected)
        (second,) = grad(g.sum(), x)
        pairs = [
            sum(np.prod([v for k, v in enumerate(values) if k not in (i, j)]) for j in range(3) if j != i)
            for i in range(3)
        ]
        np.testing.assert_allclose(second.array, pairs)


@pytest.mark.parametrize("p", [1, 2, 3, inf, "fro", 0.5])
def test_norm(p: Any) -> None:
    """The p-norms; 2 has slope 0 at 0."""
    array = np.array([[3.0, -4.0], [1.0, 2.0]])
    power = 2 if p == "fro" else p
    expected = np.abs(array).max() if p == inf else (np.abs(array) ** power).sum() ** (1 / power)
    assert m.tensor(array).norm(p).item() == pytest.approx(expected)
    zero = m.zeros(3, requires_grad=True)
    if p in (2, "fro"):
        assert grad(zero.norm(p), zero)[0].tolist() == [0, 0, 0]


def test_logsumexp_is_stable() -> None:
    """Large, infinite and no values."""
    assert m.tensor([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(1000 + math.log(2))
    assert m.tensor([-inf, -inf]).logsumexp(0).item() == -inf
    assert m.tensor([inf, 1.0]).logsumexp(0).item() == inf
    x = m.tensor([0.0, math.log(3)], dtype=m.float64, requires_grad=True)
    np.testing.assert_allclose(grad(x.logsumexp(0), x)[0].array, [0.25, 0.75], rtol=1e-12)


def test_slopes_at_zero() -> None:
    """abs 0, sqrt inf, relu 0, relu of NaN 1, clamp 1 at both edges."""

    def slope(function: Any, at: float) -> float:
        x = m.tensor(at, requires_grad=True)
        return grad(function(x), x)[0].item()

    assert slope(m.abs, 0.0) == 0 and slope(m.sqrt, 0.0) == inf and slope(m.relu, 0.0) == 0 and slope(m.relu, nan) == 1
    assert slope(lambda x: x.clamp(-1, 1), 1.0) == slope(lambda x: x.clamp(-1, 1), -1.0) == 1
    assert math.isnan(m.tensor(nan).relu().item()) and math.copysign(1, m.tensor(-0.0).relu().item()) == -1
    assert math.isnan(m.tensor(nan).clamp(0, 1).item())
