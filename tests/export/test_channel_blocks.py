"""Concatenations are filled up to whole blocks of channels, and nothing but the order of sums changes."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra `export`")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from reel.export.channel_blocks import BLOCK, fill_channel_blocks  # noqa: E402

PICTURE = (1, 3, 6, 8)


class Drawn:
    """A graph of convolutions with random weights, drawn node by node from the input ``picture``."""

    def __init__(self):
        self.nodes, self.weights = [], {}
        self._random = np.random.default_rng(1)

    def weight(self, name, *shape):
        self.weights.setdefault(name, self._random.standard_normal(shape).astype(np.float32))
        return name

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(self, source, channels, width, output, *, weights=None, bias=True, **attributes):
        inputs = [source, self.weight(weights or f"{output}.w", width, channels, 3, 3)]
        inputs += [self.weight(f"{output}.b", width)] if bias else []
        return self.add("Conv", inputs, output, pads=[1] * 4, **attributes)

    def model(self, *outputs):
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, PICTURE)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *"CHW"]) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    picture = np.random.default_rng(2).standard_normal(PICTURE).astype(np.float32)
    return session.run(None, {"picture": picture})


def read_channels(model):
    """The channels that each convolution reads, by the name of its output."""
    weights = {initialiser.name: initialiser for initialiser in model.graph.initializer}
    axis = {"Conv": 1, "ConvTranspose": 0}
    return {
        node.output[0]: weights[node.input[1]].dims[axis[node.op_type]]
        for node in model.graph.node
        if node.op_type in axis
    }


def filled(model):
    """Fill the blocks of a model, check that it computes what it did, and return the channels read."""
    expected = run(model)
    fill_channel_blocks(model)
    onnx.checker.check_model(model, full_check=True)
    for before, after in zip(expected, run(model), strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-5 * np.abs(before).max())
    return read_channels(model)


def joined(drawn):
    """Draw 20 channels and the picture's 3, joined."""
    drawn.conv("picture", 3, 20, "twenty")
    return drawn.add("Concat", ["twenty", "picture"], "joined", axis=1)


def test_a_convolution_reads_whole_blocks():
    drawn = Drawn()
    drawn.conv(joined(drawn), 23, 5, "result")
    assert filled(drawn.model("result"))["result"] == 2 * BLOCK


def test_a_residual_around_the_joined_channels_gets_as_wide():
    drawn = Drawn()
    joined(drawn)
    drawn.add("Relu", [drawn.conv("joined", 23, 23, "first")], "active")
    drawn.add("Relu", [drawn.conv("active", 23, 23, "second")], "deeper")
    drawn.conv(drawn.add("Add", ["joined", "deeper"], "sum"), 23, 3, "result")
    channels = filled(drawn.model("result"))
    assert channels == {"twenty": 3, "first": 32, "second": 23, "result": 32}


def test_dense_connections_carry_the_zeros_in_their_midst():
    drawn = Drawn()
    joined(drawn)
    for i, channels in enumerate((23, 39, 55)):
        drawn.add("LeakyRelu", [drawn.conv("joined" if not i else f"d{i}", channels, 16, f"c{i}")], f"a{i}")
        parts = [f"a{i}", "joined" if not i else f"d{i}"]
        drawn.add("Concat", parts if i != 1 else parts[::-1], f"d{i + 1}", axis=1)
    drawn.conv("d3", 71, 2, "flow")
    up = drawn.weight("up", 71, 2, 4, 4)
    drawn.add("ConvTranspose", ["d3", up], "features", strides=[2, 2], pads=[1] * 4)
    channels = filled(drawn.model("flow", "features"))
    assert {channels[name] % BLOCK for name in ("c0", "c1", "c2", "flow", "features")} == {0}


def test_weights_that_are_shared_with_another_place_stay_there_as_they_were():
    drawn = Drawn()
    drawn.conv(joined(drawn), 23, 23, "first", weights="shared")
    drawn.conv("first", 23, 23, "result", weights="shared")
    assert filled(drawn.model("result")) == {"twenty": 3, "first": 32, "result": 23}


@pytest.mark.parametrize(
    "notice",
    [
        lambda drawn: drawn.conv(drawn.add("Softmax", ["joined"], "shares", axis=1), 23, 5, "other"),
        lambda drawn: drawn.add("Add", ["joined", drawn.weight("offset", 1, 23, 1, 1)], "other"),
        lambda drawn: drawn.conv(drawn.add("Concat", ["joined"] * 2, "high", axis=2), 23, 5, "other"),
        lambda drawn: drawn.conv(drawn.add("ReduceMean", ["joined"], "mean", axes=[1]), 1, 5, "other"),
    ],
)
def test_what_something_else_reads_keeps_its_channels(notice):
    drawn = Drawn()
    drawn.conv(joined(drawn), 23, 5, "result")
    notice(drawn)
    assert filled(drawn.model("result", "other"))["result"] == 23


def test_an_output_of_the_graph_keeps_its_channels():
    drawn = Drawn()
    drawn.conv(joined(drawn), 23, 5, "result")
    assert filled(drawn.model("result", "joined"))["result"] == 23


def test_whole_blocks_and_few_channels_are_left_alone():
    drawn = Drawn()
    drawn.conv("picture", 3, 29, "many")
    drawn.conv(drawn.add("Concat", ["many", "picture"], "whole", axis=1), 32, 5, "a")
    drawn.conv(drawn.add("Concat", ["picture", "picture"], "few", axis=1), 6, 5, "b")
    model = drawn.model("a", "b")
    fill_channel_blocks(model)
    assert [node.op_type for node in model.graph.node].count("Pad") == 0
