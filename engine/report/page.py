"""The report of a run: one HTML file that needs nothing else, and asks nobody for anything."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ...errors import OutputError
from ..job.files import size_of, write_whole
from ..job.identity import facts_of, versions
from ..remarks import Remark
from ..runs.course import Course
from ..runs.plan import Plan
from ..runs.settings import Settings
from ..runs.summary import Summary
from ..timings import Part, Timings
from ..writing.naming import place_of
from ..writing.partial import reported
from ..writing.space import shown
from .again import command_of
from .moments import moments
from .plots import (
    Plot,
    busy_and_waiting,
    busy_over_time,
    memory_over_time,
    parts_of,
    speed_over_time,
)
from .stills import MOST, Still, stills

MOVE = "Move the slider, or use the arrow keys on it, to see one through the other."


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What a page says of a network."""

    name: str
    rehearsal: bool
    weights: str
    sha256: str
    key: str
    precision: str
    difference: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page says; times in seconds.

    Attributes:
        title, chain: What was made of what.
        rehearsal: Names of the networks that ran on random weights.
        figures: What the run came to, names with values.
        stills, stills_told: Pictures, and a sentence on them.
        remarks: Warnings.
        parts, plots, wall: How the time was spent; empty where nothing was made.
        kept_told: A sentence on what an earlier run had made; may be empty.
        networks, settings, versions: What the result depends on.
        command: To make it again.
    """

    title: str
    chain: str
    rehearsal: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    stills: tuple[Still, ...]
    stills_told: str
    remarks: tuple[Remark, ...]
    parts: tuple[Part, ...]
    plots: tuple[Plot, ...]
    wall: float
    kept_told: str
    networks: tuple[NetworkFacts, ...]
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    command: str


def report_of(output: Path) -> Path:
    """Return where the report of a result goes: ``film.restored.mp4`` -> ``film.restored.report.html``."""
    place, pictures = place_of(output)
    place = place if place.name not in ("", "..") else place.resolve()
    return place.with_name(f"{place.name if pictures else place.stem}.report.html")


def write_report(path: Path, plan: Plan, settings: Settings, summary: Summary) -> None:
    """Write the report of a run that is done; whoever looks finds the one before or all of it.

    Raises:
        OutputError: It cannot be written.
        InputError: The source or the result cannot be read any more.
    """
    write_page(path, facts_of_run(plan, settings, summary))


def write_page(path: Path, facts: Facts) -> None:
    """Write a page in one step.

    Raises:
        OutputError: It cannot be written.
    """
    text = rendered(facts)
    with reported(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder.", "Name a file with --report.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())


def facts_of_run(plan: Plan, settings: Settings, summary: Summary) -> Facts:
    """Return all that a page says of a run; its result is read for pictures of it.

    Raises:
        InputError: The source or the result cannot be read any more.
    """
    course, chain = summary.course, " → ".join(step.network.name for step in plan.steps) or "no network"
    found = run_stills(plan, settings, course, summary.frames)
    timings = summary.timings
    made = summary.frames - summary.kept
    return Facts(
        title=f"{plan.input.name}, restored",
        chain=f"{plan.input} → {chain} → {summary.output}",
        rehearsal=plan.rehearsal,
        figures=tuple(_figures(plan, summary)),
        stills=tuple(found),
        stills_told=_stills_told(len(course.shots), len(found)),
        remarks=course.remarks,
        parts=tuple(part_facts(timings)) if made else (),
        plots=tuple(_plots(course, timings)) if made else (),
        wall=timings.wall,
        kept_told=f"An earlier run had made {summary.kept} frames; this is the rest." if summary.kept else "",
        networks=tuple(network_facts(plan)),
        settings=tuple(setting_facts(settings)),
        versions=tuple(version_facts()),
        command=command_of(plan, settings),
    )


def run_stills(
    plan: Plan, settings: Settings, course: Course, frames: int, *, most: int = MOST, shares: int = 1
) -> list[Still]:
    """Return stills from the shots of a run, or of a photo the photo; see ``stills`` for ``shares``."""
    begin = course.shots[0] if course.shots else Fraction(0)
    if plan.before.still:
        return stills(plan, settings, [begin], shares=shares)
    rate = plan.after.rate or (plan.before.rate or Fraction(24))
    end = max([begin + frames / rate, *course.shots[-1:]])
    return stills(plan, settings, moments(course.shots, end, most=most), shares=shares)


def rendered(facts: Facts) -> str:
    """Return the page; what is not of reel's making is escaped in it."""
    return environment().get_template("report.html").render(facts=facts)


@cache
def environment() -> Environment:
    """Return what templates are filled in by."""
    loader = PackageLoader(__package__ or "reel.engine.report", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    made.trim_blocks = made.lstrip_blocks = True
    made.filters["clock"] = clock
    return made


def clock(seconds: Fraction | float) -> str:
    """Return a time in a film as ``0:01:02.3``."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _figures(plan: Plan, summary: Summary) -> list[tuple[str, str]]:
    before, after = plan.before, plan.after
    made = summary.frames - summary.kept
    memory = max((look.memory or 0 for look in summary.course.looks), default=0)
    rates = [f"{float(film.rate):.5g} fps" if film.rate else "variable" for film in (before, after)]
    found = [
        ("Picture", f"{before.width}×{before.height} → {after.width}×{after.height}"),
        ("Frame rate", " → ".join(rates)),
        ("Frames", f"{summary.frames}"),
        ("Time", f"{clock(summary.seconds)}"),
        ("Speed", _speed(made, summary.seconds)),
        ("Device", summary.course.device),
        ("Result", shown(size_of(place_of(summary.output)[0]))),
    ]
    found[1:3] = [] if before.still else found[1:3]
    return found + ([("Memory at most", shown(memory))] if memory else [])


def _speed(frames: int, seconds: float) -> str:
    if not frames:
        return "nothing to do"
    each = seconds / frames
    return f"{1 / max(each, 1e-9):.3g} fps" if each < 2 else f"{each:.3g} s a frame"


def _stills_told(shots: int, pictures: int) -> str:
    if shots > pictures > 1:
        return f"{pictures} of {shots} shots, spread over the film. {MOVE}"
    return f"A picture from each shot. {MOVE}" if shots > 1 else MOVE


def part_facts(timings: Timings) -> list[Part]:
    """Return decode, each network and encode; a network waits while it is not at work."""
    return [Part(name, busy, max(0.0, timings.wall - busy)) for name, busy in parts_of(timings)]


def _plots(course: Course, timings: Timings) -> list[Plot]:
    if not course.looks:
        return []
    over_time = (busy_over_time, speed_over_time, memory_over_time)
    found = [busy_and_waiting(timings), *(plot(course.looks) for plot in over_time)]
    return [plot for plot in found if plot is not None]


def network_facts(plan: Plan) -> list[NetworkFacts]:
    """Return what a page says of the networks of a run."""
    cards = [step.artifact.card for step in plan.steps]
    return [
        NetworkFacts(
            name=card.network,
            rehearsal=card.rehearsal,
            weights=card.weights,
            sha256=card.weights_sha256,
            key=card.key,
            precision=card.precision,
            difference=f"{max(parity.relative_l2 for parity in card.parity):.1e}"
            if card.parity
            else "unknown",
        )
        for card in cards
    ]


def setting_facts(settings: Settings) -> list[tuple[str, str]]:
    """Return the settings that the result depends on, as their options are called."""
    said = {"True": "yes", "False": "no"}
    times = {"--start": settings.start, "--end": settings.end}
    return [
        (
            fact.name,
            said.get(fact.value, fact.value) if (time := times.get(fact.name)) is None else clock(time),
        )
        for fact in facts_of(settings)
        if fact.value
    ]


def version_facts() -> list[tuple[str, str]]:
    """Return the versions of what made the result."""
    found = [(fact.name, fact.value) for fact in versions()]
    return [*found, ("Python", platform.python_version()), ("system", platform.platform())]
