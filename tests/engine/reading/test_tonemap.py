"""HDR film: refused unless asked for, and then ordinary film of the right light."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from struct import pack

import av
import numpy as np
import pytest
from reel import ReelError, Settings, restore
from reel.engine.pixels.frame import Colour, Format, Frame
from reel.engine.reading.source import open_source
from reel.engine.reading.tonemap import Hdr, ToneMap, tone_map_of
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import open_sink

PQ, HLG = Colour(9, 9, 16), Colour(9, 9, 18)
WHITE_PQ = 0.5806888810416109  # the code of 203 cd/m2 (ITU-R BT.2408, table 1: 58 %)
WHITE_HLG = 0.75  # likewise


def grey(*codes: float) -> np.ndarray:
    return np.broadcast_to(np.array(codes, np.float32), (1, 3, 1, len(codes))).copy()


@pytest.fixture
def hdr_film(tmp_path: Path):
    def make(colour: Colour, pixels: np.ndarray, options: dict[str, str] | None = None) -> Path:
        height, width = pixels.shape[2:]
        film = Format(width, height, Fraction(25), Fraction(1, 25), depth=10, sampling="444", colour=colour)
        path = tmp_path / "hdr.mkv"
        with open_sink(path, film, encoding=Encoding(codec="ffv1")) as sink:
            for number in range(2):
                sink.write(Frame(pixels, Fraction(number, 25), Fraction(1, 25), number))
        return path

    return make


@pytest.mark.parametrize(("colour", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_is_refused_in_words_with_the_remedy(hdr_film, tmp_path, colour, name) -> None:
    given = hdr_film(colour, np.full((1, 3, 32, 32), 0.5, np.float32))
    for order in ((), ("deoldify",)):
        with pytest.raises(ReelError, match=rf"is HDR \({name}\)") as caught:
            restore(given, tmp_path / "out.mkv", order=order)
        assert "--hdr tonemap" in caught.value.remedy


def test_ordinary_film_is_not_touched_by_the_option(make_film, drifting) -> None:
    given = make_film("given.mp4", drifting(1))
    with open_source(given) as plain, open_source(given, hdr=Hdr.TONEMAP) as mapped:
        np.testing.assert_array_equal(next(plain.frames()).pixels, next(mapped.frames()).pixels)
        assert plain.format == mapped.format


@pytest.mark.parametrize(("colour", "white"), [(PQ, WHITE_PQ), (HLG, WHITE_HLG)])
def test_dark_light_is_kept_as_it_is_and_bright_light_is_bent(colour, white) -> None:
    tone_map = ToneMap(colour, 1000.0)
    codes = np.linspace(0, 1, 2001, dtype=np.float32)
    out = tone_map(grey(*codes))[0, :, 0]
    np.testing.assert_allclose(out[0], out[1], atol=2e-4)  # grey stays grey
    np.testing.assert_allclose(out[0], out[2], atol=2e-4)
    assert np.all(np.diff(out[1]) >= -1e-6)
    light = out[1].astype(float) ** 2.4 * 203
    if colour is PQ:
        power = np.maximum(codes.astype(float) ** (32 / 2523), 0)
        expected = 10000 * (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (
            8192 / 1305
        )
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
        expected = 1000 * scene**1.2
    dark = expected < 80  # below the knee of the curve
    assert dark.sum() > 500
    np.testing.assert_allclose(light[dark], expected[dark], rtol=2e-3, atol=2e-3)
    assert abs(expected[np.searchsorted(codes, white)] / 203 - 1) < 0.02
    at_white = light[np.searchsorted(codes, white)]
    assert 120 < at_white < 190
    brightest = np.searchsorted(expected, 999.5)
    assert abs(light[min(brightest, 2000)] - 203) < 1.5


def test_the_peak_that_a_film_states_decides_how_far_its_light_is_bent() -> None:
    code = grey(WHITE_PQ)
    dim, bright = (float(ToneMap(PQ, peak)(code)[0, 0, 0, 0]) for peak in (400.0, 4000.0))
    assert dim > bright > 0.7


def test_colours_of_bt2020_become_those_of_bt709() -> None:
    """BT.709's red, 50 cd/m2, told in BT.2020 (ITU-R BT.2087) and coded in PQ."""
    light = np.array([0.6274, 0.0691, 0.0164]) * 50
    power = (light / 10000) ** (2610 / 16384)
    codes = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    out = ToneMap(PQ, 1000.0)(codes.astype(np.float32).reshape(1, 3, 1, 1))[0, :, 0, 0]
    np.testing.assert_allclose(out, [(50 / 203) ** (1 / 2.4), 0, 0], atol=0.02)


def test_a_mapped_film_is_written_and_tagged_as_bt709_of_ten_bits(hdr_film, tmp_path) -> None:
    pixels = np.broadcast_to(np.float32(WHITE_PQ), (1, 3, 32, 32)).copy()
    given = hdr_film(PQ, pixels)
    settings = Settings(hdr=Hdr.TONEMAP, encoding=Encoding(crf=4, preset="ultrafast"))
    result = restore(given, tmp_path / "out.mp4", order=(), settings=settings).output
    with av.open(str(result)) as container:
        picture = next(container.decode(video=0))
        tags = [int(tag) for tag in (picture.colorspace, picture.color_primaries, picture.color_trc)]
        assert (tags, picture.color_range, picture.format.name) == ([1, 1, 1], 1, "yuv444p10le")
    with open_source(result) as source:
        expected = ToneMap(PQ, 1000.0)(pixels)
        np.testing.assert_allclose(next(source.frames()).pixels, expected, atol=0.004)


class Picture:
    """A stand-in for a decoded picture."""

    def __init__(self, **side_data: bytes) -> None:
        self.side_data = side_data


def test_dolby_vision_without_a_base_that_others_can_show_is_refused() -> None:
    coded = Picture(DOVI_METADATA=b"")
    with pytest.raises(ReelError, match="Dolby Vision") as caught:
        tone_map_of(Colour(), coded, Path("a.mp4"), Hdr.TONEMAP)
    assert "HDR10" in caught.value.remedy
    assert tone_map_of(Colour(1, 1, 1), coded, Path("a.mp4"), Hdr.REFUSE) is None
    assert tone_map_of(Colour(), Picture(), Path("a.mp4"), Hdr.REFUSE) is None


@pytest.mark.parametrize(
    ("side_data", "peak"),
    [
        ({}, 1000),
        ({"CONTENT_LIGHT_LEVEL": pack("2I", 600, 100)}, 600),
        ({"CONTENT_LIGHT_LEVEL": pack("2I", 0, 0)}, 1000),
        (
            {"MASTERING_DISPLAY_METADATA": pack("18i", *[0] * 18) + pack("2i", 40000000, 10000) + bytes(8)},
            4000,
        ),
        ({"MASTERING_DISPLAY_METADATA": bytes(88)}, 1000),
        ({"MASTERING_DISPLAY_METADATA": b"short"}, 1000),
        ({"CONTENT_LIGHT_LEVEL": pack("2I", 90, 10)}, 203),
        ({"CONTENT_LIGHT_LEVEL": pack("2I", 60000, 10)}, 10000),
    ],
)
def test_the_peak_is_taken_from_what_the_film_states(side_data, peak) -> None:
    tone_map = tone_map_of(PQ, Picture(**side_data), Path("a.mp4"), Hdr.TONEMAP)
    codes = grey(*np.linspace(0, 1, 60))
    np.testing.assert_array_equal(tone_map(codes), ToneMap(PQ, peak)(codes))
