"""The examples in the documentation run: doctests of every module, and the prompts in README.md and docs/*.md."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from minitorch.autograd import registry

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "minitorch"
MODULES = sorted(
    ".".join(("minitorch", *f.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for f in PACKAGE.rglob("*.py")
)
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if page.exists()]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def run(test: doctest.DocTest) -> None:
    """Run one doctest; failures are shown as doctest shows them."""
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example in every docstring of the module prints what it says."""
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("minitorch"):
            raise
        pytest.skip(f"{name} needs {error.name}, an optional dependency that is not installed here")
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        run(test)


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every python block of a page."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        yield text[: match.start()].count("\n") + 2, match.group(1)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks with prompts run in order, sharing names; blocks without are at least Python."""
    monkeypatch.chdir(tmp_path)
    before = set(registry)
    names: dict = {"os": os}
    parser = doctest.DocTestParser()
    for line, text in blocks(page):
        if ">>>" in text:
            test = parser.get_doctest(text, names, page.name, str(page), line - 1)
            said: list[str] = []
            runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
            runner.run(test, out=said.append, clear_globs=False)
            assert runner.failures == 0, "".join(said)
            names.update(test.globs)
        else:
            ast.parse(text, filename=f"{page}:{line}")
    for name in set(registry) - before:  # a page may define primitives of its own
        del registry[name]


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_have_docstrings(name: str) -> None:
    """Every module, and every public function, class and method in it, says what it does."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text())
    kinds = (ast.FunctionDef, ast.ClassDef)
    missing = [] if not tree.body or ast.get_docstring(tree) else [name]
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                missing.append(f"{name}.{node.name}")
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if (
                    isinstance(inner, ast.FunctionDef)
                    and not inner.name.startswith("_")
                    and not ast.get_docstring(inner)
                ):
                    setter = any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in inner.decorator_list)
                    cls = getattr(importlib.import_module(name), node.name)
                    overrides = any(hasattr(base, inner.name) for base in cls.__mro__[1:])  # and means the same
                    if not setter and not overrides:
                        missing.append(f"{name}.{node.name}.{inner.name}")
    assert not missing
