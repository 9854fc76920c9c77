"""Grad mode: whether operations are recorded on the tape. Local to a context (thread, task), restored on exceptions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded here.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    return _enabled.get()


class _GradMode:
    """A grad mode as a context manager that nests, and as a decorator of functions and generator functions."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(_enabled.get())
        _enabled.set(self.mode)

    def __exit__(self, *exception: object) -> None:
        _enabled.set(self._previous.pop())

    def __call__(self, function: Callable) -> Callable:
        mode = self.mode

        if inspect.isgeneratorfunction(function):
            # The mode holds while the generator's body runs and never leaks to the caller between two values.
            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                body = function(*args, **kwargs)
                send, value = body.send, None
                while True:
                    try:
                        with _GradMode(mode):
                            item = send(value)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        value = yield item
                        send = body.send
                    except GeneratorExit:
                        with _GradMode(mode):
                            body.close()
                        raise
                    except BaseException as error:
                        send, value = body.throw, error

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(mode):
                return function(*args, **kwargs)

        return wrapper


class no_grad(_GradMode):
    """Record nothing inside: `with no_grad(): ...`, or `@no_grad()` over a function."""

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        self.__init__()  # type: ignore[misc]
        return self if function is None else self(function)

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__(False)


class inference_mode(_GradMode):
    """`no_grad` under PyTorch's name for code that only evaluates; `inference_mode(False)` records again."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)


class enable_grad(_GradMode):
    """Record inside, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Set the mode: at once when called as a function, and until the end of the block as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._previous.append(_enabled.get())
        _enabled.set(self.mode)

    def __enter__(self) -> None:
        """The mode is set already."""

    def __call__(self, function: Callable) -> Callable:
        _enabled.set(self._previous.pop())
        return super().__call__(function)
