"""A float32 graph -> the same graph in mixed precision: float16 where that is enough, float32 elsewhere.

TensorRT 11 has no switch for float16: the types in the graph are the types that it computes in. So each node
is given one here (``half_kept.py`` says which stay in float32), weights are rounded to it, and casts are put
where a tensor is made in one type and read in the other: one cast for each tensor, however many read it.
onnxruntime.transformers.float16, which does the like, rounds to float16 between each two nodes that it was
told to keep, and so every place on its way through a chain of them: of no use here (ONNX Runtime 1.31).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ExportError
from ..models.spec import Graph
from .half_kept import FULL_SLOTS, floats, kept_nodes

LARGEST = float(np.finfo(np.float16).max)


def half_from_full(source: Path, graph: Graph, target: Path) -> None:
    """Write the float16 file of a graph beside the float32 one.

    Args:
        source: The float32 ONNX file, its constants initialisers, as ``onnx_from_paddle`` writes it.
        graph: Its facts: which inputs and outputs stay float32.
        target: File to write.

    Raises:
        ExportError: A weight is too large for float16.
    """
    import onnx

    model = onnx.load(str(source))
    convert(model, graph, kept_nodes(model, _exact(graph)))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))


def convert(model: Any, graph: Graph, kept: Collection[int]) -> None:
    """Turn a float32 model into mixed precision, in place.

    Args:
        model: An ONNX model whose constants are initialisers, without graphs inside of nodes.
        graph: Facts of its inputs and outputs.
        kept: Places, in the model's list, of the nodes that stay float32.

    Raises:
        ExportError: A weight is too large for float16.
    """
    _Conversion(model, graph, kept).run()


def _exact(graph: Graph) -> frozenset[str]:
    return frozenset(tensor.name for tensor in (*graph.inputs, *graph.outputs) if tensor.exact)


class _Conversion:
    def __init__(self, model: Any, graph: Graph, kept: Collection[int]) -> None:
        self._onnx_graph = model.graph
        self._exact = _exact(graph)
        self._kept = kept
        self._floats = floats(model)
        self._constants = {constant.name: constant for constant in model.graph.initializer}
        self._made_in_half: dict[str, bool] = {}
        self._nodes: list[Any] = []
        self._new_constants: dict[str, Any] = {}
        self._casts: dict[str, str] = {}

    def run(self) -> None:
        import onnx

        half = onnx.TensorProto.FLOAT16
        for value in self._onnx_graph.input:
            self._made_in_half[value.name] = value.name not in self._exact
            if self._made_in_half[value.name]:
                value.type.tensor_type.elem_type = half
        outputs = {value.name for value in self._onnx_graph.output}
        for place, node in enumerate(self._onnx_graph.node):
            self._convert(node, half=place not in self._kept, outputs=outputs)
        for value in self._onnx_graph.output:
            if value.name not in self._exact:
                value.type.tensor_type.elem_type = half
        read = {name for node in self._nodes for name in node.input}
        constants = [c for c in (*self._constants.values(), *self._new_constants.values()) if c.name in read]
        for field, values in (("node", self._nodes), ("initializer", constants), ("value_info", [])):
            self._onnx_graph.ClearField(field)
            getattr(self._onnx_graph, field).extend(values)

    def _convert(self, node: Any, *, half: bool, outputs: Collection[str]) -> None:
        for slot, name in enumerate(node.input):
            if name in self._floats:
                node.input[slot] = self._read(
                    name, half=half and slot not in FULL_SLOTS.get(node.op_type, ())
                )
        self._nodes.append(node)
        for slot, name in enumerate(node.output):
            if name in self._floats:
                wanted = name not in self._exact if name in outputs else half
                self._made_in_half[name] = wanted
                if wanted != half:
                    # Other nodes may read an output as well; they do so in the type that it has outside.
                    node.output[slot] = f"{name}.inside"
                    self._nodes.append(_cast(node.output[slot], name, half=wanted))

    def _read(self, name: str, *, half: bool) -> str:
        """Return the name under which a tensor or a constant is to be read in the one type or the other."""
        if name in self._constants:
            return self._rounded(name) if half else name
        if self._made_in_half[name] == half:
            return name
        if name not in self._casts:
            self._casts[name] = f"{name}.{'half' if half else 'full'}"
            self._nodes.append(_cast(name, self._casts[name], half=half))
        return self._casts[name]

    def _rounded(self, name: str) -> str:
        import onnx

        rounded = f"{name}.half"
        if rounded not in self._new_constants:
            array = onnx.numpy_helper.to_array(self._constants[name])
            largest = float(np.abs(array).max(initial=0.0))
            if not largest <= LARGEST:
                raise ExportError(
                    f"A weight of {largest:.3g} is too large for float16, which ends at {LARGEST:.0f}.",
                    "Export with --precision fp32.",
                )
            self._new_constants[rounded] = onnx.numpy_helper.from_array(array.astype(np.float16), rounded)
        return rounded


def _cast(name: str, to: str, *, half: bool) -> Any:
    import onnx

    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    return onnx.helper.make_node("Cast", [name], [to], name=f"cast {to}", to=kind)
