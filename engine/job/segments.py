"""A stream of frames cut into segments, each finished, checked and kept before the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..pixels.frame import Format, Frame
from .card import Card
from .files import digest_of, size_of
from .folder import Job
from .journal import Journal, Pace, read_journal
from .restart import Restart

RestartOf = Callable[[Fraction], Restart | None]
"""Returns how to begin again with the output frame of that time; None: only from the beginning."""


@dataclass(frozen=True, slots=True)
class Division:
    """Where segments end; it looks at nothing that differs between a run and one that goes on with it.

    A segment ends before the first frame of a shot once it has ``least`` frames, else after ``most``. An
    encoder begins anew at a cut in any case, and after 250 frames (x264, x265), so that little is lost by
    doing it; and a segment that is lost is made again in the time of ``most`` frames.
    """

    least: int = 48
    most: int = 240

    def ends(self, count: int, cut: bool) -> bool:
        """Whether a segment of so many frames ends before a frame."""
        return count >= self.most or (cut and count >= self.least)


_JOURNAL = 2**30  # bytes that the frames of one segment may take where each of them is kept


def division_for(film: Format) -> Division:
    """Return how a film is divided: the larger its frames, the shorter its segments may have to be."""
    usual = Division()
    frame = film.width * film.height * (3 if film.depth > 8 else 1.5)
    return Division(usual.least, max(usual.least, min(usual.most, int(_JOURNAL // frame))))


class Segment(Protocol):
    """A segment in the making."""

    def write(self, frame: Frame) -> None:
        """Take in the next frame."""
        ...

    def state(self) -> tuple[bytes | memoryview, ...]:
        """Return what a journal must remember of the frame that was written last."""
        ...

    def write_again(self, time: Fraction, duration: Fraction, state: bytes) -> bool:
        """Take in a frame from a journal; False where that is not possible."""
        ...

    def finish(self) -> None:
        """Bring it to its end on the disk, and see that it is what it should be."""
        ...

    def close(self) -> None:
        """Let go of it, finished or not."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run goes on.

    Attributes:
        frames: How many are finished.
        until: Time of the first one that is not, seconds; None at the beginning.
        restart: How to begin again with that one; None: from the beginning.
        whole: Whether there is none left to make.
    """

    frames: int = 0
    until: Fraction | None = None
    restart: Restart | None = None
    whole: bool = False


class Segments:
    """Writes frames into one segment after the other, from where the job stands.

    Args:
        job: Where they are kept; entered.
        begin: Makes a segment in that place.
        restart_of: See ``RestartOf``.
        division: Where they end.
    """

    def __init__(
        self,
        job: Job,
        begin: Callable[[Path], Segment],
        *,
        restart_of: RestartOf,
        division: Division,
    ) -> None:
        self._job = job
        self._begin_segment = begin
        self._restart_of = restart_of
        self._division = division
        self._segment: Segment | None = None
        self._journal: Journal | None = None
        self._pace = Pace()
        self._count = 0  # frames in the segment in the making
        self._since = self._until = Fraction(0)
        self._restart: Restart | None = None

    def resume(self) -> Position:
        """Take up what an earlier run has left, and return where to go on."""
        cards = self._job.cards
        before = cards[-1].before + cards[-1].frames if cards else 0
        if cards and cards[-1].last:
            return Position(before, cards[-1].until, whole=True)
        self._take_from_journal()
        if self._count:
            return Position(before + self._count, self._until, self._restart)
        if cards:
            return Position(before, cards[-1].until, cards[-1].restart)
        return Position()

    def write(self, frame: Frame) -> None:
        """Write one frame, finishing the segment before it where it ends."""
        if self._segment is not None and self._division.ends(self._count, frame.cut):
            self._finish(last=False)
        if self._segment is None:
            self._begin(keep=0)
        assert self._segment is not None
        self._segment.write(frame)
        self._took(frame.time, frame.duration)
        self._note(frame)

    def finish(self) -> None:
        """Finish the last segment. Without a frame there is none."""
        if self._segment is not None:
            self._finish(last=True)

    def close(self) -> None:
        """Let go of the segment in the making; what a journal remembers of it stays."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._segment is not None:
            segment, self._segment = self._segment, None
            segment.close()

    def _number(self) -> int:
        return len(self._job.cards) + 1

    def _begin(self, *, keep: int) -> None:
        self._count = 0
        self._segment = self._begin_segment(self._job.part(self._number()))
        if self._pace.slow:
            self._journal = Journal(self._job.journal(self._number()), keep=keep)

    def _took(self, time: Fraction, duration: Fraction) -> None:
        if not self._count:
            self._since = time
        self._count += 1
        self._until = time + duration

    def _note(self, frame: Frame) -> None:
        self._pace.tick()
        if self._journal is None or self._segment is None:
            return
        if self._pace.slow:
            self._job.watch()  # nothing that was made of a film that changed is written down
            restart = self._restart_of(self._until)
            self._journal.note(frame.time, frame.duration, restart, *self._segment.state())
        else:
            self._journal.drop()
            self._journal = None

    def _take_from_journal(self) -> None:
        path = self._job.journal(self._number())
        entries = read_journal(path)
        entry = next(entries, None)
        if entry is None:
            return
        self._segment = self._begin_segment(self._job.part(self._number()))
        end = 0
        while entry is not None and self._segment.write_again(entry.time, entry.duration, entry.state):
            self._took(entry.time, entry.duration)
            self._restart, end = entry.restart, entry.end
            entry = next(entries, None)
        self._journal = Journal(path, keep=end)

    def _finish(self, *, last: bool) -> None:
        assert self._segment is not None
        segment, self._segment = self._segment, None
        try:
            segment.finish()
        finally:
            segment.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        cards, number = self._job.cards, self._number()
        part = self._job.part(number)
        self._job.keep(
            Card(
                number=number,
                before=cards[-1].before + cards[-1].frames if cards else 0,
                frames=self._count,
                since=self._since,
                until=self._until,
                size=size_of(part),
                sha256=digest_of(part),
                restart=None if last else self._restart_of(self._until),
                last=last,
            )
        )
        self._count = 0
