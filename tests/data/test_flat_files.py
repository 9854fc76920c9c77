"""Files of arrays by name: safetensors beside its own library, .npz beside NumPy; damage is refused."""

import io
import json
import os
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from test_serialization import same

import minitorch as m
from minitorch.serialization import load, save

DTYPES = [m.bool, m.uint8, m.int8, m.int16, m.int32, m.int64, m.float16, m.float32, m.float64]
STATE = OrderedDict(
    [(d.name, m.from_numpy(np.array([[0, 1, 3]]).astype(d.numpy))) for d in DTYPES]
    + [("0-d", m.tensor(2.5)), ("empty", m.zeros(0, 3)), ("turned", m.arange(6.0).reshape(2, 3).t())]
)


def st(header, data=b"", length=None):
    """A safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(kind="F32", shape=(2,), offsets=(0, 8)):
    """The header of one tensor."""
    return {"x": {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}}


# --------------------------------------------------------------------------------------------------------- safetensors


def test_safetensors_both_ways(tmp_path):
    """The library reads what we write, and we what it writes: names, shapes, dtypes, bits, metadata."""
    save(STATE, tmp_path / "x.safetensors")
    with safetensors.safe_open(tmp_path / "x.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
    found = safetensors.numpy.load_file(tmp_path / "x.safetensors")
    assert found.keys() == STATE.keys()
    assert all(same(found[name], np.ascontiguousarray(x.numpy()).reshape(x.shape)) for name, x in STATE.items())
    arrays = {name: x.numpy().copy() for name, x in STATE.items()}
    safetensors.numpy.save_file(arrays, tmp_path / "y.safetensors", {"by": "someone"})
    again = load(tmp_path / "y.safetensors")
    assert again.metadata == {"by": "someone"} and same(dict(sorted(again.items())), dict(sorted(STATE.items())))
    assert again["float32"].add_(1).tolist() == [[1, 2, 4]]
    for other in ("z.pt", "z.npz", "z.zip"):
        save(again, tmp_path / other)
        assert same(dict(load(tmp_path / other)), dict(again)), other
    save(again, tmp_path / "z.safetensors")
    assert load(tmp_path / "z.safetensors").metadata == {"by": "someone"}
    found = load(io.BytesIO((tmp_path / "x.safetensors").read_bytes()))
    assert same(dict(sorted(found.items())), dict(sorted(STATE.items())))


def test_safetensors_of_wider_types():
    """bfloat16 stays, uint16 becomes int32, uint32 int64."""
    header = {
        "a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "b": {"dtype": "U16", "shape": [1], "data_offsets": [4, 6]},
        "c": {"dtype": "U32", "shape": [1], "data_offsets": [6, 10]},
    }
    found = load(io.BytesIO(st(header, b"\xc0\x3f\x00\xc0" + b"\xff" * 6)))
    assert found.metadata == {} and [x.tolist() for x in found.values()] == [[1.5, -2.0], [65535], [2**32 - 1]]
    assert [x.dtype for x in found.values()] == [m.bfloat16, m.int32, m.int64]


# name: (content, message)
REFUSED = {
    "cut short": (st(entry(), bytes(7)), "don't end where the file does"),
    "more behind": (st(entry(), bytes(9)), "don't end where the file does"),
    "a long header": (st(b"{}", length=1 << 30), "its header announces 1,073,741,824 bytes"),
    "a header that is longer": (st(entry(), length=500), "announces 500 bytes"),
    "no object": (st(b"{[]"), "Expecting property name"),
    "deep": (st(b"{" + b'"a":{' * 100_000), "recursion"),
    "complex": (st(entry("C64", (1,)), bytes(8)), "x has elements of C64"),
    "float8": (st(entry("F8_E4M3", (8,)), bytes(8)), "x has elements of F8_E4M3"),
    "a shape that lies": (st(entry(shape=(3,)), bytes(8)), "safetensors"),
    "a huge shape": (st(entry(shape=(1 << 40, 1 << 40)), bytes(8)), "safetensors"),
    "a negative shape": (st(entry(shape=(-2,)), bytes(8)), "safetensors"),
    "offsets that begin later": (st(entry(shape=(1,), offsets=(4, 8)), bytes(8)), "safetensors"),
    "negative offsets": (st(entry(offsets=(-8, 0))), "safetensors"),
    "two on one": (
        st({**entry(), "y": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        "safetensors",
    ),
    "no dtype": (st({"x": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)), "dtype"),
    "no offsets": (st({"x": {"dtype": "F32", "shape": [2]}}, bytes(8)), "data_offsets"),
    "metadata of numbers": (st({"__metadata__": {"a": 1}}), "safetensors"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_damaged_safetensors(name, tmp_path):
    """Refused as what they are."""
    content, message = REFUSED[name]
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"load: .*x\.safetensors cannot be read as a safetensors file: ") as caught:
        load(tmp_path / "x.safetensors")
    assert message in str(caught.value)


# ----------------------------------------------------------------------------------------------------------------- npz


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_both_ways(write, tmp_path):
    """NumPy reads what we write, and we what it writes; what no tensor can be stays an array."""
    save(STATE, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as found:
        assert same({name: found[name] for name in found}, {name: x.numpy() for name, x in STATE.items()})
    arrays = {name: x.numpy() for name, x in STATE.items()}
    other = {"text": np.array(["a", "bc"]), "complex": np.array([1j]), "big": np.arange(3, dtype=">f4")}
    write(tmp_path / "y.npz", **arrays, **other)
    found = load(tmp_path / "y.npz")
    assert list(found) == [*arrays, *other]
    assert same({name: found[name] for name in arrays}, dict(STATE))
    assert isinstance(found["text"], np.ndarray) and found["complex"].tolist() == [1j]
    assert found["big"].tolist() == [0, 1, 2] and found["big"].dtype is m.float32


def test_damaged_npz(tmp_path):
    """Objects, bombs, damage and duplicates are refused."""
    np.savez(tmp_path / "x.npz", a=np.array([None]))
    with pytest.raises(RuntimeError, match=r"as an \.npz file: a.npy does not hold the array"):
        load(tmp_path / "x.npz")
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(30_000_000))
    with pytest.raises(RuntimeError, match="would unpack to far more"):
        load(tmp_path / "x.npz")
    np.savez_compressed(tmp_path / "x.npz", a=np.random.default_rng(0).standard_normal(1000))
    content = (tmp_path / "x.npz").read_bytes()
    for length in range(0, len(content), 97):
        with pytest.raises(RuntimeError):
            load(io.BytesIO(content[:length]))
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "w") as out:
        out.writestr("a.npy", b"")
        out.writestr("a.npy", b"")
    with pytest.raises(RuntimeError, match="2 members named"):
        load(buffer)


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_what_is_not_flat(ending, tmp_path):
    """These formats hold a dict of tensors by name; the error says so, and the old file stays."""
    path = tmp_path / f"x.{ending}"
    save({"a": m.ones(1)}, path)
    for value, message in [
        ([m.ones(1)], "obj is a list"),
        ({"a": {"b": m.ones(1)}}, r"obj\['a'\] is a dict; a .pt file holds nests"),
        ({"a": 1}, r"obj\['a'\] is a int"),
        ({1: m.ones(1)}, "1 is a int"),
        ({"a": np.array([None])}, "objects|no elements of object"),
    ]:
        with pytest.raises(TypeError, match=message):
            save(value, path)
    save({}, tmp_path / path)
    assert dict(load(path)) == {}
    save({"a": m.ones(1)}, path)
    assert load(path)["a"].tolist() == [1] and os.listdir(tmp_path) == [f"x.{ending}"]
