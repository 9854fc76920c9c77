"""NAdam: Adam with Nesterov's look ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class NAdam(Formula):
    """p -= lr * (share of m + share of g) / (sqrt(v') + eps): Adam whose momentum looks one step ahead (Dozat, 2016).

    mu(t) = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2), and "mu_product" is the product of all mu so far; the shares
    are mu(t + 1) / (1 - mu_product * mu(t + 1)) and (1 - mu(t)) / (1 - mu_product). m, v and the options are Adam's.
    Raises ValueError for a negative option, or a beta outside [0, 1).

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = NAdam([w], lr=0.5, betas=(0.0, 0.5))
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("exp_avg", "exp_avg_sq")
    checked = {**Formula.checked, "momentum_decay": "momentum_decay value"}

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _scalars(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
        mu, ahead = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (count, count + 1))
        product = state["mu_product"].write()
        product *= mu
        so_far = product.item()
        of_g, of_m = lr * (1 - mu) / (1 - so_far), lr * ahead / (1 - so_far * ahead)
        return 1 - beta1, beta2, 1 - beta2**count, float(group["eps"]), of_g, of_m

    @staticmethod
    def _formula(
        p: Any,
        g: Any,
        m: Any,
        v: Any,
        share: float,
        beta2: float,
        correction: float,
        eps: float,
        of_g: float,
        of_m: float,
    ) -> tuple[Any, ...]:
        m = m + share * (g - m)
        v = beta2 * v + (1 - beta2) * g * g
        return p - (of_g * g + of_m * m) / (np.sqrt(v / correction) + eps), m, v
