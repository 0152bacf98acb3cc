"""The last size: what it is called, what comes of it, and how frames are brought to it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reel import ReelError, Settings, restore
from reel.engine.job.identity import differences, identity_of
from reel.engine.pixels.frame import Format, Frame
from reel.engine.pixels.resample import lanczos
from reel.engine.pixels.size import box_from_text, resized, squared
from reel.engine.reading.source import open_source
from reel.engine.reading.tonemap import Hdr
from reel.engine.stages.resize import Resize
from reel.engine.writing.encoding import Encoding


def film(width: int, height: int, aspect: Fraction = Fraction(1)) -> Format:
    return Format(width, height, Fraction(25), Fraction(1, 25), pixel_aspect=aspect)


@pytest.mark.parametrize(
    ("text", "width", "height", "aspect", "expected"),
    [
        ("2160p", 1920, 1080, Fraction(1), (3840, 2160)),
        ("4K", 1920, 1080, Fraction(1), (3840, 2160)),
        ("1080p", 3840, 2160, Fraction(1), (1920, 1080)),
        ("1080p", 640, 480, Fraction(1), (1440, 1080)),
        ("1080p", 2048, 858, Fraction(1), (1920, 804)),  # as wide films are called
        ("1080p", 720, 1280, Fraction(1), (1080, 1920)),  # upright
        ("1080p", 720, 576, Fraction(16, 15), (1440, 1080)),  # pixels are square afterwards
        ("480p", 853, 480, Fraction(1), (854, 480)),
        ("1920x1080", 640, 480, Fraction(1), (1440, 1080)),
        ("1920x1080", 720, 1280, Fraction(1), (608, 1080)),
        ("1919x1079", 1919, 1079, Fraction(1), (1919, 1079)),
    ],
)
def test_a_film_is_fitted_into_its_size_and_keeps_its_shape(text, width, height, aspect, expected) -> None:
    after = resized(film(width, height, aspect), box_from_text(text))
    assert (after.width, after.height, after.pixel_aspect) == (*expected, 1)


@pytest.mark.parametrize("text", ["", "big", "1080", "0p", "1x1", "99999p", "1920x", "-1x5", "1080pp"])
def test_what_is_no_size_is_refused_when_it_is_given(text) -> None:
    with pytest.raises(ReelError) as caught:
        Settings(size=text)
    assert "Give" in caught.value.remedy


def test_square_pixels_lose_none() -> None:
    assert (
        squared(film(720, 576, Fraction(16, 15))).width,
        squared(film(720, 480, Fraction(8, 9))).height,
    ) == (
        768,
        540,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [((48, 64), (100, 131)), ((131, 100), (37, 64)), ((40, 70), (40, 11)), ((9, 7), (200, 150))],
)
def test_lanczos_is_that_of_pillow(before, after) -> None:
    pixels = np.random.default_rng(2).uniform(0.2, 0.8, (1, 3, *before)).astype(np.float32)
    expected = [
        np.asarray(Image.fromarray(plane).resize(after[::-1], Image.Resampling.LANCZOS))
        for plane in pixels[0]
    ]
    np.testing.assert_allclose(lanczos(pixels, *after)[0], np.clip(expected, 0, 1), atol=1e-6)


def test_lanczos_keeps_what_is_flat_or_of_that_size_and_stays_in_range() -> None:
    noise = np.random.default_rng(3).random((1, 3, 40, 60), np.float32)
    np.testing.assert_array_equal(lanczos(noise, 40, 60), noise)
    sharp = (noise > 0.5).astype(np.float32)
    for size in ((75, 101), (11, 17)):
        made = lanczos(sharp, *size)
        assert (made.min(), made.max()) >= (0, 0)
        assert made.max() <= 1
        np.testing.assert_allclose(lanczos(np.full_like(sharp, 0.3), *size), 0.3, atol=1e-6)


def test_a_frame_that_is_repeated_is_resized_once() -> None:
    pixels = np.zeros((1, 3, 8, 8), np.float32)
    frames = [Frame(pixels, Fraction(n), Fraction(1), n) for n in range(2)]
    first, second = Resize(height=4, width=6)(iter(frames))
    assert first.pixels is second.pixels
    assert (first.height, first.width, second.time) == (4, 6, 1)


def test_a_film_comes_out_in_the_size_that_was_asked_for(make_film, drifting, tmp_path: Path) -> None:
    given = make_film("given.mp4", drifting(3), aspect=Fraction(4, 3))
    settings = Settings(size="100x90", encoding=Encoding(codec="ffv1"))
    summary = restore(given, tmp_path / "out.mkv", order=(), settings=settings)
    assert "resize" in [name for name, _ in summary.timings.stages]
    with open_source(summary.output) as source, open_source(given) as before:
        assert (source.format.width, source.format.height, source.format.pixel_aspect) == (100, 56, 1)
        made, expected = next(source.frames()).pixels, lanczos(next(before.frames()).pixels, 56, 100)
    assert np.abs(made - expected).mean() < 0.05  # its colour is that of half as many pixels
    assert np.abs(made.mean(axis=(2, 3)) - expected.mean(axis=(2, 3))).max() < 0.002


def test_what_is_asked_of_pictures_is_part_of_what_a_result_depends_on(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("film")
    given = ([tmp_path / "a.mp4"], Settings(), [])
    before = identity_of(*given, device="cpu", memory=1)
    for changed, clause in (
        ({"size": "1080p"}, "--size was not given and is 1080p"),
        ({"hdr": Hdr.TONEMAP}, "--hdr was refuse and is tonemap"),
        ({"crop": True}, "--crop was False and is True"),
    ):
        now = identity_of(given[0], Settings(**changed), [], device="cpu", memory=1)
        assert differences(before, now) == [clause]
