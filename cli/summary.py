"""What a run came to, for people and for programs."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import OutputError

if TYPE_CHECKING:
    from ..engine.runs.pipeline import Plan
    from ..engine.runs.summary import Summary
    from ..engine.timings import Timings


def check_place(path: Path, option: str = "--summary") -> None:
    """Refuse a file that could not be written, before hours of work.

    Args:
        path: The file.
        option: What it was given with.

    Raises:
        OutputError: It cannot.
    """
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    if path.is_dir() or not writable:
        raise OutputError(f"{path} cannot be written.", f"Name another file with {option}.")


def timings_table(timings: Timings) -> str:
    """Return how the time was spent, a line for each part and each network."""
    wall = max(timings.wall, 1e-9)
    lines = [f"{'':22}{'busy':>10}{'waiting':>10}{'busy':>7}"]

    def line(name: str, busy: float, waiting: float | None) -> str:
        waited = "" if waiting is None else f"{waiting:.2f} s"
        return f"{name:22}{f'{busy:.2f} s':>10}{waited:>10}{busy / wall:7.0%}"

    for part in timings.parts:
        lines.append(line(part.name, part.busy, part.waiting))
        if part.name == "networks":
            lines += [line(f"  {name}", busy, None) for name, busy in timings.stages]
    return "\n".join([*lines, f"{timings.wall:.2f} s in all, {timings.overlap:.2f} times the busiest part"])


def summary_json(plan: Plan, summary: Summary) -> str:
    """Return everything about a finished run as JSON; times in seconds, memory in bytes."""
    return json.dumps(summary_facts(plan, summary), indent=2)


def summary_facts(plan: Plan, summary: Summary) -> dict[str, Any]:
    """Return everything about a finished run as JSON knows it; times in seconds, memory in bytes."""
    timings = summary.timings
    return {
        "reel": __version__,
        "input": str(plan.input),
        "output": str(summary.output),
        "frames": summary.frames,
        "frames_kept_from_an_earlier_run": summary.kept,
        "width": summary.format.width,
        "height": summary.format.height,
        "rate": None if summary.format.rate is None else str(summary.format.rate),
        "networks": [
            {
                "name": step.network.name,
                "weights": step.artifact.card.weights,
                "weights_sha256": step.artifact.card.weights_sha256,
                "rehearsal": step.artifact.card.rehearsal,
            }
            for step in plan.steps
        ],
        "seconds": summary.seconds,
        "timings": {
            "wall": timings.wall,
            "overlap": timings.overlap,
            **{part.name: {"busy": part.busy, "waiting": part.waiting} for part in timings.parts},
            "stages": dict(timings.stages),
        },
        "peak_memory": _peak_memory(),
    }


def _peak_memory() -> int | None:
    """Return the most memory that this process has held, in bytes; None where the system does not say."""
    if platform.system() == "Windows":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
