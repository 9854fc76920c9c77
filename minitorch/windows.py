"""Windows of signal processing: weights of n samples that fall towards both ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .creation import _dtype, _finish, factory
from .dtypes import FLOATS
from .ops.dims import whole

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(name: str, shape: Callable, count: int, periodic: bool, dtype: Any, device: Any, needs: Any) -> Any:
    """shape(x) at `count` positions x from 0 to 1; `periodic` leaves out the last of count + 1."""
    wanted, count = _dtype(dtype, device), whole(count, "window_length")
    if wanted.kind not in FLOATS:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtypes.as_dtype(wanted)}")
    if count < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={count}")
    if count < 2:
        return _finish(np.ones(count, wanted), needs)
    return _finish(shape(np.arange(count) / (count if periodic else count - 1)).astype(wanted), needs)


def _cosines(*factors: float) -> Callable:
    """factors[0] - factors[1] cos(2 pi x) + factors[2] cos(4 pi x)."""
    return lambda x: sum((-1) ** k * f * np.cos(2 * k * math.pi * x) for k, f in enumerate(factors))


@factory
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """1 - |2 x - 1|, a triangle over x from 0 to 1."""
    return _window(
        "bartlett_window", lambda x: 1 - abs(2 * x - 1), window_length, periodic, dtype, device, requires_grad
    )


@factory
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """(1 - cos(2 pi x)) / 2, x from 0 to 1."""
    return _window("hann_window", _cosines(0.5, 0.5), window_length, periodic, dtype, device, requires_grad)


@factory
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """alpha - beta cos(2 pi x), x from 0 to 1."""
    return _window("hamming_window", _cosines(alpha, beta), window_length, periodic, dtype, device, requires_grad)


@factory
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """0.42 - 0.5 cos(2 pi x) + 0.08 cos(4 pi x), x from 0 to 1."""
    shape = _cosines(0.42, 0.5, 0.08)
    return _window("blackman_window", shape, window_length, periodic, dtype, device, requires_grad)


@factory
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """i0(beta sqrt(1 - (2 x - 1)^2)) / i0(beta), x from 0 to 1."""

    def shape(x: np.ndarray) -> np.ndarray:
        return np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)

    return _window("kaiser_window", shape, window_length, periodic, dtype, device, requires_grad)
