"""The size that a film shall have at last, as people name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from ...errors import ReelError
from .frame import Format

_NAMED = {"4k": 2160, "uhd": 2160, "8k": 4320, "2k": 1080, "hd": 1080}
_LARGEST = 16384  # what H.264, HEVC and AV1 can have at most


@dataclass(frozen=True, slots=True)
class Box:
    """What a picture is fitted into.

    Attributes:
        width, height: Pixels.
        turned: Whether the box is turned for pictures that are higher than wide.
    """

    width: int
    height: int
    turned: bool


def box_from_text(text: str) -> Box:
    """Return what ``2160p``, ``4k`` or ``1920x1080`` stands for.

    Raises:
        ReelError: It stands for nothing.
    """
    wanted = text.strip().lower()
    lines = re.fullmatch(r"(\d+)p", wanted)
    sides = re.fullmatch(r"(\d+)x(\d+)", wanted)
    if wanted in _NAMED or lines:
        height = _NAMED[wanted] if not lines else int(lines[1])
        box = Box(round(height * 16 / 9 / 2) * 2, height, turned=True)
    elif sides:
        box = Box(int(sides[1]), int(sides[2]), turned=False)
    else:
        raise ReelError(f"{text!r} is no size.", "Give --size 2160p, 1080p, 4k or 1920x1080.")
    if not (2 <= box.width <= _LARGEST and 2 <= box.height <= _LARGEST):
        raise ReelError(f"{text!r} is no size for a film.", f"Give sides from 2 to {_LARGEST} pixels.")
    return box


def resized(film: Format, box: Box) -> Format:
    """Return a film as large as fits into a box, with square pixels, its own shape and even sides."""
    across, down = film.width * film.pixel_aspect, Fraction(film.height)
    width, height = box.width, box.height
    if box.turned and across < down:
        width, height = height, width
    scale = min(width / across, height / down)
    return replace(
        film,
        width=_even(across * scale, width),
        height=_even(down * scale, height),
        pixel_aspect=Fraction(1),
        clipped=True,
    )


def squared(film: Format) -> Format:
    """Return a film with square pixels, of which none is lost, and even sides."""
    aspect = film.pixel_aspect
    width = film.width * aspect if aspect > 1 else Fraction(film.width)
    height = Fraction(film.height) if aspect > 1 else film.height / aspect
    return resized(film, Box(_even(width, 0), _even(height, 0), turned=False))


def _even(side: Fraction, most: int) -> int:
    """Return the even number nearest to a side; a box that is odd itself may be filled."""
    if abs(side - most) < 1:
        return most
    return max(2, 2 * int(side / 2 + Fraction(1, 2)))
