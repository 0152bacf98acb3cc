"""Media made to take all memory is refused before it can."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path

import av
import pytest
from reel.engine.reading import packets
from reel.engine.reading.source import open_source
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


def test_a_film_of_absurdly_many_tracks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(3)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(stream.encode(None))
    with open_source(path) as source:
        assert source.format.frames == 1
    monkeypatch.setattr(packets, "MOST_STREAMS", 2)
    with pytest.raises(InputError, match="holds 3 tracks; up to 2"), open_source(path):
        pass
