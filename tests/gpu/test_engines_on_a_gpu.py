"""Engines on a real GPU: built, run, and compared with ONNX Runtime on the CPU. `pytest -m gpu tests/gpu`.

They need TensorRT, cuda-bindings, onnx and ONNX Runtime, and nothing else: no Paddle and no network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import BackendError
from reel.models.edvr import EDVR_M
from reel.models.engines import PLAN, Basis, EngineCard, build_flags, keep_engine
from reel.models.frame_range import frame_ranges, input_ranges
from reel.models.gpu import find_gpu
from reel.models.store import file_digest
from reel.models.tensorrt_library import load_tensorrt, version_of

pytestmark = pytest.mark.gpu

onnx = pytest.importorskip("onnx", reason="needs onnx")

CLOSE = {"fp32": 1e-5, "fp16": 5e-3}
"""Relative L2 of what the engine makes to what ONNX Runtime makes of the same graph in float32."""


@pytest.fixture(scope="module")
def trt() -> Any:
    try:
        find_gpu()
        return load_tensorrt()
    except BackendError as error:
        pytest.skip(f"needs a GPU and TensorRT: {error.message}")


def blocks(precision: str) -> Any:
    """In the place of EDVR M's graph ``rebuild``: four convolutions of 64 maps, with random weights."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kind, dtype = {"fp32": (TensorProto.FLOAT, np.float32), "fp16": (TensorProto.FLOAT16, np.float16)}[
        precision
    ]
    nodes, weights, last = [], [], "fused"
    for index in range(4):
        weights.append(
            numpy_helper.from_array(rng.normal(0, 0.04, (64, 64, 3, 3)).astype(dtype), f"w{index}")
        )
        nodes.append(helper.make_node("Conv", [last, f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1]))
        name = "rebuilt" if index == 3 else f"r{index}"
        nodes.append(helper.make_node("Relu" if index % 2 == 0 else "Identity", [f"c{index}"], [name]))
        last = name
    sides = [1, 64, "H", "W"]
    values = [helper.make_tensor_value_info(name, kind, sides) for name in ("fused", "rebuilt")]
    graph = helper.make_graph(nodes, "rebuild", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def exported(folder: Path, precision: str) -> Path:
    path = folder / "edvr-m" / f"{precision}-key" / "rebuild.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(blocks(precision), str(path))
    return path


def basis_for(path: Path, precision: str, trt: Any) -> Basis:
    graph = EDVR_M.graph("rebuild")
    return Basis(
        network="edvr-m",
        precision=precision,
        graph="rebuild",
        graph_sha256=file_digest(path),
        inputs=input_ranges(EDVR_M, graph, frame_ranges(EDVR_M, [(120, 160)])[0]),
        outputs=("rebuilt",),
        gpu=find_gpu(),
        tensorrt=trt.__version__,
        flags=build_flags(trt.__version__, precision),
        sampled=version_of(trt.__version__) < (10, 0),
    )


@pytest.mark.parametrize("precision", CLOSE)
def test_an_engine_makes_what_the_cpu_makes(trt: Any, tmp_path: Path, precision: str) -> None:
    from reel.engine.backends.cpu import CpuBackend
    from reel.engine.backends.tensorrt import TensorrtBackend
    from reel.engine.device.array import pixels_of
    from reel.engine.device.cudart import Cudart
    from reel.engine.device.device import Device
    from reel.export.engine_from_onnx import engine_from_onnx

    path = exported(tmp_path, precision)
    basis = basis_for(path, precision, trt)
    shares: list[float] = []
    built = engine_from_onnx(trt, path, basis, progress=shares.append)
    assert built.timing
    assert shares == sorted(shares)
    again = engine_from_onnx(trt, path, replace(basis, level=1), timing=built.timing)
    (scratch := tmp_path / "scratch").mkdir()
    for plan, of in ((again.plan, replace(basis, level=1)), (built.plan, basis)):
        scratch.mkdir(exist_ok=True)
        (scratch / PLAN).write_bytes(plan)
        card = EngineCard(of, len(plan), file_digest(scratch / PLAN), 0.0, "2026")
        keep_engine(path.parent, scratch, card)
    onnx.save(blocks("fp32"), str(full := tmp_path / "full.onnx"))
    reference = CpuBackend().load(full)
    runtime = Cudart()
    runtime.prepare()
    with Device(runtime) as device:
        session = TensorrtBackend(device, rest=CpuBackend()).load(path)
        for height, width in ((8, 8), (120, 160), (64, 96), (120, 160)):
            given = np.random.default_rng(height).random((1, 64, height, width), np.float32)
            (expected,) = reference(fused=given)
            found = pixels_of(session(fused=given)[0])
            assert np.linalg.norm(found - expected) <= CLOSE[precision] * np.linalg.norm(expected)
        with pytest.raises(BackendError, match="No engine of edvr-m takes frames of 160x124"):
            session(fused=np.zeros((1, 64, 124, 160), np.float32))
        session.close()
