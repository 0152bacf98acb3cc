"""A device that finds every misuse, and a graph of EDVR M with its engine on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from reel.engine.device.device import Device
from reel.tests.engine.backends.doubling import backend_on, doubling, engine_for, onnx_file
from reel.tests.engine.device.fake_runtime import FakeRuntime


@pytest.fixture
def runtime() -> Iterator[FakeRuntime]:
    runtime = FakeRuntime()
    yield runtime
    runtime.check()


@pytest.fixture
def device(runtime: FakeRuntime) -> Iterator[Device]:
    with Device(runtime) as device:
        yield device


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The ONNX file of a graph, with no engine yet."""
    return onnx_file(tmp_path)


@pytest.fixture
def session(
    machine: Callable[..., ModuleType], runtime: FakeRuntime, device: Device, path: Path
) -> Iterator[Any]:
    """The graph on its engine, which doubles what it is given."""
    machine().on_execute = doubling(runtime)
    engine_for(path)
    session = backend_on(device)[0].load(path)
    yield session
    session.close()
