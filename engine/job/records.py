"""A file of records, one appended after the other, of which a torn or damaged one is noticed.

Segments are kept so and not in a container of libav, since none of these holds every codec with exact
times: NUT refuses ProRes and moves the stamps of B-frames, Matroska rounds to a millisecond, MOV takes no
FFV1.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

_HEAD = struct.Struct("<4sIQI")  # mark, length of the head, of the body, checksum of both
_MARK = b"rEc1"
_LONGEST_HEAD = 1 << 24


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read.

    Attributes:
        head: A line of JSON.
        body: Bytes.
        end: Where the record ends in its file.
    """

    head: str
    body: bytes
    end: int


class Records:
    """A file that records are appended to, while it is entered.

    Args:
        path: The file.
        keep: How many bytes of what is there already are kept; the rest goes.
    """

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        self.path = path
        self._keep = keep
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("r+b" if self._keep else "wb")
        self._file.truncate(self._keep)
        self._file.seek(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # what could not be written has been reported by then
                file.close()

    def append(self, head: str, *body: bytes | memoryview) -> None:
        """Write one record; it is with the system, though not yet on the disk, when this returns."""
        assert self._file is not None
        encoded = head.encode()
        checksum = zlib.crc32(encoded)
        length = 0
        for part in body:
            checksum = zlib.crc32(part, checksum)
            length += len(part)
        self._file.write(_HEAD.pack(_MARK, len(encoded), length, checksum))
        self._file.write(encoded)
        for part in body:
            self._file.write(part)
        self._file.flush()

    def settle(self) -> None:
        """See that what was written is on the disk."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())


def read_heads(path: Path) -> Iterator[str]:
    """Give the heads of the records of a sound file, without reading the bodies."""
    with path.open("rb") as file:
        while len(start := file.read(_HEAD.size)) == _HEAD.size:
            _, head_length, length, _ = _HEAD.unpack(start)
            yield file.read(head_length).decode()
            file.seek(length, os.SEEK_CUR)


def read_records(path: Path) -> Iterator[Record]:
    """Give the records of a file up to the first one that is torn or damaged."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(start := file.read(_HEAD.size)) == _HEAD.size:
            mark, head_length, length, checksum = _HEAD.unpack(start)
            # Compared before anything is read: a damaged length must not ask for all the memory there is.
            if mark != _MARK or head_length > _LONGEST_HEAD or file.tell() + head_length + length > size:
                return
            head, body = file.read(head_length), file.read(length)
            if zlib.crc32(body, zlib.crc32(head)) != checksum:
                return
            yield Record(head.decode(), body, file.tell())
