"""Looks at a run, as the tests of reports make them up."""

from __future__ import annotations

from reel.engine.runs.course import Look
from reel.engine.timings import Part, Timings


def look(wall: float, frames: int, memory: int | None = None, busy: float = 0.5) -> Look:
    """A look at a run whose only network is busy half of the time."""
    parts = tuple(
        Part(name, share * wall, (1 - share) * wall)
        for name, share in (("decode", 0.1), ("networks", busy), ("encode", 1.0))
    )
    return Look(frames, memory, Timings(wall, parts, (("edvr", busy * wall),)))
