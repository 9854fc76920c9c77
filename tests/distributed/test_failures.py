"""Whatever happens to one rank ends the job: soon, on all ranks, with the reason, and with an exit code other than 0."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest
from jobs import PROGRAMS, ROOT, job, needs_mpi

pytestmark = needs_mpi
TIMEOUT, START = (
    2.0,
    6.0,
)  # seconds: init_process_group's in failing.py; what start and imports may take on a busy machine

# kind: what the message says beside the rank; whether the job waits for the timeout first
KINDS = {
    "exception": ("raised KeyError: 'no such layer'", False),
    "kill": ("is gone: it was killed, or it crashed", False),
    "stop": ("is stopped", True),
    "another call": ("called barrier() where rank 0 called all_reduce", False),
    "exception before the start": ("raised ValueError: the first line was wrong", False),
    "exit before the start": ("has come to its end with exit code 0 while rank 0 waits", False),
    "hang before the start": ("rank 0 waited 3 s in init_process_group: rank 1", True),
    "sys.exit": ("has come to its end with exit code 3 while rank 0 waits for it in all_reduce", False),
    "os._exit": ("is gone", False),
    "crash": ("is gone", False),
    "terminate": ("is gone", False),
    "sleep": ("rank 0 waited 2 s in all_reduce(1000 x float32, SUM): rank 1", True),
    "spin": ("its last call was all_reduce", True),
    "early end": ("has come to its end with exit code 0 while rank 0 waits", False),
    "skipped": ("called broadcast(1000 x float32, from 0) where rank 0 called all_reduce", False),
    "another size": ("called all_reduce(999 x float32, SUM) where rank 0 called all_reduce(1000", False),
    "another dtype": ("called all_reduce(1000 x float64, SUM) where rank 0 called all_reduce(1000 x float32", False),
    "another root": ("called broadcast(1000 x float32, from 1) where rank 0 called broadcast", False),
    "nobody sends": ("rank 1 (process", True),
    "backward": ("raised FloatingPointError: bad slope", False),
    "worker": ("raised LookupError", False),
    "recursion": ("raised RecursionError", False),
    "memory": ("raised", False),
}
QUICK = ("exception", "another call")


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_rank_that_fails_ends_the_job(kind: str) -> None:
    """Within five seconds past its timeout, with rank and reason, and no process left."""
    text, waits = KINDS[kind]
    done = job(2, "failing.py", kind)
    assert done.code != 0 and "the end" not in done.out
    assert "rank 1" in done.err and text in done.err, done.err
    assert done.err.count("the job ends") == 1, done.err
    began = re.search(r"fails at ([\d.]+)", done.err)  # what fails before the start does not say it
    assert "before" in kind or began and done.ended - float(began[1]) < TIMEOUT * waits + 5.0
    assert not done.left


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exception", "kill", "stop", "sleep", "another size", "early end"])
def test_without_the_launcher(kind: str) -> None:
    """Under plain mpiexec, too, where rank 0 starts what watches the job."""
    done = job(2, "failing.py", kind, plain=True)
    assert done.code != 0 and "the end" not in done.out
    assert "rank 1" in done.err or kind == "kill", done.err  # mpiexec itself ends a job with a killed rank, and says so
    began = re.search(r"fails at ([\d.]+)", done.err)
    assert began and done.ended - float(began[1]) < TIMEOUT + 5.0 and not done.left


@pytest.mark.slow
def test_one_of_four() -> None:
    """The three that wait for it are not to blame."""
    done = job(4, "failing.py", "sleep")
    assert done.code != 0 and "s in all_reduce" in done.err and "rank 1 (process" in done.err and not done.left


@pytest.mark.slow
def test_exit_codes_come_through() -> None:
    """All ranks may end in their own way when nobody waits for them."""
    done = job(2, "failing.py", "both leave")
    assert done.code == 4 and "the job ends" not in done.err and not done.left, done.err


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM]])
def test_signals_reach_the_ranks(signals: list[int]) -> None:
    """Ctrl-C arrives in each as KeyboardInterrupt; SIGTERM ends the job."""
    command = [sys.executable, "-m", "minitorch.distributed.run", "-n", "2", str(PROGRAMS / "interrupted.py")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.read(12).count("ready") == 2  # lines of two ranks may mix
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    if signals == [signal.SIGINT]:
        assert process.returncode == 130 and out.count("caught") == 2, err
    else:
        assert process.returncode == 143 and "SIGTERM" in err
