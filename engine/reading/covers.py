"""Pictures that belong to a file and are no film: the cover of a record, the poster of a film."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from .packets import open_container


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover, and its place in a copy of the file."""

    data: bytes
    copy: Stream

    def write(self, output: OutputContainer) -> None:
        """Put it into the copy, whose header is written."""
        packet: Packet[Any] = Packet(len(self.data))
        packet.update(self.data)
        packet.pts = packet.dts = 0
        packet.time_base = Fraction(1, 1000)
        packet.is_keyframe = True
        packet.stream = self.copy
        output.mux_one(packet)


def picture_of(path: Path, cover: VideoStream) -> bytes | None:
    """Return the file of a picture that is attached; None where it is not there."""
    try:
        with open_container(path) as container:
            stream = container.streams[cover.index]
            return next((bytes(packet) for packet in container.demux(stream) if packet.size), None)
    except FFmpegError:
        return None


def attach(output: OutputContainer, cover: VideoStream, data: bytes) -> None:
    """Put a cover into a Matroska file, where it is an attachment."""
    codec = cover.codec_context.name
    kind = "jpeg" if codec == "mjpeg" else codec
    name = cover.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
    output.add_attachment(name, cover.metadata.get("mimetype") or f"image/{kind}", data)
