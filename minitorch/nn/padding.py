"""`F.pad` as layers, for inputs of 1, 2 and 3 dimensions."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """padding: an int for all sides, or (before, after) of the last axis, then of the one before it, ..."""

    rank: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.rank) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Any) -> Any:
        """`input` with its border."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """`input` with its border."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """The padding and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """The last axis of an input of any rank between numbers `value`; see `ConstantPad2d`."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """The last 2 axes of an input of any rank within a frame of `value`.

    padding: an int for all sides, or (left, right, top, bottom); negative ones cut off pixels. All pads raise what
    `F.pad` raises.

    >>> import minitorch
    >>> minitorch.nn.ConstantPad2d((1, 0, 0, -1), 7.0)(minitorch.ones(2, 2))
    tensor([[7., 1., 1.]])
    """

    rank = 2


class ConstantPad3d(_ConstantPad):
    """The last 3 axes of an input of any rank within walls of `value`; see `ConstantPad2d`."""

    rank = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """`ConstantPad1d` of 0."""

    rank = 1


class ZeroPad2d(_ZeroPad):
    """`ConstantPad2d` of 0."""

    rank = 2


class ZeroPad3d(_ZeroPad):
    """`ConstantPad3d` of 0."""

    rank = 3


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """(N, C, L) or (C, L), reflected about its first and last pixels; see `ReflectionPad2d`."""

    rank = 1


class ReflectionPad2d(_ReflectionPad):
    """(N, C, H, W) or (C, H, W), reflected about its outermost pixels: c b | a b c d | c b.

    padding: an int for all sides, or (left, right, top, bottom); less than the size of the axis.

    >>> import minitorch
    >>> minitorch.nn.ReflectionPad2d((1, 1, 0, 0))(minitorch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 1., 2., 3., 2.]]])
    """

    rank = 2


class ReflectionPad3d(_ReflectionPad):
    """(N, C, D, H, W) or (C, D, H, W), reflected about its outermost pixels; see `ReflectionPad2d`."""

    rank = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """(N, C, L) or (C, L), its first and last pixels repeated; see `ReplicationPad2d`."""

    rank = 1


class ReplicationPad2d(_ReplicationPad):
    """(N, C, H, W) or (C, H, W), its outermost pixels repeated: a a | a b c d | d d.

    padding: an int for all sides, or (left, right, top, bottom).

    >>> import minitorch
    >>> minitorch.nn.ReplicationPad2d((2, 1, 0, 0))(minitorch.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 1., 2., 2.]]])
    """

    rank = 2


class ReplicationPad3d(_ReplicationPad):
    """(N, C, D, H, W) or (C, D, H, W), its outermost pixels repeated; see `ReplicationPad2d`."""

    rank = 3


class _CircularPad(_Pad):
    mode = "circular"


class CircularPad1d(_CircularPad):
    """(N, C, L) or (C, L), going on at its other end; see `CircularPad2d`."""

    rank = 1


class CircularPad2d(_CircularPad):
    """(N, C, H, W) or (C, H, W), every axis going on at its other end: c d | a b c d | a b.

    padding: an int for all sides, or (left, right, top, bottom); at most the size of the axis.

    >>> import minitorch
    >>> minitorch.nn.CircularPad2d((2, 1, 0, 0))(minitorch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 3., 1., 2., 3., 1.]]])
    """

    rank = 2


class CircularPad3d(_CircularPad):
    """(N, C, D, H, W) or (C, D, H, W), every axis going on at its other end; see `CircularPad2d`."""

    rank = 3
