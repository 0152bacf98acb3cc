"""The graphs for pictures: what they are made of, and how they come into the store."""

import numpy as np
import pytest
from reel.errors import ExportError
from reel.models.pictures import FROM_RGB, PICTURES, TO_RGB
from reel.models.store import Store

onnx = pytest.importorskip("onnx", reason="needs onnx to make graphs")

from reel.export import pictures as exporting  # noqa: E402 - needs onnx
from reel.tests.tensorrt_operators import problems, problems_in_8_6  # noqa: E402 - needs onnx

GRAPHS = [(graph, precision) for graph in PICTURES.graphs for precision in ("fp32", "fp16")]


def name_of(value):
    return value if isinstance(value, str) else value.name


def type_of(value):
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name


@pytest.fixture(scope="module")
def models():
    """Every graph in every precision."""
    build = exporting.builders()
    return {
        (graph.name, precision): onnx.shape_inference.infer_shapes(build[graph.name](precision))
        for graph, precision in GRAPHS
    }


def test_every_graph_is_built_and_no_other():
    assert list(exporting.builders()) == [graph.name for graph in PICTURES.graphs]


@pytest.mark.parametrize(("graph", "precision"), GRAPHS, ids=name_of)
def test_a_graph_takes_and_gives_what_its_facts_say(graph, precision, models):
    model = models[graph.name, precision]
    for values, tensors in ((model.graph.input, graph.inputs), (model.graph.output, graph.outputs)):
        assert [value.name for value in values] == [tensor.name for tensor in tensors]
        assert [type_of(value) for value in values] == [tensor.dtype(precision) for tensor in tensors]
        for value, tensor in zip(values, tensors, strict=True):
            sides = value.type.tensor_type.shape.dim
            assert tuple(side.dim_param or side.dim_value for side in sides) == tensor.shape


@pytest.mark.parametrize(("graph", "precision"), GRAPHS, ids=name_of)
def test_a_graph_has_only_what_tensorrts_parser_documents(graph, precision, models):
    model = models[graph.name, precision]
    assert problems(model) == []
    assert problems_in_8_6(model) == []


@pytest.mark.parametrize(("graph", "precision"), GRAPHS, ids=name_of)
def test_bytes_are_only_what_a_graph_takes_and_gives(graph, precision, models):
    """In between TensorRT has none, and no whole numbers of 16 bits anywhere."""
    model = models[graph.name, precision]
    types = {type_of(value) for value in model.graph.value_info}
    assert types <= {"float32", "float16", "int64", "bool"}


@pytest.mark.parametrize("graph", PICTURES.graphs, ids=name_of)
def test_the_shapes_of_what_a_graph_gives_follow_from_what_it_is_given(graph):
    """Whoever makes room for it on a device must know them before the graph runs."""
    given = {side for tensor in graph.inputs for side in tensor.shape}
    assert {side for tensor in graph.outputs for side in tensor.shape if isinstance(side, str)} <= given
    assert all(isinstance(side, int) or len(side) == 1 for side in given)


@pytest.mark.parametrize(("graph", "precision"), GRAPHS, ids=name_of)
def test_only_resizing_multiplies_matrices_and_every_input_is_used(graph, precision, models):
    """A GPU may compute products of matrices and convolutions in TF32, which has eleven bits."""
    model = models[graph.name, precision]
    kinds = {node.op_type for node in model.graph.node}
    assert ("MatMul" in kinds) == (graph.name in ("look", "merge", "resize", "thumbnail"))
    assert not kinds & {"Conv", "ConvTranspose", "Gemm", "Resize"}
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in graph.inputs} <= used


def test_the_numbers_are_those_that_the_engine_has():
    """In this order; the last two of emit depend on the size of a picture."""
    from dataclasses import fields

    from reel.engine.pixels.coding import FromRgb, ToRgb

    assert tuple(field.name for field in fields(ToRgb)) == TO_RGB
    assert (*(field.name for field in fields(FromRgb)), "single_column", "single_row") == FROM_RGB


def test_the_graphs_are_put_into_the_store_once_for_each_precision(tmp_path):
    store = Store(tmp_path)
    first = {
        precision: exporting.export_pictures(store, precision=precision) for precision in ("fp32", "fp16")
    }
    for precision, artifact in first.items():
        assert store.find(PICTURES, precision=precision) == artifact
        assert store.damage(artifact) is None
        assert exporting.export_pictures(store, precision=precision) == artifact
    assert first["fp32"].folder != first["fp16"].folder


def test_damaged_graphs_are_made_again(tmp_path):
    store = Store(tmp_path)
    artifact = exporting.export_pictures(store)
    whole = artifact.path("place").read_bytes()
    artifact.path("place").write_bytes(whole[:-1])
    assert store.damage(artifact) is not None
    again = exporting.export_pictures(store)
    assert store.damage(again) is None
    assert again.path("place").read_bytes() == whole


def test_graphs_that_are_made_otherwise_take_the_place_of_older_ones(tmp_path, monkeypatch):
    store = Store(tmp_path)
    older = exporting.export_pictures(store)
    build = exporting.builders()
    monkeypatch.setattr(exporting, "builders", lambda: build | {"place": build["finish"]})
    newer = exporting.export_pictures(store)
    assert newer.folder != older.folder
    assert store.artifacts(PICTURES) == [newer]


def test_graphs_that_do_not_give_back_what_they_are_given_are_not_stored(tmp_path, monkeypatch):
    build = exporting.builders()
    monkeypatch.setattr(exporting, "builders", lambda: build | {"emit-420": build["emit-420-between"]})
    with pytest.raises(ExportError, match=r"do not give back .*\(420\)"):
        exporting.export_pictures(Store(tmp_path))
    assert Store(tmp_path).artifacts(PICTURES) == []


def test_the_command_puts_them_beside_the_networks_in_each_precision(tmp_path, monkeypatch, capsys):
    from reel.cli.export import main
    from reel.export import exporter

    monkeypatch.setattr(exporter, "export_each", lambda *given, **options: ())
    monkeypatch.setattr(exporter, "library_versions", dict)
    assert main(["edvr-m", "--rehearsal", "--precision", "both", "--store", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for precision in ("fp32", "fp16"):
        assert str(Store(tmp_path).find(PICTURES, precision=precision).folder) in said
