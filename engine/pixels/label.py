"""Words drawn into a picture, in the font that Pillow brings along."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .frame import Pixels

_LINES = 24  # of text that a picture would be high
_SMALLEST, _LARGEST = 8, 96  # pixels of type
_SHADE = np.float32(0.35)  # what is left of the picture behind the words


@dataclass(frozen=True, slots=True)
class Label:
    """Words in light type on a shade.

    Attributes:
        ink: [H, W] float32 in [0, 1]: 1 where there is type, 0 where there is none.
        margin: How far from the edges of a picture it belongs, pixels.
    """

    ink: Pixels
    margin: int

    def put(self, pixels: Pixels, *, right: bool = False) -> None:
        """Draw it into the upper left corner of [1, 3, H, W] pixels, or the upper right one.

        Of a picture that is too small for it, as much is drawn as there is room for.
        """
        height, width = self.ink.shape
        left = max(0, pixels.shape[3] - width - self.margin) if right else self.margin
        behind = pixels[:, :, self.margin : self.margin + height, left : left + width]
        ink = self.ink[: behind.shape[2], : behind.shape[3]]
        behind *= _SHADE
        behind += ink * (1 - behind)


@lru_cache(maxsize=16)
def label(text: str, *, height: int, width: int) -> Label:
    """Return words for pictures of that size, in type that can be read there and fits."""
    size = min(max(height / _LINES, _SMALLEST), _LARGEST)
    margin = max(1, round(size / 3))
    ink = _drawn(text, size)
    room = width - 2 * margin
    if ink.shape[1] > room > 0:
        ink = _drawn(text, max(size * room / ink.shape[1], _SMALLEST))
    return Label(ink, margin)


def _drawn(text: str, size: float) -> Pixels:
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    around = max(2, round(size / 3))
    image = Image.new("L", (round(right - left) + 2 * around, round(bottom - top) + 2 * around))
    ImageDraw.Draw(image).text((around - left, around - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)
