"""Runs scripts that were written for PyTorch, as they are: `python -m minitorch.run script.py args...`.

`import torch`, `torch.nn.functional`, `torchvision.transforms` and so on give minitorch's modules, the same objects
that `import minitorch` gives: there is no second copy, and a PyTorch that is installed stays out. Everything else is as
with `python script.py`: sys.argv, sys.path, `__main__`, exit codes, tracebacks. Processes that the script starts by way
of multiprocessing, such as the workers of a DataLoader, see the same modules.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import itertools
import json
import operator
import os
import re
import runpy
import sys
import types
from collections.abc import Callable
from typing import Any

from minitorch import missing, version

__all__ = ["execute", "install", "main"]

ROOTS = {"torch": "minitorch", "torchvision": "minitorch.vision"}
TORCH, VISION = "2.13.0", "0.28.0"  # the versions whose names are meant
# Modules of PyTorch's that stand elsewhere here.
PLACES = {
    "torch.amp.autocast_mode": "minitorch.amp",
    "torch.amp.grad_scaler": "minitorch.amp",
    "torch.autograd.grad_mode": "minitorch.autograd.modes",
    "torch.autograd.variable": "minitorch.autograd",
    "torch.cuda.amp.autocast_mode": "minitorch.cuda.amp",
    "torch.cuda.amp.grad_scaler": "minitorch.cuda.amp",
    "torch.distributed.distributed_c10d": "minitorch.distributed",
    "torch.functional": "minitorch",
    "torch.nn.parallel.distributed": "minitorch.nn.parallel",
    "torch.utils.data._utils": "minitorch.utils.data",
    "torch.utils.data._utils.collate": "minitorch.utils.data.collate",
    "torch.utils.tensorboard.writer": "minitorch.utils.tensorboard",
}
PAGE = "docs/coverage.md"
MAIN = "MINITORCH_RUN_MAIN"  # tells child processes what the parent's __main__ is
USAGE = """\
usage: python -m minitorch.run script.py [args...]
       python -m minitorch.run -m module [args...]

Runs a script that was written for PyTorch with minitorch in place of torch and torchvision. What of PyTorch is here
stands in docs/coverage.md."""


def _by_numbers(operation: Callable[[Any, Any], bool]) -> Any:
    def compare(self: str, other: Any) -> Any:
        if not isinstance(other, str | tuple | list):
            return NotImplemented
        return operation(_numbers(self), _numbers(other if isinstance(other, str) else ".".join(map(str, other))))

    return compare


class Version(str):
    """A version that compares by its numbers, with text or with tuples, as PyTorch's does."""

    __lt__, __le__, __gt__, __ge__ = map(_by_numbers, (operator.lt, operator.le, operator.gt, operator.ge))


def _numbers(text: str) -> list[int]:
    """1.10.2 of "1.10.2a0+cpu"; zeros at the end say nothing."""
    numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[+a-zA-Z]", text)[0])]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


class Names(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds minitorch's modules by PyTorch's names."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The module of that name. Raises ModuleNotFoundError, which says why, for those that are not here."""
        if name.partition(".")[0] not in ROOTS:
            return None
        try:
            found = importlib.util.find_spec(here(name))
        except ModuleNotFoundError:
            found = None
        if found is None:
            text = missing.answer(name.rpartition(".")[2], f"No module named {name!r} in minitorch")
            raise ModuleNotFoundError(text, name=name)
        return importlib.machinery.ModuleSpec(name, self, is_package=found.submodule_search_locations is not None)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The module itself, which is no new one."""
        module = importlib.import_module(here(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is to be done but to undo what the import system has written into the module."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
        _share()


def here(name: str) -> str:
    """minitorch's name of a module of PyTorch's."""
    root, dot, rest = name.partition(".")
    return PLACES.get(name, ROOTS[root] + dot + rest)


def _share() -> None:
    """Give every module of minitorch that is loaded PyTorch's name, too."""
    for name, module in list(sys.modules.items()):
        for root, ours in ROOTS.items():
            if name == ours or name.startswith(ours + "."):
                sys.modules.setdefault(root + name.removeprefix(ours), module)
    for name, ours in PLACES.items():
        parent, _, last = name.rpartition(".")
        if ours in sys.modules and parent in sys.modules:
            sys.modules[name] = sys.modules[ours]
            vars(sys.modules[parent]).setdefault(last, sys.modules[ours])


def install() -> None:
    """Have `import torch` and `import torchvision` mean minitorch, in this process and in those that it starts.

    Raises RuntimeError if PyTorch itself is loaded already.
    """
    import minitorch

    if any(isinstance(finder, Names) for finder in sys.meta_path):
        return
    for root in ROOTS:
        if root in sys.modules:
            raise RuntimeError(
                f"run.install: {sys.modules[root].__name__} is loaded already; install before importing it"
            )
    sys.meta_path.insert(0, Names())
    _share()
    minitorch.__version__ = Version(f"{TORCH}+minitorch.{version.__version__}")
    minitorch.vision.__version__ = Version(f"{VISION}+minitorch.{version.__version__}")
    _hand_on()


# ------------------------------------------------------------------------------------------------------ child processes


def _hand_on() -> None:
    """Have child processes take the names, too, before they run the parent's script for what it defines."""
    from multiprocessing import spawn

    before = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        data = before(name)
        os.environ[MAIN] = json.dumps([data.pop("init_main_from_name", None), data.pop("init_main_from_path", None)])
        return data | {"init_main_from_name": "minitorch.run"}

    spawn.get_preparation_data = prepared


def _again() -> dict[str, Any]:
    """What the parent's `__main__` defines."""
    name, path = json.loads(os.environ.get(MAIN, "[null, null]"))
    if name and name != "__main__" and not name.endswith(".__main__"):
        return runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
    return runpy.run_path(path, run_name="__mp_main__") if path else {}


# -------------------------------------------------------------------------------------------------------------- scripts


def main(arguments: list[str]) -> None:
    """Run a script, or a module after "-m", as `python` does with the same arguments. Raises SystemExit as it does."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "-m" and len(arguments) == 1 or arguments[0] != "-m" and arguments[0].startswith("-"):
        print(f"minitorch.run: {arguments[0]} is no option here, or lacks its argument\n{USAGE}", file=sys.stderr)
        raise SystemExit(2)
    install()
    execute(arguments)


def execute(arguments: list[str]) -> None:
    """Run a script, or a module after "-m", as `main` does, with the names that are there."""
    as_module = arguments[0] == "-m"
    sys.argv = arguments[as_module:]
    try:
        code, attributes = _module(arguments[1]) if as_module else _script(arguments[0])
        module = types.ModuleType("__main__")
        vars(module).update(__builtins__=builtins, **attributes)
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module  # the second name is for what children send
        exec(code, vars(module))
    except SystemExit:
        raise
    except BaseException:
        sys.excepthook = functools.partial(_shown, sys.excepthook)  # the script may have set one
        raise


def _shown(hook: Any, kind: Any, error: BaseException, trace: Any) -> None:
    """Show an error as if nobody had been there but the script."""
    _explain(error)
    hook(kind, error, error.__traceback__)


def _script(name: str) -> tuple[types.CodeType, dict[str, Any]]:
    """The code of a file, and what `__main__` says of it."""
    path = os.path.abspath(name)
    try:
        with io.open_code(path) as file:
            content = file.read()
    except OSError as error:
        print(f"minitorch.run: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    if not re.search(rb"^\s*if\b.*\b__name__\b", content, re.MULTILINE):
        from minitorch.utils.data import pool

        pool.guarded = False
    if not getattr(sys.flags, "safe_path", False):
        _first_path(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    attributes = {"__file__": path, "__loader__": loader, "__package__": None, "__cached__": None}
    return compile(content, path, "exec", dont_inherit=True), attributes


def _module(name: str) -> tuple[types.CodeType, dict[str, Any]]:
    """The code of a module, of the `__main__` in a package, and what `__main__` says of it."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
        code = spec.loader.get_code(spec.name) if spec is not None else None  # type: ignore[union-attr]
    except (ImportError, ValueError, AttributeError):
        spec = code = None
    if spec is None or code is None:
        print(f"minitorch.run: No module named {name}, or no code in it", file=sys.stderr)
        raise SystemExit(1)
    sys.argv[0] = spec.origin or name
    return code, {
        "__file__": spec.origin,
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
        "__cached__": spec.cached,
    }


def _first_path(folder: str) -> None:
    """Modules are searched for beside the script, not where the process started; minitorch stays within reach."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    started, sys.path[:1] = sys.path[:1], [folder]
    if started == [home] and home not in sys.path:
        sys.path.append(home)  # for child processes


def _explain(error: BaseException | None) -> None:
    """Say of PyTorch's names that can't be imported why, and take the frames of this file out of the tracebacks."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = _cleaned(error.__traceback__)
        text = str(error)
        if isinstance(error, ImportError | AttributeError) and re.search(
            "minitorch|'Tensor' object|named 'torch", text
        ):
            found = re.match(r"cannot import name '(\w+)' from '(minitorch[\w.]*)'", text)
            if found:
                text = missing.answer(found[1], f"cannot import name {found[1]!r} from {found[2]!r}")
            text += "" if PAGE in text else f" ({PAGE} lists what of PyTorch is here)"
            if isinstance(error, ImportError):
                error.msg = text
            error.args = (text,)
        error = error.__cause__ or error.__context__


def _cleaned(trace: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without what ran the script."""
    frames: list[types.TracebackType] = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name not in (__file__, runpy.__file__) and not name.startswith(("<frozen runpy", "<frozen importlib")):
            frames.append(trace)
        trace = trace.tb_next
    for frame, following in itertools.zip_longest(frames, frames[1:]):
        frame.tb_next = following
    return frames[0] if frames else None


if __name__ == "__main__":
    from minitorch.run import main as run  # this module, and not a copy of it

    run(sys.argv[1:])
elif __name__ == "__mp_main__":
    from minitorch import run as module

    module.install()
    globals().update(module._again())
