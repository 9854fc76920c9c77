"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formula import Formula
from .optimizer import Params


class ASGD(Formula):
    """p = (1 - lambd * eta) * p - eta * g; the state "ax" averages p since step t0 (Polyak and Juditsky, 1992).

    eta = lr / (1 + lambd * lr * step) ** alpha. `foreach` and `capturable` change nothing. Raises ValueError for a
    negative lr or weight_decay.

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = ASGD([w], lr=0.25, lambd=0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.0]
    """

    like_parameter = ("ax",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _scalars(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "eta": float(group["lr"]), "mu": 1.0}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        """This step's eta and mu; those of the next step go into the state."""
        lr, lambd = float(group["lr"]), float(group["lambd"])
        eta, mu = state["eta"].array.item(), state["mu"].array.item()
        state["eta"].write().fill(lr / (1 + lambd * lr * count) ** group["alpha"])
        state["mu"].write().fill(1 / max(1.0, count - group["t0"]))
        return eta, mu, 1 - lambd * eta

    @staticmethod
    def _formula(p: Any, g: Any, ax: Any, eta: float, mu: float, shrink: float) -> tuple[Any, ...]:
        p = shrink * p - eta * g
        return p, p if mu == 1 else ax + mu * (p - ax)
