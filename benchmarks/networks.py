"""Seconds per frame of each network: reel, PaddleGAN in eager Paddle, Paddle Inference, and others.

    python benchmarks/networks.py edvr-m                    # one network, or several; all without a name
    python benchmarks/networks.py dain-depth --torch-python /path/to/an/environment/with/torch/bin/python

Every contender has the same seeded weights, the same input and all processors; they take turns. Results go
to ``results/networks-NAME.json``; ``report.py`` makes tables of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np
from contenders import example, exported
from contest import WORKER, Contender, hold, say, summary
from reel.models.manifest import NETWORKS, network_named
from reel.models.spec import Kind, Network

# (height, width): small ones, which the slowest contender finishes in seconds. Those of DAIN and DeOldify
# are square because the authors state theirs so.
SIZES = {Kind.UPSCALE: (64, 96), Kind.COLOURISE: (256, 256), Kind.INTERPOLATE: (256, 256)}

TORCH = Path(__file__).with_name("torch_dain_depth.py")


def contenders(network: Network, store: Path, folder: Path, torch: Path | None) -> list[Contender]:
    """Return who takes part; the first is the reference for the outputs."""
    height, width = SIZES[network.kind]

    def one(name: str, kind: str, environment: tuple[str, ...] = ()) -> Contender:
        program = (*environment, sys.executable, str(WORKER), kind, network.name, str(height), str(width))
        # Eager Paddle takes up to half a minute; three runs of it show its spread.
        return Contender(name, (*program, str(store)), runs=3 if kind == "eager" else None)

    threads = str(len(os.sched_getaffinity(0)))
    found = [
        one("Paddle eager", "eager"),
        one("Paddle eager, all threads", "eager", ("env", f"OMP_NUM_THREADS={threads}")),
        one("Paddle Inference, oneDNN", "inference"),
        one("reel", "reel"),
    ]
    if network.window > 1:
        found += [one("reel, one result alone", "reel-alone"), one("one plain graph", "plain")]
    if network.name == "dain-depth" and torch is not None:
        case = torch_case(network, height, width, folder)
        found.append(Contender("PyTorch", (str(torch), str(TORCH), str(case), threads)))
    return found


def torch_case(network: Network, height: int, width: int, folder: Path) -> Path:
    """Write weights and inputs for the process of PyTorch, whose environment has no reel."""
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights

    weights = rehearsal_weights(network, recipe_for(network.name).layout())
    inputs = {f"input:{name}": value for name, value in example(network.name, height, width).items()}
    np.savez(case := folder / "case.npz", **weights, **inputs)
    return case


def measure(network: Network, options: argparse.Namespace) -> None:
    height, width = SIZES[network.kind]
    say(f"{network.name} at {width}x{height}")
    head = machine.facts()
    exported(network.name, options.store)
    with tempfile.TemporaryDirectory() as folder:
        entrants = contenders(network, options.store, Path(folder), options.torch_python)
        if options.only:
            entrants = [one for one in entrants if one.name in ("reel", *options.only)]
        measured = hold(entrants, Path(folder), rounds=options.rounds, seconds=options.seconds)
    for one in measured.values():
        head["versions"] |= one.versions
    head |= {"network": network.name, "size": [width, height]}
    head["contenders"] = summary(measured, base="reel")
    kept = machine.keep(f"networks-{network.name}", head)
    for name, figures in head["contenders"].items():
        if figures["failure"] or "median" not in figures:
            say(f"  {name}: {figures['failure'] or 'no figure, since reel has none'}")
        else:
            say(
                f"  {name}: {figures['median']:.3f} s, {figures['times_base']:.2f} times reel's, relative L2 "
                f"{figures['relative_l2']:.1e}"
            )
    say(f"  {kept}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [network.name for network in NETWORKS]
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"any of {', '.join(names)}")
    parser.add_argument("--store", type=Path, default=Path(__file__).with_name("store"))
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender (default: 9)")
    parser.add_argument("--seconds", type=float, default=240, help="begin no further round after these")
    parser.add_argument("--only", nargs="+", metavar="CONTENDER", help="beside reel; default: all")
    parser.add_argument("--torch-python", type=Path, help="interpreter of an environment with torch")
    options = parser.parse_args()
    for name in options.networks or names:
        measure(network_named(name), options)


if __name__ == "__main__":
    main()
