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
from reel.engine.networks.backend import Runner
from reel.errors import BackendError, OutOfMemoryError
from reel.models.card import CARD, EXPORT_REVISION, Card, GraphFile, Parity, write_card
from reel.models.deoldify import DEOLDIFY
from reel.models.edvr import EDVR_M
from reel.models.engines import Engine
from reel.models.store import Artifact, file_digest
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


def artifact_of(path: Path, *, rehearsal: bool) -> Artifact:
    """Put a card beside a graph, as an export does."""
    graph = GraphFile(path.name, path.stat().st_size, file_digest(path))
    facts: dict[str, Any] = {"weights": "none", "weights_sha256": "0" * 64, "versions": {}, "created": "2026"}
    card = Card(
        network=EDVR_M.name,
        precision="fp16",
        revision=EXPORT_REVISION,
        rehearsal=rehearsal,
        graphs={path.stem: graph},
        parity=(Parity(64, 96, 0.0, 0.0, 0.0),),
        **facts,
    )
    write_card(path.parent / CARD, card)
    return Artifact(path.parent, card)


@pytest.mark.parametrize("rehearsal", [False, True])
def test_the_command_that_helps_is_that_of_the_export(
    machine: Machine, device: Device, path: Path, rehearsal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    machine()
    artifact_of(path, rehearsal=rehearsal)
    command = f"`reel-export edvr-m{' --rehearsal' if rehearsal else ''} --device cuda"
    with pytest.raises(BackendError) as missing:
        backend_on(device)[0].load(path)
    assert missing.value.remedy == f"Build it with {command}`."
    with caplog.at_level(logging.WARNING):
        backend_on(device, strict=False)[0].load(path)
    assert f"{command}` builds them" in caplog.text
    engine = engine_for(path, (480, 640))
    session = backend_on(device)[0].load(path)
    with pytest.raises(BackendError) as small:
        session(fused=maps(484, 640))
    assert small.value.remedy == f"Build one with {command} --size 640x484`."
    session.close()
    engine.plan.unlink()
    with pytest.raises(BackendError) as gone:
        backend_on(device)[0].load(path)
    assert gone.value.remedy == f"Build it again with {command}`."


def test_what_runs_a_network_is_told_with_what_was_built_for_it(
    machine: Machine, device: Device, path: Path
) -> None:
    machine()
    artifact = artifact_of(path, rehearsal=False)
    strict, other = backend_on(device)[0], backend_on(device, strict=False)[0]
    assert strict.runner(artifact) == Runner("tensorrt")
    assert other.runner(artifact) == Runner("rest")
    engine_for(path, (64, 96))
    first = other.runner(artifact)
    assert (first.name, bool(first.built)) == ("tensorrt", True)
    assert strict.runner(artifact) == first
    engine_for(path, (32, 48))
    assert other.runner(artifact).built not in ("", first.built)
