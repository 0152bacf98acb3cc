"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..pixels.frame import Format
from ..timings import Timings
from .course import Course
from .plan import Plan
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        output: Where it is.
        format: What it is.
        frames: How many it has.
        kept: How many of these an earlier run had made.
        seconds: What the run took, loading the networks included.
        timings: How the time after that was spent.
        plan, settings: What it was made by.
        course: How it went.
        finishing: Seconds from the last frame until the result was in its place: what the encoder still held
            back, and joining.
    """

    output: Path
    format: Format
    frames: int
    kept: int
    seconds: float
    timings: Timings
    plan: Plan = field(repr=False)
    settings: Settings = field(repr=False)
    course: Course = field(repr=False)
    finishing: float = 0.0

    def _repr_html_(self) -> str:
        """Return what a notebook shows of it: before and after, and the film."""
        from ..report.notebook import shown_in_notebook  # what it is made with is loaded for it alone

        return shown_in_notebook(self)
