"""What comes with reel is found without an export, after what the user exported and before random weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from reel import models
from reel.errors import StoreError
from reel.models import store as stores
from reel.models.card import EXPORT_REVISION
from reel.models.edvr import EDVR_M
from reel.models.manifest import NETWORKS
from reel.models.pictures import PICTURES
from reel.models.spec import Graph, ShippedWeights
from reel.models.store import Artifact, Store, file_digest
from reel.tests.stored import put_into

HOME = Path(models.__file__).parent
SHIPPED = [network for network in NETWORKS if network.shipped]


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Store:
    """An empty place for what comes with reel."""
    monkeypatch.setattr(stores, "SHIPPED", tmp_path / "shipped")
    return Store(tmp_path / "shipped")


@pytest.fixture
def store(tmp_path, shipped) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, weights: str, *, revision: int = EXPORT_REVISION) -> Artifact:
    """Put EDVR-M into a store, as if it were exported of these weights, be they ``rehearsal``."""

    def write(graph: Graph, path: Path) -> None:
        path.write_text(f"{graph.name} of {weights}")

    digest = hashlib.sha256(weights.encode()).hexdigest()
    facts = {"weights": weights, "weights_sha256": digest, "rehearsal": weights == "rehearsal"}
    return put_into(store, EDVR_M, write, revision=revision, **facts)


def test_what_comes_with_reel_is_found_where_the_store_has_none(store, shipped) -> None:
    mine = put(shipped, "edvr-m.npz")
    assert store.find(EDVR_M) == mine
    assert mine.shipped
    assert not store.folder.exists()
    assert store.artifacts(EDVR_M) == []  # an export does not take it for its own
    assert store.usable(EDVR_M, precision="fp16") == []
    assert shipped.usable(EDVR_M) == [mine]


def test_what_the_user_exported_comes_first_and_random_weights_last(store, shipped) -> None:
    mine, random = put(shipped, "edvr-m.npz"), put(store, "rehearsal")
    assert store.usable(EDVR_M) == [mine, random]
    given = put(store, "EDVR_M.pdparams")
    assert store.usable(EDVR_M) == [given, mine, random]
    assert not given.shipped


def test_an_old_export_of_weights_that_came_with_reel_gives_way_to_the_new(store, shipped) -> None:
    mine = put(shipped, "edvr-m.npz")
    put(store, "edvr-m.npz", revision=EXPORT_REVISION - 1)
    assert store.find(EDVR_M) == mine
    now = put(store, "edvr-m.npz")
    assert store.find(EDVR_M) == now


def test_an_old_export_of_other_weights_is_never_passed_over_in_silence(store, shipped) -> None:
    put(shipped, "edvr-m.npz")
    put(store, "EDVR_M.pdparams", revision=EXPORT_REVISION - 1)
    with pytest.raises(StoreError, match="was exported by another version of reel"):
        store.find(EDVR_M)


def test_a_damaged_file_that_came_with_reel_is_noticed(store, shipped) -> None:
    put(shipped, "edvr-m.npz").path("fusion").write_text("x")
    with pytest.raises(StoreError, match=r"damaged: fusion\.onnx"):
        store.find(EDVR_M)


@pytest.mark.parametrize("network", SHIPPED, ids=lambda network: network.name)
def test_what_is_in_the_package_is_an_export_of_the_weights_in_the_package(network) -> None:
    # If not: python scripts/ship.py
    (source,) = network.weights
    assert isinstance(source, ShippedWeights)
    (artifact,) = Store(stores.SHIPPED).artifacts(network)
    assert artifact.card.weights_sha256 == file_digest(HOME / source.filename)
    assert artifact.card.revision == EXPORT_REVISION
    assert Store(stores.SHIPPED).damage(artifact) is None
    assert all(0 < row.relative_l2 <= network.tolerance.relative_l2 for row in artifact.card.parity)
    assert (HOME / source.filename).stat().st_size < 3e6


def test_nothing_lies_in_the_package_that_no_card_names() -> None:
    named = {HOME / source.filename for network in SHIPPED for source in network.weights}
    for network in [*SHIPPED, *([PICTURES] if SHIPPED else [])]:
        (artifact,) = Store(stores.SHIPPED).artifacts(network)
        named |= {artifact.folder / "card.json", *map(artifact.path, artifact.card.graphs)}
    files = {path for path in HOME.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} == named


def test_the_graphs_for_pictures_in_the_package_are_those_of_this_version() -> None:
    if not SHIPPED:
        pytest.skip("needs networks that come with reel")
    pytest.importorskip("onnx", reason="needs the package onnx to make them again")
    from reel.export.pictures import builders

    (artifact,) = Store(stores.SHIPPED).artifacts(PICTURES)
    assert json.loads((artifact.folder / "card.json").read_text())["revision"] == EXPORT_REVISION
    for name, build in builders().items():
        assert artifact.path(name).read_bytes() == build("fp32").SerializeToString(deterministic=True), name
