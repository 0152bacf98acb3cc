"""Engines into the store: built once, anew when anything they depend on has changed, and never half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from reel.errors import BackendError, ExportError, ReelError
from reel.export import engines as module
from reel.export.engines import build_engines
from reel.models.edvr import EDVR_M
from reel.models.engines import CARD, PLAN, Basis, Engine, engines_of, find_engine, timing_cache, why_stale
from reel.models.gpu import Gpu
from reel.models.spec import Graph, Tensor, Tiling
from reel.models.store import Artifact, Store, file_digest
from reel.tests.stored import put_into

FAKES = Path(__file__).parents[1] / "fakes"
GPU = Gpu("NVIDIA H200", "9.0", "580.65.06")
VERSION = "10.16.1.11"

FRAME = Tensor("frame", (1, 3, "H", "W"))
NETWORK = replace(
    EDVR_M,
    name="tiny",
    graphs=(
        Graph("first", (FRAME,), (Tensor("half", (1, 4, "H/2", "W/2")),), 1, Tiling(2, 2)),
        Graph("second", (Tensor("half", (1, 4, "H/2", "W/2")),), (Tensor("out", (1, 3, "H", "W")),), 1),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def artifact(store: Store) -> Artifact:
    """An exported network, as the fake reads its graphs."""

    def write(graph: Graph, path: Path) -> None:
        sides = {"inputs": graph.inputs, "outputs": graph.outputs}
        path.write_text(json.dumps({side: [t.name for t in tensors] for side, tensors in sides.items()}))

    return put_into(store, NETWORK, write, precision="fp16")


Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, fake_tensorrt: Callable[..., None]) -> Machine:
    """Make this a machine with a GPU and TensorRT, or with something wrong."""

    def become(gpu: Gpu = GPU, version: str = VERSION, wrong: str = "") -> None:
        fake_tensorrt(version, wrong)
        monkeypatch.setattr(module, "find_gpu", lambda: gpu)

    become()
    return become


def contents(artifact: Artifact) -> dict[str, float]:
    """When each file of the engines was written, and that there is nothing else."""
    folder = artifact.folder / "engines"
    assert all({path.name for path in engine.iterdir()} == {CARD, PLAN} for engine in folder.iterdir())
    return {f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns for path in folder.glob("*/*")}


def nothing_half_made(store: Store) -> bool:
    return not list(store.folder.glob(".partial-*")) and not list(store.folder.rglob(".doomed-*"))


def failure(artifact: Artifact, store: Store) -> ReelError:
    with pytest.raises(ReelError) as caught:
        build_engines(NETWORK, artifact, store)
    assert nothing_half_made(store)
    return caught.value


def test_an_engine_of_every_graph_lies_beside_it_with_what_it_was_built_from(
    machine: Machine, artifact: Artifact, store: Store
) -> None:
    steps: list[str] = []
    result = build_engines(NETWORK, artifact, store, step=steps.append)
    assert result.fresh == 2
    assert [engine.card.basis.graph for engine in result.engines] == ["first", "second"]
    for engine in result.engines:
        basis = engine.card.basis
        assert engine.folder == artifact.folder / "engines" / f"{basis.graph}-{basis.key}"
        assert (basis.gpu, basis.tensorrt, basis.precision) == (GPU, VERSION, "fp16")
        assert basis.graph_sha256 == artifact.card.graphs[basis.graph].sha256
        assert engine.damage() is None
        # The worker was given this graph's file and this graph's shapes.
        facts = json.loads(engine.plan.read_bytes())
        assert facts["source"] == basis.graph_sha256
        assert set(facts["profile"]) == {tensor.name for tensor in NETWORK.graph(basis.graph).inputs}
        assert facts["network"] == ["STRONGLY_TYPED"]
        assert engines_of(artifact.folder, basis.graph) == [engine]
    said = "building the engine of first for frames up to 1920x1088"
    assert steps[:2] == [said, f"{said}: 50%"]
    assert steps[2:4] == [f"{said}: 100%", said.replace("first", "second")]
    assert nothing_half_made(store)


def test_what_is_there_is_left_as_it_is(machine: Machine, artifact: Artifact, store: Store) -> None:
    first = build_engines(NETWORK, artifact, store)
    before = contents(artifact)
    again = build_engines(NETWORK, artifact, store)
    assert again.fresh == 0
    assert again.engines == first.engines
    assert contents(artifact) == before


@pytest.mark.parametrize(
    "now",
    [
        pytest.param({"gpu": replace(GPU, driver="580.95.05")}, id="driver"),
        pytest.param({"version": "10.16.1.12"}, id="TensorRT"),
        pytest.param({"version": "8.6.1"}, id="flags"),
    ],
)
def test_after_an_update_engines_are_built_anew_and_the_old_ones_go(
    machine: Machine, artifact: Artifact, store: Store, now: dict[str, object]
) -> None:
    old = build_engines(NETWORK, artifact, store)
    machine(**now)
    new = build_engines(NETWORK, artifact, store)
    assert new.fresh == 2
    assert {e.folder for e in new.engines} & {e.folder for e in old.engines} == set()
    assert [len(engines_of(artifact.folder, graph.name)) for graph in NETWORK.graphs] == [1, 1]
    assert nothing_half_made(store)


@pytest.mark.parametrize(("version", "sampled"), [("8.6.1", True), ("10.1.0", False), ("11.4.0.106", False)])
def test_only_8_6_has_deformable_convolution_written_as_sampling(
    machine: Machine, artifact: Artifact, store: Store, version: str, sampled: bool
) -> None:
    machine(version=version)
    (engine, _) = build_engines(NETWORK, artifact, store).engines
    assert engine.card.basis.sampled is sampled
    assert engine.card.basis.key != replace(engine.card.basis, sampled=not sampled).key


def test_another_gpu_has_engines_of_its_own(machine: Machine, artifact: Artifact, store: Store) -> None:
    old = build_engines(NETWORK, artifact, store)
    before = contents(artifact)
    machine(gpu=Gpu("NVIDIA L4", "8.9", GPU.driver))
    assert build_engines(NETWORK, artifact, store).fresh == 2
    after = contents(artifact)
    assert {path: after[path] for path in before} == before
    machine()
    assert build_engines(NETWORK, artifact, store) == replace(old, fresh=0)


def test_a_size_is_added_to_those_that_are_there(machine: Machine, artifact: Artifact, store: Store) -> None:
    build_engines(NETWORK, artifact, store)
    before = contents(artifact)
    assert build_engines(NETWORK, artifact, store, sizes=[(576, 720), (1080, 1440)]).fresh == 4
    after = contents(artifact)
    assert {path: after[path] for path in before} == before
    assert build_engines(NETWORK, artifact, store, sizes=[(1080, 1440), (576, 720)]).fresh == 0


def test_a_changed_graph_has_no_engine(machine: Machine, artifact: Artifact, store: Store) -> None:
    (engine, _) = build_engines(NETWORK, artifact, store).engines
    basis = engine.card.basis
    assert find_engine(artifact.folder, basis) == engine
    assert find_engine(artifact.folder, replace(basis, graph_sha256="1" * 64)) is None
    assert find_engine(artifact.folder, replace(basis, level=basis.level + 1)) is None


def _flip(engine: Engine) -> None:
    data = bytearray(engine.plan.read_bytes())
    data[len(data) // 2] ^= 1
    engine.plan.write_bytes(data)


def _cut(engine: Engine) -> None:
    engine.plan.write_bytes(engine.plan.read_bytes()[:-1])


def _move(engine: Engine) -> None:
    engine.folder.rename(engine.folder.with_name(f"{engine.card.basis.graph}-0123456789abcdef"))


def _edit(engine: Engine) -> None:
    card = engine.folder / CARD
    card.write_text(card.read_text().replace("580.65.06", "580.65.07"))


@pytest.mark.parametrize(
    "harm",
    [
        _flip,
        _cut,
        _move,
        _edit,
        lambda engine: engine.plan.unlink(),
        lambda engine: (engine.folder / CARD).write_text("{"),
        lambda engine: (engine.folder / CARD).write_text('{"basis": []}'),
    ],
    ids=["a bit", "cut off", "moved", "card edited", "no file", "card cut off", "card of something else"],
)
def test_a_damaged_engine_is_built_anew(
    machine: Machine, artifact: Artifact, store: Store, harm: Callable[[Engine], object]
) -> None:
    whole = build_engines(NETWORK, artifact, store)
    harm(whole.engines[0])
    again = build_engines(NETWORK, artifact, store)
    assert again.fresh == 1
    assert [e.card.basis for e in again.engines].count(whole.engines[0].card.basis) == 1
    assert all(engine.damage() is None for engine in again.engines)
    assert build_engines(NETWORK, artifact, store).fresh == 0


def test_what_was_measured_is_kept_for_the_next_engine_on_the_same_gpu(
    machine: Machine, artifact: Artifact, store: Store
) -> None:
    result = build_engines(NETWORK, artifact, store)
    timings = [json.loads(engine.plan.read_bytes())["timing"] for engine in result.engines]
    assert timings == [f"{VERSION} measured", f"{VERSION} measured measured"]
    place = timing_cache(store.folder, GPU, VERSION)
    assert place.read_text() == timings[-1]
    (third,) = build_engines(NETWORK, artifact, store, sizes=[(4, 4)]).engines[:1]
    assert json.loads(third.plan.read_bytes())["timing"] == f"{timings[-1]} measured"
    assert timing_cache(store.folder, replace(GPU, driver="1"), VERSION) != place
    assert timing_cache(store.folder, GPU, "11.0") != place


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unreadable", "its ONNX parser refuses the graph (DeformConv: No importer registered"),
        ("no-engine", "out of memory: 3 GiB were asked for"),
        ("crash", "TensorRT, building the engine of first of tiny, ended early (exit status 134)"),
    ],
)
def test_where_none_can_be_built_the_store_stays_as_it_is(
    machine: Machine, artifact: Artifact, store: Store, wrong: str, said: str
) -> None:
    machine(wrong=wrong)
    before = sorted(path for path in store.folder.rglob("*"))
    error = failure(artifact, store)
    assert isinstance(error, ExportError)
    assert said in error.message
    assert sorted(path for path in store.folder.rglob("*")) == before


def test_an_engine_that_does_not_pass_its_check_is_not_kept(
    machine: Machine, artifact: Artifact, store: Store
) -> None:
    def check(engine: Engine, source: Path) -> None:
        assert json.loads(engine.plan.read_bytes())["source"] == file_digest(source)
        if engine.card.basis.graph == "second":
            raise BackendError("It makes something else.", "Do not use it.")

    with pytest.raises(BackendError, match="something else"):
        build_engines(NETWORK, artifact, store, check=check)
    assert len(engines_of(artifact.folder, "first")) == 1
    assert engines_of(artifact.folder, "second") == []
    assert nothing_half_made(store)


def test_what_was_finished_before_a_failure_is_kept(
    machine: Machine, artifact: Artifact, store: Store
) -> None:
    graph = artifact.path("second")
    whole = graph.read_text()
    graph.write_text(whole.replace('"out"', '"another"'))
    assert "reads other inputs or outputs" in failure(artifact, store).message
    assert len(engines_of(artifact.folder, "first")) == 1
    graph.write_text(whole)
    assert build_engines(NETWORK, artifact, store).fresh == 1


def test_a_machine_without_tensorrt_or_with_half_of_it_is_told_so(
    machine: Machine, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(wrong="unloadable")
    error = failure(artifact, store)
    assert isinstance(error, BackendError)
    assert "cannot be loaded: libnvinfer.so.10" in error.message
    machine(version="9.3.0")
    assert "TensorRT 9.3.0 is none that reel can use" in failure(artifact, store).message
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(FAKES)])
    machine()
    assert failure(artifact, store).message == "TensorRT is not installed."


def test_ctrl_c_ends_the_worker_and_leaves_nothing_half_made(
    machine: Machine, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    program = f"import time, pathlib; pathlib.Path({str(alive)!r}).write_text(str(__import__('os').getpid()))"
    waiting = f'{program}; print(\'{{"building": 0, "share": 0.1}}\', flush=True); time.sleep(60)'
    monkeypatch.setattr(module, "_WORKER", (sys.executable, "-c", waiting))

    def stop(text: str) -> None:
        if text.endswith("10%"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engines(NETWORK, artifact, store, step=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(int(alive.read_text()), 0)
    assert not (artifact.folder / "engines").exists()
    assert nothing_half_made(store)


def test_a_worker_ends_with_the_process_that_started_it(machine: Machine, tmp_path: Path) -> None:
    """Its input is closed then; a worker whose build never ends must not stay."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, types, time\nfake = types.ModuleType('tensorrt')\nfake.__version__ = '10.16.1.11'\n"
        "fake.init_libnvinfer_plugins = lambda *_: time.sleep(60)\n"
        "fake.ILogger = type('ILogger', (), {'Severity': types.SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)})\n"
        "sys.modules['tensorrt'] = fake\n"
    )
    request = tmp_path / "request.json"
    basis = Basis("n", "fp16", "g", "0", (), (), GPU, VERSION, ())
    request.write_text(json.dumps([{"source": "x", "basis": asdict(basis)}]))
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "reel.export.engine_worker", str(request)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        time.sleep(1)
        assert process.poll() is None
        process.stdin.close()
        try:
            assert process.wait(timeout=20) == 1
        finally:
            process.send_signal(signal.SIGKILL)


def test_why_an_engine_is_stale_names_what_changed(
    machine: Machine, artifact: Artifact, store: Store
) -> None:
    basis = build_engines(NETWORK, artifact, store).engines[0].card.basis
    now = {"gpu": GPU, "tensorrt": VERSION, "graph_sha256": basis.graph_sha256}
    assert why_stale(basis, **now) is None
    changes = {
        "GPU NVIDIA H200, and here is NVIDIA L4": now | {"gpu": replace(GPU, name="NVIDIA L4")},
        "compute capability 9.0, and here is 8.9": now | {"gpu": replace(GPU, compute_capability="8.9")},
        "driver 580.65.06, and here is 600": now | {"gpu": replace(GPU, driver="600")},
        "TensorRT 10.16.1.11, and here is 11.0": now | {"tensorrt": "11.0"},
        "graph ": now | {"graph_sha256": "1" * 64},
    }
    for said, changed in changes.items():
        assert f"it was built for {said}" in (why_stale(basis, **changed) or "")
    assert "way of building 0" in (why_stale(replace(basis, revision=0), **now) or "")
