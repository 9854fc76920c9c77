"""Prepared images: a whole set, decoded, in one file that is read back in a fraction of a second.

It is an ordinary .npz: `data` uint8 (N, H, W, C), `targets` int64 (N), `classes`, and `source`, a digest of what the
images were made from. Its parts carry checksums, which are tested when they are read.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitorch.files import replacing

Set = tuple[np.ndarray, list[int], list[str]]  # data, targets, classes


def prepared(path: Path, source: bytes, build: Callable[[], Set]) -> Set:
    """What the file at `path` holds, if it was made from `source`; else what `build` returns, written there.

    A warning says why a file that is there is made anew, and why it could not be written, where that is so.
    """
    try:
        return _read(path, source)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except Stale as error:
        warnings.warn(f"{path} was prepared from other images ({error}); it is made anew", stacklevel=3)
    except Exception as error:  # a damaged file can raise nearly anything
        warnings.warn(f"{path} is no whole file of prepared images ({error}); it is made anew", stacklevel=3)
    data, targets, classes = build()
    parts = {"data": data, "targets": np.asarray(targets, np.int64), "source": np.frombuffer(source, np.uint8)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, **parts, classes=np.array(classes, np.str_))  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(f"The prepared images could not be kept in {path}: {error}", stacklevel=3)
    return data, targets, classes


class Stale(Exception):
    """The file is whole, but was made from something else."""


def _read(path: Path, source: bytes) -> Set:
    with open(path, "rb") as plain, np.load(plain, allow_pickle=False) as file:
        if file["source"].tobytes() != source:
            raise Stale("their digests differ")
        data, targets, classes = file["data"], file["targets"], file["classes"]
    if (
        data.dtype != np.uint8
        or data.ndim not in (3, 4)
        or targets.shape != data.shape[:1]
        or targets.dtype.kind != "i"
    ):
        raise ValueError(f"it holds {data.dtype} {data.shape} and targets {targets.dtype} {targets.shape}")
    if classes.dtype.kind != "U" or classes.ndim != 1:
        raise ValueError(f"its classes are {classes.dtype} {classes.shape}")
    return data, targets.tolist(), classes.tolist()


def name_of(function: Any) -> bytes:
    """What tells one loader from another: its name, and its code where it has some."""
    code = getattr(function, "__code__", None)
    where = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return hashlib.sha256(where.encode() + (code.co_code if code else b"")).digest()
