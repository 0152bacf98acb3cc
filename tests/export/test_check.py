"""What an export must pass before it is stored."""

import dataclasses

import numpy as np
import pytest
from reel.errors import ExportError, WeightsError
from reel.export.check import check_interpolation, compare, parity
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
