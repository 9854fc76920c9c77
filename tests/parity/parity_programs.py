"""Programs in the manner of public PyTorch scripts, run by PyTorch and by minitorch from the same weights.

A program in tests/scripts/programs says `import torch` and means what runs it (`minitorch.run.install`). `models()` makes
the modules, whose state is copied from PyTorch's; `train(**models)` yields losses and other numbers. They are to agree
within 1e-3.

    python tests/parity/parity_programs.py NAME torch        the numbers of one program
"""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = Path(__file__).parent.parent / "scripts" / "programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
SMALL = 1e-3


def run(name: str, library: str, weights: bytes) -> tuple[list[float], bytes]:
    """What a program yields, and the state that its modules began with, as an .npz file. To be run once per process."""
    if library == "minitorch":
        from minitorch.run import install

        install()
    import torch

    torch.manual_seed(0)
    program = runpy.run_path(str(PROGRAMS / f"{name}.py"))
    models = program["models"]()
    if weights:
        with np.load(io.BytesIO(weights)) as arrays:
            for key, model in models.items():
                state = {k: torch.from_numpy(arrays[f"{key}/{k}"]) for k in model.state_dict()}
                model.load_state_dict(state)
    file = io.BytesIO()
    np.savez(file, **{f"{key}/{k}": v.numpy() for key, m in models.items() for k, v in m.state_dict().items()})
    return [float(number) for number in program["train"](**models)], file.getvalue()


def in_process(name: str, library: str, weights: bytes = b"") -> tuple[np.ndarray, bytes]:
    """`run` in a process of its own: one `torch` each."""
    command = [sys.executable, "-W", "ignore", __file__, name, library]
    done = subprocess.run(command, input=weights, capture_output=True)
    assert done.returncode == 0, f"{name} fails in {library}:\n{done.stderr.decode()[-2000:]}"
    first, _, rest = done.stdout.partition(b"\n")
    return np.array([float(x) for x in first.split()]), rest


@pytest.mark.parametrize("name", NAMES)
def test_program(name: str) -> None:
    """The same numbers, at least 20 of them, and the parameters move."""
    expected, weights = in_process(name, "torch")
    found, _ = in_process(name, "minitorch", weights)
    assert len(expected) >= 20 and np.isfinite(expected).all() and len(set(expected)) > 10
    np.testing.assert_allclose(found, expected, rtol=SMALL, atol=SMALL)
    print(f"{name}: {len(expected)} numbers, largest difference {np.abs(found - expected).max():.1e}")


if __name__ == "__main__":
    numbers, state = run(sys.argv[1], sys.argv[2], b"" if sys.stdin.isatty() else sys.stdin.buffer.read())
    print(*numbers, flush=True)
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(state)
