"""Windows, pairs, times and shot boundaries of the stages, with networks whose output is known."""

from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from reel.engine.pixels.frame import Format, Frame
from reel.engine.pixels.held import mark_held
from reel.engine.pixels.operations import HostOperations
from reel.engine.pixels.parity import Parity
from reel.engine.stages.cadence import Cadence, factor_from_step
from reel.engine.stages.colourise import Colourise
from reel.engine.stages.interpolate import Interpolate, Padding, padding_for
from reel.engine.stages.upscale import Upscale, window_indices
from reel.errors import ReelError
from reel.models.dain import DAIN
from reel.models.deoldify import DEOLDIFY
from reel.models.edvr import EDVR_M


class Blend:
    """A stand-in for DAIN: the frame at t is the weighted mean. Counts what is run."""

    network = DAIN

    def __init__(self):
        self.runs = []

    def run(self, graph, **inputs):
        self.runs.append(graph)
        if graph == "features":
            assert all(side % 64 == 0 for side in inputs["frame"].shape[2:])
            return tuple(inputs["frame"].mean(keepdims=True) for _ in DAIN.graph("features").outputs)
        if graph == "flow":
            return inputs["a_level2"], inputs["b_level2"]
        if graph == "rectify":
            return (inputs["moved"][:, :3],)
        t = inputs["t"].reshape(1, 1, 1, 1)
        blend = (1 - t) * inputs["a"] + t * inputs["b"]
        return (np.concatenate([blend, blend, blend, blend, blend], axis=1)[:, :13],)


class Mean:
    """A stand-in for EDVR: the mean brightness of the window's frames, in four times the size."""

    network = EDVR_M

    def __init__(self):
        self.runs = []
        self.windows = []

    def run(self, graph, **inputs):
        self.runs.append(graph)
        if graph == "pyramid":
            return (inputs["frame"],) * 3
        if graph == "align":
            return inputs["level1"], np.zeros(1, np.float32)
        if graph == "fusion":
            self.windows.append([float(inputs[f"aligned_{i}"].mean()) for i in range(5)])
        if graph in ("fusion", "rebuild"):
            return (next(iter(inputs.values())),)
        return (inputs["centre"].repeat(4, axis=2).repeat(4, axis=3),)


def film(values, *, cuts=(0,), size=(6, 10), rate=Fraction(25), times=None):
    """Flat frames of the given brightness."""
    for index, value in enumerate(values):
        pixels = np.full((1, 3, *size), value, np.float32)
        time = index / rate if times is None else times[index]
        following = (index + 1) / rate if times is None else times[index + 1]
        yield Frame(pixels, time, following - time, index, cut=index in cuts)


def values_of(frames):
    return [round(float(frame.pixels.mean()), 4) for frame in frames]


def interpolated(values, *, factor=2, remove_duplicates=False, **options):
    stage_options = {key: options.pop(key) for key in ("parity", "since") if key in options}
    cadence = options.pop("cadence", Cadence(factor=Fraction(factor)))
    network = Blend()
    frames = mark_held(film(values, **options)) if remove_duplicates else film(values, **options)
    return list(Interpolate(network, cadence, **stage_options)(frames)), network


def test_every_interval_is_halved_and_the_last_frame_lasts_as_long_as_before():
    frames, _ = interpolated([0.0, 0.4, 0.8])
    assert values_of(frames) == [0.0, 0.2, 0.4, 0.6, 0.8, 0.8]
    assert [frame.time for frame in frames] == [Fraction(i, 50) for i in range(6)]
    assert sum(frame.duration for frame in frames) == Fraction(3, 25)


def test_nothing_is_blended_across_a_cut():
    frames, _ = interpolated([0.0, 0.2, 0.9, 1.0], cuts=(0, 2))
    assert values_of(frames) == [0.0, 0.1, 0.2, 0.2, 0.9, 0.95, 1.0, 1.0]
    assert [frame.cut for frame in frames] == [i in (0, 4) for i in range(8)]


def test_what_belongs_to_one_frame_or_one_pair_is_computed_once():
    _, network = interpolated([0.0, 0.4, 0.8], factor=4)
    assert network.runs.count("features") == 3
    assert network.runs.count("flow") == 2
    assert network.runs.count("warp") == network.runs.count("rectify") == 6


def test_a_step_that_is_no_nth_gives_an_even_film():
    frames, _ = interpolated([0.0, 0.2, 0.4, 0.6], cadence=Cadence(factor=factor_from_step("0.4")))
    assert [frame.time * 25 for frame in frames] == [Fraction(2, 5) * i for i in range(10)]
    assert values_of(frames)[:8] == [0.0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.48, 0.56]


@pytest.mark.parametrize(
    ("step", "factor"),
    [("0.5", 2), ("0.25", 4), ("0.33", 3), ("0.333", 3), ("0.167", 6), ("0.4", Fraction(5, 2)), ("1/3", 3)],
)
def test_a_time_step_is_taken_exactly(step, factor):
    assert factor_from_step(step) == factor


@pytest.mark.parametrize("step", ["0", "1", "-0.5", "1.5", "half", "", "nan"])
def test_an_impossible_time_step_is_refused(step):
    with pytest.raises(ReelError, match="not a time step"):
        factor_from_step(step)


def test_any_rate_lays_an_even_grid_over_the_film():
    frames, _ = interpolated([0.0, 0.3, 0.6], cadence=Cadence(rate=Fraction(30)))
    assert [frame.time for frame in frames] == [Fraction(i, 30) for i in range(4)]
    assert values_of(frames) == [0.0, 0.25, 0.5, 0.6]


def test_a_shot_whose_first_frame_is_left_out_still_begins_with_a_cut():
    frames, _ = interpolated([0.0, 0.3, 0.6, 0.9], cuts=(0, 2), cadence=Cadence(rate=Fraction(30)))
    assert [(frame.time * 30, frame.cut) for frame in frames if frame.cut] == [(0, True), (3, True)]
    assert values_of(frames)[2:4] == [0.3, pytest.approx(0.75)]


def test_a_shot_whose_first_frames_make_none_still_begins_with_a_cut():
    frames, _ = interpolated([0.1, 0.8, 0.9, 1.0], cuts=(0, 1), cadence=Cadence(rate=Fraction(25, 2)))
    assert [(value, frame.cut) for value, frame in zip(values_of(frames), frames, strict=True)] == [
        (0.1, True),
        (0.9, True),
    ]


def test_a_lower_rate_leaves_frames_out():
    frames, network = interpolated([0.0, 0.1, 0.2, 0.3], cadence=Cadence(rate=Fraction(25, 2)))
    assert values_of(frames) == [0.0, 0.2]
    assert network.runs == []


def test_a_variable_rate_stays_variable():
    times = [Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1)]
    frames, _ = interpolated([0.0, 0.4, 0.8], times=times)
    assert [frame.time for frame in frames] == [
        Fraction(0),
        Fraction(1, 20),
        Fraction(1, 10),
        Fraction(3, 10),
        Fraction(1, 2),
        Fraction(3, 4),
    ]


def test_repeated_frames_are_interpolated_over_only_where_asked():
    printed_twice = [0.0, 0.0, 0.4, 0.4, 0.8]
    frames, _ = interpolated(printed_twice, factor=1, remove_duplicates=True)
    assert values_of(frames) == [0.0, 0.2, 0.4, 0.6, 0.8]
    frames, _ = interpolated(printed_twice, factor=1)
    assert values_of(frames) == printed_twice


def test_a_long_still_stays_still():
    frames, _ = interpolated([0.5] * 30 + [0.9], factor=1, remove_duplicates=True)
    assert values_of(frames)[:20] == [0.5] * 20


def test_between_equal_frames_nothing_is_computed():
    frames, network = interpolated([0.5, 0.5, 0.5, 0.7])
    assert values_of(frames) == [0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.7]
    assert network.runs.count("rectify") == 1
    _, network = interpolated([0.5, 0.5, 0.5, 0.7], parity=Parity.PPGAN)
    assert network.runs.count("rectify") == 3


def test_a_single_frame_is_held():
    frames, network = interpolated([0.5])
    assert values_of(frames) == [0.5, 0.5]
    assert network.runs == []


def test_paddlegans_film_ends_with_its_last_frame():
    frames, _ = interpolated([0.0, 0.4, 0.8], parity=Parity.PPGAN)
    assert len(frames) == 5


def test_the_rate_and_time_base_of_an_interpolated_film_are_exact():
    before = Format(8, 8, rate=Fraction(30000, 1001), time_base=Fraction(1001, 30000), frames=10)
    after = Cadence(factor=Fraction(2)).output_format(before)
    assert (after.rate, after.time_base, after.frames) == (Fraction(60000, 1001), Fraction(1001, 60000), 20)
    after = Cadence(rate=Fraction(24)).output_format(before)
    assert before.time_base % after.time_base == 0
    assert Fraction(1, 24) % after.time_base == 0


@pytest.mark.parametrize(
    ("size", "parity", "expected"),
    [
        ((128, 192), Parity.CORRECT, Padding(0, 0, 0, 0)),
        ((100, 130), Parity.CORRECT, Padding(14, 14, 31, 31)),
        ((121, 65), Parity.CORRECT, Padding(3, 4, 31, 32)),
        ((128, 256), Parity.PPGAN, Padding(32, 32, 32, 32)),
        ((100, 129), Parity.PPGAN, Padding(14, 14, 63, 64)),
    ],
)
def test_frames_are_padded_around_their_centre(size, parity, expected):
    padding = padding_for(*size, 64, parity)
    assert padding == expected
    picture = np.random.default_rng(0).random((1, 3, *size), np.float32)
    padded = HostOperations().padded(picture, **asdict(padding))
    place = {"top": padding.top, "left": padding.left, "height": size[0], "width": size[1]}
    np.testing.assert_array_equal(HostOperations().finished(padded, **place), picture)


def windows(count):
    return [window_indices(i, count) for i in range(count)]


def test_the_border_rule_is_paddlegans():
    assert windows(6) == [
        [4, 3, 0, 1, 2],
        [4, 0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5, 1],
        [3, 4, 5, 2, 1],
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_short_shot_repeats_its_outermost_frames(count):
    for index, window in enumerate(windows(count)):
        assert window == [min(max(i, 0), count - 1) for i in range(index - 2, index + 3)]


@pytest.mark.parametrize("lengths", [[7], [5], [1], [3, 8], [6, 1, 2, 5]])
def test_no_window_leaves_its_shot_and_every_pyramid_is_computed_once(lengths):
    shots = np.cumsum([0, *lengths])
    values = [round(0.1 + 0.8 * i / shots[-1], 3) for i in range(shots[-1])]
    network = Mean()
    frames = list(Upscale(network)(film(values, cuts=tuple(shots[:-1]), size=(8, 12))))
    assert values_of(frames) == pytest.approx(values, abs=1e-3)
    expected = [
        [values[first + i] for i in window]
        for first, length in zip(shots, lengths, strict=False)
        for window in windows(length)
    ]
    np.testing.assert_allclose(network.windows, expected, atol=1e-6)
    assert network.runs.count("pyramid") == len(values)


def test_frames_of_any_size_are_enlarged_four_times():
    frames = list(Upscale(Mean())(film([0.5] * 5, size=(7, 13))))
    assert {frame.pixels.shape for frame in frames} == {(1, 3, 28, 52)}


class Tint:
    """A stand-in for DeOldify: adds red to whatever it is shown, and keeps what it was shown."""

    network = DEOLDIFY

    def run(self, graph, **inputs):
        self.picture = inputs["picture"]
        return (self.picture + np.array([1.0, 0.0, 0.0], np.float32).reshape(1, 3, 1, 1),)


def test_a_colouriser_sees_a_grey_square_and_leaves_luma_alone():
    network = Tint()
    rng = np.random.default_rng(0)
    frame = Frame(rng.random((1, 3, 20, 50), np.float32) * 0.5 + 0.2, Fraction(0), Fraction(1), cut=True)
    (coloured,) = Colourise(network, render_factor=2)(iter([frame]))
    assert network.picture.shape == (1, 3, 32, 32)
    shown = network.picture * np.reshape([0.229, 0.224, 0.225], (1, 3, 1, 1))
    shown += np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))
    assert np.ptp(shown, axis=1).max() < 1e-5, "the network was shown colour"
    weights = np.reshape([0.299, 0.587, 0.114], (1, 3, 1, 1))
    assert shown.mean() == pytest.approx(float((frame.pixels * weights).sum(axis=1).mean()), abs=0.01)
    before, after = ((pixels * weights).sum(axis=1) for pixels in (frame.pixels, coloured.pixels))
    np.testing.assert_allclose(after, before, atol=1e-3)
    assert (coloured.pixels[:, 0] > coloured.pixels[:, 1]).all()
    assert (coloured.time, coloured.cut) == (frame.time, True)
