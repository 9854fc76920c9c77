"""Derivatives as functions of functions: values known by hand, where they are on the tape, and modules as functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from leaves import leaf

import minitorch as m
from minitorch import func, nn


def t(*values: float) -> Any:
    """A float64 tensor."""
    return m.tensor(list(values), dtype=m.float64)


def test_any_order() -> None:
    """Transforms nest."""
    f, x = (lambda x: x**4), m.tensor(2.0)
    for expected in (32.0, 48.0, 48.0, 24.0, 0.0):
        f = func.grad(f)
        assert f(x).item() == expected
    assert not f(x).requires_grad


def test_trees_and_several_arguments() -> None:
    """Gradients have the form of what they are for; ints and other arguments are handed through."""
    slopes, value = func.grad_and_value(lambda p, k, x: (p["a"] * p["b"][0]).sum() * k + x.sum(), argnums=(0, 2))(
        {"a": t(1, 2), "b": [t(3, 4)]}, 2, t(5.0)
    )
    assert value.item() == 27.0
    assert slopes[0]["a"].tolist() == [6.0, 8.0] and slopes[0]["b"][0].tolist() == [2.0, 4.0]
    assert slopes[1].tolist() == [1.0]


def test_results_are_on_the_tape_where_something_outside_is() -> None:
    """Weights that the function uses, or an input that requires grad: the gradient of the gradient reaches them."""
    w = leaf(1.0, 2.0)
    found = func.grad(lambda x: (w * x * x).sum())(t(3, 4))
    assert found.tolist() == [6.0, 16.0] and found.requires_grad
    found.sum().backward()
    assert w.grad.tolist() == [6.0, 8.0]
    assert not func.grad(lambda x: (x * x).sum())(t(3, 4)).requires_grad
    x = leaf(1.0, 2.0)
    (second,) = m.autograd.grad(func.grad(lambda x: (x**3).sum())(x).sum(), x)
    assert second.tolist() == [6.0, 12.0]
    with m.no_grad():
        assert not func.grad(lambda x: (w * x).sum())(t(3, 4)).requires_grad


def test_products() -> None:
    """vjp, jvp and linearize by hand: f(x, y) = (x y, sum x)."""

    def f(x: Any, y: Any) -> Any:
        return x * y, x.sum()

    (first, second), back = func.vjp(f, t(1, 2), t(3, 4))
    assert first.tolist() == [3.0, 8.0] and second.item() == 3.0
    gx, gy = back((t(1, 10), m.tensor(100.0, dtype=m.float64)))
    assert gx.tolist() == [103.0, 140.0] and gy.tolist() == [1.0, 20.0]
    (value, total), (along, of_total) = func.jvp(f, (t(1, 2), t(3, 4)), (t(1, 0), t(0, 1)))
    assert value.tolist() == [3.0, 8.0] and total.item() == 3.0
    assert along.tolist() == [3.0, 2.0] and of_total.item() == 1.0
    _, linear = func.linearize(lambda x: x * x, t(1, 2))
    assert linear(t(1, 1)).tolist() == [2.0, 4.0]


@pytest.mark.parametrize("transform", [func.jacrev, func.jacfwd])
def test_jacobians(transform: Any) -> None:
    """Shape output + input; tuples for several arguments, the form of the output outside."""
    a, b = transform(lambda x, y: {"k": x[:, None] * y}, argnums=(0, 1))(t(1, 2), t(3, 4, 5))["k"]
    assert a.shape == (2, 3, 2) and b.shape == (2, 3, 3)
    assert a[:, :, 1].tolist() == [[0.0] * 3, [3.0, 4.0, 5.0]]
    assert b[1].tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    assert transform(lambda x: x[:0] * 2)(t(1, 2)).shape == (0, 2)


def test_hessian() -> None:
    """Of x0^2 x1."""
    assert func.hessian(lambda x: x[0] ** 2 * x[1])(t(3, 5)).tolist() == [[10.0, 6.0], [6.0, 0.0]]


def test_vmap() -> None:
    """Slices along any dimension, shared arguments, results stacked where they are wanted; gradients per sample."""
    x = m.tensor(np.arange(6.0).reshape(2, 3))
    assert (
        func.vmap(lambda a, b: a * b, in_dims=(1, None), out_dims=1)(x, t(1, 2)).tolist()
        == (x * t(1, 2)[:, None]).tolist()
    )
    assert func.vmap(lambda d: d["a"].sum(), in_dims=({"a": -1},))({"a": x}).tolist() == [3.0, 5.0, 7.0]
    w = leaf(1.0, 1.0, 1.0)
    each = func.vmap(func.grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))(w, x)
    assert each.tolist() == [[0.0, 6.0, 12.0], [72.0, 96.0, 120.0]]


def test_modules_as_functions() -> None:
    """Weights are replaced for one call, tied ones together, and are there again after an error."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    own = net[0].weight
    x = m.ones(1, 2)
    assert func.functional_call(net, {"0.weight": m.full((2, 2), 2.0)}, x).tolist() == [[16.0, 16.0]]
    apart = func.functional_call(net, {"0.weight": m.full((2, 2), 2.0)}, x, tie_weights=False)
    assert apart.tolist() == net[1](m.full((1, 2), 4.0)).tolist()
    with pytest.raises(RuntimeError):
        func.functional_call(net, {"0.weight": m.ones(3, 3)}, x)
    assert net[0].weight is own and net[1].weight is own
    slopes = func.grad(lambda p: func.functional_call(net, p, x).sum())({"0.weight": m.full((2, 2), 2.0)})
    assert slopes["0.weight"].tolist() == [[8.0, 8.0], [8.0, 8.0]]


def test_an_ensemble() -> None:
    """Stacked states, mapped over."""
    nets = [nn.Linear(2, 1) for _ in range(3)]
    state, buffers = func.stack_module_state(nets)
    x = m.randn(4, 2)
    found = func.vmap(lambda p, b, x: func.functional_call(nets[0], (p, b), x), in_dims=(0, 0, None))(state, buffers, x)
    for i, net in enumerate(nets):
        np.testing.assert_array_equal(found[i].detach().numpy(), net(x).detach().numpy())
    found.sum().backward()
    assert state["weight"].grad.shape == (3, 1, 2)


WRONG = [
    (lambda: func.grad(lambda x: x * 2)(t(1, 2)), RuntimeError, "scalar tensor"),
    (lambda: func.grad(lambda x: 3.0)(t(1)), RuntimeError, "return a tensor"),
    (lambda: func.grad(lambda x: x)(3.0), ValueError, "must be Tensor"),
    (lambda: func.grad(lambda x: x, argnums=1)(t(1)), RuntimeError, "argnum=1"),
    (lambda: func.grad(lambda x, y: x, argnums=(0, 0))(t(1), t(1)), RuntimeError, "unique"),
    (lambda: func.grad(lambda x: x.sum(), has_aux=True)(t(1)), RuntimeError, "tuple"),
    (lambda: func.vjp(lambda x: x, t(1))[1](t(1, 2)), RuntimeError, "shapes"),
    (lambda: func.jvp(lambda x: x, (t(1),), (t(1, 2),)), RuntimeError, "same shapes"),
    (lambda: func.jvp(lambda x: x, t(1), t(1)), RuntimeError, "tuples"),
    (lambda: func.vmap(lambda a, b: a)(t(1), t(1, 2)), ValueError, "same size"),
    (lambda: func.vmap(lambda a: a, in_dims=None)(t(1)), ValueError, "in_dims"),
    (lambda: func.vmap(lambda a, b: a, in_dims=(None, None))(t(1), t(1)), ValueError, "at least one"),
    (lambda: func.vmap(lambda a: a, in_dims=(0, 0))(t(1)), ValueError, "structure"),
    (lambda: func.functional_call(nn.Linear(1, 1), {"weight": t(1)}, t(1), strict=True), RuntimeError, "missing names"),
    (lambda: func.functional_call(nn.Linear(1, 1), [{"bias": t(1)}, {"bias": t(1)}], t(1)), ValueError, "multiple"),
    (lambda: func.functional_call(nn.Linear(1, 1), 3, t(1)), ValueError, "dict"),
    (lambda: func.stack_module_state([]), RuntimeError, "at least one"),
    (lambda: func.stack_module_state([nn.Linear(1, 1), nn.ReLU()]), RuntimeError, "same class"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_wrong_calls(call: Any, kind: type, words: str) -> None:
    """PyTorch's classes."""
    with pytest.raises(kind, match=words):
        call()
