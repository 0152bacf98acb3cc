"""Every exported graph, in every precision, is one that TensorRT's parser documents that it takes."""

from __future__ import annotations

import numpy as np
import pytest
from reel.models.frame_range import frame_ranges, input_ranges, shape_at
from reel.models.manifest import NETWORKS
from reel.models.spec import PRECISIONS

# 8.6 reads all others: deformable convolution and scattering are plugins of 10.0 and 10.1.
NOT_IN_8_6 = {("edvr", "align"), ("edvr-m", "align"), ("dain-depth", "motion")}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_every_graph_uses_only_what_the_parser_documents(network, store) -> None:
    pytest.importorskip("paddle", reason="needs PaddlePaddle, to export the networks")
    import onnx
    from reel.export import exporter
    from reel.tests.tensorrt_operators import problems, problems_in_8_6

    for exported in exporter.export_each(network, exporter.rehearsal(), store, PRECISIONS):
        for graph in network.graphs:
            model = onnx.load(str(exported.artifact.path(graph.name)))
            known = (network.name, graph.name) not in NOT_IN_8_6
            assert (problems_in_8_6(model) == []) == known, graph.name
            assert problems(model) == [], f"{graph.name}, {exported.artifact.card.precision}"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_graph_for_pictures_does_too(precision, tmp_path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx, to make the graphs")
    from reel.export.pictures import export_pictures
    from reel.models.pictures import PICTURES
    from reel.models.store import Store
    from reel.tests.tensorrt_operators import problems

    artifact = export_pictures(Store(tmp_path), precision=precision)
    for graph in PICTURES.graphs:
        assert problems(onnx.load(str(artifact.path(graph.name)))) == [], graph.name


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_every_graph_runs_on_the_smallest_frames_that_engines_are_built_for(network, loaded) -> None:
    """TensorRT tries the shapes at both ends of a range when it builds; the graph must make sense there."""
    smallest = {"place": np.array([8, 8, 0, 0, 0, 0], np.float32), "t": np.array([0.5], np.float32)}
    for graph in network.graphs:
        ranges = input_ranges(network, graph, frame_ranges(network)[0])
        shapes = {given.name: given.least for given in ranges}
        given = {name: smallest.get(name, np.full(shape, 0.25, np.float32)) for name, shape in shapes.items()}
        first = graph.inputs[0]
        side = next(side for side in range(1, 65) if shape_if_whole(first, side) == shapes[first.name])
        for tensor, output in zip(graph.outputs, loaded(network.name).run(graph.name, **given), strict=True):
            assert output.shape == shape_at(tensor, side, side), f"{graph.name}: {tensor.name}"


def shape_if_whole(tensor, side: int) -> tuple[int, ...] | None:
    """Return the shape of a tensor for a square frame; None where a side does not come out whole."""
    try:
        return shape_at(tensor, side, side)
    except ValueError:
        return None


@pytest.mark.parametrize("name", ["edvr-m", "edvr"])
@pytest.mark.parametrize("size", [(16, 24), (36, 20)], ids=str)
def test_alignment_without_deformable_convolution_gives_the_same(name, size, loaded, tmp_path) -> None:
    """What TensorRT 8.6 is given in place of EDVR's alignment."""
    import onnx
    from reel.engine.backends.cpu import CpuBackend
    from reel.export.deformable_by_sampling import without_deformable_convolution
    from reel.tests.tensorrt_operators import problems, problems_in_8_6

    network = loaded(name)
    model = onnx.load(str(network.artifact.path("align")))
    without_deformable_convolution(model)
    onnx.save(model, str(path := tmp_path / "align.onnx"))
    assert problems(model) + problems_in_8_6(model) == []
    rng = np.random.default_rng(3)
    graph = network.network.graph("align")
    shapes = {tensor.name: shape_at(tensor, *size) for tensor in graph.inputs}
    given = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    session = CpuBackend().load(path)
    for found, expected in zip(session(**given), network.run("align", **given), strict=True):
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)
    session.close()
