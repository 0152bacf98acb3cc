"""Sound stays with its picture: clicks and flashes at one time before are at one time after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

HERTZ = 48000
SAMPLE = Fraction(1, HERTZ)
WIDTH, HEIGHT = 32, 16


def write(
    path: Path,
    times: Sequence[Fraction],
    flashes: Sequence[int],
    *,
    tick: Fraction,
    sound: str = "pcm_s16le",
    delay: Fraction = Fraction(0),
    options: dict[str, str] | None = None,
) -> Path:
    """Write a film of dark frames at these times, some of which flash while the sound clicks.

    The sound begins ``delay`` seconds after zero, before it where that is negative.
    """
    length = times[-1] + Fraction(1, 5) - delay
    samples = np.zeros(int(length * HERTZ), np.int16)
    for place in flashes:
        samples[int((times[place] - delay) * HERTZ)] = 30000
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options=options or {"bf": "2", "g": "10", "qp": "4"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = video.time_base = tick
        voice = film.add_stream(sound, rate=HERTZ, layout="mono")
        for place, time in enumerate(times):
            picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane, value in zip(picture.planes, (220 if place in flashes else 40, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            picture.pts, picture.time_base = int(time / tick), tick
            film.mux(video.encode(picture))
        film.mux(video.encode(None))
        for start in range(0, len(samples), 960):
            part = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
            part.sample_rate, part.pts, part.time_base = HERTZ, int(delay * HERTZ) + start, SAMPLE
            film.mux(voice.encode(part))
        film.mux(voice.encode(None))
    return path


def flashes_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as film:
        return [
            frame.pts * frame.time_base
            for frame in film.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 170
        ]


def clicks_of(path: Path) -> list[Fraction]:
    found: list[Fraction] = []
    with av.open(str(path)) as film:
        for part in film.decode(audio=0):
            (loud,) = np.nonzero(np.abs(part.to_ndarray().astype(np.float64)).ravel() > 10000)
            found += [part.pts * part.time_base + int(place) * SAMPLE for place in loud]
    return found


RATE = Fraction(25)
EVEN = [number / RATE for number in range(60)]
NTSC = [number * Fraction(1001, 30000) for number in range(60)]
UNEVEN = [Fraction(n * 40 + (n * 7) % 5 * 6, 1000) for n in range(60)]
LATE = [time + Fraction(28, 100) for time in EVEN]
FAR = [time + 12 for time in EVEN]
FLASHES = (0, 31, 58)

Case = tuple[str, list[Fraction], Fraction, Fraction]
CASES: dict[str, Case] = {
    "constant": ("film.mov", EVEN, 1 / RATE, Fraction(0)),
    "29.97": ("film.mov", NTSC, Fraction(1001, 30000), Fraction(0)),
    "variable": ("film.mov", UNEVEN, Fraction(1, 1000), Fraction(0)),
    "late picture": ("film.mov", LATE, Fraction(1, 100), Fraction(0)),
    "late sound": ("film.mov", EVEN, 1 / RATE, Fraction(13, 1000)),
    "sound before zero": ("film.mov", EVEN, 1 / RATE, Fraction(-1, 10)),
    "start at twelve seconds": ("film.mov", FAR, 1 / RATE, Fraction(12)),
    "Matroska": ("film.mkv", NTSC, Fraction(1001, 30000), Fraction(0)),
    "transport stream": ("film.ts", EVEN, 1 / RATE, Fraction(0)),
}


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], Path]:
    def make(case: str) -> Path:
        name, times, tick, delay = CASES[case]
        flashes = FLASHES if delay <= 0 or times[0] >= delay else (1, *FLASHES[1:])
        sound = "mp2" if name.endswith(".ts") else "pcm_s16le"
        return write(tmp_path / name, times, flashes, tick=tick, delay=delay, sound=sound)

    return make


@pytest.mark.parametrize("how", [(), ("--start", "0.42", "--end", "2"), ("dain",), ("dain", "--fps", "60")])
@pytest.mark.parametrize("case", [name for name in CASES if name != "transport stream"])
def test_clicks_stay_with_their_flashes(given, reel_run, tmp_path: Path, case: str, how) -> None:
    path = given(case)
    exact = path.suffix == ".mov"
    result = tmp_path / f"result{'.mov' if exact else '.mkv'}"
    outcome = reel_run(path, "-o", result, "--order", *how)
    assert outcome.code == 0, outcome.err
    cut = "--start" in how
    flashed, clicked = flashes_of(path), clicks_of(path)
    kept = [place for place, time in enumerate(flashed) if not cut or 0.42 <= time - flashed[0] < 2]
    before = [clicked[place] - flashed[place] for place in kept]
    after_flashes, after_clicks = flashes_of(result), clicks_of(result)
    assert len(after_clicks) == len(kept)
    if "--fps" in how:  # on another grid a flash has a frame near it, or two
        near = Fraction(1, 60) + SAMPLE
        for click, was in zip(after_clicks, before, strict=True):
            assert min(abs(click - was - flash) for flash in after_flashes) <= near
        return
    # MP4 keeps a late start in ticks of 1/90000 s, Matroska all times in milliseconds.
    near = SAMPLE + Fraction(1, 90000) if exact else Fraction(1, 1000)
    assert len(after_flashes) == len(kept)
    after = [click - flash for click, flash in zip(after_clicks, after_flashes, strict=True)]
    for was, came in zip(before, after, strict=True):
        assert abs(came - was) <= near
    steps = [b - a for a, b in zip([flashed[place] for place in kept], after_flashes, strict=True)]
    assert max(steps) - min(steps) <= (0 if exact else Fraction(1, 1000))


@pytest.mark.parametrize("how", [(), ("dain",)])
def test_packets_of_a_transport_stream_stay_with_their_flashes(given, reel_run, tmp_path, how) -> None:
    path, result = given("transport stream"), tmp_path / "result.mkv"
    assert reel_run(path, "-o", result, "--order", *how).code == 0
    before, after = sound_of(path), sound_of(result)  # no codec that it takes keeps a click to the sample
    assert [data for data, _ in after] == [data for data, _ in before]
    moved = [b - a for a, b in zip(flashes_of(path), flashes_of(result), strict=True)]
    moved += [b - a for (_, a), (_, b) in zip(before, after, strict=True)]
    assert max(moved) - min(moved) <= Fraction(1, 1000)


def sound_of(path: Path) -> list[tuple[bytes, Fraction]]:
    with av.open(str(path)) as film:
        return [(bytes(p), p.pts * p.time_base) for p in film.demux(audio=0) if p.size]
