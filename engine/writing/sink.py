"""Frames out: a film with its source's tracks, a folder of pictures or a photo."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ...errors import OutputError
from ..job.folder import Job, job_folder
from ..job.segments import Division, Position, RestartOf, division_for
from ..pixels.frame import Format, Frame
from ..pixels.planar import Coding
from ..reading.stills import STILL_SUFFIXES, has_number, name_pattern
from .encoding import Encoding
from .film_sink import FilmSink
from .partial import Partial
from .picture_sink import PhotoSink, PictureSink
from .tracks import Tracks

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where frames go. It touches nothing until it is entered; left by an error, it leaves nothing.

    Attributes:
        path: Where the result is once the sink is left.
        position: Where to go on, since an earlier run may have left something; available once it is entered.
        coding: Of planes that it takes in the place of RGB; None: of none. Available once it is entered.
    """

    path: Path
    position: Position
    coding: Coding | None

    def write(self, frame: Frame) -> None:
        """Write one frame; frames come in the order of their times."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_sink(
    path: Path | str,
    film: Format,
    *,
    encoding: Encoding | None = None,
    tracks_of: Path | None = None,
    start: Fraction | None = None,
    end: Fraction | None = None,
    tracks: tuple[str, ...] = (),
    overwrite: bool = False,
    note: str | None = None,
    job: Job | None = None,
    restart_of: RestartOf | None = None,
    division: Division | None = None,
) -> Sink:
    """Return where frames are encoded to; the result takes its name when the sink is left in peace.

    Args:
        path: A film (``.mp4``, ``.mkv``, ``.mov``, ``.webm``, ``.avi`` and others of libav); a
            folder (there already, or ending in ``/``) or a printf pattern for one picture per
            frame, numbered from 1; or one photo. Missing folders are made.
        film: The format of the frames that will be written; its size, rate, time base, pixel
            aspect, depth and colour go into the file.
        encoding: How to encode a film; of pictures, the pixel format alone.
        tracks_of: A film whose sound, subtitles, chapters, attachments and metadata are copied.
        start, end: The range of ``tracks_of`` that the frames were taken from, in seconds.
        tracks: Which of its tracks are wanted, as ``track_choice.chosen`` takes them.
        overwrite: Whether what is at ``path`` may be replaced.
        note: A remark for the file's metadata, as its ``comment``.
        job: Where unfinished work is kept; None: beside the result, and for this run alone.
        restart_of: How a later run begins again; None: it decodes from the beginning.
        division: How the work is divided into segments; None: as usual for such frames.

    Raises:
        OutputError: ``path`` is the film that is read, or of an unknown kind; and, once the sink is
            entered, whatever makes it unwritable.
    """
    folder = str(path).endswith("/") or Path(path).is_dir()
    path = Path(path)
    if tracks_of is not None and path.exists() and path.samefile(tracks_of):
        raise OutputError(f"{path} is the film that is read.", "Name another output with -o.")
    pattern = has_number(path.name) and not folder
    place = path.parent if pattern else path
    job = job or Job(job_folder(place), result=place)
    restart_of = restart_of or (lambda _: None)
    division = division or division_for(film)
    if (folder or pattern or path.suffix.lower() in STILL_SUFFIXES) and tracks_of is not None:
        _log.info("Pictures hold no sound; the tracks of %s are left out.", tracks_of)
    if folder or pattern:
        name = path.name if pattern else "%06d.png"
        partial = Partial(place, overwrite=overwrite, names=name_pattern(name))
        return PictureSink(
            partial, film, name=name, encoding=encoding, job=job, division=division, restart_of=restart_of
        )
    if path.suffix.lower() in STILL_SUFFIXES:
        return PhotoSink(Partial(place, overwrite=overwrite), film, encoding=encoding, job=job)
    return FilmSink(
        Partial(place, overwrite=overwrite),
        film,
        encoding=encoding or Encoding(),
        tracks=Tracks(tracks_of, start=start, end=end, wanted=tracks) if tracks_of is not None else None,
        note=note,
        job=job,
        division=division,
        restart_of=restart_of,
    )
