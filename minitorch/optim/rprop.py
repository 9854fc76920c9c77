"""Rprop: steps by the signs of gradients alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .formula import Formula
from .optimizer import Params


class Rprop(Formula):
    """p -= size * sign(g), where the size grows while the sign stays and shrinks when it turns (Riedmiller, 1993).

    size *= etas[1] where g keeps the sign it had, *= etas[0] where it turned: there p rests for one step. Sizes begin
    at `lr` and stay within `step_sizes`. `foreach` and `capturable` change nothing. Raises ValueError for a negative
    lr, or unless 0 < etas[0] < 1 < etas[1].

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Rprop([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        super()._check_options(group)
        down, up = group["etas"]
        if not 0 < down < 1 < up:
            raise ValueError(f"Invalid eta values: {down}, {up}")

    def _entries(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": float(group["lr"])}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        return (*map(float, group["etas"]), *map(float, group["step_sizes"]))

    @staticmethod
    def _formula(p: Any, g: Any, prev: Any, size: Any, down: float, up: float, least: float, most: float) -> tuple:
        agree = g * prev
        size = size * np.where(agree > 0, up, np.where(agree < 0, down, 1.0)).astype(p.dtype)
        size = np.minimum(np.maximum(size, least), most)
        g = np.where(agree < 0, 0, g)
        return p - np.sign(g) * size, g, size
