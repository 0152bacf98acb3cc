"""Frames that move, with cuts, and runs that write them or break off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from reel.engine.job.segments import Division
from reel.engine.pixels.frame import Format, Frame
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import Sink, open_sink

WHOLE = Division(10**6, 10**6)
PARTS = Division(3, 7)
LOSSLESS = Encoding(crf=0, preset="medium")
CUTS = {5, 6, 16, 18, 30}
NTSC = Fraction(24000, 1001)


class BrokenOffError(Exception):
    """What ends a run."""


@contextmanager
def broken_off(sink: Sink) -> Iterator[Sink]:
    """A run that ends with an error."""
    with suppress(BrokenOffError), sink:
        yield sink
        raise BrokenOffError


def frames_of(count: int, times: Sequence[Fraction], *, cuts: set[int] = CUTS) -> list[Frame]:
    """Frames of a pattern that moves and changes at each cut, so that encoders make B-frames."""
    random = np.random.default_rng(11)
    made: list[Frame] = []
    scene = random.random((3, 12, 60), np.float32)
    for number in range(count):
        if number in cuts:
            scene = random.random((3, 12, 60), np.float32)
        pixels = np.kron(scene[:, :, number % 40 : number % 40 + 16], np.ones((4, 4), np.float32))
        time, after = times[number], times[number + 1]
        made.append(Frame(pixels[None].astype(np.float32), time, after - time, number, cut=number in cuts))
    return made


def even(count: int, rate: Fraction = NTSC) -> list[Fraction]:
    return [number / rate for number in range(count + 1)]


def uneven(count: int) -> list[Fraction]:
    gaps = np.random.default_rng(4).integers(1, 9000, count + 1)
    return [Fraction(int(stamp), 90000) for stamp in 632 + np.cumsum(gaps)]


def film_of(frames: Sequence[Frame], rate: Fraction | None = NTSC, depth: int = 8) -> Format:
    return Format(64, 48, rate, 1 / rate if rate else Fraction(1, 90000), depth=depth, frames=len(frames))


def write(path: Path, film: Format, frames: Sequence[Frame], division: Division, **options) -> Path:
    with open_sink(path, film, division=division, **options) as sink:
        for frame in frames:
            sink.write(frame)
    return path
