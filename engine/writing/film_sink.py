"""A film written into a container, with exact times and the other tracks of its source."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import OutputError
from ..job.folder import Job
from ..job.segments import Division, Position, RestartOf, Segments
from ..pixels.frame import Format, Frame
from ..pixels.planar import Coding
from .encoding import Choice, Encoding, choose
from .film_join import close_anyhow, join, open_output, try_output
from .film_segment import FilmSegment, writer_for
from .partial import Partial, reported
from .space import check_room
from .tracks import Tracks


class FilmSink:
    """Encodes frames into segments and joins these into a film; see ``open_sink``."""

    def __init__(
        self,
        partial: Partial,
        film: Format,
        *,
        encoding: Encoding,
        tracks: Tracks | None,
        note: str | None,
        job: Job,
        division: Division,
        restart_of: RestartOf,
    ) -> None:
        self.path = partial.path
        self.position = Position()
        self.coding: Coding | None = None
        self._partial = partial
        self._film = film
        self._encoding = encoding
        self._tracks = tracks
        self._note = note
        self._job = job
        self._division = division
        self._restart_of = restart_of
        self._last: int | None = None

    def __enter__(self) -> Self:
        self._job.sweep()
        placing = self._job.placing
        if not placing:
            self._partial.check()
        with ExitStack() as stack:
            stack.enter_context(self._job)
            self._placed = placing and self._job.is_placed()
            if placing and not self._placed:
                self._partial.check()
            if self._tracks is not None:
                stack.enter_context(self._tracks)
            with reported(self.path):
                self._choice, container = self._settle()
                self.coding = writer_for(self._choice, self._film).coding
                self._segments = Segments(
                    self._job,
                    lambda path: FilmSegment(path, self._film, self._choice, container),
                    restart_of=self._restart_of,
                    division=self._division,
                )
                stack.callback(self._segments.close)
                self.position = self._segments.resume()
            stack.push(self._finish)  # left first, so that the job stays if this fails
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

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
        with reported(self.path):
            self._segments.write(frame)

    def _settle(self) -> tuple[Choice, str]:
        """Decide how to encode, and see that the film can be written so before any frame is made."""
        temporary = self._job.folder / f"trial{self.path.suffix}"
        output = open_output(temporary, self.path)
        try:
            choice, container = choose(self._encoding, output, self._film), output.format.name
        finally:
            close_anyhow(output)
        try_output(temporary, self.path, self._film, choice, self._tracks, self._note)
        return choice, container

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Join and place the film, if all went well."""
        if kind is not None or self._placed:
            return
        with reported(self.path):
            self._segments.finish()
        if not self._job.cards:
            raise OutputError(f"No frame was made for {self.path}.", "Check --start, --end and the input.")
        self._job.check()
        temporary = self._partial.temporary(self._job.folder)
        check_room(temporary.parent, self._job.size, f"join the segments of {self.path}")
        segments = [self._job.segment(card.number) for card in self._job.cards]
        with reported(self.path):
            self._join(segments, temporary)

    def _join(self, segments: list[Path], temporary: Path) -> None:
        try:
            join(
                segments,
                temporary,
                self.path,
                self._film,
                self._choice,
                tracks=self._tracks,
                note=self._note,
            )
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._partial.place(temporary, self._job)
