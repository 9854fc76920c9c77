"""PyTorch's files, written without PyTorch; `torch_reading` says what is in them."""

from __future__ import annotations

import ctypes
import struct
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch import devices, dtypes
from minitorch.tensor import Size, Tensor

from . import arrays
from .opcodes import Steps
from .torch_reading import PART, STORAGES
from .writing import address, overlapping, refusal

NAMES = {elements.name: name for name, elements in STORAGES.items()}
FOLDER, ALIGNMENT = "archive", 64


class Saving:
    """A pickle of an object, and the memory of its tensors. Tensors that share memory share a storage."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.tensors: list[tuple[np.ndarray, bytearray, str]] = []  # with their places in pickle and object

    def put(self, value: Any, where: str) -> None:
        """Write the steps that make `value`, which stands at `where` in the object."""
        kind, steps = type(value), self.steps
        if value is None or kind in (bool, int, float, complex, str, bytes):
            steps.plain(value)
        elif kind in (list, tuple):
            entries = [self.later(entry, f"{where}[{i}]") for i, entry in enumerate(value)]
            steps.out.append(b"]" if kind is list else b"")
            steps.group(b"e" if kind is list else b"t", *entries)
        elif kind is dict:
            steps.out.append(b"}")
            self.pairs(value, where)
        elif kind is OrderedDict:
            steps.call("collections.OrderedDict")
            self.pairs(value, where)
            if hasattr(value, "_metadata"):
                steps.out.append(b"}")
                self.pairs({"_metadata": value._metadata}, where)
                steps.out.append(b"b")
        elif kind is Counter:
            steps.call("collections.Counter", self.later(dict(value), where))
        elif kind is set:
            steps.call("__builtin__.set", self.later(list(value), where))
        elif kind is Size:
            steps.call("torch.Size", tuple(value))
        elif kind is devices.device:
            steps.call("torch.device", str(value))
        elif isinstance(value, dtypes.dtype):
            steps.name(f"torch.{value.name}")
        elif isinstance(value, Tensor):
            self.tensor(value, where)
        elif isinstance(value, np.generic):
            arrays.write_scalar(steps, value)
        elif kind is np.ndarray:
            arrays.write_array(steps, value)
        else:
            raise refusal(value, where)

    def later(self, value: Any, where: str) -> Callable[[], None]:
        """To be written when it is its turn."""
        return lambda: self.put(value, where)

    def pairs(self, value: dict, where: str) -> None:
        """The entries of a dict."""
        entries = ((self.later(k, f"{where}'s key {k!r}"), self.later(v, f"{where}[{k!r}]")) for k, v in value.items())
        self.steps.group(b"u", *(step for pair in entries for step in pair))

    def tensor(self, value: Tensor, where: str) -> None:
        """A tensor or parameter, the second time as the same object."""
        from minitorch.nn import Parameter

        steps = self.steps
        if steps.recall(id(value)):
            return
        array, slot = value.array, bytearray()
        if any(step < 0 or step % array.itemsize for step in array.strides):
            array = array.copy()  # PyTorch has no such strides
        self.tensors.append((array, slot, where))

        def tensor(requires_grad: bool) -> None:
            steps.name("torch._utils._rebuild_tensor_v2")
            steps.out += [b"(", slot]
            steps.plain(requires_grad)
            steps.call("collections.OrderedDict")
            steps.out.append(b"tR")

        if isinstance(value, Parameter):
            hooks = lambda: steps.call("collections.OrderedDict")  # noqa: E731
            steps.call("torch._utils._rebuild_parameter", lambda: tensor(False), value.requires_grad, hooks)
        else:
            tensor(value.requires_grad)
        steps.remember(id(value))

    def storages(self) -> list[memoryview]:
        """The memory of all tensors, in pieces; each tensor's place in them is written into the pickle."""
        pieces: list[memoryview] = []
        spans = [np.lib.array_utils.byte_bounds(array) for array, _, _ in self.tensors]
        for group in overlapping(spans, [array.nbytes for array, _, _ in self.tensors]):
            low, high = spans[group[0]][0], max(spans[index][1] for index in group)
            first = self.tensors[group[0]][0]
            size = high - low if first.size else 0
            for index in group:
                array, slot, where = self.tensors[index]
                offset, left = divmod(address(array) - low if size else 0, array.itemsize)
                if array.dtype != first.dtype or left:
                    raise RuntimeError(
                        f"save: {where} shares memory with a tensor of another dtype. Cannot save multiple tensors or "
                        "storages that view the same data as different types"
                    )
                slot += _place(array, str(len(pieces)), size // array.itemsize, offset)
            pieces.append(memoryview((ctypes.c_ubyte * size).from_address(low) if size else b"").cast("B"))
        return pieces


def _place(array: np.ndarray, storage: str, count: int, offset: int) -> bytes:
    """The steps that say where an array is: its storage, of so many elements, and offset, size and stride in that."""
    steps = Steps()
    kind = f"ctorch\n{NAMES[array.dtype.name]}\n".encode()
    steps.group(b"tQ", "storage", lambda: steps.out.append(kind), storage, "cpu", count)
    for entry in (offset, array.shape, tuple(step // array.itemsize for step in array.strides)):
        steps.plain(entry)
    return b"".join(steps.out[1:])


def write_zip(file: Any, pickled: bytes, storages: list[memoryview]) -> None:
    """The archive. Members carry no time: the same object gives the same bytes."""
    members: list[tuple[str, bytes | memoryview]] = [
        ("data.pkl", pickled),
        ("byteorder", sys.byteorder.encode()),
        *((f"data/{number}", storage) for number, storage in enumerate(storages)),
        ("version", b"3\n"),
    ]
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        for name, content in members:
            member = zipfile.ZipInfo(f"{FOLDER}/{name}")
            member.file_size = len(content)
            start = archive.start_dir + 30 + len(member.filename) + 4
            if member.file_size * 1.05 > zipfile.ZIP64_LIMIT:
                start += 20
            pad = -start % ALIGNMENT
            member.extra = struct.pack("<2sH", b"FB", pad) + bytes(pad)
            with archive.open(member, "w") as out:
                for at in range(0, len(content), PART):
                    out.write(content[at : at + PART])
            member.extra = b""  # the directory needs none
        archive.close()
    finally:
        archive.fp = None  # where a member is still open, as after an interrupt, to close it would raise another error
