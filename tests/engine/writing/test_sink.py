"""Films written: the identity, times, colour tags, choices and errors."""

import errno
import logging
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.pixels.frame import Colour, Format, Frame
from reel.engine.reading.source import open_source
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import open_sink
from reel.errors import OutputError

LOSSLESS = Encoding(crf=0, preset="ultrafast")
FAST = Encoding(crf=35, preset="ultrafast")
GREY = Format(32, 16, Fraction(24), Fraction(1, 24))


def grey_frames(
    count: int, step: Fraction = Fraction(1, 24), *, height: int = 16, width: int = 32
) -> list[Frame]:
    return [
        Frame(np.full((1, 3, height, width), 0.5, np.float32), number * step, step) for number in range(count)
    ]


def write(path: Path | str, film: Format, frames: Iterable[Frame], **options) -> Path:
    options.setdefault("encoding", FAST)
    with open_sink(path, film, **options) as sink:
        for frame in frames:
            sink.write(frame)
    return Path(path)


def copy(source: Path, target: Path, *, count: int | None = None, **options) -> list[Frame]:
    with open_source(source) as given:
        frames = list(islice(given.frames(), count))
        write(target, given.format, frames, **options)
    return frames


def times_of(path: Path) -> list[tuple[Fraction, Fraction]]:
    with open_source(path) as source:
        return [(frame.time, frame.duration) for frame in source.frames()]


@pytest.mark.parametrize(
    ("pix_fmt", "chroma", "bits", "codec"),
    [
        ("yuv420p", (2, 2), 8, None),
        ("yuv422p", (1, 2), 8, "libx264"),
        ("yuv444p", (1, 1), 8, "libx264"),
        ("gray", None, 8, "libx264"),
        ("yuv420p10le", (2, 2), 10, "ffv1"),
        ("yuv444p12le", (1, 1), 12, "ffv1"),
    ],
)
@pytest.mark.parametrize("matrix", [2, 1])
def test_a_film_that_passes_unchanged_comes_back_bit_for_bit(
    make_film, drifting, planes_of, tmp_path: Path, pix_fmt, chroma, bits, codec, matrix
) -> None:
    frames = drifting(4, chroma=chroma or (1, 1), bits=bits)
    if chroma is None:
        frames = [planes[:1] for planes in frames]
    options = {"codec": "ffv1", "options": {}} if codec == "ffv1" else {}
    given = make_film("given.mkv", frames, pix_fmt=pix_fmt, matrix=matrix, **options)
    lossless = Encoding(codec=codec, pix_fmt=pix_fmt) if codec == "ffv1" else LOSSLESS
    if codec == "libx264":
        lossless = Encoding(codec=codec, pix_fmt=pix_fmt, crf=0, preset="ultrafast")
    copy(given, tmp_path / "result.mkv", encoding=lossless)
    for original, result in zip(planes_of(given), planes_of(tmp_path / "result.mkv"), strict=True):
        for plane, back in zip(original, result, strict=True):
            np.testing.assert_array_equal(plane, back)


def test_a_real_film_comes_back_within_one_level_where_its_colours_lie_in_rgb(
    clips: Path, planes_of, tmp_path: Path
) -> None:
    given = clips / "moviepy_chaplin.mp4"
    copy(given, tmp_path / "result.mkv", count=3, encoding=LOSSLESS)
    for original, result in zip(planes_of(given), planes_of(tmp_path / "result.mkv"), strict=False):
        luma = np.abs(original[0].astype(int) - result[0])[(original[0] >= 16) & (original[0] <= 235)]
        assert luma.max() <= 1
        for plane, back in zip(original[1:], result[1:], strict=True):
            assert np.mean(np.abs(plane.astype(int) - back) <= 1) > 0.999


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm", ".avi"])
@pytest.mark.parametrize("rate", [Fraction(60000, 1001), Fraction(18), Fraction(24000, 1001)])
def test_rate_count_and_length_come_back_exactly(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    encoding = Encoding(crf=50) if suffix == ".webm" else FAST
    frames = grey_frames(25, 1 / rate)
    path = write(tmp_path / f"a{suffix}", Format(32, 16, rate, 1 / rate), frames, encoding=encoding)
    assert times_of(path) == [(frame.time, frame.duration) for frame in frames]
    with av.open(str(path)) as container:
        assert abs(container.streams.video[0].average_rate / rate - 1) < 1e-5
        if suffix in (".mp4", ".mov"):
            assert container.streams.video[0].average_rate == rate
            assert container.streams.video[0].duration * container.streams.video[0].time_base == 25 / rate


def test_avi_keeps_the_order_of_its_frames(make_film, drifting, planes_of, tmp_path: Path) -> None:
    given = make_film("given.mp4", drifting(12))
    copy(given, tmp_path / "a.avi", encoding=Encoding(crf=0))
    for original, result in zip(planes_of(given), planes_of(tmp_path / "a.avi"), strict=True):
        np.testing.assert_array_equal(original[0], result[0])
    assert [time for time, _ in times_of(tmp_path / "a.avi")] == [Fraction(n, 25) for n in range(12)]


def test_a_doubled_rate_reads_back_as_twice_the_rate(make_film, drifting, tmp_path: Path) -> None:
    given = make_film("given.mp4", drifting(10), rate=Fraction(30000, 1001))
    step = Fraction(1001, 60000)
    with open_source(given) as source:
        film = source.format
        doubled = [
            Frame(frame.pixels, frame.time + half * step, step)
            for frame in source.frames()
            for half in (0, 1)
        ]
    path = write(tmp_path / "a.mp4", Format(64, 48, film.rate * 2, film.time_base / 2), doubled)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(60000, 1001)
        assert stream.duration * stream.time_base == 20 * step


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_variable_times_and_a_late_beginning_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    places = [632, 29281, 32281, 32282, 90001, 95000]
    frames = [
        Frame(frame.pixels, Fraction(place, 90000), Fraction(after - place, 90000))
        for frame, place, after in zip(grey_frames(5), places, places[1:], strict=False)
    ]
    path = write(tmp_path / f"a{suffix}", Format(32, 16, None, Fraction(1, 90000)), frames)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stamps = [frame.pts * stream.time_base for frame in container.decode(stream)]
        assert stamps == [frame.time for frame in frames]
        assert stream.duration * stream.time_base == Fraction(95000 - 632, 90000)


@pytest.mark.parametrize("matrix", [2, 1, 9])
def test_the_tags_say_what_was_encoded(tmp_path: Path, matrix: int) -> None:
    film = Format(
        32,
        16,
        Fraction(24),
        Fraction(1, 24),
        pixel_aspect=Fraction(16, 15),
        colour=Colour(matrix, 9, 16, True),
    )
    path = write(tmp_path / "a.mp4", film, grey_frames(2))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (6 if matrix == 2 else matrix, 2)
        assert (context.color_primaries, context.color_trc) == (9, 16)
        assert context.sample_aspect_ratio == Fraction(16, 15)
        assert context.pix_fmt == "yuvj420p"  # libav's name for yuv420p of full range


def test_a_large_film_that_names_no_matrix_is_written_as_bt709(tmp_path: Path) -> None:
    film = Format(1280, 64, Fraction(24), Fraction(1, 24))
    path = write(tmp_path / "a.mp4", film, grey_frames(1, height=64, width=1280))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1


@pytest.mark.parametrize(
    ("name", "depth", "codec", "pix_fmt"),
    [
        ("a.mp4", 8, "h264", "yuv420p"),
        ("a.webm", 8, "vp9", "yuv420p"),
        ("a.mkv", 10, "hevc", "yuv420p10le"),
        ("a.avi", 8, "h264", "yuv420p"),
    ],
)
def test_the_container_decides_the_codec(tmp_path: Path, name, depth, codec, pix_fmt) -> None:
    film = Format(32, 16, Fraction(24), Fraction(1, 24), depth=depth)
    path = write(tmp_path / name, film, grey_frames(2), encoding=Encoding())
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == (codec, pix_fmt)


def test_an_odd_size_is_kept_and_said(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        path = write(
            tmp_path / "a.mp4",
            Format(33, 17, Fraction(24), Fraction(1, 24)),
            grey_frames(2, height=17, width=33),
        )
    assert "yuv444p" in caplog.text
    with open_source(path) as source:
        assert (source.format.width, source.format.height) == (33, 17)


def test_the_note_is_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", GREY, grey_frames(2), note="rehearsal weights")
    with av.open(str(path)) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}[
            "comment"
        ] == "rehearsal weights"


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "new" / "er" / "a.mp4", GREY, grey_frames(2))
    assert [file.name for file in (tmp_path / "new" / "er").iterdir()] == ["a.mp4"]


def test_what_a_killed_run_left_of_its_look_at_the_place_goes(tmp_path: Path) -> None:
    (tmp_path / ".a.reel-trial").touch()
    write(tmp_path / "a.mp4", GREY, grey_frames(2))
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_sink_touches_nothing_until_it_is_entered(tmp_path: Path) -> None:
    open_sink(tmp_path / "none" / "a.mp4", GREY)
    assert list(tmp_path.iterdir()) == []


def failing(frames: list[Frame]) -> Iterable[Frame]:
    yield from frames
    raise KeyError("midway")


@pytest.mark.parametrize("count", [0, 3])
def test_an_error_midway_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, count: int) -> None:
    with pytest.raises(KeyError):
        write(tmp_path / "a.mp4", GREY, failing(grey_frames(count)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.mp4").write_text("earlier")
    with pytest.raises(KeyError):
        write(tmp_path / "a.mp4", GREY, failing(grey_frames(count)), overwrite=True)
    assert (tmp_path / "a.mp4").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_output_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("earlier")
    with pytest.raises(OutputError, match="there already") as caught:
        write(tmp_path / "a.mp4", GREY, grey_frames(2))
    assert "--overwrite" in caught.value.remedy
    write(tmp_path / "a.mp4", GREY, grey_frames(2), overwrite=True)
    assert len(times_of(tmp_path / "a.mp4")) == 2


def test_the_film_that_is_read_is_never_the_output(make_film, drifting) -> None:
    path = make_film("film.mp4", drifting(2))
    with pytest.raises(OutputError, match="that is read"):
        open_sink(path, GREY, tracks_of=path, overwrite=True)


@pytest.mark.parametrize(
    ("name", "encoding", "words", "remedy"),
    [
        ("a.foo", FAST, "No film can be written", ".mkv"),
        ("a", FAST, "No film can be written", ".mkv"),
        ("a.mp4", Encoding(codec="libx26"), "no encoder libx26", "libx264"),
        ("a.mp4", Encoding(codec="aac"), "audio", "libx264"),
        ("a.webm", Encoding(codec="libx264"), "cannot hold libx264", "--codec"),
        ("a.mp4", Encoding(pix_fmt="rgb24"), "does not take", "yuv420p"),
        ("a.mkv", Encoding(codec="ffv1", crf=3), "has no crf", "--crf"),
        ("a.webm", Encoding(preset="slow"), "has no preset", "--preset"),
        ("a.mp4", Encoding(preset="swift"), "could not be written", "--codec"),
    ],
)
def test_what_cannot_be_encoded_is_refused_with_a_remedy(
    tmp_path: Path, name, encoding, words, remedy
) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        write(tmp_path / name, GREY, grey_frames(2), encoding=encoding)
    assert remedy in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written to"):
        write(tmp_path / "file" / "a.mp4", GREY, grey_frames(2))


def test_a_full_disk_is_called_that_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(self: object, picture: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    from reel.engine.writing import film_segment

    monkeypatch.setattr(film_segment.FilmSegment, "_keep", full)
    with pytest.raises(OutputError, match="disk is full"):
        write(tmp_path / "a.mp4", GREY, grey_frames(2))
    assert list(tmp_path.iterdir()) == []


def test_no_frame_at_all_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No frame"):
        write(tmp_path / "a.mp4", GREY, [])
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_or_out_of_order_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32x16"):
        write(tmp_path / "a.mp4", GREY, grey_frames(1, width=34))
    with pytest.raises(ValueError, match="comes after"):
        write(tmp_path / "a.mp4", GREY, reversed(grey_frames(2)))


def test_avi_refuses_a_variable_rate(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="variable"):
        write(tmp_path / "a.avi", Format(32, 16, None, Fraction(1, 90000)), grey_frames(2))
