"""Time, speed and memory drawn as the run went on."""

from __future__ import annotations

import re

import pytest
from reel.engine.report.plots import busy_over_time, memory_over_time, speed_over_time
from reel.tests.engine.report.looks import look


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """The points of the lines of a plot."""
    paths = re.findall(r'<path [^>]*d="([^"]+)"', svg)
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.E-]+) ([\d.E-]+)", path)] for path in paths
    ]


def test_plots_show_what_was_seen_as_the_run_went_on() -> None:
    looks = [look(0, 0, 2**20), look(1, 2, 2**21), look(2, 6, 2**22), look(4, 6, 2**22)]
    speed, memory, busy = speed_over_time(looks), memory_over_time(looks), busy_over_time(looks)
    assert speed is not None
    assert memory is not None
    assert busy is not None
    assert speed.told == "Frames per second: from 0 to 4, at the end 0."
    points = lines(speed.svg)[0]
    assert [x for x, _ in points[1::2][:-1]] == [x for x, _ in points[2::2]]  # stairs
    (slow, fast, still) = (y for _, y in points[::2])
    assert fast < slow < still  # downwards
    assert (still - slow) * 2 == pytest.approx(still - fast, abs=0.1)
    assert memory.told == "Memory in MiB: from 1 to 4, at the end 4."
    assert busy.told.endswith("on the average decode 10%, edvr 50%, encode 100%.")
    assert len(lines(busy.svg)) == 3
    slow = speed_over_time([look(0, 0), look(1000, 1), look(2000, 7)])
    assert slow is not None
    ticks = re.findall(r">(0\.0[^<]*)</text>", slow.svg)
    assert len(ticks) > 2
    assert ticks == sorted(set(ticks))


def test_a_run_of_one_look_has_no_plots_and_of_two_a_level_line() -> None:
    assert speed_over_time([look(0, 0)]) is None
    assert memory_over_time([look(0, 0), look(1, 1)]) is None
    plot = speed_over_time([look(0, 0), look(2, 3)])
    assert plot is not None
    ((left, height), (right, same)) = lines(plot.svg)[0]
    assert left < right
    assert height == same


def test_a_plot_takes_its_colours_from_the_page() -> None:
    plot = busy_over_time([look(0, 0), look(1, 2), look(2, 6)])
    assert plot is not None
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', plot.svg)) <= {
        "none",
        *(f"var(--{name})" for name in ("ink", "soft", "line", "plot-0", "plot-1", "plot-2")),
    }
    assert "http" not in plot.svg
