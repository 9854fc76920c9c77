"""Starting: the import; a fresh interpreter to the first loss of ResNet-20, with and without a kernel cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

CACHE = "MINITORCH_CACHE_DIR"


def seconds_to_import(library: str, times: int) -> float:
    """Median over fresh interpreters, without their own start."""
    code = f"import time; t = time.perf_counter(); import {library}; print(time.perf_counter() - t)"
    return median(float(_fresh(["-c", code])) for _ in range(times))


def first_step(label: str, threads: int, cache: str | None = None) -> dict[str, float]:
    """Of a fresh interpreter, in seconds: start to first loss, the first step alone; and kernels compiled."""
    start = time.time()
    said = json.loads(_fresh([__file__, label, str(threads)], {CACHE: cache} if cache else {}))
    return {"to loss": said["loss"] - start, "step": said["step"], "compilations": said["compilations"]}


def cold_and_warm(threads: int, times: int) -> tuple[dict[str, float], dict[str, float]]:
    """minitorch's `first_step` with an empty kernel cache, and the median of those that follow."""
    with tempfile.TemporaryDirectory() as cache:
        cold = first_step("minitorch", threads, cache)
        return cold, middle([first_step("minitorch", threads, cache) for _ in range(times)])


def middle(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure."""
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _fresh(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    """What a fresh interpreter prints. It keeps compiled sources, as users' do, so that all but the first find them."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, *arguments],
        env=inherited | (environment or {}),
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout


def _first_step(label: str, threads: int) -> dict[str, Any]:
    """In the fresh interpreter: when the first loss was there, and how long the whole step took."""
    import nets
    from timing import Side

    side = Side(label, threads)
    (case,) = (case for case in nets.CASES if case.net is nets.resnet20)
    net, (x, y) = side.model(case.net), nets.data(side, case.batch)
    optimizer = side.lib.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    start = time.perf_counter()
    loss = side.lib.nn.functional.cross_entropy(net(x), y)
    float(loss.detach())
    known = time.time()
    loss.backward()
    optimizer.step()
    return {
        "loss": known,
        "step": time.perf_counter() - start,
        "compilations": side.lib.kernels.compilations() if side.ours else 0,
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    print(json.dumps(_first_step(sys.argv[1], int(sys.argv[2]))))
