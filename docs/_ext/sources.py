"""The source as pages: a file that a page links to, or that defines a name of the API, with an anchor for each line.

They are written beside Sphinx, which would lay out 300 pages more, and links to them are ordinary links.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pages
from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer
from sphinx.addnodes import download_reference
from sphinx.util.osutil import relative_uri

import minitorch
from minitorch import nn
from minitorch.autograd.trace import Trace, trace

ROOT = pages.ROOT
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{path}</title><link rel="stylesheet" href="{up}source/source.css"></head>
<body><p><a href="{up}index.html">minitorch</a> / {path}</p>
{text}</body></html>
"""
STYLE = """
body {{ margin: 0.5em 1em; font-family: sans-serif; }}
.highlight {{ overflow-x: auto; font-size: 0.85em; }}
.linenos {{ opacity: 0.5; }}
:target {{ background: #fe08; }}
{light}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #ddd; }} a {{ color: #8bf; }}
{dark} }}
"""
written: set[Path] = set()
places: dict[tuple[str, str], tuple[Path, int]] = {}  # namespace and name: what defines it


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """For sphinx.ext.linkcode: where an entry of the API is defined, seen from a page in api/."""
    found = places.get((info["module"], info["fullname"]))
    return found and f"../{_page(found[0])}#L-{found[1]}"


def _page(path: Path) -> str:
    return f"source/{path.relative_to(ROOT).as_posix()}.html"


def write(app: Any, path: Path) -> None:
    """The page of a file, once."""
    if path in written:
        return
    written.add(path)
    target = Path(app.outdir) / _page(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    lexer = PythonLexer() if path.suffix in (".py", ".pyi") else TextLexer()
    text = highlight(path.read_text(), lexer, HtmlFormatter(linenos="inline", lineanchors="L"))
    name = path.relative_to(ROOT).as_posix()
    target.write_text(PAGE.format(path=html.escape(name), up="../" * (name.count("/") + 1), text=text))


def _link(app: Any, doctree: nodes.document) -> None:
    """Links to files of the repository lead to their pages; Sphinx alone would offer them for download."""
    for node in list(doctree.findall(download_reference)):
        path = Path(app.env.relfn2path(node["reftarget"], app.env.docname)[1]).resolve()
        if ROOT in path.parents and path.suffix != ".ipynb":
            write(app, path)
            uri = relative_uri(app.builder.get_target_uri(app.env.docname), _page(path))
            title = {"reftitle": node["reftitle"]} if node.get("reftitle") else {}
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri, **title))


def _name_files(app: Any, doctree: nodes.document) -> None:
    """A file that running text names leads to its page. Not in the course: there it is the student's own file."""
    if not app.env.docname.startswith("course"):
        for node in list(doctree.findall(nodes.literal)):
            names = (node.astext(), f"minitorch/{node.astext()}")
            path = next((ROOT / name for name in names if name.endswith(".py") and (ROOT / name).is_file()), None)
            if path and not isinstance(node.parent, nodes.reference):
                write(app, path)
                uri = relative_uri(app.builder.get_target_uri(app.env.docname), _page(path))
                node.replace_self(nodes.reference("", "", node.deepcopy(), refuri=uri))


def _finish(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for path in sorted({path for path, _ in places.values()}):
            write(app, path)
        example().save(Path(app.outdir) / "steps.html")
        light, dark = (HtmlFormatter(style=style).get_style_defs() for style in ("default", "monokai"))
        (Path(app.outdir) / "source" / "source.css").write_text(STYLE.format(light=light, dark=dark))


def example() -> Trace:
    """The backward pass that docs/look.md shows a page of."""
    minitorch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    return trace(nn.functional.cross_entropy(net(minitorch.randn(2, 1, 6, 6)), minitorch.tensor([0, 2])), names=net)


def setup(app: Any) -> dict[str, Any]:
    places.update(pages.write().sources)
    app.connect("doctree-read", _link, priority=400)  # before what is to be downloaded is collected
    app.connect("doctree-read", _name_files)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
