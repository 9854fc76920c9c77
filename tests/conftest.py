"""What all tests share: hypothesis profiles, a seed, and the line that says how many planted mistakes were caught."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from counted import BENDS
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell starts what runs in its background deaf to Ctrl-C, and the processes that tests start would be deaf, too.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

AT_START = pytest.StashKey[tuple[float, int]]()  # when the run began, and how many compiled kernels there were
PRINTED: list[str] = []  # by tests beside PyTorch


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Every test draws the same numbers, whatever ran before it, and leaves recording on."""
    import minitorch

    minitorch.manual_seed(0)
    yield
    assert minitorch.is_grad_enabled(), "the test left grad mode off"


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded NumPy generator."""
    return np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------ the last lines
# With pytest-xdist the tests run in workers; the controller collects what they found and prints it.
def pytest_sessionstart(session: pytest.Session) -> None:
    """Note how many compiled kernels there are before the first test."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[AT_START] = time.time(), compiled_kernels()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its part of BENDS to the controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["bends"] = BENDS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The controller takes a worker's part of BENDS; a worker that crashed has none."""
    BENDS.update(getattr(node, "workeroutput", {}).get("bends", {}))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tests beside PyTorch print what they counted: keep it for the end, whichever process ran them."""
    if report.when == "teardown" and "/parity_" in report.nodeid:
        PRINTED.extend(report.capstdout.splitlines())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many rules were bent, and which went unnoticed; what was counted; how long it took, from which cache."""
    if BENDS:
        missed = [name for name, caught in BENDS.items() if not caught]
        terminalreporter.write_line(f"bent {len(BENDS)} rules, caught {len(BENDS) - len(missed)}")
        for name in missed:
            terminalreporter.write_line(f"  not noticed: {name}")
    for line in filter(None, PRINTED):
        terminalreporter.write_line(line)
    began, before = config.stash[AT_START]
    began = float(os.environ.get("MAKE_STARTED", began))  # `make test` counts lint and types, too
    seconds, after = time.time() - began, compiled_kernels()
    cache = "cold" if not before else "warm" if after == before else "partly warm"
    terminalreporter.write_line(
        f"{seconds // 60:.0f} min {seconds % 60:02.0f} s in all, from a {cache} kernel cache ({before} kernels before, "
        f"{after} after)"
    )


def compiled_kernels() -> int:
    """Files in the kernel cache of this machine's vector width; 0 where the reference kernels serve."""
    from minitorch import kernels

    folder = kernels.cache_directory() if kernels.implementation() == "numba" else None
    return sum(path.name != "lock" and path.suffix != ".part" for path in folder.iterdir()) if folder else 0
