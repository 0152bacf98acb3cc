"""Exports for real, of the smallest network: into the store once, checked, and never again without need."""

from __future__ import annotations

import importlib.metadata
import pickle
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export import exporter
from reel.export.pictures import export_pictures
from reel.models.edvr import EDVR_M
from reel.models.store import Artifact, Store

STEPS = ["building the network in Paddle", "loading the weights", "running it in Paddle"]


@dataclass(frozen=True)
class First:
    """What the one export came to that the tests share."""

    store: Store
    file: Path
    artifact: Artifact
    steps: list[str]
    installed: tuple[set[str], set[str]]


def _installed() -> set[str]:
    return {f"{found.name} {found.version}" for found in importlib.metadata.distributions()}


@pytest.fixture(scope="session")
def weights() -> dict[str, np.ndarray]:
    """Weights of EDVR M by their official names."""
    for name in ("paddle", "paddle2onnx"):
        pytest.importorskip(name, reason="needs the libraries of the extra `export`")
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights

    return rehearsal_weights(EDVR_M, recipe_for("edvr-m").layout())


@pytest.fixture(scope="session")
def first(weights: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> First:
    """An export of an .npz file, into a store that tests leave as it is."""
    folder = tmp_path_factory.mktemp("export")
    file = folder / "edvr-m.npz"
    np.savez(file, **weights)
    store, steps = Store(folder / "store"), list[str]()
    before = _installed()
    exported = exporter.export(EDVR_M, exporter.given_weights(EDVR_M, file), store, step=steps.append)
    assert exported.fresh
    export_pictures(store)  # as the command does
    return First(store, file, exported.artifact, steps, (before, _installed()))


def test_an_export_says_its_steps_and_what_it_measured(first: First) -> None:
    assert first.steps[:3] == STEPS
    assert first.steps[3:] == [
        *(f"converting {graph.name}" for graph in EDVR_M.graphs),
        "comparing with Paddle",
    ]
    card = first.artifact.card
    assert (card.network, card.weights, card.rehearsal) == ("edvr-m", "edvr-m.npz", False)
    assert [(figures.height, figures.width) for figures in card.parity] == list(EDVR_M.check_sizes)
    assert all(0 < figures.relative_l2 < 1e-5 for figures in card.parity)
    assert card.versions == exporter.library_versions()
    assert first.store.find(EDVR_M) == first.artifact
    assert {path.name for path in first.artifact.folder.iterdir()} == {
        "card.json",
        *(f"{graph.name}.onnx" for graph in EDVR_M.graphs),
    }
    assert {path.name for path in first.store.folder.iterdir()} == {"edvr-m", "pictures"}


def test_nothing_is_installed_by_an_export(first: First) -> None:
    before, after = first.installed
    assert before == after


@pytest.mark.parametrize("given", ["edvr-m.npz", "."])
def test_the_same_export_again_says_so_and_touches_no_file(
    first: First, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from reel.cli.export import main

    paths = [first.store.folder, *first.store.folder.rglob("*")]
    before = [path.stat().st_mtime_ns for path in paths]
    words = ["edvr-m", "--store", str(first.store.folder), "--weights", str(first.file.parent / given)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"already exported, nothing to do: {first.artifact.folder}\n" in printed
    assert "weights: edvr-m.npz, sha256" in printed
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert [first.store.folder, *first.store.folder.rglob("*")] == paths


def test_a_folder_of_weights_gives_each_network_its_own(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        exporter.given_weights(EDVR_M, tmp_path)
    assert "edvr-m.npz or EDVR_M_w_tsa_SRx4.pdparams" in caught.value.remedy
    (tmp_path / "edvr.npz").write_text("of another network")
    (tmp_path / "EDVR_M_w_tsa_SRx4.pdparams").write_text("official")
    found = exporter.given_weights(EDVR_M, tmp_path)
    assert found.path == tmp_path / "EDVR_M_w_tsa_SRx4.pdparams"
    (tmp_path / "edvr-m.npz").write_text("own")
    assert exporter.given_weights(EDVR_M, tmp_path).path == tmp_path / "edvr-m.npz"
    assert exporter.given_weights(EDVR_M, tmp_path).sha256 != found.sha256
    with pytest.raises(WeightsError, match="There is no file"):
        exporter.given_weights(EDVR_M, tmp_path / "none.npz")


def test_official_names_in_a_folder_and_a_damaged_artifact_are_exported_anew(
    first: First, weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """One export for both: a pickle as PaddleGAN publishes it, over an artifact with a changed byte."""
    (tmp_path / "files").mkdir()
    file = tmp_path / "files" / "EDVR_M_w_tsa_SRx4.pdparams"
    file.write_bytes(pickle.dumps({"generator": weights}, protocol=2))
    given = exporter.given_weights(EDVR_M, tmp_path / "files")
    store = Store(tmp_path / "store")
    with store.writing() as scratch:  # what an earlier export of this file left, then damaged
        (artifact := scratch / "artifact").mkdir()
        for path in first.artifact.folder.glob("*.onnx"):
            (artifact / path.name).write_bytes(path.read_bytes())
        facts = {"weights": given.label, "weights_sha256": given.sha256}
        old = store.keep(artifact, replace(first.artifact.card, **facts))
    data = bytearray(old.path("fusion").read_bytes())
    data[len(data) // 2] ^= 1
    old.path("fusion").write_bytes(data)
    assert store.damage(old) is not None
    exported = exporter.export(EDVR_M, given, store)
    assert exported.fresh
    assert exported.artifact.folder == old.folder
    assert store.damage(exported.artifact) is None
    assert store.find(EDVR_M) == exported.artifact
    assert exported.artifact.card.graphs == first.artifact.card.graphs  # the weights are the same


def test_float16_is_made_of_the_graphs_that_are_there_checked_and_listed(
    first: First, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reel.cli.export import main

    store, steps = Store(tmp_path / "store"), list[str]()
    shutil.copytree(first.store.folder, store.folder)
    given = exporter.given_weights(EDVR_M, first.file)
    half = exporter.export(EDVR_M, given, store, precision="fp16", step=steps.append).artifact
    assert steps == [*STEPS, "rounding to float16", "comparing float16 with Paddle"]
    assert store.find(EDVR_M, precision="fp16") == half
    assert store.find(EDVR_M).card == first.artifact.card
    tolerance = EDVR_M.half_tolerance
    assert all(1e-5 < figures.relative_l2 <= tolerance.relative_l2 for figures in half.card.parity)
    assert all(figures.largest and 1 < figures.largest < 65504 / 4 for figures in half.card.parity)
    sizes = [sum(graph.size for graph in a.card.graphs.values()) for a in (half, first.artifact)]
    assert 0.5 < sizes[0] / sizes[1] < 0.6
    capsys.readouterr()
    assert main(["--list", "--store", str(store.folder)]) == 0
    listed = capsys.readouterr().out
    assert "exported: fp32, edvr-m.npz, 13 MB" in listed
    assert "exported: fp16, edvr-m.npz, 7 MB" in listed
    assert main(["edvr-m", "--check", "--store", str(store.folder)]) == 0
    assert "edvr-m             fp16 edvr-m.npz: good, relative L2 to Paddle" in capsys.readouterr().out


def test_weights_of_another_shape_name_the_array(weights: dict[str, np.ndarray], tmp_path: Path) -> None:
    name = next(iter(weights))
    np.savez(tmp_path / "w.npz", **(weights | {name: np.zeros((2, 2), np.float32)}))
    store = Store(tmp_path / "store")
    with pytest.raises(WeightsError) as caught:
        exporter.export(EDVR_M, exporter.given_weights(EDVR_M, tmp_path / "w.npz"), store)
    assert f"{name} is (2, 2) instead of {weights[name].shape}" in caught.value.message
    assert list(store.folder.iterdir()) == []
