"""What makes the small, worn picture out of the large, good one."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image


def shrunk(frames, factor=4):
    """Return uint8 frames [N, H, W, 3] a fourth the size by Keys' cubic without aliasing, rounded, uint8."""
    size = (frames.shape[2] // factor, frames.shape[1] // factor)
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames])


def worn(frames, rng, *, coloured=0.3):
    """Return large frames [N, H, W, 3] as a worn, soft, small copy has them, a fourth the size, uint8.

    Defocus and smear, flicker, grain, dust and scratches, and the blocks of a compressed file. What shakes
    is not made here but where the frames are made. ``coloured`` is the share of grain that has colours.
    """
    frames = frames.astype(np.float32)
    blur = rng.uniform(0.0, 5.0) if rng.random() < 0.85 else 0.0
    if blur > 0.3:
        other = blur * rng.uniform(0.7, 1.3)
        breath = rng.normal(0, 0.08, len(frames))  # the focus wanders a little
        frames = np.stack(
            [
                cv2.GaussianBlur(f, (0, 0), max(blur * (1 + b), 0.2), None, max(other * (1 + b), 0.2))
                for f, b in zip(frames, breath, strict=True)
            ]
        )
    small = shrunk(np.clip(np.rint(frames), 0, 255).astype(np.uint8)).astype(np.float32)
    count = len(small)
    if rng.random() < 0.8:
        depth = rng.uniform(0.0, 0.06)
        gain = 1 + rng.normal(0, depth, count)
        small = (
            small * gain[:, None, None, None] + rng.normal(0, 60 * depth, count)[:, None, None, None] * 0.3
        )
    strength = rng.uniform(0.0, 12.0) if rng.random() < 0.85 else 0.0
    if strength > 0.3:
        small = small + grain(rng, small, strength, coloured)
    if rng.random() < 0.25:
        damage(small, rng)
    small = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        quality = int(rng.uniform(35, 95))
        small = np.stack([squeezed(f, quality) for f in small])
    return small


def grain(rng, frames, strength, coloured):
    """Return grain for float frames: of one colour or of three, fine or clumped, strongest in the mids."""
    count, height, width = frames.shape[:3]
    colours = 3 if rng.random() < coloured else 1
    noise = rng.standard_normal((count, height, width, colours), dtype=np.float32)
    clump = rng.uniform(0.0, 0.9)
    if clump > 0.35:
        noise = np.stack([cv2.GaussianBlur(n, (0, 0), clump).reshape(n.shape) for n in noise])
        noise /= noise.std() + 1e-6
    luma = frames.mean(axis=3, keepdims=True) / 255
    return strength * noise * (0.6 + 1.6 * luma * (1 - luma))


def damage(frames, rng):
    """Draw scratches and dust into float frames, each frame its own."""
    _, height, width = frames.shape[:3]
    if rng.random() < 0.5:
        x = rng.uniform(0, width)
        for frame in frames:
            at = int(np.clip(x + rng.normal(0, 1), 0, width - 1))
            frame[:, at] += rng.choice([-1, 1]) * rng.uniform(10, 60)
    for frame in frames:
        for _ in range(rng.poisson(0.5)):
            at = (int(rng.integers(width)), int(rng.integers(height)))
            cv2.circle(frame, at, int(rng.integers(1, 3)), [float(rng.choice([10, 240]))] * 3, -1)


def squeezed(frame, quality):
    """Return a frame after JPEG, which loses as a video file does."""
    _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
