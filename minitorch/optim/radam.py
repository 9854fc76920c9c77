"""RAdam: Adam that waits until its mean square can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class RAdam(Formula):
    """Adam with a rectified rate: p -= lr * r * m' / (sqrt(v') + eps) (Liu et al., 2020).

    With far = 2 / (1 - beta2) - 1 and n = far - 2 * step * beta2 ** step / (1 - beta2 ** step), which is how many
    gradients v' averages: r = sqrt((n - 4) (n - 2) far / ((far - 4) (far - 2) n)) where n > 5; before that the step is
    lr * m'. m', v' and the options are Adam's. Raises ValueError for a negative option, or a beta outside [0, 1).

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> [round(x, 5) for x in w.tolist()]
    [0.5, -1.0]
    """

    like_parameter = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        beta1, beta2 = map(float, group["betas"])
        rate, correction = float(group["lr"]) / (1 - beta1**count), 1 - beta2**count
        far = 2 / (1 - beta2) - 1
        n = far - 2 * count * beta2**count / correction
        trusted = n > 5
        if trusted:
            rate *= (correction * (n - 4) * (n - 2) * far / ((far - 4) * (far - 2) * n)) ** 0.5
        return 1 - beta1, beta2, rate, float(group["eps"]), trusted

    @staticmethod
    def _formula(
        p: Any, g: Any, m: Any, v: Any, share: float, beta2: float, rate: float, eps: float, trusted: bool
    ) -> tuple[Any, ...]:
        m = m + share * (g - m)
        v = beta2 * v + (1 - beta2) * g * g
        return p - rate * (m / (np.sqrt(v) + eps) if trusted else m), m, v
