"""Export the networks that come with reel into the package: ``python scripts/ship.py [FOLDER]``.

What lies in ``models/shipped`` afterwards is what ``reel-export`` makes of the weights in ``models/``,
compared with Paddle as ever, and the graphs for pictures that GPUs run besides. It is in float32, which every
device runs; of weights that are halves it packs to half its size. To be run again when the weights have
changed, or what an export yields: ``tests/models/test_shipped.py`` says when. Needs Paddle.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reel.export import exporter
from reel.export.pictures import export_pictures
from reel.models.manifest import NETWORKS
from reel.models.store import SHIPPED, Artifact, Store


def ship(store: Store) -> list[Artifact]:
    """Export what ships into a store, but for what is there already, and return it."""
    networks = [network for network in NETWORKS if network.shipped]
    return [
        *(exporter.export(n, exporter.official_weights(n, store), store).artifact for n in networks),
        *([export_pictures(store)] if networks else []),
    ]


def main() -> None:
    """Run the command."""
    grammar = argparse.ArgumentParser(description="Export the networks that come with reel.")
    grammar.add_argument("folder", nargs="?", type=Path, default=SHIPPED, help="default: models/shipped")
    for artifact in ship(Store(grammar.parse_args().folder)):
        size = sum(graph.size for graph in artifact.card.graphs.values())
        worst = max(figures.relative_l2 for figures in artifact.card.parity)
        print(f"{artifact.folder}: {size / 1e6:.1f} MB, relative L2 to Paddle {worst:.1e}")


if __name__ == "__main__":
    main()
