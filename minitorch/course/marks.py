"""The marks in the source: what stands between them is a solution, which can be blanked, taken out and put back.

    def sum_to(x, shape):
        # BEGIN SOLUTION 3.1
        ...
        # END SOLUTION

is blanked to `raise NotImplementedError("task 3.1: ...")`. Where arguments of a call are the solution, the mark names
them, `# BEGIN SOLUTION 3.2: x y`, and each becomes a text, `x="task 3.2: ..."`: a rule that raises the same when it is
asked for. The marks stay. A task may have several blocks, in several files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

_BEGIN = re.compile(r"( *)# BEGIN SOLUTION (\d+\.\d+)(?:: (\w+(?: \w+)*))?")
_END = re.compile(r" *# END SOLUTION")


class Block(NamedTuple):
    """A solution in a file: lines first + 1 to last - 1 of it, counted from 0, between the marks."""

    task: str
    first: int
    last: int
    indent: str
    arguments: tuple[str, ...]


def blocks(text: str, only: str | None = None) -> list[Block]:
    """The solutions in a source, in order; or those of one task, whose marks alone have to pair then.

    Raises ValueError for marks that do not pair.
    """
    found: list[Block] = []
    begun: Block | None = None
    for number, line in enumerate(text.splitlines()):
        if "SOLUTION" not in line:
            continue
        begin, end = _BEGIN.fullmatch(line.rstrip()), _END.fullmatch(line.rstrip())
        if end and begun is not None:
            found.append(begun._replace(last=number))
            begun = None
        elif begin:
            _unended(begun, only)
            begun = Block(begin[2], number, -1, begin[1], tuple((begin[3] or "").split()))
        elif end and only is None:
            raise ValueError(f"line {number + 1}: {line.strip()!r} has no partner")
    _unended(begun, only)
    return [block for block in found if only in (None, block.task)]


def _unended(begun: Block | None, only: str | None) -> None:
    if begun is not None and only in (None, begun.task):
        raise ValueError(f"line {begun.first + 1}: the solution of {begun.task} has no end")


def blank(text: str, titles: Mapping[str, str]) -> str:
    """The source with the solutions of some tasks blanked; titles: these tasks, and what each is called."""
    return _replaced(text, {b: _blank(b, titles[b.task]) for b in blocks(text) if b.task in titles})


def taken(text: str, tasks: Collection[str] | None = None) -> dict[str, list[str]]:
    """What stands in the blocks of some tasks, by default of all: for each task the text of its blocks, in order."""
    lines, out = text.splitlines(keepends=True), {}  # type: tuple[list[str], dict[str, list[str]]]
    for block in blocks(text):
        if tasks is None or block.task in tasks:
            out.setdefault(block.task, []).append("".join(lines[block.first + 1 : block.last]))
    return out


def outside(text: str) -> str:
    """The source with nothing between its marks: what a student is to leave as it is."""
    return _replaced(text, dict.fromkeys(blocks(text), ""))


def put(text: str, solutions: Mapping[str, Sequence[str]]) -> str:
    """The source with these solutions in the blocks of their tasks, whatever stood there.

    Raises ValueError where a task has more or fewer blocks than solutions.
    """
    places: dict[str, list[Block]] = {}
    for block in blocks(text):
        if block.task in solutions:
            places.setdefault(block.task, []).append(block)
    contents: dict[Block, str] = {}
    for task, found in places.items():
        if len(found) != len(solutions[task]):
            raise ValueError(f"task {task} has {len(found)} blocks here, but {len(solutions[task])} solutions")
        contents.update(zip(found, solutions[task], strict=True))
    return _replaced(text, contents)


def said(task: str, title: str) -> str:
    """What a blank says."""
    return f"task {task}: {title}"


def _blank(block: Block, title: str) -> str:
    message = f'"{said(block.task, title)}"'
    if block.arguments:
        return "".join(f"{block.indent}{argument}={message},\n" for argument in block.arguments)
    return f"{block.indent}raise NotImplementedError({message})\n"


def _replaced(text: str, contents: Mapping[Block, str]) -> str:
    lines = text.splitlines(keepends=True)
    for block in sorted(contents, key=lambda b: -b.first):
        lines[block.first + 1 : block.last] = [contents[block]]
    return "".join(lines)
