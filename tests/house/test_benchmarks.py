"""The benchmark's own arithmetic: FLOPs counted by hand, tables in their places, a difference noticed."""

from __future__ import annotations

import importlib
import mmap
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import minitorch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("bench", "layers", "leaks", "machine", "nets", "ops", "startup", "timing")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """benchmarks/bench.py as a module, forgotten afterwards."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("bench")
    for name in MODULES:
        sys.modules.pop(name, None)


def side() -> SimpleNamespace:
    """What nets.flops needs of a contender."""
    return SimpleNamespace(lib=minitorch, tensor=minitorch.from_numpy)


# Per image, by hand: output pixels x output channels x taps x input channels of every layer.
TUTORIAL = [28**2 * 6 * 25 * 3, 10**2 * 16 * 25 * 6, 400 * 120, 120 * 84, 84 * 10]
AIRBENCH = [
    31**2 * 24 * 4 * 3,
    31**2 * 64 * 9 * 24,
    15**2 * 64 * 9 * 64,
    15**2 * 256 * 9 * 64,
    7**2 * 256 * 9 * 256,
    7**2 * 256 * 9 * 256,
    3**2 * 256 * 9 * 256,
    256 * 10,
]
MOBILENET = [
    32**2 * 32 * 9 * 3,
    32**2 * 32 * 9,
    32**2 * 64 * 32,
    16**2 * 64 * 9,
    16**2 * 128 * 64,
    16**2 * 128 * 9,
    16**2 * 128 * 128,
    8**2 * 128 * 9,
    8**2 * 256 * 128,
    8**2 * 256 * 9,
    8**2 * 256 * 256,
    4**2 * 256 * 9,
    4**2 * 512 * 256,
    4**2 * 512 * 9,
    4**2 * 512 * 512,
    512 * 10,
]


@pytest.mark.parametrize(
    ("net", "layers", "first"),
    [
        ("tutorial", TUTORIAL, 2),
        ("airbench", AIRBENCH, 1),  # its first weight is frozen
        ("mobilenet", MOBILENET, 2),
    ],
)
def test_flops_of_a_net(bench: ModuleType, net: str, layers: list[int], first: int) -> None:
    """Three passes of each layer, but no gradient for the images, nor for a frozen weight."""
    case = bench.nets.Case(net, getattr(bench.nets, net), 2, 1.0)
    counted = bench.nets.flops(side(), case)
    assert counted["forward"] == 2 * 2 * sum(layers)
    assert counted["training step"] == 2 * 2 * (first * layers[0] + 3 * sum(layers[1:]))


def test_flops_of_a_layer(bench: ModuleType) -> None:
    """Stride, padding and groups count."""
    assert bench.layers.Conv(64, 64, 32, 128, 3, 2, 1).flops == 2 * 64 * 16 * 16 * 128 * 9 * 64
    assert bench.layers.Conv(256, 3, 32, 24, 2).flops == 2 * 256 * 31 * 31 * 24 * 4 * 3
    assert bench.layers.Conv(64, 128, 16, 128, 3, 2, 1, groups=128).flops == 2 * 64 * 8 * 8 * 128 * 9
    assert bench.layers.Linear(8, 3, 5).flops == 2 * 8 * 3 * 5


def test_passes_of_a_layer(bench: ModuleType) -> None:
    """Every pass of a small layer runs in minitorch and gives numbers."""
    contender = importlib.import_module("timing").Side("minitorch", minitorch.kernels.get_num_threads())
    small = bench.layers.Conv(2, 4, 5, 4, 3, 1, 1, groups=4)
    for name, face in bench.layers.faces(contender, small).items():
        result = face() if name == "forward" else face()[0]
        assert np.isfinite(np.asarray(result)).all()


def test_ops(bench: ModuleType) -> None:
    """Every row of the table of ops runs in minitorch at its tiny size, twice, and gives finite numbers."""
    contender = importlib.import_module("timing").Side("minitorch", minitorch.kernels.get_num_threads())
    assert len(bench.ops.NAMED) == len(bench.ops.OPS) > 100
    for op in bench.ops.OPS:
        if "tiny" in op.sizes:
            function = op.build(contender, "tiny")
            for result in (*function(), *function()):
                assert np.isfinite(np.asarray(result.detach(), np.float64)).all(), op.name


def test_gradients_of_ops(bench: ModuleType) -> None:
    """The incoming gradient is the cosine of the result; operands of some kinds get none."""
    contender = importlib.import_module("timing").Side("minitorch", minitorch.kernels.get_num_threads())
    x = bench.ops.numbers((8, 8), "normal", 0, 0)
    square = bench.ops.Op(
        "square", lambda lib, f, x, mask: x * x * mask, (bench.ops.ROWS, bench.ops.ROWS._replace(kind="mask"))
    )
    (gx,) = square.build(contender, "tiny")()
    mask = bench.ops.numbers((8, 8), "mask", 0, 1)
    np.testing.assert_allclose(np.asarray(gx), 2 * x * mask * np.cos(x * x * mask), rtol=1e-4, atol=1e-6)


def test_rows_of_ops(bench: ModuleType) -> None:
    """Words choose rows; a missing name, other results or another number of them keep a row out of the table."""
    assert bench.ops.chosen(["softmax of r"]) == ["softmax of rows", "log_softmax of rows"]
    assert bench.ops.chosen([]) == list(bench.ops.NAMED)
    one = {"large": [1.0, 2.0], "tiny": [0.0, 3.0]}
    assert bench.ops.obstacle({"a": one, "b": {"large": [1.001, 2.0], "tiny": [0.0, 3.0]}}) == ""
    for other in ([1.0, 2.01], [1.0, float("nan")], [1.0]):
        assert "results differ" in bench.ops.obstacle({"a": one, "b": {**one, "large": other}})
    assert bench.ops.obstacle({"a": "AttributeError: tan", "b": one}) == "a: AttributeError: tan"


def test_table_of_ops(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The least ratio at the large size first; means and counts below 1 of every column; wrong words are refused."""
    timing = importlib.import_module("timing")

    def times(ours: float, *others: float) -> object:  # the second round is disturbed
        rounds = [ours, *others]
        return timing.Times({label: [t, 9 * t] for label, t in zip(("minitorch", *timing.EAGER), rounds, strict=True)})

    table = bench.ops_table(
        [
            (
                "fast",
                {
                    ("large", 1): times(1e-3, 4e-3, 5e-3),
                    ("large", 2): times(1e-3, 4e-3, 3e-3),
                    ("tiny", 1): times(1, 2, 2),
                    ("tiny", 2): times(2, 1, 1),
                },
            ),
            ("slow", {("large", 1): times(2, 1, 2), ("large", 2): times(0.75, 1, 2)}),
        ],
        [1, 2],
        ["tan"],
    )
    assert table.splitlines()[2:] == [
        "| *geometric mean* | **1.41** | **2.00** | **2.00** | **0.50** |  |  |",
        "| *below 1.0* | **1** of 2 | **0** of 2 | **0** of 1 | **1** of 1 |  |  |",
        "| slow | 0.50 | 1.33 | - | - | 750 | 1,000 (NCHW) |",
        "| fast | 4.00 | 3.00 | 2.00 | 0.50 | 1.00 | 3.00 (channels_last) |",
        "",
        "Missing: tan.",
    ]
    for arguments, message in ((["softmax"], "no section softmax"), (["ops", "sotfmax"], "no op has sotfmax")):
        with pytest.raises(SystemExit):
            bench.main(arguments)
        assert message in capsys.readouterr().err


def test_different_losses_are_noticed(bench: ModuleType) -> None:
    """A difference of more than 0.1 %, or a NaN, stops the benchmark."""
    bench.same_losses("same", {"minitorch": [1.0, 2.0], "NCHW": [1.0005, 2.0]})
    for wrong in (1.002, float("nan")):
        with pytest.raises(AssertionError, match="losses differ"):
            bench.same_losses("other", {"minitorch": [1.0, wrong], "NCHW": [1.0, 1.0]})


def test_tables_go_to_their_places(bench: ModuleType) -> None:
    """What stands between the marks is replaced, all else kept; the pages have a place for every table."""
    page = "prose\n<!-- a:start -->\nold\n<!-- a:end -->\nmore prose"
    assert bench.fill(page, "a", "| new |") == "prose\n<!-- a:start -->\n| new |\n<!-- a:end -->\nmore prose"
    with pytest.raises(ValueError, match="no place for 'b'"):
        bench.fill(page, "b", "")
    for name in ("machine", "training", "forward", "layers", "ops", "memory", "startup"):
        bench.fill(bench.PAGE.read_text(), f"bench:{name}", "")
    bench.fill(bench.README.read_text(), "bench", "")
    page += "\n<!-- a:8:start -->\nold\n<!-- a:8:end -->\n"
    assert [bench.place(page, "a", lanes) for lanes in (16, 8)] == ["a", "a:8"]


def test_cells(bench: ModuleType) -> None:
    """Three digits or more, spreads in ascending order, verdicts."""
    assert [bench.number(x) for x in (0.1234, 1.234, 12.34, 123.4, 1234.0)] == ["0.123", "1.23", "12.3", "123", "1,234"]
    assert bench.spread([0.003, 0.001, 0.002]) == "2.00 (1.00-3.00)"
    assert (bench.verdict(1.9, 2), bench.verdict(2.0, 2)) == ("2, **missed**", "2, met")


def test_neighbours(bench: ModuleType) -> None:
    """The time of a process counts as that of others, unless it is named as ours."""
    code = "import time; end = time.perf_counter() + 60\nwhile time.perf_counter() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as busy:
        try:
            strange, known = bench.machine.Neighbours(lambda: []), bench.machine.Neighbours(lambda: [busy.pid])
            for _ in range(30):  # a second is enough, unless many others want the cores
                time.sleep(1)
                spent = [after[3] - seen.start[3] for seen in (strange, known) for after in [seen._now()]]
                if spent[1] > spent[0] + 0.1:
                    break
            all_work = strange._now()[1] - strange.start[1]
            assert str(strange).startswith("other processes had ")
        finally:
            busy.kill()
    assert spent[1] > spent[0] + 0.1
    assert all_work > spent[1] - 0.1


def test_leaks_are_noticed(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that keeps 100 KB grows, one that keeps and frees does not, nor does what is kept at the start alone."""
    leaks = importlib.import_module("leaks")
    kept: list[mmap.mmap] = []
    sent: list[list[int]] = []

    def keeps() -> None:
        kept.append(mmap.mmap(-1, 100_000))  # pages of its own: the heap may have room from tests before
        kept[-1].write(b"x" * 100_000)

    def once() -> None:
        if len(kept) < 20:
            keeps()

    def frees() -> None:
        kept.clear() if len(kept) == 10 else keeps()

    growth = []
    for step in (keeps, once, frees):
        kept.clear()
        monkeypatch.setitem(leaks.STEPS, "case", lambda name, step=step: step)
        leaks.watch("case", 120, 60.0, SimpleNamespace(send=sent.append))
        growth.append(leaks.growth(sent[-1]))
    assert growth[0] > 2 * leaks.ALLOWED and max(growth[1:]) < leaks.ALLOWED
    for step in (leaks.double_backward(), leaks.hooks()):
        step()
