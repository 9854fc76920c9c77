"""Files from the network: fetched under another name, checked, and only then given their own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def md5_of(path: Path) -> str:
    """The md5 of a file, in hex. (It guards against accidents: the sets publish no stronger one.)"""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_md5(path: Path, expected: str) -> None:
    """Raise RuntimeError unless the file has this md5."""
    found = md5_of(path)
    if found != expected:
        raise RuntimeError(
            f"{path}: the file is damaged or another one: expected md5 {expected}, found {found} "
            f"({path.stat().st_size:,} bytes). Delete it and download it again; "
            "verify=False reads files that are different on purpose"
        )


def download(urls: list[str], path: Path, md5: str) -> None:
    """Fetch `path` from the first of `urls` that answers, with a progress bar.

    The bytes go to `<path>.part`, which is renamed only when its md5 is right, so that `path` is whole or not there.

    Raises:
        RuntimeError: no address gave the file, or what came has another md5. Nothing is left behind.
    """
    import pooch

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = []
    for url in urls:
        try:
            pooch.HTTPDownloader(progressbar=True, timeout=60)(url, str(part), None)
            check_md5(part, md5)
            os.replace(part, path)
            return
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            failures.append(f"{url}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise RuntimeError(f"{path.name} could not be downloaded. " + " ".join(failures))
