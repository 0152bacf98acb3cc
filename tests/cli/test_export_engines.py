"""reel-export on a machine with a GPU, and on one without: what is built, and what is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from reel.cli import engines as module
from reel.cli.export import main
from reel.errors import BackendError
from reel.export import engines as building
from reel.export import exporter, pictures
from reel.models.card import export_command
from reel.models.edvr import EDVR_M
from reel.models.engines import PLAN, all_engines
from reel.models.gpu import Gpu
from reel.models.spec import Graph
from reel.models.store import Artifact, Store
from reel.tests.stored import put_into

GPU = Gpu("NVIDIA H200", "9.0", "580.65.06")


def exported(store: Store, precision: str) -> Artifact:
    """Put EDVR M into a store, with graphs as the fake TensorRT reads them."""

    def write(graph: Graph, path: Path) -> None:
        sides = {"inputs": graph.inputs, "outputs": graph.outputs}
        names = {side: [tensor.name for tensor in tensors] for side, tensors in sides.items()}
        path.write_text(json.dumps(names | {"precision": precision}))

    return put_into(store, EDVR_M, write, precision=precision, rehearsal=True)


def pictured(store: Store) -> SimpleNamespace:
    return SimpleNamespace(folder=store.folder / "pictures")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Let the export itself take no time; gives the precisions that were asked for."""
    precisions: list[tuple[str, ...]] = []

    def export_each(network, weights, store, wanted, *, step):
        precisions.append(tuple(wanted))
        return [exporter.Exported(exported(store, precision), fresh=True) for precision in wanted]

    monkeypatch.setattr(exporter, "export_each", export_each)
    monkeypatch.setattr(exporter, "library_versions", dict)
    monkeypatch.setattr(pictures, "export_pictures", lambda store, *, precision: pictured(store))
    return precisions


COMPARED: list[str] = []


@contextmanager
def comparing():
    if "uncomparable" in os.environ["REEL_FAKE_TENSORRT"]:
        raise BackendError("The Python bindings of CUDA cannot be loaded: no.", "Install them.")
    yield lambda engine, source: COMPARED.append(f"{engine.card.basis.graph} {source.name}")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, fake_tensorrt: Callable[..., None]) -> Callable[..., None]:
    """Make this a machine with a GPU and TensorRT, or with something wrong."""

    def become(wrong: str = "", *, gpu: bool = True) -> None:
        def find_gpu() -> Gpu:
            if not gpu:
                raise BackendError("There is no NVIDIA driver here: no libcuda.", "Use --device cpu.")
            return GPU

        fake_tensorrt(wrong=wrong)
        monkeypatch.setattr(module, "find_gpu", find_gpu)
        monkeypatch.setattr(building, "find_gpu", find_gpu)
        monkeypatch.setattr(module, "comparing", comparing)
        COMPARED.clear()

    become()
    return become


def run(store: Path, *words: str) -> int:
    return main(["edvr-m", "--rehearsal", "--store", str(store), *words])


def engines_in(store: Path, precision: str) -> list[tuple[int, ...]]:
    """Return the largest frames that engines of the graph ``rebuild`` take."""
    (artifact,) = Store(store).artifacts(EDVR_M, precision=precision)
    return [
        engine.card.basis.inputs[0].most[2:]
        for engine in all_engines(artifact.folder)
        if engine.card.basis.graph == "rebuild"
    ]


def test_a_machine_with_a_gpu_has_engines_of_the_float16_graphs(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path, capsys
) -> None:
    assert run(tmp_path) == 0
    assert asked == [("fp32", "fp16")]
    assert engines_in(tmp_path, "fp16") == [(1088, 1920)]
    assert engines_in(tmp_path, "fp32") == []
    assert [f"{graph.name} {graph.name}.onnx" for graph in EDVR_M.graphs] == COMPARED
    printed = capsys.readouterr().out
    assert "  building the engine of align for frames up to 1920x1088 ...\n" in printed
    assert "  engines: 5 built, 0 there already" in printed
    assert "  for NVIDIA H200, driver 580.65.06, TensorRT 10.16.1.11\n" in printed


def test_sizes_are_engines_of_their_own(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    assert run(tmp_path, "--size", "640x480", "1920x1080", "--precision", "fp32") == 0
    assert asked == [("fp32",)]
    assert sorted(engines_in(tmp_path, "fp32")) == [(480, 640), (1080, 1920)]


@pytest.mark.parametrize(
    ("wrong", "gpu", "said"),
    [
        ("", False, "There is no NVIDIA driver here: graphs are exported, engines are not.\n"),
        (
            "uncomparable",
            True,
            "The Python bindings of CUDA cannot be loaded: graphs are exported, engines are not.\n",
        ),
        (
            "unloadable",
            True,
            "TensorRT is installed and cannot be loaded: graphs are exported, engines are not.\n",
        ),
    ],
)
def test_without_a_gpu_or_tensorrt_all_but_the_engines_is_made_and_one_line_says_so(
    machine: Callable[..., None],
    asked: list[tuple[str, ...]],
    tmp_path: Path,
    capsys,
    wrong: str,
    gpu: bool,
    said: str,
) -> None:
    machine(wrong, gpu=gpu)
    assert run(tmp_path) == 0
    assert asked == [("fp32",)]
    assert engines_in(tmp_path, "fp32") == []
    assert capsys.readouterr().out.count(said) == 1
    # Asked for in so many words, it is an error, before anything is exported.
    assert run(tmp_path, "--device", "cuda") == 1
    assert len(asked) == 1
    assert "error: " in capsys.readouterr().err


def test_who_wants_no_engines_is_told_nothing(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path, capsys
) -> None:
    assert run(tmp_path, "--device", "cpu") == 0
    assert asked == [("fp32",)]
    assert engines_in(tmp_path, "fp32") == []
    printed = capsys.readouterr().out
    assert "engines:" not in printed
    assert "engines are not" not in printed


@pytest.mark.parametrize("words", [["--size", "big"], ["--size", "0x480"], ["--size", "640"], ["--size"]])
def test_what_is_no_size_is_a_wrong_command(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, *words)
    assert caught.value.code == 2


def test_a_size_without_engines_is_a_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, "--size", "640x480", "--device", "cpu")
    assert caught.value.code == 2


def test_list_and_check_tell_of_engines(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path, capsys
) -> None:
    run(tmp_path)
    capsys.readouterr()
    assert main(["--list", "--store", str(tmp_path)]) == 0
    assert "5 engines for NVIDIA H200, " in capsys.readouterr().out
    assert main(["--check", "--store", str(tmp_path)]) == 0
    (artifact,) = Store(tmp_path).artifacts(EDVR_M, precision="fp16")
    engine = all_engines(artifact.folder)[0]
    (engine.folder / PLAN).write_text("something else")
    capsys.readouterr()
    assert main(["--check", "--store", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert f"engine {engine.folder.name}: engine.plan is not the file that was built" in told.out
    assert f"`{export_command(artifact.card)}`" in told.err


def test_an_engine_that_cannot_be_built_fails_the_command_in_tensorrts_words(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path, capsys
) -> None:
    machine("unreadable")
    assert run(tmp_path) == 1
    assert "No importer registered for op: DeformConv" in capsys.readouterr().err
    assert Store(tmp_path).artifacts(EDVR_M) != []  # the graphs are there


def test_a_changed_driver_is_another_engine(
    machine: Callable[..., None], asked: list[tuple[str, ...]], tmp_path: Path, monkeypatch, capsys
) -> None:
    run(tmp_path)
    (artifact,) = Store(tmp_path).artifacts(EDVR_M, precision="fp16")
    monkeypatch.setattr(exporter, "export_each", lambda *_, **__: [exporter.Exported(artifact, fresh=False)])
    capsys.readouterr()
    run(tmp_path)
    assert "engines: 0 built, 5 there already" in capsys.readouterr().out
    monkeypatch.setattr(building, "find_gpu", lambda: replace(GPU, driver="590.1"))
    run(tmp_path)
    assert "engines: 5 built, 0 there already" in capsys.readouterr().out
