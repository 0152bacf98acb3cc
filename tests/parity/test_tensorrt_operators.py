"""Every exported graph, in every precision, is one that TensorRT's parser documents that it takes."""

from __future__ import annotations

import pytest
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
