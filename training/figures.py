"""How near a picture comes to what it should be, and how steady a film is."""

from __future__ import annotations

import cv2
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


def similarity(got, wanted):
    """Return the SSIM of two planes of 8 bits (Wang et al. 2004: Gaussian windows of 11 x 11)."""
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)

    def around(x):
        return cv2.GaussianBlur(x, (11, 11), 1.5)[5:-5, 5:-5]

    mean_a, mean_b = around(got), around(wanted)
    of_a, of_b = around(got**2) - mean_a**2, around(wanted**2) - mean_b**2
    both = around(got * wanted) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ratio = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((ratio / ((mean_a**2 + mean_b**2 + c1) * (of_a + of_b + c2))).mean())
