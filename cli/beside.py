"""What is made beside a result: a film of before and after, and a report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReelError
from .summary import check_place
from .terminal import ProgressDisplay

if TYPE_CHECKING:
    from ..engine.runs.pipeline import Plan
    from ..engine.runs.settings import Settings
    from ..engine.runs.summary import Summary


def report_file(text: str) -> str:
    """Return the place of a report as it was given, seen to be one; none where nothing was given."""
    if text and not text.lower().endswith((".html", ".htm")):
        raise argparse.ArgumentTypeError(f"{text!r} is no place for a report; give a name that ends in .html")
    return text


def check_beside(plan: Plan, settings: Settings, options: argparse.Namespace) -> None:
    """Refuse what could not be written beside a result, before hours of work.

    Raises:
        OutputError: It could not.
    """
    if options.compare:
        from ..engine.runs.compare import check_comparison

        check_comparison(plan, settings)
    if options.report:
        check_place(Path(options.report), "--report")


def lacks_comparison(output: Path, settings: Settings, options: argparse.Namespace) -> bool:
    """Whether a result is there, whole, and of all that was asked for only its comparison is not."""
    if not options.compare or settings.overwrite:
        return False
    from ..engine.job.folder import job_folder
    from ..engine.runs.compare import comparison_of
    from ..engine.writing.naming import place_of

    place, pictures = place_of(output)
    there = any(place.iterdir()) if pictures and place.is_dir() else place.is_file()
    unfinished = job_folder(place, settings.work).is_dir()
    return there and not unfinished and not place_of(comparison_of(output))[0].exists()


def make_comparison(plan: Plan, settings: Settings, options: argparse.Namespace) -> None:
    """Write the film of before and after."""
    from ..engine.runs.compare import Layout, compare

    with ProgressDisplay("comparing") as display:
        place = compare(plan, settings, Layout(options.compare), progress=display)
    print(f"before and after: {place}", file=sys.stderr)


def make_report(plan: Plan, settings: Settings, summary: Summary, options: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        ReelError: It cannot be made; the result is there nevertheless.
    """
    from ..engine.report.page import report_of, write_report

    place = Path(options.report) if options.report else report_of(plan.output)
    try:
        write_report(place, plan, settings, summary)
    except ReelError as error:
        what = f"There is {summary.output}, but no report of it: {error.message}"
        raise ReelError(what, error.remedy) from error
    print(f"report: {place}", file=sys.stderr)
