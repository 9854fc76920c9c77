"""What the course consists of: units of tasks, each in a file `units/unitNN.py`, and for the staff typical mistakes."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple


class CourseError(Exception):
    """What the command was asked to do can't be done; the message says why."""


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


class Course(NamedTuple):
    """Units and where their files stand. root: the folder that has `minitorch/`; home: the one with `tests/`,
    `handouts/` and `demos/`."""

    root: Path
    home: Path
    units: tuple[Unit, ...]

    @property
    def tasks(self) -> dict[str, Task]:
        """All tasks by their ids, in the order in which they are to be solved."""
        return {task.id: task for unit in self.units for task in unit.tasks}

    def unit_of(self, task: str) -> Unit:
        """The unit that has a task."""
        return next(unit for unit in self.units if any(task == t.id for t in unit.tasks))

    def tests(self, unit: Unit) -> Path:
        """The file with the tests of a unit."""
        return self.home / "tests" / f"test_unit{unit.number:02}.py"

    def handout(self, unit: Unit) -> Path:
        """The text of a unit."""
        return self.home / "handouts" / f"{unit.number:02}_{unit.name}.md"

    def demo(self, unit: Unit) -> Path:
        """The script that shows what a unit is about."""
        return self.home / "demos" / f"unit{unit.number:02}.py"

    def chosen(self, words: str | list[str]) -> list[str]:
        """The ids of the tasks that are meant by units, tasks and ranges of them: "1-4,6.2".

        Raises ValueError for what is not there.
        """
        places = [(unit.number, id) for unit in self.units for id in ([task.id for task in unit.tasks] or [""])]
        out: set[str] = set()
        for part in words.split(",") if isinstance(words, str) else [p for word in words for p in word.split(",")]:
            first, dash, last = (word.strip() for word in part.partition("-"))
            ends = []
            for word in (first, last) if dash else (first,):
                found = [i for i, (number, id) in enumerate(places) if word in (str(number), id)]
                if not word or not found:
                    numbers = ", ".join(str(unit.number) for unit in self.units)
                    raise ValueError(f"{part.strip()!r}: there is no task or unit {word!r}; the units are {numbers}")
                ends.append(found)
            if ends[0][0] > ends[-1][-1]:
                raise ValueError(f"{part.strip()!r} runs backwards")
            out.update(id for _, id in places[ends[0][0] : ends[-1][-1] + 1])
        return [id for id in self.tasks if id in out]


def here() -> Course:
    """The course of this package: a student's folder, or the package that has all solutions."""
    own = Path(__file__).resolve().parent
    root = own.parents[1]
    return Course(root, root if (root / "course.json").exists() else own, units())


@cache
def units() -> tuple[Unit, ...]:
    """All units, in order."""
    from . import units as package

    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(import_module(f"{package.__name__}.{name}").UNIT for name in names)


def tasks() -> dict[str, Task]:
    """All tasks by their ids, in the order in which they are to be solved."""
    return {task.id: task for unit in units() for task in unit.tasks}
