"""Which of two results a run gives: the right one, or PaddleGAN's to the byte."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from .frame import Pixels
from .resample import Bytes


class Parity(StrEnum):
    """``CORRECT`` keeps full precision between networks and respects shots. ``PPGAN`` repeats PaddleGAN:
    rounding to 8 bits after each network as its PNG files did, its padding, its colour quirk, and windows
    and pairs that reach across cuts."""

    CORRECT = "correct"
    PPGAN = "ppgan"


def to_bytes(pixels: Pixels) -> Bytes:
    """Round [0, 1] to the nearest of 256 levels, halves to even, clipped."""
    return np.rint(np.clip(pixels, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)


def from_bytes(pixels: Bytes) -> Pixels:
    """Return levels as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255.0)


def finished(pixels: Pixels, parity: Parity) -> Pixels:
    """Bring what a network gave into [0, 1], in place, and to 8 bits where PaddleGAN did."""
    if parity is Parity.PPGAN:
        return from_bytes(to_bytes(pixels))
    return np.clip(pixels, 0.0, 1.0, out=pixels)
