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

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.program import named_from_program, parameters_from_program
from reel.tests.export.saved_programs import Layout, Saver, dain_layout, dain_program, seeded


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
