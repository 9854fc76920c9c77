"""The dtypes of tensors, and how they meet: PyTorch's names and promotion over NumPy's storage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class dtype:
    """One of the six element types; `.numpy` is NumPy's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numpy = np.dtype(name)
        self.is_floating_point = self.numpy.kind == "f"
        self.is_complex = False
        self.is_signed = self.numpy.kind in "fi"
        self.itemsize = self.numpy.itemsize

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)


bool_ = dtype("bool")
uint8 = dtype("uint8")
int32 = dtype("int32")
int64 = dtype("int64")
float32 = dtype("float32")
float64 = dtype("float64")

# From the narrowest to the widest: two dtypes meet in the later one; every float stands after every integer.
ORDER = (bool_, uint8, int32, int64, float32, float64)
RANK = {d.numpy: i for i, d in enumerate(ORDER)}
_NAMED = {d.name: d for d in ORDER} | {"float": float32, "double": float64, "int": int32, "long": int64}
_WIDER = {"float16": "float32", "int8": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64"}
_PYTHON = {bool: bool_, int: int64}
_default = float32


def as_dtype(value: Any) -> dtype:
    """The dtype meant by a minitorch or NumPy dtype, a name, or Python's bool, int, float; else TypeError."""
    if isinstance(value, dtype):
        return value
    if value is float:
        return _default
    if value in _PYTHON:
        return _PYTHON[value]
    try:
        name = value if isinstance(value, str) else np.dtype(value).name
    except TypeError:
        raise TypeError(f"`dtype` must be a minitorch.dtype, but got {value!r}") from None
    if name not in _NAMED:
        raise TypeError(
            f"dtype {name} is not supported; choose one of {', '.join(d.name for d in ORDER)}, as in "
            "tensor(array, dtype=minitorch.float32) or array.astype(numpy.float32)"
        )
    return _NAMED[name]


def widened(d: np.dtype) -> np.dtype:
    """The dtype that holds every value of NumPy's `d`: float32 for float16, int32 for int16; TypeError if none does."""
    return as_dtype(_WIDER.get(d.name, d)).numpy


def check_fits(values: np.ndarray, to: np.dtype) -> None:
    """Raises RuntimeError if an integer dtype cannot hold one of the values, which may be fractions.

    As in PyTorch, uint8 takes -255 to -1, too, modulo 256.
    """
    if to.kind not in "iu" or values.dtype.kind == "b" or not values.size or np.can_cast(values.dtype, to):
        return
    low, high = values.min(), values.max()
    most = np.iinfo(to).max
    least = -most if to.kind == "u" else np.iinfo(to).min
    for value in (low, high):
        if not -math.inf < value < math.inf or not least <= int(value) <= most:
            raise RuntimeError(f"value cannot be converted to type {to.name} without overflow: {value}")


def number(value: Any, to: np.dtype) -> np.ndarray:
    """A Python number in a dtype, without dimensions. Raises RuntimeError where the dtype cannot hold it."""
    if isinstance(value, complex) and value.imag:
        raise RuntimeError(f"value cannot be converted to type {to.name} without overflow: {value}")
    if not isinstance(value, float | int | np.number | np.bool_):
        raise TypeError(f"expected a number, but got {type(value).__name__}")
    given = np.asarray(value)
    check_fits(given, to)
    if to.kind == "u" and given.dtype.kind != "b":
        given = given.astype(np.int64)
    with np.errstate(all="ignore"):
        out = given.astype(to)
    if to.kind == "f" and np.isinf(out) and abs(value) < math.inf:
        raise RuntimeError(f"value cannot be converted to type {to.name} without overflow: {value}")
    return out


def get_default_dtype() -> dtype:
    """The dtype of new float tensors: float32, unless set otherwise."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Make float32 or float64 the dtype of new float tensors. Raises TypeError for others."""
    global _default
    d = as_dtype(d)
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default = d


def finfo(d: Any = None) -> np.finfo:
    """NumPy's `finfo` of a float dtype."""
    return np.finfo((_default if d is None else as_dtype(d)).numpy)


def iinfo(d: Any) -> np.iinfo:
    """NumPy's `iinfo` of an integer dtype."""
    return np.iinfo(as_dtype(d).numpy)


def category(d: np.dtype) -> int:
    """0 bool, 1 integer, 2 float."""
    return {"b": 0, "u": 1, "i": 1, "f": 2}[d.kind]


def of_scalar(value: Any) -> np.dtype:
    """The dtype a Python number has when it stands alone."""
    return (bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else _default).numpy


def meet(*xs: Any) -> np.dtype:
    """The dtype in which operands (arrays, or what has shape and dtype; Python numbers) meet, by PyTorch's rules.

    An operand with dimensions outranks one without, and that outranks a Python number, unless the lower one is of a
    higher category (bool, integer, float).
    """
    best: np.dtype | None = None
    priorities = [(2 if v.shape else 1, v.dtype) if hasattr(v, "dtype") else (0, of_scalar(v)) for v in xs]
    for level in (2, 1, 0):
        here = max((d for priority, d in priorities if priority == level), key=RANK.__getitem__, default=None)
        if here is None:
            continue
        if best is None:
            best = here
        elif category(here) > category(best):
            best = max(here, best, key=RANK.__getitem__)
    assert best is not None
    return best


def check_device(device: Any) -> None:
    """Everything is on the CPU: raises RuntimeError for any other device. None stands for the CPU."""
    if device is not None and str(device).split(":")[0] != "cpu":
        raise RuntimeError(f"minitorch runs on the CPU: `device` must be 'cpu' or None, but got {device!r}")
