"""Checkpoints: what shares memory, open files, places, versions, extra state, hostile files and orphans of kills."""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.serialization import load, save


def through(value, **options):
    """`value` after a save and a load."""
    buffer = io.BytesIO()
    save(value, buffer)
    buffer.seek(0)
    return load(buffer, **options)


def archive(members, repeats=(), **header):
    """The bytes of an archive of these members, of `repeats` under their names again, and of a structure.json."""
    buffer = io.BytesIO()
    structure = json.dumps({"format": "minitorch", "version": 1, **header})
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in (*members.items(), ("structure.json", structure)):
            out.writestr(name, content)
        for name, content in repeats:
            with pytest.warns(UserWarning, match="Duplicate"):
                out.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    """The bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------------ shared memory

VIEWS = {
    "row": lambda x: x[1],
    "column": lambda x: x[:, 2],
    "step": lambda x: x[::2, 1:],
    "transposed": lambda x: x.t(),
    "flat": lambda x: x.view(-1),
    "detached": lambda x: x.detach(),
    "last": lambda x: x[2, 3],
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("turned", [False, True])
def test_views_stay_views(name, turned):
    """A tensor and its view share memory after load in either order, with the same values; changes are seen."""
    base = minitorch.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))
    values = [base, VIEWS[name](base)]
    loaded = through(values[::-1] if turned else values)
    again, view = loaded[::-1] if turned else loaded
    assert again.tolist() == base.tolist() and view.tolist() == values[1].tolist()
    expected = base.array.copy()
    VIEWS[name](minitorch.from_numpy(expected)).add_(100)
    view.add_(100)
    assert again.tolist() == expected.tolist()


def test_two_views_without_their_base():
    """Overlapping parts share what they have in common; parts that lie apart are saved alone, and small."""
    x = minitorch.arange(1000.0)
    a, b = through([x[:6], x[4:8]])
    b[0] = -1
    assert a.tolist() == [0, 1, 2, 3, -1, 5] and b.tolist() == [-1, 5, 6, 7]
    buffer = io.BytesIO()
    save([x[:2], x[998:]], buffer)
    assert len(buffer.getvalue()) < 1500


def test_arrays_and_other_dtypes_share_memory():
    """Arrays count as tensors do, and so do views as another dtype, aligned as they were."""
    memory = np.zeros(40, np.uint8)
    small, wide = memory[3:], memory[8:24].view(np.float64)
    again, floats, tensor = through([small, wide, minitorch.from_numpy(memory)])
    floats[1] = 1.0
    assert floats.flags.aligned and tensor.numpy()[16:24].view(np.float64)[0] == 1 and again[13:21].any()


def test_arrays_that_see_an_element_twice(monkeypatch):
    """Expanded tensors and windows share memory with their base and each other; alone, or huge, they are written out."""
    x = minitorch.arange(4.0)
    base, wide, windows = through([x, x.expand(3, 4), x.unfold(0, 3, 1)])
    assert wide.tolist() == [[0, 1, 2, 3]] * 3 and windows.tolist() == [[0, 1, 2], [1, 2, 3]]
    base[1] = 9
    assert wide.tolist() == [[0, 9, 2, 3]] * 3 and windows.tolist() == [[0, 9, 2], [9, 2, 3]]
    with pytest.raises(RuntimeError, match="more than one element"):
        wide.fill_(1)
    alone = through(x.expand(3, 4))
    alone[0, 1] = 9
    assert alone.tolist() == [[0, 9, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
    monkeypatch.setattr("minitorch.serialization.writing.LARGE", 32)
    base, wide, two = through([x, x.expand(3, 4), x.expand(2, 4)])
    base[1] = 9
    assert wide.tolist() == [[0, 1, 2, 3]] * 3 and two.tolist() == [[0, 9, 2, 3]] * 2


def test_tied_weights_stay_tied():
    """A tied weight takes its room once, is one object where it was one, and shares memory in a state dict."""
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    model[1].weight = model[0].weight
    buffer = io.BytesIO()
    save(model.state_dict(), buffer)
    assert len(buffer.getvalue()) < 64 * 64 * 4 * 1.2
    buffer.seek(0)
    state = load(buffer)
    state["0.weight"].fill_(5)
    assert (state["1.weight"].numpy() == 5).all()
    first, second = through([model[0].weight, model[1].weight])
    assert first is second and isinstance(first, nn.Parameter)
    first, second = through([first, first.detach()])
    assert first is not second and not second.requires_grad and first.requires_grad


def test_changes_of_shared_memory_are_counted_together():
    """A change through one of two loaded tensors is noticed by the tape of the other."""
    x = minitorch.ones(3)
    base, view = through([x, x[:2]])
    w = minitorch.ones(3, requires_grad=True)
    loss = (w * base).sum()
    view.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# --------------------------------------------------------------------------------------------------------- open files


class Trickle(io.RawIOBase):
    """Takes three bytes at a time, forwards only, as a raw pipe may."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data[:3])
        return min(3, len(data))


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open, None], ids=["gzip", "bz2", "lzma", "pipe"])
def test_open_files(opener):
    """Compressed files are written and read while they are open; so is a file that only goes forwards."""
    value = {"a": minitorch.arange(5.0), "b": [1, "x"]}
    if opener is None:
        trickle = Trickle()
        save(value, trickle)
        source, target = os.pipe()
        with open(target, "wb") as file:
            file.write(trickle.content)
        with open(source, "rb") as file:
            found = load(file)
    else:
        buffer = io.BytesIO()
        with opener(buffer, "wb") as file:
            save(value, file)
        buffer.seek(0)
        with opener(buffer) as file:
            found = load(file)
    assert found["a"].tolist() == [0, 1, 2, 3, 4] and found["b"] == [1, "x"]


def test_map_location():
    """A string, a device, a dict or a function serves if it leads to the CPU; a function sees every tensor once."""
    seen = []

    def here(tensor, place):
        seen.append((tensor.tolist(), place))
        return tensor

    for place in (None, "cpu", "cpu:0", {"cuda:0": "cpu"}, {}, here, lambda tensor, place: None):
        assert through({"a": minitorch.ones(2)}, map_location=place)["a"].tolist() == [1, 1]
    assert seen == [([1, 1], "cpu")]
    for place in ("cuda:0", {"cpu": "cuda:1"}, lambda tensor, place: "cuda", 5):
        with pytest.raises(RuntimeError, match="map_location"):
            through({"a": minitorch.ones(2)}, map_location=place)


# -------------------------------------------------------------------------------------------------------- extra state


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.seen = nn.Linear(1, 1), 0

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]


def test_extra_state():
    """It is saved under the module's name, loaded again, and missing or unexpected where it should be."""
    model = nn.Sequential(Counting(), Counting())
    model[0].seen, model[1].seen = 7, 8
    state = through(model.state_dict(prefix="m."))
    assert state["m.1._extra_state"] == {"seen": 8}
    state = through(model.state_dict())
    other = nn.Sequential(Counting(), Counting())
    assert other.load_state_dict(state) == ([], [])
    assert [part.seen for part in other] == [7, 8]
    del state["1._extra_state"]
    state["0.inner._extra_state"] = 1
    with pytest.raises(RuntimeError, match=r'Missing.*"1._extra_state"(.|\n)*Unexpected.*"0.inner._extra_state"'):
        other.load_state_dict(state)
    assert other.load_state_dict(state, strict=False) == (["1._extra_state"], ["0.inner._extra_state"])
    with pytest.raises(RuntimeError, match="get_extra_state"):
        nn.Linear(1, 1).get_extra_state()


# -------------------------------------------------------------------------------------------- versions, hostile files

PLACE = {"0.npy": npy(np.zeros(32, np.uint8))}


def view(kind="<f4", shape=(2,), strides=(4,), offset=0):
    return {"array": ["0.npy", kind, shape, strides, offset]}


# name: (content of the file, message)
HOSTILE = {
    "two structures": (archive({}, [("structure.json", "{}")], object=1), "2 members named structure.json"),
    "two arrays": (archive(PLACE, [("0.npy", b"")], object=1), "2 members named 0.npy"),
    "long structure": (archive({}, object=[" " * (1 << 25)]), "more than the 33,554,432 that are read"),
    "requires_grad": (archive(PLACE, object={"tensor": ["0.npy", [1]]}), "requires_grad is [1], no bool"),
    "size of text": (archive({}, object={"size": ["a"]}), "else than ints"),
    "size of bools": (archive({}, object={"size": [True]}), "else than ints"),
    "text as a tuple": (archive({}, object={"tuple": "abc"}), "kind 'tuple' whose content is no list"),
    "text as a pair": (archive({}, object={"dict": ["ab"]}), "something else than pairs"),
    "text as a number": (archive({}, object={"complex": ["1", "2"]}), "not of two floats"),
    "half a number": (archive({}, object={"complex": [1.0]}), "not enough values"),
    "again": (archive({}, object={"again": 3}), "index out of range"),
    "traversal": (archive({}, object={"array": "../../etc/passwd"}), "no item named"),
    "deep header": (
        archive(
            {"0.npy": b"\x93NUMPY\x01\0" + (9001).to_bytes(2, "little") + b"-" * 9000 + b"1"}, object={"array": "0.npy"}
        ),
        "0.npy",
    ),
    "view too long": (archive(PLACE, object=view(shape=[9])), "said to lie in it"),
    "view before": (archive(PLACE, object=view(strides=[-4])), "said to lie in it"),
    "view behind": (archive(PLACE, object=view(offset=28)), "said to lie in it"),
    "view of more": (archive(PLACE, object=view(shape=[10**15], strides=[0])), "said to lie in it"),
    "view of much beside": (archive(PLACE, object=view(shape=[1 << 26], strides=[0], offset=1)), "whole elements"),
    "view of objects": (archive(PLACE, object=view("|O", [1], [8])), "does not hold the memory"),
    "view of axes": (archive(PLACE, object=view(shape=[1, 1])), "shorter than argument"),
    "newer kind": (archive({}, minor=9, object={"hologram": 1}), "kind 'hologram' (its format is 1.9, this minitorch"),
    "older kind": (archive({}, object={"hologram": 1}), "unknown kind 'hologram'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name, tmp_path):
    """What was made to mislead is refused by name, with less than 100 MB."""
    content, message = HOSTILE[name]
    (tmp_path / "file.pt").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(RuntimeError, match=r"load: .*file.pt is damaged") as caught:
            load(tmp_path / "file.pt")
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)


def test_declared_sizes_are_those_of_the_file(tmp_path):
    """Members that lie on one another announce more than the file has: refused before any is read."""
    content = bytearray(archive({"0.npy": npy(np.zeros(100_000)), "1.npy": b"1" * 8}, object=1))
    place = content.rindex(b"1.npy") - 46  # the entry in the directory: sizes at 20 and 24, the member's place at 42
    content[place + 20 : place + 28] = (700_000).to_bytes(4, "little") * 2
    content[place + 42 : place + 46] = bytes(4)
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(RuntimeError, match="announce more bytes"):
        load(tmp_path / "f")


def test_tensors_of_odd_places_are_copied():
    """Kernels step by whole elements: a tensor said to lie between them gets memory of its own, an array may stay."""
    for strides, offset, values in (((4,), 1, [2.0, 4.0]), ((6,), 0, [1.0, 0.0])):
        memory = np.zeros(32, np.uint8)
        np.ndarray((2,), np.float32, memory, offset, strides)[...] = values
        place = ["0.npy", "<f4", [2], strides, offset]
        content = archive({"0.npy": npy(memory)}, object=[{"array": place}, {"tensor": [place, False]}])
        array, tensor = load(io.BytesIO(content))
        assert array.tolist() == values == tensor.tolist() and tensor.array.flags.aligned
        assert tensor.add_(1).tolist() == [value + 1 for value in values]


def test_long_directories_are_not_read(tmp_path):
    """A file of 1 GB that announces to be all directory is refused at once; the longest that is read takes 60 MB."""
    path = tmp_path / "f.pt"
    with open(path, "wb") as file:
        file.seek((1 << 30) - 22)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, (1 << 30) - 22, 0, 0))
    tracemalloc.start()
    with pytest.raises(RuntimeError, match=r"f\.pt.*its directory has more than the 8,388,608 bytes"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 3e7
    tracemalloc.stop()


def test_one_member_named_often_is_read_once():
    """A thousand names of one array of 8 MB take 8 MB."""
    content = archive({"0.npy": npy(np.zeros(1 << 20))}, object=[{"array": "0.npy"}] * 1000)
    tracemalloc.start()
    loaded = load(io.BytesIO(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(loaded) == 1000 and peak < 20e6


def test_versions():
    """Files of 1.0, whose places are names alone, are read, and those of a newer 1.x that use nothing new."""
    content = {"0.npy": npy(np.ones(2))}
    for header in ({}, {"minor": 0}, {"minor": 7, "author": "someone"}):
        file = io.BytesIO(archive(content, object={"tensor": ["0.npy", False]}, **header))
        assert load(file).tolist() == [1, 1]
    buffer = io.BytesIO()
    save(1, buffer)
    with zipfile.ZipFile(buffer) as out:
        assert json.loads(out.read("structure.json")) == {"format": "minitorch", "version": 1, "minor": 3, "object": 1}


def test_too_long_a_structure_is_not_saved(tmp_path, monkeypatch):
    """What `load` would refuse is refused by `save`, with the way out."""
    with pytest.raises(ValueError, match="into arrays or tensors"):
        save("x" * (1 << 25), tmp_path / "f")
    monkeypatch.setattr("minitorch.serialization.MANY", 2)
    with pytest.raises(ValueError, match="has 3 arrays, but 2 are allowed"):
        save([np.ones(1), np.ones(1), np.ones(1)], tmp_path / "f")
    assert not os.listdir(tmp_path)


# ------------------------------------------------------------------------------------------------------- disks, kills


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of file sizes")
def test_full_disk(tmp_path):
    """A disk that fills up while a file is written leaves the old file, and no other."""
    save("old", tmp_path / "f")
    code = f"""
import resource, signal, numpy as np
from minitorch.serialization import load, save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    save(np.zeros(1_000_000), {str(tmp_path / "f")!r})
except OSError as error:
    print("refused", load({str(tmp_path / "f")!r}))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(minitorch.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["refused", "old"] and os.listdir(tmp_path) == ["f"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks of Unix")
def test_orphans_are_swept(tmp_path):
    """A save removes what killed writers left in its folder, but nothing of a living writer or of anybody else."""
    import fcntl

    for name in (".minitorch-dead.part", ".minitorch-alive.part", ".minitorch-mine.txt", "other.part"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".minitorch-empty.part").touch()
    os.mkfifo(tmp_path / ".minitorch-pipe.part")
    with open(tmp_path / ".minitorch-alive.part") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        save(1, tmp_path / "f")
    left = {".minitorch-alive.part", ".minitorch-mine.txt", ".minitorch-pipe.part"}
    assert set(os.listdir(tmp_path)) == {"f", "other.part", *left}
    save(2, tmp_path / "f")
    assert ".minitorch-alive.part" not in os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks of Unix")
def test_a_new_file_that_is_swept_is_made_anew(tmp_path, monkeypatch):
    """A sweep between the making of a temporary file and its lock costs the writer nothing."""
    from minitorch import files

    lock, swept = files._lock, []

    def late(descriptor, wait):
        if wait and not swept:
            swept.extend(os.listdir(tmp_path))
            files._sweep(str(tmp_path))
        return lock(descriptor, wait)

    monkeypatch.setattr(files, "_lock", late)
    save("whole", tmp_path / "f")
    assert len(swept) == 1 and os.listdir(tmp_path) == ["f"] and load(tmp_path / "f") == "whole"
