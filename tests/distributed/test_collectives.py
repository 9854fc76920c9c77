"""Every collective against NumPy, on real ranks; and what is said before there are any."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from jobs import ROOT, job, needs_mpi

import minitorch as m
import minitorch.distributed as dist


@needs_mpi
@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_collectives_agree_with_numpy(ranks: int) -> None:
    """All of them, in all dtypes, orders of memory and groups; wrong calls raise before anything is sent."""
    done = job(ranks, "collectives.py")
    assert done.code == 0, done.out + done.err
    assert f"on {ranks} ranks agree" in done.out
    assert int(done.out.split()[0]) > 1000 and not done.left


@needs_mpi
@pytest.mark.slow
def test_collectives_under_plain_mpiexec() -> None:
    """The same without minitorch.distributed.run."""
    done = job(2, "collectives.py", plain=True)
    assert done.code == 0, done.out + done.err
    assert "on 2 ranks agree" in done.out and not done.left


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (ValueError, "the one backend is 'mpi', but got 'gloo'", lambda: dist.init_process_group("gloo")),
        (ValueError, "string-ish", lambda: dist.init_process_group(3)),
        (ValueError, "init_method", lambda: dist.init_process_group("mpi", "tcp://1.2.3.4:5")),
        (TypeError, "datetime.timedelta", lambda: dist.init_process_group("mpi", timeout=5)),
        (ValueError, "above zero", lambda: dist.init_process_group("mpi", timeout=timedelta(0))),
        (ValueError, "has not been initialized", dist.get_rank),
        (ValueError, "has not been initialized", lambda: dist.all_reduce(m.ones(1))),
        (ValueError, "has not been initialized", dist.barrier),
        (ValueError, "Invalid process group", dist.destroy_process_group),
    ],
)
def test_calls_before_there_is_a_job(kind: type[Exception], text: str, call) -> None:  # noqa: ANN001
    """PyTorch's errors, and nothing is started."""
    with pytest.raises(kind, match=text):
        call()
    assert not dist.is_initialized()


def test_nothing_of_mpi_is_imported() -> None:
    """`import minitorch` finds the module, and leaves MPI alone."""
    code = "import sys, minitorch.distributed as d; print(d.is_initialized(), 'mpi4py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@needs_mpi
def test_one_process_is_a_job_of_its_own() -> None:
    """A script that nobody has started through mpiexec has rank 0 of 1."""
    code = """
import minitorch as m, minitorch.distributed as dist
dist.init_process_group()
x = m.ones(2)
dist.all_reduce(x)
print(dist.get_rank(), dist.get_world_size(), x.tolist(), dist.get_backend())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "0 1 [1.0, 1.0] mpi\n", done.stderr


def test_names() -> None:
    """All of __all__ is there."""
    assert all(hasattr(dist, name) for name in dist.__all__) and dist.__all__ == sorted(dist.__all__)
