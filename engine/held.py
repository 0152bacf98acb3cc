"""Frames that only repeat their neighbour: stills in animation, doubled prints, slowed-down silent film."""

from __future__ import annotations

import numpy as np

from .frame import Pixels

_BLOCK = 8
_TOLERANCE = 2.0 / 255.0  # compression noise averages out over a block, motion does not


def is_held(pixels: Pixels, previous: Pixels) -> bool:
    """Tell whether [1, 3, H, W] shows the same as the frame before it, but for grain and compression."""
    difference = (pixels - previous).mean(axis=(0, 1))
    height, width = (side - side % _BLOCK for side in difference.shape)
    if not height or not width:
        return bool(np.abs(difference).max() <= _TOLERANCE)
    blocks = difference[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return bool(np.abs(blocks.mean(axis=(1, 3))).max() <= _TOLERANCE)
