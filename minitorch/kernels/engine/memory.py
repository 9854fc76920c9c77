"""Large arrays from a pool: memory that was touched before, so that a training loop faults in no new pages.

A fresh page costs a fault when it is first written, on virtual machines up to 4.7 us: 9.7 ms for the 8 MB result of a
ReLU that takes 0.1 ms to compute (2 cores, 2026-11). Here the memory of a large array returns to the pool when the last
view of it dies, and the next array of about that size gets it. What the pool keeps and what is in use are together
not much more than was in use at the peak.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
from bisect import bisect_left
from collections import deque
from typing import Any

import numpy as np

SMALL = 1 << 16  # bytes below which numpy's own allocator is as good
HUGE = 1 << 22  # bytes from which numpy, too, asks for huge pages
FEW = 1 << 25  # bytes that the pool may keep whatever was in use
# By default an anonymous map is shared with forked children, who would write into their parent's tensors.
PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class _Pool:
    """Free blocks in order of size, and how many bytes are out and in.

    Any block of up to twice the size asked for will do, so that blocks serve for several sizes in turn: with one list
    for each size the tutorial net gave up and mapped seven blocks in every step (batch 64, 2026-11).

    Arrays die in any thread, and in the middle of anything when garbage is collected. So a block that comes home only
    joins a queue, which takes one step; the next request, one thread at a time, puts it in its place.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []  # of the free blocks, rising ...
        self.blocks: list[mmap.mmap] = []  # ... and these
        self.home: deque[mmap.mmap] = deque()
        self.lock = threading.RLock()
        self.out = self.kept = self.peak = 0

    @property
    def lent(self) -> int:
        """Bytes that are out."""
        with self.lock:
            self.settle()
            return self.out

    def take(self, size: int) -> mmap.mmap:
        """A block of at least `size` bytes: a free one if one fits, else a new one."""
        with self.lock:
            if self.home:
                self.settle()
            i = bisect_left(self.sizes, size)
            if i < len(self.sizes) and self.sizes[i] <= 2 * size:
                block, size = self.blocks.pop(i), self.sizes.pop(i)
                self.kept -= size
            else:
                self.evict(size)
                block = mmap.mmap(-1, size, **PRIVATE)
                if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
                    block.madvise(mmap.MADV_HUGEPAGE)
            self.out += size
            if self.out > self.peak:
                self.peak = self.out
            return block

    def evict(self, size: int) -> None:
        """Free the blocks next in size, smaller first, until all memory and `size` more are within bounds.

        The bound is half above the peak, since a step needs its sizes at different times, but no less than FEW. With a
        quarter, airbench94 at batch 256 mapped 23 MB of its 299 anew in every step (2026-11).
        """
        bound = max(self.peak + self.peak // 2, FEW)
        while self.blocks and self.out + self.kept + size > bound:
            i = max(bisect_left(self.sizes, size) - 1, 0)
            self.kept -= self.sizes.pop(i)
            self.blocks.pop(i)

    def put(self, block: mmap.mmap) -> None:
        """Take a block back."""
        self.home.append(block)

    def settle(self) -> None:
        """Put what came home in its place."""
        while self.home:
            block = self.home.popleft()
            size = len(block)
            i = bisect_left(self.sizes, size)
            self.sizes.insert(i, size)
            self.blocks.insert(i, block)
            self.out -= size
            self.kept += size


_pool = _Pool()
if hasattr(os, "register_at_fork"):  # another thread of the parent may have held the lock
    os.register_at_fork(after_in_child=lambda: setattr(_pool, "lock", threading.RLock()))


class _Loan(np.ndarray):
    """What a pooled array's views keep alive as their base: its death brings the block home.

    Of a class of its own, which NumPy does not look through for the base below. Made in 2 us; an object with an
    __array_interface__, which serves as well, took 11 (2026-11).
    """

    block: mmap.mmap | None = None

    def __del__(self) -> None:
        if self.block is not None:
            _pool.put(self.block)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """`np.empty`; large arrays come from the pool."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    step = 1 << (size.bit_length() - 4)  # sizes in steps of an eighth or less, so that few different ones exist
    size = -(-size // step) * step
    block = _pool.take(size)
    loan = np.ndarray.__new__(_Loan, (len(block),), np.uint8, block)
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
