"""How long each part of a run was busy, and how long it waited for the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Part:
    """One of the parts of a run that work at the same time: decode, networks or encode. In seconds.

    Attributes:
        name: Which one.
        busy: At work; for the networks, all of them.
        waiting: For frames to come, or for room to put them.
    """

    name: str
    busy: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Timings:
    """How the time of a run was spent, in seconds.

    Attributes:
        wall: From the first frame that was asked for to the last one given to the encoder; neither loading
            the networks nor joining the film is in it.
        parts: Decode, networks and encode, each with its conversion of pixels; they overlap.
        stages: What the networks' time consists of, in order: each stage by its name.
    """

    wall: float
    parts: tuple[Part, ...]
    stages: tuple[tuple[str, float], ...]

    @property
    def overlap(self) -> float:
        """Wall time over the busiest part's: 1 where nothing ever waits for the others."""
        return self.wall / max(max(part.busy for part in self.parts), 1e-9)


class Clock:
    """Measures a run; each name is used by one thread only, and any thread may ask how it stands."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        # What it has taken so far, and since when it is at it now; replaced in one step.
        self._within: dict[str, tuple[float, float | None]] = {}

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.perf_counter()

    def timed(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """Give the items, and count what it takes to get each."""
        taken = self._within.get(name, (0.0, None))[0]
        while True:
            began = time.perf_counter()
            self._within[name] = taken, began
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                taken += time.perf_counter() - began
                self._within[name] = taken, None
            yield item

    def stopped(self, *, decode: str, arrival: str, stages: tuple[str, ...], departure: str) -> Timings:
        """Return how the time was spent until now, what is under way included.

        Args:
            decode: Name under which the source's frames were timed.
            arrival: The frames as they came to the networks.
            stages: The frames as they came out of each of these, in order.
            departure: The frames as they came to the encoder.
        """
        now = time.perf_counter()
        wall = now - self._began
        within = {name: self._until(name, now) for name in (decode, arrival, *stages, departure)}
        inner = [within[name] for name in (arrival, *stages)]
        each = [(name, outer - before) for name, outer, before in zip(stages, inner[1:], inner, strict=False)]
        busy = {
            "decode": within[decode],
            "networks": inner[-1] - inner[0],
            "encode": wall - within[departure],
        }
        parts = tuple(Part(name, spent, max(0.0, wall - spent)) for name, spent in busy.items())
        return Timings(wall, parts, tuple(each))

    def _until(self, name: str, now: float) -> float:
        taken, since = self._within.get(name, (0.0, None))
        return taken if since is None else taken + max(0.0, now - since)
