"""The sizes that graphs for pictures are built for."""

import numpy as np
import pytest
from reel.models.frame_range import FrameRange
from reel.models.picture_ranges import USUAL, picture_ranges
from reel.models.pictures import PICTURES

FRAMES = FrameRange(usual=(15, 23), most=(17, 31))


def name_of(graph):
    return graph.name


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Every graph, loaded."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make graphs")
    from reel.engine.backends.cpu import CpuBackend
    from reel.export.pictures import builders

    folder, backend = tmp_path_factory.mktemp("graphs"), CpuBackend(1)
    loaded = {}
    for name, build in builders().items():
        onnx.save(build("fp32"), str(folder / f"{name}.onnx"))
        loaded[name] = backend.load(folder / f"{name}.onnx")
    return loaded


@pytest.mark.parametrize("graph", PICTURES.graphs, ids=name_of)
def test_a_graph_runs_on_the_smallest_the_usual_and_the_largest_of_its_inputs(graph, sessions):
    ranges = picture_ranges(graph, FRAMES, scale=2)
    assert [one.name for one in ranges] == [tensor.name for tensor in graph.inputs]
    types = {tensor.name: tensor.dtype("fp32") for tensor in graph.inputs}
    for which in ("least", "usual", "most"):
        given = {one.name: np.zeros(getattr(one, which), types[one.name]) for one in ranges}
        outputs = sessions[graph.name](**given)
        known = {
            side: length
            for tensor in graph.inputs
            for side, length in zip(tensor.shape, given[tensor.name].shape, strict=True)
        }
        for tensor, output in zip(graph.outputs, outputs, strict=True):
            assert output.shape == tuple(known.get(side, side) for side in tensor.shape)


@pytest.mark.parametrize("graph", PICTURES.graphs, ids=name_of)
def test_pictures_of_the_film_and_enlarged_ones_are_covered(graph):
    for one in picture_ranges(graph, FRAMES, scale=4):
        assert one.covers(one.least)
        assert one.covers(one.usual)
        if one.name == "pixels":
            assert one.usual == (1, 3, 15, 23)
            assert one.most == (1, 3, 4 * 17, 4 * 31)
            assert not one.covers((1, 3, 4 * 17 + 1, 31))


def test_the_usual_graphs_are_some_of_them():
    assert {graph.name for graph in USUAL} < {graph.name for graph in PICTURES.graphs}
    assert {"ingest-420", "emit-420-deep", "merge"} <= {graph.name for graph in USUAL}
