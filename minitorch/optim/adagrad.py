"""Adagrad: every element has a rate that falls with what its gradients were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class Adagrad(Formula):
    """p -= rate * g / (sqrt(s) + eps), where s is the sum of all squared gradients (Duchi, Hazan and Singer, 2011).

    rate = lr / (1 + (step - 1) * lr_decay). `foreach` and `fused` change nothing. Raises ValueError for a negative
    option.

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("sum",)
    checked = {
        "lr": "learning rate",
        "lr_decay": "lr_decay value",
        "weight_decay": "weight_decay value",
        "initial_accumulator_value": "initial_accumulator_value value",
        "eps": "epsilon value",
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # PyTorch's checkpoints hold a state from the beginning
            for p in group["params"]:
                self.state[p] = self._begin(p, self.defaults)

    def _entries(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"sum": float(self.defaults["initial_accumulator_value"])}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        return float(group["lr"]) / (1 + (count - 1) * group["lr_decay"]), float(group["eps"])

    @staticmethod
    def _formula(p: Any, g: Any, s: Any, rate: float, eps: float) -> tuple[Any, ...]:
        s = s + g * g
        return p - rate * (g / (np.sqrt(s) + eps)), s
