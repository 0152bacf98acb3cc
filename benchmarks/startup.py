"""Seconds until a command answers: ``reel-run --help``, ``import reel``, and loading each network.

    python benchmarks/startup.py

Each figure is the median of fresh processes; loading is that of an exported network of the store, from its
files in the system's cache to ready sessions. The result goes to ``results/startup.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import machine
from contest import say
from reel.models.manifest import network_named
from reel.models.store import Store

COMMANDS = {
    "python alone": ("-c", "pass"),
    "import reel": ("-c", "import reel"),
    "reel-run --help": ("-m", "reel.cli.run", "--help"),
    "reel-export --help": ("-m", "reel.cli.export", "--help"),
    "import onnxruntime": ("-c", "import onnxruntime"),
}

LOAD = """
import sys, time
from pathlib import Path
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.backends.cpu import CpuBackend
from reel.models.manifest import network_named
from reel.models.store import Store
network = network_named(sys.argv[1])
began = time.perf_counter()
with LoadedNetwork(network, Store(Path(sys.argv[2])).find(network), CpuBackend()):
    print(time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path(__file__).with_name("store"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("networks", nargs="*", default=["dain", "deoldify", "edvr"], metavar="NETWORK")
    options = parser.parse_args()
    head = machine.facts()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    stored = [n for n in options.networks if Store(options.store).artifacts(network_named(n))]
    loading: dict[str, list[float]] = {name: [] for name in stored}
    for _ in range(options.rounds):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    for _ in range(min(options.rounds, 3)):
        for name in loading:
            words = [sys.executable, "-c", LOAD, name, str(options.store)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            loading[name].append(json.loads(done.stdout))
    for kind, figures in (("commands", seconds), ("loading", loading)):
        head[kind] = {
            name: {"seconds": found, "median": statistics.median(found), "spread": [min(found), max(found)]}
            for name, found in figures.items()
        }
        for name, found in head[kind].items():
            say(f"  {name}: {found['median']:.2f} s")
    say(f"  {machine.keep('startup', head)}")


if __name__ == "__main__":
    main()
