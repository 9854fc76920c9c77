"""Grad mode: whether operations are recorded on the tape. Local to a context (thread, task), restored on exceptions.

Also on those that a signal handler raises, which may arrive wherever a Python function begins or a C function returns:
right after `__enter__` has set the mode, and at the first instruction of an `__exit__` written in Python. So
`__enter__` undoes what it did, and `__exit__` is a C function: that of `io.IOBase`, which calls `self.close`, here a
chain of C functions. Nothing else of `io` is of use.
"""

from __future__ import annotations

import functools
import inspect
import io
from collections.abc import Callable
from contextvars import ContextVar
from operator import is_, not_
from typing import Any, NamedTuple

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)
_inference: ContextVar[bool] = ContextVar("inference_mode", default=False)


class Recorder(NamedTuple):
    """What is done with each node that is recorded, beside recording it: see graph.py and anomaly.py."""

    save: Callable[[Any], None] | None = None
    trace: Any = None
    refusal: str | None = None  # the message with which hooks of saved tensors are refused

    def act(self, node: Any) -> None:
        """Do it."""
        if self.save is not None:
            self.save(node)
        if self.trace is not None:
            self.trace.record(node)


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
_running: ContextVar[Any] = ContextVar("running", default=None)  # the innermost backward pass, a `Run` of tape.py


def is_grad_enabled() -> bool:
    """Whether operations are being recorded here.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    return _enabled.get()


def is_inference_mode_enabled() -> bool:
    """Whether tensors that are made here are inference tensors."""
    return _inference.get()


class GradMode(io.IOBase):
    """A grad mode as a context manager that nests, and as a decorator of functions and generator functions."""

    closed = True  # says that `close` need not be called when this dies

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._previous: list[bool] = []
        # Each call sets what it pops, and returns False, by which `__exit__` lets exceptions pass.
        self.close = map(not_, map(_enabled.set, iter(self._previous.pop, None))).__next__  # type: ignore[assignment]

    def __enter__(self) -> Any:
        self._previous.append(_enabled.get())
        try:
            _enabled.set(self.mode)
        except BaseException:  # an interrupt, which arrived when it was set
            self.close()
            raise

    def _again(self) -> GradMode:
        """Another context manager of the same mode."""
        return GradMode(self.mode)

    def __call__(self, function: Callable) -> Callable:
        again = self._again

        if inspect.isgeneratorfunction(function):
            # The mode holds while the generator's body runs and never leaks to the caller between two values.
            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                body = function(*args, **kwargs)
                send, value = body.send, None
                while True:
                    try:
                        with again():
                            item = send(value)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        value = yield item
                        send = body.send
                    except GeneratorExit:
                        with again():
                            body.close()
                        raise
                    except BaseException as error:
                        send, value = body.throw, error

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return wrapper


class no_grad(GradMode):
    """Record nothing inside: `with no_grad(): ...`, or `@no_grad()` over a function."""

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        self.__init__()  # type: ignore[misc]
        return self if function is None else self(function)

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__(False)


class inference_mode(GradMode):
    """`no_grad` for code that only evaluates; `inference_mode(False)` records again.

    Tensors made inside stay inference tensors: outside they can't be changed in place, and no rule can need their
    values. Both raise RuntimeError; a clone is a normal tensor.
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)
        self._were: list[bool] = []
        undo = map(_inference.set, iter(self._were.pop, None)), map(_enabled.set, iter(self._previous.pop, None))
        self.close = map(is_, *undo).__next__  # type: ignore[assignment]

    def _again(self) -> GradMode:
        return inference_mode(not self.mode)

    def __enter__(self) -> Any:
        self._were.append(_inference.get())
        self._previous.append(_enabled.get())
        try:
            _inference.set(not self.mode)
            _enabled.set(self.mode)
        except BaseException:
            self.close()
            raise


class enable_grad(GradMode):
    """Record inside, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(GradMode):
    """Set the mode: at once when called as a function, and until the end of the block as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        super().__enter__()

    def __enter__(self) -> Any:
        """The mode is set already."""

    def __call__(self, function: Callable) -> Callable:
        self.close()
        return super().__call__(function)
