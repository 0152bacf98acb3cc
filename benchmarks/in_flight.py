"""Memory of a run beyond its networks: frames on the way, the encoder, the tracks.

    python benchmarks/in_flight.py 640x480 --frames 60 --store PATH

runs a film through the whole pipeline to four times the size, with EDVR-M replaced by what repeats
pixels and takes no memory, and writes ``results/in-flight-640x480.json``: the resident memory
before the first frame, and the largest until the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from machine import facts, keep, status
from reel.engine.backends.cpu import give_large_blocks_back
from reel.engine.networks.backend import Runner
from reel.engine.networks.tiles import size_of
from reel.engine.pixels.frame import Pixels
from reel.engine.runs.pipeline import plan, run
from reel.engine.runs.settings import Settings
from reel.engine.writing.naming import chosen_output
from reel.models.edvr import EDVR_M
from reel.models.spec import Graph
from reel.models.store import Artifact, Store


class Nothing:
    """A graph whose outputs take no memory, but for the enlarged frame."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, **inputs: Pixels) -> tuple[Pixels, ...]:
        if self._graph.name == "enlarge":
            return (inputs["centre"].repeat(4, axis=2).repeat(4, axis=3),)
        height, width = size_of(self._graph, inputs) or (1, 1)
        sides = {"H": height, "W": width, "H/2": height // 2, "W/2": width // 2}
        sides |= {"H/4": height // 4, "W/4": width // 4}
        shapes = [[sides[s] if isinstance(s, str) else s for s in out.shape] for out in self._graph.outputs]
        return tuple(np.broadcast_to(np.float32(0), shape) for shape in shapes)

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


class NothingBackend:
    """Loads no file, and sets the C library up as the CPU backend does."""

    name = "nothing"
    precisions = ("fp32",)
    device = None

    def memory(self) -> None:
        return None

    def runner(self, artifact: Artifact) -> Runner:
        return Runner(self.name)

    def load(self, path: Path, *, keep: bool = False) -> Nothing:
        del keep
        give_large_blocks_back()
        return Nothing(EDVR_M.graph(path.stem))


def main() -> None:
    """Run the film and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("size", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    rows: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        _draw(film, *map(int, options.size.split("x")), options.frames)
        output = chosen_output(film, f"{folder}/large.mp4")
        settings = Settings(order=("edvr-m",))
        chosen = plan(film, output, settings, Store(options.store))

        def progress(done: int, total: int | None) -> None:
            del total
            if done == 0:
                Path("/proc/self/clear_refs").write_text("5")
                rows.append(status("VmRSS"))
            rows.append(status("VmHWM"))

        summary = run(chosen, settings, NothingBackend(), progress=progress)
    before, *peaks = rows
    result = facts() | {
        "size": options.size,
        "frames": summary.frames,
        "threads": threading.active_count(),
        "before_gib": round(before / 2**20, 3),
        "beyond_gib": round((status("VmHWM") - before) / 2**20, 3),
        "peak_after_frame_gib": [round(peak / 2**20, 3) for peak in peaks],
    }
    print(json.dumps({key: result[key] for key in ("frames", "before_gib", "beyond_gib")}))
    print(keep(f"in-flight-{options.size}", result))


def _draw(path: Path, width: int, height: int, frames: int) -> None:
    """Write a film of a pattern that drifts."""
    y, x = np.mgrid[0:height, 0:width]
    pattern = (127 + 60 * np.sin(x / 9) * np.cos(y / 13) + 40 * ((x // 40 + y // 30) % 2)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = np.repeat(np.roll(pattern, 3 * number, axis=1)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
