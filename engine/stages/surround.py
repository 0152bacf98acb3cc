"""Black borders taken off before the networks, and put back as they were after them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..pixels.borders import Borders
from ..pixels.frame import Frame, Pixels
from ..pixels.resample import lanczos

_SHOWS = 0.3  # brightness that is no black any more

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Outside:
    """What lies around the picture of one frame: above, below, left and right of it."""

    time: Fraction
    strips: tuple[Pixels, ...]
    enlarged: tuple[int, tuple[Pixels, ...]] | None = None


class Surround:
    """Two stages that belong together.

    Borders come back enlarged without a network, and where frames were made in between, as those of the
    frame before. So whatever shows in a border now and then is still there.

    Args:
        borders: How many lines they have.
    """

    def __init__(self, borders: Borders) -> None:
        self._borders = borders
        self._outside: deque[_Outside] = deque()
        self._told = False

    def off(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Give the frames without their borders."""
        for frame in frames:
            height, width = frame.height, frame.width
            side = self._borders
            rows, columns = slice(side.top, height - side.bottom), slice(side.left, width - side.right)
            pixels = frame.here
            parts = (
                pixels[:, :, : rows.start],
                pixels[:, :, rows.stop :],
                pixels[:, :, rows, : columns.start],
                pixels[:, :, rows, columns.stop :],
            )
            self._tell(frame.time, parts)
            self._outside.append(_Outside(frame.time, tuple(np.ascontiguousarray(part) for part in parts)))
            yield replace(frame, pixels=np.ascontiguousarray(pixels[:, :, rows, columns]))

    def on(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Give the frames with their borders."""
        for frame in frames:
            while len(self._outside) > 1 and self._outside[1].time <= frame.time:
                self._outside.popleft()
            yield replace(frame, pixels=self._framed(frame.here, self._outside[0]))

    def _framed(self, picture: Pixels, outside: _Outside) -> Pixels:
        side = self._borders
        height = outside.strips[2].shape[2]
        scale = picture.shape[2] // height
        if outside.enlarged is None or outside.enlarged[0] != scale:
            outside.enlarged = scale, tuple(_enlarged(strip, scale) for strip in outside.strips)
        above, below, left, right = outside.enlarged[1]
        top, start = side.top * scale, side.left * scale
        full = (top + picture.shape[2] + side.bottom * scale, start + picture.shape[3] + side.right * scale)
        whole = np.empty((1, 3, *full), np.float32)
        inner = slice(top, top + picture.shape[2])
        whole[:, :, :top], whole[:, :, inner.stop :] = above, below
        whole[:, :, inner, :start], whole[:, :, inner, start + picture.shape[3] :] = left, right
        whole[:, :, inner, start : start + picture.shape[3]] = picture
        return whole

    def _tell(self, time: Fraction, parts: tuple[Pixels, ...]) -> None:
        if not self._told and any(part.size and float(part.max()) > _SHOWS for part in parts):
            self._told = True
            _log.warning(
                "Something shows in the black borders at %.2f seconds; it is enlarged without a network. "
                "--crop off takes it in.",
                float(time),
            )


def _enlarged(strip: Pixels, scale: int) -> Pixels:
    height, width = strip.shape[2:]
    if scale == 1 or not strip.size:
        return np.empty((1, 3, scale * height, scale * width), np.float32) if not strip.size else strip
    return lanczos(strip, scale * height, scale * width)
