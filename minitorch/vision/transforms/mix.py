"""Transforms of whole batches with their labels: MixUp and CutMix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_tensor
from minitorch.utils.data.stream import current_stream

from .base import branch, replaced
from .kinds import kind

__all__ = ["CutMix", "MixUp"]


class _Mixed:
    """A batch mixed with itself, shifted by one image."""

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: str | Callable[[Any], Any] = "default",
    ) -> None:
        if alpha <= 0:
            raise ValueError(f"{type(self).__name__}: `alpha` should be positive, but is {alpha}")
        self.alpha, self.num_classes, self.labels_getter = float(alpha), num_classes, labels_getter

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = _tensors(sample)
        images = next((leaf for leaf in leaves if leaf.ndim >= 4), None)
        if images is None:
            raise ValueError(f"{type(self).__name__}: needs a batch of images (N, C, H, W), but got {kind(sample)}")
        others = [leaf for leaf in leaves if leaf is not images]
        first = others[0] if others else None
        labels = self.labels_getter(sample) if callable(self.labels_getter) else first
        if labels is None or not is_tensor(labels):
            raise ValueError(
                f"{type(self).__name__}: could not find labels in the batch: needs a Tensor beside the images"
            )
        parts = self._parts(labels, len(images))
        own = branch(current_stream(1))
        random = np.random.default_rng(int(own.words()[0]))
        share = float(random.beta(self.alpha, self.alpha))
        mixed, share = self._mix(images.array, share, random)
        done = {
            id(images): to_tensor(mixed),
            id(labels): to_tensor(parts * np.float32(share) + np.roll(parts, 1, 0) * np.float32(1 - share)),
        }
        return replaced(sample, done)

    def _parts(self, labels: Any, count: int) -> np.ndarray:
        """Labels as probabilities, float32 (N, classes)."""
        values = labels.array
        if values.ndim == 1 and self.num_classes is None:
            raise ValueError(f"{type(self).__name__}: num_classes must be passed if the labels are index-based (1D)")
        if values.ndim not in (1, 2) or len(values) != count:
            raise ValueError(
                f"{type(self).__name__}: labels should be (N,) or (N, classes) for N = {count} images, "
                f"but their shape is {values.shape}"
            )
        if values.ndim == 2:
            return values.astype(np.float32)
        if len(values) and not 0 <= values.min() <= values.max() < (self.num_classes or 0):
            raise ValueError(
                f"{type(self).__name__}: labels should lie in [0, {self.num_classes}), but reach {values.max()}"
            )
        return np.eye(self.num_classes or 0, dtype=np.float32)[values]

    def _mix(self, images: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, float]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(_Mixed):
    """`share` of each image and 1 - share of the one before it, share from Beta(alpha, alpha). Arguments: see `CutMix`.

    Raises:
        ValueError: there are no labels, or labels and images do not fit to each other, or images are no floats.
    """

    def _mix(self, images: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, float]:
        if images.dtype.kind != "f":
            raise ValueError(f"MixUp: needs images of floats (put ToTensor before it), but got {images.dtype}")
        return images * images.dtype.type(share) + np.roll(images, 1, 0) * images.dtype.type(1 - share), share


class CutMix(_Mixed):
    """A rectangle of each image out of the one before it: about 1 - share of the area, share from Beta(alpha, alpha).

    It takes images (N, C, H, W) and labels, as two arguments or as a tuple, list or dict. Labels are integers (N,), of
    which there are `num_classes`, or probabilities (N, classes), and come back as probabilities, by area.
    `labels_getter(batch)` finds them: the first Tensor beside the images if "default".

    Raises:
        ValueError: there are no labels, or labels and images do not fit to each other.
    """

    def _mix(self, images: np.ndarray, share: float, random: np.random.Generator) -> tuple[np.ndarray, float]:
        height, width = images.shape[-2:]
        x, y = int(random.integers(width)), int(random.integers(height))
        half = 0.5 * np.sqrt(1 - share)
        left, right = max(0, x - int(half * width)), min(width, x + int(half * width))
        top, bottom = max(0, y - int(half * height)), min(height, y + int(half * height))
        out = images.copy(order="K")
        out[..., top:bottom, left:right] = np.roll(images[..., top:bottom, left:right], 1, 0)
        return out, 1 - (bottom - top) * (right - left) / (height * width)


def _tensors(sample: Any) -> list:
    if isinstance(sample, dict):
        return [leaf for value in sample.values() for leaf in _tensors(value)]
    if isinstance(sample, (tuple, list)):
        return [leaf for value in sample for leaf in _tensors(value)]
    return [sample] if is_tensor(sample) else []
