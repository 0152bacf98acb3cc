"""A new engine is compared with its graph on the CPU, and one that makes something else is refused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.engine.backends.engine_check import check_engine, difference, inputs_for
from reel.engine.device.device import Device
from reel.errors import BackendError
from reel.models.dain_depth import DAIN_DEPTH
from reel.models.edvr import EDVR_M
from reel.models.manifest import NETWORKS
from reel.tests.engine.backends.doubling import engine_for
from reel.tests.engine.device.fake_runtime import FakeRuntime

onnx = pytest.importorskip("onnx", reason="needs onnx")

Machine = Callable[..., ModuleType]


def doubling_graph(folder: Path) -> Path:
    """EDVR M's graph ``rebuild`` as far as its inputs and outputs go: it gives twice what it is given."""
    from onnx import TensorProto, helper

    sides = [1, 64, "H", "W"]
    fused, rebuilt = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, sides) for name in ("fused", "rebuilt")
    )
    node = helper.make_node("Add", ["fused", "fused"], ["rebuilt"])
    graph = helper.make_graph([node], "g", [fused], [rebuilt])
    path = folder / "edvr-m" / "fp16-key" / "rebuild.onnx"
    path.parent.mkdir(parents=True)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def making(runtime: FakeRuntime, made: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any, int], None]:
    """Return a run that makes something of its one input, both float16."""

    def execute(context: Any, stream: int) -> None:
        places = context._addresses
        size = 2 * int(np.prod(context._shapes["fused"]))

        def view(name: str) -> np.ndarray:
            return np.frombuffer((ctypes.c_char * size).from_address(places[name]), np.float16)

        def run() -> None:
            view("rebuilt")[:] = made(view("fused"))

        writes = [(places["rebuilt"], size), (context._memory, context._needed)]
        runtime.kernel(stream, "engine", [(places["fused"], size)], writes, run)

    return execute


def check(trt: ModuleType, folder: Path, size: tuple[int, int] | None, made: Callable[..., Any]) -> None:
    path = doubling_graph(folder)
    runtime = FakeRuntime()
    trt.on_execute = making(runtime, made)
    engine = engine_for(path, size)
    with Device(runtime) as device:
        check_engine(engine, path, device)
    runtime.check()


@pytest.mark.parametrize("size", [None, (480, 640), (16, 24)], ids=str)
def test_an_engine_that_does_what_its_graph_does_passes(
    machine: Machine, tmp_path: Path, size: tuple[int, int] | None
) -> None:
    check(machine(), tmp_path, size, lambda values: 2 * values)


@pytest.mark.parametrize(
    "made",
    [
        lambda values: values * np.float16(2.2),
        lambda values: 2 * np.roll(values, 1),
        lambda values: np.where(values > 0.999, np.nan, 2 * values),
        lambda values: 0 * values,
    ],
    ids=["a tenth more", "a pixel aside", "not finite", "nothing"],
)
def test_one_that_makes_something_else_is_refused(
    machine: Machine, tmp_path: Path, made: Callable[..., Any]
) -> None:
    with pytest.raises(BackendError) as caught:
        check(machine(), tmp_path, None, made)
    assert "The engine of rebuild of edvr-m gives another rebuilt than its graph" in caught.value.message


def test_where_rounding_decides_a_pixel_a_few_may_differ() -> None:
    expected = np.ones((1, 1, 100, 100), np.float32)
    found = expected.copy()
    found[..., :5, :] = 9
    assert difference(DAIN_DEPTH, expected, found) == 0
    assert difference(EDVR_M, expected, found) > 1
    found[0, 0, 0, 0] = np.nan  # which is no matter of rounding
    assert difference(DAIN_DEPTH, expected, found) == np.inf


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_every_graph_of_every_network_has_inputs_to_be_compared_on(network: Any) -> None:
    for graph in network.graphs:
        given = inputs_for(network, graph)
        assert list(given) == [tensor.name for tensor in graph.inputs]
        assert all(value.dtype == np.float32 and value.max() > 0 for value in given.values())
