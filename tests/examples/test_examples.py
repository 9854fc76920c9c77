"""Each example learns, in a few seconds, with settings that are small."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import kernels
from minitorch.vision.datasets.image_set import ArrayImages

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "common")
compiled = pytest.mark.skipif(kernels.implementation() != "numba", reason="minutes long on the reference kernels")


def stripes(count, size, classes, channels, seed):
    """Noise with a bright stripe, whose place tells the class: uint8 (N, H, W, C) and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    pixels = rng.integers(0, 100, (count, size, size, channels)).astype(np.uint8)
    width = size // classes
    for image, label in zip(pixels, labels, strict=True):
        image[:, label * width : (label + 1) * width] += 120
    return pixels, labels


def test_every_example_is_in_the_gallery():
    """examples/README.md has a row for each file, and each file says what it is and how it is called."""
    gallery = (ROOT / "examples" / "README.md").read_text()
    for name in EXAMPLES:
        assert f"[{name}.py]({name}.py)" in gallery, name
        assert f"python examples/{name}.py" in (ROOT / "examples" / f"{name}.py").read_text().split('"""')[1], name


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "gradcheck_your_layer"])
def test_help(example, name, capsys, monkeypatch):
    """--help explains every argument."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        example(name).main()
    assert end.value.code == 0
    assert "python examples/" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "gradcheck_your_layer"])
def test_odd_numbers(example, name, capsys, monkeypatch):
    """No epochs, steps of none and rates below zero get a sentence."""
    length = "--steps" if name in ("char_lstm", "segmentation", "volume") else "--epochs"
    for flag, value in [(length, "0"), (length, "many"), ("--lr", "-1")]:
        if flag == "--lr" and name == "cifar10_airbench":  # whose rates are the paper's
            continue
        monkeypatch.setattr(sys, "argv", [name, flag, value])
        with pytest.raises(SystemExit) as end:
            example(name).main()
        assert end.value.code == 2
        assert re.search(
            rf"argument {flag}: needs a (whole )?number from [\d.]+ on, but is '{value}'", capsys.readouterr().err
        )


@compiled
def test_cifar10_tutorial(example, monkeypatch, tmp_path, capsys):
    """Batch 4 and plain SGD; weights are saved and loaded."""
    module = example("cifar10_tutorial")

    def load(data):
        transform = module.transforms.Compose(
            [module.transforms.ToTensor(), module.transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )
        names = [f"class {k}" for k in range(10)]
        return [ArrayImages(*stripes(n, 32, 10, 3, n), names, transform=transform) for n in (800, 100)]

    monkeypatch.setattr(module, "load", load)
    assert module.main(["--epochs", "1", "--lr", "0.01", "--out", str(tmp_path / "net.zip")]) > 0.6
    assert "class 3" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="--data /nowhere: "):
        monkeypatch.undo()
        module.main(["--data", "/nowhere"])


@compiled
def test_mnist(example, monkeypatch, tmp_path):
    """Ten classes of grey images, with dropout and a schedule."""
    module = example("mnist")
    saved = tmp_path / "mnist.zip"
    with pytest.raises(SystemExit, match="--data /nowhere: "):
        module.main(["--data", "/nowhere"])
    transform = module.transforms.ToTensor()

    def load(args):
        return [ArrayImages(*stripes(n, 28, 10, 1, n), map(str, range(10)), transform=transform) for n in (640, 100)]

    monkeypatch.setattr(module, "load", load)
    assert module.main(["--epochs", "1", "--save", str(saved)]) > 0.6
    assert len(minitorch.load(saved)) == 8


@pytest.mark.slow
@compiled
def test_autoencoder(example, tmp_path):
    """After 60 steps the drawings are nearer than the mean image is; the picture is there."""
    out = tmp_path / "new" / "a.png"
    words = ["--steps", "60", "--width", "8", "--code", "32", "--lr", "0.003", "--out", str(out)]
    assert example("autoencoder").main(words) < 0.92
    pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws it")
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@compiled
def test_dcgan(example, monkeypatch, tmp_path):
    """The generator learns where the pictures are bright: at the left."""
    module = example("dcgan")

    def load(data):
        transform = module.transforms.Compose(
            [module.transforms.ToTensor(), module.transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )
        pixels, labels = stripes(800, 32, 2, 3, 0)
        return ArrayImages(pixels[labels == 0], labels[labels == 0], "ab", transform=transform)

    monkeypatch.setattr(module, "load", load)
    words = ["--epochs", "4", "--width", "8", "--noise", "8", "--batch-size", "16", "--lr", "0.001"]
    pictures = module.main([*words, "--out", str(tmp_path)])
    assert pictures.shape == (64, 3, 32, 32)
    assert pictures[..., :16].mean() > pictures[..., 16:].mean() + 0.05


@pytest.mark.slow
@compiled
def test_segmentation(example, tmp_path):
    """Discs and rings are found and told apart."""
    words = ["--steps", "80", "--size", "32", "--width", "12", "--lr", "0.02", "--out", str(tmp_path / "s.png")]
    assert example("segmentation").main(words) > 0.5


@compiled
def test_ecg(example):
    """All three kinds of beats are recognised, also the rare ones."""
    assert example("ecg").main(["--epochs", "2", "--count", "1500"]) > 0.8


@compiled
def test_volume(example):
    """Three bodies; chance would be a third."""
    assert example("volume").main(["--steps", "50", "--batch-size", "16", "--lr", "0.01"]) > 0.6


@pytest.mark.slow
@compiled
def test_finetune(example, monkeypatch, tmp_path):
    """Weights come from a .pt file, the last layer is new, frozen layers stay what they were; a wrong file says so."""
    module = example("finetune")
    minitorch.manual_seed(1)
    old = module.models.resnet18().state_dict()
    minitorch.save(old, tmp_path / "old.pt")
    words = ["--weights", str(tmp_path / "old.pt"), "--epochs", "2", "--lr", "0.01", "--out", str(tmp_path / "new.pt")]

    def load(data, size):
        transform = module.transforms.ToTensor()
        return [ArrayImages(*stripes(n, 32, 4, 3, n), "abcd", transform=transform) for n in (128, 64)]

    monkeypatch.setattr(module, "load", load)
    assert module.main(words) > 0.5
    new = minitorch.load(tmp_path / "new.pt")
    assert new.keys() == old.keys() and new["fc.weight"].shape == (4, 512)
    assert all((new[name] == old[name]).all() for name in old if not name.startswith("fc."))
    (tmp_path / "old.pt").write_bytes(b"no weights")
    with pytest.raises(SystemExit, match="old.pt"):
        module.main(words)


@compiled
def test_char_lstm(example, tmp_path, capsys):
    """A text of one sentence is learned nearly by heart."""
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 30)
    words = ["--text", str(text), "--steps", "150", "--width", "32", "--window", "24", "--lr", "0.02"]
    assert example("char_lstm").main(words) < 0.3
    assert len(capsys.readouterr().out.splitlines()[-1]) == 301
    text.write_text("short")
    with pytest.raises(SystemExit, match="the text has 5 characters"):
        example("char_lstm").main(["--text", str(text)])


def test_gradcheck_your_layer(tmp_path):
    """The three right ways pass, the wrong one is found out. (In a process: an op's name is given once.)"""
    command = [sys.executable, "examples/gradcheck_your_layer.py", "--trace", str(tmp_path / "steps.html")]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.count("first order True, second order True") == 3
    assert "wrong: Jacobian mismatch for output 0 with respect to input 1 (`a`)" in out
    assert (
        "suspected: a constant factor: the factor 5 is missing" in out and "the rule: Wrong.backward, examples/" in out
    )
    assert "by all its parameters: True" in out and "smooth_abs" in (tmp_path / "steps.html").read_text(
        encoding="utf-8"
    )
