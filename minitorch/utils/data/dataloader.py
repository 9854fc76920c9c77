"""DataLoader: a dataset, an order and a way to join samples make the batches of an epoch."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any

from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .loading import LocalBatches, Recipe, Task, map_tasks
from .pool import Pool, WorkerBatches
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .stream import draw_seed

Collate = Callable[[Any], Any]


class DataLoader:
    """Iterate over batches of `dataset`. Arguments, order and defaults are PyTorch's; see docs/data.md.

    An epoch draws its order and one seed from `generator` (the default generator where None). The seed decides every
    augmentation together with the sample's index, so a batch does not depend on how the others were loaded: any
    `num_workers` gives the same batches. An index that a sampler draws several times in an epoch is augmented anew
    each time.

    Workers are processes, started by forkserver unless `multiprocessing_context` says otherwise. A set in memory that
    makes a whole batch in one call is loaded in the calling process even so, which is faster. `pin_memory` means
    nothing here.

    Raises:
        ValueError: arguments exclude each other or are out of range (messages name them).
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Collate | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_worker_options(num_workers, timeout, prefetch_factor, persistent_workers)
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"DataLoader: an IterableDataset sets its own order: expected unspecified `{name}`, "
                        f"but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: `sampler` sets the order itself; leave out either it or `shuffle`")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: `batch_sampler` makes whole batches; leave out `batch_size`, `shuffle`, `sampler` and "
                    "`drop_last`"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches, so that there is no last one to drop")
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            # For an IterableDataset only the check of batch_size and drop_last matters: it has no indices.
            batch_sampler = BatchSampler(range(0) if iterable else sampler, batch_size, drop_last)  # type: ignore[arg-type]

        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self._pool: Pool | None = None
        self._length: int | None = None  # what `len` of a stream has said
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if name in fixed and "_ready" in vars(self):
            raise ValueError(f"DataLoader: `{name}` cannot change once the loader is made; make a new DataLoader")
        if name == "multiprocessing_context":
            value = _checked_context(value, self.num_workers)
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        total = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            total = total // self.batch_size if self.drop_last else math.ceil(total / self.batch_size)
        self._length = total
        return total

    def __iter__(self) -> Iterator[Any]:
        seed = draw_seed(self.generator)
        batched = self.batch_sampler is not None
        recipe = Recipe(self.dataset, self.collate_fn, batched, self.batch_size, self.drop_last)
        if isinstance(self.dataset, IterableDataset):
            batches = self._batches(recipe, itertools.repeat(Task(seed)), seed)
            return batches if self._length is None else _Counted(batches, self, self._length)
        keys = self.batch_sampler if batched else self.sampler
        return self._batches(recipe, map_tasks(keys, seed, batched), seed)  # type: ignore[arg-type]

    def _batches(self, recipe: Recipe, tasks: Iterator[Task], seed: int) -> Iterator[Any]:
        """The batches of an epoch, made here or in workers."""
        if self.num_workers and self.worker_init_fn is None and recipe.makes_whole_batches:
            # The way to a worker and back costs more than the one call that makes a batch of a set in memory.
            first = list(itertools.islice(tasks, 1))
            tasks = itertools.chain(first, tasks)
            here = all(recipe.in_one_call(task) for task in first)
        else:
            here = not self.num_workers
        if here:
            return LocalBatches(recipe.source(), tasks)
        pool = self._pool
        if pool is None or not pool.alive:
            pool = Pool(recipe, self.num_workers, self.multiprocessing_context, seed, self.worker_init_fn)
        self._pool = pool if self.persistent_workers else None
        ahead = max(1, self.prefetch_factor or 0) * self.num_workers
        return WorkerBatches(pool, tasks, ahead, self.timeout, self.in_order, self.persistent_workers)


class _Counted:
    """Batches of a stream; warns as soon as there are more than `len(loader)` said."""

    def __init__(self, batches: Iterator[Any], loader: DataLoader, length: int) -> None:
        self._batches, self._loader, self._length = batches, loader, length
        self._count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Any:
        batch = next(self._batches)
        self._count += 1
        if self._count == self._length + 1:
            text = (
                f"Length of IterableDataset {self._loader.dataset} was reported to be {self._length} (when accessing "
                f"len(dataloader)), but {self._count} samples have been fetched"
            )
            if self._loader.num_workers:
                text += "; each worker reads a copy of its own: divide the samples by `get_worker_info()`"
            warnings.warn(text, stacklevel=2)
        return batch


def _check_worker_options(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if not isinstance(num_workers, int):
        raise TypeError(f"DataLoader: num_workers option should be an int, but got {num_workers!r}")
    if num_workers < 0:
        raise ValueError(
            "DataLoader: num_workers option should be non-negative; use num_workers=0 to disable multiprocessing, "
            f"but got {num_workers}"
        )
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout option should be non-negative, but got {timeout}")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "DataLoader: prefetch_factor option could only be specified in multiprocessing: let num_workers > 0 to "
            f"enable multiprocessing, otherwise set prefetch_factor to None, but got {prefetch_factor}"
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"DataLoader: prefetch_factor option should be non-negative, but got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("DataLoader: persistent_workers option needs num_workers > 0")


def _checked_context(context: Any, num_workers: int) -> BaseContext | None:
    """The multiprocessing context of that name, or the context itself."""
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "DataLoader: multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            "but got num_workers=0"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"DataLoader: multiprocessing_context option should specify a valid start method in {methods}, but got "
                f"multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "DataLoader: multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={context!r}"
        )
    return context
