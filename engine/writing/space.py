"""How much room a run needs, as far as that can be known before."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from ...errors import OutputError
from ..pixels.frame import Format
from .encoding import Encoding

_log = logging.getLogger(__name__)

_PICTURE = 1.5  # bytes per pixel of a PNG of grain; of smooth pictures half of that
_LOSSLESS = 0.8
_PIXEL = 0.03  # at crf 16; clean films take a third, grainy ones three times as much
_LOSSLESS_CODECS = ("ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "rawvideo", "v210", "png", "qtrle")
_INTRA_CODECS = ("prores", "dnxhd", "cfhd", "mjpeg", "jpeg2000")
_UNSURE = 8  # free room by which the guess above may be wrong before a run is refused


def guessed_size(film: Format, encoding: Encoding, *, pictures: bool) -> int | None:
    """Return about how many bytes a result will take; None where its length is not known."""
    if film.frames is None:
        return None
    codec = encoding.codec or ""
    if pictures:
        each = _PICTURE
    elif encoding.crf == 0 or codec.startswith(_LOSSLESS_CODECS):
        each = _LOSSLESS
    elif codec.startswith(_INTRA_CODECS):
        each = _LOSSLESS / 2
    else:
        each = _PIXEL * 2 ** ((16 - (16 if encoding.crf is None else encoding.crf)) / 6)
    deep = 2 if film.depth > 8 and (pictures or each == _LOSSLESS) else 1
    return round(film.width * film.height * film.frames * each * deep)


def check_start(job: Path, result: Path, guess: int | None) -> None:
    """Refuse to begin where the disk is far too small, and warn where it may be.

    Args:
        job: The folder that segments go into; it, or the one above it, is there.
        result: The folder of the result.
        guess: Bytes of the result. Until it is in its place, its segments lie in the job, too.

    Raises:
        OutputError: There is not nearly enough room.
    """
    if guess is None:
        return
    for place in {_existing(job), _existing(result)}:
        free = shutil.disk_usage(place).free
        if free < guess / _UNSURE:
            raise OutputError(
                f"About {shown(guess)} are needed, twice at the end, and {shown(free)} are free in {place}.",
                "Make room, or name other folders with -o and --work-dir.",
            )
        if free < 2 * guess:
            _log.warning(
                "About %s are needed, twice at the end, and %s are free in %s: it may not suffice.",
                shown(guess),
                shown(free),
                place,
            )


def check_room(place: Path, needed: int, purpose: str) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        place: A folder.
        needed: Bytes.
        purpose: What for: "join the segments of ...".

    Raises:
        OutputError: There is less.
    """
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OutputError(
            f"{shown(needed)} are needed in {place} to {purpose}, and {shown(free)} are free.",
            "Make room and run the same command again: nothing that is finished is lost.",
        )


def shown(size: int) -> str:
    """Return a number of bytes as people read it: ``1.3 GB``."""
    if size < 1000:
        return f"{size} bytes"
    number = float(size)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5:
            return f"{number:.3g} {unit}"
    return f"{number / 1000:.3g} TB"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
