"""Draw a short old film: ``python scripts/make_clip.py OUTPUT.mp4``.

Two shots in black and white with a cut between them, both drawn from formulas: a boat that crosses a lake in
front of mountains, then a stone ball that rolls over wooden planks. Over them lie grain, flicker, dust and an
unsteady gate, and there is a melody. The same arguments give the same film.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SUPERSAMPLING = 3  # each pixel is the mean of 3 x 3 points: no jagged edges
SAMPLE_RATE = 44100
# Half a bar each: semitones above A3.
MELODY = (7, 10, 14, 10, 12, 15, 19, 15, 14, 10, 7, 5, 3, 7, 10, 7)


class Noise:
    """Fractal noise over the plane, in [0, 1], repeating every 256 cells."""

    def __init__(self, seed: int) -> None:
        self._lattice = np.random.default_rng(seed).random(256 * 256)

    def __call__(self, x: Array, y: Array, octaves: int = 4) -> Array:
        """Return the noise at points of any shape; each octave is twice as fine and half as strong."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        weight = 0.5
        for octave in range(octaves):
            total += weight * self._smooth(x * 2**octave + 17.3 * octave, y * 2**octave + 9.1 * octave)
            weight /= 2
        return total / (1 - 0.5**octaves)

    def _smooth(self, x: Array, y: Array) -> Array:
        column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        fx, fy = x - column, y - row
        fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
        near, far = column & 255, (column + 1) & 255
        top, bottom = (row & 255) * 256, ((row + 1) & 255) * 256
        upper = self._lattice[top + near] * (1 - fx) + self._lattice[top + far] * fx
        lower = self._lattice[bottom + near] * (1 - fx) + self._lattice[bottom + far] * fx
        return upper * (1 - fy) + lower * fy


def lake(x: Array, y: Array, t: float) -> Array:
    """Return the light of the first shot.

    Args:
        x, y: Points; y is 0 at the top and 1 at the bottom, x has the same unit and grows to the right.
        t: 0 at the beginning of the shot, 1 at its end.
    """
    horizon = 0.62
    mirror = y > horizon
    ripple = (Noise(5)(x * 9, (y - horizon) * 60 + t * 6, 3) - 0.5) * 0.05 * mirror
    seen_y = np.where(mirror, horizon - (y - horizon) * 0.9 + ripple, y)
    seen_x = x + ripple * 0.4
    light = _shore(seen_x, seen_y, t, horizon)
    water = light * 0.72 + 0.05 + 1.6 * np.maximum(ripple, 0)
    light = np.where(mirror, water, light)
    return _boat(light, x, y, t, horizon)


def _shore(x: Array, y: Array, t: float, horizon: float) -> Array:
    pan = 0.12 * t
    clouds = Noise(1)((x + 0.25 * pan) * 3 + 0.35 * t, y * 5 + 3)
    light = 0.86 - 0.3 * (1 - y / horizon) + 0.55 * np.clip(clouds - 0.47, 0, 0.4)
    # Each range: distance, height of its foot above the horizon, height of its peaks, roughness, tone.
    for seed, speed, foot, height, scale, tone in (
        (2, 0.4, 0.10, 0.42, 2.1, 0.52),
        (3, 0.8, 0.02, 0.24, 3.6, 0.33),
        (4, 1.5, -0.03, 0.13, 9.0, 0.16),
    ):
        ground = Noise(seed)
        u = x + speed * pan + seed
        crest = horizon - foot - height * (ground(u * scale, np.full_like(u, 0.5)) - 0.25)
        depth = np.clip((y - crest) / 0.3, 0, 1)
        relief = ground(u * scale * 3 + depth * 2, (y - crest) * 14, 3)
        sunlit = ground(u * scale * 3 + depth * 2 + 0.12, (y - crest) * 14, 3)
        shade = tone + 0.9 * tone * (relief - sunlit) * 4 + 0.35 * tone * (relief - 0.5) + 0.18 * depth
        light = np.where(y > crest, shade, light)
    return light


def _boat(light: Array, x: Array, y: Array, t: float, horizon: float) -> Array:
    centre, deck = 0.42 + 0.45 * t, horizon + 0.17 + 0.006 * np.sin(9 * t)
    u, v = x - centre, y - deck
    wake = (v > 0) & (np.abs(u) < 0.17 - v) & (v < 0.13)
    light = np.where(wake, light * 0.55, light)
    hull = (v > -0.01) & (v < 0.045) & (np.abs(u - 0.01) < 0.15 - 1.1 * np.maximum(v, 0))
    light = np.where(hull, 0.12 + 0.25 * np.clip(-v / 0.05 + 0.4, 0, 1), light)
    main = (
        (v < -0.02)
        & (v > -0.42)
        & (u > 0.012)
        & (u < 0.012 + 0.16 * np.sqrt(np.clip(1 + (v + 0.02) / 0.4, 0, 1)))
    )
    light = np.where(main, 0.92 - 2.2 * np.maximum(u - 0.012, 0), light)
    jib = (v < -0.02) & (v > -0.34) & (u < -0.006) & (u > -0.006 - 0.12 * (1 + (v + 0.02) / 0.32))
    light = np.where(jib, 0.72 + 1.2 * (u + 0.006), light)
    mast = (np.abs(u - 0.002) < 0.004) & (v < 0) & (v > -0.45)
    return np.where(mast, 0.1, light)


def ball(x: Array, y: Array, t: float) -> Array:
    """Return the light of the second shot; the arguments are those of ``lake``."""
    eye = np.array([0.5 * t - 0.25, 1.15, -3.4])
    dx, dy, dz = x - 0.66, -(y - 0.42) - 0.16, np.full_like(x, 1.35)
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    ray = np.stack([dx, dy, dz]) / length
    sun = np.array([-0.55, 0.75, -0.36])
    sun /= np.sqrt(sun @ sun)
    middle = np.array([0.7 - 1.2 * t, 0.6, 0.1 + 0.3 * t])

    light = 0.3 + 0.25 * np.clip(1 - y / 0.5, 0, 1) + 0.12 * (Noise(6)(x * 4, y * 4) - 0.5)  # a wall
    down = np.where(ray[1] < -0.02, eye[1] / np.maximum(-ray[1], 1e-9), np.inf)
    floor = np.isfinite(down) & (down < 9)
    reach = np.where(floor, down, 0)
    floor_x, floor_z = eye[0] + reach * ray[0], eye[2] + reach * ray[2]
    light = np.where(floor, _planks(floor_x, floor_z, middle, sun), light)

    to_eye = eye - middle
    b = np.tensordot(to_eye, ray, (0, 0))
    inside = b * b - (to_eye @ to_eye - 0.36)
    near = -b - np.sqrt(np.maximum(inside, 0))
    normal = (eye[:, None, None] + near * ray - middle[:, None, None]) / 0.6
    return np.where(inside > 0, _stone(normal, ray, sun, roll=-1.2 * t / 0.6), light)


def _planks(x: Array, z: Array, middle: Array, sun: Array) -> Array:
    board = np.floor(z / 0.42)
    grain = Noise(7)(x * 1.3 + board * 5.7, z * 16, 3)
    tone = 0.42 + 0.3 * (grain - 0.5) + 0.16 * (np.sin(board * 12.9898) * 43758.5 % 1 - 0.5)
    tone = tone * np.where(np.abs(z / 0.42 - board - 0.5) > 0.475, 0.35, 1.0)
    # The shadow: how near the way to the sun comes to the ball, with a soft rim.
    way = np.stack([middle[0] - x, np.full_like(x, middle[1]), middle[2] - z])
    along = np.tensordot(sun, way, (0, 0))
    beside = np.sqrt(np.maximum((way * way).sum(0) - along * along, 0))
    shadow = 0.3 + 0.7 * np.clip((beside - 0.48) / 0.2, 0, 1)
    contact = 1 - 0.5 * np.exp(-((x - middle[0]) ** 2 + (z - middle[2]) ** 2) / 0.05)
    return tone * shadow * contact * 1.45 / (1 + 0.06 * np.maximum(z, 0) ** 2)


def _stone(normal: Array, ray: Array, sun: Array, roll: float) -> Array:
    nx, ny, nz = normal
    turned_x, turned_y = nx * np.cos(roll) - ny * np.sin(roll), nx * np.sin(roll) + ny * np.cos(roll)
    veins = Noise(8)(turned_x * 2.4 + nz + 20, turned_y * 2.4 + 0.7 * nz + 20)
    surface = 0.62 - 0.42 * np.exp(-(((veins - 0.5) / 0.035) ** 2)) + 0.5 * (veins - 0.5)
    facing = np.tensordot(sun, normal, (0, 0))
    mirrored = ray - 2 * (ray * normal).sum(0) * normal
    glint = np.clip(np.tensordot(sun, mirrored, (0, 0)), 0, 1) ** 24
    return surface * (0.16 + 0.14 * np.clip(-ny, 0, 1) + 1.0 * np.clip(facing, 0, 1)) + 0.55 * glint


def aged(light: Array, seed: int) -> NDArray[np.uint8]:
    """Return one frame as an old print shows it: 8-bit grey, from light in about [0, 1]."""
    random = np.random.default_rng(seed)
    height, width = light.shape
    y, x = np.mgrid[0:height, 0:width]
    radius = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
    density = (
        np.clip(1.2 * light - 0.06, 0, 1.1) * (1 - 0.35 * radius) * (1 + 0.03 * random.standard_normal())
    )
    grain = random.standard_normal((height, width))
    grain = (grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1)) / np.sqrt(3)
    density = density + 0.022 * grain
    for _ in range(random.poisson(1.5)):
        spot = ((x - random.uniform(0, width)) ** 2 + (y - random.uniform(0, height)) ** 2) / 1.2
        density = density + random.choice([-0.5, 0.6]) * np.exp(-spot)
    return (np.clip(density, 0, 1) ** 0.85 * 235 + 8).astype(np.uint8)


def pictures(count: int, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of the film, the cut in the middle."""
    first = count - count // 2
    for index in range(count):
        shot, place, length = (lake, index, first) if index < first else (ball, index - first, count // 2)
        weave = np.random.default_rng(1000 + index).normal(0, 0.0015, 2)
        rows = (np.arange(height * SUPERSAMPLING) + 0.5) / (height * SUPERSAMPLING) + weave[0]
        columns = (np.arange(width * SUPERSAMPLING) + 0.5) / (height * SUPERSAMPLING) + weave[1]
        x, y = np.meshgrid(columns, rows)
        points = shot(x, y, place / max(length - 1, 1))
        fine = points.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
        yield aged(fine.mean((1, 3)), index)


def melody(seconds: float) -> NDArray[np.float32]:
    """Return plucked notes over that time: mono, [-1, 1], at ``SAMPLE_RATE``."""
    total = np.zeros(round(seconds * SAMPLE_RATE))
    for index in range(int(seconds / 0.25) + 1):
        begin = round(index * 0.25 * SAMPLE_RATE)
        t = np.arange(len(total) - begin) / SAMPLE_RATE
        pitch = 220 * 2 ** (MELODY[index % len(MELODY)] / 12)
        for harmonic in (1, 2, 3, 4):
            total[begin:] += 0.2 / harmonic**1.5 * np.sin(2 * np.pi * pitch * harmonic * t) * np.exp(-5 * t)
    return (total / max(np.abs(total).max(), 1e-9) * 0.7).astype(np.float32)


def write(path: Path, count: int, height: int, width: int, rate: Fraction) -> None:
    """Write the film: H.264 and AAC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "14"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for picture in pictures(count, height, width):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(video.encode())
        samples = melody(float(count / rate))
        for begin in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, begin, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())


def main() -> None:
    """Run the command."""
    grammar = argparse.ArgumentParser(description="Draw a short old film, in black and white and with sound.")
    grammar.add_argument("output", type=Path)
    grammar.add_argument("--frames", type=int, default=12)
    grammar.add_argument("--size", default="96x72", metavar="WxH", help="default: 96x72")
    grammar.add_argument("--fps", type=Fraction, default=Fraction(6), help="default: 6")
    options = grammar.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    write(options.output, options.frames, height, width, options.fps)


if __name__ == "__main__":
    main()
