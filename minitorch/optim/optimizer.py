"""The base of all optimizers: parameter groups, per-parameter state, checkpoints and step hooks."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from minitorch.autograd import enable_grad, following
from minitorch.autograd.tape import wrap
from minitorch.nn.parameter import Uninitialized
from minitorch.tensor import RemovableHandle, Tensor

from ..dtypes import FLOATS

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

# An update makes about ten passes over its arrays. In blocks of this many bytes they stay in the cache, and temporaries
# stay small enough for the allocator to hand out again: Adam on 4 million float32 took 11.0 ms whole, 14.2 in blocks of
# 256 KB, 5.4 of 64 KB, 9.1 of 16 KB (2026-11, one core).
BLOCK_BYTES = 1 << 16

HOOKS = ("pre", "post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")


class Optimizer:
    """Base class: a subclass calls `super().__init__(params, defaults)` and defines `step`.

    `params` is an iterable of leaf tensors, of (name, tensor) pairs, or of dicts {"params": ..., option: value}, one a
    group. `param_groups` lists the groups with `defaults` filled in; `state` maps a parameter to a dict of its own.

    Raises TypeError where `params` or one of its elements is of the wrong kind; ValueError for an empty list, a tensor
    that is not a leaf, a lazy module's parameter without a shape, names on only some parameters, or a parameter in two
    groups.
    """

    _pre_hooks: dict[int, Callable]
    _post_hooks: dict[int, Callable]
    _state_dict_pre_hooks: dict[int, Callable]
    _state_dict_post_hooks: dict[int, Callable]
    _load_state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_post_hooks: dict[int, Callable]

    like_parameter: tuple[str, ...] = ()  # the state entries that have their parameter's shape

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        if defaults.get("differentiable"):
            raise NotImplementedError(
                f"{type(self).__name__}: differentiable=True is not supported, a step is never recorded on the tape; "
                "to differentiate through an update, write it in tensor operations"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if defaults.get("fused") and defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        for kind in HOOKS:
            setattr(self, f"_{kind}_hooks", {})
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {option}: {group[option]}" for option in sorted(group) if option != "params"]
        return "\n".join(lines) + "\n)"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first with grad on, returned."""
        raise NotImplementedError(f"{type(self).__name__} defines no step()")

    @following.step("Optimizer.zero_grad")
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: set them to None, or fill them with zeros in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None  # a third of what the checks of `p.grad = None` cost
                elif p.grad is not None:
                    if p.grad.requires_grad:
                        p.grad = p.grad.detach()
                    p.grad.write().fill(0)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters: {"params": ..., option: value}; options left out take the optimizer's defaults.

        The dict is copied: groups given to one optimizer can be given to another.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = {**self.defaults, **param_group}
        params = group.pop("params")
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            params = [p for _, p in params]
            group["param_names"] = names
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if isinstance(p, Uninitialized):
                raise ValueError(
                    f"{type(self).__name__}: got an uninitialized parameter: its shape follows from the first input. "
                    "Call the model with a batch once, then make the optimizer"
                )
            if not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        if len(set(params)) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each is updated more than once a step",
                stacklevel=3,
            )
        for other in self.param_groups:
            if ("param_names" in other) != ("param_names" in group):
                which = "with names" if "param_names" in group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {which} to the optimizer"
                )
            if not set(other["params"]).isdisjoint(params):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append({"params": params, **group})

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: state}, "param_groups": [...]}, with parameters numbered in order instead of held.

        The tensors in it are the optimizer's own, not copies.
        """
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self)
        params = list(chain.from_iterable(group["params"] for group in self.param_groups))
        index = {p: number for number, p in enumerate(params)}
        groups = []
        for group in self.param_groups:
            options = {option: value for option, value in group.items() if option != "params"}
            groups.append({**options, "params": [index[p] for p in group["params"]]})
        out = {"state": {index.get(p, p): entry for p, entry in self.state.items()}, "param_groups": groups}
        for hook in tuple(self._state_dict_post_hooks.values()):
            changed = hook(self, out)
            out = out if changed is None else changed
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state that `state_dict` returned, as copies in each parameter's dtype.

        Nothing changes if it doesn't fit. Raises KeyError without "state" or "param_groups"; ValueError where the
        number of groups, their sizes or a state's shape differ, an option or a part of a state is missing, or a value
        is out of range; TypeError where one is of another kind. Flags may be missing: older checkpoints have fewer.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"loaded state dict: expected a dict, but got {type(state_dict).__name__}")
        state_dict = dict(state_dict)
        for hook in tuple(self._load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved_groups = state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved_groups)}, the optimizer has {len(self.param_groups)}"
            )
        groups: list[dict[str, Any]] = []
        by_index: dict[Any, tuple[Tensor, dict[str, Any]]] = {}
        for number, (group, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {number} has {len(saved['params'])} parameters there and {len(group['params'])} here"
                )
            options = copy.deepcopy({option: value for option, value in saved.items() if option != "params"})
            groups.append({**group, **options})
            for option, default in self.defaults.items():
                check_option(f"{option} of group {number}", default, options, option)
            self._check_options(groups[-1])
            by_index.update({key: (p, groups[-1]) for key, p in zip(saved["params"], group["params"], strict=True)})
        if len(by_index) < len(set(chain.from_iterable(group["params"] for group in self.param_groups))):
            raise ValueError("loaded state dict: two parameters have the same number")
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, entry in state_dict["state"].items():
            if key not in by_index:
                state[key] = copy.deepcopy(entry)
                continue
            p, group = by_index[key]
            if not isinstance(entry, Mapping):
                raise TypeError(
                    f"loaded state dict: the state of parameter {key} should be a dict, but is {type(entry).__name__}"
                )
            self._check_state(key, p, entry, group)
            state[p] = {name: _adopt(value, p, name) for name, value in entry.items()}
        self.state, self.param_groups = state, groups
        for hook in tuple(self._load_state_dict_post_hooks.values()):
            hook(self)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for an option of a group that is out of range; for subclasses."""

    def _needs(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The entries that a state which is not empty must have; for subclasses."""
        return ()

    def _check_state(self, key: Any, p: Tensor, entry: Mapping[str, Any], group: Mapping[str, Any]) -> None:
        for name in self._needs(group) if entry else ():
            if entry.get(name) is None:
                raise ValueError(f"loaded state dict: the state of parameter {key} has no {name}")
        if (count := entry.get("step")) is not None:
            check_option(f"step of parameter {key}", 0, entry, "step")
            if not 0 <= as_number("step", count) < math.inf:
                raise ValueError(f"loaded state dict: step of parameter {key} is {as_number('step', count)}")
        for name in self.like_parameter:
            value = entry.get(name)
            if value is None:
                continue
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"loaded state dict: {name} of parameter {key} should be a Tensor, but is {type(value).__name__}"
                )
            if value.array.shape != p.array.shape:
                raise ValueError(
                    f"loaded state dict: {name} of parameter {key} has shape {tuple(value.array.shape)}, "
                    f"the parameter has {tuple(p.array.shape)}"
                )
            if value.array.dtype.kind != p.array.dtype.kind:
                raise TypeError(
                    f"loaded state dict: {name} of parameter {key} has the dtype {value.dtype}, the parameter {p.dtype}"
                )

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before each step; it may return (args, kwargs) to be used instead."""
        return _register(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after each step."""
        return _register(self._post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) before `state_dict` collects."""
        return _register(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) with the result of `state_dict`; it may return another."""
        return _register(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before `load_state_dict` reads a shallow copy; it may return another."""
        return _register(self._load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) when `load_state_dict` is done."""
        return _register(self._load_state_dict_post_hooks, hook, prepend)


_global_pre_hooks: dict[int, Callable] = {}
_global_post_hooks: dict[int, Callable] = {}


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) before each step of every optimizer; it may return (args, kwargs)."""
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) after each step of every optimizer."""
    return _register(_global_post_hooks, hook)


def _register(hooks: dict[int, Callable], hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    later = dict(hooks) if prepend else {}
    if prepend:
        hooks.clear()
    hooks[handle.id] = hook
    hooks.update(later)
    return handle


def check_option(what: str, default: Any, options: Mapping[str, Any], name: str) -> None:
    """Raise unless the loaded option is of its default's kind: a number, some numbers, a flag that may be missing."""
    if isinstance(default, bool):
        if not isinstance(options.get(name, default), (bool, np.bool_)):
            raise TypeError(f"loaded state dict: {what} should be a bool, but is {options[name]!r}")
    elif isinstance(default, (int, float, tuple)):
        if name not in options:
            raise ValueError(f"loaded state dict: there is no {what}")
        value, expected, right = options[name], "a number", False
        if isinstance(default, tuple):
            expected = f"{len(default)} numbers"
            right = isinstance(value, (list, tuple)) and len(value) == len(default)
            right = right and all(_is_number(number) or (number is None and name == "eps") for number in value)
        if not (right or (isinstance(default, (int, float)) and _is_number(value))):
            raise TypeError(f"loaded state dict: {what} should be {expected}, but is {value!r}")


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.array.size == 1 and value.array.dtype.kind in "fViu"
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _with_hooks(step: Callable) -> Callable:
    """`step` between its optimizer's hooks; schedulers look at `_opt_called`."""

    @following.step("Optimizer.step")
    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        arguments = (self, *args)
        for hook in (*_global_pre_hooks.values(), *self._pre_hooks.values()):
            changed = hook(self, arguments, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"a step pre-hook must return None or (new_args, new_kwargs), but got {changed}")
                arguments, kwargs = changed
        out = step(*arguments, **kwargs)
        self._opt_called = True  # type: ignore[attr-defined]
        for hook in (*self._post_hooks.values(), *_global_post_hooks.values()):
            hook(self, arguments, kwargs)
        return out

    return hooked


def _adopt(value: Any, p: Tensor, name: str | None = None) -> Any:
    """A copy of a loaded state value; floating tensors take p's dtype, all but counts of steps."""
    if isinstance(value, Tensor):
        same = name == "step" or p.array.dtype.kind not in FLOATS or value.array.dtype.kind not in FLOATS
        return wrap(np.array(value.array, dtype=None if same else p.array.dtype))
    if type(value) is dict:
        return {key: _adopt(entry, p, key) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_adopt(entry, p) for entry in value)
    return copy.deepcopy(value)


def evaluate(closure: Callable[[], Any] | None) -> Any:
    """What `closure` returns, called with gradients on; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def as_number(name: str, value: Any) -> Any:
    """An option as a number: a tensor of one element is read once, here."""
    if not isinstance(value, Tensor):
        return value
    if value.array.size != 1:
        raise ValueError(f"Tensor {name} must be 1-element")
    return value.array.item()


def in_blocks(update: Callable[..., None], arrays: tuple[np.ndarray | None, ...], *settings: Any) -> None:
    """update(*arrays, *settings) for equal slices of all arrays (those that are not None), a block at a time.

    The arrays have one shape and any layout, the first is never None. `update` works elementwise and in place.
    """
    first: np.ndarray = arrays[0]  # type: ignore[assignment]
    if first.ndim == 0:  # numpy's operators return scalars for 0-d arrays
        arrays = tuple(x if x is None else x.reshape(1) for x in arrays)
    if first.nbytes <= BLOCK_BYTES:
        update(*arrays, *settings)
        return
    if all(x is None or x.flags.c_contiguous for x in arrays):
        arrays = tuple(x if x is None else x.reshape(-1) for x in arrays)
    length = len(arrays[0])  # type: ignore[arg-type]
    rows = max(1, length * BLOCK_BYTES // first.nbytes)
    for start in range(0, length, rows):
        update(*(x if x is None else x[start : start + rows] for x in arrays), *settings)
