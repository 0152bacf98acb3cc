"""How a run went: its speed and memory over time, and what it found out about the film."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..pixels.frame import Frame
from ..remarks import Remark
from ..timings import Timings

_OFTEN = 0.5  # seconds between two looks at first
_MOST = 1200  # looks; of more, every other one is dropped, and from then on there are half as many


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a run showed.

    Attributes:
        frames: How many it had made so far, those of an earlier run not counted.
        memory: What the process held, bytes; None where the system does not say.
        timings: How the time until then was spent; ``timings.wall`` is when it was.
    """

    frames: int
    memory: int | None
    timings: Timings


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went.

    Attributes:
        device: What ran the networks.
        looks: A look at it every now and then, in order.
        shots: Times of the frames of the result with which a shot begins, as far as they are known, in
            seconds; of the part that an earlier run had made, those with which its segments begin.
        remarks: The warnings.
    """

    device: str
    looks: tuple[Look, ...]
    shots: tuple[Fraction, ...]
    remarks: tuple[Remark, ...]


class Observer:
    """Looks at a run a few times a second, which costs it nothing to speak of: no thread, a few numbers.

    Args:
        timings: How the time was spent until now.
    """

    def __init__(self, timings: Callable[[], Timings]) -> None:
        self._timings = timings
        self._often = _OFTEN
        self._next = 0.0
        self._frames = 0
        self._looks: list[Look] = []
        self._shots: list[Fraction] = []

    def begin(self, shots: list[Fraction]) -> None:
        """Look for the first time, as the first frame is asked for.

        Args:
            shots: Where shots of the part that is there already begin.
        """
        self._shots = shots
        self._look()

    def wrote(self, frame: Frame) -> None:
        """Take note of a frame that was written."""
        self._frames += 1
        if frame.cut or not self._shots:
            self._shots.append(frame.time)
        if time.monotonic() >= self._next:
            self._look()

    def finish(self) -> None:
        """Look for the last time, as the last frame was written."""
        if self._looks and self._looks[-1].frames != self._frames:
            self._look()

    def end(self, device: str, remarks: tuple[Remark, ...]) -> Course:
        """Return all that was seen."""
        return Course(device, tuple(self._looks), tuple(self._shots), remarks)

    def _look(self) -> None:
        self._looks.append(Look(self._frames, memory_held(), self._timings()))
        if len(self._looks) > _MOST:
            del self._looks[1::2]
            self._often *= 2
        self._next = time.monotonic() + self._often


def memory_held() -> int | None:
    """Return what this process holds in memory, bytes; None where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        import resource  # where there is /proc there is this, unlike on Windows

        return pages * resource.getpagesize()
    return None
