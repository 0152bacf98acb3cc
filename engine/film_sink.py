"""A film written into a container, with exact times and the other tracks of its source."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import av
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from ..errors import OutputError
from .encoding import Choice, Encoding, choose
from .frame import Format, Frame
from .partial import Partial, reported
from .pictures import Writer
from .tracks import Tracks


class FilmSink:
    """Encodes frames into a film; see ``open_sink``."""

    def __init__(
        self,
        partial: Partial,
        film: Format,
        *,
        encoding: Encoding,
        tracks: Tracks | None,
        note: str | None,
    ) -> None:
        self.path = partial.path
        self._partial = partial
        self._film = film
        self._encoding = encoding
        self._tracks = tracks
        self._note = note
        self._last: int | None = None
        self._durations: dict[int, int] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._partial)
            self._output = _open_output(self._partial)
            stack.callback(_close, self._output)
            self._choice = choose(self._encoding, self._output, self._film)
            if self._tracks is not None:
                stack.enter_context(self._tracks)
            with reported(self.path):
                self._begin()
            self._writer = Writer(self._choice.pix_fmt, self._choice.colour, left=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._finish()

    def write(self, frame: Frame) -> None:
        """Encode one frame; frames come in the order of their times.

        Raises:
            OutputError: The disk is full, or the encoder fails.
        """
        if (frame.width, frame.height) != (self._film.width, self._film.height):
            raise ValueError(f"the sink was opened for {self._film.width}x{self._film.height}")
        tick = self._choice.time_base
        stamp = round(frame.time / tick)
        if self._last is not None and stamp <= self._last:
            raise ValueError(f"the frame at {frame.time} seconds comes after one at {self._last * tick}")
        self._last = stamp
        picture = self._writer.write(frame.pixels)
        picture.pts, picture.time_base = stamp, tick
        self._durations[stamp] = round((frame.time + frame.duration) / tick) - stamp
        with reported(self.path):
            self._mux(self._stream.encode(picture))
            if self._tracks is not None:
                self._tracks.copy_until(self._output, frame.time)

    def _begin(self) -> None:
        self._stream = _add_video(self._output, self._choice, self._film)
        if self._tracks is not None:
            self._tracks.add_to(self._output, self._stream)
        if self._note:
            self._output.metadata["comment"] = self._note
        self._output.start_encoding()

    def _finish(self) -> None:
        if self._last is None:
            raise OutputError(f"No frame was made for {self.path}.", "Check --start, --end and the input.")
        with reported(self.path):
            self._mux(self._stream.encode(None))
            if self._tracks is not None:
                self._tracks.copy_until(self._output, None)
            self._output.close()
        self._partial.complete()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            # Encoders do not pass durations on, and the last one decides how long the film is.
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._output.mux_one(packet)


def _open_output(partial: Partial) -> OutputContainer:
    # MP4 keeps the wait before a late first picture in this unit, a millisecond unless told.
    options = {"movie_timescale": "90000"} if partial.path.suffix.lower() in (".mp4", ".mov", ".m4v") else {}
    try:
        return av.open(str(partial.temporary), "w", container_options=options)
    except ValueError as error:
        raise OutputError(
            f"No film can be written under the name {partial.path.name}.",
            "End it in .mp4, .mkv, .mov, .webm or .avi, or in / for a folder of pictures.",
        ) from error
    except OSError as error:
        raise OutputError(
            f"{partial.path} cannot be written ({error.strerror}).", "Name another output with -o."
        ) from error


def _add_video(output: OutputContainer, choice: Choice, film: Format) -> VideoStream:
    stream = output.add_stream(choice.codec.name, rate=film.rate or 25, options=choice.options)
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{choice.codec.name} is no video encoder")
    context = stream.codec_context
    context.width, context.height = film.width, film.height
    context.pix_fmt = choice.pix_fmt
    context.time_base = stream.time_base = choice.time_base
    context.sample_aspect_ratio = film.pixel_aspect
    context.colorspace = choice.colour.matrix
    context.color_primaries = choice.colour.primaries
    context.color_trc = choice.colour.transfer
    context.color_range = 2 if choice.colour.full_range else 1
    return stream


def _close(output: OutputContainer) -> None:
    """Close a file that is given up; what goes wrong with it does not matter any more."""
    with suppress(FFmpegError, OSError, ValueError):
        output.close()
