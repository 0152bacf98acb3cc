"""What becomes float16 in a graph and what does not, and a run on the CPU that rounds as the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import ExportError
from reel.models.spec import Graph, Tensor

onnx = pytest.importorskip("onnx", reason="needs the libraries of the extra `export`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
half = pytest.importorskip("reel.export.half")
kept = pytest.importorskip("reel.export.half_kept")
rounding = pytest.importorskip("reel.export.half_rounded")

FULL, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
PICTURE, FLOW = Tensor("picture", (1, 3, "H", "W")), Tensor("flow", (1, 2, "H", "W"), exact=True)


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), name=outputs, **attributes)


def made(graph: Graph, nodes: list[Any], *, opset: int = 17, **constants: np.ndarray) -> Any:
    """A float32 model of a graph."""
    values = [
        [onnx.helper.make_tensor_value_info(tensor.name, FULL, tensor.shape) for tensor in tensors]
        for tensors in (graph.inputs, graph.outputs)
    ]
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = onnx.helper.make_graph(nodes, graph.name, *values, weights)
    model = onnx.helper.make_model(model, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def converted(model: Any, graph: Graph, folder: Path) -> Any:
    onnx.save(model, str(folder / "full.onnx"))
    half.half_from_full(folder / "full.onnx", graph, folder / "half.onnx")
    return onnx.load(str(folder / "half.onnx"))


def types(model: Any) -> dict[str, int]:
    return kept.tensor_types(model)


def read_as(model: Any, operator: str) -> list[int]:
    """The types of all floating inputs of the nodes of a kind."""
    known = types(model)
    names = [name for node in model.graph.node if node.op_type == operator for name in node.input]
    return [known[name] for name in names if known.get(name) in (FULL, HALF)]


def run(model: Any, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def weights(channels: int, inputs: int = 3, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, inputs, 3, 3)).astype(np.float32)


def conv(inputs: str, output: str) -> Any:
    return node("Conv", inputs, output, pads=[1, 1, 1, 1])


WARP = Graph("warp", (PICTURE, FLOW), (Tensor("warped", (1, 8, "H", "W")),), 0)


def warp() -> Any:
    """A picture read where a flow points, and a convolution of it."""
    nodes = [
        node("Shape", "flow", "size"),
        node("Cast", "size", "extent", to=FULL),
        node("Slice", "extent two four", "sides"),
        node("Reshape", "sides as_motion", "sides_of_flow"),
        node("Div", "flow sides_of_flow", "share"),
        node("Mul", "share two_pixels", "grid"),
        node("Transpose", "grid", "place", perm=[0, 2, 3, 1]),
        node("GridSample", "picture place", "moved", align_corners=1),
        conv("moved weight", "warped"),
    ]
    constants: dict[str, Any] = {
        "two": np.array([2]),
        "four": np.array([4]),
        "as_motion": np.array([1, 2, 1, 1]),
        "two_pixels": np.array(2.0, np.float32),
        "weight": weights(8),
    }
    return made(WARP, nodes, **constants)


def test_pictures_and_weights_are_float16_and_motion_is_not(tmp_path: Path) -> None:
    model = converted(warp(), WARP, tmp_path)
    known = types(model)
    assert (known["picture"], known["flow"], known["warped"]) == (HALF, FULL, HALF)
    assert read_as(model, "Conv") == [HALF, HALF]
    assert "weight" not in {constant.name for constant in model.graph.initializer}
    assert model.opset_import[0].version == 17


def test_all_that_a_place_is_computed_from_stays_float32_without_a_rounding_between(tmp_path: Path) -> None:
    model = converted(warp(), WARP, tmp_path)
    for operator in ("Div", "Mul", "Transpose", "GridSample"):
        assert set(read_as(model, operator)) == {FULL}
    casts = [node.output[0] for node in model.graph.node if node.op_type == "Cast"]
    assert casts == ["extent", "picture.full", "moved.half"]
    (whole_numbers,) = [node for node in model.graph.node if node.output[0] == "extent"]
    assert whole_numbers.attribute[0].i == FULL  # of sizes, which float16 would count by twos from 2048 on


def test_a_motion_out_of_a_narrow_convolution_is_float32_and_features_are_not(tmp_path: Path) -> None:
    graph = Graph("motion", (PICTURE,), (Tensor("floor", (1, 2, "H", "W"), exact=True),), 0)
    nodes = [
        conv("picture wide", "features"),
        node("LeakyRelu", "features", "active"),
        conv("active narrow", "flow"),
        node("ConvTranspose", "flow up", "finer"),
        node("Floor", "finer", "floor"),
    ]
    up = np.random.default_rng(1).standard_normal((2, 2, 1, 1)).astype(np.float32)
    model = made(graph, nodes, wide=weights(16), narrow=weights(2, 16), up=up)
    known = types(converted(model, graph, tmp_path))
    assert [known[name] for name in ("features", "active")] == [HALF, HALF]
    assert [known[name] for name in ("active.full", "flow", "finer", "floor")] == [FULL] * 4


def test_offsets_of_many_channels_come_out_of_float16_and_are_read_in_float32(tmp_path: Path) -> None:
    # A deformable convolution's own kernels may compute places in the type that they are given.
    graph = Graph("align", (PICTURE,), (Tensor("read", (1, 4, "H", "W")),), 0)
    nodes = [
        conv("picture about", "offset"),
        node("DeformConv", "picture weight offset", "read", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
    ]
    model = made(graph, nodes, opset=19, about=weights(18), weight=weights(4))
    found = converted(model, graph, tmp_path)
    assert read_as(found, "DeformConv") == [FULL] * 3
    assert read_as(found, "Conv") == [HALF] * 2
    assert found.opset_import[0].version == 19


def test_a_tensor_is_cast_once_however_many_read_it(tmp_path: Path) -> None:
    graph = Graph("many", (PICTURE,), (Tensor("sum", (1, 3, "H", "W")),), 0)
    nodes = [
        node("Exp", "picture", "first"),
        node("Softmax", "picture", "second", axis=1),
        conv("first weight", "a"),
        conv("first weight", "b"),
        node("Add", "a b", "both"),
        node("Mul", "both second", "sum"),
    ]
    model = converted(made(graph, nodes, weight=weights(3)), graph, tmp_path)
    casts = [node.output[0] for node in model.graph.node if node.op_type == "Cast"]
    assert casts == ["picture.full", "first.half", "second.half"]
    assert [constant.name for constant in model.graph.initializer] == ["weight.half"]


def test_a_constant_that_both_kinds_of_nodes_read_is_there_in_both_types(tmp_path: Path) -> None:
    graph = Graph("shared", (PICTURE, FLOW), (Tensor("sum", (1, 3, "H", "W")), FLOW_OUT), 0)
    nodes = [node("Mul", "picture third", "sum"), node("Mul", "flow third", "moved")]
    model = converted(made(graph, nodes, third=np.array(1 / 3, np.float32)), graph, tmp_path)
    held = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    assert held == {"third": np.float32(1 / 3), "third.half": np.float16(1 / 3)}
    assert held["third"].dtype == np.float32


FLOW_OUT = Tensor("moved", (1, 2, "H", "W"), exact=True)


def test_the_scales_of_a_resize_stay_float32_as_onnx_has_them(tmp_path: Path) -> None:
    graph = Graph("double", (PICTURE,), (Tensor("larger", (1, 3, "2*H", "2*W")),), 0)
    nodes = [onnx.helper.make_node("Resize", ["picture", "", "scales"], ["larger"], mode="linear")]
    model = made(graph, nodes, scales=np.array([1, 1, 2, 2], np.float32))
    assert read_as(converted(model, graph, tmp_path), "Resize") == [HALF, FULL]


def test_products_that_are_summed_up_are_float32(tmp_path: Path) -> None:
    graph = Graph(
        "cost", (PICTURE, Tensor("other", (1, 3, "H", "W"))), (Tensor("mean", (1, 1, "H", "W")),), 0
    )
    nodes = [
        node("Mul", "picture other", "product"),
        node("ReduceMean", "product", "mean", axes=[1]),
    ]
    large = np.full((1, 3, 2, 2), 400, np.float16)  # whose product float16 does not hold, but its inputs
    model = converted(made(graph, nodes), graph, tmp_path)
    assert read_as(model, "Mul") == [FULL, FULL]
    assert read_as(model, "ReduceMean") == [FULL]
    assert run(model, picture=large, other=large / 4)[0][0, 0, 0, 0] == 40000


def test_an_output_that_is_read_inside_as_well_has_the_type_of_the_facts(tmp_path: Path) -> None:
    outputs = (Tensor("soft", (1, 3, "H", "W")), Tensor("moved", (1, 3, "H", "W"), exact=True))
    graph = Graph("outputs", (PICTURE,), outputs, 0)
    nodes = [node("Softmax", "picture", "soft", axis=1), node("Relu", "soft", "moved")]
    model = converted(made(graph, nodes), graph, tmp_path)
    assert [value.type.tensor_type.elem_type for value in model.graph.output] == [HALF, FULL]
    soft, moved = run(model, picture=np.ones((1, 3, 1, 1), np.float16))
    assert (soft.dtype, moved.dtype) == (np.float16, np.float32)
    assert moved.ravel() == pytest.approx([1 / 3] * 3, abs=2e-4)


def test_a_weight_beyond_float16_is_refused(tmp_path: Path) -> None:
    graph = Graph("large", (PICTURE,), (Tensor("out", (1, 3, "H", "W")),), 0)
    for bad in (70000.0, np.inf, np.nan):
        weight = weights(3)
        weight[1, 2, 0, 0] = bad
        with pytest.raises(ExportError, match="too large for float16") as caught:
            converted(made(graph, [conv("picture weight", "out")], weight=weight), graph, tmp_path)
        assert "--precision fp32" in caught.value.remedy


CHAIN = Graph("chain", (PICTURE,), (Tensor("out", (1, 3, "H", "W")),), 0)


def chain(scale: float, offset: float) -> Any:
    """Two convolutions of one pixel: times a scale and an offset more, and back."""
    eye = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    nodes = [node("Conv", "picture w1 b1", "between"), node("Conv", "between w2 b2", "out")]
    b1 = np.full(3, offset, np.float32)
    return made(CHAIN, nodes, w1=eye * scale, b1=b1, w2=eye / scale, b2=-b1 / scale)


def test_a_run_rounds_between_two_nodes_which_onnx_runtime_alone_does_not(tmp_path: Path) -> None:
    model = converted(chain(1.0, 1.0), CHAIN, tmp_path)
    faint = np.full((1, 3, 1, 1), 1e-4, np.float16)  # less than float16 can add to one
    *simulated, largest = run(rounding.rounded(model), picture=faint)
    assert np.array_equal(simulated[0], np.zeros_like(faint))
    assert simulated[0].dtype == np.float16
    assert largest == pytest.approx(1.0001)
    # What makes the simulation necessary; where this fails, it may be possible without.
    assert run(model, picture=faint)[0].ravel() == pytest.approx([1e-4] * 3, rel=1e-2)


def test_a_run_overflows_where_float16_does(tmp_path: Path) -> None:
    model = converted(chain(1000.0, 0.0), CHAIN, tmp_path)
    inside = np.full((1, 3, 1, 1), 65, np.float16)
    *simulated, largest = run(rounding.rounded(model), picture=inside)
    assert simulated[0].ravel() == pytest.approx([65] * 3, rel=1e-3)
    assert largest == pytest.approx(65000)
    *simulated, largest = run(rounding.rounded(model), picture=inside + 1)
    assert not np.isfinite(simulated[0]).any()
    assert not largest <= 65504
    assert np.isfinite(run(model, picture=inside + 1)[0]).all()  # ONNX Runtime alone hides it


def test_a_graph_without_any_float16_is_run_as_it_is(tmp_path: Path) -> None:
    graph = Graph("exact", (FLOW,), (FLOW_OUT,), 0)
    model = converted(made(graph, [node("Exp", "flow", "moved")]), graph, tmp_path)
    flow = np.full((1, 2, 1, 1), 0.1, np.float32)
    moved, largest = run(rounding.rounded(model), flow=flow)
    assert np.array_equal(moved, run(model, flow=flow)[0])
    assert largest == 0
