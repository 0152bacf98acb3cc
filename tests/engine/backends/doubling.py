"""Engines beside ONNX files, which double what they are given, and the backend that runs them."""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from reel.engine.backends.tensorrt import TensorrtBackend
from reel.engine.device.device import Device
from reel.models.edvr import EDVR_M
from reel.models.engines import PLAN, Basis, Engine, EngineCard, build_flags, keep_engine
from reel.models.frame_range import frame_ranges, input_ranges
from reel.models.gpu import Gpu
from reel.models.spec import Network
from reel.models.store import file_digest
from reel.tests.engine.device.fake_runtime import FakeRuntime

GPU = Gpu("NVIDIA H200", "9.0", "580.65.06")
VERSION = "10.16.1.11"
SIZES = {"float16": "HALF", "float32": "FLOAT"}


class Rest:
    """A backend that remembers what it was given to load."""

    name = "rest"
    precisions = ("fp32",)

    def __init__(self) -> None:
        self.loaded: list[Path] = []

    def load(self, path: Path, *, keep: bool = False) -> Any:
        self.loaded.append(path)
        return self

    def memory(self) -> int:
        return 0


def doubling(runtime: FakeRuntime) -> Callable[[Any, int], None]:
    """Return what a run does: every output is twice the first input."""

    def execute(context: Any, stream: int) -> None:
        names, types = context._engine._names, context._engine._facts["graph"]["types"]
        count = int(np.prod(context._shapes[names[0]]))
        views = {
            name: (context._addresses[name], count * (2 if types[name] == "HALF" else 4)) for name in names
        }

        def run() -> None:
            given, made = (
                np.frombuffer((ctypes.c_char * views[name][1]).from_address(views[name][0]), dtype)
                for name, dtype in (
                    (name, np.float16 if types[name] == "HALF" else np.float32)
                    for name in (names[0], names[-1])
                )
            )
            np.multiply(given, 2, out=made)

        if runtime.is_capturing(stream):
            assert context._ran == context._shapes, "it is recorded before it has run with these shapes"
        inputs = [views[name] for name in context._engine._inputs]
        writes = [views[name] for name in names if name not in context._engine._inputs]
        if context._memory:
            writes.append((context._memory, context._needed))
        runtime.kernel(stream, "engine", inputs, writes, run)

    return execute


def onnx_file(folder: Path, network: Network = EDVR_M, graph: str = "rebuild") -> Path:
    path = folder / network.name / "fp16-key" / f"{graph}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"the graph {graph}")
    return path


def engine_for(
    path: Path,
    size: tuple[int, int] | None = None,
    *,
    network: Network = EDVR_M,
    version: str = VERSION,
    graph: dict[str, Any] | None = None,
    **changed: Any,
) -> Engine:
    """Put an engine beside an ONNX file, as export.engines does."""
    facts = network.graph(path.stem)
    frames = frame_ranges(network, [] if size is None else [size])[0]
    inputs = input_ranges(network, facts, frames)
    outputs = tuple(tensor.name for tensor in facts.outputs)
    basis = Basis(
        network.name,
        "fp16",
        path.stem,
        file_digest(path),
        inputs,
        outputs,
        GPU,
        version,
        build_flags(version, "fp16"),
    )
    basis = replace(basis, **changed)
    names = {"inputs": [given.name for given in inputs], "outputs": list(outputs)}
    types = {tensor.name: SIZES[tensor.dtype("fp16")] for tensor in (*facts.inputs, *facts.outputs)}
    plan = {
        "graph": graph or (names | {"types": types}),
        "profile": {given.name: (given.least, given.usual, given.most) for given in inputs},
    }
    (scratch := path.parent / "scratch").mkdir()
    (scratch / PLAN).write_text(data := json.dumps(plan))
    digest = hashlib.sha256(data.encode()).hexdigest()
    return keep_engine(path.parent, scratch, EngineCard(basis, len(data), digest, 1.0, "2026"))


def maps(height: int = 16, width: int = 24) -> np.ndarray:
    return np.random.default_rng(height).random((1, 64, height, width), np.float32)


def backend_on(device: Device, *, strict: bool = True) -> tuple[TensorrtBackend, Rest]:
    rest = Rest()
    return TensorrtBackend(device, rest=rest, strict=strict), rest
