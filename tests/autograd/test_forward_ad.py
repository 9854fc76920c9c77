"""Dual numbers: tangents by hand, what they are part of, where they end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minitorch as mt
from minitorch.autograd import forward_ad as fw

X, V = [1.0, 3.0], [1.0, 10.0]


def dual() -> mt.Tensor:
    """(1 + e, 3 + 10 e)."""
    return fw.make_dual(mt.tensor(X), mt.tensor(V))


ROWS: dict[str, tuple[Callable, list, list | None]] = {  # function, its value, its tangent
    "square": (lambda d: d * d, [1, 9], [2, 60]),
    "sum": (lambda d: (d**3).sum(), 28, 273),
    "itself": (lambda d: d, X, V),
    "a part": (lambda d: d[1], 3, 10),
    "two uses": (lambda d: d[0] * d[1], 3, 13),
    "linear": (lambda d: d + 5, [6, 8], V),
    "a choice": (lambda d: mt.stack([d, 2 * d]).max(0).values, [2, 6], [2, 20]),
    "no way": (lambda d: d.detach(), X, None),
    "another tensor": (lambda d: mt.ones(2), [1, 1], None),
    "in place": (lambda d: d.clone().mul_(d), [1, 9], [2, 60]),
}


@pytest.mark.parametrize("name", ROWS)
def test_tangents(name: str) -> None:
    """By hand; primal and tangent are off the tape."""
    function, value, tangent = ROWS[name]
    with fw.dual_level():
        primal, found = fw.unpack_dual(function(dual()))
        assert primal.tolist() == value and not primal.requires_grad
        assert (None if found is None else found.tolist()) == tangent
        assert found is None or not found.requires_grad


def test_several_dual_tensors() -> None:
    """Their tangents add up."""
    with fw.dual_level():
        a, b = dual(), fw.make_dual(mt.tensor([2.0, 2.0]), mt.tensor([1.0, 0.0]))
        assert fw.unpack_dual(a * b).tangent.tolist() == [3, 20]
        assert fw.unpack_dual(b * b).tangent.tolist() == [4, 0]


def test_a_dual_tensor_changes_in_place() -> None:
    """And with it the tensor whose memory it has."""
    x = mt.tensor(X)
    with fw.dual_level():
        d = fw.make_dual(x, mt.tensor(V))
        d.mul_(2)
        assert x.tolist() == [2, 6] and fw.unpack_dual(d).tangent.tolist() == [2, 20]


def test_backward_through_a_tangent() -> None:
    """On the tape where something else requires grad: weights, the primal, the tangent."""
    w = mt.tensor([2.0, 2.0], requires_grad=True)
    with fw.dual_level():
        primal, tangent = fw.unpack_dual(dual() ** 2 * w)
        tangent.sum().backward()
        assert primal.requires_grad and w.grad.tolist() == [2, 60]
        x = mt.tensor([2.0, 2.0], requires_grad=True)
        _, tangent = fw.unpack_dual((fw.make_dual(x, mt.tensor(V)) ** 3).sum())
        assert mt.autograd.grad(tangent, x)[0].tolist() == [12, 120]
        v = mt.tensor(V, requires_grad=True)
        _, tangent = fw.unpack_dual(fw.make_dual(mt.tensor(X), v) ** 2)
        assert mt.autograd.grad(tangent.sum(), v)[0].tolist() == [2, 6]
        with mt.no_grad():
            assert not fw.unpack_dual(dual() * 1).primal.requires_grad


def test_layers() -> None:
    """The tangent of a network is its Jacobian times the direction, as `func.jvp` has it."""
    mt.manual_seed(0)
    net = mt.nn.Sequential(mt.nn.Conv2d(1, 2, 3), mt.nn.BatchNorm2d(2), mt.nn.Tanh(), mt.nn.MaxPool2d(2))
    x, v = mt.randn(2, 1, 6, 6), mt.randn(2, 1, 6, 6)
    with fw.dual_level():
        tangent = fw.unpack_dual(net(fw.make_dual(x, v))).tangent
    want = mt.func.jvp(net, (x,), (v,))[1]
    np.testing.assert_allclose(tangent.detach().numpy(), want.detach().numpy(), rtol=1e-5)


def test_levels() -> None:
    """One at a time; outside there are no tangents."""
    with fw.dual_level() as level:
        d = dual()
        assert level == 0
        with pytest.raises(RuntimeError, match="Nested"):
            fw.enter_dual_level()
    assert fw.unpack_dual(d * d).tangent is None
    with pytest.raises(RuntimeError, match="no level exists"):
        dual()
    with pytest.raises(RuntimeError, match="none exists"):
        fw.exit_dual_level()
    fw.enter_dual_level()
    assert fw.unpack_dual(dual()).tangent.tolist() == V
    fw.exit_dual_level()


@pytest.mark.parametrize(
    ("primal", "tangent", "error", "match"),
    [
        (mt.tensor([1]), mt.tensor([1.0]), ValueError, "primal to be floating"),
        (mt.ones(1), mt.tensor([1]), ValueError, "tangent to be floating"),
        (mt.ones(2), mt.ones(3), RuntimeError, "shape and dtype"),
        (mt.ones(2), mt.ones(2).double(), RuntimeError, "shape and dtype"),
        (mt.ones(1), 1.0, TypeError, "must be a Tensor"),
    ],
)
def test_wrong_calls(primal: mt.Tensor, tangent: mt.Tensor, error: type, match: str) -> None:
    """PyTorch's classes."""
    with fw.dual_level(), pytest.raises(error, match=match):
        fw.make_dual(primal, tangent)
