"""The last stage: every frame brought to the size that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..frame import Frame, Pixels
from ..resample import lanczos


class Resize:
    """Resize every frame by itself; one that is the same array as the one before it only once.

    Args:
        height, width: Pixels.
    """

    def __init__(self, *, height: int, width: int) -> None:
        self._height = height
        self._width = width

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        last: tuple[Pixels, Pixels] | None = None
        for frame in frames:
            if last is None or frame.pixels is not last[0]:
                last = frame.pixels, lanczos(frame.pixels, self._height, self._width)
            yield replace(frame, pixels=last[1])
