"""Files from the network: fetched under another name, checked, and only then given their own."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from minitorch.files import replacing

MOST = 1 << 28  # bytes of a file: the largest archive has 170 MB


class _Failure(Exception):
    """An address did not give the file."""


def md5_of(path: Path) -> str:
    """The md5 of a file, in hex. (It guards against accidents: the sets publish no stronger one.)"""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_size(source: str, size: int, most: int = MOST) -> None:
    """Raise RuntimeError for more bytes than `most`, or than any file of these sets has, packed or unpacked."""
    if size > (most := min(most, MOST)):
        raise RuntimeError(f"{source}: expected at most {most:,} bytes, found {size:,}; it is no file of this set")


def check_md5(path: Path, expected: str) -> None:
    """Raise RuntimeError unless the file has this md5. Files that are too large for these sets are not read."""
    check_size(str(path), path.stat().st_size)
    found = md5_of(path)
    if found != expected:
        raise RuntimeError(
            f"{path}: the file is damaged or another one: expected md5 {expected}, found {found} "
            f"({path.stat().st_size:,} bytes). Delete it and download it again; "
            "verify=False reads files that are different on purpose"
        )


def download(urls: list[str], path: Path, md5: str) -> None:
    """Fetch `path` from the first of `urls` that answers, with a progress bar.

    `path` is whole or not there: it gets its name when its md5 is right. Several processes may fetch it at once, each
    into a file of its own; what killed ones left behind is removed.

    Raises:
        OSError: the folder cannot be written to.
        RuntimeError: no address gave the file, the disk is full, or what came has another md5. Nothing is left behind.
    """
    import pooch

    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        with suppress(_Failure), replacing(path) as part:
            try:
                pooch.HTTPDownloader(progressbar=True, timeout=60)(url, part, None)
                part.flush()
                check_md5(Path(part.name), md5)
            except (OSError, RuntimeError) as error:
                failures.append(f"{url}: {error}")
                raise _Failure from error
            return
    raise RuntimeError(f"{path.name} could not be downloaded. " + " ".join(failures))
