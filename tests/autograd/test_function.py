"""autograd.Function and autograd.functional: custom ops, Jacobians, Hessians, products with vectors."""

import gc

import numpy as np
import pytest

import minitorch
from minitorch.autograd import Function, functional, grad, gradcheck, gradgradcheck
from minitorch.autograd.function import once_differentiable


def point(*values):
    """A float64 vector that requires grad."""
    return minitorch.tensor(values, dtype=minitorch.float64, requires_grad=True)


class Exp(Function):
    """e to the power x, by its own output."""

    @staticmethod
    def forward(ctx, x):
        """Save the output."""
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        """g e^x."""
        (y,) = ctx.saved_tensors
        return g * y


class Split(Function):
    """(x * factor, x squared, positions): several outputs, one without gradient, an argument that is no tensor."""

    @staticmethod
    def forward(ctx, x, factor):
        """Save the input, keep the factor."""
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * factor, x * x, x.argmax()

    @staticmethod
    def backward(ctx, g, h, none):
        """g factor + 2 h x."""
        (x,) = ctx.saved_tensors
        return g * ctx.factor + h * 2 * x, None


def test_a_saved_output_keeps_its_place():
    """First and second derivatives of an op that saves its output, and no reference cycle."""
    x = point(0.3, -1.0)
    assert gradcheck(Exp.apply, (x,)) and gradgradcheck(Exp.apply, (x,))
    gc.collect()
    gc.disable()
    try:
        Exp.apply(x).sum().backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_several_outputs():
    """Gradients through each output of several, to second order; the integer output is a constant."""
    x = point(0.5, 2.0, -1.0)
    first, second, where = Split.apply(x, 3.0)
    assert where.item() == 1 and not where.requires_grad
    (g,) = grad(first.sum() + (second * second).sum(), x)
    np.testing.assert_allclose(g.array, 3 + 4 * x.detach().array ** 3)
    assert gradgradcheck(lambda x: Split.apply(x, 3.0)[:2], (x,))


def test_a_second_backward_needs_retain_graph():
    """Saved tensors are freed by backward, as PyTorch's."""
    y = Exp.apply(point(1.0)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_too_few_gradients_are_refused():
    """A backward that forgets an argument is told so."""

    class Forgetful(Function):
        """Two arguments, one gradient."""

        @staticmethod
        def forward(ctx, x, y):
            """The sum."""
            return x + y

        @staticmethod
        def backward(ctx, g):
            """One gradient too few."""
            return g

    with pytest.raises(RuntimeError, match="expected 2, got 1"):
        Forgetful.apply(point(1.0), point(2.0)).backward()


def test_no_tape_no_recording():
    """Under no_grad, or without inputs that require grad, the result is a constant."""
    assert not Exp.apply(minitorch.ones(2)).requires_grad
    with minitorch.no_grad():
        assert not Exp.apply(point(1.0)).requires_grad


MATRIX = np.array([[1.0, 2.0, 0.5], [-1.0, 0.3, 4.0]])


def linear_then_square(x):
    """(M x)^2, whose Jacobian is 2 diag(M x) M."""
    return (minitorch.from_numpy(MATRIX) @ x) ** 2


def test_jacobian_and_products():
    """The Jacobian, v J and J v of (M x)^2 against the formula."""
    x, u, v = np.array([0.5, -1.0, 2.0]), np.array([1.0, -3.0]), np.array([2.0, 0.0, 1.0])
    expected = 2 * (MATRIX @ x)[:, None] * MATRIX
    at = minitorch.from_numpy(x)
    np.testing.assert_allclose(functional.jacobian(linear_then_square, at).array, expected)
    np.testing.assert_allclose(functional.vjp(linear_then_square, at, minitorch.from_numpy(u))[1].array, u @ expected)
    np.testing.assert_allclose(functional.jvp(linear_then_square, at, minitorch.from_numpy(v))[1].array, expected @ v)


def test_hessian_and_its_product():
    """The Hessian of sum x^3 + x0 x1 and its product with a vector; differentiable with create_graph."""

    def f(x):
        return (x**3).sum() + x[0] * x[1]

    x, v = point(1.0, 2.0), np.array([3.0, -1.0])
    expected = np.array([[6.0, 1.0], [1.0, 12.0]])
    np.testing.assert_allclose(functional.hessian(f, x).array, expected)
    np.testing.assert_allclose(functional.hvp(f, x, minitorch.from_numpy(v))[1].array, expected @ v)
    (third,) = grad(functional.hessian(f, x, create_graph=True).sum(), x)
    np.testing.assert_allclose(third.array, [6.0, 6.0])


def test_jacobians_of_several():
    """Two inputs and two outputs give a 2 x 2 tuple of blocks, zeros where nothing depends."""
    table = functional.jacobian(lambda x, y: (x * 2, x.sum() * y), (point(1.0, 2.0), point(3.0)))
    assert [[block.shape for block in row] for row in table] == [[(2, 2), (2, 1)], [(1, 2), (1, 1)]]
    assert not table[0][1].array.any()
    np.testing.assert_allclose(table[1][0].array, [[3.0, 3.0]])


def test_wrong_uses():
    """A vector of the wrong shape, a Hessian of a vector, an input that is no tensor."""
    with pytest.raises(RuntimeError, match="shapes"):
        functional.vjp(linear_then_square, minitorch.ones(3, dtype=minitorch.float64), minitorch.ones(3))
    with pytest.raises(RuntimeError, match="scalar"):
        functional.hessian(linear_then_square, minitorch.ones(3, dtype=minitorch.float64))
    with pytest.raises(TypeError, match="Tensors"):
        functional.jacobian(linear_then_square, 3.0)


def test_backward_frees_what_was_saved():
    """After backward the saved tensors are gone, though the result still holds its node."""
    x = point(1.0, 2.0)
    y = Exp.apply(x)
    node = y.grad_fn
    assert len(node.kept["saved"]) == 1
    y.sum().backward()
    assert node.kept is None and node.primitive.context._saved == ()


def test_once_differentiable():
    """The first derivative is there; the second raises, where it would be missing."""

    class Cube(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return minitorch.from_numpy(3 * x.numpy() ** 2 * g.numpy())

    x = minitorch.tensor([2.0], requires_grad=True)
    (g,) = minitorch.autograd.grad(Cube.apply(x * 1).sum(), x)
    assert g.tolist() == [12.0]
    w = minitorch.tensor([1.0], requires_grad=True)
    (g,) = minitorch.autograd.grad((Cube.apply(x * 1) * w).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()
