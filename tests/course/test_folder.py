"""The command as a student calls it: a new folder, what is next, tests, hints, the demo, points."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from course import tiny

from minitorch.course import folder
from minitorch.course.outline import Course, CourseError

SAY = "python -m minitorch.course"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The tiny course."""
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def student(course: Course, tmp_path: Path) -> Path:
    """A new student's folder."""
    folder.new(course, tmp_path / "student")
    return tmp_path / "student"


def run(course: Course, place: Path, *words: str, script: str = "") -> tuple[int, str]:
    """The exit code and the output of the command."""
    environment = {**os.environ, "PYTHONPATH": str(course.root), "PYTHONUTF8": "1"}
    command = [sys.executable, script] if script else [sys.executable, "-m", "minitorch.course"]
    done = subprocess.run(
        [*command, *words], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_new(course: Course, tmp_path: Path) -> None:
    """A folder of its own, without solutions and without files of the staff."""
    code, said = run(course, tmp_path, "new", "mine", "--classroom")
    assert (code, said) == (0, f"mine: 3 tasks in 2 units are yours to write. Begin with:\n  cd mine\n  {SAY} next\n")
    place = tmp_path / "mine"
    found = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    assert {name for name in found if not name.startswith("minitorch/course/")} == {
        *(".gitignore", "Makefile", "README.md", "course.json", "course.py", ".github/workflows/classroom.yml"),
        *(
            "minitorch/__init__.py",
            "minitorch/version.py",
            "minitorch/sums.py",
            "handouts/01_sums.md",
            "handouts/02_rules.md",
        ),
        *("tests/test_unit01.py", "tests/test_unit02.py", "demos/unit01.py", "demos/unit02.py"),
    }
    inner = {name.removeprefix("minitorch/course/") for name in found if name.startswith("minitorch/course/")}
    assert "trial.py" in inner and not inner & {"staff.py", "grading.py", "wrong/unit01.py", "tests/test_unit01.py"}
    text = (place / "minitorch" / "sums.py").read_text()
    assert "out += number" not in text and "x / 2" not in text and "lambda" not in text
    assert '    raise NotImplementedError("task 1.2: a mean")\n' in text and '    half="task 2.1: rules",\n' in text
    assert (place / ".github/workflows/classroom.yml").read_text().count("max-score: 2") == 2


def test_some_tasks(course: Course, tmp_path: Path) -> None:
    """Those that are not chosen, and those that are given, are as in the package."""
    run(course, tmp_path, "new", "mine", "--tasks", "1", "--solved", "1.1")
    text = (tmp_path / "mine" / "minitorch" / "sums.py").read_text()
    assert "out += number" in text and "half=lambda" in text and "total(x) / len(x)" not in text
    about = json.loads((tmp_path / "mine" / "course.json").read_text())
    assert (about["tasks"], about["given"], about["units"]) == (["1.2"], ["1.1"], [1])
    assert "Task 1.2: a mean" in run(course, tmp_path / "mine")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["full"], "full exists, and is not an empty folder; nothing was written"),
        (["file"], "file exists, and is not an empty folder; nothing was written"),
        (["nowhere/mine"], "nowhere is not there; nothing was written"),
        (["mine", "--tasks", "1-3"], "'1-3': there is no task or unit '3'; the units are 1, 2"),
        (["mine", "--tasks", "2-1"], "'2-1' runs backwards"),
        (["mine", "--solved", "1.7"], "'1.7': there is no task or unit '1.7'"),
        (["mine", "--tasks", ""], "'': there is no task or unit ''"),
    ],
)
def test_new_refuses(course: Course, tmp_path: Path, words: list[str], said: str) -> None:
    """Before anything is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    code, found = run(course, tmp_path, "new", *words)
    assert code == 2 and said in found
    assert sorted(tmp_path.rglob("*")) == before


def test_new_leaves_nothing_half(course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing fails midway; an empty folder that was there stays."""
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(folder, "LAUNCHER", 3)
    with pytest.raises(TypeError):
        folder.new(course, tmp_path / "mine")
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    monkeypatch.undo()
    folder.new(course, tmp_path / "mine")
    with pytest.raises(CourseError, match="is a student's folder"):
        folder.new(course._replace(root=tmp_path / "mine"), tmp_path / "other")


def test_in_the_folder_itself(course: Course, tmp_path: Path) -> None:
    """Who stands in an empty folder still stands in it; and in the package itself there is nothing to solve."""
    (tmp_path / "mine").mkdir()
    node = (tmp_path / "mine").stat().st_ino
    assert run(course, tmp_path / "mine", "new", ".")[0] == 0
    assert (tmp_path / "mine").stat().st_ino == node and (tmp_path / "mine" / "course.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert "Here is the whole package, with every task solved." in run(course, tmp_path, "check")[1]
    assert "✓ of three\n  ✓ of none" in run(course, tmp_path, "check", "1.1")[1]


def test_the_way_of_a_student(course: Course, student: Path) -> None:
    """next, check, hint, a wrong answer, the right one, explain, grade."""
    code, said = run(course, student, "next")
    assert code == 0 and "Task 1.1: a sum   (unit 1, Sums; 0 of 3 tasks done)" in said
    assert "write  minitorch/sums.py:6" in said and "read   handouts/01_sums.md" in said
    code, said = run(course, student, "check")
    assert code == 1 and "✗ of three, of none: still to be written" in said and f"{SAY} hint 1.1" in said
    assert "✗ of random numbers: still to be written" in run(course, student, "check", "1.2")[1]
    assert [run(course, student, "hint", "1.1")[1] for _ in range(4)] == [
        "Task 1.1, hint 1 of 3:\nLook.\n",
        "Task 1.1, hint 2 of 3:\nOne by one.\n",
        *["Task 1.1, hint 3 of 3:\nWith a loop.\n"] * 2,
    ]
    assert "needs task 1.1, a sum, which is still to be written" in run(course, student, "explain", "1")[1]
    blank = '    raise NotImplementedError("task 1.1: a sum")\n'
    tiny.solve(student, "minitorch/sums.py", blank, "    return x[0] + x[1]\n")
    code, said = run(course, student, "check", "1.1")
    assert code == 1 and "✗ of three\n      the sum of 1, 2, 4 is wrong: got 3, expected 7\n" in said
    assert (
        "✗ of none\n      IndexError: list index out of range\n        minitorch/sums.py:7: return x[0] + x[1]\n"
        in said
    )
    tiny.solve(student, "minitorch/sums.py", "return x[0] + x[1]", "return float(sum(x))")
    code, said = run(course, student, "check")
    assert code == 0 and "✓ of three\n  ✓ of none" in said and "Next: task 1.2, a mean" in said
    assert run(course, student, "explain")[1] == "the sum of 1 and 2 is 3.0\n"
    code, said = run(course, student, "grade", "--json", "results.json")
    assert code == 1 and "2 of 7 points" in said
    assert json.loads((student / "results.json").read_text())["score"] == 2
    assert [run(course, student, "grade", "--task", task)[0] for task in ("1.1", "1.2")] == [0, 1]
    assert json.loads((student / "progress.json").read_text())["hints"] == {"1.1": 3}
    tiny.solve(student, "minitorch/sums.py", "return float(sum(x))", "return 0.0")  # what passed counts no longer
    assert "Task 1.1: a sum" in run(course, student, "next")[1]


def test_what_needs_what(course: Course, student: Path) -> None:
    """A test that runs into another blank says which."""
    blank = '    raise NotImplementedError("task 1.2: a mean")\n'
    tiny.solve(student, "minitorch/sums.py", blank, "    return total(x) / len(x)\n")
    said = run(course, student, "check", "all")[1]
    assert "✗ of random numbers: needs task 1.1: a sum" in said and "2.1  rules   minitorch/sums.py:" in said


def test_a_syntax_error(course: Course, student: Path) -> None:
    """course.py says where it is, also where the package does not import."""
    (student / "minitorch" / "__init__.py").write_text("from . import sums\n")
    blank = '    raise NotImplementedError("task 1.1: a sum")\n'
    tiny.solve(student, "minitorch/sums.py", blank, "    return (1\n")
    code, said = run(course, student, "check", "1", script="course.py")
    assert code == 1 and "SyntaxError in minitorch/sums.py:7: '(' was never closed\n        return (1\n" in said
    assert "note: minitorch/__init__.py" not in said  # it has no task


def test_notes_on_changed_files(course: Course, student: Path) -> None:
    """check says what a grader will not use."""
    tiny.solve(student, "tests/test_unit01.py", "7.0", "3.0")
    tiny.solve(student, "minitorch/sums.py", '"""Sums."""', "import math")
    said = run(course, student, "check")[1]
    assert "note: tests/test_unit01.py is not as it came; a grader uses its own\n" in said
    assert (
        "note: minitorch/sums.py was changed outside the marks; a grader takes only what stands between them\n" in said
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hint", "7.1"], "there is no task '7.1'; tasks are called 1.2"),
        (["check", "x"], "'x': there is no task or unit 'x'"),
        (["explain", "7"], "there is no demo of unit 7"),
        (["grade", "--task", "9.9"], "there is no task '9.9' to write in"),
        (["grade", "--json", "nowhere/results.json"], "No such file or directory"),
        (["grade", "/"], "it has no course.json"),
    ],
)
def test_wrong_words(course: Course, student: Path, words: list[str], said: str) -> None:
    """What is not there is said in a line."""
    code, found = run(course, student, *words)
    assert code == 2 and said in found and "Traceback" not in found


def test_points_need_the_whole_package(course: Course, student: Path, tmp_path: Path) -> None:
    """Beside the student's own; here only another student's folder is installed."""
    folder.new(course, tmp_path / "other")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "other")}
    command = [sys.executable, "-m", "minitorch.course", "grade"]
    done = subprocess.run(command, cwd=student, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "points need the whole package beside this folder" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", '{"course": 1}', '{"course": 1, "tasks": 3, "given": [], "shipped": {}, "outside": {}}']
)
def test_a_spoiled_course_json(course: Course, student: Path, text: str) -> None:
    """It is told so; progress.json is begun anew."""
    (student / "progress.json").write_text("{")
    assert "Task 1.1" in run(course, student, "next")[1]
    (student / "course.json").write_text(text)
    code, said = run(course, student, "next")
    assert code == 2 and "course.json can't be read: is it as `new` made it?" in said
