"""A whole film as ``reel-run`` restores it: ``film.py BACKEND NETWORK ...``.

Tells after every second how far it is, so that a run that is stopped has its figure, too. A minute of
film, of 24 frames a second, is extrapolated from the frames after the first tenth.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import av
from gpu_facts import Watch
from reel import restore
from telling import pack, tell, work

_MINUTE = 60 * 24
"""Frames of a minute of film."""


class Pace:
    """How fast frames come, from what is told of them, and what a minute of film would take."""

    def __init__(self, watch: Watch, *, source_frames: int) -> None:
        self._watch = watch
        self._source_frames = source_frames
        self._began = time.monotonic()
        self._since: tuple[int, float] | None = None
        self._told = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._since is None:
            if done and done >= (total or 0) // 10:
                self._since = (done, now)
                self._watch.forget()
            return
        if now - self._told >= 1 or done == total:
            self._told = now
            tell(**self.figures(done, total, now))

    def figures(self, done: int, total: int | None, now: float) -> dict[str, Any]:
        """Return frames per second, and the seconds that a minute of film takes beside what comes first."""
        assert self._since is not None
        first, then = self._since
        if done == first:
            return {}
        rate = (done - first) / (now - then)
        made = (total or done) / self._source_frames  # an interpolator makes more frames than there were
        return {
            "frames_per_second": rate,
            "frames": done,
            "of": total,
            "seconds_for_a_minute": _MINUTE * made / rate,
            "seconds_before": then - self._began,
            **self._watch.facts(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", choices=("cpu", "cuda", "tensorrt"))
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    film = pack() / "reel" / ("small.mp4" if options.rehearse else "film.mp4")
    folder = work() / "films" / "-".join([options.backend, *options.networks])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with av.open(str(film)) as container:
        frames = container.streams.video[0].frames
    factor = 8 if options.rehearse else 32
    with Watch() as watch:
        pace = Pace(watch, source_frames=frames)
        summary = restore(
            film,
            folder / "restored.mp4",
            order=options.networks,
            render_factor=factor,
            device=options.backend,
            progress=pace,
        )
    timings = summary.timings
    tell(
        whole_seconds=summary.seconds,
        overlap=timings.overlap,
        parts={part.name: [part.busy, part.waiting] for part in timings.parts},
        stages=dict(timings.stages),
    )
    _keep_frame(folder / "restored.mp4", work() / f"{folder.name}.png")


def _keep_frame(film: Path, target: Path) -> None:
    """Keep a frame from the middle, at most 960 pixels wide, to be looked at."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        for number, frame in enumerate(container.decode(stream)):
            if number == stream.frames // 2:
                picture = frame.to_image()
                picture.thumbnail((960, 960))
                picture.save(target)
                return


if __name__ == "__main__":
    main()
