"""Files that are whole or not there: how checkpoints, compiled kernels, downloads and pictures reach the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["replacing"]

_ORPHAN = ".minitorch-"  # temporary files begin so


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: int = 0o666, lasting: bool = True) -> Iterator[IO[bytes]]:
    """A new file, open for writing, that takes the place of `path` when the block ends well, and else vanishes.

    Each writer has a file of its own, so several may write to `path` at once: the last wins. With `lasting`, contents
    reach the disk before the name does: after a crash at any moment `path` is the old file or the new one. `mode` is
    that of a new file, before the umask; an old one keeps its own. A process that is killed while it writes leaves a
    `.part` file behind, which the next writer to this folder removes. An OSError on the way names `path`.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    _sweep(folder)
    temporary = os.path.join(folder, f"{_ORPHAN}{secrets.token_hex(8)}.part")
    try:
        with _locked(temporary, mode) as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file; elsewhere the lock is held until the file has its name
            with contextlib.suppress(FileNotFoundError):  # there is no old file, or another writer just removed it
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and _ORPHAN in str(error.filename or _ORPHAN):
            raise OSError(error.errno, error.strerror, path) from error  # Python picks the class by the number
        raise
    if lasting and os.name == "posix":  # elsewhere folders can't be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _locked(path: str, mode: int) -> IO[bytes]:
    """A new file, open for writing and locked. One that was swept away before it was locked is made anew."""
    while True:
        file = open(path, "xb", opener=lambda path, flags: os.open(path, flags, mode))  # noqa: SIM115
        if not _lock(file.fileno(), wait=True) or os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def _lock(descriptor: int, wait: bool) -> bool:
    """Take the lock that a writer holds until it ends, however it ends; False where another has it or there is none."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _sweep(folder: str) -> None:
    """Remove the temporary files of writers that are no more."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_ORPHAN) and entry.name.endswith(".part"):
                with contextlib.suppress(OSError):
                    descriptor = os.open(
                        entry.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                    )
                    try:
                        # Whoever swept it sooner may have let its writer make another of the same name.
                        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
                        if regular and _lock(descriptor, wait=False) and os.fstat(descriptor).st_nlink:
                            os.unlink(entry.path)
                    finally:
                        os.close(descriptor)
