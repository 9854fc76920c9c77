"""CIFAR-10 and CIFAR-100, in the Python or the binary layout, unpacked or inside the downloaded archive."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .array_pickle import read_pickle
from .download import check_md5, check_size, download
from .image_set import ArrayImages
from .packed import Headers, Unpacked, most_inside

URL = "https://www.cs.toronto.edu/~kriz/"
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """One of the two forms in which a set is published."""

    folder: str
    archive: str
    md5: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str  # the file with the class names
    file_md5: Mapping[str, str]  # of unpacked files, where they are published


class _Cifar(ArrayImages):
    layouts: tuple[Layout, Layout]  # Python, binary
    label_key: str
    names_key: str
    label_bytes: int  # per record of the binary layout; the last one counts

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        *,
        verify: bool | None = None,
    ) -> None:
        self.train = train
        root = Path(root).expanduser()
        files = self._read_files(root, train, verify, download)
        *batches, (names_source, names) = files.items()
        classes = self._class_names(names, names_source)
        parts = [self._parse(content, source, len(classes)) for source, content in batches]
        pixels = np.concatenate([images for images, _ in parts]).reshape(-1, 3, 32, 32)
        targets = [label for _, labels in parts for label in labels]
        data = np.ascontiguousarray(np.moveaxis(pixels, 1, -1))
        super().__init__(data, targets, classes, root, transform, target_transform)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def _read_files(self, root: Path, train: bool, verify: bool | None, fetch: bool) -> dict[str, bytes]:
        """The contents of the wanted files by the name to show in errors, the file of class names last."""
        for layout in self.layouts:
            wanted = (*(layout.train if train else layout.test), layout.names)
            if (root / layout.folder).is_dir():
                return _read_folder(root / layout.folder, wanted, layout.file_md5 if verify else None)
        for layout in self.layouts:
            if (root / layout.archive).is_file():
                break
        else:
            if not fetch:
                raise RuntimeError(
                    f"{type(self).__name__}: no data in {root}: expected one of "
                    + ", ".join(name for layout in self.layouts for name in (layout.folder + os.sep, layout.archive))
                    + f". Pass download=True to fetch it, or put the archive from {URL} there"
                )
            download([URL + layout.archive], root / layout.archive, layout.md5)
        path = root / layout.archive
        if verify is not False:
            check_md5(path, layout.md5)
        wanted = (*(layout.train if train else layout.test), layout.names)
        return _read_archive(path, layout.folder, wanted)

    def _class_names(self, content: bytes, source: str) -> list[str]:
        if source.endswith(".txt"):
            return content.decode("utf-8-sig", "replace").split()
        names = read_pickle(content, source).get(self.names_key)
        if not isinstance(names, list):
            raise RuntimeError(f"{source}: expected class names under '{self.names_key}', found none")
        if not all(isinstance(name, (bytes, str)) for name in names):
            raise RuntimeError(f"{source}: expected class names of text under '{self.names_key}', found other objects")
        return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]

    def _parse(self, content: bytes, source: str, classes: int) -> tuple[np.ndarray, list[int]]:
        """Pixels uint8 (n, 3072) and n labels of one batch in either layout."""
        if source.endswith(".bin"):
            record = self.label_bytes + PIXELS
            if not content or len(content) % record:
                raise RuntimeError(
                    f"{source}: expected records of {record:,} bytes, found {len(content):,} bytes, "
                    f"{len(content) % record:,} more than {len(content) // record:,} records. "
                    "The file was cut off or is another one; get it again"
                )
            records = np.frombuffer(content, np.uint8).reshape(-1, record)
            images, labels = records[:, self.label_bytes :], records[:, self.label_bytes - 1].tolist()
        else:
            batch = read_pickle(content, source)
            images, labels = batch.get("data", np.empty(0)), batch.get(self.label_key)
            if isinstance(labels, np.ndarray) and labels.ndim == 1:
                labels = list(labels)
            if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
                found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
                raise RuntimeError(f"{source}: expected 'data' of uint8 (n, {PIXELS}), found {found}")
            if not isinstance(labels, list) or len(labels) != len(images):
                found = f"{len(labels)}" if isinstance(labels, list) else f"a {type(labels).__name__}"
                raise RuntimeError(f"{source}: expected {len(images)} labels under '{self.label_key}', found {found}")
        kinds = (int, np.integer)  # no bool of numpy's is one
        wrong = [label for label in labels if not isinstance(label, kinds) or not 0 <= label < classes]
        if wrong:
            raise RuntimeError(f"{source}: expected labels from 0 to {classes - 1}, found {wrong[0]}")
        return images, [int(label) for label in labels]


def _read_folder(folder: Path, wanted: tuple[str, ...], md5: Mapping[str, str] | None) -> dict[str, bytes]:
    contents = {}
    for name in wanted:
        path = folder / name
        if not path.is_file():
            there = ", ".join(sorted(child.name for child in folder.iterdir())) or "nothing"
            raise RuntimeError(f"{path}: expected this file, found in its folder: {there}. Unpack the archive again")
        check_size(str(path), path.stat().st_size)
        if md5 is not None:
            if name not in md5:
                raise RuntimeError(f"{path}: no md5 is published for it; verify the archive or leave out verify=True")
            check_md5(path, md5[name])
        contents[str(path)] = path.read_bytes()
    return contents


def _read_archive(path: Path, folder: str, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The wanted members of an archive, read into memory: nothing is written to disk."""
    found: dict[str, bytes] = {}
    total, size = 0, path.stat().st_size
    check_size(str(path), size)
    try:
        with open(path, "rb") as file:
            content = Unpacked(file)
            archive = tarfile.TarFile(fileobj=Headers(content))  # type: ignore[arg-type]
            for member in archive:
                total += member.size
                check_size(f"{path}:{member.name}", total, most_inside(size))
                name = member.name.removeprefix(folder + "/")
                if name in found:
                    raise tarfile.ReadError(f"it has two members named {member.name}")
                if name in wanted and member.isreg() and not member.issparse():
                    content.skip(member.offset_data - content.position)
                    found[name] = content.read(member.size)
                if len(found) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise RuntimeError(
            f"{path}: expected a whole tar.gz archive, found {size:,} bytes that cannot be read to "
            f"the end ({type(error).__name__}: {error}). Delete it and download it again"
        ) from error
    for name in wanted:
        if name not in found:
            raise RuntimeError(
                f"{path}: expected the member {folder}/{name}, found {', '.join(found) or 'none of them'}"
            )
    return {f"{path}:{folder}/{name}": found[name] for name in wanted}


class CIFAR10(_Cifar):
    """60,000 colour photographs of 32 x 32 in 10 classes: 50,000 to train, 10,000 to test.

    `data` is uint8 (N, 32, 32, 3), `targets` a list of ints. `root` holds `cifar-10-batches-py/`,
    `cifar-10-batches-bin/` or either archive, which is read without unpacking; `download=True` fetches the binary
    archive when there is none. Archives are checked against the published md5, unpacked files only with `verify=True`,
    and nothing with `verify=False`.

    Raises:
        RuntimeError: there is no data, or a file is damaged; the message names it, what was expected and found.
    """

    layouts = (
        Layout(
            folder="cifar-10-batches-py",
            archive="cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            train=tuple(f"data_batch_{k}" for k in range(1, 6)),
            test=("test_batch",),
            names="batches.meta",
            file_md5={
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "40351d587109b95175f43aff81a1287e",
                "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
            },
        ),
        Layout(
            folder="cifar-10-batches-bin",
            archive="cifar-10-binary.tar.gz",
            md5="c32a1d4ab5d03f1284b67883e8d87530",
            train=tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
            test=("test_batch.bin",),
            names="batches.meta.txt",
            file_md5={},
        ),
    )
    label_key, names_key, label_bytes = "labels", "label_names", 1


class CIFAR100(_Cifar):
    """CIFAR-10's sibling with 100 classes of 600 images; targets are the fine labels. All else is as in `CIFAR10`."""

    layouts = (
        Layout(
            folder="cifar-100-python",
            archive="cifar-100-python.tar.gz",
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            train=("train",),
            test=("test",),
            names="meta",
            file_md5={
                "train": "16019d7e3df5f24257cddd939b257f8d",
                "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
                "meta": "7973b15100ade9c7d40fb424638fde48",
            },
        ),
        Layout(
            folder="cifar-100-binary",
            archive="cifar-100-binary.tar.gz",
            md5="03b5dce01913d631647c71ecec9e9cb8",
            train=("train.bin",),
            test=("test.bin",),
            names="fine_label_names.txt",
            file_md5={},
        ),
    )
    label_key, names_key, label_bytes = "fine_labels", "fine_label_names", 2
