"""A rank's side of the watchdog: tells the monitor what the rank does, and ends the process when the monitor says so.

A thread of its own speaks, every second and whenever there is something to say, and listens. It needs the GIL for a
moment only; where it can't have it, because the process is stopped or hangs, the monitor kills the process.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import itertools
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Guard", "current", "enter", "fail", "leave"]

ADDRESS = "MINITORCH_MONITOR"  # "host:port token", for the ranks that minitorch.distributed.run starts
PERIOD = 0.05  # seconds between two looks at what is to be said
HEARTBEAT = 1.0  # seconds after which something is said in any case
GRACE = 3.0  # seconds past a timeout after which a rank that hears nothing of the monitor ends by itself

_numbers = itertools.count(1)


class Guard:
    """The connection of this process to the monitor at `address`."""

    def __init__(self, address: str, token: str, rank: int) -> None:
        host, _, port = address.rpartition(":")
        self.pid, self.rank = os.getpid(), rank
        self.link = socket.create_connection((host, int(port)), timeout=30)
        self.calls: collections.deque = collections.deque()  # what was begun: appended here, sent by the thread
        self.now: dict[str, Any] | None = None
        self.said: int | None = None  # the number of the wait that the monitor knows of
        self.farewell = threading.Event()  # set once the monitor has let this rank go
        self.lock = threading.Lock()
        self.over = False
        self._say({"token": token, "rank": rank, "pid": self.pid, "host": socket.gethostname()})
        threading.Thread(target=self._run, name="minitorch-guard", daemon=True).start()

    def begin(self, group: str, number: int, call: str, size: int) -> None:
        """A collective was begun, the number-th of its group."""
        self.calls.append((group, number, call, size))

    @contextlib.contextmanager
    def waiting(
        self, group: str, number: int | None, call: str, timeout: float, members: Sequence[int], peers: Sequence[int]
    ) -> Iterator[None]:
        """The block waits for other ranks, `timeout` seconds at most."""
        before = self.now
        self.now = {
            "id": next(_numbers),
            "group": group,
            "number": number,
            "call": call,
            "timeout": timeout,
            "members": list(members),
            "peers": list(peers),
            "began": time.monotonic(),
        }
        try:
            yield
        finally:
            self.now = before

    def announce(self) -> None:
        """Say now what is to be said: before a call that keeps the GIL."""
        self._say(self._news(least=0.0) or {})

    def fail(self, error: BaseException, code: int) -> None:
        """The rank ends by an exception that nobody caught."""
        told = traceback.format_exception_only(type(error), error)[-1].strip()
        self._say({**(self._news() or {}), "failed": f"raised {told[:2000]}", "code": code})

    def leave(self, code: int) -> None:
        """The rank has come to its end: wait until all others have, too. Does not return if the job ends otherwise."""
        if os.getpid() != self.pid or self.farewell.is_set():
            return
        self.now = None
        self._say({**(self._news() or {}), "now": None, "leaving": code})
        self.farewell.wait()

    def _say(self, word: dict[str, Any]) -> None:
        with self.lock, contextlib.suppress(OSError):
            self.link.sendall(json.dumps(word).encode() + b"\n")

    def _news(self, least: float = PERIOD) -> dict[str, Any] | None:
        """What the monitor has not heard yet, waits from `least` seconds on; None if there is nothing."""
        word: dict[str, Any] = {}
        calls: list[Any] = []
        with contextlib.suppress(IndexError):
            while len(calls) < 1000:
                calls.append(self.calls.popleft())
        if calls:
            word["calls"] = calls
        now = self.now
        if now is not None and now["id"] != self.said and time.monotonic() - now["began"] >= least:
            word["now"] = {**now, "for": time.monotonic() - now["began"]}
            self.said = now["id"]
        elif now is None and self.said is not None:
            word["now"], self.said = None, None
        return word or None

    def _run(self) -> None:
        heard, said = b"", time.monotonic()
        while not self.over:
            try:
                ready = select.select([self.link], [], [], PERIOD)[0]
                data = self.link.recv(1 << 16) if ready else None
            except (OSError, ValueError):
                data = b""
            if data == b"":
                return self._lost()
            *lines, heard = (heard + (data or b"")).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))
            news = self._news()
            if news is not None or time.monotonic() - said > HEARTBEAT:
                self._say(news or {})
                said = time.monotonic()
        return None

    def _obey(self, word: dict[str, Any]) -> None:
        if "end" in word:
            os._exit(word["code"])
        if "bye" in word:
            self.over = True
            self.farewell.set()
        if "interrupt" in word:
            os.kill(self.pid, signal.SIGINT)

    def _lost(self) -> None:
        """The monitor is gone, and with it the one who could end the others."""
        if not self.over:
            with contextlib.suppress(OSError, ValueError):
                why = "the process that watches the job is gone"
                os.write(2, f"minitorch.distributed: rank {self.rank} ends: {why}\n".encode())
            os._exit(1)


# ------------------------------------------------------------------------------------------------ of this process
current: Guard | None = None


def enter(address: str, token: str, rank: int) -> Guard:
    """Connect this process to the monitor."""
    global current
    current = Guard(address, token, rank)
    return current


def numbers() -> tuple[int, int]:
    """Rank and size of the job, as mpiexec has left them in the environment."""
    rank = next((os.environ[name] for name in ("PMI_RANK", "PMIX_RANK") if name in os.environ), "0")
    size = next((os.environ[name] for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE") if name in os.environ), "1")
    return int(rank), int(size)


def started_by_run() -> bool:
    """Connect to the monitor of minitorch.distributed.run, if that has started this process."""
    if current is not None:
        return True
    address, _, token = os.environ.pop(ADDRESS, "").partition(" ")  # not for the children of this process
    if not token:
        return False
    enter(address, token, numbers()[0])
    return True


at_the_end: list[Any] = []  # what is to be done when all ranks have come to their end


def watch_the_end() -> None:
    """Have the monitor hear of exceptions and of the end of this process, where no rank.py surrounds the script."""
    shown = sys.excepthook

    def report(kind: Any, error: BaseException, trace: Any) -> None:
        shown(kind, error, trace)
        fail(error)

    sys.excepthook = report
    atexit.register(leave, 0)


def fail(error: BaseException, code: int = 1) -> None:
    """Tell the monitor of an exception that ends the process, and wait for its word."""
    if current is not None and os.getpid() == current.pid:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        current.fail(error, code)
        current.farewell.wait(30)


def leave(code: int) -> None:
    """Tell the monitor that the process is at its end, wait for the others, and end MPI."""
    if current is not None:
        current.leave(code)
    while at_the_end:
        at_the_end.pop()()


def _forked() -> None:
    """A child is no rank; it must not hold the connection open when its parent has died."""
    global current
    if current is not None:
        current.link.close()
    current = None
    at_the_end.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
