"""Rules of primitives: refused when they are wrong, called with what they ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from leaves import leaf

import minitorch as m
from minitorch.autograd import grad, primitive, registry


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
        ops["add"](x, 1.0),
        ops["exp"](x),
        ops["where"](x > 0, x, 0.0),
        ops["sum"](x, dim=(0,), keepdim=False),
        ops["reshape"](x, shape=(2, 1)),
        ops["linear"](x[None], x[None]),
        ops["add"](x.sum(), x.sum()),
    ):
        assert type(out) is np.ndarray
        assert out.dtype == np.float32
    assert ops["add"](x, np.ones(2)).dtype == np.float64
    assert type(ops["add"](x, m.ones(2))) is m.Tensor
