"""What is broken in a film, told with its times: the first of a kind at once, all of them at the end."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

from ..remarks import TIMES

_log = logging.getLogger(__name__)

_MOST = 10  # times in one sentence


class Damage:
    """Keeps where a film is broken, and says so without end of lines.

    Args:
        path: The film.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: dict[str, list[Fraction]] = {}
        self._told: dict[str, int] = {}

    def note(self, what: str, time: Fraction | None, reason: str = "") -> None:
        """Take down that something is broken.

        Args:
            what: As it ends a sentence: ``is a damaged packet, which is left out``.
            time: Seconds from the film's beginning, where that is known.
            reason: What the decoder said.
        """
        times = self._times.setdefault(what, [])
        times.append(Fraction(-1) if time is None else time)
        if len(times) == 1:
            self._told[what] = 1
            where = "" if time is None else f" at {float(time):.3f} seconds"
            reason = f" ({reason})" if reason else ""
            extra = {TIMES: () if time is None else (time,)}
            _log.warning("In %s%s %s%s.", self._path, where, what, reason, extra=extra)

    def tell(self) -> None:
        """Say where all of it was, as far as that is not said."""
        for what, times in self._times.items():
            if len(times) > self._told[what]:
                self._told[what] = len(times)
                known = sorted({time for time in times if time >= 0})
                shown = ", ".join(f"{float(time):.3f}" for time in known[:_MOST])
                more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
                where = f", at {shown} seconds{more}" if known else ""
                extra = {TIMES: known}
                _log.warning("In %s %d times %s%s.", self._path, len(times), what, where, extra=extra)
