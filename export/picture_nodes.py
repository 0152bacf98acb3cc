"""A graph under construction, node by node, for what is not converted from Paddle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.spec import Graph
from .onnx_from_paddle import IR_VERSION, OPSET

if TYPE_CHECKING:
    import onnx

END = 2**31 - 1
"""The end of an axis, whatever its length."""


class Nodes:
    """Adds nodes to a graph; tensors are known by their names.

    Args:
        graph: What it will be.
        precision: ``fp32`` or ``fp16``: which type its pictures are of.
    """

    def __init__(self, graph: Graph, precision: str) -> None:
        import onnx

        self._onnx = onnx
        self._graph = graph
        self._precision = precision
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []

    def model(self) -> onnx.ModelProto:
        """Return what was built, checked."""
        helper, numpy_type = self._onnx.helper, self._onnx.helper.np_dtype_to_tensor_dtype

        def described(tensors: Any) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    tensor.name, numpy_type(np.dtype(tensor.dtype(self._precision))), tensor.shape
                )
                for tensor in tensors
            ]

        built = helper.make_graph(
            self._nodes,
            self._graph.name,
            described(self._graph.inputs),
            described(self._graph.outputs),
            self._initializers,
        )
        model = helper.make_model(
            built, producer_name="reel", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator and return its output; ``output`` is its name where it is one of the graph's."""
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(
            self._onnx.helper.make_node(
                kind, list(inputs), [name], name=f"{kind}_{len(self._nodes)}", **attributes
            )
        )
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Return a constant, one for all who want the same."""
        array: NDArray[Any] = np.asarray(value, dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = f"constant_{len(self._constants)}"
            self._initializers.append(self._onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def cast(self, tensor: str, dtype: str, *, output: str | None = None) -> str:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", tensor, output=output, to=kind)

    def sliced(self, tensor: str, axis: int, first: int, last: int = END, step: int = 1) -> str:
        """Return ``tensor[first:last:step]`` along one axis."""
        bounds = (self.constant([number], "int64") for number in (first, last, axis, step))
        return self.add("Slice", tensor, *bounds)

    def joined(self, axis: int, *tensors: str) -> str:
        return self.add("Concat", *tensors, axis=axis)

    def clipped(self, tensor: str, low: str, high: str) -> str:
        """Return a tensor within two others; not by Clip, whose bounds must be constants in TensorRT."""
        return self.add("Min", self.add("Max", tensor, low), high)

    def unit(self, tensor: str) -> str:
        """Return a tensor clipped to [0, 1]."""
        return self.add("Clip", tensor, self.constant(0.0), self.constant(1.0))

    def read(self, name: str) -> str:
        """Return an input of the graph as float32."""
        tensor = next(tensor for tensor in self._graph.inputs if tensor.name == name)
        return name if tensor.dtype(self._precision) == "float32" else self.cast(name, "float32")

    def write(self, tensor: str, name: str) -> None:
        """Make a float32 tensor an output of the graph, in its type."""
        output = next(output for output in self._graph.outputs if output.name == name)
        dtype = output.dtype(self._precision)
        if dtype == "float32":
            self.add("Identity", tensor, output=name)
        else:
            self.cast(tensor, dtype, output=name)
