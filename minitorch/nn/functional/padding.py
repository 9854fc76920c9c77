"""Pixels added around a tensor, or cut off."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd.tape import wrap
from ...geometry import LIMIT
from ...ops import shape as shaping
from ...ops.index import index_select
from .checks import (
    check_tensor,
)


def _source(mode: str, n: int, before: int, after: int) -> np.ndarray:
    """The pixel of an axis of n that each pixel of the padded axis copies."""
    at = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(at, 0, n - 1)
    if mode == "circular":
        return at % n
    period = max(2 * (n - 1), 1)
    at = at % period
    return np.minimum(at, period - at) if n > 1 else at * 0


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """input with pixels added, or with negative entries cut off, at both ends of its last axes.

    pad: (before, after) of the last axis, then of the one before it, ... mode "constant" adds `value` (0); "reflect",
    "replicate" and "circular" add pixels of the input. Raises RuntimeError for what does not fit, NotImplementedError
    for an unknown mode.

    >>> import minitorch
    >>> minitorch.nn.functional.pad(minitorch.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    tensor([3., 2., 1., 2., 3., 2.])
    """
    size = check_tensor("pad", input).array.shape
    ends = tuple(map(operator.index, pad))
    if len(ends) % 2 or len(ends) > 2 * len(size):
        raise RuntimeError(
            f"pad: `pad` needs a (before, after) pair for at most {len(size)} axes, but got {ends}; input {size}"
        )
    pairs = ((0, 0),) * (len(size) - len(ends) // 2) + tuple(zip(ends[-2::-2], ends[::-2], strict=True))
    padded = [n + before + after for n, (before, after) in zip(size, pairs, strict=True)]
    if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(size, pairs, strict=True)):
        raise RuntimeError(f"pad: a length would be negative: input {size} padded by {ends}")
    if math.prod(padded) > LIMIT:
        raise RuntimeError(f"pad: input {size} padded by {ends} gives {tuple(padded)}, more than {LIMIT} elements")
    if mode == "constant":
        return shaping.pad_constant(input, widths=pairs, value=0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: unrecognised padding mode {mode!r}")
    if value is not None and value != 0:
        raise ValueError(f'pad: mode "{mode}" does not take a value, but got value={value}')
    for axis, (before, after) in enumerate(pairs):
        n, most = size[axis], max(before, after)
        if not (before or after):
            continue
        if mode == "reflect" and most >= n or mode == "circular" and most > n or n == 0 or min(before, after) < 0:
            raise RuntimeError(
                f"pad: Padding size should be non-negative and, to {mode}, less than the corresponding input "
                f"dimension, but got ({before}, {after}) at dimension {axis} of input {size}"
            )
        input = index_select(input, axis, wrap(_source(mode, n, before, after)))
    return input
