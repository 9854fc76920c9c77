"""Transforms that turn, shear and bend."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import to_tensor
from minitorch.utils.data.stream import Stream, current_stream

from . import functional as F
from .base import OnBatches, Sometimes, between, branch, check_chance
from .functional.blur import gaussian_weights
from .functional.scaling import InterpolationMode, mode_of
from .kinds import Number

__all__ = ["ElasticTransform", "RandomAffine", "RandomPerspective", "RandomRotation"]


def angles(value: float | Sequence[float], who: str, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """[-value, value] of one number, or the sequence."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"{who}: If {name} is a single number, it must be positive, but is {value}")
        return [-float(value), float(value)]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{who}: {name} should be a number or a sequence of length {sizes}, but is {value!r}")
    if len(value) not in sizes:
        raise ValueError(f"{who}: {name} should be a sequence of length {' or '.join(map(str, sizes))}, but is {value}")
    return [float(number) for number in value]


def _checked_center(center: Any, who: str) -> Any:
    if center is not None and not isinstance(center, Sequence):
        raise TypeError(f"{who}: center should be a sequence of two numbers (x, y), but is {center!r}")
    if center is not None and len(center) != 2:
        raise ValueError(f"{who}: center should be a sequence of length 2, but is {center}")
    return center


def _checked_fill(fill: Any, who: str) -> Any:
    if fill is not None and (isinstance(fill, str) or not isinstance(fill, (Sequence, numbers.Real))):
        raise TypeError(f"{who}: Fill should be either a sequence or a number, but is {fill!r}")
    return 0 if fill is None else fill


class RandomRotation(OnBatches):
    """Turned counter-clockwise by an angle in `degrees`, (low, high) or one number for (-it, it). See `F.rotate`."""

    in_blocks = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = angles(degrees, "RandomRotation", "degrees")
        self.interpolation, self.expand = mode_of(interpolation), expand
        self.center, self.fill = _checked_center(center, "RandomRotation"), _checked_fill(fill, "RandomRotation")

    @property
    def one_size(self) -> bool:
        """Whether all images of a batch come out alike in size."""
        return not self.expand

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return float(between(current_stream(1), *degrees)[0])

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (between(stream, *self.degrees),)

    def change(self, image: Any, angle: Number) -> Any:
        return F.rotate(image, angle, self.interpolation, self.expand, self.center, self.fill)

    def extra_repr(self) -> str:
        center = "" if self.center is None else f"center={self.center}, "
        return (
            f"degrees={self.degrees}, interpolation={self.interpolation.value}, expand={self.expand}, "
            f"{center}fill={self.fill}"
        )


class RandomAffine(OnBatches):
    """Turned by `degrees`, moved by up to `translate` of width and height, scaled by `scale`, sheared.

    `shear` in degrees is one number, (low, high) for shearing along x, or four for x and y. See `F.affine`.
    """

    in_blocks = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = angles(degrees, "RandomAffine", "degrees")
        for name, pair in (("translate", translate), ("scale", scale)):
            if pair is not None and not isinstance(pair, Sequence):
                raise TypeError(f"RandomAffine: {name} should be a sequence of length 2, but is {pair!r}")
            if pair is not None and len(pair) != 2:
                raise ValueError(f"RandomAffine: {name} should be a sequence of length 2, but is {pair}")
        if translate is not None and not all(0 <= part <= 1 for part in translate):
            raise ValueError(f"RandomAffine: translation values should be between 0 and 1, but are {translate}")
        if scale is not None and not all(part > 0 for part in scale):
            raise ValueError(f"RandomAffine: scale values should be positive, but are {scale}")
        self.shear = None if shear is None else angles(shear, "RandomAffine", "shear", (2, 4))
        self.translate, self.scale, self.interpolation = translate, scale, mode_of(interpolation)
        self.fill, self.center = _checked_fill(fill, "RandomAffine"), _checked_center(center, "RandomAffine")

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, translation, scale and shear for an image of `img_size` (width, height)."""
        size = (img_size[1], img_size[0])
        angle, tx, ty, scale, sx, sy = (
            float(number[0])
            for number in _random_affine(current_stream(1), size, degrees, translate, scale_ranges, shears)
        )
        return angle, (int(tx), int(ty)), scale, (sx, sy)

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return _random_affine(stream, size, self.degrees, self.translate, self.scale, self.shear)

    def change(self, image: Any, angle: Number, tx: Number, ty: Number, scale: Number, sx: Number, sy: Number) -> Any:
        return F.affine(image, angle, (tx, ty), scale, (sx, sy), self.interpolation, self.fill, self.center)

    def extra_repr(self) -> str:
        said = [f"degrees={self.degrees}"]
        said += [
            f"{name}={value}" for name in ("translate", "scale", "shear") if (value := getattr(self, name)) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            said.append(f"interpolation={self.interpolation.value}")
        said += [f"fill={self.fill}"] if self.fill != 0 else []
        said += [f"center={self.center}"] if self.center is not None else []
        return ", ".join(said)


def _random_affine(
    stream: Stream, size: tuple[int, int], degrees: Any, translate: Any, scale: Any, shear: Any
) -> tuple[np.ndarray, ...]:
    """Angles, moves along x and y in whole pixels, scales, shears along x and y; six numbers of each sample."""
    height, width = size
    far_x, far_y = (0.0, 0.0) if translate is None else (translate[0] * width, translate[1] * height)
    shears = [0.0, 0.0, 0.0, 0.0] if shear is None else [*shear, 0.0, 0.0][:4]
    return (
        between(stream, *degrees),
        np.rint(between(stream, -far_x, far_x)),
        np.rint(between(stream, -far_y, far_y)),
        between(stream, *(scale or (1.0, 1.0))),
        between(stream, *shears[:2]),
        between(stream, *shears[2:]),
    )


class RandomPerspective(Sometimes):
    """With probability `p`, seen from another side: each corner moves inwards by up to half of `distortion_scale`."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        self.p, self.distortion_scale = check_chance(p, "RandomPerspective"), distortion_scale
        self.interpolation, self.fill = mode_of(interpolation), _checked_fill(fill, "RandomPerspective")

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """Startpoints and endpoints: corners [x, y], clockwise from the top left."""
        (ends,) = _random_corners(current_stream(1), (height, width), distortion_scale)
        return _corners(height, width).tolist(), ends[0].tolist()

    def numbers(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return _random_corners(stream, size, self.distortion_scale)

    def change(self, image: Any, endpoints: Any) -> Any:
        _, height, width = F.get_dimensions(image)
        start = _corners(height, width)
        if isinstance(image, np.ndarray):
            start = np.broadcast_to(start, endpoints.shape)
        return F.perspective(image, start, endpoints, self.interpolation, self.fill)


def _corners(height: int, width: int) -> np.ndarray:
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])


def _random_corners(stream: Stream, size: tuple[int, int], distortion: float) -> tuple[np.ndarray]:
    """Where the corners come to: (n, 4, 2) integers."""
    height, width = size
    across = [stream.integers(int(distortion * (width // 2)) + 1) for _ in range(4)]
    down = [stream.integers(int(distortion * (height // 2)) + 1) for _ in range(4)]
    x = [across[0], width - 1 - across[1], width - 1 - across[2], across[3]]
    y = [down[0], down[1], height - 1 - down[2], height - 1 - down[3]]
    return (np.stack([np.stack(x, axis=1), np.stack(y, axis=1)], axis=2),)


class ElasticTransform(OnBatches):
    """Each pixel from a place up to `alpha` pixels away, by noise that `sigma` smooths: as if drawn on rubber."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        self.alpha, self.sigma = self._two(alpha, "alpha"), self._two(sigma, "sigma")
        self.interpolation, self.fill = mode_of(interpolation), _checked_fill(fill, "ElasticTransform")

    @staticmethod
    def _two(value: float | Sequence[float], name: str) -> list[float]:
        if not isinstance(value, (numbers.Real, Sequence)):
            raise TypeError(f"ElasticTransform: {name} should be float or a sequence of floats, but is {value!r}")
        values = [value] if isinstance(value, numbers.Real) else list(value)
        if len(values) not in (1, 2):
            raise ValueError(f"ElasticTransform: {name} should have one or two values, but is {value!r}")
        if not all(isinstance(number, numbers.Real) for number in values):
            raise TypeError(f"ElasticTransform: {name} should be a sequence of floats, but is {value!r}")
        return [float(values[0]), float(values[-1])]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Any:
        """A random displacement (1, H, W, 2) for an image of `size` (height, width)."""
        return to_tensor(_random_moves(current_stream(1), (size[0], size[1]), alpha, sigma)[:1].astype(np.float32))

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (_random_moves(stream, size, self.alpha, self.sigma),)

    def change(self, image: Any, moves: np.ndarray) -> Any:
        if isinstance(image, np.ndarray):
            return F.elastic_transform(image, moves, self.interpolation, self.fill)
        from .kinds import as_batch

        batch, back = as_batch(image, "ElasticTransform")
        return back(F.elastic_transform(batch, moves[None], self.interpolation, self.fill))

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, fill={self.fill}"


def _random_moves(stream: Stream, size: tuple[int, int], alpha: Sequence[float], sigma: Sequence[float]) -> np.ndarray:
    """(n, H, W, 2): noise in [-1, 1), smoothed, of up to `alpha` pixels; in halves of width and height times two."""
    seeds = branch(stream).words()
    moves = np.stack([np.random.default_rng(int(seed)).uniform(-1, 1, (*size, 2)) for seed in seeds])
    for direction, (far, spread) in enumerate(zip(alpha, sigma, strict=True)):
        noise = moves[..., direction]
        if spread > 0:
            reach = int(8 * spread + 1) // 2
            weights = gaussian_weights(2 * reach + 1, spread)
            for axis in (1, 2):
                wide = np.pad(noise, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="symmetric")
                parts = (
                    wide[(slice(None),) * axis + (slice(k, k + size[axis - 1]),)] * w for k, w in enumerate(weights)
                )
                noise = sum(parts)
        moves[..., direction] = noise * far / size[direction]
    return moves
