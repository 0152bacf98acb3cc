"""Grey, and the luma of one picture with the chroma of another, BT.601 as DeOldify has it.

In float for the ordinary path, and in the integers of Pillow and OpenCV where PaddleGAN's bytes are wanted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .frame import Pixels
from .resample import Bytes

_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)


def luma(pixels: Pixels) -> Pixels:
    """Return the luma [1, 1, H, W] of RGB [1, 3, H, W]."""
    return (pixels * _WEIGHTS).sum(axis=1, keepdims=True, dtype=np.float32)


def with_chroma(grey: Pixels, coloured: Pixels) -> Pixels:
    """Return the picture with the luma of ``grey`` [1, 1, H, W] and the chroma of ``coloured`` [1, 3, H, W].

    In [0, 1], clipped. Chroma is the difference from luma, so replacing luma is adding a difference.
    """
    merged = np.add(coloured, grey - luma(coloured), dtype=np.float32)
    return np.clip(merged, 0.0, 1.0)


def grey_bytes(pixels: Bytes) -> Bytes:
    """Return grey [1, 1, H, W] of RGB [1, 3, H, W] bytes as Pillow's mode L has it."""
    red, green, blue = (pixels[:, i : i + 1].astype(np.int32) for i in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)


def with_chroma_bytes(grey: Bytes, coloured: Bytes) -> Bytes:
    """Return what PaddleGAN's DeOldify makes of grey [1, 1, H, W] and colour [1, 3, H, W], bytes.

    It hands RGB to OpenCV's BGR2YUV and back, so that red and blue trade their luma weights. The numbers
    are those of OpenCV's 8-bit conversion, 14 bits after the point.
    """
    first, green, last = (coloured[:, i : i + 1].astype(np.int64) for i in range(3))
    y = _shifted(first * 1868 + green * 9617 + last * 4899)
    u = _bytes(_shifted((first - y) * 8061 + (128 << 14))) - 128
    v = _bytes(_shifted((last - y) * 14369 + (128 << 14))) - 128
    y = grey.astype(np.int64)
    return np.concatenate(
        [
            _bytes(y + _shifted(u * 33292)),
            _bytes(y + _shifted(u * -6472 + v * -9519)),
            _bytes(y + _shifted(v * 18678)),
        ],
        axis=1,
    ).astype(np.uint8)


def _shifted(value: NDArray[np.int64]) -> NDArray[np.int64]:
    return (value + (1 << 13)) >> 14


def _bytes(value: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(value, 0, 255)
