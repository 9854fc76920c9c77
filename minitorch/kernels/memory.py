"""Large arrays from a pool: memory that was touched before, so that a training loop faults in no new pages.

A fresh page costs a fault when it is first written, on virtual machines up to 4.7 us: 9.7 ms for the 8 MB result of a
ReLU that takes 0.1 ms to compute (2 cores, 2026-11). Here the memory of a large array returns to the pool when the last
view of it dies, and the next array of about that size gets it. The pool keeps no more than was in use at the peak.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np

SMALL = 1 << 16  # bytes below which numpy's own allocator is as good
HUGE = 1 << 22  # bytes from which numpy, too, asks for huge pages


class _Pool:
    """Free blocks by size, and how many bytes are out and in."""

    def __init__(self) -> None:
        self.free: dict[int, list[mmap.mmap]] = {}
        self.lent = self.kept = self.peak = 0

    def take(self, size: int) -> mmap.mmap:
        """A block of `size` bytes: a free one if there is one, else a new one."""
        self.lent += size
        self.peak = max(self.peak, self.lent)
        blocks = self.free[size] = self.free.pop(size, [])  # the sizes asked for last stand last
        try:
            block = blocks.pop()
        except IndexError:
            self.evict()
            block = mmap.mmap(-1, size)
            if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
                block.madvise(mmap.MADV_HUGEPAGE)
            return block
        self.kept -= size
        return block

    def evict(self) -> None:
        """Free blocks of sizes that were not asked for lately, until all memory is a quarter above the peak at most.

        A quarter, since a step needs its sizes at different times: with none, ResNet-20 at batch 128 gave up and
        faulted in 8 to 14 MB of 203 at every step (2026-11).
        """
        for size in list(self.free):
            while self.lent + self.kept > self.peak + self.peak // 4:
                try:
                    self.free[size].pop()
                except (KeyError, IndexError):
                    break
                self.kept -= size

    def put(self, block: mmap.mmap, size: int) -> None:
        """Take a block back, or drop it where more would be kept than was ever in use."""
        self.lent -= size
        if self.kept + size <= self.peak:
            self.kept += size
            self.free.setdefault(size, []).append(block)


_pool = _Pool()


class _Loan(np.ndarray):
    """What a pooled array's views keep alive as their base: its death brings the block home.

    Of a class of its own, which NumPy does not look through for the base below. Made in 2 us; an object with an
    __array_interface__, which serves as well, took 11 (2026-11).
    """

    block: mmap.mmap | None = None

    def __del__(self) -> None:
        if self.block is not None:
            _pool.put(self.block, self.nbytes)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """`np.empty`; large arrays come from the pool."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    step = 1 << (size.bit_length() - 4)  # sizes in steps of an eighth or less, so that few different ones exist
    size = -(-size // step) * step
    block = _pool.take(size)
    loan = np.ndarray.__new__(_Loan, (size,), np.uint8, block)  # type: ignore[call-overload]
    loan.block = block
    return np.ndarray(shape, dtype, loan)


def pooled(x: np.ndarray) -> bool:
    """Whether x's memory is from the pool, and so was never an array of a user's."""
    owner: Any = x.base
    while type(owner) is np.ndarray:
        owner = owner.base
    return type(owner) is _Loan


def empty_like(x: np.ndarray) -> np.ndarray:
    """`np.empty_like` with the memory order of x; large arrays come from the pool."""
    if x.nbytes < SMALL or x.flags.c_contiguous:
        return empty(x.shape, x.dtype)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    return empty(tuple(x.shape[axis] for axis in order), x.dtype).transpose(np.argsort(order))
