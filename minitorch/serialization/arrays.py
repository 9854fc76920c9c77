"""NumPy's arrays and scalars in pickles, without calling anything of NumPy's that a pickle names.

NumPy's own way to unpickle believes what a file says of a dtype, so a file can have it take numbers for addresses of
objects. Here the names in such a pickle stand for functions and classes of this file, which take bytes and numbers.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from minitorch import dtypes

from .opcodes import Refused, Steps, Unfinished

_LETTERS = re.compile(r"[?]|[biufcSU]\d{1,9}")  # of dtypes: bools, numbers, text


def of_bits(bits: np.ndarray) -> np.ndarray:
    """The bfloat16 that are written down as uint16; without ml_dtypes, float32 of the same values.

    bfloat16 is the upper half of a float32.
    """
    try:
        return bits.view(dtypes.bfloat16.numpy)
    except TypeError:
        return (bits.astype(np.uint32) << 16).view(np.float32)


class Kind(Unfinished):
    """What stands for a dtype: its letters first, the byte order when its state follows."""

    def __init__(self, letters: Any, align: Any = False, copy: Any = True) -> None:
        super().__init__()
        letters = _text(letters)
        if not _LETTERS.fullmatch(letters):
            raise Refused(f"it holds an array of {letters[:50]}, not of numbers or text")
        self.dtype = np.dtype(letters)


class Stored(Unfinished):
    """What stands for an array until its state follows."""


def _text(value: Any) -> str:
    value = value.decode("latin1") if isinstance(value, bytes) else value
    if not isinstance(value, str):
        raise Refused(f"it has a {type(value).__name__} where letters should be")
    return value


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any = "C") -> np.ndarray:
    content = content.encode("latin1") if isinstance(content, str) else content
    sizes = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(content, bytes | bytearray) or not isinstance(kind, Kind) or not sizes:
        raise Refused("it has a damaged array")
    found = np.frombuffer(content, kind.dtype) if len(content) else np.empty(0, kind.dtype)
    return found.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _scalar(kind: Any, content: Any) -> Any:
    return _from_buffer(content, kind, ())[()]


def _reconstruct(of: Any, shape: Any, letters: Any) -> Stored:
    return Stored()


def finished(before: Any, state: Any) -> Any:
    """What an object becomes by the state that follows it."""
    if isinstance(before, Kind) and type(state) is tuple and len(state) > 1 and _text(state[1]) in tuple("<>|="):
        order: Any = _text(state[1])
        before.dtype = before.dtype.newbyteorder(order)
        return before
    if isinstance(before, Stored) and type(state) is tuple and len(state) == 5:
        _, shape, kind, columns_first, content = state
        return _from_buffer(content, kind, shape, "F" if columns_first else "C")
    raise Refused(f"it sets attributes of a {type(before).__name__}")


# Everything that pickles of arrays name, in the spelling of numpy 1 and of numpy 2.
NAMES: dict[str, Any] = {"numpy.ndarray": Stored, "numpy.dtype": Kind}
for _core in ("numpy.core", "numpy._core"):
    NAMES |= {
        f"{_core}.multiarray._reconstruct": _reconstruct,
        f"{_core}.multiarray.scalar": _scalar,
        f"{_core}.numeric._frombuffer": _from_buffer,
    }


def write_kind(steps: Steps, dtype: np.dtype) -> None:
    """The steps that make a dtype."""
    reduced: Any = dtype.__reduce__()
    _, arguments, state = reduced
    steps.call("numpy.dtype", *arguments)
    steps.plain(state)
    steps.out.append(b"b")


def write_array(steps: Steps, array: np.ndarray) -> None:
    """The steps that make an array."""
    if not _LETTERS.fullmatch(array.dtype.str[1:]):
        raise TypeError(f"save: PyTorch's format holds no arrays of {array.dtype}; only those of numbers and text")
    steps.call("numpy._core.multiarray._reconstruct", steps.named("numpy.ndarray"), (0,), b"b")
    steps.group(b"t", 1, array.shape, lambda: write_kind(steps, array.dtype), False, array.tobytes())
    steps.out.append(b"b")


def write_scalar(steps: Steps, scalar: np.generic) -> None:
    """The steps that make a scalar."""
    array = np.asarray(scalar)
    steps.call("numpy._core.multiarray.scalar", lambda: write_kind(steps, array.dtype), array.tobytes())
