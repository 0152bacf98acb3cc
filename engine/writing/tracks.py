"""The tracks that are not restored: sound, subtitles, chapters, attachments, copied as they are."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from av.container.input import InputContainer
from av.container.output import OutputContainer
from av.error import ArgumentError, FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Stream
from av.video.stream import VideoStream

from ..reading.breaks import unbroken
from ..reading.covers import Cover, attach, picture_of
from ..reading.damage import Damage
from ..reading.packets import is_cover, main_video, open_container, origin_of, scan, track_of
from ..reading.track_choice import chosen
from .holding import add_copy, can_hold, holders, samples_of

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
        wanted: Which are, as ``track_choice.chosen`` takes them; all if empty.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        wanted: tuple[str, ...] = (),
    ) -> None:
        self._path = path
        self._wanted = wanted
        self._start = start
        self._end = end
        self._copied: dict[int, _Copied] = {}
        self._covers: list[Cover] = []
        self._warned: set[str] = set()
        self._damage = Damage(path)
        self._waiting: Packet[Stream] | None = None
        self._input: InputContainer | None = None
        self._packets: Iterator[Packet[Stream]] = iter(())

    def __enter__(self) -> Self:
        scanned = scan(self._path, self._wanted)
        self._breaks = scanned.breaks
        self._input = container = open_container(self._path)
        self._main = main_video(container, self._path, scanned.stream)
        self._chosen = list(self._choose(container))
        copied = {stream.index for stream in self._chosen if stream.type in ("audio", "subtitle")}
        self._samples = samples_of(self._path, copied)
        begin = origin_of(container, scanned.timing.first)
        self._origin = begin + (self._start or 0)
        self._until = None if self._end is None else begin + self._end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._damage.tell()
        if self._input is not None:
            self._input.close()
            self._input = None

    def add_to(self, output: OutputContainer, video: VideoStream) -> None:
        """Add the tracks to a file whose picture stream is there and whose header is not written.

        What the container cannot hold is left out, with a warning that names one that can. Until packets
        are copied, this may be done again with another file.
        """
        assert self._input is not None
        self._copied, self._covers = {}, []
        main = self._main
        output.metadata.update(self._kept(self._input.metadata, video))
        video.metadata.update(self._kept(main.metadata, video))
        video.disposition = main.disposition
        for stream in self._chosen:
            self._add(output, stream)
        output.set_chapters(list(self._chapters()))
        for stream in self._input.streams:
            if stream.index not in self._copied:
                stream.discard = Discard.all
        if self._copied:
            self._seek()
            packets = self._input.demux([entry.stream for entry in self._copied.values()])
            self._packets = unbroken(self._until_damaged(packets), self._breaks)

    def copy_until(self, output: OutputContainer, time: Fraction | None) -> None:
        """Write the packets of the tracks up to a time of the result, all of them if it is None."""
        while self._covers:
            self._covers.pop().write(output)
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
            if before and packet.stream.type == "subtitle":
                before = not self._begin_later(packet, time)
            if not before and (self._until is None or time < self._until):
                return packet
        return None

    def _begin_later(self, packet: Packet[Stream], time: Fraction) -> bool:
        """Let a subtitle that is still to be read begin where the film does; say whether it is one."""
        end = time + (packet.duration or 0) * packet.time_base
        if end <= self._origin:
            return False
        begin = math.ceil(self._origin / packet.time_base)
        packet.duration = max(1, round(end / packet.time_base) - begin)
        packet.pts = packet.dts = begin
        return True

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
        time = None if packet.pts is None else packet.pts * packet.time_base
        packet.stream = entry.copy
        try:
            output.mux_one(packet)
        except (InvalidDataError, ArgumentError) as error:  # containers look into some kinds of packets
            what = f"is a damaged packet of the {entry.stream.type} track {entry.stream.index}, left out"
            self._damage.note(what, time, error.strerror or "")

    def _choose(self, container: InputContainer) -> Iterator[Stream]:
        """Give the streams to copy, the film itself apart."""
        others = [stream for stream in container.streams if stream.index != self._main.index]
        known = [track_of(stream) for stream in container.streams]
        wanted = chosen(known, self._wanted, self._path)
        # Chapters of MP4 are a track, too, which libav reads by itself and hides.
        yield from (s for s in others if s.index in wanted and s.discard != Discard.all)

    def _add(self, output: OutputContainer, stream: Stream) -> None:
        if isinstance(stream, AttachmentStream):
            self._attach(output, stream)
        elif isinstance(stream, VideoStream) and is_cover(stream):
            self._add_cover(output, stream)
        elif isinstance(stream, VideoStream):
            self._warn("The other film of %s, stream %d, is left out.", self._path, stream.index)
        elif stream.type not in ("audio", "subtitle"):
            if "timecode" not in stream.metadata:  # that one passes as metadata of the film
                self._warn("The %s track %d of %s is left out.", stream.type, stream.index, self._path)
        elif can_hold(output.format.name, stream, self._samples.get(stream.index)):
            self._copy(output, stream)
        else:
            self._leave_out(output, stream, holders(stream, self._samples.get(stream.index)))

    def _leave_out(self, output: OutputContainer, stream: Stream, able: str) -> None:
        self._warn(
            "The %s track %d of %s (%s) is left out, as %s files cannot hold it%s.",
            stream.type,
            stream.index,
            self._path,
            track_of(stream).codec or "unknown",
            output.format.name,
            f"; {able}" if able else "",
        )

    def _copy(self, output: OutputContainer, stream: Stream) -> None:
        copy = add_copy(output, stream)
        copy.metadata.update(self._kept(stream.metadata))
        copy.disposition = stream.disposition
        self._copied[stream.index] = _Copied(stream, copy)

    def _attach(self, output: OutputContainer, stream: AttachmentStream) -> None:
        name = stream.metadata.get("filename", stream.name or "attachment")
        if output.format.name != "matroska":
            self._warn("The attachment %s of %s is left out; .mkv can hold it.", name, self._path)
            return
        output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)

    def _add_cover(self, output: OutputContainer, stream: VideoStream) -> None:
        data = picture_of(self._path, stream)
        name = output.format.name
        if data is None:
            self._warn("The cover of %s, stream %d, is damaged and left out.", self._path, stream.index)
        elif name == "matroska":
            attach(output, stream, data)
        elif name == "mp4" and can_hold(name, stream):
            copy = output.add_stream_from_template(stream)
            copy.disposition = stream.disposition
            self._covers.append(Cover(data, copy))
        else:
            self._leave_out(output, stream, ".mkv and .mp4 can")

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

    def _kept(self, metadata: dict[str, str], video: VideoStream | None = None) -> dict[str, Any]:
        """Return what is true of the copy, too."""
        kept = {
            key: value
            for key, value in metadata.items()
            if key.lower() not in _OF_THE_FILE and not key.lower().startswith("_statistics")
        }
        # A timecode counts frames: it is right for the same frames only.
        others = self._start or (video is not None and video.average_rate != self._main.average_rate)
        if others and kept.pop("timecode", None) is not None:
            self._warn("The timecode of %s is left out, as its frames are others now.", self._path)
        return kept

    def _seek(self) -> None:
        """Skip most of what lies before the start; packets before it are dropped in any case."""
        assert self._input is not None
        if self._start and not self._breaks:
            try:
                self._input.seek(max(0, int((self._origin - 10) * 1_000_000)))
            except FFmpegError:
                _log.debug("%s cannot be sought in; its tracks are read from the beginning.", self._path)
