"""Files of tensors: `save` and `load` for checkpoints, state dicts, nests of plain data. Nothing is ever unpickled.

A file is an uncompressed zip archive of arrays, `0.npy`, `1.npy`, ... (so `numpy.load` opens it too), and of
`structure.json`: {"format": "minitorch", "version": 1, "minor": 2, "object": node}. A new minor version adds kinds, or
places (1.2: of arrays that see an element twice), and files without them are read by older ones. A node is null, a
bool, an int, a float or a string for itself, a list for a list of nodes, and an object of one entry, {kind: content},
for everything else:

| kind | content |
|---|---|
| tensor, parameter | [place, its requires_grad] |
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
from collections.abc import Mapping
from typing import IO, Any

from minitorch.files import replacing
from minitorch.tensor import Tensor

from .reading import read
from .writing import LONGEST, MANY, MINOR, VERSION, Sink, Writing, encode, write

__all__ = ["load", "save"]


def save(obj: Any, f: str | os.PathLike | IO[bytes]) -> None:
    """Write `obj` to the path or binary file `f`.

    Takes tensors, numpy arrays, numbers, strings, bytes, None, and dicts, lists, tuples and sets of these: what
    `state_dict()` returns, for one. A path is written whole or not at all: the bytes go to a temporary file in the same
    folder, which replaces the old file once it is on the disk. An open file needs `write` alone, so gzip's serve.
    Tensors and arrays that share memory share it after `load`. Raises TypeError for any other object, ValueError for a
    structure that contains itself, is too long or has too many arrays.

    >>> buffer = io.BytesIO()
    >>> save({"epoch": 3, "shape": (2, 2)}, buffer)
    >>> load(buffer)
    {'epoch': 3, 'shape': (2, 2)}
    """
    writing = Writing()
    try:
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
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: `f` should be a path or a file with write(), not {type(f).__name__}")
        write(Sink(f), text, members)
        return
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"save: {path} exists and is not a regular file")
    with replacing(path) as file:
        write(file, text, members)


def load(f: str | os.PathLike | IO[bytes], map_location: Any = None, weights_only: bool = True) -> Any:
    """Read what `save` wrote to the path or binary file `f`.

    `map_location` is "cpu", a dict of places, or a function of (tensor, "cpu") that returns the tensor or None:
    whatever leads to the CPU. `weights_only` is accepted for PyTorch's sake: plain data is all there ever is. Raises
    RuntimeError for a file that is damaged, cut short or of another format, and for a `map_location` other than the
    CPU.
    """
    if not callable(map_location):
        _check_location(map_location.get("cpu", "cpu") if isinstance(map_location, Mapping) else map_location)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            loaded, tensors = read(file, os.fspath(f))
    elif hasattr(f, "read"):
        name = getattr(f, "name", type(f).__name__)
        seekable = hasattr(f, "seek") and getattr(f, "seekable", lambda: True)()
        loaded, tensors = read(f if seekable else io.BytesIO(f.read()), name)
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
