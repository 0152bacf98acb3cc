"""reel-run from end to end, on networks whose results are known: films in, films out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

NTSC = Fraction(30000, 1001)


@dataclass(frozen=True)
class Looked:
    """What is in a film."""

    size: tuple[int, int]
    rate: Fraction
    codec: str
    pix_fmt: str
    times: list[Fraction]
    pictures: list[np.ndarray]
    sound: list[tuple[Fraction, bytes]]
    metadata: dict[str, str]
    duration: Fraction


@pytest.fixture
def look() -> Callable[[Path], Looked]:
    def read(path: Path) -> Looked:
        with av.open(f"file:{path}") as film:
            video = film.streams.video[0]
            frames = list(film.decode(video))
            duration = Fraction(film.duration or 0, 1_000_000)
            metadata = dict(film.metadata)
            # While the film is open: a closed one answers with whatever lies in its memory.
            size, rate = (video.width, video.height), video.average_rate
            codec, pix_fmt = video.codec_context.name, video.codec_context.pix_fmt
        with av.open(f"file:{path}") as film:
            packets = film.demux(film.streams.audio[0]) if film.streams.audio else ()
            return Looked(
                size=size,
                rate=rate,
                codec=codec,
                pix_fmt=pix_fmt,
                times=[frame.pts * frame.time_base for frame in frames],
                pictures=[frame.to_ndarray(format="rgb24") for frame in frames],
                sound=[(p.pts * p.time_base, bytes(p)) for p in packets if p.size],
                metadata=metadata,
                duration=duration,
            )

    return read


@pytest.fixture
def film(make_film, pictures) -> Path:
    return make_film("film.mp4", pictures(8), rate=NTSC, sound=0.27)


def test_all_three_networks_double_the_rate_enlarge_colour_and_keep_the_sound(
    reel_run, look, film, tmp_path
) -> None:
    outcome = reel_run(film, "--order", "dain", "deoldify", "edvr-m", "--render-factor", "2")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{tmp_path / 'film.restored.mp4'}\n"
    assert "64x48, 29.97 fps -> dain -> deoldify -> edvr-m -> 256x192, 59.94 fps" in outcome.err
    before, after = look(film), look(tmp_path / "film.restored.mp4")
    assert after.size == (256, 192)
    assert after.rate == Fraction(60000, 1001)
    assert after.times == [Fraction(n * 1001, 60000) for n in range(16)]
    assert after.sound == before.sound
    assert len(after.sound) > 10
    assert abs(after.duration - before.duration) < Fraction(1, 1000)
    red, _, blue = after.pictures[0].astype(int).mean((0, 1))
    assert red > blue + 40


@pytest.mark.parametrize(
    ("options", "step", "count"),
    [
        (["--times", "3"], 1 / NTSC / 3, 24),
        (["--times", "1"], 1 / NTSC, 8),
        (["--time-step", "0.4"], 1 / NTSC * Fraction(2, 5), 20),
        (["--time-step", "0.5"], 1 / NTSC / 2, 16),
        (["--time-step", "0.33"], 1 / NTSC / 3, 24),
        (["--fps", "50"], Fraction(1, 50), 14),
        (["--fps", "59.94"], Fraction(1001, 60000), 16),
        (["--fps", "12"], Fraction(1, 12), 4),
    ],
)
def test_the_frames_asked_for_come_at_exact_times(
    reel_run, look, make_film, pictures, tmp_path, options, step, count
) -> None:
    film = make_film("film.mp4", pictures(8), rate=NTSC)
    assert reel_run(film, "-o", tmp_path / "out.mkv", "--order", "dain", *options).code == 0
    after = look(tmp_path / "out.mkv")
    # Matroska keeps milliseconds
    assert [round(time * 1000) for time in after.times] == [round(n * step * 1000) for n in range(count)]
    assert reel_run(film, "-o", tmp_path / "out.mp4", "--order", "dain", *options).code == 0
    assert look(tmp_path / "out.mp4").times == [n * step for n in range(count)]


@pytest.mark.parametrize(("start", "end"), [("0.1", "0.2"), ("0:00.1", "0:00:00.2"), ("1/10", "1/5")])
def test_a_part_of_a_film_can_be_named_in_seconds_or_by_the_clock(
    reel_run, look, film, tmp_path, start: str, end: str
) -> None:
    output = tmp_path / "part.mp4"
    assert reel_run(film, "-o", output, "--order", "--start", start, "--end", end).code == 0
    before, after = look(film), look(output)
    inside = [n for n, time in enumerate(before.times) if Fraction("0.1") <= time < Fraction("0.2")]
    assert after.times == [before.times[n] - Fraction("0.1") for n in inside]
    for n, picture in zip(inside, after.pictures, strict=True):
        assert np.abs(before.pictures[n].astype(int) - picture).mean() < 6
    assert {data for _, data in after.sound} < {data for _, data in before.sound}


@pytest.mark.parametrize(
    "order",
    [
        [],
        ["dain"],
        ["edvr-m"],
        ["edvr", "dain"],
        ["edvr-m", "deoldify", "dain"],
        ["deoldify", "dain", "edvr"],
        ["DAIN", "DeOldify", "EDVR"],
        ["edvr-m", "edvr-m"],
    ],
)
def test_networks_run_in_any_order_and_any_subset(reel_run, look, film, tmp_path, order: list[str]) -> None:
    options = ("--render-factor", "2", "--end", "0.1", "--crf", "40", "--preset", "ultrafast")
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", *options, "--order", *order)
    assert outcome.code == 0, outcome.err
    chain = " -> ".join(name.lower() for name in order) or "no network"
    assert f" -> {chain} -> " in outcome.err
    after = look(tmp_path / "out.mp4")
    scale = 4 ** sum(name.lower().startswith("edvr") for name in order)
    assert after.size == (64 * scale, 48 * scale)
    assert len(after.times) == 3 * (2 if "dain" in map(str.lower, order) else 1)


def test_the_order_may_stand_before_the_input(reel_run, film, tmp_path) -> None:
    for words in (
        ["--order", "dain", film],
        ["--order", film],
        ["--order", "dain", "--crf", "30", film],
        ["--order", "dain", "--", film],
        ["-y", "--order", "dain", "-o", tmp_path / "film.restored.mp4", film],
    ):
        outcome = reel_run("--dry-run", *words)
        assert outcome.code == 0, (words, outcome.err)
        assert outcome.err.startswith(f"{film}: 64x48")


def test_paddlegans_own_command_line_is_understood(reel_run, look, film, tmp_path) -> None:
    for spelling in ("--process_order", "--proccess_order"):
        words = ["--input", film, "--output", tmp_path / spelling, spelling, "DAIN", "DeOldify", "EDVR"]
        more = ["--time_step", "0.5", "--render_factor", "10", "--remove_duplicates", "True", "--cpu"]
        outcome = reel_run(*words, *more)
        assert outcome.code == 0, outcome.err
        output = tmp_path / spelling / "film.restored.mp4"
        assert outcome.out == f"{output}\n"
        assert look(output).size == (256, 192)
        assert look(output).rate == Fraction(60000, 1001)


def test_repeated_frames_are_interpolated_over_when_asked(reel_run, look, make_film, tmp_path) -> None:
    slope = [np.full((48, 64, 3), level, np.uint8) for level in (60, 60, 100, 100, 140, 140)]
    film = make_film("doubled.mp4", slope)
    levels = {}
    for words in (
        (),
        ("--remove-duplicates",),
        ("--remove_duplicates", "True"),
        ("--remove_duplicates", "False"),
    ):
        output = tmp_path / f"out{len(levels)}.mkv"
        options = ("--codec", "ffv1", "--pix-fmt", "bgr0", "--cuts", "off")
        assert reel_run(film, "-o", output, "--order", "dain", "--times", "1", *options, *words).code == 0
        levels[words] = [round(float(picture.mean()) / 10) * 10 for picture in look(output).pictures]
    assert levels[()] == levels["--remove_duplicates", "False"] == [60, 60, 100, 100, 140, 140]
    assert levels["--remove-duplicates",] == [60, 80, 100, 120, 140, 140]
    assert levels["--remove_duplicates", "True"] == levels["--remove-duplicates",]


def test_artistic_takes_the_other_colouriser(reel_run, film) -> None:
    outcome = reel_run(film, "--order", "dain", "deoldify", "--artistic", "--dry-run")
    assert "dain -> deoldify-artistic -> 64x48" in outcome.err


def test_nothing_is_blended_across_a_cut(reel_run, look, make_film, pictures, tmp_path) -> None:
    shots = pictures(6, low=20, high=90, seed=1) + pictures(6, low=170, high=240, seed=2)
    film = make_film("cut.mp4", shots)
    means = {}
    for cuts in ("auto", "off"):
        output = tmp_path / f"{cuts}.mkv"
        options = ("--codec", "ffv1", "--pix-fmt", "bgr0", "--cuts", cuts)
        assert reel_run(film, "-o", output, "--order", "dain", "edvr-m", *options).code == 0
        means[cuts] = np.array([picture.mean() for picture in look(output).pictures])
    assert len(means["auto"]) == 24
    assert (means["auto"][:12] < 90).all()
    assert (means["auto"][12:] > 170).all()
    assert ((means["off"] > 90) & (means["off"] < 170)).any()  # so the networks would have blended


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_the_shortest_films_pass_through_every_network(
    reel_run, look, make_film, pictures, tmp_path, count: int
) -> None:
    film = make_film("short.mp4", pictures(count))
    order = ("--order", "dain", "deoldify", "edvr-m", "--render-factor", "2")
    for cuts in ("auto", "off"):
        assert reel_run(film, "-y", "-o", tmp_path / "out.mp4", *order, "--cuts", cuts).code == 0
        after = look(tmp_path / "out.mp4")
        assert after.times == [Fraction(n, 50) for n in range(2 * count)]
        assert after.size == (256, 192)
    assert reel_run(film, "-y", "-o", tmp_path / "out.mp4", *order, "--parity", "ppgan").code == 0
    assert len(look(tmp_path / "out.mp4").times) == 2 * count - 1


def test_a_dry_run_writes_nothing_and_prints_no_path(reel_run, film, untouched) -> None:
    outcome = reel_run(film, "-o", untouched / "sub/out.mp4", "--dry-run")
    assert outcome.code == 0
    assert outcome.out == ""
    assert "deoldify -> dain -> edvr -> 256x192, 59.94 fps" in outcome.err


@pytest.mark.parametrize(
    ("name", "options", "codec", "pix_fmt"),
    [
        ("out.mp4", [], "h264", "yuv444p"),  # as the film is
        ("out.mp4", ["--pix-fmt", "yuv420p"], "h264", "yuv420p"),
        ("out.mkv", ["--codec", "ffv1"], "ffv1", "yuv444p"),
        ("out.mkv", ["--codec", "ffv1", "--pix-fmt", "bgr0"], "ffv1", "bgr0"),
        ("out.mp4", ["--codec", "libx265", "--crf", "30", "--preset", "ultrafast"], "hevc", "yuv444p"),
        (
            "out.mkv",
            ["--codec", "libx265", "--preset", "ultrafast", "--pix-fmt", "yuv420p10le"],
            "hevc",
            "yuv420p10le",
        ),
        ("out.webm", ["--crf", "40"], "vp9", "yuv444p"),
        ("out.mov", ["--codec", "prores", "--pix-fmt", "yuv422p10le"], "prores", "yuv422p10le"),
    ],
)
def test_codec_and_pixel_format_are_as_asked(
    reel_run, look, film, tmp_path, name, options, codec, pix_fmt
) -> None:
    outcome = reel_run(film, "-o", tmp_path / name, "--order", *options)
    assert outcome.code == 0, outcome.err
    after = look(tmp_path / name)
    assert (after.codec, after.pix_fmt) == (codec, pix_fmt)
    assert len(after.times) == 8


def test_crf_and_preset_reach_the_encoder(reel_run, film, tmp_path) -> None:
    size = {}
    for options in (("--crf", "5"), ("--crf", "45"), ("--crf", "5", "--preset", "ultrafast")):
        output = tmp_path / "out.mp4"
        assert reel_run(film, "-y", "-o", output, "--order", *options).code == 0
        size[options] = output.stat().st_size
    assert size["--crf", "45"] < size["--crf", "5"]
    assert size["--crf", "5"] != size["--crf", "5", "--preset", "ultrafast"]


def test_a_rehearsal_is_said_on_the_terminal_and_in_the_file(
    reel_run, look, film, tmp_path, rehearsal_store
) -> None:
    words = (film, "-o", tmp_path / "out.mp4", "--order", "dain", "edvr-m")
    outcome = reel_run(*words, store=rehearsal_store)
    assert outcome.code == 0
    assert "REHEARSAL: dain, edvr-m run on random weights" in outcome.err
    comment = "reel rehearsal: dain, edvr-m ran on random weights"
    assert look(tmp_path / "out.mp4").metadata["comment"] == comment
    assert reel_run("-y", *words).code == 0
    assert "comment" not in look(tmp_path / "out.mp4").metadata
