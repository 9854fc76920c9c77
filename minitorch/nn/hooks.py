"""Hooks of modules: what is called before and after forward and backward, of one module or of all.

A hook is kept in one form of call, whatever form the user's has: `before` and `after` make it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..autograd import Function, is_grad_enabled
from ..tensor import RemovableHandle, Tensor

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

EVERYWHERE: dict[int, tuple[str, Callable]] = {}  # the hooks of all modules: what they wait for, and the hook


def register(hooks: dict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    """Add a hook behind the others, with `prepend` before them."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        others = {key: value for key, value in hooks.items() if key != handle.id}
        for key in others:
            del hooks[key]
        hooks.update(others)
    return handle


def before(hook: Callable, with_kwargs: bool) -> Callable:
    """A hook of forward's arguments as a function (module, args, kwargs) that returns both."""

    def call(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        replaced = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if replaced is None:
            return args, kwargs
        if not with_kwargs:
            return (replaced if isinstance(replaced, tuple) else (replaced,)), kwargs
        if not (isinstance(replaced, tuple) and len(replaced) == 2):
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), not {replaced}"
            )
        return replaced

    return call


def after(hook: Callable, with_kwargs: bool, always_call: bool) -> Callable:
    """A hook of forward's output as a function (module, args, kwargs, output) that returns the output."""

    def call(module: Any, args: tuple, kwargs: dict, out: Any) -> Any:
        replaced = hook(module, args, kwargs, out) if with_kwargs else hook(module, args, out)
        return out if replaced is None else replaced

    call.always = always_call  # type: ignore[attr-defined]
    return call


def returning_none(hook: Callable) -> Callable:
    """A hook of `state_dict` that may only change the dict."""

    def call(*args: Any) -> None:
        if hook(*args) is not None:
            raise RuntimeError("state_dict post-hook must return None")

    return call


def loaded(hook: Callable, module: Any, keys: Any) -> None:
    """Call a hook of `load_state_dict`, which may only change the lists. Raises AssertionError where it returns any."""
    if hook(module, keys) is not None:
        raise AssertionError(
            "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values; if "
            "incompatible_keys need to be modified, it should be done inplace."
        )


def call(module: Any, args: tuple, kwargs: dict) -> Any:
    """module(*args, **kwargs) with all hooks; those that are called always also see a call that raised."""
    out, waiting = None, [*of_all("forward"), *module._forward_hooks.values()]
    try:
        for hook in (*of_all("forward before"), *module._forward_pre_hooks.values()):
            args, kwargs = hook(module, args, kwargs)
        backward = module._backward_hooks or module._backward_pre_hooks or of_all("backward", "backward before")
        watch = _BackwardWatch(module) if backward else None
        if watch:
            args = watch.inputs(args)
        out = module.forward(*args, **kwargs)
        while waiting:
            out = waiting.pop(0)(module, args, kwargs, out)
        return watch.output(out) if watch else out
    except Exception:
        for hook in waiting:
            if hook.always:
                try:
                    out = hook(module, args, kwargs, out)
                except Exception as error:
                    warnings.warn(
                        "forward hook with ``always_call=True`` raised an exception that was silenced as another error "
                        f"was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


# ------------------------------------------------------------------------------------------------------ of all modules
def of_all(*kinds: str) -> list[Callable]:
    """The hooks of all modules that wait for one of these."""
    return [hook for kind, hook in list(EVERYWHERE.values()) if kind in kinds]


def registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """What hooks make of a new member of a module."""
    for hook in of_all(f"{kind} registration") if EVERYWHERE else ():
        replaced = hook(module, name, value)
        value = value if replaced is None else replaced
    return value


def _everywhere(kind: str, hook: Callable) -> RemovableHandle:
    handle = RemovableHandle(EVERYWHERE)
    EVERYWHERE[handle.id] = (kind, hook)
    return handle


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """`Module.register_forward_pre_hook` of all modules, before their own."""
    return _everywhere("forward before", before(hook, False))


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """`Module.register_forward_hook` of all modules, before their own."""
    return _everywhere("forward", after(hook, with_kwargs, always_call))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """`Module.register_full_backward_hook` of all modules, before their own."""
    return _everywhere("backward", hook)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """`register_module_full_backward_hook`, under its older name."""
    return register_module_full_backward_hook(hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """`Module.register_full_backward_pre_hook` of all modules, before their own."""
    return _everywhere("backward before", hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, parameter) wherever one is registered; what it returns, if anything, takes its place."""
    return _everywhere("parameter registration", hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, buffer) wherever one is registered; what it returns, if anything, takes its place."""
    return _everywhere("buffer registration", hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, submodule) wherever one is registered; what it returns, if anything, takes its place."""
    return _everywhere("module registration", hook)


# ------------------------------------------------------------------------------------------------------------ backward
class _Pass(Function):
    """The tensors as they are; their gradients, None where none came, go through `change`, which is given them all."""

    @staticmethod
    def forward(ctx: Any, change: Callable, *tensors: Tensor) -> tuple:
        ctx.change = change
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(t for t in tensors if not t.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        return None, *ctx.change(gradients)


class _BackwardWatch:
    """One call of a module with backward hooks: its tensors pass both ends of it, where the hooks see gradients."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.places: list[int] = []  # of the tensors among the arguments
        self.count = 0  # of the arguments, -1 where the output can't be watched
        self.grad_output: tuple = ()

    def inputs(self, args: tuple) -> tuple:
        """The arguments, the tensors among them watched if one of them requires grad."""
        self.count, found = len(args), list(args)
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        if is_grad_enabled() and any(args[i].requires_grad for i in places):
            self.places = places
            for i, watched in zip(places, _Pass.apply(self._left, *(args[i] for i in places)), strict=True):
                found[i] = watched
        return tuple(found)

    def output(self, out: Any) -> Any:
        """The output, a tensor or several, watched."""
        several = isinstance(out, tuple)
        outputs = out if several else (out,)
        if not all(isinstance(y, Tensor) for y in outputs):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors, but "
                f"{type(self.module).__name__} returned {type(out).__name__}. Register hooks on the tensors instead.",
                stacklevel=4,
            )
            self.count = -1
            return out
        watched = _Pass.apply(self._arrived, *outputs)
        return watched if several else watched[0]

    def _arrived(self, gradients: tuple) -> tuple:
        for hook in (*of_all("backward before"), *self.module._backward_pre_hooks.values()):
            gradients = self._replaced(gradients, hook(self.module, gradients), "grad_output")
        self.grad_output = gradients
        if not self.places and any(g is not None for g in self._run((None,) * self.count)):
            raise RuntimeError(
                "Backward hook for Modules where no input requires gradient should always return None or None for all "
                "gradients."
            )
        return gradients

    def _left(self, gradients: tuple) -> tuple:
        if self.count < 0:
            return gradients
        grad_input: list = [None] * self.count
        for i, g in zip(self.places, gradients, strict=True):
            grad_input[i] = g
        found = self._run(tuple(grad_input))
        self.grad_output = ()
        return tuple(found[i] for i in self.places)

    def _run(self, grad_input: tuple) -> tuple:
        for hook in (*of_all("backward"), *self.module._backward_hooks.values()):
            grad_input = self._replaced(grad_input, hook(self.module, grad_input, self.grad_output), "grad_input")
        return grad_input

    def _replaced(self, gradients: tuple, by: Any, what: str) -> tuple:
        if by is None:
            return gradients
        by = by if isinstance(by, tuple) else (by,)
        if len(by) != len(gradients):
            raise RuntimeError(
                f"Backward hook returned an invalid number of {what}, got {len(by)}, but expected {len(gradients)}"
            )
        return by
