"""For the staff: `verify` proves that the course holds together, `pack` makes what a server grades with."""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import folder, grading, marks
from .folder import Folder, sources
from .grading import Bench
from .outline import Course, CourseError, Task, Wrong

RUN = 12  # as many tokens in a row give a solution away
SALT = 2026
TOKEN = re.compile(r"\d+\.\d*|\w+|\*\*=?|//=?|->|:=|[-+*/%@&|^<>=!]=|<<|>>|\.\.\.|[^\s\w]")
COMMENT = re.compile(r"^\s*#.*$|\s{2,}#.*$", re.MULTILINE)
NUMBERED = {"default_rng", "RandomState", "Random", "manual_seed", "seed", "Generator"}  # what is called with a seed


# ------------------------------------------------------------------------------------------------------------ verify


def verify(course: Course, jobs: int = 2, say: Callable = print, only: Collection[str] | None = None) -> list[str]:
    """Prove a release; returns what is wrong with it, in sentences. only: tasks that are tried, by default all."""
    began, found = time.monotonic(), []  # type: tuple[float, list[str]]

    def step(name: str, problems: Iterator[str], counted: Callable[[], str] = str) -> None:
        at, new = time.monotonic(), list(problems)
        found.extend(new)
        count[name] = len(new)
        for problem in new:
            say(f"  {problem}")
        say(f"{name}: {len(new) or 'no'} problem{'s' * (len(new) != 1)} {counted()}({time.monotonic() - at:.0f} s)")

    count: Counter[str] = Counter()
    ids = [id for id in course.tasks if only is None or id in only]
    say(f"{len(course.units)} units, {len(course.tasks)} tasks, {sum(t.points for t in course.tasks.values())} points")
    step("marks and tests", check_marks(course, count), lambda: f"in {count['tests']} tests, {count['blocks']} blocks ")
    if not count["broken"]:
        step("what a student gets", check_folder(course, count), lambda: f"in {count['files']} files ")
        step("leaks", leaks(course), lambda: f"of {RUN} tokens ")
        step("order", in_parallel(course, order(course, ids), jobs))
        step("solved", in_parallel(course, solved(course, ids, count), jobs), lambda: f"for {count['points']} points ")
        step("hidden", in_parallel(course, salted_runs(course, ids), jobs))
        step("demos", in_parallel(course, demos(course, ids), jobs))
        step(
            "wrong solutions",
            in_parallel(course, wrongs(course, ids, count), jobs),
            lambda: f"in {count['wrong']}, {count['told']} of them caught with the right words ",
        )
    say(
        f"\n{'NOT ' * bool(found)}ready for students: {len(course.tasks)} tasks, {count['tests']} tests, "
        f"{count['leaks']} leaks, "
        f"{count['told']} of {count['wrong']} wrong solutions caught with the right words, "
        f"{len(found)} problems, {time.monotonic() - began:.0f} s"
    )
    return found


def check_marks(course: Course, count: Counter[str]) -> Iterator[str]:
    """The marks pair; a task has blocks in each of its files and nowhere else, and tests; so has nothing else."""
    places: dict[str, set[str]] = {}
    for name, text in sources(course.root, ()):
        if "SOLUTION" not in text or name.startswith("minitorch/course/") and name not in files(course):
            continue
        try:
            for block in marks.blocks(text):
                places.setdefault(block.task, set()).add(name)
                count["blocks"] += 1
                lines = block.last - block.first - 1
                if lines > 30:
                    yield f"{name}:{block.first + 1}: {lines} lines are too many for a block"
        except ValueError as error:
            count["broken"] += 1
            yield f"{name}, {error}"
    for id in places.keys() - course.tasks.keys():
        yield f"{', '.join(sorted(places[id]))}: blocks of {id}, which is no task"
    for unit in course.units:
        expected = [f"{unit.number}.{k + 1}" for k in range(len(unit.tasks))]
        if [task.id for task in unit.tasks] != expected:
            yield f"unit {unit.number}: the tasks should be called {', '.join(expected)}"
        for task in unit.tasks:
            if places.get(task.id, set()) != set(task.files):
                yield f"task {task.id}: blocks in {sorted(places.get(task.id, ()))}, the unit names {list(task.files)}"
        if not unit.tasks:
            continue
        if not course.tests(unit).exists():
            count["broken"] += 1
            yield f"unit {unit.number} has no {course.tests(unit).name}"
            continue
        names = re.findall(r"^def (test_\w+)\(", course.tests(unit).read_text(encoding="utf-8"), re.MULTILINE)
        count["tests"] += len(names)
        for task in unit.tasks:
            if not any(name.startswith(prefix(task)) for name in names):
                yield f"task {task.id} has no test"
        for name in names:
            if not name.startswith(tuple(prefix(task) for task in unit.tasks)):
                yield f"{course.tests(unit).name}: {name} belongs to no task"
        for name, times in Counter(names).items():
            if times > 1:
                yield f"{course.tests(unit).name}: {name} stands there {times} times"
        for file in (course.handout(unit), course.demo(unit)):
            if not file.exists():
                yield f"unit {unit.number} has no {file.relative_to(course.home)}"


def files(course: Course) -> set[str]:
    """The files in which the tasks stand."""
    return {name for task in course.tasks.values() for name in task.files}


def prefix(task: Task) -> str:
    """How the names of a task's tests begin."""
    return f"test_{task.id.replace('.', '_')}_"


def check_folder(course: Course, count: Counter[str]) -> Iterator[str]:
    """A new folder holds no file of the staff, and is the package, byte for byte, once the blocks are put back."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "student"
        folder.new(course, place)
        about = Folder(course, place)
        for task in course.tasks.values():
            if about.blank(task) is None:
                yield f"task {task.id} is not blank in a new folder"
        for file in sorted(p for p in place.rglob("*") if p.is_file()):
            name = file.relative_to(place).as_posix()
            count["files"] += 1
            if "/wrong/" in name or "__pycache__" in name or name.endswith((".pyc", ".nbi", ".ipynb", "staff.py")):
                yield f"{name} is not for students"
            if name.startswith("minitorch/"):
                whole = (course.root / name).read_bytes()
                text = file.read_text(encoding="utf-8")
                if name in files(course):
                    text = marks.put(text, marks.taken(whole.decode()))
                if text.encode() != whole:
                    yield f"{name}: with its blocks put back it is another file than the package's"
        missing = {name for name, _ in sources(course.root)} - {
            p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()
        }
        yield from (f"{name} is missing in a new folder" for name in sorted(missing))


def leaks(course: Course) -> Iterator[str]:
    """Where a run of tokens of a solution stands in what students get."""
    owners: dict[tuple, str] = {}
    for name in sorted(files(course)):
        text = (course.root / name).read_text(encoding="utf-8")
        for block in marks.blocks(text):
            for piece in pieces("\n".join(text.splitlines()[block.first + 1 : block.last]), block.arguments):
                for run in runs(TOKEN.findall(COMMENT.sub("", piece))):
                    owners.setdefault(run, f"{block.task} ({name})")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "student"
        folder.new(course, place)
        for file in sorted(p for p in place.rglob("*") if p.is_file()):
            said, text = set(), file.read_text(encoding="utf-8")
            for version in {text, COMMENT.sub("", text)}:
                for run in runs(TOKEN.findall(version)):
                    if run in owners and owners[run] not in said:
                        said.add(owners[run])
                        yield f"{file.relative_to(place)}: of the solution of {owners[run]}: {' '.join(run)}"


def pieces(text: str, arguments: tuple[str, ...]) -> list[str]:
    """What is secret of a block: all of it; or the values of arguments, whose names a blank shows."""
    if not arguments:
        return [text]
    call = ast.parse(f"f(\n{text}\n)", mode="eval").body
    assert isinstance(call, ast.Call)
    return [ast.get_source_segment(f"f(\n{text}\n)", keyword.value) or "" for keyword in call.keywords]


def runs(tokens: list[str]) -> Iterator[tuple]:
    """All runs of tokens in a row."""
    return zip(*(itertools.islice(tokens, i, None) for i in range(RUN)), strict=False)


Job = Callable[[Bench], "list[str]"]


def in_parallel(course: Course, jobs: Iterator[Job], workers: int) -> Iterator[str]:
    """The problems that jobs find, each given a copy of the package; neighbours run in the same one."""
    every = list(jobs)
    size = max(1, -(-len(every) // workers))

    def several(part: list[Job]) -> list[str]:
        bench = Bench(course)
        try:
            return [problem for job in part for problem in job(bench)]
        finally:
            bench.close()

    with ThreadPoolExecutor(workers) as pool:
        for problems in pool.map(several, [every[i : i + size] for i in range(0, len(every), size)]):
            yield from problems


def order(course: Course, only: Collection[str]) -> Iterator[Job]:
    """With the first k tasks solved and the others blank, the tests of the k-th pass, and those of the next say that it
    is to be written."""
    ids = list(course.tasks)
    for k in range(len(ids) + 1):
        if not {*ids[max(k - 1, 0) : k + 1]} & {*only}:
            continue
        yield lambda bench, k=k: in_order(course, bench, ids, k)  # type: ignore[misc]


def in_order(course: Course, bench: Bench, ids: list[str], k: int) -> list[str]:
    """The problems where the first k tasks are solved."""
    titles = {id: course.tasks[id].title for id in ids[k:]}
    texts = {name: marks.blank(bench.solved[name], titles) for name in files(course)}
    out = []
    for id, solved in [(id, True) for id in ids[max(k - 1, 0) : k]] + [(id, False) for id in ids[k : k + 1]]:
        task = course.tasks[id]
        trial = bench.run(texts, [task], tests_of(course, task))
        said = "all later tasks blank" if solved else "it and all later tasks blank"
        if trial.trouble or not trial.outcomes:
            out.append(f"task {id}, {said}: {trial.trouble or 'no test ran'}")
        for outcome in trial.outcomes:
            own = outcome.kind == "blank" and outcome.text.startswith(f"task {id}:")
            if (outcome.kind != "") if solved else not own:
                what = outcome.text.splitlines()[0] if outcome.kind else "it passes"
                out.append(f"{outcome.test}, {said}: {what}")
    return out


def tests_of(course: Course, task: Task, salt: int = 0) -> dict[str, str]:
    """The file with a task's tests."""
    file = course.tests(course.unit_of(task.id))
    text = file.read_text(encoding="utf-8")
    return {f"tests/{file.name}": salted(text, salt)[0] if salt else text}


def solved(course: Course, only: Collection[str], count: Counter[str]) -> Iterator[Job]:
    """The solved package gets all points."""
    for task in [course.tasks[id] for id in only]:

        def job(bench: Bench, task: Task = task) -> list[str]:
            solution = Folder(course, about=None).solution(task)
            mark = grading.mark(bench, task, solution, None, grading.LIMITS)
            count["points"] += mark.points
            slow = (
                f"task {task.id}: its tests take {mark.seconds:.1f} s"
                if mark.seconds > 15 and task.kernels == "reference"
                else ""
            )
            return [f"task {task.id}, solved: {mark.why}\n{mark.said}"] if mark.why else [slow] if slow else []

        yield job


def salted_runs(course: Course, only: Collection[str]) -> Iterator[Job]:
    """The solved package passes the tests with other random numbers, too."""
    for unit in course.units:
        tasks = tuple(task for task in unit.tasks if task.id in only)
        if tasks and salted(course.tests(unit).read_text(encoding="utf-8"), SALT)[1]:
            yield lambda bench, tasks=tasks: salted_run(course, bench, tasks, SALT)  # type: ignore[misc]


def salted_run(course: Course, bench: Bench, tasks: tuple[Task, ...], salt: int) -> list[str]:
    """The problems of the tests of a unit with other random numbers."""
    out = []
    for _, group in itertools.groupby(tasks, key=lambda task: task.kernels):
        together = list(group)
        trial = bench.run({}, together, tests_of(course, together[0], salt))
        out += [f"salt {salt}: {trial.trouble}"] if trial.trouble else []
        out += [f"{o.test} with salt {salt}: {o.text.splitlines()[0]}" for o in trial.outcomes if o.kind]
    return out


def demos(course: Course, only: Collection[str]) -> Iterator[Job]:
    """What `explain` runs ends well on the solved package, and has something to say."""
    for unit in course.units:
        file = course.demo(unit)
        if file.exists() and {task.id for task in unit.tasks} & {*only}:
            yield lambda bench, file=file: run_demo(bench, file)  # type: ignore[misc]


def run_demo(bench: Bench, file: Path) -> list[str]:
    """The problems of a demo."""
    bench.exchange({})
    environment = {**os.environ, "MINITORCH_PLAIN": "1", "PYTHONPATH": str(bench.place)}
    began = time.monotonic()
    command = [sys.executable, str(file)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
    except subprocess.TimeoutExpired:
        return [f"{file.name} of the demos runs for more than 90 s"]
    if done.returncode or not done.stdout.strip():
        return [f"{file.name} of the demos: {(done.stderr.strip() or 'it prints nothing').splitlines()[-1]}"]
    seconds = time.monotonic() - began
    return [f"{file.name} of the demos runs for {seconds:.0f} s"] if seconds > 30 else []


def wrongs(course: Course, only: Collection[str], count: Counter[str]) -> Iterator[Job]:
    """Each typical wrong solution loses the points of its task, and the report says what is wrong with it."""
    for wrong in wrong_solutions(course):
        if wrong.task not in only:
            continue

        def job(bench: Bench, wrong: Wrong = wrong) -> list[str]:
            count["wrong"] += 1
            task, named = course.tasks[wrong.task], f"wrong solution of {wrong.task}, {wrong.mistake}"
            try:
                solution = as_solution(bench, task, wrong.blocks)
            except ValueError as error:
                return [f"{named}: {error}"]
            mark = grading.mark(bench, task, solution, None, grading.LIMITS)
            if not mark.why:
                return [f"{named}: no test fails"]
            if not re.search(wrong.says, mark.said):
                return [f"{named}: no /{wrong.says}/ in\n{textwrap.indent(mark.said or mark.why, '    ')}"]
            count["told"] += 1
            return []

        yield job


def wrong_solutions(course: Course) -> list[Wrong]:
    """All typical wrong solutions, in the order of tasks."""
    found: list[Wrong] = []
    for unit in course.units:
        if (course.home / "wrong" / f"unit{unit.number:02}.py").exists():
            found += importlib.import_module(f"{__package__}.wrong.unit{unit.number:02}").WRONG
    return found


def as_solution(bench: Bench, task: Task, texts: tuple[str, ...]) -> dict[str, list[str]]:
    """Dedented texts, one for each block of a task, with the indent of their blocks."""
    places = [(name, b) for name in task.files for b in marks.blocks(bench.solved[name]) if b.task == task.id]
    if len(places) != len(texts):
        raise ValueError(f"{len(texts)} texts for {len(places)} blocks")
    out: dict[str, list[str]] = {}
    for (name, block), text in zip(places, texts, strict=True):
        out.setdefault(name, []).append(textwrap.indent(text.rstrip("\n") + "\n", block.indent))
    return out


# -------------------------------------------------------------------------------------------------------------- pack


def salted(text: str, salt: int) -> tuple[str, int]:
    """Tests with other random numbers: every seed in them changed; and how many there were."""
    lines, found = text.splitlines(keepends=True), []  # type: tuple[list[str], list[tuple[int, int, int, int]]]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for seed in [k.value for k in node.keywords if k.arg == "seed"] + node.args[: name in NUMBERED]:
                if isinstance(seed, ast.Constant) and type(seed.value) is int:
                    found.append((seed.lineno, seed.col_offset, seed.end_col_offset or 0, seed.value))
    for number, first, last, value in sorted(found, reverse=True):
        line = lines[number - 1].encode()
        other = str((value * 1_000_003 + salt) % 2**31).encode()
        lines[number - 1] = (line[:first] + other + line[last:]).decode()
    return "".join(lines), len(found)


SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the image is built.
set -e
apt-get update && apt-get install -y python3 python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/python -m pip install 'numpy>=2' 'numba>=0.65' tqdm pooch safetensors
"""
RUN_AUTOGRADER = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission.
cd /autograder/source
PYTHONPATH=/autograder/source/package /autograder/venv/bin/python -m minitorch.course grade /autograder/submission \\
    --course course.json --hidden hidden --json /autograder/results/results.json || true
"""


def pack(course: Course, place: Path, blank: list[str] | None, given: list[str], salt: int) -> dict[str, int]:
    """Write hidden tests and autograder.zip into a new folder; returns how many seeds each hidden file has.

    The hidden tests are those of the course with other random numbers. Raises CourseError where they fail on the
    solution, or where the folder is not empty.
    """
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise CourseError(f"{place} exists, and is not an empty folder; nothing was written")
    bench, problems, texts = Bench(course), [], {}  # type: tuple[Bench, list[str], dict[str, str]]
    chosen = [id for id in course.tasks if blank is None or id in blank]
    seeds: dict[str, int] = {}
    try:
        for unit in course.units:
            tasks = tuple(task for task in unit.tasks if task.id in chosen)
            if tasks:
                name = course.tests(unit).name
                texts[name], seeds[name] = salted(course.tests(unit).read_text(encoding="utf-8"), salt)
                problems += salted_run(course, bench, tasks, salt)
    finally:
        bench.close()
    if problems:
        raise CourseError("\n".join([f"the solution fails hidden tests with salt {salt}; try another:", *problems]))
    with tempfile.TemporaryDirectory() as temporary:
        about = folder.fill(course, Path(temporary), [id for id in chosen if id not in given], given)
    place.mkdir(exist_ok=True)
    for name, text in texts.items():
        folder.write(place / "hidden" / name, text)
    folder.write(place / "course.json", json.dumps(about, indent=1) + "\n")
    with zipfile.ZipFile(place / "autograder.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in [("setup.sh", SETUP), ("run_autograder", RUN_AUTOGRADER)]:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
        archive.write(place / "course.json", "course.json")
        for name in texts:
            archive.write(place / "hidden" / name, f"hidden/{name}")
        for name, text in sources(course.root, ("course/wrong",)):
            archive.writestr(f"package/{name}", text)
    return seeds
