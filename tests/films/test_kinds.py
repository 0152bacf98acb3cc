"""Films of every kind that people have, made here: each comes through with its frames, times and tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from reel.engine.writing import holding
from reel.engine.writing.holding import can_hold, samples_of


@dataclass(frozen=True)
class Kind:
    """How a film is written, and what is different about it."""

    name: str
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    sound: tuple[str, ...] = ()
    container: str | None = None
    size: tuple[int, int] = (64, 48)
    rate: Fraction = Fraction(25)
    layout: str = "stereo"
    hertz: int = 48000
    stamps: tuple[int, ...] = tuple(range(12))
    tick: Fraction | None = None
    options: tuple[tuple[str, str], ...] = ()
    aspect: Fraction = Fraction(1)


_B = (("bf", "3"), ("g", "6"))
KINDS = (
    Kind("flash.flv", "flv1", sound=("libmp3lame",), hertz=44100),
    Kind("late frames.flv", sound=("aac",), options=_B),
    Kind("telephone.3gp", "h263", size=(176, 144), sound=("aac",), rate=Fraction(15)),
    Kind("dvd.vob", "mpeg2video", sound=("ac3",), container="vob", aspect=Fraction(16, 15)),
    Kind("video cd.mpg", "mpeg1video", sound=("mp2",), container="mpeg"),
    Kind("broadcast.ts", sound=("aac",), options=_B),
    Kind("camcorder.m2ts", sound=("ac3",), container="mpegts"),
    Kind("old.avi", "mpeg4", sound=("pcm_s16le",)),
    Kind("camera.avi", "mjpeg", "yuvj422p", sound=("pcm_u8",)),
    Kind("wmv.wmv", "wmv2", container="asf"),
    Kind("edit.mov", "prores_ks", "yuv422p10le", sound=("pcm_s24le",)),
    Kind("surround.mov", sound=("aac",), layout="5.1"),
    Kind("mono.mp4", sound=("aac",), layout="mono"),
    Kind("three languages.mkv", sound=("aac", "flac", "ac3")),
    Kind("grey.mkv", "ffv1", "gray"),
    Kind("rgb.mkv", "ffv1", "bgr0"),
    Kind("422.mp4", pix_fmt="yuv422p"),
    Kind("odd.mp4", pix_fmt="yuv444p", size=(63, 47)),
    Kind("web.webm", "libvpx-vp9", sound=("libopus",), options=(("cpu-used", "8"), ("deadline", "realtime"))),
    Kind("pal.dv", "dvvideo", size=(720, 576), sound=("pcm_s16le",), stamps=tuple(range(5))),
    Kind("broadcast.mxf", "mpeg2video", "yuv422p", sound=("pcm_s16le",)),
    Kind("moving.gif", "gif", "rgb8", rate=Fraction(10)),
    Kind("raw.y4m", "rawvideo", container="yuv4mpegpipe"),
    Kind("variable.mp4", stamps=tuple(n * 600 + n % 3 * 100 for n in range(12)), tick=Fraction(1, 15000)),
    Kind("screen.mkv", stamps=(0, 40, 1000, 1033, 1066, 5000), tick=Fraction(1, 1000), sound=("libopus",)),
    Kind("begins late.mp4", stamps=tuple(range(250, 262)), options=_B),
    Kind("picture after sound.mkv", stamps=tuple(range(5, 17)), sound=("flac",), options=_B),
    Kind("one frame.mp4", stamps=(0,)),
    Kind("anamorphic.mkv", aspect=Fraction(64, 45)),
)


def write(kind: Kind, path: Path) -> Path:
    tick = kind.tick or 1 / kind.rate
    with av.open(str(path), "w", format=kind.container) as film:
        video: Any = film.add_stream(kind.codec, rate=kind.rate, options=dict(kind.options))
        video.width, video.height = kind.size
        video.pix_fmt = kind.pix_fmt
        video.codec_context.sample_aspect_ratio = kind.aspect
        if kind.pix_fmt == "gray":
            video.codec_context.color_range = 2  # what an untagged one is, players do not agree on
        if kind.tick:
            video.codec_context.time_base = video.time_base = tick
        voices = [film.add_stream(name, rate=kind.hertz, layout=kind.layout) for name in kind.sound]
        for number, stamp in enumerate(kind.stamps):
            pixels = np.full((kind.size[1], kind.size[0], 3), 60 + 9 * (number % 20), np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=kind.pix_fmt)
            picture.pts, picture.time_base = stamp, tick
            film.mux(video.encode(picture))
        film.mux(video.encode(None))
        for voice in voices:
            speak(film, voice, kind, float((kind.stamps[-1] + 1) * tick))
    return path


def speak(film: Any, voice: Any, kind: Kind, seconds: float) -> None:
    noise = np.random.default_rng(3)
    count = len(av.AudioLayout(kind.layout).channels)
    converter = av.AudioResampler(voice.codec_context.format.name, kind.layout, kind.hertz)
    for start in range(0, int(seconds * kind.hertz), 960):
        samples = noise.uniform(-0.3, 0.3, (1, 960 * count)).astype(np.float32)
        part = av.AudioFrame.from_ndarray(samples, format="flt", layout=kind.layout)
        part.sample_rate, part.pts, part.time_base = kind.hertz, start, Fraction(1, kind.hertz)
        for converted in converter.resample(part):
            film.mux(voice.encode(converted))
    film.mux(voice.encode(None))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_film_of_any_kind_comes_through(
    kind: Kind, tmp_path: Path, reel_run, see, compared, noted: Callable[..., None]
) -> None:
    given = write(kind, tmp_path / kind.name)
    result = tmp_path / ("out" + (given.suffix if given.suffix in (".mp4", ".mov") else ".mkv"))
    outcome = reel_run(given, "-o", result, "--order")
    assert outcome.code == 0, outcome.err
    before, after = see(given), see(result)
    assert len(after.times) == len(kind.stamps)
    assert len(after.tracks) == len(kind.sound)
    assert after.size == kind.size
    assert after.aspect == before.aspect
    compared(before, after, outcome.warnings, whole=True)
    for was, came in zip(before.means, after.means, strict=True):
        np.testing.assert_allclose(came, was, atol=1.5)
    noted(kind.name, "none", after, "; ".join(outcome.warnings) or "as it was")


@pytest.mark.parametrize("name", ["edit.mov", "old.avi", "camera.avi", "surround.mov"])
def test_sound_of_any_kind_goes_into_mp4_or_is_named(name: str, tmp_path: Path, reel_run, see) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    given = write(kind, tmp_path / name)
    outcome = reel_run(given, "-o", tmp_path / "out.mp4", "--order")
    assert outcome.code == 0, outcome.err
    after = see(tmp_path / "out.mp4")
    left_out = [line for line in outcome.warnings if "audio track" in line]
    assert len(after.tracks) + len(left_out) == 1
    assert all(".mkv" in line for line in left_out)
    assert bool(left_out) == (name == "camera.avi")


def test_what_a_container_refuses_only_at_its_end_is_known_before(tmp_path: Path, monkeypatch) -> None:
    given = write(next(kind for kind in KINDS if kind.name == "old.avi"), tmp_path / "old.avi")
    with av.open(str(given)) as film:
        (voice,) = film.streams.audio
        sample = samples_of(given, [voice.index])[voice.index]
        assert can_hold("mp4", voice, sample)
        monkeypatch.setattr(
            holding, "add_copy", lambda output, stream: output.add_stream_from_template(stream)
        )
        assert can_hold("mp4", voice)
        assert not can_hold("mp4", voice, sample)  # without names for its channels


@pytest.mark.parametrize("name", ["broadcast.ts", "dvd.vob"])
@pytest.mark.parametrize("start", [None, Fraction(7, 10)])
def test_recordings_put_one_after_the_other_are_one_film(
    name: str, start: Fraction | None, tmp_path: Path, reel_run, see, caplog
) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    kind = replace(kind, stamps=tuple(range(25)))
    data = write(kind, tmp_path / name).read_bytes()
    given = tmp_path / f"three times{Path(name).suffix}"
    given.write_bytes(data * 3)
    outcome = reel_run(given, "-o", tmp_path / "out.mkv", "--order", *(["--start", "0.7"] if start else []))
    assert outcome.code == 0, outcome.err
    assert "begins anew 2 times" in outcome.err
    after = see(tmp_path / "out.mkv")
    alone = see(tmp_path / name)
    if start is not None:
        expected = sum(time >= start for time in alone.times) + 50
        assert abs(len(after.times) - expected) <= 1
        return
    assert len(after.times) == 75
    near, packets, each = Fraction(2, 1000), after.tracks[0].packets, len(alone.tracks[0].packets)
    assert len(packets) == 3 * each
    for part in range(3):
        begin = after.times[25 * part]
        for time, came in zip(alone.times, after.times[25 * part :], strict=False):
            assert abs((came - begin) - (time - alone.times[0])) <= near
        assert part == 0 or 0 < begin - after.times[25 * part - 1] <= Fraction(1, 20)
        # The sound of each part is beside its pictures.
        sound = packets[part * each + each // 2][1] + after.first
        was = alone.tracks[0].packets[each // 2][1] + alone.first
        assert abs((sound - begin) - (was - alone.times[0])) <= near
