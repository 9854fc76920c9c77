"""What `autograd.diagnosis.suspect` says of a matrix of derivatives that is wrong in a known way."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minitorch
from minitorch.autograd.diagnosis import NONE, shapes, suspect, wrong

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 3))


def softmax(x):
    """Along the last axis."""
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def differences(f, x, eps=1e-6):
    """The matrix [element of x, element of f(x)]."""
    rows = []
    for i in range(x.size):
        up, down = x.copy(), x.copy()
        up.flat[i] += eps
        down.flat[i] -= eps
        rows.append((f(up) - f(down)).ravel() / (2 * eps))
    return np.array(rows).reshape(x.size, -1)


def whole(change):
    """A change of the matrix seen as [axes of x, axes of the result], both (3, 3)."""
    return lambda m: change(m.reshape(3, 3, 3, 3)).reshape(9, 9)


MATRICES = {  # name: (function, what becomes of its derivatives, what is to be said)
    "factor": (lambda x: x**2, lambda m: m / 2, "a constant factor: the factor 2 is missing"),
    "too large": (lambda x: x**3, lambda m: 3 * m, "a constant factor: 3 times too large; 3 is the size of axis 0"),
    "odd factor": (np.exp, lambda m: 0.7 * m, "a constant factor: the factor 10/7 is missing"),
    "mean": (lambda x: x.sum(0), lambda m: m / 3, "3 is missing; 3 is the number of elements that each result reads"),
    "sign": (np.exp, lambda m: -m, "the sign is wrong"),
    "sign and factor": (np.exp, lambda m: -2 * m, "the sign is wrong, and a constant factor: 2 times too large"),
    "transposed": (np.exp, whole(lambda m: m.transpose(1, 0, 2, 3)), "transposed: axes 0 and 1 of the gradient"),
    "reversed": (np.exp, whole(lambda m: m[:, ::-1]), "reversed along axis 1 of the gradient"),
    "shifted": (np.exp, whole(lambda m: np.roll(m, 1, 0)), "off by 1: shifted along axis 0"),
    "exp": (np.exp, lambda m: np.eye(9), "the factor out is missing"),
    "tanh": (np.tanh, lambda m: np.diag(1 - np.tanh(X.ravel())), "the factor (1 + out) is missing"),
    "square": (lambda x: x**3, lambda m: np.diag(3 * X.ravel()), "the factor x is missing"),
    "x for out": (np.exp, lambda m: np.diag(X.ravel()), "x stands where out belongs"),
    "twice": (np.exp, lambda m: m @ m, "the factor out is too much"),
    "diagonal": (softmax, lambda m: np.diag(np.diag(m)), "a missing term: only the diagonal is there"),
    "elementwise": (softmax, lambda m: np.diag(softmax(X).ravel()), "a missing term: the rule has a diagonal alone"),
    "centred": (lambda x: x - x.mean(0), lambda m: np.eye(9), "a missing term: the same along axis 0 of x"),
    "added": (lambda x: x**2 + x, lambda m: np.diag(2 * X.ravel()), "a missing term: 1, added"),
    "added x": (lambda x: x**2 + x, lambda m: np.eye(9), "a missing term: 2 * x, added"),
    "one side": (lambda x: np.where(x > 0, x, x / 10), lambda m: np.where(m > 0.5, m, 2 * m), "all where x < 0"),
    "edge": (np.exp, whole(lambda m: np.concatenate([m[:2], 0 * m[2:]])), "only at an edge: last along axis 0 of x"),
    "elsewhere": (lambda x: x * X, lambda m: m[np.random.default_rng(1).permutation(9)], "the same numbers stand in"),
    "zero": (np.exp, lambda m: 0 * m, "zero gradient where the function moves: the rule gives zeros"),
    "flat": (np.round, lambda m: np.eye(9), "a gradient where the function does not move"),
    "nan": (np.exp, lambda m: m + np.nan, "nan by the rule"),
    "sin for cos": (
        lambda x: np.sin(x) * 2,
        lambda m: np.diag(2 * np.sin(X.ravel())),
        "sin(x) stands where cos(x) belongs",
    ),
    "x for out, inside": (
        np.tanh,
        lambda m: np.diag(1 - X.ravel() ** 2),
        "(1 - x ** 2) stands where (1 - out ** 2) belongs",
    ),
    "selection": (
        np.tril,
        lambda m: np.diag(np.triu(np.ones((3, 3))).ravel()),
        "another selection: 0 at 3 elements that",
    ),
    "not divided": (
        lambda x: np.log(np.exp(x).sum(1)),
        lambda m: m * np.exp(X).sum(1),
        "the factor exp(out) is too much",
    ),
    "weights": (
        lambda x: np.exp(x).sum(1),
        lambda m: m * [1, 2, 5],
        "a constant factor for each element of the result (1, 2, 5)",
    ),
    "length": (lambda x: np.linalg.norm(x), lambda m: X.reshape(9, 1), "the factor out is too much"),
    "noise": (np.exp, lambda m: RNG.standard_normal(m.shape), NONE),
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrices(name):
    """Each hypothesis of the matrix, told with the values at hand."""
    f, change, said = MATRICES[name]
    m = differences(f, X)
    assert said in suspect(change(m), m, x=X, out=np.asarray(f(X)), call=f)


def test_broadcast_axes():
    """A bias (3,) on a (3, 3) result: one position counts, or the wrong axis is summed."""
    b, f = X[0], lambda b: X + b
    m, one, other = differences(f, b), np.zeros((3, 3, 3)), np.zeros((3, 3, 3))
    for i in range(3):
        one[i, 0, i], other[i, i, :] = 1, 1
    said = suspect(one.reshape(3, 9), m, x=b, out=f(b), name="b")
    assert said.startswith("not summed over the broadcast axis 0: only its position 0 counts")
    said = suspect(other.reshape(3, 9), m, x=b, out=f(b), name="b")
    assert said.startswith("not summed over the broadcast axis but over another: axes 0 and 1 of the incoming")


def test_inputs_that_are_confused():
    """The gradient of another input, and a factor that is another input's value."""
    m, other = differences(lambda x: x * X.T, X), differences(lambda y: y * X, X)
    assert suspect(other, m, x=X, out=X * X.T, others={"y": other}) == "the gradient of another input, `y`"
    said = suspect(np.eye(9), m, x=X, out=X * X.T, values={"y": X.T})
    assert said == "the factor y is missing"


POINTS = {  # name: (function, its rule, x, what is to be said)
    "kink": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), 0.0, "a kink: at x[0] = 0 the function has slope 0"),
    "near": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), 4e-7, "a kink within eps of x[0] = 4e-07"),
    "pole": (np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.0, "a pole, or the edge of where the function is defined"),
    "cusp": (lambda x: np.cbrt(x**2), lambda x: 2 / 3 / np.cbrt(x), 1e-9, "a pole within eps of"),
    "jump": (np.floor, lambda x: 0 * x, 1.0, "a jump within eps of"),
    "large": (lambda x: x + 1e9, lambda x: 1.0 + 0 * x, 1.0, "eps=1e-06 is too small beside rounding"),
    "wild": (lambda x: np.sin(1e5 * x), lambda x: 1e5 * np.cos(1e5 * x), 1.0, "eps=1e-06 is too large"),
}


@pytest.mark.parametrize("name", POINTS)
def test_points(name):
    """What is wrong is the point or the step, not the rule."""
    f, rule, at, said = POINTS[name]
    x = np.array([at, 2.0])
    with np.errstate(all="ignore"):
        m = differences(f, x)
        assert said in suspect(np.diag(rule(x)), m, x=x, out=f(x), call=f)
        if name not in ("large", "wild"):  # the same point, and a rule that is wrong beside it
            assert "kink" not in suspect(np.diag(rule(x) + [0, 5]), m, x=x, out=f(x), call=f)


def test_random_and_coarse():
    """A function that draws; float32 with a step that rounding swallows, and a step that would do."""
    draw = np.random.default_rng(0)
    said = suspect(np.eye(9), 2 * np.eye(9), x=X, out=X, call=lambda x: x * draw.random())
    assert said.startswith("not deterministic: two calls with the same input differ by")
    x = X.astype(np.float32)
    m = differences(lambda x: x**2, x)
    said = suspect(np.diag(2 * x.ravel()), m, x=x, out=x**2, call=lambda x: x**2)
    assert re.match(r"float32 is too coarse for eps=1e-06: eps=0.00?01 would do, or float64 \(x.double", said)
    said = suspect(np.diag(4 * x.ravel()), m, x=x, out=x**2, call=lambda x: x**2)
    assert said == "a constant factor: 2 times too large; found with steps of 0.01, for float32 is coarse"


def test_gradients_and_shapes():
    """Gradients of a number, without more; and shapes that differ."""
    g = np.array([[1.0, 2.0], [4.0, 3.0]])
    assert suspect(g, 4 * g) == "a constant factor: the factor 4 is missing; 4 is the number of elements of x"
    assert suspect(g.T, g) == "transposed: axes 0 and 1 of the gradient exchanged"
    assert suspect(g[0], g[0, :1]) == "not summed over the broadcast axis 0"
    assert shapes((3, 4), (4, 3)) == "transposed: the sizes are right, in another order"
    assert shapes((2, 5, 3), (5, 1)) == "not summed over the broadcast axes 0 and 2"
    assert shapes((1, 3), (2, 3)).startswith("summed over an axis that is not broadcast")
    assert shapes((6,), (2, 3)).startswith("not reshaped")
    assert shapes((5, 4), (4, 4)) == "off by 1 along axis 0"
    assert shapes((5, 4), (9, 7)) == "" and suspect(np.ones((5, 4)), np.ones((9, 7))) == NONE
    assert suspect(g, g) == NONE


def test_wrong_counts_as_gradcheck_does():
    """Infinities that are equal agree, NaN does not."""
    a, b = np.array([1.0, np.inf, np.nan, 1.0]), np.array([1.0005, np.inf, np.nan, -np.inf])
    assert wrong(a, b).tolist() == [False, False, True, True]


def test_a_rule_of_the_wrong_shape_is_told_by_argument():
    """The engine's error names the argument and why its gradient has that shape."""

    @minitorch.autograd.primitive(name="test_suspect_shift")
    def shift(x, b):
        return x + b

    shift.vjp(x=lambda g: g, b=lambda g: g)
    b = minitorch.zeros(3, requires_grad=True)
    words = r"rule of test_suspect_shift gave shape \(2, 3\) for an argument `b` of shape \(3,\); suspected: not summed"
    with pytest.raises(RuntimeError, match=words + " over the broadcast axis 0"):
        shift(minitorch.ones(2, 3), b).sum().backward()
