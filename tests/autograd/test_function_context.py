"""What a Function may say about itself through ctx, and what its backward may return."""

from __future__ import annotations

import gc

import pytest

import minitorch as mt
from minitorch.autograd import Function, grad, gradcheck, gradgradcheck


def op(forward, backward, setup=None):
    """`apply` of a Function with these methods."""
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    if setup:
        methods["setup_context"] = staticmethod(setup)
    return type("Op", (Function,), methods).apply


def leaf(*values, dtype=mt.float32):
    """A vector that requires grad."""
    return mt.tensor(values, dtype=dtype, requires_grad=True)


def returning(value):
    """The gradient of x after an op whose backward returns value(g)."""
    x = leaf(1.0, 2.0)
    op(lambda ctx, x: x * 2, lambda ctx, g: value(g))(x).sum().backward()
    return x.grad


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda g: (g, g), r"incorrect number of gradients \(expected 1, got 2\)"),
        (lambda g: (), r"incorrect number of gradients \(expected 1, got 0\)"),
        (lambda g: g[:1], r"invalid gradient at index 0 - got \[1\] but expected shape compatible with \[2\]"),
        (lambda g: mt.ones(3), r"got \[3\]"),
        (lambda g: g.sum(), r"got \[\]"),
        (lambda g: 2.0, "got float"),
        (lambda g: g.numpy(), "got ndarray"),
    ],
)
def test_a_wrong_gradient_is_refused(value, message):
    """Too many, too few, of another shape, no tensor."""
    with pytest.raises(RuntimeError, match=message):
        returning(value)


def test_a_gradient_is_brought_to_shape_and_dtype():
    """What broadcasts from the argument's shape is summed down to it; another dtype is cast; None more does no harm."""
    assert returning(lambda g: (g * 3, None)).tolist() == [3, 3]
    assert returning(lambda g: mt.ones(3, 2)).tolist() == [3, 3]
    assert (returning(lambda g: g.double()).dtype, returning(lambda g: g.long()).tolist()) == (mt.float32, [1, 1])
    x = leaf(2.0)
    (g,) = grad(op(lambda ctx, x: x * 1, lambda ctx, g: g.double().expand(2, 1))(x), x, create_graph=True)
    assert (g.dtype, g.tolist()) == (mt.float32, [2.0])


def test_none_leaves_no_gradient():
    """The leaf's .grad stays None, as in PyTorch."""
    assert returning(lambda g: None) is None
    x = leaf(1.0)
    assert grad(op(lambda ctx, x: x * 1, lambda ctx, g: None)(x), x, allow_unused=True) == (None,)


def doubled(ctx, x):
    """Change x in place."""
    x.mul_(2)
    ctx.mark_dirty(x)
    return x


def test_mark_dirty_puts_the_changed_input_on_the_tape():
    """The same tensor comes back, with one change more, and earlier uses of it are noticed."""
    x = leaf(1.0, 2.0)
    y = x * 1
    before = y * y
    z = op(doubled, lambda ctx, g: g * 2)(y)
    assert z is y
    (z * y).sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([2, 4], [8, 16])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        before.sum().backward()


def test_mark_dirty_of_a_view_changes_its_base():
    """Gradients of the base go through the op where the view is."""
    x = leaf(1.0, 2.0)
    y = x * 1
    op(doubled, lambda ctx, g: g * 5)(y[:1])
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([2, 2], [5, 1])


def test_mark_dirty_of_a_plain_tensor_beside_a_parameter():
    """It requires grad afterwards; what was saved of it is a copy."""

    def times(ctx, a, b):
        ctx.save_for_backward(a.clone())
        a.mul_(b)
        ctx.mark_dirty(a)
        return a

    a, b = mt.tensor([1.0, 2.0]), leaf(3.0, 4.0)
    assert op(times, lambda ctx, g: (None, g * ctx.saved_tensors[0]))(a, b) is a
    a.sum().backward()
    assert b.grad.tolist() == [1, 2]


def test_a_dirty_output_can_be_saved():
    """exp in place, by its own output; no reference cycle is left."""

    def forward(ctx, x):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    gc.collect()
    gc.disable()
    try:
        x = leaf(0.5, dtype=mt.float64)
        f = op(forward, lambda ctx, g: g * ctx.saved_tensors[0])
        assert gradcheck(lambda x: f(x * 1), x)
        assert gradgradcheck(lambda x: f(x * 1), x)
        gc.collect()
        f(x * 1).backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_mark_dirty_refuses_what_loses_a_gradient():
    """A leaf that requires grad, an input that is not returned, what is no input."""
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        op(doubled, lambda ctx, g: g * 2)(leaf(1.0))
    for mark in (lambda ctx, x: ctx.mark_dirty(x), lambda ctx, x: ctx.mark_dirty(mt.ones(1))):
        with pytest.raises(RuntimeError, match="marked as dirty"):
            op(lambda ctx, x, mark=mark: (mark(ctx, x), x * 2)[1], lambda ctx, g: g)(leaf(1.0) * 1)


@pytest.mark.parametrize("materialize", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
def test_outputs_without_gradient_come_as_zeros_or_none(materialize, create_graph):
    """set_materialize_grads decides."""
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(materialize)
        return x * 1, x * 2, x * 3

    def backward(ctx, *gradients):
        seen.extend(None if g is None else g.tolist() for g in gradients)
        return gradients[0] + gradients[2]

    x = leaf(1.0, 2.0)
    a, _, c = op(forward, backward)(x)
    (g,) = grad((a + c * 2).sum(), x, create_graph=create_graph)
    assert seen == [[1, 1], [0, 0] if materialize else None, [2, 2]]
    assert g.tolist() == [3, 3]


def test_outputs_keep_their_dtypes_and_memory():
    """float32 beside float64 beside integers, each with a gradient of its own dtype."""
    kinds = []

    def backward(ctx, g, h, i):
        kinds.extend((g.dtype, h.dtype))
        return g * 2 + h.float() * 3

    x = leaf(1.0, 2.0)
    a, b, i = op(lambda ctx, x: (x * 2, x.double() * 3, x.argmax()), backward)(x)
    assert (a.dtype, b.dtype, i.item(), i.requires_grad) == (mt.float32, mt.float64, 1, False)
    a.mul_(5)
    (a.double() + b).sum().backward()
    assert (x.grad.tolist(), kinds) == ([13, 13], [mt.float32, mt.float64])


def test_a_saved_one_of_several_outputs_keeps_its_place():
    """To second order; and a change of it in place is noticed."""

    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return x * 1, y

    f = op(forward, lambda ctx, g, h: g + h * ctx.saved_tensors[0])
    x = leaf(0.5, -1.0, dtype=mt.float64)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))
    _, y = f(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_is_marked_non_differentiable_requires_no_gradient():
    """Among several outputs, alone, and if it is an input."""

    def forward(ctx, x, which):
        outputs = x, x * 2, x * 3
        ctx.mark_non_differentiable(*(outputs[i] for i in which))
        return outputs

    x = leaf(1.0, 2.0)
    f = op(forward, lambda ctx, *g: (g[0] + 2 * g[1] + 3 * g[2], None))
    assert [y.requires_grad for y in f(x * 1, (0, 2))] == [False, True, False]
    assert [y.requires_grad for y in f(x, (1, 2))] == [True, False, False]
    sum(y.sum() for y in f(x, (2,))).backward()
    assert x.grad.tolist() == [3, 3]


def test_setup_context_stands_beside_a_forward_without_ctx():
    """It sees the arguments and the result."""

    def setup(ctx, inputs, output):
        x, ctx.n = inputs
        ctx.save_for_backward(x, output[0])

    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * ctx.n * y / x + 2 * h, None

    x = leaf(3.0)
    y, z = op(lambda x, n: (x**n, x * 2), backward, setup)(x, 3)
    (y + z).backward()
    assert x.grad.tolist() == [29]


def test_only_tensors_are_saved():
    """Other things become attributes."""
    with pytest.raises(TypeError, match="can only save variables, but argument 1 is of type int"):
        op(lambda ctx, x: (ctx.save_for_backward(x, 3), x)[1], lambda ctx, g: g)(leaf(1.0))
