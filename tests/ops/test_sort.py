"""Order: ties, NaN, wide keys, the fast ways of large arrays beside the plain ones, and wrong calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.ops import sort as sorting

INF, NAN = np.inf, np.nan


def lists(found: Any) -> Any:
    """Values and indices, or several tensors, as lists; NaN as None, which equals itself."""
    if isinstance(found, tuple):
        return [lists(v) for v in found]
    values = found.tolist()
    if isinstance(values, list):
        return [None if v != v else v for v in values]
    return None if values != values else values


def strange(dtype: Any, shape: tuple, seed: int = 0) -> np.ndarray:
    """Numbers with ties, and what floats have beside numbers."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_normal(shape) * 10)
    if np.dtype(dtype).kind != "f":
        return (np.abs(x) if dtype in (np.uint8, np.bool_) else x).astype(dtype)
    for value in (NAN, -0.0, INF, -INF):
        x[rng.random(shape) < 0.02] = value
    x = x.astype(dtype)
    x[rng.random(shape) < 0.01] = -np.float64(NAN)  # NaN with a sign is NaN
    return x


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("shape", [(7,), (3, 2000), (60, 40), (5000,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])
def test_sort_is_stable_with_nan_last(dtype: Any, shape: tuple, descending: bool) -> None:
    """Every position is that of Python's sort, which is stable, by (is NaN, value)."""
    x = strange(dtype, shape)
    sign = -1 if descending else 1
    for d in range(x.ndim):
        found = m.from_numpy(x).sort(d, descending)
        lines = np.moveaxis(x, d, -1).reshape(-1, shape[d]).tolist()
        expected = [
            sorted(
                range(len(line)),
                key=lambda i: ((line[i] != line[i]) * sign, line[i] * sign if line[i] == line[i] else 0),
            )  # noqa: B023, E501
            for line in lines
        ]
        positions = np.moveaxis(found.indices.numpy(), d, -1).reshape(-1, shape[d])
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(found.values.numpy(), np.take_along_axis(x, found.indices.numpy(), d))
        assert found.values.numpy().dtype == dtype
        np.testing.assert_array_equal(m.from_numpy(x).argsort(d, descending).numpy(), found.indices.numpy())


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("kind", ["whole range", "close floats", "ties of wide keys"])
def test_keys_that_have_no_room_beside_positions(kind: str, descending: bool) -> None:
    """Numbers that differ only in bits that packed keys leave out are put in order all the same."""
    rng = np.random.default_rng(1)
    if kind == "whole range":
        x = rng.integers(-(2**63), 2**63 - 1, (2, 4000)) | np.int64(1)
        x[:, :500] = x[:, 500:1000] + rng.integers(0, 3, (2, 500))
    elif kind == "close floats":
        x = 1 + rng.integers(0, 50, (3, 3000)) * 2.0**-52
        x[:, ::7] *= -1e300
    else:
        x = rng.choice(rng.standard_normal(40) * 1e200, (2, 5000))
    expected = np.argsort(x if not descending else x[:, ::-1], -1, kind="stable")
    expected = x.shape[1] - 1 - expected[:, ::-1] if descending else expected
    np.testing.assert_array_equal(m.from_numpy(x).argsort(-1, descending).numpy(), expected)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("shape", [(9,), (3, 3000), (40, 70), (8, 400)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("nan", [False, True])
def test_topk_is_the_beginning_of_the_sort(dtype: Any, shape: tuple, largest: bool, nan: bool) -> None:
    """By blocks, by partition or by a whole sort, the same positions: of equals the first."""
    x = strange(dtype, shape, 2)
    x = x if nan or x.dtype.kind != "f" else np.nan_to_num(x, nan=-INF, posinf=INF, neginf=-INF)
    for d in range(x.ndim):
        ordered = m.from_numpy(x).sort(d, largest)
        for k in {0, 1, min(5, shape[d]), shape[d] // 3, shape[d]}:
            found = m.from_numpy(x).topk(k, d, largest)
            np.testing.assert_array_equal(found.indices.numpy(), ordered.indices.narrow(d, 0, k).numpy())
            np.testing.assert_array_equal(found.values.numpy(), ordered.values.narrow(d, 0, k).numpy())


@pytest.mark.parametrize("shape", [(9,), (3, 3000), (40, 70)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_kthvalue_and_median_stand_in_the_sort(dtype: Any, shape: tuple) -> None:
    """Values are those of the sort, positions the first that hold them; median the one in the middle, or NaN."""
    x = strange(dtype, shape, 3)
    for d in range(x.ndim):
        ordered = np.moveaxis(np.sort(x, d), d, 0)
        for k in (1, 2, shape[d] // 2, shape[d]):
            found = m.from_numpy(x).kthvalue(k, d)
            np.testing.assert_array_equal(found.values.numpy(), ordered[k - 1])
            lines = np.moveaxis(x, d, 0)
            same = (lines == ordered[k - 1]) | (lines != lines) & (ordered[k - 1] != ordered[k - 1])
            np.testing.assert_array_equal(found.indices.numpy(), same.argmax(0))
        middle = np.where(np.isnan(ordered).any(0), NAN, ordered[(shape[d] - 1) // 2])
        np.testing.assert_array_equal(m.from_numpy(x).median(d).values.numpy(), middle)
        counts = (~np.isnan(ordered)).sum(0)
        without = np.take_along_axis(ordered, np.maximum(counts - 1, 0)[None] // 2, 0)[0]
        np.testing.assert_array_equal(m.from_numpy(x).nanmedian(d, keepdim=True).values.squeeze(d).numpy(), without)


RIGHT: list[tuple[Callable, Any]] = [
    (
        lambda: m.tensor([NAN, 1.0, NAN, INF, -0.0, 0.0]).sort(descending=True),
        [[None, None, INF, 1, 0, 0], [0, 2, 3, 1, 4, 5]],
    ),
    (lambda: m.tensor(3.0).sort(), [3.0, 0]),
    (lambda: m.tensor(3.0).topk(1), [3.0, 0]),
    (lambda: m.tensor(3.0).kthvalue(1), [3.0, 0]),
    (lambda: m.tensor(3.0).median(0), [3.0, 0]),
    (lambda: m.tensor(3.0).argsort(), 0),
    (lambda: m.msort(m.tensor([[2, 1], [1, 3]])), [[1, 1], [2, 3]]),
    (lambda: m.empty(0, 3).sort(0), [[], []]),
    (lambda: m.empty(0, 3).kthvalue(1, 1), [[], []]),
    (lambda: m.sort(m.tensor([True, False]), stable=True), [[False, True], [1, 0]]),
    (lambda: m.tensor([3, 1, 3, 1]).mode(), [1, 3]),
    (lambda: m.tensor([[1.0, 2.0, 2.0], [3.0, NAN, NAN]]).mode(1), [[2.0, 3.0], [2, 0]]),
    (lambda: m.tensor([[1, 2], [1, 3]]).mode(0, keepdim=True), [[[1, 2]], [[1, 0]]]),
    (lambda: m.tensor([NAN, NAN]).nanmedian(0), [None, 0]),
    (lambda: m.tensor([NAN, 1.0, 2.0, NAN]).nanmedian(), 1.0),
    (lambda: m.tensor([3, 1, 2, 4]).median(), 2),
    (
        lambda: m.unique(m.tensor([NAN, 1.0, NAN]), return_inverse=True, return_counts=True),
        [[1.0, None, None], [1, 0, 2], [1, 1, 1]],
    ),
    (lambda: m.unique(m.tensor([[3, 1], [3, 2]]), return_inverse=True), [[1, 2, 3], [[2, 0], [2, 1]]]),
    (lambda: m.tensor([10**15, 5, 10**15]).unique(True, True, True), [[5, 10**15], [1, 0, 1], [1, 2]]),
    (lambda: m.unique(m.tensor([0.0, -0.0]), return_inverse=True), [[0.0], [0, 0]]),
    (lambda: m.unique(m.tensor([True, False, True]), return_counts=True), [[False, True], [1, 2]]),
    (
        lambda: m.unique(m.tensor([[1, 2], [1, 2], [0, 1]]), dim=0, return_inverse=True, return_counts=True),
        [[[0, 1], [1, 2]], [1, 1, 0], [1, 2]],
    ),
    (lambda: m.unique(m.tensor([[2, 1, 2], [0, 5, 0]]), dim=1, return_counts=True), [[[1, 2], [5, 0]], [1, 2]]),
    (lambda: m.unique(m.empty(0, 3), dim=0), []),
    (lambda: m.unique(m.empty(0), return_inverse=True, return_counts=True), [[], [], []]),
    (
        lambda: m.unique_consecutive(m.tensor([1, 1, 2, 1]), return_inverse=True, return_counts=True),
        [[1, 2, 1], [0, 0, 1, 2], [2, 1, 1]],
    ),
    (lambda: m.unique_consecutive(m.tensor([NAN, NAN, 1.0])), [None, None, 1.0]),
    (lambda: m.unique_consecutive(m.tensor(3.0), return_inverse=True, return_counts=True), [[3.0], 0, [1]]),
    (lambda: m.unique_consecutive(m.tensor([[1, 1], [1, 1], [2, 1]]), dim=0), [[1, 1], [2, 1]]),
    (lambda: m.searchsorted(m.tensor([1.0, 2.0, 3.0]), m.tensor([NAN, 2.0, 0.0])), [3, 1, 0]),
    (lambda: m.searchsorted(m.tensor([1.0, 2.0, NAN]), m.tensor([NAN, 2.0, 0.0, 5.0]), right=True), [3, 3, 0, 3]),
    (lambda: m.searchsorted(m.tensor([1, 2, 3]), 2), 1),
    (lambda: m.searchsorted(m.tensor([1, 2, 3]), 2, side="right"), 2),
    (lambda: m.searchsorted(m.tensor([1, 2, 3]), m.tensor([2.5])), [2]),
    (lambda: m.searchsorted(m.tensor([3.0, 1.0, 2.0]), m.tensor([2.0]), sorter=m.tensor([1, 2, 0])), [1]),
    (lambda: m.searchsorted(m.tensor([[1, 3, 5], [2, 4, 6]]), m.tensor([[3, 6], [1, 6]])), [[1, 3], [0, 2]]),
    (
        lambda: m.searchsorted(m.tensor([[1, 3, 5], [2, 4, 6]]), m.tensor([[3, 6], [1, 6]]), right=True),
        [[2, 3], [0, 3]],
    ),
    (lambda: m.searchsorted(m.empty(0), m.tensor([2.0])), [0]),
    (lambda: m.bucketize(m.tensor([[1, 2], [3, 9]]), m.tensor([1, 3])), [[0, 1], [1, 2]]),
    (lambda: m.bucketize(3, m.tensor([1, 3]), right=True), 2),
    (lambda: m.bucketize(m.tensor([1]), m.tensor([1]), out_int32=True).dtype, m.int32),
]


@pytest.mark.parametrize(("call", "expected"), RIGHT, ids=[str(i) for i in range(len(RIGHT))])
def test_values(call: Callable, expected: Any) -> None:
    """Written out."""
    found = call()
    assert (found if isinstance(found, m.dtype) else lists(found)) == expected


def test_results_have_names_and_are_written_to_out() -> None:
    """`values` and `indices`, in either's memory."""
    values, indices = m.zeros(2), m.zeros(2, dtype=m.int64)
    found = m.topk(m.tensor([1.0, 3.0, 2.0]), 2, out=(values, indices))
    assert found == (values, indices) and values.tolist() == [3.0, 2.0] and indices.tolist() == [1, 2]
    assert m.sort(m.tensor([2, 1])).values.tolist() == [1, 2] and m.sort(
        input=m.tensor([2, 1]), dim=0
    ).indices.tolist() == [1, 0]


OPS: dict[str, Callable] = {
    "sort": lambda x: x.sort(1, True).values,
    "msort": lambda x: x.msort(),
    "topk": lambda x: x.topk(2, 0).values,
    "kthvalue": lambda x: x.kthvalue(3, 1, True).values,
    "mode": lambda x: x.mode(0).values,
    "median": lambda x: x.median(1).values,
    "nanmedian": lambda x: x.nanmedian(0).values,
    "quantile": lambda x: x.quantile(m.tensor([0.1, 0.63], dtype=m.float64), 1),
    "nanquantile": lambda x: x.nanquantile(0.4, 0, True, interpolation="midpoint"),
}


@pytest.mark.parametrize("name", OPS)
def test_gradients(name: str) -> None:
    """First and second order, by differences."""
    x = m.from_numpy(np.random.default_rng(4).permutation(20).reshape(4, 5) * 0.3).requires_grad_()
    weights = m.from_numpy(np.random.default_rng(5).standard_normal(OPS[name](x).shape))
    gradcheck(lambda x: OPS[name](x) * weights, (x,))
    gradgradcheck(lambda x: OPS[name](x) ** 2 * weights, (x,))


def test_indices_must_not_change_before_backward() -> None:
    """The gradient follows them."""
    x = m.tensor([3.0, 1.0], requires_grad=True)
    values, indices = x.sort()
    indices.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        grad(values.sum(), x)


def test_equals_share_the_gradient_of_the_median() -> None:
    """Of all elements, as max of all does; NaN counts as equal to NaN."""
    for values, expected in (
        ([2.0, 1.0, 2.0, 2.0], [1 / 3, 0, 1 / 3, 1 / 3]),
        ([NAN, 1.0, NAN, 2.0], [0.5, 0, 0.5, 0]),
    ):
        x = m.tensor(values, dtype=m.float64, requires_grad=True)
        (g,) = grad(x.median(), x)
        assert np.allclose(g.numpy(), expected)


WRONG: list[tuple[Callable, type, str]] = [
    (lambda: m.ones(3).topk(4), RuntimeError, "selected index k out of range"),
    (lambda: m.ones(3).topk(-1), RuntimeError, "selected index k out of range"),
    (lambda: m.ones(3).topk(1.0), TypeError, "`k`"),
    (lambda: m.ones(3).topk(2, 3), IndexError, "[-1, 0]"),
    (lambda: m.tensor([True]).topk(1), RuntimeError, "bool"),
    (lambda: m.ones(3).kthvalue(0), RuntimeError, "out of range for dimension 0"),
    (lambda: m.empty(0, 3).kthvalue(1, 0), IndexError, "non-zero size"),
    (lambda: m.tensor([True]).kthvalue(1), NotImplementedError, "Bool"),
    (lambda: m.empty(0).mode(), IndexError, "mode(): Expected reduction dim 0"),
    (lambda: m.ones(3).sort(descending=1), TypeError, "descending"),
    (lambda: m.ones(3).sort(1), IndexError, "[-1, 0]"),
    (lambda: m.sort([1.0]), TypeError, "Tensor"),
    (lambda: m.unique(m.tensor(3.0), dim=0), IndexError, "no dimensions"),
    (lambda: m.unique(m.empty(2, 0), dim=0), RuntimeError, "0 sized dimensions"),
    (lambda: m.searchsorted(m.ones(3), m.ones(2), side="x"), RuntimeError, "'left' or 'right'"),
    (lambda: m.searchsorted(m.ones(3), m.ones(2), side="left", right=True), RuntimeError, "opposites"),
    (lambda: m.searchsorted(m.ones(1, 3), m.ones(2)), RuntimeError, "[1, 3]"),
    (lambda: m.searchsorted(m.ones(2, 3), 2.0), RuntimeError, "dimension is 1"),
    (lambda: m.searchsorted(m.tensor(1.0), m.ones(2)), RuntimeError, "positive dimension"),
    (lambda: m.searchsorted(m.ones(3), m.ones(2), sorter=m.tensor([0, 1])), RuntimeError, "same size"),
    (lambda: m.searchsorted(m.ones(3), m.ones(2), sorter=m.ones(3)), RuntimeError, "long"),
    (lambda: m.searchsorted(m.ones(3), m.ones(2), sorter=m.tensor([0, 1, 3])), RuntimeError, "out of range"),
    (lambda: m.bucketize(m.ones(2), m.ones(2, 2)), RuntimeError, "dim(2)"),
    (lambda: m.bucketize("a", m.ones(2)), TypeError, "input"),
    (lambda: m.searchsorted(m.tensor([True]), m.tensor([True])), NotImplementedError, "Bool"),
]


@pytest.mark.parametrize(("call", "kind", "piece"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_calls(call: Callable, kind: type, piece: str) -> None:
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind and piece in str(info.value)


def test_few_and_many_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays are NumPy's; the ways of large ones give the same for them."""
    x = m.from_numpy(strange(np.float64, (5, 64), 7))
    plain = [x.argsort(1), x.topk(3).indices, x.kthvalue(9).indices]
    monkeypatch.setattr(sorting, "FEW", 0)
    for a, b in zip(plain, [x.argsort(1), x.topk(3).indices, x.kthvalue(9).indices], strict=True):
        assert a.tolist() == b.tolist()
