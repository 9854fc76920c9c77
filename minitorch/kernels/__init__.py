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
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from minitorch.geometry import ConvGeometry, PoolGeometry
from minitorch.kernels import reference
from minitorch.kernels.broadcast import Program
from minitorch.kernels.engine.memory import SMALL, empty, empty_like, pooled
from minitorch.kernels.engine.runtime import cache_directory, compilations, get_num_threads, set_num_threads

__all__ = ["SMALL", *reference.__all__, "empty", "empty_like", "pooled", "implementation", "set_num_threads",
           "get_num_threads", "compilations", "cache_directory", "evaluate", "update", "reduction", "fill",
           "contiguous"]
Declaration = TypeVar("Declaration", bound=Callable[..., None])


@cache
def implementation() -> str:
    """Which kernels serve float32 and float64 in this process: "numba" or "reference"."""
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
    from minitorch.kernels import index, layout, loss, noise, norm, pool, reduce, row_norm
    from minitorch.kernels.tile import direct, gemm

    modules = (direct, gemm, index, layout, loss, noise, norm, pool, reduce, row_norm)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def served(operands: int, results: int = 1, strided: bool = False) -> Callable[[Declaration], Declaration]:
    """The one door: a declaration becomes a function that runs the fast kernel of its name, or the reference.

    Its arguments are so many operands, then results, then settings. Fast kernels get contiguous, aligned, writable
    arrays, and so have two signatures at most; `strided` are operands that one takes as they lie.
    """
    first, last = operands if strided else 0, operands + results

    def declare(declaration: Declaration) -> Declaration:
        name = declaration.__name__

        @wraps(declaration)
        def serve(*arguments: Any) -> None:
            dtype = arguments[0].dtype
            fast = _fast().get(name) if dtype.char in "fd" and dtype.isnative else None
            if fast is None:
                getattr(reference, name)(*arguments)
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

        return serve  # type: ignore[return-value]

    return declare


def _plain(x: np.ndarray) -> np.ndarray:
    """A contiguous copy of x that may be written."""
    if x.nbytes < SMALL:
        return np.array(x, order="C")
    out = empty(x.shape, x.dtype)
    fill(out, x)
    return out


# ------------------------------------------------------------------------------------------------ convolution
@served(2)
def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """out[n, o, k] = sum over taps t and channels c of x[n, o*s + t*d - p, c] * w[k, c, t]."""


@served(6)
def conv_normal(x: np.ndarray, w: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                out: np.ndarray, geometry: ConvGeometry, relu: bool) -> None:
    """`batch_norm_apply` of `conv`: out = (conv(x, w) - mean) * scale + shift, + r (as out), 0 where negative.

    r may be empty; the last is done if `relu`. The bits are those of the two one after the other.
    """


@served(2)
def conv_transpose(y: np.ndarray, w: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in x: out (N, *input_size, C)."""


@served(2)
def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, geometry: ConvGeometry) -> None:
    """Adjoint of `conv` in w: out (K, C/groups, *kernel_size)."""


@served(2, strided=True)
def matmul(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out[b] = x[b] @ y[b] for x (B, M, K), y (B, K, N) of any strides."""


@served(3)
def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, turn_x: bool, turn_w: bool,
           relu: bool) -> None:
    """out = x @ w of two matrices, each transposed first if told; + b to every row, unless that is empty, then ReLU."""


# ------------------------------------------------------------------------------------------------ pooling
@served(1, 2)
def max_pool(x: np.ndarray, out: np.ndarray, choice: np.ndarray, geometry: PoolGeometry) -> None:
    """Largest pixel of every window, and `choice` (int32), its flat position in the plane.

    The first of equals; NaN wins, the last NaN.
    """


@served(2)
def pool_gather(x: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """out[n, o, c] = x[n, choice[n, o, c], c], space flattened."""


@served(2)
def pool_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `pool_gather`: out[n, choice[n, o, c], c] += y[n, o, c], all else 0."""


@served(2)
def window_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """`pool_scatter` where every choice[n, o, c] is a pixel of window o."""


@served(2)
def window_sum(x: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """out[n, o, c] = scale[o] * sum of x over window o; scale (windows,)."""


@served(2)
def window_spread(y: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """Adjoint of `window_sum`: every pixel of window o receives scale[o] * y[n, o, c]."""


# ------------------------------------------------------------------------------------------------ batch norm
@served(1, 5)
def batch_norm_statistics(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, invstd: np.ndarray,
                          running_mean: np.ndarray, running_var: np.ndarray, eps: float, momentum: float) -> None:
    """Mean, biased variance and 1 / sqrt(variance + eps) of every column of x (M, C).

    running = (1 - momentum) * running + momentum * own in place, the variance unbiased, unless these are empty.
    """


@served(5)
def batch_norm_apply(x: np.ndarray, r: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                     out: np.ndarray, relu: bool) -> None:
    """out = (x - mean) * scale + shift, + r unless that is empty, then 0 where that is negative if `relu`."""


@served(7, 2)
def batch_norm_sums(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray) -> None:
    """The sums of g and of g h over M, h = (x - mean) * invstd, through the gate of `batch_norm_input_grad`."""


@served(9)
def batch_norm_input_grad(x: np.ndarray, g: np.ndarray, y: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                          scale: np.ndarray, shift: np.ndarray, sum_g: np.ndarray, sum_gh: np.ndarray,
                          out: np.ndarray) -> None:
    """out = scale * (g - sum_g / M - h * sum_gh / M), h = (x - mean) * invstd.

    The gate: g counts as 0 where y is 0 or less, y being the result of a ReLU; if y is empty but `shift` is not, where
    (x - mean) * scale + shift is; if both are empty, nowhere.
    """


@served(1)
def column_sums(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of every column of x (M, C)."""


@served(2)
def shift_columns(x: np.ndarray, b: np.ndarray, out: np.ndarray, relu: bool) -> None:
    """out = x (M, C) + b (C,), then 0 where that is negative if `relu`; out may be x."""


# ------------------------------------------------------------------------------------------------ norms of groups
@served(3, 3)
def group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
               eps: float, last: bool, centred: bool) -> None:
    """Every group of x (N, C, S), or (N, S, C) if `last`, to mean 0 if `centred` and mean square 1, then * w + b (C,).

    mean and invstd (N, groups) say how many groups there are, and are filled.
    """


@served(5, 3)
def group_norm_grad(g: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray, invstd: np.ndarray,
                    out: np.ndarray, gw: np.ndarray, gb: np.ndarray, last: bool, centred: bool) -> None:
    """The gradients of `group_norm` for x, w and b from that of its result, g; mean and invstd are those it filled."""


# ------------------------------------------------------------------------------------------------ element by element
def evaluate(program: Program, operands: list[np.ndarray], numbers: tuple[float, ...]) -> np.ndarray | None:
    """A pointwise program of broadcast operands, float32 or float64 and bools, in one pass; see kernels/pointwise.py.

    None where NumPy is to compute it: the reference was chosen, or shapes are beyond the kernel.
    """
    if implementation() == "reference":
        return None
    from minitorch.kernels import pointwise

    return pointwise.evaluate(program, operands, numbers)


@served(1, 2)
def dropout(x: np.ndarray, out: np.ndarray, mask: np.ndarray, seed: int, threshold: int, scale: float) -> None:
    """out = x * scale where `mask` (bool), else 0, for vectors; False where a number of 32 bits is below `threshold`.

    The number drawn at place i depends on i and `seed` (64 bits) alone.
    """


# ------------------------------------------------------------------------------------------------ softmax and its loss
@served(1)
def softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = exp(x) over its sum along the middle of x (outer, C, inner)."""


@served(1)
def log_softmax(x: np.ndarray, out: np.ndarray) -> None:
    """out = x - log(sum(exp(x))) along the middle of x (outer, C, inner)."""


@served(2)
def softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = y * (g - sum(g * y)) along the middle, for y = softmax(x) (outer, C, inner)."""


@served(2)
def log_softmax_grad(g: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = g - exp(y) * sum(g) along the middle, for y = log_softmax(x) (outer, C, inner)."""


@served(3, 4)
def cross_entropy(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, losses: np.ndarray, top: np.ndarray,
                  total: np.ndarray, sums: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """The loss of every row of x (M, C) for int64 labels, 0 where the label is `ignore_index` or no class.

    With q = (1 - smoothing) onehot(label) + smoothing / C: losses = -sum over c of q[c] weight[c] log_softmax(x)[c].
    Kept for the gradient: top = max x, total = sum exp(x - top). sums: the sum of all losses, that of weight[label],
    and how many labels are neither a class nor `ignore_index`.
    """


@served(6)
def cross_entropy_grad(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, top: np.ndarray, total: np.ndarray,
                       scale: np.ndarray, out: np.ndarray, ignore_index: int, smoothing: float) -> None:
    """out[i] = scale[i] * (sum(q weight) softmax(x[i]) - q weight) for the q of `cross_entropy`, 0 in ignored rows.

    scale: (M,), or (1,) for all rows.
    """


# ------------------------------------------------------------------------------------------------ reductions
# Over the middle of arrays (outer, reduced, inner), to out (outer, inner) unless said otherwise. Sums and products of
# float32 may be asked for in float64: then they are not rounded.
@served(1)
def sum_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x."""


@served(1)
def prod_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the product of x."""


@served(1)
def max_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the largest of x; NaN wins."""


@served(1)
def min_along(x: np.ndarray, out: np.ndarray) -> None:
    """out = the smallest of x; NaN wins."""


@served(1)
def sum_squares(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x * x."""


@served(1)
def sum_sizes(x: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of |x|."""


@served(2)
def sum_products(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of x * y."""


@served(2)
def sum_deviations(x: np.ndarray, m: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of (x - m)^2, m (outer, inner)."""


@served(2)
def sum_exp(x: np.ndarray, top: np.ndarray, out: np.ndarray) -> None:
    """out = the sum of exp(x - top), top (outer, inner), where x <= top."""


@served(1)
def argmax_along(x: np.ndarray, out: np.ndarray) -> None:
    """out, int64 = the place of the largest of x: the first of equals, or the first NaN."""


@served(1)
def argmin_along(x: np.ndarray, out: np.ndarray) -> None:
    """out, int64 = the place of the smallest of x: the first of equals, or the first NaN."""


@served(1)
def running_sum(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the sums of x up to each element of `reduced`, or from it on if `reverse`."""


@served(1)
def running_prod(x: np.ndarray, out: np.ndarray, reverse: bool) -> None:
    """out (outer, reduced, inner) = the products of x up to each element of `reduced`, or from it on if `reverse`."""


@served(2)
def count_extremes(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """out = how many of x are y (outer, inner), or NaN as y is."""


@served(3)
def extreme_grad(x: np.ndarray, y: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = g (outer, inner) where x is y (outer, inner), or NaN as y is, else 0."""


@served(3)
def deviation_grad(x: np.ndarray, m: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = (x - m) * g; m, g (outer, inner)."""


@served(2)
def scaled(x: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = x * g, g (outer, inner)."""


@served(2)
def quotient(x: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = g / x, g (outer, inner)."""


@served(3)
def exp_grad(x: np.ndarray, y: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
    """out (outer, reduced, inner) = exp(x - y) * g; y, g (outer, inner)."""


COMBINED = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
NEUTRAL = {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf}


def reduction(name: str, formula: Callable, combine: str, kept: int = 0) -> Callable[..., None]:
    """A kernel (*fulls, *kepts, out) made of a formula: out = formula(*fulls, *kepts) combined over the middle axis.

    combine: "sum", "prod", "max" (NaN wins) or "min". The last `kept` operands are (outer, inner). NumPy evaluates the
    formula for the reference and for floats that have no kernel. Machine code is kept on disk under `name`, which must
    be another for another formula.
    """
    fast: list[Callable[..., None]] = []

    def run(*arrays: np.ndarray) -> None:
        *operands, out = arrays
        dtype = operands[0].dtype
        if implementation() == "numba" and dtype.char in "fd" and dtype.isnative:
            if not fast:
                from minitorch.kernels.reduce import Reduction

                fast.append(Reduction(name, formula, combine, kept))
            fast[0](*arrays)
            return
        first = len(operands) - kept
        values = formula(*operands[:first], *(a[:, None] for a in operands[first:]))
        if combine in ("sum", "prod"):
            values = values.astype(np.promote_types(dtype, np.float64), copy=False)
        out[...] = COMBINED[combine].reduce(values, axis=1, initial=NEUTRAL[combine])

    return run


# ------------------------------------------------------------------------------------------------ copies and rows
@served(2, 0, strided=True)
def transfer(x: np.ndarray, out: np.ndarray) -> None:
    """out = x, for two arrays of one shape and dtype and any strides, which share no memory."""


def fill(out: np.ndarray, x: np.ndarray) -> None:
    """out[...] = x, for any two arrays of one shape; `transfer` copies what is large, in any order of memory."""
    if x.nbytes >= SMALL and x.dtype == out.dtype and x.dtype.isnative and _movable(x) and _movable(out):
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


@served(2)
def gather_rows(x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """out[b, i] = x[b, rows[i]] for x (B, M, D) and rows (N,), int64 from 0 to M - 1."""


@served(2)
def scatter_rows(y: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `gather_rows`: out[b, rows[i]] += y[b, i], in the order of i, all else 0."""


@served(4)
def weighted_rows(x: np.ndarray, first: np.ndarray, positions: np.ndarray, weights: np.ndarray,
                  out: np.ndarray) -> None:
    """out[b, o] = sum of weights[e] x[b, positions[e]] for first[o] <= e < first[o + 1], in this order.

    x (B, M, D), out (B, O, D); first (O + 1,) and positions int64.
    """


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
