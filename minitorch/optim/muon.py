"""Muon: steps along the orthogonal matrix next to the averaged gradient."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np

from minitorch.autograd.quiet import quietly
from minitorch.tensor import Tensor

from .formula import Formula
from .optimizer import Params


class Muon(Formula):
    """p = (1 - lr * weight_decay) * p - rate * O(d), for matrices: the hidden layers of a network (Jordan, 2024).

    b = momentum * b + (1 - momentum) * g, and d = momentum * b + (1 - momentum) * g with `nesterov`, else b. O(d) has
    the singular vectors of d and singular values near 1: `ns_steps` times X = (a + (b + c * X X^T) X X^T) X, from d
    over its norm, with `ns_coefficients` a, b, c. rate = lr * sqrt(max(1, rows / columns)), or with `adjust_lr_fn`
    "match_rms_adamw" lr * 0.2 * sqrt(max(rows, columns)).

    The iteration runs in the parameter's dtype, where PyTorch rounds to bfloat16: steps differ by about a hundredth.
    Raises ValueError for parameters that are no matrices and for options out of range.

    >>> import minitorch
    >>> w = minitorch.tensor([[3.0, 0.0], [0.0, 0.1]], requires_grad=True)
    >>> optimizer = Muon([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w[0, 1].item()
    0.0
    """

    like_parameter = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As `Optimizer.add_param_group`; raises ValueError for a parameter that is no matrix."""
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                self.param_groups.pop()
                raise ValueError(
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{tuple(p.shape)}; give it to another optimizer, AdamW for instance"
                )

    def _check_options(self, group: Mapping[str, Any]) -> None:
        for option, words in {"lr": "Learning rate", "momentum": "momentum", "weight_decay": "weight decay"}.items():
            if not group[option] >= 0:
                raise ValueError(f"{words} should be >= 0 but is: {group[option]}")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {group['adjust_lr_fn']} is not supported")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")

    def _scalars(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {}

    @quietly
    def _advance(self, p: Tensor, group: Mapping[str, Any], state: dict[str, Any], count: float) -> None:
        x, g, buffer = p.write(), p.grad.array, state["momentum_buffer"].write()
        lr, momentum = float(group["lr"]), float(group["momentum"])
        rows, columns = x.shape
        buffer += (1 - momentum) * (g - buffer)
        d = g + momentum * (buffer - g) if group["nesterov"] else buffer
        if group["adjust_lr_fn"] == "match_rms_adamw":
            rate = lr * 0.2 * sqrt(max(rows, columns))
        else:
            rate = lr * sqrt(max(1, rows / columns)) if columns else lr
        a, b, c = map(float, group["ns_coefficients"])
        o = d.T if rows > columns else d  # the smaller square below
        o = o / max(float(np.linalg.norm(o)), float(group["eps"]))
        for _ in range(group["ns_steps"]):
            square = o @ o.T
            o = a * o + (b * square + c * (square @ square)) @ o
        x *= 1 - lr * float(group["weight_decay"])
        x -= rate * (o.T if rows > columns else o)
