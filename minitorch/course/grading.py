"""Points for a student's folder: its blocks, nothing else of it, go into a copy of the solved package and are tried.

One task at a time, with all others solved: so edited tests do not help, and a blank costs the points of its own task.
The copy is compared after each trial: what a student's code wrote into it does not reach the next.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import checking, marks
from .checking import Limits, Trial
from .folder import STAFF, Folder, sources, write
from .outline import Course, Task

LIMITS = Limits(test=10.0, all=30.0)
TOTAL = 900.0  # seconds for all tasks
# No solution looks at who called it, or into the interpreter.
FORBIDDEN = re.compile(
    r"\b(_getframe|_current_frames|currentframe|getouterframes|f_back|f_locals|f_globals|tb_frame|settrace|setprofile"
    r"|get_objects|get_referrers|ctypes)\b"
)
CHECKERS = ("pytest", "unittest", "numpy.testing")  # watched where a solution names them
GUARDED = ("course/telling.py", "autograd/diagnosis.py", "autograd/gradcheck.py")


class Mark(NamedTuple):
    """What a task got. why: in a few words, where the points are lost; said: the report of its tests; hidden: of hidden
    tests, which is for the staff."""

    task: Task
    points: int
    why: str
    said: str
    hidden: str = ""
    seconds: float = 0.0


class Bench:
    """A copy of the solved package, in which texts are exchanged while the bytecode of all others stays good."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.solved = dict(sources(course.root))
        self.place = Path(tempfile.mkdtemp(prefix="minitorch-course-"))
        self.build()

    def build(self) -> None:
        """Make the copy, with the bytecode that is there."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(mode=0o700)
        package = self.course.root / "minitorch"
        top = {name.removeprefix("course/") for name in STAFF}

        def left_out(folder: str, names: list[str]) -> Iterable[str]:
            return top.intersection(names) if Path(folder) == package / "course" else ()

        shutil.copytree(package, self.place / "minitorch", ignore=left_out)
        self.now, self.warmed = dict(self.solved), False
        self.clock = int(time.time()) - 1_000_000  # a time of its own for every text: bytecode knows them by it

    def exchange(self, texts: Mapping[str, str]) -> None:
        """Let the copy be the solved package but for these texts."""
        for name, text in {**self.solved, **texts}.items():
            if self.now[name] != text:
                self.clock += 1
                write(self.place / name, text)
                os.utime(self.place / name, (self.clock, self.clock))
                self.now[name] = text

    def state(self) -> dict[str, tuple]:
        """When each file was changed, and its size."""
        out = {}
        for folder, _, names in os.walk(self.place / "minitorch"):
            for name in names:
                found = os.lstat(os.path.join(folder, name))
                out[os.path.join(folder, name)] = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
        return out

    def run(self, texts: Mapping[str, str], tasks: list[Task], tests: Mapping[str, str], **settings: Any) -> Trial:
        """Try tasks with these texts in place of the package's."""
        self.exchange(texts)
        limits = settings.pop("limits", LIMITS)
        if tasks[0].kernels != "reference":  # which have to be compiled
            limits = limits._replace(test=6 * limits.test, all=4 * limits.all)
        home = {"HOME": str(self.place / "home"), "MINITORCH_CACHE_DIR": str(self.place / "kernels")}
        return checking.run(
            self.place, tests, tasks, limits, variables={**home, **settings.pop("variables", {})}, **settings
        )

    def warm(self) -> None:
        """Have all bytecode written that an import needs, once."""
        if not self.warmed:
            self.run({}, [Task("0.0", "", (), "", ("", "", ""))], {})
        self.warmed = True

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.place, ignore_errors=True)


def grade(
    place: Folder, *, hidden: Path | None = None, limits: Limits = LIMITS, total: float = TOTAL
) -> Iterator[Mark]:
    """A mark for each task of a student's folder. hidden: a folder with more tests, `test_unitNN.py`."""
    bench = Bench(place.course)
    until = time.monotonic() + total
    try:
        for task in place.tasks.values():
            if time.monotonic() > until:
                yield Mark(task, 0, f"not tried: the {total:g} s for all tasks are over", "")
            else:
                yield mark(bench, task, place.solution(task), hidden, limits)
    finally:
        bench.close()


def mark(
    bench: Bench, task: Task, solution: Mapping[str, list[str]] | str, hidden: Path | None, limits: Limits
) -> Mark:
    """What a solution gets: the texts of its blocks in each file, or why there are none."""
    if isinstance(solution, str):
        return Mark(task, 0, solution, "")
    try:
        texts = {name: marks.put(bench.solved[name], {task.id: blocks}) for name, blocks in solution.items()}
    except ValueError as error:
        return Mark(task, 0, str(error), "")
    if all(marks.said(task.id, task.title) in text for blocks in solution.values() for text in blocks):
        return Mark(task, 0, "still to be written", "")
    for text in (text for blocks in solution.values() for text in blocks):
        if found := FORBIDDEN.search(text):
            return Mark(task, 0, f"uses {found[0]}, which no solution needs", "")
    unit = bench.course.unit_of(task.id)
    file = bench.course.tests(unit)
    trial = tried(bench, task, texts, {f"tests/{file.name}": file.read_text(encoding="utf-8")}, limits)
    said = checking.report(task, trial)
    if not checking.passed(task, trial):
        failed = sum(bool(outcome.kind) for outcome in trial.outcomes)
        why = trial.trouble.splitlines()[0] if trial.trouble else f"{failed} of {len(trial.outcomes)} tests fail"
        return Mark(task, 0, why, said, "", trial.seconds)
    if hidden is not None and (more := hidden / file.name).exists():
        second = tried(bench, task, texts, {f"hidden/{file.name}": more.read_text(encoding="utf-8")}, limits)
        if second.outcomes or second.trouble:  # a hidden file may have no test of this task
            report = checking.report(task, second)
            if not checking.passed(task, second):
                why = "the tests that you have pass; a hidden test, of the same kind with other numbers, does not"
                return Mark(task, 0, why, said, report, trial.seconds + second.seconds)
    return Mark(task, task.points, "", said, "", trial.seconds)


def tried(bench: Bench, task: Task, texts: Mapping[str, str], tests: Mapping[str, str], limits: Limits) -> Trial:
    """Try texts from outside: what checks them is guarded, and the copy of the package with it."""
    bench.warm()
    bench.exchange(texts)
    guarded = {"__main__": checking.TRIAL.read_text(encoding="utf-8")}
    for name in GUARDED:
        if f"minitorch/{name}" in bench.now:
            guarded[f"minitorch.{name.removesuffix('.py').replace('/', '.')}"] = bench.now[f"minitorch/{name}"]
    watched = [name for name in CHECKERS if any(name in text for text in texts.values())]
    before = bench.state()
    trial = bench.run(
        texts,
        [task],
        tests,
        guarded=guarded,
        watched=watched,
        limits=limits,
        variables={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    if bench.state() != before:
        bench.build()
        if not trial.trouble:
            trial = trial._replace(trouble="changed files of the package while it ran", kind="changed")
    return trial


# ----------------------------------------------------------------------------------------------------------- reports


def table(marked: list[Mark]) -> str:
    """The points of all tasks, and below a task that lost some, why."""
    right, wrong = checking.symbols()
    lines = []
    for m in marked:
        lines.append(f"{wrong if m.why else right} {m.task.id:<5} {m.points:>2} of {m.task.points:<3} {m.task.title}")
        if m.why:
            lines.append(f"        {m.why}")
    lines.append(f"{sum(m.points for m in marked)} of {sum(m.task.points for m in marked)} points")
    return "\n".join(lines)


def results(marked: list[Mark], notes: list[str], seconds: float) -> dict:
    """The same as Gradescope reads it, in results.json."""
    tests = []
    for m in marked:
        tests.append(
            {
                "name": f"{m.task.id} {m.task.title}",
                "number": m.task.id,
                "score": m.points,
                "max_score": m.task.points,
                "status": "failed" if m.why else "passed",
                "output": "\n".join(filter(None, (m.why, m.said))),
                "visibility": "visible",
            }
        )
        if m.hidden:
            name = f"{m.task.id} hidden tests"
            tests.append(
                {"name": name, "number": m.task.id, "status": "failed", "output": m.hidden, "visibility": "hidden"}
            )
    return {
        "score": sum(m.points for m in marked),
        "execution_time": round(seconds),
        "output": "\n".join(notes),
        "stdout_visibility": "hidden",
        "visibility": "visible",
        "tests": tests,
    }


def write_results(path: Path, content: dict) -> None:
    """Write results.json, in one step."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(beside, path)


def workflow(course: Course, ids: list[str], version: str) -> str:
    """A workflow for GitHub Classroom: a step and its points for each task."""
    steps = []
    for id in ids:
        task = course.tasks[id]
        steps.append(f"""\
      - name: "task {id}: {task.title}"
        id: task-{id.replace(".", "-")}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: "{id} {task.title}"
          command: cd "$RUNNER_TEMP" && python -m minitorch.course grade "$GITHUB_WORKSPACE" --task {id}
          timeout: 5
          max-score: {task.points}
""")
    names = [f"task-{id.replace('.', '-')}" for id in ids]
    environment = "".join(f"          {n.upper()}_RESULTS: ${{{{ steps.{n}.outputs.result }}}}\n" for n in names)
    return f"""\
name: Autograding Tests
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: python -m pip install "minitorch-numba=={version}"
{"".join(steps)}\
      - name: Autograding Reporter
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{environment}\
        with:
          runners: {",".join(names)}
"""
