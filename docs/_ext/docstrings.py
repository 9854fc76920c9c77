"""Docstrings as reStructuredText.

They are written as plain text: paragraphs, `names` in backquotes, "name: what it means" on lines of their own, formulas
and tables indented, examples behind prompts. Sphinx reads reStructuredText, where a star or an indent means something.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import dedent, indent

ITEM = re.compile(r"([A-Za-z_*][\w*.]*(?:(?:, | and | or )[A-Za-z_*][\w*.]*)*): (?=\S)")
COLUMNS = re.compile(r"\S {3,}\S")  # a line of a table
CODE = re.compile(r"`+([^`]+)`+")
SPECIAL = re.compile(r"([\\*|_])")


def restructured(text: str, link: Callable[[str], str | None] = lambda name: None) -> str:
    """The docstring for Sphinx. link: the full name of what a name in backquotes stands for, if it has a page."""
    blocks = [b for b in re.split(r"\n\s*\n", dedent(text).strip("\n")) if b.strip()]
    return "\n\n".join(_block(block, link, first=block is blocks[0]) for block in blocks)


def _block(block: str, link: Callable[[str], str | None], first: bool = False) -> str:
    """A block. The first one begins with the line that says what the thing is, which explains no name."""
    lines = block.splitlines()
    if lines[0].lstrip().startswith(">>> "):
        return dedent(block)
    if lines[0].startswith(" ") or all(COLUMNS.search(line) for line in lines):
        return _literal(lines)
    parts: list[list[str]] = []
    for i, line in enumerate(lines):
        if line.startswith(" ") and not lines[i - 1].startswith(" ") and not _hangs(lines[i - 1], line):
            return "\n\n".join((_said(parts, link, first), _tail(lines[i:], link)))
        if not parts or _begins(line):
            parts.append([])
        parts[-1].append(line.strip())
    return _said(parts, link, first)


def _begins(line: str) -> bool:
    """Whether a line begins a thought of its own."""
    return bool(ITEM.match(line)) or line.startswith(("- ", "* ", "Raises "))


def _hangs(before: str, line: str) -> bool:
    """Whether an indented line only goes on with what the line before says."""
    return _begins(before) and not before.rstrip().endswith(":")


def _tail(lines: list[str], link: Callable[[str], str | None]) -> str:
    """What is indented within a paragraph: named things, as below "Raises:", or else something to be left as it is."""
    own = dedent("\n".join(lines)).splitlines()
    return _block("\n".join(own), link) if ITEM.match(own[0]) else _literal(lines)


def _literal(lines: list[str]) -> str:
    return "::\n\n" + indent(dedent("\n".join(lines)), "   ")


def _said(parts: list[list[str]], link: Callable[[str], str | None], first: bool) -> str:
    """Paragraphs; those that tell what a name means, as items."""
    said = []
    for part in parts:
        text = " ".join(part)
        item = None if first and part is parts[0] else ITEM.match(text)
        if item:
            names = re.sub(r"(?!and\b|or\b)[*\w.]+", r"``\g<0>``", item[1])
            said.append(f"- {names}: {_prose(text[item.end() :], link)}")
        elif text.startswith(("- ", "* ")):
            said.append(f"- {_prose(text[2:], link)}")
        else:
            said.append(_prose(text, link))
    return "\n\n".join(said)


def _prose(text: str, link: Callable[[str], str | None]) -> str:
    """Running text: names in backquotes become code or links, nothing else means anything."""
    out, at = [], 0
    for found in CODE.finditer(text):
        out.append(_plain(text[at : found.start()]))
        full = link(found[1])
        code = f":py:obj:`{found[1]} <{full}>`" if full else f"``{found[1]}``"
        out.append(rf"\ {code}\ ")
        at = found.end()
    return "".join([*out, _plain(text[at:])])


def _plain(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)
