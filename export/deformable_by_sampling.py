"""Deformable convolution written as sampling and a convolution, for TensorRT 8.6, which has no other way.

    DeformConv(x, w, offset, b, mask)
    -> x sampled where each of the kernel's taps falls, times the mask -> Conv of 1x1 over channels and taps

Exact but for rounding, and slower: every channel is sampled once for each tap before anything is summed.
TensorRT from 10.1 on runs DeformConv itself; this can go when 8.6 is no longer asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ExportError

OPSET = 17
"""The newest one that 8.6 reads. DeformConv came with 19."""


def without_deformable_convolution(model: Any) -> None:
    """Replace every DeformConv of an ONNX model in place, and bring it to opset 17.

    Args:
        model: With its weights as initialisers; float32, or mixed as ``half.py`` makes it.

    Raises:
        ExportError: A node of the model means something else in opset 17.
    """
    import onnx

    if any(opset.version <= OPSET for opset in model.opset_import):
        return
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type == "DeformConv":
            nodes += _Sampling(model, node).nodes()
        else:
            nodes.append(_in_older_opset(model, node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    for value in [value for value in model.graph.initializer if value.name not in used]:
        model.graph.initializer.remove(value)
    model.opset_import[0].version = OPSET
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"The graph cannot be written in opset {OPSET}: {str(error).strip().rstrip('.')}.",
            "Use TensorRT 10.1 or later.",
        ) from error


_DEFAULTS = {"antialias": 0, "keep_aspect_ratio_policy": b"stretch", "noop_with_empty_axes": 0}
"""Attributes that opset 17 does not have, where they say what it does."""


def _in_older_opset(model: Any, node: Any) -> Any:
    """Return a node as opset 17 has it: reductions had their axes as an attribute."""
    from onnx import helper, numpy_helper

    if node.op_type == "ReduceSum":  # as it was
        return node
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    kept = [each for each in node.attribute if _DEFAULTS.get(each.name) != given[each.name]]
    if node.op_type.startswith("Reduce") and len(node.input) > 1:
        (axes,) = [value for value in model.graph.initializer if value.name == node.input[1]]
        del node.input[1]
        kept.append(helper.make_attribute("axes", numpy_helper.to_array(axes).tolist()))
    del node.attribute[:]
    node.attribute.extend(kept)
    return node


class _Sampling:
    """The nodes that take the place of one DeformConv; their tensors are named after its output."""

    def __init__(self, model: Any, node: Any) -> None:
        from onnx import helper, numpy_helper

        self._model = model
        self._node = node
        self._made: list[Any] = []
        weights = {value.name: value for value in model.graph.initializer}
        self._weight = numpy_helper.to_array(weights[node.input[1]])
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if attributes.get("group", 1) != 1 or set(attributes.get("strides", [1])) != {1}:
            raise ExportError(
                "A deformable convolution in groups or with strides cannot be written as sampling.",
                "Use TensorRT 10.1 or later.",
            )
        self._groups: int = attributes.get("offset_group", 1)
        self._top, self._left = attributes.get("pads", [0, 0, 0, 0])[:2]
        self._dilations: list[int] = list(attributes.get("dilations", [1, 1]))

    def nodes(self) -> list[Any]:
        x, _, offset, *rest = self._node.input
        bias, mask = [*rest, "", ""][:2]
        outputs, channels, rows, columns = self._weight.shape
        taps = rows * columns
        height, width = self._side(x, 2), self._side(x, 3)
        grid = self._grid(offset, height, width, (rows, columns))
        apart = self._op("Reshape", x, self._shape(-1, channels // self._groups, height, width))
        # Places are in float32, and so is what is sampled at them; ``half.py`` says why.
        sampled = self._op(
            "GridSample", self._full(apart), grid, mode="bilinear", padding_mode="zeros", align_corners=0
        )
        sampled = self._as_weights(sampled)
        sampled = self._op("Reshape", sampled, self._shape(0, channels // self._groups, taps, -1, width))
        if mask:
            shown = self._op("Reshape", mask, self._shape(-1, 1, taps, height, width))
            sampled = self._op("Mul", sampled, shown)
        flat = self._op("Reshape", sampled, self._shape(-1, channels * taps, height, width))
        kernel = self._constant(self._weight.reshape(outputs, channels * taps, 1, 1))
        self._op("Conv", flat, kernel, *([bias] if bias else []), to=self._node.output[0])
        return self._made

    def _grid(self, offset: str, height: str, width: str, kernel: tuple[int, int]) -> str:
        """Return where each tap of the kernel falls, as GridSample counts: [N * groups, taps * H, W, 2]."""
        taps = kernel[0] * kernel[1]
        offsets = self._op("Reshape", self._full(offset), self._shape(-1, taps, 2, height, width))
        places: list[str] = []
        tap_rows, tap_columns = np.divmod(np.arange(taps), kernel[1])
        for axis, (side, tap, before) in enumerate(
            ((height, tap_rows, self._top), (width, tap_columns, self._left))
        ):
            own = np.float32(tap * self._dilations[axis] - before).reshape(-1, 1, 1)
            moved = self._op("Gather", offsets, self._constant(np.int64(axis)), axis=2)
            length = self._op("Cast", side, to_type=1)
            steps = self._op("Range", self._scalar(0.0), self._op("Squeeze", length), self._scalar(1.0))
            if axis == 0:
                steps = self._op("Unsqueeze", steps, self._constant(np.array([1])))
            place = self._op("Add", self._op("Add", moved, steps), self._constant(own))
            # align_corners=0, which has no quotient by zero where a side is one pixel: (2 * p + 1) / n - 1
            doubled = self._op("Add", self._op("Mul", place, self._scalar(2.0)), self._scalar(1.0))
            place = self._op("Sub", self._op("Div", doubled, length), self._scalar(1.0))
            places.append(self._op("Unsqueeze", place, self._constant(np.array([-1]))))
        both = self._op("Concat", places[1], places[0], axis=-1)
        return self._op("Reshape", both, self._shape(0, -1, width, 2))

    def _side(self, tensor: str, axis: int) -> str:
        """Return one side of a tensor, [1], int64."""
        shape = self._op("Shape", tensor)
        return self._op(
            "Slice", shape, self._constant(np.array([axis])), self._constant(np.array([axis + 1]))
        )

    def _shape(self, *sides: int | str) -> str:
        parts = [side if isinstance(side, str) else self._constant(np.array([side])) for side in sides]
        return self._op("Concat", *parts, axis=0)

    def _full(self, tensor: str) -> str:
        return tensor if self._weight.dtype == np.float32 else self._op("Cast", tensor, to_type=1)

    def _as_weights(self, tensor: str) -> str:
        return tensor if self._weight.dtype == np.float32 else self._op("Cast", tensor, to_type=10)

    def _scalar(self, value: float) -> str:
        return self._constant(np.float32(value))

    def _constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"{self._node.output[0]}.sampling.constant.{len(self._model.graph.initializer)}"
        self._model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _op(
        self, kind: str, *inputs: str, to: str | None = None, to_type: int | None = None, **given: Any
    ) -> str:
        from onnx import helper

        name = f"{self._node.output[0]}.sampling.{len(self._made)}"
        node = helper.make_node(kind, list(inputs), [to or name], name=name)
        attributes = given if to_type is None else given | {"to": to_type}
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._made.append(node)
        return to or name
