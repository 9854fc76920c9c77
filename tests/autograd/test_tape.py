"""The tape: accumulation, freeing, higher orders, hooks, grad modes, depth, memory, errors."""

from __future__ import annotations

import asyncio
import gc
import io
import math
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch.autograd import Node, Variable, grad, primitive, registry

m = minitorch


def leaf(*values: float) -> Any:
    """A float64 leaf that requires grad; a scalar for one value."""
    data = values[0] if len(values) == 1 else list(values)
    return m.tensor(data, dtype=m.float64, requires_grad=True)


# ---------------------------------------------------------------------------------------------------- running backward


def test_gradients_accumulate() -> None:
    """A second backward adds to .grad; set to None, it starts again."""
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_accumulation_keeps_the_grad_object() -> None:
    """Without create_graph, .grad is added to in place, as in PyTorch: an optimizer may hold on to it."""
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first
    assert first.tolist() == [4.0, 8.0]


def test_second_backward_needs_retain_graph() -> None:
    """What was kept is freed by the first backward, and the error says so."""
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_graph_that_keeps_nothing_runs_twice() -> None:
    """As in PyTorch: an addition keeps no arrays, so there is nothing to be freed."""
    x = leaf(1.0, 2.0)
    y = (x + x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_freed_part_of_a_shared_graph() -> None:
    """Two results over one kept intermediate: the second backward meets the freed part."""
    x = leaf(1.0, 2.0)
    middle = x.exp()
    a, b = (middle * 2).sum(), (middle * 3).sum()
    a.backward()
    with pytest.raises(RuntimeError, match="second time"):
        b.backward()


@pytest.mark.parametrize("order,value", list(enumerate([32.0, 80.0, 160.0, 240.0, 240.0, 120.0, 0.0])))
def test_any_order_of_a_power(order: int, value: float) -> None:
    """Derivatives of x**5 at 2, up to the sixth."""
    x = leaf(2.0)
    y = x**5
    for _ in range(order):
        (y,) = grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(value, rel=1e-12)


def test_any_order_of_exp() -> None:
    """The tenth derivative of exp is exp."""
    x = leaf(0.7)
    y = x.exp()
    for _ in range(10):
        (y,) = grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(math.exp(0.7), rel=1e-12)


def test_gradients_of_two_leaves_share_no_memory() -> None:
    """One gradient that goes to two leaves is copied for each, with create_graph too: later ones are added in place."""
    for create_graph in (False, True):
        x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
        (x + y).sum().backward(create_graph=create_graph)
        (x * 5).sum().backward()
        assert x.grad.tolist() == [6.0, 6.0]
        assert y.grad.tolist() == [1.0, 1.0]
        x.grad = y.grad = None  # no cycle stays


def test_backward_with_create_graph() -> None:
    """.grad is on the tape and can be differentiated."""
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    (second,) = grad(x.grad, x)
    assert second.item() == pytest.approx(18.0)


def test_hessian_vector_product() -> None:
    """A gradient of <gradient, v> is H v: for f = (sum x)**3, H = 6 (sum x)."""
    x, v = leaf(1.0, 2.0, 3.0), m.tensor([1.0, -2.0, 0.5], dtype=m.float64)
    (g,) = grad(x.sum() ** 3, x, create_graph=True)
    (hv,) = grad(g, x, v)
    np.testing.assert_allclose(hv.array, np.full(3, 36.0 * -0.5))


def test_mixed_derivative() -> None:
    """d2/dxdy of x**2 y**3 is 6 x y**2."""
    x, y = leaf(2.0), leaf(3.0)
    (gx,) = grad(x**2 * y**3, x, create_graph=True)
    (gxy,) = grad(gx, y)
    assert gxy.item() == pytest.approx(108.0)


def test_grad_leaves_grad_alone() -> None:
    """grad() returns and touches no .grad."""
    x = leaf(2.0)
    (g,) = grad(x * x, x)
    assert g.item() == 4.0
    assert x.grad is None
    assert not g.requires_grad


def test_grad_of_an_intermediate() -> None:
    """Inputs may be intermediate results."""
    x = leaf(2.0)
    y = x * 3
    gy, gx = grad(y * y, [y, x])
    assert (gy.item(), gx.item()) == (12.0, 36.0)


def test_grad_of_the_output_itself() -> None:
    """d y / d y is the incoming gradient."""
    y = leaf(2.0) * 3
    assert grad(y, y)[0].item() == 1.0
    x = leaf(2.0)
    assert grad(x, x)[0].item() == 1.0


def test_inputs_may_be_a_generator() -> None:
    """grad(loss, model.parameters()) takes any iterable, as PyTorch does."""
    x, y = leaf(2.0), leaf(3.0)
    assert [g.item() for g in grad(x * y, (t for t in (x, y)))] == [3.0, 2.0]


def test_unused_input() -> None:
    """An unused input raises, is None if allowed, or zeros if asked for."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        grad(x.sum(), [x, y])
    assert grad(x.sum(), [x, y], allow_unused=True)[1] is None
    zeros = grad(x.sum(), [x, y], materialize_grads=True)[1]
    assert zeros.tolist() == [0.0, 0.0]
    assert zeros.dtype is m.float64


def test_allow_unused_false_with_materialize_is_refused() -> None:
    """PyTorch's ValueError for two arguments that contradict each other."""
    x = leaf(1.0)
    with pytest.raises(ValueError, match="allow_unused"):
        grad(x * 2, x, allow_unused=False, materialize_grads=True)


def test_grad_outputs() -> None:
    """Several outputs, each with its own incoming gradient, add up."""
    x = leaf(1.0, 2.0)
    v = [m.tensor([1.0, 10.0], dtype=m.float64), m.tensor([2.0, 3.0], dtype=m.float64)]
    (g,) = grad([x * x, x * 5], x, v)
    assert g.tolist() == [2.0 + 10.0, 40.0 + 15.0]


def test_scalar_and_given_gradients_mix() -> None:
    """None stands for 1 at a scalar output."""
    x = leaf(1.0, 2.0)
    (g,) = grad([x.sum(), x * x], x, [None, m.ones(2, dtype=m.float64)])
    assert g.tolist() == [3.0, 5.0]


def test_backward_with_inputs() -> None:
    """backward(inputs=) fills only the .grad of those named, also of intermediates."""
    x, w = leaf(2.0), leaf(3.0)
    middle = x * w
    (middle * middle).backward(inputs=[w, middle])
    assert x.grad is None
    assert w.grad.item() == 24.0
    assert middle.grad.item() == 12.0


def test_backward_with_no_inputs_is_refused() -> None:
    """An empty list is a mistake, not "all"."""
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (leaf(2.0) * 2).backward(inputs=[])


def test_autograd_backward_of_several() -> None:
    """autograd.backward takes lists."""
    x = leaf(1.0, 2.0)
    m.autograd.backward([x.sum(), (x * x).sum()])
    assert x.grad.tolist() == [3.0, 5.0]


def test_diamond() -> None:
    """Two paths from one tensor to one result add up."""
    x = leaf(3.0)
    y = x * 2
    z = y.exp() * y
    (g,) = grad(z, x)
    assert g.item() == pytest.approx(2 * math.exp(6) * 7, rel=1e-12)


def test_ladder_of_diamonds_is_linear() -> None:
    """60 diamonds in a row have 2**60 paths; each node is visited once."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    assert grad(y, x)[0].item() == pytest.approx(1.0)


def test_same_tensor_twice() -> None:
    """x * x, x + x, x @ x: both arguments count, also through `inputs` named twice."""
    x = leaf(1.0, 2.0)
    assert grad((x * x).sum(), x)[0].tolist() == [2.0, 4.0]
    assert grad((x + x).sum(), x)[0].tolist() == [2.0, 2.0]
    assert grad(x @ x, x)[0].tolist() == [2.0, 4.0]
    first, again = grad((x * x).sum(), [x, x])
    assert first.tolist() == again.tolist() == [2.0, 4.0]


def test_equal_values_are_different_tensors() -> None:
    """Leaves are told apart by identity, never by value."""
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    gx, gy = grad((x * 3 + y * 5).sum(), [x, y])
    assert (gx.tolist(), gy.tolist()) == ([3.0, 3.0], [5.0, 5.0])


def test_only_what_requires_grad() -> None:
    """Constants get no gradient and no node."""
    x, c = leaf(2.0), m.tensor(3.0, dtype=m.float64)
    (x * c).backward()
    assert c.grad is None
    assert (c * c).grad_fn is None
    assert x.grad.item() == 3.0


def test_non_scalar_needs_a_gradient() -> None:
    """PyTorch's error, with the shape."""
    with pytest.raises(RuntimeError, match=r"grad can be implicitly created only for scalar outputs.*\(2,\)"):
        (leaf(1.0, 2.0) * 2).backward()


@pytest.mark.parametrize(
    "gradient,kind,text",
    [
        (m.ones(3, dtype=m.float64), RuntimeError, "grad_output[0] has a shape of"),
        (m.ones(2, 1, dtype=m.float64), RuntimeError, "output[0] has a shape of"),
        (np.ones(2), TypeError, "gradients can be either Tensors or None, but got"),
        (1.0, TypeError, "float"),
    ],
)
def test_wrong_gradient(gradient: Any, kind: type, text: str) -> None:
    """A gradient of another shape or class is refused with PyTorch's error."""
    with pytest.raises(kind) as info:
        (leaf(1.0, 2.0) * 2).backward(gradient)
    assert text in str(info.value)


def test_gradient_of_another_float_dtype_is_cast() -> None:
    """As in PyTorch: the gradient that comes in takes the dtype of the output."""
    x = leaf(1.0, 2.0)
    (x * 2).backward(m.ones(2, dtype=m.float32))
    assert x.grad.dtype is m.float64
    assert x.grad.tolist() == [2.0, 2.0]


def test_backward_off_the_tape() -> None:
    """A tensor without history has nothing to run."""
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        m.ones(2).sum().backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad(leaf(1.0) * 2, m.tensor(1.0))


def test_counts_must_match() -> None:
    """As many gradients as outputs."""
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="1 tensors and 2 gradients"):
        grad([x * 2], x, [None, None])


def test_backward_of_a_leaf() -> None:
    """A leaf's own backward puts the incoming gradient into .grad."""
    x = leaf(1.0, 2.0)
    x.backward(m.tensor([3.0, 4.0], dtype=m.float64))
    assert x.grad.tolist() == [3.0, 4.0]


def test_empty_tensors_run() -> None:
    """Backward through tensors without elements."""
    x = m.zeros(0, 3, requires_grad=True)
    (x * 2).exp().sum().backward()
    assert x.grad.shape == (0, 3)


def test_exception_in_a_rule_leaves_the_engine_usable() -> None:
    """A rule that raises: grad mode is as before, no .grad was changed, and the next backward runs."""
    name = "raises_for_a_test"

    @primitive(name=name)
    def raises(x: np.ndarray) -> np.ndarray:
        return x.copy()

    def rule(g: Any) -> Any:
        raise ZeroDivisionError("in the rule")

    try:
        raises.vjp(x=rule)
        x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
        with pytest.raises(ZeroDivisionError, match="in the rule"):
            (raises(x) + w * 2).sum().backward()
        assert m.is_grad_enabled()
        assert x.grad is None and w.grad is None
        (x * w).sum().backward()
        assert x.grad.tolist() == [3.0, 4.0]
    finally:
        del registry[name]


def test_misspelt_rule_fails_at_once() -> None:
    """A rule that asks for what does not exist fails when it is given, with the list of names."""
    name = "misspelt_for_a_test"
    try:

        @primitive(name=name)
        def op(x: np.ndarray, *, scale: float) -> np.ndarray:
            return x * scale

        with pytest.raises(TypeError, match=r"scael.*allowed.*scale"):
            op.vjp(x=lambda g, scael: g * scael)
        with pytest.raises(TypeError, match="no argument 'z'"):
            op.vjp(z=lambda g: g)
        with pytest.raises(ValueError, match="registered already"):
            primitive(lambda x: x, name=name)
    finally:
        registry.pop(name, None)


def test_a_rule_for_many_arguments_cannot_ask_for_all() -> None:
    """Which of them a rule would get is not said: it has `index`, and shapes."""
    name = "variadic_for_a_test"
    try:

        @primitive(name=name)
        def op(*xs: np.ndarray) -> np.ndarray:
            return xs[0] + xs[1]

        with pytest.raises(TypeError, match=r"asks for \['xs'\]; allowed: .*'xs_shapes'"):
            op.vjp(xs=lambda g, xs: g * xs)
    finally:
        registry.pop(name, None)


def test_rule_of_the_wrong_shape_is_named() -> None:
    """A rule that returns another shape than its argument's is an error that names it."""
    name = "wrong_shape_for_a_test"
    try:

        @primitive(name=name)
        def op(x: np.ndarray) -> np.ndarray:
            return x.sum()

        op.vjp(x=lambda g: g)
        with pytest.raises(RuntimeError, match=name):
            op(leaf(1.0, 2.0)).backward()
    finally:
        registry.pop(name, None)


def test_rules_of_users_see_tensors() -> None:
    """A rule made outside the package may call methods of tensors, and its neighbours' rules see arrays as ever."""
    name, seen = "cube_for_a_test", []
    try:

        @primitive(name=name)
        def cube(x: np.ndarray, *, scale: float) -> np.ndarray:
            return scale * x**3

        cube.vjp(
            x=lambda g, x, out, scale: (seen.append((g, x, out)), g.mul(3 * scale) * x.square() + out.abs() * 0)[1]
        )
        x = leaf(1.0, 2.0)
        (cube(x.exp(), scale=2.0) * 5).sum().backward()
        np.testing.assert_allclose(x.grad.array, 30 * np.exp(3 * x.array), rtol=1e-12)
        assert all(type(v) is m.Tensor for v in seen[0])
        cube.vjp(x=lambda g: g.array)
        for create_graph in (False, True):
            with pytest.raises(TypeError, match="cube_for_a_test must return a tensor, but returned ndarray"):
                grad(cube(x, scale=1.0).sum(), x, create_graph=create_graph)
    finally:
        registry.pop(name, None)


def test_gradients_have_the_dtype_of_their_arguments() -> None:
    """A rule that gives another dtype does not change that of what is behind it."""
    name = "double_for_a_test"
    try:

        @primitive(name=name)
        def double(x: np.ndarray) -> np.ndarray:
            return x * 2

        double.vjp(x=lambda g: g.double() * 2)
        x, seen = m.ones(3, requires_grad=True), []
        y = x + 0
        y.register_hook(lambda g: seen.append(g.dtype))
        double(y).sum().backward()
        assert x.grad.dtype is m.float32
        assert seen == [m.float32]
    finally:
        registry.pop(name, None)


def test_primitives_on_arrays() -> None:
    """Called without a tensor they return arrays, also of no dimension; nothing is recorded."""
    x = np.array([1.0, -2.0], np.float32)
    ops = registry
    for out in (
        ops["add"](x, 1.0), ops["exp"](x), ops["where"](x > 0, x, 0.0), ops["sum"](x, dim=(0,), keepdim=False),
        ops["reshape"](x, shape=(2, 1)), ops["linear"](x[None], x[None]), ops["add"](x.sum(), x.sum()),
    ):  # fmt: skip
        assert type(out) is np.ndarray
        assert out.dtype == np.float32
    assert ops["add"](x, np.ones(2)).dtype == np.float64
    assert type(ops["add"](x, m.ones(2))) is m.Tensor


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
    assert z.grad is None
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        m.ones(1).retain_grad()
    x.retain_grad()  # a leaf does anyway


# ------------------------------------------------------------------------------------------------------------- leaf or not


def test_detach_cuts() -> None:
    """detach() shares memory and passes no gradient."""
    x = leaf(2.0, 3.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad and d.grad_fn is None
    assert np.shares_memory(d.array, y.array)
    (y * d).sum().backward()
    assert x.grad.tolist() == [8.0, 12.0]


def test_requires_grad_flags() -> None:
    """Leaves, results, and what may be changed about them."""
    x = m.ones(2)
    assert x.is_leaf and not x.requires_grad
    x.requires_grad_()
    assert x.is_leaf and x.requires_grad
    y = x * 2
    assert not y.is_leaf and y.requires_grad and y.grad_fn.name() == "multiply"
    y.requires_grad_()
    with pytest.raises(RuntimeError, match="leaf variables"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        m.ones(2, dtype=m.int64).requires_grad_()
    assert not (leaf(1.0) > 0).requires_grad
    assert not leaf(1.0, 2.0).argmax().requires_grad


def test_next_functions() -> None:
    """The graph can be walked through grad_fn."""
    x = leaf(2.0)
    y = x.exp() * 3
    (first, _) = y.grad_fn.next_functions[0]
    assert first.name() == "exp"


# -------------------------------------------------------------------------------------------------------------- grad modes


def test_no_grad() -> None:
    """Nothing is recorded inside; enable_grad records within it; both restore what was."""
    x = leaf(2.0)
    with m.no_grad():
        assert not m.is_grad_enabled()
        assert not (x * 2).requires_grad
        with m.enable_grad():
            assert (x * 2).requires_grad
        assert not m.is_grad_enabled()
    assert (x * 2).requires_grad
    with m.inference_mode():
        assert not (x * 2).requires_grad


def test_modes_survive_exceptions() -> None:
    """An exception leaves the mode as it was."""
    with pytest.raises(ValueError), m.no_grad():  # noqa: PT011
        raise ValueError
    assert m.is_grad_enabled()


def test_set_grad_enabled() -> None:
    """As a function at once, as a context manager until the end of the block."""
    m.set_grad_enabled(False)
    assert not m.is_grad_enabled()
    m.set_grad_enabled(True)
    with m.set_grad_enabled(False):
        assert not m.is_grad_enabled()
    assert m.is_grad_enabled()

    @m.set_grad_enabled(False)
    def inside() -> bool:
        return m.is_grad_enabled()

    assert m.is_grad_enabled()
    assert not inside()
    assert m.is_grad_enabled()


@pytest.mark.parametrize("mode", [m.no_grad, m.inference_mode, m.no_grad()], ids=["class", "inference", "instance"])
def test_mode_as_decorator(mode: Any) -> None:
    """With and without brackets, keeping name and docstring, reentrant."""

    @mode() if isinstance(mode, type) else mode
    def double(x: Any, depth: int = 0) -> Any:
        """Twice."""
        return double(x, depth - 1) if depth else x * 2

    assert double.__name__ == "double" and double.__doc__ == "Twice."
    assert not double(leaf(2.0), depth=3).requires_grad
    assert m.is_grad_enabled()


def test_no_grad_decorator_without_brackets() -> None:
    """`@no_grad` over a function works as `@no_grad()`."""

    @m.no_grad
    def double(x: Any) -> Any:
        return x * 2

    assert not double(leaf(2.0)).requires_grad


def test_mode_in_generators() -> None:
    """A decorated generator runs without recording, and does not leak its mode to the caller between values."""

    @m.no_grad()
    def values() -> Any:
        received = yield m.is_grad_enabled()
        try:
            yield (m.is_grad_enabled(), received)
        except KeyError:
            yield (m.is_grad_enabled(), "thrown")
        return "done"

    g = values()
    assert next(g) is False
    assert m.is_grad_enabled()
    assert g.send(5) == (False, 5)
    assert m.is_grad_enabled()
    assert g.throw(KeyError()) == (False, "thrown")
    assert m.is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == "done"


def test_modes_are_local_to_threads() -> None:
    """A thread starts recording, whatever the one that started it does, and its mode stays its own."""
    seen = {}
    barrier = threading.Barrier(2)

    def work(name: str, mode: bool) -> None:
        with m.set_grad_enabled(mode):
            barrier.wait(10)
            seen[name] = m.is_grad_enabled()
            barrier.wait(10)

    with m.no_grad():
        first = threading.Thread(target=lambda: seen.update(start=m.is_grad_enabled()))
        first.start()
        first.join()
    threads = [threading.Thread(target=work, args=pair) for pair in (("a", False), ("b", True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"start": True, "a": False, "b": True}


def test_modes_are_local_to_tasks() -> None:
    """Two asyncio tasks that take turns keep their own modes."""

    async def task(mode: bool) -> list[bool]:
        out = []
        with m.set_grad_enabled(mode):
            for _ in range(3):
                await asyncio.sleep(0)
                out.append(m.is_grad_enabled())
        return out

    async def both() -> Any:
        return await asyncio.gather(task(False), task(True))

    assert asyncio.run(both()) == [[False] * 3, [True] * 3]


def test_backward_in_threads() -> None:
    """Graphs of different threads do not disturb each other."""
    found = {}

    def work(i: int) -> None:
        x = leaf(float(i))
        for _ in range(50):
            (g,) = grad(x * x * x, x)
        found[i] = g.item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: 3.0 * i * i for i in range(4)}


def test_backward_within_no_grad() -> None:
    """A graph recorded before runs backward inside no_grad; create_graph still records."""
    x = leaf(3.0)
    y = x**3
    with m.no_grad():
        (g,) = grad(y, x, create_graph=True)
    assert g.requires_grad
    assert grad(g, x)[0].item() == pytest.approx(18.0)


# ------------------------------------------------------------------------------------------------------ size and memory


def test_print_tape() -> None:
    """One line per node, newest first, with what it keeps."""
    x = leaf(1.0, 2.0)
    y = (x.exp() * 2).sum()
    out = io.StringIO()
    m.print_tape(y, file=out)
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["sum", "multiply", "exp"]
    assert "leaf (2,)" in lines[2] and "out 16 B" in lines[2]
    y.backward()
    out = io.StringIO()
    m.print_tape(y, file=out)
    assert "freed" in out.getvalue()
    out = io.StringIO()
    m.print_tape(x, file=out)
    assert "nothing on the tape" in out.getvalue()


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


def ours() -> int:
    """Living tensors and nodes."""
    return sum(issubclass(type(thing), (Variable, Node)) for thing in gc.get_objects())


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
        before = ours()
        for _ in range(1000):
            step(w, x)
        assert ours() == before
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


@given(st.lists(st.tuples(st.sampled_from(["add", "mul", "exp", "reuse"]), st.integers(0, 4)), min_size=1, max_size=12))
def test_random_graphs_agree_with_forward_differentiation(program: list) -> None:
    """Random scalar graphs: reverse mode agrees with derivatives carried forward by hand."""
    x = leaf(0.3)
    tensors, values, slopes = [x], [0.3], [1.0]
    for op, i in program:
        i %= len(tensors)
        a, v, d = tensors[-1], values[-1], slopes[-1]
        b, w, e = tensors[i], values[i], slopes[i]
        if op == "add":
            a, v, d = a + b, v + w, d + e
        elif op == "mul":
            a, v, d = a * b * 0.5, v * w * 0.5, (v * e + d * w) * 0.5
        elif op == "exp":
            a, v, d = (a * 0.1).exp(), math.exp(v * 0.1), d * 0.1 * math.exp(v * 0.1)
        else:
            a, v, d = b * 1, w, e
        if abs(v) > 1e6:
            break
        tensors.append(a)
        values.append(v)
        slopes.append(d)
    if len(tensors) > 1:
        (g,) = grad(tensors[-1], x)
        assert g.item() == pytest.approx(slopes[-1], rel=1e-9, abs=1e-12)
