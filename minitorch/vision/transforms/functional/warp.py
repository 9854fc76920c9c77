"""Turning, shearing and bending: where each pixel of the result comes from, and what is there.

Places are (x, y) in pixels, the middle of the first pixel at (0.5, 0.5). Settings may be one per image of a batch.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import to_array

from ..kinds import Number, back_to, change, fills, is_pil, refuse_palette
from .scaling import InterpolationMode, for_pillow, mode_of

__all__ = ["affine", "elastic_transform", "perspective", "rotate"]


def inverse_affine(
    center: Sequence[float], angle: Number, translate: Sequence[Number], scale: Number, shear: Sequence[Number]
) -> np.ndarray:
    """(..., 2, 3): where a pixel of the result comes from, x = M @ (x', y', 1). Angles in degrees, clockwise on screen.

    Forward, a place p goes to T + c + scale R(angle) S (p - c), where S shears: with angle - shear_y for one turn,

        A = [[cos(a - sy) / cos sy,  -cos(a - sy) tan sx / cos sy - sin a],
             [sin(a - sy) / cos sy,  -sin(a - sy) tan sx / cos sy + cos a]]

    whose determinant is 1. So its inverse has the same four numbers, two exchanged and two negated.
    """
    a, sx, sy, scale = (np.asarray(value, np.float64) for value in (np.radians(angle), *map(np.radians, shear), scale))
    xx = np.cos(a - sy) / np.cos(sy)
    xy = -np.cos(a - sy) * np.tan(sx) / np.cos(sy) - np.sin(a)
    yx = np.sin(a - sy) / np.cos(sy)
    yy = -np.sin(a - sy) * np.tan(sx) / np.cos(sy) + np.cos(a)
    linear = [[yy / scale, -xy / scale], [-yx / scale, xx / scale]]
    (cx, cy), (tx, ty) = center, translate
    rows = [(p, q, p * (-cx - tx) + q * (-cy - ty) + c) for (p, q), c in zip(linear, (cx, cy), strict=True)]
    flat = np.broadcast_arrays(*rows[0], *rows[1])
    return np.stack(flat, axis=-1).reshape(*flat[0].shape, 2, 3)


def pixels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x (1, W) and y (H, 1) of the middles of pixels."""
    return np.arange(width)[None, :] + 0.5, np.arange(height)[:, None] + 0.5


def sample(
    images: np.ndarray, x: np.ndarray, y: np.ndarray, mode: InterpolationMode, fill: Any, who: str
) -> np.ndarray:
    """Images (N, H, W, C) at places x, y (N or 1, H', W').

    The image ends in black. With a `fill`, what is half outside is mixed with it by how much of it is inside.
    """
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"{who}: Interpolation mode '{mode.value}' is unsupported with Tensor input")
    count, height, width, channels = images.shape
    pixel = np.ascontiguousarray(images).reshape(-1, channels)
    first = np.arange(count, dtype=np.int64)[:, None, None] * (height * width)
    # fmin and fmax pass over NaN, which is outside then
    x, y = np.fmax(np.fmin(x - 0.5, width + 1), -2), np.fmax(np.fmin(y - 0.5, height + 1), -2)
    if mode is InterpolationMode.NEAREST:
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        values = pixel.take(np.where(inside, row * width + column, 0) + first, axis=0)
        colour = np.asarray(fills(fill, channels, who)).astype(images.dtype)
        return np.where(inside[..., None], values, colour)
    floats = images.dtype if images.dtype.kind == "f" else np.dtype(np.float32)
    columns, rows = _neighbours(x, width, floats), _neighbours(y, height, floats)
    out, covered = np.zeros((), floats), np.zeros((), floats)
    for row, down in rows:
        for column, right in columns:
            weight = (down * right)[..., None]
            out, covered = out + pixel.take(row * width + column + first, axis=0) * weight, covered + weight
    if fill is not None:
        out = out * covered + (1 - covered) * np.asarray(fills(fill, channels, who), floats)
    return back_to(out, images.dtype)


def _neighbours(place: np.ndarray, size: int, dtype: np.dtype) -> list[tuple[np.ndarray, np.ndarray]]:
    """The positions below and above a place on an axis, each with its weight: 0 where it is outside."""
    below = np.floor(place)
    share = (place - below).astype(dtype)
    low = below.astype(np.int64)
    both = ((low, 1 - share), (low + 1, share))
    return [(np.clip(at, 0, size - 1), np.where((at >= 0) & (at < size), weight, 0)) for at, weight in both]


def _affine_places(matrix: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a result of this size come from; `matrix` counts both from the middles of the images."""
    x, y = pixels(height, width)
    rows = matrix.reshape(-1, 2, 3, 1, 1)
    return tuple(rows[:, k, 0] * (x - width / 2) + rows[:, k, 1] * (y - height / 2) + rows[:, k, 2] for k in (0, 1))


def _pillow_fill(image: Any, fill: Any, who: str) -> Any:
    """`fill` as Pillow takes it: one number, or one per band."""
    bands = len(image.getbands())
    values = fills(fill, bands, who)
    values = values if image.mode == "F" else tuple(int(value) for value in values)
    return values if bands > 1 else values[0]


def _two(value: Any, who: str, name: str) -> tuple[Any, Any]:
    values = tuple(value) if isinstance(value, (Sequence, np.ndarray)) else (value, 0.0)
    if len(values) == 1:
        values = (values[0], values[0])
    if len(values) != 2:
        raise ValueError(f"{who}: {name} should be a sequence containing two values. Got {value}")
    return values[0], values[1]


def affine(
    img: Any,
    angle: Number,
    translate: Sequence[Number],
    scale: Number,
    shear: Number | Sequence[Number],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Sheared, scaled, turned by `angle` degrees clockwise, then moved by `translate` pixels.

    `shear` is in degrees, along x or along x and y. `center` is the place (x, y) that only `translate` moves: the
    middle if not given.

    Raises:
        TypeError: `angle`, `translate` or `shear` are no numbers.
        ValueError: `scale` is not positive, or `translate`, `shear` or `center` have another length.
    """
    if not isinstance(angle, (numbers.Real, np.ndarray)):
        raise TypeError(f"affine: Argument angle should be int or float, but is {angle!r}")
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"affine: Argument translate should be a sequence, but is {translate!r}")
    if len(translate) != 2:
        raise ValueError(f"affine: Argument translate should be a sequence of length 2, but is {translate}")
    if not np.all(np.asarray(scale) > 0):
        raise ValueError(f"affine: Argument scale should be positive, but is {scale}")
    if not isinstance(shear, (numbers.Real, list, tuple)):
        raise TypeError(f"affine: Shear should be either a single value or a sequence of two values, but is {shear!r}")
    shears = _two(shear, "affine", "Shear")
    mode = mode_of(interpolation)
    if center is not None and (not isinstance(center, (list, tuple)) or len(center) != 2):
        raise ValueError(f"affine: Argument center should be a sequence of two numbers, but is {center!r}")
    if is_pil(img):
        around = center or (img.width * 0.5, img.height * 0.5)
        matrix = inverse_affine(around, angle, translate, scale, shears)
        colour = _pillow_fill(img, fill, "affine")
        return img.transform(img.size, 0, tuple(matrix.reshape(-1)), for_pillow(mode), fillcolor=colour)

    def work(x: np.ndarray) -> np.ndarray:
        height, width = x.shape[1:3]
        cx, cy = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
        matrix = inverse_affine((cx, cy), angle, translate, scale, shears)
        sx, sy = _affine_places(matrix, height, width)
        return sample(x, sx + width / 2, sy + height / 2, mode, fill, "affine")

    return change(img, "affine", work)


def _turned_size(matrix: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Height and width that hold all of the turned image, a ten-thousandth of a pixel more or less."""
    x, y = width * 0.5, height * 0.5
    corners = np.array([(-x, -y, 1), (-x, y, 1), (x, y, 1), (x, -y, 1)]) @ matrix.T + (x, y)
    low, high = np.floor(corners.min(axis=0) + 1e-4), np.ceil(corners.max(axis=0) - 1e-4)
    wide, tall = (high - low).astype(int)
    return int(tall), int(wide)


def rotate(
    img: Any,
    angle: Number,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turned by `angle` degrees counter-clockwise about its middle, or about `center` (x, y).

    With `expand` the result is large enough for all of the turned image, about the middle.

    Raises:
        TypeError: `angle` is no number.
    """
    if not isinstance(angle, (numbers.Real, np.ndarray)):
        raise TypeError(f"rotate: Argument angle should be int or float, but is {angle!r}")
    mode = mode_of(interpolation)
    if center is not None and (not isinstance(center, (list, tuple)) or len(center) != 2):
        raise ValueError(f"rotate: Argument center should be a sequence of two numbers, but is {center!r}")
    if is_pil(img):
        return img.rotate(angle, for_pillow(mode), expand, center, fillcolor=_pillow_fill(img, fill, "rotate"))

    def work(x: np.ndarray) -> np.ndarray:
        height, width = x.shape[1:3]
        cx, cy = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
        matrix = inverse_affine((cx, cy), -np.asarray(angle, float), (0.0, 0.0), 1.0, (0.0, 0.0))
        tall, wide = _turned_size(matrix.reshape(-1, 2, 3)[0], height, width) if expand else (height, width)
        sx, sy = _affine_places(matrix, tall, wide)
        return sample(x, sx + width / 2, sy + height / 2, mode, fill, "rotate")

    return change(img, "rotate", work)


def perspective_coefficients(startpoints: Any, endpoints: Any) -> np.ndarray:
    """(..., 8): a b c d e f g h for which the four `endpoints` (x', y') of the result come from the `startpoints`:

    x = (a x' + b y' + c) / (g x' + h y' + 1), y = (d x' + e y' + f) / (g x' + h y' + 1). Two linear equations a point.
    """
    start, end = np.asarray(startpoints, np.float64), np.asarray(endpoints, np.float64)
    one, zero = np.ones_like(end[..., :1]), np.zeros_like(end)
    end1 = np.concatenate([end, one], axis=-1)
    zero1 = np.concatenate([zero, 0 * one], axis=-1)
    for_x = np.concatenate([end1, zero1, -start[..., :1] * end], axis=-1)
    for_y = np.concatenate([zero1, end1, -start[..., 1:] * end], axis=-1)
    left = np.concatenate([for_x, for_y], axis=-2)
    right = np.concatenate([start[..., 0], start[..., 1]], axis=-1)
    return np.linalg.solve(left, right[..., None])[..., 0].astype(np.float32).astype(np.float64)


def perspective(
    img: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Bent so that the four `startpoints` [x, y] (corners, clockwise from the top left) come to the `endpoints`."""
    points = [np.asarray(p, np.float64) for p in (startpoints, endpoints)]
    if any(p.shape[-2:] != (4, 2) for p in points):
        raise ValueError(f"perspective: needs four points [x, y] each, but got {points[0].shape} and {points[1].shape}")
    mode = mode_of(interpolation)
    coefficients = perspective_coefficients(*points)
    if is_pil(img):
        colour = _pillow_fill(img, fill, "perspective")
        return img.transform(img.size, 2, tuple(coefficients.reshape(-1)), for_pillow(mode), fillcolor=colour)

    def work(images: np.ndarray) -> np.ndarray:
        x, y = pixels(*images.shape[1:3])
        a, b, c, d, e, f, g, h = coefficients.reshape(-1, 8).T[:, :, None, None]
        below = g * x + h * y + 1
        return sample(images, (a * x + b * y + c) / below, (d * x + e * y + f) / below, mode, fill, "perspective")

    return change(img, "perspective", work)


def elastic_transform(
    img: Any, displacement: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Pixel (x, y) comes from (x, y) + displacement (1, H, W, 2), whose unit is half the width and half the height.

    Raises:
        ValueError: `displacement` has another shape.
    """
    moves = np.asarray(to_array(displacement), np.float64)
    mode = mode_of(interpolation)
    if mode is not InterpolationMode.NEAREST:
        refuse_palette(img, "elastic_transform")

    def work(images: np.ndarray) -> np.ndarray:
        height, width = images.shape[1:3]
        if moves.shape[1:] != (height, width, 2) or moves.ndim != 4:
            raise ValueError(f"Argument displacement shape should be {(1, height, width, 2)}, but given {moves.shape}")
        x, y = pixels(height, width)
        return sample(
            images, x + moves[..., 0] * (width / 2), y + moves[..., 1] * (height / 2), mode, fill, "elastic_transform"
        )

    return change(img, "elastic_transform", work)


def degrees_of_shear(slope: float) -> float:
    """The angle whose tangent is `slope`."""
    return math.degrees(math.atan(slope))
