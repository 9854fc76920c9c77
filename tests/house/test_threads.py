"""Threads and forks beside what must not be divided, each in a process of its own that may not hang."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn

F = nn.functional


def python(code: str) -> str:
    """Output of a fresh process; it fails after a minute."""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_a_compilation() -> None:
    """The child finds fresh locks and works; the parent goes on."""
    code = """
import os, threading, time
from minitorch.kernels.engine.apart import apart
began, ended = threading.Event(), []
def work():
    began.set()
    time.sleep(0.3)
    ended.append(1)
thread = threading.Thread(target=apart, args=(work,))
thread.start()
began.wait()
child = os.fork()
if child == 0:
    os._exit(apart(lambda: 7) if ended else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), apart(lambda: 8))
thread.join()
"""
    assert python(code).split() == ["7", "8"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_torn_compilation_says_so() -> None:
    """Where the fork has waited in vain."""
    code = """
import os, threading, time
from minitorch.kernels.engine import apart
apart.PATIENCE = 0.1
began = threading.Event()
thread = threading.Thread(target=apart.apart, args=(lambda: (began.set(), time.sleep(1)),))
thread.start()
began.wait()
child = os.fork()
if child == 0:
    try:
        apart.apart(lambda: 7)
    except RuntimeError as error:
        os._exit(3 * ("forked while another thread compiled" in str(error)))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(code).strip() == "3"


@pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels take no lock")
def test_a_handler_runs_kernels_while_its_thread_launches_one() -> None:
    """Between the end of a parallel kernel and the release of its lock."""
    code = """
import minitorch as m
from minitorch.kernels.engine import runtime
x = m.ones(400, 400)
with runtime._state.launch:
    print((x @ x).exp().sum().item())
"""
    assert python(code).strip() == "inf"


@pytest.mark.parametrize("look", ["relu", "read"])
def test_one_thread_changes_a_pending_result_and_another_looks(look: str) -> None:
    """It sees each element as before or as after."""
    norm, source = nn.BatchNorm2d(8).eval(), minitorch.randn(4, 8, 24, 24)
    with minitorch.no_grad():
        plain = norm(source * 1).numpy().copy()
    act = F.relu if look == "relu" else lambda y: y * 1
    allowed = [act(minitorch.tensor(v)).numpy() for v in (plain, plain + np.float32(1))]
    for _ in range(150):
        with minitorch.no_grad():
            y = norm(source * 1)
        start, seen = threading.Barrier(2), []

        def change(y=y, start=start) -> None:
            start.wait()
            with minitorch.no_grad():
                y.add_(1.0)

        def watch(y=y, start=start, seen=seen) -> None:
            start.wait()
            with minitorch.no_grad():
                seen.append(act(y).numpy())

        threads = [threading.Thread(target=work) for work in (change, watch)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ((seen[0] == allowed[0]) | (seen[0] == allowed[1])).all()
        assert y.numpy().tobytes() == (plain + np.float32(1)).tobytes()
