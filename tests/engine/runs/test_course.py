"""What is remembered of a run as it goes: looks at it, its shots and its warnings."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from reel.engine.pixels.frame import Frame
from reel.engine.remarks import Remark, Remarks
from reel.engine.runs import course as course_module
from reel.engine.runs.course import Observer
from reel.engine.timings import Timings
from reel.tests.engine.report.looks import look


def test_a_run_is_looked_at_no_more_often_than_a_plot_can_use(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(course_module.time, "monotonic", lambda: now[0])
    looked: list[float] = []

    def timings() -> Timings:
        looked.append(now[0])
        return look(now[0], 0).timings

    observer = Observer(timings)
    observer.begin([])
    frame = Frame(np.zeros((1, 3, 2, 2), np.float32), Fraction(0), Fraction(1))
    for _ in range(40_000):
        now[0] += 0.25
        observer.wrote(frame)
    course = observer.end("cpu", ())
    assert len(looked) < 4000
    assert 500 <= len(course.looks) <= 1200
    walls = [seen.timings.wall for seen in course.looks]
    assert walls == sorted(walls)
    assert walls[0] == 0
    assert max(b - a for a, b in pairwise(walls)) <= 16 * 2


def test_shots_are_those_of_the_run_and_of_what_an_earlier_one_had_made() -> None:
    pixels = np.zeros((1, 3, 2, 2), np.float32)
    observer = Observer(lambda: look(1, 0).timings)
    observer.begin([Fraction(0), Fraction(3)])
    for time in (5, 6, 7):
        observer.wrote(Frame(pixels, Fraction(time), Fraction(1), cut=time == 6))
    assert observer.end("cpu", ()).shots == (0, 3, 6)


def test_a_film_in_which_no_cut_was_looked_for_is_one_shot() -> None:
    pixels = np.zeros((1, 3, 2, 2), np.float32)
    observer = Observer(lambda: look(1, 0).timings)
    observer.begin([])
    for time in (5, 6, 7):
        observer.wrote(Frame(pixels, Fraction(time), Fraction(1)))
    assert observer.end("cpu", ()).shots == (5,)


def test_warnings_are_kept_once_with_their_times_in_the_film() -> None:
    from reel.engine.reading.damage import Damage

    with Remarks((Remark("Said before."),)) as remarks:
        damage = Damage(Path("film.mkv"))
        for time in (2, 5, 9):
            damage.note("is broken", Fraction(time), "why")
        damage.tell()
        damage.tell()
    damage.note("is said too late", Fraction(1))
    first, second, third = remarks.kept
    assert first == Remark("Said before.")
    assert second == Remark("In film.mkv at 2.000 seconds is broken (why).", (Fraction(2),))
    assert third.times == (2, 5, 9)
