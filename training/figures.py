"""How near a picture comes to what it should be, and how steady a film is."""

from __future__ import annotations

import numpy as np


def decibels(got, wanted):
    """Return the PSNR of 8-bit pictures, all channels together."""
    error = np.mean((got.astype(np.float64) - wanted) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def luma(frames):
    """Return the luma [...] of pictures [..., 3], BT.601, full range, not rounded."""
    return frames.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def to_eight_bits(x):
    """Return pictures in [0, 1] as uint8."""
    return np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)


def unsteadiness(got, wanted):
    """Return by how much the changes from frame to frame of [N, H, W, 3] differ from what they should be.

    Mean absolute difference, in levels of 8 bits: zero where the film flickers and shimmers no more than
    the true one.
    """
    change = np.diff(got.astype(np.float32), axis=0) - np.diff(wanted.astype(np.float32), axis=0)
    return float(np.abs(change).mean())
