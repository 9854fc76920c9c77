"""Files of tensors: `save` and `load` for checkpoints, state dicts, nests of plain data. Nothing is ever unpickled.

A file is an uncompressed zip archive of arrays, `0.npy`, `1.npy`, ... (so `numpy.load` opens it too), and of
`structure.json`: {"format": "minitorch", "version": 1, "object": node}. A node is null, a bool, an int, a float or a
string for itself, a list for a list of nodes, and an object of one entry, {kind: content}, for everything else:

| kind | content |
|---|---|
| tensor, parameter | [the archive's member that holds it, its requires_grad] |
| array, scalar | the archive's member; a scalar is numpy's, from an array of shape () |
| dict, ordered dict, counter | a list of [key, value] pairs of nodes: keys keep their type and order |
| tuple, set, size | a list of nodes |
| bytes, complex, dtype | base64, [real, imaginary], the dtype's name |
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import secrets
import stat
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from minitorch import dtypes
from minitorch.tensor import Size, Tensor, from_numpy

_VERSION = 1
_STRUCTURE = "structure.json"
_HEADER = 1 << 16  # the longest .npy header that is read


def save(obj: Any, f: str | os.PathLike | IO[bytes]) -> None:
    """Write `obj` to the path or binary file `f`.

    Takes tensors, numpy arrays, numbers, strings, bytes, None, and dicts, lists, tuples and sets of these: what
    `state_dict()` returns, for one. A path is written whole or not at all: the bytes go to a temporary file in the same
    folder, which replaces the old file once it is on the disk. Raises TypeError for any other object, ValueError for a
    structure that contains itself.

    >>> buffer = io.BytesIO()
    >>> save({"epoch": 3, "shape": (2, 2)}, buffer)
    >>> load(buffer)
    {'epoch': 3, 'shape': (2, 2)}
    """
    arrays: list[np.ndarray] = []
    try:
        node = _encode(obj, "obj", arrays)
    except RecursionError:
        raise ValueError("save: the object contains itself, or is nested too deeply") from None
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: `f` should be a path or a file with write(), not {type(f).__name__}")
        _write(f, node, arrays)
        return
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"save: {path} exists and is not a regular file")
    with _replacing(path) as file:
        _write(file, node, arrays)


def load(f: str | os.PathLike | IO[bytes], map_location: Any = None, weights_only: bool = True) -> Any:
    """Read what `save` wrote to the path or binary file `f` (a file needs `seek`).

    `weights_only` is accepted for PyTorch's sake: plain data is all there ever is. Raises RuntimeError for a file that
    is damaged, cut short or of another format, and for a `map_location` other than the CPU.
    """
    if map_location is not None and str(map_location) != "cpu":
        raise RuntimeError(f"load: minitorch runs on the CPU only, map_location={map_location!r} can't be served")
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _read(file, os.fspath(f))
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise TypeError(f"load: `f` should be a path or a file with read() and seek(), not {type(f).__name__}")
    return _read(f, getattr(f, "name", type(f).__name__))


# ------------------------------------------------------------------------------------------------------------- writing


def _encode(value: Any, place: str, arrays: list[np.ndarray]) -> Any:
    """The node for `value`; its arrays are appended to `arrays`, whose index names the archive's member."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [_encode(entry, f"{place}[{i}]", arrays) for i, entry in enumerate(value)]
    if kind in _SEQUENCES:
        return {_SEQUENCES[kind]: [_encode(entry, f"{place}[{i}]", arrays) for i, entry in enumerate(value)]}
    if kind in _MAPPINGS:
        pairs = [
            [_encode(key, f"{place}'s key {key!r}", arrays), _encode(entry, f"{place}[{key!r}]", arrays)]
            for key, entry in value.items()
        ]
        return {_MAPPINGS[kind]: pairs}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind is dtypes.dtype:
        return {"dtype": value.name}
    if isinstance(value, Tensor):
        from minitorch.nn import Parameter

        tag = "parameter" if isinstance(value, Parameter) else "tensor"
        return {tag: [_member(value.array, place, arrays), value.requires_grad]}
    if isinstance(value, np.generic):
        return {"scalar": _member(np.asarray(value), place, arrays)}
    if kind is np.ndarray:
        return {"array": _member(value, place, arrays)}
    raise TypeError(
        f"save: {place} is a {kind.__module__}.{kind.__qualname__}, which the format does not hold; it holds tensors, "
        "arrays, numbers, strings, bytes, None, dicts, lists, tuples and sets (of a module or optimizer, save its "
        "state_dict())"
    )


_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", Size: "size"}
_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "ordered dict", Counter: "counter"}


def _member(array: np.ndarray, place: str, arrays: list[np.ndarray]) -> str:
    if array.dtype.hasobject:
        raise TypeError(f"save: {place} is an array of Python objects; only arrays of numbers and strings can be saved")
    arrays.append(array)
    return f"{len(arrays) - 1}.npy"


def _write(file: IO[bytes], node: Any, arrays: list[np.ndarray]) -> None:
    """The archive. Members carry no time: the same object gives the same bytes."""
    structure = json.dumps({"format": "minitorch", "version": _VERSION, "object": node})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for index, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"{index}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.writestr(zipfile.ZipInfo(_STRUCTURE), structure)


@contextlib.contextmanager
def _replacing(path: str) -> Any:
    """A new file, open for writing, that takes the place of `path` when the block ends well, and else vanishes.

    Contents reach the disk before the name does: after a crash at any moment `path` is the old file or the new one. A
    process killed while it writes leaves a `.part` file behind.
    """
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":  # elsewhere folders can't be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ------------------------------------------------------------------------------------------------------------- reading


def _read(file: IO[bytes], name: Any) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            if _STRUCTURE not in archive.namelist():
                raise ValueError(_other_format(archive.namelist()))
            header = json.loads(_content(archive, _STRUCTURE))
            if not isinstance(header, dict) or header.get("format") != "minitorch":
                raise ValueError("its structure.json is not minitorch's")
            if header.get("version") != _VERSION:
                raise ValueError(f"its format has version {header.get('version')}, this minitorch reads {_VERSION}")
            return _decode(header["object"], archive)
    except Exception as error:
        if isinstance(error, zipfile.BadZipFile) and not zipfile.is_zipfile(file):
            file.seek(0)
            pickled = file.read(1) == b"\x80"
            reason = "it looks like a pickle, which is never loaded" if pickled else "it is cut short or no archive"
        else:
            reason = str(error) or type(error).__name__
        raise RuntimeError(f"load: {name} is damaged or was not written by minitorch.save: {reason}") from error


def _other_format(members: list[str]) -> str:
    if any(member.endswith("data.pkl") for member in members):
        return "it is a PyTorch file, which holds a pickle; convert it to numpy arrays where PyTorch is installed"
    return "the archive has no structure.json"


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes, checked against its CRC. What `save` writes is not compressed, so nothing can blow up."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(name)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """A member's array, in memory of its own. The header is believed only if its size is that of the data."""
    content = _content(archive, name)
    head = io.BytesIO(content[:_HEADER])
    version = np.lib.format.read_magic(head)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read_header(head)
    data = memoryview(content)[head.tell() :]
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{name} does not hold the array it announces")
    array = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
    return np.array(array.reshape(shape, order="F" if fortran else "C"), order="K")


def _decode(node: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(node, list):
        return [_decode(entry, archive) for entry in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    return _DECODERS[kind](content, archive)


def _pairs(content: Any, archive: zipfile.ZipFile) -> list[tuple]:
    return [(_decode(key, archive), _decode(value, archive)) for key, value in content]


def _tensor(content: list, archive: zipfile.ZipFile) -> Tensor:
    name, requires_grad = content
    return from_numpy(_array(archive, name)).requires_grad_(requires_grad)


def _parameter(content: list, archive: zipfile.ZipFile) -> Tensor:
    from minitorch.nn import Parameter

    name, requires_grad = content
    return Parameter(from_numpy(_array(archive, name)), requires_grad)


_DECODERS: dict[str, Callable[[Any, zipfile.ZipFile], Any]] = {
    "tensor": _tensor,
    "parameter": _parameter,
    "array": lambda content, archive: _array(archive, content),
    "scalar": lambda content, archive: _array(archive, content)[()],
    "dict": lambda content, archive: dict(_pairs(content, archive)),
    "ordered dict": lambda content, archive: OrderedDict(_pairs(content, archive)),
    "counter": lambda content, archive: Counter(dict(_pairs(content, archive))),
    "tuple": lambda content, archive: tuple(_decode(content, archive)),
    "set": lambda content, archive: set(_decode(content, archive)),
    "size": lambda content, archive: Size(_decode(content, archive)),
    "dtype": lambda content, archive: dtypes.as_dtype(str(content)),
    "bytes": lambda content, archive: base64.b64decode(content, validate=True),
    "complex": lambda content, archive: complex(*content),
}
