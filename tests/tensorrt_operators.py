"""What TensorRT's ONNX parser takes, as it documents, and what in a graph it would not.

Sources: onnx/onnx-tensorrt, docs/operators.md for TensorRT 10.15 (operators, types, restrictions; types that
reel has no use for left out) and for 8.5; docs/Changelog.md (since when); onnxOpImporters.cpp and
importerUtils.cpp of 10 (what they check, marked "importer" below). All of 10.1 is in 10.15; what came after
10.1 is left out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import TensorProto, helper, shape_inference

OPSETS = (9, 19)
"""10.1 reads up to 20. From 20 on GridSample's ``linear`` is taken for nearest: the importer compares with
``bilinear``, which is what it was called before."""

MOST_RANK = 8

_FLOATS = frozenset({"float32", "float16"})
_NUMBERS = _FLOATS | {"int32", "int64"}
_ALL = _NUMBERS | {"bool"}

# fmt: off
_OF_FLOATS = [
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "BatchNormalization", "Ceil", "Celu",
    "Clip", "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum", "DeformConv", "Elu", "Erf", "Exp", "Floor",
    "Gemm", "GlobalAveragePool", "GlobalMaxPool", "GridSample", "GroupNormalization", "HardSigmoid",
    "HardSwish", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "MatMul",
    "MaxPool", "PRelu", "Reciprocal", "Resize", "Round", "Selu", "Sigmoid", "Sin", "Sinh", "Softmax",
    "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
]
_OF_NUMBERS = [
    "Abs", "Add", "ArgMax", "ArgMin", "DepthToSpace", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Pad", "Pow", "Range", "ReduceL1", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu",
    "ScatterElements", "ScatterND", "Sign", "SpaceToDepth", "Sub", "Sum", "TopK",
]
_OF_ALL = [
    "Concat", "Constant", "ConstantOfShape", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Trilu",
    "Unsqueeze", "Where",
]
# fmt: on

TYPES: dict[str, frozenset[str]] = {
    **dict.fromkeys(_OF_FLOATS, _FLOATS),
    **dict.fromkeys(_OF_NUMBERS, _NUMBERS),
    **dict.fromkeys(_OF_ALL, _ALL),
    **dict.fromkeys(["And", "Not", "Or", "Xor"], frozenset({"bool"})),
    # UINT8 at the inputs and outputs of a network only; a Cast is what can be there.
    "Cast": _ALL | {"uint8"},
}

NOT_IN_8_6 = frozenset({"DeformConv"})
"""Of the above; and no opset above 17, and no ScatterElements with a reduction."""

_LARGE = 4096  # bytes: more than any shape takes; inference would copy weights back and forth

# Inputs that say a shape. TensorRT must know them before it runs: from other shapes and constants alone.
_SHAPES = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
}

# Inputs that must be in the file, as initialisers.
_CONSTANT = {
    "CumSum": (1,),
    "Resize": (2,),  # scales; sizes may be computed
    "Slice": (3,),  # axes; computed ones from 10.3 on
    "Squeeze": (1,),  # from 10.7 on
    "Unsqueeze": (1,),  # from 10.7 on
    **{name: (1,) for name in TYPES if name.startswith("Reduce")},
}

# All inputs must be of one type: what ONNX lets differ, and TensorRT does not.
_SAME_TYPE = {
    "BatchNormalization",  # mixed ones from 10.7 on
    "DeformConv",  # importer
    "GridSample",
}


class Reading:
    """A graph with the types and ranks of all its tensors; its large weights are dropped from it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        for value in model.graph.initializer:
            if len(value.raw_data) > _LARGE:
                value.ClearField("raw_data")
        self.constants = {value.name for value in model.graph.initializer}
        self.types: dict[str, str] = {}
        self.ranks: dict[str, int] = {}
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        for value in [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]:
            self.types[value.name] = _type_name(value.type.tensor_type.elem_type)
            if value.type.tensor_type.HasField("shape"):
                self.ranks[value.name] = len(value.type.tensor_type.shape.dim)
        for value in model.graph.initializer:
            self.types[value.name] = _type_name(value.data_type)
            self.ranks[value.name] = len(value.dims)

    def data(self) -> set[str]:
        """Return the names of tensors whose values depend on the values, not the shapes, of inputs."""
        found = {value.name for value in self.model.graph.input}
        for node in self.model.graph.node:  # in the order that they run
            if node.op_type not in ("Shape", "Size") and found & set(node.input):
                found |= set(node.output)
        return found


def problems(model: onnx.ModelProto) -> list[str]:
    """Return what in a graph TensorRT 10.1 and later would refuse, or read otherwise than it is meant."""
    reading = Reading(model)
    found = list(_of_file(reading))
    of_values = reading.data()
    for node in model.graph.node:
        for words in (
            *_of_types(node, reading),
            *_of_inputs(node, reading, of_values),
            *_of_form(node, reading),
        ):
            found.append(f"{node.op_type} {node.name or node.output[0]}: {words}")
    return found


def problems_in_8_6(model: onnx.ModelProto) -> list[str]:
    """Return what 8.6 would refuse beyond that."""
    found = [f"{node.op_type} is not known" for node in model.graph.node if node.op_type in NOT_IN_8_6]
    found += [
        "ScatterElements with a reduction"
        for node in model.graph.node
        if node.op_type == "ScatterElements" and _attribute(node, "reduction", "none") != "none"
    ]
    return found + [f"opset {opset.version}" for opset in model.opset_import if opset.version > 17]


def _of_file(reading: Reading) -> Iterator[str]:
    for opset in reading.model.opset_import:
        if opset.domain or not OPSETS[0] <= opset.version <= OPSETS[1]:
            yield f"opset {opset.version} of {opset.domain or 'ONNX'}"
    for value in [*reading.model.graph.input, *reading.model.graph.output]:
        if reading.types[value.name] not in _ALL | {"uint8"}:
            yield f"{value.name} is {reading.types[value.name]}"
    for name, rank in reading.ranks.items():
        if rank > MOST_RANK:
            yield f"{name} has {rank} axes"


def _of_types(node: Any, reading: Reading) -> Iterator[str]:
    if node.domain or node.op_type not in TYPES:
        yield "no such operator"
        return
    allowed = TYPES[node.op_type]
    of_main = node.input[1] if node.op_type == "Where" else node.input[0] if node.input else node.output[0]
    for name in (of_main, node.output[0]):
        given = reading.types.get(name)
        answers = node.op_type in (
            "Shape",
            "Size",
            "Equal",
            "Greater",
            "GreaterOrEqual",
            "Less",
            "LessOrEqual",
        )
        if given not in allowed and not (name == node.output[0] and answers):
            yield f"{name} is {given}"
    if node.op_type in _SAME_TYPE:
        types = sorted({reading.types[name] for name in node.input if name})
        if len(types) > 1:
            yield f"inputs of several types: {', '.join(types)}"


def _of_inputs(node: Any, reading: Reading, of_values: set[str]) -> Iterator[str]:
    for index in _CONSTANT.get(node.op_type, ()):
        if index < len(node.input) and node.input[index] and node.input[index] not in reading.constants:
            yield f"input {index} is computed"
    for index in _SHAPES.get(node.op_type, ()):
        if index < len(node.input) and node.input[index] in of_values:
            yield f"input {index} depends on what the graph is given"


def _of_form(node: Any, reading: Reading) -> Iterator[str]:
    rank = reading.ranks.get(node.input[0]) if node.input else None

    def attribute(name: str, default: Any) -> Any:
        return _attribute(node, name, default)

    match node.op_type:
        case "GridSample":
            if rank != 4:
                yield f"{rank} axes"
            if attribute("mode", "bilinear") not in ("bilinear", "nearest", "bicubic"):
                yield f"mode {attribute('mode', '')} is taken for nearest"
        case "DeformConv":
            pads = attribute("pads", [0, 0, 0, 0])
            if rank != 4 or pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
                yield f"{rank} axes, pads {pads}"
            if attribute("offset_group", None) is None:
                yield "offset_group is not said"
        case "ScatterElements":
            if attribute("reduction", "none") != "none" and reading.types[node.input[1]] != "int64":
                yield f"indices of {reading.types[node.input[1]]}"
        case "ScatterND":
            if attribute("reduction", "none") != "none":
                yield "a reduction"
        case "MaxPool" | "AveragePool":
            if rank not in (4, 5) or len(node.output) > 1 or set(attribute("dilations", [1])) != {1}:
                yield f"{rank} axes, {len(node.output)} outputs, dilations {attribute('dilations', [1])}"
        case "Conv" | "ConvTranspose":
            if rank not in (3, 4, 5):
                yield f"{rank} axes"
        case "DepthToSpace" | "SpaceToDepth":
            if rank != 4:
                yield f"{rank} axes"
        case "Pad":
            if len(node.input) > 3 or attribute("mode", "constant") not in ("constant", "reflect", "edge"):
                yield f"{len(node.input)} inputs, mode {attribute('mode', 'constant')}"
        case "Resize":
            yield from _of_resize(attribute)
        case _:
            pass


def _of_resize(attribute: Any) -> Iterator[str]:
    modes = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
    if attribute("mode", "nearest") not in ("nearest", "linear"):
        yield f"mode {attribute('mode', '')}"
    if attribute("coordinate_transformation_mode", "half_pixel") not in modes:
        yield f"coordinates {attribute('coordinate_transformation_mode', '')}"
    if attribute("antialias", 0) or attribute("axes", None) or attribute("exclude_outside", 0):
        yield "antialias, axes or exclude_outside"


def _attribute(node: Any, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                return value.decode()
            return value if isinstance(value, int | float | str) else list(value)
    return default


def _type_name(number: int) -> str:
    name = TensorProto.DataType.Name(number).lower()
    return {"float": "float32", "undefined": "unknown"}.get(name, name)
