"""Black borders: found where they are, and nowhere else; taken off and put back."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reel.engine.pixels.borders import SAMPLES, Borders, borders_of
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.resample import lanczos
from reel.engine.reading.source import open_source
from reel.engine.stages.surround import Surround


def samples(borders: Borders | None, *, count: int = 12, black: float = 0.03, low: float = 0.2):
    """Pictures of noise, 120x160, in noisy black borders."""
    noise = np.random.default_rng(1)
    for _ in range(count):
        pixels = noise.uniform(low, 0.9, (1, 3, 120, 160)).astype(np.float32)
        if borders is not None:
            inside = np.zeros((120, 160), bool)
            inside[borders.top : 120 - borders.bottom, borders.left : 160 - borders.right] = True
            grain = noise.uniform(0, black, pixels.shape).astype(np.float32)
            pixels = np.where(inside, pixels, grain)
        yield pixels


@pytest.mark.parametrize(
    "borders", [Borders(15, 16, 0, 0), Borders(0, 0, 20, 21), Borders(9, 8, 7, 12), Borders(0, 30, 0, 0)]
)
def test_borders_are_found_to_the_line(borders) -> None:
    assert borders_of(samples(borders)) == borders


@pytest.mark.parametrize("borders", [None, Borders(2, 2, 0, 0), Borders(1, 0, 2, 1)])
def test_a_film_without_borders_worth_it_has_none(borders) -> None:
    assert borders_of(samples(borders)) is None


def test_few_samples_tell_nothing() -> None:
    assert borders_of(samples(Borders(15, 16, 0, 0), count=7)) is None
    assert borders_of([]) is None


def test_a_picture_of_another_size_is_left_to_who_reads_the_film() -> None:
    pictures = [*samples(Borders(15, 16, 0, 0)), np.ones((1, 3, 60, 80), np.float32)]
    assert borders_of(pictures) == Borders(15, 16, 0, 0)


def test_a_dark_film_has_no_borders() -> None:
    assert borders_of([np.full((1, 3, 120, 160), 0.02, np.float32)] * 12) is None


def test_what_fades_into_black_is_no_border() -> None:
    fade = np.clip(np.linspace(-0.3, 1.5, 120), 0, 1).reshape(1, 1, -1, 1).astype(np.float32)
    assert borders_of(pixels * fade for pixels in samples(None)) is None


def test_one_sample_in_which_a_border_holds_something_is_enough() -> None:
    """A subtitle, a brighter scene of another shape, a star in the night."""
    for place, value, expected in (
        (np.s_[..., 110:114, 30:90], 0.8, Borders(15, 6, 0, 0)),
        (np.s_[..., 110:114, 30:40], 0.8, Borders(15, 0, 0, 0)),
        (np.s_[..., :15, :], 0.5, Borders(0, 16, 0, 0)),
    ):
        pictures = list(samples(Borders(15, 16, 0, 0)))
        pictures[5][place] = value
        assert borders_of(pictures) == expected


def test_specks_of_dust_do_not_hide_a_border() -> None:
    pictures = list(samples(Borders(15, 16, 0, 0)))
    pictures[3][..., 4, 77] = 1
    assert borders_of(pictures) == Borders(15, 16, 0, 0)


def test_the_one_clip_that_has_borders_is_told_from_those_that_have_none(clips: Path) -> None:
    found = {}
    for name in ("moviepy_chaplin.mp4", "decord_video_90.mov", "media3_sample_with_chapters.mkv"):
        with open_source(clips / name) as source:
            found[name] = borders_of(source.samples(SAMPLES))
    assert found.pop("moviepy_chaplin.mp4") == Borders(0, 0, 71, 72)
    assert set(found.values()) == {None}


def frames_of(pictures, step=Fraction(1, 24)) -> list[Frame]:
    return [Frame(pixels, n * step, step, n) for n, pixels in enumerate(pictures)]


def test_borders_come_back_as_they_were_around_what_networks_made() -> None:
    borders = Borders(15, 16, 7, 0)
    given = frames_of(samples(borders, count=5))
    surround = Surround(borders)

    def enlarged(frames):
        for frame in list(frames):  # as a network that looks ahead does
            assert frame.pixels.shape == (1, 3, 89, 153)
            bigger = frame.pixels.repeat(2, axis=2).repeat(2, axis=3)
            yield Frame(bigger, frame.time, frame.duration / 2, 2 * frame.index)
            yield Frame(bigger, frame.time + frame.duration / 2, frame.duration / 2, 2 * frame.index + 1)

    made = list(surround.on(enlarged(surround.off(iter(given)))))
    assert len(made) == 10
    for number, frame in enumerate(made):
        before = given[number // 2].pixels
        assert frame.pixels.shape == (1, 3, 240, 320)
        inside = before[..., 15:104, 7:].repeat(2, axis=2).repeat(2, axis=3)
        np.testing.assert_array_equal(frame.pixels[..., 30:208, 14:], inside)
        np.testing.assert_array_equal(frame.pixels[..., :30, :], lanczos(before[..., :15, :], 30, 320))
        np.testing.assert_array_equal(frame.pixels[..., 208:, :], lanczos(before[..., 104:, :], 32, 320))


def test_what_shows_in_a_border_is_still_there_and_told_once(caplog) -> None:
    borders = Borders(15, 16, 0, 0)
    given = frames_of(samples(borders, count=5))
    for frame in given[2:4]:
        frame.pixels[..., 108:112, 40:60] = 0.9
    surround = Surround(borders)
    with caplog.at_level(logging.WARNING):
        made = list(surround.on(surround.off(iter(given))))
    for before, after in zip(given, made, strict=True):
        np.testing.assert_array_equal(before.pixels, after.pixels)
    assert [message for message in caplog.messages if "0.08 seconds" in message] == caplog.messages
    assert len(caplog.messages) == 1
