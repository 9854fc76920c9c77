"""Whole training runs: the same bits for any number of threads, no growth, nothing compiled twice, the example itself."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from counted import living

import minitorch
from minitorch import kernels, nn, optim
from minitorch.nn import functional as F

ROOT = Path(__file__).parents[2]

TRAIN = """
import hashlib, json, sys
import minitorch
from minitorch import kernels, nn, optim
kernels.set_num_threads(int(sys.argv[1]))
minitorch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1, stride=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 10),
)
optimizer = optim.SGD(model.parameters(), 0.05, momentum=0.9)
images, labels = minitorch.randn(64, 3, 32, 32), minitorch.randint(10, (64,))
for step in range(20):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
digest = hashlib.sha256(b"".join(p.array.tobytes() for p in model.state_dict().values())).hexdigest()
print(json.dumps([digest, loss.item(), kernels.get_num_threads(), kernels.compilations(), kernels.implementation()]))
"""


def train(threads):
    """Run TRAIN in a process of its own that may start four threads, whatever the machine has."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "4", "PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", TRAIN, str(threads)], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def test_same_bits_for_any_number_of_threads():
    """20 steps of SGD end in the same weight bits with 1, 2 and 4 threads; the later processes compile nothing."""
    first, *others = [train(threads) for threads in (1, 2, 4)]
    assert np.isfinite(first[1])
    for threads, other in zip((2, 4), others, strict=True):
        assert other[:2] == first[:2]
        assert other[2] == threads
    again = train(4)
    assert again[3] == 0, "a second process compiled kernels that the first had cached"


def small_step(model, optimizer, x, labels):
    """One training step."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
    return loss


def test_thousand_steps_without_the_collector_do_not_grow():
    """With the garbage collector off, steps 100 to 1,000 leave the number of objects and our cycles at zero growth."""
    minitorch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    )
    optimizer = optim.Adam(model.parameters())
    x, labels = minitorch.randn(4, 1, 6, 6), minitorch.tensor([0, 1, 2, 0])

    for _ in range(100):
        small_step(model, optimizer, x, labels)
    gc.collect()
    gc.disable()
    try:
        before, all_before = living(), len(gc.get_objects())
        for _ in range(900):
            small_step(model, optimizer, x, labels)
        assert living() <= before
        assert len(gc.get_objects()) <= all_before + 50
    finally:
        gc.enable()


def test_numba_is_imported_when_first_needed():
    """`import minitorch` stays light: neither numba nor matplotlib nor the download libraries come with it."""
    code = (
        "import sys, minitorch; print([m for m in ('numba', 'matplotlib', 'pooch', 'tqdm', 'PIL') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(kernels.implementation() != "numba", reason="minutes long on the reference kernels")
def test_the_example_learns(tmp_path):
    """The example's own code, one epoch on a part of Shapes: the bar's numbers, the picture and a loadable checkpoint."""
    pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws the curves")
    code = (
        "import sys; sys.path.insert(0, 'examples'); import cifar10; from minitorch.vision import datasets\n"
        "from minitorch.utils.data import Subset\n"
        "load = cifar10.load\n"
        "def part(*args):\n"
        "    sets = [Subset(s, range(640)) for s in load(*args)]\n"
        "    for s in sets: s.classes = s.dataset.classes\n"
        "    return sets\n"
        "cifar10.load = part\n"
        f"sys.argv = ['cifar10.py', '--epochs', '1', '--out', {str(tmp_path)!r}]\n"
        "cifar10.main()\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "test accuracy " in out.stdout
    state = minitorch.load(tmp_path / "checkpoint.zip")
    assert state["progress"]["epoch"] == 1 and len(state["model"]) > 10
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
