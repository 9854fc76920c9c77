"""Dropout: elements or whole channels set to zero at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.inplace import in_place
from ...autograd.tape import wrap
from ...ops.dropout import dropout as drop
from ...ops.pointwise import multiply
from ...random import default_generator
from .checks import (
    check_operands,
    check_tensor,
)

__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d"]


def _dropped(name: str, x: Any, p: float, training: bool, inplace: bool, mask_shape: tuple) -> Any:
    """x with a share p set to zero, at random per entry of `mask_shape`, and the rest scaled by 1 / (1 - p)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    check_operands(name, x)
    if not training or p == 0:
        return x
    if mask_shape == x.outline.shape:
        seed = int(default_generator.numpy.integers(2**63))
        return in_place(drop, x, p=p, seed=seed) if inplace else drop(x, p=p, seed=seed)
    kept = default_generator.numpy.random(mask_shape, np.float32) >= p
    mask = kept.astype(x.array.dtype)
    if p < 1:
        mask *= 1 / (1 - p)
    return in_place(multiply, x, wrap(mask)) if inplace else multiply(x, wrap(mask))


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zeros at random, each with probability p, the rest scaled by 1 / (1 - p); input as it is unless `training`.

    Draws from `minitorch.default_generator`. Raises ValueError unless 0 <= p <= 1.
    """
    return _dropped("dropout", input, p, training, inplace, check_tensor("dropout", input).array.shape)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, L) or (C, L). Raises RuntimeError for other ranks."""
    x = check_tensor("dropout1d", input).array.shape
    if len(x) not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout1d", input, p, training, inplace, (*x[:-1], 1))


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, H, W); (N, C, L) is taken as in `dropout1d`, as PyTorch does."""
    x = check_tensor("dropout2d", input).array.shape
    if len(x) not in (3, 4):
        raise RuntimeError(f"dropout2d: Expected 3D or 4D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout2d", input, p, training, inplace, (*x[:2], *(1,) * (len(x) - 2)))


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, D, H, W) or (C, D, H, W). Raises RuntimeError for other ranks."""
    x = check_tensor("dropout3d", input).array.shape
    if len(x) not in (4, 5):
        raise RuntimeError(f"dropout3d: Expected 4D or 5D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout3d", input, p, training, inplace, (*x[:-3], 1, 1, 1))
