"""What the staff's `verify` sees, on the tiny course; and that the marks of the real one hold together."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from course import tiny

from minitorch.course import marks, outline, staff
from minitorch.course.outline import Course, CourseError


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """The tiny course."""
    return tiny.write(tmp_path / "tiny")


def test_the_marks_of_the_course() -> None:
    """Each task has its blocks, in the files it names, and tests; each unit a handout and a demo."""
    count: Counter[str] = Counter()
    assert list(staff.check_marks(outline.here(), count)) == []
    assert count["tests"] >= len(outline.tasks())


def test_marks_in_pairs() -> None:
    """What is taken out and put back is what was there; marks without partner are refused."""
    text = tiny.SUMS
    titles = {"1.1": "a sum", "2.1": "rules"}
    blank = marks.blank(text, titles)
    assert marks.put(blank, marks.taken(text)) == text
    assert marks.taken(blank, ["2.1"]) == {"2.1": ['    twice="task 2.1: rules",\n    half="task 2.1: rules",\n']}
    assert [(b.task, b.first, b.arguments) for b in marks.blocks(text)] == [
        ("1.1", 5, ()),
        ("1.2", 15, ()),
        ("2.1", 26, ("twice", "half")),
    ]
    for wrong in ("# END SOLUTION", "# BEGIN SOLUTION 1.1"):
        with pytest.raises(ValueError, match="line 1: "):
            marks.blocks(wrong)


def verify(course: Course) -> tuple[list[str], str]:
    """The problems, and the last line."""
    said: list[str] = []
    return staff.verify(course, 1, said.append), said[-1]


def test_verify(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A course that holds together is told so; with counts."""
    wrong = outline.Wrong("1.2", "divided by one less", ("return total(x) / (len(x) - 1)\n",), "the mean is wrong")
    monkeypatch.setattr(staff, "wrong_solutions", lambda course: [wrong])
    problems, said = verify(course)
    assert problems == []
    assert "3 tasks, 4 tests, 0 leaks, 1 of 1 wrong solutions caught with the right words, 0 problems" in said


MARKS, LEAKS, ORDER, SOLVED = (
    lambda course: staff.check_marks(course, Counter()),
    staff.leaks,
    lambda course: staff.in_parallel(course, staff.order(course, list(course.tasks)), 1),
    lambda course: staff.in_parallel(course, staff.solved(course, list(course.tasks), Counter()), 1),
)
SPOILED = [
    (
        MARKS,
        "sums.py",
        "    # END SOLUTION\n\n\ndef mean",
        "\n\ndef mean",
        "minitorch/sums.py, line 6: the solution of 1.1 has no end",
    ),
    (MARKS, "sums.py", "SOLUTION 1.2", "SOLUTION 1.3", r"blocks of 1.3, which is no task"),
    (MARKS, "sums.py", "SOLUTION 1.2", "SOLUTION 1.3", r"task 1.2: blocks in \[\], the unit names"),
    (MARKS, "course/tests/test_unit02.py", "test_2_1", "test_3_1", "task 2.1 has no test"),
    (MARKS, "course/tests/test_unit02.py", "test_2_1", "test_3_1", "test_3_1_both belongs to no task"),
    (LEAKS, "course/handouts/01_sums.md", "Sums", "out = 0.0  for number in x:  out += number", None),
    (
        LEAKS,
        "course/handouts/01_sums.md",
        "Sums",
        "out = 0.0  for number in x:  out += number  return",
        "handouts/01_sums.md: of the solution of 1.1",
    ),
    (
        LEAKS,
        "sums.py",
        "Sums.",
        "out = 0.0\nfor number in x:\n  out  += number\nreturn out",
        "minitorch/sums.py: of the solution of 1.1 .minitorch/sums.py.: out = 0.0 for number in x : out [+]= number",
    ),
    (
        ORDER,
        "course/tests/test_unit01.py",
        "    same(sums.total([])",
        "    sums.mean([1.0])\n    same(sums.total([])",
        "test_1_1_of_none, all later tasks blank: task 1.2: a mean",
    ),
    (
        ORDER,
        "course/tests/test_unit01.py",
        "    same(sums.total([]), ",
        "    same(0.0, ",
        "of_none, it and all later .* it passes",
    ),
    (
        ORDER,
        "sums.py",
        "RULES = table(",
        "NOW = total([])\nRULES = table(",
        "1.1, it and all later tasks blank: the package does not import",
    ),
    (SOLVED, "sums.py", "return total(x) / len(x)", "return total(x) / 5", "task 1.2, solved: 1 of 1 tests fail"),
]


@pytest.mark.parametrize(("step", "name", "text", "instead", "said"), SPOILED, ids=range(len(SPOILED)))
def test_verify_sees(course: Course, step: Callable, name: str, text: str, instead: str, said: str | None) -> None:
    """A course that does not hold together, and where; None: it does."""
    tiny.solve(course.root / "minitorch", name, text, instead)
    problems = list(step(course))
    assert any(re.search(said, problem) for problem in problems) if said else not problems, problems


def test_wrong_solutions_that_pass(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no test sees, and one whose report does not name the mistake, are problems."""
    right = outline.Wrong("1.2", "none", ("return sum(x) / len(x)\n",), "the mean")
    unnamed = outline.Wrong("1.2", "zero", ("return 0.0\n",), "divided by zero")
    short = outline.Wrong("1.2", "two", ("return 0.0\n", "return 0.0\n"), "")
    monkeypatch.setattr(staff, "wrong_solutions", lambda course: [right, unnamed, short])
    found = list(staff.in_parallel(course, staff.wrongs(course, ["1.2"], Counter()), 1))
    assert "none: no test fails" in found[0] and "zero: no /divided by zero/ in\n" in found[1]
    assert "2 texts for 1 blocks" in found[2]


def test_pack(course: Course, tmp_path: Path) -> None:
    """Hidden tests have other numbers, and the zip all that a server needs."""
    assert staff.pack(course, tmp_path / "hidden", None, ["1.1"], 7) == {"test_unit01.py": 1, "test_unit02.py": 0}
    text = (tmp_path / "hidden" / "hidden" / "test_unit01.py").read_text()
    assert text == tiny.TESTS.replace("default_rng(3)", "default_rng(3000016)")
    with zipfile.ZipFile(tmp_path / "hidden" / "autograder.zip") as archive:
        names = set(archive.namelist())
    assert {"setup.sh", "run_autograder", "course.json", "hidden/test_unit01.py", "package/minitorch/sums.py"} <= names
    assert "package/minitorch/course/grading.py" in names and not any("wrong" in name for name in names)
    with pytest.raises(CourseError, match="not an empty folder"):
        staff.pack(course, tmp_path / "hidden", None, [], 7)


def test_salt() -> None:
    """Seeds change, other numbers stay."""
    text = (
        "rng = np.random.default_rng(3)\nx = f(2, seed=5)\nmanual_seed(1)\ny = rng.normal(size=3)\nz = default_rng()\n"
    )
    other, count = staff.salted(text, 1)
    assert count == 3
    assert other == text.replace("rng(3)", "rng(3000010)").replace("seed=5", "seed=5000016").replace(
        "seed(1)", "seed(1000004)"
    )
