"""Parameters and buffers that are computed from others: `layer.weight` is what a module makes of `original`.

A layer with such a tensor is of a class made for it, `ParametrizedLinear` for a `Linear`, which computes the tensor
whenever it is asked for. Its modules stand in `layer.parametrizations`, a list for each tensor, together with what they
start from: `layer.parametrizations.weight.original`, or `original0`, `original1`, ... That is what trains and is saved.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from ...autograd import no_grad
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Any] = {}
_cached = 0  # how many `cached` blocks are open


@contextmanager
def cached() -> Iterator[None]:
    """Within, each computed tensor is computed once, when it is first asked for."""
    global _cached
    _cached += 1
    try:
        yield
    finally:
        _cached -= 1
        if not _cached:
            _cache.clear()


def _member(module: Module, name: str, tensor: Any) -> None:
    """Make a parameter a parameter of `module`, another tensor a buffer."""
    (module.register_parameter if isinstance(tensor, Parameter) else module.register_buffer)(name, tensor)


def _set(tensor: Any, value: Any) -> None:
    """Give a tensor, which stays the same one, the values, and if need be the shape, of another."""
    if tensor is value:
        return
    if tensor.shape == value.shape:
        tensor.write()[...] = value.array
    else:
        tensor.array = value.array.copy()


def _check_same(who: str, new: Any, old: Any) -> None:
    """Raises ValueError unless `new` is a tensor of the dtype and shape of `old`."""
    if not isinstance(new, Tensor):
        raise ValueError(f"{who} must return a tensor. Got {type(new).__name__}.")
    for what in ("dtype", "shape"):
        if getattr(new, what) != getattr(old, what):
            raise ValueError(
                f"{who} may not change the {what} of the tensor, unless the `unsafe` flag is enabled: it was "
                f"{getattr(old, what)} and would be {getattr(new, what)}."
            )


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, each from the last one's result, and what the first starts from."""

    original: Any

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            start = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # as if it were the identity
                        start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        if self.is_tensor:
            if start.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype: it was "
                    f"{original.dtype} and would be {start.dtype}"
                )
        elif not isinstance(start, Sequence) or not all(isinstance(t, Tensor) for t in start):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors, but got {type(start).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(start)
        before = original.detach().clone() if self.is_tensor else original
        if self.is_tensor:
            _set(original, start)
            _member(self, "original", original)
        else:
            for i, tensor in enumerate(start):
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor.detach().clone(), original.requires_grad)
                _member(self, f"original{i}", tensor)
        if not unsafe:
            try:
                _check_same("Registering a parametrization", self(), before)
            except Exception:
                if self.is_tensor:
                    _set(original, before)
                raise

    def _originals(self) -> list:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Change what is started from so that the tensor becomes `value`: each module has to have a right_inverse."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            values = [value] if self.is_tensor else value
            if not isinstance(values, Sequence) or len(values) != self.ntensors:
                raise ValueError(f"'right_inverse' must return a sequence of {self.ntensors} tensors")
            for old, new in zip(self._originals(), values, strict=True):
                if not isinstance(new, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
                if new.dtype != old.dtype:
                    raise ValueError(f"`right_inverse` returned {new.dtype} where the original has {old.dtype}")
            for old, new in zip(self._originals(), values, strict=True):
                _set(old, new)

    def forward(self) -> Any:
        """The tensor."""
        first, *others = list(self)
        out = first(*self._originals())
        for module in others:
            out = module(out)
        return out


class _Parametrized(Module):
    """What the classes of layers with computed tensors have in common."""

    def __getattr__(self, name: str) -> Any:
        lists = self.__dict__.get("_modules", {}).get("parametrizations", {})
        if name not in lists:
            return super().__getattr__(name)
        if not _cached:
            return lists[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = lists[name]()
        return _cache[key]

    def __setattr__(self, name: str, value: Any) -> None:
        lists = self.__dict__.get("_modules", {}).get("parametrizations", {})
        if name in lists:
            lists[name].right_inverse(value)
        else:
            super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict) -> Any:
        out = memo[id(self)] = type(self).__new__(type(self))
        out.__dict__.update(deepcopy(self.__dict__, memo))
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): their class is made here"
        )


@functools.cache
def _class_for(cls: Any) -> Any:
    """The class of a `cls` with computed tensors."""
    return type(f"Parametrized{cls.__name__}", (_Parametrized, cls), {"__doc__": cls.__doc__, "plain": cls})


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of a module is computed, this one or any."""
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def type_before_parametrizations(module: Module) -> type:
    """The class that a module has without its parametrizations."""
    return type(module).plain if is_parametrized(module) else type(module)  # type: ignore[attr-defined]


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `parametrization` compute module's parameter or buffer `tensor_name` from its present value; returns module.

    If the tensor is computed already, its result is handed on to this one. A method `right_inverse` of the
    parametrization says what to start from so that a value results, a tensor or several; without one it is the value.
    `unsafe` lets it change shape and dtype.

    Raises ValueError where there is no such tensor, and for another shape or dtype.

    >>> import minitorch
    >>> from minitorch import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> minitorch.equal(layer.weight, layer.weight.T), [name for name, _ in layer.named_parameters()]
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        known: Any = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_same("A parametrization", after, before)
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(after)
                except NotImplementedError:
                    back = before
                _check_same("parametrization.right_inverse", back, before)
        known.append(parametrization)
        known.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        computed = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            cls: Any = type(module)
            module.__class__ = _class_for(cls)
            module.parametrizations = ModuleDict()
        module.parametrizations[tensor_name] = computed
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `tensor_name` a plain parameter or buffer again, with its computed value or the one started from.

    Raises ValueError where it is not computed, and for `leave_parametrized=False` where it started from several.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    lists: Any = module.parametrizations
    known = lists[tensor_name]
    if not known.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    if known.is_tensor:
        tensor = known.original
        if leave_parametrized:
            with no_grad():
                _set(tensor, known())
    else:
        value = known()
        tensor = Parameter(value.detach().clone()) if value.requires_grad else value
    del lists[tensor_name]
    if not is_parametrized(module):
        plain = type(module).plain  # type: ignore[attr-defined]
        del module.parametrizations
        module.__class__ = plain
    _member(module, tensor_name, tensor)
    return module
