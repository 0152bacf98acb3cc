"""The tracks that are not restored: sound, subtitles, chapters, attachments, copied as they are."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
from av.container.input import InputContainer
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Stream
from av.video.stream import VideoStream

from .packets import is_cover, main_video, open_container, origin_of, scan

if TYPE_CHECKING:  # a type that PyAV declares and does not define
    from av.container.core import Chapter

_log = logging.getLogger(__name__)

# Said of the file that is read, and not true of the one that is written.
_OF_THE_FILE = frozenset(
    {"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate"}
    | {"bps", "number_of_frames", "number_of_bytes", "alpha_mode", "stereo_mode"}
)


@dataclass
class _Copied:
    """A stream and its copy; ``last`` is the decoding time stamp written last, in ticks."""

    stream: Stream
    copy: Stream
    last: int | None = None


class Tracks:
    """Copies the other tracks of a film, packet by packet, in step with its pictures.

    Args:
        path: The film whose tracks are copied.
        start, end: Seconds from its beginning: packets with start <= time < end are copied and
            their times counted from ``start``, as those of the pictures are.
    """

    def __init__(self, path: Path, *, start: Fraction | None = None, end: Fraction | None = None) -> None:
        self._path = path
        self._start = start
        self._end = end
        self._copied: dict[int, _Copied] = {}
        self._warned: set[str] = set()
        self._waiting: Packet[Stream] | None = None
        self._input: InputContainer | None = None
        self._packets: Iterator[Packet[Stream]] = iter(())

    def __enter__(self) -> Self:
        self._input = container = open_container(self._path)
        begin = origin_of(container, scan(self._path).timing.first)
        self._origin = begin + (self._start or 0)
        self._until = None if self._end is None else begin + self._end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    def add_to(self, output: OutputContainer, video: VideoStream) -> None:
        """Add the tracks to a file whose picture stream is there and whose header is not written.

        What the container cannot hold is left out, with a warning that names one that can. Until packets
        are copied, this may be done again with another file.
        """
        assert self._input is not None
        self._copied = {}
        main = main_video(self._input, self._path)
        output.metadata.update(_kept(self._input.metadata))
        video.metadata.update(_kept(main.metadata))
        video.disposition = main.disposition
        for stream in self._input.streams:
            if stream.index == main.index:
                continue
            if isinstance(stream, VideoStream) and not is_cover(stream):
                self._warn("The second film of %s, stream %d, is left out.", self._path, stream.index)
            elif isinstance(stream, AttachmentStream):
                self._attach(output, stream)
            elif stream.type in ("audio", "subtitle"):
                self._add(output, stream)
            else:
                _log.info("Stream %d of %s (%s) is left out.", stream.index, self._path, stream.type)
        output.set_chapters(list(self._chapters()))
        for stream in self._input.streams:
            if stream.index not in self._copied:
                stream.discard = Discard.all
        if self._copied:
            self._seek(main)
            packets = self._input.demux([entry.stream for entry in self._copied.values()])
            self._packets = self._until_damaged(packets)

    def copy_until(self, output: OutputContainer, time: Fraction | None) -> None:
        """Write the packets of the tracks up to a time of the result, all of them if it is None."""
        while True:
            packet = self._waiting or self._next()
            self._waiting = None
            if packet is None:
                return
            entry = self._copied[packet.stream.index]
            stamp = packet.dts if packet.dts is not None else packet.pts
            moment = (stamp or 0) * packet.time_base - self._origin
            if time is not None and moment > time:
                self._waiting = packet
                return
            self._write(output, entry, packet)

    def _next(self) -> Packet[Stream] | None:
        """Return the next packet inside the range."""
        for packet in self._packets:
            shown = packet.pts if packet.pts is not None else packet.dts
            if not packet.size or shown is None:
                continue
            time = shown * packet.time_base
            before = self._start is not None and time < self._origin
            if not before and (self._until is None or time < self._until):
                return packet
        return None

    def _until_damaged(self, packets: Iterator[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        try:
            yield from packets
        except FFmpegError as error:
            _log.warning("The tracks of %s are damaged or cut off (%s).", self._path, error.strerror)

    def _write(self, output: OutputContainer, entry: _Copied, packet: Packet[Stream]) -> None:
        shift = round(self._origin / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        packet.dts = packet.pts if packet.dts is None else packet.dts - shift
        if packet.dts is not None:
            if entry.last is not None and packet.dts <= entry.last:  # muxers refuse times that stand still
                packet.dts = entry.last + 1
                packet.pts = max(packet.pts or packet.dts, packet.dts)
            entry.last = packet.dts
        packet.stream = entry.copy
        output.mux_one(packet)

    def _add(self, output: OutputContainer, stream: Stream) -> None:
        if not can_hold(output.format.name, stream):
            others = {"matroska": ".mkv", "mp4": ".mp4", "mov": ".mov"}
            able = [suffix for name, suffix in others.items() if can_hold(name, stream)]
            self._warn(
                "The %s track %d of %s (%s) is left out, as a %s file cannot hold it%s.",
                stream.type,
                stream.index,
                self._path,
                stream.codec_context.name if stream.codec_context else "unknown",
                output.format.name,
                f"; {' and '.join(able)} can" if able else "",
            )
            return
        copy = output.add_stream_from_template(stream)
        copy.metadata.update(_kept(stream.metadata))
        copy.disposition = stream.disposition
        self._copied[stream.index] = _Copied(stream, copy)

    def _attach(self, output: OutputContainer, stream: AttachmentStream) -> None:
        name = stream.metadata.get("filename", stream.name or "attachment")
        if output.format.name != "matroska":
            self._warn("The attachment %s of %s is left out; a .mkv file can hold it.", name, self._path)
            return
        output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)

    def _warn(self, message: str, *details: object) -> None:
        if (said := message % details) not in self._warned:
            self._warned.add(said)
            _log.warning(message, *details)

    def _chapters(self) -> Iterator[Chapter]:
        assert self._input is not None
        for chapter in self._input.chapters():
            tick = chapter["time_base"]
            if not tick:
                continue
            shift = round(self._origin / tick)
            start, end = chapter["start"] - shift, chapter["end"] - shift
            if self._until is not None:
                end = min(end, round((self._until - self._origin) / tick))
            if end > max(start, 0):
                yield {**chapter, "start": max(start, 0), "end": end}

    def _seek(self, main: VideoStream) -> None:
        """Skip most of what lies before the start; packets before it are dropped in any case."""
        assert self._input is not None
        if self._start:
            try:
                self._input.seek(max(0, int((self._origin - 10) * 1_000_000)))
            except FFmpegError:
                _log.debug("%s cannot be sought in; its tracks are read from the beginning.", self._path)


def can_hold(container: str, stream: Stream) -> bool:
    """Whether a container, by libav's name, takes a stream as it is; found by trying."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError, OSError):
        return False
    return True


def _kept(metadata: dict[str, str]) -> dict[str, Any]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OF_THE_FILE and not key.lower().startswith("_statistics")
    }
