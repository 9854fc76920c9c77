"""Averaged weights (stochastic weight averaging, exponential moving averages) and the schedule that goes with them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from minitorch.autograd import no_grad
from minitorch.autograd.tape import wrap
from minitorch.nn.module import Module
from minitorch.nn.norm import _BatchNorm
from minitorch.tensor import Tensor

from .lr_scheduler import LRScheduler, _one_per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """For `avg_fn`: decay * average + (1 - decay) * new. Raises ValueError for a decay outside [0, 1]."""
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    def ema(averaged: Tensor, current: Tensor, number: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return ema


def get_swa_avg_fn() -> Average:
    """For `avg_fn`: the plain mean, of which `number` models are in already."""

    def swa(averaged: Tensor, current: Tensor, number: Any) -> Tensor:
        return averaged + (current - averaged) / (number + 1)

    return swa


def _for_all(one: Average) -> Averages:
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], number: Any) -> None:
        with no_grad():
            for mean, new in zip(averaged, current, strict=True):
                mean.copy_(one(mean, new, number))

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """As `get_ema_avg_fn`, for `multi_avg_fn`: it changes a list of averages in place."""
    return _for_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Averages:
    """As `get_swa_avg_fn`, for `multi_avg_fn`: it changes a list of averages in place."""
    return _for_all(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of `model`, as `module`, whose parameters are averages over the calls of `update_parameters`.

    The first call copies; later ones average by `avg_fn(average, new, number so far)`, by `multi_avg_fn`, which changes
    a list of averages in place, or by the plain mean. Buffers are copied, or averaged too with `use_buffers`. Raises
    AssertionError for two functions.

    >>> from minitorch import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", wrap(np.array(0, np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged module gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the averages."""
        mine, theirs = (self._parts(module) for module in (self.module, model))
        for mean, new in zip(mine, theirs, strict=True):
            if mean.shape != new.shape:
                raise RuntimeError(f"AveragedModel: a parameter of shape {tuple(new.shape)} meets {tuple(mean.shape)}")
        with no_grad():
            if self.n_averaged.item() == 0:
                for mean, new in zip(mine, theirs, strict=True):
                    mean.copy_(new)
            else:
                one = self.avg_fn or get_swa_avg_fn()
                (self.multi_avg_fn or _for_all(one))(mine, theirs, self.n_averaged)
            if not self.use_buffers:
                for mean, new in zip(self.module.buffers(), model.buffers(), strict=True):
                    mean.copy_(new.detach())
            self.n_averaged += 1

    def _parts(self, module: Module) -> list[Tensor]:
        buffers: Iterable[Tensor] = module.buffers() if self.use_buffers else ()
        return [p.detach() for p in chain(module.parameters(), buffers)]


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of all batch norms to the means over the batches of `loader`: after averaging.

    A batch is a tensor, or a list or tuple that begins with one. Nothing happens without batch norms.
    """
    norms = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not norms:
        return
    training = model.training
    try:
        model.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(x if device is None else x.to(device))
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """The rate runs to `swa_lr` in `anneal_epochs`, along a cosine or a line ("cos" or "linear"), and stays there.

    A list gives one rate a group. Raises ValueError for another strategy or a negative number of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = _one_per_group("swa_lr", swa_lr, optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _way(self, step: int) -> float:
        """Which part of the way to swa_lr is done."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[float]:
        """The rates of this epoch, from the present ones: what they began from follows from the way done so far."""
        self._check_within_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._way(step - 1), self._way(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            begin = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + begin * (1 - now))
        return rates
