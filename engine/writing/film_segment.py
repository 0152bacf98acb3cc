"""A segment of a film: packets, encoded by an encoder of their own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import JobError
from ..job.records import Records, read_heads, read_records
from ..pixels.frame import Format, Frame
from ..reading.pictures import CHROMA_BETWEEN, Writer
from .encoding import Choice

_log = logging.getLogger(__name__)

_DECODERS = {"av1": "libdav1d"}  # libav's own needs a GPU


@dataclass(frozen=True, slots=True)
class Coded:
    """An encoded picture.

    Attributes:
        pts, duration: In ticks of the film's time base.
        key: Whether decoding can begin with it.
        data: What the encoder made.
    """

    pts: int
    duration: int
    key: bool
    data: bytes


class FilmSegment:
    """Encodes frames into a file of packets (see ``job.segments.Segment``).

    Args:
        path: The file, not there yet or worth nothing.
        film: The format of the frames.
        choice: How to encode them.
        container: libav's name of the container that they go into at last.
    """

    def __init__(self, path: Path, film: Format, choice: Choice, container: str) -> None:
        self._path = path
        self._film = film
        self._choice = choice
        self._durations: dict[int, int] = {}
        self._stamps: list[int] = []
        self._writer = writer_for(choice, film)
        # Never written to: it sets the encoder up as the last container wants it.
        self._model = av.open(io.BytesIO(), "w", format=container)
        self._encoder = add_video(self._model, choice, film).codec_context
        self._encoder.open()
        self._picture: VideoFrame | None = None
        self._records = Records(path)
        self._records.__enter__()
        self._records.append(json.dumps({"extradata": (self._encoder.extradata or b"").hex()}))

    def write(self, frame: Frame) -> None:
        self._encode(self._writer.write(frame.picture), frame.time, frame.duration)

    def state(self) -> tuple[bytes | memoryview, ...]:
        assert self._picture is not None
        return tuple(memoryview(plane) for plane in self._picture.planes)  # pyright: ignore[reportArgumentType] - PEP 688

    def write_again(self, time: Fraction, duration: Fraction, state: bytes) -> bool:
        width, height = self._encoder.width, self._encoder.height
        picture = self._writer.blank(width, height)
        if sum(plane.buffer_size for plane in picture.planes) != len(state):
            return False
        place = 0
        for plane in picture.planes:
            plane.update(state[place : place + plane.buffer_size])
            place += plane.buffer_size
        self._encode(picture, time, duration)
        return True

    def finish(self) -> None:
        self._keep(self._encoder.encode(None))
        self._records.settle()
        check_segment(self._path, self._film, self._choice, self._stamps)

    def close(self) -> None:
        self._records.__exit__(None, None, None)
        self._model.close()

    def _encode(self, picture: VideoFrame, time: Fraction, duration: Fraction) -> None:
        tick = self._choice.time_base
        stamp = round(time / tick)
        picture.pts, picture.time_base = stamp, tick
        self._durations[stamp] = round((time + duration) / tick) - stamp
        self._stamps.append(stamp)
        self._picture = picture
        self._keep(self._encoder.encode(picture))

    def _keep(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            pts = packet.pts
            if pts is None:
                raise JobError(f"{self._choice.codec.name} gives no times.", "Choose another --codec.")
            # Encoders do not pass durations on, and the last one decides how long the film is.
            duration = self._durations.pop(pts, packet.duration or 0)
            head = {"pts": pts, "duration": duration, "key": packet.is_keyframe}
            self._records.append(json.dumps(head), bytes(packet))


def writer_for(choice: Choice, film: Format) -> Writer:
    """Return what turns frames of this format into pictures that are encoded so."""
    left = choice.codec.canonical_name not in CHROMA_BETWEEN
    return Writer(choice.pix_fmt, choice.colour, left=left, clip=film.clipped)


def read_segment(path: Path) -> tuple[bytes, Iterator[Coded]]:
    """Return the encoder's extradata, and the packets in the order of decoding.

    Raises:
        JobError: It is no such file, or a part of it is damaged or missing at its end.
    """
    records = read_records(path)
    try:
        first = next(records, None)
        if first is None:
            raise ValueError
        return bytes.fromhex(json.loads(first.head)["extradata"]), _packets(records)
    except (ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} is damaged.", "Start over with --fresh.") from error


def _packets(records: Iterator[Any]) -> Iterator[Coded]:
    for record in records:
        head = json.loads(record.head)
        yield Coded(head["pts"], head["duration"], head["key"], record.body)


def stamps_of(path: Path) -> list[int]:
    """Return the times of the packets of a sound segment in ticks, in the order of decoding."""
    heads = (json.loads(head) for head in read_heads(path))
    return [head["pts"] for head in heads if "pts" in head]


def check_segment(path: Path, film: Format, choice: Choice, stamps: list[int]) -> None:
    """Read a segment back and decode it: every frame must come out, at its time.

    Args:
        path: The file.
        film: The format of its frames.
        choice: How they were encoded.
        stamps: Their times in ticks, rising.

    Raises:
        JobError: One does not come out.
    """
    extradata, packets = read_segment(path)
    decoder = _open_decoder(extradata, film, choice)
    kept: list[int] = []
    decoded: list[int] = []
    try:
        for coded in packets:
            kept.append(coded.pts)
            if decoder is not None:
                decoded.extend(_stamps(decoder.decode(packet_of(coded, choice.time_base))))
        if decoder is not None:
            decoded.extend(_stamps(decoder.decode(None)))
    except FFmpegError as error:
        _log.debug("%s cannot be decoded (%s).", path, error.strerror)
    back = kept if decoder is None else decoded
    if sorted(kept) != stamps or sorted(back) != stamps:
        raise JobError(
            f"{choice.codec.name} was given {len(stamps)} frames, and {len(back)} came back from {path}.",
            "See whether the disk is sound and run the same command again, or choose another --codec.",
        )


def _open_decoder(extradata: bytes, film: Format, choice: Choice) -> VideoCodecContext | None:
    """Return a decoder; None for the few codecs that need more of their container than the extradata."""
    name = choice.codec.canonical_name
    decoder = VideoCodecContext.create(_DECODERS.get(name, name), "r")
    if not isinstance(decoder, VideoCodecContext):
        raise TypeError(f"{name} is no video codec")
    decoder.thread_type = "AUTO"
    decoder.extradata = extradata or None
    decoder.width, decoder.height, decoder.pix_fmt = film.width, film.height, choice.pix_fmt
    try:
        decoder.open()
    except FFmpegError:
        _log.info("%s is not decoded to check it; its packets are counted.", name)
        return None
    return decoder


def _stamps(pictures: list[VideoFrame]) -> list[int]:
    return [picture.pts for picture in pictures if picture.pts is not None]


def packet_of(coded: Coded, tick: Fraction) -> Packet[Any]:
    """Return a packet of libav, without a time of decoding."""
    # In libav's own memory: PyAV 18.1 frees Python's under Python's lock, for which a thread of a decoder
    # waits for ever while that is being closed under the lock.
    packet: Packet[Any] = Packet(len(coded.data))
    packet.update(coded.data)
    packet.pts, packet.duration, packet.time_base = coded.pts, coded.duration, tick
    packet.is_keyframe = coded.key
    return packet


def add_video(output: OutputContainer, choice: Choice, film: Format) -> VideoStream:
    """Add the stream of pictures to a file, with the encoder that it is encoded with set up."""
    stream = output.add_stream(choice.codec.name, rate=film.rate or 25, options=choice.options)
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{choice.codec.name} is no video encoder")
    context = stream.codec_context
    context.width, context.height = film.width, film.height
    context.pix_fmt = choice.pix_fmt
    if output.format.name in ("mp4", "mov") and choice.codec.canonical_name == "hevc":
        context.codec_tag = "hvc1"  # libav writes hev1, which Apple's players refuse
    context.time_base = stream.time_base = choice.time_base
    context.sample_aspect_ratio = film.pixel_aspect
    context.colorspace = choice.colour.matrix
    context.color_primaries = choice.colour.primaries
    context.color_trc = choice.colour.transfer
    context.color_range = 2 if choice.colour.full_range else 1
    return stream
