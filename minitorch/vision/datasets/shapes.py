"""Shapes: a data set that is computed, in integers, so that every machine makes the same bytes.

Each image shows one of ten shapes at a random place, size, turn and colour over blotchy, grainy noise. Colours
and their contrast have random signs, so that no single pixel tells anything of the class: a linear classifier stays
near chance (13 % after 40 epochs), and a small convolutional network gets 92 % right after three epochs, 98 % after
eight.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np

from minitorch.utils.data.stream import GAMMA, Stream, mix

from .image_set import ArrayImages

SIZE = 32
UNIT = 1024  # a shape's radius, in the units of its own coordinates u, v
SUB = 16  # a pixel, in the units of places and radii
TURNS = 128  # different angles
# Sine of k / TURNS of a full turn: rounded, so that no machine's libm matters in the last place.
SINE = np.array([round(UNIT * math.sin(2 * math.pi * k / TURNS)) for k in range(TURNS)], np.int32)


def _disc(u: np.ndarray, v: np.ndarray, radius: int) -> np.ndarray:
    return u * u + v * v <= radius * radius


def _box(u: np.ndarray, v: np.ndarray, half_width: int, half_height: int) -> np.ndarray:
    return (np.abs(u) <= half_width) & (np.abs(v) <= half_height)


def _sides_passed(u: np.ndarray, v: np.ndarray, sides: int, distance: int) -> np.ndarray:
    """For how many sides of a regular polygon, `distance` from its centre, a point lies on the inner side."""
    angles = [2 * math.pi * k / sides for k in range(sides)]
    normals = [(round(UNIT * math.cos(angle)), round(UNIT * math.sin(angle))) for angle in angles]
    return sum((u * x + v * y <= distance * UNIT).astype(np.int8) for x, y in normals)


# Which points (u, v) belong to a shape of radius UNIT = 1024. The coordinates are int32; no product leaves it.
SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda u, v: _disc(u, v, 880),
    "square": lambda u, v: _box(u, v, 760, 760),
    "triangle": lambda u, v: _sides_passed(u, v, 3, 530) == 3,
    # The five lines of a pentagram run cos(72 degrees) = 0.309 from its centre; its inside is within four of them.
    "star": lambda u, v: _sides_passed(u, v, 5, 340) >= 4,
    "cross": lambda u, v: _box(u, v, 1000, 300) | _box(u, v, 300, 1000),
    "ring": lambda u, v: _disc(u, v, 980) & ~_disc(u, v, 560),
    "crescent": lambda u, v: _disc(u, v, 1020) & ~_disc(u - 480, v, 780),
    "heart": lambda u, v: (np.abs(u) + np.abs(v) <= 840) | _disc(np.abs(u) - 420, v - 420, 594),
    "arrow": lambda u, v: _box(u + 480, v, 560, 210) | ((u >= 0) & (u + np.abs(v) <= 1020)),
    "frame": lambda u, v: _box(u, v, 800, 800) & ~_box(u, v, 440, 440),
}


def draw_shapes(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 32, 32, 3) and labels int64 (n,); image i depends on `indices[i]` alone."""
    random = Stream(seed=2016, indices=indices)
    labels = indices % len(SHAPES)
    radius = 9 * SUB + random.integers(5 * SUB)
    place = [radius + random.integers(SIZE * SUB + 1 - 2 * radius) for _ in "xy"]
    turn = random.integers(TURNS)
    below = np.stack([40 + random.integers(176) for _ in "rgb"], axis=1)
    contrast = np.stack([60 + random.integers(61) for _ in "rgb"], axis=1)
    sign = np.stack([2 * random.integers(2) - 1 for _ in "rgb"], axis=1)
    # The other sign where the shape's colour would leave [0, 255].
    sign = np.where((below + sign * contrast) // 256 == 0, sign, -sign)

    cover = np.empty((len(indices), SIZE, SIZE, 1), np.int16)
    for label, inside in enumerate(SHAPES.values()):
        rows = labels == label
        cover[rows, :, :, 0] = _coverage(inside, place[0][rows], place[1][rows], radius[rows], turn[rows])
    images = below[:, None, None] * 4 + (sign * contrast)[:, None, None] * cover >> 2
    images = images.astype(np.int16)

    keys = random.words()[:, None]
    blotch = _noise(keys, 8 * 8 * 3).reshape(-1, 8, 1, 8, 1, 3)
    grain = _noise(keys ^ np.uint64(2**63), SIZE * SIZE * 3).reshape(-1, 8, 4, 8, 4, 3)
    images += ((blotch >> 3) + (grain >> 3)).reshape(images.shape)
    return images.clip(0, 255).astype(np.uint8), labels


def _coverage(
    inside: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
    turn: np.ndarray,
) -> np.ndarray:
    """How many of the 2 x 2 points in each pixel lie inside a shape: 0 to 4, (n, 32, 32)."""
    x, y, radius, turn = (a.astype(np.int32)[:, None, None] for a in (x, y, radius, turn))
    points = np.arange(2 * SIZE, dtype=np.int32) * (SUB // 2) + SUB // 4
    sine, cosine = SINE[turn], SINE[(turn + TURNS // 4) % TURNS]
    dx, dy = points[None, None, :] - x, points[None, :, None] - y
    u = (dx * cosine + dy * sine) // radius
    v = (dy * cosine - dx * sine) // radius
    return inside(u, v).reshape(-1, SIZE, 2, SIZE, 2).sum(axis=(2, 4), dtype=np.int16)


def _noise(keys: np.ndarray, count: int) -> np.ndarray:
    """`count` integers in [-128, 127] for each key, int16 (n, count)."""
    words = mix(keys + np.arange(1, count // 8 + 1, dtype=np.uint64) * GAMMA)
    return words.astype("<u8").view(np.int8).astype(np.int16)


class Shapes(ArrayImages):
    """10,000 images to train and 2,000 to test, 32 x 32 in colour, of ten shapes; made in about a second.

    `data` is uint8 (N, 32, 32, 3), `targets` a list of ints, label i % 10 for image i. `root` is not used.

    Example:
        >>> len(Shapes(train=False)), Shapes.classes[3]
        (2000, 'star')
    """

    classes = list(SHAPES)

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.train = train
        numbers = np.arange(10_000) if train else np.arange(10_000, 12_000)
        # A thousand at a time: temporaries stay within tens of megabytes.
        parts = [draw_shapes(some) for some in np.split(numbers, len(numbers) // 1000)]
        data, targets = (np.concatenate(column) for column in zip(*parts, strict=True))
        super().__init__(data, targets.tolist(), self.classes, root, transform, target_transform)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"
