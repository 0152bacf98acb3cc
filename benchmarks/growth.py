"""How time and memory of reel-run grow with the frames of a film, their size, and the threads.

    python benchmarks/growth.py                # all three; or some of: frames size threads

Each point is a fresh process that restores a drawn film with EDVR-M (with ``frames`` also through no network
at all, which is the data path alone); memory is the peak of what the process had resident. The largest part
of it is what one frame takes in the network, so it may grow with the size, and must not with the count.
Results go to ``results/growth-frames.json`` and so on; ``report.py`` makes tables and plots of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
from chain import draw
from contenders import exported
from contest import say, threads_available

NETWORK = "edvr-m"

# Each point: networks, frames, width, height. Few and small enough for a few minutes on two cores.
POINTS = {
    "frames": [
        *(((), count, 320, 240) for count in (24, 96, 384, 1536)),
        *(((NETWORK,), count, 32, 24) for count in (8, 32, 128)),
    ],
    "size": [((NETWORK,), 6, width, width * 3 // 4) for width in (32, 64, 96, 128, 192)],
    "threads": [((NETWORK,), 6, 96, 72)],
}


def restore(film: str, output: str, order: str, threads: str, store: str) -> None:
    """Be the process that is measured, and print what it took."""
    from reel.engine.backends.cpu import CpuBackend
    from reel.engine.runs import pipeline
    from reel.engine.runs.settings import Settings
    from reel.models.store import Store

    settings = Settings(order=tuple(order.split()), cuts=False, overwrite=True)
    plan = pipeline.plan(Path(film), Path(output), settings, Store(Path(store)))
    summary = pipeline.run(plan, settings, CpuBackend(int(threads)))
    peak = machine.status("VmHWM") * 1024
    print(json.dumps({"seconds": summary.seconds, "frames_made": summary.frames, "peak_bytes": peak}))


def point(
    order: tuple[str, ...], frames: int, width: int, height: int, threads: int, store: Path
) -> dict[str, Any]:
    """Measure one point in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        draw(film := Path(folder) / "film.mp4", frames, height, width)
        words = [sys.executable, __file__, "--restore", str(film), str(Path(folder) / "restored.mp4")]
        words += [" ".join(order), str(threads), str(store)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    found |= {"order": order, "frames": frames, "size": [width, height], "threads": threads}
    say(
        f"  {' '.join(order) or 'no network'}, {frames} frames of {width}x{height}, {threads} threads: "
        f"{found['seconds'] / frames:.3f} s a frame, {found['peak_bytes'] / 2**20:.0f} MiB"
    )
    return found


def main() -> None:
    if sys.argv[1:2] == ["--restore"]:
        restore(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"any of {', '.join(POINTS)}; default: all")
    parser.add_argument("--store", type=Path, default=Path(__file__).with_name("store"))
    options = parser.parse_args()
    exported(NETWORK, options.store)
    for axis in options.axes or POINTS:
        head = machine.facts()
        most = threads_available()
        head["points"] = [
            point(*each, threads, options.store)
            for each in POINTS[axis]
            for threads in (range(1, most + 1) if axis == "threads" else [most])
        ]
        say(f"  {machine.keep(f'growth-{axis}', head)}")


if __name__ == "__main__":
    main()
