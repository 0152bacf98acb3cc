"""Where a run can begin again, so that its next frames come out as if it had never stopped.

Everything before the networks depends on the film's frames alone, and every network looks back a few frames
at most. So it is enough to decode from a little before the first frame that is missing, and to remember
what had been found out about that stretch.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from math import ceil
from operator import attrgetter

import numpy as np

from ...models.spec import Kind, Network
from ..pixels.frame import Frame
from ..pixels.planar import Picture, Planar
from ..stages.cadence import Cadence

_REMEMBERED = 1024  # frames; more than any network looks back, and all that are on their way
_CONTEXT = 6  # frames by which the search for cuts is again as sure as it was

_BACK = {Kind.INTERPOLATE: 1, Kind.COLOURISE: 0, Kind.UPSCALE: 4}  # frames that a network looks back at most


@dataclass(frozen=True, slots=True)
class Mark:
    """What was found out about one frame of the film.

    Attributes:
        time, index: As the frame's.
        cut, held: As the frame's.
        checksum: Of its pixels.
    """

    time: Fraction
    index: int
    cut: bool
    held: bool
    checksum: int


@dataclass(frozen=True, slots=True)
class Restart:
    """How to begin again.

    Attributes:
        time: Of the output frame to go on with.
        first: Time of the film's first frame.
        marks: Frames of the film, one after the other: the first is where to decode from, the last the
            one before ``time``, or at it.
        since: For each network, the time from which its output is asked for.
        shot: The number of the shot before the first of the marks; None where shots were not counted.
    """

    time: Fraction
    first: Fraction
    marks: tuple[Mark, ...]
    since: tuple[Fraction, ...]
    shot: int | None = None

    @property
    def shots_before(self) -> int | None:
        """How many shots begin before ``time``; None where that is not known."""
        if self.shot is None:
            return None
        return self.shot + sum(mark.cut for mark in self.marks if mark.time < self.time)


class Trail:
    """What was found out lately about the film; one thread may ask while another goes on."""

    def __init__(self, restart: Restart | None = None) -> None:
        self._lock = threading.Lock()
        self._marks: deque[Mark] = deque(maxlen=_REMEMBERED)
        self._shots: deque[int | None] = deque(maxlen=_REMEMBERED)  # that began before each mark
        self._first: Fraction | None = None
        self._shot: int | None = 0
        if restart is not None:
            self.go_on(restart)

    def go_on(self, restart: Restart) -> None:
        """Take note, before any frame comes, that they do not begin with the film's first one."""
        self._first, self._shot = restart.first, restart.shot

    def follow(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass the frames through, with cuts and held frames marked, and remember them."""
        for frame in frames:
            mark = Mark(frame.time, frame.index, frame.cut, frame.held, checksum(frame.picture))
            with self._lock:
                self._first = frame.time if self._first is None else self._first
                self._marks.append(mark)
                self._shots.append(self._shot)
                if self._shot is not None:
                    self._shot += frame.cut
            yield frame

    def restart(self, time: Fraction, networks: Sequence[Network], cadence: Cadence) -> Restart | None:
        """Return how to begin again with the output frame of that time; None: only from the beginning."""
        with self._lock:
            marks, shots, first = list(self._marks), list(self._shots), self._first
        if first is None or not marks:
            return None
        wanted, since = time, list[Fraction]()
        for place in reversed(range(len(networks))):
            since.insert(0, time)
            cadences = [cadence for network in networks[:place] if network.kind is Kind.INTERPOLATE]
            back = _BACK[networks[place].kind]
            earlier = _back(marks, time, back, cadences)
            if earlier is None:
                return None
            time = earlier
        start = _shown(marks, _place(marks, time) - _CONTEXT)
        if start is None:
            return None
        seen = tuple(marks[start : _place(marks, wanted) + 1])
        return Restart(wanted, first, seen, tuple(since), shots[start])


def _back(marks: Sequence[Mark], time: Fraction, frames: int, cadences: Sequence[Cadence]) -> Fraction | None:
    """Return a time at least so many frames earlier, in a film that was interpolated so; None: too early."""
    if not frames:
        return time
    per_frame = Fraction(1)  # frames of the stream to one of the film
    for cadence in cadences:
        if cadence.rate is not None:
            return _back(marks, time - frames / cadence.rate, 1, ())
        assert cadence.factor is not None
        per_frame *= cadence.factor
    place = _shown(marks, _place(marks, time) - ceil(frames / per_frame))
    return None if place is None else marks[place].time


def _shown(marks: Sequence[Mark], place: int) -> int | None:
    """Return the last place not after this one that is not held; None where that is not remembered."""
    if place < 0 and marks[0].index == 0:
        return 0
    while place >= 0 and marks[place].held:
        place -= 1
    return place if place >= 0 else None


def _place(marks: Sequence[Mark], time: Fraction) -> int:
    """Return the place of the last mark not after a time; -1 where there is none."""
    return bisect_right(marks, time, key=attrgetter("time")) - 1


def as_before(frames: Iterator[Frame], restart: Restart) -> Iterator[Frame] | None:
    """Return the frames with the cuts that were found before; None where they are not the same frames.

    Args:
        frames: The film's frames from the restart's first mark on, cuts marked anew.
    """
    begun: list[Frame] = []
    for mark in restart.marks:
        frame = next(frames, None)
        if frame is None or (frame.time, frame.index) != (mark.time, mark.index):
            return None
        if checksum(frame.picture) != mark.checksum:
            return None
        begun.append(replace(frame, cut=mark.cut))
    return chain(begun, frames)


def checksum(picture: Picture) -> int:
    """Return a checksum of every fourth row of a picture, which whatever a codec gets wrong shows in."""
    if not isinstance(picture, Planar):
        return zlib.crc32(np.ascontiguousarray(picture[:, :, ::4]).tobytes())
    found = 0
    for plane in picture.planes:
        found = zlib.crc32(np.ascontiguousarray(plane[::4]).tobytes(), found)
    return found
