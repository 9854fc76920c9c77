"""Optimizers that are the names of their state and one formula over single elements: `Formula`, their base."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch.autograd.quiet import quietly
from minitorch.autograd.tape import wrap
from minitorch.tensor import Tensor

from .optimizer import Optimizer, Params, as_number, evaluate, in_blocks


class Formula(Optimizer):
    """A subclass names its state in `like_parameter`, gives numbers to its formula in `_numbers`, and the formula.

    `_formula(p, g, *entries, *numbers)` returns the new p and the new entries. An entry that a group does without is
    None. The base turns the gradient's sign for `maximize`, and applies `weight_decay`: to the gradient, or with
    `decoupled_weight_decay` to the parameter.
    """

    checked: dict[str, str] = {"lr": "learning rate", "eps": "epsilon value", "weight_decay": "weight_decay value"}

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        for option in ("lr", "weight_decay", "momentum"):
            if option in defaults:
                defaults[option] = as_number(option, defaults[option])
        if "betas" in defaults:
            beta1, beta2 = (as_number(f"betas[{i}]", beta) for i, beta in enumerate(defaults["betas"]))
            defaults["betas"] = beta1, beta2
        self._check_options(defaults)
        super().__init__(params, defaults)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        for option, words in self.checked.items():
            if option in group and not group[option] >= 0:
                raise ValueError(f"Invalid {words}: {group[option]}")
        for index, beta in enumerate(group.get("betas", ())):
            if not 0 <= beta < 1:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")

    def _entries(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The entries of the state that have the parameter's shape, and the number that fills them at first."""
        return dict.fromkeys(self.like_parameter, 0.0)

    def _scalars(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The entries of the state that are one number, as they are at first."""
        return {"step": 0.0}

    def _numbers(self, group: Mapping[str, Any], state: dict[str, Any], count: float) -> tuple[Any, ...]:
        """The numbers of the formula at step `count`."""
        raise NotImplementedError

    @staticmethod
    def _formula(*operands: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def _needs(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return (*self._scalars(group), *self._entries(group))

    def _begin(self, p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """The state before the first step."""
        scalars = {name: wrap(np.array(value, np.float32)) for name, value in self._scalars(group).items()}
        return {**scalars, **{k: wrap(np.full_like(p.array, value)) for k, value in self._entries(group).items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As `Optimizer.load_state_dict`; counts and other single numbers of the state need not be tensors."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            for state in (self.state[p] for p in group["params"] if p in self.state):
                for name in self._scalars(group):
                    if isinstance(state.get(name), (int, float)):
                        state[name] = wrap(np.array(state[name], np.float32))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first with grad on, returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if not state:
                        state.update(self._begin(p, group))
                    count = 0.0
                    if "step" in state:
                        count = state["step"].array.item() + 1
                        state["step"].write().fill(count)
                    self._advance(p, group, state, count)
        return loss

    @quietly
    def _advance(self, p: Tensor, group: Mapping[str, Any], state: dict[str, Any], count: float) -> None:
        """One step of one parameter and its state."""
        formula, numbers = self._formula, self._numbers(group, state, count)
        decay, maximize = float(group.get("weight_decay", 0)), bool(group["maximize"])
        shrink = 1 - float(group["lr"]) * decay if group.get("decoupled_weight_decay") else None

        def update(p: np.ndarray, g: np.ndarray, *entries: np.ndarray | None) -> None:
            if maximize:
                g = -g
            if decay:
                if shrink is None:
                    g = g + decay * p
                else:
                    p *= shrink
            for old, new in zip((p, *entries), formula(p, g, *entries, *numbers), strict=True):
                if old is not None:
                    old[...] = new

        entries = (state[name].write() if state.get(name) is not None else None for name in self.like_parameter)
        in_blocks(update, (p.write(), p.grad.array, *entries))
