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


@pytest.mark.parametrize("watching", ["hook", "hook of its node", "retained"])
def test_a_view_on_the_way_to_one_that_is_changed(watching: str) -> None:
    """Who watches a view sees its uses before, and nothing of a change through a view of it, as in PyTorch."""
    x, seen = leaf(1.0, 2.0, 3.0, 4.0), []
    outer = (x * 1).reshape(2, 2)
    if watching == "hook":
        outer.register_hook(seen.append)
    elif watching == "hook of its node":
        outer.grad_fn.register_hook(lambda *g: seen.append(g))
    else:
        outer.retain_grad()
    before, inner = outer * 10, outer[0]
    inner *= 0.5
    inner.sum().backward(retain_graph=True)
    assert seen == [] and x.grad.tolist() == [0.5, 0.5, 0.0, 0.0]
    if watching == "retained":
        assert outer.grad is None
    else:
        before.sum().backward()
        assert len(seen) == 1 and x.grad.tolist() == [10.5, 10.5, 10.0, 10.0]


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
    with pytest.raises(RuntimeError, match="incorrect number of values .got 1, but expected 2"):
        out.sum().backward()


class Three(autograd.Function):
    """2 x, 3 y and x + y."""

    @staticmethod
    def forward(ctx, x, y):
        return x * 2, y * 3, x + y

    @staticmethod
    def backward(ctx, a, b, c):
        return a * 2 + c, b * 3 + c


def three() -> tuple:
    """Two leaves, and the outputs of `Three` of their like."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    return x, y, *Three.apply(x * 1, y * 1)


def test_outputs_of_a_function_share_a_node() -> None:
    """`grad_fn` is that of the application; `next_functions` says which output was used."""
    x, y, a, b, c = three()
    node = a.grad_fn
    assert b.grad_fn is node and c.grad_fn is node and node.name() == "Three"
    assert (b * 2).grad_fn.next_functions[0] == (node, 1) and (a * b).grad_fn.next_functions == ((node, 0), (node, 1))
    assert [parent.name() for parent, _ in node.next_functions] == ["multiply", "multiply"]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_hooks_of_nodes_with_several_outputs(create_graph: bool, other: int) -> None:
    """They see the gradients of all outputs, None where none came, and once; whichever output they were asked of."""
    x, y, *outputs = three()
    a, b, c = outputs
    seen = []

    def listed(gradients):
        return [g if g is None else g.tolist() for g in gradients]

    outputs[other].grad_fn.register_prehook(lambda outer: seen.append(listed(outer)))
    handle = outputs[other].grad_fn.register_hook(lambda inner, outer: seen.append((listed(inner), listed(outer))))
    b.register_hook(lambda g: g * 2)  # of the output alone, and before those of the node
    autograd.grad((a + 3 * c).sum(), (x, y), create_graph=create_graph, retain_graph=True)
    assert seen == [[[1, 1], None, [3, 3]], ([[5, 5], [3, 3]], [[1, 1], None, [3, 3]])]
    seen.clear()
    autograd.grad((a + b).sum(), (x, y), create_graph=create_graph, retain_graph=True)
    assert seen[0] == [[1, 1], [2, 2], None]
    handle.remove()
    found = autograd.grad((a + b + c).sum(), (x, y), create_graph=create_graph)
    assert listed(found) == [[3, 3], [7, 7]]


@pytest.mark.parametrize("create_graph", [False, True])
def test_hooks_replace_gradients_of_several_outputs(create_graph: bool) -> None:
    """Before the rules those of the outputs, after them those of the arguments; None stops one."""
    x, y, a, b, c = three()
    settings = {"create_graph": create_graph, "retain_graph": True}
    before = a.grad_fn.register_prehook(lambda outer: (outer[0] * 10, None, outer[2]))
    assert [g.tolist() for g in autograd.grad((a + b + c).sum(), (x, y), **settings)] == [[21, 21], [1, 1]]
    before.remove()
    after = b.grad_fn.register_hook(lambda inner, outer: (inner[0] * 10, None))
    found = autograd.grad((a + b + c).sum(), (x, y), allow_unused=True, **settings)
    assert found[0].tolist() == [30, 30] and found[1] is None
    after.remove()
    for register, hook, text in (
        (a.grad_fn.register_prehook, lambda outer: outer[:1], "got 1, but expected 3"),
        (a.grad_fn.register_hook, lambda inner, outer: outer, "got 3, but expected 2"),
        (a.grad_fn.register_prehook, lambda outer: (outer[0].sum(), *outer[1:]), "changed the size"),
        (a.grad_fn.register_hook, lambda inner, outer: (inner[0].float(), inner[1]), "changed the type"),
    ):
        with register(hook), pytest.raises(RuntimeError, match=text):
            autograd.grad((a + b + c).sum(), (x, y), **settings)


def test_hooks_of_a_function_with_one_output() -> None:
    """Its node is its own; the gradients that its hooks see are what `backward` returned."""

    class Square(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x, seen = leaf(1.0, 2.0), []
    y = Square.apply(x)
    with y.grad_fn.register_hook(lambda inner, outer: seen.append((inner[0].tolist(), outer[0].tolist()))):
        y.sum().backward(retain_graph=True)
    y.grad_fn.register_hook(lambda inner, outer: (inner[0] * 10,))
    y.sum().backward()
    assert seen == [([2.0, 4.0], [1.0, 1.0])] and x.grad.tolist() == [22.0, 44.0]
