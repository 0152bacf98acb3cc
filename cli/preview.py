"""A film tried: some samples of it restored, with words on what all of it would take."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ReelError
from .beside import make_comparison
from .device import chosen_device
from .one import describe, tell_missing
from .summary import check_place, summary_facts, timings_table
from .terminal import DONE, ProgressDisplay
from .times import clock, duration

if TYPE_CHECKING:
    from ..engine.trial.estimate import Estimate
    from ..engine.trial.preview import Column, Preview, Tried

_FEW = (3, Fraction(1))
_FEW_OF_EACH = (3, Fraction(1, 4))  # a still is looked at, and its neighbours only serve it


def preview_one(source: Path, output: Path, columns: Sequence[Column], options: argparse.Namespace) -> int:
    """Make the preview of a film and print what it came to; with ``--dry-run``, say what would be done.

    Args:
        source: The film.
        output: Where the result of all of it would be.
        columns: The settings to try.
        options: As they were given.
    """
    from ..engine.trial import preview as engine
    from ..engine.trial.samples import Samples

    _check_beside(options, output)
    count, seconds = options.samples or (_FEW if len(columns) == 1 else _FEW_OF_EACH)
    wanted = Samples(count, seconds)
    needed = any(column.settings.networks for column in columns)
    with chosen_device(options, needed=needed) as device:
        tried = engine.planned_preview(source, output, columns, device.store, wanted)
        _describe(tried)
        tell_missing(options)
        device.describe()
        if options.dry_run:
            return DONE
        with ProgressDisplay("previewing") as display:
            made = engine.preview(
                tried, device.store, device.backend, overwrite=columns[0].settings.overwrite, progress=display
            )
    _write_beside(made, options)
    for column, estimate, summaries in zip(columns, made.estimates, made.summaries, strict=True):
        if options.timings:
            for summary in summaries:
                print(timings_table(summary.timings), file=sys.stderr)
        print(_whole(column.label, estimate), file=sys.stderr)
    if options.summary is not None:
        options.summary.write_text(json.dumps(preview_facts(made), indent=2) + "\n")
    print(made.folder, flush=True)
    return DONE


def _check_beside(options: argparse.Namespace, output: Path) -> None:
    """Refuse what a preview cannot have beside it.

    Raises:
        ReelError: It is asked for.
    """
    from ..engine.writing.naming import place_of

    if options.report:
        check_place(Path(options.report), "--report")
    if options.compare and place_of(output)[1]:
        raise ReelError(
            "A preview of pictures has no film of before and after.",
            "Leave out --compare: the contact sheet shows both.",
        )


def _write_beside(made: Preview, options: argparse.Namespace) -> None:
    """Write the report, and the film of before and after of each sample where it is asked for."""
    from ..engine.report.preview_page import write_preview_report
    from ..engine.trial.preview import REPORT

    place = Path(options.report) if options.report else made.folder / REPORT
    write_preview_report(place, made)
    print(f"report: {place}", file=sys.stderr)
    if options.compare:
        for summary in (summary for each in made.summaries for summary in each):
            make_comparison(summary.plan, summary.settings, options)


def preview_facts(made: Preview) -> dict[str, Any]:
    """Return everything about a preview as JSON knows it; times in seconds, sizes in bytes."""
    tried = made.tried
    origin = tried.columns[0].settings.start or Fraction(0)
    return {
        "reel": __version__,
        "input": str(tried.source),
        "preview": str(made.folder),
        "sheet": str(made.sheet),
        "samples": [
            {"start": float(origin + sample.start), "end": float(origin + sample.end), "why": sample.why}
            for sample in tried.samples
        ],
        "settings": [
            {
                "label": column.label,
                "whole_film": estimate
                and {
                    "frames": estimate.frames,
                    "seconds": estimate.seconds,
                    "bytes": estimate.size,
                    "busiest": estimate.busiest,
                    "seconds_per_frame": estimate.per_frame,
                },
                "runs": [summary_facts(plan, summary) for summary in summaries],
            }
            for column, plan, estimate, summaries in zip(
                tried.columns, tried.plans, made.estimates, made.summaries, strict=True
            )
        ],
    }


def _describe(tried: Tried) -> None:
    told: set[str] = set()
    for plan in tried.plans:
        for line in describe(plan):
            if line not in told:
                told.add(line)
                print(line, file=sys.stderr)
    if tried.plans[0].before.still:
        return
    origin = tried.columns[0].settings.start or Fraction(0)
    places = ", ".join(f"{clock(int(origin + sample.start))} ({sample.why})" for sample in tried.samples)
    seconds = float(tried.samples[0].end - tried.samples[0].start)
    count = len(tried.samples)
    each = "one sample of" if count == 1 else f"{count} samples of"
    print(f"{each} {seconds:g} s, at {places}; kept in {tried.place}", file=sys.stderr)


def _whole(label: str, estimate: Estimate | None) -> str:
    """Return a line on what the whole film would take."""
    from ..engine.writing.space import shown

    what = f"all of it with {label}" if label else "all of it"
    if estimate is None:
        return f"{what}: its length is not known"
    each = estimate.seconds / max(estimate.frames, 1)
    return (
        f"{what}: {estimate.frames} frames, about {duration(estimate.seconds)} ({each:.2g} s a frame, mostly "
        f"{estimate.busiest}), {shown(estimate.size)} and as much again while it is joined"
    )
