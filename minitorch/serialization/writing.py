"""How an object becomes the archive that the package describes, and the archive a file."""

from __future__ import annotations

import base64
import ctypes
import zipfile
from collections import Counter, OrderedDict
from typing import IO, Any

import numpy as np

from minitorch import dtypes
from minitorch.tensor import Size, Tensor

VERSION, MINOR = 1, 3
STRUCTURE = "structure.json"
LONGEST = 1 << 25  # the longest structure.json: parsing it takes several times its bytes
MANY = 120_000  # the most members: of more, the archive's directory might take more than the 8 MB that are read
LARGE = 1 << 30  # bytes of an array, written out, that sees elements twice
_ALIGNMENT = 16  # of numpy's memory: shared memory is saved from such a multiple on


class Writing:
    """The arrays of a file, the place of each in the structure (a list that `members` fills), and the tensors met."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.places: list[list[Any]] = []
        self.tensors: dict[int, int] = {}  # number by id

    def place(self, array: np.ndarray, where: str) -> list[Any]:
        """Take an array that stands at `where` in the object; returns its place, still empty."""
        if array.dtype.hasobject:
            raise TypeError(
                f"save: {where} is an array of Python objects; only arrays of numbers and strings can be saved"
            )
        if array.dtype in dtypes.narrow:
            raise TypeError(f"save: {where} is an array of bfloat16; make a tensor of it, by from_numpy()")
        self.arrays.append(array)
        self.places.append([])
        return self.places[-1]

    def members(self) -> list[np.ndarray]:
        """What the archive's members hold: arrays, or the memory (as bytes) that several arrays share.

        Arrays share memory if their ranges of addresses overlap, directly or through others. What lies between them is
        saved, too. An array that sees an element twice (expanded, or windows) is written out if it stands alone, and
        if it would take more than LARGE bytes.
        """
        spans = [np.lib.array_utils.byte_bounds(array) for array in self.arrays]
        members: list[np.ndarray] = []
        for group in overlapping(spans, [array.nbytes for array in self.arrays]):
            name = f"{len(members)}.npy"
            first = self.arrays[group[0]]
            if all(_same_place(self.arrays[index], first) for index in group):
                members.append(first)
                for index in group:
                    self.places[index].append(name)
                continue
            low, high = spans[group[0]][0], max(spans[index][1] for index in group)
            lead = low % _ALIGNMENT
            memory = np.zeros(lead + high - low, np.uint8)
            memory[lead:] = np.ctypeslib.as_array((ctypes.c_ubyte * (high - low)).from_address(low))
            members.append(memory)
            for index in group:
                array = self.arrays[index]
                offset = address(array) - low + lead
                self.places[index].extend([name, array.dtype.str, array.shape, array.strides, offset])
        return members


def overlapping(spans: list[tuple[int, int]], sizes: list[int]) -> list[list[int]]:
    """Which arrays share memory: groups of their numbers, the lowest address first, in the order of the first members.

    Arrays of no bytes, and such that would be LARGE and larger than their memory if they were written out, stay alone.
    """
    groups: list[list[int]] = []
    ends, alone = -1, []
    for index in sorted(range(len(spans)), key=spans.__getitem__):
        low, high = spans[index]
        if not 0 < sizes[index] <= max(high - low, LARGE):
            alone.append([index])
        elif low < ends:
            groups[-1].append(index)
            ends = max(ends, high)
        else:
            groups.append([index])
            ends = high
    return sorted(groups + alone, key=min)


def address(x: np.ndarray) -> int:
    """Where its first element is."""
    return int(x.__array_interface__["data"][0])


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    return (address(a), a.dtype, a.shape, a.strides) == (address(b), b.dtype, b.shape, b.strides)


def encode(value: Any, place: str, arrays: Writing) -> Any:
    """The node for `value`; its arrays are appended to `arrays`."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [encode(entry, f"{place}[{i}]", arrays) for i, entry in enumerate(value)]
    if kind in _SEQUENCES:
        return {_SEQUENCES[kind]: [encode(entry, f"{place}[{i}]", arrays) for i, entry in enumerate(value)]}
    if kind in _MAPPINGS:
        pairs = [
            [encode(key, f"{place}'s key {key!r}", arrays), encode(entry, f"{place}[{key!r}]", arrays)]
            for key, entry in value.items()
        ]
        return {_MAPPINGS[kind]: pairs}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if isinstance(value, dtypes.dtype):
        return {"dtype": value.name}
    if isinstance(value, Tensor):
        from minitorch.nn import Parameter

        if id(value) in arrays.tensors:
            return {"again": arrays.tensors[id(value)]}
        arrays.tensors[id(value)] = len(arrays.tensors)
        tag = "parameter" if isinstance(value, Parameter) else "tensor"
        if value.dtype is dtypes.bfloat16:  # which NumPy's files don't know: its bits
            return {tag: [arrays.place(value.array.view(np.uint16), place), value.requires_grad, value.dtype.name]}
        return {tag: [arrays.place(value.array, place), value.requires_grad]}
    if isinstance(value, np.generic):
        return {"scalar": arrays.place(np.asarray(value), place)}
    if kind is np.ndarray:
        return {"array": arrays.place(value, place)}
    raise refusal(value, place)


def refusal(value: Any, place: str) -> TypeError:
    """The error for an object that no format holds."""
    kind = type(value)
    return TypeError(
        f"save: {place} is a {kind.__module__}.{kind.__qualname__}, which the format does not hold; it holds tensors, "
        "arrays, numbers, strings, bytes, None, dicts, lists, tuples and sets (of a module or optimizer, save its "
        "state_dict())"
    )


_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", Size: "size"}
_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "ordered dict", Counter: "counter"}


class Sink:
    """A file that is written from front to back: compressed ones and pipes can do no more."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, content: Any) -> int:
        """All of it, also to a file that takes a part at a time."""
        content = rest = memoryview(content).cast("B")
        while rest:
            count = self.file.write(rest)
            rest = rest[len(rest) if count is None else count :]
        return len(content)

    def flush(self) -> None:
        """Flush the file, if it can."""
        if hasattr(self.file, "flush"):
            self.file.flush()


def write(file: Any, structure: bytes, arrays: list[np.ndarray]) -> None:
    """The archive. Members carry no time: the same object gives the same bytes."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        for index, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"{index}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.writestr(zipfile.ZipInfo(STRUCTURE), structure)
        archive.close()
    finally:
        archive.fp = None  # where a member is still open, as after an interrupt, to close it would raise another error
