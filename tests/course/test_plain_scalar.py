"""course/scalar.py: the tape of numbers agrees with the tape of tensors, and with derivatives written out."""

import math

import pytest

import minitorch
from minitorch.course.scalar import Scalar, differences


def _expression(a, b, c):
    return ((a * b).exp() - c.log() / (b**2 + 1.5)) ** 0.5 + (a - b).relu() * (-a + 3.0)


@pytest.mark.parametrize("point", [(0.5, 0.25, 0.75), (0.25, 0.5, 0.5)])
def test_scalars_and_tensors_agree(point):
    scalars = [Scalar(value) for value in point]
    tensors = [minitorch.tensor(value, dtype=minitorch.float64, requires_grad=True) for value in point]
    out, expected = _expression(*scalars), _expression(*tensors)
    out.backward()
    expected.backward()
    assert out.value == pytest.approx(expected.item(), rel=1e-12)
    assert [x.grad for x in scalars] == pytest.approx([x.grad.item() for x in tensors], rel=1e-12)
    assert differences(lambda *p: _expression(*map(Scalar, p)).value, point) == pytest.approx(
        [x.grad for x in scalars], rel=1e-6
    )


def test_slopes_of_numbers_on_either_side():
    x = Scalar(4.0)
    (2.0 + 3.0 * x - 1.0 / 2.0).backward()
    assert x.grad == 3.0


def test_the_tape_as_a_table():
    x = Scalar(2.0, "x")
    y = x.exp() * x
    y.backward()
    lines = y.tape().splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["*", "exp", "x"]
    assert f"{3 * math.exp(2):.4g}" in lines[3]
    assert repr(x) == f"Scalar(2, 'x', grad={3 * math.exp(2):g})"
