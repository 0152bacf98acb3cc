"""Stills of a film before and after, small enough for a page that holds them all."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from PIL import Image

from ..pixels.frame import Frame, Pixels
from ..pixels.resample import lanczos
from ..reading.source import Source
from ..runs.compare import opened_result
from ..runs.plan import Plan, opened
from ..runs.settings import Settings

LIMIT = 13_500_000
"""Bytes of all pictures of a page, which is a third longer in text."""
MOST = 32
"""Moments of a film that a page shows at most: of each up to four pictures."""

_LARGEST, _LEAST = 400_000, 2_000  # bytes of a picture, however few or many there are
_WIDEST, _HIGHEST = 1280, 960  # pixels of a still
_DETAIL = (480, 640)  # height and width of what is shown as it is
_QUALITIES = (88, 80, 70, 60, 45, 30)
_ROUNDED = Fraction(1, 1000)  # seconds by which a container may have rounded a time


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of one size as JPEG files, which lie over one another.

    Attributes:
        width, height: As they are to be shown, pixels.
        before, after: The files.
    """

    width: int
    height: int
    before: bytes
    after: bytes

    @property
    def addresses(self) -> tuple[str, str]:
        """Both files as addresses that hold them."""
        before, after = (base64.b64encode(file).decode() for file in (self.before, self.after))
        return f"data:image/jpeg;base64,{before}", f"data:image/jpeg;base64,{after}"


@dataclass(frozen=True, slots=True)
class Still:
    """A moment of a film, before and after.

    Attributes:
        time: Seconds from the film's beginning.
        whole: All of the picture.
        detail: The part of it with the finest detail, pixel for pixel; None where the whole is shown so.
        label: What else is to be said of it.
    """

    time: Fraction
    whole: Pair
    detail: Pair | None
    label: str = ""


def stills(plan: Plan, settings: Settings, times: Sequence[Fraction], *, shares: int = 1) -> list[Still]:
    """Return stills of a result that is there, with what was read at the same time enlarged to its size.

    Args:
        plan, settings: What the result was made by.
        times: In seconds as in the result, in order; those for which there is no frame are left out.
        shares: How many results one page shows so.

    Raises:
        InputError: The source or the result cannot be read.
    """
    width, height = _shown_size(plan)
    pictures = shares * len(times) * (4 if plan.after.width > width else 2)
    limit = max(_LEAST, min(_LARGEST, LIMIT // max(1, pictures)))
    found: list[Still] = []
    with opened(plan.input, settings) as source, opened_result(plan) as result:
        for before, after in _frames_at(source, result, times):
            enlarged = lanczos(before.here, after.height, after.width)
            found.append(
                _still(before.time + (settings.start or 0), enlarged, after.here, (width, height), limit)
            )
    return found


def _frames_at(source: Source, result: Source, times: Sequence[Fraction]) -> Generator[tuple[Frame, Frame]]:
    """Give the first frame of the source from each time on, and that of the result at the same time."""
    first, first_made = next(source.frames()), next(result.frames())
    shift = first.time - first_made.time
    last = first
    for time in times:
        before = first if time <= first.time else _from(source, time, first.time, last)
        if before is None:
            return
        last = before
        # A container may have rounded the time of the frame that is meant down.
        wanted = before.time - shift - min(_ROUNDED, before.duration / 4)
        after = first_made if wanted <= first_made.time else _from(result, wanted, first_made.time, None)
        if after is not None:
            yield before, after


def _from(source: Source, time: Fraction, first: Fraction, last: Frame | None) -> Frame | None:
    """Return the first frame from a time on; None where there is none.

    Args:
        first: Time of the first frame.
        last: What was returned before, which lies earlier.
    """
    if source.seekable or last is None:
        index = max(0, ceil((time - first) * (source.format.rate or 0)))
        source.go_to(time, index)  # by its time in a film, by its index among pictures
        return next(source.frames(), None)
    if last.time >= time:
        return last
    return next((frame for frame in source.frames() if frame.time >= time), None)


def _shown_size(plan: Plan) -> tuple[int, int]:
    """Return the width and height that a still is shown with, its pixels square."""
    film = plan.after
    width, height = film.width * film.pixel_aspect, Fraction(film.height)
    scale = min(Fraction(1), _WIDEST / width, _HIGHEST / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _still(time: Fraction, before: Pixels, after: Pixels, size: tuple[int, int], limit: int) -> Still:
    whole = [_image(pixels).resize(size, Image.Resampling.LANCZOS) for pixels in (before, after)]
    detail = None
    if after.shape[3] > size[0]:
        top, left = _busiest(after)
        rows, columns = slice(top, top + _DETAIL[0]), slice(left, left + _DETAIL[1])
        detail = _pair([_image(pixels[:, :, rows, columns]) for pixels in (before, after)], limit)
    return Still(time, _pair(whole, limit), detail)


def _pair(images: Sequence[Image.Image], limit: int) -> Pair:
    before, after = (_file(image, limit) for image in images)
    return Pair(images[0].width, images[0].height, before, after)


def _image(pixels: Pixels) -> Image.Image:
    levels = np.rint(np.clip(pixels[0], 0, 1) * np.float32(255)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)))


def _file(image: Image.Image, limit: int) -> bytes:
    """Return a picture as JPEG of at most so many bytes: coarser, and then smaller, until it is."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= limit:
            return file.getvalue()
    width, height = (max(1, side * 2 // 3) for side in image.size)
    return _file(image.resize((width, height), Image.Resampling.LANCZOS), limit)


def _busiest(pixels: Pixels) -> tuple[int, int]:
    """Return the top and left of that part of a picture, as large as a detail, that holds most of it."""
    grey = pixels[0].mean(axis=0)
    change = np.abs(np.diff(grey, axis=1))[:-1] + np.abs(np.diff(grey, axis=0))[:, :-1]
    total = np.pad(change.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    rows, columns = (min(side, length) for side, length in zip(_DETAIL, change.shape, strict=True))
    within = (
        total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    )
    top, left = np.unravel_index(int(within[::8, ::8].argmax()), within[::8, ::8].shape)
    return int(top) * 8, int(left) * 8
