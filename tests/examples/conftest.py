"""Where the examples are imported from."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def example():
    """A function that imports an example by name."""

    def example(name):
        sys.path.insert(0, str(ROOT / "examples"))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.pop(0)

    return example
