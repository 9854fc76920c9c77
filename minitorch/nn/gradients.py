"""The check of a module's derivatives: by its inputs, parameters and buffers, each by its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import grad, gradcheck, gradgradcheck
from ..autograd.report import parameter_names
from ..autograd.tape import wrap
from ..func import _leaves, functional_call
from ..tensor import Tensor


def check(module: Any, inputs: tuple, second: bool, settings: dict) -> bool:
    """`Module.gradcheck`: on copies in float64, so the module and its state stay as they are."""
    args = [_copy(x, True) if isinstance(x, Tensor) else x for x in inputs]
    parameters = {name: _copy(p, True) for name, p in module.named_parameters()}
    buffers = {name: _copy(b, False) for name, b in module.named_buffers()}
    moving = _reached(module, args, parameters, buffers)
    names = [*parameters, *moving]

    def function(*values: Any) -> tuple:
        state = {name: b.clone() for name, b in buffers.items()}  # running statistics begin anew with each call
        state |= dict(zip(names, values[len(args) :], strict=True))
        return _results(module, state, values[: len(args)])

    function._argument_names = [*parameter_names(module, len(args)), *names]  # type: ignore[attr-defined]
    every = (*args, *parameters.values(), *moving.values())
    return gradcheck(function, every, **settings) and (not second or gradgradcheck(function, every, **settings))


def _copy(x: Any, leaf: bool) -> Any:
    """A copy, of floats in float64 and, as a leaf, with a gradient."""
    floats = x.dtype.is_floating_point
    out = wrap(np.array(x.detach().numpy(), np.float64 if floats else None))
    return out.requires_grad_() if floats and leaf else out


def _results(module: Any, state: dict, args: Any) -> tuple:
    found = _leaves(functional_call(module, state, tuple(args)))
    return tuple(y for y in found if isinstance(y, Tensor))


def _reached(module: Any, args: list, parameters: dict, buffers: dict) -> dict:
    """The float buffers to which gradients go: not those that the module writes to, or takes for constants."""
    before = {name: b.detach().numpy().copy() for name, b in buffers.items()}
    trial = {name: b.clone() for name, b in buffers.items()}
    _results(module, parameters | trial, args)
    leaves = {
        name: _copy(b, True)
        for name, b in buffers.items()
        if b.dtype.is_floating_point and np.array_equal(trial[name].numpy(), before[name], equal_nan=True)
    }
    if not leaves:
        return {}
    try:
        ys = [y for y in _results(module, parameters | buffers | leaves, args) if y.requires_grad]
        gs = [wrap(np.ones(y.shape, y.numpy(force=True).dtype)) for y in ys]
        found = grad(ys, list(leaves.values()), gs, allow_unused=True) if ys else [None] * len(leaves)
    except (RuntimeError, TypeError):
        return {}
    return {name: leaf for (name, leaf), g in zip(leaves.items(), found, strict=True) if g is not None}
