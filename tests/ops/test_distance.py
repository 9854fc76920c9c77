"""Distances: near pairs, zeros, large tables, norms; and what scales by a length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.ops import distance

F = nn.functional
INF = np.inf
rng = np.random.default_rng(0)


def exact(x: np.ndarray, y: np.ndarray, p: float = 2.0) -> np.ndarray:
    """In float64, one difference after the other."""
    size = np.abs(x[..., :, None, :].astype(np.float64) - y[..., None, :, :].astype(np.float64))
    return size.max(-1) if p == INF else (size**p).sum(-1) ** (1 / p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["apart", "far from 0", "some equal", "all near"])
def test_euclidean_distances_lose_no_digits(case: str, dtype: Any) -> None:
    """Also by matrix products, where nearly equal vectors would cancel; gradients, too, and 0 where vectors are equal."""
    x, y = (rng.standard_normal((2, 60, 8)) + (1000 if case == "far from 0" else 0) for _ in "xy")
    x, y = x.astype(dtype), y.astype(dtype)
    if case == "some equal":
        y[:, :5] = x[:, :5]
    elif case == "all near":
        y = x[:, :1] + (y * 1e-3).astype(dtype)
    g = rng.standard_normal((2, 60, 60)).astype(dtype)
    a, b = m.from_numpy(x).requires_grad_(), m.from_numpy(y).requires_grad_()
    out, expected = m.cdist(a, b), exact(x, y)
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=tolerance)
    slopes = (x[:, :, None] - y[:, None].astype(np.float64)) * (g / np.where(expected == 0, INF, expected))[..., None]
    for found, wanted in zip(grad(out, (a, b), m.from_numpy(g)), (slopes.sum(2), -slopes.sum(1)), strict=True):
        assert found.numpy().dtype == dtype
        np.testing.assert_allclose(found.numpy(), wanted, atol=10 * tolerance)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, INF])
def test_blocks_are_one_table(p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row, the same values and gradients."""
    x, y = m.from_numpy(rng.standard_normal((2, 5, 3))), m.from_numpy(rng.standard_normal((2, 4, 3)))
    results = []
    for room in (distance.ROOM, 1):
        monkeypatch.setattr(distance, "ROOM", room)
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        out = m.cdist(a, b, p)
        results.append([out.detach().numpy(), *(v.numpy() for v in grad(out.cos().sum(), (a, b)))])
    np.testing.assert_allclose(results[0][0], exact(x.numpy(), y.numpy(), p), rtol=1e-12)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_products_and_differences_have_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of the first derivative, and the recorded one, from which the second comes."""
    x = m.from_numpy(rng.standard_normal((9, 3))).requires_grad_()
    found = []
    for few in (1000, 0):
        monkeypatch.setattr(distance, "FEW", few)
        found.append(grad(m.cdist(x, x).sin().sum(), x)[0].numpy())
    found.append(grad(m.cdist(x, x).sin().sum(), x, create_graph=True)[0].detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-11)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-11)


KINKS = {  # p: gradients of cdist([[1, 2, 2], [0, 0, 0]], [[0, 1, 4], [0, 0, 0]]).sum() for the first
    1.0: [[2.0, 2.0, 0.0], [0.0, -1.0, -1.0]],
    INF: [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]],
    0.0: [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
}


@pytest.mark.parametrize("p", KINKS)
def test_kinks(p: float) -> None:
    """The slope at 0 is 0; of several largest differences each counts in full."""
    x = m.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]], requires_grad=True)
    (g,) = grad(m.cdist(x, m.tensor([[0.0, 1.0, 4.0], [0.0, 0.0, 0.0]]), p=p).sum(), x)
    assert g.tolist() == KINKS[p]


def test_pairs_of_one_set() -> None:
    """pdist is what stands above the diagonal of cdist, also where none is left."""
    x = m.from_numpy(rng.standard_normal((30, 4))).requires_grad_()
    rows, columns = np.triu_indices(30, 1)
    np.testing.assert_allclose(
        m.pdist(x).detach().numpy(), exact(x.detach().numpy(), x.detach().numpy())[rows, columns]
    )
    assert F.pdist(m.eye(3), 1.0).tolist() == [2.0, 2.0, 2.0]
    assert m.pdist(m.ones(1, 2)).shape == (0,) and m.pdist(m.ones(3, 0)).tolist() == [0.0] * 3
    small = m.from_numpy(rng.standard_normal((4, 3))).requires_grad_()
    gradcheck(lambda x: m.pdist(x, 3.0), (small,))
    gradgradcheck(lambda x: m.pdist(x), (small,))


def test_shapes_of_cdist() -> None:
    """Leading axes broadcast; empty sets have no distances."""
    assert m.cdist(m.ones(5, 1, 2, 3), m.ones(4, 4, 3)).shape == (5, 4, 2, 4)
    assert m.cdist(m.ones(0, 3), m.ones(4, 3)).shape == (0, 4)
    assert m.cdist(m.ones(2, 0), m.ones(1, 0)).tolist() == [[0.0], [0.0]]
    assert m.cdist(m.ones(2, 3), m.zeros(1, 3), p=0).tolist() == [[3.0], [3.0]]
    table = m.cdist(m.ones(30, 3), m.full((30, 3), INF))
    assert np.isinf(table.numpy()).all()


SMOOTH: dict[str, Callable] = {
    "dist": lambda x, y: m.dist(x, y, 3),
    "pairwise_distance": lambda x, y: m.pairwise_distance(x, y, keepdim=True),
    "cosine_similarity": lambda x, y: m.cosine_similarity(x, y, dim=0),
    "renorm": lambda x, y: m.renorm(x, 2, 0, 1.5) * y,
    "normalize": lambda x, y: F.normalize(x, p=3.0, dim=0) * F.normalize(y),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    """First and second order, by differences."""
    x, y = (m.from_numpy(rng.standard_normal((3, 4))).requires_grad_() for _ in "xy")
    gradcheck(SMOOTH[name], (x, y))
    gradgradcheck(SMOOTH[name], (x, y))


RIGHT: list[tuple[Callable, Any]] = [
    (lambda: m.dist(m.tensor([1.0, 2.0]), m.tensor([1.0]), 0), 1.0),
    (lambda: m.dist(m.tensor([1.0, 2.0]), m.tensor([4.0, 6.0])), 5.0),
    (lambda: m.dist(m.tensor([1.0, 2.0]), m.tensor([1.0, 3.0], dtype=m.float64)).dtype, m.float64),
    (lambda: m.pairwise_distance(m.tensor([[3.0, 4.0]]), m.zeros(2), eps=0.0), [5.0]),
    (lambda: m.pairwise_distance(m.tensor([[1, 2]]), m.tensor([1, 4]), p=1.0, eps=0.0), [2.0]),
    (lambda: nn.PairwiseDistance(1.0, 0.0, True)(m.tensor([[3.0, 4.0]]), m.zeros(1, 2)), [[7.0]]),
    (lambda: m.cosine_similarity(m.tensor([[3.0, 4.0]]), m.tensor([4.0, 3.0])).item() == pytest.approx(0.96), True),
    (lambda: m.cosine_similarity(m.zeros(1, 2), m.ones(1, 2)), [0.0]),
    (lambda: nn.CosineSimilarity(0)(m.tensor([0.0, 2.0]), m.tensor([0.0, -1.0])), -1.0),
    (lambda: nn.CosineSimilarity(0, 4.0)(m.tensor([0.0, 2.0]), m.tensor([0.0, 1.0])), 0.125),
    (lambda: m.renorm(m.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 5.0), [[3.0, 4.0], [0.3, 0.4]]),
    (lambda: m.renorm(m.tensor([[6.0, 8.0]]), 1, 0, 7.0), [[3.0, 4.0]]),
    (lambda: m.tensor([[2.0], [8.0]]).renorm_(INF, 0, 4.0), [[2.0], [4.0]]),
    (lambda: F.normalize(m.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=m.float64)), [[0.6, 0.8], [0.0, 0.0]]),
    (lambda: F.normalize(m.tensor([3.0, 1.0]), p=1.0, dim=0), [0.75, 0.25]),
    (lambda: F.normalize(m.tensor([2.0]), dim=0, eps=4.0), [0.5]),
    (lambda: F.normalize(m.tensor([2.0]), dim=0, out=m.zeros(1)), [1.0]),
]


@pytest.mark.parametrize(("call", "expected"), RIGHT, ids=[str(i) for i in range(len(RIGHT))])
def test_values(call: Callable, expected: Any) -> None:
    """Written out."""
    found = call()
    if isinstance(found, m.Tensor):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    else:
        assert found == expected


WRONG: list[tuple[Callable, type, str]] = [
    (lambda: m.renorm(m.ones(3), 2, 0, 1.0), RuntimeError, "at least 2 dimensions"),
    (lambda: m.renorm(m.ones(2, 3), -1, 0, 1.0), RuntimeError, "non-positive-norm"),
    (lambda: m.renorm(m.ones(2, 3), 2, 0, -1.0), RuntimeError, "maxnorm"),
    (lambda: m.renorm(m.tensor([[1, 2]]), 2, 0, 1.0), RuntimeError, "floating point"),
    (lambda: m.dist(m.tensor([1]), m.tensor([2])), RuntimeError, "floating point"),
    (lambda: m.dist(m.ones(2), m.ones(3)), RuntimeError, "size of tensor a (2)"),
    (lambda: m.cosine_similarity(m.tensor([1]), m.tensor([2]), dim=0), RuntimeError, "common dtype"),
    (lambda: m.cosine_similarity(m.ones(2), m.ones(2)), IndexError, "[-1, 0]"),
    (lambda: m.cosine_similarity(m.ones(2), m.ones(3), dim=0), RuntimeError, "size of tensor a (2)"),
    (lambda: m.pairwise_distance(m.ones(2, 3), m.ones(2)), RuntimeError, "size of tensor a (3)"),
    (lambda: F.normalize(m.tensor([1]), dim=0), RuntimeError, "floating point"),
    (lambda: F.normalize(m.ones(3)), IndexError, "[-1, 0]"),
    (lambda: m.cdist(m.ones(2, 2), m.ones(2, 2), p="a"), TypeError, "`p`"),
]


@pytest.mark.parametrize(("call", "kind", "piece"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_calls(call: Callable, kind: type, piece: str) -> None:
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind and piece in str(info.value)
