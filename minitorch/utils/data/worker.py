"""What runs in a worker process of a DataLoader: take a task, make its batch, send it; report whatever goes wrong.

One small thread listens to the main process all the time, so that neither side waits for the other to read. It also
answers when the main process asks where a late worker is, and ends the worker when the main process is gone.
"""

from __future__ import annotations

import os
import pickle
import queue
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from . import parcel
from .bridge import default_dtype, default_generator, set_default_dtype
from .loading import ENDED, Recipe, Task
from .stream import Stream

GRACE = 1.0  # seconds that a worker may take to finish what it does when the main process has let go of it
WHERE = "where are you?"  # a message to the worker, besides tasks


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: `id` of `num_workers`, the `seed` it started with, and its own copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker of a DataLoader, its WorkerInfo; None in the main process."""
    return _info


class Surroundings(NamedTuple):
    """What a dataset may rely on besides itself, and what a process that starts afresh would not have."""

    folder: str
    environment: dict[str, str]
    dtype: str

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        return cls(os.getcwd(), dict(os.environ), default_dtype())

    def take(self) -> None:
        """Make them those of this process."""
        os.chdir(self.folder)
        os.environ.update(self.environment)
        set_default_dtype(self.dtype)


class Failure(NamedTuple):
    """An exception on its way to the main process: its classes, the first first, as far as they can be pickled."""

    name: str
    classes: list[bytes]
    text: str
    position: int

    @classmethod
    def of(cls, error: BaseException, position: int = -1) -> Failure:
        """All parts are text or bytes, which can always be sent; `position` is that of the sample in its batch."""
        classes = []
        for kind in type(error).__mro__:
            try:
                classes.append(pickle.dumps(kind))
            except Exception:  # noqa: BLE001, S112 - a class that stands inside a function; the next one serves
                continue
        return cls(type(error).__name__, classes, _traceback(error), position)

    def exception(self, where: str) -> Exception:
        """What to raise in the main process: of the same class or, where that is not to be had, of its next parent.

        SystemExit and the like become RuntimeErrors: they would end the main process or its loop without a word.
        """
        text = _Text(f"Caught {self.name} {where}.\nOriginal {self.text}")
        for pickled in self.classes:
            try:
                kind = pickle.loads(pickled)
                if not issubclass(kind, Exception) or issubclass(kind, (StopIteration, StopAsyncIteration)):
                    break
                if kind.__str__ not in (BaseException.__str__, KeyError.__str__, OSError.__str__):
                    # It makes its text of attributes that it does not have here.
                    kind = type(
                        kind.__name__, (kind,), {"__str__": lambda self: self.args[0], "__module__": kind.__module__}
                    )
                error = kind.__new__(kind, text)  # without __init__, whose arguments nobody knows
                error.args = (text,)
                return error
            except Exception:  # noqa: BLE001, S112 - a class that this process does not have, or an odd one
                continue
        return RuntimeError(text)


class _Text(str):
    """Text that a KeyError prints as it is, with its lines."""

    __repr__ = str.__str__


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # noqa: BLE001 - an exception that cannot even be printed
        return f"traceback: {type(error).__name__}, which cannot be printed\n" + "".join(
            traceback.format_tb(error.__traceback__)
        )


class Line:
    """The way back to the main process, for both threads of a worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def send(self, kind: str, epoch: int = -1, number: int = -1, value: Any = None) -> None:
        """Send one answer. Raises before anything is sent if `value` cannot be pickled."""
        with self._lock:
            parcel.send(self._connection, (kind, epoch, number), value)


def work(
    cargo: Any, tasks: Connection, results: Connection, positions: Any, worker: int, workers: int, seed: int
) -> None:
    """The life of worker `worker` of `workers`; `cargo` holds the Recipe and `worker_init_fn`.

    Each task comes as (its epoch, its number in it, the pickled Task), and is answered by ("batch", "failure" or
    "ended", epoch, number) and a value. `positions[worker]` always says which sample of its batch the worker is
    at, for the case that it cannot say so itself any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends the workers
    line, inbox = Line(results), queue.SimpleQueue()  # type: tuple[Line, queue.SimpleQueue]
    threading.Thread(target=_listen, args=(tasks, inbox, line, threading.get_ident()), daemon=True).start()
    try:
        try:
            parts = cargo.open()
            line.send("ready")
            parts.pop("surroundings").take()
            init = parts.pop("worker_init_fn")
            recipe = Recipe(**parts)
            _begin(recipe.dataset, worker, workers, seed, init)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except BaseException as error:  # noqa: BLE001 - the main process has to hear of everything
            line.send("failure", value=Failure.of(error))
            return
        _serve(recipe, inbox, line, positions, worker, workers, seeds=init is None)
    except (BrokenPipeError, ConnectionResetError):  # nobody is there to read
        return


def _begin(dataset: Any, worker: int, workers: int, seed: int, init: Callable[[int], None] | None) -> None:
    global _info
    _info = WorkerInfo(worker, workers, seed + worker, dataset)
    random.seed(seed + worker)
    np.random.seed((seed + worker) % 2**32)
    default_generator().manual_seed(seed + worker)
    if init is not None:
        init(worker)


def _serve(
    recipe: Recipe, inbox: queue.SimpleQueue, line: Line, positions: Any, worker: int, workers: int, seeds: bool
) -> None:
    def begin(position: int) -> None:
        positions[worker] = position

    last, source = -1, recipe.source(begin, worker, workers)
    while (message := inbox.get()) is not None:
        epoch, number, pickled = message
        begin(-1)
        try:
            task: Task = pickle.loads(pickled)
            if epoch != last:
                last, source = epoch, recipe.source(begin, worker, workers)
            if seeds:
                _seed_globals(task, number)
            batch = source(task)
            begin(-1)
            if batch is ENDED:
                line.send("ended", epoch, number)
            else:
                line.send("batch", epoch, number, batch)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except BaseException as error:  # noqa: BLE001 - the main process has to hear of everything
            line.send("failure", epoch, number, Failure.of(error, positions[worker]))


def _seed_globals(task: Task, number: int) -> None:
    """Seed Python's and numpy's global generators for one batch: the same whichever worker loads it."""
    word = Stream(task.seed, [number]).word()
    random.seed(word)
    np.random.seed(word % 2**32)


def _listen(tasks: Connection, inbox: queue.SimpleQueue, line: Line, main_thread: int) -> None:
    """Hand on tasks, answer WHERE; at the end, or if the main process dies, end the worker within GRACE."""
    try:
        while (message := tasks.recv()) is not None:
            if message == WHERE:
                stack = traceback.format_stack(sys._current_frames()[main_thread])
                line.send("where", value="".join(stack))
            else:
                inbox.put(message)
    except (EOFError, OSError):
        pass
    inbox.put(None)
    time.sleep(GRACE)
    os._exit(1)
