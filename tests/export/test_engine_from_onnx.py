"""Engines from TensorRT's Python API: what it is told, in each version, and what is said of its failures."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from reel.errors import ExportError
from reel.export.engine_from_onnx import engine_from_onnx
from reel.models.edvr import EDVR_M
from reel.models.engines import Basis, build_flags
from reel.models.frame_range import frame_ranges, input_ranges
from reel.models.gpu import Gpu

FAKE = Path(__file__).parents[1] / "fakes" / "tensorrt" / "__init__.py"
GRAPH = EDVR_M.graph("align")

Fake = Callable[..., ModuleType]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Make a module that behaves as a version of TensorRT, with or without something wrong."""

    def load(version: str = "10.16.1.11", wrong: str = "") -> ModuleType:
        monkeypatch.setenv("REEL_FAKE_TENSORRT", f"{version} {wrong}")
        spec = importlib.util.spec_from_file_location("fake_tensorrt", FAKE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What the fake reads in place of an ONNX file."""
    path = tmp_path / "align.onnx"
    facts = {"inputs": [tensor.name for tensor in GRAPH.inputs], "outputs": ["aligned", "reach"]}
    path.write_text(json.dumps(facts))
    return path


def basis(version: str = "10.16.1.11", precision: str = "fp16", **changed: Any) -> Basis:
    facts: dict[str, Any] = {
        "network": "edvr-m",
        "precision": precision,
        "graph": "align",
        "graph_sha256": "0" * 64,
        "inputs": input_ranges(EDVR_M, GRAPH, frame_ranges(EDVR_M, [(480, 640)])[0]),
        "outputs": ("aligned", "reach"),
        "gpu": Gpu("NVIDIA H200", "9.0", "580.65.06"),
        "tensorrt": version,
        "flags": build_flags(version, precision),
    }
    return Basis(**(facts | changed))


def built(trt: ModuleType, source: Path, wanted: Basis, **options: Any) -> dict[str, Any]:
    return json.loads(engine_from_onnx(trt, source, wanted, **options).plan)


@pytest.mark.parametrize("version", ["10.1.0", "10.16.1.11", "11.4.0.106"])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_from_10_on_the_types_are_the_graphs_own(
    fake: Fake, source: Path, version: str, precision: str
) -> None:
    facts = built(fake(version), source, basis(version, precision))
    assert facts["network"] == ["STRONGLY_TYPED"]
    assert facts["builder"] == []  # neither FP16 nor TF32, which is on by default
    assert facts["sources"] is None


@pytest.mark.parametrize(("precision", "flags"), [("fp16", ["FP16"]), ("fp32", [])])
def test_8_6_is_told_that_it_may_take_halves_and_to_do_without_cudnn(
    fake: Fake, source: Path, precision: str, flags: list[str]
) -> None:
    facts = built(fake("8.6.1"), source, basis("8.6.1", precision))
    assert facts["network"] == ["EXPLICIT_BATCH"]
    assert facts["builder"] == flags
    assert facts["sources"] == ["EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"]


def test_the_profile_has_every_input_from_the_smallest_to_the_largest(fake: Fake, source: Path) -> None:
    inputs = input_ranges(EDVR_M, GRAPH, frame_ranges(EDVR_M)[0])
    assert built(fake(), source, basis(inputs=inputs))["profile"] == {
        f"{prefix}{level}": [
            [1, 64, height >> level - 1, width >> level - 1]
            for height, width in ((8, 8), (480, 640), (1088, 1920))
        ]
        for prefix in ("level", "reference")
        for level in (1, 2, 3)
    }


def test_an_input_of_one_shape_needs_no_range(fake: Fake, tmp_path: Path) -> None:
    from reel.models.dain import DAIN

    graph = DAIN.graph("warp")
    names = [tensor.name for tensor in graph.inputs]
    (source := tmp_path / "warp.onnx").write_text(json.dumps({"inputs": names, "outputs": ["moved"]}))
    wanted = basis(inputs=input_ranges(DAIN, graph, frame_ranges(DAIN)[0]), outputs=("moved",))
    assert set(built(fake(), source, wanted)["profile"]) == set(names) - {"t"}


def test_the_level_is_that_of_the_basis(fake: Fake, source: Path) -> None:
    assert built(fake(), source, basis(level=5))["level"] == 5


def test_what_was_measured_before_is_gone_on_with_and_what_is_of_another_gpu_is_not(
    fake: Fake, source: Path
) -> None:
    first = engine_from_onnx(fake(), source, basis())
    assert first.timing == b"10.16.1.11 measured"
    assert built(fake(), source, basis(), timing=first.timing)["timing"] == "10.16.1.11 measured measured"
    assert built(fake(), source, basis(), timing=b"damaged")["timing"] == "10.16.1.11 measured"


def test_progress_rises_to_the_whole(fake: Fake, source: Path) -> None:
    shares: list[float] = []
    engine_from_onnx(fake(), source, basis(), progress=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert 0.5 in shares


def test_a_version_that_does_not_tell_how_far_it_is_builds_all_the_same(fake: Fake, source: Path) -> None:
    shares: list[float] = []
    engine_from_onnx(fake("8.6.1"), source, basis("8.6.1"), progress=shares.append)
    assert shares == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a display that is gone")])
def test_what_comes_up_while_tensorrt_calls_stops_the_build_and_comes_out_of_it(
    fake: Fake, source: Path, error: BaseException
) -> None:
    def interrupted(share: float) -> None:
        if share >= 0.5:
            raise error

    with pytest.raises(type(error)) as caught:
        engine_from_onnx(fake(), source, basis(), progress=interrupted)
    assert caught.value is error


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unreadable", "its ONNX parser refuses the graph (DeformConv: No importer registered"),
        ("no-plugins", "its plugins could not be loaded"),
        ("no-builder", "it cannot work here: pybind11::init()"),
        ("no-profile", "it refuses the shapes"),
        ("no-engine", "it could not build the engine (out of memory: 3 GiB were asked for)"),
    ],
)
def test_a_failure_is_told_in_tensorrts_own_words(fake: Fake, source: Path, wrong: str, said: str) -> None:
    with pytest.raises(ExportError) as caught:
        engine_from_onnx(fake(wrong=wrong), source, basis())
    assert caught.value.message.startswith("TensorRT 10.16.1.11 built no engine of align of edvr-m: ")
    assert said in caught.value.message
    assert "slow" not in caught.value.message  # a warning says nothing of a failure


def test_a_graph_that_tensorrt_reads_otherwise_is_refused(fake: Fake, source: Path) -> None:
    with pytest.raises(ExportError, match="other inputs or outputs"):
        engine_from_onnx(fake(), source, basis(outputs=("reach", "aligned")))
    with pytest.raises(ExportError, match="other inputs or outputs"):
        engine_from_onnx(fake(), source, basis(inputs=basis().inputs[1:]))
