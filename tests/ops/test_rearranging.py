"""Shapes, views, picking elements, matrix products of any rank."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.autograd import grad

m = minitorch


def test_shapes() -> None:
    """The forms of reshape, squeeze, transpose, expand, repeat, and their values."""
    x = m.arange(6)
    assert x.reshape(2, -1).tolist() == x.view((2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    y = x.reshape(2, 3)
    assert (
        y.t().tolist()
        == y.T.tolist()
        == y.transpose(0, 1).tolist()
        == y.permute(1, 0).tolist()
        == [[0, 3], [1, 4], [2, 5]]
    )
    assert (
        y.flatten().shape == (6,)
        and m.zeros(2, 3, 4).flatten(1).shape == (2, 12)
        and m.tensor(1).flatten().shape == (1,)
    )
    assert m.zeros(2, 1, 3, 1).squeeze().shape == (2, 3) and m.zeros(2, 1, 3, 1).squeeze(1).shape == (2, 3, 1)
    assert m.zeros(2, 1, 3, 1).squeeze((1, 3)).shape == (2, 3) and m.zeros(2, 1).squeeze(0).shape == (2, 1)
    assert y.unsqueeze(-1).shape == (2, 3, 1) and y.unflatten(1, (3, -1)).shape == (2, 3, 1)
    assert m.zeros(2, 1).expand(2, 4).shape == m.zeros(2, 1).expand(-1, 4).shape == (2, 4) and m.zeros(3).expand(
        2, -1
    ).shape == (2, 3)
    assert m.tensor([1, 2]).repeat(2, 2).tolist() == [[1, 2, 1, 2], [1, 2, 1, 2]]
    assert m.zeros(2, 3, 4).movedim(0, -1).shape == (3, 4, 2) and m.zeros(2, 3, 4).movedim((0, 1), (2, 0)).shape == (
        3,
        4,
        2,
    )
    assert y.flip(1).tolist() == [[2, 1, 0], [5, 4, 3]] and y.flip(0, 1).tolist() == [[5, 4, 3], [2, 1, 0]]
    assert y.tril().tolist() == [[0, 0, 0], [3, 4, 0]] and y.triu(1).tolist() == [[0, 1, 2], [0, 0, 5]]


@pytest.mark.parametrize(
    ("x", "to", "values"),
    [  # 1.0 is 0x3f800000, as a double 0x3ff00000_00000000, whose upper half is 1.875
        ([1.0, 0.0], "int32", [1065353216, 0]),
        ([[1.0], [-0.0]], "uint8", [[0, 0, 128, 63], [0, 0, 0, 128]]),
        ([0.0, 1.875], "float64", [1.0]),
        (1.0, "int32", 1065353216),
        ([[], []], "int32", [[], []]),
        ([2.0], "float32", [2.0]),
    ],
)
def test_view_as_another_dtype(x: list, to: str, values: list) -> None:
    """The same memory, off the tape; in-place writes reach the source and count as its changes."""
    source = m.tensor(x, requires_grad=True)
    for seen in (source.view(getattr(m, to)), source.view(dtype=np.dtype(to))):
        assert seen.tolist() == values and seen.dtype is getattr(m, to) and not seen.requires_grad
    y = source * 1
    seen, before = y.view(getattr(m, to)), y._version
    seen.zero_()
    assert not y.any() and y._version == before + 1


def test_split_chunk_stack_cat() -> None:
    """Pieces and their gradients; empty vectors in cat are passed over."""
    x = m.arange(5.0).requires_grad_()
    assert [p.tolist() for p in x.split(2)] == [[0, 1], [2, 3], [4]]
    assert [p.tolist() for p in x.split([1, 4])] == [[0], [1, 2, 3, 4]]
    assert [len(p) for p in x.chunk(3)] == [2, 2, 1] and [len(p) for p in m.arange(4).chunk(3)] == [2, 2]
    assert grad(x.split(2)[1].sum(), x)[0].tolist() == [0, 0, 1, 1, 0]
    assert m.stack([x, x]).shape == (2, 5) and m.stack([x, x], -1).shape == (5, 2)
    assert m.cat([m.zeros(0), m.ones(2, 2)]).shape == (2, 2)
    assert grad((m.cat([x, x * 2]) * m.arange(10.0)).sum(), x)[0].tolist() == [10, 13, 16, 19, 22]
    assert [r.tolist() for r in m.tensor([[1, 2], [3, 4]]).unbind(1)] == [[1, 3], [2, 4]]
    assert m.zeros(0).split(2)[0].shape == (0,)


def test_picking() -> None:
    """gather, scatter_add, index_select, masked_fill, masked_select, where, nonzero."""
    x = m.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.gather(1, m.tensor([[1], [0]])).tolist() == [[2], [3]]
    assert m.zeros(2, 2).scatter_add(1, m.tensor([[0, 0], [1, 1]]), x).tolist() == [[3, 0], [0, 7]]
    assert x.index_select(1, m.tensor([1, 1])).tolist() == [[2, 2], [4, 4]]
    assert x.masked_fill(x > 2, 0).tolist() == [[1, 2], [0, 0]]
    assert x.masked_select(x > 2).tolist() == [3, 4]
    assert m.where(x > 2, x, 0.0).tolist() == [[0, 0], [3, 4]] and x.where(x > 2, -x).tolist() == [[-1, -2], [3, 4]]
    assert m.nonzero(m.tensor([[0, 1], [2, 0]])).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "a,b",
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0,), (0,)),
    ],
    ids=str,
)
def test_matmul_ranks(a: tuple, b: tuple, rng: np.random.Generator) -> None:
    """Vectors, matrices, stacks, broadcast stacks and empty ones, with gradients, against einsum."""
    x, y = m.tensor(rng.standard_normal(a), requires_grad=True), m.tensor(rng.standard_normal(b), requires_grad=True)
    out = x @ y
    expected = np.matmul(x.array, y.array)
    np.testing.assert_allclose(out.array, expected, rtol=1e-12, atol=1e-14)
    assert out.shape == expected.shape
    g = rng.standard_normal(expected.shape)
    gx, gy = grad(out, [x, y], m.tensor(g))
    for found, wrt, other in ((gx, x, 0), (gy, y, 1)):
        direction = rng.standard_normal(wrt.shape)
        product = np.matmul(direction, y.array) if other == 0 else np.matmul(x.array, direction)
        assert float((found.array * direction).sum()) == pytest.approx(float((g * product).sum()), rel=1e-10, abs=1e-12)
