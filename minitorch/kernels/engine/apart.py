"""Work that nothing may divide: importing numba, compiling a kernel, starting its threads.

An interrupt in the middle would leave numba half imported or a kernel half compiled, for the rest of the process. But
only the main thread handles signals. So `apart` does the work in a thread of its own and waits: Ctrl-C ends the
waiting, not the work, and the next call finds it done or waits again. A signal handler that runs a kernel meanwhile
waits in the same way; handlers that come faster than they end are told so.

A process is forked only between two such works: the child would find the locks held by a thread that it has not, and
LLVM in the middle of something.
"""

from __future__ import annotations

import logging  # noqa: F401 it takes its lock before a fork, too: after ours, since it is imported before us
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

NESTED = 8  # signal handlers, each within the one before, that may wait at once
PATIENCE = 20  # seconds that a fork waits for a compilation in another thread; then its child may not compile


class _State:
    """The lock of those who work, and whether a fork has torn what they did; made anew in a forked child."""

    def __init__(self, torn: bool) -> None:
        self.torn = torn
        self.working = threading.RLock()


_state = _State(torn=False)
_waits = threading.local()  # depth: how many calls of `apart` in this thread wait


class _Job(threading.Thread):
    """One piece of work and what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name=f"minitorch: {getattr(work, '__name__', 'work')}")
        self.work, self.done = work, threading.Lock()
        self.result: Any = None
        self.error: BaseException | None = None
        self.done.acquire()

    def run(self) -> None:
        """Work, one thread at a time."""
        try:
            with _state.working:
                self.result = self.work()
        except BaseException as error:  # noqa: BLE001 raised again by who waits
            self.error = error
        finally:
            self.done.release()


def apart(work: Callable[[], Any]) -> Any:
    """work(), in a thread of its own; raises what it raises. Work that needs other work does it in the same thread."""
    if _state.torn:
        raise RuntimeError(
            "this process was forked while another thread compiled a kernel, so it cannot compile or load any: "
            "fork before, or start it by spawn"
        )
    if isinstance(threading.current_thread(), _Job):
        return work()
    depth = getattr(_waits, "depth", 0)
    if depth > NESTED:
        raise RuntimeError(
            f"{NESTED} signal handlers, each within the one before, wait for a kernel to be compiled: signals come "
            "faster than their handler ends. Let it set a flag, or run its kernels once before it is installed"
        )
    job = _Job(work)
    try:
        job.start()
    except RuntimeError:  # there is no thread to be had, as when the interpreter ends
        with _state.working:
            return work()
    try:
        _waits.depth = depth + 1
        with job.done:
            pass
    finally:
        _waits.depth = depth
    if job.error is None:
        return job.result
    try:
        raise job.error
    finally:
        del job  # the error's traceback knows this frame


def imported(load: Callable[[], Any]) -> Any:
    """load(), which imports numba; if somebody's import of it was interrupted, what that left is undone first."""
    if "numba" not in sys.modules:
        before = set(sys.modules)
        try:
            return load()
        except Exception:  # noqa: BLE001 any error may come of half an import; raised again if it comes again
            for name in list(sys.modules):
                new = name.startswith("minitorch.kernels.") and name not in before
                if new or name.partition(".")[0] in ("numba", "llvmlite"):
                    sys.modules.pop(name, None)
    return load()


# ------------------------------------------------------------------------------------------------ forks
_held: list[Any] = []


def _before_fork() -> None:
    """Wait for work in other threads, a user's own compilations by numba among it."""
    theirs = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
    for lock in (_state.working, getattr(theirs, "_lock", None)):
        if lock is not None and lock.acquire(timeout=PATIENCE):
            _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


def _in_child() -> None:
    global _state
    torn = _state.torn or _state.working not in _held
    _after_fork()
    _state = _State(torn)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
