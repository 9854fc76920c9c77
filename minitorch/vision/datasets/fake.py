"""FakeData: noise in the shape of a data set, to try a program on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .image_set import ImageSet


class FakeData(ImageSet):
    """`size` images of noise, `image_size` (C, H, W), in `num_classes` classes; image i is always the same.

    A sample is a uint8 array (H, W, C) and an int, transformed.

    Raises:
        IndexError: there is no such image.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform, target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset, self.classes = random_offset, [str(number) for number in range(num_classes)]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -self.size <= index < self.size:
            raise IndexError(f"FakeData index out of range: {index} of {self.size}")
        random = np.random.default_rng(index % self.size + self.random_offset)
        channels, height, width = self.image_size
        target = int(random.integers(self.num_classes))
        return self._transformed(random.integers(0, 256, (height, width, channels), np.uint8), target)
