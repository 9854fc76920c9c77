"""The fuzz harness finds planted mistakes, and the line that it prints finds them again; tests/parity has more kinds."""

from __future__ import annotations

import collections
import os
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minitorch import nn
from tests.fuzz import cases, driver, interrupts
from tests.fuzz.__main__ import main

ROOT = Path(__file__).parents[2]
MOST = 400  # cases until a mistake must have been found


def check_caught(kind: str, word: str, capsys: pytest.CaptureFixture) -> None:
    """Some case fails and says `word`, in five lines at most; the command in its first line fails in the same way."""
    counts: collections.Counter = collections.Counter()
    reports = (cases.run(kind, 1, number, counts) for number in range(MOST))
    report = next((found for found in reports if found and word in found), None)
    assert report is not None, f"{MOST} cases did not notice"
    command, *rest = report.splitlines()
    assert rest and len(rest) < 5
    python, m, module, *arguments = shlex.split(command)
    assert (python, m, module) == ("python", "-m", "tests.fuzz")
    capsys.readouterr()
    assert main(arguments) == 1
    assert command in capsys.readouterr().out


def careless(self: Any, x: Any, forward: Callable = nn.BatchNorm2d.forward) -> Any:
    """A setting that changes for a while, and stays changed after an interrupt."""
    self.eps *= 2
    out = forward(self, x)
    self.eps /= 2
    return out


def plant_careless(patch: pytest.MonkeyPatch) -> None:
    """Batch norm without a `finally`."""
    patch.setattr(interrupts, "_ready", {})
    patch.setattr(nn.BatchNorm2d, "forward", careless)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "files": (
        lambda patch: patch.setattr(zipfile.ZipExtFile, "_update_crc", lambda *_: None),
        "something else than was saved",
    ),
    "interrupts": (plant_careless, "have other bits"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_mistakes_are_caught(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Checksums that nobody compares; a setting that an interrupt leaves changed."""
    plant, word = PLANTED[kind]
    plant(monkeypatch)
    check_caught(kind, word, capsys)


@pytest.mark.slow
def test_a_run_prints_its_seed_and_counts() -> None:
    """Two processes, a second or so: the seed, the number of cases, and 0 where none failed."""
    command = [sys.executable, "-m", "tests.fuzz", "files", "--minutes", "0.06", "--seed", "3", "--processes", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert "seed 3" in done.stdout and last.startswith("files: ") and " cases, 0 failed (" in last
    assert int(last.split()[1].replace(",", "")) > 0


def falling(seed: int, step: int, kinds: list[str], seconds: float, shared: Any, pipe: Any, wait: float = 0) -> None:
    """A worker whose first case crashes, or hangs, and whose second is the last."""
    at = shared[driver.NEXT] = list(cases.KINDS).index(kinds[0])
    if shared[at] < step:
        time.sleep(wait)
        os._exit(3)
    pipe.send(("counts", {kinds[0]: collections.Counter(cases=1)}, {}))
    pipe.close()


def hanging(*arguments: Any) -> None:
    """One that hangs."""
    falling(*arguments, wait=60)


@pytest.mark.parametrize(
    "work, word", [(falling, "exit code 3"), pytest.param(hanging, "did not end", marks=pytest.mark.slow)]
)
def test_crashes_and_hangs_are_failing_cases(
    work: Callable, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Each of two workers loses its first case and goes on with the next."""
    monkeypatch.setattr(driver, "work", work)
    monkeypatch.setattr(driver, "LIMIT", 8.0)
    assert driver.fuzz(5, 1, ["files"], 2) == 2
    out = capsys.readouterr().out
    for number in (0, 1):
        assert f"{cases.command('files', 5, number)}\n    " in out
    assert out.count(word) == 2 and "files: 2 cases, 2 failed" in out


def test_shares_and_names() -> None:
    """Shares of time add up to 1; each kind has a file of its name."""
    assert sum(kind.share for kind in cases.KINDS.values()) == pytest.approx(1)
    assert all((ROOT / "tests" / "fuzz" / f"{name}.py").exists() for name in cases.KINDS)
