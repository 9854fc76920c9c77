"""Running the tests of tasks in a process of their own, within limits, and telling what came out."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .outline import Course, CourseError, Task

TRIAL = Path(__file__).with_name("trial.py")
KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUTF8",
)
LIBRARIES = ("LC_", "LD_LIBRARY_", "DYLD_LIBRARY_")
FATAL = ("time", "memory", "flood", "exit")  # after such a failure a grader goes on to the next task


class Limits(NamedTuple):
    """What a trial may use: seconds for a test and for all, bytes of memory and of output, processes."""

    test: float = 10.0
    all: float = 60.0
    memory: int = 4 << 30
    output: int = 1 << 20
    processes: int = 64


class Outcome(NamedTuple):
    """How a test ended. kind: "" if it passed, else why not: blank, wrong, error, syntax, time, memory, flood, exit."""

    test: str
    kind: str
    text: str
    printed: str
    seconds: float


class Trial(NamedTuple):
    """A run of tests. trouble: why the run as a whole does not count, or ""; kind: that in a word."""

    outcomes: tuple[Outcome, ...]
    trouble: str
    kind: str
    seconds: float


def run(
    root: Path,
    tests: Mapping[str, str],
    tasks: Sequence[Task],
    limits: Limits = Limits(),  # noqa: B008
    *,
    guarded: Mapping[str, str] | None = None,
    watched: Iterable[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Trial:
    """Run the tests of some tasks on the package in `root`, which has `minitorch/`.

    tests: the texts of the files by the names that reports give them. guarded: modules by their names, and their
    sources, which must be unchanged after the run; without it nothing is looked for. watched: modules to import before
    the package, so that a change of them is seen. variables: of the environment, beside those of plain mode.
    """
    job_id, key = secrets.token_hex(16), secrets.token_hex(32)
    receiving, sending = os.pipe()
    job = {
        "root": str(root),
        "tests": dict(tests),
        "prefixes": [f"test_{task.id.replace('.', '_')}_" for task in tasks],
        "files": sorted({file for task in tasks for file in task.files}),
        "key": key,
        "channel": sending,
        "seconds": limits.test,
        "memory": limits.memory,
        "cpu": int(8 * limits.all) + 60,  # where the grader itself was killed, and nobody watches
        "guarded": dict(guarded or {}),
        "watched": list(watched),
        "fatal": FATAL if guarded else [],
    }
    environment = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(LIBRARIES)}
    environment |= {
        "MINITORCH_PLAIN": "1",
        "MINITORCH_KERNELS": tasks[0].kernels,
        "MINITORCH_COURSE_TRIAL": job_id,
        "OPENBLAS_NUM_THREADS": "1",
        **(variables or {}),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(TRIAL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(sending,),
        start_new_session=True,
        cwd=root,
        env=environment,
    )
    os.close(sending)
    with process, os.fdopen(receiving, "rb", buffering=0) as channel:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        try:
            report, output, trouble = _listen(process, channel, limits, began, job_id)
        finally:
            left = _end(process, job_id)
    return _read(report, output, trouble, left, key, process.returncode, time.monotonic() - began)


def _listen(
    process: subprocess.Popen, channel: Any, limits: Limits, began: float, job_id: str
) -> tuple[bytes, bytes, tuple]:
    """What came over the channel and the output until the process ended, or had to be ended: then (kind, why)."""
    report, output, counted = bytearray(), bytearray(), began
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ, report)
        selector.register(process.stdout, selectors.EVENT_READ, output)  # type: ignore[arg-type]
        while True:
            over = process.poll() is not None
            events = selector.select(0 if over else 0.05)
            for entry, _ in events:
                piece = os.read(entry.fd, 1 << 16)
                entry.data.extend(piece)
                if not piece:
                    selector.unregister(entry.fileobj)
            trouble: tuple = ()
            if len(output) > limits.output:
                trouble = "flood", f"wrote more than {limits.output:,} bytes of output"
            elif len(report) > 16 << 20:
                trouble = "channel", "wrote into the channel of the grader"
            elif not over and time.monotonic() - began > limits.all:
                trouble = "time", f"no end after {limits.all:g} s"
            elif not over and _memory(process.pid) > limits.memory:
                trouble = "memory", f"used more than {limits.memory / 2**30:.1f} GB of memory"
            elif not over and time.monotonic() - counted > 0.25:
                counted, children = time.monotonic(), _children(process.pid, job_id)
                if len(children) > limits.processes:
                    trouble = "processes", f"runs {len(children)} processes at a time"
                elif sum(map(_memory, children)) > limits.memory:
                    trouble = "memory", f"used more than {limits.memory / 2**30:.1f} GB of memory in all its processes"
            if trouble or (over and not events) or (over and not selector.get_map()):
                return bytes(report), bytes(output), trouble
            if not over and not selector.get_map():
                time.sleep(0.02)


def _memory(process: int) -> int:
    """The bytes of memory that a process has in use; 0 where nobody says."""
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _end(process: subprocess.Popen, job_id: str) -> bool:
    """End a trial and all that it started; whether something was left after it had ended by itself."""
    patience, by_itself = time.monotonic() + 1.5, process.poll() is not None
    while by_itself and _children(process.pid, job_id):  # workers of a DataLoader are on their way out
        if time.monotonic() > patience:
            break
        time.sleep(0.02)
    else:
        if by_itself:
            return False
    for _ in range(50):  # what forks while it is being killed
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        left = _children(process.pid, job_id)
        for child in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        if not left:
            break
        time.sleep(0.02)
    process.wait()
    return by_itself


def _children(group: int, job_id: str) -> list[int]:
    """The processes that a trial started and that live: those with its mark in their environment, or of its group."""
    mark, out = f"MINITORCH_COURSE_TRIAL={job_id}".encode(), []  # type: tuple[bytes, list[int]]
    if not os.path.isdir("/proc/self"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            out.append(-group)
        return out
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, _, of = file.read().rpartition(b")")[2].split()[:3]
                if state in (b"Z", b"X"):
                    continue
                with open(f"/proc/{name}/environ", "rb") as file:
                    if int(of) == group or mark in file.read():
                        out.append(int(name))
    return out


def _read(report: bytes, output: bytes, trouble: tuple, left: bool, key: str, code: int, seconds: float) -> Trial:
    """A Trial from the signed lines of a report and how the process ended."""
    outcomes, begun, done, forged = [], "", False, False
    for line in report.splitlines():
        seal, _, text = line.partition(b" ")
        if not hmac.compare_digest(seal, hmac.new(key.encode(), text, hashlib.sha256).hexdigest().encode()):
            forged = True
            continue
        message = json.loads(text, object_hook=_legible)
        if "failed" in message:
            kind = "syntax" if message["failed"] == "syntax" else "import"
            return Trial((), f"the package does not import: {message['text']}", kind, seconds)
        if "test" in message:
            outcomes.append(Outcome(**message))
            begun = ""
        elif "begun" in message:
            begun = message["begun"]
        else:
            done = True
            if message["changed"] and not trouble:
                trouble = "changed", f"changed what checks it: {', '.join(message['changed'][:5])}"
    during = f", in {begun}" if begun else ""
    if forged:
        trouble = "channel", "wrote into the channel of the grader"
    elif trouble:
        trouble = trouble[0], trouble[1] + during
    elif not done:
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        last = _plain(output.decode(errors="replace").strip()[-500:])
        trouble = (
            "exit",
            f"the process ended itself ({how}) before the tests were over{during}" + (f"\n{last}" * bool(last)),
        )
    elif left:
        trouble = "fork", "left a process running"
    kind, text = trouble or ("", "")
    return Trial(tuple(outcomes), text, kind, seconds)


def _legible(message: dict) -> dict:
    """A message whose texts hold nothing that a terminal or a file chokes on."""
    return {key: _plain(value) if isinstance(value, str) else value for key, value in message.items()}


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


# ------------------------------------------------------------------------------------------------------- what is said


def symbols() -> tuple[str, str]:
    """A mark for what passed and one for what did not, as the terminal can show them."""
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "ok ", "NO "
    return "✓", "✗"


def report(task: Task, trial: Trial) -> str:
    """The outcomes of the tests of one task, a line for each, and below those that failed what they said."""
    right, wrong = symbols()
    prefix, lines, blank = f"test_{task.id.replace('.', '_')}_", [], {}  # type: ignore[var-annotated]
    for outcome in trial.outcomes:
        if not outcome.test.startswith(prefix):
            continue
        name = outcome.test.removeprefix(prefix).replace("_", " ")
        if outcome.kind == "blank":
            blank.setdefault(outcome.text, []).append(name)
            continue
        lines.append(f"  {wrong if outcome.kind else right} {name}")
        text = outcome.text
        if outcome.kind and outcome.printed:
            text += "\nprinted:\n" + outcome.printed.rstrip()
        lines += [f"      {line}" for line in text.splitlines()]
    for text, names in blank.items():
        own = text.startswith(f"task {task.id}:")
        lines.append(f"  {wrong} {', '.join(names)}: {'still to be written' if own else f'needs {text}'}")
    if trial.trouble:
        lines += [f"  {wrong} {trial.trouble}"]
    elif not lines:
        lines += [f"  {wrong} there are no tests of task {task.id}"]
    return "\n".join(lines)


def passed(task: Task, trial: Trial) -> bool:
    """Whether all tests of one task passed, in a trial of several."""
    own = [outcome for outcome in trial.outcomes if outcome.test.startswith(f"test_{task.id.replace('.', '_')}_")]
    return not trial.trouble and bool(own) and not any(outcome.kind for outcome in own)


def try_tasks(course: Course, tasks: Sequence[Task], limits: Limits = Limits(), **settings: Any) -> Trial:  # noqa: B008
    """Run the tests of tasks of one unit on the course's own package, as it stands."""
    file = course.tests(course.unit_of(tasks[0].id))
    if not file.exists():
        raise CourseError(f"{file} is missing")
    return run(course.root, {f"tests/{file.name}": file.read_text(encoding="utf-8")}, tasks, limits, **settings)
