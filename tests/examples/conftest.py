"""Where the examples are imported from."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import minitorch

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


@pytest.fixture(autouse=True)
def one_thread():
    """Small nets are not faster on two threads, and much slower where other tests have the second core."""
    threads = minitorch.get_num_threads()
    minitorch.set_num_threads(1)
    yield
    minitorch.set_num_threads(threads)
