"""The rules by which graphs are held to what TensorRT's parser documents notice what breaks them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from reel.tests.tensorrt_operators import problems, problems_in_8_6  # noqa: E402

FLOAT, HALF, INT32, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64
UINT8, UINT16 = TensorProto.UINT8, TensorProto.UINT16
PICTURE = [1, 4, 8, 8]


def model(nodes: list[Any], inputs: dict[str, Any], *, opset: int = 17, constants: Any = (), to: int = FLOAT):
    """A graph of nodes to one output ``out``; inputs are (type, shape)."""
    given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in dict(constants).items()]
    output = helper.make_tensor_value_info("out", to, None)
    graph = helper.make_graph(nodes, "g", given, [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(kind: str, inputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), ["out"], name="n", **attributes)


def sampled(mode: str = "bilinear", *, opset: int = 17, grid: int = FLOAT, shape: Any = None):
    shape = shape or PICTURE
    inputs = {"x": (FLOAT, shape), "grid": (grid, [1, *shape[2:], len(shape) - 2])}
    return model([node("GridSample", "x grid", mode=mode)], inputs, opset=opset)


def deformed(*, kinds: tuple[int, int] = (FLOAT, FLOAT), **attributes: Any):
    inputs = {
        "x": (kinds[0], PICTURE),
        "w": (kinds[0], [4, 4, 3, 3]),
        "offset": (kinds[1], [1, 36, 8, 8]),
    }
    attributes = {"pads": [1, 1, 1, 1], "offset_group": 2} | attributes
    given = {name: value for name, value in attributes.items() if value is not None}
    return model([node("DeformConv", "x w offset", **given)], inputs, opset=19, to=kinds[0])


def scattered(kind: int, reduction: str = "add"):
    inputs = {"x": (FLOAT, [9]), "i": (kind, [4]), "u": (FLOAT, [4])}
    return model([node("ScatterElements", "x i u", axis=0, reduction=reduction)], inputs, opset=18)


def resized(**attributes: Any):
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    resize = helper.make_node("Resize", ["x", "", "scales"], ["out"], name="n", **attributes)
    return model([resize], {"x": (FLOAT, PICTURE)}, constants=scales)


def unary(kind: str, of: int, **attributes: Any):
    return model([node(kind, "x", **attributes)], {"x": (of, PICTURE)}, to=of)


@pytest.mark.parametrize(
    "sound",
    [
        sampled(),
        sampled("nearest"),
        deformed(),
        deformed(kinds=(HALF, HALF)),
        scattered(INT64),
        scattered(INT32, "none"),
        resized(mode="linear", coordinate_transformation_mode="align_corners"),
        unary("MaxPool", HALF, kernel_shape=[2, 2]),
        unary("Abs", INT64),
        model([node("Cast", "x", to=FLOAT)], {"x": (UINT8, PICTURE)}),
    ],
    ids=lambda built: built.graph.node[0].op_type,
)
def test_what_the_parser_takes_is_no_problem(sound: Any) -> None:
    assert problems(sound) == []


TOO_DEEP = {"x": (FLOAT, [1] * 9)}
COMPUTED = [
    helper.make_node("Shape", ["x"], ["s"]),
    helper.make_node("Slice", ["s", "zero", "two"], ["t"]),
    helper.make_node("Concat", ["t", "t"], ["shape"], axis=0),
]
ENDS = {"zero": np.array([0]), "two": np.array([2])}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (sampled("linear", opset=20), "opset 20"),
        (sampled("linear", opset=20), "mode linear is taken for nearest"),
        (sampled(grid=HALF), "inputs of several types: float16, float32"),
        (sampled(shape=[1, 4, 8, 8, 8], opset=20), "5 axes"),
        (deformed(offset_group=None), "offset_group is not said"),
        (deformed(pads=[1, 1, 1, 0]), "pads [1, 1, 1, 0]"),
        (scattered(INT32), "indices of int32"),
        (unary("Bernoulli", FLOAT), "no such operator"),
        (unary("Sqrt", TensorProto.DOUBLE), "x is double"),
        (unary("Clip", INT32), "x is int32"),
        (unary("Identity", UINT8), "x is uint8"),
        (model([node("Cast", "x", to=FLOAT)], {"x": (UINT16, PICTURE)}), "x is uint16"),
        (model([node("Relu", "x")], TOO_DEEP), "has 9 axes"),
        (unary("MaxPool", FLOAT, kernel_shape=[2, 2], dilations=[2, 2]), "dilations [2, 2]"),
        (resized(mode="cubic"), "mode cubic"),
        (resized(coordinate_transformation_mode="half_pixel_symmetric"), "half_pixel_symmetric"),
        (
            model([node("ReduceSum", "x axes")], {"x": (FLOAT, PICTURE), "axes": (INT64, [1])}),
            "input 1 is computed",
        ),
        (
            model([node("Reshape", "x to")], {"x": (FLOAT, PICTURE), "to": (INT64, [2])}),
            "input 1 depends on what the graph is given",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_parser_refuses_or_takes_for_something_else_is_named(broken: Any, said: str) -> None:
    assert any(said in words for words in problems(broken)), problems(broken)


def test_a_shape_computed_of_shapes_is_one_that_tensorrt_can_know() -> None:
    inputs = {"x": (FLOAT, ["a", "b"]), "y": (FLOAT, ["c"])}
    nodes = [*COMPUTED[:2], node("Expand", "y t")]
    assert problems(model(nodes, inputs, constants=ENDS)) == []


def test_operators_of_another_domain_are_none_of_the_parsers() -> None:
    foreign = unary("Gelu", FLOAT)
    foreign.graph.node[0].domain = "com.microsoft"
    foreign.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert any("no such operator" in words for words in problems(foreign))
    assert "opset 1 of com.microsoft" in problems(foreign)


@pytest.mark.parametrize(
    ("newer", "said"),
    [
        (deformed(), ["DeformConv is not known", "opset 19"]),
        (scattered(INT64), ["ScatterElements with a reduction", "opset 18"]),
        (sampled(), []),
    ],
)
def test_what_8_6_does_not_know_is_named(newer: Any, said: list[str]) -> None:
    assert problems_in_8_6(newer) == said
