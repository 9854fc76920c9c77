"""Somebody follows a run: is told of each primitive as it is called, and of each step that has a name of its own.

A step is a function that is one thing to whoever writes a model down, though it is made of several primitives
(`batch_norm`) or of none (`argmax`). While nobody follows, a primitive costs what it costs otherwise, and a step one
call more (0.2 us, 2026-11).
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

from .primitive import Primitive

_follower: ContextVar[Any] = ContextVar("follower", default=None)
_call = Primitive.__call__
_lock = threading.Lock()
_followed: set[object] = set()  # a mark for each that follows, in any thread


class Follower(Protocol):
    """Who follows: both functions must call `compute()`, once, and return what it returns."""

    def primitive(self, op: Primitive, args: tuple, settings: dict, compute: Callable[[], Any]) -> Any:
        """A primitive is called with tensors, arrays and settings."""

    def step(self, name: str, args: tuple, kwargs: dict, compute: Callable[[], Any]) -> Any:
        """A step is called; what it calls itself comes before `compute` returns."""


def active() -> bool:
    """Whether anybody follows, in any thread."""
    return bool(_followed)


def step(name: str) -> Callable[[Callable], Callable]:
    """Decorator: a function whose calls followers are told of, under this name."""

    def declare(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            follower = _follower.get() if _followed else None
            if follower is None:
                return function(*args, **kwargs)
            return follower.step(name, args, kwargs, lambda: function(*args, **kwargs))

        return call

    return declare


def _told(self: Primitive, *args: Any, **settings: Any) -> Any:
    follower = _follower.get()
    if follower is None:  # it is another thread that follows
        return _call(self, *args, **settings)
    return follower.primitive(self, args, settings, lambda: _call(self, *args, **settings))


@contextlib.contextmanager
def followed(follower: Follower) -> Iterator[None]:
    """Tell `follower` of what this thread computes inside the block."""
    before, mark = _follower.get(), object()
    try:
        with _lock:
            _followed.add(mark)
            Primitive.__call__ = _told  # type: ignore[method-assign]
        _follower.set(follower)
        yield
    finally:
        _follower.set(before)
        with _lock:
            _followed.discard(mark)
            if not _followed:
                Primitive.__call__ = _call  # type: ignore[method-assign]
