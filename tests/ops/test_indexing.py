"""Indexing: what is picked, what shares memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch.autograd import grad

m = minitorch


def items() -> st.SearchStrategy:
    """One entry of an index of an axis of size 3."""
    return st.one_of(
        st.integers(-3, 2),
        st.just(Ellipsis),
        st.none(),
        st.builds(
            slice,
            st.one_of(st.none(), st.integers(-4, 4)),
            st.one_of(st.none(), st.integers(-4, 4)),
            st.one_of(st.none(), st.integers(1, 3)),
        ),
        st.lists(st.integers(-3, 2), min_size=1, max_size=3).map(np.array),
        st.lists(st.booleans(), min_size=3, max_size=3).map(np.array),
    )


@given(st.lists(items(), min_size=1, max_size=4).map(tuple))
def test_indexing_picks_what_pytorch_picks(key: tuple) -> None:
    """Any mixture of ints, slices, None, ellipses, int and bool arrays picks what it should, or raises."""
    array = np.arange(27.0).reshape(3, 3, 3)
    if sum(k is Ellipsis for k in key) > 1:
        return

    def select(a: np.ndarray) -> np.ndarray:
        """NumPy's answer, ints first: PyTorch takes them as basic indices, also beside arrays."""
        full = list(key)
        if Ellipsis not in [k for k in key if not isinstance(k, np.ndarray)]:
            full.append(Ellipsis)
        first = tuple(k if isinstance(k, int) or k is Ellipsis else slice(None) for k in full if k is not None)
        return a[first][tuple(k for k in full if not isinstance(k, int))]

    try:
        if sum(k is not None and k is not Ellipsis for k in key) > array.ndim:
            raise IndexError
        expected = select(array)
    except IndexError:
        with pytest.raises(IndexError):
            m.from_numpy(array)[key]
        return
    x = m.tensor(array, requires_grad=True)
    out = x[tuple(m.from_numpy(k) if isinstance(k, np.ndarray) else k for k in key)]
    np.testing.assert_array_equal(out.detach().numpy(), expected)
    (g,) = grad((out * m.from_numpy(np.arange(1.0, expected.size + 1).reshape(expected.shape))).sum(), x)
    counted = np.zeros(array.size)
    np.add.at(counted, select(np.arange(array.size).reshape(array.shape)).ravel(), np.arange(1.0, expected.size + 1))
    np.testing.assert_array_equal(g.array.ravel(), counted)


def test_ints_beside_arrays_are_basic_indices() -> None:
    """x[0, :, [0, 1]] is x[0][:, [0, 1]], as in PyTorch; NumPy would move the array's axis to the front."""
    x = m.arange(24).reshape(2, 3, 4)
    assert x[0, :, [0, 1]].shape == (3, 2)
    assert x[[0, 1], :, 1].shape == (2, 3)
    x[0, :, [0, 1]] = m.arange(6).reshape(3, 2)
    assert x[0, 2].tolist() == [4, 5, 10, 11]


def test_results_have_memory_of_their_own() -> None:
    """Reductions and copies over axes of size 1 do not share memory with their input."""
    x = m.ones(1, 1)
    for make in (
        lambda t: t.prod(),
        lambda t: t.prod(0),
        lambda t: t.sum(0),
        lambda t: t.repeat(1, 1),
        lambda t: t.repeat(2, 2),
        lambda t: t.amax(0),
        lambda t: t.max(0).values,
        lambda t: t.mean(),
        lambda t: t.cumsum(0),
        lambda t: t.clone(),
        lambda t: t.flip(0),
        lambda t: m.cat([t]),
        lambda t: m.stack([t]),
        lambda t: t.relu(),
        lambda t: t.clamp(0, 9),
        lambda t: t[[0]],
        lambda t: t.masked_select(t > 0),
        lambda t: t.tril(),
        lambda t: t.abs(),
        lambda t: t.std(0, correction=0),
        lambda t: t.prod(1, keepdim=True),
        lambda t: t.norm(),
        lambda t: t.floor(),
        lambda t: t.round(),
    ):
        out = make(x)
        assert not np.shares_memory(out.array, x.array)
        out.add_(1)


def test_index_forms() -> None:
    """Lists, ranges, tensors of all integer dtypes, 0-dim tensors, NumPy integers."""
    x = m.arange(12).reshape(3, 4)
    assert x[[0, 2]].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert x[[[0, 1], [1, 2]]].shape == (2, 2, 4)
    assert x[range(2)].shape == (2, 4)
    for dtype in (m.int32, m.int64):
        assert x[m.tensor([2, 0], dtype=dtype), 1].tolist() == [9, 1]
    assert x[m.tensor(1), m.tensor(2)].item() == 6
    assert x[np.int64(1)].tolist() == [4, 5, 6, 7]
    assert x[:, m.tensor([True, False, False, True])].tolist() == [[0, 3], [4, 7], [8, 11]]
    assert x[x > 9].tolist() == [10, 11]
    assert x[True].shape == (1, 3, 4) and x[None].shape == (1, 3, 4) and x[...].shape == (3, 4)
    assert x[1, 2].shape == () and isinstance(x[1, 2], m.Tensor)
    assert x[[]].shape == (0, 4)


def test_basic_indexing_shares_memory_advanced_copies() -> None:
    """As in NumPy and PyTorch."""
    x = m.zeros(3, 3)
    x[1:][0].fill_(1)
    x[[0, 2]].fill_(5)
    assert x.tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
