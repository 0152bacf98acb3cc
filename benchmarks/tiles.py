"""Memory and exactness of a network on frames of one size, whole and in parts, each in its own process.

    python benchmarks/tiles.py edvr 640x480 --memory 4 --store PATH --film FILM

computes one frame of the result without and with the bound (GiB; ``--parts-only``: with it alone), and
writes ``results/tiles-edvr-640x480.json``: the largest resident memory beyond the loaded network, seconds,
and how far the two are apart. A picture of the difference lies beside it, to look for seams.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, facts, keep, status
from PIL import Image
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.pixels.frame import Pixels
from reel.engine.pixels.resample import resize
from reel.engine.reading.source import open_source
from reel.engine.stages.edvr import Edvr
from reel.engine.stages.interpolate import interpolator
from reel.models.edvr import WINDOW
from reel.models.manifest import network_named
from reel.models.spec import Kind
from reel.models.store import Store


def main() -> None:
    """Measure, or be the process that is measured."""
    options = _options()
    if options.child:
        _compute(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        bounds = [options.memory] if options.parts_only else [None, options.memory]
        runs = [_measured(options, bound, Path(folder) / f"{bound}.npy") for bound in bounds]
        results = [np.load(Path(folder) / f"{bound}.npy") for bound in bounds]
    name = f"tiles-{options.network}-{options.size}{'-noise' if options.film is None else ''}"
    result: dict[str, Any] = facts() | {"network": options.network, "size": options.size, "runs": runs}
    if len(results) == 2:
        whole, parts = (value.astype(np.float64) for value in results)
        difference = np.abs(parts - whole)
        result["difference"] = {
            "maximum": float(difference.max()),
            "relative_l2": float(np.linalg.norm(difference) / np.linalg.norm(whole)),
            "equal": float((difference == 0).mean()),
        }
        strength = 255 / max(float(difference.max()), 1e-9)
        picture = (difference[0].max(axis=0) * strength).astype(np.uint8)
        RESULTS.mkdir(exist_ok=True)
        Image.fromarray(picture).save(RESULTS / f"{name}.png")
    print(json.dumps({key: result[key] for key in ("runs", "difference") if key in result}, indent=1))
    print(keep(name, result))


def _measured(options: argparse.Namespace, bound: float | None, output: Path) -> dict[str, Any]:
    """Run this file in a process of its own, and return what it printed."""
    words = [options.network, options.size, "--store", str(options.store), "--child", str(output)]
    words += [] if options.film is None else ["--film", str(options.film)]
    words += [] if bound is None else ["--memory", str(bound)]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _compute(options: argparse.Namespace) -> None:
    """Compute one frame of the result, and print what it took."""
    network = network_named(options.network)
    width, height = (int(side) for side in options.size.split("x"))
    memory = None if options.memory is None else int(options.memory * 2**30)
    count = WINDOW if network.kind is Kind.UPSCALE else 2
    width, height = (side + -side % network.multiple for side in (width, height))
    frames = _noise(count, height, width) if options.film is None else _frames(options, count, height, width)
    artifact = Store(options.store).find(network)
    with LoadedNetwork(network, artifact, CpuBackend(), memory=memory) as loaded:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the loading
        before, began = status("VmRSS"), time.monotonic()
        result = _result(loaded, frames)
        seconds, peak = time.monotonic() - began, status("VmHWM")
    np.save(options.child, result)
    print(
        json.dumps(
            {
                "memory_gib": options.memory,
                "peak_gib": round((peak - before) / 2**20, 3),
                "process_peak_gib": round(peak / 2**20, 3),
                "seconds": round(seconds, 1),
            }
        )
    )


def _result(loaded: LoadedNetwork, frames: Sequence[Pixels]) -> Pixels:
    if loaded.network.kind is Kind.UPSCALE:
        upscaler = Edvr(loaded)
        return upscaler.enlarged(frames[WINDOW // 2], [upscaler.pyramid(frame) for frame in frames])
    between = interpolator(loaded)
    return between.between(between.pair(*(between.alone(frame) for frame in frames)), 0.4)


def _frames(options: argparse.Namespace, count: int, height: int, width: int) -> list[Pixels]:
    with open_source(options.film) as source:
        return [resize(frame.here, height, width) for frame in islice(source.frames(), 10, 10 + count)]


def _noise(count: int, height: int, width: int) -> list[Pixels]:
    rng = np.random.default_rng(1)
    return [rng.random((1, 3, height, width), np.float32) for _ in range(count)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=["dain", "dain-depth", "edvr", "edvr-m"])
    parser.add_argument("size", metavar="WIDTHxHEIGHT")
    parser.add_argument("--memory", type=float, metavar="GIB")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--film", type=Path, help="frames of it, resized; default: noise")
    parser.add_argument("--parts-only", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
