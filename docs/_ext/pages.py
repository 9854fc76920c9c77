"""The pages of the site that a program writes, in folders that git ignores.

api/        every public name, from the docstrings: api.py
course/     the handouts of minitorch/course, whose code cells run while the site is built
examples/   what each example says of itself, and the notebooks as they were run
"""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

from api import Book

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
WRITTEN = ("api", "course", "examples")
PICTURES = {"cifar10.py": "curve.png", "cifar10_airbench.py": "airbench.png"}
# A row of examples/README.md: the file, its data, and how long it takes.
ROW = re.compile(r"^\| \[(\w+\.py)\][^|]*\|[^|]*\| *([^|]*?) *\| *([^|]*?) *\|$", re.MULTILINE)


def write() -> Book:
    """Writes all pages anew."""
    for name in WRITTEN:
        shutil.rmtree(DOCS / name, ignore_errors=True)
    shutil.copytree(ROOT / "minitorch" / "course" / "handouts", DOCS / "course")
    gallery()
    return api()


def api() -> Book:
    """The pages of the API, and their contents."""
    book, folder = Book(), DOCS / "api"
    folder.mkdir()
    for page in book.pages:
        (folder / f"{page}.rst").write_text(book.text(page))
    contents = "".join(f"   {page}\n" for page in book.pages)
    said = "".join(f"- :doc:`{page}`: {book.about(page)}\n" for page in book.pages)
    (folder / "index.rst").write_text(f"API\n===\n\n{said}\n.. toctree::\n   :hidden:\n\n{contents}")
    return book


def gallery() -> None:
    """A page with all examples: what the head of each file says, a picture where there is one, and the notebooks."""
    folder = DOCS / "examples"
    folder.mkdir()
    out = ["# Examples\n", "Each file can be read alone. `python examples/<file> --help` says what it takes.\n"]
    for name, data, time in ROW.findall((ROOT / "examples" / "README.md").read_text()):
        path = ROOT / "examples" / name
        first, _, rest = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")
        usage, _, story = rest.partition("\n\n") if rest.startswith("python ") else ("", "", rest)
        out += [f"## {name}\n", f"{first}\n", f"```\n{usage}\n```\n" if usage else "", f"{story}\n"]
        out += [f"![what it shows](/{PICTURES[name]})\n"] if name in PICTURES else []
        out += [f"Data: {data or 'none'}. On two cores: {time}. [The source](../../examples/{name})\n"]
    out += ["[common.py](../../examples/common.py) is what they share.\n", "## Notebooks\n", "```{toctree}\n"]
    for path in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        shutil.copy(path, folder)
        out[-1] += f"{path.stem}\n"
    (folder / "index.md").write_text("\n".join([*out, "```\n"]))
