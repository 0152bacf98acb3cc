"""Every network in parts against the same network on the whole frame."""

import numpy as np
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.networks.tiles import Span, Tile, in_tiles, shape_of, spans, tiles
from reel.engine.stages.dain import Dain
from reel.engine.stages.dain_depth import DainDepth
from reel.engine.stages.edvr import Edvr
from reel.models.manifest import network_named
from reel.models.spec import Tiling

pytest.importorskip("paddle", reason="needs PaddlePaddle to export")
from reel.export.networks.examples import moving_pictures


@pytest.fixture
def limited(loaded):
    """Load a network once more, with so many bytes for each pixel of a frame beyond what is held."""

    def load(name, height, width, per_pixel):
        network = network_named(name)
        memory = (network.held + per_pixel) * height * width
        return LoadedNetwork(network, loaded(name).artifact, Counting(), memory=memory)

    return load


class Counting(CpuBackend):
    """The CPU, with a count of how often each graph ran."""

    def __init__(self):
        super().__init__()
        self.runs = {}

    def load(self, path, *, keep=False):
        return Counted(super().load(path, keep=keep), path.stem, self.runs)


class Counted:
    """A session that counts its runs."""

    def __init__(self, session, graph, runs):
        self.interrupt, self.close = session.interrupt, session.close
        self.session, self.graph, self.runs = session, graph, runs

    def __call__(self, **inputs):
        self.runs[self.graph] = self.runs.get(self.graph, 0) + 1
        return self.session(**inputs)


def test_edvr_in_parts_equals_edvr_on_the_whole(loaded, limited, measured):
    # Where it samples between pixels, places are rounded relative to the part: the last digit differs.
    height, width = 84, 132
    frames = moving_pictures(5, height, width, seed=3)
    whole, network = Edvr(loaded("edvr-m")), limited("edvr-m", height, width, 5_000)
    expected = whole.enlarged(frames[2], [whole.pyramid(frame) for frame in frames])
    with network:
        parts = Edvr(network)
        found = parts.enlarged(frames[2], [parts.pyramid(frame) for frame in frames])
        runs = network._backend.runs
    assert runs["align"] >= 10
    assert all(runs[graph] >= 2 for graph in ("fusion", "enlarge"))
    row = measured("edvr-m, in parts", f"{width}x{height}", expected, found, "L2 1e-6")
    assert row.relative_l2 <= 1e-6
    assert row.maximum <= 1e-5


def test_dain_in_parts_equals_dain_on_the_whole_to_the_bit(loaded, limited, measured):
    height, width = 128, 192
    a, b = moving_pictures(2, height, width, speed=(6.5, -3.25))
    whole, network = Dain(loaded("dain")), limited("dain", height, width, 400)
    expected = whole.between(whole.pair(whole.alone(a), whole.alone(b)), 0.4)
    with network:
        parts = Dain(network)
        found = parts.between(parts.pair(parts.alone(a), parts.alone(b)), 0.4)
        assert network._backend.runs["rectify"] >= 3
    assert measured("dain, in parts", f"{width}x{height}", expected, found, "max 0").maximum == 0


def test_dain_depth_in_parts_equals_dain_depth_on_the_whole(loaded, limited, measured):
    height, width = 128, 192
    a, b = moving_pictures(2, height, width, speed=(6.5, -3.25))
    whole, network = DainDepth(loaded("dain-depth")), limited("dain-depth", height, width, 2_000)
    expected = whole.between(whole.pair(whole.alone(a), whole.alone(b)), 0.4)
    with network:
        parts = DainDepth(network)
        found = parts.between(parts.pair(parts.alone(a), parts.alone(b)), 0.4)
        assert network._backend.runs["rectify"] >= 3
        assert network._backend.runs["context"] >= 6
    # The tiles of its Fourier transforms begin elsewhere: the last digit differs.
    row = measured("dain-depth, in parts", f"{width}x{height}", expected, found, "max 1e-6")
    assert row.maximum <= 1e-6


@pytest.mark.parametrize("speed", [0.5, 60.0])
def test_a_context_is_found_wherever_motion_points(speed, loaded, limited):
    height, width = 64, 128
    rng = np.random.default_rng(8)
    frame = rng.random((1, 3, height, width), np.float32)
    motion = (speed * rng.standard_normal((1, 2, height, width))).astype(np.float32)
    kernel = rng.random((1, 16, height, width), np.float32)
    whole = loaded("dain-depth")
    depth = rng.random((1, 1, height, width), np.float32)
    (context,) = whole.run("context", frame=frame, depth=depth)
    place = np.array([width, height, 0, 0, 0, 0], np.float32)
    (expected,) = whole.run("warp", context=context, motion=motion, kernel=kernel, place=place)
    with limited("dain-depth", height, width, 1_000) as network:
        parts = DainDepth(network)
        known = {"a": frame, "a_depth": depth}
        parts_of_result = tiles(height, width, Tiling(8, 8), 2_400)
        for tile in parts_of_result:
            rows = slice(tile.rows.first, tile.rows.last)
            columns = slice(tile.columns.first, tile.columns.last)
            given = {"a_motion": motion[:, :, rows, columns], "a_kernel": kernel[:, :, rows, columns]}
            given = {name: np.ascontiguousarray(value) for name, value in given.items()}
            found = parts._warped(known, given, "a", tile)
            np.testing.assert_array_equal(found, expected[:, :, rows, columns])
        runs = network._backend.runs["context"]
        assert runs > len(parts_of_result) if speed > 10 else runs == len(parts_of_result)


GRAPHS = [
    pytest.param(name, graph, id=f"{name}-{graph.name}")
    for name in ("edvr-m", "dain", "dain-depth", "dain-s", "edvr-s")
    for graph in network_named(name).graphs
    if graph.tiling
]


@pytest.mark.parametrize(("name", "graph"), GRAPHS)
def test_a_graph_needs_the_overlap_that_is_stated(name, graph, loaded):
    height, width = 96, 160
    rng = np.random.default_rng(9)
    frame = Tile(Span(0, height, 0, height), Span(0, width, 0, width))
    inputs = {tensor.name: rng.random(shape_of(tensor, frame), np.float32) for tensor in graph.inputs}

    def run(**given):
        return loaded(name).run(graph.name, **given)

    def difference(overlap):
        halves = [spans(width, 2, Tiling(overlap, graph.tiling.multiple)), spans(height, 1, Tiling(0, 1))]
        parts = tuple(Tile(rows, columns) for columns in halves[0] for rows in halves[1])
        outputs = zip(graph.outputs, in_tiles(run, graph, inputs, parts), expected, strict=True)
        maps = [(found, whole) for tensor, found, whole in outputs if len(tensor.shape) > 1]
        return max(np.abs(found - whole).max() / np.abs(whole).max() for found, whole in maps)

    expected = run(**inputs)
    # A graph that samples between pixels rounds their places relative to the part; Fourier transforms round.
    exact = 2e-5 if graph.tiling.reaches else 1e-6 if (name, graph.name) == ("dain-depth", "rectify") else 0.0
    assert difference(graph.tiling.overlap + (8 if graph.tiling.reaches else 0)) <= exact
    assert difference(graph.tiling.overlap // 2 - graph.tiling.multiple) > exact
