"""Writes docs/coverage.md: every public name of PyTorch's main namespaces, and whether it is here, or why not.

python tests/scripts/make_coverage.py           needs torch, as `make parity` installs it
"""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"
SPACES = {
    "torch": "",
    "torch.Tensor": "Tensor",
    "torch.nn": "nn",
    "torch.nn.functional": "nn.functional",
    "torch.nn.init": "nn.init",
    "torch.nn.utils": "nn.utils",
    "torch.optim": "optim",
    "torch.optim.lr_scheduler": "optim.lr_scheduler",
    "torch.autograd": "autograd",
    "torch.linalg": "linalg",
    "torch.special": "special",
    "torch.func": "func",
    "torch.utils.data": "utils.data",
    "torch.testing": "testing",
    "torch.cuda": "cuda",
}
# Modules that scripts import; others come and go with what was imported before.
MODULES = set(
    [
        "accelerator",
        "amp",
        "ao",
        "autograd",
        "backends",
        "compiler",
        "cpu",
        "cuda",
        "distributed",
        "distributions",
        "export",
        "fft",
        "func",
        "futures",
        "fx",
        "hub",
        "jit",
        "library",
        "linalg",
        "masked",
        "mps",
        "mtia",
        "multiprocessing",
        "nested",
        "nn",
        "optim",
        "overrides",
        "package",
        "profiler",
        "quasirandom",
        "random",
        "signal",
        "sparse",
        "special",
        "testing",
        "utils",
        "version",
        "xpu",
    ]
)  # noqa: SIM905
TYPING = {"typing", "typing_extensions", "collections.abc", "enum", "functools", "dataclasses", "itertools", "warnings"}


def found(path: str) -> Any:
    """A namespace by its dotted name, None if there is none."""
    module: Any = None
    parts = path.split(".")
    for i in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            continue
        for part in parts[i:]:
            module = getattr(module, part, None)
        return module
    return module


def public(space: Any, path: str) -> Iterator[str]:
    """The names of a namespace of PyTorch's that are its own."""
    exported = set(getattr(space, "__all__", ()))
    for name in dir(space):
        value = getattr(space, name, None)
        home = getattr(value, "__module__", None) or ""
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            if path != "torch" or name not in MODULES:
                continue
        elif name not in exported and path != "torch.Tensor":
            if home.split(".")[0] in TYPING or home in TYPING:
                continue
            if path not in ("torch", home) and not home.startswith(("torch._C", path)) and inspect.isclass(value):
                continue  # imported for its own use
            if (
                not callable(value)
                and not (path == "torch" and type(value).__module__.startswith("torch"))
                and (not isinstance(value, float))
            ):
                continue
        yield name


def page() -> str:
    """The text of docs/coverage.md."""
    from minitorch import missing

    out = [
        "# What of PyTorch is here",
        "",
        "Written by `python tests/scripts/make_coverage.py`, which asks PyTorch 2.13 for its public names. A name that is",
        "not here raises AttributeError, which says what stands in the last column.",
        "",
    ]
    summary, body = ["| namespace | names | here |", "|---|---|---|"], []
    for theirs, ours in SPACES.items():
        space, mine = found(theirs), found(f"minitorch.{ours}".rstrip("."))
        names = list(public(space, theirs))
        there = [name for name in names if mine is not None and hasattr(mine, name)]
        title = f"minitorch.{ours}".rstrip(".")
        summary.append(f"| [{title}](#{title.replace('.', '').lower()}) | {len(names)} | {len(there)} |")
        body += ["", f"## {title}", "", "| name | here | why not |", "|---|---|---|"]
        for name in names:
            why = "there are no GPUs" if theirs == "torch.cuda" and name not in there else missing.reason(name)
            body.append(f"| `{name}` | yes | |" if name in there else f"| `{name}` | no | {why} |")
    return "\n".join([*out, *summary, *body, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
