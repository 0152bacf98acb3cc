"""Restore a film of an hour through a tiny network and watch the process: ``python benchmarks/soak.py``.

Memory, open files and threads must not grow with the length of the film. Writes what was seen, once every few
seconds, as JSON and as a plot.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from machine import RESULTS, facts
from tiny import put_tiny

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run the command and return its exit code."""
    grammar = argparse.ArgumentParser(description=__doc__)
    grammar.add_argument("--frames", type=int, default=90_000, help="default: an hour at 25 per second")
    grammar.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    grammar.add_argument("--cuts", choices=("auto", "off"), default="auto", help="off is twice as fast")
    grammar.add_argument("--output", type=Path, default=RESULTS / "soak.json")
    options = grammar.parse_args()
    with tempfile.TemporaryDirectory(prefix="reel-soak-") as folder:
        film, store = Path(folder, "film.mp4"), Path(folder, "store")
        make_film(film, options.frames)
        make_store(store)
        words = [film, "-o", Path(folder, "out.mp4"), "--store", store, "--order", "deoldify"]
        words += ["--render-factor", 1, "--preset", "ultrafast", "--cuts", options.cuts]
        command = [sys.executable, "-m", "reel.cli.run", *map(str, words)]
        samples = list(watched(command, options.every))
    figures = {
        **facts(("onnxruntime", "numpy", "av")),
        "frames": options.frames,
        "size": "64x48",
        **summary(samples),
        "samples": samples,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures) + "\n")
    plot(samples, options.output.with_suffix(".png"))
    print(json.dumps({name: value for name, value in figures.items() if name != "samples"}, indent=1))
    return 0


def make_film(path: Path, frames: int) -> None:
    """Write a film of a pattern that moves, with another one every 500 frames."""
    noise = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            if number % 500 == 0:
                scene = np.kron(noise.integers(40, 220, (12, 160)), np.ones((4, 4))).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(scene[:, number % 500 : number % 500 + 64], format="gray")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def make_store(folder: Path) -> None:
    """Put the tiny networks of the tests into a store."""
    put_tiny(folder, "deoldify")


def watched(command: list[str], every: float) -> Iterator[dict[str, float]]:
    """Run a command and give what its process holds, every few seconds."""
    began = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        while process.poll() is None:
            time.sleep(every)
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            except OSError:
                break
            memory = re.search(r"VmRSS:\s+(\d+) kB", status)
            threads = re.search(r"Threads:\s+(\d+)", status)
            if memory and threads:
                yield {
                    "seconds": round(time.monotonic() - began, 1),
                    "frames": frames_in(said),
                    "memory_mib": round(int(memory[1]) / 1024, 1),
                    "files": files,
                    "threads": int(threads[1]),
                }
        if process.wait():
            said.seek(0)
            raise SystemExit(said.read())


def frames_in(said: Any) -> int:
    """Return how many frames are done by the last line of progress."""
    said.seek(0)
    found = re.findall(r"restoring: (\d+)/", said.read())
    return int(found[-1]) if found else 0


def summary(samples: list[dict[str, float]]) -> dict[str, object]:
    """Compare the second tenth of the run with the last."""
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth] or samples[:1], samples[-2 * tenth : -tenth] or samples[-1:]
    grown = {
        name: round(float(np.median([s[name] for s in late]) - np.median([s[name] for s in early])), 1)
        for name in ("memory_mib", "files", "threads")
    }
    most = {name: max(sample[name] for sample in samples) for name in ("memory_mib", "files", "threads")}
    return {"seconds": samples[-1]["seconds"], "most": most, "grown": grown}


def plot(samples: list[dict[str, float]], path: Path) -> None:
    """Draw what was seen over time."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not there (pip install 'reel[bench]'), so nothing is drawn.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(8, 7))
    minutes = [sample["seconds"] / 60 for sample in samples]
    names = {"memory_mib": "memory, MiB", "files": "open files", "threads": "threads"}
    for axis, (name, label) in zip(axes, names.items(), strict=True):
        axis.plot(minutes, [sample[name] for sample in samples])
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
