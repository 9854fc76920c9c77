"""Random cases of all kinds, each from a seed of its own: `python -m tests.fuzz`, or `make fuzz MINUTES=n`."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for folder in (
    "parity",
    "house",
    "optim",
    "nn",
    "ops",
    "data",
):  # as pytest has it in setup.cfg: kinds share pieces of the tests
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))
