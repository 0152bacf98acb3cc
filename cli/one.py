"""One film restored, with words on what is done."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.store import Store
from .summary import timings_table
from .terminal import ProgressDisplay
from .times import clock

if TYPE_CHECKING:
    from ..engine.pipeline import Plan, Summary
    from ..engine.settings import Settings


def restore_one(
    source: Path, output: Path, settings: Settings, options: argparse.Namespace, plans: list[Plan]
) -> tuple[Plan, Summary | None]:
    """Restore a film and print what it came to; with ``--dry-run``, only say what would be done.

    Args:
        plans: Told of the plan as soon as it is carried out.
    """
    from ..engine import pipeline
    from ..engine.backends.cpu import CpuBackend

    plan = pipeline.plan(source, output, settings, Store(options.store))
    _describe(plan)
    if options.dry_run:
        return plan, None
    plans.append(plan)
    with ProgressDisplay("restoring") as display:
        summary = pipeline.run(plan, settings, CpuBackend(), progress=display, shot=display.shot)
    made = summary.frames - summary.kept
    speed = made / max(summary.seconds, 1e-9)
    frames = "1 frame" if made == 1 else f"{made} frames"
    kept = f", after {summary.kept} made before" if summary.kept else ""
    print(f"{frames} in {clock(summary.seconds)}, {speed:.2f} fps{kept}", file=sys.stderr)
    if options.timings:
        print(timings_table(summary.timings), file=sys.stderr)
    print(summary.output, flush=True)
    return plan, summary


def _describe(plan: Plan) -> None:
    from ..engine.job.space import shown

    before, after = plan.before, plan.after
    chain = " -> ".join(step.network.name for step in plan.steps) or "no network"
    rates = [
        f", {float(film.rate):.5g} fps" if film.rate and not film.still else "" for film in (before, after)
    ]
    print(
        f"{plan.input}: {before.width}x{before.height}{rates[0]} -> {chain} -> "
        f"{after.width}x{after.height}{rates[1]}",
        file=sys.stderr,
    )
    if plan.borders is not None:
        worked = plan.worked
        print(f"black borders: the networks work on {worked.width}x{worked.height} of it", file=sys.stderr)
    if plan.job is not None:
        known = "" if plan.size is None else f" (about {shown(plan.size)}, as much again while it is joined)"
        begun = "going on with what lies in" if plan.job.is_dir() else "unfinished work is kept in"
        print(f"{begun} {plan.job}{known}", file=sys.stderr)
    if plan.rehearsal:
        print(
            f"REHEARSAL: {', '.join(plan.rehearsal)} run on random weights, so the pictures mean nothing. "
            "Get the real ones with `reel-export`.",
            file=sys.stderr,
        )
