"""Frames in: a film, a folder of pictures or a photo."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ...errors import InputError
from ..pixels.frame import Format, Frame, Pixels
from .fields import Field
from .film import Film
from .glimpse import Glimpse
from .stills import STILL_SUFFIXES, Sequence, has_number
from .tonemap import Hdr


class Source(Protocol):
    """Where frames come from. It touches nothing until it is entered.

    Attributes:
        path: What was opened.
    """

    path: Path

    @property
    def format(self) -> Format:
        """What is known of the frames; available once the source is entered."""
        ...

    @property
    def files(self) -> list[Path]:
        """What is read, in order; available once the source is entered."""
        ...

    @property
    def has_tracks(self) -> bool:
        """Whether there is more than the pictures: sound, subtitles, attachments."""
        ...

    @property
    def seekable(self) -> bool:
        """Whether ``go_to`` leads to any frame soon; available once the source is entered."""
        ...

    def samples(self, count: int) -> Iterator[Pixels]:
        """Give about so many pictures from all over the film, or none; ``frames`` gives nothing after it."""
        ...

    @property
    def length(self) -> Fraction:
        """Seconds from the first moment that is asked for to the last; available once it is entered."""
        ...

    def glimpses(self, count: int) -> Iterator[Glimpse]:
        """Look at about so many places; ``frames`` gives nothing after it. See ``Film.glimpses``."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Give every frame once, in order."""
        ...

    def go_to(self, time: Fraction, index: int, *, seek: bool = True) -> None:
        """Let ``frames`` begin with the one of that time and index; see ``Film.go_to``."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_source(
    path: Path | str,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    rate: Fraction | None = None,
    field: Field = Field.AUTO,
    tracks: tuple[str, ...] = (),
    clip: bool = True,
    hdr: Hdr = Hdr.REFUSE,
    planar: bool = False,
) -> Source:
    """Return the frames of a film, of a folder of pictures, or of one photo.

    Pixels are RGB with the film's own transfer curve, whatever its planes hold: its matrix, range,
    chroma siting and rotation are undone. A film's times count from where its first picture or
    sound begins, so that they keep step with its other tracks.

    Args:
        path: A film in any container; a folder of numbered pictures or a printf pattern of them,
            such as ``frames/%06d.png``; or a photo.
        start, end: Seconds; frames with start <= time < end are given, their times counted from
            ``start``.
        rate: Frames per second of a folder of pictures, 24 unless given; a film has its own.
        field: How a film's pictures are made up; interlaced and telecined ones are made progressive.
        tracks: Which tracks are wanted, as ``track_choice.chosen`` takes them: of several films, one.
        clip: Whether a film's colours that lie outside RGB are clipped; see ``Format.clipped``.
        hdr: What to do with pictures of high dynamic range: refuse them, or bring them to BT.709.
        planar: Whether a film's frames may be given as the planes that they were decoded to, for a device
            to make RGB of; where these do not say all they are RGB all the same.

    Raises:
        InputError: The range is negative or empty; and, once the source is entered, whatever makes
            the input unreadable.
    """
    path = Path(path)
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        until = "the end" if end is None else f"{float(end):g}"
        raise InputError(
            f"The range from {float(start or 0):g} to {until} seconds is empty.",
            "Give a --start of at least 0 and an --end after it.",
        )
    if rate is not None and rate <= 0:
        raise InputError(f"{rate} frames per second is no rate.", "Give a rate above 0.")
    pictures = path.is_dir() or has_number(path.name)
    still = path.suffix.lower() in STILL_SUFFIXES and not pictures
    if still and (start is not None or end is not None):
        raise InputError(f"{path} is a photo and has no times.", "Leave out --start and --end.")
    if pictures or still:
        return Sequence(path, rate=rate or Fraction(24), start=start, end=end, still=still, hdr=hdr)
    return Film(path, start=start, end=end, field=field, tracks=tracks, clip=clip, hdr=hdr, planar=planar)
