"""SVHN: house numbers, in MATLAB files."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .download import check_md5, download
from .image_set import ArrayImages

URL = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(ArrayImages):
    """Photographs of 32 x 32 of digits on houses: 73,257 to train, 26,032 to test, 531,131 more in "extra".

    `data` is uint8 (N, 32, 32, 3), `targets` (also `labels`) a list of ints. `root` holds `train_32x32.mat` and so
    on; `download=True` fetches them. They are checked against the published md5, but for `verify=False`.

    The files are MATLAB's, which scipy reads: it has to be installed.

    Raises:
        ImportError: scipy is missing.
        ValueError: there is no such split.
        RuntimeError: the file is missing or damaged; the message names it.
    """

    md5 = {
        "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test": "eb5a983be6a315427106f1b164d9cef3",
        "extra": "a93ce644f1a588dc4d68dda5feec44a7",
    }
    classes = [str(digit) for digit in range(10)]

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        *,
        verify: bool | None = None,
    ) -> None:
        if split not in self.md5:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are {tuple(self.md5)}.")
        self.split = split
        root = Path(root).expanduser()
        data, targets = self._read(self._located(root / f"{split}_32x32.mat", download, verify))
        super().__init__(data, targets, self.classes, root, transform, target_transform)

    @property
    def labels(self) -> list[int]:
        """`targets` by torchvision's name."""
        return self.targets

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

    def _located(self, path: Path, fetch: bool, verify: bool | None) -> Path:
        if not path.is_file():
            if not fetch:
                raise RuntimeError(f"SVHN: expected {path}, found nothing. Pass download=True to fetch it from {URL}")
            if self.split == "extra":
                raise RuntimeError(
                    f"SVHN: {URL}{path.name} has 1.3 GB: fetch it yourself, and put it into {path.parent}"
                )
            download([URL + path.name], path, self.md5[self.split])
        elif verify is not False and self.split != "extra":
            check_md5(path, self.md5[self.split])
        return path

    def _read(self, path: Path) -> tuple[np.ndarray, list[int]]:
        try:
            scipy_io = importlib.import_module("scipy.io")  # nobody else here needs it
        except ImportError as error:
            raise ImportError(f"SVHN: {path} is a MATLAB file, which scipy reads: pip install scipy") from error
        try:
            content = scipy_io.loadmat(str(path))
            images, labels = np.asarray(content["X"]), np.asarray(content["y"]).reshape(-1)
        except Exception as error:  # a damaged file can raise nearly anything
            raise RuntimeError(
                f"{path}: expected a MATLAB file of X and y ({type(error).__name__}: {error})"
            ) from error
        if images.dtype != np.uint8 or images.shape[:3] != (32, 32, 3) or images.shape[3:] != labels.shape:
            raise RuntimeError(
                f"{path}: expected X of uint8 (32, 32, 3, N) and y of N labels, found {images.dtype} {images.shape} "
                f"and {labels.shape}"
            )
        wrong = labels[(labels < 1) | (labels > 10)]
        if len(wrong):
            raise RuntimeError(f"{path}: expected labels from 1 to 10, found {wrong[0]}")
        # 0 is stored as 10, as MATLAB counts
        return np.ascontiguousarray(np.moveaxis(images, -1, 0)), (labels.astype(np.int64) % 10).tolist()
