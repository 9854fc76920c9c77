"""Datasets: what has samples, and how datasets are joined and divided.

A dataset is anything with `__getitem__` and `__len__`. Two optional methods make it faster, both for a list of indices:

- `__getitems__(indices)` (PyTorch's) returns the list of samples, which is then collated.
- `__getbatch__(indices)` returns the finished batch: what `default_collate([self[i] for i in indices])` would be, or
  NotImplemented when it cannot be had faster. A DataLoader asks for it when `collate_fn` is the default one.

A subclass that redefines `__getitem__` alone is safe: a faster method that its parent wrote is not used for it.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from .bridge import numpy_generator
from .stream import sample_streams

T = TypeVar("T", covariant=True)


def speaks_for(cls: type, fast: str, plain: str) -> bool:
    """Whether method `fast` of `cls` still stands for its method `plain`: no subclass redefined only the latter."""
    writers = {name: [k for k, c in enumerate(cls.__mro__) if name in vars(c)] for name in (fast, plain)}
    return bool(writers[fast]) and (not writers[plain] or writers[fast][0] <= writers[plain][0])


class Dataset(Generic[T]):
    """A map from indices (or keys) to samples. Subclasses write `__getitem__`, and `__len__` where it is known."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(
            f"{type(self).__name__}: a Dataset needs a `__getitem__(index)` that returns one sample"
        )

    def __add__(self, other: Dataset[T]) -> ConcatDataset[T]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """A stream of samples. Subclasses write `__iter__`."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(
            f"{type(self).__name__}: an IterableDataset needs an `__iter__()` that yields samples"
        )

    def __add__(self, other: Dataset[T]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple]):
    """Sample i is `(tensors[0][i], tensors[1][i], ...)`.

    Raises:
        AssertionError: the tensors have different lengths.
    """

    def __init__(self, *tensors: Any) -> None:
        lengths = [tensor.shape[0] for tensor in tensors]
        if len(set(lengths)) > 1:
            raise AssertionError(f"TensorDataset: all tensors need the same length, but they have {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> list:
        rows = np.asarray(indices, np.int64)
        return [tensor[rows] for tensor in self.tensors]

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset):
    """Sample i is the tuple of the datasets' samples i; a dict of them where the datasets were named.

    Raises:
        ValueError: there is none, they have different lengths, or some have names and some have not.

    Example:
        >>> StackDataset(image=["a", "b"], mask=["c", "d"])[1]
        {'image': 'b', 'mask': 'd'}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "StackDataset: supported are datasets by position (samples are tuples) or by name (samples are dicts), "
                "but both types are given"
            )
        self.datasets: tuple | dict = args or kwargs
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if not lengths:
            raise ValueError("StackDataset: at least one dataset should be passed")
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: size mismatch between datasets: {lengths}")
        self._length = lengths[0]

    def _join(self, get: Any) -> Any:
        """What `get` makes of each dataset, under its name or in its place."""
        if isinstance(self.datasets, dict):
            return {name: get(dataset) for name, dataset in self.datasets.items()}
        return tuple(map(get, self.datasets))

    def __getitem__(self, index: Any) -> Any:
        return self._join(lambda dataset: dataset[index])

    def __getitems__(self, indices: list) -> list:
        def get(dataset: Any) -> list:
            samples = get_samples(dataset, indices)
            if len(samples) != len(indices):
                raise ValueError(
                    f"StackDataset: Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)}"
                )
            return samples

        columns = self._join(get)
        if isinstance(columns, dict):
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return list(zip(*columns, strict=True))

    def __getbatch__(self, indices: list) -> Any:
        batches = self._join(lambda dataset: get_batch(dataset, indices))
        parts = list(batches.values()) if isinstance(batches, dict) else list(batches)
        if any(part is NotImplemented for part in parts):
            return NotImplemented
        return batches if isinstance(batches, dict) else parts

    def __len__(self) -> int:
        return self._length


class Subset(Dataset[T]):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[Any]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list) -> list[T]:
        return get_samples(self.dataset, [self.indices[i] for i in indices])

    def __getbatch__(self, indices: list) -> Any:
        return get_batch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T]):
    """Datasets one after the other.

    Raises:
        AssertionError: there is none, or one of them is an IterableDataset.
    """

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: `datasets` needs at least one dataset, but it is empty")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset: an IterableDataset has no indices; join such datasets by ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T:
        if index < 0:
            if -index > len(self):
                raise ValueError(f"ConcatDataset: index {index} is before the first of {len(self)} samples")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} is past the last of {len(self)} samples")
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset):
    """IterableDatasets one after the other."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ChainDataset: needs IterableDatasets, but got a {type(dataset).__name__}; "
                    "join those by ConcatDataset"
                )

    def __iter__(self) -> Iterator:
        return itertools.chain.from_iterable(self.datasets)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return sum(map(len, self.datasets))  # type: ignore[arg-type]


def random_split(dataset: Dataset[T], lengths: Sequence[int | float], generator: Any = None) -> list[Subset[T]]:
    """Divide `dataset` at random into Subsets of `lengths`: sample counts, or fractions whose sum is 1.

    Fractions are rounded down; the samples left over go to the first parts, one each, in turn.

    Raises:
        ValueError: a fraction lies outside [0, 1], or the counts do not add up to `len(dataset)`.
        TypeError: `lengths` are neither ints nor fractions.

    Example:
        >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25])]
        [6, 2, 2]
    """
    total = len(dataset)  # type: ignore[arg-type]
    lengths = [operator.index(n) if hasattr(n, "__index__") else n for n in lengths]
    counts: list[Any] = list(lengths)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for position, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(
                    f"random_split: fraction {position} of `lengths` needs to lie in [0, 1], but is {fraction}"
                )
        counts = [math.floor(total * fraction) for fraction in lengths]
        for position in range(total - sum(counts)):
            counts[position % len(counts)] += 1
        for position, count in enumerate(counts):
            if count == 0:
                warnings.warn(f"random_split: part {position} of `lengths` is empty", stacklevel=2)
    if sum(counts) != total:
        raise ValueError(
            f"random_split: `lengths` needs to add up to the {total} samples of the dataset, "
            f"but {list(lengths)} adds up to {sum(counts)}"
        )
    if not all(isinstance(count, int) for count in counts):
        raise TypeError(f"random_split: `lengths` should be ints, or fractions whose sum is 1, but got {list(lengths)}")
    order = numpy_generator(generator).permutation(total).tolist()
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends, strict=True)]


def get_samples(dataset: Any, indices: list) -> list:
    """The samples of `dataset` at `indices`, each drawing from its own random stream."""
    if speaks_for(type(dataset), "__getitems__", "__getitem__"):
        return dataset.__getitems__(indices)
    samples = []
    for index, stream in zip(indices, sample_streams(len(indices)), strict=True):
        with stream:
            samples.append(dataset[index])
    return samples


def get_batch(dataset: Any, indices: list) -> Any:
    """The finished batch of `dataset` at `indices`, or NotImplemented."""
    if speaks_for(type(dataset), "__getbatch__", "__getitem__"):
        return dataset.__getbatch__(indices)
    return NotImplemented
