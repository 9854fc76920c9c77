"""Whose memory a gradient is, and that none stays behind."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from counted import living
from leaves import leaf

import minitorch as m
from minitorch.autograd import Node, Variable, grad

# ------------------------------------------------------------------------------------------------------- memory of grads


def test_gradients_never_share_memory() -> None:
    """No two .grads, and no .grad and the gradient that came in, are the same memory."""
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    g = m.ones(2, dtype=m.float64)
    (x + y + z.reshape(2)).backward(g)
    arrays = [x.grad.array, y.grad.array, z.grad.array, g.array]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)
    x.grad.add_(100.0)
    assert y.grad.tolist() == [1.0, 1.0] and g.tolist() == [1.0, 1.0]


def test_incoming_gradient_is_not_changed() -> None:
    """Sums along the way go into memory of their own."""
    x = leaf(1.0, 2.0)
    g = m.ones(2, dtype=m.float64)
    y = x + 0
    (y + y + y).backward(g)
    assert g.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_hook_s_gradient_is_not_changed() -> None:
    """A gradient that a hook kept does not change when later ones are added."""
    x = leaf(1.0, 2.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g))
    z = y + y + x
    z.sum().backward()
    kept = seen[0].array.copy()
    (x * 5).sum().backward()
    assert seen[0].tolist() == kept.tolist() == [2.0, 2.0]


def test_results_of_grad_share_no_memory() -> None:
    """Neither with each other nor with the gradient given, whatever views of it rules return; equal ones are one."""
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    g = m.ones(1, 2, dtype=m.float64)
    found = grad((x + y).reshape(1, 2) + z.reshape(1, 2), [x, y, z], g)
    found[0].mul_(5.0)
    assert g.tolist() == [[1.0, 1.0]]
    assert found[2].tolist() == [1.0, 1.0]


def test_expanded_gradient_becomes_a_full_array() -> None:
    """The gradient of a sum is one number seen everywhere; .grad can be written all the same."""
    x = leaf(1.0, 2.0)
    x.sum().backward()
    x.grad.mul_(3.0)
    assert x.grad.tolist() == [3.0, 3.0]


def test_grad_can_be_assigned() -> None:
    """.grad takes a tensor of the same shape or None, and refuses the rest with PyTorch's errors."""
    x = leaf(1.0, 2.0, 3.0)
    x.grad = m.ones(3, dtype=m.float64)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]
    with pytest.raises(RuntimeError, match="assign a gradient of size"):
        x.grad = m.ones(4, dtype=m.float64)
    with pytest.raises(TypeError, match="expected to be a Tensor or None"):
        x.grad = np.ones(3)


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_many_nodes_forward_backward_and_freed(count: int) -> None:
    """A chain of so many nodes runs without recursion, and goes away with its last tensor."""
    x = leaf(1.0)
    y = x
    for _ in range(count):
        y = -y
    assert y.item() == 1.0
    first = weakref.ref(y.grad_fn)
    y.backward()
    assert x.grad.item() == 1.0
    del y
    assert first() is None


def step(w: Any, x: Any) -> None:
    """One small training step with everything on it: views, in-place, a kept graph, hooks, a second derivative."""
    hidden = (x @ w).relu().reshape(2, 2).t()
    hidden.register_hook(lambda g: g * 1)
    hidden.retain_grad()
    y = hidden.exp() + 1
    y[0].mul_(2.0)
    loss = (y.softmax(1) * y).sum() / 3
    (g,) = grad(loss, w, create_graph=True)
    (loss + (g * g).sum()).backward()
    with m.no_grad():
        w.sub_(w.grad * 0.01)
    w.grad = None


def test_no_growth_and_no_cycles() -> None:
    """1,000 steps with the garbage collector off leave nothing behind, and it then finds nothing of ours."""
    w, x = m.ones(3, 2, requires_grad=True), m.ones(2, 3)
    step(w, x)
    gc.collect()
    gc.disable()
    try:
        before = living()
        for _ in range(1000):
            step(w, x)
        assert living() == before
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [thing for thing in gc.garbage if issubclass(type(thing), (Variable, Node))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_create_graph_backward_makes_no_cycle_once_grad_is_cleared() -> None:
    """.grad made with create_graph refers to its leaf; clearing .grad frees it without the collector."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(2.0)
        (x**3).backward(create_graph=True)
        node = weakref.ref(x.grad.grad_fn)
        x.grad = None
        assert node() is None
    finally:
        gc.enable()


def test_kept_arrays_are_freed_by_backward() -> None:
    """Backward drops what the tape kept, also while the result lives on."""
    x = leaf(1.0, 2.0)
    middle = x.exp()
    kept = weakref.ref(middle.array)
    loss = (middle * middle).sum()
    del middle
    assert kept() is not None
    loss.backward()
    assert kept() is None


def test_only_what_rules_ask_for_is_kept() -> None:
    """An addition keeps no operand, a product by a constant keeps only the constant, exp keeps its result."""
    x, c = leaf(1.0, 2.0), m.tensor([3.0, 4.0], dtype=m.float64)
    first = x * 1
    alive = weakref.ref(first.array)
    y = first + c
    del first
    assert alive() is None
    product = y * c
    alive = weakref.ref(y.array)
    del y
    assert alive() is None
    assert product.requires_grad
