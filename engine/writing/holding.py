"""Which containers can hold a track as it is, found by trying."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from ..reading.packets import demuxed, open_container

_SOON = 1000  # packets

_OFTEN = {"matroska": ".mkv", "mp4": ".mp4", "mov": ".mov", "avi": ".avi"}
# It takes anything, and what it does not know is lost as nameless data.
_IN_TRANSPORT_STREAMS = frozenset(
    {"mp1", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m"}
    | {"dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first packet of a track; times in ticks."""

    data: bytes
    time_base: Fraction
    duration: int


def samples_of(path: Path, indices: Collection[int]) -> dict[int, Sample]:
    """Return the first packet of each of these streams, of those that soon have one."""
    found: dict[int, Sample] = {}
    with open_container(path) as container:
        wanted = [stream for stream in container.streams if stream.index in indices]
        if not wanted:
            return found
        for packet in islice(demuxed(container, *wanted), _SOON):
            if packet.size and packet.time_base:
                sample = Sample(bytes(packet), packet.time_base, packet.duration or 0)
                found.setdefault(packet.stream.index, sample)
            if len(found) == len(wanted):
                break
    return found


def add_copy(output: OutputContainer, stream: Stream) -> Stream:
    """Add a stream to a file, to copy packets into."""
    copy = output.add_stream_from_template(stream)
    if isinstance(copy, AudioStream) and copy.codec_context.layout.name.endswith(" channels"):
        # AVI counts channels and does not name them, and MP4 wants names: the usual ones.
        copy.codec_context.layout = f"{copy.codec_context.layout.nb_channels}c"
    return copy


def can_hold(container: str, stream: Stream, sample: Sample | None = None) -> bool:
    """Whether a container, by libav's name, takes a stream as it is.

    Args:
        container: The name.
        stream: Of a file that is open.
        sample: A packet of it; some containers say only at the end that they cannot hold it.
    """
    if container == "mpegts" and stream.codec_context.codec.canonical_name not in _IN_TRANSPORT_STREAMS:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            copy = add_copy(trial, stream)
            trial.start_encoding()
            if sample is not None:
                packet: Packet[Any] = Packet(len(sample.data))
                packet.update(sample.data)
                packet.pts = packet.dts = 0
                packet.duration, packet.time_base = sample.duration, sample.time_base
                packet.is_keyframe = True
                packet.stream = copy
                trial.mux_one(packet)
    except (FFmpegError, ValueError, OSError):
        return False
    return True


def holders(stream: Stream, sample: Sample | None = None) -> str:
    """Say which usual containers can hold a stream: ``.mkv and .avi can``; empty where none does."""
    able = [suffix for name, suffix in _OFTEN.items() if can_hold(name, stream, sample)]
    return f"{', '.join(able[:-1])}{' and ' if able[1:] else ''}{able[-1]} can" if able else ""
