"""A graph in mixed precision -> one in float32 that rounds wherever the other one does.

ONNX Runtime has next to no float16 kernels for a CPU. It puts casts around what it computes in float32, and
takes them out again between two such nodes (1.31, at every optimisation level): run on a CPU, a float16 file
is hardly rounded at all, and one that overflows does not. Here every output of a float16 node is cast there
and back by nodes that stand in the graph, which it leaves alone.

Simulated: float16 weights, and the rounding and the range of everything that one node hands to another. The
largest value that was handed over is one more output.
Not simulated: what a GPU does inside a node. It may sum up in float16, which is worse, or keep a chain of
nodes in registers without rounding between, which is better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .half_kept import tensor_types

LARGEST = "largest value"
"""The output that is added at the end: a single number, float32."""

_EXACT = frozenset(
    {
        *("Abs", "Clip", "Max", "MaxPool", "Min", "Neg", "ReduceMax", "Relu", "Where"),
        *("Concat", "DepthToSpace", "Expand", "Gather", "GatherND", "Identity", "Pad", "Reshape"),
        *("Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
    }
)
"""Operators whose outputs are among their inputs, but for the sign: there is nothing to round."""


def rounded(model: Any) -> Any:
    """Return the float32 model of the same inputs and outputs, and of one output more; see above.

    The given one is left as it is. Its constants are initialisers.
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    _Rounding(result).apply()
    return result


class _Rounding:
    def __init__(self, model: Any) -> None:
        import onnx

        self._full, self._half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
        self._graph = model.graph
        self._halves = {name for name, kind in tensor_types(model).items() if kind == self._half}
        # The names of inputs and outputs stay those of float16 tensors; inside others stand for them.
        outside = {value.name for value in (*model.graph.input, *model.graph.output)} & self._halves
        self._inside: dict[str, str] = {name: f"{name}.widened" for name in outside}
        self._nodes: list[Any] = []
        self._seen: list[str] = []

    def apply(self) -> None:
        import onnx

        for constant in self._graph.initializer:
            if constant.data_type == self._half:
                array = onnx.numpy_helper.to_array(constant).astype(np.float32)
                constant.CopyFrom(onnx.numpy_helper.from_array(array, constant.name))
        for value in self._graph.input:
            if value.name in self._halves:
                self._cast(value.name, self._inside[value.name], self._full)
        for node in self._graph.node:
            self._round(node)
        for value in self._graph.output:
            if value.name in self._halves:
                self._cast(self._inside[value.name], value.name, self._half)
        self._tell_largest()
        for field in ("node", "value_info"):
            self._graph.ClearField(field)
        self._graph.node.extend(self._nodes)

    def _round(self, node: Any) -> None:
        """Take over a node, its float16 outputs rounded."""
        if node.op_type == "Cast":
            for attribute in node.attribute:
                attribute.i = self._full if attribute.i == self._half else attribute.i
        for slot, name in enumerate(node.input):
            node.input[slot] = self._within(name)
        made = [(slot, name) for slot, name in enumerate(node.output) if name in self._halves]
        self._nodes.append(node)
        for slot, name in made:
            inside = self._within(name)
            if node.op_type in _EXACT:
                node.output[slot] = inside
                continue
            unrounded = f"{name}.unrounded"
            node.output[slot] = unrounded
            self._note(unrounded)
            self._cast(unrounded, f"{name}.rounded", self._half)
            self._cast(f"{name}.rounded", inside, self._full)

    def _within(self, name: str) -> str:
        """Return the name of the tensor of float32 that stands for one."""
        return self._inside.get(name, name)

    def _cast(self, name: str, to: str, kind: int) -> None:
        import onnx

        self._nodes.append(onnx.helper.make_node("Cast", [name], [to], name=f"to {to}", to=kind))

    def _note(self, name: str) -> None:
        import onnx

        sizes, largest = f"{name}.sizes", f"{name}.largest"
        self._nodes.append(onnx.helper.make_node("Abs", [name], [sizes], name=sizes))
        self._nodes.append(onnx.helper.make_node("ReduceMax", [sizes], [largest], name=largest, keepdims=0))
        self._seen.append(largest)

    def _tell_largest(self) -> None:
        import onnx

        none = onnx.numpy_helper.from_array(np.array(0.0, np.float32), f"{LARGEST} of none")
        self._graph.initializer.append(none)
        self._nodes.append(onnx.helper.make_node("Max", [none.name, *self._seen], [LARGEST], name=LARGEST))
        self._graph.output.append(onnx.helper.make_tensor_value_info(LARGEST, self._full, ()))
