"""What is not in the store, or no longer what was put there, is never run: the remedy is a command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def film(make_film, pictures) -> Path:
    return make_film("film.mp4", pictures(2))


def _folder(store: Path, network: str) -> Path:
    (folder,) = (store / network).glob("fp32-*")
    return folder


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


@pytest.fixture
def refused(failure, film, own_store, untouched) -> Callable[..., tuple[str, str]]:
    return lambda **given: failure(
        "reel-run",
        film,
        "-o",
        untouched / "out.mp4",
        "--order",
        "edvr-m",
        store=given.get("store", own_store),
    )


def test_a_network_not_exported_names_the_command(refused, tmp_path) -> None:
    what, remedy = refused(store=tmp_path / "none")
    assert what == f"edvr-m has not been exported to {tmp_path / 'none'}."
    assert remedy == "Run `reel-export edvr-m` first."


def test_a_store_that_is_a_file_holds_nothing(refused, film) -> None:
    assert "has not been exported" in refused(store=film)[0]


@pytest.mark.parametrize("graph", ["pyramid", "fusion"])
@pytest.mark.parametrize("position", [0, 200, -1])
def test_one_changed_byte_is_noticed(refused, own_store, graph: str, position: int) -> None:
    path = _folder(own_store, "edvr-m") / f"{graph}.onnx"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    what, remedy = refused()
    assert what == f"The export of edvr-m is damaged: {graph}.onnx is not the file that was exported."
    assert remedy == "Export it again with `reel-export edvr-m`."


def test_a_file_cut_short_or_gone_is_noticed(refused, own_store) -> None:
    path = _folder(own_store, "edvr-m") / "fusion.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    assert "fusion.onnx is not the file" in refused()[0]
    path.unlink()
    assert "fusion.onnx is missing" in refused()[0]


def test_the_remedy_for_a_rehearsal_is_another_rehearsal(failure, film, rehearsal_store) -> None:
    (_folder(rehearsal_store, "edvr-m") / "fusion.onnx").unlink()
    _, remedy = failure("reel-run", film, "--order", "edvr-m", store=rehearsal_store)
    assert remedy == "Export it again with `reel-export edvr-m --rehearsal`."


def test_an_export_by_another_version_is_refused(refused, own_store) -> None:
    from reel.models.card import EXPORT_REVISION, Card, artifact_key

    folder = _folder(own_store, "edvr-m")
    card = json.loads((folder / "card.json").read_text())
    revision = EXPORT_REVISION + 1
    key = artifact_key("edvr-m", "fp32", card["weights_sha256"], card["versions"], revision)
    assert set(card) == set(Card.__dataclass_fields__)
    _edit(folder, lambda card: card.update(revision=revision))
    folder.rename(folder.with_name(f"fp32-{key}"))
    what, remedy = refused()
    assert what == "edvr-m was exported by another version of reel."
    assert remedy == "Export it again with `reel-export edvr-m`."


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["graphs"]["fusion"].update(file="../../x"),
        lambda card: card["graphs"]["fusion"].update(file="/etc/passwd"),
        lambda card: card["graphs"]["fusion"].update(file=".."),
        lambda card: card["graphs"]["fusion"].update(file=""),
        lambda card: card["graphs"]["fusion"].update(file=5),
        lambda card: card["graphs"].pop("fusion"),
        lambda card: card["graphs"].update(other=card["graphs"]["fusion"]),
        lambda card: card.update(graphs=[]),
        lambda card: card.update(network="edvr"),
        lambda card: card.update(weights_sha256="1" * 64),
        lambda card: card.update(versions={"onnx": "2"}),
        lambda card: card.update(versions=None),
        lambda card: card.update(revision="1"),
        lambda card: card.update(created=None),
        lambda card: card.update(parity=[]),
        lambda card: card.update(rehearsal="no"),
        lambda card: card.update(more=1),
        lambda card: card.pop("weights"),
    ],
)
def test_an_edited_card_is_no_card(refused, own_store, change) -> None:
    _edit(_folder(own_store, "edvr-m"), change)
    assert refused()[0].startswith("edvr-m has not been exported")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"graphs": {"a": 1}}'])
def test_a_damaged_card_is_no_card(refused, own_store, content: bytes) -> None:
    (_folder(own_store, "edvr-m") / "card.json").write_bytes(content)
    assert refused()[0].startswith("edvr-m has not been exported")


def test_what_an_interrupted_export_left_is_not_found(refused, own_store) -> None:
    folder = _folder(own_store, "edvr-m")
    folder.rename(folder.with_name(f".doomed-{folder.name}"))
    shutil.copytree(folder.with_name(f".doomed-{folder.name}"), own_store / ".partial-x" / "artifact")
    assert refused()[0].startswith("edvr-m has not been exported")


def test_a_graph_that_the_runtime_refuses_is_an_error_and_no_traceback(refused, own_store) -> None:
    """As after an update of ONNX Runtime: the file is what was exported, and cannot be loaded."""
    from reel.models.store import file_digest

    folder = _folder(own_store, "edvr-m")
    (folder / "fusion.onnx").write_bytes(b"not a graph")
    digest = file_digest(folder / "fusion.onnx")
    _edit(folder, lambda card: card["graphs"]["fusion"].update(size=11, sha256=digest))
    what, remedy = refused()
    assert "cannot load" in what
    assert "reel-export" in remedy


def test_list_and_check_show_what_the_store_holds(command, failure, own_store) -> None:
    listed = command("reel-export", "--list", store=own_store)
    assert listed.code == 0
    assert listed.out.count("exported: fp32, tiny.npz") == 5
    checked = command("reel-export", "--check", store=own_store)
    assert checked.code == 0
    assert checked.out.count("tiny.npz: good") == 5
    (_folder(own_store, "dain") / "flow.onnx").write_bytes(b"")
    checked = command("reel-export", "--check", store=own_store)
    assert checked.code == 1
    assert checked.out.count("tiny.npz: good") == 4
    assert "flow.onnx is not the file that was exported" in checked.out
    assert checked.error == ("The export of dain is damaged.", "Export again with `reel-export dain`.")


def test_an_empty_store_is_listed_as_empty(command, tmp_path) -> None:
    for option, words in (("--list", "store: "), ("--check", "not exported")):
        shown = command("reel-export", option, store=tmp_path / "none")
        assert shown.code == 0
        assert words in shown.out
        assert "exported:" not in shown.out
    assert not (tmp_path / "none").exists()
