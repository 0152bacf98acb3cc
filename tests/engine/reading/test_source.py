"""Films read: pixels, times, ranges, turns and errors."""

import logging
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reel.engine.pixels.frame import Frame
from reel.engine.reading.film import Film
from reel.engine.reading.packets import origin_of
from reel.engine.reading.source import open_source
from reel.errors import InputError


def frames_of(path: Path, **options) -> list[Frame]:
    with open_source(path, **options) as source:
        return list(source.frames())


def test_a_source_touches_nothing_until_it_is_entered(tmp_path: Path) -> None:
    open_source(tmp_path / "none.mp4")
    open_source(tmp_path / "%06d.png")


def test_frames_have_exact_times_and_the_format_tells_them_before(make_film, drifting) -> None:
    rate = Fraction(30000, 1001)
    path = make_film("film.mp4", drifting(7), rate=rate)
    with open_source(path) as source:
        film = source.format
        frames = list(source.frames())
        assert list(source.frames()) == []
    assert [frame.time for frame in frames] == [number / rate for number in range(7)]
    assert {frame.duration for frame in frames} == {1 / rate}
    assert (film.width, film.height, film.rate, film.frames) == (64, 48, rate, 7)
    assert film.depth == 8
    assert not film.still
    assert film.time_base == 1 / rate
    assert frames[0].pixels.shape == (1, 3, 48, 64)
    assert frames[0].pixels.dtype == np.float32


def test_a_film_whose_container_rounds_to_milliseconds_has_exact_times_again(make_film, drifting) -> None:
    rate = Fraction(24000, 1001)
    path = make_film("film.mkv", drifting(30), rate=rate)
    assert [frame.time for frame in frames_of(path)] == [number / rate for number in range(30)]


def test_frames_of_variable_duration_keep_it(make_film, drifting) -> None:
    stamps = [0, 700, 1000, 5000, 5313]
    path = make_film("film.mp4", drifting(5), stamps=stamps, time_base=Fraction(1, 10000))
    with open_source(path) as source:
        assert source.format.rate is None
        frames = list(source.frames())
    assert [frame.time for frame in frames] == [Fraction(stamp, 10000) for stamp in stamps]
    assert [frame.duration for frame in frames[:4]] == [Fraction(n, 10000) for n in (700, 300, 4000, 313)]


@pytest.mark.parametrize("container", ["film.mp4", "film.mkv", "film.ts"])
def test_every_range_gives_the_frames_of_the_whole_film_within_it(
    make_film, drifting, container: str
) -> None:
    options = {"qp": "0", "g": "7", "bf": "3", "x264-params": "b-pyramid=normal:open-gop=1:scenecut=0"}
    path = make_film(container, drifting(24), options=options, rate=Fraction(25))
    whole = frames_of(path)
    assert len(whole) == 24
    for start in range(24):
        begin = whole[start].time
        part = frames_of(path, start=begin, end=min(begin + Fraction(1, 10), Fraction(24, 25)))
        expected = whole[start : start + 3]
        assert [frame.time for frame in part] == [frame.time - begin for frame in expected]
        for frame, original in zip(part, expected, strict=True):
            np.testing.assert_array_equal(frame.pixels, original.pixels)


def test_an_avi_whose_frames_are_coded_out_of_order_loses_none(make_film, drifting) -> None:
    options = {"qp": "0", "x264-params": "b-adapt=0:bframes=2:keyint=6"}
    frames = drifting(20)
    path = make_film("film.avi", frames, options=options, rate=Fraction(24))
    given = make_film("film.mp4", frames, options=options, rate=Fraction(24))
    for start in (None, Fraction(5, 24)):
        read, expected = frames_of(path, start=start), frames_of(given, start=start)
        assert [frame.time for frame in read] == [frame.time for frame in expected]
        for frame, original in zip(read, expected, strict=True):
            np.testing.assert_array_equal(frame.pixels, original.pixels)


def test_a_seek_that_leads_elsewhere_is_noticed(make_film, drifting) -> None:
    path = make_film("film.mp4", drifting(24), options={"qp": "0", "g": "6", "bf": "0"})
    with Film(path) as film:
        for key in film._scan.keys:
            assert film._decoding.packets_from(key) is not None
            assert film._decoding.packets_from(replace(key, shown=key.shown + 1)) is None


def test_a_range_that_begins_between_frames_keeps_the_wait(make_film, drifting) -> None:
    path = make_film("film.mp4", drifting(10), rate=Fraction(10))
    part = frames_of(path, start=Fraction(1, 4), end=Fraction(1, 2))
    assert [frame.time for frame in part] == [Fraction(1, 20), Fraction(3, 20)]


def test_a_film_turned_by_its_container_comes_upright(make_film, drifting) -> None:
    frames = drifting(2, chroma=(1, 1))
    plain = frames_of(make_film("plain.mp4", frames, pix_fmt="yuv444p"))[0].pixels
    turns = {
        (90, False, False): np.rot90(plain, 1, (2, 3)),
        (180, False, False): np.rot90(plain, 2, (2, 3)),
        (-90, False, False): np.rot90(plain, -1, (2, 3)),
        (0, True, False): plain[..., ::-1],
        (0, False, True): plain[..., ::-1, :],
    }
    for turn, expected in turns.items():
        path = make_film("turned.mp4", frames, pix_fmt="yuv444p", turn=turn, aspect=Fraction(4, 3))
        with open_source(path) as source:
            frame = next(source.frames())
            film = source.format
        np.testing.assert_array_equal(frame.pixels, expected)
        assert (film.height, film.width) == expected.shape[2:]
        assert film.pixel_aspect == (Fraction(3, 4) if abs(turn[0]) == 90 else Fraction(4, 3))


def test_the_matrix_and_range_of_the_film_are_respected(make_film) -> None:
    planes = [
        np.full((32, 32), 120, np.uint8),
        np.full((16, 16), 140, np.uint8),
        np.full((16, 16), 100, np.uint8),
    ]
    seen = {}
    for matrix, full in ((1, False), (6, False), (6, True), (2, False)):
        path = make_film("film.mp4", [planes], matrix=matrix, full_range=full)
        seen[matrix, full] = frames_of(path)[0].pixels[0, :, 0, 0]
    luma, pb, pr = 104 / 219, 12 / 224, -28 / 224
    np.testing.assert_allclose(seen[1, False][[0, 2]], [luma + 1.5748 * pr, luma + 1.8556 * pb], atol=1e-5)
    np.testing.assert_allclose(seen[6, False][[0, 2]], [luma + 1.402 * pr, luma + 1.772 * pb], atol=1e-5)
    np.testing.assert_allclose(seen[6, True][0], 120 / 255 + 1.402 * -28 / 255, atol=1e-5)
    np.testing.assert_array_equal(seen[2, False], seen[6, False])


def test_ten_bits_are_kept(make_film, drifting) -> None:
    frames = drifting(2, bits=10, chroma=(1, 1))
    path = make_film("film.mkv", frames, pix_fmt="yuv444p10le", codec="ffv1", options={})
    with open_source(path) as source:
        assert source.format.depth == 10
        pixels = next(source.frames()).pixels
    assert len(np.unique(pixels[0, 1])) > 256


def test_damaged_packets_are_left_out_with_one_warning(clips: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        frames = frames_of(clips / "decord_corrupted.mp4")
    assert len(frames) == 49
    assert sum("damaged" in record.message for record in caplog.records) == 1
    assert sum(frame.duration for frame in frames) == 5


def test_a_film_cut_off_in_the_middle_gives_what_is_there(make_film, drifting, tmp_path: Path) -> None:
    whole = make_film("whole.mkv", drifting(20))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 5 <= len(frames_of(cut)) < 20


def test_transparency_and_interlacing_are_named_once(clips: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        with open_source(clips / "moviepy_transparent.webm", end=Fraction(1, 5)) as source:
            list(source.frames())
        with open_source(clips / "bbb_interlaced_tff_30i.mpg", end=Fraction(1, 5)) as source:
            list(source.frames())
    text = [record.message for record in caplog.records]
    assert sum("transparency" in message for message in text) == 1
    assert sum("interlaced" in message for message in text) == 1


def test_hidden_pictures_of_vp9_are_no_frames(clips: Path) -> None:
    with open_source(clips / "media3_roadtrip-vp92-10bit.webm") as source:
        assert source.format.rate == Fraction(24000, 1001)
        assert source.format.frames == 72
        assert source.format.depth == 10


def test_a_late_start_of_the_clock_is_taken_off(clips: Path) -> None:
    name = "media3_bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4"
    frames = frames_of(clips / name, end=Fraction(1, 10))
    assert [frame.time for frame in frames] == [0, Fraction(1, 30), Fraction(2, 30)]


def test_a_picture_that_begins_after_the_sound_keeps_its_distance(clips: Path) -> None:
    with open_source(clips / "bbb_interlaced_tff_30i.mpg") as source:
        assert next(source.frames()).time == Fraction(48000 - 47368, 90000)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.mp4", None, "no file"),
        ("noise.mp4", np.random.default_rng(0).bytes(5000), "neither a film nor a photo"),
        ("empty.mp4", b"", "neither a film nor a photo"),
        ("cut.mp4", b"\0\0\0\x20ftypisom" + bytes(5000), "without its table of contents"),
        ("letter.txt", b"Dear film,\nyou are text.\n" * 40, "text"),
        ("noise.png", np.random.default_rng(0).bytes(5000), "no picture"),
    ],
)
def test_what_is_no_film_is_refused_with_a_remedy(tmp_path: Path, name, content, words) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        frames_of(path)
    assert caught.value.remedy


def test_a_file_of_sound_alone_is_called_that(tmp_path: Path, make_film, drifting) -> None:
    import av

    film = make_film("film.mp4", drifting(2), sound=0.5)
    path = tmp_path / "sound.m4a"
    with av.open(str(film)) as given, av.open(str(path), "w", format="mp4") as output:
        copy = output.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(given.streams.audio[0]):
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    with pytest.raises(InputError, match="only sound"):
        frames_of(path)


def test_an_end_may_round_the_length_of_the_film_up(make_film, drifting) -> None:
    assert len(frames_of(make_film("film.mp4", drifting(10)), end=Fraction(1))) == 10


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [(-1, None, "empty"), (2, 1, "empty"), (1, 1, "empty"), (9, None, "beyond"), (0, 9, "beyond")],
)
def test_a_range_without_frames_is_refused(make_film, drifting, start, end, words) -> None:
    path = make_film("film.mp4", drifting(10))
    with pytest.raises(InputError, match=words):
        frames_of(path, start=Fraction(start), end=None if end is None else Fraction(end))


def test_a_bare_stream_without_time_stamps_is_counted(make_film, drifting) -> None:
    path = make_film("film.h264", drifting(6), options={"qp": "0", "bf": "2"}, rate=Fraction(25))
    with Film(path) as film:
        frames = list(film.frames())
        assert film.format.frames == 6
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(6)]


@pytest.mark.parametrize("seek", [True, False], ids=["by seeking", "from the beginning"])
@pytest.mark.parametrize("container", ["film.mp4", "film.mkv", "film.avi"])
def test_a_film_can_be_gone_on_with_at_any_frame(make_film, drifting, container, seek) -> None:
    path = make_film(container, drifting(40), rate=Fraction(25))
    whole = frames_of(path)
    for place in (0, 1, 13, 39):
        with open_source(path) as source:
            source.go_to(whole[place].time, whole[place].index, seek=seek)
            rest = list(source.frames())
        assert [replace(frame, pixels=0) for frame in rest] == [replace(f, pixels=0) for f in whole[place:]]
        for frame, expected in zip(rest, whole[place:], strict=True):
            np.testing.assert_array_equal(frame.pixels, expected.pixels)


def test_a_range_of_a_film_can_be_gone_on_with(make_film, drifting) -> None:
    path = make_film("film.mp4", drifting(40), rate=Fraction(25))
    part = {"start": Fraction(1, 5), "end": Fraction(1)}
    whole = frames_of(path, **part)
    with open_source(path, **part) as source:
        source.go_to(whole[7].time, 7)
        rest = list(source.frames())
    assert [(frame.time, frame.index) for frame in rest] == [(frame.time, frame.index) for frame in whole[7:]]
    np.testing.assert_array_equal(rest[0].pixels, whole[7].pixels)


@pytest.mark.parametrize(
    "name",
    [
        "moviepy_chaplin.mp4",
        "decord_corrupted.mp4",
        "media3_roadtrip-vp92-10bit.webm",
        "bbb_interlaced_tff_30i.mpg",
        "media3_sample_android_slow_motion.mp4",
    ],
)
def test_a_real_film_is_gone_on_with_exactly(clips: Path, name: str) -> None:
    with open_source(clips / name) as source:
        whole = list(islice(source.frames(), 70))
    for place in (1, len(whole) // 2, len(whole) - 3):
        with open_source(clips / name) as source:
            source.go_to(whole[place].time, whole[place].index)
            rest = list(islice(source.frames(), 2))
        for frame, expected in zip(rest, whole[place:], strict=False):
            assert (frame.time, frame.index) == (expected.time, expected.index)
            np.testing.assert_array_equal(frame.pixels, expected.pixels)


def test_a_film_begins_with_its_first_picture_whatever_libav_says_of_it() -> None:
    tick = Fraction(1, 1000)
    picture = SimpleNamespace(start_time=15, time_base=tick, disposition=0)  # said of a Matroska file
    voices = [SimpleNamespace(start_time=start, time_base=tick) for start in (15, None)]
    container = SimpleNamespace(streams=SimpleNamespace(video=[picture], audio=voices))
    assert origin_of(container, Fraction(0)) == 0
    assert origin_of(container, Fraction(1, 10)) == Fraction(15, 1000)
    assert origin_of(container, Fraction(-1)) == 0
