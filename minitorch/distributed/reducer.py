"""Gradients of all ranks become one while backward runs: buckets of parameters, sent as soon as they are full.

Gradients become known from the last layer to the first, so buckets hold parameters in the reverse order of their
registration, the same on every rank. A leaf has its gradient once all nodes that read it have passed; the tape tells
(`tape.observers`). Buckets are sent in their order, whatever the order in which they fill, and all are there before
`backward` returns.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Node, tape
from .collectives import added_in
from .group import ProcessGroup
from .work import Work

__all__ = ["Reducer", "group_of_its_own"]

_made = itertools.count(1)


def group_of_its_own(group: ProcessGroup, purpose: str) -> ProcessGroup:
    """The same ranks, with a communicator of their own: what is sent in it is never taken for anything else."""
    from .group import barrier

    barrier(group)
    return ProcessGroup(group.comm.Dup(), group.ranks, f"{group.name}, {purpose} {next(_made)}", group.timeout)


class Bucket:
    """Parameters of one dtype, and memory for their gradients, side by side."""

    def __init__(self, parameters: Sequence[Any]) -> None:
        self.parameters = list(parameters)
        self.memory = np.zeros(sum(p.outline.size for p in parameters), added_in(parameters[0].outline.dtype))
        ends = np.cumsum([p.outline.size for p in parameters])
        self.views = [
            part.reshape(p.outline.shape) for part, p in zip(np.split(self.memory, ends[:-1]), parameters, strict=True)
        ]


def buckets(parameters: Sequence[Any], size: float) -> list[Bucket]:
    """The parameters in reverse order, each bucket of one dtype and of `size` bytes at most, or one parameter."""
    found: list[list[Any]] = []
    room = 0.0
    for p in reversed(parameters):
        if not found or p.outline.nbytes > room or p.outline.dtype != found[-1][0].outline.dtype:
            found.append([])
            room = size
        found[-1].append(p)
        room -= p.outline.nbytes
    return [Bucket(members) for members in found]


class Tree(Work):
    """The sum over 2^n ranks in pairs, pairs of pairs and so on: ((0 + 1) + (2 + 3)) + ..., the same on all of them.

    In step s each rank exchanges what it has with the one whose number differs in bit s, and both add. Addition
    commutes, so both have the same bits.
    """

    def __init__(self, group: ProcessGroup, call: str, memory: np.ndarray, tag: int) -> None:
        super().__init__(group, group.begin(call), call, [])
        self.memory, self.came, self.tag, self.step = memory, np.empty_like(memory), tag, 0
        self._send()

    def _send(self) -> None:
        self.requests = []
        if 1 << self.step < self.group.size():
            peer, comm, tag = self.group.rank() ^ (1 << self.step), self.group.comm, self.tag * 16 + self.step
            self.requests = [comm.Irecv(self.came, peer, tag), comm.Isend(self.memory, peer, tag)]

    def is_completed(self) -> bool:
        """Whether all is added up. Asking also takes the next step."""
        while self.requests and all([request.Test() for request in self.requests]):
            self.memory += self.came
            self.step += 1
            self._send()
        return not self.requests


class Reducer:
    """Brings the gradients of `parameters` together: after backward each `.grad` is the mean over all ranks.

    exact: in a fixed tree, else in MPI's order. find_unused: leave alone `.grad` of what no rank has used. armed: says
    whether the next backward pass does it.
    """

    def __init__(
        self, parameters: Sequence[Any], group: ProcessGroup, size: float, exact: bool, find_unused: bool
    ) -> None:
        self.buckets, self.group, self.exact, self.find_unused = buckets(parameters, size), group, exact, find_unused
        self.place = {p: (b, i) for b, one in enumerate(self.buckets) for i, p in enumerate(one.parameters)}
        self.armed = False
        tape.observers.append(weakref.ref(self))

    def __call__(self, roots: Sequence[tuple]) -> Pass | None:
        """A backward pass begins: what is to be told of it, or None if it reaches none of the parameters."""
        if not self.armed:
            return None
        left: dict[Any, int] = {edge: 1 for edge, _ in roots if edge in self.place}
        for node in tape._below([edge for edge, _ in roots]):
            for parent in node.parents:
                if parent in self.place:
                    left[parent] = left.get(parent, 0) + 1
        return Pass(self, left) if left else None

    def send(self, number: int) -> Work:
        """Begin to add up a bucket over all ranks."""
        memory = self.buckets[number].memory
        call = f"gradients of bucket {number}, {memory.size} x {memory.dtype.name}"
        if self.exact:
            return Tree(self.group, call, memory, number)
        from mpi4py import MPI

        begun = self.group.begin(call)
        return Work(self.group, begun, call, [self.group.comm.Iallreduce(MPI.IN_PLACE, memory, MPI.SUM)], kept=memory)


class Pass:
    """One backward pass. left: how many nodes, of those that read a parameter, have not passed yet."""

    def __init__(self, reducer: Reducer, left: dict[Any, int]) -> None:
        self.reducer, self.left = reducer, left
        self.missing = [set(range(len(bucket.parameters))) for bucket in reducer.buckets]
        self.work: list[Work] = []
        self.under_way: list[Work] = []
        self.used = np.array([p in left for p in reducer.place], np.int32)
        if reducer.find_unused:
            from mpi4py import MPI

            group, call = reducer.group, "parameters in use"
            requests = [group.comm.Iallreduce(MPI.IN_PLACE, self.used, MPI.MAX)]
            self.census = Work(group, group.begin(call), call, requests, kept=self.used)
        for p in reducer.place:
            if p not in left:
                self._fill(p, None)
        self._send_full()

    def passed(self, node: Node, gradients: dict) -> None:
        """The rules of a node have run."""
        done = False
        for parent in node.parents:
            if parent in self.left:
                self.left[parent] -= 1
                if not self.left[parent] and not parent._hooks and parent in gradients:
                    g = gradients[parent] = tape._computed(gradients[parent])
                    self._fill(parent, g)
                    done = True
        if done:
            self._send_full()
        self.under_way = [work for work in self.under_way if not work.is_completed()]

    def _fill(self, p: Any, g: Any) -> None:
        """Put what p's `.grad` will be into its place; g: what comes to it, None for nothing."""
        bucket, index = self.reducer.place[p]
        view, before = self.reducer.buckets[bucket].views[index], p._grad
        if g is not None and before is not None:
            np.add(before.array, g, out=view)
        else:
            view[...] = 0 if g is before is None else before.array if g is None else g
        self.missing[bucket].discard(index)

    def _send_full(self) -> None:
        """Send the buckets that are full and have none before them that is not."""
        while len(self.work) < len(self.missing) and not self.missing[len(self.work)]:
            work = self.reducer.send(len(self.work))
            self.work.append(work)
            self.under_way.append(work)

    def finish(self) -> None:
        """Backward has ended: send what is left, and give every parameter the mean over all ranks."""
        reducer = self.reducer
        for bucket, missing in zip(reducer.buckets, self.missing, strict=True):
            for index in sorted(missing):
                self._fill(bucket.parameters[index], None)
        self._send_full()
        if reducer.find_unused:
            self.census.wait()
        used = iter(self.used if reducer.find_unused else np.ones_like(self.used))
        for bucket, work in zip(reducer.buckets, self.work, strict=True):
            work.wait()
            if reducer.group.size() > 1:
                bucket.memory *= bucket.memory.dtype.type(1 / reducer.group.size())
            for p, view in zip(bucket.parameters, bucket.views, strict=True):
                if not next(used):
                    continue
                if p._grad is None:
                    p._grad = tape.wrap(np.empty_like(p.array))
                np.copyto(p._grad.write(), view, casting="same_kind")
