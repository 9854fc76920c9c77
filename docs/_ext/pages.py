"""The pages of the site that a program writes, in folders that git ignores.

course/   the handouts of minitorch/course, whose code cells run while the site is built
source/   a page for each file of the repository that some page links to
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
WRITTEN = ("course", "source")
OUTSIDE = re.compile(r"(?<=\]\()\.\./([\w./-]+)")  # the target of a link that leaves docs/


def write() -> None:
    """Writes all pages anew."""
    for name in WRITTEN:
        shutil.rmtree(DOCS / name, ignore_errors=True)
    shutil.copytree(ROOT / "minitorch" / "course" / "handouts", DOCS / "course")
    for page in sorted(DOCS.glob("*.md")):
        for path in OUTSIDE.findall(page.read_text()):
            source(path)


def source(path: str) -> None:
    """The page of a file of the repository."""
    page = DOCS / "source" / f"{path}.md"
    if not page.exists():
        page.parent.mkdir(parents=True, exist_ok=True)
        language = {".py": "python", ".pyi": "python", ".cfg": "ini"}.get(Path(path).suffix, "none")
        page.write_text(
            f"---\norphan: true\nnosearch: true\n---\n# {path}\n\n"
            f"```{{literalinclude}} /../{path}\n:language: {language}\n:linenos:\n```\n"
        )


def _to_sources(app: Any, docname: str, content: list[str]) -> None:
    """What a page of docs/ links to beside docs/ leads to the page of that file."""
    if "/" not in docname:
        content[0] = OUTSIDE.sub(r"/source/\1.md", content[0])


def setup(app: Any) -> dict[str, Any]:
    write()
    app.connect("source-read", _to_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
