"""Frames in parts: every pixel once, no part larger than allowed, and the same result as of the whole."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.networks.tiles import in_tiles, size_of, spans, tiles
from reel.errors import OutOfMemoryError
from reel.models.edvr import EDVR_M
from reel.models.spec import Graph, Tensor, Tiling

SIZES = [(48, 64), (61, 200), (480, 640), (33, 1000)]
RADIUS = 5

BLUR = Graph(
    "blur",
    (Tensor("frame", (1, 3, "H", "W")), Tensor("half", (1, 2, "H/2", "W/2")), Tensor("t", (1,))),
    (Tensor("large", (1, 3, "4*H", "4*W")), Tensor("same", ("H", "W", 2)), Tensor("far", (1,))),
    memory=100,
    tiling=Tiling(RADIUS, 2),
)


def spread(x):
    """Sums over squares that reach RADIUS pixels to each side, zeros outside."""
    for axis in (2, 3):
        pads = [(RADIUS, RADIUS) if a == axis else (0, 0) for a in range(4)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, pads), 2 * RADIUS + 1, axis)
        x = windows.sum(-1)
    return x


def blurred(frame, half, t):
    large = (spread(frame) + t).repeat(4, axis=2).repeat(4, axis=3)
    same = half.repeat(2, axis=2).repeat(2, axis=3)[0].transpose(1, 2, 0)
    return large, same, frame.max(keepdims=True)[0, 0, 0]


def whole_numbers(height, width):
    """Inputs of the blur whose sums are exact in any order."""
    rng = np.random.default_rng(2)
    frame = rng.integers(0, 99, (1, 3, height, width)).astype(np.float32)
    frame[0, 0, 0, 0] = 999
    half = rng.integers(0, 99, (1, 2, height // 2, width // 2)).astype(np.float32)
    return {"frame": frame, "half": half, "t": np.ones(1, np.float32)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tiling", [Tiling(0, 1), Tiling(10, 2), Tiling(29, 4), Tiling(20, 64)])
def test_parts_give_every_pixel_once_and_keep_to_their_multiple(size, tiling):
    given = np.zeros(size, int)
    for tile in tiles(*size, tiling, 9_000):
        given[tile.rows.begin : tile.rows.end, tile.columns.begin : tile.columns.end] += 1
        for span, length in zip((tile.rows, tile.columns), size, strict=True):
            assert span.begin % tiling.multiple == span.first % tiling.multiple == 0
            assert all(end % tiling.multiple == 0 or end == length for end in (span.end, span.last))
            assert span.begin - span.first >= tiling.overlap or span.first == 0
            assert span.last - span.end >= tiling.overlap or span.last == length
    assert (given == 1).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [12_000, 40_000, 10**6])
def test_no_part_reads_more_than_allowed_and_parts_are_nearly_equal(size, pixels):
    parts = tiles(*size, Tiling(10, 4), pixels)
    assert max(part.read for part in parts) <= pixels
    assert (len(parts) == 1) == (size[0] * size[1] <= pixels)
    for sides in ({part.rows for part in parts}, {part.columns for part in parts}):
        lengths = [side.end - side.begin for side in sides]
        assert max(lengths) - min(lengths) <= 4 + 3  # a multiple, and what the side has beyond one


def test_the_cheapest_parts_are_taken():
    overlapping = sum(part.read for part in tiles(480, 640, Tiling(40, 4), 100_000)) / (480 * 640)
    across = sum(span.read for span in spans(640, 5, Tiling(40, 4))) / 640
    assert overlapping < across


def test_where_nothing_fits_the_smallest_parts_are_given():
    assert min(tile.rows.end - tile.rows.begin for tile in tiles(480, 640, Tiling(40, 4), 10)) == 32


@pytest.mark.parametrize("size", [(96, 128), (62, 200)])
def test_in_parts_a_graph_gives_what_it_gives_of_the_whole(size):
    inputs = whole_numbers(*size)
    parts = tiles(*size, BLUR.tiling, 3_000)
    assert len(parts) > 3
    seen = []

    def run(**given):
        seen.append(given["frame"].shape[2] * given["frame"].shape[3])
        return blurred(**given)

    for found, expected in zip(in_tiles(run, BLUR, inputs, parts), blurred(**inputs), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert max(seen) <= 3_000


def test_with_less_overlap_a_graph_would_not():
    inputs = whole_numbers(48, 64)
    found = in_tiles(blurred, BLUR, inputs, tiles(48, 64, Tiling(RADIUS - 2, 2), 2_000))
    assert (found[0] != blurred(**inputs)[0]).any()


def test_the_size_of_the_frame_is_told_by_any_input():
    inputs = whole_numbers(48, 64)
    assert size_of(BLUR, inputs) == (48, 64)
    assert size_of(replace(BLUR, inputs=BLUR.inputs[1:]), inputs) == (48, 64)
    assert size_of(replace(BLUR, inputs=BLUR.inputs[2:]), inputs) is None


class Blurring:
    """A backend whose only graph blurs; it fails above so many pixels, and looks as far as it is told."""

    name = "blurring"

    def __init__(self, *, room=10**9, far=0.0):
        self.room = room
        self.far = far
        self.seen = []

    def load(self, path, *, keep=False):
        del path
        return self

    def __call__(self, **inputs):
        self.seen.append(inputs["frame"].shape[2] * inputs["frame"].shape[3])
        if self.seen[-1] > self.room:
            raise OutOfMemoryError("There is not enough memory.", "Buy some.")
        large, same, _ = blurred(**inputs)
        return large, same, np.full(1, self.far, np.float32)

    def close(self):
        pass


class Anywhere:
    """An artifact that the backend above does not look at."""

    def path(self, graph):
        return graph


def loaded(backend, memory, *, reaches=False, part=None):
    graph = replace(BLUR, tiling=replace(BLUR.tiling, reaches=reaches), part=part)
    network = replace(EDVR_M, name="blur", graphs=(graph,), held=10)
    return LoadedNetwork(network, Anywhere(), backend, memory=memory)


PIXELS = 62 * 200


@pytest.mark.parametrize("memory", [None, 110 * PIXELS])
def test_a_frame_for_which_there_is_memory_is_computed_whole(memory):
    backend = Blurring()
    with loaded(backend, memory) as network:
        network.run("blur", **whole_numbers(62, 200))
    assert backend.seen == [PIXELS]


def test_a_frame_for_which_there_is_too_little_memory_is_computed_in_parts():
    backend, inputs = Blurring(), whole_numbers(62, 200)
    with loaded(backend, 110 * PIXELS - 1) as network:
        found = network.run("blur", **inputs)
    assert len(backend.seen) > 1
    assert max(backend.seen) * 100 + 10 * PIXELS < 110 * PIXELS
    np.testing.assert_array_equal(found[0], blurred(**inputs)[0])


@pytest.mark.parametrize("memory", [None, 110 * PIXELS])
def test_no_part_is_larger_than_the_facts_want_it_however_much_memory_there_is(memory):
    backend, inputs = Blurring(), whole_numbers(62, 200)
    with loaded(backend, memory, part=4_000) as network:
        found = network.run("blur", **inputs)
    assert max(backend.seen) <= 4_000
    np.testing.assert_array_equal(found[0], blurred(**inputs)[0])


def test_when_memory_runs_out_half_of_it_is_tried_and_said(caplog):
    backend, inputs = Blurring(room=6_000), whole_numbers(62, 200)
    with loaded(backend, None) as network, caplog.at_level(logging.WARNING):
        found = network.run("blur", **inputs)
        network.run("blur", **inputs)
    assert backend.seen.count(PIXELS) == 1
    assert "Memory ran out" in caplog.text
    assert len(caplog.records) == 1
    np.testing.assert_array_equal(found[0], blurred(**inputs)[0])


def test_when_half_the_memory_is_not_there_either_the_run_ends():
    with loaded(Blurring(room=100), None) as network, pytest.raises(OutOfMemoryError):
        network.run("blur", **whole_numbers(62, 200))


def test_where_the_smallest_parts_are_too_large_it_is_said_once(caplog):
    with loaded(Blurring(), 10 * PIXELS + 5) as network, caplog.at_level(logging.WARNING):
        for _ in range(2):
            network.run("blur", **whole_numbers(62, 200))
    (said,) = caplog.records
    assert said.getMessage() == "blur needs more than 0.00012 GiB for frames of 200x62."


def test_a_graph_that_looks_further_than_parts_overlap_runs_again_with_more():
    backend = Blurring(far=20.0)
    with loaded(backend, 60 * PIXELS, reaches=True) as network:
        network.run("blur", **whole_numbers(62, 200))
        first = len(backend.seen)
        network.run("blur", **whole_numbers(62, 200))
    again = len(backend.seen) - first
    assert first > again  # once with too little, and once with enough; from then on with enough
    assert max(backend.seen[first:]) * 100 + 10 * PIXELS <= 60 * PIXELS


def test_a_graph_on_the_whole_frame_may_look_as_far_as_it_likes():
    backend = Blurring(far=20.0)
    with loaded(backend, None, reaches=True) as network:
        network.run("blur", **whole_numbers(62, 200))
    assert backend.seen == [PIXELS]
