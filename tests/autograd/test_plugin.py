"""The pytest plugin: the mark, its failures, and that pytest without it never imports minitorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARKED = """
import sys

import pytest

lazy = "minitorch" not in sys.modules
import minitorch as m
from minitorch import nn


def leaf(*values):
    return m.tensor(values, dtype=m.float64, requires_grad=True)


@pytest.fixture
def x():
    return leaf(0.5, -2.0)


@pytest.mark.gradcheck
def test_pair(x):
    return m.sin, (x,)


@pytest.mark.gradcheck(function=m.tanh, second=True, atol=1e-6)
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_inputs(x, scale):
    return (x.detach() * scale).requires_grad_()


@pytest.mark.gradcheck(nn.Linear(2, 3))
def test_module():
    return m.randn(4, 2)


@pytest.mark.gradcheck
def test_wrong(x):
    return (lambda x: x * x.detach()), (x,)


@pytest.mark.gradcheck
def test_nothing(x):
    return None


def test_lazy():
    assert lazy
"""


def pytest_runs(folder: Path, text: str) -> str:
    """What pytest prints for a file of tests."""
    (folder / "test_marked.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_minitorch", "-p", "no:cacheprovider", "--strict-markers"]
    return subprocess.run(
        [*command, "-q", "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    ).stdout


def test_marks(tmp_path):
    """Right functions pass, a wrong one fails with the report alone, and so does a test that returns nothing."""
    said = pytest_runs(tmp_path, MARKED)
    assert "2 failed, 5 passed" in said, said
    assert "suspected: a constant factor: the factor 2 is missing" in said and "Traceback" not in said
    assert "the test must return (function, inputs), or inputs alone where the mark has the function" in said


def test_unused(tmp_path):
    """Tests that are not marked run as ever."""
    said = pytest_runs(tmp_path, "import sys\n\n\ndef test_plain():\n    assert 'minitorch' not in sys.modules\n")
    assert "1 passed" in said, said
