"""How the time of a run is shared out among its parts."""

from __future__ import annotations

import pytest
from reel.engine import timings
from reel.engine.timings import Clock


@pytest.fixture
def spend(monkeypatch):
    """Give items, each after a work of so many seconds, on a clock that nothing else moves."""
    now = [100.0]
    monkeypatch.setattr(timings.time, "perf_counter", lambda: now[0])

    def work(items, seconds):
        for item in items:
            now[0] += seconds
            yield item

    return work


def test_each_part_is_told_what_it_took_and_what_it_waited(spend):
    clock = Clock()
    decoded = clock.timed("decode", spend(iter(range(10)), 1))
    first = clock.timed("first", spend(clock.timed("arrival", decoded), 2))
    second = clock.timed("second", spend(first, 3))
    for _ in spend(clock.timed("departure", second), 0.5):
        pass
    found = clock.stopped(
        decode="decode", arrival="arrival", stages=("first", "second"), departure="departure"
    )
    # One after the other here, so that each waits for all others.
    assert found.wall == 65
    assert {part.name: (part.busy, part.waiting) for part in found.parts} == {
        "decode": (10, 55),
        "networks": (50, 15),
        "encode": (5, 60),
    }
    assert found.stages == (("first", 20), ("second", 30))
    assert found.overlap == 65 / 50


def test_a_run_that_made_nothing_has_timings_too(spend):
    found = Clock().stopped(decode="decode", arrival="arrival", stages=(), departure="departure")
    assert [(part.name, part.busy) for part in found.parts] == [("decode", 0), ("networks", 0), ("encode", 0)]


def test_what_is_under_way_is_told_too(spend):
    clock = Clock()
    seen = []

    def asked(items):
        for item in items:
            seen.append(
                clock.stopped(decode="decode", arrival="decode", stages=("stage",), departure="stage")
            )
            yield item

    for _ in clock.timed("stage", asked(spend(clock.timed("decode", spend(iter(range(3)), 1)), 2))):
        pass
    # Asked when it has decoded for so many seconds and worked on it for twice as many, within the stage.
    assert [(found.wall, found.parts[0].busy, found.stages) for found in seen] == [
        (3 * n, n, (("stage", 2 * n),)) for n in (1, 2, 3)
    ]
