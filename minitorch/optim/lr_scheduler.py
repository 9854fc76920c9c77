"""Schedules of the learning rate: call `step()` after each epoch (or batch), after the optimizer's own `step()`.

A scheduler works when it is made (epoch 0) and at every `step()`, and writes its rates into the optimizer's groups.
Most multiply the present rate by factor(t) / factor(t - 1) instead of computing it from the epoch t alone: so several
schedulers, or a rate changed by hand, compose. Those derive from `_Factor`, and are two formulas each.
"""

from __future__ import annotations

import copy
import math
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any

from minitorch.tensor import Tensor

from .optimizer import Optimizer, as_number, check_option

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler: call it once an epoch. With an epoch the closed form is used instead "
    "of the chainable one, where there is one."
)


class LRScheduler:
    """Base class: a subclass defines `get_lr`, the rates (one a group) for epoch `self.last_epoch`.

    `last_epoch` is -1 to start, or the last finished epoch when resuming with an optimizer whose groups hold an
    "initial_lr". Raises TypeError if `optimizer` is none, KeyError if "initial_lr" is missing.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", as_number("lr", group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler with "
                    f"last_epoch={last_epoch}: load the optimizer's state dict first, or start with last_epoch=-1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        if not hasattr(optimizer, "_scheduled"):
            optimizer._scheduled = True  # type: ignore[attr-defined]
            optimizer._opt_called = False  # type: ignore[attr-defined]
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rates for epoch `self.last_epoch`, one a group; for subclasses. Users call `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rates that the last `step()` set, one a group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Move on to the next epoch, or to `epoch` (deprecated), and set its rates.

        Warns if the optimizer has made no step since the first rate was set: that rate would never be used.
        """
        if self._step_count == 1:
            if "step" in vars(self.optimizer):
                warnings.warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                    "Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                    stacklevel=2,
                )
            elif not self.optimizer._opt_called:  # type: ignore[attr-defined]
                warnings.warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                    "Call them in the opposite order: otherwise the first value of the schedule is skipped.",
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set_rates(rates)

    def _get_closed_form_lr(self) -> list[float]:
        """The rates from `self.last_epoch` alone."""
        return self.get_lr()

    def _undo_step(self) -> None:
        self.last_epoch -= 1

    def _set_rates(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):  # its holders see the new rate
                group["lr"].write().fill(as_number("lr", rate))
            else:
                group["lr"] = as_number("lr", rate)
        self._last_lr = [as_number("lr", group["lr"]) for group in self.optimizer.param_groups]

    def _check_within_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", stacklevel=3
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned. The rates themselves are in the optimizer's state dict.

        Nothing changes if it doesn't fit: TypeError where a number is none, ValueError without a last epoch or with the
        rates of another number of groups.
        """
        vars(self).update(copy.deepcopy(self._checked(state_dict)))

    def _checked(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """What is to be taken over from a state dict; raises where it doesn't fit, and changes nothing."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{type(self).__name__}: expected a state dict, but got {type(state_dict).__name__}")
        state = {key: value for key, value in state_dict.items() if key != "optimizer"}
        if "last_epoch" not in state and "last_epoch" in vars(self):
            raise ValueError(f"{type(self).__name__}: the state dict has no last_epoch")
        for name in state:
            if isinstance(mine := vars(self).get(name), (int, float)):
                check_option(name, mine, state, name)
        groups, rates = len(self.optimizer.param_groups), state.get("base_lrs")
        if "base_lrs" in state and not (isinstance(rates, list) and len(rates) == groups):
            raise ValueError(f"{type(self).__name__}: the state dict has base_lrs {rates!r}, not {groups} rates")
        return state


_LRScheduler = LRScheduler  # PyTorch's old name, from which scripts derive their schedules


class _Factor(LRScheduler):
    """rate = initial rate * factor(epoch), reached by multiplying the present rate by ratio(epoch)."""

    def _factor(self, t: int) -> float:
        raise NotImplementedError

    def _ratio(self, t: int) -> float:
        """factor(t) / factor(t - 1); at the first epoch, factor(0)."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """The rates for epoch `self.last_epoch`, from the present ones."""
        self._check_within_step()
        ratio = self._ratio(self.last_epoch)
        return [group["lr"] * ratio for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[float]:
        factor = self._factor(self.last_epoch)
        return [rate * factor for rate in self.base_lrs]


class StepLR(_Factor):
    """factor(t) = gamma ** (t // step_size): the rate falls every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)

    def _ratio(self, t: int) -> float:
        return self.gamma if t and t % self.step_size == 0 else 1.0


class MultiStepLR(_Factor):
    """factor(t) = gamma ** (number of milestones <= t): the rate falls at each of the epochs `milestones`."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        return self.gamma ** sum(count for milestone, count in self.milestones.items() if milestone <= t)

    def _ratio(self, t: int) -> float:
        return self.gamma ** self.milestones.get(t, 0)


class ConstantLR(_Factor):
    """factor(t) = `factor` for the first `total_iters` epochs, then 1. Raises ValueError unless 0 <= factor <= 1."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"Constant multiplicative factor expected to be between 0 and 1. It is {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        return self.factor if t < self.total_iters else 1.0

    def _ratio(self, t: int) -> float:
        if t == 0:
            return self.factor
        return 1.0 / self.factor if t == self.total_iters else 1.0


class LinearLR(_Factor):
    """factor(t) runs straight from `start_factor` to `end_factor` in `total_iters` epochs, and stays there.

    Raises ValueError for a start outside (0, 1] or an end outside [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1. "
                f"It is {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"Ending multiplicative factor expected to be between 0 and 1. It is {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        way = min(t, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * way

    def _ratio(self, t: int) -> float:
        if t == 0:
            return self.start_factor
        if self._is_initial or t > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (t - 1) * rise)


class ExponentialLR(_Factor):
    """factor(t) = gamma ** t."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        return self.gamma**t

    def _ratio(self, t: int) -> float:
        return 1.0 if self._is_initial else self.gamma


class PolynomialLR(_Factor):
    """factor(t) = (1 - t / total_iters) ** power, and 0 after `total_iters` epochs."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        return (1.0 - min(t, self.total_iters) / self.total_iters) ** self.power

    def _ratio(self, t: int) -> float:
        if self._is_initial or t > self.total_iters:
            return 1.0
        return ((1.0 - t / self.total_iters) / (1.0 - (t - 1) / self.total_iters)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """rate = eta_min + (initial rate - eta_min) * (1 + cos(pi * t / T_max)) / 2 (Loshchilov and Hutter, 2017).

    Past T_max the cosine rises again.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates for epoch `self.last_epoch`, from the present ones."""
        self._check_within_step()
        groups, t, low = self.optimizer.param_groups, self.last_epoch, self.eta_min
        if self._is_initial:
            return [group["lr"] for group in groups]
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # the last rate was eta_min: no ratio leads away from there
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [group["lr"] + (base - low) * rise for base, group in zip(self.base_lrs, groups, strict=True)]
        ratio = (1 + math.cos(math.pi * t / self.T_max)) / (1 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (group["lr"] - low) + low for group in groups]

    def _get_closed_form_lr(self) -> list[float]:
        return [_cosine(base, self.eta_min, self.last_epoch / self.T_max) for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """A falling cosine from the initial rate to `eta_min` over `T_0` epochs, then again over T_0 * T_mult, and so on.

    `step(epoch)` takes fractions of epochs. Raises ValueError unless T_0 > 0 and T_mult >= 1 are ints.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0  # the length of the present cycle ...
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch  # ... and the place in it
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at the present place in the cycle."""
        self._check_within_step()
        return [_cosine(base, self.eta_min, self.T_cur / self.T_i) for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Move on to the next epoch, or to `epoch`, which may be a fraction, and set its rates."""
        if epoch is not None and epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = epoch or 0
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self._update_lr(math.floor(epoch))


class LambdaLR(LRScheduler):
    """rate = initial rate * lr_lambda(epoch), with one function or a list of one a group.

    State dicts hold the attributes of callable objects, and nothing of plain functions.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(optimizer)
        self.lr_lambdas = _one_per_group("lr_lambdas", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates for epoch `self.last_epoch`."""
        self._check_within_step()
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the functions."""
        plain = [isinstance(f, FunctionType) or not hasattr(f, "__dict__") for f in self.lr_lambdas]
        attributes = [None if skip else dict(vars(f)) for f, skip in zip(self.lr_lambdas, plain, strict=True)]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned; raises ValueError for another number of functions."""
        super().load_state_dict(state_dict)
        for f, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                vars(f).update(copy.deepcopy(saved))

    def _checked(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked(state_dict)
        attributes, name = state.pop("lr_lambdas"), type(self).__name__
        if len(attributes) != len(self.lr_lambdas):
            raise ValueError(f"{name}: the state dict holds {len(attributes)} functions, not {len(self.lr_lambdas)}")
        for f, saved in zip(self.lr_lambdas, attributes, strict=True):
            if saved is not None and not (isinstance(saved, Mapping) and hasattr(f, "__dict__")):
                raise TypeError(f"{name}: the state dict holds {saved!r} for the attributes of {f!r}")
        return state


class MultiplicativeLR(LambdaLR):
    """rate *= lr_lambda(epoch), with one function or a list of one a group.

    State dicts hold the attributes of callable objects, and nothing of plain functions.

    >>> import minitorch
    >>> optimizer = minitorch.optim.SGD([minitorch.ones(1, requires_grad=True)], lr=0.5)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[float]:
        """The rates for epoch `self.last_epoch`, from the present ones."""
        self._check_within_step()
        groups = self.optimizer.param_groups
        if self._is_initial:
            return [group["lr"] for group in groups]
        return [group["lr"] * f(self.last_epoch) for group, f in zip(groups, self.lr_lambdas, strict=True)]


class CyclicLR(LRScheduler):
    """The rate runs from `base_lr` to `max_lr` in `step_size_up` steps and back in `step_size_down`, again and again.

    The height of a cycle is (max_lr - base_lr) times 1 ("triangular"), half that of the cycle before ("triangular2"),
    gamma ** step ("exp_range"), or `scale_fn` of the cycle's number or the step ("cycle" or "iterations"). With
    `cycle_momentum`, momentum (or Adam's beta1) runs the other way, from `max_momentum` to `base_momentum`. Call
    `step()` after every batch. Lists give one value a group. Raises ValueError for an unknown mode and for an optimizer
    without momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(optimizer)
        base_lrs = _one_per_group("base_lr", base_lr, optimizer)
        self.max_lrs = _one_per_group("max_lr", max_lr, optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        groups = optimizer.param_groups
        if cycle_momentum:
            self.use_beta1 = _cycles_beta1(optimizer)
            self.base_momentums = _one_per_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = _one_per_group("max_momentum", max_momentum, optimizer)
        if last_epoch == -1:
            for index, group in enumerate(groups):
                group["lr"] = base_lrs[index]
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = (
                        self.max_momentums[index],
                        self.base_momentums[index],
                    )
                    _set_momentum(group, self.max_momentums[index], self.use_beta1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of cycle x, or at step x."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 0.5 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        """The rates for step `self.last_epoch`; sets the momenta on the way."""
        self._check_within_step()
        way = self.last_epoch / self.total_size
        cycle = math.floor(1 + way)
        place = 1 + way - cycle
        height = place / self.step_ratio if place <= self.step_ratio else (place - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, high - (high - low) * height, self.use_beta1)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of `scale_fn` the attributes, if it is a callable object."""
        state, f = super().state_dict(), self._scale_fn_custom
        plain = f is None or isinstance(f, FunctionType) or not hasattr(f, "__dict__")
        return {**state, "_scale_fn_custom": None if plain else dict(vars(f))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned."""
        super().load_state_dict(state_dict)
        if saved := state_dict.get("_scale_fn_custom"):
            vars(self._scale_fn_custom).update(copy.deepcopy(saved))

    def _checked(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked(state_dict)
        state.pop("_scale_fn_ref", None)
        saved = state.pop("_scale_fn_custom", None)
        if saved and not (isinstance(saved, Mapping) and hasattr(self._scale_fn_custom, "__dict__")):
            raise TypeError(f"CyclicLR: the state dict holds {saved!r} for the attributes of {self._scale_fn_custom!r}")
        return state


class OneCycleLR(LRScheduler):
    """One rise of the rate to `max_lr` and one fall far below the start, within `total_steps` (Smith, 2017).

    From max_lr / div_factor up to max_lr in the first `pct_start` of the steps, then (`three_phase`: as long again back
    to the start, then) down to the start / final_div_factor, along a "cos" or "linear" path. With `cycle_momentum`,
    momentum (or Adam's beta1) runs the other way, between `max_momentum` and `base_momentum`. Call `step()` after every
    batch. Lists give one value a group. Raises ValueError for lengths, fractions and names that make no sense, and at
    a step past the last.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
            total_steps = _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
        self.total_steps = _positive("total_steps", total_steps)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        rise, last = pct_start * self.total_steps - 1, self.total_steps - 1
        if three_phase:
            ends = [("initial", "max", rise), ("max", "initial", 2 * rise), ("initial", "min", last)]
        else:
            ends = [("initial", "max", rise), ("max", "min", last)]
        momentum_at = {"initial": "max_momentum", "max": "base_momentum", "min": "max_momentum"}
        self._schedule_phases: list[dict[str, Any]] = [
            {
                "end_step": end_step,
                "start_lr": f"{start}_lr",
                "end_lr": f"{end}_lr",
                "start_momentum": momentum_at[start],
                "end_momentum": momentum_at[end],
            }
            for start, end, end_step in ends
        ]
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        groups = optimizer.param_groups
        max_lrs = _one_per_group("max_lr", max_lr, optimizer)
        if cycle_momentum:
            self.use_beta1 = _cycles_beta1(optimizer)
            highs = _one_per_group("max_momentum", max_momentum, optimizer)
            lows = _one_per_group("base_momentum", base_momentum, optimizer)
            if last_epoch == -1:
                for group, high, low in zip(groups, highs, lows, strict=True):
                    group["max_momentum"], group["base_momentum"] = high, low
                    _set_momentum(group, high, self.use_beta1)
        if last_epoch == -1:
            for group, rate in zip(groups, max_lrs, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates for step `self.last_epoch`; sets the momenta on the way."""
        self._check_within_step()
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"Tried to step {t} times. The specified number of total steps is {self.total_steps}")
        begin = 0.0
        for phase in self._schedule_phases[:-1]:
            if t <= phase["end_step"]:
                break
            begin = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        length = phase["end_step"] - begin
        way = (t - begin) / length if length else 1.0
        path = _cosine if self._anneal_func_type == "cos" else _line
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                momentum = path(group[phase["start_momentum"]], group[phase["end_momentum"]], way)
                _set_momentum(group, momentum, self.use_beta1)
        return [path(group[phase["start_lr"]], group[phase["end_lr"]], way) for group in groups]


class _Several(LRScheduler):
    """A scheduler of others: their states stand in its own."""

    _schedulers: Sequence[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; "_schedulers" lists the schedulers' own state dicts."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned.

        Nothing changes if it doesn't fit: ValueError for another number of schedulers, or what one of them raises.
        """
        super().load_state_dict(state_dict)
        for scheduler, entry in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(entry)

    def _checked(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked(state_dict)
        saved, name = state.pop("_schedulers"), type(self).__name__
        if len(saved) != len(self._schedulers):
            raise ValueError(f"{name}: the state dict holds {len(saved)} schedulers, not {len(self._schedulers)}")
        for scheduler, entry in zip(self._schedulers, saved, strict=True):
            scheduler._checked(entry)
        return state


class ChainedScheduler(_Several):
    """Several schedulers at once: a step is a step of each, so that their factors multiply.

    Raises ValueError for no scheduler, one that takes a metric, or schedulers of different optimizers.

    >>> import minitorch
    >>> optimizer = minitorch.optim.SGD([minitorch.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = ChainedScheduler([ConstantLR(optimizer, 0.5, 2), ExponentialLR(optimizer, 0.5)])
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5]
    [0.25]
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        optimizer = optimizer or (getattr(schedulers[0], "optimizer", None) if schedulers else None)
        _check_schedulers("ChainedScheduler", schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = schedulers[0].optimizer
        self._last_lr = schedulers[-1].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """A step of each scheduler, in their order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = [as_number("lr", group["lr"]) for group in self.optimizer.param_groups]


class SequentialLR(_Several):
    """One scheduler after another: the next takes over, from its epoch 0, at each of the epochs `milestones`.

    Raises ValueError unless all schedulers belong to `optimizer`, take no metric, and are one more than the milestones.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        _check_schedulers("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got {len(schedulers)} schedulers and {len(milestones)} milestones"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:  # every scheduler has set its first rate: only one of them was to
            group["lr"] = group["initial_lr"]
        for scheduler in schedulers:
            scheduler._undo_step()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Move on to the next epoch and set its rates."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index and self._milestones[index - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def _initial_step(self) -> None:
        self._update_lr(0)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Start from epoch 0, as a part of another sequence."""
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._update_lr(0)
        self._last_lr = first.get_last_lr()

    def _undo_step(self) -> None:
        super()._undo_step()
        for scheduler in self._schedulers:
            scheduler._undo_step()


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by `factor` when the metric given to `step` was no better for more than `patience` epochs.

    Better is less (`mode` "min") or more ("max") than the best so far by `threshold`, of it ("rel") or flat ("abs").
    `cooldown` epochs after a cut don't count; the rate stays above `min_lr`, and changes below `eps` are not made.
    Raises ValueError for a factor >= 1, an unknown mode, or a list `min_lr` that is not one value a group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"Factor should be < 1.0. It is {factor}")
        _check_optimizer(optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.optimizer = optimizer
        self.factor = factor
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = _one_per_group("min_lrs", min_lr, optimizer)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: float, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of this epoch's metric (a number, or a tensor of one element), and cut the rate if it is due."""
        value = float(metrics)
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._set_rates(self._reduced())
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def in_cooldown(self) -> bool:
        """Whether a cut is too recent for epochs to count."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound

    def _reduced(self) -> list[float]:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):  # groups were added
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}): extend the field `min_lrs`."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        cut = [max(group["lr"] * self.factor, low) for group, low in zip(groups, self.min_lrs, strict=True)]
        return [new if group["lr"] - new > self.eps else group["lr"] for group, new in zip(groups, cut, strict=True)]


def _check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def _check_schedulers(name: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
    if len(schedulers) < 1:
        raise ValueError(f"{name} expects at least one scheduler to be chained, but got no scheduler.")
    for index, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{name} at index {index} should have `optimizer` as its attribute.")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as its `step` needs a metric, "
                f"but got one at index {index} in the given schedulers sequence."
            )
        if scheduler.optimizer is not optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but "
                f"scheduler {type(scheduler).__name__} at index {index} has another."
            )


def _cycles_beta1(optimizer: Optimizer) -> bool:
    """Whether the momentum of an optimizer is its first beta."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def _set_momentum(group: dict[str, Any], momentum: float, beta1: bool) -> None:
    if beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _one_per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """`value` as a list with one entry a group."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"expected {groups} {name}, one for each of the optimizer's param_groups, got {len(value)}")
    return list(value)


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _cosine(start: float, end: float, way: float) -> float:
    """From `start` at way = 0 to `end` at way = 1 along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * way)) / 2


def _line(start: float, end: float, way: float) -> float:
    """From `start` at way = 0 to `end` at way = 1 along a line."""
    return start + (end - start) * way
