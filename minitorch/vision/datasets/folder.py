"""Files in folders, one folder per class: on disk, or inside an archive."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..pillow import import_pillow
from .archive import Archive, split_at_archive
from .image_set import ArrayImages, ImageSet
from .loader import IMG_EXTENSIONS, Member, default_loader
from .prepared import Set, name_of, prepared

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "default_loader", "find_classes"]


def find_classes(root: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in `root`, sorted, and their numbers; hidden ones (".ipynb_checkpoints") are no classes.

    Raises:
        FileNotFoundError: there is none.
    """
    return _numbered((entry.name for entry in os.scandir(os.fspath(root)) if os.path.isdir(entry)), root)


def _numbered(names: Iterator[str], root: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
    classes = sorted(name for name in names if name[0] != ".")
    if not classes:
        raise FileNotFoundError(f"ImageFolder: expected one folder per class in {root}, found none")
    return classes, {name: number for number, name in enumerate(classes)}


class DatasetFolder(ImageSet):
    """The files `root/<class>/**/<file>`: classes in sorted order, files in sorted order within each.

    `root` may lead into a .zip, .tar, .tar.gz or .tgz file, as `pictures.zip/train` does: files are read from there,
    nothing is unpacked to disk. What is in an archive is looked up when it is first needed.

    `samples` lists (path, class number); `loader(path)` opens one, or a file open for reading with its `name` where it
    comes out of an archive. Files count by their `extensions`, or by `is_valid_file(path)`. Hidden files and folders,
    whose names begin with a dot, are left out. With `allow_empty` a class may have no files.

    Raises:
        FileNotFoundError: `root` has no folders, or one of them no files.
        ValueError: both or neither of `extensions` and `is_valid_file` are given.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        loader: Callable[[Any], Any],
        extensions: str | Sequence[str] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        if (extensions is None) == (is_valid_file is None):
            raise ValueError(
                "Both extensions and is_valid_file cannot be None or not None at the same time: "
                f"{type(self).__name__} needs one of them to choose files"
            )
        super().__init__(root, transform, target_transform)
        self.loader, self.allow_empty, self._is_valid_file = loader, allow_empty, is_valid_file
        self.extensions = (extensions,) if isinstance(extensions, str) else tuple(extensions or ())
        inside = split_at_archive(Path(root).expanduser())
        self._archive = Archive(*inside) if inside else None
        if self._archive is None:
            self._found  # noqa: B018  (what is wrong with a folder is said at once)

    def find_classes(self, directory: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
        """The classes and their numbers; to be overridden where folders are arranged in another way."""
        if self._archive is None:
            return find_classes(directory)
        return _numbered((name for name in self._archive.folders if "/" not in name), directory)

    @functools.cached_property
    def _found(self) -> tuple[list[str], dict[str, int], list[tuple[str, int]]]:
        """Classes, their numbers, samples."""
        assert self.root is not None
        classes, numbers = self.find_classes(self.root)
        valid = self._is_valid_file or (lambda path: path.lower().endswith(self.extensions))
        below = _members_below(self._archive, self.root) if self._archive else None
        samples: list[tuple[str, int]] = []
        for name, number in sorted(numbers.items()):
            files = _files_below(self.root / name) if below is None else below.get(name, [])
            paths = [path for path in files if valid(path)]
            if not paths and not self.allow_empty:
                kinds = (
                    f"files ({', '.join(self.extensions)})" if self.extensions else "files that `is_valid_file` accepts"
                )
                raise FileNotFoundError(f"{type(self).__name__}: expected {kinds} in {self.root / name}, found none")
            samples += [(path, number) for path in paths]
        return classes, numbers, samples

    @functools.cached_property
    def classes(self) -> list[str]:  # type: ignore[override]
        """The names of the classes."""
        return self._found[0]

    @functools.cached_property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return self._found[1]

    @functools.cached_property
    def samples(self) -> list[tuple[str, int]]:
        """(path, class number) of each sample."""
        return self._found[2]

    @functools.cached_property
    def targets(self) -> list[int]:
        """The class number of each sample."""
        return [number for _, number in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self._load(path), target)

    def _load(self, path: str) -> Any:
        if self._archive is None:
            return self.loader(path)
        name = Path(path).relative_to(str(self.root)).as_posix()
        return self.loader(Member(self._archive.read(name), path))


class ImageFolder(DatasetFolder):
    """The images `root/<class>/**/<file>`: a DatasetFolder of images, opened by Pillow in RGB if no `loader` is given.

    `samples` is also called `imgs`. `is_valid_file(path)` chooses files in place of the usual image extensions.

    Raises:
        FileNotFoundError: `root` has no folders, or one of them no images.
        ImportError: pillow is missing and `loader` is not given.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[Any], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        if loader is default_loader:
            import_pillow("ImageFolder")
        extensions = None if is_valid_file else IMG_EXTENSIONS
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)

    @functools.cached_property
    def imgs(self) -> list[tuple[str, int]]:
        """`samples` by the name that older scripts use."""
        return self.samples

    def in_memory(self, threads: int | None = None, cache: str | os.PathLike | None = None) -> ArrayImages:
        """The same set with all images in one uint8 array (N, H, W, C), decoded by several threads.

        A progress bar shows how far it is. Transforms are kept; batches are then made at once, as for CIFAR10.

        `cache` names a file (.npz) for the decoded images. Where it is there, whole, and made of these very files
        (their names, sizes and times; the bytes of an archive) by this loader, it is read instead, in a fraction of a
        second; else it is written. A warning says why one that is there is made anew.

        Raises:
            ValueError: the images differ in size (scale them first, by a `loader` that does), are not of 8 bits, or
                there are none.
        """
        found = (
            self._decode(threads)
            if cache is None
            else prepared(Path(cache).expanduser(), self._fingerprint(), lambda: self._decode(threads))
        )
        return ArrayImages(*found, self.root, self.transform, self.target_transform)

    def _fingerprint(self) -> bytes:
        digest = hashlib.sha256(name_of(self.loader) + name_of(self._is_valid_file) + repr(self.allow_empty).encode())
        if self._archive is not None:
            digest.update(self._archive.fingerprint())
        else:
            start = len(str(self.root))
            facts = ((path[start:], number, os.stat(path)) for path, number in self.samples)
            lines = (f"{name}\0{number}\0{fact.st_size}\0{fact.st_mtime_ns}\0" for name, number, fact in facts)
            digest.update("".join(lines).encode(errors="surrogateescape"))
        return digest.digest()

    def _decode(self, threads: int | None) -> Set:
        from tqdm import tqdm

        if not self.samples:
            raise ValueError(f"ImageFolder: there are no images in {self.root} to load into memory")

        def read(position: int) -> np.ndarray:
            image = np.asarray(self._load(self.samples[position][0]))
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
        return data, self.targets, self.classes


def _members_below(archive: Archive, root: Path) -> dict[str, list[str]]:
    """The paths of an archive's files by class, in the order that they would have on disk."""
    below: dict[str, list[tuple[str, str]]] = {}
    for name in archive.files:
        folder, _, file = name.rpartition("/")
        if folder and not any(part.startswith(".") for part in name.split("/")):
            below.setdefault(folder.split("/")[0], []).append((folder, file))
    return {top: [str(root / folder / file) for folder, file in sorted(names)] for top, names in below.items()}


def _files_below(folder: Path) -> list[str]:
    """All files under a folder that are not hidden: folders sorted, then files sorted."""
    found = sorted(_walk(str(folder), ()))
    return [os.path.join(place, name) for place, names in found for name in sorted(names)]


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """(folder, its files) of it and all below; a link back to a folder that it lies in is not followed."""
    here = os.path.realpath(folder)
    if here in above:
        return
    entries = [(entry, _is_folder(entry)) for entry in os.scandir(folder) if not entry.name.startswith(".")]
    yield folder, [entry.name for entry, is_folder in entries if not is_folder]
    for entry, is_folder in entries:
        if is_folder:
            yield from _walk(entry.path, (*above, here))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link to one; only links ask the disk once more. Of a link to itself is_dir() raises."""
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()
