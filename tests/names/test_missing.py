"""What PyTorch has and this project has not answers with a reason; docs/coverage.md tells the truth."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

import minitorch as m
from minitorch import surface

PAGE = surface.HERE.parent / "docs" / "coverage.md"

SAID: list[tuple[Any, str, str]] = [
    (m, "sparse_coo_tensor", "no sparse tensors"),
    (m, "quantize_per_tensor", "no quantization"),
    (m, "complex64", "no complex tensors"),
    (m, "float8_e5m2", "use float16 or float32"),
    (m, "uint16", "next wider"),
    (m, "multiprocessing", "docs/distributed.md"),
    (m, "jit", "no graph to compile"),
    (m, "Stream", "no GPUs"),
    (m, "nonsense", "docs/coverage.md"),
    (m.nn, "Nonsense", "docs/coverage.md"),
    (m.nn.functional, "nonsense", "docs/coverage.md"),
    (m.cuda, "FloatTensor", "no GPUs"),
    (m.ones(1), "to_sparse", "no sparse tensors"),
    (m.ones(1), "imag", "no complex tensors"),
    (m.ones(1), "storage", "untyped_storage"),
    (m.ones(1), "nonsense", "docs/coverage.md"),
]


@pytest.mark.parametrize(("where", "name", "words"), SAID, ids=[name for _, name, _ in SAID])
def test_missing_names_say_why(where: Any, name: str, words: str) -> None:
    """An AttributeError that begins as Python's, so hasattr is False and getattr takes its default."""
    assert not hasattr(where, name) and getattr(where, name, 3) == 3
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': .*{words}"):
        getattr(where, name)


def test_private_names_are_missing_as_ever() -> None:
    """Nobody asks for these by mistake: Python's own sentence, and copies and pickles find nothing odd."""
    for where in (m, m.nn, m.ones(1)):
        with pytest.raises(AttributeError, match=r"has no attribute '_nonsense'$"):
            _ = where._nonsense
    with pytest.raises(ImportError, match="cannot import name 'complex64'"):
        importlib.import_module("minitorch")
        exec("from minitorch import complex64")


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package has no docs")
def test_coverage_tells_the_truth() -> None:
    """What the page says is here, is here; what is not has no `yes`."""
    text = PAGE.read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) == 15
    count = 0
    for section in sections:
        path, _, rows = section.partition("\n")
        space: Any = m
        for part in path.strip().split(".")[1:]:
            space = getattr(space, part, None)
        for name in re.findall(r"^\| `(\w+)` \| yes \|", rows, re.MULTILINE):
            count += 1
            assert hasattr(space, name), f"{path}.{name}: run tests/scripts/make_coverage.py"
    assert count > 800
