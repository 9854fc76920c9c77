"""Arrays in, arrays out: the loops over pixels. This package has never heard of Tensor.

The contract of every kernel that `reference.py` declares: operands are plain arrays of one float dtype, images
channels-last (N, *size, C), shapes already checked. A kernel fills `out` (and other results named in its docstring) and
returns None; it neither allocates results nor raises. `conv`, `conv_transpose` and `conv_weight_grad` are the partial
gradients of one trilinear form

    T(x, w, y) = sum(y * conv(x, w)),    x (N, *input_size, C), w (K, C/groups, *kernel_size), y (N, *output_size, K)

and take the same geometry.

There are two implementations with the same names. `reference` is numpy: any rank, any float dtype, slow. The numba
files serve float32 and float64, and give the same bits for any number of threads. A door of each name stands here and
chooses, per call by dtype and once per process by the environment: MINITORCH_KERNELS=reference, NUMBA_DISABLE_JIT=1 or
a missing or broken numba choose the reference. numba is imported when the first fast kernel runs. Others are there to
be read, and written in the course: MINITORCH_KERNELS=loops runs convolutions by the ordinary loops of `loops`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch.kernels import reference
from minitorch.kernels.broadcast import Program
from minitorch.kernels.engine.apart import apart, imported
from minitorch.kernels.engine.memory import SMALL, empty, empty_like, pooled
from minitorch.kernels.engine.runtime import cache_directory, compilations, get_num_threads, set_num_threads

if TYPE_CHECKING:  # the doors that `_door` makes below bear the names, signatures and docstrings of these
    from minitorch.kernels.reference import *

__all__ = ["SMALL", *reference.declarations, "empty", "empty_like", "pooled", "implementation", "set_num_threads",
           "get_num_threads", "compilations", "cache_directory", "evaluate", "update", "reduction", "fill",
           "contiguous", "are_few"]


@cache
def implementation() -> str:
    """Which kernels serve float32 and float64 in this process: "numba", "reference" or "loops". Imports numba."""
    return "numba" if _fast() else "loops" if _serving() else "reference"


def _chosen() -> str:
    """What the environment asks for."""
    plain = os.environ.get("MINITORCH_PLAIN", "0") not in ("", "0")  # see autograd/plain.py
    chosen = os.environ.get("MINITORCH_KERNELS") or ("reference" if plain else "numba")
    if chosen not in ("numba", "reference", "loops"):
        raise ValueError(f"MINITORCH_KERNELS must be 'numba', 'reference' or 'loops', but is {chosen!r}")
    return chosen


@cache
def _serving() -> dict[str, Any]:
    """The kernels by name that serve in the reference's place."""
    if _fast() or _chosen() != "loops":
        return _fast()
    from minitorch.kernels import loops

    return {name: getattr(loops, name) for name in loops.__all__}


@cache
def _fast() -> dict[str, Any]:
    """The numba kernels by name; none when others are chosen, or numba is missing or broken."""
    disabled = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
    if _chosen() != "numba" or disabled or importlib.util.find_spec("numba") is None:
        return {}
    get_num_threads()  # raises where the environment says no number
    try:
        return apart(lambda: imported(_load))
    except (ImportError, OSError, AttributeError) as error:
        warnings.warn(
            f"minitorch: numba is installed, but cannot be imported ({type(error).__name__}: {error}); the slow "
            "reference kernels serve. Repair it (pip install --force-reinstall numba llvmlite), or choose them without "
            "this warning by MINITORCH_KERNELS=reference",
            stacklevel=4,
        )
        return {}


def _load() -> dict[str, Any]:
    """Import all that imports numba."""
    import minitorch.kernels.engine.team  # noqa: F401
    from minitorch.kernels import (  # noqa: F401
        few_rows,
        index,
        layout,
        loss,
        meet,
        noise,
        norm,
        optim,
        order,
        pointwise,
        pool,
        recurrence,
        recurrent,
        reduce,
        row_norm,
    )
    from minitorch.kernels.tile import direct, gemm

    modules = (direct, gemm, few_rows, index, layout, loss, meet, noise, norm, order, pool, recurrence, recurrent,
               reduce, row_norm)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


@cache
def _family(name: str) -> Any:
    """A file of numba kernels; an import in a function costs 1.3 us each time."""
    return importlib.import_module(f"minitorch.kernels.{name}")


def are_few(rows: int, outputs: int, inputs: int) -> bool:
    """Whether a linear layer of so many rows runs on kernels/few_rows.py."""
    return 2 <= rows <= 8 and outputs > 1 < inputs and rows * outputs * inputs <= 1_000_000


def _door(declaration: reference.Declaration) -> Callable[..., None]:
    """What runs the fast kernel of a declaration's name, or its own function, by the dtype of the first operand."""
    plainly, operands, results, strided = declaration
    name, first, last = plainly.__name__, operands if strided else 0, operands + results

    @wraps(plainly)
    def serve(*arguments: Any) -> None:
        dtype = arguments[0].dtype
        fast = _serving().get(name) if dtype.char in "fd" and dtype.isnative else None
        if fast is None:
            plainly(*arguments)
            return
        for array in arguments[first:last]:
            if not array.flags.carray:
                break
        else:
            fast(*arguments)
            return
        plain = list(arguments)
        for i in range(first, last):
            if not plain[i].flags.carray:
                plain[i] = _plain(plain[i])
        fast(*plain)
        for result, array in zip(arguments[operands:last], plain[operands:last], strict=True):
            if result is not array:
                fill(result, array)

    serve.__module__ = __name__
    return serve


globals().update({name: _door(declaration) for name, declaration in reference.declarations.items()})


def _plain(x: np.ndarray) -> np.ndarray:
    """A contiguous copy of x that may be written."""
    if x.nbytes < SMALL:
        return np.array(x, order="C")
    out = empty(x.shape, x.dtype)
    fill(out, x)
    return out


# ------------------------------------------------------------------------------------------------ element by element
def evaluate(
    program: Program,
    operands: list[np.ndarray],
    numbers: tuple[float, ...],
    over: np.ndarray | None = None,
    changing: Callable[[], Any] | None = None,
) -> np.ndarray | None:
    """A pointwise program of broadcast operands, float32 or float64 and bools, in one pass; see kernels/pointwise.py.

    The result is written over the operand `over`, and is that, if it is of the result's shape, dtype and order; before
    that `changing` is called. None where NumPy is to compute it: the reference was chosen, or axes are too many.
    """
    return _family("pointwise").evaluate(program, operands, numbers, over, changing) if _fast() else None


# ------------------------------------------------------------------------------------------------ reductions
COMBINED = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
NEUTRAL = {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf}


def reduction(name: str, formula: Callable, combine: str, kept: int = 0) -> Callable[..., None]:
    """A kernel (*fulls, *kepts, out) made of a formula: out = formula(*fulls, *kepts) combined over the middle axis.

    combine: "sum", "prod", "max" (NaN wins) or "min". The last `kept` operands are (outer, inner). NumPy evaluates the
    formula for the reference and for floats that have no kernel. Machine code is kept on disk under `name` and a hash
    of what it does: a formula that changed is compiled anew.
    """
    fast: list[Callable[..., None]] = []

    def run(*arrays: np.ndarray) -> None:
        *operands, out = arrays
        dtype = operands[0].dtype
        if _fast() and dtype.char in "fd" and dtype.isnative:
            if not fast:
                from minitorch.kernels.reduce import Reduction

                fast.append(Reduction(name, formula, combine, kept, foreign=True))
            fast[0](*arrays)
            return
        first = len(operands) - kept
        values = formula(*operands[:first], *(a[:, None] for a in operands[first:]))
        if combine in ("sum", "prod"):
            values = values.astype(np.promote_types(dtype, np.float64), copy=False)
        out[...] = COMBINED[combine].reduce(values, axis=1, initial=NEUTRAL[combine])

    return run


# ------------------------------------------------------------------------------------------------ copies and rows
def fill(out: np.ndarray, x: np.ndarray) -> None:
    """out[...] = x, for any two arrays of one shape; `transfer` copies what is large, in any order of memory."""
    large = x.nbytes >= SMALL and not np.may_share_memory(out, x)  # it would read what it has written
    if large and x.dtype == out.dtype and x.dtype.isnative and _movable(x) and _movable(out):
        kind = np.float32 if x.itemsize == 4 else np.float64  # elements are moved by size, whatever their bits mean
        transfer(x if x.dtype == kind else x.view(kind), out if out.dtype == kind else out.view(kind))
    else:
        out[...] = x


def _movable(x: np.ndarray) -> bool:
    """Whether x has elements of 4 or 8 bytes that lie a whole number of elements apart, as fields of records do not."""
    size = x.itemsize
    return size in (4, 8) and x.flags.aligned and not any(stride % size for stride in x.strides)


def contiguous(x: np.ndarray) -> np.ndarray:
    """x itself if it is C-contiguous, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    out = empty(x.shape, x.dtype)
    fill(out, x)
    return out


# ------------------------------------------------------------------------------------------------ optimizers
def update(name: str, rows: Sequence[tuple[np.ndarray, ...]], scalars: np.ndarray, *settings: Any) -> bool:
    """Run an optimizer's update, "sgd" or "adam", in place on all rows of arrays at once; see `kernels.optim`.

    Returns whether it did. It does not where the reference was chosen, or for arrays that are not plain: contiguous,
    writable, of one dtype (that of `scalars`) and one shape a row, and apart from each other in memory.
    """
    if not _fast() or scalars.dtype.char not in "fd" or not scalars.dtype.isnative:
        return False
    optim = _family("optim")
    found = optim.locate(rows)
    if found:
        getattr(optim, name)(*found, scalars, *settings)
    return found is not None
