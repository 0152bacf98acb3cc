"""reel-export: official weights -> checked ONNX graphs in the store, once per machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .. import __version__
from ..errors import StoreError
from ..models.card import export_command
from ..models.manifest import NETWORKS, network_named
from ..models.spec import PRECISIONS, Network
from ..models.store import Artifact, Store, default_store
from . import engines
from .terminal import DONE, Grammar, ProgressDisplay, exit_code

DEFAULT_NETWORKS = ("dain", "deoldify", "edvr")

_EXAMPLES = """\
examples:
  reel-export                              download and export dain, deoldify and edvr
  reel-export --rehearsal                  the same networks with random weights: no download, a trial
  reel-export edvr-m --weights EDVR_M_w_tsa_SRx4.pdparams
  reel-export edvr --size 1440x1080        on a machine with an NVIDIA GPU: engines for films of this size
  reel-export --list                       what there is, and what has been exported
  reel-export --check                      check the files of what has been exported
"""


def parser() -> Grammar:
    """Return the command line's grammar."""
    result = Grammar(
        prog="reel-export",
        description="Export PaddleGAN's networks for reel-run. Each one is compared with Paddle before it "
        "is stored; what is there already is left as it is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "networks",
        metavar="NETWORK",
        nargs="*",
        help=f"{', '.join(network.name for network in NETWORKS)}, or all "
        f"(default: {' '.join(DEFAULT_NETWORKS)})",
    )
    source = result.add_mutually_exclusive_group()
    source.add_argument(
        "--weights",
        metavar="PATH",
        type=Path,
        help="use this file, or the files in this folder, instead of downloading: PaddleGAN's own "
        "(.pdparams, DAIN_weight.tar) or an .npz of arrays under the network's parameter names",
    )
    source.add_argument(
        "--rehearsal",
        action="store_true",
        help="use random weights in the full-size networks, to check a machine and its speed; the pictures "
        "mean nothing",
    )
    result.add_argument(
        "--precision",
        choices=(*PRECISIONS, "both"),
        help="fp16 is for GPUs: half the size, and rounded where that is harmless; a CPU runs fp32 "
        "(default: fp32, and both where engines are built)",
    )
    engines.add_options(result)
    result.add_argument("--store", metavar="DIR", type=Path, help=f"default: {default_store()}")
    result.add_argument("--list", action="store_true", help="list the networks and what has been exported")
    result.add_argument("--check", action="store_true", help="check the files of what has been exported")
    result.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    grammar = parser()
    options = grammar.parse_args(arguments)
    known = {network.name for network in NETWORKS}
    unknown = [name for name in options.networks if name.lower() not in {*known, "all"}]
    if unknown:
        grammar.error(f"there is no network called {unknown[0]!r}; choose among {', '.join(sorted(known))}")
    if options.sizes and options.device == "cpu":
        grammar.error("--size is of engines, and --device cpu builds none")
    return exit_code(
        lambda: _run(options),
        interrupted="Stopped. What was finished is stored; run the same command again to go on.",
    )


def _run(options: argparse.Namespace) -> int:
    store = Store(options.store)
    if options.list:
        return _list(store)
    networks = _chosen(options.networks)
    if options.check:
        return _check(store, networks if options.networks else list(NETWORKS))
    # Only now: Paddle takes seconds to import, and --help and --list must not wait for it.
    from ..export import exporter
    from ..export.pictures import export_pictures

    exporter.library_versions()
    target = engines.target(options.device)
    if target.why:
        print(target.why, flush=True)
    wanted = options.precision or ("both" if target.gpu else "fp32")
    precisions = PRECISIONS if wanted == "both" else (wanted,)
    for network in networks:
        if options.rehearsal:
            weights = exporter.rehearsal()
        elif options.weights:
            weights = exporter.given_weights(network, options.weights)
        else:
            with ProgressDisplay(f"downloading {network.name}", data=True) as display:
                weights = exporter.official_weights(network, store, display)
        print(f"{network.name} ({network.licence})", flush=True)
        results = exporter.export_each(
            network, weights, store, precisions, step=lambda text: print(f"  {text} ...", flush=True)
        )
        for exported in results:
            _report(exported.artifact, fresh=exported.fresh)
        if target.gpu:
            engines.build([exported.artifact for exported in results], store, options.sizes)
    for precision in precisions:
        print(f"pictures, for GPUs: {export_pictures(store, precision=precision).folder}")
    return DONE


def _chosen(names: list[str]) -> list[Network]:
    if "all" in (name.lower() for name in names):
        return list(NETWORKS)
    return [network_named(name) for name in names or DEFAULT_NETWORKS]


def _report(artifact: Artifact, *, fresh: bool) -> None:
    card = artifact.card
    worst = max(figures.relative_l2 for figures in card.parity)
    state = "exported" if fresh else "already exported, nothing to do"
    print(f"  {state}: {artifact.folder}")
    print(f"  weights: {card.weights}, sha256 {card.weights_sha256[:16]}")
    print(f"  difference from Paddle: relative L2 {worst:.1e}")
    largest = max(figures.largest or 0.0 for figures in card.parity)
    if largest:
        print(f"  largest value in float16: {largest:.3g}, of 65504 at most")
    if card.rehearsal:
        print("  REHEARSAL: random weights, the pictures will mean nothing")


def _artifacts(store: Store, network: Network) -> list[Artifact]:
    return [found for precision in PRECISIONS for found in store.usable(network, precision=precision)]


def _list(store: Store) -> int:
    print(f"store: {store.folder}\n")
    for network in NETWORKS:
        print(f"{network.name:18} {network.title}")
        print(f"{'':18} {network.parameters / 1e6:.1f} M parameters, {network.licence}")
        for artifact in _artifacts(store, network):
            size = sum(graph.size for graph in artifact.card.graphs.values())
            kind = "REHEARSAL, random weights" if artifact.card.rehearsal else artifact.card.weights
            state = "comes with reel" if artifact.shipped else "exported"
            print(f"{'':18} {state}: {artifact.card.precision}, {kind}, {size / 1e6:.0f} MB")
            if of_engines := engines.describe(artifact):
                print(f"{'':18} {of_engines}")
    return DONE


def _check(store: Store, networks: list[Network]) -> int:
    damaged: list[Artifact] = []
    for network in networks:
        artifacts = _artifacts(store, network)
        if not artifacts:
            print(f"{network.name:18} not exported")
        for artifact in artifacts:
            problem = store.damage(artifact)
            if problem:
                damaged.append(artifact)
            worst = max(figures.relative_l2 for figures in artifact.card.parity)
            state = problem or f"good, relative L2 to Paddle {worst:.1e}"
            print(f"{network.name:18} {artifact.card.precision} {artifact.card.weights}: {state}")
            for engine, trouble in engines.damaged(artifact):
                damaged.append(artifact)
                print(f"{network.name:18} engine {engine.folder.name}: {trouble}")
    if damaged:
        names = " and of ".join(dict.fromkeys(artifact.card.network for artifact in damaged))
        commands = " and ".join(dict.fromkeys(f"`{export_command(artifact.card)}`" for artifact in damaged))
        raise StoreError(f"The export of {names} is damaged.", f"Export again with {commands}.")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
