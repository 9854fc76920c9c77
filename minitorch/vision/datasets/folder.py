"""Images in folders, one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..pillow import import_pillow
from .image_set import ArrayImages, ImageSet

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path: str) -> Any:
    """The image in a file, as a PIL image in RGB."""
    with import_pillow("ImageFolder").open(path) as image:
        return image.convert("RGB")


def find_classes(root: Path) -> list[str]:
    """The names of the folders in `root`, sorted.

    Raises:
        FileNotFoundError: there is none.
    """
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not names:
        raise FileNotFoundError(f"ImageFolder: expected one folder per class in {root}, found none")
    return names


class ImageFolder(ImageSet):
    """The images `root/<class>/**/<file>`: classes in sorted order, files in sorted order within each.

    `samples` (also `imgs`) lists (path, class number); `loader(path)` opens one, as a PIL image in RGB if not given.
    `is_valid_file(path)` chooses files in place of the usual image extensions.

    Raises:
        FileNotFoundError: `root` has no folders, or one of them no images.
        ImportError: pillow is missing and `loader` is not given.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
    ) -> None:
        root = Path(root).expanduser()
        super().__init__(root, transform, target_transform)
        if loader is default_loader:
            import_pillow("ImageFolder")
        self.loader = loader
        self.classes = find_classes(root)
        valid = is_valid_file or (lambda path: path.lower().endswith(IMG_EXTENSIONS))
        self.samples: list[tuple[str, int]] = []
        for number, name in enumerate(self.classes):
            paths = [path for path in _files_below(root / name) if valid(path)]
            if not paths:
                kinds = (
                    "files that `is_valid_file` accepts" if is_valid_file else f"images ({', '.join(IMG_EXTENSIONS)})"
                )
                raise FileNotFoundError(f"ImageFolder: expected {kinds} in {root / name}, found none")
            self.samples += [(path, number) for path in paths]
        self.imgs = self.samples
        self.targets = [number for _, number in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def in_memory(self, threads: int | None = None) -> ArrayImages:
        """The same set with all images in one uint8 array (N, H, W, C), decoded by several threads.

        A progress bar shows how far it is. Transforms are kept; batches are then made at once, as for CIFAR10.

        Raises:
            ValueError: the images differ in size. (Scale them first, by a `loader` that does.)
        """
        from tqdm import tqdm

        first = np.asarray(self.loader(self.samples[0][0]), np.uint8)
        data = np.empty((len(self), *first.shape), np.uint8)

        def decode(position: int) -> None:
            image = np.asarray(self.loader(self.samples[position][0]))
            if image.shape != first.shape:
                raise ValueError(
                    f"ImageFolder: images in memory need one size: {self.samples[0][0]} is {first.shape}, "
                    f"but {self.samples[position][0]} is {image.shape}; give a `loader` that resizes"
                )
            data[position] = image

        with ThreadPoolExecutor(threads) as pool:
            for _ in tqdm(pool.map(decode, range(len(self))), total=len(self), unit="image", desc="ImageFolder"):
                pass
        return ArrayImages(data, self.targets, self.classes, self.root, self.transform, self.target_transform)


def _files_below(folder: Path) -> list[str]:
    """All files under a folder: folders sorted, then files sorted."""
    found = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(place, name) for place, _, names in found for name in sorted(names)]
