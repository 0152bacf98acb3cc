"""What the packets of a film say before any of them is decoded."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
from av.container.input import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from ...errors import InputError
from .breaks import Break, BreakFinder
from .cut_off import cut_off
from .timing import Timing, timing_from_stamps
from .track_choice import Track, film_wanted

_log = logging.getLogger(__name__)

WHAT_TO_GIVE = "Give a film, a photo, a folder of pictures or a pattern such as frames/%06d.png."
MOST_STREAMS = 200  # films with every language have fifty
MOST_PIXELS = 2**27  # of a picture: four times 8K. More is a mistake, or meant to take all memory
_GIVE_UP = 20  # failures to read with nothing read between them
_TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})  # libav draws any text file as a film


@dataclass(frozen=True, slots=True)
class Key:
    """A frame from which decoding can begin; time stamps in ticks of its stream."""

    shown: int
    decoded: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The frames of a film, found without decoding them.

    Attributes:
        timing: When they are shown.
        stamps: Their time stamps as ``timing.time_of`` takes them, rising.
        keys: Where decoding can begin, in the order they are shown.
        in_order: Whether the film has an order and no times of its own, so that the n-th picture
            decoded is shown at the n-th time stamp.
        stream: The number of the film in its file.
        remark: What is to be said of its end, if it is cut off.
        breaks: Where its clock begins anew; there are no keys, then, as nothing can be sought by its time.
    """

    timing: Timing
    stamps: tuple[int, ...]
    keys: tuple[Key, ...]
    in_order: bool = False
    stream: int = 0
    remark: str | None = None
    breaks: tuple[Break, ...] = ()


def open_container(path: Path) -> InputContainer:
    """Open a film for reading.

    Raises:
        InputError: There is no such file, or it is not a film.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}.", "Check the path for typing errors.")
    try:
        container = av.open(str(path), "r", metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        if not os.access(path, os.R_OK):
            raise InputError(f"{path} may not be read.", "Check the permissions of the file.") from error
        if _begins_as_mp4(path):
            raise InputError(
                f"{path} is damaged or cut off: without its table of contents, which may stand at its end, "
                "nothing of it can be read.",
                "Get the whole file, or have a tool that repairs MP4 files make the table anew.",
            ) from error
        raise InputError(f"{path} is neither a film nor a photo that can be read.", WHAT_TO_GIVE) from error
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise InputError(f"{path} is text and not a film.", WHAT_TO_GIVE)
    if len(container.streams) > MOST_STREAMS:
        count = len(container.streams)
        container.close()
        raise InputError(
            f"{path} holds {count} tracks; up to {MOST_STREAMS} are taken.",
            "Copy the tracks that you want into another file, with ffmpeg for instance.",
        )
    return container


def main_video(container: InputContainer, path: Path, index: int | None = None) -> VideoStream:
    """Return the stream that is restored: the one of this number, or the one a player would show.

    Raises:
        InputError: The file holds no pictures, or none but the cover of a record.
    """
    films = [stream for stream in container.streams.video if not is_cover(stream)]
    if not films:
        held = "only sound" if container.streams.audio else "no pictures"
        raise InputError(f"{path} holds {held}.", WHAT_TO_GIVE)
    if index is None:
        best = container.streams.best("video")
        index = films[0].index if best is None else best.index
    chosen = next((stream for stream in films if stream.index == index), films[0])
    if chosen.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError(f"The pictures of {path} are coded in a way unknown to libav.", WHAT_TO_GIVE)
    if chosen.width * chosen.height > MOST_PIXELS:
        raise InputError(
            f"{path} has pictures of {chosen.width}x{chosen.height}; up to {MOST_PIXELS} pixels are taken.",
            "Make it smaller first.",
        )
    limit_pixels(chosen)
    return chosen


def track_of(stream: Stream) -> Track:
    """Return what a choice among tracks goes by."""
    codec = stream.codec_context
    return Track(
        stream.index,
        stream.type,
        codec.name if codec is not None else "",  # pyright: ignore[reportUnnecessaryComparison]
        stream.metadata.get("language", ""),
    )


def limit_pixels(stream: VideoStream) -> None:
    """Let the decoder refuse a picture that is too large before it takes memory for it."""
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MOST_PIXELS)}


def is_cover(stream: VideoStream) -> bool:
    """Whether a video stream is a picture attached to the file and not a film."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def origin_of(container: InputContainer, first: Fraction) -> Fraction:
    """Return when a film begins, in seconds on its own clock: with its first picture or sound.

    Sound that begins before zero is the run-in of its codec, which nobody hears.

    Args:
        container: The film.
        first: When its first picture is shown. libav's word for it is wrong where the container
            keeps no times of decoding, as Matroska, and pictures are coded out of order.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams.audio
        if stream.start_time is not None and stream.time_base
    ]
    return max(Fraction(0), min([first, *starts]))


def demuxed(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Give the packets of streams from where a file is read on, past places that cannot be read.

    As PyAV does, it gives an empty packet for each stream at the end.
    """
    failures = 0
    while failures < _GIVE_UP:
        try:
            for packet in container.demux(*streams):
                failures = 0
                yield packet
            return
        except FFmpegError as error:
            failures += 1
            _log.debug("%s cannot be read on (%s).", container.name, error.strerror)
    for stream in streams:
        empty: Packet[Any] = Packet()
        empty.stream = stream
        yield empty


def check_within(path: Path, length: Fraction, start: Fraction | None, end: Fraction | None) -> None:
    """Refuse a range that goes beyond the film, with an InputError; all in seconds.

    An end may round the length up, as players show it.
    """
    for option, value, most in (("--start", start, length), ("--end", end, math.ceil(length))):
        if value is not None and value > most:
            raise InputError(
                f"{option} {float(value):g} lies beyond {path}, which lasts {float(length):.6g} seconds.",
                f"Give {option} in seconds from the beginning.",
            )


def scan(path: Path, tracks: tuple[str, ...] = ()) -> Scan:
    """Read the packets of a film's pictures, decoding nothing; once, as long as the file stays as it is.

    Args:
        path: The file.
        tracks: Which of its tracks are wanted, as ``track_choice.chosen`` takes them.

    Raises:
        InputError: As ``open_container`` and ``main_video``, or the film holds no frame, or none as wanted.
    """
    try:
        status = path.stat()
    except OSError:
        return _scanned(path, tracks)
    return _scanned_once(path, tracks, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4)  # a film is opened to plan, to run and for its tracks
def _scanned_once(path: Path, tracks: tuple[str, ...], size: int, changed: int, number: int) -> Scan:
    return _scanned(path, tracks)


def _scanned(path: Path, tracks: tuple[str, ...]) -> Scan:
    with open_container(path) as container:
        films = [stream for stream in container.streams.video if not is_cover(stream)]
        stream = main_video(container, path, film_wanted([track_of(film) for film in films], tracks, path))
        _skip_others(container, stream)
        # AVI counts packets in the order of decoding; what libav makes of that for B-frames is no time.
        in_order = container.format.name == "avi"
        shown: dict[int, int] = {}
        keys: list[Key] = []
        count = 0
        finder = BreakFinder(container.format.name)
        for packet in demuxed(container, stream):
            if packet.size:
                finder.follow(packet)
            if not packet.size or packet.is_discard or _is_hidden(packet, stream.codec_context.name):
                continue
            count += 1
            stamp = packet.dts if packet.pts is None or in_order else packet.pts
            if stamp is None:
                continue
            shown[stamp] = packet.duration or 0
            if packet.is_keyframe:
                keys.append(Key(stamp, stamp if packet.dts is None else packet.dts))
        if not count:
            raise InputError(f"{path} holds no frame.", WHAT_TO_GIVE)
        hints = [rate for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate]
        if not shown or len(shown) < count // 2 or not stream.time_base:
            return replace(_counted(count, hints), stream=stream.index)
        timing = timing_from_stamps(shown, stream.time_base, hints, shown[max(shown)])
        breaks = tuple(finder.breaks)
        keys = [] if in_order or breaks else sorted(keys, key=lambda key: key.shown)
        remark = cut_off(path, container, stream, timing)
        return Scan(timing, tuple(sorted(shown)), tuple(keys), in_order, stream.index, remark, breaks)


def _counted(count: int, hints: Iterable[Fraction]) -> Scan:
    """Return the scan of a bare stream, which has an order but no time stamps."""
    step = 1 / next(iter(hints), Fraction(25))
    timing = timing_from_stamps(range(count), step, [1 / step], 1)
    return Scan(timing, tuple(range(count)), (), in_order=True)


def _skip_others(container: InputContainer, stream: VideoStream) -> None:
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


def _is_hidden(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether a VP8 or VP9 packet holds a picture that is only referred to, never shown."""
    if not codec.startswith(("vp8", "vp9", "libvpx")):
        return False
    data = memoryview(packet)
    head = data[0]
    if "vp8" in codec or codec == "libvpx":
        return not head >> 4 & 1
    if data[-1] & 0xE0 == 0xC0:  # a superframe: hidden pictures and the one that is shown
        return False
    shift = 1 if head >> 4 & 3 == 3 else 0  # profile 3 has one bit more before the flags
    shows_existing, shows = head >> (3 - shift) & 1, head >> (1 - shift) & 1
    return not shows_existing and not shows


def _begins_as_mp4(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError:
        return False
