"""How values cross from process to process: pickled, all but the memory of their arrays.

A pipe moves 64 KB at a time and wakes both sides for every piece, and a batch of images has megabytes. So a value
is pickled without the bytes of its arrays (protocol 5 of pickle hands them over apart); they go into a file that
lives in memory, and the open file goes along the pipe. The file has no name: it is `memfd_create`'s, so the size of
/dev/shm is no limit (an unlinked temporary file where the system has none). The kernel frees it with the last
process that holds it open, so a worker that is killed leaves nothing behind.

The main process reads a batch out of the file into memory of its own, which costs 8 ms for 19 MB where mapping the
file costs 2 ms (2026-11, 2 cores). It keeps one open file less per living batch: a list of 2,000 mapped batches
would end at the limit of 1,024 open files. A dataset goes the other way once per worker and is mapped there, copied on
write: four workers hold one copy of its arrays together.
"""

from __future__ import annotations

import io
import mmap
import multiprocessing.reduction as reduction
import os
import pickle
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .bridge import is_plain_tensor, to_tensor

SMALL = 1 << 16  # bytes; less than this is not worth a file
ALIGN = 64  # bytes; each array begins at a multiple of it


class _Pickler(reduction.ForkingPickler):
    """Keeps the strides of arrays (batches are channels last), and sends Tensors as their arrays."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            axes = sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis]))
            dense = value.transpose(axes)
            if type(value) is np.ndarray and dense.flags.c_contiguous and not value.flags.c_contiguous:
                # NumPy does the same from 2.3 on.
                return np.transpose, (dense, np.argsort(axes).tolist())
        elif is_plain_tensor(value):
            return to_tensor, (value.array,)
        return NotImplemented


def _pickle(value: Any) -> tuple[bytes, list[memoryview]]:
    """The pickled value, and the memory of its arrays."""
    stream, buffers = io.BytesIO(), []  # type: tuple[io.BytesIO, list[pickle.PickleBuffer]]
    _Pickler(stream, 5, True, buffers.append).dump(value)
    return stream.getvalue(), [buffer.raw() for buffer in buffers]


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where each array begins in the file, and the length of the file."""
    places, end = [], 0
    for size in sizes:
        places.append(end)
        end += -(-size // ALIGN) * ALIGN
    return places, end


def _memory_file() -> int:
    """A new file without a name, in memory where the system can; open only in this process."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("minitorch-batch")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(buffers: list[memoryview]) -> int | None:
    """A file that holds `buffers`; None where they are too small for one, or where there is no room or no way."""
    sizes = [buffer.nbytes for buffer in buffers]
    places, total = _places(sizes)
    if total < SMALL or not reduction.HAVE_SEND_HANDLE or os.name == "nt":
        return None
    file = None
    try:
        file = _memory_file()
        with open(file, "wb", buffering=0, closefd=False) as writer:
            writer.truncate(total)
            for buffer, place in zip(buffers, places, strict=True):
                writer.seek(place)
                while buffer:
                    buffer = buffer[writer.write(buffer) :]
    except OSError:  # the arrays follow the pickled value through the pipe, which is slower
        if file is not None:
            os.close(file)
        return None
    return file


def _read(file: int, sizes: Sequence[int]) -> list[np.ndarray]:
    """The contents of the file, each array in memory of its own; closes the file."""
    buffers = [np.empty(size, np.uint8) for size in sizes]
    with open(file, "rb", buffering=0) as reader:
        for buffer, place in zip(buffers, _places(sizes)[0], strict=True):
            reader.seek(place)
            rest = buffer.data
            while rest:
                rest = rest[reader.readinto(rest) :]
    return buffers


def names_main(value: Any) -> bool:
    """Whether something in `value` is defined in `__main__`, where another process has to find it."""
    try:
        return b"__main__" in _pickle(value)[0]
    except Exception as error:  # noqa: BLE001 - a lambda, say
        return "__main__" in str(error)


def send(connection: Connection, message: Any, value: Any) -> None:
    """Send `message`, which is small, and `value`. Raises before anything is sent if `value` cannot be pickled."""
    stream, buffers = _pickle(value)
    file = _write(buffers)
    try:
        inline = [bytearray(buffer) for buffer in buffers] if file is None else [len(buffer) for buffer in buffers]
        connection.send((message, stream, inline, file is not None))
        if file is not None:
            reduction.send_handle(connection, file, None)
    finally:
        if file is not None:
            os.close(file)


def receive(connection: Connection) -> tuple[Any, Callable[[], Any]]:
    """What `send` sent: the message, and a function that gives the value (or raises, if it cannot be had here)."""
    message, stream, buffers, in_file = connection.recv()
    if in_file:
        buffers = _read(reduction.recv_handle(connection), buffers)
    return message, lambda: pickle.loads(stream, buffers=buffers)


class Cargo:
    """Named values on their way into workers, for the arguments of a Process; arrays are written into a file once.

    A forked worker has the values as they are. Elsewhere `open` maps the file, and the pages that the worker does not
    change stay shared by all.
    """

    def __init__(self, **parts: Any) -> None:
        self._parts, self._file = parts, None  # type: tuple[dict[str, Any], int | None]

    def __reduce__(self) -> tuple:
        try:
            stream, buffers = _pickle(self._parts)
        except Exception as error:
            raise _explained(error, self._parts) from error
        self._file = _write(buffers) if self._file is None else self._file
        if self._file is None:
            return _Arrived, (stream, [bytearray(buffer) for buffer in buffers], None)
        return _Arrived, (stream, [len(buffer) for buffer in buffers], reduction.DupFd(self._file))

    def open(self) -> Any:
        """The parts, by name."""
        return self._parts

    def close(self) -> None:
        """Let go of the file, after the last worker has started."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _explained(error: Exception, parts: dict[str, Any]) -> Exception:
    """The same kind of error, in a sentence that names what cannot be pickled and says what to do."""
    name = next((found for name, part in parts.items() if (found := _unpicklable(part, name))), "dataset")
    text = (
        f"DataLoader: `{name}` cannot be sent to a worker process: {error}. A worker starts afresh and gets what it "
        "needs pickled. Define functions and classes at the top of a module (no lambda, none inside a function), "
        "open files and make locks when they are first used; or load in the main process (num_workers=0), or in copies "
        "of it (multiprocessing_context='fork')"
    )
    try:
        return type(error)(text)
    except Exception:  # noqa: BLE001 - a class with arguments of its own
        return pickle.PicklingError(text)


def _unpicklable(value: Any, name: str, depth: int = 4) -> str:
    """The path of the smallest part of `value` that cannot be pickled; empty if all can."""
    try:
        _pickle(value)
        return ""
    except Exception:  # noqa: BLE001 - whatever it is, the path to it is the answer
        if isinstance(value, dict):
            parts = {f"{name}[{key!r}]": part for key, part in value.items()}
        elif isinstance(value, (list, tuple)):
            parts = {f"{name}[{position}]": part for position, part in enumerate(value)}
        else:
            parts = {f"{name}.{key}": part for key, part in getattr(value, "__dict__", {}).items()}
        found = (_unpicklable(part, path, depth - 1) for path, part in parts.items() if depth)
        return next(filter(None, found), name)


class _Arrived:
    """What a Cargo is in a worker that was not forked from the main process."""

    def __init__(self, stream: bytes, buffers: list, file: Any) -> None:
        self.stream, self.buffers, self.file = stream, buffers, file

    def open(self) -> Any:
        """The parts, by name; their arrays can be written, and nobody else sees it."""
        if self.file is not None:
            file, (places, total) = self.file.detach(), _places(self.buffers)
            memory = memoryview(mmap.mmap(file, total, access=mmap.ACCESS_COPY))
            os.close(file)
            self.buffers = [memory[place : place + size] for place, size in zip(places, self.buffers, strict=True)]
        return pickle.loads(self.stream, buffers=self.buffers)
