"""How often a training step passes over memory: python benchmarks/passes.py [--write]

Counted where ops call kernels, so it is the same on every machine: arrays that are read, arrays that are written, and
those of the latter that are new, whose lines a processor fetches before it writes them. One pass is one activation: an
image of the layer's size. Weights and statistics do not count, nor does what stays in a core's cache (copies of a few
images, Winograd's products of a few tiles). --write puts the tables into docs/performance.md.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nets
import numpy as np

import minitorch
from minitorch import kernels, nn
from minitorch.autograd.primitive import registry
from minitorch.kernels import reference
from minitorch.nn import functional as F

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
IMAGE = (16, 64, 32, 32)  # 4 MB
MODES = ("each op by itself", "fused, gradients into new memory", "fused")


class Passes:
    """Bytes read, written, and fetched to be written, by kernel."""

    def __init__(self) -> None:
        self.least, self.weights = 0, set[int]()
        self.rows: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))

    def count(self, name: str, read: list[Any], written: list[Any]) -> None:
        """One call of a kernel; the smaller arrays and those of a weight's size are left out."""
        read, written = ([a for a in arrays if self._counts(a)] for arrays in (read, written))
        new = [a for a in written if not any(np.shares_memory(a, b) for b in read)]
        if read or written:
            self.rows[name] += [sum(a.nbytes for a in arrays) for arrays in (read, written, new)]

    def _counts(self, array: Any) -> bool:
        return isinstance(array, np.ndarray) and array.nbytes >= self.least and array.size not in self.weights

    @property
    def total(self) -> np.ndarray:
        """Of all kernels."""
        return sum(self.rows.values(), np.zeros(3))


@contextmanager
def counted(passes: Passes) -> Iterator[None]:
    """Every kernel that ops call tells `passes` first."""
    whole: dict[str, Callable] = {name: getattr(kernels, name) for name in (*reference.declarations, "evaluate")}

    def door(name: str, operands: int, results: int) -> Callable:
        def serve(*arguments: Any) -> None:
            passes.count(name, list(arguments[:operands]), list(arguments[operands : operands + results]))
            whole[name](*arguments)

        return serve

    def evaluate(program: Any, operands: list, numbers: tuple, over: Any = None) -> Any:
        out = whole["evaluate"](program, operands, numbers, over)
        passes.count(program.name, operands, [out])
        return out

    try:
        for name, declaration in reference.declarations.items():
            setattr(kernels, name, door(name, declaration.operands, declaration.results))
        kernels.evaluate = evaluate
        yield
    finally:
        for name, kernel in whole.items():
            setattr(kernels, name, kernel)


@contextmanager
def mode(name: str) -> Iterator[None]:
    """Fusion as one of MODES says."""
    makers = {op: op.fresh for op in registry.values() if op.fresh is not None}
    try:
        minitorch.backends.fusion.enabled = name != MODES[0]
        for op in makers:
            op.fresh = makers[op] if name == MODES[2] else None
        yield
    finally:
        minitorch.backends.fusion.enabled = True
        for op, maker in makers.items():
            op.fresh = maker


def of_step(net: Any, x: Any, least: int) -> Passes:
    """What one training step's forward and backward pass over, without the optimizer."""
    passes, labels = Passes(), minitorch.zeros(len(x), dtype=minitorch.int64)
    passes.least, passes.weights = least, {p.array.size for p in net.parameters()}
    with counted(passes):
        y = net(x)
        (F.cross_entropy(y, labels) if y.ndim == 2 else y.sum()).backward()
    return passes


# ------------------------------------------------------------------------------------------------ one layer
def conv(kernel: int, **settings: Any) -> Callable[[], Any]:
    """Makes a convolution, batch norm and ReLU."""
    width = IMAGE[1]
    return lambda: nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False, **settings), nn.BatchNorm2d(width), nn.ReLU()
    )


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv(3)(), conv(3)()[:2]

    def forward(self, x: Any) -> Any:
        """With the image itself as shortcut."""
        return F.relu(self.second(self.first(x)) + x)


LAYERS = {"3x3": conv(3), "1x1": conv(1), "depthwise": conv(3, groups=IMAGE[1]), "residual block": Block}


def of_layer(make: Callable[[], Any]) -> dict[str, np.ndarray]:
    """Passes of one more layer among others, by kernel."""
    x = minitorch.randn(*IMAGE)
    fewer, more = (of_step(nn.Sequential(*(make() for _ in range(n))), x, 4 * x.array.size).rows for n in (3, 4))
    found = {name: (more[name] - fewer[name]) / (4 * x.array.size) for name in more}
    return {name: row for name, row in found.items() if row.any()}


def cell(row: np.ndarray, form: str = "{:g}") -> str:
    """Read + written, and fetched."""
    read, written, new = map(form.format, row)
    return f"{read} + {written} + {new} = {form.format(row.sum())}"


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [columns, ("---",) * len(columns), *rows])


def main() -> None:
    """Print the tables, or write them."""
    minitorch.manual_seed(0)
    layers, all_nets = [], []
    for name, make in LAYERS.items():
        found = []
        for setting in MODES:
            with mode(setting):
                found.append(of_layer(make))
        layers.append((name, *(cell(sum(rows.values(), np.zeros(3))) for rows in found)))
        if name == "3x3":
            detail = [(kernel, *map("{:g}".format, row)) for kernel, row in found[-1].items()]
    for case in nets.CASES[2:]:
        net, x = case.net(nn), minitorch.randn(case.batch, 3, 32, 32)
        cells = []
        for setting in MODES:
            with mode(setting):
                cells.append(cell(of_step(net, x, kernels.SMALL).total / 1e6, "{:,.0f}"))
        all_nets.append((case.name, str(case.batch), *cells))
    text = "\n\n".join(
        [
            table(("layer: read + written + fetched", *MODES), layers),
            table(("of the 3x3 layer, fused", "read", "written", "of these, fetched"), detail),
            table(("net: MB", "batch", *MODES), all_nets),
        ]
    )
    if "--write" in sys.argv:
        from bench import fill

        PAGE.write_text(fill(PAGE.read_text(), "passes", text))
    print(text)


if __name__ == "__main__":
    main()
