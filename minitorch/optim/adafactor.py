"""Adafactor: Adam without momentum, whose mean squares of a matrix are one row and one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch import dtypes
from minitorch.autograd.quiet import quietly
from minitorch.autograd.tape import wrap
from minitorch.tensor import Tensor

from .formula import Formula
from .optimizer import Params


class Adafactor(Formula):
    """p -= rate * u / max(1, rms(u) / d), where u = g / sqrt(v) (Shazeer and Stern, 2018).

    rate = max(eps[1], rms(p)) * min(lr, 1 / sqrt(step)); rms is the root mean square. v averages g * g, the newest with
    the share step ** beta2_decay; over the last two axes of a matrix it is row_var * col_var / mean(row_var), the
    averages along rows and columns. eps[0] is the least sqrt(v), for None the dtype's epsilon. `weight_decay` shrinks
    the parameter. `foreach` changes nothing. Raises ValueError for options out of range.

    >>> import minitorch
    >>> w = minitorch.tensor([1.0, -1.0], requires_grad=True)
    >>> optimizer = Adafactor([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -0.5]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        eps1, eps2 = group["eps"]
        for right, what, value in (
            (group["lr"] >= 0, "Learning rate should be >= 0", group["lr"]),
            (group["beta2_decay"] <= 0, "beta2_decay should be <= 0", group["beta2_decay"]),
            (eps1 is None or eps1 >= 0, "epsilon1 should be >= 0", eps1),
            (eps2 >= 0, "epsilon2 should be >= 0", eps2),
            (group["d"] >= 1, "Clipping threshold d should be >= 1", group["d"]),
            (group["weight_decay"] >= 0, "weight_decay should be >= 0", group["weight_decay"]),
        ):
            if not right:
                raise ValueError(f"{what} but is: {value}")

    def _begin(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"step": wrap(np.zeros((), np.float32)), **{k: wrap(np.zeros(s, p.array.dtype)) for k, s in _shapes(p)}}

    def _check_state(self, key: Any, p: Tensor, entry: Mapping[str, Any], group: Mapping[str, Any]) -> None:
        super()._check_state(key, p, entry, group)
        for name, shape in _shapes(p) if entry else ():
            if not isinstance(value := entry.get(name), Tensor) or value.array.shape != shape:
                raise ValueError(f"loaded state dict: {name} of parameter {key} should be a tensor of shape {shape}")

    @quietly
    def _advance(self, p: Tensor, group: Mapping[str, Any], state: dict[str, Any], count: float) -> None:
        x, g = p.write(), p.grad.array
        lr, weight_decay, (least, eps2) = float(group["lr"]), float(group["weight_decay"]), group["eps"]
        least = dtypes.finfo(x.dtype).eps if least is None else float(least)
        if group["maximize"]:
            g = -g
        share = count ** float(group["beta2_decay"])
        rate = max(float(eps2), _rms(x)) * min(lr, count**-0.5)
        if weight_decay:
            x *= 1 - lr * weight_decay
        square = g * g
        for name, axis in (("row_var", -1), ("col_var", -2), ("variance", ())):
            if name in state:
                average = state[name].write()
                average += share * (square.mean(axis, keepdims=True) - average)
        if x.ndim > 1:
            row = state["row_var"].array
            v = row @ state["col_var"].array
            v /= np.maximum(row.mean(-2, keepdims=True), least)
        else:
            v = state["variance"].array
        u = g / np.sqrt(np.maximum(v, least * least))
        x -= (rate / max(1.0, _rms(u) / float(group["d"]))) * u


def _shapes(p: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """The averages of a parameter and their shapes."""
    shape = tuple(p.array.shape)
    if len(shape) < 2:
        return [("variance", shape)]
    return [("row_var", (*shape[:-1], 1)), ("col_var", (*shape[:-2], 1, shape[-1]))]


def _rms(x: np.ndarray) -> float:
    return float(np.linalg.norm(x)) / x.size**0.5 if x.size else 0.0
