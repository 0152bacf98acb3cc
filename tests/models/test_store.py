"""The store: what appears whole or not at all, and which of several artifacts is run."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reel.errors import StoreError
from reel.models.card import EXPORT_REVISION, artifact_key
from reel.models.edvr import EDVR, EDVR_M
from reel.models.spec import Graph, Network
from reel.models.store import Artifact, Store, default_store
from reel.tests.stored import put_into

VERSIONS = {"onnx": "1", "paddlepaddle": "3"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, network: Network = EDVR_M, *, sha256: str = "a" * 64, **facts: Any) -> Artifact:
    """Put an artifact into the store whose graphs are a few bytes each."""

    def write(graph: Graph, path: Path) -> None:
        path.write_text(f"{graph.name} of {sha256}")

    return put_into(store, network, write, **({"weights_sha256": sha256, "versions": VERSIONS} | facts))


def there(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*"))


def test_an_artifact_is_found_as_it_was_put(store: Store) -> None:
    kept = put(store)
    assert store.find(EDVR_M) == kept
    assert store.artifacts(EDVR_M) == [kept]
    assert kept.folder == store.folder / "edvr-m" / f"fp32-{kept.card.key}"
    assert kept.path("fusion").read_text() == f"fusion of {'a' * 64}"
    with pytest.raises(KeyError):
        kept.path("synthesis")


def test_another_network_or_precision_is_not_found(store: Store) -> None:
    put(store)
    assert store.artifacts(EDVR) == []
    assert store.artifacts(EDVR_M, precision="fp16") == []


def test_nothing_is_found_while_an_export_is_written_or_after_it_failed(store: Store) -> None:
    def fail() -> None:
        with store.writing() as scratch:
            (scratch / "card.json").write_text("{}")
            (scratch / "fusion.onnx").write_text("half of i")
            assert scratch.parent == store.folder
            assert store.artifacts(EDVR_M) == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert there(store) == []


def test_an_artifact_appears_by_one_rename(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    complete: list[bool] = []
    rename, graphs = Path.rename, EDVR_M.graphs

    def watched(self: Path, target: Path) -> Path:
        complete.append((self / "card.json").is_file() and len(list(self.glob("*.onnx"))) == len(graphs))
        assert store.artifacts(EDVR_M) == []
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    put(store)
    assert complete == [True]


def test_given_weights_are_preferred_to_rehearsal_weights(store: Store) -> None:
    given = put(store, sha256="a" * 64, created="2026-01-01")
    put(store, sha256="b" * 64, created="2026-02-02", weights="rehearsal", rehearsal=True)
    assert store.find(EDVR_M) == given
    assert [artifact.card.rehearsal for artifact in store.artifacts(EDVR_M)] == [False, True]


def test_newer_comes_before_older(store: Store) -> None:
    old = put(store, sha256="a" * 64, created="2026-01-01")
    saved = old.folder.rename(store.folder / "saved")
    new = put(store, sha256="b" * 64, created="2026-01-02")
    saved.rename(old.folder)
    assert store.artifacts(EDVR_M) == [new, old]
    assert store.find(EDVR_M) == new


def test_what_is_superseded_is_removed_and_nothing_else(store: Store) -> None:
    other = put(store, EDVR)
    rehearsal = put(store, sha256="b" * 64, weights="rehearsal", rehearsal=True)
    half = put(store, sha256="c" * 64, precision="fp16")
    old = put(store, sha256="a" * 64)
    assert old.folder.is_dir()
    new = put(store, sha256="d" * 64)
    assert not old.folder.exists()
    assert all(artifact.folder.is_dir() for artifact in (other, rehearsal, half, new))
    (new.folder.with_name("fp32-unreadable")).mkdir()
    put(store, sha256="d" * 64)
    assert not new.folder.with_name("fp32-unreadable").exists()
    assert not [name for name in there(store) if ".doomed" in name or ".partial" in name]


def test_the_same_artifact_again_replaces_the_first(store: Store) -> None:
    first = put(store)
    first.path("fusion").write_text("damaged")
    assert put(store) == first
    assert store.damage(first) is None


def test_a_network_with_no_artifact_names_the_command(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.find(EDVR_M)
    assert caught.value.remedy == "Run `reel-export edvr-m` first."


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: path.unlink(), "fusion.onnx is missing"),
        (
            lambda path: path.write_text("fusion of " + "b" * 64),
            "fusion.onnx is not the file that was exported",
        ),
        (lambda path: path.write_text(""), "fusion.onnx is not the file that was exported"),
        (
            lambda path: path.write_text(path.read_text() + " "),
            "fusion.onnx is not the file that was exported",
        ),
    ],
)
def test_a_changed_file_is_damage(store: Store, change: Callable[[Path], object], problem: str) -> None:
    artifact = put(store)
    change(artifact.path("fusion"))
    assert store.damage(artifact) == problem
    with pytest.raises(StoreError, match=problem):
        store.find(EDVR_M)


def test_a_damaged_artifact_does_not_give_way_to_rehearsal_weights(store: Store) -> None:
    """That would be a silent fallback to pictures that mean nothing."""
    put(store, sha256="b" * 64, weights="rehearsal", rehearsal=True)
    put(store).path("fusion").unlink()
    with pytest.raises(StoreError):
        store.find(EDVR_M)


def test_an_artifact_of_another_revision_is_stale(store: Store) -> None:
    put(store, revision=EXPORT_REVISION + 1, weights="rehearsal", rehearsal=True)
    with pytest.raises(StoreError, match="another version") as caught:
        store.find(EDVR_M)
    assert caught.value.remedy == "Export it again with `reel-export edvr-m --rehearsal`."


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["graphs"]["fusion"].update(file="../fusion.onnx"),
        lambda card: card["graphs"]["fusion"].update(file=".."),
        lambda card: card["graphs"].pop("pyramid"),
        lambda card: card.update(network="edvr"),
        lambda card: card.update(versions={}),
        lambda card: card.update(created=20260101),
        lambda card: card.update(parity=[]),
        lambda card: card.clear(),
    ],
)
def test_an_edited_card_is_ignored(store: Store, change: Callable[[dict[str, Any]], object]) -> None:
    path = put(store).folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))
    assert store.artifacts(EDVR_M) == []


@pytest.mark.parametrize("content", [b"", b"{", b"3", b'{"graphs": 3}', b"\xff", b"[" * 100_000])
def test_an_unreadable_card_is_ignored(store: Store, content: bytes) -> None:
    (put(store).folder / "card.json").write_bytes(content)
    assert store.artifacts(EDVR_M) == []


def test_the_key_depends_on_everything_that_the_graphs_depend_on() -> None:
    facts = {"network": "n", "precision": "fp32", "weights_sha256": "a", "versions": VERSIONS, "revision": 1}
    others = {
        "network": "m",
        "precision": "fp16",
        "weights_sha256": "b",
        "versions": VERSIONS | {"onnx": "2"},
        "revision": 2,
    }
    keys = {
        artifact_key(**facts),
        *(artifact_key(**(facts | {name: other})) for name, other in others.items()),
    }
    assert len(keys) == 1 + len(others)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
    swapped = dict(reversed(VERSIONS.items()))
    assert artifact_key(**(facts | {"versions": swapped})) == artifact_key(**facts)


def test_the_key_of_a_card_is_that_of_its_facts(store: Store) -> None:
    card = put(store).card
    assert card.key == artifact_key("edvr-m", "fp32", "a" * 64, VERSIONS)
    assert dataclasses.replace(card, created="later", weights="other", parity=()).key == card.key


def test_what_killed_exports_left_is_removed_after_a_day(store: Store) -> None:
    put(store)
    left = [
        store.folder / ".partial-old",
        store.folder / "edvr-m" / ".doomed-old",
        store.folder / ".partial-new",
    ]
    for path in left:
        (path / "deep").mkdir(parents=True)
        os.utime(path, (time.time() - 90_000,) * 2)
    os.utime(left[2])
    with store.writing():
        assert [path.exists() for path in left] == [False, False, True]


def test_a_store_that_cannot_be_written_says_where_to_put_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught, Store(tmp_path / "file" / "store").writing():
        pass
    assert "REEL_STORE" in caught.value.remedy


def test_the_store_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REEL_STORE", str(tmp_path))
    assert Store().folder == default_store() == tmp_path
    monkeypatch.setenv("REEL_STORE", "")
    assert Store().folder.name == "reel"
    assert Store(tmp_path / "x").folder == tmp_path / "x"


def test_making_a_store_touches_no_file(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").artifacts(EDVR_M) == []
    assert not (tmp_path / "none").exists()
