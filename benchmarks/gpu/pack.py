"""Pack all that is needed to measure on a machine with an NVIDIA GPU and without a network.

    python benchmarks/gpu/pack.py --folder PACK                       # everything
    python benchmarks/gpu/pack.py --folder PACK --without-tensorrt    # ONNX Runtime with CUDA only: quicker

Writes parts of at most 44 MiB, a manifest with their hashes, and ``start.py``, which does the rest there. The
networks' graphs go without their weights, which are random and drawn again (see ``seeded.py``), but for those
that come with reel; what the store lacks is exported first. Needs the environment of
``requirements/test.txt`` and pip.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent))

from drawn_film import write_films  # noqa: E402
from graphs import LAYOUT  # noqa: E402
from parts import Bundle, Manifest, PackError, trips, write_bundle  # noqa: E402
from peak import write_product  # noqa: E402
from reel import __version__  # noqa: E402
from reel.export.exporter import export_each, official_weights, rehearsal  # noqa: E402
from reel.export.networks import recipe_for  # noqa: E402
from reel.export.rehearsal import rehearsal_weights  # noqa: E402
from reel.models.manifest import network_named  # noqa: E402
from reel.models.spec import PRECISIONS, Network  # noqa: E402
from reel.models.store import Artifact, Store  # noqa: E402
from seeded import write_without_weights  # noqa: E402
from stages import ORDER  # noqa: E402
from wheels import (  # noqa: E402
    CUDA_PROVIDER,
    download_for,
    write_cuda_provider,
    write_tensorrt,
    write_wheels_of_tensorrt,
)
from work import multiplications  # noqa: E402

BESIDE = (
    "start.py",
    "parts.py",
    "stages.py",
    "results.py",
    "environments.py",
    "running.py",
    "gpu_facts.py",
)
"""What runs there before anything is unpacked: the standard library is all that it needs."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where to; what is there is replaced")
    parser.add_argument("--store", type=Path, default=HERE.parent / "store", help="of rehearsal exports")
    parser.add_argument("--networks", nargs="+", default=list(ORDER), metavar="NETWORK")
    parser.add_argument("--film", type=Path, help="a real one for the whole chain; without, one is drawn")
    parser.add_argument("--python", nargs="+", default=["3.12"], help="of the machine (default: 3.12)")
    parser.add_argument("--generation", type=int, default=90, help="of the GPU: 90 for an H100 or H200")
    parser.add_argument("--mib", type=float, default=44, help="of a part at most (default: 44)")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "reel-gpu-pack")
    parser.add_argument("--level", type=int, default=6, help="of compression, 0 to 9 (default: 6)")
    parser.add_argument("--without-tensorrt", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        manifest = _packed(options)
    except PackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for bundle in manifest.bundles:
        size = sum(part.size for part in bundle.parts)
        print(f"{bundle.name:24} {size / 2**20:7.1f} MiB in {len(bundle.parts)} parts")
    for number, trip in enumerate(trips(manifest, int(options.mib * 2**20)), start=1):
        print(f"together {number:2}: {' '.join(part.file for part in trip)}")
    print(f"{options.folder}: {time.monotonic() - began:.0f} s. There: python3 start.py --out RESULTS")
    return 0


def _packed(options: argparse.Namespace) -> Manifest:
    options.folder.mkdir(parents=True, exist_ok=True)
    for old in options.folder.glob("*.part"):
        old.unlink()
    options.cache.mkdir(parents=True, exist_ok=True)
    bundles: list[Bundle] = []

    def add(name: str, source: Path, *, compressed: bool = True) -> None:
        began = time.monotonic()
        level, most = options.level if compressed else None, int(options.mib * 2**20)
        bundles.append(write_bundle(name, source, options.folder, most=most, level=level))
        print(f"packed {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        shutil.rmtree(source)

    with tempfile.TemporaryDirectory(prefix="reel-pack-", dir=options.cache) as folder:
        staged = Path(folder)
        work: dict[str, float] = {}
        for name in options.networks:
            work[name] = _write_graphs(name, options.store, staged / f"graphs-{name}", options.cache)
            add(f"graphs-{name}", staged / f"graphs-{name}")
        _write_reel(staged / "reel", work, options.film)
        add("reel", staged / "reel")
        for python in options.python:
            whole = download_for(python, options.cache, staged / f"python-{python}")
            if python == options.python[0]:
                write_cuda_provider(whole, staged / "cuda" / CUDA_PROVIDER, options.generation)
                add("cuda", staged / "cuda")
            add(f"python-{python}", staged / f"python-{python}", compressed=False)
        if not options.without_tensorrt:
            write_wheels_of_tensorrt(options.cache, staged / "tensorrt-wheels")
            add("tensorrt-wheels", staged / "tensorrt-wheels", compressed=False)
            write_tensorrt(options.cache, staged / "tensorrt")
            add("tensorrt", staged / "tensorrt")
    # As they are needed there: what everything needs first, TensorRT last.
    bundles.sort(key=lambda bundle: not bundle.name.startswith(("reel", "python-", "cuda")))
    facts = {"networks": options.networks, "reel": __version__, "commit": _commit(), "film": _name(options)}
    manifest = Manifest(tuple(bundles), facts)
    manifest.write(options.folder)
    for name in BESIDE:
        shutil.copyfile(HERE / name, options.folder / name)
    return manifest


def _write_graphs(name: str, place: Path, target: Path, cache: Path) -> float:
    """Write a network's graphs without their weights, and return the multiplications of a pixel."""
    network = network_named(name)
    print(f"graphs of {name}", file=sys.stderr, flush=True)
    store = Store(place)
    # Of what comes with reel, random weights would be another network than the one that runs there.
    weights = official_weights(network, store) if network.shipped else rehearsal()
    artifacts = [one.artifact for one in export_each(network, weights, store, PRECISIONS)]
    write_recipe(network, artifacts, target)
    return _counted(name, artifacts[PRECISIONS.index("fp32")], cache)


def write_recipe(network: Network, artifacts: list[Artifact], target: Path) -> None:
    """Write a network's cards and what its graphs are made of again (see ``graphs.py``).

    Args:
        artifacts: Of the network, in the order of ``PRECISIONS``.
    """
    target.mkdir(parents=True)
    for artifact in artifacts:
        card = json.dumps(asdict(artifact.card))
        (target / f"card-{artifact.card.precision}.json").write_text(card)
    full = artifacts[PRECISIONS.index("fp32")]
    layout = {} if network.shipped else recipe_for(network.name).layout()  # trained: nothing is drawn
    (target / LAYOUT).write_text(json.dumps({key: list(shape) for key, shape in layout.items()}))
    weights = rehearsal_weights(network, layout)
    for graph in network.graphs:
        write_without_weights(full.path(graph.name), weights, target / graph.name)


def _counted(name: str, artifact: Artifact, cache: Path) -> float:
    """Return the multiplications of a pixel, counted once for each export."""
    known = cache / f"work-{artifact.card.key}.json"
    if not known.is_file():
        known.write_text(json.dumps(multiplications(network_named(name), artifact)))
    return json.loads(known.read_text())


def _write_reel(target: Path, work: dict[str, float], film: Path | None) -> None:
    """Write the working tree, the films, the matrix products and what is known of the networks."""
    tree = target / "reel"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for file in filter(None, files):
        source = ROOT / file
        if source.is_file() and not file.startswith("benchmarks/results/"):
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, tree / file)
    (target / "work.json").write_text(json.dumps(work))
    write_films(target, film)
    for precision in PRECISIONS:
        write_product(target / f"product-{precision}.onnx", precision)


def _commit() -> str:
    described = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(described, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _name(options: argparse.Namespace) -> str:
    return options.film.name if options.film else "drawn"


if __name__ == "__main__":
    sys.exit(main())
