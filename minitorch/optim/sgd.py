"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch.autograd.tape import wrap

from .optimizer import Optimizer, Params, as_number, evaluate, in_blocks


class SGD(Optimizer):
    """p -= lr * d, where d is the gradient, plus `weight_decay` * p, averaged over time by `momentum`.

    g = gradient + weight_decay * p              (the gradient's sign is turned with maximize)
    b = momentum * b + (1 - dampening) * g       (the first step: b = g)
    d = g + momentum * b if nesterov else b      (without momentum: d = g)

    `foreach` and `fused` are accepted for PyTorch's sake and change nothing. Raises ValueError for a negative lr,
    momentum or weight_decay, and for nesterov without momentum or with dampening.

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.0, 0.0]
    """

    like_parameter = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        lr, weight_decay = as_number("lr", lr), as_number("weight_decay", weight_decay)
        if not lr >= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not momentum >= 0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if not weight_decay >= 0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first with grad on, returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            scalars: dict[np.dtype, tuple] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                x = p.array
                if x.dtype not in scalars:
                    scalars[x.dtype] = _scalars(group, x.dtype)
                buffer, fresh = None, False
                if group["momentum"]:
                    state = self.state[p]
                    fresh = state.get("momentum_buffer") is None
                    if fresh:
                        state["momentum_buffer"] = wrap(np.empty_like(x))
                    buffer = state["momentum_buffer"].array
                in_blocks(_descend, (x, p.grad.array, buffer), fresh, *scalars[x.dtype])
                p.bump()
        return loss


def _scalars(group: dict[str, Any], dtype: np.dtype) -> tuple:
    """A group's options as `_descend` takes them.

    They are 0-d arrays: cheaper in every operation than Python floats (0.2 us against 0.4 for 64 elements), and they
    keep the parameter's dtype where a float64 scalar would not.
    """
    lr, momentum, weight_decay, fresh_share = (
        np.array(float(value), dtype)
        for value in (group["lr"], group["momentum"], group["weight_decay"], 1 - group["dampening"])
    )
    return (
        lr,
        momentum,
        fresh_share if group["dampening"] else None,
        weight_decay if group["weight_decay"] else None,
        group["nesterov"],
        group["maximize"],
    )


def _descend(
    p: np.ndarray,
    g: np.ndarray,
    buffer: np.ndarray | None,
    fresh: bool,
    lr: np.ndarray,
    momentum: np.ndarray,
    fresh_share: np.ndarray | None,
    weight_decay: np.ndarray | None,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of p, and of its momentum `buffer`, which holds nothing yet if `fresh`."""
    if maximize:
        g = -g
    if weight_decay is not None:
        g = weight_decay * p + g
    if buffer is not None:
        if fresh:
            buffer[...] = g
        else:
            buffer *= momentum
            buffer += g if fresh_share is None else fresh_share * g
        g = momentum * buffer + g if nesterov else buffer
    p -= lr * g
