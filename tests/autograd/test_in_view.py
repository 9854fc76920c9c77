"""In-place forms of views: the tensor shows its memory in another way, on the tape and off it."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as mt


def leaf(*shape: int) -> mt.Tensor:
    """0, 1, 2, ... in a shape, with gradients."""
    return mt.arange(float(np.prod(shape))).reshape(*shape).requires_grad_()


ROWS = {
    "t_": ((2, 3), (), lambda a: a.T),
    "transpose_": ((2, 3, 4), (0, 2), lambda a: a.swapaxes(0, 2)),
    "swapdims_": ((2, 3, 4), (-1, 1), lambda a: a.swapaxes(2, 1)),
    "swapaxes_": ((2, 3), (1, 0), lambda a: a.T),
    "squeeze_": ((1, 3, 1), (), lambda a: a[0, :, 0]),
    "unsqueeze_": ((2, 3), (1,), lambda a: a[:, None]),
    "as_strided_": ((6,), ((2, 2), (2, 1), 1), lambda a: np.array([[a[1], a[2]], [a[3], a[4]]])),
}


@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name: str) -> None:
    """The result is self, in the same memory; gradients go the way back; the change counts as one."""
    shape, args, expected = ROWS[name]
    a = leaf(*shape)
    x = a * 2
    address = x.untyped_storage().data_ptr()
    assert getattr(x, name)(*args) is x and x._version == 1
    want = expected(2 * np.arange(float(np.prod(shape)), dtype=np.float32).reshape(shape))
    np.testing.assert_array_equal(x.detach().numpy(), want)
    assert x.untyped_storage().data_ptr() == address and x.shape == want.shape
    weights = np.arange(1, want.size + 1, dtype=np.float32).reshape(want.shape)
    (x * mt.tensor(weights)).sum().backward()
    places = expected(np.arange(np.prod(shape)).reshape(shape))
    grad = np.zeros(np.prod(shape), np.float32)
    grad[places] = 2 * weights
    np.testing.assert_array_equal(a.grad.numpy(), grad.reshape(shape))


@pytest.mark.parametrize("name", ROWS)
def test_leaves_change_under_no_grad_alone(name: str) -> None:
    """A leaf that requires grad is refused, and changes nothing, where gradients are recorded."""
    shape, args, expected = ROWS[name]
    a = leaf(*shape)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"):
        getattr(a, name)(*args)
    assert a.shape == shape and a._version == 0
    if name != "as_strided_":
        with mt.no_grad():
            getattr(a, name)(*args)
        (a * 3).sum().backward()
        assert a.is_leaf and a.grad.shape == a.shape == expected(np.zeros(shape)).shape
        assert a.grad.tolist() == mt.full_like(a.grad, 3.0).tolist()


def test_views_taken_before_stay() -> None:
    """A view taken before sees later changes of values at its old place, and the other way about."""
    a = leaf(2, 3)
    x = a * 2  # 0 2 4 / 6 8 10
    row = x[0]
    x.t_()
    column = x[1]  # 2 8
    x.mul_(3)
    assert row.tolist() == [0, 6, 12] and column.tolist() == [6, 24]
    row[1] = 1.0  # the 6 of both
    assert x.tolist() == [[0, 18], [1, 24], [12, 30]] and column.tolist() == [1, 24]
    (row.sum() + 10 * column.sum() + 100 * x.sum()).backward()
    assert a.grad.tolist() == [[6 * 101, 0, 6 * 101], [6 * 100, 6 * 110, 6 * 100]]


def test_several_changes_of_views() -> None:
    """Views of views change, by themselves; what is written through one is seen by all."""
    a = leaf(2, 3)
    x = a * 2
    v = x[:, 1:]  # 2 4 / 8 10
    v.t_().unsqueeze_(0).transpose_(0, 2)  # (2, 2, 1): rows of x first
    assert v.shape == (2, 2, 1) and v.flatten().tolist() == [2, 4, 8, 10]
    v[0].mul_(a[:, 1:].t()[:, :1])  # 2 * 1, 4 * 2
    assert x.tolist() == [[0, 2, 8], [6, 8, 10]]
    x.sum().backward()
    assert a.grad.tolist() == [[2, 4, 8], [2, 2, 2]]  # of row 0: 2 a00 + 2 a01^2 + 2 a02^2


def test_a_constant_with_a_view_on_the_tape() -> None:
    """A view of a constant puts it on the tape, after it was turned."""
    a, w = mt.ones(2, 3), mt.ones(3, requires_grad=True)
    row = a[1]
    a.t_()
    row.mul_(w * 2)
    assert a.tolist() == [[1, 2]] * 3
    (a * mt.tensor([[5.0, 1], [5, 2], [5, 3]])).sum().backward()
    assert w.grad.tolist() == [2, 4, 6]


def test_retained_gradient_is_that_of_the_new_shape() -> None:
    """`retain_grad` before the change keeps the gradient of what the tensor is after it."""
    a = leaf(2, 3)
    x = a * 2
    x.retain_grad()
    x.t_()
    (x * mt.arange(6.0).reshape(3, 2)).sum().backward()
    assert x.grad.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_second_derivative() -> None:
    """Through a tensor that was turned."""
    a = leaf(2, 3)
    x = a * 1.0
    x.t_()
    (g,) = mt.autograd.grad((x**3).sum(), a, create_graph=True)
    (gg,) = mt.autograd.grad(g.sum(), a)
    np.testing.assert_array_equal(gg.numpy(), 6 * a.detach().numpy())


def test_what_the_tape_cannot_follow() -> None:
    """Values that were kept, pieces of a split, views taken without recording."""
    a = leaf(2, 3)
    x = a * 2
    y = x * x
    x.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="returns multiple views"):
        (a * 2).split(1)[0].t_()
    x = a * 2
    with mt.no_grad():
        v = x[0:1]
    with pytest.raises(RuntimeError, match="no_grad mode"):
        v.t_()
    for call in (lambda: mt.ones(2, 2, 2).t_(), lambda: mt.ones(2).squeeze_(3), lambda: mt.ones(2).unsqueeze_(-4)):
        with pytest.raises((RuntimeError, IndexError)):
            call()


def test_nothing_to_turn() -> None:
    """A vector transposed is itself; expanded memory may be turned, though not written to."""
    x = mt.ones(3)
    assert x.t_() is x and x.base is None and x._version == 1
    assert mt.tensor(1.0).transpose_(0, -1).shape == () and mt.ones(3, 1).expand(3, 4).t_().shape == (4, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        mt.ones(2, 3).t_().view(-1)


def test_images_in_channels_last_memory() -> None:
    """A reshaped image shares its memory, also where it was turned before."""
    image = mt.nn.Conv2d(2, 3, 1)(mt.ones(1, 2, 4, 4)).detach()
    before = image.numpy().copy()
    image.transpose_(1, 3)
    line = image.reshape(-1)
    np.testing.assert_array_equal(line.numpy(), before.swapaxes(1, 3).ravel())


def test_a_leaf_that_is_a_view() -> None:
    """A view of a constant that requires grad itself is a leaf: refused, as any."""
    v = mt.ones(3)[:2].requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        v.add_(1)
    assert v.tolist() == [1, 1]


def test_pieces_that_may_be_changed() -> None:
    """`unsafe_split` and `unsafe_chunk` are views, each of which may be changed on the tape."""
    for pieces in (lambda x: x.unsafe_split(2), lambda x: x.unsafe_chunk(2), lambda x: mt.unsafe_split(x, [2, 2])):
        a = leaf(4)
        x = a * 1.0
        pieces(x)[0].mul_(3)
        assert x.tolist() == [0, 3, 2, 3]
        x.sum().backward()
        assert a.grad.tolist() == [3, 3, 1, 1]
