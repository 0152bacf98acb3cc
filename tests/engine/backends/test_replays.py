"""Runs of an engine that are recorded after the first, on a device that finds misuse."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.engine.backends import tensorrt_engine
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.device import Device
from reel.errors import BackendError
from reel.tests.engine.backends.doubling import backend_on, doubling, engine_for, maps
from reel.tests.engine.device.fake_runtime import FakeRuntime

Machine = Callable[..., ModuleType]
WARM = 3  # runs before one is recorded


def doubled(session: Any, times: int = 1, **size: int) -> list[np.ndarray]:
    """Run one map after the other, of which all wait; returns what came of each over what it should be."""
    results: list[DeviceArray] = [session(fused=maps(**size) * number)[0] for number in range(1, times + 1)]
    return [
        pixels_of(result) - 2 * (maps(**size) * number).astype(np.float16)
        for number, result in enumerate(results, 1)
    ]


def test_recorded_runs_give_the_same_each_in_memory_of_its_own(session: Any, runtime: FakeRuntime) -> None:
    off = doubled(session, WARM + 4)
    assert all(not each.any() for each in off)
    assert runtime.calls.count("launch") == 4
    assert runtime.calls.count("instantiate") == 1


def test_nobody_waits_for_the_device_to_record(session: Any, runtime: FakeRuntime) -> None:
    session(fused=maps())
    first = session(fused=maps())[0]  # on the device, so that no upload has to wait
    before = len(runtime.calls)
    for _ in range(WARM):
        session(fused=first)
    assert "launch" in runtime.calls[before:]
    assert "synchronise" not in runtime.calls


def test_a_recording_lasts_as_long_as_the_shapes_do(session: Any, runtime: FakeRuntime) -> None:
    def launches(times: int, height: int) -> int:
        before = runtime.calls.count("launch")
        assert all(not each.any() for each in doubled(session, times, height=height))
        return runtime.calls.count("launch") - before

    assert [launches(WARM - 1, height) for height in (16, 32, 16, 32)] == [0] * 4
    assert launches(WARM + 1, 16) == 1
    # Given up once, it is begun again after twice as many runs.
    assert launches(2 * WARM + 2, 32) == 2
    assert launches(4 * WARM, 16) == 0


def test_what_it_was_recorded_with_is_given_back(machine: Machine, runtime: FakeRuntime, path: Path) -> None:
    machine().on_execute = doubling(runtime)
    engine_for(path)
    with Device(runtime) as device:
        session = backend_on(device)[0].load(path)
        doubled(session, WARM + 2)
        session.close()
        held = [name for name in runtime.calls if name in ("allocate", "free")]
        assert held.count("allocate") == held.count("free")
    assert runtime.calls.count("destroy_graph") == runtime.calls.count("destroy_executable") == 1


def test_large_runs_are_not_recorded(
    session: Any, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_engine, "MOST", 7 * 64 * 16 * 24 - 1)  # in, out, and what it needs beside
    doubled(session, WARM + 2)
    assert "begin_capture" not in runtime.calls


@pytest.mark.parametrize("how", ["refused", "invalid", "empty"])
def test_what_cannot_be_recorded_goes_on_as_before_and_is_said_once(
    machine: Machine,
    runtime: FakeRuntime,
    device: Device,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    double, tensorrt = doubling(runtime), machine()

    def execute(context: Any, stream: int) -> bool:
        if not runtime.is_capturing(stream):
            double(context, stream)
            return True
        if how != "empty":
            runtime.invalidate(stream)
        return how != "refused"

    tensorrt.on_execute = execute
    engine_for(path)
    session = backend_on(device)[0].load(path)
    with caplog.at_level(logging.INFO):
        assert all(not each.any() for each in doubled(session, 3 * WARM))
        assert all(not each.any() for each in doubled(session, WARM, height=32))
    assert caplog.text.count("Runs of rebuild of edvr-m start kernel by kernel") == 1
    said = {"refused": "could not run", "invalid": "was invalidated", "empty": "Nothing of the run"}
    assert said[how] in caplog.text
    assert runtime.calls.count("begin_capture") == 1
    assert "launch" not in runtime.calls
    session.close()


@pytest.mark.parametrize("name", ["launch", "copy_block", "synchronise", "destroy_executable"])
def test_a_call_that_fails_afterwards_is_told_and_nothing_is_left(
    machine: Machine, runtime: FakeRuntime, path: Path, name: str
) -> None:
    machine().on_execute = doubling(runtime)
    engine_for(path)

    def run() -> None:
        with Device(runtime) as device:
            session = backend_on(device)[0].load(path)
            given = device.upload(maps(), np.float16)
            for _ in range(WARM):
                session(fused=given)
            try:
                runtime.fail_next = name
                session(fused=given)
            finally:
                session.close()

    with pytest.raises(BackendError, match=f"{name} was made to fail"):
        run()


@pytest.mark.parametrize("name", ["begin_capture", "end_capture", "graph_nodes", "instantiate",
                                  "destroy_graph", "make_stream", "destroy_stream"])  # fmt: skip
def test_a_call_that_fails_while_recording_leaves_nothing(
    session: Any, runtime: FakeRuntime, name: str
) -> None:
    doubled(session, WARM - 1)
    runtime.fail_next = name
    assert all(not each.any() for each in doubled(session, 3))
    assert "launch" not in runtime.calls
