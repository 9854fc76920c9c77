"""Gzipped files of whatever origin: bytes come out as they are asked for, never more, and never a second time.

Python's gzip reads names and empty members byte by byte: 50 MB of either took 4 to 9 s (2026-11).
"""

from __future__ import annotations

import tarfile
import zlib
from typing import IO

HEADER, HEADERS = 1 << 13, 1 << 17  # bytes of one header of an archive and of all; Python 3.11 parses in quadratic time


def most_inside(size: int) -> int:
    """The most bytes that a gzip file of `size` bytes may hold: pictures shrink 5 times, bombs 1,000 times."""
    return max(1 << 25, 20 * size)


class Unpacked:
    """The content of an open gzip file of one member, from front to back."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.inflate, self.position = file, zlib.decompressobj(31), 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end; EOFError where the file is cut off, zlib.error where damaged."""
        parts, left = [], size
        while left and not self.inflate.eof:
            packed = self.inflate.unconsumed_tail or self.file.read(1 << 16)
            if not packed:
                raise EOFError("it ends before its contents do")
            parts.append(self.inflate.decompress(packed, left))
            left -= len(parts[-1])
        self.position += size - left
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Go on without the next `size` bytes."""
        while size > 0 and (piece := self.read(min(size, 1 << 18))):
            size -= len(piece)


class Plain:
    """The content of an open file that is not packed, read as `Unpacked` is."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.position = file, 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        content = self.file.read(size)
        self.position += len(content)
        return content

    def skip(self, size: int) -> None:
        """Go on without the next `size` bytes."""
        self.position = self.file.seek(max(size, 0), 1)


class Headers:
    """A tar archive as tarfile reads it, which believes every header: only headers, forwards, at most `most` bytes."""

    def __init__(self, file: Unpacked | Plain, most: int = HEADERS) -> None:
        self.file, self.left = file, most
        self.latest = b""  # zeros at the end of a whole archive

    def tell(self) -> int:
        """How many bytes were read or passed."""
        return self.file.position

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self.left -= size
        if not 0 <= size <= HEADER or self.left < 0:
            raise tarfile.ReadError(f"its headers are too long: here one of {size:,} bytes")
        self.latest = self.file.read(size)
        return self.latest

    def seek(self, position: int) -> int:
        """Pass what lies before `position`."""
        if position < self.tell() - 1:
            raise tarfile.ReadError(f"a header points back from byte {self.tell():,} to byte {position:,}")
        self.file.skip(position - self.tell())
        return self.tell()
