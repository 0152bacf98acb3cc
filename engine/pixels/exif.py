"""How a photo is to be turned, as its EXIF data say.

libav reads them, but PyAV 18.1 does not hand on what libav 8 keeps them in.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as TooShort  # noqa: N812 - it is an exception
from struct import unpack_from

_ORIENTATION = 0x0112
_HEAD = b"Exif\0\0"


def orientation_of(data: bytes) -> int | None:
    """Return the orientation, 1 to 8, of a JPEG, PNG, TIFF or WebP file; None where it does not say."""
    try:
        for start in _directories(data):
            orientation = _from_directory(data, start)
            if orientation is not None and 1 <= orientation <= 8:
                return orientation
    except TooShort:  # a damaged file; its pixels may be sound
        return None
    return None


def _directories(data: bytes) -> Iterator[int]:
    """Give the places at which data of the form of TIFF begin."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        yield 0
    elif data[:2] == b"\xff\xd8":
        place = 2
        while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
            if data[place + 1 : place + 2] == b"\xe1" and data.startswith(_HEAD, place + 4):
                yield place + 4 + len(_HEAD)
            place += 2 + unpack_from(">H", data, place + 2)[0]
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        place = 8
        while place < len(data):
            if data[place + 4 : place + 8] == b"eXIf":
                yield place + 8
            place += 12 + unpack_from(">I", data, place)[0]
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        place = 12
        while place < len(data):
            if data[place : place + 4] == b"EXIF":
                yield place + 8 + len(_HEAD) * data.startswith(_HEAD, place + 8)
            size = unpack_from("<I", data, place + 4)[0]
            place += 8 + size + size % 2


def _from_directory(data: bytes, start: int) -> int | None:
    order = "<" if data[start : start + 2] == b"II" else ">"
    first = start + unpack_from(f"{order}I", data, start + 4)[0]
    for entry in range(unpack_from(f"{order}H", data, first)[0]):
        place = first + 2 + 12 * entry
        tag, kind = unpack_from(f"{order}HH", data, place)
        if tag == _ORIENTATION and kind == 3:
            return unpack_from(f"{order}H", data, place + 8)[0]
    return None
