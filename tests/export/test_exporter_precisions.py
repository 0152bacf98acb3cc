"""Float32 and float16 in one store: what is made together, of what is there, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reel.errors import ExportError, StoreError
from reel.export import exporter
from reel.models.card import export_command
from reel.models.edvr import EDVR_M
from reel.models.spec import PRECISIONS
from reel.models.store import Artifact, Store

# In place of the process that exports: writes down what it was asked for, and files of a few bytes.
MAKES = """
import json, sys
from pathlib import Path
request = Path(sys.argv[1])
asked = json.loads(request.read_text())
Path(sys.argv[2]).write_text(json.dumps(asked))
parity = {}
for precision in asked["precisions"]:
    folder = request.parent / "fp16" if precision == "fp16" else request.parent
    folder.mkdir(exist_ok=True)
    for graph in sys.argv[3].split():
        (folder / f"{graph}.onnx").write_text(f"{graph} in {precision}")
    figures = {"height": 8, "width": 8, "maximum": 0.1, "mean": 0.1, "relative_l2": 1e-6}
    parity[precision] = [figures | ({"largest": 12.5} if precision == "fp16" else {})]
request.with_name("result.json").write_text(json.dumps({"parity": parity}))
"""

REFUSES = """
import json, sys
from pathlib import Path
request = Path(sys.argv[1])
for folder in (request.parent, request.parent / "fp16"):
    folder.mkdir(exist_ok=True)
    for graph in sys.argv[3].split():
        (folder / f"{graph}.onnx").write_text("of no use")
result = {"error": "ExportError", "message": "It differs.", "remedy": "Export with --precision fp32."}
request.with_name("result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """What the process that exports was asked for last."""
    replace_worker(monkeypatch, MAKES, tmp_path)
    return lambda: json.loads((tmp_path / "asked.json").read_text())


def replace_worker(monkeypatch: pytest.MonkeyPatch, program: str, folder: Path) -> None:
    rest = [str(folder / "asked.json"), " ".join(graph.name for graph in EDVR_M.graphs)]
    start = f"import sys; sys.argv += {rest!r}\n"
    monkeypatch.setattr(exporter, "_WORKER", (sys.executable, "-c", start + program))


def export(store: Store, *precisions: str) -> list[tuple[Artifact, bool]]:
    results = exporter.export_each(EDVR_M, exporter.rehearsal(), store, precisions)
    return [(exported.artifact, exported.fresh) for exported in results]


def test_both_are_made_by_one_process_and_found_by_their_precision(
    store: Store, asked: Callable[[], dict[str, Any]]
) -> None:
    (full, fresh), (half, also_fresh) = export(store, "fp32", "fp16")
    assert fresh
    assert also_fresh
    assert asked()["precisions"] == ["fp32", "fp16"]
    assert asked()["full"] is None
    assert store.find(EDVR_M) == full
    assert store.find(EDVR_M, precision="fp16") == half
    assert (full.card.precision, half.card.precision) == PRECISIONS
    assert full.card.key != half.card.key
    assert full.path("align").read_text() == "align in fp32"
    assert half.path("align").read_text() == "align in fp16"
    assert [row.largest for row in (*full.card.parity, *half.card.parity)] == [None, 12.5]
    assert export_command(half.card) == "reel-export edvr-m --precision fp16 --rehearsal"


@pytest.mark.parametrize("precisions", [("fp16",), PRECISIONS], ids=["fp16", "both"])
def test_float16_is_made_of_the_float32_graphs_that_are_there(
    store: Store, asked: Callable[[], dict[str, Any]], precisions: tuple[str, ...]
) -> None:
    ((full, _),) = export(store, "fp32")
    results = export(store, *precisions)
    assert asked()["precisions"] == ["fp16"]
    assert asked()["full"] == str(full.folder)
    assert [(artifact.card.precision, fresh) for artifact, fresh in results] == [
        (precision, precision == "fp16") for precision in precisions
    ]
    assert store.find(EDVR_M) == full
    assert [fresh for _, fresh in export(store, *PRECISIONS)] == [False, False]


def test_float32_graphs_that_are_damaged_are_not_what_float16_is_made_of(
    store: Store, asked: Callable[[], dict[str, Any]]
) -> None:
    ((full, _),) = export(store, "fp32")
    full.path("align").write_text("something else")
    export(store, "fp16")
    assert asked()["full"] is None


def test_nothing_is_kept_of_either_where_one_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_worker(monkeypatch, REFUSES, tmp_path)
    with pytest.raises(ExportError, match="It differs"):
        export(store, *PRECISIONS)
    assert list(store.folder.iterdir()) == []


def test_a_precision_that_is_not_there_names_the_command_that_makes_it(
    store: Store, asked: Callable[[], dict[str, Any]]
) -> None:
    export(store, "fp32")
    with pytest.raises(StoreError) as caught:
        store.find(EDVR_M, precision="fp16")
    assert caught.value.remedy == "Run `reel-export edvr-m --precision fp16` first."
