"""Random numbers that belong to a sample, not to the order in which samples are loaded.

A DataLoader draws one 64-bit seed from its generator when an epoch begins. Sample `index` then owns the key
`mix(mix(seed) + index * GAMMA)`, and its k-th number is `mix(key + k * GAMMA)`, where `mix` is the 64-bit finaliser of
splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Nothing else enters: the
batch size, the batch an index falls in and the process that loads it leave every number as it was, and a whole
batch of keys is one numpy vector. An index that is drawn again in one epoch (by sampling with replacement) takes
`mix(key + turn * GAMMA)` for its key, where `turn` counts how often it was drawn before.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np

from .bridge import default_generator, numpy_generator

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: successive keys never repeat
_spare: list[np.random.Generator] = []  # for `own_default_generator`
_current: ContextVar[Stream | None] = ContextVar("minitorch_stream", default=None)


def mix(x: np.ndarray) -> np.ndarray:
    """Scramble uint64 values one to one: the finaliser of splitmix64, exact on every machine."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


@lru_cache(maxsize=16)
def _start(seed: int) -> np.ndarray:
    return mix(np.array([seed & (2**64 - 1)], np.uint64))


class Stream:
    """The random numbers of a batch of n samples: each draw gives every sample its own next number.

    `turns`, where given, says how often the epoch drew each index before (see `count_turns`). `begin(k)` is called
    before sample k is loaded, and `begin(-1)` after the last.

    Example:
        >>> both = Stream(seed=7, indices=[3, 4])
        >>> bool(both.integers(1000)[1] == Stream(seed=7, indices=[4]).integers(1000)[0])
        True
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[Any] | np.ndarray,
        turns: np.ndarray | None = None,
        begin: Callable[[int], None] | None = None,
    ) -> None:
        self._keys = mix(_start(seed) + _as_words(indices) * GAMMA)
        if turns is not None:
            self._keys = np.where(turns > 0, mix(self._keys + turns * GAMMA), self._keys)
        self._drawn, self.begin = 0, begin

    def __len__(self) -> int:
        return len(self._keys)

    def words(self) -> np.ndarray:
        """The next 64 random bits of each sample, uint64 (n,)."""
        self._drawn += 1
        return mix(self._keys + np.array([self._drawn], np.uint64) * GAMMA)

    def word(self) -> int:
        """64 bits that belong to the batch by its first sample; they are none of the samples' own draws."""
        return int(self._keys[0]) if len(self) else 0

    def integers(self, high: int | np.ndarray) -> np.ndarray:
        """Integers in [0, high), int64 (n,), for 1 <= high <= 2**32. The bias is below high / 2**32."""
        return ((self.words() >> np.uint64(32)) * np.asarray(high, np.uint64) >> np.uint64(32)).astype(np.int64)

    def uniform(self) -> np.ndarray:
        """Floats in [0, 1), float64 (n,), multiples of 2**-53."""
        return (self.words() >> np.uint64(11)) * 2.0**-53

    def split(self) -> Iterator[Stream]:
        """One Stream per sample, to load them one by one."""
        for position in range(len(self._keys)):
            one = Stream.__new__(Stream)
            one._keys, one._drawn, one.begin = self._keys[position : position + 1], self._drawn, None
            yield one

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside the block, transforms draw from this Stream."""
        before = _current.get()
        try:
            _current.set(self)
            yield
        finally:
            _current.set(before)


def current_stream(size: int) -> Stream:
    """The Stream that a DataLoader made active; outside of one, a new one that the default generator seeds."""
    return _current.get() or Stream(draw_seed(), np.arange(size))


def sample_streams(size: int) -> Iterator[AbstractContextManager[None]]:
    """For each sample of a batch of `size`, a block inside which transforms draw that sample's own numbers."""
    stream = _current.get()
    if stream is None or len(stream) != size:
        yield from [nullcontext()] * size
        return
    begin = stream.begin or (lambda position: None)
    for position, one in enumerate(stream.split()):
        begin(position)
        yield one.active()
    begin(-1)


def count_turns(indices: Sequence[Any], drawn: Counter[int]) -> np.ndarray | None:
    """How often each index was drawn before, by `drawn`, to which the indices are added; None where none was."""
    words = _as_words(indices).tolist()
    turns = np.empty(len(words), np.uint64)
    for position, word in enumerate(words):
        turns[position] = drawn[word]
        drawn[word] += 1
    return turns if turns.any() else None


@contextmanager
def own_default_generator(stream: Stream) -> Iterator[None]:
    """Inside the block the default generator draws numbers that belong to the batch of `stream`.

    So `minitorch.rand` in a dataset gives the same in every process, and takes nothing from the numbers that the
    program draws between two batches (dropout, say).
    """
    # To give an old generator another state takes 5 us, to make a new one 28 us.
    default, own = default_generator(), _spare.pop() if _spare else np.random.Generator(np.random.PCG64())
    words = {"state": stream.word() << 64 | stream.word(), "inc": 2 * int(GAMMA) + 1}
    own.bit_generator.state = {"bit_generator": "PCG64", "state": words, "has_uint32": 0, "uinteger": 0}
    kept, default.numpy = default.numpy, own
    try:
        yield
    finally:
        default.numpy = kept
        _spare.append(own)


def draw_seed(generator: Any = None) -> int:
    """A new 63-bit seed from `generator` (a `minitorch.Generator`), or from the default one."""
    return int(numpy_generator(generator).integers(2**63 - 1))


def _as_words(indices: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Indices as uint64; keys that are no integers (a sampler may yield any) count by a hash of their repr."""
    try:
        return np.asarray(indices, np.int64).reshape(len(indices)).view(np.uint64)
    except (TypeError, ValueError, OverflowError):
        digests = [hashlib.blake2b(repr(key).encode(), digest_size=8).digest() for key in indices]
        return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
