"""Images in folders, one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..pillow import import_pillow
from .image_set import ArrayImages, ImageSet

MOST = 100_000_000  # bytes of a file, and of an unpacked image; from packed files of 1 MB on, 100 times the file's
IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def default_loader(path: str) -> Any:
    """The image in a file, as a PIL image in RGB; 16-bit grey is scaled to 8 bits.

    Raises:
        OSError: the file is no whole image, or too large, packed or unpacked; the message names it.
        ValueError: its numbers of 32 bits do not lie in [0, 255], so that conversion would lose them.
    """
    pillow = import_pillow("ImageFolder")
    try:
        size = os.path.getsize(path)
        if not os.path.isfile(path):
            raise ValueError("no regular file")
        if size > MOST:  # pillow reads headers of any length, at up to a minute for 1 GB
            raise ValueError(f"more than {MOST:,} bytes; if it should be so large, give a `loader`")
        with pillow.open(path) as image:
            unpacked = image.width * image.height * len(image.getbands())
            if unpacked > max(MOST, 100 * size):
                raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}; if they should, give a `loader`")
            image.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything
        raise OSError(f"ImageFolder: {path} is no whole image ({type(error).__name__}: {error})") from error
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if deep:
        image = pillow.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        low, high = image.getextrema()
        fractions = image.mode == "F" and 0 < high <= 1  # would all become black
        if fractions or not (low >= 0 and high <= 255):
            raise ValueError(
                f"ImageFolder: {path} holds numbers of 32 bits from {low} to {high}, which do not fit into RGB as they "
                "are; give a `loader` that scales them"
            )
    return image.convert("RGB")


def find_classes(root: Path) -> list[str]:
    """The names of the folders in `root`, sorted; hidden ones (".ipynb_checkpoints") are no classes.

    Raises:
        FileNotFoundError: there is none.
    """
    names = sorted(entry.name for entry in os.scandir(root) if os.path.isdir(entry) and entry.name[0] != ".")
    if not names:
        raise FileNotFoundError(f"ImageFolder: expected one folder per class in {root}, found none")
    return names


class ImageFolder(ImageSet):
    """The images `root/<class>/**/<file>`: classes in sorted order, files in sorted order within each.

    `samples` (also `imgs`) lists (path, class number); `loader(path)` opens one, as a PIL image in RGB if not given.
    `is_valid_file(path)` chooses files in place of the usual image extensions. Hidden files and folders, whose names
    begin with a dot, are left out. With `allow_empty` a class may have no images.

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
        allow_empty: bool = False,
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
            if not paths and not allow_empty:
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
            ValueError: the images differ in size (scale them first, by a `loader` that does), are not of 8 bits, or
                there are none.
        """
        from tqdm import tqdm

        if not self.samples:
            raise ValueError(f"ImageFolder: there are no images in {self.root} to load into memory")

        def read(position: int) -> np.ndarray:
            image = np.asarray(self.loader(self.samples[position][0]))
            image = image * np.uint8(255) if image.dtype == bool else image
            if image.dtype != np.uint8:
                raise ValueError(
                    f"ImageFolder: images in memory are of uint8, but {self.samples[position][0]} is {image.dtype}; "
                    "give a `loader` that converts"
                )
            return image

        first = read(0)
        data = np.empty((len(self), *first.shape), np.uint8)

        def decode(position: int) -> None:
            image = read(position)
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
    """All files under a folder that are not hidden: folders sorted, then files sorted."""
    found = sorted(_walk(str(folder), ()))
    return [os.path.join(place, name) for place, names in found for name in sorted(names)]


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """(folder, its files) of it and all below; a link back to a folder that it lies in is not followed."""
    here = os.path.realpath(folder)
    if here in above:
        return
    # os.path.isdir says no of a link to itself, where entry.is_dir() raises
    entries = [(entry, os.path.isdir(entry)) for entry in os.scandir(folder) if not entry.name.startswith(".")]
    yield folder, [entry.name for entry, is_folder in entries if not is_folder]
    for entry, is_folder in entries:
        if is_folder:
            yield from _walk(entry.path, (*above, here))
