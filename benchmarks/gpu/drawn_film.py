"""The film that the whole chain is measured on: a real one brought to 640x480, or one that is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from parts import PackError
from reel.export.networks.examples import moving_pictures

FRAMES, SMALL_FRAMES = 240, 8
_RATE = Fraction(24)


def write_films(folder: Path, source: Path | None) -> None:
    """Write ``film.mp4`` of 640x480 and ``small.mp4`` of 96x64 into a folder.

    Args:
        source: A film to take the frames from, again from its beginning where it is short; None: drawn.

    Raises:
        PackError: It cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, height, count in (
        ("film.mp4", 640, 480, FRAMES),
        ("small.mp4", 96, 64, SMALL_FRAMES),
    ):
        frames = _drawn(count, width, height) if source is None else _read(source)
        _write(folder / name, islice(frames, count), width, height)


def _drawn(count: int, width: int, height: int) -> Iterator[av.VideoFrame]:
    (wide,) = moving_pictures(1, height, width + 2 * count)
    pixels = (255 * wide[0].transpose(1, 2, 0)).round().astype(np.uint8)
    for number in range(count):
        seen = np.ascontiguousarray(pixels[:, 2 * number : 2 * number + width])
        yield av.VideoFrame.from_ndarray(seen, format="rgb24")


def _read(source: Path) -> Iterator[av.VideoFrame]:
    """Give a film's frames without end."""
    while True:
        try:
            with av.open(str(source)) as container:
                if not container.streams.video:
                    raise PackError(f"{source} has no pictures.", "Give another film with --film.")
                yield from container.decode(container.streams.video[0])
        except (OSError, av.FFmpegError) as error:
            raise PackError(f"{source} cannot be read: {error}.", "Give another film with --film.") from error


def _write(path: Path, frames: Iterator[av.VideoFrame], width: int, height: int) -> None:
    scaler = VideoReformatter()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"preset": "fast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(frames):
            picture = scaler.reformat(frame, width, height, "yuv420p")
            picture.pts, picture.time_base = number, 1 / _RATE
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
