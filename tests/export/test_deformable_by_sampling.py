"""Deformable convolution written as sampling: the same, wherever the taps of the kernel fall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import ExportError

onnx = pytest.importorskip("onnx", reason="needs onnx")

import onnxruntime  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from reel.export.deformable_by_sampling import without_deformable_convolution  # noqa: E402
from reel.export.engine_worker import Wanted, readable  # noqa: E402
from reel.models.engines import Basis  # noqa: E402
from reel.models.gpu import Gpu  # noqa: E402
from reel.tests.tensorrt_operators import problems, problems_in_8_6  # noqa: E402

KINDS = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16}


def deformable(
    kind: type = np.float32, *, groups: int = 2, masked: bool = True, kernel: int = 3, **attributes: Any
) -> Any:
    """A model of one deformable convolution from 4 channels to 5, and a reduction as opset 18 has it."""
    rng = np.random.default_rng(1)
    taps, side = kernel * kernel, ["H", "W"]
    given = {"x": 4, "offset": groups * 2 * taps} | ({"mask": groups * taps} if masked else {})
    weights = {
        "w": rng.normal(0, 1, (5, 4, kernel, kernel)).astype(kind),
        "b": rng.normal(0, 1, 5).astype(kind),
        "axes": np.array([2, 3]),
    }
    attributes = {"pads": [kernel // 2] * 4, "offset_group": groups} | attributes
    inputs = ["x", "w", "offset", "b", *(["mask"] if masked else [])]
    nodes = [
        helper.make_node("DeformConv", inputs, ["out"], **attributes),
        helper.make_node("ReduceMax", ["out", "axes"], ["largest"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, KINDS[kind], ["N", c, *side]) for n, c in given.items()],
        [
            helper.make_tensor_value_info("out", KINDS[kind], ["N", 5, *side]),
            helper.make_tensor_value_info("largest", KINDS[kind], ["N", 5]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def run(model: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)


def inputs(model: Any, size: tuple[int, int, int], reach: float) -> dict[str, np.ndarray]:
    """Values for each input; offsets of up to about ``reach`` pixels, half of them whole numbers."""
    rng = np.random.default_rng(2)
    count, *sides = size
    given: dict[str, np.ndarray] = {}
    for value in model.graph.input:
        kind = np.float16 if value.type.tensor_type.elem_type == TensorProto.FLOAT16 else np.float32
        shape = (count, value.type.tensor_type.shape.dim[1].dim_value, *sides)
        array = rng.normal(0, reach if value.name == "offset" else 1, shape)
        if value.name == "offset":
            array = np.where(rng.random(shape) < 0.5, np.round(array), array)
        given[value.name] = array.astype(kind)
    return given


@pytest.mark.parametrize("reach", [0.0, 1.5, 12.0], ids=lambda reach: f"{reach} pixels")
@pytest.mark.parametrize("size", [(1, 9, 13), (2, 6, 4), (1, 1, 7), (1, 5, 1)], ids=str)
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"masked": False},
        {"groups": 1, "dilations": [2, 1], "pads": [2, 1, 2, 1]},
        {"groups": 4, "kernel": 1},
    ],
    ids=["masked", "not masked", "dilated", "of one pixel"],
)
def test_it_gives_the_same(form: dict[str, Any], size: tuple[int, int, int], reach: float) -> None:
    model = deformable(**form)
    given = inputs(model, size, reach)
    expected = run(model, given)
    without_deformable_convolution(model)
    assert problems(model) == []
    assert problems_in_8_6(model) == []
    for found, wanted in zip(run(model, given), expected, strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())


def test_in_float16_places_stay_exact() -> None:
    """Of a place 300 pixels from the edge, float16 would leave a quarter of a pixel."""
    full, half = deformable(), deformable(np.float16)
    given = inputs(full, (1, 4, 400), 1.5)
    rounded = {name: value.astype(np.float16) for name, value in given.items()}
    expected = run(full, {name: value.astype(np.float32) for name, value in rounded.items()})[0]
    without_deformable_convolution(half)
    found = run(half, rounded)[0]
    assert found.dtype == np.float16
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 2e-3


@pytest.mark.parametrize("attributes", [{"strides": [2, 2]}, {"group": 2}])
def test_what_cannot_be_written_so_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match="in groups or with strides"):
        without_deformable_convolution(deformable(**attributes))


def test_a_model_that_8_6_reads_is_left_alone() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([node], "g", sides[:1], sides[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    before = model.SerializeToString()
    without_deformable_convolution(model)
    assert model.SerializeToString() == before


def test_only_8_6_is_given_another_graph(tmp_path: Path) -> None:
    (source := tmp_path / "align.onnx").write_bytes(deformable().SerializeToString())
    basis = Basis("n", "fp32", "align", "0", (), (), Gpu("g", "9.0", "1"), "8.6.1", (), sampled=True)
    (folder := tmp_path / "scratch").mkdir()
    given = readable(Wanted(str(source), basis), folder)
    assert given.parent == folder
    assert problems_in_8_6(onnx.load(str(given))) == []
    assert readable(Wanted(str(source), replace(basis, sampled=False)), folder) == source
    source.write_bytes(b"a graph without it")
    assert readable(Wanted(str(source), basis), folder) == source
