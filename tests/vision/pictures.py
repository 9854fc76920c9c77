"""Made-up photographs and their labels."""

from __future__ import annotations

import numpy as np

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def photographs(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def labels_of(count: int, seed: int, classes: int = 10) -> list[int]:
    return np.random.default_rng(seed).integers(0, classes, count).tolist()
