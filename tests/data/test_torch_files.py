"""PyTorch's files: read as PyTorch reads them, written so that it can, and refused by name where they ask for more."""

import io
import os
import sys
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest
from test_serialization import same

import minitorch as m
from minitorch.nn import Parameter
from minitorch.serialization import load, save

GOLDEN = Path(__file__).parents[1] / "golden"
DTYPES = [m.bool, m.uint8, m.int8, m.int16, m.int32, m.int64, m.float16, m.float32, m.float64]
F = np.float32


def through(value, **options):
    """`value` after it was saved as a PyTorch file and loaded."""
    buffer = io.BytesIO()
    buffer.name = "x.pt"
    save(value, buffer)
    return load(buffer, **options)


def members(content):
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(parts):
    """The bytes of an archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in parts.items():
            out.writestr(name, content)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------- files that PyTorch wrote

BASE = np.arange(12, dtype=F).reshape(3, 4)
# What stands in kinds.pt and kinds_old.pt (tests/scripts/make_golden_pt.py), written out.
KINDS = {
    "dtypes": [m.from_numpy(np.array([0, 1, 3]).astype(d.numpy)) for d in DTYPES],
    "views": [m.from_numpy(x) for x in (BASE, BASE[1], BASE.T, BASE[:, 2:], np.zeros((2, 2), F))],
    "shapes": [m.tensor(7), m.zeros(0, 3), m.ones(1, 1, 1)],
    "layout": m.arange(24.0).reshape(1, 2, 3, 4),
    "grad": [m.ones(2, requires_grad=True), *[Parameter(m.arange(3.0))] * 2, Parameter(m.ones(1), False)],
    "bfloat16": m.tensor([1.5, -2.0, float("inf"), 3.140625]).bfloat16(),
    "numbers": [None, True, 0, -1, 255, 256, 70000, 2**40, -(2**70), 0.1, float("inf"), 1 + 2j],
    "text": ["", "ünïcode", b"", b"\x00\xff"],
    "nests": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, (4,)), [], {}, {1: {"a": []}, (1, "x"): 2}],
    "classes": [OrderedDict(b=1, a=2), Counter("aab"), {1, 2}, m.Size((2, 3)), m.device("cuda", 1)],
    "types": DTYPES,
    "numpy": [np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.eye(2, 3)), F(0.5), np.array("ab")],
    "wide": [m.tensor([0, 65535], dtype=m.int32), m.tensor([0, 2**32 - 1])],
}


@pytest.mark.parametrize("options", [{}, {"mmap": True}, {"weights_only": False}, {"map_location": "cpu"}], ids=str)
@pytest.mark.parametrize("file", ["kinds.pt", "kinds_old.pt"])
def test_every_kind_is_read(file, options):
    """Values, types, order, dtypes, requires_grad, what is one object, and the order of axes in memory."""
    found = load(GOLDEN / file, **options)
    expected = KINDS if file == "kinds.pt" else {name: value for name, value in KINDS.items() if name != "wide"}
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert same(found[name], value), name
    assert found["layout"].stride() == (24, 1, 8, 2)
    assert found["grad"][1] is found["grad"][2]
    assert found["numpy"][0].dtype.str == ">i4" and found["numpy"][1].flags.f_contiguous
    base, row, turned, columns, expanded = found["views"]
    base[1, 2] = 60
    assert row[2] == 60 and turned[2, 1] == 60 and columns[1, 0] == 60
    base[0, 0] = 9
    assert expanded.tolist() == [[9, 9], [9, 9]] and expanded.stride() == (0, 0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss = (m.ones(4, requires_grad=True) * row).sum()
        base.mul_(2)
        loss.backward()


def test_a_checkpoint_of_pytorch_is_taken_up():
    """Its weights and the states of two optimizers are those that NumPy read from PyTorch, and go into ours."""
    found = load(GOLDEN / "checkpoint.pt")
    with np.load(GOLDEN / "checkpoint.npz") as file:
        arrays = dict(file)
    net = m.nn.Sequential(m.nn.Conv2d(1, 2, 2, bias=False), m.nn.BatchNorm2d(2), m.nn.Flatten(), m.nn.Linear(8, 3))
    assert net.load_state_dict(found["net"]) == ([], [])
    adam = m.optim.Adam(net.parameters())
    sgd = m.optim.SGD([{"params": net[0].parameters()}, {"params": net[3].parameters()}], 0.1, momentum=0.9)
    schedule = m.optim.lr_scheduler.StepLR(sgd, 1)
    adam.load_state_dict(found["adam"])
    sgd.load_state_dict(found["sgd"])
    schedule.load_state_dict(found["schedule"])
    now = {f"net.{name}": x for name, x in net.state_dict().items()}
    for part, optimizer in (("adam", adam), ("sgd", sgd)):
        for number, entries in optimizer.state_dict()["state"].items():
            now |= {f"{part}.{number}.{name}": x for name, x in entries.items() if isinstance(x, m.Tensor)}
    assert now.keys() == arrays.keys() and len(now) > 20
    for name, array in arrays.items():
        assert now[name].numpy().tobytes() == array.tobytes(), name
    assert adam.param_groups[0]["lr"] == 0.01 and [group["lr"] for group in sgd.param_groups] == [0.5, 0.1]
    assert schedule.step_size == 5 and found["epoch"] == 3 and found["net"]._metadata["1"] == {"version": 2}


def test_the_other_byte_order():
    """A file of a machine with the other byte order has the same values."""
    values = [m.from_numpy(np.array([0, 1, 77]).astype(d.numpy)) for d in DTYPES]
    buffer = io.BytesIO()
    buffer.name = "x.pt"
    save(values, buffer)
    parts = members(buffer.getvalue())
    parts["archive/byteorder"] = {"little": b"big", "big": b"little"}[sys.byteorder]
    for number, dtype in enumerate(DTYPES):
        content = np.frombuffer(parts[f"archive/data/{number}"], f"u{dtype.itemsize}")
        parts[f"archive/data/{number}"] = content.byteswap().tobytes()
    assert same(load(io.BytesIO(archive(parts))), values)
    parts["archive/byteorder"] = b"odd"
    with pytest.raises(RuntimeError, match="byte order is b'odd'"):
        load(io.BytesIO(archive(parts)))


# --------------------------------------------------------------------------------------------- files that we write


def test_everything_comes_back():
    """Through a .pt file as through our own; parameters, one object twice, views and state dicts with their versions."""
    kinds = KINDS | {
        "cpu": m.device("cpu"),
        "unstored": {"dtype": m.bfloat16, m.float32: 1},
        "0-d": [Parameter(m.tensor(1.0)), m.tensor(True)],
        "empty": [OrderedDict(), Counter(), set(), np.zeros((0, 2)), np.int8(-3)],
    }
    assert same(through(kinds), kinds)
    x = m.arange(12.0).reshape(3, 4)
    base, row, turned, again = through([x, x[1], x.t(), x])
    assert base is again and turned.stride() == (1, 4)
    base[1, 0] = -1
    assert row[0] == -1 and turned[0, 1] == -1
    state = m.nn.Linear(2, 1).state_dict()
    state._metadata = OrderedDict([("", {"version": 1})])
    assert through(state)._metadata == state._metadata
    odd = m.from_numpy(np.arange(4.0)[::-1])
    assert through(odd).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("ending", ["pt", "pth", "PT", "pth.tar", "pt.tar"])
def test_the_ending_says_the_format(ending, tmp_path):
    """These are PyTorch's, by a path or by an open file's name, and the same object gives the same bytes."""
    path = tmp_path / f"x.{ending}"
    save({"w": m.ones(2)}, path)
    content = path.read_bytes()
    save({"w": m.ones(2)}, path)
    assert path.read_bytes() == content
    assert list(members(content)) == [f"archive/{name}" for name in ("data.pkl", "byteorder", "data/0", "version")]
    with open(path, "wb") as file:
        save({"w": m.ones(2)}, file)
    assert members(path.read_bytes()) == members(content) and same(load(path), {"w": m.ones(2)})
    save({"w": m.ones(2)}, tmp_path / "x.ckpt")
    assert "structure.json" in members((tmp_path / "x.ckpt").read_bytes())


def test_memory_is_aligned(tmp_path):
    """Each storage begins at a multiple of 64 bytes, so that mmap can use it in place; what is written stays here."""
    save([m.ones(3), m.ones(5, dtype=m.float64), m.arange(3)], tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as file:
        for member in file.infolist():
            start = member.header_offset + 30 + len(member.filename)
            file.fp.seek(member.header_offset + 28)
            assert (start + int.from_bytes(file.fp.read(2), "little")) % 64 == 0
    before = (tmp_path / "x.pt").read_bytes()
    found = load(tmp_path / "x.pt", mmap=True)
    assert all(isinstance(x.array.base, np.ndarray) and not x.array.flags.owndata for x in found)
    found[0].add_(1)
    assert found[0].tolist() == [2, 2, 2] and (tmp_path / "x.pt").read_bytes() == before
    with pytest.raises(ValueError, match="must be a file path"):
        load(io.BytesIO(before), mmap=True)


def test_what_pytorch_can_not_hold(tmp_path):
    """Refused by name and place; the old file stays."""
    save(1, tmp_path / "x.pt")
    memory = np.zeros(8, F)
    for value, error, message in [
        ({"a": [object()]}, TypeError, r"obj\['a'\]\[0\] is a builtins.object"),
        ({"net": m.nn.Linear(1, 1)}, TypeError, r"save its state_dict\(\)"),
        (np.array([None]), TypeError, "no arrays of object"),
        ([m.from_numpy(memory), m.from_numpy(memory.view(np.int32))], RuntimeError, "view the same data as different"),
    ]:
        with pytest.raises(error, match=message):
            save(value, tmp_path / "x.pt")
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        save(loop, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="since 1.6"):
        save(1, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert load(tmp_path / "x.pt") == 1 and os.listdir(tmp_path) == ["x.pt"]


def test_map_location():
    """All that leads to the CPU; a function sees each tensor once."""
    seen = []
    value = {"a": m.ones(2), "p": Parameter(m.ones(3))}
    for place in ("cpu", m.device("cpu"), {"cuda:0": "cpu"}, lambda tensor, place: seen.append(place)):
        assert same(through(value, map_location=place), value)
    assert seen == ["cpu", "cpu"]
    for place in ("cuda", m.device("cuda:0"), {"cpu": "cuda"}, lambda tensor, place: "cuda"):
        with pytest.raises(RuntimeError, match="map_location"):
            through(value, map_location=place)
