"""Random programs beside PyTorch: values, flags, gradients, what hooks see, and whether a line or backward raises.

A program is lines of text (steps.py), drawn while PyTorch runs them, then run in both libraries and compared. Of one
that fails, lines are left out as long as it still fails.
"""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

import minitorch as m
from tests.fuzz import steps
from tests.fuzz.cases import Failure

NAME = re.compile(r"t\d+\Z")
# Rules that one library writes with the result and the other without: there a hook of it changes second gradients in one.
OF_RESULT = re.compile(r"/ \(|\.div_?\(|norm\(2\.5|cumprod")
SIZE, BOUND = 200, 1e3  # of a result that later lines may use: elements, and the largest of them
# What may differ: name: (whether it does, by the line and both outcomes, why).
RULES: dict[str, tuple[Callable[[str, Any, Any], bool], str]] = {
    "changed after it was kept": (
        lambda line, found, expected: (
            "backward" in line and "modified by an inplace operation" in f"{found} {expected}"
        ),
        "which operands an op keeps for its derivative is each library's own affair",
    ),
    "view of memory that can be brought into order": (
        lambda line, found, expected: found is None and "view size is not compatible" in str(expected),
        "where nobody else has the memory of a result, or all are known, it is moved, and the view shares it",
    ),
    "operands that overlap": (
        lambda line, found, expected: found is None and "some elements of the input tensor and the" in str(expected),
        "here the result is computed before anything is written",
    ),
    "expanded memory": (
        lambda line, found, expected: expected is None and "more than one element of the written-to" in str(found),
        "PyTorch refuses to write it by most ops, but not by all; here by all",
    ),
    "windows that overlap": (
        lambda line, found, expected: expected is None and "memory is read-only" in str(found),
        "what several windows write to one place is a matter of order; Tensor.unfold's result is read-only here",
    ),
}


class Over(Exception):
    """A rule lets the libraries differ from here on; its name."""


@functools.lru_cache(4096)
def compiled(line: str) -> Any:
    """A line as code."""
    return compile(line, line, "exec")


class Side:
    """One library: the names that lines use, and what its hooks saw."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.seen: dict[int, list] = collections.defaultdict(list)
        self.names: dict[str, Any] = {
            "L": library,
            "F": library.nn.functional,
            "leaf": self.leaf,
            "const": self.const,
            "see": self.see,
        }

    def const(self, k: int, *shape: int) -> Any:
        """Numbers of the seed k."""
        return self.library.from_numpy(np.array(np.random.default_rng([k, *shape]).uniform(-1.2, 1.2, shape)))

    def leaf(self, k: int, *shape: int) -> Any:
        """The same, with a gradient."""
        return self.const(k, *shape).requires_grad_()

    def see(self, k: int) -> Callable[[Any], None]:
        """A hook."""
        return lambda g: self.seen[k].append(np.array(self.array(g)))

    def do(self, line: str) -> Exception | None:
        """Run a line; the error if it raises one."""
        try:
            if "register_hook" in line or "retain_grad" in line:  # on a stale view, PyTorch's would crash
                _ = self.names[line.partition(".")[0]].is_leaf
            exec(compiled(line), self.names)
        except Exception as error:  # noqa: BLE001
            return error
        return None

    @property
    def tensors(self) -> dict[str, Any]:
        """What the lines have made."""
        return {name: value for name, value in self.names.items() if NAME.match(name)}

    def array(self, tensor: Any) -> np.ndarray:
        """Its elements; of ours without telling it that somebody has them, after which nothing waits on it."""
        if isinstance(tensor, m.Tensor):
            return tensor.array
        if tensor._is_zerotensor():  # has no memory; PyTorch crashes now and then where it is asked for it
            return np.zeros(tuple(tensor.shape), str(tensor.dtype).partition(".")[2])
        return tensor.detach().numpy()

    def loss(self, last: int) -> Any:
        """A sum of all of the last tensors that have a gradient, weighed."""
        total: Any = 0.0
        for i, t in enumerate(list(self.tensors.values())[-last:]):
            if t.requires_grad:
                w = np.random.default_rng(i).uniform(0.5, 1.5, tuple(t.shape))
                total = total + (t * self.library.from_numpy(np.array(w)).to(t.dtype)).sum()
        return total


def settled(line: str, found: Any, expected: Any, counts: collections.Counter) -> bool:
    """Whether both refused the line. Raises Failure if one did, and Over if a rule says that this may be."""
    if type(found) is type(expected):
        counts["refused by both"] += found is not None
        return found is not None
    for name, (differs, _) in RULES.items():
        if differs(line, found, expected):
            raise Over(f"{name}, by {'us' if found is not None else 'PyTorch'}")
    raise Failure(f"{line}: PyTorch {brief(expected)}, ours {brief(found)}")


def brief(error: Any) -> str:
    """An error on one line."""
    return "does it" if error is None else " ".join(repr(error).split())[:200]


def same(found: Any, expected: Any, what: str, among: float = 1.0) -> None:
    """Same shape, dtype and numbers, within 1e-9 of the largest (1e-4 in float32), or of `among`; raises Failure."""
    if found is None or expected is None:
        if found is not expected:
            raise Failure(f"{what} is {'None' if found is None else 'there'}, PyTorch's is not")
        return
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise Failure(f"{what} is {found.dtype} {found.shape}, PyTorch's {expected.dtype} {expected.shape}")
    if found.dtype.kind != "f":
        if not np.array_equal(found, expected):
            raise Failure(f"{what} differs")
        return
    limit = 1e-4 if found.dtype == np.float32 else 1e-9
    finite = np.isfinite(expected)
    scale = max(among, float(np.abs(expected[finite]).max(initial=0.0)))
    if not (np.isfinite(found) == finite).all():
        raise Failure(f"{what} is not finite where PyTorch's is, or the other way round")
    error = float(np.abs(found[finite] - expected[finite]).max(initial=0.0)) / scale
    if error > limit:
        raise Failure(f"{what} is off by {error:.3g}: {found.ravel()[:4]}, PyTorch's {expected.ravel()[:4]}")


def shared(tensors: dict[str, Any], x: str, y: str) -> bool:
    """Whether two tensors may share memory."""
    return np.may_share_memory(
        *(t.array if isinstance(t, m.Tensor) else t.detach().numpy() for t in (tensors[x], tensors[y]))
    )


def largest_of(arrays: Iterable) -> float:
    """The largest finite magnitude in them, or 1."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=1.0)) for a in arrays), default=1.0)


def in_order(*tensors: Any) -> bool:
    """Whether PyTorch has to copy none of them to reshape it."""
    return all(t.is_contiguous() for t in tensors)


def compare(ours: Side, theirs: Side, what: str, names: list[str] | None = None) -> None:
    """Values and flags of tensors of these names, or of all."""
    a, b = ours.tensors, theirs.tensors
    if a.keys() != b.keys():
        raise Failure(f"{what}: tensors {sorted(a)}, PyTorch's {sorted(b)}")
    for name in b if names is None else names:
        try:
            same(ours.array(a[name]), theirs.array(b[name]), f"{name} after {what}")
        except Failure:
            if any(shared(a, x, name) and not (shared(b, x, name) or in_order(b[x], b[name])) for x in b if x != name):
                raise Over("reshaped memory that is shared, where PyTorch copied") from None
            raise
        try:
            flags = [(bool(t.requires_grad), bool(t.is_leaf)) for t in (a[name], b[name])]
        except RuntimeError as error:  # PyTorch brings a view up to date, which it may refuse
            if "returns multiple views" in str(error):
                raise Over("changed one of several views") from None
            raise
        if flags[0] != flags[1]:
            raise Failure(f"{name} after {what}: (requires_grad, is_leaf) is {flags[0]}, PyTorch's {flags[1]}")


def run(lines: list[str], large: bool, second: bool, counts: collections.Counter) -> None:
    """The program in both libraries, then backward; raises Failure, or Over if a rule ends it."""
    ours, theirs = Side(m), Side(torch)
    for line in lines:
        expected, found = theirs.do(line), ours.do(line)
        settled(line, found, expected, counts)
        if not large:  # looking at a result that waits would have it computed
            new = line.partition(" = ")[0]
            compare(ours, theirs, line, [new] if NAME.match(new) and new in theirs.names else None)
    if any(".data" in line for line in lines):  # of what changed unseen, gradients are anybody's guess
        compare(ours, theirs, "the last line")
        return
    last = 4 if large else len(theirs.tensors)
    losses, errors = zip(*(attempt(side.loss, last) for side in (ours, theirs)), strict=True)
    settled("loss", *errors, counts)
    if getattr(losses[1], "requires_grad", False):
        text = "; ".join(lines)
        if second and not ("g * 2" in text and OF_RESULT.search(text)):
            twice(ours, theirs, losses, counts)
        else:
            once(ours, theirs, losses, counts)
        counts["gradients compared"] += 1
    compare(ours, theirs, "backward")


def attempt(function: Callable, *args: Any) -> tuple[Any, Exception | None]:
    """The result, and the error."""
    try:
        return function(*args), None
    except Exception as error:  # noqa: BLE001
        return None, error


def once(ours: Side, theirs: Side, losses: tuple, counts: collections.Counter) -> None:
    """Backward, the gradients of leaves and of what retains them, and what hooks saw.

    Gradients are sums of terms as large as the largest gradient: where they cancel, the rounding of the terms is left.
    """
    if settled("backward", *(attempt(loss.backward)[1] for loss in losses), counts):
        raise Over("backward refused by both")
    watched = [name for name, x in theirs.tensors.items() if x.is_leaf or x.retains_grad]
    largest = largest_of(theirs.array(g) for name in watched if (g := theirs.names[name].grad) is not None)
    for name in watched:
        a, b = (None if (g := side.names[name].grad) is None else side.array(g) for side in (ours, theirs))
        if a is None and b is not None and not b.any():
            raise Over("overwritten: no gradient, PyTorch's is zeros")
        same(a, b, f"the gradient of {name}", largest)
    for k in {*ours.seen, *theirs.seen}:
        a, b = ours.seen[k], theirs.seen[k]
        if len(a) != len(b):
            if not a and len(b) == 1 and not b[0].any():
                raise Over("overwritten: no gradient, PyTorch's is zeros")
            raise Failure(f"see({k}) was called {len(a)} times, by PyTorch {len(b)} times")
        if len(a) == 1:  # the order of several is open
            same(a[0], b[0], f"what see({k}) saw", largest)


def twice(ours: Side, theirs: Side, losses: tuple, counts: collections.Counter) -> None:
    """Gradients of the leaves, and those of the sum of their squares."""
    names = [name for name, t in theirs.tensors.items() if t.is_leaf and t.requires_grad]
    if not names:
        return

    def gradients(side: Side, loss: Any) -> list:
        leaves = [side.names[name] for name in names]
        first = side.library.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        total: Any = sum((g * g).sum() for g in first if g is not None)
        again: Any = [None] * len(leaves)
        if getattr(total, "requires_grad", False):
            again = side.library.autograd.grad(total, leaves, allow_unused=True)
        filled = [np.zeros(tuple(x.shape)) if g is None else side.array(g) for g, x in zip(again, leaves, strict=True)]
        return [None if g is None else side.array(g) for g in first] + filled

    (found, error), (expected, refused) = attempt(gradients, ours, losses[0]), attempt(gradients, theirs, losses[1])
    if settled("backward", error, refused, counts):
        raise Over("backward refused by both")
    largest = largest_of(g for g in expected if g is not None)
    for i, name in enumerate(names * 2):
        same(found[i], expected[i], f"the {'second ' if i >= len(names) else ''}gradient of {name}", largest)
    counts["second order"] += 1


# -------------------------------------------------------------------------------------------------------------- drawing
def drawn(rng: np.random.Generator, large: bool) -> list[str]:
    """A random program; lines that PyTorch refuses stay in it now and then."""
    torch.set_num_threads(1)
    side = Side(torch)
    lines: list[str] = []
    usable: dict[str, tuple] = {}

    def add(line: str) -> None:
        if overlap(line, side.names):
            return
        error = side.do(line)
        if error is not None:
            if rng.random() < 0.3 and not isinstance(error, NameError):
                lines.append(line)
            return
        lines.append(line)
        for name, t in side.tensors.items():
            if name not in usable:
                fit = large or (t.numel() <= SIZE and t.is_floating_point() and bool((t.detach().abs() < BOUND).all()))
                if fit:
                    usable[name] = tuple(t.shape)
                else:  # later lines take its number
                    del side.names[name]
                    lines[-1] = lines[-1].replace(f"{name} =", f"u{name[1:]} =")

    if large:
        for i, text in enumerate(steps.LARGE):
            add(text.format(int(rng.integers(100)) + i))
        for _ in range(int(rng.integers(3, 10))):
            add(steps.large_line(rng, usable))
        return lines
    shapes = [tuple(rng.choice([1, 2, 3], int(rng.integers(0, 4))).tolist()) for _ in range(3)]
    shapes.append(tuple(int(rng.choice([1, n])) for n in shapes[0]))
    if rng.random() < 0.05:
        shapes.append((0, 3))
    for i, shape in enumerate(shapes):
        make = "leaf" if rng.random() < 0.8 else "const"
        add(
            f"t{i} = {make}({', '.join(map(str, (int(rng.integers(100)), *shape)))}){' * 1' if rng.random() < 0.5 else ''}"
        )
    for _ in range(int(rng.integers(3, 14))):
        if text := steps.line(rng, usable):
            add(text)
    return lines


def overlap(line: str, names: dict[str, Any]) -> bool:
    """Whether the line changes a tensor by another one in its memory: PyTorch reads then what it has just written."""
    found = re.match(r"(t\d+)(?:\.\w+_\(| [+*-]= )(t\d+)", line)
    if not found or found[1] == found[2] or not {found[1], found[2]} <= names.keys():
        return False
    x, y = (names[name].untyped_storage().data_ptr() for name in found.groups())
    return bool(x == y)


def shrunk(lines: list[str], large: bool, second: bool, failure: Failure) -> tuple[list[str], Failure]:
    """The program without lines that it fails without."""
    at, tries = len(lines) - 1, 0
    while at >= 0 and tries < 80:
        fewer, tries = lines[:at] + lines[at + 1 :], tries + 1
        try:
            run(fewer, large, second, collections.Counter())
        except Failure as again:
            if "NameError" not in str(again):
                lines, failure = fewer, again
        except Exception:  # noqa: BLE001, S110
            pass
        at -= 1
    return lines, failure


def case(rng: np.random.Generator, counts: collections.Counter) -> None:
    """One program."""
    large = bool(rng.random() < 0.15)
    lines = drawn(rng, large)
    second = not large and bool(rng.random() < 0.2)
    try:
        run(lines, large, second, counts)
    except Over as rule:
        counts[str(rule)] += 1
    except Failure as failure:
        lines, failure = shrunk(lines, large, second, failure)
        raise Failure(f"{'; '.join(lines)}{' (to second order)' if second else ''}\n{failure}") from None
    counts["large" if large else "small"] += 1
