"""torch.func beside minitorch.func: values, structure, what requires grad, and the classes of errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch


def drawn(L: Any, *shape: int) -> Any:
    """The same float32 numbers in either library."""
    return L.from_numpy((np.random.default_rng(len(shape)).random(shape) + 0.5).astype(np.float32))


def ensemble(L: Any) -> Any:
    nets = [L.nn.Linear(3, 2) for _ in range(3)]
    for i, net in enumerate(nets):
        for p in net.parameters():
            L.nn.init.constant_(p, i + 1.0)
    state, buffers = L.func.stack_module_state(nets)
    call = lambda p, b, x: L.func.functional_call(nets[0], (p, b), (x,))  # noqa: E731
    return L.func.vmap(call, in_dims=(0, 0, None))(state, buffers, drawn(L, 4, 3))


def module(L: Any) -> Any:
    net = L.nn.Sequential(L.nn.Linear(3, 2), L.nn.Tanh(), L.nn.Linear(2, 1))
    state = {name: L.full(tuple(value.shape), 0.3) for name, value in net.state_dict().items()}
    loss = lambda p: L.func.functional_call(net, p, (drawn(L, 4, 3),)).sum()  # noqa: E731
    return L.func.functional_call(net, state, (drawn(L, 4, 3),)), L.func.grad(loss)(state)


def within_no_grad(L: Any) -> Any:
    with L.no_grad():
        return L.func.grad(lambda x: (x**2).sum())(drawn(L, 3).requires_grad_())


def through(L: Any) -> Any:
    x = drawn(L, 3).requires_grad_()
    return L.autograd.grad(L.func.grad(lambda x: (x**3).sum())(x).sum(), x)[0]


def captured(L: Any) -> Any:
    w = drawn(L, 3).requires_grad_()
    return L.func.grad(lambda x: (x**3 * w).sum())(drawn(L, 3))


CASES: list[Callable] = [
    lambda L: L.func.grad(lambda x: (x**3).sum())(drawn(L, 3)),
    lambda L: L.func.grad(L.func.grad(lambda x: x**3))(L.tensor(2.0)),
    lambda L: L.func.grad_and_value(lambda x, y: (x * y).sum(), argnums=(0, 1))(drawn(L, 3), drawn(L, 3)),
    lambda L: L.func.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": drawn(L, 3), "b": [drawn(L, 3)]}),
    lambda L: L.func.grad(lambda x: ((x**2).sum(), x * 2), has_aux=True)(drawn(L, 3)),
    lambda L: L.func.grad(lambda x: (x**2).sum())(drawn(L, 3).requires_grad_()),
    lambda L: L.func.grad(lambda x: (x * 2).sum())(drawn(L, 3).requires_grad_()),
    lambda L: L.func.vjp(lambda x: (x * x, x.sum()), drawn(L, 3))[1]((drawn(L, 3), L.tensor(1.0))),
    lambda L: L.func.jvp(lambda x, y: x * y, (drawn(L, 3), drawn(L, 3)), (drawn(L, 3), drawn(L, 3))),
    lambda L: L.func.linearize(lambda x: x.sin(), drawn(L, 3))[1](drawn(L, 3)),
    lambda L: L.func.jacrev(lambda x: x * x)(drawn(L, 3)),
    lambda L: L.func.jacrev(lambda x, y: (x * x, x.sum() * y), argnums=(0, 1))(drawn(L, 3), drawn(L, 2)),
    lambda L: L.func.jacrev(lambda x: (x**2, {"k": x * 2}), has_aux=True)(drawn(L, 3)),
    lambda L: L.func.jacfwd(lambda x: x.sin())(drawn(L, 2, 2)),
    lambda L: L.func.hessian(lambda x: (x**3).sum() * x[0])(drawn(L, 3)),
    lambda L: L.func.vmap(lambda a, b: a @ b)(drawn(L, 3, 2), drawn(L, 3, 2)),
    lambda L: L.func.vmap(lambda a, b: a * b, in_dims=(1, None), out_dims=1)(drawn(L, 3, 2), drawn(L, 3)),
    lambda L: L.func.vmap(lambda d: d["a"] * 2, in_dims=({"a": 0},))({"a": drawn(L, 3, 2)}),
    lambda L: L.func.vmap(L.func.grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))(drawn(L, 3), drawn(L, 5, 3)),
    lambda L: L.vmap(lambda x: (x, x.sum()), out_dims=(1, 0))(drawn(L, 3, 2)),
    lambda L: L.func.grad(lambda x: x * 2)(drawn(L, 3)),
    lambda L: L.func.grad(lambda x: x * 2)(3.0),
    lambda L: L.func.grad(lambda x: 3.0)(drawn(L, 3)),
    lambda L: L.func.grad(lambda x: x.sum(), argnums=1)(drawn(L, 3)),
    lambda L: L.func.vmap(lambda a, b: a)(drawn(L, 3), drawn(L, 2)),
    lambda L: L.func.vmap(lambda a: a, in_dims=None)(drawn(L, 3)),
    lambda L: L.func.vmap(lambda a: a, in_dims=(None,))(drawn(L, 3)),
    lambda L: L.func.jacrev(lambda x: x.sum())("a"),
    lambda L: L.func.vjp(lambda x: x * x, drawn(L, 3))[1](drawn(L, 2)),
    lambda L: L.func.jvp(lambda x: x * x, (drawn(L, 3),), (drawn(L, 2),)),
    lambda L: L.func.jvp(lambda x: x * x, drawn(L, 3), drawn(L, 3)),
    lambda L: L.func.functional_call(L.nn.Linear(2, 1), {"weight": drawn(L, 1, 2)}, drawn(L, 3, 2), strict=True),
    lambda L: L.func.functional_call(L.nn.Linear(2, 1), [{"bias": drawn(L, 1)}, {"bias": drawn(L, 1)}], drawn(L, 3, 2)),
    lambda L: L.func.functional_call(L.nn.Linear(2, 1), 3, drawn(L, 3, 2)),
    lambda L: L.func.stack_module_state([]),
    ensemble,
    module,
    within_no_grad,
    through,
    captured,
]


def outcome(case: Callable, L: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's forward mode warns of its own parts
            return case(L)
    except Exception as error:  # noqa: BLE001
        return error


def same(found: Any, expected: Any) -> None:
    """The same structure, numbers and flags."""
    if isinstance(expected, Exception):
        assert type(found) is type(expected), f"{found!r}, PyTorch: {expected!r}"
    elif isinstance(expected, torch.Tensor):
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
        assert found.requires_grad == expected.requires_grad
    else:
        assert type(found) is type(expected) and len(found) == len(expected)
        pairs = (
            ((found[k], v) for k, v in expected.items())
            if isinstance(expected, dict)
            else zip(found, expected, strict=True)
        )
        for a, b in pairs:
            same(a, b)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_func(number: int) -> None:
    """Case by case."""
    same(outcome(CASES[number], minitorch), outcome(CASES[number], torch))
