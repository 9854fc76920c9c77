"""Scripts in the manner of public ones, run as they are; each trains, and asserts that it has learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_run import SCRIPTS, run

# script: command lines, one after the other in one folder
COMMANDS = {
    "digits": ["--save-model --epochs 2"],
    "image_folder": ["-j 2 --epochs 1 pictures", "pictures --resume checkpoint.pth.tar --epochs 2"],
    "seeds": [""],
    "word_language_model": ["", "--model GRU --tied"],
    **dict.fromkeys(["autoencoder", "fine_tuning", "own_functions", "sine_waves", "two_players"], [""]),
    "super_resolution": ["--threads 2"],
}
QUICK = {"digits", "seeds"}


def test_every_script_has_a_row() -> None:
    """And every row a script."""
    assert sorted(path.stem for path in SCRIPTS.glob("*.py")) == sorted(COMMANDS) and len(COMMANDS) >= 10


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in COMMANDS]
)
def test_scripts_run_as_they_are(name: str, tmp_path: Path) -> None:
    """No line is changed; `import torch` stands in each."""
    path = SCRIPTS / f"{name}.py"
    assert "import torch\n" in path.read_text() and "minitorch" not in path.read_text()
    for arguments in COMMANDS[name]:
        done = run(path, *arguments.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    if name == "image_folder":
        assert "=> loaded checkpoint 'checkpoint.pth.tar' (epoch 1)" in done.stdout
        assert (tmp_path / "model_best.pth.tar").exists()
