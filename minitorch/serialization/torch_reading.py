"""PyTorch's files, read without PyTorch. Nothing that a file names is imported or called.

Since 1.6 they are zip archives of one folder: `data.pkl`, a pickle of the object; `data/0`, `data/1`, ..., the memory
of its tensors; `byteorder`; `version`. The pickle speaks of memory as ("storage", type, number, device, length), and
makes tensors of it by `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`. Before
1.6 a file was five pickles and then the memory, one piece after the other.
"""

from __future__ import annotations

import math
import mmap
import struct
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from minitorch import devices, dtypes
from minitorch.tensor import Size, Tensor, from_numpy

from . import arrays
from .opcodes import LONGEST, Keys, Machine, Refused, check_plain, names_of
from .reading import content_of
from .writing import LARGE

PART = 1 << 20  # bytes that are read of a member at a time
MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")  # a number that the first pickle of files before 1.6 holds
PROTOCOL = 1001


class Elements:
    """A type of elements: the bytes in a file, and what they become here."""

    def __init__(self, name: str, stored: str, here: str | None = None) -> None:
        self.name, self.stored, self.here = name, np.dtype(stored), np.dtype(here or stored)

    def made(self, content: np.ndarray, swapped: bool = False) -> np.ndarray:
        """Stored elements as they are here: the same memory, where that is possible."""
        if swapped and self.stored.itemsize > 1:
            content = content.byteswap()
        return arrays.of_bits(content) if self.name == "bfloat16" else content.astype(self.here, copy=False)


class StorageType:
    """What stands for the class of a storage; without elements it is one of bytes."""

    def __init__(self, elements: Elements | None) -> None:
        self.elements = elements


BYTES = Elements("bytes", "uint8")
ELEMENTS = {d.name: Elements(d.name, d.name) for d in dtypes.ALL} | {
    "bfloat16": Elements("bfloat16", "uint16"),
    "uint16": Elements("uint16", "uint16", "int32"),
    "uint32": Elements("uint32", "uint32", "int64"),
}
STORAGES = {d.type_name.replace("Tensor", "Storage"): ELEMENTS[d.name] for d in (*dtypes.ALL, dtypes.bfloat16)}
NOT_HERE = {
    f"torch.{name}": reason
    for reason, names in {
        "complex tensors": "complex32 complex64 complex128 ComplexFloatStorage ComplexDoubleStorage",
        "tensors of that dtype": "uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu",
        "quantized tensors": "QInt8Storage QUInt8Storage QInt32Storage QUInt4x2Storage QUInt2x4Storage "
        "_utils._rebuild_qtensor",
        "sparse tensors": "_utils._rebuild_sparse_tensor",
        "nested tensors": "_utils._rebuild_nested_tensor",
        "tensors without elements": "_utils._rebuild_meta_tensor_no_storage",
        "parameters with attributes": "_utils._rebuild_parameter_with_state",
        "tensors with attributes or of other classes": "_tensor._rebuild_from_type_v2 _utils._rebuild_wrapper_subclass",
    }.items()
    for name in names.split()
}


class Storage:
    """A piece of memory: `memory` holds its elements once they are read."""

    def __init__(self, declared: tuple[Elements | None, int], swapped: bool) -> None:
        self.declared, self.swapped = declared, swapped
        elements, self.count = declared
        self.elements = elements or BYTES
        self.nbytes = self.count * self.elements.stored.itemsize
        self.memory = self.elements.made(np.empty(0, self.elements.stored))
        self.version: Any = None

    def fill(self, read: Callable[[np.ndarray], None]) -> None:
        """Have `read` fill the bytes, and make elements of them."""
        content = np.empty(self.count, self.elements.stored)
        read(content.view(np.uint8))
        self.hold(content)

    def hold(self, content: np.ndarray) -> None:
        """Take stored elements."""
        self.memory = self.elements.made(content, self.swapped)

    def typed(self, elements: Elements) -> None:
        """Say what the bytes are."""
        if self.elements is elements:
            return
        if self.elements is not BYTES or self.count % elements.stored.itemsize:
            raise Refused(f"it has a storage of {self.elements.name} for a tensor of {elements.name}")
        self.memory = elements.made(self.memory.view(elements.stored), self.swapped)
        self.elements, self.count = elements, self.memory.size


class Reading:
    """What the names in a file stand for, its storages by their numbers, and the tensors made of them.

    room: the bytes that storages may have together. fetch: called with each storage and its number.
    """

    def __init__(self, room: int, fetch: Callable[[str, Storage], None], swapped: bool) -> None:
        self.room, self.fetch, self.swapped = room, fetch, swapped
        self.storages: dict[str, Storage] = {}
        self.tensors: list[Tensor] = []
        self.keys = Keys()
        self.table = names_of(
            PLAIN
            | {
                "torch._utils._rebuild_tensor": self.tensor,
                "torch._utils._rebuild_tensor_v2": self.tensor,
                "torch._utils._rebuild_tensor_v3": self.tensor_of,
                "torch._utils._rebuild_parameter": self.parameter,
                "collections.OrderedDict": self.ordered,
            }
            | dict.fromkeys(("builtins.set", "__builtin__.set"), self.set_of)
        )

    def machine(self, content: Any, text: str) -> Machine:
        """A machine for the file's pickles."""
        return Machine(content, self.names, _attributes, self.storage, text, self.keys)

    def names(self, name: str) -> Any:
        """What stands for a name. Raises Refused, which says why, where nothing does."""
        found = self.table(name)
        if found is not None:
            return found
        if name in NOT_HERE:
            raise Refused(f"it names {name}: there are no {NOT_HERE[name]} here")
        hint = ""
        if name.split(".")[0] in ("__main__", "torch", "torchvision"):
            hint = "; of a whole module, save the state_dict() where its class is, and load that"
        raise Refused(f"it names {name[:200]}, which is never called{hint}")

    def storage(self, what: Any) -> Storage:
        """The storage that a pickle speaks of."""
        if type(what) is not tuple or len(what) not in (5, 6) or what[0] != "storage":
            raise Refused("it speaks of something outside of it that is no storage")
        kind, key, place, count = what[1:5]
        if not isinstance(kind, StorageType) or type(key) is not str or type(place) is not str:
            raise Refused("it describes a storage in a way that is not known")
        if what[5:] not in ((), (None,)):
            raise Refused("it has views of storages, which PyTorch gave up in 0.4")
        declared = kind.elements, _natural(count, "a storage's length")
        if key in self.storages:
            if self.storages[key].declared != declared:
                raise Refused(f"storage {key[:50]} is said to hold two different things")
            return self.storages[key]
        made = self.storages[key] = Storage(declared, self.swapped)
        self.room -= made.nbytes
        if self.room < 0:
            raise Refused(f"its storages announce more bytes than the file has; storage {key[:50]}: {made.nbytes:,}")
        self.fetch(key, made)
        return made

    def tensor(
        self,
        storage: Any,
        at: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = (),
        more: Any = (),
    ) -> Tensor:
        """A tensor in a storage. Every number is compared with what is there."""
        if not isinstance(storage, Storage) or storage.elements is BYTES:
            raise Refused("it has a tensor without a storage")
        if type(requires_grad) is not bool or hooks or more:
            raise Refused("it has a tensor with hooks, attributes or an odd requires_grad")
        if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride) or len(size) > 64:
            raise Refused("it has a tensor whose size and stride don't fit each other")
        for number in (at, *size, *stride):
            _natural(number, "a tensor's offset, size or stride")
        memory, count = storage.memory, math.prod(size)
        if count:
            last = at + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
            if last >= len(memory) or count * memory.itemsize > max(memory.nbytes, LARGE):
                raise Refused(
                    f"it has a tensor of shape {tuple(size)} and strides {tuple(stride)}, from element {at} on, "
                    f"in a storage of {len(memory):,}"
                )
            steps = [step * memory.itemsize for step in stride]
            array = np.ndarray(size, memory.dtype, memory, at * memory.itemsize, steps)
        else:
            array = np.empty(size, memory.dtype)
        tensor = from_numpy(array)
        if count:
            storage.version = tensor._shared = storage.version or tensor.version
        self.tensors.append(tensor.requires_grad_(requires_grad))
        return tensor

    def tensor_of(
        self,
        storage: Any,
        at: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        kind: Any,
        more: Any = (),
    ) -> Tensor:
        """The same in a storage of bytes."""
        elements = ELEMENTS[kind.name] if isinstance(kind, dtypes.dtype) else kind
        if not isinstance(storage, Storage) or not isinstance(elements, Elements):
            raise Refused("it has a tensor without a storage or a dtype")
        storage.typed(elements)
        return self.tensor(storage, at, size, stride, requires_grad, hooks, more)

    def parameter(self, data: Any, requires_grad: Any, hooks: Any = ()) -> Tensor:
        """A parameter."""
        from minitorch.nn import Parameter

        if not isinstance(data, Tensor) or type(requires_grad) is not bool or hooks:
            raise Refused("it has a parameter with hooks, or of something else than a tensor")
        made = Parameter(data, requires_grad)
        if self.tensors[-1] is data:
            self.tensors.pop()
        self.tensors.append(made)
        return made

    def ordered(self, pairs: Any = ()) -> OrderedDict:
        """An OrderedDict."""
        if pairs and not (type(pairs) is list and all(type(p) in (list, tuple) and len(p) == 2 for p in pairs)):
            raise Refused("it has an OrderedDict of something else than pairs")
        return OrderedDict((self.keys(key), value) for key, value in pairs)

    def set_of(self, entries: Any = ()) -> set:
        """A set."""
        if entries and type(entries) is not list:
            raise Refused("it has a set of something else than a list")
        return set(map(self.keys, entries))


def _natural(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Refused(
            f"{what} is {str(value)[:50] if abs(value) < 1 << 99 else 'huge'}"
            if type(value) is int
            else f"{what} is a {type(value).__name__}"
        )
    return value


def _attributes(before: Any, state: Any) -> Any:
    """State dicts say of which version their modules are; arrays take their elements."""
    if type(before) is OrderedDict and type(state) is dict and list(state) == ["_metadata"]:
        before._metadata = state["_metadata"]  # type: ignore[attr-defined]
        return before
    return arrays.finished(before, state)


def _counter(counts: Any = None) -> Counter:
    if counts is not None and type(counts) is not dict:
        raise Refused("it has a Counter of something else than a dict")
    return Counter(counts or {})


def _encoded(text: Any, coding: Any = "latin1") -> bytes:
    if type(text) is not str or coding not in ("latin1", "latin-1"):
        raise Refused("it has bytes that are not written as text of latin1")
    return text.encode("latin1")


def _bytearray(content: Any = b"", coding: Any = "latin1") -> bytearray:
    return bytearray(content if type(content) is bytes else _encoded(content, coding))


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise Refused("it has a complex number that is not of two floats")
    return complex(real, imaginary)


def _size(entries: Any = ()) -> Size:
    if not isinstance(entries, tuple | list) or not all(type(entry) is int for entry in entries):
        raise Refused("it has a torch.Size of something else than ints")
    return Size(entries)


def _device(kind: Any, index: Any = None) -> devices.device:
    if type(kind) is not str or len(kind) > 100:
        raise Refused("it has a device that is no text, or a long one")
    return devices.device(kind, index)


# What a file may name, beside what Reading adds.
PLAIN: dict[str, Any] = arrays.NAMES | {
    "collections.Counter": _counter,
    "_codecs.encode": _encoded,
    "torch.Size": _size,
    "torch.device": _device,
    **{f"torch.{name}": elements for name, elements in ELEMENTS.items()},
    **{f"torch.{d.name}": d for d in (*dtypes.ALL, dtypes.bfloat16)},
    **dict.fromkeys(("torch.storage.UntypedStorage", "torch.storage._UntypedStorage"), StorageType(None)),
}
for _module in ("builtins", "__builtin__"):
    PLAIN |= {f"{_module}.bytes": lambda: b"", f"{_module}.bytearray": _bytearray, f"{_module}.complex": _complex}
for _module in ("torch", "torch.cuda"):
    PLAIN |= {f"{_module}.{name}": StorageType(elements) for name, elements in STORAGES.items()}


def _is_value(entry: Any) -> bool:
    kinds = (bool, int, float, complex, str, bytes, bytearray, devices.device, np.ndarray)
    return entry is None or type(entry) in kinds or isinstance(entry, Tensor | np.generic | dtypes.dtype)


def read_zip(archive: zipfile.ZipFile, size: int, text: str, mapped: np.ndarray | None) -> tuple[Any, list[Tensor]]:
    """The object in a checked archive of `size` bytes, and its tensors.

    mapped: the file's bytes, to be used in place.
    """
    members = {member.filename: member for member in archive.infolist()}
    folder = next(name for name in members if name.endswith("data.pkl"))[: -len("data.pkl")]
    for name in members:
        if not name.startswith(folder) or ".." in name.split("/") or name.startswith("/"):
            raise Refused(f"its member {name[:100]} lies outside of the folder {folder[:100]}")
    order = content_of(archive, f"{folder}byteorder", 100) if f"{folder}byteorder" in members else b"little"
    if order not in (b"little", b"big"):
        raise Refused(f"its byte order is {order[:20]!r}")

    def fetch(key: str, storage: Storage) -> None:
        member = members.get(f"{folder}data/{key}")
        if member is None:
            raise Refused(f"it has no storage {key[:50]}")
        if member.file_size != storage.nbytes:
            raise Refused(f"storage {key[:50]} has {member.file_size:,} bytes, but {storage.nbytes:,} are announced")
        if mapped is not None:
            start = _start(mapped, member)
            part = mapped[start : start + storage.nbytes]
            if part.ctypes.data % storage.elements.stored.alignment == 0 and storage.elements is not BYTES:
                storage.hold(part.view(storage.elements.stored))
                return
        with archive.open(member) as file:
            storage.fill(lambda out: _fill(file, out, key))

    reading = Reading(size, fetch, order.decode() != sys.byteorder)
    machine = reading.machine(content_of(archive, f"{folder}data.pkl", LONGEST), text)
    found = machine.run()
    if machine.at != len(machine.content):
        raise Refused("its pickle goes on after its end")
    check_plain(found, _is_value)
    return found, reading.tensors


def _start(mapped: np.ndarray, member: zipfile.ZipInfo) -> int:
    """Where in a file the bytes of a member begin: after a header with the lengths of a name and of more."""
    header = mapped[member.header_offset : member.header_offset + 30].tobytes()
    name, more = struct.unpack("<HH", header[26:])
    start = member.header_offset + 30 + name + more
    if header[:4] != b"PK\3\4" or start + member.file_size > len(mapped):
        raise Refused(f"{member.filename[:100]} is not where the archive says")
    return start


def _fill(file: IO[bytes], out: np.ndarray, key: str) -> None:
    """Read a member to its end, where its CRC is compared."""
    done = 0
    while piece := file.read(PART):
        out[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    if done < len(out):
        raise Refused(f"storage {key[:50]} is cut short")


def read_old(file: IO[bytes], text: str) -> tuple[Any, list[Tensor]]:
    """The object in a file of the format before 1.6, and its tensors."""
    content: Any
    try:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # no file of the system's, such as BytesIO
        file.seek(0)
        content = file.read()

    def fetch(key: str, storage: Storage) -> None:
        """Make room, which is filled when all tensors are there."""
        if storage.elements is BYTES:
            raise Refused(f"storage {key[:50]} has no type")
        storage.memory = storage.elements.made(np.empty(storage.count, storage.elements.stored))

    reading = Reading(len(content), fetch, sys.byteorder != "little")
    machine = reading.machine(content, text)
    magic, protocol, system = machine.run(), machine.run(), machine.run()
    if magic != int.from_bytes(MAGIC, "little") or protocol != PROTOCOL:
        raise Refused("it is a pickle, or of a version that is not known")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Refused("it is of a machine with another byte order")
    found, keys = machine.run(), machine.run()
    check_plain(found, _is_value)
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(reading.storages):
        raise Refused("its list of storages is not that of its tensors")
    at = machine.at
    for key in keys:
        storage = reading.storages[key]
        if at + 8 + storage.nbytes > len(content):
            raise Refused(f"storage {key[:50]} is cut short")
        if int.from_bytes(content[at : at + 8], "little") != storage.count:
            raise Refused(f"storage {key[:50]} is not of the length that is announced")
        part = np.frombuffer(content, storage.elements.stored, storage.count, at + 8)
        storage.memory[...] = storage.elements.made(part, storage.swapped)
        at += 8 + storage.nbytes
    if at != len(content):
        raise Refused("it goes on after its end")
    return found, reading.tensors
