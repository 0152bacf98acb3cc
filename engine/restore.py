"""The whole main job as one function."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import ReelError
from ..models.store import Store
from .backends.choice import chosen_backend
from .networks.artifacts import BestArtifacts
from .runs.order import default_order
from .runs.pipeline import Progress, plan, run
from .runs.settings import Settings
from .runs.summary import Summary
from .stages.cadence import Cadence
from .writing.naming import chosen_output, default_output

_log = logging.getLogger(__name__)


def restore(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    order: tuple[str, ...] | list[str] | None = None,
    times: Fraction | int | None = None,
    fps: Fraction | int | None = None,
    render_factor: int | None = None,
    start: Fraction | float | None = None,
    end: Fraction | float | None = None,
    overwrite: bool | None = None,
    compare: str | None = None,
    report: bool | str | PathLike[str] = False,
    settings: Settings | None = None,
    device: str = "auto",
    store: Path | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Restore a film, a folder of pictures or a photo, as ``reel-run`` does.

    Args:
        source: Film, folder, ``frames/%06d.png`` or photo.
        output: Film, photo, or a folder or ``frames/%06d.png`` for pictures; None: beside the source.
        order: Networks, first to last; none at all only decodes and encodes. None: the official ones, as far
            as they are exported, and small ones that come with reel in place of the others.
        times: How many times as many frames an interpolator makes. Not together with ``fps``.
        fps: Frames per second that an interpolator makes.
        render_factor: Detail that the colouriser sees, times 16 pixels.
        start, end: The part of the film to do, seconds from its beginning.
        overwrite: Whether an output that is there may be replaced.
        compare: ``side`` or ``wipe``: also write a film of before and after beside the output.
        report: Also write a page that tells of the run: there, or beside the output if this is ``True``.
        settings: What else to do, and what holds where the above are None.
        device: ``cpu``, ``cuda``, ``tensorrt``, or ``auto`` for the best of them that works.
        store: Folder of exported networks; None: ``REEL_STORE``, or the user's cache.
        progress: Called at the start and after each frame, with the count so far and the total or None.

    Returns:
        What the run came to; in a notebook it shows itself, before and after.

    Raises:
        ReelError: Whatever went wrong, with its remedy.
    """
    if compare not in (None, "side", "wipe"):
        raise ReelError(f"{compare!r} is no way to compare.", "Give side or wipe.")
    if times is not None and fps is not None:
        raise ReelError("times and fps both say how many frames to make.", "Give one of them.")
    given: dict[str, Any] = {
        "order": None if order is None else tuple(order),
        "cadence": _cadence(times, fps),
        "render_factor": render_factor,
        "start": None if start is None else Fraction(start),
        "end": None if end is None else Fraction(end),
        "overwrite": overwrite,
    }
    chosen = replace(
        settings or Settings(), **{name: value for name, value in given.items() if value is not None}
    )
    exported = Store(store)
    if chosen.order is None:
        default = default_order(exported, parity=chosen.parity)
        if default.why is not None:
            _log.warning("%s", default.why)
        chosen = replace(chosen, order=default.names)
    film = Path(source)
    place = default_output(film) if output is None else chosen_output(film, str(output))
    with chosen_backend(device if chosen.networks else "cpu") as choice:
        if chosen.networks:
            _log.info("%s", choice.why)
        artifacts = BestArtifacts(exported, choice.backend.precisions)
        planned = plan(film, place, chosen, artifacts)
        if compare is not None:
            from .runs.compare import check_comparison  # it draws words, which takes Pillow

            check_comparison(planned, chosen)
        summary = run(planned, chosen, choice.backend, progress=progress)
    _write_beside(summary, compare, report)
    return summary


def _write_beside(summary: Summary, compare: str | None, report: bool | str | PathLike[str]) -> None:
    if compare is not None:
        from .runs.compare import Layout
        from .runs.compare import compare as write_comparison

        write_comparison(summary.plan, summary.settings, Layout(compare))
    if report is not False:
        from .report.page import report_of, write_report

        place = report_of(summary.output) if report is True else Path(report)
        write_report(place, summary.plan, summary.settings, summary)


def _cadence(times: Fraction | int | None, fps: Fraction | int | None) -> Cadence | None:
    if times is not None:
        return Cadence(factor=Fraction(times))
    return None if fps is None else Cadence(rate=Fraction(fps))
