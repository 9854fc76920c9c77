"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class Adamax(Formula):
    """p -= lr / (1 - beta1 ** step) * m / u, where u is a falling maximum (Kingma and Ba, 2015).

    m = beta1 * m + (1 - beta1) * g, u = max(beta2 * u, |g| + eps). `foreach` and `capturable` change nothing. Raises
    ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1).

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adamax([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        beta1, beta2 = map(float, group["betas"])
        return float(group["lr"]) / (1 - beta1**count), 1 - beta1, beta2, float(group["eps"])

    @staticmethod
    def _formula(p: Any, g: Any, m: Any, u: Any, rate: float, share: float, beta2: float, eps: float) -> tuple:
        m = m + share * (g - m)
        u = np.maximum(beta2 * u, abs(g) + eps)
        return p - rate * (m / u), m, u
