"""Networks put into a store as an export would, with graphs that a test makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reel.models.card import EXPORT_REVISION, Card, GraphFile, Parity
from reel.models.spec import Graph
from reel.models.store import Artifact, GraphSet, Store, file_digest


def put_into(
    store: Store, network: GraphSet, write: Callable[[Graph, Path], object], **facts: Any
) -> Artifact:
    """Put a network into a store: ``write`` makes each graph's file, ``facts`` are of its card."""
    with store.writing() as scratch:
        (folder := scratch / "artifact").mkdir()
        graphs: dict[str, GraphFile] = {}
        for graph in network.graphs:
            path = folder / f"{graph.name}.onnx"
            write(graph, path)
            graphs[graph.name] = GraphFile(path.name, path.stat().st_size, file_digest(path))
        usual: dict[str, Any] = {
            "network": network.name,
            "precision": "fp32",
            "revision": EXPORT_REVISION,
            "weights": "w.npz",
            "weights_sha256": "0" * 64,
            "rehearsal": False,
            "versions": {"tests": "1"},
            "created": "2026-01-01T00:00:00.000000+00:00",
            "graphs": graphs,
            "parity": (Parity(8, 8, 0.0, 0.0, 1e-7),),
        }
        return store.keep(folder, Card(**(usual | facts)))
