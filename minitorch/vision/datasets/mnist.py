"""MNIST and its kin: files in the idx format, raw or gzipped."""

from __future__ import annotations

import math
import os
import string
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .download import check_md5, check_size, download
from .image_set import ArrayImages
from .packed import Unpacked, most_inside

IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The uint8 array with so many `axes` in an idx file, gzipped if its name ends in .gz.

    The format: two zero bytes, 8 for uint8, the number of axes, each size as a big-endian uint32, then the values.

    Raises:
        RuntimeError: the file is cut off, too long, damaged or of another kind.
    """
    packed, size = path.suffix == ".gz", path.stat().st_size
    if packed:
        check_size(str(path), size)
    magic, header = bytes([0, 0, 8, axes]), 4 + 4 * axes
    try:
        with open(path, "rb") as plain:
            file = Unpacked(plain) if packed else plain
            start = file.read(header)
            if start[:4] != magic or len(start) < header:
                raise RuntimeError(
                    f"{path}: expected an idx file that begins with {magic.hex()}, found {start[:4].hex()!r}"
                )
            shape = tuple(int(length) for length in np.frombuffer(start, ">u4", axes, 4))
            expected = math.prod(shape)
            most = most_inside(size) if packed else size
            content = file.read(expected + 1) if expected <= most else b""
    except (OSError, EOFError, zlib.error) as error:
        raise RuntimeError(
            f"{path}: expected a whole gzip file, found {size:,} bytes that cannot be unpacked ({error}). "
            "Delete it and download it again"
        ) from error
    found = len(content) if packed else size - header
    if expected != found:
        more = " or more" if found > expected or (packed and not content) else ""
        raise RuntimeError(
            f"{path}: expected {expected:,} bytes for shape {shape}, found {found:,}{more}. Get the file again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


class MNIST(ArrayImages):
    """70,000 handwritten digits of 28 x 28, grey: 60,000 to train, 10,000 to test.

    `data` is uint8 (N, 28, 28), `targets` a list of ints. The four idx files, raw or `.gz`, lie in `root/MNIST/raw`
    (where `download=True` puts them) or in `root` itself. Gzipped files are checked against the published md5;
    `verify=False` leaves that out.

    Raises:
        RuntimeError: a file is missing or damaged; the message names it, what was expected and what was found.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    md5 = {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    advice = "Pass download=True to fetch it"
    classes = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

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
        images_path, labels_path = (
            self._locate(root, pattern.format(self._part()), download, verify) for pattern in (IMAGES, LABELS)
        )
        data, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(data) != len(labels):
            raise RuntimeError(f"{labels_path}: expected {len(data)} labels, one per image, found {len(labels)}")
        if labels.max(initial=0) >= len(self.classes):
            most = len(self.classes) - 1
            raise RuntimeError(f"{labels_path}: expected labels from 0 to {most}, found {labels.max()}")
        super().__init__(data, labels.tolist(), self.classes, root, transform, target_transform)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def _part(self) -> str:
        """How the names of the wanted files begin."""
        return "train" if self.train else "t10k"

    def _locate(self, root: Path, name: str, fetch: bool, verify: bool | None) -> Path:
        home = root / type(self).__name__ / "raw"
        for path in (folder / (name + ending) for folder in (home, root) for ending in ("", ".gz")):
            if path.is_file():
                if path.suffix == ".gz" and verify is not False and name in self.md5:
                    check_md5(path, self.md5[name])
                return path
        if not fetch:
            raise RuntimeError(
                f"{type(self).__name__}: expected {name} or {name}.gz in {home} or {root}, found neither. {self.advice}"
            )
        path = home / (name + ".gz")
        download([mirror + path.name for mirror in self.mirrors], path, self.md5[name])
        return path


class FashionMNIST(MNIST):
    """Zalando's 70,000 grey pictures of clothes: MNIST's sizes, files and arguments."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    md5 = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Kuzushiji-MNIST, 70,000 grey pictures of ten cursive Japanese characters: MNIST's sizes, files and arguments."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    md5 = {
        "train-images-idx3-ubyte": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte": "7320c461ea6c1c855c0b718fb2a4b134",
    }
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


MERGED = "cijklmopsuvwxyz"  # letters whose two cases look alike
BY_CLASS = sorted(string.digits + string.ascii_letters)
BY_MERGE = [name for name in BY_CLASS if name not in MERGED]


class EMNIST(MNIST):
    """Letters and digits in MNIST's form, in six splits: byclass, bymerge, balanced, letters, digits, mnist.

    The idx files of a split, raw or `.gz`, lie in `root/EMNIST/raw` or in `root`. Pictures are as the files have them:
    rows and columns exchanged. Nothing is downloaded: the archive has 560 MB.

    Raises:
        ValueError: there is no such split.
        RuntimeError: a file is missing or damaged; the message names it, what was expected and what was found.
    """

    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": BY_CLASS,
        "bymerge": BY_MERGE,
        "balanced": BY_MERGE,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }
    md5: dict[str, str] = {}
    advice = "Get https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip (560 MB) and unpack it there"

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are {self.splits}.")
        self.split, self.classes = split, self.classes_split_dict[split]
        super().__init__(root, train, transform, target_transform, verify=False)

    def _part(self) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"
