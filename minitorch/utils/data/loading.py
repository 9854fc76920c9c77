"""How a batch is made: in the main process and in a worker by the same code.

A batch of a map-style dataset is made from its task alone, whatever process makes it, and whenever. A stream
(an IterableDataset) has to be read in order by one process; each worker reads a copy of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .bridge import is_plain_mode
from .collate import default_collate
from .dataset import IterableDataset, get_batch, get_samples
from .stream import Stream, count_turns, own_default_generator

Begin = Callable[[int], None]
ENDED = object()  # what a source hands out in place of a batch when a stream has come to its end


class Task(NamedTuple):
    """One batch to load: the epoch's seed, the indices (or the one key, without batches), and their turns."""

    seed: int
    key: Any = None
    turns: np.ndarray | None = None


def map_tasks(keys: Iterable[Any], seed: int, batched: bool) -> Iterator[Task]:
    """The tasks of an epoch over a map-style dataset; `keys` are lists of indices, or single keys.

    An index that the epoch draws again has another turn, and with it other random numbers.
    """
    drawn: Counter[int] = Counter()
    for key in keys:
        indices = list(key) if batched else [key]
        yield Task(seed, indices if batched else key, count_turns(indices, drawn))


class Recipe(NamedTuple):
    """What stays the same for all batches of a loader. `batched` says whether samples are joined into batches."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batched: bool
    batch_size: int | None = None
    drop_last: bool = False

    @property
    def makes_whole_batches(self) -> bool:
        """Whether the dataset's own `__getbatch__` may serve: it does what `default_collate` would."""
        return self.batched and self.collate_fn is default_collate and not is_plain_mode()

    def load(self, task: Task, begin: Begin | None = None) -> Any:
        """The batch of a map-style dataset: the same for the same task, in whatever process it is made.

        Transforms draw from a stream of (seed, index, turn). The dataset's `__getbatch__` serves where it can.
        """
        indices = task.key if self.batched else [task.key]
        stream = Stream(task.seed, indices, task.turns, begin)
        with stream.active():
            if self.makes_whole_batches:
                batch = get_batch(self.dataset, indices)
                if batch is not NotImplemented:
                    return batch
            with own_default_generator(stream):
                if self.batched:
                    return self.collate_fn(get_samples(self.dataset, indices))
                return self.collate_fn(self.dataset[task.key])

    def in_one_call(self, task: Task) -> bool:
        """Whether the dataset makes the batch of this task at once: images in memory, mostly."""
        with Stream(task.seed, task.key or (), task.turns).active():
            return self.makes_whole_batches and get_batch(self.dataset, task.key) is not NotImplemented

    def source(self, begin: Begin | None = None, worker: int = 0, workers: int = 1) -> Callable[[Task], Any]:
        """A function from tasks to batches, for one epoch in this process."""
        if isinstance(self.dataset, IterableDataset):
            return StreamSource(self, begin, worker, workers)
        return lambda task: self.load(task, begin)


class LocalBatches:
    """The batches of one epoch, made in this process. One that cannot be made raises, and the next one follows."""

    def __init__(self, source: Callable[[Task], Any], tasks: Iterator[Task]) -> None:
        self._source, self._tasks = source, tasks

    def __iter__(self) -> LocalBatches:
        return self

    def __next__(self) -> Any:
        batch = self._source(next(self._tasks))
        if batch is ENDED:
            self._tasks = iter(())
            raise StopIteration
        return batch


class StreamSource:
    """Reads an IterableDataset once from its beginning, as worker `worker` of `workers`.

    The k-th sample that this worker reads draws from the random stream of (seed, k * workers + worker): where
    the workers take turns in the samples, this is the sample's number in the whole, and every other way to divide
    them leaves no two samples with the same numbers.
    """

    def __init__(self, recipe: Recipe, begin: Begin | None, worker: int, workers: int) -> None:
        self.recipe, self.begin = recipe, begin or (lambda position: None)
        self.worker, self.workers = worker, workers
        self.read = self.asked = 0  # samples, and batches
        self.samples: Iterator[Any] | None = None

    def _next_samples(self, seed: int, limit: int) -> list:
        """The next `limit` samples, fewer at the end."""
        assert self.samples is not None
        out: list = []
        while len(out) < limit:
            self.begin(self.read)
            with Stream(seed, [self.read * self.workers + self.worker]).active():
                try:
                    out.append(next(self.samples))
                except StopIteration:
                    break
            self.read += 1
        self.begin(-1)
        return out

    def __call__(self, task: Task) -> Any:
        """The next batch, or ENDED."""
        recipe, limit = self.recipe, (self.recipe.batch_size or 1)
        stream = Stream(task.seed, [-1 - self.asked * self.workers - self.worker])
        self.asked += 1
        with own_default_generator(stream):
            if self.samples is None:
                self.samples = iter(())  # what is left to read if the dataset refuses to begin
                self.samples = iter(recipe.dataset)
            batch = self._next_samples(task.seed, limit)
            if not batch or (recipe.drop_last and len(batch) < limit):
                return ENDED
            return recipe.collate_fn(batch if recipe.batched else batch[0])
