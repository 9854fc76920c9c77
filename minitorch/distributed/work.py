"""Messages under way: how the others are waited for, so that Ctrl-C, timeouts and the watchdog have their say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import guard

if TYPE_CHECKING:
    from .group import ProcessGroup

__all__ = ["Work"]

SPIN = 2e-4  # seconds of looking without a pause: a short message takes a tenth of it
PAUSE, LONGEST = 2e-5, 1e-3  # seconds between two looks, at first and at last; sleeping leaves the core to others

_abandoned: list[Any] = []  # messages that an interrupt has kept from ending: their memory must stay


class Work:
    """A collective, or a message, that was begun: `wait()` until it is done.

    requests: mpi4py's. finish: called once when all are done. kept: memory that must stay until then.
    """

    def __init__(
        self,
        group: ProcessGroup,
        number: int | None,
        call: str,
        requests: Sequence[Any],
        finish: Callable[[], None] | None = None,
        kept: Any = None,
        peers: Sequence[int] = (),
    ) -> None:
        self.group, self.number, self.call, self.peers = group, number, call, peers
        self.requests, self.kept = list(requests), kept
        self._finish = finish
        self._done = False

    def is_completed(self) -> bool:
        """Whether it is done. Asking also moves it on."""
        if not self._done and all([request.Test() for request in self.requests]):
            self._done = True
            finish, self._finish, self.kept = self._finish, None, None
            if finish is not None:
                finish()
        return self._done

    def is_success(self) -> bool:
        """Whether it is done, and well: what fails raises."""
        return self.is_completed()

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Return True when it is done.

        Raises RuntimeError after `timeout` (default: the group's), if no watchdog has ended the process before.
        """
        if self.is_completed():
            return True
        try:
            began = time.perf_counter()
            while time.perf_counter() - began < SPIN:
                if self.is_completed():
                    return True
            self._sleep((timeout or self.group.timeout).total_seconds())
        except BaseException:
            _abandoned.append((self.requests, self.kept))
            raise
        return True

    synchronize = wait

    def _sleep(self, seconds: float) -> None:
        watched, began, pause = guard.current, time.monotonic(), PAUSE
        grace = guard.GRACE if watched is not None else 0.0
        ranks = self.group.ranks
        if watched is None:
            return self._look(began + seconds, pause)
        with watched.waiting(self.group.name, self.number, self.call, seconds, ranks, self.peers):
            return self._look(began + seconds + grace, pause)

    def _look(self, until: float, pause: float) -> None:
        while not self.is_completed():
            time.sleep(pause)
            pause = min(1.2 * pause, LONGEST)
            if time.monotonic() > until:
                raise RuntimeError(
                    f"{self.call}: the other ranks did not come in time (call {self.number} of group {self.group.name})"
                )
