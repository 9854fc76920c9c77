"""Large arrays from a pool: memory that was touched before, so that a training loop faults in no new pages.

A fresh page costs a fault when it is first written, on virtual machines up to 4.7 us: 9.7 ms for the 8 MB result of a
ReLU that takes 0.1 ms to compute (2 cores, 2026-11). Here the memory of a large array returns to the pool when the last
view of it dies, and the next array of about that size gets it. What the pool keeps and what is in use are together
not much more than was in use at the peak.
"""

from __future__ import annotations

import math
import mmap
import sys
import sysconfig
import weakref
from collections import defaultdict, deque
from typing import Any

import numpy as np

if hasattr(sys, "_is_gil_enabled") and sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError(
        "minitorch does not run on a free-threaded build of Python: its memory pool, its tape and its results that "
        "wait rest on the GIL. Use the ordinary build (python3.14, not python3.14t)"
    )

SMALL = 1 << 16  # bytes below which numpy's own allocator is as good
HUGE = 1 << 22  # bytes from which numpy, too, asks for huge pages
FEW = 1 << 25  # bytes that the pool may keep whatever was in use
# By default an anonymous map is shared with forked children, who would write into their parent's tensors.
PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class _Ticket(weakref.ref):
    """Told when a loan ends; known by what it is, not by the array it refers to."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__


class _Pool:
    """Free blocks by their size, and the blocks that are out.

    Any block of up to twice the size asked for will do, so that blocks serve for several sizes in turn: with one list
    for each size the tutorial net gave up and mapped seven blocks in every step (batch 64, 2026-11).

    Arrays die in any thread, and in the middle of anything when garbage is collected; an interrupt, too, may arrive
    anywhere. So there is no lock, and no two lists that must agree. Each step that hands on a block is one call of a C
    function, which neither an interrupt nor another thread can divide: a loan's death puts its ticket into `home`, who
    takes the ticket out of `out` has the block, who pops a block off a free list has it. An interrupt between two steps
    frees the block, or leaves it in `out` with a dead ticket until `sweep`. The sums of bytes are formed of the blocks;
    `load` alone is counted, since every request compares it with the peak, and `sweep` sets it right.
    """

    def __init__(self) -> None:
        self.free: defaultdict[int, list[mmap.mmap]] = defaultdict(list)
        self.out: dict[_Ticket, mmap.mmap] = {}
        self.home: deque[_Ticket] = deque()
        self.load = self.peak = 0  # bytes that are out, and were at most

    @property
    def lent(self) -> int:
        """Bytes that are out."""
        self.sweep()
        return sum(map(len, list(self.out.values())))

    @property
    def kept(self) -> int:
        """Bytes that wait to be lent."""
        self.settle()
        return sum(size * len(blocks) for size, blocks in list(self.free.items()))

    def take(self, size: int) -> np.ndarray:
        """The bytes of a block of at least `size`, a free one if one fits, else a new one; it returns when they die."""
        if self.home:
            self.settle()
        step = 1 << (size.bit_length() - 4)  # sizes in steps of an eighth or less, so that few different ones exist
        size = -(-size // step) * step
        block = None
        for fit in range(size, 2 * size + 1, step):
            if blocks := self.free.get(fit):
                try:
                    block = blocks.pop()
                    break
                except IndexError:  # another thread has it
                    pass
        if block is None:
            block = self.map(size)
        loan = np.ndarray.__new__(_Loan, (len(block),), np.uint8, block)
        self.out[_Ticket(loan, self.home.append)] = block
        self.load += loan.size
        if self.load > self.peak:
            self.peak = self.load
        return loan

    def settle(self) -> None:
        """Put what came home in its place."""
        while self.home:
            try:
                block = self.out.pop(self.home.popleft(), None)
            except IndexError:  # another thread has it
                return
            if block is not None:
                self.load -= len(block)
                self.free[len(block)].append(block)

    def sweep(self) -> None:
        """Settle, take home what an interrupt left on the way, and count anew."""
        self.settle()
        self.home.extend([ticket for ticket in list(self.out) if ticket() is None])
        self.settle()
        self.load = sum(map(len, list(self.out.values())))

    def clear(self) -> None:
        """Free what waits to be lent."""
        self.settle()
        self.free.clear()

    def map(self, size: int) -> mmap.mmap:
        """A new block, within bounds. Raises MemoryError where the system has none, also after all free ones went."""
        self.sweep()
        self.evict(size)
        try:
            block = mmap.mmap(-1, size, **PRIVATE)
        except (OSError, OverflowError):
            self.clear()
            try:
                block = mmap.mmap(-1, size, **PRIVATE)
            except (OSError, OverflowError) as error:
                raise MemoryError(
                    f"cannot allocate {size:,} bytes; {self.load:,} bytes are in use by large arrays ({error})"
                ) from None
        if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            block.madvise(mmap.MADV_HUGEPAGE)
        return block

    def evict(self, size: int) -> None:
        """Free the blocks next in size, smaller first, until all memory and `size` more are within bounds.

        The bound is half above the peak, since a step needs its sizes at different times, but no less than FEW. With a
        quarter, airbench94 at batch 256 mapped 23 MB of its 299 anew in every step (2026-11).
        """
        over = self.load + self.kept + size - max(self.peak + self.peak // 2, FEW)
        for fit in sorted(self.free, key=lambda fit: (fit >= size, abs(fit - size))):
            while over > 0 and (blocks := self.free[fit]):
                del blocks[:1]  # not by pop, which raises where another thread was faster
                over -= fit


_pool = _Pool()


class _Loan(np.ndarray):
    """What a pooled array's views keep alive as their base: its death brings the block home.

    Of a class of its own, which NumPy does not look through for the base below. Made in 2 us; an object with an
    __array_interface__, which serves as well, took 11 (2026-11). The ticket's callback is a C function: one in Python,
    as `__del__` would be, may be interrupted, and Python drops an exception there.
    """


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """`np.empty`; large arrays come from the pool."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _pool.take(size))


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
