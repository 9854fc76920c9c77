"""Runs the tests of some tasks in a process of its own, and reports each over a channel; started by `checking.run`.

This file is a script that imports nothing of the package but what it tries. The job comes as JSON on standard input:
where the package is, the tests as text, the limits, and a key. Each line of the report is signed with the key, so that
what the code under trial writes into the channel does not count. What stood in NumPy, the builtins and the tests before
that code was imported must stand there afterwards, and the functions of `telling` must be those of its source.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import hmac
import importlib
import io
import json
import linecache
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

PRINTED = 100_000  # characters that a test may print
SHOWN = 2_000  # of these are shown
FILES = 1 << 28  # bytes that a file may have
BLANK = re.compile(r"task (\d+\.\d+): ")


class Stop(BaseException):
    """Ends a test from outside: no `except Exception` of the code under trial holds it up."""


class Paper(io.StringIO):
    """Standard output of a test: ends the test that prints without end."""

    def write(self, text: str) -> int:
        """Write, or raise Stop where it becomes too much."""
        if self.tell() > PRINTED:
            raise Stop("flood", f"printed more than {PRINTED:,} characters")
        return super().write(text)


def main() -> None:
    """Read the job, run it, report, and end the process, whatever still runs in it."""
    job = json.loads(sys.stdin.buffer.read())
    channel, key, me = job["channel"], job["key"].encode(), os.getpid()
    os.set_inheritable(channel, False)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    os.dup2(sys.stdin.fileno(), 0)

    def send(**message: Any) -> None:
        if os.getpid() != me:  # a child that the code under trial forked
            os._exit(0)
        text = json.dumps(message)
        os.write(channel, f"{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()} {text}\n".encode())

    limit(job)
    sys.path[0] = job["root"]
    for name in job["watched"]:
        with suppress(ImportError):
            importlib.import_module(name)
    before = surroundings()
    paper = sys.stdout = sys.stderr = Paper()
    try:
        modules = load(job)
    except BaseException as error:  # noqa: B036
        restored(before)
        kind, text = told(error, job)
        send(failed=kind, text=text)
        os._exit(0)
    kept = [(module, dict(vars(module))) for module in modules]
    kept += [(sys.modules[name], dict(vars(sys.modules[name]))) for name in job["guarded"] if name in sys.modules]
    tensor = vars(sys.modules["minitorch"]).get("Tensor", object)
    methods = dict(vars(tensor))
    changed = restored(before)
    for function in list(functions(modules, job)):
        send(begun=function.__name__)
        paper = sys.stdout = sys.stderr = Paper()
        began = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, job["seconds"], 1.0)
            try:
                function()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            kind, text = "", ""
        except BaseException as error:  # noqa: B036
            kind, text = told(error, job)
        changed |= restored(before)
        seconds = time.perf_counter() - began
        send(test=function.__name__, kind=kind, text=text, printed=paper.getvalue()[:SHOWN], seconds=seconds)
        if kind in job["fatal"]:
            break
    if job["guarded"]:
        changed |= set(differing(before, kept, job))
        changed |= {f"Tensor.{key}" for key in methods if vars(tensor).get(key) is not methods[key]}
    send(done=True, changed=sorted(changed))
    os._exit(0)


def limit(job: dict) -> None:
    """Bound memory, and tell a test that takes too long so; the parent kills what does not listen."""
    import resource

    bounds = {"AS": job["memory"], "CPU": job["cpu"], "CORE": 0, "FSIZE": FILES}
    for name, value in bounds.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):  # macOS bounds no address space; the parent watches
            resource.setrlimit(kind, (value, value))

    def expired(*_: Any) -> None:
        raise Stop("time", f"no end after {job['seconds']:g} s")

    signal.signal(signal.SIGALRM, expired)


def load(job: dict) -> list[ModuleType]:
    """Import the package, and make modules of the tests."""
    signal.setitimer(signal.ITIMER_REAL, job["seconds"], 1.0)
    importlib.import_module("minitorch.course.telling")
    modules = []
    for path, text in job["tests"].items():
        module = ModuleType(os.path.basename(path).removesuffix(".py"))
        module.__file__ = path
        sys.modules[module.__name__] = module
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        exec(compile(text, path, "exec", dont_inherit=True), vars(module))
        modules.append(module)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return modules


def functions(modules: list[ModuleType], job: dict) -> Iterator[FunctionType]:
    """The tests whose names begin as the job says, in the order of their files."""
    for module in modules:
        for name, value in list(vars(module).items()):
            if name.startswith(tuple(job["prefixes"])) and isinstance(value, FunctionType):
                yield value


# ------------------------------------------------------------------------------------------------- what went wrong


def told(error: BaseException, job: dict) -> tuple[str, str]:
    """What kind of failure an exception is, and a few lines for who wrote the code."""
    try:
        kind, text = of_kind(error, job)
        return kind, text[: 2 * SHOWN]
    except Exception:  # its __str__ raises, or isinstance is another function by now
        return "error", f"{type(error).__name__}, which can't be told"


def of_kind(error: BaseException, job: dict) -> tuple[str, str]:
    """The same, of an exception that can be told."""
    if isinstance(error, Stop):
        kind, text = error.args
        return kind, f"{text}{last_place(error, job)}"
    if isinstance(error, NotImplementedError) and BLANK.match(str(error)):
        return "blank", str(error)
    if isinstance(error, SystemExit):
        return "exit", f"called sys.exit({error.code!r}){last_place(error, job)}"
    if isinstance(error, MemoryError):
        allowed = f"the limit is {job['memory'] / 2**30:.1f} GB"
        return "memory", f"asked for too much memory ({allowed}){last_place(error, job)}"
    if type(error).__name__ == "Mistake":
        return "wrong", str(error)
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{inside(error.filename, job)}:{error.lineno}"
        line = (error.text or "").rstrip()
        caret = " " * (max(error.offset or 1, 1) - 1) + "^"
        return "syntax", f"{type(error).__name__} in {place}: {error.msg}\n    {line}\n    {caret}"
    if isinstance(error, AssertionError) and not error.args:
        return "wrong", f"this does not hold:{last_place(error, job)}"
    kind = "wrong" if isinstance(error, AssertionError) else "error"
    return kind, f"{type(error).__name__}: {str(error)[:SHOWN]}{last_place(error, job)}"


def last_place(error: BaseException, job: dict) -> str:
    """The deepest line of a traceback in the student's files, else in the package; and the line of the test."""
    frames = [f for f in traceback.extract_tb(error.__traceback__, limit=-200) if f.filename != __file__]
    telling = os.path.join("course", "telling.py")
    mine = [f for f in frames if inside(f.filename, job) in job["files"]]
    package = [f for f in frames if f.filename.startswith(job["root"]) and not f.filename.endswith(telling)]
    tests = [f for f in frames if f.filename in job["tests"]]
    shown = (mine or package)[-1:] + tests[-1:]
    return "".join(f"\n  {inside(f.filename, job)}:{f.lineno}: {f.line}" for f in shown)


def inside(path: str, job: dict) -> str:
    """A path as the student knows it."""
    return os.path.relpath(path, job["root"]) if path.startswith(job["root"] + os.sep) else path


# ------------------------------------------------------------------------------------------- what must not be changed


def surroundings() -> dict:
    """What tests rest upon: the functions of NumPy, of the builtins, and of checkers that the code names."""
    importlib.import_module("numpy")
    tops = ("numpy", "_pytest", "pytest", "unittest", "builtins", "math", "operator")
    out = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in tops and isinstance(module, ModuleType):
            out.update({(name, key): value for key, value in list(vars(module).items()) if callable(value)})
    return {key: (value, code(value)) for key, value in out.items()}


def restored(before: dict) -> set[str]:
    """Put builtins back that were changed, for what reports rests upon them, too; their names."""
    found = {
        key for (name, key), (value, _) in before.items() if name == "builtins" and vars(builtins).get(key) is not value
    }
    for key in found:
        setattr(builtins, key, before["builtins", key][0])
    return {f"builtins.{key}" for key in found}


def code(value: Any) -> Any:
    """What a function does, which can be exchanged while the function stays the same object."""
    value = getattr(value, "_implementation", value)
    return (value.__code__, value.__defaults__) if isinstance(value, FunctionType) else None


def differing(before: dict, kept: list[tuple], job: dict) -> Iterator[str]:
    """What was changed: the surroundings, the tests and guarded modules since they were imported, and these in it."""
    for (name, key), value in before.items():
        now = vars(sys.modules[name]).get(key)
        if now is not value[0] or code(now) != value[1]:
            yield f"{name}.{key}"
    for module, names in kept:
        yield from (f"{module.__name__}.{key}" for key, value in names.items() if vars(module).get(key) is not value)
        text = job["tests"].get(module.__file__) or job["guarded"][module.__name__]
        yield from (f"{module.__name__}.{key}" for key in unlike(module, text))
    for package, _, module in (name.rpartition(".") for name in job["guarded"] if name in sys.modules):
        own = {} if not package else vars(sys.modules[f"{package}.{module}"])
        for key, shown in vars(sys.modules[package]).items() if own else ():  # what the package shows of it
            if isinstance(own.get(key), FunctionType) and shown is not own[key] and not isinstance(shown, ModuleType):
                yield f"{package}.{key}"
    if sys.gettrace() or sys.getprofile():
        yield "sys.settrace"


def unlike(module: Any, text: str) -> Iterator[str]:
    """The names of a module whose functions are not those of its source; decorated ones are left out."""
    codes = nested(compile(text, "", "exec", dont_inherit=True))
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
            value = vars(module).get(node.name)
            parts = {"": value, **(vars(value) if isinstance(value, type) else {})}
            for key, part in parts.items():
                strange = not key and getattr(part, "__module__", "") != module.__name__
                if strange or (isinstance(part, FunctionType) and part.__code__ not in codes):
                    yield f"{node.name}.{key}".rstrip(".")


def nested(made: CodeType) -> set[CodeType]:
    """A code object and all that stand in it."""
    out = {made}
    for inner in made.co_consts:
        if isinstance(inner, CodeType):
            out |= nested(inner)
    return out


if __name__ == "__main__":
    main()
