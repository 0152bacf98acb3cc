"""Programs and their parameters, written as Paddle did in 2020; DAIN's among them."""

from __future__ import annotations

import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Layout = list[tuple[str, tuple[int, ...]]]


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
