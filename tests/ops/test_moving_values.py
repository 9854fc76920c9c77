"""What moves elements without a primitive of its own, against NumPy: turns, repeats, splits, stacks, grids, pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m

A = np.arange(24.0).reshape(2, 3, 4)
B, V, W = A[0], A[0, 0], np.array([7.0, 8.0, 9.0])


def _replaced(a: np.ndarray, key: Any, value: Any) -> np.ndarray:
    out = a.copy()
    out[key] = value
    return out


def _diagonal(n: int, offset: int) -> Any:
    return np.eye(n, k=offset, dtype=bool)


ROWS: dict[str, tuple[Callable, Any]] = {
    "diag_embed": (lambda a, b, v, w: m.diag_embed(w, 1), np.diag(W, 1)),
    "diag_embed of rows": (lambda a, b, v, w: m.diag_embed(b, -1, 0, 1)[:, :, 2], np.diag(B[2], -1)),
    "diag of a vector": (lambda a, b, v, w: m.diag(w, -2), np.diag(W, -2)),
    "diag of a matrix": (lambda a, b, v, w: m.diag(b, 1), np.diag(B, 1)),
    "diagflat": (lambda a, b, v, w: m.diagflat(b[:2, :2], 1), np.diagflat(B[:2, :2], 1)),
    "diagonal": (lambda a, b, v, w: a.diagonal(-1, 1, 2), A.diagonal(-1, 1, 2)),
    "trace": (lambda a, b, v, w: b.trace(), np.trace(B)),
    "fill_diagonal_": (
        lambda a, b, v, w: m.zeros(5, 2, dtype=m.float64).fill_diagonal_(3, wrap=True),
        np.array([[3, 0], [0, 3], [0, 0], [3, 0], [0, 3]]),
    ),
    "as_strided": (lambda a, b, v, w: b.as_strided((2, 2), (1, 3), 2), np.array([[2, 5], [3, 6]])),
    "diagonal_scatter": (lambda a, b, v, w: b[:, :3].diagonal_scatter(w), _replaced(B[:, :3], _diagonal(3, 0), W)),
    "as_strided_scatter": (lambda a, b, v, w: v.as_strided_scatter(w[:2], (2,), (2,), 1), np.array([0.0, 7, 2, 8])),
    "select": (lambda a, b, v, w: a.select(1, -1), A[:, -1]),
    "select_scatter": (lambda a, b, v, w: b.select_scatter(w, 1, 2), _replaced(B, np.s_[:, 2], W)),
    "slice_scatter": (lambda a, b, v, w: b.slice_scatter(b[:, :2] * 0, 1, 1, 4, 2), _replaced(B, np.s_[:, 1:4:2], 0)),
    "narrow_copy": (lambda a, b, v, w: b.narrow_copy(1, 1, 2), B[:, 1:3]),
    "rot90": (lambda a, b, v, w: a.rot90(1, (1, 2)), np.rot90(A, 1, (1, 2))),
    "rot90 back": (lambda a, b, v, w: a.rot90(-1, (0, 2)), np.rot90(A, -1, (0, 2))),
    "rot90 half": (lambda a, b, v, w: a.rot90(2, (0, 1)), np.rot90(A, 2)),
    "fliplr": (lambda a, b, v, w: b.fliplr(), np.fliplr(B)),
    "flipud": (lambda a, b, v, w: b.flipud(), np.flipud(B)),
    "roll": (lambda a, b, v, w: a.roll((1, -1), (0, 2)), np.roll(A, (1, -1), (0, 2))),
    "roll as a line": (lambda a, b, v, w: b.roll(5), np.roll(B, 5)),
    "tile": (lambda a, b, v, w: b.tile(2, 1, 3), np.tile(B, (2, 1, 3))),
    "tile fewer": (lambda a, b, v, w: a.tile(2), np.tile(A, 2)),
    "repeat_interleave": (lambda a, b, v, w: b.repeat_interleave(2, 1), np.repeat(B, 2, 1)),
    "repeat_interleave each": (
        lambda a, b, v, w: b.repeat_interleave(m.tensor([2, 0, 1]), 0),
        np.repeat(B, [2, 0, 1], 0),
    ),
    "sum_to_size": (lambda a, b, v, w: a.sum_to_size(3, 1), A.sum((0, 2))[:, None]),
    "tensor_split": (lambda a, b, v, w: m.arange(7.0).tensor_split(3), np.array_split(np.arange(7.0), 3)),
    "tensor_split at": (lambda a, b, v, w: b.tensor_split((1, 3), 1), np.split(B, (1, 3), 1)),
    "hsplit": (lambda a, b, v, w: b.hsplit(2), np.hsplit(B, 2)),
    "vsplit": (lambda a, b, v, w: b.vsplit((2,)), np.vsplit(B, (2,))),
    "dsplit": (lambda a, b, v, w: a.dsplit(2), np.dsplit(A, 2)),
    "hstack": (lambda a, b, v, w: m.hstack((b, b)), np.hstack((B, B))),
    "hstack of vectors": (lambda a, b, v, w: m.hstack((v, w)), np.hstack((V, W))),
    "vstack": (lambda a, b, v, w: m.vstack((v, b)), np.vstack((V, B))),
    "dstack": (lambda a, b, v, w: m.dstack((b, b)), np.dstack((B, B))),
    "column_stack": (lambda a, b, v, w: m.column_stack((w, b)), np.column_stack((W, B))),
    "block_diag": (
        lambda a, b, v, w: m.block_diag(w, b[:2, :2]),
        np.array([[7.0, 8, 9, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 4, 5]]),
    ),
    "atleast_3d": (lambda a, b, v, w: m.atleast_3d(v, b), [np.atleast_3d(V), np.atleast_3d(B)]),
    "broadcast_tensors": (lambda a, b, v, w: m.broadcast_tensors(w[:, None], v), np.broadcast_arrays(W[:, None], V)),
    "meshgrid": (lambda a, b, v, w: m.meshgrid(w, v, indexing="ij"), np.meshgrid(W, V, indexing="ij")),
    "meshgrid xy": (lambda a, b, v, w: m.meshgrid(w, v, indexing="xy"), np.meshgrid(W, V)),
    "cartesian_prod": (lambda a, b, v, w: m.cartesian_prod(w[:2], v[:2]), np.array([[7.0, 0], [7, 1], [8, 0], [8, 1]])),
    "combinations": (lambda a, b, v, w: w.combinations(2), np.array([[7.0, 8], [7, 9], [8, 9]])),
    "combinations of one": (lambda a, b, v, w: w[:2].combinations(2, True), np.array([[7.0, 7], [7, 8], [8, 8]])),
    "ravel": (lambda a, b, v, w: b.t().ravel(), B.T.ravel()),
    "movedim": (lambda a, b, v, w: a.movedim((0, 1), (2, 0)), np.moveaxis(A, (0, 1), (2, 0))),
}


@pytest.mark.parametrize("name", ROWS)
def test_values(name: str) -> None:
    """NumPy's function of the same name, or by hand."""
    call, want = ROWS[name]
    found = call(*(m.tensor(x) for x in (A, B, V, W)))
    several = isinstance(found, tuple | list)
    for ours, theirs in zip(found if several else [found], want if several else [want], strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
        assert ours.shape == np.shape(theirs)


def test_positions() -> None:
    """Where elements stand."""
    x = m.tensor([[0, 3], [5, 0]])
    assert m.argwhere(x).tolist() == [[0, 1], [1, 0]]
    assert m.tril_indices(2, 3, 1).tolist() == [list(i) for i in np.tril_indices(2, 1, 3)]
    assert m.triu_indices(3, 3, -1).tolist() == [list(i) for i in np.triu_indices(3, -1, 3)]
    rows, columns = m.unravel_index(m.tensor([5, 7]), (3, 4))
    assert rows.tolist() == [1, 1] and columns.tolist() == [1, 3]
    assert m.broadcast_shapes((3, 1), (4,), 1) == (3, 4)
