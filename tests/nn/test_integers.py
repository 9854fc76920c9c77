"""Convolution, linear layers and pooling of integers: exact, modulo 2^64 and then in their dtype, as Python counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minitorch as mt
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.nn import functional as F

DTYPES = ["uint8", "int8", "int16", "int32", "int64"]
BIG = [False, True]


def draw(dtype: str, big: bool, *shape: int) -> np.ndarray:
    """Integers between -5 and 5, or over the whole range of the dtype."""
    limits = np.iinfo(dtype)
    low, high = (limits.min, limits.max) if big else (max(limits.min, -5), 5)
    return np.random.default_rng(len(shape)).integers(low, high, shape, dtype=dtype, endpoint=True)


def convolved(x: np.ndarray, w: np.ndarray, stride: int, padding: int, groups: int) -> np.ndarray:
    """Convolution by Python's ints, which have no end."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))).astype(object)
    rows, columns = ((n - k) // stride + 1 for n, k in zip(padded.shape[2:], w.shape[2:], strict=True))
    out = np.zeros((len(x), len(w), rows, columns), object)
    for n, k, i, j in itertools.product(*map(range, out.shape)):
        first = k // (len(w) // groups) * w.shape[1]
        at = padded[n, first : first + w.shape[1], i * stride :, j * stride :][:, : w.shape[2], : w.shape[3]]
        out[n, k, i, j] = (at * w[k].astype(object)).sum()
    return out


def wrapped(values: np.ndarray, dtype: str) -> np.ndarray:
    """Python's ints modulo the dtype's range."""
    bits = 8 * np.dtype(dtype).itemsize
    return np.array([int(v) % 2**bits for v in values.flat], np.uint64).reshape(values.shape).astype(dtype)


@pytest.mark.parametrize("big", BIG)
@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution(dtype: str, big: bool) -> None:
    """With stride, padding, groups and a bias; transposed, the adjoint."""
    x, w, b = draw(dtype, big, 2, 4, 5, 6), draw(dtype, big, 4, 2, 3, 3), draw(dtype, big, 4)
    out = F.conv2d(mt.tensor(x), mt.tensor(w), mt.tensor(b), 2, 1, 1, 2)
    want = convolved(x, w, 2, 1, 2) + b.astype(object).reshape(4, 1, 1)
    assert out.dtype is getattr(mt, dtype)
    np.testing.assert_array_equal(out.numpy(), wrapped(want, dtype))
    line = F.conv1d(mt.tensor(x[0, :, :1].copy().swapaxes(0, 1)), mt.tensor(w[:, :, 0]), None, 1, 0, 1, 2)
    want = convolved(x[0, :, :1].swapaxes(0, 1)[:, :, None], w[:, :, :1], 1, 0, 2)
    np.testing.assert_array_equal(line.numpy(), wrapped(want[:, :, 0], dtype))
    y = draw(dtype, big, 1, 4, 3, 3)
    spread = np.zeros((1, 4, 5, 5), dtype)
    spread[:, :, ::2, ::2] = y
    flipped = w.reshape(2, 2, 2, 3, 3)[..., ::-1, ::-1].swapaxes(1, 2).reshape(4, 2, 3, 3)
    back = F.conv_transpose2d(mt.tensor(y), mt.tensor(w), None, 2, 0, 0, 2)
    np.testing.assert_array_equal(back.numpy(), wrapped(convolved(spread, flipped, 1, 2, 2), dtype))


@pytest.mark.parametrize("big", BIG)
@pytest.mark.parametrize("dtype", DTYPES)
def test_linear(dtype: str, big: bool) -> None:
    """x @ wT + b."""
    x, w, b = draw(dtype, big, 3, 2, 5), draw(dtype, big, 4, 5), draw(dtype, big, 4)
    out = F.linear(mt.tensor(x), mt.tensor(w), mt.tensor(b))
    np.testing.assert_array_equal(out.numpy(), wrapped(x.astype(object) @ w.T.astype(object) + b, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pooling(dtype: str) -> None:
    """Neighbours that no float tells apart, and the lowest number; positions count in the plane."""
    limits = np.iinfo(dtype)
    x = np.array([[[limits.max - 1, limits.max, limits.min, limits.min], [0, 1, limits.min, limits.min]]], dtype)
    out, places = F.max_pool2d(mt.tensor(x), 2, return_indices=True)
    assert out.tolist() == [[[limits.max, limits.min]]] and places.tolist() == [[[1, 2]]]
    assert F.max_pool2d(mt.tensor(x), 2).dtype is getattr(mt, dtype)


def test_average_pooling() -> None:
    """Of int64, as PyTorch has it: the sum, divided, cut off; other integers are refused."""
    x = mt.tensor([[[-7, 2, 9, 2], [1, 0, 8, 1]]])
    assert F.avg_pool2d(x, 2).tolist() == [[[-1, 5]]]
    assert F.avg_pool2d(x, 2, divisor_override=-3).tolist() == [[[1, -6]]]
    assert F.avg_pool2d(x, (1, 2), 2, (0, 1), True, False).tolist() == [[[-7, 5, 2]]]
    assert F.avg_pool1d(mt.tensor([[2**62, 2**62 - 2, 5, -6]]), 2).tolist() == [[2**62 - 1, 0]]
    with pytest.raises(NotImplementedError):
        F.avg_pool2d(x.int(), 2)


def test_the_reference_kernel_is_exact() -> None:
    """Convolution in NumPy of int64."""
    x, w = draw("int64", False, 1, 4, 5, 6), draw("int64", False, 4, 2, 3, 3)
    geometry = ConvGeometry.of((5, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2)
    out = np.empty((1, 5, 6, 4), np.int64)
    reference.conv(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), w, out, geometry)
    np.testing.assert_array_equal(out.transpose(0, 3, 1, 2), convolved(x, w, 1, 1, 2).astype(np.int64))


def test_bools_are_refused() -> None:
    """They have no products."""
    with pytest.raises(NotImplementedError, match="bools"):
        F.conv2d(mt.ones(1, 1, 3, 3).bool(), mt.ones(1, 1, 3, 3).bool())
