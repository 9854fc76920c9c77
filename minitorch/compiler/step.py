"""When a step is recorded, and when its record is run."""

from __future__ import annotations

import functools
import os
import sys
import threading
from contextlib import nullcontext
from types import FunctionType
from typing import Any

from .. import random
from ..autograd import following, is_grad_enabled, is_inference_mode_enabled, plain, tape
from ..autograd.forward_ad import _level
from ..autograd.modes import _recorder
from ..dtypes import get_default_dtype
from ..kernels import get_num_threads
from ..kernels.tile import algorithm
from ..tensor import Tensor
from .guards import Guards, is_constant
from .program import Program

PATIENCE = 4  # calls that find something changed before the step is recorded anew
KINDS = 32  # of calls, each with a record of its own
ATTEMPTS = 100  # to record a step


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
    name: str | None = None,
) -> Any:
    """A function that computes the same, sooner where it can: `model` is a step, or a module, which is given back.

    Also as a decorator, with or without PyTorch's arguments, of which `disable` is looked at. See `Step` for what a
    step may do, and how to find out why it is not run again from a record. Raises TypeError for what can't be called.

    >>> import minitorch
    >>> w = minitorch.ones(3, requires_grad=True)
    >>> optimizer = minitorch.optim.SGD([w], lr=0.1)
    >>> @minitorch.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = ((w * x) ** 2).mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [round(step(minitorch.ones(3)).item(), 4) for _ in range(6)]
    [1.0, 0.8711, 0.7588, 0.661, 0.5758, 0.5016]
    """
    if model is None:
        return functools.partial(compile, disable=disable)
    if not callable(model):
        raise TypeError(f"compile(): expected a module or a function, but got {type(model).__name__}")
    return Step(model) if isinstance(model, FunctionType) and not disable else model


class Step:
    """A function of tensors that is run again from a record of its calls, where that is sure to give the same bits.

    What a step may do: read its arguments, names of its surroundings that mean the same each time, and what modules
    hold; compute with tensors; call `backward`, and `zero_grad` and `step` of optimizers; return tensors. Its first
    runs, four for each shape, dtype and mode, are those of the function, of which the last shows that a record would do
    the same. From then on the record is run; if an argument has another shape, a module another mode, a hook or other
    parameters, the function is. A step that does more, as print, ask for a value, add to a list or change a tensor in
    place that it did not make, runs as it is, and `refused` says why, by what was met first. So does one of more than
    128 MB of arrays, all of which the record keeps: there Python is little, and a record's ops are not fused.

    An attribute of a class counts as a constant. Returned tensors keep their place on a tape that backward has freed.
    """

    def __init__(self, function: FunctionType) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._cases: dict[tuple, _Case] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<compiled {self._function!r}>"

    @property
    def refused(self) -> str:
        """Why the last kind of call that was not recorded was not; "" if all were, or will be."""
        return next((case.refused for case in reversed(self._cases.values()) if case.refused), "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key = None if kwargs else _key(args)
        if key is None:
            return self._function(*args, **kwargs)
        case = self._cases.get(key)
        if case is None:
            if len(self._cases) >= KINDS:
                return self._function(*args)
            case = self._cases.setdefault(key, _Case(self._function))
        return case.call(args)


def _key(args: tuple) -> tuple | None:
    """What two calls have in common that one record serves; None where none does."""
    if plain.enabled or tape.observers or following.active() or not (_recorder.get() is _level.get() is None):
        return None
    modes = is_grad_enabled(), is_inference_mode_enabled(), get_num_threads(), algorithm.setting, get_default_dtype()
    key: list[Any] = [*modes]
    for x in args:
        if isinstance(x, Tensor):
            if type(x) is not Tensor or x._requires_grad or x.node is not None or x._inference:
                return None
            array = x.array
            key.append((array.shape, array.strides, array.dtype))
        elif is_constant(x):
            key.append((type(x), x))
        else:
            return None
    return tuple(key)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function as it is; also as a decorator. For PyTorch's scripts: what `compile` can't record runs anyway."""
    return fn if fn is not None else lambda function: function


def is_compiling() -> bool:
    """Whether a step is recorded."""
    return following.active()


_recording = threading.RLock()  # of the process, whose functions a recording exchanges for others


class _Case:
    """A step for arguments of one kind.

    Its first run is the function's: kernels compile, optimizers make their state. The second is watched and recorded,
    the third recorded. Before the fourth, recorded as well, the third's program is rehearsed, and then compared.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function, self.refused = function, ""
        self.busy, self.attempts = threading.RLock(), 0  # which an interrupt can't keep from the thread that has it
        self.begin()

    def begin(self) -> None:
        """Forget what was recorded."""
        self.attempts += 1
        if self.attempts > ATTEMPTS:
            self.refused = "what it depends on changes too often"
        self.ready, self.runs, self.changes, self.process = False, 0, 0, os.getpid()
        self.guards: Any = None
        self.program: Any = None

    def call(self, args: tuple) -> Any:
        """What the function gives for these arguments."""
        if self.refused or not self.busy.acquire(blocking=False):
            return self.function(*args)
        try:
            if not self.ready:
                if _recording.acquire(blocking=False):
                    try:
                        return self.prepare(args)
                    finally:
                        _recording.release()
            elif self.process == os.getpid() and self.guards.hold():
                self.changes = 0
                return self.program.run([x.array for x in args if isinstance(x, Tensor)])
            else:
                self.changes += 1
                if self.changes > PATIENCE:
                    self.begin()
            return self.function(*args)
        finally:
            self.busy.release()

    def prepare(self, args: tuple) -> Any:
        """One of the runs before the program is ready."""
        if self.runs == 0 or sys.getprofile() is not None:
            self.runs = 1
            return self.function(*args)
        self.runs += 1
        tensors = [x for x in args if isinstance(x, Tensor)]
        if self.runs > 2 and not self.rehearsed([x.array for x in tensors]):
            self.begin()
            return self.function(*args)
        try:
            if self.runs == 2:
                self.guards = Guards(self.function)
            program = Program(tensors, self.guards.tensors)
            standing = iter(program.inputs)
            given = tuple([next(standing) if isinstance(x, Tensor) else x for x in args])
            with self.guards.watch(program.computes) if self.runs == 2 else nullcontext():
                found = program.record(self.function, given)
            self.judge(program)
            return found
        except BaseException:
            self.begin()
            raise

    def rehearsed(self, arrays: list) -> bool:
        """Whether all is as it was; then what was recorded is rehearsed before the last run."""
        if not self.guards.hold():
            return False
        if self.runs == 4:
            state = random.get_rng_state()
            try:
                self.program.rehearse(arrays)
            except Exception:  # noqa: BLE001 the function will raise it
                return False
            finally:
                random.set_rng_state(state)
        return True

    def judge(self, program: Program) -> None:
        """What follows from a recorded run."""
        before, self.program = self.program, program
        self.refused = self.guards.refused or program.refused
        if not self.refused and not self.guards.hold():
            self.refused = "it changes what it depends on"
        if not self.refused and self.runs > 2:
            self.refused = before.wrong(program, self.runs == 4)
        if self.refused:
            self.program = self.guards = None
        elif self.runs == 4:
            self.program, self.ready = before, True
