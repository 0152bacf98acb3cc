"""The TensorRT backend on a device that finds every misuse, with a TensorRT that is strict about calls."""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.engine.backends import tensorrt as module
from reel.engine.backends.tensorrt import TensorrtBackend
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.device import Device
from reel.errors import BackendError, OutOfMemoryError
from reel.models.deoldify import DEOLDIFY
from reel.models.edvr import EDVR_M
from reel.models.engines import PLAN, Basis, Engine, EngineCard, build_flags, keep_engine
from reel.models.frame_range import frame_ranges, input_ranges
from reel.models.gpu import Gpu
from reel.models.spec import Network
from reel.models.store import file_digest
from reel.tests.engine.device.fake_runtime import FakeRuntime

FAKES = Path(__file__).parents[1] / "fakes"
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


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Make this a machine with a GPU and TensorRT, or with something wrong; returns its TensorRT."""
    monkeypatch.syspath_prepend(str(FAKES))

    def become(gpu: Gpu = GPU, version: str = VERSION, wrong: str = "") -> ModuleType:
        monkeypatch.setenv("REEL_FAKE_TENSORRT", f"{version} {wrong}")
        monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
        monkeypatch.setattr(module, "find_gpu", lambda: gpu)
        import tensorrt  # pyright: ignore

        return tensorrt

    return become


@pytest.fixture
def runtime() -> Iterator[FakeRuntime]:
    runtime = FakeRuntime()
    yield runtime
    runtime.check()


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


@pytest.mark.parametrize("version", [VERSION, "11.4.0.106", "8.6.1"])
def test_a_run_gives_what_the_engine_makes_in_the_graphs_own_types(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path, version: str
) -> None:
    machine(version=version).on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path, version=version)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        (result,) = session(fused=maps())
        assert isinstance(result, DeviceArray)
        assert (result.shape, result.dtype) == ((1, 64, 16, 24), np.float16)
        assert "synchronise" not in runtime.calls  # nobody has waited so far
        assert np.array_equal(pixels_of(result), 2 * maps().astype(np.float16))
        session.close()


def test_arrays_go_from_one_graph_to_the_next_without_leaving_the_device(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    machine().on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        value: Any = maps()
        for _ in range(3):
            (value,) = session(fused=value)
        assert runtime.calls.count("copy_in") == 1
        assert "copy_out" not in runtime.calls
        assert np.array_equal(pixels_of(value), 8 * maps().astype(np.float16))
        session.close()


def test_a_run_takes_memory_for_its_own_frames_and_gives_it_back(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    """The engine takes frames of 1920x1088; its memory is that of the small one that it is given."""
    machine().on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path)
    sizes: list[int] = []
    allocate = runtime.allocate
    runtime.allocate = lambda size, stream: (sizes.append(size), allocate(size, stream))[1]
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        for height, width in ((16, 24), (16, 24), (32, 24)):
            session(fused=maps(height, width))
        given = 64 * 16 * 24
        assert sizes == [2 * given, 2 * given, 3 * given] * 2 + [4 * given, 4 * given, 6 * given]
        assert runtime.calls.count("free") == len(sizes)
        session.close()


def test_closing_waits_for_the_last_run(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    """An engine whose kernels still run may not go."""
    machine().on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        session(fused=maps())
        assert not any(operation.name == "engine" for operation in runtime.ran)
        session.close()
        assert any(operation.name == "engine" for operation in runtime.ran)


def test_frames_run_on_the_smallest_engine_that_takes_them(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    tensorrt = machine()
    used: list[tuple[int, ...]] = []
    double = doubling(runtime)
    tensorrt.on_execute = lambda context, stream: (
        used.append(context._engine._facts["profile"]["fused"][2][2:]),
        double(context, stream),
    )
    path = onnx_file(tmp_path)
    for size in (None, (64, 96), (32, 48)):
        engine_for(path, size)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        for height, width in ((32, 48), (33, 48), (96, 64), (16, 16)):
            session(fused=maps(height, width))
        session.close()
    assert used == [[32, 48], [64, 96], [1088, 1920], [32, 48]]


def test_frames_that_no_engine_takes_are_told_the_command_that_helps(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    machine()
    path = onnx_file(tmp_path)
    engine_for(path, (480, 640))
    colour = onnx_file(tmp_path, DEOLDIFY, "colour")
    engine_for(colour, network=DEOLDIFY)
    with Device(runtime) as device:
        backend, _ = backend_on(device)
        session = backend.load(path)
        with pytest.raises(BackendError) as caught:
            session(fused=maps(484, 640))
        assert caught.value.message == "No engine of edvr-m takes frames of 640x484."
        assert "`reel-export edvr-m --device cuda --size 640x484`" in caught.value.remedy
        session.close()
        session = backend.load(colour)
        with pytest.raises(BackendError) as caught:
            session(picture=np.zeros((1, 3, 1040, 1040), np.float32))
        assert "--render-factor 64" in caught.value.remedy
        session.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gpu": replace(GPU, name="NVIDIA L4")}, "GPU NVIDIA L4, and here is NVIDIA H200"),
        ({"gpu": replace(GPU, driver="570.1")}, "driver 570.1, and here is 580.65.06"),
        ({"tensorrt": "10.16.1.12"}, "TensorRT 10.16.1.12, and here is 10.16.1.11"),
        ({"graph_sha256": "0" * 64}, "graph 0000000000000000, and here is"),
        ({"revision": 0}, "way of building 0"),
        (None, "none was built"),
    ],
)
def test_a_stale_engine_is_never_used(
    machine: Callable[..., ModuleType],
    runtime: FakeRuntime,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    changed: dict[str, Any] | None,
    said: str,
) -> None:
    machine()
    path = onnx_file(tmp_path)
    if changed is not None:
        engine_for(path, **changed)
    with Device(runtime) as device:
        with pytest.raises(BackendError) as caught:
            backend_on(device)[0].load(path)
        assert said in caught.value.message
        assert "`reel-export edvr-m --device cuda`" in caught.value.remedy
        # Where anything that works will do, the other runs it, and that is said.
        backend, rest = backend_on(device, strict=False)
        with caplog.at_level(logging.WARNING):
            assert backend.load(path) is rest
        assert rest.loaded == [path]
        assert said in caplog.text


def test_what_is_no_network_goes_to_the_other_backend(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    machine()
    path = tmp_path / "pictures" / "fp16-key" / "same.onnx"
    with Device(runtime) as device:
        backend, rest = backend_on(device)
        assert backend.load(path) is rest
        assert rest.loaded == [path]


def _flip(engine: Engine) -> None:
    engine.plan.write_bytes(engine.plan.read_bytes().replace(b"fused", b"fusee"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [(_flip, "is damaged"), (lambda engine: engine.plan.unlink(), "cannot be read")],
    ids=["changed", "gone"],
)
def test_a_damaged_engine_is_never_used(
    machine: Callable[..., ModuleType],
    runtime: FakeRuntime,
    tmp_path: Path,
    harm: Callable[[Engine], None],
    said: str,
) -> None:
    machine()
    path = onnx_file(tmp_path)
    harm(engine_for(path))
    with Device(runtime) as device, pytest.raises(BackendError, match=said):
        backend_on(device)[0].load(path)


def test_an_engine_with_other_outputs_than_its_graph_is_refused(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    machine()
    path = onnx_file(tmp_path)
    types = {"fused": "HALF", "other": "HALF"}
    engine_for(path, graph={"inputs": ["fused"], "outputs": ["other"], "types": types})
    with Device(runtime) as device, pytest.raises(BackendError, match="other inputs or outputs"):
        backend_on(device)[0].load(path)


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ("no-plugins", BackendError, "cannot load its plugins"),
        ("no-memory", OutOfMemoryError, "Requested 5 bytes: out of memory"),
        ("no-context", BackendError, "cannot prepare to run rebuild"),
        ("no-run", BackendError, "could not run rebuild"),
    ],
)
def test_no_failure_of_tensorrt_is_passed_over(
    machine: Callable[..., ModuleType],
    runtime: FakeRuntime,
    tmp_path: Path,
    wrong: str,
    kind: type[BackendError],
    said: str,
) -> None:
    machine(wrong=wrong)
    path = onnx_file(tmp_path)
    engine_for(path)
    with Device(runtime) as device, pytest.raises(BackendError, match=said) as caught:
        backend_on(device)[0].load(path)(fused=maps())
    assert type(caught.value) is kind


def test_a_misuse_is_told_and_an_interrupted_run_ends(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, tmp_path: Path
) -> None:
    machine().on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        with pytest.raises(BackendError, match="as float16, not as float32"):
            session(fused=device.upload(maps()))
        session.interrupt()
        with pytest.raises(BackendError, match="interrupted"):
            session(fused=maps())
        session.close()


@pytest.mark.parametrize("fail_at", range(1, 60))
def test_whatever_call_of_cuda_fails_it_is_told_and_everything_given_back(
    machine: Callable[..., ModuleType], tmp_path: Path, fail_at: int
) -> None:
    runtime = FakeRuntime(fail_at=fail_at)
    machine().on_execute = doubling(runtime)
    path = onnx_file(tmp_path)
    engine_for(path)
    failed = False
    try:
        with Device(runtime) as device:
            session = backend_on(device)[0].load(path)
            try:
                (first,) = session(fused=maps())
                (second,) = session(fused=first)
                found = pixels_of(second)
            finally:
                session.close()
            del first, second
    except BackendError:
        failed = True
    else:
        assert np.array_equal(found, 4 * maps().astype(np.float16))
    assert failed == (len(runtime.calls) >= fail_at)
    runtime.check()
