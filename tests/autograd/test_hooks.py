"""Hooks of leaves and of results, and gradients that are retained."""

from __future__ import annotations

import pytest
from leaves import leaf

import minitorch as m
from minitorch import autograd
from minitorch.autograd import grad

# ------------------------------------------------------------------------------------------------------------------ hooks


def test_leaf_hook_replaces() -> None:
    """What a leaf's hook returns goes into .grad."""
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g * 10)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [30.0, 30.0]


def test_leaf_hook_sees_the_sum_once() -> None:
    """A leaf used twice: its hook is called once, with the whole gradient."""
    x, seen = leaf(2.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x).backward()
    assert seen == [5.0]


def test_intermediate_hook() -> None:
    """The hook of an intermediate sees its gradient, and its replacement flows on."""
    x, seen = leaf(2.0), []
    y = x * 3
    y.register_hook(lambda g: (seen.append(g.item()), g * 100)[1])
    (y * y).backward()
    assert seen == [12.0]
    assert x.grad.item() == 3600.0


def test_hooks_in_order_and_removed() -> None:
    """Hooks run in the order they were registered, each on what the one before gave; remove() takes one out."""
    x = leaf(1.0)
    x.register_hook(lambda g: g + 1)
    handle = x.register_hook(lambda g: g * 10)
    (x * 1).backward()
    assert x.grad.item() == 20.0
    handle.remove()
    handle.remove()
    x.grad = None
    (x * 1).backward()
    assert x.grad.item() == 2.0


def test_hook_in_a_with_block() -> None:
    """A handle is a context manager."""
    x = leaf(1.0)
    with x.register_hook(lambda g: g * 7):
        (x * 1).backward()
    (x * 1).backward()
    assert x.grad.item() == 8.0


def test_hook_of_another_shape_is_refused() -> None:
    """A hook cannot change the size."""
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match="changed the size of value"):
        (x * 2).sum().backward()


def test_hook_needs_a_gradient() -> None:
    """A constant has no gradient to hook."""
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        m.ones(2).register_hook(lambda g: g)


def test_hook_with_create_graph() -> None:
    """A hook's factor is part of the graph."""
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * 2)
    (g,) = grad(y, x, create_graph=True)
    assert g.item() == 12.0
    assert grad(g, x)[0].item() == 4.0


def test_hooks_run_in_grad() -> None:
    """grad() runs hooks of intermediates and of the inputs it returns."""
    x = leaf(3.0)
    y = x * 2
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g + 1)
    assert grad(y, x)[0].item() == 5.0
    assert grad(y * 1, y)[0].item() == 2.0


def test_post_accumulate_hook() -> None:
    """Called with the leaf, after .grad was added to."""
    x, seen = leaf(1.0, 2.0), []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [[2.0, 2.0], [4.0, 4.0]]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(lambda t: None)


def test_retain_grad() -> None:
    """An intermediate keeps its gradient if asked to, after its hooks, and not otherwise."""
    x = leaf(2.0)
    y, z = x * 3, x * 5
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad and not z.retains_grad
    y.register_hook(lambda g: g * 2)
    (y * z).backward()
    assert y.grad.item() == 20.0
    with pytest.warns(UserWarning, match="not a leaf Tensor"):
        assert z.grad is None
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        m.ones(1).retain_grad()
    x.retain_grad()  # a leaf does anyway


def test_hooks_of_nodes() -> None:
    """Before the rules with the gradient, after them with the gradients of the arguments too; both may replace."""
    x, y, seen = leaf(1.0, 2.0), m.tensor([3.0, 4.0], dtype=m.float64), []
    out = x * y
    before = out.grad_fn.register_prehook(lambda outer: seen.append(outer[0].tolist()) or (outer[0] * 2,))
    with out.grad_fn.register_hook(lambda inner, outer: seen.append((inner[0].tolist(), inner[1], outer[0].tolist()))):
        autograd.grad(out.sum(), x, retain_graph=True)
    assert seen == [[1.0, 1.0], ([6.0, 8.0], None, [2.0, 2.0])]
    before.remove()
    out.grad_fn.register_hook(lambda inner, outer: (inner[0] * 10, None))
    for create_graph in (False, True):
        (g,) = autograd.grad(out.sum(), x, retain_graph=True, create_graph=create_graph)
        assert g.tolist() == [30.0, 40.0]
    out.grad_fn.register_hook(lambda inner, outer: inner[:1])
    with pytest.raises(RuntimeError, match="number of gradients"):
        out.sum().backward()
