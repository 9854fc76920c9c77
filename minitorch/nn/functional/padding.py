"""Pixels added around a tensor, or cut off."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from ...geometry import LIMIT
from ...ops import shape as shaping
from ...ops.folding import extend, extend_transpose
from .checks import check_tensor

__all__ = ["pad"]

Sides = tuple[tuple[int, int], ...]  # (before, after) per axis

MODES = ("reflect", "replicate", "circular", "symmetric")  # that copy pixels of the input


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """input with pixels added at both ends of its last axes, or with negative entries cut off.

    pad: (before, after) of the last axis, then of the one before it, ... The pixels outside of an axis a b c d are

        "constant"   value (0):       0 0 | a b c d | 0 0      any tensor, any number of axes
        "reflect"                     c b | a b c d | c b      at most n - 1 on a side
        "replicate"                   a a | a b c d | d d
        "circular"                    c d | a b c d | a b      at most n on a side
        "symmetric"  (not PyTorch's)  b a | a b c d | d c      at most n on a side

    All but "constant" take the last axis of a (C, L) or (N, C, L), the last 2 of a (C, H, W) or (N, C, H, W), the last
    3 of a (C, D, H, W) or (N, C, D, H, W). Negative entries cut off pixels; reflections still see these, a circle is
    closed without them. A pixel that was copied receives the gradients of all its copies. Raises RuntimeError for what
    does not fit and for a `value` that isn't used, NotImplementedError for an unknown mode or another number of axes,
    TypeError for what is no tensor or no int.

    >>> import minitorch
    >>> minitorch.nn.functional.pad(minitorch.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    size = check_tensor("pad", input).array.shape
    try:
        ends = tuple(map(operator.index, pad))
    except TypeError:
        raise TypeError(f"pad: `pad` must be a tuple of ints, but got {pad!r}") from None
    if len(ends) % 2 or len(ends) > 2 * len(size):
        raise RuntimeError(
            f"pad: `pad` needs a (before, after) pair for at most {len(size)} axes, but got {ends}; input {size}"
        )
    sides = tuple(zip(ends[-2::-2], ends[::-2], strict=True))
    if mode == "constant":
        sides = ((0, 0),) * (len(size) - len(sides)) + sides
        if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(size, sides, strict=True)):
            raise RuntimeError(f"pad: a length would be negative: input {size} padded by {ends}")
        _check_count("pad", size, sides)
        return shaping.pad_constant(input, widths=sides, value=0.0 if value is None else value)
    if mode not in MODES:
        raise NotImplementedError(f"pad: unrecognised padding mode {mode!r}; there are 'constant', {str(MODES)[1:-1]}")
    if value is not None and value != 0:
        raise RuntimeError(f'pad: mode "{mode}" does not take a value, but got value={value}')
    if not 1 <= len(sides) <= 3 or len(size) - len(sides) not in (1, 2):
        raise NotImplementedError(
            f'pad: mode "{mode}" takes a (before, after) pair for the last 1, 2 or 3 axes of an input with a channel '
            f"axis and perhaps a batch axis before them, but got {ends}; input {size}"
        )
    check_border("pad", size, sides, mode)
    return extend(input, widths=sides, mode=mode) if any(map(any, sides)) else input.clone()


def check_border(name: str, size: tuple, sides: Sides, mode: str) -> None:
    """The last axes of `size` have enough pixels for such a border. Raises RuntimeError."""
    first = len(size) - len(sides)
    if mode != "circular" and 0 in size[first - 1 :]:
        raise RuntimeError(f"{name}: to {mode}, all axes but the batch must have a size above 0; input {size}")
    left = [n + before + after for n, (before, after) in zip(size[first:], sides, strict=True)]
    if min(left) < 0 or (mode != "circular" and max(left) < 1):
        raise RuntimeError(f"{name}: input {size} is too small: {sides} around its last axes leaves {left} pixels")
    for axis, (before, after) in enumerate(sides, first):
        n = size[axis]
        if mode == "circular":
            n += min(before, 0) + min(after, 0)
        most = max(n - (mode == "reflect"), 0)
        if mode != "replicate" and max(before, after) > most:
            raise RuntimeError(
                f"{name}: Padding size should be less than the corresponding input dimension: to {mode}, at most "
                f"{most}, but got ({before}, {after}) at dimension {axis} of input {size}"
            )
    _check_count(name, size, ((0, 0),) * first + sides)


def _check_count(name: str, size: tuple, sides: Sides) -> None:
    """The result is not too large. Raises RuntimeError."""
    padded = tuple(n + before + after for n, (before, after) in zip(size, sides, strict=True))
    if math.prod(padded) > LIMIT:
        raise RuntimeError(f"{name}: input {size} padded by {sides} gives {padded}, more than {LIMIT} elements")


def fold_border(name: str, x: Any, sides: Sides, mode: str) -> Any:
    """The adjoint of `pad` in one of its copying modes: the last axes without their borders.

    The values in a border are added to the pixels that `pad` copies there. Raises RuntimeError as `pad` does.
    """
    shape = x.array.shape
    first = len(shape) - len(sides)
    inside = tuple(n - before - after for n, (before, after) in zip(shape[first:], sides, strict=True))
    check_border(name, (*shape[:first], *inside), sides, mode)
    return extend_transpose(x, widths=tuple(sides), mode=mode) if any(map(any, sides)) else x.clone()
