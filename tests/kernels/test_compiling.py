"""What is compiled when, by whom, and what a bad cache costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_samples import compare, in_process, needs_numba

from minitorch import kernels


# ------------------------------------------------------------------------------------------------ compile cache
def run_one_kernel():
    """Run `pool_gather` and print how many kernels had to be compiled."""
    compare(names=("pool_gather",))
    print(kernels.compilations())


@pytest.mark.slow
@needs_numba
def test_another_numba_compiles_in_its_own_way(tmp_path):
    """kernels/engine/compiler.py knows the inside of one version; with others it stays out of the way."""
    first = "from minitorch.kernels.engine import runtime; runtime.NUMBA = 'another'"
    code = "names = {'pool_gather', 'max_pool'}; print(compare(names=names) == names, 'minitorch.kernels.engine.compiler' in sys.modules)"
    assert in_process(code, first, MINITORCH_CACHE_DIR=str(tmp_path))[0] == "True False"


@pytest.mark.slow
@needs_numba
def test_second_process_compiles_nothing(tmp_path):
    """The first says so on stderr, the second is silent; a damaged file is compiled again, with one warning."""

    def run():
        return in_process("run_one_kernel()", MINITORCH_CACHE_DIR=str(tmp_path))

    out, errors = run()
    assert int(out) > 0
    assert errors.count("compiling kernels") == 1
    assert run() == ("0", "")
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o077 == 0
    for path in directory.glob("pool.*"):
        path.write_bytes(path.read_bytes()[:-100])
    repaired, errors = run()
    assert repaired == out
    assert errors.count("cannot use the kernel cache") == 1
    assert run() == ("0", "")


@pytest.mark.slow
@needs_numba
def test_processes_share_the_work_of_compiling(tmp_path):
    """Two that need the same kernels at once compile each of them once, and leave a cache for the next."""
    from concurrent.futures import ThreadPoolExecutor

    def run(_):
        return int(in_process("run_one_kernel()", MINITORCH_CACHE_DIR=str(tmp_path))[0])

    with ThreadPoolExecutor(2) as pool:
        compiled = sum(pool.map(run, range(2)))
    (directory,) = tmp_path.iterdir()
    assert compiled == sum(path.name != "lock" for path in directory.iterdir()) > 0


def locks_of_kernels():
    """Who gets a kernel's lock while another process holds one; then a child forked by the holder gets it, too."""
    import signal

    from minitorch.kernels.engine import runtime

    at_once = """
import fcntl
lock = fcntl.lockf
def at_once(f, how, *at):
    try:
        lock(f, how | fcntl.LOCK_NB, *at)
    except OSError as error:
        print(repr(error), file=sys.stderr)  # who has no lock goes on without a word
        raise
fcntl.lockf = at_once
"""
    enter = "from minitorch.kernels.engine import runtime\nwith runtime._file_lock({!r}): pass"
    with runtime._file_lock("one"):
        for name in ("one", "another"):
            print("refused" if "BlockingIOError" in in_process(at_once + enter.format(name))[1] else "served")
        with runtime._file_lock("another"):  # compiling within a compilation: without a lock
            assert "BlockingIOError" not in in_process(at_once + enter.format("another"))[1]
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            with runtime._file_lock("one"):
                os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@needs_numba
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork, no such locks")
def test_each_kernel_has_a_lock_of_its_own(tmp_path):
    """So that processes compile different kernels at the same time; no child waits for what its parent held."""
    out, _ = in_process("locks_of_kernels()", MINITORCH_CACHE_DIR=str(tmp_path))
    assert out.split() == ["refused", "served", "0"]


def warm_up(extra=False):
    """Exit code of `python -m minitorch.warmup --dtype all`, after a kernel that it cannot know was defined."""
    from minitorch import warmup

    if extra:
        from minitorch.kernels.engine.runtime import kernel

        kernel(warm_up)
    return warmup.main(["--dtype", "all"])


@needs_numba
@pytest.mark.slow
def test_warm_up_reaches_every_kernel():
    """Of every file of the package, in both dtypes; what it misses it names, and a second run compiles nothing."""
    on = {"MINITORCH_FUSION": "1"}  # some kernels serve fused steps alone
    assert in_process("print(warm_up())", **on)[0].splitlines()[-1] == "0"
    out, errors = in_process("print(warm_up(extra=True))", **on)
    assert out.startswith("minitorch: compiled nothing")
    assert out.splitlines()[-1] == "1"
    assert errors.count("not reached: test_compiling.warm_up for float32") == 1


@pytest.mark.slow
@needs_numba
def test_unusable_cache_directory_costs_only_time(tmp_path):
    """A path that cannot be made, one that others may write to, and one that is read-only."""
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    script = """
import minitorch.kernels.engine.runtime as r; r._cache_home = lambda: Path({!r})
for p in [r.cache_directory()] if {} else []: p.chmod(0o777)
r.cache_directory.cache_clear()
run_one_kernel()"""
    for home, loosen in ((tmp_path / "file", False), (tmp_path / "open", True)):
        out, errors = in_process(script.format(str(home), loosen))
        assert int(out) > 0
        assert errors.count("cannot use the kernel cache") == 1


@needs_numba
def test_full_disk_costs_only_time(tmp_path):
    """Writing fails: the kernel runs all the same, with one warning."""
    out, errors = in_process(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); run_one_kernel()",
        MINITORCH_CACHE_DIR=str(tmp_path),
    )
    assert int(out) > 0
    assert errors.count("cannot use the kernel cache") == 1


def test_importing_kernels_compiles_nothing_and_leaves_numba_alone():
    """numba arrives with the first kernel."""
    assert in_process("", PYTHONPATH=str(Path(__file__).parents[2])) == ("", "")
    here = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {here!r}); import minitorch.kernels; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
