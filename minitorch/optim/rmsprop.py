"""RMSprop: gradients over their root mean square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch.autograd.tape import wrap

from .formula import Formula
from .optimizer import Params


class RMSprop(Formula):
    """p -= lr * d, where d = g / (sqrt(v) + eps), summed up over time by `momentum` (Hinton, 2012).

    v = alpha * v + (1 - alpha) * g * g; with `centered` less the square of the averaged gradient. `foreach` and
    `capturable` change nothing. Raises ValueError for a negative option.

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.5, alpha=0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("square_avg", "momentum_buffer", "grad_avg")
    checked = {
        "lr": "learning rate",
        "eps": "epsilon value",
        "momentum": "momentum value",
        "weight_decay": "weight_decay value",
        "alpha": "alpha value",
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _entries(self, group: Mapping[str, Any]) -> dict[str, float]:
        used = {"square_avg": True, "momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return {name: 0.0 for name, here in used.items() if here}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        lr, alpha, eps, momentum = (float(group[option]) for option in ("lr", "alpha", "eps", "momentum"))
        for name in self._entries(group).keys() - state.keys():  # an option that was switched on later
            state[name] = wrap(np.zeros_like(state["square_avg"].array))
        return lr, alpha, eps, momentum, bool(group["centered"])

    @staticmethod
    def _formula(
        p: Any, g: Any, v: Any, b: Any, mean: Any, lr: float, alpha: float, eps: float, momentum: float, centered: bool
    ) -> tuple[Any, ...]:
        v = alpha * v + (1 - alpha) * g * g
        if centered:
            mean = mean + (1 - alpha) * (g - mean)
        d = g / (np.sqrt(v - mean * mean if centered else v) + eps)
        if momentum > 0:
            d = b = momentum * b + d
        return p - lr * d, v, b, mean
