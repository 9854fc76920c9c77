"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch import kernels
from minitorch.autograd import plain
from minitorch.autograd.quiet import quietly
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
        self._check_options(defaults)
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        if not group["lr"] >= 0:
            raise ValueError(f"Invalid learning rate: {group['lr']}")
        if not group["momentum"] >= 0:
            raise ValueError(f"Invalid momentum value: {group['momentum']}")
        if not group["weight_decay"] >= 0:
            raise ValueError(f"Invalid weight_decay value: {group['weight_decay']}")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first with grad on, returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            momentum = group["momentum"]
            found: Any = defaultdict(lambda: ([], []))  # by dtype: rows of arrays, and whether their buffers are new
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                x = p.write()
                rows, fresh = found[x.dtype]
                if momentum:
                    state = self.state[p]
                    buffer = state.get("momentum_buffer")
                    fresh.append(buffer is None)
                    if buffer is None:
                        state["momentum_buffer"] = buffer = wrap(np.empty_like(x))
                    rows.append((x, grad.array, buffer.array))
                else:
                    fresh.append(False)
                    rows.append((x, grad.array))
            for dtype, (rows, fresh) in found.items():
                _update(rows, fresh, group, dtype)
        return loss


@quietly
def _update(rows: list[tuple], fresh: list[bool], group: dict[str, Any], dtype: np.dtype) -> None:
    """One step of all rows (parameter, gradient[, momentum buffer]) of one dtype."""
    settings = map(float, (group["lr"], group["weight_decay"], group["momentum"], 1 - group["dampening"]))
    scalars = np.array([*settings], dtype)
    flags = bool(group["weight_decay"]), bool(group["nesterov"]), bool(group["maximize"])
    if not plain.enabled and kernels.update("sgd", rows, scalars, np.array(fresh), *flags):
        return
    # 0-d arrays are cheaper in every operation than Python floats (0.2 us against 0.4 for 64 elements), and they keep
    # the parameter's dtype where a float64 scalar would not.
    lr, decay, momentum, share = (scalars[i, ...] for i in range(4))
    for (p, g, *buffer), new in zip(rows, fresh, strict=True):
        in_blocks(_descend, (p, g, *(buffer or (None,))), new, lr, momentum, share, decay, *flags)


def _descend(
    p: np.ndarray,
    g: np.ndarray,
    buffer: np.ndarray | None,
    fresh: bool,
    lr: np.ndarray,
    momentum: np.ndarray,
    share: np.ndarray,
    weight_decay: np.ndarray,
    decays: bool,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of p, and of its momentum `buffer`, which holds nothing yet if `fresh`: the formulas of SGD, in place.

    g must stay as it is. buffer: None without momentum. share: 1 - dampening. decays: whether weight_decay is not 0.
    """
    # BEGIN SOLUTION 5.4
    if maximize:
        g = -g
    if decays:
        g = weight_decay * p + g
    if buffer is not None:
        if fresh:
            buffer[...] = g
        else:
            buffer *= momentum
            buffer += share * g
        g = momentum * buffer + g if nesterov else buffer
    p -= lr * g
    # END SOLUTION
