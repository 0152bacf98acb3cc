"""Reading a frozen program: parameters come out in program order and are named only where all fits."""

from __future__ import annotations

import importlib.util
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.program import named_from_program, parameters_from_program

Layout = list[tuple[str, tuple[int, ...]]]


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """Paddle's own schema of a program, loaded without importing Paddle, which takes seconds."""
    paddle = importlib.util.find_spec("paddle")
    if paddle is None or not paddle.submodule_search_locations:
        pytest.skip("needs paddlepaddle for its program schema")
    file = Path(paddle.submodule_search_locations[0]) / "base" / "proto" / "framework_pb2.py"
    spec = importlib.util.spec_from_file_location("framework_pb2", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Saver:
    """Writes a program and its parameters as Paddle did in 2020."""

    def __init__(self, schema: ModuleType, weights: dict[str, np.ndarray[Any, Any]], layout: Layout) -> None:
        self.schema = schema
        self.program = schema.ProgramDesc()
        self.block = self.program.blocks.add(idx=0, parent_idx=-1)
        self.stored: dict[str, np.ndarray[Any, Any]] = {}
        self.names: dict[str, str] = {}
        self.count = 0
        numbers = {"conv2d": 0, "conv2d_transpose": 0}
        for key, _ in layout:
            layer, part = key.rsplit(".", 1)
            kind = "conv2d_transpose" if "deconv" in layer or "upfeat" in layer else "conv2d"
            if part == "weight":
                self.names[key] = f"{kind}_{numbers[kind]}.w_0"
                numbers[kind] += 1
            else:
                self.names[key] = self.names[f"{layer}.weight"].replace(".w_", ".b_")
            self.variable(self.names[key], weights[key])
        for name, kind in (("feed", 9), ("fetch", 10)):
            variable = self.block.vars.add(name=name, persistable=True)
            variable.type.type = kind
        self.operator("feed", {"X": ["feed"]})

    def variable(self, name: str, array: np.ndarray[Any, Any]) -> None:
        variable = self.block.vars.add(name=name, persistable=True)
        variable.type.type = 7
        # Field 3 is lod_tensor in 2020's schema and dense_tensor in today's; on the wire they are one.
        variable.type.dense_tensor.tensor.data_type = 5
        variable.type.dense_tensor.tensor.dims.extend(array.shape)
        self.stored[name] = array

    def operator(self, kind: str, inputs: dict[str, list[str]], slot: str = "Out") -> str:
        operator = self.block.ops.add(type=kind)
        for parameter, arguments in inputs.items():
            operator.inputs.add(parameter=parameter, arguments=arguments)
        self.count += 1
        output = f"tmp_{self.count}"
        operator.outputs.add(parameter=slot, arguments=[output])
        operator.attrs.add(name="op_role", type=0, i=-1)
        self.block.vars.add(name=output).type.type = 7
        return output

    def conv(self, x: str, layer: str) -> str:
        name = self.names[f"{layer}.weight"]
        x = self.operator(name.rsplit("_", 2)[0], {"Filter": [name], "Input": [x]}, "Output")
        bias = self.names.get(f"{layer}.bias")
        return self.operator("elementwise_add", {"X": [x], "Y": [bias]}) if bias else x

    def active(self, x: str, layer: str) -> str:
        return self.operator("leaky_relu", {"X": [self.conv(x, layer)]})

    def params(self) -> bytes:
        return b"".join(stored_tensor(self.schema, self.stored[name]) for name in sorted(self.stored))

    def save(self, folder: Path) -> Path:
        (folder / "model").write_bytes(self.program.SerializeToString())
        (folder / "params").write_bytes(self.params())
        return folder


def stored_tensor(schema: ModuleType, array: np.ndarray[Any, Any]) -> bytes:
    codes = {"float16": 4, "float32": 5, "float64": 6, "int64": 3}
    descriptor = schema.VarType.TensorDesc(data_type=codes[array.dtype.name], dims=array.shape)
    text = descriptor.SerializeToString()
    return struct.pack("<IQIi", 0, 0, 0, len(text)) + text + array.astype(array.dtype, "C").tobytes()


def dain_layout() -> Layout:
    """PaddleGAN's DAIN in construction order, from channel counts alone."""
    channels = {1: 16, 2: 32, 3: 64, 4: 96, 5: 128, 6: 196}
    layers: list[tuple[str, tuple[int, ...], bool]] = []

    def layer(name: str, *shape: int, bias: bool = True) -> None:
        layers.append((name, shape, bias))

    for level, c in channels.items():
        for index, part in enumerate(("aa", "a", "b") if level == 6 else ("a", "aa", "b")):
            layer(f"flownets.conv{level}{part}", c, c if index else channels.get(level - 1, 3), 3, 3)
    for level in (6, 5, 4, 3, 2):
        width = 81 if level == 6 else 81 + channels[level] + 4
        for index, c in enumerate((128, 128, 96, 64, 32)):
            layer(f"flownets.conv{level}_{index}", c, width, 3, 3)
            width += c
        layer(f"flownets.predict_flow{level}", 2, width, 3, 3)
        if level > 2:
            layer(f"flownets.deconv{level}", 2, 2, 4, 4)
            layer(f"flownets.upfeat{level}", width, 2, 4, 4)
    for index, c in enumerate((128, 128, 128, 96, 64, 32, 2)):
        layer(f"flownets.dc_conv{index + 1}", c, width, 3, 3)
        width = c
    layer("rectifyNet.block1", 64, 13, 7, 7)
    for block in (2, 3, 4):
        layer(f"rectifyNet.block{block}.conv1", 64, 64, 3, 3, bias=False)
        layer(f"rectifyNet.block{block}.conv2", 64, 64, 3, 3, bias=False)
    layer("rectifyNet.block5", 3, 64, 3, 3)
    layout: Layout = []
    for name, shape, bias in layers:
        layout.append((f"{name}.weight", shape))
        if bias:
            layout.append((f"{name}.bias", (shape[1 if "deconv" in name or "upfeat" in name else 0],)))
    return layout


def flow(saver: Saver, first: str, second: str) -> str:
    features: dict[int, list[str]] = {0: [first, second]}
    for level in range(1, 7):
        features[level] = list(features[level - 1])
        for index in (0, 1):
            for part in ("aa", "a", "b") if level == 6 else ("a", "aa", "b"):
                features[level][index] = saver.active(features[level][index], f"flownets.conv{level}{part}")
    up_flow = up_features = x = result = ""
    for level in (6, 5, 4, 3, 2):
        a, b = features[level]
        if up_flow:
            grid = saver.operator("elementwise_add", {"X": ["grid"], "Y": [up_flow]})
            b = saver.operator("grid_sampler", {"Grid": [grid], "X": [b]}, "Output")
        x = saver.operator("correlation", {"Input1": [a], "Input2": [b]}, "Output")
        x = saver.operator("leaky_relu", {"X": [x]})
        if up_flow:
            x = saver.operator("concat", {"X": [x, a, up_flow, up_features]})
        for index in range(5):
            x = saver.operator("concat", {"X": [saver.active(x, f"flownets.conv{level}_{index}"), x]})
        result = saver.conv(x, f"flownets.predict_flow{level}")
        if level > 2:
            up_flow = saver.conv(result, f"flownets.deconv{level}")
            up_features = saver.conv(x, f"flownets.upfeat{level}")
    for index in range(1, 7):
        x = saver.active(x, f"flownets.dc_conv{index}")
    return saver.operator("elementwise_add", {"X": [result], "Y": [saver.conv(x, "flownets.dc_conv7")]})


def dain_program(schema: ModuleType, weights: dict[str, np.ndarray[Any, Any]]) -> Saver:
    """The operators of PaddleGAN's DAIN as saved for two times between the frames."""
    saver = Saver(schema, weights, dain_layout())
    flows = [flow(saver, "a", "b"), flow(saver, "b", "a")]
    for _time in range(2):
        x = saver.operator("grid_sampler", {"Grid": flows, "X": ["a"]}, "Output")
        x = saver.operator("relu", {"X": [saver.conv(x, "rectifyNet.block1")]})
        for block in (2, 3, 4):
            y = saver.operator("relu", {"X": [saver.conv(x, f"rectifyNet.block{block}.conv1")]})
            y = saver.conv(y, f"rectifyNet.block{block}.conv2")
            x = saver.operator("elementwise_add", {"X": [y], "Y": [x]})
        x = saver.conv(x, "rectifyNet.block5")
    saver.operator("fetch", {"X": [x]})
    return saver


def seeded(layout: Layout) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(11)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in layout}


def test_the_whole_dain_comes_back_under_our_names(tmp_path: Path, schema: ModuleType) -> None:
    layout = dain_layout()
    assert sum(math.prod(shape) for _, shape in layout) == 9_638_021
    weights = seeded(layout)
    found = named_from_program(dain_program(schema, weights).save(tmp_path), layout)
    assert list(found) == [name for name, _ in layout]
    for name, array in weights.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


SMALL: Layout = [
    ("one.weight", (4, 3, 3, 3)),
    ("one.bias", (4,)),
    ("two.weight", (4, 4, 3, 3)),
    ("three.weight", (4, 4, 3, 3)),
    ("three.bias", (4,)),
    ("deconv.weight", (4, 2, 4, 4)),
    ("deconv.bias", (2,)),
]
ORDER = ("one", "two", "three", "deconv")


def small(schema: ModuleType, *, layout: Layout = SMALL, order: tuple[str, ...] = ORDER) -> Saver:
    saver = Saver(schema, seeded(layout), layout)
    x = "image"
    for layer in order:
        x = saver.active(x, layer)
    saver.operator("fetch", {"X": [x]})
    return saver


def test_kinds_tell_weights_of_each_convolution_from_biases(tmp_path: Path, schema: ModuleType) -> None:
    parameters = parameters_from_program(small(schema).save(tmp_path))
    assert [(parameter.name, parameter.kind) for parameter in parameters] == [
        ("conv2d_0.w_0", "conv2d"),
        ("conv2d_0.b_0", "bias"),
        ("conv2d_1.w_0", "conv2d"),
        ("conv2d_2.w_0", "conv2d"),
        ("conv2d_2.b_0", "bias"),
        ("conv2d_transpose_0.w_0", "conv2d_transpose"),
        ("conv2d_transpose_0.b_0", "bias"),
    ]


def test_biases_added_late_or_inside_the_convolution_still_follow_their_weights(
    tmp_path: Path, schema: ModuleType
) -> None:
    layout: Layout = [
        (f"{name}.{part}", (2,) * n) for name in "ab" for part, n in (("weight", 4), ("bias", 1))
    ]
    saver = Saver(schema, seeded(layout), layout)
    x = saver.operator("conv2d", {"Filter": ["conv2d_0.w_0"], "Input": ["image"]}, "Output")
    fused = {"Bias": ["conv2d_1.b_0"], "Filter": ["conv2d_1.w_0"], "Input": [x]}
    saver.operator("conv2d", fused, "Output")
    saver.operator("elementwise_add", {"X": [x], "Y": ["conv2d_0.b_0"]})
    found = named_from_program(saver.save(tmp_path), layout)
    for name, array in seeded(layout).items():
        np.testing.assert_array_equal(found[name], array)


def refusal(path: Path, layout: Layout = SMALL) -> str:
    with pytest.raises(WeightsError) as caught:
        named_from_program(path, layout)
    assert caught.value.remedy
    return caught.value.message


def test_layers_used_out_of_the_order_of_construction_are_refused(tmp_path: Path, schema: ModuleType) -> None:
    # `two` and `three` have equal weights' shapes: with the bias gone only the numbers tell them apart.
    layout = [entry for entry in SMALL if entry[0] != "three.bias"]
    path = small(schema, layout=layout, order=("one", "three", "two", "deconv")).save(tmp_path)
    assert "order of construction" in refusal(path, layout)


def wrong_shape(saver: Saver) -> None:
    saver.stored["conv2d_1.w_0"] = np.zeros((4, 4, 5, 5), np.float32)


def wrong_bytes(saver: Saver) -> None:
    saver.stored["conv2d_1.w_0"] = np.zeros((4, 4, 3, 3), np.float64)


def not_finite(saver: Saver) -> None:
    saver.stored["conv2d_2.b_0"][1] = np.nan


def integers(saver: Saver) -> None:
    saver.stored["conv2d_2.b_0"] = np.zeros(4, np.int64)


def missing(saver: Saver) -> None:
    del saver.stored["conv2d_2.b_0"]


def extra_tensor(saver: Saver) -> None:
    saver.stored["zzz"] = np.zeros(3, np.float32)


def extra_unused(saver: Saver) -> None:
    saver.variable("batch_norm_0.w_1", np.zeros(3, np.float32))


def extra_used(saver: Saver) -> None:
    saver.variable("scale_0", np.zeros(1, np.float32))
    saver.operator("elementwise_mul", {"X": ["image"], "Y": ["scale_0"]})


def no_operators(saver: Saver) -> None:
    del saver.block.ops[:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (wrong_shape, "conv2d_1.w_0 has shape (4, 4, 5, 5), the program says (4, 4, 3, 3)"),
        (not_finite, "conv2d_2.b_0 (three.bias)"),
        (integers, "not finite floats"),
        (missing, "damaged"),
        (extra_tensor, "left over"),
        (extra_unused, "another network: 8 parameters, not 7"),
        (extra_used, "another network: 8 parameters, not 7"),
        (no_operators, "another network"),
    ],
)
def test_a_program_that_does_not_fit_is_refused(
    tmp_path: Path, schema: ModuleType, spoil: Callable[[Saver], None], said: str
) -> None:
    saver = small(schema)
    spoil(saver)
    assert said in refusal(saver.save(tmp_path))


def test_float64_parameters_become_float32(tmp_path: Path, schema: ModuleType) -> None:
    saver = small(schema)
    wrong_bytes(saver)
    assert named_from_program(saver.save(tmp_path), SMALL)["two.weight"].dtype == np.float32


def test_another_layout_is_refused_with_both_shapes(tmp_path: Path, schema: ModuleType) -> None:
    path = small(schema).save(tmp_path)
    other: Layout = [*SMALL[:2], ("two.weight", (4, 4, 5, 5)), *SMALL[3:]]
    message = refusal(path, other)
    assert all(part in message for part in ("conv2d_1.w_0", "(4, 4, 3, 3)", "(4, 4, 5, 5)"))
    assert "7 parameters, not 6" in refusal(path, SMALL[:-1])


def cuts(data: bytes, step: int) -> Iterator[bytes]:
    for length in range(0, len(data), step):
        yield data[:length]


def test_files_cut_anywhere_are_refused(tmp_path: Path, schema: ModuleType) -> None:
    path = small(schema).save(tmp_path)
    params, model = (path / "params").read_bytes(), (path / "model").read_bytes()
    for cut in cuts(params, 61):
        (path / "params").write_bytes(cut)
        assert "damaged" in refusal(path)
    (path / "params").write_bytes(params)
    for cut in cuts(model, 13):
        (path / "model").write_bytes(cut)
        refusal(path)


def test_garbage_is_refused(tmp_path: Path, schema: ModuleType) -> None:
    path = small(schema).save(tmp_path)
    params, model = (path / "params").read_bytes(), (path / "model").read_bytes()
    rng = np.random.default_rng(5)
    for garbage in (b"", b"\xff" * 100, b"\x0b", b"<html>not found</html>", rng.bytes(1000)):
        (path / "model").write_bytes(garbage)
        assert "damaged" in refusal(path)
    (path / "model").write_bytes(model)
    claims = schema.VarType.TensorDesc(data_type=5, dims=[1 << 40, 1 << 20]).SerializeToString()
    for garbage in (
        struct.pack("<IQ", 0, 1 << 62),
        struct.pack("<IQIi", 0, 0, 0, -5),
        struct.pack("<IQIi", 0, 0, 0, len(claims)) + claims,
        struct.pack("<I", 1) + params[4:],
    ):
        (path / "params").write_bytes(garbage)
        assert "damaged" in refusal(path)


def test_flipped_bytes_in_the_program_never_raise_anything_else(tmp_path: Path, schema: ModuleType) -> None:
    path = small(schema).save(tmp_path)
    model = (path / "model").read_bytes()
    rng = np.random.default_rng(6)
    refused = 0
    for position in rng.integers(0, len(model), 300):
        (path / "model").write_bytes(
            model[:position] + bytes([model[position] ^ (1 << int(rng.integers(8)))]) + model[position + 1 :]
        )
        try:
            named_from_program(path, SMALL)
        except WeightsError:
            refused += 1
    assert refused > 100


REAL = """
import sys, numpy, paddle
paddle.enable_static()
paddle.seed(3)
x = paddle.static.data("image", [1, 3, 16, 16], "float32")
y = paddle.nn.Conv2D(3, 4, 3, padding=1)(x)
y = paddle.nn.functional.leaky_relu(y, 0.1)
y = paddle.nn.Conv2D(4, 4, 3, padding=1, bias_attr=False)(y)
y = paddle.nn.Conv2DTranspose(4, 2, 4, stride=2, padding=1)(y)
executor = paddle.static.Executor(paddle.CPUPlace())
executor.run(paddle.static.default_startup_program())
paddle.static.save_inference_model(sys.argv[1] + "/real", [x], [y], executor)
scope = paddle.static.global_scope()
names = [v.name for v in paddle.static.default_main_program().list_vars() if v.persistable]
arrays = {n: numpy.array(scope.find_var(n).get_tensor()) for n in names if scope.find_var(n)}
numpy.savez(sys.argv[1] + "/wanted.npz", **{n: a for n, a in arrays.items() if a.ndim and a.size > 1})
"""


def test_a_program_that_paddle_itself_saved_is_read(tmp_path: Path) -> None:
    if importlib.util.find_spec("paddle") is None:
        pytest.skip("needs paddlepaddle to save a real program")
    environment = {**os.environ, "FLAGS_enable_pir_api": "0"}  # the format of before Paddle 3
    subprocess.run([sys.executable, "-c", REAL, str(tmp_path)], env=environment, check=True, timeout=120)
    parameters = parameters_from_program(tmp_path)
    assert [p.kind for p in parameters] == ["conv2d", "bias", "conv2d", "conv2d_transpose", "bias"]
    with np.load(tmp_path / "wanted.npz") as wanted:
        assert sorted(wanted) == sorted(p.name for p in parameters)
        for parameter in parameters:
            np.testing.assert_array_equal(parameter.array, wanted[parameter.name])
