"""Where kernels read and write, and the pool that large results come from."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys

import numpy as np
import pytest
from kernel_samples import DTYPES, FAST, compare, in_process, needs_numba, samples

from minitorch import kernels
from minitorch.kernels import reference


# ------------------------------------------------------------------------------------------------ memory
def beside_guard(before):
    """A function that copies an array to memory of its own, flush with an unmapped page before or behind it."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.PAGESIZE

    def place(array):
        array = np.asarray(array)
        room = -(-array.nbytes // page) * page
        memory = mmap.mmap(-1, room + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (start, start + page + room):
            assert libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
        at = start + page + (0 if before else room - array.nbytes)
        copy = np.frombuffer((ctypes.c_char * array.nbytes).from_address(at), array.dtype).reshape(array.shape)
        copy[...] = array
        kept.append(memory)
        return copy

    kept = beside_guard.kept = getattr(beside_guard, "kept", [])
    return place


def compare_formulas(place):
    """Pointwise kernels with floats and conditions, read and written: lines of any length, rows and columns."""
    from minitorch.kernels import pointwise

    pointwise.empty = lambda shape, dtype: place(np.full(shape, 7, dtype))
    chosen = pointwise.Program("chosen", "t0 = where(x0, x1, x2)\nout = t0", False, 1)
    smaller = pointwise.Program("smaller", "t0 = x0 < x1\nout = t0", True, 1)
    for dtype in DTYPES:
        for columns in (1, 3, 7, 16, 33, 200):
            x, row, column = (
                place(np.arange(n, dtype=dtype).reshape(shape) % 5)
                for n, shape in ((3 * columns, (3, columns)), (columns, (columns,)), (3, (3, 1)))
            )
            mask = place(np.arange(3 * columns).reshape(3, columns) % 2 == 0)
            got = pointwise.evaluate(chosen, [mask, x, row], ())
            np.testing.assert_array_equal(got, np.where(mask, x, row))
            np.testing.assert_array_equal(pointwise.evaluate(smaller, [x, column], ()), x < column)


def run_beside_guards(before, native):
    """All samples; operands, results and scratch buffers beside guard pages: an access outside is a crash.

    Scratch buffers hold NaN, which makes a difference if it is read: values are compared with those of the reference,
    or, at this machine's own width, for which test_kernels.py does so, with the bits that they have without guards.
    """
    place = beside_guard(before)
    kernels._fast()  # imports them
    borrowers = [m for n, m in sys.modules.items() if n.startswith("minitorch.kernels.") and hasattr(m, "borrow")]
    assert len(borrowers) > 5 or not FAST

    def lend(borrow, give_back):
        for module in borrowers:
            module.borrow, module.give_back = borrow, give_back

    guarded = (lambda size, dtype: place(np.full(size, np.nan, dtype))), (lambda *buffers: None)
    if native:
        from minitorch.kernels.engine.runtime import borrow, give_back

        for dtype in DTYPES:
            for name, case, operands, results, settings in samples(dtype, place):
                expected = [a.copy() for a in results]
                for found, lenders in ((expected, (borrow, give_back)), (results, guarded)):
                    lend(*lenders)
                    getattr(kernels, name)(*operands, *found, *settings)
                same = [a.tobytes() == b.tobytes() for a, b in zip(expected, results, strict=True)]
                assert all(same), f"{name}, {case}, {np.dtype(dtype)}"
    lend(*guarded)
    if not native:
        compare(place)
    if FAST:
        compare_formulas(place)
    for dtype in DTYPES if FAST else ():
        for name, columns, settings in (("sgd", 3, (np.zeros(4, bool), True)), ("adam", 5, (True,))):
            rows = [tuple(place(np.ones(size, dtype)) for _ in range(columns)) for size in (1, 7, 8192, 20_001)]
            assert kernels.update(name, rows, np.full(7, 0.5, dtype), *settings, True, True)


def widths():
    """(width, whether it is this machine's) of AVX-512, AVX2 and NEON; others are slow: each compiles every kernel."""
    native = 16
    if FAST:
        from minitorch.kernels.words.registers import WIDTH as native
    return [pytest.param(w, w == native, marks=() if w == native else pytest.mark.slow, id=str(w)) for w in (16, 8, 4)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
@pytest.mark.parametrize("before", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.parametrize(("width", "native"), widths())
def test_nothing_outside_an_array_is_touched(before, width, native):
    """Neither before nor behind it, by reading or writing."""
    in_process(f"run_beside_guards({before}, {native})", MINITORCH_VECTOR_WIDTH=str(width))


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
def test_guard_pages_guard():
    """One element too far does crash: the two tests above can fail."""
    for before, index in ((True, -1), (False, 4)):
        with pytest.raises(AssertionError, match="exit -11"):
            in_process(
                f"a = beside_guard({before})(np.zeros(4))\n"
                f"ctypes.c_double.from_address(a.ctypes.data + 8 * {index}).value"
            )


def test_the_pool_is_bounded(monkeypatch):
    """All its memory is at most half above the peak; blocks serve again for sizes down to half their own."""
    from minitorch.kernels.engine import memory

    page = 4096
    monkeypatch.setattr(memory, "FEW", 0)
    pool = memory._Pool()
    for size in (100, 30, 70, 5, 1000):
        arrays = [pool.take(size * page) for _ in range(1000 // size)]
        assert all(array.size >= size * page for array in arrays)
        assert pool.lent == sum(array.size for array in arrays) <= pool.peak
        del arrays
        assert pool.lent == 0
        assert 0 < pool.kept <= 1.5 * pool.peak
    pool.clear()
    assert pool.kept == 0
    address = pool.take(100 * page).ctypes.data
    assert pool.take(60 * page).ctypes.data == address
    assert pool.take(40 * page).ctypes.data != address


def test_the_pool_counts_what_there_is():
    """What an interrupt leaves on the way home is found and lent again; a lost block is no longer counted."""
    from minitorch.kernels.engine import memory

    pool = memory._Pool()
    array = pool.take(1 << 20)
    address, size = array.ctypes.data, array.size
    del array
    pool.home.clear()  # the ticket was taken from there, and then came the interrupt
    assert (pool.lent, pool.load, pool.kept) == (0, 0, size)
    array = pool.take(size)
    assert array.ctypes.data == address
    pool.out.clear()  # the block was taken, and then came the interrupt
    del array
    assert (pool.lent, pool.load, pool.kept) == (0, 0, 0)


@pytest.mark.parametrize("size", [1 << 60, 1 << 63])
def test_memory_that_there_is_not(size):
    """A MemoryError says how much was asked for, and leaves the pool as it was."""
    from minitorch.kernels.engine import memory

    before = memory._pool.lent
    with pytest.raises(MemoryError, match=f"cannot allocate {size:,} bytes"):
        kernels.empty((size,), np.uint8)
    assert memory._pool.lent == before
    assert kernels.empty((1 << 20,), np.uint8).size == 1 << 20


def pooled_arrays(seed):
    """Whether large arrays keep what is written to them while others come and go."""
    rng, held = np.random.default_rng(seed), []
    for _ in range(5000):
        held.append(kernels.empty((int(rng.integers(20_000, 150_000)),), np.float32))
        held[-1][[0, -1]] = seed
        if len(held) > 5 and (held.pop(int(rng.integers(5)))[[0, -1]] != seed).any():
            return False
    return True


def pool_in_threads():
    """Four threads that take and return blocks, switching as often as they can."""
    from concurrent.futures import ThreadPoolExecutor

    sys.setswitchinterval(1e-6)
    with ThreadPoolExecutor(4) as pool:
        return all(pool.map(pooled_arrays, range(1, 5)))


def test_threads_share_the_pool():
    """Two lists that say the same once came apart."""
    assert in_process("print(pool_in_threads())")[0] == "True"


def forked_memory():
    """Whether a child that writes to arrays of before the fork, and to blocks that were free then, changes neither."""
    x, free = (kernels.empty((300_000,), np.float32) for _ in range(2))
    x[...] = 1
    del free
    child = os.fork()
    if child == 0:
        x[...] = 2
        kernels.empty((300_000,), np.float32)[...] = 2
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return (x == 1).all() and kernels.empty((300_000,), np.float32).max() != 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_memory_of_its_own():
    """An anonymous map is shared unless told otherwise."""
    assert in_process("print(forked_memory())")[0] == "True"


def page_faults():
    """New pages per training step of a small net, steps three to six."""
    import resource

    import minitorch
    from minitorch import nn

    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    optimizer = minitorch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = minitorch.rand(32, 3, 32, 32), minitorch.zeros(32, dtype=minitorch.int64)
    counts = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return max(counts[2:])


@needs_numba
@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_training_faults_in_no_new_pages():
    """After the second step; the activations of a step are 2,800 pages."""
    assert int(in_process("print(page_faults())")[0]) < 100


@needs_numba
@pytest.mark.slow
def test_indexed_kernels_stay_inside_bounds():
    """Pooling, batch norm and losses with numba's own bounds checks on: for this they are compiled once more."""
    names = [name for name in reference.declarations if not name.startswith(("conv", "matmul", "linear"))]
    in_process(f"compare(names={names})", NUMBA_BOUNDSCHECK="1")
