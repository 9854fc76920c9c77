"""Watches the ranks of a job from outside of them, and ends all when one can't go on: the other half of guard.py.

Every rank tells by TCP, in lines of JSON, which collectives it has begun, for which it waits, that it has failed, or
that it is at its end. From that follows what no rank can see of itself: that one was killed or stopped, that one does
not come where others wait, that two call different things. Then the reason is printed, once, and everybody is told to
end; processes of this machine that don't are killed.

Nothing but the standard library is imported here, and nothing of the package: this file also runs as a script.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Any

__all__ = ["Monitor", "alive"]

TICK = 0.1  # seconds between two looks at everybody
SETTLE = 0.5  # seconds for which somebody's failure may turn out to be the consequence of another's
SILENCE = 3.0  # seconds without a word, where a guard speaks every second, after which a rank counts as stopped


class Rank:
    """What is known about a rank."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.link: socket.socket | None = None
        self.pid, self.host = 0, ""
        self.heard = self.since = time.monotonic()  # of the last word, and of the wait that is going on
        self.done: dict[str, int] = {}  # the number of the last collective begun, by group
        self.last = ""  # what it called last
        self.now: dict[str, Any] | None = None  # what it waits for: group, number, call, members, peers, timeout
        self.failed: str | None = None
        self.left: int | None = None  # its exit code, once it is at its end
        self.gone = False
        self.ended_at = 0.0  # when it failed, left or went

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"rank {self.number}" + (f" (process {self.pid} on {self.host})" if self.pid else "")

    @property
    def busy(self) -> bool:
        """Whether it runs, as far as it has told."""
        return self.failed is None and self.left is None and not self.gone

    def stopped(self) -> bool:
        """Whether its process stands still. While MPI starts, guards are silent, too."""
        silent = time.monotonic() - self.heard > SILENCE and not (self.now and self.now["call"] == "init_process_group")
        return silent or _process_state(self) == "T"

    def state(self) -> str:
        """What keeps a rank that is not where others wait for it."""
        if not self.pid:
            return "has not started, or not got to its first line"
        if self.stopped():
            return "is stopped: its process gives no sign of life"
        if self.now is not None:
            return f"waits in {self.now['call']}"
        return f"is elsewhere; its last call was {self.last}" if self.last else "has called nothing yet"


class Monitor:
    """The server that the ranks of a job of `size` report to, at `address`, with `token` to show who they are."""

    def __init__(self, size: int, host: str = "127.0.0.1") -> None:
        self.ranks = [Rank(number) for number in range(size)]
        self.token = secrets.token_hex(16)
        self.server = socket.create_server((host if host == "127.0.0.1" else "", 0), backlog=size + 8)
        self.address = f"{host}:{self.server.getsockname()[1]}"
        self.calls: dict[tuple[str, int], dict[int, str]] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.server, selectors.EVENT_READ, None)
        self.buffers: dict[socket.socket, bytes] = {}
        self.verdict: str | None = None
        self.code = 0
        self.started = time.monotonic()

    # ------------------------------------------------------------------------------------------------ hearing

    def turn(self, seconds: float = TICK) -> bool:
        """Listen for a while, and judge. Returns False once the job is over: all left, or a reason to end was found."""
        for key, _ in self.selector.select(seconds):
            link: Any = key.fileobj
            if link is self.server:
                accepted, _ = self.server.accept()
                accepted.setblocking(False)
                self.buffers[accepted] = b""
                self.selector.register(accepted, selectors.EVENT_READ, None)
            else:
                self._receive(link, key.data)
        if self.verdict is None:
            self._judge()
        if self.verdict is not None:
            return False
        if all(rank.left is not None for rank in self.ranks):
            self.tell({"bye": 1})
            self.code = max(rank.left or 0 for rank in self.ranks)
            return False
        return True

    def _receive(self, link: socket.socket, rank: Rank | None) -> None:
        try:
            data = link.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self.buffers[link] = (self.buffers[link] + data).split(b"\n")
        for line in lines:
            try:
                rank = self._take(link, rank, json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError):  # a stranger
                data = b""
                break
        if not data or (rank is None and len(self.buffers[link]) > 4096):
            self.selector.unregister(link)
            link.close()
            del self.buffers[link]
            if rank is not None and rank.link is link:
                rank.link = None
                self._lose(rank)

    def _take(self, link: socket.socket, rank: Rank | None, word: dict[str, Any]) -> Rank:
        if rank is None:
            if not hmac.compare_digest(str(word["token"]), self.token):
                raise ValueError("not one of us")
            rank = self.ranks[int(word["rank"])]
            rank.link, rank.pid, rank.host = link, int(word["pid"]), str(word["host"])
            self.selector.modify(link, selectors.EVENT_READ, rank)
        rank.heard = time.monotonic()
        for group, number, call, size in word.get("calls", ()):
            rank.done[group], rank.last = max(number, rank.done.get(group, 0)), call
            self._compare(rank, group, number, call, size)
        if "now" in word:
            if word["now"] is not None and (rank.now is None or word["now"]["id"] != rank.now["id"]):
                rank.since = rank.heard - word["now"]["for"]
            rank.now = word["now"]
        if "failed" in word and rank.failed is None:
            rank.failed, rank.ended_at = word["failed"], rank.heard
            self.code = self.code or int(word.get("code", 1))
        if "leaving" in word and rank.left is None:
            rank.left, rank.ended_at = int(word["leaving"]), rank.heard
        return rank

    def _compare(self, rank: Rank, group: str, number: int, call: str, size: int) -> None:
        """Note what a rank has called as the number-th of a group; all have to call the same."""
        calls = self.calls.setdefault((group, number), {})
        calls[rank.number] = call
        for other, theirs in calls.items():
            if theirs != call and self.verdict is None:
                one, two = sorted([(other, theirs), (rank.number, call)])
                self.end(
                    f"{self.ranks[two[0]].name} called {two[1]} where rank {one[0]} called {one[1]} "
                    f"(call {number} of group {group})"
                )
        if len(calls) == size:
            del self.calls[group, number]

    def _lose(self, rank: Rank) -> None:
        """A rank's connection has closed, or its process is no more."""
        if rank.failed is None and rank.left is None and not rank.gone:
            rank.gone, rank.ended_at = True, time.monotonic()

    # ------------------------------------------------------------------------------------------------ judging

    def _judge(self) -> None:
        now = time.monotonic()
        for rank in self.ranks:
            if rank.busy and rank.link is not None and _process_state(rank) in ("", "Z", "X"):
                self._lose(rank)
        ended = sorted((r for r in self.ranks if not r.busy), key=lambda r: (r.failed is None, r.ended_at))
        for rank in ended:
            if rank.left is None and now - rank.ended_at > SETTLE:
                self.code = self.code or 1
                return self.end(f"{rank.name} " + (rank.failed or "is gone: it was killed, or it crashed"))
        for rank in self.ranks:
            if not rank.busy or rank.now is None or rank.stopped():
                continue
            late = self._late(rank)
            for other in late:
                if other.left is not None and now - max(other.ended_at, rank.since) > SETTLE:
                    self.code = self.code or other.left or 1
                    return self.end(
                        f"{other.name} has come to its end with exit code {other.left} while "
                        f"rank {rank.number} waits for it in {rank.now['call']}"
                    )
            if now - rank.since > rank.now["timeout"] + 0.2:
                # Whoever waits elsewhere for one that is late itself is not to blame.
                blamed = [r for r in late if r.busy and r.now is None] or late or [rank]
                told = "; ".join(f"{r.name} {r.state()}" for r in blamed)
                return self.end(f"rank {rank.number} waited {rank.now['timeout']:g} s in {rank.now['call']}: {told}")
        return None

    def _late(self, rank: Rank) -> list[Rank]:
        """The ranks that are not where `rank` waits."""
        assert rank.now is not None
        wait = rank.now
        if wait["number"] is None:  # a message to or from one rank
            return [self.ranks[peer] for peer in wait["peers"] if peer != rank.number]
        members = [self.ranks[member] for member in wait["members"] or range(len(self.ranks))]
        return [r for r in members if r.done.get(wait["group"], 0) < wait["number"] and r is not rank]

    # ------------------------------------------------------------------------------------------------ telling

    def tell(self, word: dict[str, Any], ranks: Iterable[Rank] | None = None) -> None:
        """Send a word to all ranks that can be reached."""
        line = json.dumps(word).encode() + b"\n"
        for rank in ranks or self.ranks:
            if rank.link is not None:
                with contextlib.suppress(OSError):
                    rank.link.send(line)

    def end(self, reason: str) -> None:
        """End the job: print why, tell everybody, and kill those of this machine that don't end."""
        if self.verdict is not None:
            return
        self.verdict, self.code = reason, self.code or 1
        with contextlib.suppress(OSError, ValueError):
            print(f"minitorch.distributed: the job ends: {reason}", file=sys.stderr, flush=True)
        self.tell({"end": reason, "code": self.code})

    def clear(self, seconds: float = 1.0) -> None:
        """Wait for the processes of this machine to end, then kill what is left of them."""
        mine = [rank for rank in self.ranks if rank.pid and rank.host == socket.gethostname()]
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(alive(rank.pid) for rank in mine):
            time.sleep(0.02)
        for rank in mine:
            if alive(rank.pid):
                with contextlib.suppress(OSError):
                    os.kill(rank.pid, signal.SIGKILL)

    def close(self) -> None:
        """Stop listening."""
        for link in (*self.buffers, self.server):
            link.close()
        self.selector.close()


def alive(pid: int) -> bool:
    """Whether a process of this machine exists and has not ended."""
    return _state_of(pid) not in ("", "Z", "X")


def _process_state(rank: Rank) -> str:
    """The letter that the system has for the state of a rank's process; "?" where nobody knows."""
    return _state_of(rank.pid) if rank.host == socket.gethostname() else "?"


def _state_of(pid: int) -> str:
    """R, S, D, T, Z, X as in /proc; "" if there is no such process, "?" where that can't be found out."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return ""
    except (OSError, IndexError):
        return "?"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "?"


def serve(size: int, host: str) -> None:
    """Watch a job that nobody has started through minitorch.distributed.run: print address and token, then stay."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # it ends when the ranks have ended
        signal.signal(number, signal.SIG_IGN)
    monitor = Monitor(size, host)
    print(monitor.address, monitor.token, flush=True)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    while monitor.turn():
        if all(rank.link is None for rank in monitor.ranks) and time.monotonic() - monitor.started > 60:
            break
    if monitor.verdict is not None:
        monitor.clear()
    monitor.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
