"""How long a step takes on more ranks than this machine has: python benchmarks/scale.py [--quick]

Measured: a training step of the benchmark's nets on two ranks of one thread, without and with the reduction of
gradients; what an all_reduce costs by its size, between processes of this machine and, where network namespaces can be
made (root on Linux), over a link of 1 Gbit/s between two of them. A line, latency + bytes / bandwidth, is laid through
these costs. From it follows the step on W ranks over any link:

    compute + the sum over buckets of 2 (W - 1) latency + 2 (W - 1) / W bytes / bandwidth

if nothing is hidden behind backward. Over the link of 1 Gbit/s the two ranks really run: that checks the formula.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from nets import CASES

import minitorch
import minitorch.distributed as dist
from minitorch import nn, optim

ROOT = Path(__file__).parents[1]
NETS = {"tutorial": 64, "ResNet-20": 32, "VGG-like": 16}  # batch of each rank
SIZES = [8, 4_096, 65_536, 524_288, 1_048_576, 4_194_304]  # bytes
ADDRESSES = ("10.203.57.1", "10.203.57.2")
LINKS = {"1 Gbit/s": (1e-4, 118e6), "10 Gbit/s": (5e-5, 1.18e9), "100 Gbit/s": (1e-5, 11.8e9)}  # latency, bytes/s


# ------------------------------------------------------------------------------------------------ on each rank
def best(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several runs that all ranks begin together; of a run, the slowest rank counts."""
    times = []
    for _ in range(repeats):
        dist.barrier()
        begin = time.perf_counter()
        run()
        spent = minitorch.tensor(time.perf_counter() - begin, dtype=minitorch.float64)
        dist.all_reduce(spent, dist.ReduceOp.MAX)
        times.append(spent.item())
    return min(times)


def steps(name: str, repeats: int) -> dict[str, float]:
    """Seconds of a training step: alone, with the reduction of gradients, in micro-shards; bytes of the gradients."""
    net, batch = next(case.net for case in CASES if case.name == name), 2 * NETS[name] // dist.get_world_size()
    random = np.random.default_rng(dist.get_rank())
    x = minitorch.from_numpy(random.standard_normal((batch, 3, 32, 32), np.float32))
    y = minitorch.from_numpy(random.integers(0, 10, batch))
    found = {}
    for kind in ("alone", "reduced", "exact"):
        minitorch.manual_seed(0)
        model: Any = net(nn)
        if kind == "exact":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        trained = list(model.parameters())
        optimizer = optim.SGD(trained, lr=1e-3, momentum=0.9)
        if kind != "alone":
            shards = 4 * dist.get_world_size() if kind == "exact" else None
            model = nn.parallel.DistributedDataParallel(model, micro_shards=shards, broadcast_buffers=False)

        def step(model: Any = model, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        step()
        found[kind] = best(step, repeats)
    found["bytes"] = sum(p.numpy(force=True).nbytes for p in trained)
    found["buckets"] = len(model.reducer.buckets)
    return found


def measure(repeats: int) -> None:
    """Print, on rank 0, what was measured, as JSON."""
    dist.init_process_group("mpi", timeout=timedelta(seconds=120))
    messages = {}
    for size in SIZES:
        x = minitorch.ones(size // 4)
        dist.all_reduce(x)
        messages[size] = best(lambda x=x: dist.all_reduce(x), 4 * repeats)  # type: ignore[misc]
    found = {"messages": messages, "steps": {name: steps(name, repeats) for name in NETS}}
    if dist.get_rank() == 0:
        print(json.dumps(found))


# ------------------------------------------------------------------------------------------------ from outside
def job(options: list[str], repeats: int, around: tuple[str, ...] = (), **variables: str) -> dict:
    """What the ranks have measured; all of them together have two threads and two batches."""
    command = [*around, sys.executable, "-m", "minitorch.distributed.run", *options, __file__]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [*command, "--measure", "--repeats", str(repeats)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def namespaces() -> Iterator[str]:
    """Two network namespaces, joined by a link of 1 Gbit/s; the program that starts a command in that of an address."""
    names = [f"minitorch{os.getpid()}x{i}" for i in range(2)]
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "mt0", "netns", names[0], "type", "veth", "peer", "name", "mt1", "netns", names[1])
        for i, (name, address) in enumerate(zip(names, ADDRESSES, strict=True)):
            inside = ("ip", "netns", "exec", name)
            run(*inside, "ip", "addr", "add", f"{address}/24", "dev", f"mt{i}")
            run(*inside, "ip", "link", "set", f"mt{i}", "up")
            run(*inside, "ip", "link", "set", "lo", "up")
            shape = ("root", "tbf", "rate", "1gbit", "burst", "128kb", "latency", "50ms")
            run(*inside, "tc", "qdisc", "add", "dev", f"mt{i}", *shape)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "enter"
            cases = "".join(
                f'*{a}) exec ip netns exec {n} sh -c "$*";;\n' for n, a in zip(names, ADDRESSES, strict=True)
            )
            skip = 'while [ "${1#-}" != "$1" ]; do shift; done'
            path.write_text(f"#!/bin/sh\n{skip}\nhost=$1; shift\ncase $host in\n{cases}esac\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            yield f"{names[0]} {path}"
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def run(*command: str) -> None:
    """Run a command; RuntimeError with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def over_a_link(repeats: int) -> dict | str:
    """What two ranks have measured over 1 Gbit/s, or why they could not."""
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"there is no `{tool}`"
    if hasattr(os, "geteuid") and os.geteuid():
        return "making network namespaces needs root"
    try:
        with namespaces() as entered:
            name, path = entered.split()
            options = [
                "-n",
                "2",
                "--threads",
                "1",
                "--hosts",
                ",".join(ADDRESSES),
                "--address",
                ADDRESSES[0],
                "--launcher-exec",
                path,
            ]
            # Both namespaces are on one machine, which MPI's transports notice; they are to use the link.
            return job(options, repeats, ("ip", "netns", "exec", name), UCX_TLS="tcp,self", FI_PROVIDER="tcp")
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        return str(error)


# ------------------------------------------------------------------------------------------------ the plan
def line(messages: dict[str, float]) -> tuple[float, float]:
    """Latency in seconds and bytes per second of an all_reduce between two ranks, where every byte crosses once."""
    sizes, times = np.array([int(s) for s in messages]), np.array(list(messages.values()))
    large = sizes >= 65_536
    slope = float(np.polyfit(sizes[large], times[large], 1)[0])
    return float(times[~large].min()) / 2, 1 / slope


def reduction(size: float, buckets: int, ranks: int, latency: float, bandwidth: float) -> float:
    """Seconds of the reduction of gradients, nothing hidden."""
    return buckets * 2 * (ranks - 1) * latency + 2 * (ranks - 1) / ranks * size / bandwidth


def report(one: dict, local: dict, link: dict | str) -> str:
    """The tables of docs/scale.md."""
    links = {"this machine": line(local["messages"]), **LINKS}
    lines = ["An all_reduce of two ranks:", "", "| bytes | this machine | 1 Gbit/s |", "|---|---|---|"]
    for size, seconds in local["messages"].items():
        other = f"{1e3 * link['messages'][size]:.3f} ms" if isinstance(link, dict) else ""
        lines.append(f"| {int(size):,} | {1e3 * seconds:.3f} ms | {other} |")
    lines += ["", "A step on two ranks of one thread, measured:", ""]
    lines += [
        "| net, batch of a rank | gradients | buckets | compute | with reduction | in 8 micro-shards | one "
        "process of two threads, both batches | images per second, two ranks / one process |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in local["steps"].items():
        cells = " | ".join(f"{1e3 * row[kind]:.1f} ms" for kind in ("alone", "reduced", "exact"))
        whole = one[name]["alone"]
        cells += f" | {1e3 * whole:.1f} ms | {whole / row['reduced']:.2f}"
        lines.append(f"| {name}, {NETS[name]} | {row['bytes'] / 1e6:.2f} MB | {row['buckets']} | {cells} |")
    lines += ["", "The formula against two ranks over the link of 1 Gbit/s:", ""]
    if isinstance(link, dict):
        latency, bandwidth = line(link["messages"])
        lines += [f"Its line: {1e6 * latency:.0f} us, {bandwidth / 1e6:.0f} MB/s.", ""]
        lines += [
            "| net | compute | reduction by the formula | sum | measured | measured / sum |",
            "|---|---|---|---|---|---|",
        ]
        for name, row in link["steps"].items():
            cost = reduction(row["bytes"], row["buckets"], 2, latency, bandwidth)
            numbers = (row["alone"], cost, row["alone"] + cost, row["reduced"])
            cells = " | ".join(f"{1e3 * number:.1f} ms" for number in numbers)
            lines.append(f"| {name} | {cells} | {row['reduced'] / (row['alone'] + cost):.2f} |")
    else:
        lines.append(f"Not run: {link}.")
    lines += [
        "",
        "A step on more ranks by the formula, and how many times the images per second of one rank that is:",
        "",
    ]
    for name, row in local["steps"].items():
        lines += [f"| {name} | " + " | ".join(links) + " |", "|---" * (1 + len(links)) + "|"]
        for ranks in (2, 4, 8, 16, 64):
            cells = []
            for latency, bandwidth in links.values():
                whole = row["alone"] + reduction(row["bytes"], row["buckets"], ranks, latency, bandwidth)
                cells.append(f"{1e3 * whole:.1f} ms ({ranks * row['alone'] / whole:.1f}x)")
            lines.append(f"| {ranks} ranks | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the tables into docs/scale.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="three repeats, and nothing is written")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(args.repeats)
    repeats = 3 if args.quick else args.repeats
    one = job(["-n", "1", "--threads", "2"], repeats)["steps"]
    text = report(one, job(["-n", "2", "--threads", "1"], repeats), over_a_link(repeats))
    print(text)
    if not args.quick:
        page = ROOT / "docs" / "scale.md"
        before, rest = page.read_text().split("<!-- scale:start -->\n")
        after = rest.partition("<!-- scale:end -->")[2]
        page.write_text(f"{before}<!-- scale:start -->\n{text}<!-- scale:end -->{after}")
    return None


if __name__ == "__main__":
    main()
