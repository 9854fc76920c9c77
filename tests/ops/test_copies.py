"""`*_copy`, `fill`, `nonzero_static` and other small functions that PyTorch has beside those of every day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minitorch as mt

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
COPIES: dict[str, tuple[Callable, Callable]] = {
    "alias_copy": (lambda x: mt.alias_copy(x), lambda a: a),
    "as_strided_copy": (lambda x: mt.as_strided_copy(x, (2, 2), (1, 2), 1), lambda a: np.array([[1, 3], [2, 4]])),
    "diagonal_copy": (lambda x: mt.diagonal_copy(x, 1, 1, 2), lambda a: a.diagonal(1, 1, 2)),
    "expand_copy": (lambda x: mt.expand_copy(x, (2, 2, 3, 4)), lambda a: np.stack([a, a])),
    "permute_copy": (lambda x: mt.permute_copy(x, (2, 0, 1)), lambda a: a.transpose(2, 0, 1)),
    "select_copy": (lambda x: mt.select_copy(x, 1, -1), lambda a: a[:, 2]),
    "slice_copy": (lambda x: mt.slice_copy(x, 2, -3, 9, 2), lambda a: a[..., 1::2]),
    "squeeze_copy": (lambda x: mt.squeeze_copy(x[:1], 0), lambda a: a[0]),
    "t_copy": (lambda x: mt.t_copy(x[0]), lambda a: a[0].T),
    "transpose_copy": (lambda x: mt.transpose_copy(x, 0, 2), lambda a: a.swapaxes(0, 2)),
    "unfold_copy": (lambda x: mt.unfold_copy(x, 2, 2, 2), lambda a: a.reshape(2, 3, 2, 2)),
    "unsqueeze_copy": (lambda x: mt.unsqueeze_copy(x, -1), lambda a: a[..., None]),
    "view_copy": (lambda x: mt.view_copy(x, (6, -1)), lambda a: a.reshape(6, 4)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str) -> None:
    """The values of the view, on the tape, in memory of their own."""
    call, expected = COPIES[name]
    x = mt.tensor(X, requires_grad=True)
    out = call(x)
    want = expected(X)
    np.testing.assert_array_equal(out.detach().numpy(), want)
    assert out.base is None and not np.may_share_memory(out.array, x.array)
    out.sum().backward()
    counts = np.bincount(expected(np.arange(24).reshape(2, 3, 4)).ravel(), minlength=24).reshape(2, 3, 4)
    np.testing.assert_array_equal(x.grad.numpy(), counts)


def test_copies_in_pieces() -> None:
    """Of views that are several, a tuple."""
    x = mt.tensor(X)
    pieces = {"split_copy": 2, "split_with_sizes_copy": (2, 1)}
    for name, size in pieces.items():
        found = getattr(mt, name)(x, size, 1)
        assert isinstance(found, tuple) and [p.shape[1] for p in found] == [2, 1]
        np.testing.assert_array_equal(found[1].numpy(), X[:, 2:])
        assert found[0].base is None and not np.may_share_memory(found[0].array, x.array)
    found = mt.unbind_copy(x, 2)
    assert len(found) == 4 and found[3].tolist() == X[:, :, 3].tolist()


def test_copies_take_out_and_names() -> None:
    """`out=` and PyTorch's names, as all functions do; `detach_copy` is off the tape."""
    out = mt.empty(4)
    assert mt.select_copy(input=mt.tensor(X[0]), dim=0, index=1, out=out) is out and out.tolist() == [4, 5, 6, 7]
    assert not mt.detach_copy(mt.ones(2, requires_grad=True)).requires_grad
    with pytest.raises(RuntimeError, match="slice step must be positive"):
        mt.slice_copy(out, 0, 0, 2, 0)
    with pytest.raises(IndexError, match="0-dim"):
        mt.slice_copy(mt.tensor(1.0))


def test_fill() -> None:
    """A number or a tensor without axes everywhere, in input's dtype."""
    x = mt.zeros(2, 2, dtype=mt.int64)
    assert mt.fill(x, 3.7).tolist() == [[3, 3], [3, 3]] and mt.fill(x, 3).dtype is mt.int64 and x.sum() == 0
    v = mt.tensor(2.0, requires_grad=True)
    mt.fill(mt.ones(3, requires_grad=True), v).sum().backward()
    assert v.grad == 3
    with pytest.raises(RuntimeError, match="0-dim"):
        mt.fill(x, mt.ones(1))


def test_fill_in_place_with_a_tensor() -> None:
    """The value gets the gradient of all it filled, views included; what was there before gets none."""
    v, a = mt.tensor(2.0, requires_grad=True), mt.ones(4, requires_grad=True)
    x = a * 1
    x[1:3].fill_(v * v)
    assert x.tolist() == [1, 4, 4, 1]
    x.sum().backward()
    assert v.grad == 8 and a.grad.tolist() == [1, 0, 0, 1]
    with pytest.raises(RuntimeError, match="0-dim"):
        x.fill_(mt.ones(1))


def test_nonzero_static() -> None:
    """A fixed number of rows, cut off or filled."""
    x = mt.tensor([[1, 0], [3, 2]])
    assert mt.nonzero_static(x, size=2).tolist() == [[0, 0], [1, 0]]
    assert x.nonzero_static(size=4, fill_value=-7).tolist() == [[0, 0], [1, 0], [1, 1], [-7, -7]]
    with pytest.raises(RuntimeError, match="size"):
        mt.nonzero_static(x, size=-1)


def test_small_questions() -> None:
    """`dim_order`, `get_device`, `map2_`, and in-place functions of the package."""
    assert mt.ones(2, 3, 4).permute(2, 0, 1).dim_order() == (1, 2, 0) and mt.get_device(mt.ones(1)) == -1
    x = mt.tensor([1.0, 2.0])
    assert x.map2_(mt.tensor([3.0]), mt.tensor([4.0, 5.0]), lambda a, b, c: a * b + c) is x and x.tolist() == [7, 11]
    assert mt.index_put_(x, (mt.tensor([1]),), mt.tensor(5.0)) is x and x.tolist() == [7, 5]
    assert mt.addmv_(x, mt.ones(2, 3), mt.ones(3)).tolist() == [10, 8]
    assert mt.as_strided_(x, (1,), (1,), 1) is x and x.tolist() == [8]
    y = mt.zeros(2, 3)
    assert y.scatter_add_(0, mt.tensor([[1, 1, 0], [1, 0, 0]]), mt.ones(2, 3)) is y
    assert y.tolist() == [[0, 1, 2], [2, 1, 0]]


WINDOWS = {
    "bartlett_window": [0, 0.5, 1, 0.5],
    "blackman_window": [0, 0.34, 1, 0.34],
    "hamming_window": [0.08, 0.54, 1, 0.54],
    "hann_window": [0, 0.5, 1, 0.5],
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    """Four samples of a period; the symmetric window of five has one more."""
    window = getattr(mt, name)
    np.testing.assert_allclose(window(4).numpy(), WINDOWS[name], atol=1e-7)
    np.testing.assert_allclose(window(5, periodic=False).numpy(), [*WINDOWS[name], WINDOWS[name][0]], atol=1e-7)
    assert window(0).shape == (0,) and window(1).tolist() == [1] and window(3, dtype=mt.float64).dtype is mt.float64
    for call in (lambda: window(-1), lambda: window(3, dtype=mt.int64)):
        with pytest.raises(RuntimeError, match=name):
            call()


def test_kaiser_window() -> None:
    """i0(beta sqrt(1 - (2 x - 1)^2)) / i0(beta), by NumPy's window."""
    np.testing.assert_allclose(mt.kaiser_window(9, False, 5.0).numpy(), np.kaiser(9, 5.0), atol=1e-6)
    np.testing.assert_allclose(mt.kaiser_window(8).numpy(), np.kaiser(9, 12.0)[:8], atol=1e-6)
    assert mt.hamming_window(2, True, 0.6, 0.4, requires_grad=True).tolist() == pytest.approx([0.2, 1.0])
