"""Kernels in threads, forked children and beside BLAS."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from kernel_samples import DTYPES, compare, in_process, needs_numba, samples

from minitorch import kernels
from minitorch.geometry import PoolGeometry


# ------------------------------------------------------------------------------------------------ threads
def results_for_threads(*counts):
    """Whether all samples have the same bits for each number of threads."""
    bits = []
    for count in counts:
        kernels.set_num_threads(count)
        assert kernels.get_num_threads() == count
        bits.append([])
        for dtype in DTYPES:
            for name, _, operands, results, settings in samples(dtype):
                getattr(kernels, name)(*operands, *results, *settings)
                bits[-1] += [result.tobytes() for result in results]
    return all(b == bits[0] for b in bits)


@needs_numba
@pytest.mark.slow
def test_one_thread_agrees_with_reference():
    """All kernels where numba may start no other thread."""
    in_process("compare()", NUMBA_NUM_THREADS="1")


@needs_numba
def test_same_bits_for_any_number_of_threads():
    """1, 2, 3 and 4 threads, and twice the same number."""
    assert in_process("print(results_for_threads(1, 2, 3, 4, 4))", NUMBA_NUM_THREADS="4")[0] == "True"


def fork_after_launch():
    """A child forked after a parallel kernel ran, and a grandchild, run kernels too: exit codes."""
    compare(names=("conv", "max_pool"))
    child = os.fork()
    if child == 0:
        compare(names=("conv", "max_pool"))
        grandchild = os.fork()
        if grandchild == 0:
            compare(names=("conv",))
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_run_kernels():
    """On their serial twins, without touching the threads that did not survive the fork."""
    assert in_process("print(fork_after_launch())")[0] == "0"


def many_python_threads():
    """Parallel kernels from four Python threads at once: every one gets its own right answer."""
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1, 300, 300), dtype=np.float32)

    def product(scale):
        out = np.empty_like(x)
        for _ in range(20):
            kernels.matmul(x * np.float32(scale), y, out)
        return np.allclose(out / scale, x @ y, atol=1e-3)

    with ThreadPoolExecutor(4) as pool:
        return all(pool.map(product, range(1, 9)))


@needs_numba
def test_python_threads_share_the_kernels():
    """One launch at a time."""
    assert in_process("print(many_python_threads())")[0] == "True"


def alternation_cost():
    """Time of a BLAS product and a parallel kernel in turns, over the sum of their times alone; best of several."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 300), dtype=np.float32)
    x, g = rng.standard_normal((64, 16, 16, 32), dtype=np.float32), PoolGeometry.windows((16, 16), 2)
    out, choice = np.empty((64, 8, 8, 32), np.float32), np.empty((64, 8, 8, 32), np.int32)

    def seconds(*actions):
        start = time.perf_counter()
        for action in actions:
            for _ in range(20):
                action()
        return time.perf_counter() - start

    def blas():
        np.matmul(a, a)

    def ours():
        kernels.max_pool(x, out, choice, g)

    def both():
        blas()
        ours()

    seconds(blas, ours)
    return min(seconds(both) / seconds(blas, ours) for _ in range(10))


@needs_numba
def test_kernels_and_blas_do_not_fight():
    """Spinning OpenMP threads once made such a pair 40 times slower."""
    assert float(in_process("print(alternation_cost())")[0]) < 3


def team_kernels():
    """Set-up by the caller, a closure, work after the loop; and bodies that workers could not run."""
    from numba import prange

    from minitorch.kernels.engine.runtime import kernel

    def scaled(factor):
        def body(workers, x, sums, out):
            size = x.size
            sums[:] = 0
            for worker in prange(workers):
                for i in range(worker * size // workers, (worker + 1) * size // workers):
                    sums[worker] += factor * x[i]
            out[0] = sums[:workers].sum()

        return kernel(body, exact=True)

    def branch(workers, x):
        if x.size:
            step = 2
        for worker in prange(workers):
            x[worker * step] = 1

    def twice(workers, x):
        for worker in prange(workers):
            x[worker] = 1
        for worker in prange(workers):
            x[worker] = 2

    out = np.zeros(1)
    for heavy, count in ((False, 4), (True, 4), (True, 3)):
        kernels.set_num_threads(count)
        scaled(3.0)(heavy, np.arange(100.0), np.full(4, 7.0), out)
        assert out[0] == 3 * 4950
    for body, message in ((branch, "reads step"), (twice, "one loop over prange")):
        with pytest.raises(TypeError, match=message):
            kernel(body)(False, np.zeros(4))
    return "as expected"


@needs_numba
def test_a_kernel_is_shared_out_among_workers(tmp_path):
    """What stands outside the loop happens once, every worker's part once, on any number of threads."""
    out, _ = in_process("print(team_kernels())", NUMBA_NUM_THREADS="4", MINITORCH_CACHE_DIR=str(tmp_path))
    assert out == "as expected"
