"""The main process's side of the workers: start them, give out tasks, take in batches in order, notice what goes wrong.

Each worker has two pipes: one for its tasks, one for its answers. Whenever the loader asks for a batch, `Pool.receive`
waits for whatever comes first: an answer, the end of a worker, or the end of the time limit. A worker that dies
closes its pipes, so its death is noticed at once, and `positions`, one number per worker in shared memory, tells which
sample it was at.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any

from . import parcel
from .loading import Recipe, Task
from .worker import GRACE, WHERE, Surroundings, work

GUARD = (
    "Each worker imports the main script first: what the script does, it does under `if __name__ == '__main__':`, "
    "so that a worker does not do it again"
)

guarded = True  # whether the main script may be imported; minitorch.run says no of scripts that would do all again


def context_of(chosen: BaseContext | None, parts: dict[str, Any]) -> BaseContext:
    """The multiprocessing context to use: the chosen one, else forkserver (spawn where there is none).

    The server that forks the workers has imported minitorch, so that a worker is there after 20 ms, and it has no
    threads that a fork could break. A notebook's own classes are found nowhere but in a copy of its process: where
    `parts` hold any, fork; so, too, under minitorch.run, where a script has no guard.
    """
    if chosen is not None:
        return chosen
    methods, main = multiprocessing.get_all_start_methods(), sys.modules["__main__"]
    interactive = getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None
    if "fork" in methods and (not guarded or interactive and parcel.names_main(parts)):
        return multiprocessing.get_context("fork")
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["minitorch", "minitorch.utils.data.worker"])
    return context


class Worker:
    """One worker process, its pipes, and the tasks that it has not answered yet."""

    def __init__(self, context: BaseContext, cargo: parcel.Cargo, positions: Any, number: int, seed: int) -> None:
        theirs, self.tasks = context.Pipe(duplex=False)
        self.results, back = context.Pipe()
        self.number, self.positions = number, positions
        self.ready = False  # whether it has imported all it needs and has its dataset
        self.ended = False  # whether its stream has come to the end
        self.under_way: dict[tuple[int, int], Task] = {}
        with theirs, back:
            try:
                self.process = context.Process(  # type: ignore[attr-defined]
                    target=work, args=(cargo, theirs, back, positions, number, len(positions), seed), daemon=True
                )
                self.process.start()
            except BaseException:
                self.tasks.close()
                self.results.close()
                raise

    def let_go(self) -> None:
        """Tell the worker to end when it has finished what it does, and listen no longer."""
        self.say(None)
        self.tasks.close()
        self.results.close()

    def say(self, message: Any) -> None:
        """Send a message: a task, a question, or None for the end."""
        with contextlib.suppress(OSError, ValueError):  # it is dead; `Pool.receive` is about to notice
            self.tasks.send(message)

    def place(self, position: int | None = None, task: Task | None = None) -> str:
        """Which sample the worker is at, or was at when it answered."""
        if task is None:
            task = next(iter(self.under_way.values()), None)
        if not self.ready:
            return "before it could start"
        if task is None:
            return "between two batches"
        position = self.positions[self.number] if position is None else position
        if task.key is None:
            return "while it joined samples of its stream" if position < 0 else f"at sample {position} of its stream"
        if not isinstance(task.key, list):
            return f"at sample {task.key}"
        if position >= 0:
            return f"at sample {task.key[position]}"
        shown = ", ".join(map(str, task.key[:8])) + (", ..." if len(task.key) > 8 else "")
        return f"in a batch of the samples [{shown}]"

    def death(self) -> str:
        """What became of the process that has ended."""
        self.process.join(GRACE)
        code, place = self.process.exitcode, self.place()
        who = f"DataLoader worker {self.number} (pid {self.process.pid}) exited unexpectedly"
        if code is None or code >= 0:
            hint = "" if self.ready else f"; its own message is on stderr. {GUARD}. num_workers=0 needs none"
            return f"{who} {place}, with exit code {code}{hint}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = " (which the system sends when memory runs out)" if name == "SIGKILL" else ""
        return f"{who} {place}: it was killed by {name}{hint}"

    def where(self) -> str:
        """The stack of a worker that is late, as it tells it itself; empty if it does not answer."""
        self.say(WHERE)
        end = time.monotonic() + GRACE
        while self.results.poll(max(0.0, end - time.monotonic())):
            try:
                (kind, _, _), open_value = parcel.receive(self.results)
            except (EOFError, OSError):
                break
            if kind == "where":
                return "\nIts stack (most recent call last):\n" + open_value()
        return ""


def _end(workers: list[Worker], owner: int, grace: float) -> None:
    """End all workers: at once those that are idle, after `grace` seconds those that are not."""
    if os.getpid() != owner:  # a forked child has a copy of this, but not the workers
        return
    for worker in workers:
        worker.let_go()
    end = time.monotonic() + grace
    for worker in workers:
        worker.process.join(max(0.0, end - time.monotonic()))
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.process.close()
    workers.clear()


class Pool:
    """`count` workers that load by `recipe`, until `close` or until nobody holds the pool."""

    def __init__(
        self, recipe: Recipe, count: int, chosen: BaseContext | None, seed: int, init: Callable[[int], None] | None
    ) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(f"DataLoader: this process is about to become a worker and cannot have workers. {GUARD}")
        self.workers: list[Worker] = []
        self.closed = ""  # why, if something went wrong
        self.epoch = -1
        self._finalizer = weakref.finalize(self, _end, self.workers, os.getpid(), GRACE)
        parts = {**recipe._asdict(), "worker_init_fn": init}
        context = context_of(chosen, parts)
        positions = context.RawArray("q", [-1] * count)
        cargo = parcel.Cargo(**parts, surroundings=Surroundings.here())
        try:
            for number in range(count):
                self.workers.append(Worker(context, cargo, positions, number, seed))
        except BaseException:
            self.close(grace=0.0)
            raise
        finally:
            cargo.close()

    @property
    def alive(self) -> bool:
        """Whether the pool can be given tasks."""
        return self._finalizer.alive

    def close(self, why: str = "", grace: float = GRACE) -> None:
        """End the workers and free what they hold. Workers that load get `grace` seconds to finish."""
        self.closed = self.closed or why
        if self._finalizer.detach() is not None:
            _end(self.workers, os.getpid(), grace)

    def receive(self, start: float, limit: float | None, late: Worker) -> list[tuple[Worker, tuple, Callable]]:
        """The answers that have come, as soon as there is one.

        Raises:
            RuntimeError: a worker has died, or nothing has come `limit` seconds after `start`, because of `late`.
        """
        rest = None if limit is None else max(0.0, start + limit - time.monotonic())
        ready = wait([*(w.results for w in self.workers), *(w.process.sentinel for w in self.workers)], rest)
        if not ready:
            raise RuntimeError(
                f"DataLoader timed out after {limit} seconds: worker {late.number} (pid {late.process.pid}) is "
                f"{late.place()}{late.where()}"
            )
        answers, dead = [], [w for w in self.workers if w.process.sentinel in ready]
        for worker in self.workers:
            try:
                while worker.results.poll():  # the last words of a dead worker are answers, too
                    answers.append((worker, *parcel.receive(worker.results)))
            except (EOFError, OSError):
                dead.append(worker)
        if dead and not answers:
            raise RuntimeError(dead[0].death())
        return answers


class WorkerBatches:
    """The batches of one epoch, loaded by the workers of `pool`.

    `ahead` tasks are given out before their batches are asked for. `keep` leaves the pool open at the end.
    """

    def __init__(
        self, pool: Pool, tasks: Iterator[Task], ahead: int, timeout: float, in_order: bool, keep: bool
    ) -> None:
        self._pool, self._tasks, self._ahead = pool, tasks, ahead
        self._timeout, self._in_order, self._keep = timeout, in_order, keep
        pool.epoch += 1
        self._epoch, self._numbers = pool.epoch, itertools.count()
        self._turns = itertools.cycle(pool.workers)
        self._waiting: dict[int, Worker | None] = {}  # tasks given out whose batches are not handed on yet, in order
        self._arrived: dict[int, tuple[str, Task | None, Callable[[], Any]]] = {}
        for worker in pool.workers:
            worker.ended = False
        self._give_out()

    def __iter__(self) -> WorkerBatches:
        return self

    def __next__(self) -> Any:
        if self._pool.epoch != self._epoch:
            raise RuntimeError("DataLoader: a newer iterator of this loader has taken over its persistent workers")
        if self._waiting and not self._pool.alive:
            raise RuntimeError(f"DataLoader: the workers have ended, because {self._pool.closed}")
        try:
            worker, task, kind, open_value = self._next_answer()
            self._give_out()
        except BaseException as error:  # Ctrl-C, say: half an answer may be on the line
            self._pool.close(f"of {type(error).__name__}: {error}", grace=0.0)
            raise
        if kind == "end":
            if not self._keep:
                self._pool.close()
            raise StopIteration
        if kind == "failure":
            failure = open_value()
            assert worker is not None
            raise failure.exception(
                f"in DataLoader worker process {worker.number}, {worker.place(failure.position, task)}"
            )
        return open_value()

    def _next_answer(self) -> tuple[Worker | None, Task | None, str, Callable[[], Any]]:
        """The worker, the task, the kind of answer and its value that come next."""
        start = time.monotonic()
        while self._waiting:
            numbers = itertools.islice(self._waiting, 1 if self._in_order else None)
            number = next((number for number in numbers if number in self._arrived), None)
            if number is None:
                start = self._take_in(start)
                continue
            worker = self._waiting.pop(number)
            kind, task, open_value = self._arrived.pop(number)
            if kind != "ended":
                return worker, task, kind, open_value
            self._give_out()
        return None, None, "end", lambda: None

    def _take_in(self, start: float) -> float:
        """Wait for answers and note them; returns when the wait for the next one began.

        A worker that is still starting is not late: the clock runs from the moment that it is ready.
        """
        late = next(w for w in self._waiting.values() if w is not None and (self._in_order or w.under_way))
        limit = self._timeout if self._timeout and late.ready else None
        for worker, (kind, epoch, number), open_value in self._pool.receive(start, limit, late):
            if kind == "ready":
                worker.ready, start = True, time.monotonic()
            elif kind == "failure" and epoch < 0:
                raise open_value().exception(f"in DataLoader worker process {worker.number}, while it started")
            elif kind != "where":
                task = worker.under_way.pop((epoch, number))
                if epoch == self._epoch:
                    worker.ended |= kind == "ended"
                    self._arrived[number] = kind, task, open_value
        return start

    def _give_out(self) -> None:
        """Give tasks to workers, in turn (or to the least busy, where the order does not matter), until all have some.

        An error of the sampler waits for its turn, as a batch would.
        """
        while len(self._waiting) < self._ahead and self._pool.alive:
            active = [worker for worker in self._pool.workers if not worker.ended]
            if not active:
                return
            number = next(self._numbers)
            try:
                task = next(self._tasks)
                pickled = pickle.dumps(task)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised when it is its turn
                self._waiting[number], self._arrived[number] = None, ("batch", None, _raiser(error))
                continue
            if self._in_order:
                worker = next(worker for worker in self._turns if not worker.ended)
            else:
                worker = min(active, key=lambda worker: len(worker.under_way))
            self._waiting[number] = worker
            worker.under_way[self._epoch, number] = task
            worker.say((self._epoch, number, pickled))


def _raiser(error: Exception) -> Callable[[], Any]:
    def throw() -> Any:
        raise error

    return throw
