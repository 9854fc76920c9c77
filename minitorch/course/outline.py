"""What the course consists of: units of tasks, each in a file `units/unitNN.py`, and for the staff typical mistakes."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import NamedTuple


class Task(NamedTuple):
    """Something to write, between the marks of its id.

    title: ends the sentence "task 3.1: ...", which a blank says. files: where its blocks stand, from the folder that
    has `minitorch/`. write: what to write, in three sentences at most. hints: what to look at; the idea; everything
    but the code. minutes: for a third-year student who has read the handout. kernels: MINITORCH_KERNELS of its tests.

    Its tests are the functions of tests/test_unitNN.py whose names begin with `test_N_M_`.
    """

    id: str
    title: str
    files: tuple[str, ...]
    write: str
    hints: tuple[str, str, str]
    points: int = 2
    minutes: int = 30
    kernels: str = "reference"


class Unit(NamedTuple):
    """A session of 2 to 5 hours: handouts/NN_name.md, demos/unitNN.py, and tasks; read: files to read, in order."""

    number: int
    name: str
    title: str
    hours: float
    read: tuple[str, ...]
    tasks: tuple[Task, ...]


class Wrong(NamedTuple):
    """A typical wrong solution of a task, for the staff: wrong/unitNN.py has a list of them, WRONG.

    mistake: what is wrong, in a few words. blocks: what a student wrote, dedented, one text for each block of the task.
    says: a regular expression that the report of `check` must match: words that name the mistake.
    """

    task: str
    mistake: str
    blocks: tuple[str, ...]
    says: str


@cache
def units() -> tuple[Unit, ...]:
    """All units, in order."""
    from . import units as package

    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(import_module(f"{package.__name__}.{name}").UNIT for name in names)


def tasks() -> dict[str, Task]:
    """All tasks by their ids, in the order in which they are to be solved."""
    return {task.id: task for unit in units() for task in unit.tasks}
