"""Segments of a film joined into one file, without encoding anything again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import av
from av.container.core import Flags
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from ...errors import JobError, OutputError
from ..pixels.frame import Format
from .encoding import Choice
from .film_segment import Coded, add_video, packet_of, read_segment, stamps_of
from .tracks import Tracks


def open_output(temporary: Path, path: Path) -> OutputContainer:
    """Open the file ``temporary`` for what shall be called ``path``; libav goes by the suffix of both.

    Raises:
        OutputError: libav knows no such container, or the place cannot be written.
    """
    # MP4 keeps the wait before a late first picture in this unit, a millisecond unless told.
    options = {"movie_timescale": "90000"} if path.suffix.lower() in (".mp4", ".mov", ".m4v") else {}
    try:
        output = av.open(str(temporary), "w", container_options=options)
    except ValueError as error:
        raise OutputError(
            f"No film can be written under the name {path.name}.",
            "End it in .mp4, .mkv, .mov, .webm or .avi, or in / for a folder of pictures.",
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise OutputError(
            f"{path} cannot be written ({error.strerror}).", "Name another output with -o."
        ) from error
    # Without it some containers number themselves at random, and no two runs give the same file.
    output.flags = int(output.flags) | int(Flags.bitexact.value)
    return output


def close_anyhow(output: OutputContainer) -> None:
    """Close a file that is given up; what goes wrong with it does not matter any more."""
    with suppress(FFmpegError, OSError, ValueError):
        output.close()


def try_output(
    temporary: Path, path: Path, film: Format, choice: Choice, tracks: Tracks | None, note: str | None
) -> None:
    """Write the head of a film, to see that encoder, container and tracks go together, and remove it."""
    output = open_output(temporary, path)
    try:
        _begin(output, film, choice, tracks, note)
    finally:
        close_anyhow(output)
        temporary.unlink(missing_ok=True)


def join(
    segments: list[Path],
    temporary: Path,
    path: Path,
    film: Format,
    choice: Choice,
    *,
    tracks: Tracks | None,
    note: str | None,
) -> None:
    """Write a film from its segments and the tracks of its source.

    Args:
        segments: Files of packets, in order.
        temporary: The file to write.
        path: What it shall be called; for the container, and messages.
        film, choice: As the segments were encoded.
        tracks: Entered.
        note: A remark for the file's metadata.

    Raises:
        JobError: A segment is damaged, or was encoded otherwise than the first.
    """
    order = _Order([stamps_of(segment) for segment in segments])
    output = open_output(temporary, path)
    try:
        stream = _begin(output, film, choice, tracks, note)
        extradata = stream.codec_context.extradata or b""
        for coded, decoded in zip(_packets(segments, extradata), order.decoding_times(), strict=True):
            packet = packet_of(coded, choice.time_base)
            packet.dts = decoded
            packet.stream = stream
            output.mux_one(packet)
            if tracks is not None:
                tracks.copy_until(output, coded.pts * choice.time_base)
        if tracks is not None:
            tracks.copy_until(output, None)
        output.close()
    except BaseException:
        close_anyhow(output)
        raise


def _begin(
    output: OutputContainer, film: Format, choice: Choice, tracks: Tracks | None, note: str | None
) -> VideoStream:
    stream = add_video(output, choice, film)
    if tracks is not None:
        tracks.add_to(output, stream)
    if note:
        output.metadata["comment"] = note
    output.start_encoding()
    return stream


def _packets(segments: list[Path], extradata: bytes) -> Iterator[Coded]:
    for segment in segments:
        own, packets = read_segment(segment)
        if own != extradata:
            raise JobError(
                f"{segment} was encoded in another way than is usual now.", "Start over with --fresh."
            )
        yield from packets


class _Order:
    """When the packets of a film are decoded, found from when they are shown.

    Every encoder began counting at its own first frame, so that its times of decoding may lie before the
    end of the segment before. For the whole film they are the sorted times of showing, shifted by as many
    places as the farthest packet comes too early.
    """

    def __init__(self, segments: list[list[int]]) -> None:
        self._shown = sorted(chain.from_iterable(segments))
        self._depth = max((_depth(stamps) for stamps in segments), default=0)

    def decoding_times(self) -> Iterator[int]:
        """Give a time for each packet, in the order of decoding, rising and never after it is shown."""
        if not self._shown:
            return
        wait = self._shown[self._depth] - self._shown[0]
        yield from (stamp - wait for stamp in self._shown[: self._depth])
        yield from self._shown[: len(self._shown) - self._depth]


def _depth(stamps: list[int]) -> int:
    """Return by how many places a packet comes before its turn at most."""
    place = {stamp: rank for rank, stamp in enumerate(sorted(stamps))}
    return max((order - place[stamp] for order, stamp in enumerate(stamps)), default=0)
