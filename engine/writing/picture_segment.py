"""A segment of pictures: a folder of them, numbered through the whole film."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from ..job.files import settle
from ..pixels.frame import Frame


class PictureSegment:
    """Writes frames as pictures into a folder (see ``job.segments.Segment``).

    Args:
        path: The folder, made here; pictures that an earlier run left in it may be taken in again.
        name: How a picture is called, a printf pattern.
        first: Number of the first one.
        encoded: Returns the file of a frame.
    """

    def __init__(self, path: Path, name: str, first: int, encoded: Callable[[Frame], bytes]) -> None:
        self._path = path
        self._name = name
        self._first = first
        self._encoded = encoded
        self._count = 0
        self._state = b""
        path.mkdir(exist_ok=True)

    def write(self, frame: Frame) -> None:
        data = self._encoded(frame)
        self._next().write_bytes(data)
        self._took(data)

    def state(self) -> tuple[bytes | memoryview, ...]:
        return (self._state,)

    def write_again(self, time: Fraction, duration: Fraction, state: bytes) -> bool:
        file = self._next()
        if not file.is_file() or _state(data := file.read_bytes()) != state:
            return False
        self._took(data)
        return True

    def finish(self) -> None:
        own = {self._name % number for number in range(self._first, self._first + self._count)}
        for file in self._path.iterdir():
            if file.name in own:
                settle(file)
            else:  # an earlier run came further than it could write down
                file.unlink()
        settle(self._path)

    def close(self) -> None:
        pass

    def _next(self) -> Path:
        return self._path / (self._name % (self._first + self._count))

    def _took(self, data: bytes) -> None:
        self._state = _state(data)
        self._count += 1


def _state(data: bytes) -> bytes:
    return f"{len(data)} {zlib.crc32(data)}".encode()
