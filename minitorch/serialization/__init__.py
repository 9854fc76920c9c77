"""Files of tensors: `save` and `load` for checkpoints, state dicts, nests of plain data. No code in a file is ever run.

`save` chooses the format by the name's ending: PyTorch's for .pt, .pth and .pth.tar (`torch_reading`), .safetensors and
.npz (`flat`), and the project's own for all others; `load` by the content. docs/files.md says what each format holds.

A file of the project's own is an uncompressed zip archive of arrays, `0.npy`, `1.npy`, ... (so `numpy.load` opens it
too), and of `structure.json`: {"format": "minitorch", "version": 1, "minor": 3, "object": node}. A new minor version
adds kinds, or places (1.2: of arrays that see an element twice; 1.3: bfloat16), and files without them are read by
older ones. A node is null, a bool, an int, a float or a string for itself, a list for a list of nodes, and an object of
one entry, {kind: content}, for everything else:

| kind | content |
|---|---|
| tensor, parameter | [place, its requires_grad], of bfloat16 [place of its bits as uint16, requires_grad, "bfloat16"] |
| array, scalar | place; a scalar is numpy's, from an array of shape () |
| again | the number, from 0, of the tensor in the file that stands here a second time |
| dict, ordered dict, counter | a list of [key, value] pairs of nodes: keys keep their type and order |
| tuple, set, size | a list of nodes |
| bytes, complex, dtype | base64, [real, imaginary], the dtype's name |

A place is the archive's member that holds the array, or [member, dtype, shape, strides, offset], all in bytes, for one
of several arrays that share memory: the member is then that memory. Equal places are the same array.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np

from minitorch.files import replacing
from minitorch.tensor import Tensor

from .flat import npz_of, read_npz, read_safetensors, safetensors_of, write_npz
from .reading import Careful, check_members, read
from .torch_reading import MAGIC, read_old, read_zip
from .torch_writing import Saving, write_zip
from .writing import LONGEST, MANY, MINOR, STRUCTURE, VERSION, Sink, Writing, encode, write

__all__ = ["load", "save"]

EMPTY = 22  # bytes of an archive without members
TORCH = (".pt", ".pth", ".pt.tar", ".pth.tar")


class FileError(RuntimeError, UnpicklingError):
    """Raised for a file that is damaged, or asks for what is not given: PyTorch raises the one or the other."""


def save(
    obj: Any,
    f: str | os.PathLike | IO[bytes],
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to the path or binary file `f`; its name's ending says in which format.

    Takes tensors, numpy arrays, numbers, strings, bytes, None, and dicts, lists, tuples and sets of these: what
    `state_dict()` returns, for one; `.safetensors` and `.npz` files hold a flat dict of tensors. A path is written
    whole or not at all: the bytes go to a temporary file in the same folder, which replaces the old file once it is on
    the disk. An open file needs `write` alone, so gzip's serve. Tensors and arrays that share memory share it after
    `load`. `pickle_module` and `pickle_protocol` are accepted for PyTorch's sake. Raises TypeError for any other
    object, ValueError for a structure that contains itself, is too long or has too many arrays.

    >>> buffer = io.BytesIO()
    >>> save({"epoch": 3, "shape": (2, 2)}, buffer)
    >>> load(buffer)
    {'epoch': 3, 'shape': (2, 2)}
    """
    if not _use_new_zipfile_serialization:
        raise ValueError("save: files are written as PyTorch does since 1.6, not as before")
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: `f` should be a path or a file with write(), not {type(f).__name__}")
        _prepared(obj, getattr(f, "name", ""))(Sink(f))
        return
    written = _prepared(obj, os.fspath(f))
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"save: {path} exists and is not a regular file")
    with replacing(path) as file:
        written(file)


def _prepared(obj: Any, name: Any) -> Callable[[Any], None]:
    """What writes `obj` to a file of this name, once all is known to be well."""
    name = os.fsdecode(name).lower() if isinstance(name, str | bytes) else ""
    if name.endswith(".safetensors"):
        content = safetensors_of(obj)
        return lambda file: file.write(content)
    if name.endswith(".npz"):
        arrays = npz_of(obj)
        return lambda file: write_npz(file, arrays)
    try:
        if name.endswith(TORCH):
            saving = Saving()
            saving.put(obj, "obj")
            storages = saving.storages()
            pickled = saving.steps.finish()
            return lambda file: write_zip(file, pickled, storages)
        writing = Writing()
        node = encode(obj, "obj", writing)
        structure = {"format": "minitorch", "version": VERSION, "minor": MINOR, "object": node}
        members = writing.members()
        text = json.dumps(structure).encode()
    except RecursionError:
        raise ValueError("save: the object contains itself, or is nested too deeply") from None
    if len(members) > MANY:
        raise ValueError(f"save: the object has {len(members):,} arrays, but {MANY:,} are allowed; join small ones")
    if len(text) > LONGEST:
        raise ValueError(
            f"save: without its arrays the object takes {len(text):,} bytes, but {LONGEST:,} are allowed; "
            "put long lists of numbers into arrays or tensors"
        )
    return lambda file: write(file, text, members)


def load(
    f: str | os.PathLike | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    encoding: str = "utf-8",
) -> Any:
    """Read what `save` or PyTorch wrote to the path or binary file `f`, or a .safetensors or .npz file.

    map_location: a device or its name, a dict of places, or a function of (tensor, "cpu") that returns the tensor or
        None: whatever leads to the CPU. Without it, all tensors come to the CPU.
    weights_only: accepted for PyTorch's sake. Plain data is all there ever is: False runs no code, either.
    mmap: whether the tensors of a PyTorch file use its memory in place. What is written to them stays here.
    encoding: of the strings that Python 2 wrote into a PyTorch file; "bytes" leaves them so.

    Raises RuntimeError (an UnpicklingError, too) for a file that is damaged, cut short, of another format or asks for
    more than data, and RuntimeError for a `map_location` other than the CPU.
    """
    if not callable(map_location):
        _check_location(map_location.get("cpu", "cpu") if isinstance(map_location, Mapping) else map_location)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            loaded, tensors = _read(file, os.fspath(f), encoding, mmap)
    elif mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    elif hasattr(f, "read"):
        name = getattr(f, "name", type(f).__name__)
        seekable = hasattr(f, "seek") and getattr(f, "seekable", lambda: True)()
        loaded, tensors = _read(f if seekable else io.BytesIO(f.read()), name, encoding, False)
    else:
        raise TypeError(f"load: `f` should be a path or a file with read() and seek(), not {type(f).__name__}")
    if callable(map_location):
        for tensor in tensors:
            moved = map_location(tensor, "cpu")
            if moved is not None and not isinstance(moved, Tensor):
                raise RuntimeError(f"load: `map_location` should return the tensor or None, not {type(moved).__name__}")
    return loaded


def _check_location(place: Any) -> None:
    if place is not None and str(place).partition(":")[0] != "cpu":
        raise RuntimeError(f"load: minitorch runs on the CPU only, map_location={place!r} can't be served")


# What files begin with that are no files of tensors.
OTHERS = {
    b"\x1f\x8b": "it is compressed by gzip: open it with gzip.open, and load that",
    b"BZh": "it is compressed by bzip2: open it with bz2.open, and load that",
    b"\xfd7zXZ": "it is compressed by xz: open it with lzma.open, and load that",
    b"\x89HDF": "it is an HDF5 file, as Keras writes them",
    b"\x93NUMPY": "it is one array: from_numpy(numpy.load(...)) reads it",
    b"version https://git-lfs": "it is a pointer of Git LFS, not the file: run `git lfs pull`",
    b"<": "it is a page of text, such as a web server's error",
}


def _read(file: IO[bytes], name: Any, encoding: str, mmap: bool | None) -> tuple[Any, list[Tensor]]:
    """The object in a file, and its tensors."""
    what = "is damaged or was not written by minitorch.save"
    try:
        file.seek(0)
        start = file.read(300)
        size = file.seek(0, os.SEEK_END)
        if start[:1] == b"\x80" and MAGIC in start[:64]:
            what = "cannot be read as a PyTorch file of the format before 1.6"
            return read_old(file, encoding)
        if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 40:
            what = "cannot be read as a safetensors file"
            return read_safetensors(file, size)
        try:
            archive = zipfile.ZipFile(Careful(file))
        except zipfile.BadZipFile as error:
            raise ValueError(_no_archive(start, str(error), zipfile.is_zipfile(file))) from error
        with archive:
            names = archive.namelist()
            arrays = all(member.endswith(".npy") for member in names) and (bool(names) or size == EMPTY)
            if arrays:
                what = "cannot be read as an .npz file"
            elif STRUCTURE not in names and any(member.endswith("data.pkl") for member in names):
                what = "cannot be read as a PyTorch file"
                if any(member.endswith("constants.pkl") for member in names):
                    raise ValueError("it is a TorchScript archive, a program, and none is run; load a state_dict")
            check_members(archive, size, packed=arrays)
            if STRUCTURE in names:
                return read(archive)
            if arrays:
                return read_npz(archive, size)
            if not any(member.endswith("data.pkl") for member in names):
                raise ValueError("the archive has no structure.json")
            return read_zip(archive, size, encoding, np.memmap(name, np.uint8, "c") if mmap else None)
    except MemoryError:
        raise
    except Exception as error:
        raise FileError(f"load: {name} {what}: {str(error) or type(error).__name__}") from error


def _no_archive(start: bytes, reason: str, is_archive: bool) -> str:
    """What is wrong with a file that is none of ours."""
    if is_archive:
        return reason
    if start[257:262] == b"ustar":
        return "it is a tar archive, as PyTorch wrote before 0.1.10, which is not read"
    if start[:1] == b"\x80":
        return "it looks like a pickle, which is never loaded"
    return next((text for magic, text in OTHERS.items() if start.startswith(magic)), "it is cut short or no archive")
