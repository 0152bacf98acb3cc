"""Frames that only repeat their neighbour: stills in animation, doubled prints, slowed-down silent film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frame import Frame, Pixels

# A still longer than this is meant, like a title card: nothing moves across it.
_LONGEST = 8

BLOCK = 8
TOLERANCE = 2.0 / 255.0  # compression noise averages out over a block, motion does not


def mark_held(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Give the same frames with ``held`` set on those that only repeat the last one which is not.

    The first frame of a shot never is, nor more than eight in a row. The cuts must be marked already.
    """
    shown: Pixels | None = None
    repeats = 0
    for frame in frames:
        pixels = frame.here
        if shown is not None and not frame.cut and repeats < _LONGEST and is_held(pixels, shown):
            repeats += 1
            yield replace(frame, held=True)
        else:
            shown, repeats = pixels, 0
            yield frame


def is_held(pixels: Pixels, previous: Pixels) -> bool:
    """Tell whether [1, 3, H, W] shows the same as the frame before it, but for grain and compression."""
    return difference(pixels, previous) <= TOLERANCE


def difference(pixels: Pixels, previous: Pixels) -> float:
    """Return by how much the blocks of two pictures differ at most, each on average; 8x8 pixels."""
    difference = (pixels - previous).mean(axis=(0, 1))
    height, width = (side - side % BLOCK for side in difference.shape)
    if not height or not width:
        return float(np.abs(difference).max())
    blocks = difference[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return float(np.abs(blocks.mean(axis=(1, 3))).max())


def is_same(pixels: NDArray[Any], previous: NDArray[Any]) -> bool:
    """Tell whether two frames are equal to the last bit, as where a codec skips a frame that stands still.

    Args:
        pixels, previous: [1, channels, H, W].
    """
    middle = pixels.shape[2] // 2  # one row tells most frames apart
    return np.array_equal(pixels[:, :, middle], previous[:, :, middle]) and np.array_equal(pixels, previous)
