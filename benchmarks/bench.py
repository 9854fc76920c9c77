"""minitorch beside PyTorch on the same cores: nets, layers, ops, peak memory, start-up.

    python benchmarks/bench.py [SECTION ...] [--quick] [--threads N]
    python benchmarks/bench.py ops [WORD ...]          rows that have one of the words in their names, printed only

Prints its tables as it goes. Without --quick the sections that ran are also written into docs/performance.md and the
README, between the comments that mark their places; all else on those pages is left as it is.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import layers
import machine
import nets
import ops
import startup
from timing import COMPILED, EAGER, MINITORCH, STEP, Contender, Times, alternate

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
SAME = 1e-3  # relative: losses of two frameworks that do the same from the same weights


class Run:
    """The settings and the contenders that all sections share."""

    def __init__(self, quick: bool, threads: int, words: Sequence[str] = ()) -> None:
        self.quick, self.threads, self.words = quick, threads, words
        self.ours = Contender(MINITORCH, threads)
        self.eager = [Contender(label, threads) for label in EAGER]
        self.all = [self.ours, *self.eager]
        self.peak = self.ours.call(machine.ceilings, threads)

    def alternate(self, name: str, rounds: int, seconds: float, extra: list[Contender] | None = None) -> Times:
        """Everybody in turn; few and short rounds if quick."""
        everybody = [*self.all, *(extra or [])]
        if self.quick:
            return alternate(everybody, name, 3, seconds / 3, limit=2.5)
        return alternate(everybody, name, rounds, seconds)

    def prepare(self, build: Callable, *args: object) -> None:
        """The same functions for everybody."""
        for contender in self.all:
            contender.call("prepare", build, *args)


class Table:
    """A markdown table that is printed row by row as it grows."""

    def __init__(self, *columns: str) -> None:
        self.lines: list[str] = []
        self.add(*columns)
        self.add(*["---"] * len(columns))

    def add(self, *cells: object) -> None:
        """One more row."""
        self.lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(self.lines[-1], flush=True)

    def __str__(self) -> str:
        return "\n".join(self.lines)


# ------------------------------------------------------------------------------------------------ cells
def number(x: float) -> str:
    """Three digits or more: 0.123, 1.23, 12.3, 123, 1230."""
    return f"{x:.{2 if x >= 1 else 3}f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def ms(seconds: float | None) -> str:
    """A time in milliseconds; a dash for who did not take part."""
    return "-" if seconds is None else number(1e3 * seconds)


def spread(times: list[float], cell: Callable[[float], str] = ms) -> str:
    """Median (min-max)."""
    low, high = sorted((cell(min(times)), cell(max(times))), key=lambda text: float(text.replace(",", "")))
    return f"{cell(median(times))} ({low}-{high})"


def verdict(ratio: float, goal: float | None) -> str:
    """The goal and whether the ratio meets it."""
    return "-" if goal is None else f"{goal:g}, " + ("met" if ratio >= goal else "**missed**")


# ------------------------------------------------------------------------------------------------ sections
def run_nets(run: Run) -> dict[str, str]:
    """Training step and forward pass of every net."""
    compiled = None if run.quick else Contender(COMPILED, run.threads)
    steps_compiled = Contender(STEP, run.threads)
    blocks = {}
    for name, build, check, steps, title in (
        ("training step", nets.training, "training step", 2 if run.quick else 3, "training"),
        ("forward", nets.inference, "loss", 1, "forward"),
    ):
        print(f"\n{name}, ms")
        table = Table(
            "net",
            "batch",
            "minitorch (min-max)",
            STEP,
            *EAGER,
            "compiled (compiling)",
            "ratio to best (rounds)",
            "compiled",
            "goal",
            "floor",
            "minitorch / floor",
        )
        short = ["| net | batch | minitorch, best of two | PyTorch, best of three | ratio |", "|---|---|---|---|---|"]
        for case in nets.CASES:
            start = run.eager[0].call(nets.weights, case)
            run.prepare(build, case, start)
            losses = {c.label: c.call("run", check, steps) for c in run.all}
            extra, compile_cell = [], "-"
            steps_compiled.call("prepare", build, case, start)
            losses[STEP] = steps_compiled.call("run", check, steps)
            if steps_compiled.call("recorded", name):
                extra.append(steps_compiled)
            if compiled is not None:
                began = time.perf_counter()
                try:
                    compiled.call("prepare", build, case, start)
                    losses[COMPILED] = compiled.call("run", check, steps)
                    extra, compile_cell = [*extra, compiled], f"({time.perf_counter() - began:.0f} s)"
                except RuntimeError as error:  # no C++ compiler, most likely
                    compile_cell = "failed: " + str(error).strip().splitlines()[-1][:80].replace("|", "/")
            same_losses(f"{case.name} at {case.batch}, {name}", losses)
            times = run.alternate(name, 15, 0.3, extra)
            if compiled in extra:
                compile_cell = f"{ms(times.median(COMPILED))} {compile_cell}"
            goal, ours = case.goal if name == "training step" else 2.0, times.compiled
            floor = run.ours.call(nets.flops, case)[name] / run.peak["flops"]
            low, high = times.ratios
            table.add(
                case.name,
                case.batch,
                spread(times.rounds[MINITORCH]),
                spread(times.rounds[STEP]) if STEP in times.rounds else "-",
                *(ms(times.median(e)) for e in EAGER),
                compile_cell,
                f"**{times.ratio:.2f}** ({low:.2f}-{high:.2f})",
                f"**{ours.ratio:.2f}** ({ours.ratios[0]:.2f}-{ours.ratios[1]:.2f})" if STEP in times.rounds else "-",
                verdict(max(times.ratio, ours.ratio), goal),
                ms(floor),
                f"{min(times.median(MINITORCH), ours.median(MINITORCH)) / floor:.2f}",
            )
            short.append(
                f"| {case.name} | {case.batch} | {ms(ours.median(MINITORCH))} ms | "
                f"{ms(times.median(times.best))} ms ({times.best}) | {ours.ratio:.2f} |"
            )
        blocks[f"bench:{title}"] = str(table)
        if name == "training step":
            blocks["bench"] = "\n".join(short)
    steps_compiled.close()
    if compiled is not None:
        compiled.close()
    return blocks


def same_losses(what: str, losses: dict[str, list[float]]) -> None:
    """Raises unless all contenders computed the same: timing something else would be worthless."""
    for label, theirs in losses.items():
        for ours, other in zip(losses[MINITORCH], theirs, strict=True):
            if not abs(ours - other) <= SAME * abs(other):
                raise AssertionError(f"{what}: losses differ, {MINITORCH} {losses[MINITORCH]}, {label} {theirs}")


def run_layers(run: Run) -> dict[str, str]:
    """The three passes of single layers, in GFLOP/s."""
    print("\nlayers, GFLOP/s")
    table = Table(
        "layer", "pass", "minitorch (min-max)", *EAGER, *(f"ratio to {e}" for e in EAGER), "goal", "share of FMA peak"
    )
    for layer in layers.QUICK if run.quick else layers.ALL:
        run.prepare(layers.faces, layer)
        for face in layers.FACES:
            times = run.alternate(face, 11, 0.05)
            speeds = {label: [layer.flops / t / 1e9 for t in column] for label, column in times.rounds.items()}
            mine = median(speeds[MINITORCH])
            table.add(
                layer,
                face,
                spread(speeds[MINITORCH], number),
                *(number(median(speeds[e])) for e in EAGER),
                *(f"{mine / median(speeds[e]):.2f}" for e in EAGER),
                verdict(times.ratio, layer.goal),
                f"{mine * 1e9 / run.peak['flops']:.0%}",
            )
    return {"bench:layers": str(table)}


def run_ops(run: Run) -> dict[str, str]:
    """Every op and layer, forward and backward, at two sizes, on one thread and on all; slowest first."""
    teams = {run.threads: run.all}
    if run.threads > 1:
        teams = {1: [Contender(contender.label, 1) for contender in run.all], **teams}
    print(f"\nops, forward + backward, ratio to PyTorch's best: {', '.join(columns(teams))}")
    rows: list[Row] = []
    missing: list[str] = []
    for name in ops.chosen(run.words):
        found = {c: c.call(ops.prepare, name) for team in teams.values() for c in team}
        if why := ops.obstacle({f"{c.label}, {c.threads} threads": answer for c, answer in found.items()}):
            missing.append(f"{name} ({why})".replace("|", "/"))
            print(missing[-1], flush=True)
            continue
        rounds, seconds = (3, 0.005) if run.quick else (4, 0.01)
        times = {
            (size, threads): alternate(team, size, rounds, seconds, limit=1.0)
            for size in ops.NAMED[name].sizes
            for threads, team in teams.items()
        }
        rows.append((name, times))
        print(f"{name}: " + " ".join(f"{t.best_ratio:.2f}" for t in times.values()), flush=True)
    if run.threads > 1:
        for contender in teams[1]:
            contender.close()
    table = ops_table(rows, list(teams), missing)
    print(table)
    return {} if run.words else {"bench:ops": table}


Row = tuple[str, dict[tuple[str, int], Times]]


def columns(teams: Iterable[int]) -> list[str]:
    """The headings of the ratios."""
    return [f"{size}, {n} thread{'s' * (n > 1)}" for size in ops.SIZES for n in teams]


def ops_table(rows: list[Row], threads: list[int], missing: list[str]) -> str:
    """Geometric means and how many are below 1, then the rows, those with the least ratio at the large size first."""
    keys = [(size, n) for size in ops.SIZES for n in threads]
    lines = [["op", *columns(threads), "minitorch, ms", "PyTorch's best, ms"]]
    lines.append(["---"] * len(lines[0]))
    ratios = {key: [times[key].best_ratio for _, times in rows if key in times] for key in keys}
    means = {key: math.exp(sum(map(math.log, column)) / len(column)) for key, column in ratios.items() if column}
    lines.append(["*geometric mean*", *(f"**{means[key]:.2f}**" if key in means else "-" for key in keys), "", ""])
    below = [f"**{sum(r < 1 for r in ratios[key])}** of {len(ratios[key])}" for key in keys]
    lines.append(["*below 1.0*", *below, "", ""])
    for name, times in sorted(rows, key=lambda row: min(row[1]["large", n].best_ratio for n in threads)):
        least = {label: min(column) for label, column in times["large", threads[-1]].rounds.items()}
        rival = min(EAGER, key=least.__getitem__)
        cells = [f"{times[key].best_ratio:.2f}" if key in times else "-" for key in keys]
        lines.append([name, *cells, ms(least[MINITORCH]), f"{ms(least[rival])} ({rival})"])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text + "\n\nMissing: " + ("; ".join(missing) or "none") + "."


def run_memory(run: Run) -> dict[str, str]:
    """Peak memory and page faults of ten training steps, each net and contender in a fresh process."""
    print("\npeak memory of ten training steps, MB, and page faults per step after the second")
    table = Table("net", "batch", "minitorch", *EAGER, "least of PyTorch / minitorch", "faults: minitorch", *EAGER)
    for case in nets.CASES[1:2] if run.quick else nets.CASES:
        found = {}
        for label in (MINITORCH, *EAGER):
            contender = Contender(label, run.threads)
            found[label] = contender.call(nets.memory, case)
            contender.close()
        peaks = [found[label]["bytes"] / 1e6 for label in (MINITORCH, *EAGER)]
        table.add(
            case.name,
            case.batch,
            *map(number, peaks),
            f"{min(peaks[1:]) / peaks[0]:.2f}",
            *(number(found[label]["faults"]) for label in (MINITORCH, *EAGER)),
        )
    return {"bench:memory": str(table)}


def run_startup(run: Run) -> dict[str, str]:
    """Import; interpreter start to the first loss, cold and warm."""
    print("\nstart-up, seconds")
    times = 2 if run.quick else 5
    table = Table("what", "minitorch", "PyTorch", "goal")
    mine = startup.seconds_to_import("minitorch", times)
    table.add("import", number(mine), number(startup.seconds_to_import("torch", times)), under(mine, 0.3))
    torch = startup.middle([startup.first_step("NCHW", run.threads) for _ in range(times)])
    if run.quick:
        warm = startup.middle([startup.first_step(MINITORCH, run.threads) for _ in range(times)])
    else:
        cold, warm = startup.cold_and_warm(run.threads, times)
        table.add(
            f"first step of ResNet-20, no kernel cached ({cold['compilations']:.0f} compiled)",
            number(cold["step"]),
            number(torch["step"]),
            under(cold["step"], 15),
        )
    table.add(
        f"first step of ResNet-20, all kernels cached ({warm['compilations']:.0f} compiled)",
        number(warm["step"]),
        number(torch["step"]),
        "-",
    )
    table.add(
        "interpreter start to first loss of ResNet-20, all kernels cached",
        number(warm["to loss"]),
        number(torch["to loss"]),
        under(warm["to loss"], 1),
    )
    return {"bench:startup": str(table)}


def under(seconds: float, goal: float) -> str:
    """The goal and whether it is met."""
    return f"under {goal:g}, " + ("met" if seconds < goal else "**missed**")


SECTIONS = {
    "nets": run_nets,
    "layers": run_layers,
    "ops": run_ops,
    "memory": run_memory,
    "startup": run_startup,
}


# ------------------------------------------------------------------------------------------------ pages
def header(run: Run, load: str, lanes: int) -> str:
    """Where and with what the figures came about."""
    lines = [
        *machine.description(),
        f"{run.threads} threads in either framework, float32; vectors of {lanes} lanes",
        f"fused multiply-add, register tile in cache: {run.peak['flops'] / 1e9:.0f} GFLOP/s; "
        f"copy, read + written: {run.peak['bytes'] / 1e9:.1f} GB/s",
        f"load average before the last run: {load}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def fill(text: str, name: str, body: str) -> str:
    """The text with `body` between the comments `<!-- name:start -->` and `<!-- name:end -->`; ValueError without."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for {name!r}: it needs {start} and {end}")
    return f"{before}{start}\n{body}\n{end}{after}"


def place(text: str, name: str, lanes: int) -> str:
    """The page's own place for machines with vectors of so many lanes, like "bench:training:8", if it has one."""
    own = f"{name}:{lanes}"
    return own if f"<!-- {own}:start -->" in text else name


def write(blocks: dict[str, str], lanes: int) -> None:
    """Each block to its place: "bench" in the README, "bench:..." in docs/performance.md."""
    texts = {path: path.read_text() for path in (PAGE, README)}
    for name, body in blocks.items():
        path = README if name == "bench" else PAGE
        texts[path] = fill(texts[path], place(texts[path], name, lanes), body)
    for path, text in texts.items():
        path.write_text(text)
    print(f"\nwritten: {PAGE.relative_to(ROOT)}, {README.relative_to(ROOT)}")


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the sections asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few rounds, no torch.compile, nothing written; no ops, no memory unless named",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args(arguments if arguments is None else list(arguments))
    sections = [name for name in args.sections if name in SECTIONS]
    words = [name for name in args.sections if name not in SECTIONS]
    if words and "ops" not in sections:
        parser.error(f"no section {', '.join(sorted(words))}; there are {', '.join(SECTIONS)}")
    if unknown := [word for word in words if not ops.chosen([word])]:
        parser.error(f"no op has {', '.join(unknown)} in its name; there are {', '.join(ops.NAMED)}")
    load = " ".join(f"{x:.2f}" for x in os.getloadavg())
    began = time.perf_counter()
    run = Run(args.quick, args.threads, words)
    lanes = run.ours.call(machine.vector_width)
    blocks = {"bench:machine": header(run, load, lanes)}
    print(blocks["bench:machine"])
    for name in sections or [name for name in SECTIONS if not (args.quick and name in ("ops", "memory"))]:
        neighbours, start = machine.Neighbours(lambda: [contender.process.pid for contender in run.all]), time.time()
        tables = SECTIONS[name](run)
        stamp = (
            f"*{time.strftime('%Y-%m-%d %H:%M')}, {time.time() - start:.0f} s; vectors of {lanes} lanes, peak "
            f"{run.peak['flops'] / 1e9:.0f} GFLOP/s, copy {run.peak['bytes'] / 1e9:.1f} GB/s; meanwhile {neighbours}.*"
        )
        print(stamp)
        blocks.update({block: f"{table}\n\n{stamp}" for block, table in tables.items()})
    if not (args.quick or words):
        write(blocks, lanes)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
