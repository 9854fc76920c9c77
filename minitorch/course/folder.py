"""A student's folder: made by `new`, and what its course.json and progress.json know."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from . import marks
from .outline import Course, CourseError, Task

STAFF = {
    "course/staff.py",
    "course/grading.py",
    "course/wrong",
    "course/tests",
    "course/handouts",
    "course/demos",
}  # the last three move up
SUFFIXES = {".py", ".pyi", ".typed"}
FORMAT = 1

README = """\
# A framework of your own

This is minitorch {version} without its heart: {count} tasks in {units} units are blank, and you write them.
When the last one is done, this folder holds all of minitorch.

Python 3.10 or newer, then once, in an environment of its own:

    python -m pip install numpy numba tqdm pooch safetensors
    git init && git add -A && git commit -m "The course begins"

Then, again and again, in this folder:

    python -m minitorch.course next             # which task, in which file and line, and what to write
    python -m minitorch.course explain          # run the demo of the unit on your own code
    python -m minitorch.course check 1.1        # the tests of a task; without a number, of the next one
    python -m minitorch.course hint 1.1         # three hints, one more at each call
    python -m minitorch.course grade            # points of all tasks; needs the whole package, installed beside

`handouts/` has a text for each unit; read it first. Write between the lines `# BEGIN SOLUTION` and `# END SOLUTION`,
and leave these lines and everything outside them as they are: a grader takes what stands between them, nothing else.

While you write, a comma may go missing, and then the package does not even import. `python course.py check`, which
takes the same words, still runs then, and says where.
"""

MAKEFILE = """\
# make check, make check T=3.2, make hint T=3.2, make next, make explain, make grade
PYTHON ?= python3

.PHONY: next check hint explain grade
next check hint explain grade:
\t@$(PYTHON) course.py $@ $(T)
"""

IGNORED = """\
__pycache__/
.venv/
.ipynb_checkpoints/
results.json
/runs/
/data/
"""

LAUNCHER = '''\
"""`python course.py VERB` is `python -m minitorch.course VERB`, also where the package does not import."""

import runpy
import sys
import types
from pathlib import Path

package = types.ModuleType("minitorch")  # so that its __init__.py does not run
package.__path__ = [str(Path(__file__).resolve().parent / "minitorch")]
sys.modules["minitorch"] = package
runpy.run_module("minitorch.course", run_name="__main__", alter_sys=True)
'''


# --------------------------------------------------------------------------------------------------------- making one


def new(
    course: Course,
    folder: Path,
    blank: Collection[str] | None = None,
    solved: Collection[str] = (),
    classroom: bool = False,
) -> dict:
    """Make a student's folder, in which the tasks `blank`, by default all, are to be written; returns its course.json.

    solved: tasks that belong to the folder's course and are written already. classroom: with a workflow for GitHub
    Classroom. Raises CourseError before anything is written where the folder is not empty or can't be.
    """
    if (course.root / "course.json").exists():
        raise CourseError(f"{course.root} is a student's folder: call `new` where the whole package is installed")
    folder = Path(os.path.abspath(folder))
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise CourseError(f"{folder} exists, and is not an empty folder; nothing was written")
    if not folder.parent.is_dir():
        raise CourseError(f"{folder.parent} is not there; nothing was written")
    if folder == course.root or course.root / "minitorch" in folder.parents:
        raise CourseError(f"{folder} lies within the package; nothing was written")
    chosen = set(course.tasks if blank is None else blank) | set(solved)
    open_ = [id for id in course.tasks if id in chosen and id not in solved]
    moved: list[Path] = []
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        about = fill(course, building, open_, [id for id in course.tasks if id in solved], classroom)
        building.chmod(0o755)
        if not folder.exists():
            os.rename(building, folder)
            return about
        for part in sorted(building.iterdir()):  # somebody may stand in an empty folder, so it stays the same one
            os.rename(part, folder / part.name)
            moved.append(folder / part.name)
        building.rmdir()
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        for part in moved:
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        raise
    return about


def fill(course: Course, folder: Path, open_: list[str], given: list[str], classroom: bool = False) -> dict:
    """Write a student's folder, file by file; returns its course.json."""
    titles = {id: course.tasks[id].title for id in open_}
    hashes, outside, made_of = {}, {}, version(course.root)
    for name, text in sources(course.root):
        has_tasks = any(name in task.files for task in course.tasks.values())
        text = marks.blank(text, titles) if has_tasks else text
        write(folder / name, text)
        if has_tasks:
            outside[name] = digest(marks.outside(text))
        elif name.startswith("minitorch/course/") or name == "minitorch/autograd/diagnosis.py":
            hashes[name] = digest(text)
    units = [unit for unit in course.units if not unit.tasks or any(task.id in {*open_, *given} for task in unit.tasks)]
    for unit in units:
        for kind, file in (
            ("handouts", course.handout(unit)),
            ("demos", course.demo(unit)),
            ("tests", course.tests(unit)),
        ):
            if file.exists():
                write(folder / kind / file.name, file.read_text(encoding="utf-8"))
                if kind == "tests":
                    hashes[f"{kind}/{file.name}"] = digest(file.read_text(encoding="utf-8"))
    about = {
        "course": FORMAT,
        "minitorch": made_of,
        "units": [unit.number for unit in units],
        "tasks": open_,
        "given": given,
        "shipped": hashes,
        "outside": outside,
    }
    write(folder / "course.json", json.dumps(about, indent=1) + "\n")
    write(folder / "course.py", LAUNCHER)
    write(folder / "README.md", README.format(version=made_of, count=len(open_), units=len(units)))
    write(folder / "Makefile", MAKEFILE)
    write(folder / ".gitignore", IGNORED)
    if classroom:
        from .grading import workflow

        write(folder / ".github" / "workflows" / "classroom.yml", workflow(course, open_, made_of))
    return about


def sources(root: Path, left_out: Collection[str] = STAFF) -> Iterator[tuple[str, str]]:
    """The files of the package that are shipped: their names from `root`, with slashes, and their texts."""
    package = root / "minitorch"
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package).as_posix()
        parts = {name, *(parent.as_posix() for parent in file.relative_to(package).parents)}
        if file.suffix in SUFFIXES and file.is_file() and "__pycache__" not in name and not parts & set(left_out):
            yield f"minitorch/{name}", file.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write a file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def digest(text: str) -> str:
    """What a text is compared by."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def version(root: Path) -> str:
    """The version of the package, without importing it."""
    names: dict[str, Any] = {}
    exec((root / "minitorch" / "version.py").read_text(encoding="utf-8"), names)
    return names["__version__"]


# -------------------------------------------------------------------------------------------------------- reading one


class Folder:
    """A student's folder, or the package itself, in which every task is written."""

    def __init__(self, course: Course, path: Path | None = None, about: Path | None = None) -> None:
        """path: where it is, by default here. about: a course.json that counts in place of the folder's own."""
        self.course, self.path = course, path or course.root
        file = about or self.path / "course.json"
        self.about: dict | None = None
        if file.exists():
            try:
                self.about = json.loads(file.read_text(encoding="utf-8"))
                right = all(isinstance(self.about[key], list) for key in ("tasks", "given"))
                right = right and all(isinstance(self.about[key], dict) for key in ("shipped", "outside"))
            except (OSError, ValueError, KeyError, TypeError):
                right = False
            if not right:
                raise CourseError(f"{file} can't be read: is it as `new` made it?")
        if self.about is None and path is not None:
            raise CourseError(f"{self.path} is no folder of the course: it has no course.json")
        if self.about is not None and self.about.get("course") != FORMAT:
            raise CourseError(f"{file} is of another version of the course: {self.about.get('course')!r}")
        known = course.tasks
        ids = list(known) if self.about is None else [id for id in self.about["tasks"] if id in known]
        self.tasks: dict[str, Task] = {id: known[id] for id in ids}
        given = [] if self.about is None else [id for id in self.about["given"] if id in known]
        self.given: dict[str, Task] = {id: known[id] for id in given}

    def read(self, name: str) -> str:
        """The text of a file. Raises ValueError where it is missing, is no ordinary file, too long, or no UTF-8."""
        path = self.path / name
        if any(part.is_symlink() for part in (path, *path.parents) if part != self.path and self.path in part.parents):
            raise ValueError(f"{name} is a link")
        if not path.is_file():
            raise ValueError(f"{name} is missing")
        if path.stat().st_size > 1_000_000:
            raise ValueError(f"{name} is too long: {path.stat().st_size:,} bytes")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{name} can't be read: {error}") from None

    def blocks(self, task: Task) -> list[tuple[str, int, str]]:
        """The blocks of a task: file, line of its first mark counted from 1, text. Raises ValueError without marks."""
        out = []
        for name in task.files:
            text = self.read(name)
            try:
                found = marks.blocks(text, task.id)
            except ValueError as error:
                raise ValueError(f"{name}, {error}") from None
            if not found:
                raise ValueError(f"{name}: the lines `# BEGIN SOLUTION {task.id}` and `# END SOLUTION` are missing")
            lines = text.splitlines(keepends=True)
            out += [(name, block.first + 1, "".join(lines[block.first + 1 : block.last])) for block in found]
        return out

    def solution(self, task: Task) -> dict[str, list[str]] | str:
        """The texts of a task's blocks in each of its files, or why they can't be told."""
        out: dict[str, list[str]] = {}
        try:
            for name, _, text in self.blocks(task):
                out.setdefault(name, []).append(text)
        except ValueError as error:
            return str(error)
        return out

    def blank(self, task: Task) -> tuple[str, int] | None:
        """File and line of the first block of a task that nothing was written into."""
        for name, line, text in self.blocks(task):
            if marks.said(task.id, task.title) in text or not text.strip():
                return name, line
        return None

    def written(self, task: Task) -> str:
        """What a task's blocks are compared by."""
        return digest("\0".join(text for *_, text in self.blocks(task)))

    def changed(self) -> list[str]:
        """The files that came with the course, and are not as they came."""
        about = self.about or {"shipped": {}, "outside": {}}
        return [name for name, value in about["shipped"].items() if self._digest(name) != value]

    def changed_outside(self) -> list[str]:
        """The files with tasks in which something outside the marks was changed."""
        about = self.about or {"shipped": {}, "outside": {}}
        return [name for name, value in about["outside"].items() if self._digest(name, outside=True) != value]

    def _digest(self, name: str, outside: bool = False) -> str | None:
        try:
            text = self.read(name)
            return digest(marks.outside(text) if outside else text)
        except ValueError:
            return None

    # What was done so far.

    @property
    def progress(self) -> dict:
        """progress.json: `hints`, how many were asked for; `passed`, and what stood in the blocks then."""
        try:
            found = json.loads((self.path / "progress.json").read_text(encoding="utf-8"))
            return {"hints": dict(found["hints"]), "passed": dict(found["passed"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {"hints": {}, "passed": {}}

    def keep(self, progress: dict) -> None:
        """Write progress.json, in one step."""
        if self.about is not None:
            beside = self.path / f".progress.{os.getpid()}"
            beside.write_text(json.dumps(progress, indent=1, sort_keys=True) + "\n")
            os.replace(beside, self.path / "progress.json")

    def done(self, task: Task, passed: dict | None = None) -> bool:
        """Whether the task's tests passed with what stands there now."""
        passed = self.progress["passed"] if passed is None else passed
        try:
            return passed.get(task.id) == self.written(task)
        except ValueError:
            return False

    def open(self) -> Task | None:
        """The task that is next."""
        passed = self.progress["passed"]
        return next((task for task in self.tasks.values() if not self.done(task, passed)), None)
