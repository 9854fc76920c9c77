"""Operands of different dtypes meet in one, by PyTorch's promotion (see `dtypes.meet`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Variable, primitive
from ..autograd.tape import wrap
from .layout import copied


@primitive(residuals="was")
def cast(x: np.ndarray, *, dtype: np.dtype) -> tuple[np.ndarray, np.dtype]:
    """x in another dtype."""
    return (copied(x) if x.dtype == dtype else x.astype(dtype)), x.dtype


cast.vjp(x=lambda g, was: to_dtype(g, was))


def to_dtype(x: Any, dtype: np.dtype) -> Any:
    """x itself if it has the dtype, else cast; Python numbers stay, as NumPy lets them follow the array."""
    if isinstance(x, Variable):
        return x if x.array.dtype == dtype else cast(x, dtype=dtype)
    return x


def cast_all(xs: list) -> list:
    """Tensors cast to the dtype in which all of them meet."""
    dtype = xs[0].array.dtype
    for x in xs[1:]:
        dtype = dtypes.meet(np.empty(0, dtype), np.empty(0, x.array.dtype))
    return [to_dtype(x, dtype) for x in xs]


def operand(x: Any) -> Any:
    """A tensor, or a plain Python number; NumPy scalars become numbers, arrays tensors, others raise TypeError."""
    if isinstance(x, Variable) or type(x) in (float, int, bool):
        return x
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        dtypes.as_dtype(x.dtype)
        return wrap(x)
    if isinstance(x, float | int):
        return float(x) if isinstance(x, float) else int(x)
    raise TypeError(f"expected a tensor or a number, got {type(x).__name__}")


def paired(x: Any, y: Any, floating: bool = False) -> tuple[Any, Any]:
    """Two operands in the dtype in which they meet; with `floating`, integers meet in the default float."""
    if isinstance(x, Variable):  # nearly always one of these two
        if isinstance(y, Variable):
            if x.array.dtype is y.array.dtype and (not floating or x.array.dtype.kind == "f"):
                return x, y
        elif type(y) in (float, int) and x.array.dtype.kind == "f":
            return x, y
    x, y = operand(x), operand(y)
    dtype = dtypes.meet(*(v.array if isinstance(v, Variable) else v for v in (x, y)))
    if floating and dtype.kind != "f":
        dtype = dtypes.get_default_dtype().numpy
    if isinstance(x, Variable) or isinstance(y, Variable):
        return to_dtype(x, dtype), to_dtype(y, dtype)
    return wrap(np.asarray(x, dtype)), y
