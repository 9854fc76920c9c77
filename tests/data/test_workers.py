"""Batches from worker processes: those of the main process, bit for bit, whatever the number of workers."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections import namedtuple

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.utils.data import (
    ChainDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    get_worker_info,
    random_split,
)
from minitorch.utils.data.stream import current_stream

Point = namedtuple("Point", "x y")


@pytest.fixture(autouse=True)
def nothing_is_left():
    """After each test no worker process is left."""
    yield
    gc.collect()
    assert multiprocessing.active_children() == []


def seeded(seed: int) -> minitorch.Generator:
    return minitorch.Generator().manual_seed(seed)


class Pictures(Dataset):
    """Pictures whose memory is channels last, drawn from the sample's stream and from minitorch's generator."""

    def __getitem__(self, index):
        noise = current_stream(1).uniform()[0] + float(minitorch.rand(1))
        picture = np.arange(96 * 96 * 3, dtype=np.float32).reshape(96, 96, 3) * np.float32(noise)
        return np.moveaxis(picture, -1, 0), index

    def __len__(self):
        return 22


class Who(Dataset):
    """A sample is its index and what `get_worker_info` says."""

    def __getitem__(self, index):
        info = get_worker_info()
        return index, info.id, info.num_workers, info.seed, isinstance(info.dataset, Who), os.getpid()

    def __len__(self):
        return 12


def bits(value):
    """A batch as something to compare: dtypes, shapes, strides and bytes."""
    if isinstance(value, minitorch.Tensor):
        return value.array.dtype.str, value.array.shape, value.array.strides, value.array.tobytes("A")
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    return type(value), [bits(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(
    ("counts", "options"),
    [((1, 2, 4), {"batch_size": 4}), ((2,), {"batch_size": 4, "drop_last": True}), ((2,), {"batch_size": None})],
)
def test_any_number_of_workers_gives_the_same_batches(counts, options):
    """Values, order, dtypes and memory layout are those of the main process, in the second epoch, too."""

    def epochs(workers):
        loader = DataLoader(Pictures(), shuffle=True, num_workers=workers, generator=seeded(3), **options)
        return [[bits(batch) for batch in loader] for _ in range(2)]

    want = epochs(0)
    assert want[0] != want[1]
    for workers in counts:
        assert epochs(workers) == want


@pytest.mark.slow
def test_repeated_draws_and_subsets_are_the_same():
    """Sampling with replacement augments each draw apart, in workers as in the main process."""
    part = random_split(Pictures(), [6, 16], generator=seeded(0))[0]

    def epoch(workers):
        sampler = RandomSampler(part, True, 20, seeded(5))
        return [bits(b) for b in DataLoader(part, 3, sampler=sampler, num_workers=workers, generator=seeded(3))]

    want = epoch(0)
    assert epoch(2) == want
    rows = DataLoader(part, None, sampler=[1, 1, 1], num_workers=2, generator=seeded(3))
    assert len({row[0].array.tobytes() for row in rows}) == 3


def train(workers):
    minitorch.manual_seed(7)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.LazyLinear(22))
    loader = DataLoader(Pictures(), 5, shuffle=True, num_workers=workers)
    for _ in range(2):
        for x, y in loader:
            loss = nn.functional.cross_entropy(net(x * 1e-5), y)
            net.zero_grad()
            loss.backward()
            with minitorch.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
    return [p.array.tobytes() for p in net.parameters()]


@pytest.mark.slow
def test_any_number_of_workers_trains_the_same_weights():
    """A net with dropout ends with the same bits: loading takes no numbers from the generator of the program."""
    want = train(0)
    assert train(1) == train(3) == want


def test_workers_know_who_they_are():
    """Batches go to the workers in turn, and get_worker_info tells id, count, seed and the worker's own dataset."""
    batches = [np.stack([t.array for t in batch]) for batch in DataLoader(Who(), 2, num_workers=3)]
    assert [batch[0].tolist() for batch in batches] == [[k, k + 1] for k in range(0, 12, 2)]
    assert [batch[1].tolist() for batch in batches] == [[k, k] for k in (0, 1, 2, 0, 1, 2)]
    rows = np.concatenate(batches, axis=1)
    assert set(rows[2]) == {3} and set(rows[4]) == {1}
    assert len(set(rows[3] - rows[1])) == 1 and len(set(rows[5])) == 3 and os.getpid() not in rows[5]
    assert get_worker_info() is None


def all_kinds(batch):
    leaf = minitorch.ones(2, requires_grad=True)
    return {
        "point": Point(minitorch.zeros(0, 3), batch),
        "views": (np.arange(40_000)[::-2], np.broadcast_to(np.float16(2), (3, 5)), np.asfortranarray(np.eye(200, 300))),
        "none": None,
        "text": ["a", b"b"],
        "objects": np.array([{1}, None], object),
        "leaf": leaf,
        "large": np.arange(50_000, dtype=np.int16).reshape(2, 5, 5000).transpose(1, 2, 0),
    }


def test_batches_of_all_kinds_cross():
    """Containers, text, odd strides and leaves cross as they are, and what arrives can be written."""
    got = next(iter(DataLoader(Who(), 3, collate_fn=all_kinds, num_workers=1)))
    want = all_kinds(None)
    assert type(got["point"]).__name__ == "Point" and got["point"].x.shape == (0, 3)
    for g, w in zip(got["views"], want["views"], strict=True):
        assert g.dtype == w.dtype and np.array_equal(g, w)
    assert got["views"][2].flags.f_contiguous and got["large"].strides == want["large"].strides
    assert np.array_equal(got["large"], want["large"]) and got["none"] is None and got["text"] == ["a", b"b"]
    assert got["leaf"].requires_grad and got["objects"].tolist() == [{1}, None]
    got["large"][:] = 0
    got["views"][2][0] = 1


# ---- streams


class Numbers(IterableDataset):
    """0 ... stop - 1; `divide` leaves each worker its share."""

    def __init__(self, stop, divide=True):
        self.stop, self.divide = stop, divide

    def __iter__(self):
        info = get_worker_info()
        share = (info.id, info.num_workers) if info is not None and self.divide else (0, 1)
        for number in range(share[0], self.stop, share[1]):
            yield number, float(current_stream(1).uniform()[0])

    def __len__(self):
        return self.stop


@pytest.mark.slow
def test_streams_are_divided_or_repeated():
    """Every worker reads its own copy from the beginning; the batches of the workers come in turn."""
    batches = [x.tolist() for x, _ in DataLoader(Numbers(10), 2, num_workers=3)]
    assert batches == [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]
    assert [x.tolist() for x, _ in DataLoader(Numbers(10), 2, num_workers=3, drop_last=True)] == batches[:4]
    assert [x.item() for x, _ in DataLoader(Numbers(3, False), num_workers=2)] == [0, 0, 1, 1, 2, 2]
    chained = ChainDataset([Numbers(2), Numbers(3)])
    assert [x for x, _ in DataLoader(chained, None, num_workers=2)] == [0, 1, 0, 1, 2]


@pytest.mark.slow
def test_streams_draw_their_own_numbers():
    """The k-th sample of the whole draws the same whatever the number of workers; copies draw apart."""

    def noise(workers, divide=True):
        rows = DataLoader(Numbers(8, divide), None, num_workers=workers, generator=seeded(1))
        return sorted((int(number), float(value)) for number, value in rows)

    assert noise(0) == noise(1) == noise(2) == noise(4)
    assert len({value for _, value in noise(2, divide=False)}) == 16


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_longer_than_they_said_warn(workers):
    """More batches than len(loader) said are a sign of workers that read the same."""
    loader = DataLoader(Numbers(4, False), 4, num_workers=workers)
    assert len(loader) == 1
    if workers:
        with pytest.warns(UserWarning, match="reported to be 1 .*get_worker_info"):
            assert len(list(loader)) == 2
    else:
        assert len(list(loader)) == 1


# ---- options


@pytest.mark.slow
def test_persistent_workers_live_on():
    """The same processes serve every epoch, also after one that was left half-way; the others are new each time."""
    for persistent in (True, False):
        loader = DataLoader(Who(), 4, num_workers=2, persistent_workers=persistent)
        first = {pid for batch in loader for pid in batch[5].tolist()}
        next(iter(loader))
        again = [batch for batch in loader]
        assert [batch[0].tolist() for batch in again] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert ({pid for batch in again for pid in batch[5].tolist()} == first) == persistent
    assert loader.persistent_workers is False
    loader = DataLoader(Who(), 4, num_workers=1, persistent_workers=True)
    old, new = iter(loader), iter(loader)
    assert next(new)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="newer iterator"):
        next(old)


class Sleeper(Dataset):
    def __getitem__(self, index):
        time.sleep(0.4 if index == 0 else 0)
        return index

    def __len__(self):
        return 6


@pytest.mark.slow
def test_order_is_kept_unless_declined():
    """A slow batch holds up the others; with in_order=False they pass it."""
    assert [b.item() for b in DataLoader(Sleeper(), num_workers=2)] == list(range(6))
    loose = [b.item() for b in DataLoader(Sleeper(), num_workers=2, in_order=False)]
    assert sorted(loose) == list(range(6)) and loose[0] != 0


class Noted(Dataset):
    """Leaves a file for every sample that is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __getitem__(self, index):
        (self.folder / str(index)).touch()
        return index

    def __len__(self):
        return 40


@pytest.mark.parametrize(("factor", "ahead"), [(None, 4), (1, 2), (5, 10)])
def test_prefetch_factor(tmp_path, factor, ahead):
    """Workers load `prefetch_factor` batches each before they are asked for, and not more."""
    batches = iter(DataLoader(Noted(tmp_path), num_workers=2, prefetch_factor=factor))
    end = time.monotonic() + 10
    while len(os.listdir(tmp_path)) < ahead and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.1)
    assert len(os.listdir(tmp_path)) == ahead
    next(batches)


def seed_by_hand(worker):
    random.seed(worker)
    np.random.seed(worker)


def draw(batch):
    return batch, random.random(), np.random.rand(), get_worker_info().id


@pytest.mark.slow
def test_global_generators_of_python_and_numpy():
    """They are seeded for each batch, so any number of workers draws the same; worker_init_fn has the last word."""

    def drawn(workers, **options):
        return [
            row[1:3]
            for row in DataLoader(Who(), 3, num_workers=workers, collate_fn=draw, generator=seeded(1), **options)
        ]

    assert drawn(1) == drawn(3) and len({value for row in drawn(2) for value in row}) == 8
    assert drawn(2, worker_init_fn=seed_by_hand)[1] == (random.Random(1).random(), np.random.RandomState(1).rand())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_contexts(method):
    """A context or its name; a forked worker needs nothing that can be pickled."""
    if method == "fork":
        loader = DataLoader(Who(), 6, num_workers=2, multiprocessing_context="fork", collate_fn=lambda rows: rows[0][0])
    else:
        loader = DataLoader(
            Who(), 6, num_workers=1, multiprocessing_context=multiprocessing.get_context(method), collate_fn=len
        )
    assert list(loader) == ([0, 6] if method == "fork" else [6, 6])


def surroundings(batch):
    return os.getcwd(), os.environ.get("MINITORCH_TEST_OF_WORKERS"), minitorch.tensor(1.0).dtype == minitorch.float64


def test_workers_have_the_surroundings_of_the_program(monkeypatch, tmp_path):
    """Folder, environment and default dtype are those of the program when the epoch began."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINITORCH_TEST_OF_WORKERS", "yes")
    minitorch.set_default_dtype(minitorch.float64)
    try:
        got = next(iter(DataLoader(Who(), 12, num_workers=1, collate_fn=surroundings)))
    finally:
        minitorch.set_default_dtype(minitorch.float32)
    assert got == (os.fspath(tmp_path), "yes", True)


def test_classes_of_a_session_need_no_file():
    """What a notebook or `python -c` defines is found by workers that are copies of the process."""
    code = (
        "from minitorch.utils.data import DataLoader, Dataset\n"
        "class Mine(Dataset):\n"
        "    def __getitem__(self, index): return index * 2\n"
        "    def __len__(self): return 3\n"
        "print([x for x in DataLoader(Mine(), num_workers=2, collate_fn=lambda rows: rows[0])])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "[0, 2, 4]", run.stderr


class Rows(TensorDataset):
    """Adds the worker, where there is one, to a sample of a TensorDataset."""


def test_sets_in_memory_are_loaded_here():
    """A set that makes whole batches is loaded in the main process, unless a function of the user's needs workers."""
    rows = Rows(minitorch.arange(6), minitorch.arange(6) * 2)
    start = time.monotonic()
    batches = iter(DataLoader(rows, 4, num_workers=2))
    assert multiprocessing.active_children() == []
    assert [[t.tolist() for t in batch] for batch in batches] == [[[0, 1, 2, 3], [0, 2, 4, 6]], [[4, 5], [8, 10]]]
    assert time.monotonic() - start < 1
    assert [len(b) for b in DataLoader(rows, 4, num_workers=2, collate_fn=list)] == [4, 2]
    assert [b[0].tolist() for b in DataLoader(rows, 4, num_workers=1, worker_init_fn=seed_by_hand)] == [
        [0, 1, 2, 3],
        [4, 5],
    ]


def test_large_sets_are_shared_by_the_workers():
    """The arrays of a dataset reach all workers; what one writes, the others do not see."""
    rows = TensorDataset(minitorch.arange(60_000).reshape(6, 10_000))
    got = list(DataLoader(rows, 2, num_workers=2, collate_fn=overwrite))
    assert [value for value, _ in got] == [[0, 10_000], [20_000, 30_000], [40_000, 50_000]]
    assert rows.tensors[0][0, 0].item() == 0


def overwrite(batch):
    """The first numbers of the samples; then -1 is written into sample 4, which only the next batches would see."""
    firsts = [row[0][0].item() for row in batch]
    get_worker_info().dataset.tensors[0].array[:4] = -1
    return firsts, get_worker_info().id


@pytest.mark.slow
def test_workers_start_light(tmp_path):
    """A worker does not import numba, nor has it more threads than the one that listens and those of numpy."""
    code = (
        "import sys, threading\n"
        "from minitorch.utils.data import DataLoader\n"
        "def look(batch): return 'numba' in sys.modules, threading.active_count()\n"
        "if __name__ == '__main__': print(list(DataLoader(range(2), num_workers=1, collate_fn=look)))\n"
    )
    path = tmp_path / "look.py"
    path.write_text(code)
    run = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "[(False, 2), (False, 2)]", run.stdout + run.stderr
