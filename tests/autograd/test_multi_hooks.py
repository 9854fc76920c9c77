"""`register_multi_grad_hook`, and what says or forgives that memory changed."""

from __future__ import annotations

import pytest

import minitorch as mt
from minitorch.autograd import graph


def plain(gradients: list) -> list:
    """As lists; None stays."""
    return [None if g is None else g.tolist() for g in gradients]


def test_all_gradients_at_once() -> None:
    """Once a pass, when the last one is known; whom the pass does not reach is not waited for."""
    a, b, c = (mt.full((2,), float(n), requires_grad=True) for n in (2, 3, 5))
    m = a * b
    n = m * c
    seen: list = []
    handle = graph.register_multi_grad_hook((a, m, c), lambda gradients: seen.append(plain(gradients)))
    n.sum().backward(retain_graph=True)
    n.sum().backward(retain_graph=True)
    assert seen == [[[15, 15], [5, 5], [6, 6]]] * 2
    del seen[:]
    m.sum().backward(retain_graph=True)
    assert seen == [[[3, 3], [1, 1], None]]
    del seen[:]
    n.sum().backward(inputs=[b], retain_graph=True)
    mt.autograd.grad(n.sum(), a, retain_graph=True)
    assert seen == [[None, [5, 5], None], [[15, 15], [5, 5], None]]
    del seen[:]
    (b * 2).sum().backward()
    handle.remove()
    n.sum().backward()
    assert seen == []


def test_the_first_gradient() -> None:
    """With "any" the first that is known, once a pass."""
    a = mt.ones(2, requires_grad=True)
    m = a * 3
    seen: list = []
    with graph.register_multi_grad_hook([a, m], lambda g: seen.append(g.tolist()), mode="any"):
        (m * 2).sum().backward(retain_graph=True)
        (m * 4).sum().backward(retain_graph=True)
    m.sum().backward()
    assert seen == [[2, 2], [4, 4]]


def test_after_a_pass_that_failed() -> None:
    """What came before an error is not mixed with the next pass."""
    a, b = mt.ones(1, requires_grad=True), mt.ones(1, requires_grad=True)
    m = a * 2
    seen: list = []
    graph.register_multi_grad_hook((m, a, b), lambda gradients: seen.append(plain(gradients)))
    stop = m.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (m * b).sum().backward(retain_graph=True)
    stop.remove()
    (m * 7).sum().backward()
    assert seen == [[[7], [14], None]]


def test_passes_inside_a_hook() -> None:
    """A pass that a hook runs has its own count."""
    a, b = mt.ones(1, requires_grad=True), mt.ones(1, requires_grad=True)
    m = a * 2
    other = (b * 3).sum()
    m.register_hook(lambda g: other.backward())
    seen: list = []
    graph.register_multi_grad_hook((m, a), lambda gradients: seen.append(plain(gradients)))
    m.sum().backward()
    assert seen == [[[1], [2]]] and b.grad.tolist() == [3]


def test_wrong_calls() -> None:
    """PyTorch's classes."""
    with pytest.raises(ValueError, match="mode"):
        graph.register_multi_grad_hook((mt.ones(1, requires_grad=True),), print, mode="some")
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        graph.register_multi_grad_hook((mt.ones(1),), print)


def test_changes_that_nobody_counted() -> None:
    """`increment_version` says that memory changed; what was kept from before is refused."""
    w = mt.ones(2, requires_grad=True)
    x = w * 2
    y = x * x
    graph.increment_version(x)
    assert x._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    graph.increment_version([x, w])
    assert x._version == 2 and w._version == 1


def test_changes_that_do_no_harm() -> None:
    """Inside `allow_mutation_on_saved_tensors` values are kept as they were."""
    w = mt.ones(2, requires_grad=True)
    with graph.allow_mutation_on_saved_tensors():
        x = w * 2
        y = x * x
        x.mul_(5)
        y.sum().backward()
    assert w.grad.tolist() == [8, 8]
