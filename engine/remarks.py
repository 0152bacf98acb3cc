"""What was said of a film while it was worked on, kept for who reads of it later."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Self

_MOST = 200  # remarks; nobody reads more
TIMES = "film_times"
"""What a log record calls the times that it speaks of: seconds from the film's beginning."""
SHOWN = "shown"
"""What a log record is marked by that is no warning and is shown to the user all the same."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning.

    Attributes:
        text: A sentence.
        times: Where in the film, seconds from its beginning; empty where it speaks of all of it.
    """

    text: str
    times: tuple[Fraction, ...] = ()


class Remarks(logging.Handler):
    """Keeps reel's warnings while it is entered, each text once.

    Args:
        before: What was said before.
    """

    def __init__(self, before: tuple[Remark, ...] = ()) -> None:
        super().__init__(logging.WARNING)
        self._kept = {remark.text: remark for remark in before}

    @property
    def kept(self) -> tuple[Remark, ...]:
        """What was said until now, in order."""
        return tuple(self._kept.values())

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if len(self._kept) < _MOST:
            self._kept.setdefault(text, Remark(text, tuple(getattr(record, TIMES, ()))))

    def __enter__(self) -> Self:
        logging.getLogger("reel").addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("reel").removeHandler(self)
