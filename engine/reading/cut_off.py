"""Whether a film ends before its header says that it does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container.input import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from .timing import Timing

_MISSING = Fraction(1)  # second; headers round, and the last frames of a film may be without a length
_TAIL = 5  # seconds before the promised end where sound is looked for
# Others work their length out from what is there.
_PROMISING = ("matroska", "mp4", "mov", "flv", "asf")


def cut_off(path: Path, container: InputContainer, stream: VideoStream, timing: Timing) -> str | None:
    """Say that a film is cut off, if it is.

    Args:
        path: The film.
        container: The same, opened.
        stream: Its pictures.
        timing: When these are shown, as far as they are there.
    """
    if not any(name in container.format.name for name in _PROMISING):
        return None
    length = timing.end - timing.first
    if stream.duration is not None and stream.time_base:
        promised = stream.duration * stream.time_base
    elif container.duration is not None:
        promised = Fraction(container.duration, 1_000_000)
        if promised > length + _MISSING and _sounds_on(path, promised):
            return None
    else:
        return None
    if promised <= length + max(_MISSING, length / 100):
        return None
    return (
        f"{path} is cut off or damaged: it should last {float(promised):.1f} seconds, and the pictures of "
        f"{float(length):.1f} are there."
    )


def _sounds_on(path: Path, end: Fraction) -> bool:
    """Whether another track goes on to the end that was promised."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            others = [*container.streams.audio, *container.streams.subtitles]
            if not others:
                return False
            container.seek(max(0, int((end - _TAIL) * 1_000_000)))
            stamps = [
                (packet.pts + (packet.duration or 0)) * packet.time_base
                for packet in container.demux(others)
                if packet.pts is not None
            ]
            return max(stamps, default=Fraction(0)) >= end - _MISSING
    except (FFmpegError, ValueError):
        return False
