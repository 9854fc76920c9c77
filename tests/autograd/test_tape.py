"""The tape: accumulation, freeing, higher orders, shapes of graphs, wrong gradients, printing."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaves import leaf

import minitorch as m
from minitorch.autograd import grad

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
