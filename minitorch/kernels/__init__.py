"""Arrays in, arrays out: the loops over pixels. This package has never heard of Tensor.

The contract, for every function below: operands are plain arrays of one float dtype, images channels-last (N, *size,
C), shapes already checked. A kernel fills `out` (and other results named in its docstring) and returns None; it
neither allocates results nor raises. `conv`, `conv_transpose` and `conv_weight_grad` are the partial gradients of one
trilinear form

    T(x, w, y) = sum(y * conv(x, w)),    x (N, *input_size, C), w (K, C/groups, *kernel_size), y (N, *output_size, K)

and take the same geometry.

There are two implementations with the same names. `reference` is numpy: any rank, any float dtype, slow. The numba
files serve float32 and float64, and give the same bits for any number of threads. The choice is made here, per call
by dtype and once per process by the environment: MINITORCH_KERNELS=reference, NUMBA_DISABLE_JIT=1 or a missing numba
choose the reference. numba is imported when the first fast kernel runs.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from minitorch.geometry import ConvGeometry, PoolGeometry
from minitorch.kernels import reference
from minitorch.kernels.memory import SMALL, empty, empty_like
from minitorch.kernels.runtime import cache_directory, compilations, get_num_threads, set_num_threads

__all__ = ["SMALL", *reference.__all__, "empty", "empty_like", "implementation", "set_num_threads", "get_num_threads",
           "compilations", "cache_directory", "update"]


@cache
def implementation() -> str:
    """"numba" or "reference": who serves float32 and float64 in this process."""
    chosen = os.environ.get("MINITORCH_KERNELS", "numba")
    if chosen not in ("numba", "reference"):
        raise ValueError(f"MINITORCH_KERNELS must be 'numba' or 'reference', but is {chosen!r}")
    disabled = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
    return "reference" if chosen == "reference" or disabled or importlib.util.find_spec("numba") is None else "numba"


@cache
def _fast() -> dict[str, Any]:
    """The numba kernels by name; none when the reference is chosen."""
    if implementation() == "reference":
        return {}
    from minitorch.kernels import convolution, elementwise, gemm, norm, pool

    modules = (convolution, elementwise, gemm, norm, pool)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def _serve(name: str, operands: tuple[np.ndarray, ...], results: tuple[np.ndarray, ...], *settings: Any) -> None:
    """The one door: fast kernels get contiguous, aligned, writable arrays, and so have two signatures at most."""
    fast = _fast().get(name) if operands[0].dtype.char in "fd" and operands[0].dtype.isnative else None
    if fast is None:
        getattr(reference, name)(*operands, *results, *settings)
        return
    given = operands if name != "matmul" else ()  # which takes its operands by strides
    if all([a.flags.carray for a in (*given, *results)]):
        fast(*operands, *results, *settings)
        return
    if given:
        operands = tuple(a if a.flags.carray else np.array(a, order="C") for a in operands)
    filled = tuple(a if a.flags.carray else np.empty(a.shape, a.dtype) for a in results)
    fast(*operands, *filled, *settings)
    for result, array in zip(results, filled, strict=True):
        if result is not array:
            result[...] = array


# ------------------------------------------------------------------------------------------------ convolution
def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """out[n, o, k] = sum over taps t and channels c of x[n, o*s + t*d - p, c] * w[k, c, t]."""
    _serve("conv", (x, w), (out,), geometry)


def conv_transpose(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in x: out (N, *input_size, C)."""
    _serve("conv_transpose", (y, w), (out,), geometry)


def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in w: out (K, C/groups, *kernel_size)."""
    _serve("conv_weight_grad", (x, y), (out,), geometry)


def matmul(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out[b] = x[b] @ y[b] for x (B, M, K), y (B, K, N) of any strides, without copying transposed operands."""
    _serve("matmul", (x, y), (out,))


# ------------------------------------------------------------------------------------------------ pooling
def max_pool(x: np.ndarray, out: np.ndarray, choice: np.ndarray, geometry: PoolGeometry) -> None:
    """Largest pixel of every window, and `choice` (int32), its flat position in the plane.

    The first of equals; NaN wins, the last NaN.
    """
    _serve("max_pool", (x,), (out, choice), geometry)


def pool_gather(x: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """out[n, o, c] = x[n, choice[n, o, c], c], space flattened."""
    _serve("pool_gather", (x, choice), (out,))


def pool_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `pool_gather`: out[n, choice[n, o, c], c] += y[n, o, c], all else 0."""
    _serve("pool_scatter", (y, choice), (out,))


def window_sum(x: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """out[n, o, c] = scale[o] * sum of x over window o; scale (windows,)."""
    _serve("window_sum", (x, scale), (out,), geometry)


def window_spread(y: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """Adjoint of `window_sum`: every pixel of window o receives scale[o] * y[n, o, c]."""
    _serve("window_spread", (y, scale), (out,), geometry)


# ------------------------------------------------------------------------------------------------ batch norm
def batch_norm_statistics(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
    """Mean and biased variance of every column of x (M, C)."""
    _serve("batch_norm_statistics", (x,), (mean, variance))


def batch_norm_apply(x: np.ndarray, mean: np.ndarray, invstd: np.ndarray, w: np.ndarray, b: np.ndarray,
                     out: np.ndarray) -> None:
    """out = (x - mean) * invstd * w + b."""
    _serve("batch_norm_apply", (x, mean, invstd, w, b), (out,))


def batch_norm_sums(x: np.ndarray, g: np.ndarray, mean: np.ndarray, invstd: np.ndarray, sum_g: np.ndarray,
                    sum_gx: np.ndarray) -> None:
    """sum_g = sum of g, sum_gx = sum of g * (x - mean) * invstd, over M."""
    _serve("batch_norm_sums", (x, g, mean, invstd), (sum_g, sum_gx))


def batch_norm_input_grad(x: np.ndarray, g: np.ndarray, mean: np.ndarray, invstd: np.ndarray, w: np.ndarray,
                          sum_g: np.ndarray, sum_gx: np.ndarray, out: np.ndarray) -> None:
    """out = w * invstd * (g - sum_g/M - xhat * sum_gx/M) with xhat = (x - mean) * invstd."""
    _serve("batch_norm_input_grad", (x, g, mean, invstd, w, sum_g, sum_gx), (out,))


# ------------------------------------------------------------------------------------------------ element by element
def erf(x: np.ndarray, out: np.ndarray) -> None:
    """out = the error function of x, a vector."""
    _serve("erf", (x,), (out,))


def relu(x: np.ndarray, out: np.ndarray) -> None:
    """out = x where it is not negative, else 0, for a vector: NaN and -0.0 stay."""
    _serve("relu", (x,), (out,))


def relu_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = g where y = relu(x) is positive or NaN, else 0, for vectors."""
    _serve("relu_grad", (g, y), (out,))


# ------------------------------------------------------------------------------------------------ optimizers
def update(name: str, rows: Sequence[tuple[np.ndarray, ...]], scalars: np.ndarray, *settings: Any) -> bool:
    """Run an optimizer's update, "sgd" or "adam", in place on all rows of arrays at once; see `kernels.optim`.

    Returns whether it did. It does not where the reference was chosen, or for arrays that are not plain: contiguous,
    writable, of one dtype (that of `scalars`) and one shape a row, and apart from each other in memory.
    """
    if not _fast() or scalars.dtype.char not in "fd" or not scalars.dtype.isnative:
        return False
    from minitorch.kernels import optim

    found = optim.locate(rows)
    if found:
        getattr(optim, name)(*found, scalars, *settings)
    return found is not None
