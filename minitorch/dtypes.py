"""The dtypes of tensors, and how they meet: PyTorch's names and promotion over NumPy's storage."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .devices import check as check_device  # noqa: F401 where dtypes are parsed, devices are

FLOATS = "fV"  # the kinds of NumPy's floats, and of bfloat16 by ml_dtypes

_TYPES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "float32": "Float",
    "float64": "Double",
}


class dtype:
    """One of the element types; `.numpy` is NumPy's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numpy = np.dtype(name)
        self.is_floating_point = self.numpy.kind in FLOATS
        self.is_complex = False
        self.is_signed = self.numpy.kind in "fVi"
        self.itemsize = self.numpy.itemsize
        self.type_name = f"{_TYPES[name]}Tensor"  # PyTorch's older name of the type of its tensors

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)


class BFloat16(dtype):
    """The dtype of which NumPy knows by the package ml_dtypes, which is imported when somebody stores numbers in it."""

    def __init__(self) -> None:
        self.name, self.type_name, self.itemsize = "bfloat16", "BFloat16Tensor", 2
        self.is_floating_point, self.is_complex, self.is_signed = True, False, True

    def __getattr__(self, name: str) -> Any:
        """NumPy's dtype, once. Raises TypeError without ml_dtypes."""
        if name != "numpy":
            raise AttributeError(f"'dtype' object has no attribute {name!r}")
        try:
            import ml_dtypes
        except ImportError:
            raise TypeError(
                f"there is no tensor of dtype {self} without the package ml_dtypes: pip install ml_dtypes, or use "
                "float32, or float16 to save memory"
            ) from None
        self.numpy = np.dtype(ml_dtypes.bfloat16)
        narrow.append(self.numpy)
        return self.numpy


# NumPy's bfloat16, as soon as there may be tensors of it. Its kind is "V", not "f": whoever asks whether a dtype is
# one of floats asks for either, and ops compute it in float32 (`widely` in ops/promotion.py).
narrow: list[np.dtype] = []


bool_ = dtype("bool")
uint8 = dtype("uint8")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
float16 = dtype("float16")
float32 = dtype("float32")
float64 = dtype("float64")
bfloat16 = BFloat16()

ALL = (bool_, uint8, int8, int16, int32, int64, float16, float32, float64)
_NAMED = {d.name: d for d in ALL} | {
    "float": float32,
    "double": float64,
    "half": float16,
    "int": int32,
    "long": int64,
    "short": int16,
    "bfloat16": bfloat16,
}
_WIDER = {"uint16": "int32", "uint32": "int64"}
_PYTHON = {bool: bool_, int: int64, float: float64}
_default = float32


def as_dtype(value: Any) -> dtype:
    """The dtype meant by a minitorch or NumPy dtype, a name, or Python's bool, int, float; else TypeError."""
    if isinstance(value, dtype):
        return value
    if value in _PYTHON:
        return _PYTHON[value]
    try:
        name = value if isinstance(value, str) else np.dtype(value).name
    except TypeError:
        raise TypeError(f"`dtype` must be a minitorch.dtype, but got {value!r}") from None
    if name not in _NAMED:
        raise TypeError(
            f"dtype {name} is not supported; choose one of {', '.join(d.name for d in ALL)}, as in "
            "tensor(array, dtype=minitorch.float32) or array.astype(numpy.float32)"
        )
    if not isinstance(value, str):
        _ = _NAMED[name].numpy  # so that ops know that there is bfloat16
    return _NAMED[name]


def of_type(name: str) -> dtype:
    """The dtype of "torch.FloatTensor" or "minitorch.FloatTensor". Raises ValueError for another name."""
    package, _, last = name.rpartition(".")
    for d in (*ALL, bfloat16):
        if package in ("torch", "minitorch") and last in (d.type_name, "Tensor" if d is _default else ""):
            return d
    raise ValueError(f"invalid type: {name!r}")


def widened(d: np.dtype) -> np.dtype:
    """The dtype that holds every value of NumPy's `d`: int32 for uint16, int64 for uint32; TypeError if none does."""
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
    _ = d.numpy  # raises for a dtype without storage
    _default = d


class finfo:
    """The limits of a float dtype, the default one for None: eps, max, min, tiny, ... as Python's numbers."""

    def __init__(self, type: Any = None) -> None:
        d = _default if type is None else as_dtype(type)
        if not d.is_floating_point:
            raise TypeError(f"minitorch.finfo() requires a floating point input type; for {d} use iinfo()")
        if d is bfloat16:  # float32 with the first 7 bits of its 23
            self.bits, self.dtype, self.eps, self.resolution = 16, d.name, 2.0**-7, 0.01
            self.max, self.tiny, self.smallest_normal = (2 - 2.0**-7) * 2.0**127, 2.0**-126, 2.0**-126
            self.min = -self.max
            return
        limits = np.finfo(d.numpy)
        self.bits, self.dtype = limits.bits, d.name
        self.eps, self.max, self.min = float(limits.eps), float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = float(limits.resolution)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{n}={getattr(self, n):g}' for n in names)}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype: max, min and bits."""

    def __init__(self, type: Any) -> None:
        d = as_dtype(type)
        if d.numpy.kind not in "iu":
            raise TypeError(f"minitorch.iinfo() requires an integer input type; for {d} use finfo()")
        self.bits, self.dtype = 8 * d.itemsize, d.name
        self.max, self.min = int(np.iinfo(d.numpy).max), int(np.iinfo(d.numpy).min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def category(d: np.dtype) -> int:
    """0 bool, 1 integer, 2 float."""
    return {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2}[d.kind]


def of_scalar(value: Any) -> np.dtype:
    """The dtype a Python number has when it stands alone."""
    return (bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else _default).numpy


@functools.cache
def promoted(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype in which two meet: that of the higher category, or the narrowest that holds both."""
    if category(a) != category(b):
        return max(a, b, key=category)
    if {a.name, b.name} == {"float16", "bfloat16"}:
        return float32.numpy
    return np.promote_types(a, b)


def promote_types(type1: Any, type2: Any) -> dtype:
    """The dtype in which two dtypes meet.

    >>> import minitorch
    >>> minitorch.promote_types(minitorch.uint8, minitorch.int8)
    minitorch.int16
    """
    return as_dtype(promoted(as_dtype(type1).numpy, as_dtype(type2).numpy))


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a dtype may be cast to another in place: not from a float to an integer, nor from that to a bool."""
    return category(as_dtype(from_).numpy) <= category(as_dtype(to).numpy)


def meet(*xs: Any) -> np.dtype:
    """The dtype in which operands (arrays, or what has shape and dtype; Python numbers) meet, by PyTorch's rules.

    An operand with dimensions outranks one without, and that outranks a Python number, unless the lower one is of a
    higher category (bool, integer, float).
    """
    best: np.dtype | None = None
    priorities = [(2 if v.shape else 1, v.dtype) if hasattr(v, "dtype") else (0, of_scalar(v)) for v in xs]
    for level in (2, 1, 0):
        found = [d for priority, d in priorities if priority == level]
        if found:
            here = functools.reduce(promoted, found)
            if best is None:
                best = here
            elif category(here) > category(best):
                best = promoted(here, best)
    assert best is not None
    return best
