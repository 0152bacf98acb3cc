"""Which nodes of a graph stay in float32 when the rest becomes float16.

By rules, not by names, so that a network that is added is converted as well:

- what float16 has no kernel for, or where eleven bits or a range up to 65504 are too little: grid sampling,
  scattering, soft maximum, exponentials, sums over many values (``_ALWAYS``);
- whatever a place in a picture is computed from, back to the convolution that the motion comes out of. At
  column 1000 float16 knows half pixels only;
- what lies between such nodes and computes nothing costly, so that nothing is cast there and back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

FULL_SLOTS = {"Resize": (1, 2)}
"""Inputs that ONNX has in float32 whatever the type of the others: the region and the scales."""

_ALWAYS = frozenset(
    {
        # Float32 only in ONNX Runtime's CUDA provider (1.31).
        "GridSample",
        # TensorRT's kernel (ModulatedDeformConv2d, seen in 8.6 to 10.x) computes the place it reads at, and
        # not the offset alone, in the type of its input: at column 1000 it would know half pixels only.
        "DeformConv",
        "ScatterElements",
        "Range",  # has no float16
        "Floor",
        "Softmax",
        "Sigmoid",
        "Exp",
        "Log",
        "ReduceMean",
        "ReduceSum",
        "BatchNormalization",  # divides by small variances
    }
)
_PLACES = {
    "GridSample": (1,),
    "DeformConv": (2,),
    "Floor": (0,),
    "Equal": (0, 1),
    "Greater": (0, 1),
    "GreaterOrEqual": (0, 1),
    "Less": (0, 1),
    "LessOrEqual": (0, 1),
    "Cast": (0,),  # to whole numbers; others have been left out
}
"""Inputs that are places, or decide about some."""

_EXACT = {"Softmax": (0,), "Exp": (0,), "Log": (0,), "ReduceMean": (0,), "ReduceSum": (0,)}
"""Inputs that arithmetic leads to which has to be as exact."""

_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "MatMul"})
_NEVER_BETWEEN = frozenset({"Conv", "ConvTranspose", "MatMul", "Resize"})
"""What costs enough, or makes enough, that it is worth casting before it."""

_MOVES = frozenset(
    {"Slice", "Concat", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad", "Split", "Expand", "Identity"}
)
_MOTION = 4
"""Channels; a convolution of up to so many makes a motion, and is cheap."""


def floats(model: Any) -> frozenset[str]:
    """Return the names of all tensors and constants of a model that are of a floating type.

    Raises:
        ExportError: A node holds a graph of its own.
    """
    return frozenset(name for name, kind in tensor_types(model).items() if kind in _floating())


def tensor_types(model: Any) -> dict[str, int]:
    """Return the type of each tensor and constant, as ONNX numbers them, by inference."""
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(onnx.helper.make_model(onnx.GraphProto(name="light"), opset_imports=model.opset_import))
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    for constant in model.graph.initializer:  # weights by type and shape alone: they may be a gigabyte
        types[constant.name] = constant.data_type
        value = onnx.helper.make_tensor_value_info(constant.name, constant.data_type, constant.dims)
        light.graph.input.append(value)
    inferred = onnx.shape_inference.infer_shapes(light).graph
    for value in (*inferred.value_info, *inferred.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def _floating() -> Collection[int]:
    import onnx

    return (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def kept_nodes(model: Any, exact: Collection[str]) -> frozenset[int]:
    """Return the places, in the model's list of nodes, of those that stay in float32.

    Args:
        model: A float32 ONNX model whose constants are initialisers.
        exact: Names of its inputs and outputs that are float32.
    """
    return _Choice(model, exact).made()


class _Choice:
    def __init__(self, model: Any, exact: Collection[str]) -> None:
        self._nodes = list(model.graph.node)
        self._floats = floats(model)
        self._constants = {constant.name: tuple(constant.dims) for constant in model.graph.initializer}
        self._exact = frozenset(exact)
        self._makers = {name: place for place, node in enumerate(self._nodes) for name in node.output}
        self._readers: dict[str, list[int]] = defaultdict(list)
        for place, node in enumerate(self._nodes):
            for name in node.input:
                self._readers[name].append(place)
        self._outputs = {value.name for value in model.graph.output}
        self._kept: set[int] = set()

    def made(self) -> frozenset[int]:
        for place, node in enumerate(self._nodes):
            if node.op_type in _ALWAYS or self._makes_float_of_none(node):
                self._kept.add(place)
            if not (node.op_type == "Cast" and set(node.output) <= self._floats):
                for slot in _PLACES.get(node.op_type, ()):
                    self._keep_place(node.input[slot])
            for slot in _EXACT.get(node.op_type, ()):
                self._keep_arithmetic(node.input[slot])
        for name in self._exact & self._outputs:
            self._keep_place(name)
        before = -1
        while len(self._kept) != before:
            before = len(self._kept)
            self._keep_what_lies_between()
        return frozenset(self._kept)

    def _makes_float_of_none(self, node: Any) -> bool:
        """Whether a node turns whole numbers into floating ones: sizes and places."""
        return bool(set(node.output) & self._floats) and not set(node.input) & self._floats

    def _keep_place(self, name: str) -> None:
        """Keep all that a place comes from, back to the convolution that makes a motion."""
        waiting = [name]
        while waiting:
            place = self._makers.get(waiting.pop())
            if place is None or (place in self._kept and self._nodes[place].op_type != "Floor"):
                continue
            node = self._nodes[place]
            if node.op_type == "Conv" and self._constants.get(node.input[1], (0,))[0] > _MOTION:
                continue
            self._kept.add(place)
            if node.op_type == "ConvTranspose":
                waiting.append(node.input[0])
            elif node.op_type != "Conv":
                waiting += [name for name in node.input if name in self._floats]

    def _keep_arithmetic(self, name: str) -> None:
        """Keep the products and sums that end in a tensor, and no more than one product of matrices."""
        waiting = [name]
        while waiting:
            place = self._makers.get(waiting.pop())
            if place is None or place in self._kept:
                continue
            node = self._nodes[place]
            if node.op_type in _ARITHMETIC:
                self._kept.add(place)
                if node.op_type != "MatMul":
                    waiting += [name for name in node.input if name in self._floats]

    def _keep_what_lies_between(self) -> None:
        for place, node in enumerate(self._nodes):
            if place not in self._kept and node.op_type not in _NEVER_BETWEEN and self._only_reads_kept(node):
                self._kept.add(place)
        for place, node in reversed(list(enumerate(self._nodes))):
            if place not in self._kept and node.op_type in _MOVES and self._is_only_read_by_kept(node):
                self._kept.add(place)

    def _only_reads_kept(self, node: Any) -> bool:
        read = [name for name in self._read_floats(node) if name not in self._constants]
        return bool(read) and all(self._is_kept(name) for name in read)

    def _asks_size(self, place: int) -> bool:
        return self._nodes[place].op_type == "Shape"

    def _read_floats(self, node: Any) -> Iterable[str]:
        left_out = FULL_SLOTS.get(node.op_type, ())
        return (name for slot, name in enumerate(node.input) if name in self._floats and slot not in left_out)

    def _is_kept(self, name: str) -> bool:
        return self._makers[name] in self._kept if name in self._makers else name in self._exact

    def _is_only_read_by_kept(self, node: Any) -> bool:
        readers = [
            place for name in node.output for place in self._readers[name] if not self._asks_size(place)
        ]
        outside = any(name in self._outputs and name not in self._exact for name in node.output)
        return (
            bool(set(node.output) & self._floats and readers)
            and not outside
            and self._kept.issuperset(readers)
        )
