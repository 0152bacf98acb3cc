"""Pictures before and after: of which moments, of which part, and how large they may be."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import reel
from PIL import Image
from reel.engine.pixels.frame import Frame
from reel.engine.report import stills as stills_module
from reel.engine.report.moments import moments
from reel.engine.report.page import facts_of_run
from reel.engine.report.stills import LIMIT, MOST, stills
from reel.engine.runs.settings import Settings


def level(file: bytes) -> int:
    """The mean grey of a picture."""
    return round(float(np.asarray(Image.open(io.BytesIO(file))).mean()))


def test_each_shot_is_shown_before_and_after_at_the_same_moment(summary) -> None:
    found = facts_of_run(summary.plan, summary.settings, summary).stills
    assert [still.time for still in found] == [Fraction(1, 2), 1, Fraction(3, 2), Fraction(5, 2)]
    for still, number in zip(found, (1, 2, 3, 5), strict=True):
        assert abs(level(still.whole.before) - (40 * number + 10)) <= 2
        assert abs(level(still.whole.after) - (40 * number + 10)) <= 2


def test_moments_are_those_of_the_film_where_only_a_part_was_done(film, tmp_path) -> None:
    settings = Settings(rate=Fraction(2), start=Fraction(1))
    made = reel.restore(film, tmp_path / "part.mkv", order=(), settings=settings)
    (still,) = stills(made.plan, settings, [Fraction(1, 2)])
    assert still.time == Fraction(3, 2)
    assert abs(level(still.whole.before) - 130) <= 2
    assert abs(level(still.whole.after) - 130) <= 2


def test_stills_of_a_film_that_cannot_be_sought_in_are_the_same(summary, monkeypatch) -> None:
    times = [Fraction(n, 2) for n in (1, 2, 2, 4)]
    usual = stills(summary.plan, summary.settings, times)
    monkeypatch.setattr("reel.engine.reading.stills.Sequence.seekable", False)
    monkeypatch.setattr("reel.engine.reading.stills.Sequence.go_to", None)
    assert stills(summary.plan, summary.settings, times) == usual
    assert len(usual) == 4


def test_no_picture_is_larger_than_its_share_whatever_is_in_it(summary, monkeypatch) -> None:
    noise = np.random.default_rng(1).random((1, 3, 900, 1500), np.float32)
    after = replace(summary.plan.after, width=1500, height=900)
    frame = Frame(noise, Fraction(0), Fraction(1))
    monkeypatch.setattr(stills_module, "_frames_at", lambda source, result, times: [(frame, frame)])
    many = [Fraction(n) for n in range(MOST)]
    (still,) = stills(replace(summary.plan, after=after), summary.settings, many)
    pairs = [still.whole, still.detail]
    assert max(len(file) for pair in pairs for file in (pair.before, pair.after)) <= LIMIT // (4 * MOST)
    assert (pairs[0].width, pairs[0].height) == (1280, 768)
    assert (pairs[1].width, pairs[1].height) == (640, 480)


def test_a_detail_is_where_there_is_most_to_see() -> None:
    pixels = np.zeros((1, 3, 1000, 2000), np.float32)
    pixels[..., 640:900, 1250:1700] = np.random.default_rng(2).random((1, 3, 260, 450), np.float32)
    top, left = stills_module._busiest(pixels)
    assert top <= 640
    assert top + 480 >= 900
    assert left <= 1250
    assert left + 640 >= 1700


def test_moments_lie_in_the_middle_of_shots() -> None:
    shots = [Fraction(n) for n in (0, 2, 3, 7, 8)]
    assert moments(shots, Fraction(10), most=9) == [1, Fraction(5, 2), 5, Fraction(15, 2), 9]


def test_one_long_shot_is_looked_at_more_than_once_and_a_short_one_is_not() -> None:
    assert moments([Fraction(0)], Fraction(8), most=9) == [1, 3, 5, 7]
    assert moments([Fraction(0)], Fraction(1, 2), most=9) == [Fraction(1, 4)]
    assert moments([], Fraction(1, 2), most=9) == [Fraction(1, 4)]


def test_of_many_shots_some_are_taken_from_all_over_the_film() -> None:
    taken = moments([Fraction(n) for n in range(100)], Fraction(100), most=10)
    assert taken == [Fraction(20 * n + 1, 2) for n in range(10)]
