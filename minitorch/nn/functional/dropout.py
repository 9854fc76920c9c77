"""Dropout: elements or whole channels set to zero at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.following import step
from ...autograd.inplace import in_place
from ...autograd.tape import wrap
from ...dtypes import FLOATS
from ...ops.activation import ALPHA, SCALE
from ...ops.dropout import dropout as drop
from ...ops.pointwise import add, multiply
from ...random import default_generator
from .checks import (
    check_operands,
    check_tensor,
)

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


@step("seed")
def _seed() -> int:
    return int(default_generator.numpy.integers(2**63))


def _dropped(name: str, x: Any, p: float, training: bool, inplace: bool, mask_shape: tuple) -> Any:
    """x with a share p set to zero, at random per entry of `mask_shape`, and the rest scaled by 1 / (1 - p)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    check_operands(name, x)
    if not training or p == 0:
        return x
    if mask_shape == x.outline.shape:
        seed = _seed()
        return in_place(drop, x, p=p, seed=seed) if inplace else drop(x, p=p, seed=seed)
    (mask,) = _drawn(mask_shape, p, x.array.dtype, (0.0, 1 / (1 - p) if p < 1 else 0.0))
    return in_place(multiply, x, wrap(mask)) if inplace else multiply(x, wrap(mask))


@step("arrays")
def _drawn(shape: tuple, p: float, dtype: np.dtype, *pairs: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """For each pair an array of the one number, with probability p, and the other."""
    kept = default_generator.numpy.random(shape, np.float32) >= p
    return tuple([np.where(kept, other, one).astype(dtype) for one, other in pairs])


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


# SELU tends to -c = -SCALE ALPHA below, so c is what it says in place of nothing. Of values of mean 0 and variance 1, a
# share p set to -c has mean -c p and variance (1 - p) (1 + p c^2): a x + b undoes that with a = 1 / root of the
# variance, b = a c p.
def _alpha_dropped(name: str, x: Any, p: float, training: bool, inplace: bool, mask_shape: tuple) -> Any:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return x
    if x.outline.dtype.kind not in FLOATS:
        raise RuntimeError(f"{name}: result type Float can't be cast to {x.dtype}, the dtype of `input`")
    c = SCALE * ALPHA
    a = 1 / np.sqrt((1 - p) * (1 + p * c * c)) if p < 1 else 0.0
    pairs = (0.0, a), (a * c * (p - 1), a * c * p)
    factor, shift = map(wrap, _drawn(mask_shape, p, x.array.dtype, *pairs))
    if inplace:
        return in_place(add, in_place(multiply, x, factor), shift)
    return add(multiply(x, factor), shift)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """`dropout` for `selu`: elements become its lowest value rather than 0, and mean and variance stay."""
    shape = check_tensor("alpha_dropout", input).array.shape
    return _alpha_dropped("alpha_dropout", input, p, training, inplace, shape)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """`alpha_dropout` of whole channels of input (N, C, *). Raises RuntimeError for fewer than 2 axes."""
    x = check_tensor("feature_alpha_dropout", input).array.shape
    if len(x) < 2 and training and p:
        raise RuntimeError(
            f"feature_alpha_dropout: Feature dropout requires at least 2 dimensions in the input, got {x}"
        )
    return _alpha_dropped("feature_alpha_dropout", input, p, training, inplace, (*x[:2], *(1,) * (len(x) - 2)))
