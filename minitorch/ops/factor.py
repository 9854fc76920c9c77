"""What is known of square matrices: their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import primitive
from .linalg import matmul
from .names import public
from .shape import transpose


class LinAlgError(RuntimeError):
    """There is no answer for a matrix, as there is no inverse of a singular one."""


@primitive(name="inverse")
def inverse_of(x: np.ndarray) -> np.ndarray:
    """The inverse of each matrix of a stack (..., N, N)."""
    return np.linalg.inv(x)


# A A^-1 = 1, so d(A^-1) = -A^-1 dA A^-1, and A receives -(A^-T) g (A^-T).
def _inverse_grad(g: Any, out: Any) -> Any:
    if isinstance(g, np.ndarray):
        turned = np.swapaxes(out, -1, -2)
        return -(turned @ g @ turned)
    turned = transpose(out, -1, -2)
    return -matmul(matmul(turned, g), turned)


inverse_of.vjp(x=_inverse_grad)


@public("inverse", on="T t o")
def inverse(x: Any) -> Any:
    """The inverse of each matrix of x (..., N, N). Raises LinAlgError, which names the matrix, where there is none."""
    shape = x.array.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise RuntimeError(f"linalg.inv: A must be batches of square matrices, but got {list(shape)}")
    if x.array.dtype.kind != "f":
        raise RuntimeError(f"linalg.inv: Expected a floating point tensor as input. Got {x.dtype}")
    try:
        return inverse_of(x)
    except np.linalg.LinAlgError:
        ranks = np.linalg.matrix_rank(x.array.reshape(-1, *shape[-2:]))
        which = f"(Batch element {int((ranks < shape[-1]).argmax())}): " if len(shape) > 2 else ""
        raise LinAlgError(
            f"linalg.inv: {which}The inversion could not be completed because the input matrix is singular."
        ) from None
