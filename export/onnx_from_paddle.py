"""A traced Paddle layer -> one ONNX file with the names and shapes of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..models.spec import Graph, Tensor
from .channel_blocks import fill_channel_blocks
from .recipe import Traced

OPSET = 17
"""Also what TensorRT 8.6 reads. Never 20 or later: TensorRT's parser takes its GridSample for nearest."""

DEFORMABLE_OPSET = 19
"""The first one that has DeformConv."""

IR_VERSION = 9
"""Of the ONNX file format; the one that belongs to opset 19 and is read by every runtime that reads it."""


def onnx_from_paddle(traced: Traced, graph: Graph, target: Path) -> None:
    """Write the ONNX file of a graph, its weights inside, height and width dynamic.

    Args:
        traced: The Paddle layer in evaluation mode.
        graph: Names and shapes that the file must have.
        target: File to write; its folder is used for intermediate files, which are left there.

    Raises:
        ExportError: The layer could not be traced, or the converter left something out.
    """
    import onnx
    import paddle
    import paddle2onnx

    tensors = {tensor.name: tensor for tensor in graph.inputs}
    program = paddle.jit.to_static(
        traced.layer, input_spec=[_specification(tensors, name) for name in traced.arguments], full_graph=True
    )
    traced.layer.eval()
    stem = target.with_suffix("")
    paddle.jit.save(program, str(stem))
    converted = stem.with_suffix(".converted.onnx")
    paddle2onnx.export(
        str(stem.with_suffix(".json")),
        str(stem.with_suffix(".pdiparams")),
        str(converted),
        opset_version=OPSET,
        # The default, "polygraphy", pip-installs packages while it runs.
        optimize_tool="None",
        verbose=False,
    )
    if not converted.is_file():
        raise ExportError(
            f"paddle2onnx wrote nothing for the graph {graph.name}.",
            "Check that paddlepaddle 3.2.2 and paddle2onnx 2.1.0 are installed.",
        )
    model = onnx.load(str(converted))
    if len(model.graph.input) != len(graph.inputs) or len(model.graph.output) != len(graph.outputs):
        raise ExportError(
            f"paddle2onnx dropped an input or an output of the graph {graph.name}.", "Please report this."
        )
    _restore_deformable_groups(model, traced.deformable_groups)
    _name_tensors(model.graph, graph)
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(converted))
    _simplify(converted, target)


def _simplify(source: Path, target: Path) -> None:
    """Fold constants and biases, and drop what does nothing: a twentieth of the nodes remains for DAIN.

    Done by ONNX Runtime's basic level, which stays within standard operators. Like every other step it is
    trusted only once its result has been compared with Paddle.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the converter leaves hundreds of unused constants behind
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(target))
    foreign = {node.domain for node in model.graph.node} - {""}
    if foreign:
        raise ExportError(
            f"The graph uses operators outside the ONNX standard: {foreign}.", "Please report this."
        )
    standard = [opset for opset in model.opset_import if opset.domain == ""]
    del model.opset_import[:]  # ONNX Runtime declares every domain that it knows
    model.opset_import.extend(standard)
    del model.graph.value_info[:]  # shapes that were inferred; each runtime infers its own
    fill_channel_blocks(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))


def _specification(tensors: dict[str, Tensor], argument: str | tuple[str, ...]) -> Any:
    from paddle.static import InputSpec

    if isinstance(argument, tuple):
        return [_specification(tensors, name) for name in argument]
    shape = [side if isinstance(side, int) else -1 for side in tensors[argument].shape]
    return InputSpec(shape, "float32", argument)


def _restore_deformable_groups(model: Any, groups: int) -> None:
    """Set ``offset_group`` on every DeformConv: paddle2onnx 2.1.0 drops it."""
    import onnx

    nodes = [node for node in model.graph.node if node.op_type == "DeformConv"]
    for node in nodes:
        for attribute in list(node.attribute):
            if attribute.name == "offset_group":
                node.attribute.remove(attribute)
        node.attribute.append(onnx.helper.make_attribute("offset_group", groups))
    version = model.opset_import[0].version
    if version > DEFORMABLE_OPSET or (nodes and version < DEFORMABLE_OPSET):
        raise ExportError(f"paddle2onnx chose opset {version}.", "Check that paddle2onnx 2.1.0 is installed.")


def _name_tensors(onnx_graph: Any, graph: Graph) -> None:
    """Give inputs and outputs their names and symbolic shapes, in the order of the specification."""
    renamed: dict[str, str] = {}
    for value, tensor in zip(onnx_graph.output, graph.outputs, strict=True):
        renamed[value.name] = tensor.name
    for node in onnx_graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name in renamed:
                    names[i] = renamed[name]
    for value, tensor in zip(
        [*onnx_graph.input, *onnx_graph.output], [*graph.inputs, *graph.outputs], strict=True
    ):
        value.name = tensor.name
        for side, dimension in zip(tensor.shape, value.type.tensor_type.shape.dim, strict=True):
            dimension.Clear()
            if isinstance(side, int):
                dimension.dim_value = side
            else:
                dimension.dim_param = side
    # Intermediate shapes were inferred under other names and are stale now.
    del onnx_graph.value_info[:]
