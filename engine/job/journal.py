"""The frames of the segment in the making, kept one by one where each of them is worth it."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .card import restart_as_json, restart_from_json
from .records import Records, read_records
from .restart import Restart

SLOW = 0.1  # seconds a frame; a segment of frames that come faster is soon made again
_JUDGED_BY = 8  # frames
_SETTLED_EVERY = 10.0  # seconds; what a power failure may cost, beside the frame in the making


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame that was made.

    Attributes:
        time, duration: As the frame's.
        restart: How to begin again with the frame after it.
        state: What its segment needs to take it in again.
        end: Where its record ends in the file.
    """

    time: Fraction
    duration: Fraction
    restart: Restart | None
    state: bytes
    end: int


def read_journal(path: Path) -> Iterator[Entry]:
    """Give what a journal remembers, up to the first entry that is torn or damaged."""
    if not path.exists():
        return
    for record in read_records(path):
        try:
            head = json.loads(record.head)
            restart = restart_from_json(head["restart"]) if head["restart"] else None
            entry = Entry(
                Fraction(head["time"]), Fraction(head["duration"]), restart, record.body, record.end
            )
        except (ValueError, TypeError, KeyError):
            return
        yield entry


class Journal:
    """The journal of one segment.

    Args:
        path: Its file.
        keep: How many bytes of it are valid already.
    """

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        self._records = Records(path, keep=keep)
        self._records.__enter__()
        self._settled = time.monotonic()

    def note(
        self, moment: Fraction, duration: Fraction, restart: Restart | None, *state: bytes | memoryview
    ) -> None:
        """Remember one frame."""
        head = {
            "time": str(moment),
            "duration": str(duration),
            "restart": restart and restart_as_json(restart),
        }
        self._records.append(json.dumps(head), *state)
        now = time.monotonic()
        if now - self._settled > _SETTLED_EVERY:
            self._records.settle()
            self._settled = now

    def close(self) -> None:
        """Close the file; it stays."""
        self._records.__exit__(None, None, None)

    def drop(self) -> None:
        """Close and remove the file."""
        self.close()
        self._records.path.unlink(missing_ok=True)


class Pace:
    """How fast frames come: whether they are worth keeping one by one."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=_JUDGED_BY + 1)

    def tick(self) -> None:
        """Take note that a frame has come."""
        self._moments.append(time.monotonic())

    @property
    def slow(self) -> bool:
        """Whether the last few took long; so too while there are few, since the first ones often do."""
        if len(self._moments) <= _JUDGED_BY:
            return True
        return (self._moments[-1] - self._moments[0]) / _JUDGED_BY >= SLOW
