"""The fuzz harness finds planted mistakes, and the line that it prints finds them again; tests/parity has more kinds."""

from __future__ import annotations

import collections
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from minitorch.autograd import modes
from tests.fuzz import cases
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


def no_restore(self: object, *exception: object) -> None:
    """Leave grad mode as it is when a block ends by an exception."""
    if exception[0] is None:
        modes._enabled.set(self._previous.pop())  # type: ignore[attr-defined]


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "files": (
        lambda patch: patch.setattr(zipfile.ZipExtFile, "_update_crc", lambda *_: None),
        "something else than was saved",
    ),
    "interrupts": (lambda patch: patch.setattr(modes._GradMode, "__exit__", no_restore), "grad mode is"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_mistakes_are_caught(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Checksums that nobody compares; a grad mode that an interrupt leaves off."""
    plant, word = PLANTED[kind]
    plant(monkeypatch)
    check_caught(kind, word, capsys)


def test_a_run_prints_its_seed_and_counts() -> None:
    """Two processes, a second or so: the seed, the number of cases, and 0 where none failed."""
    command = [sys.executable, "-m", "tests.fuzz", "files", "--minutes", "0.06", "--seed", "3", "--processes", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert "seed 3" in done.stdout and last.startswith("files: ") and " cases, 0 failed (" in last
    assert int(last.split()[1].replace(",", "")) > 0


def test_shares_and_names() -> None:
    """Shares of time add up to 1; each kind has a file of its name."""
    assert sum(kind.share for kind in cases.KINDS.values()) == pytest.approx(1)
    assert all((ROOT / "tests" / "fuzz" / f"{name}.py").exists() for name in cases.KINDS)
