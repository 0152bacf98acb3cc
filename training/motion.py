"""Sequences made of still pictures, whose motion is known because it was made up."""

from __future__ import annotations

import cv2
import numpy as np

cv2.setNumThreads(0)


def turned(frames, rng):
    """Return the frames [N, S, S, 3] mirrored, turned by quarters and reversed in time, at random."""
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    if rng.random() < 0.5:
        frames = frames[:, ::-1]
    if rng.random() < 0.5:
        frames = frames.transpose(0, 2, 1, 3)
    if rng.random() < 0.5:
        frames = frames[::-1]
    return np.ascontiguousarray(frames)


def smooth_path(rng, count, *, fastest, weave):
    """Return how a camera moves: [count, 4] of shift x and y (pixels), turn (radians) and log of zoom.

    Args:
        fastest: Pixels per frame that a shift seldom exceeds.
        weave: Standard deviation of what each frame is off the smooth path, pixels.
    """
    time = np.arange(count) - (count - 1) / 2
    speed = fastest * 10 ** rng.uniform(-1.7, 0) * (rng.random() > 0.1)
    angle = rng.uniform(0, 2 * np.pi)
    bend = rng.normal(0, 0.15 * speed, 2)
    path = np.zeros((count, 4))
    for axis, part in enumerate((np.cos(angle), np.sin(angle))):
        path[:, axis] = speed * part * time + bend[axis] * time**2 / 2
    path[:, 2] = rng.normal(0, 0.006) * time * (rng.random() < 0.5)
    path[:, 3] = rng.normal(0, 0.006) * time * (rng.random() < 0.5)
    path[:, :2] += rng.normal(0, weave, (count, 2)) if weave else 0.0
    return path


def camera(centre, move, size):
    """Return where a camera's pixels (x, y) are in a picture, 2x3, if it is moved from ``centre`` (x, y)."""
    shift_x, shift_y, turn, zoom = move
    scale = np.exp(zoom)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    half = (size - 1) / 2
    x, y = centre[0] + shift_x, centre[1] + shift_y
    return np.array([[cos, -sin, x - cos * half + sin * half], [sin, cos, y - sin * half - cos * half]])


def seen_by(picture, centre, move, size):
    """Return what a camera sees of a picture, [size, size, 3] uint8."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    matrix = camera(centre, move, size)
    return cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def place_in(rng, picture, size):
    """Return the centre (x, y) of a square of that size somewhere in a picture."""
    height, width = picture.shape[:2]
    half = size / 2
    return np.array(
        [
            rng.uniform(min(half, width / 2), max(width - half, width / 2)),
            rng.uniform(min(half, height / 2), max(height - half, height / 2)),
        ]
    )


def camera_sequence(rng, pictures, count, size, *, fastest=8.0, weave=0.0, layers=0.3):
    """Return one picture under a moving camera, at times another before it: [count, size, size, 3] uint8.

    Args:
        layers: Share of the sequences with an ellipse of another picture that moves its own way.
    """
    picture = pictures[rng.integers(len(pictures))]
    centre = place_in(rng, picture, size)
    path = smooth_path(rng, count, fastest=fastest, weave=0.0)
    jitter = rng.normal(0, weave, (count, 2)) if weave else np.zeros((count, 2))
    path[:, :2] += jitter
    frames = np.stack([seen_by(picture, centre, move, size) for move in path])
    if rng.random() < layers:
        front = pictures[rng.integers(len(pictures))]
        centre = place_in(rng, front, size)
        own = smooth_path(rng, count, fastest=fastest, weave=0.0)
        own[:, :2] += jitter
        middle, axes = rng.uniform(0, size, 2), rng.uniform(0.15, 0.45, 2) * size
        lean = rng.uniform(0, 180)
        for index, move in enumerate(own):
            mask = np.zeros((size, size), np.uint8)
            at = tuple(float(v) for v in middle - move[:2])
            box = (at, tuple(float(2 * v) for v in axes), float(lean - np.degrees(move[2])))
            cv2.ellipse(mask, box, 255, -1, cv2.LINE_AA)
            alpha = cv2.GaussianBlur(mask, (3, 3), 0)[..., None].astype(np.float32) / 255
            seen = seen_by(front, centre, move, size)
            frames[index] = np.rint(frames[index] * (1 - alpha) + seen * alpha).astype(np.uint8)
    return frames


def clip_sequence(rng, clips, count, size, *, steps=(1, 1, 2)):
    """Return [count, size, size, 3] uint8 cut out of one of the clips, each a list of frames."""
    lengths = np.sqrt([len(clip) for clip in clips])
    while True:
        clip = clips[rng.choice(len(clips), p=lengths / lengths.sum())]
        step = int(rng.choice(steps))
        last = len(clip) - (count - 1) * step
        if last < 1:
            continue
        start = int(rng.integers(last))
        height, width = clip[0].shape[:2]
        y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        cut = np.stack([clip[start + i * step][y : y + size, x : x + size] for i in range(count)])
        if cut[count // 2].std() > 6:  # not a piece of sky or of the dark
            return cut
