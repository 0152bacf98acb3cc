"""Scenes of layers that move on their own: what is in front hides what is behind."""

from __future__ import annotations

import cv2
import numpy as np
from motion import camera, place_in, seen_by


def layered_frames(rng, pictures, times, size, *, fastest=28.0):
    """Return a scene at the given times, [len(times), size, size, 3] uint8, in which time 0 to 1 is one step.

    A background under a camera, and up to three shapes of other pictures before it, each with its motion.

    Args:
        fastest: Pixels from time 0 to time 1 that the shift of a layer seldom exceeds.
    """
    shake = motion_of(rng, fastest)
    picture = pictures[rng.integers(len(pictures))]
    centre = place_in(rng, picture, size)
    frames = np.stack([seen_by(picture, centre, shake * (t - 0.5), size) for t in times])
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.25, 0.4, 0.25, 0.1])):
        front = pictures[rng.integers(len(pictures))]
        centre = place_in(rng, front, size)
        own = motion_of(rng, fastest) + shake * rng.integers(2)
        shape = shape_of(rng, size)
        for index, t in enumerate(times):
            move = own * (t - 0.5)
            alpha = moved_mask(shape, move, size)[..., None]
            seen = seen_by(front, centre, move, size)
            frames[index] = np.rint(frames[index] * (1 - alpha) + seen * alpha).astype(np.uint8)
    return frames


def motion_of(rng, fastest):
    """Return the motion of a layer from time 0 to 1: shift x and y, turn, log of zoom."""
    if rng.random() < 0.08:
        return np.zeros(4)
    speed = fastest * rng.random() ** 2
    angle = rng.uniform(0, 2 * np.pi)
    turn = rng.normal(0, 0.03) * (rng.random() < 0.4)
    zoom = rng.normal(0, 0.03) * (rng.random() < 0.4)
    return np.array([speed * np.cos(angle), speed * np.sin(angle), turn, zoom])


def shape_of(rng, size):
    """Return a mask [3 * size, 3 * size] uint8, centred, of an ellipse, a polygon or a bar."""
    mask = np.zeros((3 * size, 3 * size), np.uint8)
    middle = 1.5 * size + rng.uniform(-0.5, 0.5, 2) * size
    extent = size * rng.uniform(0.05, 0.4, 2)
    if (kind := rng.integers(3)) == 0:
        box = (tuple(map(float, middle)), tuple(map(float, 2 * extent)), float(rng.uniform(0, 180)))
        cv2.ellipse(mask, box, 255, -1, cv2.LINE_AA)
    else:
        corners = 4 if kind == 1 else rng.integers(3, 9)
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = extent.max() * (1 if kind == 1 else rng.uniform(0.5, 1.3, corners))
        points = middle + np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), float(rng.choice([0.6, 0.6, 1.5])))


def moved_mask(mask, move, size):
    """Return a mask as the camera sees it, [size, size] float32 in [0, 1]."""
    middle = (np.array(mask.shape[::-1]) - 1) / 2
    matrix = camera(middle, move, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask, matrix, (size, size), flags=flags).astype(np.float32) / 255
