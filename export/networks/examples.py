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
