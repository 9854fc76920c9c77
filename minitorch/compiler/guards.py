"""What a step depends on beside its arguments, and whether all that is as it was.

While a step runs, Python tells which functions are called (`sys.setprofile`). The code of users among them may do
nothing but read, compute with tensors and return: their names are looked up, and what these mean must stay the same.
So must parameters and buffers, the modules' attributes and that nobody hooks in. Whatever might have an effect that
calls of kernels don't repeat, as a list that grows or a counter, makes a step that is not recorded; so does an object
of a class unknown here, whose attributes could change.
"""

from __future__ import annotations

import dis
import itertools
import operator
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..autograd import Primitive
from ..dtypes import dtype
from ..nn import Module
from ..nn.hooks import EVERYWHERE
from ..optim import Optimizer
from ..tensor import Tensor

OWN, HERE = (str(Path(__file__).parents[i]) for i in (0, 1))
LIBRARIES = tuple({*sysconfig.get_paths().values(), str(Path(dis.__file__).parent)})
EFFECTS: tuple[str, ...] = ("STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "STORE_SLICE")
EFFECTS += ("DELETE", "IMPORT", "YIELD", "SEND", "LOAD_BUILD_CLASS", "LOAD_LOCALS", "SETUP_ANNOTATIONS")
READS = {"array", "data", "grad", "_grad", "__dict__", "defaults", "param_groups", "state"}  # may change unseen
VALUES = {"item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__contains__", "__float__", "__format__"}
VALUES |= {"__complex__", "__dlpack__", "__index__", "__int__", "__iter__", "__repr__", "__str__", "allclose", "equal"}
LOOKS = {"all", "any", "argmax", "argmin", "item", "max", "min", "nonzero", "reduce", "sum", "tobytes"}  # of arrays
LOOKS |= {"tolist"}
HARMLESS = {"__enter__", "__exit__", "abs", "isinstance", "len", "max", "min", "sum"}
CALLED = ("autograd", "nn", "ops", "facts.py", "surface.py", "tensor.py")  # parts of minitorch that code of users calls
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
MEMBERS = ("_parameters", "_buffers", "_modules")
CONSTANTS = (bool, int, float, complex, str, bytes, type, dtype, Primitive, BuiltinFunctionType, FunctionType)
_missing = object()


class Guards:
    """What a function depends on, collected while it runs once. tensors: those that it may read.

    refused: why it can't be recorded, or ""."""

    def __init__(self, function: FunctionType) -> None:
        self.refused = ""
        self._names: list[tuple[dict, str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self.tensors: list[Tensor] = []
        self._arrays: list[tuple[Tensor, np.ndarray, bool]] = []
        self._modules: dict[int, Module] = {}
        self._dicts: list[dict] = []
        self._empty: list[dict] = []
        self._state: list[Any] = []
        self._functions: dict[CodeType, FunctionType | None] = {}  # of users; None: inside of another
        self._calls: set[tuple[CodeType, bool]] = set()
        self._globals = function.__globals__
        self._function(function)

    def hold(self) -> bool:
        """Whether all is as it was."""
        for names, name, value in self._names:
            if names.get(name, _missing) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        for tensor, array, requires_grad in self._arrays:
            own = tensor.__dict__
            if own.get("array") is not array or tensor._requires_grad is not requires_grad or tensor._node is not None:
                return False
            if tensor._hooks or tensor._after_hooks or tensor.base is not None:
                return False
        if EVERYWHERE or any(self._empty):
            return False
        now = self._now()
        return len(now) == len(self._state) and all(map(operator.is_, now, self._state))

    @contextmanager
    def watch(self, computes: Callable[[], bool]) -> Iterator[None]:
        """Collect what is read in here. computes: whether that is a part of a call, which is made again."""
        self._computes = computes
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._state = self._now()

    def _now(self) -> list[Any]:
        """What the modules hold."""
        return list(itertools.chain.from_iterable([own.values() for own in self._dicts]))

    def refuse(self, why: str) -> None:
        """The function can't be recorded."""
        self.refused = self.refused or why

    # ------------------------------------------------------------------------------------------------------- the calls
    def _look(self, frame: Any, event: str, argument: Any) -> None:
        """As `sys.setprofile` calls it."""
        code = frame.f_code
        if event == "c_call":
            name = argument.__name__
            if name in LOOKS and type(getattr(argument, "__self__", None)) in (np.ndarray, np.ufunc):
                if not self._computes() and not code.co_filename.startswith(OWN):
                    self.refuse(f"{code.co_name} looks at values ({name})")
            elif name not in HARMLESS and self._is_users(code, frame.f_globals):
                self.refuse(f"{code.co_name} calls {name}")
        elif event == "call":
            back = frame.f_back
            by_user = back is not None and self._is_users(back.f_code, back.f_globals)
            if (code, by_user) not in self._calls:
                self._calls.add((code, by_user))
                self._call(frame, code, by_user)

    def _call(self, frame: Any, code: CodeType, by_user: bool) -> None:
        if self._is_users(code, frame.f_globals):
            if code in self._functions:
                self._open(self._functions[code])
            else:
                self.refuse(f"{code.co_name} is known by no name")
            self._read(frame, code)
        elif by_user:
            path = code.co_filename
            inside = path.startswith(HERE) and path[len(HERE) + 1 :].replace("\\", "/").startswith(CALLED)
            if not inside or code.co_name in VALUES:
                self.refuse(f"{frame.f_back.f_code.co_name} calls {code.co_name}")

    def _is_users(self, code: CodeType, names: dict) -> bool:
        """Whether code is neither minitorch's nor another library's. Without a file: whether it is the function's."""
        file = code.co_filename
        return names is self._globals if file.startswith("<") else not file.startswith((HERE, *LIBRARIES))

    def _read(self, frame: Any, code: CodeType) -> None:
        """Look through a user's function."""
        for line in dis.get_instructions(code):
            kind, name = line.opname, line.argval
            if kind.startswith(EFFECTS):
                self.refuse(f"{code.co_name} has an effect ({kind} {line.argrepr}".rstrip() + ")")
            elif kind in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = frame.f_globals.get(name, _missing)
                self._names.append((frame.f_globals, name, value))
                if value is not _missing:
                    self._value(name, value)
            elif kind in ("LOAD_ATTR", "LOAD_METHOD") and name in READS:
                self.refuse(f"{code.co_name} reads .{name}")
            elif kind in ("CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH"):
                self.refuse(f"{code.co_name} catches exceptions")
        self._functions |= {constant: None for constant in code.co_consts if isinstance(constant, CodeType)}

    # ------------------------------------------------------------------------------------------------------ the values
    def _value(self, name: str, value: Any) -> None:
        """Something that a user's function knows by this name."""
        if isinstance(value, Module):
            for module in value.modules():
                self._module(module)
        elif isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif not is_constant(value) and not isinstance(value, Optimizer):
            self.refuse(f"{name} is of a class that may change: {type(value).__name__}")

    def _function(self, function: FunctionType) -> None:
        if self._is_users(function.__code__, function.__globals__):
            self._functions.setdefault(function.__code__, function)

    def _open(self, function: FunctionType | None) -> None:
        """What a function that is called brings with it: defaults, and names of the functions around it."""
        if function is None:
            return
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._value("a default", value)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                self.refuse(f"{name} has no value yet")
                continue
            self._cells.append((cell, value))
            self._value(name, value)

    def _tensor(self, tensor: Tensor) -> None:
        if tensor._node is not None or tensor.base is not None or "array" not in tensor.__dict__:
            self.refuse("a tensor that is read was computed")
        else:
            self.tensors.append(tensor)
            self._arrays.append((tensor, tensor.array, tensor._requires_grad))

    def _module(self, module: Module) -> None:
        if id(module) in self._modules:
            return
        self._modules[id(module)] = module
        own = module.__dict__
        self._dicts += [own, *[own[kind] for kind in MEMBERS]]
        self._empty += [own[kind] for kind in HOOKS]
        for tensor in (*own["_parameters"].values(), *own["_buffers"].values()):
            if tensor is not None:
                self._tensor(tensor)
        if type(module).__module__.partition(".")[0] != __package__.partition(".")[0]:
            for value in itertools.chain.from_iterable([vars(kind).values() for kind in type(module).__mro__]):
                value = getattr(value, "__func__", getattr(value, "fget", value))  # of a property, or a static method
                if isinstance(value, FunctionType):
                    self._function(value)
            for name, value in own.items():
                if name not in (*MEMBERS, *HOOKS, "_state_hooks", "_non_persistent_buffers_set"):
                    self._value(name, value)


def is_constant(value: Any) -> bool:
    """Whether nothing about a value can change."""
    if isinstance(value, tuple):
        return all(map(is_constant, value))
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] in (__package__.partition(".")[0], "math")
    return value is None or isinstance(value, CONSTANTS)
