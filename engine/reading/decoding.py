"""A film's pictures, decoded from its beginning or from a key frame, past what is damaged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container.input import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .breaks import unbroken
from .damage import Damage
from .packets import Key, Scan, demuxed, main_video, open_container

_log = logging.getLogger(__name__)

Timed = tuple[Fraction, VideoFrame]
"""A picture and its time, seconds on the film's own clock."""


class Decoding:
    """The decoder of one film; nothing is open before ``reopen``.

    Args:
        path: The film.
        scan: What its packets say.
        damage: Told what is broken.

    Attributes:
        container: The file, open.
        stream: The film in it.
        origin: Where the times of damage are counted from, seconds on the film's own clock.
    """

    container: InputContainer
    stream: VideoStream
    origin: Fraction

    def __init__(self, path: Path, scan: Scan, damage: Damage) -> None:
        self._path = path
        self._scan = scan
        self._damage = damage
        self._lost = 0  # pictures that damaged packets would have been
        self._open = False

    def reopen(self) -> None:
        """Begin anew, at the beginning of the file.

        Raises:
            InputError: The file cannot be read any more, or holds no film.
        """
        self.close()
        self.container = open_container(self._path)
        self._open = True
        self.stream = main_video(self.container, self._path, self._scan.stream)
        # Not by frame: a damaged packet then costs the frames decoded beside it, which differ by machine.
        self.stream.thread_type = "SLICE"

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._open:
            self.container.close()
            self._open = False

    def packets_from(self, key: Key) -> Iterator[Packet[VideoStream]] | None:
        """Return the packets from exactly this key frame on, or None if seeking does not lead there."""
        try:
            self.container.seek(key.decoded, stream=self.stream)
            packets = demuxed(self.container, self.stream)
            for packet in packets:
                if packet.is_keyframe and packet.pts is not None and packet.pts >= key.shown:
                    return chain([packet], packets) if packet.pts == key.shown else None
        except FFmpegError:
            _log.debug("%s cannot be sought in; it is decoded from its beginning.", self._path)
        return None

    def timed(self, packets: Iterator[Packet[VideoStream]] | None) -> Iterator[Timed]:
        """Give the pictures of ``pictures`` with times that rise strictly; those without one are left out."""
        timing, stamps = self._scan.timing, self._scan.stamps
        step = timing.step or timing.tick
        last: Fraction | None = None
        for number, picture in enumerate(self.pictures(packets)):
            stamp = picture.pts
            if self._scan.in_order:
                place = number + self._lost
                stamp = stamps[place] if place < len(stamps) else None
            if stamp is not None:
                time = timing.time_of(stamp)
            else:
                time = timing.first if last is None else last + step
            if last is not None and time <= last:
                what = "is a frame without a time of its own, which is left out"
                self._damage.note(what, time - self.origin)
                continue
            last = time
            yield time, picture

    def pictures(self, packets: Iterator[Packet[VideoStream]] | None) -> Iterator[VideoFrame]:
        """Give the pictures of these packets, or of all that follow where there are none given."""
        stamp: int | None = None
        self._lost = 0
        for packet in packets or unbroken(demuxed(self.container, self.stream), self._scan.breaks):
            stamp = packet.pts if packet.pts is not None else packet.dts
            try:
                yield from packet.decode()  # the last one is empty and empties the decoder
            except EndOfFile:
                return
            except FFmpegError as error:
                self._lost += 1
                time = None if stamp is None else self._scan.timing.time_of(stamp) - self.origin
                self._damage.note("is a damaged packet, which is left out", time, error.strerror or "")
