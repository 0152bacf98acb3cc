"""A picture as planes of samples: as it was decoded, or as it will be encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .coding import Layout
from .colour import Samples, rgb_at, rgb_from_planes
from .frame import Pixels
from .held import is_same

if TYPE_CHECKING:
    from .turn import Turn  # which needs the video library


@dataclass(frozen=True, slots=True)
class Coding:
    """How planes hold a picture.

    Attributes:
        layout: How they lie.
        matrix: libav's number, resolved (see ``colour.resolve_matrix``); of no use to RGB.
        full_range: Whether black is 0 and white the largest number.
    """

    layout: Layout
    matrix: int
    full_range: bool


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """Planes, of which RGB is made where it is wanted: on a device that is less to copy, and no work here.

    Attributes:
        planes: Y, U, V or Y or R, G, B, [H, W] of unsigned samples. Nobody writes into them.
        coding: How they hold the picture.
        turn: How it is set upright; None: it is.
    """

    planes: tuple[Samples, ...]
    coding: Coding
    turn: Turn | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of its RGB, upright: (1, 3, H, W)."""
        height, width = self.planes[0].shape
        if self.turn is not None and self.turn.transpose:
            height, width = width, height
        return 1, 3, height, width

    def rgb(self) -> Pixels:
        """Return its RGB, upright, clipped to [0, 1]."""
        coding = self.coding
        pixels = rgb_from_planes(
            list(self.planes), coding.layout, matrix=coding.matrix, full_range=coding.full_range
        )
        return pixels if self.turn is None else upright(pixels, self.turn)

    def every(self, rows: int, columns: int) -> Pixels:
        """Return ``rgb()[:, :, ::rows, ::columns]``, to the last bit, without the rest of it."""
        height, width = self.shape[2:]
        down, across = np.arange(0, height, rows), np.arange(0, width, columns)
        turn, coding = self.turn, self.coding
        if turn is not None and turn.down:
            down = height - 1 - down
        if turn is not None and turn.across:
            across = width - 1 - across
        swapped = turn is not None and turn.transpose
        pixels = rgb_at(
            self.planes,
            coding.layout,
            *((across, down) if swapped else (down, across)),
            matrix=coding.matrix,
            full_range=coding.full_range,
        )
        return pixels.swapaxes(2, 3) if swapped else pixels


Picture = Pixels | Planar
"""A picture in the machine's memory."""


def rgb_of(picture: Picture) -> Pixels:
    """Return the RGB of a picture, [1, 3, H, W] float32."""
    return picture.rgb() if isinstance(picture, Planar) else picture


def is_same_picture(one: Picture, other: Picture) -> bool:
    """Tell whether two pictures are equal to the last bit, of their samples where both are planes.

    Planes that differ only outside of what RGB holds so are two pictures, and their RGB is one.
    """
    if one.shape != other.shape:
        return False
    if not (isinstance(one, Planar) and isinstance(other, Planar)):
        return is_same(rgb_of(one), rgb_of(other))
    if (one.coding, one.turn) != (other.coding, other.turn):
        return False
    return all(is_same(a[None, None], b[None, None]) for a, b in zip(one.planes, other.planes, strict=True))


def upright(pixels: Pixels, turn: Turn) -> Pixels:
    """Return a picture set upright, C-contiguous."""
    if turn.transpose:
        pixels = pixels.swapaxes(2, 3)
    if turn.across:
        pixels = pixels[..., ::-1]
    if turn.down:
        pixels = pixels[..., ::-1, :]
    return np.ascontiguousarray(pixels)
