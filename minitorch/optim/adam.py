"""Adam, with weight decay in the gradient or (as AdamW) apart from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from minitorch import kernels
from minitorch.autograd import plain
from minitorch.autograd.quiet import quietly
from minitorch.autograd.tape import wrap

from .optimizer import Optimizer, Params, as_number, evaluate, in_blocks


class Adam(Optimizer):
    """p -= lr * m' / (sqrt(v') + eps): a gradient averaged over time, over its root mean square (Kingma and Ba, 2015).

    g = gradient + weight_decay * p       (with decoupled_weight_decay, p *= 1 - lr * weight_decay instead)
    m = beta1 * m + (1 - beta1) * g       m' = m / (1 - beta1 ** step)
    v = beta2 * v + (1 - beta2) * g * g   v' = v / (1 - beta2 ** step)      (amsgrad: the largest v so far)

    `maximize` turns the gradient's sign. `foreach`, `fused` and `capturable` are accepted for PyTorch's sake and change
    nothing. Raises ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1).

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    like_parameter = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        lr = as_number("lr", lr)
        beta1, beta2 = (as_number(f"betas[{index}]", beta) for index, beta in enumerate(betas))
        defaults = {
            "lr": lr,
            "betas": (beta1, beta2),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        self._check_options(defaults)
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        if not group["lr"] >= 0:
            raise ValueError(f"Invalid learning rate: {group['lr']}")
        if not group["eps"] >= 0:
            raise ValueError(f"Invalid epsilon value: {group['eps']}")
        for index, beta in enumerate(group["betas"]):
            if not 0 <= beta < 1:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        if not group["weight_decay"] >= 0:
            raise ValueError(f"Invalid weight_decay value: {group['weight_decay']}")

    def _needs(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return ("step", *self.like_parameter[: 3 if group["amsgrad"] else 2])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As `Optimizer.load_state_dict`; step counts may be plain numbers."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            if isinstance(state.get("step"), (int, float)):
                state["step"] = wrap(np.array(state["step"], np.float32))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first with grad on, returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            rows = defaultdict(list)  # by dtype and step count
            for p in group["params"]:
                if p.grad is None:
                    continue
                x, state = p.array, self.state[p]
                if not state:
                    state["step"] = wrap(np.zeros((), np.float32))
                    state["exp_avg"] = wrap(np.zeros_like(x))
                    state["exp_avg_sq"] = wrap(np.zeros_like(x))
                    if group["amsgrad"]:
                        state["max_exp_avg_sq"] = wrap(np.zeros_like(x))
                count = state["step"].array.item() + 1
                state["step"].write().fill(count)
                arrays: tuple = x, p.grad.array, state["exp_avg"].array, state["exp_avg_sq"].array
                if group["amsgrad"]:
                    arrays = *arrays, state["max_exp_avg_sq"].array
                rows[x.dtype, count].append(arrays)
                p.write()
            for (dtype, count), table in rows.items():
                _update(table, group, dtype, count)
        return loss


@quietly
def _update(rows: list[tuple], group: dict[str, Any], dtype: np.dtype, count: float) -> None:
    """Step `count` of all rows (parameter, gradient, average, average of squares[, its peak]) of one dtype.

    The corrections m' and v' fold into two scalars, which saves one pass: with c, the root of what v is divided by,
    lr * m' / (sqrt(v') + eps) = rate * m / (sqrt(v) + c * eps). `correction` is c.
    """
    lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
    beta1, beta2 = map(float, group["betas"])
    # BEGIN SOLUTION 5.5
    correction = sqrt(1 - beta2**count)
    rate = lr * correction / (1 - beta1**count)
    # END SOLUTION
    apart = bool(weight_decay and group["decoupled_weight_decay"])
    flags = apart, bool(weight_decay and not apart), bool(group["maximize"])
    scalars = np.array(
        [1 - beta1, beta2, 1 - beta2, eps * correction, rate, 1 - lr * weight_decay, weight_decay], dtype
    )
    if not plain.enabled and kernels.update("adam", rows, scalars, *flags):
        return
    for p, g, m, v, *peak in rows:
        in_blocks(_descend, (p, g, m, v, *(peak or (None,))), *(scalars[i, ...] for i in range(7)), *flags)


def _descend(
    p: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    peak: np.ndarray | None,
    share1: np.ndarray,
    beta2: np.ndarray,
    share2: np.ndarray,
    eps: np.ndarray,
    rate: np.ndarray,
    shrink: np.ndarray,
    weight_decay: np.ndarray,
    shrinks: bool,
    decays: bool,
    maximize: bool,
) -> None:
    """One step of p and of its averages m and v (and peak, the largest v so far, else None), all in place; g stays.

    The scalars are 0-d arrays: see sgd.py. share1 = 1 - beta1, share2 = 1 - beta2; rate and eps hold the corrections.
    """
    if maximize:
        g = -g
    if shrinks:
        p *= shrink
    if decays:
        g = weight_decay * p + g
    # BEGIN SOLUTION 5.5
    change = g - m
    change *= share1
    m += change
    square = g * share2  # in this order, which a gradient of 1e20 does not overflow
    square *= g
    v *= beta2
    v += square
    if peak is not None:
        np.maximum(peak, v, out=peak)
        v = peak
    change = np.sqrt(v)
    change += eps
    np.divide(m, change, change)
    change *= rate
    p -= change
    # END SOLUTION
