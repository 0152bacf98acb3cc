"""Before and after in one picture: which frames belong together, and where each of them lies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.label import Label, label
from reel.engine.runs.compare import Layout, _laid_out, _split, pairs

GREY = np.full((1, 3, 40, 160), 0.5, np.float32)
NO_WORDS = Label(np.zeros((0, 0), np.float32), 0), Label(np.zeros((0, 0), np.float32), 0)


def frames(times, step, first=0):
    """Frames whose pixels are their number."""
    for number, time in enumerate(times):
        pixels = np.full((1, 3, 2, 2), number, np.float32)
        yield Frame(pixels, Fraction(time) + first, Fraction(step), number)


def found(before, after):
    return [(int(old.pixels[0, 0, 0, 0]), new.time) for old, new in pairs(before, after)]


def test_every_frame_of_a_result_stands_beside_the_one_of_the_source_that_is_on_screen() -> None:
    film = frames([0, 1, 2], 1)
    made = frames([Fraction(n, 2) for n in range(6)], Fraction(1, 2))
    assert found(film, made) == [(n // 2, Fraction(n, 2)) for n in range(6)]


def test_fewer_frames_than_the_source_has_skip_some_of_it() -> None:
    assert found(frames(range(7), 1), frames([0, Fraction(5, 2), 5], Fraction(5, 2))) == [
        (0, 0),
        (2, Fraction(5, 2)),
        (5, 5),
    ]


def test_a_time_that_a_container_rounded_down_is_still_that_of_its_frame() -> None:
    exact = [Fraction(n * 1001, 30000) for n in range(30)]
    rounded = [Fraction(int(time * 1000), 1000) for time in exact]
    together = found(frames(exact, exact[1]), frames(rounded, exact[1]))
    assert [number for number, _ in together] == list(range(30))


def test_a_result_that_lost_its_beginning_begins_with_its_source() -> None:
    film = frames([0, 1, 2], 1, first=Fraction(1, 3))
    assert found(film, frames([0, 1, 2], 1)) == [(n, n + Fraction(1, 3)) for n in range(3)]


def test_side_by_side_before_is_left_and_after_is_right() -> None:
    both = _laid_out(GREY * 0.2, GREY, NO_WORDS, Layout.SIDE, 0.5)
    assert both.shape == (1, 3, 40, 320)
    assert np.allclose(both[..., :160], 0.1)
    assert np.allclose(both[..., 160:], 0.5)


def test_a_wipe_shows_before_on_the_left_of_a_line_and_after_on_its_right() -> None:
    both = _laid_out(GREY * 0.2, GREY, NO_WORDS, Layout.WIPE, 0.25)
    assert both.shape == GREY.shape
    assert np.allclose(both[..., :39], 0.1)
    assert np.allclose(both[..., 39:41], 1)
    assert np.allclose(both[..., 41:], 0.5)


def test_neither_picture_that_is_put_together_is_drawn_into() -> None:
    before, after = GREY * 0.2, GREY.copy()
    words = label("before", height=40, width=160), label("after", height=40, width=160)
    for layout in Layout:
        _laid_out(before, after, words, layout, 0.5)
    assert np.array_equal(before, GREY * 0.2)
    assert np.array_equal(after, GREY)


def test_a_split_goes_across_and_comes_back() -> None:
    places = [_split(second, 8) for second in range(9)]
    assert places[0] == places[8] == 1
    assert places[4] == 0
    assert places[:5] == sorted(places[:5], reverse=True)
    assert places[4:] == sorted(places[4:])


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (480, 640), (48, 64), (24, 32)])
def test_words_lie_in_their_corner_and_can_be_read(height: int, width: int) -> None:
    for right in (False, True):
        pixels = np.full((1, 3, height, width), 0.7, np.float32)
        label("before", height=height, width=width).put(pixels, right=right)
        changed = np.argwhere((pixels != np.float32(0.7)).any(axis=(0, 1)))
        top, left = changed.min(axis=0)
        _, end = changed.max(axis=0)
        assert top <= height / 8
        assert (width - end if right else left) <= max(width / 8, height / 8)
        assert pixels.max() > 0.9
        assert pixels.min() < 0.3
