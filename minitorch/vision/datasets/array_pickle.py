"""Pickles of arrays, read without calling anything that a pickle names.

numpy's own way to unpickle believes what the file says of a dtype, so a file can have it take numbers for addresses of
objects. Here the names that such a pickle holds stand for classes of this file, which take bytes and numbers alone.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np

KINDS = "biuf"  # of dtypes: bools and numbers


class Kind:
    """What stands for a dtype: its letters first, the byte order when its state follows."""

    def __init__(self, letters: Any, align: Any = False, copy: Any = True) -> None:
        self.dtype = np.dtype(_text(letters))
        if self.dtype.kind not in KINDS:
            raise pickle.UnpicklingError(f"it holds an array of {self.dtype}, not of numbers")

    def __setstate__(self, state: tuple) -> None:
        order: Any = _text(state[1])
        self.dtype = self.dtype.newbyteorder(order)


class Stored:
    """What stands for an array until all of it has been read."""

    array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, columns_first, content = state
        self.array = _from_buffer(content, kind, shape, "F" if columns_first else "C")


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _from_buffer(content: Any, kind: Kind, shape: tuple, order: Any = "C") -> np.ndarray:
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, kind.dtype).reshape(shape, order=_text(order))  # type: ignore[call-overload]


def _scalar(kind: Kind, content: Any) -> Any:
    return _from_buffer(content, kind, ())[()]


def _reconstruct(of: Any, shape: Any, letters: Any) -> Stored:
    return Stored()


def _encode(text: str, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes into old protocols."""
    return text.encode("latin1")


def _nothing() -> bytes:
    """How Python 3 writes no bytes into old protocols."""
    return b""


# Everything that pickles of arrays name, in the spelling of numpy 1 and of numpy 2.
NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): Stored,
    ("numpy", "dtype"): Kind,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _nothing,
    ("builtins", "bytes"): _nothing,
}
for _core in ("numpy.core", "numpy._core"):
    NAMES |= {
        (f"{_core}.multiarray", "_reconstruct"): _reconstruct,
        (f"{_core}.multiarray", "scalar"): _scalar,
        (f"{_core}.numeric", "_frombuffer"): _from_buffer,
    }


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which has no place in a file of arrays")
        return NAMES[module, name]


def read_pickle(content: bytes, source: str) -> dict[str, Any]:
    """The dict in a CIFAR batch; keys and text, which Python 2 wrote as bytes, come as str.

    Raises:
        RuntimeError: the bytes end early, are no pickled dict, or name anything but arrays of numbers.
    """
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name.endswith("PUT") and int(argument or 0) > len(content):  # so many places would be made
                raise pickle.UnpicklingError(f"it numbers an object {argument}")
        loaded = _Reader(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise RuntimeError(
            f"{source}: expected a whole pickle of arrays, found {len(content):,} bytes that cannot be read "
            f"({type(error).__name__}: {error}). Delete the file and get it again"
        ) from error
    if not isinstance(loaded, dict):
        raise RuntimeError(f"{source}: expected a pickled dict, found a {type(loaded).__name__}")
    return {
        key.decode("utf-8", "replace") if isinstance(key, bytes) else key: _whole(value)
        for key, value in loaded.items()
        if isinstance(key, (bytes, str))
    }


def _whole(value: Any) -> Any:
    return value.array if isinstance(value, Stored) else value
