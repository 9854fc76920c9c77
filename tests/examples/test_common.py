"""The loop of the examples: stopped, killed or out of disk at any moment, it goes on to the same bits."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minitorch
from minitorch import nn

ROOT = Path(__file__).parents[2]
TINY = [sys.executable, str(Path(__file__).with_name("tiny.py"))]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def common(example):
    """The module examples/common.py."""
    return example("common")


def start(folder, *more, pictures=False, **settings):
    """A run of tiny.py that saves after each batch."""
    environment = ENVIRONMENT if pictures else {**ENVIRONMENT, "PLAIN": "1"}
    command = [*TINY, "--out", str(folder), "--save-every", "0", "--threads", "1", *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **settings
    )


def finished(folder, *more, **settings):
    """The output of a run that ends well."""
    process = start(folder, *more, **settings)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return output


def content(folder):
    """Everything in a checkpoint but times, as bytes and text."""
    state = minitorch.load(folder / "checkpoint.zip")
    progress = state["progress"]
    for row in [progress, *progress["history"]]:
        row.pop("seconds", None)
        row.pop("images_per_second", None)
    arrays: list[bytes] = []

    def walk(value):
        if isinstance(value, minitorch.Tensor):
            arrays.append(value.detach().numpy().tobytes())
            return list(value.shape)
        if isinstance(value, dict):
            return {str(key): walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, (list, tuple)) else value

    return json.dumps(walk(state), default=str), arrays


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    finished(folder, pictures=True)
    return folder


def kill_and_resume(folder, moments, seed):
    """Kill runs so many times, each at a random moment after the one before got on; then run to the end."""
    chance = random.Random(seed)
    checkpoint = folder / "checkpoint.zip"
    for _ in range(moments):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = start(folder, "--resume")
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        process.communicate()
    finished(folder, "--resume")


@pytest.mark.slow
def test_killed_twenty_times(whole, tmp_path):
    """kill -9 at random moments, and the final checkpoint is that of the undisturbed run, bit for bit."""
    for round in range(4):
        folder = tmp_path / str(round)
        folder.mkdir()
        kill_and_resume(folder, 5, seed=round + 1)
        assert content(folder) == content(whole)
        assert not list(folder.glob("*.part"))


@pytest.mark.slow
def test_interrupted_and_resumed(whole, tmp_path):
    """Ctrl-C ends the run after the batch with a checkpoint and the command that goes on; the bits are the same."""
    process = start(tmp_path)
    while not (tmp_path / "checkpoint.zip").exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert re.search(r"stopped in epoch \d after batch \d+ of 8\ngo on with: python .*tiny.py .* --resume", output)
    assert "goes on in epoch" in finished(tmp_path, "--resume")
    assert content(tmp_path) == content(whole)


def test_the_folder_of_a_run(whole):
    """Metrics, a report and the best weights lie there; resuming a finished run changes nothing."""
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["test_accuracy"] > 0.9 and rows[-1]["loss"] < rows[0]["loss"]
    assert "| left |" in (whole / "report.md").read_text()
    best = minitorch.load(whole / "best.zip")
    assert best["test_accuracy"] == max(row["test_accuracy"] for row in rows)
    before = content(whole)
    assert "goes on in epoch 4" in finished(whole, "--resume")
    assert content(whole) == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
def test_disk_full(whole, tmp_path):
    """Where a checkpoint finds no room, a line says so, the one before stays whole, and the run can go on from it."""
    process = start(tmp_path)
    while not (tmp_path / "checkpoint.zip").exists():
        time.sleep(0.002)
    process.kill()
    process.communicate()
    before = content(tmp_path)
    limit = (tmp_path / "checkpoint.zip").stat().st_size // 2
    process = start(tmp_path, "--resume", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    output = process.communicate()[0]
    assert "the checkpoint was not written (File too large); the one before is whole" in output
    assert "Traceback" not in output
    assert content(tmp_path) == before
    finished(tmp_path, "--resume")
    assert content(tmp_path) == content(whole)


def test_odd_arguments(example, whole, tmp_path, monkeypatch, capsys):
    """What can't be is said in a sentence, before anything is computed or changed."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    tiny = example("tiny")

    def said(*words):
        monkeypatch.setattr(sys, "argv", ["tiny.py", "--out", str(tmp_path / "run"), *words])
        with pytest.raises(SystemExit) as end:
            tiny.main()
        return capsys.readouterr().err if end.value.code == 2 else end.value.code

    (tmp_path / "file").write_text("")
    for words, sentence in [
        (["--epochs", "0"], "argument --epochs: needs a whole number from 1 on, but is '0'"),
        (["--batch-size", "100000"], "--batch-size 100000: there are only 128 training images; take fewer"),
        (["--lr", "nan"], "argument --lr: needs a number from 0 on, but is 'nan'"),
        (["--seed", str(2**64)], "argument --seed: needs a whole number"),
        (["--out", str(tmp_path / "file" / "x")], "can't write there: Not a directory"),
        (["--out", str(whole), "--resume", "--seed", "5"], "was made with --seed 0, this is --seed 5; say the same"),
    ]:
        assert sentence in said(*words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"] and not any((tmp_path / "run").iterdir())
    (tmp_path / "run" / "checkpoint.zip").write_text("rubbish")
    assert "can't be used" in said("--resume")


def test_grid(common, tmp_path):
    """Images side by side, grey or coloured, with white where there is none."""
    image = pytest.importorskip("PIL.Image", reason="pillow, of the viz extra, reads the picture")
    pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, writes it")
    for images, first in [
        (minitorch.zeros(3, 4, 5), [0, 0, 0]),
        (minitorch.tensor([1.0, 0.0, 9.0]).reshape(1, 3, 1, 1).expand(3, 3, 4, 5), [255, 0, 255]),
    ]:
        common.grid(images, tmp_path / "grid.png", columns=2, zoom=1)
        picture = np.asarray(image.open(tmp_path / "grid.png"))[..., :3]
        assert picture.shape == (2 * 6, 2 * 7, 3)
        for row, column in ((1, 1), (4, 12), (7, 1)):
            assert picture[row, column].tolist() == first
        assert (picture[0] == 255).all() and (picture[6:, 7:] == 255).all()


def test_batches_from_any_batch_on(common):
    """Batch k of an epoch is the same however it is reached; epochs differ; no image comes twice."""
    dataset = minitorch.utils.data.TensorDataset(minitorch.arange(10))
    batches = common.Batches(dataset, 3, seed=4)
    first = [batch[0].tolist() for batch in batches.epoch(0)]
    assert len(first) == len(batches) == 3
    assert len(set(sum(first, []))) == 9
    assert [batch[0].tolist() for batch in batches.epoch(0, 2)] == first[2:]
    assert [batch[0].tolist() for batch in batches.epoch(1)] != first
    with pytest.raises(SystemExit, match="--batch-size 11: there are only 10 training images"):
        common.Batches(dataset, 11, seed=0)


class Root(nn.Module):
    """The square root of a linear layer's outputs, shifted."""

    def __init__(self, shift):
        super().__init__()
        self.shift, self.linear = shift, nn.Linear(2, 2)
        nn.init.constant_(self.linear.weight, 0.0)
        nn.init.constant_(self.linear.bias, 0.0)

    def forward(self, x):
        return minitorch.sqrt(self.linear(x) + self.shift)


@pytest.mark.parametrize(
    "shift, image, weight, sentence",
    [
        (-1, 1, 0, r"the loss is nan: module `1` \(Root\) made it, in the op `sqrt`"),
        (0, 1, 0, r"the gradient of `1.linear.weight` is not finite: .*sqrt"),
        (1, np.nan, 0, "the images of this batch hold NaN"),
        (1, 1, np.inf, "`1.linear.weight` was not finite before this step"),
    ],
)
def test_the_first_nan_is_named(common, shift, image, weight, sentence):
    """Module and op for the forward pass, the op whose derivative it was for the backward pass, or what was given."""
    model = nn.Sequential(nn.Dropout(0.5), Root(shift))
    model[1].linear.weight.detach()[0, 0] = weight
    images = minitorch.full((2, 2), float(image))
    watch = common.Watch(model)

    def loss():
        out = model(images)
        return (out * out.detach()).sum() if shift else (out * 0).sum()

    with watch:
        result = loss()
    result.backward()
    call = minitorch.autograd.Primitive.__call__
    with pytest.raises(SystemExit, match=sentence):
        watch.check(result, loss, images)
    assert minitorch.autograd.Primitive.__call__ is call
    assert not model[1]._forward_hooks


def test_a_finite_step_passes(common):
    """Nothing is said of a sound step."""
    model = nn.Sequential(Root(1))
    watch = common.Watch(model)
    images = minitorch.ones(2, 2)
    with watch:
        loss = model(images).sum()
    loss.backward()
    watch.check(loss, lambda: model(images).sum(), images)


def test_pictures(common, tmp_path):
    """Curves, confusion, filters and worst images are PNG files."""
    pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws them")
    rng = np.random.default_rng(0)
    labels, guesses = rng.integers(0, 3, 30), rng.integers(0, 3, 30)
    examined = common.Examined(1.0, 0.3, rng.random(30), labels, guesses)
    rows = [{"epoch": e, "loss": 1 / e, "accuracy": 0.5, "test_loss": 2 / e, "test_accuracy": 0.4} for e in (1, 2)]
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten())
    dataset = [(minitorch.rand(3, 4, 4), 0) for _ in range(30)]
    common.report(SimpleNamespace(out=tmp_path, seed=0), "Title", rows, examined, dataset, "abc", model)
    for name in ("curve", "confusion", "filters", "worst"):
        if name == "curve":
            common.curves(rows, tmp_path / "curve.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "![Kernels of the first convolution](filters.png)" in (tmp_path / "report.md").read_text()
