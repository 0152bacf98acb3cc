"""Media made to take all memory is refused before it can."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path

import pytest
from reel.engine.source import open_source
from reel.errors import InputError


def png(width: int, height: int) -> bytes:
    """A picture of so many white pixels, one bit each, in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" + b"\xff" * (-(-width // 8))) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", rows + packer.flush()), chunk(b"IEND", b""))
    )


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_a_picture_of_too_many_pixels_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(15000, 15000))
    assert (tmp_path / "bomb.png").stat().st_size < 200_000
    before = memory()
    with pytest.raises(InputError, match="more than 134217728 pixels"), open_source(tmp_path / "bomb.png"):
        pass
    assert memory() - before < 100  # MiB; decoded it would take thousands
    (tmp_path / "large.png").write_bytes(png(2000, 1000))
    with open_source(tmp_path / "large.png") as source:
        assert (source.format.width, source.format.height) == (2000, 1000)


def test_a_film_of_absurd_size_is_refused_before_memory_is_taken(make_film, drifting) -> None:
    path = make_film("film.mkv", drifting(2, 320, 320), codec="ffv1", options={})
    data = path.read_bytes()
    for element in (b"\xb0\x82", b"\xba\x82"):  # Matroska's PixelWidth and PixelHeight, two bytes each
        assert data.count(element + b"\x01\x40") == 1
        data = data.replace(element + b"\x01\x40", element + b"\x4e\x20")
    path.write_bytes(data)
    before = memory()
    with pytest.raises(InputError, match=r"no frame that can be decoded|20000x20000"), open_source(path):
        pass
    assert memory() - before < 100
