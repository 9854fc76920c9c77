"""In-place changes and views: gradients, hooks, kept values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_inplace import gradient, leaf

import minitorch
from minitorch.autograd import grad, gradcheck, gradgradcheck

m = minitorch


def test_inplace_chain_has_the_gradient_of_the_plain_one() -> None:
    """A series of in-place ops equals the same ops out of place, value and gradient."""
    x = leaf(3)
    y = x * 1
    y.add_(2).mul_(3).sub_(x).div_(4)
    y.exp_()
    z = (((x * 1 + 2) * 3 - x) / 4).exp()
    np.testing.assert_allclose(y.array, z.array)
    np.testing.assert_allclose(gradient(y, x), gradient(z, x))


def test_the_value_before_an_in_place_product_is_kept() -> None:
    """y.mul_(x) needs the old y for x's gradient: PyTorch keeps a copy of it, and so it works."""
    x = leaf(3)
    y = x * 1
    y.mul_(x).sub_(1).div_(x)
    np.testing.assert_allclose(y.array, [0.0, 1.5, 8.0 / 3])
    np.testing.assert_allclose(gradient(y, x), [2.0, 2.5, 10.0 / 3])


def test_write_through_a_view_reaches_the_base() -> None:
    """y[1:] *= 3: the base's values and its gradient follow."""
    x = leaf(4)
    y = x * 1
    v = y[1:3]
    v.mul_(3)
    assert y.tolist() == [1.0, 6.0, 9.0, 4.0]
    assert gradient(y, x) == [1.0, 6.0, 9.0, 4.0]
    assert gradient(v, x) == [0.0, 3.0, 6.0, 0.0]


def test_write_to_the_base_reaches_the_view() -> None:
    """y *= 3: a view taken before shows the new values and has the new gradient."""
    x = leaf(4)
    y = x * 1
    v = y[1:3]
    y.mul_(3)
    assert v.tolist() == [6.0, 9.0]
    assert gradient(v, x) == [0.0, 3.0, 6.0, 0.0]


def test_views_of_views_and_sisters() -> None:
    """A change through one view is seen by every other view that overlaps it, at any depth."""
    x = leaf(2, 3)
    y = x * 1
    row, flat, column = y[0], y.view(-1), y.t()[1]
    inner = flat[1:5].view(2, 2)[0]
    inner.mul_(10)
    assert y.tolist() == [[1.0, 20.0, 30.0], [4.0, 5.0, 6.0]]
    assert row.tolist() == [1.0, 20.0, 30.0]
    assert column.tolist() == [20.0, 5.0]
    assert gradient(row, x) == [[1.0, 20.0, 30.0], [0.0, 0.0, 0.0]]
    assert gradient(column, x) == [[0.0, 10.0, 0.0], [0.0, 2.0, 0.0]]
    assert gradient(flat, x) == [[1.0, 20.0, 30.0], [4.0, 5.0, 6.0]]


def test_several_changes_through_different_views() -> None:
    """Changes stack in the order they were made."""
    x = leaf(4)
    y = x * 1
    a, b = y[:3], y[1:]
    a.mul_(2)
    b.mul_(5)
    y.add_(1)
    a[0] = 7.0
    assert y.tolist() == [7.0, 21.0, 31.0, 21.0]
    assert gradient(y, x) == [0.0, 20.0, 30.0, 20.0]


def test_view_of_a_constant_becomes_part_of_the_graph() -> None:
    """Writing something with history into a constant gives the constant history."""
    x = leaf(2)
    buffer = m.zeros(4, dtype=m.float64)
    window = buffer[1:3]
    window.copy_(x * 5)
    assert buffer.requires_grad and window.requires_grad
    assert buffer.tolist() == [0.0, 5.0, 10.0, 0.0]
    assert gradient(buffer, x) == [10.0, 15.0]
    assert gradient(window, x) == [5.0, 10.0]


def test_view_taken_under_no_grad_then_base_changes() -> None:
    """A view's memory is its base's, whatever was recorded when it was taken."""
    y = leaf(3) * 1
    with m.no_grad():
        v = y[1:]
    y.mul_(2)
    assert v.tolist() == [4.0, 6.0]


def test_same_expression_after_a_change() -> None:
    """exp of a tensor before and after a change are two things; each keeps its own gradient."""
    x = leaf(2)
    y = x * 1
    before = y + 1
    y.mul_(3)
    after = y + 1
    assert gradient(before, x) == [1.0, 2.0]
    assert gradient(after, x) == [3.0, 6.0]


def test_detached_memory_changes_without_history() -> None:
    """Writing through detach() changes values and versions, and no gradient."""
    x = leaf(3)
    y = x + 1
    y.detach().mul_(0)
    assert y.tolist() == [0.0, 0.0, 0.0]
    assert gradient(y, x) == [1.0, 2.0, 3.0]


def test_zero_cuts_the_gradient() -> None:
    """After zero_(), fill_ or copy_ of a constant, nothing flows to what was there."""
    for change in (lambda t: t.zero_(), lambda t: t.fill_(2.0), lambda t: t.copy_(m.ones(3)), lambda t: t.uniform_()):
        x = leaf(3)
        y = x * 2
        change(y)
        assert not y.requires_grad or gradient(y, x) == [0.0, 0.0, 0.0]
        z = x * 2
        part = z[1:]
        part.zero_()
        assert gradient(z, x) == [2.0, 0.0, 0.0]


def test_copy_passes_the_gradient_to_its_source() -> None:
    """copy_ broadcasts and casts; the gradient comes back in the source's shape and dtype."""
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = m.zeros(3, 2, dtype=m.float64)
    y.copy_(x)
    (g,) = grad((y * 2).sum(), x)
    assert g.dtype is m.float32
    assert g.tolist() == [6.0, 6.0]


def test_iadd_on_an_index() -> None:
    """y[k] += v, which Python does as get, add in place, set."""
    x = leaf(3)
    y = x * 1
    y[1] += 10.0
    y[::2] *= 2.0
    y[0] -= x[2]
    assert y.tolist() == [-1.0, 12.0, 6.0]
    assert gradient(y, x) == [2.0, 2.0, 5.0]


# Frozen from torch 2.13: x = arange(1, 13).view(3, 4), v = arange(0.5, ...) of the shape named, y = x * 2, y[key] = v,
# loss = sum(y * arange(1, 13).view(3, 4)); the gradient for x is 2 * position where x survived, for v the position.
@pytest.mark.parametrize(
    "key,shape",
    [
        ((0,), (4,)),
        ((slice(None), 1), (3,)),
        ((slice(0, 2), slice(1, 4, 2)), (2, 2)),
        ((Ellipsis, 0), ()),
        ((None, 1), (1, 4)),
        (([0, 2],), (2, 4)),
        (([0, 2], [1, 3]), (2,)),
        ((slice(None), [3, 0]), (3, 2)),
        (([2, 0],), (4,)),
        (([[0], [1]], [1, 2]), (2, 2)),
        ((1, 2), ()),
        ((slice(1, 1),), (0, 4)),
        (([],), (0, 4)),
        ((-1,), (1, 1, 4)),
    ],
    ids=str,
)
def test_setitem_gradients(key: tuple, shape: tuple) -> None:
    """Elements that were replaced get no gradient, the value gets that of its places, summed where it was broadcast."""
    x = leaf(3, 4)
    values = np.arange(int(np.prod(shape))).reshape(shape) + 0.5
    v = m.tensor(values, requires_grad=True)
    y = x * 2
    y[key] = v
    plain = np.arange(1.0, 13.0).reshape(3, 4)
    position = np.arange(1.0, 13.0).reshape(3, 4)
    expected, touched = plain * 2, np.zeros((3, 4), bool)
    expected[key], touched[key] = values.reshape(values.shape[values.ndim - min(values.ndim, 2) :]), True
    np.testing.assert_array_equal(y.array, expected)
    gx, gv = grad((y * m.from_numpy(position)).sum(), [x, v])
    np.testing.assert_array_equal(gx.array, np.where(touched, 0, 2 * position))
    full = position[key]
    while full.ndim > len(shape):
        full = full.sum(0)
    assert gv.shape == shape
    np.testing.assert_array_equal(np.ravel(gv.array), np.ravel(full))


def test_setitem_by_mask() -> None:
    """A bool mask replaces by one number or by as many values as it has places."""
    x = leaf(2, 2)
    y = x * 1
    mask = x > 2
    y[mask] = -1.0
    assert y.tolist() == [[1.0, 2.0], [-1.0, -1.0]]
    assert gradient(y, x) == [[1.0, 2.0], [0.0, 0.0]]
    v = leaf(2)
    y[mask] = v
    assert y.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert gradient(y, v) == [3.0, 4.0]


def test_setitem_from_a_clone_of_itself() -> None:
    """x[1:] = x[:-1].clone() shifts."""
    x = m.arange(5)
    x[1:] = x[:-1].clone()
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_setitem_casts_the_value() -> None:
    """The value takes the dtype of the tensor, integers truncating as in PyTorch."""
    x = m.zeros(2, dtype=m.int64)
    x[0] = 2.7
    x[1] = m.tensor(-1.7)
    assert x.tolist() == [2, -1]


def test_relu_inplace_of_an_intermediate() -> None:
    """relu_ of a sum: nothing needs what it overwrites."""
    x = leaf(4)
    y = (x - 2.5).relu_()
    assert gradient(y, x) == [0.0, 0.0, 3.0, 4.0]


def test_second_derivatives_through_in_place() -> None:
    """Differences agree to second order with in-place ops, views and setitem inside."""

    def function(x: Any, w: Any) -> Any:
        y = x * w
        y[0].mul_(2.0)
        v = y.t()[1:]
        v[0].copy_((x * x)[:, 0])
        v.add_(w.t()[1:])
        y[:, 0] = x[:, 1] * w[:, 0]
        y.exp_()
        return y.sin() * v[0, 1]

    x, w = leaf(2, 3), leaf(2, 3)
    with m.no_grad():
        x.mul_(0.2)
        w.mul_(0.3)
    assert gradcheck(function, (x, w), atol=1e-7)
    assert gradgradcheck(function, (x, w), atol=1e-6)


def test_inplace_on_a_saved_input_of_the_same_op() -> None:
    """x.mul_(x) of an intermediate: the op keeps its operand, which it then overwrites, and backward says so."""
    y = leaf(2) * 1
    y.mul_(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_hooks_stay_where_they_were_put() -> None:
    """A hook set before an in-place change belongs to the value before it."""
    x, seen = leaf(1), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.item()))
    y.mul_(5)
    y.sum().backward()
    assert seen == [5.0]
    assert x.grad.tolist() == [10.0]


def test_gradient_of_a_leaf_whose_data_was_replaced() -> None:
    """x.data = other keeps the leaf a leaf, and later uses see the new memory."""
    x = leaf(2)
    x.data = m.tensor([5.0, 6.0], dtype=m.float64)
    (x * x).sum().backward()
    assert x.grad.tolist() == [10.0, 12.0]


def test_view_outlives_its_base() -> None:
    """A view keeps what it needs when the base's name is gone."""
    x = leaf(4)

    def make() -> Any:
        y = x * 3
        return y[2:]

    v = make()
    v.add_(1)
    assert v.tolist() == [10.0, 13.0]
    assert gradient(v, x) == [0.0, 0.0, 3.0, 6.0]


def test_views_through_every_view_op() -> None:
    """Each op that gives a view of contiguous memory shows later writes of the base, with the right gradient."""
    views = [
        lambda t: t[1],
        lambda t: t.view(6),
        lambda t: t.reshape(3, 2),
        lambda t: t.t(),
        lambda t: t.T,
        lambda t: t.transpose(0, 1),
        lambda t: t.permute(1, 0),
        lambda t: t.unsqueeze(1),
        lambda t: t[None].squeeze(0),
        lambda t: t.flatten(),
        lambda t: t.narrow(1, 1, 2),
        lambda t: t.split(2, 1)[0],
        lambda t: t.chunk(2)[1],
        lambda t: t.unbind(1)[2],
        lambda t: t[:, None].expand(2, 4, 3),
        lambda t: t.unflatten(1, (3, 1)),
        lambda t: t.movedim(0, 1),
        lambda t: t[..., ::2],
        lambda t: t.swapaxes(0, 1),
        lambda t: t.mT,
    ]
    for i, view in enumerate(views):
        x = leaf(2, 3)
        y = x * 1
        v = view(y)
        y.mul_(10)
        plain = view(x * 10)
        np.testing.assert_array_equal(v.array, plain.array, err_msg=f"view {i}")
        assert gradient(v, x) == gradient(plain, x), f"view {i}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda y: y.mul_(2), [8.0, 16.0]),
        (lambda y: y.__setitem__(0, 5.0), [10.0, 8.0]),
        (lambda y: y[:1].mul_(3), [12.0, 8.0]),
        (lambda y: y.add_(1).mul_(2), [12.0, 20.0]),
    ],
)
def test_retained_gradient_is_of_the_final_value(change, expected):
    """retain_grad, then in place, also through a view: .grad is the gradient of what the tensor is now."""
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    change(y)
    (y * y).sum().backward()
    assert y.grad.tolist() == expected
    assert y.retains_grad


def test_retained_gradient_of_a_view():
    """A view that retains its gradient does so after its base has changed."""
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    v = y[:1]
    v.retain_grad()
    y.mul_(3)
    (v * v).sum().backward()
    assert v.grad.tolist() == [12.0]


@pytest.mark.parametrize("mode", [minitorch.no_grad, minitorch.inference_mode])
def test_view_taken_without_recording_is_not_changed_with_it(mode):
    """The change would be missing in the gradient; nothing has changed when it is refused."""
    x = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = x * 1
    with mode():
        v, w = b[0], b.view(-1)
    for change in (lambda: v.mul_(2), lambda: w.__setitem__(0, 0.0)):
        with pytest.raises(RuntimeError, match="view was created in no_grad mode"):
            change()
    assert b.tolist() == x.tolist()
    with mode():
        v.mul_(2)
    assert b.tolist() == [[2.0, 4.0], [3.0, 4.0]]


@pytest.mark.parametrize("reshaped", [lambda y: y.view(-1), lambda y: y.flatten(1), lambda y: y.reshape(2, -1)])
def test_writes_through_a_view_of_an_image_reach_it(reshaped):
    """A layer's image lies channels-last; its view shares memory all the same, small or large, recorded or not."""
    for size in (3, 40):
        x, w = minitorch.randn(2, 1, size, size), minitorch.ones(2, 1, 2, 2, requires_grad=True)
        y = minitorch.nn.functional.conv2d(x, w)
        before = y.clone().detach()
        reshaped(y).mul_(2)
        assert (y == before * 2).all()
        (found,) = grad(y.sum(), w)
        (single,) = grad(minitorch.nn.functional.conv2d(x, w).sum(), w)
        np.testing.assert_allclose(found.numpy(), 2 * single.numpy(), rtol=1e-5)


@pytest.mark.parametrize("view", [lambda t: t[...], lambda t: t.unsqueeze(0), lambda t: t.view(-1), lambda t: t[:1]])
def test_hooks_of_a_view_see_what_was_done_before_the_change(view):
    """The view is taken again for the change, as in PyTorch: its hooks keep to the uses before."""
    x, seen = minitorch.tensor([0.5], requires_grad=True), []
    y = view(x * 1)
    y.register_hook(lambda g: seen.append(g.item()) or g * 2)
    before = y * 3
    y.sigmoid_()
    (before.sum() + y.sum()).backward()
    slope = np.exp(-0.5) / (1 + np.exp(-0.5)) ** 2
    assert seen == [3.0] and x.grad.item() == pytest.approx(2 * 3 + slope)


def test_hooks_of_a_view_and_a_write_by_mask() -> None:
    """The write reads the view again; only what was read before is the hook's."""
    x, seen = minitorch.tensor([[-1.0, 2.0]], requires_grad=True), []
    view = (x * 1).flatten()
    view.register_hook(lambda g: seen.append(g.tolist()))
    view[view < 0] *= 0.5
    view.sum().backward()
    assert seen == [[0.5, 0.0]] and x.grad.tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize("leaf", [True, False])
def test_hooks_of_a_view_go_when_its_base_changes(leaf):
    """The view is taken again, as in PyTorch, also where the change was not recorded."""
    x, seen = minitorch.tensor([[1.0, 2.0]], requires_grad=True), []
    base = x if leaf else x * 1
    view = base.t()
    view.register_hook(lambda g: seen.append(g) or g * 2)
    with minitorch.no_grad():
        base.mul_(3)
    (found,) = grad((view * view).sum(), x)
    assert found.tolist() == [[6.0, 12.0]] and not seen
