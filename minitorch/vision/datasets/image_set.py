"""What all image sets share: transforms, repr, and (for those that fit in memory) samples and whole batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import to_tensor
from minitorch.utils.data.collate import default_collate
from minitorch.utils.data.dataset import Dataset
from minitorch.utils.data.stream import current_stream

from ..transforms import works_on_batches


class ImageSet(Dataset[tuple[Any, Any]]):
    """Pairs of an image and its target, each passed through a transform when it is fetched."""

    classes: list[str]

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root = None if root is None else Path(root).expanduser()
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def extra_repr(self) -> str:
        """A line that subclasses add to their repr."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        if self.extra_repr():
            lines.append(self.extra_repr())
        if self.transform is not None or self.target_transform is not None:
            lines.append("StandardTransform")
        for name, transform in (("Transform", self.transform), ("Target transform", self.target_transform)):
            if transform is not None:
                lines += _hang(f"{name}: ", repr(transform))
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])


def _hang(label: str, text: str) -> list[str]:
    first, *rest = text.splitlines()
    return [label + first, *(" " * len(label) + line for line in rest)]


class ArrayImages(ImageSet):
    """An image set in memory: `data` uint8 (N, H, W, C) or (N, H, W), `targets` a list of ints.

    A sample is the uint8 array (no pillow image: none is needed) and its target, transformed. `__getbatch__` makes a
    whole batch at once where the transform can: float images come as a Tensor
    (N, C, H, W) whose memory is channels last.

    Raises:
        ValueError: `data` is not uint8 with three or four axes, or `targets` has another length.
    """

    def __init__(
        self,
        data: np.ndarray,
        targets: Sequence[int],
        classes: Sequence[str],
        root: str | os.PathLike | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        super().__init__(root, transform, target_transform)
        if data.dtype != np.uint8 or data.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__}: `data` needs to be uint8 (N, H, W) or (N, H, W, C), "
                f"but is {data.dtype} {data.shape}"
            )
        if len(data) != len(targets):
            raise ValueError(f"{type(self).__name__}: {len(data)} images came with {len(targets)} targets")
        self.data, self.targets, self.classes = data, list(targets), list(classes)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(self.data[index], self.targets[index])

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if self.transform is not None and not works_on_batches(self.transform):
            return NotImplemented
        images = self.data[np.asarray(indices, np.int64)]
        targets = [self.targets[index] for index in indices]
        if self.transform is not None:
            images = images if images.ndim == 4 else images[..., None]
            images = self.transform.on_batch(images, current_stream(len(images)))  # type: ignore[attr-defined]
            if images.dtype != np.uint8:
                images = np.moveaxis(images, -1, 1)
            elif self.data.ndim == 3:
                images = images[..., 0]
        if self.target_transform is not None:
            targets = [self.target_transform(target) for target in targets]
        return [to_tensor(images), default_collate(targets)]
