"""KeyboardInterrupt at a random moment of several situations: afterwards all is whole, and the next step gives the same bits.

Signals reach Python code where a function begins, where a call of a C function has returned, and at jumps backwards.
Three of four cases raise at a drawn one of the first two, by way of `sys.setprofile`, so that a case runs again the
same way. In the fourth a timer raises wherever it finds the program.
"""

from __future__ import annotations

import collections
import gc
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch as m
from minitorch import backends
from minitorch.kernels.engine import memory
from tests.fuzz.cases import Failure
from tests.fuzz.situations import SITUATIONS, Step, bits


class Ready:
    """A situation that has run, what it gives, and how many moments it has."""

    def __init__(self, name: str) -> None:
        self.situation = SITUATIONS[name]()
        with fusion(self.situation.fused):
            for _ in range(3):  # kernels compile, caches fill
                self.situation.restore()
                empty_pool()
                expected = self.situation.act()
            self.expected = [bits(t) for t in expected]
            if isinstance(self.situation, Step):
                self.situation.after = expected
            del expected
            self.situation.restore()
            empty_pool()
            self.moments = count(self.situation.act)
            self.situation.restore()
            self.seconds = timed(self.situation.act)
            self.situation.restore()


_ready: dict[str, Ready] = {}


class fusion:
    """Fusion on or off within."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __enter__(self) -> None:
        self.before = backends.fusion.enabled
        backends.fusion.enabled = self.on

    def __exit__(self, *_: object) -> None:
        backends.fusion.enabled = self.before


# --------------------------------------------------------------------------------------------------------- interrupting
def count(act: Callable[[], Any]) -> int:
    """How many moments of `act` a drawn number may name."""
    seen = 0

    def look(frame: Any, event: str, argument: Any) -> None:
        nonlocal seen
        seen += event in ("call", "c_return")

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


def timed(act: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def stack(frame: Any) -> str:
    """'file:line' of the frames inside minitorch and of the innermost, from within outwards."""
    lines, innermost = [], True
    while frame is not None and "tests/fuzz" not in frame.f_code.co_filename and len(lines) < 5:
        if innermost or "minitorch" in frame.f_code.co_filename:
            lines.append(f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {frame.f_code.co_name}")
        innermost, frame = False, frame.f_back
    return " < ".join(lines) or "between two calls"


def interrupted(act: Callable[[], Any], moment: int) -> str | None:
    """Raise KeyboardInterrupt at that moment of `act`; returns where it was, or None if act came to its end."""
    left, where = moment, None

    def strike(frame: Any, event: str, argument: Any) -> None:
        nonlocal left, where
        if event not in ("call", "c_return"):
            return
        left -= 1
        if left < 0:
            sys.setprofile(None)
            after = f" after {argument.__name__}()" if event == "c_return" else ""
            where = stack(frame) + after
            raise KeyboardInterrupt

    try:
        sys.setprofile(strike)
        act()
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001
        raise Failure(f"the interrupt at {where} became {error!r}") from error
    finally:
        sys.setprofile(None)
    return where


def interrupted_later(act: Callable[[], Any], seconds: float) -> str | None:
    """The same by a timer."""
    where = None

    def strike(number: int, frame: Any) -> None:
        nonlocal where
        where = stack(frame)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, strike)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            act()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001
        raise Failure(f"the interrupt at {where} became {error!r}") from error
    finally:
        signal.signal(signal.SIGALRM, before)
    return where


def books() -> tuple[int, str]:
    """Bytes that the pool has lent, and what is wrong with its books."""
    pool: Any = memory._pool
    lent = pool.lent
    wrong = any(len(block) != size for size, blocks in pool.free.items() for block in blocks)
    return lent, "a block is on the list of another size" if wrong else ""


def empty_pool() -> None:
    """Free what the pool keeps: each case begins alike."""
    memory._pool.clear()


def case(rng: np.random.Generator, counts: collections.Counter) -> None:
    """Interrupt one situation at one moment, then look at everything."""
    name = str(rng.choice(list(SITUATIONS)))
    at, by_timer = float(rng.random()), bool(rng.random() < 0.25)
    if name not in _ready:
        _ready[name] = Ready(name)
    ready = _ready[name]
    how = "by a timer" if by_timer else f"at moment {int(at * ready.moments)} of {ready.moments}"
    ignored: list[str] = []

    def ignore(found: Any) -> None:
        """Note a KeyboardInterrupt in a `__del__`, of which Python only tells; a torn ZipFile's complaints are noise."""
        if found.exc_type is KeyboardInterrupt:
            ignored.append(getattr(found.object, "__qualname__", repr(found.object)))

    where, hook = None, sys.unraisablehook
    sys.unraisablehook = ignore
    try:
        with fusion(ready.situation.fused):
            empty_pool()
            lent, errors = books()[0], np.geterr()
            if by_timer:
                where = interrupted_later(ready.situation.act, max(at * ready.seconds, 1e-6))
            else:
                where = interrupted(ready.situation.act, int(at * ready.moments))
            check(ready, lent, errors)
    except Exception as error:  # noqa: BLE001
        del _ready[name]
        error.__traceback__ = None
        empty_pool()
        gc.collect()
        within = f", inside {ignored[0]}, where Python drops it" if ignored else ""
        what = error if isinstance(error, Failure) else repr(error)
        at_place = f": {where}" if where else ""
        raise Failure(f"{name}, interrupted {how}{at_place}{within}\n{what}") from None
    finally:
        if name == "save":
            gc.collect(1)
        sys.unraisablehook = hook
    counts[name if where else "ended before the interrupt"] += 1


def check(ready: Ready, lent: int, errors: dict) -> None:
    """Raises Failure: modes, what the situation knows, the next step's bits, the pool's books."""
    situation = ready.situation
    if not m.is_grad_enabled():
        m.set_grad_enabled(True)
        raise Failure("grad mode is off afterwards")
    if np.geterr() != errors:
        found = np.geterr()
        np.seterr(**errors)
        raise Failure(f"np.geterr() is {found} afterwards")
    try:
        situation.check()
        situation.restore()
        found = [bits(t) for t in situation.act()]
    except Exception as error:  # noqa: BLE001
        raise error if isinstance(error, Failure) else Failure(f"the next step raises {error!r}") from error
    if found != ready.expected:
        differing = [i for i, (a, b) in enumerate(zip(found, ready.expected, strict=True)) if a != b]
        raise Failure(f"the next step's results {differing} have other bits")
    situation.restore()
    now, wrong = books()
    if now > lent:  # an exception may have left a cycle; less is what cases before have left
        gc.collect()
        now, wrong = books()
    if wrong or now > lent:
        raise Failure(f"the pool's books: {wrong or f'{now - lent:+,} bytes are out that were not before'}")
