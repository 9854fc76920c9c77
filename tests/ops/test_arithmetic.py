"""Elementwise arithmetic where a row of samples does not reach: bits, ends, dtypes, in-place forms, refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minitorch as m
from minitorch import kernels, surface

INF, NAN = float("inf"), float("nan")


def test_in_place_functions_change_their_argument() -> None:
    """`minitorch.sin_(x)` is `x.sin_()`: same memory, the version counted; wrong arguments are named."""
    for name in surface.IN_PLACE.split():
        assert callable(getattr(m, f"{name}_")), name
    for name in ("sin", "exp", "relu", "neg", "sigmoid", "sqrt", "lgamma", "log1p", "selu"):
        x = m.tensor([0.25, 0.5])
        memory, expected = x.numpy(), getattr(m, name)(x).tolist()
        out = getattr(m, f"{name}_")(x) if name != "lgamma" else x.lgamma_()
        assert out is x and memory.tolist() == expected, name
    x = m.tensor([-1.0, 0.5, 3.0])
    assert m.clamp_(x, 0, 1) is x and x.tolist() == [0.0, 0.5, 1.0]
    assert m.threshold_(x, 0.6, 7.0).tolist() == [7.0, 7.0, 1.0]
    assert m.zero_(m.fill_(x, 3.0)) is x and x.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(TypeError, match="sin_.*must be a Tensor"):
        m.sin_(1.0)


def test_comparisons_in_place() -> None:
    """0 and 1 in the dtype of self; the gradient of what was there before is zeros."""
    x, y = m.tensor([1.0, 2.0, 3.0]), m.tensor([2.0, 2.0, 2.0])
    expected = {"eq": [0, 1, 0], "ne": [1, 0, 1], "lt": [1, 0, 0], "le": [1, 1, 0], "gt": [0, 0, 1], "ge": [0, 1, 1]}
    for name, values in expected.items():
        at = x.clone()
        assert getattr(at, f"{name}_")(y) is at and at.tolist() == values and at.dtype is m.float32
    assert x.clone().logical_and_(m.tensor([0, 1, 2])).tolist() == [0.0, 1.0, 1.0]
    assert x.clone().logical_not_().tolist() == [0.0, 0.0, 0.0]
    leaf = m.ones(3, requires_grad=True)
    (leaf * 2).gt_(1).sum().backward()
    assert leaf.grad.tolist() == [0.0, 0.0, 0.0]


def test_shifts() -> None:
    """Operators on either side and in place; steps beyond the width leave 0 or the sign; bools count as numbers."""
    x = m.tensor([5, -5])
    assert (x << 2).tolist() == [20, -20] and (x >> 1).tolist() == [2, -3]
    assert (1 << m.tensor([3, 0])).tolist() == [8, 1] and (8 >> m.tensor([3, 0])).tolist() == [1, 8]
    for steps in (64, -1, 1000):
        assert (x << steps).tolist() == [0, 0] and (x >> steps).tolist() == [0, -1]
    small = m.tensor([200, 3], dtype=m.uint8)
    assert (small << 1).tolist() == [144, 6] and (small >> 8).tolist() == [0, 0] and (small << 1).dtype is m.uint8
    x <<= 1
    assert x.tolist() == [10, -10]
    x >>= 2
    assert x.tolist() == [2, -3]
    assert (m.tensor([True]) << 1).tolist() == [2]
    with pytest.raises(NotImplementedError, match="lshift"):
        m.ones(2) << 1


def test_common_divisors() -> None:
    """Never negative; 0 divides nothing."""
    x, y = m.tensor([12, -12, 0, 0, -7]), m.tensor([18, 18, 5, 0, 21])
    assert m.gcd(x, y).tolist() == [6, 6, 5, 0, 7]
    assert m.lcm(x, y).tolist() == [36, 36, 0, 0, 21]
    assert x.gcd_(y) is x and x.tolist() == [6, 6, 5, 0, 7]
    with pytest.raises(TypeError, match="other"):
        m.gcd(x, 2)


def test_frexp_and_ldexp() -> None:
    """Mantissa and exponent are exact, also of the smallest numbers; the gradient is the power of two."""
    x = m.tensor([8.0, -0.75, 0.0, 1e-45, INF, NAN], requires_grad=True)
    mantissa, exponent = m.frexp(x)
    np.testing.assert_array_equal(mantissa.detach().numpy(), np.asarray([0.5, -0.75, 0, 0.5, INF, NAN], np.float32))
    assert exponent.dtype is m.int32 and exponent[:4].tolist() == [4, 0, 0, -148]
    mantissa[:2].sum().backward()
    assert x.grad[:2].tolist() == [1 / 16, 1.0]
    assert m.frexp(x).mantissa.shape == (6,)
    assert m.ldexp(m.tensor([1.5, -3.0]), m.tensor([2, -1])).tolist() == [6.0, -1.5]
    assert m.ldexp(m.tensor([2]), m.tensor([3])).dtype is m.float32
    ends = m.ldexp(m.tensor([0.75, 2.0**100, 1.0, 1.0]), m.tensor([128, -200, 2**40, -(2**40)]))
    assert ends.tolist() == [0.75 * 2.0**128, 2.0**-100, INF, 0.0]  # 2^128 and 2^-200 are no float32
    with pytest.raises(RuntimeError, match="floating-point"):
        m.frexp(m.tensor([2]))
    with pytest.raises(TypeError, match="`other`"):
        m.ldexp(m.ones(2), 2)


def test_float_power_is_float64() -> None:
    """Whatever comes in; in place only where self is."""
    for out in (m.float_power(m.tensor([2]), 3), m.float_power(2, m.tensor([3.0])), m.tensor([2.0]).float_power(3)):
        assert out.dtype is m.float64 and out.tolist() == [8.0]
    x = m.tensor([2.0], dtype=m.float64)
    assert x.float_power_(3) is x and x.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="float_power_"):
        m.tensor([2.0]).float_power_(3)


def test_blends() -> None:
    """Factors of integers are cut to integers; a weight of 1 gives the end itself; dtypes must agree."""
    ones = m.tensor([1, 2])
    assert m.addcmul(ones, ones, ones, value=2.9).tolist() == [3, 10]
    assert ones.double().addcdiv_(ones.double(), ones.double() * 4, value=2).tolist() == [1.5, 2.5]
    with pytest.raises(RuntimeError, match="Integer division with addcdiv"):
        m.addcdiv(ones, ones, ones)
    with pytest.raises(NotImplementedError):
        m.addcmul(ones.bool(), ones.bool(), ones.bool())
    x, y = m.tensor([1e8, 1.0]), m.tensor([1.0, 3.0])
    assert m.lerp(x, y, 1.0).tolist() == [1.0, 3.0] and m.lerp(x, y, m.tensor([1.0, 0.25])).tolist() == [1.0, 1.5]
    assert x.lerp_(y, 0.0) is x and x.tolist() == [1e8, 1.0]
    with pytest.raises(RuntimeError, match="for `end` but got dtype"):
        m.lerp(x, y.double(), 0.5)
    with pytest.raises(NotImplementedError, match="lerp"):
        m.lerp(ones, ones, 0.5)


def test_nan_to_num() -> None:
    """The largest number of the dtype by default; integers stay; no gradient where something was replaced."""
    x = m.tensor([NAN, INF, -INF, 2.0], requires_grad=True)
    out = m.nan_to_num(x)
    assert out.tolist() == [0.0, float(np.finfo(np.float32).max), float(np.finfo(np.float32).min), 2.0]
    out.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert x.detach().nan_to_num_(1.0, 2.0, 3.0).tolist() == [1.0, 2.0, 3.0, 2.0]
    assert m.nan_to_num(m.tensor([3])).tolist() == [3]
    with pytest.raises(TypeError, match="argument 'nan' must be float"):
        m.nan_to_num(x, m.ones(2))


def test_isclose() -> None:
    """|x - y| <= atol + rtol |y|: not symmetric; infinities of one sign are close, NaN only on demand."""
    x, y = m.tensor([1.0, 1.1, INF, INF, NAN, 0.0]), m.tensor([1.0 + 1e-6, 1.0, INF, -INF, NAN, 1e-9])
    assert m.isclose(x, y).tolist() == [True, False, True, False, False, True]
    assert x.isclose(y, equal_nan=True).tolist() == [True, False, True, False, True, True]
    assert m.isclose(m.tensor([10.0]), m.tensor([9.0]), rtol=0.105).tolist() == [False]
    assert m.isclose(m.tensor([9.0]), m.tensor([10.0]), rtol=0.105).tolist() == [True]
    assert m.isclose(m.tensor([1, 2]), m.tensor([1, 3])).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="did not match"):
        m.isclose(x, y.double())
    with pytest.raises(RuntimeError, match="rtol must be greater"):
        m.isclose(x, y, rtol=-1.0)


def test_isin() -> None:
    """Either side may be a number, not both; bools are refused."""
    x = m.tensor([[1, 2], [3, 4]])
    assert m.isin(x, m.tensor([2, 3, 9])).tolist() == [[False, True], [True, False]]
    assert m.isin(x, 4, invert=True).tolist() == [[True, True], [True, False]]
    assert m.isin(2, x).item() is True
    with pytest.raises(TypeError, match="elements"):
        m.isin(1, 2)
    with pytest.raises(RuntimeError, match="Unsupported input type"):
        m.isin(x > 1, x > 1)


@pytest.mark.parametrize("copies", [1, 20_000])
def test_limits_and_signs(copies: int) -> None:
    """NaN, zeros of both signs, infinities; the same in a kernel."""
    x = m.tensor([0.0, -0.0, NAN, INF, -INF, 1.0] * copies)
    y = m.tensor([1.0, NAN, 2.0, NAN, 1.0, 1.0] * copies)
    expected: list[tuple[Callable, list]] = [
        (lambda: m.fmax(x, y), [1.0, 0.0, 2.0, INF, 1.0, 1.0]),
        (lambda: m.fmin(x, y), [0.0, 0.0, 2.0, INF, -INF, 1.0]),
        (lambda: m.clamp_min(x, y), [1.0, NAN, NAN, NAN, 1.0, 1.0]),
        (lambda: m.clamp_max(x, y), [0.0, NAN, NAN, NAN, -INF, 1.0]),
        (lambda: m.clamp_min(x, 0.5), [0.5, 0.5, NAN, INF, 0.5, 1.0]),
        (lambda: m.signbit(x), [False, True, False, False, True, False]),
        (lambda: m.isposinf(x), [False, False, False, True, False, False]),
        (lambda: m.isneginf(x), [False, False, False, False, True, False]),
        (lambda: m.isreal(x), [True] * 6),
        (lambda: m.heaviside(x, y), [1.0, NAN, 0.0, 1.0, 0.0, 1.0]),
        (lambda: m.rsub(x, y, alpha=2), [1.0, NAN, NAN, NAN, INF, -1.0]),
        (lambda: m.logaddexp2(x, x + 1), [np.log2(3), np.log2(3), NAN, INF, -INF, 1 + np.log2(3)]),
        (lambda: m.xlogy(x, 2), [0.0, 0.0, NAN, INF, -INF, np.log(2)]),
    ]
    for call, values in expected:
        found = call()
        assert found.dtype in (m.float32, m.bool)
        np.testing.assert_allclose(found.numpy(), np.asarray(values * copies, found.numpy().dtype), rtol=1e-6)


def test_equals_give_the_gradient_to_the_first() -> None:
    """fmax and fmin: all of it, where `maximum` shares."""
    for f in (m.fmax, m.fmin):
        x, y = m.tensor([1.0, NAN, 2.0], requires_grad=True), m.tensor([1.0, 1.0, NAN], requires_grad=True)
        f(x, y).sum().backward()
        assert x.grad.tolist() == [1.0, 0.0, 1.0] and y.grad.tolist() == [0.0, 1.0, 0.0]


def test_positive_is_the_tensor_itself() -> None:
    """No copy; bools have no sign."""
    x = m.ones(2)
    assert m.positive(x) is x and x.positive() is x
    with pytest.raises(RuntimeError, match="bool tensor"):
        m.positive(x > 0)


def test_a_column_and_a_row_make_a_large_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a kernel computes, though each of the two is small."""
    passes = []
    evaluate = kernels.evaluate
    monkeypatch.setattr(
        kernels, "evaluate", lambda *arguments: passes.append(arguments[0].name) or evaluate(*arguments)
    )
    x, y = m.randn(600, 1), m.randn(700)
    for found, expected in ((m.outer(x[:, 0], y), x.numpy() * y.numpy()), (x - y, x.numpy() - y.numpy())):
        np.testing.assert_array_equal(found.numpy(), expected)
    assert passes == ["multiply", "subtract"]
    assert (m.randn(600) * y[:600]).shape == (600,) and passes == ["multiply", "subtract"]
