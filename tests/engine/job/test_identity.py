"""A colour bar through decoding and encoding alone: its colours and its tags come back."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from reel import Settings, restore
from reel.engine.pixels.frame import Colour, Format, Frame
from reel.engine.reading.source import open_source
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import open_sink
from reel.errors import OutputError

BARS = 0.75 * np.array(
    [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], np.float32
)
RATE = Fraction(25)
LOSSLESS = Encoding(codec="ffv1")
KEPT = {  # what the lossless encoder writes of each
    "yuv420p": "yuv420p",
    "yuv422p": "yuv422p",
    "yuv444p": "yuv444p",
    "yuv411p": "yuv422p",
    "gray": "gray",
    "bgr0": "bgr0",
    "yuv420p10le": "yuv420p10le",
    "yuv422p10le": "yuv422p10le",
    "yuv444p12le": "yuv444p12le",
    "gray10le": "gray10le",
    "gbrp10le": "gbrp10le",
    "gbrp16le": "gbrp16le",
}


def bars(height: int = 48, width: int = 64) -> np.ndarray:
    """Eight bars of colour above a ramp from black to white."""
    columns = BARS[np.arange(width) * 8 // width]
    picture = np.broadcast_to(columns.T[:, None], (3, height, width)).copy()
    picture[:, height // 2 :] = np.linspace(0, 1, width, dtype=np.float32)
    return picture[None]


@pytest.fixture
def bar_film(tmp_path: Path):
    """Write a film of three such pictures: ``bar_film("yuv420p", Colour(1, 1, 1))``."""

    def make(pix_fmt: str, colour: Colour, *, size=(48, 64), name="given.mkv", codec="ffv1", **facts) -> Path:
        film = Format(size[1], size[0], RATE, 1 / RATE, depth=16, colour=colour, **facts)
        with open_sink(tmp_path / name, film, encoding=Encoding(codec=codec, pix_fmt=pix_fmt)) as sink:
            for number in range(3):
                sink.write(Frame(bars(*size), number / RATE, 1 / RATE, number))
        return tmp_path / name

    return make


def passed(given: Path, output: Path, encoding: Encoding) -> Path:
    """Send a film through no network at all."""
    return restore(given, output, order=(), settings=Settings(encoding=encoding)).output


def look(path: Path) -> tuple[str, str, Colour]:
    """Return the codec, the pixel format and the tags, as libav reads them."""
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        tags = (picture.colorspace, picture.color_primaries, picture.color_trc)
        name = container.streams.video[0].codec_context.name
        return name, picture.format.name, Colour(*map(int, tags), full_range=picture.color_range == 2)


def pixels_of(path: Path) -> np.ndarray:
    with open_source(path) as source:
        return next(source.frames()).pixels


def levels_apart(one: Path, other: Path) -> float:
    return float(np.abs(pixels_of(one) - pixels_of(other)).max() * 255)


@pytest.mark.parametrize("pix_fmt", KEPT)
@pytest.mark.parametrize(("matrix", "full"), [(6, False), (1, True), (9, False)])
def test_a_colour_bar_comes_back_exactly_through_a_lossless_codec(
    bar_film, planes_of, tmp_path, pix_fmt, matrix, full
) -> None:
    given = bar_film(pix_fmt, Colour(matrix, matrix, matrix if matrix != 9 else 14, full))
    result = passed(given, tmp_path / "out.mkv", LOSSLESS)
    _, written, tags = look(result)
    assert written == KEPT[pix_fmt]
    assert tags == look(given)[2]
    if pix_fmt != "yuv411p":
        for before, after in zip(planes_of(given)[0], planes_of(result)[0], strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
@pytest.mark.parametrize(("matrix", "full"), list(product((6, 1, 9), (False, True))))
def test_a_colour_bar_comes_back_within_a_level_through_h264(
    bar_film, tmp_path, pix_fmt, matrix, full
) -> None:
    given = bar_film(pix_fmt, Colour(matrix, matrix, 1, full))
    result = passed(given, tmp_path / "out.mp4", Encoding(crf=0, preset="ultrafast"))
    codec, written, tags = look(result)
    assert levels_apart(given, result) < 0.01
    assert tags == Colour(matrix, matrix, 1, full)
    sampling = "yuv420p" if pix_fmt == "gray" else pix_fmt
    assert (codec, written.replace("yuvj", "yuv")) == ("h264", sampling)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("full", [False, True])
def test_ten_bits_stay_ten_bits_within_a_level_of_eight(bar_film, tmp_path, pix_fmt, full) -> None:
    given = bar_film(pix_fmt, Colour(9, 9, 14, full))
    result = passed(given, tmp_path / "out.mp4", Encoding(crf=0, preset="medium"))
    # With crf 0 x265 is not lossless; one of its 10-bit levels is a quarter of a level here.
    assert np.abs(pixels_of(given) - pixels_of(result)).mean() * 255 < 0.25
    flat = np.s_[..., 4:20, 2:-1:8]
    np.testing.assert_allclose(pixels_of(given)[flat], pixels_of(result)[flat], atol=1 / 255)
    assert look(result) == ("hevc", pix_fmt, Colour(9, 9, 14, full))


@pytest.mark.parametrize(
    ("name", "encoding", "codec", "pix_fmt"),
    [
        ("a.mp4", Encoding(), "h264", "yuv420p"),
        ("a.m4v", Encoding(), "h264", "yuv420p"),
        ("a.mov", Encoding(), "h264", "yuv420p"),
        ("a.mkv", Encoding(), "h264", "yuv420p"),
        ("a.avi", Encoding(), "h264", "yuv420p"),
        ("a.ts", Encoding(), "h264", "yuv420p"),
        ("a.flv", Encoding(), "h264", "yuv420p"),
        ("a.webm", Encoding(), "vp9", "yuv420p"),
        ("a.mpg", Encoding(), "mpeg2video", "yuv420p"),
        ("a.mkv", Encoding(codec="hevc"), "hevc", "yuv420p"),
        ("a.mp4", Encoding(codec="av1"), "libdav1d", "yuv420p"),
        ("a.mov", Encoding(codec="prores"), "prores", "yuv422p10le"),
        ("a.avi", Encoding(codec="ffv1"), "ffv1", "yuv420p"),
        ("a.avi", Encoding(codec="utvideo"), "utvideo", "yuv420p"),
        ("a.avi", Encoding(codec="mpeg4"), "mpeg4", "yuv420p"),
        ("a.webm", Encoding(codec="vp8"), "vp8", "yuv420p"),
    ],
)
@pytest.mark.parametrize("size", [(48, 64), (49, 65)], ids=["even", "odd"])
def test_every_container_and_codec_is_decoded_to_the_colours_that_went_in(
    bar_film, tmp_path, name, encoding, codec, pix_fmt, size
) -> None:
    """Full range and BT.709 in a small film: whoever cannot say so must not write it so."""
    if size == (49, 65) and encoding.codec == "utvideo":
        pytest.skip("needs an encoder that takes odd sizes")
    given = bar_film("yuv420p", Colour(1, 1, 1, True), size=size)
    result = passed(given, tmp_path / name, encoding)
    before, after = pixels_of(given), pixels_of(result)
    assert before.shape == after.shape
    inner = np.s_[0, :, 4:18, :]
    height, width = size
    for bar in range(8):  # the middle of each
        column = (2 * bar + 1) * width // 16
        apart = np.abs(before[inner][..., column] - after[inner][..., column]).mean() * 255
        assert apart < 4, (bar, apart)  # a wrong matrix or range is 10 and more
    ramp = np.abs(before[..., height // 2 + 4 :, :] - after[..., height // 2 + 4 :, :]).mean(axis=(0, 2, 3))
    assert (ramp * 255).max() < 2.5
    found, written, _ = look(result)
    assert found == codec
    if size == (48, 64):
        assert written.replace("yuvj", "yuv") == pix_fmt


def test_an_untagged_film_is_taken_for_what_players_take_it_for_and_says_so(bar_film, tmp_path) -> None:
    for size, matrix in (((48, 64), 6), ((48, 1280), 1)):
        given = bar_film("yuv420p", Colour(), size=size, name="given.avi")
        assert look(given)[2] == Colour()
        result = passed(given, tmp_path / "out.mkv", Encoding(crf=0, preset="ultrafast"))
        assert look(result)[2].matrix == matrix
        assert levels_apart(given, result) < 0.01
        given.unlink()
        result.unlink()


def test_deep_webm_is_av1_and_its_ten_bits_stay(bar_film, tmp_path) -> None:
    given = bar_film("yuv420p10le", Colour(9, 9, 14))
    assert look(passed(given, tmp_path / "a.webm", Encoding()))[:2] == ("libdav1d", "yuv420p10le")


def test_hevc_in_mp4_has_the_name_that_apple_plays(bar_film, tmp_path) -> None:
    given = bar_film("yuv420p10le", Colour(1, 1, 1))
    for name in ("a.mp4", "a.mov"):
        with av.open(str(passed(given, tmp_path / name, Encoding(preset="ultrafast")))) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_what_an_encoder_cannot_keep_is_said(bar_film, tmp_path, caplog) -> None:
    given = bar_film("yuv444p10le", Colour(1, 1, 1))
    with caplog.at_level(logging.WARNING):
        passed(given, tmp_path / "a.mp4", Encoding(codec="av1"))
        passed(given, tmp_path / "a.webm", Encoding(codec="vp9"))
    assert "libsvtav1 keeps the colour of fewer pixels than the film has: yuv420p10le." in caplog.messages
    assert "libvpx-vp9 keeps 8 bits of the 10 that the film has." in caplog.messages


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", None),
        ("a.mov", None),
        ("a.mkv", None),
        ("a.avi", None),
        ("a.ts", None),
        ("a.mp4", "av1"),
        ("a.mov", "prores"),
        ("a.mp4", "ffv1"),
    ],
)
def test_pixels_that_are_not_square_stay_so(bar_film, tmp_path, name, codec) -> None:
    given = bar_film("yuv420p", Colour(1, 1, 1), name="given.mp4", pixel_aspect=Fraction(16, 15))
    result = passed(given, tmp_path / name, Encoding(codec=codec))
    with open_source(result) as source:
        assert source.format.pixel_aspect == Fraction(16, 15)
        assert (source.format.width, source.format.height) == (64, 48)


def test_pixels_become_square_where_the_file_cannot_say_that_they_are_not(bar_film, tmp_path, caplog) -> None:
    for aspect, size in ((Fraction(3, 2), (96, 48)), (Fraction(2, 3), (64, 72))):
        given = bar_film("yuv420p", Colour(1, 1, 1), name="given.mp4", pixel_aspect=aspect)
        with caplog.at_level(logging.WARNING):
            result = passed(given, tmp_path / "a.webm", Encoding())
        with open_source(result) as source:
            assert (source.format.width, source.format.height) == size
            assert source.format.pixel_aspect == 1
        assert f"so the film is made {size[0]}x{size[1]}, with square ones" in caplog.text
        given.unlink()
        result.unlink()


@pytest.mark.parametrize("turn", list(product((0, 90, 180, -90), (False, True), (False, True))))
def test_every_turn_and_mirror_is_carried_out_and_not_asked_for_again(
    make_film, drifting, tmp_path, turn
) -> None:
    given = make_film("given.mp4", drifting(1, chroma=(1, 1)), pix_fmt="yuv444p", turn=turn)
    result = passed(given, tmp_path / "a.mp4", Encoding(crf=0, preset="ultrafast"))
    assert levels_apart(given, result) < 0.01
    angle, across, down = turn
    plain = pixels_of(make_film("plain.mp4", drifting(1, chroma=(1, 1)), pix_fmt="yuv444p"))
    # libav turns against the clock first, and mirrors what comes of it (av_display_matrix_flip).
    plain = np.rot90(plain, angle // 90, (2, 3))
    plain = plain[..., ::-1] if across else plain
    plain = plain[..., ::-1, :] if down else plain
    np.testing.assert_array_equal(pixels_of(given), plain)
    with av.open(str(result)) as container:
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.parametrize(
    ("name", "encoding", "words", "remedy"),
    [
        ("a.mp4", Encoding(codec="prores"), "mp4 files cannot hold prores_ks", ".mov"),
        ("a.webm", Encoding(codec="h264"), "webm files cannot hold libx264", "libvpx-vp9"),
        ("a.webm", Encoding(codec="ffv1"), "webm files cannot hold ffv1", ".mkv"),
        ("a.mpg", Encoding(codec="hevc"), "mpeg files cannot hold libx265", "mpeg2video"),
        ("a.gif", Encoding(), "No film is written as gif", ".mp4"),
        ("a.wmv", Encoding(), "No film is written as asf", ".mp4"),
        ("a.png", Encoding(codec="h264"), "Pictures have no --codec", "--codec"),
        ("frames/", Encoding(crf=3), "Pictures have no --crf", "--crf"),
        ("frames/", Encoding(pix_fmt="yuv420p"), "does not take the pixel format", "rgb48be"),
    ],
)
def test_what_does_not_go_together_is_said_before_any_work(
    bar_film, tmp_path, name, encoding, words, remedy
) -> None:
    given = bar_film("yuv420p", Colour())
    with pytest.raises(OutputError, match=words) as caught:
        passed(given, f"{tmp_path}/out/{name}", encoding)
    assert remedy in caught.value.remedy
    assert not list((tmp_path / "out").rglob("*.*"))


def test_mpeg_refuses_a_rate_that_it_does_not_know(tmp_path) -> None:
    film = Format(64, 48, Fraction(18), Fraction(1, 18))
    with pytest.raises(OutputError, match="18 frames per second"), open_sink(tmp_path / "a.mpg", film):
        pass


def test_a_film_of_rgb_is_written_as_players_take_it_in_the_same_colours(bar_film, tmp_path) -> None:
    given = bar_film("bgr0", Colour(0, 1, 13))
    result = passed(given, tmp_path / "a.mp4", Encoding(crf=0, preset="ultrafast"))
    codec, pix_fmt, tags = look(result)
    assert (codec, pix_fmt, tags) == ("h264", "yuv420p", Colour(6, 1, 13, full_range=False))
    middle = np.s_[..., 4:20, 4:-1:8]  # of each bar; between two, there is a colour for both
    np.testing.assert_allclose(pixels_of(given)[middle], pixels_of(result)[middle], atol=2 / 255)


@pytest.mark.parametrize(("name", "codec"), [("a.mpg", None), ("a.avi", "mpeg4")])
def test_codecs_without_a_quality_are_not_left_to_their_low_bit_rate(
    make_film, drifting, tmp_path, name, codec
) -> None:
    given = make_film("given.mkv", drifting(12, 144, 192))
    result = passed(given, tmp_path / name, Encoding(codec=codec))
    with open_source(given) as before, open_source(result) as after:
        for frame, other in list(zip(before.frames(), after.frames(), strict=True))[6:]:
            assert np.abs(frame.pixels - other.pixels).mean() * 255 < 5  # of noise; 10 and more otherwise
