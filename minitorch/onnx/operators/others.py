"""Operators of quantized numbers, of signals, of chance; and the choice of boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...random import default_generator
from .table import arr, axis_of, dtype_of, number, operator, room, tensor
from .windows import _conv


# --------------------------------------------------------------------------------------------------------- quantized
def _along(v: Any, x: np.ndarray, axis: int, block: int = 0) -> np.ndarray:
    """Scales or zeros beside x: one, one for each place of an axis, or one for each block of it."""
    a = arr(v)
    d = axis_of(axis, x.ndim)
    if block:
        return np.repeat(a, block, d)[tuple(slice(n) for n in x.shape)]
    if a.size == 1:
        return a.reshape(())
    return a.reshape(-1, *(1,) * (x.ndim - d - 1)) if a.ndim == 1 else a


def _quantized(values: np.ndarray, zero: np.ndarray, dtype: np.dtype) -> np.ndarray:
    ends = np.iinfo(dtype)
    return np.clip(np.rint(values) + zero.astype(values.dtype), ends.min, ends.max).astype(dtype)


@operator("QuantizeLinear")
def _quantize(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    dtype = arr(zero).dtype if zero is not None else dtype_of(output_dtype or 2)
    a = arr(x)
    axis = axis if a.ndim > 1 else 0
    s = _along(scale, a, axis, block_size)
    z = np.zeros((), dtype) if zero is None else _along(zero, a, axis, block_size)
    return tensor(_quantized(a / s, z, dtype))


@operator("DequantizeLinear")
def _dequantize(
    x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    a = arr(x)
    axis = axis if a.ndim > 1 else 0
    s = _along(scale, a, axis, block_size)
    z = 0 if zero is None else _along(zero, a, axis, block_size).astype(np.int32)
    dtype = dtype_of(output_dtype) if output_dtype else s.dtype
    return tensor(((a.astype(np.int32) - z) * s).astype(dtype))


@operator("DynamicQuantizeLinear")
def _dynamic_quantize(x: Any) -> tuple:
    a = arr(x)
    low, high = min(float(a.min()), 0.0), max(float(a.max()), 0.0)
    scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(255))
    zero = np.clip(np.rint(np.float32(0) - np.float32(low) / scale), 0, 255) if scale else np.float32(0)
    return tensor(_quantized(a / scale, np.asarray(zero), np.dtype(np.uint8))), tensor(scale), tensor(zero, np.uint8)


def _real(x: Any, scale: Any, zero: Any, axis: int) -> np.ndarray:
    a = arr(x).astype(np.float64)
    return (a - _along(zero, a, axis).astype(np.float64)) * _along(scale, a, axis).astype(np.float64)


@operator("QLinearConv")
def _qlinear_conv(
    x: Any,
    x_scale: Any,
    x_zero: Any,
    w: Any,
    w_scale: Any,
    w_zero: Any,
    y_scale: Any,
    y_zero: Any,
    B: Any = None,
    **settings: Any,
) -> Any:
    real = _conv(tensor(_real(x, x_scale, x_zero, 1)), tensor(_real(w, w_scale, w_zero, 0)), None, **settings)
    out = arr(real)
    if B is not None:
        scale = arr(x_scale).astype(np.float64) * arr(w_scale)
        out = out + (arr(B) * scale.reshape(-1)).reshape(-1, *(1,) * (out.ndim - 2))
    return tensor(_quantized(out / arr(y_scale).astype(np.float64), arr(y_zero), arr(y_zero).dtype))


@operator("QLinearMatMul")
def _qlinear_matmul(
    a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any, y_zero: Any
) -> Any:
    out = _real(a, a_scale, a_zero, -2) @ _real(b, b_scale, b_zero, -1)
    return tensor(_quantized(out / arr(y_scale).astype(np.float64), arr(y_zero), arr(y_zero).dtype))


# ------------------------------------------------------------------------------------------------------------ signals
def _window(name: str, weights: tuple[float, ...]) -> None:
    def window(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
        n = int(number(size))
        room((n,))
        angle = 2 * np.pi * np.arange(n) / (n if periodic else n - 1)
        out = sum((-1) ** k * w * np.cos(k * angle) for k, w in enumerate(weights))
        return tensor(out, dtype_of(output_datatype))

    operator(name)(window)


_window("HannWindow", (0.5, 0.5))
_window("HammingWindow", (25 / 46, 21 / 46))
_window("BlackmanWindow", (0.42, 0.5, 0.08))


def _fourier(x: np.ndarray, axis: int, length: int, inverse: bool, onesided: bool) -> np.ndarray:
    """The transform of x (..., 1 or 2), whose last axis holds real and imaginary parts, along an axis."""
    if inverse and onesided:
        return np.fft.irfft(x[..., 0] + 1j * x[..., 1], length, axis)[..., None].astype(x.dtype)
    z = x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0)
    out = (np.fft.ifft if inverse else np.fft.fft)(z, length, axis)
    if onesided:
        out = out.take(np.arange(length // 2 + 1), axis)
    return np.stack([out.real, out.imag], -1).astype(x.dtype)


@operator("DFT")
def _dft(x: Any, dft_length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0, opset: int) -> Any:
    a = arr(x)
    d = axis_of((1 if opset < 20 else -2) if axis is None else axis, a.ndim)
    n = a.shape[d] if dft_length is None else int(number(dft_length))
    if dft_length is None and inverse and onesided:
        n = 2 * (a.shape[d] - 1)
    room((n,))
    return tensor(_fourier(a, d, n, bool(inverse), bool(onesided)))


@operator("STFT")
def _stft(signal: Any, frame_step: Any, window: Any = None, frame_length: Any = None, *, onesided: int = 1) -> Any:
    a, step = arr(signal), int(number(frame_step))
    size = int(number(frame_length)) if frame_length is not None else arr(window).size
    count = (a.shape[1] - size) // step + 1
    at = np.arange(count)[:, None] * step + np.arange(size)
    frames = (a if a.ndim == 3 else a[..., None])[:, at]
    if window is not None:
        frames = frames * arr(window)[:, None]
    return tensor(_fourier(frames.astype(a.dtype), 2, size, False, bool(onesided)))


@operator("MelWeightMatrix")
def _mel_weights(bins: Any, length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1) -> Any:
    """Triangles over the lines of a spectrum, even in mel."""
    count, size = int(number(bins)), int(number(length)) // 2 + 1
    room((count, size))
    low_mel, high_mel = (2595 * math.log10(1 + number(f) / 700) for f in (low, high))
    step = (high_mel - low_mel) / (count + 2)
    hertz = 700 * (10 ** ((np.arange(count + 2) * step + low_mel) / 2595) - 1)
    edges = ((int(number(length)) + 1) * hertz // number(rate)).astype(int)
    out = np.zeros((size, count))
    for k in range(count):
        a, b, c = edges[k : k + 3]
        if a == b:
            out[b, k] = 1
        else:
            out[a : b + 1, k] = (np.arange(a, b + 1) - a) / (b - a)
        if c > b:
            out[b:c, k] = (c - np.arange(b, c)) / (c - b)
    return tensor(out, dtype_of(output_datatype))


# ------------------------------------------------------------------------------------------------------------- chance
def _generator(seed: Any) -> np.random.Generator:
    return default_generator.numpy if seed is None else np.random.default_rng(int(seed))


@operator("RandomNormal")
def _random_normal(*, shape: Any, dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: Any = None) -> Any:
    return tensor(_generator(seed).normal(mean, scale, room(shape)), dtype_of(dtype))


@operator("RandomUniform")
def _random_uniform(*, shape: Any, dtype: int = 1, low: float = 0.0, high: float = 1.0, seed: Any = None) -> Any:
    return tensor(_generator(seed).uniform(low, high, room(shape)), dtype_of(dtype))


@operator("RandomNormalLike")
def _random_normal_like(
    input: Any, *, dtype: Any = None, mean: float = 0.0, scale: float = 1.0, seed: Any = None
) -> Any:
    out = _generator(seed).normal(mean, scale, arr(input).shape)
    return tensor(out, arr(input).dtype if dtype is None else dtype_of(dtype))


@operator("RandomUniformLike")
def _random_uniform_like(
    input: Any, *, dtype: Any = None, low: float = 0.0, high: float = 1.0, seed: Any = None
) -> Any:
    out = _generator(seed).uniform(low, high, arr(input).shape)
    return tensor(out, arr(input).dtype if dtype is None else dtype_of(dtype))


@operator("Bernoulli")
def _bernoulli(input: Any, *, dtype: Any = None, seed: Any = None) -> Any:
    hit = _generator(seed).random(arr(input).shape) < arr(input)
    return tensor(hit, arr(input).dtype if dtype is None else dtype_of(dtype))


@operator("Multinomial")
def _multinomial(input: Any, *, dtype: int = 6, sample_size: int = 1, seed: Any = None) -> Any:
    """Class numbers, drawn by unnormalised logarithms of probabilities: the largest of each with Gumbel's noise."""
    a, rng = arr(input), _generator(seed)
    room((a.shape[0], sample_size, a.shape[1]))
    noise = rng.gumbel(size=(a.shape[0], sample_size, a.shape[1]))
    return tensor((a[:, None] + noise).argmax(-1), dtype_of(dtype))


# ------------------------------------------------------------------------------------------------------------- boxes
@operator("NonMaxSuppression")
def _non_max_suppression(
    boxes: Any, scores: Any, most: Any = None, iou: Any = None, least: Any = None, *, center_point_box: int = 0
) -> Any:
    """(image, class, box) of the best boxes, from the best down, that overlap no better one by more than `iou`."""
    at, points = arr(boxes).astype(np.float64), arr(scores)
    limit, overlap = int(number(most) or 0), float(number(iou) or 0.0)
    found: list[tuple[int, int, int]] = []
    for image in range(points.shape[0]):
        box = at[image]
        if center_point_box:
            middle, half = box[:, :2], box[:, 2:] / 2
            low, high = (middle - half)[:, ::-1], (middle + half)[:, ::-1]
        else:
            low, high = np.minimum(box[:, :2], box[:, 2:]), np.maximum(box[:, :2], box[:, 2:])
        area = (high - low).prod(1)
        for kind in range(points.shape[1]):
            s = points[image, kind]
            order = np.argsort(-s, kind="stable")
            if least is not None:
                order = order[s[order] > number(least)]
            kept: list[int] = []
            for k in order:
                if len(kept) >= limit:
                    break
                common = np.clip(np.minimum(high[k], high[kept]) - np.maximum(low[k], low[kept]), 0, None).prod(1)
                if not (common > overlap * (area[k] + area[kept] - common)).any():
                    kept.append(int(k))
            found.extend((image, kind, k) for k in kept)
    return tensor(np.array(found, np.int64).reshape(-1, 3))
