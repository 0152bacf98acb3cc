"""Plots of how a run went, as SVG that takes its colours from the page around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import leather
import leather.svg
import leather.theme

from ..runs.course import Look
from ..timings import Timings

_WIDTH, _HEIGHT, _ROW = 560, 240, 30
_MOST = 120  # points of a line
_PAGE = {  # what the page's style sheet sets; see templates/style.css
    "background_color": "none",
    "margin": 0.03,
    "title_color": "var(--ink)",
    "legend_color": "var(--ink)",
    "axis_title_color": "var(--ink)",
    "label_color": "var(--soft)",
    "tick_color": "var(--line)",
    "zero_color": "var(--soft)",
    **{f"{what}_font_family": "inherit" for what in ("title", "legend", "axis_title", "tick")},
    **{f"{what}_font_size": 13 for what in ("legend", "axis_title", "tick")},
    **{f"{what}_font_char_width": 7 for what in ("legend", "axis_title", "tick")},
}
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")  # lines differ by more than colour


Point = tuple[float, float]
Step = tuple[float, float, float]
"""Since and until, seconds, and what was between them."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot.

    Attributes:
        title: What it shows.
        told: The same in a sentence, for who does not see it.
        svg: The plot.
    """

    title: str
    told: str
    svg: str


def busy_and_waiting(timings: Timings) -> Plot:
    """Return how long each part of a run was busy and how long it waited, as bars."""
    wall = max(timings.wall, 1e-9)
    rows = [(name, min(busy, wall)) for name, busy in parts_of(timings)]
    told = ", ".join(f"{name} {busy / wall:.0%}" for name, busy in rows)
    unit, name = (60.0, "minutes") if wall > 600 else (1.0, "seconds")
    with _styled():
        chart = leather.Chart()
        chart.add_bars([(wall / unit, row) for row, _ in rows], name="waiting", fill_color="var(--idle)")
        chart.add_bars([(busy / unit, row) for row, busy in rows], name="busy", fill_color="var(--plot-0)")
        chart.add_x_scale(0, wall / unit)
        chart.add_x_axis(tick_formatter=_number, name=name)
        svg = _svg(chart, 90 + _ROW * len(rows))
    return Plot("Busy and waiting", f"Share of {wall:.1f} seconds that each part was busy: {told}.", svg)


def busy_over_time(looks: Sequence[Look]) -> Plot | None:
    """Return what share of the time each part was busy as the run went on; None where it was too short."""
    lines: dict[str, list[Step]] = {}
    for before, after in _spans(looks):
        since, until = before.timings.wall, after.timings.wall
        for (name, then), (_, now) in zip(parts_of(before.timings), parts_of(after.timings), strict=True):
            share = 100 * min(1.0, max(0.0, (now - then) / (until - since)))
            lines.setdefault(name, []).append((since, until, share))
    if not lines:
        return None
    means = ", ".join(f"{name} {_mean(steps):.0f}%" for name, steps in lines.items())
    told = f"How busy each part was as the run went on, on the average {means}."
    stairs = {name: _stairs(steps) for name, steps in lines.items()}
    return _lines("Busy over time", told, looks, stairs, unit="%", top=100)


def speed_over_time(looks: Sequence[Look]) -> Plot | None:
    """Return the frames per second as the run went on; None where it was too short."""
    steps: list[Step] = []
    for before, after in _spans(looks):
        since, until = before.timings.wall, after.timings.wall
        steps.append((since, until, (after.frames - before.frames) / (until - since)))
    if not steps:
        return None
    told = f"Frames per second: {_range([value for _, _, value in steps])}."
    return _lines("Speed over time", told, looks, {"": _stairs(steps)}, unit="fps")


def memory_over_time(looks: Sequence[Look]) -> Plot | None:
    """Return what the process held in memory as the run went on; None where that is not known."""
    step = max(1, len(looks) // _MOST)
    kept = [look for look in looks[::step] if look.memory is not None]
    points = [(look.timings.wall, (look.memory or 0) / 2**20) for look in kept]
    if len(points) < 2:
        return None
    told = f"Memory in MiB: {_range([y for _, y in points])}."
    return _lines("Memory over time", told, looks, {"": points}, unit="MiB")


def parts_of(timings: Timings) -> list[tuple[str, float]]:
    """Return decode, each stage and encode with the seconds that it was busy, in order."""
    busy = {part.name: part.busy for part in timings.parts}
    return [("decode", busy["decode"]), *timings.stages, ("encode", busy["encode"])]


def _lines(
    title: str,
    told: str,
    looks: Sequence[Look],
    lines: dict[str, list[Point]],
    *,
    unit: str,
    top: float | None = None,
) -> Plot:
    end = looks[-1].timings.wall
    scale, name = (3600.0, "hours") if end > 7200 else (60.0, "minutes") if end > 300 else (1.0, "seconds")
    highest = top or 1.1 * max(y for points in lines.values() for _, y in points) or 1.0
    with _styled():
        chart = leather.Chart()
        for place, (line, points) in enumerate(lines.items()):
            chart.add_line(
                [(x / scale, y) for x, y in points],
                name=line,
                stroke_color=f"var(--plot-{place % 6})",
                stroke_dasharray=_DASHES[place % len(_DASHES)],
            )
        chart.add_x_scale(0, max(end / scale, 1e-3))
        chart.add_y_scale(0, highest)
        chart.add_x_axis(tick_formatter=_number, name=name)
        chart.add_y_axis(tick_formatter=_number)
        svg = _svg(chart, _HEIGHT)
    return Plot(f"{title}, {unit}", told, svg)


def _spans(looks: Sequence[Look]) -> list[tuple[Look, Look]]:
    """Return stretches of a run from look to look, no more of them than a plot shows."""
    count = min(len(looks) - 1, _MOST)
    edges = [looks[place * (len(looks) - 1) // count] for place in range(count + 1)] if count > 0 else []
    return [(a, b) for a, b in pairwise(edges) if b.timings.wall > a.timings.wall]


def _stairs(steps: Sequence[Step]) -> list[Point]:
    return [(x, value) for since, until, value in steps for x in (since, until)]


def _mean(steps: Sequence[Step]) -> float:
    passed = sum(until - since for since, until, _ in steps)
    return sum(value * (until - since) for since, until, value in steps) / passed


def _range(values: Sequence[float]) -> str:
    return f"from {_told(min(values))} to {_told(max(values))}, at the end {_told(values[-1])}"


def _told(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _number(value: Any, _place: int, _count: int) -> str:
    return f"{float(value):g}"


@contextmanager
def _styled() -> Generator[None]:
    """Let leather draw as the page is drawn; it keeps its style in a module, where others may have theirs."""
    before = {name: getattr(leather.theme, name) for name in _PAGE}
    try:
        for name, value in _PAGE.items():
            setattr(leather.theme, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(leather.theme, name, value)


_LONG = re.compile(r"(?<=[\" ])(\d+\.\d\d)\d+")  # a place, not the number that a tick is called


def _svg(chart: Any, height: int) -> str:
    drawing: Callable[[object], str] = leather.svg.stringify
    inside = _LONG.sub(r"\1", drawing(chart.to_svg_group(_WIDTH, height)))
    # It has no size of its own, so that it is as wide as there is room; what it shows is told beside it.
    return f'<svg viewBox="0 0 {_WIDTH} {height}" aria-hidden="true" focusable="false">{inside}</svg>'
