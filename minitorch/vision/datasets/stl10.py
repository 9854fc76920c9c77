"""STL10: larger photographs, few of them labelled, in binary files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .download import check_md5
from .image_set import ArrayImages

FOLDER = "stl10_binary"
PIXELS = 3 * 96 * 96


class STL10(ArrayImages):
    """Photographs of 96 x 96 in ten classes: 5,000 to train, 8,000 to test, 100,000 without labels (-1).

    `split` is "train", "test", "unlabeled" or "train+unlabeled"; `folds` from 0 to 9 takes one of the ten sets of 1,000
    training images that are published. `data` is uint8 (N, 96, 96, 3), `targets` (also `labels`) a list of ints. `root`
    holds `stl10_binary/`; nothing is downloaded: the archive has 2.6 GB. `verify=True` checks the published md5.

    Raises:
        ValueError: there is no such split or fold.
        RuntimeError: a file is missing or damaged; the message names it, what was expected and what was found.
    """

    splits = ("train", "train+unlabeled", "unlabeled", "test")
    md5 = {
        "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        "train_y.bin": "5a34089d4802c674881badbb80307741",
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    }
    classes = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        folds: int | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        *,
        verify: bool = False,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are {self.splits}.")
        if folds is not None and (not isinstance(folds, int) or not 0 <= folds < 10):
            raise ValueError(f"STL10: `folds` should be None or in the range [0, 10), but got {folds!r}.")
        self.split, self.folds, self._verify = split, folds, verify
        root = Path(root).expanduser()
        home = root / FOLDER
        parts = []
        if split != "unlabeled":
            name = "test" if split == "test" else "train"
            parts.append(self._labelled(home, name, None if name == "test" else folds))
        if "unlabeled" in split:
            images = self._images(home / "unlabeled_X.bin")
            parts.append((images, np.full(len(images), -1)))
        data, targets = (np.concatenate(column) for column in zip(*parts, strict=True))
        super().__init__(data, targets.tolist(), self.classes, root, transform, target_transform)

    @property
    def labels(self) -> list[int]:
        """`targets` by torchvision's name."""
        return self.targets

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

    def _content(self, path: Path) -> np.ndarray:
        if not path.is_file():
            raise RuntimeError(
                f"STL10: expected {path}, found nothing. Get http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz "
                f"(2.6 GB) and unpack it in {path.parent.parent}"
            )
        if self._verify and path.name in self.md5:
            check_md5(path, self.md5[path.name])
        return np.fromfile(path, np.uint8)

    def _images(self, path: Path) -> np.ndarray:
        """(N, 96, 96, 3) of a file that has channel after channel, in each column after column."""
        content = self._content(path)
        if len(content) % PIXELS or not len(content):
            raise RuntimeError(
                f"{path}: expected images of {PIXELS:,} bytes, found {len(content):,} bytes. Get it again"
            )
        return np.ascontiguousarray(content.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1))

    def _labelled(self, home: Path, name: str, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self._images(home / f"{name}_X.bin"), self._content(home / f"{name}_y.bin")
        if len(images) != len(labels):
            raise RuntimeError(
                f"{home / name}_y.bin: expected {len(images)} labels, one per image, found {len(labels)}"
            )
        wrong = labels[(labels < 1) | (labels > 10)]
        if len(wrong):
            raise RuntimeError(f"{home / name}_y.bin: expected labels from 1 to 10, found {wrong[0]}")
        targets = labels.astype(np.int64) - 1
        if fold is None:
            return images, targets
        path = home / "fold_indices.txt"
        try:
            rows = np.array(path.read_text().splitlines()[fold].split(), np.int64)
        except (OSError, ValueError, IndexError) as error:
            raise RuntimeError(f"{path}: expected ten lines of positions ({type(error).__name__}: {error})") from error
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(images):
            raise RuntimeError(f"{path}: expected positions from 0 to {len(images) - 1}, found {rows.max()}")
        return images[rows], targets[rows]
