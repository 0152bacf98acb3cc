"""Inputs to compare networks on: pictures with edges, texture and grain, moving from frame to frame."""

from __future__ import annotations

import numpy as np


def moving_pictures(count, height, width, *, seed=0, speed=(1.5, -0.75)):
    """Return ``count`` frames [1, 3, height, width], float32 in [0, 1], of one scene that drifts.

    Args:
        seed: Of the scene and the grain.
        speed: Pixels per frame, x and y.
    """
    rng = np.random.default_rng(seed)
    waves = [
        (rng.uniform(6, 60), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.3, 1, 3))
        for _ in range(10)
    ]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    frames = []
    for index in range(count):
        px, py = x + index * speed[0], y + index * speed[1]
        scene = np.zeros((3, height, width))
        for length, angle, phase, strength in waves:
            along = 2 * np.pi * (np.cos(angle) * px + np.sin(angle) * py) / length
            scene += strength[:, None, None] * np.sin(along + phase[:, None, None])
        scene += 2.0 * ((px // 12 + py // 9) % 2)  # edges, which waves have none of
        scene = 0.5 + 0.4 * (scene - scene.mean()) / np.abs(scene - scene.mean()).max()
        grain = rng.normal(0, 0.02, scene.shape)
        frames.append(np.clip(scene + grain, 0, 1).astype(np.float32)[None])
    return frames


def extremes(example, low, high):
    """Yield what an input of a network shows, in words, and inputs like the given ones that show it.

    Args:
        example: Inputs by name: frames [1, 3, H, W], windows of them [1, 5, 3, H, W], and others, which stay.
        low, high: Black and white, [1, 3, 1, 1], as the network is given them.
    """

    def shown(frame):
        """Let ``frame`` say how white each pixel of the n-th frame is, and put frames in place of others."""
        count, inputs = 0, {}
        for name, value in example.items():
            shape = value.shape
            if value.ndim < 4:
                inputs[name] = value
                continue
            frames = []
            for _ in range(shape[1] if value.ndim == 5 else 1):
                y, x = np.mgrid[0 : shape[-2], 0 : shape[-1]]
                frames.append(low + (high - low) * frame(count, y, x))
                count += 1
            inputs[name] = np.stack(frames, axis=1) if value.ndim == 5 else frames[0]
        return {name: value.astype(np.float32) for name, value in inputs.items()}

    yield "black", shown(lambda n, y, x: 0.0 * x)
    yield "white", shown(lambda n, y, x: 0.0 * x + 1.0)
    yield "a checkerboard of pixels that flickers", shown(lambda n, y, x: (y + x + n) % 2)
    yield "large squares in fast motion", shown(lambda n, y, x: ((y + 13 * n) // 16 + (x - 29 * n) // 16) % 2)
