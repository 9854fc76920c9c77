"""Random tensor programs (tests/fuzz/programs.py) and all public names against the live PyTorch.

`pytest tests/parity/parity_tensor.py -s`; MINITORCH_PARITY_CASES (5000) sets the number of programs, MINITORCH_PARITY_SEED the seed.
"""

from __future__ import annotations

import collections
import os
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import test_public_names  # noqa: E402

from tests.fuzz import cases  # noqa: E402

CASES = int(os.environ.get("MINITORCH_PARITY_CASES", "5000"))
SEED = int(os.environ.get("MINITORCH_PARITY_SEED", "0"))


def test_random_programs() -> None:
    """Chains of ops with broadcasting, views, in-place changes, indexing and hooks: everything agrees within 1e-9."""
    counts: collections.Counter = collections.Counter()
    failures = [found for n in range(CASES) if (found := cases.run("programs", SEED, n, counts))]
    print(f"\nseed {SEED}: {CASES} programs, {len(failures)} failed\n{dict(counts)}")
    assert not failures, "\n\n".join(failures[:8])


@pytest.mark.parametrize("name", test_public_names.NAMES)
def test_names_exist_in_pytorch(name: str) -> None:
    """Every public name is PyTorch's or a documented extension."""
    module: Any = torch
    for piece in name.split(".")[1:]:
        module = getattr(module, piece)
    ours = set(test_public_names.NAMES[name].split()) - test_public_names.EXTENSIONS.get(name, set())
    assert not [n for n in ours if not hasattr(module, n)]
