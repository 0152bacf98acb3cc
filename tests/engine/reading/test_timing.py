"""Rates found from time stamps that containers have rounded."""

from fractions import Fraction

import numpy as np
import pytest
from reel.engine.reading.timing import common_unit, timing_from_stamps

NTSC = [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)]


@pytest.mark.parametrize("rate", [*NTSC, *map(Fraction, (15, 16, 18, 24, 25, 30, 50, 60))])
@pytest.mark.parametrize("tick", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 12800)])
@pytest.mark.parametrize("rounding", [round, int])
def test_a_constant_rate_is_found_although_its_time_stamps_are_rounded(rate, tick, rounding) -> None:
    stamps = [rounding(number / rate / tick) for number in range(600)]
    timing = timing_from_stamps(reversed(stamps), tick, [], 0)
    assert timing.rate == rate
    assert timing.frames == 600
    assert timing.end == 600 / rate
    assert [timing.time_of(stamp) for stamp in stamps] == [number / rate for number in range(600)]


def test_an_odd_rate_that_fits_exactly_is_believed() -> None:
    timing = timing_from_stamps(range(0, 512 * 360, 512), Fraction(1, 14848), [Fraction(29)], 512)
    assert timing.rate == 29


def test_a_rate_that_the_container_cuts_short_is_completed() -> None:
    stamps = [round(number * 1001 / 30) for number in range(30)]
    assert timing_from_stamps(stamps, Fraction(1, 1000), [Fraction(2997, 100)], 33).rate == NTSC[1]


def test_a_variable_rate_keeps_its_times() -> None:
    stamps = [0, 29281, 32281, 35281, 38281, 41281, 44281]
    timing = timing_from_stamps(stamps, Fraction(1, 90000), [Fraction(30)], 3000)
    assert timing.rate is None
    assert timing.step is None
    assert [timing.time_of(stamp) for stamp in stamps] == [Fraction(stamp, 90000) for stamp in stamps]
    assert timing.end == Fraction(47281, 90000)


def test_random_times_are_not_taken_for_a_rate() -> None:
    stamps = np.cumsum(np.random.default_rng(1).integers(20, 60, 50)).tolist()
    assert timing_from_stamps(stamps, Fraction(1, 1000), [Fraction(25)], 0).step is None


def test_a_hole_makes_the_rate_variable_and_leaves_the_others_on_their_places() -> None:
    stamps = [round(number * 1001 / 24) for number in range(200) if number != 77]
    timing = timing_from_stamps(stamps, Fraction(1, 1000), [], 0)
    assert timing.rate is None
    assert timing.step == Fraction(1001, 24000)
    assert timing.time_of(stamps[-1]) == 199 * Fraction(1001, 24000)


def test_a_first_frame_that_is_late_stays_late() -> None:
    timing = timing_from_stamps([48000, 51000, 54000], Fraction(1, 90000), [Fraction(30)], 3000)
    origin = Fraction(47368, 90000)
    assert timing.first - origin == Fraction(632, 90000)
    unit = timing.time_base(origin)
    for stamp in (48000, 51000, 54000):
        assert ((timing.time_of(stamp) - origin) / unit).denominator == 1


def test_one_frame_has_the_rate_that_the_container_states() -> None:
    timing = timing_from_stamps([5], Fraction(1, 25), [Fraction(25)], 1)
    assert (timing.rate, timing.frames, timing.end) == (25, 1, Fraction(6, 25))


def test_the_common_unit_divides_both() -> None:
    assert common_unit(Fraction(1001, 30000), Fraction(0)) == Fraction(1001, 30000)
    assert common_unit(Fraction(1, 6), Fraction(1, 4)) == Fraction(1, 12)
