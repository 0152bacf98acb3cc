"""What an export must pass before it is stored."""

import dataclasses

import numpy as np
import pytest
from reel.errors import ExportError, WeightsError
from reel.export.check import check_interpolation, compare, compare_halves, parity
from reel.models.edvr import EDVR_M


class Fixed:
    """A recipe whose graphs give one answer, whatever they are asked."""

    def __init__(self, answer):
        self.answer = answer

    def compose(self, run, example):
        return self.answer


NETWORK = dataclasses.replace(EDVR_M, check_sizes=((2, 2),))
PADDLES = np.linspace(0.1, 1, 12, dtype=np.float32).reshape(1, 3, 2, 2)


def checked(answer):
    return compare(NETWORK, Fixed(answer), lambda graph, **inputs: (), [({}, PADDLES)])


def test_an_output_equal_to_paddles_passes_and_is_measured():
    (figures,) = checked(PADDLES + np.float32(1e-7))
    assert 0 < figures.relative_l2 < 1e-6
    assert (figures.height, figures.width) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(PADDLES * np.float32(1.0001), "relative L2 1.0e-04", id="slightly off"),
        pytest.param(PADDLES[:, :, :1], "gives \\(1, 3, 1, 2\\)", id="another shape"),
        pytest.param(np.where(PADDLES > 0.9, np.float32(np.nan), PADDLES), "not finite", id="not a number"),
        pytest.param(np.where(PADDLES > 0.9, np.float32(np.inf), PADDLES), "not finite", id="infinite"),
    ],
)
def test_anything_else_is_refused(answer, said):
    with pytest.raises(ExportError, match=said):
        checked(answer)


class Run:
    """Float16 graphs of which the largest value is known."""

    def __init__(self, largest):
        self.largest = largest


class Answers:
    """A recipe whose graphs give Paddle's answer but for a factor; on all white another one."""

    def __init__(self, factor=1.0, on_white=1.0):
        self.factor, self.on_white = factor, on_white

    def compose(self, run, example):
        return PADDLES * np.float32(self.on_white if example["window"].all() else self.factor)


def checked_halves(recipe, largest=100.0):
    reference = {"window": np.full((1, 5, 3, 2, 2), 0.0, np.float32)}
    return compare_halves(NETWORK, recipe, Run(largest), [(reference, PADDLES)])


def test_float16_graphs_may_be_further_from_paddle_and_tell_their_largest_value():
    (figures,) = checked_halves(Answers(factor=1.004))
    assert figures.relative_l2 == pytest.approx(4e-3, rel=1e-2)
    assert figures.largest == 100.0
    with pytest.raises(ExportError, match="float16 edvr-m differs from Paddle at 2x2: relative L2 6"):
        checked_halves(Answers(factor=1.006))


@pytest.mark.parametrize(
    ("recipe", "largest"),
    [
        pytest.param(Answers(on_white=np.nan), 100.0, id="not finite on white"),
        pytest.param(Answers(), 20000.0, id="near the end of the range"),
        pytest.param(Answers(), np.nan, id="beyond it"),
    ],
)
def test_float16_graphs_that_come_near_the_end_of_their_range_are_refused(recipe, largest):
    with pytest.raises(ExportError, match="not for float16 with these weights") as caught:
        checked_halves(recipe, largest)
    assert "--precision fp32" in caught.value.remedy


def test_parity_is_relative_to_paddle():
    figures = parity(np.full((2, 2), 4.0), np.full((2, 2), 4.4), height=2, width=2)
    assert (figures.maximum, figures.mean, figures.relative_l2) == pytest.approx((0.4, 0.4, 0.1))


def test_a_network_that_follows_motion_passes():
    def moved(inputs):
        # The pattern moves by (2, 1) pixels per frame, so by half of (4, 2) from a to the middle.
        half_a = np.roll(inputs["a"], (-1, -2), axis=(2, 3))
        half_b = np.roll(inputs["b"], (1, 2), axis=(2, 3))
        return (half_a + half_b) / 2

    check_interpolation(moved)


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda inputs: (inputs["a"] + inputs["b"]) / 2, id="the average"),
        pytest.param(lambda inputs: inputs["a"], id="the first frame"),
        pytest.param(lambda inputs: np.roll(inputs["a"], (1, 2), axis=(2, 3)), id="the wrong way"),
        pytest.param(lambda inputs: np.full_like(inputs["a"], np.nan), id="not a number"),
    ],
)
def test_weights_that_do_not_interpolate_are_refused(between):
    with pytest.raises(WeightsError, match="does not interpolate"):
        check_interpolation(between)
