"""Points, and what a student's code must not do to get them: each ends within the limits, is named, and gets none."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from course import tiny

from minitorch.course import folder, grading
from minitorch.course.checking import Limits
from minitorch.course.folder import Folder
from minitorch.course.grading import Bench
from minitorch.course.outline import Course

LIMITS = Limits(test=1.0, all=20.0, memory=2 << 30, output=200_000)
RIGHT = "    return float(sum(x))\n"
AWAY = "subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The tiny course."""
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def bench(course: Course) -> Iterator[Bench]:
    """A copy of its package."""
    bench = Bench(course)
    yield bench
    bench.close()


def mark(bench: Bench, *lines: str, limits: Limits = LIMITS) -> grading.Mark:
    """The mark of task 1.1 for these lines in its block."""
    text = "".join(f"    {line}\n" if line[:1] != "|" else f"{line[1:]}\n" for line in lines)
    task = bench.course.tasks["1.1"]
    return grading.mark(bench, task, {"minitorch/sums.py": [text]}, None, limits)


HOSTILE = [
    ("a syntax error", ["return (1"], r"does not import: SyntaxError in minitorch/sums.py:7: '\(' was never closed"),
    ("an unexpected indent", ["x = 1", "    return x"], "IndentationError in minitorch/sums.py:8"),
    ("an endless loop", ["while True:", "    pass"], r"no end after 1 s\n.* minitorch/sums.py:[78]: "),
    ("one at import", ["return 1", "|while True: pass"], "no end after 1 s"),
    ("sys.exit", ["import sys", "sys.exit(0)"], r"called sys.exit\(0\)"),
    ("os._exit", ["import os", "os._exit(0)"], r"the process ended itself \(code 0\) .* in test_1_1_of_three"),
    ("os._exit at import", ["return 1", "|import os", "|os._exit(0)"], r"the process ended itself \(code 0\)"),
    ("sys.exit at import", ["return 1", "|raise SystemExit"], r"does not import: called sys.exit"),
    ("a crash", ["import os", "os.kill(os.getpid(), 11)"], r"the process ended itself \(SIGSEGV\)"),
    ("a recursion", ["return total(x) + 1"], "RecursionError"),
    ("a flood", ["while True:", "    print('x' * 999)"], "printed more than 100,000 characters"),
    (
        "a flood below Python",
        ["import os", "while True:", "    os.write(1, b'x' * 999)"],
        "wrote more than 200,000 bytes",
    ),
    ("10 GB", ["return len(bytearray(10 << 30)) and 7.0"], "asked for too much memory .the limit is 2.0 GB"),
    ("10 GB of numbers", ["import numpy as np", "return np.ones(10 << 27).sum()"], "asked for too much memory"),
    (
        "10 GB piece by piece",
        ["import numpy as np", "kept = []", "while True:", "    kept.append(np.empty(1 << 25))"],
        "asked for too much memory",
    ),
    ("an unreadable error", ["class Bad(Exception):", "    def __str__(self): raise ValueError", "raise Bad"], "Bad"),
    (
        "another telling.same",
        ["from minitorch.course import telling", "telling.same = lambda *a, **k: None"],
        "changed what checks it: minitorch.course.telling.same",
    ),
    (
        "another code of it",
        ["from minitorch.course.telling import same", "same.__code__ = (lambda *a, **k: None).__code__"],
        "changed what checks it: minitorch.course.telling.same",
    ),
    (
        "another same in the test",
        ["import sys", "sys.modules['test_unit01'].same = lambda *a, **k: None"],
        "changed what checks it: test_unit01.same",
    ),
    (
        "no tests any more",
        [
            "import sys",
            "m = sys.modules['test_unit01']",
            "m.test_1_1_of_none.__code__ = (lambda: None).__code__",
            "return 7.0",
        ],
        "changed what checks it: test_unit01.test_1_1_of_none",
    ),
    (
        "another Mistake",
        ["from minitorch.course import telling", "telling.Mistake = Warning", "return 7.0 * bool(x)"],
        "changed what checks it: minitorch.course.telling.Mistake",
    ),
    (
        "a method of tensors",
        ["import minitorch", "minitorch.Tensor.numpy = lambda x: 0.0", "return 7.0 * bool(x)"],
        "changed what checks it: Tensor.numpy",
    ),
    (
        "at import",
        ["return 7.0 * bool(x)", "|import numpy", "|numpy.isclose = lambda *a, **k: numpy.True_"],
        "changed what checks it: numpy.isclose",
    ),
    (
        "what the package shows",
        ["from minitorch import course", "course.same = print", "return 7.0 * bool(x)"],
        "changed what checks it: minitorch.course.same",
    ),
    (
        "numpy.isclose",
        ["import numpy", "numpy.isclose = lambda *a, **k: numpy.True_"],
        "changed what checks it: numpy.isclose",
    ),
    (
        "numpy.testing",
        ["import numpy.testing", "numpy.testing.assert_allclose = print", "return 7.0 * bool(x)"],
        "changed what checks it: numpy.testing.assert_allclose",
    ),
    (
        "pytest",
        ["import pytest", "pytest.raises = print", "return 7.0 * bool(x)"],
        "changed what checks it: pytest.raises",
    ),
    (
        "builtins",
        ["import builtins", "builtins.isinstance = lambda *a: True", "return 7.0 * bool(x)"],
        "changed what checks it: builtins.isinstance",
    ),
    (
        "a fork",
        ["import os, time", "if os.fork() == 0: time.sleep(60)", "return 7.0 * bool(x)"],
        "left a process running",
    ),
    (
        "a fork that hides",
        ["import os, time", "if os.fork() == 0:", "    os.setsid()", "    time.sleep(60)", "return 7.0 * bool(x)"],
        "left a process running",
    ),
    ("a program", ["import subprocess", f"{AWAY})", "return 7.0 * bool(x)"], "left a process running"),
    (
        "many processes",
        ["import os, time", "for _ in range(99):", "    if os.fork() == 0: time.sleep(60)", "time.sleep(9)"],
        r"runs \d+ processes at a time",
    ),
    ("a long file", ["with open('x', 'wb') as file: file.truncate(1 << 40)"], "OSError: .* File too large"),
    (
        "who called",
        ["import sys", "return sys._getframe(1).f_code.co_consts[-1]"],
        "uses _getframe, which no solution needs",
    ),
    ("strange signs", ["raise ValueError('\\udc80\\x1b[2J')"], r"ValueError: \?\?\[2J"),
    ("a closed channel", ["import os", "os.closerange(3, 99)", "return 7.0 * bool(x)"], "the process ended itself"),
    ("no input", ["return float(input())"], "EOFError"),
    (
        "words in the channel",
        [
            "import os",
            "for fd in range(3, 20):",
            "    try: os.write(fd, b'{\"done\": true}\\n')",
            "    except OSError: pass",
            "os._exit(0)",
        ],
        "wrote into the channel of the grader",
    ),
    (
        "files of the package",
        ["from minitorch.course import telling", "open(telling.__file__, 'a').write('\\n')", "return 7.0 * bool(x)"],
        "changed files of the package while it ran",
    ),
]


WAITING = {"a fork", "a fork that hides", "a program", "one at import", "an endless loop"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [pytest.param(*said, id=name, marks=pytest.mark.slow if name in WAITING else ()) for name, *said in HOSTILE],
)
def test_what_is_not_solved_gets_no_points(bench: Bench, lines: list[str], said: str) -> None:
    """The grader ends within its limits, says what happened, and the next student's code gets its points."""
    began = time.monotonic()
    given = mark(bench, *lines)
    assert given.points == 0
    assert re.search(said, f"{given.why}\n{given.said}"), f"{given.why}\n{given.said}"
    assert time.monotonic() - began < LIMITS.all + 3
    while left := [name for name in os.listdir("/proc") if name.isdigit() and trial_of(name)]:  # on its way out
        assert time.monotonic() - began < LIMITS.all + 6, left
        time.sleep(0.02)


def trial_of(process: str) -> bool:
    """Whether a process was started by a trial of this one, and lives."""
    try:
        stat = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
        environment = Path("/proc", process, "environ").read_bytes()
    except OSError:
        return False
    return stat[0] != "Z" and b"MINITORCH_COURSE_TRIAL" in environment


@pytest.mark.slow
def test_a_loop_that_stops_the_clock(bench: Bench) -> None:
    """What hears no alarm is ended from outside."""
    lines = ["import signal", "signal.setitimer(signal.ITIMER_REAL, 0)", "while True: pass"]
    assert "no end after 2 s" in mark(bench, *lines, limits=LIMITS._replace(all=2.0)).why


@pytest.mark.slow
def test_memory_of_all_processes(bench: Bench) -> None:
    """What a test shares out among children counts, too."""
    lines = [
        "import os, time",
        "for _ in range(4):",
        "    if os.fork() == 0: kept = b'x' * (100 << 20); time.sleep(60)",
    ]
    given = mark(bench, *lines, "time.sleep(9)", limits=LIMITS._replace(memory=400 << 20, test=9.0, all=9.0))
    assert "used more than 0.4 GB of memory in all its processes" in given.why


def test_right_answers_get_points_after_all_of_these(bench: Bench) -> None:
    """Whatever way the answer takes."""
    for lines in (["return float(sum(x))"], ["import numpy as np", "print('hm')", "return np.sum(x, dtype=float)"]):
        given = mark(bench, *lines)
        assert given.points == 2, given


def test_a_wrong_answer_is_told(bench: Bench) -> None:
    """Expected, got, and what was printed."""
    given = mark(bench, "print('so far', x)", "return 6.0")
    assert given.why == "2 of 2 tests fail"
    assert "the sum of 1, 2, 4 is wrong: got 6, expected 7" in given.said
    assert "printed:\n      so far [1.0, 2.0, 4.0]" in given.said


@pytest.fixture
def student(course: Course, tmp_path: Path) -> Path:
    """A new student's folder."""
    folder.new(course, tmp_path / "student")
    return tmp_path / "student"


def graded(course: Course, student: Path, **settings: object) -> dict[str, grading.Mark]:
    """The marks of a folder by task."""
    return {m.task.id: m for m in grading.grade(Folder(course, student), limits=LIMITS, **settings)}


BLANK = '    raise NotImplementedError("task 1.1: a sum")\n'


def test_a_blank_costs_no_other_points(course: Course, student: Path) -> None:
    """1.2 needs 1.1, which is blank here and solved in the copy; edited tests and helpers outside the marks do not count."""
    tiny.solve(
        student,
        "minitorch/sums.py",
        '    raise NotImplementedError("task 1.2: a mean")\n',
        "    return total(x) / len(x)\n",
    )
    tiny.solve(student, "tests/test_unit01.py", "7.0", "sums and 7.0")
    (student / "minitorch" / "course" / "telling.py").write_text("def same(*a, **k): pass\n")
    tiny.solve(student, "minitorch/sums.py", '"""Sums."""', '"""Sums."""\nimport math')
    marked = graded(course, student)
    assert [(m.points, m.why) for m in marked.values()] == [
        (0, "still to be written"),
        (3, ""),
        (0, "still to be written"),
    ]
    place = Folder(course, student)
    assert place.changed() == ["minitorch/course/telling.py", "tests/test_unit01.py"]
    assert place.changed_outside() == ["minitorch/sums.py"]
    assert grading.table(list(marked.values())).endswith("3 of 7 points")


@pytest.mark.parametrize(
    ("text", "instead", "why"),
    [
        (
            "    # END SOLUTION\n\n\ndef mean",
            "\n\ndef mean",
            "minitorch/sums.py, line 6: the solution of 1.1 has no end",
        ),
        (
            "    # BEGIN SOLUTION 1.1\n" + BLANK + "    # END SOLUTION\n",
            "    return sum(x)\n",
            "minitorch/sums.py: the lines `# BEGIN SOLUTION 1.1` and `# END SOLUTION` are missing",
        ),
        ("def mean", "# BEGIN SOLUTION 1.1\n# END SOLUTION\ndef mean", "task 1.1 has 1 blocks here, but 2 solutions"),
    ],
)
def test_marks_must_stay(course: Course, student: Path, text: str, instead: str, why: str) -> None:
    """Without them nothing can be taken, and the grader says where they should be."""
    mean = "    return total(x) / len(x)\n"
    tiny.solve(student, "minitorch/sums.py", '    raise NotImplementedError("task 1.2: a mean")\n', mean)
    tiny.solve(student, "minitorch/sums.py", text, instead)
    given = graded(course, student)
    assert (given["1.1"].points, given["1.1"].why, given["1.2"].points) == (0, why, 3)


def test_files_that_are_none(course: Course, student: Path) -> None:
    """A missing file, a folder, a link, bytes: no points, and why."""
    file = student / "minitorch" / "sums.py"
    for spoil, why in [
        (lambda: file.write_bytes(b"\xff\xfe"), "can't be read"),
        (lambda: file.write_text("#" * 2_000_000), "is too long"),
        (file.unlink, "is missing"),
        (lambda: file.symlink_to("/etc/passwd"), "is a link"),
        (lambda: (file.unlink(), file.mkdir()), "is missing"),
    ]:
        spoil()
        assert why in graded(course, student)["1.1"].why


@pytest.mark.slow
def test_hidden_tests(course: Course, student: Path, tmp_path: Path) -> None:
    """They count, and what they say is for the staff alone."""
    (tmp_path / "test_unit01.py").write_text(tiny.TESTS.replace("[1.0, 2.0, 4.0]), 7.0", "[1.0, 2.0, 5.0]), 8.0"))
    tiny.solve(student, "minitorch/sums.py", BLANK, "    return 7.0 * bool(x)\n")
    assert graded(course, student)["1.1"].points == 2
    given = graded(course, student, hidden=tmp_path)["1.1"]
    assert given.points == 0 and "got 7, expected 8" in given.hidden and "got" not in given.why + given.said
    written = grading.results([given], ["a note"], 1.0)
    assert [(t["visibility"], t.get("score")) for t in written["tests"]] == [("visible", 0), ("hidden", None)]
    assert (written["score"], written["output"]) == (0, "a note")


def test_the_time_for_all_tasks(course: Course, student: Path) -> None:
    """When it is over, the rest is not tried."""
    tiny.solve(student, "minitorch/sums.py", BLANK, RIGHT)
    assert graded(course, student, total=-1.0)["1.1"].why == "not tried: the -1 s for all tasks are over"
