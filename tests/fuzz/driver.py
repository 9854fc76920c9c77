"""Two processes go through all kinds in turn until the time is up; this one watches them.

A process tells which case it is at in shared memory. So one that crashes or hangs is a failing case as well: it is
reported, and another process goes on behind it.
"""

from __future__ import annotations

import collections
import multiprocessing
import multiprocessing.connection
import time
from typing import Any

from tests.fuzz.cases import HAS_TORCH, KINDS, report, run

LIMIT = 180.0  # seconds for one case: the first ones compile kernels
SHOWN = 40  # reports of one kind that are printed
BEAT = 2.0  # seconds between two tallies of a worker
NEXT = len(KINDS)  # places in shared memory: next case of each kind, then the kind at work and when it began


def work(seed: int, step: int, kinds: list[str], seconds: float, shared: Any, pipe: Any) -> None:
    """Run every `step`-th case of each kind; whichever is furthest behind its share of time is next."""
    import minitorch as m

    m.set_num_threads(1)
    if any(KINDS[kind].needs_torch for kind in kinds):
        import torch

        torch.set_num_threads(1)
    names, spent = list(KINDS), dict.fromkeys(kinds, 0.0)
    counts: dict[str, collections.Counter] = {kind: collections.Counter() for kind in kinds}
    end, beat = time.monotonic() + seconds, time.monotonic() + BEAT
    while (now := time.monotonic()) < end:
        kind = min(kinds, key=lambda name: spent[name] / KINDS[name].share)
        at = names.index(kind)
        shared[NEXT], shared[NEXT + 1] = at, int(now * 1000)
        number = shared[at]
        failure = run(kind, seed, number, counts[kind])
        shared[at] = number + step
        counts[kind]["cases"] += 1
        spent[kind] += time.monotonic() - now
        if failure:
            pipe.send(("failure", kind, failure))
        if now > beat:
            pipe.send(("counts", counts, spent))
            counts, beat = {kind: collections.Counter() for kind in kinds}, now + BEAT
    pipe.send(("counts", counts, spent))
    pipe.close()


class Worker:
    """One process and what is known of it; `first` is the number of its first case of each kind."""

    def __init__(self, seed: int, first: int, step: int, kinds: list[str]) -> None:
        self.context = multiprocessing.get_context("spawn")
        numbers = [first] * len(KINDS)
        self.shared: Any = self.context.Array("q", [*numbers, list(KINDS).index(kinds[0]), 0], lock=False)
        self.seed, self.step, self.kinds = seed, step, kinds

    def start(self, seconds: float) -> None:
        """Run until `seconds` from now."""
        self.pipe, other = self.context.Pipe(duplex=False)
        arguments = (self.seed, self.step, self.kinds, seconds, self.shared, other)
        self.shared[NEXT + 1] = int(time.monotonic() * 1000)
        self.process = self.context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def late(self) -> bool:
        """Whether its case does not end."""
        return time.monotonic() - self.shared[NEXT + 1] / 1000 > LIMIT

    def give_up(self, what: str) -> tuple[str, str]:
        """End the process, pass over its case; returns the kind and the report."""
        self.process.kill()
        self.process.join()
        at = self.shared[NEXT]
        kind, number = list(KINDS)[at], self.shared[at]
        self.shared[at] = number + self.step
        return kind, report(kind, self.seed, number, what)


def fuzz(seed: int, minutes: float, kinds: list[str], processes: int) -> int:
    """Run all kinds for so long; prints failures as they come and counts at the end. Returns how many cases failed."""
    began = time.monotonic()
    end = began + 60 * minutes
    kinds = available(kinds)
    if not kinds:
        return 0
    print(f"seed {seed}, {minutes:g} minutes, {processes} processes: {', '.join(kinds)}", flush=True)
    counts: dict[str, collections.Counter] = {kind: collections.Counter() for kind in kinds}
    failed: collections.Counter = collections.Counter()

    def fail(kind: str, text: str) -> None:
        failed[kind] += 1
        if failed[kind] <= SHOWN:
            print(text, flush=True)

    workers = [Worker(seed, first, processes, kinds) for first in range(processes)]
    for worker in workers:
        worker.start(end - time.monotonic())
    while workers:
        ready = multiprocessing.connection.wait([worker.pipe for worker in workers], timeout=1)
        for worker in list(workers):
            if worker.pipe in ready:
                try:
                    what, first, second = worker.pipe.recv()
                except EOFError:
                    worker.process.join()
                    if worker.process.exitcode == 0:
                        workers.remove(worker)
                        continue
                    fail(*worker.give_up(f"the interpreter died: exit code {worker.process.exitcode}"))
                else:
                    if what == "failure":
                        fail(first, second)
                    else:
                        for kind in first:
                            counts[kind].update(first[kind])
                    continue
            elif worker.late():
                fail(*worker.give_up(f"did not end within {LIMIT:g} seconds"))
            else:
                continue
            if end - time.monotonic() > 1:
                worker.start(end - time.monotonic())
            else:
                workers.remove(worker)
    print(f"\nseed {seed}, {(time.monotonic() - began) / 60:.1f} minutes, {processes} processes")
    for kind in kinds:
        cases = counts[kind].pop("cases", 0)
        details = ", ".join(f"{name} {count:,}" for name, count in counts[kind].most_common())
        print(f"{kind}: {cases:,} cases, {failed[kind]} failed ({details})")
    return sum(failed.values())


def available(kinds: list[str]) -> list[str]:
    """Those that can run here."""
    absent = [kind for kind in kinds if KINDS[kind].needs_torch and not HAS_TORCH]
    if absent:
        print(f"Left out, for PyTorch is not installed: {', '.join(absent)}.")
    return [kind for kind in kinds if kind not in absent]


def repeat(seed: int, kind: str, number: int) -> int:
    """Run one case here; prints its report. Returns how many failed."""
    if not available([kind]):
        return 0
    counts: collections.Counter = collections.Counter()
    failure = run(kind, seed, number, counts)
    print(failure or f"{kind} {number} of seed {seed} holds: {dict(counts)}")
    return failure is not None
