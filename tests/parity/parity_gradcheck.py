"""torch.autograd.gradcheck beside ours: signature, results, and the classes of exceptions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

LIBRARIES = {"torch": torch, "minitorch": minitorch}


def x(L: Any, *values: float, dtype: str = "float64") -> Any:
    """A vector that requires grad."""
    return L.tensor(list(values), dtype=getattr(L, dtype), requires_grad=True)


def op(L: Any, forward: Callable, backward: Callable) -> Any:
    """A Function of one input."""

    class Own(L.autograd.Function):
        """Made by `op`."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            """As given."""
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            """As given."""
            return backward(g, *ctx.saved_tensors)

    return Own.apply


def fussy(L: Any) -> Any:
    """Two results, whose rule fails where one has no gradient."""

    class Fussy(L.autograd.Function):
        """x and 2 x."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            """Gradients that are missing come as None."""
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            """Fails for None."""
            return g + 2 * h

    return Fussy.apply


def detached(L: Any, x: Any) -> Any:
    """Off the tape."""
    return (x * 2).detach()


def changed(x: Any) -> Any:
    """Writes to x."""
    y = x * 2
    x.data.mul_(2)
    return y


V = (0.5, -2.0, 1.5)
CASES = {  # name: (function of the library and its gradcheck)
    "right": lambda L, c: c(lambda x: x.exp() * x, x(L, *V)),
    "two": lambda L, c: c(lambda x, y: (x * y, x + y), (x(L, *V), x(L, 1.0, 2.0, 3.0))),
    "wrong": lambda L, c: c(op(L, lambda x: x * x * x, lambda g, x: g * x), x(L, *V)),
    "wrong, False": lambda L, c: c(op(L, lambda x: x**3, lambda g, x: g * x), x(L, *V), raise_exception=False),
    "wrong, fast": lambda L, c: c(op(L, lambda x: x**3, lambda g, x: g * x), x(L, *V), fast_mode=True),
    "right, fast": lambda L, c: c(lambda x: x.sin(), x(L, *V), fast_mode=True),
    "forward mode": lambda L, c: c(lambda x: x.sin() * x, x(L, *V), **forward(c)),
    "loose": lambda L, c: c(op(L, lambda x: x * 1, lambda g, x: g * 1.05), x(L, *V), rtol=0.1),
    "no grad wanted": lambda L, c: c(lambda x: x * 2, x(L, *V).detach()),
    "no inputs": lambda L, c: c(lambda: 2, ()),
    "expanded": lambda L, c: c(lambda x: x * 2, L.ones(1, dtype=L.float64).expand(3).requires_grad_()),
    "float32": lambda L, c: c(lambda x: (x * 3).sin(), x(L, *V, dtype="float32")),
    "float32, coarse": lambda L, c: c(lambda x: x * x, x(L, *V, dtype="float32"), eps=1e-2, atol=1e-2, rtol=1e-2),
    "integers": lambda L, c: c(lambda x: x.argmax(), x(L, *V)),
    "integers beside": lambda L, c: c(lambda x: (x * x, x.argmax()), x(L, *V)),
    "detached": lambda L, c: c(lambda x: (x * 2).detach(), x(L, *V)),
    "detached and flat": lambda L, c: c(lambda x: x.detach().round(), x(L, *V)),
    "detached beside": lambda L, c: c(lambda x: (x * x, (x * 2).detach()), x(L, *V)),
    "unused": lambda L, c: c(lambda x, y: x * x, (x(L, *V), x(L, 1.0))),
    "kink": lambda L, c: c(lambda x: x.relu(), x(L, 0.0, 1.0)),
    "pole": lambda L, c: c(lambda x: x.sqrt(), x(L, 0.0, 1.0)),
    "nan": lambda L, c: c(lambda x: x * x, x(L, float("nan"), 1.0)),
    "infinite": lambda L, c: c(lambda x: x * 2, x(L, float("inf"), 1.0)),
    "empty": lambda L, c: c(lambda x: x * x, x(L)),
    "list": lambda L, c: c(lambda x: [x * x, x.sin()], [x(L, *V)]),
    "number": lambda L, c: c(lambda x, n: x * n, (x(L, *V), 3.0)),
    "changes its input": lambda L, c: c(changed, x(L, *V)),
    "missing gradients": lambda L, c: c(fussy(L), x(L, *V)),
    "None": lambda L, c: c(op(L, lambda x: x * 2, lambda g, x: None), x(L, *V)),
    "not times g": lambda L, c: c(op(L, lambda x: x * 2, lambda g, x: 0 * g + 2 * (g != 0)), x(L, *V)),
    "plus something": lambda L, c: c(op(L, lambda x: x * 2, lambda g, x: 2 * g + 1), x(L, *V)),
    "wrong shape": lambda L, c: c(op(L, lambda x: x * 2, lambda g, x: g[:2]), x(L, *V)),
    "in place on a leaf": lambda L, c: c(lambda x: x.mul_(2), x(L, *V)),
    "a gradient inside": lambda L, c: c(lambda x: L.autograd.grad((x**3).sum(), x, create_graph=True)[0], x(L, *V)),
    "detached in backward": lambda L, c: c(op(L, lambda x: x**3, lambda g, x: 3 * g * x.detach() ** 2), x(L, *V)),
}
OPTIONS = {
    "gradcheck": [
        {"check_backward_ad": False},
        {"check_backward_ad": False, "check_forward_ad": True},
        {"check_batched_grad": True, "check_backward_ad": False, "check_forward_ad": True},
        {"check_batched_forward_grad": True},
        {"check_undefined_grad": False},
        {"check_grad_dtypes": True},
        {"masked": True},
    ],
    "gradgradcheck": [
        {"check_rev_over_rev": False},
        {"check_rev_over_rev": False, "check_fwd_over_rev": True},
        {"check_rev_over_rev": False, "check_fwd_over_rev": True, "check_undefined_grad": False},
        {"check_fwd_over_rev": True},
        {"gen_non_contig_grad_outputs": True},
    ],
}


def forward(check: Callable) -> dict:
    """The setting that asks for forward mode."""
    return {"check_fwd_over_rev" if check.__name__ == "gradgradcheck" else "check_forward_ad": True}


def outcome(run: Callable) -> Any:
    """What is returned, or the class that is raised, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run()
        except Exception as error:  # noqa: BLE001
            return type(error).__name__


@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
def test_signatures(check: str) -> None:
    """The same names, kinds and defaults, in the same order."""
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(getattr(L.autograd, check)).parameters.values()]
        for L in (minitorch, torch)
    )
    assert ours == theirs
    assert issubclass(minitorch.autograd.GradcheckError, RuntimeError)


# Where ours is another class, or says what PyTorch leaves unsaid: (check, case): (ours, PyTorch's)
DIFFERENT: dict[tuple[str, str], tuple] = {
    ("gradgradcheck", "no inputs"): ("ValueError", "AttributeError"),
    ("gradgradcheck", "changes its input"): ("GradcheckError", True),
}


@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
@pytest.mark.parametrize("case", CASES)
def test_results(check: str, case: str) -> None:
    """True, False, or the class of the exception."""
    found = tuple(outcome(lambda L=L: CASES[case](L, getattr(L.autograd, check))) for L in (minitorch, torch))
    expected = DIFFERENT.get((check, case))
    assert found == expected if expected else found[0] == found[1], found


@pytest.mark.parametrize("check, settings", [(c, s) for c, rows in OPTIONS.items() for s in rows])
def test_settings(check: str, settings: dict) -> None:
    """Combinations of settings are refused, or accepted, as PyTorch does."""
    ours, theirs = (
        outcome(lambda L=L: getattr(L.autograd, check)(lambda x: x.sin() * x, x(L, *V), **settings))
        for L in (minitorch, torch)
    )
    assert ours == theirs
    assert np.isscalar(ours)
