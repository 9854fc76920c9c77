"""The rows of tests/scripts/faults.py still say something; the faults themselves are planted by `make faults`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "faults.py"


@pytest.mark.slow
def test_every_fault_names_what_is_there() -> None:
    """The text to replace is found exactly once in its file, and the tests that must notice exist."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
