"""Samplers: the order in which a DataLoader visits a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from .bridge import numpy_generator, to_array

T = TypeVar("T", covariant=True)


def _check_count(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{owner}: `{name}` should be a positive integer value, but got {name}={value}")


class Sampler(Generic[T]):
    """An iterable of indices. Subclasses write `__iter__`, and `__len__` if a length is known."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: a Sampler needs an `__iter__()` that yields indices")


class SequentialSampler(Sampler[int]):
    """0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order each time; `num_samples` indices, all different until every one was drawn.

    With `replacement=True` each index is drawn independently of the others.

    Raises:
        TypeError: `replacement` is no bool.
        ValueError: `num_samples`, or the length of `data_source` where it is None, is no positive integer.
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise TypeError(
                f"RandomSampler: `replacement` should be a boolean value, but got replacement={replacement}"
            )
        _check_count("RandomSampler", "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices an epoch yields."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        total, random = len(self.data_source), numpy_generator(self.generator)
        # BEGIN SOLUTION 10.1
        if self.replacement:
            return iter(random.integers(total, size=self.num_samples).tolist())
        rounds = -(-self.num_samples // total)
        # All at once: what the program draws between two batches must not come between two rounds.
        order = [index for _ in range(rounds) for index in random.permutation(total).tolist()]
        return iter(order[: self.num_samples])
        # END SOLUTION

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given `indices` in a new random order each time."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        order = numpy_generator(self.generator).permutation(len(self.indices)).tolist()
        return (self.indices[position] for position in order)

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices from [0, len(weights)), index i with a probability proportional to `weights[i]`.

    Raises:
        ValueError: `weights` is not one-dimensional, `num_samples` is no positive integer, `replacement` is no bool.
        RuntimeError: (when iterated) a weight is negative or not finite, all are zero, or fewer than `num_samples`
            are above zero and `replacement` is False.
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"WeightedRandomSampler: `replacement` should be a boolean value, but got replacement={replacement}"
            )
        try:
            self.weights = to_array(weights).astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"WeightedRandomSampler: `weights` should be numbers, but got {weights!r}") from None
        if self.weights.ndim != 1:
            raise ValueError(f"WeightedRandomSampler: `weights` needs one axis, but its shape is {self.weights.shape}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        w = self.weights
        if not np.isfinite(w).all() or (w < 0).any() or not w.any():
            raise RuntimeError(
                "WeightedRandomSampler: `weights` need to be finite and not negative, and one of them above zero"
            )
        random = numpy_generator(self.generator)
        if self.replacement:
            # Invert the cumulative weights: a uniform number falls into slot i with probability w[i] / sum(w).
            # BEGIN SOLUTION 10.1
            ends = np.cumsum(w)
            points = random.random(self.num_samples) * ends[-1]
            return iter(np.searchsorted(ends, points, side="right").tolist())
            # END SOLUTION
        if np.count_nonzero(w) < self.num_samples:
            raise RuntimeError(
                f"WeightedRandomSampler: {self.num_samples} different indices need as many weights above zero, "
                f"but there are {np.count_nonzero(w)}; lower `num_samples` or set replacement=True"
            )
        # The n smallest of exponential times with rates w are n draws without replacement (Efraimidis, Spirakis 2006).
        with np.errstate(divide="ignore"):
            times = random.standard_exponential(len(w)) / w
        return iter(np.argsort(times, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` successive indices of `sampler`; the last, shorter one is left out by `drop_last`.

    Raises:
        ValueError: `batch_size` is no positive integer, or `drop_last` is no bool.

    Example:
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: `drop_last` should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        # BEGIN SOLUTION 10.2
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch
        # END SOLUTION

    def __len__(self) -> int:
        # BEGIN SOLUTION 10.2
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)
        # END SOLUTION
