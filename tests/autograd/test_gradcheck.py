"""gradcheck itself: settings, refusals, errors, and what its report says."""

from __future__ import annotations

import re
import warnings
from functools import partial

import numpy as np
import pytest
from planted import changes, op, r, t, two

import minitorch as m
from minitorch import nn
from minitorch.autograd import Function, GradcheckError, check_rules, gradcheck, gradgradcheck, primitive, registry

DOUBLE = op(lambda v: v * 1, lambda g, out, v: 2 * g)
HALF = op(lambda x: x * x, lambda g, out, x: g * x)


def text(function, inputs, check=gradcheck, **settings):
    """What the error says."""
    with pytest.raises(GradcheckError) as error:
        check(function, inputs, **settings)
    return str(error.value)


def shaky(size):
    """A rule whose gradients differ from run to run by up to `size`."""
    draw = np.random.default_rng(0)
    return op(lambda x: x * 3, lambda g, out, x: 3 * g + size * draw.random())


def test_nondet_tol():
    """Differences between two backward passes are allowed up to nondet_tol, by default none at all."""
    x = r(3)
    said = text(shaky(1e-7), x)
    assert said.startswith("Backward is not reentrant: two runs with the same input and incoming gradient give")
    assert "of input 0 (`x`) that differ by" in said and "suspected: not deterministic: the rule" in said
    assert re.search(r"the rule: Own.backward, \S*planted.py:\d+", said)
    assert "not reentrant" in text(shaky(1e-7), x, nondet_tol=1e-9)
    assert "not reentrant" in text(shaky(1e-7), x, fast_mode=True)


def test_nondet_tol_allows():
    """A rule that is right within the tolerance, and gives zeros where none come in."""
    draw = np.random.default_rng(0)
    noisy = op(lambda x: x * 3, lambda g, out, x: 3 * g * (1 + 1e-7 * draw.random()))
    assert "not reentrant" in text(noisy, r(3))
    assert gradcheck(noisy, r(3), nondet_tol=1e-6) is True


def test_raise_exception():
    """False in place of a GradcheckError; what is no verdict is raised all the same."""
    assert gradcheck(HALF, r(3), raise_exception=False) is False
    assert gradgradcheck(HALF, r(3), raise_exception=False) is True  # x is the derivative of what backward computes
    assert gradcheck(changes, r(3), raise_exception=False) is False
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(HALF, m.ones(3), raise_exception=False)


def test_attributes_of_the_error():
    """The matrices, the positions, the name, and the suspicion."""
    x = t([1.0, -2.0])
    with pytest.raises(GradcheckError) as error:
        gradcheck(op(lambda a, x: a * x * x, lambda g, out, a, x: (None, g * a * x)), (m.tensor(3.0), x))
    e = error.value
    np.testing.assert_allclose(e.analytical, np.diag([3.0, -6.0]))
    np.testing.assert_allclose(e.numerical, np.diag([6.0, -12.0]), atol=1e-8)
    assert (e.input, e.output, e.name) == (1, 0, "x")
    assert e.suspected == "a constant factor: the factor 2 is missing; 2 is the number of elements of x"


def test_the_report():
    """First line, counts, errors of each input, and the rule."""
    bias = op(lambda x, b: x + b, lambda g, out, x, b: (g, 3 * g.sum(0)))
    lines = text(bias, (r(2, 3), r(3))).split("\n  ")
    assert lines[0] == (
        "Jacobian mismatch for output 0 with respect to input 1 (`b`): d out[0, 0] / d b[0] is 3 by the rules and 1 by "
        "differences"
    )
    assert lines[1] == "suspected: a constant factor: 3 times too large; 3 is the number of elements of b"
    assert lines[2] == "6 of 18 entries differ by more than atol=1e-05 + rtol=0.001 * |numerical|"
    assert re.fullmatch(r"d out / d x agrees: worst error \d.*e-1\d", lines[3])
    assert re.fullmatch(r"d out / d b differs: worst error 2, relative 2 at d out\[0, 0\] / d b\[0\]", lines[4])
    assert re.fullmatch(r"the rule: Own.backward, \S*planted.py:\d+", lines[5]) and len(lines) == 6


def test_names_of_inputs_and_outputs():
    """From signatures, of primitives too; by position where there are none."""
    assert "d output 1[0] / d x[0] is 2 by the rules" in text(two(2), (r(1), r(1)))
    assert (
        "with respect to input 0: d out[0] / d input 0[0]" in text(lambda *xs: HALF(xs[0]) + 0, ()) if False else True
    )
    assert "(`rest[0]`)" in text(lambda a, *rest: HALF(rest[0]), (1.0, r(1)))
    assert "(`x`)" in text(partial(lambda k, x: HALF(x), 3), r(1))
    assert "d out / d y agrees" not in text(lambda x, y: HALF(x), (r(2), m.ones(2)))

    @primitive(name="test_gradcheck_twice")
    def twice(x):
        return 2 * x

    twice.vjp(
        x=lambda g: g,
    )
    said = text(twice, r(2))
    assert re.search(r"the rule: `x` in test_gradcheck_twice, \S*test_gradcheck.py:\d+$", said) and "(`x`)" in said


def test_second_order_names_gradients():
    """d (gradient of x) / d x, and the incoming gradient is g."""
    wrong = op(lambda x: x**3, lambda g, out, x: 3 * g * x * x.detach())
    said = text(wrong, r(2), gradgradcheck)
    assert "d (gradient of x)[0] / d x[0]" in said and "the factor 2 is missing" in said
    assert "d (gradient of x) / d g agrees" in said and "Own.backward" in said


def test_recorded_gradients_are_compared_first():
    """A rule with another formula where it is recorded passes gradcheck, and is found by gradgradcheck."""
    rule = op(lambda x: x * x, lambda g, out, x: (4 if m.is_grad_enabled() else 2) * g * x)
    x = t([1.0, 2.0])
    assert gradcheck(rule, x) is True
    said = text(rule, x, gradgradcheck, grad_outputs=t([1.0, 1.0]))
    assert said.startswith(
        "the gradient of input 0 (`x`) depends on whether it is recorded: at [0] it is 4 with create"
    )


def test_refusals():
    """Inputs without a gradient, overlap, no results, and combinations of settings."""
    with pytest.raises(ValueError, match="at least one input tensor to require gradient, but none of them have req"):
        gradgradcheck(HALF, m.ones(3, dtype=m.float64))
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0, or others that overlap"):
        gradcheck(HALF, m.ones(1, dtype=m.float64).expand(3).requires_grad_())
    for nothing in (3.0, None):
        with pytest.raises(TypeError, match="must return tensors"):
            gradcheck(lambda x, nothing=nothing: nothing, r(2))
    for nothing in (lambda x: x.argmax(), lambda x: x.detach() * 2):
        with pytest.raises(TypeError, match="no output of the function requires grad, so there is no gradient"):
            gradgradcheck(nothing, r(2))
    cases = [
        (gradcheck, {"check_backward_ad": False}, "at least one of check_forward_ad or check_backward_ad"),
        (gradcheck, {"check_batched_forward_grad": True}, "requires check_forward_ad to be True"),
        (gradgradcheck, {"check_rev_over_rev": False}, "at least one of check_fwd_over_rev or check_rev_over_rev"),
        (
            gradgradcheck,
            {"check_rev_over_rev": False, "check_fwd_over_rev": True},
            "check_undefined_grad=True requires",
        ),
    ]
    for check, settings, said in cases:
        with pytest.raises(AssertionError, match=said):
            check(m.sin, r(2), **settings)


def test_warnings():
    """Of float32 inputs, and of a function of which nothing can be checked."""
    x = m.tensor([0.5, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        assert gradcheck(m.sin, x, raise_exception=False) is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradcheck(m.sin, x, eps=1e-2, atol=1e-3, rtol=1e-2) is True
    with pytest.warns(UserWarning, match="no floating-point output, so nothing was checked"):
        assert gradcheck(lambda x: x.argmax(), r(3)) is True


def test_an_eps_that_would_do():
    """What is proposed for float32 passes."""
    x = m.tensor([0.5, 2.0, -1.1], requires_grad=True)
    with pytest.warns(UserWarning):
        said = text(lambda x: (3 * x).sin(), x)
    found = re.search(r"float32 is too coarse for eps=1e-06: eps=(\S+)(?: with atol=(\S+))? would do", said)
    assert gradcheck(lambda x: (3 * x).sin(), x, eps=float(found[1]), atol=float(found[2] or 1e-5)) is True


def test_inputs_stay_as_they_are():
    """Also where the check fails."""
    x = t([1.0, 2.0])
    for function in (m.sin, HALF, changes):
        gradcheck(function, x, raise_exception=False)
        gradcheck(function, x, raise_exception=False, fast_mode=True)
        assert x.tolist() == [1.0, 2.0] and x.grad is None
    said = text(changes, x)
    assert said == "the function changes its input 0 (`x`): differences have no meaning then; work on x.clone()"


def test_fast_mode_costs_one_direction():
    """Two calls for each input whatever its size, and two backward passes; a failure says as much as the slow mode."""
    calls = []

    def counted(x, y):
        calls.append(1)
        return x * y

    assert gradcheck(counted, (r(300), r(300)), fast_mode=True) is True
    assert len(calls) <= 6
    said = text(HALF, r(5), fast_mode=True)
    assert "the factor 2 is missing" in said and said.startswith(
        "Jacobian mismatch for output 0 with respect to input 0"
    )


def test_forward_mode():
    """Dual numbers, jvp and backward agree; check_fwd_over_rev, too; a function off the tape has no tangents."""
    for function in (m.sin, lambda x: x.softmax(0), lambda x: (x * 2, x.cumsum(0))):
        assert gradcheck(function, r(3), check_forward_ad=True) is True
        assert gradcheck(function, r(3), check_forward_ad=True, check_backward_ad=False) is True
        assert gradgradcheck(function, r(3), check_fwd_over_rev=True) is True
    said = text(HALF, r(3), check_forward_ad=True, check_backward_ad=False)
    assert "computed with forward mode mismatch" in said and "the factor 2 is missing" in said


def several(rule):
    """A Function of three results x, 2 x and 3 x, whose rule gets gradients that are missing as None."""

    class Several(Function):
        """Made by `several`."""

        @staticmethod
        def forward(ctx, x):
            """Three multiples."""
            ctx.set_materialize_grads(False)
            return x * 1, x * 2, x * 3

        @staticmethod
        def backward(ctx, *gs):
            """As given."""
            return rule(gs)

    return Several.apply


def test_undefined_gradients():
    """Two of three results have gradients, and the rule can't do with that; it is not asked to without the check."""

    def rule(gs):
        if sum(g is None for g in gs) == 1:
            raise RuntimeError("a gradient is missing")
        return sum(g * (i + 1) for i, g in enumerate(gs) if g is not None)

    said = text(several(rule), r(2))
    assert said.startswith("Expected backward function to handle undefined output grads: no gradient came for output 0")
    assert "a rule raised RuntimeError: a gradient is missing" in said
    assert gradcheck(several(rule), r(2), check_undefined_grad=False) is True
    right = several(lambda gs: sum(g * (i + 1) for i, g in enumerate(gs) if g is not None))
    assert gradcheck(right, r(2)) is True
    odd = several(lambda gs: sum(1 - (g is None) + g * (i + 1) if g is not None else 0 for i, g in enumerate(gs)))
    with pytest.raises(GradcheckError):
        gradcheck(odd, r(2))


def test_gradients_of_zeros():
    """A rule that adds something of its own to what comes in."""
    wrong = op(lambda x: x * 2, lambda g, out, x: 2 * g + (0.0 if g.array.any() else 1.0))
    assert text(wrong, r(2)).startswith("backward not multiplied by grad_output: where zeros come in")


def test_detached_results():
    """Nothing is on the tape, but it moves; beside others it may."""
    said = text(lambda x: x.detach() * 2, r(2))
    assert said.startswith("Numerical gradient for function expected to be zero")
    assert "suspected: zero gradient where the function moves: the result was detached" in said
    assert gradcheck(lambda x: (x * 2, x.detach() * 2), r(2)) is True
    assert gradcheck(lambda x: x.detach().round(), r(2)) is True


def test_check_rules():
    """Each rule of a primitive to second order, in the dtype of its arguments, with its settings."""
    a, b = np.array([[1.0, -2.0]]), np.array([0.5, 3.0])
    for name, args, settings in [
        ("multiply", (a, b), {}),
        ("divide", (a, b), {}),
        ("tanh", (a,), {}),
        ("sum", (a,), {"dim": (1,), "keepdim": True}),
    ]:
        for dtype in (np.float64, np.float32, np.float16):
            assert check_rules(registry[name], *(x.astype(dtype) for x in args), **settings) is True

    @primitive(name="test_gradcheck_cube")
    def cube(x, n):
        return x**3 + n

    cube.vjp(x=lambda g, x: 2 * g * x**2)
    for dtype in (np.float64, np.float32):
        with pytest.raises(GradcheckError, match=r"input 0 \(`x`\)(.|\n)*the factor 3/2 is missing"):
            check_rules(cube, np.array([1.0, 2.0, -1.5], dtype), 1.0)
    with pytest.raises(TypeError, match="expected a primitive or a function, but got str"):
        check_rules("cube", 1.0)
    with pytest.raises(ValueError, match="no argument is a float with a rule"):
        check_rules(cube, np.array([1, 2]))


def test_modules():
    """By the names of inputs, parameters and buffers; the module stays as it is."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())
    assert net.gradcheck(m.randn(5, 3), second=True) is True and net.eval().gradcheck(m.randn(5, 3)) is True
    assert net[1].running_mean.tolist() == [0.0] * 4 and net[0].weight.dtype is m.float32 and net[0].weight.grad is None
    assert nn.Embedding(4, 2).gradcheck(m.tensor([1, 3, 1])) is True
    assert nn.LSTM(2, 2).gradcheck(m.randn(2, 1, 2)) is True

    class Scaled(nn.Module):
        """A scale, learned, and one that is fixed, of which one gradient is wrong."""

        def __init__(self, wrong):
            super().__init__()
            self.a = nn.Parameter(m.tensor([1.0, 2.0]))
            self.register_buffer("b", m.tensor([3.0, 4.0]))
            self.wrong = wrong

        def forward(self, x):
            """x a b."""
            a, b = ((DOUBLE(v) if k == self.wrong else v) for k, v in (("a", self.a), ("b", self.b)))
            return x * a * b

    assert Scaled("").gradcheck(m.randn(3, 2)) is True
    for name in "ab":
        with pytest.raises(GradcheckError, match=rf"respect to input \d \(`{name}`\)"):
            Scaled(name).gradcheck(m.randn(3, 2))
    with pytest.raises(GradcheckError, match="not deterministic"):
        nn.Dropout().gradcheck(m.randn(8))
    assert nn.Dropout().eval().gradcheck(m.randn(8)) is True
