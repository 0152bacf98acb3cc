"""The TensorRT backend on a device that finds every misuse, with a TensorRT that is strict about calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.device import Device
from reel.errors import BackendError
from reel.tests.engine.backends.doubling import VERSION, backend_on, doubling, engine_for, maps
from reel.tests.engine.device.fake_runtime import FakeRuntime

Machine = Callable[..., ModuleType]


@pytest.mark.parametrize("version", [VERSION, "11.4.0.106", "8.6.1"])
def test_a_run_gives_what_the_engine_makes_in_the_graphs_own_types(
    machine: Machine, runtime: FakeRuntime, device: Device, path: Path, version: str
) -> None:
    machine(version=version).on_execute = doubling(runtime)
    engine_for(path, version=version)
    session = backend_on(device)[0].load(path)
    (result,) = session(fused=maps())
    assert isinstance(result, DeviceArray)
    assert (result.shape, result.dtype) == ((1, 64, 16, 24), np.float16)
    assert "synchronise" not in runtime.calls  # nobody has waited so far
    assert np.array_equal(pixels_of(result), 2 * maps().astype(np.float16))
    session.close()


def test_arrays_go_from_one_graph_to_the_next_without_leaving_the_device(
    session: Any, runtime: FakeRuntime
) -> None:
    value: Any = maps()
    for _ in range(3):
        (value,) = session(fused=value)
    assert runtime.calls.count("copy_in") == 1
    assert "copy_out" not in runtime.calls
    assert np.array_equal(pixels_of(value), 8 * maps().astype(np.float16))


def test_a_run_takes_memory_for_its_own_frames_and_gives_it_back(session: Any, runtime: FakeRuntime) -> None:
    """The engine takes frames of 1920x1088; its memory is that of the small one that it is given."""
    sizes: list[int] = []
    allocate = runtime.allocate
    runtime.allocate = lambda size, stream: (sizes.append(size), allocate(size, stream))[1]
    for height, width in ((16, 24), (16, 24), (32, 24)):
        session(fused=maps(height, width))
    given = 64 * 16 * 24
    assert sizes == [2 * given, 2 * given, 3 * given] * 2 + [4 * given, 4 * given, 6 * given]
    assert runtime.calls.count("free") == len(sizes)


def test_closing_waits_for_the_last_run(session: Any, runtime: FakeRuntime) -> None:
    """An engine whose kernels still run may not go."""
    session(fused=maps())
    assert not any(operation.name == "engine" for operation in runtime.ran)
    session.close()
    assert any(operation.name == "engine" for operation in runtime.ran)


def test_frames_run_on_the_smallest_engine_that_takes_them(
    machine: Machine, runtime: FakeRuntime, device: Device, path: Path
) -> None:
    used: list[tuple[int, ...]] = []
    double = doubling(runtime)
    machine().on_execute = lambda context, stream: (
        used.append(context._engine._facts["profile"]["fused"][2][2:]),
        double(context, stream),
    )
    for size in (None, (64, 96), (32, 48)):
        engine_for(path, size)
    session = backend_on(device)[0].load(path)
    for height, width in ((32, 48), (33, 48), (96, 64), (16, 16)):
        session(fused=maps(height, width))
    session.close()
    assert used == [[32, 48], [64, 96], [1088, 1920], [32, 48]]


def test_what_is_no_network_goes_to_the_other_backend(
    machine: Machine, device: Device, tmp_path: Path
) -> None:
    machine()
    path = tmp_path / "pictures" / "fp16-key" / "same.onnx"
    backend, rest = backend_on(device)
    assert backend.load(path) is rest
    assert rest.loaded == [path]


def test_a_misuse_is_told_and_an_interrupted_run_ends(session: Any, device: Device) -> None:
    with pytest.raises(BackendError, match="as float16, not as float32"):
        session(fused=device.upload(maps()))
    session.interrupt()
    with pytest.raises(BackendError, match="interrupted"):
        session(fused=maps())


@pytest.mark.parametrize("fail_at", range(1, 60))
def test_whatever_call_of_cuda_fails_it_is_told_and_everything_given_back(
    machine: Machine, path: Path, fail_at: int
) -> None:
    runtime = FakeRuntime(fail_at=fail_at)
    machine().on_execute = doubling(runtime)
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
