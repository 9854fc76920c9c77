"""In-place changes: memory, version counters, views in both directions, gradients through them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import grad

m = minitorch


def leaf(*shape: int) -> Any:
    """A float64 leaf 1, 2, 3, ... of the given shape that requires grad."""
    n = int(np.prod(shape))
    return m.arange(1.0, n + 1.0, dtype=m.float64).reshape(*shape).detach().requires_grad_()


def gradient(y: Any, x: Any) -> list:
    """The gradient of the sum of y, each element weighted by its position from 1."""
    weights = m.arange(1.0, y.numel() + 1.0, dtype=m.float64).reshape(*y.shape)
    return grad((y * weights).sum(), x, retain_graph=True)[0].tolist()


# --------------------------------------------------------------------------------------------------------------- versions


def test_versions_count_and_are_shared() -> None:
    """Every in-place change counts once; views and detached tensors share the counter."""
    x = m.zeros(4)
    v, d = x[1:], x.detach()
    start = x.version.count
    x.add_(1)
    v.mul_(2)
    d[0] = 5
    x[2] += 1
    assert x.version.count >= start + 4
    assert v.version is x.version and d.version is x.version
    assert x.clone().version is not x.version


def test_public_version_counter() -> None:
    """`_version` is readable under PyTorch's name."""
    x = m.zeros(3)
    before = x._version if isinstance(x._version, int) else x.version.count
    x.add_(1)
    after = x._version if isinstance(x._version, int) else x.version.count
    assert after == before + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.sub_(1),
        lambda t: t.mul_(2),
        lambda t: t.div_(2),
        lambda t: t.zero_(),
        lambda t: t.fill_(3),
        lambda t: t.copy_(m.ones(3, dtype=m.float64)),
        lambda t: t.clamp_(0, 1),
        lambda t: t.uniform_(),
        lambda t: t.normal_(),
        lambda t: t.__setitem__(0, 1.0),
        lambda t: t[1:].add_(1),
        lambda t: t.detach().add_(1),
        lambda t: t.neg_(),
        lambda t: t.sqrt_(),
        lambda t: t.masked_fill_(t > 1, 0.0),
        lambda t: t.__iadd__(1),
        lambda t: t.view(3, 1).mul_(3),
        lambda t: t.bernoulli_(0.5),
    ],
    ids=range(19),
)
def test_change_after_it_was_kept_is_noticed(change: Any) -> None:
    """exp kept its result; any way of changing that memory makes backward refuse, naming the op."""
    x = leaf(3)
    y = x.exp()
    z = y * 1
    with m.no_grad():
        change(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*exp"):
        z.sum().backward()


def test_change_of_what_is_not_needed_is_fine() -> None:
    """Addition keeps nothing, so its operands and its result may change."""
    x = leaf(3)
    y = x + 1
    y.mul_(2)
    y.add_(x)
    assert gradient(y, x) == [3.0, 6.0, 9.0]


def test_changing_an_operand_after_use_is_noticed() -> None:
    """multiply keeps its operands: changing one between forward and backward is refused."""
    x = leaf(3)
    w = m.ones(3, dtype=m.float64)
    y = x * w
    w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_optimizer_style_update() -> None:
    """Changing a leaf under no_grad between steps is what optimizers do."""
    x = leaf(2)
    for _ in range(3):
        (g,) = grad((x * x).sum(), x)
        with m.no_grad():
            x -= 0.25 * g
    assert x.requires_grad and x.is_leaf
    np.testing.assert_allclose(x.array, [0.125, 0.25])


def test_updating_a_leaf_that_was_kept_is_noticed() -> None:
    """A leaf changed under no_grad after it was kept cannot be used for that backward any more."""
    x = leaf(2)
    y = (x * x).sum()
    with m.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_a_write_to_memory_is_noticed() -> None:
    """`write()` hands out the array, and the tape knows."""
    x = leaf(2)
    y = (x * x).sum()
    x.write()[...] = 0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


# ---------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda x: x.add_(1), "a leaf Variable that requires grad is being used in an in-place operation"),
        (lambda x: x.zero_(), "a leaf Variable that requires grad is being used in an in-place operation"),
        (
            lambda x: x.__setitem__(0, 1),
            "a view of a leaf Variable that requires grad is being used in an in-place operation",
        ),
        (lambda x: x[0].add_(1), "a view of a leaf Variable that requires grad is being used in an in-place operation"),
        (
            lambda x: x.view(-1).mul_(2),
            "a view of a leaf Variable that requires grad is being used in an in-place operation",
        ),
        (
            lambda x: x.t()[0].zero_(),
            "a view of a leaf Variable that requires grad is being used in an in-place operation",
        ),
    ],
)
def test_leaves_refuse(change: Any, text: str) -> None:
    """A leaf that requires grad and its views cannot be changed while recording; nothing is changed by trying."""
    x = leaf(2, 3)
    before, version = x.array.copy(), x.version.count
    with pytest.raises(RuntimeError) as info:
        change(x)
    assert text in str(info.value)
    np.testing.assert_array_equal(x.array, before)
    assert x.version.count == version


@pytest.mark.parametrize(
    "change",
    [
        lambda: m.zeros(2, 2).expand(3, 2, 2).add_(1),
        lambda: m.zeros(3)[None].expand(2, 3).add_(1),
        lambda: m.zeros(1).expand(4).zero_(),
        lambda: m.zeros(1).expand(4).__setitem__(slice(1, 3), 2.0),
        lambda: m.zeros(1).expand(4).__setitem__([0, 1], 2.0),
    ],
    ids=range(5),
)
def test_expanded_memory_refuses(change: Any) -> None:
    """Memory that holds several elements in one place cannot be written."""
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        change()


def test_one_element_of_expanded_memory_can_be_written() -> None:
    """A view of one of the places is a single place."""
    x = m.zeros(1)
    x.expand(3)[0].add_(1)
    assert x.tolist() == [1.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.__setitem__(0, 1),
        lambda t: t.zero_(),
        lambda t: t[1:].fill_(2),
        lambda t: t.__setitem__([0], 1.0),
        lambda t: t.uniform_(),
    ],
    ids=range(6),
)
def test_read_only_memory_is_not_written_through(change: Any) -> None:
    """A tensor over read-only NumPy memory raises RuntimeError and leaves it alone."""
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        change(m.from_numpy(array))
    assert array.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda: m.ones(2).add_(m.ones(3)), "size of tensor a (2) must match the size of tensor b (3)"),
        (lambda: m.ones(2).add_(m.ones(2, 2)), "output with shape [2] doesn't match the broadcast shape [2, 2]"),
        (lambda: m.ones(2, dtype=m.int64).add_(0.5), "can't be cast to the desired output type"),
        (lambda: m.ones(2, dtype=m.int64).add_(m.ones(2)), "can't be cast to the desired output type"),
        (lambda: m.ones(2, dtype=m.int64).div_(2), "can't be cast to the desired output type"),
        (lambda: m.ones(2, dtype=m.bool).add_(1), "can't be cast to the desired output type"),
        (lambda: m.zeros(2).copy_(m.ones(3)), "(3)"),
        (lambda: m.zeros(2).fill_(m.ones(2)), "fill_"),
        (lambda: (leaf(2) * 1)[0].detach_(), "Can't detach views in-place"),
    ],
)
def test_wrong_changes(change: Any, text: str) -> None:
    """PyTorch's RuntimeErrors for shapes and dtypes that the memory cannot take."""
    with pytest.raises(RuntimeError) as info:
        change()
    assert text in str(info.value)


def test_failed_setitem_changes_nothing() -> None:
    """A value of the wrong shape leaves memory, version and history alone."""
    x = leaf(3) * 2
    node, version = x.grad_fn, x.version.count
    with pytest.raises(RuntimeError):
        x[:2] = m.ones(3)
    assert x.tolist() == [2.0, 4.0, 6.0]
    assert x.grad_fn is node and x.version.count == version
