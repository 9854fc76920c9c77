"""`python -m minitorch.course`: a folder for a student, and in it: what is next, tests, hints, demos and points."""

from __future__ import annotations

import argparse
import importlib
import io
import itertools
import os
import re
import secrets
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from . import checking, folder, outline
from .folder import Folder
from .outline import CourseError, Task

COMMAND = "python -m minitorch.course"


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    new = verbs.add_parser("new", help="make a student's folder")
    new.add_argument("folder", type=Path)
    new.add_argument("--tasks", metavar="1-4,6.2", help="units and tasks that are to be written; by default all")
    new.add_argument("--solved", metavar="1-3", default="", help="units and tasks that are written already")
    new.add_argument("--classroom", action="store_true", help="with a workflow for GitHub Classroom")
    verbs.add_parser("next", help="which task is next, and what to write")
    check = verbs.add_parser("check", help="run the tests of tasks")
    check.add_argument(
        "tasks", nargs="*", metavar="TASK", help="1.2, or 1 for a unit, or all; by default the next task"
    )
    hint = verbs.add_parser("hint", help="a hint, one more at each call")
    hint.add_argument("task", nargs="?", metavar="TASK")
    explain = verbs.add_parser("explain", help="run the demo of a unit")
    explain.add_argument("unit", nargs="?", metavar="UNIT")
    grade = verbs.add_parser("grade", help="points of all tasks")
    grade.add_argument("folder", nargs="?", type=Path, default=Path(), help="a student's folder, by default this one")
    grade.add_argument("--task", metavar="TASK", help="of one task; the exit code says whether it has its points")
    grade.add_argument("--json", type=Path, metavar="FILE", help="write results.json as Gradescope reads it")
    grade.add_argument("--hidden", type=Path, metavar="FOLDER", help="more tests, as `pack` writes them")
    grade.add_argument("--course", type=Path, metavar="FILE", help="a course.json that counts in place of the folder's")
    if (Path(__file__).parent / "staff.py").exists():
        verify = verbs.add_parser("verify", help="for the staff: prove that the course holds together")
        verify.add_argument("--tasks", metavar="1-4,6.2", help="try these alone")
        verify.add_argument("--jobs", type=int, default=2, help="processes at a time")
        pack = verbs.add_parser("pack", help="for the staff: hidden tests, and a zip that grades with them")
        pack.add_argument("--hidden", type=Path, metavar="FOLDER", required=True, help="where to write them")
        pack.add_argument("--salt", type=int, default=None, help="a number that changes their random numbers")
        pack.add_argument("--tasks", metavar="1-4,6.2", help="as for `new`")
        pack.add_argument("--solved", metavar="1-3", default="", help="as for `new`")
    chosen = parser.parse_args(words)
    try:
        course = outline.here()
        if chosen.verb == "new":
            return make(course, chosen)
        if chosen.verb in (None, "next"):
            return following(course)
        if chosen.verb == "check":
            return check_tasks(course, chosen.tasks)
        if chosen.verb == "hint":
            return give_hint(course, chosen.task)
        if chosen.verb == "explain":
            return run_demo(course, chosen.unit)
        if chosen.verb == "grade":
            return grade_folder(course, chosen)
        return for_staff(course, chosen)
    except (CourseError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def make(course: outline.Course, chosen: argparse.Namespace) -> int:
    """`new`."""
    blank = None if chosen.tasks is None else course.chosen(chosen.tasks)
    solved = course.chosen(chosen.solved) if chosen.solved else []
    about = folder.new(course, chosen.folder, blank, solved, chosen.classroom)
    print(
        f"{chosen.folder}: {len(about['tasks'])} tasks in {len(about['units'])} units are yours to write. Begin with:"
    )
    print(f"  cd {chosen.folder}\n  {COMMAND} next")
    return 0


def following(course: outline.Course) -> int:
    """`next`."""
    place = Folder(course)
    if place.about is None:
        print(f"Here is the whole package, with every task solved. A folder to solve them in: {COMMAND} new FOLDER")
        return 0
    task = place.open()
    if task is None:
        print(f"All {len(place.tasks)} tasks are written, and their tests passed. Points: {COMMAND} grade")
        return 0
    unit = course.unit_of(task.id)
    done = sum(place.done(t) for t in place.tasks.values())
    print(
        f"Task {task.id}: {task.title}   (unit {unit.number}, {unit.title}; {done} of {len(place.tasks)} tasks done)\n"
    )
    print(textwrap.fill(task.write, 100) + "\n")
    handout = course.handout(unit)
    if handout.exists():
        print(f"  read   {os.path.relpath(handout, place.path)}")
    for name, line, _ in place.blocks(task):
        print(f"  write  {name}:{line}")
    print(f"  try    {COMMAND} check {task.id}      about {task.minutes} minutes; stuck? {COMMAND} hint {task.id}")
    return 0


def check_tasks(course: outline.Course, words: list[str]) -> int:
    """`check`."""
    place = Folder(course)
    here = {**place.tasks, **place.given}
    if words:
        ids = [id for id in (course.tasks if words == ["all"] else course.chosen(words)) if id in here]
        if not ids:
            raise CourseError(f"{' '.join(words)} has no task in this folder")
    else:
        task = place.open()
        if task is None or place.about is None:
            return following(course)
        ids = [task.id]
    progress, failed = place.progress, []
    for changed in place.changed():
        print(f"note: {changed} is not as it came; a grader uses its own")
    for changed in place.changed_outside():
        print(f"note: {changed} was changed outside the marks; a grader takes only what stands between them")
    for tasks, trial in trials(course, [here[id] for id in ids]):
        for task in tasks:
            try:
                spot = "{0[0]}:{0[1]}".format(place.blocks(task)[0])
            except ValueError as error:
                spot = f"note: {error}"
            print(f"{task.id}  {task.title}   {spot}")
            print(checking.report(task, trial))
            if checking.passed(task, trial):
                progress["passed"][task.id] = place.written(task)
            else:
                progress["passed"].pop(task.id, None)
                failed.append(task)
        if trial.kind in ("syntax", "import"):
            break
    place.keep(progress)
    print()
    if failed:
        first = failed[0].id
        print(f"Next: write on at task {first}, then {COMMAND} check {first}    (stuck? {COMMAND} hint {first})")
        return 1
    task = place.open()
    print(f"All tests pass. Next: task {task.id}, {task.title}: {COMMAND} next" if task else "All tests pass.")
    return 0


def trials(course: outline.Course, tasks: list[Task]) -> Iterator[tuple[list[Task], checking.Trial]]:
    """Tasks of a unit in one process; where it came to a bad end, each in its own."""
    for _, group in itertools.groupby(tasks, key=lambda task: (course.unit_of(task.id).number, task.kernels)):
        together = list(group)
        trial = checking.try_tasks(course, together)
        if not trial.trouble or trial.kind in ("syntax", "import") or len(together) == 1:
            yield together, trial
        else:
            yield from (([task], checking.try_tasks(course, [task])) for task in together)


def give_hint(course: outline.Course, word: str | None) -> int:
    """`hint`."""
    place = Folder(course)
    task = place.open() if word is None else course.tasks.get(word)
    if task is None:
        raise CourseError(f"there is no task {word!r}; tasks are called 1.2" if word else "all tasks are done")
    progress = place.progress
    level = min(progress["hints"].get(task.id, 0) + 1, len(task.hints))
    progress["hints"][task.id] = level
    place.keep(progress)
    print(f"Task {task.id}, hint {level} of {len(task.hints)}:")
    print(textwrap.fill(task.hints[level - 1], 100))
    return 0


def run_demo(course: outline.Course, word: str | None) -> int:
    """`explain`."""
    place = Folder(course)
    task = place.open()
    number = word if word is not None else str(course.unit_of(task.id).number if task else course.units[0].number)
    unit = next((unit for unit in course.units if str(unit.number) == number.partition(".")[0]), None)
    demo = course.demo(unit) if unit else None
    if unit is None or demo is None or not demo.exists():
        raise CourseError(f"there is no demo of unit {number}")
    paths = [str(course.root), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "MINITORCH_PLAIN": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    ended = subprocess.run([sys.executable, str(demo)], env=environment, stderr=subprocess.PIPE, text=True, check=False)
    blank = re.search(r"NotImplementedError: (task \d+\.\d+): (.*)\s*\Z", ended.stderr)
    if blank:
        print(f"\nThe demo stops here: it needs {blank[1]}, {blank[2].strip()}, which is still to be written.")
    else:
        print(ended.stderr, end="", file=sys.stderr)
    return ended.returncode


def grade_folder(course: outline.Course, chosen: argparse.Namespace) -> int:
    """`grade`."""
    path = chosen.folder.resolve()
    if (course.root / "course.json").exists():
        return delegate(course, path, chosen)
    from . import grading

    if not (path / "minitorch").is_dir() and len(inner := [p for p in path.glob("*/minitorch") if p.is_dir()]) == 1:
        path = inner[0].parent
    place, began = Folder(course, path, chosen.course), time.monotonic()
    if chosen.task is not None:
        if chosen.task not in place.tasks:
            raise CourseError(f"there is no task {chosen.task!r} to write in {path}")
        place.tasks = {chosen.task: place.tasks[chosen.task]}
    notes = [f"{name} is not as it came: it was not used" for name in place.changed()]
    notes += [f"{name} was changed outside the marks: this was not used" for name in place.changed_outside()]
    marked = list(grading.grade(place, hidden=chosen.hidden))
    for m in marked:
        if m.why and m.said:
            print(f"{m.task.id}  {m.task.title}\n{m.said}\n")
    print(*(f"note: {note}" for note in notes), grading.table(marked), sep="\n")
    if chosen.json:
        grading.write_results(chosen.json, grading.results(marked, notes, time.monotonic() - began))
    return int(not marked or any(m.why for m in marked))


def delegate(course: outline.Course, path: Path, chosen: argparse.Namespace) -> int:
    """Have the whole package, which is installed beside this student's folder, grade it."""
    elsewhere = [p for p in sys.path if p and Path(p).resolve() not in (course.root, Path.cwd())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in elsewhere if Path(p).is_dir())}
    code = "import importlib.util as u; print((u.find_spec('minitorch') or u.find_spec('sys')).origin)"
    with tempfile.TemporaryDirectory() as empty:
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True, check=False
        ).stdout.strip()
        if not found.endswith("__init__.py") or (Path(found).parents[1] / "course.json").exists():
            raise CourseError("points need the whole package beside this folder: python -m pip install minitorch-numba")
        command = [sys.executable, "-m", "minitorch.course", "grade", str(path)]
        command += ["--task", chosen.task] if chosen.task else []
        for name in ("json", "hidden", "course"):
            if (value := getattr(chosen, name)) is not None:
                command += [f"--{name}", str(value.absolute())]
        return subprocess.run(command, cwd=empty, env=environment, check=False).returncode


def for_staff(course: outline.Course, chosen: argparse.Namespace) -> int:
    """`verify` and `pack`."""
    staff = importlib.import_module(f"{__package__}.staff")
    blank = None if chosen.tasks is None else course.chosen(chosen.tasks)
    if chosen.verb == "verify":
        return int(bool(staff.verify(course, chosen.jobs, only=blank)))
    salt = secrets.randbelow(2**30) if chosen.salt is None else chosen.salt
    seeds = staff.pack(course, chosen.hidden, blank, course.chosen(chosen.solved) if chosen.solved else [], salt)
    for name, count in seeds.items():
        print(f"{chosen.hidden}/hidden/{name}: {count} seeds changed")
    print(f"{chosen.hidden}/autograder.zip: for Gradescope; salt {salt}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
