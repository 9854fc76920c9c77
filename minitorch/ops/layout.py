"""Images are (N, C, *size) to users and (N, *size, C) in memory: the channel is what a vector register holds.

The first two functions only move an axis of the view. Kernels copy an operand whose memory stands otherwise; results
of image ops stand right already, and NumPy's elementwise functions keep the layout of what they are given.
"""

from __future__ import annotations

import numpy as np

_LAST = {n: (0, *range(2, n), 1) for n in range(2, 8)}
_FIRST = {n: (0, n - 1, *range(1, n - 1)) for n in range(2, 8)}
_ABSENT = {char: np.empty(0, char) for char in "?" + np.typecodes["AllInteger"] + np.typecodes["Float"]}


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) seen as (N, *size, C)."""
    return x.transpose(_LAST[x.ndim])


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, *size, C) seen as (N, C, *size)."""
    return x.transpose(_FIRST[x.ndim])


def pixels(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) as (pixels, C), without a copy where memory is channels-last."""
    return channels_last(x).reshape(-1, x.shape[1])


def absent(x: np.ndarray) -> np.ndarray:
    """An empty array of x's dtype: for a kernel, an operand that is not there."""
    return _ABSENT[x.dtype.char]
