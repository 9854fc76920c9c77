"""Files that were made to mislead: refused by name, at once, with little memory; nothing is run, nothing left behind."""

import io
import os
import pickle
import struct
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from counted import at_once

import minitorch as m
from minitorch.serialization import load, save, torch_reading

GOLDEN = Path(__file__).parents[1] / "golden"
PROTO, STOP = b"\x80\x02", b"."


def packed(pickled, storages=(), more=(), compression=zipfile.ZIP_STORED, folder="x", order=b"little"):
    """The archive of a pickle and of storages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as out:
        out.writestr(f"{folder}/data.pkl", pickled)
        out.writestr(f"{folder}/byteorder", order)
        for number, content in enumerate(storages):
            out.writestr(f"{folder}/data/{number}", content)
        for name, content in more:
            out.writestr(name, content)
    return buffer.getvalue()


def text(value):
    """A step that makes text."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    """A step that makes a number."""
    content = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def group(*steps):
    """A step that makes a tuple."""
    return b"(" + b"".join(steps) + b"t"


def named(name):
    """A step that names something."""
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def storage(key="0", count=4, kind="torch.FloatStorage", place="cpu"):
    """A step that speaks of a storage."""
    return group(text("storage"), named(kind), text(key), text(place), number(count)) + b"Q"


def tensor(store=None, at=0, size=(2, 2), stride=(2, 1), flag=b"\x89", hooks=b")", function="_rebuild_tensor_v2"):
    """The steps that make a tensor."""
    arguments = [store or storage(), number(at), group(*map(number, size)), group(*map(number, stride)), flag, hooks]
    return named(f"torch._utils.{function}") + group(*arguments) + b"R"


FOUR = [np.arange(4, dtype=np.float32).tobytes()]


def of(steps, storages=FOUR, **options):
    """The file whose pickle has these steps."""
    return packed(PROTO + steps + STOP, storages, **options)


def call(name, *arguments):
    """The steps that call something."""
    return named(name) + group(*arguments) + b"R"


class Bomb:
    """Its pickle would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def overlapping():
    """An archive in which one member lies on another."""
    content = bytearray(packed(PROTO + b"N.", [b"1" * 100, b"2" * 100]))
    place = content.rindex(b"x/data/1") - 46
    first = content.rindex(b"x/data/0") - 46
    content[place + 42 : place + 46] = content[first + 42 : first + 46]
    return bytes(content)


def twice():
    """An archive with a member that is there twice."""
    with pytest.warns(UserWarning, match="Duplicate"):
        return packed(PROTO + b"N.", more=[("x/data.pkl", PROTO + b"K\1.")])


def old(*pickles, rest=b""):
    """A file of the format before 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    first = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*first, *pickles, rest])


OLD = PROTO + tensor() + STOP
KEYS = pickle.dumps(["0"], 2)
LENGTH = (4).to_bytes(8, "little")
shared = b"h\1\x86q\1" * 100  # a tuple of two of the tuple before, a hundred times


def peak_of(function):
    """The most bytes that something which raises RuntimeError has taken at once."""
    tracemalloc.start()
    with pytest.raises(RuntimeError):
        function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# name: (content of the file, message)
HOSTILE = {
    # names
    "os.system": (of(call("os.system", text("touch exploded"))), "it names os.system, which is never called"),
    "posix.system": (packed(pickle.dumps(Bomb(), 2)), "it names posix.mkdir"),
    "eval": (of(call("builtins.eval", text("1"))), "it names builtins.eval"),
    "python 2's eval": (of(call("__builtin__.eval", text("1"))), "it names __builtin__.eval"),
    "getattr": (of(call("builtins.getattr", b"]", text("append"))), "it names builtins.getattr"),
    "a stacked name": (packed(b"\x80\x04\x8c\2os\x8c\6system\x93\x8c\1.\x85R."), "it names os.system"),
    "a dotted name": (packed(b"\x80\x04\x8c\5torch\x8c\x0dserialization\x93."), "it names torch.serialization"),
    "code of our own": (of(call("minitorch.load", text("x"))), "it names minitorch.load"),
    "an unknown rebuild": (of(tensor(function="_rebuild_anything")), "it names torch._utils._rebuild_anything"),
    "a parameter with state": (of(tensor(function="_rebuild_parameter_with_state")), "parameters with attributes"),
    "a whole module": (GOLDEN / "module.pt", "save the state_dict()"),
    "complex numbers": (GOLDEN / "complex.pt", "there are no complex tensors"),
    "a sparse tensor": (GOLDEN / "sparse.pt", "there are no sparse tensors"),
    "a program": (GOLDEN / "script.pt", "TorchScript"),
    "a name as a value": (
        of(named("torch._utils._rebuild_tensor_v2")),
        "holds the name torch._utils._rebuild_tensor_v2",
    ),
    "a bare storage": (of(storage()), "a Storage, which is no value"),
    "a new object": (of(named("collections.OrderedDict") + b")\x81"), "the step b'\\x81'"),
    "a number of the registry": (of(b"\x82\1"), "the step b'\\x82'"),
    "text protocols": (of(b"I1\n"), "the step b'I'"),
    "attributes of a dict": (
        of(call("collections.OrderedDict") + b"}" + text("update") + b"Nsb"),
        "sets attributes of a OrderedDict",
    ),
    "attributes of a tensor": (of(tensor() + b"}" + text("array") + b"Nsb"), "sets attributes of a Tensor"),
    # tensors
    "a storage beside": (
        of(call("collections.OrderedDict") + b"}" + text("_metadata") + storage() + b"sb"),
        "a Storage, which is no value",
    ),
    "a device of any length": (of(call("torch.device", text("x" * 9999))), "a device that is no text, or a long one"),
    "a storage cut short": (of(tensor(), [FOUR[0][:-1]]), "storage 0 has 15 bytes, but 16 are announced"),
    "no storage": (of(tensor(), []), "it has no storage 0"),
    "a storage elsewhere": (of(tensor(storage("../../../etc/passwd"))), "it has no storage"),
    "a huge storage": (of(tensor(storage(count=1 << 60))), "announce more bytes than the file has"),
    "a negative storage": (of(tensor(storage(count=-4))), "a storage's length is -4"),
    "two storages in one": (
        of(b"]" + tensor() + b"a" + tensor(storage(kind="torch.IntStorage")) + b"a"),
        "said to hold two different things",
    ),
    "a negative stride": (of(tensor(stride=(2, -1), at=3)), "a tensor's offset, size or stride is -1"),
    "a negative offset": (of(tensor(at=-1)), "stride is -1"),
    "a negative size": (of(tensor(size=(-2, -2))), "stride is -2"),
    "a size beyond the storage": (of(tensor(size=(2, 3))), "shape (2, 3) and strides (2, 1), from element 0 on, in a"),
    "a stride beyond the storage": (of(tensor(stride=(3, 1))), "in a storage of 4"),
    "an offset beyond the storage": (of(tensor(at=1)), "from element 1 on"),
    "a huge size": (of(tensor(size=(1 << 60,), stride=(1,))), "in a storage of 4"),
    "a huge size of stride 0": (of(tensor(size=(1 << 60,), stride=(0,))), "in a storage of 4"),
    "sizes whose product wraps": (of(tensor(size=(1 << 32, 1 << 32, 4), stride=(0, 0, 1))), "in a storage of 4"),
    "size without strides": (of(tensor(stride=())), "size and stride don't fit"),
    "sixty-five axes": (of(tensor(size=(1,) * 65, stride=(1,) * 65)), "size and stride don't fit"),
    "hooks": (of(tensor(hooks=b"(" + b"K\1" + b"t")), "with hooks"),
    "requires_grad of an integer": (
        of(tensor(storage(kind="torch.IntStorage"), flag=b"\x88")),
        "only Tensors of floating point dtype can require gradients",
    ),
    "a tensor of no storage": (of(tensor(b"K\1")), "without a storage"),
    "an array of objects": (
        of(
            call("numpy._core.multiarray._reconstruct", named("numpy.ndarray"), b"K\0\x85", text("b"))
            + group(b"K\1", b"K\1\x85", call("numpy.dtype", text("O8")), b"\x89", text("12345678"))
            + b"b"
        ),
        "it holds an array of O8",
    ),
    "an array that is too short": (
        of(
            call("numpy._core.multiarray._reconstruct", named("numpy.ndarray"), b"K\0\x85", text("b"))
            + group(b"K\1", number(1 << 50) + b"\x85", call("numpy.dtype", text("f8")), b"\x89", text("12345678"))
            + b"b"
        ),
        "cannot reshape",
    ),
    # bombs
    "lists in lists": (of(b"]" * 20_000 + b"a" * 19_999), "nested too deeply"),
    "tuples in tuples": (of(b")" + b"\x85" * 60_000), "nested too deeply"),
    "a million times nothing": (of(b"(" + b"N" * 4_000_000 + b"t"), "more memory than its length allows"),
    "a list in itself": (of(b"]q\0h\0a"), "contains itself"),
    "a million empty dicts": (of(b"(" + b"}" * 4_000_000 + b"t"), "more memory than its length allows"),
    "a million marks": (of(b"(" * 4_000_000), "more memory than its length allows"),
    "copies of a copy": (
        of(
            call("collections.Counter", b"}(" + b"".join(text(f"{i}") + b"N" for i in range(9999)) + b"uq\0")
            + b"".join(call("collections.Counter", b"h\0") for _ in range(1000))
        ),
        "more memory than its length allows",
    ),
    "a hash that takes for ever": (of(b"}" + b"K\1K\1\x86q\1" + shared + b"Ns"), "with a tuple as a key"),
    "keys of the same hash": (
        of(b"}(" + b"".join(number(i * ((1 << 61) - 1)) + b"N" for i in range(9)) + b"u"),
        "too large",
    ),
    "a list as a key": (of(b"}]Ns"), "with a list as a key"),
    "a huge number in the memo": (of(b"Nr\xff\xff\xff\xffj\xff\xff\xff\x7f"), "has no object 2147483647"),
    "text longer than the file": (of(b"X\xff\xff\xff\xff"), "cut short"),
    "bytes longer than memory": (packed(b"\x80\x04\x8e" + b"\xff" * 8 + b"."), "cut short"),
    "a bytearray longer than memory": (packed(b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f."), "cut short"),
    "a name without an end": (of(b"c" + b"x" * 5000), "name without an end"),
    "a step too many": (of(b"N0"), "the step b'0'"),
    "nothing on the stack": (of(b"a"), "takes an object where none is"),
    "no mark": (of(b"t"), "mark that is not there"),
    "two objects": (of(b"NN"), "in the middle of an object"),
    "an endless pickle": (packed(PROTO + b"N"), "cut short"),
    "a pickle and more": (packed(PROTO + b"N." + b"N."), "goes on after its end"),
    # archives
    "compressed": (packed(PROTO + b"]" + b"N" * 10**7, compression=zipfile.ZIP_DEFLATED), "data.pkl is compressed"),
    "duplicate members": (twice, "2 members named x/data.pkl"),
    "overlapping members": (overlapping, "on another member"),
    "a member elsewhere": (of(b"N", more=[("../evil", b"")]), "../evil lies outside of the folder"),
    "an absolute member": (of(b"N", more=[("/etc/passwd", b"")]), "/etc/passwd lies outside"),
    "a member above": (of(b"N", more=[("x/../../evil", b"")]), "lies outside"),
    "an odd byte order": (of(b"N", order=b"middle"), "byte order is b'middle'"),
    # before 1.6
    "old: a name": (old(PROTO + call("os.system", text("touch exploded")) + STOP), "it names os.system"),
    "old: cut short": (old(OLD, KEYS, rest=LENGTH + FOUR[0][:-1]), "cut short"),
    "old: more": (old(OLD, KEYS, rest=LENGTH + FOUR[0] + b"x"), "goes on after its end"),
    "old: other storages": (old(OLD, pickle.dumps(["1"], 2)), "not that of its tensors"),
    "old: another length": (old(OLD, KEYS, rest=bytes(8) + FOUR[0]), "not of the length"),
    "old: a huge storage": (old(PROTO + tensor(storage(count=1 << 50)) + STOP, KEYS), "announce more bytes"),
    # others
    "a plain pickle": (pickle.dumps(Bomb(), 2), "looks like a pickle, which is never loaded"),
    "a pickle of now": (pickle.dumps(Bomb()), "looks like a pickle, which is never loaded"),
    "tar": (b"x" + bytes(256) + b"ustar" + bytes(300), "a tar archive"),
    "gzip": (b"\x1f\x8b" + bytes(50), "gzip.open"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a web page": (b"<!DOCTYPE html>", "web server"),
    "one array": (b"\x93NUMPY\1\0", "numpy.load"),
}


LONG = {"a million times nothing", "a million marks"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in HOSTILE])
def test_hostile_files(name, tmp_path, monkeypatch):
    """A RuntimeError, which is an UnpicklingError, too, with the reason; within two seconds and 100 MB."""
    monkeypatch.chdir(tmp_path)
    content, message = HOSTILE[name]
    content = content() if callable(content) else content.read_bytes() if isinstance(content, Path) else content
    (tmp_path / "file.pt").write_bytes(content)
    start = time.process_time()
    for options in ({}, {"weights_only": False}, {"mmap": True})[: 3 if len(content) < 1e5 else 1]:
        with pytest.raises(RuntimeError, match=r"load: .*file\.pt (cannot be read as a|is damaged)") as caught:
            load(tmp_path / "file.pt", **options)
        assert message in str(caught.value) and isinstance(caught.value, pickle.UnpicklingError)
        assert len(str(caught.value)) < 1000
    assert at_once(time.process_time() - start, 2)
    if len(content) > 1000:
        assert peak_of(lambda: load(io.BytesIO(content))) < 100e6
    assert os.listdir(tmp_path) == ["file.pt"]


def test_the_steps_of_a_sound_file():
    """What the rows above are made of gives a tensor, if nothing is wrong with it."""
    assert load(io.BytesIO(of(tensor()))).tolist() == [[0, 1], [2, 3]]
    assert load(io.BytesIO(of(tensor(size=(3, 2), stride=(0, 1))))).tolist() == [[0, 1]] * 3
    assert load(io.BytesIO(old(OLD, KEYS, rest=LENGTH + FOUR[0]))).tolist() == [[0, 1], [2, 3]]
    assert load(io.BytesIO(of(b"K\1K\2\x86q\0h\0\x86"))) == ((1, 2), (1, 2))


@pytest.mark.parametrize("file", ["kinds.pt", "kinds_old.pt"])
def test_cut_anywhere(file):
    """A file that ends early is refused, wherever it does."""
    whole = (GOLDEN / file).read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(whole), 61), len(whole) - 1]:
        with pytest.raises(RuntimeError):
            load(io.BytesIO(whole[:length]))


def test_changed_bytes_of_memory_are_noticed(tmp_path):
    """A storage has a checksum, which is compared."""
    save(m.arange(1000.0), tmp_path / "x.pt")
    content = bytearray((tmp_path / "x.pt").read_bytes())
    content[content.index(np.arange(1000, dtype=np.float32).tobytes()) + 1234] ^= 1
    with pytest.raises(RuntimeError, match="Bad CRC-32"):
        load(io.BytesIO(bytes(content)))


def test_directories_that_lie(tmp_path):
    """A file of 1 GB that is announced to be all directory, pickle or storage is refused before it is read."""
    for name, message, begin, end in [
        (
            "zip",
            "more than the 8,388,608 bytes",
            b"PK\3\4",
            struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, (1 << 30) - 22, 0, 0),
        ),
        ("old", "longer than the 67,108,864", old(PROTO + b"N" + b"X" + struct.pack("<I", 1 << 29)), b"x"),
        ("safetensors", "announces 1,073,741,824 bytes", struct.pack("<Q", 1 << 30) + b"{", b"x"),
        ("more safetensors", "don't end where the file does", struct.pack("<Q", 2) + b"{}", b"x"),
    ]:
        path = tmp_path / name
        with open(path, "wb") as file:
            file.write(begin)
            file.seek((1 << 30) - len(end))
            file.write(end)
        start = time.process_time()
        with pytest.raises(RuntimeError, match=message):
            load(path)
        assert at_once(time.process_time() - start, 2), name
        assert peak_of(lambda path=path: load(path)) < 100e6, name
        path.unlink()


def test_names_are_looked_up_in_a_table_alone(monkeypatch):
    """The module that reads them has no way to import: what is named stays unimported."""
    assert "antigravity" not in sys.modules
    with pytest.raises(RuntimeError, match=r"names antigravity\.fly"):
        load(io.BytesIO(of(named("antigravity.fly"))))
    assert "antigravity" not in sys.modules
    assert not any(
        "import_module" in Path(file).read_text() or "__import__" in Path(file).read_text()
        for file in Path(torch_reading.__file__).parent.glob("*.py")
    )
