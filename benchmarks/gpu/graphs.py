"""Put together the graphs that were brought without their weights: ``graphs.py NETWORK ...``.

Weights are drawn as ``reel-export --rehearsal`` draws them, and float16 graphs made of the float32 ones as
it makes them. Every file is then the one that was exported and compared with Paddle; where a library of this
machine rounds a last digit otherwise, that is told, and the card has the hash of what is there.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from reel.export.half import half_from_full
from reel.export.pictures import export_pictures
from reel.export.rehearsal import rehearsal_weights
from reel.models.card import Card, GraphFile, Parity
from reel.models.manifest import network_named
from reel.models.spec import PRECISIONS, Network
from reel.models.store import Store, file_digest
from seeded import put_together
from telling import pack, tell

LAYOUT = "layout.json"


def main() -> None:
    store = Store()
    brought = [name for name in sys.argv[1:] if (pack() / f"graphs-{name}").is_dir()]
    missing = [name for name in brought if not _is_there(store, network_named(name))]
    with ProcessPoolExecutor(max_workers=max(len(missing), 1)) as processes:
        making = [processes.submit(_make, name) for name in missing]
        for precision in PRECISIONS:  # also where a network fails: films of the others need them
            export_pictures(store, precision=precision)
        for one in making:
            one.result()
    tell(made=missing, there=brought, other_digits=[one for name in brought for one in _others(store, name)])


def _is_there(store: Store, network: Network) -> bool:
    return all(store.artifacts(network, precision=precision) for precision in PRECISIONS)


def _others(store: Store, name: str) -> list[str]:
    """Return the graphs of a network that came out otherwise than where they were packed."""
    found: list[str] = []
    for precision in PRECISIONS:
        brought: dict[str, Any] = json.loads(
            (pack() / f"graphs-{name}" / f"card-{precision}.json").read_text()
        )
        here = store.artifacts(network_named(name), precision=precision)[0].card.graphs
        found += [
            f"{name} {precision} {graph}"
            for graph, fields in brought["graphs"].items()
            if here[graph].sha256 != fields["sha256"]
        ]
    return found


def _make(name: str) -> None:
    """Put the graphs of a network into the store."""
    began = time.monotonic()
    network, source, store = network_named(name), pack() / f"graphs-{name}", Store()
    layout: dict[str, list[int]] = json.loads((source / LAYOUT).read_text())
    weights = rehearsal_weights(network, {key: tuple(shape) for key, shape in layout.items()})
    with store.writing() as scratch:
        folders = {precision: scratch / precision for precision in PRECISIONS}
        for folder in folders.values():
            folder.mkdir()
        for graph in network.graphs:
            full = folders["fp32"] / f"{graph.name}.onnx"
            put_together(source / graph.name, weights, full)
            half_from_full(full, graph, folders["fp16"] / full.name)
        for precision, folder in folders.items():
            card: dict[str, Any] = json.loads((source / f"card-{precision}.json").read_text())
            _keep(store, folder, card)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)


def _keep(store: Store, folder: Path, fields: dict[str, Any]) -> None:
    """Move finished graphs to their place in the store, with the card that was brought."""
    graphs: dict[str, GraphFile] = {}
    for name, graph in fields["graphs"].items():
        path = folder / graph["file"]
        graphs[name] = GraphFile(path.name, path.stat().st_size, file_digest(path))
    parity = tuple(Parity(**one) for one in fields["parity"])
    store.keep(folder, Card(**(fields | {"graphs": graphs, "parity": parity})))


if __name__ == "__main__":
    main()
