"""How much memory the networks of a run may take, and how they share it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...models.spec import Network

KEPT = 2
"""How much more memory runs take at most where it is kept from one to the next."""

_UNKNOWN = 4 << 30  # for a machine that does not say what it has


@dataclass(frozen=True, slots=True)
class Use:
    """A network of a run, and the height and width of the frames before it."""

    network: Network
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """How many pixels there are when the frame has been padded."""
        multiple = self.network.multiple
        return (self.height + -self.height % multiple) * (self.width + -self.width % multiple)

    @property
    def all(self) -> int:
        """How many bytes it takes where nothing is spared."""
        facts = self.network
        return (facts.held + facts.spare + max(graph.memory for graph in facts.graphs)) * self.pixels

    def kept(self, allowed: float) -> int:
        """Return the bytes that stay while another network runs, where so many are allowed."""
        facts = self.network
        return (facts.held + (facts.spare if self.all <= allowed else 0)) * self.pixels


def shares(uses: Sequence[Use], memory: int) -> list[int]:
    """Return how many bytes each network may take, one at a time: all but what the others keep."""
    shared: list[int] = []
    for own in range(len(uses)):
        others = [use for place, use in enumerate(uses) if place != own]
        shared.append(max(memory - sum(use.kept(memory / 2) for use in others), 0))
    return shared


def default_memory() -> int:
    """Return half of the machine's memory, or four fifths of what is free where that is less, bytes."""
    total, free = _limits()
    if total is None:
        return _UNKNOWN
    return min(total // 2, free * 4 // 5) if free is not None else total // 2


def _limits() -> tuple[int | None, int | None]:
    """Return all memory and what is free of it, bytes, of the machine or of the container around this."""
    total = free = None
    with suppress(OSError, ValueError, AttributeError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(found[1]) * 1024 if found else None
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        used = int((group / "memory.current").read_text())
        total = min(total or limit, limit)
        free = min(limit - used if free is None else free, limit - used)
    return total, free
