"""Formulas as MathML, which browsers draw by themselves: no script, no font and no network is needed.

docutils translates the TeX. What it does not know is a warning, so that `make docs` ends with an error.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

SAID_OTHERWISE = {r"\dots": r"\ldots", r"\dotsc": r"\ldots", r"\dotsb": r"\cdots", r"\mathop": r"\operatorname"}
SAID_OTHERWISE |= {rf"\{size}": rf"\{size}l" for size in ("big", "Big", "bigg", "Bigg")}
TOLD_OTHERWISE = re.compile("|".join(re.escape(word) + r"(?![A-Za-z])" for word in SAID_OTHERWISE))

log = logging.getLogger(__name__)


def mathml(tex: str, block: bool = False) -> str:
    """The MathML of a formula. Raises docutils' MathError for a command that docutils does not know."""
    return tex2mathml(TOLD_OTHERWISE.sub(lambda found: SAID_OTHERWISE[found[0]], tex.strip()), as_block=block)


def _visit(block: bool) -> Any:
    def visit(translator: Any, node: nodes.Element) -> None:
        try:
            found = mathml(node.astext(), block)
        except MathError as error:
            log.warning("the formula %s: %s", node.astext(), error, location=node)
            found = f"<code>{translator.encode(node.astext())}</code>"
        translator.body.append(f'<div class="formula">{found}</div>' if block else found)
        raise nodes.SkipNode

    return visit


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_visit(False), None), (_visit(True), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
