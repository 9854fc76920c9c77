"""What all tests share: hypothesis profiles, a seed, and the line that says how many planted mistakes were caught."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

BENDS: dict[str, bool] = {}  # "rule of an argument" -> whether a check noticed; filled by test_bends


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


def pytest_terminal_summary(terminalreporter) -> None:
    """Say how many rules were bent, and which went unnoticed."""
    if BENDS:
        missed = [name for name, caught in BENDS.items() if not caught]
        terminalreporter.write_line(f"bent {len(BENDS)} rules, caught {len(BENDS) - len(missed)}")
        for name in missed:
            terminalreporter.write_line(f"  not noticed: {name}")
