"""One film restored, with words on what is done."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .beside import check_beside, lacks_comparison, make_comparison, make_report
from .device import chosen_device
from .summary import timings_table
from .terminal import ProgressDisplay
from .times import clock

if TYPE_CHECKING:
    from ..engine.runs.pipeline import Plan
    from ..engine.runs.settings import Settings
    from ..engine.runs.summary import Summary


def restore_one(
    source: Path, output: Path, settings: Settings, options: argparse.Namespace, plans: list[Plan]
) -> tuple[Plan, Summary | None]:
    """Restore a film and print what it came to; with ``--dry-run``, only say what would be done.

    Where a run was stopped as it made a comparison, only that is left to do.

    Args:
        plans: Told of the plan as soon as it is carried out.
    """
    from ..engine.runs import pipeline

    with chosen_device(options, needed=bool(settings.networks)) as device:
        plan = pipeline.plan(source, output, settings, device.store)
        _describe(plan)
        tell_missing(options)
        device.describe()
        if options.dry_run:
            return plan, None
        plans.append(plan)
        check_beside(plan, settings, options)
        if lacks_comparison(plan.output, settings, options):
            print(f"{plan.output} is there already; what is missing is its comparison", file=sys.stderr)
            make_comparison(plan, settings, options)
            return plan, None
        with ProgressDisplay("restoring") as display:
            summary = pipeline.run(plan, settings, device.backend, progress=display, shot=display.shot)
    _tell(plan, summary, settings, options)
    return plan, summary


def _tell(plan: Plan, summary: Summary, settings: Settings, options: argparse.Namespace) -> None:
    """Print what a run came to, and write what is wanted beside its result."""
    made = summary.frames - summary.kept
    speed = made / max(summary.seconds, 1e-9)
    frames = "1 frame" if made == 1 else f"{made} frames"
    kept = f", after {summary.kept} made before" if summary.kept else ""
    print(f"{frames} in {clock(summary.seconds)}, {speed:.2f} fps{kept}", file=sys.stderr)
    if options.timings:
        print(timings_table(summary.timings), file=sys.stderr)
    print(summary.output, flush=True)
    if options.compare:
        options.made = plan.output  # for who stops it now
        make_comparison(plan, settings, options)
        options.made = None
    if options.report is not None:
        make_report(plan, settings, summary, options)


def _describe(plan: Plan) -> None:
    from ..engine.writing.space import shown

    first, *more = describe(plan)
    print(first, file=sys.stderr)
    if plan.job is not None:
        known = "" if plan.size is None else f" (about {shown(plan.size)}, as much again while it is joined)"
        begun = "going on with what lies in" if plan.job.is_dir() else "unfinished work is kept in"
        more.insert(0, f"{begun} {plan.job}{known}")
    for line in more:
        print(line, file=sys.stderr)


def tell_missing(options: argparse.Namespace) -> None:
    """Say, once, what stands in for networks that are not exported."""
    for line in options.missing:
        print(line, file=sys.stderr)
    options.missing = []


def describe(plan: Plan) -> list[str]:
    """Return what is done with a film, and what must be known of it."""
    before, after = plan.before, plan.after
    chain = " -> ".join(step.network.name for step in plan.steps) or "no network"
    rates = [
        f", {float(film.rate):.5g} fps" if film.rate and not film.still else "" for film in (before, after)
    ]
    lines = [
        f"{plan.input}: {before.width}x{before.height}{rates[0]} -> {chain} -> "
        f"{after.width}x{after.height}{rates[1]}"
    ]
    if plan.borders is not None:
        worked = plan.worked
        lines.append(f"black borders: the networks work on {worked.width}x{worked.height} of it")
    if plan.rehearsal:
        lines.append(
            f"REHEARSAL: {', '.join(plan.rehearsal)} run on random weights, so the pictures mean nothing. "
            "Get the real ones with `reel-export`."
        )
    return lines
