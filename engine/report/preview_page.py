"""The report of a preview: all of its samples with all of its settings on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..runs.course import Course
from ..timings import Part, Timings
from ..trial.preview import Preview
from ..writing.space import shown
from .again import command_of
from .page import (
    MOVE,
    Facts,
    clock,
    network_facts,
    part_facts,
    run_stills,
    setting_facts,
    version_facts,
    write_page,
)
from .plots import busy_and_waiting
from .stills import Still


def write_preview_report(path: Path, preview: Preview) -> None:
    """Write the report of a preview; whoever looks finds the one before or all of it.

    Raises:
        OutputError: It cannot be written.
        InputError: The source or a sample cannot be read any more.
    """
    write_page(path, facts_of_preview(preview))


def facts_of_preview(preview: Preview) -> Facts:
    """Return all that a page says of a preview; its samples are read for pictures of them.

    Raises:
        InputError: The source or a sample cannot be read any more.
    """
    tried = preview.tried
    came = [summary for each in preview.summaries for summary in each]
    timings = _together([summary.timings for summary in came])
    chains = dict.fromkeys(
        " \u2192 ".join(step.network.name for step in plan.steps) or "no network" for plan in tried.plans
    )
    remarks = {remark.text: remark for summary in came for remark in summary.course.remarks}
    networks = {facts.key: facts for plan in tried.plans for facts in network_facts(plan)}
    count = len(tried.samples)
    settings, tries = tried.columns[0].settings, len(tried.columns)
    samples = f"{'A sample' if count == 1 else f'{count} samples'} of the film"
    return Facts(
        title=f"{tried.source.name}, tried",
        chain=f"{tried.source} \u2192 {' or '.join(chains)} \u2192 {preview.folder}",
        rehearsal=tuple(dict.fromkeys(name for plan in tried.plans for name in plan.rehearsal)),
        figures=tuple(_figures(preview, came[0].course)),
        stills=tuple(_stills(preview)),
        stills_told=f"{samples}, with {tries} settings each. {MOVE}" if tries > 1 else f"{samples}. {MOVE}",
        remarks=tuple(remarks.values()),
        parts=tuple(part_facts(timings)),
        plots=(busy_and_waiting(timings),),
        wall=timings.wall,
        kept_told="",
        networks=tuple(networks.values()),
        settings=tuple(setting_facts(settings)),
        versions=tuple(version_facts()),
        command="\n".join(
            command_of(plan, column.settings) for plan, column in zip(tried.plans, tried.columns, strict=True)
        ),
    )


def _figures(preview: Preview, course: Course) -> list[tuple[str, str]]:
    """Return what all of the film would take with each of the settings."""
    tried, found = preview.tried, list[tuple[str, str]]()
    before = tried.plans[0].before
    for column, plan, estimate in zip(tried.columns, tried.plans, preview.estimates, strict=True):
        label = f" with {column.label}" if len(tried.columns) > 1 else ""
        sizes = f"{before.width}\u00d7{before.height} \u2192 {plan.after.width}\u00d7{plan.after.height}"
        taken = "unknown" if estimate is None else f"{clock(estimate.seconds)}, {shown(estimate.size)}"
        found += [(f"Picture{label}", sizes), (f"All of it{label}", taken)]
    return [*found, ("Device", course.device)]


def _stills(preview: Preview) -> list[Still]:
    tried = preview.tried
    shares = sum(len(each) for each in preview.summaries)
    found: list[Still] = []
    for place, sample in enumerate(tried.samples):
        for column, each in zip(tried.columns, preview.summaries, strict=True):
            one = each[place]
            label = ", ".join(word for word in (column.label, sample.why) if word)
            for still in run_stills(one.plan, one.settings, one.course, one.frames, most=1, shares=shares):
                found.append(replace(still, label=label))
    return found


def _together(timings: Sequence[Timings]) -> Timings:
    """Return how the time of several runs was spent, one after the other."""
    busy, waiting, stages = dict[str, float](), dict[str, float](), dict[str, float]()
    for one in timings:
        for part in one.parts:
            busy[part.name] = busy.get(part.name, 0.0) + part.busy
            waiting[part.name] = waiting.get(part.name, 0.0) + part.waiting
        for name, spent in one.stages:
            stages[name] = stages.get(name, 0.0) + spent
    parts = tuple(Part(name, busy[name], waiting[name]) for name in busy)
    return Timings(sum(one.wall for one in timings), parts, tuple(stages.items()))
