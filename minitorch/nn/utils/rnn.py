"""Sequences of different lengths: padded to one length, or packed step by step without the padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...autograd.tape import wrap
from ...ops.dims import whole
from ...ops.index import getitem, setitem
from ...ops.join import cat
from ...ops.shape import reshape, standalone, transpose
from ...tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """All first steps of a batch of sequences, then all second steps, ...; made by `pack_padded_sequence`.

    data (N, *), the steps; batch_sizes (T,), int64, how many sequences have each step, which never grows;
    sorted_indices, which sequence of the batch stands at each place, and unsorted_indices, where each stands; None for
    a batch that came sorted.
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, tuple | list) or len(data) != 2:
                raise AssertionError("PackedSequence without batch_sizes takes a pair (data, batch_sizes)")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With data as `Tensor.to` makes it; self if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> PackedSequence:
        """Itself: all memory is the CPU's."""
        return self

    def double(self) -> PackedSequence:
        """With data of float64."""
        return self.to(np.float64)

    def float(self) -> PackedSequence:
        """With data of float32."""
        return self.to(np.float32)

    def int(self) -> PackedSequence:
        """With data of int32."""
        return self.to(np.int32)

    def long(self) -> PackedSequence:
        """With data of int64."""
        return self.to(np.int64)

    def pin_memory(self) -> PackedSequence:
        """Itself."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Any) -> Any:
    """Where each number stands in a permutation, an int64 tensor; None for None."""
    if permutation is None:
        return None
    out = np.empty_like(permutation.array)
    out[permutation.array] = np.arange(len(out))
    return wrap(out)


def _numbers(lengths: Any) -> np.ndarray:
    """Lengths, a tensor or a list, as an int64 array. Raises RuntimeError for another rank."""
    if isinstance(lengths, Tensor | int):
        array = lengths.array if isinstance(lengths, Tensor) else np.asarray(lengths)
        if array.ndim != 1:
            raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {array.ndim}D")
        return array.astype(np.int64, copy=False)
    return np.array([int(n) for n in lengths], np.int64)


def _rows(x: Any) -> Any:
    """(A, B, *) as (A * B, *)."""
    a, b, *rest = x.array.shape
    return reshape(x, shape=(a * b, *rest))


def _places(sizes: np.ndarray, order: np.ndarray, batch: int) -> np.ndarray:
    """The rows of a padded batch (T * batch, *) in the order of the packed one; order: the sequence at each place."""
    return np.concatenate([step * batch + order[:n] for step, n in enumerate(sizes.tolist())])


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first lengths[i] steps of each sequence of a padded batch (T, B, *), or (B, T, *) if `batch_first`.

    Lengths must not grow from one sequence to the next, unless `enforce_sorted` is False, where they are sorted here.
    Raises RuntimeError for lengths that are not sorted, below 1, longer than the batch or of another number.
    """
    numbers = _numbers(lengths)
    if input.array.ndim < 2:
        raise IndexError(f"pack_padded_sequence: input must be (T, B, *), but has shape {input.array.shape}")
    x = transpose(input, 0, 1) if batch_first else input
    steps, batch = x.array.shape[:2]
    if len(numbers) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(numbers)} (batch_size={batch})"
        )
    if not batch or not steps:
        raise RuntimeError("Cannot pack empty tensors.")
    order = np.arange(batch) if enforce_sorted else np.argsort(-numbers, kind="stable")
    ordered = numbers[order]
    if ordered.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (np.diff(ordered) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement."
        )
    if ordered[0] > steps:
        raise RuntimeError(f"Expected all lengths to be at most {steps}, the steps of the batch, but got {ordered[0]}")
    sizes = (ordered[None] > np.arange(ordered[0])[:, None]).sum(1)
    data = getitem(_rows(x), key=(_places(sizes, order, batch),))
    indices = () if enforce_sorted else (wrap(order), wrap(np.argsort(order)))
    return PackedSequence(data, wrap(sizes), *indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple:
    """(batch, lengths): the sequences as (T, B, *), or (B, T, *) if `batch_first`, in the order they came in.

    T is the longest length, or `total_length`; steps that a sequence does not have are `padding_value`. Raises
    ValueError if `total_length` is less than the longest.
    """
    sizes = sequence.batch_sizes.array
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = whole(total_length, "total_length")
    order = np.arange(batch) if sequence.sorted_indices is None else sequence.sorted_indices.array
    data = sequence.data
    lengths = np.empty(batch, np.int64)
    lengths[order] = (sizes[:, None] > np.arange(batch)).sum(0)
    return _padded(data, _places(sizes, order, batch), steps, batch, padding_value, batch_first), wrap(lengths)


def _padded(data: Any, places: np.ndarray, steps: int, batch: int, value: float, batch_first: bool) -> Any:
    """Rows at their places in a batch (steps, batch, *) of `value`, seen as (batch, steps, *) if `batch_first`."""
    rest = data.array.shape[1:]
    empty = wrap(np.full((steps * batch, *rest), value, data.array.dtype))
    out = reshape(setitem(empty, data, key=(places,)), shape=(steps, batch, *rest))
    return standalone(transpose(out, 0, 1) if batch_first else out)


def _listed(sequences: Any) -> list:
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    listed = list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    for i, x in enumerate(listed):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"pad_sequence(): expected a Tensor as element {i} of `sequences`, but got {type(x).__name__}"
            )
    return listed


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences (L, *) of different lengths as one batch (T, B, *), or (B, T, *) if `batch_first`, T the longest.

    Missing steps are `padding_value`, after each sequence or, for padding_side "left", before it. Raises RuntimeError
    for another side, or sizes that differ beside the first.
    """
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    listed = _listed(sequences)
    lengths = [len(x.array) for x in listed]
    steps, batch = max(lengths), len(listed)
    begins = [steps - n if padding_side == "left" else 0 for n in lengths]
    places = [np.arange(b, b + n) * batch + i for i, (b, n) in enumerate(zip(begins, lengths, strict=True))]
    rest = listed[0].array.shape[1:]
    for x in listed:
        if x.array.shape[1:] != rest:
            raise RuntimeError(
                f"The size of tensor a {list(x.array.shape[1:])} must match the size of tensor b {list(rest)} beside "
                "the first dimension: pad_sequence pads only that"
            )
    return _padded(cat(listed), np.concatenate(places), steps, batch, padding_value, batch_first)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """The sequences of a padded batch, (T, B, *) or (B, T, *), each without the steps beyond its length."""
    x = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    return [x[i, : int(n)] for i, n in enumerate(_numbers(lengths))]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, *) of different lengths, packed; the longest first, unless `enforce_sorted` is False."""
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pack_sequence: expected a list of Tensors, but got {type(sequences).__name__}")
    listed = _listed(sequences)
    return pack_padded_sequence(pad_sequence(listed), [len(x.array) for x in listed], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list:
    """The sequences of a packed batch, in the order they came in."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
