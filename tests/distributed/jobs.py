"""Jobs of several ranks for tests: start one, wait for its end, see what it left."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from minitorch.distributed.run import mpiexec

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"


def missing() -> str:
    """What jobs can't be started without, or an empty text."""
    if importlib.util.find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    return "" if mpiexec() else "there is no mpiexec"


needs_mpi = pytest.mark.skipif(bool(missing()), reason=missing() or "none")


class Ended(NamedTuple):
    """How a job ended: exit code, output, the time of its end, and the processes that are left of it."""

    code: int
    out: str
    err: str
    ended: float
    left: list[str]


def job(ranks: int, program: str, *arguments: str, plain: bool = False, options: tuple = (), **variables: str) -> Ended:
    """Run a program of the folder on so many ranks; `plain`: by mpiexec itself."""
    mark = secrets.token_hex(8)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MINITORCH_TEST_JOB": mark, "NUMBA_NUM_THREADS": "1"}
    script = [str(PROGRAMS / program), *arguments]
    start = (
        [str(mpiexec()), "-n", str(ranks), sys.executable]
        if plain
        else [sys.executable, "-m", "minitorch.distributed.run", "-n", str(ranks), *options]
    )
    done = subprocess.run(
        [*start, *script],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    ended = time.time()
    until = time.monotonic() + 2
    while (left := _marked(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    return Ended(done.returncode, done.stdout, done.stderr, ended, left)


def _marked(mark: str) -> list[str]:
    """The processes that have the mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
