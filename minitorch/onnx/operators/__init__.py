"""The operators that a file may ask for: `OPERATORS`, filled by the files of this folder."""

from . import control, elements, layers, others, reductions, shapes, windows
from .table import DTYPES, LIMIT, OPERATORS, Operator, dtype_of, tensor

__all__ = [
    "DTYPES",
    "LIMIT",
    "OPERATORS",
    "Operator",
    "control",
    "dtype_of",
    "elements",
    "layers",
    "others",
    "reductions",
    "shapes",
    "tensor",
    "windows",
]
