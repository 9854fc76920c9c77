"""Write layers.md: every layer of the convolution family, its arguments, and a tick where a test proves one.

    python docs/make_layers.py             writes the page
    python docs/make_layers.py --verify    runs only the tests that the page names, and reports unearned ticks

A tick is earned: while the tests below run, each test that builds a layer with an argument and calls it is run again
with that argument ignored (set to its default; raised by one where there is none). If the test fails now and passes
without the change, it proves the argument. `tests/nn/test_layer_tables.py` compares the page with the exported classes.
"""

from __future__ import annotations

import functools
import html
import inspect
import os
import re
import sys
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "layers.md"
sys.path.insert(0, str(ROOT))

import minitorch  # noqa: E402 - from this checkout
from minitorch import nn  # noqa: E402

FAMILIES = {
    "Convolution": r"Conv\dd",
    "Transposed convolution": r"ConvTranspose\dd",
    "Lazy layers": r"Lazy\w+",
    "Windows as columns": r"Unfold|Fold",
    "Padding": r"\w+Pad\dd",
    "Max pooling": r"(Adaptive|Fractional)?MaxPool\dd|MaxUnpool\dd",
    "Average and power pooling": r"(Adaptive)?AvgPool\dd|LPPool\dd",
    "Resampling and shuffling": r"Upsample|Upsampling\w+|Pixel\w+|ChannelShuffle",
}
OWN = "tests/nn/test_layer_tables.py"  # has tests of layers, beside those of the page
SLOW = 1.0  # seconds: longer tests are not repeated
HEAD = """# Layers of the convolution family

Written by `python docs/make_layers.py`, not by hand. A ✓ means that a test in `tests/` proves the argument: it passes,
and it fails when the layer is built as if the argument had not been given (one larger, for an argument that has to
be). For `device`, that all but the CPU are refused. The link's title names the test.
"""

Key = tuple[str, str]  # class, argument


def layers() -> dict[str, list[type]]:
    """The exported classes by family, and within it by name."""
    exported = {name: getattr(nn, name) for name in sorted(dir(nn)) if isinstance(getattr(nn, name), type)}
    return {
        family: [cls for name, cls in exported.items() if re.fullmatch(pattern, name)]
        for family, pattern in FAMILIES.items()
    }


def arguments(cls: type) -> dict[str, Any]:
    """Arguments of the constructor and their defaults (`inspect.Parameter.empty` for none)."""
    parameters = list(inspect.signature(cls).parameters.values())
    return {p.name: p.default for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


class Prover:
    """A pytest plugin that finds a proof, a test's id, for as many (class, argument) pairs as it can."""

    def __init__(self) -> None:
        self.proofs: dict[Key, str] = {}
        self.classes = [cls for group in layers().values() for cls in group]
        self.given: set[Key] = set()  # to layers that the running test has called
        self.built: weakref.WeakKeyDictionary[Any, set[Key]] = weakref.WeakKeyDictionary()
        self.ignored: Key | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run a test; if it passes, run it again once for each argument without a proof."""
        self.given = set()
        with self.watching():
            result = yield
            fresh = sorted(self.given - self.proofs.keys())
            start = time.process_time()  # the first run may have compiled kernels; other processes do not count
            if fresh and self.passes(item, None) and time.process_time() - start < SLOW:
                for key in fresh:
                    if not self.passes(item, key):
                        self.proofs[key] = item.nodeid
        return result

    def passes(self, item: pytest.Item, ignored: Key | None) -> bool:
        """Whether a test passes when an argument is ignored."""
        self.ignored = ignored
        minitorch.manual_seed(0)
        try:
            item.runtest()
        except (Exception, pytest.fail.Exception):
            return False
        finally:
            self.ignored = None
        return True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Constructors note what they are given, and ignore what they are told to; calls note the layer."""
        call = nn.Module.__call__
        own = {cls: vars(cls).get("__init__") for cls in self.classes}

        @functools.wraps(call)
        def noting(module: Any, *args: Any, **kwargs: Any) -> Any:
            self.given |= self.built.get(module, set())
            return call(module, *args, **kwargs)

        for cls in self.classes:
            cls.__init__ = self.constructor(cls, cls.__init__)  # type: ignore[misc]
        nn.Module.__call__ = noting  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = call  # type: ignore[method-assign]
            for cls, constructor in own.items():
                if constructor is None:
                    del cls.__init__  # type: ignore[misc]
                else:
                    cls.__init__ = constructor  # type: ignore[misc]

    def constructor(self, cls: type, original: Any) -> Any:
        """The constructor of a class, watched."""
        signature, defaults = inspect.signature(original), arguments(cls)

        @functools.wraps(original)
        def watched(module: Any, *args: Any, **kwargs: Any) -> None:
            if type(module) is not cls:  # a class derived from it
                return original(module, *args, **kwargs)
            try:
                bound = signature.bind(module, *args, **kwargs)
            except TypeError:
                return original(module, *args, **kwargs)
            values = {name: value for name, value in bound.arguments.items() if name in defaults}
            self.built[module] = {(cls.__name__, n) for n, v in values.items() if not same(v, defaults[n])}
            if self.ignored and self.ignored[0] == cls.__name__ and self.ignored[1] in values:
                name = self.ignored[1]
                required = defaults[name] is inspect.Parameter.empty
                bound.arguments[name] = larger(values[name]) if required else defaults[name]
            try:
                original(*bound.args, **bound.kwargs)
            except RuntimeError:
                self.given |= self.built[module] & {(cls.__name__, "device")}
                raise

        return watched


def same(value: Any, default: Any) -> bool:
    """Whether a value is the default."""
    return value is default or (type(value) is type(default) and bool(value == default))


def larger(value: Any) -> Any:
    """A number plus one, also within tuples and lists."""
    if isinstance(value, tuple | list):
        return type(value)(map(larger, value))
    return value + 1 if isinstance(value, int | float) else value


def page(proofs: dict[Key, str]) -> str:
    """The text of layers.md: a table for all classes of a family with the same name but for the rank."""
    parts, ticks, cells = [HEAD], 0, 0
    for family, classes in layers().items():
        if classes:
            parts.append(f"\n## {family}\n")
        stems: dict[tuple, list[type]] = {}
        for cls in classes:
            stems.setdefault((re.sub(r"\dd$", "", cls.__name__), *arguments(cls)), []).append(cls)
        for group in stems.values():
            names = [cls.__name__ for cls in group]
            parts.append("\n| argument | default | " + " | ".join(names) + " |\n|---|---|" + ":-:|" * len(names) + "\n")
            for argument, default in arguments(group[0]).items():
                shown = "required" if default is inspect.Parameter.empty else f"`{default!r}`"
                marks = [tick(proofs.get((name, argument))) for name in names]
                ticks, cells = ticks + sum(map(bool, marks)), cells + len(marks)
                parts.append(f"| `{argument}` | {shown} | " + " | ".join(mark or " " for mark in marks) + " |\n")
    parts.append(f"\n{ticks} of {cells} arguments are proven.\n")
    return "".join(parts)


def tick(test: str | None) -> str:
    """A tick that names its test."""
    if test is None:
        return ""
    file, _, name = test.partition("::")
    title = html.escape(name, quote=False).replace('"', "&quot;").replace("|", "&#124;")
    return f'[✓](../{file} "{title}")'


def proofs_of(text: str) -> dict[Key, str]:
    """The proofs that a page names."""
    found: dict[Key, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if first.strip() == "argument":
            names = cells[1:]
        elif names and cells:
            for name, cell in zip(names, cells[1:], strict=True):
                match = re.fullmatch(r'\[✓\]\(\.\./(\S+) "(.*)"\)', cell)
                if match:
                    found[name, first.strip("` ")] = f"{match[1]}::{html.unescape(match[2])}"
    return found


def prove(tests: list[str]) -> dict[Key, str]:
    """The proofs that these files, or tests, hold; that a wrong call is refused proves no argument."""
    prover = Prover()
    pytest.main(
        ["-q", "--no-header", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-k", "not wrong_calls", *tests],
        plugins=[prover],
    )
    return prover.proofs


def main() -> int:
    """Write the page, or with `--verify` run the tests that it names and say which ticks are not earned."""
    os.chdir(ROOT)
    if "--verify" in sys.argv:
        claimed = proofs_of(PAGE.read_text(encoding="utf-8"))
        missing = sorted(claimed.keys() - prove(sorted(set(claimed.values()))).keys())
        print(f"{len(claimed) - len(missing)} of {len(claimed)} ticks are earned", *missing, sep="\n")
        return 1 if missing else 0
    families = sorted(map(str, Path("tests/nn").glob("test_*_family.py")))
    devices, others = f"{OWN}::test_other_devices_are_refused", f"{OWN}::test_arguments"
    text = page(prove([devices, "tests/nn/test_nn.py", *families, others]))  # the first proof counts
    PAGE.write_text(text, encoding="utf-8")
    print(text.splitlines()[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
