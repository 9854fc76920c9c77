"""Element by element over vectors: the formulas of polynomial.py, a register at a time, on all threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import prange

from minitorch.kernels.engine.runtime import helper, kernel
from minitorch.kernels.words import polynomial
from minitorch.kernels.words.vector import sweep

__all__ = ["add", "erf", "exp", "expm1", "gelu", "gelu_grad", "gelu_tanh", "gelu_tanh_grad", "log", "log1p", "multiply",
           "relu", "relu_grad", "sigmoid", "silu", "silu_grad", "softplus", "subtract", "tanh"]

HEAVY, HEAVY_FORMULA = 100_000, 10_000  # elements worth waking the other threads for: one operation each, or dozens
CHUNK = 64  # threads share work in multiples of it, so that no two of them write to one cache line


@helper()
def _share(size: int, worker: int, workers: int) -> tuple[int, int]:
    """The elements low ... high - 1 of one worker."""
    chunks = (size + CHUNK - 1) // CHUNK
    return worker * chunks // workers * CHUNK, min(size, (worker + 1) * chunks // workers * CHUNK)


def _of_one(name: str, formula: Callable, heavy: int = HEAVY_FORMULA) -> Callable:
    """A kernel (x, out)."""
    run = sweep(formula)

    def body(workers, x, out):
        for worker in prange(workers):
            low, high = _share(x.size, worker, workers)
            run((x, out), low, high, ())

    return _called(name, body, heavy)


def _of_two(name: str, formula: Callable, heavy: int = HEAVY_FORMULA) -> Callable:
    """A kernel (x, y, out)."""
    run = sweep(formula)

    def body(workers, x, y, out):
        for worker in prange(workers):
            low, high = _share(x.size, worker, workers)
            run((x, y, out), low, high, ())

    return _called(name, body, heavy)


def _called(name: str, body: Callable, heavy: int) -> Callable:
    body.__name__ = name  # under which it is kept on disk
    run = kernel(body, exact=True)

    def call(x: np.ndarray, *others: np.ndarray) -> None:
        run(x.size > heavy, x, *others)

    return call


exp = _of_one("exp", polynomial.exp)
expm1 = _of_one("expm1", polynomial.expm1)
log = _of_one("log", polynomial.log)
log1p = _of_one("log1p", polynomial.log1p)
tanh = _of_one("tanh", polynomial.tanh)
sigmoid = _of_one("sigmoid", polynomial.sigmoid)
softplus = _of_one("softplus", polynomial.softplus)
erf = _of_one("erf", polynomial.erf)
gelu = _of_one("gelu", polynomial.gelu)
gelu_grad = _of_two("gelu_grad", polynomial.gelu_grad)
gelu_tanh = _of_one("gelu_tanh", polynomial.gelu_tanh)
gelu_tanh_grad = _of_two("gelu_tanh_grad", polynomial.gelu_tanh_grad)
silu = _of_one("silu", polynomial.silu)
silu_grad = _of_two("silu_grad", polynomial.silu_grad)
relu = _of_one("relu", polynomial.relu, HEAVY)
relu_grad = _of_two("relu_grad", polynomial.relu_grad, HEAVY)
add = _of_two("add", lambda x, y: x + y, HEAVY)
subtract = _of_two("subtract", lambda x, y: x - y, HEAVY)
multiply = _of_two("multiply", lambda x, y: x * y, HEAVY)
