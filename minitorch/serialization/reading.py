"""How an archive becomes an object again. It believes nothing that it has not compared with the file."""

from __future__ import annotations

import base64
import io
import json
import math
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from minitorch import dtypes
from minitorch.tensor import Size, Tensor, from_numpy

from .arrays import of_bits
from .writing import LARGE, LONGEST, MINOR, STRUCTURE, VERSION

_HEADER = 1 << 16  # the longest .npy header that is read
_PART = 1 << 20  # bytes that are read of a member at a time
_DIRECTORY = 1 << 23  # the longest directory of an archive


class Careful:
    """A file as zipfile reads it, which believes what an archive says of the length of its directory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def seekable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all that are left. Raises ValueError for more than a directory may have."""
        content = self.file.read(size if 0 <= size <= _DIRECTORY else _DIRECTORY + 1)
        if len(content) > _DIRECTORY:
            raise ValueError(f"its directory has more than the {_DIRECTORY:,} bytes that are read")
        return content


class _Reading:
    """An open archive. Each member is read once; whoever names it again shares its memory."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.arrays: dict[str, np.ndarray] = {}
        self.versions: dict[str, Any] = {}  # the count of changes of a member's memory, for tensors
        self.tensors: list[Tensor] = []

    def member(self, name: str) -> np.ndarray:
        """A member's array."""
        if name not in self.arrays:
            member = self.archive.getinfo(name)
            with self.archive.open(member) as file:
                self.arrays[name] = read_array(file, name, member.file_size)
        return self.arrays[name]

    def array(self, place: Any) -> np.ndarray:
        """The array at a place: a member, or a part of one."""
        if isinstance(place, str):
            return self.member(place)
        name, *view = place
        memory = self.member(name)
        if not view:
            return memory
        kind, shape, strides, offset = view
        dtype = np.dtype(str(kind))
        if dtype.hasobject or memory.dtype != np.uint8 or memory.ndim != 1 or min(shape, default=0) < 0:
            raise ValueError(f"{name} does not hold the memory of an array")
        reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
        first, last = (offset + sum(bound(0, step) for step in reach) for bound in (min, max))
        inside = first >= 0 and last + dtype.itemsize <= len(memory)
        if not inside or math.prod(shape) * dtype.itemsize > max(len(memory), LARGE):
            raise ValueError(f"{name} does not hold the array that is said to lie in it")
        array = np.ndarray(shape, dtype, memory, offset, strides)
        if array.nbytes > len(memory) and not array.flags.aligned:  # which `_tensor` would copy
            raise ValueError(f"{name} does not hold whole elements of the array that is said to lie in it")
        return array


def check_members(archive: zipfile.ZipFile, size: int, packed: bool = False) -> None:
    """Raises ValueError for an archive whose members can't all be in a file of `size` bytes.

    Compressed ones are refused unless `packed`: neither `save` nor PyTorch compresses, so nothing can blow up.
    """
    members = archive.infolist()
    names = Counter(member.filename for member in members)
    if len(names) < len(members):
        raise ValueError(f"it has {max(names.values())} members named {max(names, key=names.__getitem__)}")
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.compress_type != zipfile.ZIP_STORED and not packed:
            raise ValueError(f"{member.filename} is compressed")
        if member.comment or len(member.extra) > 40:  # the next members may be in there
            raise ValueError(f"{member.filename} has a comment, or more about it than anybody writes")
        if member.flag_bits & 1:
            raise ValueError(f"{member.filename} is encrypted")
        if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
            raise ValueError(f"{member.filename} is not of the length that it announces")
    if sum(member.compress_size for member in members) > size:
        raise ValueError(f"its members announce more bytes than the {size:,} of the file")
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise ValueError(f"{member.filename} lies on another member")
        end = member.header_offset + member.compress_size


def content_of(archive: zipfile.ZipFile, name: str, longest: int) -> bytes:
    """All of a member."""
    member = archive.getinfo(name)
    if member.file_size > longest:
        raise ValueError(f"{name} has {member.file_size:,} bytes, more than the {longest:,} that are read")
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(_PART), b""))


def read_array(file: IO[bytes], name: str, size: int) -> np.ndarray:
    """The array in a .npy file of `size` bytes. The header is believed only if that is the size of the data."""
    head = io.BytesIO(file.read(_HEADER))
    version = np.lib.format.read_magic(head)
    try:
        shape, fortran, dtype = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version](head)
    except MemoryError:  # Python's parser ran out of its stack
        raise ValueError(f"{name} has a header that is nested too deeply") from None
    count = size - head.tell()
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != count:
        raise ValueError(f"{name} does not hold the array it announces")
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    data = array.reshape(-1, order="A").view(np.uint8) if array.size and count else np.empty(0, np.uint8)
    rest, done = head.read(), 0
    while done < count:
        piece = rest or file.read(_PART)
        if not piece:
            raise ValueError(f"{name} is cut short")
        data[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        rest, done = b"", done + len(piece)
    file.read(1)  # the end, where the CRC is compared
    return array


def read(archive: zipfile.ZipFile) -> tuple[Any, list[Tensor]]:
    """The object in a checked archive, and all of its tensors."""
    newer = ""
    try:
        reading = _Reading(archive)
        header = json.loads(content_of(archive, STRUCTURE, LONGEST))
        if not isinstance(header, dict) or header.get("format") != "minitorch":
            raise ValueError("its structure.json is not minitorch's")
        if header.get("version") != VERSION:
            raise ValueError(f"its format has version {header.get('version')}, this minitorch reads {VERSION}")
        minor = header.get("minor", 0)
        if type(minor) is not int or minor > MINOR:
            newer = f" (its format is {VERSION}.{minor}, this minitorch knows {VERSION}.{MINOR}: update it)"
        return _decode(header["object"], reading), reading.tensors
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError((str(error) or type(error).__name__) + newer) from error


def _decode(node: Any, reading: _Reading) -> Any:
    if isinstance(node, list):
        return [_decode(entry, reading) for entry in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind not in _DECODERS:
        raise ValueError(f"it has a node of the unknown kind {kind!r}")
    if kind in _LISTS and not isinstance(content, list):
        raise ValueError(f"it has a node of the kind {kind!r} whose content is no list")
    return _DECODERS[kind](content, reading)


def _pairs(content: Any, reading: _Reading) -> list[tuple]:
    if not all(isinstance(pair, list) for pair in content):
        raise ValueError("it has a dict of something else than pairs")
    return [(_decode(key, reading), _decode(value, reading)) for key, value in content]


def _tensor(content: list, reading: _Reading, kind: Callable[..., Tensor] | None = None) -> Tensor:
    place, requires_grad, *bits = content
    if type(requires_grad) is not bool:
        raise ValueError(f"its requires_grad is {requires_grad!r}, no bool")
    array = reading.array(place)
    if bits:
        if bits != ["bfloat16"] or array.dtype != np.uint16:
            raise ValueError(f"it has a tensor of {array.dtype} that are said to be of {bits}")
        array = of_bits(array)
    tensor = from_numpy(array if array.flags.aligned else array.copy())  # kernels want whole elements
    tensor = kind(tensor, requires_grad) if kind else tensor.requires_grad_(requires_grad)
    name = place if isinstance(place, str) else place[0]
    tensor._shared = reading.versions.setdefault(name, tensor.version)
    reading.tensors.append(tensor)
    return tensor


def _parameter(content: list, reading: _Reading) -> Tensor:
    from minitorch.nn import Parameter

    return _tensor(content, reading, Parameter)


def _size(content: list, reading: _Reading) -> Size:
    if not all(type(entry) is int for entry in content):
        raise ValueError("a size holds something else than ints")
    return Size(content)


def _complex(content: list) -> complex:
    real, imaginary = content
    if type(real) is not float or type(imaginary) is not float:
        raise ValueError("a complex number is not of two floats")
    return complex(real, imaginary)


_LISTS = {"tensor", "parameter", "dict", "ordered dict", "counter", "tuple", "set", "size", "complex"}
_DECODERS: dict[str, Callable[[Any, _Reading], Any]] = {
    "tensor": _tensor,
    "parameter": _parameter,
    "array": lambda content, reading: reading.array(content),
    "scalar": lambda content, reading: reading.array(content)[()],
    "dict": lambda content, reading: dict(_pairs(content, reading)),
    "ordered dict": lambda content, reading: OrderedDict(_pairs(content, reading)),
    "counter": lambda content, reading: Counter(dict(_pairs(content, reading))),
    "tuple": lambda content, reading: tuple(_decode(content, reading)),
    "set": lambda content, reading: set(_decode(content, reading)),
    "size": _size,
    "again": lambda content, reading: reading.tensors[content],
    "dtype": lambda content, reading: dtypes.as_dtype(str(content)),
    "bytes": lambda content, reading: base64.b64decode(content, validate=True),
    "complex": lambda content, reading: _complex(content),
}
