"""What the TensorRT backend does not run, and what it says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reel.engine.device.device import Device
from reel.errors import BackendError, OutOfMemoryError
from reel.models.deoldify import DEOLDIFY
from reel.models.engines import Engine
from reel.tests.engine.backends.doubling import GPU, backend_on, engine_for, maps, onnx_file

Machine = Callable[..., ModuleType]


def test_frames_that_no_engine_takes_are_told_the_command_that_helps(
    machine: Machine, device: Device, path: Path, tmp_path: Path
) -> None:
    machine()
    engine_for(path, (480, 640))
    colour = onnx_file(tmp_path, DEOLDIFY, "colour")
    engine_for(colour, network=DEOLDIFY)
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
    machine: Machine,
    device: Device,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    changed: dict[str, Any] | None,
    said: str,
) -> None:
    machine()
    if changed is not None:
        engine_for(path, **changed)
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


def _flip(engine: Engine) -> None:
    engine.plan.write_bytes(engine.plan.read_bytes().replace(b"fused", b"fusee"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [(_flip, "is damaged"), (lambda engine: engine.plan.unlink(), "cannot be read")],
    ids=["changed", "gone"],
)
def test_a_damaged_engine_is_never_used(
    machine: Machine, device: Device, path: Path, harm: Callable[[Engine], None], said: str
) -> None:
    machine()
    harm(engine_for(path))
    with pytest.raises(BackendError, match=said):
        backend_on(device)[0].load(path)


def test_an_engine_with_other_outputs_than_its_graph_is_refused(
    machine: Machine, device: Device, path: Path
) -> None:
    machine()
    types = {"fused": "HALF", "other": "HALF"}
    engine_for(path, graph={"inputs": ["fused"], "outputs": ["other"], "types": types})
    with pytest.raises(BackendError, match="other inputs or outputs"):
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
    machine: Machine, device: Device, path: Path, wrong: str, kind: type[BackendError], said: str
) -> None:
    machine(wrong=wrong)
    engine_for(path)
    with pytest.raises(BackendError, match=said) as caught:
        backend_on(device)[0].load(path)(fused=maps())
    assert type(caught.value) is kind
