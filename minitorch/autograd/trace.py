"""A backward pass to be looked at step by step: each node's rules, and the gradients that come in and go out.

steps = trace(loss, names=model)
print(steps)               # as text
steps.save("steps.html")   # one page with a slider
steps.dot()                # the tape as DOT text; steps.draw("tape.svg") draws it
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .page import page
from .picture import svg
from .report import argument_of, line_of, shown, source_of
from .tape import Node, Several, Variable, _below, _computed, _seed, grad

CORNER = 8  # rows and columns that are shown


class Gradient(NamedTuple):
    """A gradient as it was: shape, dtype, Euclidean norm, least and largest element, and its first rows and columns."""

    shape: tuple
    dtype: str
    norm: float
    least: float
    largest: float
    corner: np.ndarray
    whole: bool

    def __str__(self) -> str:
        if not np.prod(self.shape):
            return "(empty)"
        text = np.array2string(self.corner, precision=4, suppress_small=True, max_line_width=100, threshold=10**6)
        if self.whole:
            return text
        note = f"... norm {self.norm:.4g}, from {self.least:.4g} to {self.largest:.4g}"
        return f"{text}\n{note}"


class Flow(NamedTuple):
    """What a rule made: for which argument, where it goes, the gradient, and the rule's place and first line."""

    argument: str
    to: str
    gradient: Gradient
    place: str
    line: str


class Step(NamedTuple):
    """A node's turn: its number on the tape, name and shape, what came in, as a sum of how many, and what goes out."""

    number: int
    name: str
    shape: tuple
    incoming: tuple[Gradient, ...]
    added: int
    outgoing: tuple[Flow, ...]


class Trace:
    """The steps of a backward pass, in order, and the gradients of the leaves, by name.

    It holds no part of the tape. nodes: pairs (id, text) for the picture; edges: triples (id, id, argument).
    """

    def __init__(self, steps: list[Step], leaves: dict[str, Gradient], nodes: list[tuple], edges: list[tuple]) -> None:
        self.steps, self.leaves = steps, leaves
        self._nodes, self._edges = nodes, edges

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<trace of {len(self.steps)} steps>"

    def __str__(self) -> str:
        lines = []
        for i, step in enumerate(self.steps, 1):
            lines.append(f"step {i}: {step.name} #{step.number}, result {step.shape}")
            for k, g in enumerate(step.incoming):
                sums = f", the sum of {step.added}" if step.added > 1 else ""
                which = f" for result {k}" if len(step.incoming) > 1 else ""
                lines.append(f"  comes in{which}, {g.shape}{sums}:")
                lines += [f"    {row}" for row in str(g).splitlines()]
            for flow in step.outgoing:
                lines.append(f"  goes out for {flow.argument}, to {flow.to}, {flow.gradient.shape}:")
                lines += [f"    {row}" for row in str(flow.gradient).splitlines()]
                if flow.place:
                    lines.append(f"    by {flow.place}: {flow.line}")
        if not self.steps:
            lines.append("(nothing on the tape: the tensor is a leaf)")
        for name, g in self.leaves.items():
            lines.append(f"in the end, {name}, {g.shape}:")
            lines += [f"    {row}" for row in str(g).splitlines()]
        return "\n".join(lines)

    def save(self, file: Any) -> None:
        """Write one HTML page with a slider; it needs no network and nothing beside it."""
        Path(file).write_text(page(self), encoding="utf-8")

    def dot(self) -> str:
        """The tape as DOT text, Graphviz's language: nodes and leaves, an arrow for each gradient, by its argument."""
        lines = ["digraph tape {", '  node [fontname="sans-serif", shape=box, style=rounded];']
        for key, text in self._nodes:
            leaf = ", shape=oval" if key.startswith("leaf") else ""
            lines.append(f'  {key} [label="{_quoted(text)}"{leaf}];')
        lines += [f'  {a} -> {b} [label="{_quoted(argument)}"];' for a, b, argument in self._edges]
        return "\n".join([*lines, "}"])

    def svg(self) -> str:
        """The picture as SVG: Graphviz's of `dot()` where it is installed, else one of our own."""
        program = shutil.which("dot")
        if program is None:
            return svg(self._nodes, self._edges)
        return subprocess.run(
            [program, "-Tsvg"], input=self.dot(), text=True, check=True, stdout=subprocess.PIPE
        ).stdout

    _repr_svg_ = svg  # notebooks show it

    def draw(self, file: Any) -> None:
        """Write the picture: .svg, or with Graphviz also .png and .pdf. Raises RuntimeError for those without it."""
        kind = Path(file).suffix[1:] or "svg"
        program = shutil.which("dot")
        if kind == "svg":
            Path(file).write_text(self.svg(), encoding="utf-8")
        elif program is None:
            raise RuntimeError(
                f"draw needs Graphviz's program `dot` for .{kind}, and it is not installed; .svg needs none"
            )
        else:
            subprocess.run([program, f"-T{kind}", "-o", str(file)], input=self.dot(), text=True, check=True)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _gradient(g: Any) -> Gradient:
    array = np.asarray(g.array if isinstance(g, Variable) else _computed(g))
    corner = array[(0,) * max(array.ndim - 2, 0) + (slice(CORNER),) * min(array.ndim, 2)].copy()
    some = array.astype(np.float64) if array.size else np.zeros(1)
    norm = float(np.sqrt((some * some).sum()))
    sizes = float(some.min()), float(some.max())
    return Gradient(array.shape, array.dtype.name, norm, *sizes, corner, corner.size == array.size)


class _Watched:
    """Stands where a node has its primitive, for one backward pass, and writes down what it is asked and answers."""

    accepts_pending = False

    def __init__(self, primitive: Any, log: list) -> None:
        self._primitive, self._log = primitive, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._primitive, name)

    def backward(self, node: Node, g: Any, needed: Any) -> list[tuple]:
        """As `Primitive.backward`."""
        came = [g.parts[i] for i in sorted(g.parts)] if isinstance(g, Several) else [g]
        incoming = tuple(_gradient(piece) for piece in came)
        pieces = self._primitive.backward(node, g, needed)
        given = []
        for parent, piece in pieces:
            parts = list(piece.parts.values()) if isinstance(piece, Several) else [piece]
            given.append((parent, _gradient(parts[0])))
        self._log.append((node, self._primitive, incoming, given))
        return pieces


def _positions(node: Node, given: list) -> list[int]:
    """Which argument each gradient is for: they come in the order of the arguments."""
    places, start = [], 0
    for parent, _ in given:
        start = next(i for i in range(start, len(node.parents)) if node.parents[i] is parent)
        places.append(start)
        start += 1
    return places


def trace(output: Any, gradient: Any = None, names: Any = None) -> Trace:
    """Run backward from a tensor, and keep what every node's rules were given and gave: see Trace.

    No `.grad` changes, and the tape stays as `backward(retain_graph=True)` leaves it. Hooks of tensors and nodes run,
    as in any backward. gradient: what comes in at `output`, which needs it unless it is a single number. names: a
    module, or names with their tensors, for the leaves and results to be called by. Raises RuntimeError as backward
    does: for a tensor that is off the tape, and for a tape whose arrays were freed.

    >>> import minitorch
    >>> x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    >>> steps = trace((x * x).sum(), names={"x": x})
    >>> [step.name for step in steps.steps], steps.leaves["x"].corner
    (['sum', 'multiply'], array([2., 4.], dtype=float32))
    """
    if not isinstance(output, Variable):
        raise TypeError(f"trace: expected a Tensor, but got {type(output).__name__}")
    edge, _ = _seed(0, output, gradient)
    called = _called(names)
    nodes = _below([edge])
    leaves: dict[Any, str] = {}
    for leaf in [edge, *(parent for node in reversed(nodes) for parent in node.parents)]:
        if isinstance(leaf, Variable) and leaf not in leaves:
            leaves[leaf] = called.get(id(leaf), f"leaf {len(leaves) + 1}")
    log: list[tuple] = []
    saved = [(node, node.primitive, node.retained) for node in nodes]
    wanted = list(leaves)
    try:
        for node, primitive, _ in saved:
            node.primitive, node.retained = _Watched(primitive, log), None  # type: ignore[assignment]
        found = grad(output, wanted, gradient, retain_graph=True, allow_unused=True)
    finally:
        for node, primitive, retained in saved:
            node.primitive, node.retained = primitive, retained
    known = {leaves[leaf]: _gradient(g) for leaf, g in zip(wanted, found, strict=True) if g is not None}
    return Trace(_steps(log, edge, leaves, called), known, *_picture(nodes, leaves, called))


def _called(names: Any) -> dict[int, str]:
    """What tensors are called, by the ids of their edges."""
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        names = dict(names.named_parameters())
    if not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a module or a dict of tensors, but got {type(names).__name__}")
    return {id(t.edge): name for name, t in names.items() if isinstance(t, Variable) and t.edge is not None}


def _named(node: Node, called: dict) -> str:
    text = f"{node.primitive.name} #{node.sequence}"
    return f"{text} ({called[id(node)]})" if id(node) in called else text


def _steps(log: list, start: Any, leaves: dict, called: dict) -> list[Step]:
    arrivals: dict[Any, int] = {start: 1}
    steps = []
    for node, primitive, incoming, given in log:
        flows = []
        for position, (parent, g) in zip(_positions(node, given), given, strict=True):
            arrivals[parent] = arrivals.get(parent, 0) + 1
            argument, place = argument_of(primitive, position), source_of(primitive, position)
            where, line = (shown(place), line_of(place, argument)) if place else ("", "")
            flows.append(Flow(argument, leaves.get(parent) or _named(parent, called), g, where, line))
        added = arrivals.get(node, 1) if len(incoming) == 1 else 1
        steps.append(Step(node.sequence, primitive.name, node.shape, incoming, added, tuple(flows)))
    return steps


def _picture(nodes: list[Node], leaves: dict, called: dict) -> tuple[list[tuple], list[tuple]]:
    """The nodes and edges of the tape's picture."""
    key = {leaf: f"leaf{i}" for i, leaf in enumerate(leaves)}
    key |= {node: f"node{node.sequence}" for node in nodes}
    shapes = [(key[n], f"{called[id(n)]}: {n.name()}" if id(n) in called else n.name(), n.shape) for n in nodes]
    shapes += [(key[leaf], name, leaf.array.shape) for leaf, name in leaves.items()]
    edges = [
        (key[node], key[parent], argument_of(node.primitive, position))
        for node in reversed(nodes)
        for position, parent in enumerate(node.parents)
        if parent is not None
    ]
    return [(k, f"{text}\n{shape}") for k, text, shape in shapes], edges
