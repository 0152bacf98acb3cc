"""Photos, and films that are kept as one picture per frame."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame

from ...errors import InputError
from ..pixels.frame import Format, Frame, Pixels
from ..pixels.turn import turn_of
from .glimpse import LATER, Glimpse, glimpse
from .packets import MOST_PIXELS, WHAT_TO_GIVE, check_within, limit_pixels
from .pictures import Reader, aspect_of, colour_of, depth_of, sampling_of
from .tonemap import Hdr, tone_map_of, tone_mapped

_log = logging.getLogger(__name__)

STILL_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".dpx"})
_NUMBER = re.compile(r"%0?(?P<digits>\d*)d")


def has_number(name: str) -> bool:
    """Whether a file name is a printf pattern of pictures, ``%06d.png``; a film may be called 5%d.mp4."""
    return _NUMBER.search(name) is not None and Path(name).suffix.lower() in STILL_SUFFIXES


class Sequence:
    """Pictures in a folder, or a single photo, as a film; see ``open_source``.

    Args:
        path: A folder, a printf pattern or one photo.
        rate: Frames per second, which pictures do not tell.
        start, end: Seconds, as for a film.
        still: Whether it is one photo.
        hdr: What to do with pictures of high dynamic range.
    """

    has_tracks = False
    seekable = True

    def __init__(
        self,
        path: Path,
        *,
        rate: Fraction,
        start: Fraction | None = None,
        end: Fraction | None = None,
        still: bool = False,
        hdr: Hdr = Hdr.REFUSE,
    ) -> None:
        self.path = path
        self._hdr = hdr
        self._told = False
        self._rate = rate
        self._start = start or Fraction(0)
        self._end = end
        self._still = still
        self._next = 0

    @property
    def format(self) -> Format:
        """What is known of the frames; available once the sequence is entered."""
        return self._format

    @property
    def files(self) -> list[Path]:
        """The pictures, in order; available once the sequence is entered."""
        return [file for _, file in self._files]

    def __enter__(self) -> Self:
        files = [self.path] if self._still else _numbered_files(self.path)
        check_within(self.path, len(files) / self._rate, self._start, self._end)
        times = [(Fraction(place) / self._rate, file) for place, file in enumerate(files)]
        self._files = [
            (time - self._start, file)
            for time, file in times
            if time >= self._start and (self._end is None or time < self._end)
        ]
        if not self._files:
            raise InputError(
                f"No picture of {self.path} lies in the range asked for.", "Widen --start and --end."
            )
        first = read_picture(self._files[0][1])
        self._format = self._describe(first)
        self._tone_map = tone_map_of(self._format.colour, first, self.path, self._hdr)
        if self._tone_map is not None:
            self._format = tone_mapped(self._format)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._next = len(self._files)

    def samples(self, count: int) -> Iterator[Pixels]:
        """Give about so many pictures from all over the sequence."""
        for _, file in self._files[:: max(1, len(self._files) // count)]:
            yield self._pixels(file)

    @property
    def length(self) -> Fraction:
        """Seconds that all pictures last; available once the sequence is entered."""
        return len(self._files) / self._rate

    def glimpses(self, count: int) -> Iterator[Glimpse]:
        """Look at about so many places of the sequence; see ``Film.glimpses``."""
        last = len(self._files) - 1
        for place in range(0, last + 1, max(1, len(self._files) // count)):
            later = self._pixels(self._files[min(place + LATER, last)][1]) if place < last else None
            yield glimpse(self._files[place][0], self._pixels(self._files[place][1]), later)

    def frames(self) -> Iterator[Frame]:
        """Give every picture once, in order; a second call goes on where the first one stopped.

        Raises:
            InputError: A picture cannot be read or is of another size than the first.
        """
        size = (self._format.height, self._format.width)
        while self._next < len(self._files):
            index = self._next
            time, file = self._files[index]
            self._next += 1
            pixels = self._pixels(file)
            if self._tone_map is not None:
                pixels = self._tone_map(pixels)
            if pixels.shape[2:] != size:
                height, width = pixels.shape[2:]
                raise InputError(
                    f"{file} is {width}x{height}, the first picture is {size[1]}x{size[0]}.",
                    "Give pictures of one size, or each size by itself.",
                )
            yield Frame(pixels, time, 1 / self._rate, index)

    def go_to(self, time: Fraction, index: int, *, seek: bool = True) -> None:
        """Let ``frames`` begin with the picture of that index; see ``Film.go_to``."""
        self._next = index

    def _pixels(self, file: Path) -> Pixels:
        picture = read_picture(file)
        # Photos keep chroma between the pixels.
        reader = Reader(colour_of(picture, image=True), turn_of(picture, file), left=False)
        pixels = reader.read(picture)
        if reader.transparent and not self._told:
            self._told = True
            _log.warning("The transparency of %s is not kept; it is laid over black.", self.path)
        return pixels

    def _describe(self, picture: VideoFrame) -> Format:
        height, width = self._pixels(self._files[0][1]).shape[2:]
        curve = _dpx_curve(self._files[0][1])
        if curve:
            _log.warning("%s holds %s values; they are taken for those of ordinary film.", self.path, curve)
        first = self._files[0][0]
        return Format(
            width=width,
            height=height,
            rate=self._rate,
            time_base=1 / self._rate
            if not first
            else Fraction(1, (first.denominator * self._rate.numerator)),
            depth=depth_of(picture.format.name),
            sampling=sampling_of(picture.format.name),
            colour=replace(colour_of(picture, image=True), full_range=False),  # that of films, if one is made
            frames=len(self._files),
            pixel_aspect=_pixel_aspect(self._files[0][1]),
            still=self._still,
        )


def read_picture(path: Path) -> VideoFrame:
    """Decode one picture.

    Raises:
        InputError: It does not exist, or is no picture that libav reads.
    """
    try:
        # Opened here, since libav would take a % in the name for a pattern.
        with path.open("rb") as file, av.open(file, "r", metadata_errors="replace") as container:
            limit_pixels(container.streams.video[0])
            return next(container.decode(video=0))
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", "Check the path for typing errors.") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read.", "Check the permissions of the file.") from error
    except (FFmpegError, OSError, ValueError, IndexError, StopIteration) as error:
        raise InputError(
            f"{path} is damaged, no picture, or one of more than {MOST_PIXELS} pixels.", WHAT_TO_GIVE
        ) from error


def _pixel_aspect(file: Path) -> Fraction:
    with file.open("rb") as opened, av.open(opened, "r", metadata_errors="replace") as container:
        next(container.decode(video=0))
        return aspect_of(container.streams.video[0])


def _dpx_curve(file: Path) -> str | None:
    """Return what the values of a DPX picture are, if not those of video (SMPTE 268M, transfer)."""
    if file.suffix.lower() != ".dpx":
        return None
    with file.open("rb") as opened:
        head = opened.read(802)
    return {1: "logarithmic", 2: "linear", 3: "logarithmic"}.get(head[801]) if len(head) == 802 else None


def _numbered_files(path: Path) -> list[Path]:
    """Return the pictures of a folder or pattern in the order of their numbers.

    Raises:
        InputError: There are none, they are of several kinds, or a number is missing.
    """
    if has_number(path.name):
        folder, wanted = path.parent, name_pattern(path.name)
    else:
        folder, wanted = path, re.compile(r"(?P<head>.*?)(?P<number>\d*)\.\w+")
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Check the path for typing errors.")
    found = [
        (match, file)
        for file in folder.iterdir()
        if not file.name.startswith(".") and file.suffix.lower() in STILL_SUFFIXES
        if (match := wanted.fullmatch(file.name))
    ]
    if not found:
        raise InputError(f"There are no pictures in {path}.", WHAT_TO_GIVE)
    kinds = Counter(file.suffix.lower() for _, file in found)
    if len(kinds) > 1:
        raise InputError(
            f"{path} holds pictures of several kinds: {', '.join(sorted(kinds))}.",
            f"Name one kind by a pattern such as {folder / ('%06d' + max(kinds))}.",
        )
    found.sort(key=lambda entry: _natural(entry[1].stem))
    heads = {match.groupdict().get("head") for match, _ in found}
    if len(heads) == 1 and all(match["number"] for match, _ in found):
        _check_gaps([(int(match["number"]), file) for match, file in found])
    return [file for _, file in found]


def _check_gaps(numbered: list[tuple[int, Path]]) -> None:
    for (before, _), (number, file) in pairwise(numbered):
        if number == before:
            raise InputError(f"Two pictures have the number {number}, one is {file}.", "Remove one of them.")
        if number != before + 1:
            raise InputError(
                f"Picture number {before + 1} is missing before {file}.",
                "Add it, or number the pictures without a gap.",
            )


def _natural(stem: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts 2 before 10."""
    parts = re.split(r"(\d+)", stem)
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def name_pattern(name: str) -> re.Pattern[str]:
    """Return what file names of a printf pattern look like, with the group ``number``."""
    match = _NUMBER.search(name)
    assert match is not None
    digits = f"\\d{{{match['digits']},}}" if match["digits"] else "\\d+"
    return re.compile(
        f"{re.escape(name[: match.start()])}(?P<number>{digits}){re.escape(name[match.end() :])}"
    )
