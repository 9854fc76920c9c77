"""The API pages: every public name with its signature and docstring, by namespace and family, and where it is defined.

They are made from the package as it is imported, not from a list: what is added to it has its entry. A family is a file
of definitions. Names of one and the same thing share an entry.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

from docstrings import restructured

import minitorch
from minitorch import surface
from minitorch.ops.declare import Pointwise
from minitorch.ops.names import PUBLIC

PACKAGE = Path(minitorch.__file__).parent
# A title and the namespaces of each page. "Tensor" stands for the class, "ops" for what is declared in minitorch/ops. A
# namespace that is not there, or needs what is not installed, is left out.
PAGES = {
    "tensor": ("Tensor", ["Tensor"]),
    "minitorch": ("minitorch", [""]),
    "ops": ("Functions of tensors", ["ops"]),
    "linalg": ("linalg", ["linalg"]),
    "special": ("special", ["special"]),
    "autograd": ("autograd", ["autograd", "autograd.functional", "autograd.graph", "autograd.forward_ad"]),
    "func": ("func", ["func"]),
    "nn": ("nn", ["nn"]),
    "nn_functional": ("nn.functional", ["nn.functional"]),
    "nn_init": ("nn.init and nn.grad", ["nn.init", "nn.grad"]),
    "nn_utils": ("nn.utils", ["nn.utils", "nn.utils.parametrizations", "nn.utils.parametrize", "nn.utils.rnn"]),
    "optim": ("optim", ["optim", "optim.lr_scheduler", "optim.swa_utils"]),
    "utils": ("utils", ["utils.data", "utils.checkpoint", "utils.tensorboard"]),
    "vision": ("vision: images", ["vision.datasets", "vision.transforms", "vision.utils", "vision.io"]),
    "vision_models": ("vision: models", ["vision.models", "vision.ops"]),
    "onnx": ("onnx", ["onnx"]),
    "distributed": ("distributed", ["distributed"]),
    "testing": ("testing, amp, accelerator", ["testing", "amp", "accelerator"]),
}
LETTERS = {"special": "s", "linalg": "l"}  # where declarations of ops put them
TITLES = {
    "ctc": "CTC",
    "rnn": "Recurrent layers",
    "lu": "LU",
    "rnn_utils": "Sequences",
    "pointwise": "Element by element",
}


@dataclass
class Entry:
    """Something public: in which namespace (and class) it is found, by which names, and what it is."""

    module: str
    names: list[str]
    thing: Any
    kind: str = "function"
    owner: str = ""
    defined: tuple[Path, int] | None = None
    declared: bool = False  # as an op
    in_place: list[str] = field(default_factory=list)

    def full(self) -> list[str]:
        """Its names in full, the first of which leads to it."""
        return [".".join(filter(None, (self.module, self.owner, n))) for n in (*self.names, *self.in_place)]


# --------------------------------------------------------------------------------------------------------- finding them


def there(space: str) -> bool:
    """Whether a namespace exists; one that needs what is not installed doesn't."""
    if space in ("Tensor", "ops"):
        return True
    try:
        importlib.import_module(f"minitorch.{space}".rstrip("."))
    except ModuleNotFoundError:
        return False
    return True


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The names that users call: those in `__all__`, or those that the module or the folder defines."""
    listed = getattr(module, "__all__", None)
    for name in sorted(vars(module) if listed is None else listed, key=str.lower):
        thing = getattr(module, name)
        home = str(getattr(thing, "__module__", ""))
        if not name.startswith("_") and callable(thing) and home.startswith("minitorch" if listed else module.__name__):
            yield name, thing


@functools.cache
def rows(path: Path) -> dict[str, int]:
    """The line of each op that a file declares by a call, as in `tan = unary("tan", ...)`."""
    calls = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    named = [(n.lineno, n.value.args[0]) for n in calls if isinstance(n.value, ast.Call) and n.value.args]
    return {str(first.value): line for line, first in named if isinstance(first, ast.Constant)}


def defined(thing: Any) -> tuple[Path, int] | None:
    """The file and the line that define it."""
    thing = inspect.unwrap(
        thing.fget if isinstance(thing, property) else thing, stop=lambda t: isinstance(t, Pointwise)
    )
    if isinstance(thing, Pointwise):
        return next(((p, rows(p)[thing.name]) for p in sorted(PACKAGE.glob("ops/*.py")) if thing.name in rows(p)), None)
    thing = getattr(thing, "function", thing)
    try:
        path, line = Path(inspect.getsourcefile(thing) or ""), inspect.getsourcelines(thing)[1]
    except (TypeError, OSError):
        return None
    return (path, max(line, 1)) if PACKAGE in path.parents else None


def gather(found: Iterator[tuple[str, Any]] | list[tuple[str, Any]], module: str) -> list[Entry]:
    """An entry for each thing; a second name of the same thing joins the first."""
    entries: dict[int, Entry] = {}
    for name, thing in found:
        if id(thing) in entries:
            entries[id(thing)].names.append(name)
        else:
            error = inspect.isclass(thing) and issubclass(thing, BaseException)
            kind = "exception" if error else "class" if inspect.isclass(thing) else "function"
            entries[id(thing)] = Entry(module, [name], thing, kind, defined=defined(thing))
    return list(entries.values())


def of_ops(where: str, module: str) -> list[Entry]:
    """What declarations of ops add to a place: T for methods, t for the package, s and l for modules of it."""
    made = surface.methods() if where == "T" else surface.functions(where)
    entries: dict[int, Entry] = {}
    for row in sorted(PUBLIC, key=lambda row: row.name):
        if where in row.on:
            entry = entries.setdefault(id(row.function), Entry(module, [], made[row.name], declared=True))
            entry.names.append(row.name)
            entry.defined = defined(row.function)
            if where == "T":
                entry.kind, entry.owner = "method", "Tensor"
                entry.in_place += [f"{row.name}_"] if set("iv") & set(row.on) else []
    return list(entries.values())


def members(cls: type, module: str, owner: str) -> list[Entry]:
    """The public methods and properties that a class itself documents and no base has."""
    found = []
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)} - {"forward"}
    for name, thing in sorted(vars(cls).items()):
        kind = "property" if isinstance(thing, property) else "method"
        thing = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
        if name.startswith("_") or name in inherited or not thing.__doc__:
            continue
        if kind == "property" or inspect.isfunction(thing):
            found.append(Entry(module, [name], thing, kind, owner, defined(thing)))
    return found


def of_tensor() -> list[Entry]:
    """The class, what ops add to it, and what it and its bases define."""
    found = [Entry("minitorch", ["Tensor"], minitorch.Tensor, "class")]
    found += of_ops("T", "minitorch")
    known = {name for entry in found for name in (*entry.names, *entry.in_place)}
    bases = minitorch.Tensor.__mro__[:-1]
    own = {e.names[0]: e for base in reversed(bases) for e in members(base, "minitorch", "Tensor")}
    return found + [entry for name, entry in sorted(own.items()) if name not in known]


def entries(space: str) -> list[Entry]:
    """All that a namespace has."""
    if space == "Tensor":
        return of_tensor()
    if space == "ops":
        return of_ops("t", "minitorch")
    full = f"minitorch.{space}".rstrip(".")
    module = importlib.import_module(full)
    found = list(public(module))
    if space in LETTERS:
        declared = surface.functions(LETTERS[space])
        return of_ops(LETTERS[space], full) + gather([f for f in found if f[0] not in declared], full)
    if not space:  # what has no other page
        elsewhere = surface.functions().keys() | vars(minitorch.nn.functional).keys() | {"Tensor"}
        found = [(name, thing) for name, thing in found if name not in elsewhere]
    return gather(found, full)


# --------------------------------------------------------------------------------------------------------- writing them


class Shown:
    """A default as a reader would write it."""

    def __init__(self, value: Any) -> None:
        text = repr(value)
        self.text = getattr(value, "__name__", "...") if text.startswith("<") else text

    def __repr__(self) -> str:
        return self.text


def signature(entry: Entry) -> str:
    """The arguments and defaults; annotations, mostly Any, are left out."""
    method = entry.kind == "method"
    if entry.kind == "property":
        return ""
    if entry.declared:
        written = surface._signature(entry.thing, method).replace(": Any", "").replace(" = ", "=")
        return f"({written.removeprefix('self').removeprefix(', ')})"
    try:
        given = inspect.signature(entry.thing).parameters.values()
    except (TypeError, ValueError):
        return "()"
    shown = [
        p.replace(annotation=p.empty, default=p.default if p.default is p.empty else Shown(p.default)) for p in given
    ]
    return str(inspect.Signature(shown[1:] if method else shown))


def titled(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}\n"


class Book:
    """All pages, and what names in running text lead to."""

    def __init__(self) -> None:
        self.pages = {page: [(s, entries(s)) for s in spaces if there(s)] for page, (_, spaces) in PAGES.items()}
        self.pages = {page: sections for page, sections in self.pages.items() if sections}
        self.known: set[str] = set()
        self.sources: dict[tuple[str, str], tuple[Path, int]] = {}  # by namespace, and name in it
        for sections in self.pages.values():
            for entry in (entry for _, found in sections for entry in found):
                inner = members(entry.thing, entry.module, entry.names[0]) if self._has_inner(entry) else []
                for e in (entry, *inner):
                    self.known.update(e.full())
                    for full in e.full() if e.defined else ():
                        self.sources[e.module, full.removeprefix(f"{e.module}.")] = e.defined

    def _has_inner(self, entry: Entry) -> bool:
        return entry.kind == "class" and entry.thing is not minitorch.Tensor

    def link(self, module: str) -> Callable[[str], str | None]:
        """What a name in a docstring of this namespace means, if it has an entry. Arguments and the like have none."""

        def find(text: str) -> str | None:
            name = re.sub(r"^F\.", "nn.functional.", text.removesuffix("()"))
            if not re.fullmatch(r"[A-Za-z_][\w.]*", name) or not ("." in name or name[0].isupper() or text != name):
                return None
            tried = (name, f"{module}.{name}", f"minitorch.{name}", f"minitorch.nn.{name}")
            return next((full for full in tried if full in self.known), None)

        return find

    def about(self, page: str) -> str:
        """How many entries a page has, and what the first of its modules says of itself."""
        space, found = self.pages[page][0]
        module = sys.modules.get(f"minitorch.{space}") or {"ops": minitorch.ops, "Tensor": minitorch.Tensor}.get(space)
        said = (inspect.getdoc(module or minitorch) or "").split("\n\n")[0]
        number = sum(len(found) for _, found in self.pages[page])
        return f"{number} entries. {restructured(said)}"

    def text(self, page: str) -> str:
        """The reStructuredText of a page."""
        sections = self.pages[page]
        out = [titled(PAGES[page][0], "=")]
        for space, found in sections:
            module = found[0].module if found else f"minitorch.{space}"
            if len(sections) > 1:
                out.append(titled(space, "-"))
            if space not in ("", "ops", "Tensor"):
                out.append(restructured(inspect.getdoc(sys.modules[module]) or "", self.link(module)) + "\n")
            out.append(f".. py:currentmodule:: {module}\n")
            for family, group in families(found).items():
                out.append(titled(TITLES.get(family, family.replace("_", " ").capitalize()), "~") if family else "")
                shown = [f":py:obj:`{e.names[0]} <{e.full()[0]}>`" for e in group]
                out.append(" · ".join(shown) + "\n" if len(group) > 2 else "")
                out += [self.entry(e) for e in group]
        return "\n".join(out)

    def entry(self, entry: Entry, inside: bool = False) -> str:
        """One entry, and what belongs to it."""
        owner = f"{entry.owner}." if entry.owner and not inside else ""
        heads = [f"{owner}{name}{signature(entry)}" for name in (*entry.names, *entry.in_place)]
        text = inspect.getdoc(entry.thing) or ""
        body = [restructured(text, self.link(entry.module))]
        if entry.owner == "Tensor" and f"minitorch.{entry.names[0]}" in self.known:
            body = [restructured(text.split("\n\n")[0], self.link(entry.module))]
            body.append(f"See :py:obj:`minitorch.{entry.names[0]}`." if "\n\n" in text else "")
        if self._has_inner(entry):
            body += [self.entry(inner, inside=True) for inner in members(entry.thing, entry.module, entry.names[0])]
        return f".. py:{entry.kind}:: " + "\n   ".join(heads) + "\n\n" + indent("\n\n".join(body), "   ") + "\n"


def families(found: list[Entry]) -> dict[str, list[Entry]]:
    """The entries by the name of the file that defines them; few are one family, and so are loners."""
    stems = [_family(entry.defined[0]) if entry.defined else "" for entry in found]
    if len(found) < 12 or 2 * len(set(stems)) > len(found):
        return {"": found}
    return {stem: [e for e, own in zip(found, stems, strict=True) if own == stem] for stem in sorted(set(stems))}


def _family(path: Path) -> str:
    return path.parent.name if path.stem == "__init__" else path.stem
