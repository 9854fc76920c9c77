"""The notebooks are what their scripts say, ran from top to bottom, and still run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NAMES = ["training_on_images", "a_layer_explained"]


@pytest.fixture(scope="module")
def maker():
    """The module examples/notebooks/make_notebooks.py."""
    sys.path.insert(0, str(FOLDER))
    try:
        import make_notebooks

        return make_notebooks
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_the_script_and_was_run(maker, name):
    """Cells are the script's; each code cell ran in order and none failed; there are pictures."""
    book = json.loads((FOLDER / f"{name}.ipynb").read_text())
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in book["cells"]]
    assert found == list(maker.cells((FOLDER / f"{name}.py").read_text()))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs and not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


def test_the_layer_runs(tmp_path):
    """The short notebook's script runs, and what it computes in two ways is equal."""
    pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws the pictures")
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(FOLDER.parents[1])}
    command = [sys.executable, str(FOLDER / "a_layer_explained.py")]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout
    assert "equal: True" in out and "first order:  True" in out and "second order: True" in out
