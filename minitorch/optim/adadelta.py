"""Adadelta: steps whose size follows from the steps before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class Adadelta(Formula):
    """p -= lr * d, with d = g * sqrt(u + eps) / sqrt(v + eps) (Zeiler, 2012).

    v = rho * v + (1 - rho) * g * g, u the same of d. `foreach` and `capturable` change nothing. Raises ValueError for a
    negative lr, eps or weight_decay, or a rho outside [0, 1].

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adadelta([w], rho=0.75, eps=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.10557281970977783, -1.0298573970794678]
    """

    like_parameter = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        super()._check_options(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Invalid rho value: {group['rho']}")

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        return float(group["lr"]), float(group["rho"]), float(group["eps"])

    @staticmethod
    def _formula(p: Any, g: Any, v: Any, u: Any, lr: float, rho: float, eps: float) -> tuple[Any, ...]:
        v = rho * v + (1 - rho) * g * g
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        return p - lr * d, v, rho * u + (1 - rho) * d * d
