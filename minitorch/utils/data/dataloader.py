"""DataLoader: a dataset, an order and a way to join samples make the batches of an epoch."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .collate import default_collate, default_convert
from .dataset import IterableDataset, get_batch, get_samples
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .stream import Stream, draw_seed

Collate = Callable[[Any], Any]


def load(dataset: Any, indices: Any, collate_fn: Collate, seed: int, drawn: Counter[int], batched: bool = True) -> Any:
    """One batch of a map-style dataset: the same for the same arguments, in whatever process it is made.

    `indices` is a list of indices, or a single one where `batched` is False. `seed` is the epoch's: transforms draw
    from a stream of (seed, index, how often the epoch has drawn it, by `drawn`). The dataset's `__getbatch__` serves
    where `collate_fn` is `default_collate`.
    """
    with Stream(seed, indices if batched else [indices], drawn).active():
        if not batched:
            return collate_fn(dataset[indices])
        if collate_fn is default_collate:
            batch = get_batch(dataset, indices)
            if batch is not NotImplemented:
                return batch
        return collate_fn(get_samples(dataset, indices))


def get_worker_info() -> None:
    """None: the code that asks runs in the main process."""
    return None


class DataLoader:
    """Iterate over batches of `dataset`. Arguments, order and defaults are PyTorch's.

    An epoch draws its order and one seed from `generator` (the default generator where None). The seed decides every
    augmentation together with the sample's index, so a batch does not depend on how the others were loaded. An index
    that a sampler draws several times in an epoch is augmented anew each time.
    Samples are loaded in the calling process; `num_workers`, `pin_memory` and what goes with them are accepted.

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
        _check_worker_options(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
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
        self._ready = True
        if num_workers:
            warnings.warn(
                f"DataLoader: num_workers={num_workers} is accepted, but samples are loaded in the main process "
                "(image sets that fit in memory are prepared a whole batch at a time there)",
                stacklevel=2,
            )

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if name in fixed and "_ready" in vars(self):
            raise ValueError(f"DataLoader: `{name}` cannot change once the loader is made; make a new DataLoader")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            total = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return total
            return total // self.batch_size if self.drop_last else math.ceil(total / self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        seed = draw_seed(self.generator)
        if isinstance(self.dataset, IterableDataset):
            return self._iterate_stream(seed)
        batched = self.batch_sampler is not None
        keys = iter(self.batch_sampler if batched else self.sampler)  # type: ignore[arg-type]
        drawn: Counter[int] = Counter()
        return (
            load(self.dataset, list(key) if batched else key, self.collate_fn, seed, drawn, batched) for key in keys
        )

    def _iterate_stream(self, seed: int) -> Iterator[Any]:
        samples = _seeded(iter(self.dataset), seed)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)


def _seeded(samples: Iterator, seed: int) -> Iterator:
    """The same samples, the k-th made while the random stream of (seed, k) is active."""
    for position in itertools.count():
        with Stream(seed, [position]).active():
            try:
                sample = next(samples)
            except StopIteration:
                return
        yield sample


def _check_worker_options(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    if num_workers < 0:
        raise ValueError(
            f"DataLoader: `num_workers` should be non-negative, but got {num_workers}; 0 loads in the main process"
        )
    if timeout < 0:
        raise ValueError(f"DataLoader: `timeout` should be non-negative, but got {timeout}")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(f"DataLoader: prefetch_factor={prefetch_factor} needs num_workers > 0; leave it out or None")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"DataLoader: `prefetch_factor` should be non-negative, but got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("DataLoader: persistent_workers=True needs num_workers > 0")
    if context is None:
        return
    if num_workers == 0:
        raise ValueError("DataLoader: `multiprocessing_context` needs num_workers > 0, but got num_workers=0")
    import multiprocessing

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(f"DataLoader: `multiprocessing_context` should be one of {methods}, but got {context!r}")
    elif not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            f"DataLoader: `multiprocessing_context` should be a context or the name of a start method, "
            f"but got {context!r}"
        )
