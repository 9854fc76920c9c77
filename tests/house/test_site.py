"""The pages of the site, as far as they can be looked at without building it: `make docs ARGS=--check` does the rest."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HANDOUTS = sorted((ROOT / "minitorch" / "course" / "handouts").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
PAGES += sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1`*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")


def prose(text: str) -> str:
    """The text without blocks of code, comments and code in backquotes."""
    return re.sub(r"<!--.*?-->|`[^`\n]*`", "", FENCE.sub("", text), flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links, as GitHub and the site call them."""
    titles = re.findall(r"^#+ +(.*?) *$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES + HANDOUTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository, and to a heading, has its target."""
    for target in LINK.findall(prose(page.read_text())):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(file.read_text()), f"{page.name} links to {target}"


def test_links_are_found() -> None:
    """The test above sees links, also those with a title, and none in code."""
    text = '[a](b.md) ![c](d.png) [`e`](../f.py "a title") `[g](h)`\n```\n[i](j)\n```\n# One: `two` three\n'
    assert LINK.findall(prose(text)) == ["b.md", "d.png", "../f.py"]
    assert anchors(text) == {"one-two-three"}


def entries(page: Path) -> Iterator[str]:
    """What the tables of contents of a page name."""
    for _, kind, text in FENCE.findall(page.read_text()):
        if kind == "{toctree}":
            yield from (line for line in text.splitlines() if line and not line.startswith(":"))


def test_the_contents_name_every_page() -> None:
    """Each page of docs/ stands in index.md, once; what else stands there is a folder that a program fills."""
    named = [name for name in entries(DOCS / "index.md") if name != "course**"]
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index", "course"}
    assert len(named) == len(set(named))
    assert {name for name in named if "/" not in name} == pages
    assert {name for name in named if "/" in name} == {"api/index", "examples/index"}


@pytest.mark.parametrize("page", HANDOUTS, ids=lambda page: page.name)
def test_handouts_can_be_run(page: Path) -> None:
    """A handout has the head that names its kernel, one title, closed blocks, and cells that are Python."""
    text = page.read_text()
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert head and "kernelspec:" in head[1] and "format_name: myst" in head[1]
    rest = FENCE.sub("", text[head.end() :])
    assert "```" not in rest, "a block is not closed"
    assert len(re.findall(r"^# ", rest, re.MULTILINE)) == 1
    cells = [code for _, kind, code in FENCE.findall(text) if kind.startswith("{code-cell}")]
    assert cells
    for code in cells:
        lines = [line for line in code.splitlines() if not re.match(r":[\w-]+:|%", line)]
        ast.parse("\n".join(lines))


@pytest.mark.parametrize("page", HANDOUTS, ids=lambda page: page.name)
def test_formulas_can_be_drawn(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docutils, which turns them into MathML for the site, knows every command in them."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    mathml = importlib.import_module("mathml").mathml
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    for block, inline in re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", text, re.DOTALL):
        assert mathml(block or inline, bool(block)).startswith("<math")


def test_the_site_loads_nothing_from_the_network() -> None:
    """Neither its settings nor its styles name an address to load from."""
    for path in (DOCS / "conf.py", *(DOCS / "_ext").glob("*.py"), *(DOCS / "_static").glob("*.css")):
        assert not re.search(r"https?://|intersphinx|mathjax|cdn", path.read_text()), path


def test_what_a_program_writes_is_not_kept() -> None:
    """git ignores the folders of the site that are filled when it is built."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    folders = [f"docs/{name}/" for name in ("api", "course", "examples")]
    done = subprocess.run(["git", "check-ignore", *folders], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == folders
