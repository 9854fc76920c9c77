"""A package called minitorch of two functions, with a course of three tasks: what the command does shows in no time."""

from __future__ import annotations

import shutil
from pathlib import Path

from minitorch.course.outline import Course, Task, Unit

SUMS = '''\
"""Sums."""


def total(x):
    """The sum of numbers."""
    # BEGIN SOLUTION 1.1
    out = 0.0
    for number in x:
        out += number
    return out
    # END SOLUTION


def mean(x):
    """The mean of numbers."""
    # BEGIN SOLUTION 1.2
    return total(x) / len(x)
    # END SOLUTION


def table(**rules):
    """Functions by their names; a text is one that is still to be written."""
    return rules


RULES = table(
    # BEGIN SOLUTION 2.1: twice half
    twice=lambda x: 2 * x,
    half=lambda x: x / 2,
    # END SOLUTION
)


def rule(name):
    """A function of the table."""
    if isinstance(RULES[name], str):
        raise NotImplementedError(RULES[name])
    return RULES[name]
'''
UNIT = """\
from ..outline import Task, Unit

SUMS = "minitorch/sums.py"
UNIT = Unit({number}, {name!r}, {title!r}, 1.0, (SUMS,), ({tasks}))
"""
ONE = (
    'Task("1.1", "a sum", (SUMS,), "Add up.", ("Look.", "One by one.", "With a loop.")),'
    ' Task("1.2", "a mean", (SUMS,), "Divide.", ("Look.", "Count.", "Use len."), points=3),'
)
TWO = 'Task("2.1", "rules", (SUMS,), "Write both.", ("Look.", "Two.", "lambda.")),'
TESTS = """\
import numpy as np

from minitorch import sums
from minitorch.course.telling import same


def test_1_1_of_three():
    same(sums.total([1.0, 2.0, 4.0]), 7.0, "the sum of 1, 2, 4")


def test_1_1_of_none():
    same(sums.total([]), 0.0, "the sum of nothing")


def test_1_2_of_random_numbers():
    x = np.random.default_rng(3).normal(size=4)
    same(sums.mean(x), x.sum() / 4, "the mean")
"""
MORE = """\
from minitorch import sums
from minitorch.course.telling import same


def test_2_1_both():
    same([sums.rule("twice")(3.0), sums.rule("half")(3.0)], [6.0, 1.5], "twice and half of 3")
"""
DEMO = """\
from minitorch import sums

print("the sum of 1 and 2 is", sums.total([1.0, 2.0]))
"""
WRONG = """\
from ..outline import Wrong

WRONG = [Wrong("1.2", "divided by one less", ("return total(x) / (len(x) - 1)",), "the mean is wrong")]
"""


def write(root: Path) -> Course:
    """Write the package into a folder, with the real command; returns its course."""
    import minitorch.course

    real, package = Path(minitorch.course.__file__).parent, root / "minitorch"
    course = package / "course"
    course.mkdir(parents=True)
    for file in real.glob("*.py"):
        if file.name not in ("scalar.py", "training.py"):
            shutil.copy(file, course)
    texts = {
        "__init__.py": "class Tensor:\n    def numpy(self):\n        pass\n",
        "version.py": '__version__ = "0.1.0"\n',
        "sums.py": SUMS,
        "course/units/__init__.py": "",
        "course/units/unit01.py": UNIT.format(number=1, name="sums", title="Sums", tasks=ONE),
        "course/units/unit02.py": UNIT.format(number=2, name="rules", title="Rules", tasks=TWO),
        "course/tests/test_unit01.py": TESTS,
        "course/tests/test_unit02.py": MORE,
        "course/demos/unit01.py": DEMO,
        "course/demos/unit02.py": DEMO,
        "course/handouts/01_sums.md": "# Sums\n",
        "course/handouts/02_rules.md": "# Rules\n",
        "course/wrong/unit01.py": WRONG,
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)
    names = {"Task": Task, "SUMS": "minitorch/sums.py"}
    units = [
        Unit(n, name, title, 1.0, ("minitorch/sums.py",), eval(f"({tasks})", names))
        for n, name, title, tasks in [(1, "sums", "Sums", ONE), (2, "rules", "Rules", TWO)]
    ]
    return Course(root, course, tuple(units))


def solve(folder: Path, name: str, text: str, instead: str) -> None:
    """Write into a student's file."""
    path = folder / name
    found = path.read_text()
    assert text in found
    path.write_text(found.replace(text, instead))
