"""Dropout: in training, zeros at random places; in evaluation, the identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """All these layers but for the function."""

    drop: Callable

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Any) -> Any:
        """`input` with zeros at random in training, as it is in evaluation."""
        return type(self).drop(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, sets elements to zero with probability p and scales the rest by 1 / (1 - p).

    Draws from `minitorch.default_generator`. Raises ValueError unless 0 <= p <= 1.
    """

    drop = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of (N, C, L) or (C, L)."""

    drop = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of (N, C, H, W)."""

    drop = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W)."""

    drop = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """`Dropout` for SELU: elements become its lowest value rather than 0, and mean and variance stay."""

    drop = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of (N, C, *)."""

    drop = staticmethod(F.feature_alpha_dropout)
