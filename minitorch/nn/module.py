"""Module: parameters, buffers and submodules under the names they were assigned to.

Assigning sorts by kind: a `Parameter` goes to `_parameters`, a `Module` to `_modules`, `register_buffer` to `_buffers`,
anything else into the instance as usual. All of a model's walks (`parameters`, `state_dict`, `to`, ...) read these
dicts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.tape import wrap
from ..devices import check_format, refuse
from ..ops.place import in_format
from ..tensor import RemovableHandle, Tensor
from . import hooks
from .hooks import EVERYWHERE
from .parameter import Buffer, Parameter, Uninitialized

__all__ = ["Module"]


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` did not find, and what it did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def errors(self) -> list[str]:
        """What `strict` says of them."""
        named = (("Missing", self.missing_keys), ("Unexpected", self.unexpected_keys))
        return [f"{what} key(s) in state_dict: {_quoted(keys)}. " for what, keys in named if keys]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module:
    """The base of all layers and models: assign parameters and submodules in `__init__`, compute in `forward`.

    >>> from minitorch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> [name for name, _ in Net().named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    _since_version_2: tuple[str, ...] = ()  # names that older states lack
    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _non_persistent_buffers_set=set(),
            _forward_hooks={},
            _forward_pre_hooks={},
            _backward_hooks={},
            _backward_pre_hooks={},
            _state_hooks={},
        )

    # ---------------------------------------------------------------------------------------------------------- calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes: every subclass defines it. Call the module itself, which also runs the hooks."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def _is_hooked(self) -> bool:
        own = self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
        return bool(own or EVERYWHERE)

    def _is_bare(self) -> bool:
        """Whether calling the module is nothing but its class's `forward`."""
        return not self._is_hooked() and "forward" not in self.__dict__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._is_hooked():
            return self.forward(*args, **kwargs)
        return hooks.call(self, args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before every forward; what it returns, if anything, replaces the arguments.

        prepend: before the hooks that are there. with_kwargs: call hook(module, args, kwargs), which may return a pair
        of new ones.
        """
        return hooks.register(self._forward_pre_hooks, hooks.before(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, output) after every forward; what it returns, if anything, replaces the output.

        prepend: before the hooks that are there. with_kwargs: call hook(module, args, kwargs, output). always_call:
        also where forward or a hook raises, with the output so far, None for none.
        """
        return hooks.register(self._forward_hooks, hooks.after(hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when backward has passed the module; both are tuples.

        What it returns, if anything, replaces grad_input, which has an entry per positional argument, None where no
        gradient goes. prepend: before the hooks that are there. Where the output is neither a tensor nor a tuple of
        tensors a call warns, and the hook sees nothing.
        """
        return hooks.register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """`register_full_backward_hook` under its older name, which PyTorch keeps for hooks of the last op alone."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output), a tuple, before backward passes the module; what it returns replaces it."""
        return hooks.register(self._backward_pre_hooks, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before `state_dict` reads the module."""
        return hooks.register(self._state_hooks.setdefault("save before", {}), hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata), which may change the dict, after it is filled."""
        return hooks.register(self._state_hooks.setdefault("save after", {}), hooks.returning_none(hook))

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """`register_state_dict_post_hook`, where what the hook returns, if anything, replaces the dict."""
        return hooks.register(self._state_hooks.setdefault("save after", {}), hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call a hook before `load_state_dict` looks for what belongs to the module in a copy of the given dict.

        It is called with (module, state_dict, prefix, local_metadata, True, missing_keys, unexpected_keys,
        error_msgs), and may change the dict and the three lists.
        """
        return hooks.register(self._state_hooks.setdefault("load before", {}), hook)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        """As above, without the module unless `with_module`."""
        return self.register_load_state_dict_pre_hook(hook if with_module else lambda module, *args: hook(*args))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, incompatible_keys) when everything is loaded, before missing and unexpected keys raise.

        It may change the two lists. Modules that are inside come first.
        """
        return hooks.register(self._state_hooks.setdefault("load after", {}), hook)

    # ------------------------------------------------------------------------------------------------------- attributes

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        if name in state.get("_parameters", ()):  # most often, and in every call
            return state["_parameters"][name]
        for kind in ("_buffers", "_modules"):
            members = state.get(kind)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _weights(self) -> tuple[Any, Any]:
        """`weight` and `bias`: parameters nearly always, and a lookup that fails before `__getattr__` costs 1.3 us."""
        own = self._parameters
        if "weight" in own and "bias" in own:
            return own["weight"], own["bias"]
        return self.weight, self.bias

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in state:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Buffer) and name not in state.get("_parameters", ()):
            if "_buffers" not in state:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name)
            self.register_buffer(name, value, value.persistent)
        elif name in state.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as parameter '{name}' (minitorch.nn.Parameter "
                    "or None expected)"
                )
            state["_parameters"][name] = None
        elif isinstance(value, Module):
            if "_modules" not in state:
                raise AttributeError("cannot assign module before Module.__init__() call")
            if name not in state["_modules"]:
                self._forget(name)
            state["_modules"][name] = hooks.registered("module", self, name, value)
        elif name in state.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as child module '{name}' (minitorch.nn.Module "
                    "or None expected)"
                )
            state["_modules"][name] = None
        elif name in state.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as buffer '{name}' (minitorch.Tensor or None expected)"
                )
            state["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def _forget(self, name: str) -> None:
        """Free `name` for a member of another kind."""
        for members in (self.__dict__, self._buffers, self._modules):
            members.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(name for name in names if not name[0].isdigit())

    def _check_name(self, what: str, name: Any, members: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in members and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the parameter `name`; None reserves the name.

        Raises KeyError for a name that is taken, empty or dotted, TypeError unless `param` is a Parameter, ValueError
        for one that is computed.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                    "(minitorch.nn.Parameter or None required)"
                )
            if not param.is_leaf:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}': a parameter is made by the user. To compute "
                    f"'{name}' from another tensor, do so in forward()."
                )
        self._parameters[name] = hooks.registered("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` the buffer `name`: state that is no parameter; saved in `state_dict` if `persistent`.

        Raises KeyError for a name that is taken, empty or dotted, TypeError unless `tensor` is a Tensor or None.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (minitorch Tensor or None required)"
            )
        self._buffers[name] = hooks.registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` the submodule `name`. Raises as `register_parameter`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name("module", name, self._modules)
        self._modules[name] = hooks.registered("module", self, name, module)

    register_module = add_module

    # ------------------------------------------------------------------------------------------------------------ walks

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module, named `prefix`, and all below it; each once if `remove_duplicate`.

        A module comes before what is below it. memo: the modules that came already, of the whole walk; it grows.
        `_joined(prefix, name)` puts a dot between them. A submodule may be None, which is passed over.
        """
        # BEGIN SOLUTION 5.1
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, below in self._modules.items():
            if below is not None:
                yield from below.named_modules(memo, _joined(prefix, name), remove_duplicate)
        # END SOLUTION

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct submodules, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        return (module for _, module in self.named_children())

    def _named_members(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        """(dotted name, member) of the dict `kind` of this module and, with `recurse`, of the same of all below it.

        Members that are None are passed over; one under several names comes once, under the first, if
        `remove_duplicate`.
        """
        # BEGIN SOLUTION 5.1
        seen = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for owner, module in owners:
            for name, member in getattr(module, kind).items():
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield _joined(owner, name), member
        # END SOLUTION

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) of this module and, with `recurse`, of all below it."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with `recurse`, of all below it, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer) of this module and, with `recurse`, of all below it."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with `recurse`, of all below it, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module under a dotted name, itself for "". Raises AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter under a dotted name. Raises AttributeError if there is none."""
        return self._get_member(target, "_parameters", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer under a dotted name. Raises AttributeError if there is none."""
        return self._get_member(target, "_buffers", "a buffer")

    def _get_member(self, target: str, kind: str, what: str) -> Any:
        owner, _, name = target.rpartition(".")
        module = self.get_submodule(owner)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if getattr(module, kind).get(name) is None:
            raise AttributeError(f"`{name}` is not {what}")
        return getattr(module, kind)[name]

    # ------------------------------------------------------------------------------------------------- changes of state

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call fn on every submodule, then on this module; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Set training mode here and below; returns self. Raises ValueError unless `mode` is a bool."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        # BEGIN SOLUTION 5.2
        for module in self.modules():
            module.training = mode
        return self
        # END SOLUTION

    def eval(self) -> Module:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Ask for gradients of all parameters, or no longer; returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: set them to None, or to zeros in place."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    def gradcheck(self, *inputs: Any, second: bool = False, **settings: Any) -> bool:
        """Check the derivatives by all float inputs, parameters and buffers, by name, as `autograd.gradcheck` does.

        It works on copies in float64, in the module's mode; the module stays as it is. Buffers that the module writes
        to or takes for constants, as running statistics, are not checked. second: to the second order, too.
        settings: those of `autograd.gradcheck`. Returns True, or raises GradcheckError: see docs/gradcheck.md.

        >>> import minitorch
        >>> minitorch.nn.Conv2d(2, 3, 3).gradcheck(minitorch.randn(1, 2, 4, 4), second=True)
        True
        """
        from .gradients import check

        return check(self, inputs, second, settings)

    def to(self, *args: Any, device: Any = None, dtype: Any = None, memory_format: Any = None, **kwargs: Any) -> Module:
        """Cast all floating parameters and buffers, in place; returns self. Takes what `Tensor.to` takes.

        memory_format: for parameters and buffers of as many dimensions as it has.

        Raises TypeError for a dtype that is not floating, RuntimeError for a device other than "cpu".
        """
        probe = wrap(np.empty(0, np.float32))
        wanted = probe.to(*args, device=device, dtype=dtype, **kwargs).dtype
        if memory_format is not None:
            check_format(memory_format, memory_format.ndim or 0)
            for tensor in (*self.parameters(), *self.buffers()):
                if not isinstance(tensor, Uninitialized) and tensor.ndim == memory_format.ndim:
                    tensor.array = in_format(tensor.detach(), memory_format).array
        named = dtype is not None or any(isinstance(arg, dtypes.dtype | type | np.dtype | Tensor) for arg in args)
        if not named:
            return self
        if not wanted.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={wanted}")
        for module in self.modules():
            for parameter in module._parameters.values():
                if isinstance(parameter, Uninitialized):
                    parameter.to(wanted)
                elif parameter is not None and parameter.is_floating_point():
                    parameter.array = parameter.array.astype(wanted.numpy, copy=False)
                    if parameter.grad is not None:
                        parameter.grad = wrap(parameter.grad.array.astype(wanted.numpy, copy=False))
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(wanted)
        return self

    def float(self) -> Module:
        """Cast all floating parameters and buffers to float32; returns self."""
        return self.to(dtypes.float32)

    def double(self) -> Module:
        """Cast all floating parameters and buffers to float64; returns self."""
        return self.to(dtypes.float64)

    def half(self) -> Module:
        """Cast all floating parameters and buffers to float16; returns self. Layers are slow in it."""
        return self.to(dtypes.float16)

    def bfloat16(self) -> Module:
        """Cast all floating parameters and buffers to bfloat16, for which ml_dtypes has to be there; returns self."""
        return self.to(dtypes.bfloat16)

    def type(self, dst_type: Any) -> Module:
        """Cast all floating parameters and buffers to a dtype; returns self."""
        return self.to(dtypes.of_type(dst_type) if isinstance(dst_type, str) else dst_type)

    def cuda(self, device: Any = None) -> Module:
        """Raises NoDeviceError: there is no GPU."""
        raise refuse("cuda")

    def cpu(self) -> Module:
        """self: everything is on the CPU."""
        return self

    # --------------------------------------------------------------------------------------------- saving and restoring

    def _state(self) -> Iterator[tuple[str, Module, str, Tensor]]:
        """(key, owner, name, tensor) of everything a `state_dict` holds, a shared module once per name."""
        for owner, module in self.named_modules(remove_duplicate=False):
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None and name not in module._non_persistent_buffers_set:
                    yield _joined(owner, name), module, name, tensor

    def get_extra_state(self) -> Any:
        """What a subclass wants saved beside parameters and buffers: `state_dict` holds it as "<name>._extra_state".

        Whoever defines this also defines `set_extra_state`. `save` takes numbers, text, tensors and nests of them.
        """
        raise RuntimeError(f"{type(self).__name__} defines set_extra_state, so it should define get_extra_state, too")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned; `load_state_dict` calls this after everything else is copied."""
        raise RuntimeError(f"{type(self).__name__} defines get_extra_state, so it should define set_extra_state, too")

    def _extras(self, method: str) -> Iterator[tuple[str, Module]]:
        """(key, module) of the modules that define `method`, one of the two above."""
        for owner, module in self.named_modules(remove_duplicate=False):
            if getattr(type(module), method) is not getattr(Module, method):
                yield _joined(owner, "_extra_state"), module

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by dotted name, detached, sharing memory; as they are if `keep_vars`.

        What `get_extra_state` of a module returns, where it defines one, stands behind its own as "_extra_state".

        `prefix` is put before every name ("model." with its dot); `destination` is a dict to fill instead of a new one.
        """
        destination = OrderedDict() if destination is None else destination
        for hook in self._hooks("save before"):
            hook(self, prefix, keep_vars)
        # BEGIN SOLUTION 5.2
        for name, tensor in [*self._parameters.items(), *self._buffers.items()]:
            if tensor is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        # END SOLUTION
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[f"{prefix}_extra_state"] = self.get_extra_state()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._hooks("save after"):
            replaced = hook(self, destination, prefix, {})
            destination = destination if replaced is None else replaced
        return destination

    def _hooks(self, kind: str) -> list[Callable]:
        return list(self._state_hooks[kind].values()) if kind in self._state_hooks else []

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors or arrays into the parameters and buffers of the same names; returns the names that differ.

        With `assign` the given tensors themselves become parameters and buffers. What has no shape yet, in a lazy
        module, takes the shape it is given. Everything is checked before anything changes. Raises TypeError for what is
        no mapping, RuntimeError for sizes that differ and, if `strict`, for names that are missing or unexpected. What
        files of before PyTorch 0.4.1 lack, the number of batches of a norm, is not missing and stays.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        versions = getattr(state_dict, "_metadata", {})
        owners = list(self.named_modules(remove_duplicate=False))
        noted: tuple[list, list, list] = ([], [], [])  # missing and unexpected keys, errors: what hooks say
        if any(module._state_hooks for _, module in owners):
            state_dict = OrderedDict(state_dict)
            for owner, module in owners:
                for hook in module._hooks("load before"):
                    hook(module, state_dict, owner and f"{owner}.", {}, True, *noted)
        state = {key: (module, name, tensor) for key, module, name, tensor in self._state()}
        extras = dict(self._extras("set_extra_state"))
        missing = noted[0] + [key for key in (*state, *extras) if key not in state_dict]
        missing = [key for key in missing if key not in state or not _is_newer(key, *state[key], versions)]
        unexpected = noted[1] + [key for key in state_dict if key not in state and key not in extras]
        found, errors, plan = IncompatibleKeys(missing, unexpected), noted[2], []
        later = [(module, hook) for _, module in reversed(owners) for hook in module._hooks("load after")]
        if strict and not later:
            errors = found.errors() + errors
        # First everything is checked: `_problem(key, tensor, value, assign)` says what is wrong with a value, or None.
        # What is right goes to `plan`, what is wrong to `errors`, all of which `_refuse` raises, if there are any.
        # BEGIN SOLUTION 5.2
        for key, (module, name, tensor) in state.items():
            if key in state_dict:
                problem = _problem(key, tensor, state_dict[key], assign)
                if problem:
                    errors.append(problem)
                plan.append((module, name, tensor, state_dict[key]))
        self._refuse(errors)
        # END SOLUTION
        for module, name, tensor, value in plan:
            if assign:
                setattr(module, name, _replacement(tensor, value))
            elif not isinstance(value, Uninitialized):
                if isinstance(tensor, Uninitialized):
                    tensor.materialize(value.shape)
                tensor.write()[...] = value.array if isinstance(value, Tensor) else value
        for key, module in extras.items():
            if key in state_dict:
                module.set_extra_state(state_dict[key])
        for module, hook in later:
            hooks.loaded(hook, module, found)
        if strict and later:
            self._refuse(found.errors())
        return found

    def _refuse(self, errors: list[str]) -> None:
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))

    # ---------------------------------------------------------------------------------------------------- how it prints

    def extra_repr(self) -> str:
        """The text between the parentheses of this module's repr, before its submodules."""
        return ""

    def _lines(self) -> list[str]:
        """The submodules as lines of the repr."""
        return [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = self._lines()
        name = type(self).__name__
        if not children and len(extra) <= 1:
            return f"{name}({''.join(extra)})"
        return f"{name}(\n  " + "\n  ".join([*extra, *children]) + "\n)"


def _is_newer(key: str, module: Module, name: str, tensor: Tensor, versions: Mapping) -> bool:
    """Whether `name` came into the state of the module after the version that a file says, or does not say."""
    version = versions.get(key.rpartition(".")[0], {}).get("version")
    return name in module._since_version_2 and (version is None or version < 2)


def _problem(key: str, tensor: Tensor, value: Any, assign: bool) -> str | None:
    """Why `value` can't be loaded into `tensor`, or None."""
    if not isinstance(value, Tensor | np.ndarray):
        return (
            f'While copying the parameter named "{key}", expected a Tensor or array from checkpoint but received '
            f"{type(value)}"
        )
    lazy = isinstance(tensor, Uninitialized)  # takes any shape, and another's lack of one
    if isinstance(value, Uninitialized):
        return None if lazy else f"{key} is uninitialized in the checkpoint: it is the state of a lazy module."
    shape = tuple(value.shape)
    if not lazy and shape != tensor.array.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {_sized(shape)} from checkpoint, the shape in "
            f"current model is {_sized(tensor.array.shape)}."
        )
    try:
        dtypes.as_dtype(value.dtype)
        if assign and isinstance(tensor, Parameter) and tensor._requires_grad and value.dtype.name[:5] != "float":
            raise TypeError(f"dtype {value.dtype} can't require grad")
        if not assign and not lazy:
            tensor.check_writeable()
    except (TypeError, RuntimeError) as error:
        return f'While copying the parameter named "{key}", whose dimensions are {_sized(shape)}: {error}.'
    return None


def _replacement(tensor: Tensor, value: Any) -> Any:
    """What takes the place of `tensor` in load_state_dict(assign=True)."""
    value = value if isinstance(value, Tensor) else wrap(value)
    if not isinstance(tensor, Parameter):
        return value
    if isinstance(value, Parameter):
        return value.requires_grad_(tensor._requires_grad)
    return Parameter(value, tensor._requires_grad)


def _sized(shape: tuple) -> str:
    return f"minitorch.Size({list(shape)})"


def _type_name(value: Any) -> str:
    return f"minitorch.{type(value).__name__}" if isinstance(value, Tensor) else type(value).__name__


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _indented(text: str) -> str:
    """All lines but the first two spaces further in."""
    return text.replace("\n", "\n  ")
