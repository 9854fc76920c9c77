"""Pooling: the windows come as a table of pixels (`PoolGeometry.table`), the lanes are channels.

Gathering kernels own output pixels, scattering kernels own images: nobody adds to what another worker owns.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minitorch.geometry import PoolGeometry
from minitorch.kernels.runtime import kernel

__all__ = ["max_pool", "pool_gather", "pool_scatter", "window_sum", "window_spread"]

HEAVY = 100_000  # elements read, worth waking the other threads for


def max_pool(x: np.ndarray, out: np.ndarray, choice: np.ndarray, geometry: PoolGeometry) -> None:
    """Largest pixel of every window and its flat position in the plane; the first of equals, but NaN wins, the last."""
    first, pixels = geometry.table
    _max_pool(out.size * pixels.size > HEAVY * first.size, _flat(x), _flat(out), _flat(choice), first, pixels)


def pool_gather(x: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """out[n, o, c] = x[n, choice[n, o, c], c], space flattened."""
    _pool_gather(out.size > HEAVY, _flat(x), _flat(choice), _flat(out))


def pool_scatter(y: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """Adjoint of `pool_gather`: out[n, choice[n, o, c], c] += y[n, o, c], all else 0."""
    _pool_scatter(out.size > HEAVY, _flat(y), _flat(choice), _flat(out))


def window_sum(x: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """out[n, o, c] = scale[o] * sum of x over window o."""
    first, pixels = geometry.table
    _window_sum(out.size * pixels.size > HEAVY * first.size, _flat(x), scale.reshape(-1), _flat(out), first, pixels)


def window_spread(y: np.ndarray, scale: np.ndarray, out: np.ndarray, geometry: PoolGeometry) -> None:
    """Adjoint of `window_sum`: every pixel of window o receives scale[o] * y[n, o, c]."""
    first, pixels = geometry.table
    _window_spread(y.size * pixels.size > HEAVY * first.size, _flat(y), scale.reshape(-1), _flat(out), first, pixels)


def _flat(images: np.ndarray) -> np.ndarray:
    """(N, *size, C) seen as (N, pixels, C)."""
    n, *size, c = images.shape
    pixels = 1
    for along in size:
        pixels *= along
    return images.reshape(n, pixels, c)


@kernel
def _max_pool(workers, x, out, choice, first, pixels):
    batch, windows, channels = out.shape
    for worker in prange(workers):
        for block in range(worker * batch * windows // workers, (worker + 1) * batch * windows // workers):
            n, o = block // windows, block % windows
            best, place = out[n, o], choice[n, o]
            p = pixels[first[o]]
            for c in range(channels):
                best[c] = x[n, p, c]
                place[c] = p
            for i in range(first[o] + 1, first[o + 1]):
                p = pixels[i]
                seen = x[n, p]
                for c in range(channels):
                    value = seen[c]
                    better = (value > best[c]) | (value != value)
                    best[c] = value if better else best[c]
                    place[c] = p if better else place[c]


@kernel
def _pool_gather(workers, x, choice, out):
    batch, windows, channels = out.shape
    for worker in prange(workers):
        for block in range(worker * batch * windows // workers, (worker + 1) * batch * windows // workers):
            n, o = block // windows, block % windows
            for c in range(channels):
                out[n, o, c] = x[n, choice[n, o, c], c]


@kernel
def _pool_scatter(workers, y, choice, out):
    batch, windows, channels = y.shape
    for worker in prange(workers):
        for n in range(worker * batch // workers, (worker + 1) * batch // workers):
            out[n] = 0
            for o in range(windows):
                for c in range(channels):
                    out[n, choice[n, o, c], c] += y[n, o, c]


@kernel
def _window_sum(workers, x, scale, out, first, pixels):
    batch, windows, channels = out.shape
    for worker in prange(workers):
        for block in range(worker * batch * windows // workers, (worker + 1) * batch * windows // workers):
            n, o = block // windows, block % windows
            to = out[n, o]
            to[:] = 0
            for i in range(first[o], first[o + 1]):
                seen = x[n, pixels[i]]
                for c in range(channels):
                    to[c] += seen[c]
            for c in range(channels):
                to[c] *= scale[o]


@kernel
def _window_spread(workers, y, scale, out, first, pixels):
    batch, windows, channels = y.shape
    for worker in prange(workers):
        for n in range(worker * batch // workers, (worker + 1) * batch // workers):
            out[n] = 0
            for o in range(windows):
                g = y[n, o]
                for i in range(first[o], first[o + 1]):
                    to = out[n, pixels[i]]
                    for c in range(channels):
                        to[c] += scale[o] * g[c]
