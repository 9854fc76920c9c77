"""Tensors around the memory of others: buffers, arrays, and what speaks DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import devices, dtypes
from .ops.dims import flag, no_tensor, whole
from .ops.promotion import exposed
from .tensor import Tensor, as_tensor, from_numpy, tensor


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """A tensor of what is a tensor, an array, a buffer, speaks DLPack, or of numbers; it shares memory where it can.

    copy: True for memory of its own, False to raise ValueError where sharing is impossible. None for
    `requires_grad` leaves it as it is, False takes the result off the tape.
    """
    devices.check(device)
    if requires_grad is not None:
        flag(requires_grad, "requires_grad")
    source = obj
    if not isinstance(obj, Tensor):
        if hasattr(obj, "__dlpack__") and not isinstance(obj, np.ndarray | np.generic):
            source = from_dlpack(obj)
        elif isinstance(obj, bytes | bytearray | memoryview):
            source = frombuffer(obj, dtype=dtypes.get_default_dtype() if dtype is None else dtype)
        else:
            source = as_tensor(obj)
            if copy is False and not isinstance(obj, np.ndarray):
                raise ValueError("can't alias arbitrary sequence into a tensor.")
    wanted = source.dtype if dtype is None else dtypes.as_dtype(dtype)
    if copy is False and wanted is not source.dtype:
        raise ValueError(f"can't alias tensor with dtype '{source.dtype}' into dtype '{wanted}'.")
    out = source.to(wanted, copy=bool(copy))
    if requires_grad is None or requires_grad == out.requires_grad:
        return out
    return out.requires_grad_() if requires_grad else out.detach()


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A tensor that shares the memory of an object with Python's buffer protocol: `count` elements from byte `offset`.

    All of them for -1. Raises ValueError where they do not fit. Read-only memory can't be written to here, either.
    """
    wanted, count, offset = dtypes.as_dtype(dtype), whole(count, "count"), whole(offset, "offset")
    flag(requires_grad, "requires_grad")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, wanted.itemsize
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) - 1"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            f"element size ({size})"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({length} bytes)"
        )
    out = exposed(np.frombuffer(buffer, wanted.numpy, max(count, -1), offset))
    return out.requires_grad_() if requires_grad else out


class _Writeable:
    """The memory of an array, which it keeps alive, to be written to."""

    def __init__(self, array: np.ndarray) -> None:
        interface = array.__array_interface__
        self.array, self.__array_interface__ = array, {**interface, "data": (interface["data"][0], False)}


class _Capsule:
    """A bare capsule as NumPy takes it."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **settings: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of another library's: an object with `__dlpack__`, or its capsule.

    Raises RuntimeError for anything else, and for a capsule that was used before; BufferError for memory that is not on
    the CPU or belongs to a tensor that requires grad; TypeError for a dtype that there is none of here.

    >>> import minitorch, numpy as np
    >>> a = np.zeros(2)
    >>> minitorch.from_dlpack(a)[0] = 1.0
    >>> a
    array([1., 0.])
    """
    devices.check(device)
    source = ext_tensor
    # What a capsule named so holds may be written to, as it has no place to say otherwise; NumPy does not believe it.
    bare = ' "dltensor" ' in repr(source)
    if not hasattr(source, "__dlpack__"):
        if type(source).__name__ != "PyCapsule":
            raise RuntimeError(f"from_dlpack: expected an object with __dlpack__, but got {type(source).__name__}")
        source = _Capsule(source)
    try:
        array = np.from_dlpack(source)
    except ValueError as error:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you "
            f"might have already constructed a tensor from it once. ({error})"
        ) from None
    if copy:
        return tensor(array)
    if bare and not array.flags.writeable:
        array = np.asarray(_Writeable(array)).view(array.dtype)
    return from_numpy(array)


def to_dlpack(tensor: Any) -> Any:
    """A capsule by which another library sees the memory of a tensor, once. Raises BufferError if it requires grad."""
    if not isinstance(tensor, Tensor):
        raise no_tensor("to_dlpack", "tensor", tensor)
    return tensor.__dlpack__()
