"""Small films and photos of many kinds, and ways to damage them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


@dataclass(frozen=True)
class Kind:
    """How a sound film of a kind is written."""

    name: str
    codec: str
    pix_fmt: str = "yuv420p"
    sound: str | None = None
    container: str | None = None
    size: tuple[int, int] = (48, 32)
    options: tuple[tuple[str, str], ...] = ()
    frames: int = 10


KINDS = (
    Kind("h264.mp4", "libx264", sound="aac", options=(("bf", "2"), ("g", "5"))),
    Kind("hevc.mp4", "libx265", size=(96, 64), options=(("x265-params", "log-level=none"),)),
    Kind("prores.mov", "prores_ks", "yuv422p10le", sound="pcm_s16le", frames=4),
    Kind("h264.mkv", "libx264", "yuv444p", sound="flac", options=(("bf", "2"), ("g", "5"))),
    Kind("ffv1.mkv", "ffv1", "yuva420p", sound="ac3"),
    Kind("vp9.webm", "libvpx-vp9", sound="libopus", options=(("cpu-used", "8"), ("deadline", "realtime"))),
    Kind("mpeg4.avi", "mpeg4", sound="libmp3lame"),
    Kind("mjpeg.avi", "mjpeg", "yuvj422p", sound="pcm_s16le"),
    Kind("mpeg2.ts", "mpeg2video", sound="mp2"),
    Kind("h264.ts", "libx264", sound="aac", options=(("g", "5"),)),
    Kind("mpeg1.mpg", "mpeg1video", sound="mp2"),
    Kind("flv1.flv", "flv1"),
    Kind("wmv2.wmv", "wmv2", container="asf"),
    Kind("h263.3gp", "h263", size=(128, 96), frames=5),
    Kind("gif.gif", "gif", "rgb8"),
    Kind("dv.mxf", "mpeg2video", "yuv422p", sound="pcm_s16le"),
    Kind("bare.h264", "libx264", container="h264"),
    Kind("photo.png", "png", "rgb24", container="image2", frames=1),
    Kind("photo.jpg", "mjpeg", "yuvj420p", container="image2", frames=1),
    Kind("photo.tif", "tiff", "rgb48le", container="image2", frames=1),
    Kind("photo.webp", "libwebp", "yuv420p", container="image2", frames=1),
)


def write_seeds(folder: Path) -> list[Path]:
    """Write a sound file of every kind."""
    return [_write(kind, folder / kind.name) for kind in KINDS]


def _write(kind: Kind, path: Path) -> Path:
    options = {"update": "1"} if kind.container == "image2" else {}
    with av.open(str(path), "w", format=kind.container, options=options) as film:
        stream: Any = film.add_stream(kind.codec, rate=25, options=dict(kind.options))
        stream.width, stream.height = kind.size
        stream.pix_fmt = kind.pix_fmt
        stream.codec_context.thread_count = 1
        voice: Any = film.add_stream(kind.sound, rate=48000) if kind.sound else None
        noise = np.random.default_rng(1)
        for number in range(kind.frames):
            pixels = noise.integers(60, 180, (kind.size[1], kind.size[0], 3), dtype=np.uint8)
            pixels[:, number * 4 : number * 4 + 8] = 250
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=kind.pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
        if voice is not None:
            _speak(film, voice, noise)
    return path


def _speak(film: Any, voice: Any, noise: np.random.Generator) -> None:
    converter = av.AudioResampler(voice.codec_context.format.name, "stereo", 48000)
    for start in range(0, 19200, 960):
        samples = noise.uniform(-0.3, 0.3, (1, 1920)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="flt", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
        for converted in converter.resample(sound):
            film.mux(voice.encode(converted))
    film.mux(voice.encode(None))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes of a file, damaged in one to three ways."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if len(result) > 16:
            chance.choice(_WAYS)(result, chance)
    return bytes(result)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 10, 100))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _flip_head(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 10))):
        data[chance.randrange(min(len(data), 1000))] = chance.randrange(256)


def _flip_tail(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 10))):
        data[-1 - chance.randrange(min(len(data), 2000))] = chance.randrange(256)


def _extreme(data: bytearray, chance: random.Random) -> None:
    """Put a number where something may be counted: none, the most, a sign."""
    for _ in range(chance.choice((1, 3))):
        place = chance.randrange(len(data) - 8)
        value = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        data[place : place + 4] = value


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _cut(data: bytearray, chance: random.Random) -> None:
    place, length = _block(data, chance)
    del data[place : place + length]


def _blank(data: bytearray, chance: random.Random) -> None:
    place, length = _block(data, chance)
    data[place : place + length] = bytes([chance.choice((0, 255))]) * len(data[place : place + length])


def _noise(data: bytearray, chance: random.Random) -> None:
    place, length = _block(data, chance)
    data[place : place + length] = chance.randbytes(len(data[place : place + length]))


def _repeat(data: bytearray, chance: random.Random) -> None:
    place, length = _block(data, chance)
    data[place:place] = data[place : place + length]


def _swap(data: bytearray, chance: random.Random) -> None:
    (a, length), (b, _) = sorted((_block(data, chance), _block(data, chance)))
    length = min(length, b - a)
    first, second = bytes(data[a : a + length]), bytes(data[b : b + length])
    data[b : b + length] = first[: len(second)]
    data[a : a + len(second)] = second


def _block(data: bytearray, chance: random.Random) -> tuple[int, int]:
    return chance.randrange(len(data)), chance.choice((4, 64, 500, 3000))


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _flip_head, _flip_head, _flip_tail, _extreme, _truncate, _cut),
    *(_blank, _noise, _repeat, _swap),
)
