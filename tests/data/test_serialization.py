"""Files: everything comes back as it was, nothing is unpickled, and no crash or damage goes unnoticed."""

import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections import Counter, OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch.optim import SGD, Adam, lr_scheduler
from minitorch.serialization import load, save
from minitorch.tensor import Size


def through(value):
    """`value` after a save and a load."""
    buffer = io.BytesIO()
    save(value, buffer)
    buffer.seek(0)
    return load(buffer)


def same(a, b):
    """Whether two nests have equal types, order, values and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, minitorch.Tensor):
        return a.requires_grad == b.requires_grad and same(a.array, b.array)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return repr(a) == repr(b) if isinstance(a, (float, complex)) else a == b


VALUES = {
    "numbers": [0, -1, 2**200, True, False, 0.1, -0.0, float("inf"), float("nan"), 1e-320, 1 + 2j, complex("nan-0j")],
    "text": ["", "ünïcode \0 \ud800", b"", b"\x00\xff", None],
    "dicts": {1: "int", "1": "text", 2.5: None, None: 0, False: 1, (1, (2, "x")): [], b"k": {}},
    "kinds": [OrderedDict(b=1, a=2), Counter({5: 2, "x": 1}), (), ((),), [], {}, {3, 1}, set(), Size((2, 3))],
    "lookalikes": [{"tuple": [1]}, {"dict": []}, {"tensor": ["0.npy", False]}, {"format": "minitorch"}],
    "dtypes": [minitorch.float32, minitorch.int64, minitorch.bool],
    "scalars": [np.float32(0.1), np.int8(-3), np.bool_(True), np.float64("nan"), np.str_("ab")],
    "arrays": [np.zeros((0, 3)), np.array(5), np.arange(6, dtype=">i4").reshape(2, 3), np.array(["a", "bc"])],
    "layouts": [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24)[::-2],
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.broadcast_to(np.float32(3), (2, 2)),
    ],
    "tensors": [
        minitorch.tensor([[1.5, -2.0]]),
        minitorch.tensor(3),
        minitorch.tensor([True, False]),
        minitorch.zeros(0, 2, dtype=minitorch.float64),
        minitorch.ones(2, requires_grad=True),
        minitorch.from_numpy(np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)),
    ],
}


@pytest.mark.parametrize("name", VALUES)
def test_everything_comes_back(name):
    """Values keep type, order, dtype and bits; memory is their own and writable."""
    value = VALUES[name]
    out = through(value)
    assert same(out, value)
    for entry in out if isinstance(out, list) else []:
        array = getattr(entry, "array", entry)
        if isinstance(array, np.ndarray):
            assert array.flags.writeable and array.flags.aligned


def test_parameters_come_back():
    """Parameters stay parameters, frozen ones frozen."""
    from minitorch.nn import Parameter

    value = [Parameter(minitorch.ones(2)), Parameter(minitorch.zeros(1), requires_grad=False)]
    assert same(through(value), value)


def test_path_like_objects(tmp_path):
    """Paths may be strings or Path objects, relative too; numpy opens the file as well."""
    save({"w": minitorch.ones(2)}, tmp_path / "a.zip")
    assert same(load(str(tmp_path / "a.zip")), {"w": minitorch.ones(2)})
    assert np.load(tmp_path / "a.zip")["0"].tolist() == [1.0, 1.0]
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        save(5, "b.zip")
        assert load("b.zip") == 5
    finally:
        os.chdir(here)
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b.zip"]


def test_same_object_same_bytes(tmp_path):
    """Files carry no time and no name: saving twice gives the same bytes."""
    for name in ("a", "b"):
        save({"w": minitorch.ones(2), "x": (1, 2)}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as members:
        assert {member.date_time for member in members.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("cls", [SGD, Adam])
def test_checkpoint_resumes_training(cls, tmp_path):
    """Model, optimizer and scheduler saved mid-way and loaded into new ones go on bit for bit."""
    generator = np.random.default_rng(0)
    gradients = generator.standard_normal((10, 3)).astype(np.float32)
    options = {"momentum": 0.9} if cls is SGD else {"amsgrad": True}

    def make(values):
        w = minitorch.tensor(values, requires_grad=True)
        optimizer = cls([w], lr=0.1, **options)
        return w, optimizer, lr_scheduler.MultiStepLR(optimizer, [2, 7], 0.5)

    def run(w, optimizer, scheduler, steps):
        for step in steps:
            w.grad = minitorch.from_numpy(gradients[step])
            optimizer.step()
            scheduler.step()

    w, optimizer, scheduler = make([1.0, 2.0, 3.0])
    run(w, optimizer, scheduler, range(5))
    state = {"w": w, "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 5}
    save(state, tmp_path / "checkpoint.pt")
    saved = load(tmp_path / "checkpoint.pt")
    assert list(saved["optimizer"]["state"]) == [0] and same(saved["scheduler"], state["scheduler"])
    twin, other, schedule = make(saved["w"].tolist())
    schedule.load_state_dict(saved["scheduler"])
    other.load_state_dict(saved["optimizer"])
    run(w, optimizer, scheduler, range(5, 10))
    run(twin, other, schedule, range(saved["epoch"], 10))
    assert same(twin, w) and schedule.get_last_lr() == scheduler.get_last_lr()


def test_random_state_comes_back():
    """The generator's state is plain data and continues the stream."""
    generator = minitorch.Generator().manual_seed(3)
    state = through(generator.get_state())
    first = minitorch.rand(5, generator=generator)
    assert minitorch.rand(5, generator=minitorch.Generator().set_state(state)).tolist() == first.tolist()


Pair = namedtuple("Pair", "a b")

# name: (object, error class, message)
REFUSED = {
    "object": ({"a": [1, (object(),)]}, TypeError, r"save: obj\['a'\]\[1\]\[0\] is a builtins.object"),
    "subclass": ([defaultdict(dict)], TypeError, r"obj\[0\] is a collections.defaultdict"),
    "namedtuple": (Pair(1, 2), TypeError, "Pair"),
    "optimizer": (SGD([minitorch.ones(1, requires_grad=True)]), TypeError, r"save its state_dict\(\)"),
    "objects": (np.array([None]), TypeError, "array of Python objects"),
    "key": ({frozenset(): 1}, TypeError, "key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_objects_are_refused(name, tmp_path):
    """What the format does not hold raises, says where it is, and leaves the old file alone."""
    value, error, message = REFUSED[name]
    save("old", tmp_path / "f")
    with pytest.raises(error, match=message):
        save(value, tmp_path / "f")
    assert load(tmp_path / "f") == "old" and os.listdir(tmp_path) == ["f"]


def test_cycles_are_refused():
    """A list that contains itself raises instead of running forever."""
    value = []
    value.append({"again": value})
    with pytest.raises(ValueError, match="contains itself"):
        save(value, io.BytesIO())


def test_bad_arguments(tmp_path):
    """Targets that are neither path nor file, folders, missing folders and other devices raise."""
    with pytest.raises(TypeError, match=r"save: `f` should be a path or a file with write\(\), not int"):
        save(1, 5)
    with pytest.raises(TypeError, match="load: `f` should be a path or a file"):
        load(5)
    with pytest.raises(OSError, match="not a regular file"):
        save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        save(1, tmp_path / "none" / "f")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    save(1, tmp_path / "f")
    assert load(tmp_path / "f", map_location="cpu", weights_only=False) == 1
    with pytest.raises(RuntimeError, match="CPU only, map_location='cuda:0'"):
        load(tmp_path / "f", map_location="cuda:0")


class Bomb:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def archive(members, **header):
    """A zip archive of these members, with a structure.json of this object."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in members.items():
            out.writestr(name, content)
        if header:
            out.writestr("structure.json", json.dumps({"format": "minitorch", "version": 1, **header}))
    return buffer.getvalue()


def npy(header, data=b""):
    """The bytes of a .npy file with this header."""
    text = repr(header).encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


HUGE = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
PICKLED = {"descr": "|O", "fortran_order": False, "shape": (1,)}
NEGATIVE = {"descr": "<f8", "fortran_order": False, "shape": (-1, -1)}
# name: (content of the file, message)
FOREIGN = {
    "empty": (b"", "cut short or no archive"),
    "text": (b"hello", "cut short or no archive"),
    "pickle": (pickle.dumps([1], 2), "looks like a pickle, which is never loaded"),
    "zip": (archive({"a": b""}), "no structure.json"),
    "no json": (archive({"structure.json": b"{"}), "Expecting property name"),
    "other json": (archive({"structure.json": b"[]"}), "not minitorch's"),
    "no object": (archive({}, x=1), "object"),
    "newer": (archive({}, version=2, object=None), "version 2, this minitorch reads 1"),
    "unknown kind": (archive({}, object={"module": []}), "module"),
    "two kinds": (archive({}, object={"tuple": [], "set": []}), "too many values"),
    "missing member": (archive({}, object={"array": "0.npy"}), "0.npy"),
    "unhashable": (archive({}, object={"set": [[]]}), "unhashable"),
    "deep": (archive({"structure.json": b"[" * 100_000}), "recursion"),
    "no array": (archive({"0.npy": b"x"}, object={"array": "0.npy"}), "damaged"),
    "huge": (archive({"0.npy": npy(HUGE)}, object={"array": "0.npy"}), "does not hold the array it announces"),
    "negative": (archive({"0.npy": npy(NEGATIVE, b"12345678")}, object={"array": "0.npy"}), "does not hold the array"),
    "objects": (archive({"0.npy": npy(PICKLED, b"12345678")}, object={"array": "0.npy"}), "does not hold the array"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(name, tmp_path):
    """Files of other formats raise a RuntimeError that names the file and the reason."""
    content, message = FOREIGN[name]
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="file.pt is damaged or was not written by minitorch.save") as caught:
        load(path)
    assert message in str(caught.value)
    with pytest.raises(RuntimeError, match="BytesIO"):
        load(io.BytesIO(content))


def test_compressed_members_are_refused(tmp_path):
    """A member that would inflate is not read: save compresses nothing."""
    with zipfile.ZipFile(tmp_path / "f", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("structure.json", b" " * 10_000_000)
    with pytest.raises(RuntimeError, match="structure.json is compressed"):
        load(tmp_path / "f")


def test_nothing_is_unpickled(tmp_path):
    """Pickles that would run code run none: as the file, and as an array of objects inside."""
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    (tmp_path / "plain").write_bytes(bomb)
    (tmp_path / "inside").write_bytes(archive({"0.npy": npy(PICKLED, bomb)}, object={"array": "0.npy"}))
    for name in ("plain", "inside"):
        with pytest.raises(RuntimeError):
            load(tmp_path / name)
    assert not (tmp_path / "exploded").exists()
    pickle.loads(bomb)
    assert (tmp_path / "exploded").exists()  # it would have worked


def test_damage_is_noticed():
    """Cut anywhere, or with any one byte changed, a file raises RuntimeError or still gives the saved values."""
    value = {"w": minitorch.tensor([1.0, -2.0]), "t": (1, "abc", 2.5), 3: np.arange(3)}
    buffer = io.BytesIO()
    save(value, buffer)
    whole = buffer.getvalue()
    for length in range(len(whole)):
        with pytest.raises(RuntimeError):
            load(io.BytesIO(whole[:length]))
    generator = np.random.default_rng(0)
    noticed = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= int(generator.integers(1, 256))
        try:
            out = load(io.BytesIO(bytes(damaged)))
        except RuntimeError:
            noticed += 1
        else:
            assert same(out, value)
    assert noticed > len(whole) // 2


# ------------------------------------------------------------------------------------------------------------- writing


def test_failure_keeps_the_old_file(tmp_path, monkeypatch):
    """A write that fails half-way removes its temporary file and leaves the old contents."""
    save("old", tmp_path / "f")

    def full(*_):
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="No space left"):
                save("new", tmp_path / "f")
        assert load(tmp_path / "f") == "old" and os.listdir(tmp_path) == ["f"]


def test_contents_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    """The file is synced, then renamed, then the folder is synced."""
    calls = []
    sync, replace = os.fsync, os.replace

    def logged_sync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def logged_replace(source, target):
        calls.append("replace")
        assert load(source) == "new"
        replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_sync)
    monkeypatch.setattr(os, "replace", logged_replace)
    save("new", tmp_path / "f")
    assert calls == ["file", "replace", "folder"]


def test_modes_and_links(tmp_path):
    """A new file gets the usual mode, an old one keeps its own, and a link stays a link."""
    save(1, tmp_path / "f")
    (tmp_path / "touched").touch()
    assert (tmp_path / "f").stat().st_mode == (tmp_path / "touched").stat().st_mode
    (tmp_path / "f").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "f")
    save(2, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and load(tmp_path / "f") == 2
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


class Labelled(minitorch.Tensor):
    """A user's subclass."""


def test_only_parameters_load_as_parameters(tmp_path, monkeypatch):
    """A result that is still pending and a subclass of Tensor are tensors."""
    monkeypatch.setattr("minitorch.ops.fuse.enabled", True)
    conv, x = minitorch.nn.Conv2d(3, 16, 3), minitorch.randn(16, 3, 20, 20)
    with minitorch.no_grad():
        y = conv(x)
        assert y.pending is not None
        save({"y": y, "z": Labelled([1.0, 2.0]), "p": conv.weight}, tmp_path / "f")
    found = load(tmp_path / "f")
    assert {name: type(value) for name, value in found.items()} == {
        "y": minitorch.Tensor,
        "z": minitorch.Tensor,
        "p": minitorch.nn.Parameter,
    }
    assert (found["y"].numpy() == y.numpy()).all() and found["z"].tolist() == [1.0, 2.0]


WRITER = """
import sys
import numpy as np
from minitorch.serialization import save
count = 0
while True:
    count += 1
    save({"count": count, "data": np.full(500_000, count)}, sys.argv[1])
    print(count, flush=True)
"""


def test_killed_while_writing(tmp_path):
    """However often a process is killed while it saves, the file is always a whole one."""
    path = tmp_path / "f"
    environment = {**os.environ, "PYTHONPATH": str(Path(minitorch.__file__).parents[1])}
    for attempt in range(5):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            process.stdout.readline()
            process.stdout.readline()
            time.sleep(0.003 * attempt)
            process.send_signal(signal.SIGKILL)
            written = process.stdout.read().split()
        out = load(path)
        assert out["count"] >= int(written[-1]) if written else out["count"] >= 2
        assert (out["data"] == out["count"]).all()
