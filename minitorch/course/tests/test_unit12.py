"""Tests of unit 12: a gradient check from its parts, products with Jacobians, a gradient penalty."""

import numpy as np

import minitorch
from minitorch.autograd import functional, grad, gradcheck
from minitorch.autograd.gradcheck import _analytical, _numerical, _verdict
from minitorch.course.penalty import gradient_penalty
from minitorch.course.telling import Mistake, answer, gradients, same

WEIGHT = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def _leaf(array):
    return minitorch.tensor(np.array(array, float)).requires_grad_()


def test_12_1_linear():
    """Rows count x, columns the output."""
    x, w = _leaf([0.5, -1.0, 2.0]), minitorch.tensor(WEIGHT)
    (found,) = _numerical(lambda x: w @ x, (x,), x, 1e-6)
    mistakes = {
        "the factor 2 is missing: the two points are two steps apart": 2 * WEIGHT.T,
        "the sign is wrong: the upper value comes first": -WEIGHT.T,
    }
    answer(found, WEIGHT.T, "the matrix of w @ x by differences", mistakes)


def test_12_1_central():
    """From both sides; a large step shows it."""
    x = _leaf([2.0])
    (found,) = _numerical(lambda x: x**3, (x,), x, 0.5)
    one_side = "the value at x itself was taken: a central difference looks at both sides"
    answer(
        found, [[12.25]], "the slope of x ** 3 at 2, with eps = 0.5", {one_side: [[15.25]], one_side + ".": [[9.25]]}
    )


def test_12_1_put_back():
    """The input is what it was, and others stay as they are."""
    x, y = _leaf([[1.0, 2.0], [3.0, 4.0]]), _leaf([[2.0, 0.5], [1.0, -1.0]])
    found = _numerical(lambda x, y: (x * y, x.sum()), (x, y), x, 1e-6)
    if not np.array_equal(x.detach().numpy(), [[1.0, 2.0], [3.0, 4.0]]):
        raise Mistake(f"x was not put back: it is {x.tolist()} now")
    if len(found) != 2:
        raise Mistake(f"two outputs gave {len(found)} matrices")
    same(found[0], np.diag([2.0, 0.5, 1.0, -1.0]), "the matrix of x * y for x", atol=1e-7)
    same(found[1], np.ones((4, 1)), "the matrix of the sum")


def test_12_2_by_backward():
    """Column j belongs to element j of y."""
    x, z = _leaf([0.5, -1.0, 2.0]), _leaf([1.0])
    found = _analytical(minitorch.tensor(WEIGHT) @ x, [x, z])
    if len(found) != 2:
        raise Mistake(f"two tensors gave {len(found)} matrices")
    first = np.zeros((3, 2))
    first[:, 0] = WEIGHT[0]
    mistakes = {
        "only the first element of y was asked for its derivatives": first,
        "the rows were added up: each element of y needs a pass of its own": np.repeat(WEIGHT.sum(0)[:, None], 2, 1),
    }
    answer(found[0], WEIGHT.T, "the matrix of w @ x by backward", mistakes)
    same(found[1], np.zeros((1, 2)), "the matrix for a tensor that y does not depend on")


def test_12_2_verdict():
    """|found - expected| <= atol + rtol |expected|."""
    expected = np.array([[100.0, 0.0, 1.0, 1.0, np.inf]])
    found = np.array([[109.0, 0.009, 1.2, np.nan, 5.0]])
    got = _verdict(found, expected, 0.01, 0.1)
    mistakes = {
        "NaN passed: it is never near anything": [[0, 0, 1, 0, 1]],
        "True is to mean wrong, and here means right": [[1, 1, 0, 0, 0]],
        "atol is missing": [[0, 1, 1, 1, 1]],
        "rtol is missing: what is large may differ by more": [[1, 0, 1, 1, 1]],
    }
    answer(
        np.asarray(got[:, :4]) * 1, [[0, 0, 1, 1]], "the verdict", {k: np.array(v)[:, :4] for k, v in mistakes.items()}
    )


def test_12_2_gradcheck():
    """The whole of it: right rules pass, a wrong one does not."""
    x, y = _leaf([[0.5, 2.0]]), _leaf([[1.0], [3.0]])
    if not gradcheck(lambda x, y: (x * y).tanh(), (x, y)):
        raise Mistake("gradcheck refuses a right function")

    class Half(minitorch.autograd.Function):
        """Squares, with half of the slope."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    if gradcheck(Half.apply, (x,), raise_exception=False):
        raise Mistake("gradcheck passes a square whose slope lacks the factor 2")


def test_12_3_linear():
    """J v of a matrix is the matrix times v."""
    v = np.array([1.0, 2.0, -1.0])
    _, found = functional.jvp(lambda x: minitorch.tensor(WEIGHT) @ x, _leaf([0.5, -1.0, 2.0]), minitorch.tensor(v))
    same(found, WEIGHT @ v, "J v of w @ x, which is w @ v,")


def test_12_3_square():
    """For a matrix that is not symmetric, v J is another vector."""
    w = np.array([[1.0, 2.0], [-3.0, 0.5]])
    x, v = np.array([0.3, -0.4]), np.array([2.0, 1.0])
    _, found = functional.jvp(lambda x: (minitorch.tensor(w) @ x).sin(), _leaf(x), minitorch.tensor(v))
    jacobian = np.cos(w @ x)[:, None] * w
    mistakes = {
        "transposed: this is v J, what a single backward pass gives": v @ jacobian,
        "v is missing: this is J times ones": jacobian.sum(1),
    }
    answer(found, jacobian @ v, "J v of sin(w @ x)", mistakes)


def test_12_3_several():
    """Two inputs, two outputs."""
    xs, vs = (
        (_leaf([2.0]), _leaf([3.0, 5.0])),
        (minitorch.tensor([1.0]).double(), minitorch.tensor([0.5, 2.0]).double()),
    )
    _, (product, power) = functional.jvp(lambda a, b: (a * b, a**3), xs, vs)
    same(product, [3 * 1 + 2 * 0.5, 5 * 1 + 2 * 2.0], "J v of a * b")
    same(power, [12.0], "J v of a ** 3")


def _critic(w):
    """tanh(x w), a number for each sample."""
    return lambda x: (x @ w).tanh()


def test_12_4_value():
    """The mean over samples."""
    random = np.random.default_rng(12)
    x, w = random.standard_normal((3, 2)), np.array([0.8, -1.5])
    found = gradient_penalty(_critic(minitorch.tensor(w)), minitorch.tensor(x), 0.5)
    lengths = np.abs(1 - np.tanh(x @ w) ** 2) * np.linalg.norm(w)
    mistakes = {
        "the length was taken over the whole batch; each sample has its own": (np.linalg.norm(lengths) - 0.5) ** 2,
        "the root is missing: this is the square of the length": ((lengths**2 - 0.5) ** 2).mean(),
        "it is added up over the samples; the mean is needed": ((lengths - 0.5) ** 2).sum(),
        "`wanted` is not taken off": (lengths**2).mean(),
    }
    answer(found, ((lengths - 0.5) ** 2).mean(), "the gradient penalty", mistakes)


def test_12_4_can_be_trained():
    """Its own gradient reaches the parameters, not x."""
    x = _leaf(np.random.default_rng(13).standard_normal((2, 3)))
    w = _leaf([0.4, -0.7, 0.2])
    penalty = gradient_penalty(_critic(w), x * 1.0)
    if not penalty.requires_grad:
        raise Mistake("the penalty is cut off from the tape: the gradient in it has to be recorded (create_graph)")
    if grad(penalty, x, allow_unused=True, retain_graph=True)[0] is not None:
        raise Mistake("the penalty hands a gradient on to x; it is to look at the values of x alone")
    gradients(lambda w: gradient_penalty(_critic(w), x.detach()), w, of="the gradient penalty")
