"""Numbers of all ranks as one: averages by their sums and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .group import is_initialized, resolve
from .work import Work

__all__ = ["Averages"]


class Averages:
    """Averages over what all ranks have seen: each adds sums and counts, and one collective brings them together.

    The mean of the ranks' means would be wrong where they have seen different numbers of samples.

    >>> averages = Averages()
    >>> averages.add("loss", 6.0, 4)
    >>> averages.add("loss", 2.0, 4)
    >>> averages.compute()
    {'loss': 1.0}
    """

    def __init__(self, group: Any = None) -> None:
        self.group = group
        self.sums: dict[str, list[float]] = {}

    def add(self, name: str, total: Any, count: Any = 1) -> None:
        """Add a sum over `count` samples, both numbers or tensors of one element."""
        sums = self.sums.setdefault(name, [0.0, 0.0])
        sums[0] += float(total)
        sums[1] += float(count)

    def compute(self) -> dict[str, float]:
        """Each name's sum over its count, of all ranks; NaN where nothing was counted. Every rank has to call it.

        Raises RuntimeError where ranks have added different names.
        """
        names = sorted(self.sums)
        sums = np.array([self.sums[name] for name in names], np.float64).reshape(-1, 2)
        if is_initialized():
            from mpi4py import MPI

            from .objects import all_gather_object

            members = resolve(self.group)
            theirs: list = [None] * members.size()
            all_gather_object(theirs, names, self.group)
            if any(other != names for other in theirs):
                raise RuntimeError(f"Averages: the ranks have added different names: {theirs}")
            call = f"averages of {names}"
            Work(members, members.begin(call), call, [members.comm.Iallreduce(MPI.IN_PLACE, sums, MPI.SUM)]).wait()
        return {
            name: float(total / count) if count else float("nan")
            for name, (total, count) in zip(names, sums, strict=True)
        }

    def reset(self) -> None:
        """Forget what was added."""
        self.sums.clear()
